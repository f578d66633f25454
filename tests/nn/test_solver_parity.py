"""The Solver against Keras's ``fit`` and torch's loops, in float64."""

import importlib.util
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from netparity import nn

torch = pytest.importorskip("torch")

RNG = np.random.default_rng(0)
NETWORK = nn.Network((("a", nn.Affine(3, 6)), ("tanh", nn.Tanh()), ("b", nn.Affine(6, 4))))
LOSS = nn.SoftmaxCrossEntropy()
X, Y = RNG.normal(size=(22, 3)), RNG.integers(0, 4, 22)
WEIGHTS = RNG.integers(0, 5, 22) / 4.0
NAMES = {"a.weight": "w1", "a.bias": "b1", "b.weight": "w2", "b.bias": "b2"}
INITIAL = {name: RNG.normal(size=shape) for name, shape in NETWORK.parameter_shapes().items()}
GIVEN = {
    **{NAMES[name]: array for name, array in INITIAL.items()},
    "x": X,
    "y": Y,
    "weights": WEIGHTS,
    # Few values, exact in binary, so that many equal the best so far, to the delta.
    "sequences": RNG.integers(0, 6, (12, 10)) / 4.0,
    "scores": RNG.integers(0, 4, (10, 7, 3)) / 4.0,
    "labels": RNG.integers(0, 3, (10, 7)),
}


