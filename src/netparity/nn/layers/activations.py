"""Activation functions that act on each element."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

import numpy as np

from netparity.nn.arrays import Array
from netparity.nn.functions import erf, sigmoid
from netparity.nn.layers.base import INFERENCE, Backward, Context, Layer

_SQRT_HALF = math.sqrt(0.5)
_SQRT_TWO_OVER_PI = math.sqrt(2.0 / math.pi)
_INVERSE_SQRT_TWO_PI = 1.0 / math.sqrt(2.0 * math.pi)
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
class ReLU(Layer):
    """Rectified linear unit, ``y = max(x, 0)``.

    Args:
        gradient_at_zero: the derivative taken where ``x`` is exactly 0.

    Shapes: ``x`` and ``y`` (N, …).

    Example:
        >>> ReLU().apply({}, np.array([[-1.0, 2.0]]))[0]
        array([[0., 2.]])

    Source: V. Nair, G. E. Hinton, "Rectified linear units improve restricted Boltzmann
    machines", ICML 2010.

    **Parity** (`subgradient-at-kink`): at 0 the derivative is 0 in torch, TensorFlow, Keras
    and JAX; ``tf.maximum(x, 0)`` and ``dz[z < 0] = 0`` give 1; ``torch.maximum`` and
    ``jnp.maximum`` give ½.
    """

    gradient_at_zero: float = 0.0

    def apply(
        self, parameters: Mapping[str, Array], x: Array, context: Context = INFERENCE
    ) -> tuple[Array, Backward]:
        """Cuts off what is negative (see ``Layer.apply``)."""
        memory = context.memory

        def backward(dy: Array) -> tuple[Array, dict[str, Array]]:
            positive = np.greater(x, 0, out=memory.empty("positive", x.shape, bool))
            dx = np.multiply(dy, positive, out=memory.empty("dx", x.shape, x.dtype))
            if self.gradient_at_zero != 0.0:
                dx[x == 0] = dy[x == 0] * float(self.gradient_at_zero)
            return dx, {}

        return np.maximum(x, 0.0, out=memory.empty("y", x.shape, x.dtype)), backward


@final
@dataclass(frozen=True, slots=True)
class LeakyReLU(Layer):
    """Leaky rectified linear unit, ``y = x`` where ``x > 0``, else ``slope · x``.

    Args:
        slope: the factor for negative ``x``, and the derivative where ``x`` is exactly 0.

    Shapes: ``x`` and ``y`` (N, …).

    Example:
        >>> LeakyReLU(0.25).apply({}, np.array([[-4.0, 2.0]]))[0]
        array([[-1.,  2.]])

    Source: A. L. Maas, A. Y. Hannun, A. Y. Ng, "Rectifier nonlinearities improve neural
    network acoustic models", ICML 2013.

    **Parity** (`subgradient-at-kink`): the default slope is 0.01 in torch and JAX, 0.2 in
    ``tf.nn`` and 0.3 in Keras's layer; at 0 JAX takes the derivative 1, the others the slope;
    TensorFlow rounds the slope to float32 even in float64.
    """

    slope: float = 0.01

    def apply(
        self, parameters: Mapping[str, Array], x: Array, context: Context = INFERENCE
    ) -> tuple[Array, Backward]:
        """Shrinks what is negative (see ``Layer.apply``)."""
        slope = float(self.slope)

        def backward(dy: Array) -> tuple[Array, dict[str, Array]]:
            return np.where(x > 0, dy, dy * slope), {}

        return np.where(x > 0, x, x * slope), backward


@final
@dataclass(frozen=True, slots=True)
class ELU(Layer):
    """Exponential linear unit, ``y = x`` where ``x > 0``, else ``α (exp(x) − 1)``.

    Args:
        alpha: minus the limit for ``x → −∞``.

    Shapes: ``x`` and ``y`` (N, …).

    Example:
        >>> ELU().apply({}, np.array([[-1000.0, 2.0]]))[0]
        array([[-1.,  2.]])

    Source: D.-A. Clevert, T. Unterthiner, S. Hochreiter, "Fast and accurate deep network
    learning by exponential linear units", ICLR 2016.

    **Parity**: α = 1 by default in torch, Keras, TensorFlow and JAX.
    """

    alpha: float = 1.0

    def apply(
        self, parameters: Mapping[str, Array], x: Array, context: Context = INFERENCE
    ) -> tuple[Array, Backward]:
        """Saturates what is negative (see ``Layer.apply``)."""
        alpha = float(self.alpha)
        y = np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0.0)))

        def backward(dy: Array) -> tuple[Array, dict[str, Array]]:
            return np.where(x > 0, dy, dy * (y + alpha)), {}

        return y, backward


@final
@dataclass(frozen=True, slots=True)
class GELU(Layer):
    """Gaussian error linear unit.

    ``y = x Φ(x)``, or approximately ``½ x (1 + tanh(√(2/π) (x + 0.044715 x³)))``.

    Args:
        approximate: whether to take the approximation by tanh.

    Shapes: ``x`` and ``y`` (N, …).

    Example:
        >>> GELU().apply({}, np.array([[1.0]]))[0].round(6)
        array([[0.841345]])

    Source: D. Hendrycks, K. Gimpel, "Gaussian error linear units", arXiv:1606.08415.

    **Parity**: torch, Keras and TensorFlow take the exact form by default, JAX's
    ``jax.nn.gelu`` and Flax the approximation; TensorFlow rounds the constants to float32 even
    in float64.
    """

    approximate: bool = False

    def apply(
        self, parameters: Mapping[str, Array], x: Array, context: Context = INFERENCE
    ) -> tuple[Array, Backward]:
        """Weighs ``x`` by the normal distribution (see ``Layer.apply``)."""
        if self.approximate:
            square = x * x
            bend = np.tanh(_SQRT_TWO_OVER_PI * (x + _GELU_CUBIC * square * x))
            gate = 0.5 * (1.0 + bend)
            slope = 0.5 * (1.0 - bend * bend)
            slope *= _SQRT_TWO_OVER_PI * (1.0 + 3.0 * _GELU_CUBIC * square)
        else:
            gate = 0.5 * (1.0 + erf(x * _SQRT_HALF))
            slope = _INVERSE_SQRT_TWO_PI * np.exp(-0.5 * x * x)

        def backward(dy: Array) -> tuple[Array, dict[str, Array]]:
            return dy * (gate + x * slope), {}

        return x * gate, backward


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
        gate = sigmoid(x)

        def backward(dy: Array) -> tuple[Array, dict[str, Array]]:
            return dy * (gate * (1.0 + x * (1.0 - gate))), {}

        return x * gate, backward


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

    **Parity**: torch is linear above 20, which differs from the others by at most 2.1e-9
    (log(1 + exp(−20))).
    """

    threshold: float | None = None

    def apply(
        self, parameters: Mapping[str, Array], x: Array, context: Context = INFERENCE
    ) -> tuple[Array, Backward]:
        """Smooths the kink of the rectifier (see ``Layer.apply``)."""
        smooth = np.maximum(x, 0.0) + np.log1p(np.exp(-np.abs(x)))
        slope = sigmoid(x)
        if self.threshold is not None:
            smooth = np.where(x > self.threshold, x, smooth)
            slope = np.where(x > self.threshold, 1.0, slope)
        return smooth, lambda dy: (dy * slope, {})


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
        y = sigmoid(x)
        return y, lambda dy: (dy * (1.0 - y) * y, {})


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
        y = np.tanh(x)
        return y, lambda dy: (dy * (1.0 - y * y), {})
