"""Pooling, upsampling and changes of shape: by hand, by definition, against the frameworks."""

import tracemalloc
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.nn.image_tests import (
    assert_reuse_changes_nothing,
    both_sides,
    pair,
    run_frameworks,
    skip_without,
    to_layout,
)
from tests.nn.measure import ulps

from netparity.errors import InputError
from netparity.nn import (
    AveragePool2D,
    Context,
    Flatten,
    GlobalAveragePool2D,
    Layer,
    MaxPool2D,
    Memory,
    Permute,
    UpSample2D,
)

Pool = MaxPool2D | AveragePool2D
#: A multiple of all numbers up to 10: shares of it are whole, and sums of them exact.
SHARED = 2520


def image(*rows: list[float]) -> np.ndarray:
    """One image of one channel."""
    return np.array(rows, float)[None, :, :, None]


@pytest.mark.parametrize(
    ("ties", "expected"),
    [
        ("first", [[0, 12, 0], [6, 0, 6], [0, 0, 0]]),
        ("all", [[0, 12, 0], [6, 0, 6], [6, 6 + 6, 0]]),
        ("split", [[0, 12, 0], [2, 0, 3], [2, 2 + 3, 0]]),
    ],
)
def test_ties_by_hand(ties: str, expected: list[list[float]]) -> None:
    # Windows of 2 × 2 at every pixel; 7 is largest in the two upper ones, once and once.
    #   5 7 5     upper left {5 7 5 4}: 7; upper right {7 5 4 5}: 7
    #   5 4 5     lower left {5 4 5 5}: 5 thrice; lower right {4 5 5 4}: 5 twice
    #   5 5 4
    x = image([5, 7, 5], [5, 4, 5], [5, 5, 4])
    y, backward = MaxPool2D(2, 1, ties=ties).apply({}, x)
    np.testing.assert_array_equal(y, image([7, 7], [5, 5]))
    np.testing.assert_array_equal(backward(image([6, 6], [6, 6]))[0], image(*expected))


def test_pad_value_and_divisor_by_hand() -> None:
    # Windows of 2 × 2 at stride 2 with a pixel of padding: each sees one of the corners.
    x, dy = image([-1, -2], [-3, 4]), image([8, 16], [32, 64])
    for layer, y, dx in [
        (MaxPool2D(2, padding=1), x, dy),
        (MaxPool2D(2, padding=1, pad_value="zero"), image([0, 0], [0, 4]), image([0, 0], [0, 64])),
        (AveragePool2D(2, padding=1), x / 4, dy / 4),
        (AveragePool2D(2, padding=1, count_include_pad=False), x, dy),
    ]:
        output, backward = layer.apply({}, x)
        np.testing.assert_array_equal(output, y)
        np.testing.assert_array_equal(backward(dy)[0], dx)


def by_definition(layer: Pool, x: np.ndarray, dy_of: Any) -> tuple[np.ndarray, ...]:
    """y, dy and dx in loops over all windows and their pixels, for NHWC images."""
    kernel = pair(layer.pool_size)
    stride = kernel if layer.stride is None else pair(layer.stride)
    (top, bottom), (left, right) = both_sides(layer.padding, x.shape[1:3], kernel, stride)
    largest = isinstance(layer, MaxPool2D)
    value = -np.inf if largest and layer.pad_value == "-inf" else 0.0
    around = ((0, 0), (top, bottom), (left, right), (0, 0))
    padded = np.pad(x.astype(float), around, constant_values=value)
    inside = np.pad(np.ones(x.shape), around)
    dpadded = np.zeros(padded.shape)
    rows, columns = (
        (n - k) // s + 1 for n, k, s in zip(padded.shape[1:3], kernel, stride, strict=True)
    )
    y = np.zeros((x.shape[0], rows, columns, x.shape[3]))
    dy = dy_of(y.shape)
    for n, p, q, c in np.ndindex(*y.shape):
        place = (
            n,
            slice(p * stride[0], p * stride[0] + kernel[0]),
            slice(q * stride[1], q * stride[1] + kernel[1]),
            c,
        )
        window, slope = padded[place], dy[n, p, q, c]
        if not largest:
            count = window.size if layer.count_include_pad else inside[place].sum()
            y[n, p, q, c] = window.sum() / count
            dpadded[place] += slope / count
            continue
        y[n, p, q, c] = window.max()
        hit = window == window.max()
        if layer.ties == "first":
            hit = np.arange(window.size).reshape(window.shape) == window.argmax()
        dpadded[place] += hit * slope / (hit.sum() if layer.ties == "split" else 1)
    height, width = x.shape[1:3]
    return y, dy, dpadded[:, top : top + height, left : left + width]


