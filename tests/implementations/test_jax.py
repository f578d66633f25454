"""Networks written in JAX as functions of their parameters: read, driven, compared."""

import functools
import subprocess
import sys

import numpy as np
import pytest

pytest.importorskip("jax")
pytest.importorskip("optax")

import jax
import jax.numpy as jnp
import optax

import netparity
from netparity import nn, randomness
from netparity.errors import CannotError, InputError
from netparity.implementations import jax_compiled, jax_optax
from netparity.implementations.jax import Jax
from netparity.implementations.jax_program import named_leaves, wide

RNG = np.random.default_rng(0)
X = RNG.standard_normal((40, 6)).astype(np.float32).astype(float)
CLASSES = RNG.integers(0, 4, 40)
INITIAL = [
    (np.float32(RNG.standard_normal((a, b)) / np.sqrt(a)), np.float32(0.1 * RNG.standard_normal(b)))
    for a, b in ((6, 9), (9, 4))
]


def params():
    return {f"layer{i}": {"w": jnp.asarray(w), "b": jnp.asarray(b)}
            for i, (w, b) in enumerate(INITIAL, 1)}  # fmt: skip


def network(values, x, bend=jax.nn.relu):
    hidden = bend(x @ values["layer1"]["w"] + values["layer1"]["b"])
    return hidden @ values["layer2"]["w"] + values["layer2"]["b"]


def mean_entropy(prediction, y):
    return optax.softmax_cross_entropy_with_integer_labels(prediction, y).mean()


def side(apply=network, loss=mean_entropy, rule=None, **others):
    return Jax(apply, params(), loss, rule or optax.sgd(0.05, momentum=0.9), **others)


def same(a, b):
    return all(np.array_equal(u, v) for u, v in zip(a, b, strict=True))


# ---- names, width -------------------------------------------------------------------------------
def test_parameters_are_named_by_their_paths_in_the_order_of_their_definition():
    assert list(side().parameters()) == ["layer1.w", "layer1.b", "layer2.w", "layer2.b"]
    listed = [(jnp.ones((2, 3)), jnp.ones(3)), {"z": jnp.ones(1), "a": jnp.ones(2)}]
    assert [name for name, _ in named_leaves(listed)] == ["0.0", "0.1", "1.z", "1.a"]
    live = Jax(lambda p, x: x @ p, jnp.ones((2, 1)))
    assert list(live.parameters()) == ["params"]
    live = Jax(lambda p, x: x @ p[0], listed)
    written = {"0.1": np.arange(3.0), "1.a": np.arange(2.0)}
    live.set_parameters(written)
    for name, value in live.parameters().items():
        np.testing.assert_array_equal(value, written.get(name, np.ones(value.shape)))


def test_float64_for_the_time_of_a_call_only():
    live = side()
    assert live.lifted
    assert live.dtype == np.float64
    assert live.predict(X).dtype == np.float64
    assert all(v.dtype == np.float64 for v in live.gradients(X, CLASSES).values())
    live.step(X, CLASSES)
    assert all(v.dtype == np.float64 for v in live.parameters().values())
    assert not jax.config.jax_enable_x64
    assert jnp.ones(2).dtype == np.float32
    low = side(lift=False)
    assert not low.lifted
    low.step(X, CLASSES)
    assert low.predict(X).dtype == np.float32


def test_numbers_of_numpy_are_rounded_as_jax_rounds_them():
    exact = {"w": RNG.standard_normal((6, 1))}
    live = Jax(lambda p, x: x @ p["w"], exact)
    assert live.lifted
    assert same([exact["w"].astype(np.float32)], [live.parameters()["w"]])
    with wide():
        assert not Jax(lambda p, x: x @ p["w"], exact).lifted


