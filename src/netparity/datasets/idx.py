"""IDX files: the format MNIST is published in."""

from __future__ import annotations

import gzip
import struct
import zlib
from collections.abc import Sequence
from math import prod
from pathlib import Path
from typing import Final

import numpy as np

from netparity.datasets.base import Array
from netparity.errors import InputError

#: The third byte of the magic number: unsigned bytes, the only type MNIST uses.
UNSIGNED_BYTE: Final = 0x08


def read(path: Path, *, item_shape: Sequence[int], most: int) -> Array:
    """Reads a gzipped IDX file of unsigned bytes, checked against what it should hold.

    The header is two zero bytes, the type, the number of dimensions, then each dimension as a
    big-endian 32-bit integer; the items follow without padding.

    Args:
        path: the file.
        item_shape: the shape of one item: ``(28, 28)`` for an image, ``()`` for a label.
        most: the largest number of items to accept; the header alone never decides how much
            memory is taken.

    Returns:
        An array ``(N, *item_shape)`` of uint8 with ``1 <= N <= most``.

    Raises:
        InputError: the file cannot be read, or is not what it should be.

    Source: https://web.archive.org/web/2023/http://yann.lecun.com/exdb/mnist/ ("the IDX file
    format").
    """
    rank = 1 + len(item_shape)
    header_size = 4 + 4 * rank
    try:
        with gzip.open(path, "rb") as file:
            header = file.read(header_size)
            magic = bytes([0, 0, UNSIGNED_BYTE, rank])
            if header[:4] != magic:
                raise _unusable(path, f"to begin with {magic.hex(' ')}", header[:4].hex(" "))
            if len(header) < header_size:
                raise _unusable(
                    path, f"a header of {header_size} bytes", f"{len(header)} bytes in all"
                )
            count, *shape = struct.unpack(f">{rank}I", header[4:])
            if tuple(shape) != tuple(item_shape):
                raise _unusable(path, f"items of shape {tuple(item_shape)}", str(tuple(shape)))
            if not 1 <= count <= most:
                raise _unusable(path, f"1 to {most:,} items", f"{count:,}")
            size = count * prod(item_shape)
            payload = file.read(size)
            if len(payload) < size:
                raise _unusable(path, f"{size:,} bytes after the header", f"{len(payload):,}")
            if file.read(1):
                raise _unusable(path, f"{size:,} bytes after the header", "more")
    except (OSError, EOFError, zlib.error) as error:
        raise _unusable(path, "a whole gzip file", f"{type(error).__name__}: {error}") from error
    return np.frombuffer(payload, dtype=np.uint8).reshape(count, *item_shape)


def _unusable(path: Path, expected: str, received: str) -> InputError:
    return InputError(
        f"Unusable IDX file {path}. Expected {expected}. Received {received}.",
        hint="the file is cut short, damaged or another one: copy or download it again",
    )
