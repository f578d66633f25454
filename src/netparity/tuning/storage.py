"""Where a study is kept: Optuna's own storages, by URL."""

from __future__ import annotations

import difflib
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from netparity.errors import InputError, MissingDependencyError

if TYPE_CHECKING:
    from optuna.storages import BaseStorage

#: How a storage may be written, with the word before the colon by which it is known.
FORMS: Final = {
    "sqlite": "sqlite:///path/study.db",
    "postgresql": "postgresql://user:password@host/name",
    "mysql": "mysql+pymysql://user:password@host/name",
    "journal": "journal:///path/study.log",
    "grpc": "grpc://host:port",
}
#: Seconds a writer waits for the others where the file can have only one.
_PATIENCE: Final = 60.0
#: Seconds between attempts to open a database.
_PAUSES: Final = (0.2, 0.5, 1.0)
#: Seconds to wait for a proxy that does not answer.
_ANSWER: Final = 10.0


def optuna() -> Any:
    """The package Optuna, quiet.

    Raises:
        MissingDependencyError: it is not installed.
    """
    try:
        import optuna
    except ImportError as error:
        raise MissingDependencyError(
            "the search needs Optuna, which is not installed", hint="pip install 'netparity[tune]'"
        ) from error
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna


@contextmanager
def quiet() -> Iterator[None]:
    """Optuna marks as experimental what has been as it is for years; that is not said again."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=optuna().exceptions.ExperimentalWarning)
        yield


def sqlite_in(folder: Path) -> str:
    """The storage that is used where none is named: a file in the output folder.

    Args:
        folder: the output folder.
    """
    return f"sqlite:///{folder.resolve() / 'study.db'}"


def shown(url: str) -> str:
    """A URL without its password.

    Example:
        >>> shown("postgresql://me:secret@host/name")
        'postgresql://me:***@host/name'
    """
    scheme, separator, rest = url.partition("://")
    account, at, place = rest.rpartition("@")
    user, colon, _ = account.partition(":")
    return f"{scheme}{separator}{user}{':***' if colon else ''}{at}{place}"


def open_storage(url: str) -> BaseStorage:
    """The storage a URL stands for, made if it is a file that is not there yet.

    Args:
        url: see ``FORMS``.

    Raises:
        InputError: the URL is not understood, or the storage does not answer.
        MissingDependencyError: Optuna, or the driver of that database, is not installed.
    """
    optuna()
    scheme, separator, rest = url.partition("://")
    with quiet(), problems(url):
        if separator and scheme == "journal":
            return _journal(rest)
        if separator and scheme == "grpc":
            return _grpc(url, rest)
        return _database(url, scheme)


def _journal(path: str) -> BaseStorage:
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    return JournalStorage(JournalFileBackend(path))


def _grpc(url: str, rest: str) -> BaseStorage:
    import grpc
    from optuna.storages import GrpcStorageProxy

    host, _, port = rest.rstrip("/").rpartition(":")
    if not host or not port.isdecimal():
        raise InputError(f"`--storage {url}` is not understood. Expected {FORMS['grpc']}")
    proxy = GrpcStorageProxy(host=host, port=int(port))
    try:
        proxy.wait_server_ready(timeout=_ANSWER)
    except (grpc.FutureTimeoutError, OSError) as error:
        raise InputError(
            f"nothing answers at `{url}`", hint="optuna.storages.run_grpc_proxy_server starts one"
        ) from error
    return proxy


def _database(url: str, scheme: str) -> BaseStorage:
    import sqlalchemy
    from optuna.storages import RDBStorage

    arguments: dict[str, Any] = {}
    if scheme.startswith("sqlite"):
        arguments["connect_args"] = {"timeout": _PATIENCE}
    try:
        for pause in _PAUSES:
            # Whoever comes first makes the tables; who comes at the same moment trips over that.
            with suppress(sqlalchemy.exc.DBAPIError):
                return RDBStorage(url, engine_kwargs=arguments)
            time.sleep(pause)
        return RDBStorage(url, engine_kwargs=arguments)
    except (sqlalchemy.exc.ArgumentError, sqlalchemy.exc.NoSuchModuleError) as error:
        near = difflib.get_close_matches(scheme, FORMS, n=1, cutoff=0.5)
        raise InputError(
            f"`--storage {shown(url)}` is not understood. Expected one of "
            f"{', '.join(FORMS.values())}",
            hint=f"did you mean `{FORMS[near[0]]}`?" if near else None,
        ) from error
    except ImportError as error:
        driver = getattr(error.__cause__ or error, "name", None) or "of its database"
        raise MissingDependencyError(
            f"`--storage {shown(url)}` needs the package {driver}, which is not installed",
            hint=f"pip install {driver}",
        ) from error


@contextmanager
def problems(url: str) -> Iterator[None]:
    """What goes wrong in a storage, as errors of the input.

    Args:
        url: of the storage, for the message.

    Raises:
        InputError: the storage could not be read or written; what was written before stays.
    """
    import sqlalchemy

    failures: tuple[type[BaseException], ...] = (
        sqlalchemy.exc.SQLAlchemyError,
        optuna().exceptions.StorageInternalError,
        OSError,
    )
    if url.startswith("grpc:"):
        try:
            import grpc
        except ImportError as error:
            raise MissingDependencyError(
                "a study behind a proxy needs grpcio, which is not installed",
                hint="pip install 'netparity[tune]'",
            ) from error
        failures += (grpc.RpcError,)
    try:
        yield
    except InputError:
        raise
    except failures as error:
        cause = error.__cause__ or error
        told = str(getattr(cause, "orig", None) or cause).strip().splitlines()
        reason = told[0] if told else type(cause).__name__
        raise InputError(
            f"the study in `{shown(url)}` cannot be read or written: {reason}",
            hint="what was written before stays: run the same command again once this is mended",
        ) from error
