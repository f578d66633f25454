"""Values that cross the border of an implementation: arrays, and what a program keeps.

``snapshot`` and ``put_back`` treat what a program keeps (arrays, numbers, and dicts and
lists of them) so that the program's own references stay good: arrays are written in place,
dictionaries and lists keep their identity.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, MutableMapping
from typing import Any

import numpy as np

from netparity.errors import InputError

Array = np.ndarray[Any, np.dtype[Any]]


def as_array(value: Any) -> Array:
    """The value as an array, sharing memory where it can (tensors are detached first)."""
    if isinstance(value, np.ndarray):
        return value
    if hasattr(value, "detach"):
        value = value.detach().cpu().numpy()
    elif hasattr(value, "numpy") and callable(value.numpy):
        value = value.numpy()
    return np.asarray(value)


def as_number(value: Any, what: str) -> float:
    """The value as one float.

    Raises:
        InputError: it is not a single number.
    """
    array = as_array(value)
    if array.size != 1 or array.dtype.kind not in "fiub":
        raise InputError(
            f"{what}: expected one number; received {_shown(array)}",
            hint="return a float, or an array of one element",
        )
    return float(array.reshape(())[()])


def as_arrays(values: Any, what: str) -> dict[str, Array]:
    """Copies of a mapping's arrays, by name.

    Raises:
        InputError: it is not a mapping from names to numbers or arrays of them.
    """
    if not isinstance(values, Mapping):
        raise InputError(
            f"{what}: expected a mapping {{name: array}}; received {type(values).__name__}"
        )
    arrays = {}
    for name, value in values.items():
        array = as_array(value)
        if array.dtype.kind not in "fiub":
            raise InputError(f"{what}, {name!r}: expected numbers; received {_shown(array)}")
        arrays[str(name)] = np.array(array)
    return arrays


def snapshot(value: Any) -> Any:
    """A deep copy of what a program keeps; generators are copied by their state."""
    if isinstance(value, np.ndarray):
        return np.array(value)
    if isinstance(value, np.random.Generator):
        return copy.deepcopy(value.bit_generator.state)
    if isinstance(value, Mapping):
        return {key: snapshot(item) for key, item in value.items()}
    if isinstance(value, list):
        return [snapshot(item) for item in value]
    return copy.deepcopy(value)


def put_back(live: Any, saved: Any) -> Any:
    """Writes a snapshot back, in place where the live value allows it.

    Returns:
        The value to be kept in the live one's place: the live object itself where it was
        written in place, else a copy of the saved one.
    """
    if isinstance(live, np.ndarray) and isinstance(saved, np.ndarray):
        fits = live.shape == saved.shape and live.dtype == saved.dtype
        if fits and live.flags.writeable:
            live[...] = saved
            return live
        return np.array(saved)
    if isinstance(live, np.random.Generator):
        live.bit_generator.state = copy.deepcopy(saved)
        return live
    if isinstance(live, MutableMapping) and isinstance(saved, Mapping):
        for key in [key for key in live if key not in saved]:
            del live[key]
        for key, item in saved.items():
            restored = put_back(live[key], item) if key in live else snapshot(item)
            if key not in live or live[key] is not restored:
                live[key] = restored
        return live
    if isinstance(live, list) and isinstance(saved, list):
        known = len(live)
        live[:] = [
            put_back(live[i], item) if i < known else snapshot(item) for i, item in enumerate(saved)
        ]
        return live
    return snapshot(saved)


def is_plain(value: Any) -> bool:
    """Whether it is plain data: numbers, texts, arrays, generators, and collections of them."""
    if isinstance(value, Mapping):
        return all(is_plain(item) for item in value.values())
    if isinstance(value, (list, tuple)):
        return all(is_plain(item) for item in value)
    plain = (np.ndarray, np.generic, np.random.Generator, str, bytes, int, float, complex)
    return value is None or isinstance(value, plain)


def same_bits(a: Array, b: Array) -> bool:
    """Whether two arrays have equal shapes and equal values, NaN counting as equal to NaN."""
    return a.shape == b.shape and bool(
        np.array_equal(a, b, equal_nan=a.dtype.kind == "f" and b.dtype.kind == "f")
    )


def _shown(array: Array) -> str:
    return f"{array.dtype} of shape {array.shape}"
