"""Penalties read from loss values alone, apart from any data loss.

Where a parameter can be moved without moving the prediction, what the loss does is the
penalty's doing: the weights of one layer while all others are 0, its columns summing to 0. The
twin says whether the prediction stood still. Each parameter alone, at three sizes and two
sizes of a batch, gives ``a·Σ|w| + b·Σw²`` whatever the data loss is.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import numpy as np

from netparity.diagnosis.loss_probes import Look, Probe, still
from netparity.diagnosis.snapping import snap
from netparity.diagnosis.twin import Array, Values
from netparity.nn import L1, L2, Penalty, Scope, in_scope

#: Sizes of the weights: the largest outweighs any data loss, the others tell |w| from w².
SIZES: Final = (1024.0, 64.0, 4.0)
#: Predictions this close are the same: what is left is rounding of numbers of size 1024.
STILL: Final = 1e-9
#: What a sum of values of both sides' roundoff may be off, in roundoffs of the largest.
ROUNDOFFS: Final = 256.0


@dataclass(frozen=True, slots=True)
class Pull:
    """A parameter's penalty ``absolute·Σ|w| + square·Σw²``."""

    absolute: float = 0.0
    square: float = 0.0


@dataclass(frozen=True, slots=True)
class Pulls:
    """What is known of the penalties in a loss.

    Attributes:
        of: of each parameter by the twin's name.
        open: parameters that cannot be moved without moving the prediction.
        by_batch: whether all of it is divided by the rows of the batch.
    """

    of: Mapping[str, Pull] = field(default_factory=dict)
    open: tuple[str, ...] = ()
    by_batch: bool = False


def see(look: Look, batches: Sequence[tuple[Array, Array]]) -> Pulls:
    """The penalties that show in the loss of a side.

    Args:
        look: at the side.
        batches: two of different sizes.
    """
    # Inputs of 0 keep the first layer's weights from the prediction.
    (x, y), (other_x, other_y) = ((np.zeros_like(x), y) for x, y in batches[:2])
    names = tuple(still(look.twin))
    base = _attempt(look, still(look.twin), x, y)
    if base is None or not np.isfinite(base.loss.total):
        return Pulls(open=names)
    expected = _predictions(look, base)[0]
    found: dict[str, Pull] = {}
    open_: list[str] = []
    scaled: list[bool] = []
    for name in names:
        tries = [_moved(look, name, size, x, y) for size in SIZES]
        if any(t is None or not _stood(look, t, expected) for t in tries):
            open_.append(name)
            continue
        probes = [t for t in tries if t is not None]
        pull = _fitted(probes, name, base.loss.total, look.live.dtype)
        if pull is None:
            open_.append(name)
        elif pull != Pull():
            found[name] = pull
            scaled.append(_by_batch(look, name, pull, len(x), other_x, other_y))
    by_batch = bool(scaled) and all(scaled)
    if by_batch:
        found = {n: Pull(p.absolute * len(x), p.square * len(x)) for n, p in found.items()}
    return Pulls(_snapped(found, look.live.dtype), tuple(open_), by_batch)


def as_penalties(pulls: Mapping[str, Pull], names: Iterable[str], *, by_batch: bool) -> tuple[
    Penalty, ...
]:  # fmt: skip
    """L2 and L1 penalties with these pulls, one for each coefficient."""
    every = tuple(names)
    squares: dict[float, list[str]] = {}
    absolutes: dict[float, list[str]] = {}
    for name in every:
        pull = pulls.get(name, Pull())
        if pull.square:
            squares.setdefault(pull.square, []).append(name)
        if pull.absolute:
            absolutes.setdefault(pull.absolute, []).append(name)
    return (
        *(
            L2(2 * c, 0.5, scope=scope_of(n, every), scale_with_batch=by_batch)
            for c, n in squares.items()
        ),
        *(L1(c, scope=scope_of(n, every), scale_with_batch=by_batch) for c, n in absolutes.items()),
    )


def scope_of(names: Sequence[str], every: Sequence[str]) -> Scope:
    """How a scope is written that covers exactly these of all parameters."""
    if set(names) == set(every):
        return "all"
    if set(names) == {n for n in every if in_scope("weights", n)}:
        return "weights"
    return tuple(names)


def _moved(look: Look, name: str, size: float, x: Array, y: Array) -> Probe | None:
    values = still(look.twin)
    values[name] = values[name] + size * _balanced(values[name].shape)
    return _attempt(look, values, x, y)


