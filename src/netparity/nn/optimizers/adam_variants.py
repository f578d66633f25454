"""Relatives of Adam: Adamax, NAdam, RAdam."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Literal, final

import numpy as np

from netparity.nn.arrays import Array
from netparity.nn.optimizers.base import (
    Decay,
    Optimizer,
    check_decay,
    check_range,
    check_word,
    interpolated,
)
from netparity.nn.penalties import Scope

#: The base of NAdam's momentum schedule, by T. Dozat.
_BASE: Final = 0.96
#: A product below this leaves 1 − product at 1, in float64 and float32 alike.
_VANISHING: Final = 2.0**-60


@final
@dataclass(frozen=True, slots=True)
class Adamax(Optimizer):
    """Adamax: Adam by the largest gradient seen, fading, in place of the root mean square.

    ``m ← β₁ m + (1 − β₁) g``; inside ``u ← max(β₂ u, |g| + ε)``,
    ``w ← w − η/(1 − β₁ᵗ) · m/u``; outside ``u ← max(β₂ u, |g|)``,
    ``w ← w − η/(1 − β₁ᵗ) · m/(u + ε)``.

    Args:
        learning_rate: η.
        beta1: β₁.
        beta2: β₂.
        epsilon: ε.
        epsilon_placement: whether ε stands inside the maximum or outside.
        weight_decay: λ.
        decay: ``"coupled"`` ``g ← g + λ w``; ``"decoupled"`` ``w ← w − η λ w`` before the step.
        decay_scope: which parameters decay.

    State: slots ``first_moment`` (m) and ``largest`` (u).

    Raises:
        InputError: a value is out of range, or a word has no meaning.

    Example:
        >>> optimizer = Adamax(0.5, epsilon=1.0)
        >>> w = {"w": np.array([1.0])}
        >>> w, state = optimizer.update(w, {"w": np.array([-4.0])}, optimizer.initialize(w))
        >>> w["w"].round(12), state["largest"]["w"]
        (array([1.4]), array([5.]))

    Source: D. P. Kingma, J. Ba, "Adam: a method for stochastic optimization", ICLR 2015.

    **Parity** (`adamax-epsilon`, `keras-weight-decay-all-decoupled`): ε is inside in torch and
    optax, outside in Keras. η is 0.002 in the paper and torch, 0.001 in Keras. torch's weight
    decay is coupled, Keras's decoupled, optax's only in ``adamaxw``.
    """

    learning_rate: float
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8
    epsilon_placement: Literal["inside", "outside"] = "inside"
    weight_decay: float = 0.0
    decay: Decay = "coupled"
    decay_scope: Scope = "all"

    def __post_init__(self) -> None:
        """Checks the values."""
        check_word(self, "epsilon_placement", "inside", "outside")
        check_range(self, "beta1", "beta2", below=1.0)
        check_range(self, "epsilon")
        check_decay(self)

    @property
    def slots(self) -> tuple[str, ...]:
        """The first moment and the largest gradient."""
        return ("first_moment", "largest")

    def rule(
        self,
        w: Array,
        gradient: Array,
        kept: Mapping[str, Array],
        step: int,
        learning_rate: float,
    ) -> tuple[Array, dict[str, Array]]:
        """Goes one scaled step down (see ``Optimizer.rule``)."""
        beta1, epsilon = float(self.beta1), float(self.epsilon)
        first = interpolated(kept["first_moment"], gradient, beta1)
        size = np.abs(gradient)
        if self.epsilon_placement == "inside":
            size += epsilon
        largest = np.maximum(kept["largest"] * float(self.beta2), size)
        divisor = largest if self.epsilon_placement == "inside" else largest + epsilon
        rate = learning_rate / (1.0 - beta1**step)
        return w - first * rate / divisor, {"first_moment": first, "largest": largest}


@final
@dataclass(frozen=True, slots=True)
class NAdam(Optimizer):
    """Adam with Nesterov's look ahead, and a momentum that grows.

    ``m ← β₁ m + (1 − β₁) g``, ``v ← β₂ v + (1 − β₂) g²``, ``v̂ = v/(1 − β₂ᵗ)``; with the
    momenta ``μₜ = β₁ (1 − ½ · 0.96^(t ψ))`` and their product ``Πₜ = μ₁ ⋯ μₜ``,
    ``w ← w − η ((1 − μₜ)/(1 − Πₜ) g + μₜ₊₁/(1 − Πₜ₊₁) m)/(√v̂ + ε)``.

    Args:
        learning_rate: η.
        beta1: β₁.
        beta2: β₂.
        epsilon: ε.
        momentum_decay: ψ; ``None`` for ``μₜ = β₁`` throughout.
        rounding: what is rounded to float32: nothing, ``"exact"``; each μ that enters the
            product and each product, ``"float32-product"``; 0.96, but not in the product,
            ``"float32-base"``.
        weight_decay: λ.
        decay: ``"coupled"`` ``g ← g + λ w``; ``"decoupled"`` ``w ← w − η λ w`` before the step.
        decay_scope: which parameters decay.

    State: slots ``first_moment`` and ``second_moment``. Π follows from t.

    Raises:
        InputError: a value is out of range, or a word has no meaning.

    Example:
        >>> optimizer = NAdam(0.5, beta1=0.5, epsilon=0.0, momentum_decay=None)
        >>> w = {"w": np.array([1.0])}
        >>> w, state = optimizer.update(w, {"w": np.array([4.0])}, optimizer.initialize(w))
        >>> w["w"].round(12) == round(1.0 - 0.5 * (1.0 + 0.25 / 0.75), 12)
        array([ True])

    Source: T. Dozat, "Incorporating Nesterov momentum into Adam", ICLR workshop 2016.

    **Parity** (`nadam-form`, `keras-weight-decay-all-decoupled`): ψ is 0.004 in torch and 1 in
    Keras; optax's ``nadam`` has ``μₜ = β₁``. η is 0.002 in torch, 0.001 in Keras. torch keeps Π
    in the default dtype, float32 for float64 parameters too, and Keras in float64 has 0.96
    rounded to float32, but not in Π (`float32-constants`). torch's weight decay is coupled, or
    decoupled by an option, Keras's decoupled.
    """

    learning_rate: float
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8
    momentum_decay: float | None = 0.004
    rounding: Literal["exact", "float32-product", "float32-base"] = "exact"
    weight_decay: float = 0.0
    decay: Decay = "coupled"
    decay_scope: Scope = "all"

    def __post_init__(self) -> None:
        """Checks the values."""
        check_word(self, "rounding", "exact", "float32-product", "float32-base")
        check_range(self, "beta1", "beta2", below=1.0)
        check_range(self, "epsilon")
        if self.momentum_decay is not None:
            check_range(self, "momentum_decay")
        check_decay(self)

    @property
    def slots(self) -> tuple[str, ...]:
        """The moments."""
        return ("first_moment", "second_moment")

    def rule(
        self,
        w: Array,
        gradient: Array,
        kept: Mapping[str, Array],
        step: int,
        learning_rate: float,
    ) -> tuple[Array, dict[str, Array]]:
        """Goes one scaled step down (see ``Optimizer.rule``)."""
        beta1, beta2 = float(self.beta1), float(self.beta2)
        first = interpolated(kept["first_moment"], gradient, beta1)
        second = kept["second_moment"] * beta2 + gradient * gradient * (1.0 - beta2)
        root = np.sqrt(second / (1.0 - beta2**step)) + float(self.epsilon)
        decay = None if self.momentum_decay is None else float(self.momentum_decay)
        base = float(np.float32(_BASE)) if self.rounding == "float32-base" else _BASE
        now, following = (_momentum(beta1, decay, t, base) for t in (step, step + 1))
        product = _product(beta1, decay, step, rounded=self.rounding == "float32-product")
        of_gradient = learning_rate * (1.0 - now) / (1.0 - product)
        of_moment = learning_rate * following / (1.0 - product * following)
        moved = w - (gradient * of_gradient + first * of_moment) / root
        return moved, {"first_moment": first, "second_moment": second}


def _momentum(beta: float, decay: float | None, step: int, base: float = _BASE) -> float:
    """μₜ of NAdam."""
    return beta if decay is None else beta * (1.0 - 0.5 * base ** (step * decay))


@lru_cache(maxsize=8)
def _product(beta: float, decay: float | None, step: int, *, rounded: bool) -> float:
    """Πₜ of NAdam: one factor after the other, as long as it matters to ``1 − Π``."""
    terms = step if beta == 0.0 else min(step, math.ceil(math.log(_VANISHING) / math.log(beta)))
    momenta = [_momentum(beta, decay, t) for t in range(1, terms + 1)]
    return float(np.multiply.accumulate(np.array(momenta, np.float32 if rounded else None))[-1])


@final
@dataclass(frozen=True, slots=True)
class RAdam(Optimizer):
    """Adam whose steps are short until the variance of its scaling is small.

    With m̂ and v̂ of Adam, ``ρ∞ = 2/(1 − β₂) − 1`` and ``ρ = ρ∞ − 2 t β₂ᵗ/(1 − β₂ᵗ)``: as long
    as ρ is not above the threshold ``w ← w − η m̂``, and then, with
    ``r² = (ρ − 4)(ρ − 2) ρ∞/((ρ∞ − 4)(ρ∞ − 2) ρ)``,
    outside ``w ← w − η r m̂/(√v̂ + ε)``; hat ``w ← w − η r √(1 − β₂ᵗ) m̂/(√v + ε)``.

    Args:
        learning_rate: η.
        beta1: β₁.
        beta2: β₂, above 0.6, so that ρ∞ exceeds 4.
        epsilon: ε.
        epsilon_placement: where ε stands.
        threshold: of ρ, at least 4.
        weight_decay: λ.
        decay: ``"coupled"`` ``g ← g + λ w``; ``"decoupled"`` ``w ← w − η λ w`` before the step.
        decay_scope: which parameters decay.

    State: slots ``first_moment`` and ``second_moment``.

    Raises:
        InputError: a value is out of range, or a word has no meaning.

    Example:
        >>> optimizer = RAdam(0.5)
        >>> w = {"w": np.array([1.0])}
        >>> w, state = optimizer.update(w, {"w": np.array([4.0])}, optimizer.initialize(w))
        >>> w["w"].round(12)
        array([-1.])

    Source: L. Liu et al., "On the variance of the adaptive learning rate and beyond", ICLR 2020.

    **Parity** (`other-optimizer-defaults`): torch has ε beside √v, as in the hat form of Adam,
    optax beside √v̂; at ρ = 5 exactly optax takes the long step, torch the short one. torch's
    weight decay is coupled, or decoupled by an option. Keras has no RAdam.
    """

    learning_rate: float
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8
    epsilon_placement: Literal["hat", "outside"] = "hat"
    threshold: float = 5.0
    weight_decay: float = 0.0
    decay: Decay = "coupled"
    decay_scope: Scope = "all"

    def __post_init__(self) -> None:
        """Checks the values."""
        check_word(self, "epsilon_placement", "hat", "outside")
        check_range(self, "beta1", below=1.0)
        check_range(self, "beta2", low=math.nextafter(0.6, 1.0), below=1.0)
        check_range(self, "epsilon")
        check_range(self, "threshold", low=4.0)
        check_decay(self)

    @property
    def slots(self) -> tuple[str, ...]:
        """The moments."""
        return ("first_moment", "second_moment")

    def rule(
        self,
        w: Array,
        gradient: Array,
        kept: Mapping[str, Array],
        step: int,
        learning_rate: float,
    ) -> tuple[Array, dict[str, Array]]:
        """Goes one step down (see ``Optimizer.rule``)."""
        beta1, beta2, epsilon = float(self.beta1), float(self.beta2), float(self.epsilon)
        first = interpolated(kept["first_moment"], gradient, beta1)
        second = kept["second_moment"] * beta2 + gradient * gradient * (1.0 - beta2)
        following = {"first_moment": first, "second_moment": second}
        rate = learning_rate / (1.0 - beta1**step)
        correction = 1.0 - beta2**step
        limit = 2.0 / (1.0 - beta2) - 1.0
        length = limit - 2.0 * step * beta2**step / correction
        if length <= float(self.threshold):
            return w - first * rate, following
        shorter = (length - 4.0) * (length - 2.0) * limit
        rate *= math.sqrt(shorter / ((limit - 4.0) * (limit - 2.0) * length))
        if self.epsilon_placement == "hat":
            return w - first * (rate * math.sqrt(correction)) / (
                np.sqrt(second) + epsilon
            ), following
        return w - first * rate / (np.sqrt(second) / math.sqrt(correction) + epsilon), following
