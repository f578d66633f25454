"""NumPy programs with images, batch norm or an LSTM that say nothing of themselves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from tests.diagnosis.networks import found

import netparity
from netparity.nn import (
    LSTM,
    SGD,
    Affine,
    BatchNorm,
    Conv2D,
    Flatten,
    MaxPool2D,
    MeanSquaredError,
    Network,
    ReLU,
    Solver,
)

Array = Any
Parameters = dict[str, Array]


def drawn(shapes: dict[str, tuple[int, ...]]) -> Parameters:
    rng = np.random.default_rng(3)
    return {name: 0.4 * rng.standard_normal(shape) for name, shape in shapes.items()}


def solver(layers: Any, values: Parameters) -> Callable[[], Solver]:
    def build() -> Solver:
        return Solver(Network(layers), MeanSquaredError(), SGD(0.1), parameters=dict(values))

    return build


# ---- images -----------------------------------------------------------------------------------
CONVOLUTIONAL = (
    ("conv", Conv2D(2, 3, 3, padding=1)),
    ("relu", ReLU()),
    ("pool", MaxPool2D(2)),
    ("flatten", Flatten()),
    ("dense", Affine(27, 2)),
)
SHAPES = {
    "conv.weight": (3, 3, 2, 3),
    "conv.bias": (3,),
    "dense.weight": (27, 2),
    "dense.bias": (2,),
}


def convolved(x: Array, w: Array, b: Array, *, pad: int, flip: bool) -> Array:
    """Loops over the windows of images with the channels first; ``w`` is (out, in, k, k)."""
    x = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    size = x.shape[2] - 2
    y = np.zeros((len(x), len(w), size, size))
    kernel = w[:, :, ::-1, ::-1] if flip else w
    for i in range(size):
        for j in range(size):
            y[:, :, i, j] = np.tensordot(
                x[:, :, i : i + 3, j : j + 3], kernel, axes=((1, 2, 3), (1, 2, 3))
            )
    return y + b[:, None, None]


def program(*, flip: bool = False, rows: bool = True) -> Callable[[], netparity.Scratch]:
    """Channels first inside; values of ``drawn``, with the dense rows as told."""

    def build() -> netparity.Scratch:
        values = drawn(SHAPES)
        dense = values["dense.weight"]
        if rows:
            dense = dense.reshape(3, 3, 3, 2).transpose(2, 0, 1, 3).reshape(27, 2)
        parameters = {
            "W1": values["conv.weight"].transpose(3, 2, 0, 1).copy(),
            "b1": values["conv.bias"],
            "W2": dense.copy(),
            "b2": values["dense.bias"],
        }

        def predict(x: Array) -> Array:
            p = parameters
            images = x.transpose(0, 3, 1, 2)
            hidden = np.maximum(convolved(images, p["W1"], p["b1"], pad=1, flip=flip), 0)
            pooled = hidden.reshape(len(x), 3, 3, 2, 3, 2).max(axis=(3, 5))
            return pooled.reshape(len(x), -1) @ p["W2"] + p["b2"]

        return netparity.Scratch(parameters=parameters, predict=predict)

    return build


def images() -> tuple[Array, None]:
    return np.random.default_rng(0).standard_normal((12, 6, 6, 2)), None


@pytest.mark.parametrize(
    ("right", "causes"),
    [
        (program(), set()),
        (program(rows=False), {"flatten-order"}),
        (program(flip=True), {"conv-correlation"}),
    ],
    ids=["the same", "rows as they stood", "flipped kernels"],
)
def test_a_convolution_in_numpy(right: Callable[[], netparity.Scratch], causes: set[str]) -> None:
    left = solver(CONVOLUTIONAL, drawn(SHAPES))
    report = netparity.compare(left, right, data=images(), batch_size=8)
    assert {s.stage: s.status for s in report.stages}["forward"] == "equal"
    assert found(report) == causes


@pytest.mark.parametrize(
    ("right", "causes"),
    [(program(rows=False), {"flatten-order"}), (program(flip=True), {"conv-correlation"})],
    ids=["rows as they stood", "flipped kernels"],
)
def test_two_convolutions_in_numpy(
    right: Callable[[], netparity.Scratch], causes: set[str]
) -> None:
    report = netparity.compare(program(), right, data=images(), batch_size=8)
    assert found(report) == causes
    assert not report.unexplained


# ---- batch norm -------------------------------------------------------------------------------
NORMALIZED = (
    ("dense1", Affine(4, 5)),
    ("bn", BatchNorm(5, epsilon=1e-3)),
    ("relu", ReLU()),
    ("dense2", Affine(5, 2)),
)


def normalized(epsilon: float) -> Callable[[], netparity.Scratch]:
    def build() -> netparity.Scratch:
        shapes = {"W1": (4, 5), "b1": (5,), "gamma": (5,), "beta": (5,), "W2": (5, 2), "b2": (2,)}
        p = drawn(shapes)
        kept = {"mean": np.zeros(5), "var": np.ones(5)}

        def predict(x: Array) -> Array:
            z = x @ p["W1"] + p["b1"]
            z = (z - kept["mean"]) / np.sqrt(kept["var"] + epsilon) * p["gamma"] + p["beta"]
            return np.maximum(z, 0) @ p["W2"] + p["b2"]

        return netparity.Scratch(parameters=p, buffers=kept, predict=predict)

    return build


@pytest.mark.parametrize(("epsilon", "causes"), [(1e-3, set()), (1e-5, {"bn-epsilon"})])
def test_batch_norm_in_numpy(epsilon: float, causes: set[str]) -> None:
    names = ("dense1.weight", "dense1.bias", "bn.scale", "bn.shift", "dense2.weight", "dense2.bias")
    shapes = ((4, 5), (5,), (5,), (5,), (5, 2), (2,))
    left = solver(NORMALIZED, drawn(dict(zip(names, shapes, strict=True))))
    x = np.random.default_rng(0).standard_normal((12, 4))
    report = netparity.compare(left, normalized(epsilon), data=(x, None), batch_size=8)
    assert found(report) == causes


def over_the_batch() -> netparity.Scratch:
    """No running statistics: the batch's own, in every mode."""
    shapes = {"W1": (4, 5), "b1": (5,), "gamma": (5,), "beta": (5,), "W2": (5, 2), "b2": (2,)}
    p = drawn(shapes)

    def predict(x: Array) -> Array:
        z = x @ p["W1"] + p["b1"]
        z = (z - z.mean(axis=0)) / np.sqrt(z.var(axis=0) + 1e-5) * p["gamma"] + p["beta"]
        return np.maximum(z, 0) @ p["W2"] + p["b2"]

    return netparity.Scratch(parameters=p, predict=predict)


