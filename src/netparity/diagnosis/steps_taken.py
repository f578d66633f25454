"""Steps of a side that shows whole steps alone, and the gradients a twin gives them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from netparity.diagnosis import update
from netparity.diagnosis.gradient_probes import Probe
from netparity.diagnosis.masks import fed
from netparity.diagnosis.noise import FACTOR, ULPS
from netparity.diagnosis.twin import Twin, Values
from netparity.diagnosis.update import steering
from netparity.errors import InputError
from netparity.implementations.base import Implementation


@dataclass(frozen=True, slots=True)
class Taken:
    """Steps of a side: each as it was made, its draws, and the parameters after it."""

    made: tuple[steering.Steered, ...]
    drawn: tuple[Any, ...]
    after: tuple[Values, ...]
    dtype: np.dtype[Any]

    @property
    def finite(self) -> bool:
        """Whether every parameter is a number after every step."""
        return all(bool(np.all(np.isfinite(v))) for after in self.after for v in after.values())

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


def telling(names: Sequence[str], seen: update.Updates) -> list[str]:
    """The parameters whose gradients are more than their noise in some step.

    A bias before a normalization has none, and a rule may make whole steps of what rounding is.
    """
    return [
        n
        for n in names
        if any(
            c.noise is None or np.any(np.abs(c.gradient[n]) > ULPS * FACTOR * c.noise[n])
            for c in seen.calls
        )
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
