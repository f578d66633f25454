from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netparity.errors import InputError
from netparity.nn import (
    ELU,
    GELU,
    L1,
    L2,
    LSTM,
    NAMED,
    Add,
    Affine,
    BatchNorm,
    Concatenate,
    Dropout,
    Embedding,
    Flatten,
    GradientError,
    Identity,
    Layer,
    LayerNorm,
    LeakyReLU,
    LogSoftmax,
    Loss,
    MeanAbsoluteError,
    MeanSquaredError,
    MulticlassHinge,
    Network,
    ReLU,
    Sigmoid,
    SigmoidCrossEntropy,
    SiLU,
    Softmax,
    SoftmaxCrossEntropy,
    Softplus,
    Take,
    Tanh,
    assert_gradients,
    check_gradients,
)

LAYERS: list[Layer] = [
    ELU(0.75), GELU(), GELU(approximate=True), Identity(), LeakyReLU(0.25), LogSoftmax(), ReLU(),
    SiLU(), Sigmoid(), Softmax(), Softplus(), Tanh(), Dropout(0.25),
    Dropout(0.25, scaling="plain"), Flatten(),
]  # fmt: skip
LOSSES: list[Loss] = [
    SoftmaxCrossEntropy(), SoftmaxCrossEntropy("sum", 0.5), SigmoidCrossEntropy("sum", "sum", 0.5),
    SoftmaxCrossEntropy(clip=1e-7), SigmoidCrossEntropy(clip=1e-7), MeanSquaredError(),
    MeanSquaredError("sum", "sum", 0.5), MeanAbsoluteError(), MulticlassHinge(),
    MulticlassHinge(0.5, "sum", "mean", True, 2.0),
]  # fmt: skip


def network(layer: Layer, d: int = 3, h: int = 4, m: int = 3) -> Network:
    return Network((("below", Affine(d, h)), ("layer", layer), ("above", Affine(h, m))))


def values(net: Network, seed: int = 0) -> dict[str, np.ndarray]:
    return net.initialize(NAMED["standard_normal"], np.random.default_rng(seed))


@pytest.mark.parametrize("method", ["projection", "full"])
@pytest.mark.parametrize("layer", LAYERS, ids=repr)
def test_layers(layer: Layer, method: str) -> None:
    net, rng = network(layer), np.random.default_rng(5)
    x, y = rng.normal(size=(4, 3)), rng.normal(size=(4, 3))
    mismatches = check_gradients(
        net, MeanSquaredError(), values(net), x, y, method=method, rng=rng,
        penalties=(L2(0.1, scope="all"), L1(0.1)),
    )  # fmt: skip
    assert mismatches == ()


@pytest.mark.parametrize("method", ["projection", "full"])
@pytest.mark.parametrize("loss", LOSSES, ids=repr)
def test_losses(loss: Loss, method: str) -> None:
    net, rng = network(Tanh()), np.random.default_rng(6)
    x, y = rng.normal(size=(4, 3)), np.array([0, 2, 1, 1])
    assert check_gradients(net, loss, values(net), x, y, method=method, rng=rng) == ()


@pytest.mark.parametrize("renormalise", [False, True])
def test_losses_of_probabilities(renormalise: bool) -> None:
    net, rng = network(Sigmoid()), np.random.default_rng(7)
    net = Network((*net.layers, ("probabilities", Sigmoid())))
    loss = SoftmaxCrossEntropy(input="probabilities", renormalise=renormalise)
    x, y = rng.normal(size=(4, 3)), np.array([0, 2, 1, 1])
    assert check_gradients(net, loss, values(net), x, y, method="full", rng=rng) == ()


@settings(max_examples=30, deadline=None, derandomize=True)
@given(
    sizes=st.tuples(*[st.integers(1, 4)] * 4),
    layer=st.sampled_from(LAYERS),
    scale=st.sampled_from([0.01, 1.0, 100.0]),
    seed=st.integers(0, 99),
)
def test_every_shape_and_scale(
    sizes: tuple[int, int, int, int], layer: Layer, scale: float, seed: int
) -> None:
    n, d, h, m = sizes
    net, rng = network(layer, d, h, m), np.random.default_rng(seed)
    x, y = rng.normal(size=(n, d)) * scale, rng.normal(size=(n, m)) * scale
    assert check_gradients(net, MeanSquaredError(), values(net, seed), x, y, rng=rng) == ()


