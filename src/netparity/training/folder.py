"""The folder of one run: its files, each written whole or not at all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import numpy as np

from netparity.errors import InputError
from netparity.files import make_folder, write_whole
from netparity.nn import Solver
from netparity.training.configuration import Configuration, as_values
from netparity.training.data import Data
from netparity.training.history import Epoch
from netparity.training.plain import as_json
from netparity.training.plots import draw_confusion, draw_history, draw_weights
from netparity.training.toml import as_toml, read_toml

CONFIGURATION: Final = "configuration.toml"
LAST: Final = "last.safetensors"
BEST: Final = "best.safetensors"
HISTORY: Final = "history.json"
METRICS: Final = "metrics.json"
HISTORY_PLOT: Final = "history.png"
WEIGHTS_PLOT: Final = "weights.png"
CONFUSION_PLOT: Final = "confusion.png"

_ALL: Final = (LAST, BEST, HISTORY, METRICS, HISTORY_PLOT, WEIGHTS_PLOT, CONFUSION_PLOT)


def begin(folder: Path, configuration: Configuration) -> None:
    """Makes a folder ready for a run: what an earlier one left in it goes.

    Args:
        folder: made if need be.
        configuration: written into it.

    Raises:
        InputError: it cannot be made or written to.
    """
    make_folder(folder)
    for name in _ALL:
        try:
            (folder / name).unlink(missing_ok=True)
        except OSError as error:
            raise InputError(f"`{folder / name}` cannot be removed: {error.strerror}") from error
    write_whole(folder / CONFIGURATION, as_toml(as_values(configuration)))


def resumable(folder: Path) -> dict[str, Any]:
    """The values of the configuration of a run that can be gone on with.

    Args:
        folder: of the run.

    Raises:
        InputError: there is no run in it, or it has no checkpoint yet.
    """
    if not (folder / CONFIGURATION).is_file():
        raise InputError(
            f"there is no run in `{folder}` to go on with: no `{CONFIGURATION}`",
            hint="name the folder of the run with `--output`, or leave out `--resume`",
        )
    if not (folder / LAST).is_file():
        raise InputError(
            f"the run in `{folder}` has no checkpoint yet: no `{LAST}`",
            hint="leave out `--resume` to begin it again",
        )
    return read_toml(folder / CONFIGURATION)


def finish(
    folder: Path, data: Data, solver: Solver, history: Sequence[Epoch], result: dict[str, Any]
) -> None:
    """Writes what a run has shown.

    Args:
        folder: of the run.
        data: what was trained on.
        solver: with the chosen parameters.
        history: its epochs.
        result: for ``metrics.json``.

    Raises:
        InputError: a file cannot be written.
    """
    write_whole(folder / HISTORY, as_json({"epochs": [asdict(one) for one in history]}))
    write_whole(folder / METRICS, as_json(result))
    title = data.description
    write_whole(folder / HISTORY_PLOT, draw_history(history, title))
    if data.image is not None:
        first = next(name for name in solver.parameters if name.endswith(".weight"))
        weights = draw_weights(solver.parameters[first], data.image, title)
        write_whole(folder / WEIGHTS_PLOT, weights)
    if result["test"] is not None:
        share = 100 * result["test"]["accuracy"]
        confusion = np.array(result["test"]["confusion"])
        picture = draw_confusion(confusion, f"{title}: {share:.1f} % of the test rows right")
        write_whole(folder / CONFUSION_PLOT, picture)
