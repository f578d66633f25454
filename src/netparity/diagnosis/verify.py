"""Proves each candidate by removing it: in its stage, on the live side or on its twin.

A candidate is a cause when setting its one convention on right to left's value brings the
difference of its stage to the noise floor: alone (root cause) or together with the others of
the stage and not without it (contributes). The gap of the free run judges only the set.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from netparity.diagnosis.bench import Bench
from netparity.diagnosis.candidates import BELOW_FLOAT32, Candidate, Plan, apply, possible
from netparity.diagnosis.identify import Identified
from netparity.diagnosis.live_removal import repeats_live
from netparity.diagnosis.minimal import smallest
from netparity.diagnosis.noise import Measure, worst
from netparity.diagnosis.plan_measures import measures_under


@dataclass(frozen=True, slots=True)
class Verified:
    """A candidate with its verdict."""

    candidate: Candidate
    verdict: Literal["root-cause", "contributes"]
    on: Literal["live", "twin"]
    residual: float
    floor: float


@dataclass(frozen=True, slots=True)
class Found:
    """What came of a stage's candidates.

    Attributes:
        verified: the smallest set that accounts for the stage, each with its verdict.
        innocent: candidates without which the stage is accounted for as well, and why.
        rest: what stays different with all of them removed, where something does.
    """

    verified: tuple[Verified, ...] = ()
    innocent: tuple[tuple[Candidate, str], ...] = ()
    rest: tuple[Measure, ...] = ()


def verify(
    bench: Bench, stage: str, candidates: Sequence[Candidate], beside: Sequence[Candidate] = ()
) -> Found:
    """The candidates of one stage that are causes, each with what is left without it.

    Where all of them together do not bring the stage to its floor, those are kept without which
    more places differ; what stays is reported. What is known ``beside`` them, and is no cause
    (a constant rounded to float32), is taken away throughout.
    """
    given = [c for c in candidates if c.verified is not None]
    known = tuple(
        Verified(c, "root-cause", c.verified, c.residual or 0.0, c.floor or 0.0)
        for c in given
        if c.verified is not None
    )
    open_ = [c for c in candidates if c.verified is None]
    if not open_:
        return Found(known)
    base, measure_stage = apply(Plan(bench.right.conventions), beside), measures_under(bench, stage)
    seen: dict[tuple[int, ...], list[Measure]] = {}

    def without(some: Sequence[Candidate]) -> list[Measure]:
        key = tuple(i for i, c in enumerate(open_) if any(c is s for s in some))
        if key not in seen:
            plan = possible(base, [open_[i] for i in key])
            nothing = [Measure(stage, float("inf"), 0.0)]
            seen[key] = nothing if plan is None else measure_stage(plan)
        return seen[key]

    def places(some: Sequence[Candidate]) -> set[str]:
        return {m.where for m in without(some) if m.different}

    rest = places(open_)
    if rest and not rest < places([]):
        return Found(known)
    least = smallest(open_, lambda some: places(some) <= rest)
    verified = []
    for candidate in least:
        alone = worst(without([candidate]))
        clears = not rest and alone is not None and not places([candidate])
        left_over = (alone if clears else worst(without(least))) or Measure(stage, 0.0, 0.0)
        equal = [
            c
            for c in open_
            if c not in least
            and c.id != candidate.id
            and places([c if s is candidate else s for s in least]) <= rest
        ]
        verified.append(
            Verified(
                _with_equals(candidate, equal),
                "root-cause" if clears else "contributes",
                "live" if repeats_live(bench, candidate) else "twin",
                left_over.difference,
                left_over.floor,
            )
        )
    named = {i for v in verified for i in (v.candidate.id, *v.candidate.also)}
    innocent = tuple(
        (c, f"{c.left} on the left, {c.right} on the right: {stage} is accounted for without it")
        for c in open_
        if c not in least and c.id not in named
    )
    still = tuple(m for m in without(least) if m.different)
    return Found((*known, *verified), innocent, still)


def without_effect(bench: Bench, stage: str, candidates: Sequence[Candidate]) -> list[Candidate]:
    """Candidates of a stage that came out equal, each with the reason why it does not show.

    Only what both sides say of themselves is listed: a constant that was measured carries noise.
    """
    if not candidates or not all(_declares(k, stage) for k in (bench.left, bench.right)):
        return []
    reason = "inactive on this data"
    if bench.dtype == np.float32:
        exact = measures_under(replace(bench, width=np.dtype(np.float64)), stage)
        base = Plan(bench.right.conventions)

        def shows(candidate: Candidate) -> bool:
            others = [c for c in candidates if c is not candidate]
            return any(m.different for m in exact(apply(base, others)))

        return [replace(c, latent=BELOW_FLOAT32 if shows(c) else reason) for c in candidates]
    return [replace(c, latent=reason) for c in candidates]


def _declares(known: Identified, stage: str) -> bool:
    """Whether a side itself says what it does in a stage."""
    said = known.declared
    return {
        "forward": said.layers is not None,
        "loss": said.loss is not None,
        "regularization": said.penalties is not None,
        "update": said.optimizer is not None,
    }.get(stage, False)


def _with_equals(candidate: Candidate, equal: Sequence[Candidate]) -> Candidate:
    """A cause with those that account for the same in its place, and their fixes."""
    if not equal:
        return candidate
    said = []
    for other in equal:
        lines = [line for line in (other.fix.left, other.fix.right) if line]
        said.append(f"{other.id} ({'; or '.join(lines)})" if lines else other.id)
    return replace(
        candidate,
        also=tuple(dict.fromkeys((*candidate.also, *(c.id for c in equal)))),
        statement=f"{candidate.statement} Equally right: {', '.join(said)}.",
    )


__all__ = ["Found", "Verified", "verify", "without_effect"]
