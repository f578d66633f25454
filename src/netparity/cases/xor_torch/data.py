"""The four rows of exclusive or."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from netparity.datasets import Dataset


Array = np.ndarray[Any, np.dtype[Any]]


def data(dataset: Dataset) -> tuple[Array, Array]:
    """All four rows, with targets of 0 and 1 in a column.

    Args:
        dataset: the exclusive-or table.

    Returns:
        ``x`` (4, 2) and ``y`` (4, 1), float64.
    """
    return dataset.x_train, dataset.y_train.astype(np.float64).reshape(-1, 1)
