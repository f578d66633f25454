"""The fast paths against the pure functions."""

from collections.abc import Callable

import numpy as np
import pytest

from netparity.nn import (
    GELU,
    Affine,
    Array,
    Dropout,
    Flatten,
    Identity,
    Layer,
    Loss,
    MeanAbsoluteError,
    MeanSquaredError,
    Memory,
    Network,
    Normal,
    ReLU,
    Sigmoid,
    SoftmaxCrossEntropy,
    Tanh,
)
from netparity.nn.arrays import packed, views
from netparity.nn.engine import Kernels, Plan, kernels_of


@pytest.fixture(params=["compiled", "plain"])
def kernels(request: pytest.FixtureRequest) -> Kernels:
    if request.param == "compiled":
        pytest.importorskip("numba")
    return kernels_of(request.param)


ACTIVATIONS: tuple[Callable[[], Layer], ...] = (ReLU, Sigmoid, Tanh, Identity, GELU)


def _network(activation: Layer, width: int, *, bias: bool = True) -> Network:
    return Network(
        (
            ("first", Affine(6, width, bias=bias)),
            ("activation", activation),
            ("second", Affine(width, width)),
            ("sigmoid", Sigmoid()),
            ("straight", Affine(width, 3, bias=bias)),
        )
    )


def _floor(
    network: Network,
    loss: Loss,
    parameters: dict[str, Array],
    x: Array,
    y: Array,
    draws: tuple[Array, ...],
    roundoff: float,
) -> tuple[tuple[float, dict[str, Array]], tuple[float, dict[str, Array]]]:
    """Loss and gradients in float64, and how far apart rounding alone can put two computations.

    Ten times the largest of eight runs in which every value is off by one roundoff, and four
    ulp of the tensor's size: what is summed in another order differs by no more.
    """
    rng = np.random.default_rng(9)
    parameters = {name: value.astype(np.float64) for name, value in parameters.items()}
    y = y.astype(np.float64) if y.dtype.kind == "f" else y

    def run(size: float) -> tuple[float, dict[str, Array]]:
        def disturb(value: Array) -> Array:
            return value * (1.0 + size * rng.standard_normal(value.shape))

        tape = network.forward(
            parameters, x.astype(np.float64), training=True, draws=draws, disturb=disturb
        )
        value, delta = loss.value_and_gradient(tape.prediction, y)
        return value, tape.backward(delta).parameters

    exact = run(0.0)
    runs = [run(roundoff) for _ in range(8)]
    value = 10 * max(abs(one[0] - exact[0]) for one in runs) + 8 * roundoff * abs(exact[0])
    gradients = {}
    for name, gradient in exact[1].items():
        spread = np.max([np.abs(one[1][name] - gradient) for one in runs], axis=0)
        rms = np.sqrt(np.mean(np.square(gradient)))
        size = np.maximum(spread, np.sqrt(np.mean(np.square(spread))))
        gradients[name] = 10 * size + 8 * roundoff * rms
    return exact, (value, gradients)


def _compare(
    kernels: Kernels, network: Network, loss: Loss, x: Array, y: Array, dtype: type
) -> None:
    rng = np.random.default_rng(1)
    # Every plan is run twice: what the first run left behind must not matter.
    parameters = packed(
        {name: rng.normal(0, 0.5, shape) for name, shape in network.parameter_shapes().items()},
        dtype,
    )
    gradients = views(network.parameter_shapes(), dtype)
    x = x.astype(dtype)
    y = y.astype(dtype) if y.dtype.kind == "f" else y
    values = {**parameters, **network.initial_buffers(dtype)}
    plan = Plan(network, loss, values, gradients, x, memory=Memory(reuse=True), kernels=kernels)
    for seed in (2, 3):
        value = plan.run(x, y, None, np.random.default_rng(seed))
        draws = plan.draws
        expected = network.forward(values, x, training=True, rng=np.random.default_rng(seed)).draws
        for one, other in zip(draws, expected, strict=True):
            np.testing.assert_array_equal(one, other)
        roundoff = float(np.finfo(dtype).eps) / 2
        exact, floor = _floor(network, loss, parameters, x, y, draws, roundoff)
        assert abs(value - exact[0]) <= floor[0]
        for name, gradient in exact[1].items():
            assert gradients[name].dtype == dtype
            assert np.all(np.abs(gradients[name] - gradient) <= floor[1][name]), name


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("loss", [SoftmaxCrossEntropy(), MeanSquaredError(factor=0.5)])
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("rows", [5, 700])
def test_dense_networks(
    kernels: Kernels, activation: type[Layer], loss: Loss, rows: int, dtype: type
) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(rows, 6))
    entropy = isinstance(loss, SoftmaxCrossEntropy)
    y = rng.integers(0, 3, rows) if entropy else rng.normal(size=(rows, 3))
    _compare(kernels, _network(activation(), 8, bias=activation is not Tanh), loss, x, y, dtype)


