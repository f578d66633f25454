"""First guesses of an update rule: every kind, with constants read off the first update.

From zero state the first step of every rule is one of three curves of the gradient: a line; a
level reached past some size e, ``η·g/(|g| + e)`` or ``η·g/√(g² + e²)``; or a level throughout
(e = 0). So e gives each kind its ε, by a factor that follows from its decay rates; for those
a few usual values are tried, and ``fitting`` moves them.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from netparity.diagnosis.update.fitting import Flat, vector
from netparity.nn import (
    SGD,
    Adadelta,
    AdaGrad,
    Adam,
    Adamax,
    Ftrl,
    Lion,
    NAdam,
    Optimizer,
    RAdam,
    RMSProp,
)

BETA1: Final = (0.9, 0.0, 0.5, 0.8, 0.95, 0.99)
BETA2: Final = (0.999, 0.9, 0.99, 0.9999)
RHO: Final = (0.9, 0.5, 0.95, 0.99, 0.999)
MOMENTUM: Final = (0.9, 0.5, 0.8, 0.95, 0.99)
#: Past this ratio of the steps per gradient the first update is no line; below the other it is.
_CURVED, _STRAIGHT = 1.5, 1.001
#: Elements that show a curve.
_ENOUGH: Final = 6
#: Steps of fewer units in the last place of the parameter say nothing.
_CLEAR: Final = 1e3
#: For Lion, whose steps have signs alone; it bends nowhere.
SIGNS: Final = (0.9, 0.99, 0.95, 0.98, 0.999, 0.85, 0.8, 0.7, 0.5, 0.0)
_LEVEL: Final = 1e-6
#: A bend from here on is that of an initial accumulator.
_START: Final = 0.03
#: Where the whole sweep lies below e, these are tried.
_ABOVE: Final = (0.003, 0.1, 1.0)


@dataclass(frozen=True, slots=True)
class First:
    """The first update: whether its steps can be a line or a curve, and the e of the curve."""

    line: bool
    curve: bool
    bend: float
    #: The largest gradient that moved nothing although a larger one did.
    still: float


def first_update(seen: Flat) -> First | None:
    """What the first update's steps are of its gradients; ``None`` where nothing moved."""
    call = seen.calls[0]
    before = vector(call.before)
    step, gradient = np.abs(vector(seen.after[0]) - before), np.abs(vector(call.gradient))
    ulp = float(np.finfo(seen.dtype).eps)
    use = (gradient > 0) & (step > _CLEAR * ulp * np.abs(before))
    if not use.any():
        return None
    # Elsewhere a decay is part of the step.
    at_zero = bool(np.sum(use & (before == 0)) >= _ENOUGH)
    use &= (before == 0) | (not at_zero)
    unmoved = gradient[(step == 0) & (before == 0)]
    step, gradient = step[use], gradient[use]
    ratio = step / gradient
    low, high = np.quantile(gradient, (0.3, 0.8))
    slope = float(np.median(ratio[gradient <= low]))
    level = float(np.median(step[gradient >= high]))
    spread = float(ratio.max() / ratio.min())
    return First(
        line=spread < _CURVED or not at_zero,
        curve=spread > _STRAIGHT,
        bend=level / slope,
        still=float(unmoved.max(initial=0.0)),
    )


def families(first: First) -> Iterator[list[Optimizer]]:
    """Every kind that can make such a first update, with a rate of 1 (see ``calibrated``).

    What repeats updates over all sizes of gradients by the plainer family is of that family.
    """
    if first.line:
        yield list(_sgd())
    adaptive = list(_linear_at_first(first)) if first.line or first.still else []
    for bend in (first.bend,) if first.curve else _ABOVE:
        adaptive += [*_adam(bend), *_rmsprop(bend), *_others(bend)]
    yield adaptive


