"""The twin: the reference network set to one side's conventions.

A twin is pure: it takes parameters and returns values, so it can be run with any
conventions changed, in either float width, with noise mixed in or sums reordered. It counts
as evidence only after it reproduced its side to the noise floor.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from netparity.conventions import Conventions, Factored, Misplaced
from netparity.diagnosis import scheduled
from netparity.diagnosis.faulty import layers_of, received, upstream_of
from netparity.nn import (
    L1,
    L2,
    Dropout,
    ElasticNet,
    Layer,
    Network,
    Optimizer,
    Penalty,
    Tape,
    in_scope,
)
from netparity.nn.optimizers import Decay

Array = np.ndarray[Any, np.dtype[Any]]
Values = dict[str, Array]
Disturb = Callable[[Array], Array]


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What a network computes for one batch, at each place.

    Attributes:
        outputs: value after each layer, by layer name.
        prediction: ``(N, …)``.
        data: the data loss; ``penalty``: the penalties; both ``nan`` where there is no loss.
        gradients: of the two together, by twin parameter name (faults applied).
        tape: the forward pass, for those who need its inner values.
        deltas: gradient at each layer's output.
    """

    outputs: Values
    prediction: Array
    data: float
    penalty: float
    gradients: Values
    deltas: Values
    tape: Tape


