"""Penalties on parameters that are part of the loss."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, final

import numpy as np

from netparity.nn.arrays import Array

#: Which parameters: those whose name ends in ``weight``, all, or those listed by full name.
Scope = Literal["weights", "all"] | tuple[str, ...]


def in_scope(scope: Scope, name: str) -> bool:
    """Whether a scope covers a parameter.

    Args:
        scope: ``"weights"`` (names whose last part ends in ``weight``), ``"all"``, or names.
        name: the parameter's full name, ``"<layer>.<parameter>"``.

    Returns:
        Whether it is covered.

    Example:
        >>> in_scope("weights", "dense1.weight"), in_scope("weights", "dense1.bias")
        (True, False)
    """
    if scope == "all":
        return True
    if scope == "weights":
        return name.endswith("weight")
    return name in scope


class Penalty(ABC):
    """A term of the loss that depends on the parameters alone."""

    __slots__ = ()

    @abstractmethod
    def value(self, parameters: Mapping[str, Array]) -> float:
        """The penalty.

        Args:
            parameters: all parameters by full name, any shapes, float32 or float64.

        Returns:
            Its value.
        """

    @abstractmethod
    def gradients(self, parameters: Mapping[str, Array]) -> dict[str, Array]:
        """The gradients of the penalty.

        Args:
            parameters: all parameters by full name, any shapes, float32 or float64.

        Returns:
            The gradient of each parameter in scope, in its shape and dtype.
        """


@final
@dataclass(frozen=True, slots=True)
class L2(Penalty):
    """The sum of squares.

    ``factor · coefficient · Σ w²``, gradient ``2 · factor · coefficient · w``.

    Args:
        coefficient: λ.
        factor: ½ or 1, by convention.
        scope: which parameters.

    Example:
        >>> L2(0.5).value({"dense.weight": np.array([[2.0]]), "dense.bias": np.array([9.0])})
        1.0

    Source: A. Krogh, J. A. Hertz, "A simple weight decay can improve generalization",
    NIPS 1991.

    **Parity** (`l2-half-factor`, `weight-decay-bias`, `penalty-scope`): factor ½ in cs231n,
    ``tf.nn.l2_loss``, ``optax.l2_loss`` and, by its effect, torch's ``weight_decay``; 1 in
    Keras's ``l2``. scikit-learn: ½ α/B with the batch's size B. torch's decay covers all
    parameters, Keras's ``kernel_regularizer`` and scikit-learn only the weights.
    """

    coefficient: float
    factor: float = 0.5
    scope: Scope = "weights"

    def value(self, parameters: Mapping[str, Array]) -> float:
        """``factor · coefficient · Σ w²`` (see ``Penalty.value``)."""
        squares = (
            float(np.vdot(array, array))
            for name, array in parameters.items()
            if in_scope(self.scope, name)
        )
        return float(self.factor) * float(self.coefficient) * sum(squares)

    def gradients(self, parameters: Mapping[str, Array]) -> dict[str, Array]:
        """``2 · factor · coefficient · w`` (see ``Penalty.gradients``)."""
        slope = 2.0 * float(self.factor) * float(self.coefficient)
        return {
            name: slope * array for name, array in parameters.items() if in_scope(self.scope, name)
        }


@final
@dataclass(frozen=True, slots=True)
class L1(Penalty):
    """The sum of absolute values.

    ``factor · coefficient · Σ |w|``, gradient ``factor · coefficient · sign(w)``, 0 at 0.

    Args:
        coefficient: λ.
        factor: a further factor.
        scope: which parameters.

    Example:
        >>> L1(0.5).gradients({"dense.weight": np.array([[2.0, -3.0]])})
        {'dense.weight': array([[ 0.5, -0.5]])}

    Source: R. Tibshirani, "Regression shrinkage and selection via the lasso", 1996.

    **Parity** (`l1-form`): Keras's ``l1(λ)`` is λΣ|w|. JAX takes the derivative 1 at 0.
    """

    coefficient: float
    factor: float = 1.0
    scope: Scope = "weights"

    def value(self, parameters: Mapping[str, Array]) -> float:
        """``factor · coefficient · Σ |w|`` (see ``Penalty.value``)."""
        sums = (
            float(np.abs(array).sum())
            for name, array in parameters.items()
            if in_scope(self.scope, name)
        )
        return float(self.factor) * float(self.coefficient) * sum(sums)

    def gradients(self, parameters: Mapping[str, Array]) -> dict[str, Array]:
        """``factor · coefficient · sign(w)`` (see ``Penalty.gradients``)."""
        slope = float(self.factor) * float(self.coefficient)
        return {
            name: slope * np.sign(array)
            for name, array in parameters.items()
            if in_scope(self.scope, name)
        }
