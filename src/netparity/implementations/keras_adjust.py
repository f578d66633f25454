"""Changes conventions of a live Keras model.

Every change is planned first and made only if all can be. What the author wrote is kept,
so that going back to the declared conventions puts the very same objects back.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from netparity.conventions import Conventions
from netparity.implementations.keras_declared import CLIPS, clip_of, declared, twin_name
from netparity.implementations.keras_layers import layer_names, layers_of
from netparity.implementations.keras_losses import resolved, user_loss
from netparity.implementations.keras_model import LiveModel
from netparity.implementations.keras_network import effective
from netparity.implementations.keras_optimizers import ATTRIBUTES
from netparity.nn import (
    ELU,
    L1,
    L2,
    SGD,
    Affine,
    Dropout,
    Layer,
    LeakyReLU,
    Loss,
    MeanAbsoluteError,
    MeanSquaredError,
    Optimizer,
    Penalty,
    SigmoidCrossEntropy,
    in_scope,
)

if TYPE_CHECKING:
    from netparity.implementations.keras import Keras

Array = np.ndarray[Any, np.dtype[Any]]
Change = Callable[[], None]
#: Settings of an optimizer that are read anew at each step, by the reference network's names.
_ATTRIBUTES = {
    switch: attribute
    for switch, attribute in ATTRIBUTES.items()
    if switch not in ("initial_accumulator", "power", "centered")
}
#: Those that Keras casts, and with that may round to float32.
_CAST = frozenset({"momentum", "weight_decay"})


def adjust(side: Keras, wanted: Conventions, x: Array) -> bool:
    """Makes the live model follow ``wanted``; ``False`` leaves it as it is.

    That is its layers, penalties, loss and optimizer, each where ``wanted`` states it.
    Initial values, feeding and reporting are in the hands of the caller.
    """
    now, wanted = declared(side, x), side.rates.at_present(wanted)
    if wanted.faults or (wanted.places and dict(now.places) != dict(wanted.places)):
        return False
    plans = (
        _layers(side, now.layers, wanted.layers),
        _penalties(side, now.penalties, wanted.penalties),
        _loss(side, now, wanted.loss, x),
        _optimizer(side, now.optimizer, wanted.optimizer),
        _clipping(side, now, wanted),
    )
    changes: list[Change] = []
    for plan in plans:
        if plan is None:
            return False
        changes += plan
    if side.has_own_step and (plans[1] or plans[2]):
        return False
    for change in changes:
        change()
    if changes:
        side.live.forget_compiled()
    return True


def _layers(
    side: Keras,
    now: tuple[tuple[str, Layer], ...] | None,
    wanted: tuple[tuple[str, Layer], ...] | None,
) -> list[Change] | None:
    """Dropout rates and the constants of activation layers; nothing that changes structure."""
    if wanted is None or now == wanted:
        return []
    if now is None or [n for n, _ in now] != [n for n, _ in wanted]:
        return None
    known = layer_names(side.model)
    names = {known[id(layer)]: layer for layer in layers_of(side.model)}
    changes: list[Change] = []
    for (name, before), (_, after) in zip(now, wanted, strict=True):
        if before == after:
            continue
        layer = names.get(name)
        if isinstance(before, Dropout) and isinstance(after, Dropout) and layer is not None:
            # A layer made with rate 0 has no generator to draw from.
            if after != replace(before, rate=after.rate) or not hasattr(layer, "seed_generator"):
                return None
            changes.append(_setting(side, layer, ("layer", name), "rate", before.rate, after.rate))
        elif isinstance(before, LeakyReLU) and isinstance(after, LeakyReLU) and layer is not None:
            if not hasattr(layer, "negative_slope"):
                return None
            if effective(side.live, after.slope) != after.slope:
                return None
            changes.append(
                _setting(side, layer, ("layer", name), "negative_slope", before.slope, after.slope)
            )
        elif isinstance(before, ELU) and isinstance(after, ELU) and hasattr(layer, "alpha"):
            changes.append(
                _setting(side, layer, ("layer", name), "alpha", before.alpha, after.alpha)
            )
        else:
            return None
    return changes


def _setting(
    side: Keras, owner: Any, key: tuple[str, ...], attribute: str, before: Any, after: Any
) -> Change:
    """Sets an attribute; the value that was declared at first brings the author's own back."""

    def change() -> None:
        original = (*key, attribute)
        side.written.setdefault(original, (before, getattr(owner, attribute)))
        first, own = side.written[original]
        setattr(owner, attribute, own if after == first else after)

    return change


