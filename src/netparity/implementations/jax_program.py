"""A JAX program as a pure function of its parameters, called with arrays.

The loss, its gradient and the update are those of the author's functions, run in their order:
``jax.grad`` of loss and penalty, the optimizer's ``update``, ``optax.apply_updates``.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np

from netparity.errors import CannotError, InputError
from netparity.implementations.author import Author, weighing, weights_argument
from netparity.implementations.jax_compiled import call
from netparity.implementations.jax_rebuilding import rebuilt
from netparity.implementations.scaling import Adjusted

Array = np.ndarray[Any, np.dtype[Any]]
Outcome = TypeVar("Outcome")
#: ``(params, rest, x, training, key) → (prediction, rest)``: ``rest`` is what a pass may change
#: beside the parameters, ``training=None`` the mode as handed over.
Forward = Callable[[Any, Any, Any, bool | None, Any], tuple[Any, Any]]


@dataclass(frozen=True, slots=True)
class ProgramState:
    """Everything a run changes; JAX's arrays cannot be written to, so these are no copies."""

    params: Any
    rest: Any
    optimizer: Any
    key: Any
    rates: Any = None
    own: Any = None


def wide() -> contextlib.AbstractContextManager[Any]:
    """While it lasts, JAX has float64; the setting of the process stays as it is."""
    enable: Any = getattr(jax, "enable_x64", None)
    if enable is None:
        from jax import experimental

        enable = experimental.enable_x64
    context: contextlib.AbstractContextManager[Any] = enable(True)
    return context


def named_leaves(tree: Any) -> list[tuple[str, int]]:
    """The leaves of a pytree by name, in the order in which its containers hold them.

    Args:
        tree: dictionaries, lists, tuples and other nodes known to JAX.

    Returns:
        For each leaf its path, joined by dots, and its place in JAX's own order, in which the
        keys of a dictionary are sorted.

    Example:
        >>> named_leaves({"out": {"w": 1.0, "b": 2.0}, "in": [3.0]})
        [('out.w', 2), ('out.b', 1), ('in.0', 0)]
    """
    found = jax.tree_util.tree_flatten_with_path(tree)[0]
    names = [".".join(_part(key) for key in path) or "params" for path, _ in found]
    ranks = {name: rank for rank, name in enumerate(_held(tree, ()))}

    def rank(item: tuple[str, int]) -> tuple[int, int]:
        parts = item[0].split(".")
        heads = [".".join(parts[:n]) for n in range(len(parts), 0, -1)]
        return next((ranks[head] for head in heads if head in ranks), len(ranks)), item[1]

    return sorted(((name, place) for place, name in enumerate(names)), key=rank)


def _part(key: Any) -> str:
    for attribute in ("key", "idx", "name"):
        if hasattr(key, attribute):
            return str(getattr(key, attribute))
    return str(key)


def _held(tree: Any, path: tuple[str, ...]) -> Iterator[str]:
    """The paths of what is no dictionary, list or tuple, in the order in which they are held."""
    items: Any
    if isinstance(tree, Mapping):
        items = tree.items()
    elif isinstance(tree, tuple) and hasattr(tree, "_fields"):
        items = zip(tree._fields, tree, strict=True)
    elif isinstance(tree, list | tuple):
        items = enumerate(tree)
    else:
        yield ".".join(path)
        return
    for key, value in items:
        yield from _held(value, (*path, str(key)))


def cast(tree: Any, dtype: Any) -> Any:
    """A pytree with its floating leaves in a dtype, the others as they are."""

    def fit(leaf: Any) -> Any:
        floats = jnp.issubdtype(jnp.result_type(leaf), jnp.floating)
        return jnp.asarray(leaf, dtype) if floats else leaf

    return jax.tree_util.tree_map(fit, tree)


