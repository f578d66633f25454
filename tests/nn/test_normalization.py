"""Batch, layer, group and RMS normalization, by hand, by differences and against frameworks."""

import importlib.util
import os
import subprocess
import sys
import tracemalloc
from collections.abc import Mapping
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.nn.normalization_reference import compare, reference, run, values

from netparity.errors import InputError
from netparity.nn import (
    L2,
    NAMED,
    Affine,
    BatchNorm,
    Flatten,
    GroupNorm,
    Layer,
    LayerNorm,
    MeanSquaredError,
    Memory,
    Network,
    RMSNorm,
    check_gradients,
)

# Constants that frameworks which round them to float32 keep as they are.
EPSILON, MOMENTUM = 2.0**-6, 0.875
SPATIAL = {"last": (3, 2, 5, 4), "first": (3, 4, 2, 5)}


def test_batch_norm_by_hand() -> None:
    # μ = 3, Σ(x − μ)² = 8, so σ² = 4; with ε = 12 inside, σ = 4 and x̂ = ∓½.
    # dx = scale/σ (dy − ½ − x̂ Σ dy x̂/2) = ¾ (½ − ⅛, −½ + ⅛).
    layer = BatchNorm(1, epsilon=12.0, momentum=0.75, running_variance="unbiased")
    parameters = {name: np.array([value]) for name, value in
                  [("scale", 3.0), ("shift", 1.0), ("running_mean", 4.0),
                   ("running_variance", 16.0)]}  # fmt: skip
    x, dy = np.array([[1.0], [5.0]]), np.array([[1.0], [0.0]])
    found = run(layer, parameters, x, dy)
    np.testing.assert_array_equal(found["y"], [[-0.5], [2.5]])
    np.testing.assert_array_equal(found["dx"], [[0.28125], [-0.28125]])
    np.testing.assert_array_equal(found["dscale"], [-0.5])
    np.testing.assert_array_equal(found["dshift"], [1.0])
    # ¾ · 4 + ¼ · 3; ¾ · 16 + ¼ · 8/1.
    np.testing.assert_array_equal(found["running_mean"], [3.75])
    np.testing.assert_array_equal(found["running_variance"], [14.0])
    biased = run(replace(layer, running_variance="biased"), parameters, x, dy)
    np.testing.assert_array_equal(biased["running_variance"], [13.0])
    # In inference x̂ = (x − 4)/√(16 + 12), and nothing is updated.
    inference = run(layer, parameters, x, dy, training=False)
    assert "running_mean" not in inference
    # Four roundings.
    np.testing.assert_allclose(inference["y"], 3 * (x - 4) / np.sqrt(28) + 1, rtol=4.4e-16)


@pytest.mark.parametrize(
    ("layer", "y"),
    [
        (BatchNorm(1, epsilon=2.0, epsilon_placement="outside"), [-0.5, 0.5]),
        (BatchNorm(1, epsilon=12.0, epsilon_placement="both"), [-0.125, 0.125]),
        (BatchNorm(1, epsilon=8.0, normalize_with="unbiased"), [-0.5, 0.5]),
        (BatchNorm(1, epsilon=12.0, fast_variance=True), [-0.5, 0.5]),
    ],
    ids=str,
)
def test_switches_of_batch_norm_by_hand(layer: BatchNorm, y: list[float]) -> None:
    # σ = 2 + 2; 4 + 12; √(8 + 8); √((1 + 25)/2 − 9 + 12).
    layer = replace(layer, scale=False, shift=False)
    x = np.array([[1.0], [5.0]])
    np.testing.assert_array_equal(run(layer, values(layer), x, x)["y"][:, 0], y)


