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
from netparity.nn import (
    GRU,
    LSTM,
    NAMED,
    BatchNorm,
    Constant,
    Conv2D,
    ConvTranspose2D,
    DepthwiseConv2D,
    Embedding,
    GroupNorm,
    Law,
    Layer,
    LayerNorm,
    MultiHeadAttention,
    Normal,
    PReLU,
    SimpleRNN,
    Uniform,
)
from netparity.nn.initializers import Blocks, Orthogonal

#: A law is refuted below this p-value: one group in a thousand of true draws would be.
REFUTED: Final = 1e-3
#: Beyond these many values a KS test gains nothing that matters here.
MAXIMUM_VALUES: Final = 20_000
#: Four ulp of the coarser width, times the factor of ten of every noise floor.
COPY_ULPS: Final = 40.0


@dataclass(frozen=True, slots=True)
class Group:
    """The values of one kind on one side: each array with the fans of its layer."""

    name: str
    arrays: tuple[tuple[str, Array, int, int], ...]

    @property
    def constant(self) -> float | None:
        """The one value all of them have, if there is one."""
        first = next((a.flat[0] for _, a, _, _ in self.arrays if a.size), None)
        alike = first is not None and all(np.all(a == first) for _, a, _, _ in self.arrays)
        return float(first) if first is not None and alike else None


@dataclass(frozen=True, slots=True)
class Laws:
    """What one draw says of the laws of a group on both sides."""

    left: tuple[str, ...]
    right: tuple[str, ...]
    common: tuple[str, ...]
    left_text: str
    right_text: str


def groups(values: Mapping[str, Array], layers: Mapping[str, Layer] = {}) -> dict[str, Group]:
    """The values of a network by what they are: one group for each kind of ``KINDS``.

    Args:
        values: by full name.
        layers: the layers by their names; one that is not there is taken for a dense one.
    """
    collected: dict[str, list[tuple[str, Array, int, int]]] = {}
    for name, array in values.items():
        layer_name, key = name.rsplit(".", 1)
        layer = layers.get(layer_name)
        if layer is not None:
            fan_in, fan_out = layer.fans(key)
        else:
            weight = np.asarray(values.get(f"{layer_name}.weight", array))
            fan_in, fan_out = (weight.shape[0], weight.shape[-1]) if weight.ndim > 1 else (1, 1)
        collected.setdefault(kind(layer, key), []).append(
            (name, np.asarray(array), fan_in, fan_out)
        )
    return {key: Group(key, tuple(items)) for key, items in collected.items()}


def kind(layer: Layer | None, key: str) -> str:
    """What a parameter is, in a few words: a key of ``KINDS``."""
    of = next((words for words, kinds in _LAYERS.items() if isinstance(layer, kinds)), "")
    if of in ("embedding", "PReLU", "normalization", "attention"):
        return f"{of} parameters"
    role = "biases" if key.endswith("bias") else "weights"
    return f"{of} {role}".strip()


_LAYERS: Final[dict[str, tuple[type[Layer], ...]]] = {
    "transposed convolution": (ConvTranspose2D,),
    "depthwise": (DepthwiseConv2D,),
    "convolution": (Conv2D,),
    "recurrent": (SimpleRNN, LSTM, GRU),
    "embedding": (Embedding,),
    "PReLU": (PReLU,),
    "normalization": (BatchNorm, LayerNorm, GroupNorm),
    "attention": (MultiHeadAttention,),
}
#: What a group is → the convention of which each side's framework has its own.
KINDS: Final[dict[str, str]] = {
    "weights": "dense-init-default",
    "biases": "dense-bias-init",
    "convolution weights": "conv-init-default",
    "convolution biases": "dense-bias-init",
    "transposed convolution weights": "conv-transpose-init",
    "transposed convolution biases": "dense-bias-init",
    "depthwise weights": "depthwise-init",
    "depthwise biases": "dense-bias-init",
    "recurrent weights": "rnn-init-default",
    "recurrent biases": "rnn-init-default",
    "embedding parameters": "embedding-init",
    "PReLU parameters": "prelu-init",
    "normalization parameters": "norm-layer-init",
    "attention parameters": "init-law",
}


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


