"""Programs that show their gradients and not their loss."""

from __future__ import annotations

from typing import Any

import pytest
from tests.diagnosis.programs import Array, Net, Program, Values, in_numpy
from tests.diagnosis.test_losses_between import softmax

import netparity

CLASSES = Program("tanh", "cross-entropy", "sgd", sizes=(5, 8, 4))
NUMBERS = Program("tanh", "mse", "sgd", sizes=(5, 8, 3))


def hidden(program: Program, *, times: float = 1.0, probabilities: bool = False) -> Any:
    """The program without its loss; its gradients are multiplied."""

    def build() -> netparity.Scratch:
        net = Net(program)

        def gradients(x: Array, y: Array) -> Values:
            return {n: times * g for n, g in net.gradients(x, y).items()}

        def predict(x: Array) -> Array:
            return softmax(net.predict(x)) if probabilities else net.predict(x)

        return netparity.Scratch(
            parameters=net.values, predict=predict, gradients=gradients, update=net.update
        )

    return build


def compared(left: Any, right: Any, program: Program) -> netparity.Report:
    return netparity.compare(left, right, data=program.data(), steps=5)


@pytest.mark.parametrize("probabilities", [False, True])
def test_the_same_gradients_beside_a_side_that_shows_its_loss(probabilities: bool) -> None:
    report = compared(in_numpy(CLASSES), hidden(CLASSES, probabilities=probabilities), CLASSES)
    assert report.verdict == "parity"


@pytest.mark.parametrize("program", [CLASSES, NUMBERS])
def test_neither_shows_its_loss(program: Program) -> None:
    assert compared(hidden(program, times=3), hidden(program, times=3), program).verdict == "parity"
    report = compared(hidden(program), hidden(program, times=0.5), program)
    assert [c.id for c in report.causes] == ["gradient-factor"]
    assert "loss-factor" in report.causes[0].also
    assert report.explained
