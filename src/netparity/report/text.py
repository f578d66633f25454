"""The report as text for a terminal, as readable without colour as with it."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Final

from rich.box import SIMPLE_HEAD
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from netparity.report import words
from netparity.report.model import Cause, Report
from netparity.report.told import Told

#: Widest line: longer ones are hard to read, whatever the terminal offers.
WIDEST: Final = 110
_NARROWEST: Final = 60
_STATUS: Final = {"equal": "green", "different": "bold red", "not-checked": "yellow"}
_VERDICT: Final = {"parity": "bold green", "divergent": "bold red", "incomparable": "bold yellow"}


def render_text(
    report: Report,
    told: Told | None = None,
    *,
    width: int | None = None,
    colour: bool = False,
) -> str:
    """The report as text.

    Args:
        report: what a diagnosis found.
        told: what is known besides, where it is a story.
        width: columns of the terminal; 100 where it is not known.
        colour: whether to write colours (escape sequences).

    Returns:
        Lines of text with a newline at the end.
    """
    return rendered(Group(*_parts(report, told)), width=width, colour=colour)


def rendered(what: RenderableType, *, width: int | None = None, colour: bool = False) -> str:
    """Anything of rich's as text, at most ``WIDEST`` columns wide."""
    stream = io.StringIO()
    Console(
        file=stream,
        width=max(_NARROWEST, min(width or 100, WIDEST)),
        force_terminal=colour,
        no_color=not colour,
        color_system="standard" if colour else None,
        highlight=False,
        emoji=False,
        markup=False,
        legacy_windows=False,
    ).print(what)
    lines = (line.rstrip() for line in stream.getvalue().split("\n"))
    return "\n".join(lines).rstrip("\n") + "\n"


def _parts(report: Report, told: Told | None) -> Iterator[RenderableType]:
    yield Text(report.title or f"{report.left.name} against {report.right.name}", "bold")
    if told is not None and told.summary:
        yield told.summary
        yield ""
    yield Text.assemble(
        (report.verdict.upper(), _VERDICT[report.verdict]), "  ", words.summary(report)
    )
    yield ""
    yield _overview(report)
    yield from _stages(report)
    if report.causes:
        yield _heading("Causes")
        for index, cause in enumerate(report.causes, 1):
            if index > 1:
                yield ""
            yield from _cause(index, cause)
    yield from _unexplained(report)
    yield from _latent(report)
    yield from _innocent(report)
    if told is not None and told.suspects:
        yield _heading("Suspected by the author, and innocent")
        yield from (_item(f"{what}: {why}") for what, why in told.suspects)
    yield from _headlines(report)
    departures = (told.departures,) if told is not None and told.departures else ()
    if report.notes or departures:
        yield _heading("Notes")
        yield from (_item(note) for note in (*report.notes, *departures))
    if report.advice:
        yield _heading("What to do")
        yield from (_indented(Text(line, overflow="fold")) for line in report.advice)


def _overview(report: Report) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for word, side in (("left", report.left), ("right", report.right)):
        table.add_row(word, f"{side.name}  ({f'{side.framework} {side.version}'.strip()})")
    table.add_row("gap", words.gap(report.gap))
    first = words.first(report.first_divergence)
    if first:
        table.add_row("first", first)
    return table


def _stages(report: Report) -> Iterator[RenderableType]:
    yield _heading("Stages, each given equal inputs on both sides")
    table = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for title, justify in (
        ("stage", "left"), ("status", "left"), ("difference", "right"), ("noise floor", "right"),
        ("where", "left"),
    ):  # fmt: skip
        table.add_column(title, justify=justify, overflow="fold")  # type: ignore[arg-type]
    for stage in report.stages:
        table.add_row(
            stage.stage,
            Text(stage.status, _STATUS[stage.status]),
            words.number(stage.difference),
            words.number(stage.noise_floor),
            ": ".join(filter(None, (words.place(stage.where), stage.reason))),
        )
    yield _indented(table)


def _cause(index: int, cause: Cause) -> Iterator[RenderableType]:
    place = " · ".join(filter(None, (cause.stage, words.place(cause.where))))
    accepted = Text("  (accepted)", "green") if cause.accepted else ""
    yield Text.assemble((f"{index}. {cause.id}", "bold"), f"  {place}", accepted)
    grid = Table.grid(padding=(0, 2))
    grid.add_column(no_wrap=True, min_width=8)
    grid.add_column(overflow="fold")
    grid.add_row("left", cause.left)
    grid.add_row("right", cause.right)
    grid.add_row("what", cause.statement)
    for position, evidence in enumerate(cause.evidence):
        relation, fitted, against = words.evidence(evidence)
        told = f"{relation}: {', '.join(filter(None, (fitted, against)))}"
        if evidence.residual is not None:
            told += f", residual {words.number(evidence.residual)}"
        grid.add_row("" if position else "evidence", told)
    grid.add_row("verdict", f"{words.VERDICTS[cause.verdict]}; {words.ON[cause.verified_on]}")
    grid.add_row(
        "removed",
        f"{cause.stage} then differs by {words.number(cause.residual)} "
        f"(noise floor {words.number(cause.noise_floor)})",
    )
    grid.add_row("effect", words.share(cause.effect))
    if cause.shapley is not None:
        grid.add_row("shapley", words.share(cause.shapley))
    related = words.relation(cause)
    if related:
        grid.add_row("relation", related)
    if cause.also:
        grid.add_row("also", f"the numbers cannot tell it from {', '.join(cause.also)}")
    for side, line in (("left", cause.fix.left), ("right", cause.fix.right)):
        if line:
            grid.add_row(f"fix {side}", Text(line, "cyan", overflow="fold"))
    yield _indented(grid)


def _unexplained(report: Report) -> Iterator[RenderableType]:
    if not report.unexplained:
        return
    yield _heading("Unexplained")
    for item in report.unexplained:
        yield _item(
            f"{item.stage}, {item.where}: difference {words.number(item.difference)}, "
            f"noise floor {words.number(item.noise_floor)}"
        )


def _latent(report: Report) -> Iterator[RenderableType]:
    if not report.latent:
        return
    yield _heading("Latent: they differ, and it makes no difference on this run")
    for item in report.latent:
        where = words.place(item.where)
        place = f"{item.stage}, {where}" if where else item.stage
        yield _item(
            f"{item.id} ({place}): left {item.left}; right {item.right}. "
            f"{item.statement} {item.reason}".strip()
        )


def _innocent(report: Report) -> Iterator[RenderableType]:
    if not report.innocent:
        return
    yield _heading("Innocent: tried, and it made no difference")
    yield from (_item(f"{item.id}: {item.why}") for item in report.innocent)


def _headlines(report: Report) -> Iterator[RenderableType]:
    if not report.headlines:
        return
    yield _heading("At full length")
    table = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for title in ("", "left", "right before", "right after"):
        table.add_column(title, overflow="fold")
    for line in report.headlines:
        table.add_row(line.label, line.left, line.before, line.after)
    yield _indented(table)


def _heading(text: str) -> Group:
    return Group("", Text(text, "bold underline"))


def _item(text: str) -> RenderableType:
    grid = Table.grid(padding=(0, 1))
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    grid.add_row("  -", text)
    return grid


def _indented(what: RenderableType) -> Padding:
    return Padding(what, (0, 0, 0, 3))
