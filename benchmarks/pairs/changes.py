"""Every change that can be made, by the id of the cause, and why the other ids have none."""

from __future__ import annotations

from benchmarks.pairs import (
    change_data,
    change_forward,
    change_init,
    change_loss,
    change_structure,
    change_update,
    rates,
)
from benchmarks.pairs.making import Maker

from netparity import catalogue

MAKERS: dict[str, Maker] = (
    change_structure.MAKERS
    | change_init.MAKERS
    | change_data.MAKERS
    | change_forward.MAKERS
    | change_loss.MAKERS
    | change_update.MAKERS
    | rates.MAKERS
)


def stage_of(id: str) -> str:
    """The stage that the catalogue gives an id."""
    return catalogue.find(id).stage


def not_made() -> dict[str, str]:
    """The ids that no pair is made of → why."""
    return {
        entry.id: entry.not_injectable or "injectable, and no pair is made of it yet"
        for entry in catalogue.all_conventions()
        if entry.id not in MAKERS
    }
