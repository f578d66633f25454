"""Steps of one's own, schedules and weights on JAX and Flax."""

import dataclasses

import flax.linen as linen
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

from netparity import nn
from netparity.diagnosis import scheduled
from netparity.errors import InputError
from netparity.implementations.flax import Flax
from netparity.implementations.jax import Jax

X = np.random.default_rng(0).standard_normal((12, 3))
Y = np.random.default_rng(1).standard_normal((12, 2))
START = np.random.default_rng(2).standard_normal((3, 2)).astype("float32")


def apply(params, x):
    return x @ params["w"] + params["b"]


def squares(prediction, y):
    return jnp.mean((prediction - y) ** 2)


def params():
    return {"w": jnp.asarray(START), "b": jnp.zeros(2)}


def loss(p, x, y):
    return squares(apply(p, x), y)


def returning():
    """A step that is given its parameters and returns them."""
    rule = optax.chain(optax.clip_by_global_norm(0.0625), optax.sgd(0.125, momentum=0.5))

    @jax.jit
    def train_step(x, y, params, opt_state):
        value, grads = jax.value_and_grad(loss)(params, x, y)
        updates, opt_state = rule.update(grads, opt_state, params)
        return optax.apply_updates(params, updates), opt_state, value

    return Jax(apply, params(), squares, rule, train_step=train_step)


def rebinding():
    """A step that rebinds the variables around it."""
    rule = optax.sgd(0.125, momentum=0.5)
    weights = params()
    opt_state = rule.init(weights)

    def train_step(x, y):
        nonlocal weights, opt_state
        grads = jax.grad(loss)(weights, x, y)
        norm = optax.tree.norm(grads)
        grads = jax.tree.map(lambda g: g * jnp.minimum(1.0, 0.0625 / norm), grads)
        updates, opt_state = rule.update(grads, opt_state)
        weights = optax.apply_updates(weights, updates)

    return Jax(apply, weights, squares, rule, train_step=train_step)


def replacing():
    """A step that replaces the entries of a dictionary, with a momentum of its own."""
    weights, velocity = params(), {"w": jnp.zeros((3, 2)), "b": jnp.zeros(2)}

    def train_step(x, y):
        grads = jax.grad(loss)(weights, x, y)
        norm = optax.tree.norm(grads)
        for name in weights:
            clipped = grads[name] * jnp.minimum(1.0, 0.0625 / norm)
            velocity[name] = 0.5 * velocity[name] + clipped
            weights[name] = weights[name] - 0.125 * velocity[name]

    return Jax(apply, weights, squares, optax.sgd(0.125, momentum=0.5), train_step=train_step)


class Line(nnx.Module):
    def __init__(self):
        self.w, self.b = nnx.Param(jnp.asarray(START)), nnx.Param(jnp.zeros(2))

    def __call__(self, x):
        return x @ self.w + self.b


def in_nnx():
    model = Line()
    rule = optax.chain(optax.clip_by_global_norm(0.0625), optax.sgd(0.125, momentum=0.5))
    optimizer = nnx.Optimizer(model, rule, wrt=nnx.Param)

    @nnx.jit
    def step(model, optimizer, x, y):
        grads = nnx.grad(lambda model: squares(model(x), y))(model)
        optimizer.update(model, grads)

    return Flax(model, squares, optimizer, train_step=lambda x, y: step(model, optimizer, x, y))


class Linen(linen.Module):
    @linen.compact
    def __call__(self, x):
        w = self.param("w", lambda key: jnp.asarray(START))
        return x @ w + self.param("b", lambda key: jnp.zeros(2))


def in_linen():
    module = Linen()
    variables = {"params": params()}
    rule = optax.chain(optax.clip_by_global_norm(0.0625), optax.sgd(0.125, momentum=0.5))

    def train_step(x, y, params, opt_state):
        grads = jax.grad(lambda p: squares(module.apply({"params": p}, x), y))(params)
        updates, opt_state = rule.update(grads, opt_state, params)
        return optax.apply_updates(params, updates), opt_state

    return Flax(module, squares, rule, variables=variables, train_step=train_step)


@pytest.mark.parametrize("make", [returning, rebinding, replacing, in_nnx, in_linen])
def test_steps_of_ones_own_move_the_side_and_can_be_put_back(make):
    side = make()
    start = side.state()
    w, b = np.float64(START), np.zeros(2)
    velocity = {"w": 0.0, "b": 0.0}
    for _ in range(3):
        error = 2 * (X @ w + b - Y) / Y.size
        grads = {"w": X.T @ error, "b": error.sum(axis=0)}
        norm = np.sqrt(sum(np.sum(g * g) for g in grads.values()))
        assert norm > 0.0625
        velocity = {n: 0.5 * velocity[n] + g * 0.0625 / norm for n, g in grads.items()}
        w, b = w - 0.125 * velocity["w"], b - 0.125 * velocity["b"]
    for _ in range(2):
        for _ in range(3):
            side.step(X, Y)
        # In float64 throughout: some roundings of sums of a dozen terms.
        np.testing.assert_allclose(side.parameters()["w"], w, rtol=1e-13, atol=1e-14)
        np.testing.assert_allclose(side.parameters()["b"], b, rtol=1e-13, atol=1e-14)
        side.restore(start)
    assert {"train-step", "step"} <= side.abilities