lengths = st.integers(1, 3)
pairs = st.one_of(lengths, st.tuples(lengths, lengths))


@st.composite
def pools(draw: st.DrawFn) -> Pool:
    size = draw(pairs)
    sides = [st.tuples(st.integers(0, k - 1), st.integers(0, k - 1)) for k in pair(size)]
    options = {
        "pool_size": size,
        "stride": draw(st.one_of(st.none(), pairs)),
        "padding": draw(st.one_of(st.sampled_from(["valid", "same"]), st.tuples(*sides))),
        "layout": draw(st.sampled_from(["NHWC", "NCHW"])),
    }
    if draw(st.booleans()):
        return AveragePool2D(**options, count_include_pad=draw(st.booleans()))
    return MaxPool2D(
        **options,
        pad_value=draw(st.sampled_from(["-inf", "zero"])),
        ties=draw(st.sampled_from(["first", "all", "split"])),
    )


@settings(max_examples=300, deadline=None)
@given(
    layer=pools(),
    shape=st.tuples(st.integers(0, 2), st.integers(1, 7), st.integers(1, 7), st.integers(1, 3)),
    dtype=st.sampled_from([np.float32, np.float64]),
    seed=st.integers(0, 99),
)
def test_definition(layer: Pool, shape: tuple[int, ...], dtype: type, seed: int) -> None:
    rng = np.random.default_rng(seed)

    # Few values, so that there are ties; all sums and shares are whole and exact.
    def whole(shape: tuple[int, ...]) -> np.ndarray:
        return (rng.integers(-2, 3, shape) * SHARED).astype(dtype)

    x = whole(shape)
    try:
        y, backward = layer.apply({}, to_layout(x, layer.layout))
    except InputError as error:
        assert "too small" in error.message  # noqa: PT017
        return
    expected, dy, slopes = by_definition(layer, x, whole)
    dx, gradients = backward(to_layout(dy, layer.layout))
    assert gradients == {}
    assert y.dtype == dx.dtype == dtype
    np.testing.assert_array_equal(y, to_layout(expected, layer.layout))
    np.testing.assert_array_equal(dx, to_layout(slopes, layer.layout))


@pytest.mark.parametrize("layout", ["NHWC", "NCHW"])
@pytest.mark.parametrize("batch", [0, 2])
def test_global_average(layout: str, batch: int) -> None:
    x = np.arange(batch * 24.0).reshape(batch, 2, 3, 4) * SHARED
    y, backward = GlobalAveragePool2D(layout).apply({}, to_layout(x, layout))
    np.testing.assert_array_equal(y, x.sum(axis=(1, 2)) / 6)
    dy = np.arange(batch * 4.0).reshape(batch, 4) * SHARED
    expected = np.broadcast_to(dy[:, None, None] / 6, x.shape)
    np.testing.assert_array_equal(backward(dy)[0], to_layout(expected, layout))


