"""The loss, penalties, clip and update rule behind whole steps, where they are all a side shows.

The gradient of each guess comes from the twin; a guess is only as good as the rule that then
repeats the steps to the noise floor. Guesses are ranked by first steps, at biases of 0, on
which no penalty and no decay acts.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from netparity.conventions import Conventions
from netparity.diagnosis import scheduled, stepping, update
from netparity.diagnosis.gradient_probes import Probe
from netparity.diagnosis.masks import fed
from netparity.diagnosis.noise import ULPS
from netparity.diagnosis.step_guesses import Guess, general, guesses
from netparity.diagnosis.twin import Array, Twin, Values
from netparity.diagnosis.update import steering
from netparity.errors import InputError
from netparity.implementations.base import Implementation
from netparity.nn import L1, Clipping, Schedule

#: Guesses that are fitted, after all were ranked.
FITTED: Final = 2


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


@dataclass(frozen=True, slots=True)
class Taken:
    """Steps of a side: each as it was made, its draws, and the parameters after it."""

    made: tuple[steering.Steered, ...]
    drawn: tuple[Any, ...]
    after: tuple[Values, ...]
    dtype: np.dtype[Any]

    def asked(self, twin: Twin, rng: np.random.Generator, *, noise: bool) -> update.Updates:
        """The steps with the gradients of a twin; with their noise only where that is wanted."""
        calls = []
        for step, draws in zip(self.made, self.drawn, strict=True):
            gradient = twin.evaluate(step.before, step.x, step.y, draws=draws).gradients
            rough = steering.noise_of(twin, step, self.dtype, rng, draws) if noise else None
            calls.append(update.Call(step.before, update.wide(gradient), noise=rough))
        return update.Updates(tuple(calls), self.after)

    def can_be(self, twin: Twin) -> bool:
        """Whether a twin's loss takes every target that was steered to."""
        try:
            with np.errstate(all="ignore"):
                for step, draws in zip(self.made, self.drawn, strict=True):
                    twin.evaluate(step.before, step.x, step.y, draws=draws, backward=False)
        except InputError:
            return False
        return True

    def still(self, twin: Twin) -> list[str]:
        """Parameters that are 0 before each of the first steps, and have gradients."""
        start = self.made[: steering.DECAYS[0]]
        return [
            n
            for n in twin.network.parameter_shapes()
            if n.endswith("bias") and not any(np.any(step.before[n]) for step in start)
        ]

    def probes(self, seen: update.Updates) -> list[Probe]:
        """The steps as evaluations of the gradient."""
        return [
            Probe(s.before, s.x, s.y, None if d is None else tuple(d), c.gradient)
            for s, d, c in zip(self.made, self.drawn, seen.calls, strict=True)
        ]


def take(
    live: Implementation,
    twin: Twin,
    planned: Iterable[steering.Steered],
    draws_for: Any,
    *,
    afresh: bool = False,
) -> Taken:
    """Steered steps of a side, in a row; ``afresh``: each from the state that it has now."""
    native, saved = live.parameters(), live.state()
    made, drawn, after = [], [], []
    for step in planned:
        if afresh:
            live.restore(saved)
        live.set_parameters(twin.native(step.before, native))
        before = update.wide(twin.values(live.parameters()))
        draws = draws_for(live, step.x)
        live.step(step.x, step.y, draws=fed(live, twin, draws))
        made.append(replace(step, before=before))
        drawn.append(draws)
        after.append(update.wide(twin.values(live.parameters())))
    return Taken(tuple(made), tuple(drawn), tuple(after), live.dtype)


def ranked(
    twin: Twin,
    possible: Sequence[Guess],
    firsts: Taken,
    rules: Sequence[update.Rule],
    rng: np.random.Generator,
) -> list[Guess]:
    """The guesses whose gradients some usual rule brings nearest to first steps.

    From its first state every rule moves each element by one curve of its gradient, whatever
    rate or state comes later; at a bias of 0 nothing pulls beside the data.
    """
    names = firsts.still(twin)
    if not names or len(possible) == 1:
        return list(possible)
    missed = []
    for guess in possible:
        with np.errstate(all="ignore"):
            seen = firsts.asked(guess.set_on(twin), rng, noise=False)
        seen = update.as_one(update.as_clipped(seen, guess.clipping).only(names))
        missed.append(update.missed(seen, [rule for rule, _ in rules], firsts.dtype, rng))
    return [possible[i] for i in np.argsort(missed, kind="stable")]


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
    planned = list(steering.plan(twin.with_(loss=possible[0].loss), batches, rng))
    try:
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
        return set_so.with_(frozen=frozen), seen

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
    for number, guess in enumerate(ranked(twin, possible, firsts, rules, rng)[:FITTED]):
        set_so, seen = followed(guess)
        behind = _fitted(set_so, (taken, decays), seen, guess, rules, rng, paces)
        if behind is not None:
            return behind
        if number == 0:  # a few biases may not tell
            by_all = update.identify_steps(seen, live.dtype, rng, None, rules)
            if by_all is not None:
                return Behind(by_all, set_so, set_so)
    return None


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


