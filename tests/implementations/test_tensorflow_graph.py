"""TensorFlow 1 graphs: looking changes nothing, the twin of what is declared does the same."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from netparity.errors import InputError
from netparity.nn import (
    L1,
    L2,
    SGD,
    Adam,
    Dropout,
    MeanSquaredError,
    Network,
    SigmoidCrossEntropy,
    SoftmaxCrossEntropy,
)

pytest.importorskip("tensorflow")
import tensorflow.compat.v1 as tf

from netparity.implementations.tensorflow_graph import TensorFlowGraph

Array = np.ndarray[Any, np.dtype[Any]]
tf.logging.set_verbosity(tf.logging.ERROR)
X = np.random.default_rng(1).normal(size=(13, 7))
Y = np.eye(4)[np.random.default_rng(2).integers(0, 4, 13)]


def side(
    kind: str = "softmax",
    rule: Callable[[], Any] | None = None,
    dtype: str = "float32",
    resource: bool = True,
    **options: Any,
) -> TensorFlowGraph:
    """Two hidden layers, dropout after each, and a penalty, in a graph of its own."""
    graph = tf.Graph()
    with graph.as_default():
        tf.set_random_seed(3)
        x = tf.placeholder(dtype, [None, 7])
        y = tf.placeholder("int64" if kind == "sparse" else dtype, options.pop("shape", [None, 4]))
        keep = tf.placeholder(dtype, [])

        def variable(name: str, value: Any) -> Any:
            return tf.Variable(value, name=name, use_resource=resource)

        def normal(shape: list[int]) -> Any:
            return tf.random_normal(shape, dtype=dtype)

        w1, b1 = variable("w1", normal([7, 6])), variable("b1", normal([6]))
        w2, b2 = variable("w2", normal([6, 5])), variable("b2", normal([5]))
        w3, b3 = variable("w3", normal([5, 4])), variable("b3", normal([1, 4]))
        hidden = tf.nn.dropout(tf.nn.relu(tf.add(tf.matmul(x, w1), b1)), keep)
        hidden = tf.nn.dropout(tf.tanh(tf.nn.bias_add(tf.matmul(hidden, w2), b2)), rate=0.25)
        output = tf.matmul(hidden, w3) + b3
        predictions, loss = losses(kind, output, y)
        # A coefficient that is exact in binary, so that no width rounds it.
        penalty = 0.125 * (tf.nn.l2_loss(w1) + tf.nn.l2_loss(w2) + tf.nn.l2_loss(w3))
        optimizer = (rule or (lambda: tf.train.AdamOptimizer(0.01)))()
        train = optimizer.minimize(loss + penalty)
        session = tf.Session(graph=graph)
        session.run(tf.global_variables_initializer())
    return TensorFlowGraph(
        session,
        x,
        y,
        predictions,
        graph.get_tensor_by_name(train_loss(graph, loss, penalty)),
        train,
        feeds={keep: 0.7},
        inference_feeds={keep: 1.0},
        **options,
    )


def train_loss(graph: Any, loss: Any, penalty: Any) -> str:
    """The name of the sum that ``minimize`` was given."""
    pair = {loss.name, penalty.name}
    sums = [op for op in graph.get_operations() if {t.name for t in op.inputs} == pair]
    return str(sums[0].outputs[0].name)


def losses(kind: str, output: Any, y: Any) -> tuple[Any, Any]:
    """Predictions and a loss, as people write them."""
    if kind == "softmax":
        return output, tf.reduce_mean(
            tf.nn.softmax_cross_entropy_with_logits_v2(logits=output, labels=y)
        )
    if kind == "sparse":
        return tf.nn.softmax(output), tf.reduce_mean(
            tf.nn.sparse_softmax_cross_entropy_with_logits(logits=output, labels=y)
        )
    if kind == "written":
        p = tf.nn.softmax(output)
        return p, -tf.reduce_mean(tf.reduce_sum(y * tf.log(tf.clip_by_value(p, 1e-5, 1.0)), 1))
    if kind == "sigmoid":
        return tf.nn.sigmoid(output), tf.reduce_mean(
            tf.nn.sigmoid_cross_entropy_with_logits(logits=output, labels=y)
        )
    if kind == "half":
        return output, 0.5 * tf.reduce_sum(tf.square(output - y))
    if kind == "rows":
        return output, tf.reduce_mean(tf.reduce_sum(tf.squared_difference(y, output), axis=1))
    return output, tf.reduce_mean(tf.square(y - output))


LOSSES = {
    "softmax": SoftmaxCrossEntropy(),
    "sparse": SoftmaxCrossEntropy(input="probabilities", renormalise=True),
    "written": SoftmaxCrossEntropy(input="probabilities", clip=1e-5),
    "sigmoid": SigmoidCrossEntropy(input="probabilities"),
    "half": MeanSquaredError("sum", "sum", 0.5),
    "rows": MeanSquaredError("mean", "sum"),
    "mean": MeanSquaredError(),
}
RULES = {
    "sgd": (lambda: tf.train.GradientDescentOptimizer(0.125), SGD(0.125)),
    "momentum": (
        lambda: tf.train.MomentumOptimizer(0.125, 0.875, use_nesterov=True),
        SGD(0.125, momentum=0.875, nesterov=True),
    ),
    "adam": (
        lambda: tf.train.AdamOptimizer(0.125, beta1=0.875, beta2=0.96875, epsilon=2**-10),
        Adam(0.125, 0.875, 0.96875, 2**-10, "hat", beta_power="float32-product"),
    ),
}


def roundings(dtype: str, count: int = 64) -> float:
    """So many roundings of a width."""
    return count * float(np.finfo(dtype).eps)


def off(a: Array, b: Array) -> float:
    """The largest difference against the largest value."""
    return float(np.max(np.abs(a - b)) / np.max(np.abs(b)))


def look(live: TensorFlowGraph, x: Array, y: Array) -> None:
    """Everything that looks, and every write with its way back."""
    kept = live.state()
    draws = [np.random.default_rng(0).random(shape) for shape in live.dropouts(x)]
    declared = live.declared(x)
    live.predict(x)
    live.predict(x, training=True)
    live.activations(x, training=True, draws=draws)
    live.loss(x, y)
    live.loss(x, y, training=False)
    live.loss_of(live.predict(x), y)
    live.update(live.gradients(x, y, draws=draws))
    live.step(x, y, draws=draws)
    assert live.adjust(with_rate(declared, 0.5, dropouts=1), x)
    assert live.adjust(declared, x)
    live.restore(kept)


def with_rate(declared: Any, rate: float, dropouts: int = 2) -> Any:
    left = dropouts
    layers = []
    for name, layer in declared.layers:
        if isinstance(layer, Dropout) and left:
            layer, left = replace(layer, rate=rate), left - 1
        layers.append((name, layer))
    return replace(declared, layers=tuple(layers))


@pytest.mark.parametrize("resource", [True, False])
def test_observing_changes_nothing(resource: bool) -> None:
    """Ten updates with the graph's own dropout end in the same bits, looked at or not."""
    plain, watched = side(resource=resource), side(resource=resource)
    ops = len(watched.live.graph.get_operations())
    for _ in range(10):
        plain.step(X, Y)
        look(watched, X, Y)
        watched.step(X, Y)
    one, other = plain.state()["variables"], watched.state()["variables"]
    assert one.keys() == other.keys()
    assert all(np.array_equal(one[name], other[name]) for name in one)
    assert "beta1_power" in one
    assert len(watched.live.graph.get_operations()) == ops


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("kind", LOSSES)
def test_declared_twin_computes_the_same(kind: str, dtype: str) -> None:
    """Predictions, loss, penalty, gradients and activations, with dropout fed."""
    live = side(kind, dtype=dtype, **({"shape": [None]} if kind == "sparse" else {}))
    x, y = X.astype(dtype), Y.astype(dtype)
    target = Y.argmax(axis=1) if kind == "sparse" else y
    declared = live.declared(x)
    assert declared.loss == LOSSES[kind]
    assert declared.penalties == (L2(0.125, factor=0.5, scope="weights"),)
    assert declared.layers is not None
    rng = np.random.default_rng(4)
    # Small, so that no probability saturates: its logarithm would not be had from it.
    live.set_parameters({n: rng.normal(0, 0.3, v.shape) for n, v in live.parameters().items()})
    draws = [rng.random(shape) for shape in live.dropouts(x)]
    values = live.parameters()
    network = Network(declared.layers)
    shapes = network.parameter_shapes()
    parameters = {n: values[p.name].reshape(shapes[n]) for n, p in declared.places.items()}
    tape = network.forward(parameters, x, training=True, draws=draws)
    value, upstream = declared.loss.value_and_gradient(tape.prediction, target)
    penalty = sum(p.value(parameters) for p in declared.penalties)
    gradients = tape.backward(upstream).parameters
    for term in declared.penalties:
        for name, gradient in term.gradients(parameters).items():
            gradients[name] = gradients[name] + gradient
    # Sums of at most 42 terms, three layers deep: 64 roundings with room for another order.
    bound = roundings(dtype)
    found = live.loss(x, target, draws=draws)
    assert off(live.predict(x, training=True, draws=draws), tape.prediction) < bound
    assert found.data == pytest.approx(value, rel=bound)
    assert found.penalty == pytest.approx(penalty, rel=bound)
    assert found.total == pytest.approx(value + penalty, rel=bound)
    assert live.loss_of(tape.prediction, target) == pytest.approx(value, rel=bound)
    theirs = live.gradients(x, target, draws=draws)
    for name, place in declared.places.items():
        assert off(theirs[place.name].reshape(shapes[name]), gradients[name]) < bound
    outputs = live.activations(x, training=True, draws=draws)
    assert list(outputs) == list(tape.outputs)
    assert all(off(outputs[name], tape.outputs[name]) < bound for name in outputs)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("rule", RULES)
