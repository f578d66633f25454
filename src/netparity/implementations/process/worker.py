"""The far side: loads programs, builds them, and answers for them.

Run as ``python -m netparity.implementations.process.worker``, by ``Process``. Messages come in
on stdin and go out on stdout; before anything else runs, both are put where no program finds
them, and whatever it prints goes to stderr. It ends when the line is closed, or when the
process that started it is gone.
"""

from __future__ import annotations

import itertools
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, BinaryIO, Final

import numpy as np

from netparity import environment, randomness
from netparity.errors import InputError
from netparity.implementations import adapt
from netparity.implementations.base import Implementation, Watched
from netparity.implementations.process import faults, wire
from netparity.loading import Loaded, load, settings
from netparity.loading.data import as_data

#: What an implementation may be asked for: nothing else of an object is reached from outside.
METHODS: Final = frozenset(
    {
        "buffers", "set_buffers", "moved_buffers",
        "activations", "adjust", "declared", "dropouts", "end_epoch", "gradients", "loss",
        "loss_of", "parameters", "predict", "prepare", "preprocess", "restore", "set_parameters",
        "state", "step", "update", "validation", "watch",
    }
)  # fmt: skip
_LOOK_SECONDS: Final = 1.0


class Worker:
    """The objects kept here, by number, and what can be done with them."""

    def __init__(self) -> None:
        self._kept: dict[int, Any] = {}
        self._numbers = itertools.count(1)
        self._told: dict[int, Mapping[str, Any]] = {}

    def keep(self, thing: object) -> wire.Kept:
        """Keeps an object and returns its number."""
        number = next(self._numbers)
        self._kept[number] = thing
        return wire.Kept(number)

    def release(self, numbers: tuple[int, ...]) -> None:
        """Lets go of what the other side has no more use for."""
        for number in numbers:
            self._told.pop(id(self._kept.pop(number, None)), None)

    # ---- programs -----------------------------------------------------------------------
    def load(self, spec: str) -> dict[str, Any]:
        """Loads a program, without building it."""
        loaded = load(spec)
        return {
            "program": self.keep(loaded),
            "builds": loaded.builds,
            "file": None if loaded.file is None else str(loaded.file),
            "module": loaded.module,
            "name": loaded.name,
        }

    def build(self, program: Loaded, seed: int) -> tuple[wire.Kept, Mapping[str, Any] | None]:
        """Builds and adapts a program; with it, what it says of itself."""
        live = adapt(program.build(seed))
        live.name = program.spec
        kept = self.keep(live)
        self._told.pop(id(live), None)
        return kept, self._news(live)

    def defines(self, program: Loaded, name: str) -> bool:
        """Whether the program's file defines that name."""
        return program.defines(name)

    def data(self, program: Loaded, name: str, seed: int) -> object:
        """What the program's file calls by that name, as data."""
        return as_data(program.own(name, seed), f"{program.spec.rpartition(':')[0]}:{name}", seed)

    def settings(self) -> dict[str, str]:
        """The process-wide settings as they are now."""
        return settings.present()

    def environment(self) -> dict[str, Any]:
        """The environment this process runs in."""
        return environment.describe()

    # ---- random streams -------------------------------------------------------------------
    def capture(self) -> wire.Kept:
        """Keeps the states of the global generators."""
        return self.keep(randomness.capture())

    def rewind(self, states: randomness.GlobalRandomStates) -> None:
        """Puts them back."""
        states.restore()

    def disturb(self, seed: int) -> None:
        """Puts each global generator somewhere else."""
        randomness.disturb(seed)

    def reseed(self, name: str, value: int) -> None:
        """Seeds one global generator."""
        randomness.seed(name, value)

    def generators(self) -> list[str]:
        """The global generators that are in this process."""
        return list(randomness.fingerprint())

    # ---- implementations --------------------------------------------------------------------
    def drive(self, live: Implementation, method: str, *arguments: Any, **named: Any) -> Any:
        """Calls a method of an implementation; with the result, what it is, if that changed."""
        if method not in METHODS or not isinstance(live, Implementation):
            msg = f"an implementation has no method {method!r}"
            raise ValueError(msg)
        result = getattr(live, method)(*arguments, **named)
        if method == "state":
            result = self.keep(result)
        if isinstance(result, Watched):
            result = replace(result, states=tuple(self.keep(state) for state in result.states))
        return result, self._news(live)

    def begin(self, live: Implementation, method: str, x: Any, y: Any, epoch: int) -> wire.Kept:
        """Begins what a side feeds; ``next_batch`` goes on, so that it draws when it would."""
        feed = live.weighted_batches if method == "weighted_batches" else live.batches
        return self.keep(iter(feed(x, y, epoch)))

    def next_batch(self, batches: Iterator[Any]) -> tuple[Any, ...] | None:
        """The next of them, or ``None``."""
        batch = next(batches, None)
        if batch is None:
            return None
        return tuple(None if part is None else np.asarray(part) for part in batch)

    def _news(self, live: Implementation) -> Mapping[str, Any] | None:
        """What an implementation says of itself, where that is not what it said last."""
        about = described(live)
        if about == self._told.get(id(live)):
            return None
        self._told[id(live)] = about
        return about

    # ---- answering --------------------------------------------------------------------------
    def answer(self, asked: tuple[str, tuple[Any, ...], dict[str, Any], tuple[int, ...]]) -> Any:
        """Does what is asked."""
        doing, arguments, named, released = asked
        self.release(released)
        if doing.startswith("_") or doing not in type(self).__dict__:
            msg = f"this process cannot {doing!r}"
            raise ValueError(msg)
        return getattr(self, doing)(*arguments, **named)

    def serve(self, source: BinaryIO, target: BinaryIO) -> None:
        """Answers until the line is closed."""
        while True:
            try:
                asked = wire.receive(source, self._kept.__getitem__)
            except wire.Ended:
                return
            try:
                reply = (True, self.answer(asked))
            except (Exception, SystemExit) as error:
                reply = (False, faults.written(error))
            try:
                wire.send(target, reply)
            except TypeError as error:
                wire.send(target, (False, faults.written(_uncrossable(error))))
            del asked, reply


def described(live: Implementation) -> Mapping[str, Any]:
    """What an implementation says of itself without being driven."""
    return {
        "name": live.name,
        "framework": live.framework,
        "version": live.version,
        "needs_data": live.needs_data,
        "trains": live.trains,
        "abilities": live.abilities,
        "dtype": live.dtype,
    }


def _uncrossable(error: TypeError) -> InputError:
    return InputError(
        f"a value cannot be handed over between processes: {error}",
        hint="functions of a side take and return arrays and numbers",
    )


def _line() -> tuple[BinaryIO, BinaryIO]:
    """The line to the other process, taken off stdin and stdout."""
    source, target = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    return source, target


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_LOOK_SECONDS)
    os._exit(1)


def main() -> None:
    """Serves the process that started this one."""
    # Ctrl-C goes to every process of a terminal; the one that was called decides what ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_watch, args=(os.getppid(),), daemon=True).start()
    source, target = _line()
    Worker().serve(source, target)


if __name__ == "__main__":
    main()
