"""Recurrent layers by hand, by differences, against a plain program and against frameworks."""

import dataclasses
import importlib.util
import math
import os
import subprocess
import sys
import tracemalloc
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.nn.measure import ulps
from tests.nn.roundings import Arrays, bounds, drawn, results

from netparity.errors import InputError
from netparity.nn import (
    GRU,
    LSTM,
    Affine,
    MeanSquaredError,
    Memory,
    Network,
    SimpleRNN,
    check_gradients,
)

Recurrent = SimpleRNN | LSTM | GRU
HARD = ("hard-sigmoid", "hard-sigmoid-keras2")

LAYERS: list[Recurrent] = [
    SimpleRNN(4, 6),
    SimpleRNN(4, 6, "relu", "two", return_sequences=True),
    SimpleRNN(4, 6, bias="none", time_major=True),
    LSTM(4, 6),
    LSTM(4, 6, "ijfo", bias="two", forget_bias=1.0, return_sequences=True),
    LSTM(4, 6, gate_activation="hard-sigmoid", bias="none", return_sequences=True, time_major=True),
    LSTM(4, 6, gate_activation="hard-sigmoid-keras2", time_major=True),
    GRU(4, 6, bias="one"),
    GRU(4, 6, gate_order="rzn", return_sequences=True),
    GRU(4, 6, bias="candidate", return_sequences=True, time_major=True),
    GRU(4, 6, False, "rzn", bias="one", return_sequences=True),
    GRU(4, 6, False, bias="two", time_major=True),
    GRU(4, 6, update_gate="replaces", gate_activation="hard-sigmoid"),
    GRU(4, 6, False, bias="one", update_gate="replaces"),
    GRU(4, 6, False, gate_activation="hard-sigmoid", bias="candidate"),
    GRU(4, 6, gate_activation="hard-sigmoid-keras2", bias="none", return_sequences=True),
]


def operations(layer: Recurrent, x: np.ndarray) -> int:
    """How many stand behind a number of a step.

    The sums of the D + H products of a step and of the N T in a gradient of a weight, and at
    most a dozen operations in gates, cells and slopes.
    """
    return layer.inputs + layer.units + x.shape[0] * x.shape[1] + 12


def input_and_gradient(
    layer: Recurrent, rows: int, length: int, dtype: type = np.float64, seed: int = 1
) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    axes = (length, rows) if layer.time_major else (rows, length)
    shape = (*axes, layer.units) if layer.return_sequences else (rows, layer.units)
    x = rng.normal(size=(*axes, layer.inputs))
    return x.astype(dtype), rng.normal(size=shape).astype(dtype)


# ---- by hand --------------------------------------------------------------------------------
def test_simple_rnn_by_hand() -> None:
    # h₁ = 3·1 + 1 = 4, h₂ = 3·2 + 2·4 + 1 = 15; dz₂ = 1, dz₁ = 2·1, as the slope is 1.
    parameters = {"weight": [[3.0]], "recurrent_weight": [[2.0]], "bias": [1.0]}
    values = {name: np.array(value) for name, value in parameters.items()}
    found = results(SimpleRNN(1, 1, "relu"), values, np.array([[[1.0], [2]]]), np.ones((1, 1)))
    np.testing.assert_array_equal(found["y"], [[15]])
    np.testing.assert_array_equal(found["weight"], [[1 * 2 + 2 * 1]])
    np.testing.assert_array_equal(found["recurrent_weight"], [[4 * 1]])
    np.testing.assert_array_equal(found["bias"], [3])
    np.testing.assert_array_equal(found["x"], [[[3 * 2], [3 * 1]]])


def test_simple_rnn_stops_at_what_is_not_positive() -> None:
    # h₁ = max(−1, 0) = 0 with slope 0, h₂ = 2: nothing reaches the first step.
    values = {"weight": np.ones((1, 1)), "recurrent_weight": np.ones((1, 1))}
    layer = SimpleRNN(1, 1, "relu", bias="none")
    found = results(layer, values, np.array([[[-1.0], [2]]]), np.ones((1, 1)))
    np.testing.assert_array_equal(found["y"], [[2]])
    np.testing.assert_array_equal(found["x"], [[[0], [1]]])
    np.testing.assert_array_equal(found["recurrent_weight"], [[0]])


