from __future__ import annotations

import numpy as np
import pytest

from netparity import nn
from netparity.errors import InputError
from netparity.training import building, choices
from netparity.training import rates as rates_of
from netparity.training.building import (
    build_loss,
    build_network,
    build_optimizer,
    build_solver,
)
from netparity.training.configuration import Configuration
from netparity.training.data import load
from netparity.training.preparing import split
from netparity.training.rates import build_schedule


def test_the_layers_by_hand():
    configuration = Configuration(
        hidden=(30, 20), batch_norm=True, dropout=0.5, input_dropout=0.2, activation="elu"
    )
    assert build_network(configuration, 64, 10).layers == (
        ("dropout0", nn.Dropout(0.2)),
        ("hidden1", nn.Affine(64, 30, bias=False)),
        ("norm1", nn.BatchNorm(30)),
        ("elu1", nn.ELU()),
        ("dropout1", nn.Dropout(0.5)),
        ("hidden2", nn.Affine(30, 20, bias=False)),
        ("norm2", nn.BatchNorm(20)),
        ("elu2", nn.ELU()),
        ("dropout2", nn.Dropout(0.5)),
        ("scores", nn.Affine(20, 10)),
    )
    plain = build_network(Configuration(hidden=()), 64, 10)
    assert plain.layers == (("scores", nn.Affine(64, 10)),)


@pytest.mark.parametrize("activation", choices.ACTIVATIONS)
@pytest.mark.parametrize("initialization", choices.INITIALIZATIONS)
def test_every_activation_and_initialization_trains(activation, initialization):
    configuration = Configuration(
        activation=activation, initialization=initialization, rows=60, hidden=(8,), batch_norm=True
    )
    data = load(configuration)
    solver = build_solver(configuration, data, split(data, configuration))
    x, y = data.training.x.astype(np.float32), data.training.y
    first = solver.step(x, y)
    for _ in range(30):
        last = solver.step(x, y)
    assert last < first


def test_the_weights_have_the_deviation_of_their_law():
    for initialization, deviation in (
        ("he", (2 / 400) ** 0.5), ("glorot", (2 / 700) ** 0.5), ("lecun", (1 / 400) ** 0.5),
        ("torch", (1 / 3 / 400) ** 0.5),
    ):  # fmt: skip
        configuration = Configuration(initialization=initialization, hidden=(300,))
        network = build_network(configuration, 400, 10)
        laws = building.build_laws(configuration, network)
        values = network.initialize(laws, np.random.default_rng(0))
        # Of 120,000 draws the deviation is within 1 / √(2 · 120,000) = 0.2 %; five of these.
        assert values["hidden1.weight"].std() == pytest.approx(deviation, rel=0.01)
        assert not values["hidden1.bias"].any()


def test_norms_begin_as_no_change():
    configuration = Configuration(hidden=(5,), batch_norm=True)
    network = build_network(configuration, 4, 3)
    laws = building.build_laws(configuration, network)
    values = network.initialize(laws, np.random.default_rng(0))
    assert values["norm1.scale"].tolist() == [1.0] * 5
    assert values["norm1.shift"].tolist() == [0.0] * 5


def test_the_tables_hold_every_choice():
    assert tuple(building._ACTIVATIONS) == choices.ACTIVATIONS
    assert tuple(building._LAWS) == choices.INITIALIZATIONS
    assert tuple(building._OPTIMIZERS) == choices.OPTIMIZERS
    assert (*rates_of._SCHEDULES, "plateau") == choices.SCHEDULES


@pytest.mark.parametrize("name", choices.OPTIMIZERS)
def test_every_optimizer_trains_with_decoupled_decay(name):
    configuration = Configuration(optimizer=name, learning_rate=0.01, weight_decay=0.25)
    optimizer = build_optimizer(configuration)
    assert optimizer.learning_rate == 0.01
    assert (optimizer.decay, optimizer.decay_scope) == ("decoupled", "weights")
    # With no gradient only the decay moves a weight: w − η λ w.
    parameters = {"a.weight": np.ones((2, 2)), "a.bias": np.ones(2)}
    zeros = {key: np.zeros_like(value) for key, value in parameters.items()}
    if name != "ftrl":
        after, _ = optimizer.update(parameters, zeros, optimizer.initialize(parameters))
        assert np.allclose(after["a.weight"], 1 - 0.01 * 0.25, rtol=1e-12, atol=0)
        assert after["a.bias"].tolist() == [1.0, 1.0]


@pytest.mark.parametrize(
    ("constants", "said", "hint"),
    [
        ({"beta_1": 0.5}, "a constant of the optimizer adam is not known", "beta1"),
        ({"momentum": 0.5}, "Expected one of beta1, beta2, epsilon, ", None),
        ({"learning_rate": 0.5}, "is not known", None),
        ({"beta1": "much"}, "beta1. Expected float, got str", None),
        ({"amsgrad": 1}, "amsgrad. Expected bool, got int", None),
        ({"epsilon_placement": "in"}, "epsilon_placement. Invalid enum value 'in'", None),
    ],
)
def test_constants_that_cannot_be(constants, said, hint):
    with pytest.raises(InputError) as caught:
        build_optimizer(Configuration(optimizer_constants=constants))
    assert said in caught.value.message
    assert hint is None or hint in (caught.value.hint or "")


