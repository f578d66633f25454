"""How far distributions and directions lie apart."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, final

import numpy as np

from netparity.errors import InputError
from netparity.nn.arrays import FRESH, Array, Memory
from netparity.nn.losses.base import BatchReduction, Loss, Reduction, weigh
from netparity.nn.losses.targets import aligned

Given = Literal["probabilities", "log-probabilities"]


@final
@dataclass(frozen=True, slots=True)
class KullbackLeibler(Loss):
    """Kullback-Leibler divergence between the target's law t and the predicted q.

    From the target: ``factor · reduceₙ reduceₖ t (log t − log q)``; from the prediction
    ``q (log q − log t)``. What has probability 0 in the law it runs over adds nothing.

    Args:
        input: whether the prediction is q or ``log q``.
        target: whether the target is t or ``log t``.
        over: the law over which the expectation runs.
        clip: probabilities on both sides are first cut to [clip, 1]; ``None``: not.
        batch: how the N rows are reduced (see ``Loss``).
        outputs: sum over the classes, or mean.
        factor: a constant before it all.

    Shapes: ``prediction`` (N, …); ``target`` the same, or (N,) whole numbers against (N, C);
    ``weights`` (N,).

    Raises:
        InputError: other shapes, a target that is not finite, no rows, or a clip of logarithms.

    Example:
        >>> loss = KullbackLeibler(input="probabilities")
        >>> value, gradient = loss.value_and_gradient(
        ...     np.array([[0.5, 0.5]]), np.array([[1.0, 0.0]])
        ... )
        >>> round(value, 6), gradient + 0.0
        (0.693147, array([[-2.,  0.]]))

    Source: S. Kullback, R. A. Leibler, "On information and sufficiency", Annals of
    Mathematical Statistics 22 (1951).

    **Parity** (`kldiv-argument-order`): torch's ``kl_div`` and optax take ``(log q, t)``, Keras
    ``(t, q)``, clipped at 1e-7: all run over t. torch's default reduction, ``"mean"``, divides
    by N · C (``outputs="mean"``) and warns that a later release will not; ``"batchmean"`` is the
    mean over rows of the sum over classes. With the arguments exchanged:
    ``over="prediction"``.
    """

    input: Given = "log-probabilities"
    target: Given = "probabilities"
    over: Literal["target", "prediction"] = "target"
    clip: float | None = None
    batch: BatchReduction = "mean"
    outputs: Reduction = "sum"
    factor: float = 1.0

    def __post_init__(self) -> None:
        """Checks that only probabilities are clipped."""
        if self.clip is not None and "log-probabilities" in (self.input, self.target):
            raise InputError(
                f"{type(self).__name__}: logarithms are not clipped. Expected probabilities on "
                f"both sides, or clip=None. Received: {self.clip}",
            )

    def value_and_gradient(
        self,
        prediction: Array,
        target: Array,
        *,
        weights: Array | None = None,
        memory: Memory = FRESH,
    ) -> tuple[float, Array]:
        """Expected difference of the logarithms (see ``Loss.value_and_gradient``)."""
        weighing = weigh(self, prediction, weights, memory, outputs=self.outputs)
        given = aligned(prediction, target, memory, name=type(self).__name__)
        shape, dtype = prediction.shape, prediction.dtype
        t, log_t = self._both(given, self.target, "target", memory)
        q, log_q = self._both(prediction, self.input, "prediction", memory)
        inside = None
        if self.clip is not None:
            inside = np.greater_equal(
                prediction, float(self.clip), out=memory.empty("inside", shape, bool)
            )
            inside &= np.less_equal(prediction, 1.0, out=memory.empty("below", shape, bool))
        law = t if self.over == "target" else q
        used = np.not_equal(law, 0.0, out=memory.empty("used", shape, bool))
        losses = memory.empty("losses", shape, dtype)
        gradient = memory.empty("gradient", shape, dtype)
        losses.fill(0.0)
        gradient.fill(0.0)
        # What is impossible under one law only costs infinity: a value, not a mistake of ours.
        with np.errstate(divide="ignore", over="ignore"):
            if self.over == "target":
                np.subtract(log_t, log_q, where=used, out=losses)
                if self.input == "probabilities":
                    np.divide(t, q, where=used, out=gradient)
                else:
                    np.copyto(gradient, t)
                np.negative(gradient, out=gradient)
            else:
                np.subtract(log_q, log_t, where=used, out=losses)
                np.add(losses, 1.0, where=used, out=gradient)
                if self.input == "log-probabilities":
                    gradient *= q
            losses *= law
        if inside is not None:
            gradient *= inside
        return weighing.total(losses), weighing.slope(gradient)

    def _both(self, values: Array, given: Given, key: str, memory: Memory) -> tuple[Array, Array]:
        """Probabilities and their logarithms."""
        other = memory.empty(key, values.shape, values.dtype)
        if given == "log-probabilities":
            return np.exp(values, out=other), values
        if self.clip is not None:
            cut = memory.empty(f"{key} clipped", values.shape, values.dtype)
            values = np.clip(values, float(self.clip), 1.0, out=cut)
        with np.errstate(divide="ignore"):
            return values, np.log(values, out=other)


@final
@dataclass(frozen=True, slots=True)
class CosineDistance(Loss):
    """One less the cosine of the angle between prediction and target, or minus the cosine.

    ``factor · reduceₙ (1 − Σ ŷ y / (max(‖ŷ‖, ε) max(‖y‖, ε)))``, over the last axis; in (N, T, D)
    each of the N · T vectors is a row.

    Args:
        form: ``"one-minus"`` or ``"minus"``, without the 1.
        epsilon: ε, the least that a norm counts.
        batch: how the rows are reduced (see ``Loss``).
        factor: a constant before it all.

    Shapes: ``prediction`` (N, D) or (N, …, D); ``target`` the same; ``weights`` (N,) or (N, …).

    Raises:
        InputError: other shapes, a target that is not finite, no rows, or an ε that is not
            above 0.

    Example:
        >>> loss = CosineDistance()
        >>> loss.value_and_gradient(np.array([[2.0, 0.0]]), np.array([[0.0, 3.0]]))
        (1.0, array([[ 0. , -0.5]]))

    Source: algebra.

    **Parity** (`cosine-loss-sign`): torch's ``CosineEmbeddingLoss`` (which adds 1e-12 to the
    squared norms) and optax's ``cosine_distance`` have the 1, Keras's ``CosineSimilarity`` has
    not; TF 1's ``cosine_distance`` expects vectors of length 1. ε is 1e-8 in torch's
    ``cosine_similarity``, 1e-7 in Keras; in optax it is of the squared norm, by default 0.
    """

    form: Literal["one-minus", "minus"] = "one-minus"
    epsilon: float = 1e-8
    batch: BatchReduction = "mean"
    factor: float = 1.0

    def __post_init__(self) -> None:
        """Checks ε: a vector of zeros has no direction."""
        if not 0.0 < self.epsilon < math.inf:
            raise InputError(
                f"{type(self).__name__}: epsilon out of range. Expected a finite number above 0. "
                f"Received: {self.epsilon}"
            )

    def value_and_gradient(
        self,
        prediction: Array,
        target: Array,
        *,
        weights: Array | None = None,
        memory: Memory = FRESH,
    ) -> tuple[float, Array]:
        """By unit vectors (see ``Loss.value_and_gradient``)."""
        weighing = weigh(self, prediction, weights, memory, classes=True)
        y = aligned(prediction, target, memory, name=type(self).__name__)
        gradient, norm, above = self._unit(prediction, "prediction", memory)
        direction, _, _ = self._unit(y, "target", memory)
        losses = memory.empty("losses", norm.shape, norm.dtype)
        products = memory.empty("products", prediction.shape, prediction.dtype)
        np.multiply(gradient, direction, out=products)
        np.sum(products, axis=-1, keepdims=True, out=losses)
        # (cos · unit − direction)/‖ŷ‖; below ε the norm is a constant.
        gradient *= losses
        gradient *= above
        gradient -= direction
        gradient /= norm
        np.subtract(1.0 if self.form == "one-minus" else 0.0, losses, out=losses)
        return weighing.total(losses), weighing.slope(gradient)

    def _unit(self, x: Array, key: str, memory: Memory) -> tuple[Array, Array, Array]:
        """Unit vectors, the norms divided by, and where these are not ε."""
        column = (*x.shape[:-1], 1)
        unit = memory.empty(f"{key} unit", x.shape, x.dtype)
        norm = memory.empty(f"{key} norm", column, x.dtype)
        np.square(x, out=unit)
        np.sqrt(np.sum(unit, axis=-1, keepdims=True, out=norm), out=norm)
        above = np.greater(norm, float(self.epsilon), out=memory.empty(key, column, bool))
        np.maximum(norm, float(self.epsilon), out=norm)
        return np.divide(x, norm, out=unit), norm, above
