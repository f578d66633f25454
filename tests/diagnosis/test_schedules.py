"""Learning rates that change from step to step, as sides state them."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.optim import lr_scheduler

import netparity
from netparity import nn
from netparity.diagnosis.update import identifying, rates
from netparity.diagnosis.update.calls import Updates, calls_to_make, repeat
from netparity.diagnosis.update.fitting import flatten

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
    ("right", "id"),
    [
        (None, "schedule-kind"),
        (lambda o: lr_scheduler.StepLR(o, 3, 0.5), "lr-exponential-decay"),
        (lambda o: lambda step: 0.125 / (1 + step), "schedule-kind"),
    ],
)
def test_another_schedule_is_a_cause(right, id):
    verdict, causes = found(in_torch(halving), in_torch(right))
    assert verdict == "divergent"
    assert causes == [(id, "root-cause")]


@pytest.mark.parametrize(
    ("rule", "schedule"),
    [
        (nn.SGD(0.05, momentum=0.9), nn.ExponentialDecay(0.05, 0.5, 4)),
        (nn.SGD(0.05), nn.CosineDecay(0.05, 5)),
        (nn.SGD(0.05), nn.CosineDecay(0.05, 5, after="periodic")),
        (nn.SGD(0.05), nn.PolynomialDecay(0.05, 8, power=2.0)),
        (nn.AdaGrad(0.05, weight_decay=0.03), nn.ExponentialDecay(0.05, 0.5, 3, staircase=True)),
    ],
)
def test_a_schedule_that_nobody_declares_is_read_from_the_updates(rule, schedule):
    rng = np.random.default_rng(0)
    weights = {n: np.float32(rng.standard_normal(s)).astype(float)
               for n, s in {"a.weight": (7, 9), "a.bias": (9,)}.items()}  # fmt: skip
    asked = calls_to_make(weights, rng)
    paced = [replace(c, rate=schedule(t) / schedule(0)) for t, c in enumerate(asked)]
    seen = Updates(asked, tuple(repeat(rule, paced)))
    known = identifying.identify(seen, np.dtype(float), rng)
    assert known is not None
    assert known.schedule == schedule
    assert known.optimizer == rule


def test_a_rate_that_only_rounds_until_it_rests_follows_no_rising_curve():
    rng = np.random.default_rng(0)
    weights = {"a.weight": np.float32(rng.standard_normal((7, 9))).astype(float)}
    asked = calls_to_make(weights, rng)
    paced = [replace(c, rate=1 + 1e-9 * t if t < 11 else 0.0) for t, c in enumerate(asked)]
    seen = Updates(asked, tuple(repeat(nn.SGD(0.05), paced)))
    flat = flatten(seen, range(len(asked)), np.dtype(float), rng)
    kinds = {type(schedule) for schedule in rates.schedules(nn.SGD(0.05), flat)}
    assert not kinds & {nn.InverseTimeDecay, nn.InverseScaling}


def test_no_penalty_is_absent_beside_a_rule_that_nobody_knows():
    def decaying():
        module = torch.nn.Linear(5, 2).double()
        with torch.no_grad():
            for parameter, value in zip(module.parameters(), START, strict=True):
                parameter.copy_(torch.from_numpy(value))
        optimizer = torch.optim.SGD(module.parameters(), lr=0.125, weight_decay=0.03, momentum=0.5)
        return netparity.Torch(module, torch.nn.MSELoss(), optimizer)

    def unheard_of():
        parameters = {"weight": START[0].T.copy(), "bias": START[1].copy()}

        def predict(x):
            return x @ parameters["weight"] + parameters["bias"]

        def gradients(x, y):
            error = 2 * (predict(x) - y) / y.size
            return {"weight": x.T @ error, "bias": error.sum(axis=0)}

        def update(grads):
            for name, gradient in grads.items():
                parameters[name] -= 0.125 * np.sinh(gradient + 0.03 * parameters[name] ** 3)

        return netparity.Scratch(
            parameters=parameters, predict=predict, gradients=gradients, update=update,
            loss=lambda x, y: np.mean((predict(x) - y) ** 2),
        )  # fmt: skip

    report = netparity.compare(decaying, unheard_of, data=(X, Y), steps=6, batch_size=16).to_dict()
    assert [c["id"] for c in report["causes"]] == []
    assert [u["stage"] for u in report["unexplained"]] == ["update"]


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
