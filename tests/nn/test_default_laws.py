"""The laws of whole networks against what the frameworks themselves draw."""

import warnings
from collections.abc import Iterator, Mapping

import numpy as np
import pytest
from tests.nn.laws import follows
from tests.nn.optimizers_run import computed

from netparity.errors import InputError
from netparity.nn import (
    GRU,
    LSTM,
    Affine,
    BatchNorm,
    Conv2D,
    DepthwiseConv2D,
    Embedding,
    GroupNorm,
    Layer,
    LayerNorm,
    MultiHeadAttention,
    Network,
    PReLU,
    ReLU,
    RMSNorm,
    Sigmoid,
    SimpleRNN,
)
from netparity.nn.initializers import Blocks, Constant, Law, Orthogonal, default_laws
from netparity.nn.layers.transposed_convolution import ConvTranspose2D

Found = Mapping[str, np.ndarray]

#: No pass is run: each layer has its own sizes, with 20 000 weights or more wherever a law is
#: told from others.
NETWORK = Network(
    (
        ("affine", Affine(100, 200)),
        ("convolution", Conv2D(30, 80, 3)),
        ("grouped", Conv2D(40, 80, 3, groups=4)),
        ("depthwise", DepthwiseConv2D(300, 3, 8)),
        ("transposed", ConvTranspose2D(60, 40, 3)),
        ("embedding", Embedding(500, 40)),
        ("simple", SimpleRNN(100, 200)),
        ("lstm", LSTM(50, 100)),
        ("gru", GRU(70, 100, bias="two")),
        ("attention", MultiHeadAttention(160, 8)),
        ("batch_norm", BatchNorm(40)),
        ("layer_norm", LayerNorm((40,))),
        ("group_norm", GroupNorm(4, 40)),
        ("rms_norm", RMSNorm((40,))),
        ("prelu", PReLU((40,))),
    )
)
LAYERS = dict(NETWORK.layers)


