"""Batch size, order, sampling and the last partial batch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from netparity.diagnosis.candidates import Both, Candidate, Plan
from netparity.report.model import Evidence


def data(both: Both) -> Iterator[Candidate]:
    """Batch size, order, the last partial batch, sampling with replacement."""
    left, right = both.fed["left"], both.fed["right"]
    a, b = left.feeding, right.feeding

    def change(plan: Plan) -> Plan:
        return replace(plan, batches="left")

    if any(np.any(r < 0) for r in (*left.rows, *right.rows)):
        yield Candidate(
            "preprocessing",
            "data",
            ("inputs",),
            "rows as given" if _known(left) else "rows changed on the way",
            "rows as given" if _known(right) else "rows changed on the way",
            "What one side feeds are not rows of the data: it scales, encodes or augments them.",
            (Evidence("fed rows that are rows of the data", _share(left), _share(right), None),),
            both.fix("preprocessing", left="the right's", right="the left's"),
            change,
        )
        return
    if a.batch_size != b.batch_size:
        yield Candidate(
            "batch-size-value",
            "data",
            ("batches",),
            f"{a.batch_size} rows",
            f"{b.batch_size} rows",
            f"Left feeds {a.batch_size} rows a batch, right {b.batch_size}.",
            (Evidence("rows in a batch", a.batch_size, b.batch_size, None),),
            both.fix("batch-size-value", left=b.batch_size, right=a.batch_size),
            change,
        )
    orders = {
        "sequential": "in order",
        "shuffled": "shuffled, each row once an epoch",
        "replacement": "drawn with replacement",
    }
    if "replacement" in {a.order, b.order} and a.order != b.order:
        yield Candidate(
            "sampling-with-replacement",
            "data",
            ("batches",),
            orders[a.order],
            orders[b.order],
            f"Left feeds rows {orders[a.order]}, right {orders[b.order]}: in one epoch left "
            f"covers {_coverage(left):.0%} of the rows, right {_coverage(right):.0%}.",
            (
                Evidence(
                    "share of the rows seen in one epoch", _coverage(left), _coverage(right), None
                ),
                Evidence(
                    "rows fed twice or more in one epoch", _repeats(left), _repeats(right), None
                ),
            ),
            both.fix(
                "sampling-with-replacement",
                left=b.order == "replacement",
                right=a.order == "replacement",
            ),
            change,
        )
    elif {a.partial, b.partial} == {"kept", "dropped"}:
        yield Candidate(
            "partial-batch-kept",
            "data",
            ("batches",),
            a.partial,
            b.partial,
            f"The last, smaller batch of an epoch is {a.partial} on the left and {b.partial} on "
            "the right.",
            (Evidence("batches in two epochs", len(left.batches), len(right.batches), None),),
            both.fix("partial-batch-kept", left=b.partial, right=a.partial),
            change,
        )
    elif a.batch_size == b.batch_size:
        yield Candidate(
            "batch-order",
            "data",
            ("batches",),
            orders[a.order],
            orders[b.order],
            f"The same rows in another order: left {orders[a.order]}, right {orders[b.order]}.",
            (
                Evidence(
                    "share of the rows seen in one epoch", _coverage(left), _coverage(right), None
                ),
            ),
            both.fix("batch-order", left="the right's order", right="the left's order"),
            change,
        )


def _known(fed: Any) -> bool:
    return all(np.all(r >= 0) for r in fed.rows)


def _share(fed: Any) -> float:
    rows = np.concatenate(fed.rows)
    return float(np.mean(rows >= 0))


def _first_epoch(fed: Any) -> Any:
    return np.concatenate([r for r, e in zip(fed.rows, fed.epochs, strict=True) if e == 0])


def _coverage(fed: Any) -> float:
    rows = _first_epoch(fed)
    return float(len(np.unique(rows)) / max(1, len(rows)))


def _repeats(fed: Any) -> int:
    _, counts = np.unique(_first_epoch(fed), return_counts=True)
    return int(np.sum(counts > 1))
