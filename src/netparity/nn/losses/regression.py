"""Losses on real-valued targets."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, final

import numpy as np

from netparity.errors import InputError
from netparity.nn.arrays import FRESH, Array, Memory
from netparity.nn.losses.base import BatchReduction, Loss, Reduction, weigh
from netparity.nn.losses.targets import aligned


def _difference(loss: Loss, prediction: Array, target: Array, memory: Memory) -> Array:
    """Prediction minus target."""
    target = aligned(prediction, target, memory, name=type(loss).__name__)
    difference = memory.empty("difference", prediction.shape, prediction.dtype)
    return np.subtract(prediction, target, out=difference)


@final
@dataclass(frozen=True, slots=True)
class MeanSquaredError(Loss):
    """Squared error.

    ``factor · reduceₙ reduceₖ (ŷₙₖ − yₙₖ)²``, gradient ``2 · factor · (ŷ − y)`` over what the
    means divide by. ½Σ(ŷ − y)² is ``batch="sum", outputs="sum", factor=0.5``.

    Args:
        batch: how the N rows are reduced (see ``Loss``).
        outputs: mean or sum over the outputs of a row.
        factor: a constant before it all.

    Shapes: ``prediction`` (N, …); ``target`` the same, or (N,) against (N, 1), or (N,) whole
    numbers against (N, C): these are classes and become one-hot; ``weights`` (N,).

    Raises:
        InputError: other shapes, a label that is no class, a target that is not finite, or no
            rows.

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

    batch: BatchReduction = "mean"
    outputs: Reduction = "mean"
    factor: float = 1.0

    def value_and_gradient(
        self,
        prediction: Array,
        target: Array,
        *,
        weights: Array | None = None,
        memory: Memory = FRESH,
    ) -> tuple[float, Array]:
        """Squares of the differences (see ``Loss.value_and_gradient``)."""
        weighing = weigh(self, prediction, weights, memory, outputs=self.outputs)
        difference = _difference(self, prediction, target, memory)
        losses = memory.empty("losses", prediction.shape, prediction.dtype)
        value = weighing.total(np.square(difference, out=losses))
        return value, weighing.slope(difference, 2.0)


@final
@dataclass(frozen=True, slots=True)
class MeanAbsoluteError(Loss):
    """Absolute error.

    ``factor · reduceₙ reduceₖ |ŷₙₖ − yₙₖ|``, gradient ``factor · sign(ŷ − y)`` over what the
    means divide by, 0 where the two are equal.

    Args:
        batch: how the N rows are reduced (see ``Loss``).
        outputs: mean or sum over the outputs of a row.
        factor: a constant before it all.

    Shapes: as ``MeanSquaredError``.

    Raises:
        InputError: as ``MeanSquaredError``.

    Example:
        >>> prediction, target = np.array([[1.0, -3.0]]), np.array([[0.0, 0.0]])
        >>> MeanAbsoluteError().value_and_gradient(prediction, target)
        (2.0, array([[ 0.5, -0.5]]))

    Source: P. S. Laplace, "Mémoire sur la probabilité des causes", 1774.

    **Parity** (`subgradient-at-kink`): torch and Keras take the mean over all elements; where
    prediction and target are equal the derivative is 0 in torch and TensorFlow, 1 in JAX.
    """

    batch: BatchReduction = "mean"
    outputs: Reduction = "mean"
    factor: float = 1.0

    def value_and_gradient(
        self,
        prediction: Array,
        target: Array,
        *,
        weights: Array | None = None,
        memory: Memory = FRESH,
    ) -> tuple[float, Array]:
        """Absolute differences (see ``Loss.value_and_gradient``)."""
        weighing = weigh(self, prediction, weights, memory, outputs=self.outputs)
        difference = _difference(self, prediction, target, memory)
        losses = memory.empty("losses", prediction.shape, prediction.dtype)
        value = weighing.total(np.abs(difference, out=losses))
        return value, weighing.slope(np.sign(difference, out=difference))


