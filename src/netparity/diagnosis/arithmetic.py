"""Twins whose arithmetic rounds otherwise: other orders of summation, rounded outputs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from netparity.diagnosis.twin import Array, Twin
from netparity.nn import (
    FRESH,
    Affine,
    Layer,
    Loss,
    Memory,
    Sigmoid,
    SigmoidCrossEntropy,
    Softmax,
    SoftmaxCrossEntropy,
    Tanh,
)
from netparity.nn.layers.base import INFERENCE, Backward, Context


@dataclass(frozen=True, slots=True)
class _ReorderedAffine(Layer):
    """The affine map with its sums in another order; ``sequential`` adds one by one."""

    inner: Affine
    order: tuple[int, ...]
    sequential: bool = False

    def shapes(self) -> dict[str, tuple[int, ...]]:
        return self.inner.shapes()

    def apply(
        self, parameters: Mapping[str, Array], x: Array, context: Context = INFERENCE
    ) -> tuple[Array, Backward]:
        order = np.asarray(self.order)
        weight = parameters["weight"]
        if self.sequential:
            y = np.einsum("nd,dm->nm", x, weight, optimize=False)
        else:
            y = x[:, order] @ weight[order]
        if self.inner.bias:
            y = y + parameters["bias"]

        def backward(dy: Array) -> tuple[Array, dict[str, Array]]:
            rows = np.arange(len(dy))[::-1]
            columns = np.arange(dy.shape[1])[::-1]
            if self.sequential:
                gradients = {"weight": np.einsum("nd,nm->dm", x, dy, optimize=False)}
                dx = np.einsum("nm,dm->nd", dy, weight, optimize=False)
            else:
                gradients = {"weight": x[rows].T @ dy[rows]}
                dx = dy[:, columns] @ weight[:, columns].T
            if self.inner.bias:
                gradients["bias"] = np.cumsum(dy, axis=0)[-1] if len(dy) else dy.sum(axis=0)
            return dx, gradients

        return y, backward


@dataclass(frozen=True, slots=True)
class _Rounded(Layer):
    """A saturating activation whose derivative is taken from its rounded output.

    ``y·(1 − y)`` and ``1 − y²`` lose what ``y`` lost when it was rounded next to 1; a side
    that computes them so is as right as one that does not.
    """

    inner: Sigmoid | Tanh
    delta: float
    rng: np.random.Generator

    def apply(
        self, parameters: Mapping[str, Array], x: Array, context: Context = INFERENCE
    ) -> tuple[Array, Backward]:
        exact, _ = self.inner.apply(parameters, x)
        y = exact * (1.0 + self.delta * self.rng.standard_normal(exact.shape))

        def backward(dy: Array) -> tuple[Array, dict[str, Array]]:
            slope = y * (1.0 - y) if isinstance(self.inner, Sigmoid) else 1.0 - y * y
            return dy * slope, {}

        return y, backward


@dataclass(frozen=True, slots=True)
class _RoundedLoss(Loss):
    """A cross-entropy whose probabilities are rounded before the target is subtracted.

    ``p − y`` of a row that is right beyond doubt keeps nothing of ``p`` but its rounding.
    """

    inner: SoftmaxCrossEntropy | SigmoidCrossEntropy
    delta: float
    rng: np.random.Generator

    def value(self, prediction: Array, target: Array, *, weights: Array | None = None) -> float:
        return self.inner.value(prediction, target, weights=weights)

    def value_and_gradient(
        self,
        prediction: Array,
        target: Array,
        *,
        weights: Array | None = None,
        memory: Memory = FRESH,
    ) -> tuple[float, Array]:
        value, gradient = self.inner.value_and_gradient(
            prediction, target, weights=weights, memory=memory
        )
        if self.inner.input != "logits":
            return value, gradient
        head = Softmax() if isinstance(self.inner, SoftmaxCrossEntropy) else Sigmoid()
        p = head.apply({}, prediction)[0]
        rows = p[..., 0].size if isinstance(head, Softmax) else len(p)
        size = self.inner.factor / (1 if self.inner.batch == "sum" else rows)
        if getattr(self.inner, "outputs", "sum") == "mean":
            size /= prediction[0].size
        noise = self.delta * self.rng.standard_normal(p.shape)
        return value, np.asarray(gradient + size * p * noise)


def rounded(twin: Twin, delta: float, rng: np.random.Generator) -> Twin:
    """The same twin with saturating activations (and probabilities) rounded before use."""
    layers = tuple(
        (n, _Rounded(k, delta, rng) if isinstance(k, Sigmoid | Tanh) else k)
        for n, k in twin.conventions.layers or ()
    )
    loss = twin.conventions.loss
    if isinstance(loss, SoftmaxCrossEntropy | SigmoidCrossEntropy):
        loss = _RoundedLoss(loss, delta, rng)
    return twin.with_(layers=layers, loss=loss)


def reordered(twin: Twin, rng: np.random.Generator, *, sequential: bool = False) -> Twin:
    """The same twin with other orders of summation in its matrix products."""
    layers: list[tuple[str, Layer]] = []
    for name, layer in twin.conventions.layers or ():
        if isinstance(layer, Affine):
            order = tuple(int(i) for i in rng.permutation(layer.inputs))
            layers.append((name, _ReorderedAffine(layer, order, sequential)))
        else:
            layers.append((name, layer))
    return twin.with_(layers=tuple(layers))
