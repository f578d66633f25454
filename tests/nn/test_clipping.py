import math
import tracemalloc
from collections.abc import Mapping

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.nn.measure import ulps
from tests.nn.optimizers_run import NAMES, computed

from netparity.errors import InputError
from netparity.nn.arrays import packed
from netparity.nn.clipping import ClipByNorm, ClipByValue, Clipping, global_norm, norm

SHAPES = ((30, 40), (40,), (40, 2))
_RNG = np.random.default_rng(0)
GRADIENTS = {name: _RNG.normal(size=s) * 3 for name, s in zip(NAMES, SHAPES, strict=True)}
#: Below, between and above the norms, which are near 104, 19 and 27; exact in binary.
LIMITS = (0.5, 24.0, 64.0, 1024.0)
GIVEN = {**GRADIENTS, "limits": np.array(LIMITS)}

#: A norm is the root of a sum of up to 1320 squares: with 1320 half ulp or fewer on either side
#: in the sum, and half of that after the root; then a quotient and a product: 2·(330 + 1).
BOUND = 662


def apart(ours: Mapping[str, np.ndarray], theirs: Mapping[str, np.ndarray], prefix: str) -> float:
    return max(ulps(ours[name], np.asarray(theirs[f"{prefix}{name}"])) for name in NAMES)


# ---- by hand --------------------------------------------------------------------------------
def test_by_value_by_hand() -> None:
    g = {"w": np.array([-3.0, -1.0, 0.0, 0.5, 1.0, 3.0])}
    clipped = ClipByValue(1.0).clip(g)["w"]
    np.testing.assert_array_equal(clipped, [-1.0, -1.0, 0.0, 0.5, 1.0, 1.0])


def test_by_norm_by_hand() -> None:
    # Norms 5 and 12, together 13.
    g = {"a": np.array([3.0, 4.0]), "b": np.array([[12.0]])}
    for clipping, a, b in (
        (ClipByNorm(6.5), [1.5, 2.0], 6.0),
        (ClipByNorm(13.0), [3.0, 4.0], 12.0),
        (ClipByNorm(6.0, "parameter"), [3.0, 4.0], 6.0),
        (ClipByNorm(2.5, "parameter"), [1.5, 2.0], 2.5),
        # 13 + 3 = 16, and 5 + 3 = 8, 12 + 3 = 15.
        (ClipByNorm(8.0, epsilon=3.0), [1.5, 2.0], 6.0),
        (ClipByNorm(7.5, "parameter", 3.0), [3 * 0.9375, 4 * 0.9375], 6.0),
        (ClipByNorm(16.0, epsilon=3.0), [3.0, 4.0], 12.0),
    ):
        clipped = clipping.clip(g)
        np.testing.assert_array_equal(clipped["a"], a, str(clipping))
        np.testing.assert_array_equal(clipped["b"], [[b]], str(clipping))


def test_norms_by_hand() -> None:
    assert norm(np.array([[3.0, 4.0]])) == 5.0
    assert norm(np.array([])) == 0.0
    assert global_norm({"a": np.array([3.0, 4.0]), "b": np.array([[12.0]])}) == 13.0
    assert global_norm({}) == 0.0


# ---- properties -----------------------------------------------------------------------------
EVERY: tuple[Clipping, ...] = (
    ClipByValue(0.5),
    ClipByNorm(0.5),
    ClipByNorm(0.5, epsilon=1e-6),
    ClipByNorm(0.5, "parameter"),
)


@given(
    st.lists(st.lists(st.integers(0, 3), min_size=0, max_size=3), min_size=0, max_size=3),
    st.booleans(),
    st.booleans(),
)
def test_shapes_and_layouts(shapes: list[list[int]], single: bool, together: bool) -> None:
    dtype = np.float32 if single else np.float64
    rng = np.random.default_rng(0)
    gradients = {
        str(k): np.asarray(rng.normal(size=shape), dtype) for k, shape in enumerate(shapes)
    }
    for clipping in EVERY:
        kept = {name: array.copy() for name, array in gradients.items()}
        clipped = clipping.clip(gradients)
        live = packed(gradients, dtype) if together else {k: a.copy() for k, a in kept.items()}
        clipping.clip_in_place(live)
        assert list(clipped) == list(gradients)
        for name, array in gradients.items():
            np.testing.assert_array_equal(array, kept[name])
            assert clipped[name].dtype == dtype
            assert clipped[name].shape == array.shape
            # One sum for all in one buffer, else one each: as many roundings as elements.
            assert ulps(live[name], clipped[name]) <= 2 * array.size + 4
        if isinstance(clipping, ClipByNorm):
            longest = max((norm(a) for a in clipped.values()), default=0.0)
            length = longest if clipping.scope == "parameter" else global_norm(clipped)
            # Each of up to 81 elements is rounded, and so is their sum.
            assert length <= 0.5 * (1 + 162 * float(np.finfo(dtype).eps))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_large_sums_keep_their_digits(dtype: type) -> None:
    array = np.random.default_rng(1).normal(size=(1000, 257)).astype(dtype)
    exact = math.sqrt(math.fsum(float(x) ** 2 for x in array.ravel()))
    # At most 8192 squares are added in the dtype, by half an ulp each at worst; half of that
    # comes through the root. The 31 sums are added in float64.
    assert norm(array) == pytest.approx(exact, rel=8192 / 4 * float(np.finfo(dtype).eps))


