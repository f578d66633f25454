"""Distances in units of the last place, so that a bound can be counted from the operations."""

import numpy as np
from numpy.typing import ArrayLike


def ulps(actual: ArrayLike, expected: ArrayLike) -> float:
    """The largest difference in ulp of the tensor's largest value (infinite where NaN)."""
    actual, expected = np.asarray(actual), np.asarray(expected)
    if actual.shape != expected.shape or actual.dtype != expected.dtype:
        return np.inf
    largest = max(np.abs(expected).max(initial=0.0), np.finfo(expected.dtype).tiny)
    difference = np.abs(actual - expected).max(initial=0.0)
    ratio = float(difference / (largest * np.finfo(expected.dtype).eps))
    return ratio if ratio == ratio else np.inf