def test_layer_and_rms_norm_by_hand() -> None:
    x, dy = np.array([[1.0, 5.0]]), np.array([[1.0, 0.0]])
    parameters = {"scale": np.array([3.0, 6.0]), "shift": np.array([1.0, 2.0])}
    found = run(LayerNorm((2,), epsilon=12.0), parameters, x, dy)
    np.testing.assert_array_equal(found["y"], [[-0.5, 5.0]])
    # d = (3, 0): ¼ (d − 3/2 − x̂ Σ d x̂/2), Σ d x̂ = −3/2.
    np.testing.assert_array_equal(found["dx"], [[0.28125, -0.28125]])
    np.testing.assert_array_equal(found["dscale"], [-0.5, 0.0])
    np.testing.assert_array_equal(found["dshift"], [1.0, 0.0])
    # mean x² = 13, √(13 + 3) = 4; ¼ (d − x̂ Σ d x̂/2) with x̂ = (¼, 5/4) and Σ d x̂ = ¾.
    root = run(RMSNorm((2,), epsilon=3.0), {"scale": parameters["scale"]}, x, dy)
    np.testing.assert_array_equal(root["y"], [[0.75, 7.5]])
    np.testing.assert_array_equal(root["dx"], [[0.7265625, -0.1171875]])


def test_group_norm_by_hand() -> None:
    # Two groups of two channels: means 3 and 15, σ = √(4 + 12) and √(25 + 12) … as layer norm.
    layer = GroupNorm(2, 4, epsilon=12.0)
    parameters = {"scale": np.array([3.0, 6.0, 1.0, 1.0]), "shift": np.zeros(4)}
    x, dy = np.array([[1.0, 5.0, 20.0, 10.0]]), np.array([[1.0, 0.0, 0.0, 0.0]])
    found = run(layer, parameters, x, dy)
    np.testing.assert_array_equal(found["y"][0, :2], [-1.5, 3.0])
    np.testing.assert_array_equal(found["dx"], [[0.28125, -0.28125, 0.0, 0.0]])


SWITCHES: list[dict[str, Any]] = [
    {"epsilon_placement": placement, "normalize_with": kind, "fast_variance": fast}
    for placement, kind, fast in product(
        ("inside", "outside", "both"), ("biased", "unbiased"), (False, True)
    )
]
LAYERS: list[tuple[Layer, str]] = [
    (BatchNorm(4, epsilon=0.1), "last"),
    (BatchNorm(4, axis=1, epsilon=0.1), "first"),
    (LayerNorm((4,), epsilon=0.1), "last"),
    (LayerNorm((2, 5, 4), epsilon=0.1), "last"),
    (LayerNorm((4, 5), axes=(1, 3), epsilon=0.1), "first"),
    (GroupNorm(2, 4, epsilon=0.1), "last"),
    (GroupNorm(4, 4, axis=1, epsilon=0.1), "first"),
]
ALL: list[tuple[Layer, str]] = [
    *((replace(layer, **switches), key) for layer, key in LAYERS for switches in SWITCHES),
    *(
        (RMSNorm(shape, axes, epsilon, placement, scale), "last")
        for shape, axes, epsilon, placement, scale in [
            ((4,), None, 0.1, "inside", True),
            ((4,), None, None, "inside", True),
            ((4,), None, 0.1, "outside", False),
            ((2, 4), (1, 3), 0.1, "both", True),
        ]
    ),
    (BatchNorm(4, scale=False), "last"),
    (BatchNorm(4, shift=False), "last"),
    (BatchNorm(4, frozen=True), "last"),
    (BatchNorm(4, update_statistics=False), "last"),
    (LayerNorm((4,), scale=False, shift=False), "last"),
    (GroupNorm(1, 4, scale=False), "last"),
]


@pytest.mark.parametrize(("layer", "key"), ALL, ids=str)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_formulas(layer: Layer, key: str, dtype: type) -> None:
    rng = np.random.default_rng(1)
    x, dy = rng.normal(size=SPATIAL[key]) + 0.5, rng.normal(size=SPATIAL[key])
    x, dy, parameters = x.astype(dtype), dy.astype(dtype), values(layer, dtype=dtype)
    for training in (True, False):
        expected, bounds = reference(layer, parameters, x, dy, training)
        actual = run(layer, parameters, x, dy, training=training)
        assert set(actual) == set(expected)
        assert {array.dtype for array in actual.values()} == {np.dtype(dtype)}
        compare(actual, expected, bounds, sides=1)


