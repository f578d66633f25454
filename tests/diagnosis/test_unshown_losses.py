"""Programs that show their gradients and not their loss."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from tests.diagnosis.programs import Array, Net, Program, Values, in_numpy
from tests.diagnosis.test_losses_between import softmax

import netparity

CLASSES = Program("tanh", "cross-entropy", "sgd", sizes=(5, 8, 4))
NUMBERS = Program("tanh", "mse", "sgd", sizes=(5, 8, 3))


def hidden(
    program: Program,
    *,
    times: float = 1.0,
    probabilities: bool = False,
    kind: type[Net] = Net,
    decay: float = 0.0,
) -> Any:
    """The program without its loss; its gradients are multiplied, and weights decay in them."""

    def build() -> netparity.Scratch:
        net = kind(program)

        def gradients(x: Array, y: Array) -> Values:
            pull = {n: decay * v if n.startswith("W") else 0.0 for n, v in net.values.items()}
            return {n: times * g + pull[n] for n, g in net.gradients(x, y).items()}

        def predict(x: Array) -> Array:
            return softmax(net.predict(x)) if probabilities else net.predict(x)

        return netparity.Scratch(
            parameters=net.values, predict=predict, gradients=gradients, update=net.update
        )

    return build


class Smoothed(Net):
    """A tenth of each target is shared out."""

    def judge(self, scores: Array, y: Array) -> tuple[float, Array]:
        p = softmax(scores)
        shared = 0.9 * np.eye(scores.shape[1])[y] + 0.1 / scores.shape[1]
        return float(-np.sum(shared * np.log(p)) / len(p)), (p - shared) / len(p)


class Hinged(Net):
    """Margins of 1 in place of likelihoods."""

    def judge(self, scores: Array, y: Array) -> tuple[float, Array]:
        rows = np.arange(len(scores))
        margins = np.maximum(0, scores - scores[rows, y][:, None] + 1)
        margins[rows, y] = 0
        delta = (margins > 0).astype(float)
        delta[rows, y] = -delta.sum(axis=1)
        return float(margins.sum() / len(scores)), delta / len(scores)


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


@pytest.mark.parametrize(("kind", "id"), [(Smoothed, "label-smoothing"), (Hinged, "loss-kind")])
@pytest.mark.parametrize("decay", [0.0, 0.02])
def test_another_loss_is_read_from_its_gradients(kind: type[Net], id: str, decay: float) -> None:
    report = compared(in_numpy(CLASSES), hidden(CLASSES, kind=kind, decay=decay), CLASSES)
    assert [c.id for c in report.causes] == [id, *(["penalty-absent"] if decay else [])]
    assert report.explained
    assert next(s for s in report.stages if s.stage == "loss").reason


def test_a_loss_that_no_side_shows_is_read_from_gradients() -> None:
    both = hidden(CLASSES, kind=Hinged), hidden(CLASSES, kind=Hinged, decay=0.02)
    assert compared(both[0], both[0], CLASSES).verdict == "parity"
    report = compared(*both, CLASSES)
    assert [c.id for c in report.causes] == ["penalty-absent"]
    assert report.explained


def test_a_factor_beside_a_penalty_belongs_to_the_loss_that_nobody_shows() -> None:
    report = compared(in_numpy(CLASSES), hidden(CLASSES, times=0.7, decay=0.02), CLASSES)
    assert [c.id for c in report.causes] == ["loss-factor", "penalty-absent"]
    assert "gradient-factor" in report.causes[0].also
    assert report.explained
