"""Convolution: by hand, by its definition, against torch, Keras and Flax."""

import tracemalloc
from collections.abc import Mapping
from unittest import mock

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

from netparity.errors import InputError
from netparity.nn import (
    NAMED,
    Affine,
    AveragePool2D,
    Context,
    Conv2D,
    ConvTranspose2D,
    DepthwiseConv2D,
    Flatten,
    Layer,
    MaxPool2D,
    Memory,
    Network,
    SoftmaxCrossEntropy,
    Tanh,
    UpSample2D,
    check_gradients,
)
from netparity.nn.layers import columns

Convolution = Conv2D | DepthwiseConv2D | ConvTranspose2D


def test_by_hand() -> None:
    # One 3 × 3 image, stride 2, one zero around: the windows lie at rows and columns −1, 1.
    #   0 0 | .        y₀₀ = 1·4 (only the lower right value is inside)
    #   0 1 | 2 …      y₀₁ = 2·3 + 3·4, y₁₀ = 4·2 + 7·4, y₁₁ = 5·1 + 6·2 + 8·3 + 9·4
    x = np.arange(1.0, 10.0).reshape(1, 3, 3, 1)
    parameters = {"weight": np.arange(1.0, 5.0).reshape(2, 2, 1, 1), "bias": np.array([100.0])}
    y, backward = Conv2D(1, 1, 2, stride=2, padding=1).apply(parameters, x)
    np.testing.assert_array_equal(y[0, :, :, 0], [[104, 118], [136, 177]])
    dx, gradients = backward(np.array([1.0, 10, 100, 1000]).reshape(1, 2, 2, 1))
    # Windows of this stride do not overlap: each pixel gets its window's slope by its weight.
    expected = [[4, 30, 40], [200, 1000, 2000], [400, 3000, 4000]]
    np.testing.assert_array_equal(dx[0, :, :, 0], expected)
    # dW: Σ slope · pixel under that weight, e.g. the upper left one only meets the pixel 5.
    np.testing.assert_array_equal(
        gradients["weight"][:, :, 0, 0],
        [[5000, 6000 + 400], [8000 + 20, 9000 + 700 + 30 + 1]],
    )
    np.testing.assert_array_equal(gradients["bias"], [1111])


def test_flip_is_numpys_convolution() -> None:
    x, kernel = np.array([1.0, 2, 4, 8, 16]), np.array([1.0, 10, 100])
    for flip, function in ((True, np.convolve), (False, np.correlate)):
        layer = Conv2D(1, 1, (1, 3), bias=False, flip=flip)
        y = layer.apply({"weight": kernel.reshape(1, 3, 1, 1)}, x.reshape(1, 1, 5, 1))[0]
        np.testing.assert_array_equal(y.ravel(), function(x, kernel, "valid"))


def transposed_sides(
    layer: ConvTranspose2D, size: tuple[int, int], reach: tuple[int, int]
) -> tuple[tuple[tuple[int, int], tuple[int, int]], tuple[int, int]]:
    """What is cut off, and the size of the output."""
    stride = pair(layer.stride)
    if isinstance(layer.padding, str):
        # The image whose convolution with this padding has the size of x.
        over = [r - s for r, s in zip(reach, stride, strict=True)]
        spare = [max(o, 0) if layer.padding == "valid" else 0 for o in over]
        lengths = tuple(n * s + e for n, s, e in zip(size, stride, spare, strict=True))
        cut = both_sides(layer.padding, lengths, reach, stride)
        return cut, tuple(length + layer.output_padding for length in lengths)
    cut = both_sides(layer.padding, size, reach, stride)
    return cut, tuple(
        (n - 1) * s + r - sum(c) + layer.output_padding
        for n, s, r, c in zip(size, stride, reach, cut, strict=True)
    )


