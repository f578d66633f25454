from __future__ import annotations

import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from netparity.errors import InputError, MissingDependencyError
from netparity.tuning import storage
from netparity.tuning.storage import open_storage, problems, shown, sqlite_in

optuna = pytest.importorskip("optuna")


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("localhost", 0))
        return int(one.getsockname()[1])


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("sqllite:///a.db", "did you mean `sqlite:///path/study.db`?"),
        ("a.db", "is not understood. Expected one of sqlite:///path/study.db, "),
        ("sqlite:////no/such/folder/a.db", "unable to open database file"),
        ("journal:///no/such/folder/a.log", "cannot be read or written"),
        ("grpc://localhost", "Expected grpc://host:port"),
        ("grpc://localhost:port", "Expected grpc://host:port"),
    ],
)
def test_a_storage_that_cannot_be_opened(url, said):
    with pytest.raises(InputError) as caught:
        open_storage(url)
    assert said in f"{caught.value.message} {caught.value.hint}"


def test_a_driver_that_is_missing():
    with pytest.raises(MissingDependencyError) as caught:
        open_storage("postgresql+pg8000://me:secret@host/name")
    assert "secret" not in caught.value.message
    assert "pg8000" in (caught.value.hint or "")


def test_a_proxy_that_does_not_answer(monkeypatch):
    pytest.importorskip("grpc")
    monkeypatch.setattr(storage, "_ANSWER", 0.2)
    with pytest.raises(InputError, match="nothing answers at"):
        open_storage(f"grpc://localhost:{free_port()}")


def test_a_file_that_is_no_database(tmp_path: Path):
    file = tmp_path / "study.db"
    file.write_text("this is no database, and was never meant to be one" * 100)
    with pytest.raises(InputError, match="file is not a database"):
        open_storage(f"sqlite:///{file}")


def test_a_storage_that_fails_later_is_an_error_of_the_input(tmp_path: Path):
    study = optuna.create_study(storage=open_storage(sqlite_in(tmp_path)))
    (tmp_path / "study.db").write_bytes(b"overwritten by something else" * 1000)
    with pytest.raises(InputError) as caught, problems(sqlite_in(tmp_path)):
        study.ask()
    assert "run the same command again" in (caught.value.hint or "")


def test_passwords_are_not_shown():
    assert (
        shown("mysql+pymysql://me:s3cret@host:3306/name") == "mysql+pymysql://me:***@host:3306/name"
    )
    assert shown("sqlite:////a/b.db") == "sqlite:////a/b.db"
    assert shown("postgresql://host/name") == "postgresql://host/name"


def test_without_optuna(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "optuna", None)
    with pytest.raises(MissingDependencyError) as caught:
        storage.optuna()
    assert caught.value.hint == "pip install 'netparity[tune]'"


def test_several_may_open_a_new_database_at_once(tmp_path: Path):
    code = (
        "import sys, time; from netparity.tuning.storage import open_storage;"
        "time.sleep(max(0.0, float(sys.argv[2]) - time.time())); open_storage(sys.argv[1])"
    )
    start = str(time.time() + 3.0)
    arguments = [sys.executable, "-c", code, sqlite_in(tmp_path), start]
    processes = [subprocess.Popen(arguments) for _ in range(2)]
    assert [process.wait() for process in processes] == [0, 0]
