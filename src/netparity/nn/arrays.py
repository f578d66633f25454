"""The array type of the reference network, and parameters laid out in one buffer."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

Array = np.ndarray[Any, np.dtype[Any]]


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
    buffer = np.empty(sum(math.prod(shape) for shape in shapes.values()), dtype)
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