def by_definition(
    layer: Convolution, weight: np.ndarray, x: np.ndarray, dy: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """y without bias, dx and dW in loops over all windows, for NHWC images.

    A window joins the pixels of a larger image, which lie under it, with one of a smaller
    image: x with y, or, transposed, y with x.
    """
    transposed = isinstance(layer, ConvTranspose2D)
    kernel = weight[::-1, ::-1] if layer.flip else weight
    if isinstance(layer, DepthwiseConv2D):
        groups, kernel = layer.inputs, kernel.reshape(*kernel.shape[:2], 1, -1)
    else:
        groups = layer.groups
    rows, cols = kernel.shape[:2]
    (down, right), (sh, sw) = pair(layer.dilation), pair(layer.stride)
    reach = (rows - 1) * down + 1, (cols - 1) * right + 1
    if transposed:
        count = x.shape[1:3]
        sides, size = transposed_sides(layer, count, reach)
        y = np.zeros((len(x), *size, layer.outputs))
    else:
        sides = both_sides(layer.padding, x.shape[1:3], reach, (sh, sw))
        size = x.shape[1:3]
        count = tuple(
            (n + sum(side) - r) // s + 1
            for n, side, r, s in zip(size, sides, reach, (sh, sw), strict=True)
        )
        y = np.zeros((len(x), *count, kernel.shape[3]))
    top, left = sides[0][0], sides[1][0]
    dx, dkernel = np.zeros(x.shape), np.zeros(kernel.shape)
    large, small = kernel.shape[2], kernel.shape[3] // groups
    for p, q, i, j, g in np.ndindex(*count, rows, cols, groups):
        h, w = p * sh + i * down - top, q * sw + j * right - left
        if not (0 <= h < size[0] and 0 <= w < size[1]):
            continue
        one, other = slice(g * large, (g + 1) * large), slice(g * small, (g + 1) * small)
        under, at = (slice(None), h, w, one), (slice(None), p, q, other)
        matrix = kernel[i, j, :, other]
        if transposed:
            y[under] += x[at] @ matrix.T
            dx[at] += dy[under] @ matrix
            dkernel[i, j, :, other] += dy[under].T @ x[at]
        else:
            y[at] += x[under] @ matrix
            dx[under] += dy[at] @ matrix.T
            dkernel[i, j, :, other] += x[under].T @ dy[at]
    dweight = dkernel[::-1, ::-1] if layer.flip else dkernel
    return y, dx, dweight.reshape(weight.shape)


lengths = st.integers(1, 3)
pairs = st.one_of(lengths, st.tuples(lengths, lengths))
side = st.tuples(st.integers(0, 2), st.integers(0, 2))
paddings = st.one_of(st.sampled_from(["valid", "same"]), st.integers(0, 2), st.tuples(side, side))


@st.composite
def convolutions(draw: st.DrawFn) -> Convolution:
    kind = draw(st.sampled_from([Conv2D, DepthwiseConv2D, ConvTranspose2D]))
    options = {
        "kernel_size": draw(pairs),
        "stride": draw(pairs),
        "padding": draw(paddings),
        "dilation": draw(pairs),
        "layout": draw(st.sampled_from(["NHWC", "NCHW"])),
        "flip": draw(st.booleans()),
        "bias": draw(st.booleans()),
    }
    if kind is DepthwiseConv2D:
        return kind(draw(lengths), multiplier=draw(lengths), **options)
    groups = draw(lengths)
    options |= {"groups": groups}
    if kind is ConvTranspose2D:
        options |= {"output_padding": draw(st.integers(0, 2))}
    return kind(groups * draw(lengths), groups * draw(lengths), **options)


@settings(max_examples=300, deadline=None)
@given(
    layer=convolutions(),
    batch=st.integers(0, 3),
    size=st.tuples(st.integers(1, 6), st.integers(1, 6)),
    dtype=st.sampled_from([np.float32, np.float64]),
    few=st.sampled_from([1, 8]),
    block=st.sampled_from([1, 1 << 20]),
    seed=st.integers(0, 99),
)
def test_definition(
    layer: Convolution,
    batch: int,
    size: tuple[int, int],
    dtype: type,
    few: int,
    block: int,
    seed: int,
) -> None:
    rng = np.random.default_rng(seed)

    # Whole numbers, whose sums are exact in any order.
    def whole(*shape: int) -> np.ndarray:
        return rng.integers(-4, 5, shape).astype(dtype)

    parameters = {key: whole(*shape) for key, shape in layer.shapes().items()}
    x = whole(batch, *size, layer.inputs)
    with mock.patch.object(columns, "_FEW", few), mock.patch.object(columns, "_BLOCK", block):
        try:
            y, backward = layer.apply(parameters, to_layout(x, layer.layout))
        except InputError as error:
            assert "too small" in error.message or "nothing is left" in error.message  # noqa: PT017
            return
        assert y.dtype == dtype
        shape = y.shape if layer.layout == "NHWC" else (y.shape[0], *y.shape[2:], y.shape[1])
        dy = whole(*shape)
        dx, gradients = backward(to_layout(dy, layer.layout))
    expected = by_definition(layer, parameters["weight"], x, dy)
    total = expected[0] + parameters.get("bias", 0.0)
    np.testing.assert_array_equal(y, to_layout(total, layer.layout))
    np.testing.assert_array_equal(dx, to_layout(expected[1], layer.layout))
    np.testing.assert_array_equal(gradients["weight"], expected[2])
    assert set(gradients) == set(parameters)
    if layer.bias:
        np.testing.assert_array_equal(gradients["bias"], dy.sum(axis=(0, 1, 2)))


def test_gradients_of_a_network() -> None:
    network = Network(
        (
            ("conv", Conv2D(2, 4, 3, padding="same")),
            ("tanh", Tanh()),
            ("max", MaxPool2D(2)),
            ("grouped", Conv2D(4, 4, 2, stride=2, padding=1, dilation=2, groups=2, flip=True)),
            ("depthwise", DepthwiseConv2D(4, 2, multiplier=2, padding="same")),
            ("up", UpSample2D(2, "bilinear")),
            ("mean", AveragePool2D(3, 2, padding=1, count_include_pad=False)),
            ("transpose", ConvTranspose2D(8, 2, 3, stride=2, padding="same")),
            ("flatten", Flatten("CHW")),
            ("affine", Affine(2 * 4 * 4, 3)),
        )
    )
    rng = np.random.default_rng(0)
    parameters = network.initialize(NAMED["glorot_uniform"], rng)
    x, y = rng.normal(size=(2, 8, 8, 2)), np.array([0, 2])
    loss = SoftmaxCrossEntropy()
    assert check_gradients(network, loss, parameters, x, y, method="full", rng=rng) == ()


def assert_sums_agree(
    ours: np.ndarray, theirs: np.ndarray, absolute: np.ndarray, terms: int
) -> None:
    """Two sums of the same products, in whatever order, differ by no more than rounding.

    Each side rounds every product and every sum by half an ulp at most, which reaches the
    total through at most ``terms`` of these: terms · ½ε of the sum of absolute products. One
    more for what is of second order in ε, and for the rounding of that sum.
    """
    assert ours.shape == theirs.shape
    assert ours.dtype == theirs.dtype
    bound = (terms + 1) * np.finfo(ours.dtype).eps * absolute
    assert (np.abs(ours - theirs) <= bound).all(), np.max(np.abs(ours - theirs) - bound)


def assert_agrees(
    layer: Convolution,
    parameters: Mapping[str, np.ndarray],
    x: np.ndarray,
    dy: np.ndarray,
    theirs: Mapping[str, np.ndarray],
) -> None:
    """Output and all gradients within rounding of theirs, given in our layouts."""
    y, backward = layer.apply(parameters, x)
    dx, gradients = backward(dy)
    size, back = layer.apply({key: abs(value) for key, value in parameters.items()}, abs(x))
    size_dx, sizes = back(abs(dy))
    # No sum has more terms than a weight meets pixels, or a pixel weights.
    pixels = max(x.size, dy.size) // min(layer.inputs, parameters["weight"].shape[3])
    weights = parameters["weight"].size + 1
    assert_sums_agree(y, theirs["y"], size, weights)
    assert_sums_agree(dx, theirs["dx"], size_dx, weights)
    assert_sums_agree(gradients["weight"], theirs["dweight"], sizes["weight"], pixels)
    if layer.bias:
        assert_sums_agree(gradients["bias"], theirs["dbias"], sizes["bias"], pixels)


TORCH = [
    ("plain", Conv2D(4, 6, 3), {}),
    ("few channels", Conv2D(3, 8, 5, padding=2), {"padding": 2}),
    ("many channels", Conv2D(16, 8, 3, padding=1, bias=False), {"padding": 1}),
    ("stride", Conv2D(4, 6, 3, stride=2, padding=1), {"stride": 2, "padding": 1}),
    ("strides", Conv2D(9, 6, (3, 2), stride=(1, 3)), {"stride": (1, 3)}),
    ("dilation", Conv2D(4, 6, 2, dilation=3, padding=2), {"dilation": 3, "padding": 2}),
    ("groups", Conv2D(4, 6, 3, groups=2), {"groups": 2}),
    ("depthwise", DepthwiseConv2D(4, 3, 2, padding=1), {"groups": 4, "padding": 1}),
    ("transpose", ConvTranspose2D(4, 6, 3), {}),
    (
        "transpose, stride",
        ConvTranspose2D(4, 6, 3, stride=2, padding=1, output_padding=1),
        {"stride": 2, "padding": 1, "output_padding": 1},
    ),
    (
        "transpose, groups",
        ConvTranspose2D(4, 6, 2, stride=3, groups=2, dilation=2),
        {"stride": 3, "groups": 2, "dilation": 2},
    ),
]


@pytest.mark.parametrize("layout", ["NHWC", "NCHW"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("layer", "options"), [c[1:] for c in TORCH], ids=[c[0] for c in TORCH])
def test_torch(layer: Convolution, options: dict[str, int], dtype: type, layout: str) -> None:
    torch = pytest.importorskip("torch")
    functional = torch.nn.functional
    transposed = isinstance(layer, ConvTranspose2D)
    layer = type(layer)(**{f: getattr(layer, f) for f in layer.__slots__} | {"layout": layout})
    rng = np.random.default_rng(0)
    parameters = {k: rng.normal(size=s).astype(dtype) for k, s in layer.shapes().items()}
    x = rng.normal(size=(3, 8, 7, layer.inputs)).astype(dtype)
    weight = torch.tensor(parameters["weight"], requires_grad=True)
    # (height, width, C/groups, M), or transposed (height, width, M/groups, C), as torch's;
    # depthwise (height, width, C, D) is (C D, 1, height, width) there.
    turned = weight.permute(3, 2, 0, 1)
    if isinstance(layer, DepthwiseConv2D):
        turned = weight.permute(2, 3, 0, 1).reshape(-1, 1, *weight.shape[:2])
    bias = torch.tensor(parameters["bias"], requires_grad=True) if layer.bias else None
    images = torch.tensor(x, requires_grad=True)
    function = functional.conv_transpose2d if transposed else functional.conv2d
    output = function(images.permute(0, 3, 1, 2), turned, bias, **options).permute(0, 2, 3, 1)
    dy = rng.normal(size=tuple(output.shape)).astype(dtype)
    output.backward(torch.tensor(dy))
    theirs = {
        "y": to_layout(output.detach().numpy(), layout),
        "dx": to_layout(images.grad.numpy(), layout),
        "dweight": weight.grad.numpy(),
        "dbias": bias.grad.numpy() if layer.bias else None,
    }
    assert_agrees(layer, parameters, to_layout(x, layout), to_layout(dy, layout), theirs)


def test_same_padding_is_not_torchs() -> None:
    torch = pytest.importorskip("torch")
    functional = torch.nn.functional
    rng = np.random.default_rng(0)
    x, weight = rng.integers(-4, 5, (1, 2, 6, 6)) * 1.0, rng.integers(-4, 5, (3, 2, 3, 3)) * 1.0
    layer = Conv2D(2, 3, 3, stride=2, padding="same", bias=False, layout="NCHW")
    y = layer.apply({"weight": np.ascontiguousarray(weight.transpose(2, 3, 1, 0))}, x)[0]
    images, kernel = torch.tensor(x), torch.tensor(weight)
    other = functional.conv2d(images, kernel, stride=2, padding=1).numpy()
    padded = functional.conv2d(functional.pad(images, (0, 1, 0, 1)), kernel, stride=2).numpy()
    assert y.shape == other.shape
    assert (y != other).any()
    np.testing.assert_array_equal(y, padded)


#: Our layer, and the order of axes (and shape) that leads from its weight to theirs.
CASES: dict[str, tuple[Convolution, tuple[int, ...]]] = {
    "keras/valid": (Conv2D(4, 6, 3), (0, 1, 2, 3)),
    "keras/same_even_size": (Conv2D(4, 6, 3, 2, "same"), (0, 1, 2, 3)),
    "keras/same_even_kernel": (Conv2D(4, 6, (2, 4), 1, "same"), (0, 1, 2, 3)),
    "keras/depthwise": (DepthwiseConv2D(4, 3, 2, 2, "same"), (0, 1, 2, 3)),
    "keras/transpose_valid": (ConvTranspose2D(4, 6, 3, 2), (0, 1, 2, 3)),
    "keras/transpose_same": (ConvTranspose2D(4, 6, 3, 2, "same"), (0, 1, 2, 3)),
    "keras/transpose_same_even_kernel": (ConvTranspose2D(4, 6, 4, 1, "same"), (0, 1, 2, 3)),
    "keras/transpose_wide_stride": (ConvTranspose2D(4, 6, 2, 3), (0, 1, 2, 3)),
    "keras/transpose_same_wide_stride": (ConvTranspose2D(4, 6, 2, 3, "same"), (0, 1, 2, 3)),
    "flax/default": (Conv2D(4, 6, 3, 1, "same"), (0, 1, 2, 3)),
    "flax/same_even_size": (Conv2D(4, 6, 3, 2, "same"), (0, 1, 2, 3)),
    "flax/groups": (Conv2D(4, 6, 3, groups=2), (0, 1, 2, 3)),
    "flax/dilation": (Conv2D(4, 6, (2, 3), 1, ((1, 2), (0, 1)), dilation=2), (0, 1, 2, 3)),
    "flax/depthwise": (Conv2D(4, 8, 3, 1, "same", groups=4), (0, 1, 2, 3)),
    "flax/transpose": (ConvTranspose2D(4, 6, 3, 2, "same", flip=True), (0, 1, 3, 2)),
    # With transpose_kernel=True the kernel's axes are (height, width, M, C) in Flax, too.
    "flax/transpose_kernel": (ConvTranspose2D(4, 6, (3, 2), 2), (0, 1, 2, 3)),
}


def inputs_of(name: str) -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]:
    layer = CASES[name][0]
    rng = np.random.default_rng(0)
    parameters = {key: rng.normal(size=shape) for key, shape in layer.shapes().items()}
    x = rng.normal(size=(2, 6, 7, 4))
    return parameters, x, rng.normal(size=layer.apply(parameters, x)[0].shape)


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, np.ndarray]:
    inputs = {}
    for name, (_, axes) in CASES.items():
        parameters, x, dy = inputs_of(name)
        inputs |= {f"{name}/x": x, f"{name}/dy": dy, f"{name}/bias": parameters["bias"]}
        inputs[f"{name}/weight"] = parameters["weight"].transpose(axes)
    return run_frameworks(inputs, tmp_path_factory.mktemp("convolution"))


