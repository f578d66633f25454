"""The optimizers of each framework with the constants it has by default."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any, Final

from netparity.errors import InputError
from netparity.nn.optimizers.adam import Adam, AdamW
from netparity.nn.optimizers.adam_variants import Adamax, NAdam, RAdam
from netparity.nn.optimizers.adaptive import Adadelta, AdaGrad, RMSProp
from netparity.nn.optimizers.base import Optimizer
from netparity.nn.optimizers.ftrl import Ftrl
from netparity.nn.optimizers.lion import Lion
from netparity.nn.optimizers.muon import Muon
from netparity.nn.optimizers.sgd import SGD

#: In place of a rate that the framework wants to be told.
_TOLD: Final = math.nan

_KERAS_ADAM: Final[Mapping[str, Any]] = {"epsilon": 1e-7, "epsilon_placement": "hat"}

#: Framework → kind of optimizer → its default.
_DEFAULTS: Final[Mapping[str, Mapping[str, Optimizer]]] = MappingProxyType(
    {
        "torch": {
            "sgd": SGD(0.001),
            "adagrad": AdaGrad(0.01),
            "rmsprop": RMSProp(0.01, rho=0.99),
            "adadelta": Adadelta(1.0),
            "adam": Adam(0.001),
            "adamw": AdamW(0.001),
            "adamax": Adamax(0.002),
            "nadam": NAdam(0.002),
            "radam": RAdam(0.001),
            "muon": Muon(0.001, epsilon_placement="minimum", weight_decay=0.1),
        },
        "keras": {
            "sgd": SGD(0.01, form="rate-inside", decay="decoupled"),
            "adagrad": AdaGrad(0.001, 1e-7, "inside", 0.1, decay="decoupled"),
            "rmsprop": RMSProp(
                0.001, epsilon=1e-7, epsilon_placement="inside", form="rate-inside",
                decay="decoupled",
            ),
            "adadelta": Adadelta(0.001, rho=0.95, epsilon=1e-7, decay="decoupled"),
            "adam": Adam(0.001, **_KERAS_ADAM, decay="decoupled"),
            "adamw": AdamW(0.001, **_KERAS_ADAM, weight_decay=0.004),
            "adamax": Adamax(
                0.001, epsilon=1e-7, epsilon_placement="outside", decay="decoupled"
            ),
            "nadam": NAdam(0.001, epsilon=1e-7, momentum_decay=1.0, decay="decoupled"),
            "lion": Lion(0.001),
            "ftrl": Ftrl(0.001),
            # Its ε is added to the norm of a sum, 1/(1 − μ) times that of the average.
            "muon": Muon(
                0.001, epsilon=1e-7 * (1.0 - 0.95), scale="rms",
                others=Adam(1.0, **_KERAS_ADAM), weight_decay=0.004,
            ),
        },
        "tf1": {
            "sgd": SGD(_TOLD),
            "adagrad": AdaGrad(_TOLD, 0.0, initial_accumulator=0.1),
            "rmsprop": RMSProp(
                _TOLD, epsilon=1e-10, epsilon_placement="inside", form="rate-inside",
                initial_accumulator=1.0,
            ),
            "adadelta": Adadelta(0.001, rho=0.95, epsilon=1e-8),
            "adam": Adam(0.001, epsilon_placement="hat"),
            "ftrl": Ftrl(_TOLD),
        },
        "optax": {
            "sgd": SGD(_TOLD),
            "adagrad": AdaGrad(_TOLD, 1e-7, "inside", 0.1),
            "rmsprop": RMSProp(_TOLD, epsilon_placement="inside", form="rate-inside"),
            "adadelta": Adadelta(_TOLD),
            "adam": Adam(_TOLD),
            "adamw": AdamW(_TOLD, weight_decay=1e-4),
            "amsgrad": Adam(_TOLD, amsgrad=True, amsgrad_form="corrected"),
            "adamax": Adamax(_TOLD),
            "nadam": NAdam(_TOLD, momentum_decay=None),
            "radam": RAdam(_TOLD, epsilon_placement="outside"),
            "lion": Lion(_TOLD, weight_decay=1e-3),
            "muon": Muon(
                _TOLD, epsilon=1e-8, bias_correction=True, others=NAdam(1.0, momentum_decay=None)
            ),
        },
        "sklearn": {
            "sgd": SGD(0.001, momentum=0.9, form="rate-inside", nesterov=True),
            "adam": Adam(0.001, epsilon_placement="hat"),
        },
        "cs231n": {
            "sgd": SGD(0.01),
            "momentum": SGD(0.01, momentum=0.9, form="rate-inside"),
            "rmsprop": RMSProp(0.01, rho=0.99),
            "adam": Adam(0.001),
        },
    }
)  # fmt: skip


def default_optimizer(framework: str, kind: str, learning_rate: float | None = None) -> Optimizer:
    """A framework's optimizer with the constants and conventions it has by default.

    Args:
        framework: ``"torch"``, ``"keras"``, ``"tf1"``, ``"optax"``, ``"sklearn"`` or
            ``"cs231n"``.
        kind: its name in lower case: ``"sgd"``, ``"adam"``, ``"rmsprop"``, …
        learning_rate: in place of the default one; needed where the framework has none.

    Returns:
        The optimizer.

    Raises:
        InputError: there is no such framework, it has no such optimizer, or a rate is needed.

    Example:
        >>> default_optimizer("keras", "rmsprop").epsilon_placement
        'inside'

    Source: the frameworks' own signatures, in the versions that the tests run.

    **Parity** (`sgd-defaults`, `adam-defaults`, `rmsprop-epsilon-placement`,
    `adagrad-accumulator-epsilon`, `adadelta-form`, `adamax-epsilon`, `nadam-form`,
    `lion-form`, `muon-defaults`, `other-optimizer-defaults`): this function is the table of
    them.
    """
    kinds = _DEFAULTS.get(framework)
    if kinds is None:
        raise InputError(
            f"framework is not known. Expected one of {', '.join(_DEFAULTS)}. "
            f"Received: {framework!r}"
        )
    found: Any = kinds.get(kind)
    if found is None:
        raise InputError(
            f"{framework} has no such optimizer. Expected one of {', '.join(kinds)}. "
            f"Received: {kind!r}"
        )
    if learning_rate is None and math.isnan(found.learning_rate):
        raise InputError(
            f"{framework} has no default rate. Expected a learning rate. Received: None"
        )
    made: Optimizer = (
        found if learning_rate is None else replace(found, learning_rate=learning_rate)
    )
    return made
