"""Flax models: NNX modules, and Linen modules with their variables."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Unpack

import numpy as np

from netparity.conventions import Conventions
from netparity.errors import CannotError, InputError, MissingDependencyError
from netparity.implementations.author import Options, read_options
from netparity.implementations.base import Loss, Values
from netparity.implementations.own_step import OwnStep

try:
    import flax
    import flax.linen as linen
    import jax
    from flax import nnx
except ImportError as error:
    raise MissingDependencyError(
        "netparity.Flax: Flax is not installed", hint="pip install 'netparity[jax]'"
    ) from error

from netparity.implementations import flax_network, jax_adjusting, jax_optax, jax_schedules
from netparity.implementations.flax_draws import Draws
from netparity.implementations.flax_models import LinenModel, NnxModel
from netparity.implementations.jax_program import Program
from netparity.implementations.jax_side import (
    ProgramSide,
    check_arguments,
    make_own_step,
    program_abilities,
    program_texts,
    refuse,
)
from netparity.implementations.jax_step import JaxStep

Array = np.ndarray[Any, np.dtype[Any]]


class Flax(ProgramSide):
    """A Flax model, the loss it is trained on, and its optimizer.

    An NNX module stays the author's own: its variables are lifted to float64 in place, and what
    the author's functions change of it (modes, statistics) is seen. A Linen module is given with
    its ``variables``. JAX's own setting of float64 stays as it is.

    Args:
        model: an ``nnx.Module`` or a ``linen.Module``.
        loss: ``loss(prediction, target) → scalar``.
        optimizer: an optax transformation, or the ``nnx.Optimizer`` around one.
        variables: of a Linen module, as its ``init`` returned them.
        key: of a Linen module's dropout, the first; ``jax.random.key(0)`` where there is none.
        penalty: ``penalty(params) → scalar``, added to the loss.
        name: what to call it in the report.
        lift: whether to compute in float64.
        **options: see ``Options``, and ``Jax``; the ``train_step`` of an NNX module moves the
            module and its ``nnx.Optimizer``.

    Raises:
        InputError: the model is neither, or an argument cannot be used.

    Example:
        >>> import jax.numpy as jnp, numpy as np, optax
        >>> from flax import nnx
        >>> model = nnx.Linear(2, 1, rngs=nnx.Rngs(0))
        >>> side = Flax(model, lambda prediction, y: jnp.mean((prediction - y) ** 2))
        >>> side.set_parameters({"kernel": np.ones((2, 1)), "bias": np.zeros(1)})
        >>> side.predict(np.array([[1.0, 2.0]]))
        array([[3.]])
        >>> side.gradients(np.array([[1.0, 2.0]]), np.array([[2.0]]))["kernel"]
        array([[2.],
               [4.]])

    **Parity** (`dense-weight-layout`, `dense-init-default`, `dense-bias-init`,
    `dropout-training-flag`, `gelu-variant`): a dense kernel is (inputs, outputs), drawn by
    ``lecun_normal``, with a bias of zeros; a fresh NNX module is in training mode; ``gelu`` is
    the tanh form.
    """

    def __init__(
        self,
        model: Any,
        loss: Callable[[Any, Any], Any] | None = None,
        optimizer: Any = None,
        *,
        variables: Mapping[str, Any] | None = None,
        key: Any = None,
        penalty: Callable[[Any], Any] | None = None,
        name: str | None = None,
        lift: bool = True,
        **options: Unpack[Options],
    ) -> None:
        self.name = name or type(model).__name__
        self.version = f"{flax.__version__} (jax {jax.__version__})"
        self.author = read_options(self.name, options)
        wrapped = optimizer if isinstance(optimizer, nnx.Optimizer) else None
        transformation = optimizer if wrapped is None else wrapped.tx
        check_arguments(self.name, {"loss": loss, "penalty": penalty}, transformation)
        self.model = _model(model, variables, nnx.Param if wrapped is None else wrapped.wrt)
        self._draws: Draws | None = None
        self._feedable: bool | None = None if self.model.dropouts() else True
        params, rest = self.model.read()
        self.program = Program(
            self.name, self._forward, params, rest,
            names=self.model.names(params), loss=loss, optimizer=transformation, penalty=penalty,
            key=jax.random.key(0) if key is None else key, lift=lift, author=self.author,
        )  # fmt: skip
        if wrapped is not None:
            self._take_over(wrapped)
        self._wrapped = wrapped
        self._rates = jax_schedules.rates(self.program, self.author)
        self._own_step = self._read_own_step(variables)
        self._write()

    def _read_own_step(self, variables: Mapping[str, Any] | None) -> OwnStep | None:
        own, where = self.author.functions.get("train_step"), f"{self.name}, train_step"
        if own is None:
            return None
        if variables is not None:
            given = [(variables["params"], None), (variables, "params")]
            return OwnStep(JaxStep(own, self.program, given, where), self, where)
        return OwnStep(own, self, where)

    def _take_over(self, wrapped: Any) -> None:
        """The slots of an optimizer that has made steps already."""
        program = self.program
        leaves, structure = jax.tree_util.tree_flatten(program.slots)
        own = jax.tree_util.tree_leaves(wrapped.opt_state)
        if [np.shape(a) for a in own] == [np.shape(b) for b in leaves]:
            with program.context():
                fitting = [jax.numpy.asarray(a, b.dtype) for a, b in zip(own, leaves, strict=True)]
                program.slots = jax.tree_util.tree_unflatten(structure, fitting)

    # ---- the author's model and the program ---------------------------------------------
    def _forward(
        self, params: Any, rest: Any, x: Any, training: bool | None, key: Any
    ) -> tuple[Any, Any]:
        if self._draws is not None:
            self._draws.restart()
        prediction, left = self.model.forward(params, rest, x, training, key)
        # In its own mode a model may not drop at all.
        if self._draws is not None and (training or self._draws.shapes):
            self._draws.finish()
        return prediction, left

    def _write(self) -> None:
        self.model.write(self.program.params, self.program.rest)

    @contextlib.contextmanager
    def _at(self, draws: Sequence[Array] | None = None, *, write: bool = False) -> Iterator[bool]:
        """The program at the author's model as it is now; yields whether draws are fed."""
        self.program.params, self.program.rest = self.model.read()
        if draws is None:
            yield False
        else:
            if not self._may_feed:
                raise CannotError("draws")
            self._draws = Draws(draws)
            try:
                with self._draws.fed():
                    yield True
            finally:
                self._draws = None
        if write:
            self._write()

    # ---- read -------------------------------------------------------------------------
    @property
    def _may_feed(self) -> bool:
        return self._feedable is not False

    @property
    def abilities(self) -> frozenset[str]:
        """What follows from the loss, the optimizer and the functions given."""
        able = program_abilities(self.program, self.author) | {"activations"}
        return frozenset(able | ({"draws"} if self._may_feed else set()))

    def parameters(self) -> Values:
        """Copies of the parameters, named by their paths in the model."""
        with self._at():
            return self.program.parameters()

    def declared(self, x: Array) -> Conventions:
        """Layers in order of execution, the optimizer, and Linen's own laws."""
        return self._rates.applied_to(self._read(x))

    def _read(self, x: Array) -> Conventions:
        self.predict(x)
        program = self.program
        with self._at():
            network, laws = flax_network.read(self.model, program, x)
        places = {} if network is None else dict(network.places)
        rule = clip = None
        if program.optimizer is not None:
            clip = jax_optax.clipping(program.optimizer)
            twins = {place.name: name for name, place in places.items()}
            rule = jax_optax.read(program.optimizer, program.params, program.names, twins)
        found = Conventions(
            layers=None if network is None else network.layers,
            places=places,
            penalties=None if program.penalty is not None else (),
            optimizer=rule,
            clipping=clip,
            laws=laws,
            texts={**({} if network is None else network.texts), **program_texts(program)},
        )
        return program.adjusted.applied_to(found)

    # ---- drive ------------------------------------------------------------------------
    def set_parameters(self, values: Mapping[str, Array]) -> None:
        """Replaces parameters, in the author's model too."""
        with self._at(write=True):
            self.program.set_parameters(values)

    def buffers(self) -> Values:
        """Copies of the running statistics, named by their paths in the model."""
        with self._at():
            leaves = jax.tree_util.tree_leaves(self.program.rest)
            named = self.model.statistics(self.program.rest)
        return {name: np.array(leaves[place]) for name, place in named}

    def set_buffers(self, values: Mapping[str, Array]) -> None:
        """Writes running statistics, in the author's model too."""
        with self._at(write=True), self.program.context():
            leaves, structure = jax.tree_util.tree_flatten(self.program.rest)
            for name, place in self.model.statistics(self.program.rest):
                if name in values:
                    leaves[place] = jax.numpy.asarray(values[name], leaves[place].dtype)
            self.program.rest = jax.tree_util.tree_unflatten(structure, leaves)

    def state(self) -> Any:
        """Parameters, statistics, counters of draws, the optimizer's state, and the key."""
        own = None if self._own_step is None else self._own_step.state()
        with self._at():
            return replace(self.program.state(), rates=self._rates.state(), own=own)

    def restore(self, state: Any) -> None:
        """Puts all of it back, into the author's model too."""
        with self._at(write=True):
            self.program.restore(state)
        self._rates.restore(state.rates)
        if self._own_step is not None:
            self._own_step.restore(state.own)

    def predict(
        self, x: Array, *, training: bool = False, draws: Sequence[Array] | None = None
    ) -> Array:
        """Predictions of the model."""
        lifted = self.program.lifted
        with self._at(draws if training else None) as inline:
            prediction = self.program.predict(x, training, inline)
        if self.program.lifted != lifted:
            self._write()
        return prediction

    def activations(
        self, x: Array, *, training: bool = False, draws: Sequence[Array] | None = None
    ) -> Values:
        """The output of each layer without layers of its own, in order of execution."""
        with self._at(draws if training else None):
            return flax_network.outputs(self.model, self.program, x, training, self._draws)

    @property
    def trains(self) -> bool:
        """Whether the module is in training mode, where that matters to one of its layers."""
        mode = self.model.trains()
        return "step" in self.abilities if mode is None else mode

    def dropouts(self, x: Array) -> list[tuple[int, ...]]:
        """The shape of the draws of each dropout, in order of execution."""
        with self._at():
            shapes = flax_network.draws_of_dropouts(self.model, self.program, x)
        self._feedable = shapes is not None
        return shapes or []

    def loss(
        self, x: Array, y: Array, *, training: bool = True, draws: Sequence[Array] | None = None,
        weights: Array | None = None,
    ) -> Loss:  # fmt: skip
        """The loss of the prediction, and the penalty."""
        with self._at(draws if training else None) as inline:
            data, penalty = self.program.losses(x, y, training, inline, weights)
        return Loss(data) if penalty is None else Loss(data + penalty, data=data, penalty=penalty)

    def gradients(
        self, x: Array, y: Array, *, draws: Sequence[Array] | None = None,
        weights: Array | None = None,
    ) -> Values:  # fmt: skip
        """Gradients of loss and penalty, by ``jax.grad``, in training mode."""
        with self._at(draws) as inline:
            return self.program.gradients(x, y, inline, weights)

    def update(self, gradients: Mapping[str, Array]) -> None:
        """One update of the optimizer; a gradient that is not given is zero."""
        self._rates.before_step()
        with self._at(write=True):
            self.program.update(gradients)
        self._rates.after_step()

    def step(
        self, x: Array, y: Array, *, draws: Sequence[Array] | None = None,
        weights: Array | None = None,
    ) -> None:  # fmt: skip
        """Gradients in the model's own mode, the update, and the statistics of the pass.

        Or the author's own step.
        """
        if "step" not in self.abilities:
            raise CannotError("step")
        self._rates.before_step()
        if self._own_step is None:
            with self._at(draws, write=True) as inline:
                self.program.step(x, y, inline, weights)
        elif isinstance(self.model, LinenModel):
            refuse(draws)
            with self._at(write=True):
                make_own_step(self._own_step, self.program, x, y, weights)
        else:
            refuse(draws)
            self._lend_slots()
            make_own_step(self._own_step, self.program, x, y, weights)
            if self._wrapped is not None:
                self._take_over(self._wrapped)
        self._rates.after_step()

    def _lend_slots(self) -> None:
        """The author's ``nnx.Optimizer`` as the program's is now."""
        if self._wrapped is None:
            return

        def is_variable(node: Any) -> bool:
            return isinstance(node, nnx.Variable)

        leaves = jax.tree_util.tree_leaves(self.program.slots)
        own = jax.tree_util.tree_leaves(self._wrapped.opt_state, is_leaf=is_variable)
        held = [variable for variable in own if is_variable(variable)]
        for variable, value in zip(held, leaves, strict=True):
            variable.set_value(value)

    # ---- adjust -----------------------------------------------------------------------
    def adjust(self, wanted: Conventions, x: Array) -> bool:
        """As ``Jax`` does, and the dropout rates of an NNX module."""
        present = self._read(x)
        if wanted.places and dict(wanted.places) != dict(present.places):
            return False
        layers = self.model.other_rates(present.layers, wanted.layers)
        if layers is None or (layers and self.has_own_step):
            return False
        twins = {place.name: name for name, place in present.places.items()}
        with self._at():
            adjusted = jax_adjusting.adjust(self, self._rates, present, wanted, twins, x)
        for layer, rate in layers if adjusted else ():
            layer.rate = rate
        return adjusted


def _model(model: Any, variables: Mapping[str, Any] | None, trained: Any) -> NnxModel | LinenModel:
    if isinstance(model, nnx.Module):
        if variables is not None:
            raise InputError("Flax, variables: an NNX module keeps its own; expected none")
        return NnxModel(model, trained)
    if isinstance(model, linen.Module):
        if not isinstance(variables, Mapping) or "params" not in variables:
            raise InputError(
                "Flax, variables: expected what the Linen module's init returned, with 'params'; "
                f"received {type(variables).__name__}",
                hint="variables = module.init(key, x); netparity.Flax(module, …, "
                "variables=variables)",
            )
        return LinenModel(model, variables)
    raise InputError(
        f"Flax, model: expected an nnx.Module or a linen.Module; received {type(model).__name__}"
    )
