"""Compares initial values and names the laws they can have been drawn from.

One draw cannot prove a law, but it can refute one: by a value outside the law's support, or
by a Kolmogorov-Smirnov test of all the values of a group together. Two sides follow
different laws when no law is left that both could have been drawn from.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from netparity.diagnosis.noise import Measure, channel_rms, measure
from netparity.diagnosis.twin import Array, Values
from netparity.nn import NAMED, Constant, Law, Normal, Uniform

#: A law is refuted below this p-value: one group in a thousand of true draws would be.
REFUTED: Final = 1e-3
#: Beyond these many values a KS test gains nothing that matters here.
MAXIMUM_VALUES: Final = 20_000
#: Four ulp of the coarser width, times the factor of ten of every noise floor.
COPY_ULPS: Final = 40.0


@dataclass(frozen=True, slots=True)
class Group:
    """The weights, or the biases, of one side: each array with the fans of its layer."""

    name: str
    arrays: tuple[tuple[str, Array, int, int], ...]

    @property
    def constant(self) -> float | None:
        """The one value all of them have, if there is one."""
        values = np.unique(np.concatenate([np.ravel(a) for _, a, _, _ in self.arrays]))
        return float(values[0]) if len(values) == 1 else None


@dataclass(frozen=True, slots=True)
class Laws:
    """What one draw says of the laws of a group on both sides."""

    left: tuple[str, ...]
    right: tuple[str, ...]
    common: tuple[str, ...]
    left_text: str
    right_text: str


def groups(values: Mapping[str, Array]) -> dict[str, Group]:
    """Weights and biases of a network, by ``"weights"`` and ``"biases"``."""
    collected: dict[str, list[tuple[str, Array, int, int]]] = {}
    for name, array in values.items():
        layer, kind = name.rsplit(".", 1)
        weight = np.asarray(values.get(f"{layer}.weight", array))
        fan_in, fan_out = (weight.shape[0], weight.shape[-1]) if weight.ndim > 1 else (1, 1)
        key = "weights" if kind == "weight" else "biases"
        collected.setdefault(key, []).append((name, np.asarray(array), fan_in, fan_out))
    return {key: Group(key, tuple(items)) for key, items in collected.items()}


def compare(left: Values, right: Values, coarser: np.dtype[np.floating]) -> list[Measure]:
    """Initial values, parameter by parameter; equal means a copy, up to the coarser width."""
    ulp = float(np.finfo(coarser).eps)
    measures = []
    for name, value in left.items():
        if name not in right:
            continue
        floor = COPY_ULPS * ulp * np.maximum(np.abs(value), channel_rms(value))
        got = measure(value, right[name], floor, value, name)
        measures.append(Measure(got.where, got.difference, got.floor))
    return measures


def probability(group: Group, law: Law) -> float:
    """The p-value of a group's values under a law (0 where one lies outside its support)."""
    size = sum(a.size for _, a, _, _ in group.arrays)
    if group.constant is not None and size > 1 and not isinstance(law, Constant):
        return 0.0
    uniform: list[Array] = []
    for _, array, fan_in, fan_out in group.arrays:
        values = np.ravel(array).astype(np.float64)
        low, high = law.support(fan_in, fan_out)
        slack = 1e-6 * max(abs(low), abs(high)) if np.isfinite([low, high]).all() else 0.0
        if np.any(values < low - slack) or np.any(values > high + slack):
            return 0.0
        if low == high:
            continue
        uniform.append(np.asarray(law.cdf(values, fan_in, fan_out), dtype=np.float64))
    if not uniform:
        return 1.0
    return kolmogorov_smirnov(np.concatenate(uniform)[:MAXIMUM_VALUES])


def kolmogorov_smirnov(uniform: Array) -> float:
    """p-value of values that should be uniform in [0, 1] (asymptotic, Stephens' correction)."""
    ordered = np.sort(np.asarray(uniform, dtype=np.float64))
    n = len(ordered)
    steps = np.arange(1, n + 1) / n
    distance = float(max(np.max(steps - ordered), np.max(ordered - (steps - 1 / n))))
    argument = (np.sqrt(n) + 0.12 + 0.11 / np.sqrt(n)) * distance
    k = np.arange(1, 101)
    series = 2 * np.sum((-1.0) ** (k - 1) * np.exp(-2 * (k * argument) ** 2))
    return float(np.clip(series, 0.0, 1.0)) if argument > 0.2 else 1.0


def candidates(*sides: Group) -> dict[str, Law]:
    """The laws to try: those with a name, then the ones fitted to either side."""
    laws: dict[str, Law] = dict(NAMED)
    for group in sides:
        values = np.concatenate([np.ravel(a) for _, a, _, _ in group.arrays]).astype(np.float64)
        if group.constant is not None:
            laws[f"constant {group.constant:g}"] = Constant(group.constant)
            continue
        low, high, deviation = float(values.min()), float(values.max()), float(values.std())
        bound = _short(max(abs(low), abs(high)))
        if low >= 0:
            laws[f"U(0, {bound:g})"] = Uniform(0.0, bound)
        laws[f"U(±{bound:g})"] = Uniform(-bound, bound)
        for digits in (1, 2):
            rounded = float(f"{deviation:.{digits}g}")
            laws[f"N(0, {rounded:g}²)"] = Normal(0.0, rounded)
    return laws


def _short(bound: float) -> float:
    exponent = 10.0 ** np.floor(np.log10(bound))
    return float(np.ceil(bound / exponent * 10) / 10 * exponent) if bound > 0 else 1.0


def laws(left: Group, right: Group, preferred: Sequence[str] = ()) -> Laws:
    """Which laws each side's values, and both, can have been drawn from.

    Args:
        left: the group on the left.
        right: the group on the right.
        preferred: names to show first where several are left (the frameworks' defaults).
    """
    tried = candidates(left, right)
    ps = {n: (probability(left, law), probability(right, law)) for n, law in tried.items()}
    lefts = [n for n, (p, _) in ps.items() if p > REFUTED]
    rights = [n for n, (_, p) in ps.items() if p > REFUTED]
    common = [n for n in lefts if n in rights]

    def best(names: Sequence[str], side: int) -> str:
        for name in preferred:
            if name in names:
                return name
        generic = [n for n in names if n in NAMED]
        pool = generic or list(names)
        return max(pool, key=lambda n: ps[n][side], default="no law known here")

    return Laws(tuple(lefts), tuple(rights), tuple(common), best(lefts, 0), best(rights, 1))
