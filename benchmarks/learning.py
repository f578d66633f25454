"""Whether what is trained here learns: two measurements, five seeds each.

    NETPARITY_DATA=FOLDER python benchmarks/learning.py mnist cifar10 --json rows.json

*mnist*: the first 17,000 training images, 784-256×4-10 with keep probability 0.7, 15 epochs;
wanted is 97 % of the test images. *cifar10*: the first 1,000 images of each batch; what
`netparity tune` chooses by validation, then tests; wanted is 46 % of the first 1,000 test images
(a hand-set 3072-512-256-10 in PyTorch, with batch norm and dropout, gave 44 to 45 %). Test images
are looked at once, in the end.

The folder of the search is kept (`--folder`), and the same command goes on with it.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
import tempfile
import time
from datetime import date
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from netparity import datasets
from netparity.progress import Progress
from netparity.training.configuration import Configuration
from netparity.training.data import load
from netparity.training.run import train
from netparity.training.statistics import mean, standard_error

SEEDS = 5
#: All rows are trained on, and the last parameters are tested: the rate, its schedule and the
#: batches were chosen with 15 % of the rows held out.
MNIST = Configuration(
    data="mnist",
    rows=17_000,
    validation=0.0,
    standardize="none",
    hidden=(256,) * 4,
    initialization="glorot",
    dropout=0.3,
    schedule="cosine",
    batch_size=50,
    epochs=15,
)
MNIST_WANTED, CIFAR10_WANTED = 0.97, 0.46


def mnist(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Five runs of the fixed configuration."""
    data = load(MNIST)
    shares = []
    for seed in range(SEEDS):
        configuration = Configuration(**{**_fields(MNIST), "seed": seed})
        with Progress(title=f"mnist, seed {seed}") as progress:
            result = train(configuration, data, folder / str(seed), progress=progress)
        shares.append(result["test"]["accuracy"])
    return _measured(data.description, MNIST_WANTED, shares, result["test"]["rows"])


def cifar10(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """A search, and five runs of what it chose."""
    from netparity.tuning.command import as_text, run
    from netparity.tuning.search import Plan

    folder.mkdir(parents=True, exist_ok=True)
    archive = folder / "cifar10-first-1000.npz"
    if not archive.exists():
        _first_thousands(archive)
    plan = Plan(study="cifar10", trials=options.trials, finalists=3, seeds=SEEDS, timeout=None)
    given = {"data": str(archive), "epochs": options.epochs, "validation": 0.1}
    with Progress(title="cifar10") as progress:
        result = run(given, folder, plan, workers=options.workers, progress=progress)
    print(as_text(result, folder), file=sys.stderr)
    test = result["final"]["test"]
    measured = _measured("first 1,000 images per batch", CIFAR10_WANTED, test["each"], test["rows"])
    return {**measured, "chosen": result["chosen"], "trials": options.trials}


def _first_thousands(archive: Path) -> None:
    """The first 1,000 images of each training batch and of the test, whether more are there."""
    found = datasets.load("cifar10")
    per_batch = len(found.x_train) // 5
    rows = np.concatenate([start * per_batch + np.arange(1000) for start in range(5)])
    np.savez(
        archive,
        x=(found.x_train[rows] * 255).round().astype(np.uint8).reshape(-1, 3, 32, 32),
        y=found.y_train[rows],
        x_test=(found.x_test[:1000] * 255).round().astype(np.uint8).reshape(-1, 3, 32, 32),
        y_test=found.y_test[:1000],
    )


def _fields(configuration: Configuration) -> dict[str, Any]:
    return {name: getattr(configuration, name) for name in Configuration.__dataclass_fields__}


def _measured(data: str, wanted: float, shares: list[float], rows: int) -> dict[str, Any]:
    over = mean(shares)
    return {
        "data": data,
        "wanted": wanted,
        "mean": over.value,
        "half_width": over.half_width,
        "each": shares,
        "rows": rows,
        "standard_error": standard_error(over.value, rows),
    }


MEASUREMENTS = {"mnist": mnist, "cifar10": cifar10}


def main() -> int:
    """Measures, prints a line each; exit status 1 where a mean falls short."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(MEASUREMENTS)}")
    parser.add_argument("--json", type=Path, help="a file for the figures")
    parser.add_argument("--folder", type=Path, help="where runs and the search are kept")
    parser.add_argument("--trials", type=int, default=75, help="of the search")
    parser.add_argument("--epochs", type=int, default=45, help="of the search")
    parser.add_argument("--workers", type=int, default=2, help="processes of the search")
    options = parser.parse_args()
    names = options.names or [*MEASUREMENTS]
    if unknown := [name for name in names if name not in MEASUREMENTS]:
        parser.error(f"{unknown[0]}: expected {' or '.join(MEASUREMENTS)}")
    figures: dict[str, Any] = {
        "date": date.today().isoformat(),
        "python": platform.python_version(),
        "machine": f"{platform.processor() or platform.machine()}",
        "versions": {name: metadata.version(name) for name in ("netparity", "numpy", "optuna")},
    }
    print(f"{figures['date']}, " + ", ".join(f"{k} {v}" for k, v in figures["versions"].items()))
    met = True
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary)
        for name in names:
            began = time.perf_counter()
            found = MEASUREMENTS[name](folder / name, options)
            figures[name] = {**found, "seconds": round(time.perf_counter() - began, 1)}
            each = ", ".join(f"{100 * share:.1f}" for share in found["each"])
            print(
                f"{name}: {mean(found['each']).in_per_cent()}, mean of {SEEDS} seeds with its "
                f"95 % interval ({each}); wanted {100 * found['wanted']:.0f} %; {found['rows']:,} "
                f"test rows leave a standard error of {100 * found['standard_error']:.1f}; "
                f"{figures[name]['seconds']:.0f} s"
            )
            met = met and found["mean"] >= found["wanted"]
    if options.json is not None:
        options.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
