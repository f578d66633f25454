"""Which row of the data a fed row is, and what was made of it on the way.

A fed row is looked for among the given ones as it is; where it is none of them, as one of them
times a factor, or with a scale and a shift for each column, as scaling and standardizing leave
it. What no such map gives is a row that nobody knows.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]

#: Rounding of a value that was computed in float32, times the factor of ten of every floor.
ULPS: Final = 40.0
UNKNOWN: Final = -1


def flat(x: Array) -> Array:
    """Rows as vectors, in float64."""
    wide = np.asarray(x, dtype=np.float64)
    return wide.reshape(len(wide), -1)


def roundoff(*arrays: Array) -> float:
    """The rounding of the coarsest of these; whole numbers are exact."""
    kinds = [np.asarray(a).dtype for a in arrays]
    return max(float(np.finfo(k).eps) if k.kind == "f" else 2.0**-52 for k in kinds)


def find(x: Array, fed: Array) -> Array:
    """The number of the row that each fed row is; the first of equal rows; −1 for none.

    Args:
        x: the data, ``(N, …)``.
        fed: rows, ``(M, …)``.
    """
    if flat(x[:1]).shape != flat(fed[:1]).shape:
        return np.full(len(fed), UNKNOWN)
    for axes in _turns(x, fed):
        rows = find(np.ascontiguousarray(np.transpose(x, (0, *axes))), fed)
        if np.all(rows != UNKNOWN):
            return rows
    known = _hashes(x)
    rows = np.array([known.get(row.tobytes(), UNKNOWN) for row in _narrow(fed)], dtype=int)
    if len(rows) and np.all(rows == UNKNOWN):
        for scale, shift in _maps(flat(x), flat(fed)):
            mapped = _nearest(flat(x) * scale + shift, flat(fed), roundoff(x, fed))
            if np.all(mapped != UNKNOWN):
                return np.array([known[row.tobytes()] for row in _narrow(x)])[mapped]
    return rows


def _turns(x: Array, fed: Array) -> Iterator[tuple[int, ...]]:
    """The orders of x's axes that give the shape of what is fed, where it is not x's own."""
    if fed.shape[1:] == x.shape[1:] or x.ndim < 3:
        return
    for axes in itertools.permutations(range(1, x.ndim)):
        if tuple(x.shape[a] for a in axes) == fed.shape[1:]:
            yield axes


def turn(x: Array, other: Array) -> tuple[int, ...] | None:
    """How the axes of ``x`` must be turned to be those of ``other``; ``None`` where not at all.

    Of several orders that fit the shapes the one is taken in which the values fit best.
    """
    if x.shape == other.shape or x.ndim < 3 or len(x) != len(other):
        return None
    fits = [(0, *axes) for axes in _turns(x, other)]

    def residual(axes: tuple[int, ...]) -> float:
        found = map_between(np.transpose(x, axes), other)
        return float("inf") if found is None else found.residual

    return min(fits, key=residual, default=None)


def _narrow(x: Array) -> Array:
    return np.ascontiguousarray(np.asarray(x, dtype=np.float32).reshape(len(x), -1))


_INDEX: dict[int, tuple[Array, dict[bytes, int]]] = {}


def _hashes(x: Array) -> dict[bytes, int]:
    """Row → its number; kept for the data of the last call, which is asked for batch by batch."""
    cached = _INDEX.get(id(x))
    if cached is not None and cached[0] is x:
        return cached[1]
    known: dict[bytes, int] = {}
    for number, row in enumerate(_narrow(x)):
        known.setdefault(row.tobytes(), number)
    _INDEX.clear()
    _INDEX[id(x)] = (x, known)
    return known


def _maps(x: Array, fed: Array) -> Iterator[tuple[Array, Array]]:
    """Scales and shifts of the columns that may have made the fed rows of the given ones."""
    largest = float(np.max(np.abs(x), initial=0.0))
    if largest > 0:
        scale = float(np.max(np.abs(fed), initial=0.0)) / largest
        for sign in (1.0, -1.0):
            yield np.asarray(sign * scale), np.asarray(0.0)
    ranges = []
    for a in (x, fed):
        ranges.append((a.min(), a.max()))
    (low, high), (fed_low, fed_high) = ranges
    if high > low:
        scale = (fed_high - fed_low) / (high - low)
        yield np.asarray(scale), np.asarray(fed_low - scale * low)
    spread = x.max(axis=0) - x.min(axis=0)
    moving = spread > 0
    scales = np.where(moving, (fed.max(axis=0) - fed.min(axis=0)) / np.where(moving, spread, 1), 1)
    yield scales, fed.min(axis=0) - scales * x.min(axis=0)
    if len(fed) >= 2:
        start = x[: len(fed)]
        yield columns(start, fed[: len(start)])


def columns(x: Array, other: Array) -> tuple[Array, Array]:
    """Scale and shift of each column in the least squares ``other = scale · x + shift``."""
    middle, goal = x.mean(axis=0), other.mean(axis=0)
    squares = np.sum(np.square(x - middle), axis=0)
    moving = squares > 0
    products = np.sum((x - middle) * (other - goal), axis=0)
    scales = np.where(moving, products / np.where(moving, squares, 1.0), 1.0)
    return scales, goal - scales * middle


def _nearest(known: Array, fed: Array, eps: float) -> Array:
    """The number of the known row that each fed row equals up to rounding; −1 for none."""
    direction = np.random.default_rng(0).standard_normal(known.shape[1])
    places = known @ direction
    order = np.argsort(places, kind="stable")
    near = np.searchsorted(places[order], fed @ direction)
    scale = float(np.max(np.abs(known), initial=0.0))
    found = np.full(len(fed), UNKNOWN)
    for step in (-1, 0, 1):
        rows = order[np.clip(near + step, 0, len(known) - 1)]
        close = np.max(np.abs(known[rows] - fed), axis=1, initial=0.0) <= ULPS * eps * scale
        found = np.where((found == UNKNOWN) & close, rows, found)
    return found


@dataclass(frozen=True, slots=True)
class Map:
    """How one side's rows are made of the other's: ``right = scale · left + shift``.

    Attributes:
        scale: by column; shift: by column.
        residual: the largest deviation over the largest term.
        floor: what rounding alone may leave of it.
        scale_floor: by column, what rounding may change of the scale, relative to it: more where
            the values lie far from zero for their spread.
        shift_floor: by column, of the shift.
    """

    scale: Array
    shift: Array
    residual: float
    floor: float
    scale_floor: Array
    shift_floor: Array

    @property
    def holds(self) -> bool:
        """Whether the rows are so made, up to rounding."""
        return self.residual <= self.floor

    @property
    def factor(self) -> float | None:
        """The one factor of all columns, where there is one and no shift differs."""
        best = int(np.argmin(self.scale_floor))
        scale, shift = float(self.scale[best]), float(self.shift[best])
        slack = (self.scale_floor + self.scale_floor[best]) * abs(scale)
        same = np.all(np.abs(self.scale - scale) <= slack)
        level = np.all(np.abs(self.shift - shift) <= self.shift_floor + self.shift_floor[best])
        return scale if same and level else None

    @property
    def level(self) -> float:
        """The one shift of all columns; 0 where rounding alone can have made it."""
        best = int(np.argmin(self.shift_floor))
        shift = float(self.shift[best])
        return shift if abs(shift) > self.shift_floor[best] else 0.0


def map_between(left: Array, right: Array) -> Map | None:
    """The map between the same rows as two sides feed them; ``None`` where widths differ."""
    a, b = flat(left), flat(right)
    if a.shape != b.shape or len(a) < 2:
        return None
    scale, shift = columns(a, b)
    still = np.ptp(a, axis=0) == 0
    if not np.all(still):
        # A column that never changes says nothing: it follows the others where it can.
        typical, common = float(np.median(scale[~still])), float(np.median(shift[~still]))
        largest = np.max(np.abs(b), initial=0.0) + abs(common)
        follows = still & (np.abs(a[0] * typical + common - b[0]) <= 1e-6 * largest)
        scale, shift = np.where(follows, typical, scale), np.where(follows, common, shift)
    unit = ULPS * roundoff(left, right)
    sizes = [np.max(np.abs(v), axis=0) for v in (a, b)]
    far = sum(
        size / np.where(spread > 0, spread, np.inf)
        for size, spread in zip(sizes, (np.ptp(a, axis=0), np.ptp(b, axis=0)), strict=True)
    )
    scale_floor = unit * np.where(still, np.inf, far)
    with np.errstate(invalid="ignore"):
        moved = np.where(still, np.inf, np.abs(scale) * scale_floor * sizes[0])
    terms = max(float(np.max(t, initial=0.0)) for t in (*sizes[1:], np.abs(scale) * sizes[0]))
    apart = float(np.max(np.abs(a * scale + shift - b), initial=0.0)) / (terms or 1.0)
    return Map(scale, shift, apart, unit, scale_floor, moved + unit * sizes[1])
