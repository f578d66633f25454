import tracemalloc
import warnings
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.nn.measure import ulps

from netparity.errors import InputError
from netparity.nn import (
    L1,
    L2,
    Affine,
    ElasticNet,
    MeanSquaredError,
    Memory,
    Network,
    Penalty,
    check_gradients,
    in_scope,
)

PARAMETERS = {"a.weight": np.array([[1.0, -2.0]]), "a.bias": np.array([3.0])}
PENALTIES: list[Penalty] = [
    L1(0.25),
    L2(0.25, 1.0, "all"),
    ElasticNet(0.25, 0.5),
    ElasticNet(0.25, 0.5, 1.0, ("a.bias",)),
]


def test_by_hand() -> None:
    assert L2(0.25).value(PARAMETERS) == 0.5 * 0.25 * 5
    assert L2(0.25, factor=1.0, scope="all").value(PARAMETERS) == 0.25 * 14
    assert L2(0.25, scope=("a.bias",)).value(PARAMETERS) == 0.5 * 0.25 * 9
    assert L1(0.25).value(PARAMETERS) == 0.75
    assert ElasticNet(0.25, 0.5).value(PARAMETERS) == 0.75 + 0.5 * 0.5 * 5
    assert ElasticNet(0.25, 0.5, 1.0).value(PARAMETERS) == 0.75 + 0.5 * 5
    np.testing.assert_array_equal(L2(0.25).gradients(PARAMETERS)["a.weight"], [[0.25, -0.5]])
    np.testing.assert_array_equal(
        L2(0.25, factor=1.0).gradients(PARAMETERS)["a.weight"], [[0.5, -1.0]]
    )
    np.testing.assert_array_equal(
        ElasticNet(0.25, 0.5).gradients(PARAMETERS)["a.weight"], [[0.75, -1.25]]
    )
    assert set(L1(0.25).gradients(PARAMETERS)) == {"a.weight"}
    assert set(L1(0.25, scope="all").gradients(PARAMETERS)) == set(PARAMETERS)


def test_at_zero_the_derivative_of_an_absolute_value_is_zero() -> None:
    zero = {"a.weight": np.zeros((1, 2))}
    for penalty in (L1(0.5), ElasticNet(0.5, 0.5)):
        assert not penalty.gradients(zero)["a.weight"].any()


def test_mixed_by_a_ratio() -> None:
    assert ElasticNet.mixed(0.5, 0.25) == ElasticNet(0.125, 0.375, 0.5)
    with pytest.raises(InputError, match="from 0 to 1. Received: 1.5"):
        ElasticNet.mixed(0.5, 1.5)


@pytest.mark.parametrize(
    "penalty",
    [
        L1(np.float64(0.1)),
        L2(np.float64(0.1), np.float64(0.5)),
        ElasticNet(np.float64(0.1), np.float64(0.2)),
    ],
)
def test_dtype_stays(penalty: Penalty) -> None:
    parameters = {"a.weight": np.ones((2, 2), np.float32)}
    gradients = {"a.weight": np.ones((2, 2), np.float32)}
    assert penalty.gradients(parameters)["a.weight"].dtype == np.float32
    assert type(penalty.value(parameters)) is float
    penalty.add_gradients(parameters, gradients)
    assert gradients["a.weight"].dtype == np.float32


def test_scope() -> None:
    assert in_scope("all", "a.bias")
    assert not in_scope("weights", "a.bias")
    assert not in_scope(("a.weight",), "b.weight")


