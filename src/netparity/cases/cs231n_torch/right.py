"""The homework net again, in PyTorch, from the same initial weights."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import torch
from torch import nn

from netparity.cases.cs231n_torch.left import REG, FullyConnectedNet

if TYPE_CHECKING:
    import netparity

Rows = TypeVar("Rows", np.ndarray[Any, Any], torch.Tensor)


def make_net(params: dict[str, np.ndarray[Any, Any]]) -> nn.Sequential:
    """Linear layers with ReLU in between, holding copies of the NumPy net's arrays."""
    layers: list[nn.Module] = []
    for i in range(1, len(params) // 2 + 1):
        weight, bias = params[f"W{i}"], params[f"b{i}"]
        linear = nn.Linear(*weight.shape, dtype=torch.float64)
        with torch.no_grad():
            linear.weight.copy_(torch.tensor(weight.T))
            linear.bias.copy_(torch.tensor(bias))
        layers += [linear, nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def split(x: Rows, y: Rows) -> tuple[tuple[Rows, Rows], tuple[Rows, Rows]]:
    """Training rows, and the last quarter for validation."""
    n = len(x) - len(x) // 4
    return (x[:n], y[:n]), (x[n:], y[n:])


class Trainer:
    """SGD on shuffled minibatches; the best state on the validation rows is kept."""

    def __init__(
        self, inputs: int = 64, lr: float = 0.1, batch_size: int = 32, seed: int = 0
    ) -> None:
        self.net = make_net(FullyConnectedNet(inputs, seed=seed).params)
        self.criterion = nn.MultiMarginLoss()
        self.criterion.register_forward_hook(self.on_loss)
        self.optimizer = torch.optim.SGD(self.net.parameters(), lr=lr, weight_decay=REG)
        self.batch_size = batch_size
        self.generator = torch.Generator().manual_seed(seed)
        self.losses: list[float] = []
        self.accuracies: list[float] = []
        self.updates = 0
        self.updates_per_epoch = 0
        self.best_accuracy = -1.0
        self.best_state = copy.deepcopy(self.net.state_dict())

    def on_loss(self, criterion: nn.Module, inputs: object, loss: torch.Tensor) -> None:
        """Logs what the criterion gave."""
        self.losses.append(loss.item())

    def batches(self, x: Rows, y: Rows) -> Iterator[tuple[Rows, Rows]]:
        """One epoch: all training rows once, in a new order."""
        (x_train, y_train), (x_val, y_val) = split(x, y)
        self.x_val, self.y_val = torch.as_tensor(x_val), torch.as_tensor(y_val)
        order = torch.randperm(len(x_train), generator=self.generator).numpy()
        self.updates_per_epoch = -(-len(order) // self.batch_size)
        for start in range(0, len(order), self.batch_size):
            rows = order[start : start + self.batch_size]
            yield x_train[rows], y_train[rows]

    def updated(self) -> None:
        """Called after every update: at the end of an epoch, validate and keep the best."""
        self.updates += 1
        if not self.updates_per_epoch or self.updates % self.updates_per_epoch:
            return
        with torch.no_grad():
            right = self.net(self.x_val.double()).argmax(dim=1) == self.y_val
        self.accuracies.append(right.double().mean().item())
        if self.accuracies[-1] > self.best_accuracy:
            self.best_accuracy = self.accuracies[-1]
            self.best_state = copy.deepcopy(self.net.state_dict())

    def fit(self, x: torch.Tensor, y: torch.Tensor, epochs: int) -> None:
        """Trains."""
        for epoch in range(epochs):
            for x_batch, y_batch in self.batches(x, y):
                self.optimizer.zero_grad()
                loss = self.criterion(self.net(x_batch), y_batch)
                loss.backward()
                self.optimizer.step()
                self.updated()
            print(f"epoch {epoch + 1}: loss {self.losses[-1]:.4f} val {self.accuracies[-1]:.4f}")


def build(seed: int = 0, inputs: int = 64, lr: float = 0.1) -> netparity.Torch:
    """The training, for netparity."""
    import netparity

    trainer = Trainer(inputs, lr, seed=seed)

    def report(x: object, y: object) -> dict[str, float]:
        trainer.updated()
        return {"loss": trainer.losses[-1]}

    return netparity.Torch(
        trainer.net,
        trainer.criterion,
        trainer.optimizer,
        batches=lambda x, y, epoch: trainer.batches(x, y),
        report=report,
        result=lambda: {name: value.numpy() for name, value in trainer.best_state.items()},
        validation=lambda x, y: split(x, y)[1],
    )


def build_mnist(seed: int = 0) -> netparity.Torch:
    """The same for images of 28 by 28."""
    return build(seed, inputs=28 * 28)


def build_cifar10(seed: int = 0) -> netparity.Torch:
    """The same for colour images of 32 by 32."""
    return build(seed, inputs=3 * 32 * 32, lr=0.005)


def main() -> None:
    """Trains on a few digits."""
    from netparity.cases.cs231n_torch.data import data
    from netparity.datasets import load

    x, y = data(load("digits"))
    trainer = Trainer()
    trainer.fit(torch.from_numpy(x), torch.from_numpy(y), epochs=8)
    print(f"best val {trainer.best_accuracy:.4f}")


if __name__ == "__main__":
    main()
