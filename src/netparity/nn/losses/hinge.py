"""Margin losses, of support vector machines."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, final

import numpy as np

from netparity.errors import InputError
from netparity.nn.arrays import FRESH, Array, Memory
from netparity.nn.losses.base import BatchReduction, Loss, Reduction, check_rows, weigh
from netparity.nn.losses.targets import aligned, class_indices, places


@final
@dataclass(frozen=True, slots=True)
class MulticlassHinge(Loss):
    """Support vector machine loss of several classes.

    With ``m_j = s_j − s_y + margin``, over the wrong classes ``j ≠ y``:
    sum ``factor · reduceₙ reduce_j max(0, m_j)``; largest ``factor · reduceₙ max(0, max_j m_j)``;
    largest-or-zero ``factor · reduceₙ max(0, max(0, max_j s_j) − s_y + margin)``.
    A class inside the margin has gradient 1, and the true class minus their number; where
    several are the largest they share the gradient.

    Args:
        margin: how far the true score must lie above the others.
        batch: how the N rows are reduced (see ``Loss``).
        classes: sum over the classes, or that sum divided by their number C.
        counts_true_class: whether the sum runs over ``j = y`` too, which adds ``margin`` to
            every row and leaves the gradient as it is.
        factor: a constant before it all.
        over: the sum over the wrong classes, the largest only, or that or 0.
        power: 1, or 2 for the squares of the violations.

    Shapes: ``prediction`` (N, C); ``target`` (N,) whole numbers or (N, C) one-hot; ``weights``
    (N,).

    Raises:
        InputError: other shapes, a label that is no class, or no rows.

    Example:
        >>> scores = np.array([[2.0, 1.5, 0.0]])
        >>> MulticlassHinge().value_and_gradient(scores, np.array([0]))
        (0.5, array([[-1.,  1.,  0.]]))

    Source: J. Weston, C. Watkins, "Support vector machines for multi-class pattern
    recognition", ESANN 1999; K. Crammer, Y. Singer, "On the algorithmic implementation of
    multiclass kernel-based vector machines", JMLR 2 (2001); cs231n notes, "Linear
    classification".

    **Parity** (`multiclass-hinge-margin`, `max-tie-gradient`, `subgradient-at-kink`): cs231n
    sums over the classes, torch's ``MultiMarginLoss`` divides by C (and has ``power`` as
    ``p``); optax takes the largest; Keras's ``CategoricalHinge`` the largest or 0, which is
    another loss where all wrong scores are negative. Exactly on the margin the derivative is
    0 here and in torch, 1 in Keras on TensorFlow, shared in JAX.
    """

    margin: float = 1.0
    batch: BatchReduction = "mean"
    classes: Reduction = "sum"
    counts_true_class: bool = False
    factor: float = 1.0
    over: Literal["sum", "largest", "largest-or-zero"] = "sum"
    power: Literal[1, 2] = 1

    def __post_init__(self) -> None:
        """Checks the margin: the true class's own term is ``margin`` only if that is ≥ 0."""
        if not self.margin >= 0.0:
            raise InputError(
                f"MulticlassHinge: margin out of range. Expected a number of at least 0. "
                f"Received: {self.margin}"
            )
        if self.over != "sum" and (self.counts_true_class or self.classes == "mean"):
            raise InputError(
                f"MulticlassHinge: counts_true_class and classes are conventions of the sum. "
                f'Expected over="sum" with them. Received: {self.over!r}'
            )

    def value_and_gradient(
        self,
        prediction: Array,
        target: Array,
        *,
        weights: Array | None = None,
        memory: Memory = FRESH,
    ) -> tuple[float, Array]:
        """Margins that are violated (see ``Loss.value_and_gradient``)."""
        name = type(self).__name__
        check_rows(prediction, name=name, classes=True)
        if prediction.ndim != 2:
            raise InputError(
                f"{name}: prediction of another shape. Expected (N, C). "
                f"Received: {prediction.shape}"
            )
        weighing = weigh(self, prediction, weights, memory, outputs=self.classes)
        rows, classes = prediction.shape
        labels, _ = class_indices(np.asarray(target), (rows,), classes, memory, name=name)
        index = places(labels, classes, memory)
        at_label = memory.empty("at label", (rows,), prediction.dtype)
        np.take(prediction.reshape(-1), index, out=at_label, mode="clip")
        scores = memory.empty("scores", prediction.shape, prediction.dtype)
        violations = self._of_all if self.over == "sum" else self._of_largest
        np.copyto(scores, prediction)
        losses, gradient = violations(scores, index, at_label[:, None], memory)
        return weighing.total(losses), weighing.slope(gradient)

    def _of_all(
        self, scores: Array, index: Array, at_label: Array, memory: Memory
    ) -> tuple[Array, Array]:
        """Violations by every wrong class (N, C), and their gradient."""
        margins = scores
        margins -= at_label
        margins += float(self.margin)
        if not self.counts_true_class:
            margins.reshape(-1)[index] = 0.0
        np.maximum(margins, 0.0, out=margins)
        gradient = memory.empty("gradient", scores.shape, scores.dtype)
        if self.power == 2:
            np.multiply(margins, 2.0, out=gradient)
            np.square(margins, out=margins)
        else:
            np.greater(margins, 0.0, out=gradient)
        flat = gradient.reshape(-1)
        flat[index] = 0.0
        sums = np.sum(gradient, axis=1, out=memory.empty("sums", index.shape, scores.dtype))
        flat[index] = np.negative(sums, out=sums)
        return margins, gradient

    def _of_largest(
        self, scores: Array, index: Array, at_label: Array, memory: Memory
    ) -> tuple[Array, Array]:
        """Violation by the largest score (N, 1), and its gradient."""
        column = at_label.shape
        scores.reshape(-1)[index] = 0.0 if self.over == "largest-or-zero" else -math.inf
        top = memory.empty("top", column, scores.dtype)
        np.max(scores, axis=1, keepdims=True, out=top)
        gradient = memory.empty("gradient", scores.shape, scores.dtype)
        np.equal(scores, top, out=gradient)
        share = memory.empty("share", column, scores.dtype)
        np.sum(gradient, axis=1, keepdims=True, out=share)
        top -= at_label
        top += float(self.margin)
        np.maximum(top, 0.0, out=top)
        slope = memory.empty("slope", column, scores.dtype)
        if self.power == 2:
            np.multiply(top, 2.0, out=slope)
            np.square(top, out=top)
        else:
            np.greater(top, 0.0, out=slope)
        gradient *= np.divide(slope, share, out=share)
        gradient.reshape(-1)[index] = np.negative(slope, out=slope)[:, 0]
        return top, gradient


