"""The noise floor of updates, and how far two sequences of updates are apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Any, Final

import numpy as np

from netparity.conventions import changed, switches
from netparity.diagnosis.noise import (
    DISTURBANCE64,
    FACTOR,
    RUNS,
    ULPS,
    Measure,
    element_floor,
    measure,
    unit_roundoff,
)
from netparity.diagnosis.twin import Array, Values
from netparity.diagnosis.update.calls import Call, at, repeat
from netparity.nn import Adam, Clipping, Optimizer

#: Constants that are used by what is missing from 1, which their rounding moves most.
COMPLEMENTS: Final = ("beta1", "beta2", "rho", "momentum")


def floors(
    optimizer: Optimizer,
    calls: Sequence[Call],
    dtype: np.dtype[Any],
    rng: np.random.Generator,
    clipping: Clipping | None = None,
) -> list[Values]:
    """The noise floor of every element after each update.

    Parameters and gradients are disturbed by one roundoff in every call. What rounding inside
    the rule adds is that of float32, scaled to the width at hand; float32 arithmetic is also
    run as it is. Four units in the last place are of the parameter that is stored.
    """
    exact = repeat(optimizer, calls, clipping)
    roundoff = unit_roundoff(dtype)
    delta = roundoff if dtype == np.float32 else DISTURBANCE64
    runs = [
        (repeat(optimizer, _noisy(calls, delta, roundoff, rng), clipping), roundoff / delta)
        for _ in range(RUNS)
    ]
    single = np.dtype(np.float32)
    share = roundoff / unit_roundoff(single)
    for _ in range(RUNS // 2):
        noisy = _noisy(calls, unit_roundoff(single), roundoff, rng)
        runs.append((repeat(optimizer, at(single, noisy), clipping), share))
    narrow: list[list[Values]] = []
    if dtype == np.float32:
        low = at(dtype, calls)
        narrow = [repeat(variant, low, clipping) for variant in float32_variants(optimizer)]
    moved = [repeat(variant, calls, clipping) for variant in _moved_constants(optimizer, dtype)]
    result = []
    for index, values in enumerate(exact):
        found: Values = {}
        for name in calls[index].gradient:
            value = values[name]
            deviations = [(run[index][name] - value) * scale for run, scale in runs]
            noise = [run[index][name] - value for run in narrow]
            constants = np.max([np.abs(run[index][name] - value) for run in moved], axis=0)
            found[name] = np.maximum(
                element_floor(_finite(deviations), _finite(noise), value, dtype),
                FACTOR * constants,
            )
        result.append(found)
    return result


def _finite(runs: list[Array]) -> list[Array]:
    """The runs in which nothing overflowed."""
    return [run for run in runs if np.all(np.isfinite(run))]


def as_float32(name: str, value: float) -> float:
    """A constant rounded to float32; what is used as 1 − β stays below 1."""
    rounded = float(np.float32(value))
    return min(rounded, 1.0 - 2.0**-24) if name in COMPLEMENTS else rounded


def as_written(optimizer: Optimizer) -> Optimizer:
    """The rule with the constants a person wrote, where float32 keeps them rounded.

    Between two float32 sides the rounding of a constant, and of its powers, is noise.
    """
    constants: dict[str, Any] = {
        name: float(str(np.float32(value)))
        for name in switches(optimizer)
        if isinstance(value := getattr(optimizer, name), float)
    }
    if isinstance(optimizer, Adam):
        constants["beta_power"] = "exact"
    return changed(optimizer, **constants)


def float32_variants(optimizer: Optimizer) -> list[Optimizer]:
    """The ways in which a float32 implementation may round the same rule's constants.

    ``1 − βᵗ`` of a β rounded to float32, or of a running product of such β, is off by up to
    ``2⁻²⁴ / (1 − β)``; in float32 that is rounding, not another convention.
    """
    rounded = {
        f.name: as_float32(f.name, getattr(optimizer, f.name))
        for f in fields(optimizer)  # type: ignore[arg-type]
        if f.name in COMPLEMENTS
    }
    low = changed(optimizer, **rounded)
    if not isinstance(low, Adam):
        return [optimizer, low]
    return [
        optimizer,
        changed(optimizer, beta_power="float32-power"),
        replace(low, beta_power="exact"),
        replace(low, beta_power="float32-product"),
    ]


def _moved_constants(optimizer: Optimizer, dtype: np.dtype[Any]) -> list[Optimizer]:
    """The rule with its constants moved by their rounding.

    The rate by four units in the last place: a written 0.001 and ``1 − 0.999``, or η/n and
    η·(1/n), differ by that much. What is used as ``1 − β`` by the rounding of the 1.
    """
    eps = float(np.finfo(dtype).eps)
    rates = [optimizer.learning_rate * (1 + sign * ULPS * eps) for sign in (-1, 1)]
    moved = [changed(optimizer, learning_rate=rate) for rate in rates]
    for name in COMPLEMENTS:
        value = getattr(optimizer, name, 0.0)
        if value:
            moved += [
                changed(optimizer, **{name: value + sign * eps / 2})
                for sign in (-1, 1)
                if 0 <= value + sign * eps / 2 < 1
            ]
    return moved


def _noisy(
    calls: Sequence[Call], delta: float, roundoff: float, rng: np.random.Generator
) -> tuple[Call, ...]:
    def noisy(values: Values) -> Values:
        return {
            n: np.asarray(v * (1.0 + delta * rng.standard_normal(np.shape(v))))
            for n, v in values.items()
        }

    def gradient(call: Call) -> Values:
        given = noisy(call.gradient)
        if call.noise is None:
            return given
        return {
            n: g + call.noise[n] * (delta / roundoff) * rng.standard_normal(g.shape)
            for n, g in given.items()
        }

    return tuple(replace(c, before=noisy(c.before), gradient=gradient(c)) for c in calls)


def compare(
    left: Sequence[Values],
    right: Sequence[Values],
    found: Sequence[Values],
    calls: Sequence[Call],
) -> list[Measure]:
    """Two sequences of parameters after each call, each tensor in units of that call's change."""
    measures = []
    for name in calls[0].gradient:
        worst: Measure | None = None
        for index, floor in enumerate(found):
            if name not in left[index] or name not in right[index]:
                continue
            change: Array = left[index][name] - calls[index].before[name]
            got = measure(left[index][name], right[index][name], floor[name], change, name)
            got = replace(got, conditioned=True)
            if worst is None or got.ratio > worst.ratio:
                worst = got
        if worst is not None:
            measures.append(worst)
    return measures
