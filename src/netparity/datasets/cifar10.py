"""CIFAR-10: 32×32 colour images in ten classes, in its published 'python version'."""

from __future__ import annotations

import tarfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np

from netparity.datasets import download
from netparity.datasets.base import Array, Dataset
from netparity.datasets.folders import find
from netparity.datasets.pickles import read as read_pickle
from netparity.errors import InputError

FOLDER: Final = "cifar-10-batches-py"
ARCHIVE: Final = download.Published(
    "cifar-10-python.tar.gz", "md5:c58f30108f718f92721af3b95e74349a"
)
MIRRORS: Final = ("https://www.cs.toronto.edu/~kriz/",)

TRAINING_FILES: Final = tuple(f"data_batch_{number}" for number in range(1, 6))
TEST_FILE: Final = "test_batch"
PIXELS: Final = 3 * 32 * 32
CLASSES: Final = 10
BATCH_COUNT: Final = 10_000
#: A published batch has 31 MB; nothing larger is read into memory.
LARGEST_FILE: Final = 40_000_000


def load(data_dir: Path | None = None) -> Dataset:
    """CIFAR-10 from a folder, or downloaded once and kept.

    Pixels are bytes, divided by 255 here. A folder may hold truncated files: the description
    then says how many images there are.

    Args:
        data_dir: the folder that holds ``cifar-10-batches-py/``, or that folder itself;
            ``None`` downloads the published archive, which is read without unpacking it to disk.

    Returns:
        ``x`` is ``(N, 3072)`` float64: the red plane, then green, then blue, each 32 rows of 32;
        ``y`` is ``(N,)``.

    Raises:
        InputError: the folder is not one of CIFAR-10, a file in it is damaged or holds anything
            but images and labels, or the archive cannot be downloaded.

    Source: A. Krizhevsky, *Learning multiple layers of features from tiny images* (2009).
    """
    if data_dir is None:
        archive = download.fetch("CIFAR-10", (ARCHIVE,), MIRRORS) / ARCHIVE.name
        return read_archive(archive)
    folder = find(data_dir, "CIFAR-10", files=(*TRAINING_FILES, TEST_FILE), inside=(FOLDER, "."))
    return _assemble(lambda name: _read_file(folder / name), str(folder))


def read_archive(archive: Path) -> Dataset:
    """CIFAR-10 from the published archive; only the six batches in it are ever read.

    Raises:
        InputError: the archive cannot be read, or is not one of CIFAR-10.
    """
    try:
        with tarfile.open(archive, "r:gz") as tar:
            contents = {
                name: _read_member(tar, f"{FOLDER}/{name}", archive)
                for name in (*TRAINING_FILES, TEST_FILE)
            }
    except (tarfile.TarError, OSError, EOFError, zlib.error) as error:
        raise InputError(
            f"Unusable archive {archive}. Expected a whole .tar.gz file. Received "
            f"{type(error).__name__}: {error}.",
            hint="the file is damaged: delete it, and it is downloaded again",
        ) from error
    return _assemble(contents.__getitem__, str(archive))


def _read_member(tar: tarfile.TarFile, name: str, archive: Path) -> bytes:
    try:
        member = tar.getmember(name)
    except KeyError:
        member = None
    file = None if member is None or not member.isreg() else tar.extractfile(member)
    if member is None or file is None or member.size > LARGEST_FILE:
        raise InputError(
            f"Unusable archive {archive}. Expected a file {name} of at most {LARGEST_FILE:,} "
            f"bytes in it. Received {'none' if file is None or member is None else member.size}.",
            hint="the archive is not the published one: delete it, and it is downloaded again",
        )
    return file.read()


def _read_file(path: Path) -> bytes:
    try:
        size = path.stat().st_size
        if size > LARGEST_FILE:
            raise InputError(
                f"Unusable CIFAR-10 file {path}. Expected at most {LARGEST_FILE:,} bytes. "
                f"Received {size:,}.",
                hint="the file is another one: copy or download it again",
            )
        return path.read_bytes()
    except OSError as error:
        raise InputError(
            f"Unusable CIFAR-10 file {path}. Expected a file that can be read. Received "
            f"{type(error).__name__}: {error}.",
            hint="look at the file's permissions, or copy it again",
        ) from error


def _assemble(content: Callable[[str], bytes], place: str) -> Dataset:
    batches = [_batch(content(name), f"{place}/{name}") for name in TRAINING_FILES]
    x_test, y_test = _batch(content(TEST_FILE), f"{place}/{TEST_FILE}")
    x_train = np.concatenate([x for x, _ in batches]) / 255.0
    y_train = np.concatenate([y for _, y in batches])
    counts = [*(len(x) for x, _ in batches), len(x_test)]
    return Dataset("cifar10", _description(counts), x_train, y_train, x_test / 255.0, y_test)


def _batch(content: bytes, place: str) -> tuple[Array, Array]:
    """The images, ``(N, 3072)`` uint8, and labels, ``(N,)`` int64, of one batch file."""
    record = read_pickle(content, place)
    if not isinstance(record, dict):
        raise _unusable(place, "a dictionary", type(record).__name__)
    data, labels = _entry(record, "data", place), _entry(record, "labels", place)
    if not isinstance(data, np.ndarray) or data.ndim != 2 or data.shape[1] != PIXELS:
        received = f"shape {data.shape}" if isinstance(data, np.ndarray) else type(data).__name__
        raise _unusable(place, f"'data' of shape (N, {PIXELS})", received)
    if not 1 <= len(data) <= BATCH_COUNT:
        raise _unusable(place, f"1 to {BATCH_COUNT:,} images", f"{len(data):,}")
    if not isinstance(labels, list) or len(labels) != len(data):
        received = f"{len(labels):,}" if isinstance(labels, list) else type(labels).__name__
        raise _unusable(place, f"{len(data):,} labels, one an image", received)
    for position, label in enumerate(labels):
        if type(label) is not int or not 0 <= label < CLASSES:
            raise _unusable(
                place,
                f"labels from 0 to {CLASSES - 1}",
                f"{label!r} at position {position}",
            )
    return data, np.array(labels, dtype=np.int64)


def _entry(record: dict[Any, Any], key: str, place: str) -> Any:
    """An entry by its name, which Python 2 wrote as bytes and Python 3 writes as text."""
    for form in (key.encode(), key):
        if form in record:
            return record[form]
    raise _unusable(place, f"an entry '{key}'", f"{sorted(map(str, record))}")


def _unusable(place: str, expected: str, received: str) -> InputError:
    return InputError(
        f"Unusable CIFAR-10 file {place}. Expected {expected}. Received {received}.",
        hint="the file is damaged or another one: copy or download it again",
    )


def _description(counts: list[int]) -> str:
    if all(count == BATCH_COUNT for count in counts):
        return "CIFAR-10"
    if len(set(counts)) == 1:
        return f"CIFAR-10, first {counts[0]:,} images per batch"
    return f"CIFAR-10, {sum(counts[:-1]):,} training and {counts[-1]:,} test images"
