"""Dropout, by the draws it is handed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal, final

import numpy as np

from netparity.errors import InputError
from netparity.nn.arrays import Array
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

    Shapes: ``x``, ``y`` and ``draw`` (N, …).

    Raises:
        InputError: ``rate`` lies outside [0, 1], or ``draw`` has another shape than ``x``.
        ValueError: in training without a draw.

    Example:
        >>> import numpy as np
        >>> draw = np.array([[0.1, 0.6]])
        >>> Dropout(0.5).apply({}, np.ones((1, 2)), Context(training=True, draw=draw))[0]
        array([[0., 2.]])

    Source: N. Srivastava et al., "Dropout: a simple way to prevent neural networks from
    overfitting", JMLR 15 (2014); the scaling in training is that of the cs231n notes.

    **Parity** (`dropout-rate-vs-keep`, `dropout-inverted`, `dropout-training-flag`): torch,
    Keras, optax's users and ``tf.nn.dropout`` take the rate to drop and scale in training;
    ``tf.compat.v1.nn.dropout`` takes, by position, the probability to KEEP; cs231n's ``p`` is
    either, by year; the paper scales in inference.
    """

    rate: float
    scaling: Literal["inverted", "plain"] = "inverted"
    mask_in_backward: bool = True
    takes_draw: ClassVar[bool] = True

    def __post_init__(self) -> None:
        """Checks the rate."""
        if not 0.0 <= self.rate <= 1.0:
            raise InputError(
                f"Dropout rate out of range. Expected a number from 0 to 1. Received: {self.rate}",
                hint="the rate is the probability to drop a unit; a keep probability p is 1 - p",
            )

    def apply(
        self, parameters: Mapping[str, Array], x: Array, context: Context = INFERENCE
    ) -> tuple[Array, Backward]:
        """Drops the units whose draw is below the rate (see ``Layer.apply``)."""
        keep_probability = 1.0 - float(self.rate)
        memory, draw = context.memory, context.draw
        if not context.training:
            factor = keep_probability if self.scaling == "plain" else 1.0
            return (x * factor if factor != 1.0 else x), lambda dy: (
                dy * factor if factor != 1.0 else dy,
                {},
            )
        if draw is None:
            raise ValueError("Dropout in training needs a draw of uniform numbers; none given")
        if draw.shape != x.shape:
            raise InputError(
                f"dropout draw of another shape. Expected {x.shape}. Received: {draw.shape}",
                hint="hand over one array of uniform numbers per dropout, in order of execution",
            )
        # At rate 1 nothing is kept, so the scale of the kept units does not matter.
        inverted = self.scaling == "inverted" and keep_probability > 0.0
        mask = memory.empty("mask", x.shape, x.dtype)
        np.greater_equal(draw, self.rate, out=mask)
        if inverted:
            mask *= 1.0 / keep_probability

        def backward(dy: Array) -> tuple[Array, dict[str, Array]]:
            if not self.mask_in_backward:
                return dy, {}
            return np.multiply(dy, mask, out=memory.empty("dx", x.shape, x.dtype)), {}

        return np.multiply(x, mask, out=memory.empty("y", x.shape, x.dtype)), backward
