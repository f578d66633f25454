"""Convolutional and recurrent networks for the tests, in torch and in Keras."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

import netparity

Array = Any
RATE = 0.05


def images(rows: int = 24, seed: int = 0) -> tuple[Array, Array]:
    """Small images with two channels, the channels last, and their classes."""
    rng = np.random.default_rng(seed)
    return rng.standard_normal((rows, 8, 8, 2)), rng.integers(0, 3, rows)


def tokens(rows: int = 24, seed: int = 0) -> tuple[Array, Array]:
    """Sequences of six tokens, and their classes."""
    rng = np.random.default_rng(seed)
    return rng.integers(0, 12, (rows, 6)), rng.integers(0, 3, rows)


def drawn(*shapes: tuple[int, ...]) -> list[Array]:
    """The same values for both sides, in Keras's layouts."""
    rng = np.random.default_rng(5)
    return [0.4 * rng.standard_normal(shape) for shape in shapes]


class Convolutional(torch.nn.Module):
    """Convolution, batch norm, ReLU, pooling, dropout and dense; the images have channels last."""

    def __init__(
        self, *, eps: float = 1e-3, momentum: float = 0.01, padding: int = 1, drop: float = 0.25
    ) -> None:
        super().__init__()
        self.conv = torch.nn.Conv2d(2, 4, 3, padding=padding)
        self.bn = torch.nn.BatchNorm2d(4, eps=eps, momentum=momentum)
        self.drop = torch.nn.Dropout(drop)
        self.fc = torch.nn.Linear(64, 3)

    def forward(self, x: Any) -> Any:
        x = torch.relu(self.bn(self.conv(x.permute(0, 3, 1, 2))))
        x = torch.nn.functional.max_pool2d(x, 2)
        return self.fc(self.drop(torch.flatten(x, 1)))


class Recurrent(torch.nn.Module):
    """Embedding, LSTM or GRU, and a dense layer on the last step."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        cells = {"LSTM": torch.nn.LSTM, "GRU": torch.nn.GRU}
        self.embedding = torch.nn.Embedding(12, 5)
        self.rnn = cells[kind](5, 4, batch_first=True)
        self.fc = torch.nn.Linear(4, 3)

    def forward(self, x: Any) -> Any:
        steps, _ = self.rnn(self.embedding(x))
        return self.fc(steps[:, -1])


def trained(module: torch.nn.Module, **options: Any) -> netparity.Torch:
    """A module with its loss and its optimizer."""
    optimizer = torch.optim.SGD(module.parameters(), lr=RATE)
    return netparity.Torch(module, torch.nn.CrossEntropyLoss(), optimizer, **options)


def fill(module: torch.nn.Module, values: dict[str, Array]) -> None:
    """Writes arrays into a module's parameters."""
    with torch.no_grad():
        for name, value in values.items():
            module.get_parameter(name).copy_(torch.from_numpy(np.array(value)))


def in_torch(
    *, flattened: bool = True, kernel: tuple[int, ...] = (3, 2, 0, 1), dtype: Any = torch.float64,
    lift: bool = True, **options: Any,
) -> Callable[[], netparity.Torch]:  # fmt: skip
    """The convolutional network with the values of ``drawn``, carried over as told."""

    def build() -> netparity.Torch:
        module = Convolutional(**options).to(dtype)
        conv, bias, fc, last = drawn((3, 3, 2, 4), (4,), (64, 3), (3,))
        rows = fc.reshape(4, 4, 4, 3).transpose(2, 0, 1, 3).reshape(64, 3) if flattened else fc
        values = {"conv.weight": conv.transpose(kernel), "conv.bias": bias}
        fill(module, values | {"fc.weight": rows.T, "fc.bias": last})
        return trained(module, lift=lift)

    return build


def blocks(array: Array, order: tuple[int, ...]) -> Array:
    """Blocks of the last axis in another order."""
    parts = np.split(array, len(order), axis=-1)
    return np.concatenate([parts[i] for i in order], axis=-1)


def recurrent_values(kind: str) -> list[Array]:
    """Embedding, kernels, two biases, dense; gates in Keras's order."""
    width = 4 * (4 if kind == "LSTM" else 3)
    return drawn((12, 5), (5, width), (4, width), (width,), (width,), (4, 3), (3,))


def recurrent_in_torch(kind: str, order: tuple[int, ...]) -> Callable[[], netparity.Torch]:
    """The recurrent network, with Keras's gate blocks laid down in that order."""

    def build() -> netparity.Torch:
        module = Recurrent(kind).double()
        table, weight, state, bias, second, fc, last = recurrent_values(kind)
        fill(
            module,
            {
                "embedding.weight": table,
                "rnn.weight_ih_l0": blocks(weight, order).T,
                "rnn.weight_hh_l0": blocks(state, order).T,
                "rnn.bias_ih_l0": blocks(bias, order),
                "rnn.bias_hh_l0": blocks(second, order),
                "fc.weight": fc.T,
                "fc.bias": last,
            },
        )
        return trained(module)

    return build


def found(report: Any) -> set[str]:
    """The ids of the causes; nothing may stay unexplained."""
    assert not report.unexplained, report.unexplained
    return {cause.id for cause in report.causes}
