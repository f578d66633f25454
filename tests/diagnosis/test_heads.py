"""The head that a loss takes apart, beside layers of any name."""

from __future__ import annotations

import numpy as np
import pytest

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


def binary(*, loss: str) -> nn.Solver:
    layers: tuple[tuple[str, nn.Layer], ...] = (
        ("body", nn.Affine(4, 6)), ("tanh", nn.Tanh()),
        ("out", nn.Affine(6, 1)), ("sigmoid", nn.Sigmoid()),
    )  # fmt: skip
    losses = {
        "probabilities": nn.SigmoidCrossEntropy(input="probabilities"),
        "logits": nn.SigmoidCrossEntropy(),
        "squares": nn.MeanSquaredError(),
    }
    return nn.Solver(nn.Network(layers), losses[loss], nn.SGD(0.1), rng=np.random.default_rng(1))


@pytest.mark.parametrize(
    ("loss", "id"), [("logits", "from-logits-default"), ("squares", "loss-kind")]
)
def test_one_head_before_two_losses_of_which_one_takes_it_apart(loss: str, id: str) -> None:
    rng = np.random.default_rng(0)
    data = rng.standard_normal((24, 4)), rng.integers(0, 2, (24, 1)).astype(float)
    report = netparity.compare(
        lambda: binary(loss="probabilities"), lambda: binary(loss=loss), data=data, steps=4
    )
    assert [c.id for c in report.causes] == [id]
    assert [s.stage for s in report.stages if s.status == "different"] == ["loss"]
    assert report.latent == ()
    assert report.explained


def test_a_softmax_before_a_loss_that_takes_its_own() -> None:
    torch = pytest.importorskip("torch")

    def right() -> netparity.Torch:
        start = solver(probabilities=True)
        module = torch.nn.Sequential(
            torch.nn.Linear(4, 6), torch.nn.Tanh(), torch.nn.Linear(6, 3), torch.nn.Softmax(dim=1)
        ).double()
        with torch.no_grad():
            for layer, name in ((module[0], "body"), (module[2], "head")):
                layer.weight.copy_(torch.from_numpy(start.parameters[f"{name}.weight"].T))
                layer.bias.copy_(torch.from_numpy(start.parameters[f"{name}.bias"]))
        rule = torch.optim.SGD(module.parameters(), lr=0.1)
        return netparity.Torch(module, torch.nn.CrossEntropyLoss(), rule)

    rng = np.random.default_rng(0)
    data = rng.standard_normal((24, 4)), rng.integers(0, 3, 24)
    report = netparity.compare(lambda: solver(probabilities=True), right, data=data, steps=4)
    assert [c.id for c in report.causes] == ["softmax-twice"]
    assert report.latent == ()
    assert report.explained
