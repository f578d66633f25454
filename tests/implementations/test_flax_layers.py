"""Flax's layers, of NNX and of Linen, are read as layers that compute what they compute."""

import numpy as np
import pytest

pytest.importorskip("flax")

import flax.linen as linen
import jax
from flax import nnx

from netparity import nn
from netparity.diagnosis.probes import probe_buffers, probe_parameters, write
from netparity.diagnosis.twin import Twin
from netparity.implementations.flax import Flax

IMAGES = np.random.default_rng(0).standard_normal((5, 6, 6, 4))
ROWS = IMAGES[:, 0, 0]
TOKENS = np.random.default_rng(1).integers(0, 7, (5, 3))


def in_nnx(make):
    return Flax(nnx.Sequential(make(nnx.Rngs(0)), lambda x: x))


def in_linen(layer, x):
    module = linen.Sequential([layer])
    return Flax(module, variables=module.init(jax.random.key(0), x))


SIDES = {
    "LayerNorm": (
        lambda r: nnx.LayerNorm(4, epsilon=1e-3, rngs=r), linen.LayerNorm(1e-3), ROWS,
        nn.LayerNorm((4,), epsilon=1e-3, fast_variance=True),
    ),
    "RMSNorm": (
        lambda r: nnx.RMSNorm(4, rngs=r), linen.RMSNorm(), ROWS, nn.RMSNorm((4,), epsilon=1e-6),
    ),
    "GroupNorm": (
        lambda r: nnx.GroupNorm(4, num_groups=2, use_bias=False, rngs=r),
        linen.GroupNorm(2, use_bias=False), IMAGES,
        nn.GroupNorm(2, 4, axis=-1, epsilon=1e-6, fast_variance=True, shift=False),
    ),
    "BatchNorm": (
        lambda r: nnx.BatchNorm(4, momentum=0.9, rngs=r),
        linen.BatchNorm(use_running_average=True, momentum=0.9), IMAGES,
        nn.BatchNorm(4, axis=-1, epsilon=1e-5, momentum=0.9, fast_variance=True),
    ),
    "Conv same": (
        lambda r: nnx.Conv(4, 3, (2, 3), strides=2, rngs=r), linen.Conv(3, (2, 3), strides=2),
        IMAGES, nn.Conv2D(4, 3, (2, 3), stride=2, padding="same"),
    ),
    "Conv groups": (
        lambda r: nnx.Conv(4, 6, (3, 3), padding=((0, 1), (2, 1)), feature_group_count=2, rngs=r),
        linen.Conv(6, (3, 3), padding=((0, 1), (2, 1)), feature_group_count=2),
        IMAGES, nn.Conv2D(4, 6, 3, padding=((0, 1), (2, 1)), groups=2),
    ),
    "Embed": (lambda r: nnx.Embed(7, 3, rngs=r), linen.Embed(7, 3), TOKENS, nn.Embedding(7, 3)),
}  # fmt: skip


@pytest.mark.parametrize("name", SIDES)
@pytest.mark.parametrize("kind", ["nnx", "linen"])
def test_a_layer_is_what_it_is_read_as(kind, name):
    make, layer, x, wanted = SIDES[name]
    live = in_nnx(make) if kind == "nnx" else in_linen(layer, x)
    declared = live.declared(x[:3])
    assert [found for _, found in declared.layers] == [wanted]
    twin, rng = Twin(declared), np.random.default_rng(2)
    values = probe_parameters(twin, rng) | probe_buffers(twin, rng)
    write(live, twin, values)
    got = live.predict(x)
    np.testing.assert_allclose(got, twin.forward(values, x).prediction, rtol=1e-12, atol=1e-12)
    kept = {**live.parameters(), **live.buffers()}
    assert set(kept) == {place.name for place in declared.places.values()}


def test_statistics_are_written_and_put_back():
    live = in_nnx(lambda r: nnx.BatchNorm(4, rngs=r))
    before = live.state()
    live.set_buffers({"layers.0.mean": np.arange(4.0)})
    assert np.array_equal(live.buffers()["layers.0.mean"], np.arange(4.0))
    live.restore(before)
    assert not np.any(live.buffers()["layers.0.mean"])


def test_a_layer_over_other_axes_is_not_known():
    live = in_nnx(lambda r: nnx.LayerNorm(4, reduction_axes=(1, 2, 3), rngs=r))
    assert live.declared(IMAGES[:2]).layers is None
