"""The loss, penalties, clip and update rule behind whole steps, where they are all a side shows.

The gradient of each guess comes from the twin; a guess is only as good as the rule that then
repeats the steps to the noise floor. Guesses are ranked by first steps, at biases of 0, on
which no penalty and no decay acts.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from netparity.conventions import Conventions
from netparity.diagnosis import scheduled, step_units, stepping, update
from netparity.diagnosis.step_guesses import Guess, general, guesses, kinds, refined
from netparity.diagnosis.steps_taken import Taken, take, telling, without_frozen
from netparity.diagnosis.twin import Array, Twin
from netparity.diagnosis.update import steering
from netparity.implementations.base import Implementation
from netparity.nn import L1, Clipping, Loss, Schedule

#: Guesses that are fitted, after all were ranked.
FITTED: Final = 2
#: First steps missed by less, in the mean, are those of a guess.
NEAR: Final = 1e-3
#: Those missed by more are not worth a fit.
FAR: Final = 0.1


@dataclass(frozen=True, slots=True)
class Behind:
    """What was found behind a side's whole steps.

    Attributes:
        update: the rule.
        twin: with the loss, the penalties and what the gradients have wrong.
        right: the same with right gradients.
        wrong: the mistake in the gradients, where there is one.
    """

    update: update.FoundUpdate
    twin: Twin
    right: Twin
    wrong: stepping.Wrong | None = None


def ranked(
    twin: Twin,
    possible: Sequence[Guess],
    firsts: Taken,
    rng: np.random.Generator,
) -> list[tuple[Guess, float]]:
    """The guesses of whose gradients first steps are most nearly a curve, and how near.

    From its first state every rule moves each element by one curve of its gradient, whatever
    rate or state comes later; at a bias of 0 nothing pulls beside the data. Where no guess is
    near, the loss is looked for among all kinds, then its constants.
    """
    names = firsts.still(twin)
    if not names or (twin.conventions.loss is not None and len(possible) == 1):
        return [(guess, 0.0) for guess in possible]
    known: dict[tuple[Loss, Clipping | None], float] = {}

    def missed(loss: Loss, clipping: Clipping | None) -> float:
        if (loss, clipping) not in known:
            set_so = twin.with_(loss=loss, penalties=())
            known[loss, clipping] = np.inf
            if firsts.can_be(set_so):
                with np.errstate(all="ignore"):
                    seen = firsts.asked(set_so, rng, noise=False)
                seen = update.as_one(update.as_clipped(seen, clipping).only(names))
                if all(np.all(np.isfinite(g)) for g in seen.calls[0].gradient.values()):
                    known[loss, clipping] = update.missed(seen, firsts.dtype)
        return known[loss, clipping]

    def nearest(found: Iterable[Guess]) -> list[Guess]:
        return sorted(found, key=lambda g: missed(g.loss, g.clipping))

    def with_losses(losses: Iterable[Loss]) -> list[Guess]:
        plain = [g for g in possible if g.loss == possible[0].loss]
        return [replace(g, loss=loss) for loss in losses for g in plain]

    near = nearest(possible)
    best, clipping = near[0].loss, near[0].clipping
    if twin.conventions.loss is None and missed(best, clipping) >= NEAR:
        near = nearest([*near, *with_losses(kinds(twin.conventions))])
        best, clipping = near[0].loss, near[0].clipping
    if twin.conventions.loss is None and missed(best, clipping) >= NEAR:
        for loss in list(dict.fromkeys(g.loss for g in near))[:FITTED]:
            fits = with_losses(refined(loss, lambda one: missed(one, clipping)))
            near = nearest([*near, *fits])
    return [(guess, missed(guess.loss, guess.clipping)) for guess in near]


def identify(
    live: Implementation,
    twin: Twin,
    batches: Sequence[tuple[Array, Array]],
    rng: np.random.Generator,
    draws_for: Any,
    rules: Sequence[update.Rule],
    other: Conventions | None,
) -> Behind | None:
    """The rule behind a side's whole steps, and the twin with what else they are made of.

    A factor on the loss and the learning rate may be one constant.

    Args:
        live: the side, whose state is put back.
        twin: what is known of it.
        batches: rows to step on.
        rng: for parameters, samples and noise.
        draws_for: gives the dropout draws of the next call.
        rules: what it declares, and other first guesses.
        other: the other side's conventions.
    """
    saved = live.state()
    possible = guesses(twin, other, batches[0][1])
    first = twin.with_(loss=possible[0].loss)
    planned = list(steering.plan(first, batches, rng))
    try:
        taken = take(live, twin, planned, draws_for)
        live.restore(saved)
        if not taken.finite:  # a loss of probabilities is none where one is 1
            certain = steering.uncertain(live.dtype)
            planned = list(steering.plan(first, batches, rng, certain))
            taken = take(live, twin, planned, draws_for)
            live.restore(saved)
        decays = take(live, twin, [planned[i] for i in steering.DECAYS_FIRST], draws_for)
        live.restore(saved)
        firsts = take(live, twin, [planned[i] for i in steering.FIRSTS], draws_for, afresh=True)
    finally:
        live.restore(saved)
    possible = [guess for guess in possible if taken.can_be(guess.set_on(twin))]
    paces = _paces(twin.conventions, other, len(planned))

    def followed(guess: Guess) -> tuple[Twin, update.Updates]:
        set_so = guess.set_on(twin)
        seen, frozen = without_frozen(taken.asked(set_so, rng, noise=True), live.dtype)
        names = telling(seen.names, seen)
        return set_so.with_(frozen=frozen), seen.only(names) if names else seen

    for guess in possible:
        if rules and guess.loss == possible[0].loss and guess.clipping is possible[0].clipping:
            set_so, seen = followed(guess)
            for pace in paces:
                wrong = stepping.wrong_twin(
                    set_so, update.paced(pace, seen), taken.probes(seen), rules, live.dtype, rng
                )
                if wrong is not None:
                    found = _at(pace, wrong.update)
                    return Behind(found, wrong.twin, set_so, replace(wrong, update=found))
    alone: dict[tuple[Loss, Clipping | None], list[update.FoundUpdate]] = {}
    for number, (guess, far) in enumerate(ranked(twin, possible, firsts, rng)[:FITTED]):
        set_so, seen = followed(guess)
        data = guess.loss, guess.clipping
        if data not in alone and far < FAR:
            alone[data] = _alone(set_so, taken, seen, guess.clipping, rules, rng, paces)
        behind = _beside(alone.get(data, ()), set_so, (taken, decays), seen, guess, rules, rng)
        if behind is not None:
            shown = twin.conventions.loss is not None
            return behind if shown else _as_the_other(behind, taken, seen.names, other, rng)
        if number == 0:  # a few biases may not tell
            by_all = update.identify_steps(seen, live.dtype, rng, None, rules)
            if by_all is not None:
                return Behind(by_all, set_so, set_so)
    return None


def _as_the_other(
    behind: Behind,
    taken: Taken,
    names: Sequence[str],
    other: Conventions | None,
    rng: np.random.Generator,
) -> Behind:
    """The description of the same steps that has the most in common with the other side's."""
    found = behind.update
    loss, penalties = behind.twin.conventions.loss, behind.twin.conventions.penalties
    if other is None or other.loss is None or other.optimizer is None or loss is None:
        return behind
    if found.clipping is not None:
        return behind
    theirs = step_units.Made(other.loss, tuple(other.penalties or ()), other.optimizer)
    own = step_units.Made(loss, tuple(penalties or ()), found.optimizer)
    for made in step_units.in_common(own, theirs, taken.dtype):
        twin = behind.twin.with_(loss=made.loss, penalties=made.penalties)
        seen = taken.asked(twin, rng, noise=True).only(names)
        held = update.held(made.optimizer, update.paced(found.schedule, seen), taken.dtype, rng)
        if held is not None:
            return Behind(replace(held, schedule=found.schedule), twin, twin)
    return behind


