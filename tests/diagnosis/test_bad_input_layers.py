"""Models with layers that netparity does not know: diagnosed as far as can be."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import nn

import netparity

RNG = np.random.default_rng(0)
X = RNG.standard_normal((24, 4)).astype(np.float32).astype(float)
Y = RNG.integers(0, 3, 24)


class Waves(nn.Module):
    """A layer of its author's own making."""

    def forward(self, x: Any) -> Any:
        return torch.sin(3 * x) + 0.5 * torch.cos(x) ** 3


def side(
    *, rate: float = 0.05, inner: type[nn.Module] = Waves, **others: Any
) -> Callable[[], netparity.Torch]:
    def build() -> netparity.Torch:
        rng = np.random.default_rng(3)
        made = nn.Sequential(
            nn.Linear(4, 6, dtype=torch.float64), inner(), nn.Linear(6, 3, dtype=torch.float64)
        )
        with torch.no_grad():
            for value in made.parameters():
                value.copy_(torch.from_numpy(rng.standard_normal(tuple(value.shape)) / 2))
        sgd = torch.optim.SGD(made.parameters(), lr=rate)
        return netparity.Torch(made, nn.CrossEntropyLoss(), sgd, **others)

    return build


def compare(left: Any, right: Any) -> Any:
    return netparity.compare(left, right, data=(X, Y), steps=4, batch_size=8)


def status(report: Any) -> dict[str, str]:
    return {stage.stage: stage.status for stage in report.stages}


def test_two_that_are_the_same() -> None:
    report = compare(side(), side())
    assert report.verdict == "parity"
    found = status(report)
    for stage in ("structure", "init", "data", "forward", "loss", "gradient", "update"):
        assert found[stage] == "equal", stage
    assert report.gap.before <= report.gap.noise_floor
    assert any("no chain of known layers" in note for note in report.notes)


def test_another_rate_is_placed_in_the_update() -> None:
    report = compare(side(), side(rate=0.02))
    assert report.verdict == "divergent"
    assert [u.stage for u in report.unexplained] == ["update"]
    assert report.first_divergence.stage == "update"
    assert report.gap.before > report.gap.noise_floor


def test_what_is_fed_is_explained_as_ever() -> None:
    def feed(x: Any, y: Any, epoch: int) -> Any:
        rows = np.random.default_rng(epoch).permutation(len(x))
        return [(x[rows[s : s + 6]], y[rows[s : s + 6]]) for s in range(0, len(x), 6)]

    report = compare(side(), side(batches=feed))
    assert {c.id for c in report.causes} == {"batch-order", "batch-size-value"}
    assert report.unexplained == ()
    assert report.verdict == "divergent"


class Other(nn.Module):
    """Another one, with a small difference."""

    def forward(self, x: Any) -> Any:
        return torch.sin(3 * x) + 0.5001 * torch.cos(x) ** 3


def test_another_layer_is_placed_in_the_forward_pass() -> None:
    report = compare(side(), side(inner=Other))
    assert report.first_divergence.stage == "forward"
    assert {"forward"} <= {u.stage for u in report.unexplained}
    assert status(report)["update"] == "equal"
