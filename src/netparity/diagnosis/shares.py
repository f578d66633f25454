"""How causes share a gap: which cancel each other, and Shapley's division among them.

``gap`` gives the gap of a run in which only these causes are left and every other is removed.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from functools import cache
from typing import Final

import numpy as np

GapOf = Callable[[frozenset[int]], float]

#: With more causes than these only pairs are tried, and Shapley's values are sampled.
EXACT: Final = 6
#: Random orders of the causes, where not all are gone through.
ORDERS: Final = 60


def cancelling(causes: Sequence[int], gap: GapOf, floor: float) -> dict[int, tuple[int, ...]]:
    """Causes that make a gap alone, and none together with the others named for them.

    Args:
        causes: their numbers.
        gap: the gap with only these causes left.
        floor: what is no gap.

    Returns:
        Cause → the smallest group with which it cancels, itself left out.

    Example:
        >>> def gap(present):
        ...     return float(2 in present) + abs((0 in present) - (1 in present))
        >>> cancelling([0, 1, 2], gap, 1e-9)
        {0: (1,), 1: (0,)}
    """
    acting = [i for i in causes if gap(frozenset({i})) > floor]
    sizes = range(2, len(acting) + 1) if len(acting) <= EXACT else (2, len(acting))
    found: dict[int, tuple[int, ...]] = {}
    for size in sizes:
        for group in itertools.combinations(acting, size):
            if any(i in found for i in group) or gap(frozenset(group)) > floor:
                continue
            found |= {i: tuple(j for j in group if j != i) for i in group}
    return found


def shapley(causes: Sequence[int], gap: GapOf, rng: np.random.Generator) -> dict[int, float]:
    """Each cause's mean contribution to the gap over all orders in which causes come in.

    The values add up to the gap of all causes less that of none; a cause that hides another's
    has a negative one.

    Args:
        causes: their numbers.
        gap: the gap with only these causes left.
        rng: draws orders where there are too many to go through.

    Example:
        >>> values = shapley([0, 1], lambda present: float(len(present) == 2), None)
        >>> values
        {0: 0.5, 1: 0.5}
    """
    known = cache(gap)
    orders: list[tuple[int, ...]]
    if len(causes) <= EXACT:
        values = dict.fromkeys(causes, 0.0)
        n = len(causes)
        for i in causes:
            others = [j for j in causes if j != i]
            for size in range(n):
                weight = math.factorial(size) * math.factorial(n - size - 1) / math.factorial(n)
                for some in itertools.combinations(others, size):
                    present = frozenset(some)
                    values[i] += weight * (known(present | {i}) - known(present))
        return values
    orders = [tuple(int(i) for i in rng.permutation(causes)) for _ in range(ORDERS)]
    totals = dict.fromkeys(causes, 0.0)
    for order in orders:
        for place, i in enumerate(order):
            totals[i] += known(frozenset(order[: place + 1])) - known(frozenset(order[:place]))
    return {i: total / len(orders) for i, total in totals.items()}
