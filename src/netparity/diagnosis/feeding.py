"""Watches how a side feeds its data: which rows, in which portions, in which order."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from netparity.conventions import Feeding
from netparity.diagnosis import matching
from netparity.diagnosis.noise import Measure
from netparity.diagnosis.twin import Array
from netparity.implementations.base import Implementation

EPOCHS: Final = 2
#: An endless generator is cut here; two epochs of ordinary data are far shorter.
MAXIMUM_BATCHES: Final = 5_000
#: More epochs than two are watched only as far as they hold no more rows than this.
MAXIMUM_ROWS: Final = 200_000
#: Inputs, targets, and how much each row counts (``None``: all alike).
Batch = tuple[Array, Array, Array | None]


@dataclass(frozen=True, slots=True)
class Fed:
    """What a side fed: batches, row numbers (−1: not a row of the data), and their epochs.

    Attributes:
        batches: in their order.
        rows: which row of the data each of their rows is.
        epochs: the epoch of each batch.
        feeding: portions, order and remainder in a few words.
        own: whether the side feeds itself.
        total: the rows of the data.
        ended: whether the side stopped feeding before it was stopped.
    """

    batches: tuple[Batch, ...]
    rows: tuple[Array, ...]
    epochs: tuple[int, ...]
    feeding: Feeding
    own: bool
    total: int
    ended: bool = False

    @property
    def known(self) -> bool:
        """Whether every row fed is a row of the data, as it is or mapped."""
        return all(np.all(r >= 0) for r in self.rows)

    def sequences(self) -> list[Array]:
        """The row numbers of each epoch, one after another."""
        return [
            np.concatenate([r for r, e in zip(self.rows, self.epochs, strict=True) if e == epoch])
            for epoch in dict.fromkeys(self.epochs)
        ]

    @property
    def whole(self) -> bool:
        """Whether it feeds all its rows at once."""
        return self.epochs.count(0) == 1 and self.feeding.partial != "dropped"

    @property
    def used(self) -> frozenset[int]:
        """The rows it trains on; all of them where chance or a dropped remainder hides some."""
        if self.feeding.partial == "dropped" or self.feeding.order == "replacement":
            return frozenset(range(self.total))
        return frozenset(int(r) for r in np.concatenate([*self.rows, np.zeros(0, int)]))


def watch(
    live: Implementation, x: Array, y: Array, batch_size: int, *, epochs: int = EPOCHS
) -> Fed:
    """Runs a side's own feeding for some epochs; in order by default."""
    own = "batches" in live.abilities
    batches: list[Batch] = []
    of: list[int] = []
    ended = False
    for epoch in range(epochs):
        before = len(batches)
        source = _weighed(live, x, y, epoch) if own else _plain(x, y, batch_size)
        for batch in itertools.islice(source, MAXIMUM_BATCHES):
            batches.append(batch)
            of.append(epoch)
        if len(batches) == before:
            ended = True
            break
    rows = tuple(_rows(x, batches))
    description = describe(rows, of, matching.find(x, x), held=_held(live, x, y))
    return Fed(tuple(batches), rows, tuple(of), description, own, len(x), ended)


