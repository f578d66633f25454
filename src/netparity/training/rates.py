"""The learning rate of each step, from a configuration."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

from netparity.errors import InputError
from netparity.nn import schedules
from netparity.nn.schedules import Schedule
from netparity.training.configuration import Configuration, Constant
from netparity.training.making import made

#: What makes a schedule, what it is given beside the learning rate, and the constants a user may
#: set that it has no default for. Where there are ``epochs`` among these, they are its time;
#: else that is the whole run.
_SCHEDULES: Final[Mapping[str, tuple[Any, dict[str, Any], dict[str, Constant]]]] = {
    "constant": (schedules.ConstantRate, {}, {}),
    "cosine": (schedules.CosineDecay, {"after": "clamped"}, {}),
    "linear": (schedules.PolynomialDecay, {"power": 1.0, "cycle": False}, {}),
    "polynomial": (schedules.PolynomialDecay, {"cycle": False}, {"power": 2.0}),
    "exponential": (schedules.ExponentialDecay, {}, {"epochs": 1, "factor": 0.95}),
    "inverse-time": (schedules.InverseTimeDecay, {}, {"epochs": 1, "decay": 0.1}),
    "cosine-restarts": (schedules.CosineRestarts, {}, {"epochs": 10}),
}


def build_schedule(configuration: Configuration, steps: int) -> Schedule | None:
    """The learning rate of each step, or ``None`` where it is always the same.

    Args:
        configuration: what it is like.
        steps: how many steps an epoch has.

    Raises:
        InputError: it has no such constant, or one out of range, or the warm-up takes the
            whole run.

    Example:
        >>> schedule = build_schedule(Configuration(schedule="linear", epochs=2), steps=5)
        >>> [round(1000 * schedule(step), 2) for step in range(10)]
        [1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1]
    """
    name, constants = configuration.schedule, configuration.schedule_constants
    if name == "plateau":
        # These are the constants of what lowers the rate, which is constant by itself.
        name, constants = "constant", {}
    what = f"a constant of the schedule {name}"
    kind, given, defaults = _SCHEDULES[name]
    constants = {**defaults, **constants}
    given = {"learning_rate": configuration.learning_rate, **given}
    rest = (configuration.epochs - configuration.warmup) * steps
    if rest <= 0:
        raise InputError(
            f"warmup is out of range. Expected less than the {configuration.epochs} epochs of the "
            f"run. Received: {configuration.warmup}"
        )
    if "epochs" in defaults:
        given["steps"] = _epochs(what, constants.pop("epochs")) * steps
    elif "steps" in kind.__dataclass_fields__:
        given["steps"] = rest
    schedule: Schedule = made(kind, what, given, constants, also=tuple(defaults))
    if configuration.warmup:
        return schedules.WarmUp(schedule, configuration.warmup * steps, first="up")
    return None if name == "constant" else schedule


def _epochs(what: str, value: Constant) -> float:
    """The time of a schedule, in epochs."""
    if isinstance(value, bool | str) or not 0 < value < math.inf:
        raise InputError(
            f"{what} cannot be used: epochs. Expected a number above 0. Received: {value!r}"
        )
    return value


def build_plateau(configuration: Configuration) -> schedules.ReduceOnPlateau | None:
    """What lowers the learning rate where the loss no longer falls, or ``None``.

    Args:
        configuration: what it is like.

    Raises:
        InputError: it has no such constant, or one out of range.
    """
    if configuration.schedule != "plateau":
        return None
    what = "a constant of the schedule plateau"
    rule: schedules.ReduceOnPlateau = made(
        schedules.ReduceOnPlateau, what, {"mode": "min"}, configuration.schedule_constants
    )
    return rule
