"""Attention by hand, by differences, on every shape and against frameworks."""

import dataclasses
import importlib.util
import math
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
from tests.nn.roundings import bounds, drawn, results

from netparity.errors import InputError
from netparity.nn import (
    Affine,
    Attention,
    Layer,
    MeanSquaredError,
    Memory,
    MultiHeadAttention,
    Network,
    check_gradients,
)

HEADS = [
    MultiHeadAttention(4, 2),
    MultiHeadAttention(4, 1, causal=True),
    MultiHeadAttention(4, 2, 3, bias=False, scale=1.0, causal=True),
]


def test_by_hand() -> None:
    # The scores are log 3 and 0, so that the weights are ¾ and ¼; y = ¾·4 + ¼·8.
    x, keys = np.array([[[1.0]]]), np.array([[[math.log(3)], [0]]])
    values = np.array([[[4.0], [8]]])
    layer = Attention("k", "v")
    found = results(layer, {}, x, np.ones((1, 1, 1)), others=(keys, values))
    # Of each score dy/ds = w (v − y); a handful of roundings.
    expected = {
        "y": [[[5]]], "v": [[[0.75], [0.25]]], "k": [[[0.75 * -1], [0.25 * 3]]],
        "x": [[[-0.75 * math.log(3)]]],
    }  # fmt: skip
    for name, value in expected.items():
        assert ulps(found[name], np.array(value, float)) <= 8, name


def test_a_causal_query_sees_nothing_later() -> None:
    x = np.random.default_rng(0).normal(size=(1, 3, 2))
    y = Attention(causal=True).apply({}, x)[0]
    np.testing.assert_array_equal(y[:, 0], x[:, 0])
    later = x.copy()
    later[:, 2] += 1
    np.testing.assert_array_equal(Attention(causal=True).apply({}, later)[0][:, :2], y[:, :2])


# ---- gradients ------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "layer",
    [
        *HEADS,
        Attention(),
        Attention(scale=1.0, causal=True),
        Attention("first"),
        Attention("first", "second"),
        Attention(None, "second"),
        Attention("first", "first", causal=True),
        Attention("second", "input"),
    ],
    ids=repr,
)
def test_gradients(layer: Layer) -> None:
    net = Network((("first", Affine(4, 4)), ("second", Affine(4, 4)), ("layer", layer)))
    rng = np.random.default_rng(1)
    parameters = drawn(net.parameter_shapes(), 2)
    x, y = rng.normal(size=(2, 3, 4)), rng.normal(size=(2, 3, 4))
    assert check_gradients(net, MeanSquaredError(), parameters, x, y, rng=rng) == ()


# ---- every shape, against a plain program ---------------------------------------------------
def plain(q: np.ndarray, k: np.ndarray, v: np.ndarray, scale: float, causal: bool) -> np.ndarray:
    """Query by query; (T, D), (S, D) and (S, E)."""
    rows = []
    for t, query in enumerate(q):
        seen = slice(t + 1) if causal else slice(None)
        weights = np.exp(scale * (k[seen] @ query))
        rows.append(weights @ v[seen] / weights.sum())
    return np.array(rows).reshape(len(q), v.shape[1])


