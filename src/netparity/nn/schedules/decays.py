"""Rates that fall: by a factor, at boundaries, by a power, by time."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from typing import Literal, final

from netparity.nn.schedules.base import (
    Schedule,
    between,
    check_boundaries,
    check_least,
    check_positive,
    check_word,
)


@final
@dataclass(frozen=True, slots=True)
class ConstantRate(Schedule):
    """One rate throughout.

    Args:
        learning_rate: η.

    Example:
        >>> ConstantRate(0.1)(1000)
        0.1

    Source: algebra.

    **Parity** (`lr-legacy-decay-arg`): what Keras 3 does with ``decay=…``; before, that meant
    ``InverseTimeDecay(η, 1, decay)``.
    """

    learning_rate: float

    def __call__(self, step: float) -> float:
        """The rate (see ``Schedule``)."""
        return float(self.learning_rate)


@final
@dataclass(frozen=True, slots=True)
class ExponentialDecay(Schedule):
    """A constant factor every so many steps: ``η γ^(t/T)``.

    Args:
        learning_rate: η, at step 0.
        factor: γ.
        steps: T, after which the rate has been multiplied by γ once.
        staircase: whether t/T is rounded down, so that the rate falls every T steps at once.

    Raises:
        InputError: the number of steps is not above 0, or the factor negative.

    Example:
        >>> ExponentialDecay(0.5, 0.25, 2)(1), ExponentialDecay(0.5, 0.25, 2, staircase=True)(3)
        (0.25, 0.125)

    Source: algebra.

    **Parity** (`lr-exponential-decay`, `lr-step-decay`): Keras, TF 1 and optax take the power
    continuously by step, unless told otherwise. torch's ``ExponentialLR`` has T = 1, and
    ``StepLR`` is the staircase, both mostly in epochs: put it in ``PerEpoch``. cs231n's solver
    multiplies by ``lr_decay`` after the last step of each epoch, which is that too.
    """

    learning_rate: float
    factor: float
    steps: float = 1
    staircase: bool = False

    def __post_init__(self) -> None:
        """Checks the values."""
        check_positive(self, "steps", self.steps)
        check_least(self, "factor", self.factor)

    def __call__(self, step: float) -> float:
        """The rate (see ``Schedule``)."""
        power = step // self.steps if self.staircase else step / self.steps
        return float(self.learning_rate) * math.pow(self.factor, power)


@final
@dataclass(frozen=True, slots=True)
class PiecewiseConstant(Schedule):
    """Another rate from each boundary on.

    Args:
        boundaries: ascending steps.
        learning_rates: the rates before, between and after them: one more.
        at_boundary: whether at a boundary itself the ``"new"`` rate holds or the ``"old"``.

    Raises:
        InputError: the numbers do not match, or the boundaries do not ascend.

    Example:
        >>> new, old = (PiecewiseConstant((2,), (1.0, 0.5), way) for way in ("new", "old"))
        >>> [new(t) for t in range(4)], [old(t) for t in range(4)]
        ([1.0, 1.0, 0.5, 0.5], [1.0, 1.0, 1.0, 0.5])

    Source: algebra.

    **Parity** (`lr-piecewise-boundary`): at step b torch's ``MultiStepLR`` and optax have the
    new rate, Keras and TF 1 the old one still. See ``multi_step``.
    """

    boundaries: tuple[float, ...]
    learning_rates: tuple[float, ...]
    at_boundary: Literal["new", "old"] = "new"

    def __post_init__(self) -> None:
        """Checks the values."""
        check_boundaries(self, self.boundaries, self.learning_rates)
        check_word(self, "at_boundary", self.at_boundary, "new", "old")

    def __call__(self, step: float) -> float:
        """The rate (see ``Schedule``)."""
        passed = bisect_right if self.at_boundary == "new" else bisect_left
        return float(self.learning_rates[passed(self.boundaries, step)])


def multi_step(
    learning_rate: float, boundaries: tuple[float, ...], factor: float = 0.1
) -> PiecewiseConstant:
    """A rate that is multiplied by a factor at each boundary: torch's ``MultiStepLR``.

    Args:
        learning_rate: the first rate.
        boundaries: ascending steps; one that stands twice counts twice.
        factor: of the rate at each.

    Example:
        >>> multi_step(1.0, (2, 4), 0.5).learning_rates
        (1.0, 0.5, 0.25)
    """
    rates = (
        float(learning_rate) * float(factor) ** passed for passed in range(len(boundaries) + 1)
    )
    return PiecewiseConstant(tuple(boundaries), tuple(rates))


@final
@dataclass(frozen=True, slots=True)
class PolynomialDecay(Schedule):
    """A power of what is left: ``ε + (η − ε) (1 − t/T)^p``, and the end after T.

    Args:
        learning_rate: η, at step 0.
        steps: T.
        end: ε, from step T on.
        power: p; 1 is a straight line.
        cycle: whether after T steps the way down begins again, T being the next multiple of
            itself.

    Raises:
        InputError: the number of steps is not above 0.

    Example:
        >>> [PolynomialDecay(1.0, 4)(t) for t in (0, 1, 4, 9)]
        [1.0, 0.75, 0.0, 0.0]

    Source: algebra.

    **Parity** (`lr-polynomial`): the end is 1e-4 by default in Keras and TF 1, 0 in torch's
    ``PolynomialLR``; optax's must be told. torch's ``LinearLR`` goes from one factor to
    another: a line whose end may be the higher one.
    """

    learning_rate: float
    steps: float
    end: float = 0.0
    power: float = 1.0
    cycle: bool = False

    def __post_init__(self) -> None:
        """Checks the values."""
        check_positive(self, "steps", self.steps)

    def __call__(self, step: float) -> float:
        """The rate (see ``Schedule``)."""
        steps = self.steps * max(1, math.ceil(step / self.steps)) if self.cycle else self.steps
        left = 1.0 - min(step, steps) / steps
        return between(self.end, self.learning_rate, left ** float(self.power))


@final
@dataclass(frozen=True, slots=True)
class InverseTimeDecay(Schedule):
    """One over time: ``η/(1 + ρ t/T)``.

    Args:
        learning_rate: η, at step 0.
        steps: T.
        decay: ρ.
        staircase: whether t/T is rounded down.

    Raises:
        InputError: the number of steps is not above 0, or the decay negative.

    Example:
        >>> InverseTimeDecay(1.0, 2, 0.5)(4)
        0.5

    Source: H. Robbins, S. Monro, "A stochastic approximation method", 1951.

    **Parity** (`lr-inverse-time`, `lr-legacy-decay-arg`): Keras's and TF 1's; torch says it by
    ``LambdaLR``. The ``decay`` argument of Keras before version 3 was this with T = 1.
    """

    learning_rate: float
    steps: float
    decay: float
    staircase: bool = False

    def __post_init__(self) -> None:
        """Checks the values."""
        check_positive(self, "steps", self.steps)
        check_least(self, "decay", self.decay)

    def __call__(self, step: float) -> float:
        """The rate (see ``Schedule``)."""
        time = step // self.steps if self.staircase else step / self.steps
        return float(self.learning_rate) / (1.0 + float(self.decay) * float(time))


@final
@dataclass(frozen=True, slots=True)
class InverseScaling(Schedule):
    """One over a power of time: ``η/(1 + u t)^p``.

    Args:
        learning_rate: η, at step 0.
        power: p.
        unit: u, what a step counts.

    Raises:
        InputError: a value is negative.

    Example:
        >>> InverseScaling(1.0, unit=3)(1)
        0.5

    Source: algebra.

    **Parity** (`sklearn-invscaling`): scikit-learn's ``learning_rate="invscaling"`` counts the
    rows seen, and changes the rate after each epoch: ``PerEpoch(InverseScaling(η, power_t,
    unit=rows), steps_per_epoch)``.
    """

    learning_rate: float
    power: float = 0.5
    unit: float = 1.0

    def __post_init__(self) -> None:
        """Checks the values."""
        check_least(self, "power", self.power)
        check_least(self, "unit", self.unit)

    def __call__(self, step: float) -> float:
        """The rate (see ``Schedule``)."""
        return float(self.learning_rate) / math.pow(1.0 + float(self.unit) * step, self.power)
