"""Exclusive or: the smallest problem that one layer cannot solve."""

from __future__ import annotations

import numpy as np

from netparity.datasets.base import Dataset


def load() -> Dataset:
    """The four rows of XOR; training and test are the same rows.

    Returns:
        ``x`` is ``(4, 2)`` and ``y`` ``(4, 1)``, float64, both of zeros and ones.

    Example:
        >>> xor = load()
        >>> [(int(a), int(b), int(y)) for (a, b), (y,) in zip(xor.x_train, xor.y_train)]
        [(0, 0, 0), (0, 1, 1), (1, 0, 1), (1, 1, 0)]

    Source: M. Minsky and S. Papert, *Perceptrons* (1969).
    """
    x = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    y = np.array([[0.0], [1.0], [1.0], [0.0]])
    return Dataset("xor", "XOR, 4 rows", x, y, x.copy(), y.copy())