@pytest.mark.parametrize(
    ("options", "places"),
    [
        (("nearest",), [0, 0, 0, 1, 1, 1]),
        (("bilinear", "asymmetric"), [0, 1 / 3, 2 / 3, 1, 1, 1]),
        (("bilinear", "align-corners"), [0, 1 / 5, 2 / 5, 3 / 5, 4 / 5, 1]),
        (("bilinear", "half-pixel"), [0, 0, 1 / 3, 2 / 3, 1, 1]),
    ],
)
def test_upsampling_by_hand(options: tuple[str, ...], places: list[float]) -> None:
    # Along an axis with the values 0 and 1 the output is the place among them.
    y, backward = UpSample2D((1, 3), *options).apply({}, image([0, 1]))
    # A place is three roundings of numbers up to 1, its weights one more each.
    np.testing.assert_allclose(y.ravel(), places, rtol=0, atol=4 * 2.0**-53)
    # The second pixel's weight is the place, the first one's what is left of 1.
    dx = backward(image([1, 10, 100, 1000, 10000, 100000]))[0].ravel()
    second = np.dot(places, 10.0 ** np.arange(6))
    # Six products whose weights are off as above, and their sum, each of at most 111 111.
    np.testing.assert_allclose(dx, [111111 - second, second], rtol=0, atol=20 * 2.0**-53 * 111111)


@settings(max_examples=100, deadline=None)
@given(
    factor=pairs,
    mode=st.sampled_from(["nearest", "bilinear"]),
    grid=st.sampled_from(["half-pixel", "align-corners", "asymmetric"]),
    layout=st.sampled_from(["NHWC", "NCHW"]),
    shape=st.tuples(st.integers(0, 2), st.integers(1, 4), st.integers(1, 4), st.integers(1, 3)),
    dtype=st.sampled_from([np.float32, np.float64]),
)
def test_upsampling_is_linear_along_each_axis(
    factor: int | tuple[int, int],
    mode: str,
    grid: str,
    layout: str,
    shape: tuple[int, ...],
    dtype: type,
) -> None:
    rng = np.random.default_rng(0)
    layer = UpSample2D(factor, mode, grid, layout)
    x = rng.normal(size=shape).astype(dtype)
    y, backward = layer.apply({}, to_layout(x, layout))
    one_axis = [
        UpSample2D((length, 1), mode, grid).apply({}, np.eye(size)[None].transpose(1, 2, 0)[None])[
            0
        ][0, :, :, 0]
        for length, size in zip(pair(factor), shape[1:3], strict=True)
    ]
    down, across = (matrix.astype(dtype) for matrix in one_axis)
    expected = np.einsum("ph,qw,nhwc->npqc", down, across, x)
    # Each of at most 16 products of numbers up to the largest has three roundings.
    assert ulps(y, to_layout(expected, layout).astype(dtype)) <= 48
    dy = rng.normal(size=expected.shape).astype(dtype)
    dx = np.einsum("ph,qw,npqc->nhwc", down, across, dy)
    result = backward(to_layout(dy, layout))[0]
    # At most 12 · 12 products, with weights up to 1, each a share of the sum of absolute values.
    bound = 3 * 144 * np.finfo(dtype).eps * np.einsum("ph,qw,npqc->nhwc", down, across, abs(dy))
    assert result.dtype == dtype
    assert (abs(result - to_layout(dx, layout)) <= to_layout(bound, layout)).all()


TORCH: list[tuple[Pool | UpSample2D, Any]] = [
    (MaxPool2D(2), lambda F, x: F.max_pool2d(x, 2)),
    (MaxPool2D(3, 2, 1), lambda F, x: F.max_pool2d(x, 3, 2, 1)),
    (MaxPool2D((2, 3), (1, 2)), lambda F, x: F.max_pool2d(x, (2, 3), (1, 2))),
    (AveragePool2D(2), lambda F, x: F.avg_pool2d(x, 2)),
    (AveragePool2D(3, 2, 1), lambda F, x: F.avg_pool2d(x, 3, 2, 1)),
    (
        AveragePool2D(3, 2, 1, count_include_pad=False),
        lambda F, x: F.avg_pool2d(x, 3, 2, 1, count_include_pad=False),
    ),
    (GlobalAveragePool2D(), lambda F, x: F.adaptive_avg_pool2d(x, 1)),
    (UpSample2D(3), lambda F, x: F.interpolate(x, scale_factor=3)),
    (
        UpSample2D((2, 4), "bilinear"),
        lambda F, x: F.interpolate(x, scale_factor=(2, 4), mode="bilinear"),
    ),
    (
        UpSample2D((2, 3), "bilinear", "align-corners"),
        lambda F, x: F.interpolate(x, scale_factor=(2, 3), mode="bilinear", align_corners=True),
    ),
]


