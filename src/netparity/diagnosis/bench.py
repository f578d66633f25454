"""The bench on which both sides are observed, and a stage as it comes out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from netparity.diagnosis.align import Pairing
from netparity.diagnosis.exchange import Exchange
from netparity.diagnosis.identify import Identified
from netparity.diagnosis.noise import (
    Measure,
    coarser,
    worst,
)
from netparity.diagnosis.twin import Array
from netparity.report.model import Status


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage as observed."""

    stage: str
    status: Status
    measures: tuple[Measure, ...] = ()
    reason: str | None = None

    @property
    def worst(self) -> Measure | None:
        """The measure with the largest ratio of difference to floor."""
        return worst(self.measures) or (self.measures[0] if self.measures else None)

    @property
    def different_places(self) -> tuple[str, ...]:
        """Where the difference is real."""
        return tuple(m.where for m in self.measures if m.different)


@dataclass(slots=True)
class Bench:
    """Everything the stages are observed with.

    ``width`` is set where the floors of another width are wanted than of the sides' own.
    """

    left: Identified
    right: Identified
    pairing: Pairing
    x: Array
    y: Array | None
    batch_size: int
    rng: np.random.Generator
    notes: list[str] = field(default_factory=list)
    exchange: Exchange | None = None
    width: np.dtype[Any] | None = None

    @property
    def dtype(self) -> np.dtype[Any]:
        """The coarser of the two working widths."""
        return self.width or coarser(self.left.live.dtype, self.right.live.dtype)

    @property
    def batch(self) -> tuple[Array, Array | None]:
        """One batch of the data."""
        rows = min(len(self.x), self.batch_size)
        return self.x[:rows], None if self.y is None else self.y[:rows]


def stage_of(stage: str, measures: Sequence[Measure], reason: str | None = None) -> Stage:
    """A stage from its measures: nothing measured is not checked, never equal."""
    usable = [m for m in measures if m.conditioned]
    if not measures:
        return Stage(stage, "not-checked", (), reason or "nothing could be compared")
    if not usable:
        return Stage(
            stage, "not-checked", tuple(measures), "ill-conditioned: the value is mostly rounding"
        )
    status: Status = "different" if any(m.different for m in usable) else "equal"
    return Stage(stage, status, tuple(measures), reason)


def not_checked(stage: str, reason: str) -> Stage:
    """A stage that could not be compared."""
    return Stage(stage, "not-checked", (), reason)


def why(bench: Bench, stage: str) -> str:
    """Why a stage could not be identified on one side or both."""
    reasons = [k.missing[stage] for k in (bench.left, bench.right) if stage in k.missing]
    return "; ".join(reasons) or "not exposed on both sides"


def merge(measures: Sequence[Measure]) -> list[Measure]:
    """The worst measure of each place."""
    merged: dict[str, Measure] = {}
    for m in measures:
        if m.where not in merged or m.ratio > merged[m.where].ratio:
            merged[m.where] = m
    return list(merged.values())
