"""TensorFlow 2, Keras models and ``tf.Module``s in loops of their own: read, driven, compared."""

import os
import subprocess
import sys

import numpy as np
import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
pytest.importorskip("tensorflow")
pytest.importorskip("keras")

import keras
import tensorflow as tf

import netparity
from netparity import nn, randomness
from netparity.conventions import Place
from netparity.diagnosis.probes import probe_buffers, probe_parameters, write
from netparity.diagnosis.twin import Twin
from netparity.errors import CannotError, InputError
from netparity.implementations import adapt
from netparity.implementations.tensorflow import TensorFlow

if keras.backend.backend() != "tensorflow":
    pytest.skip("Keras runs on another backend here", allow_module_level=True)

RNG = np.random.default_rng(0)
X = RNG.standard_normal((40, 6)).astype(np.float32).astype(float)
CLASSES = RNG.integers(0, 4, 40)
INITIAL = [
    np.float32(RNG.standard_normal((a, b)) / np.sqrt(a)).astype(float) for a, b in ((6, 9), (9, 4))
]


@pytest.fixture(autouse=True)
def float64():
    """Keras models in double precision; the process-wide setting is put back."""
    before = keras.config.floatx(), keras.config.dtype_policy()
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")
    yield
    keras.config.set_floatx(before[0])
    keras.config.set_dtype_policy(before[1])


def mean_entropy(prediction, y):
    rows = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=y, logits=prediction)
    return tf.reduce_mean(rows)


class Net(tf.Module):
    """Weights set before biases, in a list of dictionaries."""

    def __init__(self, bend=tf.nn.relu):
        super().__init__()
        self.bend = bend
        self.scale = tf.Variable(1.0, trainable=False, dtype=tf.float64)
        self.stack = [
            {"w": tf.Variable(w), "b": tf.Variable(np.zeros(w.shape[1]))} for w in INITIAL
        ]

    def __call__(self, x):
        first, second = self.stack
        return self.bend(x @ first["w"] + first["b"]) @ second["w"] + second["b"]


class Dropping(Net):
    """Drops by itself where it is told to train, and counts."""

    def __call__(self, x, training=False):
        if training:
            self.scale.assign_add(1.0)
            x = tf.nn.dropout(x, 0.5)
        return super().__call__(x)


def in_module(rule=None, loss=mean_entropy, kind=Net, penalty=None, **settings):
    rule = rule or keras.optimizers.SGD(0.125, momentum=0.875)
    return TensorFlow(kind(**settings), loss, rule, penalty=penalty)


def in_keras(rule=None, loss=mean_entropy, rate=0.25, norm=False, penalty=None, last=None):
    layers = keras.layers
    model = keras.Sequential([
        keras.Input((6,)),
        layers.Dense(9, activation="relu", kernel_regularizer=keras.regularizers.L2(0.5)),
        *([layers.BatchNormalization()] if norm else []),
        layers.Dropout(rate, seed=7),
        layers.Dense(4, activation=last),
    ])  # fmt: skip
    for layer, kernel in zip((model.layers[0], model.layers[-1]), INITIAL, strict=True):
        layer.kernel.assign(kernel)
    rule = rule or keras.optimizers.SGD(0.125, momentum=0.875)
    return TensorFlow(model, loss, rule, penalty=penalty)


KINDS = {"module": in_module, "keras": in_keras}


@pytest.fixture(params=KINDS)
def kind(request):
    return KINDS[request.param]


def same(a, b):
    return all(np.array_equal(u, v) for u, v in zip(a, b, strict=True))


# ---- read ---------------------------------------------------------------------------------------
def test_parameters_are_named_in_the_order_of_their_definition():
    assert list(in_module().parameters()) == ["stack.0.w", "stack.0.b", "stack.1.w", "stack.1.b"]
    assert list(in_keras(norm=True).parameters()) == [
        "dense/kernel", "dense/bias", "batch_normalization/gamma", "batch_normalization/beta",
        "dense_1/kernel", "dense_1/bias",
    ]  # fmt: skip
    live = in_module()
    live.set_parameters({"stack.1.b": np.arange(4.0)})
    np.testing.assert_array_equal(live.live.model.stack[1]["b"].numpy(), np.arange(4.0))
    np.testing.assert_array_equal(live.parameters()["stack.0.w"], INITIAL[0])


