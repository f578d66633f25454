"""One schedule, which Keras follows in float32, and the form of momentum that shows under it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import netparity
from netparity import nn

keras = pytest.importorskip("keras")
START = np.full((4, 2), 0.5)
DATA = np.random.default_rng(1)
X, Y = DATA.standard_normal((24, 4)), DATA.standard_normal((24, 2))


@pytest.fixture(autouse=True)
def float64() -> Iterator[None]:
    before = keras.config.floatx()
    keras.config.set_floatx("float64")
    yield
    keras.config.set_floatx(before)


def in_keras(momentum: float) -> Any:
    def build() -> netparity.Keras:
        model = keras.Sequential([keras.layers.Input((4,)), keras.layers.Dense(2)])
        model.set_weights([START, np.zeros(2)])
        rate = keras.optimizers.schedules.ExponentialDecay(0.05, 1, 0.9)
        model.compile(keras.optimizers.SGD(rate, momentum=momentum), "mse")
        return netparity.Keras(model)

    return build


def in_solver(momentum: float, form: Any) -> Any:
    def build() -> nn.Solver:
        network = nn.Network((("dense", nn.Affine(4, 2)),))
        return nn.Solver(
            network, nn.MeanSquaredError(), nn.SGD(0.05, momentum, form=form),
            schedule=nn.ExponentialDecay(0.05, 0.9, 1),
            parameters={"dense.weight": START, "dense.bias": np.zeros(2)},
        )  # fmt: skip

    return build


@pytest.mark.parametrize(
    ("momentum", "form", "causes"),
    [
        (0.0, "rate-inside", []),
        (0.5, "rate-inside", []),
        (0.5, "rate-outside", ["sgd-momentum-form"]),
    ],
)
def test_the_form_shows_where_the_rate_changes(momentum: float, form: Any, causes: Any) -> None:
    report = netparity.compare(in_keras(momentum), in_solver(momentum, form), data=(X, Y), steps=12)
    assert [c.id for c in report.causes] == causes
    assert report.unexplained == ()
    assert "schedule-kind" not in {c.id for c in report.latent}