def test_a_forgotten_mask_is_found_below_it_and_only_there() -> None:
    net, rng = network(Dropout(0.5, mask_in_backward=False)), np.random.default_rng(1)
    x, y = rng.normal(size=(4, 3)), rng.normal(size=(4, 3))
    found = check_gradients(net, MeanSquaredError(), values(net), x, y, rng=rng)
    assert {m.name for m in found} == {"below.weight", "below.bias"}
    assert not any(m.kink for m in found)
    # The true slope is known: that of the same network with the mask.
    right = network(Dropout(0.5))
    rng = np.random.default_rng(1)
    assert check_gradients(right, MeanSquaredError(), values(right), x, y, rng=rng) == ()


@dataclass(frozen=True, slots=True)
class Slanted(Loss):
    """A squared error whose gradient is off by a small part."""

    error: float
    batch: str = "mean"
    factor: float = 1.0

    def value_and_gradient(
        self, prediction: np.ndarray, target: np.ndarray, **options: Any
    ) -> tuple[float, np.ndarray]:
        value, gradient = MeanSquaredError().value_and_gradient(prediction, target, **options)
        return value, gradient * (1.0 + self.error)


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
def test_one_part_in_ten_million_is_found_at_every_scale(scale: float) -> None:
    net, rng = network(Tanh()), np.random.default_rng(2)
    parameters = values(net)
    x, y = rng.normal(size=(4, 3)), rng.normal(size=(4, 3)) * scale
    parameters["above.weight"][...] *= scale
    parameters["above.bias"][...] *= scale
    assert check_gradients(net, Slanted(0.0), parameters, x, y, rng=rng) == ()
    found = check_gradients(net, Slanted(1e-7), parameters, x, y, rng=rng)
    assert [m.name for m in found] == ["below.weight", "below.bias", "above.weight", "above.bias"]
    for mismatch in found:
        assert mismatch.analytic / mismatch.numeric - 1 == pytest.approx(1e-7, rel=0.05)


def test_a_kink_is_told_apart() -> None:
    # All pre-activations are exactly 0, so every bias stands on the kink of its unit.
    net, rng = network(ReLU()), np.random.default_rng(3)
    parameters = values(net)
    parameters["below.weight"][...] = 0.0
    parameters["below.bias"][...] = 0.0
    x, y = rng.normal(size=(4, 3)), rng.normal(size=(4, 3))
    found = check_gradients(net, MeanSquaredError(), parameters, x, y, method="full", rng=rng)
    assert {m.name for m in found} == {"below.weight", "below.bias"}
    assert all(m.kink for m in found)
    bias = next(m for m in found if m.name == "below.bias" and m.index == (0,))
    assert bias.below == pytest.approx(0.0, abs=bias.tolerance)
    assert "below.bias[0]" in str(bias)
    assert "kink" in str(bias)


@pytest.mark.parametrize("method", ["projection", "full"])
@pytest.mark.parametrize(
    "layer",
    [
        BatchNorm(4), BatchNorm(4, normalize_with="unbiased"), BatchNorm(4, frozen=True),
        LayerNorm((4,)),
    ],
    ids=repr,
)  # fmt: skip
def test_layers_with_buffers_and_statistics(layer: Layer, method: str) -> None:
    net, rng = network(layer), np.random.default_rng(8)
    x, y = rng.normal(size=(4, 3)), rng.normal(size=(4, 3))
    assert check_gradients(net, MeanSquaredError(), values(net), x, y, method=method, rng=rng) == ()


def test_running_statistics_may_be_given() -> None:
    net, rng = network(BatchNorm(4, frozen=True)), np.random.default_rng(9)
    given = {
        **values(net),
        "layer.running_mean": rng.normal(size=4),
        "layer.running_variance": rng.uniform(0.5, 2.0, 4).astype(np.float32),
    }
    copies = {name: array.copy() for name, array in given.items()}
    x, y = rng.normal(size=(4, 3)), rng.normal(size=(4, 3))
    assert check_gradients(net, MeanSquaredError(), given, x, y, method="full", rng=rng) == ()
    for name, array in copies.items():
        np.testing.assert_array_equal(given[name], array)


@pytest.mark.parametrize("method", ["projection", "full"])
def test_joins_dropout_and_sample_weights_together(method: str) -> None:
    net = Network(
        (
            ("a", Affine(3, 4)),
            ("norm", BatchNorm(4)),
            ("tanh", Tanh()),
            ("drop", Dropout(0.25)),
            ("b", Affine(4, 4)),
            ("sum", Add(("tanh",))),
            ("joined", Concatenate(("input",))),
            ("c", Affine(7, 3)),
        )
    )
    rng = np.random.default_rng(10)
    x, y = rng.normal(size=(5, 3)), np.array([0, 2, 1, 1, 0])
    weights = np.array([1.0, 0.0, 2.0, 0.5, 3.0])
    found = check_gradients(
        net, SoftmaxCrossEntropy(), values(net), x, y,
        weights=weights, penalties=(L2(0.1), L1(0.1, scale_with_batch=True)), method=method,
        rng=rng,
    )  # fmt: skip
    assert found == ()


