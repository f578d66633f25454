from __future__ import annotations

import io

import pytest

from netparity import progress as module
from netparity.progress import NullProgress, Progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_off_a_terminal_a_quick_run_says_nothing() -> None:
    stream = io.StringIO()
    with Progress(stream) as progress:
        for step in range(10):
            progress.stage("observe", step / 10)
    assert stream.getvalue() == ""


def test_off_a_terminal_a_long_run_shows_that_it_is_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "QUIET", 0.0)
    stream = io.StringIO()
    with Progress(stream, title="xor-torch") as progress:
        progress.stage("observe [x]", 0.25)
    assert stream.getvalue() == "xor-torch:  25% observe [x]\n"


def test_on_a_terminal_there_is_a_bar() -> None:
    stream = Terminal()
    with Progress(stream) as progress:
        progress.stage("observe [x]", 0.5)
        with progress.paused():
            stream.write("between")
        progress.stage("verify", 7.0)
    assert "observe [x]" in stream.getvalue()
    assert "between" in stream.getvalue()


def test_the_null_progress_takes_everything() -> None:
    NullProgress().stage("observe", float("nan"))
