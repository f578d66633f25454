"""Proves each candidate by removing it: in its stage, on the live side or on its twin.

A candidate is a cause when setting its one convention on right to left's value brings the
difference of its stage to the noise floor: alone (root cause) or together with the others of
the stage and not without it (contributes). The gap of the free run judges only the set.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from netparity.conventions import Conventions, bugs, changed
from netparity.diagnosis import feeding, initial, masked, modes, observe, observe_forward
from netparity.diagnosis import loss as losses_
from netparity.diagnosis.align import neutral, pair
from netparity.diagnosis.bench import Bench
from netparity.diagnosis.candidates import BELOW_FLOAT32, Candidate, Plan
from netparity.diagnosis.canonical import l1_penalties, l2_penalties
from netparity.diagnosis.freerun import without_left_faults
from netparity.diagnosis.identify import Identified
from netparity.diagnosis.minimal import smallest
from netparity.diagnosis.noise import Measure, reference, worst
from netparity.diagnosis.probes import (
    probe_buffers,
    probe_inputs,
    probe_parameters,
    read,
    write,
)
from netparity.diagnosis.twin import (
    Array,
    Twin,
    Values,
    decay_coefficients,
    sign_coefficients,
    wider,
)
from netparity.errors import InputError
from netparity.nn import L2, SGD, Dropout


@dataclass(frozen=True, slots=True)
class Verified:
    """A candidate with its verdict."""

    candidate: Candidate
    verdict: Literal["root-cause", "contributes"]
    on: Literal["live", "twin"]
    residual: float
    floor: float


@dataclass(frozen=True, slots=True)
class Found:
    """What came of a stage's candidates.

    Attributes:
        verified: the smallest set that accounts for the stage, each with its verdict.
        innocent: candidates without which the stage is accounted for as well, and why.
        rest: what stays different with all of them removed, where something does.
    """

    verified: tuple[Verified, ...] = ()
    innocent: tuple[tuple[Candidate, str], ...] = ()
    rest: tuple[Measure, ...] = ()


def verify(
    bench: Bench, stage: str, candidates: Sequence[Candidate], beside: Sequence[Candidate] = ()
) -> Found:
    """The candidates of one stage that are causes, each with what is left without it.

    Where all of them together do not bring the stage to its floor, those are kept without which
    more places differ; what stays is reported. What is known ``beside`` them, and is no cause
    (a constant rounded to float32), is taken away throughout.
    """
    given = [c for c in candidates if c.verified is not None]
    known = tuple(
        Verified(c, "root-cause", c.verified, c.residual or 0.0, c.floor or 0.0)
        for c in given
        if c.verified is not None
    )
    open_ = [c for c in candidates if c.verified is None]
    if not open_:
        return Found(known)
    base, measure_stage = apply(Plan(bench.right.conventions), beside), _measures(bench, stage)
    seen: dict[tuple[int, ...], list[Measure]] = {}

    def without(some: Sequence[Candidate]) -> list[Measure]:
        key = tuple(i for i, c in enumerate(open_) if any(c is s for s in some))
        if key not in seen:
            plan = possible(base, [open_[i] for i in key])
            nothing = [Measure(stage, float("inf"), 0.0)]
            seen[key] = nothing if plan is None else measure_stage(plan)
        return seen[key]

    def places(some: Sequence[Candidate]) -> set[str]:
        return {m.where for m in without(some) if m.different}

    rest = places(open_)
    if rest and not rest < places([]):
        return Found(known)
    least = smallest(open_, lambda some: places(some) <= rest)
    verified = []
    for candidate in least:
        alone = worst(without([candidate]))
        clears = not rest and alone is not None and not places([candidate])
        left_over = (alone if clears else worst(without(least))) or Measure(stage, 0.0, 0.0)
        equal = [
            c
            for c in open_
            if c not in least
            and c.id != candidate.id
            and places([c if s is candidate else s for s in least]) <= rest
        ]
        verified.append(
            Verified(
                _with_equals(candidate, equal),
                "root-cause" if clears else "contributes",
                "live" if _live(bench, candidate) else "twin",
                left_over.difference,
                left_over.floor,
            )
        )
    named = {i for v in verified for i in (v.candidate.id, *v.candidate.also)}
    innocent = tuple(
        (c, f"{c.left} on the left, {c.right} on the right: {stage} is accounted for without it")
        for c in open_
        if c not in least and c.id not in named
    )
    still = tuple(m for m in without(least) if m.different)
    return Found((*known, *verified), innocent, still)


def without_effect(bench: Bench, stage: str, candidates: Sequence[Candidate]) -> list[Candidate]:
    """Candidates of a stage that came out equal, each with the reason why it does not show.

    Only what both sides say of themselves is listed: a constant that was measured carries noise.
    """
    if not candidates or not all(_declares(k, stage) for k in (bench.left, bench.right)):
        return []
    reason = "inactive on this data"
    if bench.dtype == np.float32:
        exact = _measures(replace(bench, width=np.dtype(np.float64)), stage)
        base = Plan(bench.right.conventions)

        def shows(candidate: Candidate) -> bool:
            others = [c for c in candidates if c is not candidate]
            return any(m.different for m in exact(apply(base, others)))

        return [replace(c, latent=BELOW_FLOAT32 if shows(c) else reason) for c in candidates]
    return [replace(c, latent=reason) for c in candidates]


def _declares(known: Identified, stage: str) -> bool:
    """Whether a side itself says what it does in a stage."""
    said = known.declared
    return {
        "forward": said.layers is not None,
        "loss": said.loss is not None,
        "regularization": said.penalties is not None,
        "update": said.optimizer is not None,
    }.get(stage, False)


def _with_equals(candidate: Candidate, equal: Sequence[Candidate]) -> Candidate:
    """A cause with those that account for the same in its place, and their fixes."""
    if not equal:
        return candidate
    said = []
    for other in equal:
        lines = [line for line in (other.fix.left, other.fix.right) if line]
        said.append(f"{other.id} ({'; or '.join(lines)})" if lines else other.id)
    return replace(
        candidate,
        also=tuple(dict.fromkeys((*candidate.also, *(c.id for c in equal)))),
        statement=f"{candidate.statement} Equally right: {', '.join(said)}.",
    )


def apply(plan: Plan, candidates: Sequence[Candidate]) -> Plan:
    """A plan with every candidate's convention set as on the left; the structure last.

    Raises:
        InputError: no side can be like that.
    """
    waiting = sorted(candidates, key=lambda c: c.stage == "structure")
    while waiting:
        later = []
        for candidate in waiting:
            try:
                plan = candidate.change(plan)
            except InputError:
                # Two constants of which one may be 0 only while the other is not.
                later.append(candidate)
        if len(later) == len(waiting):
            raise InputError(f"{', '.join(c.id for c in later)}: no such rule")
        waiting = later
    return plan


def possible(plan: Plan, candidates: Sequence[Candidate]) -> Plan | None:
    """As ``apply``, or ``None`` where no side can be like that."""
    try:
        return apply(plan, candidates)
    except InputError:
        return None


def _measures(bench: Bench, stage: str) -> Callable[[Plan], list[Measure]]:
    """How a stage is measured between left and right under a plan."""
    left, right = bench.left.twin, bench.right.twin

    def unmeasurable(_: Plan) -> list[Measure]:
        return [Measure(stage, float("inf"), 0.0)]

    if left is None or right is None:
        return unmeasurable

    def structure(plan: Plan) -> list[Measure]:
        pairing = pair(left, Twin(plan.conventions))
        return [
            Measure(n, float("inf"), 0.0) for n in (*pairing.left_only, *pairing.right_only)
        ] or [Measure("parameters", 0.0, 0.0)]

    def init(plan: Plan) -> list[Measure]:
        rest = [m for m in observe.initial_values(bench).measures if m.where not in plan.initial]
        taken = [m for m in _initial_live(bench) if m.where in plan.initial]
        return [*rest, *taken]

    def data(plan: Plan) -> list[Measure]:
        if bench.exchange is None:
            return unmeasurable(plan)
        together = bench.exchange.put_together(plan.feeding)
        return [feeding.apart(bench.exchange.left.batches, together)]

    def forward(plan: Plan) -> list[Measure]:
        twin = Twin(plan.conventions)
        if masked.apart(bench):
            other = replace(bench, right=replace_twin(bench.right, twin))
            return masked.pair_measures(other, left, twin)
        return [*forward_measures(bench, left, twin), *modes.measures(bench, left, twin)]

    def loss(plan: Plan) -> list[Measure]:
        return observe.loss_measures(bench, left, Twin(plan.conventions))

    def regularization(plan: Plan) -> list[Measure]:
        return observe.penalty_measures(bench, left, Twin(plan.conventions))

    def gradient(plan: Plan) -> list[Measure]:
        return _gradient(bench, plan)

    def update_(plan: Plan) -> list[Measure]:
        mended = Twin(without_left_faults(left.conventions)) if plan.left_faults_removed else left
        return observe.update_measures(bench, mended, Twin(plan.conventions))

    return {
        "structure": structure,
        "init": init,
        "data": data,
        "forward": forward,
        "loss": loss,
        "regularization": regularization,
        "gradient": gradient,
        "update": update_,
    }.get(stage, unmeasurable)


def _initial_live(bench: Bench) -> list[Measure]:
    """Left's values written into right, read back, and compared."""
    right = bench.right
    if right.twin is None:
        return []
    live = right.live
    saved = live.state()
    try:
        values = bench.pairing.to_right(bench.left.parameters, right.twin)
        write(live, right.twin, values)
        back = bench.pairing.to_left(read(live, right.twin))
        mine = bench.pairing.summed(bench.left.parameters)
        left = {n: v for n, v in mine.items() if n in back}
        return initial.compare(left, back, bench.dtype)
    finally:
        live.restore(saved)