class Program:
    """A network as a pure function, its loss, penalty and optimizer, and its state now.

    Args:
        name: the side's name, for messages.
        forward: the network.
        params: a pytree of floating arrays.
        rest: a pytree of what else a forward pass may change.
        names: for each leaf of ``params`` its name, and its place in JAX's order.
        loss: ``loss(prediction, target) → scalar`` or ``None``.
        optimizer: an optax transformation or ``None``.
        penalty: ``penalty(params) → scalar`` or ``None``.
        author: what else the author gave.
        key: of the draws that a forward pass makes.
        lift: whether to compute in float64.

    Attributes:
        lifted: whether it computes in float64 though it was handed over in another dtype.
        notes: remarks for the report.
        authored: the transformation as its author gave it.
        adjusted: what was changed of loss and penalties.
        rate: the learning rate in place of the transformation's own, or ``None``.
    """

    def __init__(
        self, name: str, forward: Forward, params: Any, rest: Any, *,
        names: Sequence[tuple[str, int]], loss: Any, optimizer: Any, penalty: Any, key: Any,
        lift: bool, author: Author,
    ) -> None:  # fmt: skip
        self.name = name
        self.forward = forward
        self.names = list(names)
        self.loss = loss
        self.optimizer = self.authored = optimizer
        self.penalty = penalty
        self.key = key
        self.author = author
        self.adjusted = Adjusted()
        self.rate: float | None = None
        self.params, self.rest = params, rest
        self.lifted = False
        self.notes: list[str] = []
        self._proven: set[str] = set()
        self._check()
        # NumPy's arrays first become what JAX makes of them in the author's own settings.
        self.params = jax.tree_util.tree_map(jnp.asarray, params)
        self._own = self.dtype
        self._wide = lift or self._own == np.float64
        self.slots: Any = None
        with self.context():
            if lift and self._own != np.float64:
                self.lifted = True
                self._set_width(np.dtype(np.float64))
            if optimizer is not None:
                self.slots = optimizer.init(self.params)

    def _check(self) -> None:
        leaves = jax.tree_util.tree_leaves(self.params)
        for name, place in self.names:
            leaf = leaves[place]
            kind = np.asarray(leaf).dtype if not hasattr(leaf, "dtype") else leaf.dtype
            if not jnp.issubdtype(kind, jnp.floating):
                raise InputError(
                    f"{self.name}, params, {name!r}: expected an array of floats; received {kind}",
                    hint="keep what is not trained out of params, in the function's closure",
                )
        if not leaves:
            raise InputError(f"{self.name}, params: expected arrays; received none")

    # ---- width --------------------------------------------------------------------------
    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of the first parameter."""
        found: np.dtype[Any] = np.dtype(jnp.result_type(jax.tree_util.tree_leaves(self.params)[0]))
        return found

    def context(self) -> contextlib.AbstractContextManager[Any]:
        """Float64 where the parameters have it."""
        return wide() if self._wide else contextlib.nullcontext()

    def _set_width(self, dtype: np.dtype[Any]) -> None:
        self.params, self.rest = cast(self.params, dtype), cast(self.rest, dtype)

    def _lower(self) -> None:
        self.lifted = self._wide = False
        self._set_width(self._own)
        self.slots = None if self.slots is None else cast(self.slots, self._own)
        self.notes.append(f"{self.name} does not compute in float64; compared in {self._own.name}")

    def run(self, kind: str, function: Callable[[], Outcome]) -> Outcome:
        """Runs it; where it cannot be done in float64 the first time, in the own dtype."""
        try:
            with self.context():
                outcome = function()
        except (TypeError, ValueError):
            if not self.lifted or kind in self._proven:
                raise
            kept = self.params, self.rest, self.slots
            self._lower()
            try:
                outcome = function()
            except (TypeError, ValueError):
                self.lifted = self._wide = True
                self.params, self.rest, self.slots = kept
                self.notes.pop()
                raise
        self._proven.add(kind)
        return outcome

    # ---- values -------------------------------------------------------------------------
    def array(self, values: Any) -> Any:
        """Numbers as JAX's array: floats in the working dtype, others as they are."""
        numbers = np.asarray(values)
        return jnp.asarray(numbers, self.dtype if numbers.dtype.kind == "f" else None)

    def parameters(self) -> dict[str, Array]:
        """Copies of the parameters by name."""
        leaves = jax.tree_util.tree_leaves(self.params)
        return {name: np.array(leaves[place]) for name, place in self.names}

    def tree(self, values: Mapping[str, Array], otherwise: Callable[[Any], Any]) -> Any:
        """A pytree like the parameters, with what is not given as ``otherwise`` makes it.

        Raises:
            InputError: there is no such parameter, or it has another shape.
        """
        leaves, structure = jax.tree_util.tree_flatten(self.params)
        places = dict(self.names)
        for name, value in values.items():
            if name not in places or np.shape(leaves[places[name]]) != np.shape(value):
                known = name in places
                expected = np.shape(leaves[places[name]]) if known else ", ".join(places)
                raise InputError(
                    f"{self.name}, parameters, {name!r}: expected {expected}; received shape "
                    f"{np.shape(value)}"
                )
        given = {places[name]: value for name, value in values.items()}
        made = [
            jnp.asarray(np.array(given[i]), self.dtype) if i in given else otherwise(leaf)
            for i, leaf in enumerate(leaves)
        ]
        return jax.tree_util.tree_unflatten(structure, made)

    def set_parameters(self, values: Mapping[str, Array]) -> None:
        """Replaces parameters."""
        with self.context():
            self.params = self.tree(values, lambda leaf: leaf)

    # ---- forward and loss -----------------------------------------------------------------
    def predict(self, x: Array, training: bool | None, inline: bool = False) -> Array:
        """A prediction; nothing is kept of the pass."""

        def forward() -> Any:
            return self._call(
                lambda params, rest, x, key: self._prediction(params, rest, x, training, key)[0],
                self.array(x), inline=inline,
            )  # fmt: skip

        prediction = self.run("forward", forward)
        if self.lifted and prediction.dtype == self._own:
            # It goes back to its own width by itself: then that is where it is compared.
            self._lower()
            prediction = forward()
        return np.array(prediction)

    def _call(self, function: Callable[..., Any], *arrays: Any, inline: bool = False) -> Any:
        """A function of parameters, rest, arrays and key, at their present values."""
        return call(function, self.params, self.rest, *arrays, self.key, inline=inline)

    def _prediction(
        self, params: Any, rest: Any, x: Any, training: bool | None, key: Any
    ) -> tuple[Any, Any]:
        prediction, rest = self.forward(params, rest, x, training, key)
        if not isinstance(prediction, jax.Array):
            raise InputError(
                f"{self.name}: expected one array as prediction; received "
                f"{type(prediction).__name__}"
            )
        return prediction, rest

    @property
    def weighable(self) -> bool:
        """Whether the loss takes weights of the rows."""
        return weights_argument(self.loss) is not None

    def _counted(self, y: Array, weights: Array | None) -> dict[str, Any]:
        """How much the rows count, as the argument that the loss has for it."""
        counted = self.author.weights(y, weights)
        found = weighing(self.loss, f"{self.name}, loss", counted)
        return {key: self.array(value) for key, value in found.items()}

    def data_loss(self, prediction: Any, y: Any, weights: Mapping[str, Any] | None = None) -> Any:
        """The author's loss of a prediction.

        Raises:
            CannotError: there is no loss.
            InputError: it is no scalar.
        """
        if self.loss is None:
            raise CannotError("loss")
        value = self.loss(prediction, y, **(weights or {}))
        if np.shape(value) != ():
            raise InputError(
                f"{self.name}, loss: expected a scalar; received shape {np.shape(value)}",
                hint="optax's losses give one value for each row: take their mean or sum",
            )
        return self.adjusted.loss_value(value, prediction)

    def penalty_of(self, params: Any) -> Any | None:
        """The penalty, or ``None`` where there is none apart from the loss."""
        if self.adjusted.penalties is None:
            return None if self.penalty is None else self.penalty(params)
        leaves = jax.tree_util.tree_leaves(params)
        named = {name: leaves[place] for name, place in self.names}
        return self.adjusted.penalty_value(named, jnp.sum)

    def losses(
        self,
        x: Array,
        y: Array,
        training: bool | None,
        inline: bool = False,
        weights: Array | None = None,
    ) -> tuple[float, float | None]:
        """The data loss and the penalty (``None`` where the author gave none)."""

        def both(params: Any, rest: Any, x: Any, y: Any, w: Any, key: Any) -> tuple[Any, Any]:
            prediction, _ = self._prediction(params, rest, x, training, key)
            data = self.data_loss(prediction, y, w)
            return data, self.penalty_of(params)

        data, penalty = self.run(
            "loss",
            lambda: self._call(
                both, self.array(x), self.array(y), self._counted(y, weights), inline=inline
            ),
        )
        return float(data), None if penalty is None else float(penalty)

    def loss_of(self, prediction: Array, y: Array) -> float:
        """The data loss of a prediction."""
        return self.run(
            "loss",
            lambda: float(
                call(self.data_loss, self.array(prediction), self.array(y), self._counted(y, None))
            ),
        )

    def differentiate(
        self,
        x: Array,
        y: Array,
        training: bool | None,
        inline: bool = False,
        weights: Array | None = None,
    ) -> tuple[Any, Any]:
        """Gradients of loss and penalty as a pytree, and what the pass left."""

        def found(params: Any, rest: Any, x: Any, y: Any, w: Any, key: Any) -> tuple[Any, Any]:
            def total(params: Any) -> tuple[Any, Any]:
                prediction, left = self._prediction(params, rest, x, training, key)
                value = self.data_loss(prediction, y, w)
                penalty = self.penalty_of(params)
                return (value if penalty is None else value + penalty), left

            both: tuple[Any, Any] = jax.grad(total, has_aux=True)(params)
            return both

        gradients, rest = self.run(
            "loss",
            lambda: self._call(
                found, self.array(x), self.array(y), self._counted(y, weights), inline=inline
            ),
        )
        return gradients, rest

    def gradients(
        self, x: Array, y: Array, inline: bool = False, weights: Array | None = None
    ) -> dict[str, Array]:
        """Gradients of loss and penalty by name; nothing is kept of the pass."""
        leaves = jax.tree_util.tree_leaves(self.differentiate(x, y, True, inline, weights)[0])
        return {name: np.array(leaves[place]) for name, place in self.names}

    # ---- update and step --------------------------------------------------------------------
    def apply(self, gradients: Any) -> None:
        """One update of the optimizer."""
        import optax

        if self.optimizer is None:
            raise CannotError("update")

        def update(gradients: Any, slots: Any, params: Any, rate: Any) -> tuple[Any, Any]:
            updates, slots = self._at_rate(rate).update(gradients, slots, params)
            return optax.apply_updates(params, updates), slots

        with self.context():
            self.params, self.slots = call(update, gradients, self.slots, self.params, self.rate)

    def _at_rate(self, rate: Any) -> Any:
        """The transformation, with another rate in place of its own unless that is ``None``."""
        if rate is None:
            return self.optimizer
        changes = {
            ("scale", "step_size"): -rate,
            ("scale_by_schedule", "step_size_fn"): lambda count: -rate,
        }
        return rebuilt(self.optimizer, changes)

    def update(self, gradients: Mapping[str, Array]) -> None:
        """One update on gradients given by name; one that is not given is zero."""
        with self.context():
            tree = self.tree(gradients, jnp.zeros_like)
        self.apply(tree)

    def step(self, x: Array, y: Array, inline: bool = False, weights: Array | None = None) -> None:
        """One step in the program's own mode: gradients, update, and what the pass left."""
        gradients, rest = self.differentiate(x, y, None, inline, weights)
        self.apply(gradients)
        self.rest = rest
        self.key = jax.random.split(self.key)[0]

    def state(self) -> ProgramState:
        """What a run changes."""
        return ProgramState(self.params, self.rest, self.slots, self.key)

    def restore(self, state: ProgramState) -> None:
        """Puts it back, in the present width."""
        with self.context():
            self.params, self.rest = cast(state.params, self.dtype), cast(state.rest, self.dtype)
            self.slots = None if state.optimizer is None else cast(state.optimizer, self.dtype)
        self.key = state.key