@pytest.mark.parametrize("order", ["ifgo", "ijfo"])
def test_lstm_by_hand(order: Any) -> None:
    # One step. All gates are ½ where their arguments are 0, so that with g = 0.5·2 = 1
    # s = ½ tanh(1) and h = ½ tanh(s).
    weight = np.zeros((1, 4))
    candidate = 2 if order == "ifgo" else 1
    weight[0, candidate] = 0.5
    values = {"weight": weight, "recurrent_weight": np.ones((1, 4)), "bias": np.zeros(4)}
    found = results(LSTM(1, 1, order), values, np.full((1, 1, 1), 2.0), np.ones((1, 1)))
    g, s = math.tanh(1.0), 0.5 * math.tanh(1.0)
    ds = 0.5 * (1 - math.tanh(s) ** 2)
    dg = ds * 0.5 * (1 - g**2)
    di, do = ds * g * 0.25, math.tanh(s) * 0.25
    expected = np.zeros(4)
    expected[[0, candidate, 3]] = di, dg, do
    # A handful of roundings on either side; 1 − tanh² loses a factor of 1/(1 − g²) < 3.
    assert ulps(found["y"], np.array([[0.5 * math.tanh(s)]])) <= 4
    assert ulps(found["bias"], expected) <= 12
    assert ulps(found["weight"], 2 * expected[np.newaxis]) <= 12
    np.testing.assert_array_equal(found["recurrent_weight"], np.zeros((1, 4)))
    assert ulps(found["x"], np.full((1, 1, 1), 0.5 * dg)) <= 12


@pytest.mark.parametrize("after", [False, True])
def test_gru_by_hand(after: bool) -> None:
    # Gates of ½ throughout, U = 1 for the candidate: h₁ = ½ tanh(1) and the argument of n₂ is
    # 1 + ½ h₁ with the reset on either side; h₂ = ½ h₁ + ½ n₂.
    weight = np.array([[0.0, 0.0, 1.0]])
    values = {"weight": weight, "recurrent_weight": weight}
    layer = GRU(1, 1, after, gate_activation="hard-sigmoid", bias="none")
    found = results(layer, values, np.ones((1, 2, 1)), np.ones((1, 1)))
    h = 0.5 * math.tanh(1.0)
    n = math.tanh(1.0 + 0.5 * h)
    # Six roundings.
    assert ulps(found["y"], np.array([[0.5 * h + 0.5 * n]])) <= 6
    dn = 0.5 * (1 - n**2)
    dh = 0.5 + 0.5 * dn
    # 1 − n² loses a factor of 1/(1 − n²) < 5.
    assert ulps(found["recurrent_weight"][:, 2], np.array([dn * 0.5 * h])) <= 40
    assert ulps(found["x"][0, :, 0], np.array([dh * 0.5 * (1 - (2 * h) ** 2), dn])) <= 40


@pytest.mark.parametrize(("after", "inside"), [(True, 0.5), (False, 1.0)])
def test_where_the_second_bias_of_a_gru_acts(after: bool, inside: float) -> None:
    # x = 0 and gates of ½: n = tanh(½ c) where c is within what R multiplies, else tanh(c).
    layer = GRU(1, 1, after, gate_activation="hard-sigmoid", bias="candidate")
    values = drawn(layer.shapes(), 0)
    values = {name: np.zeros_like(a) for name, a in values.items()} | {"recurrent_bias": np.ones(1)}
    found = results(layer, values, np.zeros((1, 1, 1)), np.ones((1, 1)))
    n = math.tanh(inside)
    assert ulps(found["y"], np.array([[0.5 * n]])) <= 2
    assert ulps(found["recurrent_bias"], np.array([0.5 * (1 - n**2) * inside])) <= 12
    assert ulps(found["bias"][2:], np.array([0.5 * (1 - n**2)])) <= 12


# ---- gradients ------------------------------------------------------------------------------
def network(layer: Recurrent) -> Network:
    return Network(
        (
            ("below", Affine(3, layer.inputs)),
            ("layer", layer),
            ("above", Affine(layer.units, 2)),
        )
    )


