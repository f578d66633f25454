"""What lies under a window as a row of a matrix, so that convolution is a matrix product.

Columns are an array (groups, stacks, rows, features). A row is a window; the windows of NHWC
images lie in one stack, those of NCHW images in one stack per image. The features of a row
are ordered as in a kernel: rows, columns, channels of the group.

In memory values lie pixel by pixel or, where there are few channels, plane by plane (a plane
is one feature of all windows): either way long runs of values are moved at a time.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from netparity.nn.arrays import Array, Memory
from netparity.nn.layers.windows import Layout, Windows

#: Below this many channels planes are faster (measured with 3 × 3 kernels).
_FEW = 8
#: Columns of so many bytes are made at a time, so that they are still in the cache when they
#: are multiplied (measured on CIFAR-10's shapes).
_BLOCK = 2 << 20


def blocks(batch: int, windows: Windows, features: int, itemsize: int) -> Iterator[slice]:
    """Parts of a batch whose columns fit into the cache, about equal in size.

    Args:
        batch: number of images.
        windows: where the windows lie.
        features: the length of a row, over all groups.
        itemsize: bytes of a value.

    Yields:
        The parts, in order.
    """
    image = windows.output[0] * windows.output[1] * features * itemsize
    count = max(-(-batch * image // _BLOCK), 1)
    size = max(-(-batch // count), 1)
    for start in range(0, batch, size):
        yield slice(start, min(start + size, batch))


def as_rows(images: Array, layout: Layout, groups: int) -> Array:
    """Images as columns with one pixel in a row: a view, where they are contiguous.

    Args:
        images: (N, H, W, C) or (N, C, H, W), by the layout.
        layout: their layout.
        groups: of the channels.

    Returns:
        (groups, stacks, rows, C / groups).
    """
    if layout == "NHWC":
        batch, height, width, channels = images.shape
        split = images.reshape(1, batch * height * width, groups, channels // groups)
        return split.transpose(2, 0, 1, 3)
    batch, channels, height, width = images.shape
    split = images.reshape(batch, groups, channels // groups, height * width)
    return split.transpose(1, 0, 3, 2)


def padded(images: Array, windows: Windows, groups: int, memory: Memory) -> Array:
    """Images with zeros around them, in the order in memory in which they are gathered.

    Args:
        images: (N, H, W, C), of any order in memory.
        windows: where the windows lie.
        groups: of the channels.
        memory: for the result, where it is not ``images``.

    Returns:
        (N, padded height, padded width, C).
    """
    by_plane = images.shape[3] // groups < _FEW
    if windows.padded == windows.image and images.flags.c_contiguous and not by_plane:
        return images
    return windows.pad(images, _room("padded", images, windows, by_plane, memory), 0.0)


def gather(images: Array, windows: Windows, groups: int, layout: Layout, memory: Memory) -> Array:
    """The values under each window.

    Args:
        images: with padding (N, padded height, padded width, C).
        windows: where the windows lie.
        groups: of the channels.
        layout: whether the windows of all images go into one stack.
        memory: for the columns.

    Returns:
        (groups, stacks, rows, features).
    """
    batch, _, _, channels = images.shape
    width = channels // groups
    split = images.reshape(*images.shape[:3], groups, width)
    # (N, down, across, groups, width, kernel rows, kernel columns)
    views = sliding_window_view(split, windows.reach, axis=(1, 2))[
        :,
        : (windows.output[0] - 1) * windows.stride[0] + 1 : windows.stride[0],
        : (windows.output[1] - 1) * windows.stride[1] + 1 : windows.stride[1],
        :,
        :,
        :: windows.dilation[0],
        :: windows.dilation[1],
    ]
    features = windows.kernel[0] * windows.kernel[1] * width
    rows = windows.output[0] * windows.output[1]
    stacks, rows = (1, batch * rows) if layout == "NHWC" else (batch, rows)
    if width < _FEW:
        views = views.transpose(3, 5, 6, 4, 0, 1, 2)
        columns = memory.empty("columns", views.shape, images.dtype)
        np.copyto(columns, views)
        return columns.reshape(groups, features, stacks, rows).transpose(0, 2, 3, 1)
    views = views.transpose(3, 0, 1, 2, 5, 6, 4)
    columns = memory.empty("columns", views.shape, images.dtype)
    np.copyto(columns, views)
    return columns.reshape(groups, stacks, rows, features)


def sums(out: Array, windows: Windows, groups: int, memory: Memory) -> Array:
    """Zeros for ``scatter`` to add to: ``out`` itself, where that will do.

    Args:
        out: where the sums are to go in the end, (N, H, W, C), of any order in memory.
        windows: where the windows lie.
        groups: of the channels.
        memory: for the result, where it is not ``out``.

    Returns:
        (N, padded height, padded width, C).
    """
    by_plane = out.shape[3] // groups < _FEW
    direct = windows.padded == windows.image and out.flags.c_contiguous and not by_plane
    room = out if direct else _room("sums", out, windows, by_plane, memory)
    room.fill(0.0)
    return room


def scatter(rows: Array, kernel: Array, windows: Windows, room: Array, memory: Memory) -> None:
    """Adds ``kernel · row`` to the pixels under each window.

    This is the transpose of the map from images to the rows ``columns · kernel``.

    Args:
        rows: (groups, stacks, rows, M / groups).
        kernel: (kernel rows, kernel columns, C / groups, M).
        windows: where the windows lie.
        room: what is added to, (N, padded height, padded width, C).
        memory: for the products.
    """
    groups, stacks, count, outputs = rows.shape
    down, across, width, _ = kernel.shape
    split = room.reshape(*room.shape[:3], groups, width)
    if width < _FEW:
        planes = _products_by_plane(rows, kernel, memory)
        planes = planes.reshape(*planes.shape[:4], room.shape[0], *windows.output)
        for row, column in np.ndindex(down, across):
            target = windows.at(split, row, column)
            np.add(target, planes[:, row, column].transpose(2, 3, 4, 0, 1), out=target)
        return
    products = memory.empty("products", (groups, stacks, count, width), rows.dtype)
    pixels = products.reshape(groups, room.shape[0], *windows.output, width)
    for row, column in np.ndindex(down, across):
        matrix = kernel[row, column].reshape(width, groups, outputs).transpose(1, 2, 0)
        np.matmul(rows, matrix[:, None], out=products)
        target = windows.at(split, row, column)
        np.add(target, pixels.transpose(1, 2, 3, 0, 4), out=target)


def _products_by_plane(rows: Array, kernel: Array, memory: Memory) -> Array:
    """``kernel · row`` for all rows: (groups, kernel rows, kernel columns, width, rows)."""
    groups, stacks, count, outputs = rows.shape
    features = kernel.shape[0] * kernel.shape[1] * kernel.shape[2]
    products = memory.empty("products", (groups, features, stacks, count), rows.dtype)
    np.matmul(
        kernel.reshape(features, groups, outputs).transpose(1, 0, 2)[:, None],
        rows.swapaxes(2, 3),
        out=products.transpose(0, 2, 1, 3),
    )
    return products.reshape(groups, *kernel.shape[:3], stacks * count)


def _room(key: str, images: Array, windows: Windows, by_plane: bool, memory: Memory) -> Array:
    """An array for padded images, in memory (N, H, W, C) or (C, N, H, W)."""
    batch, channels = images.shape[0], images.shape[3]
    if by_plane:
        room = memory.empty(key, (channels, batch, *windows.padded), images.dtype)
        return room.transpose(1, 2, 3, 0)
    return memory.empty(key, (batch, *windows.padded, channels), images.dtype)
