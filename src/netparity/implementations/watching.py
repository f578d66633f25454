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
    sample_weight: Array | None = None,
) -> Watched:
    """Trains ``side`` for some epochs with its own feeding, reporting and hand-over.

    Args:
        side: the implementation, freshly built; it is left as trained.
        x: inputs, ``(N, …)``.
        y: targets, ``(N, …)``.
        batches: ``(x, y, epoch) → (x, y), …`` or ``(x, y, weights), …``; by default rows in
            order, the last partial batch kept.
        report: called after each update with that batch, or at each epoch's end with all data.
        report_every: which of the two.
        result: called at each epoch's end.
        epochs: how many epochs at most.
        batch_size: of the default feeding.
        limit: how many updates at most; an epoch cut short by it has no end.
        sample_weight: how much each row counts, in the default feeding.

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
    weights: list[Array | None] = []
    default = weighted_in_order(x, y, sample_weight, batch_size, side.name)
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
        feeding = batches(x, y, epoch) if batches else default
        for batch in feeding:
            if len(fed) >= limit:
                cut_short = True
                break
            batch_x, batch_y, batch_weights = read_batch(batch, side.name)
            states.append(side.state())
            fed.append((np.array(batch_x), np.array(batch_y)))
            weights.append(None if batch_weights is None else np.array(batch_weights))
            epoch_of.append(epoch)
            hand_over.before_update()
            side.step(batch_x, batch_y, weights=batch_weights)
            hand_over.after_update()
            if report and report_every == "step":
                record(epoch, report(batch_x, batch_y))
        if cut_short:
            notes.append(f"stopped within epoch {epoch + 1}, after {limit} updates")
            break
        side.end_epoch()
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
        weights=tuple(weights),
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


def weighted_in_order(
    x: Array, y: Array, sample_weight: Array | None, batch_size: int, name: str
) -> list[tuple[Array, Array, Array | None]]:
    """The rows in order, as ``in_order`` has them, each batch with the weights of its rows.

    Raises:
        InputError: there are more or fewer weights than rows.
    """
    pairs = in_order(x, y, batch_size)
    if sample_weight is None:
        return [(batch_x, batch_y, None) for batch_x, batch_y in pairs]
    if len(sample_weight) != len(x):
        raise InputError(
            f"{name}, sample_weight: expected {len(x)} weights; received {len(sample_weight)}"
        )
    parts = in_order(sample_weight, sample_weight, batch_size)
    return [(*pair, part) for pair, (part, _) in zip(pairs, parts, strict=True)]


def read_batch(batch: Any, name: str) -> tuple[Array, Array, Array | None]:
    """Inputs, targets and weights (or ``None``) of what an author's ``batches`` yields.

    Raises:
        InputError: it is neither ``(x, y)`` nor ``(x, y, weights)``.
    """
    items = tuple(batch) if isinstance(batch, (tuple, list)) else ()
    if len(items) not in (2, 3):
        received = f"{len(items)} values" if items else type(batch).__name__
        raise InputError(
            f"{name}, batches: expected pairs (x, y), or (x, y, weights); received {received}"
        )
    x, y = as_array(items[0]), as_array(items[1])
    if len(items) == 2 or items[2] is None:
        return x, y, None
    weights = checked_weights(f"{name}, batches", items[2])
    if len(weights) != len(x):
        raise InputError(f"{name}, batches: expected {len(x)} weights; received {len(weights)}")
    return x, y, None if bool(np.all(weights == 1)) else weights


def checked_weights(where: str, weights: Any) -> Array:
    """Weights of rows as an array ``(N,)`` of finite numbers of at least 0."""
    array = as_array(weights)
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    usable = array.ndim == 1 and array.dtype.kind in "fiub"
    if not usable or not bool(np.all(np.isfinite(array) & (array >= 0))):
        raise InputError(
            f"{where}: expected one finite number of at least 0 for each row; received "
            f"{array.dtype} of shape {array.shape}"
        )
    return np.asarray(array, dtype=np.float64)


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
