"""The loss of a program that declares nothing is read from its values, however it is written."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import netparity
from netparity.conventions import Conventions, Place
from netparity.diagnosis import loss
from netparity.diagnosis.twin import Array
from netparity.implementations import adapt
from netparity.nn import (
    Affine,
    BinaryFocal,
    BinaryHinge,
    CosineDistance,
    Huber,
    KullbackLeibler,
    LogCosh,
    Loss,
    MeanAbsoluteError,
    MeanSquaredError,
    MulticlassHinge,
    PoissonNegativeLogLikelihood,
    Sigmoid,
    SigmoidCrossEntropy,
    Softmax,
    SoftmaxCrossEntropy,
    Tanh,
)

HEADS: dict[str, Any] = {
    "identity": lambda z: z,
    "sigmoid": lambda z: 1 / (1 + np.exp(-z)),
    "softmax": lambda z: (lambda e: e / e.sum(axis=1, keepdims=True))(
        np.exp(z - z.max(axis=1, keepdims=True))
    ),
}
LAYERS: dict[str, Any] = {"identity": (), "sigmoid": (Sigmoid(),), "softmax": (Softmax(),)}


def program(
    judge: Any,
    head: str = "identity",
    outputs: int = 3,
    dtype: Any = np.float64,
    penalty: Any = None,
    bias: bool = True,
) -> tuple[Any, Conventions]:
    """A network of one hidden layer whose author gives its loss and nothing else."""
    start = np.random.default_rng(0)
    values = {
        "W1": start.standard_normal((4, 6)).astype(dtype),
        "b1": np.zeros(6, dtype),
        "W2": start.standard_normal((6, outputs)).astype(dtype),
        "b2": np.zeros(outputs, dtype),
    }
    if not bias:
        del values["b2"]

    def predict(x: Array) -> Array:
        hidden = np.tanh(x.astype(dtype) @ values["W1"] + values["b1"])
        return np.asarray(HEADS[head](hidden @ values["W2"] + values.get("b2", dtype(0))))

    def value(x: Array, y: Array) -> float:
        data = judge(predict(x), y.astype(dtype) if y.dtype.kind == "f" else y)
        return float(data + (penalty(values, len(x)) if penalty else 0))

    live = adapt(netparity.Scratch(parameters=values, predict=predict, loss=value))
    layers = [("affine1", Affine(4, 6)), ("tanh", Tanh()), ("affine2", Affine(6, outputs, bias))]
    layers += [("head", layer) for layer in LAYERS[head]]
    names = {"affine1.weight": "W1", "affine1.bias": "b1", "affine2.weight": "W2"}
    if bias:
        names["affine2.bias"] = "b2"
    places = {twin: Place(name) for twin, name in names.items()}
    return live, Conventions(layers=tuple(layers), places=places)


def identified(live: Any, conventions: Conventions, y: Array, hints: Any = ()) -> Any:
    x = np.float32(np.random.default_rng(7).standard_normal((len(y), 4))).astype(float)
    batches = loss.probe_batches(x, y, 32)
    rng = np.random.default_rng(9)
    before = live.parameters()
    found = loss.identify(live, conventions, batches, rng, lambda *_: None, hints)
    assert all(np.array_equal(v, before[n]) for n, v in live.parameters().items())
    return found


DRAWN = np.random.default_rng(1)
LABELS = DRAWN.integers(0, 3, 40)
ONE_HOT = np.eye(3)[LABELS]
REALS = np.float32(2 * DRAWN.standard_normal((40, 3))).astype(float)
BITS = DRAWN.integers(0, 2, (40, 1)).astype(float)
MANY_BITS = DRAWN.integers(0, 2, (40, 3)).astype(float)
COUNTS = DRAWN.integers(0, 6, (40, 3)).astype(float)
LAWS = HEADS["softmax"](DRAWN.standard_normal((40, 3)))
ROWS = np.arange


def log_softmax(s: Array) -> Array:
    s = s - s.max(axis=1, keepdims=True)
    return s - np.log(np.exp(s).sum(axis=1, keepdims=True))


def margins(s: Array, y: Array, margin: float = 1.0, *, own: bool = False) -> Array:
    found = np.maximum(0, s - s[ROWS(len(s)), y][:, None] + margin)
    if not own:
        found[ROWS(len(s)), y] = 0
    return found


def huber(e: Array, d: float) -> Array:
    return np.where(np.abs(e) <= d, 0.5 * e**2, d * (np.abs(e) - 0.5 * d))


def logistic_loss(z: Array, y: Array) -> Array:
    return np.maximum(z, 0) - z * y + np.log1p(np.exp(-np.abs(z)))


def binary(p: Array, y: Array) -> Any:
    return -np.mean(y * np.log(p) + (1 - y) * np.log(1 - p))


WEIGHTS = np.array([1.0, 2.0, 0.5])
CE = SoftmaxCrossEntropy
#: What an author wrote: the loss, the head of the network, targets, and what it is.
WRITTEN: dict[str, tuple[Any, str, Array, Loss]] = {
    "log of clipped probabilities": (
        lambda p, y: -np.mean(np.log(np.clip(p[ROWS(len(p)), y], 1e-7, 1 - 1e-7))),
        "softmax", LABELS, CE(input="probabilities", clip=1e-7),
    ),
    "one-hot times log plus epsilon": (
        lambda p, y: -np.sum(y * np.log(p + 1e-8)) / len(y),
        "softmax", ONE_HOT, CE(input="probabilities", log_epsilon=1e-8),
    ),
    "an epsilon that moderate predictions feel": (
        lambda p, y: -np.mean(np.log(p[ROWS(len(p)), y] + 1e-3)),
        "softmax", LABELS, CE(input="probabilities", log_epsilon=1e-3),
    ),
    "clip of a small program": (
        lambda p, y: -np.sum(np.log(np.maximum(p[ROWS(len(p)), y], 1e-12))),
        "softmax", LABELS, CE(batch="sum", input="probabilities", clip=1e-12),
    ),
    "log of probabilities as they come": (
        lambda p, y: -np.mean(np.log(p[ROWS(len(p)), y])), "softmax", LABELS,
        CE(input="probabilities"),
    ),
    "label smoothing": (
        lambda s, y: -np.mean(np.sum((0.9 * np.eye(3)[y] + 0.1 / 3) * log_softmax(s), axis=1)),
        "identity", LABELS, CE(label_smoothing=0.1),
    ),
    "label smoothing of clipped probabilities": (
        lambda p, y: -np.mean(
            np.sum((0.8 * y + 0.2 / 3) * np.log(np.clip(p, 1e-7, 1)), axis=1)
        ),
        "softmax", ONE_HOT, CE(input="probabilities", clip=1e-7, label_smoothing=0.2),
    ),
    "class weights, mean": (
        lambda s, y: -np.mean(WEIGHTS[y] * log_softmax(s)[ROWS(len(s)), y]),
        "identity", LABELS, CE(class_weights=(1.0, 2.0, 0.5)),
    ),
    "class weights, weighted mean": (
        lambda s, y: -np.sum(WEIGHTS[y] * log_softmax(s)[ROWS(len(s)), y]) / WEIGHTS[y].sum(),
        "identity", LABELS, CE(batch="weighted-mean", class_weights=(1.0, 2.0, 0.5)),
    ),
    "minus the score": (
        lambda s, y: -np.mean(s[ROWS(len(s)), y]), "identity", LABELS,
        CE(input="log-probabilities"),
    ),
    "binary from logits": (
        lambda z, y: np.mean(logistic_loss(z, y)), "identity", BITS, SigmoidCrossEntropy(
            outputs="sum"
        ),
    ),
    "binary, many labels, summed": (
        lambda z, y: logistic_loss(z, y).sum(axis=1).mean(), "identity", MANY_BITS,
        SigmoidCrossEntropy(outputs="sum"),
    ),
    "binary with epsilon": (
        lambda p, y: -np.mean(y * np.log(p + 1e-8) + (1 - y) * np.log(1 - p + 1e-8)),
        "sigmoid", BITS,
        SigmoidCrossEntropy(outputs="sum", input="probabilities", log_epsilon=1e-8),
    ),
    "binary with clip": (
        lambda p, y: binary(np.clip(p, 1e-6, 1 - 1e-6), y),
        "sigmoid", MANY_BITS, SigmoidCrossEntropy(input="probabilities", clip=1e-6),
    ),
    "a positive class that counts three times": (
        lambda z, y: np.mean((1 + 2 * y) * logistic_loss(z, y)), "identity", MANY_BITS,
        SigmoidCrossEntropy(class_weights=(1.0, 3.0)),
    ),
    "squared hinge of classes": (
        lambda s, y: np.sum(margins(s, y) ** 2) / len(s), "identity", LABELS,
        MulticlassHinge(power=2),
    ),
    "largest violation": (
        lambda s, y: np.mean(margins(s, y).max(axis=1)), "identity", LABELS,
        MulticlassHinge(over="largest"),
    ),
    "categorical hinge": (
        lambda s, y: np.mean(
            np.maximum(0, np.max((1 - y) * s, axis=1) - np.sum(y * s, axis=1) + 1)
        ),
        "identity", ONE_HOT, MulticlassHinge(over="largest-or-zero"),
    ),
    "another margin": (
        lambda s, y: np.sum(margins(s, y, 0.2)) / len(s), "identity", LABELS,
        MulticlassHinge(margin=0.2),
    ),
    "binary hinge of signs": (
        lambda s, y: np.mean(np.maximum(0, 1 - y * s)), "identity", 2 * BITS - 1,
        BinaryHinge(outputs="sum"),
    ),
    "squared binary hinge of bits": (
        lambda s, y: np.mean(np.maximum(0, 1 - (2 * y - 1) * s) ** 2), "identity", BITS,
        BinaryHinge(outputs="sum", power=2),
    ),
    "absolute error, summed over the batch": (
        lambda s, y: np.sum(np.abs(s - y)), "identity", REALS,
        MeanAbsoluteError(batch="sum", outputs="sum"),
    ),
    "huber": (lambda s, y: np.mean(huber(s - y, 1.0)), "identity", REALS, Huber()),
    "huber with an end of its own": (
        lambda s, y: np.mean(huber(s - y, 0.7)), "identity", REALS, Huber(delta=0.7),
    ),
    "smooth L1": (
        lambda s, y: np.mean(huber(s - y, 0.5) / 0.5), "identity", REALS,
        Huber(delta=0.5, form="smooth-l1"),
    ),
    "log-cosh": (
        lambda s, y: np.mean(np.logaddexp(s - y, y - s) - np.log(2)), "identity", REALS, LogCosh(),
    ),
    "divergence": (
        lambda p, y: np.mean(np.sum(y * np.log(y / p), axis=1)), "softmax", LAWS,
        KullbackLeibler(input="probabilities"),
    ),
    "divergence the other way": (
        lambda p, y: np.mean(np.sum(p * np.log(p / y), axis=1)), "softmax", LAWS,
        KullbackLeibler(input="probabilities", over="prediction"),
    ),
    "counts": (
        lambda s, y: np.mean(np.exp(s) - y * s), "identity", COUNTS, PoissonNegativeLogLikelihood(),
    ),
    "minus the cosine": (
        lambda s, y: -np.mean(
            np.sum(s * y, axis=1)
            / (np.linalg.norm(s, axis=1) + 1e-30) / np.linalg.norm(y, axis=1)
        ),
        "identity", REALS, CosineDistance(form="minus"),
    ),
    "focal": (
        lambda p, y: np.mean(
            -y * (1 - p) ** 2 * np.log(p) - (1 - y) * p**2 * np.log(1 - p)
        ),
        "sigmoid", MANY_BITS, BinaryFocal(input="probabilities"),
    ),
    "half the squares over twice the rows": (
        lambda s, y: np.sum((s - y) ** 2) / (2 * len(y)), "identity", REALS,
        MeanSquaredError(outputs="sum", factor=0.5),
    ),
    "a tenth of the mean over rows and outputs": (
        lambda s, y: 0.1 * np.mean((s - y) ** 2), "identity", REALS, MeanSquaredError(factor=0.1),
    ),
}  # fmt: skip


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("name", WRITTEN)
def test_the_loss_an_author_wrote(name: str, dtype: Any) -> None:
    judge, head, y, expected = WRITTEN[name]
    outputs = 1 if y.ndim == 2 and y.shape[1] == 1 else 3
    live, conventions = program(judge, head, outputs, dtype)
    found = identified(live, conventions, y)
    assert found is not None
    assert found.loss == expected
    assert found.penalties == ()
    assert not found.measure.different
