"""Identifies a side's update rule from the updates it makes, and measures its noise."""

from netparity.diagnosis.update.beside import signs
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
    wide,
    with_norms,
)
from netparity.diagnosis.update.floors import as_written, compare, floors
from netparity.diagnosis.update.identifying import (
    FoundUpdate,
    Rule,
    as_clipped,
    as_said,
    confirm,
    identify,
    identify_alone,
    identify_steps,
    missed,
    with_decay,
    without_decay,
)

__all__ = [
    "STEPS",
    "Call",
    "FoundUpdate",
    "Rule",
    "Updates",
    "as_clipped",
    "as_said",
    "as_written",
    "at_rates",
    "calls_to_make",
    "compare",
    "confirm",
    "feed",
    "floors",
    "identify",
    "identify_alone",
    "identify_steps",
    "missed",
    "rated",
    "repeat",
    "sampled",
    "signs",
    "wide",
    "with_decay",
    "with_norms",
    "without_decay",
]
