"""Learning rates that change while a side trains: what sets them, and how they are told."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Final, final

from netparity.conventions import Conventions
from netparity.errors import InputError
from netparity.implementations.watching import Every
from netparity.nn import Schedule

#: Steps within which a rate other than 0 is looked for.
_FIRST: Final = 1000


@final
@dataclass(frozen=True, slots=True)
class Called(Schedule):
    """A schedule that a framework or an author works out: it can be called, and may be read.

    Attributes:
        function: ``step → learning rate``.
        reading: what it is in the reference network's words but for rounding, or ``None``.
    """

    function: Callable[[int], float]
    reading: Schedule | None = field(default=None, compare=False)

    def __call__(self, step: float) -> float:
        """The rate (see ``Schedule``)."""
        return float(self.function(int(step)))


class Rates:
    """Sets an optimizer's rate before each step, as a function of the steps or epochs made.

    Args:
        schedule: ``step → rate``, or ``(step, rate) → rate`` of the one before; ``None``: the
            rate stays as it is.
        every: what it counts.
        get: gives the optimizer's rate.
        put: sets it.
        where: whose schedule it is, for messages.

    Attributes:
        every: what is counted.
        count: steps, or epochs, made.

    Raises:
        InputError: it cannot be called so, or gives no number.
    """

    def __init__(
        self,
        schedule: Any,
        every: Every,
        get: Callable[[], float],
        put: Callable[[float], None],
        where: str,
    ) -> None:
        if schedule is not None and not callable(schedule):
            raise InputError(
                f"{where}, schedule: expected a function step → learning rate, or the "
                f"framework's own scheduler; received {type(schedule).__name__}"
            )
        self.every: Every = every
        self.count = 0
        self._schedule = schedule
        self._get, self._put = get, put
        self._where = where
        self._wanted: Schedule | None = None
        self._kept = 0.0
        self._rates = [get()] if schedule is not None and _takes_the_rate(schedule) else None
        if schedule is not None:
            self.own(0)

    def own(self, count: int) -> float:
        """The author's rate after so many steps, or epochs."""
        if self._rates is None:
            return self._number(self._schedule(count))
        while len(self._rates) <= count + 1:
            made = len(self._rates) - 1
            self._rates.append(self._number(self._schedule(made, self._rates[-1])))
        return self._rates[count + 1]

    def _number(self, value: Any) -> float:
        try:
            return float(value)
        except (TypeError, ValueError):
            raise InputError(
                f"{self._where}, schedule: expected a function step → learning rate; it returned "
                f"{type(value).__name__}"
            ) from None

    # ---- followed -----------------------------------------------------------------------
    def before_step(self) -> None:
        """Sets the rate of the step to come."""
        if self._wanted is not None:
            self._put(self._wanted(self.count))
        elif self._schedule is not None:
            self._put(self.own(self.count))

    def after_step(self) -> None:
        """A step was made."""
        self.count += self.every == "step"

    def end_epoch(self) -> None:
        """An epoch was made."""
        self.count += self.every == "epoch"

    def state(self) -> Any:
        """How far it has come."""
        return self.count

    def restore(self, state: Any) -> None:
        """Goes back there."""
        self.count = state

    # ---- declared and adjusted ------------------------------------------------------------
    @property
    def stated(self) -> bool:
        """Whether the author gave a schedule."""
        return self._schedule is not None

    @property
    def adjusted(self) -> bool:
        """Whether another schedule than the author's is followed."""
        return self._wanted is not None

    @property
    def authored(self) -> Schedule | None:
        """The author's schedule in the reference network's words, or as it can be called."""
        known = self._schedule is None or isinstance(self._schedule, Schedule)
        return self._schedule if known else Called(self.own)

    @property
    def declared(self) -> Schedule | None:
        """The schedule that it follows."""
        return self.authored if self._wanted is None else self._wanted

    def applied_to(self, conventions: Conventions) -> Conventions:
        """The conventions with the schedule, and the optimizer's rate as the schedule's first."""
        schedule, rule = self.declared, conventions.optimizer
        if schedule is None:
            return conventions
        if rule is not None:
            # A warm-up may begin at 0.
            rates = (schedule(step) for step in range(_FIRST))
            rule = replace(rule, learning_rate=next((r for r in rates if r), 0.0))  # type: ignore[type-var]
        texts = {"schedule": _text(self._schedule), **conventions.texts}
        return replace(
            conventions, optimizer=rule, schedule=schedule, schedule_every=self.every, texts=texts
        )

    def at_present(self, wanted: Conventions) -> Conventions:
        """The same with the rate as it is now, where that is a schedule's and not wanted."""
        if self.declared is None or wanted.optimizer is None:
            return wanted
        rule: Any = wanted.optimizer
        return replace(wanted, optimizer=replace(rule, learning_rate=self._get()))

    def can_follow(self, wanted: Conventions) -> bool:
        """Whether ``follow`` can make it count what is wanted."""
        return wanted.schedule is None or wanted.schedule_every == self.every or not self.stated

    def follow(self, wanted: Conventions) -> bool:
        """Follows another schedule, or the author's own again; ``None`` is what the author gave.

        The optimizer's rate is put back where a schedule was followed that nobody gave.

        Returns:
            Whether anything has changed.
        """
        schedule = self.authored if wanted.schedule is None else wanted.schedule
        if schedule == self.declared:
            return False
        if self._wanted is None:
            self._kept = self._get()
        self.every = self.every if self.stated else wanted.schedule_every
        self._wanted = None if schedule == self.authored else schedule
        if self._wanted is None:
            self._back(self._kept)
        return True

    def _back(self, rate: float) -> None:
        """The author's schedule is followed again."""
        self._put(rate)


def _takes_the_rate(schedule: Callable[..., Any]) -> bool:
    """Whether it has to be given the present rate too, as a callback of Keras may be."""
    try:
        known = inspect.signature(schedule).parameters.values()
    except (TypeError, ValueError):
        return False
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return sum(p.kind in positional and p.default is p.empty for p in known) == 2


def _text(schedule: Any) -> str:
    if schedule is None:
        return "a constant rate"
    known = isinstance(schedule, Schedule)
    shown = repr(schedule) if known else getattr(schedule, "__name__", type(schedule).__name__)
    return f"schedule={shown}".replace("<lambda>", "lambda step: …")
