"""Images mirrored and moved at random, as they are fed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import final

import numpy as np

from netparity.errors import InputError
from netparity.nn.arrays import Array, Memory


@final
@dataclass(frozen=True, slots=True)
class Augment:
    """Mirrors each image left to right with probability ½, then moves it by whole pixels.

    How far down and to the right is drawn evenly from −shift to shift; what moves in from
    outside is 0.

    Args:
        image: channels C, height H and width W.
        flip: whether images are mirrored.
        shift: by how many pixels, at most, they are moved; less than H and W.

    Raises:
        InputError: ``shift`` is out of range.

    Example:
        >>> augment = Augment((1, 1, 3), flip=True)
        >>> augment(np.array([[1.0, 2.0, 3.0]]), np.random.default_rng(1))
        array([[1., 2., 3.]])
        >>> augment(np.array([[1.0, 2.0, 3.0]]), np.random.default_rng(2))
        array([[3., 2., 1.]])

    Source: A. Krizhevsky, I. Sutskever, G. E. Hinton, "ImageNet classification with deep
    convolutional neural networks", NIPS 2012.

    **Parity**: torchvision's ``RandomHorizontalFlip`` and ``RandomCrop(padding=shift)``; Keras's
    ``RandomTranslation`` moves by fractions of a pixel and fills by reflection.
    """

    image: tuple[int, int, int]
    flip: bool = False
    shift: int = 0
    _memory: Memory = field(default_factory=lambda: Memory(reuse=True), repr=False, compare=False)

    def __post_init__(self) -> None:
        """Checks the shift."""
        most = min(self.image[1:]) - 1
        if not 0 <= self.shift <= most:
            raise InputError(
                f"shift is out of range. Expected from 0 to {most} for images of "
                f"{self.image[1]}×{self.image[2]} pixels. Received: {self.shift}"
            )

    def __call__(self, x: Array, rng: np.random.Generator) -> Array:
        """A batch with its images mirrored and moved.

        Args:
            x: (N, C·H·W); left as it is.
            rng: what is drawn from: (N, 3) numbers, whatever is switched on.

        Returns:
            The same shape and dtype, valid until the next call.
        """
        draws = rng.random((len(x), 3))
        mirrored = ((draws[:, 0] < 0.5) & self.flip).tolist()
        moves = ((draws[:, 1:] * (2 * self.shift + 1)).astype(np.int64) - self.shift).tolist()
        y = self._memory.empty("y", x.shape, x.dtype)
        sources, targets = x.reshape(-1, *self.image), y.reshape(-1, *self.image)
        # A few slices an image are quicker than an index for each of its pixels.
        for source, target, flip, (down, right) in zip(
            sources, targets, mirrored, moves, strict=True
        ):
            _move(source[..., ::-1] if flip else source, target, down, right)
        return y


def _move(source: Array, target: Array, down: int, right: int) -> None:
    """Writes an image (C, H, W) into another, moved; 0 where nothing comes from."""
    _, height, width = source.shape
    if down or right:
        target[...] = 0.0
    to = (slice(max(down, 0), height + min(down, 0)), slice(max(right, 0), width + min(right, 0)))
    of = (slice(max(-down, 0), height - max(down, 0)), slice(max(-right, 0), width - max(right, 0)))
    target[:, *to] = source[:, *of]
