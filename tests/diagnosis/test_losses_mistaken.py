"""Losses that their authors did not mean, found on the side that has them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from tests.diagnosis.programs import Array, Net, Program, in_numpy
from tests.diagnosis.test_gradients import check, compared
from tests.diagnosis.test_losses_between import softmax

CLASSES = Program("tanh", "cross-entropy", "sgd", sizes=(5, 8, 4))


class OneNumber(Program):
    """A regression of one number, whose targets are (N,)."""

    def data(self) -> tuple[Array, Array]:
        x, y = super().data()
        return x, y[:, 0]


NUMBERS = OneNumber("tanh", "mse", "sgd", sizes=(5, 8, 1))


def broadcast(s: Array, y: Array) -> tuple[float, Array]:
    apart = s - y
    return float(np.mean(apart**2)), 2 * apart.sum(axis=1, keepdims=True) / apart.size


def aligned(s: Array, y: Array) -> tuple[float, Array]:
    apart = s - y[:, None]
    return float(np.mean(apart**2)), 2 * apart / apart.size


def twice(s: Array, y: Array) -> tuple[float, Array]:
    p = softmax(s)
    q = softmax(p)
    rows = np.arange(len(s))
    value = -float(np.mean(np.log(q[rows, y])))
    q[rows, y] -= 1
    slope = q / len(s)
    return value, p * (slope - np.sum(slope * p, axis=1, keepdims=True))


def over_batch(s: Array, y: Array) -> tuple[float, Array]:
    e = np.exp(s - s.max(axis=0, keepdims=True))
    p = e / e.sum(axis=0, keepdims=True)
    rows = np.arange(len(s))
    slope = np.zeros_like(p)
    slope[rows, y] = -1 / p[rows, y] / len(s)
    back = p * (slope - np.sum(slope * p, axis=0, keepdims=True))
    return -float(np.mean(np.log(p[rows, y]))), back


def judged(program: Program, judge: Any) -> Any:
    def change(net: Net) -> None:
        if judge is not None:
            net.judge = judge  # type: ignore[method-assign]

    return in_numpy(program, change=change)


@pytest.mark.parametrize(
    ("program", "judge", "right", "id"),
    [
        (NUMBERS, broadcast, aligned, "label-shape-broadcast"),
        (CLASSES, twice, None, "softmax-twice"),
        (CLASSES, over_batch, None, "softmax-axis"),
    ],
)
def test_the_mistake_and_its_side(program: Program, judge: Any, right: Any, id: str) -> None:
    report = compared(judged(program, right), judged(program, judge), program)
    check(report, id)
    assert "Bug on the right" in report.causes[0].statement
    check(compared(judged(program, right), judged(program, right), program))
    # What both sides have sets them not apart.
    check(compared(judged(program, judge), judged(program, judge), program))
