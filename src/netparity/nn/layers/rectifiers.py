"""The rectifier and its kin: activation functions with a kink at 0."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

import numpy as np

from netparity.errors import InputError
from netparity.nn.arrays import Array, Memory
from netparity.nn.functions import rectify, select
from netparity.nn.layers.base import INFERENCE, Backward, Context, Layer

_SELU_SCALE = 1.0507009873554804934193349852946
_SELU_ALPHA = 1.6732632423543772848170429916717


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
                _set_at_zero(dx, x, dy, self.gradient_at_zero, memory)
            return dx, {}

        return rectify(x, memory.empty("y", x.shape, x.dtype)), backward


@final
@dataclass(frozen=True, slots=True)
class LeakyReLU(Layer):
    """Leaky rectified linear unit, ``y = x`` where ``x > 0``, else ``slope · x``.

    Args:
        slope: the factor for negative ``x``.
        gradient_at_zero: the derivative taken where ``x`` is exactly 0; ``None``: the slope.

    Shapes: ``x`` and ``y`` (N, …).

    Example:
        >>> LeakyReLU(0.25).apply({}, np.array([[-4.0, 2.0]]))[0]
        array([[-1.,  2.]])

    Source: A. L. Maas, A. Y. Hannun, A. Y. Ng, "Rectifier nonlinearities improve neural
    network acoustic models", ICML 2013.

    **Parity** (`leaky-relu-slope`, `subgradient-at-kink`): the default slope is 0.01 in torch
    and JAX, 0.2 in ``tf.nn`` and 0.3 in Keras's layer; at 0 JAX takes the derivative 1, the
    others the slope; TensorFlow rounds the slope to float32 even in float64.
    """

    slope: float = 0.01
    gradient_at_zero: float | None = None

    def apply(
        self, parameters: Mapping[str, Array], x: Array, context: Context = INFERENCE
    ) -> tuple[Array, Backward]:
        """Shrinks what is negative (see ``Layer.apply``)."""
        slope, memory = float(self.slope), context.memory
        y = np.multiply(x, slope, out=memory.empty("y", x.shape, x.dtype))
        if 0.0 < slope <= 1.0:
            np.maximum(x, y, out=y)
        else:
            select(_positive(x, memory), x, y, y, memory)

        def backward(dy: Array) -> tuple[Array, dict[str, Array]]:
            dx = np.multiply(dy, slope, out=memory.empty("dx", x.shape, x.dtype))
            select(_positive(x, memory), dy, dx, dx, memory)
            if self.gradient_at_zero is not None:
                _set_at_zero(dx, x, dy, self.gradient_at_zero, memory)
            return dx, {}

        return y, backward


@final
@dataclass(frozen=True, slots=True)
class PReLU(Layer):
    """Parametric rectified linear unit: LeakyReLU with slopes that are learned.

    ``y = x`` where ``x > 0``, else ``slope · x``; backward ``dslope = Σ dy min(x, 0)``.

    Args:
        shape: of the slopes, which are spread over the last axes of ``x`` as NumPy broadcasts:
            ``(1,)`` shares one; ``(C,)`` has one per channel of (N, …, C), ``(C, 1, 1)`` of
            (N, C, H, W); ``(H, W, C)`` one per element.
        gradient_at_zero: the derivative taken where ``x`` is exactly 0; ``None``: the slope.

    Shapes: ``x`` and ``y`` (N, …); ``slope`` ``shape``.

    Raises:
        InputError: the slopes do not fit ``x``.

    Example:
        >>> y, backward = PReLU((2,)).apply(
        ...     {"slope": np.array([0.5, 0.25])}, np.array([[-1.0, -2.0], [3.0, 4.0]])
        ... )
        >>> y
        array([[-0.5, -0.5],
               [ 3. ,  4. ]])
        >>> backward(np.ones((2, 2)))[1]["slope"]
        array([-1., -2.])

    Source: K. He et al., "Delving deep into rectifiers", ICCV 2015.

    **Parity** (`prelu-init`, `subgradient-at-kink`): torch starts from one shared slope of 0.25
    (``Constant(0.25)``), Keras from zeros with one slope per element unless axes are shared,
    Flax from one of 0.01. At 0 torch takes the slope as derivative, Keras 0, Flax 1. torch
    names the slope ``weight`` and decays it with ``weight_decay``; by its name here it is no
    weight.
    """

    shape: tuple[int, ...] = (1,)
    gradient_at_zero: float | None = None

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """``slope`` in the shape given."""
        return {"slope": self.shape}

    def apply(
        self, parameters: Mapping[str, Array], x: Array, context: Context = INFERENCE
    ) -> tuple[Array, Backward]:
        """Shrinks what is negative (see ``Layer.apply``)."""
        around = x.shape[1:][max(x.ndim - 1 - len(self.shape), 0) :]
        if len(around) < len(self.shape) or any(
            own not in (1, length) for own, length in zip(self.shape, around, strict=True)
        ):
            raise InputError(
                f"slopes that do not fit the input. Expected the last axes of {x.shape[1:]}, "
                f"or 1 in place of one. Received: {self.shape}",
                hint="(1,) shares one slope; one per channel is (C,) or, before (H, W), (C, 1, 1)",
            )
        slope, memory = parameters["slope"], context.memory
        y = np.multiply(x, slope, out=memory.empty("y", x.shape, x.dtype))
        select(_positive(x, memory), x, y, y, memory)

        def backward(dy: Array) -> tuple[Array, dict[str, Array]]:
            dx = np.clip(x, -np.inf, 0.0, out=memory.empty("dx", x.shape, x.dtype))
            dx *= dy
            axes = tuple(range(x.ndim - len(self.shape)))
            axes += tuple(k for k, own in enumerate(self.shape, len(axes)) if own == 1)
            dslope = np.sum(dx, axis=axes, out=memory.empty("dslope", _kept(x, axes), x.dtype))
            np.multiply(dy, slope, out=dx)
            select(_positive(x, memory), dy, dx, dx, memory)
            if self.gradient_at_zero is not None:
                _set_at_zero(dx, x, dy, self.gradient_at_zero, memory)
            return dx, {"slope": dslope.reshape(self.shape)}

        return y, backward


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

    **Parity** (`elu-alpha`): α = 1 by default in torch, Keras, TensorFlow and JAX.
    """

    alpha: float = 1.0

    def apply(
        self, parameters: Mapping[str, Array], x: Array, context: Context = INFERENCE
    ) -> tuple[Array, Backward]:
        """Saturates what is negative (see ``Layer.apply``)."""
        return _exponential(x, context.memory, float(self.alpha))


