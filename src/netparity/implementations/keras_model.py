"""A Keras model as netparity drives it: tensors, one pass, one gradient, one update.

These are the calls that ``train_on_batch`` makes, one by one and eagerly.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Literal

import numpy as np

from netparity import randomness
from netparity.errors import InputError
from netparity.implementations.author import Author
from netparity.implementations.keras_layers import (
    dropouts,
    fed_dropout,
    kept_names,
    variable_names,
)

Array = np.ndarray[Any, np.dtype[Any]]


class LiveModel:
    """The model, its compiled loss and optimizer, and a penalty that may be added.

    Args:
        model: the ``keras.Model``.
        penalty: ``penalty(model)`` → a further term of the loss.
        author: what else the author gave.
    """

    def __init__(
        self,
        model: Any,
        penalty: Callable[[Any], Any] | None = None,
        author: Author | None = None,
    ) -> None:
        import keras

        self.model = model
        self.penalty = penalty
        self._author = Author(str(model.name)) if author is None else author
        self.backend = str(keras.backend.backend())
        self._last: Any | None = None

    # ---- what there is ----------------------------------------------------------------
    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of the first trainable variable (the model's compute dtype without one)."""
        import keras

        first = next(iter(self.model.trainable_variables), None)
        dtype = self.model.compute_dtype if first is None else first.dtype
        found: np.dtype[Any] = np.dtype(keras.backend.standardize_dtype(dtype))
        return found

    @property
    def optimizer(self) -> Any | None:
        """The compiled optimizer."""
        return self.model.optimizer if self.model.compiled else None

    @property
    def rate(self) -> Any | None:
        """The variable of the learning rate; ``None`` where a schedule works it out."""
        import keras

        rate = getattr(self.optimizer, "_learning_rate", None)
        return rate if isinstance(rate, keras.Variable) else None

    @property
    def slots(self) -> list[Any]:
        """The optimizer's variables but for its rate."""
        held = self.optimizer.variables if self.optimizer is not None else ()
        return [variable for variable in held if variable is not self.rate]

    @property
    def compiled_loss(self) -> Any | None:
        """The loss given to ``compile``, as Keras wraps it."""
        return getattr(self.model, "_compile_loss", None)

    @property
    def splits_loss(self) -> bool:
        """Whether data loss and penalty can be told apart (``compute_loss`` is Keras's own)."""
        return not self._overrides("compute_loss") and self.compiled_loss is not None

    @property
    def has_loss(self) -> bool:
        """Whether there is a loss to train on."""
        known = self.compiled_loss is not None or self._overrides("compute_loss")
        return bool(self.model.compiled) and known

    @property
    def own_train_step(self) -> bool:
        """Whether the author overrode ``train_step``."""
        return self._overrides("train_step")

    @property
    def variables(self) -> dict[str, Any]:
        """The trainable variables by name."""
        if not self.model.built:
            msg = f"{self.model.name}: the model has no parameters yet: it was never built"
            hint = "give it a keras.Input as its first layer, or call model.build(shape)"
            raise InputError(msg, hint=hint)
        self.build_optimizer()
        return variable_names(self.model)

    @property
    def kept(self) -> dict[str, Any]:
        """The variables that are kept but not trained (no seeds, no metrics), by name."""
        return kept_names(self.model)

    @property
    def logits_carried(self) -> Literal["softmax", "sigmoid"] | None:
        """The function whose logits TensorFlow's output carries, unseen, to the loss."""
        from keras import activations, layers, ops

        if self.backend != "tensorflow":
            return None
        if self._last is not None:
            logits = getattr(self._last, "_keras_logits", None)
            if logits is None:
                return None
            same = np.array_equal(self.array(ops.sigmoid(logits)), self.array(self._last))
            return "sigmoid" if same else "softmax"
        last = self.model.layers[-1] if self.model.layers else None
        function = getattr(last, "activation", None)
        if function is activations.softmax or isinstance(last, layers.Softmax):
            return "softmax"
        return "sigmoid" if function is activations.sigmoid else None

    @property
    def streams(self) -> tuple[str, ...]:
        """The global generators a step draws from: on torch, dropout without a seed of its own."""
        return ("torch",) if self.backend == "torch" else ()

    # ---- values -----------------------------------------------------------------------
    def cast(self, values: Array) -> Array:
        """Floating arrays in the working dtype, others as they are (as ``fit`` does)."""
        array = np.asarray(values)
        return array.astype(self.dtype) if array.dtype.kind == "f" else array

    def tensor(self, values: Array) -> Any:
        """A tensor of the backend."""
        from keras import ops

        return ops.convert_to_tensor(self.cast(values))

    def array(self, tensor: Any) -> Array:
        """A copy of a tensor or variable."""
        import keras

        value = tensor.value if isinstance(tensor, keras.Variable) else tensor
        if self.backend == "tensorflow" and hasattr(value, "numpy"):
            return np.array(value.numpy())
        return np.array(keras.ops.convert_to_numpy(value))

    # ---- one pass, one gradient, one update ---------------------------------------------
    def call(self, inputs: Any, training: bool) -> Any:
        """One forward pass."""
        if getattr(self.model, "_call_has_training_arg", True):
            self._last = self.model(inputs, training=training)
        else:
            self._last = self.model(inputs)
        return self._last

    def total(
        self,
        inputs: Any,
        targets: Any,
        prediction: Any,
        training: bool,
        weights: Array | None = None,
    ) -> Any:
        """The loss trained on, straight after ``call``."""
        counted = self._counted(targets, weights)
        loss = self.model._compute_loss(
            x=inputs, y=targets, y_pred=prediction, sample_weight=counted, training=training
        )
        return loss if self.penalty is None else loss + self.penalty(self.model)

    def _counted(self, targets: Any, weights: Array | None) -> Any | None:
        """The weights of the rows with those of their classes, as a tensor."""
        counted = self._author.weights(self.array(targets), weights)
        return None if counted is None else self.tensor(counted)

    def data(self, targets: Any, prediction: Any, weights: Array | None = None) -> float:
        """The compiled loss alone."""
        loss = self.compiled_loss
        if loss is None:
            msg = f"{self.model.name}: the model was compiled without a loss"
            raise InputError(msg)
        counted = self._counted(targets, weights)
        return float(self.array(loss(targets, prediction, sample_weight=counted)))

    def penalties(self) -> float:
        """All that the total holds beside the data loss, straight after ``call``."""
        penalty = float(sum(float(self.array(term)) for term in self.model.losses))
        return penalty + (float(self.array(self.penalty(self.model))) if self.penalty else 0.0)

    def with_logits(self, prediction: Array) -> Any:
        """A chosen prediction as a tensor that carries what the model's own output would."""
        carried = self.logits_carried
        tensor = self.tensor(prediction)
        if carried is None:
            return tensor
        info = np.finfo(self.dtype)
        p = np.clip(self.cast(prediction), info.tiny, None)
        logits = np.log(p)
        if carried == "sigmoid":
            logits = logits - np.log1p(-np.minimum(p, 1 - info.epsneg))
        tensor._keras_logits = self.tensor(logits)
        return tensor

    def differentiate(
        self,
        inputs: Any,
        targets: Any,
        variables: Sequence[Any],
        weights: Array | None = None,
    ) -> list[Any]:
        """Gradients of the loss in training mode, ``None`` where it does not depend."""
        if self.backend == "tensorflow":
            import tensorflow as tf

            with tf.GradientTape() as tape:
                total = self.total(inputs, targets, self.call(inputs, True), True, weights)
            found = tape.gradient(total, list(variables))
            return [None if g is None else tf.convert_to_tensor(g) for g in found]
        if self.backend == "jax":
            from netparity.implementations import keras_jax

            return keras_jax.differentiate(
                self.model,
                lambda: self.total(inputs, targets, self.call(inputs, True), True, weights),
                variables,
            )
        self.model.zero_grad()
        self.total(inputs, targets, self.call(inputs, True), True, weights).backward()
        found = [v.value.grad for v in variables]
        found = [None if g is None else g.detach().clone() for g in found]
        self.model.zero_grad()
        return found

    def apply(self, gradients: Sequence[Any], variables: Sequence[Any]) -> None:
        """One update of the optimizer."""
        optimizer = self.optimizer
        if optimizer is None or not variables:
            return
        if self.backend == "torch":
            import torch

            with torch.no_grad():
                optimizer.apply(list(gradients), list(variables))
        else:
            optimizer.apply(list(gradients), list(variables))

    def forget_compiled(self) -> None:
        """What was compiled has the constants in it that it was compiled with."""
        for function in ("train_function", "test_function", "predict_function"):
            setattr(self.model, function, None)

    def build_optimizer(self) -> None:
        """Makes the optimizer's slots, as the first step would (it draws no number)."""
        optimizer = self.optimizer
        if optimizer is not None and self.model.built and not optimizer.built:
            optimizer.build(self.model.trainable_variables)

    # ---- for the time of a look ---------------------------------------------------------
    def fed(self, draws: Sequence[Array] | None) -> AbstractContextManager[None]:
        """The model with the draws of its dropout layers fed."""
        return fed_dropout(dropouts(self.model), draws)

    @contextmanager
    def eagerly(self, wanted: bool) -> Iterator[None]:
        """While it lasts, what the author compiled with TensorFlow is run by Python."""
        if not wanted or self.backend != "tensorflow":
            yield
            return
        import tensorflow as tf

        before = tf.config.functions_run_eagerly()
        tf.config.run_functions_eagerly(True)
        try:
            yield
        finally:
            tf.config.run_functions_eagerly(before)

    @contextmanager
    def undisturbed(self) -> Iterator[None]:
        """Puts back running statistics and seed generators, which a forward pass may move."""
        kept = [(v, self.array(v)) for v in self.model.non_trainable_variables]
        streams = randomness.capture(self.streams)
        try:
            yield
        finally:
            streams.restore()
            for variable, value in kept:
                variable.assign(value)

    def _overrides(self, method: str) -> bool:
        import keras

        return getattr(type(self.model), method) is not getattr(keras.Model, method)