@pytest.mark.parametrize("layer", LAYERS, ids=repr)
def test_gradients(layer: Recurrent) -> None:
    net, rng = network(layer), np.random.default_rng(5)
    parameters = drawn(net.parameter_shapes(), 3)
    axes = (4, 3) if layer.time_major else (3, 4)
    x = rng.normal(size=(*axes, 3))
    y = rng.normal(size=(*axes, 2) if layer.return_sequences else (3, 2))
    assert check_gradients(net, MeanSquaredError(), parameters, x, y, rng=rng) == ()


@pytest.mark.parametrize(
    "layer",
    [
        SimpleRNN(2, 2, bias="two", return_sequences=True),
        LSTM(2, 2, "ijfo", bias="two"),
        GRU(2, 2, bias="two"),
        GRU(2, 2, False, "rzn", bias="two"),
    ],
    ids=repr,
)
def test_gradients_element_by_element(layer: Recurrent) -> None:
    net, rng = network(layer), np.random.default_rng(6)
    parameters = drawn(net.parameter_shapes(), 4)
    x = rng.normal(size=(2, 3, 3))
    y = rng.normal(size=(2, 3, 2) if layer.return_sequences else (2, 2))
    assert check_gradients(net, MeanSquaredError(), parameters, x, y, method="full", rng=rng) == ()


# ---- every shape, against a plain program ---------------------------------------------------
def gate(z: np.ndarray, kind: str) -> np.ndarray:
    if kind == "sigmoid":
        return 1 / (1 + np.exp(-z))
    return np.clip(z / 6 + 0.5 if kind == "hard-sigmoid" else 0.2 * z + 0.5, 0, 1)


def plain(layer: Recurrent, parameters: Mapping[str, np.ndarray], x: np.ndarray) -> np.ndarray:
    """The formulas of the docstrings, gate by gate, each block cut out by its letter."""
    steps = x if layer.time_major else x.swapaxes(0, 1)
    units, (length, rows) = layer.units, steps.shape[:2]
    letters = getattr(layer, "gate_order", "h")

    def block(name: str, letter: str) -> np.ndarray:
        k = letters.index(letter)
        found = parameters.get(name, np.zeros(len(letters) * units))
        if name == "recurrent_bias" and layer.bias == "candidate":
            found = np.concatenate([np.zeros(2 * units), found])
        return found[..., k * units : (k + 1) * units]

    h, s, outputs = np.zeros((rows, units)), np.zeros((rows, units)), []
    for t in range(length):

        def a(letter: str, t: int = t) -> np.ndarray:
            return steps[t] @ block("weight", letter) + block("bias", letter)

        def e(letter: str, h: np.ndarray = h) -> np.ndarray:
            return h @ block("recurrent_weight", letter) + block("recurrent_bias", letter)

        if isinstance(layer, SimpleRNN):
            z = a("h") + e("h")
            h = np.tanh(z) if layer.activation == "tanh" else np.maximum(z, 0)
        elif isinstance(layer, LSTM):
            kind, g = layer.gate_activation, "g" if "g" in letters else "j"
            forget = gate(a("f") + e("f") + layer.forget_bias, kind)
            s = forget * s + gate(a("i") + e("i"), kind) * np.tanh(a(g) + e(g))
            h = gate(a("o") + e("o"), kind) * np.tanh(s)
        else:
            kind, n = layer.gate_activation, letters[2]
            update, reset = gate(a("z") + e("z"), kind), gate(a("r") + e("r"), kind)
            new = np.tanh(a(n) + (reset * e(n) if layer.reset_after else e(n, reset * h)))
            h = update * h + (1 - update) * new
        outputs.append(h)
    if not layer.return_sequences:
        return h
    y = np.array(outputs).reshape(length, rows, units)
    return y if layer.time_major else y.swapaxes(0, 1)


