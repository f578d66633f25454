"""Learning rates that change from step to step, as multiples of the optimizer's own."""

from __future__ import annotations

from typing import Final

from netparity.conventions import Conventions
from netparity.nn import ConstantRate, Schedule

#: Steps within which a rate other than 0 is looked for.
_FIRST: Final = 1000


def of(conventions: Conventions) -> Schedule | None:
    """What the rates of a side follow; the optimizer's own rate throughout without a schedule."""
    if conventions.schedule is not None or conventions.optimizer is None:
        return conventions.schedule
    return ConstantRate(conventions.optimizer.learning_rate)


def reading(schedule: Schedule) -> Schedule:
    """A schedule in the reference network's words, where it can be read."""
    read: Schedule | None = getattr(schedule, "reading", None)
    return schedule if read is None else read


def factors(conventions: Conventions, count: int) -> list[float]:
    """What the optimizer's rate is multiplied by in each of the first steps, all of one epoch.

    The optimizer's own rate stands for the schedule's first that is not 0.
    """
    schedule = conventions.schedule
    first = 0.0 if schedule is None else next(filter(None, map(schedule, range(_FIRST))), 0.0)
    if schedule is None or not first:
        return [1.0] * count
    by_step = conventions.schedule_every == "step"
    return [schedule(t if by_step else 0) / first for t in range(count)]
