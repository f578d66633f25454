"""What a TensorFlow graph says of itself, and what of it can be changed by feeding.

Constants are read by running their tensors: in a float32 graph as their author wrote them,
in a float64 graph as they act (TF 1's optimizers round theirs to float32 first).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

import numpy as np

from netparity.conventions import Conventions, Place
from netparity.implementations.tensorflow_losses import data_loss
from netparity.implementations.tensorflow_session import LiveGraph
from netparity.implementations.tensorflow_walk import Node, unwrapped, variable_op
from netparity.nn import (
    ELU,
    L1,
    L2,
    SGD,
    Adam,
    Affine,
    Dropout,
    Flatten,
    Layer,
    LeakyReLU,
    LogSoftmax,
    Optimizer,
    Penalty,
    ReLU,
    Scope,
    Sigmoid,
    Softmax,
    Softplus,
    Tanh,
)

Array = np.ndarray[Any, np.dtype[Any]]
#: Where an update op keeps a setting of the reference network's.
_ARGUMENTS = {
    "ApplyGradientDescent": {"learning_rate": "alpha"},
    "ApplyMomentum": {"learning_rate": "lr", "momentum": "momentum"},
    "ApplyAdam": {
        "learning_rate": "lr",
        "beta1": "beta1",
        "beta2": "beta2",
        "epsilon": "epsilon",
    },
}


def declared(live: LiveGraph, x: Array) -> Conventions:
    """The conventions of a graph, from its ops and their constants."""
    texts: dict[str, str] = {}
    layers = _layers(live, texts) if live.whole else None
    names = _twin_names(live)
    places = _places(live) if layers else {}
    return Conventions(
        layers=layers,
        places=places,
        loss=data_loss(live, texts),
        penalties=_penalties(live, names, texts),
        optimizer=_optimizer(live, texts),
        texts=texts,
    )


def adjust(live: LiveGraph, wanted: Conventions, x: Array) -> bool:
    """Feeds other values for constants of the graph; ``False`` leaves it as it is.

    Those are the rates of dropouts, the learning rate, ε and momentum. Feeding a value
    for one that was declared at first takes the feed away again.
    """
    now = declared(live, x)
    rest = replace(wanted, layers=now.layers, optimizer=now.optimizer)
    for name in ("loss", "penalties"):
        if getattr(rest, name) is not None and getattr(rest, name) != getattr(now, name):
            return False
    if wanted.faults:
        return False
    changes: dict[Any, float] = {}
    for name, before, after in _differing(now.layers, wanted.layers):
        node = next((node for node in live.nodes if node.name == name), None)
        if not isinstance(before, Dropout) or not isinstance(after, Dropout) or node is None:
            return False
        if after != replace(before, rate=after.rate):
            return False
        changes[node.rate] = after.rate
    if wanted.optimizer is not None and wanted.optimizer != now.optimizer:
        if now.optimizer is None or type(now.optimizer) is not type(wanted.optimizer):
            return False
        for field in fields(now.optimizer):  # type: ignore[arg-type]
            after = getattr(wanted.optimizer, field.name)
            if getattr(now.optimizer, field.name) == after:
                continue
            # The powers of β are variables, begun with the old β.
            if field.name not in ("learning_rate", "epsilon", "momentum"):
                return False
            if not after and field.name == "momentum":
                return False
            for applied in live.applied.values():
                arguments = _ARGUMENTS[applied.op.type.removeprefix("Resource")]
                if field.name not in arguments:
                    return False
                changes[applied.arguments[arguments[field.name]]] = float(after)
    # Two settings may share one tensor: then only equal values can be given.
    before = dict(live.overrides)
    for tensor, value in changes.items():
        live.overrides.pop(tensor, None)
        if live.constant(tensor) != value:
            live.overrides[tensor] = live.cast(np.asarray(value), tensor)
    after_all = declared(live, x)
    followed = wanted.layers in (None, after_all.layers)
    followed &= wanted.optimizer in (None, after_all.optimizer)
    if not followed:
        live.overrides = before
    return bool(followed)


def _differing(now: Any, wanted: Any) -> list[tuple[str, Any, Any]]:
    if wanted is None or now == wanted:
        return []
    if now is None or [name for name, _ in now] != [name for name, _ in wanted]:
        return [("", None, None)]
    pairs = zip(now, wanted, strict=True)
    return [(name, before, after) for (name, before), (_, after) in pairs if before != after]


# ---- layers ---------------------------------------------------------------------------


def _layers(live: LiveGraph, texts: dict[str, str]) -> tuple[tuple[str, Layer], ...] | None:
    layers: list[tuple[str, Layer]] = []
    for node in live.nodes:
        layer = _layer(live, node, texts)
        if layer is None:
            return None
        layers.append((node.name, layer))
    return tuple(layers) if layers else None


def _layer(live: LiveGraph, node: Node, texts: dict[str, str]) -> Layer | None:
    if node.kind == "affine":
        weight = _variable(live, node.weight)
        shape = tuple(live.variables[weight].shape) if weight else ()
        if len(shape) != 2:
            return None
        inputs, outputs = shape[::-1] if _transposed(node) else shape
        return Affine(int(inputs), int(outputs), node.bias is not None)
    if node.kind == "flatten":
        return Flatten()
    if node.kind == "dropout":
        rate = live.constant(node.rate)
        texts[f"layers.{node.name}.rate"] = _rate_text(node, rate)
        return Dropout(rate)
    if node.op.type == "LeakyRelu":
        # The op keeps its slope in float32 whatever the dtype of the graph.
        slope = np.float32(node.op.get_attr("alpha"))
        return LeakyReLU(float(str(slope)) if node.output.dtype.size == 4 else float(slope))
    known: dict[str, Layer] = {
        "Relu": ReLU(),
        "Elu": ELU(),
        "Sigmoid": Sigmoid(),
        "Tanh": Tanh(),
        "Softmax": Softmax(),
        "LogSoftmax": LogSoftmax(),
        "Softplus": Softplus(),
    }
    return known.get(node.op.type)


def _rate_text(node: Node, rate: float) -> str:
    """``keep_prob=…`` where the graph computes the rate as one minus it."""
    op = unwrapped(node.rate).op
    if op.type == "Sub":
        keep = float(str(np.float32(1) - np.float32(rate)))
        return f"keep_prob={keep!r}"
    return f"rate={rate!r}"


def _transposed(node: Node) -> bool:
    return bool(node.op.get_attr("transpose_b"))


def _variable(live: LiveGraph, op: Any) -> str | None:
    """The name of the variable that an op holds."""
    if op is None:
        return None
    for name, variable in live.variables.items():
        handle = getattr(variable, "handle", None)
        if op.name == (variable.op.name if handle is None else handle.op.name):
            return name
    return None


def _places(live: LiveGraph) -> dict[str, Place]:
    places: dict[str, Place] = {}
    for node in live.nodes:
        if node.kind != "affine":
            continue
        weight, bias = _variable(live, node.weight), _variable(live, node.bias)
        if weight is not None:
            places[f"{node.name}.weight"] = Place(weight, transposed=_transposed(node))
        if bias is not None:
            places[f"{node.name}.bias"] = Place(bias)
    return places


def _twin_names(live: LiveGraph) -> dict[str, str]:
    """The twin's name of each variable; its own where the chain does not have it."""
    names = {place.name: twin for twin, place in _places(live).items()}
    return {name: names.get(name, name) for name in live.trainable}


