from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from netparity.errors import InputError
from netparity.training.augmentation import Augment
from netparity.training.building import build_augmentation
from netparity.training.configuration import Configuration
from netparity.training.data import load


class Drawn:
    """A generator that hands out what it was given."""

    def __init__(self, *rows: tuple[float, float, float]) -> None:
        self.rows = np.array(rows)

    def random(self, shape: tuple[int, int]) -> np.ndarray:
        assert shape == self.rows.shape
        return self.rows


def test_by_hand():
    x = np.array([[1.0, 2.0, 3.0, 4.0]] * 3, np.float32)
    augment = Augment((1, 2, 2), flip=True, shift=1)
    # Mirrored and left in place; moved down; moved up and to the right.
    y = augment(x, Drawn((0.4, 0.5, 0.5), (0.5, 0.9, 0.5), (0.9, 0.0, 0.99)))
    assert y.tolist() == [[2.0, 1.0, 4.0, 3.0], [0.0, 0.0, 1.0, 2.0], [0.0, 3.0, 0.0, 0.0]]
    assert y.dtype == np.float32
    assert x.tolist() == [[1.0, 2.0, 3.0, 4.0]] * 3


@given(
    image=st.tuples(st.integers(1, 3), st.integers(2, 6), st.integers(2, 6)),
    rows=st.integers(0, 4),
    shift=st.integers(0, 5),
    flip=st.booleans(),
    seed=st.integers(0, 9),
)
def test_it_is_a_crop_of_the_padded_mirror(image, rows, shift, flip, seed):
    shift = min(shift, min(image[1:]) - 1)
    x = np.random.default_rng(seed).random((rows, int(np.prod(image))))
    y = Augment(image, flip, shift)(x, np.random.default_rng(seed))
    draws = np.random.default_rng(seed).random((rows, 3))
    for one, other, (mirror, down, right) in zip(x, y, draws, strict=True):
        picture = one.reshape(image)
        picture = picture[:, :, ::-1] if flip and mirror < 0.5 else picture
        padded = np.pad(picture, ((0, 0), (shift, shift), (shift, shift)))
        top = 2 * shift - int(down * (2 * shift + 1))
        left = 2 * shift - int(right * (2 * shift + 1))
        expected = padded[:, top : top + image[1], left : left + image[2]]
        assert np.array_equal(other.reshape(image), expected)


def test_every_move_is_as_likely():
    # Of 25 moves, each should come 400 times in 10,000; five deviations are 98.
    x = np.zeros((10_000, 25))
    x[:, 12] = 1.0
    y = Augment((1, 5, 5), shift=2)(x, np.random.default_rng(0))
    counts = np.bincount(y.argmax(axis=1), minlength=25)
    assert np.abs(counts - 400).max() <= 98


def test_memory_is_used_again():
    augment, x = Augment((1, 2, 2), flip=True), np.ones((3, 4))
    rng = np.random.default_rng(0)
    assert augment(x, rng) is augment(x, rng)


def test_what_cannot_be():
    with pytest.raises(InputError, match="Expected from 0 to 7"):
        Augment((1, 8, 8), shift=8)
    configuration = Configuration(data="xor", flip=True)
    with pytest.raises(InputError, match="only images can be mirrored or moved"):
        build_augmentation(configuration, load(configuration))
    assert build_augmentation(Configuration(), load(Configuration())) is None