@settings(deadline=None, max_examples=60)
@given(
    shape=st.sampled_from([(), (0,), (1,), (3, 0), (7, 5), (200, 90)]),
    penalty=st.sampled_from(PENALTIES),
    dtype=st.sampled_from([np.float32, np.float64]),
    order=st.sampled_from("CF"),
)
def test_gradients_are_added_to_the_bit(
    shape: tuple[int, ...], penalty: Penalty, dtype: type, order: Any
) -> None:
    rng, memory = np.random.default_rng(0), Memory(reuse=True)
    names = ("a.weight", "a.bias")
    parameters = {n: np.asarray(rng.normal(size=shape), dtype, order=order) for n in names}
    start = {name: rng.normal(size=shape).astype(dtype) for name in names}
    own = penalty.gradients(parameters)
    for _ in range(2):
        gradients = {name: np.array(array) for name, array in start.items()}
        penalty.add_gradients(parameters, gradients, memory=memory)
        for name in names:
            expected = start[name] + own[name] if name in own else start[name]
            np.testing.assert_array_equal(gradients[name], expected)
    assert penalty.value(parameters) == penalty.value(parameters, memory=memory)


@pytest.mark.parametrize("penalty", PENALTIES, ids=repr)
def test_nothing_large_is_new_in_reused_memory(penalty: Penalty) -> None:
    memory = Memory(reuse=True)
    parameters = {name: np.ones((1000, 200)) for name in ("a.weight", "a.bias")}
    gradients = {name: np.ones((1000, 200)) for name in parameters}
    for _ in range(2):
        tracemalloc.start()
        penalty.value(parameters, memory=memory)
        penalty.add_gradients(parameters, gradients, memory=memory)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    # The signs of one block.
    assert peak <= 65536 + 8192


def test_parameters_without_a_gradient_are_passed_over() -> None:
    gradients = {"a.weight": np.zeros((1, 2))}
    L2(0.25, scope="all").add_gradients(PARAMETERS, gradients)
    np.testing.assert_array_equal(gradients["a.weight"], [[0.25, -0.5]])


@pytest.mark.parametrize(
    "penalty",
    [L1(0.25, scale_with_batch=True), L2(0.25, scale_with_batch=True),
     ElasticNet(0.25, 0.5, scale_with_batch=True)],
    ids=repr,
)  # fmt: skip
def test_divided_by_the_batch(penalty: Penalty) -> None:
    plain = replace(penalty, scale_with_batch=False)  # type: ignore[type-var]
    # Powers of two divide exactly.
    assert penalty.value(PARAMETERS, rows=8) == plain.value(PARAMETERS) / 8
    assert plain.value(PARAMETERS, rows=8) == plain.value(PARAMETERS)
    gradient = plain.gradients(PARAMETERS)["a.weight"] / 8
    np.testing.assert_array_equal(penalty.gradients(PARAMETERS, rows=8)["a.weight"], gradient)
    sums = {"a.weight": np.zeros((1, 2))}
    penalty.add_gradients(PARAMETERS, sums, rows=8)
    np.testing.assert_array_equal(sums["a.weight"], gradient)
    for rows in (None, 0, -1.0, float("nan")):
        with pytest.raises(InputError, match=f"Expected rows of at least 1. Received: {rows}"):
            penalty.value(PARAMETERS, rows=rows)
        with pytest.raises(InputError, match="Expected rows"):
            penalty.gradients(PARAMETERS, rows=rows)
        with pytest.raises(InputError, match="Expected rows"):
            penalty.add_gradients(PARAMETERS, sums, rows=rows)


@pytest.mark.parametrize("penalty", PENALTIES, ids=repr)
def test_gradient_check(penalty: Penalty) -> None:
    rng = np.random.default_rng(1)
    network = Network((("a", Affine(2, 3)),))
    parameters = {"a.weight": rng.normal(size=(2, 3)), "a.bias": rng.normal(size=3)}
    x, y = rng.normal(size=(4, 2)), rng.normal(size=(4, 3))
    assert (
        check_gradients(
            network, MeanSquaredError(), parameters, x, y, penalties=(penalty,), rng=rng
        )
        == ()
    )


WEIGHT = np.random.default_rng(2).normal(size=(4, 3))
WEIGHT[0, 0] = 0.0


