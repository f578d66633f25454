"""Convolution of images, plain and depthwise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

import numpy as np

from netparity.nn.arrays import Array, Memory
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
    channels_last,
    check_images,
    laid_out,
    pair,
    slide,
)


@final
@dataclass(frozen=True, slots=True)
class Conv2D(Layer):
    """Convolution of images with a kernel, as frameworks mean it: without flipping the kernel.

    ``y[n, p, q, m] = Σᵢⱼ꜀ x[n, p s + i d, q s + j d, c] W[i, j, c, m] + b[m]`` over the padded
    image, with stride s and dilation d.

    Args:
        inputs: number C of input channels.
        outputs: number M of output channels.
        kernel_size: height and width (or both in one number) of the kernel.
        stride: from one window to the next.
        padding: zeros around the image: ``"valid"`` none; ``"same"`` as many as give
            ``⌈H/stride⌉`` rows, an odd one at the bottom and the right; a number for every
            side; or ``((top, bottom), (left, right))``.
        bias: whether ``b`` is there.
        dilation: from one pixel to the next under the kernel.
        groups: channels are split into that many groups, each convolved by itself.
        layout: ``"NHWC"`` or ``"NCHW"``, of ``x`` and ``y``; the weight is the same in both.
        flip: turns the kernel by 180°, so that it is a convolution in the sense of algebra.

    Shapes: ``x`` (N, H, W, C) or (N, C, H, W); ``weight`` (kernel height, kernel width,
    C/groups, M); ``bias`` (M,); ``y`` (N, H', W', M) or (N, M, H', W').

    Raises:
        InputError: an argument has no meaning, groups do not divide the channels, ``x`` has
            another shape, or no window fits into the image.

    Example:
        >>> x = np.arange(9.0).reshape(1, 3, 3, 1)
        >>> parameters = {"weight": np.array([1.0, 0, 0, 2]).reshape(2, 2, 1, 1)}
        >>> y, backward = Conv2D(1, 1, 2, bias=False).apply(parameters, x)
        >>> y[0, :, :, 0]
        array([[ 8., 11.],
               [17., 20.]])
        >>> backward(np.ones((1, 2, 2, 1)))[0][0, :, :, 0]
        array([[1., 1., 0.],
               [1., 3., 2.],
               [0., 2., 2.]])

    Source: Y. LeCun et al., "Gradient-based learning applied to document recognition",
    Proceedings of the IEEE 86 (1998); as one matrix product: K. Chellapilla, S. Puri,
    P. Simard, "High performance convolutional neural networks for document processing", 2006.

    **Parity** (`conv-kernel-layout`, `conv-correlation`, `conv-default-padding`,
    `conv-same-padding`): the weight is as in Keras, TensorFlow and Flax; torch keeps
    (M, C/groups, height, width), as does cs231n. All of them correlate; ``np.convolve`` and
    ``scipy.signal.convolve`` flip the kernel. By default torch and Keras do not pad, Flax
    pads ``"SAME"``. ``"same"`` is TensorFlow's rule (Keras and Flax too): with stride 2 and a
    3 × 3 kernel on an even size it pads (0, 1), where torch's ``padding=1`` pads (1, 1) and
    its output is shifted by one pixel; torch refuses ``"same"`` with a stride.
    """

    inputs: int
    outputs: int
    kernel_size: Pair
    stride: Pair = 1
    padding: Padding = "valid"
    bias: bool = True
    dilation: Pair = 1
    groups: int = 1
    layout: Layout = "NHWC"
    flip: bool = False

    def __post_init__(self) -> None:
        """Checks the sizes."""
        check_sizes(self.kernel_size, self.stride, self.dilation, self.padding, self.layout)
        check_groups(self.groups, self.inputs, self.outputs)

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """``weight`` (kernel, C/groups, M) and, if there is one, ``bias`` (M,)."""
        shape = (*pair(self.kernel_size), self.inputs // self.groups, self.outputs)
        return parameter_shapes(shape, self.outputs if self.bias else None)

    def fans(self, parameter: str = "weight") -> tuple[int, int]:
        """Kernel height · width · C/groups and kernel height · width · M."""
        return weight_fans(self.shapes()["weight"])

    def apply(
        self, parameters: Mapping[str, Array], x: Array, context: Context = INFERENCE
    ) -> tuple[Array, Backward]:
        """Convolves (see ``Layer.apply``)."""
        check_images(x, self.layout, self.inputs)
        return _convolve(self, self.groups, parameters, x, context.memory)


@final
@dataclass(frozen=True, slots=True)
class DepthwiseConv2D(Layer):
    """Convolution of every channel by itself.

    ``y[n, p, q, c D + k] = Σᵢⱼ x[n, p s + i d, q s + j d, c] W[i, j, c, k] + b[c D + k]``.

    Args:
        inputs: number C of input channels.
        kernel_size: height and width (or both in one number) of the kernel.
        multiplier: number D of output channels for each input channel.
        stride: as in ``Conv2D``.
        padding: as in ``Conv2D``.
        bias: whether ``b`` is there.
        dilation: as in ``Conv2D``.
        layout: as in ``Conv2D``.
        flip: as in ``Conv2D``.

    Shapes: ``x`` (N, H, W, C) or (N, C, H, W); ``weight`` (kernel height, kernel width, C, D);
    ``bias`` (C D,); ``y`` (N, H', W', C D) or (N, C D, H', W').

    Raises:
        InputError: as in ``Conv2D``.

    Example:
        >>> x = np.ones((1, 1, 1, 2))
        >>> parameters = {"weight": np.array([[[[2.0], [3.0]]]])}
        >>> DepthwiseConv2D(2, 1, bias=False).apply(parameters, x)[0]
        array([[[[2., 3.]]]])

    Source: L. Sifre, "Rigid-motion scattering for image classification", 2014; A. G. Howard
    et al., "MobileNets", arXiv:1704.04861.

    **Parity** (`depthwise-kernel-layout`, `depthwise-init`): the weight is as in Keras and
    TensorFlow. torch (``groups=C``) keeps (C D, 1, height, width) and Flax
    (``feature_group_count=C``) (height, width, 1, C D), both with the output channels in the
    order of here; that is ``Conv2D(C, C D, …, groups=C)``. As fans Keras, and this layer, count
    height · width · C and height · width · D; torch and Flax, and that one, height · width
    and height · width · C D.
    """

    inputs: int
    kernel_size: Pair
    multiplier: int = 1
    stride: Pair = 1
    padding: Padding = "valid"
    bias: bool = True
    dilation: Pair = 1
    layout: Layout = "NHWC"
    flip: bool = False

    def __post_init__(self) -> None:
        """Checks the sizes."""
        check_sizes(self.kernel_size, self.stride, self.dilation, self.padding, self.layout)
        check_groups(1, self.inputs, self.multiplier)

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """``weight`` (kernel, C, D) and, if there is one, ``bias`` (C D,)."""
        shape = (*pair(self.kernel_size), self.inputs, self.multiplier)
        return parameter_shapes(shape, self.inputs * self.multiplier if self.bias else None)

    def fans(self, parameter: str = "weight") -> tuple[int, int]:
        """Kernel height · width · C and kernel height · width · D."""
        return weight_fans(self.shapes()["weight"])

    def apply(
        self, parameters: Mapping[str, Array], x: Array, context: Context = INFERENCE
    ) -> tuple[Array, Backward]:
        """Convolves (see ``Layer.apply``)."""
        check_images(x, self.layout, self.inputs)
        return _convolve(self, self.inputs, parameters, x, context.memory)


def _convolve(
    layer: Conv2D | DepthwiseConv2D,
    groups: int,
    parameters: Mapping[str, Array],
    x: Array,
    memory: Memory,
) -> tuple[Array, Backward]:
    """Convolution in groups; depthwise it has one for each channel."""
    weight, bias, layout = parameters["weight"], parameters.get("bias"), layer.layout
    images = channels_last(x, layout)
    batch, height, width, channels = images.shape
    windows = slide(layer.kernel_size, layer.stride, layer.dilation, layer.padding, (height, width))
    kernel = flipped(weight, "kernel", memory) if layer.flip else weight
    # A depthwise weight (…, C, D) is in memory what one in groups is, (…, 1, C D).
    kernel = kernel.reshape(*windows.kernel, channels // groups, -1)
    parts = tuple(blocks(batch, windows, kernel.size // kernel.shape[3] * groups, x.itemsize))
    images = padded(images, windows, groups, memory)
    y = memory.empty("y", laid_out(batch, windows.output, kernel.shape[3], layout), x.dtype)
    for part in parts:
        columns = gather(images[part], windows, groups, layout, memory)
        np.matmul(columns, matrix(kernel, groups), out=as_rows(y[part], layout, groups))
        if bias is not None:
            add_bias(y[part], bias, layout, memory)

    def backward(dy: Array) -> tuple[Array, dict[str, Array]]:
        dx = memory.empty("dx", x.shape, x.dtype)
        out = channels_last(dx, layout)
        room = sums(out, windows, groups, memory)
        dkernel = memory.empty("dweight", kernel.shape, x.dtype)
        dkernel.fill(0.0)
        for part in parts:
            rows = as_rows(dy[part], layout, groups)
            # Made again rather than kept: that costs little, and they take much memory.
            columns = gather(images[part], windows, groups, layout, memory)
            add_products(dkernel, columns, rows, memory)
            scatter(rows, kernel, windows, room[part], memory)
        if room is not out:
            np.copyto(out, windows.inside(room))
        dweight = flipped(dkernel, "turned", memory) if layer.flip else dkernel
        gradients = {"weight": dweight.reshape(weight.shape)}
        if bias is not None:
            gradients["bias"] = bias_gradient(dy, layout, memory)
        return dx, gradients

    return y, backward
