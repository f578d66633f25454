"""A solver of ``netparity.nn``, which states all of its conventions itself."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from netparity.conventions import Conventions, Feeding, Place
from netparity.errors import CannotError, InputError
from netparity.implementations.base import Implementation, Loss, Values, Watched
from netparity.implementations.values import as_array
from netparity.implementations.watching import Batches, Every, Report, Result, watch_loop
from netparity.nn import Law, Network, Solver

Array = np.ndarray[Any, np.dtype[Any]]

_OPTIONAL = ("batches", "report", "result")


@dataclass(frozen=True, slots=True)
class SolverState:
    """Everything a run of a solver changes."""

    values: Mapping[str, Array]
    optimizer: Any
    average: Any
    plateau: Any
    generator: Any
    history: Any


class SolverSide(Implementation):
    """A ``netparity.nn`` solver as an implementation.

    Args:
        solver: the solver; driven as it is.
        batches: ``batches(x, y, epoch) → iterable of (x, y)``; by default rows in order.
        report: ``report(x, y) → {name: value}``.
        report_every: ``"step"`` or ``"epoch"``.
        result: ``result() → {name: array}``.
        name: what to call it in the report.

    Example:
        >>> from netparity.nn import SGD, Affine, MeanSquaredError, Network, Solver
        >>> solver = Solver(Network((("line", Affine(2, 1)),)), MeanSquaredError(), SGD(0.1))
        >>> side = SolverSide(solver)
        >>> sorted(side.parameters())
        ['line.bias', 'line.weight']
        >>> side.declared(np.zeros((3, 2))).optimizer.learning_rate
        0.1
    """

    framework = "netparity.nn"

    def __init__(
        self,
        solver: Solver,
        *,
        batches: Batches | None = None,
        report: Report | None = None,
        report_every: Every = "step",
        result: Result | None = None,
        name: str | None = None,
    ) -> None:
        self.name = name or "solver"
        self.version = np.__version__
        self.solver = solver
        given = {"batches": batches, "report": report, "result": result}
        self._functions: dict[str, Any] = {k: f for k, f in given.items() if f is not None}
        self._report_every: Every = report_every

    # ---- read -------------------------------------------------------------------------
    @property
    def abilities(self) -> frozenset[str]:
        """Everything; what an author adds only where it was given."""
        driven = {
            "loss", "loss-of", "gradients", "update", "step", "activations", "draws", "penalty",
            "adjust",
        }  # fmt: skip
        return frozenset(driven | set(self._functions))

    @property
    def dtype(self) -> np.dtype[Any]:
        """The solver's dtype."""
        return np.dtype(self.solver.dtype)

    def parameters(self) -> Values:
        """Copies of the parameters, in the order of the layers."""
        return {name: np.array(value) for name, value in self.solver.parameters.items()}

    def declared(self, x: Array) -> Conventions:
        """The solver's own settings, each a switch of the reference network."""
        solver = self.solver
        names = solver.network.parameter_shapes()
        laws = solver.laws if solver.laws is not None else {}
        drawn = (
            dict.fromkeys(names, laws)
            if isinstance(laws, Law)
            else {n: laws.get(n, laws.get(n.rpartition(".")[2])) for n in names}
        )
        return Conventions(
            layers=solver.network.layers,
            places={name: Place(name) for name in (*names, *solver.buffers)},
            loss=solver.loss,
            penalties=tuple(solver.penalties),
            optimizer=solver.optimizer,
            laws={name: law for name, law in drawn.items() if law is not None},
            feeding=Feeding(batch_size=solver.batch_size),
            texts={
                "loss": repr(solver.loss),
                "optimizer": repr(solver.optimizer),
                "penalties": ", ".join(repr(term) for term in solver.penalties),
                **{f"layers.{name}": repr(layer) for name, layer in solver.network.layers},
            },
        )

    # ---- drive ------------------------------------------------------------------------
    def set_parameters(self, values: Mapping[str, Array]) -> None:
        """Writes parameters."""
        present = self.solver.parameters
        for name, value in values.items():
            if name not in present or present[name].shape != np.shape(value):
                expected = present[name].shape if name in present else ", ".join(present)
                raise InputError(
                    f"{self.name}, parameters, {name!r}: expected {expected}; received "
                    f"shape {np.shape(value)}"
                )
        self.solver.load(values)

    def buffers(self) -> Values:
        """Copies of the buffers, in the order of the layers."""
        return {name: np.array(value) for name, value in self.solver.buffers.items()}

    def set_buffers(self, values: Mapping[str, Array]) -> None:
        """Writes buffers."""
        self.solver.load(values)

    def moved_buffers(self, x: Array, *, draws: Sequence[Array] | None = None) -> Values:
        """The buffers after one forward pass in training mode."""
        moved: Values = self._forward(x, True, draws).buffers
        return self.buffers() | moved

    def state(self) -> SolverState:
        """Parameters, buffers, optimizer state, the solver's generator, its history's length."""
        return SolverState(
            values=self.solver.snapshot(),
            optimizer=copy.deepcopy(self.solver.state),
            average=copy.deepcopy(self.solver.average_state),
            plateau=self.solver.plateau_state,
            generator=copy.deepcopy(self.solver.rng.bit_generator.state),
            history={name: len(values) for name, values in self.solver.history.items()},
        )

    def restore(self, state: Any) -> None:
        """Puts all of it back; what was recorded since is dropped from the history."""
        self.solver.load(state.values)
        self.solver.load_state(state.optimizer)
        self.solver.plateau_state = state.plateau
        live = self.solver.average_state
        for name, array in live.get("average", {}).items():
            array[...] = state.average["average"][name]
        live.update({"step": state.average["step"]} if live else {})
        self.solver.rng.bit_generator.state = copy.deepcopy(state.generator)
        for name, values in self.solver.history.items():
            del values[state.history.get(name, 0) :]

    def predict(
        self, x: Array, *, training: bool = False, draws: Sequence[Array] | None = None
    ) -> Array:
        """Predictions of the network."""
        return np.array(self._forward(x, training, draws).prediction)

    def activations(
        self, x: Array, *, training: bool = False, draws: Sequence[Array] | None = None
    ) -> Values:
        """The output of each layer."""
        tape = self._forward(x, training, draws)
        return {name: np.array(value) for name, value in tape.outputs.items()}

    def _forward(self, x: Array, training: bool, draws: Sequence[Array] | None) -> Any:
        # A look draws from a copy of the solver's generator, never from the generator itself.
        return self.solver.network.forward(
            self.solver.values,
            self._inputs(x),
            training=training,
            draws=draws if training else None,
            rng=copy.deepcopy(self.solver.rng),
        )

    def dropouts(self, x: Array) -> list[tuple[int, ...]]:
        """The shapes of the inputs of the dropout layers."""
        tape = self._forward(x, False, None)
        layers = self.solver.network.layers
        return [
            layer.draw_shape(tape.inputs[name].shape) for name, layer in layers if layer.takes_draw
        ]

    def loss(
        self, x: Array, y: Array, *, training: bool = True, draws: Sequence[Array] | None = None
    ) -> Loss:
        """The data loss, the penalties, and their sum."""
        prediction = self.predict(x, training=training, draws=draws)
        data = self.loss_of(prediction, y)
        terms, values = self.solver.penalties, self.solver.parameters
        penalty = float(sum(term.value(values, rows=len(x)) for term in terms))
        return Loss(data + penalty, data=data, penalty=penalty)

    def loss_of(self, prediction: Array, y: Array) -> float:
        """The data loss of a prediction."""
        return float(self.solver.loss.value(np.asarray(prediction), np.asarray(y)))

    def gradients(self, x: Array, y: Array, *, draws: Sequence[Array] | None = None) -> Values:
        """Gradients of the loss with its penalties, in training mode."""
        rng = self.solver.rng
        before = copy.deepcopy(rng.bit_generator.state)
        try:
            values = self.solver.loss_and_gradients(self._inputs(x), np.asarray(y), draws=draws)[2]
        finally:
            rng.bit_generator.state = before
        return {name: np.array(value) for name, value in values.items()}

    def update(self, gradients: Mapping[str, Array]) -> None:
        """One update of the solver's optimizer."""
        self.solver.update(gradients)

    def step(self, x: Array, y: Array, *, draws: Sequence[Array] | None = None) -> None:
        """One step of the solver."""
        self.solver.step(self._inputs(x), np.asarray(y), draws=draws)

    def batches(self, x: Array, y: Array, epoch: int) -> Iterable[tuple[Array, Array]]:
        """What the author's own ``batches`` yields."""
        if "batches" not in self._functions:
            raise CannotError("batches")
        feeding: Iterable[tuple[Array, Array]] = self._functions["batches"](x, y, epoch)
        return feeding

    def watch(self, x: Array, y: Array, *, epochs: int, batch_size: int, limit: int) -> Watched:
        """Runs the solver's steps, and records."""
        return watch_loop(
            self, x, y,
            batches=self._functions.get("batches"),
            report=self._functions.get("report"),
            report_every=self._report_every,
            result=self._functions.get("result"),
            epochs=epochs, batch_size=batch_size, limit=limit,
        )  # fmt: skip

    # ---- adjust -----------------------------------------------------------------------
    def adjust(self, wanted: Conventions, x: Array) -> bool:
        """Replaces network, loss, penalties and optimizer, where parameters and buffers stay."""
        if wanted.layers is None or wanted.loss is None or wanted.optimizer is None:
            return False
        network = Network(tuple(wanted.layers))
        if wanted.faults or _shapes(network) != _shapes(self.solver.network):
            return False
        self.solver.network = network
        self.solver.loss = wanted.loss
        self.solver.penalties = tuple(wanted.penalties or ())
        if wanted.optimizer != self.solver.optimizer:
            fresh = wanted.optimizer.initialize(self.solver.parameters)
            kept = self.solver.state
            same_slots = fresh.keys() == kept.keys()
            self.solver.optimizer = wanted.optimizer
            if not same_slots:
                self.solver.load_state({**fresh, "step": kept["step"]})
        return True

    def _inputs(self, x: Array) -> Array:
        return as_array(x).astype(self.solver.dtype, copy=False)


def _shapes(network: Network) -> tuple[dict[str, tuple[int, ...]], dict[str, tuple[int, ...]]]:
    """The shapes of a network's parameters and buffers by name."""
    buffers = {name: array.shape for name, array in network.initial_buffers().items()}
    return network.parameter_shapes(), buffers