def test_a_step_whose_parameters_nobody_sees_is_refused():
    with pytest.raises(InputError, match="expected a function that is given params"):
        Jax(lambda p, x: x @ p[0], (jnp.ones((3, 2)),), train_step=lambda x, y: None)
    side = Jax(apply, params(), train_step=lambda x, y, params: 1.0)
    with pytest.raises(InputError, match="expected the new params among what it returns"):
        side.step(X, Y)


def moved(side, count):
    """The rates that updates on gradients of one take."""
    rates = []
    for _ in range(count):
        before = side.parameters()
        side.update({n: np.ones_like(v) for n, v in before.items()})
        rates.append(float((before["b"] - side.parameters()["b"])[0]))
    return np.array(rates)


SCHEDULES = [
    (optax.constant_schedule(0.25), nn.ConstantRate(0.25)),
    (optax.exponential_decay(0.5, 2, 0.25), nn.ExponentialDecay(0.5, 0.25, 2)),
    (optax.exponential_decay(0.5, 2, 0.25, staircase=True),
     nn.ExponentialDecay(0.5, 0.25, 2, staircase=True)),
    (optax.exponential_decay(0.5, 2, 0.25, transition_begin=2),
     nn.Join((nn.ConstantRate(0.5), nn.ExponentialDecay(0.5, 0.25, 2)), (2,))),
    (optax.polynomial_schedule(0.5, 0.125, 2, 4), nn.PolynomialDecay(0.5, 4, 0.125, 2.0)),
    (optax.linear_schedule(0.125, 0.5, 4), nn.PolynomialDecay(0.125, 4, 0.5, 1.0)),
    (optax.cosine_decay_schedule(0.5, 4, 0.125), nn.CosineDecay(0.5, 4, 0.0625)),
    (optax.piecewise_constant_schedule(0.5, {2: 0.5, 4: 0.25}),
     nn.PiecewiseConstant((2, 4), (0.5, 0.25, 0.0625))),
    (optax.warmup_exponential_decay_schedule(0.125, 0.5, 3, 2, 0.25),
     nn.Join((nn.PolynomialDecay(0.125, 3, 0.5, 1.0), nn.ExponentialDecay(0.5, 0.25, 2)), (3,))),
    (lambda count: 0.5 / (1 + count), None),
]  # fmt: skip


@pytest.mark.parametrize(("schedule", "expected"), SCHEDULES)
def test_schedules_of_optax_are_what_they_are_read_as(schedule, expected):
    side = Jax(apply, params(), squares, optax.sgd(schedule))
    said, start = side.declared(X[:3]), side.state()
    if expected is not None:
        assert scheduled.reading(said.schedule) == expected
    stated = [said.schedule(t) for t in range(7)]
    assert said.optimizer == nn.SGD(stated[0])
    np.testing.assert_allclose(moved(side, 7), stated, rtol=0, atol=1e-14)
    side.restore(start)
    other = dataclasses.replace(said, schedule=nn.ConstantRate(0.125))
    assert side.adjust(other, X[:3])
    np.testing.assert_allclose(moved(side, 3), [0.125] * 3, rtol=0, atol=1e-14)
    assert side.adjust(said, X[:3])
    np.testing.assert_allclose(moved(side, 2), stated[3:5], rtol=0, atol=1e-14)


@pytest.mark.parametrize(
    "rule", [optax.sgd(0.5, momentum=0.0), optax.inject_hyperparams(optax.sgd)(0.5)]
)
def test_a_schedule_takes_the_place_of_a_constant_rate(rule):
    side = Jax(apply, params(), squares, rule, schedule=lambda step: 0.5**step)
    assert [side.declared(X[:3]).schedule(t) for t in range(3)] == [1.0, 0.5, 0.25]
    np.testing.assert_allclose(moved(side, 3), [1.0, 0.5, 0.25], rtol=0, atol=1e-14)


def test_what_is_no_place_for_a_schedule_is_said():
    decay = optax.exponential_decay(0.5, 2, 0.5)
    with pytest.raises(InputError, match="received one with a schedule"):
        Jax(apply, params(), squares, optax.sgd(decay), schedule=decay)
    with pytest.raises(InputError, match="one constant learning rate; received none"):
        Jax(apply, params(), squares, schedule=decay)


def test_weights_are_given_to_a_loss_that_takes_them():
    weights = np.arange(12.0)

    def weighted(prediction, y, weights=None):
        rows = jnp.mean((prediction - y) ** 2, axis=1)
        return jnp.mean(rows if weights is None else rows * weights)

    side = Jax(apply, params(), weighted, optax.sgd(0.5))
    rows = [side.gradients(X[i : i + 1], Y[i : i + 1])["w"] for i in range(12)]
    expected = sum(w * r for w, r in zip(weights, rows, strict=True)) / 12
    found = side.gradients(X, Y, weights=weights)["w"]
    np.testing.assert_allclose(found, expected, rtol=1e-13, atol=1e-14)
    assert "weights" in side.abilities
    plain = Jax(apply, params(), squares, optax.sgd(0.5))
    with pytest.raises(InputError, match="expected an argument for the weights of the rows"):
        plain.loss(X, Y, weights=weights)
    assert plain.loss(X, Y, weights=np.ones(12)) == plain.loss(X, Y)


