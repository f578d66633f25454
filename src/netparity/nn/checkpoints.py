"""Checkpoints: what a run changes, in one file that is written whole or not at all."""

from __future__ import annotations

import glob
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, final

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from netparity.errors import InputError
from netparity.files import check_writable, make_folder, replacing
from netparity.nn.arrays import Array

_FORMAT: Final = "netparity.nn checkpoint"
_VERSION: Final = 1
#: The one key of the metadata: several would be written in an order that changes.
_KEY: Final = "netparity"
_ENDING: Final = ".safetensors"
_STEP_FILE: Final = re.compile(r"step-(\d+)\.safetensors")


@final
@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Where and when ``fit`` writes checkpoints.

    Args:
        path: a file, by its ending ``.safetensors``, which each checkpoint replaces; or else a
            folder, made if need be, for files ``step-000000120.safetensors``.
        every: ``"epoch"``, or after how many steps; and in any case at the end.
        keep: how many files a folder keeps, the newest; ``None`` keeps all.

    Raises:
        InputError: a value is out of range.

    Example:
        >>> Checkpoint("run.safetensors", every=100).due(300)
        True

    Source: the file format is safetensors, https://github.com/huggingface/safetensors.

    **Parity**: torch leaves it to the program what is saved, and programs forget the generator
    and the place in the data; Keras's ``BackupAndRestore`` goes on from the epoch's start with
    another shuffle; cs231n's solver leaves out the optimizer's state. Here a run that was
    killed and goes on ends with the bits of one that was not.
    """

    path: str | os.PathLike[str]
    every: Literal["epoch"] | int = "epoch"
    keep: int | None = 3

    def __post_init__(self) -> None:
        """Checks the values."""
        for name, value, word in (("every", self.every, "epoch"), ("keep", self.keep, None)):
            if value != word and not (isinstance(value, int) and value >= 1):
                raise InputError(
                    f"checkpoint, {name}: expected {word!r} or at least 1. Received: {value!r}"
                )

    @property
    def _is_file(self) -> bool:
        return Path(self.path).suffix == _ENDING

    def due(self, step: int) -> bool:
        """Whether one is written after a step (not asked of ``"epoch"``).

        Args:
            step: how many updates have been made.
        """
        return self.every != "epoch" and step % self.every == 0

    def file(self, step: int) -> Path:
        """The file of a step.

        Args:
            step: how many updates have been made.
        """
        path = Path(self.path)
        return path if self._is_file else path / f"step-{step:09}{_ENDING}"

    def latest(self) -> Path | None:
        """The newest checkpoint there is, or ``None``."""
        path = Path(self.path)
        if self._is_file:
            return path if path.exists() else None
        files = self._files()
        return files[-1] if files else None

    def prepare(self) -> None:
        """Makes the folder, before any work is done, and clears what a killed run left there.

        Raises:
            InputError: it cannot be made or written to.
        """
        path = Path(self.path)
        if not self._is_file:
            make_folder(path)
        check_writable(path if self._is_file else path / "checkpoint")
        name = glob.escape(path.name) if self._is_file else f"step-*{_ENDING}"
        for litter in (path.parent if self._is_file else path).glob(f".{name}.*"):
            litter.unlink(missing_ok=True)

    def prune(self) -> None:
        """Removes the files of a folder that are not kept any longer."""
        if self._is_file or self.keep is None:
            return
        for file in self._files()[: -self.keep]:
            file.unlink(missing_ok=True)

    def _files(self) -> list[Path]:
        """The folder's checkpoints, by step."""
        path = Path(self.path)
        found = {
            int(match[1]): file
            for file in (path.iterdir() if path.is_dir() else ())
            if (match := _STEP_FILE.fullmatch(file.name))
        }
        return [found[step] for step in sorted(found)]


def write_checkpoint(path: Path, arrays: Mapping[str, Array], facts: Mapping[str, Any]) -> None:
    """Writes arrays and facts into one file.

    Args:
        path: the file; its folder must be there.
        arrays: by name, of any layout in memory.
        facts: what JSON can hold.

    Raises:
        InputError: the system refuses (no space, no permission); a file that was there stays.

    Example:
        >>> import tempfile
        >>> file = Path(tempfile.mkdtemp()) / "a.safetensors"
        >>> write_checkpoint(file, {"w": np.ones((2, 3)).T}, {"step": 4})
        >>> arrays, facts = read_checkpoint(file)
        >>> arrays["w"].shape, facts
        ((3, 2), {'step': 4})
    """
    text = json.dumps({"format": _FORMAT, "version": _VERSION, "facts": facts})
    # Of another layout, safetensors would write the bytes as they lie.
    contiguous = {name: np.asarray(array, order="C") for name, array in arrays.items()}
    with replacing(path, durable=True) as temporary:
        try:
            save_file(contiguous, temporary, metadata={_KEY: text})
        except SafetensorError as error:
            raise InputError(f"`{path}` cannot be written: {error}") from error


def read_checkpoint(path: Path) -> tuple[dict[str, Array], dict[str, Any]]:
    """Reads what ``write_checkpoint`` wrote.

    Args:
        path: the file.

    Returns:
        The arrays by name, and the facts.

    Raises:
        InputError: there is no such file, it is truncated, or it is no checkpoint of this kind.
    """
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            # Copies: what is read may lie in the mapped file.
            arrays = {name: np.array(file.get_tensor(name)) for name in file.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise InputError(
            f"checkpoint `{path}` cannot be read: it is truncated, or of another kind ({error})",
            hint="take the checkpoint before it, or write it anew",
        ) from error
    except OSError as error:
        said = error.strerror or error
        raise InputError(f"checkpoint `{path}` cannot be read: {said}") from error
    try:
        header = json.loads(metadata[_KEY])
        kind, version, facts = header["format"], header["version"], header["facts"]
    except (KeyError, TypeError, ValueError):
        kind, version, facts = None, None, None
    if kind != _FORMAT or not isinstance(facts, dict):
        raise InputError(
            f"`{path}` is a safetensors file, but no checkpoint of netparity.nn",
            hint="to take over weights alone, load them by name with `solver.load`",
        )
    if version != _VERSION:
        raise InputError(
            f"checkpoint `{path}` is of another version. Expected {_VERSION}. Received: {version}"
        )
    return arrays, facts


def encoded(state: Any) -> Any:
    """The state of a bit generator as JSON can hold it.

    Args:
        state: what ``generator.bit_generator.state`` is.

    Example:
        >>> state = np.random.MT19937(0).state
        >>> again = decoded(json.loads(json.dumps(encoded(state))))
        >>> np.array_equal(again["state"]["key"], state["state"]["key"])
        True
    """
    if isinstance(state, Mapping):
        return {key: encoded(value) for key, value in state.items()}
    if isinstance(state, np.ndarray):
        return {"dtype": state.dtype.name, "values": state.tolist()}
    return state.item() if isinstance(state, np.generic) else state


def decoded(state: Any) -> Any:
    """What ``encoded`` was given.

    Args:
        state: what it returned, possibly by way of a file.
    """
    if not isinstance(state, Mapping):
        return state
    if state.keys() == {"dtype", "values"}:
        return np.array(state["values"], state["dtype"])
    return {key: decoded(value) for key, value in state.items()}
