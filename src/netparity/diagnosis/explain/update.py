"""The kind of optimizer and its constants."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from netparity.conventions import changed
from netparity.diagnosis.candidates import (
    BELOW_FLOAT32,
    Both,
    Candidate,
    Change,
    Plan,
    line,
    switch_line,
    text,
    written,
)
from netparity.diagnosis.explain.schedule import schedule
from netparity.diagnosis.identify import Identified
from netparity.diagnosis.snapping import snap
from netparity.diagnosis.switches import Difference, differences, follow
from netparity.diagnosis.update import STEPS as UPDATES
from netparity.nn import SGD, Adam, ClipByNorm, ClipByValue, Clipping, Ftrl, Optimizer, RMSProp
from netparity.report.model import Evidence, Fix

#: What else may make steps of another size, where a side shows its steps alone.
_FACTORS = ("loss-factor", "gradient-factor")
#: Decay is compared with the penalties.
ELSEWHERE = ("weight_decay", "decay", "decay_scope")


def update(both: Both) -> Iterator[Candidate]:
    """The kind of optimizer and its constants."""
    yield from _frozen(both)
    left, right = both.left.conventions.optimizer, both.right.conventions.optimizer
    if left is None or right is None:
        return  # a rule that is not known may clip, or follow a schedule, as well
    yield from clipping(both)
    schedules = list(schedule(both))
    yield from schedules
    residual = max(
        (m.difference for k in (both.left, both.right) for m in k.checks.get("update", ())),
        default=None,
    )
    if type(left) is not type(right):
        yield Candidate(
            "optimizer-kind",
            "update",
            ("optimizer",),
            repr(left),
            repr(right),
            f"Left updates by {type(left).__name__}, right by {type(right).__name__}.",
            (
                Evidence(
                    "rule that repeats the updates",
                    type(left).__name__,
                    type(right).__name__,
                    residual,
                ),
            ),
            both.fix("optimizer-kind", left=repr(right), right=repr(left)),
            _rule_of(left),
        )
        return
    # The first rate is the schedule's.
    besides = (*ELSEWHERE, "learning_rate") if schedules else ELSEWHERE
    for difference in differences(left, right, besides=besides):
        name, a, b = difference.switch, difference.left, difference.right
        if difference.entry is None or _idle(name, left, right):
            continue
        id = difference.entry.id
        latent = None
        if name == "form" and "averaged" not in {a, b}:
            # At a constant rate the two are one rule: known only where both sides say so.
            if not all(k.update is not None and k.update.declared for k in (both.left, both.right)):
                continue
            sides = both.left.conventions, both.right.conventions
            if all(said.schedule is None for said in sides):
                latent = "inactive on this data: the learning rate does not change"
        if difference.rounded:
            if np.float32 in {both.left.live.dtype.type, both.right.live.dtype.type}:
                continue
            id = "float32-constants"
            latent = BELOW_FLOAT32

        follows = {name: a}
        if name == "bias_correction" and _placed_alike(left, right):
            follows["epsilon_placement"] = getattr(left, "epsilon_placement", None)

        def change(plan: Plan, follows: dict[str, Any] = follows) -> Plan:
            optimizer: Any = plan.conventions.optimizer
            changed = replace(optimizer, **follows)
            return replace(plan, conventions=replace(plan.conventions, optimizer=changed))

        words = difference.words
        also: tuple[str, ...] = ()
        fix = _fix(both, id, difference, left, right)
        if name == _scaled(left) and not (_factor_shown(both.left) and _factor_shown(both.right)):
            words, also = f"{words} × loss factor", _FACTORS
            fix = _by_ratio(both, fix, difference)
        averaging = _averaging(both, difference, left, right)
        averages = ""
        if averaging is not None:
            also = (*also, "sgd-momentum-form")
            averages = _averages(averaging, left, right)
            fix = replace(fix, **{averaging.side.which: line("sgd-momentum-form", averaging, None)})
        yield Candidate(
            id,
            "update",
            (f"optimizer.{name}",),
            written(both.left, f"optimizer.{name}", f"{words} {text(a)}"),
            written(both.right, f"optimizer.{name}", f"{words} {text(b)}"),
            f"The optimizer's {words} is {text(a)} on the left and {text(b)} on the right."
            + averages,
            (Evidence(f"{words} that repeats the updates, left against right", a, b, residual),),
            fix,
            change,
            also=also,
            latent=latent,
        )


def _by_ratio(both: Both, fix: Fix, difference: Difference) -> Fix:
    """The lines where a side shows the constant only as a product: by how much to change it."""
    left, right = (
        f"{difference.switch} *= {other / own:g}" if not _factor_shown(known) and own else line
        for known, own, other, line in (
            (both.left, difference.left, difference.right, fix.left),
            (both.right, difference.right, difference.left, fix.right),
        )
    )
    return Fix(left, right)


def _averaging(both: Both, difference: Difference, left: Any, right: Any) -> Identified | None:
    """The side that may average its velocity, if that is what sets the rates apart.

    A rule that is not declared shows v = μv + (1 − μ)g only as a rate 1 − μ times as large.
    """
    if difference.switch != "learning_rate" or not isinstance(left, SGD):
        return None
    for known, own, other in ((both.left, left, right), (both.right, right, left)):
        declared = known.update is not None and known.update.declared
        if declared or not own.momentum or not other.learning_rate:
            continue
        ratio = own.learning_rate / other.learning_rate
        if snap(ratio, known.live.dtype) == snap(1 - own.momentum, known.live.dtype):
            return known
    return None


def _averages(known: Identified, left: Any, right: Any) -> str:
    """What an averaged velocity means for the rate."""
    own, other = (left, right) if known.side.which == "left" else (right, left)
    return (
        f" That is the factor 1 − μ = {1 - own.momentum:g}: {known.side.which} may well average "
        f"its velocity, v = μv + (1 − μ)g, with the rate {text(other.learning_rate)}."
    )


def _scaled(optimizer: Optimizer) -> str:
    """The constant that a factor on the loss cannot be told from."""
    return "learning_rate" if isinstance(optimizer, SGD | Ftrl) else "epsilon"


def _factor_shown(known: Identified) -> bool:
    """Whether a side shows its loss or its gradients, and so their size."""
    return known.loss is not None or known.gradient is not None


def _fix(both: Both, id: str, difference: Difference, left: Any, right: Any) -> Fix:
    """The line for either side; a missing bias correction is mended where it is missing.

    Where ε cannot be put elsewhere, it is made so small that its place no longer shows.
    """
    if difference.switch == "epsilon_placement":
        tiny = _tiny(left, right)
        return Fix(
            switch_line(id, both.left, difference, difference.right, written=tiny),
            switch_line(id, both.right, difference, difference.left, written=tiny),
        )
    fix = both.fix_switch(id, difference)
    if difference.switch == "bias_correction":
        return Fix(fix.left, None) if difference.right else Fix(None, fix.right)
    return fix


def clipping(both: Both, latent: str | None = None) -> Iterator[Candidate]:
    """Whether, how and where the gradients are clipped before the update.

    Args:
        both: the two sides.
        latent: why it makes no difference, where it does not.
    """
    left, right = both.left.conventions.clipping, both.right.conventions.clipping
    if left == right:
        return
    alike = left is not None and right is not None and type(left) is type(right)
    found = list(differences(left, right)) if alike and left and right else []
    ids = dict.fromkeys(d.entry.id for d in found if d.entry is not None)
    other_form = left is not None and right is not None and not alike
    for id in ids or ("grad-clip-value" if other_form else "clip-value",):
        mine = [d for d in found if d.entry is not None and d.entry.id == id]

        def change(plan: Plan, mine: Sequence[Difference] = mine) -> Plan:
            own = plan.conventions.clipping
            follows = left if own is None or not mine else follow(own, mine)
            return replace(plan, conventions=replace(plan.conventions, clipping=follows))

        named = mine[0] if len(mine) == 1 else None
        yield Candidate(
            id,
            "update",
            (f"clipping.{named.switch}" if named else "clipping",),
            written(both.left, "clipping", _clip_text(left)),
            written(both.right, "clipping", _clip_text(right)),
            f"Before the update the gradients are {_clip_text(left)} on the left and "
            f"{_clip_text(right)} on the right.",
            (Evidence("clip that repeats the updates", _clip_text(left), _clip_text(right), None),),
            both.fix_switch(id, named)
            if named
            else Fix(_clip_line(both.left, right), _clip_line(both.right, left)),
            change,
            latent=latent,
        )


def _clip_line(known: Identified, clip: Clipping | None) -> str | None:
    """The line that gives a side another's clip."""
    if clip is None:
        return None
    id = "grad-clip-value" if isinstance(clip, ClipByValue) else "clip-value"
    return line(id, known, _limit(clip))