def test_running_statistics_are_written_and_put_back():
    live = in_keras(norm=True)
    twin, rng = Twin(live.declared(X[:3])), np.random.default_rng(2)
    before = live.state()
    values = probe_parameters(twin, rng) | probe_buffers(twin, rng)
    write(live, twin, values)
    expected = twin.forward({n: v.astype(np.float32) for n, v in values.items()}, X).prediction
    np.testing.assert_allclose(live.predict(X), expected, rtol=1e-4, atol=1e-5)
    live.restore(before)
    assert not np.any(live.buffers()["batch_normalization/moving_mean"])
    assert in_module().buffers() == {}


def test_a_keras_model_states_its_layers_laws_and_optimizer():
    rule = keras.optimizers.AdamW(0.125, weight_decay=0.25)
    live = in_keras(rule, keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    conventions = live.declared(X[:3])
    assert [layer for _, layer in conventions.layers] == [
        nn.Affine(6, 9), nn.ReLU(), nn.Dropout(0.25), nn.Affine(9, 4),
    ]  # fmt: skip
    assert conventions.places["dense.weight"] == Place("dense/kernel")
    assert conventions.loss == nn.SoftmaxCrossEntropy()
    assert conventions.penalties == (), "a loop of one's own adds no regularizers"
    assert conventions.optimizer.weight_decay == 0.25
    assert conventions.optimizer.decay == "decoupled"
    assert conventions.laws["dense.weight"] == nn.NAMED["glorot_uniform"]
    assert "from_logits=True" in conventions.texts["loss"]
    twin, native = Twin(conventions), live.parameters()
    draws = [np.random.default_rng(4).random(shape) for shape in live.dropouts(X)]
    assert [d.shape for d in draws] == [(40, 9)]
    seen = twin.evaluate(twin.values(native), X, CLASSES, draws=draws)
    # Sums of at most forty terms of order one.
    np.testing.assert_allclose(seen.data, live.loss(X, CLASSES, draws=draws).total, rtol=1e-13)
    mine = twin.native(seen.gradients, native)
    for name, gradient in live.gradients(X, CLASSES, draws=draws).items():
        np.testing.assert_allclose(mine[name], gradient, rtol=1e-11, atol=1e-14)
    found = live.activations(X, training=True, draws=draws)
    for name, value in seen.outputs.items():
        np.testing.assert_allclose(value, found[name], rtol=1e-12, atol=1e-14)


def test_losses_of_keras_are_called_in_their_own_order():
    live = in_keras(loss=keras.losses.SparseCategoricalCrossentropy(), last="softmax", rate=0.0)
    p = live.predict(X)
    by_hand = -np.mean(np.log(p[np.arange(40), CLASSES]))
    # A mean of forty terms, each a logarithm of a sum of four.
    assert live.loss(X, CLASSES).total == pytest.approx(by_hand, rel=1e-14)
    assert live.loss_of(p, CLASSES) == pytest.approx(by_hand, rel=1e-14)
    # TensorFlow's softmax carries its logits to the loss, which so clips nothing.
    far = np.array([[1e-12, 1.0 - 1e-12, 1e-13, 1e-13]])
    assert live.loss_of(far, np.array([0])) == pytest.approx(-np.log(1e-12), rel=1e-12)
    hinge = in_keras(loss=lambda prediction, y: tf.reduce_mean(prediction))
    # A mean of 160 terms.
    assert hinge.loss_of(p, CLASSES) == pytest.approx(p.mean(), rel=1e-14)


def test_of_a_module_only_the_optimizer_is_known():
    conventions = in_module().declared(X[:3])
    assert conventions.layers is None
    assert conventions.loss is None
    assert conventions.optimizer == nn.SGD(0.125, 0.875, form="rate-inside")
    assert conventions.texts["loss"] == "mean_entropy"
    excluded = keras.optimizers.AdamW(0.125, weight_decay=0.25)
    net = Net()
    excluded.exclude_from_weight_decay(var_list=[net.stack[0]["b"]])
    assert TensorFlow(net, mean_entropy, excluded).declared(X[:3]).optimizer is None


OPTIMIZERS = [
    (lambda: keras.optimizers.SGD(0.1), nn.SGD(0.1, form="rate-inside")),
    (lambda: keras.optimizers.SGD(0.1, momentum=0.875, nesterov=True),
     nn.SGD(0.1, 0.875, form="rate-inside", nesterov=True)),
    (lambda: keras.optimizers.Adam(0.1, 0.875, 0.75, epsilon=0.125),
     nn.Adam(0.1, 0.875, 0.75, 0.125, epsilon_placement="hat", beta_power="float32-beta")),
]  # fmt: skip
V1 = {
    "GradientDescentOptimizer": {},
    "MomentumOptimizer": {"momentum": 0.9, "use_nesterov": True},
    "AdamOptimizer": {"beta1": 0.8, "epsilon": 0.1},
    "AdagradOptimizer": {},
    "RMSPropOptimizer": {"momentum": 0.5, "centered": True},
    "AdadeltaOptimizer": {},
}


def check_rule(live, rule):
    values = live.parameters()
    state = rule.initialize(values)
    rng = np.random.default_rng(1)
    for _ in range(5):
        gradients = {name: rng.standard_normal(v.shape) for name, v in values.items()}
        live.update(gradients)
        values, state = rule.update(values, gradients, state)
    for name, value in live.parameters().items():
        # Five updates of a dozen operations each, on values of order one.
        np.testing.assert_allclose(values[name], value, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize(("made", "rule"), OPTIMIZERS)
def test_optimizers_of_keras_are_what_they_are_read_as(made, rule):
    live = in_module(made())
    read = live.declared(X[:3]).optimizer
    assert type(read) is type(rule)
    assert (read.learning_rate, read.form if isinstance(read, nn.SGD) else read.epsilon) == (
        rule.learning_rate, rule.form if isinstance(rule, nn.SGD) else rule.epsilon,
    )  # fmt: skip
    check_rule(live, read)


@pytest.mark.parametrize("name", V1)
def test_optimizers_of_tf1_are_what_they_are_read_as(name):
    live = in_module(getattr(tf.compat.v1.train, name)(0.1, **V1[name]))
    rule = live.declared(X[:3]).optimizer
    assert rule.learning_rate == float(np.float32(0.1)), "float64 variables see it rounded"
    check_rule(live, rule)
    if name == "RMSPropOptimizer":
        # Which shows only where the rate changes.
        assert rule.form == "rate-inside"


def test_optimizers_that_say_nothing_known():
    v1 = tf.compat.v1.train
    for rule in (keras.optimizers.SGD(0.1, gradient_accumulation_steps=2),
                 v1.FtrlOptimizer(0.1), v1.GradientDescentOptimizer(lambda: 0.1)):  # fmt: skip
        live = in_module(rule)
        assert live.declared(X[:3]).optimizer is None
        live.step(X, CLASSES)


# ---- driven -------------------------------------------------------------------------------------
@pytest.mark.parametrize("norm", [False, True])
def test_steps_are_those_of_the_authors_loop_bit_for_bit(norm):
    live, author = in_keras(norm=norm), in_keras(norm=norm)
    model, optimizer = author.live.model, author.live.optimizer
    for start in range(5):
        x, y = X[start : start + 9], CLASSES[start : start + 9]
        with tf.GradientTape() as tape:
            loss = mean_entropy(model(x, training=True), y)
        gradients = tape.gradient(loss, model.trainable_variables)
        optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
        live.step(x, y)
    assert same(
        [v.numpy() for v in model.variables], [v.numpy() for v in live.live.model.variables]
    )


def test_loss_gradients_and_penalty(kind):
    def penalty(model):
        return 0.125 * tf.add_n([tf.reduce_sum(v**2) for v in model.trainable_variables])

    settings = {"rate": 0.0} if kind is in_keras else {}
    live, bare = kind(penalty=penalty, **settings), kind(**settings)
    value = live.loss(X, CLASSES)
    squares = sum(np.sum(v**2) for v in live.parameters().values())
    # A sum of 103 squares.
    assert value.penalty == pytest.approx(0.125 * squares, rel=1e-14)
    assert value.total == value.data + value.penalty
    assert value.data == bare.loss(X, CLASSES).total
    assert bare.loss(X, CLASSES).penalty is None
    for name, gradient in bare.gradients(X, CLASSES).items():
        pull = live.gradients(X, CLASSES)[name] - gradient
        np.testing.assert_allclose(pull, 0.25 * live.parameters()[name], rtol=1e-11, atol=1e-15)


def test_a_variable_that_nothing_depends_on_has_no_gradient():
    net = Net()
    net.spare = tf.Variable(np.ones(3))
    live = TensorFlow(net, mean_entropy, keras.optimizers.SGD(0.5))
    assert "spare" in live.parameters()
    assert "spare" not in live.gradients(X, CLASSES)
    live.step(X, CLASSES)
    np.testing.assert_array_equal(net.spare.numpy(), np.ones(3))


def test_draws_feed_the_masks():
    live = in_keras()
    (shape,) = live.dropouts(X)
    (draw,) = draws = [np.random.default_rng(4).random(shape)]
    hidden = live.activations(X)["dense/activation"]
    after = live.activations(X, training=True, draws=draws)["dropout"]
    np.testing.assert_array_equal(after, np.where(draw >= 0.25, hidden / 0.75, 0.0))
    module = in_module(kind=Dropping)
    assert module.dropouts(X) == []
    assert "draws" not in module.abilities
    with pytest.raises(CannotError):
        module.predict(X, training=True, draws=draws)
    with pytest.raises(CannotError):
        module.activations(X)


def test_a_module_is_told_the_mode():
    tf.random.set_seed(3)
    live = in_module(kind=Dropping)
    assert same([live.predict(X)], [in_module().predict(X)])
    first = live.predict(X, training=True)
    assert not same([first], [live.predict(X)])
    assert same([first], [live.predict(X, training=True)]), "a look moves no stream"
    assert live.live.model.scale.numpy() == 1.0
    live.step(X, CLASSES)
    assert live.live.model.scale.numpy() == 2.0
    assert not same([first], [live.predict(X, training=True)])


# ---- looking changes nothing --------------------------------------------------------------------
def in_dropping(rule=None):
    return in_module(rule, kind=Dropping)


def in_norm(rule=None):
    return in_keras(rule, norm=True)


def tf1_adagrad():
    return tf.compat.v1.train.AdagradOptimizer(0.1)


def tf1_adam():
    return tf.compat.v1.train.AdamOptimizer(0.1)


def look(live):
    live.predict(X)
    live.predict(X, training=True)
    live.loss(X, CLASSES)
    live.gradients(X, CLASSES)
    live.declared(X[:3])
    live.dropouts(X)
    if "activations" in live.abilities:
        live.activations(X, training=True)


def look_and_restore(live):
    before = live.state()
    look(live)
    live.update({name: np.ones_like(v) for name, v in live.parameters().items()})
    live.step(X[:3], CLASSES[:3])
    live.restore(before)


CASES = [(in_dropping, tf1_adagrad), (in_dropping, tf1_adam), (in_norm, keras.optimizers.Adam)]


@pytest.mark.parametrize(("build", "rule"), CASES)
@pytest.mark.parametrize("looking", [look, look_and_restore])
def test_probing_leaves_training_bit_equal(build, rule, looking):
    def run(looking):
        tf.random.set_seed(5)
        live = build(rule())
        for start in (0, 5, 0):
            if looking is not None:
                looking(live)
            live.step(X[start : start + 5], CLASSES[start : start + 5])
        state = live.state()
        numbers = [*state["parameters"].values(), *state["others"], *state["slots"].values()]
        return numbers, randomness.fingerprint()["tensorflow"]

    plain, streams = run(None)
    probed, streams_probed = run(looking)
    assert same(plain, probed)
    assert streams == streams_probed


@pytest.mark.parametrize("rule", [tf1_adagrad, tf1_adam, keras.optimizers.Adam])
def test_states_can_be_put_back_in_any_order(rule):
    live = in_module(rule())
    states = []
    for _ in range(3):
        states.append((live.state(), live.parameters()))
        live.step(X, CLASSES)
    for index in (0, 2, 1, 0):
        live.restore(states[index][0])
        assert same(live.parameters().values(), states[index][1].values())
        live.step(X, CLASSES)
        if index < 2:
            assert same(live.parameters().values(), states[index + 1][1].values())


def test_watching_leaves_training_bit_equal():
    def run(watched):
        tf.random.set_seed(5)
        live = in_dropping()
        if watched:
            watched = live.watch(X[:12], CLASSES[:12], epochs=2, batch_size=5, limit=100)
            assert len(watched.fed) == 6
        else:
            for start in (0, 5, 10) * 2:
                stop = min(start + 5, 12)
                live.step(X[start:stop], CLASSES[start:stop])
        return live.parameters().values()

    assert same(run(True), run(False))


def test_functions_of_the_author_see_the_live_model():
    net = Net()
    live = TensorFlow(
        net, mean_entropy, keras.optimizers.SGD(0.5),
        report=lambda x, y: {"w": tf.reduce_sum(net.stack[0]["w"]).numpy()},
        result=lambda: {"stack.0.w": net.stack[0]["w"].numpy()},
    )  # fmt: skip
    watched = live.watch(X, CLASSES, epochs=2, batch_size=20, limit=100)
    assert len({r.value for r in watched.reported}) == 4
    assert same([watched.results[-1][1]["stack.0.w"]], [live.parameters()["stack.0.w"]])


# ---- bad input ----------------------------------------------------------------------------------
class Empty(tf.Module):
    def __call__(self, x):
        return x


def test_what_cannot_be_used_is_said():
    with pytest.raises(InputError, match="expected a Keras model or a tf.Module") as caught:
        TensorFlow([])
    assert "TensorFlowGraph" in caught.value.hint
    with pytest.raises(InputError, match="no trainable variables"):
        TensorFlow(Empty())
    with pytest.raises(InputError, match="no trainable variables"):
        TensorFlow(keras.Sequential([keras.layers.Dense(3)]))
    with pytest.raises(InputError, match="expected one with apply_gradients; received str"):
        TensorFlow(Net(), mean_entropy, "adam")
    with pytest.raises(InputError, match="loss: expected a function; received int"):
        TensorFlow(Net(), 3)
    with pytest.raises(InputError, match="report_every"):
        TensorFlow(Net(), report_every="hour")
    with pytest.raises(InputError, match=r"expected a scalar; received shape \(40,\)") as caught:
        in_module(
            loss=lambda p, y: tf.nn.sparse_softmax_cross_entropy_with_logits(labels=y, logits=p)
        ).loss(X, CLASSES)
    assert "reduce_mean" in caught.value.hint
    with pytest.raises(InputError, match=r"'stack\.0\.w': expected \(6, 9\)"):
        in_module().set_parameters({"stack.0.w": np.ones((9, 6))})
    with pytest.raises(CannotError):
        TensorFlow(Net()).loss(X, CLASSES)
    with pytest.raises(CannotError):
        TensorFlow(Net(), mean_entropy).step(X, CLASSES)
    assert TensorFlow(Net()).abilities == frozenset()
    assert isinstance(adapt(Net()), TensorFlow)


def test_importing_is_refused_with_the_line_that_installs_it():
    program = (
        "import sys; sys.modules['tensorflow'] = None\n"
        "import netparity\n"
        "try: netparity.TensorFlow\n"
        "except netparity.InputError as error: print(error, '|', error.hint)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True,
                          check=True, env={**os.environ, "KERAS_BACKEND": "torch"})  # fmt: skip
    assert done.stdout.strip() == (
        "netparity.TensorFlow: TensorFlow is not installed | pip install 'netparity[keras]'"
    )


# ---- compared -----------------------------------------------------------------------------------
def in_torch(rate):
    torch = pytest.importorskip("torch")
    lines = []
    for kernel in INITIAL:
        line = torch.nn.Linear(*kernel.shape)
        with torch.no_grad():
            line.weight.copy_(torch.from_numpy(kernel.T.copy()))
            line.bias.zero_()
        lines.append(line)
    dropout = [torch.nn.Dropout(rate)] if rate else []
    module = torch.nn.Sequential(lines[0], torch.nn.ReLU(), *dropout, lines[1])
    optimizer = torch.optim.SGD(module.parameters(), lr=0.125, momentum=0.875)
    return netparity.Torch(module, torch.nn.CrossEntropyLoss(), optimizer)


def found(report):
    assert report.unexplained == ()
    assert report.explained
    return {cause.id for cause in report.causes}


def compared(left, rate=0.0):
    return netparity.compare(left, lambda: in_torch(rate), data=(X, CLASSES), steps=8)


def test_parity_with_torch(kind):
    report = compared(lambda: kind(), 0.25 if kind is in_keras else 0.0)
    assert found(report) == set()
    assert report.verdict == "parity"
    looked_at = {"structure", "init", "data", "forward", "loss", "gradient", "update"}
    assert {s.stage for s in report.stages if s.status == "equal"} >= looked_at


@pytest.mark.parametrize(
    ("changes", "id"),
    [
        ({"rule": lambda: keras.optimizers.SGD(0.25, momentum=0.875)}, "learning-rate-value"),
        ({"rule": lambda: keras.optimizers.SGD(0.125, momentum=0.75)}, "momentum-value"),
        ({"bend": lambda: tf.tanh}, "activation-kind"),
        ({"penalty": lambda: lambda m: 0.125 * tf.add_n(
            [tf.reduce_sum(v["w"] ** 2) for v in m.stack])}, "penalty-absent"),
        ({"loss": lambda: lambda p, y: 40 * mean_entropy(p, y)}, "loss-factor"),
    ],
)  # fmt: skip
def test_one_thing_changed(changes, id):
    report = compared(lambda: in_module(**{key: made() for key, made in changes.items()}))
    assert found(report) == {id}


def test_regularizers_that_fit_adds_and_a_loop_of_ones_own_does_not():
    def fitted():
        side = in_keras(rate=0.0)
        model = side.live.model
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(optimizer=keras.optimizers.SGD(0.125, momentum=0.875), loss=loss)
        return netparity.Keras(model)

    report = netparity.compare(fitted, lambda: in_keras(rate=0.0), data=(X, CLASSES), steps=8)
    assert found(report) == {"penalty-absent"}


def test_tf1_adam_and_keras_adam_differ_by_their_rounded_constants():
    report = netparity.compare(
        lambda: in_module(tf.compat.v1.train.AdamOptimizer(0.125, epsilon=2.0**-20)),
        lambda: in_module(keras.optimizers.Adam(0.125, epsilon=2.0**-20)),
        data=(X, CLASSES), steps=8,
    )  # fmt: skip
    assert {s.stage for s in report.stages if s.status == "different"} <= {"update"}
    assert {"learning-rate-value", "epsilon-value", "optimizer-kind"}.isdisjoint(
        {c.id for c in report.causes}
    )
