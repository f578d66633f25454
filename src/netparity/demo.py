"""All stories, each in a process of its own, and the pages that show them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from netparity import output as out
from netparity.cases import Case
from netparity.files import make_folder, write_whole
from netparity.judgement import Judgement, judge
from netparity.progress import Progress
from netparity.report import words
from netparity.report.html import Entry, render_index
from netparity.report.text import rendered
from netparity.telling import told

#: Stories told at the same time: each holds a framework in memory and keeps a core busy.
AT_ONCE: Final = 2
#: A story takes well under a minute; one that takes this many seconds hangs.
LONGEST: Final = 900.0
_POLL: Final = 0.1
_THREADS: Final = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
#: Lines of a failed story's stderr that are shown; all of it is in its log.
_LAST_LINES: Final = 12

Command = Callable[[Case, Path], Sequence[str]]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one story.

    Attributes:
        case: the story.
        report: its report as JSON data, or ``None`` where it failed.
        judgement: what was found against what is known; ``None`` where it failed.
        failure: why there is no report: what the process said last.
        seconds: how long the process took.
    """

    case: Case
    report: dict[str, Any] | None
    judgement: Judgement | None
    failure: str
    seconds: float

    @property
    def equal(self) -> bool:
        """Whether what was found is what is known."""
        return self.judgement is not None and self.judgement.equal


@dataclass(slots=True)
class _Running:
    case: Case
    process: subprocess.Popen[bytes]
    log: Path
    began: float = field(default_factory=time.monotonic)


def command(case: Case, folder: Path) -> list[str]:
    """The command that tells one story and writes its JSON, page and plots into ``folder``."""
    return [
        sys.executable, "-m", "netparity", "case", case.id, "--format", "json",
        "--output", str(folder / f"{case.id}.json"), "--page", str(folder / f"{case.id}.html"),
        "--plots", str(folder / case.id),
    ]  # fmt: skip


def run(cases: Sequence[Case], folder: Path, *, command: Command = command) -> int:
    """Tells the stories, two at a time, and writes ``index.html`` into ``folder``.

    Args:
        cases: the stories, in the order in which they are told.
        folder: where everything is written; it must be there.
        command: the command line of the process that tells a story.

    Returns:
        0 when in every story what was found is what is known of it, else 1.
    """
    outcomes: dict[str, Outcome] = {}
    shown = 0
    with Progress(title="demo") as progress:

        def note(running: Sequence[str]) -> None:
            progress.stage(f"telling {', '.join(running)}", len(outcomes) / max(len(cases), 1))

        def done(outcome: Outcome) -> None:
            nonlocal shown
            outcomes[outcome.case.id] = outcome
            # Told in their order, whichever process ends first.
            while shown < len(cases) and cases[shown].id in outcomes:
                with progress.paused():
                    _show(_story(outcomes[cases[shown].id]))
                shown += 1

        _run_all(cases, folder, command, note, done)
    ordered = [outcomes[case.id] for case in cases]
    index = folder / "index.html"
    write_whole(index, render_index([_entry(outcome, folder) for outcome in ordered], _version()))
    _show(_table(ordered))
    out.write_result(f"\nthe pages with the plots: {index}\n")
    return 0 if all(outcome.equal for outcome in ordered) else 1


def _run_all(
    cases: Sequence[Case],
    folder: Path,
    command: Command,
    note: Callable[[Sequence[str]], None],
    done: Callable[[Outcome], None],
) -> None:
    waiting = list(cases)
    running: list[_Running] = []
    try:
        while waiting or running:
            while waiting and len(running) < AT_ONCE:
                running.append(_start(waiting.pop(0), folder, command))
            note([item.case.id for item in running])
            for item in [item for item in running if _ended(item)]:
                running.remove(item)
                done(_outcome(item, folder))
            if running:
                time.sleep(_POLL)
    finally:
        _end(running)


def _end(running: Sequence[_Running]) -> None:
    for item in running:
        item.process.terminate()
    for item in running:
        try:
            item.process.wait(timeout=5)
        except (subprocess.TimeoutExpired, KeyboardInterrupt):
            item.process.kill()
            item.process.wait()


