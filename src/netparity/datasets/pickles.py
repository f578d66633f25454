"""Reading the pickles of CIFAR-10 without letting them run anything.

A pickle is a program: it may name any callable and have it called. The published files name
three, and use them only to write down an array of bytes. Each name is answered here by a
stand-in that keeps what it is given and does nothing; any other name is refused. NumPy itself is
first touched when the bytes have been checked.
"""

from __future__ import annotations

import io
import pickle
from math import prod
from typing import Any, NoReturn

import numpy as np

from netparity.datasets.base import Array
from netparity.errors import InputError


class _Dtype:
    """Stands in for ``numpy.dtype``: ``u1`` and nothing else."""

    __slots__ = ()

    def __init__(self, name: str | bytes, *_flags: object) -> None:
        if name not in ("u1", b"u1"):
            raise pickle.UnpicklingError(f"an array of type {name!r}, not of unsigned bytes")

    def __setstate__(self, state: object) -> None:
        """Bytes have no order, so what the state says of it is of no account."""


class _Bytes:
    """Stands in for ``numpy.ndarray`` and for the function that makes an empty one."""

    __slots__ = ("array",)

    def __init__(self, *_arguments: object) -> None:
        self.array: Array = np.empty(0, np.uint8)

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _version, shape, dtype, by_columns, content = state
        if not isinstance(dtype, _Dtype) or not isinstance(content, bytes):
            raise pickle.UnpicklingError("an array that is not one of unsigned bytes")
        if not all(type(size) is int and size >= 0 for size in shape):
            raise pickle.UnpicklingError(f"an array of shape {shape!r}")
        if prod(shape) != len(content):
            raise pickle.UnpicklingError(f"{len(content):,} bytes for an array of shape {shape}")
        flat = np.frombuffer(content, np.uint8)
        self.array = flat.reshape(shape, order="F" if by_columns else "C")


def _encode(text: str, encoding: str) -> bytes:
    """Stands in for ``_codecs.encode``, with which Python 3 writes bytes in protocol 2."""
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"text in the encoding {encoding!r}")
    return text.encode("latin1")


_ADMITTED = {
    ("numpy.core.multiarray", "_reconstruct"): _Bytes,
    # The same function since NumPy 2, in a copy of the files that was written again.
    ("numpy._core.multiarray", "_reconstruct"): _Bytes,
    ("numpy", "ndarray"): _Bytes,
    ("numpy", "dtype"): _Dtype,
    ("_codecs", "encode"): _encode,
}


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ADMITTED:
            raise pickle.UnpicklingError(f"the name {module}.{name}")
        return _ADMITTED[module, name]

    def persistent_load(self, pid: object) -> NoReturn:
        raise pickle.UnpicklingError("a reference to something outside the file")


def read(content: bytes, place: str) -> Any:
    """What a pickle of plain data and arrays of bytes holds.

    Args:
        content: the pickle; text of Python 2 comes back as bytes.
        place: the file's name, for messages.

    Returns:
        Plain data; at the top and as values of a dictionary at the top, arrays are NumPy arrays
        of uint8, which cannot be written to.

    Raises:
        InputError: the pickle is damaged, or names anything but what an array of bytes needs.

    Example:
        >>> read(pickle.dumps({"labels": [3, 1]}), "data_batch_1")
        {'labels': [3, 1]}
    """
    try:
        value = _Unpickler(io.BytesIO(content), encoding="bytes").load()
    # A damaged pickle can fail in any way that a wrong program can.
    except Exception as error:
        raise InputError(
            f"Unusable pickle {place}. Expected plain data and arrays of unsigned bytes. Received "
            f"{error or type(error).__name__}.",
            hint="nothing in the file was run; it is damaged or another one: copy or download it "
            "again",
        ) from error
    if isinstance(value, dict):
        return {key: _array(item) for key, item in value.items()}
    return _array(value)


def _array(value: object) -> object:
    return value.array if isinstance(value, _Bytes) else value
