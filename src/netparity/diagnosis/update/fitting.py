"""Fits a rule's constants to updates, from a guess that need not be near.

A constant that is absent from the guess (0) stays absent. Others move on the scale on which
they act: rates and ε by their logarithm, decay rates by that of what is missing from 1.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from fractions import Fraction
from typing import Any, Final

import numpy as np

from netparity.conventions import changed
from netparity.diagnosis.twin import Array, Values
from netparity.diagnosis.update.calls import Call, Updates, repeat
from netparity.diagnosis.update.floors import COMPLEMENTS, as_float32
from netparity.errors import InputError
from netparity.nn import Optimizer

#: Elements a fit looks at.
ELEMENTS: Final = 96
#: Constants that are not fitted.
_KEPT: Final = frozenset({"threshold", "power"})
#: A constant that moves no step by more than this share is not to be seen.
_SEEN: Final = 1e-9
ROUNDS: Final = 14
#: The steps of a fit are cut at this change of a logarithm.
_LONGEST: Final = 2.0
#: A parameter is stored to this many units in the last place: less of a step cannot be seen.
_STORED: Final = 16.0

#: The logarithm of the least 1 − β that is told from 0.
_LEAST: Final = -16.0

_ROUGH: Final = 1e-4
#: Roundings to float32 inside a rule: the switch and its words.
_ROUNDED: Final = {
    "beta_power": ("float32-beta", "float32-power", "float32-product"),
    "rounding": ("float32-product", "float32-base"),
}
#: Relative errors of fitted constants, the usual and the worst.
_PRECISIONS: Final = {
    np.dtype(np.float64): (1e-12, 1e-8),
    np.dtype(np.float32): (1e-5, 1e-3, 2e-2),
}


@dataclass(frozen=True, slots=True)
class Flat:
    """Updates at a few elements of all parameters, as one vector, or as two groups."""

    calls: tuple[Call, ...]
    after: tuple[Values, ...]
    use: tuple[int, ...]
    dtype: np.dtype[Any]
    #: Whether every call has a learning rate of its own.
    free: bool = False

    def until(self, end: int) -> Flat:
        """The first calls alone."""
        use = tuple(i for i in self.use if i < end)
        return Flat(self.calls[:end], self.after[:end], use, self.dtype, self.free)


def flatten(
    seen: Updates, use: Sequence[int], dtype: np.dtype[Any], rng: Any, *, groups: bool = False
) -> Flat:
    """A sample of the elements of all parameters, evenly from each.

    ``groups`` keeps weights and the rest apart, for a decay of one of them.
    """
    share = max(8, ELEMENTS // len(seen.names))
    index = {}
    for n in seen.names:
        size = seen.calls[0].gradient[n].size
        index[n] = rng.choice(size, share, replace=False) if size > share else np.arange(size)
    parts: dict[str, list[str]] = {}
    for n in seen.names:
        group = ("weights.weight" if n.endswith("weight") else "others") if groups else "all"
        parts.setdefault(group, []).append(n)

    def stacked(values: Values) -> Values:
        return {
            group: np.concatenate([np.ravel(values[n])[index[n]] for n in names])
            for group, names in parts.items()
        }

    calls = tuple(Call(stacked(c.before), stacked(c.gradient), c.rate) for c in seen.calls)
    return Flat(calls, tuple(stacked(v) for v in seen.after), tuple(use), dtype)


def vector(values: Values) -> Array:
    """All groups in one vector."""
    return np.concatenate(list(values.values()))


def misses(
    step: Array, seen: Array, before: Array, dtype: np.dtype[Any], *, near: bool = False
) -> Array:
    """How far steps are from those seen, each in units of the larger of the two.

    What a parameter's own rounding hides of a step counts less. ``near`` the right constants
    the unit is the step seen, so that nothing bends where a step changes its sign.
    """
    ulp = _STORED * float(np.finfo(dtype).eps)
    scale = np.abs(seen) if near else np.maximum(np.abs(step), np.abs(seen))
    scale = scale + ulp * np.abs(before)
    apart = np.where(scale > 0, (step - seen) / np.where(scale > 0, scale, 1.0), 0.0)
    return np.where(np.isfinite(apart), apart, 2.0)


def residuals(optimizer: Optimizer, seen: Flat, *, near: bool = False) -> Array:
    """How far the rule's steps are from those seen, each in units of the larger of the two."""
    parts = []
    with np.errstate(all="ignore"):
        calls = at_own_rates(optimizer, seen)[0] if seen.free else seen.calls
        own = repeat(optimizer, calls)
        for index in seen.use:
            before = vector(seen.calls[index].before)
            step, theirs = vector(own[index]) - before, vector(seen.after[index]) - before
            parts.append(misses(step, theirs, before, seen.dtype, near=near))
    return np.concatenate(parts)


