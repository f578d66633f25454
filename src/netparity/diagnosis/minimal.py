"""The smallest set of explanations that accounts for one stage's residual.

Delta debugging (Zeller and Hildebrandt, "Simplifying and Isolating Failure-Inducing Input",
2002) over the candidates of a stage: halves, then complements, then finer, until none of the
set can be left out. Never on the gap of the free run, where true causes can cancel each other.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import TypeVar

_Item = TypeVar("_Item")


def smallest(items: Sequence[_Item], enough: Callable[[Sequence[_Item]], bool]) -> list[_Item]:
    """A subset that is enough and of which no single item can be left out.

    Args:
        items: candidates that are enough together.
        enough: whether a subset, in the order of ``items``, is enough.

    Returns:
        The subset, in the order of ``items``.

    Example:
        >>> smallest([1, 2, 3, 4, 5], lambda some: {2, 5} <= set(some))
        [2, 5]
        >>> smallest([1, 2, 3], lambda some: bool(some))
        [1]
    """
    left, parts = list(items), 2
    while len(left) > 1:
        pieces = _split(left, min(parts, len(left)))
        found = next((piece for piece in pieces if enough(piece)), None)
        if found is not None:
            left, parts = found, 2
            continue
        rests = [[i for i in left if i not in piece] for piece in pieces]
        found = next((rest for rest in rests if rest and enough(rest)), None)
        if found is not None:
            left, parts = found, max(parts - 1, 2)
        elif parts >= len(left):
            break
        else:
            parts = min(2 * parts, len(left))
    return left


def _split(items: list[_Item], parts: int) -> list[list[_Item]]:
    bounds = [round(i * len(items) / parts) for i in range(parts + 1)]
    return [items[a:b] for a, b in itertools.pairwise(bounds)]
