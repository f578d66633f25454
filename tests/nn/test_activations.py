"""Activations: their formulas to the bit, their kinks, and what each framework makes of them."""

import importlib.util
import math
import os
import subprocess
import sys
import tracemalloc
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.nn.measure import ulps

from netparity.errors import InputError
from netparity.nn import (
    CELU,
    ELU,
    FRESH,
    GELU,
    L2,
    NAMED,
    SELU,
    Affine,
    Context,
    Dropout,
    HardSigmoid,
    HardSwish,
    HardTanh,
    Layer,
    LeakyReLU,
    LogSoftmax,
    MeanSquaredError,
    Memory,
    Mish,
    Network,
    PReLU,
    ReLU,
    Sigmoid,
    SiLU,
    Softmax,
    Softplus,
    Softsign,
    Tanh,
    check_gradients,
)
from netparity.nn.functions import erf, rectify, select

Formula = Callable[[np.ndarray], tuple[np.ndarray, Callable[[np.ndarray], np.ndarray]]]


def plain_sigmoid(x: np.ndarray) -> np.ndarray:
    decay = np.exp(-np.abs(x))
    return np.where(x >= 0, 1.0, decay) / (1.0 + decay)


def plain_softmax(x: np.ndarray) -> np.ndarray:
    exponentials = np.exp(x - x.max(axis=-1, keepdims=True))
    return exponentials / exponentials.sum(axis=-1, keepdims=True)


def relu(x: np.ndarray) -> Any:
    return np.maximum(x, 0.0), lambda dy: dy * (x > 0)


def leaky(slope: float) -> Formula:
    return lambda x: (
        np.where(x > 0, x, x * slope),
        lambda dy: np.where(x > 0, dy, dy * slope),
    )


def elu(alpha: float) -> Formula:
    def formula(x: np.ndarray) -> Any:
        y = np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0.0)))
        return y, lambda dy: np.where(x > 0, dy, dy * (y + alpha))

    return formula


def gelu_tanh(x: np.ndarray) -> Any:
    constant, square = math.sqrt(2.0 / math.pi), x * x
    bend = np.tanh(constant * (x + 0.044715 * square * x))
    gate, slope = 0.5 * (1.0 + bend), 0.5 * (1.0 - bend * bend)
    slope *= constant * (1.0 + 3.0 * 0.044715 * square)
    return x * gate, lambda dy: dy * (gate + x * slope)


def silu(x: np.ndarray) -> Any:
    gate = plain_sigmoid(x)
    return x * gate, lambda dy: dy * (gate * (1.0 + x * (1.0 - gate)))


def softplus(threshold: float) -> Formula:
    def formula(x: np.ndarray) -> Any:
        smooth = np.maximum(x, 0.0) + np.log1p(np.exp(-np.abs(x)))
        slope = np.where(x > threshold, 1.0, plain_sigmoid(x))
        return np.where(x > threshold, x, smooth), lambda dy: dy * slope

    return formula


def sigmoid(x: np.ndarray) -> Any:
    y = plain_sigmoid(x)
    return y, lambda dy: dy * (1.0 - y) * y


def tanh(x: np.ndarray) -> Any:
    y = np.tanh(x)
    return y, lambda dy: dy * (1.0 - y * y)


def softmax(x: np.ndarray) -> Any:
    y = plain_softmax(x)
    return y, lambda dy: y * (dy - (dy * y).sum(axis=-1, keepdims=True))


def log_softmax(x: np.ndarray) -> Any:
    shifted = x - x.max(axis=-1, keepdims=True)
    y = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return y, lambda dy: dy - np.exp(y) * dy.sum(axis=-1, keepdims=True)


def mish(x: np.ndarray) -> Any:
    gate = np.tanh(np.maximum(x, 0.0) + np.log1p(np.exp(-np.abs(x))))
    return x * gate, lambda dy: dy * ((1.0 - gate * gate) * x * plain_sigmoid(x) + gate)


