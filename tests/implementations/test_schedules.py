"""Learning rates that change: read, followed, put back, and replaced."""

import dataclasses

import numpy as np
import pytest
import torch
from torch.optim import lr_scheduler as s

from netparity import nn
from netparity.errors import InputError
from netparity.implementations.scratch import Scratch
from netparity.implementations.solver import SolverSide
from netparity.implementations.torch import Torch

X = np.random.default_rng(0).standard_normal((8, 3))
Y = np.random.default_rng(1).standard_normal((8, 1))


def torch_side(make, every="step"):
    torch.manual_seed(0)
    net = torch.nn.Linear(3, 1)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.5)
    return Torch(net, torch.nn.MSELoss(), optimizer, schedule=make(optimizer), schedule_every=every)


def made_rates(side, count, epochs=False):
    """The rates that a side has taken, from updates on gradients of one."""
    ones = {name: np.ones_like(value) for name, value in side.parameters().items()}
    found = []
    for _ in range(count):
        before = side.parameters()
        side.update(ones)
        name = next(iter(ones))
        found.append(float((before[name] - side.parameters()[name]).reshape(-1)[0]))
        if epochs:
            side.end_epoch()
    return found


TORCH = {
    "step": (lambda o: s.StepLR(o, 3, 0.5), nn.ExponentialDecay(0.5, 0.5, 3, staircase=True)),
    "multi": (lambda o: s.MultiStepLR(o, [2, 5], 0.5), nn.multi_step(0.5, (2, 5), 0.5)),
    "constant": (lambda o: s.ConstantLR(o, 0.5, 3), nn.PiecewiseConstant((3,), (0.25, 0.5))),
    "linear": (lambda o: s.LinearLR(o, 0.25, 1.0, 4), nn.PolynomialDecay(0.125, 4, 0.5)),
    "exponential": (lambda o: s.ExponentialLR(o, 0.75), nn.ExponentialDecay(0.5, 0.75)),
    "polynomial": (lambda o: s.PolynomialLR(o, 6, 2.0), nn.PolynomialDecay(0.5, 6, power=2.0)),
    "cosine": (
        lambda o: s.CosineAnnealingLR(o, 4, 0.0625),
        nn.CosineDecay(0.5, 4, 0.0625, after="periodic"),
    ),
    "restarts": (
        lambda o: s.CosineAnnealingWarmRestarts(o, 2, 2, 0.0625),
        nn.CosineRestarts(0.5, 2, 2.0, end=0.0625),
    ),
    "sequential": (
        lambda o: s.SequentialLR(o, [s.ConstantLR(o, 0.5, 9), s.ExponentialLR(o, 0.5)], [3]),
        nn.Join((nn.PiecewiseConstant((9,), (0.25, 0.5)), nn.ExponentialDecay(0.5, 0.5)), (3,)),
    ),
    "lambda": (lambda o: s.LambdaLR(o, lambda t: 1 / (1 + t)), None),
    "function": (lambda o: lambda step: 0.5 / (1 + step), None),
}


@pytest.mark.parametrize("name", TORCH)
def test_schedules_of_torch_are_what_they_are_read_as(name):
    make, expected = TORCH[name]
    side = torch_side(make)
    said = side.declared(X[:3])
    if expected is not None:
        assert said.schedule == expected
    assert said.schedule_every == "step"
    stated = [said.schedule(t) for t in range(9)]
    assert said.optimizer.learning_rate == stated[0]
    start = side.state()
    taken = made_rates(side, 9)
    # A rate of order one is read off a parameter of order one: some roundings each.
    np.testing.assert_allclose(taken, stated, rtol=0, atol=1e-14)
    assert side.declared(X[:3]).optimizer.learning_rate == stated[0]
    side.restore(start)
    np.testing.assert_allclose(made_rates(side, 9), taken, rtol=0, atol=1e-14)


@pytest.mark.parametrize("name", ["exponential", "function"])
def test_epochs_count_where_they_are_to_count(name):
    side = torch_side(TORCH[name][0], every="epoch")
    schedule = side.declared(X[:3]).schedule
    assert side.declared(X[:3]).schedule_every == "epoch"
    np.testing.assert_allclose(made_rates(side, 3), [0.5] * 3, rtol=0, atol=1e-14)
    side.end_epoch()
    expected = [schedule(t) for t in (1, 2, 3)]
    np.testing.assert_allclose(made_rates(side, 3, epochs=True), expected, rtol=0, atol=1e-14)


