"""Observes the forward pass: predictions and layers, in both modes, with equal inputs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from netparity.diagnosis.align import neutral, pair_layers
from netparity.diagnosis.bench import Bench, Stage, merge, not_checked, stage_of, why
from netparity.diagnosis.heads import head_of, headed
from netparity.diagnosis.identify import Identified
from netparity.diagnosis.layout import keeps_statistics
from netparity.diagnosis.masks import fed
from netparity.diagnosis.noise import (
    Measure,
    Reference,
    clear_rows,
    measure,
    reference,
)
from netparity.diagnosis.probes import (
    probe_buffers,
    probe_inputs,
    probe_parameters,
    takes_tokens,
    write,
)
from netparity.diagnosis.structure import two_dimensional
from netparity.diagnosis.twin import Array, Twin, Values, reduced, wider
from netparity.nn import Context, Dropout, Identity, Layer
from netparity.nn.network import INPUT

SCALES = (1.0, 0.01, 100.0)


# ---- forward -----------------------------------------------------------------------------------
def heads(bench: Bench) -> tuple[Layer, Layer]:
    """What maps each side's predictions to the form in which they can be compared.

    A side that predicts logits, beside one that predicts probabilities which its loss takes
    apart again, computes the same network.
    """
    left, right = (
        Identity() if known.head is not None or known.twin is None else head_of(bench, known.twin)
        for known in (bench.left, bench.right)
    )
    return left, right


def with_head(known: Identified) -> Twin:
    """A side's twin as it predicts: with the head that was set apart."""
    twin = known.twin
    if twin is None:
        msg = "no twin"
        raise ValueError(msg)
    if known.head is None:
        return twin
    return headed(twin, known.head)


def forward(bench: Bench) -> Stage:
    """Predictions and layers with the same parameters and batch, both modes, three scales."""
    left, right = bench.left.twin, bench.right.twin
    if left is None or right is None:
        return not_checked("forward", why(bench, "structure"))
    if not bench.pairing.names:
        return not_checked("forward", "no parameter of the two sides could be paired")
    if any(n.endswith("weight") for n in bench.pairing.left_only):
        return not_checked("forward", "the layers do not pair")
    measures: list[Measure] = []
    x, _ = bench.batch
    training = _trains_alike(bench)
    normalizes = any(k.buffers() for _, k in left.conventions.layers or ())
    for scale in SCALES if not takes_tokens(left) else SCALES[:1]:
        values = probe_parameters(left, bench.rng) | probe_buffers(left, bench.rng)
        values = _shared(bench, values)
        inputs = probe_inputs(left, x, scale)
        trained = training and (scale == 1.0 or normalizes)
        for mode in (False, True) if trained else (False,):
            measures += _forward_once(bench, values, inputs, training=mode)
    reason = None if training else "compared in inference mode only: " + _mode_reason(bench)
    return stage_of("forward", merge(measures), reason)


def _shared(bench: Bench, values: Values) -> Values:
    """Neutral where left alone has a parameter, as right computes it."""
    names = bench.pairing.names
    return {n: v if n in names else np.full_like(v, neutral(n)) for n, v in values.items()}


def dropouts(twin: Twin) -> list[tuple[str, Dropout]]:
    """The dropout layers of a twin."""
    return [(n, d) for n, d in twin.conventions.layers or () if isinstance(d, Dropout)]


def _trains_alike(bench: Bench) -> bool:
    left, right = bench.left.twin, bench.right.twin
    if left is None or right is None or "training" in bench.left.missing | bench.right.missing:
        return False
    return len(dropouts(left)) == len(dropouts(right))


def _mode_reason(bench: Bench) -> str:
    for known in (bench.left, bench.right):
        if "training" in known.missing:
            return known.missing["training"]
    return "the sides have different numbers of dropout layers"


def common_draws(bench: Bench, x: Array, values: Values | None = None) -> list[Array] | None:
    """One set of draws for both: left's own masks where it shows them, else right's, else new.

    ``values`` are the parameters (by left's names) at which a side shows its masks: a unit
    that is zero before its dropout does not show whether it is kept.
    """
    for known in (bench.left, bench.right):
        if "draws" in known.live.abilities or known.twin is None:
            continue
        live = known.live
        saved = live.state()
        try:
            if values is not None:
                own = values
                if known is bench.right:
                    own = bench.pairing.to_right(values, known.twin)
                write(live, known.twin, own)
            draws = known.draws(live, x)
        finally:
            live.restore(saved)
        if draws is not None:
            return draws
    for known in (bench.left, bench.right):
        draws = known.draws(known.live, x)
        if draws is not None:
            return _of_both(bench, x, draws)
    return None


def _of_both(bench: Bench, x: Array, draws: list[Array]) -> list[Array]:
    """The draws, made anew for every element where one side alone drops whole channels."""
    left, right = bench.left.twin, bench.right.twin
    if left is None or right is None:
        return draws
    shapes = [twin.draw_shapes(x) for twin in (left, right)]
    if len(shapes[0]) != len(shapes[1]) or shapes[0] == shapes[1]:
        return draws
    return [np.asarray(bench.rng.random(shape)) for shape in wider(shapes[0], shapes[1])]


