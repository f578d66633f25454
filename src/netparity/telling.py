"""Telling a story: running its pair, and judging what was found."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from netparity.cases import Case, all_cases
from netparity.errors import InputError
from netparity.judgement import Judgement, judge
from netparity.progress import NullProgress, Reporter
from netparity.report.model import Headline, Report
from netparity.report.told import Told


def tell(
    case: Case,
    *,
    full: bool = False,
    data: str | None = None,
    data_dir: Path | None = None,
    progress: Reporter | None = None,
) -> tuple[Report, Judgement]:
    """Runs a story's pair and judges what was found.

    Args:
        case: the story.
        full: also run it at its author's length and add the headline figures.
        data: one of ``case.datasets``; the story's own by default.
        data_dir: the folder that holds MNIST or CIFAR-10.
        progress: takes note of how far it has come.

    Returns:
        The report and the judgement.

    Raises:
        InputError: the story has no such data set.
    """
    progress = NullProgress() if progress is None else progress
    name = case.dataset if data is None else data
    if name not in case.datasets:
        raise InputError(
            f"the story `{case.id}` has no data set `{name}`; expected one of "
            f"{', '.join(case.datasets)}"
        )
    progress.stage(f"{case.id}: load {name}", 0.0)
    from netparity import datasets
    from netparity.diagnosis import compare
    from netparity.loading import load

    dataset = datasets.load(name, data_dir)
    arrays = _function(case.data)(dataset)
    left, right = case.sides(name)
    report: Report = compare(
        load(left),
        load(right),
        data=arrays,
        steps=case.steps,
        batch_size=case.batch_size,
        seed=case.seed,
        progress=progress,
        title=case.title,
        command=f"netparity case {case.id}" + (f" --data {data}" if data else ""),
    )
    if full and case.full is not None:
        progress.stage(f"{case.id}: run at full length", 0.0)
        headlines = _function(case.full)(dataset, progress.stage)
        report = replace(report, headlines=cast(tuple[Headline, ...], tuple(headlines)))
    elif full:
        report = replace(report, headlines=_last_losses(report, case.steps))
    return report, judge(case, report.to_dict())


def _last_losses(report: Report, steps: int) -> tuple[Headline, ...]:
    """The losses at the end of a story whose diagnosis is as long as its author's run."""
    curves = report.picture.curves
    if curves is None:
        return ()
    ends = [f"{c[-1]:.4g}" if c else "–" for c in (curves.left, curves.right, curves.right_after)]
    return (Headline(f"{curves.label} after {steps} steps", *ends),)


def told(case: Case, judgement: Judgement) -> Told:
    """What the views show of a story besides its report."""
    return Told(
        id=case.id,
        title=case.title,
        summary=case.summary,
        suspects=tuple((suspect.what, suspect.why) for suspect in case.suspects),
        departures=case.departures,
        judgement=judgement.told(),
        equal=judgement.equal,
    )


def listed(*, width: int | None = None, colour: bool = False) -> str:
    """The stories as a list: id, title, and what is known of each."""
    from rich.table import Table
    from rich.text import Text

    from netparity.report.text import rendered

    table = Table.grid(padding=(0, 2, 1, 0))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for case in all_cases():
        known = ", ".join(expected.id for expected in case.expected)
        table.add_row(Text(case.id, "bold"), f"{case.title}\nknown: {known}")
    return rendered(table, width=width, colour=colour) + (
        "\nnetparity case ID tells one of them; netparity demo tells all\n"
    )


def _function(spec: str) -> Callable[..., Any]:
    from netparity.loading import load

    return cast(Callable[..., Any], load(spec).target)
