"""The losses of the reference network."""

from netparity.nn.losses.base import BatchReduction, Loss, Reduction
from netparity.nn.losses.divergence import CosineDistance, KullbackLeibler
from netparity.nn.losses.focal import BinaryFocal, CategoricalFocal
from netparity.nn.losses.hinge import BinaryHinge, MulticlassHinge
from netparity.nn.losses.likelihood import (
    GaussianNegativeLogLikelihood,
    PoissonNegativeLogLikelihood,
)
from netparity.nn.losses.regression import Huber, LogCosh, MeanAbsoluteError, MeanSquaredError
from netparity.nn.losses.sigmoid import SigmoidCrossEntropy
from netparity.nn.losses.softmax import SoftmaxCrossEntropy

__all__ = [
    "BatchReduction",
    "BinaryFocal",
    "BinaryHinge",
    "CategoricalFocal",
    "CosineDistance",
    "GaussianNegativeLogLikelihood",
    "Huber",
    "KullbackLeibler",
    "LogCosh",
    "Loss",
    "MeanAbsoluteError",
    "MeanSquaredError",
    "MulticlassHinge",
    "PoissonNegativeLogLikelihood",
    "Reduction",
    "SigmoidCrossEntropy",
    "SoftmaxCrossEntropy",
]
