"""Activations and their constants, dropout's rate and scaling."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from netparity.conventions import changed
from netparity.diagnosis.align import Pairing
from netparity.diagnosis.candidates import Both, Candidate, Plan, text, written
from netparity.diagnosis.identify import Identified
from netparity.diagnosis.observe_forward import pair_layers
from netparity.nn import (
    ELU,
    GELU,
    Affine,
    Dropout,
    Layer,
    LeakyReLU,
    Softmax,
)
from netparity.report.model import Evidence


def forward(both: Both, pairing: Pairing) -> Iterator[Candidate]:
    """Activations and their constants, dropout's rate and scaling."""
    left, right = both.left.twin, both.right.twin
    if left is None or right is None:
        return
    pairs = pair_layers(left, right, pairing)
    groups: dict[str, list[tuple[str, str, Layer, Layer]]] = {}
    for name, layer in left.conventions.layers or ():
        if name not in pairs or isinstance(layer, Affine):
            continue
        other, theirs = pairs[name]
        for id in _layer_ids(layer, theirs):
            groups.setdefault(id, []).append((name, other, layer, theirs))
    for id, places in groups.items():
        yield _layer_candidate(both, id, places)
    paired = {other for other, _ in pairs.values()}
    lone = [("left", n, k) for n, k in left.conventions.layers or () if _lonely(n, k, pairs)]
    lone += [("right", n, k) for n, k in right.conventions.layers or () if _lonely(n, k, paired)]
    if lone:
        yield _lone_layers(both, lone)


def _lonely(name: str, layer: Layer, paired: Any) -> bool:
    from netparity.nn import Flatten, Identity

    return name not in paired and not isinstance(layer, Affine | Flatten | Identity)


def _lone_layers(both: Both, lone: Sequence[tuple[str, str, Layer]]) -> Candidate:
    softmax_again = [
        (side, n)
        for side, n, k in lone
        if isinstance(k, Softmax) and _last(both.left if side == "left" else both.right) == n
    ]
    id = "softmax-twice" if softmax_again and len(lone) == 1 else "layer-missing"
    names = [f"{side}: {name}" for side, name, _ in lone]
    layers = both.left.conventions.layers
    return Candidate(
        id,
        "forward",
        tuple(names),
        ", ".join(repr(k) for s, _, k in lone if s == "left") or "no such layer",
        ", ".join(repr(k) for s, _, k in lone if s == "right") or "no such layer",
        f"{', '.join(names)} has no counterpart on the other side.",
        (Evidence("layers without a counterpart", len(lone), 0, None),),
        both.fix(id, left=lone[0][2], right=lone[0][2]),
        lambda plan: replace(
            plan, conventions=replace(plan.conventions, layers=_renamed(both, layers, plan))
        ),
    )


def _last(known: Identified) -> str:
    layers = known.conventions.layers or ()
    return layers[-1][0] if layers else ""


def _renamed(both: Both, layers: Any, plan: Plan) -> Any:
    """Left's layers with the weight layers of the plan in their places."""
    mine = iter([(n, k) for n, k in plan.conventions.layers or () if isinstance(k, Affine)])
    return tuple(next(mine) if isinstance(k, Affine) else (f"left_{n}", k) for n, k in layers or ())


def _layer_ids(a: Layer, b: Layer) -> list[str]:
    if isinstance(a, Dropout) and isinstance(b, Dropout):
        ids = []
        if a.rate != b.rate:
            ids.append(
                "dropout-rate-vs-keep" if abs(a.rate + b.rate - 1) < 1e-9 else "dropout-rate-value"
            )
        if a.scaling != b.scaling:
            ids.append("dropout-inverted")
        return ids
    if type(a) is not type(b):
        return ["activation-kind"]
    if a == b:
        return []
    if isinstance(a, LeakyReLU):
        return ["leaky-relu-slope"]
    if isinstance(a, GELU):
        return ["gelu-variant"]
    if isinstance(a, ELU):
        return ["elu-alpha"]
    if isinstance(a, Softmax):
        return ["softmax-axis"]
    return []  # a switch of the backward pass only


#: The switch of each activation that has one.
SWITCHES: dict[type[Layer], str] = {LeakyReLU: "slope", ELU: "alpha", Softmax: "axis"}


def _setting(layer: Layer, known: Identified) -> str:
    """What a side must be given to compute this layer: the constant, or the layer itself."""
    if isinstance(layer, GELU):
        if known.live.framework == "torch":
            return '"tanh"' if layer.approximate else '"none"'
        return str(layer.approximate)
    switch = SWITCHES.get(type(layer))
    return repr(layer) if switch is None else text(getattr(layer, switch))


def _layer_candidate(
    both: Both, id: str, places: Sequence[tuple[str, str, Layer, Layer]]
) -> Candidate:
    name, other, a, b = places[0]
    fields: dict[str, Any] = {}
    if isinstance(a, Dropout) and isinstance(b, Dropout):
        fields = {"scaling": a.scaling} if id == "dropout-inverted" else {"rate": a.rate}
        left = f"drops {a.rate:g} (keeps {1 - a.rate:g})" if "rate" in fields else a.scaling
        right = f"drops {b.rate:g} (keeps {1 - b.rate:g})" if "rate" in fields else b.scaling
        declared = written(both.right, f"layers.{other}.rate", "")
        right += f", written {declared}" if declared and "rate" in fields else ""
        declared = written(both.left, f"layers.{name}.rate", "")
        left += f", written {declared}" if declared and "rate" in fields else ""
        statement = f"Left drops a unit with probability {a.rate:g}, right with {b.rate:g}" + (
            ": the same number, once as the probability to keep and once as that to drop."
            if id == "dropout-rate-vs-keep"
            else "."
        )
        if id == "dropout-inverted":
            statement = f"Left scales kept units {a.scaling}, right {b.scaling}."
        evidence = (
            Evidence(
                "drop rate left + drop rate right",
                a.rate + b.rate,
                1.0 if id == "dropout-rate-vs-keep" else None,
                abs(a.rate + b.rate - 1),
            ),
        )
        values = (text(b.rate), text(a.rate))
    else:
        left, right = repr(a), repr(b)
        statement = f"After {name}: {left} on the left, {right} on the right."
        evidence = (Evidence("layer", left, right, None),)
        values = (_setting(b, both.left), _setting(a, both.right))
    renamed = {other: layer for _, other, layer, _ in places}

    def change(plan: Plan) -> Plan:
        stack = []
        for n, layer in plan.conventions.layers or ():
            if n in renamed:
                layer = changed(layer, **fields) if fields else renamed[n]
            stack.append((n, layer))
        return replace(plan, conventions=replace(plan.conventions, layers=tuple(stack)))

    return Candidate(
        id,
        "forward",
        tuple(n for n, *_ in places),
        left,
        right,
        statement,
        evidence,
        both.fix(id, left=values[0], right=values[1]),
        change,
    )