@pytest.mark.parametrize("layout", ["NHWC", "NCHW"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("layer", "function"), TORCH, ids=[repr(layer) for layer, _ in TORCH])
def test_torch(layer: Layer, function: Any, dtype: type, layout: str) -> None:
    torch = pytest.importorskip("torch")
    layer = type(layer)(**{f: getattr(layer, f) for f in layer.__slots__} | {"layout": layout})
    rng = np.random.default_rng(0)
    # Few values among the negative ones: ties, and padding that shows.
    x = rng.normal(size=(3, 8, 7, 4)).astype(dtype)
    x[0] = rng.integers(-3, 0, x[0].shape)
    tensor = torch.tensor(x, requires_grad=True)
    output = function(torch.nn.functional, tensor.permute(0, 3, 1, 2))
    shape = tuple(output.shape) if output.shape[2:] != (1, 1) else tuple(output.shape[:2])
    output = output.reshape(shape)
    dy = rng.normal(size=shape).astype(dtype)
    output.backward(torch.tensor(dy))
    theirs = output.detach().numpy()
    if dy.ndim == 4 and layout == "NHWC":
        theirs, dy = theirs.transpose(0, 2, 3, 1), dy.transpose(0, 2, 3, 1)
    y, backward = layer.apply({}, to_layout(x, layout))
    dx, expected = backward(np.ascontiguousarray(dy))[0], to_layout(tensor.grad.numpy(), layout)
    if isinstance(layer, MaxPool2D):
        # Nothing is computed but, where windows overlap, the sum of up to four slopes.
        np.testing.assert_array_equal(y, theirs)
        assert ulps(dx, expected) <= 4
    elif isinstance(layer, UpSample2D):
        # In one axis two products with weights from three roundings each, and their sum;
        # torch's places are up to 8 in size, of which a rounding is 8 · ½ε of the weight. So
        # much in both axes; a slope sums at most 8 · 8 of these, each a part of the whole.
        assert ulps(y, theirs) <= 2 * (8 + 4)
        assert ulps(dx, expected) <= 2 * (8 + 4) * 16
    else:
        # Up to 56 terms, 55 sums and a division, half an ulp of at most the sum each: with the
        # division by 56 in mind, 56 ulp of the largest value.
        assert ulps(y, theirs) <= 56
        # A division for each slope, and the sum of up to four.
        assert ulps(dx, expected) <= 8


SAME = {"stride": 2, "padding": "same"}
#: Our layers; whether x is of few whole numbers, with exact results.
CASES: dict[str, tuple[Layer, bool]] = {
    "keras/max": (MaxPool2D(2), True),
    "keras/max_same": (MaxPool2D(3, **SAME), True),
    "keras/average": (AveragePool2D(2), False),
    "keras/average_same": (AveragePool2D(3, **SAME, count_include_pad=False), False),
    "keras/average_global": (GlobalAveragePool2D(), False),
    "keras/nearest": (UpSample2D(2), True),
    "keras/bilinear": (UpSample2D(2, "bilinear"), True),
    "keras/flatten": (Flatten(), True),
    "tf/max_same": (MaxPool2D(3, **SAME), True),
    "tf/average_same": (AveragePool2D(3, **SAME, count_include_pad=False), False),
    "tf/reduce_max": (MaxPool2D(2, ties="split"), True),
    "tf1/bilinear": (UpSample2D(2, "bilinear", "asymmetric"), True),
    "flax/max": (MaxPool2D(2, 1), True),
    "flax/max_same": (MaxPool2D(3, **SAME), True),
    "flax/average": (AveragePool2D(2, 1), False),
    "flax/average_same": (AveragePool2D(3, **SAME), False),
    "flax/average_same_without_pad": (AveragePool2D(3, **SAME, count_include_pad=False), False),
    "jax/nearest": (UpSample2D(2), True),
    "jax/bilinear": (UpSample2D(2, "bilinear"), True),
}


def inputs_of(name: str) -> tuple[np.ndarray, np.ndarray]:
    layer, exact = CASES[name]
    rng = np.random.default_rng(0)
    shape = (2, 6, 6, 4) if name == "tf/reduce_max" else (2, 6, 7, 4)
    # All below 0, so that padding with zeros would show.
    x = rng.integers(-4, 0, shape) * 1.0 if exact else rng.normal(size=shape)
    size = layer.apply({}, x)[0].shape
    return x, rng.integers(-4, 5, size) * 16.0 if exact else rng.normal(size=size)


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, np.ndarray]:
    inputs = {}
    for name in CASES:
        inputs[f"{name}/x"], inputs[f"{name}/dy"] = inputs_of(name)
    return run_frameworks(inputs, tmp_path_factory.mktemp("pooling"))


