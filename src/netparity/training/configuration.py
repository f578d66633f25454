"""Everything that says how a network is trained."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Final, final

import msgspec

from netparity.errors import InputError
from netparity.training import choices
from netparity.training.choices import choose

#: What a constant of an optimizer or of a schedule may be.
Constant = bool | int | float | str


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """One training run, but for the folder its data lie in.

    Attributes:
        data: ``xor``, ``digits``, ``mnist``, ``cifar10``, or the path of an ``.npz`` file with
            ``x`` and ``y`` (and ``x_test`` and ``y_test``).
        rows: how many of the first training rows are used; ``None``: all.
        validation: the share of these rows held out, drawn by the seed.
        standardize: ``global`` takes the mean off all inputs and divides by their deviation,
            ``feature`` does so for each input apart, by the rows trained on; ``none``.
        flip: whether images are mirrored left to right at random in training.
        shift: by how many pixels, at most, images are moved at random in training.
        hidden: widths of the hidden layers.
        activation: after each hidden layer.
        initialization: the law of the weights.
        batch_norm: whether each hidden layer is normalized before its activation.
        dropout: probability to DROP a hidden unit.
        input_dropout: probability to DROP an input.
        loss: ``cross-entropy`` of the softmax, or ``hinge`` over the classes.
        label_smoothing: the share of the target that is spread over all classes.
        l2: λ of the penalty ½ λ Σ w² on the weights, a part of the loss.
        optimizer: the update rule.
        optimizer_constants: its constants by their names in ``netparity.nn``.
        learning_rate: η, the largest of the run.
        weight_decay: λ of the decoupled decay ``w ← w − η λ w`` of the weights.
        clip_norm: the largest norm of the whole gradient; ``None``: any.
        schedule: how the learning rate goes on from there.
        schedule_constants: its constants by their names in ``netparity.nn``.
        warmup: over how many epochs the learning rate rises first.
        batch_size: rows a step.
        epochs: how often each row is seen, at most.
        patience: after how many epochs without a better validation it stops; ``None``: never.
        seed: of the split, the initial values, the order of the rows, dropout and augmentation.
        dtype: ``float32`` or ``float64``.

    Raises:
        InputError: a name is not known, or a number is out of range.

    Example:
        >>> Configuration(hidden=(256, 128), dropout=0.3).dropout
        0.3
    """

    data: str = "digits"
    rows: int | None = None
    validation: float = 0.1
    standardize: str = "global"
    flip: bool = False
    shift: int = 0
    hidden: tuple[int, ...] = (100,)
    activation: str = "relu"
    initialization: str = "he"
    batch_norm: bool = False
    dropout: float = 0.0
    input_dropout: float = 0.0
    loss: str = "cross-entropy"
    label_smoothing: float = 0.0
    l2: float = 0.0
    optimizer: str = "adam"
    optimizer_constants: dict[str, Constant] = field(default_factory=dict)
    learning_rate: float = 1e-3
    weight_decay: float = 0.0
    clip_norm: float | None = None
    schedule: str = "constant"
    schedule_constants: dict[str, Constant] = field(default_factory=dict)
    warmup: float = 0.0
    batch_size: int = 100
    epochs: int = 20
    patience: int | None = None
    seed: int = 0
    dtype: str = "float32"

    def __post_init__(self) -> None:
        """Checks every field."""
        for name, known in _NAMES.items():
            choose(name, getattr(self, name), known)
        for name, (low, high, open_end) in _RANGES.items():
            value = getattr(self, name)
            for number in value if isinstance(value, tuple) else (value,):
                _check(name, number, low, high, open_end=open_end)
        if self.loss == "hinge" and self.label_smoothing > 0.0:
            raise InputError(
                "label_smoothing goes with the cross-entropy only. Expected 0 with the hinge "
                f"loss. Received: {self.label_smoothing}"
            )


_NAMES: Final[Mapping[str, tuple[str, ...]]] = {
    "standardize": choices.STANDARDIZATIONS,
    "activation": choices.ACTIVATIONS,
    "initialization": choices.INITIALIZATIONS,
    "loss": choices.LOSSES,
    "optimizer": choices.OPTIMIZERS,
    "schedule": choices.SCHEDULES,
    "dtype": choices.DTYPES,
}
#: Smallest and largest value, and whether the largest itself is out.
_RANGES: Final[Mapping[str, tuple[float, float, bool]]] = {
    "rows": (1, math.inf, True),
    "validation": (0, 1, True),
    "shift": (0, math.inf, True),
    "hidden": (1, math.inf, True),
    "dropout": (0, 1, True),
    "input_dropout": (0, 1, True),
    "label_smoothing": (0, 1, True),
    "l2": (0, math.inf, True),
    "learning_rate": (0, math.inf, True),
    "weight_decay": (0, math.inf, True),
    "clip_norm": (0, math.inf, True),
    "warmup": (0, math.inf, True),
    "batch_size": (1, math.inf, True),
    "epochs": (1, math.inf, True),
    "patience": (1, math.inf, True),
    "seed": (0, math.inf, True),
}

NAMES: Final = tuple(one.name for one in fields(Configuration))


def _check(name: str, value: float | None, low: float, high: float, *, open_end: bool) -> None:
    if value is None:
        return
    # A NaN fails this too: it is not within any range.
    if low <= value and (value < high or (value == high and not open_end)):
        return
    upper = f" and less than {high:g}" if math.isfinite(high) else ""
    raise InputError(
        f"{name} is out of range. Expected a finite number of at least {low:g}{upper}. "
        f"Received: {value}"
    )


def configured(values: Mapping[str, Any], place: str = "the configuration") -> Configuration:
    """The configuration with some values, the others being the defaults.

    Args:
        values: by the names of the fields.
        place: where they come from, for messages.

    Returns:
        The configuration.

    Raises:
        InputError: a name is not known (the hint has the nearest), or a value is of another
            type or out of range.

    Example:
        >>> configured({"hidden": [20, 20], "learning_rate": 1}).hidden
        (20, 20)
    """
    for name in values:
        choose(f"a key in {place}", name, NAMES)
    try:
        return msgspec.convert(dict(values), Configuration)
    except msgspec.ValidationError as error:
        if isinstance(error.__cause__, InputError):
            raise error.__cause__ from None
        text, _, key = str(error).partition(" - at `$.")
        raise InputError(
            f"{place}: `{key.rstrip('`')}` is of another type. {text.replace('`', '')}"
        ) from None


def as_values(configuration: Configuration) -> dict[str, Any]:
    """The fields by name, in their order, those that are ``None`` left out.

    Args:
        configuration: the configuration.

    Example:
        >>> as_values(Configuration())["hidden"]
        [100]
    """
    found: dict[str, Any] = {}
    for name in NAMES:
        value = getattr(configuration, name)
        if value is not None:
            found[name] = list(value) if isinstance(value, tuple) else value
    return found


def overridden(values: Mapping[str, Any], options: Mapping[str, Any]) -> dict[str, Any]:
    """Values of a file with options put over them.

    Constants are put over those of the file one by one; another optimizer or schedule drops
    those that belonged to the one before.

    Args:
        values: from the file.
        options: those given on the command line.

    Example:
        >>> file = {"optimizer": "adam", "optimizer_constants": {"beta1": 0.8}}
        >>> overridden(file, {"optimizer_constants": {"beta2": 0.9}})["optimizer_constants"]
        {'beta1': 0.8, 'beta2': 0.9}
        >>> overridden(file, {"optimizer": "sgd"})
        {'optimizer': 'sgd'}
    """
    merged = dict(values)
    for kind in ("optimizer", "schedule"):
        if kind in options and options[kind] != values.get(kind):
            merged.pop(f"{kind}_constants", None)
    for name, value in options.items():
        old = merged.get(name)
        merged[name] = (
            {**old, **value} if isinstance(old, dict) and isinstance(value, dict) else (value)
        )
    return merged
