"""Times the diagnosis of each story, after imports, each in a process of its own.

``python benchmarks/stories.py [--json FILE] [ID …]`` prints seconds of wall and of processor
time per story: from two loaded programs to the report.
"""

from __future__ import annotations

import argparse
import importlib
import json
import subprocess
import sys
import time
from pathlib import Path


def one(id: str) -> dict[str, float | str]:
    """Diagnoses one story in this process."""
    from netparity import datasets
    from netparity.cases import find
    from netparity.diagnosis import compare
    from netparity.loading import load

    case = find(id)
    module, _, name = case.data.partition(":")
    data = getattr(importlib.import_module(module), name)(datasets.load(case.dataset))
    sides = [load(spec) for spec in case.sides(case.dataset)]
    wall, processor = time.perf_counter(), time.process_time()
    report = compare(
        *sides, data=data, steps=case.steps, batch_size=case.batch_size, seed=case.seed
    )
    return {
        "story": id,
        "wall_seconds": round(time.perf_counter() - wall, 1),
        "processor_seconds": round(time.process_time() - processor, 1),
        "causes": ", ".join(cause.id for cause in report.causes),
    }


def main() -> int:
    """Runs the stories one after another and prints a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("ids", nargs="*")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--one", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(one(options.one)))
        return 0
    from netparity.cases import all_cases

    rows = []
    print(f"{'story':<20}{'wall s':>8}{'cpu s':>8}  causes")
    for id in options.ids or [case.id for case in all_cases()]:
        done = subprocess.run(
            [sys.executable, __file__, "--one", id], capture_output=True, text=True, check=True
        )
        row = json.loads(done.stdout.splitlines()[-1])
        rows.append(row)
        print(
            f"{row['story']:<20}{row['wall_seconds']:>8}{row['processor_seconds']:>8}  "
            f"{row['causes']}",
            flush=True,
        )
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
