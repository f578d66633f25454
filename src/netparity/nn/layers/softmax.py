"""Softmax and its logarithm."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

import numpy as np

from netparity.nn.arrays import Array
from netparity.nn.functions import log_softmax, reduced_shape, softmax
from netparity.nn.layers.base import INFERENCE, Backward, Context, Layer


@final
@dataclass(frozen=True, slots=True)
class Softmax(Layer):
    """Probabilities, ``y = exp(x)/Σ exp(x)``; backward ``dx = y (dy − Σ dy y)``.

    Args:
        axis: the axis of the classes; ``None``: all elements of the batch together.

    Shapes: ``x`` and ``y`` (N, …, C).

    Example:
        >>> Softmax().apply({}, np.zeros((1, 2)))[0]
        array([[0.5, 0.5]])

    Source: J. S. Bridle, "Probabilistic interpretation of feedforward classification network
    outputs", 1990.

    **Parity** (`softmax-axis`, `softmax-twice`, `softmax-jacobian-diagonal`): the last axis in
    Keras and JAX; torch without ``dim`` takes axis 0 of one or three, else 1;
    ``np.exp(z)/np.exp(z).sum()`` runs over all elements (``axis=None``). torch's cross-entropy
    applies it itself, and from-scratch backward passes that keep only ``y (1 − y)`` leave out
    the terms between classes.
    """

    axis: int | None = -1

    def apply(
        self, parameters: Mapping[str, Array], x: Array, context: Context = INFERENCE
    ) -> tuple[Array, Backward]:
        """Normalizes the exponentials (see ``Layer.apply``)."""
        memory = context.memory
        y = softmax(x, self.axis, memory)

        def backward(dy: Array) -> tuple[Array, dict[str, Array]]:
            dx = np.multiply(dy, y, out=memory.empty("dx", x.shape, x.dtype))
            total = memory.empty("total", reduced_shape(x, self.axis), x.dtype)
            np.subtract(dy, np.sum(dx, self.axis, out=total, keepdims=True), out=dx)
            dx *= y
            return dx, {}

        return y, backward


@final
@dataclass(frozen=True, slots=True)
class LogSoftmax(Layer):
    """Log-probabilities, ``y = x − log Σ exp(x)``; backward ``dx = dy − exp(y) Σ dy``.

    Args:
        axis: the axis of the classes; ``None``: all elements of the batch together.

    Shapes: ``x`` and ``y`` (N, …, C).

    Example:
        >>> LogSoftmax().apply({}, np.zeros((1, 2)))[0].round(6)
        array([[-0.693147, -0.693147]])

    Source: algebra.

    **Parity** (`softmax-axis`, `nll-loss-input`): axes as for ``Softmax``; torch's
    ``nll_loss`` expects this, not probabilities.
    """

    axis: int | None = -1

    def apply(
        self, parameters: Mapping[str, Array], x: Array, context: Context = INFERENCE
    ) -> tuple[Array, Backward]:
        """Takes the logarithm of softmax (see ``Layer.apply``)."""
        memory = context.memory
        y = log_softmax(x, self.axis, memory)

        def backward(dy: Array) -> tuple[Array, dict[str, Array]]:
            dx = np.exp(y, out=memory.empty("dx", x.shape, x.dtype))
            total = memory.empty("total", reduced_shape(x, self.axis), x.dtype)
            dx *= np.sum(dy, self.axis, out=total, keepdims=True)
            np.subtract(dy, dx, out=dx)
            return dx, {}

        return y, backward
