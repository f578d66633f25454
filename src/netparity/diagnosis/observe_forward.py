"""Observes the forward pass: predictions and layers, in both modes, with equal inputs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from netparity.diagnosis.align import Pairing
from netparity.diagnosis.bench import Bench, Stage, merge, not_checked, stage_of, why
from netparity.diagnosis.identify import Identified
from netparity.diagnosis.masks import fed
from netparity.diagnosis.noise import (
    Measure,
    Reference,
    clear_rows,
    measure,
    reference,
)
from netparity.diagnosis.structure import probe_parameters, two_dimensional
from netparity.diagnosis.twin import Array, Twin, Values
from netparity.nn import Affine, Context, Dropout, Identity, Layer

SCALES = (1.0, 0.01, 100.0)


# ---- forward -----------------------------------------------------------------------------------
def heads(bench: Bench) -> tuple[Layer, Layer]:
    """What maps each side's predictions to the form in which they can be compared.

    A side that predicts logits, beside one that predicts probabilities which its loss takes
    apart again, computes the same network.
    """
    left, right = bench.left.head, bench.right.head
    if (left is None) == (right is None):
        return Identity(), Identity()
    head = left or right
    if head is None:
        return Identity(), Identity()
    return (Identity(), head) if left is not None else (head, Identity())


def with_head(known: Identified) -> Twin:
    """A side's twin as it predicts: with the head that was set apart."""
    twin = known.twin
    if twin is None:
        msg = "no twin"
        raise ValueError(msg)
    if known.head is None:
        return twin
    return twin.with_(layers=(*(twin.conventions.layers or ()), ("head", known.head)), loss=None)


def forward(bench: Bench) -> Stage:
    """Predictions and layers with the same parameters and batch, both modes, three scales."""
    left, right = bench.left.twin, bench.right.twin
    if left is None or right is None:
        return not_checked("forward", why(bench, "structure"))
    if not bench.pairing.names:
        return not_checked("forward", "no parameter of the two sides could be paired")
    if any(isinstance(n, str) and n.endswith(".weight") for n in bench.pairing.left_only):
        return not_checked("forward", "the weight layers do not pair")
    measures: list[Measure] = []
    x, _ = bench.batch
    training = _trains_alike(bench)
    for scale in SCALES:
        values = probe_parameters(left, bench.rng)
        values = _shared(bench, values)
        inputs = np.asarray(scale * x, dtype=np.float32).astype(np.float64)
        for mode in (False, True) if training and scale == 1.0 else (False,):
            measures += _forward_once(bench, values, inputs, training=mode)
    reason = None if training else "compared in inference mode only: " + _mode_reason(bench)
    return stage_of("forward", merge(measures), reason)


def _shared(bench: Bench, values: Values) -> Values:
    """Zero where left alone has a parameter, as right computes it."""
    return {n: v if n in bench.pairing.names else np.zeros_like(v) for n, v in values.items()}


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
                live.set_parameters(known.twin.native(own, live.parameters()))
            draws = known.draws(live, x)
        finally:
            live.restore(saved)
        if draws is not None:
            return draws
    for known in (bench.left, bench.right):
        draws = known.draws(known.live, x)
        if draws is not None:
            return draws
    return None


def predict_live(
    known: Identified, values: Values, x: Array, *, training: bool, draws: Sequence[Array] | None
) -> Array | None:
    """A side's live predictions at twin parameters, or ``None`` where it cannot in that mode."""
    live, twin = known.live, known.twin
    if twin is None:
        return None
    native = live.parameters()
    saved = live.state()
    try:
        live.set_parameters(twin.native(values, native))
        own_masks = training and draws is not None and "draws" not in live.abilities
        if own_masks and known.draws(live, x) is None:
            return None
        return two_dimensional(
            live.predict(x, training=training, draws=fed(live, draws) if training else None)
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
        with_head(left) if left.head else _headed(left, one),
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


def _headed(known: Identified, head: Layer) -> Twin:
    if known.twin is None or isinstance(head, Identity):
        return (known.twin or Twin(known.declared)).with_(loss=None)
    layers = (*(known.twin.conventions.layers or ()), ("head", head))
    return known.twin.with_(layers=layers, loss=None)


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
    for name, layer in left.conventions.layers or ():
        draw = spare.pop(0) if training and isinstance(layer, Dropout) and spare else None
        other = pairs.get(name)
        if other is None or f"outputs/{name}" not in known.floors:
            continue
        entry = known.evaluation.tape.inputs[name]
        own = {k.rsplit(".", 1)[1]: v for k, v in others.items() if k.rsplit(".", 1)[0] == other[0]}
        got, _ = other[1].apply(own, entry, Context(training=training, draw=draw))
        if np.shape(got) != np.shape(known.values[f"outputs/{name}"]):
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


def pair_layers(left: Twin, right: Twin, pairing: Pairing) -> dict[str, tuple[str, Layer]]:
    """Left layer → right layer: weight layers as paired, the rest in order between them."""
    result: dict[str, tuple[str, Layer]] = {}
    a, b = _segments(left), _segments(right)
    for one, group in a.items():
        other = pairing.layers.get(one, "") if one else ""
        if other not in b or bool(one) != bool(other):
            continue
        if one:
            result[one] = (other, dict(right.conventions.layers or ())[other])
        for kind in (True, False):
            mine = [(n, k) for n, k in group if isinstance(k, Dropout) is kind]
            yours = [(n, k) for n, k in b[other] if isinstance(k, Dropout) is kind]
            if len(mine) == len(yours):
                result |= {n: theirs for (n, _), theirs in zip(mine, yours, strict=True)}
    return result


def _segments(twin: Twin) -> dict[str, list[tuple[str, Layer]]]:
    """The layers between weight layers, keyed by the weight layer before them."""
    segments: dict[str, list[tuple[str, Layer]]] = {"": []}
    current = ""
    for name, layer in twin.conventions.layers or ():
        if isinstance(layer, Affine):
            current = name
            segments[current] = []
        elif not isinstance(layer, Identity):
            segments[current].append((name, layer))
    return segments
