"""Negative log-likelihoods of counts and of normal variables, and divergence and distance."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, final

import numpy as np

from netparity.errors import InputError
from netparity.nn.arrays import FRESH, Array, Memory
from netparity.nn.losses.base import BatchReduction, Loss, Reduction, weigh
from netparity.nn.losses.targets import aligned


@final
@dataclass(frozen=True, slots=True)
class PoissonNegativeLogLikelihood(Loss):
    """Negative log-likelihood of counts under a Poisson law.

    With rate r: ``factor · reduceₙ reduceₖ (r − t log(r + ε) + c)``; the prediction is r or
    ``log r``.

    Args:
        input: what the prediction is; for ``"log-rate"`` ε does not count.
        epsilon: ε.
        constant: c, which has no gradient: ``"none"``, 0; ``"stirling"``,
            ``t log t − t + ½ log(2π t)`` where t > 1; ``"deviance"``, ``t log t − t``, with
            which the loss is 0 where ``r = t``.
        batch: how the N rows are reduced (see ``Loss``).
        outputs: mean or sum over the outputs of a row.
        factor: a constant before it all.

    Shapes: ``prediction`` (N, …); ``target`` the same, or (N,) against (N, 1), at least 0;
    ``weights`` (N,).

    Raises:
        InputError: other shapes, a target below 0 or not finite, or no rows.

    Example:
        >>> loss = PoissonNegativeLogLikelihood()
        >>> loss.value_and_gradient(np.zeros((1, 1)), np.array([[3.0]]))
        (1.0, array([[-2.]]))

    Source: J. A. Nelder, R. W. M. Wedderburn, "Generalized linear models", Journal of the
    Royal Statistical Society A 135 (1972).

    **Parity** (`poisson-form`): torch's ``PoissonNLLLoss`` takes log-rates by default, and ε is
    1e-8 otherwise; Keras's ``Poisson`` takes rates with ε 1e-7; scikit-learn rates, with the
    deviance's constant and the sum over outputs; TF's ``log_poisson_loss`` log-rates.
    """

    input: Literal["log-rate", "rate"] = "log-rate"
    epsilon: float = 0.0
    constant: Literal["none", "stirling", "deviance"] = "none"
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
        """The rate less the count times its logarithm (see ``Loss.value_and_gradient``)."""
        name = type(self).__name__
        weighing = weigh(self, prediction, weights, memory, outputs=self.outputs)
        t = aligned(prediction, target, memory, name=name)
        if t.min() < 0.0:
            raise InputError(
                f"{name}: count below 0. Expected numbers of at least 0. Received: {t.min()}"
            )
        losses = memory.empty("losses", t.shape, t.dtype)
        gradient = memory.empty("gradient", t.shape, t.dtype)
        if self.input == "log-rate":
            np.exp(prediction, out=gradient)
            np.multiply(prediction, t, out=losses)
            np.subtract(gradient, losses, out=losses)
            gradient -= t
        else:
            raised = np.add(prediction, float(self.epsilon), out=gradient)
            used = np.not_equal(t, 0.0, out=memory.empty("used", t.shape, bool))
            losses.fill(0.0)
            # A count at rate 0 costs infinity: a value, not a mistake of ours.
            with np.errstate(divide="ignore"):
                np.log(raised, where=used, out=losses)
                losses *= t
                np.divide(t, raised, where=used, out=gradient)
            np.copyto(gradient, t, where=np.logical_not(used, out=used))
            np.subtract(prediction, losses, out=losses)
            np.subtract(1.0, gradient, out=gradient)
        if self.constant != "none":
            losses += self._constant(t, memory)
        return weighing.total(losses), weighing.slope(gradient)

    def _constant(self, t: Array, memory: Memory) -> Array:
        """The part of the likelihood that does not depend on the rate."""
        stirling = self.constant == "stirling"
        counted = memory.empty("counted", t.shape, bool)
        np.greater(t, 1.0 if stirling else 0.0, out=counted)
        constant = memory.empty("constant", t.shape, t.dtype)
        constant.fill(0.0)
        np.log(t, where=counted, out=constant)
        if stirling:
            # (t + ½) log t − t + ½ log 2π.
            raised = np.add(t, 0.5, out=memory.empty("raised", t.shape, t.dtype))
            constant *= raised
            np.subtract(constant, t, where=counted, out=constant)
            np.add(constant, 0.5 * math.log(2.0 * math.pi), where=counted, out=constant)
        else:
            constant *= t
            constant -= t
        return constant


@final
@dataclass(frozen=True, slots=True)
class GaussianNegativeLogLikelihood(Loss):
    """Negative log-likelihood under a normal law whose variance is predicted too.

    ``factor · reduceₙ reduceₖ ½ (log v + (μ − y)²/v)``, with the constant ``½ log 2π`` added if
    wanted.

    Args:
        variance: whether the second half of the last axis is v or ``log v``.
        floor: v is at least that; the gradient goes through the cut as if it were not there.
        constant: whether ``½ log 2π`` is added.
        batch: how the N rows are reduced (see ``Loss``).
        outputs: mean or sum over the outputs of a row.
        factor: a constant before it all.

    Shapes: ``prediction`` (N, …, 2K), the K means and then their K variances; ``target``
    (N, …, K); ``weights`` (N,).

    Raises:
        InputError: other shapes, a target that is not finite, no rows, or a floor that is not
            above 0.

    Example:
        >>> loss = GaussianNegativeLogLikelihood()
        >>> loss.value_and_gradient(np.array([[2.0, 1.0]]), np.array([[0.0]]))
        (2.0, array([[ 2. , -1.5]]))

    Source: D. A. Nix, A. S. Weigend, "Estimating the mean and variance of the target
    probability distribution", ICNN 1994.

    **Parity** (`gaussian-nll-constant`): torch's ``GaussianNLLLoss`` takes mean and variance
    apart, cuts the variance at 1e-6 without stopping its gradient, and leaves out the constant
    unless ``full``. The others have no such loss.
    """

    variance: Literal["variance", "log-variance"] = "variance"
    floor: float = 1e-6
    constant: bool = False
    batch: BatchReduction = "mean"
    outputs: Reduction = "mean"
    factor: float = 1.0

    def __post_init__(self) -> None:
        """Checks the floor."""
        if not 0.0 < self.floor < math.inf:
            raise InputError(
                f"{type(self).__name__}: floor out of range. Expected a finite number above 0. "
                f"Received: {self.floor}"
            )

    def value_and_gradient(
        self,
        prediction: Array,
        target: Array,
        *,
        weights: Array | None = None,
        memory: Memory = FRESH,
    ) -> tuple[float, Array]:
        """Squares of the errors in units of v (see ``Loss.value_and_gradient``)."""
        name = type(self).__name__
        if prediction.ndim < 2 or prediction.shape[-1] % 2:
            raise InputError(
                f"{name}: prediction of another shape. Expected (N, …, 2K), means and variances. "
                f"Received: {prediction.shape}"
            )
        half = prediction.shape[-1] // 2
        mean, second = prediction[..., :half], prediction[..., half:]
        weighing = weigh(self, mean, weights, memory, outputs=self.outputs)
        y = aligned(mean, target, memory, name=name)
        variance = memory.empty("variance", mean.shape, mean.dtype)
        if self.variance == "variance":
            np.maximum(second, float(self.floor), out=variance)
        else:
            np.exp(second, out=variance)
            np.maximum(variance, float(self.floor), out=variance)
        gradient = memory.empty("gradient", prediction.shape, prediction.dtype)
        by_mean, by_variance = gradient[..., :half], gradient[..., half:]
        difference = np.subtract(mean, y, out=memory.empty("difference", mean.shape, mean.dtype))
        np.divide(difference, variance, out=by_mean)
        # 1 − (μ − y)²/v, half of which is the slope along log v.
        np.multiply(by_mean, difference, out=difference)
        np.subtract(1.0, difference, out=by_variance)
        by_variance *= 0.5
        if self.variance == "variance":
            by_variance /= variance
        losses = np.log(variance, out=variance)
        losses += difference
        losses *= 0.5
        if self.constant:
            losses += 0.5 * math.log(2.0 * math.pi)
        return weighing.total(losses), weighing.slope(gradient)