@final
@dataclass(frozen=True, slots=True)
class BinaryHinge(Loss):
    """Support vector machine loss of two classes.

    ``factor · reduceₙ reduceₖ max(0, margin − y s)`` with ``y`` −1 or 1; gradient ``−y`` inside
    the margin.

    Args:
        margin: how far the score must lie on its side.
        power: 1, or 2 for the squares of the violations.
        labels: ``"zero-one"``: targets 0 and 1, taken as −1 and 1; ``"signs"``: −1 and 1;
            ``"either"``: of one batch either the one or the other.
        batch: how the N rows are reduced (see ``Loss``).
        outputs: mean or sum over the outputs of a row.
        factor: a constant before it all.

    Shapes: ``prediction`` (N, …); ``target`` the same, or (N,) against (N, 1); ``weights`` (N,).

    Raises:
        InputError: other shapes, another label, or no rows.

    Example:
        >>> scores = np.array([[0.5], [2.0]])
        >>> BinaryHinge().value_and_gradient(scores, np.array([1, 0]))
        (1.75, array([[-0.5],
               [ 0.5]]))

    Source: C. Cortes, V. Vapnik, "Support-vector networks", Machine Learning 20 (1995).

    **Parity** (`hinge-labels`, `subgradient-at-kink`): Keras's ``Hinge`` and ``SquaredHinge``
    take either; TF 1's ``hinge_loss`` takes 0 and 1; optax and scikit-learn take signs. torch's
    ``HingeEmbeddingLoss`` is another loss.
    """

    margin: float = 1.0
    power: Literal[1, 2] = 1
    labels: Literal["either", "zero-one", "signs"] = "either"
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
        """Margins that are violated (see ``Loss.value_and_gradient``)."""
        name = type(self).__name__
        weighing = weigh(self, prediction, weights, memory, outputs=self.outputs)
        signs = self._signs(aligned(prediction, target, memory, name=name), memory)
        losses = memory.empty("losses", prediction.shape, prediction.dtype)
        np.multiply(prediction, signs, out=losses)
        np.subtract(float(self.margin), losses, out=losses)
        np.maximum(losses, 0.0, out=losses)
        gradient = memory.empty("gradient", prediction.shape, prediction.dtype)
        if self.power == 2:
            np.multiply(losses, 2.0, out=gradient)
            np.square(losses, out=losses)
        else:
            np.greater(losses, 0.0, out=gradient)
        gradient *= np.negative(signs, out=signs)
        return weighing.total(losses), weighing.slope(gradient)

    def _signs(self, target: Array, memory: Memory) -> Array:
        """Targets as −1 and 1."""
        one = np.equal(target, 1.0, out=memory.empty("one", target.shape, bool))
        low = np.equal(target, 0.0, out=memory.empty("low", target.shape, bool))
        low |= one
        signs = memory.empty("signs", target.shape, target.dtype)
        if self.labels != "signs" and low.all():
            np.multiply(target, 2.0, out=signs)
            signs -= 1.0
            return signs
        np.equal(target, -1.0, out=low)
        low |= one
        if self.labels == "zero-one" or not low.all():
            expected = {"zero-one": "0 and 1", "signs": "-1 and 1"}
            first = "0 and 1, or -1 and 1" if self.labels == "either" else expected[self.labels]
            raise InputError(
                f"{type(self).__name__}: labels of another kind. Expected {first}. "
                f"Received: {np.unique(target)[:5]}"
            )
        np.copyto(signs, target)
        return signs