@pytest.mark.parametrize(("tracks", "causes"), [(False, set()), (True, {"bn-train-eval"})])
def test_batch_norm_over_the_batch(tracks: bool, causes: set[str]) -> None:
    def left() -> netparity.Torch:
        norm = torch.nn.BatchNorm1d(5, track_running_stats=tracks)
        layers = torch.nn.Linear(4, 5), norm, torch.nn.ReLU(), torch.nn.Linear(5, 2)
        network = torch.nn.Sequential(*layers).double()
        p = over_the_batch().parameters()
        values = [p["W1"].T, p["b1"], p["gamma"], p["beta"], p["W2"].T, p["b2"]]
        with torch.no_grad():
            for own, value in zip(network.parameters(), values, strict=True):
                own.copy_(torch.from_numpy(value.copy()))
        return netparity.Torch(network)

    x = np.random.default_rng(0).standard_normal((12, 4))
    report = netparity.compare(left, over_the_batch, data=(x, None), batch_size=8)
    assert found(report) == causes
    assert not report.unexplained


# ---- LSTM -------------------------------------------------------------------------------------
def sigmoid(z: Array) -> Array:
    return 1 / (1 + np.exp(-z))


def lstm(order: tuple[int, ...], *, hard: bool = False) -> Callable[[], netparity.Scratch]:
    """One matrix for [x, h]; the blocks i, f, g, o stand where ``order`` says."""

    def build() -> netparity.Scratch:
        shapes = {"w": (3, 16), "u": (4, 16), "b": (16,), "Wy": (4, 2), "by": (2,)}
        p = drawn(shapes)
        w = np.concatenate([p.pop("w"), p.pop("u")])
        gates = np.argsort(order)
        p = {
            "W": np.concatenate([np.split(w, 4, axis=1)[i] for i in gates], axis=1),
            "b": np.concatenate([np.split(p["b"], 4)[i] for i in gates]),
            "Wy": p["Wy"],
            "by": p["by"],
        }
        gate = (lambda z: np.clip(0.2 * z + 0.5, 0, 1)) if hard else sigmoid

        def predict(x: Array) -> Array:
            h = s = np.zeros((len(x), 4))
            for t in range(x.shape[1]):
                z = np.split(np.concatenate([x[:, t], h], axis=1) @ p["W"] + p["b"], 4, axis=1)
                i, f, g, o = (z[k] for k in order)
                s = gate(f) * s + gate(i) * np.tanh(g)
                h = gate(o) * np.tanh(s)
            return h @ p["Wy"] + p["by"]

        return netparity.Scratch(parameters=p, predict=predict)

    return build