@pytest.mark.parametrize(("layer", "key"), ALL, ids=str)
def test_gradients_by_differences(layer: Layer, key: str) -> None:
    shape, rng = SPATIAL[key], np.random.default_rng(2)
    network = Network(
        (
            ("below", Affine(3, shape[-1])),
            ("layer", layer),
            ("flat", Flatten()),
            ("above", Affine(40, 2)),
        )
    )
    parameters = network.initialize(NAMED["standard_normal"], rng) | {
        f"layer.{name}": array for name, array in values(layer).items()
    }
    x, y = rng.normal(size=(*shape[:-1], 3)), rng.normal(size=(3, 2))
    for method in ("projection", "full"):
        assert check_gradients(
            network, MeanSquaredError(), parameters, x, y, method=method, rng=rng
        ) == ()  # fmt: skip


@settings(max_examples=100, deadline=None, derandomize=True)
@given(
    lengths=st.lists(st.integers(1, 6), min_size=2, max_size=4),
    axis=st.integers(1, 3),
    groups=st.integers(1, 3),
    kind=st.sampled_from(["batch", "layer", "group", "rms"]),
    switches=st.sampled_from(SWITCHES),
    scale=st.sampled_from([0.01, 1.0, 100.0]),
    seed=st.integers(0, 99),
)
def test_every_shape(
    lengths: list[int], axis: int, groups: int, kind: str, switches: dict[str, Any],
    scale: float, seed: int,
) -> None:  # fmt: skip
    axis = min(axis, len(lengths) - 1)
    if kind == "group":
        lengths[axis] *= groups
    layer: Layer = {
        "batch": BatchNorm(lengths[axis], axis, 0.1, **switches),
        "layer": LayerNorm((lengths[axis],), (axis,), 0.1, **switches),
        "group": GroupNorm(groups, lengths[axis] if kind == "group" else groups, axis, 0.1,
                           **switches),
        "rms": RMSNorm((lengths[axis],), (axis,), 0.1, switches["epsilon_placement"]),
    }[kind]  # fmt: skip
    rng = np.random.default_rng(seed)
    x, dy = rng.normal(size=lengths) * scale, rng.normal(size=lengths)
    parameters = values(layer, seed)
    expected, bounds = reference(layer, parameters, x, dy)
    compare(run(layer, parameters, x, dy), expected, bounds, sides=1)


def given_arrays() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(3)
    shapes = {"table": (6, 4), "row": (1, 4), **SPATIAL}
    arrays = {name: rng.normal(size=shape) + 0.5 for name, shape in shapes.items()}
    arrays |= {f"d{name}": rng.normal(size=shape) for name, shape in shapes.items()}
    for name in ("scale", "shift", "mean"):
        arrays[f"{name}/4"] = rng.normal(size=4)
    arrays["variance/4"] = rng.uniform(0.5, 2.0, size=4)
    return arrays | {f"{name}/axes": rng.normal(size=(4, 5)) for name in ("scale", "shift")}


GIVEN = given_arrays()


def given_values(layer: Layer) -> dict[str, np.ndarray]:
    """The parameters and buffers that the frameworks are given, too."""
    size = "axes" if layer.shapes().get("scale") == (4, 5) else "4"
    names = {name: f"{name}/{size}" for name in layer.shapes()}
    names |= {name: f"{name.removeprefix('running_')}/4" for name in layer.buffers()}
    return {name: GIVEN[key] for name, key in names.items()}


TORCH: dict[str, tuple[Layer, str]] = {
    "BatchNorm1d(4)": (BatchNorm(4, running_variance="unbiased"), "table"),
    "BatchNorm1d(4, affine=False)": (
        BatchNorm(4, running_variance="unbiased", scale=False, shift=False), "table",
    ),
    "BatchNorm2d(4, eps=EPSILON, momentum=1 - MOMENTUM)": (
        BatchNorm(4, 1, EPSILON, MOMENTUM, "unbiased"), "first",
    ),
    "BatchNorm2d(4, track_running_stats=False)": (
        BatchNorm(4, 1, update_statistics=False, inference="batch"), "first",
    ),
    "LayerNorm(4)": (LayerNorm((4,)), "last"),
    "LayerNorm((2, 5, 4), eps=EPSILON, elementwise_affine=False)": (
        LayerNorm((2, 5, 4), epsilon=EPSILON, scale=False, shift=False), "last",
    ),
    "LayerNorm(4, bias=False)": (LayerNorm((4,), shift=False), "last"),
    "GroupNorm(2, 4)": (GroupNorm(2, 4, 1), "first"),
    "GroupNorm(1, 4)": (GroupNorm(1, 4, 1), "first"),
    "InstanceNorm2d(4, affine=True)": (GroupNorm(4, 4, 1), "first"),
    "RMSNorm(4, eps=EPSILON)": (RMSNorm((4,), epsilon=EPSILON), "last"),
    "RMSNorm(4)": (RMSNorm((4,), epsilon=None), "last"),
}  # fmt: skip