def forward_measures(bench: Bench, left: Twin, right: Twin) -> list[Measure]:
    """Two twins layer by layer, in both modes, with the same draws."""
    other = Bench(
        replace_twin(bench.left, left),
        replace_twin(bench.right, right),
        bench.pairing,
        bench.x,
        bench.y,
        bench.batch_size,
        bench.rng,
    )
    measures: list[Measure] = []
    x, _ = bench.batch
    moves = any(k.buffers() or isinstance(k, Dropout) for _, k in left.conventions.layers or ())
    for training in (False, True) if moves else (False,):
        values = probe_parameters(left, bench.rng) | probe_buffers(left, bench.rng)
        for name in bench.pairing.left_only:
            values[name] = np.full_like(values[name], neutral(name))
        inputs = probe_inputs(left, x)
        draws: list[Array] | None = None
        layers = left.dropout_layers()
        if training and layers:
            shapes = left.draw_shapes(inputs)
            if len(right.dropout_layers()) == len(layers):
                shapes = wider(shapes, right.draw_shapes(inputs))
            draws = [np.asarray(bench.rng.random(shape)) for shape in shapes]
        known = reference(
            left.with_(loss=None),
            values,
            inputs,
            None,
            dtype=bench.dtype,
            rng=bench.rng,
            training=training,
            draws=draws,
        )
        rows = np.ones(len(inputs), dtype=bool)
        others = bench.pairing.to_right(values, right)
        measures += observe_forward.layer_measures(
            other, known, others, inputs, rows, training=training, draws=draws
        )
        got = right.forward(others, inputs, training=training, draws=draws).prediction
        if got.shape == known.values["prediction"].shape:
            measures.append(known.measure("prediction", known.values["prediction"], got))
    return measures