@pytest.mark.parametrize(
    ("right", "causes"),
    [
        (lstm((0, 1, 2, 3)), set()),
        (lstm((0, 2, 1, 3)), set()),
        (lstm((0, 1, 2, 3), hard=True), {"rnn-gate-activation"}),
    ],
    ids=["the same", "gates in another order, values too", "hard sigmoid"],
)
def test_an_lstm_in_numpy(right: Callable[[], netparity.Scratch], causes: set[str]) -> None:
    names = ("rnn.weight", "rnn.recurrent_weight", "rnn.bias", "dense.weight", "dense.bias")
    shapes = ((3, 16), (4, 16), (16,), (4, 2), (2,))
    left = solver(
        (("rnn", LSTM(3, 4)), ("dense", Affine(4, 2))),
        drawn(dict(zip(names, shapes, strict=True))),
    )
    x = np.random.default_rng(0).standard_normal((12, 5, 3))
    report = netparity.compare(left, right, data=(x, None), batch_size=8)
    assert {s.stage: s.status for s in report.stages}["structure"] != "not-checked"
    assert found(report) == causes


# ---- dropout ----------------------------------------------------------------------------------
def dropping(scaling: str) -> Callable[[], netparity.Scratch]:
    """Drops 40 % of its hidden units, and scales in training or in inference."""

    def build() -> netparity.Scratch:
        p = drawn({"W1": (4, 6), "b1": (6,), "W2": (6, 2), "b2": (2,)})

        def activations(x: Array, training: bool) -> Parameters:
            h = np.tanh(x @ p["W1"] + p["b1"])
            mask = np.random.random_sample(h.shape) >= 0.4 if training else 1.0  # noqa: NPY002
            scale = (1 / 0.6 if training else 1.0) if scaling == "inverted" else 1.0
            scale = 0.6 if scaling == "plain" and not training else scale
            return {"h": h, "d": h * mask * scale, "y": h * mask * scale @ p["W2"] + p["b2"]}

        def predict(x: Array, training: bool = False) -> Array:
            return activations(x, training)["y"]

        return netparity.Scratch(parameters=p, predict=predict, activations=activations)

    return build


@pytest.mark.parametrize(
    ("right", "causes"), [("plain", set()), ("inverted", {"dropout-inverted"})]
)
def test_a_dropout_that_scales_in_inference(right: str, causes: set[str]) -> None:
    x = np.random.default_rng(0).standard_normal((60, 4))
    report = netparity.compare(dropping("plain"), dropping(right), data=(x, None), batch_size=60)
    assert found(report) == causes
