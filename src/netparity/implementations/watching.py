"""Runs a side as its author runs it, and records what happens.

Nothing is probed and no random number is drawn in between: the states are copied, and the
author's own functions are called when the author would call them.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal

import numpy as np

from netparity.errors import InputError
from netparity.implementations.base import Implementation, Reported, Watched
from netparity.implementations.values import as_array, as_arrays, as_number, same_bits

Array = np.ndarray[Any, np.dtype[Any]]
Batches = Callable[[Array, Array, int], Iterable[Any]]
Report = Callable[[Array, Array], Mapping[str, Any]]
Result = Callable[[], Mapping[str, Any]]
Every = Literal["step", "epoch"]


def watch_loop(
    side: Implementation,
    x: Array,
    y: Array,
    *,
    batches: Batches | None,
    report: Report | None,
    report_every: Every,
    result: Result | None,
    epochs: int,
    batch_size: int,
    limit: int,
) -> Watched:
    """Trains ``side`` for some epochs with its own feeding, reporting and hand-over.

    Args:
        side: the implementation, freshly built; it is left as trained.
        x: inputs, ``(N, …)``.
        y: targets, ``(N, …)``.
        batches: ``(x, y, epoch) → (x, y), …``; by default rows in order, the last partial
            batch kept.
        report: called after each update with that batch, or at each epoch's end with all data.
        report_every: which of the two.
        result: called at each epoch's end.
        epochs: how many epochs at most.
        batch_size: of the default feeding.
        limit: how many updates at most; an epoch cut short by it has no end.

    Returns:
        The record. ``results`` holds ``(updates made by then, copies)``, so that
        ``states[updates]`` is the state the result was handed over in. ``aliased`` is true
        where an array handed over earlier moved along with the live parameters during an
        update, false where it did not, and ``None`` where that could not be seen.

    Raises:
        InputError: a batch, report or result that cannot be read.
    """
    states: list[Any] = []
    fed: list[tuple[Array, Array]] = []
    epoch_of: list[int] = []
    reported: list[Reported] = []
    results: list[tuple[int, Mapping[str, Array]]] = []
    notes: list[str] = []
    hand_over = _HandOver(side)
    cut_short = False

    def record(epoch: int, values: Any) -> None:
        if not isinstance(values, Mapping):
            raise InputError(
                f"{side.name}, report: expected {{name: value}}; received {type(values).__name__}"
            )
        for name, value in values.items():
            number = as_number(value, f"{side.name}, report, {name!r}")
            reported.append(Reported(len(fed), epoch, str(name), number))

    for epoch in range(epochs):
        feeding = batches(x, y, epoch) if batches else in_order(x, y, batch_size)
        for batch in feeding:
            if len(fed) >= limit:
                cut_short = True
                break
            batch_x, batch_y = _pair(batch, side.name)
            states.append(side.state())
            fed.append((np.array(batch_x), np.array(batch_y)))
            epoch_of.append(epoch)
            hand_over.before_update()
            side.step(batch_x, batch_y)
            hand_over.after_update()
            if report and report_every == "step":
                record(epoch, report(batch_x, batch_y))
        if cut_short:
            notes.append(f"stopped within epoch {epoch + 1}, after {limit} updates")
            break
        if report and report_every == "epoch":
            record(epoch, report(x, y))
        if result:
            returned = result()
            results.append((len(fed), as_arrays(returned, f"{side.name}, result")))
            hand_over.returned(returned)
    states.append(side.state())
    return Watched(
        states=tuple(states),
        fed=tuple(fed),
        epochs=tuple(epoch_of),
        reported=tuple(reported),
        report_every=report_every,
        results=tuple(results),
        aliased=hand_over.aliased,
        notes=tuple(notes),
    )


def in_order(x: Array, y: Array, batch_size: int) -> Iterable[tuple[Array, Array]]:
    """The rows in order, ``batch_size`` at a time; the last, partial batch is kept.

    Example:
        >>> x = np.arange(5.0)
        >>> [batch.tolist() for batch, _ in in_order(x, x, 2)]
        [[0.0, 1.0], [2.0, 3.0], [4.0]]
    """
    for start in range(0, len(x), batch_size):
        yield x[start : start + batch_size], y[start : start + batch_size]


def _pair(batch: Any, name: str) -> tuple[Array, Array]:
    """The inputs and targets of what an author's ``batches`` yields."""
    items = tuple(batch) if isinstance(batch, (tuple, list)) else ()
    if len(items) == 3 and (items[2] is None or bool(np.all(as_array(items[2]) == 1))):
        items = items[:2]
    if len(items) != 2:
        received = f"{len(items)} values" if items else type(batch).__name__
        raise InputError(
            f"{name}, batches: expected pairs (x, y); received {received}",
            hint="row weights other than one cannot be compared yet" if len(items) == 3 else None,
        )
    return as_array(items[0]), as_array(items[1])


class _HandOver:
    """Whether an array handed over as a result moves with the live parameters.

    Looked at right after the update that follows, before any function of the author runs:
    an array that the author overwrites with a better one is no alias. A value equal to the
    live one is asked for as well, as ``step`` may itself keep a best copy.
    """

    def __init__(self, side: Implementation) -> None:
        self._side = side
        self._raw: list[Array] = []
        self._copies: list[Array] = []
        self._mapping: Mapping[str, Any] = {}
        self._live: list[Array] = []
        self._pending = False
        self.aliased: bool | None = None

    def returned(self, values: Mapping[str, Any]) -> None:
        """Remembers what was handed over, as it is and as a copy."""
        self._mapping = values
        self._raw = [as_array(value) for value in values.values()]
        self._copies = [np.array(array) for array in self._raw]
        self._pending = True

    def before_update(self) -> None:
        """Remembers the live parameters, where the coming update will be judged."""
        if self._pending:
            self._live = list(self._side.parameters().values())

    def after_update(self) -> None:
        """Judges the last hand-over by the update just made."""
        if not self._pending:
            return
        live = list(self._side.parameters().values())
        moved = [
            now
            for before, now in itertools.zip_longest(self._live, live)
            if before is None or now is None or not same_bits(before, now)
        ]
        if not moved:
            return
        self._pending = False
        rebound = [as_array(value) for value in self._mapping.values()]
        follows = any(
            not same_bits(now, copy) and any(same_bits(now, other) for other in live)
            for values in (self._raw, rebound)
            for now, copy in zip(values, self._copies, strict=False)
        )
        self.aliased = bool(self.aliased) or follows
