"""TensorFlow 2: a Keras model or a ``tf.Module`` in its author's own training loop."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Unpack

import numpy as np

from netparity import randomness
from netparity.conventions import Conventions
from netparity.errors import CannotError, InputError, MissingDependencyError
from netparity.implementations.author import (
    Authored,
    Options,
    check_function,
    read_options,
    weighing,
)
from netparity.implementations.base import Loss, Values
from netparity.implementations.own_step import OwnStep

try:
    import keras
    import tensorflow as tf
except ImportError as error:
    raise MissingDependencyError(
        "netparity.TensorFlow: TensorFlow is not installed",
        hint="pip install 'netparity[keras]'",
    ) from error

from netparity.implementations import tensorflow_reading
from netparity.implementations.keras_layers import dropouts, measured_dropout, recorded, unique
from netparity.implementations.tensorflow_eager import STREAMS, EagerModel, array

Array = np.ndarray[Any, np.dtype[Any]]


class TensorFlow(Authored):
    """A Keras model or a ``tf.Module``, the loss it is trained on, and its optimizer.

    It is trained by the loop one writes in TensorFlow 2: a ``tf.GradientTape`` around
    prediction, loss and penalty, then ``apply_gradients`` on ``model.trainable_variables``. What
    only ``fit`` would add, the regularizers of a Keras model's layers among it, is not added.
    Variables keep the dtype they have.

    Args:
        model: a Keras model on the TensorFlow backend, or a ``tf.Module`` with ``__call__``. An
            argument ``training`` is told the mode.
        loss: ``loss(prediction, target) → scalar``, or an object of ``keras.losses``.
        optimizer: of ``keras.optimizers``, or one of TF 1 (``tf.compat.v1.train``).
        penalty: ``penalty(model) → scalar``, added to the loss.
        name: what to call it in the report.
        **options: see ``Options``.

    Raises:
        InputError: the model is neither or has no variables, or an argument cannot be used.

    Example:
        >>> import numpy as np, tensorflow as tf
        >>> class Line(tf.Module):
        ...     def __init__(self):
        ...         super().__init__()
        ...         self.w = tf.Variable(np.ones((2, 1)))
        ...
        ...     def __call__(self, x):
        ...         return x @ self.w
        >>> side = TensorFlow(Line(), lambda p, y: tf.reduce_mean((p - y) ** 2))
        >>> side.predict(np.array([[1.0, 2.0]]))
        array([[3.]])
        >>> side.gradients(np.array([[1.0, 2.0]]), np.array([[2.0]]))["w"]
        array([[2.],
               [4.]])

    **Parity** (`penalty-absent`, `dropout-training-flag`, `ce-reduction`,
    `adam-epsilon-placement`): a loop of one's own adds no regularization losses and has to pass
    ``training=True``; ``tf.nn``'s losses give one value for each row; Keras's and TF 1's Adam
    have the hat form.
    """

    framework = "tensorflow"

    def __init__(
        self,
        model: Any,
        loss: Callable[[Any, Any], Any] | None = None,
        optimizer: Any = None,
        *,
        penalty: Callable[[Any], Any] | None = None,
        name: str | None = None,
        **options: Unpack[Options],
    ) -> None:
        self.name = name or str(getattr(model, "name", type(model).__name__))
        self.version = f"{tf.__version__} (keras {keras.__version__})"
        self.author = read_options(self.name, options)
        self._check(model, optimizer, {"loss": loss, "penalty": penalty})
        self.live = EagerModel(self.name, model, loss, optimizer, penalty, self.author)
        self._rates = tensorflow_reading.rates(self.live, self.author)
        own = self.author.functions.get("train_step")
        self._own_step = None if own is None else OwnStep(own, self, f"{self.name}, train_step")

    def _check(self, model: Any, optimizer: Any, callables: Mapping[str, Any]) -> None:
        if isinstance(model, keras.Model) and keras.backend.backend() != "tensorflow":
            raise InputError(
                "TensorFlow, model: expected a Keras model on the TensorFlow backend; received one "
                f"on {keras.backend.backend()}",
                hint="netparity.Keras(model) takes a compiled model on any backend",
            )
        if not isinstance(model, tf.Module | keras.Model) or not callable(model):
            raise InputError(
                "TensorFlow, model: expected a Keras model or a tf.Module with __call__; received "
                f"{type(model).__name__}",
                hint="a TF 1 session is given with its tensors: netparity.TensorFlowGraph(…)",
            )
        if optimizer is not None and not hasattr(optimizer, "apply_gradients"):
            raise InputError(
                f"{self.name}, optimizer: expected one with apply_gradients; received "
                f"{type(optimizer).__name__}",
                hint="for example keras.optimizers.SGD(0.1)",
            )
        for key, function in callables.items():
            if function is not None:
                check_function(self.name, key, function)

    # ---- read -------------------------------------------------------------------------
    @property
    def abilities(self) -> frozenset[str]:
        """What follows from the loss, the optimizer and the functions given."""
        live = self.live
        able = set(self.author.abilities)
        if live.keras is not None:
            able |= {"activations", "draws"}
        if live.loss is not None:
            able |= {"loss", "loss-of", "gradients"}
        if live.optimizer is not None:
            able |= {"update", "step"} if live.loss is not None else {"update"}
        if live.penalty is not None:
            able.add("penalty")
        if self._own_step is not None:
            able.add("step")
        if live.weighable:
            able.add("weights")
        return frozenset(able)

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of the first trainable variable."""
        return self.live.dtype

    def parameters(self) -> Values:
        """Copies of the trainable variables, named as the Keras adapter does, or by their paths."""
        return {name: array(variable) for name, variable in self.live.variables.items()}

    def declared(self, x: Array) -> Conventions:
        """A Keras model's layers and laws, a loss object of Keras, a Keras optimizer."""
        return self._rates.applied_to(tensorflow_reading.read(self.live, x))

    # ---- drive ------------------------------------------------------------------------
    def set_parameters(self, values: Mapping[str, Array]) -> None:
        """Assigns trainable variables."""
        live = self.live.variables
        for name, value in values.items():
            if name not in live or tuple(live[name].shape) != np.shape(value):
                expected = tuple(live[name].shape) if name in live else f"one of {', '.join(live)}"
                raise InputError(
                    f"{self.name}, parameters, {name!r}: expected {expected}; received shape "
                    f"{np.shape(value)}"
                )
        for name, value in values.items():
            live[name].assign(np.asarray(value, dtype=self.dtype))

    def buffers(self) -> Values:
        """Copies of a Keras model's variables that are not trained, named as the trained ones."""
        keras_model = self.live.keras
        if keras_model is None:
            return {}
        return {name: array(variable) for name, variable in keras_model.kept.items()}

    def set_buffers(self, values: Mapping[str, Array]) -> None:
        """Assigns variables that are not trained, by name."""
        keras_model = self.live.keras
        kept = {} if keras_model is None else keras_model.kept
        for name, value in values.items():
            kept[name].assign(np.asarray(value, dtype=self.dtype))

    def state(self) -> Any:
        """All variables of model and optimizer, and the global random streams."""
        live = self.live
        return {
            "parameters": self.parameters(),
            "others": [array(v) for v in live.others],
            "slots": {name: array(v) for name, v in live.slots.items()},
            "streams": randomness.capture(STREAMS),
            "rates": self._rates.state(),
            "own": None if self._own_step is None else self._own_step.state(),
        }

    def restore(self, state: Any) -> None:
        """Puts all of it back."""
        self.set_parameters(state["parameters"])
        for variable, value in zip(self.live.others, state["others"], strict=True):
            variable.assign(value)
        self.live.set_slots(state["slots"])
        self._rates.restore(state["rates"])
        if self._own_step is not None:
            self._own_step.restore(state["own"])
        state["streams"].restore()

    def predict(
        self, x: Array, *, training: bool = False, draws: Sequence[Array] | None = None
    ) -> Array:
        """Predictions of the model."""
        with self.live.aside(), self.live.fed(draws):
            return array(self.live.call(self.live.tensor(x), training))

    def activations(
        self, x: Array, *, training: bool = False, draws: Sequence[Array] | None = None
    ) -> Values:
        """The output of each innermost layer of a Keras model, as its own adapter gives it."""
        live = self.live
        if live.keras is None:
            raise CannotError("activations")
        with live.aside(), live.fed(draws), recorded(live.model) as calls:
            live.call(live.tensor(x), training)
        outputs: Values = {}
        taken: set[str] = set()
        for call in calls:
            name = unique(call.name, taken)
            outputs[name] = array(call.gave if call.affine is None else call.affine)
            if call.affine is not None:
                outputs[f"{name}/activation"] = array(call.gave)
        return outputs

    def dropouts(self, x: Array) -> list[tuple[int, ...]]:
        """The shapes of the draws of a Keras model's dropout layers, in order of execution."""
        live = self.live
        if live.keras is None:
            return []
        with live.aside(), measured_dropout(dropouts(live.model)) as shapes:
            live.call(live.tensor(x), training=True)
        return shapes

    def loss(
        self, x: Array, y: Array, *, training: bool = True, draws: Sequence[Array] | None = None,
        weights: Array | None = None,
    ) -> Loss:  # fmt: skip
        """The loss of the prediction, and the penalty."""
        with self.live.aside(), self.live.fed(draws):
            data, penalty = self.live.losses(x, y, training, weights)
        if penalty is None:
            return Loss(float(data))
        return Loss(float(data + penalty), data=float(data), penalty=float(penalty))

    def loss_of(self, prediction: Array, y: Array) -> float:
        """The data loss of a prediction."""
        with self.live.aside():
            return self.live.loss_of(prediction, y)

    def gradients(
        self, x: Array, y: Array, *, draws: Sequence[Array] | None = None,
        weights: Array | None = None,
    ) -> Values:  # fmt: skip
        """Gradients of loss and penalty, in training mode."""
        with self.live.aside(), self.live.fed(draws):
            return {name: array(g) for name, g in self.live.differentiate(x, y, weights).items()}

    def update(self, gradients: Mapping[str, Array]) -> None:
        """One ``apply_gradients``; a variable without a gradient stays."""
        live = self.live
        known = {n: g for n, g in gradients.items() if n in live.variables}
        self._rates.before_step()
        live.apply({n: live.tensor(np.asarray(g, dtype=self.dtype)) for n, g in known.items()})
        self._rates.after_step()

    def step(
        self, x: Array, y: Array, *, draws: Sequence[Array] | None = None,
        weights: Array | None = None,
    ) -> None:  # fmt: skip
        """The author's own step; else gradients in training mode, and ``apply_gradients``."""
        if "step" not in self.abilities:
            raise CannotError("step")
        self._rates.before_step()
        with self.live.fed(draws):
            if self._own_step is not None:
                with self.live.eagerly(draws is not None):
                    self._make_own_step(self._own_step, x, y, weights)
            else:
                self.live.apply(self.live.differentiate(x, y, weights))
        self._rates.after_step()

    def _make_own_step(self, step: OwnStep, x: Array, y: Array, weights: Array | None) -> None:
        live = self.live
        counted = weighing(
            step.function, f"{self.name}, train_step", self.author.weights(y, weights)
        )
        step.call(
            lambda: (
                (live.tensor(x), live.tensor(y)),
                {key: live.tensor(value) for key, value in counted.items()},
            ),
            lambda: ((np.array(x), np.array(y)), counted),
        )

    def end_epoch(self) -> None:
        """A schedule that counts epochs moves on."""
        self._rates.end_epoch()
