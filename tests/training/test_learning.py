"""On real images, shortly; `benchmarks/learning.py` measures at length."""

from __future__ import annotations

import os

import pytest

from netparity.datasets import DATA_VARIABLE
from netparity.training.configuration import Configuration
from netparity.training.data import load
from netparity.training.run import validate

needs_data = pytest.mark.skipif(
    not os.environ.get(DATA_VARIABLE), reason=f"{DATA_VARIABLE} names no folder of real data"
)


@pytest.mark.data
@needs_data
def test_mnist_is_learned():
    configuration = Configuration(
        data="mnist", rows=9000, hidden=(128,), standardize="none", dropout=0.2, epochs=6
    )
    best = validate(configuration, load(configuration), lambda _: None)
    # A linear classifier gets about 88 % of these; a good network 97 %.
    assert best.validation_accuracy is not None
    assert best.validation_accuracy > 0.92


@pytest.mark.data
@needs_data
def test_cifar10_is_learned_with_augmentation():
    configuration = Configuration(
        data="cifar10", rows=3000, hidden=(128,), batch_norm=True, dropout=0.2, flip=True,
        shift=2, schedule="cosine", epochs=5,
    )  # fmt: skip
    best = validate(configuration, load(configuration), lambda _: None)
    # A tenth would be chance; a linear classifier gets about 30 %.
    assert best.validation_accuracy is not None
    assert best.validation_accuracy > 0.31
