"""What whole steps may be made of beside their rule: losses, penalties and clips, guessed."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from netparity.conventions import Conventions, changed, switches
from netparity.diagnosis import loss_kinds, unshown
from netparity.diagnosis.twin import Array, Twin
from netparity.errors import InputError
from netparity.nn import (
    ClipByNorm,
    ClipByValue,
    Clipping,
    Loss,
    Penalty,
    Scope,
    SoftmaxCrossEntropy,
)

#: Shares of a target that are spread over the other classes.
_SMOOTHED: Final = (0.0, 0.1, 0.2)
#: Constants by which a loss has another shape, where they are looked for, and how narrowly.
_CONSTANTS: Final = ("label_smoothing", "delta", "gamma", "alpha", "margin")
_GRID: Final = (0.0, 0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0)
_NARROWED: Final = 14
_GOLDEN: Final = (math.sqrt(5.0) - 1.0) / 2.0
_DIGITS: Final = (1, 2, 3)


@dataclass(frozen=True, slots=True)
class Guess:
    """What a step may be made of beside its rule."""

    loss: Loss
    penalties: tuple[Penalty, ...]
    clipping: Clipping | None

    def set_on(self, twin: Twin) -> Twin:
        """A twin with this loss and these penalties."""
        return twin.with_(loss=self.loss, penalties=self.penalties)


def guesses(twin: Twin, other: Conventions | None, y: Array) -> list[Guess]:
    """What may be behind a side's steps, the likeliest first.

    Args:
        twin: what is known of the side.
        other: the other side's conventions.
        y: targets.
    """
    own = twin.conventions
    losses = [own.loss] if own.loss is not None else list(_losses(own, other, y))
    penalties = [own.penalties or ()]
    if other is not None and other.penalties and not own.penalties:
        theirs = tuple(_general(p, other) for p in other.penalties)
        # A loss that is shown shows its penalty; a decay in the gradients alone may be as well.
        penalties.insert(0 if own.loss is None else 1, theirs)
    clip = None if other is None else other.clipping
    clips = [None] if clip is None else [clip, None]
    found = [Guess(loss, p, c) for loss in losses for c in clips for p in penalties]
    return found + [Guess(losses[0], p, c) for c in _other_clips(clip) for p in penalties]


def _other_clips(clip: Clipping | None) -> Iterator[Clipping]:
    """A clip with another scope or ε, or of another form."""
    if isinstance(clip, ClipByNorm):
        yield changed(clip, epsilon=0.0 if clip.epsilon else 1e-6)
        yield changed(clip, scope="parameter" if clip.scope == "global" else "global")
        yield ClipByValue(clip.limit)
    elif isinstance(clip, ClipByValue):
        yield ClipByNorm(clip.limit)


def _losses(own: Conventions, other: Conventions | None, y: Array) -> Iterator[Loss]:
    given = None if other is None else other.loss
    near = unshown.possible(own, given, y)
    for loss in dict.fromkeys((*near, *unshown.possible(own, None, y))):
        yield loss
        if isinstance(loss, SoftmaxCrossEntropy):
            for share in _SMOOTHED:
                if share != loss.label_smoothing:
                    yield changed(loss, label_smoothing=share)
        if loss in near and hasattr(loss, "batch"):
            yield changed(loss, batch="sum" if loss.batch == "mean" else "mean")


def kinds(own: Conventions) -> Iterator[Loss]:
    """Every known loss, as the mean of a batch, and with the usual settings of its own."""
    last = own.layers[-1][1] if own.layers else None
    for kind in loss_kinds.KINDS:
        mean = unshown.behind(_mean(kind), last)
        yield mean
        for settings in loss_kinds.GRID.get(type(kind), ()):
            yield changed(mean, **settings)


def _mean(kind: Loss) -> Loss:
    means: dict[str, Any] = {"batch": "mean", "outputs": "mean"}
    return changed(kind, **{n: v for n, v in means.items() if n in switches(kind)})


def refined(loss: Loss, missed: Callable[[Loss], float]) -> Iterator[Loss]:
    """The loss with each of its constants where it misses least.

    Args:
        loss: of the right kind.
        missed: how much a loss misses; infinite where there is none such.
    """
    for name in switches(loss):
        if name in _CONSTANTS:

            def at(value: float, name: str = name) -> Loss | None:
                try:
                    found: Loss = changed(loss, **{name: value})
                except InputError:
                    return None
                return found

            value = _least(lambda v: np.inf if (one := at(v)) is None else missed(one))
            for digits in _DIGITS:
                one = at(float(f"{value:.{digits}g}"))
                if one is not None:
                    yield one


def _least(missed: Callable[[float], float]) -> float:
    """The constant that misses least: between the neighbours of the best of a grid."""
    values = [missed(v) for v in _GRID]
    best = int(np.argmin(values))
    low, high = _GRID[max(best - 1, 0)], _GRID[min(best + 1, len(_GRID) - 1)]
    for _ in range(_NARROWED):
        left, right = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
        low, high = (low, right) if missed(left) <= missed(right) else (left, high)
    return (low + high) / 2


def _general(penalty: Any, conventions: Conventions) -> Penalty:
    """A penalty over all weights, or over everything, without the names of one side."""
    moved: Penalty = changed(penalty, scope=general(penalty.scope, conventions))
    return moved


def general(scope: Scope, conventions: Conventions) -> Scope:
    """A scope without the names of one side, where it can be said so."""
    names = set(Twin(conventions).network.parameter_shapes())
    if isinstance(scope, str):
        return scope
    if set(scope) == names:
        return "all"
    return "weights" if set(scope) == {n for n in names if n.endswith("weight")} else scope
