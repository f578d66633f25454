"""Data sets: XOR and the digits, bundled; MNIST and CIFAR-10, from a folder or downloaded."""

from __future__ import annotations

import difflib
import os
from pathlib import Path
from typing import Final

from netparity.datasets import cifar10, digits, mnist, xor
from netparity.datasets.base import Dataset
from netparity.errors import InputError

__all__ = ["DATA_VARIABLE", "NAMES", "Dataset", "load"]

#: The names ``load`` knows.
NAMES: Final = ("xor", "digits", "mnist", "cifar10")
#: The environment variable that names a folder of data.
DATA_VARIABLE: Final = "NETPARITY_DATA"


def load(name: str, data_dir: str | os.PathLike[str] | None = None) -> Dataset:
    """Loads a data set by name.

    Args:
        name: ``xor``, ``digits``, ``mnist`` or ``cifar10``.
        data_dir: a folder that holds ``MNIST/raw/`` or ``cifar-10-batches-py/`` (or one of these
            itself). By default the folder that the environment variable ``NETPARITY_DATA``
            names; where that is not set either, the published files are downloaded, checked by
            checksum and kept. XOR and the digits are bundled and need none.

    Returns:
        Inputs ``(N, D)`` float64 in [0, 1] and labels ``(N,)`` int64 (XOR: targets ``(4, 1)``
        float64), for training and for test.

    Raises:
        InputError: there is no such data set, the folder does not hold it, a file is damaged,
            or it cannot be downloaded.

    Example:
        >>> load("digits").x_train.shape
        (1437, 64)
    """
    if name == "xor":
        return xor.load()
    if name == "digits":
        return digits.load()
    if name == "mnist":
        return mnist.load(_folder(data_dir))
    if name == "cifar10":
        return cifar10.load(_folder(data_dir))
    nearest = difflib.get_close_matches(name, NAMES, n=1)
    raise InputError(
        f"No such data set. Expected one of {', '.join(NAMES)}. Received {name!r}.",
        hint=f"did you mean {nearest[0]}?" if nearest else "choose one of these names",
    )


def _folder(data_dir: str | os.PathLike[str] | None) -> Path | None:
    # An empty variable counts as one that is not set, as in a shell.
    named = data_dir if data_dir is not None else os.environ.get(DATA_VARIABLE) or None
    return None if named is None else Path(named).expanduser()