def _fitted(
    twin: Twin,
    rows: Sequence[Taken],
    seen: update.Updates,
    guess: Guess,
    rules: Sequence[update.Rule],
    rng: np.random.Generator,
    paces: Sequence[Schedule | None],
) -> Behind | None:
    """The rule that repeats steps with a guess's gradients: first at biases of 0, then with decay.

    Args:
        twin: with the guess.
        rows: rows of steps, each from the state as built.
        seen: the first row with the twin's gradients.
        guess: what else they are made of.
        rules: first guesses.
        rng: for samples and noise.
        paces: schedules to be tried before others.
    """
    dtype = rows[0].dtype
    names = [n for n in rows[0].still(twin) if n in seen.names]
    if not names:
        return None
    start = update.as_clipped(seen, guess.clipping).until(steering.DECAYS[0]).only(names)
    alone = list(_alone(start, dtype, rng, rules, paces))
    decayed = (_decayed(a, twin, rows, seen, guess.clipping, rules, rng) for a in alone)
    pulled = (_pulled(a, twin, rows[0], seen.names, rng) for a in alone if guess.clipping is None)
    return next((b for b in itertools.chain(decayed, pulled) if b is not None), None)


def _alone(
    start: update.Updates,
    dtype: np.dtype[Any],
    rng: np.random.Generator,
    rules: Sequence[update.Rule],
    paces: Sequence[Schedule | None],
) -> Iterator[update.FoundUpdate]:
    """Rules that repeat steps on which nothing acts beside them, with their schedules."""
    for pace in paces:
        found = update.identify_alone(update.paced(pace, start), dtype, rng, rules)
        if found is not None:
            yield _at(pace, found)
            return
    yield from update.identify_paced(start, dtype, rng, rules)


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
    for coefficient in update.signs(rule, update.sampled(seen, rng), moved, row.dtype):
        pulled = twin.with_(penalties=(L1(coefficient, scope=tuple(moved)),))
        found = update.with_decay(rule, paced(pulled), row.dtype, rng)
        if found is not None:
            return Behind(replace(found, schedule=alone.schedule), pulled, pulled)
    return None


def _would_move(
    seen: update.Updates, name: str, named: Sequence[str], dtype: np.dtype[Any]
) -> bool:
    """Whether a parameter's gradient, at the least rate seen elsewhere, is more than rounding."""
    largest = {
        n: max(float(np.max(np.abs(c.gradient[n]), initial=0.0)) for c in seen.calls) for n in named
    }
    moved = {
        n: max(
            float(np.max(np.abs(values[n] - call.before[n]), initial=0.0))
            for call, values in zip(seen.calls, seen.after, strict=True)
        )
        for n in named
    }
    rates = [moved[n] / largest[n] for n in named if largest[n] > 0 and moved[n] > 0]
    size = float(np.max(np.abs(seen.after[0][name]), initial=0.0))
    expected = largest[name] * min(rates, default=np.inf) if largest[name] else 0.0
    return expected > ULPS * float(np.finfo(dtype).eps) * size


def without_frozen(
    seen: update.Updates, dtype: np.dtype[Any]
) -> tuple[update.Updates, tuple[str, ...]]:
    """The updates of the parameters that have gradients, without those that never move."""
    named = [n for n in seen.after[0] if all(n in c.gradient for c in seen.calls)]
    frozen = tuple(
        n
        for n in seen.after[0]
        if all(
            np.array_equal(values[n], call.before[n])
            for call, values in zip(seen.calls, seen.after, strict=True)
        )
        and (n not in named or _would_move(seen, n, named, dtype))
    )
    kept = [n for n in named if n not in frozen]
    if not kept:
        return seen, ()
    # What does not move has a gradient all the same, which counts for a clip.
    whole = update.Updates(update.with_norms(seen.calls), seen.after) if frozen else seen
    return whole.only(kept), frozen


__all__ = ["general", "identify", "without_frozen"]
