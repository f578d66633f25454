"""What a Keras model says of itself: its configuration as conventions.

Constants stand as they act. With ``floatx`` float64, TensorFlow and JAX round what passes
through ``keras.ops.cast`` to float32: the momentum of SGD, weight decay and regularization
coefficients, and a leaky slope. The learning rate, ε, a loss weight and Adam's ``1 − β``
stay exact: Adam's βᵗ is a power of the rounded β, its 1 − β that of the exact one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from netparity.conventions import Conventions, Quantity
from netparity.implementations import keras_optimizers
from netparity.implementations.keras_layers import layer_names, recorded
from netparity.implementations.keras_losses import declared_loss
from netparity.implementations.keras_model import LiveModel
from netparity.implementations.keras_network import OWN_NAMES, effective, read_network
from netparity.nn import (
    L1,
    L2,
    SGD,
    Adam,
    ClipByNorm,
    ClipByValue,
    Clipping,
    Constant,
    Law,
    Layer,
    Normal,
    Optimizer,
    Penalty,
    Scope,
    TruncatedNormal,
    Uniform,
    VarianceScaling,
)

if TYPE_CHECKING:
    from netparity.implementations.keras import Keras

Array = np.ndarray[Any, np.dtype[Any]]
#: The settings of a Keras optimizer that keep gradients in bounds.
CLIPS: Final = ("clipnorm", "global_clipnorm", "clipvalue")
Named = tuple[str, Layer]


def declared(side: Keras, x: Array) -> Conventions:
    """The conventions of a side, read from its layers, loss, optimizer and initializers."""
    live = side.live
    with live.undisturbed(), recorded(live.model) as calls:
        prediction = live.call(live.tensor(x), training=False)
        terms = len(live.model.losses)
    texts: dict[str, str] = {}
    network = read_network(live, calls, prediction, texts)
    penalties = _penalties(live, terms, texts)
    layers, places = (None, {}) if network is None else network
    return Conventions(
        layers=layers,
        places=places,
        loss=declared_loss(live, texts),
        penalties=penalties,
        optimizer=optimizer_of(live, texts),
        clipping=clipping_of(live.optimizer, texts),
        laws=_laws(live),
        quantities={} if "report" in side.author.functions else _quantities(live, penalties),
        texts=texts,
    )


def twin_name(name: str) -> str:
    """The twin's name of a variable: ``dense/kernel`` is ``dense.weight``."""
    layer, _, variable = name.rpartition("/")
    return f"{layer}.{OWN_NAMES.get(variable, variable)}"


def variable_penalty(live: LiveModel, variable: Any) -> tuple[float, float] | None:
    """The coefficients (of Σ|w|, of Σw²) of a variable's regularizer, ``None`` if unknown."""
    from keras import regularizers

    regularizer = variable.regularizer
    if regularizer is None:
        return 0.0, 0.0
    if getattr(regularizer, "exact_coefficients", None) is not None:
        l1, l2 = regularizer.exact_coefficients
        return float(l1), float(l2)
    if type(regularizer) not in (regularizers.L1, regularizers.L2, regularizers.L1L2):
        return None
    l1, l2 = getattr(regularizer, "l1", 0.0), getattr(regularizer, "l2", 0.0)
    return written(effective(live, float(l1)), live), written(effective(live, float(l2)), live)


def written(value: Any, live: LiveModel) -> float:
    """A constant that is kept in float32 as its author wrote it (in a float32 model)."""
    return float(str(np.float32(value))) if live.dtype == np.float32 else float(value)


# ---- penalties, optimizer -------------------------------------------------------------


