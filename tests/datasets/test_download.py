import hashlib
import http.server
import threading

import pytest

from netparity import InputError
from netparity.datasets import cifar10, download, load, mnist
from tests.datasets.made import write_mnist
from tests.datasets.test_cifar10 import archive_of, published_files


@pytest.fixture
def server(tmp_path):
    """A server of the files in ``tmp_path/published`` on loopback, and the paths asked of it."""
    root = tmp_path / "published"
    root.mkdir()
    asked = []

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *arguments):
            super().__init__(*arguments, directory=str(root))

        def log_message(self, *arguments):
            asked.append(self.path)

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as httpd:
        thread = threading.Thread(target=httpd.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{httpd.server_port}/", root, asked
        httpd.shutdown()
        thread.join()


def published(path):
    return download.Published(path.name, "md5:" + hashlib.md5(path.read_bytes()).hexdigest())


def test_a_file_is_fetched_once_and_kept(server, tmp_path):
    address, root, asked = server
    (root / "a.gz").write_bytes(b"content")
    files = (published(root / "a.gz"),)
    for _ in range(2):
        folder = download.fetch("A", files, (address,), layout="A/raw", cache=tmp_path / "cache")
    assert folder == tmp_path / "cache" / "A" / "raw"
    assert (folder / "a.gz").read_bytes() == b"content"
    assert len(asked) == 1


def test_a_kept_file_that_was_damaged_is_fetched_again(server, tmp_path):
    address, root, _ = server
    (root / "a.gz").write_bytes(b"content")
    files = (published(root / "a.gz"),)
    folder = download.fetch("A", files, (address,), cache=tmp_path / "cache")
    (folder / "a.gz").write_bytes(b"damaged")
    download.fetch("A", files, (address,), cache=tmp_path / "cache")
    assert (folder / "a.gz").read_bytes() == b"content"


def test_the_next_mirror_is_tried(server, tmp_path):
    address, root, asked = server
    (root / "second").mkdir()
    (root / "second" / "a.gz").write_bytes(b"content")
    files = (published(root / "second" / "a.gz"),)
    mirrors = (address + "first/", address + "second/")
    folder = download.fetch("A", files, mirrors, cache=tmp_path / "cache")
    assert (folder / "a.gz").read_bytes() == b"content"
    assert len(asked) >= 2


def test_another_content_is_refused_and_not_kept(server, tmp_path):
    address, root, _ = server
    (root / "a.gz").write_bytes(b"other")
    files = (download.Published("a.gz", "md5:" + hashlib.md5(b"content").hexdigest()),)
    with pytest.raises(InputError, match=r"Cannot download A: a\.gz.*another checksum"):
        download.fetch("A", files, (address,), cache=tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []


def test_without_a_connection_the_hint_says_where_to_put_the_files(tmp_path):
    # Nothing listens on the discard port of loopback.
    files = (download.Published("a.gz", "md5:" + "0" * 32),)
    with pytest.raises(InputError, match="ConnectionError") as error:
        download.fetch("A", files, ("http://127.0.0.1:9/",), cache=tmp_path)
    assert "NETPARITY_DATA or --data-dir" in error.value.hint


def test_a_file_that_is_not_there_says_the_status(server, tmp_path):
    address, _, _ = server
    files = (download.Published("a.gz", "md5:" + "0" * 32),)
    with pytest.raises(InputError, match="HTTP status 404"):
        download.fetch("A", files, (address,), cache=tmp_path / "cache")


def test_a_cache_that_cannot_be_written(server, tmp_path):
    address, root, _ = server
    (root / "a.gz").write_bytes(b"content")
    (tmp_path / "cache").write_bytes(b"a file where the folder should be")
    with pytest.raises(InputError, match="Cannot keep the download of A"):
        download.fetch("A", (published(root / "a.gz"),), (address,), cache=tmp_path / "cache")


def test_mnist_is_downloaded_where_no_folder_is_named(server, tmp_path, monkeypatch):
    address, root, _ = server
    write_mnist(root)
    monkeypatch.setattr(mnist, "MIRRORS", (address,))
    monkeypatch.setattr(mnist, "FILES", tuple(published(root / file.name) for file in mnist.FILES))
    monkeypatch.setattr(download, "cache_folder", lambda: tmp_path / "cache")
    assert load("mnist").x_train.shape == (5, 784)
    assert (tmp_path / "cache" / mnist.LAYOUT / mnist.TEST_LABELS).is_file()


def test_cifar10_is_downloaded_where_no_folder_is_named(server, tmp_path, monkeypatch):
    address, root, _ = server
    (root / cifar10.ARCHIVE.name).write_bytes(archive_of(published_files()))
    monkeypatch.setattr(cifar10, "MIRRORS", (address,))
    monkeypatch.setattr(cifar10, "ARCHIVE", published(root / cifar10.ARCHIVE.name))
    monkeypatch.setattr(download, "cache_folder", lambda: tmp_path / "cache")
    assert load("cifar10").x_train.shape == (10, 3072)


def test_the_published_checksums_are_those_of_the_real_test_files(real_data):
    for file in mnist.FILES[2:]:
        content = (real_data / mnist.LAYOUT / file.name).read_bytes()
        assert file.checksum == "md5:" + hashlib.md5(content).hexdigest()