def _limit(clip: Clipping) -> float | None:
    limit: float | None = getattr(clip, "limit", None)
    return limit


def _clip_text(clip: Clipping | None) -> str:
    if clip is None:
        return "not clipped"
    if isinstance(clip, ClipByNorm):
        of = "all together" if clip.scope == "global" else "each parameter by itself"
        epsilon = f", ε {clip.epsilon:g} added" if clip.epsilon else ""
        return f"clipped to the norm {clip.limit:g} ({of}{epsilon})"
    return f"clipped to the size {_limit(clip):g}, element by element"


def _frozen(both: Both) -> Iterator[Candidate]:
    """Parameters that never move although their gradient is not zero."""
    for known in (both.left, both.right):
        names = known.conventions.frozen
        if not names:
            continue
        side = known.side.which
        texts = {side: "never moves", "right" if side == "left" else "left": "is trained"}
        fix = both.fix("parameter-frozen", left=names[0], right=names[0])

        def change(plan: Plan, side: str = side) -> Plan:
            if side == "left":
                return replace(plan, left_faults_removed=True)
            return replace(plan, conventions=replace(plan.conventions, frozen=()))

        yield Candidate(
            "parameter-frozen",
            "update",
            names,
            texts["left"],
            texts["right"],
            f"Bug on the {side}: {', '.join(names)} does not move in {UPDATES} updates although "
            "its gradient is not zero.",
            (Evidence("largest change over the updates", 0.0, None, 0.0),),
            Fix(fix.left, None) if side == "left" else Fix(None, fix.right),
            change,
            side=known.side.which,
        )


def _rule_of(left: Optimizer) -> Change:
    """Gives right left's rule, and leaves it its own decay."""

    def change(plan: Plan) -> Plan:
        own: Any = plan.conventions.optimizer
        kept = {f: getattr(own, f) for f in ("weight_decay", "decay", "decay_scope")}
        return replace(plan, conventions=replace(plan.conventions, optimizer=changed(left, **kept)))

    return change


def _tiny(left: Any, right: Any) -> float:
    """An ε at which the placement no longer shows, for both sides."""
    return min(left.epsilon, right.epsilon) * 1e-8 or 1e-16


def _idle(name: str, left: Any, right: Any) -> bool:
    """Whether a field means nothing in these settings."""
    if isinstance(left, SGD | RMSProp) and name in {"form", "nesterov", "dampening"}:
        return bool(left.momentum == 0 and right.momentum == 0)
    return name == "epsilon_placement" and _placed_alike(left, right)


def _placed_alike(left: Any, right: Any) -> bool:
    """Whether ε stands outside a root that one side does not correct: before or after is one."""
    return (
        isinstance(left, Adam)
        and {left.epsilon_placement, right.epsilon_placement} == {"hat", "outside"}
        and not (left.bias_correction and right.bias_correction)
    )
