"""The learning rate of a TensorFlow 1 graph: what it depends on, and what is fed in its place."""

from __future__ import annotations

from typing import Any

import numpy as np

from netparity.errors import InputError
from netparity.implementations.author import Author
from netparity.implementations.rates import Called, Rates
from netparity.implementations.tensorflow_session import LiveGraph
from netparity.implementations.tensorflow_walk import ancestors, unwrapped
from netparity.nn import Schedule

#: The argument of an update op that is its learning rate.
_ARGUMENTS = ("lr", "alpha")


class GraphRates(Rates):
    """The rate that the graph works out from its step counter, or one fed in its place.

    Args:
        live: the graph.
        author: who may have given a schedule.

    Raises:
        InputError: a schedule was given, and no update op has a rate of its own.
    """

    def __init__(self, live: LiveGraph, author: Author) -> None:
        self._live = live
        self._tensor = _rate(live)
        if author.schedule is not None and self._tensor is None:
            raise InputError(
                f"{author.name}, schedule: expected a train_op with one learning rate; found none",
                hint="with a placeholder as rate, train_step can feed it",
            )
        self._counter = None if self._tensor is None else _counter(live, self._tensor)
        self._inside = author.schedule is None and self._counter is not None
        schedule = self._worked_out if self._inside else author.schedule
        super().__init__(schedule, author.schedule_every, self._now, self._feed, author.name)
        if author.schedule is not None:
            self._feed(self.own(0))

    def _now(self) -> float:
        return 0.0 if self._tensor is None else self._live.constant(self._tensor)

    def _feed(self, rate: float) -> None:
        if self._tensor is not None:
            self._live.overrides[self._tensor] = self._live.cast(np.asarray(rate), self._tensor)

    def _worked_out(self, step: int) -> float:
        """The rate at a value of the step counter, by feeding what reads it."""
        live, counter = self._live, self._counter
        feed = live.base_feed(None, None, True)
        for read in _reads(live, counter):
            feed[read] = np.asarray(step, read.dtype.as_numpy_dtype)
        return float(live.session.run(self._tensor, feed))

    def before_step(self) -> None:
        """Sets a rate only in place of the graph's own."""
        if self._inside:
            self.count = int(self._live.read({"step": self._counter})["step"])
        if self.adjusted or not self._inside:
            super().before_step()

    @property
    def authored(self) -> Schedule | None:
        """The schedule as it was given, or as the graph works it out."""
        return Called(self._worked_out) if self._inside else super().authored

    def _back(self, rate: float) -> None:
        self._live.overrides.pop(self._tensor, None)


def _rate(live: LiveGraph) -> Any | None:
    """The tensor that all update ops read as their rate, if there is one."""
    found = {}
    for applied in live.applied.values():
        for name in _ARGUMENTS:
            if name in applied.arguments:
                tensor = unwrapped(applied.arguments[name])
                found[tensor.name] = applied.arguments[name]
    return next(iter(found.values())) if len(found) == 1 else None


def _counter(live: LiveGraph, tensor: Any) -> Any | None:
    """The one integer variable that a rate depends on, or ``None``."""
    behind = ancestors([tensor])
    held = [
        variable
        for variable in live.variables.values()
        if getattr(variable, "handle", variable).op.name in behind
    ]
    return held[0] if len(held) == 1 and held[0].dtype.base_dtype.is_integer else None


def _reads(live: LiveGraph, variable: Any) -> list[Any]:
    """The tensors by which a graph reads a variable."""
    handle = getattr(variable, "handle", None)
    if handle is None:
        return [variable.op.outputs[0]]
    return [op.outputs[0] for op in handle.consumers() if op.type == "ReadVariableOp"]