RULES = [
    (optax.sgd(0.25, momentum=0.5), {"learning_rate": 0.125, "momentum": 0.75, "nesterov": True}),
    (optax.adam(0.25), {"beta1": 0.5, "beta2": 0.75, "epsilon": 0.125}),
    (optax.adam(0.25, eps=0.5), {"epsilon_placement": "inside"}),
    (optax.adamw(0.25, weight_decay=0.5), {"weight_decay": 0.25}),
    (optax.rmsprop(0.25), {"rho": 0.5, "epsilon": 0.25, "epsilon_placement": "outside"}),
    (optax.adagrad(0.25), {"epsilon": 0.25}),
    (optax.lion(0.25), {"beta1": 0.5, "learning_rate": 0.5}),
]


@pytest.mark.parametrize(("rule", "changes"), RULES)
def test_constants_of_optax_are_changed_in_their_closures(rule, changes):
    side = Jax(apply, params(), squares, rule)
    said, start = side.declared(X[:3]), side.state()
    wanted = dataclasses.replace(said.optimizer, **changes)
    assert side.adjust(dataclasses.replace(said, optimizer=wanted), X[:3])
    assert side.declared(X[:3]).optimizer == wanted
    values, kept = side.parameters(), wanted.initialize(side.parameters())
    for scale in (1.0, 1e-3, 0.0):
        given = {n: scale * np.ones_like(v) for n, v in values.items()}
        values, kept = wanted.update(values, given, kept)
        side.update(given)
    for name, value in side.parameters().items():
        # Three updates of some ten operations each.
        np.testing.assert_allclose(value, values[name], rtol=1e-13, atol=1e-14)
    side.restore(start)
    assert side.adjust(said, X[:3])
    assert side.program.optimizer is rule


def test_what_optax_cannot_follow_is_left_untouched():
    side = Jax(apply, params(), squares, optax.sgd(0.5))
    said = side.declared(X[:3])
    for optimizer in (nn.SGD(0.5, momentum=0.5), nn.Adam(0.5), nn.SGD(0.5, weight_decay=0.5)):
        assert not side.adjust(dataclasses.replace(said, optimizer=optimizer), X[:3])
    assert side.declared(X[:3]) == said


def test_losses_are_scaled_and_penalties_added():
    side = Jax(apply, params(), squares, optax.sgd(0.5))
    said = side.declared(X[:3])
    plain, data = side.gradients(X, Y), side.loss(X, Y).total
    wanted = dataclasses.replace(
        said, loss=nn.MeanSquaredError("sum", "sum", 0.5), penalties=(nn.L2(0.5, 1.0, ("w",)),)
    )
    assert side.adjust(wanted, X[:3])
    half = Y.size / 2
    found, w = side.gradients(X, Y), side.parameters()["w"]
    np.testing.assert_allclose(found["w"], half * plain["w"] + w, rtol=1e-13, atol=1e-13)
    np.testing.assert_allclose(side.loss(X, Y).data, half * data, rtol=1e-13)
    np.testing.assert_allclose(side.loss(X, Y).penalty, 0.5 * np.sum(w * w), rtol=1e-13)
    assert side.declared(X[:3]).penalties == wanted.penalties
    assert side.adjust(dataclasses.replace(said, loss=nn.MeanSquaredError()), X[:3])
    np.testing.assert_allclose(side.gradients(X, Y)["w"], plain["w"], rtol=1e-13, atol=1e-14)


class Dropping(nnx.Module):
    def __init__(self):
        self.first = nnx.Linear(3, 4, rngs=nnx.Rngs(0))
        self.drop = nnx.Dropout(0.25, rngs=nnx.Rngs(1))
        self.last = nnx.Linear(4, 2, rngs=nnx.Rngs(2))

    def __call__(self, x):
        return self.last(self.drop(nnx.relu(self.first(x))))


def test_the_rate_of_a_dropout_of_nnx_is_changed():
    side = Flax(Dropping(), squares, optax.sgd(0.5))
    said = side.declared(X[:3])
    layers = tuple(
        (name, nn.Dropout(0.5) if isinstance(layer, nn.Dropout) else layer)
        for name, layer in said.layers
    )
    assert side.adjust(dataclasses.replace(said, layers=layers), X[:3])
    assert side.declared(X[:3]).layers == layers
    draws = [np.linspace(0, 1, 48, endpoint=False).reshape(12, 4)]
    kept = side.activations(X, training=True, draws=draws)["drop"] != 0
    assert not kept[draws[0] < 0.5].any()
    assert side.adjust(said, X[:3])
    assert side.declared(X[:3]).layers == said.layers
