"""Takes a diagnosis through its stages: observed, explained, verified, then let go."""

from __future__ import annotations

import contextlib
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np

from netparity.diagnosis import (
    attribute,
    explain,
    freerun,
    masked,
    modes,
    observe,
    observe_forward,
    rearranged,
    reported,
    streams,
    unguided,
    verify,
)
from netparity.diagnosis.bench import Bench, Stage, not_checked, stage_of
from netparity.diagnosis.candidates import BELOW_FLOAT32, Both, Candidate, start_from_left
from netparity.diagnosis.noise import Measure
from netparity.diagnosis.sides import Pair, Streams
from netparity.errors import InputError


class Reporter(Protocol):
    """Takes note of how far a diagnosis has come."""

    def stage(self, text: str, fraction: float) -> None:
        """Says what is being done and how much of the whole is done (0 to 1)."""


@dataclass(slots=True)
class Diagnosis:
    """What is known so far, stage by stage."""

    bench: Bench
    pair: Pair
    stages: dict[str, Stage] = field(default_factory=dict)
    verified: list[verify.Verified] = field(default_factory=list)
    latent: list[Candidate] = field(default_factory=list)
    explained: set[str] = field(default_factory=set)
    failures: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    rest: dict[str, tuple[Measure, ...]] = field(default_factory=dict)
    innocent: list[tuple[str, str]] = field(default_factory=list)
    masks: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def fail(self, stage: str, reason: str) -> None:
        """Takes note that a side raised: the stage is not checked, and that is unexplained."""
        self.stages[stage] = not_checked(stage, reason)
        self.failures[stage] = reason

    @contextlib.contextmanager
    def guarded(self, stage: str) -> Iterator[None]:
        """A stage in which a side may raise: that is its failure, and the others go on."""
        try:
            yield
        except InputError:
            raise
        except Exception as error:
            which = self._raised_by(error)
            if which is None:
                raise
            self.fail(stage, f"{which} raised {type(error).__name__}: {error}")
            for side in self.pair.sides():
                side.reset()

    def _raised_by(self, error: Exception) -> str | None:
        """The side from within which an error came, if it came from within one."""
        lives = {id(k.live): k.side.which for k in (self.bench.left, self.bench.right)}
        for frame, _ in traceback.walk_tb(error.__traceback__):
            which = lives.get(id(frame.f_locals.get("self")))
            if which is not None:
                return which
        return None

    def add(
        self,
        stage: Stage,
        candidates: Sequence[Candidate],
        explains: str | None = None,
        beside: Sequence[Candidate] = (),
    ) -> None:
        """Takes a stage, verifies what was proposed for it, and keeps what holds.

        ``beside``: what is known of the stage already.
        """
        self.stages.setdefault(stage.stage, stage)
        if stage.status != "different":
            self.latent += [c for c in candidates if c.latent is not None]
            if stage.status == "equal":
                silent = [c for c in candidates if c.latent is None]
                self.latent += verify.without_effect(self.bench, stage.stage, silent)
            return
        real = [c for c in candidates if c.latent is None]
        silent = [c for c in candidates if c.latent is not None]
        self.latent += silent
        found = verify.verify(self.bench, explains or stage.stage, real, [*silent, *beside])
        self.take(found)
        for cause in found.verified:
            self._show(cause.candidate.stage, stage)
        if found.rest and found.verified:
            self.rest[stage.stage] = found.rest
        elif found.verified or (candidates and not real):
            self.explained.add(explains or stage.stage)

    def take(self, found: verify.Found) -> None:
        """Keeps what was verified, and what was found innocent."""
        self.verified += found.verified
        self.innocent += [(c.id, why) for c, why in found.innocent]

    def _show(self, belongs: str, observed: Stage) -> None:
        """Shows a stage as different whose cause was observed in a later one."""
        if belongs != observed.stage and belongs in self.stages:
            wrong = tuple(m for m in observed.measures if m.different)
            self.stages[belongs] = Stage(belongs, "different", wrong)
            self.explained.add(belongs)


