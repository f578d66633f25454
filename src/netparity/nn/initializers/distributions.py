"""Laws by which every value is drawn alike: constant, uniform, normal, cut normal."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import DTypeLike

from netparity.errors import InputError
from netparity.nn.arrays import Array
from netparity.nn.functions import erf
from netparity.nn.initializers.base import Law


def _normal_cdf(z: Array) -> Array:
    return 0.5 * (1.0 + erf(z * math.sqrt(0.5)))


def _tail(cut: float) -> float:
    """Φ(−cut), the mass cut off on either side."""
    return 0.5 * math.erfc(cut / math.sqrt(2.0))


def _deviation(cut: float) -> float:
    """The standard deviation of a standard normal cut at c: √(1 − 2 c φ(c)/(1 − 2 Φ(−c)))."""
    density = math.exp(-0.5 * cut**2) / math.sqrt(2.0 * math.pi)
    return math.sqrt(1.0 - 2.0 * cut * density / (1.0 - 2.0 * _tail(cut)))


@final
@dataclass(frozen=True, slots=True)
class Constant(Law):
    """One value throughout.

    Args:
        value: that value.

    Example:
        >>> Constant(0.5).sample((2,), 1, 1, np.random.default_rng(0), np.float32)
        array([0.5, 0.5], dtype=float32)

    Source: algebra.

    **Parity** (`dense-bias-init`): Keras, Flax and cs231n start biases at 0; torch and
    scikit-learn draw them.
    """

    value: float

    def sample(
        self,
        shape: tuple[int, ...],
        fan_in: int,
        fan_out: int,
        rng: np.random.Generator,
        dtype: DTypeLike,
    ) -> Array:
        """The value (see ``Law.sample``); draws nothing."""
        return np.full(shape, self.value, dtype)

    def cdf(self, values: Array, fan_in: int, fan_out: int) -> Array:
        """A step (see ``Law.cdf``)."""
        return (np.asarray(values) >= self.value).astype(np.float64)

    def support(self, fan_in: int, fan_out: int) -> tuple[float, float]:
        """The value, twice."""
        return (float(self.value), float(self.value))

    def describe(self, fan_in: int, fan_out: int) -> str:
        """The value in words."""
        return "zeros" if self.value == 0 else f"constant {self.value:.6g}"


@final
@dataclass(frozen=True, slots=True)
class Uniform(Law):
    """Uniform on [low, high).

    Args:
        low: the smallest value.
        high: the upper end.

    Example:
        >>> Uniform(0.0, 2.0).cdf(np.array([0.5]), 1, 1)
        array([0.25])

    Source: algebra.

    **Parity** (`init-formulas`): Keras's ``RandomUniform`` is ±0.05 by default.
    """

    low: float
    high: float

    def sample(
        self,
        shape: tuple[int, ...],
        fan_in: int,
        fan_out: int,
        rng: np.random.Generator,
        dtype: DTypeLike,
    ) -> Array:
        """Uniform numbers (see ``Law.sample``)."""
        return rng.uniform(self.low, self.high, shape).astype(dtype, copy=False)

    def cdf(self, values: Array, fan_in: int, fan_out: int) -> Array:
        """A ramp (see ``Law.cdf``)."""
        ramp = (np.asarray(values, np.float64) - self.low) / (self.high - self.low)
        return np.clip(ramp, 0.0, 1.0)

    def support(self, fan_in: int, fan_out: int) -> tuple[float, float]:
        """The two ends."""
        return (float(self.low), float(self.high))

    def describe(self, fan_in: int, fan_out: int) -> str:
        """The interval in words."""
        return f"U({self.low:.6g}, {self.high:.6g})"


@final
@dataclass(frozen=True, slots=True)
class Normal(Law):
    """Normal, N(mean, std²).

    Args:
        mean: the mean.
        std: the standard deviation.

    Example:
        >>> Normal(0.0, 1.0).cdf(np.array([0.0]), 1, 1)
        array([0.5])

    Source: algebra.

    **Parity** (`init-formulas`): the default deviation is 0.05 in Keras's ``RandomNormal``,
    0.01 in JAX's ``normal``, 1 in torch's ``normal_`` and TF 1's ``random_normal``.
    """

    mean: float
    std: float

    def sample(
        self,
        shape: tuple[int, ...],
        fan_in: int,
        fan_out: int,
        rng: np.random.Generator,
        dtype: DTypeLike,
    ) -> Array:
        """Normal numbers (see ``Law.sample``)."""
        return rng.normal(self.mean, self.std, shape).astype(dtype, copy=False)

    def cdf(self, values: Array, fan_in: int, fan_out: int) -> Array:
        """The normal distribution (see ``Law.cdf``)."""
        return _normal_cdf((np.asarray(values, np.float64) - self.mean) / self.std)

    def support(self, fan_in: int, fan_out: int) -> tuple[float, float]:
        """The whole line."""
        return (-math.inf, math.inf)

    def describe(self, fan_in: int, fan_out: int) -> str:
        """Mean and deviation in words."""
        return f"N({self.mean:.6g}, {self.std:.6g}²)"


@final
@dataclass(frozen=True, slots=True)
class TruncatedNormal(Law):
    """Normal with mean 0, cut on both sides.

    Args:
        std: the standard deviation of the normal that is cut; cut at two deviations, its own
            is 0.8796 of that.
        corrected: whether the normal is first widened so that ``std`` is the deviation of
            what is left after the cut.
        cut: where it is cut, in deviations of the normal that is cut.

    Raises:
        InputError: the cut is not above 0.

    Example:
        >>> TruncatedNormal(0.5).support(1, 1)
        (-1.0, 1.0)

    Source: N. L. Johnson, S. Kotz, N. Balakrishnan, "Continuous univariate distributions",
    volume 1.

    **Parity** (`trunc-normal-correction`): TensorFlow's ``truncated_normal`` and Keras's
    ``TruncatedNormal`` are not corrected; the he, lecun and glorot normals of Keras and JAX
    are; torch's ``trunc_normal_`` cuts at the absolute values ±2, a cut of ``2/std``.
    """

    std: float
    corrected: bool = False
    cut: float = 2.0

    def __post_init__(self) -> None:
        """Checks the cut."""
        if not self.cut > 0.0:
            raise InputError(
                "TruncatedNormal: cut out of range. Expected a number above 0. "
                f"Received: {self.cut!r}"
            )

    @property
    def _width(self) -> float:
        """The standard deviation of the normal that is cut."""
        return float(self.std) / (_deviation(float(self.cut)) if self.corrected else 1.0)

    def sample(
        self,
        shape: tuple[int, ...],
        fan_in: int,
        fan_out: int,
        rng: np.random.Generator,
        dtype: DTypeLike,
    ) -> Array:
        """Normal numbers, drawn again where they lie outside (see ``Law.sample``)."""
        flat, cut = rng.standard_normal(math.prod(shape)), float(self.cut)
        outside = np.flatnonzero(np.abs(flat) > cut)
        while outside.size:
            flat[outside] = rng.standard_normal(outside.size)
            outside = outside[np.abs(flat[outside]) > cut]
        return (flat * self._width).reshape(shape).astype(dtype, copy=False)

    def cdf(self, values: Array, fan_in: int, fan_out: int) -> Array:
        """The normal distribution without its tails (see ``Law.cdf``)."""
        cut = float(self.cut)
        z, tail = np.clip(np.asarray(values, np.float64) / self._width, -cut, cut), _tail(cut)
        return np.clip((_normal_cdf(z) - tail) / (1.0 - 2.0 * tail), 0.0, 1.0)

    def support(self, fan_in: int, fan_out: int) -> tuple[float, float]:
        """The cut on either side."""
        return (-float(self.cut) * self._width, float(self.cut) * self._width)

    def describe(self, fan_in: int, fan_out: int) -> str:
        """Width and cut in words."""
        return f"N(0, {self._width:.6g}²) cut at ±{self.cut * self._width:.6g}"
