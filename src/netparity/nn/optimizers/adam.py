"""Adam and AdamW."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, final

import numpy as np

from netparity.nn.arrays import Array
from netparity.nn.optimizers.base import Decay, Optimizer, check_range, check_word, interpolated
from netparity.nn.penalties import Scope


@final
@dataclass(frozen=True, slots=True)
class Adam(Optimizer):
    """Adam, with the places where its ε is put.

    ``m ← β₁ m + (1 − β₁) g``, ``v ← β₂ v + (1 − β₂) g²``, ``m̂ = m/(1 − β₁ᵗ)``,
    ``v̂ = v/(1 − β₂ᵗ)``; then
    outside ``w ← w − η m̂/(√v̂ + ε)``;
    hat ``w ← w − η √(1 − β₂ᵗ)/(1 − β₁ᵗ) · m/(√v + ε)``;
    inside ``w ← w − η m̂/√(v̂ + ε)``.

    Args:
        learning_rate: η.
        beta1: β₁.
        beta2: β₂.
        epsilon: ε.
        epsilon_placement: where ε stands.
        bias_correction: ``False`` leaves out the division by ``1 − βᵗ``.
        amsgrad: whether v is replaced by the largest v so far.
        weight_decay: λ.
        decay: ``"coupled"`` ``g ← g + λ w``; ``"decoupled"`` ``w ← w − η λ w`` before the step
            (AdamW).
        decay_scope: which parameters decay.
        beta_power: how βᵗ in the bias correction is come by: ``"exact"``;
            ``"float32-beta"``, a power of β rounded to float32; ``"float32-power"``, that power
            rounded to float32 as well (Keras in float32); ``"float32-product"``, a
            product of t such factors, rounded to float32 after each.
        amsgrad_form: whether the largest is taken of v itself, ``"raw"``, and then corrected,
            or of v̂, ``"corrected"``.

    State: slots ``first_moment``, ``second_moment`` and, for AMSGrad,
    ``second_moment_maximum``. The step t is one for all parameters.

    Raises:
        InputError: a word has no meaning.

    Example:
        >>> optimizer = Adam(0.5, epsilon=0.0)
        >>> w = {"w": np.array([1.0])}
        >>> w, state = optimizer.update(w, {"w": np.array([4.0])}, optimizer.initialize(w))
        >>> w["w"].round(12)
        array([0.5])

    Source: D. P. Kingma, J. Ba, "Adam: a method for stochastic optimization", ICLR 2015;
    I. Loshchilov, F. Hutter, "Decoupled weight decay regularization", ICLR 2019;
    S. J. Reddi, S. Kale, S. Kumar, "On the convergence of Adam and beyond", ICLR 2018.

    **Parity** (`adam-epsilon-placement`, `adam-defaults`, `adam-bias-correction`,
    `adam-amsgrad-form`, `adam-weight-decay-coupling`, `adamw-lr-scaling`): torch and optax
    have ε outside (optax's ``eps_root`` is inside); Keras, TF 1 and scikit-learn have the hat
    form, in which ε counts √(1 − β₂) as much at first. ε is 1e-8, in Keras 1e-7. AMSGrad takes
    the largest v, in optax the largest v̂. torch's
    ``Adam`` decays coupled, Keras's decoupled. torch counts t for each parameter apart, the
    others for all. In float64 too, Keras on TensorFlow takes βᵗ of the rounded β but 1 − β of
    the exact one (6e-6 of the first update at β₂ = 0.999), and TF 1 keeps βᵗ as a float32
    product and rounds η, β and ε themselves (`float32-constants`).
    """

    learning_rate: float
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8
    epsilon_placement: Literal["outside", "hat", "inside"] = "outside"
    bias_correction: bool = True
    amsgrad: bool = False
    weight_decay: float = 0.0
    decay: Decay = "coupled"
    decay_scope: Scope = "all"
    beta_power: Literal["exact", "float32-beta", "float32-power", "float32-product"] = "exact"
    amsgrad_form: Literal["raw", "corrected"] = "raw"

    @property
    def slots(self) -> tuple[str, ...]:
        """The moments and, for AMSGrad, the largest second moment."""
        moments = ("first_moment", "second_moment")
        return (*moments, "second_moment_maximum") if self.amsgrad else moments

    def __post_init__(self) -> None:
        """Checks the words, and that the constants make running means."""
        check_range(self, "beta1", "beta2", below=1.0)
        check_range(self, "epsilon")
        check_word(self, "epsilon_placement", "outside", "hat", "inside")
        check_word(self, "decay", "coupled", "decoupled")
        check_word(self, "amsgrad_form", "raw", "corrected")
        check_word(self, "beta_power", "exact", "float32-beta", "float32-power", "float32-product")

    def rule(
        self,
        w: Array,
        gradient: Array,
        kept: Mapping[str, Array],
        step: int,
        learning_rate: float,
    ) -> tuple[Array, dict[str, Array]]:
        """Goes one scaled step down (see ``Optimizer.rule``)."""
        first, second = self._moments(kept["first_moment"], kept["second_moment"], gradient)
        following = {"first_moment": first, "second_moment": second}
        correction1, correction2 = self.corrections(step)
        if self.amsgrad:
            corrected = self.amsgrad_form == "corrected"
            largest = np.maximum(
                kept["second_moment_maximum"], second / correction2 if corrected else second
            )
            following["second_moment_maximum"] = second = largest
            if corrected and self.epsilon_placement == "hat":
                second = largest * correction2
            elif corrected:
                correction2 = 1.0
        epsilon = float(self.epsilon)
        if self.epsilon_placement == "hat":
            effective = learning_rate * math.sqrt(correction2) / correction1
            return w - first * effective / (np.sqrt(second) + epsilon), following
        if self.epsilon_placement == "inside":
            root = np.sqrt(second / correction2 + epsilon)
        else:
            root = np.sqrt(second) / math.sqrt(correction2) + epsilon
        return w - first * (learning_rate / correction1) / root, following

    def corrections(self, step: int) -> tuple[float, float]:
        """What the bias correction divides the two moments by: ``1 − βᵗ``, or 1 without it.

        Args:
            step: t, which update it is, counted from 1.
        """
        if not self.bias_correction:
            return 1.0, 1.0
        beta1, beta2 = float(self.beta1), float(self.beta2)
        return 1.0 - self._power(beta1, step), 1.0 - self._power(beta2, step)

    def _moments(self, first: Array, second: Array, gradient: Array) -> tuple[Array, Array]:
        """The running means, each in the order of operations of those who write it so."""
        beta2 = float(self.beta2)
        square = gradient * gradient
        if self.epsilon_placement == "hat":
            second = second + (square - second) * (1.0 - beta2)
        else:
            second = second * beta2 + square * (1.0 - beta2)
        return interpolated(first, gradient, float(self.beta1)), second

    def _power(self, beta: float, step: int) -> float:
        """βᵗ."""
        if self.beta_power == "exact":
            return beta**step
        rounded = np.float32(beta)
        if self.beta_power == "float32-beta":
            return float(rounded) ** step
        if self.beta_power == "float32-power":
            return float(np.float32(float(rounded) ** step))
        return float(np.multiply.accumulate(np.full(step, rounded))[-1])


def AdamW(learning_rate: float, *, weight_decay: float = 0.01, **switches: Any) -> Adam:
    """Adam with decoupled weight decay.

    Args:
        learning_rate: η.
        weight_decay: λ.
        **switches: the other fields of ``Adam``.

    Returns:
        ``Adam(learning_rate, weight_decay=weight_decay, decay="decoupled", …)``.

    Example:
        >>> AdamW(0.1).decay, AdamW(0.1).weight_decay
        ('decoupled', 0.01)

    Source: I. Loshchilov, F. Hutter, "Decoupled weight decay regularization", ICLR 2019.

    **Parity** (`adamw-lr-scaling`): λ is 0.01 in torch, 0.004 in Keras and 1e-4 in optax; all
    of them take off η λ w, where the paper's λ is not multiplied by the rate's base value.
    """
    return Adam(learning_rate, weight_decay=weight_decay, decay="decoupled", **switches)
