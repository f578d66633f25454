"""Identifies a side's update rule from the updates it makes, and measures its noise."""

from netparity.diagnosis.update.calls import (
    STEPS,
    Call,
    Updates,
    at_rates,
    calls_to_make,
    feed,
    rated,
    repeat,
    sampled,
)
from netparity.diagnosis.update.floors import as_written, compare, floors
from netparity.diagnosis.update.identifying import (
    FoundUpdate,
    Rule,
    confirm,
    identify,
    identify_steps,
    without_decay,
)

__all__ = [
    "STEPS",
    "Call",
    "FoundUpdate",
    "Rule",
    "Updates",
    "as_written",
    "at_rates",
    "calls_to_make",
    "compare",
    "confirm",
    "feed",
    "floors",
    "identify",
    "identify_steps",
    "rated",
    "repeat",
    "sampled",
    "without_decay",
]
