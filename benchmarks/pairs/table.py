"""The benchmark's figures, and how they are printed."""

from __future__ import annotations

import statistics
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from benchmarks.pairs.changes import not_made, stage_of
from benchmarks.pairs.rivals import RULES

from netparity import environment

Row = dict[str, Any]
Figures = dict[str, Any]


def line(row: Row, done: int, of: int, seconds: float) -> None:
    """Says on stderr how far the run has come, and what went wrong in a pair."""
    if "crash" in row:
        said = f"crash ({row['fault']}): {row['crash'].strip().splitlines()[-1]}"
    elif row["exact"]:
        said = "exact"
    else:
        said = f"missed {row['missed']} false {row['false']} unexplained {row['unexplained']}"
    changed = ", ".join(f"{c['id']}({c['state'][0]})" for c in row["changes"]) or "nothing"
    print(
        f"[{done}/{of} {seconds:.0f} s] {row['index']} {row['kinds']} {row['dtype']} "
        f"{row['scale']:g} {'/'.join(row['exposure'])} {row['network']}: {changed}: {said}",
        file=sys.stderr, flush=True,
    )  # fmt: skip


def _share(part: float, whole: float) -> float | None:
    return part / whole if whole else None


def figures(rows: Sequence[Row]) -> Figures:
    """The figures of some rows."""
    scored = [r for r in rows if "crash" not in r]
    wanted = sum(len(r["wanted"]) for r in scored)
    hits = sum(r["hits"] for r in scored)
    claimed = hits + sum(len(r["false"]) for r in scored)
    costs = [r["seconds"] / r["once_seconds"] for r in scored]
    return {
        "pairs": len(rows),
        "crashes": len(rows) - len(scored),
        "recall": _share(hits, wanted),
        "precision": _share(hits, claimed),
        "exact": _share(sum(r["exact"] for r in scored), len(rows)),
        "verified": _share(sum(r["verified"] for r in scored), hits),
        "seconds": statistics.median(r["seconds"] for r in scored) if scored else None,
        "cost": statistics.median(costs) if costs else None,
    }


def _grouped(rows: Iterable[Row], key: Callable[[Row], Iterable[str]]) -> dict[str, Figures]:
    groups: dict[str, list[Row]] = {}
    for row in rows:
        for name in key(row):
            groups.setdefault(name, []).append(row)
    return {name: figures(groups[name]) for name in sorted(groups)}


def _visible(row: Row) -> list[Row]:
    return [c for c in row["changes"] if c["state"] == "visible"]


def _by_id(rows: Sequence[Row], key: str) -> dict[str, Figures]:
    """Recall of each id (or stage) over the changes themselves, and what was falsely claimed."""
    found: dict[str, Figures] = {}
    for row in rows:
        for change in _visible(row):
            mine = found.setdefault(change[key], {"changes": 0, "found": 0, "false": 0})
            mine["changes"] += 1
            missed = "crash" in row or any(change["id"] in m for m in row["missed"])
            mine["found"] += not missed
        for id in row.get("false", ()):
            name = id if key == "id" else stage_of(id)
            found.setdefault(name, {"changes": 0, "found": 0, "false": 0})["false"] += 1
    return dict(sorted(found.items()))


#: Seconds within which a diagnosis of small sides is wanted.
SLOW = 10.0


def shown(row: Row) -> str:
    """The least that a side of a pair shows of itself."""
    exposed = set(row["exposure"])
    if exposed <= {"all"}:
        return "no black box"
    return "steps alone" if exposed & {"step", "steps"} else "functions or gradients"


def summary(rows: Sequence[Row]) -> dict[str, Any]:
    """All figures of a run; pairs that cannot be run themselves are counted, and left out."""
    of = len(rows)
    rows = [r for r in rows if r.get("fault") != "generator"]
    nothing = [r for r in rows if not _visible(r)]
    single = [r for r in rows if len(_visible(r)) == 1]
    several = [r for r in rows if len(_visible(r)) > 1]
    alarms = [r["index"] for r in nothing if r.get("false") or r.get("unexplained")]
    changed = [r for r in rows if _visible(r) and "rivals" in r]
    unchanged = [r for r in rows if not r["changes"] and "rivals" in r]
    return {
        "environment": environment.describe(),
        "one": figures(single),
        "several": figures(several),
        "shown": _grouped((r for r in rows if _visible(r)), lambda r: [shown(r)]),
        "not run": of - len(rows),
        "slow": sum(r.get("seconds", 0.0) > SLOW for r in rows),
        "nothing": figures(nothing) | {"false alarms": alarms},
        "latent": sum(c["state"] == "latent" for r in rows for c in r["changes"]),
        "borderline": sum(c["state"] == "borderline" for r in rows for c in r["changes"]),
        "stages": _by_id(rows, "stage"),
        "conventions": _by_id(rows, "id"),
        "pairs": _grouped(rows, lambda r: [r["kinds"]]),
        "rivals": {
            rule: {
                "seen": _share(sum(r["rivals"][rule] for r in changed), len(changed)),
                "false alarms": _share(sum(r["rivals"][rule] for r in unchanged), len(unchanged)),
            }
            for rule in RULES
        },
        "ours": {
            "seen": _share(sum(r.get("verdict") == "divergent" for r in changed), len(changed)),
            "false alarms": _share(
                sum(r.get("verdict") == "divergent" for r in unchanged), len(unchanged)
            ),
        },
        "not made": not_made(),
        "failures": [r for r in rows if not r.get("exact", False)],
    }


def _text(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def show(found: dict[str, Any]) -> None:
    """Prints it."""
    columns = ("pairs", "crashes", "recall", "precision", "exact", "verified", "seconds", "cost")
    print(f"{'':<24}" + "".join(f"{c:>11}" for c in columns))
    groups = {name: found[name] for name in ("one", "several", "nothing")}
    for name, of in {**groups, **found["shown"], **found["pairs"]}.items():
        print(f"{name:<24}" + "".join(f"{_text(of[c]):>11}" for c in columns))
    print(f"\nfalse alarms where nothing was changed: {found['nothing']['false alarms']}")
    print(f"pairs that could not be run themselves: {found['not run']}")
    print(f"diagnoses of more than {SLOW:g} s: {found['slow']}")
    print(f"latent changes {found['latent']}, borderline {found['borderline']}")
    for key in ("stages", "conventions"):
        print(f"\n{key:<32}{'changes':>9}{'found':>9}{'false':>9}")
        for name, of in found[key].items():
            print(f"{name:<32}{of['changes']:>9}{of['found']:>9}{of['false']:>9}")
    reasons: dict[str, list[str]] = {}
    for id, why in found["not made"].items():
        reasons.setdefault(why, []).append(id)
    print("\nids that no pair is made of")
    for why, ids in reasons.items():
        print(f"  {why}: {', '.join(ids)}")
    print(f"\n{'rule':<24}{'seen':>9}{'alarms':>9}")
    for name, of in {"netparity": found["ours"], **found["rivals"]}.items():
        print(f"{name:<24}{_text(of['seen']):>9}{_text(of['false alarms']):>9}")
