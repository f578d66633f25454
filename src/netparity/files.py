"""Files that are written whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from netparity.errors import InputError


def check_writable(path: Path) -> None:
    """Refuses a path that could not be written, before the work is done.

    Raises:
        InputError: it is a folder, or its folder is missing or may not be written to.
    """
    if path.is_dir():
        raise InputError(f"`{path}` is a folder; expected the name of a file to write")
    folder = path.parent
    if not folder.is_dir():
        raise InputError(f"there is no folder `{folder}` to write `{path.name}` in")
    if not os.access(folder, os.W_OK):
        raise InputError(f"`{folder}` may not be written to")


def make_folder(path: Path) -> Path:
    """Makes a folder, and those above it, where it is not there yet.

    Raises:
        InputError: a file stands in its way, or it may not be made.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"the folder `{path}` cannot be made: {error.strerror}") from error
    return path


def write_whole(path: Path, content: str | bytes) -> None:
    """Writes a file so that a reader sees the old one or the whole new one.

    Args:
        path: the file; its folder must be there.
        content: text (written as UTF-8) or bytes.

    Raises:
        InputError: the system refuses (no space, no permission).

    Example:
        >>> folder = Path(tempfile.mkdtemp())
        >>> write_whole(folder / "a.txt", "whole")
        >>> [path.name for path in folder.iterdir()]
        ['a.txt']
    """
    data = content.encode("utf-8") if isinstance(content, str) else content
    with replacing(path) as temporary:
        temporary.write_bytes(data)


@contextmanager
def replacing(path: Path, *, durable: bool = False) -> Iterator[Path]:
    """A temporary file beside a file, which takes its place once it is written.

    Should the writing fail, the file stays as it was and the temporary one goes.

    Args:
        path: the file; its folder must be there.
        durable: whether to wait until it is on the disk, so that it outlives a power failure.

    Yields:
        The temporary file's path.

    Raises:
        InputError: the system refuses (no space, no permission).

    Example:
        >>> file = Path(tempfile.mkdtemp()) / "a.txt"
        >>> with replacing(file) as temporary:
        ...     size = temporary.write_text("whole")
        ...     file.exists()
        False
        >>> file.read_text()
        'whole'
    """
    temporary: Path | None = None
    try:
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        os.close(handle)
        temporary = Path(name)
        yield temporary
        temporary.chmod(0o666 & ~_umask())
        if durable:
            _to_disk(temporary)
        os.replace(temporary, path)
        if durable:
            _to_disk(path.parent)
    except OSError as error:
        raise InputError(f"`{path}` cannot be written: {error.strerror}") from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def _to_disk(path: Path) -> None:
    """Waits until a file, or the names in a folder, are on the disk."""
    if path.is_dir() and os.name != "posix":
        return
    handle = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _umask() -> int:
    # There is no call that reads the mask without setting it.
    mask = os.umask(0)
    os.umask(mask)
    return mask
