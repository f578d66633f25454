"""Two losses in the spelling that they have most in common, where no number tells spellings apart.

A mean over M outputs is 1/M times their sum, smooth L1 is Huber's loss over δ, and the α of a
focal loss is a factor: what such a switch does, ``factor`` does as well.
"""

from __future__ import annotations

import itertools
import math
from typing import Final

import numpy as np

from netparity.conventions import changed, switches
from netparity.diagnosis.snapping import snap
from netparity.nn import (
    CategoricalFocal,
    GaussianNegativeLogLikelihood,
    Huber,
    Loss,
)

#: Switches whose effect is that of a factor.
SPELLINGS: Final = ("outputs", "classes", "form", "alpha")
_EXACT: Final = np.dtype(np.float64)


def as_left_writes(left: Loss, right: Loss, outputs: int) -> Loss:
    """Right's loss, of the same value, in the spelling that differs from left's in fewest switches.

    Args:
        left: a loss.
        right: one of the same class.
        outputs: M, the width of the predictions.

    Example:
        >>> from netparity.nn import MeanSquaredError as Mse
        >>> as_left_writes(Mse(factor=1.0), Mse(outputs="sum", factor=0.35), 2).factor
        0.7
    """
    if type(left) is not type(right) or "factor" not in switches(right):
        return right
    open_ = [
        switch
        for switch in SPELLINGS
        if switch in switches(right)
        and getattr(left, switch) != getattr(right, switch)
        and None not in (_constant(left, switch, outputs), _constant(right, switch, outputs))
    ]
    best = right
    for count in range(1, len(open_) + 1):
        for taken in itertools.combinations(open_, count):
            written = _rewritten(left, right, taken, outputs)
            if _apart(left, written) < _apart(left, best):
                best = written
    return best


def _rewritten(left: Loss, right: Loss, taken: tuple[str, ...], outputs: int) -> Loss:
    """Right's loss with left's value in these switches, and the factor that makes up for it."""
    factor = right.factor
    for switch in taken:
        own, other = (_constant(loss, switch, outputs) for loss in (right, left))
        assert own is not None
        assert other is not None
        factor *= own / other
    near = snap(factor, _EXACT)
    factor = left.factor if math.isclose(left.factor, factor, rel_tol=1e-12) else near
    return changed(right, **{switch: getattr(left, switch) for switch in taken}, factor=factor)


def _apart(left: Loss, right: Loss) -> int:
    return sum(getattr(left, s) != getattr(right, s) for s in switches(left))


def _constant(loss: Loss, switch: str, outputs: int) -> float | None:
    """What a switch multiplies the loss with; ``None`` where it does more than that."""
    if switch in {"outputs", "classes"}:
        columns = outputs // (2 if isinstance(loss, GaussianNegativeLogLikelihood) else 1)
        return 1.0 / columns if getattr(loss, switch) == "mean" else 1.0
    if switch == "form" and isinstance(loss, Huber):
        return 1.0 / loss.delta if loss.form == "smooth-l1" else 1.0
    if switch == "alpha" and isinstance(loss, CategoricalFocal):
        return loss.alpha or None
    return None
