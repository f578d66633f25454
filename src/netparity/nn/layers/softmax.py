"""Softmax and its logarithm."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

import numpy as np

from netparity.nn.arrays import Array
from netparity.nn.functions import log_softmax, softmax
from netparity.nn.layers.base import INFERENCE, Backward, Context, Layer


@final
@dataclass(frozen=True, slots=True)
class Softmax(Layer):
    """Probabilities, ``y = exp(x)/Σ exp(x)``; backward ``dx = y (dy − Σ dy y)``.

    Args:
        axis: the axis of the classes.

    Shapes: ``x`` and ``y`` (N, …, C).

    Example:
        >>> Softmax().apply({}, np.zeros((1, 2)))[0]
        array([[0.5, 0.5]])

    Source: J. S. Bridle, "Probabilistic interpretation of feedforward classification network
    outputs", 1990.

    **Parity** (`softmax-twice`, `softmax-jacobian-diagonal`): the same everywhere; torch's
    cross-entropy applies it itself, and from-scratch backward passes that keep only
    ``y (1 − y)`` leave out the terms between classes.
    """

    axis: int = -1

    def apply(
        self, parameters: Mapping[str, Array], x: Array, context: Context = INFERENCE
    ) -> tuple[Array, Backward]:
        """Normalizes the exponentials (see ``Layer.apply``)."""
        y = softmax(x, self.axis)

        def backward(dy: Array) -> tuple[Array, dict[str, Array]]:
            return y * (dy - (dy * y).sum(axis=self.axis, keepdims=True)), {}

        return y, backward


@final
@dataclass(frozen=True, slots=True)
class LogSoftmax(Layer):
    """Log-probabilities, ``y = x − log Σ exp(x)``; backward ``dx = dy − exp(y) Σ dy``.

    Args:
        axis: the axis of the classes.

    Shapes: ``x`` and ``y`` (N, …, C).

    Example:
        >>> LogSoftmax().apply({}, np.zeros((1, 2)))[0].round(6)
        array([[-0.693147, -0.693147]])

    Source: algebra.

    **Parity** (`nll-loss-input`): torch's ``nll_loss`` expects this, not probabilities.
    """

    axis: int = -1

    def apply(
        self, parameters: Mapping[str, Array], x: Array, context: Context = INFERENCE
    ) -> tuple[Array, Backward]:
        """Takes the logarithm of softmax (see ``Layer.apply``)."""
        y = log_softmax(x, self.axis)

        def backward(dy: Array) -> tuple[Array, dict[str, Array]]:
            return dy - np.exp(y) * dy.sum(axis=self.axis, keepdims=True), {}

        return y, backward
