import io
import pickle
import pickletools
import tarfile

import numpy as np
import pytest

from netparity import InputError
from netparity.datasets import DATA_VARIABLE, cifar10, load
from tests.datasets.made import batch_bytes, cifar10_files, python2_pickle, write_cifar10


@pytest.mark.parametrize("inside", [cifar10.FOLDER, "."])
def test_a_folder_is_recognised_by_what_lies_in_it(tmp_path, inside):
    write_cifar10(tmp_path / inside)
    data = load("cifar10", tmp_path)
    assert data.x_train.shape == (10, 3072)
    assert data.x_test.shape == (2, 3072)
    assert data.x_train.dtype == np.float64
    assert data.y_train.dtype == np.int64
    np.testing.assert_array_equal(np.rint(data.x_train[:, 7] * 255), np.arange(10))
    np.testing.assert_array_equal(data.y_train, np.arange(10))
    np.testing.assert_array_equal(data.y_test, [0, 1])
    assert data.description == "CIFAR-10, first 2 images per batch"


def test_the_made_batches_are_as_python_2_wrote_them():
    names = {
        argument
        for code, argument, _ in pickletools.genops(batch_bytes(1))
        if code.name == "GLOBAL"
    }
    assert names == {"numpy.core.multiarray _reconstruct", "numpy ndarray", "numpy dtype"}


def test_a_copy_that_python_3_wrote_again_reads_the_same(tmp_path):
    write_cifar10(tmp_path)
    before = load("cifar10", tmp_path)
    pixels = np.arange(2 * 3072, dtype=np.uint8).reshape(2, 3072)
    again = pickle.dumps({"data": np.asfortranarray(pixels), "labels": [3, 4]}, protocol=2)
    (tmp_path / cifar10.TEST_FILE).write_bytes(again)
    after = load("cifar10", tmp_path)
    np.testing.assert_array_equal(after.x_train, before.x_train)
    np.testing.assert_array_equal(np.rint(after.x_test * 255), pixels)
    np.testing.assert_array_equal(after.y_test, [3, 4])


def test_the_variable_names_the_folder(tmp_path, monkeypatch):
    write_cifar10(tmp_path, count=1)
    monkeypatch.setenv(DATA_VARIABLE, str(tmp_path))
    assert len(load("cifar10").x_train) == 5


class Runs:
    """A pickle of this object calls a function when it is read."""

    def __init__(self, function, *arguments):
        self.call = (function, arguments)

    def __reduce__(self):
        return self.call


def call_of(module, name, argument):
    return f"c{module}\n{name}\n(S'{argument}'\ntR.".encode()


@pytest.mark.parametrize(
    ("content", "received"),
    [
        (call_of("os", "system", "exit 1"), "the name os.system"),
        (call_of("builtins", "eval", "1"), "the name builtins.eval"),
        (call_of("__builtin__", "eval", "1"), "the name __builtin__.eval"),
        (call_of("numpy", "load", "x"), "the name numpy.load"),
        (call_of("_codecs", "encode.__globals__", "x"), "the name _codecs.encode.__globals__"),
        (pickle.dumps({"data": Runs(exec, "raise SystemExit")}), "the name builtins.exec"),
        (b"Psomewhere\n.", "a reference to something outside the file"),
        (b"", "Ran out of input"),
        (batch_bytes(2)[:-50], "Unusable pickle"),
        (pickle.dumps({"data": np.zeros((2, 3072))}, protocol=2), "type 'f8'|type b'f8'"),
        (pickle.dumps({"data": np.array([{}], object)}, protocol=2), "type 'O8'|type b'O8'"),
        (python2_pickle(b"\0" * 3071, (1, 3072), [0]), "3,071 bytes for an array of shape"),
        (python2_pickle(b"\0" * 3072, (-1, 3072), [0]), "an array of shape"),
    ],
)  # fmt: skip
def test_a_pickle_that_is_more_than_data_is_refused(tmp_path, content, received):
    write_cifar10(tmp_path)
    (tmp_path / "data_batch_3").write_bytes(content)
    with pytest.raises(InputError, match=received) as error:
        load("cifar10", tmp_path)
    assert "data_batch_3" in error.value.message
    assert "nothing in the file was run" in error.value.hint


