"""Holds an update rule to updates: whether it repeats them, with what else acts beside it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from netparity.conventions import changed
from netparity.diagnosis.noise import Measure
from netparity.diagnosis.update.beside import clips, decays
from netparity.diagnosis.update.calls import DECAY_CALLS, Updates, clipped, repeat, sampled
from netparity.diagnosis.update.fitting import length, unknowns
from netparity.diagnosis.update.floors import compare, float32_variants, floors
from netparity.nn import Clipping, Optimizer, Schedule

#: Elements of each tensor to which decays and clips are fitted.
FEW: Final = 40
#: A rule, and the clip before it.
Rule = tuple[Optimizer, Clipping | None]


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


def shortest(found: Iterable[FoundUpdate | None]) -> FoundUpdate | None:
    """Of the rules that hold, the one whose constants are the easiest to write down."""
    holding = [f for f in found if f is not None]
    return min(holding, key=lambda f: length(f.optimizer), default=None)


def with_decay(
    rule: Optimizer,
    seen: Updates,
    dtype: np.dtype[Any],
    rng: np.random.Generator,
    clipping: Clipping | None = None,
    others: Sequence[Updates] = (),
) -> FoundUpdate | None:
    """The rule with the decay, or none, that repeats updates, and every other row of them."""
    rows = (seen, *others)
    moved: dict[str, None] = {}
    for row in rows:
        through = as_clipped(row, clipping)
        differing = confirm(rule, through, dtype, rng)
        moved |= dict.fromkeys(m.where for m in differing if m.different)
    tried = [rule]
    for row in rows:
        through = as_clipped(row, clipping)
        tried += decays(rule, sampled(through, rng, FEW), list(moved), dtype)
    for trial in tried:
        found = held(trial, seen, dtype, rng, clipping)
        if found is not None and all(
            held(trial, row, dtype, rng, clipping) is not None for row in others
        ):
            return found
    return None


def with_others(
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


def as_clipped(seen: Updates, clipping: Clipping | None) -> Updates:
    """Updates whose gradients have come through a clip."""
    if clipping is None:
        return seen
    calls = (replace(c, gradient=clipped(clipping, c)) for c in seen.calls)
    return Updates(tuple(calls), seen.after)


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


def without_decay(rule: Optimizer) -> Optimizer:
    """The rule apart from its weight decay."""
    return changed(rule, weight_decay=0.0, decay="coupled", decay_scope="all")