@pytest.mark.parametrize("name", CASES)
def test_keras_and_flax(found: Mapping[str, np.ndarray], name: str) -> None:
    skip_without(name)
    layer, axes = CASES[name]
    theirs = {key: found[f"{name}/{key}"] for key in ("y", "dx", "dweight", "dbias")}
    theirs["dweight"] = theirs["dweight"].transpose(np.argsort(axes))
    assert_agrees(layer, *inputs_of(name), theirs)


def test_fans_are_counted_as_by_frameworks() -> None:
    torch = pytest.importorskip("torch")
    count = torch.nn.init._calculate_fan_in_and_fan_out
    for ours, module in [
        (Conv2D(4, 6, (3, 5)), torch.nn.Conv2d(4, 6, (3, 5))),
        (Conv2D(4, 6, (3, 5), groups=2), torch.nn.Conv2d(4, 6, (3, 5), groups=2)),
        (ConvTranspose2D(4, 6, 3), torch.nn.ConvTranspose2d(4, 6, 3)),
    ]:
        assert ours.fans() == count(module.weight)
    # Keras takes height · width times the weight's last two axes.
    assert DepthwiseConv2D(4, 5, multiplier=2).fans() == (25 * 4, 25 * 2)


LAYERS: list[Layer] = [
    Conv2D(3, 4, 3, padding="same"),
    Conv2D(3, 4, 3, padding="same", layout="NCHW"),
    Conv2D(3, 4, 2, stride=3, bias=False, flip=True),
    DepthwiseConv2D(3, 2, flip=True),
    ConvTranspose2D(3, 4, 3, stride=2, padding=1),
    ConvTranspose2D(3, 4, 2, layout="NCHW", flip=True),
]


