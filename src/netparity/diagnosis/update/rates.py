"""The learning rate of each update, where it changes, and the schedule behind it.

The steps of a rule whose rate stands outside are in proportion to it: their ratio to those at a
constant rate is the rate of that call, whatever the schedule. A schedule is then a line through
the rates, on the scale on which it is one; where that scale depends on how long the schedule
lasts, every length is tried.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any, Final, Literal

import numpy as np

from netparity.conventions import changed
from netparity.diagnosis.twin import Array
from netparity.diagnosis.update.calls import Call
from netparity.diagnosis.update.fitting import Flat, at_own_rates, nice
from netparity.nn import (
    CosineDecay,
    ExponentialDecay,
    InverseScaling,
    InverseTimeDecay,
    Optimizer,
    PiecewiseConstant,
    PolynomialDecay,
    Schedule,
)

#: How far the rates may lie from the line: well above their rounding, far below a schedule.
_APART: Final = {np.dtype(np.float64): 1e-7, np.dtype(np.float32): 1e-3}
_PIECES: Final = 3
#: Lengths of a schedule that are tried, in steps, and how many of those that fit are handed on.
LONGEST: Final = 1000
_FEW: Final = 3
After = Literal["clamped", "periodic"]
_AFTER: Final[tuple[After, ...]] = ("clamped", "periodic")
_POWERS: Final = (1.0, 2.0, 0.5, 3.0)
#: Constants of schedules that are rates.
_OWN_RATES: Final = ("learning_rate", "learning_rates", "end")
_EXACT: Final = 1e-12
_TINY: Final = float(np.finfo(np.float64).tiny)


def schedules(rule: Optimizer, flat: Flat) -> Iterator[Schedule]:
    """Schedules, by the step, that give the rule the rates it had in flat updates."""
    _, ratios = at_own_rates(rule, flat)
    rested = np.array([t for t in flat.use if np.isfinite(ratios[t]) and ratios[t] >= 0])
    if len(rested) < _PIECES + 1:
        return
    whole = rule.learning_rate * np.array([ratios[t] for t in rested])
    known, rate = rested[whole > 0], whole[whole > 0]
    apart = _APART[flat.dtype]
    if not len(known) or whole.max() - whole.min() <= apart * whole.max():
        return

    def line(x: Array, y: Array) -> tuple[float, float] | None:
        """Start and slope of the line through the points, where they lie on one."""
        if len(x) <= _PIECES:
            return None
        slope, start = np.polyfit(x, y, 1)
        size = float(np.abs(y).max()) or 1.0
        on_it = np.abs(start + slope * x - y).max() <= apart * max(size, abs(float(start)))
        return (float(start), float(slope)) if on_it else None

    def constant(value: float) -> float:
        return nice("", value, 10 * apart)

    log = line(known, np.log(rate))
    if log is not None:
        start = constant(float(np.exp(log[0])))
        for factor, steps in _powers(float(log[1]), apart):
            yield ExponentialDecay(start, factor, steps)
    inverse = line(known, 1.0 / rate)
    if inverse is not None and inverse[0] > 0 and inverse[1] > 0:
        decay = constant(inverse[1] / inverse[0])
        yield InverseTimeDecay(constant(1.0 / inverse[0]), 1, decay)
    power = line(np.log1p(known), np.log(rate))
    if power is not None and power[1] < 0:
        yield InverseScaling(constant(float(np.exp(power[0]))), constant(-power[1]))
    straight = line(known, rate)
    if straight is not None and straight[1] < 0:
        yield PolynomialDecay(constant(straight[0]), constant(-straight[0] / straight[1]))
    for boundaries, values in _pieces(known, rate, apart):
        yield PiecewiseConstant(boundaries, tuple(constant(v) for v in values))
    for length, start, end in _lengths(rested, np.log(np.maximum(whole, _TINY)), _stairs, apart):
        factor = constant(float(np.exp(end - start)))
        yield ExponentialDecay(constant(float(np.exp(start))), factor, length, staircase=True)
    for exponent in _POWERS:
        for length, start, end in _lengths(rested, whole, _fallen(exponent), apart):
            yield PolynomialDecay(constant(start), length, _rest(end, start, apart), exponent)
    for after in _AFTER:
        for length, start, end in _lengths(rested, whole, _wave(after), apart):
            yield CosineDecay(constant(start), length, _rest(end, start, apart), after=after)


def _powers(slope: float, apart: float) -> Iterator[tuple[float, int]]:
    """Factors of two digits that the rate is multiplied by after so many steps."""
    steps = np.arange(1, LONGEST)
    after = np.exp(slope * steps)
    written = np.array([float(f"{v:.2g}") for v in after])
    off = np.abs(written - after) / after
    near = np.flatnonzero((off <= 10 * apart * steps) & (written > 0))
    for index in near[np.argsort(off[near], kind="stable")][:_FEW]:
        yield float(written[index]), int(steps[index])
    yield nice("", float(np.exp(slope)), 10 * apart), 1


def _rest(end: float, start: float, apart: float) -> float:
    """What a rate ends at: 0 where it is no more than the error of the fit."""
    return 0.0 if abs(end) <= 10 * apart * abs(start) else nice("", end, 10 * apart)


def _stairs(step: Array, length: Array) -> Array:
    return np.asarray(step // length, dtype=np.float64)


def _fallen(power: float) -> Callable[[Array, Array], Array]:
    return lambda step, length: 1.0 - (1.0 - np.minimum(step, length) / length) ** power


def _wave(after: After) -> Callable[[Array, Array], Array]:
    def share(step: Array, length: Array) -> Array:
        step = np.minimum(step, length) if after == "clamped" else step
        return np.asarray(0.5 - 0.5 * np.cos(np.pi * step / length))

    return share


def _lengths(
    known: Array, rate: Array, share: Callable[[Array, Array], Array], apart: float
) -> Iterator[tuple[int, float, float]]:
    """Lengths at which the rates are a line in ``share(step, length)``, the best first.

    Args:
        known: the steps, in their order; the first is 0.
        rate: the rate of each.
        share: 0 at the start, and 1 at the end of a length.
        apart: how far a rate may lie from the line, of the largest.

    Yields:
        The length, the value at the start and that at its end.
    """
    if len(known) < _PIECES + 1 or known[0] != 0:
        return
    lengths = np.arange(2, LONGEST)
    way = share(known[None, :].astype(np.float64), lengths[:, None].astype(np.float64))
    middle, average = way.mean(axis=1, keepdims=True), rate.mean()
    spread = ((way - middle) ** 2).sum(axis=1)
    bends = spread > 0
    slope = ((way - middle) * (rate - average)).sum(axis=1) / np.where(bends, spread, 1.0)
    start = average - slope * middle[:, 0]
    off = np.abs(start[:, None] + slope[:, None] * way - rate).max(axis=1)
    fits = np.flatnonzero(bends & (slope < 0) & (off <= apart * np.abs(rate).max()))
    for index in fits[np.argsort(off[fits], kind="stable")][:_FEW]:
        yield int(lengths[index]), float(start[index]), float(start[index] + slope[index])


def _pieces(
    known: Array, rate: Array, apart: float
) -> Iterator[tuple[tuple[float, ...], tuple[float, ...]]]:
    """Where the rate may jump, and what it is in between, where it is constant but for that."""
    jumps = np.flatnonzero(np.abs(np.diff(rate)) > apart * rate[1:]) + 1
    if not 0 < len(jumps) < _PIECES or len(np.unique(np.r_[0, jumps])) > _PIECES:
        return
    values = tuple(float(rate[j]) for j in np.r_[0, jumps])
    # A step whose rate does not show may be of either piece.
    places = [range(int(known[j - 1]) + 1, int(known[j]) + 1) for j in jumps]
    for boundaries in itertools.product(*map(reversed, places)):
        yield tuple(map(float, boundaries)), values


def at_schedule(calls: Sequence[Call], schedule: Schedule) -> tuple[Call, ...]:
    """The calls with a schedule's rates, in multiples of its first."""
    first = schedule(0)
    return tuple(replace(c, rate=c.rate * schedule(t) / first) for t, c in enumerate(calls))


def can_start_elsewhere(schedule: Schedule) -> bool:
    """Whether a schedule's rates are all multiples of constants of its own."""
    return any(hasattr(schedule, name) for name in _OWN_RATES[:2])


def from_rate(schedule: Schedule, rate: float) -> Schedule:
    """The same schedule from another first rate."""
    known = schedule(0)
    if rate == known:
        return schedule

    def moved(value: Any) -> Any:
        if isinstance(value, tuple):
            return tuple(map(moved, value))
        return nice("", value * rate / known, _EXACT)

    found: dict[str, Any] = {
        n: moved(getattr(schedule, n)) for n in _OWN_RATES if hasattr(schedule, n)
    }
    piece: Any = schedule
    started: Schedule = changed(piece, **found)
    return started


def freed(flat: Flat) -> Flat:
    """The same updates, with a rate of its own in each call."""
    return replace(flat, free=True)