def predict_live(
    known: Identified, values: Values, x: Array, *, training: bool, draws: Sequence[Array] | None
) -> Array | None:
    """A side's live predictions at twin parameters, or ``None`` where it cannot in that mode."""
    live, twin = known.live, known.twin
    if twin is None:
        return None
    saved = live.state()
    try:
        write(live, twin, values)
        own_masks = training and draws is not None and "draws" not in live.abilities
        if own_masks and known.draws(live, x) is None:
            return None
        return two_dimensional(
            live.predict(x, training=training, draws=fed(live, twin, draws) if training else None)
        )
    except Exception:
        if training:
            return None
        raise
    finally:
        live.restore(saved)


def _forward_once(bench: Bench, values: Values, x: Array, *, training: bool) -> list[Measure]:
    left, right = bench.left, bench.right
    if left.twin is None or right.twin is None:
        return []
    draws = common_draws(bench, x, values) if training else None
    others = bench.pairing.to_right(values, right.twin)
    known = reference(
        left.twin.with_(loss=None),
        values,
        x,
        None,
        dtype=bench.dtype,
        rng=bench.rng,
        training=training,
        draws=draws,
    )
    rows = clear_rows(left.twin.with_(loss=None), known, None)
    if not rows.any():
        rows[:] = True
    measures = layer_measures(bench, known, others, x, rows, training=training, draws=draws)
    a = predict_live(left, values, x, training=training, draws=draws)
    b = predict_live(right, others, x, training=training, draws=draws)
    if a is None or b is None:
        return measures
    one, two = heads(bench)
    floor_twin = reference(
        with_head(left) if left.head else headed(left.twin, one),
        values,
        x,
        None,
        dtype=bench.dtype,
        rng=bench.rng,
        training=training,
        draws=draws,
    )
    place = "predictions" if not training else "predictions in training"
    got = measure(
        one.apply({}, a)[0][rows],
        two.apply({}, b)[0][rows],
        two_dimensional(floor_twin.floors["prediction"])[rows],
        two_dimensional(floor_twin.values["prediction"])[rows],
        place,
    )
    return [*measures, got]


def layer_measures(
    bench: Bench,
    known: Reference,
    others: Values,
    x: Array,
    rows: Array,
    *,
    training: bool,
    draws: Sequence[Array] | None,
) -> list[Measure]:
    """Layer by layer, each given left's input: the twins, which both sides were shown to equal."""
    left, right = bench.left.twin, bench.right.twin
    if left is None or right is None:
        return []
    measures = []
    spare = list(draws or ())
    pairs = pair_layers(left, right, bench.pairing)
    back = {theirs: name for name, (theirs, _) in pairs.items()} | {INPUT: INPUT}
    for name, layer in left.conventions.layers or ():
        draw = spare.pop(0) if training and isinstance(layer, Dropout) and spare else None
        other = pairs.get(name)
        if other is None or f"outputs/{name}" not in known.floors:
            continue
        entry = known.evaluation.tape.inputs[name]
        mine = [back.get(n) for n in other[1].sources]
        if None in mine:
            continue
        sources = tuple(known.evaluation.outputs[n] if n != INPUT else x for n in mine if n)
        updates: Values = {}
        draw = None if draw is None else reduced(other[1], draw)
        context = Context(training=training, draw=draw, others=sources, updates=updates)
        got, _ = other[1].apply(_own(other, others), entry, context)
        if keeps_statistics(left.conventions, name) and keeps_statistics(
            right.conventions, other[0]
        ):
            measures += _kept(known, name, updates)
        if np.shape(got) != np.shape(known.values[f"outputs/{name}"]):
            measures.append(Measure(name, float("inf"), 0.0))
            continue
        measures.append(
            measure(
                known.values[f"outputs/{name}"][rows],
                np.asarray(got)[rows],
                known.floors[f"outputs/{name}"][rows],
                known.values[f"outputs/{name}"][rows],
                name,
            )
        )
    return measures


def _own(other: tuple[str, Layer], values: Values) -> Values:
    """The parameters and buffers of one layer; buffers that are not given are as at first."""
    name, layer = other
    first = {key: np.full(shape, value) for key, (shape, value) in layer.buffers().items()}
    given = {k.rpartition(".")[2]: v for k, v in values.items() if k.rpartition(".")[0] == name}
    return first | given


def _kept(known: Reference, name: str, updates: Values) -> list[Measure]:
    """The running statistics that a layer keeps after a batch, beside those of left's."""
    places = {key: f"buffers/{name}.{key}" for key in updates}
    return [
        known.measure(place, known.values[place], updates[key], f"{name}.{key}")
        for key, place in places.items()
        if place in known.floors
    ]