@settings(max_examples=100, deadline=None)
@given(
    rows=st.integers(0, 2), asked=st.integers(0, 4), kept=st.integers(1, 4), d=st.integers(1, 3),
    e=st.integers(0, 3), causal=st.booleans(), scale=st.sampled_from([None, 1.0, 0.25]),
    seed=st.integers(0, 99),
)  # fmt: skip
def test_every_shape(
    rows: int, asked: int, kept: int, d: int, e: int, causal: bool, scale: float | None, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    x, keys = rng.normal(size=(rows, asked, d)), rng.normal(size=(rows, kept, d))
    values, dy = rng.normal(size=(rows, kept, e)), rng.normal(size=(rows, asked, e))
    layer, others = Attention("k", "v", scale, causal), (keys, values)
    found = results(layer, {}, x, dy, others=others)
    factor = 1 / math.sqrt(d) if scale is None else scale
    expected = np.array(
        [plain(*each, factor, causal) for each in zip(x, keys, values, strict=True)]
    )
    # D products, S exponentials and as many products again, and six operations more.
    bound = bounds(layer, {}, x, dy, d + 2 * kept + 6, others)["y"]
    assert ulps(found["y"], expected.reshape(dy.shape)) <= bound
    assert [found[name].shape for name in ("x", "k", "v")] == [x.shape, keys.shape, values.shape]


@settings(max_examples=50, deadline=None)
@given(
    layer=st.sampled_from(HEADS), rows=st.integers(0, 2), length=st.integers(1, 4),
    seed=st.integers(0, 99),
)  # fmt: skip
def test_heads_are_attention_on_columns(
    layer: MultiHeadAttention, rows: int, length: int, seed: int
) -> None:
    parameters, rng = drawn(layer.shapes(), seed), np.random.default_rng(seed)
    x, dy = rng.normal(size=(rows, length, 4)), rng.normal(size=(rows, length, 4))
    found = results(layer, parameters, x, dy)
    depth = layer.depth or 4 // layer.heads
    asked = [
        x @ parameters[f"{name}_weight"] + parameters.get(f"{name}_bias", 0.0)
        for name in ("query", "key", "value")
    ]
    parts = []
    for head in range(layer.heads):
        columns = slice(head * depth, (head + 1) * depth)
        scale = 1 / math.sqrt(depth) if layer.scale is None else layer.scale
        single = Attention("k", "v", scale, layer.causal)
        q, k, v = (z[:, :, columns] for z in asked)
        parts.append(results(single, {}, q, np.zeros_like(q), others=(k, v))["y"])
    y = np.concatenate(parts, -1) @ parameters["output_weight"]
    y += parameters.get("output_bias", 0.0)
    assert ulps(found["y"], y) <= bounds(layer, parameters, x, dy, operations(layer, x))["y"]
    assert {name: found[name].shape for name in layer.shapes()} == layer.shapes()


def operations(layer: MultiHeadAttention, x: np.ndarray) -> int:
    """How many stand behind a number.

    The sums of the E products of two projections, of d products and 2 T weights in a head and
    of the N T in a gradient of a weight, and at most a dozen operations more.
    """
    depth = layer.depth or layer.inputs // layer.heads
    return 2 * layer.inputs + depth + (2 + x.shape[0]) * x.shape[1] + 12


# ---- frameworks -----------------------------------------------------------------------------
# A depth of 4, so that 1/√d is exact where a framework rounds its constants to float32.
LAYER = MultiHeadAttention(8, 2, causal=True)


def _given() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(3)
    weights = {f"heads/{name}": value for name, value in drawn(LAYER.shapes(), 4).items()}
    return {
        "attention/q": rng.normal(size=(2, 3, 4)), "attention/k": rng.normal(size=(2, 5, 4)),
        "attention/v": rng.normal(size=(2, 5, 6)), "attention/d": rng.normal(size=(2, 3, 6)),
        "attention/x": rng.normal(size=(2, 5, 8)), "attention/dx": rng.normal(size=(2, 5, 8)),
        "attention/heads": np.array(2), **weights,
    }  # fmt: skip


GIVEN = _given()
Q, K, V, D, X, DX = list(GIVEN.values())[:6]
WEIGHTS = {name[6:]: value for name, value in GIVEN.items() if name.startswith("heads/")}


def attention_agrees(layer: Attention, expected: Mapping[str, np.ndarray], dtype: type) -> None:
    x, keys, values, dy = (a.astype(dtype) for a in (Q, K, V, D))
    found = results(layer, {}, x, dy, others=(keys, values))
    # 4 products, 5 exponentials, 6 products again, 3 queries summed, and a dozen more.
    bound = bounds(layer, {}, x, dy, 30, (keys, values))
    for name, value in found.items():
        assert ulps(value, expected[name]) <= bound[name], name


def heads_agree(expected: Mapping[str, np.ndarray], dtype: type = np.float64) -> None:
    weights, x, dy = {n: a.astype(dtype) for n, a in WEIGHTS.items()}, X.astype(dtype), DX
    dy = dy.astype(dtype)
    found = results(LAYER, weights, x, dy)
    bound = bounds(LAYER, weights, x, dy, operations(LAYER, x))
    assert set(found) == set(expected)
    for name, value in found.items():
        if name == "key_bias":
            # It moves all scores of a query alike, so that its gradient is 0 but for rounding:
            # sums of the terms of the gradient of its weight, of size |x| near 1.
            scale = np.abs(found["key_weight"]).max() * np.finfo(dtype).eps
            assert np.abs(value - expected[name]).max() <= operations(LAYER, x) * scale
        else:
            assert ulps(value, expected[name]) <= bound[name], name


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("causal", [False, True])
def test_torch(causal: bool, dtype: type) -> None:
    torch = pytest.importorskip("torch")
    tensors = {
        name: torch.tensor(value.astype(dtype), requires_grad=True)
        for name, value in (("x", Q), ("keys", K), ("values", V))
    }
    y = torch.nn.functional.scaled_dot_product_attention(*tensors.values(), is_causal=causal)
    y.backward(torch.tensor(D.astype(dtype)))
    expected = {"y": y.detach().numpy(), **{n: t.grad.numpy() for n, t in tensors.items()}}
    attention_agrees(Attention("keys", "values", causal=causal), expected, dtype)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_heads_of_torch(dtype: type) -> None:
    torch = pytest.importorskip("torch")
    module = torch.nn.MultiheadAttention(
        8, 2, batch_first=True, dtype=torch.tensor(np.zeros(1, dtype)).dtype
    )
    names = ("query", "key", "value")
    with torch.no_grad():
        weight = np.concatenate([WEIGHTS[f"{name}_weight"].T for name in names])
        module.in_proj_weight.copy_(torch.tensor(weight))
        bias = np.concatenate([WEIGHTS[f"{name}_bias"] for name in names])
        module.in_proj_bias.copy_(torch.tensor(bias))
        module.out_proj.weight.copy_(torch.tensor(WEIGHTS["output_weight"].T))
        module.out_proj.bias.copy_(torch.tensor(WEIGHTS["output_bias"]))
    x = torch.tensor(X.astype(dtype), requires_grad=True)
    mask = torch.nn.Transformer.generate_square_subsequent_mask(5, dtype=x.dtype)
    y = module(x, x, x, attn_mask=mask, need_weights=False)[0]
    y.backward(torch.tensor(DX.astype(dtype)))
    expected = {
        "y": y.detach().numpy(), "x": x.grad.numpy(),
        "output_weight": module.out_proj.weight.grad.numpy().T,
        "output_bias": module.out_proj.bias.grad.numpy(),
    }  # fmt: skip
    for k, name in enumerate(names):
        rows = slice(8 * k, 8 * k + 8)
        expected[f"{name}_weight"] = module.in_proj_weight.grad.numpy()[rows].T
        expected[f"{name}_bias"] = module.in_proj_bias.grad.numpy()[rows]
    heads_agree(expected, dtype)


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


def under(found: Mapping[str, np.ndarray], place: str) -> dict[str, np.ndarray]:
    """What was found under a place, by its own names."""
    return {name[len(place) :]: a for name, a in found.items() if name.startswith(place)}


@pytest.mark.parametrize(("name", "causal"), [("plain", False), ("scaled", True)])
def test_keras(found: Mapping[str, np.ndarray], name: str, causal: bool) -> None:
    layer = Attention("keys", "values", 1.0, causal)
    attention_agrees(layer, under(found, f"keras/attention/{name}/"), np.float64)


@pytest.mark.parametrize("framework", ["keras", "flax"])
def test_heads(found: Mapping[str, np.ndarray], framework: str) -> None:
    expected = under(found, f"{framework}/heads/")
    if not expected:
        pytest.skip("needs flax")
    heads_agree(expected)


# ---- memory, numbers and refusals -----------------------------------------------------------
@pytest.mark.parametrize("layer", [*HEADS, Attention(), Attention("k", "v")], ids=repr)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_reused_memory_gives_the_same_bits_and_nothing_is_changed(
    layer: Layer, dtype: type
) -> None:
    memory = Memory(reuse=True).within("layer")
    for seed in range(3):
        rng = np.random.default_rng(seed)
        parameters = drawn(layer.shapes(), seed, dtype)
        x, dy, *others = (rng.normal(size=(2, 3, 4)).astype(dtype) for _ in range(4))
        given_others = tuple(others) if layer.sources else ()
        handed = [*parameters.values(), x, dy, *others]
        kept = [a.copy() for a in handed]
        reused = results(layer, parameters, x, dy, others=given_others, memory=memory)
        for name, value in results(layer, parameters, x, dy, others=given_others).items():
            np.testing.assert_array_equal(reused[name], value, err_msg=name)
            assert value.dtype == dtype
        for a, b in zip(handed, kept, strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("layer", [*HEADS, Attention(causal=True)], ids=repr)
def test_steps_allocate_nothing_large(layer: Layer) -> None:
    if isinstance(layer, MultiHeadAttention):
        layer = dataclasses.replace(layer, inputs=128)
    memory = Memory(reuse=True).within("layer")
    parameters = drawn(layer.shapes(), 0, np.float32)
    x = np.random.default_rng(0).normal(size=(2, 128, 128)).astype(np.float32)
    results(layer, parameters, x, x, memory=memory)
    tracemalloc.start()
    try:
        results(layer, parameters, x, x, memory=memory)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 64 * 1024


def test_huge_scores_stay_finite() -> None:
    x = np.random.default_rng(0).normal(size=(1, 3, 2)) * 1e4
    for value in results(Attention(), {}, x, np.ones_like(x)).values():
        assert np.isfinite(value).all()


def test_shapes_that_do_not_fit_are_refused() -> None:
    x = np.zeros((2, 3, 4))
    for keys, values in [
        ((2, 3, 5), (2, 3, 4)), ((1, 3, 4), (2, 3, 4)), ((2, 5, 4), (2, 3, 4)),
        ((2, 0, 4), (2, 0, 4)), ((2, 3, 4), (2, 3)),
    ]:  # fmt: skip
        with pytest.raises(InputError, match=r"keys \(N, S, D\)") as error:
            results(Attention("k", "v"), {}, x, x, others=(np.zeros(keys), np.zeros(values)))
        assert str(keys) in str(error.value)
    for shape in ((2, 4), (2, 3, 5), (2, 0, 4)):
        with pytest.raises(InputError, match=r"Expected \(N, T, 4\)"):
            HEADS[0].apply(drawn(HEADS[0].shapes(), 0), np.zeros(shape))
    with pytest.raises(InputError, match="multiple of 3 heads"):
        MultiHeadAttention(4, 3)
    assert MultiHeadAttention(4, 3, 2).shapes()["output_weight"] == (6, 4)
