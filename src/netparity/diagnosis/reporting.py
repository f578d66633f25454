"""Finds out which quantity a side prints as its loss or metric.

The side is run as its author runs it, with its state recorded before each update; then every
candidate quantity (before or after the update, dropout on or off, with or without the
penalty, of the batch or averaged) is computed from those states and held against what was
printed.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from netparity.conventions import Quantity
from netparity.diagnosis.structure import two_dimensional
from netparity.diagnosis.twin import Array
from netparity.errors import CannotError
from netparity.implementations.base import Implementation, Watched

#: Reported values are means of at most some thousand float32 terms, printed after being stored
#: in float32 or float64: ten times the rounding of such a sum.
ULPS: Final = 160.0
FIELDS: Final = ("kind", "penalty", "moment", "dropout", "average")


def rounding_of(dtype: np.dtype[Any]) -> float:
    """The relative rounding of a value that a side of this width prints."""
    return ULPS * float(np.finfo(np.float32 if dtype == np.float32 else np.float64).eps)


@dataclass(frozen=True, slots=True)
class Series:
    """What one side printed under one name, and the quantities that reproduce it.

    Attributes:
        name: as the side prints it.
        values: as printed.
        fits: the quantities that reproduce it, each with its deviation in units of ``rounding``.
        nearest: the one that comes nearest, likewise.
        rounding: the relative rounding of such a value.
    """

    name: str
    values: Array
    fits: tuple[tuple[Quantity, float], ...]
    nearest: tuple[Quantity, float] | None
    rounding: float = ULPS * float(np.finfo(np.float64).eps)


def identify(
    live: Implementation,
    watched: Watched,
    penalty_of: Callable[[Implementation, int], float],
    *,
    decays: bool,
    drops: bool = True,
) -> dict[str, Series]:
    """The quantities that reproduce each series a side printed.

    Args:
        live: the side the run was watched on (its state is changed; reset it afterwards).
        watched: the recorded run.
        penalty_of: the penalty inside that side's loss at its present parameters, for a batch of
            so many rows.
        decays: whether the side has a penalty at all, in its loss or in its optimizer; without
            one, with and without are the same.
        drops: whether the side has dropout; without it, on and off are the same.
    """
    computed = _losses(live, watched, penalty_of, drops=drops)
    inside = bool(np.any(computed["penalty", "before", "off"] != 0))
    names = list(dict.fromkeys(r.name for r in watched.reported))
    found = {}
    for name in names:
        reported = [r for r in watched.reported if r.name == name]
        values = np.array([r.value for r in reported], dtype=np.float64)
        every = "epoch" if watched.report_every == "epoch" else "step"
        at = [(r.step, r.epoch) for r in reported]
        fits, nearest = _fits(values, computed, watched, at, every, live.dtype)
        if not fits and ("accuracy", "before", "off") not in computed:
            computed |= _accuracies(live, watched, drops=drops)
            fits, nearest = _fits(values, computed, watched, at, every, live.dtype)
        fits = [(q, r) for q, r in fits if not (q.penalty and decays and not inside)]
        if not drops:
            fits = [(replace(q, dropout="none"), r) for q, r in fits]
        if not fits:
            fits = _scaled(values, computed, watched, at, every, live.dtype)
        found[name] = Series(name, values, tuple(fits), nearest, rounding_of(live.dtype))
    return found


def _residual(values: Array, series: Array, dtype: np.dtype[Any]) -> float:
    """The largest deviation, in units of the rounding of such a value."""
    if series.shape != values.shape or not np.all(np.isfinite(series)):
        return float("inf")
    scale = np.maximum(np.abs(values), np.max(np.abs(values), initial=0.0) * 1e-3)
    unit = np.maximum(rounding_of(dtype) * scale, 1e-300)
    return float(np.max(np.abs(values - series) / unit, initial=0.0))


def _scaled(
    values: Array,
    computed: Mapping[tuple[str, str, str], Array],
    watched: Watched,
    at: Sequence[tuple[int, int]],
    every: str,
    dtype: np.dtype[Any],
) -> list[tuple[Quantity, float]]:
    """Quantities that reproduce the series up to one constant factor."""
    fits = []
    for quantity, series in _candidates(computed, watched, at, every):
        square = float(np.sum(series**2))
        if series.shape != values.shape or len(values) < 2 or not square > 0:
            continue
        factor = float(np.sum(series * values)) / square
        residual = _residual(values, factor * series, dtype)
        if residual <= 1.0:
            fits.append((replace(quantity, factor=factor), residual))
    return fits


def _fits(
    values: Array,
    computed: Mapping[tuple[str, str, str], Array],
    watched: Watched,
    at: Sequence[tuple[int, int]],
    every: str,
    dtype: np.dtype[Any],
) -> tuple[list[tuple[Quantity, float]], tuple[Quantity, float] | None]:
    """The quantities that reproduce a series, and the one that comes nearest."""
    fits: list[tuple[Quantity, float]] = []
    nearest: tuple[Quantity, float] | None = None
    for quantity, series in _candidates(computed, watched, at, every):
        residual = _residual(values, series, dtype)
        if nearest is None or residual < nearest[1]:
            nearest = (quantity, residual)
        if residual <= 1.0:
            fits.append((quantity, residual))
    return fits, nearest


def _moments(watched: Watched, *, drops: bool) -> Iterator[tuple[int, str, str]]:
    """Each update with each moment and mode worth computing."""
    modes = ("off", "on") if drops else ("off",)
    return itertools.product(range(len(watched.fed)), ("before", "after"), modes)


def _losses(
    live: Implementation,
    watched: Watched,
    penalty_of: Callable[[Implementation, int], float],
    *,
    drops: bool,
) -> dict[tuple[str, str, str], Array]:
    """Loss and penalty per update: key (loss | penalty, before | after, on | off)."""
    columns: dict[tuple[str, str, str], list[float]] = {}
    for index, moment, dropout in _moments(watched, drops=drops):
        live.restore(watched.states[index if moment == "before" else index + 1])
        penalty = penalty_of(live, len(watched.fed[index][0]))
        total = np.nan
        with contextlib.suppress(CannotError):
            total = live.loss(*watched.fed[index], training=dropout == "on").total
        columns.setdefault(("loss", moment, dropout), []).append(total)
        columns.setdefault(("penalty", moment, dropout), []).append(penalty)
    return {key: np.array(values) for key, values in columns.items()}


def _accuracies(
    live: Implementation, watched: Watched, *, drops: bool
) -> dict[tuple[str, str, str], Array]:
    """Accuracy per update: key (accuracy, before | after, on | off)."""
    columns: dict[tuple[str, str, str], list[float]] = {}
    for index, moment, dropout in _moments(watched, drops=drops):
        live.restore(watched.states[index if moment == "before" else index + 1])
        x, y = watched.fed[index]
        prediction = _predict(live, x, training=dropout == "on")
        columns.setdefault(("accuracy", moment, dropout), []).append(_accuracy(prediction, y))
    return {key: np.array(values) for key, values in columns.items()}


def _predict(live: Implementation, x: Array, *, training: bool) -> Array:
    """Predictions; a side that predicts in inference mode only gives those."""
    try:
        return two_dimensional(live.predict(x, training=training))
    except CannotError:
        return two_dimensional(live.predict(x))


def _accuracy(prediction: Array, y: Array) -> float:
    targets = np.asarray(y)
    if prediction.shape[1] == 1:
        return float(np.mean((prediction > 0.5).ravel() == (targets.ravel() > 0.5)))
    labels = targets.argmax(axis=1) if targets.ndim > 1 and targets.shape[1] > 1 else targets
    return float(np.mean(prediction.argmax(axis=1) == labels.reshape(-1)))


def _candidates(
    computed: Mapping[tuple[str, str, str], Array],
    watched: Watched,
    at: Sequence[tuple[int, int]],
    every: str,
) -> Iterator[tuple[Quantity, Array]]:
    sizes = np.array([len(x) for x, _ in watched.fed], dtype=np.float64)
    epochs = np.array(watched.epochs)
    averages = ("epoch",) if every == "epoch" else ("batch", "running")
    for kind, moment, dropout in itertools.product(
        ("loss", "accuracy"), ("before", "after"), ("off", "on")
    ):
        if (kind, moment, dropout) not in computed:
            continue
        for penalty in (False, True) if kind == "loss" else (False,):
            series = computed[kind, moment, dropout]
            if kind == "loss" and not penalty:
                series = series - computed["penalty", moment, dropout]
            for average in averages:
                for weights in (sizes, np.ones_like(sizes)):
                    quantity = Quantity(kind, penalty, moment, dropout, average)  # type: ignore[arg-type]
                    yield quantity, _averaged(series, weights, epochs, at, average)
            if every == "epoch":
                last = [np.flatnonzero(epochs == e)[-1] for _, e in at]
                quantity = Quantity(kind, penalty, moment, dropout, "batch")  # type: ignore[arg-type]
                yield quantity, series[last]


def _averaged(
    series: Array, weights: Array, epochs: Array, at: Sequence[tuple[int, int]], average: str
) -> Array:
    values = []
    for step, epoch in at:
        index = step - 1
        if average == "batch":
            values.append(series[index])
            continue
        mine = np.flatnonzero(epochs == epoch)
        if average == "running":
            mine = mine[mine <= index]
        values.append(float(np.sum(series[mine] * weights[mine]) / np.sum(weights[mine])))
    return np.array(values)


def closest(left: Series, right: Series) -> tuple[Quantity, Quantity, tuple[str, ...]] | None:
    """The two descriptions that differ in the fewest fields, and those fields.

    Both series can have several descriptions (without dropout, on and off are one); the sides
    report the same quantity where any two descriptions agree. ``None`` where a series fits no
    quantity of the side's own loss.
    """
    best: tuple[Quantity, Quantity, tuple[str, ...]] | None = None
    for (a, _), (b, _) in itertools.product(left.fits, right.fits):
        fields = [f for f in FIELDS if getattr(a, f) != getattr(b, f)]
        if "none" in {a.dropout, b.dropout} and "dropout" in fields:
            fields.remove("dropout")
        if abs(a.factor - b.factor) > 1e-9 * max(abs(a.factor), abs(b.factor)):
            fields.append("factor")
        if best is None or len(fields) < len(best[2]):
            best = (a, b, tuple(fields))
    return best


def pair_names(left: Mapping[str, Series], right: Mapping[str, Series]) -> list[tuple[str, str]]:
    """Which printed series stand for the same thing: by name, else by kind, else in order."""
    pairs = [(n, n) for n in left if n in right]
    rest_left = [n for n in left if n not in right]
    rest_right = [n for n in right if n not in left]
    for name in list(rest_left):
        kinds = {q.kind for q, _ in left[name].fits}
        for other in rest_right:
            if kinds & {q.kind for q, _ in right[other].fits}:
                pairs.append((name, other))
                rest_left.remove(name)
                rest_right.remove(other)
                break
    if not pairs and len(rest_left) == len(rest_right) == 1:
        pairs.append((rest_left[0], rest_right[0]))
    return pairs
