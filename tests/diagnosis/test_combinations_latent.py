"""Differences that are there and make none: each with the reason why it does not show."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from tests.diagnosis.programs import Program, in_numpy
from torch import nn

import netparity
from netparity.report.html import render_html
from netparity.report.text import render_text

RNG = np.random.default_rng(0)
X = RNG.standard_normal((24, 4)).astype(np.float32)
Y = RNG.integers(0, 3, 24)


def side(
    optimizer: Callable[[Any], Any], *, width: Any = torch.float32
) -> Callable[[], netparity.Torch]:
    def build() -> netparity.Torch:
        rng = np.random.default_rng(3)
        made = nn.Sequential(nn.Linear(4, 6, dtype=width), nn.Tanh(), nn.Linear(6, 3, dtype=width))
        with torch.no_grad():
            for value in made.parameters():
                value.copy_(torch.from_numpy(rng.standard_normal(tuple(value.shape)) / 2))
        return netparity.Torch(made, nn.CrossEntropyLoss(), optimizer(made.parameters()), **kept)

    kept: dict[str, Any] = {"lift": False} if width is torch.float32 else {}
    return build


def sgd(rate: float) -> Callable[[Any], Any]:
    return lambda parameters: torch.optim.SGD(parameters, lr=rate)


#: A rate of three float32 units more: an update moves a weight by far less than its last unit.
RATE, NEAR = 0.01, 0.01 * (1 + 3e-7)


def compare(left: Any, right: Any) -> Any:
    return netparity.compare(left, right, data=(X, Y), steps=4)


def test_below_float32_noise_but_real_in_float64() -> None:
    report = compare(side(sgd(RATE)), side(sgd(NEAR)))
    assert report.verdict == "parity"
    (latent,) = report.latent
    assert latent.id == "learning-rate-value"
    assert latent.reason == "below float32 noise but real in float64"
    for shown in (render_text(report), render_html(report)):
        assert "below float32 noise but real in float64" in " ".join(shown.split())
    wide = compare(side(sgd(RATE), width=torch.float64), side(sgd(NEAR), width=torch.float64))
    assert [c.id for c in wide.causes] == ["learning-rate-value"]


def test_the_same_twice_has_nothing_latent() -> None:
    report = compare(side(sgd(RATE)), side(sgd(RATE)))
    assert (report.verdict, report.latent) == ("parity", ())


def test_what_would_decide_is_said_where_two_causes_look_alike() -> None:
    program = Program(sizes=(4, 5, 3))
    x, y = program.data()

    def cut(x: Any, y: Any, _: int) -> Any:
        return [(x[:32], y[:32])]

    report = netparity.compare(
        in_numpy(program), in_numpy(program, batches=cut), data=(x, y), steps=3
    )
    (cause,) = report.causes
    assert (cause.id, cause.also) == ("partial-batch-kept", ("validation-split-tail",))
    decides = "What would decide between it and validation-split-tail: validation= of the side"
    for shown in (render_text(report), render_html(report)):
        assert decides in " ".join(shown.split())
    said = netparity.compare(
        in_numpy(program),
        in_numpy(program, batches=cut, validation=lambda x, y: (x[32:], y[32:])),
        data=(x, y),
        steps=3,
    )
    assert [(c.id, c.also) for c in said.causes] == [("validation-split-tail", ())]
