"""Reads a side's gradients against its own twin, and names what is wrong with them.

The twin is set to the side's own network and loss first, so an innocent backward pass is
never blamed for what runs on into it from an earlier stage.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from netparity.conventions import Conventions, Factored, GradientFault, Misplaced, Slope, bugs
from netparity.diagnosis.backward import (
    near,
    over_classes,
    own_factors,
    pull_of,
    slope_guesses,
    without_bounds,
)
from netparity.diagnosis.faulty import unbounded
from netparity.diagnosis.loss_probes import excluded
from netparity.diagnosis.masks import fed
from netparity.diagnosis.noise import Measure, Reference, clear_rows, reference
from netparity.diagnosis.penalty import Pull, as_penalties
from netparity.diagnosis.probes import probe_parameters
from netparity.diagnosis.snapping import snap
from netparity.diagnosis.twin import Array, Twin, Values
from netparity.errors import CannotError
from netparity.implementations.base import Implementation
from netparity.nn import Affine, Dropout, Penalty

#: Parameters that are tried until the masks of a side's dropout can be seen in its activations.
LOOKS = 4


@dataclass(frozen=True, slots=True)
class Probe:
    """One evaluation: twin parameters, the batch, draws, and the side's gradients (twin layout).

    ``piled``: the side added them to those of earlier calls, and they were taken apart again.
    """

    values: Values
    x: Array
    y: Array
    draws: tuple[Array, ...] | None
    gradients: Values
    piled: bool = False


@dataclass(frozen=True, slots=True)
class Relation:
    """A relation between a side's gradients and the twin's that was fitted to the numbers."""

    text: str
    fitted: float | str | None
    expected: float | str | None
    residual: float


@dataclass(frozen=True, slots=True)
class FoundGradient:
    """What a side's backward pass computes.

    Attributes:
        conventions: the side's, with the faults (or the changed dropout layers) and the
            penalty that stands in its gradients.
        measures: the side against a *correct* backward pass of its own loss, per parameter.
        residual: the same against the twin as found: at the floor where it is understood.
        relations: the evidence for a fault.
        understood: whether the twin as found reproduces the gradients.
    """

    conventions: Conventions
    measures: tuple[Measure, ...]
    residual: tuple[Measure, ...]
    relations: tuple[Relation, ...]
    understood: bool


def observe(
    live: Implementation,
    twin: Twin,
    batches: Sequence[tuple[Array, Array]],
    rng: np.random.Generator,
    draws_for: Any,
) -> list[Probe]:
    """The side's gradients at parameters of our choosing, on rows clear of every kink."""
    native = live.parameters()
    saved = live.state()
    probes = []
    try:
        for scale, (x, y), far in _places(twin, batches):
            for _ in range(LOOKS):
                values = probe_parameters(twin, rng, scale) | far
                live.set_parameters(twin.native(values, native))
                draws = draws_for(live, x)
                if draws is not None or not twin.dropout_layers():
                    break
            else:
                continue  # its masks cannot be seen, behind units that are all 0
            if draws is None or "draws" in live.abilities:
                known = reference(
                    twin, values, x, y, dtype=live.dtype, rng=rng, draws=draws, backward=False
                )
                rows = clear_rows(twin, known, y)
                if 0 < rows.sum() < len(x):
                    x, y = x[rows], y[rows]
                    draws = None if draws is None else [d[rows] for d in draws]

            def look(x: Array = x, y: Array = y, draws: Any = draws) -> Values:
                found = live.gradients(x, y, draws=fed(live, twin, draws))
                return twin_layout(twin, found, native)

            got, piled = _once(look)
            given = None if draws is None else tuple(draws)
            probes.append(Probe(values, x, y, given, got, piled))
            live.restore(saved)
    finally:
        live.restore(saved)
    if not probes:
        raise CannotError("dropout masks that can be seen")
    return probes