def _penalties(live: LiveModel, terms: int, texts: dict[str, str]) -> tuple[Penalty, ...] | None:
    """The regularizers of the variables, those with equal coefficients as one penalty."""
    groups: dict[tuple[str, float], list[str]] = {}
    regularized = 0
    for name, variable in live.variables.items():
        coefficients = variable_penalty(live, variable)
        if coefficients is None:
            return None
        regularized += variable.regularizer is not None
        for kind, coefficient in zip(("L1", "L2"), coefficients, strict=True):
            if coefficient:
                groups.setdefault((kind, coefficient), []).append(twin_name(name))
                given = getattr(variable.regularizer, kind.lower(), coefficient)
                role = name.rpartition("/")[2]
                texts.setdefault("penalties", f"{role}_regularizer={kind}({float(given)!r})")
    if terms != regularized or live.penalty is not None:
        return None
    everything = {twin_name(name) for name in live.variables}
    weights = {name for name in everything if name.endswith(".weight")}
    penalties: list[Penalty] = []
    for (kind, coefficient), names in groups.items():
        scope: Scope = "all" if set(names) == everything else tuple(names)
        scope = "weights" if set(names) == weights else scope
        penalty = L1(coefficient, 1.0, scope) if kind == "L1" else L2(coefficient, 1.0, scope)
        penalties.append(penalty)
    return tuple(penalties)


def optimizer_of(live: LiveModel, texts: dict[str, str]) -> Optimizer | None:
    """The rule of the optimizer, without its clip; ``None`` where it is none known."""
    import keras

    optimizer = live.optimizer
    if optimizer is None:
        return None
    rate = optimizer._learning_rate
    unusual = (
        optimizer.gradient_accumulation_steps is not None,
        optimizer.use_ema and optimizer.ema_overwrite_frequency is not None,
        any(v.constraint is not None for v in live.variables.values()),
    )
    if any(unusual):
        return None
    # With a schedule inside, the rates are the schedule's.
    known = isinstance(rate, keras.Variable)
    learning_rate = written(live.array(rate), live) if known else 0.0
    fields = {"learning_rate": "learning_rate", "weight_decay": "weight_decay"}
    decayed = [n for n, v in live.variables.items() if optimizer._use_weight_decay(v)]
    decay: dict[str, Any] = {}
    if optimizer.weight_decay:
        everything = len(decayed) == len(live.variables)
        decay = {
            "weight_decay": effective(live, optimizer.weight_decay),
            "decay": "decoupled",
            "decay_scope": "all" if everything else tuple(twin_name(n) for n in decayed),
        }
    rule: Optimizer | None = None
    # On the torch backend an optimizer is of a subclass of Keras's own.
    own = type(optimizer).__module__.partition(".")[0] == "keras"
    if own and isinstance(optimizer, keras.optimizers.SGD):
        fields |= {"momentum": "momentum", "nesterov": "nesterov"}
        rule = SGD(
            learning_rate,
            momentum=effective(live, optimizer.momentum),
            form="rate-inside",
            nesterov=bool(optimizer.nesterov),
            **decay,
        )
    elif own and isinstance(optimizer, keras.optimizers.Adam):
        fields |= {"beta1": "beta_1", "beta2": "beta_2", "epsilon": "epsilon"}
        rule = Adam(
            learning_rate,
            beta1=float(optimizer.beta_1),
            beta2=float(optimizer.beta_2),
            epsilon=float(optimizer.epsilon),
            epsilon_placement="hat",
            amsgrad=bool(optimizer.amsgrad),
            beta_power=_beta_power(live),
            **decay,
        )
    elif own:
        rounds = live.dtype == np.float64 and live.backend in ("tensorflow", "jax")
        rule = keras_optimizers.rule(optimizer, learning_rate, decay, rounds=rounds)
        held = keras_optimizers.ATTRIBUTES.items()
        fields |= {s: a for s, a in held if hasattr(rule, s) and hasattr(optimizer, a)}
    shown = repr(learning_rate) if known else f"{type(rate).__name__}(…)"
    texts["optimizer"] = f"{type(optimizer).__name__}(learning_rate={shown})"
    for setting, attribute in fields.items():
        texts[f"optimizer.{setting}"] = f"{attribute}={getattr(optimizer, attribute)!r}"
    texts["optimizer.learning_rate"] = f"learning_rate={shown}"
    if not known:
        texts["schedule"] = f"learning_rate={shown}"
    return rule