@pytest.mark.parametrize("name", TORCH)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("training", [True, False])
def test_torch(name: str, dtype: type, training: bool) -> None:
    torch = pytest.importorskip("torch")
    layer, key = TORCH[name]
    module = eval(f"torch.nn.{name}").to(getattr(torch, np.dtype(dtype).name)).train(training)
    x, dy = GIVEN[key].astype(dtype), GIVEN[f"d{key}"].astype(dtype)
    parameters = {k: array.astype(dtype) for k, array in given_values(layer).items()}
    theirs = {"scale": "weight", "shift": "bias", "running_mean": "running_mean",
              "running_variance": "running_var"}  # fmt: skip
    with torch.no_grad():
        for k, array in parameters.items():
            if getattr(module, theirs[k]) is not None:
                getattr(module, theirs[k]).copy_(torch.tensor(array))
    tensor = torch.tensor(x, requires_grad=True)
    output = module(tensor)
    output.backward(torch.tensor(dy))
    expected = {"y": output.detach().numpy(), "dx": tensor.grad.numpy()}
    for k in layer.shapes():
        expected[f"d{k}"] = getattr(module, theirs[k]).grad.numpy()
    actual = run(layer, parameters, x, dy, training=training)
    for k in {"running_mean", "running_variance"} & set(actual):
        expected[k] = getattr(module, theirs[k]).numpy()
    compare(actual, expected, reference(layer, parameters, x, dy, training)[1], sides=2)


KERAS: dict[str, tuple[Layer, str]] = {
    "batch": (BatchNorm(4, -1, EPSILON, MOMENTUM), "table"),
    "batch_last": (BatchNorm(4, -1, EPSILON, MOMENTUM), "last"),
    "batch_first": (BatchNorm(4, 1, EPSILON, MOMENTUM), "first"),
    "batch_frozen": (BatchNorm(4, -1, EPSILON, MOMENTUM, frozen=True), "table"),
    "batch_of_one": (BatchNorm(4, -1, EPSILON, MOMENTUM), "row"),
    "layer": (LayerNorm((4,), epsilon=EPSILON), "last"),
    "layer_axes": (LayerNorm((4, 5), (1, 3), EPSILON), "first"),
    "group": (GroupNorm(2, 4, epsilon=EPSILON), "last"),
    "rms": (RMSNorm((4,), epsilon=EPSILON), "last"),
}
FLAX: dict[str, tuple[Layer, str]] = {
    "batch": (BatchNorm(4, -1, EPSILON, MOMENTUM, fast_variance=True), "table"),
    "batch_slow": (BatchNorm(4, -1, EPSILON, MOMENTUM), "table"),
    "batch_last": (BatchNorm(4, -1, EPSILON, MOMENTUM, fast_variance=True), "last"),
    "batch_first": (BatchNorm(4, 1, EPSILON, MOMENTUM, fast_variance=True), "first"),
    "layer": (LayerNorm((4,), epsilon=EPSILON, fast_variance=True), "last"),
    "layer_slow": (LayerNorm((4,), epsilon=EPSILON), "last"),
    "group": (GroupNorm(2, 4, epsilon=EPSILON, fast_variance=True), "last"),
    "rms": (RMSNorm((4,), epsilon=EPSILON), "last"),
}


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, np.ndarray]:
    folder = tmp_path_factory.mktemp("normalization")
    np.savez(folder / "inputs.npz", **GIVEN)
    script = Path(__file__).with_name("normalization_run.py")
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


@pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in ("keras", "tensorflow")),
    reason="needs keras and tensorflow",
)
@pytest.mark.parametrize("name", KERAS)
@pytest.mark.parametrize("mode", ["training", "inference"])
def test_keras(found: Mapping[str, np.ndarray], name: str, mode: str) -> None:
    layer, key = KERAS[name]
    agrees(found, f"keras/{name}", layer, key, mode)


@pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in ("jax", "flax")),
    reason="needs jax and flax",
)
@pytest.mark.parametrize("name", FLAX)
def test_flax(found: Mapping[str, np.ndarray], name: str) -> None:
    layer, key = FLAX[name]
    agrees(found, f"flax/{name}", layer, key, "training")


def agrees(
    found: Mapping[str, np.ndarray], name: str, layer: Layer, key: str, mode: str
) -> None:  # fmt: skip
    """Output, all gradients and running statistics against a framework's."""
    training, parameters = mode == "training", given_values(layer)
    actual = run(layer, parameters, GIVEN[key], GIVEN[f"d{key}"], training=training)
    prefix = f"{name}/{mode}/"
    expected = {k.removeprefix(prefix): v for k, v in found.items() if k.startswith(prefix)}
    if training and layer.buffers():
        for k in ("running_mean", "running_variance"):
            actual.setdefault(k, parameters[k])
            expected[k] = found[f"{name}/{k}"]
    assert set(actual) == set(expected)
    bounds = reference(layer, parameters, GIVEN[key], GIVEN[f"d{key}"], training)[1]
    compare(actual, expected, bounds, sides=2)


@pytest.mark.parametrize(("layer", "key"), LAYERS, ids=str)
def test_reused_memory_gives_the_same_bits_and_allocates_nothing_large(
    layer: Layer, key: str
) -> None:
    rng, memory, parameters = np.random.default_rng(4), Memory(reuse=True), values(layer)
    for shape in (SPATIAL[key], (2, *SPATIAL[key][1:])):
        for _ in range(3):
            x, dy = rng.normal(size=shape), rng.normal(size=shape)
            before = x.copy(), dy.copy()
            fresh = run(layer, parameters, x, dy)
            reused = run(layer, parameters, x, dy, memory=memory)
            for name, array in fresh.items():
                assert array.tobytes() == reused[name].tobytes(), name
            assert before[0].tobytes() == x.tobytes()
            assert before[1].tobytes() == dy.tobytes()
    x = np.ones((1000, *SPATIAL[key][1:]))
    x[::2] = 0.0
    run(layer, parameters, x, x, memory=memory)
    tracemalloc.start()
    run(layer, parameters, x, x, memory=memory)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # NumPy's buffers (64 KiB) and arrays of a number for each example and channel may be new
    # (GroupNorm holds seven of these, a tenth of the batch each); one of the batch's size not.
    assert peak < x.nbytes


def test_gradients_in_another_memory_order() -> None:
    x = np.random.default_rng(5).normal(size=(6, 4))
    for layer in (BatchNorm(4), LayerNorm((4,)), GroupNorm(2, 4), RMSNorm((4,))):
        plain = run(layer, values(layer), x, x)
        other = run(layer, values(layer), np.asfortranarray(x), np.asfortranarray(x))
        for name, array in plain.items():
            np.testing.assert_array_equal(array, other[name])


def test_running_statistics_are_new_arrays_and_only_in_training() -> None:
    network = Network((("norm", BatchNorm(2)),))
    parameters = {"norm.scale": np.ones(2), "norm.shift": np.zeros(2)}
    buffers = network.initial_buffers()
    np.testing.assert_array_equal(buffers["norm.running_mean"], [0, 0])
    np.testing.assert_array_equal(buffers["norm.running_variance"], [1, 1])
    x = np.random.default_rng(6).normal(size=(5, 2)) + 3.0
    memory = Memory(reuse=True)
    first = network.forward({**parameters, **buffers}, x, training=True, memory=memory).buffers
    kept = {name: array.copy() for name, array in first.items()}
    network.forward({**parameters, **first}, 2 * x, training=True, memory=memory)
    assert set(first) == set(buffers)
    for name, array in first.items():
        np.testing.assert_array_equal(array, kept[name])
        assert (array != buffers[name]).all()
    np.testing.assert_array_equal(buffers["norm.running_mean"], [0, 0])
    assert network.forward({**parameters, **buffers}, x).buffers == {}
    for still in (BatchNorm(2, update_statistics=False), BatchNorm(2, frozen=True)):
        network = Network((("norm", still),))
        assert network.forward({**parameters, **buffers}, x, training=True).buffers == {}


