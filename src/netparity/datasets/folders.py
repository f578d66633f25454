"""Finding a data set in a folder by what lies in it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from netparity.errors import InputError


def find(data_dir: Path, title: str, *, files: Sequence[str], inside: Sequence[str]) -> Path:
    """The folder under ``data_dir`` that holds all of ``files``.

    Args:
        data_dir: the folder the user named.
        title: the data set, for the message.
        files: the names of the files that make the data set.
        inside: the subfolders to look in, in order; ``.`` is ``data_dir`` itself.

    Raises:
        InputError: there is no such folder, or some of the files are missing in it.
    """
    if not data_dir.is_dir():
        raise InputError(
            f"No such data folder: {data_dir}. Expected a folder with {title}. Received "
            f"{'a file' if data_dir.exists() else 'a name that does not exist'}.",
            hint="set NETPARITY_DATA or --data-dir to an existing folder, or leave both out "
            "to download",
        )
    folders = [data_dir / name for name in inside]
    missing = {
        folder: [name for name in files if not (folder / name).is_file()] for folder in folders
    }
    for folder in folders:
        if not missing[folder]:
            return folder
    nearest = min(folders, key=lambda folder: len(missing[folder]))
    if len(missing[nearest]) == len(files):
        received = f"none of them in {', '.join(str(folder) for folder in folders)}"
    else:
        received = f"{nearest} without {', '.join(missing[nearest])}"
    raise InputError(
        f"No {title} in {data_dir}. Expected {', '.join(files)} in {inside[0]}/ or in the folder "
        f"itself. Received {received}.",
        hint="set NETPARITY_DATA or --data-dir to the folder that holds "
        f"{inside[0]}/, or leave both out to download",
    )
