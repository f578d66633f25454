"""Identifies a side's update rule from the updates it makes, and measures its noise."""

from netparity.diagnosis.update.beside import signs
from netparity.diagnosis.update.calls import (
    STEPS,
    Call,
    Updates,
    as_one,
    at_rates,
    calls_to_make,
    feed,
    rated,
    repeat,
    sampled,
    wide,
    with_norms,
)
from netparity.diagnosis.update.curves import missed
from netparity.diagnosis.update.floors import as_written, compare, floors
from netparity.diagnosis.update.holding import (
    FoundUpdate,
    Rule,
    as_clipped,
    as_said,
    confirm,
    held,
    with_decay,
    without_decay,
)
from netparity.diagnosis.update.identifying import (
    identify,
    identify_alone,
    identify_steps,
)
from netparity.diagnosis.update.paced import identify_paced, paced
from netparity.diagnosis.update.rates import can_start_elsewhere, from_rate

__all__ = [
    "STEPS",
    "Call",
    "FoundUpdate",
    "Rule",
    "Updates",
    "as_clipped",
    "as_one",
    "as_said",
    "as_written",
    "at_rates",
    "calls_to_make",
    "can_start_elsewhere",
    "compare",
    "confirm",
    "feed",
    "floors",
    "from_rate",
    "held",
    "identify",
    "identify_alone",
    "identify_paced",
    "identify_steps",
    "missed",
    "paced",
    "rated",
    "repeat",
    "sampled",
    "signs",
    "wide",
    "with_decay",
    "with_norms",
    "without_decay",
]
