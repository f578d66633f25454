"""Changes a convention of a live JAX program."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np

from netparity.conventions import Conventions
from netparity.implementations import jax_optax
from netparity.implementations.jax_program import Program
from netparity.implementations.jax_rebuilding import rebuilt
from netparity.implementations.rates import Rates
from netparity.implementations.scaling import Adjustable, adjusted_losses

Array = np.ndarray[Any, np.dtype[Any]]

_ADAMS = (
    "scale_by_adam", "scale_by_amsgrad", "scale_by_adamax", "scale_by_radam", "scale_by_lion",
)  # fmt: skip
#: Switch of an optimizer → the settings of optax's links that hold it.
_SETTINGS: Mapping[str, tuple[tuple[str, str], ...]] = {
    "momentum": (("trace", "decay"),),
    "nesterov": (("trace", "nesterov"),),
    "rho": (("scale_by_rms", "decay"), ("scale_by_stddev", "decay"), ("scale_by_adadelta", "rho")),
    "beta1": tuple((link, "b1") for link in _ADAMS),
    "beta2": tuple((link, "b2") for link in _ADAMS),
    "epsilon": tuple(
        (link, "eps")
        for link in (
            *_ADAMS,
            "scale_by_rms",
            "scale_by_stddev",
            "scale_by_rss",
            "scale_by_adadelta",
        )
    ),
    "weight_decay": (("add_decayed_weights", "weight_decay"),),
    "threshold": (("scale_by_radam", "threshold"),),
    "bias_correction": (("scale_by_rms", "bias_correction"),),
}


class Side(Adjustable, Protocol):
    """A JAX side."""

    program: Program


def adjust(
    side: Side, rates: Rates, present: Conventions, wanted: Conventions, twins: Mapping[str, str],
    x: Array,
) -> bool:  # fmt: skip
    """Makes a program follow ``wanted``; ``False`` leaves it as it is. Layers are not looked at.

    Args:
        side: the live side.
        rates: what sets its rate.
        present: what it declares now, but for its schedule.
        wanted: what it is to follow.
        twins: the side's name of each parameter → the twin's, where it is known.
        x: a small batch.
    """
    program, wanted = side.program, rates.at_present(wanted)
    if wanted.faults or wanted.frozen or not rates.can_follow(wanted):
        return False
    optimizer = _optimizer(program, present, wanted, twins)
    names = {twins.get(name, name): name for name, _ in program.names}
    losses = adjusted_losses(side, present, wanted, names, x)
    if losses is None or (optimizer is None and program.optimizer is not None):
        return False
    if side.has_own_step and optimizer is not program.optimizer:
        return False
    program.optimizer, program.adjusted = optimizer, losses
    rates.follow(wanted)
    return True


def _optimizer(
    program: Program, present: Conventions, wished: Conventions, twins: Mapping[str, str]
) -> Any | None:
    """The transformation that is the wanted rule and clip, with the same state, or ``None``."""
    transformation, wanted, clip = program.optimizer, wished.optimizer, wished.clipping
    same = (present.optimizer, present.clipping) == (wanted, clip)
    if wanted is None or same or transformation is None:
        return transformation
    if present.optimizer is None:
        return None

    def is_wanted(candidate: Any) -> bool:
        rule = jax_optax.read(candidate, program.params, program.names, twins)
        return rule == wanted and jax_optax.clipping(candidate) == clip

    if is_wanted(program.authored):
        return program.authored
    changes: dict[tuple[str, str], Any] = {("scale", "step_size"): -wanted.learning_rate}
    limits = jax_optax.CLIPS.items()
    changes |= {(link, at): getattr(clip, "limit", None) for link, (at, _) in limits}
    for switch, settings in _SETTINGS.items():
        if hasattr(wanted, switch):
            changes |= dict.fromkeys(settings, getattr(wanted, switch))
    placement = getattr(wanted, "epsilon_placement", None)
    for link in ("scale_by_rms", "scale_by_stddev"):
        changes[link, "eps_in_sqrt"] = placement == "inside"
    epsilon = getattr(wanted, "epsilon", 0.0)
    for link in _ADAMS:
        inside = placement == "inside"
        changes[link, "eps"], changes[link, "eps_root"] = (
            (0.0, epsilon) if inside else (epsilon, 0.0)
        )
    candidate = rebuilt(program.authored, changes)
    return candidate if is_wanted(candidate) else None