def softsign(x: np.ndarray) -> Any:
    return x / (1.0 + np.abs(x)), lambda dy: dy / (1.0 + np.abs(x)) / (1.0 + np.abs(x))


FORMULAS: list[tuple[Layer, Formula]] = [
    (ReLU(), relu),
    *((LeakyReLU(slope), leaky(slope)) for slope in (0.01, 0.25, 0.0, 1.0, 1.5, -0.5)),
    *((ELU(alpha), elu(alpha)) for alpha in (1.0, 0.75, 1.7)),
    (GELU(approximate=True), gelu_tanh),
    (SiLU(), silu),
    (Mish(), mish),
    (Softsign(), softsign),
    (Softplus(), softplus(math.inf)),
    *((Softplus(threshold), softplus(threshold)) for threshold in (20.0, 0.5, -0.5)),
    (Sigmoid(), sigmoid),
    (Tanh(), tanh),
    (Softmax(), softmax),
    (LogSoftmax(), log_softmax),
]


def inputs(dtype: type) -> tuple[np.ndarray, np.ndarray]:
    """Numbers of all sizes, zeros of both signs among them."""
    rng = np.random.default_rng(0)
    rows = [rng.normal(size=(5, 64)) * scale for scale in (1e-5, 0.1, 1.0, 10.0, 1000.0)]
    rows += [rng.choice([0.0, -0.0, 1.0, -1.0, 20.0, -20.0, 1000.0, -1000.0], size=(4, 64))]
    x = np.concatenate(rows).astype(dtype)
    dy = rng.normal(size=x.shape).astype(dtype)
    dy[::3, ::5] = 0.0
    return x, dy


@pytest.mark.parametrize(("layer", "formula"), FORMULAS, ids=[str(layer) for layer, _ in FORMULAS])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_same_numbers_as_the_formula_written_out(
    layer: Layer, formula: Formula, dtype: type
) -> None:
    x, dy = inputs(dtype)
    expected, slope = formula(x)
    for memory in (FRESH, Memory(reuse=True)):
        for _ in range(2):
            y, backward = layer.apply({}, x, Context(memory=memory))
            np.testing.assert_array_equal(y, expected)
            for _ in range(2):
                np.testing.assert_array_equal(backward(dy)[0], slope(dy))
    assert y.dtype == expected.dtype == dtype


def ulp_apart(actual: np.ndarray, expected: np.ndarray) -> int:
    """How many floats lie between, at most, of float64 of one sign."""
    return int(np.abs(actual.view(np.int64) - expected.view(np.int64)).max())


def test_erf_is_that_of_the_c_library_within_one_ulp() -> None:
    rng = np.random.default_rng(1)
    borders = np.array([0.84375, 1.25, 1 / 0.35, 6.0])
    x = np.concatenate(
        [
            np.linspace(-6.5, 6.5, 60_001),
            rng.normal(size=40_000),
            rng.choice([-1.0, 1.0], size=40_000) * 10.0 ** rng.uniform(-323.0, 308.0, 40_000),
            borders, np.nextafter(borders, 0), np.nextafter(borders, 9), -borders,
            [0.0, -0.0, 5e-324, np.inf, -np.inf, np.finfo(np.float64).max],
        ]
    )  # fmt: skip
    expected = np.array([math.erf(value) for value in x])
    actual = erf(x)
    # Both follow the same approximations; the exponential, and the constant that the C library
    # takes for tiny x, cost one ulp here and there.
    assert ulp_apart(actual, expected) <= 1
    assert (np.signbit(actual) == np.signbit(x)).all()
    assert np.isnan(erf(np.array([np.nan]))).all()
    # Most to the bit: where neither plays a part, all of them.
    middle = (np.abs(x) < 1.25) & (np.abs(x) > 2.0**-28)
    assert (actual[middle] == expected[middle]).mean() > 0.99
    single = x.astype(np.float32, casting="same_kind") if np.abs(x).max() < 1e38 else x[:100_000]
    single = single.astype(np.float32)
    wide = np.array([math.erf(value) for value in single])
    # Rounded to float32, but for an ulp of float64 across the middle between two: 2⁻²⁹ of them.
    assert (erf(single) == wide.astype(np.float32)).all()


