"""Removes causes on the live side, where its program can be adjusted, and runs it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from netparity.conventions import Conventions, changed
from netparity.diagnosis import loss as losses_
from netparity.diagnosis.bench import Bench
from netparity.diagnosis.candidates import Candidate, Plan, possible
from netparity.diagnosis.canonical import l1_penalties, l2_penalties
from netparity.diagnosis.freerun import distance, drive, floor_of
from netparity.diagnosis.identify import Identified
from netparity.diagnosis.noise import FACTOR, ULPS
from netparity.diagnosis.probes import probe_parameters
from netparity.diagnosis.twin import Twin, Values, decay_coefficients, sign_coefficients
from netparity.nn import L2, SGD


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


def repeats_live(bench: Bench, candidate: Candidate) -> bool:
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
    start: Values = probe_parameters(twin, bench.rng)
    if bench.y is None or twin.conventions.optimizer is None:
        return False
    batches = [(a, b) for a, b in losses_.probe_batches(bench.x, bench.y, bench.batch_size)[:2]]
    known.side.reset()
    live = known.live
    native = live.parameters()
    live.set_parameters(twin.native(start, native))
    run = drive(known.with_twin(twin), live, batches, bench.x[:2])
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
        gone = distance(expected[index], expected[0])
        apart = distance(expected[index], run.trajectory[index])
        rounding = FACTOR * ULPS * float(np.finfo(live.dtype).eps) * _size(expected[index])
        if apart > max(share * gone, rounding):
            return False
    return True


def _size(a: Values) -> float:
    return float(np.sqrt(sum(np.sum(np.square(v)) for v in a.values())))
