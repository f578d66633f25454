"""Layers that change the shape of a row, or make one row of all its steps."""

import numpy as np
import pytest

from netparity.errors import InputError
from netparity.nn import (
    NAMED,
    Affine,
    Flatten,
    GlobalPool1D,
    MeanSquaredError,
    Network,
    Reshape,
    check_gradients,
)


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_gradients_by_differences(reduction: str) -> None:
    network = Network(
        (
            ("below", Affine(6, 12)),
            ("steps", Reshape((3, 4))),
            ("within", Affine(4, 4)),
            ("pool", GlobalPool1D(reduction)),  # type: ignore[arg-type]
            ("above", Affine(4, 2)),
        )
    )
    rng = np.random.default_rng(0)
    parameters = network.initialize(NAMED["standard_normal"], rng)
    x, y = rng.normal(size=(5, 6)), rng.normal(size=(5, 2))
    assert check_gradients(
        network, MeanSquaredError(), parameters, x, y, method="full", rng=rng
    ) == ()  # fmt: skip


def test_a_bag_is_the_mean_or_the_sum_of_its_steps() -> None:
    x = np.arange(24.0).reshape(2, 3, 4)
    np.testing.assert_array_equal(GlobalPool1D().apply({}, x)[0], x.mean(1))
    np.testing.assert_array_equal(GlobalPool1D("sum").apply({}, x)[0], x.sum(1))


def test_reshaping_keeps_the_order_and_goes_back() -> None:
    x = np.arange(24.0).reshape(2, 12)
    y, backward = Reshape((3, 2, 2)).apply({}, x)
    np.testing.assert_array_equal(y, x.reshape(2, 3, 2, 2))
    np.testing.assert_array_equal(backward(y)[0], x)
    np.testing.assert_array_equal(Flatten().apply({}, y)[0], x)


def test_shapes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(InputError):
        Reshape((5,)).apply({}, np.ones((2, 12)))
    with pytest.raises(InputError):
        GlobalPool1D().apply({}, np.ones((2, 12)))
    with pytest.raises(InputError):
        GlobalPool1D("max")  # type: ignore[arg-type]
