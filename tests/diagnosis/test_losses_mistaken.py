"""Losses that their authors did not mean, found on the side that has them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from tests.diagnosis.programs import Array, Net, Program, in_numpy, in_torch
from tests.diagnosis.test_gradients import check, compared
from tests.diagnosis.test_losses_between import softmax

import netparity

CLASSES = Program("tanh", "cross-entropy", "sgd", sizes=(5, 8, 4))


class OneNumber(Program):
    """A regression of one number, whose targets are (N,)."""

    def data(self) -> tuple[Array, Array]:
        x, y = super().data()
        return x, y[:, 0]


#: The same, whose targets are (N, 1).
COLUMN = Program("tanh", "mse", "sgd", sizes=(5, 8, 1))
NUMBERS = OneNumber("tanh", "mse", "sgd", sizes=(5, 8, 1))


def broadcast(s: Array, y: Array) -> tuple[float, Array]:
    apart = s - y
    return float(np.mean(apart**2)), 2 * apart.sum(axis=1, keepdims=True) / apart.size


def made_flat(s: Array, y: Array) -> tuple[float, Array]:
    return broadcast(s, y.ravel())


def aligned(s: Array, y: Array) -> tuple[float, Array]:
    apart = s - y[:, None]
    return float(np.mean(apart**2)), 2 * apart / apart.size


def twice(s: Array, y: Array) -> tuple[float, Array]:
    p = softmax(s)
    q = softmax(p)
    rows = np.arange(len(s))
    value = -float(np.mean(np.log(q[rows, y])))
    q[rows, y] -= 1
    slope = q / len(s)
    return value, p * (slope - np.sum(slope * p, axis=1, keepdims=True))


def over_batch(s: Array, y: Array) -> tuple[float, Array]:
    e = np.exp(s - s.max(axis=0, keepdims=True))
    p = e / e.sum(axis=0, keepdims=True)
    rows = np.arange(len(s))
    slope = np.zeros_like(p)
    slope[rows, y] = -1 / p[rows, y] / len(s)
    back = p * (slope - np.sum(slope * p, axis=0, keepdims=True))
    return -float(np.mean(np.log(p[rows, y]))), back


def judged(program: Program, judge: Any) -> Any:
    def change(net: Net) -> None:
        if judge is not None:
            net.judge = judge  # type: ignore[method-assign]

    return in_numpy(program, change=change)


@pytest.mark.parametrize(
    ("program", "judge", "right", "id"),
    [
        (NUMBERS, broadcast, aligned, "label-shape-broadcast"),
        (COLUMN, made_flat, None, "label-shape-broadcast"),
        (CLASSES, twice, None, "softmax-twice"),
        (CLASSES, over_batch, None, "softmax-axis"),
    ],
)
def test_the_mistake_and_its_side(program: Program, judge: Any, right: Any, id: str) -> None:
    report = compared(judged(program, right), judged(program, judge), program)
    check(report, id)
    assert "Bug on the right" in report.causes[0].statement
    check(compared(judged(program, right), judged(program, right), program))
    # What both sides have sets them not apart.
    check(compared(judged(program, judge), judged(program, judge), program))


def predicts_probabilities(axis: int, clip: float = 0.0) -> Any:
    """The softmax is part of what the program predicts; its gradient starts from p − y."""

    def change(net: Net) -> None:
        scores = net.predict

        def predict(x: Array) -> Array:
            s = scores(x)
            e = np.exp(s - s.max(axis=axis, keepdims=True))
            return np.asarray(e / e.sum(axis=axis, keepdims=True))

        def judge(s: Array, y: Array) -> tuple[float, Array]:
            e = np.exp(s - s.max(axis=axis, keepdims=True))
            p = e / e.sum(axis=axis, keepdims=True)
            rows = np.arange(len(p))
            value = -float(np.mean(np.log(np.clip(p[rows, y], clip, 1 - clip))))
            p[rows, y] -= 1
            return value, p / len(p)

        net.predict, net.judge = predict, judge  # type: ignore[method-assign]
        net.loss = lambda x, y: judge(scores(x), y)[0]  # type: ignore[method-assign]

    return in_numpy(CLASSES, change=change)


@pytest.mark.parametrize(("turned", "clip"), [(False, 0.0), (True, 0.0), (False, 1e-7)])
def test_a_softmax_over_the_batch_in_what_is_predicted(turned: bool, clip: float) -> None:
    sides = [predicts_probabilities(-1, clip), predicts_probabilities(0, clip)]
    report = compared(*sides[:: -1 if turned else 1], CLASSES)
    check(report, "softmax-axis")
    assert report.causes[0].stage == "forward"


def test_a_broadcast_against_pytorch() -> None:
    torch = pytest.importorskip("torch")

    def right() -> netparity.Torch:
        side = in_torch(NUMBERS)()

        def loss(s: Any, y: Any) -> Any:
            return torch.nn.functional.mse_loss(s, y.reshape(-1, 1))

        return netparity.Torch(side.module, loss, side.optimizer)

    report = compared(judged(NUMBERS, broadcast), right, NUMBERS)
    check(report, "label-shape-broadcast")
    assert "Bug on the left" in report.causes[0].statement


def test_scores_that_keras_takes_for_probabilities() -> None:
    keras = pytest.importorskip("keras")
    initial = CLASSES.initial()
    stack = [
        keras.Input((5,)),
        keras.layers.Dense(8, activation="tanh"),
        keras.layers.Dense(4),
    ]

    def right() -> Any:
        model = keras.Sequential(stack)
        model.set_weights(list(initial.values()))
        rule = keras.optimizers.SGD(CLASSES.learning_rate)
        model.compile(rule, "sparse_categorical_crossentropy")
        return model

    report = compared(judged(CLASSES, None), right, CLASSES)
    assert [c.id for c in report.causes] == ["from-logits-default"]
    assert report.unexplained == ()


def regression(*, probabilities: bool, shown: bool) -> Any:
    """A softmax regression that predicts scores or probabilities, and may show its steps alone."""
    rng = np.random.default_rng(3)
    kept = {"w": rng.standard_normal((5, 4)), "b": 0.1 * rng.standard_normal(4)}

    def scores(x: Array) -> Array:
        return x @ kept["w"] + kept["b"]

    def loss(x: Array, y: Array) -> float:
        return -float(np.mean(np.log(softmax(scores(x))[np.arange(len(x)), y])))

    def gradients(x: Array, y: Array) -> dict[str, Array]:
        slope = softmax(scores(x))
        slope[np.arange(len(x)), y] -= 1
        slope /= len(x)
        return {"w": x.T @ slope, "b": slope.sum(axis=0)}

    def step(x: Array, y: Array) -> None:
        for name, gradient in gradients(x, y).items():
            kept[name] -= 0.1 * gradient

    more: dict[str, Any] = {"loss": loss, "gradients": gradients} if shown else {}
    return netparity.Scratch(
        parameters=kept,
        predict=(lambda x: softmax(scores(x))) if probabilities else scores,
        step=step,
        **more,
    )


def test_a_last_softmax_whose_loss_is_not_shown_is_not_one_too_many() -> None:
    report = netparity.compare(
        lambda: regression(probabilities=True, shown=False),
        lambda: regression(probabilities=False, shown=True),
        data=CLASSES.data(),
        steps=4,
    ).to_dict()
    assert not report["causes"]


@pytest.mark.parametrize("turned", [False, True])
def test_probabilities_of_a_side_whose_loss_is_not_shown_are_held_against_probabilities(
    turned: bool,
) -> None:
    sides = [
        lambda: regression(probabilities=True, shown=True),
        lambda: regression(probabilities=True, shown=False),
    ]
    left, right = reversed(sides) if turned else sides
    report = netparity.compare(left, right, data=CLASSES.data(), steps=4).to_dict()
    stages = {stage["stage"]: stage["status"] for stage in report["stages"]}
    assert not report["causes"]
    assert stages["forward"] == "equal"
