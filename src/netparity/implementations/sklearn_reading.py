"""What a scikit-learn perceptron says of itself, and how it is made to follow something else."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from sklearn.base import is_classifier

from netparity import nn
from netparity.conventions import Conventions, Feeding, Place
from netparity.implementations.sklearn_training import Training

#: scikit-learn's name of an activation function → the layer it is (``None``: not there).
ACTIVATIONS: Final[dict[str, nn.Layer | None]] = {
    "identity": nn.Identity(),
    "logistic": nn.Sigmoid(),
    "tanh": nn.Tanh(),
    "relu": nn.ReLU(),
    "softmax": nn.Softmax(),
    "exp": None,
}
#: Switches of an optimizer → the attribute of scikit-learn's, and of the estimator.
_SGD: Final = {
    "learning_rate": ("learning_rate_init", "learning_rate_init"),
    "momentum": ("momentum", "momentum"),
    "nesterov": ("nesterov", "nesterovs_momentum"),
}
_ADAM: Final = {
    "learning_rate": ("learning_rate_init", "learning_rate_init"),
    "beta1": ("beta_1", "beta_1"),
    "beta2": ("beta_2", "beta_2"),
    "epsilon": ("epsilon", "epsilon"),
}


def read(training: Training) -> Conventions:
    """The conventions of an estimator that has its weights.

    The clipping of probabilities at the dtype's ε acts on the value of the loss alone, where
    one is nearer to 0 or 1 than that; the gradient is that of the loss without it.
    """
    estimator = training.estimator
    layers = _layers(estimator)
    places = {}
    for index in range(len(estimator.coefs_)):
        places[f"layer{index + 1}.weight"] = Place(f"coefs_[{index}]")
        places[f"layer{index + 1}.bias"] = Place(f"intercepts_[{index}]")
    law = nn.NAMED["sklearn_logistic" if estimator.activation == "logistic" else "glorot_uniform"]
    bound = "√(2/(in + out))" if estimator.activation == "logistic" else "√(6/(in + out))"
    rows = training.epoch.total
    return Conventions(
        layers=layers,
        places=places if layers is not None else {},
        loss=_loss(estimator),
        penalties=_penalties(estimator),
        optimizer=_optimizer(training),
        laws=dict.fromkeys(places, law) if layers is not None else {},
        feeding=None if rows is None else _feeding(training, rows),
        texts={
            **_texts(estimator),
            **{f"laws.{name}": f"scikit-learn's own: U(±{bound})" for name in places},
        },
    )


def functions(estimator: Any) -> list[tuple[str, str]]:
    """For each layer its name in the twin, and scikit-learn's name of its activation function."""
    hidden = [estimator.activation] * (len(estimator.coefs_) - 1)
    return [(f"layer{i}", f) for i, f in enumerate([*hidden, estimator.out_activation_], 1)]


def _layers(estimator: Any) -> tuple[tuple[str, nn.Layer], ...] | None:
    layers: list[tuple[str, nn.Layer]] = []
    for weight, (name, function) in zip(estimator.coefs_, functions(estimator), strict=True):
        activation = ACTIVATIONS.get(function)
        if activation is None:
            return None
        layers.append((name, nn.Affine(*weight.shape)))
        if not isinstance(activation, nn.Identity):
            layers.append((f"{name}_{function}", activation))
    return tuple(layers)


def _penalties(estimator: Any) -> tuple[nn.Penalty, ...]:
    return (nn.L2(float(estimator.alpha), scale_with_batch=True),) if estimator.alpha else ()


def _loss(estimator: Any) -> nn.Loss | None:
    if not is_classifier(estimator):
        squared = getattr(estimator, "loss", "squared_error") == "squared_error"
        return nn.MeanSquaredError(factor=0.5) if squared else None
    # Other labels than 0, 1, …, C − 1 mean something to the estimator alone.
    if list(estimator.classes_) != list(range(len(estimator.classes_))):
        return None
    if estimator.out_activation_ == "softmax":
        return nn.SoftmaxCrossEntropy(input="probabilities")
    return nn.SigmoidCrossEntropy(batch="mean", outputs="sum", input="probabilities")


def _optimizer(training: Training) -> nn.Optimizer | None:
    own = training.optimizer
    if own is None:
        return None
    if training.estimator.solver == "sgd":
        return nn.SGD(
            learning_rate=float(own.learning_rate),
            momentum=float(own.momentum),
            form="rate-inside",
            nesterov=bool(own.nesterov) and own.momentum > 0,
        )
    return nn.Adam(
        learning_rate=float(own.learning_rate_init),
        beta1=float(own.beta_1),
        beta2=float(own.beta_2),
        epsilon=float(own.epsilon),
        epsilon_placement="hat",
    )


def _feeding(training: Training, rows: int) -> Feeding:
    size = training.batch_size(rows)
    return Feeding(
        batch_size=size,
        order="shuffled" if training.estimator.shuffle else "sequential",
        partial="kept" if rows % size else "none",
    )


