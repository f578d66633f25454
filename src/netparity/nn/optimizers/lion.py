"""Lion: steps of one size, by the sign alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

import numpy as np

from netparity.nn.arrays import Array
from netparity.nn.optimizers.base import Decay, Optimizer, check_decay, check_range
from netparity.nn.penalties import Scope


@final
@dataclass(frozen=True, slots=True)
class Lion(Optimizer):
    """Lion: the sign of an interpolated momentum.

    ``w ← w − η sign(β₁ m + (1 − β₁) g)``, then ``m ← β₂ m + (1 − β₂) g``; the sign of 0 is 0.

    Args:
        learning_rate: η.
        beta1: β₁.
        beta2: β₂.
        weight_decay: λ.
        decay: ``"coupled"`` ``g ← g + λ w``; ``"decoupled"`` ``w ← w − η λ w`` before the step.
        decay_scope: which parameters decay.

    State: slot ``momentum``.

    Raises:
        InputError: a value is out of range, or a word has no meaning.

    Example:
        >>> optimizer = Lion(0.5, beta2=0.75)
        >>> w = {"w": np.array([1.0, 1.0])}
        >>> w, state = optimizer.update(w, {"w": np.array([4.0, 0.0])}, optimizer.initialize(w))
        >>> w["w"], state["momentum"]["w"]
        (array([0.5, 1. ]), array([1., 0.]))

    Source: X. Chen et al., "Symbolic discovery of optimization algorithms", NeurIPS 2023.

    **Parity** (`lion-form`, `keras-weight-decay-all-decoupled`): Keras and optax have the same
    form; by default Keras does not decay, optax does with λ = 1e-3, both decoupled. torch has
    no Lion.
    """

    learning_rate: float
    beta1: float = 0.9
    beta2: float = 0.99
    weight_decay: float = 0.0
    decay: Decay = "decoupled"
    decay_scope: Scope = "all"

    def __post_init__(self) -> None:
        """Checks the values."""
        check_range(self, "beta1", "beta2", below=1.0)
        check_decay(self)

    @property
    def slots(self) -> tuple[str, ...]:
        """``momentum``."""
        return ("momentum",)

    def rule(
        self,
        w: Array,
        gradient: Array,
        kept: Mapping[str, Array],
        step: int,
        learning_rate: float,
    ) -> tuple[Array, dict[str, Array]]:
        """Goes one step of one size (see ``Optimizer.rule``)."""
        beta1, beta2 = float(self.beta1), float(self.beta2)
        momentum = kept["momentum"]
        direction = np.sign(momentum * beta1 + gradient * (1.0 - beta1))
        momentum = momentum * beta2 + gradient * (1.0 - beta2)
        return w - direction * learning_rate, {"momentum": momentum}
