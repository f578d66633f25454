"""Plots are looked at by people; here: that they are drawn, whatever a run was like."""

from __future__ import annotations

import io
import math
from dataclasses import replace

import matplotlib.image
import numpy as np
import pytest

from netparity.training.history import Epoch, best_epoch
from netparity.training.plots import draw_confusion, draw_history, draw_weights

EPOCH = Epoch(
    epoch=1, loss=2.0, accuracy=0.2, validation_loss=2.1, validation_accuracy=0.1,
    learning_rate=0.1,
)  # fmt: skip


def pixels(png: bytes) -> np.ndarray:
    return matplotlib.image.imread(io.BytesIO(png))


def history(count: int, **changes: object) -> list[Epoch]:
    return [
        replace(EPOCH, epoch=place, loss=2.0 / place, validation_accuracy=0.1 * place, **changes)
        for place in range(1, count + 1)
    ]


@pytest.mark.parametrize("count", [1, 2, 9])
def test_a_history_of_any_length(count):
    assert pixels(draw_history(history(count), "a title with $ and _")).ndim == 3


def test_a_history_without_validation_with_infinity_and_a_schedule():
    bare = [
        replace(one, validation_loss=None, validation_accuracy=None, learning_rate=0.1 / one.epoch)
        for one in history(3)
    ]
    wide = pixels(draw_history([*bare, replace(bare[-1], epoch=4, loss=math.inf)], "x"))
    # The learning rate has a panel of its own where it changes.
    assert wide.shape[1] > pixels(draw_history(history(4), "x")).shape[1]
    assert best_epoch(bare).epoch == 3


@pytest.mark.parametrize(("units", "image"), [(1, (1, 8, 8)), (3, (3, 4, 5)), (130, (1, 2, 2))])
def test_weights_of_any_number(units, image):
    weight = np.random.default_rng(0).normal(size=(int(np.prod(image)), units)).astype(np.float32)
    assert pixels(draw_weights(weight, image, "x")).ndim == 3


def test_weights_that_are_all_zero_are_grey_and_those_with_colour_have_it():
    zero = pixels(draw_weights(np.zeros((12, 1)), (3, 2, 2), ""))
    assert zero[zero.shape[0] * 3 // 4, zero.shape[1] // 4, :3] == pytest.approx(0.5, abs=0.01)
    # One unit whose only weights are those of the red plane.
    red = np.zeros((3, 2, 2))
    red[0] = 1.0
    image = pixels(draw_weights(red.reshape(12, 1), (3, 2, 2), ""))
    middle = image[image.shape[0] * 3 // 4, image.shape[1] // 4, :3]
    assert middle == pytest.approx([1.0, 0.5, 0.5], abs=0.01)


@pytest.mark.parametrize("classes", [2, 10, 30])
def test_confusions_of_any_number_of_classes(classes):
    counts = np.diag(np.arange(classes))
    counts[0, 1] = 3
    assert pixels(draw_confusion(counts, "x")).ndim == 3
