"""Activation functions made of straight pieces."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, final

import numpy as np

from netparity.errors import InputError
from netparity.nn.arrays import Array, Memory
from netparity.nn.layers.base import INFERENCE, Backward, Context, Layer


@final
@dataclass(frozen=True, slots=True)
class HardTanh(Layer):
    """``y = min(max(x, low), high)``; ``HardTanh(0, 6)`` is ReLU6.

    Args:
        low: the smallest value.
        high: the largest.
        gradient_at_limits: the derivative taken where ``x`` is exactly one of them.

    Shapes: ``x`` and ``y`` (N, …).

    Raises:
        InputError: ``low`` is not below ``high``.

    Example:
        >>> HardTanh(0.0, 6.0).apply({}, np.array([[-1.0, 2.0, 7.0]]))[0]
        array([[0., 2., 6.]])

    Source: R. Collobert, "Large scale machine learning", thesis, Paris 6, 2004; A. Krizhevsky,
    "Convolutional deep belief networks on CIFAR-10", 2010, for ReLU6.

    **Parity** (`subgradient-at-kink`): at the limits the derivative is 0 in torch's and 1 in
    Keras's and JAX's hard tanh, and 0 in everyone's ReLU6; of clips it is 1 in torch and
    TensorFlow and ½ in JAX.
    """

    low: float = -1.0
    high: float = 1.0
    gradient_at_limits: float = 0.0

    def __post_init__(self) -> None:
        """Checks the limits."""
        if not self.low < self.high:
            raise InputError(
                f"limits in another order. Expected low below high. "
                f"Received: low={self.low}, high={self.high}"
            )

    def apply(
        self, parameters: Mapping[str, Array], x: Array, context: Context = INFERENCE
    ) -> tuple[Array, Backward]:
        """Clips (see ``Layer.apply``)."""
        memory, low, high = context.memory, float(self.low), float(self.high)
        y = np.clip(x, low, high, out=memory.empty("y", x.shape, x.dtype))

        def backward(dy: Array) -> tuple[Array, dict[str, Array]]:
            inside = _between(x, low, high, memory)
            dx = np.multiply(dy, inside, out=memory.empty("dx", x.shape, x.dtype))
            if self.gradient_at_limits != 0.0:
                for limit in (low, high):
                    at_limit = np.equal(x, limit, out=memory.empty("at limit", x.shape, bool))
                    share = memory.empty("share", x.shape, x.dtype)
                    np.multiply(dy, at_limit, out=share)
                    share *= float(self.gradient_at_limits)
                    dx += share
            return dx, {}

        return y, backward


@final
@dataclass(frozen=True, slots=True)
class HardSigmoid(Layer):
    """A sigmoid of straight pieces, ``y = min(max(slope · x + ½, 0), 1)``.

    Args:
        slope: that of the middle piece.
        derivative: the slope that the backward pass has: the same (``"exact"``), or that rounded
            to ``"float32"``.

    Shapes: ``x`` and ``y`` (N, …).

    Example:
        >>> HardSigmoid(0.25).apply({}, np.array([[-4.0, 1.0, 4.0]]))[0]
        array([[0.  , 0.75, 1.  ]])

    Source: M. Courbariaux, Y. Bengio, J.-P. David, "BinaryConnect", NIPS 2015.

    **Parity** (`hard-sigmoid-formula`): the slope is 1/6 in torch, JAX and Keras 3, 0.2 in
    Keras up to 2; at the corners the derivative is 0 in all of them. torch's derivative has 1/6
    rounded to float32 even in float64 (`float32-constants`).
    """

    slope: float = 1.0 / 6.0
    derivative: Literal["exact", "float32"] = "exact"

    def apply(
        self, parameters: Mapping[str, Array], x: Array, context: Context = INFERENCE
    ) -> tuple[Array, Backward]:
        """Maps to [0, 1] (see ``Layer.apply``)."""
        memory, slope = context.memory, float(self.slope)
        y = _hard_sigmoid(x, slope, memory.empty("y", x.shape, x.dtype))

        def backward(dy: Array) -> tuple[Array, dict[str, Array]]:
            inside = _between(y, 0.0, 1.0, memory)
            dx = np.multiply(dy, inside, out=memory.empty("dx", x.shape, x.dtype))
            dx *= slope if self.derivative == "exact" else float(np.float32(slope))
            return dx, {}

        return y, backward


@final
@dataclass(frozen=True, slots=True)
class HardSwish(Layer):
    """A swish of straight pieces, ``y = x min(max(slope · x + ½, 0), 1)``.

    Args:
        slope: that of the hard sigmoid.

    Shapes: ``x`` and ``y`` (N, …).

    Example:
        >>> HardSwish(0.25).apply({}, np.array([[-4.0, 1.0, 4.0]]))[0]
        array([[-0.  ,  0.75,  4.  ]])

    Source: A. Howard et al., "Searching for MobileNetV3", ICCV 2019.

    **Parity** (`elu-alpha`): the same in torch, Keras (``hard_silu``, ``hard_swish``) and JAX,
    with 1/6.
    """

    slope: float = 1.0 / 6.0

    def apply(
        self, parameters: Mapping[str, Array], x: Array, context: Context = INFERENCE
    ) -> tuple[Array, Backward]:
        """Weighs ``x`` by its hard sigmoid (see ``Layer.apply``)."""
        memory, slope = context.memory, float(self.slope)
        gate = _hard_sigmoid(x, slope, memory.empty("gate", x.shape, x.dtype))

        def backward(dy: Array) -> tuple[Array, dict[str, Array]]:
            inside = _between(gate, 0.0, 1.0, memory)
            dx = np.multiply(x, inside, out=memory.empty("dx", x.shape, x.dtype))
            dx *= slope
            dx += gate
            dx *= dy
            return dx, {}

        return np.multiply(x, gate, out=memory.empty("y", x.shape, x.dtype)), backward


def _hard_sigmoid(x: Array, slope: float, out: Array) -> Array:
    """``min(max(slope · x + ½, 0), 1)``."""
    np.multiply(x, slope, out=out)
    out += 0.5
    return np.clip(out, 0.0, 1.0, out=out)


def _between(x: Array, low: float, high: float, memory: Memory) -> Array:
    """Where ``low < x < high``."""
    inside = np.greater(x, low, out=memory.empty("inside", x.shape, bool))
    inside &= np.less(x, high, out=memory.empty("below", x.shape, bool))
    return inside