@dataclass(frozen=True, slots=True)
class Twin:
    """The reference network with one side's conventions, over that side's parameters."""

    conventions: Conventions

    @property
    def network(self) -> Network:
        """The layers as a network of ``netparity.nn``."""
        return Network(layers_of(self.conventions.layers or (), self.conventions.faults))

    # ---- between the side's layout and the twin's ----------------------------------------
    def values(self, native: Mapping[str, Array]) -> Values:
        """The twin's parameters and buffers, taken from the side's own arrays.

        Those of which the side's arrays are not among ``native`` are left out.
        """
        shapes = self.shapes()
        return {
            name: place.read(native, shapes[name])
            for name, place in self.conventions.places.items()
            if all(n in native for n in place.names)
        }

    def native(self, values: Mapping[str, Array], like: Mapping[str, Array]) -> Values:
        """The side's own arrays for twin values; ``like`` gives shapes, dtypes and the rest."""
        arrays: Values = {}
        for name, place in self.conventions.places.items():
            if name in values and all(n in like for n in place.names):
                arrays |= place.write(values[name], {**like, **arrays})
        return arrays

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The shapes of parameters and buffers by name."""
        network = self.network
        buffers = {n: a.shape for n, a in network.initial_buffers().items()}
        return network.parameter_shapes() | buffers

    def parameters(self, values: Mapping[str, Array]) -> Values:
        """What is trained among ``values``."""
        shapes = self.network.parameter_shapes()
        return {n: v for n, v in values.items() if n in shapes}

    # ---- what it computes ----------------------------------------------------------------
    def forward(
        self,
        parameters: Mapping[str, Array],
        x: Array,
        *,
        training: bool = False,
        draws: Sequence[Array] | None = None,
        disturb: Disturb | None = None,
    ) -> Tape:
        """A forward pass of the twin; buffers that are not given have their first values."""
        network = self.network
        dtype = next((np.asarray(v).dtype for v in parameters.values()), np.dtype(np.float64))
        complete = {**network.initial_buffers(dtype), **parameters}
        given = self.fitted(draws) if training and draws is not None else None
        return network.forward(complete, x, training=training, draws=given, disturb=disturb)

    def penalty(self, parameters: Mapping[str, Array], rows: int) -> float:
        """The sum of the penalties at ``parameters`` for a batch of so many rows."""
        trained = self.parameters(parameters)
        return float(sum(p.value(trained, rows=rows) for p in self.conventions.penalties or ()))

    def evaluate(
        self,
        parameters: Mapping[str, Array],
        x: Array,
        y: Array | None,
        *,
        training: bool = True,
        draws: Sequence[Array] | None = None,
        disturb: Disturb | None = None,
        backward: bool = True,
    ) -> Evaluation:
        """Forward pass, loss and (unless ``backward`` is false) gradients for one batch."""
        tape = self.forward(parameters, x, training=training, draws=draws, disturb=disturb)
        loss = self.conventions.loss
        if loss is None or y is None:
            return Evaluation(dict(tape.outputs), tape.prediction, np.nan, np.nan, {}, {}, tape)
        penalty = self.penalty(parameters, len(tape.prediction))
        if not backward:
            data = loss.value(tape.prediction, y)
            return Evaluation(
                dict(tape.outputs), tape.prediction, float(data), penalty, {}, {}, tape
            )
        data, upstream = upstream_of(loss, self.conventions.faults, tape.prediction, y)
        passed = tape.backward(upstream)
        gradients = dict(passed.parameters)
        stored = [f for f in self.conventions.faults if isinstance(f, Misplaced | Factored)]
        whole = [f for f in stored if isinstance(f, Factored) and f.whole]
        for fault in stored:
            if fault not in whole:
                gradients = apply_fault(fault, gradients, tape, passed.deltas)
        for term in self.conventions.penalties or ():
            rows = len(tape.prediction)
            for name, gradient in term.gradients(self.parameters(parameters), rows=rows).items():
                gradients[name] = gradients[name] + gradient
        for fault in whole:
            gradients = apply_fault(fault, gradients, tape, passed.deltas)
        return Evaluation(
            dict(tape.outputs),
            tape.prediction,
            float(data),
            penalty,
            gradients,
            dict(passed.deltas),
            tape,
        )

    def dropout_layers(self) -> list[str]:
        """The names of the dropout layers, in order of execution."""
        return [n for n, layer in self.conventions.layers or () if isinstance(layer, Dropout)]

    def fitted(self, draws: Sequence[Array]) -> list[Array]:
        """Draws as the dropouts take them: of a whole channel, the first of its elements'."""
        layers = [k for _, k in self.conventions.layers or () if k.takes_draw]
        if len(layers) != len(draws):
            return list(draws)
        return [reduced(k, draw) for k, draw in zip(layers, draws, strict=True)]

    def draw_shapes(self, x: Array) -> list[tuple[int, ...]]:
        """The shape of the draw that each dropout takes for a batch, in order."""
        values = {n: np.ones(shape) for n, shape in self.network.parameter_shapes().items()}
        with np.errstate(all="ignore"):
            inputs = self.forward(values, x).inputs
        layers = [(n, k) for n, k in self.conventions.layers or () if k.takes_draw]
        return [layer.draw_shape(inputs[name].shape) for name, layer in layers]

    def new_draws(self, x: Array, rng: np.random.Generator) -> list[Array]:
        """A draw for each dropout for a batch, in order."""
        return [np.asarray(rng.random(shape)) for shape in self.draw_shapes(x)]

    def run(
        self,
        parameters: Mapping[str, Array],
        batches: Iterable[tuple[Array, Array]],
        draws: Sequence[Sequence[Array]] | None = None,
        disturb: Disturb | None = None,
    ) -> list[Values]:
        """Trains freely: the parameters before the first update and after each."""
        return list(self.follow(parameters, batches, draws, disturb))

    def follow(
        self,
        parameters: Mapping[str, Array],
        batches: Iterable[tuple[Array, Array]],
        draws: Sequence[Sequence[Array]] | None = None,
        disturb: Disturb | None = None,
    ) -> Iterator[Values]:
        """As ``run``, one step at a time: nothing is kept of a long run but where it is."""
        optimizer = self.conventions.optimizer
        if optimizer is None:
            msg = "a twin without an optimizer cannot be trained"
            raise ValueError(msg)
        current: Values = {name: np.array(value) for name, value in parameters.items()}
        state = optimizer.initialize(self.parameters(current))
        yield current
        batches = list(batches)
        factors = scheduled.factors(self.conventions, len(batches))
        kept: Values = {}
        for index, (x, y) in enumerate(batches):
            step_draws = draws[index] if draws else None
            trains = self.conventions.trains
            evaluation = self.evaluate(
                current,
                x,
                y,
                training=trains,
                draws=step_draws if trains else None,
                disturb=disturb,
            )
            gradients = evaluation.gradients
            kept = received(gradients, self.conventions.step_faults, len(x), kept)
            # What does not move counts for a clip all the same.
            clip = self.conventions.clipping
            short = kept if clip is None else clip.clip(kept)
            moved = {n: g for n, g in short.items() if n not in self.conventions.frozen}
            rate = optimizer.learning_rate * factors[index]
            trained, state = optimizer.update(self.parameters(current), moved, state, rate)
            current = {**current, **trained, **evaluation.tape.buffers}
            yield current

    def clips(
        self, parameters: Mapping[str, Array], batches: Iterable[tuple[Array, Array]]
    ) -> bool:
        """Whether the clip changes a gradient in a free run; true where that cannot be seen."""
        clipping, loss = self.conventions.clipping, self.conventions.loss
        if clipping is None or loss is None or self.dropout_layers():
            return clipping is not None
        batches = list(batches)
        free = self.with_(clipping=None).run(parameters, batches)
        for values, (x, y) in zip(free, batches, strict=False):
            gradients = self.evaluate(values, x, y).gradients
            short = clipping.clip(gradients)
            if any(not np.array_equal(short[n], g) for n, g in gradients.items()):
                return True
        return False

    def with_(self, **changes: Any) -> Twin:
        """The twin with fields of its conventions replaced."""
        return Twin(replace(self.conventions, **changes))


