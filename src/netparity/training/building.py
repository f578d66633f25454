"""From a configuration to the network, loss and optimizer it describes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from netparity import nn
from netparity.errors import InputError
from netparity.nn import optimizers
from netparity.nn.clipping import ClipByNorm, Clipping
from netparity.nn.initializers import Law
from netparity.nn.layers import Layer
from netparity.nn.optimizers import Optimizer
from netparity.training.augmentation import Augment
from netparity.training.configuration import Configuration
from netparity.training.data import Data
from netparity.training.making import made
from netparity.training.preparing import Split, seeds
from netparity.training.rates import build_plateau, build_schedule

_ACTIVATIONS: Final[Mapping[str, Callable[[], Layer]]] = {
    "relu": nn.ReLU,
    "leaky-relu": nn.LeakyReLU,
    "elu": nn.ELU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
}
_LAWS: Final[Mapping[str, str]] = {
    "he": "torch_kaiming_normal",
    "glorot": "glorot_uniform",
    "lecun": "lecun_normal",
    "torch": "torch_linear",
}
_OPTIMIZERS: Final[Mapping[str, type[Optimizer]]] = {
    "sgd": optimizers.SGD,
    "adam": optimizers.Adam,
    "adamax": optimizers.Adamax,
    "nadam": optimizers.NAdam,
    "radam": optimizers.RAdam,
    "adagrad": optimizers.AdaGrad,
    "adadelta": optimizers.Adadelta,
    "rmsprop": optimizers.RMSProp,
    "lion": optimizers.Lion,
    "ftrl": optimizers.Ftrl,
    "muon": optimizers.Muon,
}


def build_network(configuration: Configuration, inputs: int, classes: int) -> nn.Network:
    """The network: hidden layers, each with what belongs to it, then the scores.

    Args:
        configuration: what it is like.
        inputs: inputs a row.
        classes: how many classes there are.

    Example:
        >>> configuration = Configuration(hidden=(20,), batch_norm=True, dropout=0.5)
        >>> [name for name, _ in build_network(configuration, 64, 10).layers]
        ['hidden1', 'norm1', 'relu1', 'dropout1', 'scores']
    """
    layers: list[tuple[str, Layer]] = []
    if configuration.input_dropout:
        layers.append(("dropout0", nn.Dropout(configuration.input_dropout)))
    width = inputs
    for place, outputs in enumerate(configuration.hidden, 1):
        # The normalization takes a bias off again, and has one of its own.
        dense = nn.Affine(width, outputs, bias=not configuration.batch_norm)
        layers.append((f"hidden{place}", dense))
        if configuration.batch_norm:
            layers.append((f"norm{place}", nn.BatchNorm(outputs)))
        name = configuration.activation
        layers.append((f"{name}{place}", _ACTIVATIONS[name]()))
        if configuration.dropout:
            layers.append((f"dropout{place}", nn.Dropout(configuration.dropout)))
        width = outputs
    return nn.Network((*layers, ("scores", nn.Affine(width, classes))))


def build_laws(configuration: Configuration, network: nn.Network) -> dict[str, Law]:
    """The law of each parameter's initial values.

    Args:
        configuration: what it is like.
        network: what was built from it.
    """
    laws: dict[str, Law] = {}
    for name in network.parameter_shapes():
        if name.endswith(".weight"):
            # The scores are no rectified layer: as they begin small, so does the loss.
            scores = name == "scores.weight"
            key = "glorot_uniform" if scores else _LAWS[configuration.initialization]
            laws[name] = nn.NAMED[key]
        else:
            laws[name] = nn.NAMED["ones" if name.endswith(".scale") else "zeros"]
    return laws


def build_optimizer(configuration: Configuration) -> Optimizer:
    """The update rule.

    Args:
        configuration: what it is like.

    Raises:
        InputError: it has no such constant, or one of another type or out of range.

    Example:
        >>> configuration = Configuration(optimizer="sgd", optimizer_constants={"momentum": 0.9})
        >>> build_optimizer(configuration).momentum
        0.9
    """
    kind = _OPTIMIZERS[configuration.optimizer]
    given: dict[str, Any] = {
        "learning_rate": configuration.learning_rate,
        "weight_decay": configuration.weight_decay,
        "decay": "decoupled",
        "decay_scope": "weights",
    }
    what = f"a constant of the optimizer {configuration.optimizer}"
    rule: Optimizer = made(kind, what, given, configuration.optimizer_constants)
    return rule


def build_clipping(configuration: Configuration) -> Clipping | None:
    """What keeps the norm of the whole gradient in bounds, or ``None``.

    Args:
        configuration: what it is like.
    """
    limit = configuration.clip_norm
    return None if limit is None else ClipByNorm(limit)


def build_loss(configuration: Configuration) -> nn.Loss:
    """The data loss.

    Args:
        configuration: what it is like.
    """
    if configuration.loss == "hinge":
        return nn.MulticlassHinge()
    return nn.SoftmaxCrossEntropy(label_smoothing=configuration.label_smoothing)


def build_solver(configuration: Configuration, data: Data, parts: Split) -> nn.Solver:
    """A solver with its first values drawn.

    Args:
        configuration: the run's.
        data: all rows.
        parts: those it is trained on and those it is validated on.

    Raises:
        InputError: the optimizer or the schedule has no such constant.
    """
    network = build_network(configuration, data.training.x.shape[1], data.classes)
    steps = -(-len(parts.training) // configuration.batch_size)
    return nn.Solver(
        network,
        build_loss(configuration),
        build_optimizer(configuration),
        laws=build_laws(configuration, network),
        rng=seeds(configuration)["values"],
        penalties=(nn.L2(configuration.l2),) if configuration.l2 else (),
        schedule=build_schedule(configuration, steps),
        plateau=build_plateau(configuration),
        plateau_monitor="epoch_loss" if parts.validation is None else "validation_loss",
        clipping=build_clipping(configuration),
        batch_size=configuration.batch_size,
        dtype=configuration.dtype,
    )


def build_augmentation(configuration: Configuration, data: Data) -> Augment | None:
    """What is done to the images as they are fed, or ``None``.

    Args:
        configuration: what it is like.
        data: what it is done to.

    Raises:
        InputError: a row is no image.
    """
    if not (configuration.flip or configuration.shift):
        return None
    if data.image is None:
        raise InputError(
            "only images can be mirrored or moved. Expected flip and shift off. Received: "
            f"flip {configuration.flip}, shift {configuration.shift}"
        )
    return Augment(data.image, configuration.flip, configuration.shift)
