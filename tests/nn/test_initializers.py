import math
import warnings

import numpy as np
import pytest
from tests.nn.laws import follows

from netparity.errors import InputError
from netparity.nn.initializers import (
    NAMED,
    STRUCTURED,
    Blocks,
    Constant,
    Eye,
    Law,
    Normal,
    Orthogonal,
    TruncatedNormal,
    Uniform,
    VarianceScaling,
    gain,
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
    [
        Uniform(-1.0, 2.0),
        Normal(0.5, 2.0),
        TruncatedNormal(1.5),
        TruncatedNormal(1.5, True),
        TruncatedNormal(1.5, True, 0.5),
        TruncatedNormal(0.5, cut=4.0),
    ],
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
        TruncatedNormal(1.5, True, 0.5): 1.5,
        # Beyond four deviations a normal has 6e-5, and 1.07e-3 of its variance:
        # √(1 − 2·4 φ(4)/(1 − 2 Φ(−4))) by a table.
        TruncatedNormal(0.5, cut=4.0): 0.5 * math.sqrt(1 - 8 * 1.3383022576e-4 / (1 - 6.334e-5)),
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


# ---- laws of whole arrays -------------------------------------------------------------------
@pytest.mark.parametrize("name", STRUCTURED)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_structured_samples(name: str, dtype: type) -> None:
    law = STRUCTURED[name]
    shape = (400,) if name == "lstm_forget_bias" else (100, 400)
    values = law.sample(shape, 100, 400, np.random.default_rng(0), dtype)
    assert values.shape == shape
    assert values.dtype == dtype
    assert values.flags.c_contiguous
    low, high = law.support(100, 400)
    assert low <= values.min() <= values.max() <= high
    # The distribution function is that of the values, up to the end of the test's level.
    assert name in ("lstm_forget_bias", "identity") or follows(values, law, fan_in=100, fan_out=400)


def orthonormality(matrix: np.ndarray) -> float:
    """How far the products of the columns (rows, if it is wide) are from those they should be."""
    tall = matrix if matrix.shape[0] >= matrix.shape[1] else matrix.T
    return float(np.abs(tall.T @ tall - np.eye(tall.shape[1])).max(initial=0.0))


@pytest.mark.parametrize("signs", ["uniform", "as-factored"])
@pytest.mark.parametrize("shape", [(7, 3), (3, 7), (5, 5), (1, 4), (4, 1), (1, 1), (0, 3), (3, 0)])
def test_orthogonal(shape: tuple[int, int], signs: str) -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        matrix = Orthogonal(2.0, signs).sample(shape, *shape, rng, np.float64)
        # Sums of up to 7 products, of numbers with an error of a few ulp each.
        assert orthonormality(matrix / 2.0) <= 8 * 7 * 2.0**-52


def test_orthogonal_kernels_are_matrices_with_the_outputs_as_columns() -> None:
    kernel = Orthogonal().sample((3, 3, 2, 4), 18, 36, np.random.default_rng(0), np.float64)
    assert orthonormality(kernel.reshape(18, 4)) <= 8 * 18 * 2.0**-52


def test_uniform_signs_are_uniform() -> None:
    rng = np.random.default_rng(0)
    uniform, plain = (
        [Orthogonal(1.0, signs).sample((3, 3), 3, 3, rng, np.float64)[0, 0] for _ in range(400)]
        for signs in ("uniform", "as-factored")
    )
    # Of 400 fair coins 280 or more are heads once in 10¹⁵; Householder's reflections leave the
    # first value below 0 always.
    assert 120 < np.sum(np.array(uniform) > 0) < 280
    assert max(plain) < 0.0


@pytest.mark.parametrize("dimension", [1, 2, 3, 4, 5, 8, 51, 200])
def test_one_coordinate_of_a_sphere(dimension: int) -> None:
    law = Orthogonal()
    rng = np.random.default_rng(0)
    points = rng.normal(size=(20_000, dimension))
    first = points[:, 0] / np.sqrt(np.sum(points**2, axis=1))
    # In one dimension it is 1 or −1, and the test for continuous laws does not apply.
    if dimension > 1:
        assert follows(first, law, fan_in=dimension, fan_out=1)
        assert follows(3.0 * first, Orthogonal(-3.0), fan_in=1, fan_out=dimension)
        assert not follows(np.clip(first * 1.1, -1.0, 1.0), law, fan_in=dimension, fan_out=1)
    ends = law.cdf(np.array([-1.5, -1.0, 1.0, 1.5]), dimension, 1)
    at_the_ends = [0.0, 0.5, 1.0, 1.0] if dimension == 1 else [0.0, 0.0, 1.0, 1.0]
    # One rounding for each of up to 100 terms of a sum of 1.
    assert ends == pytest.approx(at_the_ends, abs=100 * 2.0**-53)


def test_orthogonal_distribution_by_hand() -> None:
    x = np.array([-0.5, 0.0, 0.5])
    # On a circle by the angle, on a sphere in three dimensions by the height (Archimedes), in
    # five with density ¾ (1 − x²).
    for dimension, expected in (
        (2, [1 / 3, 0.5, 2 / 3]),
        (3, [0.25, 0.5, 0.75]),
        (5, [0.5 - 0.75 * (0.5 - 1 / 24), 0.5, 0.5 + 0.75 * (0.5 - 1 / 24)]),
    ):
        assert Orthogonal().cdf(x, dimension, 1) == pytest.approx(expected, abs=4 * 2.0**-53)


def test_eye() -> None:
    rng = np.random.default_rng(0)
    matrix = Eye(0.5).sample((3, 4), 3, 4, rng, np.float32)
    np.testing.assert_array_equal(matrix, 0.5 * np.eye(3, 4, dtype=np.float32))
    kernel = Eye().sample((2, 2, 1, 3), 4, 12, rng, np.float64)
    np.testing.assert_array_equal(kernel.reshape(4, 3), np.eye(4, 3))
    shares = Eye(0.5).cdf(np.array([-0.1, 0.0, 0.4, 0.5]), 3, 4)
    np.testing.assert_array_equal(shares, [0.0, 0.75, 0.75, 1.0])
    # As many of the matrix's twelve values as it says.
    assert np.mean(matrix <= 0.4) == 0.75


def test_blocks() -> None:
    law = Blocks((Constant(2.0), VarianceScaling(3.0, "fan_out", "uniform")))
    values = law.sample((100, 400), 100, 400, np.random.default_rng(0), np.float64)
    assert np.all(values[:, :200] == 2.0)
    # The fan out of a block is 200: the bound is √(9/200).
    assert follows(
        values[:, 200:], Uniform(-math.sqrt(0.045), math.sqrt(0.045)), fan_in=1, fan_out=1
    )
    assert law.support(100, 400) == (-math.sqrt(0.045), 2.0)
    np.testing.assert_array_equal(law.cdf(np.array([0.0, 2.0]), 100, 400), [0.25, 1.0])
    assert law.describe(100, 400) == "constant 2 | U(-0.212132, 0.212132)"


def test_words_of_structured_laws() -> None:
    assert Orthogonal().describe(4, 8) == "orthogonal"
    assert Orthogonal(0.5).describe(4, 8) == "orthogonal times 0.5"
    assert Eye().describe(4, 8) == "identity"
    assert Eye(0.5).describe(4, 8) == "identity times 0.5"


# ---- torch's, with gains, modes and absolute cuts -------------------------------------------
@pytest.mark.parametrize(
    ("function", "theirs", "slope"),
    [
        ("linear", "linear", 0.0),
        ("sigmoid", "sigmoid", 0.0),
        ("tanh", "tanh", 0.0),
        ("relu", "relu", 0.0),
        ("leaky-relu", "leaky_relu", 0.3),
        ("selu", "selu", 0.0),
    ],
)
@pytest.mark.parametrize("mode", ["fan_in", "fan_out"])
def test_torch_kaiming(function: str, theirs: str, slope: float, mode: str) -> None:
    torch = pytest.importorskip("torch")
    assert gain(function, slope) == torch.nn.init.calculate_gain(theirs, slope)
    torch.manual_seed(0)
    for distribution in ("uniform", "normal"):
        tensor = torch.empty(200, 100)
        initialize = getattr(torch.nn.init, f"kaiming_{distribution}_")
        initialize(tensor, slope, mode, theirs)
        law = VarianceScaling(gain(function, slope) ** 2, mode, distribution)
        assert follows(tensor.numpy(), law, fan_in=100, fan_out=200)
        assert not follows(tensor.numpy() * 1.1, law, fan_in=100, fan_out=200)


def test_torch_truncated_normal() -> None:
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    for std in (1.5, 0.02):
        tensor = torch.nn.init.trunc_normal_(torch.empty(200, 100), std=std)
        law = TruncatedNormal(std, cut=2.0 / std)
        assert follows(tensor.numpy(), law, fan_in=1, fan_out=1)
        assert not follows(tensor.numpy(), TruncatedNormal(std), fan_in=1, fan_out=1)
        ours = law.sample((200, 100), 1, 1, np.random.default_rng(0), np.float32)
        assert follows(ours, law, fan_in=1, fan_out=1)


def test_torch_orthogonal_and_identity() -> None:
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    tensor = torch.nn.init.orthogonal_(torch.empty(400, 100, dtype=torch.float64), 0.5)
    # Sums of 400 products, of numbers with an error of a few ulp each.
    assert orthonormality(tensor.numpy().T / 0.5) <= 8 * 400 * 2.0**-52
    assert follows(tensor.numpy(), Orthogonal(0.5), fan_in=100, fan_out=400)
    matrix = torch.nn.init.eye_(torch.empty(3, 4)).numpy()
    ours = Eye().sample((4, 3), 4, 3, np.random.default_rng(0), np.float32)
    np.testing.assert_array_equal(ours.T, matrix)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: TruncatedNormal(1.0, cut=0.0), ["cut", "above 0", "0.0"]),
        (lambda: gain("gelu"), ["relu", "'gelu'"]),
        (lambda: Orthogonal(1.0, "random"), ["signs", "'uniform'", "'random'"]),
        (lambda: Eye(0.0), ["gain", "above 0", "0.0"]),
        (lambda: Blocks(()), ["at least one", "none"]),
        (
            lambda: Orthogonal().sample((3,), 1, 3, np.random.default_rng(0), np.float64),
            ["Orthogonal", "two axes", "(3,)"],
        ),
        (
            lambda: Eye().sample((), 1, 3, np.random.default_rng(0), np.float64),
            ["Eye", "two axes", "()"],
        ),
        (
            lambda: Blocks((Constant(0.0),) * 4).sample(
                (6,), 1, 6, np.random.default_rng(0), np.float64
            ),
            ["4 equal", "(6,)"],
        ),
    ],
)
def test_bad_input(make: object, words: list[str]) -> None:
    with pytest.raises(InputError) as error:
        make()  # type: ignore[operator]
    for word in words:
        assert word in error.value.message
