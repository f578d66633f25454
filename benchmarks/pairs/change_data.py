"""How rows are fed and what is reported, changed on one side."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
from benchmarks.pairs.description import Change, Description
from benchmarks.pairs.making import Maker, choose, on_piece, replaced
from benchmarks.pairs.preparing import Preparing


def batch_size_value(d: Description, rng: np.random.Generator) -> Change | None:
    """Another size of the batches."""
    if d.feeding is None:
        return None
    return on_piece("batch-size-value", "data", "feeding", {"batch_size": choose(rng, [7, 8, 16])})


def partial_batch_kept(d: Description, rng: np.random.Generator) -> Change | None:
    """The last, smaller batch dropped, or kept."""
    if d.feeding is None:
        return None
    new = {"keeps_partial": not d.feeding.keeps_partial}
    return on_piece("partial-batch-kept", "data", "feeding", new)


def _order(id: str, new: str, same: tuple[str, ...] = ()) -> Maker:
    def make(d: Description, rng: np.random.Generator) -> Change | None:
        if d.feeding is None or d.feeding.order == new:
            return None
        fields = {"order": new, "seed": 1}
        return on_piece(id, "data", "feeding", fields, same)

    return make


def batch_order(d: Description, rng: np.random.Generator) -> Change | None:
    """Another permutation of the rows."""
    if d.feeding is None or d.feeding.order != "shuffled":
        return None
    change = on_piece("batch-order", "data", "feeding", {"seed": 1}, ("rng-stream-position",))
    return dataclasses.replace(change, touches=("feeding.order",))


def _preparing(id: str, new: dict[str, Any], when: Callable[[Preparing], bool]) -> Maker:
    def make(d: Description, rng: np.random.Generator) -> Change | None:
        now = d.preparing or Preparing()
        if not when(now):
            return None
        changed = dataclasses.replace(now, **new)
        if changed == now:
            return None
        change = replaced(id, "data", "preparing", changed, f"preparing → {changed}")
        return dataclasses.replace(change, touches=("preparing", "feeding"))

    return make


def reported_quantity(d: Description, rng: np.random.Generator) -> Change | None:
    """Ten times the loss is printed."""
    return _report(d, "reported-quantity", "reporting", "tenfold")


def penalty_in_reported_loss(d: Description, rng: np.random.Generator) -> Change | None:
    """The loss is printed without the penalty that is trained on."""
    if not d.penalties:
        return None
    return _report(d, "penalty-in-reported-loss", "regularization", "data loss")


def _report(d: Description, id: str, stage: str, new: str) -> Change | None:
    if d.report is None:
        return None

    def apply(d: Description) -> Description:
        return dataclasses.replace(d, report=new)

    return Change(id, stage, f"reports {new}", apply, ("report", "penalties"))


MAKERS: dict[str, Maker] = {
    "batch-size-value": batch_size_value,
    "partial-batch-kept": partial_batch_kept,
    "sampling-with-replacement": _order("sampling-with-replacement", "replacement"),
    "shuffle-default": _order("shuffle-default", "shuffled", ("batch-order",)),
    "batch-order": batch_order,
    "std-ddof": _preparing("std-ddof", {"ddof": 1}, lambda now: now.ddof == 0),
    "pixel-scaling": _preparing("pixel-scaling", {"divisor": 255.0}, lambda now: now.ddof is None),
    "preprocessing": _preparing("preprocessing", {"center": True}, lambda now: not now.center),
    "reported-quantity": reported_quantity,
    "penalty-in-reported-loss": penalty_in_reported_loss,
}
