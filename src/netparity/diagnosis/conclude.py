"""Puts what a diagnosis found into the one report."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, Literal

import numpy as np

from netparity.diagnosis.attribute import Accounted, Parts, account
from netparity.diagnosis.bench import Bench, Stage
from netparity.diagnosis.candidates import Candidate
from netparity.diagnosis.freerun import FreeRuns, predictions
from netparity.diagnosis.identify import Identified
from netparity.diagnosis.observe_forward import heads
from netparity.nn import Identity
from netparity.report.model import (
    STAGES,
    Cause,
    Divergence,
    Innocent,
    Latent,
    Measured,
    Picture,
    Report,
    SideSummary,
    StageResult,
    Unexplained,
    Verdict,
)

#: Other ways to write one and the same rule: nothing that a side can show decides.
UNDECIDABLE: Final = ("sgd-momentum-form",)


def report(
    parts: Parts, runs: FreeRuns | None, *, steps: int, environment: Mapping[str, Any], title: str
) -> Report:
    """The report of a diagnosis."""
    accounted = account(parts, runs, steps)
    causes = _causes(parts, accounted)
    unexplained = _unexplained(parts, accounted, runs)
    parts = replace(parts, stages=_renamed(parts))
    stages = tuple(stage_result(parts.stages, name) for name in STAGES)
    compared = any(s.status != "not-checked" for s in stages)
    verdict: Verdict = "parity"
    if not compared:
        verdict = "incomparable"
    elif causes or unexplained:
        verdict = "divergent"
    explained = not unexplained and (runs is None or accounted.holds)
    bench = parts.bench
    notes = [*parts.notes, *bench.notes, *bench.left.notes, *bench.right.notes]
    if accounted.note:
        notes.append(accounted.note)
    notes += [
        f"{k.side.which}, {s}: {why}"
        for k in (bench.left, bench.right)
        for s, why in k.missing.items()
    ]
    from netparity import __version__

    return Report(
        version=__version__,
        verdict=verdict,
        explained=explained,
        left=summary(bench.left),
        right=summary(bench.right),
        gap=accounted.gap,
        first_divergence=_first(parts, runs),
        stages=stages,
        causes=causes,
        latent=tuple(_latent(Names(bench).candidate(c)) for c in parts.latent),
        innocent=_innocent(parts),
        unexplained=unexplained,
        environment=environment,
        advice=_advice(parts, causes, unexplained),
        notes=tuple(dict.fromkeys(notes)),
        title=title,
        picture=Picture(accounted.curves, _measured(parts)),
    )


class Names:
    """Says a twin's parameter names as the side itself does.

    The twin of a program that declares nothing has names of our making; its author knows the
    arrays by theirs.
    """

    def __init__(self, bench: Bench) -> None:
        own: dict[str, str] = {}
        for known in (bench.right, bench.left):
            if known.twin is not None:
                places = known.twin.conventions.places
                own |= {name: place.name for name, place in places.items()}
        self._own = {name: said for name, said in own.items() if name != said}
        names = sorted(map(re.escape, self._own), key=len, reverse=True)
        self._pattern = re.compile(rf"(?<![\w.])({'|'.join(names)})(?!\w)") if names else None

    def say(self, text: str) -> str:
        """A text with every twin parameter by its own name."""
        if self._pattern is None:
            return text
        return self._pattern.sub(lambda match: self._own[match[1]], text)

    def candidate(self, candidate: Candidate) -> Candidate:
        """A candidate with its places, words and evidence in the side's own names."""
        evidence = tuple(
            replace(
                e,
                relation=self.say(e.relation),
                fitted=self.say(e.fitted) if isinstance(e.fitted, str) else e.fitted,
                expected=self.say(e.expected) if isinstance(e.expected, str) else e.expected,
            )
            for e in candidate.evidence
        )
        return replace(
            candidate,
            where=tuple(self.say(w) for w in candidate.where),
            statement=self.say(candidate.statement),
            evidence=evidence,
        )


def _renamed(parts: Parts) -> dict[str, Stage]:
    named = Names(parts.bench)
    return {
        name: replace(
            stage, measures=tuple(replace(m, where=named.say(m.where)) for m in stage.measures)
        )
        for name, stage in parts.stages.items()
    }


def summary(known: Identified) -> SideSummary:
    """How the report names a side."""
    live = known.live
    return SideSummary(live.name, live.framework, live.version)


def stage_result(stages: Mapping[str, Stage], name: str) -> StageResult:
    """One stage as the report shows it."""
    stage = stages.get(name)
    if stage is None:
        return StageResult(name, "not-checked", reason="not reached")
    worst = stage.worst
    where = stage.different_places if stage.status == "different" else ()
    return StageResult(
        name,
        stage.status,
        where,
        None if worst is None else worst.difference,
        None if worst is None else worst.floor,
        stage.reason,
    )


