"""What a JAX function and a Flax model share: one program, its rates, and its author's steps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import jax
import numpy as np

from netparity.errors import CannotError, InputError
from netparity.implementations import jax_optax
from netparity.implementations.author import (
    Author,
    Authored,
    argument_names,
    check_function,
    weighing,
)
from netparity.implementations.base import Watched
from netparity.implementations.jax_program import Program
from netparity.implementations.own_step import OwnStep
from netparity.implementations.rates import Rates
from netparity.implementations.scaling import Adjusted

Array = np.ndarray[Any, np.dtype[Any]]

#: Arguments by which a function may be told the mode, and whether they mean training.
_MODES: Final = {"training": True, "train": True, "is_training": True, "deterministic": False}


class ProgramSide(Authored):
    """A side whose work is done by a ``Program``.

    Attributes:
        program: loss, penalty and optimizer as pure functions.
    """

    framework = "jax"
    has_plain_loss = False

    program: Program
    _rates: Rates
    _own_step: OwnStep | None

    @property
    def notes(self) -> list[str]:
        """Remarks for the report."""
        return self.program.notes

    @property
    def lifted(self) -> bool:
        """Whether it computes in float64 though it was handed over in another dtype."""
        return self.program.lifted

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of the first parameter."""
        return self.program.dtype

    @property
    def adjustment(self) -> Adjusted:
        """What ``adjust`` changed of the loss and the penalties."""
        return self.program.adjusted

    @property
    def has_penalty(self) -> bool:
        """Whether the author gave the penalty apart from the loss."""
        return self.program.penalty is not None

    @property
    def has_own_step(self) -> bool:
        """Whether a step is the author's own, in which nobody can change the loss."""
        return self._own_step is not None

    def loss_of(self, prediction: Array, y: Array) -> float:
        """The data loss of a prediction."""
        return self.program.loss_of(prediction, y)

    def end_epoch(self) -> None:
        """A schedule that counts epochs moves on."""
        self._rates.end_epoch()

    def watch(self, x: Array, y: Array, *, epochs: int, batch_size: int, limit: int) -> Watched:
        """Trains as the author does, and records."""
        with self.program.context():
            return super().watch(x, y, epochs=epochs, batch_size=batch_size, limit=limit)

    def _function(self, key: str) -> Callable[..., Any]:
        found: Callable[..., Any] = told_params(super()._function(key), self.program)
        return found


def check_arguments(name: str, callables: dict[str, Any], optimizer: Any) -> None:
    """Raises unless the functions are functions and the optimizer is one of optax's kind."""
    for key, function in callables.items():
        if function is not None:
            check_function(name, key, function)
    if optimizer is not None and not all(hasattr(optimizer, a) for a in ("init", "update")):
        raise InputError(
            f"{name}, optimizer: expected an optax transformation; received "
            f"{type(optimizer).__name__}",
            hint="for example optax.sgd(0.1)",
        )


def program_abilities(program: Program, author: Author) -> frozenset[str]:
    """What a program can do by its loss, penalty and optimizer, and what its author gave."""
    able = {"adjust", *author.abilities}
    able |= {"step"} if "train-step" in able else set()
    able |= {"weights"} if program.weighable else set()
    if program.loss is not None:
        able |= {"loss", "loss-of", "gradients"}
    if program.optimizer is not None:
        able.add("update")
        able |= {"step"} if program.loss is not None else set()
    if program.penalty is not None or program.adjusted.penalties is not None:
        able.add("penalty")
    return frozenset(able)


def program_texts(program: Program) -> dict[str, str]:
    """How the author writes loss, penalty and optimizer."""
    written = {} if program.optimizer is None else jax_optax.texts(program.optimizer)
    for key, function in (("loss", program.loss), ("penalties", program.penalty)):
        if function is not None:
            written[key] = str(getattr(function, "__name__", type(function).__name__)).strip("<>")
    return written


def refuse(draws: Sequence[Array] | None) -> None:
    """Raises where draws are to be fed: nobody knows what a function does with its key."""
    if draws is not None:
        raise CannotError("draws")


def make_own_step(
    step: OwnStep, program: Program, x: Array, y: Array, weights: Array | None
) -> None:
    """One step of the author's own, in the program's width."""
    author = program.author
    function = getattr(step.function, "function", step.function)
    counted = weighing(function, f"{author.name}, train_step", author.weights(y, weights))

    def arrays() -> Any:
        named = {key: program.array(value) for key, value in counted.items()}
        return (program.array(x), program.array(y)), named

    with program.context():
        step.call(arrays, lambda: ((np.array(x), np.array(y)), counted))
    program.key = jax.random.split(program.key)[0]


def told_params(function: Any, program: Program) -> Any:
    """A function of the author's, given the present parameters where it asks for them."""
    if "params" not in argument_names(function):
        return function
    return lambda *args: function(*args, params=program.params)


def mode_of(function: Any) -> Callable[[bool], dict[str, bool]]:
    """How a function is told the mode: its own argument for it, if it has one."""
    names = [name for name in _MODES if name in argument_names(function)]
    return lambda training: {name: training == _MODES[name] for name in names[:1]}