def _places(
    twin: Twin, batches: Sequence[tuple[Array, Array]]
) -> Iterator[tuple[float, tuple[Array, Array], Values]]:
    """Scales of the parameters, batches, and what is set apart from the parameters drawn.

    Where the loss bounds a logarithm the last is a place at which the bound acts.
    """
    for scale, batch in zip((1.0, 2.0, 1.0), batches, strict=False):
        yield scale, batch, {}
    loss = twin.conventions.loss
    if loss is not None and unbounded(loss) != loss:
        far = excluded(twin, batches[0][1])
        if far:
            yield 1.0, batches[0], far


def _once(look: Callable[[], Values]) -> tuple[Values, bool]:
    """The gradient of one batch, and whether calls pile up: each adds as much to the last."""
    first, again = look(), look()
    if all(np.array_equal(first[n], again[n], equal_nan=True) for n in first):
        return first, False
    third = look()
    grown = {n: again[n] - first[n] for n in first}
    piled = all(
        np.allclose(third[n] - again[n], grown[n], rtol=1e-3, atol=1e-6 * np.max(np.abs(third[n])))
        for n in first
    ) and any(np.any(g != 0) for g in grown.values())
    return (grown, True) if piled else (first, False)


def twin_layout(twin: Twin, gradients: Mapping[str, Array], like: Mapping[str, Array]) -> Values:
    """Gradients by the side's names, as twin arrays; those the side does not name are left out."""
    shaped = {
        name: np.asarray(gradient).reshape(np.asarray(like[name]).shape)
        for name, gradient in gradients.items()
        if name in like
    }
    return twin.parameters(twin.values(shaped))


def compare(
    live: Implementation, twin: Twin, probes: Sequence[Probe], rng: np.random.Generator
) -> list[tuple[Probe, Reference, dict[str, Measure]]]:
    """The side's gradients against a twin's, per probe and parameter."""
    compared = []
    for probe in probes:
        known = reference(
            twin, probe.values, probe.x, probe.y, dtype=live.dtype, rng=rng, draws=probe.draws
        )
        measures = {
            name: known.measure(f"gradients/{name}", known.values[f"gradients/{name}"], value, name)
            for name, value in probe.gradients.items()
            if f"gradients/{name}" in known.values
        }
        compared.append((probe, known, measures))
    return compared


def summary(compared: Sequence[tuple[Probe, Reference, dict[str, Measure]]]) -> list[Measure]:
    """The worst measure of each parameter over the probes."""
    worst: dict[str, Measure] = {}
    for _, _, measures in compared:
        for name, measured in measures.items():
            if name not in worst or measured.ratio > worst[name].ratio:
                worst[name] = measured
    return list(worst.values())


def identify(
    live: Implementation,
    conventions: Conventions,
    probes: Sequence[Probe],
    rng: np.random.Generator,
) -> FoundGradient:
    """Finds which backward pass gives the observed gradients.

    Tried in this order: the correct one with the penalty of the loss; without that penalty;
    with another penalty; one constant factor; dropout masks not applied backward; gradients
    stored in another layer's place.
    """
    declared, conventions = conventions, masked_backward(conventions)
    correct = compare(live, Twin(conventions), probes, rng)
    measures = summary(correct)
    if not _different(measures):
        return FoundGradient(conventions, tuple(measures), tuple(measures), (), understood=True)
    for guess, relations in _guesses(conventions, probes, live.dtype):
        got = summary(compare(live, Twin(guess), probes, rng))
        if not _different(got):
            blame = measures
            if not bugs(guess.faults) and guess.layers == conventions.layers:
                blame = got
            closed = tuple(
                replace(r, residual=max((m.difference for m in got), default=0.0))
                for r in relations
            )
            return FoundGradient(guess, tuple(blame), tuple(got), closed, understood=True)
    return FoundGradient(declared, tuple(measures), tuple(measures), (), understood=False)


def masked_backward(conventions: Conventions) -> Conventions:
    """The conventions with dropout's mask in the backward pass, where it should be."""
    layers = tuple(
        (n, replace(k, mask_in_backward=True) if isinstance(k, Dropout) else k)
        for n, k in conventions.layers or ()
    )
    return replace(conventions, layers=layers)


