"""Whether first steps are one curve of their gradients, as those of every rule are.

From its first state a rule moves each element by a line, ``η g``, or by a curve that levels off
past some size e: ``η g/(|g| + e)``, ``η g/√(g² + e²)`` or ``η g/max(|g|, e)``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np

from netparity.diagnosis.twin import Array
from netparity.diagnosis.update.calls import Updates
from netparity.diagnosis.update.fitting import misses

#: Sizes e at which a curve may bend, in units of the largest gradient, as logarithms.
_BENDS: Final = np.linspace(np.log(1e-12), np.log(1e3), 70)
_NARROWED: Final = 40
_GOLDEN: Final = (np.sqrt(5.0) - 1.0) / 2.0

_Curve = Callable[[Array, float], Array]
_CURVES: Final[tuple[_Curve, ...]] = (
    lambda g, e: g / (np.abs(g) + e),
    lambda g, e: g / np.hypot(g, e),
    lambda g, e: g / np.maximum(np.abs(g), e),
)


def missed(first: Updates, dtype: np.dtype[Any]) -> float:
    """The least share by which a line or a curve of the gradients misses first steps.

    Args:
        first: one update from the state as built, on which nothing acts beside the rule.
        dtype: the width of the side.
    """
    before = np.concatenate([np.ravel(v) for v in first.calls[0].before.values()])
    gradient = np.concatenate([np.ravel(v) for v in first.calls[0].gradient.values()])
    step = before - np.concatenate([np.ravel(v) for v in first.after[0].values()])
    largest = float(np.max(np.abs(gradient), initial=0.0))
    if largest == 0.0:
        return 1.0
    gradient = gradient / largest

    def off(shape: Array) -> float:
        with np.errstate(all="ignore"):
            ratio = step / shape
        ratio = ratio[np.isfinite(ratio) & (ratio > 0)]
        rate = float(np.median(ratio)) if ratio.size else 1.0
        apart = misses(rate * shape, step, before, dtype)
        return float(np.mean(np.minimum(np.abs(apart), 1.0)))

    def bent(curve: _Curve) -> float:
        return _least(lambda e: off(curve(gradient, e)))

    return min(off(gradient), *map(bent, _CURVES))


def _least(off: Callable[[float], float]) -> float:
    """The least over all bends: between the neighbours of the best of a grid."""
    values = [off(float(np.exp(u))) for u in _BENDS]
    best = int(np.argmin(values))
    low, high = _BENDS[max(best - 1, 0)], _BENDS[min(best + 1, len(_BENDS) - 1)]
    for _ in range(_NARROWED):
        left, right = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
        if off(float(np.exp(left))) <= off(float(np.exp(right))):
            high = right
        else:
            low = left
    return min(min(values), off(float(np.exp((low + high) / 2))))
