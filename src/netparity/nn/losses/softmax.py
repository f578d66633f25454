"""Cross-entropy of classes that exclude each other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, final

import numpy as np

from netparity.errors import InputError
from netparity.nn.arrays import FRESH, Array, Memory
from netparity.nn.functions import log_softmax
from netparity.nn.losses.base import BatchReduction, Loss, check_rows, divisor, row_weights, scale
from netparity.nn.losses.probabilities import (
    RenormaliseOrder,
    class_probabilities,
    negative_log,
)
from netparity.nn.losses.targets import (
    check_finite,
    class_indices,
    converted,
    one_hot,
    places,
)

_NAME = "SoftmaxCrossEntropy"


@final
@dataclass(frozen=True, slots=True)
class SoftmaxCrossEntropy(Loss):
    """Cross-entropy between target classes and softmax probabilities.

    ``factor · reduceₙ wₙ −Σ_c t_c log p_c`` with ``p = softmax(logits)`` or ``p`` as handed
    in; gradient for logits ``p Σt − t``. In a sequence (N, T, C) each of the N · T positions
    is a row.

    Args:
        batch: how the rows are reduced (see ``Loss``).
        factor: a constant before it all.
        input: whether the prediction is logits, probabilities, or log-probabilities (then the
            loss is the negative log-likelihood).
        clip: ``p`` is cut to [clip, 1 − clip] before the logarithm; ``None``: not.
        renormalise: whether probabilities are divided by their sum.
        renormalise_order: whether that is done before the clip or after it.
        log_epsilon: added to ``p`` inside the logarithm.
        label_smoothing: s; targets become ``(1 − s) t`` plus the share of s.
        smoothing_over: s is shared by all C classes (``s/C`` each) or by the C − 1 others
            (``s (1 − t)/(C − 1)``).
        class_weights: one weight v for each class, or ``None``.
        class_weights_on: ``"terms"`` ``−Σ_c v_c t_c log p_c``; ``"rows"`` ``−v_y Σ_c t_c log p_c``.
            The two differ under label smoothing only. In the divisor of a mean a row counts
            ``wₙ v_y`` (``wₙ Σ_c v_c t_c`` before smoothing), whichever it is.
        ignore_index: a label whose rows are left out, of the mean's divisor too.

    Shapes: ``prediction`` (N, C) or (N, …, C); ``target`` (N, …) whole numbers or (N, …, C)
    probabilities; ``weights`` (N,) or (N, …).

    Raises:
        InputError: other shapes, a label that is no class, a target that is not finite, class
            weights of another number, or no rows.

    Example:
        >>> loss = SoftmaxCrossEntropy()
        >>> value, gradient = loss.value_and_gradient(np.zeros((1, 2)), np.array([1]))
        >>> round(value, 6), gradient
        (0.693147, array([[ 0.5, -0.5]]))

    Source: J. S. Bridle, "Probabilistic interpretation of feedforward classification network
    outputs", 1990; C. Szegedy et al., "Rethinking the Inception architecture for computer
    vision", CVPR 2016 (label smoothing).

    **Parity** (`ce-reduction`, `from-logits-default`, `nll-loss-input`, `ce-renormalise`,
    `loss-epsilon-clipping`, `label-smoothing`, `class-weight-normalisation`, `ignore-index`,
    `sequence-ce-reduction`, `masked-loss-normalisation`): torch takes logits (in ``nll_loss``
    log-probabilities) with the classes on axis 1, ignores −100 and, with class weights on
    terms, takes ``"weighted-mean"`` for class indices but ``"mean"`` for probabilities. Keras
    takes probabilities by default, clips at 1e-7, and renormalises before the clip, in the
    sparse loss on TensorFlow after it (on TensorFlow it finds the logits behind a softmax
    layer and uses those); its ``class_weight`` counts rows in a ``"mean"``. ``tf.nn`` and
    optax leave the reduction to the caller, and optax takes label −1 as the last class;
    scikit-learn clips at the dtype's ε. Where every row is ignored, Keras gives 0, as here,
    and torch NaN. For targets that do not sum to 1 TensorFlow's gradient is ``p − t``.
    """

    batch: BatchReduction = "mean"
    factor: float = 1.0
    input: Literal["logits", "probabilities", "log-probabilities"] = "logits"
    clip: float | None = None
    renormalise: bool = False
    renormalise_order: RenormaliseOrder = "before-clip"
    log_epsilon: float = 0.0
    label_smoothing: float = 0.0
    smoothing_over: Literal["all", "others"] = "all"
    class_weights: tuple[float, ...] | None = None
    class_weights_on: Literal["terms", "rows"] = "terms"
    ignore_index: int | None = None

    def __post_init__(self) -> None:
        """Checks the smoothing."""
        if not 0.0 <= self.label_smoothing <= 1.0:
            raise InputError(
                f"{_NAME}: label smoothing out of range. Expected a number from 0 to 1. "
                f"Received: {self.label_smoothing}"
            )
        if self.input == "log-probabilities" and (self.clip is not None or self.log_epsilon):
            raise InputError(
                f"{_NAME}: log-probabilities are not clipped. Expected clip=None and "
                f"log_epsilon=0. Received: {self.clip}, {self.log_epsilon}"
            )

    def value_and_gradient(
        self,
        prediction: Array,
        target: Array,
        *,
        weights: Array | None = None,
        memory: Memory = FRESH,
    ) -> tuple[float, Array]:
        """Minus the log-probability of the target (see ``Loss.value_and_gradient``)."""
        check_rows(prediction, name=_NAME, classes=True)
        target = np.asarray(target)
        shape, classes = prediction.shape[:-1], prediction.shape[-1]
        given = prediction.reshape(-1, classes)
        by_row = (
            None
            if weights is None
            else row_weights(weights, shape, given.dtype, memory, name=_NAME)
        )
        soft = target.shape == (*shape, classes) and not (
            classes == 1 and target.dtype.kind in "iu"
        )
        logarithmic = self.input != "probabilities" and self.clip is None and not self.log_epsilon
        count = len(given)
        if soft:
            check_finite(target, name=_NAME)
            t = converted(target.reshape(-1, classes), given.dtype, memory)
            t, counted = self._weighted(t, by_row, memory)
        else:
            labels, kept = class_indices(
                target, shape, classes, memory, name=_NAME, ignored=self.ignore_index
            )
            if kept is not None:
                count = int(np.count_nonzero(kept))
                by_row = _product(by_row, kept, given.dtype, memory)
            if logarithmic and not self.label_smoothing:
                by_row = self._at_labels(labels, classes, by_row, given.dtype, memory)
                constant = scale(self.factor, self.batch, divisor(self.batch, count, by_row))
                value, gradient = self._from_labels(given, labels, by_row, constant, memory)
                return value, gradient.reshape(prediction.shape)
            t = one_hot(labels, classes, given.dtype, memory)
            t, counted = self._weighted(t, by_row, memory)
        constant = scale(self.factor, self.batch, divisor(self.batch, count, counted))
        from_targets = self._from_logarithms if logarithmic else self._from_probabilities
        value, gradient = from_targets(given, t, constant, memory)
        return value, gradient.reshape(prediction.shape)

    def _from_labels(
        self, given: Array, labels: Array, weights: Array | None, constant: float, memory: Memory
    ) -> tuple[float, Array]:
        """The common case: integer classes against logits (or log-probabilities)."""
        index = places(labels, given.shape[1], memory)
        at_label = memory.empty("at label", labels.shape, given.dtype)
        if self.input == "logits":
            gradient = log_softmax(given, memory=memory)
            np.take(gradient.reshape(-1), index, out=at_label, mode="clip")
        else:
            gradient = memory.empty("gradient", given.shape, given.dtype)
            np.take(given.reshape(-1), index, out=at_label, mode="clip")
        if weights is not None:
            at_label *= weights
        value = -constant * float(at_label.sum())
        flat = gradient.reshape(-1)
        if self.input == "logits":
            np.exp(gradient, out=gradient)
            np.take(flat, index, out=at_label, mode="clip")
            at_label -= 1.0
            flat[index] = at_label
        else:
            gradient.fill(0.0)
            flat[index] = -1.0
        if weights is not None:
            gradient *= weights[:, None]
        gradient *= constant
        return value, gradient

    def _from_logarithms(
        self, given: Array, t: Array, constant: float, memory: Memory
    ) -> tuple[float, Array]:
        """Weighted targets against logits (or log-probabilities)."""
        losses = memory.empty("losses", given.shape, given.dtype)
        if self.input == "log-probabilities":
            # What does not occur costs nothing, even where its log-probability is −∞.
            losses.fill(0.0)
            used = np.not_equal(t, 0, out=memory.empty("used", t.shape, bool))
            np.multiply(t, given, where=used, out=losses)
            gradient = memory.empty("gradient", given.shape, given.dtype)
            np.multiply(t, -constant, out=gradient)
            return -constant * float(losses.sum()), gradient
        gradient = log_softmax(given, memory=memory)
        value = -constant * float(np.multiply(t, gradient, out=losses).sum())
        np.exp(gradient, out=gradient)
        sums = memory.empty("sums", (len(t), 1), given.dtype)
        gradient *= np.sum(t, axis=1, keepdims=True, out=sums)
        gradient -= t
        gradient *= constant
        return value, gradient

    def _from_probabilities(
        self, given: Array, t: Array, constant: float, memory: Memory
    ) -> tuple[float, Array]:
        """Weighted targets against probabilities, given or behind a clip."""
        source: Literal["logits", "probabilities"] = (
            "logits" if self.input == "logits" else "probabilities"
        )
        order = self.renormalise_order if self.renormalise else None
        p, backward = class_probabilities(given, source, self.clip, order, memory)
        losses, slope = negative_log(p, t, self.log_epsilon, memory)
        gradient = backward(slope)
        gradient *= constant
        return constant * float(losses.sum()), gradient

    def _class_weights(self, classes: int, dtype: np.dtype[np.floating]) -> Array | None:
        """The class weights as an array."""
        if self.class_weights is None:
            return None
        values = np.asarray(self.class_weights, dtype)
        if values.shape != (classes,) or not (values.min() >= 0 and values.max() < np.inf):
            raise InputError(
                f"{_NAME}: class weights do not fit. Expected {classes} finite numbers of at "
                f"least 0. Received: {self.class_weights}"
            )
        return values

    def _at_labels(
        self,
        labels: Array,
        classes: int,
        weights: Array | None,
        dtype: np.dtype[np.floating],
        memory: Memory,
    ) -> Array | None:
        """What each row counts, its class's weight included."""
        values = self._class_weights(classes, dtype)
        if values is None:
            return weights
        chosen = memory.empty("class weights", labels.shape, dtype)
        np.take(values, labels, out=chosen, mode="clip")
        if weights is not None:
            chosen *= weights
        return chosen

    def _weighted(
        self, t: Array, weights: Array | None, memory: Memory
    ) -> tuple[Array, Array | None]:
        """Smoothed targets times all weights, and what each row counts in a mean's divisor."""
        classes, values = t.shape[1], self._class_weights(t.shape[1], t.dtype)
        counted = weights
        if values is not None:
            counted = np.matmul(t, values, out=memory.empty("counted", (len(t),), t.dtype))
            if weights is not None:
                counted *= weights
        if self.label_smoothing:
            smoothing = float(self.label_smoothing)
            smoothed = memory.empty("smoothed", t.shape, t.dtype)
            if self.smoothing_over == "all":
                np.multiply(t, 1.0 - smoothing, out=smoothed)
                smoothed += smoothing / classes
            else:
                share = smoothing / (classes - 1) if classes > 1 else 0.0
                np.multiply(t, 1.0 - smoothing - share, out=smoothed)
                smoothed += share
            t = smoothed
        on_rows = self.class_weights_on == "rows"
        weighted = memory.empty("weighted", t.shape, t.dtype)
        if values is not None and not on_rows:
            t = np.multiply(t, values, out=weighted)
        by_row = counted if on_rows else weights
        if by_row is not None:
            t = np.multiply(t, by_row[:, None], out=weighted)
        return t, counted


def _product(
    weights: Array | None, kept: Array, dtype: np.dtype[np.floating], memory: Memory
) -> Array:
    """Row weights that are 0 where a row is left out."""
    out = memory.empty("kept weights", kept.shape, dtype)
    if weights is None:
        np.copyto(out, kept)
        return out
    return np.multiply(weights, kept, out=out)
