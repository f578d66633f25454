"""What a whole step of a side does to its gradients before its update rule gets them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from netparity.conventions import Factored, Piled, StepFault
from netparity.diagnosis import update
from netparity.diagnosis.backward import FACTOR_PRECISION, masked_backward, pull_of, slope_guesses
from netparity.diagnosis.faulty import received
from netparity.diagnosis.gradient_probes import Probe
from netparity.diagnosis.snapping import snap
from netparity.diagnosis.twin import Twin, Values


def as_received(
    calls: Sequence[update.Call], faults: Sequence[StepFault], rows: Sequence[int]
) -> list[update.Call]:
    """The calls with the gradients as they come to the rule.

    Args:
        calls: steps in a row, with the gradients of the backward pass.
        faults: what happens to these on the way.
        rows: of each step's batch.
    """
    found, kept = [], dict[str, Any]()
    for call, count in zip(calls, rows, strict=True):
        kept = received(call.gradient, faults, count, kept)
        found.append(replace(call, gradient=kept))
    return found


def faults_of(
    seen: update.Updates,
    rows: Sequence[int],
    rules: Sequence[update.Rule],
    dtype: np.dtype[Any],
    rng: np.random.Generator,
) -> tuple[StepFault, ...]:
    """The mistake with which a known rule repeats whole steps, where it does not without.

    Args:
        seen: the steps, with the gradients that the side shows at each.
        rows: of each step's batch.
        rules: what the side declares, and what its update does by itself.
        dtype: the width of the side.
        rng: for samples and noise.
    """

    def repeats(rule: update.Rule, faults: Sequence[StepFault]) -> bool:
        with np.errstate(all="ignore"):
            asked = update.Updates(tuple(as_received(seen.calls, faults, rows)), seen.after)
            measures = update.confirm(rule[0], asked, dtype, rng, rule[1])
        return bool(measures) and not any(m.different for m in measures)

    if not rules or any(repeats(rule, ()) for rule in rules):
        return ()
    for rule in rules:
        for faults in _guesses(seen, rows, rule, dtype):
            if repeats(rule, faults):
                return faults
    return ()


@dataclass(frozen=True, slots=True)
class Wrong:
    """A twin with a mistake in its gradients, with which a known rule repeats a side's steps.

    Attributes:
        twin: with the mistake.
        update: the rule.
        probes: the steps, with the gradients that it makes of them.
    """

    twin: Twin
    update: update.FoundUpdate
    probes: tuple[Probe, ...]


def wrong_twin(
    twin: Twin,
    seen: update.Updates,
    probes: Sequence[Probe],
    rules: Sequence[update.Rule],
    dtype: np.dtype[Any],
    rng: np.random.Generator,
) -> Wrong | None:
    """The mistake with which a rule repeats steps of a side that shows these alone.

    Args:
        twin: with the right gradients.
        seen: the steps, with these gradients.
        probes: the same steps: where, on what, with which masks.
        rules: what the side declares, and the other side's.
        dtype: the width of the side.
        rng: for samples and noise.
    """
    rows = [len(p.x) for p in probes]

    def repeated(guess: Twin) -> Wrong | None:
        made = tuple(_with_gradients(guess, p, seen.names) for p in probes)
        calls = [replace(c, gradient=p.gradients) for c, p in zip(seen.calls, made, strict=True)]
        with np.errstate(all="ignore"):
            asked = as_received(calls, guess.conventions.step_faults, rows)
            for rule, clipping in rules:
                updates = update.Updates(tuple(asked), seen.after)
                measures = update.confirm(rule, updates, dtype, rng, clipping)
                if measures and not any(m.different for m in measures):
                    found = update.FoundUpdate(
                        rule, tuple(measures), declared=False, clipping=clipping
                    )
                    moving = (m for m, p in zip(made, probes, strict=True) if _moves(p))
                    return Wrong(guess, found, tuple(moving))
        return None

    if not rules or repeated(twin) is not None:
        return None
    return next((w for guess in _mistaken(twin) if (w := repeated(guess)) is not None), None)


def _mistaken(twin: Twin) -> Iterator[Twin]:
    """The twin with each of the mistakes that are made in gradients."""
    conventions = twin.conventions
    yield twin.with_(step_faults=(Piled(),))
    unmasked = masked_backward(conventions, masked=False)
    if unmasked != conventions:
        yield Twin(unmasked)
    for slopes in slope_guesses(conventions):
        yield twin.with_(faults=slopes)


def _with_gradients(twin: Twin, probe: Probe, names: Sequence[str]) -> Probe:
    """A step with the gradients that a twin makes of it; the penalty's where the data has none."""
    if not _moves(probe):
        pull = pull_of(twin.conventions, probe)
        return replace(probe, gradients={n: pull.get(n, probe.gradients[n]) for n in names})
    made = twin.evaluate(probe.values, probe.x, probe.y, draws=probe.draws).gradients
    return replace(probe, gradients={n: made[n] for n in names})


def _moves(probe: Probe) -> bool:
    return any(np.any(g != 0) for g in probe.gradients.values())


def _guesses(
    seen: update.Updates, rows: Sequence[int], rule: update.Rule, dtype: np.dtype[Any]
) -> Iterator[tuple[StepFault, ...]]:
    yield (Piled(),)
    first = update.repeat(rule[0], seen.calls[:1], rule[1])[0]
    own, theirs = (_moved(after, seen.calls[0]) for after in (first, seen.after[0]))
    square = float(own @ own)
    ratio = float(own @ theirs) / square if square else 0.0
    if not ratio or not np.isfinite(ratio):
        return
    for power in (0, 1, -1):
        factor = snap(ratio / float(rows[0]) ** power, dtype)
        if power or abs(factor - 1) > FACTOR_PRECISION:
            yield (Factored(factor, rows_power=power),)
            yield (Factored(factor, rows_power=power), Piled())


def _moved(after: Values, call: update.Call) -> Any:
    return np.concatenate([np.ravel(after[n] - call.before[n]) for n in call.gradient])
