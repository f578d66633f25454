"""Plots are looked at by people; here: that they are drawn, whatever a search was like."""

from __future__ import annotations

import io

import matplotlib.image
import pytest

pytest.importorskip("optuna")

from netparity.tuning.plots import draw_curves, draw_importances, draw_study
from netparity.tuning.summary import Tried, importances, label

POINT = {"optimizer": "adam", "rate": 1.5, "width": 100, "depth": 2, "batch_norm": True}


def tried(number: int, state: str, *curve: float) -> Tried:
    value = curve[-1] if curve else None
    return Tried(
        number=number, state=state, value=value, point=POINT, curve=curve, retry_of=None,
    )  # fmt: skip


TRIALS = (
    tried(0, "complete", 0.1, 0.3, 0.4),
    tried(1, "pruned", 0.1),
    tried(2, "failed"),
    tried(3, "diverged", 0.0),
    tried(4, "complete", 0.2, 0.45, 0.44),
    *(tried(5 + place, "complete", 0.4) for place in range(8)),
)


def height(png: bytes) -> int:
    return matplotlib.image.imread(io.BytesIO(png)).shape[0]


@pytest.mark.parametrize("coarse", [(), TRIALS[:1], TRIALS])
@pytest.mark.parametrize("fine", [(), TRIALS])
def test_any_history(coarse, fine):
    assert height(draw_study(coarse, fine, "a title with $ and _")) > 100


@pytest.mark.parametrize("trials", [(), TRIALS[1:3], TRIALS])
def test_any_curves(trials):
    assert height(draw_curves(trials, list(POINT), "x")) > 100


def test_importances_grow_with_their_number():
    few = draw_importances({"a": 1.0}, "x")
    many = draw_importances({str(name): 0.1 for name in range(10)}, "x")
    assert height(many) > height(few)


def test_what_matters_is_found():
    import optuna

    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.RandomSampler(seed=0))
    assert importances(study) == {}
    for _ in range(60):
        trial = study.ask()
        rate, dropout = trial.suggest_float("rate", 0, 1), trial.suggest_float("dropout", 0, 1)
        study.tell(trial, rate + 0.01 * dropout)
    found = importances(study)
    assert list(found) == [label("rate"), "dropout"]
    assert found[label("rate")] > 0.9
    assert sum(found.values()) == pytest.approx(1.0)
