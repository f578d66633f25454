"""Measures a stage between left and right with some of right's conventions changed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from netparity.conventions import bugs
from netparity.diagnosis import feeding, initial, masked, modes, observe, observe_forward
from netparity.diagnosis import gradient as gradients_
from netparity.diagnosis.align import neutral, pair
from netparity.diagnosis.bench import Bench
from netparity.diagnosis.candidates import Plan
from netparity.diagnosis.freerun import without_left_faults
from netparity.diagnosis.noise import Measure, reference
from netparity.diagnosis.probes import probe_buffers, probe_inputs, probe_parameters, read, write
from netparity.diagnosis.twin import Array, Twin, wider
from netparity.nn import Dropout


def measures_under(bench: Bench, stage: str) -> Callable[[Plan], list[Measure]]:
    """How a stage is measured between left and right under a plan.

    Args:
        bench: both sides.
        stage: which; one that cannot be measured gives an infinite difference.
    """
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
            other = replace(bench, right=bench.right.with_twin(twin))
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
    other = replace(bench, left=bench.left.with_twin(left), right=bench.right.with_twin(right))
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


def _gradient(bench: Bench, plan: Plan) -> list[Measure]:
    """Both sides' gradients against correct ones, once the plan's bugs are removed."""
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