def test_erf_of_any_shape() -> None:
    x = np.random.default_rng(2).normal(size=(3, 5, 2000))
    for array in (x, x.T, x[:, ::2], x[:0], np.float64(0.5) * np.ones(())):
        expected = np.vectorize(math.erf, otypes=[float])(array)
        assert erf(array).shape == array.shape
        np.testing.assert_allclose(erf(array), expected, rtol=2.3e-16)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_select_is_where_to_the_bit(dtype: type) -> None:
    special = np.array([0.0, -0.0, 1.0, -1.0, np.nan, np.inf, -np.inf, 1e-45], dtype)
    x, other = (np.array(a, dtype) for a in np.meshgrid(special, special))
    for condition in (x > other, ~(x > other), np.ones(x.shape, bool)):
        for first in (x, 1.0):
            out = np.empty_like(x)
            expected = np.where(condition, np.asarray(first, dtype), other)
            assert select(condition, first, other, out, FRESH).tobytes() == expected.tobytes()
        again = other.copy()
        select(condition, x, again, again, FRESH)
        assert again.tobytes() == np.where(condition, x, other).tobytes()


def test_rectify_gives_positive_zero() -> None:
    x = np.array([-1.0, -0.0, 0.0, 2.0, np.inf, -np.inf, np.nan])
    y = rectify(x, np.empty_like(x))
    np.testing.assert_array_equal(y, [0, 0, 0, 2, np.inf, 0, np.nan])
    assert not np.signbit(y[:6]).any()


KINKS: list[tuple[Layer, list[float], list[float], list[float]]] = [
    (ReLU(0.5), [-1, -0.0, 0, 1], [0, 0, 0, 1], [0, 4, 4, 8]),
    (LeakyReLU(0.25), [-4, 0, 1], [-1, 0, 1], [2, 2, 8]),
    (LeakyReLU(0.25, 1.0), [-4, -0.0, 0, 1], [-1, 0, 0, 1], [2, 8, 8, 8]),
    (LeakyReLU(0.25, 0.0), [-4, 0, 1], [-1, 0, 1], [2, 0, 8]),
    (SELU(), [0], [0], [8 * 1.0507009873554805 * 1.6732632423543772]),
    (SELU(1.5), [0, -0.0], [0, 0], [12, 12]),
    (CELU(0.5), [0, 2], [0, 2], [8, 8]),
    (CELU(0.5, 2.0), [0, 2], [0, 2], [16, 8]),
    (HardTanh(), [-2, -1, 0.5, 1, 2], [-1, -1, 0.5, 1, 1], [0, 0, 8, 0, 0]),
    (HardTanh(gradient_at_limits=1.0), [-2, -1, 0.5, 1], [-1, -1, 0.5, 1], [0, 8, 8, 8]),
    (HardTanh(0, 6, 0.5), [-1, 0, 5, 6, 7], [0, 0, 5, 6, 6], [0, 4, 8, 4, 0]),
    (HardSigmoid(0.25), [-3, -2, 0, 1, 2, 3], [0, 0, 0.5, 0.75, 1, 1], [0, 0, 2, 2, 0, 0]),
    # (x/4 + ½)(x/4 … ) at 1: y = ¾, slope ¾ + ¼.
    (HardSwish(0.25), [-3, -2, 0, 1, 2, 3], [0, 0, 0, 0.75, 2, 3], [0, 0, 4, 8, 8, 8]),
]


@pytest.mark.parametrize(("layer", "x", "y", "dx"), KINKS, ids=[str(case[0]) for case in KINKS])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_by_hand_and_at_the_kinks(
    layer: Layer, x: list[float], y: list[float], dx: list[float], dtype: type
) -> None:
    output, backward = layer.apply({}, np.array([x], dtype))
    np.testing.assert_array_equal(output[0], np.array(y, dtype))
    slope = backward(np.full((1, len(x)), 8.0, dtype))[0][0]
    # The product of SELU's constants is rounded twice.
    np.testing.assert_allclose(slope, np.array(dx, dtype), rtol=2 * np.finfo(dtype).eps)


