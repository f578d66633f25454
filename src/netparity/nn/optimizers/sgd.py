"""Stochastic gradient descent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, final

from netparity.nn.arrays import Array
from netparity.nn.optimizers.base import Decay, Optimizer, check_word
from netparity.nn.penalties import Scope


@final
@dataclass(frozen=True, slots=True)
class SGD(Optimizer):
    """Stochastic gradient descent, with momentum in its several forms.

    With gradient g, velocity b or v, momentum μ, rate η, and g' = (1 − dampening) g after the
    first step:
    rate-outside ``b ← μ b + g'``, ``w ← w − η b`` (Nesterov ``w − η (g + μ b)``);
    rate-inside ``v ← μ v − η g'``, ``w ← w + v`` (Nesterov ``w + (μ v − η g)``);
    averaged ``b ← μ b + (1 − μ) g'``, ``w ← w − η b`` (Nesterov ``w − η (μ b + (1 − μ) g)``).

    Args:
        learning_rate: η.
        momentum: μ; 0 means plain gradient descent, without a velocity.
        form: where the rate stands.
        nesterov: whether to look ahead.
        dampening: taken off the gradient's weight in the velocity, after the first step.
        weight_decay: λ.
        decay: ``"coupled"`` ``g ← g + λ w``; ``"decoupled"`` ``w ← w − η λ w`` before the step.
        decay_scope: which parameters decay.

    State: slot ``velocity`` where there is momentum.

    Raises:
        InputError: a word has no meaning.

    Example:
        >>> import numpy as np
        >>> optimizer = SGD(0.5, momentum=0.5)
        >>> w = {"w": np.array([1.0])}
        >>> state = optimizer.initialize(w)
        >>> for _ in range(2):
        ...     w, state = optimizer.update(w, {"w": np.array([1.0])}, state)
        >>> w["w"], state["step"]
        (array([-0.25]), 2)

    Source: B. T. Polyak, "Some methods of speeding up the convergence of iteration methods",
    1964; I. Sutskever et al., "On the importance of initialization and momentum in deep
    learning", ICML 2013.

    **Parity** (`sgd-momentum-form`, `sgd-nesterov-form`, `sgd-dampening-first-step`,
    `sgd-weight-decay-coupling`, `weight-decay-bias`): torch, TF 1 and optax have the rate
    outside; Keras, scikit-learn and cs231n inside; the two part only when the rate changes.
    Only torch has dampening. torch's weight decay is coupled, Keras's decoupled, both on all
    parameters; optax decays what the chain says.
    """

    learning_rate: float
    momentum: float = 0.0
    form: Literal["rate-outside", "rate-inside", "averaged"] = "rate-outside"
    nesterov: bool = False
    dampening: float = 0.0
    weight_decay: float = 0.0
    decay: Decay = "coupled"
    decay_scope: Scope = "all"

    @property
    def slots(self) -> tuple[str, ...]:
        """``velocity``, where there is momentum."""
        return ("velocity",) if self.momentum != 0.0 else ()

    def __post_init__(self) -> None:
        """Checks the words."""
        check_word(self, "form", "rate-outside", "rate-inside", "averaged")
        check_word(self, "decay", "coupled", "decoupled")

    def rule(
        self,
        w: Array,
        gradient: Array,
        kept: Mapping[str, Array],
        step: int,
        learning_rate: float,
    ) -> tuple[Array, dict[str, Array]]:
        """Goes one step down (see ``Optimizer.rule``)."""
        momentum = float(self.momentum)
        if momentum == 0.0:
            return w - gradient * learning_rate, {}
        velocity = kept["velocity"]
        damped = gradient if step == 1 else gradient * (1.0 - float(self.dampening))
        if self.form == "rate-inside":
            velocity = velocity * momentum - damped * learning_rate
            ahead = velocity * momentum - gradient * learning_rate if self.nesterov else velocity
            return w + ahead, {"velocity": velocity}
        weight = 1.0 - momentum if self.form == "averaged" else 1.0
        velocity = velocity * momentum + damped * weight
        ahead = gradient * weight + velocity * momentum if self.nesterov else velocity
        return w - ahead * learning_rate, {"velocity": velocity}
