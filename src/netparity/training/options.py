"""The fields of a configuration as options of ``netparity train`` and ``netparity tune``."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any, final

from cyclopts import Parameter

from netparity.errors import InputError
from netparity.training import choices

ConfigurationFile = Annotated[
    Path | None,
    Parameter(
        help="A TOML file with the options below as keys (batch_size = 100, with tables "
        "[optimizer_constants] and [schedule_constants]). Options override it."
    ),
]


def _constant_of(what: str, example: str) -> Parameter:
    return Parameter(
        consume_multiple=False,
        negative="",
        show_default=False,
        help=f"NAME=VALUE: a constant of the {what}, by its name in netparity.nn ({example}). "
        "May be repeated.",
    )


def _help(text: str, names: Sequence[str] = ()) -> Parameter:
    listed = f" One of {', '.join(names)}." if names else ""
    return Parameter(help=text + listed, show_default=False)


# The defaults are those of `Configuration`: what is None here was not given.
@final
@Parameter(name="*")
@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the command line says of a configuration; ``None``, or nothing, where it is silent."""

    data: Annotated[
        str | None,
        _help(
            "xor, digits, mnist, cifar10, or an .npz file with x and y (and x_test and y_test). "
            "[digits]"
        ),
    ] = None
    rows: Annotated[int | None, _help("How many of the first training rows to use. [all]")] = None
    validation: Annotated[
        float | None, _help("Share of the training rows held out to choose by. [0.1]")
    ] = None
    standardize: Annotated[
        str | None,
        _help(
            "Inputs less their mean, over their deviation: of all inputs, or of each. [global]",
            choices.STANDARDIZATIONS,
        ),
    ] = None
    flip: Annotated[
        bool | None, _help("Mirror images left to right at random in training. [no]")
    ] = None
    shift: Annotated[
        int | None, _help("Move images at random by up to so many pixels in training. [0]")
    ] = None
    hidden: Annotated[
        tuple[int, ...] | None,
        Parameter(
            consume_multiple=True,
            negative="--no-hidden",
            show_default=False,
            help="Widths of the hidden layers. [100]",
        ),
    ] = None
    activation: Annotated[
        str | None, _help("After each hidden layer. [relu]", choices.ACTIVATIONS)
    ] = None
    initialization: Annotated[
        str | None, _help("Law of the first weights. [he]", choices.INITIALIZATIONS)
    ] = None
    batch_norm: Annotated[
        bool | None, _help("Normalize each hidden layer before its activation. [no]")
    ] = None
    dropout: Annotated[float | None, _help("Probability to DROP a hidden unit. [0]")] = None
    input_dropout: Annotated[float | None, _help("Probability to DROP an input. [0]")] = None
    loss: Annotated[str | None, _help("[cross-entropy]", choices.LOSSES)] = None
    label_smoothing: Annotated[
        float | None, _help("Share of the target spread over all classes. [0]")
    ] = None
    l2: Annotated[float | None, _help("λ of the penalty ½ λ Σ w² on the weights. [0]")] = None
    optimizer: Annotated[str | None, _help("Update rule. [adam]", choices.OPTIMIZERS)] = None
    optimizer_constant: Annotated[
        tuple[str, ...], _constant_of("optimizer", "momentum=0.9, beta1=0.95")
    ] = ()
    learning_rate: Annotated[float | None, _help("The largest of the run. [0.001]")] = None
    weight_decay: Annotated[float | None, _help("λ of the decoupled decay of the weights. [0]")] = (
        None
    )
    clip_norm: Annotated[float | None, _help("Largest norm of the gradient. [any]")] = None
    schedule: Annotated[
        str | None, _help("How the learning rate goes on. [constant]", choices.SCHEDULES)
    ] = None
    schedule_constant: Annotated[
        tuple[str, ...], _constant_of("schedule", "end=1e-5, power=2; times are epochs=5")
    ] = ()
    warmup: Annotated[
        float | None, _help("Epochs over which the learning rate rises first. [0]")
    ] = None
    batch_size: Annotated[int | None, _help("Rows a step. [100]")] = None
    epochs: Annotated[int | None, _help("How often each row is seen, at most. [20]")] = None
    patience: Annotated[
        int | None, _help("Epochs without a better validation until it stops. [any]")
    ] = None
    seed: Annotated[
        int | None,
        _help("Of the split, the first values, the order of rows, dropout, augmentation. [0]"),
    ] = None
    dtype: Annotated[str | None, _help("[float32]", choices.DTYPES)] = None

    def given(self) -> dict[str, Any]:
        """The values that were given, by the configuration's names.

        Raises:
            InputError: a constant is not written ``NAME=VALUE``.

        Example:
            >>> Options(hidden=(20,), optimizer_constant=("beta1=0.8",)).given()
            {'hidden': [20], 'optimizer_constants': {'beta1': 0.8}}
        """
        found: dict[str, Any] = {}
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name.endswith("_constant"):
                if value:
                    found[f"{field.name}s"] = _constants(field.name, value)
            elif value is not None:
                found[field.name] = list(value) if isinstance(value, tuple) else value
        return found


def _constants(field: str, texts: Sequence[str]) -> dict[str, Any]:
    option = f"--{field.replace('_', '-')}"
    found: dict[str, Any] = {}
    for text in texts:
        name, equals, value = (part.strip() for part in text.partition("="))
        if not (name and equals and value):
            raise InputError(f"`{option} {text}` is no constant. Expected `{option} NAME=VALUE`")
        found[name.replace("-", "_")] = _constant(value)
    return found


def _constant(text: str) -> Any:
    """A value as TOML writes it; what is no number and neither true nor false is a text."""
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = tomllib.loads(f"value = {json.dumps(text)}")["value"]
    return value if isinstance(value, bool | int | float | str) else text


def combined(file: Path | None, options: Options) -> dict[str, Any]:
    """The values of a TOML file with those of the command line put over them.

    Args:
        file: the file, or ``None``.
        options: what the command line says.

    Raises:
        InputError: the file cannot be read, or a key in it is not known.
    """
    from netparity.training.configuration import NAMES, overridden
    from netparity.training.toml import read_toml

    values: dict[str, Any] = {}
    if file is not None:
        values = read_toml(file)
        for name in values:
            choices.choose(f"a key in `{file}`", name, NAMES)
    return overridden(values, options.given())