SWITCHES = st.fixed_dictionaries(
    {
        "inputs": st.integers(1, 4),
        "units": st.integers(1, 4),
        "return_sequences": st.booleans(),
        "time_major": st.booleans(),
    }
)
GATES = st.sampled_from(["sigmoid", *HARD])
BIASES = st.sampled_from(["one", "two", "none"])
ANY_LAYER = st.one_of(
    st.builds(
        lambda common, **own: SimpleRNN(**common, **own),
        SWITCHES, activation=st.sampled_from(["tanh", "relu"]), bias=BIASES,
    ),
    st.builds(
        lambda common, **own: LSTM(**common, **own),
        SWITCHES, gate_order=st.sampled_from(["ifgo", "ijfo"]), gate_activation=GATES, bias=BIASES,
        forget_bias=st.sampled_from([0.0, 1.0]),
    ),
    st.builds(
        lambda common, **own: GRU(**common, **own),
        SWITCHES, gate_order=st.sampled_from(["zrh", "rzn"]), gate_activation=GATES,
        reset_after=st.booleans(), bias=st.sampled_from(["one", "two", "candidate", "none"]),
    ),
)  # fmt: skip


@settings(max_examples=100, deadline=None)
@given(layer=ANY_LAYER, rows=st.integers(0, 3), length=st.integers(0, 4), seed=st.integers(0, 99))
def test_every_shape_and_switch(layer: Recurrent, rows: int, length: int, seed: int) -> None:
    parameters = drawn(layer.shapes(), seed)
    x, dy = input_and_gradient(layer, rows, length, seed=seed)
    found = results(layer, parameters, x, dy)
    assert (
        ulps(found["y"], plain(layer, parameters, x))
        <= bounds(layer, parameters, x, dy, operations(layer, x))["y"]
    )
    assert found["x"].shape == x.shape
    assert {name: found[name].shape for name in layer.shapes()} == layer.shapes()
    if rows and length:
        net, rng = network(layer), np.random.default_rng(seed)
        parameters = drawn(net.parameter_shapes(), seed)
        x, y = rng.normal(size=(*x.shape[:2], 3)), rng.normal(size=(*dy.shape[:-1], 2))
        assert check_gradients(net, MeanSquaredError(), parameters, x, y, rng=rng) == ()


# ---- frameworks -----------------------------------------------------------------------------
ROWS, LENGTH, INPUTS, UNITS = 3, 5, 4, 6
BLOCKS = {"rnn": 1, "lstm": 4, "gru": 3}


def _given() -> Arrays:
    rng = np.random.default_rng(7)
    given = {
        "rnn/x": rng.normal(size=(ROWS, LENGTH, INPUTS)),
        "rnn/dy": rng.normal(size=(ROWS, LENGTH, UNITS)),
    }
    for kind, blocks in BLOCKS.items():
        # Wide enough that hard gates reach their ends.
        for name, rows in (("weight", (INPUTS,)), ("recurrent_weight", (UNITS,))):
            given[f"{kind}/{name}"] = rng.normal(size=(*rows, blocks * UNITS))
        for name in ("bias", "recurrent_bias"):
            given[f"{kind}/{name}"] = rng.normal(size=blocks * UNITS)
    return given


GIVEN = _given()