def _start(case: Case, folder: Path, command: Command) -> _Running:
    make_folder(folder / case.id)
    # A report left by an earlier run must not be taken for this one's.
    (folder / f"{case.id}.json").unlink(missing_ok=True)
    log = folder / case.id / "log.txt"
    with log.open("wb") as stream:
        process = subprocess.Popen(
            command(case, folder),
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
            env=_environment(),
        )
    return _Running(case, process, log)


def _ended(item: _Running) -> bool:
    if item.process.poll() is not None:
        return True
    if time.monotonic() - item.began > LONGEST:
        item.process.kill()
        item.process.wait()
        return True
    return False


def _outcome(item: _Running, folder: Path) -> Outcome:
    seconds = time.monotonic() - item.began
    try:
        text = (folder / f"{item.case.id}.json").read_text(encoding="utf-8")
    except FileNotFoundError:
        said = item.log.read_text(encoding="utf-8", errors="replace")
        last = "\n".join(said.rstrip().splitlines()[-_LAST_LINES:])
        status = item.process.returncode
        failure = f"its process ended with status {status} and no report\n{last}".rstrip()
        return Outcome(item.case, None, None, failure, seconds)
    report: dict[str, Any] = json.loads(text)
    return Outcome(item.case, report, judge(item.case, report), "", seconds)


def _environment() -> dict[str, str]:
    # Two processes that each start a thread per core stand in each other's way.
    threads = str(max(1, (os.cpu_count() or 1) // AT_ONCE))
    return {**dict.fromkeys(_THREADS, threads), **os.environ}


def _story(outcome: Outcome) -> RenderableType:
    case = outcome.case
    parts: list[RenderableType] = [
        Text.assemble((case.id, "bold underline"), f"  {case.title}"),
        case.summary,
    ]
    report = outcome.report
    if report is None:
        parts.append(Text(outcome.failure, "red"))
        return Group(*parts, "")
    for cause in report["causes"]:
        told_on = f"{cause['verdict'].replace('-', ' ')}, verified on {cause['verified_on']}"
        fix = cause["fix"]["right"] or cause["fix"]["left"] or ""
        parts.append(
            Padding(
                Group(
                    Text.assemble((cause["id"], "bold"), f"  {cause['stage']}; {told_on}"),
                    cause["statement"],
                    Text(f"fix: {fix}", "cyan", overflow="fold") if fix else "",
                ),
                (0, 0, 0, 3),
            )
        )
    for suspect in case.suspects:
        parts.append(Padding(f"innocent: {suspect.what}: {suspect.why}", (0, 0, 0, 3)))
    gap = report["gap"]
    if gap["before"] is not None:
        parts.append(
            f"gap {words.number(gap['before'])}, {words.number(gap['after'])} once the causes are "
            f"removed (noise floor {words.number(gap['noise_floor'])})"
        )
    if outcome.judgement is not None:
        parts.append(Text(outcome.judgement.told(), "green" if outcome.equal else "bold red"))
    return Group(*parts, "")


def _table(outcomes: Sequence[Outcome]) -> RenderableType:
    table = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for title, right in (
        ("story", False), ("causes", True), ("gap before", True), ("after", True),
        ("noise floor", True), ("seconds", True), ("as known", False),
    ):  # fmt: skip
        table.add_column(title, justify="right" if right else "left")
    for outcome in outcomes:
        gap = outcome.report["gap"] if outcome.report else {}
        table.add_row(
            outcome.case.id,
            str(len(outcome.report["causes"])) if outcome.report else "–",
            *(words.number(gap.get(name)) for name in ("before", "after", "noise_floor")),
            f"{outcome.seconds:.0f}",
            Text("yes", "green") if outcome.equal else Text("NO", "bold red"),
        )
    return table


def _entry(outcome: Outcome, folder: Path) -> Entry:
    case = outcome.case
    failed = Judgement(found=(), missing=(), claimed=(), closed=False)
    page, plot = Path(f"{case.id}.html"), Path(case.id) / "curves.png"
    has_report = outcome.report is not None
    return Entry(
        told=told(case, outcome.judgement or failed),
        report=outcome.report,
        page=page.name if has_report and (folder / page).is_file() else None,
        plot=plot.as_posix() if has_report and (folder / plot).is_file() else None,
        failure=outcome.failure,
    )


def _show(what: RenderableType) -> None:
    out.write_result(rendered(what, width=out.width(), colour=out.colour()))


def _version() -> str:
    import netparity

    return netparity.__version__
