"""scikit-learn's perceptrons: read, driven, adjusted, compared."""

import itertools
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("sklearn")

from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier, MLPRegressor

import netparity
from netparity import nn, randomness
from netparity.conventions import Feeding, Place
from netparity.diagnosis.twin import Twin
from netparity.errors import CannotError, InputError
from netparity.implementations import adapt
from netparity.implementations.sklearn import Sklearn

# `fit` warns where it reaches `max_iter`, which is what is wanted of it here.
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

RNG = np.random.default_rng(0)
X = RNG.standard_normal((50, 5))
CLASSES = RNG.integers(0, 3, 50)
TARGETS = {
    "classes": (MLPClassifier, CLASSES),
    "two classes": (MLPClassifier, RNG.integers(0, 2, 50)),
    "labels": (MLPClassifier, RNG.integers(0, 2, (50, 3))),
    "numbers": (MLPRegressor, RNG.standard_normal(50)),
    "several numbers": (MLPRegressor, RNG.standard_normal((50, 2))),
}
SETTINGS = {
    "sgd": {"solver": "sgd", "learning_rate_init": 0.1},
    "plain": {"solver": "sgd", "momentum": 0.5, "nesterovs_momentum": False, "batch_size": 7},
    "invscaling": {"solver": "sgd", "learning_rate": "invscaling", "activation": "tanh"},
    "adaptive": {
        "solver": "sgd", "learning_rate": "adaptive", "n_iter_no_change": 1, "tol": 10.0,
    },
    "adam": {"solver": "adam", "shuffle": False},
    "early stopping": {"solver": "adam", "early_stopping": True, "activation": "logistic"},
}  # fmt: skip
EPOCHS = 6


def estimator(kind=MLPClassifier, **settings):
    usual = {"hidden_layer_sizes": (6, 4), "batch_size": 16, "random_state": 3, "alpha": 0.5,
             "max_iter": EPOCHS}  # fmt: skip
    return kind(**{**usual, **settings})


def ready(made, y=CLASSES, **functions):
    live = Sklearn(made, **functions)
    live.prepare(X, y)
    return live


def drive(live, y, epochs=EPOCHS):
    for epoch in range(epochs):
        for batch in live.batches(X, y, epoch):
            live.step(*batch)
    return live


def slots(optimizer):
    kept = vars(optimizer)
    arrays = [a for name in ("velocities", "ms", "vs") for a in kept.get(name, [])]
    return [*arrays, kept.get("t"), optimizer.learning_rate]


def same(a, b):
    return all(np.array_equal(u, v) for u, v in zip(a, b, strict=True))


# ---- as fit does --------------------------------------------------------------------------------
@pytest.mark.parametrize("targets", TARGETS)
@pytest.mark.parametrize("settings", SETTINGS)
def test_step_by_step_it_is_fit_bit_for_bit(targets, settings):
    kind, y = TARGETS[targets]
    fitted = estimator(kind, **SETTINGS[settings]).fit(X, y)
    live = drive(ready(estimator(kind, **SETTINGS[settings]), y), y)
    driven = live.estimator
    best = (driven._best_coefs, driven._best_intercepts)
    handed = best if driven.early_stopping else (driven.coefs_, driven.intercepts_)
    assert same(fitted.coefs_, handed[0])
    assert same(fitted.intercepts_, handed[1])
    assert fitted.loss_curve_ == driven.loss_curve_
    assert fitted.loss_ == driven.loss_
    assert fitted.t_ == driven.t_
    assert same(slots(fitted._optimizer), slots(live.training.optimizer))
    if settings == "adaptive":
        assert fitted._optimizer.learning_rate < 0.001
    if settings == "early stopping":
        assert fitted.validation_scores_ == driven.validation_scores_