def test_watching_ends_epochs():
    side = torch_side(TORCH["exponential"][0], every="epoch")
    side.watch(X, Y, epochs=2, batch_size=4, limit=100)
    assert side.optimizer.param_groups[0]["lr"] == 0.5 * 0.75**2


@pytest.mark.parametrize("name", ["exponential", "function", "none"])
def test_another_schedule_is_followed_and_the_authors_again(name):
    make = TORCH[name][0] if name in TORCH else lambda o: None
    side = torch_side(make)
    said, start = side.declared(X[:3]), side.state()
    own = made_rates(side, 4)
    side.restore(start)
    other = nn.ExponentialDecay(0.25, 0.5)
    assert side.adjust(dataclasses.replace(said, schedule=other), X[:3])
    assert side.declared(X[:3]).schedule == other
    np.testing.assert_allclose(made_rates(side, 4), [0.25, 0.125, 0.0625, 0.03125], atol=1e-14)
    side.restore(start)
    assert side.adjust(said, X[:3])
    again = side.declared(X[:3])
    assert (again.schedule, again.optimizer) == (said.schedule, said.optimizer)
    np.testing.assert_allclose(made_rates(side, 4), own, rtol=0, atol=1e-14)


def test_other_settings_are_adjusted_in_the_middle_of_a_schedule():
    side = torch_side(TORCH["exponential"][0])
    said = side.declared(X[:3])
    made_rates(side, 2)
    changed = dataclasses.replace(said.optimizer, weight_decay=0.5)
    assert side.adjust(dataclasses.replace(said, optimizer=changed), X[:3])
    assert side.optimizer.param_groups[0]["lr"] == 0.5 * 0.75**2
    assert side.declared(X[:3]).optimizer == changed


def test_a_program_is_told_the_rate_where_it_asks_for_it():
    w = np.zeros(3)

    def update(grads, learning_rate):
        w[:] -= learning_rate * grads["w"]

    side = Scratch(
        parameters={"w": w}, predict=lambda x: x @ w, update=update, schedule=lambda t: 0.5**t
    )
    assert made_rates(side, 3) == [1.0, 0.5, 0.25]
    assert [side.declared(X[:3]).schedule(t) for t in range(3)] == [1.0, 0.5, 0.25]


def test_a_schedule_of_the_solvers_own():
    network = nn.Network((("line", nn.Affine(3, 1)),))
    decay = nn.ExponentialDecay(0.5, 0.5)
    side = SolverSide(nn.Solver(network, nn.MeanSquaredError(), nn.SGD(0.125), schedule=decay))
    said = side.declared(X[:3])
    assert (said.schedule, said.optimizer.learning_rate) == (decay, 0.5)
    np.testing.assert_allclose(made_rates(side, 3), [0.5, 0.25, 0.125], rtol=0, atol=1e-14)
    constant = dataclasses.replace(said, schedule=nn.ConstantRate(0.25))
    assert side.adjust(constant, X[:3])
    np.testing.assert_allclose(made_rates(side, 2), [0.25, 0.25], rtol=0, atol=1e-14)
    assert side.adjust(said, X[:3])
    np.testing.assert_allclose(made_rates(side, 1), [0.5 * 0.5**5], rtol=0, atol=1e-14)


def test_a_function_may_ask_for_the_rate_before():
    side = torch_side(lambda o: lambda epoch, lr: lr if epoch < 2 else lr * 0.5)
    np.testing.assert_allclose(made_rates(side, 4), [0.5, 0.5, 0.25, 0.125], atol=1e-14)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda o: 0.5, "expected a function step → learning rate, or the framework's own"),
        (lambda o: lambda step: "fast", "it returned str"),
        (lambda o: s.ReduceLROnPlateau(o), "stepped without a metric; received ReduceLROnPlateau"),
        (lambda o: s.StepLR(torch.optim.SGD([torch.zeros(1)], lr=1.0), 2), "one of another"),
    ],
)
def test_what_is_no_schedule_is_said(make, message):
    with pytest.raises(InputError, match=message):
        torch_side(make)
