"""What every law of initial values is."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
from numpy.typing import DTypeLike

from netparity.nn.arrays import Array


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