def record(**entries):
    whole = {"data": np.zeros((2, 3072), np.uint8), "labels": [0, 9]}
    return pickle.dumps({k: v for k, v in (whole | entries).items() if v is not None}, protocol=2)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (pickle.dumps([1]), "Expected a dictionary. Received list"),
        (record(data=None), "an entry 'data'. Received .*labels"),
        (record(data=[1]), r"'data' of shape \(N, 3072\). Received list"),
        (record(data=np.zeros((2, 784), np.uint8)), r"Received shape \(2, 784\)"),
        (python2_pickle(b"", (0, 3072), []), "1 to 10,000 images. Received 0"),
        (record(labels=[0]), "2 labels, one an image. Received 1"),
        (record(labels="01"), "2 labels, one an image. Received str"),
        (record(labels=[0, 10]), "labels from 0 to 9. Received 10 at position 1"),
        (record(labels=[True, 1]), "labels from 0 to 9. Received True at position 0"),
        (record(labels=[0.0, 1]), "labels from 0 to 9. Received 0.0 at position 0"),
    ],
)
def test_a_batch_that_is_not_one_of_images_is_named(tmp_path, content, message):
    write_cifar10(tmp_path)
    (tmp_path / cifar10.TEST_FILE).write_bytes(content)
    with pytest.raises(InputError, match=message) as error:
        load("cifar10", tmp_path)
    assert cifar10.TEST_FILE in error.value.message


def test_a_file_too_large_to_be_a_batch_is_not_read(tmp_path):
    write_cifar10(tmp_path)
    with (tmp_path / "data_batch_1").open("wb") as file:
        file.truncate(cifar10.LARGEST_FILE + 1)
    with pytest.raises(InputError, match="at most 40,000,000 bytes. Received 40,000,001"):
        load("cifar10", tmp_path)


def test_an_incomplete_folder_says_which_files_are_missing(tmp_path):
    write_cifar10(tmp_path / cifar10.FOLDER)
    (tmp_path / cifar10.FOLDER / "data_batch_4").unlink()
    with pytest.raises(InputError, match=r"cifar-10-batches-py without data_batch_4\."):
        load("cifar10", tmp_path)


def archive_of(files):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            if isinstance(content, str):
                member.type, member.linkname = tarfile.SYMTYPE, content
                tar.addfile(member)
            else:
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def published_files():
    return {f"{cifar10.FOLDER}/{name}": content for name, content in cifar10_files().items()}


def test_the_archive_is_read_without_being_unpacked(tmp_path):
    archive = tmp_path / "a" / "cifar-10-python.tar.gz"
    archive.parent.mkdir()
    archive.write_bytes(archive_of(published_files() | {"../escaped": b"x"}))
    data = cifar10.read_archive(archive)
    assert data.x_train.shape == (10, 3072)
    assert [path.name for path in tmp_path.rglob("*")] == ["a", archive.name]


@pytest.mark.parametrize("instead", [None, "/etc/passwd"])
def test_an_archive_without_a_batch_is_refused(tmp_path, instead):
    files = published_files()
    name = f"{cifar10.FOLDER}/data_batch_2"
    del files[name]
    if instead is not None:
        files[name] = instead
    archive = tmp_path / "cifar-10-python.tar.gz"
    archive.write_bytes(archive_of(files))
    with pytest.raises(InputError, match="Expected a file cifar-10-batches-py/data_batch_2"):
        cifar10.read_archive(archive)


@pytest.mark.parametrize("cut", [0, 100])
def test_a_damaged_archive_is_named(tmp_path, cut):
    archive = tmp_path / "cifar-10-python.tar.gz"
    archive.write_bytes(archive_of(published_files())[:cut])
    with pytest.raises(InputError, match=r"Unusable archive .*cifar-10-python\.tar\.gz"):
        cifar10.read_archive(archive)


@pytest.mark.data
def test_the_real_files(real_data):
    data = load("cifar10", real_data)
    assert data.x_train.shape[1] == data.x_test.shape[1] == 3072
    assert (data.x_train.min(), data.x_train.max()) == (0, 1)
    assert set(data.y_train) == set(range(10))
    # The first images of the published first batch: a frog, a truck, a truck, a deer, a car.
    np.testing.assert_array_equal(data.y_train[:5], [6, 9, 9, 4, 1])
    np.testing.assert_array_equal(np.rint(data.x_train[0, :4] * 255), [59, 43, 50, 68])
    if len(data.x_test) == 1000:
        assert data.description == "CIFAR-10, first 1,000 images per batch"
