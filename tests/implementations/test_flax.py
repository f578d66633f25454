"""Flax models, NNX and Linen: read, driven, compared."""

import subprocess
import sys

import numpy as np
import pytest

pytest.importorskip("flax")
pytest.importorskip("optax")

import flax.linen as linen
import jax
import jax.numpy as jnp
import optax
from flax import nnx

import netparity
from netparity import nn, randomness
from netparity.conventions import Place
from netparity.diagnosis.twin import Twin
from netparity.errors import CannotError, InputError
from netparity.implementations import adapt, jax_optax
from netparity.implementations.flax import Flax
from netparity.implementations.jax_program import wide

RNG = np.random.default_rng(0)
X = RNG.standard_normal((40, 6)).astype(np.float32).astype(float)
CLASSES = RNG.integers(0, 4, 40)
INITIAL = [np.float32(RNG.standard_normal((a, b)) / np.sqrt(a)) for a, b in ((6, 9), (9, 4))]


def mean_entropy(prediction, y):
    return optax.softmax_cross_entropy_with_integer_labels(prediction, y).mean()


class Net(nnx.Module):
    def __init__(self, rate=0.25, norm=False, bend=nnx.relu, last=lambda z: z):
        rngs = nnx.Rngs(0)
        self.inner = nnx.Linear(6, 9, rngs=rngs)
        self.norm = nnx.BatchNorm(9, rngs=rngs) if norm else None
        self.drop = nnx.Dropout(rate, rngs=rngs)
        self.blocks = nnx.List([nnx.Linear(9, 4, rngs=rngs)])
        self.bend, self.last = bend, last
        self.inner.kernel[...] = jnp.asarray(INITIAL[0])
        self.blocks[0].kernel[...] = jnp.asarray(INITIAL[1])

    def __call__(self, x):
        hidden = self.inner(x.reshape(len(x), -1))
        hidden = hidden if self.norm is None else self.norm(hidden)
        return self.last(self.blocks[0](self.drop(self.bend(hidden))))


class Linen(linen.Module):
    rate: float = 0.25
    norm: bool = False

    @linen.compact
    def __call__(self, x, train=False):
        hidden = linen.Dense(9)(x)
        if self.norm:
            hidden = linen.BatchNorm(use_running_average=not train)(hidden)
        hidden = linen.Dropout(self.rate, deterministic=not train)(linen.relu(hidden))
        return linen.Dense(4)(hidden)


def variables(norm=False):
    given = Linen(norm=norm).init(jax.random.key(0), jnp.ones((1, 6)))
    params = dict(given["params"])
    for name, kernel in zip(("Dense_0", "Dense_1"), INITIAL, strict=True):
        params[name] = {"kernel": jnp.asarray(kernel), "bias": params[name]["bias"]}
    return {**given, "params": params}


def in_nnx(rule=None, loss=mean_entropy, penalty=None, **settings):
    return Flax(Net(**settings), loss, rule or optax.sgd(0.05, momentum=0.9), penalty=penalty)


def in_linen(rule=None, **settings):
    given = variables(settings.get("norm", False))
    model = Linen(**settings)
    return Flax(model, mean_entropy, rule or optax.sgd(0.05, momentum=0.9), variables=given)


KINDS = {"nnx": in_nnx, "linen": in_linen}


@pytest.fixture(params=KINDS)
def kind(request):
    return KINDS[request.param]


def same(a, b):
    return all(np.array_equal(u, v) for u, v in zip(a, b, strict=True))


def draws_for(live):
    return [np.random.default_rng(4).random(shape) for shape in live.dropouts(X)]