def _paces(own: Conventions, other: Conventions | None, count: int) -> list[Schedule | None]:
    """What a rate may follow from step to step: the schedules that are known, then none."""
    known = (
        scheduled.reading(c.schedule)
        for c in (own, other)
        if c is not None and c.schedule is not None and c.schedule_every == "step"
    )
    moving = (s for s in known if update.can_start_elsewhere(s) and s(0) > 0)
    return [*dict.fromkeys(s for s in moving if any(s(t) != s(0) for t in range(count))), None]


def _at(pace: Schedule | None, found: update.FoundUpdate) -> update.FoundUpdate:
    """A rule that was found at the rates of a schedule, with that schedule from its own rate."""
    if pace is None or found.schedule is not None:
        return found
    return replace(found, schedule=update.from_rate(pace, found.optimizer.learning_rate))


def _alone(
    twin: Twin,
    taken: Taken,
    seen: update.Updates,
    clipping: Clipping | None,
    rules: Sequence[update.Rule],
    rng: np.random.Generator,
    paces: Sequence[Schedule | None],
) -> list[update.FoundUpdate]:
    """Rules that repeat steps at biases of 0, where nothing acts beside, with their schedules.

    Args:
        twin: with a guess.
        taken: the steps.
        seen: the same with the twin's gradients.
        clipping: a guess.
        rules: first guesses.
        rng: for samples and noise.
        paces: schedules to be tried before others.
    """
    names = [n for n in taken.still(twin) if n in seen.names]
    if not names:
        return []
    start = update.as_clipped(seen, clipping).until(steering.DECAYS[0]).only(names)
    for pace in paces:
        found = update.identify_alone(update.paced(pace, start), taken.dtype, rng, rules)
        if found is not None:
            return [_at(pace, found)]
    return list(update.identify_paced(start, taken.dtype, rng, rules))


