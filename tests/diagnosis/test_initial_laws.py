"""Initial values: each framework's own laws by kind of layer, other laws, other draws."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from tests.diagnosis.programs import Net, Program
from torch import nn

import netparity
from netparity.diagnosis import initial
from netparity.nn import (
    GRU,
    LSTM,
    Affine,
    Conv2D,
    ConvTranspose2D,
    DepthwiseConv2D,
    Embedding,
    Network,
    SimpleRNN,
    default_laws,
)
from netparity.report.model import Report

Array = np.ndarray[Any, np.dtype[Any]]
SIZES = (6, 20, 4)
PROGRAM = Program(sizes=SIZES)
X, Y = PROGRAM.data()


# ---- laws by kind of layer -----------------------------------------------------------------------
LAYERS: dict[str, tuple[Any, str]] = {
    "dense": (Affine(30, 20), "dense-init-default"),
    "convolution": (Conv2D(6, 8, 3), "conv-init-default"),
    "transposed": (ConvTranspose2D(6, 8, 3), "conv-transpose-init"),
    "depthwise": (DepthwiseConv2D(12, 3), "depthwise-init"),
    "simple": (SimpleRNN(12, 10), "rnn-init-default"),
    "lstm": (LSTM(12, 10), "rnn-init-default"),
    "gru": (GRU(12, 10), "rnn-init-default"),
    "embedding": (Embedding(30, 12), "embedding-init"),
}


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("framework", ["torch", "keras", "flax"])
def test_a_frameworks_own_draw_is_known_for_its_own(name: str, framework: str) -> None:
    layer, id = LAYERS[name]
    network = Network(((name, layer),))
    laws = {f: default_laws(network, f) for f in ("torch", "keras", "flax")}
    rng = np.random.default_rng(0)
    draws = [
        initial.groups(network.initialize(laws[framework], rng), {name: layer}) for _ in range(20)
    ]
    groups = {
        key: initial.Group(key, tuple(a for g in draws for a in g[key].arrays)) for key in draws[0]
    }
    weights = next(g for g in groups.values() if "bias" not in g.name)
    assert initial.KINDS[weights.name] == id
    # One in a thousand would be refuted; and those of another spread or shape are.
    assert all(initial.probability(g, laws[framework]) > initial.REFUTED for g in groups.values())
    for other in laws:
        same = all(laws[other][n] == laws[framework][n] for n, *_ in weights.arrays)
        if other != framework and not same:
            assert initial.probability(weights, laws[other]) <= initial.REFUTED


def test_true_draws_are_refuted_one_time_in_a_thousand() -> None:
    network = Network((("lstm", LSTM(5, 4)), ("dense", Affine(4, 3))))
    rng = np.random.default_rng(1)
    refuted = total = 0
    for framework in ("torch", "keras", "flax"):
        laws = default_laws(network, framework)
        for _ in range(150):
            values = network.initialize(laws, rng)
            for group in initial.groups(values, dict(network.layers)).values():
                total += 1
                refuted += initial.probability(group, laws) <= initial.REFUTED
    # 0.001 of 1800 is 1.8; ten have a chance of 2e-5.
    assert refuted < 10
    assert total == 1800


# ---- the whole way -------------------------------------------------------------------------------
def in_torch(seed: int | None = None) -> Callable[[], netparity.Torch]:
    def build() -> netparity.Torch:
        if seed is not None:
            torch.manual_seed(seed)
        layers = (nn.Linear(6, 20), nn.ReLU(), nn.Linear(20, 4))
        made = nn.Sequential(*layers).double()
        return netparity.Torch(
            made, nn.CrossEntropyLoss(), torch.optim.SGD(made.parameters(), lr=0.05)
        )

    return build


def drawn(
    law: Callable[[np.random.Generator, str, Array], Any], seed: int | None = None
) -> Callable[[], netparity.Scratch]:
    def build() -> netparity.Scratch:
        rng, net = np.random.default_rng(seed), Net(PROGRAM)
        for name, value in net.values.items():
            value[...] = law(rng, name, value)
        return netparity.Scratch(
            parameters=net.values, state=net.kept, predict=net.predict, loss=net.loss,
            gradients=net.gradients, update=net.update,
        )  # fmt: skip

    return build


def glorot(rng: np.random.Generator, name: str, value: Array) -> Any:
    if value.ndim < 2:
        return 0.0
    return rng.uniform(-1, 1, value.shape) * np.sqrt(6 / sum(value.shape))


def he(rng: np.random.Generator, name: str, value: Array) -> Any:
    if value.ndim < 2:
        return 0.0
    return rng.standard_normal(value.shape) * np.sqrt(2 / value.shape[0])


def as_torch(rng: np.random.Generator, name: str, value: Array) -> Any:
    fan = dict(zip("12", SIZES, strict=False))[name[1]]
    return rng.uniform(-1, 1, value.shape) / np.sqrt(fan)


def compare(left: Any, right: Any) -> Report:
    return netparity.compare(left, right, data=(X, Y), steps=3)


def test_a_programs_own_law_against_a_frameworks() -> None:
    report = compare(in_torch(), drawn(glorot))
    (cause,) = report.causes
    assert cause.id == "init-law"
    assert "U(±1/√fan_in)" in cause.left
    assert "U(±√(6/(fan_in+fan_out)))" in cause.right
    assert report.explained


def test_the_same_law_another_draw() -> None:
    report = compare(in_torch(), drawn(as_torch))
    (cause,) = report.causes
    assert (cause.id, cause.also) == ("init-value", ("same-seed-different-stream",))


def test_many_builds_tell_what_one_draw_leaves_open() -> None:
    """Of one seeded draw each of a few dozen values Glorot's and He's laws are both possible."""
    seeded = compare(drawn(glorot, 0), drawn(he, 1))
    fresh = compare(drawn(glorot), drawn(he))
    assert [c.id for c in fresh.causes] == ["init-law"]
    assert "builds" in fresh.causes[0].evidence[0].relation
    assert "builds" not in seeded.causes[0].evidence[0].relation


def test_frameworks_that_each_draw_by_their_own() -> None:
    from sklearn.neural_network import MLPClassifier

    report = compare(lambda: MLPClassifier((20,), solver="sgd", alpha=0.0), in_torch())
    init = {c.id for c in report.causes if c.stage == "init"}
    assert init == {"dense-init-default", "dense-bias-init"}


def test_one_initializer_for_two_layers() -> None:
    program = Program(sizes=(6, 5, 5, 5, 4))

    def twice(same: bool) -> Callable[[], netparity.Scratch]:
        def build() -> netparity.Scratch:
            net = Net(program)
            if same:
                net.values["W3"][...] = net.values["W2"]
            return netparity.Scratch(
                parameters=net.values, state=net.kept, predict=net.predict, loss=net.loss,
                gradients=net.gradients, update=net.update,
            )  # fmt: skip

        return build

    report = netparity.compare(twice(False), twice(True), data=program.data(), steps=3)
    (cause,) = report.causes
    assert (cause.id, cause.where) == ("initializer-instance-reuse", ("W3",))
    assert report.explained
    both = netparity.compare(twice(True), twice(True), data=program.data(), steps=3)
    assert both.verdict == "parity"
