"""Observes every stage with equal inputs on both sides.

Each function returns one stage: how far the sides are apart there, and the floor. What a
side does live is used where the stage can be driven alone; where it cannot, its twin stands
in, which has been shown to reproduce it at that stage.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from netparity.diagnosis import feeding, initial, update
from netparity.diagnosis.align import Pairing
from netparity.diagnosis.identify import Identified
from netparity.diagnosis.noise import (
    Measure,
    Reference,
    clear_rows,
    coarser,
    measure,
    reference,
    worst,
)
from netparity.diagnosis.structure import fed, probe_parameters, two_dimensional
from netparity.diagnosis.twin import Array, Twin, Values
from netparity.nn import Affine, Dropout, Identity, Layer, Penalty, Sigmoid, Softmax
from netparity.report.model import Status

SCALES = (1.0, 0.01, 100.0)


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage as observed."""

    stage: str
    status: Status
    measures: tuple[Measure, ...] = ()
    reason: str | None = None

    @property
    def worst(self) -> Measure | None:
        """The measure with the largest ratio of difference to floor."""
        return worst(self.measures) or (self.measures[0] if self.measures else None)

    @property
    def different_places(self) -> tuple[str, ...]:
        """Where the difference is real."""
        return tuple(m.where for m in self.measures if m.different)


@dataclass(slots=True)
class Bench:
    """Everything the stages are observed with."""

    left: Identified
    right: Identified
    pairing: Pairing
    x: Array
    y: Array | None
    batch_size: int
    rng: np.random.Generator
    notes: list[str] = field(default_factory=list)

    @property
    def dtype(self) -> np.dtype[Any]:
        """The coarser of the two working widths."""
        return coarser(self.left.live.dtype, self.right.live.dtype)

    @property
    def batch(self) -> tuple[Array, Array | None]:
        """One batch of the data."""
        rows = min(len(self.x), self.batch_size)
        return self.x[:rows], None if self.y is None else self.y[:rows]


def stage_of(stage: str, measures: Sequence[Measure], reason: str | None = None) -> Stage:
    """A stage from its measures: nothing measured is not checked, never equal."""
    usable = [m for m in measures if m.conditioned]
    if not measures:
        return Stage(stage, "not-checked", (), reason or "nothing could be compared")
    if not usable:
        return Stage(
            stage, "not-checked", tuple(measures), "ill-conditioned: the value is mostly rounding"
        )
    status: Status = "different" if any(m.different for m in usable) else "equal"
    return Stage(stage, status, tuple(measures), reason)


def not_checked(stage: str, reason: str) -> Stage:
    """A stage that could not be compared."""
    return Stage(stage, "not-checked", (), reason)


# ---- structure ---------------------------------------------------------------------------------
def structure(bench: Bench) -> Stage:
    """Weight layers, their widths and biases, in order of execution."""
    left, right = bench.left.twin, bench.right.twin
    if left is None or right is None:
        return not_checked("structure", _why(bench, "structure"))
    measures = [Measure(name, 0.0, 0.0) for name in bench.pairing.names]
    measures += [Measure(f"left: {n}", float("inf"), 0.0) for n in bench.pairing.left_only]
    measures += [Measure(f"right: {n}", float("inf"), 0.0) for n in bench.pairing.right_only]
    return stage_of("structure", measures)


def _why(bench: Bench, stage: str) -> str:
    reasons = [k.missing[stage] for k in (bench.left, bench.right) if stage in k.missing]
    return "; ".join(reasons) or "not exposed on both sides"


# ---- init --------------------------------------------------------------------------------------
def initial_values(bench: Bench) -> Stage:
    """The parameters handed over."""
    right = bench.pairing.to_left(bench.right.parameters)
    left = {n: v for n, v in bench.left.parameters.items() if n in right}
    return stage_of("init", initial.compare(left, right, bench.dtype))


# ---- data --------------------------------------------------------------------------------------
def data(left: feeding.Fed, right: feeding.Fed) -> Stage:
    """What both sides feed in two epochs."""
    return stage_of("data", [feeding.compare(left, right)])


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
        return not_checked("forward", _why(bench, "structure"))
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
    return stage_of("forward", _merge(measures), reason)


def _shared(bench: Bench, values: Values) -> Values:
    """Zero where left alone has a parameter, as right computes it."""
    return {n: v if n in bench.pairing.names else np.zeros_like(v) for n, v in values.items()}


def _merge(measures: Sequence[Measure]) -> list[Measure]:
    merged: dict[str, Measure] = {}
    for m in measures:
        if m.where not in merged or m.ratio > merged[m.where].ratio:
            merged[m.where] = m
    return list(merged.values())


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
    measures = _layers(bench, known, others, x, rows, training=training, draws=draws)
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


