"""Cosine waves."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, final

from netparity.nn.schedules.base import (
    Schedule,
    between,
    check_least,
    check_positive,
    check_word,
)


@final
@dataclass(frozen=True, slots=True)
class CosineDecay(Schedule):
    """Half a cosine wave down to the end: ``ε + (η − ε) (½ (1 + cos(π t/T)))^p``.

    Args:
        learning_rate: η, at step 0.
        steps: T.
        end: ε, at step T.
        power: p.
        after: what comes after T: ``"clamped"``, the end for good; ``"periodic"``, up again as
            the cosine goes.

    Raises:
        InputError: the number of steps is not above 0, or the word has no meaning.

    Example:
        >>> clamped, periodic = (CosineDecay(1.0, 4, after=w) for w in ("clamped", "periodic"))
        >>> clamped(4), clamped(8), periodic(8)
        (0.0, 0.0, 1.0)

    Source: I. Loshchilov, F. Hutter, "SGDR: stochastic gradient descent with warm restarts",
    ICLR 2017.

    **Parity** (`lr-cosine`, `lr-cosine-decay-steps`): Keras, TF 1 and optax clamp, torch's
    ``CosineAnnealingLR`` goes up again. The end is ``eta_min`` in torch, and a fraction of the
    rate (``alpha``) elsewhere. Warm-up comes before: see ``WarmUp``.
    """

    learning_rate: float
    steps: float
    end: float = 0.0
    power: float = 1.0
    after: Literal["clamped", "periodic"] = "clamped"

    def __post_init__(self) -> None:
        """Checks the values."""
        check_positive(self, "steps", self.steps)
        check_word(self, "after", self.after, "clamped", "periodic")

    def __call__(self, step: float) -> float:
        """The rate (see ``Schedule``)."""
        step = min(step, self.steps) if self.after == "clamped" else step
        share = 0.5 * (1.0 + math.cos(math.pi * step / self.steps))
        return between(self.end, self.learning_rate, share ** float(self.power))


@final
@dataclass(frozen=True, slots=True)
class CosineRestarts(Schedule):
    """Half cosine waves, one after the other, each from the top.

    Args:
        learning_rate: at step 0.
        steps: length of the first wave.
        stretch: each wave's length over that of the one before, at least 1.
        factor: each wave's height above the end over that of the one before.
        end: at the foot of each wave.

    Raises:
        InputError: a value is out of range.

    Example:
        >>> schedule = CosineRestarts(1.0, 2, stretch=2)
        >>> [round(schedule(t), 3) for t in range(7)]
        [1.0, 0.5, 1.0, 0.854, 0.5, 0.146, 1.0]

    Source: I. Loshchilov, F. Hutter, "SGDR: stochastic gradient descent with warm restarts",
    ICLR 2017.

    **Parity** (`lr-cosine`): torch's ``CosineAnnealingWarmRestarts`` has a stretch of 1, and no
    factor; Keras's ``CosineDecayRestarts`` has a stretch of 2 (``t_mul``), and a factor of 1
    (``m_mul``) that leaves the end where it is.
    """

    learning_rate: float
    steps: float
    stretch: float = 1.0
    factor: float = 1.0
    end: float = 0.0

    def __post_init__(self) -> None:
        """Checks the values."""
        check_positive(self, "steps", self.steps)
        check_least(self, "stretch", self.stretch, 1.0)
        check_least(self, "factor", self.factor)

    def __call__(self, step: float) -> float:
        """The rate (see ``Schedule``)."""
        length, stretch = float(self.steps), float(self.stretch)
        if stretch == 1.0:
            wave, place = divmod(float(step), length)
        else:
            wave, place = 0.0, float(step)
            while place >= length:
                wave, place, length = wave + 1.0, place - length, length * stretch
        share = 0.5 * (1.0 + math.cos(math.pi * place / length))
        return between(self.end, self.learning_rate, float(self.factor) ** wave * share)