@pytest.fixture(scope="module")
def keras(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, np.ndarray]:
    if importlib.util.find_spec("keras") is None or importlib.util.find_spec("tensorflow") is None:
        pytest.skip("Keras on TensorFlow is not installed")
    folder = tmp_path_factory.mktemp("solver")
    np.savez(folder / "inputs.npz", **GIVEN)
    script = Path(__file__).with_name("solver_run.py")
    run = subprocess.run(
        [sys.executable, script, folder / "inputs.npz", folder / "outputs.npz"],
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    if run.returncode:
        pytest.fail(run.stderr)
    return dict(np.load(folder / "outputs.npz"))


def solver(optimizer: nn.Optimizer, **options: Any) -> nn.Solver:
    return nn.Solver(NETWORK, LOSS, optimizer, parameters=INITIAL, sampling="sequential", **options)


class Noisy(nn.Callback):
    """Moves every parameter by a rounding after each update, as other arithmetic would."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)

    def on_step(self, solver: nn.Solver, step: int, loss: float) -> None:
        for array in solver.parameters.values():
            array *= 1.0 + np.finfo(np.float64).eps * self.rng.standard_normal(array.shape)


def ended(trained: nn.Solver) -> np.ndarray:
    """Parameters and history in one row."""
    kept = [trained.history[name] for name in sorted(trained.history)]
    return np.concatenate([*(a.ravel() for a in trained.parameters.values()), *kept])


def floor(run: Callable[..., nn.Solver]) -> float:
    """How far rounding takes a run.

    A step of another library differs by the roundings of its sums, products and functions: a
    sum of K terms in another order by √K of them, and here K ≤ 22; ten of them one after the
    other from x to the update. √(10 · 22) < 16 times what one a step does is what they do.
    """
    clean = ended(run())
    return 16.0 * max(
        float(np.abs(ended(run(callbacks=(Noisy(seed),))) - clean).max()) for seed in range(8)
    )


@pytest.mark.parametrize("case", ["plain", "split", "weighted"])
def test_the_history_is_that_of_keras(case: str, keras: Mapping[str, np.ndarray]) -> None:
    options: dict[str, Any] = {
        "plain": {},
        "split": {"validation": 0.25, "metrics": ("accuracy",)},
        "weighted": {"sample_weights": WEIGHTS},
    }[case]

    def run(callbacks: tuple[nn.Callback, ...] = ()) -> nn.Solver:
        trained = solver(nn.SGD(0.125, 0.875, form="rate-inside"), batch_size=5)
        trained.fit(X, Y, 3, callbacks=callbacks, **options)
        return trained

    trained, bound = run(), floor(run)
    # The floor is no excuse: it lies far below what any convention makes.
    assert bound < 1e-11
    for name, array in trained.parameters.items():
        assert np.abs(array - keras[f"{case}/{NAMES[name]}"]).max() <= bound, name
    pairs = {"epoch_loss": "loss"}
    if case == "split":
        pairs |= {"validation_loss": "val_loss", "validation_accuracy": "val_accuracy"}
    for ours, theirs in pairs.items():
        assert len(trained.history[ours]) == 3
        difference = np.abs(trained.history[ours] - keras[f"{case}/{theirs}"]).max()
        assert difference <= bound, (ours, difference)
    if case == "split":
        # Ours is measured after the epoch; Keras's is a mean over the epoch as it goes.
        after = np.mean(trained.predict(X[:16]).argmax(1) == Y[:16])
        assert trained.history["accuracy"][-1] == after


def test_accumulated_means_are_those_of_keras(keras: Mapping[str, np.ndarray]) -> None:
    def run(callbacks: tuple[nn.Callback, ...] = ()) -> nn.Solver:
        trained = solver(nn.SGD(0.125), batch_size=4, accumulate=3)
        trained.fit(X, Y, 3, callbacks=callbacks)
        return trained

    trained, bound = run(), floor(run)
    assert trained.state["step"] == 6
    for name, array in trained.parameters.items():
        assert np.abs(array - keras[f"accumulated/{NAMES[name]}"]).max() <= bound, name


def test_accumulated_sums_are_those_of_torch() -> None:
    def run(callbacks: tuple[nn.Callback, ...] = ()) -> nn.Solver:
        trained = solver(
            nn.SGD(0.125, 0.5), batch_size=4, accumulate=3, accumulation="sum",
            penalties=(nn.L2(0.25, scope="all"),),
        )  # fmt: skip
        trained.fit(X, Y, 3, callbacks=callbacks)
        return trained

    first, second = torch.nn.Linear(3, 6).double(), torch.nn.Linear(6, 4).double()
    weights = [first.weight, first.bias, second.weight, second.bias]
    with torch.no_grad():
        for weight, array in zip(weights, INITIAL.values(), strict=True):
            weight.copy_(torch.from_numpy(array.T))
    optimizer = torch.optim.SGD(weights, 0.125, momentum=0.5)
    for _ in range(3):
        for place, start in enumerate(range(0, 22, 4)):
            x, y = torch.from_numpy(X[start : start + 4]), torch.from_numpy(Y[start : start + 4])
            loss = torch.nn.functional.cross_entropy(second(torch.tanh(first(x))), y)
            (loss + 0.125 * sum((w * w).sum() for w in weights)).backward()
            if place % 3 == 2:
                optimizer.step()
                optimizer.zero_grad()
    trained, bound = run(), floor(run)
    for array, weight in zip(trained.parameters.values(), weights, strict=True):
        assert np.abs(array - weight.detach().numpy().T).max() <= bound


def test_early_stopping_is_that_of_keras(keras: Mapping[str, np.ndarray]) -> None:
    rows = iter(keras["stopped"].tolist())
    for mode in ("min", "max"):
        for patience in (1, 2, 3):
            for delta in (0.0, 0.25):
                rule = nn.EarlyStopping(patience, "v", mode, delta)
                for sequence in GIVEN["sequences"]:
                    best, chosen, stop, epoch = None, 0, False, 0
                    for epoch, value in enumerate(sequence, start=1):
                        if rule.better(value, best):
                            best, chosen = value, epoch
                        if rule.verdict(epoch - chosen) is not None:
                            stop = True
                            break
                    assert [epoch, chosen, stop] == next(rows), (rule, sequence)


def test_metrics_are_those_of_keras(keras: Mapping[str, np.ndarray]) -> None:
    for scores, labels, row in zip(GIVEN["scores"], GIVEN["labels"], keras["metrics"], strict=True):
        own = [nn.top_k_accuracy(scores, labels, k, ties="all") for k in (1, 2, 3)]
        own.append(nn.accuracy(scores, labels))
        for threshold in (0.5, 0.0):
            own.append(nn.binary_accuracy(scores[:, :1], labels > 1, threshold))
        # A mean of seven zeros and ones, in which only the division rounds, once in each; the
        # first three are in float32.
        for part, dtype in ((slice(3), np.float32), (slice(3, None), np.float64)):
            np.testing.assert_allclose(own[part], row[part], rtol=2 * np.finfo(dtype).eps, atol=0)