def _layers(
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
        got, _ = other[1].apply(own, entry, training=training, draw=draw)
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
        if other not in b:
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


# ---- loss --------------------------------------------------------------------------------------
def loss(bench: Bench) -> Stage:
    """The data loss of the same predictions, at two batch sizes."""
    left, right = bench.left, bench.right
    if left.loss is None or right.loss is None or left.twin is None or right.twin is None:
        return not_checked("loss", _why(bench, "loss"))
    if bench.y is None:
        return not_checked("loss", "no targets were given")
    return stage_of("loss", loss_measures(bench, left.twin, right.twin))


def loss_measures(bench: Bench, left: Twin, right: Twin) -> list[Measure]:
    """Two twins' losses on predictions of our choosing."""
    one, two = left.conventions.loss, right.conventions.loss
    if one is None or two is None or bench.y is None:
        return []
    measures = []
    for rows in dict.fromkeys((min(len(bench.x), bench.batch_size), min(len(bench.x), 7), 1)):
        values = probe_parameters(left, bench.rng)
        x, y = bench.x[:rows], bench.y[:rows]
        known = reference(
            left.with_(penalties=()),
            values,
            x,
            y,
            dtype=bench.dtype,
            rng=bench.rng,
            training=False,
            backward=False,
        )
        prediction = known.evaluation.prediction
        a, b = one.value(prediction, y), two.value(prediction, y)
        measures.append(known.measure("loss", np.asarray(a), np.asarray(b), "loss"))
    return _merge(measures)


# ---- regularization ----------------------------------------------------------------------------
def regularization(bench: Bench) -> Stage:
    """The penalty's pull on each parameter, at equal parameters."""
    left, right = bench.left, bench.right
    if left.twin is None or right.twin is None:
        return not_checked("regularization", _why(bench, "structure"))
    understood = all(
        (k.gradient is not None and k.gradient.understood) or k.loss is not None
        for k in (left, right)
    )
    if not understood or left.twin.conventions.loss is None or bench.y is None:
        return not_checked("regularization", _why(bench, "gradient"))
    return stage_of("regularization", penalty_measures(bench, left.twin, right.twin))


def penalty_measures(bench: Bench, left: Twin, right: Twin) -> list[Measure]:
    """Two twins' penalty gradients, parameter by parameter.

    The floor is that of the whole gradient there, from which the penalty was read.
    """
    x, y = bench.batch
    values = probe_parameters(left, bench.rng)
    draws = common_draws(bench, x, values)
    known = reference(left, values, x, y, dtype=bench.dtype, rng=bench.rng, draws=draws)
    one = _pull(left.conventions.penalties or (), values)
    others = bench.pairing.to_right(values, right)
    two = bench.pairing.to_left(_pull(right.conventions.penalties or (), others))
    measures = []
    for name, value in values.items():
        if name not in bench.pairing.names or f"gradients/{name}" not in known.floors:
            continue
        zero = np.zeros_like(value)
        got = measure(
            one.get(name, zero),
            two.get(name, zero),
            known.floors[f"gradients/{name}"],
            known.values[f"gradients/{name}"],
            name,
        )
        measures.append(replace(got, conditioned=True))
    return measures


def _pull(penalties: Sequence[Penalty], values: Values) -> Values:
    total: Values = {}
    for penalty in penalties:
        for name, gradient in penalty.gradients(values).items():
            total[name] = total.get(name, np.zeros_like(gradient)) + gradient
    return total


# ---- gradient ----------------------------------------------------------------------------------
def gradient(bench: Bench) -> Stage:
    """Each side's backward pass against the true gradient of its own loss."""
    measures: list[Measure] = []
    missing = []
    for known in (bench.left, bench.right):
        if known.gradient is None:
            missing.append(known.missing.get("gradient", f"{known.side.which}: not exposed"))
            continue
        for m in known.gradient.measures:
            measures.append(replace(m, where=f"{known.side.which}: {m.where}"))
    if len(missing) == 2:
        return not_checked("gradient", "; ".join(missing))
    return stage_of("gradient", measures, "; ".join(missing) or None)


# ---- update ------------------------------------------------------------------------------------
def update_rule(bench: Bench) -> Stage:
    """Both optimizers, given the same parameters and gradients for several steps."""
    left, right = bench.left, bench.right
    if left.twin is None or right.twin is None:
        return not_checked("update", _why(bench, "structure"))
    if left.update is None or right.update is None:
        return not_checked("update", _why(bench, "update"))
    return stage_of("update", update_measures(bench, left.twin, right.twin))


def update_measures(bench: Bench, left: Twin, right: Twin) -> list[Measure]:
    """Two twins' optimizers on the same gradients."""
    one, two = left.conventions.optimizer, right.conventions.optimizer
    if one is None or two is None:
        return []
    if bench.dtype == np.float32:
        one, two = update.as_written(one), update.as_written(two)
    start = {n: v for n, v in probe_parameters(left, bench.rng).items() if n in bench.pairing.names}
    start = update.sampled(update.Sequence_((start,), ()), bench.rng).trajectory[0]
    given = update.gradients_to_feed(start, bench.rng, small=bench.dtype == np.float64)
    noise = update.floors(one, start, given, bench.dtype, bench.rng)
    a = update.repeat(one, start, given)
    b = update.repeat(two, start, given)
    return update.compare(a, b, noise, start)


__all__ = [
    "Bench",
    "Sigmoid",
    "Softmax",
    "Stage",
    "common_draws",
    "data",
    "forward",
    "gradient",
    "initial_values",
    "loss",
    "loss_measures",
    "not_checked",
    "penalty_measures",
    "predict_live",
    "regularization",
    "stage_of",
    "structure",
    "update_measures",
    "update_rule",
]
