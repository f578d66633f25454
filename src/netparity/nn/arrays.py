"""The array type of the reference network, and parameters laid out in one buffer."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, final

import numpy as np
from numpy.typing import DTypeLike

Array = np.ndarray[Any, np.dtype[Any]]


@final
class Memory:
    """Where layers and losses take the arrays for their intermediate values from.

    Without reuse every array is a new one. With reuse the same key gives the same array
    again, so that a training loop allocates nothing after its first step; what a pass wrote
    is then valid until the next pass.

    Args:
        reuse: whether arrays are kept and given out again.

    Example:
        >>> memory = Memory(reuse=True).within("dense1")
        >>> y = memory.empty("y", (2, 3), np.float32)
        >>> memory.empty("y", (2, 3), np.float32) is y
        True
        >>> Memory(reuse=False).empty("y", (2, 3), np.float32).shape
        (2, 3)
    """

    __slots__ = ("_arrays", "_place")

    def __init__(self, *, reuse: bool) -> None:
        self._arrays: dict[tuple[object, ...], Array] | None = {} if reuse else None
        self._place: str = ""

    def within(self, place: str) -> Memory:
        """The same memory with keys of its own, for a layer.

        Args:
            place: the layer's name.
        """
        if self._arrays is None:
            return self
        inner = Memory(reuse=True)
        inner._arrays = self._arrays
        inner._place = f"{self._place}/{place}"
        return inner

    def empty(self, key: str, shape: tuple[int, ...], dtype: DTypeLike) -> Array:
        """An uninitialized C-contiguous array.

        Args:
            key: what it is for, unique within the place.
            shape: its shape.
            dtype: its dtype.
        """
        if self._arrays is None:
            return np.empty(shape, dtype)
        found = self._arrays.get((self._place, key, shape, dtype))
        if found is None:
            found = cache_aligned(math.prod(shape), dtype).reshape(shape)
            self._arrays[self._place, key, shape, dtype] = found
        return found


#: New arrays each time.
FRESH = Memory(reuse=False)


#: Bytes of a cache line, and of the widest vector register.
LINE = 64


def cache_aligned(size: int, dtype: DTypeLike) -> Array:
    """An uninitialized array of one axis that begins at a cache line.

    NumPy's own arrays begin anywhere, so that each wide load or store touches two lines;
    products of matrices take up to a third longer then.

    Args:
        size: number of elements.
        dtype: its dtype.

    Returns:
        The array; views of it have it as their ``base``.

    Example:
        >>> cache_aligned(3, np.float32).ctypes.data % LINE
        0
    """
    length = size * np.dtype(dtype).itemsize
    if not length:
        return np.empty(size, dtype)
    raw = np.empty(length + LINE, np.uint8)
    start = -raw.ctypes.data % LINE
    return np.frombuffer(raw.data[start : start + length], dtype)


def views(shapes: Mapping[str, tuple[int, ...]], dtype: DTypeLike) -> dict[str, Array]:
    """Uninitialized arrays of the given shapes, as views into one contiguous buffer.

    Args:
        shapes: the shape of each array by name.
        dtype: their common dtype.

    Returns:
        The named arrays, in the order given; each has the buffer as its ``base``.

    Example:
        >>> arrays = views({"weight": (2, 3), "bias": (3,)}, np.float32)
        >>> arrays["weight"].base is arrays["bias"].base, arrays["bias"].base.size
        (True, 9)
    """
    buffer = cache_aligned(sum(math.prod(shape) for shape in shapes.values()), dtype)
    arrays: dict[str, Array] = {}
    start = 0
    for name, shape in shapes.items():
        stop = start + math.prod(shape)
        arrays[name] = buffer[start:stop].reshape(shape)
        start = stop
    return arrays


def packed(arrays: Mapping[str, Array], dtype: DTypeLike) -> dict[str, Array]:
    """Copies of arrays, as views into one contiguous buffer.

    Args:
        arrays: arrays by name, any shapes and dtypes.
        dtype: the dtype of the copies.

    Returns:
        The copies by the same names, in the same order.

    Example:
        >>> packed({"a": np.ones(2), "b": np.zeros((1, 1))}, np.float32)["a"]
        array([1., 1.], dtype=float32)
    """
    copies = views({name: np.shape(array) for name, array in arrays.items()}, dtype)
    for name, array in arrays.items():
        copies[name][...] = array
    return copies


def flat(arrays: Mapping[str, Array]) -> Array | None:
    """The one contiguous buffer that arrays fill from end to end, in their order.

    Args:
        arrays: arrays by name.

    Returns:
        The buffer as one axis, or ``None`` where the arrays lie otherwise.

    Example:
        >>> arrays = views({"weight": (2, 3), "bias": (3,)}, np.float32)
        >>> flat(arrays) is arrays["bias"].base, flat({"a": np.ones(2)}) is None
        (True, True)
    """
    buffer = next((array.base for array in arrays.values()), None)
    if not isinstance(buffer, np.ndarray) or buffer.ndim != 1:
        return None
    place = buffer.__array_interface__["data"][0]
    for array in arrays.values():
        if array.__array_interface__["data"][0] != place or array.dtype != buffer.dtype:
            return None
        place += array.nbytes
    return buffer if place == buffer.__array_interface__["data"][0] + buffer.nbytes else None
