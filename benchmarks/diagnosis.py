"""Measures how good the diagnosis is, on pairs of programs whose differences are known.

``python benchmarks/diagnosis.py --pairs 100 --seed 0 --json FILE`` draws pairs, runs
``netparity.compare`` on each and prints recall, precision, exact sets and false alarms. Rows are
kept in ``FILE.rows`` as they come, from which an interrupted run goes on.
``--seed S --only I`` shows one pair and its report.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import multiprocessing
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))
for name, value in {
 "KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3",
    "CUDA_VISIBLE_DEVICES": "", "TF_ENABLE_ONEDNN_OPTS": "0", "OPENBLAS_NUM_THREADS": "1",
}.items():  # fmt: skip
    os.environ.setdefault(name, value)


def one(task: tuple[Any, ...]) -> dict[str, Any]:
    """Draws and examines one pair."""
    from benchmarks.pairs.drawing import draw
    from benchmarks.pairs.scoring import examine

    return examine(draw(*task))


def rows_of(options: argparse.Namespace, done: dict[int, Any]) -> Iterator[dict[str, Any]]:
    """Every row that is not yet there, as it comes."""
    tasks = [
        (
            options.seed,
            index,
            tuple(options.id),
            tuple(options.kind),
            options.most,
            tuple(options.network),
        )
        for index in range(options.pairs)
        if index not in done
    ]
    if options.workers == 1:
        yield from map(one, tasks)
        return
    context = multiprocessing.get_context("spawn")
    with context.Pool(options.workers) as pool:
        yield from pool.imap_unordered(one, tasks)


def show(options: argparse.Namespace) -> int:
    """One pair: what it is, what was said of it, and its score."""
    from benchmarks.pairs.drawing import draw
    from benchmarks.pairs.scoring import diagnose, examine

    from netparity.report import text

    pair = draw(options.seed, options.only, options.id, options.kind, options.most, options.network)
    print(pair.network, pair.kinds, pair.base.dtype, "scale", pair.scale)
    print("left: ", pair.base, pair.left_style)
    print("right:", pair.changed, pair.right_style)
    row = examine(pair)
    if "crash" not in row:
        print(text.render_text(diagnose(pair)))
    print(json.dumps(row, indent=1, default=str))
    return 0


def main() -> int:
    """Runs the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--only", type=int, help="show one pair")
    parser.add_argument("--id", action="append", default=[], help="change this id first")
    parser.add_argument("--kind", action="append", default=[], help="draw from these kinds")
    parser.add_argument("--most", type=int, default=5, help="changes at most; 0: none")
    parser.add_argument("--network", action="append", default=[], help="draw from these networks")
    options = parser.parse_args()
    if options.only is not None:
        return show(options)
    from benchmarks.pairs import table

    kept = options.json.with_suffix(options.json.suffix + ".rows") if options.json else None
    done: dict[int, dict[str, Any]] = {}
    if kept is not None and kept.exists():
        done = {r["index"]: r for r in map(json.loads, kept.read_text("utf-8").splitlines())}
    begun = time.perf_counter()
    with kept.open("a", encoding="utf-8") if kept else contextlib.nullcontext() as file:
        for row in rows_of(options, done):
            done[row["index"]] = row
            if file is not None:
                file.write(json.dumps(row, default=str) + "\n")
                file.flush()
            table.line(row, len(done), options.pairs, time.perf_counter() - begun)
    rows = [done[index] for index in sorted(done) if index < options.pairs]
    summary = table.summary(rows)
    table.show(summary)
    if options.json is not None and kept is not None:
        whole = {"pairs": options.pairs, "seed": options.seed, "summary": summary, "rows": rows}
        draft = options.json.with_suffix(".part")
        draft.write_text(json.dumps(whole, indent=1, default=str), encoding="utf-8")
        draft.replace(options.json)
        kept.unlink()
    return 0


if __name__ == "__main__":
    sys.exit(main())
