"""Keras's optimizers beside SGD and Adam as rules of the reference network."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from netparity import nn

#: Switch → the attribute of a Keras optimizer that holds it.
ATTRIBUTES: Final[Mapping[str, str]] = {
    "momentum": "momentum",
    "nesterov": "nesterov",
    "beta1": "beta_1",
    "beta2": "beta_2",
    "epsilon": "epsilon",
    "rho": "rho",
    "centered": "centered",
    "initial_accumulator": "initial_accumulator_value",
    "power": "learning_rate_power",
    "l1": "l1_regularization_strength",
    "l2": "l2_regularization_strength",
    "l2_shrinkage": "l2_shrinkage_regularization_strength",
    "beta": "beta",
    "weight_decay": "weight_decay",
}


def rule(
    optimizer: Any, learning_rate: float, decay: Mapping[str, Any], *, rounds: bool
) -> nn.Optimizer | None:
    """The rule of a Keras optimizer, or ``None`` where it is none of those known here.

    Args:
        optimizer: of ``keras.optimizers``.
        learning_rate: its rate.
        decay: its weight decay, as the reference network's switches.
        rounds: whether what passes through ``keras.ops.cast`` is rounded to float32, as the
            betas of Lion and the first values of accumulators do.
    """
    o, kind = optimizer, _kind(optimizer)
    start = float(getattr(o, "initial_accumulator_value", 0.0))
    start = float(np.float32(start)) if rounds else start
    if kind == "Adagrad":
        return nn.AdaGrad(learning_rate, float(o.epsilon), "inside", start, **decay)
    if kind == "RMSprop":
        return nn.RMSProp(
            learning_rate,
            rho=float(o.rho),
            momentum=float(o.momentum),
            epsilon=float(o.epsilon),
            epsilon_placement="inside",
            centered=bool(o.centered),
            form="rate-inside",
            **decay,
        )
    if kind == "Adadelta":
        return nn.Adadelta(learning_rate, float(o.rho), float(o.epsilon), **decay)
    betas = _betas(o, np.float32 if rounds and kind == "Lion" else np.float64)
    if kind == "Adamax":
        return nn.Adamax(
            learning_rate, **betas, epsilon=float(o.epsilon), epsilon_placement="outside", **decay
        )
    if kind == "Nadam":
        return nn.NAdam(
            learning_rate, **betas, epsilon=float(o.epsilon), momentum_decay=1.0,
            rounding="float32-base" if rounds else "exact", **decay,
        )  # fmt: skip
    if kind == "Lion":
        return nn.Lion(learning_rate, **betas, **decay)
    if kind == "Ftrl":
        return nn.Ftrl(
            learning_rate,
            power=-float(o.learning_rate_power),
            initial_accumulator=start,
            l1=float(o.l1_regularization_strength),
            l2=float(o.l2_regularization_strength),
            l2_shrinkage=float(o.l2_shrinkage_regularization_strength),
            beta=float(o.beta),
            **decay,
        )
    return None


def _betas(optimizer: Any, width: Any) -> dict[str, Any]:
    found = {"beta1": "beta_1", "beta2": "beta_2"}
    return {name: float(width(getattr(optimizer, a, 0.0))) for name, a in found.items()}


def _kind(optimizer: Any) -> str:
    """The name of Keras's own class that it is of: the torch backend has subclasses of these."""
    import keras

    known = ("Adagrad", "RMSprop", "Adadelta", "Adamax", "Nadam", "Lion", "Ftrl")
    return next((n for n in known if isinstance(optimizer, getattr(keras.optimizers, n))), "")