@pytest.mark.parametrize("name", CASES)
def test_keras_tensorflow_and_jax(found: Mapping[str, np.ndarray], name: str) -> None:
    skip_without(name)
    (layer, exact), (x, dy) = CASES[name], inputs_of(name)
    y, backward = layer.apply({}, x)
    dx, (theirs, theirs_dx) = backward(dy)[0], (found[f"{name}/y"], found[f"{name}/dx"])
    if exact:
        # Whole numbers, and halves and quarters of them: exact even in float32.
        np.testing.assert_array_equal(y, theirs)
        np.testing.assert_array_equal(dx, theirs_dx)
    else:
        # As against torch: up to 42 terms of a sum, and a division; up to four of a slope.
        assert ulps(y, theirs) <= 42
        assert ulps(dx, theirs_dx) <= 8


def test_flatten_in_the_order_of_torch() -> None:
    x = np.arange(2 * 3 * 4 * 5.0).reshape(2, 3, 4, 5)
    nchw = to_layout(x, "NCHW")
    torchs, keras = nchw.reshape(2, -1), x.reshape(2, -1)
    for layer, given_, expected in [
        (Flatten(), x, keras),
        (Flatten(), nchw, torchs),
        (Flatten("CHW"), x, torchs),
        (Flatten("HWC"), x, keras),
        (Flatten("CHW", "NCHW"), nchw, torchs),
        (Flatten("HWC", "NCHW"), nchw, keras),
    ]:
        y, backward = layer.apply({}, given_)
        np.testing.assert_array_equal(y, expected)
        # The gradient goes back to where its values came from.
        np.testing.assert_array_equal(backward(y)[0], given_)
        assert np.shares_memory(y, given_) == (layer.order in ("as-is", layer.layout[1:]))


def test_permute() -> None:
    x = np.arange(24.0).reshape(2, 3, 4)
    y, backward = Permute((0, 2, 1)).apply({}, x)
    np.testing.assert_array_equal(y, x.transpose(0, 2, 1))
    np.testing.assert_array_equal(backward(y)[0], x)
    cycle = Permute((0, 2, 3, 1))
    images = np.arange(24.0).reshape(1, 2, 3, 4)
    y, backward = cycle.apply({}, images)
    assert y.shape == (1, 3, 4, 2)
    np.testing.assert_array_equal(backward(y)[0], images)


