from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

import netparity.training.command
from netparity import cli
from netparity.training.configuration import NAMES, Configuration, configured
from netparity.training.options import Options

#: Every option, as it is written and what it makes of the configuration.
WRITTEN: list[tuple[list[str], dict[str, Any]]] = [
    (["--data", "mnist"], {"data": "mnist"}),
    (["--rows", "100"], {"rows": 100}),
    (["--validation", "0.25"], {"validation": 0.25}),
    (["--standardize", "feature"], {"standardize": "feature"}),
    (["--flip"], {"flip": True}),
    (["--no-flip"], {"flip": False}),
    (["--shift", "2"], {"shift": 2}),
    (["--hidden", "100", "50"], {"hidden": (100, 50)}),
    (["--no-hidden"], {"hidden": ()}),
    (["--activation", "elu"], {"activation": "elu"}),
    (["--initialization", "glorot"], {"initialization": "glorot"}),
    (["--batch-norm"], {"batch_norm": True}),
    (["--no-batch-norm"], {"batch_norm": False}),
    (["--dropout", "0.2"], {"dropout": 0.2}),
    (["--input-dropout", "0.1"], {"input_dropout": 0.1}),
    (["--loss", "hinge"], {"loss": "hinge"}),
    (["--label-smoothing", "0.1"], {"label_smoothing": 0.1}),
    (["--l2", "1e-4"], {"l2": 1e-4}),
    (["--optimizer", "sgd"], {"optimizer": "sgd"}),
    (
        ["--optimizer-constant", "beta1=0.8", "--optimizer-constant", "amsgrad=true"],
        {"optimizer_constants": {"beta1": 0.8, "amsgrad": True}},
    ),
    (
        ["--optimizer-constant", "epsilon-placement=hat"],
        {"optimizer_constants": {"epsilon_placement": "hat"}},
    ),
    (["--learning-rate", "0.5"], {"learning_rate": 0.5}),
    (["--weight-decay", "0.01"], {"weight_decay": 0.01}),
    (["--clip-norm", "2"], {"clip_norm": 2.0}),
    (["--schedule", "cosine"], {"schedule": "cosine"}),
    (["--schedule-constant", "final=0.1"], {"schedule_constants": {"final": 0.1}}),
    (["--warmup", "1.5"], {"warmup": 1.5}),
    (["--batch-size", "32"], {"batch_size": 32}),
    (["--epochs", "3"], {"epochs": 3}),
    (["--patience", "2"], {"patience": 2}),
    (["--seed", "9"], {"seed": 9}),
    (["--dtype", "float64"], {"dtype": "float64"}),
]


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Stands in for the training: records what the command line was understood as."""
    seen: dict[str, Any] = {}

    def run(values: Any, output: Path, **keywords: Any) -> dict[str, Any]:
        seen.update(keywords, values=values, output=output)
        return {}

    monkeypatch.setattr(netparity.training.command, "run", run)
    return seen


@pytest.mark.parametrize(("words", "values"), WRITTEN, ids=lambda one: str(one)[:30])
def test_each_option_sets_its_field(taken, words, values, tmp_path, capsys):
    assert cli.main(["train", *words, "--output", str(tmp_path), "--format", "json"]) == 0
    assert configured(taken["values"]) == Configuration(**values)


def test_there_is_an_option_for_each_field():
    options = {field.name.replace("_constant", "_constants") for field in fields(Options)}
    assert options == set(NAMES)
    written = {name for _, values in WRITTEN for name in values}
    assert written == set(NAMES)


def test_the_help_tells_the_defaults(capsys):
    assert cli.main(["train", "--help"]) == 0
    told = capsys.readouterr().out
    for text in ("[0.001]", "[adam]", "[float32]", "[100]", "netparity-train"):
        assert text in told
    assert Configuration().learning_rate == 0.001
    assert (Configuration().hidden, Configuration().batch_size) == ((100,), 100)


def test_options_override_the_file(taken, tmp_path, capsys):
    file = tmp_path / "a.toml"
    file.write_text(
        'epochs = 4\nhidden = [7]\noptimizer = "sgd"\n[optimizer_constants]\nmomentum = 0.9\n'
    )
    words = [str(file), "--epochs", "6", "--data-dir", str(tmp_path), "--resume"]
    assert cli.main(["train", *words, "--format", "json"]) == 0
    assert taken["values"] == {
        "epochs": 6, "hidden": [7], "optimizer": "sgd", "optimizer_constants": {"momentum": 0.9},
    }  # fmt: skip
    assert (taken["resume"], taken["data_dir"]) == (True, tmp_path)
    assert taken["output"] == Path("netparity-train")


@pytest.mark.parametrize(
    ("words", "said", "hint"),
    [
        (["--droput", "0.5"], "--droput", "--dropout"),
        (["--hiden", "5"], "--hiden", "--hidden"),
        (["--epochs", "many"], "many", ""),
        (["--optimizer", "adm"], "optimizer is not known", "did you mean `adam`?"),
        (["--optimizer-constant", "beta1"], "Expected `--optimizer-constant NAME=VALUE`", ""),
        (["--optimizer-constant", "beta_1=0.5"], "constant of the optimizer", "beta1"),
        (["--optimizer-constant", "beta1=much"], "beta1", ""),
        (["--data", "minst"], "data is not known", "did you mean `mnist`?"),
        (["absent.toml"], "`absent.toml` cannot be read", ""),
        (["--output", "/dev/null/a"], "cannot be made", ""),
    ],
)
def test_what_cannot_be_used_is_status_2(words, said, hint, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert cli.main(["train", *words]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("error: ")
    assert said in captured.err
    assert hint in captured.err
    assert "Traceback" not in captured.err


def test_an_unknown_key_of_the_file_names_file_and_nearest(tmp_path, capsys):
    file = tmp_path / "a.toml"
    file.write_text("bach_size = 3\n")
    assert cli.main(["train", str(file)]) == 2
    error = capsys.readouterr().err
    assert f"a key in `{file}` is not known" in error
    assert "did you mean `batch_size`?" in error