def probability(group: Group, law: Law | Mapping[str, Law]) -> float:
    """The p-value of a group's values under a law, or under one law for each parameter.

    0 where a value lies outside its law's support, or where an array is not made as the law
    makes it; 1 where nothing is left to chance.
    """
    uniform: list[Array] = []
    size = sum(a.size for _, a, _, _ in group.arrays)
    for name, array, fan_in, fan_out in group.arrays:
        one = law.get(name) if isinstance(law, Mapping) else law
        if one is None:
            return 0.0
        if group.constant is not None and size > 1 and not isinstance(one, Constant | Blocks):
            return 0.0
        places = _places(np.asarray(array, dtype=np.float64), one, fan_in, fan_out)
        if places is None:
            return 0.0
        uniform.append(np.ravel(places))
    values = np.concatenate(uniform) if uniform else np.zeros(0)
    return kolmogorov_smirnov(values[:MAXIMUM_VALUES]) if len(values) else 1.0


def _places(array: Array, law: Law, fan_in: int, fan_out: int) -> Array | None:
    """Where in its law each value lies (0 to 1); ``None`` where the law cannot have made them."""
    if isinstance(law, Blocks):
        count = len(law.laws)
        if array.shape[-1] % count:
            return None
        parts = [
            _places(block, one, fan_in, fan_out // count)
            for block, one in zip(np.split(array, count, axis=-1), law.laws, strict=True)
        ]
        known = [np.ravel(p) for p in parts if p is not None]
        return np.concatenate(known) if len(known) == len(parts) else None
    if isinstance(law, Orthogonal):
        return np.zeros(0) if _orthogonal(array, law.gain) else None
    low, high = law.support(fan_in, fan_out)
    slack = 1e-6 * max(abs(low), abs(high)) if np.isfinite([low, high]).all() else 0.0
    if np.any(array < low - slack) or np.any(array > high + slack):
        return None
    if low == high:
        return np.zeros(0)
    return np.asarray(law.cdf(array, fan_in, fan_out), dtype=np.float64)


def _orthogonal(array: Array, gain: float) -> bool:
    """Whether rows or columns, the fewer of them, are orthonormal times the gain."""
    matrix = array.reshape(-1, array.shape[-1])
    matrix = matrix if matrix.shape[0] >= matrix.shape[1] else matrix.T
    product = matrix.T @ matrix / gain**2
    # Drawn in float32, a product of n terms is off by some of its roundings.
    slack = 10 * len(matrix) * float(np.finfo(np.float32).eps)
    return bool(np.max(np.abs(product - np.eye(len(product))), initial=0.0) <= slack)


def kolmogorov_smirnov(uniform: Array) -> float:
    """p-value of values that should be uniform in [0, 1] (asymptotic, Stephens' correction)."""
    ordered = np.sort(np.asarray(uniform, dtype=np.float64))
    n = len(ordered)
    steps = np.arange(1, n + 1) / n
    distance = float(max(np.max(steps - ordered), np.max(ordered - (steps - 1 / n))))
    return _tail(np.sqrt(n), distance)


def two_samples(a: Array, b: Array) -> float:
    """p-value of two sets of values that should follow one law (Kolmogorov-Smirnov, asymptotic)."""
    everything = np.sort(np.concatenate([a, b]))
    shares = [np.searchsorted(np.sort(v), everything, side="right") / len(v) for v in (a, b)]
    distance = float(np.max(np.abs(shares[0] - shares[1]), initial=0.0))
    return _tail(np.sqrt(len(a) * len(b) / (len(a) + len(b))), distance)


def _tail(root: float, distance: float) -> float:
    """The probability of a larger deviation, with Stephens' correction; ``root`` is √n."""
    argument = (root + 0.12 + 0.11 / root) * distance
    k = np.arange(1, 101)
    series = 2 * np.sum((-1.0) ** (k - 1) * np.exp(-2 * (k * argument) ** 2))
    return float(np.clip(series, 0.0, 1.0)) if argument > 0.2 else 1.0


def _values(group: Group) -> Array:
    """All values of a group, every so many of them where there are too many."""
    values = np.concatenate([np.ravel(a) for _, a, _, _ in group.arrays]).astype(np.float64)
    return values[:: max(1, len(values) // MAXIMUM_VALUES)]


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
    alike = two_samples(_values(left), _values(right)) > REFUTED
    common = [n for n in lefts if n in rights and alike]

    def best(names: Sequence[str], side: int) -> str:
        for name in preferred:
            if name in names:
                return name
        generic = [n for n in names if n in NAMED]
        pool = generic or list(names)
        return max(pool, key=lambda n: ps[n][side], default="no law known here")

    return Laws(tuple(lefts), tuple(rights), tuple(common), best(lefts, 0), best(rights, 1))