def test_declared_optimizer_updates_the_same(rule: str, dtype: str) -> None:
    """Five updates on chosen gradients; one parameter without a gradient stays."""
    make, expected = RULES[rule]
    live = side(rule=make, dtype=dtype)
    optimizer = live.declared(X).optimizer
    assert optimizer == expected
    assert optimizer is not None
    parameters = live.parameters()
    state = optimizer.initialize(parameters)
    rng = np.random.default_rng(5)
    for step in range(5):
        names = [name for name in parameters if step or name != "b2"]
        gradients = {n: rng.normal(size=parameters[n].shape).astype(dtype) for n in names}
        if step:
            before = parameters
            following, state = optimizer.update(parameters, gradients, state)
            live.update(gradients)
            parameters = live.parameters()
            assert all(
                off(parameters[n] - before[n], following[n] - before[n])
                # Of an update of the size of the rate, the parameter keeps so many digits.
                < roundings(dtype, 256)
                for n in names
            )
        else:
            kept = live.state()
            live.update(gradients)
            assert np.array_equal(live.parameters()["b2"], parameters["b2"])
            assert not np.array_equal(live.parameters()["b1"], parameters["b1"])
            live.restore(kept)


def test_constants_read_as_written() -> None:
    """In float32 a constant is the short decimal; a rate is one minus what is kept."""
    live = side(rule=lambda: tf.train.AdamOptimizer(0.001))
    declared = live.declared(X)
    assert isinstance(declared.optimizer, Adam)
    assert (declared.optimizer.learning_rate, declared.optimizer.epsilon) == (0.001, 1e-8)
    assert declared.layers is not None
    rates = [layer.rate for _, layer in declared.layers if isinstance(layer, Dropout)]
    assert rates == [0.3, 0.25]
    assert declared.texts["layers.dropout.rate"] == "keep_prob=0.7"
    assert declared.texts["layers.dropout_1.rate"] == "rate=0.25"


