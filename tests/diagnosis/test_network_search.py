"""The network behind a program that says nothing of itself: chains, activations, constants."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import netparity
from netparity.conventions import Conventions, Place
from netparity.diagnosis import structure
from netparity.diagnosis.network import chains as chains_
from netparity.diagnosis.network.activations import read
from netparity.diagnosis.network.cuts import takes
from netparity.diagnosis.network.sketch import Flow, Sketch
from netparity.diagnosis.twin import Array, Values
from netparity.implementations import adapt
from netparity.layouts import Part
from netparity.nn import (
    ELU,
    GELU,
    GRU,
    LSTM,
    Affine,
    AveragePool2D,
    BatchNorm,
    Conv2D,
    Dropout,
    Embedding,
    Flatten,
    HardSigmoid,
    HardTanh,
    Identity,
    LayerNorm,
    LeakyReLU,
    MaxPool2D,
    ReLU,
    Sigmoid,
    SimpleRNN,
    Softmax,
    Tanh,
)  # fmt: skip


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


# ---- chains ------------------------------------------------------------------------------------
def chains(shapes: dict[str, tuple[int, ...]], width: int, outputs: int) -> list[Any]:
    """Chains on rows; each link as what it takes: its weight, whether transposed, its bias."""
    native = {name: np.zeros(shape) for name, shape in shapes.items()}
    found = []
    for chain in chains_.chains(native, {}, Flow("rows", width), outputs):
        places = [dict(link.places) for link in chain]
        if all("weight" in p for p in places):
            found.append(
                [
                    (
                        p["weight"].name,
                        p["weight"].transposed,
                        p["bias"].name if "bias" in p else None,
                    )
                    for p in places
                ]
            )
    return found


class TestChains:
    def test_inputs_first(self) -> None:
        found = chains({"W1": (4, 5), "b1": (5,), "W2": (5, 3), "b2": (3,)}, 4, 3)
        assert found[0] == [("W1", False, "b1"), ("W2", False, "b2")]

    def test_outputs_first(self) -> None:
        found = chains({"W1": (5, 4), "W2": (3, 5), "b1": (5,), "b2": (3,)}, 4, 3)
        assert found[0] == [("W1", True, "b1"), ("W2", True, "b2")]

    def test_biases_in_columns_as_in_nielsens_book(self) -> None:
        found = chains({"w1": (5, 4), "w2": (3, 5), "b1": (5, 1), "b2": (3, 1)}, 4, 3)
        assert found[0] == [("w1", True, "b1"), ("w2", True, "b2")]

    def test_no_biases(self) -> None:
        assert [bias for _, _, bias in chains({"a": (2, 5), "b": (5, 1)}, 2, 1)[0]] == [None, None]

    def test_square_weights_come_both_ways_round(self) -> None:
        found = chains({"W1": (4, 4), "W2": (4, 4)}, 4, 4)
        ways = {tuple(link[:2] for link in chain) for chain in found}
        turns = list(itertools.product((False, True), repeat=2))
        assert {(("W1", a), ("W2", b)) for a, b in turns} <= ways
        assert {(("W2", a), ("W1", b)) for a, b in turns} <= ways
        assert tuple(link[0] for link in found[0]) == ("W1", "W2")

    def test_every_array_is_used_or_there_is_no_chain(self) -> None:
        assert chains({"W": (4, 3), "left over": (7, 7)}, 4, 3) == []
        assert chains({"W": (4, 3), "b": (4,)}, 4, 3) == []
        assert chains({"W": (4, 3)}, 4, 2) == []


ACTS: dict[str, Any] = {
    "relu": lambda z: np.maximum(z, 0),
    "sigmoid": lambda z: 1 / (1 + np.exp(-z)),
    "tanh": np.tanh,
    "leaky": lambda z: np.where(z > 0, z, 0.2 * z),
    "identity": lambda z: z,
    "softmax": lambda z: np.exp(z) / np.exp(z).sum(axis=1, keepdims=True),
}


def black_box(layout: str, hidden: str, output: str, sizes: tuple[int, ...]) -> Any:
    """A side that shows its parameters and ``predict``, and nothing else."""
    values: Values = {}
    for number, (inputs, outputs) in enumerate(itertools.pairwise(sizes), 1):
        shape = (outputs, inputs) if layout != "rows" else (inputs, outputs)
        values[f"w{number}"] = np.zeros(shape)
        if layout != "bare":
            values[f"b{number}"] = np.zeros((outputs, 1) if layout == "columns" else outputs)

    def predict(x: Array) -> Array:
        a = x
        for number in range(1, len(sizes)):
            w = values[f"w{number}"]
            z = a @ (w if layout == "rows" else w.T) + values.get(f"b{number}", np.zeros(1)).ravel()
            a = ACTS[output if number == len(sizes) - 1 else hidden](z)
        return a

    return adapt(netparity.Scratch(parameters=values, predict=predict))


@pytest.mark.parametrize(
    ("layout", "hidden", "output", "sizes", "kinds"),
    [
        ("rows", "relu", "identity", (4, 6, 3), [ReLU]),
        ("outputs", "tanh", "softmax", (4, 6, 3), [Tanh, Softmax]),
        ("columns", "sigmoid", "sigmoid", (4, 6, 3), [Sigmoid, Sigmoid]),
        ("bare", "sigmoid", "sigmoid", (2, 5, 1), [Sigmoid, Sigmoid]),
        ("rows", "leaky", "identity", (4, 6, 3), [LeakyReLU]),
        pytest.param(
            "outputs",
            "tanh",
            "identity",
            (5, 5, 5, 5),
            [Tanh, Tanh],
        ),
    ],
)
def test_the_network_of_a_black_box(
    layout: str, hidden: str, output: str, sizes: tuple[int, ...], kinds: list[Any]
) -> None:
    live = black_box(layout, hidden, output, sizes)
    before = live.parameters()
    x = rng(5).standard_normal((9, sizes[0]))
    found = structure.find(live, Conventions(), x, rng())
    assert found is not None
    layers = found.conventions.layers or ()
    assert [type(k) for _, k in layers if not isinstance(k, Affine)] == kinds
    for _, layer in layers:
        if isinstance(layer, LeakyReLU):
            assert layer.slope == 0.2
    weights = [p for n, p in found.conventions.places.items() if n.endswith(".weight")]
    assert [p.name for p in weights] == [f"w{n}" for n in range(1, len(sizes))]
    assert all(p.transposed == (layout != "rows") for p in weights)
    assert len(found.conventions.places) == len(before)
    # It was looked at, and left as it was.
    assert all(np.array_equal(v, before[n]) for n, v in live.parameters().items())


def test_no_network_is_claimed_for_what_is_none() -> None:
    w = np.zeros((4, 3))
    odd = netparity.Scratch(parameters={"w": w}, predict=lambda x: np.cos(x @ w) + x[0, 0])
    assert structure.find(adapt(odd), Conventions(), rng().standard_normal((7, 4)), rng()) is None


def test_a_declaration_that_is_wrong_is_not_believed() -> None:
    live = black_box("rows", "relu", "identity", (4, 6, 3))
    layers = (("one", Affine(4, 6)), ("tanh", Tanh()), ("two", Affine(6, 3)))
    names = ("one.weight", "one.bias", "two.weight", "two.bias")
    places = dict(zip(names, map(Place, ("w1", "b1", "w2", "b2")), strict=True))
    found = structure.find(
        live, Conventions(layers=layers, places=places), rng().standard_normal((9, 4)), rng()
    )
    assert found is not None
    assert not found.declared
    assert any(isinstance(layer, ReLU) for _, layer in found.conventions.layers or ())


# ---- activations, one by one ------------------------------------------------------------------
def unlike(z: Array, kind: str) -> Array:
    return {
        "tanh": np.tanh,
        "gelu": lambda z: 0.5 * z * (1 + np.tanh(np.sqrt(2 / np.pi) * (z + 0.044715 * z**3))),
        "leaky 0.07": lambda z: np.where(z > 0, z, 0.07 * z),
        "elu 0.4": lambda z: np.where(z > 0, z, 0.4 * np.expm1(np.minimum(z, 0))),
        "hard sigmoid": lambda z: np.clip(0.2 * z + 0.5, 0, 1),
        "relu6": lambda z: np.clip(z, 0, 6),
        "identity": lambda z: z,
        "softmax": lambda z: np.exp(z) / np.exp(z).sum(axis=1, keepdims=True),
        "over the batch": lambda z: np.exp(z) / np.exp(z).sum(axis=0, keepdims=True),
    }[kind](z)


def mixed(kinds: tuple[str, ...], dtype: Any = np.float64) -> netparity.Scratch:
    """Dense layers of one width, each with its own activation."""
    p = {f"W{k}": np.zeros((5, 5), dtype) for k in range(len(kinds))}
    p |= {f"b{k}": np.zeros(5, dtype) for k in range(len(kinds))}

    def predict(x: Array) -> Array:
        a = x.astype(dtype)
        for k, kind in enumerate(kinds):
            a = unlike(a @ p[f"W{k}"] + p[f"b{k}"], kind).astype(dtype)
        return a

    return netparity.Scratch(parameters=p, predict=predict)


def bends(program: netparity.Scratch, x: Array) -> list[Any] | None:
    """The layers without parameters that are found."""
    found = structure.find(adapt(program), Conventions(), x, rng())
    return found and [k for _, k in found.conventions.layers or () if not k.shapes()]


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_each_activation_is_read_by_itself(dtype: Any) -> None:
    kinds = ("elu 0.4", "gelu", "leaky 0.07", "hard sigmoid", "relu6", "softmax")
    found = bends(mixed(kinds, dtype), rng(5).standard_normal((9, 5)))
    wanted = [
        ELU(0.4), GELU(approximate=True), LeakyReLU(0.07), HardSigmoid(0.2), HardTanh(0.0, 6.0),
        Softmax(),
    ]  # fmt: skip
    assert found == wanted


def test_behind_a_softmax_over_the_batch_rows_that_differ_tell() -> None:
    found = bends(mixed(("tanh", "tanh", "over the batch")), rng(5).standard_normal((9, 5)))
    assert found == [Tanh(), Tanh(), Softmax(axis=0)]


def test_a_function_that_is_unknown_is_not_mistaken_for_one_that_is_near() -> None:
    p = {"W1": np.zeros((4, 6)), "b1": np.zeros(6), "W2": np.zeros((6, 2)), "b2": np.zeros(2)}

    def predict(x: Array) -> Array:
        z = x @ p["W1"] + p["b1"]
        return (np.tanh(z) + 1e-9 * np.sin(z)) @ p["W2"] + p["b2"]

    program = netparity.Scratch(parameters=p, predict=predict)
    assert bends(program, rng(5).standard_normal((9, 4))) is None


# ---- normalizations ---------------------------------------------------------------------------
@pytest.mark.parametrize("epsilon", [1e-5, 3e-4])
@pytest.mark.parametrize("bias", [True, False])
def test_layer_norm_with_its_epsilon(epsilon: float, bias: bool) -> None:
    shapes = {"W1": (4, 5), "b1": (5,), "gamma": (5,), "beta": (5,), "W2": (5, 5), "b2": (5,)}
    p = {n: np.zeros(s) for n, s in shapes.items() if bias or n != "b1"}

    def predict(x: Array) -> Array:
        z = x @ p["W1"] + p.get("b1", 0.0)
        z = z - z.mean(axis=1, keepdims=True)
        z = z / np.sqrt((z**2).mean(axis=1, keepdims=True) + epsilon)
        return np.maximum(z * p["gamma"] + p["beta"], 0) @ p["W2"] + p["b2"]

    program = netparity.Scratch(parameters=p, predict=predict)
    found = structure.find(adapt(program), Conventions(), rng(5).standard_normal((9, 4)), rng())
    assert found is not None
    assert [k for _, k in found.conventions.layers or ()] == [
        Affine(4, 5, bias=bias), LayerNorm((5,), epsilon=epsilon), ReLU(), Affine(5, 5),
    ]  # fmt: skip


def test_batch_norm_after_the_activation() -> None:
    p = {"W1": np.zeros((4, 5)), "b1": np.zeros(5), "g": np.ones(5), "b": np.zeros(5)}
    p |= {"W2": np.zeros((5, 2)), "b2": np.zeros(2)}
    kept = {"mean": np.zeros(5), "var": np.ones(5)}

    def predict(x: Array) -> Array:
        h = np.tanh(x @ p["W1"] + p["b1"])
        h = (h - kept["mean"]) / (np.sqrt(kept["var"]) + 1e-3) * p["g"] + p["b"]
        return h @ p["W2"] + p["b2"]

    program = netparity.Scratch(parameters=p, buffers=kept, predict=predict)
    found = structure.find(adapt(program), Conventions(), rng(5).standard_normal((9, 4)), rng())
    assert found is not None
    norm = BatchNorm(5, epsilon=1e-3, epsilon_placement="outside")
    wanted = [Affine(4, 5), Tanh(), norm, Affine(5, 2)]
    assert [k for _, k in found.conventions.layers or ()] == wanted


# ---- images -----------------------------------------------------------------------------------
def windows(x: Array, size: int, stride: int) -> Array:
    """(N, C, H, W) as (N, C, H', W', size, size)."""
    view = np.lib.stride_tricks.sliding_window_view(x, (size, size), axis=(2, 3))
    return view[:, :, ::stride, ::stride]


def test_two_convolutions_with_channels_first_their_pools_and_strides() -> None:
    shapes = {"K1": (4, 2, 3, 3), "c1": (4,), "K2": (3, 4, 3, 3), "c2": (3,)}
    p = {n: np.zeros(s) for n, s in (shapes | {"W": (5, 27), "b": (5,)}).items()}

    def predict(x: Array) -> Array:
        a = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
        a = np.einsum("ncijkl,mckl->nmij", windows(a, 3, 2), p["K1"]) + p["c1"][:, None, None]
        a = np.maximum(a, 0)
        a = np.pad(a, ((0, 0), (0, 0), (1, 1), (1, 1)))
        a = np.einsum("ncijkl,mckl->nmij", windows(a, 3, 1), p["K2"]) + p["c2"][:, None, None]
        a = windows(np.tanh(a), 2, 2).mean(axis=(4, 5))
        return a.reshape(len(x), -1) @ p["W"].T + p["b"]

    x = rng(5).standard_normal((7, 2, 12, 12))
    program = netparity.Scratch(parameters=p, predict=predict)
    found = structure.find(adapt(program), Conventions(), x, rng())
    assert found is not None
    wanted = [
        Conv2D(2, 4, 3, stride=2, padding=1), ReLU(), Conv2D(4, 3, 3, padding="same"), Tanh(),
        AveragePool2D(2), Flatten("CHW"), Affine(27, 5),
    ]  # fmt: skip
    assert [k for _, k in found.conventions.layers or ()][1:] == wanted


def test_a_flipped_kernel_and_a_largest_value() -> None:
    p = {"K": np.zeros((3, 3, 1, 2)), "c": np.zeros(2), "W": np.zeros((8, 3)), "b": np.zeros(3)}

    def predict(x: Array) -> Array:
        a = windows(x.transpose(0, 3, 1, 2), 3, 1)
        a = np.einsum("ncijkl,klcm->nmij", a, p["K"][::-1, ::-1]) + p["c"][:, None, None]
        a = windows(1 / (1 + np.exp(-a)), 2, 2).max(axis=(4, 5)).transpose(0, 2, 3, 1)
        return unlike(a.reshape(len(x), -1) @ p["W"] + p["b"], "softmax")

    program = netparity.Scratch(parameters=p, predict=predict)
    x = rng(5).standard_normal((7, 6, 6, 1))
    found = structure.find(adapt(program), Conventions(), x, rng())
    assert found is not None
    wanted = [
        Conv2D(1, 2, 3, flip=True), Sigmoid(), MaxPool2D(2), Flatten(), Affine(8, 3), Softmax(),
    ]  # fmt: skip
    assert [k for _, k in found.conventions.layers or ()] == wanted


# ---- sequences --------------------------------------------------------------------------------
def sigmoid(z: Array) -> Array:
    return 0.5 * (1 + np.tanh(z / 2))


def elman() -> tuple[Values, Callable[[Array], Array]]:
    """Weights (out, in) and biases in columns, as in many a character model."""
    shapes = {"Wxh": (4, 3), "Whh": (4, 4), "Why": (2, 4), "bh": (4, 1), "by": (2, 1)}
    p: Values = {n: np.zeros(s) for n, s in shapes.items()}

    def predict(x: Array) -> Array:
        h = np.zeros((4, len(x)))
        for t in range(x.shape[1]):
            h = np.tanh(p["Wxh"] @ x[:, t].T + p["Whh"] @ h + p["bh"])
        return (p["Why"] @ h + p["by"]).T

    return p, predict


def gate_by_gate() -> tuple[Values, Callable[[Array], Array]]:
    """An LSTM with an array for each gate, on the state and the input laid side by side."""
    p: Values = {}
    for gate in "fico":
        p |= {f"W{gate}": np.zeros((4, 7)), f"b{gate}": np.zeros((4, 1))}
    p |= {"Wy": np.zeros((2, 4)), "by": np.zeros((2, 1))}

    def predict(x: Array) -> Array:
        h = c = np.zeros((4, len(x)))
        for t in range(x.shape[1]):
            z = np.concatenate([h, x[:, t].T])
            f, i, o = (sigmoid(p[f"W{g}"] @ z + p[f"b{g}"]) for g in "fio")
            c = f * c + i * np.tanh(p["Wc"] @ z + p["bc"])
            h = o * np.tanh(c)
        return (p["Wy"] @ h + p["by"]).T

    return p, predict


def gru() -> tuple[Values, Callable[[Array], Array]]:
    """As Chung et al. have it: gates r, z, n, Z n; and a head without a bias."""
    p: Values = {"W": np.zeros((3, 12)), "U": np.zeros((4, 12)), "b": np.zeros(12)}
    p["Wy"] = np.zeros((4, 2))

    def predict(x: Array) -> Array:
        h = np.zeros((len(x), 4))
        for t in range(x.shape[1]):
            a, e = x[:, t] @ p["W"] + p["b"], h @ p["U"]
            r, z = sigmoid(a[:, :4] + e[:, :4]), sigmoid(a[:, 4:8] + e[:, 4:8])
            n = np.tanh(a[:, 8:] + (r * h) @ p["U"][:, 8:])
            h = (1 - z) * h + z * n
        return sigmoid(h @ p["Wy"])

    return p, predict


@pytest.mark.parametrize(
    ("made", "kinds"),
    [
        (elman, [SimpleRNN(3, 4), Affine(4, 2)]),
        (gate_by_gate, [LSTM(3, 4), Affine(4, 2)]),
        (
            gru,
            [
                GRU(3, 4, False, bias="one", update_gate="replaces"),
                Affine(4, 2, bias=False),
                Sigmoid(),
            ],
        ),
    ],
)
def test_recurrent_layers(
    made: Callable[[], tuple[Values, Callable[[Array], Array]]], kinds: list[Any]
) -> None:
    parameters, predict = made()
    program = netparity.Scratch(parameters=parameters, predict=predict)
    x = rng(5).standard_normal((7, 5, 3))
    found = structure.find(adapt(program), Conventions(), x, rng())
    assert found is not None
    assert [k for _, k in found.conventions.layers or ()] == kinds
    names = {n for place in found.conventions.places.values() for n in place.names}
    assert names == set(parameters)


def test_every_step_is_predicted() -> None:
    shapes = {"W": (3, 4), "U": (4, 4), "b": (4,), "V": (4, 2), "c": (2,)}
    p = {n: np.zeros(s) for n, s in shapes.items()}

    def predict(x: Array) -> Array:
        h, y = np.zeros((len(x), 4)), []
        for t in range(x.shape[1]):
            h = np.maximum(x[:, t] @ p["W"] + h @ p["U"] + p["b"], 0)
            y.append(sigmoid(h @ p["V"] + p["c"]))
        return np.stack(y, axis=1)

    program = netparity.Scratch(parameters=p, predict=predict)
    x = rng(5).standard_normal((7, 5, 3))
    found = structure.find(adapt(program), Conventions(), x, rng())
    assert found is not None
    wanted = [SimpleRNN(3, 4, "relu", return_sequences=True), Affine(4, 2), Sigmoid()]
    assert [k for _, k in found.conventions.layers or ()] == wanted


def test_vectors_of_tokens_laid_in_one_row() -> None:
    shapes = {"C": (9, 2), "W1": (6, 8), "b1": (8,), "W2": (8, 9), "b2": (9,)}
    p = {n: np.zeros(s) for n, s in shapes.items()}

    def predict(x: Array) -> Array:
        rows = p["C"][x.astype(int)].reshape(len(x), -1)
        return unlike(np.tanh(rows @ p["W1"] + p["b1"]) @ p["W2"] + p["b2"], "softmax")

    program = netparity.Scratch(parameters=p, predict=predict)
    x = rng(5).integers(0, 9, (7, 3)).astype(float)
    found = structure.find(adapt(program), Conventions(), x, rng())
    assert found is not None
    wanted = [Embedding(9, 2), Flatten(), Affine(6, 8), Tanh(), Affine(8, 9), Softmax()]
    assert [k for _, k in found.conventions.layers or ()] == wanted


def test_many_convolutions_and_no_network_take_no_time() -> None:
    p: Values = {}
    for k in range(6):
        p |= {f"K{k}": np.zeros((3, 3, 3, 3)), f"c{k}": np.zeros(3)}
    p |= {"W": np.zeros((12, 2)), "b": np.zeros(2)}
    program = netparity.Scratch(parameters=p, predict=lambda x: np.cos(x[:, :2, 0, 0]) + p["b"])
    begun = time.perf_counter()
    x = rng(5).standard_normal((5, 16, 16, 3))
    assert structure.find(adapt(program), Conventions(), x, rng()) is None
    assert time.perf_counter() - begun < 10


def test_biases_in_the_first_column_of_the_weights() -> None:
    p = {"Theta1": np.zeros((6, 5)), "Theta2": np.zeros((3, 7))}

    def predict(x: Array) -> Array:
        ones = np.ones((len(x), 1))
        h = sigmoid(np.hstack([ones, x]) @ p["Theta1"].T)
        return sigmoid(np.hstack([ones, h]) @ p["Theta2"].T)

    program = netparity.Scratch(parameters=p, predict=predict)
    found = structure.find(adapt(program), Conventions(), rng(5).standard_normal((9, 4)), rng())
    assert found is not None
    wanted = [Affine(4, 6), Sigmoid(), Affine(6, 3), Sigmoid()]
    assert [k for _, k in found.conventions.layers or ()] == wanted
    assert found.conventions.places["affine1.bias"].part == Part(1, 0, 1)


@pytest.mark.parametrize("before", [True, False])
def test_batch_norm_without_running_statistics(before: bool) -> None:
    p = {"W1": np.zeros((4, 5)), "b1": np.zeros(5), "gamma": np.ones(5), "beta": np.zeros(5)}
    p |= {"W2": np.zeros((5, 2)), "b2": np.zeros(2)}

    def predict(x: Array) -> Array:
        z = x @ p["W1"] + p["b1"]
        z = z if before else np.tanh(z)
        z = (z - z.mean(axis=0)) / np.sqrt(z.var(axis=0) + 1e-8) * p["gamma"] + p["beta"]
        return (np.tanh(z) if before else z) @ p["W2"] + p["b2"]

    program = netparity.Scratch(parameters=p, predict=predict)
    found = structure.find(adapt(program), Conventions(), rng(5).standard_normal((9, 4)), rng())
    assert found is not None
    norm = BatchNorm(5, epsilon=1e-8, inference="batch")
    between = [norm, Tanh()] if before else [Tanh(), norm]
    assert [k for _, k in found.conventions.layers or ()] == [Affine(4, 5), *between, Affine(5, 2)]


def test_a_dropout_that_scales_in_inference() -> None:
    shapes = {"W1": (4, 6), "b1": (6,), "W2": (6, 6), "b2": (6,), "W3": (6, 2), "b3": (2,)}
    p = {n: np.zeros(s) for n, s in shapes.items()}

    def predict(x: Array) -> Array:
        h = 0.7 * np.tanh(x @ p["W1"] + p["b1"])
        h = 0.8 * np.maximum(h @ p["W2"] + p["b2"], 0)
        return unlike(h @ p["W3"] + p["b3"], "softmax")

    program = netparity.Scratch(parameters=p, predict=predict)
    found = bends(program, rng(5).standard_normal((9, 4)))
    assert found == [Tanh(), Dropout(0.3, "plain"), ReLU(), Dropout(0.2, "plain"), Softmax()]


def test_an_activation_before_the_first_layer() -> None:
    p = {"W1": np.zeros((4, 6)), "b1": np.zeros(6), "W2": np.zeros((6, 2)), "b2": np.zeros(2)}

    def predict(x: Array) -> Array:
        return np.maximum(np.tanh(x) @ p["W1"] + p["b1"], 0) @ p["W2"] + p["b2"]

    program = netparity.Scratch(parameters=p, predict=predict)
    found = structure.find(adapt(program), Conventions(), rng(5).standard_normal((9, 4)), rng())
    assert found is not None
    wanted = [Tanh(), Affine(4, 6), ReLU(), Affine(6, 2)]
    assert [k for _, k in found.conventions.layers or ()] == wanted


def test_the_plainest_of_equal_functions_is_taken() -> None:
    # On rows within (−1, 1) a hard tanh does nothing.
    live = black_box("rows", "relu", "identity", (4, 6, 3))
    x = 0.01 * rng(5).standard_normal((9, 4))
    found = structure.find(live, Conventions(), x, rng())
    assert found is not None
    assert [k for _, k in found.conventions.layers or ()] == [Affine(4, 6), ReLU(), Affine(6, 3)]


def test_a_program_that_takes_batches_of_one_size_only() -> None:
    p = {"W1": np.zeros((4, 6)), "b1": np.zeros(6), "W2": np.zeros((6, 2)), "b2": np.zeros(2)}

    def predict(x: Array) -> Array:
        hidden = np.tanh(x @ p["W1"] + np.tile(p["b1"], (9, 1)))
        return hidden @ p["W2"] + p["b2"]

    program = netparity.Scratch(parameters=p, predict=predict)
    assert bends(program, rng(5).standard_normal((9, 4))) == [Tanh()]


def test_layers_that_do_not_fit_the_rows_are_no_network() -> None:
    layer = Conv2D(2, 3, 3)
    sketch = Sketch((("conv", layer), ("gap", Identity())), {}, ("gap",))
    assert takes(sketch, np.zeros((2, 5, 5, 2)), rng())
    channels_first = np.zeros((2, 2, 5, 5))
    assert not takes(sketch, channels_first, rng())

    def predict(x: Array) -> Array:
        raise AssertionError("nothing is to be read")

    program = adapt(netparity.Scratch(parameters={"K": np.zeros((3, 3, 2, 3))}, predict=predict))
    assert read(program, sketch, channels_first, rng(), (), {}) is None
