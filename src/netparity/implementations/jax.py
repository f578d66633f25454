"""A network written in JAX as a function of its parameters, with optax."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

import numpy as np

from netparity.conventions import Conventions
from netparity.errors import CannotError, InputError, MissingDependencyError
from netparity.implementations.base import Implementation, Loss, Values, Watched
from netparity.implementations.values import as_array
from netparity.implementations.watching import Batches, Every, watch_loop

try:
    import jax
except ImportError as error:
    raise MissingDependencyError(
        "netparity.Jax: JAX is not installed", hint="pip install 'netparity[jax]'"
    ) from error

from netparity.implementations import jax_optax
from netparity.implementations.jax_program import Program, named_leaves

Array = np.ndarray[Any, np.dtype[Any]]
Validation = Callable[[Array, Array], tuple[Array, Array]]

#: Arguments by which ``apply`` may be told the mode, and whether they mean training.
_MODES: Final = {"training": True, "train": True, "is_training": True, "deterministic": False}
_KEYS: Final = ("key", "rng")


class Jax(Implementation):
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
        batches: ``batches(x, y, epoch) → iterable of (x, y)``; by default rows in order.
        report: ``report(x, y) → {name: value}``; an argument ``params`` is given the present
            parameters.
        report_every: ``"step"`` (with that batch) or ``"epoch"`` (with all data).
        result: ``result() → {name: array}``, likewise.
        validation: ``validation(x, y) → (x, y)``, the rows held out.
        penalty: ``penalty(params) → scalar``, added to the loss.
        name: what to call it in the report.
        lift: whether to compute in float64.

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

    framework = "jax"

    def __init__(
        self,
        apply: Callable[..., Any],
        params: Any,
        loss: Callable[[Any, Any], Any] | None = None,
        optimizer: Any = None,
        *,
        key: Any = None,
        batches: Batches | None = None,
        report: Callable[..., Mapping[str, Any]] | None = None,
        report_every: Every = "step",
        result: Callable[..., Mapping[str, Any]] | None = None,
        validation: Validation | None = None,
        penalty: Callable[[Any], Any] | None = None,
        name: str | None = None,
        lift: bool = True,
    ) -> None:
        self.name = name or getattr(apply, "__name__", "apply").strip("<>")
        self.version = str(jax.__version__)
        given = {"batches": batches, "report": report, "result": result, "validation": validation}
        self._functions: dict[str, Any] = {k: f for k, f in given.items() if f is not None}
        self._report_every: Every = report_every
        callables = {"apply": apply, "loss": loss, "penalty": penalty, **self._functions}
        check_arguments(self.name, callables, optimizer, report_every)
        self.program = Program(
            self.name, _forward_of(apply), params, (),
            names=named_leaves(params), loss=loss, optimizer=optimizer, penalty=penalty,
            key=jax.random.key(0) if key is None else key, lift=lift,
        )  # fmt: skip

    # ---- read -------------------------------------------------------------------------
    @property
    def notes(self) -> list[str]:
        """Remarks for the report."""
        return self.program.notes

    @property
    def lifted(self) -> bool:
        """Whether it computes in float64 though it was handed over in another dtype."""
        return self.program.lifted

    @property
    def abilities(self) -> frozenset[str]:
        """What follows from the loss, the optimizer and the functions given."""
        return program_abilities(self.program) | frozenset(self._functions)

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of the first parameter."""
        return self.program.dtype

    def parameters(self) -> Values:
        """Copies of the parameters, named by their paths in the pytree."""
        return self.program.parameters()

    def declared(self, x: Array) -> Conventions:
        """The optimizer, where optax's closures tell it; the rest is measured."""
        self.program.predict(x, False)
        program = self.program
        rule = None
        if program.optimizer is not None:
            rule = jax_optax.read(program.optimizer, program.params, program.names, {})
        return Conventions(
            penalties=None if program.penalty is not None else (),
            optimizer=rule,
            texts=program_texts(program),
        )

    # ---- drive ------------------------------------------------------------------------
    def set_parameters(self, values: Mapping[str, Array]) -> None:
        """Replaces parameters."""
        self.program.set_parameters(values)

    def state(self) -> Any:
        """Parameters, the optimizer's state, and the key."""
        return self.program.state()

    def restore(self, state: Any) -> None:
        """Puts all of it back."""
        self.program.restore(state)

    def predict(
        self, x: Array, *, training: bool = False, draws: Sequence[Array] | None = None
    ) -> Array:
        """Predictions of the function."""
        refuse(draws)
        return self.program.predict(x, training)

    def loss(
        self, x: Array, y: Array, *, training: bool = True, draws: Sequence[Array] | None = None
    ) -> Loss:
        """The loss of the prediction, and the penalty."""
        refuse(draws)
        data, penalty = self.program.losses(x, y, training)
        return Loss(data) if penalty is None else Loss(data + penalty, data=data, penalty=penalty)

    def loss_of(self, prediction: Array, y: Array) -> float:
        """The data loss of a prediction."""
        return self.program.loss_of(prediction, y)

    def gradients(self, x: Array, y: Array, *, draws: Sequence[Array] | None = None) -> Values:
        """Gradients of loss and penalty, by ``jax.grad``."""
        refuse(draws)
        return self.program.gradients(x, y)

    def update(self, gradients: Mapping[str, Array]) -> None:
        """One update of the optimizer; a gradient that is not given is zero."""
        self.program.update(gradients)

    def step(self, x: Array, y: Array, *, draws: Sequence[Array] | None = None) -> None:
        """Gradients, the optimizer's update, ``optax.apply_updates``; then a new key."""
        refuse(draws)
        self.program.step(x, y)

    def batches(self, x: Array, y: Array, epoch: int) -> Iterable[tuple[Array, Array]]:
        """What the author's own ``batches`` yields."""
        if "batches" not in self._functions:
            raise CannotError("batches")
        feeding: Iterable[tuple[Array, Array]] = self._functions["batches"](x, y, epoch)
        return feeding

    def validation(self, x: Array, y: Array) -> tuple[Array, Array]:
        """The rows the author's own ``validation`` holds out."""
        if "validation" not in self._functions:
            raise CannotError("validation")
        held_x, held_y = self._functions["validation"](x, y)
        return as_array(held_x), as_array(held_y)

    def watch(self, x: Array, y: Array, *, epochs: int, batch_size: int, limit: int) -> Watched:
        """Trains as the author does, and records."""
        with self.program.context():
            return watch_loop(
                self, x, y,
                batches=self._functions.get("batches"),
                report=told_params(self._functions.get("report"), self.program),
                report_every=self._report_every,
                result=told_params(self._functions.get("result"), self.program),
                epochs=epochs, batch_size=batch_size, limit=limit,
            )  # fmt: skip


