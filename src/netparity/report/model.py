"""The one data model of a diagnosis; terminal, JSON, HTML and plots are views of it.

``Report.to_dict`` is the JSON of the contract, ``"schema": 1``. What only the views need
(curves, every measured place, what to do) lives in ``Report.picture`` and ``Report.advice``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

SCHEMA = 1
STAGES = (
    "structure", "init", "data", "forward", "loss", "regularization", "gradient", "update",
    "reporting", "rng",
)  # fmt: skip

Verdict = Literal["parity", "divergent", "incomparable"]
Status = Literal["equal", "different", "not-checked"]
Number = float | int | None


@dataclass(frozen=True, slots=True)
class SideSummary:
    """Which implementation stood on a side."""

    name: str
    framework: str
    version: str


@dataclass(frozen=True, slots=True)
class Gap:
    """The distance between the two free runs, before and after the causes are removed."""

    metric: str
    before: Number
    after: Number
    noise_floor: Number
    steps: int
    horizon: int | None


@dataclass(frozen=True, slots=True)
class Divergence:
    """The first place, in causal order, where the sides part."""

    stage: str
    where: str
    step: int | None
    difference: Number
    noise_floor: Number


@dataclass(frozen=True, slots=True)
class StageResult:
    """One stage: equal, different or not checked, at its worst place."""

    stage: str
    status: Status
    where: tuple[str, ...] = ()
    difference: Number = None
    noise_floor: Number = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Evidence:
    """A relation that was fitted to the numbers, and how well it holds."""

    relation: str
    fitted: float | str | None
    expected: float | str | None
    residual: Number


@dataclass(frozen=True, slots=True)
class Fix:
    """The line to change, on either side (both are right)."""

    left: str | None
    right: str | None


@dataclass(frozen=True, slots=True)
class Cause:
    """A convention on which the sides differ and that was shown to make a difference here.

    ``shapley`` is Shapley's share of the gap, where it was asked for.
    """

    id: str
    stage: str
    where: tuple[str, ...]
    left: str
    right: str
    statement: str
    evidence: tuple[Evidence, ...]
    fix: Fix
    verdict: Literal["root-cause", "contributes"]
    verified_on: Literal["live", "twin"]
    residual: Number
    noise_floor: Number
    effect: Number = None
    also: tuple[str, ...] = ()
    relation: Literal["compensates", "masks"] | None = None
    related_to: tuple[str, ...] = ()
    accepted: bool = False
    shapley: Number = None


@dataclass(frozen=True, slots=True)
class Latent:
    """A convention that differs but has no effect on this run."""

    id: str
    stage: str
    where: tuple[str, ...]
    left: str
    right: str
    statement: str
    reason: str


@dataclass(frozen=True, slots=True)
class Innocent:
    """What was tried and made no difference."""

    id: str
    why: str


@dataclass(frozen=True, slots=True)
class Unexplained:
    """A real difference that no cause accounts for."""

    stage: str
    where: str
    difference: Number
    noise_floor: Number


@dataclass(frozen=True, slots=True)
class Measured:
    """One place that was measured (for the plot of differences against the noise floor)."""

    stage: str
    where: str
    difference: float
    noise_floor: float


@dataclass(frozen=True, slots=True)
class Curves:
    """Loss per free step (index 0: before the first update), on the same data for all.

    ``right_after`` is right with every cause removed. ``label`` names the quantity.
    """

    label: str
    left: tuple[float, ...]
    right: tuple[float, ...]
    right_after: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Picture:
    """What the plots show."""

    curves: Curves | None = None
    measured: tuple[Measured, ...] = ()


@dataclass(frozen=True, slots=True)
class Headline:
    """A figure a story shows before and after the fix (``case --full``)."""

    label: str
    left: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Report:
    """Everything a diagnosis found.

    Attributes:
        advice: what to do, a sentence or command a line, in order.
        notes: remarks on what was and was not compared (not in the JSON).
        title: the story's or pair's title, for the views.
        headlines: figures of a full run, for the views.
    """

    version: str
    verdict: Verdict
    explained: bool
    left: SideSummary
    right: SideSummary
    gap: Gap
    first_divergence: Divergence | None
    stages: tuple[StageResult, ...]
    causes: tuple[Cause, ...] = ()
    latent: tuple[Latent, ...] = ()
    innocent: tuple[Innocent, ...] = ()
    unexplained: tuple[Unexplained, ...] = ()
    environment: Mapping[str, Any] = field(default_factory=dict)
    advice: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    title: str = ""
    headlines: tuple[Headline, ...] = ()
    picture: Picture = field(default_factory=Picture)

    @property
    def exit_status(self) -> int:
        """0 for parity, 1 for divergent, 2 for incomparable."""
        return {"parity": 0, "divergent": 1, "incomparable": 2}[self.verdict]

    def to_dict(self) -> dict[str, Any]:
        """The JSON report of the contract; non-finite numbers are strings."""
        return {
            "schema": SCHEMA,
            "netparity": self.version,
            "verdict": self.verdict,
            "explained": self.explained,
            "left": _record(self.left),
            "right": _record(self.right),
            "gap": _record(self.gap),
            "first_divergence": None
            if self.first_divergence is None
            else _record(self.first_divergence),
            "stages": [_record(stage) for stage in self.stages],
            "causes": [_cause(cause) for cause in self.causes],
            "latent": [_record(latent) for latent in self.latent],
            "innocent": [_record(innocent) for innocent in self.innocent],
            "unexplained": [_record(unexplained) for unexplained in self.unexplained],
            "environment": _plain(self.environment),
        }


def _cause(cause: Cause) -> dict[str, Any]:
    record = _record(cause)
    ordered = {
        "id": record["id"],
        "also": record["also"],
        "relation": record["relation"],
        "with": record["related_to"],
    }
    if cause.shapley is None:
        record.pop("shapley")  # only where it was asked for
    rest = {key: value for key, value in record.items() if key not in {*ordered, "related_to"}}
    return ordered | rest


def _record(value: Any) -> dict[str, Any]:
    return {name: _plain(getattr(value, name)) for name in value.__dataclass_fields__}


def _plain(value: Any) -> Any:
    """Plain JSON data: floats as floats, non-finite ones as the contract's strings."""
    if hasattr(value, "__dataclass_fields__"):
        return _record(value)
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, tuple | list | set | frozenset):
        return [_plain(item) for item in value]
    if isinstance(value, bool | int | str) or value is None:
        return value
    number = float(value)
    if math.isnan(number):
        return "nan"
    if math.isinf(number):
        return "inf" if number > 0 else "-inf"
    return number