def _sgd() -> Iterator[Optimizer]:
    yield SGD(1.0)
    for momentum, nesterov in itertools.product(MOMENTUM, (False, True)):
        yield SGD(1.0, momentum, nesterov=nesterov)
        for dampening in (0.1, 0.5, 0.9):
            yield SGD(1.0, momentum, nesterov=nesterov, dampening=dampening)


def _linear_at_first(first: First) -> Iterator[Optimizer]:
    for start in (0.1, 1.0):
        yield AdaGrad(1.0, 0.0, initial_accumulator=start)
        yield AdaGrad(1.0, 1e-7, "inside", initial_accumulator=start)
    for rho, momentum in itertools.product(RHO, (0.0, *MOMENTUM)):
        yield RMSProp(1.0, rho, momentum, 1e-10, "inside", initial_accumulator=1.0)
    for beta1, beta2, placement in itertools.product(BETA1, BETA2, ("hat", "outside")):
        yield RAdam(1.0, beta1, beta2, 1e-8, placement)  # type: ignore[arg-type]
    for l2, power in itertools.product((0.0, 0.01, 1.0), (0.5, 0.4, 0.7)):
        yield Ftrl(1.0, power, l1=first.still, l2=l2)


def _adam(bend: float) -> Iterator[Optimizer]:
    amsgrad: tuple[tuple[bool, Literal["raw", "corrected"]], ...]
    amsgrad = ((False, "raw"), (True, "raw"), (True, "corrected"))
    for (largest, form), beta1, beta2 in itertools.product(amsgrad, BETA1, BETA2):
        root = math.sqrt(1.0 - beta2)
        for placement, epsilon, corrected in (
            ("outside", bend, True),
            ("hat", bend * root, True),
            ("inside", bend**2, True),
            ("outside", bend * root, False),
            ("inside", (bend * root) ** 2, False),
        ):
            if form == "corrected" and not corrected:
                continue
            if beta1 == 0.0 and not largest and placement != "hat":
                continue  # this is RMSProp
            yield Adam(
                1.0, beta1, beta2, epsilon, placement,  # type: ignore[arg-type]
                bias_correction=corrected, amsgrad=largest,
                amsgrad_form=form,  # type: ignore[arg-type]
            )  # fmt: skip


def _rmsprop(bend: float) -> Iterator[Optimizer]:
    for rho, momentum, centered in itertools.product(RHO, (0.0, *MOMENTUM), (False, True)):
        root = math.sqrt((1.0 - rho) * (rho if centered else 1.0))
        for nesterov in (False, True) if momentum else (False,):
            for corrected in (False,) if centered else (False, True):
                e = bend if corrected else bend * root
                for placement, epsilon in (("outside", e), ("inside", e * e)):
                    yield RMSProp(
                        1.0, rho, momentum, epsilon, placement, centered,  # type: ignore[arg-type]
                        nesterov=nesterov, bias_correction=corrected,
                    )  # fmt: skip


def _others(bend: float) -> Iterator[Optimizer]:
    for rate_decay in (0.0, 0.01):
        yield AdaGrad(1.0, bend, rate_decay=rate_decay)
        if bend < _START:  # √(s + ε) from s = 0 is √s from s = ε
            yield AdaGrad(1.0, bend**2, "inside", rate_decay=rate_decay)
        else:
            yield AdaGrad(1.0, 0.0, initial_accumulator=bend**2, rate_decay=rate_decay)
    for rho in RHO:
        yield Adadelta(1.0, rho, bend**2 * (1.0 - rho))
    for beta1, beta2 in itertools.product(BETA1, BETA2):
        yield Adamax(1.0, beta1, beta2, bend, "inside")
        yield Adamax(1.0, beta1, beta2, bend, "outside")
        for decay in (None, 0.004, 1.0):
            yield NAdam(1.0, beta1, beta2, bend, decay)
    for beta1, beta2 in itertools.product(SIGNS, SIGNS) if bend < _LEVEL else ():
        yield Lion(1.0, beta1, beta2)
