"""Exclusive or in PyTorch, to check the NumPy one against."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

from netparity.cases.xor_torch.left import NeuralNetwork

if TYPE_CHECKING:
    import netparity


class Training:
    """A network, its criterion and its optimizer."""

    def __init__(self, seed: int = 0) -> None:
        torch.manual_seed(seed)
        self.net = nn.Sequential(
            nn.Linear(2, 5), nn.Sigmoid(), nn.Linear(5, 1), nn.Sigmoid()
        ).double()  # NumPy's precision
        self.criterion = nn.MSELoss()
        self.optimizer = torch.optim.SGD(self.net.parameters(), lr=0.3)
        self.losses: list[float] = []
        self.criterion.register_forward_hook(self.log)

    def log(self, criterion: nn.Module, inputs: object, loss: torch.Tensor) -> None:
        """Keeps every loss that the criterion gives."""
        self.losses.append(loss.item())

    def run(self, x: torch.Tensor, y: torch.Tensor, epochs: int) -> None:
        """Trains on all rows at once."""
        for _ in range(epochs):
            self.optimizer.zero_grad()
            loss = self.criterion(self.net(x), y)
            loss.backward()
            self.optimizer.step()


def build(seed: int = 0) -> netparity.Torch:
    """The training, for netparity."""
    import netparity

    training = Training(seed)
    return netparity.Torch(
        training.net,
        training.criterion,
        training.optimizer,
        report=lambda x, y: {"loss": training.losses[-1]},
    )


class Removed:
    """The training with what sets it apart removed: left's weights, loss and log.

    Args:
        bias: whether to keep the biases; they start at zero then.
        seed: the seed of left's weights.
    """

    def __init__(self, bias: bool = False, seed: int = 0) -> None:
        start = NeuralNetwork(seed=seed)
        first = nn.Linear(2, 5, bias=bias, dtype=torch.float64)
        second = nn.Linear(5, 1, bias=bias, dtype=torch.float64)
        with torch.no_grad():
            for layer, weights in ((first, start.weights1), (second, start.weights2)):
                layer.weight.copy_(torch.from_numpy(weights).T)
                if bias:
                    layer.bias.zero_()
        self.net = nn.Sequential(first, nn.Sigmoid(), second, nn.Sigmoid())
        self.optimizer = torch.optim.SGD(self.net.parameters(), lr=start.eta)
        self.losses: list[float] = []
        self.cost = 0.0

    def loss(self, output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Half the squared errors, summed over the rows."""
        delta = output - target
        loss = 0.5 * (delta**2).sum()
        self.losses.append(loss.item())
        self.cost = (delta * (0.5 * (delta**2).mean())).mean().item()
        return loss

    def run(self, x: torch.Tensor, y: torch.Tensor, epochs: int) -> None:
        """Trains on all rows at once."""
        for _ in range(epochs):
            self.optimizer.zero_grad()
            self.loss(self.net(x), y).backward()
            self.optimizer.step()


def build_removed(seed: int = 0) -> netparity.Torch:
    """The training without the four causes, for netparity."""
    import netparity

    training = Removed(seed=seed)
    return netparity.Torch(
        training.net,
        training.loss,
        training.optimizer,
        report=lambda x, y: {"loss": training.cost},
    )


def main(epochs: int = 5000) -> None:
    """Learns the table and prints what it has learned."""
    x = torch.tensor([[0, 0], [0, 1], [1, 0], [1, 1]], dtype=torch.float64)
    y = torch.tensor([[0], [1], [1], [0]], dtype=torch.float64)
    training = Training()
    training.run(x, y, epochs)
    for epoch in (*range(0, epochs, 500), epochs - 1):
        print(f"[{epoch + 1:5d}] loss: {training.losses[epoch]:.6f}")
    print(training.net(x).detach())


if __name__ == "__main__":
    main()
