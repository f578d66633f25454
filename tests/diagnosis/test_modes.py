"""Each side in the mode in which it was handed over, and randomness left on in inference."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import netparity
from netparity.report.model import Report

X = np.random.default_rng(0).standard_normal((24, 4)).astype(np.float32).astype(float)
Y = np.random.default_rng(1).integers(0, 3, 24)


def module(rate: float, kind: type[nn.Module] = nn.Dropout) -> Any:
    rng = np.random.default_rng(3)
    made = nn.Sequential(
        nn.Linear(4, 6, dtype=torch.float64), nn.ReLU(), kind(rate),
        nn.Linear(6, 3, dtype=torch.float64),
    )  # fmt: skip
    with torch.no_grad():
        for value in made.parameters():
            value.copy_(torch.from_numpy(rng.standard_normal(tuple(value.shape)) / 2))
    return made


def side(
    *, rate: float = 0.5, train: bool = True, whole: bool = True, kind: Any = nn.Dropout
) -> Callable[[], netparity.Torch]:
    def build() -> netparity.Torch:
        made = module(rate, kind)
        made.train(train)
        if not whole:
            return netparity.Torch(made)
        sgd = torch.optim.SGD(made.parameters(), lr=0.05)
        return netparity.Torch(made, nn.CrossEntropyLoss(), sgd)

    return build


def compare(left: Any, right: Any) -> Report:
    return netparity.compare(left, right, data=(X, Y), steps=5)


def test_a_module_left_in_inference_mode_is_trained_in_it() -> None:
    report = compare(side(), side(train=False))
    (cause,) = report.causes
    assert cause.id == "dropout-training-flag"
    assert cause.where == ("predictions as handed over",)
    assert (cause.fix.left, cause.fix.right) == ("model.eval()", "model.train()")
    assert report.explained
    assert report.gap.before > report.gap.noise_floor >= report.gap.after  # type: ignore[operator]


def test_the_other_way_round_and_beside_another_cause() -> None:
    def slower() -> netparity.Torch:
        made = module(0.5)
        return netparity.Torch(
            made, nn.CrossEntropyLoss(), torch.optim.SGD(made.parameters(), lr=0.02)
        )

    report = compare(side(train=False), slower)
    assert {c.id for c in report.causes} == {"dropout-training-flag", "learning-rate-value"}
    assert report.explained


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (side(train=False), side(train=False)),
        (side(rate=0.0), side(rate=0.0, train=False)),
    ],
    ids=["both left in inference mode", "a rate of zero"],
)
def test_near_misses(left: Any, right: Any) -> None:
    assert compare(left, right).verdict == "parity"


def test_calls_alone_are_made_in_the_mode_handed_over() -> None:
    report = compare(side(whole=False), side(whole=False, train=False))
    assert [c.id for c in report.causes] == ["dropout-training-flag"]
    assert compare(side(whole=False), side(whole=False)).verdict == "parity"


def normalized(*, train: bool) -> Callable[[], netparity.Torch]:
    def build() -> netparity.Torch:
        made = module(0.0)
        made[1] = nn.BatchNorm1d(6, dtype=torch.float64)
        made.train(train)
        sgd = torch.optim.SGD(made.parameters(), lr=0.05)
        return netparity.Torch(made, nn.CrossEntropyLoss(), sgd)

    return build


def test_running_statistics_in_a_module_left_in_inference_mode() -> None:
    report = compare(normalized(train=True), normalized(train=False))
    (cause,) = report.causes
    assert (cause.id, cause.also) == ("bn-train-eval", ())
    assert report.explained


class Always(nn.Module):
    """Dropout as ``F.dropout`` does it where nobody tells it the mode."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, x: Any) -> Any:
        return nn.functional.dropout(x, self.rate)


def test_dropout_that_is_left_on_in_inference() -> None:
    report = compare(side(), side(kind=Always))
    (cause,) = report.causes
    assert (cause.id, cause.where) == ("dropout-training-flag", ("right: 2",))
    assert "after 0, 1" in cause.statement
    stages = {s.stage: s for s in report.stages}
    assert stages["forward"].status == "different"
    assert stages["init"].status == "equal"
    assert "masked by dropout-training-flag" in (stages["loss"].reason or "")
    assert report.unexplained == ()
    assert "x = F.dropout(x, p, training=self.training)" in str(cause.fix.right)


def test_two_sides_that_both_leave_it_on_do_the_same() -> None:
    report = compare(side(kind=Always), side(kind=Always))
    assert report.causes == ()
