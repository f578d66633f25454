"""A process beside this one, in which programs are loaded, built and driven."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import weakref
from contextlib import suppress
from typing import Any, BinaryIO, Final, cast

from netparity.errors import InputError
from netparity.implementations.process import faults, wire
from netparity.loading.programs import Surroundings

#: How long a process that was told to end may take before it is killed.
_GRACE_SECONDS: Final = 2.0
#: How often a silent process is looked at.
_LOOK_SECONDS: Final = 0.5
#: Room in the pipe, where the platform grants it: a batch crosses in one piece.
_PIPE_BYTES: Final = 2**20
_WORKER: Final = "netparity.implementations.process.worker"


class Kept:
    """An object kept in another process; it is let go there when this is."""

    __slots__ = ("__weakref__", "number", "process")

    def __init__(self, process: Process, number: int) -> None:
        self.process = process
        self.number = number
        weakref.finalize(self, process.released.append, number)


class Process:
    """Another Python process that answers for the programs loaded in it.

    Calls are answered one at a time and as long as the program takes. What the process prints
    goes to stderr. It ends when it is closed, when this object goes, and when this process does.

    Args:
        surroundings: the environment and search path it starts with.
        who: which side lives there, for what is said of it.
    """

    def __init__(self, surroundings: Surroundings, who: str) -> None:
        self.who = who
        self.released: list[int] = []
        self._doing = "start"
        self._death: tuple[str, str | None] | None = None
        environment = dict(surroundings.environment)
        environment["PYTHONPATH"] = os.pathsep.join(surroundings.path)
        # Without -P a module of the working directory could stand in for one of Python's own.
        self._popen = subprocess.Popen(
            [sys.executable, "-P", "-m", _WORKER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
            pipesize=_PIPE_BYTES,
        )
        self._to = cast(BinaryIO, self._popen.stdin)
        self._from = cast(BinaryIO, self._popen.stdout)
        self._end = weakref.finalize(self, _end, self._popen)

    @property
    def pid(self) -> int:
        """The process's number in the system."""
        return self._popen.pid

    def ask(self, doing: str, *arguments: object, **named: object) -> Any:
        """Has the process do something and waits for what comes of it.

        Args:
            doing: a name of ``worker.Worker``'s.
            *arguments: for that.
            **named: likewise.

        Raises:
            InputError: the process has ended, or the program there is to blame.
            Exception: of the kind that was raised there.
        """
        self.tell(doing, *arguments, **named)
        return self.answer()

    def tell(self, doing: str, *arguments: object, **named: object) -> None:
        """Has the process do something; ``answer`` waits for it."""
        method = next((a for a in arguments if isinstance(a, str)), doing)
        self._doing = method if doing == "drive" else doing
        released, self.released[:] = tuple(self.released), []
        message = _outward((doing, arguments, named, released), self)
        try:
            wire.send(self._to, message)
        except (BrokenPipeError, ValueError) as error:  # a line closed by itself, or by us
            raise self._died() from error

    def answer(self) -> Any:
        """What came of what it was told."""
        try:
            self._wait()
            done, value = wire.receive(self._from, lambda number: Kept(self, number))
        except (wire.Ended, OSError) as error:
            raise self._died() from error
        if not done:
            raise faults.read(value, self.who)
        return value

    def close(self) -> None:
        """Ends the process."""
        self._end()

    def _wait(self) -> None:
        """Until there is an answer or the process is gone.

        A process that it started may hold the line open when it is gone, so the end of the
        line alone does not tell.
        """
        if not hasattr(select, "poll"):  # Windows: the end of the line has to do
            return
        poll = select.poll()
        poll.register(self._from, select.POLLIN)
        while not poll.poll(_LOOK_SECONDS * 1000):
            if self._popen.poll() is not None and not poll.poll(0):
                raise wire.Ended

    def _died(self) -> InputError:
        """What to say of a process that is gone; the first call that met it names the place."""
        if self._death is None:
            with suppress(subprocess.TimeoutExpired):
                self._popen.wait(_GRACE_SECONDS)
            during = f"while it did `{self._doing}`"
            self._death = _ending(self.who, self._popen.poll(), during)
        message, hint = self._death
        return InputError(message, hint=hint)


def _ending(who: str, status: int | None, during: str) -> tuple[str, str | None]:
    if status is None:
        return f"the process of {who} closed its line {during}", None
    hint = "what it wrote last stands above"
    how = f"ended with status {status}"
    if status < 0:
        names = {-s: s.name for s in signal.Signals}
        how = f"was ended by signal {names.get(status, str(-status))}"
        if names.get(status) == "SIGKILL":
            hint += "; where memory runs out, the system ends a process so"
    return f"the process of {who} {how} {during}", hint


def _end(popen: subprocess.Popen[bytes]) -> None:
    """Closes the line, which ends the process; kills it where it does not listen."""
    for stream in (popen.stdin, popen.stdout):
        if stream is not None:
            with suppress(OSError, ValueError):
                stream.close()
    try:
        popen.wait(_GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        popen.kill()
        popen.wait()


def _outward(value: Any, process: Process) -> Any:
    """The message with what is kept over there as its number."""
    if isinstance(value, Kept):
        if value.process is not process:
            msg = "an object kept in one process was handed to another"
            raise TypeError(msg)
        return wire.Kept(value.number)
    if isinstance(value, tuple):
        return tuple(_outward(item, process) for item in value)
    if isinstance(value, dict):
        return {key: _outward(item, process) for key, item in value.items()}
    return value