def agree(
    layer: Recurrent, kind: str, expected: Mapping[str, np.ndarray], dtype: type = np.float64
) -> None:
    """Asserts that forward and every gradient agree with those of a framework."""
    parameters = {name: GIVEN[f"{kind}/{name}"] for name in layer.shapes()}
    if layer.bias == "candidate":
        parameters["recurrent_bias"] = parameters["recurrent_bias"][2 * UNITS :]
    x, dy = GIVEN["rnn/x"], GIVEN["rnn/dy"]
    dy = dy if layer.return_sequences else dy[:, 0]
    if layer.time_major:
        x, dy = x.swapaxes(0, 1), dy.swapaxes(0, 1) if layer.return_sequences else dy
    parameters, x, dy = {n: a.astype(dtype) for n, a in parameters.items()}, x.astype(dtype), dy
    dy = dy.astype(dtype)
    found, bound = (
        results(layer, parameters, x, dy),
        bounds(layer, parameters, x, dy, operations(layer, x)),
    )
    assert set(found) == set(expected)
    for name, value in found.items():
        assert ulps(value, expected[name]) <= bound[name], name


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("sequences", [False, True])
@pytest.mark.parametrize(
    "layer",
    [
        SimpleRNN(INPUTS, UNITS, bias="two"),
        SimpleRNN(INPUTS, UNITS, "relu", "two"),
        SimpleRNN(INPUTS, UNITS, bias="none", time_major=True),
        LSTM(INPUTS, UNITS, bias="two"),
        LSTM(INPUTS, UNITS, bias="two", time_major=True),
        LSTM(INPUTS, UNITS, bias="none"),
        GRU(INPUTS, UNITS, gate_order="rzn", bias="two"),
        GRU(INPUTS, UNITS, gate_order="rzn", bias="two", time_major=True),
        GRU(INPUTS, UNITS, gate_order="rzn", bias="none"),
    ],
    ids=repr,
)
def test_torch(layer: Recurrent, sequences: bool, dtype: type) -> None:
    torch = pytest.importorskip("torch")
    layer = dataclasses.replace(layer, return_sequences=sequences)
    make = {SimpleRNN: torch.nn.RNN, LSTM: torch.nn.LSTM, GRU: torch.nn.GRU}[type(layer)]
    kind = {SimpleRNN: "rnn", LSTM: "lstm", GRU: "gru"}[type(layer)]
    more = {"nonlinearity": layer.activation} if isinstance(layer, SimpleRNN) else {}
    module = make(
        INPUTS, UNITS, bias=layer.bias == "two", batch_first=not layer.time_major,
        dtype=torch.tensor(np.zeros(1, dtype)).dtype, **more,
    )  # fmt: skip
    names = {
        "weight": "weight_ih_l0", "recurrent_weight": "weight_hh_l0",
        "bias": "bias_ih_l0", "recurrent_bias": "bias_hh_l0",
    }  # fmt: skip
    tensors = {name: getattr(module, names[name]) for name in layer.shapes()}
    with torch.no_grad():
        for name, tensor in tensors.items():
            tensor.copy_(torch.tensor(GIVEN[f"{kind}/{name}"].T))
    x, dy = GIVEN["rnn/x"].astype(dtype), GIVEN["rnn/dy"].astype(dtype)
    x, dy = (x.swapaxes(0, 1), dy.swapaxes(0, 1)) if layer.time_major else (x, dy)
    tensor = torch.tensor(x, requires_grad=True)
    y = module(tensor)[0]
    if not sequences:
        y, dy = y[-1] if layer.time_major else y[:, -1], GIVEN["rnn/dy"][:, 0].astype(dtype)
    y.backward(torch.tensor(dy))
    expected = {"y": y.detach().numpy(), "x": tensor.grad.numpy()}
    expected |= {name: tensor.grad.numpy().T for name, tensor in tensors.items()}
    agree(layer, kind, expected, dtype)


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, np.ndarray]:
    if any(importlib.util.find_spec(name) is None for name in ("keras", "tensorflow")):
        pytest.skip("needs keras and tensorflow")
    folder = tmp_path_factory.mktemp("frameworks")
    np.savez(folder / "inputs.npz", **GIVEN)
    script = Path(__file__).with_name("recurrent_run.py")
    run = subprocess.run(
        [sys.executable, script, folder / "inputs.npz", folder / "outputs.npz"],
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    if run.returncode:
        pytest.fail(run.stderr)
    return dict(np.load(folder / "outputs.npz"))


def under(found: Mapping[str, np.ndarray], place: str) -> Arrays:
    """What was found under a place, by its own names."""
    return {name[len(place) :]: a for name, a in found.items() if name.startswith(place)}


@pytest.mark.parametrize("sequences", [False, True])
@pytest.mark.parametrize(
    ("layer", "name"),
    [
        (SimpleRNN(INPUTS, UNITS), "rnn"),
        (SimpleRNN(INPUTS, UNITS, "relu"), "rnn-relu"),
        (SimpleRNN(INPUTS, UNITS, bias="none"), "rnn-none"),
        (LSTM(INPUTS, UNITS), "lstm"),
        (LSTM(INPUTS, UNITS, gate_activation="hard-sigmoid"), "lstm-hard"),
        (LSTM(INPUTS, UNITS, gate_activation="hard-sigmoid-keras2"), "lstm-hard-keras2"),
        (LSTM(INPUTS, UNITS, bias="none"), "lstm-none"),
        (GRU(INPUTS, UNITS, bias="two"), "gru"),
        (GRU(INPUTS, UNITS, gate_activation="hard-sigmoid", bias="two"), "gru-hard"),
        (GRU(INPUTS, UNITS, bias="none"), "gru-none"),
        (GRU(INPUTS, UNITS, False, bias="one"), "gru-before"),
        (
            GRU(INPUTS, UNITS, False, gate_activation="hard-sigmoid-keras2", bias="one"),
            "gru-before-hard",
        ),
    ],
    ids=repr,
)
def test_keras(
    found: Mapping[str, np.ndarray], layer: Recurrent, name: str, sequences: bool
) -> None:
    layer = dataclasses.replace(layer, return_sequences=sequences)
    expected = under(found, f"keras/{name}/{'all' if sequences else 'last'}/")
    agree(layer, name.split("-")[0], expected)


def test_cells_of_tf1(found: Mapping[str, np.ndarray]) -> None:
    layer = LSTM(INPUTS, UNITS, "ijfo", forget_bias=1.0, return_sequences=True)
    agree(layer, "lstm", under(found, "tf1/lstm/"), np.float32)


@pytest.mark.skipif(importlib.util.find_spec("flax") is None, reason="needs flax")
@pytest.mark.parametrize(
    ("layer", "name"),
    [
        (SimpleRNN(INPUTS, UNITS, return_sequences=True), "rnn"),
        (LSTM(INPUTS, UNITS, return_sequences=True), "lstm"),
        (
            GRU(INPUTS, UNITS, gate_order="rzn", bias="candidate", return_sequences=True),
            "gru",
        ),
    ],
    ids=repr,
)
def test_flax(found: Mapping[str, np.ndarray], layer: Recurrent, name: str) -> None:
    agree(layer, name, under(found, f"flax/{name}/"))


# ---- the switches ---------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("one", "other"),
    [
        (LSTM(4, 6, "ifgo"), LSTM(4, 6, "ijfo")),
        (LSTM(4, 6, forget_bias=0.0), LSTM(4, 6, forget_bias=1.0)),
        (GRU(4, 6, gate_order="zrh"), GRU(4, 6, gate_order="rzn")),
        (GRU(4, 6, True), GRU(4, 6, False)),
        (LSTM(4, 6), LSTM(4, 6, gate_activation="hard-sigmoid")),
        (
            LSTM(4, 6, gate_activation="hard-sigmoid"),
            LSTM(4, 6, gate_activation="hard-sigmoid-keras2"),
        ),
        (GRU(4, 6), GRU(4, 6, gate_activation="hard-sigmoid")),
    ],
    ids=repr,
)
def test_a_switch_changes_the_output(one: Recurrent, other: Recurrent) -> None:
    parameters = drawn(one.shapes(), 8)
    x, _ = input_and_gradient(one, 3, 5)
    outputs = [layer.apply(parameters, x)[0] for layer in (one, other)]
    assert np.abs(outputs[0] - outputs[1]).max() > 0.01


