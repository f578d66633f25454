"""What ``netparity train`` does."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from netparity.errors import InputError
from netparity.progress import Reporter
from netparity.training import folder as files
from netparity.training.configuration import as_values, configured
from netparity.training.data import load
from netparity.training.run import train


def run(
    values: Mapping[str, Any],
    output: Path,
    *,
    data_dir: Path | None = None,
    resume: bool = False,
    progress: Reporter | None = None,
) -> dict[str, Any]:
    """Trains by a configuration's values, or goes on with a run.

    Args:
        values: those of the configuration that were given.
        output: the folder for everything.
        data_dir: the folder that holds MNIST or CIFAR-10.
        resume: whether to go on with the run in the folder; of the values only another number
            of epochs may then be given.
        progress: told how far it has come.

    Returns:
        What ``metrics.json`` holds.

    Raises:
        InputError: something given cannot be used, or a file cannot be read or written.
    """
    if resume:
        there = files.resumable(output)
        kept = as_values(configured(there, f"`{output / files.CONFIGURATION}`"))
        for name, value in values.items():
            if name != "epochs" and kept.get(name) != value:
                raise InputError(
                    f"a run is gone on with as it was begun. Expected {name} {kept.get(name)!r}. "
                    f"Received: {value!r}",
                    hint="leave out `--resume` to begin another run",
                )
        values = {**there, **values}
    configuration = configured(values)
    data = load(configuration, data_dir)
    return train(configuration, data, output, resume=resume, progress=progress)


def as_text(result: Mapping[str, Any], output: Path) -> str:
    """What a run has shown, for a terminal.

    Args:
        result: what ``run`` returned.
        output: the folder.
    """
    stopped = f", stopped early: {result['stopped']}" if result["stopped"] else ""
    lines = [
        f"{result['data']}",
        f"trained     {result['parameters']:,} parameters, {result['epochs']} epochs{stopped}",
    ]
    validation, test = result["validation"], result["test"]
    if validation is None:
        lines.append("validation  no rows held out: the last epoch's parameters are taken")
    else:
        lines.append(
            f"validation  {100 * validation['accuracy']:.2f} %, loss {validation['loss']:.4f}, "
            f"best after epoch {result['best_epoch']}"
        )
    if test is None:
        lines.append("test        no rows to test on")
    else:
        lines.append(
            f"test        {100 * test['accuracy']:.2f} % of {test['rows']:,} rows (standard error "
            f"{100 * test['standard_error']:.2f}), loss {test['loss']:.4f}"
        )
    lines.append(f"files       {output}")
    return "".join(f"{line}\n" for line in lines)
