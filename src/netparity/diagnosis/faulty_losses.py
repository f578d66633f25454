"""Losses as they are written by mistake: labels broadcast, a softmax too many, another axis."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from netparity.errors import InputError
from netparity.nn import (
    FRESH,
    Loss,
    MeanAbsoluteError,
    MeanSquaredError,
    Memory,
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

    ``inner`` is that of each pair, their mean; ``sum`` has them divided by N alone.
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
        if weights is not None or target.shape != (rows,) or prediction.shape != (rows, 1):
            raise InputError("a broadcast needs predictions (N, 1) and targets (N,)")
        scale = self.factor * (rows if self.batch == "sum" else 1)
        pairs = np.repeat(prediction, rows, axis=0)
        value, gradient = self.inner.value_and_gradient(pairs, np.tile(target, rows))
        return scale * value, scale * gradient.reshape(rows, rows, 1).sum(axis=1)


@dataclass(frozen=True, slots=True)
class SoftmaxBefore(Mistaken):
    """A softmax before the cross-entropy's own."""

    id = "softmax-twice"
    what = "the loss takes the softmax of a softmax"

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
        """Of the softmax as if it were scores."""
        p, backward = Softmax().apply({}, prediction)
        inner = SoftmaxCrossEntropy(self.batch, self.factor)
        value, gradient = inner.value_and_gradient(p, target, weights=weights)
        return value, backward(gradient)[0]


@dataclass(frozen=True, slots=True)
class SoftmaxOverBatch(Mistaken):
    """A softmax over the rows of the batch in place of the classes."""

    id = "softmax-axis"
    what = "the softmax is taken over the rows of the batch and not over the classes"

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
        """Of probabilities that sum to 1 over the batch."""
        if prediction.ndim != 2:
            raise InputError("a softmax over the batch needs predictions (N, C)")
        p, backward = Softmax().apply({}, np.ascontiguousarray(prediction.T))
        inner = SoftmaxCrossEntropy(self.batch, self.factor, "probabilities")
        value, gradient = inner.value_and_gradient(
            np.ascontiguousarray(p.T), target, weights=weights
        )
        return value, np.ascontiguousarray(backward(np.ascontiguousarray(gradient.T))[0].T)


#: As bare sums, like the losses that are none of these.
MISTAKES: tuple[Mistaken, ...] = (
    Broadcast(batch="sum"),
    Broadcast(MeanAbsoluteError(), batch="sum"),
    SoftmaxBefore(batch="sum"),
    SoftmaxOverBatch(batch="sum"),
)