def _different(measures: Sequence[Measure]) -> bool:
    return any(m.different for m in measures)


def _guesses(
    conventions: Conventions, probes: Sequence[Probe], dtype: np.dtype[Any]
) -> Iterator[tuple[Conventions, tuple[Relation, ...]]]:
    written = (conventions, without_bounds(conventions), over_classes(conventions))
    starts = [start for start in written if start is not None]
    for start in starts:
        bare = replace(start, penalties=())
        if start is not conventions:
            yield start, ()
        if start.penalties:
            yield bare, ()
        fitted = _fitted_penalties(bare, probes, dtype)
        if fitted:
            yield replace(start, penalties=fitted), ()
    for start in starts:
        yield from _mistakes(start, probes, dtype)
        if start.penalties:
            yield from _mistakes(replace(start, penalties=()), probes, dtype)


def _mistakes(
    start: Conventions, probes: Sequence[Probe], dtype: np.dtype[Any]
) -> Iterator[tuple[Conventions, tuple[Relation, ...]]]:
    """A backward pass with each of the mistakes that are made in one."""

    def with_(*faults: GradientFault) -> Conventions:
        return replace(start, faults=(*start.faults, *faults))

    for fault in _common_factors(start, probes):
        rows = {0: "", 1: "·N", -1: "/N"}[fault.rows_power]
        relation = Relation(f"g = c{rows} · ∂loss/∂w: c", fault.factor, 1.0, 0.0)
        yield with_(fault), (relation,)
    own = own_factors(start, probes, dtype)
    if own:
        yield with_(*own), tuple(_of_factor(f) for f in own)
    without = tuple(
        (n, replace(layer, mask_in_backward=False) if isinstance(layer, Dropout) else layer)
        for n, layer in start.layers or ()
    )
    if without != start.layers:
        relation = Relation(
            "g = the gradient with dropout's mask left out of the backward pass", 1.0, 1.0, 0.0
        )
        yield replace(start, layers=without), (relation,)
    for slopes in slope_guesses(start):
        guess = with_(*slopes)
        if near(guess, probes):
            yield guess, tuple(_of_slope(f) for f in slopes)
    misplaced, relations = find_misplaced(start, probes)
    if misplaced is not None:
        yield with_(misplaced), relations


def _of_factor(fault: Factored) -> Relation:
    rows = {0: "", 1: "·N", -1: "/N"}[fault.rows_power]
    names = ", ".join(fault.parameters or ())
    return Relation(f"g = c{rows} · ∂loss/∂w of {names}: c", fault.factor, 1.0, 0.0)


def _of_slope(fault: Slope) -> Relation:
    return Relation(f"how {fault.layer} passes gradients back", fault.rule, "its derivative", 0.0)


def _fitted_penalties(
    bare: Conventions, probes: Sequence[Probe], dtype: np.dtype[Any]
) -> tuple[Penalty, ...]:
    """Penalties from ``g − g_data = c·w + d·sign(w)``, or that over the rows of the batch."""
    twin = Twin(bare)
    data = [_wide_gradients(twin, probe) for probe in probes]
    names = [n for n in probes[0].gradients if all(n in p.gradients for p in probes)]
    for by_batch in (False, True):
        pulls: dict[str, Pull] = {}
        for name in names:
            pull = _pull_of(probes, data, name, dtype, by_batch=by_batch)
            if pull is None:
                break
            pulls[name] = pull
        else:
            every = twin.network.parameter_shapes()
            return as_penalties(pulls, every, by_batch=by_batch)
    return ()


def _wide_gradients(twin: Twin, probe: Probe) -> Values:
    wide = {k: np.asarray(v, dtype=np.float64) for k, v in probe.values.items()}
    return twin.evaluate(wide, probe.x, probe.y, draws=probe.draws).gradients


