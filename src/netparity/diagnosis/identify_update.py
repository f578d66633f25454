"""Identifies a side's update rule: by its updates alone, and by its whole steps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from netparity.conventions import Conventions, changed
from netparity.diagnosis import gradient as gradients_
from netparity.diagnosis import stepping, update, whole_steps
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
    twin = known.twin
    if twin is None:
        return
    live = known.live
    if not {"update", "step"} & live.abilities:
        known.missing["update"] = f"{known.side.which} has neither update nor step"
        return
    declared = _rule(known.declared)
    guess = None if other is None else _rule(other)
    hints = [] if guess is None else [guess]
    start = probe_parameters(twin, rng)
    found = None
    if "update" in live.abilities:
        made = update.feed(live, twin, update.calls_to_make(start, rng))
        made = update.at_rates(made, known.declared)
        seen, _ = whole_steps.without_frozen(made, live.dtype)
        found = update.identify(seen, live.dtype, rng, declared, hints)
        known.side.reset()
    stepped = None
    # Gradients that pile up whenever they are asked for cannot be followed beside the steps.
    follows = not any(p.piled for p in known.gradient_probes)
    if "step" in live.abilities and "training" not in known.missing and follows:
        own = None if found is None else (found.optimizer, found.clipping)
        if "update" in live.abilities:
            walk = (*batches, *batches)[: update.STEPS]
            rows = [len(x) for x, _ in walk]
            followed = _follow_steps(known, twin, start, walk)
            if followed is not None and _grown(known, followed, walk):
                known.side.reset()
                followed = _follow_steps(known, twin, start, walk, fresh=True)
            if followed is not None:
                said = known.declared
                if found is not None and found.schedule is not None:
                    said = replace(said, schedule=found.schedule)
                followed = update.at_rates(followed, said)
                followed, frozen = whole_steps.without_frozen(followed, live.dtype)
                if frozen and "gradients" in live.abilities:
                    known.twin = twin = twin.with_(frozen=frozen)
                rules = [rule for rule in (own, declared) if rule is not None]
                faults = stepping.faults_of(followed, rows, rules, live.dtype, rng)
                known.twin = twin.with_(step_faults=faults)
                calls = stepping.received(followed.calls, faults, rows)
                followed = update.Updates(tuple(calls), followed.after)
                stepped = update.identify_steps(followed, live.dtype, rng, declared, hints, own)
                if stepped is not None and found is not None:
                    stepped = replace(stepped, schedule=found.schedule)
        else:
            rules = [rule for rule in (declared, *hints) if rule is not None]
            alone = whole_steps.identify(live, twin, batches, rng, known.draws, rules, other)
            if alone is not None:
                stepped, known.twin = alone.update, alone.twin
                if alone.wrong is not None:
                    _see_gradient(known, alone.right, alone.wrong, rng)
    known.update = stepped or found
    if stepped is not None and known.gradient is None and "loss" in known.checks:
        known.checks["gradient through step"] = stepped.measures
    if known.update is None:
        known.missing["update"] = f"no known update rule repeats that of {known.side.which}"
        return
    known.checks["update"] = known.update.measures


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
            gradient = gradients_.twin_layout(
                twin, live.gradients(x, y, draws=fed(live, twin, draws)), native
            )
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
