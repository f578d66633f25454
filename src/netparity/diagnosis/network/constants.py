"""Constants that are not among the known ones, solved for where a guess comes near without."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, Final

import numpy as np

from netparity.conventions import Conventions, changed
from netparity.diagnosis.network.look import SCREEN, Look
from netparity.diagnosis.network.sketch import Sketch
from netparity.diagnosis.snapping import snap
from netparity.diagnosis.twin import Array
from netparity.nn import Layer

#: The switches of layers that hold a positive number of one's choosing.
CONSTANTS: Final = ("epsilon", "slope", "alpha")
#: Newton's steps at the most, and those after which a guess must be near; the share of a
#: constant by which its effect is seen, and the share below which a step is none.
STEPS: Final = 8
FIRST: Final = 2
SHARE: Final = 1e-6
STILL: Final = 1e-14


def refined(sketch: Sketch, looks: list[Look], dtype: Any) -> Iterator[Sketch]:
    """The sketch with each of its constants as the answers want it, alike in all layers."""
    for constant in CONSTANTS:
        held = [getattr(k, constant, None) for _, k in sketch.layers]
        start = next((v for v in held if isinstance(v, float) and v > 0), None)
        if start is None:
            continue

        def guess(value: float, constant: str = constant) -> Sketch:
            layers = tuple((n, _with(k, constant, value)) for n, k in sketch.layers)
            return replace(sketch, layers=layers)

        found = solved(looks, lambda value: guess(value).conventions, start)
        if found is not None:
            yield guess(snap(found, dtype))


def _with(layer: Layer, constant: str, value: float) -> Layer:
    return changed(layer, **{constant: value}) if hasattr(layer, constant) else layer


def solved(looks: list[Look], guess: Callable[[float], Conventions], start: float) -> float | None:
    """The positive constant with which a guess comes nearest to the answers, by Newton's steps.

    Args:
        looks: what was seen.
        guess: the conventions for a constant.
        start: where to begin, greater than 0.
    """
    value = start
    for step in range(STEPS):
        here = _residual(looks, guess, value)
        there = _residual(looks, guess, value * (1 + SHARE))
        if here is None or there is None:
            return None
        if step == FIRST and np.max(np.abs(here), initial=0.0) > SCREEN:
            return None  # a family that holds the function is near by now
        slope = (there - here) / (value * SHARE)
        steepness = float(slope @ slope)
        if steepness == 0.0:
            return None
        following = value - float(slope @ here) / steepness
        if following <= 0:
            following = value / 10
        if abs(following - value) <= STILL * value:
            return following
        value = following
    return value


def _residual(
    looks: list[Look], guess: Callable[[float], Conventions], value: float
) -> Array | None:
    found = []
    for look in looks:
        try:
            residual = look.residual(guess(value))
        except Exception:
            return None  # a layer that refuses the constant
        if residual is None:
            return None
        found.append(residual.ravel())
    return np.concatenate(found)
