"""Bugs of a backward pass, with the side that has them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from netparity.conventions import Factored, Misplaced
from netparity.diagnosis.candidates import Both, Candidate, Plan
from netparity.diagnosis.gradient import DIFFERENCE_FLOOR, FoundGradient, check_live
from netparity.diagnosis.identify import Identified
from netparity.nn import (
    Dropout,
)
from netparity.report.model import Evidence, Fix


def gradient(both: Both) -> Iterator[Candidate]:
    """Bugs of a backward pass, with the side that has them."""
    for known in (both.left, both.right):
        found = known.gradient
        if found is None:
            continue
        if found.understood:
            yield from _faults(both, known, found)
        elif known.loss is not None:
            yield from _wrong(both, known, found)


def _wrong(both: Both, known: Identified, found: FoundGradient) -> Iterator[Candidate]:
    """A gradient that is not that of the side's own loss, in no way known here."""
    side = known.side.which
    where = tuple(m.where for m in found.measures if m.different)
    checked = check_live(known, found, where)
    if checked is None:
        return
    differences, residual = checked

    def change(plan: Plan) -> Plan:
        if side == "left":
            return replace(plan, left_faults_removed=True)
        return replace(plan, right_faults_removed=True)

    texts = {side: "another value", "right" if side == "left" else "left": "the gradient"}
    yield Candidate(
        "gradient-wrong",
        "gradient",
        where,
        texts["left"],
        texts["right"],
        f"Bug on the {side}: the gradient of {', '.join(where)} is not that of the loss it "
        "computes; central differences of its own loss give the reference network's value.",
        tuple(
            Evidence(f"directional derivative by {name}: what {side} gives", given, numeric, off)
            for name, given, numeric, off in differences
        ),
        _one_sided(both, "gradient-wrong", known, None),
        change,
        side=side,
        verified="live",
        residual=residual,
        floor=DIFFERENCE_FLOOR,
    )


def _faults(both: Both, known: Identified, found: FoundGradient) -> Iterator[Candidate]:
    side = known.side.which
    evidence = tuple(Evidence(r.text, r.fitted, r.expected, r.residual) for r in found.relations)
    where = tuple(m.where for m in found.measures if m.different)

    def change(plan: Plan) -> Plan:
        if side == "left":
            return replace(plan, left_faults_removed=True)
        layers = tuple(
            (n, replace(k, mask_in_backward=True) if isinstance(k, Dropout) else k)
            for n, k in plan.conventions.layers or ()
        )
        return replace(plan, conventions=replace(plan.conventions, faults=(), layers=layers))

    for fault in found.conventions.faults:
        if isinstance(fault, Misplaced):
            id, wrong = "layer-gradient-misplaced", "stored in another layer's place"
            said = "; ".join(
                f"{r.text} is {r.fitted}, should be {r.expected}" for r in found.relations
            )
        elif isinstance(fault, Factored):
            times = f"{fault.factor:g}" + {0: "", 1: "·N", -1: "/N"}[fault.rows_power]
            id = "softmax-grad-extra-batch" if fault.rows_power else "gradient-factor"
            wrong = f"{times} times the gradient of its loss"
            said = f"every gradient is {times} times that of the loss it reports"
        texts = {side: wrong, "right" if side == "left" else "left": "the gradient of its loss"}
        yield Candidate(
            id,
            "gradient",
            where,
            texts["left"],
            texts["right"],
            f"Bug on the {side}: {said}.",
            evidence,
            _one_sided(both, id, known, fault.factor if isinstance(fault, Factored) else None),
            change,
            side=side,
        )
    if any(
        isinstance(k, Dropout) and not k.mask_in_backward for _, k in found.conventions.layers or ()
    ):
        other = "right" if side == "left" else "left"
        texts = {side: "mask in the forward pass only", other: "mask in both passes"}
        yield Candidate(
            "dropout-gradient-missing",
            "gradient",
            where,
            texts["left"],
            texts["right"],
            f"Bug on the {side}: dropout's mask is applied in the forward pass and left out of "
            f"the backward pass, so the gradients below each dropout ({', '.join(where)}) are "
            "those of a network without the mask.",
            evidence,
            _one_sided(both, "dropout-gradient-missing", known, None),
            change,
            side=side,
        )


def _one_sided(both: Both, id: str, known: Identified, value: Any) -> Fix:
    fix = both.fix(id, left=value, right=value)
    return Fix(fix.left, None) if known.side.which == "left" else Fix(None, fix.right)