def compare_stages(diagnosis: Diagnosis, told: Reporter, *, steps: int, batch_size: int) -> None:
    """Observes, explains and verifies every stage, in causal order."""
    bench = diagnosis.bench
    both = Both(bench.left, bench.right)
    pairing = bench.pairing
    told.stage("compare structure and initial values", 0.5)
    diagnosis.add(observe.structure(bench), list(explain.structure(both, pairing)))
    with diagnosis.guarded("init"):
        _initial(diagnosis, both)
    told.stage("compare what is fed", 0.53)
    _data_stage(diagnosis, both, batch_size, steps)
    told.stage("compare forward passes", 0.55)
    with diagnosis.guarded("forward"):
        _forward(diagnosis, both)
    told.stage("compare losses and gradients", 0.58)
    with diagnosis.guarded("loss"):
        diagnosis.add(observe.loss(bench), list(explain.loss(both, observe.loss_shows(bench))))
    with diagnosis.guarded("regularization"):
        found = observe.regularization(bench)
        known = found.status != "not-checked"
        diagnosis.add(found, list(explain.regularization(both, pairing)) if known else [])
    with diagnosis.guarded("gradient"):
        diagnosis.add(observe.gradient(bench), list(explain.gradient(both)))
    told.stage("compare updates", 0.62)
    with diagnosis.guarded("update"):
        _unreached_clips(diagnosis, both, steps, batch_size)
        diagnosis.add(observe.update_rule(bench), [*explain.update(both), *explain.step(both)])
    told.stage("watch what both report", 0.65)
    _reporting(diagnosis, steps, batch_size)
    if "rng" not in diagnosis.stages:
        diagnosis.stages["rng"] = stage_of("rng", [Measure("initial values", 0.0, 0.0)])


def _initial(diagnosis: Diagnosis, both: Both) -> None:
    bench, pair = diagnosis.bench, diagnosis.pair
    if masked.masking(v.candidate.id for v in diagnosis.verified):
        masks = masked.masking(v.candidate.id for v in diagnosis.verified)
        diagnosis.add(not_checked("init", f"masked by {', '.join(masks)}"), [])
        return
    stage = observe.initial_values(bench)
    known: list[Candidate] = []
    turned = rearranged.find(bench, stage)
    if turned:
        names = {r.name for r in turned}
        seen = [m for m in diagnosis.stages["structure"].measures if m.different]
        wrong = (*seen, *(r.before for r in turned))
        diagnosis.stages["structure"] = Stage("structure", "different", wrong)
        known += explain.rearranged(both, turned)
        diagnosis.take(verify.verify(bench, "init", known))
        diagnosis.explained.add("structure")
        stage = replace(stage, measures=tuple(m for m in stage.measures if m.where not in names))
        stage = stage_of("init", stage.measures)
    kept = [m for m in stage.measures if m.different and _is_kept(bench, m.where)]
    if kept and not _rounded_copy(bench, stage):
        diagnosis.stages["init"] = stage
        found = explain.kept_values(both, kept)
        diagnosis.take(verify.verify(bench, "init", [found], known))
        known.append(found)
        diagnosis.explained.add("init")
        names = {m.where for m in kept}
        rest = tuple(m for m in stage.measures if m.where not in names)
        if not any(m.different for m in rest):
            return
        stage = stage_of("init", rest)
    if stage.status == "different" and _rounded_copy(bench, stage):
        diagnosis.latent.append(_dtype_default(both, stage))
        diagnosis.stages["init"] = replace(
            stage, status="equal", reason="a copy rounded to float32 on one side"
        )
        return
    if stage.status != "different":
        diagnosis.add(stage, [])
        return
    moved = list(streams.position(both, pair, bench.pairing))
    seeds = list(streams.seeds(both, pair))
    if moved or seeds:
        apart = max((m.difference for m in stage.measures), default=0.0)
        rng = Stage("rng", "different", (Measure("initial values", apart, 0.0),))
        diagnosis.add(rng, [*moved, *seeds])
    if moved:
        diagnosis.stages["init"] = stage
        diagnosis.explained.add("init")
        return
    places = stage.different_places
    # One draw leaves more than one law open: other builds of a side give others.
    draws = streams.drawn_again(both, pair)
    proposed = list(explain.initial_values(both, bench.pairing, places, draws))
    diagnosis.add(stage, proposed, beside=known)