LAYERS: list[Layer] = [
    MaxPool2D(2),
    MaxPool2D(2, layout="NCHW"),
    MaxPool2D(3, 2, padding=1, ties="split"),
    MaxPool2D(1, 2, ties="all"),
    AveragePool2D(2, layout="NCHW"),
    AveragePool2D(3, 2, padding=1, count_include_pad=False),
    GlobalAveragePool2D(),
    UpSample2D(2),
    UpSample2D((1, 2), "bilinear", layout="NCHW"),
    Flatten(),
    Flatten("CHW"),
    Permute((0, 3, 1, 2)),
]


@pytest.mark.parametrize("layer", LAYERS, ids=repr)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_reused_memory_gives_the_same_bits(layer: Layer, dtype: type) -> None:
    rng = np.random.default_rng(0)
    xs = [rng.normal(size=(batch, 4, 5, 6)).astype(dtype) for batch in (3, 1, 3)]
    assert_reuse_changes_nothing(layer, {}, xs)


@pytest.mark.parametrize("layer", LAYERS, ids=repr)
def test_reused_memory_allocates_nothing(layer: Layer) -> None:
    context = Context(memory=Memory(reuse=True))
    x = np.random.default_rng(0).normal(size=(32, 32, 32, 32)).astype(np.float32)
    y, backward = layer.apply({}, x, context)
    dy = y.copy()
    backward(dy)
    tracemalloc.start()
    try:
        layer.apply({}, x, context)[1](dy)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    # The input has 4 MiB, the smallest mask of a quarter of its values 256 KiB. NumPy's
    # iterators take buffers of up to 8192 values for an operand, three operands at most.
    assert peak < 2**17


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: MaxPool2D(0), "pool_size cannot be used.*Received: 0"),
        (lambda: MaxPool2D(2, 0), "stride cannot be used"),
        (lambda: MaxPool2D(2, padding=-1), "padding cannot be used"),
        (lambda: MaxPool2D(2, layout="CHW"), "layout cannot be used"),
        (lambda: MaxPool2D(2, pad_value="nan"), "pad_value cannot be used.*'-inf', 'zero'"),
        (lambda: MaxPool2D(2, ties="last"), "ties cannot be used.*'first', 'all', 'split'"),
        (lambda: AveragePool2D((2, 2, 2)), "pool_size cannot be used"),
        (lambda: GlobalAveragePool2D("CHW"), "layout cannot be used"),
        (lambda: UpSample2D(0), "factor cannot be used"),
        (lambda: UpSample2D(2, "cubic"), "mode cannot be used.*'nearest', 'bilinear'"),
        (lambda: UpSample2D(2, "bilinear", "corners"), "grid cannot be used"),
        (lambda: Flatten("WHC"), "order cannot be used"),
        (lambda: Permute((1, 0)), r"axes cannot be used.*Received: \(1, 0\)"),
        (lambda: Permute((0, 2)), "axes cannot be used"),
    ],
)
def test_arguments_without_meaning(make: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        make()


@pytest.mark.parametrize(
    ("layer", "shape", "message"),
    [
        (MaxPool2D(2), (2, 8, 8), r"Expected \(N, H, W, C\). Received: \(2, 8, 8\)"),
        (AveragePool2D(2, layout="NCHW"), (2, 8, 0, 8), r"Expected \(N, C, H, W\)"),
        (MaxPool2D(3), (2, 8, 2, 1), "at least 3 pixels along its width.*Received: 2"),
        (MaxPool2D(2, padding=2), (2, 8, 8, 1), r"wide as a window.*less than \(2, 2\)"),
        (GlobalAveragePool2D(), (2, 8), r"Expected \(N, H, W, C\)"),
        (UpSample2D(2), (2, 8), r"Expected \(N, H, W, C\)"),
        (Flatten("CHW"), (2, 8), r"Expected images, NHWC. Received: \(2, 8\)"),
        (Permute((0, 2, 1)), (2, 8), r"Expected 3 axes. Received: \(2, 8\)"),
    ],
)
def test_images_that_do_not_fit(layer: Layer, shape: tuple[int, ...], message: str) -> None:
    with pytest.raises(InputError, match=message):
        layer.apply({}, np.zeros(shape))
