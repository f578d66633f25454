"""One switch of a layer with images or sequences: found under its id, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from tests.diagnosis.networks import found

import netparity
from netparity.nn import (
    GRU,
    LSTM,
    SGD,
    Affine,
    AveragePool2D,
    BatchNorm,
    Conv2D,
    Dropout,
    Embedding,
    Flatten,
    GlobalAveragePool2D,
    GroupNorm,
    Layer,
    LayerNorm,
    MaxPool2D,
    Network,
    ReLU,
    SimpleRNN,
    SoftmaxCrossEntropy,
    Solver,
    UpSample2D,
)

Array = np.ndarray
Layers = tuple[tuple[str, Layer], ...]


def solver(layers: Layers) -> Callable[[], Solver]:
    def build() -> Solver:
        network = Network(layers)
        rng = np.random.default_rng(3)
        shapes = network.parameter_shapes()
        values = {n: 0.4 * rng.standard_normal(s) for n, s in shapes.items()}
        values |= {n: 1 + 0.1 * v for n, v in values.items() if n.endswith("scale")}
        return Solver(network, SoftmaxCrossEntropy(), SGD(0.1), parameters=values)

    return build


def images(rows: int = 16) -> tuple[Array, Array]:
    rng = np.random.default_rng(0)
    return rng.standard_normal((rows, 6, 6, 2)), rng.integers(0, 3, rows)


def sequences(rows: int = 16) -> tuple[Array, Array]:
    rng = np.random.default_rng(0)
    return rng.standard_normal((rows, 5, 3)), rng.integers(0, 3, rows)


def tokens(rows: int = 16) -> tuple[Array, Array]:
    rng = np.random.default_rng(0)
    return rng.integers(0, 9, (rows, 5)), rng.integers(0, 3, rows)


def after(*layers: Layer, width: int = 4) -> Layers:
    """A convolution, then these layers, and the mean of what is left."""
    named = [(f"layer{i}", layer) for i, layer in enumerate(layers)]
    return (
        ("conv", Conv2D(2, width, 3, padding=1)),
        *named,
        ("mean", GlobalAveragePool2D()),
        ("dense", Affine(width, 3)),
    )


def dense(*layers: Layer) -> Layers:
    named = [(f"layer{i}", layer) for i, layer in enumerate(layers)]
    return (("flatten", Flatten()), ("hidden", Affine(72, 6)), *named, ("dense", Affine(6, 3)))


def gates(layer: Layer) -> Layers:
    return (("rnn", layer), ("dense", Affine(4, 3)))


BN = BatchNorm(4, epsilon=1e-3, momentum=0.9)
SWITCHES = [
    (images, after(Conv2D(4, 4, 3, 2, "same")), after(Conv2D(4, 4, 3, 2, 1)), "conv-same-padding"),
    (
        images,
        after(Conv2D(4, 4, 3)),
        after(Conv2D(4, 4, 3, padding="same")),
        "conv-default-padding",
    ),
    (images, after(MaxPool2D(2)), after(MaxPool2D(2, stride=1)), "pool-default-stride"),
    (
        images,
        after(AveragePool2D(2, padding="same", stride=1)),
        after(AveragePool2D(2, padding="same", stride=1, count_include_pad=False)),
        "avgpool-count-include-pad",
    ),
    (
        images,
        after(MaxPool2D(3, 2, padding=1)),
        after(MaxPool2D(3, 2, padding=1, pad_value="zero")),
        "maxpool-padding",
    ),
    (
        images,
        after(UpSample2D(2, "bilinear")),
        after(UpSample2D(2, "bilinear", "align-corners")),
        "upsample-align-corners",
    ),
    (images, after(BN), after(replace(BN, epsilon=1e-5)), "bn-epsilon"),
    (images, after(BN), after(replace(BN, momentum=0.99)), "bn-momentum"),
    (images, after(BN), after(replace(BN, running_variance="unbiased")), "bn-running-var-bias"),
    (images, after(BN), after(replace(BN, frozen=True)), "bn-frozen"),
    (images, after(BN), after(replace(BN, epsilon_placement="outside")), "norm-epsilon-placement"),
    (
        images,
        after(GroupNorm(2, 4)),
        after(GroupNorm(2, 4, epsilon=1e-3)),
        "groupnorm-epsilon",
    ),
    (images, dense(LayerNorm((6,))), dense(LayerNorm((6,), epsilon=1e-3)), "ln-epsilon"),
    (
        images,
        after(ReLU(), Dropout(0.5)),
        after(ReLU(), Dropout(0.5, channel_axis=-1)),
        "spatial-dropout",
    ),
    (
        sequences,
        gates(GRU(3, 4)),
        gates(GRU(3, 4, reset_after=False)),
        "gru-reset-after",
    ),
    (
        sequences,
        gates(GRU(3, 4)),
        gates(GRU(3, 4, update_gate="replaces")),
        "gru-update-gate",
    ),
    (
        sequences,
        gates(LSTM(3, 4)),
        gates(LSTM(3, 4, gate_activation="hard-sigmoid-keras2")),
        "rnn-gate-activation",
    ),
    (
        sequences,
        gates(SimpleRNN(3, 4)),
        gates(SimpleRNN(3, 4, activation="relu")),
        "activation-kind",
    ),
]


@pytest.mark.parametrize(("data", "left", "right", "id"), SWITCHES, ids=[s[-1] for s in SWITCHES])
def test_one_switch_is_found_and_put_right(
    data: Callable[[], tuple[Array, Array]], left: Layers, right: Layers, id: str
) -> None:
    report = netparity.compare(solver(left), solver(right), data=data(), steps=3, batch_size=8)
    assert found(report) == {id}
    assert report.gap.after == pytest.approx(0.0, abs=1e-13)


@pytest.mark.parametrize(
    ("data", "layers"),
    [
        (images, after(BN, ReLU(), MaxPool2D(2), Dropout(0.25))),
        (sequences, gates(GRU(3, 4))),
        (tokens, (("embedding", Embedding(9, 3)), *gates(LSTM(3, 4)))),
    ],
)
def test_the_same_network_twice_is_parity(
    data: Callable[[], tuple[Array, Array]], layers: Layers
) -> None:
    report = netparity.compare(solver(layers), solver(layers), data=data(), steps=3, batch_size=8)
    assert report.verdict == "parity"


def test_running_statistics_handed_over_are_compared() -> None:
    layers = after(BN, ReLU())

    def other() -> Solver:
        made = solver(layers)()
        made.load({"layer0.running_mean": made.buffers["layer0.running_mean"] + 0.5})
        return made

    report = netparity.compare(solver(layers), other, data=images(), steps=3, batch_size=8)
    assert found(report) == {"init-value"}
    assert report.causes[0].where == ("layer0.running_mean",)
    assert report.gap.after == pytest.approx(0.0, abs=1e-13)
