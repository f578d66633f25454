"""The loss, penalties, clip and update rule behind whole steps, where they are all a side shows.

The gradient of each guess comes from the twin; a guess is only as good as the rule that then
repeats the steps to the noise floor. Guesses are ranked first by biases at 0, on which no
penalty and no decay acts, and by the usual constants of every rule.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from netparity.conventions import Conventions, changed
from netparity.diagnosis import stepping, unshown, update
from netparity.diagnosis.gradient_probes import Probe
from netparity.diagnosis.masks import fed
from netparity.diagnosis.noise import ULPS
from netparity.diagnosis.twin import Array, Twin, Values
from netparity.diagnosis.update import steering
from netparity.errors import InputError
from netparity.implementations.base import Implementation
from netparity.nn import (
    L1,
    ClipByNorm,
    ClipByValue,
    Clipping,
    Loss,
    Penalty,
    Scope,
    SoftmaxCrossEntropy,
)

#: Guesses that are fitted, after all were ranked.
FITTED: Final = 2
#: Shares of a target that are spread over the other classes.
_SMOOTHED: Final = (0.0, 0.1, 0.2)


@dataclass(frozen=True, slots=True)
class Guess:
    """What a step may be made of beside its rule."""

    loss: Loss
    penalties: tuple[Penalty, ...]
    clipping: Clipping | None

    def set_on(self, twin: Twin) -> Twin:
        """A twin with this loss and these penalties."""
        return twin.with_(loss=self.loss, penalties=self.penalties)


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


def guesses(twin: Twin, other: Conventions | None, y: Array) -> list[Guess]:
    """What may be behind a side's steps, the likeliest first.

    Args:
        twin: what is known of the side.
        other: the other side's conventions.
        y: targets.
    """
    own = twin.conventions
    losses = [own.loss] if own.loss is not None else list(_losses(own, other, y))
    penalties = [own.penalties or ()]
    if other is not None and other.penalties and not own.penalties:
        theirs = tuple(_general(p, other) for p in other.penalties)
        # A loss that is shown shows its penalty; a decay in the gradients alone may be as well.
        penalties.insert(0 if own.loss is None else 1, theirs)
    clip = None if other is None else other.clipping
    clips = [None] if clip is None else [clip, None]
    found = [Guess(loss, p, c) for loss in losses for c in clips for p in penalties]
    return found + [Guess(losses[0], p, c) for c in _other_clips(clip) for p in penalties]


def _other_clips(clip: Clipping | None) -> Iterator[Clipping]:
    """A clip with another scope or ε, or of another form."""
    if isinstance(clip, ClipByNorm):
        yield changed(clip, epsilon=0.0 if clip.epsilon else 1e-6)
        yield changed(clip, scope="parameter" if clip.scope == "global" else "global")
        yield ClipByValue(clip.limit)
    elif isinstance(clip, ClipByValue):
        yield ClipByNorm(clip.limit)


def _losses(own: Conventions, other: Conventions | None, y: Array) -> Iterator[Loss]:
    given = None if other is None else other.loss
    near = unshown.possible(own, given, y)
    for loss in dict.fromkeys((*near, *unshown.possible(own, None, y))):
        yield loss
        if isinstance(loss, SoftmaxCrossEntropy):
            for share in _SMOOTHED:
                if share != loss.label_smoothing:
                    yield changed(loss, label_smoothing=share)
        if loss in near and hasattr(loss, "batch"):
            yield changed(loss, batch="sum" if loss.batch == "mean" else "mean")


def _general(penalty: Any, conventions: Conventions) -> Penalty:
    """A penalty over all weights, or over everything, without the names of one side."""
    moved: Penalty = changed(penalty, scope=general(penalty.scope, conventions))
    return moved


def general(scope: Scope, conventions: Conventions) -> Scope:
    """A scope without the names of one side, where it can be said so."""
    names = set(Twin(conventions).network.parameter_shapes())
    if isinstance(scope, str):
        return scope
    if set(scope) == names:
        return "all"
    return "weights" if set(scope) == {n for n in names if n.endswith("weight")} else scope


def take(
    live: Implementation,
    twin: Twin,
    batches: Sequence[tuple[Array, Array]],
    rng: np.random.Generator,
    draws_for: Any,
) -> tuple[list[steering.Steered], list[Any], list[Values]]:
    """Steered steps of a side: each as it was made, its draws, and the parameters after it."""
    native = live.parameters()
    made, drawn, after = [], [], []
    for step in steering.plan(twin, batches, rng):
        live.set_parameters(twin.native(step.before, native))
        before = update.wide(twin.values(live.parameters()))
        draws = draws_for(live, step.x)
        live.step(step.x, step.y, draws=fed(live, twin, draws))
        made.append(replace(step, before=before))
        drawn.append(draws)
        after.append(update.wide(twin.values(live.parameters())))
    return made, drawn, after


def asked(
    twin: Twin,
    made: Sequence[steering.Steered],
    drawn: Sequence[Any],
    after: Sequence[Values],
    dtype: np.dtype[Any],
    rng: np.random.Generator,
    *,
    noise: bool,
) -> update.Updates:
    """The steps with the gradients of a twin; with their noise only where that is wanted."""
    calls = []
    for step, draws in zip(made, drawn, strict=True):
        gradient = twin.evaluate(step.before, step.x, step.y, draws=draws).gradients
        rough = steering.noise_of(twin, step, dtype, rng, draws) if noise else None
        calls.append(update.Call(step.before, update.wide(gradient), noise=rough))
    return update.Updates(tuple(calls), tuple(after))


def still(twin: Twin, made: Sequence[steering.Steered]) -> list[str]:
    """Parameters that are 0 before each of the first steps, and have gradients."""
    start = made[: steering.DECAYS[0]]
    return [
        n
        for n in twin.network.parameter_shapes()
        if n.endswith("bias") and not any(np.any(step.before[n]) for step in start)
    ]


def _can_be(
    twin: Twin, guess: Guess, made: Sequence[steering.Steered], drawn: Sequence[Any]
) -> bool:
    """Whether the loss of a guess takes every target that was steered to."""
    set_so = guess.set_on(twin)
    try:
        with np.errstate(all="ignore"):
            for step, draws in zip(made, drawn, strict=True):
                set_so.evaluate(step.before, step.x, step.y, draws=draws, backward=False)
    except InputError:
        return False
    return True


def ranked(
    twin: Twin,
    possible: Sequence[Guess],
    made: Sequence[steering.Steered],
    drawn: Sequence[Any],
    after: Sequence[Values],
    dtype: np.dtype[Any],
    rules: Sequence[update.Rule],
    rng: np.random.Generator,
) -> list[Guess]:
    """The guesses whose gradients some usual rule brings nearest to the steps, at biases at 0."""
    start, names = steering.DECAYS[0], still(twin, made)
    if not names or len(possible) == 1:
        return list(possible)
    missed = []
    for guess in possible:
        set_so = guess.set_on(twin)
        with np.errstate(all="ignore"):
            seen = asked(
                set_so, made[:start], drawn[:start], after[:start], dtype, rng, noise=False
            )
        seen = update.as_clipped(seen, guess.clipping).only(names)
        missed.append(update.missed(seen, [rule for rule, _ in rules], dtype, rng))
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
    try:
        made, drawn, after = take(live, twin.with_(loss=possible[0].loss), batches, rng, draws_for)
    finally:
        live.restore(saved)
    dtype = live.dtype
    possible = [guess for guess in possible if _can_be(twin, guess, made, drawn)]

    def followed(guess: Guess) -> tuple[Twin, update.Updates]:
        set_so = guess.set_on(twin)
        seen = asked(set_so, made, drawn, after, dtype, rng, noise=True)
        seen, frozen = without_frozen(seen, dtype)
        return set_so.with_(frozen=frozen), seen

    for guess in possible:
        if rules and guess.loss == possible[0].loss and guess.clipping is possible[0].clipping:
            set_so, seen = followed(guess)
            wrong = stepping.wrong_twin(set_so, seen, _probes(made, drawn, seen), rules, dtype, rng)
            if wrong is not None:
                return Behind(wrong.update, wrong.twin, set_so, wrong)
    near = ranked(twin, possible, made, drawn, after, dtype, rules, rng)
    for number, guess in enumerate(near[:FITTED]):
        set_so, seen = followed(guess)
        names = [n for n in still(set_so, made) if n in seen.names]
        alone = None
        if names:
            start = update.as_clipped(seen, guess.clipping).until(steering.DECAYS[0]).only(names)
            alone = update.identify_alone(start, dtype, rng, rules)
        if alone is None:
            if number == 0:  # a few biases may not tell
                found = update.identify_steps(seen, dtype, rng, None, rules)
                if found is not None:
                    return Behind(found, set_so, set_so)
            continue
        rule = alone.optimizer
        found = update.with_decay(rule, seen, dtype, rng, guess.clipping)
        if found is not None:
            found = update.as_said(found, rules, seen, dtype, rng)
            return Behind(found, set_so, set_so)
        if guess.clipping is not None:
            continue
        moved = [m.where for m in update.confirm(rule, seen, dtype, rng) if m.different]
        for coefficient in update.signs(rule, update.sampled(seen, rng), moved, dtype):
            pulled = set_so.with_(penalties=(L1(coefficient, scope=tuple(moved)),))
            again = asked(pulled, made, drawn, after, dtype, rng, noise=True).only(seen.names)
            found = update.with_decay(rule, again, dtype, rng)
            if found is not None:
                return Behind(found, pulled, pulled)
    return None


def _probes(
    made: Sequence[steering.Steered], drawn: Sequence[Any], seen: update.Updates
) -> list[Probe]:
    """The steps as evaluations of the gradient."""
    return [
        Probe(s.before, s.x, s.y, None if d is None else tuple(d), c.gradient)
        for s, d, c in zip(made, drawn, seen.calls, strict=True)
    ]


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


__all__ = ["Guess", "general", "guesses", "identify", "without_frozen"]
