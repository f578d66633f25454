"""Mistakes that a side's whole step makes between its gradients and its update rule."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from netparity.conventions import Factored, Piled, StepFault
from netparity.diagnosis.candidates import Both, Candidate, Change, Plan
from netparity.diagnosis.identify import Identified
from netparity.nn import SGD
from netparity.report.model import Evidence, Fix


def step(both: Both) -> Iterator[Candidate]:
    """Mistakes that a side's whole step makes between its gradients and its update rule."""
    for known in (both.left, both.right):
        for fault in known.conventions.step_faults:
            if isinstance(fault, Factored):
                yield _factored(both, known, fault)
            elif fault.in_step:
                yield _piled(both, known, fault)


def without(known: Identified, fault: StepFault) -> Change:
    """A change that mends one mistake of a side's step."""

    def change(plan: Plan) -> Plan:
        if known.side.which == "left":
            return replace(plan, left_faults_removed=True)
        left_over = tuple(f for f in plan.conventions.step_faults if f != fault)
        return replace(plan, conventions=replace(plan.conventions, step_faults=left_over))

    return change


def _piled(both: Both, known: Identified, fault: Piled) -> Candidate:
    side = known.side.which
    texts = {side: "added to those before", other(side): "new in each step"}
    return Candidate(
        "gradients-not-zeroed",
        "update",
        ("step",),
        texts["left"],
        texts["right"],
        f"Bug on the {side}: each step adds the gradients of its batch to those of the steps "
        "before, and nothing clears them.",
        (_evidence(known, "the sum of those of all steps until then", "those of the step"),),
        one_sided(both, "gradients-not-zeroed", known, None),
        without(known, fault),
        side=side,
    )


def _factored(both: Both, known: Identified, fault: Factored) -> Candidate:
    side = known.side.which
    times = f"{fault.factor:g}" + {0: "", 1: "·N", -1: "/N"}[fault.rows_power]
    id = "softmax-grad-extra-batch" if fault.rows_power else "gradient-factor"
    texts = {side: f"{times} times its gradients", other(side): "its gradients"}
    # A rule that is linear in the gradients cannot tell their factor from its rate.
    linear = isinstance(known.conventions.optimizer, SGD) and not fault.rows_power
    return Candidate(
        id,
        "update",
        ("step",),
        texts["left"],
        texts["right"],
        f"Bug on the {side}: its step updates by {times} times the gradients of the loss it "
        "reports.",
        (_evidence(known, f"{times} times those of the step", "those of the step"),),
        one_sided(both, id, known, None if fault.rows_power else 1 / fault.factor),
        without(known, fault),
        side=side,
        also=("learning-rate-value", "loss-factor") if linear else (),
    )


def _evidence(known: Identified, fitted: str, expected: str) -> Evidence:
    measures = known.update.measures if known.update is not None else ()
    residual = max((m.difference for m in measures), default=None)
    return Evidence("gradients with which its rule repeats its steps", fitted, expected, residual)


def other(side: str) -> str:
    """The name of the other side."""
    return "right" if side == "left" else "left"


def one_sided(both: Both, id: str, known: Identified, value: float | None) -> Fix:
    """The line that mends one side, by the value given."""
    fix = both.fix(id, left=value, right=value)
    return Fix(fix.left, None) if known.side.which == "left" else Fix(None, fix.right)
