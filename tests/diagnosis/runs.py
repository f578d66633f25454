"""Runs netparity in processes of their own, as many at a time as there is room for."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

#: Far above the twenty seconds a story may take: a process that hangs must still end.
TIMEOUT_SECONDS = 300


@dataclass(frozen=True, slots=True)
class Done:
    """What a process wrote, and how it ended."""

    status: int
    out: str
    err: str


def run(arguments: Iterable[str], folder: Path | None = None, **variables: str) -> Done:
    """Runs ``python …`` with one thread for its sums and no accelerator."""
    quiet = {"OMP_NUM_THREADS": "1", "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""}
    environment = {**os.environ, **quiet, **variables}
    environment["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
    done = subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        text=True,
        cwd=folder,
        env=environment,
        timeout=TIMEOUT_SECONDS,
        check=False,
    )
    return Done(done.returncode, done.stdout, done.stderr)


def netparity(*arguments: str, folder: Path | None = None, **variables: str) -> Done:
    """Runs the command line."""
    return run(["-m", "netparity", *arguments], folder, **variables)


class Ahead:
    """Runs what the chosen tests will ask for two at a time, ahead of their asking.

    A worker of pytest-xdist has its neighbours at its side and cannot know which of them
    takes which test: there each run starts when it is asked for.
    """

    def __init__(self, request: pytest.FixtureRequest, fixture: str) -> None:
        self.pool = ThreadPoolExecutor(2)
        self.runs: dict[str, Future[Done]] = {}
        self.wanted: list[str] = []
        if "PYTEST_XDIST_WORKER" not in os.environ:
            for item in request.session.items:
                given: Any = getattr(item, "callspec", None)
                if fixture in getattr(item, "fixturenames", ()) and given and "id" in given.params:
                    self.wanted.append(given.params["id"])

    def get(self, id: str, start: Any) -> Done:
        """The finished run for ``id``; ``start(id)`` makes it."""
        for one in (id, *self.wanted):
            if one not in self.runs:
                self.runs[one] = self.pool.submit(start, one)
        return self.runs[id].result()

    def close(self) -> None:
        """Lets go of what was not asked for in the end."""
        self.pool.shutdown(wait=True, cancel_futures=True)