def reduced(layer: Layer, draw: Array) -> Array:
    """A draw of every element as a layer takes it: one that drops channels takes the first."""
    axis = getattr(layer, "channel_axis", None)
    if axis is None:
        return draw
    kept = (0, axis % draw.ndim)
    return draw[tuple(slice(None) if k in kept else slice(0, 1) for k in range(draw.ndim))]


def wider(left: Sequence[tuple[int, ...]], right: Sequence[tuple[int, ...]]) -> list[Any]:
    """The shapes of draws from which both of two networks can take theirs."""
    return [tuple(np.maximum(a, b).tolist()) for a, b in zip(left, right, strict=True)]


def apply_fault(
    fault: Misplaced | Factored, gradients: Values, tape: Tape, deltas: Mapping[str, Array]
) -> Values:
    """The gradients as a side with that bug would store them."""
    changed = dict(gradients)
    if isinstance(fault, Factored):
        factor = fault.factor * float(len(tape.prediction)) ** fault.rows_power
        for name in fault.parameters or tuple(gradients):
            changed[name] = (gradients[name] * factor).astype(gradients[name].dtype)
        return changed
    for name, (delta, source) in fault.weights.items():
        changed[name] = tape.inputs[source].T @ deltas[delta]
    for name, delta in fault.biases.items():
        changed[name] = deltas[delta].sum(axis=0)
    return changed


def decay_coefficients(
    penalties: Iterable[Penalty], names: Iterable[str], *, by_batch: bool = False
) -> dict[str, float]:
    """The coefficient c of each parameter's L2 penalty gradient ``c·w``.

    With ``by_batch`` that of the gradient ``c·w/B`` for a batch of B rows.
    """
    coefficients = dict.fromkeys(names, 0.0)
    for penalty in penalties:
        if isinstance(penalty, L2 | ElasticNet) and penalty.scale_with_batch == by_batch:
            square = (
                penalty.factor * penalty.coefficient
                if isinstance(penalty, L2)
                else penalty.l2_factor * penalty.l2
            )
            for name in coefficients:
                if in_scope(penalty.scope, name):
                    coefficients[name] += 2 * square
    return coefficients


def sign_coefficients(
    penalties: Iterable[Penalty], names: Iterable[str], *, by_batch: bool = False
) -> dict[str, float]:
    """The coefficient c of each parameter's L1 penalty gradient ``c·sign(w)``, or ``…/B``."""
    coefficients = dict.fromkeys(names, 0.0)
    for penalty in penalties:
        if isinstance(penalty, L1 | ElasticNet) and penalty.scale_with_batch == by_batch:
            absolute = (
                penalty.factor * penalty.coefficient if isinstance(penalty, L1) else penalty.l1
            )
            for name in coefficients:
                if in_scope(penalty.scope, name):
                    coefficients[name] += absolute
    return coefficients


def decay_of_rule(
    optimizer: Optimizer | None, names: Iterable[str], kind: Decay
) -> dict[str, float]:
    """The coefficient λ of each parameter's decay inside the update rule.

    Coupled it adds ``λ·w`` to the gradient, after any clip; decoupled ``w ← w − η·λ·w``.
    """
    coefficients = dict.fromkeys(names, 0.0)
    if optimizer is not None and optimizer.decay == kind:
        for name in coefficients:
            if in_scope(optimizer.decay_scope, name):
                coefficients[name] = optimizer.weight_decay
    return coefficients
