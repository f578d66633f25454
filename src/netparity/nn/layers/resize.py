"""Enlarging images by a whole factor."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, final

import numpy as np
from numpy.typing import DTypeLike

from netparity.nn.arrays import Array
from netparity.nn.layers.base import INFERENCE, Backward, Context, Layer
from netparity.nn.layers.windows import (
    Layout,
    Pair,
    check_choice,
    check_images,
    check_pair,
    pair,
)

#: Where the pixels of the larger image lie among those of the smaller one.
Grid = Literal["half-pixel", "align-corners", "asymmetric"]


@final
@dataclass(frozen=True, slots=True)
class UpSample2D(Layer):
    """Enlarges images by a whole factor.

    Nearest: ``y[p] = x[⌊p/f⌋]`` along each axis. Bilinear: ``y[p] = (1 − t) x[k] + t x[k + 1]``
    along each axis, where k + t is the place of p among the n pixels of ``x``, not below 0:
    ``(p + ½)/f − ½`` (half-pixel), ``p (n − 1)/(n f − 1)`` (align-corners) or ``p/f``
    (asymmetric); beyond the last pixel its value goes on.

    Args:
        factor: f for height and width, or for both.
        mode: ``"nearest"`` or ``"bilinear"``.
        grid: of bilinear interpolation.
        layout: ``"NHWC"`` or ``"NCHW"``, of ``x`` and ``y``.

    Shapes: ``x`` (N, H, W, C) or (N, C, H, W); ``y`` (N, f H, f W, C) or (N, C, f H, f W).

    Raises:
        InputError: an argument has no meaning, or ``x`` has another shape.

    Example:
        >>> x = np.array([0.0, 4.0]).reshape(1, 1, 2, 1)
        >>> UpSample2D((1, 2)).apply({}, x)[0].ravel()
        array([0., 0., 4., 4.])
        >>> UpSample2D((1, 2), "bilinear").apply({}, x)[0].ravel()
        array([0., 1., 3., 4.])
        >>> UpSample2D((1, 2), "bilinear", "asymmetric").apply({}, x)[0].ravel()
        array([0., 2., 4., 4.])

    Source: the grids are named as in ONNX, operator Resize,
    https://onnx.ai/onnx/operators/onnx__Resize.html.

    **Parity** (`upsample-default-mode`, `upsample-align-corners`): torch's ``Upsample`` and
    Keras's ``UpSampling2D`` take the nearest pixel by default. Bilinear is half-pixel in
    torch, Keras, ``tf.image.resize`` and ``jax.image.resize``; torch has ``align_corners=True``
    besides; ``tf.compat.v1.image.resize_bilinear`` is asymmetric.
    """

    factor: Pair
    mode: Literal["nearest", "bilinear"] = "nearest"
    grid: Grid = "half-pixel"
    layout: Layout = "NHWC"

    def __post_init__(self) -> None:
        """Checks the arguments."""
        check_pair("factor", self.factor)
        check_choice("mode", self.mode, ("nearest", "bilinear"))
        check_choice("grid", self.grid, ("half-pixel", "align-corners", "asymmetric"))
        check_choice("layout", self.layout, ("NHWC", "NCHW"))

    def apply(
        self, parameters: Mapping[str, Array], x: Array, context: Context = INFERENCE
    ) -> tuple[Array, Backward]:
        """Enlarges (see ``Layer.apply``)."""
        check_images(x, self.layout)
        memory, (down, across) = context.memory, pair(self.factor)
        batch, height, width, channels = x.shape
        if self.layout == "NCHW":
            # Images of one channel each.
            batch, height, width, channels = x.shape[0] * x.shape[1], x.shape[2], x.shape[3], 1
        tall, wide = height * down, width * across
        axis = 1 if self.layout == "NHWC" else 2
        shape = (*x.shape[:axis], tall, wide, *x.shape[axis + 2 :])
        y = memory.empty("y", shape, x.dtype)
        if self.mode == "nearest":
            pixels = (batch, height, down, width, across, channels)
            y.reshape(pixels)[...] = x.reshape(batch, height, 1, width, 1, channels)

            def spread(dy: Array) -> tuple[Array, dict[str, Array]]:
                dx = memory.empty("dx", x.shape, x.dtype)
                out = dx.reshape(batch, height, width, channels)
                np.sum(dy.reshape(pixels), axis=(2, 4), out=out)
                return dx, {}

            return y, spread

        rows = _weights(height, down, self.grid, x.dtype)
        columns = _weights(width, across, self.grid, x.dtype)
        taller = memory.empty("taller", (batch, tall, width * channels), x.dtype)
        np.matmul(rows, x.reshape(batch, height, width * channels), out=taller)
        np.matmul(
            columns,
            taller.reshape(batch * tall, width, channels),
            out=y.reshape(batch * tall, wide, channels),
        )

        def backward(dy: Array) -> tuple[Array, dict[str, Array]]:
            dx = memory.empty("dx", x.shape, x.dtype)
            narrow = memory.empty("narrow", (batch * tall, width, channels), x.dtype)
            np.matmul(columns.T, dy.reshape(batch * tall, wide, channels), out=narrow)
            np.matmul(
                rows.T,
                narrow.reshape(batch, tall, width * channels),
                out=dx.reshape(batch, height, width * channels),
            )
            return dx, {}

        return y, backward


def _weights(length: int, factor: int, grid: Grid, dtype: DTypeLike) -> Array:
    """What each of n f pixels takes of each of n: (n f, n)."""
    place = np.arange(length * factor, dtype=np.float64)
    if grid == "half-pixel":
        place = (place + 0.5) / factor - 0.5
    elif grid == "align-corners":
        place = place * ((length - 1) / max(length * factor - 1, 1))
    else:
        place = place / factor
    place = place.clip(0.0, length - 1)
    before = np.floor(place).astype(np.intp)
    after = np.minimum(before + 1, length - 1)
    weights = np.zeros((length * factor, length), dtype)
    rows = np.arange(length * factor)
    weights[rows, before] = 1.0 - (place - before)
    weights[rows, after] += place - before
    return weights