def _pull_of(
    probes: Sequence[Probe],
    data: Sequence[Values],
    name: str,
    dtype: np.dtype[Any],
    *,
    by_batch: bool,
) -> Pull | None:
    """The smallest penalty of one parameter that is what its gradients have too much."""
    excess, weights, signs, sizes = [], [], [], []
    for probe, true in zip(probes, data, strict=True):
        value = np.asarray(probe.values[name], dtype=np.float64).ravel()
        rows = len(probe.x) if by_batch else 1
        got = np.asarray(probe.gradients[name], dtype=np.float64).ravel()
        excess.append(got - true[name].ravel())
        weights.append(value / rows)
        signs.append(np.sign(value) / rows)
        sizes.append(np.full(value.shape, max(float(np.max(np.abs(got))), 1e-300)))
    target = np.concatenate(excess)
    allowed = SCREEN * float(np.finfo(dtype).eps) * np.concatenate(sizes)
    w, sign = np.concatenate(weights), np.concatenate(signs)
    for columns in ((), (w,), (sign,), (w, sign)):
        matrix = np.stack([*columns, target], axis=1)[:, :-1]
        solution, *_ = np.linalg.lstsq(matrix, target, rcond=None)
        if np.all(np.abs(target - matrix @ solution) <= allowed):
            nice = [snap(float(c), dtype) for c in solution]
            if not columns:
                return Pull()
            if len(columns) == 2:
                return Pull(nice[1], nice[0] / 2)
            return Pull(square=nice[0] / 2) if columns[0] is w else Pull(absolute=nice[0])
    return None


#: A penalty is screened at so many roundoffs of the largest gradient; it is measured afterwards.
SCREEN = 1e4
#: What a regression on float32 gradients can tell from 1.
FACTOR_PRECISION = 1e-4


def _common_factors(conventions: Conventions, probes: Sequence[Probe]) -> Iterator[Factored]:
    """One factor on all gradients: a constant, or one that goes with the rows of the batch.

    It is that of the data's part; a penalty comes to it as it is.
    """
    twin = Twin(replace(conventions, penalties=()))
    factors, sizes = [], []
    for probe in probes:
        dot = square = 0.0
        true = twin.evaluate(probe.values, probe.x, probe.y, draws=probe.draws).gradients
        pull = pull_of(conventions, probe)
        for name, gradient in probe.gradients.items():
            given = np.asarray(gradient, dtype=np.float64) - pull.get(name, 0.0)
            dot += float(np.sum(given * true[name]))
            square += float(np.sum(true[name] ** 2))
        if square == 0 and dot == 0:
            continue  # a bound keeps all gradients of this place at 0
        if dot == 0:
            return
        factors.append(dot / square)
        sizes.append(float(len(probe.x)))
    if not factors:
        return
    for power in (0, 1, -1):
        factor = float(np.median(np.array(factors) / np.array(sizes) ** power))
        inverse = round(1 / factor)
        for nice in (float(round(factor)), 1 / inverse if inverse else factor):
            if nice and abs(nice - factor) <= 1e-6 * abs(factor):
                factor = nice
                break
        # One within the precision of the fit is no factor.
        if power or abs(factor - 1) > FACTOR_PRECISION:
            yield Factored(factor, rows_power=power)


