"""The command ``netparity train``; everything heavy is imported inside it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from netparity import output as out
from netparity.parameters import DataFolder, PlainFormat
from netparity.training.options import ConfigurationFile, Options, combined


def train(
    configuration: ConfigurationFile = None,
    /,
    *,
    options: Options = Options(),  # noqa: B008 (it is frozen)
    data_dir: DataFolder = None,
    output: Annotated[
        Path, Parameter(help="A folder for checkpoints, history, plots and results.")
    ] = Path("netparity-train"),
    resume: Annotated[
        bool,
        Parameter(
            negative="",
            help="Go on from the last checkpoint in the folder, by the configuration there; "
            "only `--epochs` may be raised.",
        ),
    ] = False,
    format: PlainFormat = "text",
) -> int:
    """Trains a network of the reference library, and tests it once in the end.

    Without a validation share the last parameters are taken, else those that validate best.
    """
    values = combined(configuration, options)
    with out.only_results():
        from netparity.progress import Progress
        from netparity.training.command import as_text, run
        from netparity.training.plain import as_json

        try:
            with Progress(title="netparity train") as progress:
                result = run(values, output, data_dir=data_dir, resume=resume, progress=progress)
        except KeyboardInterrupt:
            out.say(f"`netparity train --resume --output {output}` goes on")
            raise
    out.write_result(as_json(result) if format == "json" else as_text(result, output))
    return 0
