"""DATA: the arrays both programs are run on."""

from __future__ import annotations

import difflib
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, TypeGuard

import numpy as np

from netparity.errors import InputError
from netparity.loading.foreign import theirs
from netparity.loading.programs import Loaded, _nearest_file, call, load

Array = np.ndarray[Any, np.dtype[Any]]

#: The data sets that have a name of their own.
NAMED: Final = ("xor", "digits", "mnist", "cifar10")
_FORMS: Final = f"one of {', '.join(NAMED)}, an `.npz` file with `x` and `y`, or `file.py:name`"


def load_data(
    data: object = None,
    left: Loaded | None = None,
    right: Loaded | None = None,
    data_dir: Path | str | None = None,
    *,
    seed: int = 0,
) -> tuple[Array, Array | None]:
    """The examples and targets that DATA stands for.

    Args:
        data: ``"xor"``, ``"digits"``, ``"mnist"``, ``"cifar10"``; the path of an ``.npz``
            file with ``x`` and ``y``; ``"file.py:name"`` or ``"package.module:name"``; a pair
            ``(x, y)``; a mapping or object with ``x`` and ``y``; a callable that returns one
            of these; or ``None``: then a file of left's or right's that defines ``data`` is
            asked, left's first.
        left: the left side as loaded.
        right: the right side as loaded.
        data_dir: the folder that holds MNIST or CIFAR-10.
        seed: handed to a callable that has a parameter of that name.

    Returns:
        ``x`` of shape ``(N, …)`` and ``y`` with ``N`` rows, or ``None`` for ``y`` where there
        are no targets.

    Raises:
        InputError: there are no data, or they are empty, ragged, of unequal length, of
            another type than numbers, or hold NaN or infinity (it is said where).

    Example:
        >>> x, y = load_data(([[0.0, 1.0], [1.0, 1.0]], [1.0, 0.0]))
        >>> x.shape, y.shape
        ((2, 2), (2,))
    """
    if data is None:
        return _asked(left, right, seed)
    if not isinstance(data, str | Path):
        return as_data(data, "the data", seed)
    text = str(data)
    if text in NAMED:
        return _named(text, data_dir)
    if text.endswith((".npz", ".npy")):
        return _archive(Path(text).expanduser())
    if ":" in text:
        place, _, name = text.rpartition(":")
        for side in (left, right):
            # Where a side's own file is named, it is asked in its own process.
            if side is not None and side.spec.rpartition(":")[0] == place and side.defines(name):
                return as_data(side.own(name, seed), f"`{text}`", seed)
        return as_data(load(text).target, f"`{text}`", seed)
    near = difflib.get_close_matches(text.lower(), NAMED, n=1, cutoff=0.5)
    raise InputError(
        f"no data are called `{text}`; expected {_FORMS}",
        hint=f"did you mean `{near[0]}`?" if near else "a file is written `./name.npz`",
    )


def _asked(left: Loaded | None, right: Loaded | None, seed: int) -> tuple[Array, Array | None]:
    for side in (left, right):
        if side is not None and side.defines("data"):
            place = side.spec.rpartition(":")[0]
            return as_data(side.own("data", seed), f"`{place}:data`", seed)
    raise InputError(
        f"there are no data: neither side's file defines `data`; expected {_FORMS}",
        hint="add `--data`, or define `data = (x, y)` in one of the files",
    )


def _named(name: str, data_dir: Path | str | None) -> tuple[Array, Array | None]:
    from netparity import datasets

    folder = Path(data_dir).expanduser() if data_dir is not None else None
    dataset = datasets.load(name, folder)
    return as_data((dataset.x_train, dataset.y_train), f"`{name}`", 0)


