import math

import numpy as np
import pytest

from netparity.errors import InputError
from netparity.nn import (
    ELU,
    GELU,
    Affine,
    Context,
    Dropout,
    Flatten,
    Identity,
    Layer,
    LeakyReLU,
    LogSoftmax,
    ReLU,
    Sigmoid,
    SiLU,
    Softmax,
    Softplus,
    Tanh,
)

ACTIVATIONS = [
    ELU(0.75), GELU(), GELU(approximate=True), Identity(), LeakyReLU(0.25), LogSoftmax(), ReLU(),
    SiLU(), Sigmoid(), Softmax(), Softplus(), Softplus(20.0), Tanh(), Dropout(0.25),
    Dropout(0.25, scaling="plain"), Flatten(),
]  # fmt: skip


@pytest.mark.parametrize("layer", ACTIVATIONS, ids=repr)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("training", [False, True])
def test_dtype_stays(layer: Layer, dtype: type, training: bool) -> None:
    x = np.random.default_rng(0).normal(size=(3, 4)).astype(dtype)
    before = x.copy()
    draw = np.random.default_rng(1).random((3, 4))
    y, backward = layer.apply({}, x, Context(training=training, draw=draw))
    dx, gradients = backward(np.ones_like(y))
    assert y.dtype == dtype
    assert dx.dtype == dtype
    assert dx.shape == x.shape
    assert gradients == {}
    np.testing.assert_array_equal(x, before)


@pytest.mark.parametrize("layer", [a for a in ACTIVATIONS if a != Flatten()], ids=repr)
def test_huge_inputs_stay_finite(layer: Layer) -> None:
    # Square and cube of 1e4 fit in float32; exp of it does not.
    for dtype in (np.float32, np.float64):
        x = np.array([[-1e4, 0.0, 1e4]], dtype)
        y, backward = layer.apply({}, x)
        assert np.isfinite(y).all()
        assert np.isfinite(backward(np.ones_like(y))[0]).all()


def test_affine_by_hand() -> None:
    # x W + b = [1·1 + 2·3 + 5, 1·2 + 2·4 + 6]; dW = xᵀ dy; dx = dy Wᵀ.
    parameters = {"weight": np.array([[1.0, 2], [3, 4]]), "bias": np.array([5.0, 6])}
    y, backward = Affine(2, 2).apply(parameters, np.array([[1.0, 2]]))
    np.testing.assert_array_equal(y, [[12, 16]])
    dx, gradients = backward(np.array([[1.0, 10]]))
    np.testing.assert_array_equal(dx, [[21, 43]])
    np.testing.assert_array_equal(gradients["weight"], [[1, 10], [2, 20]])
    np.testing.assert_array_equal(gradients["bias"], [1, 10])


def test_affine_without_bias() -> None:
    layer = Affine(2, 3, bias=False)
    assert layer.shapes() == {"weight": (2, 3)}
    y, backward = layer.apply({"weight": np.ones((2, 3))}, np.ones((1, 2)))
    np.testing.assert_array_equal(y, [[2, 2, 2]])
    assert set(backward(y)[1]) == {"weight"}


def test_affine_on_the_last_axis() -> None:
    rng = np.random.default_rng(0)
    parameters = {"weight": rng.normal(size=(4, 5)), "bias": rng.normal(size=5)}
    x, dy = rng.normal(size=(2, 3, 4)), rng.normal(size=(2, 3, 5))
    _, backward = Affine(4, 5).apply(parameters, x)
    dx, gradients = backward(dy)
    # Each entry sums 6 products: a few ulp.
    expected = np.einsum("ntd,ntm->dm", x, dy)
    np.testing.assert_allclose(gradients["weight"], expected, rtol=0, atol=1e-14)
    assert dx.shape == x.shape


@pytest.mark.parametrize("shape", [(2,), (2, 3), (0,)])
def test_affine_refuses_another_width(shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match=r"Expected \(N, 2\)"):
        Affine(2, 1).apply({"weight": np.ones((2, 1)), "bias": np.ones(1)}, np.ones(shape))


def test_derivative_at_the_kink() -> None:
    x, dy = np.array([[-1.0, 0.0, 1.0]]), np.array([[8.0, 8.0, 8.0]])
    for layer, expected in [
        (ReLU(), [0, 0, 8]),
        (ReLU(gradient_at_zero=1.0), [0, 8, 8]),
        (ReLU(gradient_at_zero=0.5), [0, 4, 8]),
        (LeakyReLU(0.25), [2, 2, 8]),
    ]:
        np.testing.assert_array_equal(layer.apply({}, x)[1](dy)[0], [expected])


def test_softplus_threshold() -> None:
    x = np.array([[19.0, 21.0]])
    exact, straight = Softplus().apply({}, x)[0], Softplus(20.0).apply({}, x)[0]
    assert straight[0, 1] == 21.0
    assert exact[0, 0] == straight[0, 0]
    assert exact[0, 1] - 21.0 == pytest.approx(math.exp(-21.0), rel=1e-5)


def test_flatten_without_rows() -> None:
    y, backward = Flatten().apply({}, np.zeros((0, 2, 3)))
    assert y.shape == (0, 6)
    assert backward(y)[0].shape == (0, 2, 3)


DRAW = np.array([[0.0, 0.24, 0.25, 0.9]])
X = np.array([[1.0, 2.0, 3.0, 6.0]])


@pytest.mark.parametrize(
    ("layer", "training", "y", "dx"),
    [
        (Dropout(0.25), True, [0, 0, 4, 8], [0, 0, 4 / 3, 4 / 3]),
        (Dropout(0.25), False, [1, 2, 3, 6], [1, 1, 1, 1]),
        (Dropout(0.25, scaling="plain"), True, [0, 0, 3, 6], [0, 0, 1, 1]),
        (Dropout(0.25, scaling="plain"), False, [0.75, 1.5, 2.25, 4.5], [0.75] * 4),
        (Dropout(0.25, mask_in_backward=False), True, [0, 0, 4, 8], [1, 1, 1, 1]),
        (Dropout(0.0), True, [1, 2, 3, 6], [1, 1, 1, 1]),
        (Dropout(1.0), True, [0, 0, 0, 0], [0, 0, 0, 0]),
    ],
)
def test_dropout(layer: Dropout, training: bool, y: list[float], dx: list[float]) -> None:
    output, backward = layer.apply({}, X, Context(training=training, draw=DRAW))
    # One rounding in 1/(1 - rate), one in the product.
    np.testing.assert_allclose(output, [y], rtol=4e-16)
    np.testing.assert_allclose(backward(np.ones_like(X))[0], [dx], rtol=4e-16)


def test_dropout_refuses() -> None:
    with pytest.raises(ValueError, match="needs a draw"):
        Dropout(0.5).apply({}, X, Context(training=True))
    with pytest.raises(InputError, match="another shape"):
        Dropout(0.5).apply({}, X, Context(training=True, draw=DRAW[:, :2]))
    for rate in (-0.1, 1.1, math.nan):
        with pytest.raises(InputError, match="rate out of range"):
            Dropout(rate)
