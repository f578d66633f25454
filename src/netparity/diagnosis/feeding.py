"""Watches how a side feeds its data: which rows, in which portions, in which order."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from netparity.conventions import Feeding
from netparity.diagnosis.noise import Measure
from netparity.diagnosis.twin import Array
from netparity.implementations.base import Implementation

EPOCHS: Final = 2
#: An endless generator is cut here; two epochs of ordinary data are far shorter.
MAXIMUM_BATCHES: Final = 5_000


@dataclass(frozen=True, slots=True)
class Fed:
    """What a side fed: batches, row numbers (−1: not a row of the data), and their epochs."""

    batches: tuple[tuple[Array, Array], ...]
    rows: tuple[Array, ...]
    epochs: tuple[int, ...]
    feeding: Feeding
    own: bool


def watch(live: Implementation, x: Array, y: Array, batch_size: int) -> Fed:
    """Runs a side's own feeding for two epochs; in order by default."""
    own = "batches" in live.abilities
    batches: list[tuple[Array, Array]] = []
    epochs: list[int] = []
    for epoch in range(EPOCHS):
        source = live.batches(x, y, epoch) if own else in_order(x, y, batch_size)
        for xb, yb in itertools.islice(source, MAXIMUM_BATCHES):
            batches.append((np.array(xb), np.array(yb)))
            epochs.append(epoch)
    rows = tuple(_rows(x, xb) for xb, _ in batches)
    return Fed(tuple(batches), rows, tuple(epochs), describe(rows, epochs, _rows(x, x)), own)


def in_order(x: Array, y: Array, batch_size: int) -> list[tuple[Array, Array]]:
    """The default: rows in order, the last partial batch kept, all rows where there are fewer."""
    starts = range(0, len(x), batch_size)
    return [(x[s : s + batch_size], y[s : s + batch_size]) for s in starts]


def _rows(x: Array, batch: Array) -> Array:
    known = _index(x)
    flat = np.ascontiguousarray(np.asarray(batch, dtype=np.float32).reshape(len(batch), -1))
    return np.array([known.get(row.tobytes(), -1) for row in flat])


_INDEX: dict[int, tuple[Array, dict[bytes, int]]] = {}


def _index(x: Array) -> dict[bytes, int]:
    cached = _INDEX.get(id(x))
    if cached is not None and cached[0] is x:
        return cached[1]
    flat = np.ascontiguousarray(np.asarray(x, dtype=np.float32).reshape(len(x), -1))
    known: dict[bytes, int] = {}
    for number, row in enumerate(flat):
        known.setdefault(row.tobytes(), number)
    _INDEX.clear()
    _INDEX[id(x)] = (x, known)
    return known


def describe(rows: Sequence[Array], epochs: Sequence[int], natural: Array) -> Feeding:
    """Batch size, order and the fate of the last partial batch.

    Args:
        rows: the row numbers of each batch; equal rows of the data carry the first's number.
        epochs: the epoch of each batch.
        natural: the row numbers of the data itself, in its own order.
    """
    n = len(natural)
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
    if size and n % size:
        partial = "kept" if any(s == n % size for s in sizes) else "dropped"
    return Feeding(size, order, partial)  # type: ignore[arg-type]


def compare(left: Fed, right: Fed) -> Measure:
    """The share of fed rows that differ, over two epochs; 0 where both fed alike."""
    pairs = list(itertools.zip_longest(left.rows, right.rows))
    total = sum(
        max(len(a) if a is not None else 0, len(b) if b is not None else 0) for a, b in pairs
    )
    wrong = 0
    for a, b in pairs:
        if a is None or b is None or len(a) != len(b):
            wrong += max(len(a) if a is not None else 0, len(b) if b is not None else 0)
        else:
            wrong += int(np.sum((a != b) | (a < 0)))
    for (_, y), (_, z), a, b in zip(
        left.batches, right.batches, left.rows, right.rows, strict=False
    ):
        if len(a) == len(b) and y.shape == z.shape:
            same = (a == b) & (a >= 0)
            other = (y != z).reshape(len(y), -1).any(axis=1)
            wrong += int(np.sum(same & other))
    unknown = any(np.any(r < 0) for r in (*left.rows, *right.rows))
    if unknown and len(left.batches) == len(right.batches):
        same = all(
            a[0].shape == b[0].shape and np.array_equal(a[0], b[0])
            for a, b in zip(left.batches, right.batches, strict=True)
        )
        wrong = 0 if same else max(wrong, 1)
    return Measure("batches", wrong / total if total else 0.0, 0.0)
