"""Losses written out by hand: value and gradient at the prediction."""

from __future__ import annotations

from typing import Any

import numpy as np
from benchmarks.pairs import numpy_rare_losses
from benchmarks.pairs.description import Array, Unable, only
from benchmarks.pairs.numpy_layers import logistic, softmax

from netparity import nn


def one_hot(y: Array, classes: int, dtype: Any) -> Array:
    """Rows of the unit matrix."""
    return np.eye(classes, dtype=dtype)[y]


def judge(loss: nn.Loss, p: Array, y: Array, bugs: tuple[str, ...]) -> tuple[float, Array]:
    """The loss and its gradient at the prediction."""
    match loss:
        case nn.SoftmaxCrossEntropy():
            value, gradient = _softmax(loss, p, y, bugs)
        case nn.SigmoidCrossEntropy():
            value, gradient = _sigmoid(loss, p, y)
        case nn.MeanSquaredError() | nn.MeanAbsoluteError() | nn.Huber():
            value, gradient = _regression(loss, p, y, bugs)
        case nn.MulticlassHinge():
            value, gradient = _hinge(loss, p, y)
        case _:
            value, gradient = numpy_rare_losses.judge(loss, p, y, bugs)
    if "loss-gradient-halved" in bugs:
        gradient = gradient / 2
    if "loss-gradient-divided-again" in bugs:
        gradient = gradient / len(p)
    return float(value), np.asarray(gradient, dtype=p.dtype)


def _constant(loss: Any, rows: int, outputs: int) -> float:
    constant = float(loss.factor)
    if loss.batch == "mean":
        constant /= rows
    elif loss.batch != "sum":
        raise Unable(f"NumPy: batch={loss.batch!r}")
    if getattr(loss, "outputs", getattr(loss, "classes", "sum")) == "mean":
        constant /= outputs
    return constant


def _softmax(
    loss: nn.SoftmaxCrossEntropy, p: Array, y: Array, bugs: tuple[str, ...]
) -> tuple[float, Array]:
    only(loss, "batch", "factor", "input", "clip", "label_smoothing", "renormalise",
         "class_weights")  # fmt: skip
    n, classes = p.shape
    t = one_hot(y, classes, p.dtype)
    if loss.label_smoothing:
        t = t * (1 - loss.label_smoothing) + loss.label_smoothing / classes
    if loss.class_weights is None:
        constant = _constant(loss, n, classes)
    else:
        t, constant = _by_class(loss, t, y)
    if loss.input == "log-probabilities":
        return -constant * float((t * p).sum()), -constant * t
    if loss.input == "logits" and loss.clip is None:
        scores, twice = p, "softmax-twice" in bugs
        if twice:
            scores = softmax(p, -1)
        shifted = scores - scores.max(axis=1, keepdims=True)
        logs = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
        slope = np.exp(logs) * t.sum(axis=1, keepdims=True) - t
        if twice:
            slope = scores * (slope - (slope * scores).sum(axis=1, keepdims=True))
        return -constant * float((t * logs).sum()), constant * slope
    if loss.input == "probabilities":
        whole = p.sum(axis=1, keepdims=True) if loss.renormalise else np.ones((n, 1), p.dtype)
        shares = p / whole
        q = shares
        if loss.clip is not None:
            q = np.clip(shares, loss.clip, 1 - loss.clip)
        slope = np.where(q == shares, -t / q, 0.0)
        if loss.renormalise:
            slope = (slope - (slope * shares).sum(axis=1, keepdims=True)) / whole
        return -constant * float((t * np.log(q)).sum()), constant * slope
    raise Unable(f"NumPy: {loss!r}")


def _by_class(loss: nn.SoftmaxCrossEntropy, t: Array, y: Array) -> tuple[Array, float]:
    """Targets times the weights of their classes; a mean over the weights, or over the rows."""
    weights = np.asarray(loss.class_weights, dtype=t.dtype)
    if loss.label_smoothing:
        raise Unable(f"NumPy: {loss!r}")
    divisors = {"sum": 1.0, "mean": len(t), "weighted-mean": float(weights[y].sum())}
    return t * weights, loss.factor / divisors[loss.batch]


def _sigmoid(loss: nn.SigmoidCrossEntropy, p: Array, y: Array) -> tuple[float, Array]:
    only(loss, "batch", "outputs", "factor", "input", "clip", "label_smoothing")
    t = np.asarray(y, dtype=p.dtype).reshape(p.shape)
    if loss.label_smoothing:
        t = t * (1 - loss.label_smoothing) + loss.label_smoothing / 2
    constant = _constant(loss, len(p), p.shape[1])
    if loss.input == "logits" and loss.clip is None:
        value = np.maximum(p, 0) - p * t + np.log1p(np.exp(-np.abs(p)))
        return constant * float(value.sum()), constant * (logistic(p) - t)
    if loss.input == "probabilities":
        q = p if loss.clip is None else np.clip(p, loss.clip, 1 - loss.clip)
        value = -(t * np.log(q) + (1 - t) * np.log1p(-q))
        slope = np.where(q == p, (1 - t) / (1 - q) - t / q, 0.0)
        return constant * float(value.sum()), constant * slope
    raise Unable(f"NumPy: {loss!r}")


def _regression(loss: Any, p: Array, y: Array, bugs: tuple[str, ...]) -> tuple[float, Array]:
    t = np.asarray(y, dtype=p.dtype).reshape(p.shape)
    if "targets-broadcast" in bugs:
        # (N, 1) against (N,): every prediction meets every target.
        apart = p - np.asarray(y, dtype=p.dtype).reshape(1, -1)
        value, slope = apart**2, 2 * apart
        constant = loss.factor / apart.size
        return constant * float(value.sum()), constant * slope.sum(axis=1, keepdims=True)
    apart = p - t
    constant = _constant(loss, len(p), int(p[0].size))
    match loss:
        case nn.MeanSquaredError():
            value, slope = apart**2, 2 * apart
        case nn.MeanAbsoluteError():
            value, slope = np.abs(apart), np.sign(apart)
        case nn.Huber():
            d, size = loss.delta, np.abs(apart)
            value = np.where(size <= d, 0.5 * apart**2, d * (size - 0.5 * d))
            slope = np.clip(apart, -d, d)
            if loss.form == "smooth-l1":
                value, slope = value / d, slope / d
        case _:
            raise Unable(f"NumPy: {loss!r}")
    return constant * float(value.sum()), constant * slope


def _hinge(loss: nn.MulticlassHinge, p: Array, y: Array) -> tuple[float, Array]:
    only(loss, "margin", "batch", "classes", "factor", "counts_true_class")
    rows = np.arange(len(p))
    margins = np.maximum(0, p - p[rows, y][:, None] + loss.margin)
    value = margins.sum()
    own = loss.margin * len(p)
    active = (margins > 0).astype(p.dtype)
    active[rows, y] = 0
    active[rows, y] = -active.sum(axis=1)
    if not loss.counts_true_class:
        value = value - own
    constant = _constant(loss, len(p), p.shape[1])
    return constant * float(value), constant * active
