"""A TensorFlow 2 model as netparity drives it: eagerly, by the calls its author's loop makes.

``tf.GradientTape`` around prediction and loss, ``tape.gradient`` with respect to the model's
``trainable_variables``, and the optimizer's ``apply_gradients``.
"""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import keras
import numpy as np
import tensorflow as tf

from netparity import randomness
from netparity.errors import CannotError, InputError
from netparity.implementations.author import Author, weighing, weights_argument
from netparity.implementations.keras_layers import dropouts, fed_dropout
from netparity.implementations.keras_model import LiveModel

Array = np.ndarray[Any, np.dtype[Any]]

#: The streams a TensorFlow program may draw from without owning them.
STREAMS: Final = ("python", "numpy", "tensorflow", "keras")


class EagerModel:
    """A model, its loss, optimizer and penalty.

    Args:
        name: the side's name, for messages.
        model: a Keras model or a ``tf.Module`` that can be called.
        loss: ``loss(prediction, target)``, a ``keras.losses.Loss``, or ``None``.
        optimizer: with ``apply_gradients``, or ``None``.
        penalty: ``penalty(model)`` or ``None``.
        author: what else the author gave.

    Attributes:
        keras: the model as the Keras adapter drives it, where it is one.
    """

    def __init__(
        self, name: str, model: Any, loss: Any, optimizer: Any, penalty: Any, author: Author
    ) -> None:
        self.name = name
        self.author = author
        self.model = model
        self.loss = loss
        self.optimizer = optimizer
        self.penalty = penalty
        self.keras = LiveModel(model) if isinstance(model, keras.Model) else None
        called = model.call if self.keras is not None else type(model).__call__
        self._told = "training" in inspect.signature(called).parameters
        if not self.variables:
            raise InputError(
                f"{name}: the model has no trainable variables",
                hint="build it, or call it once on a batch, before it is handed over",
            )
        if isinstance(optimizer, keras.optimizers.Optimizer) and not optimizer.built:
            # The slots its first step would make; it draws no number.
            optimizer.build(list(self.variables.values()))

    # ---- variables ----------------------------------------------------------------------
    @property
    def variables(self) -> dict[str, Any]:
        """The trainable variables by name, in order of definition."""
        if self.keras is not None:
            return self.keras.variables if self.model.built else {}
        trained = {id(v) for v in self.model.trainable_variables}
        flat = self.model._flatten(predicate=lambda v: id(v) in trained, with_path=True)
        paths = sorted(flat, key=lambda item: _rank(self.model, item[0]))
        return {".".join(map(str, path)): variable for path, variable in paths}

    @property
    def others(self) -> list[Any]:
        """The variables that no optimizer moves: running statistics, seeds of layers."""
        trained = {id(v) for v in self.variables.values()}
        return [v for v in self.model.variables if id(v) not in trained]

    @property
    def slots(self) -> dict[str, Any]:
        """The optimizer's variables, by names that stay though they are made anew."""
        optimizer = self.optimizer
        if not hasattr(optimizer, "get_slot_names"):
            held = getattr(optimizer, "variables", ())
            return {str(index): variable for index, variable in enumerate(held)}
        # One of TF 1 sorts its own list by names of the process.
        found = {
            f"{slot}/{name}": optimizer.get_slot(variable, slot)
            for slot in optimizer.get_slot_names()
            for name, variable in self.variables.items()
        }
        found |= {f"/{key[0]}": variable for key, variable in optimizer._non_slot_dict.items()}
        return {name: variable for name, variable in found.items() if variable is not None}

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of the first trainable variable."""
        return array(next(iter(self.variables.values()))).dtype

    def set_slots(self, values: Mapping[str, Array]) -> None:
        """Puts the optimizer's variables back; those that were made later go."""
        if hasattr(self.optimizer, "get_slot_names"):
            # They are made, with their first values, at the first step.
            if not values:
                self.optimizer._slots.clear()
                self.optimizer._non_slot_dict.clear()
            elif not self.slots:
                self.optimizer._create_slots(list(self.variables.values()))
        for name, variable in self.slots.items():
            variable.assign(values[name])

    # ---- calls --------------------------------------------------------------------------
    def tensor(self, values: Array) -> Any:
        """A tensor: floats in the working dtype, others as they are."""
        numbers = np.asarray(values)
        return tf.convert_to_tensor(
            numbers.astype(self.dtype) if numbers.dtype.kind == "f" else numbers
        )

    def call(self, x: Any, training: bool) -> Any:
        """One forward pass.

        Raises:
            InputError: it gives no tensor.
        """
        if self.keras is not None:
            prediction = self.keras.call(x, training)
        else:
            prediction = self.model(x, training=training) if self._told else self.model(x)
        if not tf.is_tensor(prediction):
            raise InputError(
                f"{self.name}: expected one tensor as prediction; received "
                f"{type(prediction).__name__}"
            )
        return prediction

    @property
    def weighable(self) -> bool:
        """Whether the loss takes weights of the rows."""
        own = isinstance(self.loss, keras.losses.Loss)
        return own or weights_argument(self.loss) is not None

    def data_loss(self, prediction: Any, y: Any, weights: Array | None = None) -> Any:
        """The author's loss of a prediction, a scalar.

        Raises:
            CannotError: there is no loss.
            InputError: it is no scalar.
        """
        if self.loss is None:
            raise CannotError("loss")
        # A loss object of Keras has its own order of arguments.
        own = isinstance(self.loss, keras.losses.Loss)
        weights = self.author.weights(np.asarray(y), weights)
        if own:
            given = None if weights is None else self.tensor(weights)
            value = self.loss(y, prediction, sample_weight=given)
        else:
            counted = weighing(self.loss, f"{self.name}, loss", weights)
            named = {key: self.tensor(value) for key, value in counted.items()}
            value = self.loss(prediction, y, **named)
        if np.shape(value) != ():
            raise InputError(
                f"{self.name}, loss: expected a scalar; received shape {np.shape(value)}",
                hint="tf.nn's losses give one value for each row: take tf.reduce_mean of it",
            )
        return value

    def losses(
        self, x: Array, y: Array, training: bool, weights: Array | None = None
    ) -> tuple[Any, Any | None]:
        """The data loss and the penalty (``None`` where the author gave none), as tensors."""
        data = self.data_loss(self.call(self.tensor(x), training), self.tensor(y), weights)
        return data, None if self.penalty is None else self.penalty(self.model)

    def loss_of(self, prediction: Array, y: Array) -> float:
        """The data loss of a prediction of our choosing."""
        tensor = self.tensor(prediction)
        if self.keras is not None and self.keras.logits_carried is not None:
            tensor = self.keras.with_logits(prediction)
        return float(self.data_loss(tensor, self.tensor(y)))

    def differentiate(self, x: Array, y: Array, weights: Array | None = None) -> dict[str, Any]:
        """Gradients of loss and penalty in training mode, where they depend on a variable."""
        variables = self.variables
        with tf.GradientTape() as tape:
            data, penalty = self.losses(x, y, True, weights)
            total = data if penalty is None else data + penalty
        found = tape.gradient(total, list(variables.values()))
        pairs = zip(variables, found, strict=True)
        return {name: tf.convert_to_tensor(g) for name, g in pairs if g is not None}

    def apply(self, gradients: Mapping[str, Any]) -> None:
        """One ``apply_gradients``, on the variables that have a gradient."""
        if self.optimizer is None:
            raise CannotError("update")
        variables = self.variables
        pairs = [(g, variables[name]) for name, g in gradients.items()]
        if pairs:
            self.optimizer.apply_gradients(pairs)

    # ---- for the time of a look ---------------------------------------------------------
    @contextlib.contextmanager
    def aside(self) -> Iterator[None]:
        """A look that moves no statistics, no seed and no random stream."""
        kept = [(v, array(v)) for v in self.others]
        streams = randomness.capture(STREAMS)
        try:
            yield
        finally:
            for variable, value in kept:
                variable.assign(value)
            now = randomness.capture(STREAMS).states
            # Captured states that are equal are one object; to restore one costs TensorFlow
            # the kernels it has made.
            if any(state is not streams.states.get(name) for name, state in now.items()):
                streams.restore()

    def eagerly(self, wanted: bool) -> contextlib.AbstractContextManager[None]:
        """While it lasts, what the author compiled is run by Python (draws: a Keras model)."""
        return contextlib.nullcontext() if self.keras is None else self.keras.eagerly(wanted)

    def fed(self, draws: Sequence[Array] | None) -> contextlib.AbstractContextManager[None]:
        """The model with the draws of its dropout layers fed.

        Raises:
            CannotError: it is no Keras model: nobody knows what it draws.
        """
        if draws is None:
            return contextlib.nullcontext()
        if self.keras is None:
            raise CannotError("draws")
        return fed_dropout(dropouts(self.model), draws)


def array(variable: Any) -> Array:
    """A copy of a tensor's or variable's numbers."""
    return np.array(variable.numpy())


def _rank(module: Any, path: tuple[Any, ...]) -> tuple[int, ...]:
    """Where a path stands in the order in which attributes were set."""
    node, ranks = module, []
    for key in path:
        held: Any = node if isinstance(node, Mapping) else getattr(node, "__dict__", {})
        if key in held:
            ranks.append(list(held).index(key))
            node = held[key]
        else:
            ranks.append(key if isinstance(key, int) else 0)
            with contextlib.suppress(KeyError, IndexError, TypeError):
                node = node[key]
    return tuple(ranks)
