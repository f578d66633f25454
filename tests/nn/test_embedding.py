"""The embedding by hand, by differences, on every shape and against frameworks."""

import importlib.util
import os
import subprocess
import sys
import tracemalloc
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.nn.measure import ulps

from netparity.errors import InputError
from netparity.nn import (
    LSTM,
    Affine,
    Context,
    Embedding,
    Memory,
    Network,
)


def test_by_hand() -> None:
    # Token 1 stands twice: dW₁ = [1, 10] + [2, 20].
    weight = np.array([[1.0, 2], [3, 4], [5, 6]])
    x = np.array([[1.0, 0], [2, 1]])
    y, backward = Embedding(3, 2).apply({"weight": weight}, x)
    np.testing.assert_array_equal(y, [[[3, 4], [1, 2]], [[5, 6], [3, 4]]])
    dx, gradients = backward(np.array([[[1.0, 10], [0, 0]], [[7, 70], [2, 20]]]))
    np.testing.assert_array_equal(gradients["weight"], [[0, 0], [3, 30], [7, 70]])
    np.testing.assert_array_equal(dx, np.zeros((2, 2)))


def test_below_another_layer() -> None:
    # A change of the weight changes the loss by gradient · change, up to the square of it.
    net = Network(
        (("tokens", Embedding(5, 3)), ("lstm", LSTM(3, 4)), ("above", Affine(4, 2))),
    )
    rng = np.random.default_rng(0)
    parameters = {name: rng.normal(size=shape) for name, shape in net.parameter_shapes().items()}
    x, dy = np.array([[0.0, 1, 1, 4], [1, 3, 0, 0]]), rng.normal(size=(2, 2))
    gradients = net.forward(parameters, x).backward(dy)
    np.testing.assert_array_equal(gradients.input, np.zeros((2, 4)))
    direction = rng.normal(size=(5, 3))

    def moved(h: float) -> float:
        weight = parameters["tokens.weight"] + h * direction
        return float(
            (net.forward({**parameters, "tokens.weight": weight}, x).prediction * dy).sum()
        )

    def slope(h: float) -> float:
        return (moved(h) - moved(-h)) / (2 * h)

    # Central differences lose h² times a constant, so that of h and h/2 shows what is lost; a
    # hundred roundings of numbers near 1 are divided by h.
    h = 2.0**-16
    lost = abs(slope(h) - slope(h / 2)) + 100 * np.finfo(np.float64).eps / h
    analytic = float((gradients.parameters["tokens.weight"] * direction).sum())
    assert abs(slope(h / 2) - analytic) <= lost
    assert lost < 1e-6 * abs(analytic)


@settings(max_examples=100, deadline=None)
@given(
    tokens=st.integers(1, 5), dimensions=st.integers(0, 4), seed=st.integers(0, 99),
    shape=st.one_of(st.tuples(st.integers(0, 4)), st.tuples(st.integers(0, 4), st.integers(0, 4))),
    dtype=st.sampled_from([np.float32, np.float64]),
)  # fmt: skip
def test_every_shape(
    tokens: int, dimensions: int, seed: int, shape: tuple[int, ...], dtype: type
) -> None:
    rng = np.random.default_rng(seed)
    weight = rng.normal(size=(tokens, dimensions)).astype(dtype)
    x = rng.integers(0, tokens, shape).astype(dtype)
    dy = rng.integers(-9, 9, (*shape, dimensions)).astype(dtype)
    y, backward = Embedding(tokens, dimensions).apply({"weight": weight}, x)
    dx, gradients = backward(dy)
    expected = np.zeros((tokens, dimensions), dtype)
    for place in np.ndindex(*shape):
        np.testing.assert_array_equal(y[place], weight[int(x[place])])
        # Sums of whole numbers, which are exact.
        expected[int(x[place])] += dy[place]
    np.testing.assert_array_equal(gradients["weight"], expected)
    assert (y.shape, dx.shape) == (dy.shape, shape)
    assert y.dtype == dx.dtype == gradients["weight"].dtype == dtype


def test_more_rows_than_are_summed_at_a_time() -> None:
    rng = np.random.default_rng(1)
    x = rng.integers(0, 7, (50, 20)).astype(float)
    dy = rng.integers(-9, 9, (50, 20, 100)).astype(float)
    gradient = Embedding(7, 100).apply({"weight": np.zeros((7, 100))}, x)[1](dy)[1]["weight"]
    expected = [dy[x == token].sum(axis=0) for token in range(7)]
    np.testing.assert_array_equal(gradient, expected)


# ---- frameworks -----------------------------------------------------------------------------
def _given() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(2)
    return {
        "embedding/weight": rng.normal(size=(5, 3)),
        "embedding/x": np.array([[1.0, 1, 4, 1], [0, 1, 3, 4]]),
        "embedding/dy": rng.normal(size=(2, 4, 3)),
    }


