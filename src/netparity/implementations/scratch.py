"""A program written from scratch in NumPy: plain functions and live arrays."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Unpack

import numpy as np

from netparity import randomness
from netparity.conventions import Conventions
from netparity.errors import CannotError, InputError
from netparity.implementations.author import (
    Authored,
    Options,
    argument_names,
    check_function,
    read_options,
    weighing,
    weights_argument,
)
from netparity.implementations.base import Loss, Values
from netparity.implementations.rates import Rates
from netparity.implementations.reachable import Kept, Reachable
from netparity.implementations.values import (
    as_array,
    as_arrays,
    as_number,
    put_back,
    same_bits,
    snapshot,
)

Array = np.ndarray[Any, np.dtype[Any]]

#: Arguments by which an update or a step may be told the learning rate.
_RATES: Final = ("learning_rate", "lr", "rate")
#: The streams a NumPy program may draw from without owning them.
_STREAMS = ("python", "numpy")


@dataclass(frozen=True, slots=True)
class ScratchState:
    """Everything a run of a from-scratch program changes, as far as it is known."""

    parameters: Mapping[str, Any]
    buffers: Any
    kept: Any
    reached: Kept
    streams: randomness.GlobalRandomStates
    count: int = 0


class Scratch(Authored):
    """A network written from scratch, as the functions and arrays its author has.

    A function with a ``training`` argument is told the mode; one without means inference for
    ``predict`` and training for the rest. An ``update`` or ``step`` with an argument
    ``learning_rate`` (``lr``, ``rate``) is told the rate of the ``schedule``, and a function
    with an argument ``weights`` (``weight``, ``sample_weight``) those of the rows. What is not
    given is not checked, and the report says so.

    Args:
        parameters: name → live array. The program may update the arrays in place or rebind
            the mapping's entries; the mapping is read afresh each time.
        buffers: name → live array of running statistics.
        state: name → live array or number (velocities, step counters); may be nested. What the
            functions reach as globals, in closures or on their objects is found without.
        predict: ``predict(x) → (N, …)``.
        loss: ``loss(x, y) → number``, penalties included.
        gradients: ``gradients(x, y) → {name: array}`` of that loss; may name fewer parameters.
        update: ``update(gradients)``, one update of the parameters.
        step: ``step(x, y)``, one whole training step; by default ``update(gradients(x, y))``.
        activations: ``activations(x) → {name: array}``, each layer's output, in order.
        penalty: ``penalty() → number``, the part that ``loss`` and ``gradients`` contain.
        name: what to call it in the report.
        **options: see ``Options``; ``train_step`` is another name of ``step`` here.

    Raises:
        InputError: a parameter is no array of numbers, or an argument cannot be used.

    Example:
        >>> import numpy as np
        >>> w = np.array([[2.0], [1.0]])
        >>> side = Scratch(parameters={"w": w}, predict=lambda x: x @ w)
        >>> side.predict(np.array([[1.0, 1.0]]))
        array([[3.]])
        >>> side.set_parameters({"w": np.array([[0.0], [1.0]])})
        >>> w.ravel()
        array([0., 1.])
    """

    framework = "numpy"

    def __init__(
        self,
        *,
        parameters: Mapping[str, Any],
        predict: Callable[..., Any],
        buffers: Mapping[str, Any] | None = None,
        state: Mapping[str, Any] | None = None,
        loss: Callable[..., Any] | None = None,
        gradients: Callable[..., Mapping[str, Any]] | None = None,
        update: Callable[[dict[str, Array]], Any] | None = None,
        step: Callable[..., Any] | None = None,
        activations: Callable[..., Mapping[str, Any]] | None = None,
        penalty: Callable[[], Any] | None = None,
        name: str | None = None,
        **options: Unpack[Options],
    ) -> None:
        self.name = name or "scratch"
        self.version = np.__version__
        self._parameters = parameters
        self._buffers = {} if buffers is None else buffers
        self._kept = {} if state is None else state
        self.author = read_options(self.name, options)
        own = self.author.functions.get("train_step")
        if own is not None and step is not None:
            raise InputError(f"{self.name}: expected step or train_step; received both")
        self._functions: dict[str, Callable[..., Any]] = {
            key: function
            for key, function in {
                "predict": predict, "loss": loss, "gradients": gradients, "update": update,
                "step": step or own, "activations": activations, "penalty": penalty,
            }.items()
            if function is not None
        }  # fmt: skip
        self._check()
        sizes = sum(as_array(value).size for value in parameters.values())
        self._reach = Reachable((*self._functions.values(), *self.author.functions.values()), sizes)
        self._told = {key: "training" in argument_names(f) for key, f in self._functions.items()}
        self._rates = Rates(
            self.author.schedule, self.author.schedule_every, lambda: 0.0, self._tell, self.name
        )
        self._rate: float | None = None

    def _check(self) -> None:
        where = f"{self.name}"
        if not isinstance(self._parameters, Mapping) or not self._parameters:
            raise InputError(
                f"{where}, parameters: expected a mapping {{name: array}} with at least one entry; "
                f"received {type(self._parameters).__name__} {self._parameters!r:.60}"
            )
        for name, value in self._parameters.items():
            if not isinstance(value, (np.ndarray, np.number, int, float)) or (
                as_array(value).dtype.kind not in "fiu"
            ):
                raise InputError(
                    f"{where}, parameters, {name!r}: expected an array of numbers; received "
                    f"{type(value).__name__}",
                    hint="one NumPy array for each name; nested lists cannot be live",
                )
        for key, function in self._functions.items():
            check_function(where, key, function)

    # ---- read -------------------------------------------------------------------------
    @property
    def abilities(self) -> frozenset[str]:
        """What was given; a step also where there are gradients and an update."""
        given = set(self._functions) - {"predict"}
        if {"gradients", "update"} <= given:
            given.add("step")
        if weights_argument(self._functions.get("loss")) is not None:
            given.add("weights")
        return frozenset(given | self.author.abilities)

    @property
    def dtype(self) -> np.dtype[Any]:
        """The widest floating dtype among the parameters."""
        kinds = [as_array(value).dtype for value in self._parameters.values()]
        floating = [kind for kind in kinds if kind.kind == "f"]
        return np.result_type(*floating) if floating else np.dtype(np.float64)

    def parameters(self) -> Values:
        """Copies of the parameters, in the mapping's order and in the program's layout."""
        return {str(name): np.array(as_array(v)) for name, v in self._parameters.items()}

    def declared(self, x: Array) -> Conventions:
        """Its schedule, if it was given one: of all else a from-scratch program says nothing."""
        return self._rates.applied_to(Conventions())

    # ---- drive ------------------------------------------------------------------------
    def set_parameters(self, values: Mapping[str, Array]) -> None:
        """Writes parameters into the live arrays, or rebinds the entry where it cannot."""
        for name, value in values.items():
            if name not in self._parameters:
                raise InputError(
                    f"{self.name}, parameters: expected one of {', '.join(self._parameters)}; "
                    f"received {name!r}"
                )
            live = self._parameters[name]
            if as_array(live).shape != np.shape(value):
                raise InputError(
                    f"{self.name}, parameters, {name!r}: expected shape "
                    f"{as_array(live).shape}; received {np.shape(value)}"
                )
            self._write(name, np.asarray(value))

    def _write(self, name: str, value: Any) -> None:
        live = self._parameters[name]
        if isinstance(live, np.ndarray) and live.flags.writeable:
            live[...] = value
        elif isinstance(self._parameters, MutableMapping):
            array = np.array(value)
            self._parameters[name] = array if isinstance(live, np.ndarray) else array[()]
        else:
            raise InputError(
                f"{self.name}, parameters, {name!r}: expected an array that can be written; "
                f"received a read-only one in a {type(self._parameters).__name__}"
            )

    def buffers(self) -> Values:
        """Copies of the running statistics."""
        return as_arrays(self._buffers, f"{self.name}, buffers")

    def set_buffers(self, values: Mapping[str, Array]) -> None:
        """Writes running statistics, in place where they can be written."""
        put_back(self._buffers, {**snapshot(self._buffers), **values})

    def moved_buffers(self, x: Array, *, draws: Sequence[Array] | None = None) -> Values:
        """The running statistics after ``predict`` in training mode, where it takes the mode."""
        _refuse(draws)
        if not self._told.get("predict"):
            raise CannotError("predict in training mode")
        with self._aside():
            self._call("predict", True, x)
            return self.buffers()

    def state(self) -> ScratchState:
        """Copies of parameters, buffers and state, and of the global random streams."""
        return ScratchState(
            parameters=snapshot(self._parameters),
            buffers=snapshot(self._buffers),
            kept=snapshot(self._kept),
            reached=self._reach.snapshot(),
            streams=randomness.capture(_STREAMS),
            count=self._rates.state(),
        )

    def restore(self, state: Any) -> None:
        """Puts all of it back, in place."""
        for name, value in state.parameters.items():
            live = self._parameters[name]
            if isinstance(live, np.ndarray) and live.shape != np.shape(value):
                self._rebind(name, np.array(value))
            else:
                self._write(name, value)
        put_back(self._buffers, state.buffers)
        put_back(self._kept, state.kept)
        self._reach.put_back(state.reached)
        self._rates.restore(state.count)
        state.streams.restore()

    def _rebind(self, name: str, value: Array) -> None:
        if isinstance(self._parameters, MutableMapping):
            self._parameters[name] = value

    def predict(
        self, x: Array, *, training: bool = False, draws: Sequence[Array] | None = None
    ) -> Array:
        """Predictions; in training mode only where ``predict`` takes the mode."""
        _refuse(draws)
        if training and not self._told["predict"]:
            raise CannotError("predict in training mode")
        with self._aside():
            return np.array(as_array(self._call("predict", training, np.array(x))))

    def activations(
        self, x: Array, *, training: bool = False, draws: Sequence[Array] | None = None
    ) -> Values:
        """What the program's own ``activations`` returns."""
        _refuse(draws)
        with self._aside():
            values = self._activations(x, training)
        if training or self._told["activations"]:
            return values
        with self._aside(), self._other_numbers("activations"):
            again = self._activations(x, training)
        if all(same_bits(value, again[key]) for key, value in values.items() if key in again):
            return values
        raise CannotError("activations in inference mode")

    def _activations(self, x: Array, training: bool) -> Values:
        values = self._call("activations", training, np.array(x))
        return as_arrays(values, f"{self.name}, activations")

    def loss(
        self, x: Array, y: Array, *, training: bool = True, draws: Sequence[Array] | None = None,
        weights: Array | None = None,
    ) -> Loss:  # fmt: skip
        """The program's loss, and its penalty where that was given."""
        _refuse(draws)
        if "loss" not in self._functions:
            raise CannotError("loss")
        with self._aside():
            total = self._loss(x, y, training, weights)
            penalty = None
            if "penalty" in self._functions:
                penalty = as_number(self._functions["penalty"](), f"{self.name}, penalty")
        if not training and not self._told["loss"]:
            with self._aside(), self._other_numbers("loss"):
                if self._loss(x, y, training, weights) != total:
                    raise CannotError("loss in inference mode")
        if penalty is None:
            return Loss(total)
        return Loss(total, data=total - penalty, penalty=penalty)

    def _loss(self, x: Array, y: Array, training: bool, weights: Array | None) -> float:
        counted = self._counted("loss", y, weights)
        value = self._call("loss", training, np.array(x), np.array(y), **counted)
        return as_number(value, f"{self.name}, loss")

    def gradients(
        self, x: Array, y: Array, *, draws: Sequence[Array] | None = None,
        weights: Array | None = None,
    ) -> Values:  # fmt: skip
        """The program's gradients of that loss, in training mode."""
        _refuse(draws)
        with self._aside():
            return self._gradients(x, y, weights)

    def _gradients(self, x: Array, y: Array, weights: Array | None) -> Values:
        counted = self._counted("gradients", y, weights)
        values = as_arrays(
            self._call("gradients", True, np.array(x), np.array(y), **counted),
            f"{self.name}, gradients",
        )
        for name, value in values.items():
            if name not in self._parameters:
                raise InputError(
                    f"{self.name}, gradients: expected names among "
                    f"{', '.join(self._parameters)}; received {name!r}"
                )
            shape = as_array(self._parameters[name]).shape
            if value.shape != shape and value.size == int(np.prod(shape)):
                values[name] = value.reshape(shape)
        return values

    def update(self, gradients: Mapping[str, Array]) -> None:
        """The program's own update, on copies of the gradients given."""
        self._rates.before_step()
        self._update(gradients)
        self._rates.after_step()

    def _update(self, gradients: Mapping[str, Array]) -> None:
        copies = {name: np.array(value) for name, value in gradients.items()}
        self._function("update")(copies, **self._rate_of("update"))

    def step(
        self, x: Array, y: Array, *, draws: Sequence[Array] | None = None,
        weights: Array | None = None,
    ) -> None:  # fmt: skip
        """One whole step of the program; its random streams move on as they would."""
        _refuse(draws)
        self._rates.before_step()
        if "step" in self._functions:
            told = {**self._rate_of("step"), **self._counted("step", y, weights)}
            self._call("step", True, np.array(x), np.array(y), **told)
        else:
            self._update(self._gradients(x, y, weights))
        self._rates.after_step()

    def end_epoch(self) -> None:
        """A schedule that counts epochs moves on."""
        self._rates.end_epoch()

    # ---- how the functions are called ---------------------------------------------------
    def _function(self, key: str) -> Callable[..., Any]:
        return self._functions[key] if key in self._functions else super()._function(key)

    def _call(self, key: str, training: bool, *arguments: Array, **told: Any) -> Any:
        mode = {"training": training} if self._told.get(key) else {}
        return self._function(key)(*arguments, **mode, **told)

    def _tell(self, rate: float) -> None:
        self._rate = rate

    def _rate_of(self, key: str) -> dict[str, float]:
        """The rate of the schedule, as the argument that a function has for it."""
        known = argument_names(self._functions.get(key))
        names = [name for name in _RATES if name in known]
        return {names[0]: self._rate} if names and self._rate is not None else {}

    def _counted(self, key: str, y: Array, weights: Array | None) -> dict[str, Array]:
        """How much the rows count, as the argument that a function has for it."""
        counted = self.author.weights(y, weights)
        return weighing(self._function(key), f"{self.name}, {key}", counted)

    @contextlib.contextmanager
    def _other_numbers(self, key: str) -> Iterator[None]:
        """Other random numbers, under which a function without a mode shows its dropout.

        A program that keeps running statistics may differ between the modes without them.
        """
        if self._buffers:
            raise CannotError(f"{key} in inference mode")
        for stream in _STREAMS:
            randomness.seed(stream, 1)
        yield

    @contextlib.contextmanager
    def _aside(self) -> Iterator[None]:
        """Keeps a look from moving random streams, running statistics or kept state."""
        streams = randomness.capture(_STREAMS)
        buffers, kept = snapshot(self._buffers), snapshot(self._kept)
        reached = self._reach.snapshot()
        try:
            yield
        finally:
            streams.restore()
            put_back(self._buffers, buffers)
            put_back(self._kept, kept)
            self._reach.put_back(reached)


def _refuse(draws: Sequence[Array] | None) -> None:
    """A from-scratch program draws its own masks."""
    if draws:
        raise CannotError("draws")