def test_prelu_by_hand() -> None:
    x, dy = np.array([[-1.0, -2.0], [3.0, 0.0]]), np.array([[1.0, 10.0], [100.0, 1000.0]])
    for layer, slope, y, dx, dslope in [
        (PReLU((2,)), [0.5, 0.25], [[-0.5, -0.5], [3, 0]], [[0.5, 2.5], [100, 250]], [-1, -20]),
        (PReLU(), [0.5], [[-0.5, -1], [3, 0]], [[0.5, 5], [100, 500]], [-21]),
        (PReLU((), 0.0), 0.5, [[-0.5, -1], [3, 0]], [[0.5, 5], [100, 0]], -21),
        (PReLU((1,), 1.0), [0.5], [[-0.5, -1], [3, 0]], [[0.5, 5], [100, 1000]], [-21]),
    ]:
        output, backward = layer.apply({"slope": np.array(slope)}, x)
        found, gradients = backward(dy)
        np.testing.assert_array_equal(output, y)
        np.testing.assert_array_equal(found, dx)
        np.testing.assert_array_equal(gradients["slope"], dslope)
        assert layer.shapes() == {"slope": gradients["slope"].shape}
    # Not among the weights that a penalty covers.
    assert L2(1.0).value({"layer.slope": np.ones(1)}) == 0.0


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    lengths=st.lists(st.integers(0, 4), min_size=1, max_size=4),
    data=st.data(),
    seed=st.integers(0, 99),
)
def test_prelu_of_every_shape(lengths: list[int], data: st.DataObject, seed: int) -> None:
    kept = data.draw(st.integers(0, len(lengths) - 1))
    last = lengths[len(lengths) - kept :]
    shape = tuple(data.draw(st.sampled_from([1, length])) for length in last)
    rng = np.random.default_rng(seed)
    x, dy, slope = rng.normal(size=lengths), rng.normal(size=lengths), rng.normal(size=shape)
    y, backward = PReLU(shape).apply({"slope": slope}, x)
    dx, gradients = backward(dy)
    np.testing.assert_array_equal(y, np.where(x > 0, x, x * slope))
    np.testing.assert_array_equal(dx, np.where(x > 0, dy, dy * slope))
    expected = np.zeros(shape)
    terms = np.zeros(shape)
    for index in np.ndindex(*lengths):
        own = tuple(
            0 if size == 1 else place
            for size, place in zip(shape, index[len(index) - kept :], strict=True)
        )
        expected[own] += dy[index] * min(x[index], 0.0)
        terms[own] += abs(dy[index] * min(x[index], 0.0))
    # Two sums of n products in any order, each off by n roundings of the sum of their sizes.
    bound = 2 * max(x.size, 1) * 2.0**-53 * terms
    assert gradients["slope"].shape == shape
    assert (np.abs(gradients["slope"] - expected) <= bound).all()


NEW: list[Layer] = [
    CELU(0.5), ELU(0.75), GELU(), GELU(approximate=True), HardSigmoid(), HardSigmoid(0.2),
    HardSwish(), HardTanh(), HardTanh(0, 6), LeakyReLU(0.25, 1.0), Mish(), PReLU(), PReLU((4,)),
    SELU(), SiLU(), Sigmoid(), Softsign(), Softmax(), Softmax(0), Softmax(None), LogSoftmax(None),
    Softplus(20.0), Tanh(), Dropout(0.25), Dropout(0.25, channel_axis=-1), ReLU(0.5),
]  # fmt: skip