def test_adjust_feeds_other_constants() -> None:
    """A rate and a learning rate follow; a loss cannot, and nothing is touched then."""
    live = side(rule=lambda: tf.train.GradientDescentOptimizer(0.5), dtype="float64")
    declared, kept = live.declared(X), live.state()
    draws = [np.random.default_rng(0).random(shape) for shape in live.dropouts(X)]
    wanted = with_rate(replace(declared, optimizer=SGD(0.0625)), 0.5, dropouts=1)
    assert live.adjust(wanted, X)
    assert live.declared(X).layers == wanted.layers
    gradients = live.gradients(X, Y, draws=draws)
    live.step(X, Y, draws=draws)
    for name, value in live.parameters().items():
        assert off(value, kept["variables"][name] - 0.0625 * gradients[name]) < roundings("float64")
    live.restore(kept)
    assert live.adjust(declared, X)
    assert not live.live.overrides
    assert not live.adjust(replace(wanted, loss=MeanSquaredError()), X)
    assert live.declared(X) == declared


def test_penalties_of_every_form() -> None:
    """Σw², Σ|w| and ½Σw², each of its own variables."""
    graph = tf.Graph()
    with graph.as_default():
        x, y = tf.placeholder(tf.float64, [None, 3]), tf.placeholder(tf.float64, [None, 2])
        w = tf.Variable(tf.ones([3, 2], tf.float64), name="w")
        b = tf.Variable(tf.ones([2], tf.float64), name="b")
        output = tf.nn.xw_plus_b(x, w, b)
        total = tf.reduce_mean(tf.square(output - y)) + tf.add_n(
            [0.25 * tf.reduce_sum(tf.square(w)), tf.reduce_sum(tf.abs(b)) / 8, tf.nn.l2_loss(b)]
        )
        session = tf.Session(graph=graph)
        session.run(tf.global_variables_initializer())
    live = TensorFlowGraph(session, x, y, output, total)
    declared = live.declared(X[:, :3])
    (layer,) = [name for name, _ in declared.layers or ()]
    assert declared.penalties == (
        L2(0.25, factor=1.0, scope="weights"),
        L1(0.125, factor=1.0, scope=(f"{layer}.bias",)),
        L2(1.0, factor=0.5, scope=(f"{layer}.bias",)),
    )
    assert live.loss(X[:, :3], Y[:, :2]).penalty == 0.25 * 6 + 2 / 8 + 1
    assert declared.optimizer is None
    assert "update" not in live.abilities
    assert set(live.gradients(X[:, :3], Y[:, :2])) == {"w", "b"}