def _beside(
    alone: Sequence[update.FoundUpdate],
    twin: Twin,
    rows: Sequence[Taken],
    seen: update.Updates,
    guess: Guess,
    rules: Sequence[update.Rule],
    rng: np.random.Generator,
) -> Behind | None:
    """The rule with what acts beside it: decay, or an L1 penalty."""
    decayed = (_decayed(a, twin, rows, seen, guess.clipping, rules, rng) for a in alone)
    pulled = (_pulled(a, twin, rows[0], seen.names, rng) for a in alone if guess.clipping is None)
    return next((b for b in itertools.chain(decayed, pulled) if b is not None), None)


def _decayed(
    alone: update.FoundUpdate,
    twin: Twin,
    rows: Sequence[Taken],
    seen: update.Updates,
    clipping: Clipping | None,
    rules: Sequence[update.Rule],
    rng: np.random.Generator,
) -> Behind | None:
    """A rule that repeats steps at biases of 0, with the decay with which it repeats all."""
    dtype, pace = rows[0].dtype, alone.schedule
    others = []
    if pace is not None:  # which may be at rest where a decay would show
        rest = (row.asked(twin, rng, noise=True).only(seen.names) for row in rows[1:])
        others = [update.paced(pace, row) for row in rest]
    seen = update.paced(pace, seen)
    found = update.with_decay(alone.optimizer, seen, dtype, rng, clipping, others)
    if found is None:
        return None
    found = update.as_said(found, rules, seen, dtype, rng)
    return Behind(replace(found, schedule=pace), twin, twin)


def _pulled(
    alone: update.FoundUpdate,
    twin: Twin,
    row: Taken,
    names: Sequence[str],
    rng: np.random.Generator,
) -> Behind | None:
    """The same with the L1 penalty with which it repeats all steps of a row."""

    def paced(guess: Twin) -> update.Updates:
        return update.paced(alone.schedule, row.asked(guess, rng, noise=True).only(names))

    seen, rule = paced(twin), alone.optimizer
    moved = [m.where for m in update.confirm(rule, seen, row.dtype, rng) if m.different]
    if not moved:
        return None
    for coefficient in update.signs(rule, update.sampled(seen, rng), moved, row.dtype):
        pulled = twin.with_(penalties=(L1(coefficient, scope=tuple(moved)),))
        found = update.with_decay(rule, paced(pulled), row.dtype, rng)
        if found is not None:
            return Behind(replace(found, schedule=alone.schedule), pulled, pulled)
    return None


__all__ = ["general", "identify", "without_frozen"]
