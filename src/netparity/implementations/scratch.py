"""A program written from scratch in NumPy: plain functions and live arrays."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from netparity import randomness
from netparity.conventions import Conventions
from netparity.errors import CannotError, InputError
from netparity.implementations.base import Implementation, Loss, Values, Watched
from netparity.implementations.values import (
    as_array,
    as_arrays,
    as_number,
    put_back,
    same_bits,
    snapshot,
)
from netparity.implementations.watching import Batches, Every, Report, Result, watch_loop

Array = np.ndarray[Any, np.dtype[Any]]
Validation = Callable[[Array, Array], tuple[Array, Array]]

#: The streams a NumPy program may draw from without owning them.
_STREAMS = ("python", "numpy")


@dataclass(frozen=True, slots=True)
class ScratchState:
    """Everything a run of a from-scratch program changes, as far as it is known."""

    parameters: Mapping[str, Any]
    buffers: Any
    kept: Any
    streams: randomness.GlobalRandomStates


class Scratch(Implementation):
    """A network written from scratch, as the functions and arrays its author has.

    A function with a ``training`` argument is told the mode; one without means inference for
    ``predict`` and training for the rest. What is not given is not checked, and the report
    says so.

    Args:
        parameters: name → live array. The program may update the arrays in place or rebind
            the mapping's entries; the mapping is read afresh each time.
        buffers: name → live array of running statistics.
        state: name → live array or number (velocities, step counters); may be nested.
        predict: ``predict(x) → (N, …)``.
        loss: ``loss(x, y) → number``, penalties included.
        gradients: ``gradients(x, y) → {name: array}`` of that loss; may name fewer parameters.
        update: ``update(gradients)``, one update of the parameters.
        step: ``step(x, y)``, one whole training step; by default ``update(gradients(x, y))``.
        activations: ``activations(x) → {name: array}``, each layer's output, in order.
        batches: ``batches(x, y, epoch) → iterable of (x, y)``; by default rows in order.
        report: ``report(x, y) → {name: value}``, what the program prints.
        report_every: ``"step"`` (with that batch) or ``"epoch"`` (with all data).
        result: ``result() → {name: array}``, the parameters handed over in the end.
        validation: ``validation(x, y) → (x, y)``, the rows held out.
        penalty: ``penalty() → number``, the part that ``loss`` and ``gradients`` contain.
        name: what to call it in the report.

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
        batches: Batches | None = None,
        report: Report | None = None,
        report_every: Every = "step",
        result: Result | None = None,
        validation: Validation | None = None,
        penalty: Callable[[], Any] | None = None,
        name: str | None = None,
    ) -> None:
        self.name = name or "scratch"
        self.version = np.__version__
        self._parameters = parameters
        self._buffers = {} if buffers is None else buffers
        self._kept = {} if state is None else state
        self._functions: dict[str, Callable[..., Any]] = {
            key: function
            for key, function in {
                "predict": predict, "loss": loss, "gradients": gradients, "update": update,
                "step": step, "activations": activations, "batches": batches,
                "report": report, "result": result, "validation": validation,
                "penalty": penalty,
            }.items()
            if function is not None
        }  # fmt: skip
        self._report_every: Every = report_every
        self._check()
        self._told = {key: _takes(f, "training") for key, f in self._functions.items()}

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
            if not callable(function):
                raise InputError(
                    f"{where}, {key}: expected a function; received {type(function).__name__}"
                )
        if self._report_every not in ("step", "epoch"):
            raise InputError(
                f"{where}, report_every: expected 'step' or 'epoch'; received "
                f"{self._report_every!r}"
            )

    # ---- read -------------------------------------------------------------------------
    @property
    def abilities(self) -> frozenset[str]:
        """What was given; a step also where there are gradients and an update."""
        given = set(self._functions) - {"predict"}
        if {"gradients", "update"} <= given:
            given.add("step")
        return frozenset(given)

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
        """Nothing: a from-scratch program declares nothing, everything is measured."""
        return Conventions()

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
            streams=randomness.capture(_STREAMS),
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
        self, x: Array, y: Array, *, training: bool = True, draws: Sequence[Array] | None = None
    ) -> Loss:
        """The program's loss, and its penalty where that was given."""
        _refuse(draws)
        if "loss" not in self._functions:
            raise CannotError("loss")
        with self._aside():
            total = self._loss(x, y, training)
            penalty = None
            if "penalty" in self._functions:
                penalty = as_number(self._functions["penalty"](), f"{self.name}, penalty")
        if not training and not self._told["loss"]:
            with self._aside(), self._other_numbers("loss"):
                if self._loss(x, y, training) != total:
                    raise CannotError("loss in inference mode")
        if penalty is None:
            return Loss(total)
        return Loss(total, data=total - penalty, penalty=penalty)

    def _loss(self, x: Array, y: Array, training: bool) -> float:
        return as_number(
            self._call("loss", training, np.array(x), np.array(y)), f"{self.name}, loss"
        )

    def gradients(self, x: Array, y: Array, *, draws: Sequence[Array] | None = None) -> Values:
        """The program's gradients of that loss, in training mode."""
        _refuse(draws)
        with self._aside():
            return self._gradients(x, y)

    def _gradients(self, x: Array, y: Array) -> Values:
        values = as_arrays(
            self._call("gradients", True, np.array(x), np.array(y)),
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
        self._function("update")({name: np.array(value) for name, value in gradients.items()})

    def step(self, x: Array, y: Array, *, draws: Sequence[Array] | None = None) -> None:
        """One whole step of the program; its random streams move on as they would."""
        _refuse(draws)
        if "step" in self._functions:
            self._call("step", True, np.array(x), np.array(y))
        else:
            self.update(self._gradients(x, y))

    def batches(self, x: Array, y: Array, epoch: int) -> Iterable[tuple[Array, Array]]:
        """What the program's own ``batches`` yields."""
        batches: Iterable[tuple[Array, Array]] = self._function("batches")(x, y, epoch)
        return batches

    def validation(self, x: Array, y: Array) -> tuple[Array, Array]:
        """The rows the program's own ``validation`` holds out."""
        held_x, held_y = self._function("validation")(x, y)
        return as_array(held_x), as_array(held_y)

    def watch(self, x: Array, y: Array, *, epochs: int, batch_size: int, limit: int) -> Watched:
        """Runs the program's own step over its own batches, and records."""
        return watch_loop(
            self, x, y,
            batches=self._functions.get("batches"),
            report=self._functions.get("report"),
            report_every=self._report_every,
            result=self._functions.get("result"),
            epochs=epochs, batch_size=batch_size, limit=limit,
        )  # fmt: skip

    # ---- how the functions are called ---------------------------------------------------
    def _function(self, key: str) -> Callable[..., Any]:
        if key not in self._functions:
            raise CannotError(key)
        return self._functions[key]

    def _call(self, key: str, training: bool, *arguments: Array) -> Any:
        mode = {"training": training} if self._told.get(key) else {}
        return self._function(key)(*arguments, **mode)

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
        try:
            yield
        finally:
            streams.restore()
            put_back(self._buffers, buffers)
            put_back(self._kept, kept)


def _refuse(draws: Sequence[Array] | None) -> None:
    """A from-scratch program draws its own masks."""
    if draws:
        raise CannotError("draws")


def _takes(function: Callable[..., Any], name: str) -> bool:
    """Whether a function has an argument of that name."""
    try:
        return name in inspect.signature(function).parameters
    except (TypeError, ValueError):
        return False
