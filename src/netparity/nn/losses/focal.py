"""Focal losses: cross-entropies in which what is right already counts less."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from netparity.errors import InputError
from netparity.nn.arrays import FRESH, Array, Memory
from netparity.nn.functions import exp_minus_abs, rectify, sigmoid, sigmoid_of_decay
from netparity.nn.losses.base import BatchReduction, Loss, Reduction, weigh
from netparity.nn.losses.probabilities import (
    ClassInput,
    RenormaliseOrder,
    class_probabilities,
    clipped,
    negative_log,
)
from netparity.nn.losses.targets import aligned


def _check_gamma(gamma: float, *, name: str) -> None:
    """Raises for an exponent below 0."""
    if not 0.0 <= gamma < np.inf:
        raise InputError(
            f"{name}: gamma out of range. Expected a finite number of at least 0. Received: {gamma}"
        )


def _powers(u: Array, gamma: float, memory: Memory) -> tuple[Array, Array]:
    """``u^γ`` and its derivative ``γ u^(γ − 1)``, 0 at ``u = 0`` where that is infinite."""
    power = memory.empty("power", u.shape, u.dtype)
    slope = memory.empty("power slope", u.shape, u.dtype)
    if gamma == 2.0:
        return np.square(u, out=power), np.multiply(u, 2.0, out=slope)
    np.power(u, gamma, out=power)
    if gamma >= 1.0:
        np.power(u, gamma - 1.0, out=slope)
        slope *= gamma
    else:
        slope.fill(0.0)
        if gamma > 0.0:
            above = np.greater(u, 0.0, out=memory.empty("above", u.shape, bool))
            np.power(u, gamma - 1.0, where=above, out=slope)
            slope *= gamma
    return power, slope


@final
@dataclass(frozen=True, slots=True)
class BinaryFocal(Loss):
    """Binary cross-entropy times a power of the probability of the wrong answer.

    ``factor · reduceₙ reduceₖ a uᵞ l`` with the cross-entropy l, ``u = p + t − 2 t p``
    (``1 − p`` for t = 1, ``p`` for t = 0) and ``a = α t + (1 − α)(1 − t)``, or 1 without α.

    Args:
        gamma: γ; 0 leaves the cross-entropy as it is.
        alpha: α, the positive class's share; ``None``: both classes count 1.
        batch: how the N rows are reduced (see ``Loss``).
        outputs: mean or sum over the outputs of a row.
        factor: a constant before it all.
        input: whether the prediction is logits or probabilities.
        clip: in l, but not in u, ``p`` is cut to [clip, 1 − clip]; ``None``: not.
        label_smoothing: s; targets become ``(1 − s) t + s/2``.

    Shapes: as ``SigmoidCrossEntropy``.

    Raises:
        InputError: as ``SigmoidCrossEntropy``.

    Example:
        >>> value, gradient = BinaryFocal().value_and_gradient(np.zeros((1, 1)), np.ones((1, 1)))
        >>> round(value, 6), gradient.round(6)
        (0.173287, array([[-0.298287]]))

    Source: T.-Y. Lin et al., "Focal loss for dense object detection", ICCV 2017.

    **Parity** (`focal-default-alpha`): γ is 2 by default in Keras and optax, and α off; with
    it on Keras has 0.25. Keras computes l of clipped probabilities also from logits
    (``clip=1e-7``), optax from the logits.
    """

    gamma: float = 2.0
    alpha: float | None = None
    batch: BatchReduction = "mean"
    outputs: Reduction = "mean"
    factor: float = 1.0
    input: ClassInput = "logits"
    clip: float | None = None
    label_smoothing: float = 0.0

    def __post_init__(self) -> None:
        """Checks the exponent."""
        _check_gamma(self.gamma, name=type(self).__name__)

    def value_and_gradient(
        self,
        prediction: Array,
        target: Array,
        *,
        weights: Array | None = None,
        memory: Memory = FRESH,
    ) -> tuple[float, Array]:
        """Cross-entropy of what is still wrong (see ``Loss.value_and_gradient``)."""
        weighing = weigh(self, prediction, weights, memory, outputs=self.outputs)
        shape, dtype = prediction.shape, prediction.dtype
        given = aligned(prediction, target, memory, name=type(self).__name__)
        t = memory.empty("smoothed", shape, dtype)
        np.multiply(given, 1.0 - float(self.label_smoothing), out=t)
        t += 0.5 * float(self.label_smoothing)
        losses, slope, p = self._cross_entropy(prediction, t, memory)
        # u = p + t − 2 t p, and its derivative 1 − 2 t.
        bend = np.multiply(t, -2.0, out=memory.empty("wrong slope", shape, dtype))
        bend += 1.0
        wrong = np.multiply(bend, p, out=memory.empty("wrong", shape, dtype))
        wrong += t
        power, power_slope = _powers(wrong, float(self.gamma), memory)
        power_slope *= bend
        power_slope *= losses
        losses *= power
        if self.input == "logits":
            # The way back through the sigmoid.
            np.subtract(1.0, p, out=bend)
            bend *= p
            power_slope *= bend
        slope *= power
        slope += power_slope
        if self.alpha is not None:
            balance = np.multiply(t, 2.0 * float(self.alpha) - 1.0, out=bend)
            balance += 1.0 - float(self.alpha)
            losses *= balance
            slope *= balance
        return weighing.total(losses), weighing.slope(slope)

    def _cross_entropy(self, x: Array, t: Array, memory: Memory) -> tuple[Array, Array, Array]:
        """The cross-entropy of each output, its derivative at the prediction, and p."""
        if self.input == "logits" and self.clip is None:
            decay = exp_minus_abs(x, memory.empty("decay", x.shape, x.dtype))
            losses = rectify(x, memory.empty("losses", x.shape, x.dtype))
            slope = memory.empty("slope", x.shape, x.dtype)
            losses -= np.multiply(x, t, out=slope)
            losses += np.log1p(decay, out=slope)
            p = sigmoid_of_decay(x, decay, memory)
            return losses, np.subtract(p, t, out=slope), p
        p = sigmoid(x, memory) if self.input == "logits" else x
        cut, inside = clipped(p, self.clip, memory)
        rest = np.subtract(1.0, cut, out=memory.empty("rest", x.shape, x.dtype))
        other = np.subtract(1.0, t, out=memory.empty("other", x.shape, x.dtype))
        losses, slope = negative_log(cut, t, 0.0, memory, "positive ")
        losses_of_rest, slope_of_rest = negative_log(rest, other, 0.0, memory, "negative ")
        losses += losses_of_rest
        slope -= slope_of_rest
        if inside is not None:
            slope *= inside
        if self.input == "logits":
            np.subtract(1.0, p, out=rest)
            rest *= p
            slope *= rest
        return losses, slope, p


@final
@dataclass(frozen=True, slots=True)
class CategoricalFocal(Loss):
    """Cross-entropy of classes times a power of the probability of the others.

    ``factor · reduceₙ −α Σ_c t_c (1 − p_c)ᵞ log p_c``.

    Args:
        gamma: γ; 0 leaves the cross-entropy as it is.
        alpha: α.
        batch: how the rows are reduced (see ``Loss``).
        factor: a constant before it all.
        input: whether the prediction is logits or probabilities.
        clip: ``p`` is cut to [clip, 1 − clip]; ``None``: not.
        renormalise: whether probabilities are first divided by their sum.
        label_smoothing: s; targets become ``(1 − s) t + s/C``.

    Shapes: ``prediction`` (N, C); ``target`` (N, C) probabilities or (N,) whole numbers;
    ``weights`` (N,).

    Raises:
        InputError: other shapes, a label that is no class, a target that is not finite, or no
            rows.

    Example:
        >>> loss = CategoricalFocal(alpha=1.0)
        >>> value, gradient = loss.value_and_gradient(np.zeros((1, 2)), np.array([1]))
        >>> round(value, 6), gradient.round(6)
        (0.173287, array([[ 0.298287, -0.298287]]))

    Source: T.-Y. Lin et al., "Focal loss for dense object detection", ICCV 2017.

    **Parity** (`focal-default-alpha`): Keras's α is 0.25 and always on; it renormalises and
    then clips at 1e-7, also behind its own softmax of logits.
    """

    gamma: float = 2.0
    alpha: float = 0.25
    batch: BatchReduction = "mean"
    factor: float = 1.0
    input: ClassInput = "logits"
    clip: float | None = None
    renormalise: bool = False
    label_smoothing: float = 0.0

    def __post_init__(self) -> None:
        """Checks the exponent."""
        _check_gamma(self.gamma, name=type(self).__name__)

    def value_and_gradient(
        self,
        prediction: Array,
        target: Array,
        *,
        weights: Array | None = None,
        memory: Memory = FRESH,
    ) -> tuple[float, Array]:
        """Cross-entropy of what is still wrong (see ``Loss.value_and_gradient``)."""
        name = type(self).__name__
        weighing = weigh(self, prediction, weights, memory)
        if prediction.ndim != 2:
            raise InputError(
                f"{name}: prediction of another shape. Expected (N, C). "
                f"Received: {prediction.shape}"
            )
        given = aligned(prediction, target, memory, name=name)
        t = memory.empty("smoothed", prediction.shape, prediction.dtype)
        np.multiply(given, 1.0 - float(self.label_smoothing), out=t)
        t += float(self.label_smoothing) / prediction.shape[1]
        order: RenormaliseOrder | None = "before-clip" if self.renormalise else None
        p, backward = class_probabilities(prediction, self.input, self.clip, order, memory)
        losses, slope = negative_log(p, t, 0.0, memory)
        wrong = np.subtract(1.0, p, out=memory.empty("wrong", p.shape, p.dtype))
        power, power_slope = _powers(wrong, float(self.gamma), memory)
        power_slope *= losses
        losses *= power
        slope *= power
        slope -= power_slope
        alpha = float(self.alpha)
        losses *= alpha
        return weighing.total(losses), weighing.slope(backward(slope), alpha)
