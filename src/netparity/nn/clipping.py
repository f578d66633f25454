"""Gradient clipping: gradients kept in bounds before an update."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, final

import numpy as np

from netparity.errors import InputError
from netparity.nn.arrays import Array, flat

#: Elements whose squares are summed in their own dtype; these sums are added in float64, so
#: that in float32 too the error does not grow with the size.
_BLOCK: Final = 8192


def norm(array: Array) -> float:
    """The Euclidean norm of all elements.

    Args:
        array: any shape, float32 or float64, in C order or a copy is made.

    Returns:
        The norm; of numbers too large to be squared as well, and infinite or NaN where one of
        them is.

    Example:
        >>> norm(np.array([[3.0, 4.0]]))
        5.0
    """
    elements = array.reshape(-1)
    with np.errstate(over="ignore", invalid="ignore"):
        squares = _squares(elements)
        if math.isfinite(squares) or not elements.size:
            return math.sqrt(squares)
        largest = float(np.abs(elements).max())
        if not math.isfinite(largest):
            return largest
        return largest * math.sqrt(_squares(elements / largest))


def global_norm(gradients: Mapping[str, Array]) -> float:
    """The Euclidean norm of all gradients taken together.

    Args:
        gradients: arrays by name, any shapes, float32 or float64.

    Example:
        >>> global_norm({"weight": np.full((2, 2), 2.0), "bias": np.array([3.0])})
        5.0
    """
    return math.hypot(*(norm(array) for array in gradients.values()))


def _squares(elements: Array) -> float:
    """The sum of squares."""
    total = 0.0
    for start in range(0, elements.size, _BLOCK):
        part = elements[start : start + _BLOCK]
        total += float(np.dot(part, part))
    return total


class Clipping(ABC):
    """A bound on gradients."""

    __slots__ = ()

    def clip(self, gradients: Mapping[str, Array]) -> dict[str, Array]:
        """The clipped gradients; the given ones are unchanged.

        Args:
            gradients: arrays by name, any shapes, float32 or float64.

        Returns:
            New arrays by the same names.
        """
        copies = {name: np.array(array, order="C") for name, array in gradients.items()}
        self.clip_in_place(copies)
        return copies

    @abstractmethod
    def clip_in_place(self, gradients: Mapping[str, Array]) -> None:
        """Writes the clipped gradients over the given ones.

        Args:
            gradients: C-contiguous arrays by name, any shapes, float32 or float64; changed.
        """


@final
@dataclass(frozen=True, slots=True)
class ClipByValue(Clipping):
    """Each element by itself: ``g ← min(max(g, −limit), limit)``.

    Args:
        limit: above 0.

    Raises:
        InputError: the limit is not above 0.

    Example:
        >>> ClipByValue(1.0).clip({"w": np.array([-3.0, 0.5])})["w"]
        array([-1. ,  0.5])

    Source: T. Mikolov, "Statistical language models based on neural networks", 2012.

    **Parity** (`grad-clip-value`): ``clip_grad_value_`` in torch, ``clipvalue`` in Keras (not
    together with a norm), ``optax.clip``.
    """

    limit: float

    def __post_init__(self) -> None:
        """Checks the limit."""
        _check_positive("ClipByValue", "limit", self.limit)

    def clip_in_place(self, gradients: Mapping[str, Array]) -> None:
        """Clips each element (see ``Clipping.clip_in_place``)."""
        limit = float(self.limit)
        for array in gradients.values():
            np.clip(array, -limit, limit, out=array)


@final
@dataclass(frozen=True, slots=True)
class ClipByNorm(Clipping):
    """The length of the gradient, its direction kept: ``g ← g · min(1, limit/(‖g‖ + ε))``.

    Args:
        limit: the largest norm, above 0.
        scope: ``"global"``: ‖g‖ is the norm of all gradients together, and all get one factor;
            ``"parameter"``: each is clipped by its own.
        epsilon: ε, at least 0.

    Raises:
        InputError: a value is out of range, or the scope has no meaning.

    Example:
        >>> gradients = {"a": np.array([3.0]), "b": np.array([4.0])}
        >>> clipped = ClipByNorm(2.5).clip(gradients)
        >>> clipped["a"], clipped["b"]
        (array([1.5]), array([2.]))
        >>> ClipByNorm(3.5, "parameter").clip(gradients)["a"]
        array([3.])

    Source: R. Pascanu, T. Mikolov, Y. Bengio, "On the difficulty of training recurrent neural
    networks", ICML 2013.

    **Parity** (`grad-clip-norm-scope`, `grad-clip-eps`): torch's ``clip_grad_norm_``, optax's
    ``clip_by_global_norm``, ``tf.clip_by_global_norm`` and Keras's ``global_clipnorm`` are
    global; Keras's ``clipnorm`` and ``tf.clip_by_norm`` take each parameter by itself. torch
    has ε = 1e-6, so that gradients at the limit, and by as much below it, shrink a little; the
    others have none. An infinite norm makes all gradients 0 or NaN, in torch and here; NaN in
    one makes all NaN.
    """

    limit: float
    scope: Literal["global", "parameter"] = "global"
    epsilon: float = 0.0

    def __post_init__(self) -> None:
        """Checks the values."""
        _check_positive("ClipByNorm", "limit", self.limit)
        if not self.epsilon >= 0.0:
            raise InputError(
                "ClipByNorm: epsilon out of range. Expected a number of at least 0. "
                f"Received: {self.epsilon!r}"
            )
        if self.scope not in ("global", "parameter"):
            raise InputError(
                "ClipByNorm: scope has no such setting. Expected 'global' or 'parameter'. "
                f"Received: {self.scope!r}"
            )

    def clip_in_place(self, gradients: Mapping[str, Array]) -> None:
        """Shortens what is too long (see ``Clipping.clip_in_place``)."""
        if self.scope == "global":
            buffer = flat(gradients)
            arrays = list(gradients.values()) if buffer is None else [buffer]
            self._shorten(arrays, math.hypot(*map(norm, arrays)))
            return
        for array in gradients.values():
            self._shorten([array], norm(array))

    def _shorten(self, arrays: list[Array], length: float) -> None:
        """Multiplies arrays by the factor for a norm."""
        divisor = length + float(self.epsilon)
        if divisor <= float(self.limit):
            return
        factor = float(self.limit) / divisor
        with np.errstate(invalid="ignore"):
            for array in arrays:
                np.multiply(array, factor, out=array)


def _check_positive(kind: str, name: str, value: float) -> None:
    """Refuses what is not above 0."""
    if not value > 0.0:
        raise InputError(
            f"{kind}: {name} out of range. Expected a number above 0. Received: {value!r}"
        )