def _is_kept(bench: Bench, name: str) -> bool:
    """Whether a value handed over is kept, and not trained: a running statistic."""
    twin = bench.left.twin
    return twin is not None and name not in twin.network.parameter_shapes()


def _rounded_copy(bench: Bench, stage: Stage) -> bool:
    """Whether the values that differ are a copy that one side stores in float32."""
    left = bench.pairing.summed(bench.left.parameters)
    right = bench.pairing.to_left(bench.right.parameters)
    return all(
        np.array_equal(left[n].astype(np.float32), right[n].astype(np.float32))
        for n in stage.different_places
    )


def _dtype_default(both: Both, stage: Stage) -> Candidate:
    return Candidate(
        "dtype-default",
        "init",
        stage.different_places,
        "float64 values",
        "the same, rounded to float32",
        "The initial values are a copy that one side stores in float32.",
        (),
        both.fix("dtype-default", left="float32", right="float64"),
        start_from_left(both.left.parameters),
        latent=BELOW_FLOAT32,
    )


def _data_stage(diagnosis: Diagnosis, both: Both, batch_size: int, steps: int) -> None:
    bench = diagnosis.bench
    if bench.y is None:
        diagnosis.add(not_checked("data", "no targets were given"), [])
        return
    try:
        bench.exchange = unguided.watch_both(diagnosis.pair, batch_size, steps)
    except unguided.SideError as error:
        diagnosis.fail("data", str(error))
        return
    stage = observe.data(bench.exchange)
    candidates = list(explain.data(both, bench.exchange)) if stage.status == "different" else []
    diagnosis.add(stage, candidates)


def _forward(diagnosis: Diagnosis, both: Both) -> None:
    """The forward pass; behind another structure only the layers that pair."""
    bench = diagnosis.bench
    stage = observe_forward.forward(bench)
    left, right = bench.left.twin, bench.right.twin
    if stage.status != "not-checked" and left is not None and right is not None:
        handed = modes.measures(bench, left, right)
        stage = stage_of("forward", [*stage.measures, *handed], stage.reason)
    masks = masked.masking(v.candidate.id for v in diagnosis.verified)
    if stage.status != "not-checked" or not masks:
        diagnosis.add(stage, [*explain.forward(both, bench.pairing), *modes.candidates(both)])
        return
    stage = masked.forward(bench, masks)
    before = len(diagnosis.verified)
    proposed = list(explain.forward(both, bench.pairing)) if stage.status == "different" else []
    # What stands alone there belongs to the layers that have no counterpart.
    diagnosis.add(stage, [c for c in proposed if c.id not in masked.STRUCTURAL])
    hidden = tuple(v.candidate.id for v in diagnosis.verified[before:])
    if hidden:
        diagnosis.masks |= dict.fromkeys(masks, hidden)


def _fresh(pair: Pair) -> tuple[Any, Any]:
    """Both sides as handed over: built anew, or reset where they were handed over ready-made."""
    for side in pair.sides():
        side.reset()
    return pair.rebuild()


