"""What every optimizer is, and what all of them share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import numpy as np

from netparity.errors import InputError
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

    Attributes:
        elementwise: whether each element's update depends on that element alone, so that
            arrays may be updated in pieces, or several as one.
    """

    __slots__ = ()
    elementwise: ClassVar[bool] = True
    learning_rate: float
    weight_decay: float
    decay: Decay
    decay_scope: Scope

    @property
    @abstractmethod
    def slots(self) -> tuple[str, ...]:
        """The names of the arrays kept for each parameter."""

    def first_value(self, slot: str) -> float:
        """What a slot is filled with before the first update; 0 by default.

        Args:
            slot: one of ``slots``.
        """
        return 0.0

    @abstractmethod
    def rule(
        self,
        w: Array,
        gradient: Array,
        kept: Mapping[str, Array],
        step: int,
        learning_rate: float,
    ) -> tuple[Array, dict[str, Array]]:
        """The update of one parameter, apart from weight decay.

        Args:
            w: the parameter, float32 or float64; decoupled decay has been taken off.
            gradient: in its shape and dtype; coupled decay has been added.
            kept: each slot's array for it.
            step: which update it is, counted from 1.
            learning_rate: of this update.

        Returns:
            The new parameter and the new arrays of all slots; the old ones are unchanged.
        """

    def update(
        self,
        parameters: Mapping[str, Array],
        gradients: Mapping[str, Array],
        state: State,
        learning_rate: float | None = None,
    ) -> tuple[dict[str, Array], State]:
        """Makes one update; changes none of its arguments.

        Args:
            parameters: arrays by name, float32 or float64.
            gradients: arrays by name; a parameter that has none stays as it is, with what
                is kept for it.
            state: what ``initialize`` or the update before returned.
            learning_rate: of this update, say by a schedule; the optimizer's own without.

        Returns:
            The new parameters, in the shapes and dtypes of the old, and the new state.

        Raises:
            InputError: a gradient has no parameter, or another shape than it.
        """
        rate = float(self.learning_rate if learning_rate is None else learning_rate)
        weight_decay = float(self.weight_decay)
        step = state["step"] + 1
        slots = {slot: dict(state.get(slot, {})) for slot in self.slots}
        updated = dict(parameters)
        for name, gradient in gradients.items():
            w = parameters.get(name)
            if w is None or w.shape != gradient.shape:
                raise _unfitting(name, w, gradient, parameters)
            kept = {
                slot: arrays[name] if name in arrays else self._filled(slot, w)
                for slot, arrays in slots.items()
            }
            if weight_decay != 0.0 and in_scope(self.decay_scope, name):
                w, gradient = _decayed(w, gradient, self.decay, weight_decay, rate)
            updated[name], kept = self.rule(w, gradient, kept, step, rate)
            for slot, array in kept.items():
                slots[slot][name] = array
        return updated, {**state, **slots, "step": step}

    def initialize(self, parameters: Mapping[str, Array]) -> State:
        """The state before the first update: step 0, and the first values in every slot.

        Args:
            parameters: arrays by name, float32 or float64.

        Returns:
            The state.
        """
        return {
            "step": 0,
            **{
                slot: {name: self._filled(slot, array) for name, array in parameters.items()}
                for slot in self.slots
            },
        }

    def _filled(self, slot: str, w: Array) -> Array:
        """A slot's first array for a parameter."""
        return np.full_like(w, self.first_value(slot))


def _decayed(
    parameter: Array, gradient: Array, decay: Decay, weight_decay: float, learning_rate: float
) -> tuple[Array, Array]:
    """Parameter and gradient after weight decay, in Keras's order of operations."""
    if decay == "coupled":
        return parameter, gradient + parameter * weight_decay
    return parameter - parameter * weight_decay * learning_rate, gradient


def _unfitting(
    name: str, w: Array | None, gradient: Array, parameters: Mapping[str, Array]
) -> InputError:
    """A gradient that goes with no parameter."""
    expected = f"one of {sorted(parameters)}" if w is None else f"shape {w.shape}"
    return InputError(
        f"gradient {name!r} does not fit the parameters. Expected {expected}. "
        f"Received: shape {gradient.shape}"
    )


def interpolated(average: Array, value: Array, beta: float) -> Array:
    """``β average + (1 − β) value``, from the nearer end, as torch's ``lerp`` does it.

    Args:
        average: any shape.
        value: of that shape.
        beta: the weight of the average, from 0 to 1.

    Only thus is the result exact at both ends: at β = 0 and where the two are equal.
    """
    if 1.0 - beta < 0.5:
        return average + (value - average) * (1.0 - beta)
    return value - (value - average) * beta


def check_decay(optimizer: Optimizer) -> None:
    """Refuses a weight decay that has no meaning.

    Args:
        optimizer: any.

    Raises:
        InputError: ``weight_decay`` is negative, or ``decay`` is no word for it.
    """
    check_word(optimizer, "decay", "coupled", "decoupled")
    check_range(optimizer, "weight_decay")


def check_word(optimizer: Optimizer, name: str, *expected: str) -> None:
    """Refuses a switch that is set to a word of no meaning.

    Args:
        optimizer: whose switch.
        name: the field.
        *expected: the words that have a meaning.

    Raises:
        InputError: it is none of them.
    """
    word = getattr(optimizer, name)
    if word not in expected:
        raise InputError(
            f"{type(optimizer).__name__}: {name} has no such setting. "
            f"Expected one of {', '.join(map(repr, expected))}. Received: {word!r}"
        )


def check_range(
    optimizer: Optimizer, *names: str, low: float = 0.0, below: float = float("inf")
) -> None:
    """Refuses constants out of range.

    Args:
        optimizer: whose constants.
        *names: the fields.
        low: the least value allowed.
        below: what it must stay under.

    Raises:
        InputError: one of them lies outside.
    """
    for name in names:
        value = getattr(optimizer, name)
        if not low <= value < below:
            ends = (
                f"at least {low:g}" if below == float("inf") else f"from {low:g} to below {below:g}"
            )
            raise InputError(
                f"{type(optimizer).__name__}: {name} out of range. Expected a number {ends}. "
                f"Received: {value!r}"
            )