@pytest.mark.parametrize("raises", [False, True])
def test_a_function_that_goes_back_to_float32_is_compared_in_that(raises):
    def narrow(values, x):
        if raises and x.dtype != jnp.float32:
            raise TypeError("only float32 here")
        small = jax.tree_util.tree_map(lambda v: v.astype(jnp.float32), values)
        return network(small, x.astype(jnp.float32))

    live = side(narrow)
    assert live.predict(X).dtype == np.float32
    assert not live.lifted
    assert live.dtype == np.float32
    assert "float64" in live.notes[0]
    live.step(X, CLASSES)


def test_a_wrong_input_is_not_mistaken_for_a_wrong_dtype():
    live = side()
    with pytest.raises(TypeError):
        live.predict(np.ones((2, 5)))
    assert live.lifted
    assert live.notes == []
    assert live.predict(X).dtype == np.float64


# ---- driven -------------------------------------------------------------------------------------
def train(values, width, rule):
    """The loop its author would write."""

    @jax.jit
    def step(values, slots, x, y):
        gradients = jax.grad(lambda p: mean_entropy(network(p, x), y))(values)
        updates, slots = rule.update(gradients, slots, values)
        return optax.apply_updates(values, updates), slots

    slots = rule.init(values)
    for start in range(6):
        x, y = jnp.asarray(X[start : start + 9], width), jnp.asarray(CLASSES[start : start + 9])
        values, slots = step(values, slots, x, y)
    return jax.tree_util.tree_leaves(values)


@pytest.mark.parametrize("rule", [optax.sgd(0.05, momentum=0.9), optax.rmsprop(0.01, eps=0.01)])
@pytest.mark.parametrize("lift", [True, False])
def test_steps_are_those_of_the_authors_loop(rule, lift):
    live = side(rule=rule, lift=lift)
    for start in range(6):
        live.step(X[start : start + 9], CLASSES[start : start + 9])
    if lift:
        with wide():
            grown = jax.tree_util.tree_map(lambda v: v.astype(jnp.float64), params())
            expected = train(grown, jnp.float64, rule)
    else:
        expected = train(params(), jnp.float32, rule)
    leaves = jax.tree_util.tree_leaves(live.program.params)
    for got, wanted in zip(leaves, expected, strict=True):
        # Compiled together or apart, sums of at most nine terms of order one are added in another
        # order: a few ulp in each of six steps, which RMSProp can make ten times as large.
        np.testing.assert_allclose(got, wanted, rtol=0, atol=500 * np.finfo(live.dtype).eps)


def test_python_runs_at_every_call_and_compiles_once():
    compiled = len(jax_compiled._COMPILED)
    draws = np.random.default_rng(3)
    factors = []

    def masked(x):
        factors.append(draws.random(3))
        return jax.jit(lambda v: v * factors[-1])(x) + factors[-1]

    for _ in range(3):
        got = jax_compiled.call(masked, jnp.ones(3, jnp.float32))
        np.testing.assert_array_equal(got, 2 * factors[-1].astype(np.float32))
    assert len({f.tobytes() for f in factors}) == 3
    assert len(jax_compiled._COMPILED) - compiled <= 3

    for constant in (1.0, 2.0, 2.0):
        got = jax_compiled.call(lambda x, c=constant: x + c, jnp.ones(3))
        np.testing.assert_array_equal(got, 1 + constant)
    assert jax_compiled.call(lambda x: x if x.sum() > 0 else -x, -jnp.ones(3))[0] == 1
    many = len(jax_compiled._COMPILED)
    jax_compiled.call(lambda x: jax.nn.relu(x) * 3.25, jnp.ones(3))
    jax_compiled.call(lambda x: jax.nn.relu(x) * 3.25, jnp.ones(3))
    assert len(jax_compiled._COMPILED) == many + 1
    for factor in (2.0, 3.0):
        called = functools.partial(lambda v, by: np.float32(by) * v, by=factor)
        got = jax_compiled.call(lambda x, f=called: jax.pure_callback(f, x, x), jnp.ones(3))
        np.testing.assert_array_equal(got, factor)
    for number in range(jax_compiled._KEPT + 5):
        jax_compiled._COMPILED[(number,)] = None
    jax_compiled.call(lambda x: x - 7.5, jnp.ones(3))
    jax_compiled._COMPILED.clear()


