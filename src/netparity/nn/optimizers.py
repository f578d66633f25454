"""Optimizers: pure functions from parameters, gradients and state to the next ones."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, final

import numpy as np

from netparity.nn.arrays import Array
from netparity.nn.penalties import Scope, in_scope

Decay = Literal["coupled", "decoupled"]
#: ``{"step": int, slot: {parameter name: array}}``; ``step`` counts the updates made.
State = dict[str, Any]


class Optimizer(ABC):
    """An update rule with its constants.

    An optimizer is a small frozen dataclass whose fields are its conventions; all have
    ``learning_rate`` and, for weight decay, ``weight_decay``, ``decay`` (``"coupled"``: added
    to the gradient; ``"decoupled"``: taken off the parameter) and ``decay_scope``. It holds
    no values: those it keeps between updates are in the state.
    """

    __slots__ = ()
    learning_rate: float
    weight_decay: float
    decay: Decay
    decay_scope: Scope

    @property
    @abstractmethod
    def slots(self) -> tuple[str, ...]:
        """The names of the arrays kept for each parameter."""

    @abstractmethod
    def update(
        self, parameters: Mapping[str, Array], gradients: Mapping[str, Array], state: State
    ) -> tuple[dict[str, Array], State]:
        """Makes one update; changes none of its arguments.

        Args:
            parameters: arrays by name, float32 or float64.
            gradients: arrays by name; a parameter that has none stays as it is, with what
                is kept for it.
            state: what ``initialize`` or the update before returned.

        Returns:
            The new parameters, in the shapes and dtypes of the old, and the new state.
        """

    def initialize(self, parameters: Mapping[str, Array]) -> State:
        """The state before the first update: step 0, and zeros in every slot.

        Args:
            parameters: arrays by name, float32 or float64.

        Returns:
            The state.
        """
        return {
            "step": 0,
            **{
                slot: {name: np.zeros_like(array) for name, array in parameters.items()}
                for slot in self.slots
            },
        }


def _decayed(
    parameter: Array, gradient: Array, decay: Decay, weight_decay: float, learning_rate: float
) -> tuple[Array, Array]:
    """Parameter and gradient after weight decay, in Keras's order of operations."""
    if decay == "coupled":
        return parameter, gradient + parameter * weight_decay
    return parameter - parameter * weight_decay * learning_rate, gradient


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

    Example:
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

    def update(
        self, parameters: Mapping[str, Array], gradients: Mapping[str, Array], state: State
    ) -> tuple[dict[str, Array], State]:
        """Goes one step down (see ``Optimizer.update``)."""
        rate, momentum = float(self.learning_rate), float(self.momentum)
        first = state["step"] == 0
        velocities = dict(state.get("velocity", {}))
        updated = dict(parameters)
        for name, gradient in gradients.items():
            w = parameters[name]
            if self.weight_decay != 0.0 and in_scope(self.decay_scope, name):
                w, gradient = _decayed(w, gradient, self.decay, float(self.weight_decay), rate)
            if momentum == 0.0:
                updated[name] = w - gradient * rate
                continue
            velocity = velocities.get(name, np.zeros_like(w))
            damped = gradient if first else gradient * (1.0 - float(self.dampening))
            if self.form == "rate-inside":
                velocity = velocity * momentum - damped * rate
                step = velocity * momentum - gradient * rate if self.nesterov else velocity
                updated[name] = w + step
            else:
                weight = 1.0 - momentum if self.form == "averaged" else 1.0
                velocity = velocity * momentum + damped * weight
                step = gradient * weight + velocity * momentum if self.nesterov else velocity
                updated[name] = w - step * rate
            velocities[name] = velocity
        following: State = {**state, "step": state["step"] + 1}
        if velocities:
            following["velocity"] = velocities
        return updated, following


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
        amsgrad: whether v is replaced by the largest v so far (before bias correction).
        weight_decay: λ.
        decay: ``"coupled"`` ``g ← g + λ w``; ``"decoupled"`` ``w ← w − η λ w`` before the step
            (AdamW).
        decay_scope: which parameters decay.
        beta_power: how βᵗ in the bias correction is come by: ``"exact"``;
            ``"float32-beta"``, a power of β rounded to float32; ``"float32-power"``, that power
            rounded to float32 as well (Keras in float32); ``"float32-product"``, a
            product of t such factors, rounded to float32 after each.

    State: slots ``first_moment``, ``second_moment`` and, for AMSGrad,
    ``second_moment_maximum``. The step t is one for all parameters.

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
    form, in which ε counts √(1 − β₂) as much at first. ε is 1e-8, in Keras 1e-7. torch's
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

    @property
    def slots(self) -> tuple[str, ...]:
        """The moments and, for AMSGrad, the largest second moment."""
        moments = ("first_moment", "second_moment")
        return (*moments, "second_moment_maximum") if self.amsgrad else moments

    def update(
        self, parameters: Mapping[str, Array], gradients: Mapping[str, Array], state: State
    ) -> tuple[dict[str, Array], State]:
        """Goes one scaled step down (see ``Optimizer.update``)."""
        rate = float(self.learning_rate)
        step = state["step"] + 1
        kept = {slot: dict(state.get(slot, {})) for slot in self.slots}
        updated = dict(parameters)
        for name, gradient in gradients.items():
            w = parameters[name]
            if self.weight_decay != 0.0 and in_scope(self.decay_scope, name):
                w, gradient = _decayed(w, gradient, self.decay, float(self.weight_decay), rate)
            first = kept["first_moment"].get(name, np.zeros_like(w))
            second = kept["second_moment"].get(name, np.zeros_like(w))
            first, second = self._moments(first, second, gradient)
            kept["first_moment"][name], kept["second_moment"][name] = first, second
            if self.amsgrad:
                largest = kept["second_moment_maximum"].get(name, second)
                second = np.maximum(largest, second)
                kept["second_moment_maximum"][name] = second
            updated[name] = w - self._step(first, second, step)
        return updated, {**state, **kept, "step": step}

    def _moments(self, first: Array, second: Array, gradient: Array) -> tuple[Array, Array]:
        """The running means, each in the order of operations of those who write it so."""
        beta1, beta2 = float(self.beta1), float(self.beta2)
        # torch interpolates from the nearer end: only thus is it exact at both.
        if 1.0 - beta1 < 0.5:
            first = first + (gradient - first) * (1.0 - beta1)
        else:
            first = gradient - (gradient - first) * beta1
        square = gradient * gradient
        if self.epsilon_placement == "hat":
            second = second + (square - second) * (1.0 - beta2)
        else:
            second = second * beta2 + square * (1.0 - beta2)
        return first, second

    def _step(self, first: Array, second: Array, step: int) -> Array:
        """What is taken off the parameter."""
        rate, epsilon = float(self.learning_rate), float(self.epsilon)
        correction1 = correction2 = 1.0
        if self.bias_correction:
            correction1 -= self._power(float(self.beta1), step)
            correction2 -= self._power(float(self.beta2), step)
        if self.epsilon_placement == "hat":
            effective = rate * math.sqrt(correction2) / correction1
            return first * effective / (np.sqrt(second) + epsilon)
        if self.epsilon_placement == "inside":
            root = np.sqrt(second / correction2 + epsilon)
        else:
            root = np.sqrt(second) / math.sqrt(correction2) + epsilon
        return first * (rate / correction1) / root

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
