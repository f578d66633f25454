"""The head that a loss takes apart, beside layers of any name."""

from __future__ import annotations

import numpy as np

import netparity
from netparity import nn


def solver(*, probabilities: bool) -> nn.Solver:
    layers: tuple[tuple[str, nn.Layer], ...] = (
        ("body", nn.Affine(4, 6)), ("tanh", nn.Tanh()), ("head", nn.Affine(6, 3)),
    )  # fmt: skip
    if probabilities:
        layers = (*layers, ("softmax", nn.Softmax()))
    loss = nn.SoftmaxCrossEntropy(input="probabilities" if probabilities else "logits")
    return nn.Solver(nn.Network(layers), loss, nn.SGD(0.1), rng=np.random.default_rng(1))


def test_a_layer_may_be_called_head() -> None:
    rng = np.random.default_rng(0)
    data = rng.standard_normal((24, 4)), rng.integers(0, 3, 24)
    report = netparity.compare(
        lambda: solver(probabilities=True), lambda: solver(probabilities=False), data=data, steps=4
    )
    assert report.verdict == "parity"
