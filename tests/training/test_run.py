from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from netparity import cli
from netparity.training import folder as files
from netparity.training.command import as_text, run
from netparity.training.configuration import Configuration, configured
from netparity.training.data import load
from netparity.training.history import Epoch, best_epoch
from netparity.training.run import train, validate
from netparity.training.toml import read_toml

#: Everything at once, small: what a resumed run has to go on with.
RICH = {
    "rows": 300, "validation": 0.2, "hidden": [20, 10], "batch_norm": True, "dropout": 0.2,
    "input_dropout": 0.1, "flip": True, "shift": 1, "l2": 1e-3, "weight_decay": 1e-2,
    "label_smoothing": 0.1, "learning_rate": 0.01, "batch_size": 32, "epochs": 6,
    "clip_norm": 1.0, "schedule": "exponential", "warmup": 0.5,
}  # fmt: skip
EVERYTHING = {
    "configuration.toml", "last.safetensors", "best.safetensors", "history.json", "metrics.json",
    "history.png", "weights.png", "confusion.png",
}  # fmt: skip


def one(folder: Path, **values: object) -> dict:
    folder.mkdir(exist_ok=True)
    return run(values, folder)


def same_files(left: Path, right: Path) -> list[str]:
    """The names of the files whose bytes differ."""
    return [
        name
        for name in sorted(EVERYTHING)
        if (left / name).read_bytes() != (right / name).read_bytes()
    ]


def test_a_run_on_the_digits_leaves_everything(tmp_path, capsys):
    output = tmp_path / "out"
    words = ["train", "--hidden", "100", "100", "--batch-norm", "--dropout", "0.2", "--epochs",
             "12", "--batch-size", "50", "--output", str(output)]  # fmt: skip
    assert cli.main(words) == 0
    captured = capsys.readouterr()
    result = json.loads((output / "metrics.json").read_text(encoding="utf-8"))
    assert captured.out == as_text(result, output)
    # Nothing on stderr: it is no terminal, and the run was short.
    assert captured.err == ""
    assert {file.name for file in output.iterdir()} == EVERYTHING
    for plot in output.glob("*.png"):
        assert plot.read_bytes().startswith(b"\x89PNG")
    # A linear classifier reaches 87 % on these rows; the digits are those of other writers.
    assert result["validation"]["accuracy"] > 0.93
    assert result["test"]["accuracy"] > 0.85
    confusion = np.array(result["test"]["confusion"])
    assert confusion.sum() == result["test"]["rows"] == 360
    assert np.trace(confusion) / 360 == result["test"]["accuracy"]
    share = result["test"]["accuracy"]
    assert result["test"]["standard_error"] == pytest.approx((share * (1 - share) / 360) ** 0.5)
    assert f"{100 * share:.2f} % of 360 rows" in captured.out
    history = json.loads((output / "history.json").read_text())["epochs"]
    assert len(history) == result["epochs"] == 12
    best = history[result["best_epoch"] - 1]
    assert best["validation_accuracy"] == result["validation"]["accuracy"]
    assert best["validation_accuracy"] == max(one["validation_accuracy"] for one in history)
    kept = configured(read_toml(output / "configuration.toml"))
    assert (kept.hidden, kept.epochs) == ((100, 100), 12)


def test_the_best_parameters_are_kept_and_tested(tmp_path):
    result = one(tmp_path / "a", rows=200, validation=0.3, epochs=8, learning_rate=0.05)
    best = load_file(tmp_path / "a" / "best.safetensors")
    shorter = one(
        tmp_path / "b", rows=200, validation=0.3, epochs=result["best_epoch"], learning_rate=0.05
    )
    last = load_file(tmp_path / "b" / "last.safetensors")
    for name in ("scores.weight", "hidden1.bias"):
        assert np.array_equal(best[f"parameters/{name}"], last[f"parameters/{name}"])
    assert shorter["test"] == result["test"]


def test_without_validation_the_last_parameters_are_taken(tmp_path):
    result = one(tmp_path, rows=100, validation=0.0, epochs=3)
    assert (result["validation"], result["best_epoch"]) == (None, 3)
    best, last = (load_file(tmp_path / name) for name in ("best.safetensors", "last.safetensors"))
    assert np.array_equal(best["parameters/scores.weight"], last["parameters/scores.weight"])
    assert "no rows held out" in as_text(result, tmp_path)