def _unreached_clips(diagnosis: Diagnosis, both: Both, steps: int, batch_size: int) -> None:
    """Sets clips aside that no gradient of these steps reaches: they are latent."""
    bench = diagnosis.bench
    clipped = [k for k in (bench.left, bench.right) if k.conventions.clipping is not None]
    if bench.y is None or not clipped:
        return
    rows = range(0, len(bench.x), batch_size)
    batches = [(bench.x[i : i + batch_size], bench.y[i : i + batch_size]) for i in rows]
    batches = (batches * (steps // len(batches) + 1))[:steps]
    if any(k.twin is None or k.twin.clips(k.parameters, batches) for k in clipped):
        return
    diagnosis.latent += explain.clipping(both, "inactive on this data: no gradient reaches it")
    for known in clipped:
        if known.twin is not None:
            known.twin = known.twin.with_(clipping=None)


def _reporting(diagnosis: Diagnosis, steps: int, batch_size: int) -> None:
    bench = diagnosis.bench
    if bench.y is None:
        diagnosis.add(not_checked("reporting", "no targets were given"), [])
        return
    lefts, rights = _fresh(diagnosis.pair)
    looked = []
    for known, live in ((bench.left, lefts), (bench.right, rights)):
        try:
            raw, prepared = diagnosis.pair.raw, diagnosis.pair.data[known.side.which]
            looked.append(reported.look(known, live, raw, prepared, batch_size, steps))
        except InputError:
            raise
        except Exception as error:
            reason = f"{known.side.which} raised {type(error).__name__}: {error}"
            diagnosis.fail("reporting", reason)
            return
    alike = not diagnosis.verified and all(
        s.status != "different" for s in diagnosis.stages.values()
    )
    stage, candidates, _ = reported.observe(looked[0], looked[1], alike=alike)
    diagnosis.add(stage, candidates)


def let_go(diagnosis: Diagnosis, steps: int, batch_size: int) -> freerun.FreeRuns | None:
    """Runs both sides freely, as they were handed over."""
    bench = diagnosis.bench
    left, right = bench.left, bench.right
    if bench.y is None or left.twin is None or right.twin is None:
        return None
    if not all("step" in k.live.abilities for k in (left, right)):
        diagnosis.notes.append("no free run: a side gives no step")
        return None
    if any("training" in k.missing for k in (left, right)):
        diagnosis.notes.append("no free run: dropout masks cannot be matched")
        return None
    exchange = bench.exchange
    if exchange is None:
        return None  # feeding failed, and the data stage says so
    if any(w is not None for side in (exchange.left, exchange.right) for _, _, w in side.batches):
        diagnosis.notes.append("no free run: the rows are weighted")
        return None
    fed: dict[str, freerun.Batches] = {
        "left": freerun.first(exchange.left.batches, steps),
        "right": freerun.first(exchange.right.batches, steps),
    }
    lefts, rights = _fresh(diagnosis.pair)
    rows = np.asarray(bench.x[freerun.rows_of(len(bench.x))])
    driven: dict[str, tuple[freerun.Run, freerun.Batches]] = {}
    order = [(left, left.twin, lefts), (right, right.twin, rights)]
    if "draws" in left.live.abilities and "draws" not in right.live.abilities:
        order.reverse()
    streams = Streams.capture(left.side.loaded, right.side.loaded)
    for known, twin, live in order:
        streams.restore()  # masks that both draw from one stream are the same
        batches = fed[known.side.which]
        draws = next(
            (run.draws for run, _ in driven.values()), freerun.shared_draws(bench, batches)
        )
        try:
            run = freerun.drive(known, live, batches, rows, freerun.fitting(draws, batches, twin))
        except InputError:
            raise
        except Exception as error:
            diagnosis.fail("update", f"{known.side.which} raised {type(error).__name__}: {error}")
            continue
        driven[known.side.which] = (run, batches)
    if len(driven) < len(order):
        return None
    (first, left_batches), (second, right_batches) = driven["left"], driven["right"]
    floor = freerun.measured_floor(bench, driven, rows)
    if floor is None:
        diagnosis.notes.append("no free run: neither side's rule is known, so neither is its noise")
        return None
    taken = max(len(left_batches), len(right_batches))
    runs = freerun.FreeRuns(bench, taken, first, second, left_batches, right_batches, floor, rows)
    for known in (left, right):
        run, batches = driven[known.side.which]
        runs.twins_hold[known.side.which] = attribute.twin_holds(runs, known, run, batches)
    return runs
