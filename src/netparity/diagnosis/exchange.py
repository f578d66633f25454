"""Takes apart what two sides feed, and puts it together again with parts of either.

So one difference can be removed without the others: right's rows in left's order, right's order
in left's portions.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from netparity.diagnosis.feeding import (
    Batch,
    Fed,
    alike_inputs,
    alike_targets,
    same_values,
)
from netparity.diagnosis.twin import Array

#: What can be taken from either side: what the rows hold, which there are, and how they come.
PARTS: Final = ("inputs", "targets", "weights", "rows", "order", "size", "partial", "epochs")


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
            for portion in _portions(rows, self._size(of("size"), rows), of("partial")):
                values = [self._values(row, of) for row in portion]
                batches.append(_batch(values))
        return batches[: len(lasting.batches)] if lasting.ended else batches

    def _size(self, side: Fed, rows: Sequence[_Row]) -> int:
        """The rows of a batch; all of them where a side has no more, and the other another size."""
        sizes = {fed.feeding.batch_size for fed in (self.left, self.right)}
        whole = side.whole and len(sizes) > 1
        return max(1, len(rows) if whole else side.feeding.batch_size)

    def _orders(self, order: Fed, kept: Fed, count: int) -> list[list[_Row]]:
        sequences = _sequences(order)
        other = self.left if order is self.right else self.right
        theirs = _sequences(other)
        table = self._tables[id(other)] | self._tables[id(order)]
        result = []
        for epoch in range(count):
            sequence = sequences[epoch] if epoch < len(sequences) else sequences[-1]
            rows = [row for row in sequence if row.number in kept.used or row.number < 0]
            if order.feeding.order != "replacement" and order.known:
                present = {row.number for row in rows}
                # Where a side drops rows, only the other shows in which order they would come.
                come = [row.number for row in theirs[epoch]] if epoch < len(theirs) else []
                missing = kept.used - present
                shown = [n for n in dict.fromkeys(come) if n in missing]
                hidden = sorted(missing.difference(shown))
                rows += [table[n] for n in (*shown, *hidden) if n in table]
                if order.feeding.order == "sequential":
                    rows.sort(key=lambda row: row.number)
            result.append(rows)
        return result

    def _values(self, row: _Row, of: Callable[[str], Fed]) -> _Row:
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


def _portions(rows: Sequence[_Row], size: int, partial: Fed) -> Iterable[Sequence[_Row]]:
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
