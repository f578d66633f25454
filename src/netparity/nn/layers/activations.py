"""Smooth activation functions, each element by itself, and the identity."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, final

import numpy as np

from netparity.nn.arrays import Array, Memory
from netparity.nn.functions import erf, exp_minus_abs, rectify, select, sigmoid
from netparity.nn.layers.base import INFERENCE, Backward, Context, Layer

_SQRT_HALF = math.sqrt(0.5)
_SQRT_TWO_OVER_PI = math.sqrt(2.0 / math.pi)
_INVERSE_SQRT_PI = 1.0 / math.sqrt(math.pi)
_GELU_CUBIC = 0.044715


@final
@dataclass(frozen=True, slots=True)
class Identity(Layer):
    """The identity, ``y = x``.

    Shapes: ``x`` and ``y`` (N, …).

    Example:
        >>> Identity().apply({}, np.ones((1, 1)))[0]
        array([[1.]])

    Source: algebra.

    **Parity**: Keras calls it ``linear``, scikit-learn ``identity``.
    """

    def apply(
        self, parameters: Mapping[str, Array], x: Array, context: Context = INFERENCE
    ) -> tuple[Array, Backward]:
        """Hands ``x`` on (see ``Layer.apply``)."""
        return x, lambda dy: (dy, {})


@final
@dataclass(frozen=True, slots=True)
class GELU(Layer):
    """Gaussian error linear unit.

    ``y = x Φ(x)``, or approximately ``½ x (1 + tanh(√(2/π) (x + 0.044715 x³)))``.

    Args:
        approximate: whether to take the approximation by tanh.
        constants: ``"exact"``, or ``"float32"``: √½ and 0.044715 rounded to float32.

    Shapes: ``x`` and ``y`` (N, …).

    Example:
        >>> GELU().apply({}, np.array([[1.0]]))[0].round(6)
        array([[0.841345]])

    Source: D. Hendrycks, K. Gimpel, "Gaussian error linear units", arXiv:1606.08415.

    **Parity** (`gelu-variant`): torch, Keras and TensorFlow take the exact form by default,
    ``jax.nn.gelu``, Flax and ``keras.ops.gelu`` the approximation; TensorFlow rounds the
    constants to float32 even in float64 (`float32-constants`).
    """

    approximate: bool = False
    constants: Literal["exact", "float32"] = "exact"

    def _constant(self, value: float) -> float:
        return value if self.constants == "exact" else float(np.float32(value))

    def apply(
        self, parameters: Mapping[str, Array], x: Array, context: Context = INFERENCE
    ) -> tuple[Array, Backward]:
        """Weighs ``x`` by the normal distribution (see ``Layer.apply``)."""
        memory = context.memory
        if self.approximate:
            return _gelu_by_tanh(x, memory, self._constant(_GELU_CUBIC))
        root = self._constant(_SQRT_HALF)
        scaled = np.multiply(x, root, out=memory.empty("scaled", x.shape, x.dtype))
        gate = erf(scaled, memory)
        gate += 1.0
        gate *= 0.5

        def backward(dy: Array) -> tuple[Array, dict[str, Array]]:
            half = 0.5 if self.constants == "exact" else root * root
            dx = np.multiply(x, -half, out=memory.empty("dx", x.shape, x.dtype))
            dx *= x
            np.exp(dx, out=dx)
            dx *= root * _INVERSE_SQRT_PI
            dx *= x
            dx += gate
            dx *= dy
            return dx, {}

        return np.multiply(x, gate, out=memory.empty("y", x.shape, x.dtype)), backward


def _gelu_by_tanh(x: Array, memory: Memory, cubic: float) -> tuple[Array, Backward]:
    """The approximate form of GELU."""
    bend = np.multiply(x, x, out=memory.empty("bend", x.shape, x.dtype))
    bend *= cubic
    bend *= x
    bend += x
    bend *= _SQRT_TWO_OVER_PI
    np.tanh(bend, out=bend)
    gate = np.add(bend, 1.0, out=memory.empty("gate", x.shape, x.dtype))
    gate *= 0.5

    def backward(dy: Array) -> tuple[Array, dict[str, Array]]:
        inner = np.multiply(x, x, out=memory.empty("inner", x.shape, x.dtype))
        inner *= 3.0 * cubic
        inner += 1.0
        inner *= _SQRT_TWO_OVER_PI
        dx = np.multiply(bend, bend, out=memory.empty("dx", x.shape, x.dtype))
        np.subtract(1.0, dx, out=dx)
        dx *= 0.5
        dx *= inner
        dx *= x
        dx += gate
        dx *= dy
        return dx, {}

    return np.multiply(x, gate, out=memory.empty("y", x.shape, x.dtype)), backward


@final
@dataclass(frozen=True, slots=True)
class SiLU(Layer):
    """Sigmoid linear unit (swish), ``y = x σ(x)``.

    Shapes: ``x`` and ``y`` (N, …).

    Example:
        >>> SiLU().apply({}, np.array([[0.0, 1.0]]))[0].round(6)
        array([[0.      , 0.731059]])

    Source: S. Elfwing, E. Uchibe, K. Doya, "Sigmoid-weighted linear units for neural network
    function approximation in reinforcement learning", arXiv:1702.03118.

    **Parity**: the same in torch, Keras (``silu``, ``swish``), TensorFlow and JAX.
    """

    def apply(
        self, parameters: Mapping[str, Array], x: Array, context: Context = INFERENCE
    ) -> tuple[Array, Backward]:
        """Weighs ``x`` by its sigmoid (see ``Layer.apply``)."""
        memory = context.memory
        gate = sigmoid(x, memory)

        def backward(dy: Array) -> tuple[Array, dict[str, Array]]:
            dx = np.subtract(1.0, gate, out=memory.empty("dx", x.shape, x.dtype))
            dx *= x
            dx += 1.0
            dx *= gate
            dx *= dy
            return dx, {}

        return np.multiply(x, gate, out=memory.empty("y", x.shape, x.dtype)), backward


@final
@dataclass(frozen=True, slots=True)
class Mish(Layer):
    """``y = x · tanh(log(1 + exp(x)))``.

    Shapes: ``x`` and ``y`` (N, …).

    Example:
        >>> Mish().apply({}, np.array([[0.0, 1.0]]))[0].round(6)
        array([[0.      , 0.865098]])

    Source: D. Misra, "Mish: a self regularized non-monotonic activation function", BMVC 2020.

    **Parity**: the same in torch, Keras and JAX.
    """

    def apply(
        self, parameters: Mapping[str, Array], x: Array, context: Context = INFERENCE
    ) -> tuple[Array, Backward]:
        """Weighs ``x`` by the tanh of its softplus (see ``Layer.apply``)."""
        memory = context.memory
        bend = exp_minus_abs(x, memory.empty("bend", x.shape, x.dtype))
        np.log1p(bend, out=bend)
        gate = rectify(x, memory.empty("gate", x.shape, x.dtype))
        gate += bend
        np.tanh(gate, out=gate)

        def backward(dy: Array) -> tuple[Array, dict[str, Array]]:
            dx = np.multiply(gate, gate, out=memory.empty("dx", x.shape, x.dtype))
            np.subtract(1.0, dx, out=dx)
            dx *= x
            dx *= sigmoid(x, memory)
            dx += gate
            dx *= dy
            return dx, {}

        return np.multiply(x, gate, out=memory.empty("y", x.shape, x.dtype)), backward


@final
@dataclass(frozen=True, slots=True)
class Softsign(Layer):
    """``y = x/(1 + |x|)``; backward ``dx = dy/(1 + |x|)²``.

    Shapes: ``x`` and ``y`` (N, …).

    Example:
        >>> Softsign().apply({}, np.array([[-1.0, 3.0]]))[0]
        array([[-0.5 ,  0.75]])

    Source: J. Turian, J. Bergstra, Y. Bengio, "Quadratic features and deep architectures for
    chunking", NAACL 2009.

    **Parity**: the same in torch, Keras, TensorFlow and JAX.
    """

    def apply(
        self, parameters: Mapping[str, Array], x: Array, context: Context = INFERENCE
    ) -> tuple[Array, Backward]:
        """Maps to (−1, 1) (see ``Layer.apply``)."""
        memory = context.memory
        size = np.abs(x, out=memory.empty("size", x.shape, x.dtype))
        size += 1.0

        def backward(dy: Array) -> tuple[Array, dict[str, Array]]:
            dx = np.divide(dy, size, out=memory.empty("dx", x.shape, x.dtype))
            dx /= size
            return dx, {}

        return np.divide(x, size, out=memory.empty("y", x.shape, x.dtype)), backward


@final
@dataclass(frozen=True, slots=True)
class Softplus(Layer):
    """Smooth rectifier, ``y = log(1 + exp(x))``.

    Args:
        threshold: above it ``y = x`` (with derivative 1), as torch has it; ``None``: nowhere.

    Shapes: ``x`` and ``y`` (N, …).

    Example:
        >>> Softplus().apply({}, np.array([[0.0, 1000.0]]))[0].round(6)
        array([[6.93147e-01, 1.00000e+03]])

    Source: C. Dugas et al., "Incorporating second-order functional knowledge for better
    option pricing", NIPS 2000.

    **Parity** (`softplus-threshold`): torch is linear above 20, which differs from the others
    by at most 2.1e-9 (log(1 + exp(−20))).
    """

    threshold: float | None = None

    def apply(
        self, parameters: Mapping[str, Array], x: Array, context: Context = INFERENCE
    ) -> tuple[Array, Backward]:
        """Smooths the kink of the rectifier (see ``Layer.apply``)."""
        memory, threshold = context.memory, self.threshold
        bend = exp_minus_abs(x, memory.empty("bend", x.shape, x.dtype))
        np.log1p(bend, out=bend)
        y = rectify(x, memory.empty("y", x.shape, x.dtype))
        y += bend
        if threshold is not None:
            above = np.greater(x, float(threshold), out=memory.empty("above", x.shape, bool))
            select(above, x, y, y, memory)

        def backward(dy: Array) -> tuple[Array, dict[str, Array]]:
            slope = sigmoid(x, memory)
            if threshold is not None:
                select(above, 1.0, slope, slope, memory)
            return np.multiply(dy, slope, out=memory.empty("dx", x.shape, x.dtype)), {}

        return y, backward


@final
@dataclass(frozen=True, slots=True)
class Sigmoid(Layer):
    """The logistic function, ``y = 1/(1 + exp(−x))``; backward ``dx = dy y (1 − y)``.

    Shapes: ``x`` and ``y`` (N, …).

    Example:
        >>> Sigmoid().apply({}, np.array([[0.0]]))[0]
        array([[0.5]])

    Source: Rumelhart, Hinton, Williams, Nature 323 (1986).

    **Parity**: the same everywhere; scikit-learn calls it ``logistic``. From-scratch programs
    that compute ``exp(−x)`` overflow below −709 (float64) and −88 (float32): to 0, as here.
    """

    def apply(
        self, parameters: Mapping[str, Array], x: Array, context: Context = INFERENCE
    ) -> tuple[Array, Backward]:
        """Maps to (0, 1) (see ``Layer.apply``)."""
        memory = context.memory
        y = sigmoid(x, memory)

        def backward(dy: Array) -> tuple[Array, dict[str, Array]]:
            dx = np.subtract(1.0, y, out=memory.empty("dx", x.shape, x.dtype))
            dx *= dy
            dx *= y
            return dx, {}

        return y, backward


@final
@dataclass(frozen=True, slots=True)
class Tanh(Layer):
    """The hyperbolic tangent, ``y = tanh(x)``; backward ``dx = dy (1 − y²)``.

    Shapes: ``x`` and ``y`` (N, …).

    Example:
        >>> Tanh().apply({}, np.array([[0.0]]))[0]
        array([[0.]])

    Source: algebra.

    **Parity**: the same everywhere.
    """

    def apply(
        self, parameters: Mapping[str, Array], x: Array, context: Context = INFERENCE
    ) -> tuple[Array, Backward]:
        """Maps to (−1, 1) (see ``Layer.apply``)."""
        memory = context.memory
        y = np.tanh(x, out=memory.empty("y", x.shape, x.dtype))

        def backward(dy: Array) -> tuple[Array, dict[str, Array]]:
            dx = np.multiply(y, y, out=memory.empty("dx", x.shape, x.dtype))
            np.subtract(1.0, dx, out=dx)
            dx *= dy
            return dx, {}

        return y, backward
