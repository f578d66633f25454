"""What is made of the raw rows first, by a function that every kind of program is given."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True, slots=True)
class Preparing:
    """Inputs less their mean, over their deviation or over a constant.

    Attributes:
        center: whether the mean of each feature is taken off.
        ddof: of the standard deviation that each feature is divided by, or ``None``.
        divisor: what all inputs are divided by.
    """

    center: bool = False
    ddof: int | None = None
    divisor: float = 1.0

    def function(self) -> Callable[[Array, Array], tuple[Array, Array]]:
        """``preprocess(x, y)``."""

        def prepared(x: Array, y: Array) -> tuple[Array, Array]:
            x = np.asarray(x, dtype=float)
            if self.center:
                x = x - x.mean(axis=0)
            if self.ddof is not None:
                x = x / x.std(axis=0, ddof=self.ddof)
            return x / self.divisor, y

        return prepared
