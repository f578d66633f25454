"""Other losses and penalties in place of an author's.

A loss is changed as far as another one is the same times a number, plus a number.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Protocol

import numpy as np

from netparity import nn
from netparity.conventions import Conventions
from netparity.errors import InputError

Array = np.ndarray[Any, np.dtype[Any]]

#: What only scales or shifts the value of a loss.
SCALING: Final = frozenset({"batch", "outputs", "classes", "factor", "counts_true_class"})


@dataclass(frozen=True, slots=True)
class Adjusted:
    """What was changed of a side's loss and penalties: nothing, by default.

    Attributes:
        own_loss: the loss as the author wrote it.
        loss: what it was made into, or ``None`` where it is the author's own.
        penalties: the penalties that stand in place of the author's, or ``None``.
        names: the side's name of each of the twin's parameters.
    """

    own_loss: nn.Loss | None = None
    loss: nn.Loss | None = None
    penalties: tuple[nn.Penalty, ...] | None = None
    names: Mapping[str, str] = dataclasses.field(default_factory=dict)

    def applied_to(self, conventions: Conventions) -> Conventions:
        """The conventions of the side with the changes."""
        changes: dict[str, Any] = {}
        if self.loss is not None:
            changes["loss"] = self.loss
        if self.penalties is not None:
            changes["penalties"] = self.penalties
        return replace(conventions, **changes) if changes else conventions

    def loss_value(self, value: Any, prediction: Any) -> Any:
        """The author's loss value turned into the wanted one."""
        if self.loss is None or self.own_loss is None:
            return value
        rows, outputs = int(prediction.shape[0]), int(np.prod(prediction.shape[1:]))
        ratio, offset = ratio_and_offset(self.own_loss, self.loss, rows, outputs)
        value = value if ratio == 1 else value * ratio
        return value if offset == 0 else value + offset

    def penalty_value(self, parameters: Mapping[str, Any], total_of: Callable[[Any], Any]) -> Any:
        """The penalties as a number of the framework's that can be differentiated.

        Args:
            parameters: the side's own by name.
            total_of: the framework's sum of all elements.
        """
        total: Any = 0.0
        for penalty in self.penalties or ():
            for twin, name in self.names.items():
                if isinstance(penalty, nn.L2 | nn.L1) and nn.in_scope(penalty.scope, twin):
                    p = parameters[name]
                    bare = total_of(p * p if isinstance(penalty, nn.L2) else abs(p))
                    total = total + penalty.factor * penalty.coefficient * bare
        return total


class Adjustable(Protocol):
    """A side whose loss is a function of the author's."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """What it computes in."""

    @property
    def adjustment(self) -> Adjusted:
        """What was changed of loss and penalties already."""

    @property
    def has_plain_loss(self) -> bool:
        """Whether the loss is a framework's own and nothing is added to it."""

    @property
    def has_penalty(self) -> bool:
        """Whether the author gave the penalty apart from the loss."""

    @property
    def has_own_step(self) -> bool:
        """Whether a step is the author's own, in which nobody can change the loss."""

    def predict(self, x: Array) -> Array:
        """A prediction."""

    def loss_of(self, prediction: Array, y: Array) -> float:
        """The loss of a prediction."""


def adjusted_losses(
    side: Adjustable, present: Conventions, wanted: Conventions, names: Mapping[str, str], x: Array
) -> Adjusted | None:
    """What has to be changed of loss and penalties, or ``None`` where that cannot be done.

    Args:
        side: the live side.
        present: what it declares now.
        wanted: what it is to follow.
        names: the side's name of each of the twin's parameters.
        x: a small batch.
    """
    before = side.adjustment
    own = before.own_loss or (present.loss if before.loss is None else None)
    loss = wanted.loss
    if loss is not None and loss != own:
        if own is None:
            own = identify(side, loss, x)
        if own is None or not scales(own, loss):
            return None
    penalties = wanted.penalties
    own_penalties = () if side.has_plain_loss else None
    if penalties is None or penalties == present.penalties:
        penalties = before.penalties
    elif penalties == own_penalties:
        penalties = None
    else:
        # A custom loss may hold a penalty of its own that nobody can take out.
        known = (own_penalties, own, present.penalties)
        replaceable = side.has_penalty or any(thing is not None for thing in known)
        if not replaceable or not all(isinstance(p, nn.L2 | nn.L1) for p in penalties):
            return None
    changed = loss is not None and loss != own
    if side.has_own_step and (changed or penalties != before.penalties):
        return None
    return Adjusted(own, loss if changed else None, penalties, names)