def _causes(parts: Parts, accounted: Accounted) -> tuple[Cause, ...]:
    causes = []
    named = Names(parts.bench)
    for index, verified in enumerate(parts.verified):
        candidate = named.candidate(verified.candidate)
        statement = candidate.statement
        relation: Literal["compensates", "masks"] | None = None
        others = tuple(parts.verified[i].candidate.id for i in accounted.cancelling.get(index, ()))
        if others:
            relation = "compensates"
            statement += (
                f" It cancels with {', '.join(others)}: changing one alone opens a gap of "
                f"{accounted.alone[index]:.2g}."
            )
        open_ = [id for id in candidate.also if id not in UNDECIDABLE]
        decides = _decides(candidate, parts) if open_ else ""
        if decides:
            statement += f" What would decide between it and {', '.join(open_)}: {decides}."
        if not others and candidate.id in parts.masks:
            relation, others = "masks", parts.masks[candidate.id]
        causes.append(
            Cause(
                id=candidate.id,
                stage=candidate.stage,
                where=candidate.where,
                left=candidate.left,
                right=candidate.right,
                statement=statement,
                evidence=candidate.evidence,
                fix=candidate.fix,
                verdict=verified.verdict,
                verified_on=verified.on,
                residual=verified.residual,
                noise_floor=verified.floor,
                effect=accounted.effects.get(index),
                also=candidate.also,
                relation=relation,
                related_to=others,
                shapley=accounted.shapley.get(index),
            )
        )
    order = {stage: i for i, stage in enumerate(STAGES)}
    return tuple(sorted(causes, key=lambda c: order[c.stage]))


def _decides(candidate: Candidate, parts: Parts) -> str:
    """What a side would have to show for a cause to be told from those it looks like."""
    sides = (parts.bench.left, parts.bench.right)
    if candidate.stage == "data":
        return "validation= of the side that feeds fewer rows"
    if candidate.stage in {"init", "rng"}:
        single = [k.side.which for k in sides if not k.side.rebuilds]
        return "builders instead of built sides, whose draws can be repeated" if single else ""
    if candidate.stage not in {"loss", "regularization", "gradient", "update"}:
        return ""
    missing = [
        f"{ability}() of {k.side.which}"
        for k in sides
        for ability in ("loss", "gradients", "update")
        if ability not in k.live.abilities
    ]
    return " and ".join(missing)


def _unexplained(
    parts: Parts, accounted: Accounted, runs: FreeRuns | None
) -> tuple[Unexplained, ...]:
    left_over = []
    for name, stage in parts.stages.items():
        if stage.status != "different" or name in parts.explained:
            continue
        rest = parts.rest.get(name, ())
        worst = max(rest, key=lambda m: m.ratio) if rest else stage.worst
        places = stage.different_places or ("",)
        if worst is not None:
            where = worst.where if worst.different else places[0]
            left_over.append(Unexplained(name, where, worst.difference, worst.floor))
    left_over += [
        Unexplained(stage, reason, None, None)
        for stage, reason in {**_unidentified(parts, accounted), **parts.failures}.items()
    ]
    after, floor = accounted.gap.after, accounted.gap.noise_floor
    if runs is not None and not accounted.holds and not left_over:
        left_over.append(Unexplained("update", "the free run", after, floor))
    return tuple(left_over)


#: What a side must expose for a stage to be comparable in principle.
EXPOSED = {"loss": {"loss"}, "gradient": {"gradients"}, "update": {"update", "step"}}


def _unidentified(parts: Parts, accounted: Accounted) -> dict[str, str]:
    """Stages that both sides expose and that could not be compared, unless the runs agree."""
    gap = accounted.gap
    agree = (
        gap.before is not None
        and gap.noise_floor is not None
        and gap.steps > 0
        and gap.before <= gap.noise_floor
    )
    found: dict[str, str] = {}
    for stage, abilities in EXPOSED.items():
        seen = parts.stages.get(stage)
        if seen is None or seen.status != "not-checked" or parts.bench.y is None:
            continue
        failing = [k for k in (parts.bench.left, parts.bench.right) if stage in k.raised]
        if len(failing) == 1:
            found[stage] = failing[0].missing[stage]
            continue
        if agree:
            continue
        reasons = [
            k.missing[stage] for k in (parts.bench.left, parts.bench.right) if stage in k.missing
        ]
        both = all(abilities & k.live.abilities for k in (parts.bench.left, parts.bench.right))
        if both and reasons:
            found[stage] = "not compared: " + "; ".join(reasons)
    return found


def _first(parts: Parts, runs: FreeRuns | None) -> Divergence | None:
    for name in STAGES:
        stage = parts.stages.get(name)
        if stage is None or stage.status != "different" or stage.worst is None:
            continue
        worst = stage.worst
        return Divergence(
            name, worst.where, _first_step(parts, runs), worst.difference, worst.floor
        )
    return None