def clipping_of(optimizer: Any, texts: dict[str, str]) -> Clipping | None:
    """What keeps the gradients in bounds: Keras takes one of the three at most."""
    for attribute in CLIPS:
        limit = getattr(optimizer, attribute, None)
        if limit is not None and limit > 0:
            texts["clipping"] = f"{attribute}={limit!r}"
            return clip_of(attribute, float(limit))
    return None


def clip_of(attribute: str, limit: float) -> Clipping:
    """What one of an optimizer's ``CLIPS`` does."""
    if attribute == "clipvalue":
        return ClipByValue(limit)
    return ClipByNorm(limit, "global" if attribute == "global_clipnorm" else "parameter")


def _beta_power(live: LiveModel) -> Any:
    if live.dtype == np.float32:
        return "float32-power"
    return "exact" if _exact_powers(live) else "float32-beta"


def _exact_powers(live: LiveModel) -> bool:
    """Whether the β's of Adam's bias correction are not rounded to float32 before."""
    return live.dtype == np.float64 and live.backend == "torch"


# ---- initial values, what is reported ---------------------------------------------------


def _laws(live: LiveModel) -> Mapping[str, Law]:
    """The laws of the initializers, of kernels and biases."""
    names = layer_names(live.model)
    laws: dict[str, Law] = {}
    for layer in live.model._flatten_layers(include_self=False, recursive=True):
        for role, attribute in (("weight", "kernel"), ("bias", "bias")):
            name = f"{names[id(layer)]}.{role}"
            law = _law(getattr(layer, f"{attribute}_initializer", None))
            if law is not None and getattr(layer, attribute, None) is not None:
                laws[name] = law
    return laws


def _law(initializer: Any) -> Law | None:
    from keras import initializers

    kind = type(initializer)
    if kind is initializers.Zeros:
        return Constant(0.0)
    if kind is initializers.Ones:
        return Constant(1.0)
    if kind is initializers.Constant and np.ndim(initializer.value) == 0:
        return Constant(float(initializer.value))
    if kind is initializers.RandomUniform:
        return Uniform(float(initializer.minval), float(initializer.maxval))
    if kind is initializers.RandomNormal:
        return Normal(float(initializer.mean), float(initializer.stddev))
    if kind is initializers.TruncatedNormal and not initializer.mean:
        return TruncatedNormal(float(initializer.stddev))
    if isinstance(initializer, initializers.VarianceScaling):
        distributions = {
            "uniform": "uniform",
            "untruncated_normal": "normal",
            "truncated_normal": "truncated-normal",
        }
        shape: Any = distributions[initializer.distribution]
        return VarianceScaling(float(initializer.scale), initializer.mode, shape)
    return None


def _quantities(live: LiveModel, penalties: object) -> Mapping[str, Quantity]:
    """What ``fit`` logs: means over the epoch of values taken before each update."""
    if not live.has_loss:
        return {}
    dropout: Any = "on" if any(_drops(live)) else "none"
    loss = Quantity("loss", penalties != (), "before", dropout, "running")
    found = {"loss": loss}
    metrics = getattr(getattr(live.model, "_compile_metrics", None), "_user_metrics", None)
    for metric in metrics if isinstance(metrics, (list, tuple)) else ():
        name = metric if isinstance(metric, str) else getattr(metric, "name", None)
        if name is not None:
            kind: Any = "accuracy" if "acc" in name else "other"
            found[name] = Quantity(kind, False, "before", dropout, "running")
    return found


def _drops(live: LiveModel) -> list[bool]:
    from netparity.implementations.keras_layers import dropouts

    return [layer.rate > 0 for layer in dropouts(live.model)]
