"""A solver of ``netparity.nn``, which states all of its conventions itself."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Unpack

import numpy as np

from netparity.conventions import Conventions, Feeding, Place
from netparity.errors import InputError
from netparity.implementations.author import Author, Authored, Options, read_options
from netparity.implementations.base import Loss, Values
from netparity.implementations.own_step import OwnStep
from netparity.implementations.rates import Rates
from netparity.implementations.values import as_array
from netparity.nn import Law, Network, Optimizer, Solver
from netparity.nn.optimizers import State

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True, slots=True)
class SolverState:
    """Everything a run of a solver changes."""

    values: Mapping[str, Array]
    rule: Optimizer
    optimizer: State
    average: Any
    plateau: Any
    generator: Any
    history: Any
    rates: Any
    own: Any


class SolverSide(Authored):
    """A ``netparity.nn`` solver as an implementation.

    Args:
        solver: the solver; driven as it is.
        name: what to call it in the report.
        **options: see ``Options``; in the place of the solver's own schedule.

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
        name: str | None = None,
        **options: Unpack[Options],
    ) -> None:
        self.name = name or "solver"
        self.version = np.__version__
        self.solver = solver
        self.author = read_options(self.name, options)
        self._rates = _SolverRates(solver, self.author)
        own = self.author.functions.get("train_step")
        self._own_step = None if own is None else OwnStep(own, self, f"{self.name}, train_step")

    # ---- read -------------------------------------------------------------------------
    @property
    def abilities(self) -> frozenset[str]:
        """Everything; what an author adds only where it was given."""
        driven = {
            "loss", "loss-of", "gradients", "update", "step", "activations", "draws", "penalty",
            "adjust", "weights",
        }  # fmt: skip
        return frozenset(driven | self.author.abilities)

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
        found = Conventions(
            layers=solver.network.layers,
            places={name: Place(name) for name in (*names, *solver.buffers)},
            loss=solver.loss,
            penalties=tuple(solver.penalties),
            optimizer=solver.optimizer,
            clipping=solver.clipping,
            laws={name: law for name, law in drawn.items() if law is not None},
            feeding=Feeding(batch_size=solver.batch_size),
            texts={
                "loss": repr(solver.loss),
                "optimizer": repr(solver.optimizer),
                "penalties": ", ".join(repr(term) for term in solver.penalties),
                **{f"layers.{name}": repr(layer) for name, layer in solver.network.layers},
            },
        )
        return self._rates.applied_to(found)

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
            rule=self.solver.optimizer,
            optimizer=copy.deepcopy(self.solver.state),
            average=copy.deepcopy(self.solver.average_state),
            plateau=self.solver.plateau_state,
            generator=copy.deepcopy(self.solver.rng.bit_generator.state),
            history={name: len(values) for name, values in self.solver.history.items()},
            rates=self._rates.state(),
            own=None if self._own_step is None else self._own_step.state(),
        )

    def restore(self, state: Any) -> None:
        """Puts all of it back; what was recorded since is dropped from the history."""
        self.solver.load(state.values)
        same = state.rule == self.solver.optimizer
        self.solver.load_state(state.optimizer if same else self._as_own(state.optimizer))
        self.solver.plateau_state = state.plateau
        live = self.solver.average_state
        for name, array in live.get("average", {}).items():
            array[...] = state.average["average"][name]
        live.update({"step": state.average["step"]} if live else {})
        self.solver.rng.bit_generator.state = copy.deepcopy(state.generator)
        self._rates.restore(state.rates)
        if self._own_step is not None:
            self._own_step.restore(state.own)
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
        self, x: Array, y: Array, *, training: bool = True, draws: Sequence[Array] | None = None,
        weights: Array | None = None,
    ) -> Loss:  # fmt: skip
        """The data loss, the penalties, and their sum."""
        prediction = self.predict(x, training=training, draws=draws)
        counted = self.author.weights(y, weights)
        data = float(self.solver.loss.value(prediction, np.asarray(y), weights=counted))
        terms, values = self.solver.penalties, self.solver.parameters
        penalty = float(sum(term.value(values, rows=len(x)) for term in terms))
        return Loss(data + penalty, data=data, penalty=penalty)

    def loss_of(self, prediction: Array, y: Array) -> float:
        """The data loss of a prediction."""
        return float(self.solver.loss.value(np.asarray(prediction), np.asarray(y)))

    def gradients(
        self, x: Array, y: Array, *, draws: Sequence[Array] | None = None,
        weights: Array | None = None,
    ) -> Values:  # fmt: skip
        """Gradients of the loss with its penalties, in training mode."""
        rng = self.solver.rng
        before = copy.deepcopy(rng.bit_generator.state)
        try:
            values = self.solver.loss_and_gradients(
                self._inputs(x),
                np.asarray(y),
                draws=draws,
                weights=self.author.weights(y, weights),
            )[2]
        finally:
            rng.bit_generator.state = before
        return {name: np.array(value) for name, value in values.items()}

    def update(self, gradients: Mapping[str, Array]) -> None:
        """One update of the solver's optimizer."""
        self._rates.before_step()
        self.solver.update(gradients)
        self._rates.after_step()

    def step(
        self, x: Array, y: Array, *, draws: Sequence[Array] | None = None,
        weights: Array | None = None,
    ) -> None:  # fmt: skip
        """One step of the solver, or of its author's own."""
        inputs, targets = self._inputs(x), np.asarray(y)
        self._rates.before_step()
        if self._own_step is not None:
            self._own_step.call(lambda: ((inputs, targets), {}), lambda: ((inputs, targets), {}))
        else:
            self.solver.step(inputs, targets, self.author.weights(y, weights), draws=draws)
        self._rates.after_step()

    def end_epoch(self) -> None:
        """A schedule that counts epochs moves on."""
        self._rates.end_epoch()

    # ---- adjust -----------------------------------------------------------------------
    def adjust(self, wanted: Conventions, x: Array) -> bool:
        """Replaces network, loss, penalties, clip and rule, where parameters and buffers stay."""
        if wanted.layers is None or wanted.loss is None or wanted.optimizer is None:
            return False
        network = Network(tuple(wanted.layers))
        if wanted.faults or _shapes(network) != _shapes(self.solver.network):
            return False
        if not self._rates.can_follow(wanted):
            return False
        self.solver.network = network
        self.solver.loss = wanted.loss
        self.solver.penalties = tuple(wanted.penalties or ())
        self.solver.clipping = wanted.clipping
        if wanted.optimizer != self.solver.optimizer:
            self.solver.optimizer = wanted.optimizer
            self.solver.load_state(self._as_own(self.solver.state))
        self._rates.follow(wanted)
        return True

    def _as_own(self, state: State) -> State:
        """Another rule's state as one of the solver's rule: the slots that both have go on."""
        fresh = self.solver.optimizer.initialize(self.solver.parameters)
        return {**fresh, **{k: state[k] for k in fresh if k in state}} if state["step"] else fresh

    def _inputs(self, x: Array) -> Array:
        return as_array(x).astype(self.solver.dtype, copy=False)


class _SolverRates(Rates):
    """The solver's own schedule, which it follows by itself, or one given in its place."""

    def __init__(self, solver: Solver, author: Author) -> None:
        own, given = solver.schedule, author.schedule
        if own is not None and given is not None:
            raise InputError(
                f"{author.name}, schedule: expected none, as the solver has its own; received "
                f"{type(given).__name__}"
            )
        self._solver, self._inside, self._given = solver, own, given
        super().__init__(
            own if given is None else given, author.schedule_every,
            lambda: float(solver.optimizer.learning_rate), self._set, author.name,
        )  # fmt: skip

    def _set(self, rate: float) -> None:
        self._solver.schedule = lambda step: rate

    def before_step(self) -> None:
        """Sets a rate only in place of the solver's own."""
        if self._given is None:
            self.count = int(self._solver.state["step"])
        if self.adjusted or self._given is not None:
            super().before_step()

    def _back(self, rate: float) -> None:
        self._solver.schedule = self._inside


def _shapes(network: Network) -> tuple[dict[str, tuple[int, ...]], dict[str, tuple[int, ...]]]:
    """The shapes of a network's parameters and buffers by name."""
    buffers = {name: array.shape for name, array in network.initial_buffers().items()}
    return network.parameter_shapes(), buffers
