from __future__ import annotations

import tomllib
from dataclasses import fields
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netparity.errors import InputError
from netparity.training import choices
from netparity.training.configuration import (
    NAMES,
    Configuration,
    as_values,
    configured,
    overridden,
)
from netparity.training.toml import as_toml, read_toml

TEXTS = st.text(st.characters(codec="utf-8"), max_size=8)
NUMBERS = st.floats(allow_nan=False) | st.integers(-(2**62), 2**62)
SCALARS = st.booleans() | NUMBERS | TEXTS
KEYS = st.from_regex(r"[a-z_][a-z_0-9]{0,8}", fullmatch=True)


@given(st.dictionaries(KEYS, SCALARS | st.lists(NUMBERS) | st.dictionaries(KEYS, SCALARS)))
def test_toml_gives_back_what_was_written(values):
    read = tomllib.loads(as_toml(values, comment="first\nsecond"))
    # A table with nothing in it is not written.
    kept = {name: value for name, value in values.items() if value != {}}
    assert read == kept
    assert [type(value) for value in read.values()] == [type(kept[name]) for name in read]


def test_a_configuration_goes_through_toml(tmp_path: Path):
    configuration = Configuration(
        data="mnist", rows=17_000, hidden=(256, 256), batch_norm=True, dropout=0.3,
        optimizer="sgd", optimizer_constants={"momentum": 0.9, "nesterov": True},
        clip_norm=1.5, patience=4, seed=7,
    )  # fmt: skip
    file = tmp_path / "configuration.toml"
    file.write_text(as_toml(as_values(configuration)), encoding="utf-8")
    assert configured(read_toml(file)) == configuration
    # What is None is left out, and None again when it is read.
    assert configured(tomllib.loads(as_toml(as_values(Configuration())))) == Configuration()


def test_every_name_is_checked_and_the_nearest_told():
    for name, wrong, nearest in (
        ("activation", "rellu", "relu"),
        ("initialization", "glorrot", "glorot"),
        ("loss", "crossentropy", "cross-entropy"),
        ("standardize", "globally", "global"),
        ("optimizer", "admm", "adam"),
        ("dtype", "flot32", "float32"),
    ):
        with pytest.raises(InputError) as caught:
            configured({name: wrong})
        assert f"{name} is not known" in caught.value.message
        assert repr(wrong) in caught.value.message
        assert caught.value.hint == f"did you mean `{nearest}`?"


def test_an_unknown_key_names_the_nearest():
    with pytest.raises(InputError) as caught:
        configured({"drop_out": 0.5}, "`a.toml`")
    assert "a key in `a.toml` is not known" in caught.value.message
    assert caught.value.hint == "did you mean `dropout`?"
    with pytest.raises(InputError) as caught:
        configured({"xyz": 0.5})
    assert caught.value.hint is None


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"dropout": 1.0}, "dropout is out of range. Expected a finite number of at least 0 and"),
        ({"dropout": float("nan")}, "Received: nan"),
        ({"learning_rate": float("inf")}, "learning_rate is out of range"),
        ({"learning_rate": -1}, "Received: -1"),
        ({"hidden": [10, 0]}, "hidden is out of range. Expected a finite number of at least 1. "),
        ({"epochs": 0}, "epochs is out of range"),
        ({"patience": 0}, "patience is out of range"),
        ({"seed": -1}, "seed is out of range"),
        ({"rows": 0}, "rows is out of range"),
        ({"epochs": "many"}, "`epochs` is of another type. Expected int, got str"),
        ({"hidden": "wide"}, "`hidden` is of another type"),
        ({"hidden": [1.5]}, "`hidden[0]` is of another type"),
        ({"batch_norm": 1}, "`batch_norm` is of another type"),
        ({"loss": "hinge", "label_smoothing": 0.1}, "goes with the cross-entropy only"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said(values, said):
    with pytest.raises(InputError) as caught:
        configured(values)
    assert said in caught.value.message


def test_whole_numbers_are_taken_for_others():
    assert configured({"learning_rate": 1, "dropout": 0}).learning_rate == 1.0


def test_no_field_goes_unchecked():
    from netparity.training import configuration as module

    free = {"data", "flip", "batch_norm", "optimizer_constants", "schedule_constants"}
    assert {*module._NAMES, *module._RANGES, *free} == set(NAMES)
    assert tuple(field.name for field in fields(Configuration)) == NAMES


def test_options_go_over_the_file():
    file = {"epochs": 5, "optimizer": "sgd", "optimizer_constants": {"momentum": 0.9}}
    assert overridden(file, {"epochs": 7})["epochs"] == 7
    kept = overridden(file, {"optimizer": "sgd", "optimizer_constants": {"nesterov": True}})
    assert kept["optimizer_constants"] == {"momentum": 0.9, "nesterov": True}
    # The constants of another optimizer are no longer any.
    assert "optimizer_constants" not in overridden(file, {"optimizer": "adam"})
    assert file["optimizer_constants"] == {"momentum": 0.9}


def test_the_docstring_tells_every_field():
    told = Configuration.__doc__ or ""
    assert [name for name in NAMES if f"        {name}: " not in told] == []


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"epochs = ", "is not TOML"), (b"\xff = 1", "it is not UTF-8"), (None, "No such file")],
)
def test_a_file_that_cannot_be_read(tmp_path: Path, content, said):
    file = tmp_path / "a.toml"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(InputError, match=said) as caught:
        read_toml(file)
    assert str(file) in caught.value.message


def test_choices_are_one_list():
    with pytest.raises(InputError, match="Expected one of none, global, feature"):
        choices.choose("standardize", "x", choices.STANDARDIZATIONS)
