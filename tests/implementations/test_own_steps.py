"""Whole steps as their authors make them: what they do shows, and can be put back."""

import numpy as np
import pytest
import torch

from netparity.errors import InputError
from netparity.implementations.scratch import Scratch
from netparity.implementations.torch import Torch

X = np.random.default_rng(0).standard_normal((12, 3))
Y = np.random.default_rng(1).standard_normal((12, 2))


def module():
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Tanh(), torch.nn.Linear(4, 2))


def torch_side(make, **settings):
    net = module()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.125, **settings)
    loss = torch.nn.MSELoss()
    return Torch(net, loss, optimizer, train_step=make(net, loss, optimizer))


def forgets(net, loss, optimizer):
    def train_step(x, y):
        loss(net(x), y).backward()
        optimizer.step()

    return train_step


def clips(net, loss, optimizer):
    def train_step(x, y):
        optimizer.zero_grad()
        loss(net(x), y).backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 0.0625)
        optimizer.step()

    return train_step


def takes_arrays_in_float32(net, loss, optimizer):
    def train_step(x, y):
        optimizer.zero_grad()
        loss(net(torch.from_numpy(x).float()), torch.tensor(y, dtype=torch.float32)).backward()
        optimizer.step()

    return train_step


def accumulates(net, loss, optimizer):
    calls = 0

    def train_step(x, y):
        nonlocal calls
        loss(net(x), y).backward()
        calls += 1
        if calls % 2 == 0:
            optimizer.step()
            optimizer.zero_grad()

    return train_step


def by_hand(side, gradients_of):
    """Three steps of plain gradient descent on gradients made of those of the loss."""
    for _ in range(3):
        found = gradients_of(side.gradients(X, Y))
        side.set_parameters({n: p - 0.125 * found[n] for n, p in side.parameters().items()})
    return side.parameters()


def close(one, other):
    # Both make the same products and sums but for one order of sums: a few roundings.
    return all(np.allclose(one[name], other[name], rtol=1e-13, atol=1e-15) for name in one)


def test_gradients_that_are_never_zeroed_add_up():
    total = {}

    def summed(found):
        for name, value in found.items():
            total[name] = total.get(name, 0.0) + value
        return dict(total)

    side = torch_side(forgets)
    expected = by_hand(torch_side(forgets), summed)
    start = side.state()
    for _ in range(2):
        for _ in range(3):
            side.step(X, Y)
        assert close(side.parameters(), expected)
        side.restore(start)
    assert side.module[0].weight.grad is None


def test_clipping_in_between_shows():
    def clipped(found):
        norm = np.sqrt(sum(np.sum(g * g) for g in found.values()))
        return {n: g * min(1.0, 0.0625 / (norm + 1e-6)) for n, g in found.items()}

    side = torch_side(clips)
    for _ in range(3):
        side.step(X, Y)
    assert close(side.parameters(), by_hand(torch_side(clips), clipped))


def test_a_step_that_takes_arrays_is_given_arrays_and_float64():
    side = torch_side(takes_arrays_in_float32)
    for _ in range(3):
        side.step(X, Y)
    assert close(side.parameters(), by_hand(torch_side(clips), lambda found: found))
    assert "train-step" in side.abilities


def test_a_counter_of_the_step_is_part_of_the_state():
    side = torch_side(accumulates)
    side.step(X, Y)
    between = side.state()
    side.step(X, Y)
    after = side.parameters()
    side.restore(between)
    side.step(X, Y)
    assert all(np.array_equal(after[name], value) for name, value in side.parameters().items())


def test_a_scheduler_that_the_step_moves_is_not_moved_twice():
    net = module()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.5)
    scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.5)

    def train_step(x, y):
        optimizer.zero_grad()
        torch.nn.functional.mse_loss(net(x), y).backward()
        optimizer.step()
        scheduler.step()

    side = Torch(net, torch.nn.MSELoss(), optimizer, train_step=train_step, schedule=scheduler)
    side.step(X, Y)
    side.step(X, Y)
    assert optimizer.param_groups[0]["lr"] == 0.125


def test_the_loss_inside_a_step_of_the_authors_own_cannot_be_adjusted():
    import dataclasses

    side = torch_side(clips)
    said = side.declared(X[:3])
    other = dataclasses.replace(said, loss=dataclasses.replace(said.loss, factor=0.5))
    assert not side.adjust(other, X[:3])
    assert side.adjust(
        dataclasses.replace(said, optimizer=dataclasses.replace(said.optimizer, momentum=0.5)),
        X[:3],
    )


def test_an_error_of_the_authors_is_the_authors():
    def broken(net, loss, optimizer):
        def train_step(x, y):
            raise RuntimeError("mine")

        return train_step

    side = torch_side(broken)
    with pytest.raises(RuntimeError, match="mine"):
        side.step(X, Y)


def test_a_from_scratch_program_has_one_step_under_either_name():
    w = np.zeros(3)

    def train_step(x, y):
        w[:] += len(x)

    side = Scratch(parameters={"w": w}, predict=lambda x: x @ w, train_step=train_step)
    side.step(X, Y)
    assert w[0] == 12
    with pytest.raises(InputError, match="expected step or train_step; received both"):
        Scratch(parameters={"w": w}, predict=len, step=train_step, train_step=train_step)


def test_names_that_are_no_arguments_are_said():
    with pytest.raises(InputError, match="received 'trainstep'") as caught:
        Torch(module(), trainstep=lambda x, y: None)
    assert caught.value.hint == "perhaps 'train_step'?"
    with pytest.raises(InputError, match="train_step: expected a function; received int"):
        Torch(module(), train_step=3)