GIVEN = _given()
WEIGHT, X, DY = GIVEN.values()
LAYER = Embedding(5, 3)
#: A token stands four times: three additions, each off by half an ulp of at most four times the
#: largest number, on either side.
SUMS = 12


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_torch(dtype: type) -> None:
    torch = pytest.importorskip("torch")
    tensor = torch.tensor(WEIGHT.astype(dtype), requires_grad=True)
    y = torch.nn.functional.embedding(torch.tensor(X.astype(int)), tensor)
    y.backward(torch.tensor(DY.astype(dtype)))
    ours, backward = LAYER.apply({"weight": WEIGHT.astype(dtype)}, X.astype(dtype))
    np.testing.assert_array_equal(ours, y.detach().numpy())
    assert ulps(backward(DY.astype(dtype))[1]["weight"], tensor.grad.numpy()) <= SUMS
    module = torch.nn.Embedding(5, 3)
    fans = torch.nn.init._calculate_fan_in_and_fan_out(module.weight)
    assert fans == LAYER.fans()
    for strange in (5, -1):
        with pytest.raises(IndexError):
            module(torch.tensor([strange]))


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, np.ndarray]:
    if any(importlib.util.find_spec(name) is None for name in ("keras", "tensorflow")):
        pytest.skip("needs keras and tensorflow")
    folder = tmp_path_factory.mktemp("frameworks")
    np.savez(folder / "inputs.npz", **GIVEN)
    script = Path(__file__).with_name("recurrent_run.py")
    run = subprocess.run(
        [sys.executable, script, folder / "inputs.npz", folder / "outputs.npz"],
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    if run.returncode:
        pytest.fail(run.stderr)
    return dict(np.load(folder / "outputs.npz"))


@pytest.mark.parametrize("framework", ["keras", "flax"])
def test_keras_and_flax(found: Mapping[str, np.ndarray], framework: str) -> None:
    if f"{framework}/embedding/y" not in found:
        pytest.skip("needs flax")
    y, backward = LAYER.apply({"weight": WEIGHT}, X)
    np.testing.assert_array_equal(y, found[f"{framework}/embedding/y"])
    gradient = backward(DY)[1]["weight"]
    assert ulps(gradient, found[f"{framework}/embedding/weight"]) <= SUMS


def test_what_the_others_make_of_no_token(found: Mapping[str, np.ndarray]) -> None:
    # What the docstring says of them.
    assert found["keras/embedding/pieces"]
    np.testing.assert_array_equal(found["keras/embedding/fraction"], WEIGHT[[1]])
    np.testing.assert_array_equal(found["keras/embedding/negative"], WEIGHT[[-1]])
    if "flax/embedding/strange" in found:
        expected = [np.full(3, np.nan), WEIGHT[-1]]
        np.testing.assert_array_equal(found["flax/embedding/strange"], expected)


# ---- memory and refusals --------------------------------------------------------------------
def test_reused_memory_gives_the_same_bits_and_nothing_is_changed() -> None:
    memory = Memory(reuse=True).within("layer")
    for seed in range(3):
        rng = np.random.default_rng(seed)
        x, dy = rng.integers(0, 5, (2, 4)).astype(float), rng.normal(size=(2, 4, 3))
        kept = [WEIGHT.copy(), x.copy(), dy.copy()]
        passes = []
        for context in (Context(), Context(memory=memory)):
            y, backward = LAYER.apply({"weight": WEIGHT}, x, context)
            dx, gradients = backward(dy)
            passes.append((y, dx, gradients["weight"]))
        for one, other in zip(*passes, strict=True):
            np.testing.assert_array_equal(one, other)
        for one, other in zip((WEIGHT, x, dy), kept, strict=True):
            np.testing.assert_array_equal(one, other)


def test_steps_allocate_nothing_large() -> None:
    layer, memory = Embedding(1000, 64), Memory(reuse=True).within("layer")
    rng = np.random.default_rng(0)
    weight = rng.normal(size=(1000, 64)).astype(np.float32)
    x = rng.integers(0, 1000, (300, 100)).astype(np.float32)
    dy = np.ones((300, 100, 64), np.float32)
    context = Context(training=True, memory=memory)
    layer.apply({"weight": weight}, x, context)[1](dy)
    tracemalloc.start()
    try:
        layer.apply({"weight": weight}, x, context)[1](dy)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    # NumPy's own buffer of 8192 integers is as large as an array may be; the rest is small.
    assert peak < (64 + 8) * 1024


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("strange", [5.0, -1.0, 1.5, -0.5, 4.5, np.nan, np.inf, -np.inf, 1e30])
def test_what_is_no_token_is_refused(strange: float, dtype: type) -> None:
    x = X.astype(dtype)
    x[1, 2] = strange
    with pytest.raises(InputError, match="Expected whole numbers from 0 to 4") as error:
        LAYER.apply({"weight": WEIGHT.astype(dtype)}, x)
    assert "[1, 2]" in str(error.value)
    assert str(dtype(strange)) in str(error.value)


def test_the_network_names_the_layer() -> None:
    net = Network((("words", LAYER),))
    with pytest.raises(InputError, match="layer 'words'"):
        net.forward({"words.weight": WEIGHT}, np.array([[7]]))
    # Whole numbers of another type are taken over.
    assert net.forward({"words.weight": WEIGHT}, np.array([[3]])).prediction.shape == (1, 1, 3)


def test_a_dtype_that_cannot_count_so_far_is_refused() -> None:
    # 2²⁴ + 1 is the first whole number that float32 lacks: the tokens 0 … 2²⁴ can be told apart.
    # An array of zeros that is never written to takes no memory.
    weight = np.broadcast_to(np.zeros((1, 0), np.float32), (2**24 + 2, 0))
    with pytest.raises(InputError, match=r"Expected at most 16777217 in float32"):
        Embedding(2**24 + 2, 0).apply({"weight": weight}, np.zeros((1, 1), np.float32))
    x = np.full((1, 1), 2.0**24, np.float32)
    y, _ = Embedding(2**24 + 1, 0).apply({"weight": weight[:-1]}, x)
    assert y.shape == (1, 1, 0)