def at_own_rates(optimizer: Optimizer, seen: Flat) -> tuple[tuple[Call, ...], list[float]]:
    """The calls at the rate with which the rule makes each step seen, in the median.

    A step is linear in its rate, whatever of earlier rates the state has kept.

    Returns:
        The calls, and their rates; NaN where no rate moves anything.
    """
    state = optimizer.initialize(seen.calls[0].before)
    rate, keeps = optimizer.learning_rate, getattr(optimizer, "form", None) == "rate-inside"
    calls, rates = [], []
    with np.errstate(all="ignore"):
        for call, after in zip(seen.calls, seen.after, strict=True):
            before = state
            moved, state = optimizer.update(call.before, call.gradient, before, rate)
            rests = call.before
            if keeps:  # earlier rates
                rests, _ = optimizer.update(call.before, call.gradient, before, 0.0)
            still = vector(rests)
            way = vector(moved) - still
            own = _ratio(way, vector(after) - still) if np.any(way != 0) else float("nan")
            used = own if np.isfinite(own) else 1.0
            if keeps:
                _, state = optimizer.update(call.before, call.gradient, before, used * rate)
            calls.append(replace(call, rate=used))
            rates.append(own)
    return tuple(calls), rates


def _ratio(step: Array, seen: Array) -> float:
    """How much larger the steps seen are, in the median; 1 where none says, 0 where all rest."""
    if np.any(step != 0) and not np.any(seen != 0):
        return 0.0
    with np.errstate(all="ignore"):
        ratio = seen / step
    ratio = ratio[np.isfinite(ratio) & (ratio > 0)]
    return float(np.median(ratio)) if ratio.size else 1.0


def misfit(optimizer: Optimizer, seen: Flat) -> float:
    """The mean share by which steps are missed, 0 to 1."""
    return float(np.mean(np.minimum(np.abs(residuals(optimizer, seen)), 1.0)))


def calibrated(optimizer: Optimizer, seen: Flat) -> Optimizer:
    """The rule with the rate with which it makes the first step seen, in the median."""
    call = seen.calls[0]
    before = vector(call.before)
    with np.errstate(all="ignore"):
        mine = vector(repeat(changed(optimizer, learning_rate=1.0), [call])[0]) - before
        ratio = (vector(seen.after[0]) - before) / mine
    ratio = ratio[np.isfinite(ratio) & (ratio > 0)]
    rate = float(np.median(ratio)) if ratio.size else 1.0
    return changed(optimizer, learning_rate=rate)


def unknowns(optimizer: Optimizer) -> tuple[str, ...]:
    """The constants that are to be fitted: numbers that are not absent."""
    return tuple(
        f.name
        for f in fields(optimizer)  # type: ignore[arg-type]
        if isinstance(value := getattr(optimizer, f.name), float)
        and value != 0.0
        and f.name not in _KEPT
    )


def _to_scale(name: str, value: float) -> float:
    return math.log(1.0 - value) if name in COMPLEMENTS else math.log(abs(value))


def _from_scale(name: str, u: float, sign: float) -> float:
    if name in COMPLEMENTS:
        return 1.0 - math.exp(min(max(u, _LEAST), -1e-12))
    return sign * math.exp(u)


