"""How the rows are fed, by a function that every kind of program is given."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]
Batches = Callable[[Array, Array, int], Iterator[tuple[Array, Array]]]


@dataclass(frozen=True, slots=True)
class Feeding:
    """Batches of one size, in some order, the last partial one kept or not."""

    batch_size: int = 12
    order: Literal["sequential", "shuffled", "replacement"] = "sequential"
    keeps_partial: bool = True
    seed: int = 0

    def batches(self) -> Batches:
        """``batches(x, y, epoch)``."""

        def fed(x: Array, y: Array, epoch: int) -> Iterator[tuple[Array, Array]]:
            rng = np.random.default_rng([self.seed, epoch])
            rows = np.arange(len(x))
            if self.order == "shuffled":
                rows = rng.permutation(rows)
            if self.order == "replacement":
                rows = rng.integers(0, len(x), len(x))
            for start in range(0, len(x), self.batch_size):
                batch = rows[start : start + self.batch_size]
                if self.keeps_partial or len(batch) == self.batch_size:
                    yield x[batch], y[batch]

        return fed
