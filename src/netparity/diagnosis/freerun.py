"""Lets the two sides go freely, before and after the causes are removed.

The floor of a trajectory is measured: the same twin run with other orders of summation and
with one unit in the last place on every starting value. The horizon is the last step at
which that floor is still a thousandth of the way the parameters have gone; beyond it a
comparison of trajectories says nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from netparity.conventions import Conventions, no_bugs
from netparity.diagnosis import feeding
from netparity.diagnosis.align import added
from netparity.diagnosis.arithmetic import reordered
from netparity.diagnosis.backward import masked_backward
from netparity.diagnosis.bench import Bench
from netparity.diagnosis.candidates import Plan
from netparity.diagnosis.heads import head_of
from netparity.diagnosis.identify import Identified
from netparity.diagnosis.masks import fed
from netparity.diagnosis.noise import FACTOR, ULPS, rms, unit_roundoff
from netparity.diagnosis.observe_forward import common_draws
from netparity.diagnosis.probes import read, write
from netparity.diagnosis.structure import two_dimensional
from netparity.diagnosis.twin import Array, Twin, Values
from netparity.diagnosis.update.floors import float32_variants
from netparity.implementations.base import Implementation

#: The share of the way gone at which rounding ends a comparison (METHOD: the horizon).
HORIZON_SHARE = 1e-3
#: Predictions are compared on at most these many rows, spread over the data: every step of every
#: run predicts them.
MAXIMUM_ROWS = 256

Batches = list[tuple[Array, Array]]
Draws = list[list[Array]] | None


@dataclass(slots=True)
class Run:
    """One free run: parameters (twin layout) before the first and after each update."""

    trajectory: list[Values]
    prediction: Array
    draws: Draws = None


@dataclass(frozen=True, slots=True)
class Floor:
    """The trajectory's noise floor: of the predictions after each step, and the horizon."""

    predictions: tuple[Array, ...]
    horizon: int | None
    parameters: tuple[float, ...]

    def at(self, step: int) -> Array:
        """The predictions' floor after a step; the last that was measured stays."""
        return self.predictions[min(step, len(self.predictions) - 1)]


@dataclass(slots=True)
class FreeRuns:
    """Both sides let go, and what is needed to run either again otherwise."""

    bench: Bench
    steps: int
    left: Run
    right: Run
    left_batches: Batches
    right_batches: Batches
    floor: Floor
    rows: Array
    twins_hold: dict[str, bool] = field(default_factory=dict)

    def batches(self, plan: Plan) -> Batches:
        """What right is fed under a plan."""
        exchange = self.bench.exchange
        if exchange is None or not plan.feeding:
            return self.right_batches
        return first(exchange.put_together(plan.feeding), self.steps)

    def at(self, run: Run, step: int) -> Values:
        """A run's parameters after a step, or after its last where it stopped before."""
        return run.trajectory[min(step, len(run.trajectory) - 1)]


def rows_of(count: int) -> Array:
    """The numbers of the rows on which predictions are compared."""
    return np.unique(np.linspace(0, count - 1, min(count, MAXIMUM_ROWS)).astype(int))


def first(batches: Sequence[feeding.Batch], steps: int) -> Batches:
    """The first batches, without the weights of their rows."""
    return [(x, y) for x, y, _ in batches[:steps]]


def drive(
    known: Identified,
    live: Implementation,
    batches: Batches,
    rows: Array,
    draws: Draws = None,
    initial: Values | None = None,
    frozen: Sequence[str] = (),
) -> Run:
    """Runs a live side freely: its own steps, from its own or given initial values.

    A side that cannot be fed ``draws`` makes its own, and is watched making them.
    """
    twin = known.twin
    if twin is None:
        return _drive_blind(live, batches, rows)
    native = live.parameters()
    if initial is not None:
        write(live, twin, initial)
    trajectory = [read(live, twin)]
    used: list[list[Array]] = []
    draws = draws if "draws" in live.abilities else None
    for index, (x, y) in enumerate(batches):
        given = draws[index] if draws is not None else known.draws(live, x)
        live.step(x, y, draws=fed(live, twin, given))
        if frozen:
            zero = {n: np.zeros_like(v) for n, v in trajectory[0].items() if n in frozen}
            live.set_parameters(twin.native(zero, native))
        used.append(given or [])
        trajectory.append(read(live, twin))
    prediction = two_dimensional(live.predict(rows))
    return Run(trajectory, prediction, used if any(used) else None)


