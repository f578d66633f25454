"""Says how much of the gap each cause made, what stays, and what to do; makes the report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import islice

import numpy as np

from netparity.diagnosis import freerun, live_removal, shares
from netparity.diagnosis.bench import Bench, Stage
from netparity.diagnosis.candidates import BELOW_FLOAT32, Candidate, Plan, apply, possible
from netparity.diagnosis.freerun import FreeRuns, Run, gap, predictions
from netparity.diagnosis.identify import Identified
from netparity.diagnosis.noise import Measure, rms
from netparity.diagnosis.twin import Twin, Values
from netparity.diagnosis.verify import Verified
from netparity.report.model import (
    Curves,
    Gap,
)

#: Stages that say nothing about the training itself.
REPORTING = ("reporting",)
#: Points of a loss curve; a longer run is thinned.
CURVE_POINTS = 200


@dataclass(frozen=True, slots=True)
class Parts:
    """What a diagnosis found, before it is put into words."""

    bench: Bench
    stages: Mapping[str, Stage]
    verified: tuple[Verified, ...]
    latent: tuple[Candidate, ...]
    explained: frozenset[str]
    notes: tuple[str, ...]
    command: str
    failures: Mapping[str, str] = field(default_factory=dict)
    rest: Mapping[str, tuple[Measure, ...]] = field(default_factory=dict)
    innocent: tuple[tuple[str, str], ...] = ()
    masks: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    shapley: bool = False


@dataclass(frozen=True, slots=True)
class Accounted:
    """The free run before and after, and each cause's share, by its number.

    ``alone`` is the gap with every other cause removed, ``cancelling`` those with which a cause
    makes none.
    """

    gap: Gap
    effects: Mapping[int, float | None]
    alone: Mapping[int, float]
    curves: Curves | None
    holds: bool
    note: str | None
    cancelling: Mapping[int, tuple[int, ...]] = field(default_factory=dict)
    shapley: Mapping[int, float] = field(default_factory=dict)


def twin_holds(runs: FreeRuns, known: Identified, run: Run, batches: freerun.Batches) -> bool:
    """Whether a side's twin, run freely, stays within the noise of the side itself."""
    twin = known.twin
    if twin is None or twin.conventions.optimizer is None or twin.conventions.loss is None:
        return False
    steps = _compared_steps(runs, len(batches))
    floor = runs.floor
    if run is not runs.left:
        # One run each way: the rule of the measured floor, at half its price.
        floor = freerun.floor_of(
            runs.bench, twin, run.trajectory[0], batches[:steps], run.draws, runs.rows, times=1
        )
    last = steps if floor.horizon is None else min(steps, floor.horizon)
    with np.errstate(all="ignore"):
        followed = twin.follow(run.trajectory[0], batches[:last], run.draws)
        own = next(islice(followed, last, None))
    # As the floor's own predictions are taken: through the head that makes the sides alike.
    a = predictions(runs.bench, twin, own, runs.rows)
    b = predictions(runs.bench, twin, run.trajectory[last], runs.rows)
    if not np.all(np.isfinite(a)) or not np.all(np.isfinite(b)):
        return bool(np.array_equal(np.isfinite(a), np.isfinite(b)))
    return bool(np.all(np.abs(a - b) <= floor.at(last)))


def _compared_steps(runs: FreeRuns, steps: int) -> int:
    horizon = runs.floor.horizon
    return steps if horizon is None else min(steps, horizon)


def account(parts: Parts, runs: FreeRuns | None, steps: int) -> Accounted:
    """Compares the free runs, removes all causes, then all but each."""
    metric = "largest difference of the predictions in inference mode, over left's rms"
    if runs is None:
        nothing = Gap(metric, None, None, None, 0, None)
        return Accounted(nothing, {}, {}, None, holds=False, note="the sides were not run freely")
    bench = parts.bench
    left, right = bench.left.twin, bench.right.twin
    if left is None or right is None:
        nothing = Gap(metric, None, None, None, 0, None)
        return Accounted(nothing, {}, {}, None, holds=False, note="a side has no twin")
    last = _compared_steps(runs, runs.steps)
    a = predictions(bench, left, runs.at(runs.left, last), runs.rows)
    b = predictions(bench, right, runs.at(runs.right, last), runs.rows)
    before = gap(a, b)
    floor = float(np.max(runs.floor.at(last), initial=0.0) / (rms(a) or 1.0))
    base = Plan(bench.right.conventions)
    training = [v.candidate for v in parts.verified if v.candidate.stage not in REPORTING]
    # What is inactive makes no difference, or it is none of these: it stays as it is.
    rounded = [c for c in parts.latent if c.latent == BELOW_FLOAT32]
    changes = [*training, *rounded]
    everything = apply(base, changes)
    after, trajectory, note = _after(parts, runs, everything, last)
    acting = {
        i: v.candidate
        for i, v in enumerate(parts.verified)
        if v.candidate.stage not in REPORTING and all(runs.twins_hold.values())
    }

    @cache
    def left_with(present: frozenset[int]) -> float:
        removed = [c for i, c in acting.items() if i not in present]
        plan = possible(base, [*removed, *rounded])
        return float("nan") if plan is None else freerun.twin_gap(runs, plan, last)[0]

    alone = {i: left_with(frozenset({i})) for i in acting}
    measurable = before > floor and np.isfinite(before)
    effects = {i: size / before if measurable else None for i, size in alone.items()}
    divided: dict[int, float] = {}
    if parts.shapley and measurable:
        values = shares.shapley(list(acting), left_with, bench.rng)
        divided = {i: value / before for i, value in values.items()}
    horizon = runs.floor.horizon
    found = Gap(metric, before, after, floor, last, horizon)
    curves = _curves(parts, runs, everything, trajectory)
    holds = after is not None and bool(after <= floor)
    cancelling = shares.cancelling(list(acting), left_with, floor)
    return Accounted(found, effects, alone, curves, holds, note, cancelling, divided)


