"""The rows a network is trained on, chosen by and tested on."""

from __future__ import annotations

import math
import zipfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, final

import numpy as np

from netparity import datasets
from netparity.errors import InputError
from netparity.nn.arrays import Array
from netparity.training.choices import choose
from netparity.training.configuration import Configuration

#: Channels, height and width of the images in the data sets that have a name.
_IMAGES: Final = {"digits": (1, 8, 8), "mnist": (1, 28, 28), "cifar10": (3, 32, 32)}

#: More classes are a mistake: their weights alone would fill the memory.
_MOST: Final = 100_000

ImageShape = tuple[int, int, int]


@final
@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Inputs and their classes.

    Attributes:
        x: (N, D).
        y: (N,) int64.
    """

    x: Array
    y: Array

    def __len__(self) -> int:
        return len(self.y)


@final
@dataclass(frozen=True, slots=True, eq=False)
class Data:
    """All rows there are.

    Attributes:
        description: what they are and how many, as a report should say it.
        training: the rows to train on and to choose by.
        test: the rows to test on, in the end; ``None`` if there are none.
        classes: how many classes there are.
        image: (channels, height, width) if a row is an image.
    """

    description: str
    training: Rows
    test: Rows | None
    classes: int
    image: ImageShape | None


def load(configuration: Configuration, data_dir: Path | None = None) -> Data:
    """The data a configuration names.

    Args:
        configuration: ``data`` and ``rows`` of it are used.
        data_dir: the folder that holds MNIST or CIFAR-10.

    Raises:
        InputError: there are no such data, a file is damaged, or the targets are no classes.

    Example:
        >>> load(Configuration(data="digits", rows=100)).training.x.shape
        (100, 64)
    """
    name = configuration.data
    if name.endswith(".npz"):
        data = _archive(Path(name).expanduser())
    else:
        choose("data", name, datasets.NAMES)
        found = datasets.load(name, data_dir)
        data = _data(
            name, found.description, (found.x_train, found.y_train), (found.x_test, found.y_test)
        )
    rows = configuration.rows
    if rows is None or rows >= len(data.training):
        return data
    return replace(
        data,
        description=f"{data.description}, {rows:,} of the training rows",
        training=Rows(data.training.x[:rows], data.training.y[:rows]),
    )


def _archive(file: Path) -> Data:
    if not file.is_file():
        raise InputError(f"no such file: `{file}`")
    try:
        with file.open("rb") as stream, np.load(stream, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
    except (ValueError, OSError, EOFError, AttributeError, zipfile.BadZipFile) as error:
        raise InputError(
            f"`{file}` cannot be read as an `.npz` file: {error}",
            hint="it is damaged or another one, or holds objects, which are not read",
        ) from error
    missing = [name for name in ("x", "y") if name not in arrays]
    if missing:
        raise InputError(
            f"`{file}` has no {' and no '.join(f'`{name}`' for name in missing)}. Expected `x` "
            f"and `y` (and `x_test` and `y_test`). Received: {', '.join(arrays) or 'nothing'}",
            hint="np.savez(file, x=x, y=y) writes them under these names",
        )
    if ("x_test" in arrays) != ("y_test" in arrays):
        raise InputError(f"`{file}` has one of `x_test` and `y_test`. Expected both or neither")
    test = (arrays["x_test"], arrays["y_test"]) if "x_test" in arrays else None
    return _data(str(file), "", (arrays["x"], arrays["y"]), test)


def _data(
    name: str, description: str, training: tuple[Array, Array], test: tuple[Array, Array] | None
) -> Data:
    shape = training[0].shape[1:]
    image = _IMAGES.get(name) or _image(shape)
    parts = [_rows(name, "", *training, shape)]
    if test is not None:
        parts.append(_rows(name, "_test", *test, shape))
    if not description:
        description = f"{Path(name).name}, {len(parts[0]):,} training rows"
        description += f" and {len(parts[1]):,} test rows" if test is not None else ""
    classes = 1 + max(int(part.y.max(initial=0)) for part in parts)
    # With one output the softmax is 1 whatever the network says.
    return Data(
        description, parts[0], parts[1] if test is not None else None, max(classes, 2), image
    )


def _image(shape: tuple[int, ...]) -> ImageShape | None:
    """How a row of an array of images is laid out: (H, W) or (C, H, W)."""
    if len(shape) == 2:
        return (1, *shape)
    if len(shape) == 3 and shape[0] in (1, 3):
        return shape
    return None


def _rows(name: str, part: str, x: Array, y: Array, shape: tuple[int, ...]) -> Rows:
    place = f"{name}: x{part}"
    if x.dtype.kind not in "fiub" or x.ndim < 2 or x.size == 0 or x.shape[1:] != shape:
        raise InputError(
            f"{place} cannot be used. Expected numbers of shape (N, …) with as many inputs a row "
            f"everywhere, at least one row. Received: shape {x.shape}, dtype {x.dtype}"
        )
    if not np.isfinite(x).all():
        row = int(np.argwhere(~np.isfinite(x))[0][0])
        raise InputError(
            f"{place} holds a value that is not finite, first in row {row}",
            hint="drop these rows, or fill them in",
        )
    labels = y.reshape(-1) if y.shape in ((len(x),), (len(x), 1)) else y
    numbers = labels.shape == (len(x),) and labels.dtype.kind in "fiub"
    # A NaN fails this too: it is not within any range.
    if not numbers or not np.all((labels >= 0) & (labels < _MOST) & (labels == labels // 1)):
        raise InputError(
            f"{name}: y{part} is no list of classes. Expected {len(x)} whole numbers from 0 to "
            f"less than {_MOST:,}. Received: shape {y.shape}, dtype {y.dtype}"
            + (f", from {labels.min()} to {labels.max()}" if numbers else ""),
            hint="classes are counted from 0; one-hot rows become classes by .argmax(axis=1)",
        )
    width = math.prod(shape)
    return Rows(np.ascontiguousarray(x.reshape(len(x), width), np.float64), labels.astype(np.int64))