def find_misplaced(
    conventions: Conventions, probes: Sequence[Probe]
) -> tuple[Misplaced | None, tuple[Relation, ...]]:
    """Which products ``inputᵀ · delta`` stand where the gradients should.

    Every pair of a layer's input and a layer's delta whose shape fits is compared with the
    value found in each place.
    """
    twin = Twin(replace(conventions, penalties=(), faults=()))
    affines = [n for n, layer in conventions.layers or () if isinstance(layer, Affine)]
    weights: dict[str, tuple[str, str]] = {}
    biases: dict[str, str] = {}
    relations: list[Relation] = []
    first = probes[0]
    evaluation = twin.evaluate(first.values, first.x, first.y, draws=first.draws)
    for name, gradient in first.gradients.items():
        layer, kind = name.rsplit(".", 1)
        got = np.asarray(gradient, dtype=np.float64)
        best: tuple[float, Any, Array] | None = None
        pairs = (
            itertools.product(affines, affines) if kind == "weight" else ((a, a) for a in affines)
        )
        for delta, source in pairs:
            d = np.asarray(evaluation.deltas[delta], dtype=np.float64)
            value = (
                np.asarray(evaluation.tape.inputs[source]).T @ d if kind == "weight" else d.sum(0)
            )
            if value.shape != got.shape:
                continue
            distance = float(np.max(np.abs(value - got)))
            own = delta == layer and source == layer
            if best is None or distance < best[0] or (own and distance <= best[0]):
                best = (distance, (delta, source), value)
        if best is None:
            return None, ()
        delta, source = best[1]
        if kind == "weight":
            weights[name] = (delta, source)
        else:
            biases[name] = delta
        if delta != layer or (kind == "weight" and source != layer):
            scale = float(np.max(np.abs(got))) or 1.0
            stands = (
                f"input({source})ᵀ · delta({delta})" if kind == "weight" else f"Σ delta({delta})"
            )
            right = f"input({layer})ᵀ · delta({layer})" if kind == "weight" else f"Σ delta({layer})"
            relations.append(Relation(f"gradient of {name}", stands, right, best[0] / scale))
    misplaced = {n: p for n, p in weights.items() if p != (n.rsplit(".", 1)[0],) * 2}
    moved = {n: d for n, d in biases.items() if d != n.rsplit(".", 1)[0]}
    if not misplaced and not moved:
        return None, ()
    return Misplaced(misplaced, moved), tuple(relations)


#: Central differences in float64 at a relative step of 1e-5 are right to about its square, and
#: lose half the digits of the loss: six digits are left.
DIFFERENCE_FLOOR = 1e-5
STEP = 1e-5


def check_live(
    known: Any, found: FoundGradient, names: Sequence[str]
) -> tuple[list[tuple[str, float, float, float]], float] | None:
    """Checks wrong gradients against central differences of the side's own live loss.

    Returns:
        For each parameter that they refute: its name, the directional derivative the side
        gives, the numeric one, and how far the reference network's is from the numeric one,
        relative; then the largest of those. ``None`` where the live loss does not bear the
        reference network out, or refutes nothing: an error too small for them stays unexplained.
    """
    live, twin = known.live, Twin(found.conventions)
    probe: Probe = known.gradient_probes[0]
    if live.dtype != np.float64 or "loss" not in live.abilities or probe.draws is not None:
        return None
    native, saved = live.parameters(), live.state()
    penalties = Twin(replace(found.conventions, penalties=known.loss_penalties))
    true = penalties.evaluate(probe.values, probe.x, probe.y).gradients
    rng = np.random.default_rng(0)
    rows, worst = [], 0.0
    try:
        for name in names:
            direction = rng.standard_normal(probe.values[name].shape)
            ends = []
            for sign in (1.0, -1.0):
                moved = probe.values | {name: probe.values[name] + sign * STEP * direction}
                live.set_parameters(twin.native(moved, native))
                ends.append(live.loss(probe.x, probe.y).total)
                live.restore(saved)
            numeric = (ends[0] - ends[1]) / (2 * STEP)
            given = float(np.sum(probe.gradients[name] * direction))
            expected = float(np.sum(true[name] * direction))
            scale = abs(numeric) or 1.0
            off = abs(expected - numeric) / scale
            worst = max(worst, off)
            if abs(given - numeric) / scale > DIFFERENCE_FLOOR:
                rows.append((name, given, numeric, off))
    finally:
        live.restore(saved)
    return (rows, worst) if rows and worst <= DIFFERENCE_FLOOR else None


__all__ = [
    "FoundGradient",
    "Probe",
    "Relation",
    "compare",
    "find_misplaced",
    "identify",
    "observe",
    "probe_parameters",
    "summary",
    "twin_layout",
]
