"""The 8×8 handwritten digits that scikit-learn bundles, bundled here too.

A copy of 45 KB keeps the stories runnable without scikit-learn; a test holds it equal to
``sklearn.datasets.load_digits``.
"""

from __future__ import annotations

from importlib import resources
from typing import Final

import numpy as np

from netparity.datasets.base import Dataset

#: Rows before this one train, the others test. The set is grouped by writer, so the test rows
#: come from other hands than the training rows.
TRAINING_ROWS: Final = 1437


def load() -> Dataset:
    """The 1,797 digits, in their published order: 1,437 to train, 360 to test.

    Pixels are counts from 0 to 16, divided by 16 here.

    Returns:
        ``x`` is ``(N, 64)`` float64, rows of the image one after the other; ``y`` is ``(N,)``.

    Example:
        >>> digits = load()
        >>> digits.x_train.shape, digits.x_test.shape, float(digits.x_train.max())
        ((1437, 64), (360, 64), 1.0)

    Source: E. Alpaydin, C. Kaynak, *Optical Recognition of Handwritten Digits*, UCI Machine
    Learning Repository, https://doi.org/10.24432/C50P49 (its test part).
    """
    bundled = resources.files(__package__).joinpath("digits.npz")
    with bundled.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
        x = arrays["x"] / 16.0
        y = arrays["y"].astype(np.int64)
    return Dataset(
        "digits",
        "8×8 digits, 1,437 training and 360 test images",
        x[:TRAINING_ROWS],
        y[:TRAINING_ROWS],
        x[TRAINING_ROWS:],
        y[TRAINING_ROWS:],
    )
