"""What every loss of the reference network is, and how targets are read."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import Literal

import numpy as np

from netparity.errors import InputError
from netparity.nn.arrays import Array

Reduction = Literal["mean", "sum"]


class Loss(ABC):
    """A data loss: one number from a batch of predictions and their targets.

    A loss is a small frozen dataclass whose fields are its conventions; two are common to
    all: ``batch``, the mean or the sum over the N rows, and ``factor``, a constant before it
    all. Values and gradients are computed in the dtype of the prediction.
    """

    __slots__ = ()
    batch: Reduction
    factor: float

    @abstractmethod
    def value_and_gradient(self, prediction: Array, target: Array) -> tuple[float, Array]:
        """The loss and its gradient with respect to the prediction.

        Args:
            prediction: (N, …), float32 or float64.
            target: what the loss takes; see its own page.

        Returns:
            The loss, and the gradient in the shape and dtype of ``prediction``.

        Raises:
            InputError: the shapes do not fit, a label is out of range, or there is no row.
        """

    def value(self, prediction: Array, target: Array) -> float:
        """The loss alone: see ``value_and_gradient``."""
        return self.value_and_gradient(prediction, target)[0]


def check_rows(prediction: Array, *, name: str, axes: int | None = None) -> None:
    """Raises unless a prediction has at least one row (and, if given, that many axes).

    Args:
        prediction: the prediction.
        name: of the loss, for the message.
        axes: how many axes it must have.

    Raises:
        InputError: it has not.
    """
    expected = "(N, C)" if axes == 2 else "(N, …)"
    if prediction.ndim < 1 or (axes is not None and prediction.ndim != axes):
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


def class_indices(target: Array, classes: int, rows: int, *, name: str) -> Array:
    """Labels as integers.

    Args:
        target: (N,) or (N, 1) whole numbers of any dtype, or (N, C) one-hot.
        classes: C.
        rows: N.
        name: of the loss, for the message.

    Returns:
        (N,) integers in [0, C).

    Raises:
        InputError: the shape does not fit, or a label is not a class.

    Example:
        >>> class_indices(np.array([[0.0, 1.0]]), 2, 1, name="example")
        array([1])
    """
    if target.shape == (rows, classes) and classes > 1:
        labels: Array = target.argmax(axis=1)
        if np.any((target != 0) & (target != 1)) or np.any(target.sum(axis=1) != 1):
            raise InputError(
                f"{name}: target is not one-hot. Expected one 1 and otherwise 0 in each row "
                f"of ({rows}, {classes}), or ({rows},) integer classes."
            )
        return labels
    if target.shape not in ((rows,), (rows, 1)):
        raise InputError(
            f"{name}: target of another shape. Expected ({rows},) integer classes or "
            f"({rows}, {classes}) one-hot. Received: {target.shape}"
        )
    labels = target.reshape(rows)
    # A NaN fails this test too: it is not within any range.
    valid = (labels >= 0) & (labels < classes)
    if labels.dtype.kind == "f":
        valid &= labels == np.floor(labels)
    if not valid.all():
        row = int(np.flatnonzero(~valid)[0])
        raise InputError(
            f"{name}: label is not a class. Expected whole numbers from 0 to {classes - 1}. "
            f"Received: {labels[row]} in row {row}",
            hint="classes are counted from 0; check the labels and the number of outputs",
        )
    return labels if labels.dtype.kind in "iu" else labels.astype(np.intp)


def one_hot(labels: Array, classes: int, dtype: np.dtype[np.floating]) -> Array:
    """One-hot rows.

    Args:
        labels: (N,) integers in [0, C).
        classes: C.
        dtype: of the result.

    Returns:
        (N, C) with a 1 at each label.

    Example:
        >>> one_hot(np.array([1]), 2, np.dtype(np.float32))
        array([[0., 1.]], dtype=float32)
    """
    rows = np.zeros((len(labels), classes), dtype)
    rows[np.arange(len(labels)), labels] = 1.0
    return rows


def aligned(prediction: Array, target: Array, *, name: str) -> Array:
    """A target in the shape and dtype of the prediction.

    Args:
        prediction: (N, …).
        target: the same shape; or (N,) against (N, 1) and the other way round; or (N,) whole
            numbers against (N, C), which are classes and become one-hot.
        name: of the loss, for the message.

    Returns:
        The target in the prediction's shape and dtype.

    Raises:
        InputError: the shapes do not fit, or a label is out of range.

    Example:
        >>> aligned(np.zeros((2, 1)), np.array([3, 4]), name="example")
        array([[3.],
               [4.]])
    """
    target = np.asarray(target)
    shape = prediction.shape
    if target.shape == shape:
        return target.astype(prediction.dtype, copy=False)
    if math.prod(shape[1:]) == 1 and target.shape in ((shape[0],), (shape[0], 1)):
        return target.reshape(shape).astype(prediction.dtype, copy=False)
    if len(shape) == 2 and target.shape in ((shape[0],), (shape[0], 1)):
        return one_hot(
            class_indices(target, shape[1], shape[0], name=name), shape[1], prediction.dtype
        )
    raise InputError(
        f"{name}: target of another shape. Expected {shape}. Received: {target.shape}",
        hint="give one target for each prediction; nothing is broadcast here",
    )


def scale(
    factor: float, batch: Reduction, rows: int, inner: Reduction = "sum", outputs: int = 1
) -> float:
    """The constant before the sum over all rows and outputs.

    Args:
        factor: the loss's factor.
        batch: reduction over the rows.
        rows: N.
        inner: reduction over the outputs (or classes) of a row.
        outputs: how many there are.

    Returns:
        ``factor``, divided by N and by the outputs where the mean is taken.

    Example:
        >>> scale(0.5, "mean", 4, "sum", 10)
        0.125
    """
    divisor = (rows if batch == "mean" else 1) * (outputs if inner == "mean" else 1)
    return float(factor) / divisor
