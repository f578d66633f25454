"""The learning rates of scikit-learn's stochastic optimizers."""

from __future__ import annotations

from netparity import nn
from netparity.implementations.author import Author
from netparity.implementations.rates import Rates
from netparity.implementations.sklearn_training import Training


class EstimatorRates(Rates):
    """``learning_rate="invscaling"``, which the estimator follows by itself, or one given.

    Args:
        training: the estimator with its optimizer.
        author: who may have given a schedule.
    """

    def __init__(self, training: Training, author: Author) -> None:
        self._training = training
        super().__init__(author.schedule, author.schedule_every, self._now, self._set, author.name)

    def _now(self) -> float:
        optimizer = self._training.optimizer
        return 0.0 if optimizer is None else float(optimizer.learning_rate_init)

    def _set(self, rate: float) -> None:
        optimizer = self._training.optimizer
        if optimizer is not None:
            optimizer.learning_rate_init = optimizer.learning_rate = rate

    @property
    def _scales(self) -> bool:
        estimator = self._training.estimator
        return bool(estimator.solver == "sgd" and estimator.learning_rate == "invscaling")

    @property
    def stated(self) -> bool:
        """Whether there is a schedule."""
        return self._schedule is not None or self._scales

    @property
    def authored(self) -> nn.Schedule | None:
        """The schedule given, or the estimator's own, which counts epochs."""
        rows = len(self._training.epoch.training)
        if self._schedule is not None or not self._scales or not rows:
            return super().authored
        self.every = "epoch"
        estimator = self._training.estimator
        return nn.InverseScaling(
            float(estimator.learning_rate_init), float(estimator.power_t), float(rows)
        )