def _attempt(look: Look, values: Values, x: Array, y: Array) -> Probe | None:
    """The loss there, if the side takes it; dropout's masks need not be seen."""
    with contextlib.suppress(Exception):
        return look.at(values, x, y)
    return None


def _predictions(look: Look, probe: Probe) -> list[Array]:
    """What the twin predicts there; behind masks that were not seen, under two that are drawn."""
    if probe.draws is not None or not look.twin.dropout_layers():
        return [look.prediction(probe)]
    rng = np.random.default_rng(0)
    drawn = (tuple(look.twin.new_draws(probe.x, rng)) for _ in range(2))
    return [look.prediction(replace(probe, draws=draws)) for draws in drawn]


def _balanced(shape: tuple[int, ...]) -> Array:
    """Values exact in binary whose sum over every output's inputs is 0, where it can be."""
    inputs = int(np.prod(shape[:-1]))
    rows = np.zeros((max(inputs, 1), shape[-1] if shape else 1))
    for row in range(0, max(inputs - 1, 1), 2):
        rows[row] = 1.0 + (row % 8) / 8
        if row + 1 < inputs:
            rows[row + 1] = -rows[row]
    return rows.reshape(shape)


def _stood(look: Look, probe: Probe, expected: Array) -> bool:
    return all(
        got.shape == expected.shape and bool(np.max(np.abs(got - expected)) <= STILL)
        for got in _predictions(look, probe)
    )


def _fitted(probes: Sequence[Probe], name: str, base: float, dtype: np.dtype[Any]) -> Pull | None:
    """The smallest of none, L2, L1, both that gives the observed values; ``None``: another."""
    arrays = [p.values[name] for p in probes]
    excess: Array = np.array([p.loss.total - base for p in probes])
    if not np.all(np.isfinite(excess)):
        return None
    floor = ROUNDOFFS * float(np.finfo(dtype).eps)
    weight = 1.0 / (floor * np.array([max(abs(p.loss.total), abs(base)) for p in probes]) + 1e-300)
    squares = np.array([float(np.sum(a * a)) for a in arrays])
    absolutes = np.array([float(np.sum(np.abs(a))) for a in arrays])
    for columns in ((), (squares,), (absolutes,), (squares, absolutes)):
        matrix = np.stack([*columns, excess], axis=1)[:, :-1]
        solution, *_ = np.linalg.lstsq(matrix * weight[:, None], excess * weight, rcond=None)
        rest = excess - matrix @ solution
        if np.all(np.abs(rest) * weight <= 1.0):
            if not columns:
                return Pull()
            if len(columns) == 2:
                return Pull(float(solution[1]), float(solution[0]))
            one = float(solution[0])
            return Pull(square=one) if columns[0] is squares else Pull(absolute=one)
    return None


def _by_batch(look: Look, name: str, pull: Pull, rows: int, other_x: Array, other_y: Array) -> bool:
    """Whether the penalty at another size of the batch is that of the first over the sizes."""
    if len(other_x) == rows:
        return False
    start = _attempt(look, still(look.twin), other_x, other_y)
    moved = _moved(look, name, SIZES[0], other_x, other_y)
    if start is None or moved is None:
        return False
    excess = moved.loss.total - start.loss.total
    values = moved.values[name]
    here = pull.absolute * float(np.sum(np.abs(values))) + pull.square * float(np.sum(values**2))
    return bool(abs(excess - here * rows / len(other_x)) < abs(excess - here))


def _snapped(found: Mapping[str, Pull], dtype: np.dtype[Any]) -> dict[str, Pull]:
    """The coefficients as a person would have written them, λ with its ½ apart."""

    def nice(value: float, times: float) -> float:
        return snap(times * value, dtype) / times if value else 0.0

    return {n: Pull(nice(p.absolute, 1.0), nice(p.square, 2.0)) for n, p in found.items()}


def value(pulls: Pulls, values: Values, rows: int) -> float:
    """All of it at these parameters, for a batch of so many rows."""
    total = sum(
        p.absolute * float(np.sum(np.abs(values[n]))) + p.square * float(np.sum(values[n] ** 2))
        for n, p in pulls.of.items()
    )
    return total / rows if pulls.by_batch else total


def columns(names: Iterable[str], probes: Sequence[Probe]) -> tuple[Array, Array]:
    """``Σw²`` and ``Σ|w|`` of some parameters at each probe."""
    kept = tuple(names)
    squares = [sum(float(np.sum(p.values[n] ** 2)) for n in kept) for p in probes]
    absolutes = [sum(float(np.sum(np.abs(p.values[n]))) for n in kept) for p in probes]
    return np.array(squares), np.array(absolutes)
