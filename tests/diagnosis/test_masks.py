"""What the masks that show in a program's activations say of its dropout."""

from __future__ import annotations

import numpy as np
import pytest

from netparity.conventions import Conventions
from netparity.diagnosis.masks import Masked, as_draws, dropout_of
from netparity.nn import Dropout

Array = np.ndarray
SHAPE = (6, 4, 4, 5)


def seen(kept: Array, alive: Array) -> Masked:
    kept = np.broadcast_to(kept, SHAPE)
    return Masked("bend", np.where(alive, kept, True), alive, 1 / 0.7)


def alive(rng: np.random.Generator) -> Array:
    """About half of the units, as a ReLU leaves them."""
    return np.asarray(rng.random(SHAPE) < 0.5)


@pytest.mark.parametrize(("shape", "axis"), [((6, 1, 1, 5), -1), ((6, 4, 1, 1), 1), (SHAPE, None)])
def test_whole_channels_are_told_from_single_units(
    shape: tuple[int, ...], axis: int | None
) -> None:
    rng = np.random.default_rng(0)
    masked = seen(rng.random(shape) >= 0.3, alive(rng))
    assert dropout_of(masked) == Dropout(0.3, channel_axis=axis)


def test_a_few_units_that_agree_are_no_channels() -> None:
    rng = np.random.default_rng(0)
    few = np.zeros(SHAPE, bool)
    few[:, 0, 0, :] = True
    assert dropout_of(seen(rng.random(SHAPE) >= 0.3, few)).channel_axis is None


def test_a_unit_that_does_not_show_goes_with_its_channel() -> None:
    rng = np.random.default_rng(0)
    kept = rng.random((6, 1, 1, 5)) >= 0.3
    masked = seen(kept, alive(rng))
    dropping = Conventions(layers=(("drop", dropout_of(masked)),))
    draws = as_draws([masked], dropping)
    assert draws is not None
    assert np.array_equal(draws[0] >= 0.3, np.broadcast_to(kept, SHAPE))
    single = Conventions(layers=(("drop", Dropout(0.3)),))
    assert np.array_equal(as_draws([masked], single)[0] >= 0.3, masked.mask)  # type: ignore[index]
    assert as_draws([masked, masked], dropping) is None
