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


@pytest.mark.parametrize("seed", [0, 2])
def test_another_way_to_write_a_gelu_is_rounding(seed):
    """Where 1 + tanh cancels, it may as well be written as 2/(1 + exp(−2u))."""
    rng = np.random.default_rng(seed)
    layers = (("a", nn.Affine(4, 6)), ("f", nn.GELU(approximate=True)), ("b", nn.Affine(6, 2)))
    values = {
        "a.weight": rng.normal(0, 0.5, (4, 6)),
        "a.bias": np.full(6, -3.5),
        "b.weight": rng.normal(0, 1, (6, 2)),
        "b.bias": np.zeros(2),
    }
    x, y = rng.normal(0, 0.5, (8, 4)), rng.normal(0, 1, (8, 2))
    twin = Twin(Conventions(layers=layers, loss=nn.MeanSquaredError(), penalties=()))
    known = reference(twin, values, x, y, dtype=np.dtype(np.float64), rng=rng)
    z = x @ values["a.weight"] + values["a.bias"]
    scale = np.sqrt(2 / np.pi)
    gate = 1 / (1 + np.exp(-2 * scale * (z + 0.044715 * z**3)))
    delta = 2 * ((z * gate) @ values["b.weight"] + values["b.bias"] - y) / y.size
    slope = gate + 2 * z * gate * (1 - gate) * scale * (1 + 3 * 0.044715 * z**2)
    dz = delta @ values["b.weight"].T * slope
    written = {"a.weight": x.T @ dz, "a.bias": dz.sum(axis=0)}
    keys = [key for key in known.values if key.endswith(tuple(written))]
    assert len(keys) == 2
    for key in keys:
        other = next(value for name, value in written.items() if key.endswith(name))
        assert not known.measure(key, known.values[key], other).different