@pytest.mark.parametrize("method", ["projection", "full"])
@pytest.mark.parametrize("layer", NEW, ids=repr)
def test_gradients_by_differences(layer: Layer, method: str) -> None:
    network = Network((("below", Affine(3, 4)), ("layer", layer), ("above", Affine(4, 3))))
    rng = np.random.default_rng(3)
    parameters = network.initialize(NAMED["standard_normal"], rng)
    x, y = rng.normal(size=(4, 3)), rng.normal(size=(4, 3))
    assert check_gradients(
        network, MeanSquaredError(), parameters, x, y, method=method, rng=rng
    ) == ()  # fmt: skip


@pytest.mark.parametrize("layer", NEW, ids=repr)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_reused_memory_gives_the_same_bits_and_allocates_nothing_large(
    layer: Layer, dtype: type
) -> None:
    rng, memory = np.random.default_rng(4), Memory(reuse=True)
    parameters = {name: np.full(shape, 0.5, dtype) for name, shape in layer.shapes().items()}

    def run(x: np.ndarray, dy: np.ndarray, memory: Memory) -> list[np.ndarray]:
        draw = np.random.default_rng(5).random(layer.draw_shape(x.shape))
        context = Context(training=True, draw=draw, memory=memory)
        y, backward = layer.apply(parameters, x, context)
        dx, gradients = backward(dy)
        return [y, dx, *gradients.values()]

    for shape in ((6, 3, 4), (2, 3, 4), (0, 3, 4)):
        if isinstance(layer, Softmax | LogSoftmax) and layer.axis != -1 and shape[0] == 0:
            continue
        for _ in range(2):
            x, dy = rng.normal(size=shape).astype(dtype), rng.normal(size=shape).astype(dtype)
            before = x.copy(), dy.copy()
            fresh, reused = run(x, dy, FRESH), run(x, dy, memory)
            for one, other in zip(fresh, reused, strict=True):
                assert one.dtype == dtype
                assert one.tobytes() == other.tobytes()
            assert x.tobytes() == before[0].tobytes()
            assert dy.tobytes() == before[1].tobytes()
    # Transposed input gives the same numbers; sums along other strides may round otherwise.
    x = rng.normal(size=(4, 4)).astype(dtype)
    for one, other in zip(run(x, x, FRESH), run(np.asfortranarray(x), x, FRESH), strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=16 * np.finfo(dtype).eps)
    wide = np.ones((4, 50_000, 4), dtype)
    wide[::2] = -0.5
    draw = np.random.default_rng(5).random(layer.draw_shape(wide.shape))
    context = Context(training=True, draw=draw, memory=memory)
    layer.apply(parameters, wide, context)[1](wide)
    tracemalloc.start()
    layer.apply(parameters, wide, context)[1](wide)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # erf works in blocks with some ten arrays of 64 KiB; others have small buffers. Softmax over
    # the last axis has one sum for four elements. A mask of booleans is a byte for each element.
    assert peak < wide.size
    assert wide.size > 12 * 65536


TORCH: list[tuple[Layer, str]] = [
    (SELU(), "F.selu(x)"),
    (CELU(0.5), "F.celu(x, 0.5)"),
    (ELU(0.75), "F.elu(x, 0.75)"),
    (LeakyReLU(0.25), "F.leaky_relu(x, 0.25)"),
    (LeakyReLU(1.5), "F.leaky_relu(x, 1.5)"),
    (HardTanh(), "F.hardtanh(x)"),
    (HardTanh(-0.5, 2.0), "F.hardtanh(x, -0.5, 2.0)"),
    (HardTanh(0, 6), "F.relu6(x)"),
    (HardTanh(-0.5, 2.0, 1.0), "torch.clamp(x, -0.5, 2.0)"),
    (HardSigmoid(derivative="float32"), "F.hardsigmoid(x)"),
    (HardSwish(), "F.hardswish(x)"),
    (GELU(), "F.gelu(x)"),
    (Softmax(0), "F.softmax(x, 0)"),
    (Softmax(None), "F.softmax(x.flatten(), 0).reshape(x.shape)"),
    (LogSoftmax(0), "F.log_softmax(x, 0)"),
    (LogSoftmax(None), "F.log_softmax(x.flatten(), 0).reshape(x.shape)"),
]