# ---- penalties ------------------------------------------------------------------------


def coefficients(
    penalties: tuple[Penalty, ...], names: list[str]
) -> dict[str, tuple[float, float]] | None:
    """Per parameter, the coefficient of Σ|w| and that of Σw²."""
    found = dict.fromkeys(names, (0.0, 0.0))
    for penalty in penalties:
        if not isinstance(penalty, (L1, L2)):
            return None
        size = penalty.factor * penalty.coefficient
        for name, (l1, l2) in found.items():
            if in_scope(penalty.scope, name):
                is_l1 = isinstance(penalty, L1)
                found[name] = (l1 + size, l2) if is_l1 else (l1, l2 + size)
    return found


def _penalties(
    side: Keras, now: tuple[Penalty, ...] | None, wanted: tuple[Penalty, ...] | None
) -> list[Change] | None:
    if wanted is None or now == wanted:
        return []
    if now is None:
        return None
    variables = side.live.variables
    names = [twin_name(name) for name in variables]
    before, after = coefficients(now, names), coefficients(wanted, names)
    if before is None or after is None:
        return None
    changes: list[Change] = []
    for name, variable in zip(names, variables.values(), strict=True):
        if before[name] != after[name]:
            changes.append(_regularized(side, name, variable, before[name], after[name]))
    return changes


def _regularized(
    side: Keras, name: str, variable: Any, before: tuple[float, float], after: tuple[float, float]
) -> Change:
    def change() -> None:
        side.written.setdefault(("penalty", name), (before, variable.regularizer))
        first, own = side.written["penalty", name]
        if after == first:
            variable.regularizer = own
        else:
            variable.regularizer = _ExactRegularizer(after) if any(after) else None

    return change


class _ExactRegularizer:
    """``l1·Σ|w| + l2·Σw²`` with coefficients that are not rounded to float32 on the way."""

    def __init__(self, coefficients: tuple[float, float]) -> None:
        self.exact_coefficients = coefficients

    def __call__(self, variable: Any) -> Any:
        import keras
        from keras import ops

        dtype = keras.backend.standardize_dtype(variable.dtype)
        l1, l2 = (ops.convert_to_tensor(np.asarray(c, dtype)) for c in self.exact_coefficients)
        total = ops.zeros((), dtype=dtype)
        if self.exact_coefficients[0]:
            total = total + l1 * ops.sum(ops.absolute(variable))
        if self.exact_coefficients[1]:
            total = total + l2 * ops.sum(ops.square(variable))
        return total


# ---- loss -----------------------------------------------------------------------------


def _loss(side: Keras, now: Conventions, wanted: Loss | None, x: Array) -> list[Change] | None:
    """Another factor or reduction of the same loss."""
    if wanted is None or now.loss == wanted:
        return []
    if now.loss is None or type(now.loss) is not type(wanted):
        return None
    factor = wanted.factor
    rest = wanted
    reducible = (MeanSquaredError, MeanAbsoluteError, SigmoidCrossEntropy)
    if isinstance(wanted, reducible) and wanted.outputs == "sum":
        # Keras always takes the mean over the outputs: their number makes a sum of it.
        outputs = _outputs(now)
        if outputs is None:
            return None
        factor *= outputs
        rest = replace(wanted, outputs="mean")
    if _plain(rest) != _plain(now.loss):
        return None
    given = user_loss(side.live)
    found = resolved(given)
    if found is None:
        return None
    function, _, settings = found
    live, before, batch = side.live, now.loss, wanted.batch

    def change() -> None:
        loss = live.compiled_loss
        if loss is None:
            return
        own = (loss._user_loss, loss._user_loss_weights)
        side.written.setdefault(("loss",), (before, own))
        first, written = side.written[("loss",)]
        if wanted == first:
            loss._user_loss, loss._user_loss_weights = written
        else:
            if before.batch != batch:
                loss._user_loss = _reduced(function, settings, batch)
            loss._user_loss_weights = float(factor)
        loss.built = False

    return [change]


