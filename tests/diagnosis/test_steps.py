"""Steps of a side's own that do more with its gradients than its update rule does."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from tests.diagnosis.programs import Net, Program, in_numpy, in_torch
from tests.diagnosis.test_gradients import check, compared, never_cleared_state

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


def steps(change: Any = None, *, shows_loss: bool = True, program: Program = CLASSES) -> Any:
    """A NumPy program that shows no gradients."""

    def build() -> netparity.Scratch:
        net = Net(program)
        if change is not None:
            change(net)
        return netparity.Scratch(
            parameters=net.values,
            state=net.kept,
            predict=net.predict,
            loss=net.loss if shows_loss else None,
            step=lambda x, y: net.update(net.gradients(x, y)),
        )

    return build


def slope_of_input(net: Net) -> None:
    """The formula for tanh's output is given its input."""
    net.slope = lambda z, a: 1 - z * z  # type: ignore[method-assign]


@pytest.mark.parametrize("shows_loss", [True, False])
@pytest.mark.parametrize(
    ("change", "id"),
    [(never_cleared_state, "gradients-not-zeroed"), (slope_of_input, "gradient-wrong")],
)
def test_mistakes_of_a_program_that_shows_its_steps_alone(
    change: Any, id: str, shows_loss: bool
) -> None:
    report = compared(in_numpy(CLASSES), steps(change, shows_loss=shows_loss), CLASSES)
    check(report, id)
    assert "Bug on the right" in report.causes[0].statement


def decaying(*others: Any) -> Any:
    """A decay inside the update, and other changes."""

    def change(net: Net) -> None:
        rule = net.update
        net.update = lambda gradients: rule(  # type: ignore[method-assign]
            {n: g + 0.125 * net.values[n] for n, g in gradients.items()}
        )
        for other in others:
            other(net)

    return change


def test_a_mistake_beside_a_decay_that_both_have() -> None:
    left = in_numpy(CLASSES, change=decaying())
    check(compared(left, steps(decaying(slope_of_input)), CLASSES), "gradient-wrong")


def test_steps_alone_that_are_right() -> None:
    check(compared(in_numpy(CLASSES), steps(), CLASSES))
