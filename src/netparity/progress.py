"""Signs of life on stderr while netparity works."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Final, Protocol, Self, TextIO

from rich.console import Console
from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar

#: Seconds between two plain lines where stderr is not a terminal: a log of a quick run
#: stays empty, and that of a long one still shows that it is alive.
QUIET: Final = 5.0


class Reporter(Protocol):
    """Whatever takes note of how far a piece of work has come."""

    def stage(self, text: str, fraction: float) -> None:
        """Says what is being done, and which fraction of the whole is done, in [0, 1]."""


class NullProgress:
    """Says nothing.

    Example:
        >>> NullProgress().stage("observe", 0.5)
    """

    def stage(self, text: str, fraction: float) -> None:
        """Takes note of nothing."""


class Progress:
    """A bar on a terminal; elsewhere a plain line, at most one every five seconds.

    Args:
        stream: where it goes; stderr by default.
        title: what stands before each plain line.

    Example:
        >>> import io
        >>> with Progress(io.StringIO(), title="demo") as progress:
        ...     progress.stage("observe", 0.25)
    """

    def __init__(self, stream: TextIO | None = None, *, title: str = "netparity") -> None:
        self._stream = sys.stderr if stream is None else stream
        self._title = title
        self._last = time.monotonic()
        self._bar: Bar | None = None
        if self._stream.isatty():
            self._bar = Bar(
                TextColumn("{task.description}", markup=False),
                BarColumn(),
                TaskProgressColumn(),
                TimeElapsedColumn(),
                console=Console(file=self._stream),
                transient=True,
                # Results written to stdout must not be drawn into the bar's stream.
                redirect_stdout=False,
            )
            self._task = self._bar.add_task(title, total=1.0)

    def __enter__(self) -> Self:
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def stage(self, text: str, fraction: float) -> None:
        """Says what is being done, and which fraction of the whole is done, in [0, 1]."""
        fraction = min(max(fraction, 0.0), 1.0)
        if self._bar is not None:
            self._bar.update(self._task, description=text, completed=fraction)
            return
        now = time.monotonic()
        if now - self._last >= QUIET:
            self._last = now
            self._stream.write(f"{self._title}: {fraction:4.0%} {text}\n")
            self._stream.flush()

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Takes the bar off the terminal while something else is written to it."""
        if self._bar is None:
            yield
            return
        self._bar.stop()
        try:
            yield
        finally:
            self._bar.start()
