"""Names the update rule whose learning rate changes from update to update."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from netparity.conventions import changed
from netparity.diagnosis.update.calls import DECAY_CALLS, Updates
from netparity.diagnosis.update.candidates import fitted
from netparity.diagnosis.update.fitting import Flat, flatten, length
from netparity.diagnosis.update.guesses import First, families, first_update
from netparity.diagnosis.update.holding import FoundUpdate, Rule, held, with_others, without_decay
from netparity.diagnosis.update.rates import at_schedule, freed, schedules
from netparity.nn import Adam, Optimizer, RMSProp, Schedule


def identify_paced(
    seen: Updates, dtype: np.dtype[Any], rng: np.random.Generator, hints: Sequence[Rule] = ()
) -> Iterator[FoundUpdate]:
    """The rules with schedules that repeat updates on which nothing acts beside them.

    Args:
        seen: the updates, with the gradients as the rule gets them.
        dtype: the width of the side.
        rng: for samples and noise.
        hints: first guesses.
    """
    flat = flatten(seen, range(len(seen.calls)), dtype, rng)
    first = first_update(flat)
    if first is None:
        return
    free = freed(flat)
    likely = [without_decay(rule) for rule, _ in hints]
    others = (fitted(f, free, free) for f in map(_without_correction, families(first)))
    for rules in itertools.chain([likely], others):
        held_at = (_at_pace(r, s, seen, dtype, rng) for r in rules for s in schedules(r, flat))
        found = sorted((f for f in held_at if f is not None), key=lambda f: length(f.optimizer))
        simplest: dict[Schedule | None, FoundUpdate] = {}
        for f in found:
            simplest.setdefault(f.schedule, f)
        yield from simplest.values()
        if simplest:
            return


def identify_scheduled(
    seen: Updates, flat: Flat, first: First, rng: np.random.Generator
) -> FoundUpdate | None:
    """The rule with a rate that changes from update to update."""
    free, before = freed(flat), DECAY_CALLS[0]
    start, short = seen.until(before), flat.until(before)

    def beside(rule: Optimizer, schedule: Schedule) -> FoundUpdate | None:
        if _at_pace(rule, schedule, start, flat.dtype, rng) is None:
            return None
        started = changed(rule, learning_rate=schedule(0))
        found = with_others(started, paced(schedule, seen), flat.dtype, rng)
        return None if found is None else replace(found, schedule=schedule)

    for family in map(_without_correction, families(first)):
        part = free if first.line else free.until(before)
        alone = (
            _at_pace(rule, schedule, seen, flat.dtype, rng)
            for rule in fitted(family, free, part)
            for schedule in schedules(rule, flat)
        )
        quiet = free.until(before)
        decayed = (
            beside(rule, schedule)
            for rule in fitted(family, quiet, quiet)
            for schedule in schedules(rule, short)
        )
        found = next((f for f in itertools.chain(alone, decayed) if f is not None), None)
        if found is not None:
            return found
    return None


def paced(schedule: Schedule | None, seen: Updates) -> Updates:
    """Updates with the rates of a schedule, where there is one."""
    return seen if schedule is None else Updates(at_schedule(seen.calls, schedule), seen.after)


def _at_pace(
    rule: Optimizer, schedule: Schedule, seen: Updates, dtype: np.dtype[Any], rng: Any
) -> FoundUpdate | None:
    """The rule, where it repeats updates at the rates of a schedule."""
    if not schedule(0) > 0.0:
        return None
    started = changed(rule, learning_rate=schedule(0))
    found = held(started, paced(schedule, seen), dtype, rng)
    return None if found is None else replace(found, schedule=schedule)


def _without_correction(family: Sequence[Optimizer]) -> list[Optimizer]:
    """The rules but those that differ from others by a factor of each call alone.

    Where every call has a rate of its own, a correction of the second moment's bias is one.
    """
    corrected = (
        (isinstance(r, Adam) and r.beta1 == 0.0) or (isinstance(r, RMSProp) and r.bias_correction)
        for r in family
    )
    return [rule for rule, is_so in zip(family, corrected, strict=True) if not is_so]