@final
@dataclass(frozen=True, slots=True)
class SELU(Layer):
    """Scaled exponential linear unit, ``y = λ x`` where ``x > 0``, else ``λ α (exp(x) − 1)``.

    λ ≈ 1.0507 and α ≈ 1.6733 keep mean 0 and variance 1 from layer to layer.

    Args:
        gradient_at_zero: the derivative taken where ``x`` is exactly 0; ``None``: λ α.

    Shapes: ``x`` and ``y`` (N, …).

    Example:
        >>> SELU().apply({}, np.array([[-1000.0, 1.0]]))[0].round(6)
        array([[-1.758099,  1.050701]])

    Source: G. Klambauer et al., "Self-normalizing neural networks", NIPS 2017.

    **Parity** (`elu-alpha`, `subgradient-at-kink`): the same in torch, Keras, TensorFlow and
    JAX but at 0, where torch and JAX take the derivative λ α ≈ 1.7581 and TensorFlow, and Keras
    on it, λ.
    """

    gradient_at_zero: float | None = None

    def apply(
        self, parameters: Mapping[str, Array], x: Array, context: Context = INFERENCE
    ) -> tuple[Array, Backward]:
        """Scales, and saturates what is negative (see ``Layer.apply``)."""
        memory, scale = context.memory, _SELU_SCALE
        return _exponential(x, memory, scale * _SELU_ALPHA, scale, 1.0, self.gradient_at_zero)