@pytest.mark.parametrize("layer", LAYERS, ids=repr)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_reused_memory_gives_the_same_bits(layer: Layer, dtype: type) -> None:
    rng = np.random.default_rng(0)
    parameters = {k: rng.normal(size=s).astype(dtype) for k, s in layer.shapes().items()}
    shape = (5, 6, 3) if layer.layout == "NHWC" else (3, 5, 6)
    xs = [rng.normal(size=(batch, *shape)).astype(dtype) for batch in (4, 1, 4)]
    assert_reuse_changes_nothing(layer, parameters, xs)


@pytest.mark.parametrize("layout", ["NHWC", "NCHW"])
@pytest.mark.parametrize(
    "make",
    [
        lambda layout: Conv2D(4, 32, 3, padding="same", layout=layout, flip=True),
        lambda layout: Conv2D(64, 64, 3, padding=1, layout=layout),
        lambda layout: DepthwiseConv2D(16, 3, layout=layout),
        lambda layout: ConvTranspose2D(16, 8, 3, stride=2, layout=layout),
    ],
)
def test_reused_memory_allocates_nothing(make, layout: str) -> None:
    layer, context = make(layout), Context(memory=Memory(reuse=True))
    rng = np.random.default_rng(0)
    parameters = {k: rng.normal(size=s).astype(np.float32) for k, s in layer.shapes().items()}
    x = rng.normal(size=(8, 48, 48, layer.inputs)).astype(np.float32)
    x = to_layout(x, layout)
    y, backward = layer.apply(parameters, x, context)
    dy = y.copy()
    backward(dy)
    tracemalloc.start()
    try:
        layer.apply(parameters, x, context)[1](dy)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    # Activations have more than 256 KiB each here, and the second layer's weight has 144 KiB.
    # NumPy's iterators take buffers of up to 8192 values for an operand, three at most.
    assert peak < 2**17


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Conv2D(3, 4, 0), "kernel_size cannot be used.*Received: 0"),
        (lambda: Conv2D(3, 4, (3, 3, 3)), "kernel_size cannot be used"),
        (lambda: Conv2D(3, 4, 3, stride=(1, 0)), "stride cannot be used"),
        (lambda: Conv2D(3, 4, 3, dilation=-1), "dilation cannot be used"),
        (lambda: Conv2D(3, 4, 3, padding="full"), "padding cannot be used.*Received: 'full'"),
        (lambda: Conv2D(3, 4, 3, padding=-1), "padding cannot be used"),
        (lambda: Conv2D(3, 4, 3, padding=(1, 1)), "padding cannot be used"),
        (lambda: Conv2D(3, 4, 3, layout="HWC"), "layout cannot be used.*'NHWC', 'NCHW'"),
        (lambda: Conv2D(3, 4, 3, groups=2), "multiples of groups=2. Received: 3 inputs, 4"),
        (lambda: Conv2D(0, 4, 3), "channels that cannot be split"),
        (lambda: DepthwiseConv2D(3, 3, multiplier=0), "channels that cannot be split"),
        (lambda: ConvTranspose2D(3, 4, 3, output_padding=-1), "output_padding cannot be used"),
    ],
)
def test_arguments_without_meaning(make, message: str) -> None:
    with pytest.raises(InputError, match=message):
        make()


