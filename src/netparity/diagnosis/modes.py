"""Each side in the mode in which it was handed over, beside training and inference.

A module left in inference mode is trained in it: without dropout, by running statistics. Both
sides can agree in training and in inference and still train differently.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np

from netparity.diagnosis.bench import Bench
from netparity.diagnosis.candidates import Both, Candidate, set_conventions
from netparity.diagnosis.identify import Identified
from netparity.diagnosis.noise import Measure, reference
from netparity.diagnosis.probes import probe_buffers, probe_inputs, probe_parameters
from netparity.diagnosis.twin import Twin
from netparity.nn import BatchNorm, Dropout, Layer
from netparity.report.model import Evidence, Fix

PLACE: Final = "predictions as handed over"
MODES: Final = {True: "in training mode", False: "in inference mode"}


def measures(bench: Bench, left: Twin, right: Twin) -> list[Measure]:
    """Both networks with the same values and batch, each in its own mode; none where alike."""
    one, two = left.conventions.trains, right.conventions.trains
    if one == two or not _comparable(bench.left, bench.right):
        return []
    x, _ = bench.batch
    values = probe_parameters(left, bench.rng) | probe_buffers(left, bench.rng)
    inputs = probe_inputs(left, x)
    draws = left.new_draws(inputs, bench.rng)
    known = reference(
        left.with_(loss=None),
        values,
        inputs,
        None,
        dtype=bench.dtype,
        rng=bench.rng,
        training=one,
        draws=draws,
    )
    others = bench.pairing.to_right(values, right)
    got = right.forward(others, inputs, training=two, draws=draws).prediction
    if np.shape(got) != known.values["prediction"].shape:
        return []
    return [known.measure("prediction", known.values["prediction"], got, PLACE)]


def _comparable(left: Identified, right: Identified) -> bool:
    """Whether the modes mean the same: both of their steps, or both of bare calls."""
    steps = ["step" in known.live.abilities for known in (left, right)]
    alike = len(left.twin.dropout_layers() if left.twin else ()) == len(
        right.twin.dropout_layers() if right.twin else ()
    )
    return steps[0] == steps[1] and alike


def candidates(both: Both) -> Iterator[Candidate]:
    """One side left in another mode, by the layers to which that matters."""
    left, right = both.left.conventions, both.right.conventions
    if left.trains == right.trains:
        return
    drops = _names(both, Dropout)
    normalizes = _names(both, BatchNorm)
    if not drops and not normalizes:
        return
    steps = "step" in both.left.live.abilities
    ids = [i for i, n in (("dropout-training-flag", drops), ("bn-train-eval", normalizes)) if n]
    what = "trained" if steps else "called"
    acts = []
    if drops:
        acts.append(f"{', '.join(drops)} drops units on one side only")
    if normalizes:
        acts.append(f"{', '.join(normalizes)} takes its statistics from elsewhere")
    yield Candidate(
        ids[0],
        "forward",
        (PLACE,),
        f"{what} {MODES[left.trains]}",
        f"{what} {MODES[right.trains]}",
        f"As handed over, left is {what} {MODES[left.trains]} and right {MODES[right.trains]}: "
        + "; ".join(acts)
        + ". Put into one mode the two agree.",
        (Evidence("mode as handed over", MODES[left.trains], MODES[right.trains], None),),
        Fix(_line(both.left, to=right.trains), _line(both.right, to=left.trains)),
        set_conventions(trains=left.trains),
        also=tuple(ids[1:]),
    )


def _names(both: Both, kind: type[Layer]) -> tuple[str, ...]:
    """The layers of left that act otherwise in training."""
    return tuple(
        n
        for n, layer in both.left.conventions.layers or ()
        if isinstance(layer, kind) and not (isinstance(layer, Dropout) and layer.rate == 0)
    )


def _line(known: Identified, *, to: bool) -> str | None:
    """The line that puts a side into a mode."""
    call = f"training={to}"
    return {
        "torch": "model.train()" if to else "model.eval()",
        "flax": "model.train()" if to else "model.eval()",
        "jax": "model.train()" if to else "model.eval()",
        "keras": f"y = model(x, {call})",
        "tensorflow": f"y = model(x, {call})",
    }.get(known.live.framework)
