import math
import warnings

import numpy as np
import pytest
from tests.nn.laws import follows

from netparity.nn import (
    NAMED,
    Constant,
    Law,
    Normal,
    TruncatedNormal,
    Uniform,
    VarianceScaling,
)

RANDOM = {name: law for name, law in NAMED.items() if not isinstance(law, Constant)}


@pytest.mark.parametrize("name", NAMED)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_samples(name: str, dtype: type) -> None:
    law = NAMED[name]
    values = law.sample((100, 200), 100, 200, np.random.default_rng(0), dtype)
    assert values.shape == (100, 200)
    assert values.dtype == dtype
    low, high = law.support(100, 200)
    if name in RANDOM:
        assert follows(values, law, fan_in=100, fan_out=200)
        assert not follows(values * 1.1, law, fan_in=100, fan_out=200)
        if math.isfinite(high):
            assert values.max() > 0.98 * high
    else:
        assert np.all(values == low)
        assert low == high


@pytest.mark.parametrize("name", NAMED)
@pytest.mark.parametrize("shape", [(), (0,), (1,), (1, 1)])
def test_small_shapes_and_fans(name: str, shape: tuple[int, ...]) -> None:
    for fans in ((0, 0), (1, 1)):
        values = NAMED[name].sample(shape, *fans, np.random.default_rng(0), np.float32)
        assert values.shape == shape
        assert np.isfinite(values).all()


def test_supports_by_hand() -> None:
    for law, high in [
        (NAMED["glorot_uniform"], math.sqrt(6 / 12)),
        (NAMED["he_uniform"], math.sqrt(6 / 4)),
        (NAMED["lecun_uniform"], math.sqrt(3 / 4)),
        (NAMED["torch_linear"], 1 / 2),
        (NAMED["sklearn_logistic"], math.sqrt(2 / 12)),
        (VarianceScaling(1.0, "fan_out", "uniform"), math.sqrt(3 / 8)),
        # Keras's own constant for the deviation of a normal cut at two.
        (NAMED["lecun_normal"], 2 * 0.5 / 0.87962566103423978),
        (NAMED["tf1_truncated_normal"], 2.0),
    ]:
        assert law.support(4, 8)[1] == pytest.approx(high, rel=1e-15)


@pytest.mark.parametrize(
    "law",
    [Uniform(-1.0, 2.0), Normal(0.5, 2.0), TruncatedNormal(1.5), TruncatedNormal(1.5, True)],
)
def test_distribution_functions(law: Law) -> None:
    low, high = law.support(1, 1)
    low, high = max(low, -15.0), min(high, 16.0)
    grid = np.linspace(low, high, 20_001)
    cdf = law.cdf(grid, 1, 1)
    assert (np.diff(cdf) >= 0).all()
    # Beyond ±15 a N(½, 2²) has less than 1e-13.
    assert cdf[0] == pytest.approx(0.0, abs=1e-13)
    assert cdf[-1] == pytest.approx(1.0, abs=1e-13)
    middle = (grid[1:] + grid[:-1]) / 2
    mean = np.sum(middle * np.diff(cdf))
    deviation = math.sqrt(np.sum((middle - mean) ** 2 * np.diff(cdf)))
    expected = {
        Uniform(-1.0, 2.0): 3 / math.sqrt(12),
        Normal(0.5, 2.0): 2.0,
        TruncatedNormal(1.5): 1.5 * 0.87962566103423978,
        TruncatedNormal(1.5, True): 1.5,
    }
    # The sum over cells 1.5e-3 wide is off by width²/24 of the density's curvature.
    assert deviation == pytest.approx(expected[law], rel=1e-6)


def test_words() -> None:
    assert NAMED["zeros"].describe(4, 8) == "zeros"
    assert Constant(0.5).describe(4, 8) == "constant 0.5"
    assert NAMED["torch_linear"].describe(4, 8) == "U(-0.5, 0.5)"
    assert NAMED["standard_normal"].describe(4, 8) == "N(0, 1²)"
    assert NAMED["tf1_truncated_normal"].describe(4, 8) == "N(0, 1²) cut at ±2"


def test_torch_linear() -> None:
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    layer = torch.nn.Linear(40, 20_000)
    for tensor in (layer.weight, layer.bias):
        values = tensor.detach().numpy()
        assert follows(values, NAMED["torch_linear"], fan_in=40, fan_out=20_000)
        assert not follows(values, NAMED["lecun_uniform"], fan_in=40, fan_out=20_000)


@pytest.mark.parametrize(
    ("name", "function"),
    [
        ("torch_xavier_normal", "xavier_normal_"),
        ("torch_kaiming_normal", "kaiming_normal_"),
        ("glorot_uniform", "xavier_uniform_"),
        ("he_uniform", "kaiming_uniform_"),
        ("standard_normal", "normal_"),
    ],
)
def test_torch_functions(name: str, function: str) -> None:
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    tensor = torch.empty(200, 100)
    getattr(torch.nn.init, function)(tensor)
    assert follows(tensor.numpy(), NAMED[name], fan_in=100, fan_out=200)


@pytest.mark.parametrize(
    ("activation", "name"), [("relu", "glorot_uniform"), ("logistic", "sklearn_logistic")]
)
def test_sklearn(activation: str, name: str) -> None:
    neural_network = pytest.importorskip("sklearn.neural_network")
    # A rate so small that the one epoch it must make moves nothing.
    estimator = neural_network.MLPRegressor(
        hidden_layer_sizes=(400,), activation=activation, solver="sgd", max_iter=1,
        learning_rate_init=1e-300, random_state=0, nesterovs_momentum=False, momentum=0.0,
    )  # fmt: skip
    with warnings.catch_warnings():
        # It says that one epoch is too few to converge.
        warnings.simplefilter("ignore")
        estimator.fit(np.zeros((2, 50)), np.array([0.0, 1.0]))
    weights, bias = estimator.coefs_[0], estimator.intercepts_[0]
    assert follows(weights, NAMED[name], fan_in=50, fan_out=400)
    assert follows(bias, NAMED[name], fan_in=50, fan_out=400)
    assert bias.any()
