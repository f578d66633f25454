"""Which rows come, in which portions, in which order and for how long."""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np

from netparity.diagnosis.candidates import Both, Candidate, Change
from netparity.diagnosis.exchange import Exchange
from netparity.diagnosis.feeding import Fed
from netparity.diagnosis.identify import Identified
from netparity.report.model import Evidence

ORDERS: Final = {
    "sequential": "in order",
    "shuffled": "shuffled, each row once an epoch",
    "replacement": "drawn with replacement",
}
#: What each framework's own feeding does where nothing is said: order, rows of a batch.
DEFAULTS: Final[dict[str, tuple[str, int]]] = {
    "torch": ("sequential", 1),
    "keras": ("shuffled", 32),
    "sklearn": ("shuffled", 200),
}
#: So rarely a permutation without a buffer looks as if it had one.
CHANCE: Final = math.log(1e-6)


def beside(relation: str, left: Any, right: Any) -> Evidence:
    """What was measured on left against what was measured on right."""
    return Evidence(f"{relation}, left against right", left, right, None)


def portions(part: str, both: Both, exchange: Exchange, change: Change) -> Candidate:
    """The rows that are used, the size of a batch, the last partial one, or the epochs."""
    make = {"rows": _rows, "size": _size, "partial": _partial, "epochs": _epochs}[part]
    return make(both, exchange.left, exchange.right, change)


def _size(both: Both, left: Fed, right: Fed, change: Change) -> Candidate:
    a, b = left.feeding.batch_size, right.feeding.batch_size
    pairs = ((both.left, left), (both.right, right))
    own = [
        k.live.framework in DEFAULTS
        and fed.feeding.batch_size == min(DEFAULTS[k.live.framework][1], len(fed.used))
        for k, fed in pairs
    ]
    id = "batch-size-default" if all(own) else "batch-size-value"
    return Candidate(
        id,
        "data",
        ("batches",),
        f"{a} rows",
        f"{b} rows",
        f"Left feeds {a} rows a batch, right {b}"
        + (": each what its framework takes where nothing is said." if all(own) else "."),
        (beside("rows in a batch", a, b),),
        both.fix(id, left=b, right=a),
        change,
    )


def _partial(both: Both, left: Fed, right: Fed, change: Change) -> Candidate:
    a, b = left.feeding.partial, right.feeding.partial
    return Candidate(
        "partial-batch-kept",
        "data",
        ("batches",),
        a,
        b,
        f"The last, smaller batch of an epoch is {_fate(a)} on the left and {_fate(b)} on the "
        "right.",
        (beside("batches in one epoch", left.epochs.count(0), right.epochs.count(0)),),
        both.fix("partial-batch-kept", left=b == "dropped", right=a == "dropped"),
        change,
        also=("validation-split-tail",) if _looks_held(left, right) else (),
    )


def _looks_held(left: Fed, right: Fed) -> bool:
    """Whether the dropped rows are the last of the data: they may as well be held out."""
    cut = left if left.feeding.partial == "dropped" else right
    return cut.feeding.order == "sequential"


def _fate(partial: str) -> str:
    return "not there (the batches divide the rows)" if partial == "none" else partial


def _epochs(both: Both, left: Fed, right: Fed, change: Change) -> Candidate:
    counts = [len(set(fed.epochs)) for fed in (left, right)]
    said = [
        f"stops after {_count(count, 'epoch')} ({_count(len(fed.batches), 'batch')})"
        if fed.ended
        else f"goes on after {_count(count, 'epoch')}"
        for count, fed in zip(counts, (left, right), strict=True)
    ]
    return Candidate(
        "epochs-value",
        "data",
        ("epochs",),
        said[0],
        said[1],
        f"The sides train for other times: left {said[0]}, right {said[1]}.",
        (beside("batches fed", len(left.batches), len(right.batches)),),
        both.fix("epochs-value", left=counts[1], right=counts[0]),
        change,
    )


def _count(number: int, what: str) -> str:
    plural = "batches" if what == "batch" else f"{what}s"
    return f"{number} {what if number == 1 else plural}"


def _rows(both: Both, left: Fed, right: Fed, change: Change) -> Candidate:
    said = []
    for fed in (left, right):
        missing = sorted(set(range(fed.total)) - fed.used)
        if not missing:
            said.append("all rows")
        elif missing == list(range(fed.total - len(missing), fed.total)):
            said.append(f"all but the last {len(missing)} rows")
        else:
            said.append(f"all but {len(missing)} rows from anywhere")
    shared = len(left.used & right.used)
    return Candidate(
        "validation-split-tail",
        "data",
        ("rows",),
        said[0],
        said[1],
        f"The sides hold other rows out of the training: left feeds {said[0]}, right {said[1]}; "
        f"{shared} of {left.total} rows are fed by both.",
        (beside("rows of the data that are fed", len(left.used), len(right.used)),),
        both.fix("validation-split-tail", left="the right's rows", right="the left's rows"),
        change,
    )


