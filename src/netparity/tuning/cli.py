"""The command ``netparity tune``; everything heavy is imported inside it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

from netparity import output as out
from netparity.parameters import DataFolder, PlainFormat
from netparity.training.options import ConfigurationFile, Options, combined


def tune(
    configuration: ConfigurationFile = None,
    /,
    *,
    options: Options = Options(),  # noqa: B008 (it is frozen)
    trials: Annotated[
        int, Parameter(validator=Number(gte=2), help="Of the coarse and the fine stage together.")
    ] = 60,
    seeds: Annotated[
        int, Parameter(validator=Number(gte=1), help="How often each finalist is trained.")
    ] = 5,
    finalists: Annotated[
        int, Parameter(validator=Number(gte=1), help="How many of the best are compared so.")
    ] = 3,
    timeout: Annotated[
        float | None,
        Parameter(
            validator=Number(gt=0), help="Seconds after which no more trials are begun. [any]"
        ),
    ] = None,
    workers: Annotated[
        int, Parameter(validator=Number(gte=1), help="Processes on this machine.")
    ] = 1,
    study: Annotated[str, Parameter(help="A name for the search.")] = "netparity",
    storage: Annotated[
        str | None,
        Parameter(
            help="Where the study is kept: an SQLAlchemy URL, journal:///path/file or "
            "grpc://host:port; the same on any number of machines. [a file in the folder]"
        ),
    ] = None,
    grace: Annotated[
        float,
        Parameter(
            validator=Number(gt=0),
            help="Seconds without a sign of life until a worker's trial is tried again.",
        ),
    ] = 45.0,
    data_dir: DataFolder = None,
    output: Annotated[Path, Parameter(help="A folder for the study, plots and results.")] = Path(
        "netparity-tune"
    ),
    format: PlainFormat = "text",
) -> int:
    """Searches for the configuration that validates best, then tests it.

    Coarse to fine: wide ranges with a third of the epochs, then the ranges around the best with
    all; the finalists are compared with several seeds, and the best of them is trained with
    several seeds and tested. What an option or the file says is not searched. The same command
    goes on where the last one stopped.
    """
    values = combined(configuration, options)
    with out.only_results():
        from netparity.progress import Progress
        from netparity.training.plain import as_json
        from netparity.tuning.command import as_text, run
        from netparity.tuning.search import Plan

        plan = Plan(study=study, trials=trials, finalists=finalists, seeds=seeds, timeout=timeout)
        try:
            with Progress(title="netparity tune") as progress:
                result = run(
                    values,
                    output,
                    plan,
                    storage=storage,
                    workers=workers,
                    data_dir=data_dir,
                    grace=grace,
                    progress=progress,
                )
        except KeyboardInterrupt:
            out.say("the study stays: the same command goes on")
            raise
    out.write_result(as_json(result) if format == "json" else as_text(result, output))
    return 0