def test_a_mask_that_numpy_draws_is_a_new_one_at_each_call():
    draws = np.random.default_rng(3)

    def masked(values, x):
        return network(values, x * (draws.random(x.shape) < 0.5))

    live = side(masked)
    assert not same([live.predict(X)], [live.predict(X)])


def test_loss_gradients_and_penalty():
    live = side(penalty=lambda p: 0.25 * jnp.sum(p["layer1"]["w"] ** 2))
    z = live.predict(X)
    shifted = z - z.max(1, keepdims=True)
    p = np.exp(shifted) / np.exp(shifted).sum(1, keepdims=True)
    by_hand = -np.mean(np.log(p[np.arange(40), CLASSES]))
    value = live.loss(X, CLASSES)
    w = live.parameters()["layer1.w"]
    # Sums of 40 and of 54 terms of order one.
    assert value.data == pytest.approx(by_hand, rel=1e-14)
    assert value.penalty == pytest.approx(0.25 * np.sum(w**2), rel=1e-14)
    assert value.total == value.data + value.penalty
    assert live.loss_of(z, CLASSES) == value.data
    p[np.arange(40), CLASSES] -= 1
    np.testing.assert_allclose(live.gradients(X, CLASSES)["layer2.b"], p.sum(0) / 40, rtol=1e-12)
    bare = side()
    pull = live.gradients(X, CLASSES)["layer1.w"] - bare.gradients(X, CLASSES)["layer1.w"]
    np.testing.assert_allclose(pull, 0.5 * w, rtol=1e-12, atol=1e-15)
    assert bare.loss(X, CLASSES).penalty is None
    before = live.parameters()
    gradients = live.gradients(X, CLASSES)
    live.step(X, CLASSES)
    for name, value in live.parameters().items():
        np.testing.assert_allclose(value, before[name] - 0.05 * gradients[name], rtol=1e-14)


def noisy(values, x, *, training, key):
    hidden = jax.nn.relu(x @ values["layer1"]["w"] + values["layer1"]["b"])
    if training:
        hidden = hidden * jax.random.bernoulli(key, 0.5, hidden.shape) * 2
    return hidden @ values["layer2"]["w"] + values["layer2"]["b"]


def test_mode_and_key_are_told_where_they_are_asked_for():
    live = side(noisy, key=jax.random.key(5))
    with wide():
        given = live.program.params
        expected = noisy(given, jnp.asarray(X), training=True, key=jax.random.key(5))
        plain = noisy(given, jnp.asarray(X), training=False, key=jax.random.key(5))
    assert same([live.predict(X, training=True)], [expected])
    assert same([live.predict(X, training=True)], [expected])
    assert same([live.predict(X)], [plain])
    saved = live.state()
    live.step(X, CLASSES)
    live.set_parameters({n: np.array(v) for n, v in side().parameters().items()})
    assert not same([live.predict(X, training=True)], [expected])
    live.restore(saved)
    assert same([live.predict(X, training=True)], [expected])
    inverse = side(lambda p, x, deterministic: network(p, x) * (1.0 if deterministic else 2.0))
    assert same([2 * inverse.predict(X)], [inverse.predict(X, training=True)])
    assert "draws" not in live.abilities
    with pytest.raises(CannotError):
        live.predict(X, training=True, draws=[np.ones((40, 9))])


def test_watching_gives_the_present_parameters_to_those_who_ask():
    live = side(
        report=lambda x, y, params: {"w": jnp.sum(params["layer1"]["w"])},
        result=lambda params: {"layer1.w": params["layer1"]["w"]},
        batches=lambda x, y, epoch: [(x[epoch : epoch + 9], y[epoch : epoch + 9])] * 2,
    )
    watched = live.watch(X, CLASSES, epochs=3, batch_size=32, limit=100)
    assert len(watched.reported) == 6
    assert len({r.value for r in watched.reported}) == 6
    assert same([watched.results[-1][1]["layer1.w"]], [live.parameters()["layer1.w"]])
    assert same([watched.fed[2][0]], [X[1:10]])