# ---- penalties ------------------------------------------------------------------------


def _penalties(
    live: LiveGraph, names: Mapping[str, str], texts: dict[str, str]
) -> tuple[Penalty, ...] | None:
    """The terms of the loss without inputs, as multiples of ½Σw², Σw² or Σ|w|."""
    if live.loss is None or not live.splits_loss:
        return None
    found: list[tuple[str, float, str]] = []
    for term in live.penalty_terms:
        parts = _quadratic(live, term, 1.0)
        if parts is None:
            return None
        found += parts
    groups: dict[tuple[str, float], list[str]] = {}
    for kind, coefficient, variable in found:
        if variable not in names:
            return None
        groups.setdefault((kind, coefficient), []).append(names[variable])
    weights = {twin for twin in names.values() if twin.endswith(".weight")}
    penalties: list[Penalty] = []
    for (kind, coefficient), members in groups.items():
        scope: Scope = "all" if set(members) == set(names.values()) else tuple(members)
        scope = "weights" if set(members) == weights else scope
        shown = {"half": "tf.nn.l2_loss", "square": "tf.reduce_sum(tf.square(…))"}
        texts.setdefault(
            "penalties", f"{coefficient!r} * {shown.get(kind, 'tf.reduce_sum(tf.abs(…))')}"
        )
        if kind == "absolute":
            penalties.append(L1(coefficient, 1.0, scope))
        else:
            penalties.append(L2(coefficient, 0.5 if kind == "half" else 1.0, scope))
    return tuple(penalties)


