"""Running the user's own code, and telling their failures from ours.

Whatever a user's module or callable raises is theirs: it becomes an ``InputError`` that
carries their traceback, cut down to their own frames. A framework that is missing becomes
the line that installs it.
"""

from __future__ import annotations

import importlib.util
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from netparity.errors import InputError, MissingDependencyError

_PACKAGE: Final = Path(__file__).resolve().parent.parent
_STORIES: Final = _PACKAGE / "cases"

#: Importable name of a framework → the extra of netparity that installs it.
EXTRAS: Final = {
    "torch": "torch",
    "keras": "keras",
    "tensorflow": "tensorflow",
    "jax": "jax",
    "jaxlib": "jax",
    "flax": "jax",
    "optax": "jax",
    "sklearn": "sklearn",
}


@contextmanager
def theirs(doing: str) -> Iterator[None]:
    """Runs code of the user's; what it raises is raised again as an ``InputError``.

    Args:
        doing: what failed if it fails, as the start of a sentence: ``"`a.py` could not be
            loaded"``.

    Raises:
        MissingDependencyError: a framework is imported that is not installed.
        InputError: anything else was raised, ``SystemExit`` included.

    Example:
        >>> with theirs("`model.py:build` could not be built"):
        ...     1 / 0
        Traceback (most recent call last):
        ...
        netparity.errors.InputError: `model.py:build` could not be built: ZeroDivisionError: ...
    """
    try:
        yield
    except MissingDependencyError:
        raise
    except InputError as error:
        raise InputError(
            f"{doing}: {error.message}",
            hint=error.hint,
            foreign_traceback=error.foreign_traceback or trimmed(error),
        ) from error
    except (Exception, SystemExit) as error:
        missing = missing_framework(error)
        if missing is not None:
            raise missing from error
        raise InputError(
            f"{doing}: {_summary(error)}",
            hint=_hint(error),
            foreign_traceback=trimmed(error),
        ) from error


def missing_framework(error: BaseException) -> MissingDependencyError | None:
    """The error to show where ``error`` came from a framework that is not installed."""
    if not isinstance(error, ModuleNotFoundError) or not error.name:
        return None
    root = error.name.partition(".")[0]
    if root not in EXTRAS or _installed(root):
        return None
    return MissingDependencyError(
        f"{root} is needed and is not installed", hint=f'pip install "netparity[{EXTRAS[root]}]"'
    )


def trimmed(error: BaseException) -> str:
    """The traceback of ``error`` with the frames of netparity and of the importer left out.

    The programs of the stories count as the user's.
    """
    told = traceback.TracebackException.from_exception(error)
    _trim(told, set())
    return "".join(told.format()).rstrip("\n")


def _trim(told: traceback.TracebackException | None, seen: set[int]) -> None:
    if told is None or id(told) in seen:
        return
    seen.add(id(told))
    frames = list(told.stack)
    while frames and _is_ours(frames[0].filename):
        frames.pop(0)
    while frames and _is_ours(frames[-1].filename):
        frames.pop()
    told.stack[:] = frames
    _trim(told.__cause__, seen)
    _trim(told.__context__, seen)


def _is_ours(filename: str) -> bool:
    # contextlib calls back into a `with` block of ours; importlib stands between our call
    # and the first line of their module.
    if filename.startswith("<frozen ") or filename.endswith(("contextlib.py", "runpy.py")):
        return True
    path = Path(filename)
    return path.is_relative_to(_PACKAGE) and not path.is_relative_to(_STORIES)


def _summary(error: BaseException) -> str:
    if isinstance(error, SystemExit):
        return f"it ended the process with `sys.exit({error.code!r})`"
    text = str(error).strip()
    first = text.splitlines()[0] if text else ""
    return f"{type(error).__name__}: {first}" if first else type(error).__name__


def _hint(error: BaseException) -> str:
    if isinstance(error, ModuleNotFoundError) and error.name:
        root = error.name.partition(".")[0]
        if not _installed(root):
            return f"install `{root}` into the environment netparity runs in"
    if isinstance(error, SystemExit):
        return 'put what should run only as a script under `if __name__ == "__main__":`'
    return "the traceback above is that program's own; it must load and build by itself first"


def _installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except (ImportError, ValueError):
        return False
