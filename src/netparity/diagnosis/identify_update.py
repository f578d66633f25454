"""Identifies a side's update rule: by its updates alone, and by its whole steps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from netparity.conventions import Conventions, changed
from netparity.diagnosis import gradient as gradients_
from netparity.diagnosis import stepping, update, whole_steps
from netparity.diagnosis.gradient_probes import twin_layout
from netparity.diagnosis.masks import fed
from netparity.diagnosis.probes import probe_parameters
from netparity.diagnosis.twin import Array, Twin, Values
from netparity.diagnosis.update.calls import wide

if TYPE_CHECKING:
    from netparity.diagnosis.identify import Identified


def identify(
    known: Identified,
    batches: Sequence[tuple[Array, Array]],
    rng: np.random.Generator,
    other: Conventions | None,
) -> None:
    """Finds a side's update rule, by its updates, its steps, or both.

    Args:
        known: the side as understood until then; the rule, the mistakes that a step makes
            before it, and what never moves are written down there.
        batches: of several sizes.
        rng: for the probes and their noise.
        other: the other side's conventions, first guess for what this one does not declare.
    """
    twin, live = known.twin, known.live
    if twin is None:
        return
    if not {"update", "step"} & live.abilities:
        known.missing["update"] = f"{known.side.which} has neither update nor step"
        return
    declared = _rule(known.declared)
    hints = [] if other is None or (guess := _rule(other)) is None else [guess]
    start = probe_parameters(twin, rng)
    found = stepped = None
    if "update" in live.abilities:
        found = _by_updates(known, twin, start, rng, declared, hints)
    # Gradients that pile up whenever they are asked for cannot be followed beside the steps.
    follows = not any(p.piled is not None for p in known.gradient_probes)
    if "step" in live.abilities and "training" not in known.missing and follows:
        if "update" in live.abilities:
            walk = (*batches, *batches)[: update.STEPS]
            stepped = _by_steps(known, start, walk, rng, declared, hints, found)
        else:
            rules = [rule for rule in (declared, *hints) if rule is not None]
            stepped = _by_steps_alone(known, twin, batches, rng, rules, other)
    known.update = stepped or found
    if stepped is not None and known.gradient is None and "loss" in known.checks:
        known.checks["gradient through step"] = stepped.measures
    if known.update is None:
        known.missing["update"] = f"no known update rule repeats that of {known.side.which}"
        return
    known.checks["update"] = known.update.measures


def _by_updates(
    known: Identified,
    twin: Twin,
    start: Values,
    rng: np.random.Generator,
    declared: update.Rule | None,
    hints: Sequence[update.Rule],
) -> update.FoundUpdate | None:
    """The rule that repeats what a side makes of gradients of our choosing."""
    live = known.live
    made = update.feed(live, twin, update.calls_to_make(start, rng))
    seen, _ = whole_steps.without_frozen(update.at_rates(made, known.declared), live.dtype)
    found = update.identify(seen, live.dtype, rng, declared, hints)
    known.side.reset()
    return found


def _by_steps(
    known: Identified,
    start: Values,
    walk: Sequence[tuple[Array, Array]],
    rng: np.random.Generator,
    declared: update.Rule | None,
    hints: Sequence[update.Rule],
    found: update.FoundUpdate | None,
) -> update.FoundUpdate | None:
    """The rule behind whole steps of a side that also updates by gradients it is given."""
    twin, dtype = known.twin, known.live.dtype
    followed = None if twin is None else _followed(known, twin, start, walk)
    if twin is None or followed is None:
        return None
    said = known.declared
    if found is not None and found.schedule is not None:
        said = replace(said, schedule=found.schedule)
    seen, frozen = whole_steps.without_frozen(update.at_rates(followed, said), dtype)
    if frozen and "gradients" in known.live.abilities:
        twin = twin.with_(frozen=frozen)
    own = None if found is None else (found.optimizer, found.clipping)
    rules = [rule for rule in (own, declared) if rule is not None]
    rows = [len(x) for x, _ in walk]
    faults = stepping.faults_of(seen, rows, rules, dtype, rng)
    known.twin = twin.with_(step_faults=faults)
    seen = update.Updates(tuple(stepping.as_received(seen.calls, faults, rows)), seen.after)
    stepped = update.identify_steps(seen, dtype, rng, declared, hints, own)
    if stepped is None or found is None:
        return stepped
    return replace(stepped, schedule=found.schedule)


def _by_steps_alone(
    known: Identified,
    twin: Twin,
    batches: Sequence[tuple[Array, Array]],
    rng: np.random.Generator,
    rules: Sequence[update.Rule],
    other: Conventions | None,
) -> update.FoundUpdate | None:
    """The rule behind whole steps that are all a side shows."""
    alone = whole_steps.identify(known.live, twin, batches, rng, known.draws, rules, other)
    if alone is None:
        return None
    known.twin = alone.twin
    if alone.wrong is not None:
        _see_gradient(known, alone.right, alone.wrong, rng)
    return alone.update


def _rule(conventions: Conventions) -> update.Rule | None:
    optimizer = conventions.optimizer
    if optimizer is None:
        return None
    scope = whole_steps.general(optimizer.decay_scope, conventions)
    return changed(optimizer, decay_scope=scope), conventions.clipping


def _see_gradient(
    known: Identified, correct: Twin, wrong: stepping.Wrong, rng: np.random.Generator
) -> None:
    """What the gradients, with which a rule repeats a side's steps, have wrong."""
    if wrong.twin.conventions.step_faults:
        return
    found = gradients_.identify(known.live, correct.conventions, wrong.probes, rng)
    if found.understood:
        known.gradient, known.gradient_probes = found, list(wrong.probes)
        known.missing.pop("gradient", None)


