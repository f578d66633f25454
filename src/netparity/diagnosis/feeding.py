"""Watches how a side feeds its data: which rows, in which portions, in which order.

What two sides feed is taken apart into parts (``PARTS``), each of which can be taken from
either, and put together again: so that one difference can be removed without the others.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

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
#: What can be taken from either side: what the rows hold, which there are, and how they come.
PARTS: Final = ("inputs", "targets", "weights", "rows", "order", "size", "partial", "epochs")

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
    for batch in getattr(live, "weighted_batches", live.batches)(x, y, epoch):
        weights = batch[2] if len(batch) > 2 else None
        counts = weights is not None and not bool(np.all(np.asarray(weights) == 1))
        yield np.array(batch[0]), np.array(batch[1]), np.array(weights) if counts else None


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


# ---- taking apart and putting together --------------------------------------------------------
@dataclass(frozen=True, slots=True)
class _Row:
    number: int
    x: Array
    y: Array
    weight: float


class Exchange:
    """What two sides feed, and what right would feed with some parts taken from left.

    Args:
        left: as watched.
        right: as watched.
    """

    def __init__(self, left: Fed, right: Fed) -> None:
        self.left, self.right = left, right
        self._tables = {id(side): _table(side) for side in (left, right)}

    def shared(self) -> tuple[Batch, Batch]:
        """The rows that both feed, as each feeds them."""
        a, b = (self._tables[id(side)] for side in (self.left, self.right))
        rows = [n for n in a if n in b and n >= 0]
        return _batch([a[n] for n in rows]), _batch([b[n] for n in rows])

    def put_together(self, taken: Collection[str]) -> list[Batch]:
        """The batches with these parts as left has them and the rest as right has them."""
        if set(taken) >= set(PARTS):
            return list(self.left.batches)
        if not taken:
            return list(self.right.batches)

        def of(part: str) -> Fed:
            return self.left if part in taken else self.right

        batches: list[Batch] = []
        lasting = of("epochs")
        count = len(set(lasting.epochs))
        orders = self._orders(of("order"), of("rows"), count)
        for epoch in range(count):
            rows = orders[epoch]
            for portion in _portions(rows, of("size"), of("partial")):
                values = [self._values(row, of) for row in portion]
                batches.append(_batch(values))
        return batches[: len(lasting.batches)] if lasting.ended else batches

    def _orders(self, order: Fed, kept: Fed, count: int) -> list[list[_Row]]:
        sequences = _sequences(order)
        other = self.left if order is self.right else self.right
        table = self._tables[id(other)] | self._tables[id(order)]
        result = []
        for epoch in range(count):
            sequence = sequences[epoch] if epoch < len(sequences) else sequences[-1]
            rows = [row for row in sequence if row.number in kept.used or row.number < 0]
            if order.feeding.order != "replacement" and order.known:
                present = {row.number for row in rows}
                missing = [n for n in sorted(kept.used - present) if n in table]
                rows += [table[n] for n in missing]
                if order.feeding.order == "sequential":
                    rows.sort(key=lambda row: row.number)
            result.append(rows)
        return result

    def _values(self, row: _Row, of: Any) -> _Row:
        def other(part: str) -> _Row:
            return self._tables[id(of(part))].get(row.number, row)

        return _Row(row.number, other("inputs").x, other("targets").y, other("weights").weight)


def _sequences(fed: Fed) -> list[list[_Row]]:
    result: dict[int, list[_Row]] = {}
    for batch, rows, epoch in zip(fed.batches, fed.rows, fed.epochs, strict=True):
        result.setdefault(epoch, []).extend(_singles(batch, rows))
    return list(result.values())


def _singles(batch: Batch, rows: Array) -> Iterator[_Row]:
    x, y, weights = batch
    for index, number in enumerate(rows):
        yield _Row(int(number), x[index], y[index], 1.0 if weights is None else weights[index])


def _table(fed: Fed) -> dict[int, _Row]:
    """What a side makes of each row of the data, as far as it feeds it."""
    table: dict[int, _Row] = {}
    for batch, rows in zip(fed.batches, fed.rows, strict=True):
        for row in _singles(batch, rows):
            table.setdefault(row.number, row)
    return table


def _portions(rows: Sequence[_Row], sizes: Fed, partial: Fed) -> Iterable[Sequence[_Row]]:
    size = len(rows) if sizes.whole else max(1, sizes.feeding.batch_size)
    for start in range(0, len(rows), size):
        portion = rows[start : start + size]
        if len(portion) == size or partial.feeding.partial != "dropped":
            yield portion


def _batch(rows: Sequence[_Row]) -> Batch:
    if not rows:
        return np.zeros((0, 0)), np.zeros(0), None
    weights = np.array([row.weight for row in rows])
    return (
        np.stack([row.x for row in rows]),
        np.stack([row.y for row in rows]),
        None if np.all(weights == 1) else weights,
    )


def differing(exchange: Exchange) -> tuple[str, ...]:
    """The parts in which the two sides differ, each looked at by itself."""
    left, right = exchange.left, exchange.right
    found = []
    one, two = exchange.shared()
    if len(one[0]):
        found += [part for part, same in _values_alike(one, two).items() if not same]
    if left.used != right.used:
        found.append("rows")
    if not _same_order(left, right):
        found.append("order")
    whole = left.whole and right.whole
    if left.feeding.batch_size != right.feeding.batch_size and not whole:
        found.append("size")
    if "dropped" in {left.feeding.partial, right.feeding.partial} and (
        left.feeding.partial != right.feeding.partial
    ):
        found.append("partial")
    if len(set(left.epochs)) != len(set(right.epochs)):
        found.append("epochs")
    return tuple(found)


def _values_alike(one: Batch, two: Batch) -> dict[str, bool]:
    ones = np.ones(len(one[0]))
    weights = [w if w is not None else ones for w in (one[2], two[2])]
    return {
        "inputs": bool(np.all(same_values(*alike_inputs(one[0], two[0])))),
        "targets": bool(np.all(same_values(*alike_targets(one[1], two[1])))),
        "weights": bool(np.all(same_values(weights[0], weights[1]))),
    }


def _same_order(left: Fed, right: Fed) -> bool:
    """Whether the rows both feed come in the same order, epoch by epoch."""
    both = np.array(sorted(left.used & right.used))
    for a, b in zip(left.sequences(), right.sequences(), strict=False):
        one, two = (s[np.isin(s, both)] for s in (a, b))
        shared = min(len(one), len(two))
        if not np.array_equal(one[:shared], two[:shared]):
            return False
        if "replacement" in {left.feeding.order, right.feeding.order} and len(one) != len(two):
            return left.feeding.order == right.feeding.order
    return True
