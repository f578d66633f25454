"""Names the update rule behind updates: guesses ranked, fitted, and held to the noise floor."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Final

import numpy as np

from netparity.conventions import changed
from netparity.diagnosis.noise import Measure
from netparity.diagnosis.update.beside import clips, decays
from netparity.diagnosis.update.calls import DECAY_CALLS, Updates, clipped, repeat, sampled
from netparity.diagnosis.update.fitting import (
    Flat,
    calibrated,
    flatten,
    length,
    misfit,
    polish,
    residuals,
    rounded,
    unknowns,
    written,
)
from netparity.diagnosis.update.floors import compare, float32_variants, floors
from netparity.diagnosis.update.guesses import First, families, first_update, usual
from netparity.diagnosis.update.rates import at_schedule, freed, schedules
from netparity.nn import SGD, Adam, Clipping, Optimizer, RMSProp, Schedule

#: Constants that miss less in the median are near the right ones.
_NEAR: Final = 0.05
#: What roundings to float32 inside a rule miss at most.
_ROUNDED: Final = 1e-4
#: A decay that a fit starts from.
_DECAY: Final = 1e-3
#: A rule, and the clip before it.
Rule = tuple[Optimizer, Clipping | None]
#: Elements of each tensor to which decays and clips are fitted.
FEW: Final = 40
#: Forms of a rule that are moved a little, and of these the ones that are fitted.
_MOVED, _TRIED = 24, 6
#: Usual rules whose constants are moved before a guess is judged by them.
_MOVED_A_LITTLE = 3
#: A fit that misses more than this share of the steps is not worth its noise runs.
_SCREEN: Final = {np.dtype(np.float64): 1e-6, np.dtype(np.float32): 1e-2}


@dataclass(frozen=True, slots=True)
class FoundUpdate:
    """An update rule and how well its twin repeats the side's own updates."""

    optimizer: Optimizer
    measures: tuple[Measure, ...]
    declared: bool
    clipping: Clipping | None = None
    schedule: Schedule | None = None


def confirm(
    optimizer: Optimizer,
    seen: Updates,
    dtype: np.dtype[Any],
    rng: np.random.Generator,
    clipping: Clipping | None = None,
) -> list[Measure]:
    """The side's updates against the reference optimizer's, at a sample of the elements.

    Those of a float32 side are held against each way of rounding its constants: that which
    leaves the fewest parameters different is its own.
    """
    if optimizer.elementwise:
        seen = sampled(seen, rng)
    ways = float32_variants(optimizer) if dtype == np.float32 else [optimizer]
    with np.errstate(all="ignore"):
        noise = floors(optimizer, seen.calls, dtype, rng, clipping)
        own = [repeat(way, seen.calls, clipping) for way in ways]
        found = [compare(after, seen.after, noise, seen.calls) for after in own]
    return min(found, key=lambda measures: sum(m.different for m in measures))


def identify(
    seen: Updates,
    dtype: np.dtype[Any],
    rng: np.random.Generator,
    declared: Rule | None = None,
    hints: Sequence[Rule] = (),
) -> FoundUpdate | None:
    """The update rule that repeats probing calls to the noise floor, or ``None``.

    Args:
        seen: what ``feed`` saw of ``calls_to_make``.
        dtype: the width of the side.
        rng: for samples and noise.
        declared: what the side says.
        hints: first guesses where it says nothing.
    """
    said = (*((declared,) if declared is not None else ()), *hints)
    for rule, clipping in said:
        found = held(rule, seen, dtype, rng, clipping)
        if found is not None:
            return replace(found, declared=(rule, clipping) == declared)
    start = seen.until(DECAY_CALLS[0])
    for rule, _ in said:  # with another decay, or another clip
        alone = held(without_decay(rule), start, dtype, rng)
        both = None if alone is None else _with_others(alone.optimizer, seen, dtype, rng)
        if both is not None:
            return both
    flat = flatten(seen, _at_zero(len(seen.calls)), dtype, rng)
    short = flat.until(DECAY_CALLS[0])
    for rule, _ in said:  # with other constants: another form may do the same with its own
        best = _shortest(held(r, seen, dtype, rng) for r in fitted([rule], flat, flat))
        if best is not None:
            return best
    first = first_update(flat)
    for family in families(first) if first is not None else ():
        # Where the first gradients lie below every bend, only the long ones tell rules apart.
        part = flat if first is not None and first.line else short
        best = _shortest(held(r, seen, dtype, rng) for r in fitted(family, flat, part))
        if best is not None:
            return as_said(best, said, seen, dtype, rng)
        # What acts beside the rule shows only in the calls after the first.
        alone = _shortest(held(r, start, dtype, rng) for r in fitted(family, short, short))
        both = None if alone is None else _with_others(alone.optimizer, seen, dtype, rng)
        if both is not None:
            return as_said(both, said, seen, dtype, rng)
    return None if first is None else _scheduled(seen, flat, first, rng)


