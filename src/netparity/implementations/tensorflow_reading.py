"""What a TensorFlow 2 model, its loss and its optimizer say of themselves."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import keras
import numpy as np

from netparity import nn
from netparity.conventions import Conventions
from netparity.errors import InputError
from netparity.implementations import keras_declared, keras_schedules
from netparity.implementations.author import Author
from netparity.implementations.rates import Rates
from netparity.implementations.tensorflow_eager import EagerModel, array

Array = np.ndarray[Any, np.dtype[Any]]


def rates(live: EagerModel, author: Author) -> Rates:
    """What sets the rates of an optimizer of Keras or of TF 1.

    Raises:
        InputError: there is none, or it follows a schedule of its own already.
    """
    optimizer = live.optimizer
    if author.schedule is not None and optimizer is None:
        raise InputError(f"{live.name}, schedule: expected an optimizer as well; received none")
    if not hasattr(optimizer, "get_slot_names"):
        return keras_schedules.rates(optimizer, author)
    kept = "_learning_rate" if hasattr(optimizer, "_learning_rate") else "_lr"

    def get() -> float:
        rate = getattr(optimizer, kept)
        return float(rate() if callable(rate) else rate)

    return Rates(
        author.schedule, author.schedule_every, get,
        lambda rate: setattr(optimizer, kept, rate), live.name,
    )  # fmt: skip


class _AsCompiled:
    """A model as the Keras adapter reads it: as if it had been compiled with loss and optimizer.

    Args:
        live: the model with the author's own loss and optimizer.
    """

    def __init__(self, live: EagerModel) -> None:
        own = live.loss if isinstance(live.loss, keras.losses.Loss) else None
        self._live = live
        self.optimizer = live.optimizer
        self.compiled_loss = SimpleNamespace(_user_loss=own, _user_loss_weights=None)
        self.splits_loss = own is not None
        self.penalty = live.penalty
        self.backend = "tensorflow"

    @property
    def variables(self) -> dict[str, Any]:
        """The trainable variables by name."""
        return self._live.variables

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of the first trainable variable."""
        return self._live.dtype

    def array(self, tensor: Any) -> Array:
        """A copy of a tensor or variable."""
        return array(tensor)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._live.keras, name)


def read(live: EagerModel, x: Array) -> Conventions:
    """The conventions of a side, as far as they can be read.

    A Keras model states its layers and laws; of a ``tf.Module`` only the optimizer is known.
    Regularizers of a Keras model's layers count only where the author's ``penalty`` adds them.
    """
    seen: Any = _AsCompiled(live)
    penalties = () if live.penalty is None else None
    texts: dict[str, str] = {}
    rule, clip = None, None
    if isinstance(live.optimizer, keras.optimizers.Optimizer):
        rule = _named(keras_declared.optimizer_of(seen, texts), live)
        clip = keras_declared.clipping_of(live.optimizer, texts)
    elif live.optimizer is not None:
        rule = read_tf1(live.optimizer, live.dtype)
        rate = getattr(live.optimizer, "_learning_rate", getattr(live.optimizer, "_lr", None))
        texts["optimizer"] = f"{type(live.optimizer).__name__}({rate!r})"
        texts["optimizer.learning_rate"] = f"learning_rate={rate!r}"
    for key, function in (("loss", live.loss), ("penalties", live.penalty)):
        if function is not None:
            texts[key] = str(getattr(function, "__name__", type(function).__name__)).strip("<>")
    if live.keras is None:
        return Conventions(penalties=penalties, optimizer=rule, clipping=clip, texts=texts)
    with live.aside():
        found = keras_declared.declared(
            SimpleNamespace(live=seen, author=Author("", {"report": read})),  # type: ignore[arg-type]
            x,
        )
    return replace(
        found, penalties=penalties, optimizer=rule, clipping=clip, quantities={},
        texts={**texts, **found.texts},
    )  # fmt: skip


def _named(rule: nn.Optimizer | None, live: EagerModel) -> nn.Optimizer | None:
    """The rule, unless its decay names variables whose twins nobody knows."""
    scope = getattr(rule, "decay_scope", "all")
    return None if live.keras is None and isinstance(scope, tuple) else rule


def read_tf1(optimizer: Any, dtype: np.dtype[Any]) -> nn.Optimizer | None:
    """The rule of an optimizer of ``tf.compat.v1.train``, with its constants as they act.

    On float64 variables they pass through float32; Adam keeps its βᵗ in float32 on all.

    Args:
        optimizer: the optimizer.
        dtype: of the variables.

    Example:
        >>> import tensorflow as tf
        >>> rule = read_tf1(tf.compat.v1.train.AdagradOptimizer(0.125), np.dtype("float32"))
        >>> rule.learning_rate, rule.initial_accumulator
        (0.125, 0.1)
    """
    kept = {
        name.lstrip("_"): value
        for name, value in vars(optimizer).items()
        if isinstance(value, int | float)
    }
    if "lr" in kept:
        kept["learning_rate"] = kept["lr"]
    own = type(optimizer).__module__.partition(".")[0] == "tensorflow"
    if not own or "learning_rate" not in kept:
        return None
    rounds = dtype == np.float64

    def constant(name: str) -> float:
        return float(np.float32(kept[name])) if rounds else float(kept[name])

    kind = type(optimizer).__name__
    rate = constant("learning_rate")
    if kind == "GradientDescentOptimizer":
        return nn.SGD(rate)
    if kind == "MomentumOptimizer":
        return nn.SGD(rate, constant("momentum"), nesterov=bool(kept["use_nesterov"]))
    if kind == "AdamOptimizer":
        return nn.Adam(
            rate,
            # 1 − β is computed from the rounded β, which shows in its fifth digit.
            beta1=float(np.float32(kept["beta1"])),
            beta2=float(np.float32(kept["beta2"])),
            epsilon=constant("epsilon"),
            epsilon_placement="hat",
            beta_power="float32-product",
        )
    if kind == "AdagradOptimizer":
        start = float(kept["initial_accumulator_value"])
        return nn.AdaGrad(rate, 0.0, initial_accumulator=start) if start else None
    if kind == "RMSPropOptimizer":
        return nn.RMSProp(
            rate,
            rho=constant("decay"),
            momentum=constant("momentum"),
            epsilon=constant("epsilon"),
            epsilon_placement="inside",
            centered=bool(kept["centered"]),
            form="rate-inside",
            initial_accumulator=1.0,
        )
    if kind == "AdadeltaOptimizer":
        return nn.Adadelta(rate, rho=constant("rho"), epsilon=constant("epsilon"))
    return None
