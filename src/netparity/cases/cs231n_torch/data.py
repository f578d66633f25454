"""A small piece of an image data set: enough for a few short epochs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from netparity.datasets import Dataset

Array = np.ndarray[Any, np.dtype[Any]]

ROWS = 256


def data(dataset: Dataset) -> tuple[Array, Array]:
    """The first 256 training rows; both programs hold out the last 64 of them.

    Args:
        dataset: an image data set, pixels in [0, 1].

    Returns:
        ``x`` (256, D) float64 and ``y`` (256,) int64.
    """
    return dataset.x_train[:ROWS], dataset.y_train[:ROWS]
