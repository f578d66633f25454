"""What a rule proposes: a named convention on which the sides differ, with its evidence."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

from netparity import catalogue
from netparity.conventions import Conventions
from netparity.diagnosis.identify import Identified
from netparity.diagnosis.switches import Difference
from netparity.errors import InputError
from netparity.report.model import Evidence, Fix

#: Why a convention is latent that shows in all but the last digits.
BELOW_FLOAT32: Final = "below float32 noise but real in float64"
Origin = Literal["left", "right"]


@dataclass(frozen=True, slots=True)
class Plan:
    """How right is to be run: with which conventions, from where, fed by whom.

    ``initial`` names the parameters (as on the left) that start from left's values; ``feeding``
    the parts of what is fed that are taken from left (``exchange.PARTS``).
    """

    conventions: Conventions
    initial: frozenset[str] = frozenset()
    feeding: frozenset[str] = frozenset()
    left_faults_removed: bool = False
    right_faults_removed: bool = False
    structure: Origin = "right"


Change = Callable[[Plan], Plan]


def start_from_left(names: Iterable[str]) -> Change:
    """A change that starts these parameters (as named on the left) from left's values."""
    taken = frozenset(names)

    def change(plan: Plan) -> Plan:
        return replace(plan, initial=plan.initial | taken)

    return change


def nothing(plan: Plan) -> Plan:
    """A change that does not touch the training (reporting)."""
    return plan


@dataclass(frozen=True, slots=True)
class Candidate:
    """One cause to be verified.

    Attributes:
        id: the catalogue's id.
        stage: the stage whose difference it explains.
        where: layers, parameters or quantities.
        left: left's value, in words; right: right's.
        statement: what differs, with the numbers.
        evidence: relations fitted to what was observed.
        fix: the line to change on either side.
        change: makes a run of right follow left in this one convention.
        side: the side that has a bug, where it is one.
        also: ids that the numbers cannot tell from this one.
        latent: the reason why it makes no difference here, where it does not.
    """

    id: str
    stage: str
    where: tuple[str, ...]
    left: str
    right: str
    statement: str
    evidence: tuple[Evidence, ...]
    fix: Fix
    change: Change = nothing
    side: Origin | None = None
    also: tuple[str, ...] = ()
    latent: str | None = None
    verified: Literal["live", "twin"] | None = None
    residual: float | None = None
    floor: float | None = None


@dataclass(frozen=True, slots=True)
class Both:
    """The two sides as the rules see them."""

    left: Identified
    right: Identified

    def fix(
        self, id: str, *, left: object = None, right: object = None, extra: Mapping[str, str] = {}
    ) -> Fix:
        """The catalogue's line for each side's framework.

        Args:
            id: the convention.
            left: the value that left must be given to be like right, as one writes it.
            right: the value that right must be given to be like left.
            extra: ``left`` or ``right`` → a line that replaces the catalogue's.
        """
        return Fix(
            extra.get("left") or line(id, self.left, left),
            extra.get("right") or line(id, self.right, right),
        )

    def fix_switch(self, id: str, difference: Difference) -> Fix:
        """The catalogue's line for each side that sets a switch as the other side has it."""
        return Fix(
            switch_line(id, self.left, difference, difference.right),
            switch_line(id, self.right, difference, difference.left),
        )


def line(id: str, side: Identified, value: object) -> str | None:
    """The catalogue's fix in the words of one side's framework."""
    return _filled(
        catalogue.find(id).line(side.live.framework), None if value is None else text(value)
    )


def switch_line(
    id: str, side: Identified, difference: Difference, value: object, *, written: object = None
) -> str | None:
    """The catalogue's line that gives one side this value of a switch.

    ``written`` is the number to write where that is not the value itself.
    """
    template = catalogue.find(id).line(side.live.framework, difference.switch, value)
    said = value if written is None else written
    return _filled(template, None if said is None else coded(said))


def _filled(template: str | None, value: str | None) -> str | None:
    if template is None or ("{value}" in template and value is None):
        return None
    return template.replace("{value}", value or "")


def coded(value: object) -> str:
    """A value as one writes it in code."""
    return f'"{value}"' if isinstance(value, str) else text(value)


def text(value: object) -> str:
    """A value as one writes it in code or in a sentence."""
    if isinstance(value, float):
        return f"{value:.10g}"
    return str(value)


def written(side: Identified, setting: str, otherwise: str) -> str:
    """How a side itself writes a setting, else a description of what was measured."""
    return side.declared.texts.get(setting, otherwise)


def set_conventions(**fields: object) -> Change:
    """A change that gives right's conventions these fields."""

    def change(plan: Plan) -> Plan:
        return replace(plan, conventions=replace(plan.conventions, **fields))  # type: ignore[arg-type]

    return change


def apply(plan: Plan, candidates: Sequence[Candidate]) -> Plan:
    """A plan with every candidate's convention set as on the left; the structure last.

    Raises:
        InputError: no side can be like that.
    """
    waiting = sorted(candidates, key=lambda c: c.stage == "structure")
    while waiting:
        later = []
        for candidate in waiting:
            try:
                plan = candidate.change(plan)
            except InputError:
                # Two constants of which one may be 0 only while the other is not.
                later.append(candidate)
        if len(later) == len(waiting):
            raise InputError(f"{', '.join(c.id for c in later)}: no such rule")
        waiting = later
    return plan


def possible(plan: Plan, candidates: Sequence[Candidate]) -> Plan | None:
    """As ``apply``, or ``None`` where no side can be like that."""
    try:
        return apply(plan, candidates)
    except InputError:
        return None
