"""Two losses are compared in the spelling they have most in common."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from tests.diagnosis.test_losses_between import check, compared, judged, with_loss

from netparity.diagnosis.explain.loss_forms import as_left_writes
from netparity.nn import CategoricalFocal, Huber, Loss, MeanSquaredError, MulticlassHinge

torch = pytest.importorskip("torch")
Array = np.ndarray[Any, Any]
MSE = MeanSquaredError


@pytest.mark.parametrize(
    ("left", "right", "written"),
    [
        (MSE(), MSE(outputs="sum", factor=0.35), MSE(factor=0.7)),
        (MSE(), MSE(outputs="sum"), MSE(outputs="sum")),
        (MSE(), MSE(outputs="sum", factor=0.5), MSE()),
        (Huber(0.5), Huber(0.5, "smooth-l1", factor=1.5), Huber(0.5, factor=3.0)),
        (CategoricalFocal(alpha=1.0, factor=0.25), CategoricalFocal(),
         CategoricalFocal(alpha=1.0, factor=0.25)),
        (MulticlassHinge(), MulticlassHinge(classes="mean", factor=1.4),
         MulticlassHinge(factor=0.7)),
    ],
)  # fmt: skip
def test_spellings(left: Loss, right: Loss, written: Loss) -> None:
    assert as_left_writes(left, right, 2) == written


def hinge(times: float, *, over: float) -> Any:
    """The sum of the margins over the wrong classes, times a constant, over N and a number."""

    def judge(s: Array, y: Array) -> tuple[float, Array]:
        rows = np.arange(len(s))
        margins = np.maximum(0, s - s[rows, y][:, None] + 1)
        margins[rows, y] = 0
        slope = (margins > 0).astype(s.dtype)
        slope[rows, y] = -slope.sum(axis=1)
        return times * margins.sum() / len(s) / over, times * slope / len(s) / over

    return judge


@pytest.mark.parametrize(
    ("times", "over", "ids"),
    [
        (0.7, 4, ["loss-factor"]),
        (3.0, 4, ["loss-factor"]),
        (1.0, 1, ["multiclass-hinge-margin"]),
        (1.0, 4, []),
    ],
)
def test_a_factor_is_no_other_hinge(times: float, over: float, ids: list[str]) -> None:
    margin = torch.nn.MultiMarginLoss()
    check(compared(judged(hinge(times, over=over)), with_loss(margin)), *ids)
