from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from netparity import cli
from netparity.errors import InputError
from netparity.training.configuration import Configuration
from netparity.training.data import load
from netparity.training.preparing import seeds, split


def write(tmp_path: Path, **arrays: np.ndarray) -> str:
    file = tmp_path / "a.npz"
    np.savez(file, **arrays)
    return str(file)


def test_xor_has_two_classes_and_nothing_to_hold_out():
    configuration = Configuration(data="xor", standardize="none")
    data = load(configuration)
    assert (data.classes, data.image, data.training.y.tolist()) == (2, None, [0, 1, 1, 0])
    parts = split(data, configuration)
    assert parts.validation is None
    assert parts.training.x.dtype == np.float32


def test_the_split_parts_the_rows_by_the_seed():
    configuration = Configuration(validation=0.2, standardize="none", dtype="float64", seed=3)
    data = load(configuration)
    parts = split(data, configuration)
    assert parts.validation is not None
    assert (len(parts.training), len(parts.validation)) == (1150, 287)
    both = np.concatenate([parts.training.x, parts.validation.x])
    assert sorted(map(bytes, both)) == sorted(map(bytes, data.training.x))
    again, other = split(data, configuration), split(data, Configuration(validation=0.2, seed=4))
    assert again.validation is not None
    assert other.validation is not None
    assert np.array_equal(again.validation.y, parts.validation.y)
    assert not np.array_equal(other.validation.y, parts.validation.y)


def test_the_seed_gives_streams_that_differ():
    first, second = (seeds(Configuration(seed=seed)) for seed in (0, 1))
    drawn = {name: generator.random() for name, generator in first.items()}
    assert len({*drawn.values(), second["values"].random()}) == 3


@pytest.mark.parametrize("how", ["global", "feature"])
def test_inputs_are_standardized_by_the_rows_trained_on(how):
    configuration = Configuration(standardize=how, dtype="float64", validation=0.5)
    data = load(configuration)
    parts = split(data, configuration)
    assert parts.validation is not None
    x = parts.training.x
    axis = None if how == "global" else 0
    # Means of N rounded values that cancel: N·ε of the largest, which is below 40 deviations.
    bound = 40 * x.size * np.finfo(np.float64).eps
    assert np.abs(x.mean(axis=axis)).max() <= bound
    spread = x.std(axis=axis)
    # An input that is the same in every row stays at 0.
    constant = np.ptp(x, axis=axis) == 0
    assert np.abs(np.where(constant, 1.0, spread) - 1.0).max() <= bound
    assert (how == "feature") == bool(np.any(constant))
    assert np.abs(parts.validation.x.mean()) > 1e-4


def test_rows_takes_the_first():
    data = load(Configuration(rows=10))
    assert len(data.training) == 10
    assert "10 of the training rows" in data.description
    assert (data.classes, len(data.test or ())) == (10, 360)
    assert len(load(Configuration(rows=10_000)).training) == 1437


def test_an_archive_with_a_test(tmp_path):
    x = np.arange(24.0).reshape(6, 4)
    file = write(tmp_path, x=x, y=np.array([0, 1, 2, 0, 1, 2]), x_test=x[:1], y_test=np.array([4]))
    data = load(Configuration(data=file))
    assert data.test is not None
    assert (data.classes, data.image, len(data.test)) == (5, None, 1)
    assert "6 training rows and 1 test rows" in data.description


@pytest.mark.parametrize(
    ("shape", "image"),
    [((3, 4, 5), (1, 4, 5)), ((3, 1, 4, 5), (1, 4, 5)), ((3, 3, 4, 5), (3, 4, 5)),
     ((3, 4, 5, 3), None), ((3, 7), None)],
)  # fmt: skip
def test_images_are_known_by_their_shape(tmp_path, shape, image):
    file = write(tmp_path, x=np.zeros(shape), y=np.array([[0.0], [1.0], [2.0]]))
    data = load(Configuration(data=file))
    assert (data.image, data.test) == (image, None)
    assert data.training.x.shape == (3, np.prod(shape[1:]))


FINE = np.zeros((2, 3))


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"x": FINE}, "has no `y`"),
        ({"z": FINE}, "has no `x` and no `y`"),
        ({"x": FINE, "y": [0, 1], "x_test": FINE}, "Expected both or neither"),
        ({"x": FINE, "y": [0, 1, 1]}, "y is no list of classes. Expected 2 whole numbers"),
        ({"x": FINE, "y": [0.5, 1]}, "from 0.5 to 1.0"),
        ({"x": FINE, "y": [0, -1]}, "from -1 to 0"),
        ({"x": FINE, "y": [0, np.nan]}, "y is no list of classes"),
        ({"x": FINE, "y": [0, 1e300]}, "less than 100,000"),
        ({"x": FINE, "y": ["a", "b"]}, "dtype <U1"),
        ({"x": FINE, "y": np.eye(2)}, "shape (2, 2)"),
        ({"x": FINE[:, 0], "y": [0, 1]}, "x cannot be used. Expected numbers of shape (N, …)"),
        ({"x": FINE[:0], "y": []}, "at least one row"),
        ({"x": np.full((2, 3), np.nan), "y": [0, 1]}, "first in row 0"),
        ({"x": FINE, "y": [0, 1], "x_test": FINE[:, :2], "y_test": [0, 1]}, "x_test cannot be"),
        ({"x": FINE, "y": [0, 1], "x_test": FINE, "y_test": [0]}, "y_test is no list of classes"),
    ],
)
def test_an_archive_that_cannot_be_used(tmp_path, arrays, said):
    file = write(tmp_path, **{name: np.asarray(values) for name, values in arrays.items()})
    with pytest.raises(InputError) as caught:
        load(Configuration(data=file))
    assert said in caught.value.message
    assert file in caught.value.message


def test_an_archive_that_is_none(tmp_path):
    file = tmp_path / "a.npz"
    with pytest.raises(InputError, match="no such file"):
        load(Configuration(data=str(file)))
    file.write_bytes(b"PK\x03\x04 and then nothing")
    with pytest.raises(InputError, match="cannot be read as an `.npz` file"):
        load(Configuration(data=str(file)))
    np.savez(file, x=np.array([object()], object), y=[0], allow_pickle=True)
    with pytest.raises(InputError, match="cannot be read as an `.npz` file"):
        load(Configuration(data=str(file)))


def test_a_damaged_file_of_a_data_set_is_status_2(tmp_path, capsys):
    folder = tmp_path / "MNIST" / "raw"
    folder.mkdir(parents=True)
    for name in ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1"):
        (folder / f"{name}-ubyte.gz").write_bytes(b"\x1f\x8b\x08 cut short")
    output = tmp_path / "out"
    words = ["train", "--data", "mnist", "--data-dir", str(tmp_path), "--output", str(output)]
    assert cli.main(words) == 2
    assert "Unusable IDX file" in capsys.readouterr().err
    assert not output.exists()


def test_no_row_is_left():
    configuration = Configuration(rows=1, validation=0.0)
    assert len(split(load(configuration), configuration).training) == 1