@final
@dataclass(frozen=True, slots=True)
class Huber(Loss):
    """Squared error near 0, absolute error beyond.

    With ``d = ŷ − y``: ``½ d²`` where ``|d| ≤ δ``, else ``δ (|d| − ½ δ)``; as
    ``"smooth-l1"`` all of it over δ. Gradient ``d`` cut to [−δ, δ].

    Args:
        delta: δ, where the parabola ends; torch's ``beta`` in ``SmoothL1Loss``.
        form: ``"huber"``, with slope δ beyond, or ``"smooth-l1"``, with slope 1.
        batch: how the N rows are reduced (see ``Loss``).
        outputs: mean or sum over the outputs of a row.
        factor: a constant before it all.

    Shapes: as ``MeanSquaredError``.

    Raises:
        InputError: as ``MeanSquaredError``, or ``delta`` is not above 0.

    Example:
        >>> prediction, target = np.array([[1.0, -3.0]]), np.array([[0.0, 0.0]])
        >>> Huber().value_and_gradient(prediction, target)
        (1.5, array([[ 0.5, -0.5]]))

    Source: P. J. Huber, "Robust estimation of a location parameter", Annals of Mathematical
    Statistics 35 (1964).

    **Parity** (`huber-scaling`): torch's ``HuberLoss``, Keras, TF 1 and optax have slope δ;
    torch's ``SmoothL1Loss`` has slope 1.
    """

    delta: float = 1.0
    form: Literal["huber", "smooth-l1"] = "huber"
    batch: BatchReduction = "mean"
    outputs: Reduction = "mean"
    factor: float = 1.0

    def __post_init__(self) -> None:
        """Checks δ."""
        if not 0.0 < self.delta < math.inf:
            raise InputError(
                f"Huber: delta out of range. Expected a finite number above 0. "
                f"Received: {self.delta}",
                hint="SmoothL1 with beta 0 is MeanAbsoluteError",
            )

    def value_and_gradient(
        self,
        prediction: Array,
        target: Array,
        *,
        weights: Array | None = None,
        memory: Memory = FRESH,
    ) -> tuple[float, Array]:
        """``q (|d| − ½ q)`` with ``q = min(|d|, δ)`` (see ``Loss.value_and_gradient``)."""
        weighing = weigh(self, prediction, weights, memory, outputs=self.outputs)
        delta = float(self.delta)
        difference = _difference(self, prediction, target, memory)
        losses = memory.empty("losses", prediction.shape, prediction.dtype)
        near = memory.empty("near", prediction.shape, prediction.dtype)
        np.abs(difference, out=losses)
        np.clip(losses, 0.0, delta, out=near)
        np.clip(difference, -delta, delta, out=difference)
        # q (|d| − ½ q) with one array less.
        near *= 0.5
        losses -= near
        near *= 2.0
        losses *= near
        if self.form == "smooth-l1":
            losses /= delta
            difference /= delta
        return weighing.total(losses), weighing.slope(difference)


@final
@dataclass(frozen=True, slots=True)
class LogCosh(Loss):
    """The logarithm of the hyperbolic cosine of the error.

    ``factor · reduceₙ reduceₖ log cosh(ŷₙₖ − yₙₖ)``, gradient ``tanh(ŷ − y)``: half the square
    of a small error, a large one's absolute value less log 2.

    Args:
        batch: how the N rows are reduced (see ``Loss``).
        outputs: mean or sum over the outputs of a row.
        factor: a constant before it all.

    Shapes: as ``MeanSquaredError``.

    Raises:
        InputError: as ``MeanSquaredError``.

    Example:
        >>> prediction, target = np.array([[1000.0]]), np.array([[0.0]])
        >>> LogCosh().value_and_gradient(prediction, target)
        (999.3068528194401, array([[1.]]))

    Source: algebra: ``log cosh d = |d| + log(1 + exp(−2|d|)) − log 2``.

    **Parity** (`logcosh`): the same in Keras and, for each element, in optax. Of a small error
    all of them keep the value to an absolute, not a relative, roundoff; so does this.
    """

    batch: BatchReduction = "mean"
    outputs: Reduction = "mean"
    factor: float = 1.0

    def value_and_gradient(
        self,
        prediction: Array,
        target: Array,
        *,
        weights: Array | None = None,
        memory: Memory = FRESH,
    ) -> tuple[float, Array]:
        """Without overflow (see ``Loss.value_and_gradient``)."""
        weighing = weigh(self, prediction, weights, memory, outputs=self.outputs)
        difference = _difference(self, prediction, target, memory)
        losses = memory.empty("losses", prediction.shape, prediction.dtype)
        bend = memory.empty("bend", prediction.shape, prediction.dtype)
        np.abs(difference, out=losses)
        np.multiply(losses, -2.0, out=bend)
        np.exp(bend, out=bend)
        np.log1p(bend, out=bend)
        losses += bend
        losses -= math.log(2.0)
        return weighing.total(losses), weighing.slope(np.tanh(difference, out=difference))