@dataclass(frozen=True, slots=True)
class Weightless(Loss):
    """A squared error whose gradient forgets the weights of the rows."""

    batch: str = "mean"
    factor: float = 1.0

    def value_and_gradient(
        self, prediction: np.ndarray, target: np.ndarray, **options: Any
    ) -> tuple[float, np.ndarray]:
        value, _ = MeanSquaredError().value_and_gradient(prediction, target, **options)
        return value, MeanSquaredError().value_and_gradient(prediction, target)[1]


def test_forgotten_weights_are_found() -> None:
    net, rng = network(Tanh()), np.random.default_rng(11)
    x, y = rng.normal(size=(4, 3)), rng.normal(size=(4, 3))
    assert check_gradients(net, Weightless(), values(net), x, y, rng=rng) == ()
    weights = np.array([1.0, 2.0, 0.5, 1.0])
    found = check_gradients(net, Weightless(), values(net), x, y, weights=weights, rng=rng)
    assert [m.name for m in found] == ["below.weight", "below.bias", "above.weight", "above.bias"]


def test_an_error_names_parameter_and_both_values() -> None:
    net, rng = network(Tanh()), np.random.default_rng(4)
    x, y = rng.normal(size=(4, 3)), rng.normal(size=(4, 3))
    assert_gradients(net, MeanSquaredError(), values(net), x, y, rng=rng)
    with pytest.raises(GradientError) as caught:
        assert_gradients(net, Slanted(0.1), values(net), x, y, method="full", rng=rng)
    first, *rest = caught.value.mismatches
    assert len(rest) == sum(array.size for array in values(net).values()) - 1
    text = str(caught.value)
    assert f"below.weight[0, 0]: analytic {first.analytic:.9g}, numeric {first.numeric:.9g}" in text
    assert text.count("analytic") == 10
    assert text.endswith(f"and {len(rest) - 9} more")
    with pytest.raises(InputError, match="projection.*'every'"):
        assert_gradients(net, MeanSquaredError(), values(net), x, y, method="every", rng=rng)


def test_kinks_pass_unless_they_shall_not() -> None:
    net, rng = network(ReLU()), np.random.default_rng(3)
    parameters = values(net)
    parameters["below.weight"][...] = 0.0
    parameters["below.bias"][...] = 0.0
    x, y = rng.normal(size=(4, 3)), rng.normal(size=(4, 3))
    case = (net, MeanSquaredError(), parameters, x, y)
    assert_gradients(*case, method="full", rng=rng)
    with pytest.raises(GradientError, match="below.weight.*kink"):
        assert_gradients(*case, method="full", kinks=False, rng=rng)
    # Above the kink there is a slope, and a wrong one is found.
    with pytest.raises(GradientError) as caught:
        assert_gradients(net, Slanted(0.5), parameters, x, y, method="full", rng=rng)
    assert {m.name for m in caught.value.mismatches} == {"above.bias"}


def test_full_names_the_element() -> None:
    net, rng = network(Tanh()), np.random.default_rng(4)
    x, y = rng.normal(size=(4, 3)), rng.normal(size=(4, 3))
    found = check_gradients(net, Slanted(0.1), values(net), x, y, method="full", rng=rng)
    assert len(found) == sum(array.size for array in values(net).values())
    assert str(found[1]).startswith("below.weight[0, 1]: analytic ")


def test_single_precision_is_checked_in_double() -> None:
    net, rng = network(Tanh()), np.random.default_rng(4)
    parameters = {name: array.astype(np.float32) for name, array in values(net).items()}
    x, y = rng.normal(size=(4, 3)).astype(np.float32), rng.normal(size=(4, 3))
    assert check_gradients(net, MeanSquaredError(), parameters, x, y, rng=rng) == ()


def test_tokens_are_not_disturbed() -> None:
    network = Network(
        (
            ("taken", Take("input")),
            ("embedding", Embedding(5, 3)),
            ("last", LSTM(3, 4)),
            ("line", Affine(4, 2)),
        )
    )
    rng = np.random.default_rng(0)
    parameters = network.initialize(NAMED["standard_normal"], rng)
    x, y = rng.integers(0, 5, (4, 6)), rng.normal(size=(4, 2))
    assert check_gradients(network, MeanSquaredError(), parameters, x, y, rng=rng) == ()
