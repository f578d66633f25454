"""What a NumPy program keeps is put back, wherever its author keeps it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest

import netparity
from netparity import Scratch, nn
from netparity.implementations.reachable import SMALL, Reachable

RATE, MOMENTUM = 0.1, 0.9
START = np.array([[0.5], [-1.0], [0.25]])
X = np.random.default_rng(0).normal(size=(24, 3))
Y = X @ np.array([[1.0], [2.0], [-1.0]])
velocity = np.zeros((3, 1))
steps = 0


def _side(w: np.ndarray[Any, Any], update: Callable[..., Any]) -> Scratch:
    return Scratch(
        parameters={"w": w},
        predict=lambda x: x @ w,
        loss=lambda x, y: float(((x @ w - y) ** 2).mean()),
        gradients=lambda x, y: {"w": 2 * x.T @ (x @ w - y) / len(x)},
        update=update,
    )


def with_globals() -> Scratch:
    """The velocity is a global that is written in place, the count one that is rebound."""
    global steps
    velocity[:], steps = 0.0, 0
    w = START.copy()

    def update(gradients: dict[str, Any]) -> None:
        global steps
        steps += 1
        velocity[:] = MOMENTUM * velocity + gradients["w"]
        w[:] = w - RATE * velocity

    return _side(w, update)


def with_a_closure() -> Scratch:
    """The velocity is a variable of the function around it, and rebound."""
    w, kept = START.copy(), np.zeros((3, 1))

    def update(gradients: dict[str, Any]) -> None:
        nonlocal kept
        kept = MOMENTUM * kept + gradients["w"]
        w[:] = w - RATE * kept

    return _side(w, update)


class Momentum:
    """An optimizer that makes its velocities when it first needs them."""

    def __init__(self, w: np.ndarray[Any, Any]) -> None:
        self.w = w

    def update(self, gradients: dict[str, Any]) -> None:
        """One update."""
        if not hasattr(self, "velocities"):
            self.velocities = {"w": np.zeros_like(self.w)}
        self.velocities["w"] = MOMENTUM * self.velocities["w"] + gradients["w"]
        self.w -= RATE * self.velocities["w"]


def with_an_object() -> Scratch:
    """The velocities are an attribute that is not there at first."""
    w = START.copy()
    return _side(w, Momentum(w).update)


def with_an_object_behind_a_function() -> Scratch:
    """The optimizer is one of several in a list."""
    w = START.copy()
    rules = [Momentum(w)]

    def apply(chosen: int, gradients: dict[str, Any]) -> None:
        rules[chosen].update(gradients)

    return _side(w, partial(apply, 0))


MADE = [with_globals, with_a_closure, with_an_object, with_an_object_behind_a_function]


@pytest.mark.parametrize("make", MADE)
def test_a_run_can_be_repeated(make: Callable[[], Scratch]) -> None:
    side = make()
    handed_over = side.state()
    runs = []
    for _ in range(2):
        for _ in range(3):
            side.step(X, Y)
        runs.append(side.parameters()["w"])
        side.restore(handed_over)
    np.testing.assert_array_equal(runs[0], runs[1])
    np.testing.assert_array_equal(side.parameters()["w"], START)


@pytest.mark.parametrize("make", MADE)
def test_momentum_that_nobody_lists_is_identified(make: Callable[[], Scratch]) -> None:
    reference = nn.Solver(
        nn.Network((("w", nn.Affine(3, 1, bias=False)),)),
        nn.MeanSquaredError(),
        nn.SGD(RATE, momentum=0.8),
        parameters={"w.weight": START},
        dtype=np.float64,
    )
    report = netparity.compare(reference, make(), data=(X, Y), steps=4, batch_size=12)
    assert [(c.id, c.right) for c in report.causes] == [("momentum-value", "momentum 0.9")]
    assert not report.unexplained


def test_globals_of_several_functions_keep_their_identity() -> None:
    array = velocity
    reach = Reachable([with_globals, lambda: steps], parameters=3)
    reach.put_back(reach.snapshot())
    assert velocity is array


def test_data_is_not_copied() -> None:
    data = np.zeros(SMALL + 1)
    count = [0]

    def update(gradients: dict[str, Any]) -> None:
        count[0] += int(data[0]) + 1

    reach = Reachable([update], parameters=3)
    kept = reach.snapshot()
    assert not any(value is not None and np.size(value) > SMALL for _, value in kept.cells)
    update({})
    data[0] = 7.0
    reach.put_back(kept)
    assert count == [0]
    assert data[0] == 7.0


@pytest.mark.parametrize(("seed", "repeats"), [(7, True), (None, False)])
def test_a_generator_is_put_back_if_it_was_given_a_seed(seed: int | None, repeats: bool) -> None:
    generator = np.random.default_rng(seed)

    def update(gradients: dict[str, Any]) -> float:
        return float(generator.random())

    reach = Reachable([update], parameters=3)
    kept = reach.snapshot()
    first = update({})
    reach.put_back(kept)
    assert (update({}) == first) is repeats
