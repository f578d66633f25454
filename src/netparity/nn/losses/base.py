"""What every loss of the reference network is, and how its sum over the rows is scaled."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Literal, final

import numpy as np

from netparity.errors import InputError
from netparity.nn.arrays import FRESH, Array, Memory

Reduction = Literal["mean", "sum"]
#: Over the rows: divided by their number, by the sum of their weights, by the number of those
#: whose weight is not 0, or not at all. Without weights the three means are one.
BatchReduction = Literal["mean", "weighted-mean", "nonzero-mean", "sum"]


class Loss(ABC):
    """A data loss: one number from a batch of predictions and their targets.

    A loss is a small frozen dataclass whose fields are its conventions; two are common to
    all: ``batch``, how the rows are reduced, and ``factor``, a constant before it all. Values
    and gradients are computed in the dtype of the prediction.

    With sample weights w, ``"mean"`` is ``Σ wₙ lₙ / N``, ``"weighted-mean"`` ``Σ wₙ lₙ / Σ wₙ``
    and ``"nonzero-mean"`` ``Σ wₙ lₙ / #{wₙ ≠ 0}``; where the divisor is 0 the loss is 0.

    **Parity** (`sample-weight-normalisation`): Keras takes ``"mean"``, or ``"weighted-mean"``
    as its reduction ``mean_with_sample_weight``; TF 1's losses take ``"nonzero-mean"``;
    scikit-learn and torch, for class weights, ``"weighted-mean"``. Where the divisor is 0
    Keras and TF 1 give 0 as well, torch NaN.
    """

    __slots__ = ()
    batch: BatchReduction
    factor: float

    @abstractmethod
    def value_and_gradient(
        self,
        prediction: Array,
        target: Array,
        *,
        weights: Array | None = None,
        memory: Memory = FRESH,
    ) -> tuple[float, Array]:
        """The loss and its gradient with respect to the prediction.

        Args:
            prediction: (N, …), float32 or float64; not changed.
            target: what the loss takes; see its own page.
            weights: how much each row counts (N,), at least 0; ``None``: all count 1.
            memory: where arrays come from. From one that reuses, the gradient is valid until
                the next call with it.

        Returns:
            The loss, and the gradient in the shape and dtype of ``prediction``.

        Raises:
            InputError: the shapes do not fit, a target cannot be, or there is no row.
        """

    def value(self, prediction: Array, target: Array, *, weights: Array | None = None) -> float:
        """The loss alone: see ``value_and_gradient``."""
        return self.value_and_gradient(prediction, target, weights=weights)[0]


def check_rows(prediction: Array, *, name: str, classes: bool = False) -> None:
    """Raises unless a prediction has at least one value (and, if wanted, an axis of classes).

    Args:
        prediction: the prediction.
        name: of the loss, for the message.
        classes: whether its last axis is that of the classes.

    Raises:
        InputError: it has not.
    """
    expected = "(N, C) or (N, …, C)" if classes else "(N, …)"
    if prediction.ndim < (2 if classes else 1):
        raise InputError(
            f"{name}: prediction of another shape. Expected {expected}. "
            f"Received: {prediction.shape}"
        )
    if prediction.size == 0:
        raise InputError(
            f"{name}: no value to take the loss of. Expected {expected} with N of at least 1. "
            f"Received: {prediction.shape}",
            hint="check the batches: one of them is empty",
        )


def scale(
    factor: float,
    batch: BatchReduction,
    rows: float,
    inner: Reduction = "sum",
    outputs: int = 1,
) -> float:
    """The constant before the sum over all rows and outputs.

    Args:
        factor: the loss's factor.
        batch: reduction over the rows.
        rows: N, or what a mean with weights divides by in its place.
        inner: reduction over the outputs (or classes) of a row.
        outputs: how many there are.

    Returns:
        ``factor``, divided by N and by the outputs where the mean is taken; 0 where N is 0.

    Example:
        >>> scale(0.5, "mean", 4, "sum", 10)
        0.125
    """
    divisor = (1 if batch == "sum" else rows) * (outputs if inner == "mean" else 1)
    return float(factor) / divisor if divisor else 0.0


def divisor(batch: BatchReduction, rows: int, weights: Array | None) -> float:
    """What a mean over rows divides by.

    Args:
        batch: which mean.
        rows: N.
        weights: of the rows (N,), or ``None``.

    Returns:
        N, the sum of the weights, or how many are not 0.

    Example:
        >>> weights = np.array([0.0, 3.0])
        >>> [divisor(mean, 2, weights) for mean in ("mean", "weighted-mean", "nonzero-mean")]
        [2.0, 3.0, 1.0]
    """
    if weights is None or batch in ("mean", "sum"):
        return float(rows)
    if batch == "weighted-mean":
        return float(weights.sum(dtype=np.float64))
    return float(np.count_nonzero(weights))


def row_weights(
    weights: Array,
    shape: tuple[int, ...],
    dtype: np.dtype[np.floating],
    memory: Memory,
    *,
    name: str,
) -> Array:
    """Sample weights as one vector over all rows.

    Args:
        weights: (N,), or one for each position (N, …).
        shape: the axes over which the loss runs, N first.
        dtype: of the result.
        memory: where it comes from.
        name: of the loss, for the message.

    Returns:
        As many weights as positions, in their order, in one axis.

    Raises:
        InputError: they are of another shape, negative or not finite.

    Example:
        >>> row_weights(np.array([1, 2]), (2, 2), np.dtype(np.float64), FRESH, name="example")
        array([1., 1., 2., 2.])
    """
    weights = np.asarray(weights)
    if weights.shape not in (shape, shape[:1]) or weights.dtype.kind not in "fiub":
        either = f"{shape[:1]}" if len(shape) == 1 else f"{shape[:1]} or {shape}"
        raise InputError(
            f"{name}: sample weights of another shape. Expected {either} numbers. "
            f"Received: {weights.shape}, dtype {weights.dtype}",
            hint="give one weight for each row",
        )
    # A NaN fails this test too: it is not within any range.
    if not (weights.min() >= 0 and weights.max() < np.inf):
        raise InputError(
            f"{name}: sample weights out of range. Expected finite numbers of at least 0. "
            f"Received: from {weights.min()} to {weights.max()}"
        )
    rows = memory.empty("row weights", shape, dtype)
    np.copyto(rows, weights.reshape(weights.shape + (1,) * (len(shape) - weights.ndim)))
    return rows.reshape(-1)


@final
@dataclass(frozen=True, slots=True)
class Weighing:
    """How the losses of the elements become one number.

    Attributes:
        constant: what their sum is multiplied by.
        weights: what each row counts (N,), or ``None``.
    """

    constant: float
    weights: Array | None

    def total(self, losses: Array) -> float:
        """The loss.

        Args:
            losses: those of the elements, C-contiguous, N rows; overwritten.
        """
        self._weigh(losses)
        return self.constant * float(losses.sum())

    def slope(self, gradient: Array, factor: float = 1.0) -> Array:
        """The gradient.

        Args:
            gradient: derivative of each element's loss, C-contiguous, N rows; overwritten.
            factor: a constant that is still missing in it.

        Returns:
            ``gradient`` itself.
        """
        self._weigh(gradient)
        gradient *= factor * self.constant
        return gradient

    def _weigh(self, values: Array) -> None:
        """Multiplies each row by its weight."""
        if self.weights is not None:
            by_row = values.reshape(len(self.weights), -1)
            by_row *= self.weights[:, None]


def weigh(
    loss: Loss,
    prediction: Array,
    weights: Array | None,
    memory: Memory,
    *,
    outputs: Reduction = "sum",
    classes: bool = False,
) -> Weighing:
    """How a loss weighs the elements of a prediction, once that has been looked at.

    Args:
        loss: for its reduction, its factor and its name.
        prediction: (N, …), or (N, …, C).
        weights: sample weights, or ``None``.
        memory: where arrays come from.
        outputs: reduction over the outputs of a row.
        classes: whether a row is one position (N, …) with its C classes.

    Raises:
        InputError: there is no row, or the weights do not fit.
    """
    name = type(loss).__name__
    check_rows(prediction, name=name, classes=classes)
    shape = prediction.shape[: -1 if classes else 1]
    count = math.prod(shape)
    by_row = (
        None
        if weights is None
        else row_weights(weights, shape, prediction.dtype, memory, name=name)
    )
    rows = divisor(loss.batch, count, by_row)
    constant = scale(loss.factor, loss.batch, rows, outputs, prediction.size // count)
    return Weighing(constant, by_row)
