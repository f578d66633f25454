"""Names the update rule behind updates: guesses ranked, fitted, and held to the noise floor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from netparity.diagnosis.update.calls import DECAY_CALLS, Updates
from netparity.diagnosis.update.candidates import fitted
from netparity.diagnosis.update.fitting import (
    flatten,
)
from netparity.diagnosis.update.guesses import families, first_update
from netparity.diagnosis.update.holding import (
    FoundUpdate,
    Rule,
    as_said,
    held,
    shortest,
    with_others,
    without_decay,
)
from netparity.diagnosis.update.paced import identify_scheduled


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
        both = None if alone is None else with_others(alone.optimizer, seen, dtype, rng)
        if both is not None:
            return both
    flat = flatten(seen, _at_zero(len(seen.calls)), dtype, rng)
    short = flat.until(DECAY_CALLS[0])
    for rule, _ in said:  # with other constants: another form may do the same with its own
        best = shortest(held(r, seen, dtype, rng) for r in fitted([rule], flat, flat))
        if best is not None:
            return best
    first = first_update(flat)
    for family in families(first) if first is not None else ():
        # Where the first gradients lie below every bend, only the long ones tell rules apart.
        part = flat if first is not None and first.line else short
        best = shortest(held(r, seen, dtype, rng) for r in fitted(family, flat, part))
        if best is not None:
            return as_said(best, said, seen, dtype, rng)
        # What acts beside the rule shows only in the calls after the first.
        alone = shortest(held(r, start, dtype, rng) for r in fitted(family, short, short))
        both = None if alone is None else with_others(alone.optimizer, seen, dtype, rng)
        if both is not None:
            return as_said(both, said, seen, dtype, rng)
    return None if first is None else identify_scheduled(seen, flat, first, rng)


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
    if own is not None and (found := with_others(own[0], seen, dtype, rng, len(seen.calls))):
        return found
    flat = flatten(seen, range(len(seen.calls)), dtype, rng, groups=True)
    first = first_update(flat)
    for family in families(first) if first is not None else ():
        for decayed in (False, True):
            rules = fitted(family, flat, flat, decayed=decayed)
            best = shortest(held(r, seen, dtype, rng) for r in rules)
            if best is not None:
                return as_said(best, known, seen, dtype, rng)
    tried = (with_others(rule, seen, dtype, rng, len(seen.calls)) for rule, _ in known)
    return next((found for found in tried if found is not None), None)


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
        best = shortest(held(r, seen, dtype, rng) for r in fitted(family, flat, flat))
        if best is not None:
            return best
    return None


def _at_zero(count: int) -> list[int]:
    return [i for i in range(count) if not DECAY_CALLS[0] <= i < DECAY_CALLS[1]]
