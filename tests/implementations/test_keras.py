"""Keras models: looking changes nothing, the twin of what is declared computes the same."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from netparity.conventions import Conventions
from netparity.errors import CannotError, InputError
from netparity.nn import L1, L2, SGD, Adam, Dropout, LeakyReLU, MeanSquaredError, Network

keras = pytest.importorskip("keras")
from netparity.implementations.keras import Keras  # noqa: E402  (after the skip)
from netparity.implementations.keras_optimizers import rule  # noqa: E402

Array = np.ndarray[Any, np.dtype[Any]]
X = np.random.default_rng(1).normal(size=(13, 7))
Y = np.eye(4)[np.random.default_rng(2).integers(0, 4, 13)]


@pytest.fixture(params=["float32", "float64"])
def floatx(request: pytest.FixtureRequest) -> Iterator[str]:
    """Both widths; the process-wide setting is put back."""
    yield from _use(request.param)


@pytest.fixture
def float64() -> Iterator[str]:
    """Double precision; the process-wide setting is put back."""
    yield from _use("float64")


def _use(width: str) -> Iterator[str]:
    before = keras.config.floatx(), keras.config.dtype_policy()
    keras.config.set_floatx(width)
    keras.config.set_dtype_policy(width)
    yield width
    keras.config.set_floatx(before[0])
    keras.config.set_dtype_policy(before[1])


def model(
    loss: Any = "categorical_crossentropy",
    optimizer: Any = None,
    last: str | None = "softmax",
    rate: float = 0.7,
) -> Any:
    """Three dense layers with what most models have."""
    keras.utils.set_random_seed(3)
    layers = keras.layers
    made = keras.Sequential(
        [
            keras.Input((7,)),
            layers.Dense(6, activation="tanh", kernel_regularizer=keras.regularizers.L2(0.1)),
            layers.Dropout(rate),
            layers.Dense(5, bias_regularizer=keras.regularizers.L1(0.25)),
            layers.LeakyReLU(),
            layers.Dense(4, activation=last, kernel_regularizer=keras.regularizers.L2(0.1)),
        ]
    )
    made.compile(
        loss=loss, optimizer=optimizer or keras.optimizers.SGD(0.125, momentum=0.9), metrics=["acc"]
    )
    return made


def observe(side: Keras, x: Array, y: Array) -> None:
    """Everything that looks."""
    draws = [np.random.default_rng(0).random(shape) for shape in side.dropouts(x)]
    declared = side.declared(x)
    side.parameters()
    side.predict(x)
    side.predict(x, training=True)
    side.activations(x, training=True, draws=draws)
    side.loss(x, y)
    side.loss(x, y, training=False)
    side.loss_of(side.predict(x), y)
    side.gradients(x, y)
    side.gradients(x, y, draws=draws)
    kept = side.state()
    side.update(side.gradients(x, y))
    side.step(x, y, draws=draws)
    side.step(x, y)
    side.restore(kept)
    assert side.declared(x) == declared


def equal(a: dict[str, Array], b: dict[str, Array]) -> bool:
    return a.keys() == b.keys() and all(np.array_equal(a[name], b[name]) for name in a)


@pytest.mark.parametrize("watched", ["steps", "fit", "batches"])
def test_observing_changes_nothing(watched: str, floatx: str) -> None:
    """Ten updates with dropout end in the same bits, looked at or not."""
    x, y = X.astype(floatx), Y.astype(floatx)
    batches = {"batches": lambda x, y, epoch: [(x[:5], y[:5]), (x[5:], y[5:])]}
    plain = model()
    side = Keras(model(), **(batches if watched == "batches" else {}))
    before = random.getstate(), np.random.get_state()[1].tolist()  # noqa: NPY002
    observe(side, x, y)
    declared = side.declared(x)
    assert side.adjust(replace(declared, penalties=()), x)
    assert side.adjust(declared, x)
    if watched == "steps":
        for _ in range(10):
            plain.train_on_batch(x, y)
            side.step(x, y)
            observe(side, x, y)
    elif watched == "fit":
        plain.fit(x, y, batch_size=5, epochs=4, shuffle=False, verbose=0)
        record = side.watch(x, y, epochs=4, batch_size=5, limit=100)
        assert len(record.fed) == 12
    else:
        for _ in range(5):
            plain.train_on_batch(x[:5], y[:5])
            plain.train_on_batch(x[5:], y[5:])
        record = side.watch(x, y, epochs=5, batch_size=99, limit=100)
        assert [len(batch) for batch, _ in record.fed] == [5, 8] * 5
    assert equal(side.parameters(), Keras(plain).parameters())
    assert before == (random.getstate(), np.random.get_state()[1].tolist())  # noqa: NPY002


def test_names_are_those_of_the_model_not_of_the_process() -> None:
    """A second build has the same names, though Keras counts on."""
    first, second = Keras(model()), Keras(model())
    assert list(first.parameters()) == list(second.parameters())
    assert list(first.parameters())[:3] == ["dense/kernel", "dense/bias", "dense_1/kernel"]
    assert list(first.activations(X)) == [
        "dense",
        "dense/activation",
        "dropout",
        "dense_1",
        "leaky_re_lu",
        "dense_2",
        "dense_2/activation",
    ]


LOSSES = [
    ("categorical_crossentropy", "softmax"),
    ("sparse_categorical_crossentropy", "softmax"),
    # Scores taken for probabilities: the loss bounds them and divides by their sum.
    ("sparse_categorical_crossentropy", None),
    ("binary_crossentropy", "sigmoid"),
    ("mse", "sigmoid"),
    ("mae", None),
]
RULES = [
    lambda: keras.optimizers.SGD(0.125),
    lambda: keras.optimizers.SGD(0.1, momentum=0.9, nesterov=True),
    lambda: keras.optimizers.SGD(0.1, momentum=0.9, weight_decay=0.3),
    lambda: keras.optimizers.Adam(0.01),
    lambda: keras.optimizers.AdamW(0.01, epsilon=1e-3),
]


def mapped(side: Keras, declared: Conventions, values: dict[str, Array]) -> dict[str, Array]:
    return {twin: values[place.name] for twin, place in declared.places.items()}


def off(a: Array, b: Array) -> float:
    """The largest difference, against the largest value, in units of the dtype's roundoff."""
    return float(np.max(np.abs(a - b)) / np.max(np.abs(b)) / np.finfo(b.dtype).eps)


