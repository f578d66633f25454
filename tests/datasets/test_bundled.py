import dataclasses

import numpy as np
import pytest

from netparity import InputError
from netparity.datasets import Dataset, load


def test_xor_is_exclusive_or():
    xor = load("xor")
    assert xor.x_train.dtype == xor.y_train.dtype == np.float64
    assert xor.x_train.shape == (4, 2)
    assert xor.y_train.shape == (4, 1)
    np.testing.assert_array_equal(xor.y_train[:, 0], xor.x_train[:, 0] != xor.x_train[:, 1])
    np.testing.assert_array_equal(xor.x_test, xor.x_train)
    assert not np.shares_memory(xor.x_test, xor.x_train)


def test_digits_are_scikit_learns_in_its_order():
    sklearn_datasets = pytest.importorskip("sklearn.datasets")
    theirs = sklearn_datasets.load_digits()
    ours = load("digits")
    assert ours.x_train.dtype == np.float64
    assert ours.y_train.dtype == np.int64
    assert (len(ours.x_train), len(ours.x_test)) == (1437, 360)
    # A sixteenth is exact in binary, so equality is exact too.
    np.testing.assert_array_equal(np.concatenate([ours.x_train, ours.x_test]), theirs.data / 16)
    np.testing.assert_array_equal(np.concatenate([ours.y_train, ours.y_test]), theirs.target)


def test_every_class_of_the_digits_is_in_both_parts():
    digits = load("digits")
    assert set(digits.y_train) == set(digits.y_test) == set(range(10))


def test_a_data_set_cannot_be_changed_by_name():
    with pytest.raises(dataclasses.FrozenInstanceError):
        load("xor").name = "and"
    assert [field.name for field in dataclasses.fields(Dataset)] == [
        "name", "description", "x_train", "y_train", "x_test", "y_test",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "hint"), [("minst", "did you mean mnist?"), ("imagenet", "choose one of these names")]
)
def test_an_unknown_name_names_the_nearest(name, hint):
    with pytest.raises(InputError, match=f"xor, digits, mnist, cifar10.*'{name}'") as error:
        load(name)
    assert error.value.hint == hint