def _after(
    parts: Parts, runs: FreeRuns, plan: Plan, last: int
) -> tuple[float | None, list[Values], str | None]:
    """The gap with every cause removed: on the live right side if it can, else on twins."""
    bench = parts.bench
    live = _live_after(runs, plan, last)
    if live is not None:
        return live[0], live[1], None
    # A side whose gradient is wrong in no known way is not followed by its twin; what the mended
    # twin does was confirmed stage by stage.
    unknown = {
        k.side.which
        for k in (bench.left, bench.right)
        if k.gradient is not None and not k.gradient.understood
    }
    needed = {"right"} | ({"left"} if plan.left_faults_removed else set())
    failing = [w for w in sorted(needed - unknown) if not runs.twins_hold.get(w)]
    if failing:
        note = f"the twin of {' and '.join(failing)} does not follow its side over the free run"
        return None, [], note
    size, trajectory = freerun.twin_gap(runs, plan, last)
    return size, trajectory, None


def _live_after(runs: FreeRuns, plan: Plan, last: int) -> tuple[float, list[Values]] | None:
    bench = runs.bench
    left, right = bench.left, bench.right
    mended = plan.left_faults_removed or plan.right_faults_removed
    if mended or left.twin is None or right.twin is None:
        return None
    if set(Twin(plan.conventions).network.parameter_shapes()) != set(
        right.twin.network.parameter_shapes()
    ):
        return None
    changed = plan.conventions != right.conventions
    small = bench.x[: min(3, len(bench.x))]
    right.side.reset()
    if changed and not live_removal.adjusted(right, plan.conventions, small):
        return None
    known = plan.conventions.optimizer is not None and plan.conventions.loss is not None
    if changed and known and not live_removal.steps_agree(bench, right, Twin(plan.conventions)):
        live_removal.undo(right, small)
        return None
    right.side.reset()
    try:
        initial = freerun.start_of(runs, plan) if plan.initial else None
        batches = runs.batches(plan)
        draws = runs.left.draws if "draws" in right.live.abilities else None
        if runs.left.draws is not None and draws is None and runs.right.draws is None:
            return None
        followed = right.with_twin(Twin(plan.conventions))
        run = freerun.drive(followed, right.live, batches[:last], runs.rows, draws, initial)
    finally:
        if changed:
            live_removal.undo(right, small)
        right.side.reset()
    a = predictions(bench, left.twin, runs.at(runs.left, last), runs.rows)
    twin = Twin(plan.conventions)
    b = predictions(bench, twin, runs.at(run, last), runs.rows)
    return gap(a, b), run.trajectory


def _curves(parts: Parts, runs: FreeRuns, plan: Plan, after: Sequence[Values]) -> Curves | None:
    """Left's data loss along the three trajectories, on the same rows."""
    bench = parts.bench
    left, right = bench.left.twin, bench.right.twin
    if left is None or right is None or left.conventions.loss is None or bench.y is None:
        return None
    loss, y = left.conventions.loss, bench.y[freerun.rows_of(len(bench.x))]

    def curve(twin: Twin, trajectory: Sequence[Values]) -> tuple[float, ...]:
        step = max(1, len(trajectory) // CURVE_POINTS)
        values = []
        with np.errstate(all="ignore"):
            for parameters in trajectory[::step]:
                tape = twin.forward(parameters, runs.rows)
                values.append(float(loss.value(tape.prediction, y)))
        return tuple(values)

    return Curves(
        "left's data loss",
        curve(left, runs.left.trajectory),
        curve(right, runs.right.trajectory),
        curve(Twin(plan.conventions), after) if after else (),
    )
