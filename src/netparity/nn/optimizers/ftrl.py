"""Follow the regularized leader."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

import numpy as np

from netparity.errors import InputError
from netparity.nn.arrays import Array
from netparity.nn.optimizers.base import Decay, Optimizer, check_decay, check_range
from netparity.nn.penalties import Scope


@final
@dataclass(frozen=True, slots=True)
class Ftrl(Optimizer):
    """FTRL-Proximal: exact zeros by an L1 term in the step itself.

    With ``n' = n + g²`` and ``g' = g + 2 κ w``: ``z ← z + g' − (n'^p − n^p)/η · w``,
    ``w ← (clip(z, −λ₁, λ₁) − z)/(n'^p/η + 2 λ₂ + β/η)``, ``n ← n'``.

    Args:
        learning_rate: η, above 0.
        power: p; ½ is AdaGrad's.
        initial_accumulator: n before the first update.
        l1: λ₁.
        l2: λ₂.
        l2_shrinkage: κ, an L2 penalty that does not enter n.
        beta: β.
        weight_decay: λ.
        decay: ``"coupled"`` ``g ← g + λ w``; ``"decoupled"`` ``w ← w − η λ w`` before the step.
        decay_scope: which parameters decay.

    State: slots ``accumulator`` (n) and ``linear`` (z).

    Raises:
        InputError: a value is out of range, or the divisor may be 0.

    Example:
        >>> optimizer = Ftrl(0.5, initial_accumulator=9.0, l1=1.0)
        >>> w = {"w": np.array([0.0, 0.0])}
        >>> w, state = optimizer.update(w, {"w": np.array([4.0, 0.5])}, optimizer.initialize(w))
        >>> w["w"]
        array([-0.3,  0. ])

    Source: H. B. McMahan et al., "Ad click prediction: a view from the trenches", KDD 2013.

    **Parity** (`other-optimizer-defaults`): the form and constants of Keras and TF 1 (there
    ``learning_rate_power = −p``); torch and optax have none. z starts at 0 whatever w is, so
    that the first update draws parameters that do not start at 0 towards it.
    """

    learning_rate: float
    power: float = 0.5
    initial_accumulator: float = 0.1
    l1: float = 0.0
    l2: float = 0.0
    l2_shrinkage: float = 0.0
    beta: float = 0.0
    weight_decay: float = 0.0
    decay: Decay = "decoupled"
    decay_scope: Scope = "all"

    def __post_init__(self) -> None:
        """Checks the values."""
        constants = ("power", "initial_accumulator", "l1", "l2", "l2_shrinkage", "beta")
        check_range(self, *constants)
        check_decay(self)
        if self.initial_accumulator == self.l2 == self.beta == 0.0:
            raise InputError(
                "Ftrl: initial_accumulator, l2 and beta. Expected one of them above 0. "
                "Received: all 0",
                hint="a parameter whose gradient is 0 would be moved by 0/0",
            )

    @property
    def slots(self) -> tuple[str, ...]:
        """``accumulator`` and ``linear``."""
        return ("accumulator", "linear")

    def first_value(self, slot: str) -> float:
        """The initial accumulator; 0 for the linear term."""
        return float(self.initial_accumulator) if slot == "accumulator" else 0.0

    def rule(
        self,
        w: Array,
        gradient: Array,
        kept: Mapping[str, Array],
        step: int,
        learning_rate: float,
    ) -> tuple[Array, dict[str, Array]]:
        """Goes to the leader (see ``Optimizer.rule``)."""
        power, l1 = float(self.power), float(self.l1)
        # Divided as arrays are: at a rate of 0 what follows is no number, and nothing is raised.
        constant = 2.0 * float(self.l2) + float(np.divide(self.beta, learning_rate))
        accumulator = kept["accumulator"] + gradient * gradient
        before, after = kept["accumulator"] ** power, accumulator**power
        entering = gradient + w * (2.0 * float(self.l2_shrinkage))
        linear = kept["linear"] + (entering - (after - before) / learning_rate * w)
        moved = (np.clip(linear, -l1, l1) - linear) / (after / learning_rate + constant)
        return moved, {"accumulator": accumulator, "linear": linear}
