"""How values cross between two processes: a small tree, and the raw bytes of its arrays.

A message is a length, a msgpack header ``[tree, [[dtype, shape], …]]``, and the arrays' bytes
one after another. In the tree a list is a node of its own whose first item says what it is;
what msgpack has itself (numbers, text, ``None``) stands as it is. A dataclass crosses as its
name and its fields, and only netparity's own are made again on the other side.
"""

from __future__ import annotations

import dataclasses
import importlib
import re
import struct
from collections.abc import Callable, Mapping
from typing import Any, BinaryIO, Final

import msgspec
import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]

_LENGTH: Final = struct.Struct("<Q")
#: Kinds of array whose bytes say everything: no object, no pointer.
_KINDS: Final = "biufcUS"
#: Where the dataclasses that may cross are defined.
_HOMES: Final = re.compile(
    r"netparity\.(nn\.[a-z0-9_.]+|conventions|layouts|implementations\.base):[A-Z][A-Za-z0-9]*"
)
_INTEGERS: Final = (-(2**63), 2**64)


@dataclasses.dataclass(frozen=True, slots=True)
class Kept:
    """A number that stands for an object kept on the far side."""

    number: int


class Ended(EOFError):
    """The other side closed the line, in the middle of a message or between two."""


def send(stream: BinaryIO, value: object) -> None:
    """Writes one message.

    Args:
        stream: a buffered binary stream.
        value: numbers, text, arrays, containers, dataclasses of netparity, ``Kept``.

    Raises:
        TypeError: something in it cannot cross. Nothing has been written then.
    """
    arrays: list[Array] = []
    tree = _flatten(value, arrays)
    header = msgspec.msgpack.encode([tree, [[a.dtype.str, list(a.shape)] for a in arrays]])
    stream.write(_LENGTH.pack(len(header)))
    stream.write(header)
    for array in arrays:
        stream.write(_bytes_of(array))
    stream.flush()


def receive(stream: BinaryIO, kept: Callable[[int], object]) -> Any:
    """Reads one message.

    Args:
        stream: a buffered binary stream.
        kept: what a ``Kept`` becomes on this side.

    Raises:
        Ended: the line was closed.
        ValueError: this is no message of ours.
    """
    (length,) = _LENGTH.unpack(_exactly(stream, _LENGTH.size))
    tree, described = msgspec.msgpack.decode(_exactly(stream, length), type=tuple[Any, list[Any]])
    arrays = []
    for kind, shape in described:
        dtype = np.dtype(kind)
        if dtype.kind not in _KINDS:
            msg = f"an array of {kind} does not cross"
            raise ValueError(msg)
        array = np.empty(shape, dtype)
        _fill(stream, _bytes_of(array))
        arrays.append(array)
    return _rebuild(tree, arrays, kept)


def _exactly(stream: BinaryIO, length: int) -> bytes:
    data = stream.read(length)
    if len(data) < length:
        raise Ended
    return data


def _fill(stream: Any, view: memoryview) -> None:
    done = 0
    while done < len(view):
        read = stream.readinto(view[done:])
        if not read:
            raise Ended
        done += read


def _bytes_of(array: Array) -> memoryview:
    if array.size == 0:
        return memoryview(b"")
    return array.reshape(-1).view(np.uint8).data


def _flatten(value: Any, arrays: list[Array]) -> Any:
    """The tree of a value; its arrays are added to the list."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, np.ndarray | np.generic):
        array = np.ascontiguousarray(value).reshape(np.shape(value))
        if array.dtype.kind not in _KINDS:
            msg = f"an array of {array.dtype} does not cross between processes"
            raise TypeError(msg)
        arrays.append(array)
        return ["a" if isinstance(value, np.ndarray) else "x", len(arrays) - 1]
    if isinstance(value, int):
        return int(value) if _INTEGERS[0] <= value < _INTEGERS[1] else ["i", str(int(value))]
    if isinstance(value, float | str):
        return float(value) if isinstance(value, float) else str(value)
    if isinstance(value, np.dtype):
        return ["y", value.str]
    if isinstance(value, Kept):
        return ["k", value.number]
    if isinstance(value, Mapping):
        return ["d", [[_flatten(k, arrays), _flatten(v, arrays)] for k, v in value.items()]]
    for name, kind in _CONTAINERS.items():
        if isinstance(value, kind):
            return [name, [_flatten(item, arrays) for item in value]]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return [
            "o",
            _name_of(type(value)),
            [
                [f.name, _flatten(getattr(value, f.name), arrays)]
                for f in dataclasses.fields(value)
                if f.init
            ],
        ]
    msg = f"an object of {type(value).__module__}.{type(value).__qualname__} does not cross"
    raise TypeError(msg)


_CONTAINERS: Final[Mapping[str, type[Any]]] = {"l": list, "t": tuple, "f": frozenset, "s": set}


def _rebuild(node: Any, arrays: list[Array], kept: Callable[[int], object]) -> Any:
    if not isinstance(node, list):
        return node
    kind, *rest = node
    if kind == "a":
        return arrays[rest[0]]
    if kind == "x":
        return arrays[rest[0]][()]
    if kind == "d":
        return {_rebuild(k, arrays, kept): _rebuild(v, arrays, kept) for k, v in rest[0]}
    if kind in _CONTAINERS:
        return _CONTAINERS[kind](_rebuild(item, arrays, kept) for item in rest[0])
    if kind == "o":
        fields = {name: _rebuild(field, arrays, kept) for name, field in rest[1]}
        return _class_of(rest[0])(**fields)
    if kind == "k":
        return kept(int(rest[0]))
    if kind == "y":
        return np.dtype(rest[0])
    if kind == "i":
        return int(rest[0])
    msg = f"a message holds a node {kind!r}"
    raise ValueError(msg)


def _name_of(kind: type) -> str:
    name = f"{kind.__module__}:{kind.__qualname__}"
    if not _HOMES.fullmatch(name):
        msg = f"an object of {kind.__module__}.{kind.__qualname__} does not cross"
        raise TypeError(msg)
    return name


def _class_of(name: str) -> type:
    """The dataclass of that name, if it is one of netparity's own."""
    if not _HOMES.fullmatch(name):
        msg = f"{name} is no dataclass of netparity"
        raise ValueError(msg)
    module, _, kind = name.partition(":")
    found = getattr(importlib.import_module(module), kind, None)
    if not (isinstance(found, type) and dataclasses.is_dataclass(found)) or (
        found.__module__ != module
    ):
        msg = f"{name} is no dataclass of netparity"
        raise ValueError(msg)
    return found
