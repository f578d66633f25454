"""Constraints on parameters, put into force after each update."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, final

import numpy as np

from netparity.errors import InputError
from netparity.nn.arrays import FRESH, Array, Memory
from netparity.nn.penalties import Scope, in_scope


class Constraint(ABC):
    """A set that parameters are brought back into after each update.

    Attributes:
        scope: which parameters.
    """

    __slots__ = ()
    scope: Scope

    @abstractmethod
    def _constrain(self, name: str, array: Array, out: Array, memory: Memory) -> None:
        """Writes one parameter, constrained, to ``out``, which may be the parameter itself."""

    def apply(self, parameters: Mapping[str, Array]) -> dict[str, Array]:
        """The constrained parameters; changes none of those given.

        Args:
            parameters: all parameters by full name, float32 or float64.

        Returns:
            New arrays for the parameters in scope, in their shapes and dtypes; the others as
            they are.

        Raises:
            InputError: a parameter in scope has not the axes that are asked for.
        """
        constrained = dict(parameters)
        for name, array in parameters.items():
            if in_scope(self.scope, name):
                constrained[name] = np.empty_like(array)
                self._constrain(name, array, constrained[name], FRESH)
        return constrained

    def apply_in_place(self, parameters: Mapping[str, Array], *, memory: Memory = FRESH) -> None:
        """Constrains the parameters where they lie.

        Args:
            parameters: all parameters by full name, float32 or float64; those in scope are
                changed.
            memory: where arrays come from.

        Raises:
            InputError: a parameter in scope has not the axes that are asked for.
        """
        for name, array in parameters.items():
            if in_scope(self.scope, name):
                self._constrain(name, array, array, memory)


@final
@dataclass(frozen=True, slots=True)
class MaxNorm(Constraint):
    """Keeps the norm of the weights that feed a unit below a limit.

    With the norm ‖w‖ over ``axis``: ``w · min(‖w‖, limit)/(‖w‖ + ε)``, of all units, or of
    those only whose norm is beyond the limit.

    Args:
        limit: the largest norm.
        axis: the axes over which the norm is taken: 0, the inputs of an affine layer's
            weight (D, M); (0, 1, 2) for a convolution's (H, W, C, M); ``None``: all.
        epsilon: ε.
        rescale: whether units within the limit are multiplied by ``‖w‖/(‖w‖ + ε)`` too
            (``"all"``), or left as they are (``"beyond"``).
        scope: which parameters.

    Raises:
        InputError: the limit or ε is below 0, or a parameter in scope has not these axes.

    Example:
        >>> parameters = {"dense.weight": np.array([[3.0, 0.3], [4.0, 0.4]])}
        >>> MaxNorm(1.0, epsilon=0.0).apply(parameters)["dense.weight"]
        array([[0.6, 0.3],
               [0.8, 0.4]])

    Source: N. Srebro, A. Shraibman, "Rank, trace-norm and max-norm", COLT 2005; N. Srivastava
    et al., "Dropout: a simple way to prevent neural networks from overfitting", JMLR 15 (2014).

    **Parity**: Keras's ``MaxNorm`` rescales all, with ε 1e-7, so that
    weights shrink a little at every step; ``torch.renorm`` and ``nn.Embedding(max_norm=…)`` only
    those beyond the limit, with ε 1e-7, over all axes but the one they are given, of a weight
    that is (M, D); programs that divide by the norm have ε 0.
    """

    limit: float
    axis: int | tuple[int, ...] | None = 0
    epsilon: float = 1e-7
    rescale: Literal["all", "beyond"] = "all"
    scope: Scope = "weights"

    def __post_init__(self) -> None:
        """Checks the limit and ε."""
        if not (self.limit >= 0.0 and 0.0 <= self.epsilon < math.inf):
            raise InputError(
                f"MaxNorm: limit or epsilon out of range. Expected numbers of at least 0. "
                f"Received: {self.limit}, {self.epsilon}"
            )

    def _constrain(self, name: str, array: Array, out: Array, memory: Memory) -> None:
        """Multiplies each unit's weights by one factor."""
        axes = self._axes(name, array.ndim)
        column = tuple(1 if i in axes else size for i, size in enumerate(array.shape))
        place = memory.within(name)
        squares = np.square(array, out=place.empty("squares", array.shape, array.dtype))
        norms = place.empty("norms", column, array.dtype)
        np.sqrt(np.sum(squares, axis=axes, keepdims=True, out=norms), out=norms)
        factors = place.empty("factors", column, array.dtype)
        np.minimum(norms, float(self.limit), out=factors)
        beyond = np.greater(norms, factors, out=place.empty("beyond", column, bool))
        norms += float(self.epsilon)
        # A unit of zeros stays what it is, also where ε is 0.
        used = np.greater(norms, 0.0, out=place.empty("used", column, bool))
        np.divide(factors, norms, where=used, out=factors)
        if self.rescale == "beyond":
            np.copyto(factors, 1.0, where=np.logical_not(beyond, out=beyond))
        np.multiply(array, factors, out=out)

    def _axes(self, name: str, ndim: int) -> tuple[int, ...]:
        """The axes of a parameter, counted from its first."""
        given = range(ndim) if self.axis is None else np.atleast_1d(self.axis).tolist()
        axes = tuple(sorted(i % ndim if ndim else i for i in given if -ndim <= i < ndim))
        if len(set(axes)) != len(tuple(given)):
            raise InputError(
                f"MaxNorm: parameter {name!r} has other axes. Expected axis {self.axis} among "
                f"its {ndim}. Received: {self.axis}",
                hint="name the parameters that have them in scope=(…)",
            )
        return axes
