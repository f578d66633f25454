"""Where a side keeps the reference network's arrays, and in which layout.

Frameworks lay the same numbers out otherwise: kernels with the channels first, gates in
another order, two arrays where others have one. A ``Place`` says where a twin's array stands
on a side, and by which moves the side's array becomes the twin's. Moves can be undone.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]


class Move(ABC):
    """One step from a side's layout to the twin's, and back."""

    __slots__ = ()

    @abstractmethod
    def apply(self, array: Array) -> Array:
        """From the side's layout to the twin's."""

    @abstractmethod
    def undo(self, array: Array) -> Array:
        """From the twin's layout to the side's."""


@final
@dataclass(frozen=True, slots=True)
class Axes(Move):
    """The axes in another order: axis k of the result is axis ``order[k]`` of the side's."""

    order: tuple[int, ...]

    def apply(self, array: Array) -> Array:
        """See ``Move.apply``."""
        return array.transpose(self.order)

    def undo(self, array: Array) -> Array:
        """See ``Move.undo``."""
        return array.transpose(np.argsort(self.order))


@final
@dataclass(frozen=True, slots=True)
class Shape(Move):
    """The same numbers, in the same order, under another shape."""

    before: tuple[int, ...]
    after: tuple[int, ...]

    def apply(self, array: Array) -> Array:
        """See ``Move.apply``."""
        return array.reshape(self.after)

    def undo(self, array: Array) -> Array:
        """See ``Move.undo``."""
        return array.reshape(self.before)


@final
@dataclass(frozen=True, slots=True)
class Flip(Move):
    """Turned around along some axes."""

    axes: tuple[int, ...]

    def apply(self, array: Array) -> Array:
        """See ``Move.apply``."""
        return np.flip(array, self.axes)

    def undo(self, array: Array) -> Array:
        """See ``Move.undo``."""
        return np.flip(array, self.axes)


@final
@dataclass(frozen=True, slots=True)
class Blocks(Move):
    """Equal blocks along the last axis in another order (gates): block k was ``order[k]``."""

    order: tuple[int, ...]

    def apply(self, array: Array) -> Array:
        """See ``Move.apply``."""
        parts = np.split(array, len(self.order), axis=-1)
        return np.concatenate([parts[i] for i in self.order], axis=-1)

    def undo(self, array: Array) -> Array:
        """See ``Move.undo``."""
        parts = np.split(array, len(self.order), axis=-1)
        return np.concatenate([parts[i] for i in np.argsort(self.order)], axis=-1)


@final
@dataclass(frozen=True, slots=True)
class Part:
    """A piece of a side's array: ``start`` to ``stop`` along its axis ``axis``."""

    axis: int
    start: int
    stop: int

    def index(self, axes: int) -> tuple[slice, ...]:
        """What picks it out of an array with so many axes."""
        whole = [slice(None)] * axes
        whole[self.axis] = slice(self.start, self.stop)
        return tuple(whole)


@final
@dataclass(frozen=True, slots=True)
class Place:
    """Where a parameter of the twin lives in the side's own layout.

    Attributes:
        name: the side's own name for it.
        transposed: whether the side stores it with its axes in reverse order.
        moves: what makes the side's array the twin's, in order, after that.
        part: the piece of the side's array that it is, where that holds more.
        joined: further arrays of the side that stand beside the first along the twin's last
            axis, each in the same layout.
    """

    name: str
    transposed: bool = False
    moves: tuple[Move, ...] = ()
    part: Part | None = None
    joined: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Every array of the side that it stands in."""
        return (self.name, *self.joined)

    def read(self, arrays: Mapping[str, Array], shape: tuple[int, ...]) -> Array:
        """The twin's array, of a shape, from the side's arrays."""
        width = (*shape[:-1], shape[-1] // len(self.names)) if self.joined else shape
        pieces = [self._turned(np.asarray(arrays[name]), width) for name in self.names]
        array = np.concatenate(pieces, axis=-1) if self.joined else pieces[0]
        return np.ascontiguousarray(array.reshape(shape))

    def write(self, value: Array, arrays: Mapping[str, Array]) -> dict[str, Array]:
        """The side's arrays that hold the twin's value; ``arrays`` are the present ones."""
        written = {}
        pieces = np.split(np.asarray(value), len(self.names), axis=-1) if self.joined else [value]
        for name, piece in zip(self.names, pieces, strict=True):
            pattern = np.asarray(arrays[name])
            array = np.asarray(piece)
            for move in reversed(self.moves):
                array = move.undo(array)
            if self.transposed:
                array = array.T
            if self.part is None:
                written[name] = np.ascontiguousarray(
                    array.reshape(pattern.shape), dtype=pattern.dtype
                )
                continue
            whole = np.array(pattern)
            index = self.part.index(whole.ndim)
            whole[index] = array.reshape(whole[index].shape)
            written[name] = whole
        return written

    def _turned(self, array: Array, shape: tuple[int, ...]) -> Array:
        if self.part is not None:
            array = array[self.part.index(array.ndim)]
        if self.transposed:
            array = array.T if self.moves else array.reshape(shape[::-1]).T
        for move in self.moves:
            array = move.apply(array)
        return array