def test_the_authors_loop_is_watched() -> None:
    """Batches, report and its values, as recorded by the common loop."""
    seen: list[int] = []

    def batches(x: Array, y: Array, epoch: int) -> list[tuple[Array, Array]]:
        seen.append(epoch)
        return [(x[:6], y[:6]), (x[6:], y[6:])]

    live = side(batches=batches, report=lambda x, y: {"rows": len(x)}, report_every="epoch")
    record = live.watch(X, Y, epochs=2, batch_size=99, limit=9)
    assert seen == [0, 1]
    assert [len(x) for x, _ in record.fed] == [6, 7, 6, 7]
    assert [report.value for report in record.reported] == [13.0, 13.0]
    assert {"report", "batches"} <= live.abilities


def test_bad_input_is_told() -> None:
    """A tensor of another graph, variables not initialized, wrong names and shapes."""
    live = side()
    with pytest.raises(InputError, match="not of the session's graph"):
        TensorFlowGraph(live.live.session, tf.Graph(), predictions=live.live.predictions)
    with pytest.raises(InputError, match="no parameter 'w9'"):
        live.set_parameters({"w9": np.zeros(1)})
    with pytest.raises(InputError, match="expected shape"):
        live.set_parameters({"w1": np.zeros(1)})
    with pytest.raises(InputError, match="expected draws"):
        live.predict(X, training=True, draws=[])
    fresh = tf.Session(graph=live.live.graph)
    bare = TensorFlowGraph(fresh, live.live.inputs, predictions=live.live.predictions)
    with pytest.raises(InputError, match="not initialized"):
        bare.parameters()


def test_variables_that_share_an_initial_value_are_written_apart() -> None:
    """One tensor initializes two variables: each still gets its own values."""
    graph = tf.Graph()
    with graph.as_default():
        x = tf.placeholder(tf.float32, [None, 2])
        start = tf.ones([2, 2])
        w1, w2 = tf.Variable(start, name="w1"), tf.Variable(start, name="w2")
        output = tf.matmul(tf.nn.leaky_relu(tf.matmul(x, w1), alpha=0.1), w2)
        session = tf.Session(graph=graph)
        session.run(tf.global_variables_initializer())
    live = TensorFlowGraph(session, x, predictions=output)
    values = {"w1": np.full((2, 2), 2.0), "w2": np.full((2, 2), 3.0)}
    live.set_parameters(values)
    assert all(np.array_equal(live.parameters()[name], value) for name, value in values.items())
    assert live.abilities == {"activations", "adjust"}
    assert [type(layer).__name__ for _, layer in live.declared(X[:, :2]).layers or ()] == [
        "Affine",
        "LeakyReLU",
        "Affine",
    ]