@pytest.mark.parametrize("scaling", ["inverted", "plain"])
def test_dropout_and_other_layers(kernels: Kernels, scaling: str) -> None:
    rng = np.random.default_rng(0)
    network = Network(
        (
            ("flatten", Flatten()),
            ("first", Affine(6, 8)),
            ("relu", ReLU()),
            ("drop", Dropout(0.25, scaling)),  # type: ignore[arg-type]
            ("second", Affine(8, 8)),
            ("gelu", GELU()),
            ("other", Dropout(0.5, mask_in_backward=False)),
            ("last", Affine(8, 3)),
        )
    )
    x, y = rng.normal(size=(100, 2, 3)), rng.integers(0, 3, 100)
    _compare(kernels, network, SoftmaxCrossEntropy(), x, y, np.float64)
    _compare(kernels, network, MeanAbsoluteError(), x, rng.normal(size=(100, 3)), np.float32)


def test_one_layer_and_one_row(kernels: Kernels) -> None:
    network = Network((("only", Affine(4, 2)),))
    x, y = np.arange(4.0)[None], np.array([1])
    _compare(kernels, network, SoftmaxCrossEntropy(), x, y, np.float64)


def test_sequences_of_rows(kernels: Kernels) -> None:
    rng = np.random.default_rng(0)
    network = Network((("each", Affine(3, 4)), ("relu", ReLU()), ("flat", Flatten())))
    x, y = rng.normal(size=(6, 2, 3)), rng.normal(size=(6, 8))
    _compare(kernels, network, MeanSquaredError(), x, y, np.float64)


def test_a_label_that_is_no_class_is_named(kernels: Kernels) -> None:
    network = _network(ReLU(), 8)
    parameters = network.initialize(Normal(0.0, 1.0), np.random.default_rng(0))
    x = np.ones((2, 6))
    for rows in (2, 800):
        x, y = np.ones((rows, 6)), np.full(rows, 3)
        plan = Plan(
            network, SoftmaxCrossEntropy(), parameters, views(network.parameter_shapes(), float),
            x, memory=Memory(reuse=True), kernels=kernels,
        )  # fmt: skip
        with pytest.raises(Exception, match="label is not a class"):
            plan.run(x, y, None, np.random.default_rng(0))


def test_non_finite_values_reach_the_loss_and_exact_zeros_pass_nothing_back(
    kernels: Kernels,
) -> None:
    network = Network((("first", Affine(2, 3)), ("relu", ReLU()), ("last", Affine(3, 1))))
    parameters = network.initialize(Normal(0.0, 1.0), np.random.default_rng(0))
    gradients = views(network.parameter_shapes(), np.float64)
    loss, target = MeanSquaredError(), np.ones((3000, 1))
    for special in (np.nan, np.inf, 0.0):
        x = np.full((3000, 2), special)
        # Infinity times the weights of opposite sign is what is meant to happen here.
        with np.errstate(invalid="ignore"):
            plan = Plan(
                network, loss, parameters, gradients, x, memory=Memory(reuse=True), kernels=kernels
            )
            value = plan.run(x, target, None, np.random.default_rng(0))
            plain = loss.value(network.forward(parameters, x).prediction, target)
        np.testing.assert_equal(np.isfinite(value), np.isfinite(plain))
    parameters["first.bias"][:] = 0.0
    plan.run(x, target, None, np.random.default_rng(0))
    assert not gradients["first.bias"].any()
    assert gradients["last.bias"].all()
