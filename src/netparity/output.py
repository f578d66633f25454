"""Where results, messages and errors go: results to stdout, everything else to stderr."""

from __future__ import annotations

import os
import shutil
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout, suppress
from pathlib import Path

from netparity.errors import InputError


@contextmanager
def only_results() -> Iterator[None]:
    """Sends to stderr whatever is written to stdout meanwhile.

    The user's programs print while they are loaded and run, frameworks print from C, and
    ``--format json`` promises JSON alone: so the file descriptor is turned too.
    """
    sys.stdout.flush()
    try:
        kept = os.dup(1)
        os.dup2(2, 1)
    except OSError:
        kept = -1
    try:
        with redirect_stdout(sys.stderr):
            yield
    finally:
        if kept >= 0:
            # What C libraries hold back in their own buffers still belongs to stderr.
            with suppress(OSError):
                os.fsync(1)
            os.dup2(kept, 1)
            os.close(kept)


def write_result(text: str) -> None:
    """Writes to stdout; a reader that has gone away is no error."""
    try:
        try:
            sys.stdout.write(text)
        except UnicodeEncodeError:
            encoding = sys.stdout.encoding or "ascii"
            sys.stdout.write(text.encode(encoding, "replace").decode(encoding))
        sys.stdout.flush()
    except BrokenPipeError:
        # Python flushes stdout once more as it ends, and would complain then.
        with suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def say(text: str) -> None:
    """Writes a line to stderr."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def written(what: str, path: Path) -> None:
    """Says on stderr where something was written."""
    say(f"{what} written to {path}")


def colour() -> bool:
    """Whether stdout takes colour: a terminal, and ``NO_COLOR`` empty or not set."""
    return (
        sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    )


def width() -> int | None:
    """Columns of the terminal on stdout, or ``None`` where there is none."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def show_input_error(error: InputError) -> None:
    """Says what was wrong with the input, with their traceback where it was their code."""
    say(f"error: {error.message}")
    if error.foreign_traceback:
        say("\nThe traceback of that program (theirs, not netparity's):")
        for line in error.foreign_traceback.splitlines():
            say(f"  | {line}".rstrip())
    if error.hint:
        say(f"\nhint: {error.hint}")


def show_fault(error: BaseException) -> None:
    """Says that netparity itself failed, with the whole traceback."""
    say("".join(traceback.format_exception(error)).rstrip())
    say(
        f"\nerror: {type(error).__name__}: {error}\n"
        "\nhint: this is a fault of netparity, not of your programs; please report it with the "
        "lines above and what `netparity doctor` prints"
    )
