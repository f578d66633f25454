"""Laws whose width follows from the layer's size."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, final

import numpy as np
from numpy.typing import DTypeLike

from netparity.errors import InputError
from netparity.nn.arrays import Array
from netparity.nn.initializers.base import Law
from netparity.nn.initializers.distributions import Normal, TruncatedNormal, Uniform


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

    With ``gain(…)²`` for the scale it is torch's ``kaiming`` (fan in or out) and ``xavier`` (the
    mean of both) for any function that follows.

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


def gain(function: str, slope: float = 0.01) -> float:
    """By what the deviation of weights is multiplied for the function that follows them.

    Args:
        function: ``"linear"``, ``"sigmoid"``, ``"tanh"``, ``"relu"``, ``"leaky-relu"`` or
            ``"selu"``.
        slope: that of a leaky ReLU below 0.

    Raises:
        InputError: there is none for that function.

    Example:
        >>> VarianceScaling(gain("relu") ** 2, "fan_in", "normal").describe(8, 1)
        'N(0, 0.5²)'

    Source: K. He et al., "Delving deep into rectifiers", ICCV 2015.

    **Parity** (`init-formulas`): the table of torch's ``calculate_gain``. Keras's and JAX's he
    laws have that of ReLU, whatever follows.
    """
    gains = {
        "linear": 1.0,
        "sigmoid": 1.0,
        "tanh": 5.0 / 3.0,
        "relu": math.sqrt(2.0),
        "leaky-relu": math.sqrt(2.0 / (1.0 + float(slope) ** 2)),
        "selu": 0.75,
    }
    if function not in gains:
        raise InputError(
            f"no gain for this function. Expected one of {', '.join(gains)}. Received: {function!r}"
        )
    return gains[function]
