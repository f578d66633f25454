"""What a whole step of a side does to its gradients before its update rule gets them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np

from netparity.conventions import Factored, Piled, StepFault
from netparity.diagnosis import update
from netparity.diagnosis.faulty import received as received_
from netparity.diagnosis.snapping import snap
from netparity.diagnosis.twin import Values

#: A factor this near to 1 is none: what a ratio of float32 steps can tell from 1.
FACTOR_PRECISION: Final = 1e-4


def received(
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
        kept = received_(call.gradient, faults, count, kept)
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
            asked = update.Updates(tuple(received(seen.calls, faults, rows)), seen.after)
            measures = update.confirm(rule[0], asked, dtype, rng, rule[1])
        return bool(measures) and not any(m.different for m in measures)

    if not rules or any(repeats(rule, ()) for rule in rules):
        return ()
    for rule in rules:
        for faults in _guesses(seen, rows, rule, dtype):
            if repeats(rule, faults):
                return faults
    return ()


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