@final
@dataclass(frozen=True, slots=True)
class CELU(Layer):
    """Continuously differentiable ELU, ``y = x`` where ``x > 0``, else ``α (exp(x/α) − 1)``.

    Args:
        alpha: minus the limit for ``x → −∞``, greater than 0.
        gradient_at_zero: the derivative taken where ``x`` is exactly 0; ``None``: 1.

    Shapes: ``x`` and ``y`` (N, …).

    Raises:
        InputError: ``alpha`` is not positive.

    Example:
        >>> CELU(0.5).apply({}, np.array([[-1000.0, 2.0]]))[0]
        array([[-0.5,  2. ]])

    Source: J. T. Barron, "Continuously differentiable exponential linear units",
    arXiv:1704.07483.

    **Parity** (`elu-alpha`, `subgradient-at-kink`): α = 1 by default in torch, Keras and JAX;
    at 0 Keras on TensorFlow takes the derivative 2, as both of its branches count there.
    """

    alpha: float = 1.0
    gradient_at_zero: float | None = None

    def __post_init__(self) -> None:
        """Checks α."""
        if not 0.0 < self.alpha < math.inf:
            raise InputError(
                f"CELU's alpha out of range. Expected a positive number. Received: {self.alpha}"
            )

    def apply(
        self, parameters: Mapping[str, Array], x: Array, context: Context = INFERENCE
    ) -> tuple[Array, Backward]:
        """Saturates what is negative (see ``Layer.apply``)."""
        alpha = float(self.alpha)
        return _exponential(x, context.memory, alpha, 1.0, 1.0 / alpha, self.gradient_at_zero)


def _exponential(
    x: Array,
    memory: Memory,
    depth: float,
    scale: float = 1.0,
    steepness: float = 1.0,
    gradient_at_zero: float | None = None,
) -> tuple[Array, Backward]:
    """``scale · x`` where ``x > 0``, else ``depth · (exp(steepness · x) − 1)``."""
    below = np.clip(x, -np.inf, 0.0, out=memory.empty("below", x.shape, x.dtype))
    if steepness != 1.0:
        below *= steepness
    np.expm1(below, out=below)
    below *= depth
    # The two parts add up, as each is 0 where the other is not.
    y = rectify(x, memory.empty("y", x.shape, x.dtype))
    if scale != 1.0:
        y *= scale
    y += below

    def backward(dy: Array) -> tuple[Array, dict[str, Array]]:
        dx = np.add(below, depth, out=memory.empty("dx", x.shape, x.dtype))
        if steepness != 1.0:
            dx *= steepness
        select(_positive(x, memory), scale, dx, dx, memory)
        dx *= dy
        if gradient_at_zero is not None:
            _set_at_zero(dx, x, dy, gradient_at_zero, memory)
        return dx, {}

    return y, backward


def _positive(x: Array, memory: Memory) -> Array:
    """Where ``x > 0``."""
    return np.greater(x, 0, out=memory.empty("positive", x.shape, bool))


def _set_at_zero(dx: Array, x: Array, dy: Array, gradient: float, memory: Memory) -> None:
    """Puts ``gradient · dy`` into ``dx`` where ``x`` is exactly 0."""
    zero = np.equal(x, 0, out=memory.empty("zero", x.shape, bool))
    if zero.any():
        scaled = memory.empty("at zero", x.shape, x.dtype)
        select(zero, np.multiply(dy, float(gradient), out=scaled), dx, dx, memory)


def _kept(x: Array, axes: tuple[int, ...]) -> tuple[int, ...]:
    """The shape of ``x`` without some axes."""
    return tuple(length for k, length in enumerate(x.shape) if k not in axes)