@pytest.mark.parametrize(("dtype", "large"), [(np.float32, 1e30), (np.float64, 1e300)])
def test_numbers_too_large_to_be_squared(dtype: type, large: float) -> None:
    g = {"w": np.array([3.0, 4.0], dtype) * dtype(large)}
    clipped = ClipByNorm(5.0).clip(g)["w"]
    # Two quotients, two squares, a sum, a root, two products, a quotient.
    assert ulps(clipped, np.array([3.0, 4.0], dtype)) <= 8
    assert norm(g["w"]) == pytest.approx(5.0 * large, rel=8 * float(np.finfo(dtype).eps))


def test_what_is_not_finite_shows() -> None:
    for scope in ("global", "parameter"):
        clipping = ClipByNorm(1.0, scope)
        with_nan = clipping.clip({"w": np.array([np.nan, 1.0]), "b": np.array([2.0])})
        assert np.isnan(with_nan["w"]).all()
        assert np.isnan(with_nan["b"]).all() == (scope == "global")
        infinite = clipping.clip({"w": np.array([np.inf, 1.0])})["w"]
        np.testing.assert_array_equal(infinite, [np.nan, 0.0])


@pytest.mark.parametrize("together", [True, False])
def test_in_place_allocates_nothing(together: bool) -> None:
    arrays = {"a": np.ones((300, 200)), "b": np.ones(200)}
    gradients = packed(arrays, np.float64) if together else arrays
    for clipping in EVERY:
        clipping.clip_in_place(gradients)
        for array in gradients.values():
            array[...] = 3.0
        tracemalloc.start()
        clipping.clip_in_place(gradients)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert gradients["a"].max() < 3.0
        # The arrays hold 480 kB.
        assert peak < 65_536


# ---- parity ---------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def keras(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, np.ndarray]:
    return computed(tmp_path_factory.mktemp("keras"), "keras-clipping", GIVEN)


@pytest.fixture(scope="module")
def optax(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, np.ndarray]:
    return computed(tmp_path_factory.mktemp("optax"), "optax-clipping", GIVEN)


@pytest.mark.parametrize("limit", LIMITS)
def test_keras_and_tensorflow(keras: Mapping[str, np.ndarray], limit: float) -> None:
    for clipping, names in (
        (ClipByValue(limit), ["clipvalue"]),
        (ClipByNorm(limit, "parameter"), ["clipnorm", "tf_norm"]),
        (ClipByNorm(limit), ["global_clipnorm", "tf_global"]),
    ):
        ours = clipping.clip(GRADIENTS)
        for name in names:
            assert apart(ours, keras, f"{name}/{limit}/") <= BOUND, name


@pytest.mark.parametrize("limit", LIMITS)
def test_optax(optax: Mapping[str, np.ndarray], limit: float) -> None:
    assert apart(ClipByValue(limit).clip(GRADIENTS), optax, f"clip/{limit}/") == 0
    ours = ClipByNorm(limit).clip(GRADIENTS)
    assert apart(ours, optax, f"clip_by_global_norm/{limit}/") <= BOUND


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("limit", LIMITS)
def test_torch(limit: float, dtype: type) -> None:
    torch = pytest.importorskip("torch")
    gradients = {name: array.astype(dtype) for name, array in GRADIENTS.items()}
    for clipping, clip in (
        (ClipByValue(limit), torch.nn.utils.clip_grad_value_),
        (ClipByNorm(limit, epsilon=1e-6), torch.nn.utils.clip_grad_norm_),
    ):
        tensors = {name: torch.nn.Parameter(torch.tensor(a)) for name, a in gradients.items()}
        for name, tensor in tensors.items():
            tensor.grad = torch.tensor(gradients[name])
        clip(tensors.values(), limit)
        theirs = {name: tensor.grad.numpy() for name, tensor in tensors.items()}
        assert apart(clipping.clip(gradients), theirs, "") <= BOUND


def test_torch_shrinks_what_is_at_the_limit() -> None:
    torch = pytest.importorskip("torch")
    tensor = torch.nn.Parameter(torch.zeros(2, dtype=torch.float64))
    tensor.grad = torch.tensor([3.0, 4.0], dtype=torch.float64)
    torch.nn.utils.clip_grad_norm_([tensor], 5.0)
    g = {"w": np.array([3.0, 4.0])}
    # A sum, a quotient, a product.
    assert ulps(ClipByNorm(5.0, epsilon=1e-6).clip(g)["w"], tensor.grad.numpy()) <= 3
    np.testing.assert_array_equal(ClipByNorm(5.0).clip(g)["w"], g["w"])
    assert tensor.grad[0] < 3.0


# ---- bad input ------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: ClipByValue(0.0), ["limit", "above 0", "0.0"]),
        (lambda: ClipByNorm(-1.0), ["limit", "above 0", "-1.0"]),
        (lambda: ClipByNorm(math.nan), ["limit", "above 0", "nan"]),
        (lambda: ClipByNorm(1.0, epsilon=-1e-6), ["epsilon", "at least 0", "-1e-06"]),
        (lambda: ClipByNorm(1.0, "layer"), ["scope", "'parameter'", "'layer'"]),
    ],
)
def test_bad_input(make: object, words: list[str]) -> None:
    with pytest.raises(InputError) as error:
        make()  # type: ignore[operator]
    for word in words:
        assert word in error.value.message