def roundings(width: str, count: int = 64) -> float:
    """So many roundings of a width."""
    return count * float(np.finfo(width).eps)


@pytest.mark.parametrize(("loss", "last"), LOSSES)
def test_declared_twin_computes_the_same(loss: str, last: str | None, floatx: str) -> None:
    """Predictions, loss, penalty and gradients, with dropout fed."""
    x, y = X.astype(floatx), Y.astype(floatx)
    target = y.argmax(axis=1) if loss.startswith("sparse") else y
    side = Keras(model(loss, last=last))
    declared = side.declared(x[:3])
    assert declared.layers is not None
    assert declared.loss is not None
    assert declared.penalties is not None
    rng = np.random.default_rng(4)
    # Small, so that no sigmoid saturates: from 1 − p its logit cannot be had in float32.
    side.set_parameters({n: rng.normal(0, 0.3, v.shape) for n, v in side.parameters().items()})
    draws = [rng.random(shape) for shape in side.dropouts(x)]
    parameters = mapped(side, declared, side.parameters())
    tape = Network(declared.layers).forward(parameters, x, training=True, draws=draws)
    value, upstream = declared.loss.value_and_gradient(tape.prediction, target)
    penalty = sum(p.value(parameters) for p in declared.penalties)
    gradients = tape.backward(upstream).parameters
    for term in declared.penalties:
        for name, gradient in term.gradients(parameters).items():
            gradients[name] = gradients[name] + gradient
    # Sums of at most 13 terms, three layers deep: 64 roundings is their bound with room for
    # another order; the softmax and its logarithm lose no digit on logits of order one.
    found = side.loss(x, target, draws=draws)
    assert off(side.predict(x, training=True, draws=draws), tape.prediction) < 64
    assert found.data == pytest.approx(value, rel=roundings(floatx))
    assert found.penalty == pytest.approx(penalty, rel=roundings(floatx))
    assert found.total == pytest.approx(value + penalty, rel=roundings(floatx))
    assert side.loss_of(tape.prediction, target) == pytest.approx(value, rel=roundings(floatx))
    theirs = mapped(side, declared, side.gradients(x, target, draws=draws))
    assert max(off(theirs[name], gradients[name]) for name in gradients) < 64
    outputs = side.activations(x, training=True, draws=draws)
    assert list(outputs) == list(tape.outputs)
    assert max(off(outputs[name], tape.outputs[name]) for name in outputs) < 64


