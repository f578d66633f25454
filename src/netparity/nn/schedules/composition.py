"""Schedules made of others: after a warm-up, one after the other, by epochs."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from typing import Literal, final

from netparity.nn.schedules.base import (
    Schedule,
    between,
    check_boundaries,
    check_least,
    check_word,
)


@final
@dataclass(frozen=True, slots=True)
class WarmUp(Schedule):
    """A straight line up to another schedule's rate, before it or on top of it.

    With W steps of warm-up and the factor ``φ(t) = s + (1 − s) t/W``, or ``(t + 1)/W`` for t/W
    where the first step counts, and 1 from its end on: before ``φ(t) · then(0)``, and
    ``then(t − W)`` once it is over; times ``φ(t) · then(t)``.

    Args:
        then: the schedule that is warmed up for.
        steps: W.
        start: s, the first fraction.
        first: whether the first step has the fraction ``"start"``, or is the first of W steps
            ``"up"`` from there.
        form: ``"before"`` the schedule, which begins when the warm-up is over, or ``"times"``
            it, so that its time runs from the start.

    Raises:
        InputError: the number of steps is negative, or a word has no meaning.

    Example:
        >>> from netparity.nn.schedules import CosineDecay
        >>> schedule = WarmUp(CosineDecay(1.0, 4), 2)
        >>> [round(schedule(t), 3) for t in range(7)]
        [0.0, 0.5, 1.0, 0.854, 0.5, 0.146, 0.0]

    Source: P. Goyal et al., "Accurate, large minibatch SGD: training ImageNet in 1 hour", 2017.

    **Parity** (`lr-warmup-first-step`, `lr-cosine-decay-steps`): Keras and optax start at 0, so
    that the first update changes nothing; torch's ``LinearLR`` at 1/3 by default, and many
    recipes with one step up. Keras's ``decay_steps`` do not include the warm-up, as here;
    optax's do: take W off. torch's ``SequentialLR`` is the form before, ``ChainedScheduler``
    the form times.
    """

    then: Schedule
    steps: float
    start: float = 0.0
    first: Literal["start", "up"] = "start"
    form: Literal["before", "times"] = "before"

    def __post_init__(self) -> None:
        """Checks the values."""
        check_least(self, "steps", self.steps)
        check_word(self, "first", self.first, "start", "up")
        check_word(self, "form", self.form, "before", "times")

    def __call__(self, step: float) -> float:
        """The rate (see ``Schedule``)."""
        before = self.form == "before"
        if step >= self.steps:
            return self.then(step - self.steps if before else step)
        made = step + 1 if self.first == "up" else step
        return between(self.start, 1.0, made / self.steps) * self.then(0 if before else step)


@final
@dataclass(frozen=True, slots=True)
class Join(Schedule):
    """Schedules one after the other, each from its own step 0.

    Args:
        schedules: in their order.
        boundaries: at which steps the next one begins: one fewer.

    Raises:
        InputError: the numbers do not match, or the boundaries do not ascend.

    Example:
        >>> from netparity.nn.schedules import ConstantRate, PolynomialDecay
        >>> schedule = Join((ConstantRate(1.0), PolynomialDecay(0.5, 2)), (2,))
        >>> [schedule(t) for t in range(5)]
        [1.0, 1.0, 0.5, 0.25, 0.0]

    Source: algebra.

    **Parity** (`lr-piecewise-boundary`): torch's ``SequentialLR`` and optax's
    ``join_schedules`` both begin the next schedule at the boundary itself.
    """

    schedules: tuple[Schedule, ...]
    boundaries: tuple[float, ...]

    def __post_init__(self) -> None:
        """Checks the values."""
        check_boundaries(self, self.boundaries, self.schedules)

    def __call__(self, step: float) -> float:
        """The rate (see ``Schedule``)."""
        passed = bisect_right(self.boundaries, step)
        return self.schedules[passed](step - self.boundaries[passed - 1] if passed else step)


@final
@dataclass(frozen=True, slots=True)
class PerEpoch(Schedule):
    """A schedule whose time is epochs: the rate changes after the last step of each.

    Args:
        schedule: called with the number of epochs made.
        steps_per_epoch: at least 1.

    Raises:
        InputError: there are no steps.

    Example:
        >>> from netparity.nn.schedules import ExponentialDecay
        >>> schedule = PerEpoch(ExponentialDecay(1.0, 0.5), 3)
        >>> [schedule(t) for t in range(7)]
        [1.0, 1.0, 1.0, 0.5, 0.5, 0.5, 0.25]

    Source: algebra.

    **Parity** (`lr-exponential-decay`): a torch scheduler that is stepped at each epoch's end.
    """

    schedule: Schedule
    steps_per_epoch: int

    def __post_init__(self) -> None:
        """Checks the values."""
        check_least(self, "steps_per_epoch", self.steps_per_epoch, 1)

    def __call__(self, step: float) -> float:
        """The rate (see ``Schedule``)."""
        return self.schedule(step // self.steps_per_epoch)