def test_weights_are_drawn_by_its_own_rule_from_its_own_state():
    for activation, factor in (("relu", 6.0), ("logistic", 2.0)):
        live = ready(estimator(activation=activation))
        stream = np.random.RandomState(3)
        widths = itertools.pairwise((5, 6, 4, 3))
        values = iter(live.parameters().values())
        for inputs, outputs in widths:
            bound = np.sqrt(factor / (inputs + outputs))
            drawn = stream.uniform(-bound, bound, (inputs, outputs))
            np.testing.assert_array_equal(next(values), drawn)
            np.testing.assert_array_equal(next(values), stream.uniform(-bound, bound, outputs))
        law = "sklearn_logistic" if activation == "logistic" else "glorot_uniform"
        assert set(live.declared(X[:3]).laws.values()) == {nn.NAMED[law]}


def test_weights_that_are_there_are_kept():
    fitted = estimator(solver="sgd").fit(X, CLASSES)
    before = [w.copy() for w in fitted.coefs_]
    live = ready(fitted)
    assert same(before, live.estimator.coefs_)
    # The optimizer is a fresh one, as the next fit would make it.
    assert not np.any(live.training.optimizer.velocities[0])
    again = clone(fitted).set_params(warm_start=True)
    again.fit(X, CLASSES)
    again.coefs_ = [w.copy() for w in before]
    again.intercepts_ = [b.copy() for b in fitted.intercepts_]
    again.fit(X, CLASSES)
    drive(live, CLASSES)
    assert same(again.coefs_, live.estimator.coefs_)


def test_a_bare_estimator_is_left_as_it_was():
    made = estimator()
    side = adapt(made)
    side.prepare(X, CLASSES)
    side.step(X, CLASSES)
    assert not hasattr(made, "coefs_")
    fitted = estimator().fit(X, CLASSES)
    before = [w.copy() for w in fitted.coefs_]
    side = adapt(fitted)
    assert same(list(side.parameters().values())[::2], before)
    side.prepare(X, CLASSES)
    side.step(X, CLASSES)
    assert same(fitted.coefs_, before)


def test_the_global_stream_is_used_where_there_is_no_seed():
    np.random.seed(7)  # noqa: NPY002 (the estimator draws from this very generator)
    live = ready(estimator(random_state=None))
    first = list(live.batches(X, CLASSES, 0))
    saved = live.state()
    second = list(live.batches(X, CLASSES, 1))
    live.restore(saved)
    again = list(live.batches(X, CLASSES, 1))
    assert same([x for x, _ in second], [x for x, _ in again])
    assert not same([x for x, _ in first], [x for x, _ in second])


def test_float32_weights_are_lifted_in_place():
    live = Sklearn(estimator())
    live.prepare(X.astype(np.float32), CLASSES)
    assert live.lifted
    assert live.dtype == np.float64
    assert all(np.array_equal(w, w.astype(np.float32)) for w in live.parameters().values())
    assert live.predict(X.astype(np.float32)).dtype == np.float64
    drive(live, CLASSES)
    low = Sklearn(estimator(), lift=False)
    low.prepare(X.astype(np.float32), CLASSES)
    assert low.dtype == np.float32
    assert low.predict(X).dtype == np.float32