@pytest.mark.parametrize(("layer", "text"), TORCH, ids=[text for _, text in TORCH])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_torch(layer: Layer, text: str, dtype: type) -> None:
    torch = pytest.importorskip("torch")
    x, dy = GIVEN["x"].astype(dtype), GIVEN["dy"].astype(dtype)
    tensor = torch.tensor(x, requires_grad=True)
    output = eval(text, {"F": torch.nn.functional, "torch": torch, "x": tensor})
    output.backward(torch.tensor(dy))
    y, backward = layer.apply({}, x)
    close(layer, y, output.detach().numpy())
    close(layer, backward(dy)[0], tensor.grad.numpy(), 8, np.abs(dy).sum())


def close(
    layer: Layer, actual: np.ndarray, expected: np.ndarray, bound: float = 8, terms: float = 0.0
) -> None:
    """Row by row, so that large numbers hide nothing, but for sums over several rows."""
    assert actual.dtype == expected.dtype
    if isinstance(layer, Softmax | LogSoftmax) and layer.axis != -1:
        # Sums of at most 30 terms: a rounding for each on either side besides the eight, of
        # what is summed: numbers up to 1, and backward those of the gradient at the output.
        size = max(np.abs(expected).max(), terms)
        assert np.abs(actual - expected).max() <= (2 * 30 + 8) * np.finfo(actual.dtype).eps * size
        return
    # At most eight roundings stand between x and y or dx, one of them in a library's exp or erf
    # (≤ 1 ulp), each half an ulp of numbers no larger than twice the largest.
    for row, other in zip(actual, expected, strict=True):
        assert ulps(row, other) <= bound


@pytest.mark.parametrize(("count", "shape"), [(1, (1,)), (3, (3, 1, 1))])
def test_prelu_of_torch(count: int, shape: tuple[int, ...]) -> None:
    torch = pytest.importorskip("torch")
    module = torch.nn.PReLU(count, dtype=torch.float64)
    np.testing.assert_array_equal(module.weight.detach().numpy(), np.full(count, 0.25))
    x = torch.tensor(GIVEN["images"].transpose(0, 3, 1, 2).copy(), requires_grad=True)
    dy = GIVEN["dimages"].transpose(0, 3, 1, 2).copy()
    output = module(x)
    output.backward(torch.tensor(dy))
    y, backward = PReLU(shape).apply({"slope": np.full(shape, 0.25)}, x.detach().numpy())
    dx, gradients = backward(dy)
    np.testing.assert_array_equal(y, output.detach().numpy())
    np.testing.assert_array_equal(dx, x.grad.numpy())
    summed(gradients["slope"], module.weight.grad.numpy().reshape(shape))


def summed(actual: np.ndarray, expected: np.ndarray) -> None:
    """Sums of products with the images: a rounding for each on either side."""
    terms = np.abs(GIVEN["images"] * GIVEN["dimages"]).sum()
    assert actual.shape == expected.shape
    assert np.abs(actual - expected).max() <= 2 * GIVEN["images"].size * 2.0**-53 * terms


def given_arrays() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(6)
    kinks = [[0.0, -0.0, 20.0, -20.0, 3.0, -3.0], [1.0, -1.0, 6.0, -0.5, 2.0, 0.0]]
    x = np.concatenate([rng.normal(size=(3, 6)), kinks])
    images = rng.normal(size=(2, 4, 5, 3))
    images[0, 0] = 0.0
    return {
        "x": x,
        "dy": rng.normal(size=x.shape),
        "images": images,
        "dimages": rng.normal(size=images.shape),
        "slope/prelu": rng.normal(size=(4, 5, 3)),
        "slope/prelu_shared": rng.normal(size=(1, 1, 3)),
        "slope/one": rng.normal(size=(1,)),
    }