def _first_step(parts: Parts, runs: FreeRuns | None) -> int | None:
    """The first step after which the free runs' predictions differ by more than noise."""
    if runs is None:
        return None
    bench = parts.bench
    left, right = bench.left.twin, bench.right.twin
    if left is None or right is None:
        return None
    shared = min(len(runs.left.trajectory), len(runs.right.trajectory), len(runs.floor.predictions))
    if runs.floor.horizon is not None:
        shared = min(shared, runs.floor.horizon + 1)  # beyond it they part by rounding alone
    for t in range(shared):
        a = predictions(bench, left, runs.left.trajectory[t], runs.rows)
        b = predictions(bench, right, runs.right.trajectory[t], runs.rows)
        if a.shape != b.shape or not np.all(np.abs(a - b) <= runs.floor.predictions[t]):
            return t
    return None


def _latent(candidate: Candidate) -> Latent:
    return Latent(
        candidate.id,
        candidate.stage,
        candidate.where,
        candidate.left,
        candidate.right,
        candidate.statement,
        candidate.latent or "inactive on this data",
    )


def _innocent(parts: Parts) -> tuple[Innocent, ...]:
    """What differs in the writing and makes no difference."""
    bench = parts.bench
    left, right = bench.left, bench.right
    innocents = [Innocent(id, why) for id, why in parts.innocent]
    if left.twin is not None and right.twin is not None:
        a, b = left.twin.conventions.places, right.twin.conventions.places
        square = {
            n: len(set(shape)) == 1 for n, shape in left.twin.network.parameter_shapes().items()
        }
        handed = [c.candidate.where for c in parts.verified if c.candidate.stage == "structure"]
        turned = [
            n
            for n, m in bench.pairing.names.items()
            if n in a
            and m in b
            and a[n].transposed != b[m].transposed
            and square[n]
            and (n,) not in handed
        ]
        if turned:
            innocents.append(
                Innocent(
                    "dense-weight-layout",
                    f"{Names(bench).say(', '.join(turned))}: one side stores the transpose of "
                    "the other's array and multiplies accordingly; the functions agree to the "
                    "noise floor",
                )
            )
        if not all(isinstance(head, Identity) for head in heads(bench)):
            side = left if left.head is not None else right
            innocents.append(
                Innocent(
                    "from-logits-default",
                    f"{side.side.which} ends in {type(side.head).__name__.lower()} and its loss "
                    "takes probabilities; the other takes the logits: the same loss",
                )
            )
    pulls = [bool(k.loss_penalties) for k in (left, right)]
    active = [bool(k.conventions.penalties) for k in (left, right)]
    if all(active) and pulls[0] != pulls[1]:
        inside = "left" if pulls[0] else "right"
        innocents.append(
            Innocent(
                "sgd-weight-decay-coupling",
                f"{inside} has its penalty in the loss and its gradient, the other in its "
                "optimizer: one penalty, added in two places",
            )
        )
    return tuple(innocents)


def _measured(parts: Parts) -> tuple[Measured, ...]:
    return tuple(
        Measured(name, m.where, m.difference, m.floor)
        for name, stage in parts.stages.items()
        for m in stage.measures
    )


def _advice(
    parts: Parts, causes: Sequence[Cause], unexplained: Sequence[Unexplained]
) -> tuple[str, ...]:
    if not causes and not unexplained:
        left_out = [n for n, s in parts.stages.items() if s.status == "not-checked"]
        if left_out:
            return (
                f"Nothing to change as far as was compared; not checked: {', '.join(left_out)}.",
            )
        return ("Nothing to change: what is left between the two is floating point.",)
    lines = []
    for cause in causes:
        options = []
        if cause.fix.right:
            options.append(f"on the right: {cause.fix.right}")
        if cause.fix.left:
            options.append(f"on the left: {cause.fix.left}")
        lines.append(f"{cause.id}: " + "; or ".join(options or ["see netparity explain"]))
    if unexplained:
        first = unexplained[0]
        lines.append(
            f"Look first at {first.stage}, {first.where}: no known convention explains it."
        )
    lines.append(f"Then run again: {parts.command}")
    if unexplained:
        lines.append("It will then show what is left.")
    else:
        lines.append("It will then say: parity.")
    return tuple(lines)


def accepted(report: Report, accept: Sequence[str]) -> Report:
    """The report with accepted causes marked; parity where everything is accepted.

    Args:
        report: as diagnosed.
        accept: cause ids or stages.
    """
    if not accept:
        return report
    names = set(accept)
    causes = tuple(replace(c, accepted=c.id in names or c.stage in names) for c in report.causes)
    open_ = [u for u in report.unexplained if u.stage not in names]
    verdict = report.verdict
    if verdict == "divergent" and all(c.accepted for c in causes) and not open_:
        verdict = "parity"
    return replace(report, causes=causes, verdict=verdict)