def test_what_inference_and_frozen_layers_normalize_with() -> None:
    x, dy = GIVEN["table"], GIVEN["dtable"]
    layer = BatchNorm(4)
    parameters = given_values(layer)
    running = run(layer, parameters, x, dy, training=False)
    frozen = run(replace(layer, frozen=True), parameters, x, dy)
    batch = run(replace(layer, inference="batch"), parameters, x, dy, training=False)
    training = run(layer, parameters, x, dy)
    for name in ("y", "dx", "dscale", "dshift"):
        np.testing.assert_array_equal(frozen[name], running[name])
        np.testing.assert_array_equal(batch[name], training[name])
    assert np.abs(running["y"] - training["y"]).max() > 0.1
    assert "running_mean" not in batch


@pytest.mark.parametrize("shape", [(1, 4), (1, 1, 1, 4)])
def test_a_batch_of_one(shape: tuple[int, ...]) -> None:
    x, layer = np.full(shape, 7.0), BatchNorm(4, running_variance="unbiased")
    parameters = values(layer)
    found = run(layer, parameters, x, np.ones(shape))
    np.testing.assert_array_equal(found["y"].reshape(4), parameters["shift"])
    np.testing.assert_array_equal(found["dx"], np.zeros(shape))
    kept = 0.9 * parameters["running_variance"]
    np.testing.assert_array_equal(found["running_variance"], kept)
    refusing = replace(layer, batch_of_one="refuse")
    with pytest.raises(InputError, match="Expected more than 1 for each channel. Received: 1"):
        run(refusing, parameters, x, x)
    run(refusing, parameters, x, x, training=False)
    run(refusing, parameters, np.zeros((2, *shape[1:])), np.zeros((2, *shape[1:])))
    torch = pytest.importorskip("torch")
    with pytest.raises(ValueError, match="more than 1 value per channel"):
        torch.nn.BatchNorm1d(4)(torch.ones(1, 4))
    always = replace(refusing, inference="batch")
    with pytest.raises(InputError, match="Received: 1"):
        run(always, parameters, x, x, training=False)
    with pytest.raises(ValueError, match="more than 1 value per channel"):
        torch.nn.BatchNorm1d(4, track_running_stats=False).eval()(torch.ones(1, 4))


@pytest.mark.parametrize("place", ["inside", "outside", "both"])
def test_constant_channels_have_no_slope(place: Any) -> None:
    # 2 and its mean are exact, so that the variance is exactly 0.
    for layer in (
        BatchNorm(4, epsilon_placement=place),
        LayerNorm((4,), epsilon_placement=place),
        GroupNorm(2, 4, epsilon_placement=place),
    ):
        x = np.full((8, 4), 2.0)
        found = run(layer, values(layer), x, np.ones((8, 4)))
        expected = np.broadcast_to(values(layer)["shift"], (8, 4))
        np.testing.assert_array_equal(found["y"], expected)
        assert np.isfinite(found["dx"]).all()


def test_no_examples() -> None:
    for layer in (LayerNorm((4,)), GroupNorm(2, 4), RMSNorm((4,)), BatchNorm(4, frozen=True)):
        found = run(layer, values(layer), np.zeros((0, 4)), np.zeros((0, 4)))
        assert found["y"].shape == found["dx"].shape == (0, 4)
        np.testing.assert_array_equal(found["dscale"], np.zeros(4))
    with pytest.raises(InputError, match="Expected more than 0 for each channel. Received: 0"):
        run(BatchNorm(4), values(BatchNorm(4)), np.zeros((0, 4)), np.zeros((0, 4)))


