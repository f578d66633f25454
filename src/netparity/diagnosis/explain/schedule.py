"""Whether and how the learning rate changes from step to step."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from netparity.diagnosis import scheduled
from netparity.diagnosis.candidates import BELOW_FLOAT32, Both, Candidate, Plan, text, written
from netparity.diagnosis.switches import differences
from netparity.nn import ConstantRate, PiecewiseConstant, Schedule
from netparity.report.model import Evidence

#: Steps at which two schedules are compared: those that a comparison makes, and beyond.
_STEPS = 10_000


def schedule(both: Both) -> Iterator[Candidate]:
    """The schedules, where their rates differ at some step."""
    one, two = both.left.conventions, both.right.conventions
    left, right = scheduled.of(one), scheduled.of(two)
    if left is None or right is None or (one.schedule is None and two.schedule is None):
        return
    same_unit = one.schedule_every == two.schedule_every or ConstantRate in (
        type(left), type(right)
    )  # fmt: skip
    apart = _first_difference(left, right)
    alike = scheduled.reading(left) == scheduled.reading(right)
    rounded = same_unit and (apart is None or alike)
    if rounded:
        apart = _first_difference(left, right, by=0.0)
        if apart is None:
            return
    step = 0 if apart is None else apart
    unit = two.schedule_every if one.schedule is None else one.schedule_every
    id, switch = _named(scheduled.reading(left), scheduled.reading(right))
    id = "float32-constants" if rounded else id

    def change(plan: Plan) -> Plan:
        rule: Any = plan.conventions.optimizer
        if one.optimizer is not None and rule is not None:
            rule = replace(rule, learning_rate=one.optimizer.learning_rate)
        followed = replace(
            plan.conventions, schedule=left, schedule_every=one.schedule_every, optimizer=rule
        )
        return replace(plan, conventions=followed)

    latent = BELOW_FLOAT32 if rounded else None
    latent = "acts only after an epoch" if unit == "epoch" and step else latent
    words = f"rate at {unit} {step}"
    yield Candidate(
        id,
        "update",
        ("schedule" if switch is None else f"schedule.{switch}",),
        written(both.left, "schedule", repr(scheduled.reading(left))),
        written(both.right, "schedule", repr(scheduled.reading(right))),
        f"The learning rate at {unit} {step} is {text(left(step))} on the left and "
        f"{text(right(step))} on the right."
        if same_unit
        else f"The learning rate changes with each {one.schedule_every} on the left and with each "
        f"{two.schedule_every} on the right.",
        (Evidence(words, left(step), right(step), None),),
        both.fix(id, left=repr(scheduled.reading(right)), right=repr(scheduled.reading(left))),
        change,
        latent=latent,
    )


def _first_difference(left: Schedule, right: Schedule, by: float = 2.0**-22) -> int | None:
    """The first step at which two rates differ by more than the rounding to float32."""
    for step in range(_STEPS):
        a, b = left(step), right(step)
        if abs(a - b) > by * max(abs(a), abs(b)):
            return step
    return None


def _named(left: Schedule, right: Schedule) -> tuple[str, str | None]:
    """The entry that names what differs, and the switch; another schedule where none does."""
    if type(left) is not type(right) or not hasattr(left, "__dataclass_fields__"):
        return "schedule-kind", None
    if _next_door(left, right):
        return "lr-piecewise-boundary", "at_boundary"
    pieces: Any = (left, right)
    found = list(differences(*pieces))
    entries = {d.entry.id if d.entry is not None else "" for d in found}
    if len(entries) == 1 and "" not in entries:
        return entries.pop(), found[0].switch if len(found) == 1 else None
    return "schedule-kind", None


def _next_door(left: Schedule, right: Schedule) -> bool:
    """Whether the same rates change one step apart: at the boundary, or after it."""
    if not isinstance(left, PiecewiseConstant) or not isinstance(right, PiecewiseConstant):
        return False
    starts = [[b + (s.at_boundary == "old") for b in s.boundaries] for s in (left, right)]
    return left.learning_rates == right.learning_rates and all(
        abs(a - b) == 1 for a, b in zip(*starts, strict=True)
    )
