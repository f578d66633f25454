"""A rate reduced where a metric gets no better."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, final

from netparity.errors import InputError
from netparity.nn.schedules.base import check_least, check_word


@final
@dataclass(frozen=True, slots=True)
class Plateau:
    """What ``ReduceOnPlateau`` knows after some epochs.

    Attributes:
        factor: what the learning rate is multiplied by.
        best: the best value so far, or ``None``.
        waited: epochs without a better one.
        cooling: epochs of rest that are left.
    """

    factor: float = 1.0
    best: float | None = None
    waited: int = 0
    cooling: int = 0


@final
@dataclass(frozen=True, slots=True)
class ReduceOnPlateau:
    """A rate that is reduced where a metric gets no better.

    An epoch is better if its value is below the best so far by more than the threshold. After
    more than ``patience`` epochs without a better one, one after the other, what the rate is
    multiplied by is itself multiplied by ``factor``; then, for ``cooldown`` epochs, none counts.

    Args:
        factor: from 0 to below 1.
        patience: at least 0.
        threshold: at least 0.
        threshold_kind: ``"relative"`` to the best value, or ``"absolute"``.
        mode: whether a lower or a higher value is better.
        cooldown: at least 0.
        minimum: the least the factor falls to.
        least_change: a reduction of the factor by no more than this is left out.
        patience_counting: ``"exclusive"``: ``patience`` epochs pass, and the next bad one
            reduces; ``"inclusive"``: the last of them does.
        cooldown_counting: ``"exclusive"``: ``cooldown`` epochs do not count; ``"inclusive"``:
            the last of them does.
        best: what values are compared with: the best of the ``"better"`` ones, or the
            ``"least"`` of all, even if it was better by less than the threshold (in mode
            ``"max"`` the greatest).

    Raises:
        InputError: a value is out of range, or a word has no meaning.

    Example:
        >>> rule = ReduceOnPlateau(factor=0.5, patience=1)
        >>> plateau = rule.initialize()
        >>> for loss in (1.0, 1.0, 1.0, 0.5):
        ...     plateau = rule.observe(plateau, loss)
        >>> plateau.factor, plateau.best
        (0.5, 0.5)

    Source: the frameworks' documentation; the idea is that of A. Krizhevsky, I. Sutskever,
    G. E. Hinton, "ImageNet classification with deep convolutional neural networks", NIPS 2012.

    **Parity** (`reduce-lr-on-plateau`): by default torch, Keras and optax have a factor of 0.1,
    patience 10 and threshold 1e-4, absolute in Keras, relative in the others. But of the same
    numbers Keras makes less: it reduces one epoch earlier and counts again one epoch earlier
    (both inclusive); optax has the patience inclusive, torch neither. torch leaves out changes
    of the rate, not of the factor, by 1e-8 or less. scikit-learn's ``learning_rate="adaptive"``
    is ``ReduceOnPlateau(0.2, n_iter_no_change, tol, "absolute", best="least")``, where a value
    at the threshold counts as better, and the training ends in place of a reduction once the
    rate is 1e-6 or less.
    """

    factor: float = 0.1
    patience: int = 10
    threshold: float = 1e-4
    threshold_kind: Literal["relative", "absolute"] = "relative"
    mode: Literal["min", "max"] = "min"
    cooldown: int = 0
    minimum: float = 0.0
    least_change: float = 0.0
    patience_counting: Literal["exclusive", "inclusive"] = "exclusive"
    cooldown_counting: Literal["exclusive", "inclusive"] = "exclusive"
    best: Literal["better", "least"] = "better"

    def __post_init__(self) -> None:
        """Checks the values."""
        if not 0.0 <= self.factor < 1.0:
            raise InputError(
                "ReduceOnPlateau: factor out of range. Expected a number from 0 to below 1. "
                f"Received: {self.factor!r}"
            )
        for name in ("patience", "threshold", "cooldown", "minimum", "least_change"):
            check_least(self, name, getattr(self, name))
        check_word(self, "threshold_kind", self.threshold_kind, "relative", "absolute")
        check_word(self, "mode", self.mode, "min", "max")
        for name in ("patience_counting", "cooldown_counting"):
            check_word(self, name, getattr(self, name), "exclusive", "inclusive")
        check_word(self, "best", self.best, "better", "least")

    def initialize(self) -> Plateau:
        """What is known before the first epoch: factor 1."""
        return Plateau()

    def observe(self, plateau: Plateau, metric: float) -> Plateau:
        """Takes note of an epoch's value.

        Args:
            plateau: what ``initialize`` or the call before returned.
            metric: the value.

        Returns:
            What is known now; its ``factor`` is for the next epoch.
        """
        metric = float(metric)
        better = self._better(metric, plateau.best)
        cooling, best, waited = plateau.cooling, plateau.best, plateau.waited
        resting = cooling > (1 if self.cooldown_counting == "inclusive" else 0)
        cooling = max(0, cooling - 1)
        if better or (self.best == "least" and self._beyond(metric, best)):
            best = metric
        waited = 0 if better or resting else waited + 1
        inclusive = self.patience_counting == "inclusive"
        if waited < (max(1, self.patience) if inclusive else self.patience + 1):
            return replace(plateau, best=best, waited=waited, cooling=cooling)
        factor = max(plateau.factor * float(self.factor), float(self.minimum))
        if plateau.factor - factor <= float(self.least_change):
            factor = plateau.factor
        return Plateau(factor, best, 0, self.cooldown)

    def _better(self, metric: float, best: float | None) -> bool:
        """Whether a value is better than the best by more than the threshold."""
        if best is None:
            return True
        sign = 1.0 if self.mode == "min" else -1.0
        threshold = sign * float(self.threshold)
        limit = best * (1.0 - threshold) if self.threshold_kind == "relative" else best - threshold
        return sign * metric < sign * limit

    def _beyond(self, metric: float, best: float | None) -> bool:
        """Whether a value is better at all."""
        return best is None or (metric < best if self.mode == "min" else metric > best)
