"""Small files in the layouts MNIST and CIFAR-10 are published in."""

import gzip
import struct
from pathlib import Path

import numpy as np

from netparity.datasets import cifar10, mnist


def idx_bytes(array: np.ndarray) -> bytes:
    header = struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape)
    return header + array.astype(np.uint8).tobytes()


def write_idx(path: Path, array: np.ndarray) -> None:
    path.write_bytes(gzip.compress(idx_bytes(array), mtime=0))


def write_mnist(folder: Path, *, training: int = 5, test: int = 3) -> None:
    """Image ``i`` is filled with ``i``; its label is ``i`` modulo 10."""
    folder.mkdir(parents=True, exist_ok=True)
    for images, labels, count in (
        (mnist.TRAINING_IMAGES, mnist.TRAINING_LABELS, training),
        (mnist.TEST_IMAGES, mnist.TEST_LABELS, test),
    ):
        numbers = np.arange(count, dtype=np.uint8)
        write_idx(folder / images, np.tile(numbers[:, None, None], (1, 28, 28)))
        write_idx(folder / labels, numbers % 10)


def python2_pickle(data: bytes, shape: tuple[int, int], labels: list[int]) -> bytes:
    """A batch as Python 2 pickled it: protocol 2, keys and bytes as BINSTRING."""

    def binstring(value: bytes) -> bytes:
        return b"T" + struct.pack("<i", len(value)) + value

    def integer(value: int) -> bytes:
        return b"J" + struct.pack("<i", value)

    dtype = (
        b"cnumpy\ndtype\n(" + binstring(b"u1") + integer(0) + integer(1) + b"tR"
        b"("
        + integer(3)
        + binstring(b"|")
        + b"NNN"
        + integer(-1)
        + integer(-1)
        + integer(0)
        + b"tb"
    )
    array = (
        b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(" + integer(0) + b"t"
        + binstring(b"b") + b"tR("
        + integer(1) + b"(" + integer(shape[0]) + integer(shape[1]) + b"t" + dtype + b"\x89"
        + binstring(data) + b"tb"
    )  # fmt: skip
    numbers = b"](" + b"".join(map(integer, labels)) + b"e"
    entries = binstring(b"labels") + numbers + binstring(b"data") + array
    return b"\x80\x02}(" + entries + b"u."


def batch_bytes(count: int, first: int = 0) -> bytes:
    """Image ``i`` is filled with ``first + i``; its label is that modulo 10."""
    numbers = np.arange(first, first + count, dtype=np.uint8)
    pixels = np.tile(numbers[:, None], (1, cifar10.PIXELS))
    return python2_pickle(pixels.tobytes(), pixels.shape, [int(n) % 10 for n in numbers])


def cifar10_files(count: int = 2) -> dict[str, bytes]:
    names = (*cifar10.TRAINING_FILES, cifar10.TEST_FILE)
    return {name: batch_bytes(count, first=count * i) for i, name in enumerate(names)}


def write_cifar10(folder: Path, count: int = 2) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in cifar10_files(count).items():
        (folder / name).write_bytes(content)
