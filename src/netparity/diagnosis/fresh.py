"""Builds a side in a fresh process, to see whether its seeds fix its initial values.

Run as ``python -m netparity.diagnosis.fresh SPEC SEED FILE [--seed GENERATOR=VALUE]…``; the
initial values and a fingerprint of each global generator after the build go to FILE.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from netparity.loading.programs import Surroundings

#: Far above what importing a framework takes on a machine that does much else besides.
TIMEOUT_SECONDS = 600


@dataclass(frozen=True, slots=True)
class Built:
    """What a fresh process got: a digest of the initial values, and the generators' states."""

    values: str
    generators: Mapping[str, str]


def digest(parameters: Mapping[str, object]) -> str:
    """A digest of all parameter values, bit for bit."""
    import numpy as np

    state = hashlib.sha256()
    for value in parameters.values():
        array = np.ascontiguousarray(value)
        state.update(str((array.shape, array.dtype)).encode())
        state.update(array.tobytes())
    return state.hexdigest()


def build_many(
    spec: str,
    seed: int,
    seedings: Sequence[Mapping[str, int]],
    surroundings: Surroundings | None = None,
) -> list[Built | None]:
    """Builds ``spec`` in one fresh process per entry of ``seedings``, all at once.

    Args:
        spec: what to load, as on the command line.
        seed: handed to a callable that takes it.
        seedings: for each process, global generators to seed before the program is loaded.
        surroundings: what the processes start with; by default what there is here.

    Returns:
        What each process got, ``None`` for one that failed.
    """
    surroundings = surroundings or Surroundings.here()
    environment = {
        **surroundings.environment,
        "PYTHONPATH": os.pathsep.join(surroundings.path),
    }
    with tempfile.TemporaryDirectory() as folder:
        started = []
        for index, seeding in enumerate(seedings):
            target = Path(folder) / f"{index}.json"
            command = [sys.executable, "-P", "-m", "netparity.diagnosis.fresh", spec, str(seed)]
            command += [str(target), *(f"--seed={n}={v}" for n, v in seeding.items())]
            process = subprocess.Popen(
                command,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env=environment,
            )
            started.append((process, target))
        results: list[Built | None] = []
        for process, target in started:
            try:
                process.wait(timeout=TIMEOUT_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
            if process.returncode == 0 and target.exists():
                record = json.loads(target.read_text(encoding="utf-8"))
                results.append(Built(record["values"], record["generators"]))
            else:
                results.append(None)
        return results


def main(arguments: Sequence[str]) -> int:
    """Builds one side and writes what it got."""
    from netparity import randomness
    from netparity.diagnosis.sides import construct
    from netparity.loading import load

    spec, seed, target = arguments[:3]
    for option in arguments[3:]:
        name, value = option.removeprefix("--seed=").split("=")
        randomness.seed(name, int(value))
    live = construct(load(spec), int(seed))
    record = {"values": digest(live.parameters()), "generators": dict(randomness.fingerprint())}
    Path(target).write_text(json.dumps(record), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
