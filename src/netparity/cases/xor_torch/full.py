"""The story at its author's length: 5,000 epochs, as written and with the causes removed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from netparity.cases.xor_torch.data import data
from netparity.report.model import Headline

if TYPE_CHECKING:
    from netparity.datasets import Dataset

Array = np.ndarray[Any, np.dtype[Any]]

EPOCHS = 5000
#: The mean squared error below which the table counts as learned: the answers are then off by
#: about sqrt(0.05) = 0.22.
LEARNED = 0.05


@dataclass(frozen=True, slots=True)
class Run:
    """One training: the mean squared error before each update, and the last value logged."""

    losses: tuple[float, ...]
    logged: float

    def learned(self) -> int | None:
        """The first epoch that starts with the table learned."""
        return next((n for n, loss in enumerate(self.losses, 1) if loss < LEARNED), None)


def run_left(x: Array, y: Array, epochs: int = EPOCHS) -> Run:
    """The NumPy program as it is."""
    from netparity.cases.xor_torch import left

    network = left.NeuralNetwork()
    losses = []
    for _ in range(epochs):
        slopes = network.backprop(x, y)
        losses.append(float(((network.output - y) ** 2).mean()))
        network.descend(*slopes)
    return Run(tuple(losses), network.cost)


def run_right(x: Array, y: Array, epochs: int = EPOCHS) -> Run:
    """The PyTorch program as it is."""
    import torch

    from netparity.cases.xor_torch import right

    training = right.Training()
    training.run(torch.from_numpy(x), torch.from_numpy(y), epochs)
    return Run(tuple(training.losses), training.losses[-1])


def run_removed(x: Array, y: Array, epochs: int = EPOCHS, *, bias: bool = False) -> Run:
    """The PyTorch program with the four causes removed, or with all but the biases.

    The biases start at zero, so that they alone make the difference.
    """
    import torch

    from netparity.cases.xor_torch import right

    training = right.Removed(bias=bias)
    training.run(torch.from_numpy(x), torch.from_numpy(y), epochs)
    # its loss is half the sum over the four rows
    return Run(tuple(2 / len(x) * loss for loss in training.losses), training.cost)


def full(dataset: Dataset, progress: Callable[[str, float], None]) -> tuple[Headline, ...]:
    """Trains for 5,000 epochs and compares the ends.

    Args:
        dataset: the exclusive-or table.
        progress: told what is done and which share of the whole is done.

    Returns:
        The final losses, the distance of the loss curves and the speed the biases alone give.
    """
    x, y = data(dataset)
    progress("left, 5,000 epochs", 0.0)
    ours = run_left(x, y)
    progress("right as written", 0.1)
    theirs = run_right(x, y)
    progress("right with the four causes removed", 0.4)
    equal = run_removed(x, y)
    progress("right with the biases alone", 0.7)
    biased = run_removed(x, y, bias=True)
    progress("done", 1.0)
    return (
        Headline(
            f"logged as the loss of epoch {EPOCHS:,}",
            f"{ours.logged:.3e}",
            f"{theirs.logged:.3e}",
            f"{equal.logged:.3e}",
        ),
        Headline(
            f"mean squared error in epoch {EPOCHS:,}",
            f"{ours.losses[-1]:.6f}",
            f"{theirs.losses[-1]:.6f}",
            f"{equal.losses[-1]:.6f}",
        ),
        Headline(
            f"mean squared error, largest difference from left in {EPOCHS:,} epochs",
            "–",
            f"{distance(ours, theirs):.2g}",
            f"{distance(ours, equal):.1g}",
        ),
        Headline(
            f"epochs until it is below {LEARNED}, where the biases alone differ",
            count(ours.learned()),
            count(biased.learned()),
            count(equal.learned()),
        ),
    )


def distance(first: Run, second: Run) -> float:
    """The largest difference between two loss curves of equal length."""
    return max(abs(a - b) for a, b in zip(first.losses, second.losses, strict=True))


def count(epochs: int | None) -> str:
    """A number of epochs in words."""
    return f"not in {EPOCHS:,}" if epochs is None else f"{epochs:,}"