# ---- optax --------------------------------------------------------------------------------------
def matrices(tree):
    return jax.tree_util.tree_map(lambda leaf: leaf.ndim > 1, tree)


OPTAX = [
    (optax.sgd(0.1), nn.SGD(0.1)),
    (optax.sgd(0.1, momentum=0.5), nn.SGD(0.1, 0.5)),
    (optax.sgd(0.1, momentum=0.5, nesterov=True), nn.SGD(0.1, 0.5, nesterov=True)),
    (optax.chain(optax.scale(-0.1), optax.trace(0.5)), nn.SGD(0.1, 0.5, form="rate-inside")),
    (optax.chain(optax.add_decayed_weights(0.25), optax.sgd(0.1, 0.5)),
     nn.SGD(0.1, 0.5, weight_decay=0.25)),
    (optax.chain(optax.trace(0.5), optax.add_decayed_weights(0.25), optax.scale(-0.1)),
     nn.SGD(0.1, 0.5, weight_decay=0.25, decay="decoupled")),
    (optax.adam(0.1, 0.8, 0.99, 0.01), nn.Adam(0.1, 0.8, 0.99, 0.01)),
    (optax.adam(0.1, eps=0.0, eps_root=0.01),
     nn.Adam(0.1, epsilon=0.01, epsilon_placement="inside")),
    (optax.adamw(0.1, weight_decay=0.25), nn.Adam(0.1, weight_decay=0.25, decay="decoupled")),
    (optax.adamw(0.1, weight_decay=0.25, mask=matrices),
     nn.Adam(0.1, weight_decay=0.25, decay="decoupled", decay_scope="weights")),
    (optax.amsgrad(0.1), nn.Adam(0.1, amsgrad=True, amsgrad_form="corrected")),
    (optax.nadam(0.1), nn.NAdam(0.1, momentum_decay=None)),
    (optax.rmsprop(0.1), nn.RMSProp(0.1, epsilon_placement="inside")),
    (optax.rmsprop(0.1, momentum=0.5, nesterov=True, initial_scale=1.0),
     nn.RMSProp(0.1, momentum=0.5, nesterov=True, epsilon_placement="inside",
                   initial_accumulator=1.0, form="rate-inside")),
    (optax.adagrad(0.1), nn.AdaGrad(0.1, 1e-7, "inside", 0.1)),
    (optax.adadelta(0.5, weight_decay=0.25), nn.Adadelta(0.5, weight_decay=0.25)),
    (optax.adamax(0.1), nn.Adamax(0.1)),
    (optax.radam(0.1), nn.RAdam(0.1, epsilon_placement="outside")),
    (optax.lion(0.1), nn.Lion(0.1, weight_decay=1e-3)),
]  # fmt: skip


@pytest.mark.parametrize(("transformation", "rule"), OPTAX)
def test_transformations_are_what_they_are_read_as(transformation, rule):
    live = side(rule=transformation)
    assert live.declared(X[:3]).optimizer == rule
    values = {name.replace("w", "weight"): v for name, v in live.parameters().items()}
    state = rule.initialize(values)
    rng = np.random.default_rng(1)
    for _ in range(7):
        gradients = {name: rng.standard_normal(v.shape) for name, v in values.items()}
        live.update({name.replace("weight", "w"): g for name, g in gradients.items()})
        values, state = rule.update(values, gradients, state)
    for name, value in live.parameters().items():
        # Seven updates of a dozen operations each; a running mean of 1 − β₂ = 0.001 loses three
        # digits to 1 − β₂ᵗ.
        np.testing.assert_allclose(values[name.replace("w", "weight")], value, rtol=1e-11,
                                   atol=1e-13)  # fmt: skip


