"""The rules of a family whose constants, once fitted, repeat updates nearly."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import fields
from typing import Any, Final

import numpy as np

from netparity.conventions import changed
from netparity.diagnosis.update.fitting import (
    Flat,
    calibrated,
    misfit,
    polish,
    residuals,
    rounded,
    written,
)
from netparity.nn import SGD, Ftrl, Optimizer

#: Constants that miss less in the median are near the right ones.
_NEAR: Final = 0.05
#: What roundings to float32 inside a rule miss at most.
_ROUNDED: Final = 1e-4
#: A decay that a fit starts from.
_DECAY: Final = 1e-3
#: Forms of a rule that are moved a little, and of these the ones that are fitted.
_MOVED, _TRIED = 24, 6
#: A fit that misses more than this share of the steps is not worth its noise runs.
_SCREEN: Final = {np.dtype(np.float64): 1e-6, np.dtype(np.float32): 1e-2}


def fitted(
    family: Sequence[Optimizer], flat: Flat, part: Flat, *, decayed: bool = False
) -> Iterator[Optimizer]:
    """The rules of a family that repeat flat updates; ranked, and fitted first, by a part.

    With ``decayed`` each with a weight decay of every sort.
    """
    ranked: dict[tuple[Any, ...], tuple[float, Optimizer]] = {}
    with np.errstate(all="ignore"):
        for guess in _at_any_rate(family, flat):
            ready = calibrated(guess, flat)
            missed = misfit(ready, part)
            form = _form(guess)
            if form not in ranked or missed < ranked[form][0]:
                ranked[form] = (missed, ready)
        near = [polish(g, part, 4) for _, g in sorted(ranked.values(), key=_rank)[:_MOVED]]
        near = sorted(near, key=lambda g: misfit(g, part))
        near = near[:_TRIED]
        near = [d for g in near[: _TRIED // 2] for d in _decayed(g)] if decayed else near
        best = [_fit(g, flat, part) for g in near]
    for rule in best:
        missed = float(np.quantile(np.abs(residuals(rule, flat)), 0.9))
        if missed <= _SCREEN[flat.dtype]:
            yield from written(rule, flat.dtype)
        if flat.dtype == np.float64 and 1e-12 < missed <= _ROUNDED:
            yield from rounded(rule)


def _at_any_rate(family: Sequence[Optimizer], flat: Flat) -> list[Optimizer]:
    """The rules that there are at every rate; FTRL divides by it."""
    rests = flat.free or any(call.rate == 0.0 for call in flat.calls)
    return [rule for rule in family if not (rests and isinstance(rule, Ftrl))]


def _fit(rule: Optimizer, flat: Flat, part: Flat) -> Optimizer:
    """The rule with the constants that fit best, first to a part; exactly, once they are near."""
    fit = polish(polish(rule, part), flat)
    missed = float(np.median(np.abs(residuals(fit, flat))))
    return polish(fit, flat, near=True) if 0.0 < missed < _NEAR else fit


def _decayed(rule: Optimizer) -> Iterator[Optimizer]:
    plain = isinstance(rule, SGD) and rule.momentum == 0.0
    for scope, kind in itertools.product(("weights", "all"), ("coupled", "decoupled")):
        if kind == "coupled" or not plain:
            yield changed(rule, weight_decay=_DECAY, decay=kind, decay_scope=scope)


def _rank(ranked: tuple[float, Optimizer]) -> float:
    return ranked[0]


def _form(optimizer: Optimizer) -> tuple[Any, ...]:
    """A rule apart from the values of its numbers: its kind, its words, what is absent."""
    values = []
    for f in fields(optimizer):  # type: ignore[arg-type]
        value = getattr(optimizer, f.name)
        values.append(bool(value) if isinstance(value, float) else value)
    return (type(optimizer), *values)
