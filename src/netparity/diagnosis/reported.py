"""The reporting stage: what both sides print, and the parameters they hand over."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from netparity.conventions import Quantity
from netparity.diagnosis import reporting
from netparity.diagnosis.bench import Stage, not_checked, stage_of
from netparity.diagnosis.candidates import Both, Candidate
from netparity.diagnosis.feeding import in_order
from netparity.diagnosis.identify import Identified
from netparity.diagnosis.noise import Measure
from netparity.diagnosis.reporting import Series, _accuracy
from netparity.diagnosis.structure import two_dimensional
from netparity.diagnosis.twin import Array
from netparity.implementations.base import Implementation, Watched
from netparity.nn import L2
from netparity.report.model import Evidence, Fix

EPOCHS = 2


@dataclass(slots=True)
class Looked:
    """One side as watched: its run, its series, and what it hands over."""

    known: Identified
    live: Implementation
    watched: Watched | None
    series: Mapping[str, Series] = field(default_factory=dict)
    data: tuple[Array, Array] | None = None
    handed: _Handed | None = None


def look(
    known: Identified,
    live: Implementation,
    raw: tuple[Array, Array | None] | None,
    prepared: tuple[Array, Array | None],
    batch_size: int,
    limit: int,
) -> Looked:
    """Watches a fresh build run as its author runs it, and identifies what it prints.

    Args:
        known: the side as identified.
        live: a fresh build of it.
        raw: the data as its author has them.
        prepared: the same as the side makes them.
        batch_size: of its default feeding.
        limit: how many updates at most.
    """
    if raw is None or raw[1] is None or not {"report", "result"} & live.abilities:
        return Looked(known, live, None)
    x, y = raw[0], raw[1]
    rows = min(len(x), batch_size * max(1, limit // EPOCHS))
    x, y = x[:rows], y[:rows]
    epochs = max(EPOCHS, limit // max(1, len(in_order(x, y, batch_size))))
    if "batches" in live.abilities:
        epochs = limit
    watched = live.watch(x, y, epochs=epochs, batch_size=batch_size, limit=limit)
    series: dict[str, Series] = {}
    if watched.reported:
        decays = bool(known.conventions.penalties)
        drops = known.twin is None or bool(known.twin.dropout_layers())
        series = reporting.identify(live, watched, _penalty_of(known), decays=decays, drops=drops)
        live.restore(watched.states[-1])
    own, targets = prepared[0][:rows], prepared[1]
    data = None if targets is None else (own, targets[:rows])
    looked = Looked(known, live, watched, series, data)
    looked.handed = _handed(looked)
    return looked


def _penalty_of(known: Identified) -> Callable[[Implementation, int], float]:
    twin = known.twin

    def penalty(live: Implementation, rows: int) -> float:
        if twin is None or not known.loss_penalties:
            return 0.0
        values = twin.values(live.parameters())
        wide = {n: np.asarray(v, dtype=np.float64) for n, v in values.items()}
        return float(sum(p.value(wide, rows=rows) for p in known.loss_penalties))

    return penalty


def observe(left: Looked, right: Looked, *, alike: bool) -> tuple[Stage, list[Candidate], Both]:
    """Compares what the two sides report.

    Args:
        left: left as watched.
        right: right as watched.
        alike: whether the two runs are otherwise the same, so that the printed numbers
            themselves can be held against each other.
    """
    both = Both(left.known, right.known)
    measures: list[Measure] = []
    candidates: dict[str, Candidate] = {}
    proposed: Candidate | None
    reason = None
    if left.series and right.series:
        for one, two in reporting.pair_names(left.series, right.series):
            a, b = left.series[one], right.series[two]
            compared, found = _series(both, one, a, b, alike=alike)
            if compared is None:
                reason = f"what is printed as {one} fits no quantity that the side shows"
                continue
            measures.append(compared)
            for candidate in found:
                candidates[candidate.id] = _merged(candidates.get(candidate.id), candidate)
    elif left.series or right.series:
        silent = "right" if left.series else "left"
        reason = f"{silent} gives no report"
    results = list(_results(both, left, right))
    for measured, proposed in results:
        measures.append(measured)
        if proposed is not None:
            candidates[proposed.id] = proposed
    if not measures:
        return not_checked("reporting", reason or "neither side gives a report"), [], both
    return stage_of("reporting", measures, reason), list(candidates.values()), both


def _merged(old: Candidate | None, new: Candidate) -> Candidate:
    if old is None:
        return new
    return replace(old, where=(*old.where, *new.where), evidence=(*old.evidence, *new.evidence))


def _series(
    both: Both, name: str, left: Series, right: Series, *, alike: bool
) -> tuple[Measure | None, list[Candidate]]:
    rounding = max(left.rounding, right.rounding)
    if not left.fits and not right.fits:
        if alike and left.values.shape == right.values.shape:
            scale = float(np.max(np.abs(left.values), initial=0.0)) or 1.0
            apart = float(np.max(np.abs(left.values - right.values), initial=0.0)) / scale
            return Measure(name, apart, rounding), []
        return None, []
    pair = reporting.closest(left, right)
    odd = both.left if not left.fits else both.right
    if pair is None and "loss" not in odd.live.abilities:
        return None, []  # What is printed may be the loss: nobody can tell.
    if pair is not None and not pair[2]:
        return Measure(name, 0.0, rounding), []
    # Two quantities are two, however near their numbers happen to lie.
    measured = Measure(name, max(_distance(left, right), 2 * rounding), rounding)
    if pair is None:
        return measured, [_other(both, name, left, right)]
    return measured, list(_differing(both, name, left, right, *pair))


def _distance(left: Series, right: Series) -> float:
    """How far the printed value is from the nearest quantity both sides could have printed."""
    ends = [s for s in (left, right) if not s.fits]
    if ends and ends[0].nearest is not None:
        return float(ends[0].nearest[1]) * ends[0].rounding
    n = min(len(left.values), len(right.values))
    scale = float(np.max(np.abs(left.values[:n]), initial=0.0)) or 1.0
    return float(np.max(np.abs(left.values[:n] - right.values[:n]), initial=0.0)) / scale


def words(quantity: Quantity) -> str:
    """A quantity in words."""
    what: str = quantity.kind
    if quantity.factor != 1.0:
        what = f"{quantity.factor:g} × the {what}"
    parts = [what]
    if quantity.penalty:
        parts.append("with its penalty")
    parts.append(f"{quantity.moment} the update")
    if quantity.dropout != "none":
        parts.append(f"dropout {quantity.dropout}")
    parts.append(
        {
            "batch": "of the batch",
            "running": "running mean over the epoch",
            "epoch": "mean over the epoch's batches",
        }.get(quantity.average, "")
    )
    return ", ".join(p for p in parts if p)


def _differing(
    both: Both,
    name: str,
    left: Series,
    right: Series,
    a: Quantity,
    b: Quantity,
    fields: tuple[str, ...],
) -> Iterator[Candidate]:
    evidence = (
        Evidence(f"left's {left.name} is: {words(a)}", 1.0, 1.0, _residual(left, a)),
        Evidence(f"right's {right.name} is: {words(b)}", 1.0, 1.0, _residual(right, b)),
    )
    ids: dict[str, str] = {}
    for f in fields:
        id = {
            "moment": "train-loss-running-average",
            "average": "train-loss-running-average",
            "dropout": "train-metrics-dropout-on",
            "penalty": "penalty-in-reported-loss",
        }.get(f, "reported-quantity")
        ids.setdefault(id, f)
    statements = {
        "train-loss-running-average": (
            f"Left reports its {name} {a.moment} each update, right {b.moment}"
            f" ({_average(a)} against {_average(b)})."
        ),
        "train-metrics-dropout-on": (
            f"Left reports its {name} with dropout {a.dropout}, right with dropout {b.dropout}."
        ),
        "penalty-in-reported-loss": (
            f"Left's reported {name} is {'with' if a.penalty else 'without'} the penalty, "
            f"right's {'with' if b.penalty else 'without'} it."
        ),
        "reported-quantity": (
            f"Left reports {words(a)}; right reports {words(b)}, each relative to its own loss."
        ),
    }
    decay = [
        max(
            (
                2 * p.factor * p.coefficient
                for p in k.conventions.penalties or ()
                if isinstance(p, L2)
            ),
            default=0.0,
        )
        for k in (both.left, both.right)
    ]
    for id in ids:
        values = (words(b), words(a))
        if id == "train-metrics-dropout-on":
            # What a graph's keep probability is fed while it is looked at.
            values = _keep(b), _keep(a)
        if id == "penalty-in-reported-loss":
            values = (f"{decay[0] / 2:g}", f"{decay[1] / 2:g}")
        yield Candidate(
            id,
            "reporting",
            (name,),
            words(a),
            words(b),
            statements[id],
            evidence,
            both.fix(id, left=values[0], right=values[1]),
            verified="live",
            residual=max(_residual(left, a), _residual(right, b)),
            floor=max(left.rounding, right.rounding),
        )


def _keep(quantity: Quantity) -> str:
    return "1.0" if quantity.dropout == "off" else "kept_in_training"


def _average(quantity: Quantity) -> str:
    return {"batch": "of that batch", "running": "running mean", "epoch": "mean over the epoch"}[
        quantity.average
    ]


def _residual(series: Series, quantity: Quantity) -> float:
    for fitted, residual in series.fits:
        if fitted == quantity:
            return residual * series.rounding
    return float("inf")


def _other(both: Both, name: str, left: Series, right: Series) -> Candidate:
    odd, even = (left, right) if not left.fits else (right, left)
    side = "left" if odd is left else "right"
    known = words(even.fits[0][0])
    nearest, residual = odd.nearest or (Quantity("other"), float("inf"))
    relative = residual * odd.rounding
    texts = {side: "another quantity", "right" if side == "left" else "left": known}
    return Candidate(
        "reported-quantity",
        "reporting",
        (name,),
        texts["left"],
        texts["right"],
        f"What {side} prints as {odd.name} is not the loss it trains on, in any form: the "
        f"nearest, {words(nearest)}, is {relative:.2g} away relative to its size. The other side "
        f"prints {known}.",
        (
            Evidence(f"{side}'s {odd.name} − {words(nearest)}, relative", relative, 0.0, relative),
            Evidence(
                f"the other side's {even.name} is: {known}",
                1.0,
                1.0,
                _residual(even, even.fits[0][0]),
            ),
        ),
        both.fix(
            "reported-quantity",
            left="the loss that is trained on",
            right="the loss that is trained on",
        ),
        verified="live",
        residual=_residual(even, even.fits[0][0]),
        floor=even.rounding,
    )


# ---- the parameters handed over ----------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class _Handed:
    last: float
    best: float | None
    best_epoch: int | None
    epochs: int
    aliased: bool | None


def _results(both: Both, left: Looked, right: Looked) -> Iterator[tuple[Measure, Candidate | None]]:
    handed = [left.handed, right.handed]
    for index, (side, mine) in enumerate(zip((left, right), handed, strict=True)):
        other = handed[1 - index]
        if mine is None or mine.best is None or mine.best_epoch is None:
            continue
        if not (mine.aliased and mine.last == 0.0 and mine.best > 0.0):
            continue
        if other is not None and other.aliased and other.last == 0.0:
            continue
        which = side.known.side.which
        texts = {
            which: "the live parameters",
            "right" if which == "left" else "left": "a copy of its best"
            if other is not None and other.best == 0.0
            else "not aliased",
        }
        fix = both.fix("best-parameters-aliased", left=None, right=None)
        yield (
            Measure(f"{which}: result", mine.best, 0.0),
            Candidate(
                "best-parameters-aliased",
                "reporting",
                ("result",),
                texts["left"],
                texts["right"],
                f"Bug on the {which}: what it hands over as its best parameters (best on the rows "
                f"held out after epoch {mine.best_epoch} of {mine.epochs}) are the live "
                "arrays, which "
                "later updates went on to change; it hands over the last ones.",
                (
                    Evidence(
                        "result − parameters after the last update", mine.last, 0.0, mine.last
                    ),
                    Evidence(
                        f"result − parameters after epoch {mine.best_epoch}, largest difference",
                        mine.best,
                        0.0,
                        None,
                    ),
                    Evidence("a copy taken at that epoch − parameters after it", 0.0, 0.0, 0.0),
                ),
                Fix(fix.left, None) if which == "left" else Fix(None, fix.right),
                verified="live",
                residual=0.0,
                floor=0.0,
                side=which,
            ),
        )


def _handed(side: Looked) -> _Handed | None:
    """What a side handed over, against its last parameters and those best on the held-out rows."""
    watched, live = side.watched, side.live
    if watched is None or not watched.results:
        return None
    result = watched.results[-1][1]
    saved = live.state()
    try:
        live.restore(watched.states[-1])
        last = _apart(result, live.parameters())
        ends = [s for s, _ in watched.results]
        if "validation" not in live.abilities or side.data is None:
            return _Handed(last, None, None, len(ends), watched.aliased)
        scores = []
        for end in ends:
            live.restore(watched.states[end])
            x, y = live.validation(*side.data)
            scores.append(_accuracy(two_dimensional(live.predict(x)), y))
        best = int(np.argmax(scores))
        live.restore(watched.states[ends[best]])
        return _Handed(
            last, _apart(result, live.parameters()), best + 1, len(ends), watched.aliased
        )
    finally:
        live.restore(saved)


def _apart(result: Mapping[str, Array], parameters: Mapping[str, Array]) -> float:
    shared = [n for n in result if n in parameters]
    if not shared:
        return float("nan")
    return max(
        float(np.max(np.abs(np.asarray(result[n], dtype=np.float64) - parameters[n]), initial=0.0))
        for n in shared
    )
