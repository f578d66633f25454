"""Losses on classes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, final

import numpy as np

from netparity.errors import InputError
from netparity.nn.arrays import Array
from netparity.nn.functions import log_softmax, sigmoid, softmax
from netparity.nn.losses.base import (
    Loss,
    Reduction,
    aligned,
    check_rows,
    class_indices,
    one_hot,
    scale,
)

ClassInput = Literal["logits", "probabilities"]


def _clipped(p: Array, clip: float | None) -> tuple[Array, Array | bool]:
    """Probabilities cut to [clip, 1 − clip], and which of them lay inside."""
    if clip is None:
        return p, True
    low, high = float(clip), 1.0 - float(clip)
    return np.clip(p, low, high), (p >= low) & (p <= high)


def _negative_log(p: Array, weight: Array, inside: Array | bool) -> tuple[Array, Array]:
    """``−weight · log p`` and its derivative with respect to ``p``.

    Where ``weight`` is 0 both are 0, also at ``p = 0``; where ``p`` was cut off by a clip the
    derivative is 0, as clipping has it in every framework.
    """
    used = weight != 0
    # A class of probability 0 that did occur costs infinity: a value, not a mistake of ours.
    with np.errstate(divide="ignore", over="ignore"):
        loss = -weight * np.log(p, where=used, out=np.zeros_like(p))
        slope = -np.divide(weight, p, where=used & inside, out=np.zeros_like(p))
    return loss, slope


@final
@dataclass(frozen=True, slots=True)
class SoftmaxCrossEntropy(Loss):
    """Cross-entropy between target classes and softmax probabilities.

    ``factor · reduceₙ −Σ_c t_c log p_c`` with ``p = softmax(logits)`` or ``p`` as handed in;
    gradient for logits ``p Σt − t``.

    Args:
        batch: mean or sum over the N rows.
        factor: a constant before it all.
        input: whether the prediction is logits or probabilities.
        clip: ``p`` is cut to [clip, 1 − clip] before the logarithm; ``None``: not.
        renormalise: whether probabilities are first divided by their sum (before the clip).

    Shapes: ``prediction`` (N, C); ``target`` (N,) whole numbers or (N, C) probabilities.

    Raises:
        InputError: other shapes, a label that is no class, or no rows.

    Example:
        >>> loss = SoftmaxCrossEntropy()
        >>> value, gradient = loss.value_and_gradient(np.zeros((1, 2)), np.array([1]))
        >>> round(value, 6), gradient
        (0.693147, array([[ 0.5, -0.5]]))

    Source: J. S. Bridle, "Probabilistic interpretation of feedforward classification network
    outputs", 1990.

    **Parity** (`ce-reduction`, `from-logits-default`, `ce-renormalise`,
    `loss-epsilon-clipping`): torch takes logits; Keras takes probabilities by default,
    renormalises them and clips at 1e-7 (on TensorFlow it finds the logits behind a softmax
    layer and uses those); ``tf.nn`` and optax leave the reduction to the caller; scikit-learn
    clips at the dtype's ε. For targets that do not sum to 1 TensorFlow's gradient is
    ``p − t``.
    """

    batch: Reduction = "mean"
    factor: float = 1.0
    input: ClassInput = "logits"
    clip: float | None = None
    renormalise: bool = False

    def value_and_gradient(self, prediction: Array, target: Array) -> tuple[float, Array]:
        """Minus the log-probability of the target (see ``Loss.value_and_gradient``)."""
        check_rows(prediction, name="SoftmaxCrossEntropy", axes=2)
        target = np.asarray(target)
        rows, classes = prediction.shape
        constant = scale(self.factor, self.batch, rows)
        soft = target.shape == (rows, classes) and not (classes == 1 and target.dtype.kind in "iu")
        if self.input == "logits" and self.clip is None:
            if soft:
                return self._from_logits(
                    prediction, target.astype(prediction.dtype, copy=False), constant
                )
            labels = class_indices(target, classes, rows, name="SoftmaxCrossEntropy")
            return self._from_labels(prediction, labels, constant)
        if not soft:
            labels = class_indices(target, classes, rows, name="SoftmaxCrossEntropy")
            target = one_hot(labels, classes, prediction.dtype)
        weights = target.astype(prediction.dtype, copy=False)
        p, total = prediction, prediction.sum(axis=1, keepdims=True)
        if self.input == "logits":
            p = softmax(prediction)
        elif self.renormalise:
            p = prediction / total
        p_clipped, inside = _clipped(p, self.clip)
        losses, gradient = _negative_log(p_clipped, weights, inside)
        if self.input == "logits":
            gradient = p * (gradient - (gradient * p).sum(axis=1, keepdims=True))
        elif self.renormalise:
            gradient = (gradient - (gradient * p).sum(axis=1, keepdims=True)) / total
        return constant * float(losses.sum()), gradient * constant

    def _from_labels(self, logits: Array, labels: Array, constant: float) -> tuple[float, Array]:
        """The common case: logits and integer classes."""
        gradient = log_softmax(logits)
        at_label = (np.arange(len(labels)), labels)
        value = -constant * float(gradient[at_label].sum())
        np.exp(gradient, out=gradient)
        gradient[at_label] -= 1.0
        gradient *= constant
        return value, gradient

    def _from_logits(self, logits: Array, weights: Array, constant: float) -> tuple[float, Array]:
        """Logits and probabilities as targets."""
        log_p = log_softmax(logits)
        value = -constant * float((weights * log_p).sum())
        gradient = np.exp(log_p) * weights.sum(axis=1, keepdims=True) - weights
        return value, gradient * constant


@final
@dataclass(frozen=True, slots=True)
class SigmoidCrossEntropy(Loss):
    """Binary cross-entropy of each output.

    ``factor · reduceₙ reduceₖ −(t log p + (1 − t) log(1 − p))`` with ``p = σ(logit)`` or as
    handed in; gradient for logits ``p − t``.

    Args:
        batch: mean or sum over the N rows.
        outputs: mean or sum over the outputs of a row.
        factor: a constant before it all.
        input: whether the prediction is logits or probabilities.
        clip: ``p`` is cut to [clip, 1 − clip] before the logarithms; ``None``: not.

    Shapes: ``prediction`` (N, …); ``target`` the same, in [0, 1]; (N,) is aligned with
    (N, 1), and (N,) whole numbers against (N, C) are classes and become one-hot.

    Raises:
        InputError: other shapes, a label that is no class, or no rows.

    Example:
        >>> loss = SigmoidCrossEntropy()
        >>> value, gradient = loss.value_and_gradient(np.zeros((1, 1)), np.ones((1, 1)))
        >>> round(value, 6), gradient
        (0.693147, array([[-0.5]]))

    Source: D. R. Cox, "The regression analysis of binary sequences", 1958.

    **Parity** (`bce-multidim-reduction`, `from-logits-default`, `loss-epsilon-clipping`):
    torch and Keras take the mean over all elements, scikit-learn the sum over the outputs and
    the mean over rows; torch cuts the logarithms at −100, Keras the probabilities at 1e-7.
    """

    batch: Reduction = "mean"
    outputs: Reduction = "mean"
    factor: float = 1.0
    input: ClassInput = "logits"
    clip: float | None = None

    def value_and_gradient(self, prediction: Array, target: Array) -> tuple[float, Array]:
        """Minus the log-probability of each output (see ``Loss.value_and_gradient``)."""
        check_rows(prediction, name="SigmoidCrossEntropy")
        rows = len(prediction)
        constant = scale(self.factor, self.batch, rows, self.outputs, prediction.size // rows)
        t = aligned(prediction, target, name="SigmoidCrossEntropy")
        if self.input == "logits" and self.clip is None:
            losses = np.maximum(prediction, 0.0) - prediction * t
            losses += np.log1p(np.exp(-np.abs(prediction)))
            return constant * float(losses.sum()), (sigmoid(prediction) - t) * constant
        p = sigmoid(prediction) if self.input == "logits" else prediction
        # Both logarithms are of the one clipped p: 1 − (1 − 1e-7) is not 1e-7 in float64.
        p_clipped, inside = _clipped(p, self.clip)
        positive, positive_slope = _negative_log(p_clipped, t, inside)
        negative, negative_slope = _negative_log(1.0 - p_clipped, 1.0 - t, inside)
        gradient = positive_slope - negative_slope
        if self.input == "logits":
            gradient = gradient * (p * (1.0 - p))
        return constant * float((positive + negative).sum()), gradient * constant


@final
@dataclass(frozen=True, slots=True)
class MulticlassHinge(Loss):
    """Support vector machine loss of several classes.

    ``factor · reduceₙ reduce_{j≠y} max(0, s_j − s_y + margin)``; a class inside the margin
    has gradient 1, and the true class minus their number.

    Args:
        margin: how far the true score must lie above the others.
        batch: mean or sum over the N rows.
        classes: sum over the classes, or that sum divided by their number C.
        counts_true_class: whether the sum runs over ``j = y`` too, which adds ``margin`` to
            every row and leaves the gradient as it is.
        factor: a constant before it all.

    Shapes: ``prediction`` (N, C); ``target`` (N,) whole numbers or (N, C) one-hot.

    Raises:
        InputError: other shapes, a label that is no class, or no rows.

    Example:
        >>> scores = np.array([[2.0, 1.5, 0.0]])
        >>> MulticlassHinge().value_and_gradient(scores, np.array([0]))
        (0.5, array([[-1.,  1.,  0.]]))

    Source: J. Weston, C. Watkins, "Support vector machines for multi-class pattern
    recognition", ESANN 1999; cs231n notes, "Linear classification".

    **Parity** (`multiclass-hinge-margin`): cs231n sums over the classes, torch's
    ``MultiMarginLoss`` divides by C; Keras's ``CategoricalHinge`` and optax take the largest
    wrong score only.
    """

    margin: float = 1.0
    batch: Reduction = "mean"
    classes: Reduction = "sum"
    counts_true_class: bool = False
    factor: float = 1.0

    def __post_init__(self) -> None:
        """Checks the margin: the true class's own term is ``margin`` only if that is ≥ 0."""
        if not self.margin >= 0.0:
            raise InputError(
                f"MulticlassHinge: margin out of range. Expected a number of at least 0. "
                f"Received: {self.margin}"
            )

    def value_and_gradient(self, prediction: Array, target: Array) -> tuple[float, Array]:
        """Margins that are violated (see ``Loss.value_and_gradient``)."""
        check_rows(prediction, name="MulticlassHinge", axes=2)
        rows, classes = prediction.shape
        labels = class_indices(np.asarray(target), classes, rows, name="MulticlassHinge")
        constant = scale(self.factor, self.batch, rows, self.classes, classes)
        at_label = (np.arange(rows), labels)
        margins = prediction - prediction[at_label][:, None] + float(self.margin)
        if not self.counts_true_class:
            margins[at_label] = 0.0
        np.maximum(margins, 0.0, out=margins)
        value = constant * float(margins.sum())
        gradient = (margins > 0.0).astype(prediction.dtype)
        gradient[at_label] = 0.0
        gradient[at_label] = -gradient.sum(axis=1)
        gradient *= constant
        return value, gradient
