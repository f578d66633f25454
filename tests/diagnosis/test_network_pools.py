"""Padded pools, groups of channels and constants behind norms, in programs that say nothing."""

from __future__ import annotations

import numpy as np
import pytest

import netparity
from netparity.conventions import Conventions
from netparity.diagnosis import structure
from netparity.diagnosis.network import chains
from netparity.diagnosis.twin import Array
from netparity.implementations import adapt
from netparity.nn import (
    ELU,
    Affine,
    AveragePool2D,
    Conv2D,
    Flatten,
    GroupNorm,
    Layer,
    MaxPool2D,
    Network,
    ReLU,
    RMSNorm,
    Tanh,
)

Layers = tuple[tuple[str, Layer], ...]


def found_of(layers: Layers, x: Array) -> list[Layer]:
    """The layers found behind a program with these, which shows its parameters and predictions."""
    network, rng = Network(layers), np.random.default_rng(2)
    values = {n: 0.5 * rng.standard_normal(s) for n, s in network.parameter_shapes().items()}
    program = netparity.Scratch(
        parameters=values, predict=lambda x: network.forward(values, x).prediction
    )
    found = structure.find(adapt(program), Conventions(), x, np.random.default_rng(0))
    assert found is not None
    return [layer for _, layer in found.conventions.layers or ()]


def images(size: int) -> Array:
    return np.random.default_rng(1).standard_normal((8, size, size, 2))


@pytest.mark.parametrize(
    "pool",
    [
        AveragePool2D(2, padding="same"),
        AveragePool2D(2, padding="same", count_include_pad=False),
        MaxPool2D(2, padding="same"),
        MaxPool2D(3, 2, padding=1),
    ],
)
def test_a_pool_over_padding(pool: Layer) -> None:
    layers = (
        ("conv", Conv2D(2, 3, 3, padding="same")), ("bend", Tanh()), ("pool", pool),
        ("flatten", Flatten()), ("dense", Affine(27, 4)),
    )  # fmt: skip
    found = found_of(layers, images(5))
    assert [type(layer) for layer in found] == [type(layer) for _, layer in layers]
    (other,) = (layer for layer in found if isinstance(layer, type(pool)))
    x = np.random.default_rng(3).standard_normal((2, 5, 5, 3))
    np.testing.assert_array_equal(other.apply({}, x)[0], pool.apply({}, x)[0])


@pytest.mark.parametrize("groups", [1, 2])
def test_channels_normalized_in_groups(groups: int) -> None:
    norms = [GroupNorm(groups, 4) for _ in range(2)]
    layers = (
        ("conv1", Conv2D(2, 4, 3)), ("norm1", norms[0]), ("bend1", ReLU()),
        ("conv2", Conv2D(4, 4, 3, padding="same")), ("norm2", norms[1]), ("bend2", ReLU()),
        ("pool", MaxPool2D(2)), ("flatten", Flatten()), ("dense", Affine(16, 3)),
    )  # fmt: skip
    assert [k for k in found_of(layers, images(6)) if isinstance(k, GroupNorm)] == norms


def test_a_constant_behind_a_norm_without_a_shift() -> None:
    layers = (
        ("dense1", Affine(4, 5)), ("norm", RMSNorm((5,), epsilon=1e-6)), ("bend", ELU(0.5)),
        ("dense2", Affine(5, 2)),
    )  # fmt: skip
    found = found_of(layers, np.random.default_rng(1).standard_normal((8, 4)))
    assert found == [layer for _, layer in layers]


def test_norms_are_sought_where_there_are_vectors_to_spare() -> None:
    arrays = {"K": np.zeros((3, 3, 2, 4)), "b": np.zeros(4), "W": np.zeros((16, 3))}
    assert not chains._has_spare_vectors(arrays)
    assert chains._has_spare_vectors(arrays | {"c": np.zeros(3), "gamma": np.zeros(4)})
