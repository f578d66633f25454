"""What acts beside a rule: weight decay, from the calls at W and 10 W, and clips.

The rule is known by then from the calls before; each is fitted to the calls in which it shows,
and held to the noise floor like the rule itself.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np

from netparity.conventions import changed
from netparity.diagnosis.twin import Array, Values
from netparity.diagnosis.update.calls import Updates, repeat
from netparity.diagnosis.update.fitting import misses
from netparity.nn import ClipByNorm, ClipByValue, Clipping, Optimizer, Scope

DECAYS: Final = 10.0 ** np.arange(-6.0, 0.5, 0.125)
LIMITS: Final = 10.0 ** np.arange(-3.0, 4.0, 0.125)
#: Digits with which a constant may have been written, before the fitted value itself.
_DIGITS: Final = (1, 2, 3, 5)
_EPSILONS: Final = (0.0, 1e-6, 1e-8, 1e-7, 1e-12)
#: A clip that leaves more of the steps missed, in the mean, is none.
_NEAR: Final = 0.05
_ROUNDS: Final = 12
_STARTS: Final = 3


def missed_by(own: Sequence[Values], seen: Updates, dtype: np.dtype[Any]) -> Array:
    """How far steps are from those seen, over all calls and parameters."""
    parts = []
    for call, mine, theirs in zip(seen.calls, own, seen.after, strict=True):
        for name in call.gradient:
            before = call.before[name]
            apart = misses(mine[name] - before, theirs[name] - before, before, dtype)
            parts.append(np.ravel(apart))
    return np.concatenate(parts)


def decays(
    rule: Optimizer, seen: Updates, moved: Sequence[str], dtype: np.dtype[Any]
) -> Iterator[Optimizer]:
    """The rule with a weight decay on some parameters, coupled and decoupled.

    Args:
        rule: without decay.
        seen: updates in which it shows.
        moved: the parameters that the rule alone does not explain.
        dtype: the width of the side.
    """
    if not moved:
        return
    scope = scope_of(moved, seen.names)
    part = seen.only(moved)
    for kind in ("coupled", "decoupled"):

        def with_decay(value: float, kind: str = kind) -> Optimizer:
            return changed(rule, weight_decay=value, decay=kind, decay_scope="all")

        def missed(value: float, make: Callable[[float], Optimizer] = with_decay) -> Array:
            return missed_by(repeat(make(value), part.calls), part, dtype)

        value = _fitted(missed, DECAYS)
        for constant in _as_written(value):
            yield changed(with_decay(constant), decay_scope=scope)


def signs(
    rule: Optimizer, seen: Updates, moved: Sequence[str], dtype: np.dtype[Any]
) -> Iterator[float]:
    """Coefficients c of a penalty whose gradient ``c·sign(w)`` some parameters have as well.

    Args:
        rule: what the gradients come to.
        seen: updates in which it shows.
        moved: the parameters that the rule alone does not explain.
        dtype: the width of the side.
    """
    part = seen.only(moved)

    def missed(value: float) -> Array:
        calls = [
            replace(
                c, gradient={n: g + value * np.sign(c.before[n]) for n, g in c.gradient.items()}
            )
            for c in part.calls
        ]
        return missed_by(repeat(rule, calls), part, dtype)

    yield from _as_written(_fitted(missed, DECAYS))


def scope_of(names: Sequence[str], among: Sequence[str]) -> Scope:
    """The scope that covers these parameters and no other."""
    if set(names) == set(among):
        return "all"
    if set(names) == {n for n in among if n.endswith("weight")}:
        return "weights"
    return tuple(n for n in among if n in names)


def clips(rule: Optimizer, seen: Updates, dtype: np.dtype[Any]) -> Iterator[Clipping]:
    """Clips with which a rule comes near the updates, the best form first."""
    forms: tuple[Callable[[float], Clipping], ...] = (
        ClipByNorm,
        lambda limit: ClipByNorm(limit, "parameter"),
        ClipByValue,
    )
    found = []
    for form in forms:

        def missed(limit: float, form: Callable[[float], Clipping] = form) -> Array:
            return missed_by(repeat(rule, seen.calls, form(limit)), seen, dtype)

        limit = _fitted(missed, LIMITS)
        found.append((_size(missed(limit)), limit, form(limit)))
    for size, limit, clipping in sorted(found, key=lambda f: f[0])[:2]:
        if size > _NEAR:
            return
        epsilons = _EPSILONS if isinstance(clipping, ClipByNorm) else (0.0,)
        for epsilon, constant in itertools.product(epsilons, _as_written(limit)):
            if isinstance(clipping, ClipByNorm):
                yield ClipByNorm(constant, clipping.scope, epsilon)
            else:
                yield ClipByValue(constant)


def _size(missed: Array) -> float:
    return float(np.mean(np.minimum(np.abs(missed), 1.0)))


def _fitted(missed: Callable[[float], Array], grid: Array) -> float:
    """The constant that misses least: from the best of a grid, by Newton's steps."""
    with np.errstate(all="ignore"):
        near = sorted(grid, key=lambda value: _size(missed(float(value))))[:_STARTS]
        return min((_moved(missed, float(start)) for start in near), key=lambda v: _size(missed(v)))


def _moved(missed: Callable[[float], Array], start: float) -> float:
    """The constant after Newton's steps on its logarithm.

    An element whose step changes its sign on the way counts by its size, not by its square.
    """
    at, now = float(np.log(start)), missed(start)
    for _ in range(_ROUNDS):
        slope = (missed(float(np.exp(at + 1e-6))) - now) / 1e-6
        weight = 1.0 / (np.abs(now) + 1e-3 * float(np.median(np.abs(now))) + 1e-12)
        square = float(weight @ slope**2)
        if square == 0.0:
            break
        step = float(np.clip(-(weight @ (slope * now)) / square, -0.3, 0.3))
        trial = missed(float(np.exp(at + step)))
        while np.abs(trial).sum() > np.abs(now).sum() and abs(step) > 1e-15:
            step /= 4
            trial = missed(float(np.exp(at + step)))
        if np.abs(trial).sum() >= np.abs(now).sum():
            break
        at, now = at + step, trial
    return float(np.exp(at))


def _as_written(value: float) -> list[float]:
    return list(dict.fromkeys([*(float(f"{value:.{d}g}") for d in _DIGITS), value]))
