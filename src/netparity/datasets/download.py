"""Downloading the published files of a data set, checked by checksum and kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from netparity.errors import InputError

if TYPE_CHECKING:
    import requests


@dataclass(frozen=True, slots=True)
class Published:
    """A published file: its name and its checksum (``algorithm:hex``)."""

    name: str
    checksum: str


def cache_folder() -> Path:
    """The folder of this user for netparity's downloads, as the platform has it."""
    import pooch

    return Path(pooch.os_cache("netparity"))


def fetch(
    title: str,
    files: Sequence[Published],
    mirrors: Sequence[str],
    *,
    layout: str = ".",
    cache: Path | None = None,
    timeout: float = 30.0,
) -> Path:
    """Makes sure that the published files are in the cache, whole and unchanged.

    A file that is there is checked by its checksum and downloaded again where that fails. A
    download is written beside its place and moved there only once its checksum is right, so an
    interrupted one leaves nothing behind.

    Args:
        title: the data set, for messages.
        files: what to fetch.
        mirrors: addresses, each ending in ``/``, that hold the same files; tried in order.
        layout: the subfolder of the cache for these files.
        cache: the cache; by default ``cache_folder()``.
        timeout: seconds to wait for a connection, and for each next piece of the answer.

    Returns:
        The folder that holds the files.

    Raises:
        InputError: a file cannot be had from any mirror, or cannot be written.
    """
    folder = (cache_folder() if cache is None else cache) / layout
    for file in files:
        _fetch_one(title, file, mirrors, folder, timeout)
    return folder


def _fetch_one(
    title: str, file: Published, mirrors: Sequence[str], folder: Path, timeout: float
) -> None:
    # Imported here because they take longer to load than all of netparity, mostly for nothing.
    import pooch
    import requests

    failures = []
    for mirror in mirrors:
        try:
            pooch.retrieve(
                mirror + file.name,
                known_hash=file.checksum,
                fname=file.name,
                path=folder,
                downloader=pooch.HTTPDownloader(timeout=timeout),
            )
        # requests.RequestException is an OSError too: it has to be told apart first.
        except requests.RequestException as error:
            failures.append(f"{mirror}: {_reason(error)}")
        except ValueError:
            failures.append(f"{mirror}: another checksum")
        except OSError as error:
            raise InputError(
                f"Cannot keep the download of {title}: {folder / file.name}. Expected a folder "
                f"that can be written. Received {type(error).__name__}: {error}.",
                hint="free some space there, or copy the files into a folder of your own and "
                "name it with NETPARITY_DATA or --data-dir",
            ) from error
        else:
            return
    raise InputError(
        f"Cannot download {title}: {file.name}. Expected the published file ({file.checksum}). "
        f"Received {'; '.join(failures)}.",
        hint="without a connection, copy the published files into a folder and name it with "
        "NETPARITY_DATA or --data-dir",
    )


def _reason(error: requests.RequestException) -> str:
    """A few words: what requests prints of a refused connection fills a screen."""
    if error.response is not None:
        return f"HTTP status {error.response.status_code}"
    return type(error).__name__
