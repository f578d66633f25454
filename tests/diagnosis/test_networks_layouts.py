"""Values carried over in another layout than the function reads: found, named, and put right."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pytest
from tests.diagnosis.networks import blocks, found, images, in_torch

import netparity
from netparity.nn import (
    GRU,
    LSTM,
    SGD,
    Affine,
    Conv2D,
    Flatten,
    Layer,
    Network,
    SoftmaxCrossEntropy,
    Solver,
)

Array = np.ndarray
Values = dict[str, Array]
IMAGES: tuple[tuple[str, Layer], ...] = (
    ("conv", Conv2D(3, 3, 3)),
    ("flatten", Flatten()),
    ("dense", Affine(27, 3)),
)
SEQUENCES: tuple[tuple[str, Layer], ...] = (("rnn", LSTM(3, 4)), ("dense", Affine(4, 3)))
GATED: tuple[tuple[str, Layer], ...] = (("rnn", GRU(3, 4)), ("dense", Affine(4, 3)))


def data(layers: tuple[tuple[str, Layer], ...]) -> tuple[Array, Array]:
    rng = np.random.default_rng(0)
    shape = (16, 5, 5, 3) if layers is IMAGES else (16, 6, 3)
    return rng.standard_normal(shape), rng.integers(0, 3, 16)


def built(
    layers: tuple[tuple[str, Layer], ...], changes: Mapping[str, Callable[[Array], Array]]
) -> Callable[[], Solver]:
    def build() -> Solver:
        network = Network(layers)
        rng = np.random.default_rng(3)
        values = {n: 0.4 * rng.standard_normal(s) for n, s in network.parameter_shapes().items()}
        values |= {n: change(values[n]) for n, change in changes.items()}
        return Solver(network, SoftmaxCrossEntropy(), SGD(0.1), parameters=values)

    return build


def flat(order: tuple[int, ...]) -> Callable[[Array], Array]:
    return lambda w: w.reshape(3, 3, 3, 3).transpose(order).reshape(27, 3)


GATES = ("rnn.weight", "rnn.recurrent_weight", "rnn.bias")


@pytest.mark.parametrize(
    ("layers", "changes", "id"),
    [
        (IMAGES, {"conv.weight": lambda w: w.transpose(1, 0, 2, 3)}, "conv-kernel-layout"),
        (IMAGES, {"conv.weight": lambda w: w.transpose(0, 1, 3, 2)}, "conv-kernel-layout"),
        (IMAGES, {"conv.weight": lambda w: w[::-1, ::-1]}, "conv-correlation"),
        (IMAGES, {"dense.weight": flat((2, 0, 1, 3))}, "flatten-order"),
        (SEQUENCES, {n: lambda w: blocks(w, (0, 2, 1, 3)) for n in GATES}, "lstm-gate-order"),
        (GATED, {n: lambda w: blocks(w, (1, 0, 2)) for n in GATES}, "gru-gate-order"),
        (
            SEQUENCES,
            {
                "rnn.recurrent_weight": lambda w: np.concatenate(
                    [b.T for b in np.split(w, 4, axis=1)], axis=1
                )
            },
            "rnn-weight-layout",
        ),
    ],
)
def test_values_in_another_layout_are_named(
    layers: tuple[tuple[str, Layer], ...],
    changes: Mapping[str, Callable[[Array], Array]],
    id: str,
) -> None:
    report = netparity.compare(
        built(layers, {}), built(layers, changes), data=data(layers), steps=3, batch_size=8
    )
    assert found(report) == {id}
    (cause,) = report.causes
    assert cause.stage == "structure"
    assert set(cause.where) == set(changes)
    assert report.gap.after == 0.0


def test_other_values_are_no_layout() -> None:
    changes = {"conv.weight": lambda w: w[::-1] * 1.001}
    report = netparity.compare(
        built(IMAGES, {}), built(IMAGES, changes), data=data(IMAGES), steps=3, batch_size=8
    )
    assert found(report) == {"init-value"}


def test_rows_of_a_flattened_image_in_torch() -> None:
    report = netparity.compare(
        in_torch(), in_torch(flattened=False), data=images(16), steps=3, batch_size=8
    )
    assert found(report) == {"flatten-order"}
