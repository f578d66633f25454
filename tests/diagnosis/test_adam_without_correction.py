"""Adam without its bias correction: before the root or after it ε is the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import netparity
from netparity.nn import Adam, Affine, MeanSquaredError, Network, Solver

DATA = np.random.default_rng(1)
X, Y = DATA.standard_normal((24, 4)), DATA.standard_normal((24, 2))
PLAIN = Adam(0.01, epsilon=1e-3, epsilon_placement="outside", bias_correction=False)


def build(rule: Adam) -> Callable[[], Solver]:
    start: dict[str, Any] = {"dense.weight": np.full((4, 2), 0.5), "dense.bias": np.zeros(2)}
    network = Network((("dense", Affine(4, 2)),))
    return lambda: Solver(network, MeanSquaredError(), rule, parameters=start)


@pytest.mark.parametrize("turned", [False, True])
def test_the_place_is_no_cause_of_its_own(turned: bool) -> None:
    sides = [build(Adam(0.01, epsilon=1e-3, epsilon_placement="hat")), build(PLAIN)]
    left, right = reversed(sides) if turned else sides
    report = netparity.compare(left, right, data=(X, Y), steps=6)
    assert [c.id for c in report.causes] == ["adam-bias-correction"]
    assert report.explained
    assert report.unexplained == ()


def test_inside_the_root_it_is_one() -> None:
    inside = Adam(0.01, epsilon=1e-3, epsilon_placement="inside")
    report = netparity.compare(build(inside), build(PLAIN), data=(X, Y), steps=6)
    found = {c.id for c in report.causes}
    assert found == {"adam-bias-correction", "adam-epsilon-placement"}
