"""Updates asked for and updates seen: the probes of an update rule, and its repetition.

Update rules act on parameters, gradients and what they keep; so a probe chooses the first two
at every call. With w = 0 the step is what is stored, however small, and no decay acts; a sweep
of gradients shows ε, zero gradients the decay of the moments, W and 10 W the weight decay, and
long gradients a clip.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from netparity.conventions import Conventions
from netparity.diagnosis import scheduled
from netparity.diagnosis.twin import Array, Twin, Values
from netparity.implementations.base import Implementation
from netparity.nn import ClipByNorm, Clipping, Optimizer
from netparity.nn.clipping import norm

#: The norm of all gradients of a quiet call together: below any clip that is in use.
QUIET: Final = 0.01
#: The norms of the long gradients, in order.
LOUD: Final = (0.3, 30.0, 3000.0)
#: Whole steps of a side that are followed.
STEPS: Final = 6
#: Update rules act element by element: this many elements of each tensor tell them.
SAMPLE: Final = 400


@dataclass(frozen=True, slots=True)
class Call:
    """One update asked for.

    Attributes:
        before: the parameters.
        gradient: the gradients; a parameter that has none is not updated.
        rate: what the learning rate is multiplied by in this call.
        noise: how far the gradients may be from those the side had, where they are not given.
        norms: the norms of the whole gradients, where the arrays are a sample of them.
    """

    before: Values
    gradient: Values
    rate: float = 1.0
    noise: Values | None = None
    norms: Mapping[str, float] | None = None

    def mapped(self, change: Callable[[Values], Values]) -> Call:
        """The call with its arrays changed."""
        return replace(
            self,
            before=change(self.before),
            gradient=change(self.gradient),
            noise=None if self.noise is None else change(self.noise),
        )


@dataclass(frozen=True, slots=True)
class Updates:
    """Updates in a row, from the state as built: what was asked, and the parameters after."""

    calls: tuple[Call, ...]
    after: tuple[Values, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The parameters that have gradients."""
        return tuple(self.calls[0].gradient)

    def until(self, end: int) -> Updates:
        """The first calls alone."""
        return Updates(self.calls[:end], self.after[:end])

    def only(self, names: Sequence[str]) -> Updates:
        """The updates of some of the parameters."""

        def kept(values: Values) -> Values:
            return {n: values[n] for n in names}

        calls = (c.mapped(kept) for c in self.calls)
        return Updates(tuple(calls), tuple(kept(v) for v in self.after))


def quiet(shapes: Mapping[str, Array], rng: np.random.Generator) -> Values:
    """Gradients over eight orders of magnitude, with random signs, together of norm ``QUIET``."""
    return _of_norm(shapes, rng, QUIET, decades=8.0)


def _of_norm(
    shapes: Mapping[str, Array], rng: np.random.Generator, length: float, *, decades: float
) -> Values:
    """Log-uniform gradients of one global norm; tensors differ in length by up to ten."""
    drawn: Values = {}
    for name, array in shapes.items():
        size = 10.0 ** (rng.uniform(-decades, 0.0, array.shape) - rng.uniform())
        drawn[name] = size * rng.choice([-1.0, 1.0], array.shape)
    whole = float(np.sqrt(sum(np.sum(np.square(v)) for v in drawn.values())))
    return {
        n: (v * (length / whole)).astype(np.float32).astype(np.float64) for n, v in drawn.items()
    }


def as_one(seen: Updates) -> Updates:
    """First updates, each from the state as built, as one of all their parameters."""

    def joined(values: Sequence[Values]) -> Values:
        return {f"{k} {n}": v for k, each in enumerate(values) for n, v in each.items()}

    before = joined([c.before for c in seen.calls])
    call = Call(before, joined([c.gradient for c in seen.calls]))
    return Updates((call,), (joined(seen.after),))


