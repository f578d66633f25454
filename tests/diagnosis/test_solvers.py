"""Solvers of the reference network, whose bugs and decays are declared, against others."""

from __future__ import annotations

from typing import Any

import numpy as np

import netparity
from netparity import nn

Array = np.ndarray[Any, Any]


def data() -> tuple[Array, Array]:
    rng = np.random.default_rng(0)
    return rng.standard_normal((24, 4)), rng.standard_normal((24, 2))


def solver(*, masked: bool = True, decay: float = 0.0) -> nn.Solver:
    layers: tuple[tuple[str, nn.Layer], ...] = (
        ("body", nn.Affine(4, 6)), ("tanh", nn.Tanh()),
        ("drop", nn.Dropout(0.25 if not decay else 0.0, mask_in_backward=masked)),
        ("out", nn.Affine(6, 2)),
    )  # fmt: skip
    if decay:
        layers = tuple(pair for pair in layers if pair[0] != "drop")
    rule = nn.SGD(0.1, weight_decay=decay)
    return nn.Solver(nn.Network(layers), nn.MeanSquaredError(), rule, rng=np.random.default_rng(1))


def test_a_mask_that_a_solver_leaves_out_of_its_backward_pass() -> None:
    report = netparity.compare(solver, lambda: solver(masked=False), data=data(), steps=4)
    assert [c.id for c in report.causes] == ["dropout-gradient-missing"]
    assert "Bug on the right" in report.causes[0].statement
    assert report.explained


def strange() -> netparity.Scratch:
    """A program of the same network that shows its loss and steps by a rule of its own."""
    start = solver(decay=0.1)
    kept = {n: np.array(v) for n, v in start.parameters.items()}

    def forward(x: Array) -> tuple[Array, Array]:
        hidden = np.tanh(x @ kept["body.weight"] + kept["body.bias"])
        return hidden, hidden @ kept["out.weight"] + kept["out.bias"]

    def step(x: Array, y: Array) -> None:
        hidden, out = forward(x)
        slope = 2 * (out - y) / out.size
        back = slope @ kept["out.weight"].T * (1 - hidden**2)
        found = {
            "out.weight": hidden.T @ slope, "out.bias": slope.sum(0),
            "body.weight": x.T @ back, "body.bias": back.sum(0),
        }  # fmt: skip
        for name, g in found.items():
            kept[name] -= 0.1 * np.sinh(g + 0.1 * kept[name])

    return netparity.Scratch(
        parameters=kept,
        predict=lambda x: forward(x)[1],
        loss=lambda x, y: float(np.mean((forward(x)[1] - y) ** 2)),
        step=step,
    )


def test_a_rule_that_is_not_known_may_decay_as_the_other_does() -> None:
    report = netparity.compare(lambda: solver(decay=0.1), strange, data=data(), steps=4)
    assert report.causes == ()
    assert {s.stage: s.status for s in report.stages}["regularization"] == "not-checked"