def _texts(estimator: Any) -> dict[str, str]:
    """How the author writes it: the estimator's own arguments."""
    kind = type(estimator).__name__
    solver = f"solver={estimator.solver!r}"
    written = {
        "loss": f"{kind}'s {getattr(estimator, 'loss', 'log_loss')}",
        "penalties": f"alpha={estimator.alpha:g}, divided by the rows of the batch",
        "optimizer": f"{kind}({solver}, learning_rate_init={estimator.learning_rate_init:g})",
        "optimizer.learning_rate": f"learning_rate_init={estimator.learning_rate_init:g}",
        "optimizer.momentum": f"momentum={estimator.momentum:g}",
        "optimizer.nesterov": f"nesterovs_momentum={estimator.nesterovs_momentum}",
        "optimizer.form": solver,
        "optimizer.beta1": f"beta_1={estimator.beta_1:g}",
        "optimizer.beta2": f"beta_2={estimator.beta_2:g}",
        "optimizer.epsilon": f"epsilon={estimator.epsilon:g}",
        "optimizer.epsilon_placement": f"{solver}: ε-hat, epsilon={estimator.epsilon:g}",
    }
    if estimator.solver == "sgd" and estimator.learning_rate != "constant":
        written["optimizer"] += f", learning_rate={estimator.learning_rate!r}"
    *hidden, (last, output) = functions(estimator)
    for name, function in hidden:
        written[f"layers.{name}_{function}"] = f"activation={function!r}"
    written[f"layers.{last}_{output}"] = f"output activation {output!r}"
    return written


# ---- adjusting ---------------------------------------------------------------------------------
Setting = tuple[Any, str, Any]


def plan(training: Training, present: Conventions, wanted: Conventions) -> list[Setting] | None:
    """What has to be set on a live estimator: objects, attributes and values.

    Args:
        training: the live side.
        present: what it declares now.
        wanted: what it is to follow. Laws, feeding and reported quantities are not looked at.

    Returns:
        The settings, or ``None`` where no settings of scikit-learn say it.
    """
    if wanted.faults or wanted.frozen or wanted.loss not in (None, present.loss):
        return None
    layers = _activation(training, present, wanted)
    decay = _alpha(training, present, wanted)
    rule = _rule(training, present, wanted)
    if layers is None or decay is None or rule is None:
        return None
    return [*layers, *decay, *rule]


def _activation(
    training: Training, present: Conventions, wanted: Conventions
) -> list[Setting] | None:
    if wanted.layers is None or wanted.layers == present.layers:
        return []
    own, other = _groups(present.layers or ()), _groups(wanted.layers)
    if len(own) != len(other) or [g[0] for g in own] != [g[0] for g in other]:
        return None
    hidden = [g[1:] for g in other[:-1]]
    if other[-1] != own[-1] or not hidden or any(h != hidden[0] for h in hidden):
        return None
    asked = hidden[0][0] if hidden[0] else nn.Identity()
    named = {layer: name for name, layer in ACTIVATIONS.items() if layer is not None}
    name = named.get(asked, "softmax") if len(hidden[0]) <= 1 else "softmax"
    return None if name == "softmax" else [(training.estimator, "activation", name)]


def _groups(layers: tuple[tuple[str, nn.Layer], ...]) -> list[list[nn.Layer]]:
    """Each affine layer with what follows it."""
    groups: list[list[nn.Layer]] = []
    for _, layer in layers:
        if isinstance(layer, nn.Affine) or not groups:
            groups.append([])
        groups[-1].append(layer)
    return groups


def _alpha(training: Training, present: Conventions, wanted: Conventions) -> list[Setting] | None:
    if wanted.penalties is None or wanted.penalties == present.penalties:
        return []
    if not wanted.penalties:
        return [(training.estimator, "alpha", 0.0)]
    (term, *others) = wanted.penalties
    if others or not isinstance(term, nn.L2) or not term.scale_with_batch:
        return None
    weights = [name for name in present.places if name.endswith(".weight")]
    if term.scope != "weights" and sorted(term.scope) != sorted(weights):
        return None
    return [(training.estimator, "alpha", 2.0 * term.factor * term.coefficient)]


def _rule(training: Training, present: Conventions, wanted: Conventions) -> list[Setting] | None:
    own, rule = present.optimizer, wanted.optimizer
    if rule is None or rule == own:
        return []
    settings: list[Setting] = []
    if isinstance(own, nn.SGD) and isinstance(rule, nn.SGD):
        attributes, free = _SGD, {"learning_rate", "momentum", "nesterov"}
        # At a constant rate the two forms are one.
        rule = replace(rule, form=own.form) if rule.form == "rate-outside" else rule
    elif isinstance(own, nn.Adam) and isinstance(rule, nn.Adam):
        attributes, free = _ADAM, {"learning_rate", "beta1", "beta2", "epsilon"}
    else:
        return None
    kept = {name: getattr(own, name) for name in free}
    if replace(rule, **kept) != own:
        return None
    for switch, (attribute, argument) in attributes.items():
        value = getattr(rule, switch)
        if value != getattr(own, switch):
            settings += [
                (training.optimizer, attribute, value),
                (training.estimator, argument, value),
            ]
            if switch == "learning_rate":
                settings.append((training.optimizer, "learning_rate", value))
    return settings