@pytest.mark.parametrize("rule", RULES)
def test_declared_optimizer_updates_the_same(rule: Any, floatx: str) -> None:
    """Three updates on chosen gradients."""
    side = Keras(model("mse", rule()))
    declared = side.declared(X[:3])
    assert declared.optimizer is not None
    parameters = mapped(side, declared, side.parameters())
    state = declared.optimizer.initialize(parameters)
    rng = np.random.default_rng(5)
    # Keras rounds Adam's β to float32 in the bias correction alone, and computes that in
    # float32 in a float32 model: of 1 − β₂ = 1e-3 that leaves a relative 2⁻²⁴/1e-3.
    adam = isinstance(declared.optimizer, Adam)
    bound = 2**-24 / 1e-3 if adam else roundings(floatx, 8)
    for _ in range(3):
        gradients = {n: rng.normal(size=v.shape).astype(floatx) for n, v in parameters.items()}
        following, state = declared.optimizer.update(parameters, gradients, state)
        side.update({declared.places[n].name: g for n, g in gradients.items()})
        theirs = mapped(side, declared, side.parameters())
        for name, value in theirs.items():
            scale = np.abs(following[name]).max()
            assert np.abs(value - following[name]).max() <= bound * scale
        parameters = theirs


def test_constants_stand_as_they_act(float64: str) -> None:
    """In float64 TensorFlow rounds what Keras casts; the rate, ε and a loss weight stay."""
    side = Keras(model("mse"))
    declared = side.declared(X[:3])
    rounded = {value: float(np.float32(value)) for value in (0.1, 0.9, 0.3)}
    assert declared.optimizer == SGD(0.125, momentum=rounded[0.9], form="rate-inside")
    assert declared.penalties == (
        L2(rounded[0.1], factor=1.0, scope=("dense.weight", "dense_2.weight")),
        L1(0.25, factor=1.0, scope=("dense_1.bias",)),
    )
    assert declared.layers is not None
    assert dict(declared.layers)["leaky_re_lu"] == LeakyReLU(rounded[0.3])
    assert declared.texts["layers.dropout.rate"] == "Dropout(0.7)"
    assert declared.texts["penalties"] == "kernel_regularizer=L2(0.1)"
    assert declared.texts["loss"] == "loss='mse'"


def test_a_step_is_what_train_on_batch_does(floatx: str) -> None:
    """With draws, gradients and update apart give the step's bits."""
    x, y = X.astype(floatx), Y.astype(floatx)
    side, other = Keras(model()), Keras(model())
    rng = np.random.default_rng(6)
    for _ in range(3):
        draws = [rng.random(shape) for shape in side.dropouts(x)]
        side.step(x, y, draws=draws)
        other.update(other.gradients(x, y, draws=draws))
        assert equal(side.parameters(), other.parameters())


def test_adjust_changes_the_live_model_and_back(floatx: str) -> None:
    """Each setting follows, and the declared conventions restore the first bits."""
    x, y = X.astype(floatx), Y.astype(floatx)
    side = Keras(model("mse", last=None))
    start, declared = side.state(), side.declared(x)
    for _ in range(2):
        side.step(x, y)
    once = side.parameters()
    assert isinstance(declared.optimizer, SGD)
    assert isinstance(declared.loss, MeanSquaredError)
    assert declared.layers is not None
    halved = tuple(
        (name, replace(layer, rate=0.25) if isinstance(layer, Dropout) else layer)
        for name, layer in declared.layers
    )
    for wanted in (
        replace(declared, layers=halved),
        replace(declared, penalties=(L2(0.05, factor=1.0, scope="all"),)),
        replace(declared, loss=replace(declared.loss, factor=0.5)),
        replace(declared, loss=replace(declared.loss, outputs="sum", batch="sum")),
        replace(declared, optimizer=replace(declared.optimizer, momentum=0.3)),
        replace(declared, optimizer=replace(declared.optimizer, learning_rate=0.5)),
    ):
        side.restore(start)
        assert side.adjust(wanted, x)
        now = side.declared(x)
        assert now.layers == wanted.layers
        assert now.penalties == wanted.penalties
        assert now.optimizer == wanted.optimizer
        twin = mapped(side, wanted, side.parameters())
        assert wanted.layers is not None
        assert wanted.loss is not None
        draws = [np.random.default_rng(0).random(shape) for shape in side.dropouts(x)]
        tape = Network(wanted.layers).forward(twin, x, training=True, draws=draws)
        value = wanted.loss.value(tape.prediction, y)
        value += sum(p.value(twin) for p in wanted.penalties or ())
        total = side.loss(x, y, draws=draws).total
        assert total == pytest.approx(value, rel=roundings(floatx))
        for _ in range(2):
            side.step(x, y)
        assert not equal(side.parameters(), once)
        assert side.adjust(declared, x)
        side.restore(start)
        for _ in range(2):
            side.step(x, y)
        assert equal(side.parameters(), once)