def replace_twin(known: Identified, twin: Twin) -> Identified:
    """One side with another twin in the place of its own."""
    return replace(known, twin=twin)


def _gradient(bench: Bench, plan: Plan) -> list[Measure]:
    """Both sides' gradients against correct ones, once the plan's bugs are removed."""
    from netparity.diagnosis import gradient as gradients_

    measures: list[Measure] = []
    for known in (bench.left, bench.right):
        found = known.gradient
        if found is None:
            continue
        conventions = found.conventions
        mended = without_left_faults(conventions)
        removed = (
            plan.left_faults_removed
            if known.side.which == "left"
            else not bugs(plan.conventions.faults)
            and all(
                k.mask_in_backward
                for _, k in plan.conventions.layers or ()
                if isinstance(k, Dropout)
            )
        )
        if not removed:
            measures += found.measures
            continue
        if conventions == mended:
            measures += found.residual
            continue
        probes = []
        for probe in known.gradient_probes:
            twin = Twin(mended)
            wide = {n: np.asarray(v, dtype=np.float64) for n, v in probe.values.items()}
            got = twin.evaluate(wide, probe.x, probe.y, draws=probe.draws).gradients
            probes.append(replace(probe, gradients={n: got[n] for n in probe.gradients}))
        compared = gradients_.compare(known.live, Twin(mended), probes, bench.rng)
        measures += gradients_.summary(compared)
    return measures


