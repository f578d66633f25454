import gzip

import numpy as np
import pytest

from netparity import InputError
from netparity.datasets import DATA_VARIABLE, load, mnist
from tests.datasets.made import idx_bytes, write_idx, write_mnist


@pytest.mark.parametrize("inside", ["MNIST/raw", "raw", "."])
def test_a_folder_is_recognised_by_what_lies_in_it(tmp_path, inside):
    write_mnist(tmp_path / inside)
    data = load("mnist", tmp_path)
    assert data.x_train.shape == (5, 784)
    assert data.x_test.shape == (3, 784)
    assert data.x_train.dtype == np.float64
    assert data.y_train.dtype == np.int64
    np.testing.assert_array_equal(data.x_train[:, 0] * 255, np.arange(5))
    np.testing.assert_array_equal(data.y_test, np.arange(3))
    assert data.description == "MNIST, first 5 training images, first 3 test images"


def test_images_are_read_row_by_row(tmp_path):
    write_mnist(tmp_path)
    image = np.arange(784).reshape(1, 28, 28) % 251
    write_idx(tmp_path / mnist.TEST_IMAGES, image)
    write_idx(tmp_path / mnist.TEST_LABELS, np.zeros(1))
    x = load("mnist", tmp_path).x_test
    np.testing.assert_array_equal(np.rint(x[0] * 255), image.ravel())
    assert x.max() <= 1


def test_the_variable_names_the_folder_and_the_argument_goes_before_it(tmp_path, monkeypatch):
    write_mnist(tmp_path / "one", training=1)
    write_mnist(tmp_path / "two", training=2)
    monkeypatch.setenv(DATA_VARIABLE, str(tmp_path / "one"))
    assert len(load("mnist").x_train) == 1
    assert len(load("mnist", tmp_path / "two").x_train) == 2


def test_no_such_folder(tmp_path):
    with pytest.raises(InputError, match="No such data folder: .*nowhere") as error:
        load("mnist", tmp_path / "nowhere")
    assert "--data-dir" in error.value.hint


def test_an_empty_folder_says_what_belongs_there(tmp_path):
    with pytest.raises(InputError, match="No MNIST in .*train-images.*MNIST/raw/.*none of them"):
        load("mnist", tmp_path)


def test_a_missing_file_is_named(tmp_path):
    write_mnist(tmp_path / "MNIST" / "raw")
    (tmp_path / "MNIST" / "raw" / mnist.TEST_LABELS).unlink()
    with pytest.raises(InputError, match=r"raw without t10k-labels-idx1-ubyte\.gz\."):
        load("mnist", tmp_path)


IMAGES = np.zeros((5, 28, 28))
WHOLE = idx_bytes(IMAGES)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "Expected to begin with 00 00 08 03"),
        (b"not gzip at all", "Expected a whole gzip file"),
        (gzip.compress(WHOLE)[:-20], "Expected a whole gzip file"),
        (gzip.compress(WHOLE)[:-8] + b"\0" * 8, "Expected a whole gzip file.*CRC"),
        (gzip.compress(idx_bytes(np.zeros(5))), "begin with 00 00 08 03. Received 00 00 08 01"),
        (gzip.compress(WHOLE[:9]), "Expected a header of 16 bytes. Received 9"),
        (gzip.compress(WHOLE[:-1]), "Expected 3,920 bytes after the header. Received 3,919"),
        (gzip.compress(WHOLE + b"\0"), "Expected 3,920 bytes after the header. Received more"),
        (gzip.compress(idx_bytes(np.zeros((5, 8, 8)))), r"shape \(28, 28\). Received \(8, 8\)"),
        (gzip.compress(idx_bytes(np.zeros((0, 28, 28)))), "Expected 1 to 60,000 items. Received 0"),
        (
            gzip.compress(bytes([0, 0, 8, 3, 255, 255, 255, 255, 0, 0, 0, 28, 0, 0, 0, 28])),
            "Expected 1 to 60,000 items. Received 4,294,967,295",
        ),
    ],
    ids=[
        "empty", "not-gzip", "truncated", "checksum", "other-magic", "short-header", "too-short",
        "too-long", "other-shape", "no-items", "too-many-items",
    ],
)  # fmt: skip
def test_a_damaged_file_is_named_with_what_was_expected_and_received(tmp_path, content, expected):
    write_mnist(tmp_path)
    (tmp_path / mnist.TRAINING_IMAGES).write_bytes(content)
    with pytest.raises(InputError, match=expected) as error:
        load("mnist", tmp_path)
    assert mnist.TRAINING_IMAGES in error.value.message


def test_labels_and_images_must_be_as_many(tmp_path):
    write_mnist(tmp_path)
    write_idx(tmp_path / mnist.TRAINING_LABELS, np.zeros(4))
    with pytest.raises(InputError, match="as many labels .*, 5. Received 4"):
        load("mnist", tmp_path)


def test_a_label_out_of_range_is_named_with_its_position(tmp_path):
    write_mnist(tmp_path)
    write_idx(tmp_path / mnist.TRAINING_LABELS, np.array([0, 1, 2, 10, 4]))
    with pytest.raises(InputError, match="labels from 0 to 9. Received 10 at position 3"):
        load("mnist", tmp_path)


@pytest.mark.data
def test_the_real_files(real_data):
    data = load("mnist", real_data)
    assert data.x_test.shape == (10_000, 784)
    assert (data.x_train.min(), data.x_train.max()) == (0, 1)
    # How often each digit stands in the published test part.
    counts = [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    np.testing.assert_array_equal(np.bincount(data.y_test), counts)
    np.testing.assert_array_equal(data.y_train[:10], [5, 0, 4, 1, 9, 2, 1, 3, 1, 4])
    if len(data.x_train) < mnist.TRAINING_COUNT:
        assert data.description == f"MNIST, first {len(data.x_train):,} training images"