def test_adjust_leaves_alone_what_it_cannot_change() -> None:
    """Another optimizer or structure: ``False``, and nothing is touched."""
    side = Keras(model("mse"))
    declared = side.declared(X)
    assert not side.adjust(replace(declared, penalties=(), optimizer=Adam(0.1)), X)
    assert declared.layers is not None
    assert not side.adjust(replace(declared, layers=declared.layers[:-1]), X)
    assert side.declared(X) == declared


def test_fit_is_watched_as_keras_reports_it() -> None:
    """Logs are those of ``fit``; a validation split is held out; the limit cuts rows."""
    plain = model("mse")
    history = plain.fit(
        X, Y, batch_size=4, epochs=2, shuffle=False, verbose=0, validation_split=0.25
    ).history
    held = int(np.floor(len(X) * 0.75))
    side = Keras(model("mse"), validation=lambda x, y: (x[held:], y[held:]))
    record = side.watch(X, Y, epochs=2, batch_size=4, limit=20)
    for name, values in history.items():
        assert [r.value for r in record.reported if r.name == name] == values
    assert "val_loss" in history
    assert record.report_every == "epoch"
    assert record.epochs == (0, 0, 0, 1, 1, 1)
    assert len(record.states) == 7
    short = Keras(model("mse")).watch(X, Y, epochs=2, batch_size=4, limit=4)
    assert [len(x) for x, _ in short.fed] == [4, 4, 4, 4]
    cut = Keras(model("mse"), batches=lambda x, y, e: [(x, y)] * 5).watch(
        X, Y, epochs=9, batch_size=4, limit=7
    )
    assert cut.epochs == (0,) * 5 + (1,) * 2
    assert cut.notes


def test_other_kinds_of_models() -> None:
    """Functional chains and branches are read, unbuilt models not; uncompiled ones run."""
    inputs = keras.Input((7,))
    hidden = keras.layers.Dense(4, activation="relu")(inputs)
    chain = keras.Model(inputs, keras.layers.Dense(4)(hidden))
    side = Keras(chain)
    assert side.abilities == {"activations", "draws", "adjust"}
    assert len(side.declared(X).layers or ()) == 3
    with pytest.raises(CannotError):
        side.loss(X, Y)
    branch = keras.Model(inputs, keras.layers.Add()([keras.layers.Dense(4)(hidden), hidden]))
    assert len(Keras(branch).declared(X).layers or ()) == 4
    with pytest.raises(InputError, match="never built"):
        Keras(keras.Sequential([keras.layers.Dense(3)])).parameters()
    with pytest.raises(InputError, match=r"expected a keras\.Model"):
        Keras(object())
    with pytest.raises(InputError, match="expected shape"):
        side.set_parameters({"dense/bias": np.zeros(3)})


def test_an_overridden_train_step_is_the_step() -> None:
    """The author's own step runs, with the pair that ``fit`` hands it."""

    class Twice(keras.Model):
        def __init__(self) -> None:
            super().__init__()
            self.dense = keras.layers.Dense(4)
            self.handed: list[int] = []

        def call(self, inputs: Any) -> Any:
            return self.dense(inputs)

        def train_step(self, data: Any) -> Any:
            self.handed.append(len(data))
            super().train_step(data)
            return super().train_step(data)

    keras.utils.set_random_seed(1)
    made = Twice()
    # The precision in force may be either, so both routes are given the same float32 rows.
    x, y = X.astype("float32"), Y.astype("float32")
    made(x)
    made.compile(loss="mse", optimizer=keras.optimizers.SGD(0.125))
    side = Keras(made)
    kept = side.state()
    side.step(x, y)
    after = side.parameters()
    side.restore(kept)
    for _ in range(2):
        side.update(side.gradients(x, y))
    assert made.handed == [2]
    assert equal(side.parameters(), after)