# ---- on the live side --------------------------------------------------------------------------
def declared_form(known: Identified, wanted: Conventions) -> Conventions | None:
    """The canonical conventions as the side itself would declare them, for ``adjust``."""
    declared = known.declared
    if declared.layers is None or known.twin is None:
        return None
    mistakes = [(c.frozen, c.faults, c.step_faults) for c in (wanted, known.conventions)]
    if mistakes[0] != mistakes[1]:
        return None
    head = declared.layers[len(wanted.layers or ()) :] if known.head is not None else ()
    layers = (*(wanted.layers or ()), *head)
    loss = wanted.loss
    if loss is not None and known.head is not None and declared.loss is not None:
        loss = changed(loss, input="probabilities")
    names = list(known.twin.network.parameter_shapes())
    decay = decay_coefficients(wanted.penalties or (), names)
    scaled = decay_coefficients(wanted.penalties or (), names, by_batch=True)
    signs = sign_coefficients(wanted.penalties or (), names)
    optimizer = wanted.optimizer
    penalties = declared.penalties
    own = declared.optimizer
    if own is not None and optimizer is not None and own.weight_decay:
        values = {c for c in decay.values() if c}
        if len(values) > 1 or declared.penalties:
            return None
        scope = tuple(n for n, c in decay.items() if c)
        if optimizer.weight_decay and values:
            return None
        plain = isinstance(own, SGD) and own.momentum == 0
        if not optimizer.weight_decay:
            optimizer = changed(
                optimizer,
                weight_decay=next(iter(values), 0.0),
                decay=own.decay if plain else "coupled",
                decay_scope="all" if len(scope) == len(names) else scope,
            )
    elif (decay, scaled, signs) != (
        decay_coefficients(known.conventions.penalties or (), names),
        decay_coefficients(known.conventions.penalties or (), names, by_batch=True),
        sign_coefficients(known.conventions.penalties or (), names),
    ):
        factor = next((p.factor for p in declared.penalties or () if isinstance(p, L2)), 0.5)
        penalties = (
            *l1_penalties(signs),
            *(L2(p.coefficient * p.factor / factor, factor, p.scope) for p in l2_penalties(decay)),
            *l2_penalties(scaled, by_batch=True),
        )
    return replace(
        declared,
        layers=layers,
        loss=loss,
        penalties=penalties,
        optimizer=optimizer,
        clipping=wanted.clipping,
        schedule=wanted.schedule,
        schedule_every=wanted.schedule_every,
    )


def adjusted(known: Identified, wanted: Conventions, x: object) -> bool:
    """Makes a live side follow canonical conventions; whether it could."""
    form = declared_form(known, wanted)
    if form is None or "adjust" not in known.live.abilities:
        return False
    return bool(known.live.adjust(form, x))  # type: ignore[arg-type]


def undo(known: Identified, x: object) -> None:
    """Puts a live side back to what it declared."""
    known.live.adjust(known.declared, x)  # type: ignore[arg-type]
    known.side.reset()


def _live(bench: Bench, candidate: Candidate) -> bool:
    """Whether the live right side, adjusted, does what its changed twin does for some steps."""
    if candidate.stage in {"init", "data"}:
        return True
    right = bench.right
    base = Plan(right.conventions)
    plan = possible(base, [candidate])
    if plan is None or plan.conventions == base.conventions:
        return False
    if right.twin is None or bench.y is None:
        return False
    small = bench.x[: min(3, len(bench.x))]
    if not adjusted(right, plan.conventions, small):
        return False
    try:
        return steps_agree(bench, right, Twin(plan.conventions))
    finally:
        undo(right, small)


def steps_agree(bench: Bench, known: Identified, twin: Twin) -> bool:
    """Two whole live steps against the twin's, from parameters of our choosing."""
    from netparity.diagnosis.freerun import drive, floor_of

    start: Values = probe_parameters(twin, bench.rng)
    if bench.y is None or twin.conventions.optimizer is None:
        return False
    batches = [(a, b) for a, b in losses_.probe_batches(bench.x, bench.y, bench.batch_size)[:2]]
    known.side.reset()
    live = known.live
    native = live.parameters()
    live.set_parameters(twin.native(start, native))
    run = drive(replace_twin(known, twin), live, batches, bench.x[:2])
    floor = floor_of(
        Bench(known, known, bench.pairing, bench.x, bench.y, bench.batch_size, bench.rng),
        twin,
        run.trajectory[0],
        batches,
        run.draws,
        np.asarray(bench.x[:2], dtype=np.float64),
    )
    expected = twin.run(run.trajectory[0], batches, run.draws)
    for index, share in enumerate(floor.parameters):
        gone = _norm(expected[index], expected[0])
        apart = _norm(expected[index], run.trajectory[index])
        if apart > max(share * gone, 40 * float(np.finfo(live.dtype).eps) * _size(expected[index])):
            return False
    return True


def _norm(a: Values, b: Values) -> float:
    return float(np.sqrt(sum(np.sum(np.square(a[n] - b[n])) for n in a)))


def _size(a: Values) -> float:
    return float(np.sqrt(sum(np.sum(np.square(v)) for v in a.values())))


__all__ = [
    "Found",
    "Verified",
    "adjusted",
    "apply",
    "declared_form",
    "steps_agree",
    "undo",
    "verify",
    "without_effect",
]
