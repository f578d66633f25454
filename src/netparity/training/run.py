"""One run: a network trained by a configuration, and tested once in the end."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, final

import numpy as np

from netparity.nn import Solver
from netparity.nn.callbacks import Callback, EarlyStopping
from netparity.nn.metrics import accuracy, confusion_matrix
from netparity.progress import NullProgress, Reporter
from netparity.training import folder as files
from netparity.training.building import build_augmentation, build_solver
from netparity.training.configuration import Configuration, as_values
from netparity.training.data import Data, Rows
from netparity.training.history import Epoch, best_epoch
from netparity.training.preparing import split
from netparity.training.statistics import standard_error

#: Called after each epoch; what it raises ends the run.
OnEpoch = Callable[[Epoch], None]
_MONITORED: Final = "validation_accuracy"
#: Seconds between two checkpoints, at least: waiting for the disk takes longer than a small epoch.
PAUSE: Final = 5.0


def validate(configuration: Configuration, data: Data, on_epoch: OnEpoch) -> Epoch:
    """Trains and keeps nothing but the best epoch: what a search needs.

    Args:
        configuration: the run's.
        data: all rows; those to test on are not looked at.
        on_epoch: called after each epoch.

    Returns:
        The epoch with the best validation accuracy.

    Raises:
        InputError: the loss is not finite, or the configuration does not go with the data.
    """
    parts = split(data, configuration)
    solver = build_solver(configuration, data, parts)
    watcher = _Validation(configuration, parts.validation, on_epoch)
    # The solver itself looks at the validation rows only where its schedule goes by their loss.
    held_out = parts.validation if solver.plateau is not None else None
    with np.errstate(all="ignore"):
        solver.fit(
            parts.training.x,
            parts.training.y,
            configuration.epochs,
            validation=None if held_out is None else (held_out.x, held_out.y),
            callbacks=(watcher,),
            augment=build_augmentation(configuration, data),
        )
    return best_epoch(watcher.history)


def train(
    configuration: Configuration,
    data: Data,
    folder: Path,
    *,
    resume: bool = False,
    on_epoch: OnEpoch | None = None,
    progress: Reporter | None = None,
) -> dict[str, Any]:
    """Trains, tests once, and leaves everything in a folder.

    Args:
        configuration: the run's.
        data: all rows.
        folder: where checkpoints, history and results go; it must be there.
        resume: whether to go on from the folder's last checkpoint.
        on_epoch: called after each epoch.
        progress: told how far it has come.

    Returns:
        What ``metrics.json`` holds.

    Raises:
        InputError: the loss is not finite, the configuration does not go with the data or with
            the checkpoint, or a file cannot be written. The last checkpoint stays.
        KeyboardInterrupt: after the step during which it came, and a checkpoint.
    """
    parts = split(data, configuration)
    solver = build_solver(configuration, data, parts)
    if resume:
        solver.restore(folder / files.LAST)
    else:
        files.begin(folder, configuration)
    held_out = parts.validation
    try:
        with np.errstate(all="ignore"):
            solver.fit(
                parts.training.x,
                parts.training.y,
                configuration.epochs,
                validation=None if held_out is None else (held_out.x, held_out.y),
                metrics=("accuracy",),
                early_stopping=None if held_out is None else EarlyStopping(
                    configuration.patience, _MONITORED, restore_best=True
                ),
                callbacks=(_Keeper(folder, configuration.epochs, on_epoch),),
                resume=resume,
                augment=build_augmentation(configuration, data),
                progress=NullProgress() if progress is None else progress,
            )  # fmt: skip
    except KeyboardInterrupt:
        solver.save(folder / files.LAST)
        raise
    history = epochs(solver)
    solver.save(folder / files.BEST)
    result = _result(configuration, data, solver, history, parts.test)
    files.finish(folder, data, solver, history, result)
    return result


def epochs(solver: Solver) -> tuple[Epoch, ...]:
    """What a solver's history says of each epoch.

    Args:
        solver: after a ``fit``.
    """
    kept = solver.history
    count = len(kept["epoch_loss"])

    def column(name: str) -> Sequence[float | None]:
        return kept.get(name) or [None] * count

    rates = kept.get("learning_rate") or [solver.learning_rate] * count
    return tuple(
        Epoch(
            epoch=place + 1,
            loss=kept["epoch_loss"][place],
            accuracy=column("accuracy")[place],
            validation_loss=column("validation_loss")[place],
            validation_accuracy=column(_MONITORED)[place],
            learning_rate=rates[place],
        )
        for place in range(count)
    )


@final
class _Keeper(Callback):
    """Writes the checkpoints, and passes each epoch on."""

    def __init__(self, folder: Path, epochs: int, on_epoch: OnEpoch | None) -> None:
        self._file, self._epochs, self._on_epoch = folder / files.LAST, epochs, on_epoch
        self._last = -math.inf

    def on_epoch(self, solver: Solver, epoch: int, values: Mapping[str, float]) -> None:
        """After each epoch."""
        now = time.monotonic()
        last = epoch == self._epochs or solver.stopped is not None
        if last or now - self._last >= PAUSE:
            solver.save(self._file)
            self._last = now
        if self._on_epoch is not None:
            self._on_epoch(epochs(solver)[-1])


@final
class _Validation(Callback):
    """Measures the validation rows alone: those trained on would cost a third more time."""

    def __init__(self, configuration: Configuration, rows: Rows | None, on_epoch: OnEpoch) -> None:
        self._rows, self._on_epoch = rows, on_epoch
        self._rule = EarlyStopping(configuration.patience, _MONITORED)
        self.history: list[Epoch] = []

    def on_epoch(self, solver: Solver, epoch: int, values: Mapping[str, float]) -> str | None:
        """After each epoch."""
        found: dict[str, float] = {}
        if self._rows is not None:
            found = solver.evaluate(self._rows.x, self._rows.y, ("accuracy",))
        rate = values.get("learning_rate", solver.learning_rate)
        self.history.append(
            Epoch(
                epoch=epoch,
                loss=values["epoch_loss"],
                accuracy=None,
                validation_loss=found.get("loss"),
                validation_accuracy=found.get("accuracy"),
                learning_rate=rate,
            )
        )
        self._on_epoch(self.history[-1])
        return self._rule.verdict(epoch - best_epoch(self.history).epoch)


def _result(
    configuration: Configuration,
    data: Data,
    solver: Solver,
    history: Sequence[Epoch],
    test: Rows | None,
) -> dict[str, Any]:
    import netparity

    best = best_epoch(history)
    return {
        "data": data.description,
        "configuration": as_values(configuration),
        "parameters": sum(array.size for array in solver.parameters.values()),
        "epochs": len(history),
        "stopped": solver.stopped,
        "best_epoch": best.epoch,
        "validation": None
        if best.validation_accuracy is None
        else {"accuracy": best.validation_accuracy, "loss": best.validation_loss},
        "test": None if test is None else _tested(solver, test),
        "versions": {"netparity": netparity.__version__, "numpy": np.__version__},
    }


def _tested(solver: Solver, rows: Rows) -> dict[str, Any]:
    """What the rows to test on say of the chosen parameters."""
    scores = solver.predict(rows.x)
    share = accuracy(scores, rows.y)
    return {
        "accuracy": share,
        "standard_error": standard_error(share, len(rows)),
        "rows": len(rows),
        "loss": solver.loss.value(scores, rows.y),
        "confusion": confusion_matrix(scores, rows.y).tolist(),
    }