@pytest.mark.parametrize(
    ("layer", "shape", "message"),
    [
        (Conv2D(3, 4, 3), (2, 3, 8, 8), r"Expected \(N, H, W, 3\). Received: \(2, 3, 8, 8\)"),
        (Conv2D(3, 4, 3, layout="NCHW"), (2, 8, 8, 3), r"Expected \(N, 3, H, W\)"),
        (Conv2D(3, 4, 3), (2, 8, 3), r"Expected \(N, H, W, 3\)"),
        (Conv2D(3, 4, 3), (2, 0, 8, 3), r"Expected \(N, H, W, 3\)"),
        (DepthwiseConv2D(3, 3), (2, 8, 8, 4), r"Expected \(N, H, W, 3\)"),
        (ConvTranspose2D(3, 4, 3), (2, 8, 8, 4), r"Expected \(N, H, W, 3\)"),
        (Conv2D(3, 4, 3, dilation=2, padding=1), (2, 8, 2, 3), "least 5.*width.*Received: 2 . 2"),
        (ConvTranspose2D(3, 4, 3, padding=2), (2, 2, 1, 3), "output's height.*than 4 pixels"),
    ],
)
def test_images_that_do_not_fit(layer: Convolution, shape: tuple[int, ...], message: str) -> None:
    parameters = {key: np.zeros(size) for key, size in layer.shapes().items()}
    with pytest.raises(InputError, match=message):
        layer.apply(parameters, np.zeros(shape))
