"""Penalties on parameters that are part of the loss."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, final

import numpy as np

from netparity.errors import InputError
from netparity.nn.arrays import FRESH, Array, Memory

#: Elements that gradients are added to at a time: 64 KiB of float64, which stay in the cache.
_BLOCK = 8192

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
    """A term of the loss that depends on the parameters alone.

    Three fields are common to all: ``scope``, which parameters; ``scale_with_batch``, whether
    all of it is divided by the number of rows of the batch at hand.

    **Parity** (`sklearn-alpha-scaling`): only scikit-learn's neural networks divide by the
    batch, so that a partial batch is penalized more; with sample weights, by their sum.
    """

    __slots__ = ()
    scope: Scope
    scale_with_batch: bool

    @abstractmethod
    def _sum(self, array: Array, memory: Memory) -> float:
        """The penalty of one parameter, before any coefficient common to all."""

    @abstractmethod
    def _coefficient(self) -> float:
        """What the sum over all parameters is multiplied by."""

    @abstractmethod
    def _gradient(self, array: Array, divisor: float, out: Array) -> Array:
        """The gradient of one parameter, or of a part of it, divided; written to ``out``."""

    def value(
        self,
        parameters: Mapping[str, Array],
        *,
        rows: float | None = None,
        memory: Memory = FRESH,
    ) -> float:
        """The penalty.

        Args:
            parameters: all parameters by full name, any shapes, float32 or float64.
            rows: how many rows the batch has, for a penalty that scales with it.
            memory: where arrays come from.

        Returns:
            Its value.

        Raises:
            InputError: it scales with the batch, and there are no ``rows``.
        """
        divisor = self._divisor(rows)
        total = sum(
            self._sum(array, memory)
            for name, array in parameters.items()
            if in_scope(self.scope, name)
        )
        value = self._coefficient() * total
        return value / divisor if self.scale_with_batch else value

    def gradients(
        self, parameters: Mapping[str, Array], *, rows: float | None = None
    ) -> dict[str, Array]:
        """The gradients of the penalty.

        Args:
            parameters: all parameters by full name, any shapes, float32 or float64.
            rows: how many rows the batch has, for a penalty that scales with it.

        Returns:
            The gradient of each parameter in scope, in its shape and dtype.

        Raises:
            InputError: it scales with the batch, and there are no ``rows``.
        """
        divisor = self._divisor(rows)
        return {
            name: self._gradient(array, divisor, np.empty_like(array))
            for name, array in parameters.items()
            if in_scope(self.scope, name)
        }

    def add_gradients(
        self,
        parameters: Mapping[str, Array],
        gradients: Mapping[str, Array],
        *,
        rows: float | None = None,
        memory: Memory = FRESH,
    ) -> None:
        """Adds the gradients of the penalty to others, in place.

        Args:
            parameters: all parameters by full name, any shapes, float32 or float64.
            gradients: arrays by name, in the shapes and dtypes of the parameters; those of
                the parameters in scope are changed.
            rows: how many rows the batch has, for a penalty that scales with it.
            memory: where a small array comes from.

        Raises:
            InputError: it scales with the batch, and there are no ``rows``.

        Example:
            >>> gradients = {"dense.weight": np.array([[1.0]])}
            >>> L2(0.5).add_gradients({"dense.weight": np.array([[2.0]])}, gradients)
            >>> gradients["dense.weight"]
            array([[2.]])
        """
        divisor = self._divisor(rows)
        for name, array in parameters.items():
            if not in_scope(self.scope, name) or name not in gradients:
                continue
            gradient = gradients[name]
            if not (array.flags.c_contiguous and gradient.flags.c_contiguous):
                gradient += self._gradient(array, divisor, np.empty_like(array))
                continue
            values, sums = array.reshape(-1), gradient.reshape(-1)
            part = memory.empty("penalty", (min(_BLOCK, max(values.size, 1)),), array.dtype)
            for start in range(0, values.size, _BLOCK):
                block = values[start : start + _BLOCK]
                sums[start : start + _BLOCK] += self._gradient(block, divisor, part[: block.size])

    def _divisor(self, rows: float | None) -> float:
        """What everything is divided by."""
        if not self.scale_with_batch:
            return 1.0
        if rows is None or not rows > 0:
            raise InputError(
                f"{type(self).__name__}: a penalty that scales with the batch needs its rows. "
                f"Expected rows of at least 1. Received: {rows}",
                hint="pass rows=len(x), or leave out scale_with_batch",
            )
        return float(rows)


@final
@dataclass(frozen=True, slots=True)
class L2(Penalty):
    """The sum of squares.

    ``factor · coefficient · Σ w²``, gradient ``2 · factor · coefficient · w``.

    Args:
        coefficient: λ.
        factor: ½ or 1, by convention.
        scope: which parameters.
        scale_with_batch: whether it is divided by the rows of the batch.

    Example:
        >>> L2(0.5).value({"dense.weight": np.array([[2.0]]), "dense.bias": np.array([9.0])})
        1.0

    Source: A. Krogh, J. A. Hertz, "A simple weight decay can improve generalization",
    NIPS 1991.

    **Parity** (`l2-half-factor`, `weight-decay-bias`, `penalty-scope`,
    `sklearn-alpha-scaling`): factor ½ in cs231n, ``tf.nn.l2_loss``, ``optax.l2_loss`` and, by
    its effect, torch's ``weight_decay``; 1 in Keras's ``l2``. scikit-learn's α is
    ``L2(α, scale_with_batch=True)``: ½ α/B with the batch's size B. torch's decay covers all
    parameters, Keras's ``kernel_regularizer`` and scikit-learn only the weights.
    """

    coefficient: float
    factor: float = 0.5
    scope: Scope = "weights"
    scale_with_batch: bool = False

    def _sum(self, array: Array, memory: Memory) -> float:
        """``Σ w²``."""
        return float(np.vdot(array, array))

    def _coefficient(self) -> float:
        """``factor · coefficient``."""
        return float(self.factor) * float(self.coefficient)

    def _gradient(self, array: Array, divisor: float, out: Array) -> Array:
        """``2 · factor · coefficient · w``."""
        slope = 2.0 * float(self.factor) * float(self.coefficient) / divisor
        return np.multiply(array, slope, out=out)


@final
@dataclass(frozen=True, slots=True)
class L1(Penalty):
    """The sum of absolute values.

    ``factor · coefficient · Σ |w|``, gradient ``factor · coefficient · sign(w)``, 0 at 0.

    Args:
        coefficient: λ.
        factor: a further factor.
        scope: which parameters.
        scale_with_batch: whether it is divided by the rows of the batch.

    Example:
        >>> L1(0.5).gradients({"dense.weight": np.array([[2.0, -3.0]])})
        {'dense.weight': array([[ 0.5, -0.5]])}

    Source: R. Tibshirani, "Regression shrinkage and selection via the lasso", 1996.

    **Parity** (`l1-form`): Keras's ``l1(λ)`` is λΣ|w|. JAX takes the derivative 1 at 0.
    """

    coefficient: float
    factor: float = 1.0
    scope: Scope = "weights"
    scale_with_batch: bool = False

    def _sum(self, array: Array, memory: Memory) -> float:
        """``Σ |w|``."""
        return _absolute_sum(array, memory)

    def _coefficient(self) -> float:
        """``factor · coefficient``."""
        return float(self.factor) * float(self.coefficient)

    def _gradient(self, array: Array, divisor: float, out: Array) -> Array:
        """``factor · coefficient · sign(w)``."""
        np.sign(array, out=out)
        out *= float(self.factor) * float(self.coefficient) / divisor
        return out


@final
@dataclass(frozen=True, slots=True)
class ElasticNet(Penalty):
    """Absolute values and squares together.

    ``l1 Σ |w| + l2_factor · l2 Σ w²``, gradient ``l1 sign(w) + 2 · l2_factor · l2 w``.

    Args:
        l1: the coefficient of the absolute values.
        l2: that of the squares.
        l2_factor: ½ or 1, by convention.
        scope: which parameters.
        scale_with_batch: whether it is divided by the rows of the batch.

    Example:
        >>> ElasticNet(0.5, 0.25).value({"dense.weight": np.array([[2.0, -4.0]])})
        5.5

    Source: H. Zou, T. Hastie, "Regularization and variable selection via the elastic net",
    Journal of the Royal Statistical Society B 67 (2005).

    **Parity** (`l1-form`, `l2-half-factor`): Keras's ``L1L2(l1, l2)`` has ``l2_factor`` 1;
    scikit-learn's linear models mix one α by a ratio, the squares with ½: see ``mixed``.
    """

    l1: float
    l2: float
    l2_factor: float = 0.5
    scope: Scope = "weights"
    scale_with_batch: bool = False

    @classmethod
    def mixed(cls, alpha: float, l1_ratio: float, scope: Scope = "weights") -> ElasticNet:
        """The form of scikit-learn's linear models, ``α (ρ Σ |w| + ½ (1 − ρ) Σ w²)``.

        Args:
            alpha: α.
            l1_ratio: ρ, from 0 to 1.
            scope: which parameters.

        Raises:
            InputError: the ratio lies outside.
        """
        if not 0.0 <= l1_ratio <= 1.0:
            raise InputError(
                f"ElasticNet: l1_ratio out of range. Expected a number from 0 to 1. "
                f"Received: {l1_ratio}"
            )
        return cls(alpha * l1_ratio, alpha * (1.0 - l1_ratio), 0.5, scope)

    def _sum(self, array: Array, memory: Memory) -> float:
        """``l1 Σ |w| + l2_factor · l2 Σ w²``."""
        squares = float(self.l2_factor) * float(self.l2) * float(np.vdot(array, array))
        return float(self.l1) * _absolute_sum(array, memory) + squares

    def _coefficient(self) -> float:
        """None: the two parts have their own."""
        return 1.0

    def _gradient(self, array: Array, divisor: float, out: Array) -> Array:
        """``(2 · l2_factor · l2 · |w| + l1) sign(w)``."""
        np.abs(array, out=out)
        out *= 2.0 * float(self.l2_factor) * float(self.l2) / divisor
        out += float(self.l1) / divisor
        out *= np.sign(array)
        return out


def _absolute_sum(array: Array, memory: Memory) -> float:
    """``Σ |w|``."""
    if not array.flags.c_contiguous:
        return float(np.abs(array).sum())
    return float(np.abs(array, out=memory.empty("absolute", array.shape, array.dtype)).sum())
