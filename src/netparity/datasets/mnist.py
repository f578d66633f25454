"""MNIST: 28×28 handwritten digits, as gzipped IDX files."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np

from netparity.datasets import download, idx
from netparity.datasets.base import Array, Dataset
from netparity.datasets.folders import find
from netparity.errors import InputError

TRAINING_IMAGES: Final = "train-images-idx3-ubyte.gz"
TRAINING_LABELS: Final = "train-labels-idx1-ubyte.gz"
TEST_IMAGES: Final = "t10k-images-idx3-ubyte.gz"
TEST_LABELS: Final = "t10k-labels-idx1-ubyte.gz"

#: The published files, by the checksum they were published with.
FILES: Final = (
    download.Published(TRAINING_IMAGES, "md5:f68b3c2dcbeaaa9fbdd348bbdeb94873"),
    download.Published(TRAINING_LABELS, "md5:d53e105ee54ea40749a09fcbcd1e9432"),
    download.Published(TEST_IMAGES, "md5:9fb629c4189551a2d022fa330f9573f3"),
    download.Published(TEST_LABELS, "md5:ec29112dd5afa0611ce80d1b7f02629c"),
)
MIRRORS: Final = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
)
#: Where the files stand in a folder of data; the folder may also be given itself.
LAYOUT: Final = "MNIST/raw"

SIDE: Final = 28
CLASSES: Final = 10
TRAINING_COUNT: Final = 60_000
TEST_COUNT: Final = 10_000


def load(data_dir: Path | None = None) -> Dataset:
    """MNIST from a folder, or downloaded once and kept.

    Pixels are bytes, divided by 255 here. A folder may hold truncated files: the description
    then says how many images there are.

    Args:
        data_dir: the folder that holds ``MNIST/raw/``, or that folder itself; ``None``
            downloads the published files.

    Returns:
        ``x`` is ``(N, 784)`` float64, rows of the image one after the other; ``y`` is ``(N,)``.

    Raises:
        InputError: the folder is not one of MNIST, a file in it is damaged, or the files
            cannot be downloaded.

    Source: Y. LeCun, C. Cortes, C. Burges, *The MNIST database of handwritten digits*.
    """
    if data_dir is None:
        folder = download.fetch("MNIST", FILES, MIRRORS, layout=LAYOUT)
    else:
        folder = find(
            data_dir,
            "MNIST",
            files=tuple(file.name for file in FILES),
            inside=(LAYOUT, "raw", "."),
        )
    x_train, y_train = _part(folder, TRAINING_IMAGES, TRAINING_LABELS, TRAINING_COUNT)
    x_test, y_test = _part(folder, TEST_IMAGES, TEST_LABELS, TEST_COUNT)
    return Dataset(
        "mnist", _description(len(x_train), len(x_test)), x_train, y_train, x_test, y_test
    )


def _part(folder: Path, images_name: str, labels_name: str, most: int) -> tuple[Array, Array]:
    images = idx.read(folder / images_name, item_shape=(SIDE, SIDE), most=most)
    labels = idx.read(folder / labels_name, item_shape=(), most=most)
    if len(labels) != len(images):
        raise InputError(
            f"Unusable MNIST files in {folder}. Expected as many labels in {labels_name} as "
            f"images in {images_name}, {len(images):,}. Received {len(labels):,}.",
            hint="the two files come from different copies: copy or download both again",
        )
    wrong = np.flatnonzero(labels >= CLASSES)
    if wrong.size:
        raise InputError(
            f"Unusable MNIST file {folder / labels_name}. Expected labels from 0 to "
            f"{CLASSES - 1}. Received {labels[wrong[0]]} at position {wrong[0]}.",
            hint="the file is damaged or another one: copy or download it again",
        )
    return images.reshape(len(images), SIDE * SIDE) / 255.0, labels.astype(np.int64)


def _description(training: int, test: int) -> str:
    parts = []
    if training < TRAINING_COUNT:
        parts.append(f"first {training:,} training images")
    if test < TEST_COUNT:
        parts.append(f"first {test:,} test images")
    return ", ".join(["MNIST", *parts])
