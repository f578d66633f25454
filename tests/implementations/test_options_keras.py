"""Steps of one's own, schedules and weights on Keras and TensorFlow 2."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf

from netparity import nn
from netparity.errors import InputError
from netparity.implementations.keras import Keras
from netparity.implementations.tensorflow import TensorFlow
from netparity.implementations.tensorflow_graph import TensorFlowGraph

X = np.random.default_rng(0).standard_normal((12, 3)).astype("float32")
Y = np.random.default_rng(1).integers(0, 2, 12)
WEIGHTS = np.arange(12.0) / 4


def model(optimizer=None, loss="sparse_categorical_crossentropy"):
    keras.utils.set_random_seed(0)
    made = keras.Sequential(
        [keras.Input((3,)), keras.layers.Dense(4, "tanh"), keras.layers.Dense(2, "softmax")]
    )
    made.compile(optimizer=optimizer or keras.optimizers.SGD(0.125), loss=loss)
    return made


def loss_of(y, p):
    return keras.losses.SparseCategoricalCrossentropy()(y, p)


def clipping(made, compiled):
    def train_step(x, y):
        with tf.GradientTape() as tape:
            loss = loss_of(y, made(x, training=True))
        gradients = tape.gradient(loss, made.trainable_variables)
        gradients, _ = tf.clip_by_global_norm(gradients, 0.0625)
        made.optimizer.apply_gradients(zip(gradients, made.trainable_variables, strict=True))

    return tf.function(train_step) if compiled else train_step


def near(one, other, roundings=64):
    """Equal but for float32 roundings of sums of a dozen terms, over three steps."""
    return all(np.allclose(one[n], other[n], rtol=0, atol=roundings * 6e-8) for n in one)


@pytest.mark.parametrize("kind", ["keras", "tensorflow"])
@pytest.mark.parametrize("compiled", [False, True])
def test_clipping_in_a_step_of_ones_own_shows(kind, compiled):
    made = model()
    step = clipping(made, compiled)
    if kind == "keras":
        side = Keras(made, train_step=step)
    else:
        side = TensorFlow(made, keras.losses.SparseCategoricalCrossentropy(), made.optimizer,
                          train_step=step)  # fmt: skip
    plain = Keras(model())
    start = side.state()
    for _ in range(2):
        plain.set_parameters(side.parameters())
        for _ in range(3):
            found = plain.gradients(X, Y)
            norm = np.sqrt(sum(np.sum(np.square(g)) for g in found.values()))
            assert norm > 0.0625
            plain.update({n: g * 0.0625 / norm for n, g in found.items()})
            side.step(X, Y)
        assert near(side.parameters(), plain.parameters())
        side.restore(start)


@pytest.fixture(autouse=True)
def _single_precision():
    before = keras.config.floatx(), keras.config.dtype_policy().name
    keras.config.set_floatx("float32")
    keras.config.set_dtype_policy("float32")
    yield
    keras.config.set_floatx(before[0])
    keras.config.set_dtype_policy(before[1])


@pytest.mark.parametrize("inside", [True, False])
def test_schedules_are_read_followed_and_replaced(inside):
    s = keras.optimizers.schedules
    own = s.ExponentialDecay(0.5, 2, 0.25)
    if inside:
        side = Keras(model(keras.optimizers.SGD(own)))
    else:
        side = Keras(model(), schedule=lambda step: 0.5 * 0.25 ** (step / 2))
    said, start = side.declared(X[:3]), side.state()
    read = nn.ExponentialDecay(0.5, 0.25, 2)
    assert said.schedule == read if inside else said.schedule(3) == read(3)
    assert said.optimizer.learning_rate == 0.5

    def taken(count):
        rates = []
        for _ in range(count):
            before = side.parameters()
            side.update({n: np.ones_like(v) for n, v in before.items()})
            moved = before["dense/bias"] - side.parameters()["dense/bias"]
            rates.append(float(moved[0]))
        return np.array(rates)

    # Read off a parameter of order one in float32.
    np.testing.assert_allclose(taken(4), [read(t) for t in range(4)], rtol=0, atol=4e-7)
    side.restore(start)
    assert side.adjust(dataclasses.replace(said, schedule=nn.ConstantRate(0.125)), X[:3])
    np.testing.assert_allclose(taken(2), [0.125] * 2, rtol=0, atol=4e-7)
    side.restore(start)
    side.step(X, Y)
    assert side.adjust(said, X[:3])
    side.restore(start)
    np.testing.assert_allclose(taken(3), [read(t) for t in range(3)], rtol=0, atol=4e-7)


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (lambda s: s.PiecewiseConstantDecay([2, 4], [0.5, 0.25, 0.125]),
         nn.PiecewiseConstant((2, 4), (0.5, 0.25, 0.125), "old")),
        (lambda s: s.PolynomialDecay(0.5, 4, 0.125, 2.0), nn.PolynomialDecay(0.5, 4, 0.125, 2.0)),
        (lambda s: s.InverseTimeDecay(0.5, 2, 0.5, staircase=True),
         nn.InverseTimeDecay(0.5, 2, 0.5, staircase=True)),
        (lambda s: s.CosineDecay(0.5, 4, 0.125), nn.CosineDecay(0.5, 4, 0.0625)),
        (lambda s: s.CosineDecay(0.125, 4, 0.25, warmup_target=0.5, warmup_steps=2),
         nn.WarmUp(nn.CosineDecay(0.5, 4, 0.125), 2, 0.25)),
        (lambda s: s.CosineDecayRestarts(0.5, 2, 2.0, 0.5, 0.125),
         nn.CosineRestarts(0.5, 2, 2.0, 0.5, 0.0625)),
    ],
)  # fmt: skip
def test_schedules_of_keras_are_what_they_are_read_as(made, expected):
    own = made(keras.optimizers.schedules)
    said = Keras(model(keras.optimizers.Adam(own))).declared(X[:3]).schedule
    assert said == expected
    # Keras works them out in float32.
    for step in range(9):
        assert abs(float(own(step)) - expected(step)) <= 4e-7


@pytest.mark.filterwarnings("ignore:__array__ implementation")
def test_a_callback_that_sets_the_rate_counts_epochs():
    callback = keras.callbacks.LearningRateScheduler(lambda epoch, lr: lr if epoch < 1 else lr / 2)
    side = Keras(model(), schedule=callback)
    assert side.declared(X[:3]).schedule_every == "epoch"
    watched = side.watch(X, Y, epochs=3, batch_size=4, limit=100)
    assert [r.name for r in watched.reported] == ["loss"] * 3
    plain = model()
    plain.fit(X, Y, batch_size=4, epochs=3, shuffle=False, verbose=0, callbacks=[callback])
    assert near(side.parameters(), Keras(plain).parameters(), 8)


def test_weights_of_rows_and_classes_count_as_fit_counts_them():
    side = Keras(model(), sample_weight=WEIGHTS, class_weight={1: 2.0})
    side.watch(X, Y, epochs=2, batch_size=5, limit=100)
    plain = model()
    weights = WEIGHTS * np.where(Y == 1, 2.0, 1.0)
    plain.fit(X, Y, batch_size=5, epochs=2, shuffle=False, verbose=0, sample_weight=weights)
    assert near(side.parameters(), Keras(plain).parameters(), 8)
    side = Keras(model(), class_weight={1: 2.0})
    found = side.gradients(X, Y, weights=WEIGHTS)
    loop = TensorFlow(model(), keras.losses.SparseCategoricalCrossentropy(), class_weight={1: 2.0})
    assert near(found, loop.gradients(X, Y, weights=WEIGHTS), 8)
    rows = [side.gradients(X[i : i + 1], Y[i : i + 1]) for i in range(12)]
    means = {n: sum(w * r[n] for w, r in zip(WEIGHTS, rows, strict=True)) / 12 for n in found}
    assert near(found, means)


def test_batches_may_carry_weights_through_fit():
    def batches(x, y, epoch):
        yield x[:5], y[:5], WEIGHTS[:5]
        yield x[5:], y[5:], np.ones(7)

    side = Keras(model(), batches=batches)
    watched = side.watch(X, Y, epochs=1, batch_size=4, limit=100)
    np.testing.assert_array_equal(watched.weights[0], WEIGHTS[:5])
    assert watched.weights[1] is None
    plain = Keras(model())
    plain.step(X[:5], Y[:5], weights=WEIGHTS[:5])
    plain.step(X[5:], Y[5:])
    assert near(side.parameters(), plain.parameters(), 8)


def test_a_rule_of_tf1_follows_too():
    rule = tf.compat.v1.train.GradientDescentOptimizer(0.5)
    side = TensorFlow(model(), loss_of_prediction, rule, schedule=lambda step: 0.5**step)
    before = side.parameters()["dense/bias"]
    ones = {n: np.ones_like(v) for n, v in side.parameters().items()}
    side.update(ones)
    side.update(ones)
    moved = before - side.parameters()["dense/bias"]
    np.testing.assert_allclose(moved, 1.5, rtol=0, atol=4e-7)


def loss_of_prediction(p, y):
    return loss_of(y, p)


@pytest.mark.parametrize("fed", [False, True])
def test_the_rate_of_a_graph_is_worked_out_or_fed(fed):
    v1 = tf.compat.v1
    graph = tf.Graph()
    with graph.as_default():
        x, y = v1.placeholder(tf.float32, (None, 3)), v1.placeholder(tf.float32, (None, 1))
        w = v1.get_variable("w", initializer=np.ones((3, 1), "float32"))
        loss = tf.reduce_mean((x @ w - y) ** 2)
        counter = v1.train.get_or_create_global_step()
        rate = 0.25 if fed else v1.train.exponential_decay(0.5, counter, 2, 0.25)
        update = v1.train.GradientDescentOptimizer(rate).minimize(loss, global_step=counter)
        session = v1.Session(graph=graph)
        session.run(v1.global_variables_initializer())
        given = {"schedule": lambda t: 0.5 * 0.5**t} if fed else {}
        side = TensorFlowGraph(session, x, y, x @ w, loss, update, **given)
        said, start = side.declared(X[:3]), side.state()
        assert [said.schedule(t) for t in range(4)] == [0.5, 0.25, 0.125, 0.0625]
        assert said.optimizer == nn.SGD(0.5)
        for _ in range(2):
            side.restore(start)
            before = side.parameters()["w"]
            for _ in range(2):
                side.update({"w": np.ones((3, 1))})
            np.testing.assert_allclose(before - side.parameters()["w"], 0.75, atol=4e-7)


def test_two_schedules_are_one_too_many():
    rate = keras.optimizers.schedules.ExponentialDecay(0.5, 2, 0.25)
    with pytest.raises(InputError, match="expected an optimizer with a constant rate"):
        Keras(model(keras.optimizers.SGD(rate)), schedule=lambda step: 0.1)
    with pytest.raises(InputError, match="expected 12 weights; received 3"):
        Keras(model(), sample_weight=[1, 2, 3]).watch(X, Y, epochs=1, batch_size=4, limit=9)


OF = keras.optimizers
RULES = [
    (lambda: OF.Adagrad(0.125, 0.5, 0.25, weight_decay=0.125), {"epsilon": 0.5}),
    (lambda: OF.RMSprop(0.125, 0.75, 0.5, 0.25), {"rho": 0.5, "momentum": 0.25}),
    (lambda: OF.RMSprop(0.125, 0.75, epsilon=0.25, centered=True), {"learning_rate": 0.25}),
    (lambda: OF.Adadelta(0.125, 0.75, 0.25), {"rho": 0.5, "epsilon": 0.5}),
    (lambda: OF.Adamax(0.125, 0.75, 0.5, 0.25), {"beta1": 0.5, "beta2": 0.75}),
    (lambda: OF.Nadam(0.125, 0.75, 0.5, 0.25), {"epsilon": 0.5}),
    (lambda: OF.Lion(0.125, 0.75, 0.5, weight_decay=0.25), {"beta1": 0.5, "weight_decay": 0.5}),
    (lambda: OF.Ftrl(0.125, -0.5, 0.25, 0.125, 0.25), {"l1": 0.5, "l2": 0.125}),
    (lambda: OF.SGD(0.125), {"momentum": 0.5}),
]


@pytest.mark.parametrize(("made", "changes"), RULES)
def test_optimizers_of_keras_are_what_they_are_read_as_and_adjusted(made, changes):
    side = Keras(model(made()))
    said, start = side.declared(X[:3]), side.state()
    twins = {place.name: name for name, place in said.places.items()}

    def repeats(rule):
        values = {twins[n]: v for n, v in side.parameters().items()}
        kept = rule.initialize(values)
        rng = np.random.default_rng(0)
        for _ in range(4):
            given = {n: rng.standard_normal(v.shape).astype("float32") for n, v in values.items()}
            values, kept = rule.update(values, given, kept)
            side.update({n: given[twins[n]] for n in twins})
        # Four updates of some ten operations each, of numbers of order one, in float32.
        found = side.parameters()
        return near(found, {n: values[t] for n, t in twins.items()}, 80)

    assert repeats(said.optimizer)
    side.restore(start)
    wanted = dataclasses.replace(said.optimizer, **changes)
    assert side.adjust(dataclasses.replace(said, optimizer=wanted), X[:3])
    assert side.declared(X[:3]).optimizer == wanted
    side.restore(start)
    assert repeats(wanted)
    assert side.adjust(said, X[:3])
    assert side.declared(X[:3]).optimizer == said.optimizer
