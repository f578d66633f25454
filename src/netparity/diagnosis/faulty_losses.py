"""Losses as they are written by mistake: labels broadcast, a softmax too many, another axis."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import numpy as np

from netparity.errors import InputError
from netparity.nn import (
    FRESH,
    Layer,
    Loss,
    MeanAbsoluteError,
    MeanSquaredError,
    Memory,
    Sigmoid,
    SigmoidCrossEntropy,
    Softmax,
    SoftmaxCrossEntropy,
)
from netparity.nn.losses import BatchReduction

Array = np.ndarray[Any, np.dtype[Any]]


class Mistaken(Loss):
    """A loss that its author did not mean."""

    __slots__ = ()
    id: ClassVar[str]
    what: ClassVar[str]


@dataclass(frozen=True, slots=True)
class Broadcast(Mistaken):
    """(N, 1) against (N,): every prediction against every target, N² of them.

    Targets (N, 1) may be what the program makes flat. ``inner`` is that of each pair, their
    mean; ``sum`` has them divided by N alone.
    """

    id = "label-shape-broadcast"
    what = "predictions of shape (N, 1) meet targets of shape (N,) and become (N, N)"

    inner: Loss = field(default_factory=MeanSquaredError)
    batch: BatchReduction = "mean"
    factor: float = 1.0

    def value_and_gradient(
        self,
        prediction: Array,
        target: Array,
        *,
        weights: Array | None = None,
        memory: Memory = FRESH,
    ) -> tuple[float, Array]:
        """Of all pairs."""
        target = np.asarray(target)
        rows = len(prediction)
        if weights is not None or target.size != rows or prediction.shape != (rows, 1):
            raise InputError("a broadcast needs predictions (N, 1) and as many targets")
        scale = self.factor * (rows if self.batch == "sum" else 1)
        pairs = np.repeat(prediction, rows, axis=0)
        value, gradient = self.inner.value_and_gradient(pairs, np.tile(target.ravel(), rows))
        return scale * value, scale * gradient.reshape(rows, rows, 1).sum(axis=1)


@dataclass(frozen=True, slots=True)
class Behind(Loss):
    """A loss of what a network's last layer makes of ``prediction``."""

    head: Layer
    inner: Loss
    batch: BatchReduction = "mean"
    factor: float = 1.0

    def value_and_gradient(
        self,
        prediction: Array,
        target: Array,
        *,
        weights: Array | None = None,
        memory: Memory = FRESH,
    ) -> tuple[float, Array]:
        """Of what the layer gives."""
        return _through(self.head, self.inner, prediction, target, weights)


def _through(
    head: Layer, inner: Loss, prediction: Array, target: Array, weights: Array | None
) -> tuple[float, Array]:
    given, backward = head.apply({}, prediction)
    value, gradient = inner.value_and_gradient(given, target, weights=weights)
    return value, backward(gradient)[0]


@dataclass(frozen=True, slots=True)
class SigmoidBefore(Behind, Mistaken):
    """A sigmoid before the binary cross-entropy's own."""

    id = "from-logits-default"
    what = "the loss takes the sigmoid of a sigmoid"


@dataclass(frozen=True, slots=True)
class SoftmaxBefore(Mistaken):
    """A softmax before the cross-entropy's own."""

    id = "softmax-twice"
    what = "the loss takes the softmax of a softmax"
    softmax: ClassVar[Softmax] = Softmax()
    takes: ClassVar[Literal["logits", "probabilities"]] = "logits"

    batch: BatchReduction = "mean"
    factor: float = 1.0

    def value_and_gradient(
        self,
        prediction: Array,
        target: Array,
        *,
        weights: Array | None = None,
        memory: Memory = FRESH,
    ) -> tuple[float, Array]:
        """Of what the softmax gives for ``prediction``, (N, C)."""
        if prediction.ndim != 2:
            raise InputError(f"expected predictions (N, C); received {prediction.shape}")
        inner = SoftmaxCrossEntropy(self.batch, self.factor, self.takes)
        return _through(self.softmax, inner, prediction, target, weights)


def behind(head: Layer, loss: Loss) -> Loss:
    """A loss as one of what comes before the layer by which a network ends."""
    batch, factor = loss.batch, loss.factor
    match head, loss:
        case Sigmoid(), SigmoidCrossEntropy(input="logits"):
            return SigmoidBefore(head, loss, batch, factor)
        case Softmax(), SoftmaxCrossEntropy() if loss == SoftmaxCrossEntropy(batch, factor):
            return SoftmaxBefore(batch, factor)
        case _:
            return Behind(head, loss, batch, factor)


@dataclass(frozen=True, slots=True)
class SoftmaxOverBatch(SoftmaxBefore):
    """Probabilities that sum to 1 over the rows of the batch."""

    id = "softmax-axis"
    what = "the softmax is taken over the rows of the batch and not over the classes"
    softmax = Softmax(axis=0)
    takes = "probabilities"


#: As bare sums, like the losses that are none of these.
MISTAKES: tuple[Mistaken, ...] = (
    Broadcast(batch="sum"),
    Broadcast(MeanAbsoluteError(), batch="sum"),
    SoftmaxBefore(batch="sum"),
    SoftmaxOverBatch(batch="sum"),
)
