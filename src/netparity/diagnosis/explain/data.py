"""What is fed: the values of the rows, which there are, and in which portions and order."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, Final

import numpy as np

from netparity.diagnosis import exchange as exchanges
from netparity.diagnosis import feeding, matching
from netparity.diagnosis.candidates import Both, Candidate, Change, Plan
from netparity.diagnosis.exchange import PARTS, Exchange
from netparity.diagnosis.explain.orders import beside, order, portions
from netparity.diagnosis.feeding import Fed
from netparity.report.model import Evidence

#: A fitted factor carries the rounding of both sides' means and deviations.
ULPS_OF_A_RATIO: Final = 4.0


def data(both: Both, exchange: Exchange) -> Iterator[Candidate]:
    """One candidate for each part in which the two sides feed otherwise.

    Where the parts found do not together turn right's feeding into left's, what is left is one
    difference of another order, or of unknown preparation.
    """
    parts = exchanges.differing(exchange)
    together = exchange.put_together(parts)
    if parts and not feeding.apart(exchange.left.batches, together).different:
        for part in parts:
            if part in _VALUES:
                yield _VALUES[part](both, exchange)
            elif part == "order":
                yield order(both, exchange, take(part))
            else:
                yield portions(part, both, exchange, take(part))
        return
    known = exchange.left.known and exchange.right.known
    yield order(both, exchange, take(*PARTS)) if known else _changed(both, exchange)


def take(*parts: str) -> Change:
    """A change that lets right feed these parts as left does."""

    def change(plan: Plan) -> Plan:
        return replace(plan, feeding=plan.feeding | set(parts))

    return change


# ---- values ------------------------------------------------------------------------------------
def _inputs(both: Both, exchange: Exchange) -> Candidate:
    one, two = exchange.shared()
    found = matching.map_between(one[0], two[0])
    if found is None or not found.holds:
        return _prepared(both, "inputs", found)
    factor = found.factor
    if factor is None or factor == 0:
        return _prepared(both, "inputs", found)
    for rows in dict.fromkeys((len(exchange.left.used), len(exchange.right.used))):
        ratio = float(np.sqrt(rows / (rows - 1))) if rows > 1 else 1.0
        slack = ULPS_OF_A_RATIO * found.floor
        if ratio - 1 > 2 * slack and abs(max(factor, 1 / factor) - ratio) <= slack:
            return _deviation(both, found, rows, factor)
    return _scaled(both, found, factor)


def _scaled(both: Both, found: matching.Map, factor: float) -> Candidate:
    shift = f" {found.level:+.6g}" if found.level else ""
    return Candidate(
        "pixel-scaling",
        "data",
        ("inputs",),
        "x",
        f"{factor:.6g}·x{shift}",
        f"What right feeds is {factor:.6g} times what left feeds{shift}, in every row and column.",
        (Evidence("right's inputs − (factor · left's + shift)", factor, 1.0, found.residual),),
        both.fix("pixel-scaling", left=_short(1 / factor), right=_short(factor)),
        take("inputs"),
    )


def _deviation(both: Both, found: matching.Map, rows: int, factor: float) -> Candidate:
    # The smaller deviation, divided by n, leaves the larger values.
    ddof = (1, 0) if factor > 1 else (0, 1)
    left, right = (f"divided by the deviation with n{' − 1' if d else ''}" for d in ddof)
    ratio = float(np.sqrt(rows / (rows - 1)))
    return Candidate(
        "std-ddof",
        "data",
        ("inputs",),
        left,
        right,
        f"Both standardize their inputs, by deviations of {rows} rows: left is {left}, right "
        f"{right}; all columns differ by √(n/(n−1)) = {ratio:.8g}.",
        (Evidence("right's inputs / left's, or its inverse", max(factor, 1 / factor), ratio,
                  found.residual),),
        both.fix("std-ddof", left=ddof[1], right=ddof[0]),
        take("inputs"),
    )  # fmt: skip


def _prepared(both: Both, what: str, found: matching.Map | None) -> Candidate:
    relation = "a scale and a shift of its own in each column"
    affine = found is not None and found.holds
    evidence = () if found is None else (
        Evidence(f"right's {what} − (scale · left's + shift), by column", None, 0.0,
                 found.residual),
    )  # fmt: skip
    return Candidate(
        "preprocessing",
        "data",
        (what,),
        f"{what} as left prepares them",
        f"{what} with {relation}" if affine else f"{what} prepared otherwise",
        f"The same rows reach the two networks with other {what}: "
        + (f"right's are left's with {relation}." if affine else "no scale and shift maps them."),
        evidence,
        both.fix("preprocessing", left="the right's", right="the left's"),
        take(what),
    )


def _targets(both: Both, exchange: Exchange) -> Candidate:
    one, two = exchange.shared()
    a, b = feeding.alike_targets(one[1], two[1])
    if a.shape == b.shape and _coded(a, b):
        said = _examples(a, b)
        return Candidate(
            "label-encoding",
            "data",
            ("targets",),
            said[0],
            said[1],
            f"The same classes are coded otherwise: where left feeds {said[0]}, right feeds "
            f"{said[1]}, each value of one for one value of the other.",
            (beside("values of the targets", said[0], said[1]),),
            both.fix("label-encoding", left=said[1], right=said[0]),
            take("targets"),
        )
    found = matching.map_between(one[1], two[1]) if one[1].shape == two[1].shape else None
    return _prepared(both, "targets", found)


def _coded(a: Any, b: Any) -> bool:
    """Whether few values of one stand for few values of the other, one for one."""
    one, two = matching.flat(a), matching.flat(b)
    pairs = {(tuple(p), tuple(q)) for p, q in zip(one, two, strict=True)}
    lefts, rights = {p for p, _ in pairs}, {q for _, q in pairs}
    few = len(pairs) <= max(2, len(one) // 2)
    return few and len(lefts) == len(rights) == len(pairs)


def _examples(a: Any, b: Any) -> tuple[str, str]:
    """Some values of one and, in their order, what stands for them in the other."""
    one, two = matching.flat(a), matching.flat(b)
    _, places = np.unique(one, axis=0, return_index=True)
    texts = []
    for values in (one, two):
        rows = [", ".join(f"{v:g}" for v in values[p]) for p in places[:3]]
        single = values.shape[1] == 1
        texts.append(", ".join(rows) if single else "; ".join(f"({row})" for row in rows))
    return texts[0], texts[1]


def _weights(both: Both, exchange: Exchange) -> Candidate:
    one, two = exchange.shared()
    said = [
        "all rows alike" if w is None else f"weights {w.min():.4g} to {w.max():.4g}"
        for w in (one[2], two[2])
    ]
    return Candidate(
        "preprocessing",
        "data",
        ("weights",),
        said[0],
        said[1],
        f"Beside the rows left feeds {said[0]}, right {said[1]}: the same rows count otherwise.",
        (beside("weights of the rows", said[0], said[1]),),
        both.fix("preprocessing", left="the right's weights", right="the left's weights"),
        take("weights"),
    )


def _changed(both: Both, exchange: Exchange) -> Candidate:
    """Rows that nobody knows: augmented, or prepared in a way that no map gives."""
    left, right = exchange.left, exchange.right
    return Candidate(
        "preprocessing",
        "data",
        ("inputs",),
        "rows as given" if left.known else "rows changed on the way",
        "rows as given" if right.known else "rows changed on the way",
        "What one side feeds are not rows of the data, nor these scaled and shifted: it encodes "
        "or augments them.",
        (beside("fed rows that are rows of the data", _share(left), _share(right)),),
        both.fix("preprocessing", left="the right's", right="the left's"),
        take(*PARTS),
    )


def _share(fed: Fed) -> float:
    rows = np.concatenate(fed.rows) if fed.rows else np.zeros(0)
    return float(np.mean(rows >= 0)) if len(rows) else 0.0


def _short(value: float) -> str:
    return f"{value:.8g}"


_VALUES: Final[dict[str, Callable[[Both, Exchange], Candidate]]] = {
    "inputs": _inputs,
    "targets": _targets,
    "weights": _weights,
}

__all__ = ["data", "take"]