# ---- shared with Flax ----------------------------------------------------------------------------
def check_arguments(
    name: str, callables: Mapping[str, Any], optimizer: Any, report_every: str
) -> None:
    """Raises unless the functions are functions and the optimizer is one of optax's kind."""
    for key, function in callables.items():
        if function is not None and not callable(function):
            raise InputError(
                f"{name}, {key}: expected a function; received {type(function).__name__}"
            )
    if optimizer is not None and not all(hasattr(optimizer, a) for a in ("init", "update")):
        raise InputError(
            f"{name}, optimizer: expected an optax transformation; received "
            f"{type(optimizer).__name__}",
            hint="for example optax.sgd(0.1)",
        )
    if report_every not in ("step", "epoch"):
        raise InputError(
            f"{name}, report_every: expected 'step' or 'epoch'; received {report_every!r}"
        )


def program_abilities(program: Program) -> frozenset[str]:
    """What a program can do by its loss, penalty and optimizer."""
    able = set()
    if program.loss is not None:
        able |= {"loss", "loss-of", "gradients"}
    if program.optimizer is not None:
        able.add("update")
        able |= {"step"} if program.loss is not None else set()
    if program.penalty is not None:
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


def told_params(function: Any, program: Program) -> Any:
    """A function of the author's, given the present parameters where it asks for them."""
    if function is None or "params" not in _arguments(function):
        return function
    return lambda *args: function(*args, params=program.params)


def mode_of(function: Any) -> Callable[[bool], dict[str, bool]]:
    """How a function is told the mode: its own argument for it, if it has one."""
    names = [name for name in _MODES if name in _arguments(function)]
    return lambda training: {name: training == _MODES[name] for name in names[:1]}


def _arguments(function: Any) -> tuple[str, ...]:
    try:
        return tuple(inspect.signature(function).parameters)
    except (TypeError, ValueError):
        return ()


def _forward_of(apply: Callable[..., Any]) -> Any:
    mode = mode_of(apply) if callable(apply) else mode_of(None)
    keys = [name for name in _KEYS if name in _arguments(apply)][:1]

    def forward(params: Any, rest: Any, x: Any, training: bool | None, key: Any) -> Any:
        given = dict.fromkeys(keys, key)
        return apply(params, x, **mode(training is not False), **given), rest

    return forward
