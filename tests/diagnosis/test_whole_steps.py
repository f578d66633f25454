"""Sides that show their whole steps alone: what these are made of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from tests.diagnosis.programs import Net, in_numpy
from tests.diagnosis.test_gradients import check, compared
from tests.diagnosis.test_steps import CLASSES, steps

from netparity import nn
from netparity.diagnosis.update import Call, Updates, as_one
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
