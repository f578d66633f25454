"""Reads a side's gradients against its own twin, and names what is wrong with them.

The twin is set to the side's own network and loss first, so an innocent backward pass is
never blamed for what runs on into it from an earlier stage.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from netparity.conventions import Conventions, Factored, GradientFault, Slope, bugs
from netparity.diagnosis.backward import (
    FACTOR_PRECISION,
    masked_backward,
    near,
    over_classes,
    own_factors,
    pull_of,
    slope_guesses,
    without_bounds,
)
from netparity.diagnosis.gradient_probes import Probe, Relation
from netparity.diagnosis.misplaced import find_misplaced
from netparity.diagnosis.noise import Measure, Reference, reference
from netparity.diagnosis.penalty import Pull, as_penalties
from netparity.diagnosis.snapping import snap
from netparity.diagnosis.twin import Array, Twin, Values
from netparity.implementations.base import Implementation
from netparity.nn import Penalty


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
    floors = [known.floors for _, known, _ in correct]
    for guess, relations in _guesses(conventions, probes, floors, live.dtype):
        tried = compare(live, Twin(guess), probes, rng)
        got = summary(tried)
        if not _different(got) and _tells(tried, correct):
            blame = measures
            if not bugs(guess.faults) and guess.layers == conventions.layers:
                blame = got
            closed = tuple(
                replace(r, residual=max((m.difference for m in got), default=0.0))
                for r in relations
            )
            return FoundGradient(guess, tuple(blame), tuple(got), closed, understood=True)
    return FoundGradient(declared, tuple(measures), tuple(measures), (), understood=False)


def _tells(
    tried: Sequence[tuple[Probe, Reference, object]],
    correct: Sequence[tuple[Probe, Reference, object]],
) -> bool:
    """Whether a guess gives other gradients than the correct pass: else it explains nothing."""
    return any(
        known.measure(place, known.values[place], guess.values[place]).different
        for (_, guess, _), (_, known, _) in zip(tried, correct, strict=True)
        for place in known.values
        if place.startswith("gradients/") and place in guess.values
    )


def _different(measures: Sequence[Measure]) -> bool:
    return any(m.different for m in measures)


def _guesses(
    conventions: Conventions,
    probes: Sequence[Probe],
    floors: Sequence[Mapping[str, Array]],
    dtype: np.dtype[Any],
) -> Iterator[tuple[Conventions, tuple[Relation, ...]]]:
    written = (conventions, without_bounds(conventions), over_classes(conventions))
    starts = [start for start in written if start is not None]
    for start in starts:
        bare = replace(start, penalties=())
        if start is not conventions:
            yield start, ()
        if start.penalties:
            yield bare, ()
        fitted = _fitted_penalties(bare, probes, floors, dtype)
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
        relation = Relation(f"g = c{rows} · ∂loss/∂w: c", fault.factor, 1.0)
        yield with_(fault), (relation,)
    for whole in (False, True) if start.penalties else (False,):
        own = own_factors(start, probes, dtype, whole=whole)
        if own:
            yield with_(*own), tuple(_of_factor(f) for f in own)
    without = masked_backward(start, masked=False)
    if without != start:
        words = "g = the gradient with dropout's mask left out of the backward pass"
        yield without, (Relation(words, 1.0, 1.0),)
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
    return Relation(f"g = c{rows} · ∂loss/∂w of {names}: c", fault.factor, 1.0)


def _of_slope(fault: Slope) -> Relation:
    return Relation(f"how {fault.layer} passes gradients back", fault.rule, "its derivative")


def _fitted_penalties(
    bare: Conventions,
    probes: Sequence[Probe],
    floors: Sequence[Mapping[str, Array]],
    dtype: np.dtype[Any],
) -> tuple[Penalty, ...]:
    """Penalties from ``g − g_data = c·w + d·sign(w)``, or that over the rows of the batch."""
    twin = Twin(bare)
    data = [_wide_gradients(twin, probe) for probe in probes]
    names = [n for n in probes[0].gradients if all(n in p.gradients for p in probes)]
    for by_batch in (False, True):
        pulls: dict[str, Pull] = {}
        for name in names:
            pull = _pull_of(probes, data, floors, name, dtype, by_batch=by_batch)
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
    floors: Sequence[Mapping[str, Array]],
    name: str,
    dtype: np.dtype[Any],
    *,
    by_batch: bool,
) -> Pull | None:
    """The smallest penalty of one parameter that is what its gradients have too much."""
    excess, weights, signs, noise = [], [], [], []
    for probe, true, floor in zip(probes, data, floors, strict=True):
        value = np.asarray(probe.values[name], dtype=np.float64).ravel()
        rows = len(probe.x) if by_batch else 1
        got = np.asarray(probe.gradients[name], dtype=np.float64).ravel()
        excess.append(got - true[name].ravel())
        weights.append(value / rows)
        signs.append(np.sign(value) / rows)
        noise.append(np.maximum(floor[f"gradients/{name}"].ravel(), np.finfo(np.float64).tiny))
    # In floors, so that what is known best tells most.
    floor_ = np.concatenate(noise)
    target, w, sign = (np.concatenate(part) / floor_ for part in (excess, weights, signs))
    for columns in ((), (w,), (sign,), (w, sign)):
        matrix = np.stack([*columns, target], axis=1)[:, :-1]
        solution, *_ = np.linalg.lstsq(matrix, target, rcond=None)
        if np.all(np.abs(target - matrix @ solution) <= 1):
            nice = [snap(float(c), dtype) for c in solution]
            if not columns:
                return Pull()
            if len(columns) == 2:
                return Pull(nice[1], nice[0] / 2)
            return Pull(square=nice[0] / 2) if columns[0] is w else Pull(absolute=nice[0])
    return None


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


__all__ = [
    "FoundGradient",
    "compare",
    "identify",
    "summary",
]
