"""What can be compared where no network could be found behind a side.

Without a twin the stages are held against each other live, with the noise measured by
moving the parameters by one unit in the last place; nothing is named, only located.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from netparity import __version__, environment
from netparity.diagnosis import conclude, observe, unguided
from netparity.diagnosis.bench import Stage, not_checked, stage_of
from netparity.diagnosis.candidates import Both
from netparity.diagnosis.identify import Identified
from netparity.diagnosis.native import NativePairing, pair_natively
from netparity.diagnosis.noise import Measure, channel_rms, coarser, measure
from netparity.diagnosis.probes import probe_values
from netparity.diagnosis.sides import Pair
from netparity.diagnosis.structure import two_dimensional
from netparity.diagnosis.twin import Array, Values
from netparity.errors import CannotError, InputError
from netparity.implementations.base import Implementation
from netparity.report.model import (
    STAGES,
    Cause,
    Divergence,
    Gap,
    Measured,
    Picture,
    Report,
    Unexplained,
    Verdict,
)

#: Runs with every parameter moved by one ulp, and the factor of every noise floor.
RUNS, FACTOR, ULPS = 6, 10.0, 4.0


def compare(
    pair: Pair,
    left: Identified,
    right: Identified,
    x: Array,
    y: Array | None,
    *,
    steps: int,
    batch_size: int,
    rng: np.random.Generator,
    pairs: Mapping[str, str],
    told: Any,
) -> Report:
    """Locates differences stage by stage, without twins."""
    told.stage("compare without twins", 0.5)
    stages: dict[str, Stage] = {}
    failures: dict[str, str] = {}
    pairing = pair_natively(left, right, pairs)
    if pairing is None:
        stages["structure"] = not_checked("structure", "no parameter could be paired")
    else:
        lone = [f"left: {n}" for n in pairing.left_only]
        lone += [f"right: {n}" for n in pairing.right_only]
        stages["structure"] = stage_of(
            "structure",
            [Measure(n, 0.0, 0.0) for n in pairing.names]
            + [Measure(n, float("inf"), 0.0) for n in lone],
        )
        left.notes.extend(pairing.notes)
        if pairing.complete:
            stages["init"] = _init(left, right, pairing)
            rows = min(len(x), batch_size)
            targets = None if y is None else y[:rows]
            stages |= _driven(left, right, pairing, x[:rows], targets, rng, failures)
        else:
            # Not the same parameters on both sides: what differs further on, differs by that.
            reason = "not every parameter has a partner"
            for stage in ("init", "forward", "loss", "gradient", "update"):
                stages[stage] = not_checked(stage, reason)
    causes, gap = _watched(pair, left, right, stages, failures, steps, batch_size, rng)
    if pairing is None:
        # Two sides of which no parameter pairs may be fed alike: that is no comparison of them.
        stages, failures, causes = {"structure": stages["structure"]}, {}, []
    for side in pair.sides():
        side.reset()
    return _report(left, right, stages, failures, causes, gap)


def _watched(
    pair: Pair,
    left: Identified,
    right: Identified,
    stages: dict[str, Stage],
    failures: dict[str, str],
    steps: int,
    batch_size: int,
    rng: np.random.Generator,
) -> tuple[list[Cause], Gap]:
    """What both feed, with its causes, and the gap of their free runs."""
    nothing = Gap(unguided.METRIC, None, None, None, 0, None)
    if pair.data["left"][1] is None:
        return [], nothing
    place = "data"
    causes: list[Cause] = []
    try:
        exchange = unguided.watch_both(pair, batch_size, steps)
        stages["data"] = observe.data(exchange)
        if stages["data"].status == "different":
            causes = unguided.data_causes(Both(left, right), exchange)
        place = "update"
        gone = unguided.let_go(pair, left, right, exchange, steps, rng)
    except unguided.SideError as error:
        stages[place] = not_checked(place, str(error))
        failures[place] = str(error)
        return causes, nothing
    if gone is None:
        return causes, nothing
    equal = not any(s.status == "different" for s in stages.values())
    if gone.parted and equal and not unguided.rounds_constants(left, right):
        failures["update"] = "the free run: the sides part, and no stage that was compared differs"
    return causes, gone.gap


def _init(left: Identified, right: Identified, pairing: NativePairing) -> Stage:
    a, b = left.live.parameters(), right.live.parameters()
    moved = pairing.to_right(a, b)
    ulp = float(np.finfo(coarser(left.live.dtype, right.live.dtype)).eps)
    measures = [
        measure(moved[n], b[n], FACTOR * ULPS * ulp * channel_rms(b[n]), b[n], n) for n in moved
    ]
    return stage_of("init", measures)


def _driven(
    left: Identified,
    right: Identified,
    pairing: NativePairing,
    x: Array,
    y: Array | None,
    rng: np.random.Generator,
    failures: dict[str, str],
) -> dict[str, Stage]:
    """Forward pass, loss and gradients of both, from the same parameters.

    Where one side raises, the stage is not checked, and ``failures`` says why.
    """
    values = probe_values(left.live.parameters(), rng)
    looks: dict[str, Callable[[Implementation], Array | Values]] = {
        "forward": lambda live: two_dimensional(live.predict(x))
    }
    if y is not None:
        targets = y
        looks["loss"] = lambda live: np.asarray(live.loss(x, targets).total)
        looks["gradient"] = lambda live: live.gradients(x, targets)
    if all("update" in k.live.abilities for k in (left, right)):
        given = unguided.given_gradients(values, rng)
        theirs = unguided.in_right(given, pairing, right.live.parameters())
        looks["update"] = lambda live: unguided.updated(
            live, given if live is left.live else theirs
        )
    stages = {}
    for stage, look in looks.items():
        try:
            stages[stage] = _compared(stage, left, right, pairing, values, look, rng)
        except CannotError as error:
            stages[stage] = not_checked(stage, f"a side has no {error}")
        except _RaisedError as error:
            stages[stage] = not_checked(stage, str(error))
            if error.alone:
                failures[stage] = str(error)
    return stages


class _RaisedError(Exception):
    """A side raised while it was driven; ``alone`` where the other did not."""

    def __init__(self, reasons: Sequence[str]) -> None:
        super().__init__("; ".join(reasons))
        self.alone = len(reasons) == 1


def _compared(
    stage: str,
    left: Identified,
    right: Identified,
    pairing: NativePairing,
    values: Values,
    look: Callable[[Implementation], Any],
    rng: np.random.Generator,
) -> Stage:
    def at(live: Implementation, parameters: Values) -> Any:
        saved = live.state()
        try:
            live.set_parameters(parameters)
            return look(live)
        finally:
            live.restore(saved)

    like = right.live.parameters()
    seen, reasons = [], []
    for known, own in ((left, values), (right, pairing.to_right(values, like))):
        try:
            seen.append(at(known.live, own))
        except (CannotError, InputError):
            raise
        except Exception as error:
            reasons.append(f"{known.side.which} raised {type(error).__name__}: {error}")
    if reasons:
        raise _RaisedError(reasons)
    a, b = seen
    noise = [at(left.live, _moved(values, rng)) for _ in range(RUNS)]
    ulp = float(np.finfo(coarser(left.live.dtype, right.live.dtype)).eps)
    if not isinstance(a, dict):
        floor = FACTOR * np.maximum(
            np.max([np.abs(n - a) for n in noise], axis=0), ULPS * ulp * channel_rms(np.asarray(a))
        )
        return stage_of(stage, [measure(a, b, floor, a, "predictions")])
    measures = []
    names = {n: m for n, (m, _) in pairing.names.items() if n in a and m in b}
    for name, other in names.items():
        single = NativePairing({name: pairing.names[name]})
        turned = single.to_right({name: a[name]}, b)[other]
        spread = np.max(
            [np.abs(single.to_right({name: n[name]}, b)[other] - turned) for n in noise], axis=0
        )
        floor = FACTOR * np.maximum(spread, ULPS * ulp * channel_rms(turned))
        if stage == "update" and unguided.rounds_constants(left, right):
            start = single.to_right({name: values[name]}, b)[other]
            floor = floor + unguided.ROUNDED * np.abs(turned - start)
        measures.append(measure(turned, b[other], floor, turned, name))
    return stage_of(stage, measures)


def _moved(values: Values, rng: np.random.Generator) -> Values:
    return {
        n: np.nextafter(v, np.where(rng.random(v.shape) < 0.5, -np.inf, np.inf).astype(v.dtype))
        for n, v in values.items()
    }


def _split_up(left: Identified, right: Identified) -> list[str]:
    """What to do with a side that keeps all its parameters in one vector."""
    advice = []
    for known, other in ((left, right), (right, left)):
        arrays, theirs = known.live.parameters(), other.live.parameters()
        size = sum(np.size(array) for array in theirs.values())
        for name, array in arrays.items() if len(arrays) == 1 < len(theirs) else ():
            if np.ndim(array) == 1 and np.size(array) == size:
                advice.append(
                    f"{known.side.which} keeps all its parameters in one vector, {name}: hand over "
                    f'views of it, parameters={{"W1": {name}[:n].reshape(…), …}}, which stay live '
                    "while it is changed in place, and give the gradients by the same names."
                )
    return advice


def _report(
    left: Identified,
    right: Identified,
    stages: Mapping[str, Stage],
    failures: Mapping[str, str],
    causes: Sequence[Cause],
    gap: Gap,
) -> Report:
    results = tuple(conclude.stage_result(stages, name) for name in STAGES)
    unexplained = tuple(
        Unexplained(name, stage.worst.where, stage.worst.difference, stage.worst.floor)
        for name, stage in stages.items()
        if stage.status == "different"
        and stage.worst is not None
        and not any(c.stage == name for c in causes)
    ) + tuple(Unexplained(stage, reason, None, None) for stage, reason in failures.items())
    compared = any(s.status != "not-checked" for s in results)
    verdict: Verdict = "incomparable"
    if compared:
        verdict = "divergent" if unexplained or causes else "parity"
    reasons = [f"{k.side.which}, {s}: {why}" for k in (left, right) for s, why in k.missing.items()]
    order = [(n, stages[n]) for n in STAGES if n in stages]
    first = next(((n, s.worst) for n, s in order if s.status == "different" and s.worst), None)
    return Report(
        version=__version__,
        verdict=verdict,
        explained=compared and not unexplained,
        left=conclude.summary(left),
        right=conclude.summary(right),
        gap=gap,
        first_divergence=None
        if first is None
        else Divergence(first[0], first[1].where, None, first[1].difference, first[1].floor),
        stages=results,
        causes=tuple(causes),
        unexplained=unexplained,
        environment=environment.describe(),
        notes=tuple(dict.fromkeys((*left.notes, *right.notes, *reasons))),
        advice=(
            *_split_up(left, right),
            "Give more of the sides away (loss, gradients, step, activations) to name causes.",
        ),
        picture=Picture(
            None,
            tuple(
                Measured(n, m.where, m.difference, m.floor)
                for n, s in stages.items()
                for m in s.measures
            ),
        ),
    )
