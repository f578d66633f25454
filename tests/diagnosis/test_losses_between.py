"""Two losses that differ, in one switch or in several, between a NumPy program and PyTorch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from tests.diagnosis.programs import Array, Net, Program, in_numpy, in_torch

import netparity

torch = pytest.importorskip("torch")

PROGRAM = Program("tanh", "cross-entropy", "sgd", sizes=(5, 8, 4))
WEIGHTS = np.array([1.0, 2.0, 0.5, 1.0])
Judge = Callable[[Array, Array], tuple[float, Array]]


def softmax(s: Array) -> Array:
    e = np.exp(s - s.max(axis=1, keepdims=True))
    return np.asarray(e / e.sum(axis=1, keepdims=True))


def with_epsilon(s: Array, y: Array) -> tuple[float, Array]:
    p = softmax(s)
    rows = np.arange(len(s))
    at = p[rows, y]
    slope = np.zeros_like(p)
    slope[rows, y] = -1 / (at + 1e-8) / len(s)
    return -np.mean(np.log(at + 1e-8)), p * (slope - np.sum(slope * p, axis=1, keepdims=True))


def with_clip(s: Array, y: Array) -> tuple[float, Array]:
    p = softmax(s)
    rows = np.arange(len(s))
    at = p[rows, y]
    inside = (at > 1e-12) & (at < 1 - 1e-12)
    slope = (p - np.eye(4)[y]) * inside[:, None] / len(s)
    return -np.mean(np.log(np.clip(at, 1e-12, 1 - 1e-12))), slope


def smoothed(s: Array, y: Array) -> tuple[float, Array]:
    p, target = softmax(s), 0.9 * np.eye(4)[y] + 0.1 / 4
    return -np.mean(np.sum(target * np.log(p), axis=1)), (p - target) / len(s)


def smoothed_and_summed(s: Array, y: Array) -> tuple[float, Array]:
    value, slope = smoothed(s, y)
    return value * len(s), slope * len(s)


def weighted(s: Array, y: Array) -> tuple[float, Array]:
    p, w = softmax(s), WEIGHTS[y]
    at = np.log(p[np.arange(len(s)), y])
    return -np.mean(w * at), (p - np.eye(4)[y]) * w[:, None] / len(s)


def plainly(s: Array, y: Array) -> tuple[float, Array]:
    p = softmax(s)
    return -np.sum(np.eye(4)[y] * np.log(p)) / len(s), (p - np.eye(4)[y]) / len(s)


def judged(judge: Judge, dtype: Any = np.float64) -> Callable[[], netparity.Scratch]:
    def change(net: Net) -> None:
        net.judge = judge  # type: ignore[method-assign]

    return in_numpy(PROGRAM, dtype, change=change)


def with_loss(loss: Any, dtype: Any = np.float64) -> Callable[[], netparity.Torch]:
    built = in_torch(PROGRAM, dtype)

    def build() -> netparity.Torch:
        side = built()
        return netparity.Torch(side.module, loss, side.optimizer)

    return build


def compared(left: Any, right: Any) -> netparity.Report:
    return netparity.compare(left, right, data=PROGRAM.data(), steps=6)


def said(report: netparity.Report) -> str:
    return "\n".join(
        [f"{c.id}: {c.statement}" for c in report.causes]
        + [str(u) for u in report.unexplained]
        + [f"latent {c.id}" for c in report.latent]
        + list(report.notes)
    )


def check(report: netparity.Report, *ids: str, latent: tuple[str, ...] = ()) -> None:
    assert {c.id for c in report.causes} == set(ids), said(report)
    assert {c.id for c in report.latent} == set(latent), said(report)
    assert report.unexplained == (), said(report)
    assert report.explained, said(report)
    assert {s.stage: s.status for s in report.stages}["loss"] == ("different" if ids else "equal")


CROSS_ENTROPY = torch.nn.CrossEntropyLoss


@pytest.mark.parametrize(
    ("judge", "ids"),
    [
        (with_epsilon, ["loss-epsilon-clipping"]),
        (smoothed, ["label-smoothing"]),
        (smoothed_and_summed, ["label-smoothing", "ce-reduction"]),
        (weighted, ["class-weight-normalisation"]),
    ],
)
def test_one_or_several_switches(judge: Judge, ids: list[str]) -> None:
    check(compared(judged(judge), with_loss(CROSS_ENTROPY())), *ids)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_the_same_loss_in_other_words_is_parity(dtype: Any) -> None:
    check(compared(judged(plainly, dtype), with_loss(CROSS_ENTROPY(), dtype)))


def test_a_clip_that_is_never_reached_is_latent() -> None:
    report = compared(judged(with_clip), with_loss(CROSS_ENTROPY()))
    check(report, latent=("loss-epsilon-clipping",))
    assert report.latent[0].reason == "inactive on this data"


def test_the_same_smoothing_and_weights_on_both_sides() -> None:
    check(compared(judged(smoothed), with_loss(CROSS_ENTROPY(label_smoothing=0.1))))
    module = CROSS_ENTROPY(weight=torch.tensor(WEIGHTS))
    check(compared(judged(weighted), with_loss(module)), "class-weight-normalisation")