def test_without_rows_to_test_on(tmp_path):
    np.savez(tmp_path / "a.npz", x=np.eye(20), y=np.arange(20) % 2)
    result = one(tmp_path / "out", data=str(tmp_path / "a.npz"), epochs=2)
    assert result["test"] is None
    assert "no rows to test on" in as_text(result, tmp_path)
    names = {file.name for file in (tmp_path / "out").iterdir()}
    assert names == EVERYTHING - {"confusion.png", "weights.png"}


def test_it_stops_early(tmp_path):
    result = one(tmp_path, rows=100, validation=0.3, epochs=60, patience=2, learning_rate=0.05)
    assert result["epochs"] == result["best_epoch"] + 2 < 60
    assert "validation_accuracy" in result["stopped"]
    assert "stopped early" in as_text(result, tmp_path)


class Halted(Exception):
    pass


@pytest.mark.parametrize(("epochs", "pause"), [(1, 5.0), (4, 5.0), (4, 0.0)])
def test_a_run_goes_on_to_the_same_bits(tmp_path, monkeypatch, epochs, pause):
    """From the checkpoint after the first epoch, or from that after the fourth."""
    monkeypatch.setattr("netparity.training.run.PAUSE", pause)
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    one(whole, **RICH)
    configuration = configured(RICH)
    parts.mkdir()

    def halt(epoch: Epoch) -> None:
        if epoch.epoch > epochs:
            raise Halted

    # It ends like a process that is killed: nothing is written after the last checkpoint.
    with pytest.raises(Halted):
        train(configuration, load(configuration), parts, on_epoch=halt)
    assert not (parts / "metrics.json").exists()
    run({}, parts, resume=True)
    assert same_files(whole, parts) == []


def test_an_interrupted_run_goes_on_from_the_middle_of_an_epoch(tmp_path):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    values = {**RICH, "epochs": 200}
    one(whole, **values)
    (tmp_path / "a.toml").write_text("".join(
        f"{name} = {json.dumps(value)}\n" for name, value in values.items()
    ))  # fmt: skip
    words = [sys.executable, "-m", "netparity", "train"]
    # It is sent after the first checkpoint, wherever the run is by then.
    process = subprocess.Popen(
        [*words, str(tmp_path / "a.toml"), "--output", str(parts)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
    )  # fmt: skip
    while not (parts / "last.safetensors").exists():
        assert process.poll() is None
        time.sleep(0.002)
    before = (parts / "last.safetensors").read_bytes()
    # Long enough for a few epochs, which take milliseconds.
    time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    out, error = process.communicate()
    # The next checkpoint by time would have come seconds later.
    assert (parts / "last.safetensors").read_bytes() != before
    assert (process.returncode, out) == (130, "")
    assert f"`netparity train --resume --output {parts}` goes on" in error
    result = run({}, parts, resume=True)
    assert result["epochs"] == 200
    assert same_files(whole, parts) == []


def test_a_longer_run_goes_on_from_a_shorter_one(tmp_path):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    one(whole, **{**RICH, "epochs": 5})
    one(parts, **{**RICH, "epochs": 2})
    assert cli.main(["train", "--resume", "--epochs", "5", "--output", str(parts)]) == 0
    assert (
        load_file(whole / "last.safetensors").keys() == load_file(parts / "last.safetensors").keys()
    )
    left, right = (json.loads((folder / "history.json").read_text()) for folder in (whole, parts))
    assert left == right


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--resume"], "there is no run in"),
        (["--resume", "--dropout", "0.4"], "gone on with as it was begun. Expected dropout 0.0"),
        (["--resume", "--hidden", "7"], "Expected hidden [100]. Received: [7]"),
    ],
)
def test_a_run_that_cannot_be_gone_on_with(tmp_path, capsys, words, said):
    if len(words) > 1:
        one(tmp_path, rows=50, epochs=1)
    assert cli.main(["train", *words, "--output", str(tmp_path)]) == 2
    assert said in capsys.readouterr().err


