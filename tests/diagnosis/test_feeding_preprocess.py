"""What each side makes of the raw data: the same, another scale, another order of axes."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from tests.diagnosis.programs import Program, in_numpy, in_torch
from torch import nn

import netparity
from netparity.diagnosis import matching

Array = np.ndarray[Any, np.dtype[Any]]
PROGRAM = Program(sizes=(4, 5, 3))
X, Y = PROGRAM.data()


def standardized(ddof: int) -> Any:
    return lambda x, y: ((x - x.mean(axis=0)) / x.std(axis=0, ddof=ddof), y)


def compare(left: Any, right: Any, data: Any = (X, Y)) -> Any:
    return netparity.compare(left, right, data=data, steps=4)


def test_one_side_scales() -> None:
    report = compare(in_numpy(PROGRAM), in_torch(PROGRAM, preprocess=lambda x, y: (x / 255, y)))
    (cause,) = report.causes
    assert cause.id == "pixel-scaling"
    assert report.explained
    assert report.gap.before > report.gap.noise_floor >= report.gap.after


def test_both_standardize_by_other_deviations_and_learn_at_other_rates() -> None:
    slower = Program(sizes=(4, 5, 3), learning_rate=0.02)
    report = compare(
        in_numpy(PROGRAM, preprocess=standardized(0)), in_torch(slower, preprocess=standardized(1))
    )
    assert {c.id for c in report.causes} == {"std-ddof", "learning-rate-value"}
    assert report.explained


def test_both_prepare_alike() -> None:
    report = compare(
        in_numpy(PROGRAM, preprocess=lambda x, y: (x / 4, y)),
        in_torch(PROGRAM, preprocess=lambda x, y: (x * 0.25, np.eye(3)[y])),
    )
    assert report.verdict == "parity"


# ---- another order of axes -----------------------------------------------------------------------
RNG = np.random.default_rng(0)
IMAGES = RNG.standard_normal((24, 4, 5, 3)).astype(np.float32).astype(float)
LABELS = RNG.integers(0, 3, 24)
WEIGHT = RNG.standard_normal((60, 3)) / 8


def by_hand() -> netparity.Scratch:
    w = WEIGHT.copy()

    def judge(x: Array, y: Array) -> tuple[float, Array]:
        flat = x.reshape(len(x), -1)
        e = np.exp(flat @ w)
        p = e / e.sum(axis=1, keepdims=True)
        loss = -np.log(p[np.arange(len(x)), y]).mean()
        p[np.arange(len(x)), y] -= 1
        return float(loss), flat.T @ p / len(x)

    def update(gradients: Any) -> None:
        w[...] -= 0.1 * gradients["w"]

    return netparity.Scratch(
        parameters={"w": w}, predict=lambda x: x.reshape(len(x), -1) @ w,
        loss=lambda x, y: judge(x, y)[0], gradients=lambda x, y: {"w": judge(x, y)[1]},
        update=update,
    )  # fmt: skip


class Channels(nn.Module):
    """Takes NCHW, as torch does, and flattens in the order of NHWC."""

    def __init__(self) -> None:
        super().__init__()
        self.line = nn.Linear(60, 3, bias=False, dtype=torch.float64)
        with torch.no_grad():
            self.line.weight.copy_(torch.from_numpy(WEIGHT.T))

    def forward(self, x: Any) -> Any:
        return self.line(x.permute(0, 2, 3, 1).flatten(1))


def first(scale: float = 1.0, rate: float = 0.1) -> Any:
    def build() -> netparity.Torch:
        module = Channels()
        return netparity.Torch(
            module, nn.CrossEntropyLoss(), torch.optim.SGD(module.parameters(), lr=rate),
            preprocess=lambda x, y: (scale * np.moveaxis(x, 3, 1), y),
        )  # fmt: skip

    return build


def test_channels_first_on_one_side() -> None:
    assert compare(by_hand, first(), (IMAGES, LABELS)).verdict == "parity"
    assert compare(first(), by_hand, (IMAGES, LABELS)).verdict == "parity"


def test_channels_first_scaled_and_at_another_rate() -> None:
    report = compare(by_hand, first(0.5, 0.2), (IMAGES, LABELS))
    assert {c.id for c in report.causes} == {"pixel-scaling", "learning-rate-value"}
    assert report.explained


def test_of_several_turns_the_one_is_taken_that_fits_the_values() -> None:
    square = RNG.standard_normal((10, 3, 3, 3, 2))
    for axes in ((0, 4, 1, 2, 3), (0, 4, 3, 2, 1), (0, 4, 2, 1, 3)):
        assert matching.turn(square, 7 * np.transpose(square, axes)) == axes
