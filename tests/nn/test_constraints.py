import math
import tracemalloc
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.nn.measure import ulps

from netparity.errors import InputError
from netparity.nn import MaxNorm, Memory

WEIGHT = np.random.default_rng(0).normal(size=(4, 3)) * np.array([0.25, 1.0, 2.0])
#: A kernel of 3 × 3 pixels from 2 channels to 4.
KERNEL = np.random.default_rng(1).normal(size=(3, 3, 2, 4)) * np.array([0.1, 0.2, 0.4, 0.8])


def test_by_hand() -> None:
    parameters = {"a.weight": np.array([[3.0, 0.3], [4.0, 0.4]]), "a.bias": np.array([9.0])}
    found = MaxNorm(2.5, epsilon=0.0).apply(parameters)
    # The first column has norm 5, the second ½.
    np.testing.assert_allclose(found["a.weight"], [[1.5, 0.3], [2.0, 0.4]], rtol=4e-16)
    assert found["a.bias"] is parameters["a.bias"]
    assert parameters["a.weight"][0, 0] == 3.0
    with_epsilon = MaxNorm(2.5, epsilon=0.125).apply(parameters)["a.weight"]
    np.testing.assert_allclose(
        with_epsilon, [[3 * 2.5 / 5.125, 0.3 * 0.5 / 0.625], [4 * 2.5 / 5.125, 0.4 * 0.5 / 0.625]],
        rtol=8e-16,
    )  # fmt: skip
    beyond = MaxNorm(2.5, epsilon=0.125, rescale="beyond").apply(parameters)["a.weight"]
    np.testing.assert_array_equal(beyond[:, 1], [0.3, 0.4])
    np.testing.assert_array_equal(beyond[:, 0], with_epsilon[:, 0])
    bias = MaxNorm(3.0, epsilon=0.0, scope=("a.bias",)).apply(parameters)["a.bias"]
    np.testing.assert_array_equal(bias, [3.0])
    rows = MaxNorm(0.5, axis=1, epsilon=0.0).apply({"a.weight": np.array([[3.0, 4.0], [0, 0]])})
    np.testing.assert_allclose(rows["a.weight"], [[0.3, 0.4], [0.0, 0.0]], rtol=4e-16)


def test_zeros_stay_zeros() -> None:
    for epsilon in (0.0, 1e-7):
        for rescale in ("all", "beyond"):
            found = MaxNorm(1.0, epsilon=epsilon, rescale=rescale).apply(
                {"a.weight": np.zeros((3, 2))}
            )
            assert not found["a.weight"].any()


@settings(deadline=None, max_examples=60)
@given(
    shape=st.sampled_from([(0, 3), (3, 0), (1, 1), (5, 4), (2, 3, 4)]),
    axis=st.sampled_from([0, 1, -1, (0, 1), None]),
    rescale=st.sampled_from(["all", "beyond"]),
    dtype=st.sampled_from([np.float32, np.float64]),
    seed=st.integers(0, 2**16),
)
def test_norms_stay_below_the_limit(
    shape: tuple[int, ...], axis: Any, rescale: Any, dtype: type, seed: int
) -> None:
    values = np.random.default_rng(seed).normal(size=shape).astype(dtype)
    constraint = MaxNorm(0.75, axis, rescale=rescale)
    parameters = {"a.weight": values.copy()}
    found = constraint.apply(parameters)["a.weight"]
    np.testing.assert_array_equal(parameters["a.weight"], values)
    assert found.dtype == dtype
    norms = np.sqrt(np.square(found, dtype=np.float64).sum(axis=axis))
    # The squares of at most 24 numbers, their sum, root, quotient and product.
    assert norms.max(initial=0.0) <= 0.75 * (1 + 32 * np.finfo(dtype).eps)
    memory = Memory(reuse=True)
    for _ in range(2):
        place = {"a.weight": values.copy()}
        array = place["a.weight"]
        constraint.apply_in_place(place, memory=memory)
        assert place["a.weight"] is array
        np.testing.assert_array_equal(array, found)


def test_nothing_large_is_new_in_reused_memory() -> None:
    memory, parameters = Memory(reuse=True), {"a.weight": np.ones((1000, 300))}
    constraint = MaxNorm(1.0, axis=1)
    for _ in range(2):
        tracemalloc.start()
        constraint.apply_in_place(parameters, memory=memory)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    # NumPy's own buffer.
    assert peak <= 65536 + 8192


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: MaxNorm(-1.0), "at least 0. Received: -1.0"),
        (lambda: MaxNorm(math.nan), "Received: nan"),
        (lambda: MaxNorm(1.0, epsilon=-1e-7), "Received: 1.0, -1e-07"),
        (
            lambda: MaxNorm(1.0, (0, 1, 2)).apply({"a.weight": WEIGHT}),
            r"'a.weight'.*Expected axis \(0, 1, 2\) among its 2",
        ),
        (lambda: MaxNorm(1.0, (0, -2)).apply({"a.weight": WEIGHT}), "'a.weight'"),
    ],
)
def test_what_cannot_be(make: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        make()


@pytest.mark.parametrize(
    ("values", "axis"), [(WEIGHT, 0), (WEIGHT, 1), (KERNEL, (0, 1, 2))], ids=["0", "1", "kernel"]
)
def test_keras(values: np.ndarray, axis: Any) -> None:
    keras = pytest.importorskip("keras")
    expected = np.asarray(keras.constraints.MaxNorm(1.5, axis)(values))
    found = MaxNorm(1.5, axis, keras.config.epsilon()).apply({"a.weight": values})["a.weight"]
    # A sum of at most 18 squares, its root, the sum with ε, a quotient and a product.
    assert ulps(found, expected) <= 16
    # ε shrinks what was within the limit too.
    assert (
        np.abs(found).sum()
        < np.abs(MaxNorm(1e9, axis, 0.0).apply({"a.weight": values})["a.weight"]).sum()
    )


def test_torch_renorm() -> None:
    torch = pytest.importorskip("torch")
    # torch keeps the weight as (M, D) and names the axis that is NOT summed over.
    expected = torch.renorm(torch.tensor(WEIGHT.T), 2, 0, 1.5).numpy().T
    found = MaxNorm(1.5, rescale="beyond").apply({"a.weight": WEIGHT})["a.weight"]
    # Sums of four squares, as above.
    assert ulps(found, expected) <= 8
    np.testing.assert_array_equal(found[:, 0], WEIGHT[:, 0])


def test_torch_embedding() -> None:
    torch = pytest.importorskip("torch")
    layer = torch.nn.Embedding(4, 3, max_norm=1.5).double()
    layer.weight.data = torch.tensor(WEIGHT)
    layer(torch.arange(4))
    found = MaxNorm(1.5, axis=1, rescale="beyond").apply({"a.weight": WEIGHT})["a.weight"]
    # Sums of three squares, as above.
    assert ulps(found, layer.weight.detach().numpy()) <= 8
