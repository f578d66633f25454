"""Dot-product attention, by itself and with projections in several heads."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import final

import numpy as np

from netparity.errors import InputError
from netparity.nn.arrays import Array, Memory
from netparity.nn.functions import softmax
from netparity.nn.layers.base import INFERENCE, Backward, Context, Layer

#: From the gradient at what attention gives to those at the queries, the keys and the values.
_Back = Callable[[Array], tuple[Array, Array, Array]]


def attend(
    queries: Array, keys: Array, values: Array, scale: float, causal: bool, memory: Memory
) -> tuple[Array, _Back]:
    """``softmax(scale · Q Kᵀ) V`` over the last two axes.

    Args:
        queries: (…, T, D).
        keys: (…, S, D).
        values: (…, S, E).
        scale: a factor on the products.
        causal: whether query t sees no key after the t-th.
        memory: where all arrays come from.

    Returns:
        What is attended to (…, T, E), and the backward pass.
    """
    dtype, around = queries.dtype, queries.shape[:-2]
    shape = (*around, queries.shape[-2], keys.shape[-2])
    scores = memory.empty("scores", shape, dtype)
    np.matmul(queries, keys.swapaxes(-1, -2), out=scores)
    scores *= scale
    if causal:
        for step in range(shape[-2]):
            scores[..., step, step + 1 :] = -np.inf
    weights = softmax(scores, -1, memory)
    y = memory.empty("attended", (*shape[:-1], values.shape[-1]), dtype)
    np.matmul(weights, values, out=y)

    def backward(dy: Array) -> tuple[Array, Array, Array]:
        dvalues = memory.empty("dvalues", (*around, *values.shape[-2:]), dtype)
        np.matmul(weights.swapaxes(-1, -2), dy, out=dvalues)
        dscores = memory.empty("dscores", shape, dtype)
        products = memory.empty("products", shape, dtype)
        np.matmul(dy, values.swapaxes(-1, -2), out=dscores)
        np.multiply(dscores, weights, out=products)
        totals = memory.empty("totals", (*shape[:-1], 1), dtype)
        dscores -= np.sum(products, axis=-1, keepdims=True, out=totals)
        dscores *= weights
        dscores *= scale
        dqueries = memory.empty("dqueries", queries.shape, dtype)
        dkeys = memory.empty("dkeys", keys.shape, dtype)
        np.matmul(dscores, keys, out=dqueries)
        np.matmul(dscores.swapaxes(-1, -2), queries, out=dkeys)
        return dqueries, dkeys, dvalues

    return y, backward


@final
@dataclass(frozen=True, slots=True)
class Attention(Layer):
    """Dot-product attention: the layer's input asks, its sources answer.

    ``y = softmax(scale · Q Kᵀ) V`` for each sample.

    Args:
        keys: name of the earlier layer that gives K; ``None``: the input itself.
        values: that of V; ``None``: the keys.
        scale: a factor on the products; ``None``: ``1/√D``.
        causal: whether query t sees no key after the t-th.

    Shapes: ``x`` (N, T, D), keys (N, S, D), values (N, S, E); ``y`` (N, T, E).

    Raises:
        InputError: the shapes do not fit.

    Example:
        >>> x = np.array([[[1.0, 0.0], [0.0, 1.0]]])
        >>> Attention(scale=1.0).apply({}, x)[0].round(3)
        array([[[0.731, 0.269],
                [0.269, 0.731]]])

    Source: A. Vaswani et al., "Attention is all you need", NIPS 2017.

    **Parity** (`attention-scale`): torch's ``scaled_dot_product_attention`` and Flax scale by
    ``1/√D``; Keras's ``Attention`` does not (``scale=1.0`` here), and takes its inputs in the
    order query, value, key.
    """

    keys: str | None = None
    values: str | None = None
    scale: float | None = None
    causal: bool = False

    @property
    def sources(self) -> tuple[str, ...]:
        """The names that are given, each once."""
        return tuple(dict.fromkeys(name for name in (self.keys, self.values) if name is not None))

    def apply(
        self, parameters: Mapping[str, Array], x: Array, context: Context = INFERENCE
    ) -> tuple[Array, Backward]:
        """Attends (see ``Layer.apply``)."""
        given = dict(zip(self.sources, context.others, strict=True))
        keys = x if self.keys is None else given[self.keys]
        values = keys if self.values is None else given[self.values]
        if (
            x.ndim != 3
            or keys.shape != (len(x), *keys.shape[1:2], x.shape[2])
            or values.ndim != 3
            or values.shape[:2] != keys.shape[:2]
            or keys.shape[1] == 0
        ):
            raise InputError(
                f"shapes that do not fit. Expected (N, T, D), keys (N, S, D) and values "
                f"(N, S, E) with S > 0. Received: {x.shape}, {keys.shape} and {values.shape}"
            )
        scale = 1.0 / math.sqrt(max(1, x.shape[2])) if self.scale is None else float(self.scale)
        y, back = attend(x, keys, values, scale, self.causal, context.memory)

        def backward(dy: Array) -> tuple[Array, dict[str, Array]]:
            dx, dkeys, dvalues = back(dy)
            at_keys = dx if self.keys is None else dkeys
            if self.keys is None:
                at_keys += dkeys
            gradients = {} if self.keys is None else {self.keys: dkeys}
            if self.values is None or self.values == self.keys:
                at_keys += dvalues
            else:
                gradients[self.values] = dvalues
            return dx, gradients

        return y, backward


@final
@dataclass(frozen=True, slots=True)
class MultiHeadAttention(Layer):
    """Self-attention in several heads.

    With ``Q, K, V = x W_q + b_q, x W_k + b_k, x W_v + b_v`` cut into h heads of d columns:
    ``y = [softmax(scale · Q_i K_iᵀ) V_i for each head i] W_o + b_o``.

    Args:
        inputs: number E of features.
        heads: number h of heads.
        depth: columns d of a head; ``None``: E/h.
        bias: whether the four biases are there.
        scale: a factor on the products; ``None``: ``1/√d``.
        causal: whether a step sees no later one.

    Shapes: ``x`` and ``y`` (N, T, E); ``query_weight``, ``key_weight`` and ``value_weight``
    (E, h·d), ``output_weight`` (h·d, E); ``query_bias``, ``key_bias`` and ``value_bias``
    (h·d,), ``output_bias`` (E,).

    Raises:
        InputError: E is no multiple of h and no depth is given, or ``x`` has another shape.

    Example:
        >>> layer = MultiHeadAttention(2, 1, bias=False)
        >>> parameters = {name: np.eye(2) for name in layer.shapes()}
        >>> layer.apply(parameters, np.array([[[1.0, 0.0], [0.0, 0.0]]]))[0].round(3)
        array([[[0.67, 0.  ],
                [0.5 , 0.  ]]])

    Source: A. Vaswani et al., "Attention is all you need", NIPS 2017.

    **Parity** (`mha-param-layout`, `attention-scale`): torch stacks the transposes of the three
    first weights into one (3E, E) and keeps that of the last; Keras and Flax have (E, h, d) and
    (h, d, E), which are these in another shape. All scale by ``1/√d``. torch's d is E/h, Keras's
    is named, Flax's comes from ``qkv_features``. For laws of initial values Flax and Keras
    count E and h·d, as ``fans`` does here, torch E and 3E.
    """

    inputs: int
    heads: int
    depth: int | None = None
    bias: bool = True
    scale: float | None = None
    causal: bool = False

    def __post_init__(self) -> None:
        """Checks the heads."""
        if self.heads < 1 or (self.depth is None and self.inputs % self.heads):
            raise InputError(
                f"features that cannot be shared out. Expected a multiple of {self.heads} heads. "
                f"Received: {self.inputs}",
                hint="give the depth of a head, or another number of heads",
            )

    @property
    def _depth(self) -> int:
        return self.inputs // self.heads if self.depth is None else self.depth

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Four weights and, if there are any, four biases, each after its weight."""
        width = self.heads * self._depth
        shapes: dict[str, tuple[int, ...]] = {}
        for name in ("query", "key", "value", "output"):
            before, after = (width, self.inputs) if name == "output" else (self.inputs, width)
            shapes[f"{name}_weight"] = (before, after)
            if self.bias:
                shapes[f"{name}_bias"] = (after,)
        return shapes

    def fans(self, parameter: str = "weight") -> tuple[int, int]:
        """E and h·d."""
        return self.inputs, self.heads * self._depth

    def apply(
        self, parameters: Mapping[str, Array], x: Array, context: Context = INFERENCE
    ) -> tuple[Array, Backward]:
        """Projects, attends and projects back (see ``Layer.apply``)."""
        if x.ndim != 3 or x.shape[2] != self.inputs or x.shape[1] == 0:
            raise InputError(
                f"input of another shape. Expected (N, T, {self.inputs}) with T > 0. "
                f"Received: {x.shape}"
            )
        memory, heads, depth = context.memory, self.heads, self._depth
        by_head = (*x.shape[:2], heads, depth)
        width = (*x.shape[:2], heads * depth)

        def projection(name: str) -> Array:
            z = memory.empty(name, width, x.dtype)
            np.matmul(x, parameters[f"{name}_weight"], out=z)
            if self.bias:
                z += parameters[f"{name}_bias"]
            return z.reshape(by_head).swapaxes(1, 2)

        scale = 1.0 / math.sqrt(depth) if self.scale is None else float(self.scale)
        queries, keys, values = (projection(name) for name in ("query", "key", "value"))
        attended, back = attend(queries, keys, values, scale, self.causal, memory)
        joined = memory.empty("joined", width, x.dtype)
        joined.reshape(by_head)[...] = attended.swapaxes(1, 2)
        weight = parameters["output_weight"]
        y = np.matmul(joined, weight, out=memory.empty("y", x.shape, x.dtype))
        if self.bias:
            y += parameters["output_bias"]

        def backward(dy: Array) -> tuple[Array, dict[str, Array]]:
            gradients: dict[str, Array] = {}

            def collect(name: str, inputs: Array, outputs: Array) -> None:
                columns = inputs.reshape(-1, inputs.shape[2]).T
                dweight = memory.empty(f"d{name}", parameters[f"{name}_weight"].shape, x.dtype)
                rows = outputs.reshape(-1, outputs.shape[2])
                gradients[f"{name}_weight"] = np.matmul(columns, rows, out=dweight)
                if self.bias:
                    gradients[f"{name}_bias"] = rows.sum(axis=0)

            collect("output", joined, dy)
            djoined = np.matmul(dy, weight.T, out=memory.empty("djoined", width, x.dtype))
            dasked = back(djoined.reshape(by_head).swapaxes(1, 2))
            dx = memory.empty("dx", x.shape, x.dtype)
            dx.fill(0.0)
            share = memory.empty("share", x.shape, x.dtype)
            for name, dheads in zip(("query", "key", "value"), dasked, strict=True):
                dz = memory.empty(f"dz of {name}", width, x.dtype)
                dz.reshape(by_head)[...] = dheads.swapaxes(1, 2)
                collect(name, x, dz)
                dx += np.matmul(dz, parameters[f"{name}_weight"].T, out=share)
            return dx, {name: gradients[name] for name in self.shapes()}

        return y, backward
