"""Holds the two live sides against each other where one of them could not be identified.

A loss or an update rule that is in no catalogue can still be equal on both sides, or not: the
same parameters, batch and gradients go into both. The floor comes from the left side itself,
run again with every input moved by one unit in the last place; nothing is named, only located.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from netparity.diagnosis import update
from netparity.diagnosis.bench import Bench, merge
from netparity.diagnosis.gradient_probes import twin_layout
from netparity.diagnosis.identify import Identified
from netparity.diagnosis.noise import FACTOR, ILL_CONDITIONED, ULPS, Measure, channel_rms, measure
from netparity.diagnosis.probes import probe_parameters
from netparity.diagnosis.twin import Array, Values

RUNS = 6


def loss_and_gradient(bench: Bench, *, gradient: bool) -> list[Measure]:
    """The losses, or the gradients, of both live sides at equal parameters and batches."""
    left, right = bench.left, bench.right
    if left.twin is None or right.twin is None or bench.y is None:
        return []
    measures: list[Measure] = []
    for rows in dict.fromkeys((min(len(bench.x), bench.batch_size), min(len(bench.x), 7))):
        x, y = bench.x[:rows], bench.y[:rows]
        values = probe_parameters(left.twin, bench.rng)

        def look(known: Identified, at: Values, x: Array = x, y: Array = y) -> Values:
            return _look(known, at, x, y, gradient=gradient)

        others = bench.pairing.to_right(values, right.twin)
        measures += _compared(
            bench, values, look(left, values), bench_names(bench, look(right, others)), look
        )
    return merge(measures)


def bench_names(bench: Bench, values: Values) -> Values:
    """Right's values under left's names; a loss keeps its own."""
    named = bench.pairing.to_left(values)
    return named | {n: v for n, v in values.items() if n == "loss"}


def _look(known: Identified, values: Values, x: Array, y: Array, *, gradient: bool) -> Values:
    live, twin = known.live, known.twin
    if twin is None:
        return {}
    saved = live.state()
    native = live.parameters()
    try:
        live.set_parameters(twin.native(values, native))
        if gradient:
            return twin_layout(twin, live.gradients(x, y), native)
        return {"loss": np.asarray(live.loss(x, y).total)}
    finally:
        live.restore(saved)


def _compared(
    bench: Bench,
    values: Values,
    left: Values,
    right: Values,
    look: Callable[[Identified, Values], Values],
) -> list[Measure]:
    moved = [look(bench.left, _moved(values, bench)) for _ in range(RUNS)]
    ulp = float(np.finfo(bench.dtype).eps)
    measures = []
    for name, value in left.items():
        if name not in right:
            continue
        spread = np.max([np.abs(np.asarray(m[name]) - value) for m in moved], axis=0)
        floor = FACTOR * np.maximum(
            np.maximum(spread, channel_rms(spread)), ULPS * ulp * channel_rms(value)
        )
        measures.append(measure(value, right[name], floor, value, name))
    return measures


def _moved(values: Values, bench: Bench) -> Values:
    ulp = float(np.finfo(bench.dtype).eps)
    return {n: v * (1 + ulp * bench.rng.choice([-1.0, 1.0], v.shape)) for n, v in values.items()}


def update_rule(bench: Bench) -> list[Measure]:
    """Both live optimizers on the same gradients, from the same parameters."""
    left, right = bench.left, bench.right
    if left.twin is None or right.twin is None:
        return []
    calls = update.calls_to_make(probe_parameters(left.twin, bench.rng), bench.rng)
    base = update.feed(left.live, left.twin, calls).after
    runs = [
        update.feed(left.live, left.twin, [_moved_call(c, bench) for c in calls]).after
        for _ in range(RUNS)
    ]
    twin = right.twin
    asked = [
        replace(
            c,
            before=bench.pairing.to_right(c.before, twin),
            gradient=bench.pairing.to_right(c.gradient, twin),
        )
        for c in calls
    ]
    theirs = [bench.pairing.to_left(v) for v in update.feed(right.live, twin, asked).after]
    floors = [_floor(value, [run[t] for run in runs], bench) for t, value in enumerate(base)]
    # A side that keeps more than it hands over differs from itself, and says nothing.
    return [
        replace(m, conditioned=m.floor <= ILL_CONDITIONED)
        for m in update.compare(base, theirs, floors, calls)
    ]


def _moved_call(call: update.Call, bench: Bench) -> update.Call:
    return replace(call, before=_moved(call.before, bench), gradient=_moved(call.gradient, bench))


def _floor(value: Values, runs: Sequence[Values], bench: Bench) -> Values:
    ulp = float(np.finfo(bench.dtype).eps)
    return {
        n: FACTOR
        * np.maximum(np.max([np.abs(r[n] - v) for r in runs], axis=0), ULPS * ulp * channel_rms(v))
        for n, v in value.items()
    }
