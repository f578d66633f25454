"""Layers that take the outputs of earlier layers besides: residual connections and branches."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

import numpy as np

from netparity.errors import InputError
from netparity.nn.arrays import Array
from netparity.nn.layers.base import INFERENCE, Backward, Context, Layer


@final
@dataclass(frozen=True, slots=True)
class Add(Layer):
    """The sum of the layer's input and the outputs of its sources (a residual connection).

    ``y = x + Σ others``; backward ``dy`` to each.

    Args:
        names: earlier layers, or ``"input"`` for the network's input.

    Shapes: ``x``, every source and ``y`` the same.

    Raises:
        InputError: a source has another shape than ``x``.

    Example:
        >>> Add(("first",)).apply({}, np.ones((1, 2)), Context(others=(np.ones((1, 2)),)))[0]
        array([[2., 2.]])

    Source: K. He et al., "Deep residual learning for image recognition", CVPR 2016.

    **Parity**: torch and JAX write ``x + other``, Keras has ``layers.Add``.
    """

    names: tuple[str, ...]

    @property
    def sources(self) -> tuple[str, ...]:
        """The earlier layers."""
        return self.names

    def apply(
        self, parameters: Mapping[str, Array], x: Array, context: Context = INFERENCE
    ) -> tuple[Array, Backward]:
        """Adds all up (see ``Layer.apply``)."""
        for source, other in zip(self.sources, context.others, strict=True):
            if other.shape != x.shape:
                raise InputError(
                    f"source {source!r} of another shape. Expected {x.shape}. "
                    f"Received: {other.shape}"
                )
        y = context.memory.empty("y", x.shape, x.dtype)
        np.copyto(y, x)
        for other in context.others:
            y += other
        return y, lambda dy: (dy, dict.fromkeys(self.sources, dy))


@final
@dataclass(frozen=True, slots=True)
class Concatenate(Layer):
    """The layer's input and the outputs of its sources laid side by side, ``x`` first.

    Args:
        names: earlier layers, or ``"input"`` for the network's input.
        axis: along which; the last by default.

    Shapes: ``x`` and every source equal but for ``axis``; ``y`` has the sum of their lengths.

    Raises:
        InputError: a source does not fit.

    Example:
        >>> Concatenate(("a",)).apply({}, np.ones((1, 2)), Context(others=(np.zeros((1, 1)),)))[0]
        array([[1., 1., 0.]])

    Source: G. Huang et al., "Densely connected convolutional networks", CVPR 2017.

    **Parity**: along the last axis in Keras and JAX; ``torch.cat`` takes axis 0 by default.
    """

    names: tuple[str, ...]
    axis: int = -1

    @property
    def sources(self) -> tuple[str, ...]:
        """The earlier layers."""
        return self.names

    def apply(
        self, parameters: Mapping[str, Array], x: Array, context: Context = INFERENCE
    ) -> tuple[Array, Backward]:
        """Concatenates (see ``Layer.apply``)."""
        parts = (x, *context.others)
        axis = self.axis % x.ndim
        around = x.shape[:axis] + x.shape[axis + 1 :]
        for source, other in zip(self.sources, context.others, strict=True):
            if other.ndim != x.ndim or other.shape[:axis] + other.shape[axis + 1 :] != around:
                raise InputError(
                    f"source {source!r} of another shape. Expected {x.shape} but for axis "
                    f"{axis}. Received: {other.shape}"
                )
        lengths = [part.shape[axis] for part in parts]
        shape = (*x.shape[:axis], sum(lengths), *x.shape[axis + 1 :])
        y = np.concatenate(parts, axis, out=context.memory.empty("y", shape, x.dtype))

        def backward(dy: Array) -> tuple[Array, dict[str, Array]]:
            dx, *rest = np.split(dy, np.cumsum(lengths)[:-1], axis)
            return dx, dict(zip(self.sources, rest, strict=True))

        return y, backward


@final
@dataclass(frozen=True, slots=True)
class Take(Layer):
    """The output of an earlier layer in place of the previous one's: where a branch begins.

    Args:
        source: the earlier layer's name, or ``"input"`` for the network's input.

    Shapes: ``y`` that of the source.

    Example:
        >>> Take("input").apply({}, np.ones((1, 2)), Context(others=(np.zeros((1, 1)),)))[0]
        array([[0.]])

    Source: none; every framework writes it by naming the earlier value again.

    **Parity**: the same everywhere.
    """

    source: str

    @property
    def sources(self) -> tuple[str, ...]:
        """The one source."""
        return (self.source,)

    def apply(
        self, parameters: Mapping[str, Array], x: Array, context: Context = INFERENCE
    ) -> tuple[Array, Backward]:
        """Hands the source on (see ``Layer.apply``)."""

        def backward(dy: Array) -> tuple[Array, dict[str, Array]]:
            dx = context.memory.empty("dx", x.shape, x.dtype)
            dx.fill(0.0)
            return dx, {self.source: dy}

        return context.others[0], backward