def _plain(loss: Loss) -> Mapping[str, Any]:
    """A loss without the fields that can be changed."""
    return {n: getattr(loss, n) for n in _fields(loss) if n not in ("factor", "batch")}


def _fields(convention: Any) -> list[str]:
    return [field.name for field in fields(convention)]


def _outputs(now: Conventions) -> int | None:
    widths = [layer.outputs for _, layer in now.layers or () if isinstance(layer, Affine)]
    return widths[-1] if widths else None


def _reduced(function: Any, settings: Mapping[str, Any], batch: str) -> Any:
    """The Keras loss object of a loss function, with another reduction."""
    from keras import losses

    classes = (
        losses.MeanSquaredError,
        losses.MeanAbsoluteError,
        losses.CategoricalCrossentropy,
        losses.SparseCategoricalCrossentropy,
        losses.BinaryCrossentropy,
    )
    reduction = "sum" if batch == "sum" else "sum_over_batch_size"
    for kind in classes:
        if kind().fn is function:
            kept = {"from_logits": True} if settings.get("from_logits") else {}
            return kind(reduction=reduction, **kept)
    return function


# ---- optimizer ------------------------------------------------------------------------


def _optimizer(side: Keras, now: Optimizer | None, wanted: Optimizer | None) -> list[Change] | None:
    """The constants that are read anew at each step."""
    if wanted is None or now == wanted:
        return []
    optimizer, live = side.live.optimizer, side.live
    if now is None or optimizer is None or type(now) is not type(wanted):
        return None
    changes: list[Change] = []
    for name in _fields(now):
        before, after = getattr(now, name), getattr(wanted, name)
        if before == after:
            continue
        if name == "learning_rate":
            changes.append(_learning_rate(side, optimizer, before, after))
        elif name == "decay":
            # With no decay on one side it says nothing; Keras's is always decoupled.
            if wanted.weight_decay and after != "decoupled":
                return None
        elif name == "decay_scope":
            if wanted.weight_decay and after != "all":
                return None
        elif name in _ATTRIBUTES:
            value = _castable(live, after) if name in _CAST else after
            value = None if name == "weight_decay" and not after else value
            if name == "momentum" and not isinstance(wanted, SGD) and not before:
                return None
            if name == "momentum" and not getattr(optimizer, "momentums", before):
                changes.append(_momentum_slots(side, optimizer))
            changes.append(
                _setting(side, optimizer, ("optimizer",), _ATTRIBUTES[name], before, value)
            )
        else:
            return None
    return changes


def _clipping(side: Keras, now: Conventions, wanted: Conventions) -> list[Change] | None:
    """The limit of the gradients, which belongs to the optimizer."""
    if wanted.optimizer is None or now.clipping == wanted.clipping:
        return []
    optimizer = side.live.optimizer
    after: dict[str, float | None] = dict.fromkeys(CLIPS)
    if wanted.clipping is not None:
        limit = float(getattr(wanted.clipping, "limit", 0.0))
        own = [name for name in CLIPS if clip_of(name, limit) == wanted.clipping]
        if optimizer is None or not own:
            return None
        after[own[0]] = limit
    before = {name: getattr(optimizer, name) for name in CLIPS}
    return [
        _setting(side, optimizer, ("optimizer",), name, before[name], after[name])
        for name in CLIPS
        if before[name] != after[name]
    ]


def _castable(live: LiveModel, value: float) -> float | Any:
    """A constant that ``keras.ops.cast`` leaves exact: NumPy scalars keep their width."""
    return value if effective(live, value) == value else np.float64(value)


def _learning_rate(side: Keras, optimizer: Any, before: float, after: float) -> Change:
    def change() -> None:
        own = side.live.array(optimizer._learning_rate)
        side.written.setdefault(("learning_rate",), (before, own))
        first, written = side.written[("learning_rate",)]
        optimizer._learning_rate.assign(written if after == first else after)

    return change


def _momentum_slots(side: Keras, optimizer: Any) -> Change:
    def change() -> None:
        variables = list(side.live.variables.values())
        optimizer.momentums = optimizer.add_optimizer_variables(variables, "momentum")

    return change