def test_a_forget_bias_at_run_time_is_that_much_more_bias() -> None:
    parameters = drawn(LSTM(4, 6).shapes(), 8)
    x, _ = input_and_gradient(LSTM(4, 6), 3, 5)
    at_run_time = LSTM(4, 6, forget_bias=1.0).apply(parameters, x)[0]
    parameters["bias"][6:12] += 1.0
    np.testing.assert_array_equal(at_run_time, LSTM(4, 6).apply(parameters, x)[0])


@pytest.mark.parametrize("make", [SimpleRNN, LSTM, GRU])
def test_two_biases(make: Any) -> None:
    layer = make(4, 6, bias="two")
    parameters = drawn(layer.shapes(), 8)
    x, dy = input_and_gradient(layer, 3, 5)
    found = results(layer, parameters, x, dy)
    # Those of a GRU's candidate differ, as the reset gate stands between them.
    same = 12 if make is GRU else layer.shapes()["bias"][0]
    np.testing.assert_array_equal(found["bias"][:same], found["recurrent_bias"][:same])
    assert (found["bias"][same:] != found["recurrent_bias"][same:]).all()
    assert not np.shares_memory(found["bias"], found["recurrent_bias"])


# ---- numbers --------------------------------------------------------------------------------
@pytest.mark.parametrize("layer", LAYERS, ids=repr)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_dtype_stays_and_nothing_is_changed(layer: Recurrent, dtype: type) -> None:
    parameters = drawn(layer.shapes(), 9, dtype)
    x, dy = input_and_gradient(layer, 3, 5, dtype)
    handed = [*parameters.values(), x, dy]
    before = [a.copy() for a in handed]
    y, backward = layer.apply(parameters, x)
    kept = y.copy()
    first = backward(dy)
    first = {"x": first[0].copy(), **{n: a.copy() for n, a in first[1].items()}}
    dx, gradients = backward(dy)
    for name, again in {"x": dx, **gradients}.items():
        np.testing.assert_array_equal(again, first[name])
        assert again.dtype == dtype
    np.testing.assert_array_equal(y, kept)
    assert y.dtype == dtype
    for a, b in zip(handed, before, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("layer", LAYERS, ids=repr)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_huge_inputs_stay_finite(layer: Recurrent, dtype: type) -> None:
    if isinstance(layer, SimpleRNN) and layer.activation == "relu":
        pytest.skip("grows without bounds, as it should")
    parameters = drawn(layer.shapes(), 10, dtype)
    x, dy = input_and_gradient(layer, 3, 5, dtype)
    for value in results(layer, parameters, x * dtype(1e4), dy).values():
        assert np.isfinite(value).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_gate_that_is_nearly_shut_keeps_its_digits(dtype: type) -> None:
    # ½ tanh(½ z) + ½ would be off by a part in a thousand at σ(−10) in float32.
    layer = LSTM(1, 1, bias="one")
    bias = np.array([40, 0, 40, -10], dtype)
    values = {"weight": np.zeros((1, 4), dtype), "recurrent_weight": np.zeros((1, 4), dtype)}
    y = layer.apply({**values, "bias": bias}, np.zeros((1, 1, 1), dtype))[0]
    expected = math.tanh(1.0) / (1 + math.exp(10))
    # exp, the sum, the quotient, two tanh and a product: a few units each.
    assert ulps(y, np.full((1, 1), expected, dtype)) <= 8


def test_nan_reaches_the_output() -> None:
    for layer in LAYERS:
        x, _ = input_and_gradient(layer, 1, 2)
        x[0, 0, 0] = np.nan
        assert np.isnan(layer.apply(drawn(layer.shapes(), 0), x)[0]).all()


# ---- memory ---------------------------------------------------------------------------------
@pytest.mark.parametrize("layer", LAYERS, ids=repr)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_reused_memory_gives_the_same_bits(layer: Recurrent, dtype: type) -> None:
    memory = Memory(reuse=True).within("layer")
    for seed in range(3):
        parameters = drawn(layer.shapes(), seed, dtype)
        x, dy = input_and_gradient(layer, 3, 5, dtype, seed)
        reused = results(layer, parameters, x, dy, memory=memory)
        for name, value in results(layer, parameters, x, dy).items():
            np.testing.assert_array_equal(reused[name], value, err_msg=name)


@pytest.mark.parametrize("layer", LAYERS, ids=repr)
def test_steps_allocate_nothing_large(layer: Recurrent) -> None:
    layer = dataclasses.replace(layer, inputs=64, units=64)
    memory = Memory(reuse=True).within("layer")
    parameters = drawn(layer.shapes(), 0, np.float32)
    # A state has 64 KiB, a step's gates and every weight but the simple layer's more.
    x, dy = input_and_gradient(layer, 256, 6, np.float32)
    results(layer, parameters, x, dy, memory=memory)
    tracemalloc.start()
    try:
        results(layer, parameters, x, dy, memory=memory)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 64 * 1024


# ---- refused --------------------------------------------------------------------------------
@pytest.mark.parametrize("make", [SimpleRNN, LSTM, GRU])
def test_another_shape_is_refused(make: Any) -> None:
    layer = make(4, 6)
    for shape in ((3, 4), (3, 5, 3), (3, 5, 4, 1)):
        with pytest.raises(InputError, match=r"Expected \(N, T, 4\)") as error:
            layer.apply(drawn(layer.shapes(), 0), np.zeros(shape))
        assert f"Received: {shape}" in str(error.value)
    with pytest.raises(InputError, match=r"Expected \(T, N, 4\)"):
        make(4, 6, time_major=True).apply(drawn(layer.shapes(), 0), np.zeros((3, 4)))
