"""Losses one meets less often, written out by hand: value and gradient at the prediction."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from benchmarks.pairs.description import Array, Unable, only
from benchmarks.pairs.numpy_layers import logistic, softmax

from netparity import nn

Each = tuple[Array, Array]


def _log_cosh(loss: nn.LogCosh, p: Array, t: Array) -> Each:
    apart = p - t
    size = np.abs(apart)
    return size + np.log1p(np.exp(-2 * size)) - np.log(2.0), np.tanh(apart)


def _divergence(loss: nn.KullbackLeibler, p: Array, t: Array) -> Each:
    only(loss, "over", "batch", "outputs", "factor")
    if loss.over == "target":
        return t * (np.log(t) - p), -t
    q = np.exp(p)
    return q * (p - np.log(t)), q * (p - np.log(t) + 1)


def _counts(loss: nn.PoissonNegativeLogLikelihood, p: Array, t: Array) -> Each:
    only(loss, "input", "epsilon", "batch", "outputs", "factor")
    if loss.input == "log-rate":
        return np.exp(p) - t * p, np.exp(p) - t
    raised = p + loss.epsilon
    return p - t * np.log(raised), 1 - t / raised


def _margin(loss: nn.BinaryHinge, p: Array, t: Array) -> Each:
    only(loss, "batch", "outputs", "factor", "power")
    signs = 2 * t - 1
    left = np.maximum(0, 1 - signs * p)
    if loss.power == 2:
        return left**2, -2 * left * signs
    return left, -signs * (left > 0)


def _angle(loss: nn.CosineDistance, p: Array, t: Array) -> Each:
    only(loss, "form", "batch", "factor")
    norm = np.sqrt((p * p).sum(axis=1, keepdims=True))
    unit = p / norm
    direction = t / np.sqrt((t * t).sum(axis=1, keepdims=True))
    cosine = (unit * direction).sum(axis=1, keepdims=True)
    slope = (cosine * unit - direction) / norm
    return (1 - cosine if loss.form == "one-minus" else -cosine), slope


def _focal(loss: nn.BinaryFocal, p: Array, t: Array) -> Each:
    only(loss, "gamma", "alpha", "batch", "outputs", "factor")
    signs = 2 * t - 1
    right = logistic(signs * p)
    wrong = logistic(-signs * p)
    cost = np.maximum(-signs * p, 0) + np.log1p(np.exp(-np.abs(p)))
    weight = 1.0 if loss.alpha is None else t * loss.alpha + (1 - t) * (1 - loss.alpha)
    slope = -signs * wrong**loss.gamma * (wrong + loss.gamma * right * cost)
    return weight * wrong**loss.gamma * cost, weight * slope


def _categorical_focal(loss: nn.CategoricalFocal, p: Array, t: Array) -> Each:
    only(loss, "gamma", "alpha", "batch", "factor")
    q = softmax(p, -1)
    wrong = 1 - q
    logs = np.log(q)
    by_probability = t * (loss.gamma * wrong ** (loss.gamma - 1) * logs - wrong**loss.gamma / q)
    inner = (by_probability * q).sum(axis=1, keepdims=True)
    return -loss.alpha * t * wrong**loss.gamma * logs, loss.alpha * q * (by_probability - inner)


_EACH: dict[type[nn.Loss], Callable[[Any, Array, Array], Each]] = {
    nn.LogCosh: _log_cosh,
    nn.KullbackLeibler: _divergence,
    nn.PoissonNegativeLogLikelihood: _counts,
    nn.BinaryHinge: _margin,
    nn.CosineDistance: _angle,
    nn.BinaryFocal: _focal,
    nn.CategoricalFocal: _categorical_focal,
}


def judge(loss: Any, p: Array, y: Array, bugs: tuple[str, ...]) -> tuple[float, Array]:
    """The loss and its gradient at the prediction.

    Raises:
        Unable: the loss is none of these.
    """
    if type(loss) not in _EACH:
        raise Unable(f"NumPy: {loss!r}")
    t = np.asarray(y)
    if isinstance(loss, nn.CategoricalFocal):
        t = np.eye(p.shape[1])[t]
    t = t.reshape(p.shape).astype(p.dtype)
    if "labels-unconverted" in bugs:
        t = (t + 1) / 2
    value, slope = _EACH[type(loss)](loss, p, t)
    constant = float(loss.factor)
    constant /= len(p) if loss.batch == "mean" else 1
    constant /= p.shape[1] if getattr(loss, "outputs", "sum") == "mean" else 1
    return constant * float(value.sum()), constant * slope