# ---- names, width -------------------------------------------------------------------------------
def test_parameters_are_named_in_the_order_of_their_definition():
    assert list(in_nnx(norm=True).parameters()) == [
        "inner.kernel", "inner.bias", "norm.scale", "norm.bias", "blocks.0.kernel", "blocks.0.bias",
    ]  # fmt: skip
    assert list(in_linen().parameters()) == [
        "Dense_0.kernel", "Dense_0.bias", "Dense_1.kernel", "Dense_1.bias",
    ]  # fmt: skip
    live = in_nnx()
    written = {"blocks.0.bias": np.arange(4.0)}
    live.set_parameters(written)
    np.testing.assert_array_equal(live.parameters()["blocks.0.bias"], np.arange(4.0))
    np.testing.assert_array_equal(live.parameters()["inner.kernel"], INITIAL[0])


def test_lifted_without_touching_the_setting_of_the_process(kind):
    live = kind()
    assert live.lifted
    assert live.dtype == np.float64
    assert live.predict(X).dtype == np.float64
    live.step(X, CLASSES)
    assert all(v.dtype == np.float64 for v in live.parameters().values())
    assert not jax.config.jax_enable_x64


def test_the_authors_module_is_the_live_one():
    net = Net()
    inner = net.inner
    live = Flax(net, mean_entropy, optax.sgd(0.5))
    assert net.inner is inner
    assert net.inner.kernel[...].dtype == np.float64
    live.step(X, CLASSES)
    np.testing.assert_array_equal(net.inner.kernel[...], live.parameters()["inner.kernel"])
    with wide():
        net.inner.bias[...] = jnp.full(9, 2.0)
    np.testing.assert_array_equal(live.parameters()["inner.bias"], np.full(9, 2.0))


def test_a_module_that_computes_in_float32_stays_as_it_was():
    net = nnx.Linear(6, 4, dtype=jnp.float32, rngs=nnx.Rngs(0))
    kernel = np.array(net.kernel[...])
    live = Flax(net, mean_entropy, optax.sgd(0.1))
    assert live.predict(X).dtype == np.float32
    assert not live.lifted
    assert live.dtype == np.float32
    assert net.kernel[...].dtype == np.float32
    np.testing.assert_array_equal(net.kernel[...], kernel)
    assert "float64" in live.notes[0]
    live.step(X, CLASSES)


# ---- driven -------------------------------------------------------------------------------------
#: With an ε that keeps it from making rounding large where a gradient is zero (before a norm).
RULE = optax.adam(0.01, eps=0.01)


def check_close(got, wanted):
    # Sums of at most nine terms of order one in another order, in each of six steps.
    np.testing.assert_allclose(got, wanted, rtol=0, atol=500 * np.finfo(np.float64).eps)


@pytest.mark.parametrize("norm", [False, True])
def test_steps_are_those_of_the_authors_nnx_loop_masks_and_statistics_included(norm):
    with wide():
        net = Net(norm=norm)
        nnx.update(net, jax.tree_util.tree_map(lambda v: v.astype(jnp.float64), nnx.state(
            net, (nnx.Param, nnx.BatchStat))))  # fmt: skip
        optimizer = nnx.Optimizer(net, RULE, wrt=nnx.Param)

        @nnx.jit
        def step(net, optimizer, x, y):
            gradients = nnx.grad(lambda model: mean_entropy(model(x), y))(net)
            optimizer.update(net, gradients)

        for start in range(6):
            rows = slice(start, start + 9)
            step(net, optimizer, jnp.asarray(X[rows]), jnp.asarray(CLASSES[rows]))
    live = in_nnx(RULE, norm=norm)
    for start in range(6):
        live.step(X[start : start + 9], CLASSES[start : start + 9])
    own = live.model.module
    check_close(own.inner.kernel[...], net.inner.kernel[...])
    check_close(own.blocks[0].kernel[...], net.blocks[0].kernel[...])
    assert own.drop.rngs.count[...] == net.drop.rngs.count[...] == 6
    if norm:
        check_close(own.norm.mean[...], net.norm.mean[...])
        assert np.any(np.asarray(own.norm.mean[...]) != 0)