def test_fast_variance_cancels() -> None:
    # E[x²] is rounded by about 2⁻²⁴ of 10⁶, against a variance of 4: up to 1.5e-2 of it; with
    # the mean taken off first, the error is that of the mean, 2⁻²⁴ · 10³ · √4 of 4: 3e-5.
    x = (np.random.default_rng(7).normal(size=(1, 4096)) * 2 + 1000).astype(np.float32)
    exact = (x - x.mean(dtype=np.float64)) / x.std(dtype=np.float64)
    errors = [
        np.abs(LayerNorm((4096,), epsilon=0.0, fast_variance=fast, scale=False, shift=False)
               .apply({}, x)[0] - exact).max() for fast in (True, False)
    ]  # fmt: skip
    assert errors[0] > 20 * errors[1]


def test_fast_variance_is_never_negative() -> None:
    # The mean of squares of 0.1 rounds below the square of the mean: without the limit the root
    # of a negative number, as ε is next to nothing.
    found_negative = False
    for count in range(2, 40):
        x = np.full((count, 1), 0.1, np.float32)
        cut = (x * x).sum() / count - (x.sum() / count) ** 2
        found_negative |= bool(cut < 0.0)
        for layer, array in (
            (BatchNorm(1, epsilon=1e-30, fast_variance=True), x),
            (LayerNorm((count,), epsilon=1e-30, fast_variance=True), x.T),
            (GroupNorm(1, count, epsilon=1e-30, fast_variance=True), x.T),
        ):
            found = run(layer, values(layer, dtype=np.float32), array, np.ones_like(array))
            assert all(np.isfinite(value).all() for value in found.values())
    assert found_negative


def test_scales_are_no_weights() -> None:
    parameters = {f"norm.{name}": array for name, array in values(BatchNorm(4)).items()}
    assert L2(1.0).value(parameters) == 0.0


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: run(BatchNorm(4), {}, np.ones((2, 3)), np.ones(1)),
         r"Expected 4 channels on axis -1 of a batch. Received: \(2, 3\)"),
        (lambda: run(BatchNorm(4, 2), {}, np.ones((2, 4)), np.ones(1)),
         r"Expected 4 channels on axis 2 of a batch. Received: \(2, 4\)"),
        (lambda: run(BatchNorm(4, 0), {}, np.ones((4, 4)), np.ones(1)),
         r"Expected 4 channels on axis 0 of a batch. Received: \(4, 4\)"),
        (lambda: run(GroupNorm(2, 4, 1), {}, np.ones((2, 3, 4)), np.ones(1)),
         r"Expected 4 channels on axis 1 of a batch. Received: \(2, 3, 4\)"),
        (lambda: GroupNorm(3, 4), r"Expected a multiple of the 3 groups. Received: 4 channels"),
        (lambda: GroupNorm(0, 4), r"Expected a multiple of the 0 groups"),
        (lambda: run(GroupNorm(2, 4), {}, np.ones((2, 0, 4)), np.ones(1)),
         r"Expected a value in each group. Received: \(2, 0, 4\)"),
        (lambda: run(LayerNorm((3,)), {}, np.ones((2, 4)), np.ones(1)),
         r"Expected \(3,\) on axes \(-1,\) of a batch \(N, …\). Received: \(2, 4\)"),
        (lambda: run(LayerNorm((4,), (0,)), {}, np.ones((4, 4)), np.ones(1)), r"on axes \(0,\)"),
        (lambda: run(LayerNorm((4, 4), (2, 1)), {}, np.ones((4, 4, 4)), np.ones(1)),
         r"Expected \(4, 4\) on axes \(2, 1\)"),
        (lambda: run(RMSNorm((2, 4)), {}, np.ones((2, 4)), np.ones(1)), r"Expected \(2, 4\)"),
        (lambda: run(LayerNorm(()), {}, np.ones((2, 4)), np.ones(1)), r"Expected \(\)"),
        (lambda: BatchNorm(4, epsilon=-1.0), "Expected a number from 0. Received: -1.0"),
        (lambda: LayerNorm((4,), epsilon=float("nan")), "Expected a number from 0"),
        (lambda: GroupNorm(2, 4, epsilon=-1.0), "Expected a number from 0"),
        (lambda: RMSNorm((4,), epsilon=-1.0), "Expected a number from 0"),
    ],
)  # fmt: skip
def test_refuses(make: Any, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        make()
    assert "Received" in str(caught.value)
