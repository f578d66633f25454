"""Where windows lie that slide over images, for convolution and pooling."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, final

from netparity.errors import InputError
from netparity.nn.arrays import Array

#: The order of an image batch's axes: batch, height, width, channels, or channels second.
Layout = Literal["NHWC", "NCHW"]
#: None; TensorFlow's rule; that many pixels on every side; or ((top, bottom), (left, right)).
Padding = Literal["valid", "same"] | int | tuple[tuple[int, int], tuple[int, int]]
#: One length for height and width, or one for each.
Pair = int | tuple[int, int]


@final
@dataclass(frozen=True, slots=True)
class Windows:
    """Where windows lie on an image, height first in every pair.

    Attributes:
        kernel: rows and columns that a window takes values from.
        stride: from one window to the next.
        dilation: from one value to the next within a window.
        padding: ``((top, bottom), (left, right))`` pixels around the image.
        image: height and width without padding.
        output: how many windows there are.
    """

    kernel: tuple[int, int]
    stride: tuple[int, int]
    dilation: tuple[int, int]
    padding: tuple[tuple[int, int], tuple[int, int]]
    image: tuple[int, int]
    output: tuple[int, int]

    @property
    def padded(self) -> tuple[int, int]:
        """Height and width with padding."""
        (top, bottom), (left, right) = self.padding
        return self.image[0] + top + bottom, self.image[1] + left + right

    @property
    def reach(self) -> tuple[int, int]:
        """Height and width from a window's first to its last value."""
        (rows, columns), (down, right) = self.kernel, self.dilation
        return (rows - 1) * down + 1, (columns - 1) * right + 1

    def at(self, padded: Array, row: int, column: int) -> Array:
        """The values at one place of every window.

        Args:
            padded: images with padding (N, height, width, …).
            row: the row within the window.
            column: the column within the window.

        Returns:
            A view (N, windows down, windows across, …).
        """
        top, left = row * self.dilation[0], column * self.dilation[1]
        bottom = top + (self.output[0] - 1) * self.stride[0] + 1
        right = left + (self.output[1] - 1) * self.stride[1] + 1
        return padded[:, top : bottom : self.stride[0], left : right : self.stride[1]]

    def inside(self, padded: Array) -> Array:
        """The images without their padding, as a view."""
        top, left = self.padding[0][0], self.padding[1][0]
        return padded[:, top : top + self.image[0], left : left + self.image[1]]

    def pad(self, images: Array, padded: Array, value: float) -> Array:
        """Copies images and puts a border around them.

        Args:
            images: (N, height, width, …).
            padded: where they go; of any order in memory.
            value: what the border is filled with.

        Returns:
            ``padded``.
        """
        (top, _), (left, _) = self.padding
        padded[:, :top] = value
        padded[:, top + self.image[0] :] = value
        padded[:, :, :left] = value
        padded[:, :, left + self.image[1] :] = value
        self.inside(padded)[...] = images
        return padded


def slide(
    kernel: Pair, stride: Pair, dilation: Pair, padding: Padding, image: tuple[int, int]
) -> Windows:
    """Lays windows on an image.

    Without padding there are ``⌊(n − reach)/stride⌋ + 1`` along an axis of n pixels, with
    ``"same"`` ``⌈n/stride⌉``.

    Args:
        kernel: rows and columns of a window.
        stride: from one window to the next.
        dilation: from one value to the next within a window.
        padding: pixels around the image; ``"same"`` puts what does not go in two halves at
            the bottom and at the right.
        image: height and width.

    Returns:
        The windows.

    Raises:
        InputError: no window fits.
    """
    sizes, steps, spread = pair(kernel), pair(stride), pair(dilation)
    down = _along(sizes[0], steps[0], spread[0], padding, image[0], 0)
    across = _along(sizes[1], steps[1], spread[1], padding, image[1], 1)
    return Windows(sizes, steps, spread, (down[1], across[1]), image, (down[0], across[0]))


def pair(length: Pair) -> tuple[int, int]:
    """One length for height and one for width."""
    return length if isinstance(length, tuple) else (length, length)