@pytest.mark.parametrize("norm", [False, True])
def test_steps_are_those_of_the_authors_linen_loop(norm):
    model, rule, key = Linen(norm=norm), RULE, jax.random.key(3)
    with wide():
        given = jax.tree_util.tree_map(lambda v: v.astype(jnp.float64), variables(norm))
        params, rest = given.pop("params"), given
        slots = rule.init(params)
        for start in range(6):
            x, y = X[start : start + 9], CLASSES[start : start + 9]

            def total(params, rest=rest, x=x, y=y, key=key):
                prediction, left = model.apply(
                    {"params": params, **rest}, x, train=True, rngs={"dropout": key},
                    mutable=list(rest) or ["batch_stats"],
                )  # fmt: skip
                return mean_entropy(prediction, y), left

            gradients, left = jax.grad(total, has_aux=True)(params)
            updates, slots = rule.update(gradients, slots, params)
            params, rest = optax.apply_updates(params, updates), {**rest, **left}
            key = jax.random.split(key)[0]
    live = Flax(model, mean_entropy, RULE, variables=variables(norm),
                key=jax.random.key(3))  # fmt: skip
    for start in range(6):
        live.step(X[start : start + 9], CLASSES[start : start + 9])
    check_close(live.parameters()["Dense_0.kernel"], params["Dense_0"]["kernel"])
    if norm:
        statistics = live.model.read()[1]["batch_stats"]["BatchNorm_0"]["mean"]
        check_close(statistics, rest["batch_stats"]["BatchNorm_0"]["mean"])


def test_an_optimizer_that_has_made_steps_goes_on_from_there():
    net = Net(rate=0.0)
    optimizer = nnx.Optimizer(net, optax.sgd(0.05, momentum=0.9), wrt=nnx.Param)
    gradients = nnx.grad(lambda m: mean_entropy(m(jnp.asarray(X, jnp.float32)), CLASSES))(net)
    optimizer.update(net, gradients)
    live = Flax(net, mean_entropy, optimizer)
    before = live.parameters()
    live.update({name: np.zeros_like(v) for name, v in before.items()})
    moved = live.parameters()["inner.bias"] - before["inner.bias"]
    expected = -0.05 * 0.9 * np.asarray(gradients.inner.bias[...], np.float64)
    np.testing.assert_allclose(moved, expected, rtol=1e-14)
    fresh = Flax(Net(), mean_entropy, nnx.Optimizer(Net(), optax.sgd(0.5), wrt=nnx.Param))
    assert fresh.declared(X[:3]).optimizer == nn.SGD(0.5)


def test_only_what_the_optimizer_trains_is_a_parameter():
    net = Net()
    trained = nnx.All(nnx.Param, nnx.PathContains("inner"))
    live = Flax(net, mean_entropy, nnx.Optimizer(net, optax.sgd(0.5), wrt=trained))
    assert list(live.parameters()) == ["inner.kernel", "inner.bias"]
    live.step(X, CLASSES)
    np.testing.assert_array_equal(net.blocks[0].kernel[...], INITIAL[1])


