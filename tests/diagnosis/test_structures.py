"""Layers that stand in another order, in another width, or on one side only: torch."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import nn

import netparity
from netparity import Report

STEPS = {"steps": 4, "batch_size": 8}


def data() -> tuple[Any, Any]:
    """Rows of four numbers, and their classes."""
    rng = np.random.default_rng(0)
    return rng.standard_normal((24, 4)), rng.integers(0, 3, 24)


def side(*layers: Callable[[], nn.Module], decay: float = 0.0) -> Callable[[], netparity.Torch]:
    """A chain of layers with drawn values, the same for every layer of one shape and place."""

    def build() -> netparity.Torch:
        network = nn.Sequential(*(make() for make in layers)).double()
        rng = np.random.default_rng(1)
        with torch.no_grad():
            for layer in network:
                for value in layer.parameters():
                    value.copy_(torch.from_numpy(0.6 * rng.standard_normal(value.shape)))
        optimizer = torch.optim.SGD(network.parameters(), lr=0.1, weight_decay=decay)
        return netparity.Torch(network, nn.CrossEntropyLoss(), optimizer)

    return build


def found(report: Report) -> dict[str, Any]:
    """The causes by id; nothing may be unexplained."""
    assert not report.unexplained, report.unexplained
    return {c.id: c for c in report.causes}


def first() -> nn.Module:
    """Four to five."""
    return nn.Linear(4, 5)


def last() -> nn.Module:
    """Five to three."""
    return nn.Linear(5, 3)


def norm() -> nn.Module:
    """A norm of five."""
    return nn.LayerNorm(5)


def test_an_activation_before_or_after_the_norm() -> None:
    left = side(first, norm, nn.ELU, last)
    report = netparity.compare(left, side(first, nn.ELU, norm, last), data=data(), **STEPS)
    (cause,) = found(report).values()
    assert (cause.id, cause.stage) == ("layer-order", "structure")
    assert (cause.left, cause.right) == ("LayerNorm, ELU", "ELU, LayerNorm")
    assert report.gap.after is not None
    assert report.gap.after <= report.gap.noise_floor


def test_another_constant_and_another_order() -> None:
    left = side(first, norm, nn.ELU, last)
    right = side(first, partial(nn.ELU, 0.5), norm, last)
    report = netparity.compare(left, right, data=data(), **STEPS)
    assert set(found(report)) == {"layer-order", "elu-alpha"}


def test_another_order_between_two_layers_with_parameters() -> None:
    left = side(first, nn.Tanh, nn.ELU, last)
    report = netparity.compare(left, side(first, nn.ELU, nn.Tanh, last), data=data(), **STEPS)
    assert set(found(report)) == {"layer-order"}


def test_an_activation_that_is_missing_is_not_in_another_order() -> None:
    left = side(first, norm, nn.ELU, last)
    report = netparity.compare(left, side(first, norm, last), data=data(), **STEPS)
    assert set(found(report)) == {"layer-missing"}


def test_another_width_with_dropout() -> None:
    def wide(units: int) -> Callable[[], netparity.Torch]:
        line, drop = partial(nn.Linear, 4, units), partial(nn.Dropout, 0.25)
        return side(line, nn.ELU, drop, partial(nn.Linear, units, 3))

    report = netparity.compare(wide(5), wide(7), data=data(), **STEPS)
    assert set(found(report)) == {"layer-width"}


def test_a_missing_layer_takes_its_decay_with_it() -> None:
    more = (first, nn.ELU, partial(nn.Linear, 5, 5), nn.ELU, last)
    report = netparity.compare(
        side(*more, decay=0.1), side(first, nn.ELU, last, decay=0.1), data=data(), **STEPS
    )
    cause = found(report)["layer-missing"]
    assert (
        cause.fix.right == "model = nn.Sequential(*layers, Affine(inputs=5, outputs=5, bias=True))"
    )
    assert report.gap.after is not None
    assert report.gap.after <= report.gap.noise_floor


def test_a_transposed_copy_beside_other_initial_values() -> None:
    layers = (first, nn.Tanh, partial(nn.Linear, 5, 5), nn.Tanh, last)

    def copied() -> netparity.Torch:
        made = side(*layers)()
        with torch.no_grad():
            made.module[2].weight.copy_(made.module[2].weight.T.clone())
            made.module[4].weight.mul_(-1.0)
        return made

    report = netparity.compare(side(*layers), copied, data=data(), **STEPS)
    causes = found(report)
    assert causes.pop("dense-weight-layout").where == ("2.weight",)
    (other,) = causes.values()
    assert (other.stage, other.where) == ("init", ("4.weight",))
