"""Convolutional and recurrent networks are diagnosed as dense ones are: torch against torch."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tests.diagnosis.networks import (
    Recurrent,
    found,
    images,
    in_torch,
    recurrent_in_torch,
    tokens,
    trained,
)

import netparity

STEPS = {"steps": 4, "batch_size": 8}


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_two_equal_convolutional_networks_are_at_parity(dtype: torch.dtype) -> None:
    build = in_torch(dtype=dtype, lift=dtype == torch.float64)
    report = netparity.compare(build, build, data=images(), **STEPS)
    assert report.verdict == "parity", report.to_dict()
    assert all(s.status == "equal" for s in report.stages if s.stage not in ("reporting",))


@pytest.mark.parametrize(
    ("options", "id"),
    [
        ({"eps": 1e-5}, "bn-epsilon"),
        ({"momentum": 0.1}, "bn-momentum"),
        ({"drop": 0.5}, "dropout-rate-value"),
    ],
)
def test_one_switch_of_a_convolutional_network_is_found(options: dict[str, float], id: str) -> None:
    report = netparity.compare(in_torch(), in_torch(**options), data=images(), **STEPS)
    assert found(report) == {id}
    assert report.gap.after is not None
    assert report.gap.after <= report.gap.noise_floor


@pytest.mark.parametrize("kind", ["LSTM", "GRU"])
def test_two_equal_recurrent_networks_are_at_parity(kind: str) -> None:
    build = recurrent_in_torch(kind, tuple(range(4 if kind == "LSTM" else 3)))
    report = netparity.compare(build, build, data=tokens(), **STEPS)
    assert report.verdict == "parity", report.to_dict()


def test_layers_of_torch_are_read_with_the_places_of_their_values() -> None:
    declared = trained(Recurrent("GRU").double()).declared(tokens()[0][:3])
    assert [type(layer).__name__ for _, layer in declared.layers or ()] == [
        "Embedding",
        "GRU",
        "Affine",
    ]
    place = declared.places["rnn.weight"]
    value = np.arange(60.0).reshape(12, 5)
    read = place.read({"rnn.weight_ih_l0": value}, (5, 12))
    assert np.array_equal(read, value.T)
    assert np.array_equal(place.write(read, {"rnn.weight_ih_l0": value})[place.name], value)