def _scheduled(
    seen: Updates, flat: Flat, first: First, rng: np.random.Generator
) -> FoundUpdate | None:
    """The rule with a rate that changes from update to update."""
    free, before = freed(flat), DECAY_CALLS[0]
    start, short = seen.until(before), flat.until(before)

    def paced(schedule: Schedule, updates: Updates) -> Updates:
        return Updates(at_schedule(updates.calls, schedule), updates.after)

    def followed(rule: Optimizer, schedule: Schedule) -> FoundUpdate | None:
        started = changed(rule, learning_rate=schedule(0))
        found = held(started, paced(schedule, seen), flat.dtype, rng)
        return None if found is None else replace(found, schedule=schedule)

    def beside(rule: Optimizer, schedule: Schedule) -> FoundUpdate | None:
        started = changed(rule, learning_rate=schedule(0))
        if held(started, paced(schedule, start), flat.dtype, rng) is None:
            return None
        found = _with_others(started, paced(schedule, seen), flat.dtype, rng)
        return None if found is None else replace(found, schedule=schedule)

    for family in map(_without_correction, families(first)):
        part = free if first.line else free.until(before)
        alone = (
            followed(rule, schedule)
            for rule in fitted(family, free, part)
            for schedule in schedules(rule, flat)
        )
        quiet = free.until(before)
        with_others = (
            beside(rule, schedule)
            for rule in fitted(family, quiet, quiet)
            for schedule in schedules(rule, short)
        )
        found = next((f for f in itertools.chain(alone, with_others) if f is not None), None)
        if found is not None:
            return found
    return None


def _without_correction(family: Sequence[Optimizer]) -> list[Optimizer]:
    """The rules but those that differ from others by a factor of each call alone.

    Where every call has a rate of its own, a correction of the second moment's bias is one.
    """
    corrected = (
        (isinstance(r, Adam) and r.beta1 == 0.0) or (isinstance(r, RMSProp) and r.bias_correction)
        for r in family
    )
    return [rule for rule, is_so in zip(family, corrected, strict=True) if not is_so]


def identify_steps(
    seen: Updates,
    dtype: np.dtype[Any],
    rng: np.random.Generator,
    declared: Rule | None = None,
    hints: Sequence[Rule] = (),
    own: Rule | None = None,
) -> FoundUpdate | None:
    """The update rule that repeats whole steps, whose gradients came from data.

    Args:
        seen: the steps, with the gradients at each.
        dtype: the width of the side.
        rng: for samples and noise.
        declared: what the side says.
        hints: first guesses.
        own: what the side's ``update`` does by itself; a step may add to it.
    """
    # A clip that these steps do not reach shows in the updates alone.
    known = [rule for rule in (own, declared, *hints) if rule is not None]
    for rule, clip in known:
        found = held(rule, seen, dtype, rng, clip)
        if found is not None:
            return replace(found, declared=(rule, clip) == declared)
    if own is not None and (found := _with_others(own[0], seen, dtype, rng, len(seen.calls))):
        return found
    flat = flatten(seen, range(len(seen.calls)), dtype, rng, groups=True)
    first = first_update(flat)
    for family in families(first) if first is not None else ():
        for decayed in (False, True):
            rules = fitted(family, flat, flat, decayed=decayed)
            best = _shortest(held(r, seen, dtype, rng) for r in rules)
            if best is not None:
                return as_said(best, known, seen, dtype, rng)
    tried = (_with_others(rule, seen, dtype, rng, len(seen.calls)) for rule, _ in known)
    return next((found for found in tried if found is not None), None)


