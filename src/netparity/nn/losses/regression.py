"""Losses on real-valued targets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from netparity.nn.arrays import Array
from netparity.nn.losses.base import Loss, Reduction, aligned, check_rows, scale


@final
@dataclass(frozen=True, slots=True)
class MeanSquaredError(Loss):
    """Squared error.

    ``factor · reduceₙ reduceₖ (ŷₙₖ − yₙₖ)²``, gradient ``2 · factor · (ŷ − y)`` over what the
    means divide by. ½Σ(ŷ − y)² is ``batch="sum", outputs="sum", factor=0.5``.

    Args:
        batch: mean or sum over the N rows.
        outputs: mean or sum over the outputs of a row.
        factor: a constant before it all.

    Shapes: ``prediction`` (N, …); ``target`` the same, or (N,) against (N, 1), or (N,) whole
    numbers against (N, C): these are classes and become one-hot.

    Raises:
        InputError: other shapes, a label that is no class, or no rows.

    Example:
        >>> prediction, target = np.array([[1.0, 2.0]]), np.array([[0.0, 0.0]])
        >>> MeanSquaredError().value_and_gradient(prediction, target)
        (2.5, array([[1., 2.]]))

    Source: C. F. Gauss, "Theoria combinationis observationum", 1823.

    **Parity** (`mse-reduction`, `label-shape-broadcast`): torch, Keras and TF 1 take the mean
    over all elements; Keras with ``reduction="sum"`` sums the rows' means; scikit-learn and
    ``optax.l2_loss`` have a factor ½; from-scratch programs take any of them. Where (N,)
    meets (N, 1), torch and NumPy broadcast to (N, N); here they are aligned.
    """

    batch: Reduction = "mean"
    outputs: Reduction = "mean"
    factor: float = 1.0

    def value_and_gradient(self, prediction: Array, target: Array) -> tuple[float, Array]:
        """Squares of the differences (see ``Loss.value_and_gradient``)."""
        check_rows(prediction, name="MeanSquaredError")
        rows = len(prediction)
        constant = scale(self.factor, self.batch, rows, self.outputs, prediction.size // rows)
        difference = prediction - aligned(prediction, target, name="MeanSquaredError")
        value = constant * float(np.square(difference).sum())
        difference *= 2.0 * constant
        return value, difference


@final
@dataclass(frozen=True, slots=True)
class MeanAbsoluteError(Loss):
    """Absolute error.

    ``factor · reduceₙ reduceₖ |ŷₙₖ − yₙₖ|``, gradient ``factor · sign(ŷ − y)`` over what the
    means divide by, 0 where the two are equal.

    Args:
        batch: mean or sum over the N rows.
        outputs: mean or sum over the outputs of a row.
        factor: a constant before it all.

    Shapes: as ``MeanSquaredError``.

    Raises:
        InputError: other shapes, a label that is no class, or no rows.

    Example:
        >>> prediction, target = np.array([[1.0, -3.0]]), np.array([[0.0, 0.0]])
        >>> MeanAbsoluteError().value_and_gradient(prediction, target)
        (2.0, array([[ 0.5, -0.5]]))

    Source: P. S. Laplace, "Mémoire sur la probabilité des causes", 1774.

    **Parity** (`subgradient-at-kink`): torch and Keras take the mean over all elements; where
    prediction and target are equal the derivative is 0 in torch and TensorFlow, 1 in JAX.
    """

    batch: Reduction = "mean"
    outputs: Reduction = "mean"
    factor: float = 1.0

    def value_and_gradient(self, prediction: Array, target: Array) -> tuple[float, Array]:
        """Absolute differences (see ``Loss.value_and_gradient``)."""
        check_rows(prediction, name="MeanAbsoluteError")
        rows = len(prediction)
        constant = scale(self.factor, self.batch, rows, self.outputs, prediction.size // rows)
        difference = prediction - aligned(prediction, target, name="MeanAbsoluteError")
        value = constant * float(np.abs(difference).sum())
        return value, np.sign(difference) * constant