def epochs_for(steps: int, *sides: Fed) -> int:
    """As many epochs as each side needs for ``steps`` batches, were it not to stop before."""
    longest = 1
    for side in sides:
        first = max(1, side.epochs.count(0))
        longest = max(longest, -(-steps // first))
    rows = max(side.total for side in sides)
    return min(max(EPOCHS, longest), max(EPOCHS, MAXIMUM_ROWS // max(1, rows)))


def _weighed(live: Implementation, x: Array, y: Array, epoch: int) -> Iterator[Batch]:
    for xb, yb, weights in live.weighted_batches(x, y, epoch):
        counts = weights is not None and not bool(np.all(np.asarray(weights) == 1))
        yield np.array(xb), np.array(yb), np.array(weights) if counts else None


def _plain(x: Array, y: Array, batch_size: int) -> Iterator[Batch]:
    for xb, yb in in_order(x, y, batch_size):
        yield np.array(xb), np.array(yb), None


def in_order(x: Array, y: Array, batch_size: int) -> list[tuple[Array, Array]]:
    """The default: rows in order, the last partial batch kept, all rows where there are fewer."""
    starts = range(0, len(x), batch_size)
    return [(x[s : s + batch_size], y[s : s + batch_size]) for s in starts]


def _rows(x: Array, batches: Sequence[Batch]) -> Iterator[Array]:
    """Row numbers, batch by batch; a map is looked for over all of them at once."""
    if not batches:
        return
    shapes = {b[0].shape[1:] for b in batches}
    if len(shapes) > 1:
        yield from (np.full(len(b[0]), matching.UNKNOWN) for b in batches)
        return
    found = matching.find(x, np.concatenate([b[0] for b in batches]))
    start = 0
    for xb, _, _ in batches:
        yield found[start : start + len(xb)]
        start += len(xb)


def _held(live: Implementation, x: Array, y: Array) -> int:
    """How many rows a side says it holds out."""
    if "validation" not in live.abilities:
        return 0
    saved = live.state()
    try:
        return len(live.validation(x, y)[0])
    except Exception:
        return 0  # the reporting stage says so
    finally:
        live.restore(saved)


def describe(
    rows: Sequence[Array], epochs: Sequence[int], natural: Array, *, held: int = 0
) -> Feeding:
    """Batch size, order and the fate of the last partial batch.

    Args:
        rows: the row numbers of each batch; equal rows of the data carry the first's number.
        epochs: the epoch of each batch.
        natural: the row numbers of the data itself, in its own order.
        held: how many of its rows are held out.
    """
    n = len(natural) - held
    sizes = [len(r) for r in rows]
    size = max(sizes, default=0)
    first = [r for r, e in zip(rows, epochs, strict=True) if e == 0]
    flat = np.concatenate(first) if first else np.zeros(0, dtype=int)
    counts = Counter(flat[flat >= 0].tolist())
    present = Counter(natural.tolist())
    if any(count > present[row] for row, count in counts.items()):
        order = "replacement"
    elif np.array_equal(flat, natural[: len(flat)]) or np.all(np.diff(flat) > 0):
        order = "sequential"
    else:
        order = "shuffled"
    partial = "none"
    short = [len(r) for r in first if len(r) < size]
    if short:
        partial = "kept"
    elif size and n - len(flat) == n % size and n % size and _cut(rows, epochs, natural, flat):
        partial = "dropped"
    return Feeding(size, order, partial)  # type: ignore[arg-type]


def _cut(rows: Sequence[Array], epochs: Sequence[int], natural: Array, first: Array) -> bool:
    """Whether rows are missing because an epoch is cut short: the last, or others each time."""
    if set(first.tolist()) == set(natural[: len(first)].tolist()):
        return True
    later = [r for r, e in zip(rows, epochs, strict=True) if e == 1]
    return not later or set(np.concatenate(later).tolist()) != set(first.tolist())


def compare(left: Fed, right: Fed) -> Measure:
    """The share of fed rows that differ in what they hold; 0 where both fed alike."""
    return apart(left.batches, right.batches)


def apart(left: Sequence[Batch], right: Sequence[Batch]) -> Measure:
    """The share of fed rows that differ in inputs, targets or weights."""
    total = wrong = 0
    for a, b in itertools.zip_longest(left, right):
        rows = max(len(batch[0]) for batch in (a, b) if batch is not None)
        total += rows
        if a is None or b is None or len(a[0]) != len(b[0]):
            wrong += rows
        else:
            wrong += int(np.sum(~_equal_rows(a, b)))
    return Measure("batches", wrong / total if total else 0.0, 0.0)


def _equal_rows(a: Batch, b: Batch) -> Array:
    same = same_values(*alike_inputs(a[0], b[0])) & same_values(*alike_targets(a[1], b[1]))
    if a[2] is not None or b[2] is not None:
        ones = np.ones(len(a[0]))
        same &= same_values(a[2] if a[2] is not None else ones, b[2] if b[2] is not None else ones)
    return same


def same_values(a: Array, b: Array) -> Array:
    """Row by row, whether two arrays hold the same up to the rounding of the coarser."""
    if a.shape[1:] != b.shape[1:]:
        return np.zeros(len(a), dtype=bool)
    one, two = matching.flat(a), matching.flat(b)
    largest = np.maximum(np.abs(one), np.abs(two))
    close = np.abs(one - two) <= matching.ULPS * matching.roundoff(a, b) * largest
    return np.asarray((close | (one == two)).all(axis=1))


def alike_inputs(a: Array, b: Array) -> tuple[Array, Array]:
    """Inputs with their axes in one order, where that makes them the same."""
    if a.shape == b.shape or sorted(a.shape[1:]) != sorted(b.shape[1:]):
        return a, b
    for axes in itertools.permutations(range(1, b.ndim)):
        turned = np.transpose(b, (0, *axes))
        if turned.shape == a.shape and np.all(same_values(a, turned)):
            return a, turned
    return a, b


def alike_targets(a: Array, b: Array) -> tuple[Array, Array]:
    """Targets in one form: whole numbers for one-hot rows, (N,) for (N, 1)."""
    if a.shape == b.shape:
        return a, b
    return _classes(a), _classes(b)


def _classes(y: Array) -> Array:
    wide = matching.flat(y)
    if wide.shape[1] == 1:
        return wide.reshape(-1)
    hot = np.all((wide == 0) | (wide == 1)) and np.all(wide.sum(axis=1) == 1)
    return wide.argmax(axis=1).astype(np.float64) if hot else np.asarray(y)
