"""Runs each side twice from one state and sees whether it does the same.

Parameters, buffers, the side's own state and the global random streams are put back before
every run. What still varies comes from a generator that nobody seeds, from kernels that add in
no fixed order, or from state that the side does not hand over; the last shows as two fresh
builds that agree. Nothing downstream of such a place can be compared.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from netparity.diagnosis.sides import Pair, Side, Streams, disturb
from netparity.diagnosis.twin import Array, Values
from netparity.implementations.base import Implementation

#: Stages that a run which does not repeat itself leaves nothing to say of, in their order.
DRIVEN: Final = ("forward", "loss", "regularization", "gradient", "update", "reporting")

#: Any other numbers than those at hand.
SEED: Final = 4321

Look = Callable[[Implementation], Mapping[str, Array]]


@dataclass(frozen=True, slots=True)
class Varying:
    """Where a side first differs from itself.

    Attributes:
        which: left or right.
        stages: the stages that vary, in causal order; all of them where the forward pass does.
        where: the places that vary, the first of them first.
        before: the places before it that do not.
        difference: the largest difference, over the largest value there.
        dropped: whether it varies in training only, as dropout does.
        drawn: whether it repeats itself from the same random streams, and draws from them in
            inference mode, where nothing should be drawn.
    """

    which: str
    stages: tuple[str, ...]
    where: tuple[str, ...]
    before: tuple[str, ...]
    difference: float
    dropped: bool
    drawn: bool = False


@dataclass(frozen=True, slots=True)
class Repeated:
    """What came of running a side twice: where it varies, and what is worth a note."""

    varying: Varying | None = None
    note: str | None = None


def look(pair: Pair, side: Side, x: Array, y: Array | None) -> Repeated:
    """Runs a side twice from the same state, stage after stage."""
    note, varying = None, None
    for stage, trained, see in _looks(side.live, x, y):
        once, again = _again(side, see), _again(side, see)
        if once is None or again is None:
            continue
        where, difference = _apart(once, again)
        if not where and not trained:
            moved = _again(side, see, disturbed=True)
            where, difference = _apart(once, moved) if moved is not None else ((), 0.0)
            if difference > _half_of_the_digits(side.live):
                before = tuple(once)[: list(once).index(where[0])]
                drawn = Varying(side.which, DRIVEN, where, before, difference, False, drawn=True)
                return Repeated(drawn, note)
        if not where:
            continue
        if difference <= _half_of_the_digits(side.live):
            note = note or (
                f"{side.which} differs from itself by {difference:.1g} of its size in {where[0]} "
                "when it is run twice: rounding, in an order of summation that is not fixed"
            )
            continue
        if varying is not None:
            varying = replace(varying, stages=(*varying.stages, stage))
            continue
        if side.rebuilds and not _varies_anew(pair, side, see):
            note = _hidden(side, where[0])
            continue
        before = tuple(once)[: list(once).index(where[0])]
        stages = DRIVEN if stage == "forward" else (stage,)
        varying = Varying(side.which, stages, where, before, difference, trained)
        if stage == "forward":
            break
    return Repeated(varying, note)


def _hidden(side: Side, where: str) -> str:
    return (
        f"{side.which} keeps state that it does not hand over: {where} differs when it is run "
        "again, and not when it is built again; give it as state= or buffers="
    )


def _looks(live: Implementation, x: Array, y: Array | None) -> Iterator[tuple[str, bool, Look]]:
    """Stage after stage, whether it is in training, and the look itself."""
    yield "forward", False, lambda live: _forward(live, x, training=False)
    yield "forward", True, lambda live: _forward(live, x, training=True)
    if y is None:
        return
    targets = y
    if "loss" in live.abilities:
        yield "loss", True, lambda live: {"loss": np.asarray(live.loss(x, targets).total)}
    if "gradients" in live.abilities:
        yield "gradient", True, lambda live: live.gradients(x, targets)
    if "step" in live.abilities:
        yield "update", True, lambda live: _stepped(live, x, targets)


def _forward(live: Implementation, x: Array, *, training: bool) -> Values:
    found: Values = {}
    if "activations" in live.abilities:
        with contextlib.suppress(Exception):  # a look between the layers is a help, no stage
            found |= live.activations(x, training=training)
    return found | {"predictions": np.asarray(live.predict(x, training=training))}


def _stepped(live: Implementation, x: Array, y: Array) -> Values:
    live.step(x, y)
    return live.parameters()


def _again(side: Side, see: Look, *, disturbed: bool = False) -> Mapping[str, Array] | None:
    """What one look gives from the state handed over; nothing where it raises."""
    streams = Streams.capture(side.loaded)
    try:
        side.reset()
        if disturbed:
            disturb(side, SEED)
        return dict(see(side.live))
    except Exception:
        return None  # the stage itself will say so
    finally:
        side.reset()
        streams.restore()


def _varies_anew(pair: Pair, side: Side, see: Look) -> bool:
    """Whether two fresh builds, given the same parameters, differ as well."""
    values = side.live.parameters()
    seen = []
    for _ in range(2):
        live = pair.rebuild_only(side.which)
        live.set_parameters(values)
        streams = Streams.capture(side.loaded)
        try:
            seen.append(dict(see(live)))
        finally:
            streams.restore()
    return bool(_apart(*seen)[0])


def _apart(a: Mapping[str, Array], b: Mapping[str, Array]) -> tuple[tuple[str, ...], float]:
    """The places that differ in any bit, and the largest difference over the largest value."""
    where, largest = [], 0.0
    for name, value in a.items():
        other = b.get(name)
        if other is not None and np.array_equal(value, other, equal_nan=True):
            continue
        where.append(name)
        if other is None or np.shape(value) != np.shape(other):
            largest = float("inf")
            continue
        one, two = np.asarray(value, dtype=np.float64), np.asarray(other, dtype=np.float64)
        scale = float(np.max(np.abs(one), initial=0.0)) or 1.0
        apart = float(np.max(np.abs(one - two), initial=0.0)) / scale
        largest = max(largest, apart if np.isfinite(apart) else float("inf"))
    return tuple(where), largest


def _half_of_the_digits(live: Implementation) -> float:
    """No well-posed sum loses more than half of its digits to the order of its terms."""
    return float(np.sqrt(np.finfo(live.dtype).eps))