def check_pair(name: str, length: Pair) -> None:
    """Refuses lengths below 1.

    Args:
        name: the argument's name.
        length: its value.

    Raises:
        InputError: it is no length, and no pair of them.
    """
    values = length if isinstance(length, tuple) else (length, length)
    if len(values) != 2 or not all(isinstance(value, int) and value >= 1 for value in values):
        raise InputError(
            f"{name} cannot be used. Expected a whole number from 1 on, or (height, width). "
            f"Received: {length!r}"
        )


def check_padding(padding: Padding) -> None:
    """Refuses what is no padding.

    Args:
        padding: the argument.

    Raises:
        InputError: it is none of the forms, or negative.
    """
    if isinstance(padding, str):
        good = padding in ("valid", "same")
    else:
        sides = _sides(padding)
        good = len(sides) == 2 and all(
            isinstance(side, tuple)
            and len(side) == 2
            and all(isinstance(width, int) and width >= 0 for width in side)
            for side in sides
        )
    if not good:
        raise InputError(
            f"padding cannot be used. Expected 'valid', 'same', a whole number from 0 on, or "
            f"((top, bottom), (left, right)). Received: {padding!r}"
        )


def check_choice(name: str, choice: str, choices: tuple[str, ...]) -> None:
    """Refuses a word that is not among the choices.

    Args:
        name: the argument's name.
        choice: its value.
        choices: what it may be.

    Raises:
        InputError: it is none of them.
    """
    if choice not in choices:
        raise InputError(f"{name} cannot be used. Expected one of {choices}. Received: {choice!r}")


def channels_last(x: Array, layout: Layout) -> Array:
    """A batch of images, or a view of it, as (N, height, width, channels)."""
    return x if layout == "NHWC" else x.transpose(0, 2, 3, 1)


def laid_out(batch: int, size: tuple[int, int], channels: int, layout: Layout) -> tuple[int, ...]:
    """The shape of a batch of images in a layout."""
    return (batch, *size, channels) if layout == "NHWC" else (batch, channels, *size)


def check_images(x: Array, layout: Layout, channels: int | None = None) -> None:
    """Refuses what is no batch of images.

    Args:
        x: the layer's input.
        layout: the order of its axes.
        channels: how many channels there must be; any number by default.

    Raises:
        InputError: ``x`` has not four axes, an image is empty, or the channels are others.
    """
    shape = x.shape
    fits = len(shape) == 4 and all(length >= 1 for length in shape[1:])
    if fits and channels is not None:
        fits = shape[3 if layout == "NHWC" else 1] == channels
    if not fits:
        count = "C" if channels is None else channels
        expected = f"(N, H, W, {count})" if layout == "NHWC" else f"(N, {count}, H, W)"
        raise InputError(
            f"input of another shape. Expected {expected}. Received: {shape}",
            hint="layout='NCHW' takes images with their channels first, as torch has them; "
            "layout='NHWC' with their channels last, as Keras, TensorFlow and Flax have them",
        )


def _sides(padding: int | tuple[tuple[int, int], tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    """Padding along both axes, of one that is written out."""
    return padding if isinstance(padding, tuple) else ((padding, padding), (padding, padding))


def _along(
    kernel: int, stride: int, dilation: int, padding: Padding, length: int, axis: int
) -> tuple[int, tuple[int, int]]:
    """The number of windows and the padding along one axis."""
    reach = (kernel - 1) * dilation + 1
    if padding == "same":
        count = -(-length // stride)
        total = max((count - 1) * stride + reach - length, 0)
        return count, (total // 2, total - total // 2)
    around = (0, 0) if padding == "valid" else _sides(padding)[axis]
    count = (length + sum(around) - reach) // stride + 1
    if count < 1:
        raise InputError(
            f"image too small for a window. Expected at least {reach} pixels along its "
            f"{('height', 'width')[axis]}, padding included. Received: {length} + {sum(around)}",
            hint="use padding='same', or a smaller kernel",
        )
    return count, around
