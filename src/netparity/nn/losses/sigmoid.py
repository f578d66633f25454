"""Binary cross-entropy of each output."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from netparity.errors import InputError
from netparity.nn.arrays import FRESH, Array, Memory
from netparity.nn.functions import exp_minus_abs, rectify, sigmoid, sigmoid_of_decay
from netparity.nn.losses.base import BatchReduction, Loss, Reduction, weigh
from netparity.nn.losses.probabilities import ClassInput, clipped, negative_log
from netparity.nn.losses.targets import aligned

#: What torch divides by at least in the derivative of its clamped logarithms: 1e-12 in float32,
#: in float64 too.
_TORCH_FLOOR = float(np.float32(1e-12))


@final
@dataclass(frozen=True, slots=True)
class SigmoidCrossEntropy(Loss):
    """Binary cross-entropy of each output.

    ``factor · reduceₙ wₙ reduceₖ −(v₁ t log p + v₀ (1 − t) log(1 − p))`` with ``p = σ(logit)``
    or as handed in; gradient for logits ``p − t`` where v is 1.

    Args:
        batch: how the N rows are reduced (see ``Loss``).
        outputs: mean or sum over the outputs of a row.
        factor: a constant before it all.
        input: whether the prediction is logits or probabilities.
        clip: ``p`` is cut to [clip, 1 − clip] before the logarithms; ``None``: not.
        label_smoothing: s; targets become ``(1 − s) t + s/2``.
        class_weights: ``(v₀, v₁)``, of the negative and the positive class, or ``None``; they
            do not enter the divisor of a mean.
        log_floor: probabilities only: the logarithms are at least that; ``None``: not cut.
            The gradient is then ``(p − t)/max(p (1 − p), 1e-12)``, as torch has it.
        log_epsilon: added to ``p`` and to ``1 − p`` inside the logarithms.

    Shapes: ``prediction`` (N, …); ``target`` the same, in [0, 1]; (N,) is aligned with
    (N, 1), and (N,) whole numbers against (N, C) are classes and become one-hot; ``weights``
    (N,).

    Raises:
        InputError: other shapes, a label that is no class, a target that is not finite, or no
            rows.

    Example:
        >>> loss = SigmoidCrossEntropy()
        >>> value, gradient = loss.value_and_gradient(np.zeros((1, 1)), np.ones((1, 1)))
        >>> round(value, 6), gradient
        (0.693147, array([[-0.5]]))

    Source: D. R. Cox, "The regression analysis of binary sequences", 1958.

    **Parity** (`bce-multidim-reduction`, `from-logits-default`, `loss-epsilon-clipping`,
    `label-smoothing`, `class-weight-normalisation`): torch and Keras take the mean over all
    elements, scikit-learn the sum over the outputs and the mean over rows; torch cuts the
    logarithms at −100, Keras the probabilities at 1e-7, TF 1's ``log_loss`` adds 1e-7. torch's
    ``pos_weight`` p is ``class_weights=(1, p)``.
    """

    batch: BatchReduction = "mean"
    outputs: Reduction = "mean"
    factor: float = 1.0
    input: ClassInput = "logits"
    clip: float | None = None
    label_smoothing: float = 0.0
    class_weights: tuple[float, float] | None = None
    log_floor: float | None = None
    log_epsilon: float = 0.0

    def __post_init__(self) -> None:
        """Checks smoothing, weights and what the logarithms are cut at."""
        name = type(self).__name__
        if not 0.0 <= self.label_smoothing <= 1.0:
            raise InputError(
                f"{name}: label smoothing out of range. Expected a number from 0 to 1. "
                f"Received: {self.label_smoothing}"
            )
        if self.class_weights is not None and not (
            len(self.class_weights) == 2 and all(0.0 <= v < np.inf for v in self.class_weights)
        ):
            raise InputError(
                f"{name}: class weights do not fit. Expected 2 finite numbers of at least 0, the "
                f"negative class's first. Received: {self.class_weights}"
            )
        if self.log_floor is not None and (
            self.input != "probabilities" or self.clip is not None or self.log_epsilon
        ):
            raise InputError(
                f'{name}: log_floor stands alone. Expected input="probabilities", clip=None and '
                f"log_epsilon=0. Received: {self.input!r}, {self.clip}, {self.log_epsilon}"
            )

    def value_and_gradient(
        self,
        prediction: Array,
        target: Array,
        *,
        weights: Array | None = None,
        memory: Memory = FRESH,
    ) -> tuple[float, Array]:
        """Minus the log-probability of each output (see ``Loss.value_and_gradient``)."""
        weighing = weigh(self, prediction, weights, memory, outputs=self.outputs)
        t = aligned(prediction, target, memory, name=type(self).__name__)
        if self.label_smoothing:
            smoothing = float(self.label_smoothing)
            smoothed = memory.empty("smoothed", t.shape, t.dtype)
            t = np.multiply(t, 1.0 - smoothing, out=smoothed)
            t += 0.5 * smoothing
        if self.input == "logits" and self.clip is None and not self.log_epsilon:
            losses, gradient = self._from_logits(prediction, t, memory)
        elif self.log_floor is not None:
            losses, gradient = self._from_floored(prediction, t, self.log_floor, memory)
        else:
            losses, gradient = self._from_probabilities(prediction, t, memory)
        return weighing.total(losses), weighing.slope(gradient)

    def _parts(self, t: Array, memory: Memory) -> tuple[Array, Array]:
        """What the two logarithms count, ``v₁ t`` and ``v₀ (1 − t)``."""
        negative = np.subtract(1.0, t, out=memory.empty("negative part", t.shape, t.dtype))
        if self.class_weights is None:
            return t, negative
        negative *= float(self.class_weights[0])
        positive = memory.empty("positive part", t.shape, t.dtype)
        return np.multiply(t, float(self.class_weights[1]), out=positive), negative

    def _from_logits(self, x: Array, t: Array, memory: Memory) -> tuple[Array, Array]:
        """``b softplus(x) − a x`` with ``a = v₁ t`` and ``b = a + v₀ (1 − t)``."""
        both = None
        if self.class_weights is not None:
            t, both = self._parts(t, memory)
            both += t
        decay = exp_minus_abs(x, memory.empty("decay", x.shape, x.dtype))
        losses = rectify(x, memory.empty("losses", x.shape, x.dtype))
        bend = memory.empty("bend", x.shape, x.dtype)
        if both is not None:
            losses *= both
        losses -= np.multiply(x, t, out=bend)
        np.log1p(decay, out=bend)
        if both is not None:
            bend *= both
        losses += bend
        gradient = sigmoid_of_decay(x, decay, memory)
        if both is not None:
            gradient *= both
        gradient -= t
        return losses, gradient

    def _from_probabilities(self, x: Array, t: Array, memory: Memory) -> tuple[Array, Array]:
        """By the logarithms of p and 1 − p."""
        p = sigmoid(x, memory) if self.input == "logits" else x
        # Both logarithms are of the one clipped p: 1 − (1 − 1e-7) is not 1e-7 in float64.
        cut, inside = clipped(p, self.clip, memory)
        rest = np.subtract(1.0, cut, out=memory.empty("rest", p.shape, p.dtype))
        positive, negative = self._parts(t, memory)
        losses, gradient = negative_log(cut, positive, self.log_epsilon, memory, "positive ")
        others, slope = negative_log(rest, negative, self.log_epsilon, memory, "negative ")
        losses += others
        gradient -= slope
        if inside is not None:
            gradient *= inside
        if self.input == "logits":
            np.subtract(1.0, p, out=rest)
            rest *= p
            gradient *= rest
        return losses, gradient

    def _from_floored(
        self, p: Array, t: Array, floor: float, memory: Memory
    ) -> tuple[Array, Array]:
        """By logarithms that are cut off below, and torch's derivative of them."""
        rest = np.subtract(1.0, p, out=memory.empty("rest", p.shape, p.dtype))
        positive, negative = self._parts(t, memory)
        losses = memory.empty("losses", p.shape, p.dtype)
        others = memory.empty("others", p.shape, p.dtype)
        with np.errstate(divide="ignore"):
            np.log(p, out=losses)
            np.log(rest, out=others)
        for logarithm, part in ((losses, positive), (others, negative)):
            np.maximum(logarithm, float(floor), out=logarithm)
            logarithm *= part
        losses += others
        np.negative(losses, out=losses)
        gradient = np.multiply(p, negative, out=memory.empty("gradient", p.shape, p.dtype))
        gradient -= np.multiply(rest, positive, out=others)
        rest *= p
        gradient /= np.maximum(rest, _TORCH_FLOOR, out=rest)
        return losses, gradient
