"""Noise floors of arithmetic that rounds otherwise, and is as right."""

from __future__ import annotations

import math

import numpy as np
import pytest

from netparity import nn
from netparity.conventions import Conventions
from netparity.diagnosis.noise import element_floor, measure, reference
from netparity.diagnosis.twin import Twin


def test_what_is_left_of_gelu_far_below_zero_is_rounding() -> None:
    layers = (("line", nn.Affine(1, 2, bias=False)), ("bend", nn.GELU()))
    twin = Twin(Conventions(layers=layers, loss=nn.MeanSquaredError(), penalties=()))
    x = -np.linspace(9.0, 30.0, 12)[:, None]
    values = {"line.weight": np.array([[1.0, -0.001]])}
    known = reference(
        twin, values, x, np.zeros((12, 2)), dtype=np.dtype(np.float64),
        rng=np.random.default_rng(0),
    )  # fmt: skip
    z = x @ values["line.weight"]
    # The share of x as erfc has it: (1 + erf)/2 is zero there.
    shares = np.vectorize(lambda v: 0.5 * math.erfc(-v / math.sqrt(2)))(z)
    assert not known.measure("outputs/bend", known.values["outputs/bend"], z * shares).different
    bent = 2 * z * shares * (shares + z * np.exp(-z * z / 2) / math.sqrt(2 * math.pi))
    gradient = x.T @ bent / z.size
    got = known.measure("gradients/line.weight", known.values["gradients/line.weight"], gradient)
    assert not got.different
    assert known.measure(
        "gradients/line.weight", known.values["gradients/line.weight"], gradient * [1, 1 + 1e-12]
    ).different


def test_a_rounding_of_a_rounding_of_the_whole_is_no_difference() -> None:
    shares = np.array([[1.0, 1e-40], [1.0, 3e-40]])
    nothing = [np.zeros_like(shares)]
    floor = element_floor(nothing, nothing, shares, np.dtype(np.float64))
    assert not measure(shares, shares * np.array([1, 2]), floor, shares, "shares").different
    assert measure(shares, shares + np.array([0, 1e-28]), floor, shares, "shares").different


@pytest.mark.parametrize("bend", [nn.Softmax(), nn.ELU(0.5)])
def test_what_a_layer_rounds_inside_is_rounding(bend: nn.Layer) -> None:
    layers = (("line", nn.Affine(6, 3)), ("bend", bend))
    twin = Twin(Conventions(layers=layers, loss=nn.MeanSquaredError(), penalties=()))
    rng = np.random.default_rng(0)
    x, y = 20 * rng.standard_normal((12, 6)), rng.integers(0, 2, (12, 3)).astype(float)
    values = {"line.weight": rng.standard_normal((6, 3)), "line.bias": np.zeros(3)}
    if isinstance(bend, nn.ELU):  # a unit far below 0, where nothing is left of its slope
        x, values["line.weight"][:, 0] = -np.abs(x), 0.2
    known = reference(twin, values, x, y, dtype=np.dtype(np.float32), rng=rng)
    narrow = {n: v.astype(np.float32) for n, v in values.items()}
    single = reference(twin, narrow, x.astype(np.float32), y, dtype=np.dtype(np.float32), rng=rng)
    got = twin.evaluate(narrow, x.astype(np.float32), y).gradients["line.bias"]
    place = "gradients/line.bias"
    assert not single.measure(place, single.values[place], got).different
    assert known.measure(place, known.values[place], got * 1.01).different
