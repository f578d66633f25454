"""The losses a side may have, as bare sums over rows and outputs."""

from __future__ import annotations

from typing import Any, Final

from netparity.conventions import changed, switches
from netparity.nn import (
    BinaryFocal,
    BinaryHinge,
    CategoricalFocal,
    CosineDistance,
    GaussianNegativeLogLikelihood,
    Huber,
    KullbackLeibler,
    LogCosh,
    Loss,
    MeanAbsoluteError,
    MeanSquaredError,
    MulticlassHinge,
    PoissonNegativeLogLikelihood,
    SigmoidCrossEntropy,
    SoftmaxCrossEntropy,
)

_BARE: Final[dict[str, Any]] = {"batch": "sum", "outputs": "sum"}

#: Each known loss as the bare sum over rows and outputs, the commonest first.
KINDS: Final[tuple[Loss, ...]] = (
    MeanSquaredError(**_BARE),
    SoftmaxCrossEntropy(batch="sum"),
    SoftmaxCrossEntropy(batch="sum", input="probabilities"),
    SigmoidCrossEntropy(**_BARE),
    SigmoidCrossEntropy(**_BARE, input="probabilities"),
    MulticlassHinge(batch="sum"),
    MulticlassHinge(batch="sum", counts_true_class=True),
    MeanAbsoluteError(**_BARE),
    SoftmaxCrossEntropy(batch="sum", input="log-probabilities"),
    SoftmaxCrossEntropy(batch="sum", input="probabilities", renormalise=True),
    BinaryHinge(**_BARE),
    BinaryHinge(**_BARE, power=2),
    MulticlassHinge(batch="sum", power=2),
    MulticlassHinge(batch="sum", power=2, counts_true_class=True),
    MulticlassHinge(batch="sum", over="largest"),
    MulticlassHinge(batch="sum", over="largest-or-zero"),
    MulticlassHinge(batch="sum", over="largest", power=2),
    Huber(**_BARE),
    LogCosh(**_BARE),
    KullbackLeibler(batch="sum"),
    KullbackLeibler(batch="sum", input="probabilities"),
    KullbackLeibler(batch="sum", input="probabilities", over="prediction"),
    KullbackLeibler(batch="sum", target="log-probabilities"),
    CosineDistance(batch="sum"),
    CosineDistance(batch="sum", form="minus"),
    PoissonNegativeLogLikelihood(**_BARE),
    PoissonNegativeLogLikelihood(**_BARE, input="rate"),
    GaussianNegativeLogLikelihood(**_BARE),
    GaussianNegativeLogLikelihood(**_BARE, variance="log-variance"),
    BinaryFocal(**_BARE),
    BinaryFocal(**_BARE, input="probabilities"),
    CategoricalFocal(batch="sum", alpha=1.0),
    CategoricalFocal(batch="sum", alpha=1.0, input="probabilities"),
)
#: Settings of a loss in which everything else may differ, that people and frameworks use.
GRID: Final[dict[type[Loss], tuple[dict[str, Any], ...]]] = {
    CosineDistance: tuple({"epsilon": e} for e in (1e-7, 1e-12)),
    PoissonNegativeLogLikelihood: (
        *({"epsilon": e} for e in (1e-8, 1e-7, 1e-12)),
        *(
            {"epsilon": e, "constant": c}
            for e in (0.0, 1e-8, 1e-7)
            for c in ("stirling", "deviance")
        ),
    ),
    GaussianNegativeLogLikelihood: ({"constant": True},),
    BinaryFocal: tuple({"gamma": g} for g in (1.0, 0.5, 1.5, 3.0, 4.0, 5.0)),
    CategoricalFocal: tuple({"gamma": g} for g in (1.0, 0.5, 1.5, 3.0, 4.0, 5.0)),
}


def bare(loss: Loss) -> Loss:
    """A loss as the bare sum over rows and outputs."""
    wanted: dict[str, Any] = {"batch": "sum", "factor": 1.0, "outputs": "sum", "classes": "sum"}
    return changed(loss, **{n: v for n, v in wanted.items() if n in switches(loss)})