def _archive(file: Path) -> tuple[Array, Array | None]:
    if not file.is_file():
        raise InputError(f"no such file: `{file}`", hint=_nearest_file(file))
    try:
        with np.load(file, allow_pickle=False) as archive:
            if not isinstance(archive, np.lib.npyio.NpzFile):
                raise InputError(
                    f"`{file}` holds one array; expected an `.npz` file with `x` and `y`",
                    hint=f'np.savez("{file.stem}.npz", x=x, y=y) writes one',
                )
            missing = [name for name in ("x", "y") if name not in archive.files]
            if missing:
                raise InputError(
                    f"`{file}` has no {' and no '.join(f'`{name}`' for name in missing)}; it holds "
                    f"{', '.join(f'`{name}`' for name in archive.files) or 'nothing'}",
                    hint=f'np.savez("{file.name}", x=x, y=y) writes them under these names',
                )
            return as_data((archive["x"], archive["y"]), f"`{file}`", 0)
    except InputError:
        raise
    except (ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise InputError(
            f"`{file}` cannot be read as an `.npz` file: {error}",
            hint="arrays of objects are not read (they are pickles, which can run code); "
            "save numbers",
        ) from error


def as_data(data: object, place: str, seed: int) -> tuple[Array, Array | None]:
    """What a program calls its data as a pair of arrays, looked over.

    Args:
        data: a pair ``(x, y)``, a mapping or object with both, or a callable that returns one.
        place: where it stands, for what is said of it.
        seed: handed to a callable that has a parameter of that name.

    Raises:
        InputError: it is none of these, or holds what cannot be used.
    """
    if callable(data) and not isinstance(data, np.ndarray) and not _has_pair(data):
        data = call(data, place.strip("`"), seed)
    if isinstance(data, Mapping) and "x" in data:
        data = (data["x"], data.get("y"))
    elif _has_pair(data):
        data = (data.x, data.y)
    if not isinstance(data, tuple | list) or len(data) != 2:
        raise InputError(
            f"{place}: expected a pair `(x, y)`, received {_described(data)}",
            hint="where there are no targets, write `(x, None)`",
        )
    x = _array(data[0], "x", place)
    y = None if data[1] is None else _array(data[1], "y", place)
    if x.ndim == 0 or x.size == 0:
        raise InputError(
            f"{place}: x has shape {x.shape}; expected at least one row and one number in it"
        )
    if y is not None and (y.ndim == 0 or len(y) != len(x)):
        raise InputError(
            f"{place}: x has {len(x)} rows and y has shape {y.shape}; expected as many rows"
        )
    return x, y


def _has_pair(data: object) -> TypeGuard[Any]:
    return hasattr(data, "x") and hasattr(data, "y")


def _array(values: Any, name: str, place: str) -> Array:
    with theirs(f"{place}: {name} cannot be read as an array"):
        # A tensor that is tracked by autograd, or on another device, refuses otherwise.
        for step in ("detach", "cpu"):
            if not isinstance(values, np.ndarray) and callable(getattr(values, step, None)):
                values = getattr(values, step)()
        array: Array = np.asarray(values)
    if array.dtype.kind not in "fiub":
        raise InputError(
            f"{place}: {name} has dtype {array.dtype}; expected real numbers",
            hint="rows of unequal length, strings and complex numbers are not compared",
        )
    if array.dtype.kind == "f":
        _refuse_non_finite(array, name, place)
    return array


def _refuse_non_finite(array: Array, name: str, place: str) -> None:
    bad = ~np.isfinite(array)
    count = int(np.count_nonzero(bad))
    if not count:
        return
    first = tuple(int(index) for index in np.argwhere(bad)[0])
    where = f"{name}[{', '.join(map(str, first))}]" if first else name
    many = f" ({count} of {array.size} values are not finite)" if count > 1 else ""
    raise InputError(
        f"{place}: {where} is {array[first]}{many}",
        hint="with such a value both sides give NaN and nothing can be compared; "
        "drop these rows or fill them in",
    )


def _described(data: object) -> str:
    shape = getattr(data, "shape", None)
    if shape is not None:
        return f"an array of shape {tuple(shape)}"
    if isinstance(data, tuple | list):
        return f"{len(data)} things"
    return f"a {type(data).__name__}"
