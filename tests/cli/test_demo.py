from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from tests.report.example import make

from netparity import demo
from netparity.cases import Case, Expected
from netparity.report.json import render_json

GOOD = Case(
    id="good", title="a good story", summary="It went well.", left="", right="", data="",
    expected=(Expected("mse-reduction"), Expected("penalty-in-reported-loss")),
)  # fmt: skip
BAD = replace(GOOD, id="bad", title="a bad story", expected=(Expected("init-law"),))
BROKEN = replace(GOOD, id="broken", title="a broken story")


def command(case: Case, folder: Path) -> Sequence[str]:
    """A process that writes what the real one writes; the first story ends last."""
    report = render_json(replace(make(), unexplained=(), explained=True))
    if case.id == "broken":
        code = "import sys; sys.exit('it broke')"
    else:
        wait = 0.4 if case.id == "good" else 0.0
        code = (
            f"import time, pathlib; time.sleep({wait}); folder = pathlib.Path({str(folder)!r});"
            f"(folder / '{case.id}.html').write_text('page');"
            f"(folder / '{case.id}.json').write_text({json.dumps(report)!s})"
        )
    return [sys.executable, "-X", "utf8", "-c", code]


def test_every_story_is_told_in_order_and_indexed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # A report of an earlier run must not pass for one of this run.
    (tmp_path / "broken.json").write_text(render_json(make()))
    status = demo.run([GOOD, BAD, BROKEN], tmp_path, command=command)
    assert status == 1
    out = capsys.readouterr().out
    assert out.index("a good story") < out.index("a bad story") < out.index("a broken story")
    assert "what was found is what is known" in out
    assert "not found: init-law" in out
    assert "it broke" in out
    index = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert 'href="good.html"' in index
    assert 'href="broken.html"' not in index
    assert "it broke" in index


def test_status_0_when_every_story_is_as_known(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert demo.run([GOOD], tmp_path, command=command) == 0
    assert "yes" in capsys.readouterr().out


def test_no_more_than_two_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    most = 0
    real = demo._start

    def start(case: Case, folder: Path, command: demo.Command) -> demo._Running:
        item = real(case, folder, command)
        started.append(item)
        nonlocal most
        most = max(most, sum(item.process.poll() is None for item in started))
        return item

    started: list[demo._Running] = []
    monkeypatch.setattr(demo, "_start", start)
    four = [replace(GOOD, id="good"), replace(BAD, id="b"), replace(BAD, id="c"), BROKEN]
    demo.run(four, tmp_path, command=command)
    assert 1 <= most <= 2


def test_processes_are_ended_when_interrupted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[demo._Running] = []
    real = demo._start

    def start(case: Case, folder: Path, command: demo.Command) -> demo._Running:
        started.append(real(case, folder, command))
        return started[-1]

    def interrupt(_: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(demo, "_start", start)
    monkeypatch.setattr(demo.time, "sleep", interrupt)
    sleeper = [sys.executable, "-c", "import time; time.sleep(60)"]
    with pytest.raises(KeyboardInterrupt):
        demo.run([GOOD], tmp_path, command=lambda *_: sleeper)
    assert all(item.process.poll() is not None for item in started)


def test_the_command_writes_json_page_and_plots() -> None:
    line = demo.command(GOOD, Path("out"))
    assert line[0] == sys.executable
    assert line[1:5] == ["-m", "netparity", "case", "good"]
    assert line[line.index("--output") + 1] == str(Path("out") / "good.json")