def _drive_blind(live: Implementation, batches: Batches, rows: Array) -> Run:
    for x, y in batches:
        live.step(x, y)
    return Run([], two_dimensional(live.predict(rows)))


def predictions(bench: Bench, twin: Twin, values: Values, rows: Array) -> Array:
    """Predictions of a twin in the form in which both sides can be compared."""
    result = two_dimensional(twin.forward(values, rows).prediction)
    return np.asarray(head_of(bench, twin).apply({}, result)[0])


def floor_of(
    bench: Bench,
    twin: Twin,
    initial: Values,
    batches: Batches,
    draws: Draws,
    rows: Array,
    *,
    times: int = 2,
) -> Floor:
    """The trajectory's floor.

    As often another order of summation as ±1 ulp at the start, and as often one rounding of
    every intermediate value: a gradient that is zero by cancellation is nothing but that.
    """
    dtype = bench.dtype
    start = {n: v.astype(dtype) for n, v in initial.items()}
    fed_batches = [(_cast(x, dtype), y) for x, y in batches]
    fed_draws = None if draws is None else [[d.astype(dtype) for d in s] for s in draws]
    base = twin.follow(start, fed_batches, fed_draws)
    runs = [reordered(twin, bench.rng).follow(start, fed_batches, fed_draws) for _ in range(times)]
    for _ in range(times):
        moved = {n: _one_ulp(v, bench.rng) for n, v in start.items()}
        runs.append(twin.follow(moved, fed_batches, fed_draws))
    rounding = unit_roundoff(dtype)

    def disturb(array: Array) -> Array:
        noise = 1.0 + rounding * bench.rng.standard_normal(array.shape)
        return np.asarray(array * noise, dtype=array.dtype)

    runs += [twin.follow(start, fed_batches, fed_draws, disturb) for _ in range(times)]
    if dtype == np.float32 and twin.conventions.optimizer is not None:
        # How float32 rounds a rule's constants is no convention, and not in the runs above.
        for variant in float32_variants(twin.conventions.optimizer):
            if variant != twin.conventions.optimizer:
                runs.append(twin.with_(optimizer=variant).follow(start, fed_batches, fed_draws))
    return _measured_together(bench, twin, start, base, runs, _cast(rows, dtype))


def _measured_together(
    bench: Bench,
    twin: Twin,
    start: Values,
    base: Iterator[Values],
    runs: Sequence[Iterator[Values]],
    rows: Array,
) -> Floor:
    """How far runs go from one of them, step by step up to the horizon."""
    ulp = float(np.finfo(bench.dtype).eps)
    floors, shares = [], []
    for t, (here, *others) in enumerate(zip(base, *runs, strict=True)):
        expected = predictions(bench, twin, here, rows)
        apart = (predictions(bench, twin, other, rows) - expected for other in others)
        spread = max(float(np.max(np.abs(a), initial=0.0)) for a in apart)
        floors.append(
            FACTOR * np.maximum(spread, ULPS * ulp * rms(expected)) * np.ones_like(expected)
        )
        gone = distance(here, start)
        noise = FACTOR * max(distance(other, here) for other in others)
        shares.append(noise / gone if gone > 0 else 0.0)
        if t > 0 and gone > 0 and noise > HORIZON_SHARE * gone:
            return Floor(tuple(floors), t - 1, tuple(shares))
    return Floor(tuple(floors), None, tuple(shares))


def measured_floor(
    bench: Bench, driven: Mapping[str, tuple[Run, Batches]], rows: Array
) -> Floor | None:
    """The floor from the twin of the side whose rule is known, left's first."""
    for known in (bench.left, bench.right):
        twin = known.twin
        if twin is None:
            continue
        if twin.conventions.optimizer is None or twin.conventions.loss is None:
            continue
        run, batches = driven[known.side.which]
        return floor_of(bench, twin, run.trajectory[0], batches, run.draws, rows)
    return None


def _cast(array: Array, dtype: np.dtype[Any]) -> Array:
    return np.asarray(array, dtype=dtype)


def _one_ulp(value: Array, rng: np.random.Generator) -> Array:
    direction = np.where(rng.random(value.shape) < 0.5, -np.inf, np.inf).astype(value.dtype)
    return np.asarray(np.nextafter(value, direction))


def distance(a: Values, b: Values) -> float:
    """How far apart two sets of parameters are: the norm of their difference, in float64."""
    return float(
        np.sqrt(sum(np.sum(np.square(np.asarray(a[n], dtype=np.float64) - b[n])) for n in a))
    )


