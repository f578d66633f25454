"""One step of a solver: loss, gradients and update, in arrays that are laid out once."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, final

import numpy as np

from netparity.errors import InputError
from netparity.nn.arrays import FRESH, Array, Memory, views
from netparity.nn.engine import (
    Engine,
    FusedUpdate,
    Plan,
    kernels_of,
    observe_in_place,
    update_in_place,
)

if TYPE_CHECKING:
    from netparity.nn.solver import Solver


@final
class Descent:
    """What a solver's step is made of; reads the solver's settings each time.

    Args:
        solver: whose values are trained.
        engine: see ``Solver``.

    Attributes:
        gradients: those of the last batch, by parameter name, all in one buffer.
    """

    def __init__(self, solver: Solver, engine: Engine) -> None:
        self._solver = solver
        self.gradients = views(solver.network.parameter_shapes(), solver.dtype)
        self._sums: dict[str, Array] = {}
        self._memory = Memory(reuse=True)
        self._loss_memory = self._memory.within("loss")
        self._penalty_memory = self._memory.within("penalties")
        self._constraint_memory = self._memory.within("constraints")
        self._kernels = kernels_of(engine)
        self._plans: dict[tuple[int, ...], Plan] = {}
        self._fused: FusedUpdate | None = None

    # ---- gradients ----------------------------------------------------------------------
    def fresh(
        self,
        x: Array,
        y: Array,
        weights: Array | None,
        *,
        training: bool,
        draws: Sequence[Array] | None,
    ) -> tuple[float, float, dict[str, Array]]:
        """Data loss, penalty, and gradients in arrays of their own.

        Args:
            x: see ``Solver.loss_and_gradients``, and so on.
            y: targets.
            weights: of the rows.
            training: whether dropout drops.
            draws: of the dropouts.

        Raises:
            InputError: likewise.
        """
        solver = self._solver
        tape = solver.network.forward(
            solver.values, x, training=training, draws=draws, rng=solver.rng
        )
        data_loss, slope = solver.loss.value_and_gradient(tape.prediction, y, weights=weights)
        rows = _rows(x, weights)
        penalty = self._penalty(data_loss, x, rows, lambda: tape.outputs, FRESH)
        gradients = {k: v.copy() for k, v in tape.backward(slope).parameters.items()}
        self._add_penalties(gradients, rows)
        return data_loss, penalty, gradients

    def compute(
        self, x: Array, y: Array, weights: Array | None, draws: Sequence[Array] | None
    ) -> tuple[float, float]:
        """Data loss and penalty of a batch; fills ``gradients`` and moves the buffers.

        Args:
            x: a batch (N, …).
            y: its targets.
            weights: of its rows, or ``None``.
            draws: of the dropouts, or ``None``.

        Raises:
            InputError: the batch does not fit, or the loss is not finite; the buffers are as
                before then.
        """
        if draws is None:
            x = np.ascontiguousarray(x, self._solver.dtype)
            plan = self._plan(x)
            if plan is not None:
                return self._planned(plan, x, y, weights)
        solver = self._solver
        tape = solver.network.forward(
            solver.values, x, training=True, draws=draws, rng=solver.rng, memory=self._memory
        )
        data_loss, slope = solver.loss.value_and_gradient(
            tape.prediction, y, weights=weights, memory=self._loss_memory
        )
        rows = _rows(x, weights)
        penalty = self._penalty(data_loss, x, rows, lambda: tape.outputs, self._penalty_memory)
        for name, gradient in tape.backward(slope).parameters.items():
            np.copyto(self.gradients[name], gradient)
        self._add_penalties(self.gradients, rows)
        for name, value in tape.buffers.items():
            np.copyto(solver.buffers[name], value)
        return data_loss, penalty

    def _plan(self, x: Array) -> Plan | None:
        """The plan for this shape of batch, or ``None`` for a network that has none."""
        network, loss = self._solver.network, self._solver.loss
        plan = self._plans.get(x.shape)
        if plan is not None and plan.network is network and plan.loss is loss:
            return plan
        if not Plan.covers(network):
            return None
        plan = self._plans[x.shape] = Plan(
            network, loss, self._solver.values, self.gradients, x,
            memory=self._memory, kernels=self._kernels,
        )  # fmt: skip
        return plan

    def _planned(
        self, plan: Plan, x: Array, y: Array, weights: Array | None
    ) -> tuple[float, float]:
        """Data loss and penalty by a plan."""
        solver = self._solver
        data_loss = plan.run(x, y, weights, solver.rng)

        def outputs() -> Mapping[str, Array]:
            return solver.network.forward(solver.values, x, training=True, draws=plan.draws).outputs

        rows = _rows(x, weights)
        penalty = self._penalty(data_loss, x, rows, outputs, self._penalty_memory)
        self._add_penalties(self.gradients, rows)
        if solver.buffers:
            for name, value in plan.buffers.items():
                np.copyto(solver.buffers[name], value)
        return data_loss, penalty

    def _penalty(
        self,
        data_loss: float,
        x: Array,
        rows: float,
        outputs: Callable[[], Mapping[str, Array]],
        memory: Memory,
    ) -> float:
        """The penalty, after a look at whether the loss is finite."""
        solver, penalty = self._solver, 0.0
        for term in solver.penalties:
            penalty += term.value(solver.parameters, rows=rows, memory=memory)
        if not math.isfinite(data_loss + penalty):
            raise InputError(
                f"the loss is not finite at step {solver.state['step'] + 1}: loss {data_loss}, "
                f"penalty {penalty}; {_non_finite(x, solver.values, outputs())}",
                hint="lower the learning rate, or check the data for NaN and its scale",
            )
        return penalty

    def _add_penalties(self, gradients: Mapping[str, Array], rows: float) -> None:
        """Adds the gradients of the penalties to those of the data loss."""
        for term in self._solver.penalties:
            term.add_gradients(
                self._solver.parameters, gradients, rows=rows, memory=self._penalty_memory
            )

    # ---- several batches ----------------------------------------------------------------
    def accumulate(self, *, first: bool) -> None:
        """Takes the gradients of the last batch to those of the batches before it.

        Args:
            first: whether there are none before it.
        """
        if not self._sums:
            self._sums = views(self._solver.network.parameter_shapes(), self._solver.dtype)
        for name, total in self._sums.items():
            if first:
                np.copyto(total, self.gradients[name])
            else:
                total += self.gradients[name]

    def reduce(self, share: float) -> None:
        """Writes what was accumulated into ``gradients``.

        Args:
            share: what the sums are multiplied by.
        """
        for name, total in self._sums.items():
            np.multiply(total, share, out=self.gradients[name])

    # ---- update -------------------------------------------------------------------------
    def apply(self, gradients: Mapping[str, Array]) -> None:
        """One update: clipping, the optimizer, constraints, the average.

        Args:
            gradients: by parameter name; may be changed.
        """
        solver = self._solver
        if solver.clipping is not None:
            solver.clipping.clip_in_place(gradients)
        self._update(gradients, solver.learning_rate)
        for constraint in solver.constraints:
            constraint.apply_in_place(solver.parameters, memory=self._constraint_memory)
        if solver.averaging is not None:
            observe_in_place(solver.averaging, solver.average_state, solver.parameters)

    def _update(self, gradients: Mapping[str, Array], learning_rate: float) -> None:
        """One update of the parameters and the optimizer's state, where they lie."""
        solver, fused = self._solver, self._fused
        optimizer, state = solver.optimizer, solver.state
        if fused is None or not fused.fits(optimizer, gradients, state):
            fused = self._fused = FusedUpdate.of(
                optimizer, solver.parameters, gradients, state, self._kernels
            )
        if fused is not None:
            fused.run(learning_rate)
            return
        update_in_place(optimizer, solver.parameters, gradients, state, learning_rate)


def _rows(x: Array, weights: Array | None) -> float:
    """How many rows a batch has, by their weights where they have some."""
    return float(len(x)) if weights is None else float(np.sum(weights))


def _non_finite(x: Array, values: Mapping[str, Array], outputs: Mapping[str, Array]) -> str:
    """Where a forward pass first went wrong, in words."""
    wrong = [f"{name!r}" for name, array in values.items() if not np.isfinite(array).all()]
    if not np.isfinite(x).all():
        start = "the input itself is not finite, and "
    else:
        start = f"{wrong[0]} is not finite before the step, and " if wrong else ""
    for name, output in outputs.items():
        if not np.isfinite(output).all():
            return f"{start}the first layer whose output is not finite is {name!r}"
    return "all layers' outputs are finite: the loss itself is not"
