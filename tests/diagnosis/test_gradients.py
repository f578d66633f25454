"""Mistakes in backward passes, in NumPy programs against ones that are right."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from tests.diagnosis.programs import Array, Net, Program, Values, in_numpy, in_torch
from tests.diagnosis.test_losses_between import softmax

import netparity
from netparity import nn
from netparity.conventions import Conventions
from netparity.diagnosis.backward import slope_guesses

CLASSES = Program("tanh", "cross-entropy", "sgd", sizes=(5, 8, 6, 4))
NUMBERS = Program("sigmoid", "mse", "momentum", sizes=(5, 8, 6, 3))


def wrong(program: Program, change: Callable[[Net], None], dtype: Any = np.float64) -> Any:
    return in_numpy(program, dtype, change=change)


def compared(left: Any, right: Any, program: Program) -> netparity.Report:
    return netparity.compare(left, right, data=program.data(), steps=5)


def check(report: netparity.Report, *ids: str) -> None:
    told = "\n".join(
        [f"{c.id}: {c.statement}" for c in report.causes]
        + [str(u) for u in report.unexplained]
        + [f"latent {c.id}" for c in report.latent]
        + list(report.notes)
    )
    assert {c.id for c in report.causes} == set(ids), told
    assert report.unexplained == (), told
    assert report.latent == (), told
    assert report.explained, told


def no_slope(net: Net) -> None:
    net.slope = lambda z, a: np.ones_like(z)  # type: ignore[method-assign]


def slope_of_output(net: Net) -> None:
    true = net.slope
    net.slope = lambda z, a: true(a, net.bend(a))  # type: ignore[method-assign]


def slope_of_input(net: Net) -> None:
    net.slope = lambda z, a: z * (1 - z)  # type: ignore[method-assign]


def mean_of_biases(net: Net) -> None:
    true = net.gradients

    def gradients(x: Array, y: Array) -> Values:
        found = true(x, y)
        return {n: g / len(x) if n.startswith("b") else g for n, g in found.items()}

    net.gradients = gradients  # type: ignore[method-assign]


def no_division(net: Net) -> None:
    true = net.judge

    def judge(s: Array, y: Array) -> tuple[float, Array]:
        value, slope = true(s, y)
        return value, slope * len(s)

    net.judge = judge  # type: ignore[method-assign]


def diagonal(net: Net) -> None:
    def judge(s: Array, y: Array) -> tuple[float, Array]:
        p = softmax(s)
        target = np.eye(s.shape[1])[y]
        return -np.sum(target * np.log(p)) / len(s), -target / p * p * (1 - p) / len(s)

    net.judge = judge  # type: ignore[method-assign]


def noise(net: Net) -> None:
    true = net.gradients

    def gradients(x: Array, y: Array) -> Values:
        found = true(x, y)
        return found | {"W2": found["W2"] + 0.01 * np.cos(net.values["W2"])}

    net.gradients = gradients  # type: ignore[method-assign]


@pytest.mark.parametrize(
    ("program", "change", "id", "where"),
    [
        (CLASSES, no_slope, "gradient-wrong", "left out"),
        (NUMBERS, no_slope, "gradient-wrong", "left out"),
        (NUMBERS, slope_of_output, "gradient-wrong", "taken at its output"),
        (NUMBERS, slope_of_input, "gradient-wrong", "is given its input"),
        (NUMBERS, mean_of_biases, "gradient-wrong", "1/N"),
        (CLASSES, no_division, "softmax-grad-extra-batch", "1·N"),
        (CLASSES, diagonal, "softmax-jacobian-diagonal", "diagonal"),
        (CLASSES, noise, "gradient-wrong", "central differences"),
    ],
)
@pytest.mark.parametrize("side", ["left", "right"])
def test_the_mistake_and_its_side(
    program: Program, change: Any, id: str, where: str, side: str
) -> None:
    sides = [wrong(program, change), in_numpy(program)]
    report = compared(*(sides if side == "left" else sides[::-1]), program)
    check(report, id)
    (cause,) = report.causes
    assert f"Bug on the {side}" in cause.statement
    assert where in cause.statement
    assert (cause.fix.left is None) == (side == "right")


def test_a_mistake_in_float32() -> None:
    sides = wrong(NUMBERS, no_slope, np.float32), in_numpy(NUMBERS, np.float32)
    check(compared(*sides, NUMBERS), "gradient-wrong")


def bounded(net: Net) -> None:
    """The logarithm is kept finite in the loss, and the gradient is p − y as everywhere."""

    def judge(s: Array, y: Array) -> tuple[float, Array]:
        p, rows = softmax(s), np.arange(len(s))
        value = -np.mean(np.log(p[rows, y] + 1e-8))
        p[rows, y] -= 1
        return value, p / len(s)

    net.judge = judge  # type: ignore[method-assign]


def test_a_bound_in_the_loss_alone_is_no_mistake_of_the_gradient() -> None:
    pytest.importorskip("torch")
    check(compared(wrong(CLASSES, bounded), in_torch(CLASSES), CLASSES), "loss-epsilon-clipping")
    check(compared(in_torch(CLASSES), wrong(CLASSES, bounded), CLASSES), "loss-epsilon-clipping")


def predicts_probabilities(change: Any) -> Callable[[Net], None]:
    """The same program, whose predictions are probabilities."""

    def changed(net: Net) -> None:
        change(net)
        net.predict = lambda x: softmax(net.forward(x)[1][-1])  # type: ignore[method-assign]
        judge = net.judge
        net.loss = lambda x, y: judge(net.forward(x)[1][-1], y)[0]  # type: ignore[method-assign]

    return changed


def test_behind_a_softmax_that_the_loss_takes_apart() -> None:
    pytest.importorskip("torch")
    for change, id in ((bounded, "loss-epsilon-clipping"), (diagonal, "softmax-jacobian-diagonal")):
        side = wrong(CLASSES, predicts_probabilities(change))
        check(compared(side, in_torch(CLASSES), CLASSES), id)


def never_cleared(net: Net) -> None:
    """Gradients are added to arrays that are made once."""
    true, kept = net.gradients, {n: np.zeros_like(v) for n, v in net.values.items()}

    def gradients(x: Array, y: Array) -> Values:
        for name, gradient in true(x, y).items():
            kept[name] += gradient
        return kept

    net.gradients = gradients  # type: ignore[method-assign]


def never_cleared_state(net: Net) -> None:
    """The same, where the arrays are part of the state that the program shows."""
    true = net.gradients
    net.kept |= {f"sum_{n}": np.zeros_like(v) for n, v in net.values.items()}

    def gradients(x: Array, y: Array) -> Values:
        for name, gradient in true(x, y).items():
            net.kept[f"sum_{name}"] += gradient
        return {n: net.kept[f"sum_{n}"].copy() for n in net.values}

    net.gradients = gradients  # type: ignore[method-assign]


@pytest.mark.parametrize("change", [never_cleared, never_cleared_state])
def test_gradients_that_pile_up(change: Callable[[Net], None]) -> None:
    report = compared(in_numpy(CLASSES), wrong(CLASSES, change), CLASSES)
    check(report, "gradients-not-zeroed")
    assert "Bug on the right" in report.causes[0].statement


def test_right_backward_passes_are_parity() -> None:
    for program in (CLASSES, NUMBERS):
        check(compared(in_numpy(program), in_numpy(program), program))


def penalized(times: float) -> Callable[[Net], None]:
    """A penalty ½·0.1·Σw² beside a loss whose gradient is multiplied."""

    def change(net: Net) -> None:
        loss, gradients = net.loss, net.gradients
        weights = [n for n in net.values if n.startswith("W")]

        def both(x: Array, y: Array) -> Values:
            pull = {n: 0.1 * net.values[n] for n in weights}
            return {n: times * g + pull.get(n, 0.0) for n, g in gradients(x, y).items()}

        net.loss = lambda x, y: (  # type: ignore[method-assign]
            loss(x, y) + 0.05 * sum(float(np.sum(net.values[n] ** 2)) for n in weights)
        )
        net.gradients = both  # type: ignore[method-assign]

    return change


def test_a_factor_on_the_part_of_the_data_alone() -> None:
    sides = [wrong(CLASSES, penalized(times)) for times in (1.0, 0.5)]
    report = compared(*sides, CLASSES)
    check(report, "gradient-factor")
    assert "0.5 times" in report.causes[0].statement


def test_one_gradient_is_doubled_with_its_penalty() -> None:
    def doubled(net: Net) -> None:
        penalized(1.0)(net)
        right = net.gradients
        net.gradients = lambda x, y: {  # type: ignore[method-assign]
            n: 2 * g if n == "W1" else g for n, g in right(x, y).items()
        }

    report = compared(wrong(CLASSES, penalized(1.0)), wrong(CLASSES, doubled), CLASSES)
    check(report, "gradient-wrong")
    assert "2 times" in report.causes[0].statement


def test_no_slope_is_left_out_of_a_dropout() -> None:
    layers = (("in", nn.Affine(2, 3)), ("drop", nn.Dropout(0.5)), ("bend", nn.Tanh()),
              ("out", nn.Affine(3, 1)))  # fmt: skip
    guessed = {s.layer for some in slope_guesses(Conventions(layers=layers)) for s in some}
    assert guessed == {"bend"}


def test_a_factor_beside_a_bound_that_the_gradient_does_not_know() -> None:
    def half(net: Net) -> None:
        bounded(net)
        true = net.gradients
        net.gradients = lambda x, y: {  # type: ignore[method-assign]
            n: 0.5 * g for n, g in true(x, y).items()
        }

    sides = [wrong(CLASSES, predicts_probabilities(change)) for change in (bounded, half)]
    check(compared(*sides, CLASSES), "gradient-factor")
