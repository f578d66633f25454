"""Differences in the switches of two pieces of the reference network, named by the catalogue.

A layer, loss, penalty or optimizer states its conventions in its fields; the entry of the
catalogue that speaks of a field names the difference. Nothing here knows a convention by name.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from netparity import catalogue
from netparity.catalogue import Convention
from netparity.conventions import changed, switches
from netparity.nn import Clipping, Layer, Loss, Optimizer


@dataclass(frozen=True, slots=True)
class Difference:
    """One switch on which two pieces differ, and the entry that names it.

    Attributes:
        switch: the name of the field.
        left: left's value; right: right's.
        entry: of the catalogue; ``None`` where no entry speaks of the switch.
    """

    switch: str
    left: Any
    right: Any
    entry: Convention | None

    @property
    def rounded(self) -> bool:
        """Whether the values are one constant, which a framework keeps or computes in float32."""
        if self.entry is not None and self.entry.id == "float32-constants":
            return True
        both = isinstance(self.left, float) and isinstance(self.right, float)
        return both and bool(np.float32(self.left) == np.float32(self.right))

    @property
    def words(self) -> str:
        """The switch as one says it."""
        return self.switch.replace("_", " ")


def differences(
    left: Layer | Loss | Optimizer | Clipping,
    right: Layer | Loss | Optimizer | Clipping,
    *,
    besides: Collection[str] = (),
) -> Iterator[Difference]:
    """The switches on which two pieces of one class differ.

    Args:
        left: a piece.
        right: another of the same class.
        besides: switches to leave out.
    """
    for switch in switches(left):
        a, b = getattr(left, switch), getattr(right, switch)
        if a != b and switch not in besides:
            yield Difference(switch, a, b, catalogue.for_switch(switch, left, right))


def follow(piece: Any, found: Sequence[Difference]) -> Any:
    """A piece with left's value in each of these switches."""
    return changed(piece, **{difference.switch: difference.left for difference in found})
