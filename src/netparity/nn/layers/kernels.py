"""Kernels and biases of convolutions: their shapes, their gradients, what is refused."""

from __future__ import annotations

import numpy as np

from netparity.errors import InputError
from netparity.nn.arrays import Array, Memory
from netparity.nn.layers.windows import (
    Layout,
    Padding,
    Pair,
    check_choice,
    check_padding,
    check_pair,
)


def parameter_shapes(weight: tuple[int, ...], bias: int | None) -> dict[str, tuple[int, ...]]:
    """The shapes of ``weight`` and, if there is one, ``bias``.

    Args:
        weight: the weight's shape.
        bias: the bias's length.
    """
    shapes: dict[str, tuple[int, ...]] = {"weight": weight}
    return shapes if bias is None else {**shapes, "bias": (bias,)}


def weight_fans(weight: tuple[int, ...]) -> tuple[int, int]:
    """The kernel's height times width times either of the weight's last two axes.

    Args:
        weight: the weight's shape (kernel height, kernel width, …, …).
    """
    return weight[0] * weight[1] * weight[2], weight[0] * weight[1] * weight[3]


def check_sizes(
    kernel_size: Pair, stride: Pair, dilation: Pair, padding: Padding, layout: Layout
) -> None:
    """Refuses arguments of a convolution that have no meaning.

    Raises:
        InputError: one has none.
    """
    check_pair("kernel_size", kernel_size)
    check_pair("stride", stride)
    check_pair("dilation", dilation)
    check_padding(padding)
    check_choice("layout", layout, ("NHWC", "NCHW"))


def check_groups(groups: int, inputs: int, outputs: int) -> None:
    """Refuses channels that cannot be split into groups.

    Raises:
        InputError: there is none, or a number is no multiple of the groups.
    """
    if min(groups, inputs, outputs) < 1 or inputs % groups or outputs % groups:
        raise InputError(
            f"channels that cannot be split. Expected numbers of channels from 1 on, multiples "
            f"of groups={groups}. Received: {inputs} inputs, {outputs} outputs"
        )


def matrix(kernel: Array, groups: int) -> Array:
    """A kernel as the matrix that columns are multiplied with, as a view.

    Args:
        kernel: (rows, columns, C / groups, M), contiguous.
        groups: of the channels.

    Returns:
        (groups, 1, features, M / groups).
    """
    features = kernel.shape[0] * kernel.shape[1] * kernel.shape[2]
    split = kernel.reshape(features, groups, kernel.shape[3] // groups)
    return split.transpose(1, 0, 2)[:, None]


def add_products(dkernel: Array, columns: Array, rows: Array, memory: Memory) -> None:
    """Adds the products of columns and rows, over all stacks, to a kernel's gradient.

    Args:
        dkernel: (rows, columns, C / groups, M).
        columns: (groups, stacks, rows, features).
        rows: (groups, stacks, rows, M / groups).
        memory: for the products.
    """
    groups, stacks, _, features = columns.shape
    shape = (groups, stacks, features, rows.shape[3])
    products = memory.empty("products of columns", shape, columns.dtype)
    np.matmul(columns.swapaxes(2, 3), rows, out=products)
    target = matrix(dkernel, groups)
    for stack in range(stacks):
        target += products[:, stack : stack + 1]


def flipped(kernel: Array, key: str, memory: Memory) -> Array:
    """A copy of a kernel, turned by 180°."""
    turned = memory.empty(key, kernel.shape, kernel.dtype)
    np.copyto(turned, kernel[::-1, ::-1])
    return turned


def add_bias(y: Array, bias: Array, layout: Layout, memory: Memory) -> None:
    """Adds the bias to every pixel.

    Args:
        y: images in the layout, changed.
        bias: (M,).
        layout: of ``y``.
        memory: for one row of pixels.
    """
    if layout == "NHWC":
        # A row of the image at a time, since NumPy is slow at adding short vectors.
        row = memory.empty("bias", y.shape[2:], y.dtype)
        row[...] = bias
        y += row
    else:
        y += bias[:, None, None]


def bias_gradient(dy: Array, layout: Layout, memory: Memory) -> Array:
    """The sum over all pixels.

    Args:
        dy: images in the layout.
        layout: of ``dy``.
        memory: for the sum and for what is summed first.

    Returns:
        (M,).
    """
    # Many pixels are summed a row at a time for speed; by this the rounding is less, too.
    axes, rest = ((0, 1), dy.shape[2:]) if layout == "NHWC" else ((2, 3), dy.shape[:2])
    part = memory.empty("bias shares", rest, dy.dtype)
    np.sum(dy, axis=axes, out=part)
    dbias = memory.empty("dbias", rest[1:], dy.dtype)
    np.sum(part, axis=0, out=dbias)
    return dbias
