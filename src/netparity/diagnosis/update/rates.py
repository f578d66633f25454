"""The learning rate of each update, where it changes, and the schedule behind it.

The steps of a rule whose rate stands outside are in proportion to it: their ratio to those at a
constant rate is the rate of that call, whatever the schedule. A schedule is then a line through
the rates, on the scale on which it is one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from netparity.diagnosis.twin import Array
from netparity.diagnosis.update.calls import Call
from netparity.diagnosis.update.fitting import Flat, nice, step_ratios
from netparity.nn import (
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


def schedules(rule: Optimizer, flat: Flat) -> Iterator[Schedule]:
    """Schedules, by the step, that give the rule the rates it had in flat updates."""
    ratios = step_ratios(rule, flat)
    known = np.array([t for t in flat.use if np.isfinite(ratios[t]) and ratios[t] > 0])
    if len(known) < _PIECES + 1:
        return
    rate = rule.learning_rate * np.array([ratios[t] for t in known])
    apart = _APART[flat.dtype]
    if rate.max() - rate.min() <= apart * rate.max():
        return

    def line(x: Array, y: Array) -> tuple[float, float] | None:
        """Start and slope of the line through the points, where they lie on one."""
        slope, start = np.polyfit(x, y, 1)
        size = float(np.abs(y).max()) or 1.0
        on_it = np.abs(start + slope * x - y).max() <= apart * max(size, abs(float(start)))
        return (float(start), float(slope)) if on_it else None

    def constant(value: float) -> float:
        return nice("", value, 10 * apart)

    log = line(known, np.log(rate))
    if log is not None:
        yield ExponentialDecay(constant(float(np.exp(log[0]))), constant(float(np.exp(log[1]))))
    inverse = line(known, 1.0 / rate)
    if inverse is not None and inverse[0] > 0:
        decay = constant(inverse[1] / inverse[0])
        yield InverseTimeDecay(constant(1.0 / inverse[0]), 1, decay)
    power = line(np.log1p(known), np.log(rate))
    if power is not None:
        yield InverseScaling(constant(float(np.exp(power[0]))), constant(-power[1]))
    straight = line(known, rate)
    if straight is not None and straight[1] < 0:
        yield PolynomialDecay(constant(straight[0]), constant(-straight[0] / straight[1]))
    pieces = _pieces(known, rate, apart)
    if pieces is not None:
        boundaries, values = pieces
        yield PiecewiseConstant(boundaries, tuple(constant(v) for v in values))


def _pieces(
    known: Array, rate: Array, apart: float
) -> tuple[tuple[float, ...], tuple[float, ...]] | None:
    """Where the rate jumps, and what it is in between, where it is constant but for that."""
    jumps = np.flatnonzero(np.abs(np.diff(rate)) > apart * rate[1:]) + 1
    if not 0 < len(jumps) < _PIECES or len(np.unique(np.r_[0, jumps])) > _PIECES:
        return None
    return tuple(float(known[j]) for j in jumps), tuple(float(rate[j]) for j in np.r_[0, jumps])


def at_schedule(calls: Sequence[Call], schedule: Schedule) -> tuple[Call, ...]:
    """The calls with a schedule's rates, in multiples of its first."""
    first = schedule(0)
    return tuple(replace(c, rate=c.rate * schedule(t) / first) for t, c in enumerate(calls))


def freed(flat: Flat) -> Flat:
    """The same updates, with a rate of its own in each call."""
    return replace(flat, free=True)