ON_ANOTHER = """
import keras, numpy as np
from netparity.implementations.keras import Keras
from netparity.nn import Network
keras.utils.set_random_seed(1)
model = keras.Sequential([keras.Input((7,)), keras.layers.Dense(5, activation="relu"),
                          keras.layers.Dropout(0.5), keras.layers.Dense(4, activation="softmax")])
model.compile(loss="sparse_categorical_crossentropy", optimizer=keras.optimizers.Adam(0.01))
side, rng = Keras(model), np.random.default_rng(0)
x, y = rng.normal(size=(9, 7)).astype("float32"), rng.integers(0, 4, 9)
said = side.declared(x)
draws = [rng.random(shape) for shape in side.dropouts(x)]
twin = {n: side.parameters()[p.name] for n, p in said.places.items()}
tape = Network(said.layers).forward(twin, x, training=True, draws=draws)
value, upstream = said.loss.value_and_gradient(tape.prediction, y)
gradients = tape.backward(upstream).parameters
found = side.gradients(x, y, draws=draws)
off = max(np.abs(found[p.name] - gradients[n]).max() for n, p in said.places.items())
kept = side.state()
side.step(x, y, draws=draws)
after = side.parameters()
side.restore(kept)
side.update(found)
same = all(np.array_equal(after[n], v) for n, v in side.parameters().items())
runs = []
for _ in range(2):  # dropout's own draws: a state holds where they come from, a look leaves it
    side.restore(kept)
    side.loss(x, y)
    side.step(x, y)
    runs.append(side.parameters())
same &= all(np.array_equal(runs[0][n], v) for n, v in runs[1].items())
side.restore(kept)
side.step(x, y)
same &= all(np.array_equal(runs[0][n], v) for n, v in side.parameters().items())
print(side.version, said.optimizer is not None, off < 1e-6,
      abs(side.loss(x, y, draws=draws).total) > 0, same)
"""


ON_JAX = """
import keras
import numpy as np
from netparity import Keras

x, y = np.random.default_rng(0).standard_normal((6, 4)).astype("float32"), np.arange(6) % 3
norm, drop = keras.layers.BatchNormalization(momentum=0.5), keras.layers.Dropout(0.5)
model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3), norm, drop])
loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
model.compile(keras.optimizers.SGD(0.5), loss)
side = Keras(model)
draws = [np.ones((6, 3))]  # nothing is dropped, and what is kept is doubled
before, kept = [np.array(v) for v in model.variables], side.state()
side.gradients(x, y, draws=draws)
looked = all(np.array_equal(v, b) for v, b in zip(model.variables, before, strict=True))
side.step(x, y, draws=draws)
one = [np.array(v) for v in model.variables]
side.restore(kept)
drop.rate = 0.0
norm.gamma.assign(2 * norm.gamma)
norm.beta.assign(2 * norm.beta)
side.step(x, y)
two = dict(zip((v.path for v in model.variables), map(np.array, model.variables), strict=True))
paths = [v.path for v in model.variables]
moving = [n for n in paths if "moving" in n]
print(looked, len(moving) == 2, all(
    np.allclose(one[paths.index(n)], two[n], atol=1e-6) and not np.array_equal(
        one[paths.index(n)], before[paths.index(n)]) for n in moving))
"""


@pytest.mark.parametrize("backend", ["torch", "jax"])
def test_on_another_backend(backend: str) -> None:
    """In a process of its own: twin, gradients and step as on TensorFlow."""
    pytest.importorskip(backend)
    found = on(backend, ON_ANOTHER)
    assert found.stdout.split() == [keras.__version__, f"({backend})", *["True"] * 4], found.stderr


def test_on_jax_a_step_moves_the_running_statistics_and_a_look_does_not() -> None:
    pytest.importorskip("jax")
    found = on("jax", ON_JAX)
    assert found.stdout.split() == ["True"] * 3, found.stderr


def on(backend: str, program: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "KERAS_BACKEND": backend},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_first_value_of_an_accumulator_is_that_of_float32() -> None:
    variable = keras.Variable(np.zeros(3), dtype="float64")
    for optimizer in (keras.optimizers.Adagrad(0.05), keras.optimizers.Ftrl(0.05)):
        optimizer.build([variable])
        first = float(np.asarray(optimizer._accumulators[0])[0])
        for rounds, said in ((True, first), (False, optimizer.initial_accumulator_value)):
            known = rule(optimizer, 0.05, {}, rounds=rounds)
            assert known is not None
            assert known.initial_accumulator == said
