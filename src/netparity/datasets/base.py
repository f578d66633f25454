"""What every data set is once it is loaded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True, slots=True, eq=False)
class Dataset:
    """One data set, split as published.

    Attributes:
        name: the name it is loaded by.
        description: what it is and how much of it, as a report should say it.
        x_train: training inputs, ``(N, D)`` float64 in [0, 1], one flat row an example.
        y_train: training labels, ``(N,)`` int64; for XOR its targets, ``(4, 1)`` float64.
        x_test: test inputs, as ``x_train``.
        y_test: test labels, as ``y_train``.
    """

    name: str
    description: str
    x_train: Array
    y_train: Array
    x_test: Array
    y_test: Array