def test_constants_reach_the_optimizer():
    adam = build_optimizer(Configuration(optimizer_constants={"beta1": 0.5, "amsgrad": True}))
    assert adam == nn.Adam(1e-3, beta1=0.5, amsgrad=True, decay="decoupled", decay_scope="weights")


def rates(**values) -> list[float]:
    """The rates of a run of 4 epochs of 5 steps, in units of the learning rate."""
    schedule = build_schedule(Configuration(**{"epochs": 4, **values}), 5)
    assert schedule is not None
    return [1000 * schedule(step) for step in range(20)]


def test_schedules_take_the_whole_run():
    steps = np.arange(20)
    assert build_schedule(Configuration(), 5) is None
    assert build_schedule(Configuration(schedule="plateau"), 5) is None
    half = 1e-13
    assert rates(schedule="cosine") == pytest.approx(
        0.5 + 0.5 * np.cos(np.pi * steps / 20), abs=half
    )
    assert rates(schedule="linear") == pytest.approx(1 - steps / 20, abs=half)
    assert rates(schedule="polynomial") == pytest.approx((1 - steps / 20) ** 2, abs=half)
    # These go by epochs of 5 steps.
    assert rates(schedule="exponential") == pytest.approx(0.95 ** (steps / 5), abs=half)
    slow = rates(schedule="exponential", schedule_constants={
        "epochs": 2, "factor": 0.5, "staircase": True
    })  # fmt: skip
    assert slow == pytest.approx([1.0] * 10 + [0.5] * 10, abs=half)
    assert rates(schedule="inverse-time") == pytest.approx(1 / (1 + 0.1 * steps / 5), abs=half)
    again = rates(schedule="cosine-restarts", schedule_constants={"epochs": 2})
    assert again[:10] == again[10:]
    assert rates(schedule="linear", schedule_constants={"end": 5e-4})[-1] == pytest.approx(0.525)


def test_the_warm_up_comes_first():
    found = rates(schedule="linear", warmup=2.0)
    assert found == pytest.approx([*np.arange(1, 11) / 10, *(1 - np.arange(10) / 10)])
    assert rates(warmup=1.0) == pytest.approx([0.2, 0.4, 0.6, 0.8] + [1.0] * 16)
    assert rates(schedule="plateau", warmup=1.0) == rates(warmup=1.0)
    with pytest.raises(InputError, match="Expected less than the 4 epochs"):
        rates(schedule="cosine", warmup=4.0)


@pytest.mark.parametrize(
    ("schedule", "constants", "said"),
    [
        ("constant", {"end": 0.1}, "a constant of the schedule constant is not known"),
        ("cosine", {"ends": 0.1}, "Expected one of end, power. Received: 'ends'"),
        ("cosine", {"epochs": 2}, "is not known"),
        ("linear", {"power": 2}, "is not known. Expected one of end."),
        ("polynomial", {"power": "two"}, "power. Expected float, got str"),
        ("exponential", {"epochs": 0}, "epochs. Expected a number above 0. Received: 0"),
        ("exponential", {"epochs": True}, "epochs. Expected a number above 0"),
        ("exponential", {"factor": -1.0}, "factor"),
        ("plateau", {"monitor": "loss"}, "a constant of the schedule plateau is not known"),
        ("plateau", {"patience": 2.5}, "patience. Expected int"),
    ],
)
def test_constants_of_a_schedule_that_cannot_be(schedule, constants, said):
    configuration = Configuration(schedule=schedule, schedule_constants=constants)
    data = load(configuration)
    with pytest.raises(InputError) as caught:
        build_solver(configuration, data, split(data, configuration))
    assert said in caught.value.message


def test_a_plateau_goes_by_the_validation_loss_if_there_is_one():
    for validation, monitored in ((0.2, "validation_loss"), (0.0, "epoch_loss")):
        configuration = Configuration(
            schedule="plateau", schedule_constants={"patience": 2}, validation=validation
        )
        data = load(configuration)
        solver = build_solver(configuration, data, split(data, configuration))
        assert solver.plateau is not None
        assert (solver.plateau.patience, solver.plateau_monitor) == (2, monitored)


def test_losses():
    assert build_loss(Configuration(label_smoothing=0.1)) == nn.SoftmaxCrossEntropy(
        label_smoothing=0.1
    )
    assert build_loss(Configuration(loss="hinge")) == nn.MulticlassHinge()


def test_the_solver_has_what_the_configuration_says():
    configuration = Configuration(l2=0.1, batch_size=7, dtype="float64", seed=5)
    data = load(configuration)
    parts = split(data, configuration)
    solver = build_solver(configuration, data, parts)
    assert solver.penalties == (nn.L2(0.1),)
    assert (solver.batch_size, solver.dtype) == (7, np.float64)
    again = build_solver(configuration, data, parts)
    for name, array in solver.parameters.items():
        assert np.array_equal(array, again.parameters[name])