# ---- read ---------------------------------------------------------------------------------------
def test_declared_network_optimizer_and_laws(kind):
    live = kind(optax.adamw(0.01, weight_decay=0.1))
    conventions = live.declared(X[:3])
    assert [layer for _, layer in conventions.layers] == [
        nn.Affine(6, 9), nn.ReLU(), nn.Dropout(0.25), nn.Affine(9, 4),
    ]  # fmt: skip
    first = conventions.layers[0][0]
    assert conventions.places[f"{first}.weight"] in (Place("inner.kernel"), Place("Dense_0.kernel"))
    assert conventions.optimizer == nn.Adam(0.01, weight_decay=0.1, decay="decoupled")
    assert conventions.penalties == ()
    if kind is in_linen:
        assert conventions.laws["Dense_0.weight"] == nn.NAMED["lecun_normal"]
        assert conventions.laws["Dense_1.bias"] == nn.NAMED["zeros"]
        assert conventions.texts["layers.Dropout_0.rate"] == "linen.Dropout(0.25)"
    else:
        assert conventions.laws == {}
        assert conventions.texts["layers.inner"] == "nnx.Linear(6, 9)"
    twin = Twin(conventions).with_(loss=nn.SoftmaxCrossEntropy())
    draws, native = draws_for(live), live.parameters()
    seen = twin.evaluate(twin.values(native), X, CLASSES, draws=draws)
    # Sums of at most forty terms of order one.
    np.testing.assert_allclose(seen.data, live.loss(X, CLASSES, draws=draws).total, rtol=1e-13)
    mine = twin.native(seen.gradients, native)
    for name, gradient in live.gradients(X, CLASSES, draws=draws).items():
        np.testing.assert_allclose(mine[name], gradient, rtol=1e-11, atol=1e-14)


@pytest.mark.parametrize(
    ("bend", "layer"),
    [
        (nnx.relu, nn.ReLU()),
        (nnx.sigmoid, nn.Sigmoid()),
        (nnx.tanh, nn.Tanh()),
        (nnx.gelu, nn.GELU(approximate=True)),
        (lambda z: nnx.gelu(z, approximate=False), nn.GELU()),
        (nnx.silu, nn.SiLU()),
        (nnx.elu, nn.ELU()),
        (lambda z: nnx.leaky_relu(z, 0.25), nn.LeakyReLU(0.25)),
        (nnx.softmax, nn.Softmax()),
        (lambda z: z, None),
    ],
)
def test_functional_layers_are_found_by_their_values(bend, layer):
    live = Flax(Net(rate=0.0, bend=bend, last=nnx.log_softmax))
    images = X.reshape(40, 2, 3)
    kinds = [nn.Flatten(), nn.Affine(6, 9), layer, nn.Identity(), nn.Affine(9, 4), nn.LogSoftmax()]
    found = [found for _, found in live.declared(images[:3]).layers]
    assert found == [kind for kind in kinds if kind is not None]


class Residual(nnx.Module):
    def __init__(self, shared=False):
        self.line, self.shared = nnx.Linear(6, 6, rngs=nnx.Rngs(0)), shared

    def __call__(self, x):
        return self.line(self.line(x)) if self.shared else x + self.line(x)


def test_a_network_that_is_no_chain_declares_no_layers():
    assert Flax(Residual()).declared(X[:3]).layers is None
    assert Flax(Residual(shared=True)).declared(X[:3]).layers is None
    alone = Flax(nnx.Linear(6, 4, use_bias=False, rngs=nnx.Rngs(0))).declared(X[:3])
    assert alone.places == {"linear.weight": Place("kernel")}
    masked = optax.adamw(0.1, mask=lambda p: jax.tree_util.tree_map(lambda v: v.ndim > 1, p))
    assert Flax(Residual(), None, masked).declared(X[:3]).optimizer.decay_scope == "weights"
    elsewhere = optax.adamw(0.1, mask={"another": True})
    assert jax_optax.read(elsewhere, {"w": jnp.ones(1)}, [("w", 0)], {}) is None


# ---- dropout ------------------------------------------------------------------------------------
def check_masked(got, hidden, draw):
    # XLA may multiply by the inverse of 0.75: two roundings.
    np.testing.assert_allclose(got, np.where(draw >= 0.25, hidden / 0.75, 0.0), rtol=4.5e-16)