def as_said(
    found: FoundUpdate,
    said: Sequence[Rule],
    seen: Updates,
    dtype: np.dtype[Any],
    rng: np.random.Generator,
) -> FoundUpdate:
    """The rule with those constants of others of its kind that updates cannot tell from its own.

    Args:
        found: a rule that repeats the updates.
        said: what is declared, and hints.
        seen: the updates.
        dtype: the width of the side.
        rng: for samples and noise.
    """
    for rule, _ in said:
        for name in unknowns(rule) if type(rule) is type(found.optimizer) else ():
            value = getattr(rule, name)
            if value != getattr(found.optimizer, name):
                trial = changed(found.optimizer, **{name: value})
                found = held(trial, seen, dtype, rng, found.clipping) or found
    return found


def missed(
    seen: Updates, rules: Sequence[Optimizer], dtype: np.dtype[Any], rng: np.random.Generator
) -> float:
    """The least share by which a usual rule, its constants moved a little, misses updates.

    Args:
        seen: updates on which nothing acts beside the rule.
        rules: hints, beside what is usual.
        dtype: the width of the side.
        rng: for a sample of the elements.
    """
    flat = flatten(seen, range(len(seen.calls)), dtype, rng)
    first = first_update(flat)
    if first is None:
        return 1.0
    with np.errstate(all="ignore"):
        tried = [calibrated(without_decay(rule), flat) for rule in (*rules, *usual(first))]
        near = sorted(tried, key=lambda rule: misfit(rule, flat))[:_MOVED_A_LITTLE]
        return min(misfit(polish(rule, flat, 4), flat) for rule in near)


def identify_alone(
    seen: Updates, dtype: np.dtype[Any], rng: np.random.Generator, hints: Sequence[Rule] = ()
) -> FoundUpdate | None:
    """The rule that repeats updates on which nothing acts beside it.

    Args:
        seen: the updates, with the gradients as the rule gets them.
        dtype: the width of the side.
        rng: for samples and noise.
        hints: first guesses.
    """
    for rule, _ in hints:
        found = held(without_decay(rule), seen, dtype, rng)
        if found is not None:
            return found
    flat = flatten(seen, range(len(seen.calls)), dtype, rng)
    first = first_update(flat)
    for family in families(first) if first is not None else ():
        best = _shortest(held(r, seen, dtype, rng) for r in fitted(family, flat, flat))
        if best is not None:
            return best
    return None


def with_decay(
    rule: Optimizer,
    seen: Updates,
    dtype: np.dtype[Any],
    rng: np.random.Generator,
    clipping: Clipping | None = None,
) -> FoundUpdate | None:
    """The rule with the decay, or none, that repeats updates."""
    through = as_clipped(seen, clipping)
    moved = [m.where for m in confirm(rule, through, dtype, rng) if m.different]
    decayed = decays(rule, sampled(through, rng, FEW), moved, dtype)
    tried = (held(r, seen, dtype, rng, clipping) for r in (rule, *decayed))
    return next((f for f in tried if f is not None), None)


def as_clipped(seen: Updates, clipping: Clipping | None) -> Updates:
    """Updates whose gradients have come through a clip."""
    if clipping is None:
        return seen
    calls = (replace(c, gradient=clipped(clipping, c)) for c in seen.calls)
    return Updates(tuple(calls), seen.after)


