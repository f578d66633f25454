"""Dropout, by the draws it is handed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal, final

import numpy as np

from netparity.errors import InputError
from netparity.nn.arrays import Array, Memory
from netparity.nn.layers.base import INFERENCE, Backward, Context, Layer


@final
@dataclass(frozen=True, slots=True)
class Dropout(Layer):
    """Zeroes units at random in training.

    With ``keep = draw ≥ rate``: inverted ``y = x · keep / (1 − rate)`` in training, ``y = x``
    in inference; plain ``y = x · keep`` in training, ``y = x (1 − rate)`` in inference.

    Args:
        rate: probability to DROP a unit, from 0 to 1.
        scaling: ``"inverted"`` scales in training, ``"plain"`` in inference.
        mask_in_backward: ``False`` imitates the bug of a backward pass that goes on with
            the gradient from above as if there were no dropout (``dx = dy``).
        channel_axis: ``None`` drops single units; the axis of the channels: whole channels
            of a sample (spatial dropout).

    Shapes: ``x`` and ``y`` (N, …); ``draw`` the same, or with 1 for every axis between but
    the channels': (N, 1, 1, C) for ``x`` (N, H, W, C) and ``channel_axis`` −1.

    Raises:
        InputError: ``rate`` lies outside [0, 1], ``x`` has no such axis, or ``draw`` has
            another shape than that.
        ValueError: in training without a draw.

    Example:
        >>> import numpy as np
        >>> draw = np.array([[0.1, 0.6]])
        >>> Dropout(0.5).apply({}, np.ones((1, 2)), Context(training=True, draw=draw))[0]
        array([[0., 2.]])

    Source: N. Srivastava et al., "Dropout: a simple way to prevent neural networks from
    overfitting", JMLR 15 (2014); the scaling in training is that of the cs231n notes; spatial:
    J. Tompson et al., "Efficient object localization using convolutional networks", CVPR 2015.

    **Parity** (`dropout-rate-vs-keep`, `dropout-inverted`, `dropout-training-flag`,
    `spatial-dropout`): torch, Keras, optax's users and ``tf.nn.dropout`` take the rate to drop
    and scale in training; ``tf.compat.v1.nn.dropout`` takes, by position, the probability to
    KEEP; cs231n's ``p`` is either, by year; the paper scales in inference. torch's
    ``Dropout2d`` (axis 1) and Keras's ``SpatialDropout2D`` (the last) drop whole channels.
    """

    rate: float
    scaling: Literal["inverted", "plain"] = "inverted"
    mask_in_backward: bool = True
    channel_axis: int | None = None
    takes_draw: ClassVar[bool] = True

    def __post_init__(self) -> None:
        """Checks the rate."""
        if not 0.0 <= self.rate <= 1.0:
            raise InputError(
                f"Dropout rate out of range. Expected a number from 0 to 1. Received: {self.rate}",
                hint="the rate is the probability to drop a unit; a keep probability p is 1 - p",
            )

    def draw_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """One number for each unit or, for whole channels, for each channel of a sample."""
        if self.channel_axis is None:
            return shape
        if not -len(shape) <= self.channel_axis < len(shape):
            raise InputError(
                f"input without the axis of channels. Expected an axis {self.channel_axis}. "
                f"Received: shape {shape}"
            )
        channels = self.channel_axis % len(shape)
        return tuple(length if k in (0, channels) else 1 for k, length in enumerate(shape))

    def apply(
        self, parameters: Mapping[str, Array], x: Array, context: Context = INFERENCE
    ) -> tuple[Array, Backward]:
        """Drops the units whose draw is below the rate (see ``Layer.apply``)."""
        keep_probability = 1.0 - float(self.rate)
        memory, draw = context.memory, context.draw
        if not context.training:
            return _scaled(x, keep_probability if self.scaling == "plain" else 1.0, memory)
        if draw is None:
            raise ValueError("Dropout in training needs a draw of uniform numbers; none given")
        shape = self.draw_shape(x.shape)
        if draw.shape != shape:
            raise InputError(
                f"dropout draw of another shape. Expected {shape}. Received: {draw.shape}",
                hint="hand over one array of uniform numbers per dropout, in order of execution",
            )
        # At rate 1 nothing is kept, so the scale of the kept units does not matter.
        inverted = self.scaling == "inverted" and keep_probability > 0.0
        mask = memory.empty("mask", shape, x.dtype)
        np.greater_equal(draw, self.rate, out=mask)
        if inverted:
            mask *= 1.0 / keep_probability

        def backward(dy: Array) -> tuple[Array, dict[str, Array]]:
            if not self.mask_in_backward:
                return dy, {}
            return np.multiply(dy, mask, out=memory.empty("dx", x.shape, x.dtype)), {}

        return np.multiply(x, mask, out=memory.empty("y", x.shape, x.dtype)), backward


def _scaled(x: Array, factor: float, memory: Memory) -> tuple[Array, Backward]:
    """``factor · x``, and ``x`` itself where that is the same."""
    if factor == 1.0:
        return x, lambda dy: (dy, {})
    y = np.multiply(x, factor, out=memory.empty("y", x.shape, x.dtype))
    return y, lambda dy: (
        np.multiply(dy, factor, out=memory.empty("dx", x.shape, x.dtype)),
        {},
    )
