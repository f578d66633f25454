"""The constant a person wrote, behind one that was fitted."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np


def snap(value: float, dtype: np.dtype[Any]) -> float:
    """The simplest fraction or short decimal within the precision of a fit, else the value."""
    return snaps(value, dtype)[0]


def snaps(value: float, dtype: np.dtype[Any]) -> list[float]:
    """The constants a person may have written for a fitted value, simplest first.

    A least-squares constant carries the noise of its data (some thousand roundoffs); the
    constant a person wrote is a simple fraction or has a few digits. Whether a snapped one is
    right is measured afterwards like any other.
    """
    precision = 4e3 * float(np.finfo(dtype).eps)
    options = [float(Fraction(value).limit_denominator(10))]
    options += [float(f"{value:.{digits}g}") for digits in (2, 3)]
    options += [float(Fraction(value).limit_denominator(n)) for n in (100, 10_000)]
    options += [float(f"{value:.{digits}g}") for digits in (4, 6)]
    near = [o for o in options if abs(o - value) <= precision * abs(value)]
    return list(dict.fromkeys([*near, value]))


def rounded(value: float) -> list[float]:
    """Short decimals near a constant that is known to a few digits only, nearest first.

    A clip or an ε is read from the logarithm of a saturated prediction: two digits are sure.
    """
    options = [float(f"{value:.{digits}g}") for digits in (1, 2, 3)]
    return list(dict.fromkeys([*options, value]))
