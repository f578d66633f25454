"""The losses of the reference network."""

from netparity.nn.losses.base import Loss
from netparity.nn.losses.classification import (
    MulticlassHinge,
    SigmoidCrossEntropy,
    SoftmaxCrossEntropy,
)
from netparity.nn.losses.regression import MeanAbsoluteError, MeanSquaredError

__all__ = [
    "Loss",
    "MeanAbsoluteError",
    "MeanSquaredError",
    "MulticlassHinge",
    "SigmoidCrossEntropy",
    "SoftmaxCrossEntropy",
]