def test_draws_feed_the_masks(kind):
    live = kind()
    assert live.dropouts(X) == [(40, 9)]
    (draw,) = draws = draws_for(live)
    first, drop, _ = live.activations(X, training=True, draws=draws)
    found = live.activations(X, training=True, draws=draws)
    hidden = np.maximum(found[first], 0)
    check_masked(found[drop], hidden, draw)
    np.testing.assert_array_equal(live.activations(X)[drop], hidden)
    with pytest.raises(InputError, match="expected 1; received 2"):
        live.predict(X, training=True, draws=[*draws, *draws])
    with pytest.raises(InputError, match=r"expected shape \(40, 9\); received \(3, 9\)"):
        live.predict(X, training=True, draws=[draw[:3]])
    for seed in range(2):
        other = [np.random.default_rng(seed).random((40, 9))]
        check_masked(live.activations(X, training=True, draws=other)[drop], hidden, other[0])
    free = [live.predict(X, training=True) for _ in range(2)]
    assert same(free[:1], free[1:])
    live.step(X, CLASSES)


class Compiled(linen.Module):
    @linen.compact
    def __call__(self, x, train=False):
        return linen.jit(Linen, static_argnums=(2,))(name="inner")(x, train)


def test_draws_are_fed_into_what_the_author_compiled():
    model = Compiled()
    given = model.init(jax.random.key(0), jnp.ones((1, 6)))
    live = Flax(model, mean_entropy, variables=given)
    assert live.dropouts(X) == [(40, 9)]
    for seed in range(2):
        draw = np.random.default_rng(seed).random((40, 9))
        found = live.activations(X, training=True, draws=[draw])
        check_masked(found["inner.Dropout_0"], np.maximum(found["inner.Dense_0"], 0), draw)
        assert np.isfinite(live.predict(X, training=True)).all()


class Noisy(nnx.Module):
    def __init__(self):
        self.line, self.rngs = nnx.Linear(6, 4, rngs=nnx.Rngs(0)), nnx.Rngs(1)
        self.training = True

    def __call__(self, x, training=True):
        if training:
            x = x * jax.random.bernoulli(self.rngs.drop(), 0.5, x.shape)
        return self.line(x)


def test_draws_of_no_dropout_cannot_be_fed():
    live = Flax(Noisy(), mean_entropy)
    assert live.dropouts(X) == []
    assert "draws" not in live.abilities
    with pytest.raises(CannotError):
        live.predict(X, training=True, draws=[np.ones((40, 6))])
    assert not same([live.predict(X)], [live.predict(X, training=True)])


# ---- modes --------------------------------------------------------------------------------------
def test_a_module_keeps_the_mode_it_was_handed_over_in():
    net = Net()
    net.eval()
    live = Flax(net, mean_entropy, optax.sgd(0.05, momentum=0.9))
    plain = in_nnx(rate=0.0)
    for one in (live, plain):
        one.predict(X, training=True)
        one.step(X, CLASSES)
    assert same(live.parameters().values(), plain.parameters().values())
    assert net.drop.deterministic


def test_a_mode_that_the_author_forgets_is_seen():
    net = Net()

    def report(x, y):
        net.eval()
        return {"mean": net(jnp.asarray(x)).mean()}

    live = Flax(net, mean_entropy, optax.sgd(0.05), report=report)
    live.watch(X, CLASSES, epochs=1, batch_size=10, limit=10)
    assert net.drop.rngs.count[...] == 1, "only the first step dropped"


# ---- looking changes nothing --------------------------------------------------------------------
def look(live):
    live.predict(X)
    live.predict(X, training=True)
    live.activations(X, training=True)
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


@pytest.mark.parametrize("looking", [look, look_and_restore])
def test_probing_leaves_training_bit_equal(kind, looking):
    def run(looking):
        live = kind(optax.adam(0.01), norm=True)
        for start in (0, 5, 0):
            if looking is not None:
                looking(live)
            live.step(X[start : start + 5], CLASSES[start : start + 5])
        state = live.state()
        leaves = jax.tree_util.tree_leaves((state.params, state.rest, state.optimizer, state.key))
        numbers = [
            jax.random.key_data(v) if jnp.issubdtype(v.dtype, jax.dtypes.prng_key) else v
            for v in leaves
        ]
        return numbers, randomness.fingerprint()

    plain, streams = run(None)
    probed, streams_probed = run(looking)
    assert same(plain, probed)
    assert streams == streams_probed