def _with_others(
    rule: Optimizer,
    seen: Updates,
    dtype: np.dtype[Any],
    rng: np.random.Generator,
    unclipped: int = DECAY_CALLS[1],
) -> FoundUpdate | None:
    """The rule with the decay and the clip that repeat all calls.

    ``unclipped`` calls are looked at for a decay; where none explains them they may have been
    clipped.
    """
    decayed = with_decay(rule, seen.until(unclipped), dtype, rng)
    if decayed is None and unclipped < len(seen.calls):
        return None
    rule = rule if decayed is None else decayed.optimizer
    found = held(rule, seen, dtype, rng)
    if found is not None:
        return found
    possible = clips(rule, sampled(seen, rng, FEW), dtype)
    return next((f for c in possible if (f := held(rule, seen, dtype, rng, c)) is not None), None)


def without_decay(rule: Optimizer) -> Optimizer:
    """The rule apart from its weight decay."""
    return changed(rule, weight_decay=0.0, decay="coupled", decay_scope="all")


def _at_zero(count: int) -> list[int]:
    return [i for i in range(count) if not DECAY_CALLS[0] <= i < DECAY_CALLS[1]]


def _shortest(found: Iterable[FoundUpdate | None]) -> FoundUpdate | None:
    """Of the rules that hold, the one whose constants are the easiest to write down."""
    holding = [f for f in found if f is not None]
    return min(holding, key=lambda f: length(f.optimizer), default=None)


def held(
    rule: Optimizer,
    seen: Updates,
    dtype: np.dtype[Any],
    rng: np.random.Generator,
    clipping: Clipping | None = None,
) -> FoundUpdate | None:
    """The rule, where it repeats the updates to the noise floor."""
    measures = confirm(rule, seen, dtype, rng, clipping)
    if not measures or any(m.different for m in measures):
        return None
    return FoundUpdate(rule, tuple(measures), declared=False, clipping=clipping)


def fitted(
    family: Sequence[Optimizer], flat: Flat, part: Flat, *, decayed: bool = False
) -> Iterator[Optimizer]:
    """The rules of a family that repeat flat updates; ranked, and fitted first, by a part.

    With ``decayed`` each with a weight decay of every sort.
    """
    ranked: dict[tuple[Any, ...], tuple[float, Optimizer]] = {}
    with np.errstate(all="ignore"):
        for guess in family:
            ready = calibrated(guess, flat)
            missed = misfit(ready, part)
            form = _form(guess)
            if form not in ranked or missed < ranked[form][0]:
                ranked[form] = (missed, ready)
        near = [polish(g, part, 4) for _, g in sorted(ranked.values(), key=_rank)[:_MOVED]]
        near = sorted(near, key=lambda g: misfit(g, part))
        near = near[:_TRIED]
        near = [d for g in near[: _TRIED // 2] for d in _decayed(g)] if decayed else near
        best = [_fit(g, flat, part) for g in near]
    for rule in best:
        missed = float(np.quantile(np.abs(residuals(rule, flat)), 0.9))
        if missed <= _SCREEN[flat.dtype]:
            yield from written(rule, flat.dtype)
        if flat.dtype == np.float64 and 1e-12 < missed <= _ROUNDED:
            yield from rounded(rule)


def _fit(rule: Optimizer, flat: Flat, part: Flat) -> Optimizer:
    """The rule with the constants that fit best, first to a part; exactly, once they are near."""
    fit = polish(polish(rule, part), flat)
    missed = float(np.median(np.abs(residuals(fit, flat))))
    return polish(fit, flat, near=True) if 0.0 < missed < _NEAR else fit


def _decayed(rule: Optimizer) -> Iterator[Optimizer]:
    plain = isinstance(rule, SGD) and rule.momentum == 0.0
    for scope, kind in itertools.product(("weights", "all"), ("coupled", "decoupled")):
        if kind == "coupled" or not plain:
            yield changed(rule, weight_decay=_DECAY, decay=kind, decay_scope=scope)


def _rank(ranked: tuple[float, Optimizer]) -> float:
    return ranked[0]


def _form(optimizer: Optimizer) -> tuple[Any, ...]:
    """A rule apart from the values of its numbers: its kind, its words, what is absent."""
    values = []
    for f in fields(optimizer):  # type: ignore[arg-type]
        value = getattr(optimizer, f.name)
        values.append(bool(value) if isinstance(value, float) else value)
    return (type(optimizer), *values)