def gap(left: Array, right: Array) -> float:
    """The largest difference of two sets of predictions, in units of left's rms."""
    if left.shape != right.shape:
        return float("inf")
    if not (np.all(np.isfinite(left)) and np.all(np.isfinite(right))):
        same = np.array_equal(left, right, equal_nan=True)
        return 0.0 if same else float("inf")
    return float(np.max(np.abs(left - right), initial=0.0) / (rms(left) or 1.0))


def without_left_faults(conventions: Conventions) -> Conventions:
    """Conventions with correct gradients all the way to the rule, and nothing frozen."""
    return replace(
        masked_backward(conventions),
        faults=no_bugs(conventions.faults),
        step_faults=(),
        frozen=(),
    )


def start_of(runs: FreeRuns, plan: Plan) -> Values:
    """The initial values of right under a plan, by right's names."""
    bench = runs.bench
    twin = Twin(plan.conventions)
    left, own = runs.left.trajectory[0], runs.right.trajectory[0]
    if plan.structure == "left":
        return left
    from_left = bench.pairing.to_right(left, twin)
    taken = bench.pairing.to_right({n: v for n, v in left.items() if n in plan.initial}, twin)
    names = {bench.pairing.names.get(n, n) for n in plan.initial}
    shapes = twin.shapes()
    # What is kept as one sum is read as one; what stands by itself only now does nothing yet.
    lost = {n: to for n, to in _second_biases(own).items() if n not in shapes}
    own = added(own, lost) | {
        n: np.zeros(shapes[n]) for n in _second_biases(shapes) if n not in own
    }
    return {
        n: taken[n] if n in names else own[n] if n in own else from_left[n]
        for n in shapes
        if n in own or n in taken or n in from_left
    }


def _second_biases(values: Mapping[str, Any]) -> dict[str, str]:
    ending = ".recurrent_bias"
    return {n: n.replace(ending, ".bias") for n in values if n.endswith(ending)}


def twin_gap(runs: FreeRuns, plan: Plan, steps: int) -> tuple[float, list[Values]]:
    """The gap after ``steps`` when right follows a plan, both sides run as twins."""
    bench = runs.bench
    left, right = bench.left.twin, bench.right.twin
    complete = plan.conventions.optimizer is not None and plan.conventions.loss is not None
    if left is None or right is None or not complete:
        return float("nan"), []
    twin = Twin(plan.conventions)
    initial = start_of(runs, plan)
    batches = runs.batches(plan)
    own = [run.draws for run in (runs.left, runs.right) if run.draws is not None]
    fit = [d for d in own if fitting(d, batches[:steps], twin) is not None]
    if own and not fit:
        return float("nan"), []  # other portions than those the masks were drawn for
    draws = fit[0] if fit else None
    with np.errstate(all="ignore"):
        trajectory = twin.run(initial, batches[:steps], draws)
        if plan.left_faults_removed:
            mended = Twin(without_left_faults(left.conventions))
            other = mended.run(runs.left.trajectory[0], runs.left_batches[:steps], runs.left.draws)
            reference = predictions(bench, mended, other[-1], runs.rows)
        else:
            reference = predictions(bench, left, runs.at(runs.left, steps), runs.rows)
        result = predictions(bench, twin, trajectory[-1], runs.rows)
    return gap(reference, result), trajectory


def shared_draws(bench: Bench, batches: Batches) -> Draws:
    """Draws of every element, where one side alone drops whole channels; else none."""
    left, right = bench.left.twin, bench.right.twin
    kinds = [
        [getattr(k, "channel_axis", None) for _, k in twin.conventions.layers or () if k.takes_draw]
        for twin in (left, right)
        if twin is not None
    ]
    if len(kinds) < 2 or kinds[0] == kinds[1] or len(kinds[0]) != len(kinds[1]):
        return None
    if not all("draws" in known.live.abilities for known in (bench.left, bench.right)):
        return None
    draws = [common_draws(bench, x) for x, _ in batches]
    return None if any(d is None for d in draws) else [d for d in draws if d is not None]


def fitting(draws: Draws, batches: Batches, twin: Twin) -> Draws:
    """Draws that fit a run's batches and the layers of a network, else none."""
    if draws is None or len(draws) < len(batches):
        return None
    shapes: dict[int, list[tuple[int, ...]]] = {}
    for given, (x, _) in zip(draws, batches, strict=False):
        if len(x) not in shapes:
            shapes[len(x)] = twin.draw_shapes(x)
        if [d.shape for d in twin.fitted(given)] != shapes[len(x)]:
            return None
    return draws
