"""Muon: momentum made orthogonal."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Final, Literal, final

import numpy as np

from netparity.nn.arrays import Array
from netparity.nn.optimizers.adam import Adam
from netparity.nn.optimizers.base import (
    Decay,
    Optimizer,
    check_decay,
    check_range,
    check_word,
)
from netparity.nn.penalties import Scope

#: What moves biases and scales: at the same rate.
_OTHERS: Final = Adam(1.0)


@final
@dataclass(frozen=True, slots=True)
class Muon(Optimizer):
    """Muon: matrices move along a near-orthogonal version of their momentum.

    ``m ← μ m + (1 − μ) g``, ``X = m`` (Nesterov ``μ m + (1 − μ) g``), scaled to norm 1; then,
    ``steps`` times, with ``A = X Xᵀ`` for a wide X (``Xᵀ X`` for a tall one, from the right),
    ``X ← a X + (b A + c A²) X``, which brings the singular values near 1; and
    ``w ← w − η s X``. Parameters of another rank are moved by ``others``.

    Args:
        learning_rate: η.
        momentum: μ.
        nesterov: whether to look ahead.
        steps: how often the polynomial is applied.
        coefficients: a, b, c.
        epsilon: what the norm is kept from 0 by.
        epsilon_placement: ``"added"`` to the norm, or its ``"minimum"``.
        scale: s, for a matrix (inputs, outputs): ``"width"`` ``√max(1, outputs/inputs)``;
            ``"rms"`` ``0.2 √max(inputs, outputs)``, a step as long as Adam's; ``"none"`` 1.
        bias_correction: whether the mean is divided by ``1 − μᵗ``, and for Nesterov m by
            ``1 − μᵗ⁺¹`` and g by ``1 − μᵗ``.
        others: moves parameters that are no matrices, with its own constants but Muon's weight
            decay, and ``others.learning_rate`` times the rate.
        weight_decay: λ.
        decay: ``"coupled"`` ``g ← g + λ w``; ``"decoupled"`` ``w ← w − η λ w`` before the step.
        decay_scope: which parameters decay.

    State: slot ``momentum``, and those of ``others``.

    Raises:
        InputError: a value is out of range, or a word has no meaning.

    Example:
        >>> optimizer = Muon(1.0, nesterov=False)
        >>> w = {"w": np.zeros((2, 2))}
        >>> g = np.array([[0.0, 3.0], [-2.0, 0.0]])
        >>> optimizer.update(w, {"w": g}, optimizer.initialize(w))[0]["w"].round(1)
        array([[ 0. , -1.1],
               [ 0.7,  0. ]])

    Source: K. Jordan, "Muon: an optimizer for hidden layers in neural networks", 2024; scale
    ``"rms"``: J. Liu et al., "Muon is scalable for LLM training", 2025.

    **Parity** (`muon-defaults`): torch takes matrices alone, works out X in bfloat16 (so that
    its steps agree with any other's to about two digits), has scale ``"width"``, λ = 0.1 and
    the norm's minimum. Keras has ``"rms"``, λ = 0.004, and moves the rest by Adam (hat form),
    embeddings too. optax has ``"width"``, the bias correction, λ = 0, and moves the rest by
    NAdam with constant momentum, or by Adam without Nesterov. Keras sums up the momentum
    instead of averaging, which shows by ε alone: it counts 1 − μ as much. Inputs and outputs
    are those of the layer, whatever the layout.
    """

    learning_rate: float
    momentum: float = 0.95
    nesterov: bool = True
    steps: int = 5
    coefficients: tuple[float, float, float] = (3.4445, -4.7750, 2.0315)
    epsilon: float = 1e-7
    epsilon_placement: Literal["added", "minimum"] = "added"
    scale: Literal["width", "rms", "none"] = "width"
    bias_correction: bool = False
    others: Optimizer = _OTHERS
    weight_decay: float = 0.0
    decay: Decay = "decoupled"
    decay_scope: Scope = "all"
    elementwise: ClassVar[bool] = False

    def __post_init__(self) -> None:
        """Checks the values."""
        check_word(self, "epsilon_placement", "added", "minimum")
        check_word(self, "scale", "width", "rms", "none")
        check_range(self, "momentum", below=1.0)
        check_range(self, "epsilon", "steps")
        check_decay(self)

    @property
    def slots(self) -> tuple[str, ...]:
        """``momentum``, and what ``others`` keeps."""
        return ("momentum", *self.others.slots)

    def rule(
        self,
        w: Array,
        gradient: Array,
        kept: Mapping[str, Array],
        step: int,
        learning_rate: float,
    ) -> tuple[Array, dict[str, Array]]:
        """Goes one step of given singular values (see ``Optimizer.rule``)."""
        if w.ndim != 2 or w.size == 0:
            rate = learning_rate * float(self.others.learning_rate)
            moved, following = self.others.rule(w, gradient, kept, step, rate)
            return moved, {**kept, **following}
        mu = float(self.momentum)
        momentum = kept["momentum"] * mu + gradient * (1.0 - mu)
        x = self._direction(momentum, gradient, step)
        norm = float(np.linalg.norm(x))
        epsilon = float(self.epsilon)
        x = x / (norm + epsilon if self.epsilon_placement == "added" else max(norm, epsilon))
        x = _orthogonal(x, self.steps, self.coefficients)
        moved = w - x * (learning_rate * self._scale(*w.shape))
        return moved, {**kept, "momentum": momentum}

    def _direction(self, momentum: Array, gradient: Array, step: int) -> Array:
        """What is made orthogonal."""
        mu = float(self.momentum)
        if not self.nesterov:
            return momentum / (1.0 - mu**step) if self.bias_correction else momentum
        if not self.bias_correction:
            return momentum * mu + gradient * (1.0 - mu)
        of_gradient = (1.0 - mu) / (1.0 - mu**step)
        return momentum * (mu / (1.0 - mu ** (step + 1))) + gradient * of_gradient

    def _scale(self, inputs: int, outputs: int) -> float:
        """What the step is multiplied by for the shape's sake."""
        if self.scale == "width":
            return math.sqrt(max(1.0, outputs / inputs))
        return 0.2 * math.sqrt(max(inputs, outputs)) if self.scale == "rms" else 1.0


def _orthogonal(x: Array, steps: int, coefficients: tuple[float, float, float]) -> Array:
    """The matrix with its singular values, at most 1, brought near 1."""
    tall = x.shape[0] > x.shape[1]
    x = x.T if tall else x
    a, b, c = map(float, coefficients)
    for _ in range(steps):
        square = x @ x.T
        x = x * a + (square * b + square @ square * c) @ x
    return x.T if tall else x
