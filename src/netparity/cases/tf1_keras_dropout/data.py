"""The images as rows and the classes as one-hot rows, in float32."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from netparity.datasets import Dataset

Array = npt.NDArray[np.float32]

ROWS = 1000


def everything(dataset: Dataset) -> tuple[Array, Array, Array, Array]:
    """Training images and classes, test images and classes."""
    one_hot = np.eye(10, dtype=np.float32)
    return (
        dataset.x_train.astype(np.float32),
        one_hot[dataset.y_train],
        dataset.x_test.astype(np.float32),
        one_hot[dataset.y_test],
    )


def data(dataset: Dataset) -> tuple[Array, Array]:
    """The first thousand training images: ten batches of a hundred, two epochs in 20 steps."""
    x, y, _, _ = everything(dataset)
    return x[:ROWS], y[:ROWS]
