"""Steps of a side's own that do more with its gradients than its update rule does."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from tests.diagnosis.programs import Program, in_numpy, in_torch
from tests.diagnosis.test_gradients import check, compared

import netparity

torch = pytest.importorskip("torch")
CLASSES = Program("tanh", "cross-entropy", "momentum", sizes=(5, 8, 4))


def loop(program: Program, *, clears: bool = True, share: float = 1.0, dtype: Any) -> Any:
    """A training loop as it is written in PyTorch."""

    def build() -> netparity.Torch:
        side = in_torch(program, dtype)()
        loss = torch.nn.CrossEntropyLoss()

        def train_step(x: Any, y: Any) -> None:
            if clears:
                side.optimizer.zero_grad()
            (loss(side.module(x), y) * share).backward()
            side.optimizer.step()

        return netparity.Torch(side.module, loss, side.optimizer, train_step=train_step)

    return build


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("turned", [False, True])
def test_gradients_that_no_step_clears(dtype: Any, turned: bool) -> None:
    sides = [in_numpy(CLASSES, dtype), loop(CLASSES, clears=False, dtype=dtype)]
    report = compared(*sides[:: -1 if turned else 1], CLASSES)
    check(report, "gradients-not-zeroed")
    assert f"Bug on the {'left' if turned else 'right'}" in report.causes[0].statement


def test_a_step_on_a_part_of_the_loss() -> None:
    report = compared(in_numpy(CLASSES), loop(CLASSES, share=0.25, dtype=np.float64), CLASSES)
    check(report, "gradient-factor")
    assert "0.25 times the gradients" in report.causes[0].statement
    assert "learning-rate-value" in report.causes[0].also
    assert (
        report.causes[0].fix.right == "loss = 4 * loss  # so that loss and gradient belong together"
    )


def test_a_step_like_any_other_is_parity() -> None:
    check(compared(in_numpy(CLASSES), loop(CLASSES, dtype=np.float64), CLASSES))
