"""The command ``netparity``.

Everything heavy is imported inside the commands, so that ``--help`` answers at once.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from cyclopts import App, CycloptsError, Parameter
from cyclopts.validators import Number

from netparity import output as out
from netparity.errors import InputError
from netparity.parameters import DataFolder, Format, Output, Page, PlainFormat, Plots, Side
from netparity.training.cli import train
from netparity.tuning.cli import tune


def _version() -> str:
    import netparity

    return netparity.__version__


app = App(
    name="netparity",
    help="Finds out why two implementations of the same neural network differ, and proves it.",
    version=_version,
    help_format="plaintext",
    suppress_keyboard_interrupt=False,
)
app.command(train)
app.command(tune)


@app.command
def compare(
    left: Side,
    right: Side,
    /,
    *,
    data: Annotated[
        str | None,
        Parameter(
            help="xor, digits, mnist, cifar10, an .npz file with x and y, or file.py:name. "
            "Without it a file that defines `data` is asked."
        ),
    ] = None,
    data_dir: DataFolder = None,
    steps: Annotated[
        int, Parameter(validator=Number(gte=1), help="Training steps both sides run freely.")
    ] = 20,
    batch_size: Annotated[
        int,
        Parameter(
            validator=Number(gte=1),
            help="Rows fed a step where a side has no feeding of its own.",
        ),
    ] = 32,
    seed: Annotated[
        int,
        Parameter(
            validator=Number(gte=0),
            help="Goes to callables that take `seed` and to netparity's own draws.",
        ),
    ] = 0,
    pair: Annotated[
        tuple[str, ...],
        Parameter(
            consume_multiple=False,
            negative="",
            show_default=False,
            help="LEFT=RIGHT: two parameters that belong together. May be repeated.",
        ),
    ] = (),
    accept: Annotated[
        tuple[str, ...],
        Parameter(
            consume_multiple=False,
            negative="",
            show_default=False,
            help="A cause id or a stage that is known to differ. May be repeated.",
        ),
    ] = (),
    shapley: Annotated[
        bool,
        Parameter(
            negative="", help="Divide the gap among the causes by their Shapley values as well."
        ),
    ] = False,
    format: Format = "text",
    output: Output = None,
    plots: Plots = None,
    page: Page = None,
) -> int:
    """Says where and why two implementations differ.

    Exit status: 0 parity, 1 divergent, 2 incomparable or unusable input, 3 a fault of netparity.
    """
    from netparity.showing import Destination, show

    destination = Destination(format=format, output=output, plots=plots, page=page)
    destination.check()
    pairs = _pairs(pair)
    with out.only_results():
        from netparity.progress import Progress

        with Progress() as progress:
            progress.stage("load both sides", 0.0)
            from netparity.implementations.process import load_both
            from netparity.loading import load_data

            left_side, right_side = load_both(left, right)
            arrays = load_data(data, left_side, right_side, data_dir, seed=seed)
            from netparity.diagnosis import compare as diagnose

            report = diagnose(
                left_side,
                right_side,
                data=arrays,
                steps=steps,
                batch_size=batch_size,
                seed=seed,
                pairs=pairs or None,
                accept=accept,
                shapley=shapley,
                progress=progress,
                title=f"{left} against {right}",
                command=_again(left, right, data, data_dir, steps, batch_size, seed, pair),
            )
    show(destination.render(report))
    return report.exit_status


def _again(
    left: str,
    right: str,
    data: str | None,
    data_dir: Path | None,
    steps: int,
    batch_size: int,
    seed: int,
    pair: Sequence[str],
) -> str:
    """The command line that repeats a comparison."""
    import shlex

    words = ["netparity", "compare", left, right]
    for option, value, default in (
        ("--data", data, None),
        ("--data-dir", data_dir, None),
        ("--steps", steps, 20),
        ("--batch-size", batch_size, 32),
        ("--seed", seed, 0),
    ):
        if value != default:
            words += [option, str(value)]
    for one in pair:
        words += ["--pair", one]
    return shlex.join(words)


@app.command
def case(
    id: Annotated[str, Parameter(help="As `netparity cases` lists it.")],
    /,
    *,
    full: Annotated[
        bool,
        Parameter(negative="", help="Also run it at its author's length and show the figures."),
    ] = False,
    data: Annotated[
        str | None, Parameter(help="Another data set, where the story has one.")
    ] = None,
    data_dir: DataFolder = None,
    format: Format = "text",
    output: Output = None,
    plots: Plots = None,
    page: Page = None,
) -> int:
    """Tells one story: two programs as people wrote them, and why they differ.

    Exit status: 0 when what was found is what is known of the story, else 1.
    """
    from netparity.cases import find
    from netparity.showing import Destination, show

    story = find(id)
    destination = Destination(format=format, output=output, plots=plots, page=page)
    destination.check()
    with out.only_results():
        from netparity.progress import Progress
        from netparity.telling import tell, told

        with Progress(title=story.id) as progress:
            report, judgement = tell(
                story, full=full, data=data, data_dir=data_dir, progress=progress
            )
    show(destination.render(report, told(story, judgement)))
    out.say(judgement.told())
    return 0 if judgement.equal else 1


@app.command
def cases() -> int:
    """Lists the stories."""
    from netparity.telling import listed

    out.write_result(listed(width=out.width(), colour=out.colour()))
    return 0


@app.command
def demo(
    *,
    output: Annotated[
        Path, Parameter(help="A folder for index.html and each story's page, plots and JSON.")
    ] = Path("netparity-demo"),
) -> int:
    """Tells all the stories and writes a page with their causes and plots.

    Exit status: 0 when in every story what was found is what is known of it, else 1.
    """
    from netparity.cases import all_cases
    from netparity.demo import run
    from netparity.files import make_folder

    return run(all_cases(), make_folder(output))


@app.command
def explain(
    cause_id: Annotated[str | None, Parameter(help="As a report names it.")] = None,
    /,
    *,
    format: PlainFormat = "text",
) -> int:
    """Explains one convention on which implementations differ, or lists them all."""
    from netparity.explaining import explained

    out.write_result(explained(cause_id, format, width=out.width(), colour=out.colour()))
    return 0


@app.command
def doctor(*, format: PlainFormat = "text") -> int:
    """Says what is installed, in which versions, and how many threads there are."""
    with out.only_results():
        from netparity.environment import describe

        found = describe()
    from netparity.explaining import environment

    out.write_result(environment(found, format, width=out.width(), colour=out.colour()))
    return 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command and returns its exit status.

    Args:
        arguments: those of the command line; by default the process's own.

    Returns:
        0 parity (or all that is known was found), 1 divergent, 2 incomparable or unusable
        input, 3 a fault of netparity, 130 interrupted.
    """
    # TensorFlow's start-up notices would bury the progress; who wants them sets it to 0.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        status = app(
            sys.argv[1:] if arguments is None else list(arguments),
            exit_on_error=False,
            print_error=False,
            result_action="return_value",
        )
        return status if isinstance(status, int) else 0
    except CycloptsError as error:
        out.show_input_error(
            InputError(str(error).strip(), hint="`netparity --help` says how it is called")
        )
        return 2
    except InputError as error:
        out.show_input_error(error)
        return 2
    except KeyboardInterrupt:
        out.say("interrupted")
        return 130
    except SystemExit as error:
        # Nothing of ours exits: one of the two programs did, while it was run.
        from netparity.loading.foreign import trimmed

        out.show_input_error(
            InputError(
                f"a program ended the process with `sys.exit({error.code!r})` while it was run",
                hint="let it raise an error, or return",
                foreign_traceback=trimmed(error),
            )
        )
        return 2
    except Exception as error:
        from netparity.loading.foreign import missing_framework

        missing = missing_framework(error)
        if missing is not None:
            out.show_input_error(missing)
            return 2
        out.show_fault(error)
        return 3


def _pairs(given: Sequence[str]) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for text in given:
        left, equals, right = text.partition("=")
        if not (left.strip() and equals and right.strip()) or "=" in right:
            raise InputError(
                f"`--pair {text}` is no pair; expected `--pair LEFT=RIGHT`",
                hint="LEFT and RIGHT are names of parameters, as the report lists them",
            )
        if left.strip() in pairs:
            raise InputError(f"`--pair` names the left parameter `{left.strip()}` twice")
        pairs[left.strip()] = right.strip()
    return pairs
