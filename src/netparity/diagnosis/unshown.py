"""The loss of a side that shows its gradients alone: guessed, and held to the gradients."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from netparity.conventions import Conventions, Factored, changed
from netparity.diagnosis.gradient import FoundGradient
from netparity.diagnosis.twin import Array
from netparity.nn import (
    Loss,
    MeanAbsoluteError,
    MeanSquaredError,
    Sigmoid,
    SigmoidCrossEntropy,
    Softmax,
    SoftmaxCrossEntropy,
)


def possible(conventions: Conventions, other: Loss | None, y: Array) -> list[Loss]:
    """Losses that may be behind gradients: the other side's alone, where there is one.

    Args:
        conventions: the network.
        other: the other side's loss.
        y: targets.
    """
    layers = conventions.layers or ()
    last = layers[-1][1] if layers else None
    found = [other] if other is not None else list(_usual(np.asarray(y)))
    return [behind(loss, last) for loss in found]


def _usual(y: Array) -> Iterator[Loss]:
    """What one trains on with such targets."""
    classes = y.ndim == 1 and y.dtype.kind in "iub"
    bits = bool(np.all((y == 0) | (y == 1)))
    if classes or (y.ndim == 2 and y.shape[1] > 1 and bits and bool(np.all(y.sum(axis=1) == 1))):
        yield SoftmaxCrossEntropy()
    if not classes:
        if bits:
            yield SigmoidCrossEntropy()
        yield MeanSquaredError()
        yield MeanAbsoluteError()


def behind(loss: Loss, last: object) -> Loss:
    """A cross-entropy as one of probabilities, where the network ends in what makes them."""
    match last, loss:
        case Softmax(), SoftmaxCrossEntropy(input="logits"):
            return changed(loss, input="probabilities")
        case Sigmoid(), SigmoidCrossEntropy(input="logits"):
            return changed(loss, input="probabilities")
        case _:
            return loss


def with_its_factor(found: FoundGradient) -> FoundGradient:
    """A factor on gradients whose loss nobody shows, as one on the loss.

    What a loss is multiplied with only its value could tell from what its gradient is.
    """
    conventions = found.conventions
    loss, faults = conventions.loss, conventions.faults
    if loss is None or len(faults) != 1 or not isinstance(faults[0], Factored):
        return found
    fault = faults[0]
    if fault.parameters is not None or (fault.rows_power, loss.batch) not in {
        (0, "mean"),
        (0, "sum"),
        (1, "mean"),
    }:
        return found
    batch = "sum" if fault.rows_power else loss.batch
    scaled = changed(loss, factor=loss.factor * fault.factor, batch=batch)
    return replace(
        found,
        conventions=replace(conventions, loss=scaled, faults=()),
        measures=found.residual,
        relations=(),
    )


__all__ = ["behind", "possible", "with_its_factor"]
