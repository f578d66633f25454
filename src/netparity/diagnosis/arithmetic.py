"""Twins whose arithmetic rounds otherwise: other orders of summation, rounded outputs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from netparity.diagnosis.twin import Array, Twin
from netparity.nn import (
    FRESH,
    GELU,
    GRU,
    LSTM,
    Affine,
    Conv2D,
    Layer,
    Loss,
    Memory,
    Sigmoid,
    SigmoidCrossEntropy,
    SimpleRNN,
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
        rows = x.reshape(-1, x.shape[-1])
        if self.sequential:
            y = np.einsum("nd,dm->nm", rows, weight, optimize=False)
        else:
            y = rows[:, order] @ weight[order]
        if self.inner.bias:
            y = y + parameters["bias"]

        def backward(dy: Array) -> tuple[Array, dict[str, Array]]:
            dy = dy.reshape(-1, dy.shape[-1])
            back = np.arange(len(dy))[::-1]
            columns = np.arange(dy.shape[1])[::-1]
            if self.sequential:
                gradients = {"weight": np.einsum("nd,nm->dm", rows, dy, optimize=False)}
                dx = np.einsum("nm,dm->nd", dy, weight, optimize=False)
            else:
                gradients = {"weight": rows[back].T @ dy[back]}
                dx = dy[:, columns] @ weight[:, columns].T
            if self.inner.bias:
                gradients["bias"] = np.cumsum(dy, axis=0)[-1] if len(dy) else dy.sum(axis=0)
            return dx.reshape(x.shape), gradients

        return y.reshape(*x.shape[:-1], y.shape[-1]), backward


@dataclass(frozen=True, slots=True)
class _ReorderedInputs(Layer):
    """A convolution or recurrent layer whose input features, and batch, stand in another order.

    Every sum over features, and every sum over the batch, is then added up otherwise.
    """

    inner: Conv2D | LSTM | GRU | SimpleRNN
    order: tuple[int, ...]

    def shapes(self) -> dict[str, tuple[int, ...]]:
        return self.inner.shapes()

    def apply(
        self, parameters: Mapping[str, Array], x: Array, context: Context = INFERENCE
    ) -> tuple[Array, Backward]:
        order, back = np.asarray(self.order), np.argsort(self.order)
        axis = 2 if isinstance(self.inner, Conv2D) else 0
        features = 1 if getattr(self.inner, "layout", "NHWC") == "NCHW" else x.ndim - 1
        batch = 1 if getattr(self.inner, "time_major", False) else 0
        sequences = batch == 1 and getattr(self.inner, "return_sequences", False)
        outputs = 1 if sequences else 0
        turned = {**parameters, "weight": np.take(parameters["weight"], order, axis)}
        given = np.ascontiguousarray(np.flip(np.take(x, order, features), batch))
        y, inner_backward = self.inner.apply(turned, given, context)

        def backward(dy: Array) -> tuple[Array, dict[str, Array]]:
            dx, gradients = inner_backward(np.ascontiguousarray(np.flip(dy, outputs)))
            weight = np.take(gradients["weight"], back, axis)
            return np.take(np.flip(dx, batch), back, features), {**gradients, "weight": weight}

        return np.ascontiguousarray(np.flip(y, outputs)), backward


@dataclass(frozen=True, slots=True)
class _Rounded(Layer):
    """A saturating activation whose derivative is taken from its rounded output.

    ``y·(1 − y)`` and ``1 − y²`` lose what ``y`` lost when it was rounded next to 1; a side
    that computes them so is as right as one that does not. So is one that takes GELU's share
    of ``x`` as ``(1 + erf)/2``, in which nothing is left of it far below 0.
    """

    inner: Sigmoid | Tanh | GELU
    delta: float
    rng: np.random.Generator

    def apply(
        self, parameters: Mapping[str, Array], x: Array, context: Context = INFERENCE
    ) -> tuple[Array, Backward]:
        exact, exactly = self.inner.apply(parameters, x)
        if isinstance(self.inner, GELU):
            share = 0.5 * self.delta * self.rng.standard_normal(x.shape)
            return exact + x * share, lambda dy: (exactly(dy)[0] + dy * share, {})
        y = exact * (1.0 + self.delta * self.rng.standard_normal(exact.shape))

        def backward(dy: Array) -> tuple[Array, dict[str, Array]]:
            slope = y * (1.0 - y) if isinstance(self.inner, Sigmoid) else 1.0 - y * y
            return dy * slope, {}

        return y, backward


@dataclass(frozen=True, slots=True)
class _RoundedInside(Layer):
    """A recurrent layer whose gates and states are rounded before their slopes are taken."""

    inner: LSTM | GRU | SimpleRNN
    delta: float
    rng: np.random.Generator

    def shapes(self) -> dict[str, tuple[int, ...]]:
        return self.inner.shapes()

    def apply(
        self, parameters: Mapping[str, Array], x: Array, context: Context = INFERENCE
    ) -> tuple[Array, Backward]:
        def disturb(values: Array) -> None:
            values *= 1.0 + self.delta * self.rng.standard_normal(values.shape)

        return self.inner.apply(parameters, x, replace(context, disturb=disturb))


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
    layers = tuple((n, _rounded(k, delta, rng)) for n, k in twin.conventions.layers or ())
    loss = twin.conventions.loss
    if isinstance(loss, SoftmaxCrossEntropy | SigmoidCrossEntropy):
        loss = _RoundedLoss(loss, delta, rng)
    return twin.with_(layers=layers, loss=loss)


def _rounded(layer: Layer, delta: float, rng: np.random.Generator) -> Layer:
    if isinstance(layer, Sigmoid | Tanh | GELU):
        return _Rounded(layer, delta, rng)
    if isinstance(layer, LSTM | GRU | SimpleRNN):
        return _RoundedInside(layer, delta, rng)
    return layer


def reordered(twin: Twin, rng: np.random.Generator, *, sequential: bool = False) -> Twin:
    """The same twin with other orders of summation in its matrix products."""
    layers: list[tuple[str, Layer]] = []
    for name, layer in twin.conventions.layers or ():
        if isinstance(layer, Affine):
            order = tuple(int(i) for i in rng.permutation(layer.inputs))
            layers.append((name, _ReorderedAffine(layer, order, sequential)))
        elif isinstance(layer, LSTM | GRU | SimpleRNN) or (
            isinstance(layer, Conv2D) and layer.groups == 1
        ):
            order = tuple(int(i) for i in rng.permutation(layer.inputs))
            layers.append((name, _ReorderedInputs(layer, order)))
        else:
            layers.append((name, layer))
    return twin.with_(layers=tuple(layers))