def calls_to_make(weights: Values, rng: np.random.Generator) -> tuple[Call, ...]:
    """The probes of an update rule, in one row: its state need not be reset in between.

    Args:
        weights: parameters W, exact in float32.
        rng: for the gradients.
    """
    zero = {n: np.zeros(v.shape) for n, v in weights.items()}
    tenfold = {n: (10.0 * v).astype(np.float32).astype(np.float64) for n, v in weights.items()}
    still = Call(zero, zero)

    def sweep(before: Values = zero) -> Call:
        return Call(before, quiet(weights, rng))

    first = (sweep(), still, still, *(sweep() for _ in range(4)))
    decay = (sweep(weights), Call(tenfold, zero), still, sweep())
    long = (Call(zero, _of_norm(weights, rng, length, decades=4.0)) for length in LOUD)
    return (*first, *decay, *long, sweep(), still)


#: Calls 7 and 8 of ``calls_to_make`` are made at W and 10 W; the long gradients come after 10.
DECAY_CALLS: Final = (7, 11)


def feed(live: Implementation, twin: Twin, calls: Sequence[Call]) -> Updates:
    """Runs the side's own optimizer on what is asked, from its state as built."""
    saved = live.state()
    native = live.parameters()
    after = []
    try:
        for call in calls:
            live.set_parameters(twin.native(call.before, native))
            live.update(twin.native(call.gradient, native))
            after.append(wide(twin.values(live.parameters())))
    finally:
        live.restore(saved)
    return Updates(tuple(calls), tuple(after))


def at_rates(seen: Updates, conventions: Conventions) -> Updates:
    """The same updates, with the learning rates that a side's schedule has in each."""
    return Updates(rated(seen.calls, conventions), seen.after)


def rated(calls: Sequence[Call], conventions: Conventions) -> tuple[Call, ...]:
    """The calls with the learning rates that a schedule has in them."""
    multiples = scheduled.factors(conventions, len(calls))
    return tuple(
        replace(c, rate=c.rate * factor) for c, factor in zip(calls, multiples, strict=True)
    )


def wide(values: Mapping[str, Array]) -> Values:
    """The values in float64."""
    return {name: np.array(value, dtype=np.float64) for name, value in values.items()}


def repeat(
    optimizer: Optimizer, calls: Sequence[Call], clipping: Clipping | None = None
) -> list[Values]:
    """The same calls to the reference network's optimizer: the parameters after each."""
    state = optimizer.initialize(calls[0].before) if calls else {}
    after = []
    for call in calls:
        gradient = clipped(clipping, call)
        rate = optimizer.learning_rate * call.rate
        moved, state = optimizer.update(call.before, gradient, state, rate)
        after.append(moved)
    return after


def clipped(clipping: Clipping | None, call: Call) -> Values:
    """A call's gradients as they come out of a clip, by the norms of the whole gradients."""
    if clipping is None:
        return call.gradient
    if call.norms is None or not isinstance(clipping, ClipByNorm):
        return clipping.clip(call.gradient)
    lengths = {n: np.array([length]) for n, length in call.norms.items()}
    short = clipping.clip(lengths)
    factors = {
        n: float(short[n][0] / length[0]) if length[0] else 1.0 for n, length in lengths.items()
    }
    return {n: (g * factors[n]).astype(g.dtype) for n, g in call.gradient.items()}


def with_norms(calls: Sequence[Call]) -> tuple[Call, ...]:
    """The calls with the norms of their gradients written down, where they are not yet."""

    def of(call: Call) -> Call:
        lengths = {n: norm(np.asarray(g)) for n, g in call.gradient.items()}
        return call if call.norms is not None else replace(call, norms=lengths)

    return tuple(of(call) for call in calls)


def sampled(seen: Updates, rng: np.random.Generator, most: int = SAMPLE) -> Updates:
    """The updates at no more than so many elements of each tensor, the same in every call."""
    index = {
        n: rng.choice(v.size, most, replace=False) if v.size > most else np.arange(v.size)
        for n, v in seen.calls[0].gradient.items()
    }

    def take(values: Values) -> Values:
        return {n: np.ravel(values[n])[i] for n, i in index.items()}

    calls = tuple(c.mapped(take) for c in with_norms(seen.calls))
    return Updates(calls, tuple(take(v) for v in seen.after))


def at(dtype: np.dtype[Any], calls: Sequence[Call]) -> tuple[Call, ...]:
    """The calls in another width."""

    def narrow(values: Values) -> Values:
        return {n: v.astype(dtype) for n, v in values.items()}

    return tuple(c.mapped(narrow) for c in calls)