def scales(own: nn.Loss, wanted: nn.Loss) -> bool:
    """Whether the wanted loss is the own one times a number, plus a number."""
    batches = {getattr(loss, "batch", "mean") for loss in (own, wanted)}
    # A mean over weights, or over those that are not 0, is no multiple of another one.
    multiples = len(batches) == 1 or batches <= {"mean", "sum"}
    return type(own) is type(wanted) and multiples and differing(own, wanted) <= SCALING


def differing(a: Any, b: Any) -> set[str]:
    """The names of the switches in which two pieces differ."""
    return {f.name for f in dataclasses.fields(a) if getattr(a, f.name) != getattr(b, f.name)}


def _scale(loss: nn.Loss, rows: int, outputs: int) -> float:
    """What stands before the bare sum over rows and outputs."""
    inner = getattr(loss, "outputs", getattr(loss, "classes", "sum"))
    scale = float(getattr(loss, "factor", 1.0))
    scale = scale / rows if getattr(loss, "batch", "sum") == "mean" else scale
    return scale / outputs if inner == "mean" else scale


def ratio_and_offset(own: nn.Loss, wanted: nn.Loss, rows: int, outputs: int) -> tuple[float, float]:
    """``wanted = ratio · own + offset`` for a batch of ``rows`` with ``outputs`` outputs.

    Example:
        >>> own, wanted = nn.MeanSquaredError(), nn.MeanSquaredError("sum", "sum", factor=0.5)
        >>> ratio_and_offset(own, wanted, 4, 3)
        (6.0, 0.0)
    """
    scale = _scale(wanted, rows, outputs)
    ratio = scale / _scale(own, rows, outputs)
    offset = 0.0
    if isinstance(own, nn.MulticlassHinge) and isinstance(wanted, nn.MulticlassHinge):
        counted = int(wanted.counts_true_class) - int(own.counts_true_class)
        offset = counted * wanted.margin * rows * scale
    return ratio, offset


def identify(side: Adjustable, wanted: nn.Loss, x: Array) -> nn.Loss | None:
    """A custom loss as one of the wanted loss's kind, if its values say so, or ``None``.

    The ratio to the bare sum must be that of one set of reductions at predictions of several
    values and row counts. (At one width, reductions over outputs and factors are one.)
    """
    outputs = side.predict(x).shape[1:]
    width = int(np.prod(outputs))
    rng = np.random.default_rng(0)
    probes = []
    for rows in (2, 3, 5, 5):
        prediction = rng.uniform(0.05, 0.95, (rows, *outputs))
        if getattr(wanted, "input", None) == "probabilities" and width > 1:
            prediction /= prediction.sum(axis=-1, keepdims=True)
        classes = isinstance(wanted, nn.SoftmaxCrossEntropy | nn.MulticlassHinge)
        target = rng.integers(0, width, rows) if classes else rng.uniform(0, 1, prediction.shape)
        try:
            probes.append((prediction, target, side.loss_of(prediction, target)))
        except (RuntimeError, TypeError, ValueError):
            return None
    for batch in ("mean", "sum"):
        for counted in (False, True):
            changes: dict[str, Any] = {"batch": batch, "factor": 1.0}
            if isinstance(wanted, nn.MulticlassHinge):
                changes["counts_true_class"] = counted
            guess = replace(wanted, **changes)  # type: ignore[type-var]
            try:
                ratios = np.array([got / guess.value(p, t) for p, t, got in probes])
            except InputError:
                return None  # the wanted loss takes other predictions or targets
            # A sum of n terms of one sign errs by at most n roundings, on either side.
            spread = 8 * (5 * width + 16) * float(np.finfo(side.dtype).eps)
            if np.ptp(ratios) <= spread * abs(ratios[0]):
                factor = _round_factor(float(ratios.mean()), width, spread)
                return replace(guess, factor=factor)  # type: ignore[type-var]
    return None


def _round_factor(ratio: float, width: int, spread: float) -> float:
    """The simple fraction a measured ratio stands for, where there is one within rounding."""
    for numerator in (1, 2, width, 2 * width):
        for denominator in (1, 2, 10, width, 2 * width):
            if abs(ratio - numerator / denominator) <= spread * abs(ratio):
                return numerator / denominator
    return ratio
