"""A training run in a process of its own, which may be killed at a chosen moment.

    python killed_run.py CHECKPOINT RESULT CASE [MOMENT]

``MOMENT`` is ``step:7`` (within the forward pass of that step), ``replace:2`` (when the second
checkpoint is about to take its place), ``sync:2`` (when it is being brought to the disk) or
nothing. Run with the same arguments again, it goes on from the newest checkpoint.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import numpy as np

from netparity import nn

ROWS, EPOCHS = 22, 3


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def halved(step: int) -> float:
    return 0.5 ** (step // 4) * 0.1


CASES = {
    "adam": {"optimizer": nn.Adam(0.01)},
    "momentum": {"optimizer": nn.SGD(0.1, momentum=0.9), "schedule": halved},
    "accumulated": {"optimizer": nn.Adam(0.01), "accumulate": 2, "penalties": (nn.L2(0.1),)},
    "replacement": {"optimizer": nn.SGD(0.1), "sampling": "replacement", "partial": "dropped"},
    "float32": {"optimizer": nn.Adam(0.01), "dtype": np.float32},
}


def solver_of(case: str) -> nn.Solver:
    network = nn.Network(
        (
            ("first", nn.Affine(3, 8)),
            ("norm", nn.BatchNorm(8)),
            ("relu", nn.ReLU()),
            ("drop", nn.Dropout(0.25)),
            ("second", nn.Affine(8, 3)),
        )
    )
    # One case on the compiled engine: to load it takes longer than the run itself.
    options = {"engine": "auto" if case == "adam" else "plain", **CASES[case]}
    return nn.Solver(
        network, nn.SoftmaxCrossEntropy(), rng=np.random.default_rng(1), batch_size=4, **options
    )


def data() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.normal(size=(ROWS, 3)), rng.integers(0, 3, ROWS)


def fit(solver: nn.Solver, checkpoint: nn.Checkpoint | None, resume: bool, moment: str) -> None:
    kind, _, number = moment.partition(":")

    def augment(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        if kind == "step" and solver.state["step"] == int(number) - 1:
            die()
        return x + 0.01 * rng.standard_normal(x.shape)

    if kind in ("replace", "sync"):
        name = {"replace": "replace", "sync": "fsync"}[kind]
        original, left = getattr(os, name), [int(number)]

        def counted(*arguments: object) -> object:
            left[0] -= 1
            if left[0] == 0:
                die()
            return original(*arguments)

        setattr(os, name, counted)
    solver.fit(
        *data(), EPOCHS,
        validation=0.25, held_out="random", metrics=("accuracy",), checkpoint=checkpoint,
        early_stopping=nn.EarlyStopping(patience=None, monitor="validation_accuracy"),
        resume=resume, augment=augment, sample_weights=np.linspace(0.5, 1.5, ROWS),
    )  # fmt: skip


def everything(solver: nn.Solver) -> dict[str, np.ndarray]:
    """All that a run ends with, by name."""
    found = {f"value/{name}": array for name, array in solver.snapshot().items()}
    for place, state in (("state", solver.state), ("average", solver.average_state)):
        for key, slot in state.items():
            if isinstance(slot, dict):
                found.update({f"{place}/{key}/{name}": array for name, array in slot.items()})
            else:
                found[f"{place}/{key}"] = np.array(slot)
    found.update({f"history/{name}": np.array(v) for name, v in solver.history.items()})
    best = solver.best
    plateau = solver.plateau_state
    found["plateau"] = np.array([plateau.factor, plateau.waited, plateau.cooling])
    found["best"] = np.array([best.epoch, best.value])
    found.update({f"best/{n}": a for n, a in {**best.parameters, **best.buffers}.items()})
    found["next draw"] = solver.rng.random(3)
    return found


def main() -> None:
    checkpoint, result, case = sys.argv[1:4]
    moment = sys.argv[4] if len(sys.argv) > 4 else ""
    solver = solver_of(case)
    every = "epoch" if checkpoint.endswith("epochs") else 1
    fit(solver, nn.Checkpoint(checkpoint, every=every), True, moment)
    np.savez(Path(result), **everything(solver))


if __name__ == "__main__":
    main()
