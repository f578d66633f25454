"""Transposed convolution of images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

import numpy as np

from netparity.errors import InputError
from netparity.nn.arrays import Array
from netparity.nn.layers.base import INFERENCE, Backward, Context, Layer
from netparity.nn.layers.columns import as_rows, blocks, gather, padded, scatter, sums
from netparity.nn.layers.kernels import (
    add_bias,
    add_products,
    bias_gradient,
    check_groups,
    check_sizes,
    flipped,
    matrix,
    parameter_shapes,
    weight_fans,
)
from netparity.nn.layers.windows import (
    Layout,
    Padding,
    Pair,
    Windows,
    channels_last,
    check_images,
    laid_out,
    pair,
)


@final
@dataclass(frozen=True, slots=True)
class ConvTranspose2D(Layer):
    """The transpose of ``Conv2D``'s linear map: every pixel lays down a multiple of the kernel.

    ``y[n, p s + i d − t, q s + j d − l, m] = Σ꜀ x[n, p, q, c] W[i, j, m, c] + b[m]``, summed
    over all (p, i) and (q, j) that meet there; t and l are cut off at the top and the left.

    Args:
        inputs: number C of input channels.
        outputs: number M of output channels.
        kernel_size: height and width (or both in one number) of the kernel.
        stride: from the place of one pixel to that of the next.
        padding: what is cut off: ``"valid"`` nothing, with ``H s + max(reach − s, 0)`` rows;
            ``"same"`` as much as leaves ``H s`` rows; a number for every side; or
            ``((top, bottom), (left, right))``.
        output_padding: rows and columns added at the bottom and the right.
        bias: whether ``b`` is there.
        dilation: from one value of the kernel to the next on the image.
        groups: channels are split into that many groups, each by itself.
        layout: ``"NHWC"`` or ``"NCHW"``, of ``x`` and ``y``; the weight is the same in both.
        flip: turns the kernel by 180°.

    Shapes: ``x`` (N, H, W, C) or (N, C, H, W); ``weight`` (kernel height, kernel width,
    M/groups, C); ``bias`` (M,); ``y`` (N, H', W', M) or (N, M, H', W').

    Raises:
        InputError: as in ``Conv2D``.

    Example:
        >>> x = np.array([1.0, 2.0]).reshape(1, 1, 2, 1)
        >>> parameters = {"weight": np.array([1.0, 10.0]).reshape(1, 2, 1, 1)}
        >>> ConvTranspose2D(1, 1, (1, 2), bias=False).apply(parameters, x)[0].ravel()
        array([ 1., 12., 20.])

    Source: V. Dumoulin, F. Visin, "A guide to convolution arithmetic for deep learning",
    arXiv:1603.07285.

    **Parity** (`conv-transpose-kernel-layout`, `conv-transpose-init`): the weight is as in
    Keras and TensorFlow; torch keeps (C, M/groups, height, width), Flax (height, width, C, M).
    Flax's ``ConvTranspose`` flips the kernel unless ``transpose_kernel=True``. torch and Keras
    count height · width · M inputs of a weight, Flax height · width · C. Where the stride
    exceeds the kernel, ``"valid"`` (Keras, Flax) has H s rows and torch's 0 fewer.
    """

    inputs: int
    outputs: int
    kernel_size: Pair
    stride: Pair = 1
    padding: Padding = "valid"
    output_padding: int = 0
    bias: bool = True
    dilation: Pair = 1
    groups: int = 1
    layout: Layout = "NHWC"
    flip: bool = False

    def __post_init__(self) -> None:
        """Checks the sizes."""
        check_sizes(self.kernel_size, self.stride, self.dilation, self.padding, self.layout)
        check_groups(self.groups, self.inputs, self.outputs)
        if self.output_padding < 0:
            raise InputError(
                f"output_padding cannot be used. Expected a whole number from 0 on. "
                f"Received: {self.output_padding}"
            )

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """``weight`` (kernel, M/groups, C) and, if there is one, ``bias`` (M,)."""
        shape = (*pair(self.kernel_size), self.outputs // self.groups, self.inputs)
        return parameter_shapes(shape, self.outputs if self.bias else None)

    def fans(self, parameter: str = "weight") -> tuple[int, int]:
        """Kernel height · width · M/groups and kernel height · width · C."""
        return weight_fans(self.shapes()["weight"])

    def apply(
        self, parameters: Mapping[str, Array], x: Array, context: Context = INFERENCE
    ) -> tuple[Array, Backward]:
        """Lays down the kernels (see ``Layer.apply``)."""
        check_images(x, self.layout, self.inputs)
        memory, weight, bias = context.memory, parameters["weight"], parameters.get("bias")
        kernel = flipped(weight, "kernel", memory) if self.flip else weight
        batch, height, width, _ = channels_last(x, self.layout).shape
        windows = _windows(self, (height, width))
        parts = tuple(blocks(batch, windows, weight.size // self.inputs * self.groups, x.itemsize))
        shape = laid_out(batch, windows.image, self.outputs, self.layout)
        y = memory.empty("y", shape, x.dtype)
        out = channels_last(y, self.layout)
        room = sums(out, windows, self.groups, memory)
        for part in parts:
            rows = as_rows(x[part], self.layout, self.groups)
            scatter(rows, kernel, windows, room[part], memory)
        if room is not out:
            np.copyto(out, windows.inside(room))
        if bias is not None:
            add_bias(y, bias, self.layout, memory)

        def backward(dy: Array) -> tuple[Array, dict[str, Array]]:
            images = padded(channels_last(dy, self.layout), windows, self.groups, memory)
            dx = memory.empty("dx", x.shape, x.dtype)
            dweight = memory.empty("dweight", weight.shape, x.dtype)
            dweight.fill(0.0)
            for part in parts:
                columns = gather(images[part], windows, self.groups, self.layout, memory)
                add_products(dweight, columns, as_rows(x[part], self.layout, self.groups), memory)
                out = as_rows(dx[part], self.layout, self.groups)
                np.matmul(columns, matrix(kernel, self.groups), out=out)
            gradients = {"weight": flipped(dweight, "turned", memory) if self.flip else dweight}
            if bias is not None:
                gradients["bias"] = bias_gradient(dy, self.layout, memory)
            return dx, gradients

        return y, backward


def _windows(layer: ConvTranspose2D, size: tuple[int, int]) -> Windows:
    """Where the kernels lie on the output, for images of a size."""
    kernel, stride, dilation = pair(layer.kernel_size), pair(layer.stride), pair(layer.dilation)
    cuts: list[tuple[int, int]] = []
    lengths: list[int] = []
    for axis in (0, 1):
        reach = (kernel[axis] - 1) * dilation[axis] + 1
        full = (size[axis] - 1) * stride[axis] + reach + layer.output_padding
        if isinstance(layer.padding, str):
            full += max(stride[axis] - reach, 0)
            total = max(reach - stride[axis], 0) if layer.padding == "same" else 0
            cut = (total // 2, total - total // 2)
        elif isinstance(layer.padding, tuple):
            cut = layer.padding[axis]
        else:
            cut = (layer.padding, layer.padding)
        if sum(cut) >= full:
            raise InputError(
                f"nothing is left of the output's {('height', 'width')[axis]}. Expected less "
                f"than {full} pixels to be cut off. Received: padding={layer.padding!r}"
            )
        cuts.append(cut)
        lengths.append(full - sum(cut))
    return Windows(kernel, stride, dilation, (cuts[0], cuts[1]), (lengths[0], lengths[1]), size)
