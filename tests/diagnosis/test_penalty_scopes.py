"""Which parameters a penalty covers: recurrent weights are weights."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import netparity
from netparity.diagnosis.penalty import scope_of
from netparity.nn import GRU, L2, SGD, Affine, MeanSquaredError, Network, Scope, Solver

DATA = np.random.default_rng(1)
X, Y = DATA.standard_normal((16, 5, 3)), DATA.standard_normal((16, 2))
NETWORK = Network((("recurrent", GRU(3, 4)), ("dense", Affine(4, 2))))
NAMES = tuple(NETWORK.parameter_shapes())


def build(scope: Scope) -> Callable[[], Solver]:
    rng = np.random.default_rng(0)
    start: dict[str, Any] = {
        n: 0.4 * rng.standard_normal(s) for n, s in NETWORK.parameter_shapes().items()
    }
    penalties = (L2(0.25, scope=scope),)
    return lambda: Solver(
        NETWORK, MeanSquaredError(), SGD(0.1), penalties=penalties, parameters=start
    )


def found(left: Scope, right: Scope) -> list[str]:
    report = netparity.compare(build(left), build(right), data=(X, Y), steps=4)
    assert report.unexplained == ()
    return [c.id for c in report.causes]


def test_weights_left_out_are_no_biases() -> None:
    assert found("weights", ("dense.weight",)) == ["penalty-scope"]
    assert found("weights", "all") == ["weight-decay-bias"]


def test_all_weights_are_those_of_recurrent_layers_too() -> None:
    assert scope_of([n for n in NAMES if n.endswith("weight")], NAMES) == "weights"
    assert scope_of(["recurrent.weight", "dense.weight"], NAMES) == (
        "recurrent.weight", "dense.weight",
    )  # fmt: skip
    assert scope_of(NAMES, NAMES) == "all"