#: Gradients further than this from the twin's are others, whatever the noise.
OTHER = 1e-3


def _grown(known: Identified, seen: update.Updates, batches: Sequence[tuple[Array, Array]]) -> bool:
    """Whether gradients that the twin repeats at first are others after some steps."""
    twin, found = known.twin, known.gradient
    if twin is None or found is None or not found.understood or twin.dropout_layers():
        return False
    call, (x, y) = seen.calls[-1], batches[len(seen.calls) - 1]
    own = twin.evaluate(call.before, x, y).gradients
    return any(
        float(np.max(np.abs(own[n] - g))) > OTHER * float(np.max(np.abs(own[n])))
        for n, g in call.gradient.items()
    )


def _followed(
    known: Identified, twin: Twin, start: Values, walk: Sequence[tuple[Array, Array]]
) -> update.Updates | None:
    """Whole steps of the side, with the gradients it had at each."""
    followed = _follow_steps(known, twin, start, walk)
    if followed is None or not _grown(known, followed, walk):
        return followed
    known.side.reset()
    return _follow_steps(known, twin, start, walk, fresh=True)


def _follow_steps(
    known: Identified,
    twin: Twin,
    start: Values,
    batches: Sequence[tuple[Array, Array]],
    *,
    fresh: bool = False,
) -> update.Updates | None:
    """Whole steps of the side, with the gradients it had at each.

    ``fresh``: with those that it gives as it was built, whatever it kept since.
    """
    live = known.live
    native = live.parameters()
    live.set_parameters(twin.native(start, native))
    before = wide(twin.values(live.parameters()))
    calls, after = [], []
    for x, y in batches:
        draws = known.draws(live, x)
        saved = live.state()
        if not twin.conventions.trains and twin.conventions.loss is not None:
            # Its own gradients are asked for in training mode; its steps are in the other.
            gradient = twin.evaluate(before, x, y, training=False).gradients
        elif "gradients" in live.abilities:
            if fresh:
                live.restore(known.side.built)
                live.set_parameters(twin.native(before, native))
            gradient = twin_layout(twin, live.gradients(x, y, draws=fed(live, twin, draws)), native)
            live.restore(saved)
        elif twin.conventions.loss is not None:
            bare = twin.with_(penalties=())
            gradient = bare.evaluate(before, x, y, draws=draws).gradients
        else:
            return None
        live.step(x, y, draws=fed(live, twin, draws))
        calls.append(update.Call(before, wide(gradient)))
        before = wide(twin.values(live.parameters()))
        after.append(before)
    return update.Updates(tuple(calls), tuple(after))
