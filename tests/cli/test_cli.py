from __future__ import annotations

import json
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.report.example import make

import netparity.diagnosis
from netparity import cases, cli
from netparity.cases import Case, Expected
from netparity.report.model import Report

PROGRAM = """
print("loading")
import os
os.write(1, b"from the depths\\n")
def build(seed):
    print("building")
    return [seed]
data = ([[0.0], [1.0]], [0.0, 1.0])
"""


@pytest.fixture
def program(tmp_path: Path) -> str:
    file = tmp_path / "program.py"
    file.write_text(PROGRAM)
    return f"{file}:build"


@pytest.fixture
def diagnosis(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Stands in for the pipeline: records its arguments and hands out the report made by hand."""
    seen: dict[str, Any] = {"report": make()}

    def compare(left: Any, right: Any, **keywords: Any) -> Report:
        seen.update(keywords, left=left.build(keywords["seed"]), right=right)
        if isinstance(seen["report"], BaseException):
            raise seen["report"]
        return seen["report"]

    monkeypatch.setattr(netparity.diagnosis, "compare", compare, raising=False)
    return seen


def test_json_is_alone_on_stdout(
    program: str, diagnosis: dict[str, Any], capfd: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["compare", program, program, "--format", "json"]) == 1
    captured = capfd.readouterr()
    assert json.loads(captured.out)["schema"] == 1
    assert "loading" in captured.err
    assert "from the depths" in captured.err


def test_arguments_reach_the_pipeline(program: str, diagnosis: dict[str, Any]) -> None:
    arguments = [
        "compare", program, program, "--steps", "5", "--batch-size=2", "--seed", "3",
        "--pair", "w=weight", "--pair", "b = bias", "--accept", "init", "--accept", "loss-value",
    ]  # fmt: skip
    assert cli.main(arguments) == 1
    assert diagnosis["left"] == [3]
    assert (diagnosis["steps"], diagnosis["batch_size"], diagnosis["seed"]) == (5, 2, 3)
    assert diagnosis["pairs"] == {"w": "weight", "b": "bias"}
    assert tuple(diagnosis["accept"]) == ("init", "loss-value")
    assert diagnosis["data"][0].tolist() == [[0.0], [1.0]]


@pytest.mark.parametrize(("verdict", "status"), [("parity", 0), ("divergent", 1),
                                                ("incomparable", 2)])  # fmt: skip
def test_the_verdict_is_the_exit_status_and_the_json_is_printed_all_the_same(
    program: str,
    diagnosis: dict[str, Any],
    verdict: str,
    status: int,
    capsys: pytest.CaptureFixture[str],
) -> None:
    diagnosis["report"] = replace(make(), verdict=verdict)
    assert cli.main(["compare", program, program, "--format", "json"]) == status
    assert json.loads(capsys.readouterr().out)["verdict"] == verdict


def test_text_to_stdout_and_to_a_file(
    program: str, diagnosis: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cli.main(["compare", program, program])
    out = capsys.readouterr().out
    assert "DIVERGENT" in out
    assert "\x1b" not in out
    file = tmp_path / "report.txt"
    cli.main(["compare", program, program, "--output", str(file)])
    assert capsys.readouterr().out == ""
    assert "DIVERGENT" in file.read_text(encoding="utf-8")


def test_plots_and_page(program: str, diagnosis: dict[str, Any], tmp_path: Path) -> None:
    plots, page = tmp_path / "plots", tmp_path / "page.html"
    cli.main(["compare", program, program, "--plots", str(plots), "--page", str(page)])
    assert sorted(path.name for path in plots.iterdir()) == [
        "curves.png",
        "differences.png",
        "effects.png",
    ]
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")


def test_no_colour_off_a_terminal_and_with_no_color(monkeypatch: pytest.MonkeyPatch) -> None:
    from netparity import output

    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    assert not output.colour()
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert output.colour()
    monkeypatch.setenv("NO_COLOR", "1")
    assert not output.colour()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["compare"], "LEFT"),
        (["compare", "absent.py:a", "absent.py:b"], "error: no such file: `absent.py`"),
        (["compare", "a:b", "c:d", "--format", "yaml"], "yaml"),
        (["compare", "a:b", "c:d", "--steps", "0"], "steps"),
        (["compare", "a:b", "c:d", "--pair", "w"], "expected `--pair LEFT=RIGHT`"),
        (["compare", "a:b", "c:d", "--pair", "=w"], "expected `--pair LEFT=RIGHT`"),
        (["compare", "a:b", "c:d", "--output", "absent/a.txt"], "there is no folder `absent`"),
        (["case", "xor-troch"], "did you mean `xor-torch`?"),
        (["explain", "mse-reductoin"], "mse-reduction"),
        (["nonsense"], "nonsense"),
    ],
)
def test_unusable_input_is_status_2_with_a_hint_and_no_traceback(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("error: ")
    assert said in captured.err
    assert "Traceback" not in captured.err


def test_their_traceback_is_shown_and_marked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "program.py"
    file.write_text("weights = open('absent.npy')\n")
    assert cli.main(["compare", f"{file}:a", f"{file}:b"]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("error: `program.py` could not be loaded: FileNotFoundError")
    assert "theirs, not netparity's" in lines[2]
    assert all(line.startswith("  |") for line in lines[3:-2])
    assert any("weights = open('absent.npy')" in line for line in lines)
    assert not any("netparity/" in line for line in lines[3:-2])
    assert lines[-2] == ""
    assert lines[-1].startswith("hint: ")


def test_a_fault_of_ours_is_status_3(
    program: str, diagnosis: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    diagnosis["report"] = KeyError("nothing there")
    assert cli.main(["compare", program, program, "--format", "json"]) == 3
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "this is a fault of netparity" in captured.err
    assert "Traceback" in captured.err
    diagnosis["report"] = KeyboardInterrupt()
    assert cli.main(["compare", program, program]) == 130
    diagnosis["report"] = SystemExit(0)
    assert cli.main(["compare", program, program]) == 2


CASE = Case(
    id="a-story", title="a story", summary="Somebody wrote it.", left="", right="",
    data="tests.cli.test_cli:pair", dataset="xor", datasets=("xor",),
    expected=(Expected("mse-reduction"), Expected("penalty-in-reported-loss")),
    full="tests.cli.test_cli:full",
)  # fmt: skip


def pair(dataset: Any) -> tuple[Any, Any]:
    return dataset.x_train, dataset.y_train


def full(dataset: Any, progress: Any) -> tuple[Any, ...]:
    progress("run", 0.5)
    return make().headlines


@pytest.fixture
def story(program: str, diagnosis: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> Case:
    story = replace(CASE, left=program, right=program)
    monkeypatch.setattr(cases, "find", lambda _: story)
    diagnosis["report"] = replace(make(), unexplained=(), explained=True, headlines=())
    return story


def test_a_story_found_as_known_is_status_0(
    story: Case, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["case", story.id]) == 0
    captured = capsys.readouterr()
    assert "Somebody wrote it." in captured.out
    assert "what was found is what is known" in captured.err
    assert cli.main(["case", story.id, "--full"]) == 0
    assert "91.4 %" in capsys.readouterr().out
    assert cli.main(["case", story.id, "--data", "mnist"]) == 2


def test_a_story_not_found_as_known_is_status_1_and_its_json_alone(
    story: Case, diagnosis: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    diagnosis["report"] = make()
    assert cli.main(["case", story.id, "--format", "json"]) == 1
    captured = capsys.readouterr()
    assert json.loads(captured.out)["verdict"] == "divergent"
    assert "claimed and not known: unexplained gradient in dense1.weight" in captured.err


def test_the_catalogue_is_explained(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["explain"]) == 0
    assert "l2-half-factor" in capsys.readouterr().out
    assert cli.main(["explain", "l2-half-factor"]) == 0
    assert "regularization" in capsys.readouterr().out
    assert cli.main(["explain", "l2-half-factor", "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["id"] == "l2-half-factor"


def test_the_doctor_and_the_list_of_stories(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["doctor", "--format", "json"]) == 0
    assert isinstance(json.loads(capsys.readouterr().out), dict)
    assert cli.main(["doctor"]) == 0
    assert "numpy" in capsys.readouterr().out
    assert cli.main(["cases"]) == 0
    out = capsys.readouterr().out
    assert all(id in out for id in cases.IDS)


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; from netparity.cli import main; main(['--help']);"
        "heavy = {'numpy', 'torch', 'tensorflow', 'keras', 'matplotlib', 'jinja2'};"
        "sys.exit(', '.join(heavy & set(sys.modules)) or 0)"
    )
    began = time.monotonic()
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr == ""
    assert done.returncode == 0
    # A quarter of a second alone; ten times that on a machine that is busy with other tests.
    assert time.monotonic() - began < 2.5


def test_a_reader_that_goes_away_is_no_error() -> None:
    code = "import sys; from netparity.output import write_result; write_result('x' * 1_000_000)"
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    with process.stderr as stderr:
        said = stderr.read()
    assert process.wait() == 0
    assert said == b""
