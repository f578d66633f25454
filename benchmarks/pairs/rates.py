"""Learning rates that change from step to step, as each kind of program writes them."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from benchmarks.pairs.description import Change, Description, Unable
from benchmarks.pairs.making import Maker, choose, on_piece, replaced

from netparity import nn


# ---- ways of writing a schedule down ------------------------------------------------------
def by_hand(schedule: Any) -> Callable[[int], float]:
    """The rate at a step, counted from 0, in formulas of its own."""
    eta = schedule.learning_rate if not isinstance(schedule, nn.PiecewiseConstant) else 0.0
    match schedule:
        case nn.ExponentialDecay(factor=factor, steps=every, staircase=True):
            return lambda t: float(eta * factor ** (t // every))
        case nn.ExponentialDecay(factor=factor, steps=every):
            return lambda t: float(eta * factor ** (t / every))
        case nn.InverseTimeDecay(steps=every, decay=decay, staircase=False):
            return lambda t: float(eta / (1 + decay * t / every))
        case nn.PolynomialDecay(steps=total, end=end, power=power, cycle=False):
            return lambda t: float((eta - end) * (1 - min(t, total) / total) ** power + end)
        case nn.CosineDecay(steps=total, end=end, power=1.0, after="clamped"):
            return lambda t: float(
                end + (eta - end) * 0.5 * (1 + math.cos(math.pi * min(t, total) / total))
            )
        case nn.CosineDecay(steps=total, end=end, power=1.0):
            return lambda t: float(end + (eta - end) * 0.5 * (1 + math.cos(math.pi * t / total)))
        case nn.PiecewiseConstant(boundaries=(at,), learning_rates=(first, second)):
            late = schedule.at_boundary == "old"
            return lambda t: float(second if t > at or (t == at and not late) else first)
    raise Unable(f"by hand: {schedule!r}")


def keras_schedule(schedule: Any) -> Any:
    """Keras's own."""
    import keras

    s = keras.optimizers.schedules
    match schedule:
        case nn.ExponentialDecay():
            return s.ExponentialDecay(
                schedule.learning_rate, schedule.steps, schedule.factor, schedule.staircase
            )
        case nn.InverseTimeDecay(staircase=False):
            return s.InverseTimeDecay(schedule.learning_rate, schedule.steps, schedule.decay)
        case nn.PolynomialDecay(cycle=False):
            return s.PolynomialDecay(
                schedule.learning_rate, schedule.steps, schedule.end, schedule.power
            )
        case nn.CosineDecay(power=1.0, after="clamped"):
            alpha = schedule.end / schedule.learning_rate
            return s.CosineDecay(schedule.learning_rate, schedule.steps, alpha)
        case nn.PiecewiseConstant(at_boundary="old"):
            return s.PiecewiseConstantDecay(
                list(schedule.boundaries), list(schedule.learning_rates)
            )
    raise Unable(f"keras: {schedule!r}")


def optax_schedule(schedule: Any) -> Any:
    """Optax's own."""
    import optax

    match schedule:
        case nn.ExponentialDecay():
            return optax.exponential_decay(
                schedule.learning_rate, int(schedule.steps), schedule.factor,
                staircase=schedule.staircase,
            )  # fmt: skip
        case nn.PolynomialDecay(cycle=False):
            return optax.polynomial_schedule(
                schedule.learning_rate, schedule.end, schedule.power, int(schedule.steps)
            )
        case nn.CosineDecay(power=1.0, after="clamped"):
            alpha = schedule.end / schedule.learning_rate
            return optax.cosine_decay_schedule(schedule.learning_rate, int(schedule.steps), alpha)
    raise Unable(f"optax: {schedule!r}")


