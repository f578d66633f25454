"""Penalties: read from loss values, read from gradients, and told apart between two sides."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from tests.diagnosis.programs import Array, Net, Program, Values, in_numpy, in_torch
from tests.diagnosis.test_losses import CE, LABELS, identified, log_softmax, program

import netparity
from netparity.nn import L1, L2, Penalty

PROGRAM = Program("tanh", "cross-entropy", "sgd", sizes=(5, 8, 4))


# ---- in the loss of one program ------------------------------------------------------------------
def squares(values: Values, *names: str) -> float:
    return float(sum(np.sum(values[n] ** 2) for n in names))


def absolutes(values: Values, *names: str) -> float:
    return float(sum(np.sum(np.abs(values[n])) for n in names))


WEIGHTS, ALL = ("W1", "W2"), ("W1", "b1", "W2", "b2")
HIDDEN = ("affine1.weight",)
PENALTIES: dict[str, tuple[Any, tuple[Penalty, ...]]] = {
    "half the squares of the weights": (
        lambda v, n: 0.5 * 1e-3 * squares(v, *WEIGHTS), (L2(1e-3),),
    ),
    "squares of everything": (
        lambda v, n: 0.01 * squares(v, *ALL), (L2(0.02, scope="all"),),
    ),
    "absolute values of the weights": (
        lambda v, n: 1e-4 * absolutes(v, *WEIGHTS), (L1(1e-4),),
    ),
    "elastic": (
        lambda v, n: 1e-3 * absolutes(v, *WEIGHTS) + 0.05 * squares(v, *WEIGHTS),
        (L2(0.1), L1(1e-3)),
    ),
    "one layer alone": (
        lambda v, n: 0.5 * 0.3 * squares(v, "W1"), (L2(0.3, scope=HIDDEN),),
    ),
    "over the rows of the batch": (
        lambda v, n: 0.5 * 0.7 * squares(v, *WEIGHTS) / n, (L2(0.7, scale_with_batch=True),),
    ),
    "a bias of the hidden layer": (
        lambda v, n: 0.25 * squares(v, "b1"), (L2(0.5, scope=("affine1.bias",)),),
    ),
}  # fmt: skip


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("name", PENALTIES)
def test_a_penalty_in_the_loss(name: str, dtype: Any) -> None:
    penalty, expected = PENALTIES[name]
    live, conventions = program(
        lambda s, y: -np.mean(log_softmax(s)[np.arange(len(s)), y]), dtype=dtype, penalty=penalty
    )
    found = identified(live, conventions, LABELS)
    assert found is not None
    assert found.loss == CE()
    assert found.penalties == expected


def test_what_is_no_penalty_known_here_is_not_named() -> None:
    live, conventions = program(
        lambda s, y: -np.mean(log_softmax(s)[np.arange(len(s)), y]),
        penalty=lambda v, n: 0.1 * np.sqrt(squares(v, "W1")),
    )
    assert identified(live, conventions, LABELS) is None


# ---- between two sides --------------------------------------------------------------------------
def penalized(
    value: Callable[[Values, int], float] | None, pull: Callable[[Values, int], Values]
) -> Callable[[], netparity.Scratch]:
    """A program that adds a penalty to its loss (or does not), and its pull to its gradients."""

    def change(net: Net) -> None:
        loss, gradients = net.loss, net.gradients

        def with_penalty(x: Array, y: Array) -> float:
            return loss(x, y) + (value(net.values, len(x)) if value else 0.0)

        def with_pull(x: Array, y: Array) -> Values:
            found, more = gradients(x, y), pull(net.values, len(x))
            return {n: g + more.get(n, 0.0) for n, g in found.items()}

        net.loss = with_penalty  # type: ignore[method-assign]
        net.gradients = with_pull  # type: ignore[method-assign]

    return in_numpy(PROGRAM, change=change)


def check(left: Any, right: Any, *ids: str) -> netparity.Report:
    report = netparity.compare(left, right, data=PROGRAM.data(), steps=6)
    told = "\n".join(
        [f"{c.id}: {c.statement}" for c in report.causes]
        + [str(u) for u in report.unexplained]
        + list(report.notes)
    )
    assert {c.id for c in report.causes} == set(ids), told
    assert report.unexplained == (), told
    assert report.explained, told
    assert report.latent == (), told
    return report


def l1(c: float, *names: str) -> Any:
    return penalized(
        lambda v, n: c * absolutes(v, *names), lambda v, n: {k: c * np.sign(v[k]) for k in names}
    )


def l2(c: float, *names: str) -> Any:
    return penalized(
        lambda v, n: 0.5 * c * squares(v, *names), lambda v, n: {k: c * v[k] for k in names}
    )


def test_absolute_values_against_squares() -> None:
    check(l1(0.01, *WEIGHTS), l2(0.01, *WEIGHTS), "l1-form")


def test_twice_the_absolute_values() -> None:
    check(l1(0.01, *WEIGHTS), l1(0.02, *WEIGHTS), "l1-form")


def test_absolute_values_on_one_side() -> None:
    check(l1(0.01, *WEIGHTS), in_numpy(PROGRAM), "penalty-absent")


def test_absolute_values_on_fewer_parameters() -> None:
    check(l1(0.01, *WEIGHTS), l1(0.01, "W1"), "penalty-scope")


def test_two_penalties_that_differ_at_once() -> None:
    left = penalized(
        lambda v, n: 0.01 * absolutes(v, *WEIGHTS) + 0.05 * squares(v, *WEIGHTS),
        lambda v, n: {k: 0.01 * np.sign(v[k]) + 0.1 * v[k] for k in WEIGHTS},
    )
    check(left, l2(0.2, *WEIGHTS), "penalty-absent", "l2-half-factor")


def test_a_penalty_in_the_gradients_alone() -> None:
    left = penalized(None, lambda v, n: {k: 0.02 * np.sign(v[k]) for k in WEIGHTS})
    check(left, in_numpy(PROGRAM), "penalty-absent")
    left = penalized(None, lambda v, n: {k: 0.3 * v[k] / n for k in WEIGHTS})
    check(left, l2(0.3, *WEIGHTS), "sklearn-alpha-scaling")


def test_the_same_penalty_in_other_words_is_parity() -> None:
    torch = pytest.importorskip("torch")
    built = in_torch(PROGRAM)

    def build() -> netparity.Torch:
        side = built()

        def penalty(module: Any) -> Any:
            return 0.01 * sum(p.abs().sum() for p in module.parameters() if p.ndim > 1)

        return netparity.Torch(
            side.module, torch.nn.CrossEntropyLoss(), side.optimizer, penalty=penalty
        )

    check(l1(0.01, *WEIGHTS), build)