# ---- order -------------------------------------------------------------------------------------
def order(both: Both, exchange: Exchange, change: Change) -> Candidate:
    """The order of the rows: what made each side's, and what it is called."""
    left, right = exchange.left, exchange.right
    kinds = [fed.feeding.order for fed in (left, right)]
    said = [_words(fed) for fed in (left, right)]
    id, also = _name(both, left, right)
    value: dict[str, Any] = {"left": _wanted(id, right), "right": _wanted(id, left)}
    if id == "sampling-with-replacement":
        statement = (
            f"Left feeds rows {said[0]}, right {said[1]}: in one epoch left covers "
            f"{_coverage(left):.0%} of the rows, right {_coverage(right):.0%}."
        )
    else:
        statement = f"The same rows in another order: left {said[0]}, right {said[1]}."
    evidence = [beside("share of the rows seen in one epoch", _coverage(left), _coverage(right))]
    if "replacement" in kinds:
        evidence.append(
            beside("rows fed twice or more in one epoch", _repeats(left), _repeats(right))
        )
    if id in {"shuffle-reshuffle", "keras-fit-shuffle-replay"}:
        evidence.append(beside("epochs in the order of the first", _replays(left), _replays(right)))
    if id == "shuffle-buffer":
        evidence.append(beside("places a row comes early, at most", _early(left), _early(right)))
    return Candidate(
        id,
        "data",
        ("batches",),
        said[0],
        said[1],
        statement,
        tuple(evidence),
        both.fix(id, **value),
        change,
        also=also,
    )


def _name(both: Both, left: Fed, right: Fed) -> tuple[str, tuple[str, ...]]:
    kinds = {left.feeding.order, right.feeding.order}
    if "replacement" in kinds and len(kinds) > 1:
        return "sampling-with-replacement", ()
    if kinds == {"sequential", "shuffled"}:
        pairs = ((both.left, left), (both.right, right))
        if all(_by_default(known, fed) for known, fed in pairs):
            return "shuffle-default", ()
        return "batch-order", ()
    if kinds == {"shuffled"}:
        replays = [_replays(fed) > 0 for fed in (left, right)]
        buffers = [_buffer(fed) is not None for fed in (left, right)]
        if buffers[0] != buffers[1]:
            return "shuffle-buffer", ()
        if replays[0] != replays[1]:
            known = both.left if replays[0] else both.right
            if known.live.framework == "keras":
                return "keras-fit-shuffle-replay", ("shuffle-reshuffle",)
            return "shuffle-reshuffle", ()
    return "batch-order", ()


def _by_default(known: Identified, fed: Fed) -> bool:
    own = DEFAULTS.get(known.live.framework)
    return own is not None and own[0] == fed.feeding.order


def _wanted(id: str, other: Fed) -> Any:
    """The value that makes a side like the other."""
    return {
        "shuffle-default": other.feeding.order == "shuffled",
        "sampling-with-replacement": other.feeding.order == "replacement",
        "shuffle-reshuffle": _replays(other) == 0,
        "keras-fit-shuffle-replay": other.feeding.batch_size,
        "shuffle-buffer": _buffer(other) or other.total,
    }.get(id, "the other's order")


def _words(fed: Fed) -> str:
    said = ORDERS[fed.feeding.order]
    if fed.feeding.order != "shuffled":
        return said
    buffer = _buffer(fed)
    if buffer is not None:
        said = f"shuffled within a buffer of about {buffer} rows"
    return said + (", the same order in every epoch" if _replays(fed) else "")


def _replays(fed: Fed) -> int:
    """How many later epochs come in the order of the first; 0 where they differ."""
    first, *later = fed.sequences()
    same = [np.array_equal(first, s) for s in later if len(s) == len(first)]
    return len(same) if same and all(same) and fed.feeding.order == "shuffled" else 0


def _early(fed: Fed) -> int:
    """How many places before its own a row comes, at most."""
    first = fed.sequences()[0]
    ranks = np.argsort(np.argsort(first, kind="stable"), kind="stable")
    return int(np.max(ranks - np.arange(len(ranks)), initial=0))


def _buffer(fed: Fed) -> int | None:
    """The buffer within which rows are shuffled, where chance does not make it look so.

    Of n! permutations, bⁿ⁻ᵇ·b! bring no row more than b − 1 places early.
    """
    if fed.feeding.order != "shuffled":
        return None
    n, b = len(fed.sequences()[0]), _early(fed) + 1
    share = (n - b) * math.log(b) + math.lgamma(b + 1) - math.lgamma(n + 1)
    return b if share < CHANCE else None


def _coverage(fed: Fed) -> float:
    rows = fed.sequences()[0]
    return float(len(np.unique(rows)) / max(1, len(rows)))


def _repeats(fed: Fed) -> int:
    _, counts = np.unique(fed.sequences()[0], return_counts=True)
    return int(np.sum(counts > 1))
