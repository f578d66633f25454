"""Laws of initial values."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal, final

import numpy as np
from numpy.typing import DTypeLike

from netparity.nn.arrays import Array
from netparity.nn.functions import erf

#: Truncated normals are cut at this many standard deviations.
_CUT = 2.0
#: Φ(−2), the mass cut off on either side.
_TAIL: Final = 0.5 * math.erfc(_CUT / math.sqrt(2.0))
#: The standard deviation of a standard normal cut at ±2: √(1 − 2·2φ(2)/(1 − 2Φ(−2))).
_CUT_DEVIATION: Final = math.sqrt(
    1.0 - 2.0 * _CUT * math.exp(-0.5 * _CUT**2) / math.sqrt(2.0 * math.pi) / (1.0 - 2.0 * _TAIL)
)


def _normal_cdf(z: Array) -> Array:
    return 0.5 * (1.0 + erf(z * math.sqrt(0.5)))


class Law(ABC):
    """A law of initial values.

    A law may depend on the fans of the weight: the numbers of inputs and outputs of its
    layer. A bias is given the fans of its weight.
    """

    __slots__ = ()

    @abstractmethod
    def sample(
        self,
        shape: tuple[int, ...],
        fan_in: int,
        fan_out: int,
        rng: np.random.Generator,
        dtype: DTypeLike,
    ) -> Array:
        """Draws values.

        Args:
            shape: of the result.
            fan_in: inputs of the layer.
            fan_out: outputs of the layer.
            rng: where the random numbers come from.
            dtype: of the result; the draw itself is made in float64 and rounded.

        Returns:
            The values.
        """

    @abstractmethod
    def cdf(self, values: Array, fan_in: int, fan_out: int) -> Array:
        """The probability of a value at or below each of ``values``.

        Args:
            values: any shape.
            fan_in: inputs of the layer.
            fan_out: outputs of the layer.

        Returns:
            Probabilities in the shape of ``values``, float64.
        """

    @abstractmethod
    def support(self, fan_in: int, fan_out: int) -> tuple[float, float]:
        """The smallest and the largest value that can occur.

        Args:
            fan_in: inputs of the layer.
            fan_out: outputs of the layer.

        Returns:
            ``(low, high)``, possibly infinite.
        """

    @abstractmethod
    def describe(self, fan_in: int, fan_out: int) -> str:
        """The law in words, with its numbers.

        Args:
            fan_in: inputs of the layer.
            fan_out: outputs of the layer.

        Returns:
            For example ``"U(-0.5, 0.5)"``.
        """


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
    """Normal with mean 0, cut at two standard deviations.

    Args:
        std: the standard deviation of the normal that is cut; its own is 0.8796 of that.
        corrected: whether the normal is first widened so that ``std`` is the deviation of
            what is left after the cut.

    Example:
        >>> TruncatedNormal(0.5).support(1, 1)
        (-1.0, 1.0)

    Source: N. L. Johnson, S. Kotz, N. Balakrishnan, "Continuous univariate distributions",
    volume 1.

    **Parity** (`trunc-normal-correction`): TensorFlow's ``truncated_normal`` and Keras's
    ``TruncatedNormal`` are not corrected; the he, lecun and glorot normals of Keras and JAX
    are; torch's ``trunc_normal_`` cuts at the absolute values ±2.
    """

    std: float
    corrected: bool = False

    @property
    def _width(self) -> float:
        """The standard deviation of the normal that is cut."""
        return float(self.std) / (_CUT_DEVIATION if self.corrected else 1.0)

    def sample(
        self,
        shape: tuple[int, ...],
        fan_in: int,
        fan_out: int,
        rng: np.random.Generator,
        dtype: DTypeLike,
    ) -> Array:
        """Normal numbers, drawn again where they lie outside (see ``Law.sample``)."""
        flat = rng.standard_normal(math.prod(shape))
        outside = np.flatnonzero(np.abs(flat) > _CUT)
        while outside.size:
            flat[outside] = rng.standard_normal(outside.size)
            outside = outside[np.abs(flat[outside]) > _CUT]
        return (flat * self._width).reshape(shape).astype(dtype, copy=False)

    def cdf(self, values: Array, fan_in: int, fan_out: int) -> Array:
        """The normal distribution without its tails (see ``Law.cdf``)."""
        z = np.clip(np.asarray(values, np.float64) / self._width, -_CUT, _CUT)
        return np.clip((_normal_cdf(z) - _TAIL) / (1.0 - 2.0 * _TAIL), 0.0, 1.0)

    def support(self, fan_in: int, fan_out: int) -> tuple[float, float]:
        """Two standard deviations to either side."""
        return (-_CUT * self._width, _CUT * self._width)

    def describe(self, fan_in: int, fan_out: int) -> str:
        """Width and cut in words."""
        return f"N(0, {self._width:.6g}²) cut at ±{_CUT * self._width:.6g}"


@final
@dataclass(frozen=True, slots=True)
class VarianceScaling(Law):
    """Variance ``scale / fan``, by one of three distributions with mean 0.

    Args:
        scale: 1 (lecun, glorot), 2 (he), ⅓ (torch's linear layer).
        mode: which fan: of inputs, of outputs, or the mean of both.
        distribution: ``"uniform"`` on ±√(3 scale/fan); ``"normal"``; ``"truncated-normal"``,
            cut at two deviations and widened so that the variance is right.

    Example:
        >>> VarianceScaling(1.0, "fan_avg", "uniform").support(2, 4)
        (-1.0, 1.0)

    Source: X. Glorot, Y. Bengio, "Understanding the difficulty of training deep feedforward
    neural networks", AISTATS 2010; K. He et al., "Delving deep into rectifiers", ICCV 2015.

    **Parity** (`dense-init-default`, `init-formulas`, `trunc-normal-correction`): default
    weights are glorot uniform in Keras and TF 1, lecun normal (truncated) in Flax, torch's
    linear layer has scale ⅓. The named normals are truncated in Keras and JAX, not in torch.
    """

    scale: float
    mode: Literal["fan_in", "fan_out", "fan_avg"]
    distribution: Literal["uniform", "normal", "truncated-normal"]

    def law(self, fan_in: int, fan_out: int) -> Law:
        """The law for given fans.

        Args:
            fan_in: inputs of the layer.
            fan_out: outputs of the layer.

        Returns:
            A ``Uniform``, ``Normal`` or ``TruncatedNormal``.
        """
        fans = {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2.0}
        # A layer of width 0 has no values to draw, but the law must still exist.
        variance = float(self.scale) / max(1.0, fans[self.mode])
        if self.distribution == "uniform":
            limit = math.sqrt(3.0 * variance)
            return Uniform(-limit, limit)
        if self.distribution == "normal":
            return Normal(0.0, math.sqrt(variance))
        return TruncatedNormal(math.sqrt(variance), corrected=True)

    def sample(
        self,
        shape: tuple[int, ...],
        fan_in: int,
        fan_out: int,
        rng: np.random.Generator,
        dtype: DTypeLike,
    ) -> Array:
        """Draws by the law for these fans (see ``Law.sample``)."""
        return self.law(fan_in, fan_out).sample(shape, fan_in, fan_out, rng, dtype)

    def cdf(self, values: Array, fan_in: int, fan_out: int) -> Array:
        """That of the law for these fans (see ``Law.cdf``)."""
        return self.law(fan_in, fan_out).cdf(values, fan_in, fan_out)

    def support(self, fan_in: int, fan_out: int) -> tuple[float, float]:
        """That of the law for these fans."""
        return self.law(fan_in, fan_out).support(fan_in, fan_out)

    def describe(self, fan_in: int, fan_out: int) -> str:
        """The law for these fans in words."""
        return self.law(fan_in, fan_out).describe(fan_in, fan_out)


#: Laws by the names that frameworks give them.
NAMED: Final[Mapping[str, Law]] = MappingProxyType(
    {
        "zeros": Constant(0.0),
        "ones": Constant(1.0),
        "unit_uniform": Uniform(0.0, 1.0),
        "standard_normal": Normal(0.0, 1.0),
        "glorot_uniform": VarianceScaling(1.0, "fan_avg", "uniform"),
        "glorot_normal": VarianceScaling(1.0, "fan_avg", "truncated-normal"),
        "he_uniform": VarianceScaling(2.0, "fan_in", "uniform"),
        "he_normal": VarianceScaling(2.0, "fan_in", "truncated-normal"),
        "lecun_uniform": VarianceScaling(1.0, "fan_in", "uniform"),
        "lecun_normal": VarianceScaling(1.0, "fan_in", "truncated-normal"),
        "torch_linear": VarianceScaling(1.0 / 3.0, "fan_in", "uniform"),
        "torch_xavier_normal": VarianceScaling(1.0, "fan_avg", "normal"),
        "torch_kaiming_normal": VarianceScaling(2.0, "fan_in", "normal"),
        "keras_random_uniform": Uniform(-0.05, 0.05),
        "keras_random_normal": Normal(0.0, 0.05),
        "keras_truncated_normal": TruncatedNormal(0.05),
        "tf1_random_normal": Normal(0.0, 1.0),
        "tf1_truncated_normal": TruncatedNormal(1.0),
        "sklearn_logistic": VarianceScaling(1.0 / 3.0, "fan_avg", "uniform"),
    }
)
