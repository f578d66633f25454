"""What is kept of each epoch of a run."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import final


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Epoch:
    """One epoch, measured.

    Attributes:
        epoch: its number, from 1.
        loss: the loss with penalties, in training mode, the mean over its steps.
        accuracy: the share of the training rows that are classed rightly, in inference mode;
            ``None`` where it was not measured.
        validation_loss: the loss without penalties on the validation rows.
        validation_accuracy: the share of these that are classed rightly.
        learning_rate: of its last step.
    """

    epoch: int
    loss: float
    accuracy: float | None
    validation_loss: float | None
    validation_accuracy: float | None
    learning_rate: float


def best_epoch(history: Sequence[Epoch]) -> Epoch:
    """The epoch whose parameters are chosen.

    That is the first of those with the largest validation accuracy; without validation, the
    last one.

    Args:
        history: at least one epoch.

    Example:
        >>> def at(number, accuracy):
        ...     return Epoch(
        ...         epoch=number,
        ...         loss=1.0,
        ...         accuracy=0.5,
        ...         validation_loss=1.0,
        ...         validation_accuracy=accuracy,
        ...         learning_rate=0.1,
        ...     )
        >>> best_epoch([at(1, 0.5), at(2, 0.75), at(3, 0.75)]).epoch
        2
    """
    if history[-1].validation_accuracy is None:
        return history[-1]
    return max(history, key=lambda one: (_number(one.validation_accuracy), -one.epoch))


def _number(value: float | None) -> float:
    return -math.inf if value is None else value