def torch_scheduler(schedule: Any, optimizer: Any) -> Any:
    """Torch's own, on an optimizer whose rate is the first one."""
    import torch

    s = torch.optim.lr_scheduler
    match schedule:
        case nn.ExponentialDecay(staircase=True):
            return s.StepLR(optimizer, int(schedule.steps), schedule.factor)
        case nn.ExponentialDecay(steps=1):
            return s.ExponentialLR(optimizer, schedule.factor)
        case nn.PolynomialDecay(cycle=False, end=0.0):
            return s.PolynomialLR(optimizer, int(schedule.steps), schedule.power)
        case nn.CosineDecay(power=1.0, after="periodic"):
            return s.CosineAnnealingLR(optimizer, int(schedule.steps), schedule.end)
        case nn.PiecewiseConstant(at_boundary="new", learning_rates=(first, second)):
            return s.MultiStepLR(optimizer, [int(schedule.boundaries[0])], second / first)
        case nn.InverseTimeDecay(steps=every, decay=decay, staircase=False):
            return s.LambdaLR(optimizer, lambda t: 1 / (1 + decay * t / every))
    raise Unable(f"torch: {schedule!r}")


# ---- what is drawn and changed ------------------------------------------------------------
def drawn(rng: np.random.Generator, eta: float) -> Any:
    """A schedule that does something within some ten steps."""
    options: list[Any] = [
        nn.ExponentialDecay(eta, 0.9),
        nn.ExponentialDecay(eta, 0.5, 4, staircase=True),
        nn.InverseTimeDecay(eta, 4, 0.5),
        nn.PolynomialDecay(eta, 8),
        nn.CosineDecay(eta, 5),
        nn.CosineDecay(eta, 5, after="periodic"),
        nn.PiecewiseConstant((4,), (eta, 0.1 * eta)),
    ]
    return choose(rng, options)


def schedule_kind(d: Description, rng: np.random.Generator) -> Change | None:
    """Another schedule, or one on one side only."""
    now: Any = d.schedule
    new = drawn(rng, d.optimizer.learning_rate)
    if type(new) is type(now):
        return None
    return replaced("schedule-kind", "update", "schedule", new, repr(new), _ID[type(new)])


def _own(id: str, kind: type[Any], **fields: tuple[Any, ...]) -> Maker:
    """Another value of one field of a schedule."""

    def make(d: Description, rng: np.random.Generator) -> Change | None:
        if not isinstance(d.schedule, kind):
            return None
        field = choose(rng, list(fields))
        new = choose(rng, [v for v in fields[field] if v != getattr(d.schedule, field)])
        return on_piece(id, "update", "schedule", {field: new})

    return make


def staircase(d: Description, rng: np.random.Generator) -> Change | None:
    """In steps or smoothly."""
    if not isinstance(d.schedule, nn.ExponentialDecay) or d.schedule.steps == 1:
        return None
    fields = {"staircase": not d.schedule.staircase}
    return on_piece("lr-step-decay", "update", "schedule", fields, ("lr-exponential-decay",))


#: A schedule on one side only is that schedule's convention too.
_ID: dict[type[Any], tuple[str, ...]] = {
    nn.ExponentialDecay: ("lr-exponential-decay", "lr-step-decay"),
    nn.InverseTimeDecay: ("lr-inverse-time",),
    nn.PolynomialDecay: ("lr-polynomial",),
    nn.CosineDecay: ("lr-cosine", "lr-cosine-decay-steps"),
    nn.PiecewiseConstant: ("lr-piecewise-boundary", "lr-step-decay"),
}

MAKERS: dict[str, Maker] = {
    "schedule-kind": schedule_kind,
    "lr-exponential-decay": _own(
        "lr-exponential-decay", nn.ExponentialDecay, factor=(0.9, 0.5, 0.8)
    ),
    "lr-step-decay": staircase,
    "lr-piecewise-boundary": _own(
        "lr-piecewise-boundary", nn.PiecewiseConstant, at_boundary=("new", "old")
    ),
    "lr-cosine": _own("lr-cosine", nn.CosineDecay, after=("clamped", "periodic")),
    "lr-cosine-decay-steps": _own("lr-cosine-decay-steps", nn.CosineDecay, steps=(5, 8, 6)),
    "lr-inverse-time": _own("lr-inverse-time", nn.InverseTimeDecay, decay=(0.5, 0.25, 1.0)),
    "lr-polynomial": _own("lr-polynomial", nn.PolynomialDecay, power=(1.0, 2.0), steps=(8, 6)),
}