def test_watching_leaves_training_bit_equal(kind):
    def run(watched):
        live = kind(optax.adam(0.01))
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
    with pytest.raises(InputError, match=r"expected an nnx\.Module or a linen\.Module"):
        Flax([])
    with pytest.raises(InputError, match="init returned, with 'params'; received NoneType") as e:
        Flax(Linen())
    assert "variables=variables" in e.value.hint
    with pytest.raises(InputError, match="an NNX module keeps its own"):
        Flax(Net(), variables={"params": {}})
    with pytest.raises(InputError, match="expected an optax transformation; received str"):
        Flax(Net(), mean_entropy, "adam")
    with pytest.raises(InputError, match="loss: expected a function; received int"):
        Flax(Net(), 3)
    with pytest.raises(InputError, match=r"'inner\.kernel': expected \(6, 9\)"):
        in_nnx().set_parameters({"inner.kernel": np.ones((9, 6))})
    with pytest.raises(CannotError):
        Flax(Net()).loss(X, CLASSES)
    assert Flax(Net()).abilities == {"activations", "adjust", "draws"}
    assert isinstance(adapt(Net()), Flax)
    with pytest.raises(InputError) as caught:
        adapt(Linen())
    assert "variables=variables" in caught.value.hint
    with pytest.raises(InputError) as caught:
        adapt(optax.sgd(0.1))
    assert "netparity.Jax" in caught.value.hint


def test_importing_is_refused_with_the_line_that_installs_it():
    program = (
        "import sys; sys.modules['flax'] = None\n"
        "import netparity\n"
        "try: netparity.Flax\n"
        "except netparity.InputError as error: print(error, '|', error.hint)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True,
                          check=True)  # fmt: skip
    assert done.stdout.strip() == (
        "netparity.Flax: Flax is not installed | pip install 'netparity[jax]'"
    )


# ---- compared -----------------------------------------------------------------------------------
def in_torch():
    torch = pytest.importorskip("torch")
    lines = []
    for kernel in INITIAL:
        line = torch.nn.Linear(*kernel.shape)
        with torch.no_grad():
            line.weight.copy_(torch.from_numpy(kernel.T.copy()))
            line.bias.zero_()
        lines.append(line)
    module = torch.nn.Sequential(lines[0], torch.nn.ReLU(), torch.nn.Dropout(0.25), lines[1])
    optimizer = torch.optim.SGD(module.parameters(), lr=0.05, momentum=0.9)
    return netparity.Torch(module, torch.nn.CrossEntropyLoss(), optimizer)


def squares(params):
    leaves = jax.tree_util.tree_leaves(params)
    return 0.1 * sum(jnp.sum(v**2) for v in leaves if v.ndim > 1)


def found(report):
    assert report.unexplained == ()
    assert report.explained
    return {cause.id for cause in report.causes}


def test_parity_with_torch_dropout_included(kind):
    report = netparity.compare(lambda: kind(), in_torch, data=(X, CLASSES), steps=8)
    assert found(report) == set()
    assert report.verdict == "parity"
    looked_at = {"structure", "init", "data", "forward", "loss", "gradient", "update"}
    assert {s.stage for s in report.stages if s.status == "equal"} >= looked_at


@pytest.mark.parametrize(
    ("changes", "id"),
    [
        ({"rule": optax.sgd(0.1, momentum=0.9)}, "learning-rate-value"),
        ({"rate": 0.5}, "dropout-rate-value"),
        ({"bend": nnx.gelu}, "activation-kind"),
        ({"penalty": squares}, "penalty-absent"),
    ],
)
def test_one_thing_changed(changes, id):
    report = netparity.compare(lambda: in_nnx(**changes), in_torch, data=(X, CLASSES), steps=8)
    assert found(report) == {id}
