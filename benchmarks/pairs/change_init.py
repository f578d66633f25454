"""Initial values drawn anew, by another law, or by a framework's default."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
from benchmarks.pairs.description import Array, Change, Description, Values
from benchmarks.pairs.making import Maker, replaced

from netparity import nn

#: One draw does not tell a law from a value, nor either from a stream.
DRAWS = (
    "init-law", "init-value", "dense-init-default", "init-formulas", "seed-scope",
    "conv-init-default", "rnn-init-default", "dense-bias-init", "rng-stream-position",
)  # fmt: skip


def drawn(shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    """A weight N(0, 1/inputs) or a vector N(0, 0.1²), exact in float32."""
    size = 1 / np.sqrt(np.prod(shape[:-1])) if len(shape) > 1 else 0.1
    return np.float32(size * rng.standard_normal(shape)).astype(float)


def _exact(value: Array) -> Array:
    return np.float32(value).astype(float)


def _drawn_anew(
    id: str, what: str, d: Description, initial: Values, same: tuple[str, ...] = ()
) -> Change:
    same = tuple(i for i in (*DRAWS, *same) if i != id)
    change = replaced(id, "init", "initial", {**d.initial, **initial}, what, same)
    return dataclasses.replace(change, touches=tuple(f"initial.{f}" for f in initial))


def init_value(d: Description, rng: np.random.Generator) -> Change | None:
    """Another draw of the same law."""
    initial = {f: drawn(v.shape, rng) for f, v in d.initial.items() if v.ndim > 1}
    return _drawn_anew("init-value", "another draw", d, initial)


def init_law(d: Description, rng: np.random.Generator) -> Change | None:
    """Weights U(0, 1), or N(0, 0.01²)."""
    uniform = rng.random() < 0.5

    def law(v: Array) -> Array:
        return _exact(rng.random(v.shape) if uniform else 0.01 * rng.standard_normal(v.shape))

    initial = {f: law(v) for f, v in d.initial.items() if f.endswith(".weight")}
    what = "weights U(0, 1)" if uniform else "weights N(0, 0.01²)"
    return _drawn_anew("init-law", what, d, initial)


def _bound(fan_in: int, fan_out: int, rng: np.random.Generator) -> float:
    """Of torch's uniform law or of Glorot's."""
    torch_bound, glorot = 1 / np.sqrt(fan_in), np.sqrt(6 / (fan_in + fan_out))
    return float(torch_bound if rng.random() < 0.5 else glorot)


def _default(id: str, kinds: tuple[type[nn.Layer], ...]) -> Maker:
    """The weights of some layers by a framework's default law."""

    def make(d: Description, rng: np.random.Generator) -> Change | None:
        names = {n for n, _ in d.of_kind(*kinds)}
        initial = {}
        for full, v in d.initial.items():
            if full.rpartition(".")[0] in names and v.ndim > 1:
                window = int(np.prod(v.shape[:-2]))
                bound = _bound(window * v.shape[-2], window * v.shape[-1], rng)
                initial[full] = _exact(rng.uniform(-bound, bound, v.shape))
        if not initial:
            return None
        return _drawn_anew(id, "weights by a framework's default law", d, initial)

    return make


def _vectors(
    id: str, kinds: tuple[type[nn.Layer], ...], key: str, new: Callable[[Array], Array],
    same: tuple[str, ...] = (),
) -> Maker:  # fmt: skip
    """The vectors of one name set otherwise."""

    def make(d: Description, rng: np.random.Generator) -> Change | None:
        initial = {f"{n}.{key}": new(d.initial[f"{n}.{key}"]) for n, layer in d.of_kind(*kinds)
                   if key in layer.shapes()}  # fmt: skip
        return _drawn_anew(id, f"{key} set otherwise", d, initial, same) if initial else None

    return make


def _forget_at_one(bias: Array) -> Array:
    """One in the second of four blocks, zero elsewhere: i, f, g, o."""
    new = np.zeros_like(bias)
    new[len(bias) // 4 : len(bias) // 2] = 1.0
    return new


MAKERS: dict[str, Maker] = {
    "init-value": init_value,
    "init-law": init_law,
    "dense-init-default": _default("dense-init-default", (nn.Affine,)),
    "conv-init-default": _default("conv-init-default", (nn.Conv2D,)),
    "rnn-init-default": _default("rnn-init-default", (nn.SimpleRNN, nn.LSTM, nn.GRU)),
    "dense-bias-init": _vectors("dense-bias-init", (nn.Affine,), "bias", np.zeros_like),
    "norm-layer-init": _vectors(
        "norm-layer-init", (nn.BatchNorm, nn.LayerNorm, nn.GroupNorm), "scale", np.ones_like
    ),
    "rnn-forget-bias": _vectors("rnn-forget-bias", (nn.LSTM,), "bias", _forget_at_one),
}
