"""What a diagnosis says of a pair, held against what was changed."""

from __future__ import annotations

import time
import traceback
import warnings
from typing import Any

import numpy as np
from benchmarks.pairs import classes, renderers, rivals, truth
from benchmarks.pairs.description import Pair

import netparity

Row = dict[str, Any]


def examine(pair: Pair) -> Row:
    """Runs the diagnosis on a pair and scores it; a pair that raises is a row too."""
    row: Row = {
        "seed": pair.seed, "index": pair.index, "kinds": pair.kinds, "network": pair.network,
        "dtype": pair.base.dtype, "scale": pair.scale,
        "exposure": [
            style.exposure if kind == "numpy" else "all"
            for kind, style in (
                (pair.left_kind, pair.left_style), (pair.right_kind, pair.right_style)
            )
        ],
        "changes": [],
        "incidental": sorted(classes.incidental(pair)),
    }  # fmt: skip
    try:
        states = truth.states(pair)
        row["changes"] = [
            {"id": c.id, "stage": c.stage, "what": c.what, "state": s,
             "any_of": sorted(classes.of(c, pair))}
            for c, s in zip(pair.changes, states, strict=True)
        ]  # fmt: skip
        once = [
            truth.run_once(kind, description, style, pair)
            for kind, description, style in (
                (pair.left_kind, pair.base, pair.left_style),
                (pair.right_kind, pair.changed, pair.right_style),
            )
        ]
        row["once_seconds"] = sum(seconds for _, _, seconds in once)
        row["rivals"] = rivals.judge([once[0][0], *once[0][1]], [once[1][0], *once[1][1]])
    except Exception:
        return row | {"crash": traceback.format_exc(), "fault": "generator"}
    begun = time.perf_counter()
    try:
        report = diagnose(pair)
    except Exception:
        return row | {"crash": traceback.format_exc(), "fault": "netparity"}
    row["seconds"] = time.perf_counter() - begun
    row["verdict"] = report.verdict
    row["explained"] = report.explained
    row["found"] = [
        {"id": c.id, "also": list(c.also), "stage": c.stage, "left": c.left, "right": c.right,
         "verified": _verified(c)}
        for c in report.causes
    ]  # fmt: skip
    row["latent"] = [c.id for c in report.latent]
    row["unexplained"] = [f"{u.stage}: {u.where}" for u in report.unexplained]
    row["not_checked"] = {s.stage: s.reason for s in report.stages if s.status == "not-checked"}
    return row | score(row)


def diagnose(pair: Pair) -> netparity.Report:
    """``netparity.compare`` on the pair, as a user calls it."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        return netparity.compare(
            lambda: renderers.build(pair.left_kind, pair.base, pair.left_style),
            lambda: renderers.build(pair.right_kind, pair.changed, pair.right_style),
            data=(pair.x, pair.y),
            steps=pair.steps,
            batch_size=pair.batch_size,
        )


def _verified(cause: netparity.Cause) -> bool:
    """Its stage's residual fell to the floor when it was removed."""
    if cause.residual is None or cause.noise_floor is None:
        return cause.verdict in ("root-cause", "contributes")
    return float(cause.residual) <= float(cause.noise_floor)


def score(row: Row) -> Row:
    """Hits, misses and false claims of a row.

    Changes are one where no number tells them apart: the id of one stands for the other. Two
    that only have a common symptom (a stream at another position) are two.
    """
    groups: list[tuple[set[str], set[str]]] = []
    for change in row["changes"]:
        if change["state"] != "visible":
            continue
        own, ids = {change["id"]}, set(change["any_of"])
        for group in [g for g in groups if g[0] & ids or g[1] & own]:
            groups.remove(group)
            own, ids = own | group[0], ids | group[1]
        groups.append((own, ids))
    wanted = [ids for _, ids in groups]
    allowed = {i for c in row["changes"] if c["state"] == "borderline" for i in c["any_of"]}
    allowed |= set(row.get("incidental", ()))
    rest = list(row["found"])
    hits, verified = 0, 0
    missed = list(wanted)
    for said in (lambda f: {f["id"]}, lambda f: {f["id"], *f["also"]}):
        for ids in tuple(missed):
            match = next((f for f in rest if ids & said(f)), None)
            if match is None:
                continue
            hits += 1
            verified += match["verified"]
            rest.remove(match)
            missed.remove(ids)
    false = [f["id"] for f in rest if not allowed & {f["id"], *f["also"]}]
    exact = not missed and not false and not row["unexplained"]
    return {
        "wanted": [sorted(w) for w in wanted],
        "hits": hits,
        "verified": verified,
        "missed": [sorted(ids) for ids in missed],
        "false": false,
        "exact": exact,
    }