# ---- read ---------------------------------------------------------------------------------------
@pytest.mark.parametrize("targets", TARGETS)
@pytest.mark.parametrize("activation", ["relu", "tanh", "logistic", "identity"])
def test_the_declared_twin_computes_the_same(targets, activation):
    kind, y = TARGETS[targets]
    live = ready(estimator(kind, alpha=0.0, activation=activation), y)
    conventions = live.declared(X[:3])
    assert conventions.penalties == ()
    assert conventions.places["layer2.weight"] == Place("coefs_[1]")
    twin = Twin(conventions)
    native = live.parameters()
    seen = twin.evaluate(twin.values(native), X, y)
    # Sums of at most 150 terms of order one; 1e-12 is generous by 1e1.
    np.testing.assert_allclose(seen.prediction, live.predict(X), rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(seen.data, live.loss(X, y).total, rtol=1e-12)
    mine = twin.native(seen.gradients, native)
    # The loss averages over outputs, the gradient does not: scikit-learn's own.
    factor = y.shape[1] if targets == "several numbers" else 1
    for name, gradient in live.gradients(X, y).items():
        np.testing.assert_allclose(factor * mine[name], gradient, rtol=1e-11, atol=1e-14)
    found = live.activations(X)
    for name, value in seen.outputs.items():
        np.testing.assert_allclose(value, found[name], rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize(
    ("settings", "rule"),
    [
        ({"solver": "sgd"}, nn.SGD(0.001, 0.9, form="rate-inside", nesterov=True)),
        ({"solver": "sgd", "momentum": 0.0, "learning_rate_init": 0.5},
         nn.SGD(0.5, form="rate-inside")),
        ({"solver": "sgd", "nesterovs_momentum": False}, nn.SGD(0.001, 0.9, form="rate-inside")),
        ({"solver": "adam", "beta_1": 0.8, "epsilon": 0.1},
         nn.Adam(0.001, 0.8, 0.999, 0.1, epsilon_placement="hat")),
    ],
)  # fmt: skip
def test_optimizers_are_what_they_are_read_as(settings, rule):
    live = ready(estimator(**settings))
    assert live.declared(X[:3]).optimizer == rule
    values = live.parameters()
    state = rule.initialize(values)
    for _ in range(5):
        gradients = {name: RNG.standard_normal(v.shape) for name, v in values.items()}
        live.update(gradients)
        values, state = rule.update(values, gradients, state)
    for name, value in live.parameters().items():
        # Five updates of a handful of operations each.
        np.testing.assert_allclose(values[name], value, rtol=1e-13, atol=1e-15)


def test_the_penalty_is_alpha_over_the_rows_of_the_batch():
    live, free = ready(estimator(alpha=0.5)), ready(estimator(alpha=0.0))
    for rows in (1, 7, 50):
        value = live.loss(X[:rows], CLASSES[:rows])
        squares = sum(np.sum(w**2) for n, w in live.parameters().items() if n.startswith("coefs"))
        # A sum of 66 squares.
        assert value.penalty == pytest.approx(0.25 * squares / rows, rel=1e-14)
        # Three numbers of order one, rounded at each sum.
        assert value.total == pytest.approx(value.data + value.penalty, rel=1e-14)
        with_penalty = live.gradients(X[:rows], CLASSES[:rows])
        for name, bare in free.gradients(X[:rows], CLASSES[:rows]).items():
            pull = 0.5 / rows * live.parameters()[name] if name.startswith("coefs") else 0.0
            np.testing.assert_allclose(with_penalty[name], bare + pull, rtol=1e-12, atol=1e-15)
    assert live.declared(X[:3]).penalties == (nn.L2(0.5, scale_with_batch=True),)


def test_what_the_reference_network_cannot_say_is_not_declared():
    poisson = ready(estimator(MLPRegressor, loss="poisson"), np.abs(TARGETS["numbers"][1]))
    assert poisson.declared(X[:3]).layers is None
    assert poisson.declared(X[:3]).loss is None
    named = ready(estimator(), CLASSES + 3)
    assert named.declared(X[:3]).loss is None
    assert named.loss(X, CLASSES + 3).total == ready(estimator()).loss(X, CLASSES).total
    slow = ready(estimator(solver="lbfgs"))
    assert slow.declared(X[:3]).optimizer is None
    assert not {"step", "update", "batches"} & slow.abilities
    with pytest.raises(CannotError):
        slow.step(X, CLASSES)


# ---- feeding, reporting -------------------------------------------------------------------------
def test_batches_are_those_of_fit():
    live = ready(estimator(batch_size="auto", shuffle=False))
    assert live.declared(X[:3]).feeding == Feeding(50, "sequential", "none")
    many = np.repeat(X, 9, axis=0)
    live.prepare(many, np.repeat(CLASSES, 9))
    assert [len(x) for x, _ in live.batches(many, np.repeat(CLASSES, 9), 0)] == [200, 200, 50]
    shuffled = ready(estimator())
    epochs = [np.concatenate([x for x, _ in shuffled.batches(X, CLASSES, e)]) for e in (0, 1)]
    assert not same(*epochs)
    assert same(np.sort(epochs[0], axis=0), np.sort(epochs[1], axis=0))
    assert shuffled.declared(X[:3]).feeding == Feeding(16, "shuffled", "kept")


@pytest.mark.parametrize("settings", SETTINGS)
def test_watching_is_fit_until_it_stops(settings):
    made = {**SETTINGS[settings], "max_iter": 40, "tol": SETTINGS[settings].get("tol", 0.05)}
    made["n_iter_no_change"] = 2
    fitted = estimator(**made).fit(X, CLASSES)
    watched = ready(estimator(**made)).watch(X, CLASSES, epochs=40, batch_size=32, limit=1000)
    assert [r.value for r in watched.reported] == fitted.loss_curve_
    assert [r.epoch for r in watched.reported] == list(range(fitted.n_iter_))
    if settings == "early stopping":
        assert fitted.n_iter_ < 40
        handed = watched.results[-1][1]
        assert same(list(handed.values())[::2], fitted.coefs_)
        assert watched.aliased is False


def test_early_stopping_holds_rows_out():
    live = ready(estimator(early_stopping=True, validation_fraction=0.2))
    x, y = live.validation(X, CLASSES)
    assert (len(x), len(y)) == (10, 10)
    fed = np.concatenate([rows for rows, _ in live.batches(X, CLASSES, 0)])
    assert len(fed) == 40
    assert same(np.sort(np.concatenate([fed, x]), axis=0), np.sort(X, axis=0))


def test_batches_of_the_author_are_handed_to_partial_fit():
    def batches(x, y, epoch):
        for start in range(0, 50, 10):
            yield x[start : start + 10], y[start : start + 10]

    made = {"solver": "sgd", "learning_rate": "invscaling", "shuffle": False, "batch_size": "auto"}
    author = estimator(**made)
    for batch in batches(X, CLASSES, 0):
        author.partial_fit(*batch, classes=[0, 1, 2])
    live = ready(estimator(**made), batches=batches)
    for batch in live.batches(X, CLASSES, 0):
        live.step(*batch)
    assert same(author.coefs_, live.estimator.coefs_)
    assert "report" not in live.abilities


def test_functions_of_the_author_see_the_live_estimator():
    made = estimator(solver="sgd", learning_rate_init=0.5)
    live = ready(made, report=lambda x, y: {"p": made.predict_proba(x).max()}, report_every="epoch",
                 result=lambda: {"last": made.coefs_[0]})  # fmt: skip
    watched = live.watch(X, CLASSES, epochs=3, batch_size=16, limit=100)
    assert len({r.value for r in watched.reported}) > 1
    assert watched.aliased is True


# ---- looking changes nothing --------------------------------------------------------------------
def look(live):
    live.predict(X)
    live.activations(X)
    live.loss(X, CLASSES)
    live.gradients(X, CLASSES)
    live.declared(X[:3])
    live.dropouts(X)


def look_and_restore(live):
    before = live.state()
    look(live)
    live.update({name: np.ones_like(v) for name, v in live.parameters().items()})
    list(live.batches(X, CLASSES, 0))
    for _ in range(5):
        live.step(X[:20], CLASSES[:20])
    live.restore(before)


@pytest.mark.parametrize("settings", SETTINGS)
@pytest.mark.parametrize("looking", [look, look_and_restore])
def test_probing_leaves_training_bit_equal(settings, looking):
    def train(looking):
        live = ready(estimator(**SETTINGS[settings]))
        for epoch in range(4):
            for batch in live.batches(X, CLASSES, epoch):
                if looking is not None:
                    looking(live)
                live.step(*batch)
        return [*live.parameters().values(), *live.estimator.loss_curve_], randomness.fingerprint()

    plain, streams = train(None)
    probed, streams_probed = train(looking)
    assert same(plain, probed)
    assert streams == streams_probed


def test_restore_repeats_the_run():
    live = ready(estimator(**SETTINGS["adaptive"]))
    drive(live, CLASSES, 1)
    saved = live.state()
    drive(live, CLASSES, 4)
    first = live.parameters()
    live.restore(saved)
    drive(live, CLASSES, 4)
    assert same(first.values(), live.parameters().values())


# ---- adjusting ----------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("settings", "changes"),
    [
        ("sgd", {"optimizer": nn.SGD(0.5, 0.5, form="rate-inside")}),
        ("sgd", {"optimizer": nn.SGD(0.5, 0.5, nesterov=True)}),
        ("adam", {"optimizer": nn.Adam(0.5, 0.5, 0.5, 0.5, epsilon_placement="hat")}),
        ("adam", {"penalties": ()}),
        ("sgd", {"penalties": (nn.L2(0.5, factor=1.0, scale_with_batch=True),)}),
        ("sgd", {"layers": "tanh"}),
        ("sgd", {"layers": "identity"}),
    ],
)
def test_adjusting_follows_the_conventions_and_can_be_undone(settings, changes):
    live = ready(estimator(alpha=0.0, **SETTINGS[settings]))
    if "penalties" in changes:
        live.estimator.alpha = 0.5
    declared = live.declared(X[:3])
    if "layers" in changes:
        kept = {"tanh": nn.Tanh(), "identity": None}[changes["layers"]]
        layers = [(n, kept if isinstance(k, nn.ReLU) else k) for n, k in declared.layers]
        changes = {"layers": tuple((n, k) for n, k in layers if k is not None)}
    saved = live.state()
    drive(live, CLASSES, 1)
    before = live.parameters()
    live.restore(saved)
    wanted = replace(declared, **changes)
    assert live.adjust(wanted, X[:3])
    now = live.declared(X[:3])
    assert [k for _, k in now.layers] == [k for _, k in wanted.layers]
    factors = [(p.factor * p.coefficient, p.scale_with_batch) for p in now.penalties]
    assert factors == [(p.factor * p.coefficient, p.scale_with_batch) for p in wanted.penalties]
    start = live.parameters()
    batches = list(live.batches(X, CLASSES, 0))
    twin = Twin(now)
    expected = twin.native(twin.run(twin.values(start), batches)[-1], start)
    live.restore(saved)
    drive(live, CLASSES, 1)
    for name, value in live.parameters().items():
        # Four steps of a few dozen operations each.
        np.testing.assert_allclose(expected[name], value, rtol=1e-10, atol=1e-12)
    assert any(not np.array_equal(before[name], v) for name, v in live.parameters().items())
    live.restore(saved)
    assert live.adjust(declared, X[:3])
    drive(live, CLASSES, 1)
    assert same(before.values(), live.parameters().values())


@pytest.mark.parametrize(
    "changes",
    [
        {"loss": nn.MeanSquaredError()},
        {"optimizer": nn.Adam(0.1)},
        {"optimizer": nn.SGD(0.1, momentum=0.5, form="averaged")},
        {"optimizer": nn.SGD(0.1, weight_decay=0.5)},
        {"penalties": (nn.L2(0.5),)},
        {"layers": (("layer1", nn.Affine(5, 6)),)},
        {"frozen": ("layer1.bias",)},
    ],
)
def test_what_cannot_be_adjusted_is_left_untouched(changes):
    live = ready(estimator(alpha=0.0, **SETTINGS["sgd"]))
    declared = live.declared(X[:3])
    layers = tuple((n, nn.Tanh() if isinstance(k, nn.ReLU) else k) for n, k in declared.layers)
    assert not live.adjust(replace(declared, **{"layers": layers, **changes}), X[:3])
    assert live.declared(X[:3]) == declared


# ---- bad input ----------------------------------------------------------------------------------
def test_what_cannot_be_used_is_said():
    with pytest.raises(InputError, match="expected an MLPClassifier or MLPRegressor"):
        Sklearn(LogisticRegression())
    with pytest.raises(InputError) as caught:
        adapt(LogisticRegression())
    assert "only MLPClassifier" in caught.value.hint
    with pytest.raises(InputError, match="report_every: expected 'step' or 'epoch'"):
        Sklearn(estimator(), report_every="hour")
    with pytest.raises(InputError, match="report: expected a function; received int"):
        Sklearn(estimator(), report=3)
    with pytest.raises(InputError, match="no weights yet") as caught:
        Sklearn(estimator()).predict(X)
    assert "prepare" in caught.value.hint
    with pytest.raises(InputError, match="no weights yet"):
        netparity.compare(estimator(), estimator(), data=(X, None))
    with pytest.raises(InputError, match="alpha"):
        ready(estimator(alpha=-1.0))
    with pytest.raises(InputError, match=r"'coefs_\[0\]': expected \(5, 6\)"):
        ready(estimator()).set_parameters({"coefs_[0]": np.ones((6, 5))})
    with pytest.raises(CannotError):
        ready(estimator()).validation(X, CLASSES)


# ---- compared -----------------------------------------------------------------------------------
DATA = X[:40].astype(np.float32).astype(float)


def alike(kind=MLPClassifier, **settings):
    usual = {"alpha": 0.0, "batch_size": 32, "shuffle": False, **SETTINGS["sgd"]}
    return estimator(kind, **{**usual, **settings})


def in_numpy(y, *, rate=0.1, momentum=0.9, slope=None):
    """The same perceptron by hand: ReLU, softmax, Nesterov momentum."""
    side = Sklearn(alike())
    side.prepare(DATA, y)
    values = {n.replace("coefs_", "W").replace("intercepts_", "b"): v
              for n, v in side.parameters().items()}  # fmt: skip
    velocity = {n: np.zeros_like(v) for n, v in values.items()}

    def forward(x):
        inputs = [np.asarray(x, dtype=float)]
        for i in range(3):
            z = inputs[-1] @ values[f"W[{i}]"] + values[f"b[{i}]"]
            bent = np.maximum(z, 0) if slope is None else np.where(z > 0, z, slope * z)
            inputs.append(bent if i < 2 else z)
        return inputs

    def judge(x, y):
        z = forward(x)[-1]
        z = z - z.max(1, keepdims=True)
        p = np.exp(z) / np.exp(z).sum(1, keepdims=True)
        rows = np.arange(len(y))
        loss = np.mean(np.log(np.exp(z).sum(1)) - z[rows, y])
        p[rows, y] -= 1
        return float(loss), p / len(y)

    def gradients(x, y):
        inputs, found = forward(x), {}
        d = judge(x, y)[1]
        for i in (2, 1, 0):
            found[f"W[{i}]"], found[f"b[{i}]"] = inputs[i].T @ d, d.sum(0)
            d = (d @ values[f"W[{i}]"].T) * np.where(inputs[i] > 0, 1.0, slope or 0.0)
        return found

    def update(grads):
        for name, g in grads.items():
            velocity[name][...] = momentum * velocity[name] - rate * g
            values[name] += momentum * velocity[name] - rate * g

    return netparity.Scratch(
        parameters=values, state=velocity, predict=lambda x: forward(x)[-1],
        loss=lambda x, y: judge(x, y)[0], gradients=gradients, update=update,
    )  # fmt: skip


def found(report):
    assert report.unexplained == ()
    return {cause.id for cause in report.causes}


def test_parity_with_a_program_by_hand():
    report = netparity.compare(alike(), lambda: in_numpy(CLASSES[:40]), data=(DATA, CLASSES[:40]))
    assert found(report) == set()
    assert report.verdict == "parity"
    assert report.explained
    looked_at = {"structure", "init", "data", "forward", "loss", "gradient", "update"}
    assert {s.stage for s in report.stages if s.status == "equal"} >= looked_at


@pytest.mark.parametrize(
    ("changes", "id"),
    [
        ({"rate": 0.05}, "learning-rate-value"),
        ({"momentum": 0.8}, "momentum-value"),
        ({"slope": 0.01}, "activation-kind"),
    ],
)
def test_one_thing_changed_in_a_program_by_hand(changes, id):
    report = netparity.compare(
        lambda: alike(), lambda: in_numpy(CLASSES[:40], **changes), data=(DATA, CLASSES[:40])
    )
    assert found(report) == {id}
    assert report.explained


@pytest.mark.parametrize(
    ("settings", "changes", "id"),
    [
        ({}, {"learning_rate_init": 0.05}, "learning-rate-value"),
        ({}, {"momentum": 0.8}, "momentum-value"),
        ({}, {"nesterovs_momentum": False}, "optimizer-kind"),
        ({}, {"activation": "tanh"}, "activation-kind"),
        ({}, {"batch_size": 20}, "batch-size-value"),
        ({}, {"shuffle": True}, "batch-order"),
        ({}, {"random_state": 1}, "init-value"),
        ({"solver": "adam"}, {"epsilon": 1e-4}, "epsilon-value"),
        ({"solver": "adam"}, {"beta_1": 0.8}, "beta-value"),
        ({}, {"solver": "adam", "learning_rate_init": 0.001}, "optimizer-kind"),
    ],
)
def test_one_argument_changed(settings, changes, id):
    left, right = alike(**settings), alike(**{**settings, **changes})
    report = netparity.compare(left, right, data=(DATA, CLASSES[:40]))
    assert found(report) == {id}
    assert report.explained
    assert not hasattr(left, "coefs_")


def test_equal_seeds_are_parity_shuffling_included():
    report = netparity.compare(
        alike(shuffle=True), lambda: alike(shuffle=True), data=(DATA, CLASSES[:40])
    )
    assert report.verdict == "parity"
    assert report.gap.before == 0.0
    assert {s.stage: s.status for s in report.stages}["reporting"] == "equal"


@pytest.mark.parametrize(
    ("one", "two", "id"),
    [(0.5, 0.7, "penalty-value"), (0.5, 1.0, "l2-half-factor"), (0.0, 0.7, "penalty-absent")],
)
def test_another_alpha(one, two, id):
    report = netparity.compare(alike(alpha=one), alike(alpha=two), data=(DATA, CLASSES[:40]))
    assert found(report) == {id}
    assert report.explained


def test_defaults_are_parity_with_themselves():
    made = MLPClassifier(random_state=0, max_iter=3)
    report = netparity.compare(made, lambda: clone(made), data=(DATA, CLASSES[:40]))
    assert report.verdict == "parity"
    assert {s.stage: s.status for s in report.stages}["reporting"] == "equal"


def in_torch(y, kind, loss, rule):
    import torch

    side = Sklearn(alike(kind))
    side.prepare(DATA, y)
    weights = list(side.parameters().values())

    def build():
        layers = []
        for weight, bias in zip(weights[::2], weights[1::2], strict=True):
            layer = torch.nn.Linear(*weight.shape, dtype=torch.float64)
            with torch.no_grad():
                layer.weight.copy_(torch.from_numpy(weight.T.copy()))
                layer.bias.copy_(torch.from_numpy(bias.copy()))
            layers += [layer, torch.nn.ReLU()]
        module = torch.nn.Sequential(*layers[:-1])
        return netparity.Torch(module, loss, rule(module.parameters()))

    return build


@pytest.mark.parametrize("targets", ["classes", "two classes", "labels", "numbers"])
def test_parity_with_torch(targets):
    torch = pytest.importorskip("torch")
    from torch.nn import functional

    def logistic(prediction, target):
        target = target.reshape(prediction.shape).double()
        summed = functional.binary_cross_entropy_with_logits(prediction, target, reduction="sum")
        return summed / len(prediction)

    def half(prediction, target):
        return 0.5 * functional.mse_loss(prediction, target.reshape(prediction.shape))

    losses = {"classes": torch.nn.CrossEntropyLoss(), "numbers": half}
    kind, y = TARGETS[targets]
    y = y[:40]

    def rule(parameters):
        return torch.optim.SGD(parameters, lr=0.1, momentum=0.9, nesterov=True)

    right = in_torch(y, kind, losses.get(targets, logistic), rule)
    report = netparity.compare(lambda: alike(kind), right, data=(DATA, y))
    assert found(report) == set()
    assert report.verdict == "parity"
    assert report.explained


def test_where_its_adam_differs_from_torchs():
    torch = pytest.importorskip("torch")

    def rule(parameters):
        return torch.optim.Adam(parameters, lr=0.001)

    y = CLASSES[:40]
    right = in_torch(y, MLPClassifier, torch.nn.CrossEntropyLoss(), rule)
    left = alike(solver="adam", learning_rate_init=0.001)
    report = netparity.compare(left, right, data=(DATA, y))
    assert found(report) == {"adam-epsilon-placement"}


def test_its_alpha_is_a_weight_decay_at_one_size_of_a_batch_only():
    torch = pytest.importorskip("torch")

    def rule(parameters):
        held = list(parameters)
        weights = {"params": [p for p in held if p.ndim > 1], "weight_decay": 0.01}
        biases = {"params": [p for p in held if p.ndim == 1]}
        return torch.optim.SGD([weights, biases], lr=0.1, momentum=0.9, nesterov=True)

    y = CLASSES[:40]
    right = in_torch(y, MLPClassifier, torch.nn.CrossEntropyLoss(), rule)
    report = netparity.compare(alike(alpha=0.32), right, data=(DATA, y))
    assert found(report) == {"sklearn-alpha-scaling"}
    fix = report.causes[0].fix
    assert "alpha=0.01 * batch_size" in fix.left
    assert "weight_decay=0.32 / batch_size" in fix.right
    # Batches of 32 alone do not tell.
    alike_there = netparity.compare(alike(alpha=0.32), right, data=(DATA[:32], y[:32]), steps=3)
    assert alike_there.gap.before <= alike_there.gap.noise_floor


def test_its_gradient_of_several_numbers_is_not_that_of_its_loss():
    # scikit-learn divides the loss by the outputs, and the gradient not.
    torch = pytest.importorskip("torch")
    y = TARGETS["several numbers"][1][:40]

    def half(prediction, target):
        return 0.5 * torch.nn.functional.mse_loss(prediction, target)

    def rule(parameters):
        return torch.optim.SGD(parameters, lr=0.1, momentum=0.9, nesterov=True)

    right = in_torch(y, MLPRegressor, half, rule)
    report = netparity.compare(lambda: alike(MLPRegressor), right, data=(DATA, y))
    assert found(report) == {"gradient-factor"}


def test_importing_is_refused_with_the_line_that_installs_it():
    import subprocess
    import sys

    program = (
        "import sys; sys.modules['sklearn'] = None\n"
        "import netparity\n"
        "try: netparity.Sklearn\n"
        "except netparity.InputError as error: print(error, '|', error.hint)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True,
                          check=True)  # fmt: skip
    assert done.stdout.strip() == (
        "netparity.Sklearn: scikit-learn is not installed | pip install 'netparity[sklearn]'"
    )