@pytest.mark.parametrize(
    ("penalty", "name", "arguments"),
    [
        (L1(0.25), "L1", (0.25,)),
        (L2(0.25, 1.0), "L2", (0.25,)),
        (ElasticNet(0.25, 0.5, 1.0), "L1L2", (0.25, 0.5)),
    ],
    ids=["L1", "L2", "L1L2"],
)
def test_keras(penalty: Penalty, name: str, arguments: tuple[float, ...]) -> None:
    keras = pytest.importorskip("keras")
    tf = pytest.importorskip("tensorflow")
    if keras.backend.backend() != "tensorflow":
        pytest.skip("needs Keras on TensorFlow")
    x = tf.constant(WEIGHT)
    with tf.GradientTape() as tape:
        tape.watch(x)
        value = getattr(keras.regularizers, name)(*arguments)(x)
    # Two sums of 12 terms of one sign, each term with two roundings; a gradient is a sum of two
    # products.
    assert ulps(penalty.value({"a.weight": WEIGHT}), value.numpy()) <= 16
    assert ulps(penalty.gradients({"a.weight": WEIGHT})["a.weight"], tape.gradient(value, x)) <= 2


def test_half_the_squares_in_tensorflow() -> None:
    tf = pytest.importorskip("tensorflow")
    # Twelve squares, each side with its own order of the sum.
    assert ulps(L2(1.0).value({"a.weight": WEIGHT}), tf.nn.l2_loss(WEIGHT).numpy()) <= 12


def test_weight_decay_of_torch() -> None:
    torch = pytest.importorskip("torch")
    parameter = torch.nn.Parameter(torch.tensor(WEIGHT))
    parameter.grad = torch.zeros_like(parameter)
    torch.optim.SGD([parameter], 1.0, weight_decay=0.25).step()
    # 1 − ¼ is exact, and so is the product with ¼: one rounding a side.
    step = WEIGHT - L2(0.25).gradients({"a.weight": WEIGHT})["a.weight"]
    assert ulps(step, parameter.detach().numpy()) <= 1


@pytest.mark.parametrize("weights", [None, np.array([0.5, 2.0, 0.0, 1.25, 3.0])])
def test_alpha_of_scikit_learn(weights: np.ndarray | None) -> None:
    pytest.importorskip("sklearn")
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.neural_network import MLPRegressor

    rng = np.random.default_rng(3)
    x, y = rng.normal(size=(5, 4)), rng.normal(size=(5, 3))
    model = MLPRegressor("squared_error", (), alpha=0.3, solver="sgd", max_iter=1, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(x, y)
    model.coefs_, model.intercepts_ = [WEIGHT.copy()], [np.ones(3)]
    activations, deltas = [x, np.empty((5, 3))], [np.empty((5, 3))]
    coefficients, intercepts = [np.empty((4, 3))], [np.empty(3)]
    value, *_ = model._backprop(x, y, weights, activations, deltas, coefficients, intercepts)
    network = Network((("a", Affine(4, 3)),))
    parameters = {"a.weight": WEIGHT, "a.bias": np.ones(3)}
    rows = 5.0 if weights is None else float(weights.sum())
    penalty = L2(0.3, scale_with_batch=True)
    tape = network.forward(parameters, x)
    data = MeanSquaredError("weighted-mean", factor=0.5)
    data_value = data.value(tape.prediction, y, weights=weights)
    # 15 squares of sums of four products, of one sign, and 12 squares: fewer than 32 roundings.
    assert ulps(data_value + penalty.value(parameters, rows=rows), value) <= 32
    # Its gradient is that of the sum over the outputs, three times that of its loss.
    summed = MeanSquaredError("weighted-mean", "sum", factor=0.5)
    _, delta = summed.value_and_gradient(tape.prediction, y, weights=weights)
    gradients = dict(tape.backward(delta).parameters)
    penalty.add_gradients(parameters, gradients, rows=rows)
    # Sums of five products of numbers, some of both signs and up to eight times the result.
    assert ulps(gradients["a.weight"], coefficients[0]) <= 64
    assert ulps(gradients["a.bias"], intercepts[0]) <= 64
