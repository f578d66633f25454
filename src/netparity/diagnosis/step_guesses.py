"""What whole steps may be made of beside their rule: losses, penalties and clips, guessed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from netparity.conventions import Conventions, changed
from netparity.diagnosis import unshown
from netparity.diagnosis.twin import Array, Twin
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
