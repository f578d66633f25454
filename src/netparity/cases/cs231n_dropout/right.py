"""The dropout net in PyTorch, started from the same arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from netparity.cases.cs231n_dropout.left import KEEP, REG, FullyConnectedNet

if TYPE_CHECKING:
    import netparity


class Net(nn.Module):
    """Two hidden layers with dropout."""

    def __init__(self, inputs: int = 64, hidden1: int = 50, hidden2: int = 40) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(inputs, hidden1),
            nn.ReLU(),
            nn.Dropout(1 - KEEP),  # PyTorch counts what is dropped
            nn.Linear(hidden1, hidden2),
            nn.ReLU(),
            nn.Dropout(1 - KEEP),
            nn.Linear(hidden2, 10),
        ).double()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Scores."""
        scores: torch.Tensor = self.layers(x)
        return scores

    def load_numpy(self, params: dict[str, np.ndarray[Any, Any]]) -> None:
        """Copies the NumPy net's arrays."""
        linears = [layer for layer in self.layers if isinstance(layer, nn.Linear)]
        with torch.no_grad():
            for i, linear in enumerate(linears, start=1):
                linear.weight.copy_(torch.tensor(params[f"W{i}"].T))
                linear.bias.copy_(torch.tensor(params[f"b{i}"]))


def l2(net: nn.Module) -> torch.Tensor:
    """Half of reg times the squared weights, biases left out."""
    weights = [p for name, p in net.named_parameters() if name.endswith("weight")]
    return 0.5 * REG * torch.stack([(w**2).sum() for w in weights]).sum()


def build(seed: int = 0, inputs: int = 64, lr: float = 0.1) -> netparity.Torch:
    """The net, for netparity."""
    import netparity

    net = Net(inputs)
    net.load_numpy(FullyConnectedNet(input_dim=inputs, seed=seed).params)
    optimizer = torch.optim.SGD(net.parameters(), lr=lr)
    return netparity.Torch(net, nn.CrossEntropyLoss(), optimizer, penalty=l2)


def build_mnist(seed: int = 0) -> netparity.Torch:
    """The same for images of 28 by 28."""
    return build(seed, inputs=28 * 28)


def build_cifar10(seed: int = 0) -> netparity.Torch:
    """The same for colour images of 32 by 32."""
    return build(seed, inputs=3 * 32 * 32, lr=0.005)


def main(epochs: int = 5, batch: int = 32) -> None:
    """Trains on a few digits, in order."""
    from netparity.cases.cs231n_dropout.data import data
    from netparity.datasets import load

    x, y = map(torch.from_numpy, data(load("digits")))
    net = Net()
    net.load_numpy(FullyConnectedNet().params)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    for epoch in range(epochs):
        net.train()
        for x_batch, y_batch in zip(x.split(batch), y.split(batch), strict=True):
            loss = F.cross_entropy(net(x_batch), y_batch) + l2(net)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        net.eval()
        accuracy = (net(x).argmax(dim=1) == y).double().mean()
        print(f"epoch {epoch + 1}: last loss {loss.item():.4f}, training accuracy {accuracy:.3f}")


if __name__ == "__main__":
    main()
