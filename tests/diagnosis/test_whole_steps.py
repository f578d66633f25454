"""Sides that show their whole steps alone: what these are made of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from tests.diagnosis.programs import Net, Program, in_numpy
from tests.diagnosis.test_gradients import check, compared
from tests.diagnosis.test_steps import CLASSES, steps

from netparity import nn
from netparity.diagnosis.step_units import Made, in_common
from netparity.diagnosis.update import Call, Updates, as_one, missed
from netparity.diagnosis.update.rates import from_rate


def at(schedule: nn.Schedule) -> Callable[[Net], None]:
    """The rate of each update is that of a schedule."""

    def change(net: Net) -> None:
        rule = net.update

        def update(gradients: Any) -> None:
            net.program = replace(net.program, learning_rate=schedule(net.kept["t"]))
            rule(gradients)

        net.update = update  # type: ignore[method-assign]

    return change


HALVING = nn.ExponentialDecay(0.05, 0.5, 4, staircase=True)


@pytest.mark.parametrize(
    "schedule", [HALVING, nn.CosineDecay(0.05, 5), nn.PolynomialDecay(0.05, 8, power=2.0)]
)
def test_a_schedule_that_only_steps_show(schedule: nn.Schedule) -> None:
    report = compared(in_numpy(CLASSES), steps(at(schedule)), CLASSES)
    check(report, "schedule-kind")
    assert repr(schedule) in report.causes[0].right


@pytest.mark.parametrize("shows_loss", [True, False])
def test_one_schedule_behind_the_steps_of_both_sides_is_parity(shows_loss: bool) -> None:
    sides = [steps(at(HALVING), shows_loss=shows_loss) for _ in range(2)]
    check(compared(sides[0], sides[1], CLASSES))


def test_first_updates_are_one_update_of_all_their_parameters() -> None:
    rng = np.random.default_rng(0)
    rule = nn.AdaGrad(0.1, 1e-7, initial_accumulator=0.1)
    before = {"w": rng.standard_normal(3)}
    calls = [Call(before, {"w": rng.standard_normal(3)}) for _ in range(2)]
    after = [rule.update(before, c.gradient, rule.initialize(before))[0] for c in calls]
    one = as_one(Updates(tuple(calls), tuple(after)))
    (call,) = one.calls
    own, _ = rule.update(call.before, call.gradient, rule.initialize(call.before))
    assert set(own) == set(one.after[0])
    assert len(own) == 2
    assert all(np.array_equal(own[n], v) for n, v in one.after[0].items())


@pytest.mark.parametrize(
    "schedule",
    [HALVING, nn.CosineDecay(0.05, 5, end=0.01), nn.PiecewiseConstant((4,), (0.05, 0.005))],
)
def test_a_schedule_from_another_first_rate(schedule: nn.Schedule) -> None:
    twice = from_rate(schedule, 0.1)
    np.testing.assert_allclose([twice(t) for t in range(9)], [2 * schedule(t) for t in range(9)])
    assert from_rate(schedule, 0.05) is schedule


def smoothed(share: float) -> Callable[[Net], None]:
    """A share of each target is spread over all classes."""

    def change(net: Net) -> None:
        judge = net.judge

        def other(scores: Any, y: Any) -> tuple[float, Any]:
            loss, gradient = judge(scores, y)
            classes = scores.shape[1]
            spread = np.eye(classes)[y] - 1 / classes
            return loss, gradient + share * spread / len(scores)

        net.judge = other  # type: ignore[method-assign]

    return change


def test_a_constant_of_a_loss_that_only_steps_show() -> None:
    report = compared(in_numpy(CLASSES), steps(smoothed(0.15), shows_loss=False), CLASSES)
    check(report, "label-smoothing")
    assert "0.15" in report.causes[0].right


def test_another_loss_that_only_steps_show() -> None:
    def distances(net: Net) -> None:
        def judge(scores: Any, y: Any) -> tuple[float, Any]:
            return 0.0, np.tanh(scores - y) / scores.size

        net.judge = judge  # type: ignore[method-assign]

    numbers = Program("tanh", "mse", "momentum", sizes=(5, 8, 4))
    sides = in_numpy(numbers), steps(distances, shows_loss=False, program=numbers)
    check(compared(*sides, numbers), "loss-kind")


def test_a_factor_on_the_gradients_is_told_as_one_cause() -> None:
    """Gradients three times as large, with ε and all penalties so too, make the same steps."""
    dtype = np.dtype(float)
    theirs = Made(nn.MeanSquaredError(), (nn.L1(0.02),), nn.Adam(0.01, epsilon=1e-8))
    found = Made(nn.MeanSquaredError(outputs="sum"), (nn.L1(0.06),), nn.Adam(0.01, epsilon=3e-8))
    best = next(in_common(found, theirs, dtype))
    assert best == theirs
    assert not list(in_common(theirs, theirs, dtype))
    mistaken = replace(found, optimizer=nn.SGD(0.01))
    assert not list(in_common(mistaken, theirs, dtype))


RULES = [
    nn.SGD(0.1, 0.9),
    nn.Adam(0.01),
    nn.AdaGrad(0.1, 1e-7),
    nn.RMSProp(0.01, epsilon_placement="inside", initial_accumulator=1.0),
    nn.Adam(0.01, epsilon=1e-2),
]


@pytest.mark.parametrize("rule", RULES)
def test_first_steps_are_one_curve_of_their_gradients_alone(rule: nn.Optimizer) -> None:
    rng = np.random.default_rng(0)
    gradient = {"w": rng.standard_normal(40) * 10.0 ** rng.uniform(-6, 0, 40)}
    before = {"w": np.zeros(40)}
    after = (rule.update(before, gradient, rule.initialize(before))[0],)
    other = {"w": gradient["w"] * 10.0 ** rng.uniform(-3, 0, 40)}
    near, far = (
        missed(Updates((Call(before, g),), after), np.dtype(float)) for g in (gradient, other)
    )
    assert near < 1e-6
    assert far > 100 * near
