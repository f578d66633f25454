"""The stories: pairs of programs as people wrote them, and what is known of each pair."""

from netparity.cases.registry import (
    IDS,
    Case,
    Expected,
    Programs,
    Suspect,
    Variant,
    all_cases,
    find,
)

__all__ = ["IDS", "Case", "Expected", "Programs", "Suspect", "Variant", "all_cases", "find"]
