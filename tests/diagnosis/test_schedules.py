"""Learning rates that change from step to step, as sides state them."""

import numpy as np
import pytest
import torch
from torch.optim import lr_scheduler

import netparity
from netparity import nn

X = np.random.default_rng(0).standard_normal((48, 5))
Y = np.random.default_rng(1).standard_normal((48, 2))
START = [np.random.default_rng(i).standard_normal(s) / 2 for i, s in enumerate(((2, 5), (2,)))]


def in_torch(make):
    def build():
        module = torch.nn.Linear(5, 2)
        with torch.no_grad():
            for parameter, value in zip(module.parameters(), START, strict=True):
                parameter.copy_(torch.from_numpy(value.astype("float32")))
        optimizer = torch.optim.SGD(module.parameters(), lr=0.125, momentum=0.5)
        return netparity.Torch(
            module,
            torch.nn.MSELoss(),
            optimizer,
            schedule=None if make is None else make(optimizer),
        )

    return build


def in_numpy(schedule):
    def build():
        weight, bias = START[0].astype("float32").astype(float).T, START[1].astype("float32") * 1.0
        parameters = {"weight": weight.copy(), "bias": bias.astype(float)}
        velocity = {"weight": np.zeros((5, 2)), "bias": np.zeros(2)}

        def predict(x):
            return x @ parameters["weight"] + parameters["bias"]

        def gradients(x, y):
            error = 2 * (predict(x) - y) / y.size
            return {"weight": x.T @ error, "bias": error.sum(axis=0)}

        def update(grads, learning_rate):
            for name, gradient in grads.items():
                velocity[name] *= 0.5
                velocity[name] += gradient
                parameters[name] -= learning_rate * velocity[name]

        return netparity.Scratch(
            parameters=parameters, state=velocity, predict=predict, gradients=gradients,
            loss=lambda x, y: np.mean((predict(x) - y) ** 2), update=update, schedule=schedule,
        )  # fmt: skip

    return build


def halving(optimizer):
    return lr_scheduler.StepLR(optimizer, 2, 0.5)


def found(left, right):
    report = netparity.compare(left, right, data=(X, Y), steps=6, batch_size=16).to_dict()
    assert not report["unexplained"]
    return report["verdict"], [(c["id"], c["verdict"]) for c in report["causes"]]


@pytest.mark.parametrize(
    "right",
    [None, lambda o: lr_scheduler.StepLR(o, 3, 0.5), lambda o: lambda step: 0.125 / (1 + step)],
)
def test_another_schedule_is_a_cause(right):
    assert found(in_torch(halving), in_torch(right)) == (
        "divergent", [("schedule-kind", "root-cause")]
    )  # fmt: skip


@pytest.mark.parametrize(
    "right",
    [
        in_torch(lambda o: lambda step: 0.125 * 0.5 ** (step // 2)),
        in_numpy(nn.ExponentialDecay(0.125, 0.5, 2, staircase=True)),
    ],
)
def test_one_schedule_in_other_words_is_none(right):
    assert found(in_torch(halving), right) == ("parity", [])


def test_a_boundary_that_is_one_step_off_is_named():
    def at(which):
        return in_numpy(nn.PiecewiseConstant((2,), (0.125, 0.0625), which))

    verdict, causes = found(at("new"), at("old"))
    assert verdict == "divergent"
    assert causes == [("lr-piecewise-boundary", "root-cause")]
