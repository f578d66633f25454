"""Updates in one pass against the pure functions: the same bits."""

import dataclasses

import numpy as np
import pytest

from netparity.nn import SGD, Adam, Optimizer
from netparity.nn.arrays import packed
from netparity.nn.engine import FusedUpdate, Kernels, kernels_of

SHAPES = {"first.weight": (30, 20), "first.bias": (20,), "second.weight": (20, 3)}
#: Each switch in both positions; not all of their products, since each is compiled by itself.
RULES: list[Optimizer] = [
    SGD(0.1),
    SGD(0.1, weight_decay=0.01, decay="decoupled", decay_scope="weights"),
    SGD(0.1, momentum=0.9, dampening=0.3, weight_decay=0.01),
    SGD(0.1, momentum=0.9, form="rate-inside", nesterov=True),
    SGD(0.1, momentum=0.9, form="averaged", nesterov=True),
    Adam(0.1, weight_decay=0.01, decay="decoupled"),
    Adam(0.1, beta1=0.3, epsilon_placement="hat", amsgrad=True),
    Adam(0.1, epsilon_placement="inside", weight_decay=0.01, decay_scope="weights"),
    Adam(0.1, epsilon_placement="hat", bias_correction=False, beta_power="float32-power"),
]


@pytest.fixture(params=["compiled", "plain"])
def kernels(request: pytest.FixtureRequest) -> Kernels:
    if request.param == "compiled":
        pytest.importorskip("numba")
    return kernels_of(request.param)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_same_bits_as_the_pure_update(kernels: Kernels, dtype: type) -> None:
    for optimizer in RULES:
        rng = np.random.default_rng(0)
        start = {name: rng.normal(size=shape).astype(dtype) for name, shape in SHAPES.items()}
        live, gradients = packed(start, dtype), packed(start, dtype)
        pure, state = dict(start), optimizer.initialize(start)
        kept = {
            key: packed(value, dtype) if isinstance(value, dict) else value
            for key, value in optimizer.initialize(start).items()
        }
        fused = FusedUpdate.of(optimizer, live, gradients, kept, kernels)
        assert fused is not None
        for step in range(4):
            for gradient in gradients.values():
                # From what vanishes beside ε to what swamps it, and exact zeros.
                size = 10.0 ** rng.uniform(-9, 1, gradient.shape)
                gradient[...] = size * rng.choice([-1.0, 0.0, 1.0], gradient.shape)
            rate = 0.1 if step < 2 else 0.05
            changed = dataclasses.replace(optimizer, learning_rate=rate)  # type: ignore[type-var]
            pure, state = changed.update(pure, gradients, state)
            fused.run(rate)
            for name in SHAPES:
                np.testing.assert_array_equal(live[name], pure[name], str(optimizer))
        for slot in optimizer.slots:
            for name in SHAPES:
                np.testing.assert_array_equal(kept[slot][name], state[slot][name], slot)
        assert kept["step"] == state["step"]


def test_arrays_that_lie_apart_have_no_pass(kernels: Kernels) -> None:
    optimizer = SGD(0.1)
    apart = {name: np.ones(shape) for name, shape in SHAPES.items()}
    together = packed(apart, np.float64)
    state = optimizer.initialize(apart)
    assert FusedUpdate.of(optimizer, apart, together, state, kernels) is None
    assert FusedUpdate.of(optimizer, together, apart, state, kernels) is None


def test_fits_only_the_very_same_objects(kernels: Kernels) -> None:
    optimizer = SGD(0.1, momentum=0.5)
    arrays = packed({name: np.ones(shape) for name, shape in SHAPES.items()}, np.float64)
    gradients = packed(arrays, np.float64)
    state = {"step": 0, "velocity": packed(arrays, np.float64)}
    fused = FusedUpdate.of(optimizer, arrays, gradients, state, kernels)
    assert fused is not None
    assert fused.fits(optimizer, gradients, state)
    state["velocity"] = packed(arrays, np.float64)
    assert not fused.fits(optimizer, gradients, state)
