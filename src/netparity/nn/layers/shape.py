"""Layers that only change the shape or the order of axes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, final

import numpy as np

from netparity.errors import InputError
from netparity.nn.arrays import Array, Memory
from netparity.nn.layers.base import INFERENCE, Backward, Context, Layer
from netparity.nn.layers.windows import Layout, check_choice


@final
@dataclass(frozen=True, slots=True)
class Flatten(Layer):
    """All axes but the first laid out in one row.

    Args:
        order: ``"as-is"`` keeps the order of the array handed in; ``"HWC"`` counts the pixels
            of images first and their channels within, ``"CHW"`` the channels first and the
            pixels within.
        layout: of ``x``, where the order is not ``"as-is"``: ``"NHWC"`` or ``"NCHW"``.

    Shapes: ``x`` (N, …); ``y`` (N, D) with D the product of the other axes (1 where there
    are none).

    Raises:
        InputError: an argument has no meaning, or an order of images is asked of what has
            not four axes.

    Example:
        >>> x = np.arange(4).reshape(1, 1, 2, 2)
        >>> Flatten().apply({}, x)[0], Flatten("CHW").apply({}, x)[0]
        (array([[0, 1, 2, 3]]), array([[0, 2, 1, 3]]))

    Source: algebra.

    **Parity** (`flatten-order`): torch flattens (C, H, W), Keras and Flax (H, W, C), each in
    the order of its arrays: the same image gives another order of features, so the rows of
    the next affine layer's weight are permuted. ``Flatten("CHW", "NHWC")`` gives the order of
    torch to images in the layout of Keras.
    """

    order: Literal["as-is", "HWC", "CHW"] = "as-is"
    layout: Layout = "NHWC"

    def __post_init__(self) -> None:
        """Checks the arguments."""
        check_choice("order", self.order, ("as-is", "HWC", "CHW"))
        check_choice("layout", self.layout, ("NHWC", "NCHW"))

    def apply(
        self, parameters: Mapping[str, Array], x: Array, context: Context = INFERENCE
    ) -> tuple[Array, Backward]:
        """Reshapes to two axes (see ``Layer.apply``)."""
        memory, axes = context.memory, tuple(range(x.ndim))
        if self.order != "as-is":
            if x.ndim != 4:
                raise InputError(
                    f"input of another shape. Expected images, {self.layout}. Received: {x.shape}",
                    hint="order='as-is' flattens arrays of any number of axes",
                )
            if self.order != self.layout[1:]:
                axes = (0, 3, 1, 2) if self.order == "CHW" else (0, 2, 3, 1)
        ordered = x.transpose(axes)
        y = _contiguous(ordered, "y", memory)

        def backward(dy: Array) -> tuple[Array, dict[str, Array]]:
            dx = dy.reshape(ordered.shape).transpose(np.argsort(axes))
            return _contiguous(dx, "dx", memory), {}

        return y.reshape(x.shape[0], math.prod(x.shape[1:])), backward


@final
@dataclass(frozen=True, slots=True)
class Permute(Layer):
    """The axes in another order.

    Args:
        axes: for each axis of ``y``, which one of ``x`` it is; the first stays the first.

    Shapes: ``y.shape[k] = x.shape[axes[k]]``.

    Raises:
        InputError: ``axes`` is no order of axes, moves the first, or ``x`` has another number.

    Example:
        >>> Permute((0, 3, 1, 2)).apply({}, np.zeros((1, 4, 5, 3)))[0].shape
        (1, 3, 4, 5)

    Source: algebra.

    **Parity** (`flatten-order`): ``(0, 3, 1, 2)`` leads from NHWC to NCHW, ``(0, 2, 3, 1)``
    back. ``torch.permute`` and ``np.transpose`` count axes as here; Keras's ``Permute`` leaves
    out the batch and counts from 1, so that ``(3, 1, 2)`` is ``(0, 3, 1, 2)`` here.
    """

    axes: tuple[int, ...]

    def __post_init__(self) -> None:
        """Checks the axes."""
        if sorted(self.axes) != list(range(len(self.axes))) or self.axes[:1] != (0,):
            raise InputError(
                f"axes cannot be used. Expected 0 and then the numbers from 1 on, each once. "
                f"Received: {self.axes}"
            )

    def apply(
        self, parameters: Mapping[str, Array], x: Array, context: Context = INFERENCE
    ) -> tuple[Array, Backward]:
        """Puts the axes in order (see ``Layer.apply``)."""
        if x.ndim != len(self.axes):
            raise InputError(
                f"input of another shape. Expected {len(self.axes)} axes. Received: {x.shape}"
            )

        def backward(dy: Array) -> tuple[Array, dict[str, Array]]:
            return _contiguous(dy.transpose(np.argsort(self.axes)), "dx", context.memory), {}

        return _contiguous(x.transpose(self.axes), "y", context.memory), backward


@final
@dataclass(frozen=True, slots=True)
class Reshape(Layer):
    """Each row's numbers, in the same order, under another shape.

    Args:
        shape: of a row of ``y``.

    Shapes: ``x`` (N, …) with as many numbers for each row as ``shape`` has places; ``y``
    (N, *shape).

    Raises:
        InputError: ``x`` has another number of them.

    Example:
        >>> Reshape((1, 2, 2)).apply({}, np.arange(4.0).reshape(1, 4))[0]
        array([[[[0., 1.],
                 [2., 3.]]]])

    Source: algebra.

    **Parity** (`flatten-order`): ``x.view(-1, C, H, W)`` of torch, ``Reshape((H, W, C))`` of
    Keras; of a flat image with several channels the two are not the same image.
    """

    shape: tuple[int, ...]

    def apply(
        self, parameters: Mapping[str, Array], x: Array, context: Context = INFERENCE
    ) -> tuple[Array, Backward]:
        """Reshapes each row (see ``Layer.apply``)."""
        if math.prod(x.shape[1:]) != math.prod(self.shape):
            raise InputError(
                f"input of another size. Expected {math.prod(self.shape)} numbers for each row. "
                f"Received: {x.shape}"
            )

        def backward(dy: Array) -> tuple[Array, dict[str, Array]]:
            return dy.reshape(x.shape), {}

        return x.reshape(x.shape[0], *self.shape), backward


def _contiguous(array: Array, key: str, memory: Memory) -> Array:
    """The array in C order: itself, or a copy."""
    if array.flags.c_contiguous:
        return array
    copy = memory.empty(key, array.shape, array.dtype)
    np.copyto(copy, array)
    return copy
