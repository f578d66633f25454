"""What does not repeat itself, in the report: a cause, and the stages that it spoils."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from netparity.diagnosis.candidates import line
from netparity.diagnosis.determinism import Repeated, Varying
from netparity.diagnosis.identify import Identified
from netparity.diagnosis.sides import Which
from netparity.report.model import (
    STAGES,
    Cause,
    Divergence,
    Evidence,
    Fix,
    Report,
    StageResult,
)


def unaccounted(seen: Mapping[Which, Repeated], sides: Sequence[Identified]) -> list[Varying]:
    """What varies for another reason than dropout, which draws its masks anew each time.

    Two sides that both draw in inference mode do the same.
    """
    found = []
    for known in sides:
        varying = seen[known.side.which].varying
        drops = known.twin is not None and bool(known.twin.dropout_layers())
        if varying is not None and not (varying.dropped and drops):
            found.append(varying)
    return [] if len(found) > 1 and all(v.drawn for v in found) else found


def applied(report: Report, found: Sequence[Varying], sides: Sequence[Identified]) -> Report:
    """The report with what does not repeat itself; the stages it spoils are not checked."""
    if not found:
        return report
    spoiled = {s for f in found for s in f.stages}
    masks = " and ".join(dict.fromkeys(_id(f) for f in found))
    reason = f"masked by {masks}: " + " and ".join(f.which for f in found) + " varies"
    causes = tuple(c for c in report.causes if c.stage not in spoiled)
    causes += tuple(_cause(f, sides, {g.which for g in found}) for f in found)
    worst = max(f.difference for f in found)
    places = tuple(f"{f.which}: {f.where[0]}" for f in found)
    shown = {_stage(f) for f in found}
    stages = tuple(
        StageResult(s.stage, "different", places, worst, 0.0)
        if s.stage in shown
        else StageResult(s.stage, "not-checked", reason=reason)
        if s.stage in spoiled and (s.status == "different" or s.reason is None)
        else s
        for s in report.stages
    )
    first = report.first_divergence
    if first is None or first.stage in spoiled:
        first = Divergence(_stage(found[0]), places[0], None, worst, 0.0)
    after, floor = report.gap.after, report.gap.noise_floor
    left_over = tuple(u for u in report.unexplained if u.stage not in spoiled)
    holds = after is not None and floor is not None and after <= floor
    return replace(
        report,
        verdict="divergent",
        explained=holds and not left_over,
        causes=tuple(sorted(causes, key=lambda c: STAGES.index(c.stage))),
        unexplained=left_over,
        stages=stages,
        first_divergence=first,
        advice=_advice(found, sides, report.advice),
    )


def _id(found: Varying) -> str:
    return "dropout-training-flag" if found.drawn else "nondeterministic"


def _stage(found: Varying) -> str:
    return "forward" if found.drawn else "rng"


def _drawing(found: Varying, sides: Sequence[Identified]) -> Cause:
    """Dropout, or other noise, that is left on in inference mode."""
    other = "right" if found.which == "left" else "left"
    texts = {found.which: "draws random numbers", other: "draws none"}
    since = f", after {', '.join(found.before)}" if found.before else ""
    return Cause(
        id="dropout-training-flag",
        stage="forward",
        where=(f"{found.which}: {found.where[0]}",),
        left=texts["left"],
        right=texts["right"],
        statement=(
            f"In inference mode {found.which} still draws random numbers: from other states of "
            f"the random streams {found.where[0]} comes out otherwise{since}, by "
            f"{found.difference:.2g} of its size, as dropout that is not told the mode does."
        ),
        evidence=(
            Evidence(
                f"{found.where[0]} from two states of the random streams, largest difference over "
                "the largest value",
                found.difference,
                0.0,
                0.0,
            ),
            Evidence("the same from one state, twice", 0.0, 0.0, 0.0),
        ),
        fix=_fix(found, sides),
        verdict="root-cause",
        verified_on="live",
        residual=0.0,
        noise_floor=0.0,
    )


def _advice(
    found: Sequence[Varying], sides: Sequence[Identified], given: Sequence[str]
) -> tuple[str, ...]:
    again = tuple(line for line in given if line.startswith("Then run again"))
    lines = []
    for f in found:
        fix = _fix(f, sides)
        lines.append(f"{_id(f)}: on the {f.which}: {fix.left or fix.right}")
    return (*lines, *again, "It will then show what else sets the two apart.")


def _fix(found: Varying, sides: Sequence[Identified]) -> Fix:
    lines: dict[str, Any] = {"left": None, "right": None}
    known = next(k for k in sides if k.side.which == found.which)
    lines[found.which] = line(_id(found), known, False if found.drawn else "SEED")
    return Fix(lines["left"], lines["right"])


def _cause(found: Varying, sides: Sequence[Identified], varying: Collection[str]) -> Cause:
    other = "right" if found.which == "left" else "left"
    told = "differs from itself" if other in varying else "repeats itself"
    texts = {found.which: "differs from itself", other: told}
    if found.drawn:
        return _drawing(found, sides)
    mode = " in training" if found.dropped and found.stages[0] == "forward" else ""
    since = f"; {', '.join(found.before)} before it {'do' if len(found.before) > 1 else 'does'} not"
    return Cause(
        id="nondeterministic",
        stage="rng",
        where=(f"{found.which}: {found.where[0]}",),
        left=texts["left"],
        right=texts["right"],
        statement=(
            f"The {found.which} side differs from itself when it is run twice from the same "
            f"parameters, state, random streams and batch. It starts in {found.where[0]}"
            f"{mode} ({found.stages[0]}), which varies by {found.difference:.2g} of its size"
            f"{since if found.before else ''}."
        ),
        evidence=(
            Evidence(
                f"{found.where[0]}, two runs, largest difference over the largest value",
                found.difference,
                0.0,
                0.0,
            ),
        ),
        fix=_fix(found, sides),
        verdict="root-cause",
        verified_on="live",
        residual=0.0,
        noise_floor=0.0,
    )