def polish(
    optimizer: Optimizer, seen: Flat, rounds: int = ROUNDS, *, near: bool = False
) -> Optimizer:
    """Moves the constants to where the steps fit best (Levenberg and Marquardt)."""
    names = unknowns(optimizer)
    signs = {n: math.copysign(1.0, getattr(optimizer, n)) for n in names}

    def rule(at: Array) -> Optimizer:
        values = {n: _from_scale(n, float(u), signs[n]) for n, u in zip(names, at, strict=True)}
        return changed(optimizer, **values)

    def look(at: Array) -> Array:
        try:
            return residuals(rule(at), seen, near=near)
        except InputError:  # constants with which there is no such rule
            return np.full(now.size, np.inf)

    at = np.array([_to_scale(n, getattr(optimizer, n)) for n in names])
    now = residuals(rule(at), seen, near=near)
    damping = 1e-3
    for _ in range(rounds):
        columns = np.empty((now.size, len(names)))
        for k in range(len(names)):
            there = at.copy()
            there[k] += 1e-6
            columns[:, k] = (look(there) - now) / 1e-6
        sizes = np.abs(columns).max(axis=0, initial=0.0)
        visible = np.isfinite(sizes) & (sizes > _SEEN)
        columns = columns[:, visible]
        if not visible.any():
            break
        square = columns.T @ columns
        moved = False
        for _ in range(6):
            system = square + damping * np.diag(np.diag(square))
            step = np.linalg.lstsq(system, -columns.T @ now, rcond=None)[0]
            trial = at.copy()
            trial[visible] += np.clip(step, -_LONGEST, _LONGEST)
            next_ = look(trial)
            if float(next_ @ next_) < float(now @ now):
                moved, shift = True, float(np.abs(trial - at).max())
                at, now, damping = trial, next_, max(damping / 10, 1e-12)
                break
            damping *= 10
        if not moved or shift < 1e-14:
            break
    return rule(at)


def written(optimizer: Optimizer, dtype: np.dtype[Any]) -> Iterator[Optimizer]:
    """The rule with constants as a person may have written them, then as fitted."""
    names = unknowns(optimizer)
    tried = []
    for precision in _PRECISIONS[dtype]:
        short = {n: nice(n, getattr(optimizer, n), precision) for n in names}
        tried.append(short)
        if dtype == np.float64:
            tried.append({n: as_float32(n, v) for n, v in short.items()})
    yield from dict.fromkeys((*_rules(optimizer, tried), optimizer))


def _rules(optimizer: Optimizer, tried: Sequence[Mapping[str, Any]]) -> list[Optimizer]:
    """The rule with other constants, where there is one with them."""
    rules = []
    for values in tried:
        with contextlib.suppress(InputError):
            rules.append(changed(optimizer, **values))
    return rules


def rounded(optimizer: Optimizer) -> Iterator[Optimizer]:
    """The rule with what float64 programs are known to round to float32 on the way.

    Fitted without, its constants are off by as much.
    """
    simple = {n: nice(n, getattr(optimizer, n), _ROUGH) for n in unknowns(optimizer)}
    for switch, words in _ROUNDED.items():
        if hasattr(optimizer, switch):
            for word in words:
                yield from _rules(optimizer, [{**simple, switch: word}])


def nice(name: str, value: float, precision: float) -> float:
    """The shortest decimal, or a simple fraction, that is as near as that."""
    if name in COMPLEMENTS:  # 1 − β is what was measured, β is what was written
        options = [round(value, digits) for digits in range(1, 8)]
        near = [o for o in options if o < 1 and abs(o - value) <= precision * (1.0 - value)]
    else:
        options = [float(f"{value:.{digits}g}") for digits in (1, 2, 3)]
        options += [float(Fraction(value).limit_denominator(n)) for n in (10, 100, 10_000)]
        options += [float(f"{value:.{digits}g}") for digits in (4, 5, 6)]
        near = [o for o in options if abs(o - value) <= precision * abs(value)]
    return near[0] if near else value


def length(optimizer: Optimizer) -> int:
    """How many digits it takes to write the constants down."""
    digits = 0
    for name in unknowns(optimizer):
        value = abs(getattr(optimizer, name))
        shapes = [value, 1.0 - value] if name in COMPLEMENTS else [value]
        digits += min(
            len(f"{v:.15e}".partition("e")[0].replace(".", "").rstrip("0")) for v in shapes
        )
    return digits