def test_a_run_without_a_checkpoint_cannot_be_gone_on_with(tmp_path, capsys):
    files.begin(tmp_path, Configuration())
    assert cli.main(["train", "--resume", "--output", str(tmp_path)]) == 2
    assert "has no checkpoint yet" in capsys.readouterr().err


def test_another_run_in_the_folder_removes_what_was_there(tmp_path):
    one(tmp_path, rows=50, epochs=1)
    (tmp_path / "mine.txt").write_text("mine")
    np.savez(tmp_path / "a.npz", x=np.eye(20), y=np.arange(20) % 2)
    one(tmp_path, data=str(tmp_path / "a.npz"), epochs=1)
    names = {file.name for file in tmp_path.iterdir()}
    assert names == EVERYTHING - {"confusion.png", "weights.png"} | {"mine.txt", "a.npz"}


def test_a_run_that_diverges_is_status_2_and_its_last_checkpoint_stays(tmp_path, capsys):
    words = ["train", "--rows", "100", "--optimizer", "sgd", "--output", str(tmp_path)]
    assert cli.main([*words, "--learning-rate", "1e30"]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "the loss is not finite at step 2" in captured.err
    assert "hint: lower the learning rate" in captured.err
    assert "Warning" not in captured.err
    assert not (tmp_path / "metrics.json").exists()


FULL = """
import resource, signal, sys
from netparity import cli
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
sys.exit(cli.main(sys.argv[1:]))
"""


def test_a_full_disk_is_status_2_and_the_last_checkpoint_stays(tmp_path):
    """No file may grow beyond 4 KiB: writing fails as on a disk without space."""
    one(tmp_path, rows=100, epochs=2)
    before = (tmp_path / "last.safetensors").read_bytes()
    words = ["train", "--resume", "--epochs", "4", "--output", str(tmp_path)]
    done = subprocess.run(
        [sys.executable, "-c", FULL, *words], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert "cannot be written" in done.stderr
    assert "Traceback" not in done.stderr
    assert (tmp_path / "last.safetensors").read_bytes() == before
    assert not [file for file in tmp_path.iterdir() if file.name.startswith(".")]
    result = run({"epochs": 4}, tmp_path, resume=True)
    assert result["epochs"] == 4


@pytest.mark.parametrize(
    "schedule",
    [
        {"rows": 100, "epochs": 60, "learning_rate": 0.05},
        {"schedule": "cosine", "warmup": 1.0},
        {"schedule": "plateau", "schedule_constants": {"patience": 1, "least_change": 0.0}},
    ],
)
def test_a_search_measures_what_a_run_does(tmp_path, schedule):
    # The first of these stops early.
    values = {**RICH, **schedule, "patience": 2}
    configuration = configured(values)
    data = load(configuration)
    seen: list[Epoch] = []
    best = validate(configuration, data, seen.append)
    run(values, tmp_path)
    history = json.loads((tmp_path / "history.json").read_text())["epochs"]
    assert [one.validation_accuracy for one in seen] == [
        one["validation_accuracy"] for one in history
    ]
    assert [one.loss for one in seen] == [one["loss"] for one in history]
    assert [one.learning_rate for one in seen] == [one["learning_rate"] for one in history]
    assert best == best_epoch(seen)
    assert (len(seen) < configuration.epochs) == ("rows" in schedule)


def test_results_as_json_alone(tmp_path, capsys):
    words = ["train", "--data", "xor", "--hidden", "8", "--epochs", "200", "--learning-rate",
             "0.1", "--output", str(tmp_path), "--format", "json"]  # fmt: skip
    assert cli.main(words) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["test"]["accuracy"] == 1.0
    assert result["test"]["confusion"] == [[2, 0], [0, 2]]
    assert not (tmp_path / "weights.png").exists()


def test_a_linear_network(tmp_path):
    result = one(tmp_path, hidden=[], epochs=3)
    assert result["parameters"] == 650


def test_the_dtype_is_that_of_all_values(tmp_path):
    for dtype in ("float32", "float64"):
        one(tmp_path / dtype, rows=100, epochs=1, dtype=dtype, hidden=[5], batch_norm=True)
        arrays = load_file(tmp_path / dtype / "last.safetensors")
        kinds = {
            str(array.dtype) for name, array in arrays.items() if not name.startswith("history/")
        }
        assert kinds == {dtype}
