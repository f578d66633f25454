"""Keras 3 models, on any backend.

A side is driven through the very calls that ``train_on_batch`` makes (``compute_loss``, the
backend's gradient, ``optimizer.apply``), run eagerly so that values between the layers can
be read and the draws of dropout fed. On TensorFlow's CPU build the eager and the compiled
step were found equal bit for bit.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np

from netparity import randomness
from netparity.errors import CannotError, InputError
from netparity.implementations import keras_schedules
from netparity.implementations.author import Authored, Options, read_options, weighing
from netparity.implementations.base import Array, Loss, Values, Watched
from netparity.implementations.keras_layers import (
    dropouts,
    measured_dropout,
    recorded,
    unique,
)
from netparity.implementations.keras_model import LiveModel
from netparity.implementations.own_step import OwnStep

if TYPE_CHECKING:
    from netparity.conventions import Conventions


class Keras(Authored):
    """A Keras model: ``Sequential``, functional or subclassed, compiled or not.

    An uncompiled model gives a comparison of forward passes.

    Args:
        model: the ``keras.Model``.
        penalty: ``penalty(model)`` → a term to add to the loss, in the backend's tensors.
            Regularizers of the model's layers are in the loss already.
        name: what to call it in a report.
        **options: see ``Options``. Without ``report`` it is what ``fit`` logs at the end of each
            epoch; ``schedule`` may be a callback ``LearningRateScheduler``.

    Raises:
        InputError: ``model`` is no Keras model, or an argument cannot be used.

    Parity: Keras keeps a dense kernel as ``(inputs, outputs)``, trains on the loss with all
    regularization losses added, and logs running means of values taken before each update
    with dropout on (https://keras.io/api/models/model_training_apis/).
    """

    framework = "keras"

    def __init__(
        self,
        model: Any,
        *,
        penalty: Callable[[Any], Any] | None = None,
        name: str | None = None,
        **options: Unpack[Options],
    ) -> None:
        import keras

        if not isinstance(model, keras.Model):
            msg = f"Keras: expected a keras.Model, received {type(model).__name__}"
            raise InputError(msg, hint="pass the model itself, for example netparity.Keras(model)")
        self.model = model
        self.name = name or str(model.name)
        self.author = read_options(self.name, options)
        self.live = LiveModel(model, penalty, self.author)
        self.version = f"{keras.__version__} ({self.live.backend})"
        self.rates = keras_schedules.rates(self.live.optimizer, self.author)
        own = self.author.functions.get("train_step")
        self._own_step = None if own is None else OwnStep(own, self, f"{self.name}, train_step")
        #: what the author wrote, by setting, for settings that ``adjust`` has changed
        self.written: dict[tuple[str, ...], Any] = {}
        #: how often it was adjusted: a state does not bring back a rate of before
        self.adjustments = 0

    # ---- read -------------------------------------------------------------------------
    @property
    def abilities(self) -> frozenset[str]:
        """Forward for every model; the rest needs ``compile`` with a loss and an optimizer."""
        live = self.live
        able = set(self.author.abilities)
        able |= {"activations", "draws", "adjust"}
        if live.has_loss:
            able |= {"loss", "gradients"}
            able |= {"loss-of"} if live.compiled_loss is not None else set()
            able |= {"penalty"} if live.splits_loss else set()
        if live.optimizer is not None:
            able |= {"update"}
            if live.has_loss:
                able |= {"step"} | ({"report"} if live.penalty is None else set())
        able |= {"weights"} if "loss" in able else set()
        able |= {"step"} if self._own_step is not None else set()
        return frozenset(able)

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of the first trainable variable."""
        return self.live.dtype

    def parameters(self) -> Values:
        """Copies of the trainable variables, named ``<layer>/<variable>``."""
        return {name: self.live.array(v) for name, v in self.live.variables.items()}

    def declared(self, x: Array) -> Conventions:
        """What the configuration of the model, its loss and its optimizer say."""
        from netparity.implementations.keras_declared import declared

        return self.rates.applied_to(declared(self, x))

    # ---- drive ------------------------------------------------------------------------
    def set_parameters(self, values: Mapping[str, Array]) -> None:
        """Assigns trainable variables by name."""
        variables = self.live.variables
        for name, value in values.items():
            if name not in variables:
                known = ", ".join(variables)
                msg = f"{self.name}: no parameter {name!r}; expected one of {known}"
                raise InputError(msg)
            expected = tuple(variables[name].shape)
            if np.shape(value) != expected:
                msg = f"{name}: expected shape {expected}, received {np.shape(value)}"
                raise InputError(msg)
        for name, value in values.items():
            variables[name].assign(np.asarray(value, dtype=self.dtype))

    def buffers(self) -> Values:
        """Copies of the variables that are not trained, named as the trained ones are."""
        return {name: self.live.array(v) for name, v in self.live.kept.items()}

    def set_buffers(self, values: Mapping[str, Array]) -> None:
        """Assigns variables that are not trained, by name."""
        kept = self.live.kept
        for name, value in values.items():
            kept[name].assign(np.asarray(value, dtype=self.dtype))

    def moved_buffers(self, x: Array, *, draws: Sequence[Array] | None = None) -> Values:
        """The buffers after one forward pass in training mode."""
        live = self.live
        with live.undisturbed(), live.fed(draws):
            live.call(live.tensor(x), training=True)
            return self.buffers()

    def state(self) -> dict[str, Any]:
        """Weights, running statistics, seed generators, and the optimizer's variables."""
        live = self.live
        live.build_optimizer()
        rate = live.rate
        return {
            "model": [live.array(variable) for variable in self.model.variables],
            "optimizer": [live.array(variable) for variable in live.slots],
            "rate": (self.adjustments, None if rate is None else live.array(rate)),
            "rates": self.rates.state(),
            "streams": randomness.capture(live.streams),
            "own": None if self._own_step is None else self._own_step.state(),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Assigns what ``state`` returned; slots that were made later go back to zero."""
        live = self.live
        live.build_optimizer()
        for variable, value in zip(self.model.variables, state["model"], strict=True):
            variable.assign(value)
        kept = state["optimizer"]
        for index, variable in enumerate(live.slots):
            variable.assign(kept[index] if index < len(kept) else np.zeros(variable.shape))
        made, rate = state["rate"]
        if rate is not None and live.rate is not None and made == self.adjustments:
            live.rate.assign(rate)
        self.rates.restore(state["rates"])
        state["streams"].restore()
        if self._own_step is not None:
            self._own_step.restore(state["own"])

    def predict(
        self, x: Array, *, training: bool = False, draws: Sequence[Array] | None = None
    ) -> Array:
        """``model(x, training=…)``."""
        live = self.live
        with live.undisturbed(), live.fed(draws):
            return live.array(live.call(live.tensor(x), training))

    def activations(
        self, x: Array, *, training: bool = False, draws: Sequence[Array] | None = None
    ) -> Values:
        """The output of each innermost layer.

        A layer with weights and an activation function gives ``<layer>``, its value before
        that function, and ``<layer>/activation``.
        """
        live = self.live
        with live.undisturbed(), live.fed(draws), recorded(self.model) as calls:
            live.call(live.tensor(x), training)
        outputs: Values = {}
        taken: set[str] = set()
        for call in calls:
            name = unique(call.name, taken)
            if call.affine is None:
                outputs[name] = live.array(call.gave)
            else:
                outputs[name] = live.array(call.affine)
                outputs[f"{name}/activation"] = live.array(call.gave)
        return outputs

    def dropouts(self, x: Array) -> list[tuple[int, ...]]:
        """The shapes that the ``Dropout`` layers see in one training pass."""
        live = self.live
        with live.undisturbed(), measured_dropout(dropouts(self.model)) as shapes:
            live.call(live.tensor(x), training=True)
        return shapes

    def loss(
        self, x: Array, y: Array, *, training: bool = True, draws: Sequence[Array] | None = None,
        weights: Array | None = None,
    ) -> Loss:  # fmt: skip
        """``compute_loss``, and in it the compiled loss and the regularization losses."""
        self._require("loss")
        live = self.live
        inputs, targets = live.tensor(x), live.tensor(y)
        with live.undisturbed(), live.fed(draws):
            prediction = live.call(inputs, training)
            total = live.total(inputs, targets, prediction, training, weights)
            if not live.splits_loss:
                return Loss(float(live.array(total)))
            data = live.data(targets, prediction, weights)
            return Loss(float(live.array(total)), data, live.penalties())

    def loss_of(self, prediction: Array, y: Array) -> float:
        """The compiled loss of a chosen prediction, along the path that training takes."""
        self._require("loss-of")
        return self.live.data(self.live.tensor(y), self.live.with_logits(prediction))

    def gradients(
        self, x: Array, y: Array, *, draws: Sequence[Array] | None = None,
        weights: Array | None = None,
    ) -> Values:  # fmt: skip
        """Gradients of the training loss, regularization losses included."""
        self._require("gradients")
        live = self.live
        variables = live.variables
        with live.undisturbed(), live.fed(draws):
            found = live.differentiate(
                live.tensor(x), live.tensor(y), list(variables.values()), weights
            )
        return {
            name: live.array(gradient)
            for name, gradient in zip(variables, found, strict=True)
            if gradient is not None
        }

    def update(self, gradients: Mapping[str, Array]) -> None:
        """``optimizer.apply``; parameters without a gradient stay."""
        self._require("update")
        live = self.live
        variables = {n: v for n, v in live.variables.items() if n in gradients}
        scale = getattr(live.optimizer, "loss_scale_factor", None) or 1
        values = [live.tensor(np.asarray(gradients[name]) * scale) for name in variables]
        self.rates.before_step()
        live.apply(values, list(variables.values()))
        self.rates.after_step()

    def step(
        self, x: Array, y: Array, *, draws: Sequence[Array] | None = None,
        weights: Array | None = None,
    ) -> None:  # fmt: skip
        """One training step: ``train_on_batch``, or ``train_step`` where that is overridden.

        With draws, or a penalty of ours in the loss, the same calls are made eagerly.
        """
        self._require("step")
        self.live.build_optimizer()
        own = self._own_step is not None or self.live.own_train_step
        if self.live.backend == "jax" and draws is not None and own:
            raise CannotError("draws")
        self.rates.before_step()
        counted = self.author.weights(y, weights)
        if self._own_step is not None:
            self._make_own_step(self._own_step, x, y, counted, draws)
        else:
            self._make_step(x, y, counted, draws)
        self.rates.after_step()

    def _make_step(
        self, x: Array, y: Array, weights: Array | None, draws: Sequence[Array] | None
    ) -> None:
        live = self.live
        given = () if weights is None else (live.tensor(weights),)
        if live.penalty is not None or (live.backend == "jax" and draws is not None):
            variables = list(live.variables.values())
            with live.fed(draws):
                found = live.differentiate(live.tensor(x), live.tensor(y), variables, weights)
            pairs = [(g, v) for g, v in zip(found, variables, strict=True) if g is not None]
            live.apply([g for g, _ in pairs], [v for _, v in pairs])
        elif live.backend != "jax" and (draws is not None or live.own_train_step):
            with live.fed(draws):
                self.model.train_step((live.tensor(x), live.tensor(y), *given))
            self.model.reset_metrics()
        else:
            self.model.train_on_batch(live.cast(x), live.cast(y), sample_weight=weights)

    def _make_own_step(
        self, step: OwnStep, x: Array, y: Array, weights: Array | None,
        draws: Sequence[Array] | None,
    ) -> None:  # fmt: skip
        live = self.live
        counted = weighing(step.function, f"{self.name}, train_step", weights)
        with live.fed(draws), live.eagerly(draws is not None):
            step.call(
                lambda: (
                    (live.tensor(x), live.tensor(y)),
                    {key: live.tensor(value) for key, value in counted.items()},
                ),
                lambda: ((live.cast(x), live.cast(y)), counted),
            )

    def end_epoch(self) -> None:
        """A schedule that counts epochs moves on."""
        self.rates.end_epoch()

    def watch(self, x: Array, y: Array, *, epochs: int, batch_size: int, limit: int) -> Watched:
        """``fit``, without shuffling, watched by a callback; or the author's loop."""
        from netparity.implementations.keras_watch import watch

        return watch(self, x, y, epochs=epochs, batch_size=batch_size, limit=limit)

    def loop(self, x: Array, y: Array, *, epochs: int, batch_size: int, limit: int) -> Watched:
        """The author's own loop, step by step."""
        return super().watch(x, y, epochs=epochs, batch_size=batch_size, limit=limit)

    # ---- adjust -----------------------------------------------------------------------
    def adjust(self, wanted: Conventions, x: Array) -> bool:
        """Dropout rates, slopes, regularizers, loss factor and reduction, optimizer constants."""
        from netparity.implementations.keras_adjust import adjust

        if not self.rates.can_follow(wanted) or not adjust(self, wanted, x):
            return False
        if self.rates.follow(wanted):
            self.live.forget_compiled()
        self.adjustments += 1
        return True

    @property
    def has_own_step(self) -> bool:
        """Whether a step is the author's own, in which nobody can change the loss."""
        return self._own_step is not None

    def _require(self, ability: str) -> None:
        if ability not in self.abilities:
            raise CannotError(ability)
