"""Pooling of images: the largest or the mean value under each window."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, final

import numpy as np
from numpy.typing import DTypeLike

from netparity.errors import InputError
from netparity.nn.arrays import Array, Memory
from netparity.nn.layers.base import INFERENCE, Backward, Context, Layer
from netparity.nn.layers.windows import (
    Layout,
    Padding,
    Pair,
    Windows,
    channels_last,
    check_choice,
    check_images,
    check_padding,
    check_pair,
    laid_out,
    slide,
)


@final
@dataclass(frozen=True, slots=True)
class MaxPool2D(Layer):
    """The largest value under each window, channel by channel.

    ``y[n, p, q, c] = maxᵢⱼ x[n, p s + i, q s + j, c]`` over the padded image; backward, ``dy``
    goes to where the largest value lies.

    Args:
        pool_size: height and width (or both in one number) of a window.
        stride: from one window to the next; ``None``: the pool size, so that windows do not
            overlap.
        padding: around the image, as in ``Conv2D``, smaller than the pool size.
        layout: ``"NHWC"`` or ``"NCHW"``, of ``x`` and ``y``.
        pad_value: what the padding holds: ``"-inf"``, so that it never counts, or ``"zero"``.
        ties: where several values are largest, ``"first"`` (row by row) gives all of ``dy``
            to the first, ``"all"`` all of it to each, ``"split"`` equal shares to each.

    Shapes: ``x`` (N, H, W, C) or (N, C, H, W); ``y`` (N, H', W', C) or (N, C, H', W').

    Raises:
        InputError: an argument has no meaning, a window could lie in the padding alone, ``x``
            has another shape, or no window fits into the image.

    Example:
        >>> x = np.array([[1.0, 5, 2, 2], [3, 4, 2, 1]]).reshape(1, 2, 4, 1)
        >>> y, backward = MaxPool2D(2).apply({}, x)
        >>> y.ravel()
        array([5., 2.])
        >>> backward(np.ones((1, 1, 2, 1)))[0][0, :, :, 0]
        array([[0., 1., 1., 0.],
               [0., 0., 0., 0.]])

    Source: Y. LeCun et al., "Gradient-based learning applied to document recognition",
    Proceedings of the IEEE 86 (1998), for pooling; D. Scherer, A. Müller, S. Behnke,
    "Evaluation of pooling operations in convolutional architectures", ICANN 2010, for the
    maximum.

    **Parity** (`pool-default-stride`, `maxpool-padding`, `max-tie-gradient`): torch and Keras
    take the pool size as stride by default, Flax 1. torch, Keras, TensorFlow and Flax pad
    with −∞ and give ties to the first; programs that use ``np.pad`` pad with zeros, and
    cs231n's mask ``x == max`` gives ``dy`` to all. ``tf.reduce_max``, ``jnp.max`` and
    ``torch.amax`` over windows cut out by reshaping split.
    """

    pool_size: Pair
    stride: Pair | None = None
    padding: Padding = "valid"
    layout: Layout = "NHWC"
    pad_value: Literal["-inf", "zero"] = "-inf"
    ties: Literal["first", "all", "split"] = "first"

    def __post_init__(self) -> None:
        """Checks the arguments."""
        _check(self)
        check_choice("pad_value", self.pad_value, ("-inf", "zero"))
        check_choice("ties", self.ties, ("first", "all", "split"))

    def apply(
        self, parameters: Mapping[str, Array], x: Array, context: Context = INFERENCE
    ) -> tuple[Array, Backward]:
        """Takes the largest values (see ``Layer.apply``)."""
        memory, layout = context.memory, self.layout
        windows = _windows(self, x)
        values = _padded(x, windows, layout, 0.0 if self.pad_value == "zero" else -np.inf, memory)
        views = [windows.at(values, *place) for place in np.ndindex(windows.kernel)]
        shape = views[0].shape
        out = _empty("y", shape, x.dtype, layout, memory)
        np.maximum(views[0], views[-1], out=out)
        for view in views[1:-1]:
            np.maximum(out, view, out=out)

        def backward(dy: Array) -> tuple[Array, dict[str, Array]]:
            share = channels_last(dy, layout)
            hit, taken = (_empty(key, shape, bool, layout, memory) for key in ("hit", "taken"))
            if self.ties == "split":
                count = _empty("count", shape, x.dtype, layout, memory)
                count.fill(0.0)
                for view in views:
                    count += np.equal(view, out, out=hit)
                share = np.divide(share, count, out=count)
            gradient = _Gradient(x, windows, layout, memory)
            taken.fill(False)
            for place, view in zip(np.ndindex(windows.kernel), views, strict=True):
                np.equal(view, out, out=hit)
                if self.ties == "first":
                    np.greater(hit, taken, out=hit)
                    np.logical_or(hit, taken, out=taken)
                gradient.add(place, share, hit)
            return gradient.result(), {}

        return _in_layout(out, layout), backward


@final
@dataclass(frozen=True, slots=True)
class AveragePool2D(Layer):
    """The mean of the values under each window, channel by channel.

    ``y[n, p, q, c] = Σᵢⱼ x[n, p s + i, q s + j, c] / K`` over the image padded with zeros.

    Args:
        pool_size: height and width (or both in one number) of a window.
        stride: from one window to the next; ``None``: the pool size, so that windows do not
            overlap.
        padding: around the image, as in ``Conv2D``, smaller than the pool size.
        layout: ``"NHWC"`` or ``"NCHW"``, of ``x`` and ``y``.
        count_include_pad: whether K is the size of the window everywhere, or the number of
            its values that are not padding.

    Shapes: ``x`` (N, H, W, C) or (N, C, H, W); ``y`` (N, H', W', C) or (N, C, H', W').

    Raises:
        InputError: an argument has no meaning, a window could lie in the padding alone, ``x``
            has another shape, or no window fits into the image.

    Example:
        >>> x = np.array([[1.0, 5, 2, 2], [3, 3, 2, 0]]).reshape(1, 2, 4, 1)
        >>> AveragePool2D(2).apply({}, x)[0].ravel()
        array([3. , 1.5])

    Source: Y. LeCun et al., "Backpropagation applied to handwritten zip code recognition",
    Neural Computation 1 (1989).

    **Parity** (`pool-default-stride`, `avgpool-count-include-pad`): torch and Flax count the
    padding by default; Keras and TensorFlow never do. torch and Keras take the pool size as
    stride by default, Flax 1.
    """

    pool_size: Pair
    stride: Pair | None = None
    padding: Padding = "valid"
    layout: Layout = "NHWC"
    count_include_pad: bool = True

    def __post_init__(self) -> None:
        """Checks the arguments."""
        _check(self)

    def apply(
        self, parameters: Mapping[str, Array], x: Array, context: Context = INFERENCE
    ) -> tuple[Array, Backward]:
        """Takes the means (see ``Layer.apply``)."""
        memory, layout = context.memory, self.layout
        windows = _windows(self, x)
        values = _padded(x, windows, layout, 0.0, memory)
        first, *places = np.ndindex(windows.kernel)
        view = windows.at(values, *first)
        out = _empty("y", view.shape, x.dtype, layout, memory)
        np.copyto(out, view)
        for place in places:
            out += windows.at(values, *place)
        count = _counts(windows, x.dtype, self.count_include_pad)
        out /= count

        def backward(dy: Array) -> tuple[Array, dict[str, Array]]:
            share = _empty("share", out.shape, x.dtype, layout, memory)
            np.divide(channels_last(dy, layout), count, out=share)
            gradient = _Gradient(x, windows, layout, memory)
            for place in np.ndindex(windows.kernel):
                gradient.add(place, share)
            return gradient.result(), {}

        return _in_layout(out, layout), backward


@final
@dataclass(frozen=True, slots=True)
class GlobalAveragePool2D(Layer):
    """The mean of each channel over the whole image.

    ``y[n, c] = Σₕ Σ_w x[n, h, w, c] / (H W)``.

    Args:
        layout: ``"NHWC"`` or ``"NCHW"``, of ``x``.

    Shapes: ``x`` (N, H, W, C) or (N, C, H, W); ``y`` (N, C).

    Raises:
        InputError: ``x`` has another shape.

    Example:
        >>> GlobalAveragePool2D().apply({}, np.arange(4.0).reshape(1, 2, 2, 1))[0]
        array([[1.5]])

    Source: M. Lin, Q. Chen, S. Yan, "Network in network", ICLR 2014.

    **Parity**: Keras's ``GlobalAveragePooling2D`` gives (N, C) as here, torch's
    ``AdaptiveAvgPool2d(1)`` (N, C, 1, 1), to be flattened.
    """

    layout: Layout = "NHWC"

    def __post_init__(self) -> None:
        """Checks the layout."""
        check_choice("layout", self.layout, ("NHWC", "NCHW"))

    def apply(
        self, parameters: Mapping[str, Array], x: Array, context: Context = INFERENCE
    ) -> tuple[Array, Backward]:
        """Takes the mean of each channel (see ``Layer.apply``)."""
        check_images(x, self.layout)
        memory = context.memory
        axes = (1, 2) if self.layout == "NHWC" else (2, 3)
        area = float(x.shape[axes[0]] * x.shape[axes[1]])
        batch, _, _, channels = channels_last(x, self.layout).shape
        y = np.sum(x, axis=axes, out=memory.empty("y", (batch, channels), x.dtype))
        y /= area

        def backward(dy: Array) -> tuple[Array, dict[str, Array]]:
            dx = memory.empty("dx", x.shape, x.dtype)
            np.divide(np.expand_dims(dy, axes), area, out=dx)
            return dx, {}

        return y, backward


@final
class _Gradient:
    """The gradient at an image, added up from what goes to one place of every window at a time."""

    def __init__(self, x: Array, windows: Windows, layout: Layout, memory: Memory) -> None:
        self.windows, self.layout, self.memory = windows, layout, memory
        self.dx = channels_last(memory.empty("dx", x.shape, x.dtype), layout)
        self.room = self.dx
        if windows.padded != windows.image:
            shape = (len(x), *windows.padded, self.dx.shape[3])
            self.room = _empty("sums", shape, x.dtype, layout, memory)
        # Where no two windows share a pixel, what goes there is written instead of added.
        axes = tuple(zip(windows.kernel, windows.stride, windows.output, strict=True))
        self.apart = all(stride >= size for size, stride, _ in axes)
        covered = tuple(size * count for size, _, count in axes)
        if windows.stride != windows.kernel or covered != windows.padded:
            self.room.fill(0.0)

    def add(self, place: tuple[int, ...], share: Array, mask: Array | None = None) -> None:
        """Adds a share of the gradient, where the mask is true, at one place of every window."""
        target = self.windows.at(self.room, *place)
        if not self.apart:
            if mask is not None:
                masked = _empty("masked", share.shape, share.dtype, self.layout, self.memory)
                share = np.multiply(share, mask, out=masked)
            np.add(target, share, out=target)
        elif mask is None:
            np.copyto(target, share)
        else:
            np.multiply(share, mask, out=target)

    def result(self) -> Array:
        """The gradient at the image, without what went to the padding."""
        if self.room is not self.dx:
            np.copyto(self.dx, self.windows.inside(self.room))
        return _in_layout(self.dx, self.layout)


def _check(layer: MaxPool2D | AveragePool2D) -> None:
    """Checks what both have in common."""
    check_pair("pool_size", layer.pool_size)
    if layer.stride is not None:
        check_pair("stride", layer.stride)
    check_padding(layer.padding)
    check_choice("layout", layer.layout, ("NHWC", "NCHW"))


def _windows(layer: MaxPool2D | AveragePool2D, x: Array) -> Windows:
    """The windows on the images of a batch."""
    check_images(x, layer.layout)
    stride = layer.pool_size if layer.stride is None else layer.stride
    _, height, width, _ = channels_last(x, layer.layout).shape
    windows = slide(layer.pool_size, stride, 1, layer.padding, (height, width))
    if any(max(sides) >= size for sides, size in zip(windows.padding, windows.kernel, strict=True)):
        raise InputError(
            f"padding as wide as a window, which would see nothing of the image. Expected less "
            f"than {windows.kernel}. Received: {windows.padding}"
        )
    return windows


def _padded(x: Array, windows: Windows, layout: Layout, value: float, memory: Memory) -> Array:
    """The images (N, H, W, C) with a border of a value, as far as there is one."""
    images = channels_last(x, layout)
    if windows.padded == windows.image:
        return images
    shape = (len(images), *windows.padded, images.shape[3])
    return windows.pad(images, _empty("padded", shape, x.dtype, layout, memory), value)


def _counts(windows: Windows, dtype: DTypeLike, include_pad: bool) -> Array | float:
    """How many values each window has the mean of: a number, or (H', W', 1)."""
    if include_pad or windows.padded == windows.image:
        return float(windows.kernel[0] * windows.kernel[1])
    ones = windows.pad(np.ones((1, *windows.image, 1)), np.empty((1, *windows.padded, 1)), 0.0)
    counts = np.zeros((*windows.output, 1), dtype)
    for place in np.ndindex(windows.kernel):
        counts += windows.at(ones, *place)[0]
    return counts


def _empty(
    key: str, shape: tuple[int, ...], dtype: DTypeLike, layout: Layout, memory: Memory
) -> Array:
    """An array (N, H, W, C) that lies in memory by the layout."""
    batch, height, width, channels = shape
    array = memory.empty(key, laid_out(batch, (height, width), channels, layout), dtype)
    return channels_last(array, layout)


def _in_layout(images: Array, layout: Layout) -> Array:
    """Images (N, H, W, C) in the layout, as a view."""
    return images if layout == "NHWC" else images.transpose(0, 3, 1, 2)