GIVEN = given_arrays()
KERAS: dict[str, Layer] = {
    "leaky_relu": LeakyReLU(0.25),
    "selu": SELU(gradient_at_zero=1.0507009873554805),
    "celu": CELU(0.5, gradient_at_zero=2.0),
    "hard_sigmoid": HardSigmoid(),
    "hard_swish": HardSwish(),
    "hard_tanh": HardTanh(gradient_at_limits=1.0),
    "relu6": HardTanh(0, 6),
    "softmax_axis": Softmax(0),
}
JAX: dict[str, Layer] = {
    "leaky_relu": LeakyReLU(0.25, gradient_at_zero=1.0),
    "elu": ELU(0.75),
    "selu": SELU(),
    "celu": CELU(0.5),
    "hard_sigmoid": HardSigmoid(),
    "hard_swish": HardSwish(),
    "hard_tanh": HardTanh(gradient_at_limits=1.0),
    "relu6": HardTanh(0, 6),
    "gelu": GELU(),
    "gelu_tanh": GELU(approximate=True),
    "silu": SiLU(),
    "softplus": Softplus(),
    "softmax_axis": Softmax(0),
    "log_softmax": LogSoftmax(),
}
needs_keras = pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in ("keras", "tensorflow")),
    reason="needs keras and tensorflow",
)
needs_jax = pytest.mark.skipif(importlib.util.find_spec("jax") is None, reason="needs jax")


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, np.ndarray]:
    folder = tmp_path_factory.mktemp("activations")
    np.savez(folder / "inputs.npz", **GIVEN)
    script = Path(__file__).with_name("activations_run.py")
    process = subprocess.run(
        [sys.executable, script, folder / "inputs.npz", folder / "outputs.npz"],
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    if process.returncode:
        pytest.fail(process.stderr)
    return dict(np.load(folder / "outputs.npz"))


@needs_keras
@pytest.mark.parametrize("name", KERAS)
def test_keras(found: Mapping[str, np.ndarray], name: str) -> None:
    y, backward = KERAS[name].apply({}, GIVEN["x"])
    close(KERAS[name], y, found[f"keras/{name}/y"])
    terms = np.abs(GIVEN["dy"]).sum()
    close(KERAS[name], backward(GIVEN["dy"])[0], found[f"keras/{name}/dx"], terms=terms)


@needs_jax
@pytest.mark.parametrize("name", JAX)
def test_jax(found: Mapping[str, np.ndarray], name: str) -> None:
    y, backward = JAX[name].apply({}, GIVEN["x"])
    close(JAX[name], y, found[f"jax/{name}/y"])
    # An ulp of a tanh near 1 is one of 1 − tanh², which is multiplied by √(2/π)(1 + 0.134 x²) x/2
    # ≤ 14 up to x = 6, on either side; from 20 on it is exactly 1.
    bound = 8 + 2 * 14 if name == "gelu_tanh" else 8
    terms = np.abs(GIVEN["dy"]).sum()
    close(JAX[name], backward(GIVEN["dy"])[0], found[f"jax/{name}/dx"], bound, terms)


@pytest.mark.parametrize(
    ("name", "layer", "slope", "start"),
    [
        pytest.param("keras/prelu", PReLU((4, 5, 3), 0.0), "prelu", 0.0, marks=needs_keras),
        pytest.param(
            "keras/prelu_shared", PReLU((1, 1, 3), 0.0), "prelu_shared", 0.0, marks=needs_keras
        ),
        pytest.param(
            "jax/prelu", PReLU((1,), 1.0), "one", 0.01,
            marks=pytest.mark.skipif(
                any(importlib.util.find_spec(name) is None for name in ("jax", "flax")),
                reason="needs jax and flax",
            ),
        ),
    ],
)  # fmt: skip
def test_prelu_of_keras_and_flax(
    found: Mapping[str, np.ndarray], name: str, layer: PReLU, slope: str, start: float
) -> None:
    values = GIVEN[f"slope/{slope}"]
    y, backward = layer.apply({"slope": values}, GIVEN["images"])
    dx, gradients = backward(GIVEN["dimages"])
    # One product, of a slope that Keras takes apart into two parts of x: equal.
    np.testing.assert_array_equal(y, found[f"{name}/y"])
    np.testing.assert_array_equal(dx, found[f"{name}/dx"])
    summed(gradients["slope"], found[f"{name}/dslope"].reshape(layer.shape))
    np.testing.assert_array_equal(found[f"{name}/start"], start)


@needs_keras
def test_spatial_dropout_of_keras(found: Mapping[str, np.ndarray]) -> None:
    spatial(Dropout(0.25, channel_axis=-1), found["keras/spatial/y"], (2, 1, 1, 3), (1, 2))


def spatial(
    layer: Dropout, expected: np.ndarray, shape: tuple[int, ...], places: tuple[int, ...]
) -> None:
    """Whether whole channels were dropped, and ours does the same with the draw for it."""
    x = GIVEN["images"] if shape[-1] == 3 else GIVEN["images"].transpose(0, 3, 1, 2)
    kept = (expected != 0.0).any(axis=places, keepdims=True)
    assert layer.draw_shape(x.shape) == shape == kept.shape
    assert 0 < kept.sum() < kept.size
    draw = np.where(kept, 0.5, 0.0)
    y, backward = layer.apply({}, x, Context(training=True, draw=draw))
    # One product with 1/(1 − rate), or a division by 1 − rate = ¾.
    assert ulps(y, expected) <= 1
    dx = backward(np.ones_like(y))[0]
    np.testing.assert_array_equal(dx, np.broadcast_to(kept * (1.0 / 0.75), x.shape))


def test_spatial_dropout_of_torch() -> None:
    torch = pytest.importorskip("torch")
    torch.manual_seed(2)
    x = torch.tensor(GIVEN["images"].transpose(0, 3, 1, 2).copy())
    expected = torch.nn.Dropout2d(0.25)(x).numpy()
    spatial(Dropout(0.25, channel_axis=1), expected, (2, 3, 1, 1), (2, 3))


def test_spatial_dropout_in_a_network() -> None:
    network = Network((("drop", Dropout(0.5, channel_axis=-1)),))
    x = np.ones((4, 3, 2, 8))
    tape = network.forward({}, x, training=True, rng=np.random.default_rng(7))
    assert tape.draws[0].shape == (4, 1, 1, 8)
    np.testing.assert_array_equal(tape.prediction, np.where(tape.draws[0] >= 0.5, 2.0, 0.0) * x)
    np.testing.assert_array_equal(network.forward({}, x).prediction, x)


def test_softmax_of_all_elements_is_the_hand_written_one() -> None:
    # Small scores, so that the hand-written form neither overflows nor loses digits.
    z = np.random.default_rng(8).normal(size=(5, 3))
    y = Softmax(None).apply({}, z)[0]
    # Two sums of 15 terms of one sign, three roundings more of each element.
    np.testing.assert_allclose(y, np.exp(z) / np.exp(z).sum(), rtol=2 * (15 + 3) * 2.0**-53)
    assert abs(y.sum() - 1.0) < 15 * 2.0**-53


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: PReLU((3,)).apply({}, np.ones((2, 4))),
         r"Expected the last axes of \(4,\), or 1 in place of one. Received: \(3,\)"),
        (lambda: PReLU((2, 4)).apply({}, np.ones((2, 4))), r"Expected the last axes of \(4,\)"),
        (lambda: CELU(0.0), "Expected a positive number. Received: 0.0"),
        (lambda: HardTanh(1, 1), "Expected low below high. Received: low=1, high=1"),
        (lambda: Dropout(0.5, channel_axis=2).draw_shape((4, 3)),
         r"Expected an axis 2. Received: shape \(4, 3\)"),
        (lambda: Dropout(0.5, channel_axis=-1).apply(
            {}, np.ones((2, 3, 4)), Context(training=True, draw=np.ones((2, 3, 4)))),
         r"Expected \(2, 1, 4\). Received: \(2, 3, 4\)"),
    ],
)  # fmt: skip
def test_refuses(make: Callable[[], object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        make()