def drawn_by(values: np.ndarray, law: Law, fan_in: int, fan_out: int) -> bool:
    """Whether values follow a law; matrices are looked at as such."""
    if isinstance(law, Constant):
        return bool(np.all(values == np.asarray(law.value, values.dtype)))
    if isinstance(law, Blocks):
        count = len(law.laws)
        parts = np.split(values, count, axis=-1)
        pairs = zip(parts, law.laws, strict=True)
        return all(drawn_by(part, own, fan_in, fan_out // count) for part, own in pairs)
    if isinstance(law, Orthogonal):
        return orthonormal(values) and follows(
            values, law, fan_in=values.shape[0], fan_out=values.shape[1]
        )
    return follows(values, law, fan_in=fan_in, fan_out=fan_out)


def orthonormal(values: np.ndarray) -> bool:
    tall = values if values.shape[0] >= values.shape[1] else values.T
    tall = tall.astype(np.float64)
    # Each product of two columns is a sum over the rows, of numbers with an error of a few ulp
    # of float32 each, as it is found by as many eliminations: 8 ulp times the rows at most.
    slack = 8 * tall.shape[0] * float(np.finfo(np.float32).eps)
    return bool(np.abs(tall.T @ tall - np.eye(tall.shape[1])).max() <= slack)


def check(framework: str, found: Found, *, without: tuple[str, ...] = ()) -> None:
    laws = default_laws(NETWORK, framework)
    missing = {name for name in laws if name.split(".")[0] not in without} - set(found)
    assert not missing
    for name, law in laws.items():
        if name.split(".")[0] in without:
            continue
        layer = LAYERS[name.split(".")[0]]
        values = found[name]
        assert values.shape == NETWORK.parameter_shapes()[name], name
        assert drawn_by(values, law, *layer.fans()), name
        if values.any() and not isinstance(law, Constant):
            # Blocks of constants are told apart by a tenth as well.
            assert values.size < 20_000 or not drawn_by(values * 1.1, law, *layer.fans()), name


def test_keras(tmp_path: pytest.TempPathFactory) -> None:
    check("keras", computed(tmp_path, "keras-laws", {}))


def test_flax(tmp_path: pytest.TempPathFactory) -> None:
    found = computed(tmp_path, "optax-laws", {})
    # Its cells keep one bias; the slope is one.
    zeros = {"gru.recurrent_bias": np.zeros(300)}
    check("flax", {**found, **zeros, "prelu.slope": np.full(40, found["prelu.slope"][0])})


def test_tf1(tmp_path: pytest.TempPathFactory) -> None:
    found = computed(tmp_path, "tf1-laws", {})
    laws = default_laws(NETWORK, "tf1")
    gates = {"weight": "weight", "recurrent_weight": "recurrent_weight", "bias": "bias"}
    joined = {
        **found,
        **{
            f"gru.{key}": np.concatenate(
                [found[f"gru.gates/{part}"], found[f"gru.candidate/{part}"]], axis=-1
            )
            for key, part in gates.items()
        },
    }
    checked = 0
    for name, law in laws.items():
        if name in joined:
            layer = LAYERS[name.split(".")[0]]
            assert drawn_by(joined[name], law, *layer.fans()), name
            checked += 1
    # Three weights, and weight, recurrent weight and bias of three cells.
    assert checked == 12


def _torch_parameters() -> Iterator[tuple[str, np.ndarray]]:
    torch = pytest.importorskip("torch")
    nn = torch.nn
    torch.manual_seed(0)
    modules = {
        "affine": nn.Linear(100, 200),
        "convolution": nn.Conv2d(30, 80, 3),
        "grouped": nn.Conv2d(40, 80, 3, groups=4),
        "depthwise": nn.Conv2d(300, 2400, 3, groups=300),
        "transposed": nn.ConvTranspose2d(60, 40, 3),
        "embedding": nn.Embedding(500, 40),
        "simple": nn.RNN(100, 200),
        "lstm": nn.LSTM(50, 100),
        "gru": nn.GRU(70, 100),
        "attention": nn.MultiheadAttention(160, 8),
        "batch_norm": nn.BatchNorm1d(40),
        "layer_norm": nn.LayerNorm(40),
        "group_norm": nn.GroupNorm(4, 40),
        "rms_norm": nn.RMSNorm(40),
        "prelu": nn.PReLU(40),
    }
    words = {
        "weight_ih_l0": "weight", "weight_hh_l0": "recurrent_weight", "bias_ih_l0": "bias",
        "bias_hh_l0": "recurrent_bias",
    }  # fmt: skip
    for name, module in modules.items():
        for word, tensor in module.named_parameters():
            key, value = words.get(word, word), tensor.detach().numpy()
            if word.startswith("in_proj"):
                part = word.removeprefix("in_proj_")
                for own, third in zip(("query", "key", "value"), np.split(value, 3), strict=True):
                    yield f"{name}.{own}_{part}", third.T
                continue
            key = key.replace("out_proj.", "output_")
            if name.endswith("norm"):
                key = {"weight": "scale", "bias": "shift"}[word]
            elif name == "prelu":
                key = "slope"
            elif value.ndim == 2 and name != "embedding":
                value = value.T
            elif name == "depthwise" and value.ndim == 4:
                value = value.reshape(300, 8, 3, 3).transpose(2, 3, 0, 1)
            elif value.ndim == 4:
                # (M, C/groups, …), or (C, M/groups, …) of a transposed convolution.
                value = value.transpose(2, 3, 1, 0)
            yield f"{name}.{key}", value


def test_torch() -> None:
    found = dict(_torch_parameters())
    # Keras's and Flax's LSTM has one bias where torch has two.
    check("torch", found)


@pytest.mark.parametrize("activation", ["relu", "logistic"])
def test_sklearn(activation: str) -> None:
    neural_network = pytest.importorskip("sklearn.neural_network")
    # A rate so small that the one epoch it must make moves nothing.
    estimator = neural_network.MLPRegressor(
        hidden_layer_sizes=(400, 60), activation=activation, solver="sgd", max_iter=1,
        learning_rate_init=1e-300, random_state=0, nesterovs_momentum=False, momentum=0.0,
    )  # fmt: skip
    with warnings.catch_warnings():
        # It says that one epoch is too few to converge.
        warnings.simplefilter("ignore")
        estimator.fit(np.zeros((2, 50)), np.array([[0.0, 1.0], [1.0, 0.0]]))
    hidden: Layer = ReLU() if activation == "relu" else Sigmoid()
    network = Network(
        (
            ("a", Affine(50, 400)),
            ("first", hidden),
            ("b", Affine(400, 60)),
            ("second", hidden),
            ("c", Affine(60, 2)),
            # A logistic output makes no difference.
            ("last", Sigmoid()),
        )
    )
    laws, layers = default_laws(network, "sklearn"), dict(network.layers)
    for name, weight, bias in zip("abc", estimator.coefs_, estimator.intercepts_, strict=True):
        for key, values in (("weight", weight), ("bias", bias)):
            law, fans = laws[f"{name}.{key}"], layers[name].fans()
            assert drawn_by(values, law, *fans)
            assert values.size < 20_000 or not drawn_by(values * 1.1, law, *fans)


@pytest.mark.parametrize("framework", ["torch", "keras", "flax", "tf1", "cs231n"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_network_drawn_by_its_laws(framework: str, dtype: type) -> None:
    laws = default_laws(NETWORK, framework)
    parameters = NETWORK.initialize(laws, np.random.default_rng(0), dtype)
    assert list(parameters) == list(laws)
    for name, values in parameters.items():
        layer = LAYERS[name.split(".")[0]]
        assert values.dtype == dtype
        assert drawn_by(values, laws[name], *layer.fans()), name


def test_the_forget_gate() -> None:
    for order, place in (("ifgo", 1), ("ijfo", 2)):
        network = Network((("lstm", LSTM(3, 5, gate_order=order, bias="two")),))
        laws = default_laws(network, "keras")
        bias = laws["lstm.bias"].sample((20,), 3, 20, np.random.default_rng(0), np.float64)
        expected = np.zeros((4, 5))
        expected[place] = 1.0
        np.testing.assert_array_equal(bias.reshape(4, 5), expected)
        assert laws["lstm.recurrent_bias"] == Constant(0.0)


def test_cs231n() -> None:
    laws = default_laws(NETWORK, "cs231n")
    assert laws["affine.weight"].describe(100, 200) == "N(0, 0.001²)"
    assert laws["affine.bias"] == Constant(0.0)
    assert laws["embedding.weight"].describe(40, 500) == "N(0, 0.01²)"
    assert laws["lstm.weight"].describe(50, 400) == "N(0, 0.141421²)"
    assert laws["lstm.recurrent_weight"].describe(50, 400) == "N(0, 0.1²)"
    assert laws["lstm.bias"] == Constant(0.0)


def test_bad_input() -> None:
    with pytest.raises(InputError) as error:
        default_laws(NETWORK, "caffe")
    for word in ("torch", "sklearn", "'caffe'"):
        assert word in error.value.message
    with pytest.raises(InputError) as error:
        default_laws(Network((("norm", BatchNorm(3)),)), "sklearn")
    for word in ("'norm'", "Affine", "BatchNorm"):
        assert word in error.value.message