def _quadratic(live: LiveGraph, term: Any, factor: float) -> list[tuple[str, float, str]] | None:
    """(kind, coefficient, variable) of each square in a penalty term."""
    op = unwrapped(term).op
    if op.type in ("Add", "AddV2", "AddN"):
        parts = [_quadratic(live, given, factor) for given in op.inputs]
        if any(part is None for part in parts):
            return None
        return [item for part in parts if part is not None for item in part]
    if op.type in ("Mul", "RealDiv"):
        for one, other in ((0, 1), (1, 0)):
            if op.type == "RealDiv" and one == 0:
                continue
            if live.is_constant(op.inputs[one]):
                value = live.constant(op.inputs[one])
                scale = 1 / value if op.type == "RealDiv" else value
                return _quadratic(live, op.inputs[other], factor * scale)
        return None
    if op.type == "L2Loss":
        return _of(live, "half", factor, op.inputs[0])
    if op.type == "Sum":
        inner = unwrapped(op.inputs[0]).op
        if op.outputs[0].shape.rank != 0:
            return None
        if inner.type == "Square":
            return _of(live, "square", factor, inner.inputs[0])
        if inner.type == "Abs":
            return _of(live, "absolute", factor, inner.inputs[0])
        if inner.type == "Mul" and variable_op(inner.inputs[0]) == variable_op(inner.inputs[1]):
            return _of(live, "square", factor, inner.inputs[0])
    return None


def _of(
    live: LiveGraph, kind: str, factor: float, tensor: Any
) -> list[tuple[str, float, str]] | None:
    name = _variable(live, variable_op(tensor))
    return None if name is None else [(kind, factor, name)]


# ---- optimizer ------------------------------------------------------------------------


def _optimizer(live: LiveGraph, texts: dict[str, str]) -> Optimizer | None:
    """The rule of the update ops, if one rule with constant settings updates everything."""
    if not live.applied or list(live.applied) != list(live.trainable):
        return None
    rules: list[Optimizer | None] = [
        _rule(live, applied.op, applied.arguments, texts) for applied in live.applied.values()
    ]
    return rules[0] if all(rule == rules[0] for rule in rules) else None


def _rule(
    live: LiveGraph, op: Any, arguments: Mapping[str, Any], texts: dict[str, str]
) -> Optimizer | None:
    kind = op.type.removeprefix("Resource")
    if kind not in _ARGUMENTS:
        return None
    tensors = {name: arguments[argument] for name, argument in _ARGUMENTS[kind].items()}
    # A rate that moves with the step counter is told by its schedule.
    if not all(
        live.is_constant(tensor) or (name == "learning_rate" and live.is_inside(tensor))
        for name, tensor in tensors.items()
    ):
        return None
    values = {name: live.constant(tensor) for name, tensor in tensors.items()}
    for name, value in values.items():
        texts[f"optimizer.{name}"] = f"{name}={value!r}"
    rate = values["learning_rate"]
    if kind == "ApplyGradientDescent":
        texts["optimizer"] = f"GradientDescentOptimizer({rate!r})"
        return SGD(rate)
    nesterov = bool(op.get_attr("use_nesterov"))
    if kind == "ApplyMomentum":
        texts["optimizer"] = f"MomentumOptimizer({rate!r}, {values['momentum']!r})"
        return SGD(rate, momentum=values["momentum"], nesterov=nesterov)
    if nesterov:
        return None
    texts["optimizer"] = f"AdamOptimizer({rate!r})"
    return Adam(
        rate,
        # 1 − β is computed from the rounded β, which shows in its fifth digit.
        beta1=float(np.float32(values["beta1"])),
        beta2=float(np.float32(values["beta2"])),
        epsilon=values["epsilon"],
        epsilon_placement="hat",
        beta_power="float32-product",
    )