@pytest.mark.parametrize(
    "transformation",
    [
        optax.chain(optax.sgd(0.1), optax.clip(1.0)),
        optax.inject_hyperparams(optax.sgd)(learning_rate=0.1),
        optax.masked(optax.sgd(0.1), matrices),
        optax.adamw(0.1, weight_decay=optax.constant_schedule(0.1)),
        optax.adamw(0.1, mask={"layer1": True, "layer2": False}),
        optax.adam(0.1, eps=0.1, eps_root=0.1),
        optax.adam(0.1, mu_dtype=jnp.float32),
        optax.lamb(0.1),
        optax.chain(optax.sgd(0.1), optax.sgd(0.1)),
        optax.chain(optax.scale(-0.1), optax.scale_by_adam()),
        optax.chain(optax.sgd(0.1), optax.add_decayed_weights(0.1)),
        optax.GradientTransformation(lambda p: (), lambda g, s, p=None: (g, s)),
    ],
)
def test_transformations_that_say_nothing_known(transformation):
    live = side(rule=transformation)
    assert live.declared(X[:3]).optimizer is None
    live.step(X, CLASSES)


def test_a_mask_names_the_twins_parameters_where_they_are_known():
    values = {"a": jnp.ones(2), "b": jnp.ones(3)}
    chosen = optax.adamw(0.1, mask={"a": True, "b": False})
    names = named_leaves(values)
    known = jax_optax.read(chosen, values, names, {"a": "one.bias", "b": "two.bias"})
    assert known.decay_scope == ("one.bias",)
    assert jax_optax.read(chosen, values, names, {}) is None


def test_settings_are_told_as_optax_has_them():
    texts = side(rule=optax.adamw(0.1, weight_decay=0.25)).declared(X[:3]).texts
    assert texts["optimizer.learning_rate"] == "learning_rate=0.1"
    assert texts["optimizer.beta1"] == "b1=0.9"
    assert texts["optimizer.weight_decay"] == "weight_decay=0.25"
    assert "scale_by_adam" in texts["optimizer"]
    assert texts["loss"] == "mean_entropy"


# ---- looking changes nothing --------------------------------------------------------------------
def look(live):
    live.predict(X)
    live.predict(X, training=True)
    live.loss(X, CLASSES)
    live.gradients(X, CLASSES)
    live.declared(X[:3])
    live.dropouts(X)


def look_and_restore(live):
    before = live.state()
    look(live)
    live.update({name: np.ones_like(v) for name, v in live.parameters().items()})
    live.step(X[:3], CLASSES[:3])
    live.restore(before)


@pytest.mark.parametrize("lift", [True, False])
@pytest.mark.parametrize("looking", [look, look_and_restore])
def test_probing_leaves_training_bit_equal(looking, lift):
    def run(looking):
        live = side(noisy, rule=optax.adam(0.01), lift=lift)
        for start in (0, 5, 0, 5, 2):
            if looking is not None:
                looking(live)
            live.step(X[start : start + 5], CLASSES[start : start + 5])
        return live.parameters().values(), randomness.fingerprint()

    plain, streams = run(None)
    probed, streams_probed = run(looking)
    assert same(plain, probed)
    assert streams == streams_probed


def test_watching_leaves_training_bit_equal():
    def run(watched):
        live = side(noisy, rule=optax.adam(0.01))
        if watched:
            live.watch(X[:12], CLASSES[:12], epochs=2, batch_size=5, limit=100)
        else:
            for start in (0, 5, 10) * 2:
                stop = min(start + 5, 12)
                live.step(X[start:stop], CLASSES[start:stop])
        return live.parameters().values()

    assert same(run(True), run(False))


