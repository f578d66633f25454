"""A network written in JAX as a function of its parameters, with optax."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, Unpack

import numpy as np

from netparity.conventions import Conventions
from netparity.errors import CannotError, MissingDependencyError
from netparity.implementations.author import Options, argument_names, read_options
from netparity.implementations.base import Loss, Values
from netparity.implementations.own_step import OwnStep

try:
    import jax
except ImportError as error:
    raise MissingDependencyError(
        "netparity.Jax: JAX is not installed", hint="pip install 'netparity[jax]'"
    ) from error

from netparity.implementations import jax_adjusting, jax_optax, jax_schedules
from netparity.implementations.jax_program import Program, named_leaves
from netparity.implementations.jax_side import (
    ProgramSide,
    check_arguments,
    make_own_step,
    mode_of,
    program_abilities,
    program_texts,
    refuse,
)
from netparity.implementations.jax_step import JaxStep

Array = np.ndarray[Any, np.dtype[Any]]

#: Arguments by which ``apply`` is given a key.
_KEYS: Final = ("key", "rng")


class Jax(ProgramSide):
    """A function of parameters and inputs, the loss it is trained on, and its optimizer.

    The parameters are lifted to float64, for the time of each call only: JAX's own setting
    stays as it is. Where the function goes back to its own width it is compared in that, and
    ``lifted`` says so.

    Args:
        apply: ``apply(params, x) → prediction``. An argument ``training`` (or ``train``,
            ``is_training``, ``deterministic``) is told the mode, an argument ``key`` (or
            ``rng``) is given a key, a new one at each step.
        params: a pytree of floating arrays.
        loss: ``loss(prediction, target) → scalar``.
        optimizer: an optax transformation (``init`` and ``update``).
        key: the first key; ``jax.random.key(0)`` where there is none.
        penalty: ``penalty(params) → scalar``, added to the loss.
        name: what to call it in the report.
        lift: whether to compute in float64.
        **options: see ``Options``. ``report`` and ``result`` are given the present parameters if
            they have an argument ``params``; ``train_step`` may ask for ``params``,
            ``opt_state`` and ``key`` and returns the new ones, or rebinds its own.

    Raises:
        InputError: an argument cannot be used.

    Example:
        >>> import jax.numpy as jnp, numpy as np, optax
        >>> params = {"w": np.ones((2, 1)), "b": np.zeros(1)}
        >>> side = Jax(
        ...     lambda p, x: x @ p["w"] + p["b"],
        ...     params,
        ...     lambda prediction, y: jnp.mean((prediction - y) ** 2),
        ...     optax.sgd(0.5),
        ... )
        >>> side.predict(np.array([[1.0, 2.0]]))
        array([[3.]])
        >>> side.gradients(np.array([[1.0, 2.0]]), np.array([[2.0]]))["w"]
        array([[2.],
               [4.]])

    **Parity** (`dtype-default`, `ce-reduction`, `adam-epsilon-placement`,
    `sgd-momentum-form`): JAX computes in float32 unless told otherwise; optax's losses give one
    value for each row; its Adam has ε outside the root, its momentum the rate outside.
    """

    def __init__(
        self,
        apply: Callable[..., Any],
        params: Any,
        loss: Callable[[Any, Any], Any] | None = None,
        optimizer: Any = None,
        *,
        key: Any = None,
        penalty: Callable[[Any], Any] | None = None,
        name: str | None = None,
        lift: bool = True,
        **options: Unpack[Options],
    ) -> None:
        self.name = name or getattr(apply, "__name__", "apply").strip("<>")
        self.version = str(jax.__version__)
        self.author = read_options(self.name, options)
        callables = {"apply": apply, "loss": loss, "penalty": penalty}
        check_arguments(self.name, callables, optimizer)
        self.program = Program(
            self.name, _forward_of(apply), params, (),
            names=named_leaves(params), loss=loss, optimizer=optimizer, penalty=penalty,
            key=jax.random.key(0) if key is None else key, lift=lift, author=self.author,
        )  # fmt: skip
        self._rates = jax_schedules.rates(self.program, self.author)
        self._own_step: OwnStep | None = None
        own = self.author.functions.get("train_step")
        if own is not None:
            where = f"{self.name}, train_step"
            step = JaxStep(own, self.program, [(params, None)], where)
            self._own_step = OwnStep(step, self, where)

    # ---- read -------------------------------------------------------------------------
    @property
    def abilities(self) -> frozenset[str]:
        """What follows from the loss, the optimizer and the functions given."""
        return program_abilities(self.program, self.author)

    def parameters(self) -> Values:
        """Copies of the parameters, named by their paths in the pytree."""
        return self.program.parameters()

    def declared(self, x: Array) -> Conventions:
        """The optimizer, where optax's closures tell it; the rest is measured."""
        self.program.predict(x, False)
        program = self.program
        rule = clip = None
        if program.optimizer is not None:
            rule = jax_optax.read(program.optimizer, program.params, program.names, {})
            clip = jax_optax.clipping(program.optimizer)
        found = Conventions(
            penalties=None if program.penalty is not None else (),
            optimizer=rule,
            clipping=clip,
            texts=program_texts(program),
        )
        return self._rates.applied_to(program.adjusted.applied_to(found))

    # ---- drive ------------------------------------------------------------------------
    def set_parameters(self, values: Mapping[str, Array]) -> None:
        """Replaces parameters."""
        self.program.set_parameters(values)

    def state(self) -> Any:
        """Parameters, the optimizer's state, and the key."""
        own = None if self._own_step is None else self._own_step.state()
        return replace(self.program.state(), rates=self._rates.state(), own=own)

    def restore(self, state: Any) -> None:
        """Puts all of it back."""
        self.program.restore(state)
        self._rates.restore(state.rates)
        if self._own_step is not None:
            self._own_step.restore(state.own)

    def predict(
        self, x: Array, *, training: bool = False, draws: Sequence[Array] | None = None
    ) -> Array:
        """Predictions of the function."""
        refuse(draws)
        return self.program.predict(x, training)

    def loss(
        self, x: Array, y: Array, *, training: bool = True, draws: Sequence[Array] | None = None,
        weights: Array | None = None,
    ) -> Loss:  # fmt: skip
        """The loss of the prediction, and the penalty."""
        refuse(draws)
        data, penalty = self.program.losses(x, y, training, weights=weights)
        return Loss(data) if penalty is None else Loss(data + penalty, data=data, penalty=penalty)

    def gradients(
        self, x: Array, y: Array, *, draws: Sequence[Array] | None = None,
        weights: Array | None = None,
    ) -> Values:  # fmt: skip
        """Gradients of loss and penalty, by ``jax.grad``."""
        refuse(draws)
        return self.program.gradients(x, y, weights=weights)

    def update(self, gradients: Mapping[str, Array]) -> None:
        """One update of the optimizer; a gradient that is not given is zero."""
        self._rates.before_step()
        self.program.update(gradients)
        self._rates.after_step()

    def step(
        self, x: Array, y: Array, *, draws: Sequence[Array] | None = None,
        weights: Array | None = None,
    ) -> None:  # fmt: skip
        """Gradients, update and a new key, or the author's own step."""
        refuse(draws)
        if "step" not in self.abilities:
            raise CannotError("step")
        self._rates.before_step()
        if self._own_step is not None:
            make_own_step(self._own_step, self.program, x, y, weights)
        else:
            self.program.step(x, y, weights=weights)
        self._rates.after_step()

    # ---- adjust -----------------------------------------------------------------------
    def adjust(self, wanted: Conventions, x: Array) -> bool:
        """Constants of the optimizer, the schedule, the loss's scale, and penalties."""
        program = self.program
        if wanted.layers is not None:
            return False
        rule = clip = None
        if program.optimizer is not None:
            rule = jax_optax.read(program.optimizer, program.params, program.names, {})
            clip = jax_optax.clipping(program.optimizer)
        penalties = None if program.penalty is not None else ()
        present = program.adjusted.applied_to(
            Conventions(penalties=penalties, optimizer=rule, clipping=clip)
        )
        return jax_adjusting.adjust(self, self._rates, present, wanted, {}, x)


def _forward_of(apply: Callable[..., Any]) -> Any:
    mode = mode_of(apply) if callable(apply) else mode_of(None)
    keys = [name for name in _KEYS if name in argument_names(apply)][:1]

    def forward(params: Any, rest: Any, x: Any, training: bool | None, key: Any) -> Any:
        given = dict.fromkeys(keys, key)
        return apply(params, x, **mode(training is not False), **given), rest

    return forward
