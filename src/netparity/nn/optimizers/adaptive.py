"""Rates scaled by the gradients seen so far: AdaGrad, RMSProp, Adadelta."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, final

import numpy as np

from netparity.errors import InputError
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

#: Where ε stands: ``√x + ε`` or ``√(x + ε)``.
Placement = Literal["outside", "inside"]


def _root(x: Array, epsilon: float, placement: Placement) -> Array:
    """The root that the gradient is divided by."""
    return np.sqrt(x) + epsilon if placement == "outside" else np.sqrt(x + epsilon)


@final
@dataclass(frozen=True, slots=True)
class AdaGrad(Optimizer):
    """AdaGrad: each rate divided by the root of the sum of the squared gradients.

    ``s ← s + g²``; outside ``w ← w − η g/(√s + ε)``; inside ``w ← w − η g/√(s + ε)``; η may be
    divided by ``1 + (t − 1) ρ`` in update t.

    Args:
        learning_rate: η.
        epsilon: ε.
        epsilon_placement: where ε stands.
        initial_accumulator: s before the first update.
        rate_decay: ρ.
        weight_decay: λ.
        decay: ``"coupled"`` ``g ← g + λ w``; ``"decoupled"`` ``w ← w − η λ w`` before the step.
        decay_scope: which parameters decay.

    State: slot ``accumulator``.

    Raises:
        InputError: a value is out of range, a word has no meaning, or ε and the initial
            accumulator are both 0, so that a gradient of 0 would be 0/0.

    Example:
        >>> optimizer = AdaGrad(0.5, epsilon=0.0, initial_accumulator=9.0)
        >>> w = {"w": np.array([1.0])}
        >>> w, state = optimizer.update(w, {"w": np.array([4.0])}, optimizer.initialize(w))
        >>> w["w"], state["accumulator"]["w"]
        (array([0.6]), array([25.]))

    Source: J. Duchi, E. Hazan, Y. Singer, "Adaptive subgradient methods for online learning and
    stochastic optimization", JMLR 12 (2011).

    **Parity** (`adagrad-accumulator-epsilon`, `keras-weight-decay-all-decoupled`): torch starts
    the sum at 0 with ε = 1e-10 outside, so that the first step is η sign(g); Keras, optax and
    TF 1 start it at 0.1, with ε = 1e-7 inside in the former two and none in TF 1. Only torch
    has a decay of the rate. Its weight decay is coupled, Keras's decoupled.
    """

    learning_rate: float
    epsilon: float = 1e-10
    epsilon_placement: Placement = "outside"
    initial_accumulator: float = 0.0
    rate_decay: float = 0.0
    weight_decay: float = 0.0
    decay: Decay = "coupled"
    decay_scope: Scope = "all"

    def __post_init__(self) -> None:
        """Checks the values."""
        check_word(self, "epsilon_placement", "outside", "inside")
        check_range(self, "epsilon", "initial_accumulator", "rate_decay")
        check_decay(self)
        if self.epsilon == 0.0 and self.initial_accumulator == 0.0:
            raise InputError(
                "AdaGrad: epsilon and initial_accumulator. Expected one of them above 0. "
                "Received: both 0",
                hint="a parameter whose gradient is 0 would be moved by 0/0",
            )

    @property
    def slots(self) -> tuple[str, ...]:
        """``accumulator``."""
        return ("accumulator",)

    def first_value(self, slot: str) -> float:
        """The initial accumulator."""
        return float(self.initial_accumulator)

    def rule(
        self,
        w: Array,
        gradient: Array,
        kept: Mapping[str, Array],
        step: int,
        learning_rate: float,
    ) -> tuple[Array, dict[str, Array]]:
        """Goes one scaled step down (see ``Optimizer.rule``)."""
        rate = learning_rate / (1.0 + (step - 1) * float(self.rate_decay))
        accumulator = kept["accumulator"] + gradient * gradient
        root = _root(accumulator, float(self.epsilon), self.epsilon_placement)
        return w - gradient * rate / root, {"accumulator": accumulator}


@final
@dataclass(frozen=True, slots=True)
class RMSProp(Optimizer):
    """RMSProp: each rate divided by the root of a running mean of the squared gradients.

    ``v ← ρ v + (1 − ρ) g²``; centered, with ``a ← ρ a + (1 − ρ) g``, v − a² stands for v in
    what follows; outside ``u = g/(√v + ε)``; inside ``u = g/√(v + ε)``. Then, with momentum μ,
    rate-outside ``b ← μ b + u``, ``w ← w − η b``; rate-inside ``b ← μ b + η u``, ``w ← w − b``
    (Nesterov: ``μ b + u`` or ``μ b + η u`` for b).

    Args:
        learning_rate: η.
        rho: ρ.
        momentum: μ; 0 means none.
        epsilon: ε.
        epsilon_placement: where ε stands.
        centered: whether v is taken about the running mean of the gradients.
        form: where the rate stands in the momentum.
        nesterov: whether to look ahead.
        initial_accumulator: v before the first update.
        bias_correction: whether v and a are divided by ``1 − ρᵗ``.
        weight_decay: λ.
        decay: ``"coupled"`` ``g ← g + λ w``; ``"decoupled"`` ``w ← w − η λ w`` before the step.
        decay_scope: which parameters decay.

    State: slot ``accumulator``; ``mean`` where centered, ``velocity`` where there is momentum.

    Raises:
        InputError: a value is out of range, or a word has no meaning.

    Example:
        >>> optimizer = RMSProp(0.5, rho=0.75, epsilon=0.0)
        >>> w = {"w": np.array([1.0])}
        >>> w, state = optimizer.update(w, {"w": np.array([4.0])}, optimizer.initialize(w))
        >>> w["w"], state["accumulator"]["w"]
        (array([0.]), array([4.]))

    Source: T. Tieleman, G. Hinton, "Lecture 6.5: rmsprop", Coursera, 2012; centered: A. Graves,
    "Generating sequences with recurrent neural networks", 2013.

    **Parity** (`rmsprop-epsilon-placement`, `rmsprop-initial-accumulator`, `rmsprop-centered`,
    `keras-weight-decay-all-decoupled`): ε is outside in torch and cs231n, inside in Keras, TF 1
    and optax; ρ is 0.99 in torch and cs231n, 0.9 elsewhere. TF 1 starts v at 1, the others at
    0. The rate stands outside the momentum in torch, inside in the others. torch takes the root
    of v − a² even where rounding has left it below 0, which gives NaN; here it is 0 then. Only
    optax has Nesterov and a bias correction. torch's weight decay is coupled, Keras's decoupled.
    """

    learning_rate: float
    rho: float = 0.9
    momentum: float = 0.0
    epsilon: float = 1e-8
    epsilon_placement: Placement = "outside"
    centered: bool = False
    form: Literal["rate-outside", "rate-inside"] = "rate-outside"
    nesterov: bool = False
    initial_accumulator: float = 0.0
    bias_correction: bool = False
    weight_decay: float = 0.0
    decay: Decay = "coupled"
    decay_scope: Scope = "all"

    def __post_init__(self) -> None:
        """Checks the values."""
        check_word(self, "epsilon_placement", "outside", "inside")
        check_word(self, "form", "rate-outside", "rate-inside")
        check_range(self, "rho", below=1.0)
        check_range(self, "momentum", "epsilon", "initial_accumulator")
        check_decay(self)

    @property
    def slots(self) -> tuple[str, ...]:
        """``accumulator``, and what else the switches ask for."""
        mean = ("mean",) if self.centered else ()
        velocity = ("velocity",) if self.momentum != 0.0 else ()
        return ("accumulator", *mean, *velocity)

    def first_value(self, slot: str) -> float:
        """The initial accumulator; 0 for the rest."""
        return float(self.initial_accumulator) if slot == "accumulator" else 0.0

    def rule(
        self,
        w: Array,
        gradient: Array,
        kept: Mapping[str, Array],
        step: int,
        learning_rate: float,
    ) -> tuple[Array, dict[str, Array]]:
        """Goes one scaled step down (see ``Optimizer.rule``)."""
        rho, momentum = float(self.rho), float(self.momentum)
        following = {
            "accumulator": kept["accumulator"] * rho + gradient * gradient * (1.0 - rho),
        }
        correction = 1.0 - rho**step if self.bias_correction else 1.0
        spread = following["accumulator"]
        spread = spread / correction if self.bias_correction else spread
        if self.centered:
            following["mean"] = mean = interpolated(kept["mean"], gradient, rho)
            mean = mean / correction if self.bias_correction else mean
            # Rounding may leave what is no less than 0 below it.
            spread = np.maximum(spread - mean * mean, 0.0)
        root = _root(spread, float(self.epsilon), self.epsilon_placement)
        if momentum == 0.0:
            return w - gradient * learning_rate / root, following
        inside = self.form == "rate-inside"
        scaled = gradient * learning_rate / root if inside else gradient / root
        following["velocity"] = velocity = kept["velocity"] * momentum + scaled
        ahead = velocity * momentum + scaled if self.nesterov else velocity
        return w - (ahead if inside else ahead * learning_rate), following


@final
@dataclass(frozen=True, slots=True)
class Adadelta(Optimizer):
    """Adadelta: RMSProp whose rate is the root of a running mean of the squared steps.

    ``v ← ρ v + (1 − ρ) g²``, ``u = g √(d + ε)/√(v + ε)``, ``d ← ρ d + (1 − ρ) u²``,
    ``w ← w − η u``.

    Args:
        learning_rate: η.
        rho: ρ.
        epsilon: ε.
        weight_decay: λ.
        decay: ``"coupled"`` ``g ← g + λ w``; ``"decoupled"`` ``w ← w − η λ w`` before the step.
        decay_scope: which parameters decay.

    State: slots ``accumulator`` (v) and ``step_accumulator`` (d).

    Raises:
        InputError: a value is out of range, or a word has no meaning.

    Example:
        >>> optimizer = Adadelta(0.5, rho=0.75, epsilon=1.0)
        >>> w = {"w": np.array([1.0])}
        >>> w, state = optimizer.update(w, {"w": np.array([2.0])}, optimizer.initialize(w))
        >>> w["w"] == 1.0 - 0.5 * 2.0 / np.sqrt(2.0)
        array([ True])

    Source: M. D. Zeiler, "ADADELTA: an adaptive learning rate method", 2012.

    **Parity** (`adadelta-form`, `keras-weight-decay-all-decoupled`): the same form everywhere,
    but η is 1 in the paper and torch, 0.001 in Keras and TF 1; ρ is 0.9 in torch and optax,
    0.95 in the other two; ε is 1e-6 in torch and optax, 1e-7 in Keras, 1e-8 in TF 1. torch's
    weight decay is coupled, Keras's decoupled.
    """

    learning_rate: float = 1.0
    rho: float = 0.9
    epsilon: float = 1e-6
    weight_decay: float = 0.0
    decay: Decay = "coupled"
    decay_scope: Scope = "all"

    def __post_init__(self) -> None:
        """Checks the values."""
        check_range(self, "rho", below=1.0)
        check_range(self, "epsilon")
        check_decay(self)

    @property
    def slots(self) -> tuple[str, ...]:
        """The running means of the squared gradients and of the squared steps."""
        return ("accumulator", "step_accumulator")

    def rule(
        self,
        w: Array,
        gradient: Array,
        kept: Mapping[str, Array],
        step: int,
        learning_rate: float,
    ) -> tuple[Array, dict[str, Array]]:
        """Goes one step down (see ``Optimizer.rule``)."""
        rho, epsilon = float(self.rho), float(self.epsilon)
        squares = kept["accumulator"] * rho + gradient * gradient * (1.0 - rho)
        steps = kept["step_accumulator"]
        scaled = np.sqrt(steps + epsilon) / np.sqrt(squares + epsilon) * gradient
        steps = steps * rho + scaled * scaled * (1.0 - rho)
        return w - scaled * learning_rate, {"accumulator": squares, "step_accumulator": steps}