# ---- bad input ----------------------------------------------------------------------------------
def test_what_cannot_be_used_is_said():
    with pytest.raises(InputError, match="apply: expected a function; received int"):
        Jax(3, params())
    with pytest.raises(InputError, match="expected an optax transformation; received str"):
        Jax(network, params(), mean_entropy, "adam")
    with pytest.raises(InputError, match="'n': expected an array of floats; received int32"):
        Jax(network, {"w": jnp.ones(1), "n": jnp.arange(3)})
    with pytest.raises(InputError, match="expected arrays; received none"):
        Jax(network, {})
    with pytest.raises(InputError, match="report_every"):
        Jax(network, params(), report_every="hour")
    with pytest.raises(InputError, match=r"expected a scalar; received shape \(40,\)") as caught:
        side(loss=optax.softmax_cross_entropy_with_integer_labels).loss(X, CLASSES)
    assert "mean or sum" in caught.value.hint
    with pytest.raises(InputError, match=r"'layer1\.w': expected \(6, 9\)"):
        side().set_parameters({"layer1.w": np.ones((9, 6))})
    with pytest.raises(InputError, match="expected one array as prediction; received tuple"):
        side(lambda p, x: (x, x)).predict(X)
    with pytest.raises(CannotError):
        Jax(network, params()).loss(X, CLASSES)
    with pytest.raises(CannotError):
        Jax(network, params(), mean_entropy).step(X, CLASSES)
    assert Jax(network, params()).abilities == {"adjust"}


def test_importing_is_refused_with_the_line_that_installs_it():
    program = (
        "import sys; sys.modules['jax'] = None\n"
        "import netparity\n"
        "try: netparity.Jax\n"
        "except netparity.InputError as error: print(error, '|', error.hint)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True,
                          check=True)  # fmt: skip
    assert done.stdout.strip() == (
        "netparity.Jax: JAX is not installed | pip install 'netparity[jax]'"
    )


# ---- compared -----------------------------------------------------------------------------------
def in_torch(rule, bend="ReLU"):
    torch = pytest.importorskip("torch")

    def build():
        lines = []
        for w, b in INITIAL:
            line = torch.nn.Linear(*w.shape)
            with torch.no_grad():
                line.weight.copy_(torch.from_numpy(w.T.copy()))
                line.bias.copy_(torch.from_numpy(b))
            lines.append(line)
        module = torch.nn.Sequential(lines[0], getattr(torch.nn, bend)(), lines[1])
        return netparity.Torch(module, torch.nn.CrossEntropyLoss(), rule(torch, module))

    return build


def momentum(torch, module):
    return torch.optim.SGD(module.parameters(), lr=0.05, momentum=0.9)


def adam(torch, module):
    return torch.optim.Adam(module.parameters(), lr=0.01)


def found(report):
    assert report.unexplained == ()
    assert report.explained
    return {cause.id for cause in report.causes}


def compared(left, right):
    return netparity.compare(left, right, data=(X, CLASSES), steps=8)


@pytest.mark.parametrize(
    ("left", "right"), [(None, momentum), (optax.adam(0.01), adam)], ids=["momentum", "adam"]
)
def test_parity_with_torch(left, right):
    report = compared(lambda: side(jax.jit(network), rule=left), in_torch(right))
    assert found(report) == set()
    assert report.verdict == "parity"
    looked_at = {"structure", "init", "data", "forward", "loss", "gradient", "update"}
    assert {s.stage for s in report.stages if s.status == "equal"} >= looked_at


@pytest.mark.parametrize(
    ("changes", "id"),
    [
        ({"rule": optax.sgd(0.1, momentum=0.9)}, "learning-rate-value"),
        ({"rule": optax.sgd(0.05, momentum=0.8)}, "momentum-value"),
        ({"apply": lambda p, x: network(p, x, jnp.tanh)}, "activation-kind"),
        ({"loss": lambda z, y: 40 * mean_entropy(z, y)}, "loss-factor"),
        ({"penalty": lambda p: 0.1 * sum(jnp.sum(v["w"] ** 2) for v in p.values())},
         "penalty-absent"),
    ],
)  # fmt: skip
def test_one_thing_changed(changes, id):
    assert found(compared(lambda: side(**changes), in_torch(momentum))) == {id}


def test_two_functions_with_other_epsilons():
    report = compared(
        lambda: side(rule=optax.adam(0.01)), lambda: side(rule=optax.adam(0.01, eps=1e-4))
    )
    assert found(report) == {"epsilon-value"}
