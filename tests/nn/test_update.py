"""The update in place is the pure one to the bit, and keeps its intermediate arrays small."""

import tracemalloc
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netparity import nn
from netparity.nn.arrays import packed
from netparity.nn.engine.update import BLOCK, observe_in_place, update_in_place
from netparity.nn.optimizers import EqualAverage, ExponentialMovingAverage

OPTIMIZERS: list[nn.Optimizer] = [
    nn.SGD(0.1),
    nn.SGD(0.1, momentum=0.9, nesterov=True, dampening=0.25, weight_decay=0.1),
    nn.SGD(0.1, momentum=0.9, form="rate-inside", weight_decay=0.1, decay_scope="weights"),
    nn.Adam(0.1, amsgrad=True),
    nn.Adam(0.1, epsilon_placement="hat", weight_decay=0.1, decay="decoupled",
            decay_scope=("b.weight",)),
    nn.optimizers.AdaGrad(0.1), nn.optimizers.RMSProp(0.1), nn.optimizers.Adadelta(0.1),
    nn.optimizers.NAdam(0.1), nn.optimizers.RAdam(0.1), nn.optimizers.Lion(0.1),
    nn.optimizers.Adamax(0.1), nn.optimizers.Ftrl(0.1),
]  # fmt: skip
#: Not by elements: its update of a matrix is made of the whole of it.
MUON = nn.optimizers.Muon(0.1, weight_decay=0.1)
SHAPES = {"a.weight": (3, 2), "a.bias": (2,), "b.weight": (2, 1, 2), "b.bias": (), "c.none": (0,)}


def drawn(
    dtype: type, seed: int, together: bool, shapes: dict[str, tuple[int, ...]] = SHAPES
) -> Any:
    rng = np.random.default_rng(seed)
    arrays = {name: np.asarray(rng.normal(size=shape), dtype) for name, shape in shapes.items()}
    return packed(arrays, dtype) if together else arrays


@settings(max_examples=150, deadline=None, derandomize=True)
@given(
    optimizer=st.sampled_from([*OPTIMIZERS, MUON]),
    dtype=st.sampled_from([np.float32, np.float64]),
    together=st.booleans(),
    left_out=st.sets(st.sampled_from(sorted(SHAPES))),
    rate=st.sampled_from([0.1, 0.025]),
    seed=st.integers(0, 9),
)
def test_the_same_bits_as_the_pure_update(
    optimizer: nn.Optimizer, dtype: type, together: bool, left_out: set[str], rate: float, seed: int
) -> None:
    w = drawn(dtype, seed, together)
    expected, state = {name: array.copy() for name, array in w.items()}, optimizer.initialize(w)
    live = {
        k: packed(v, dtype) if together and isinstance(v, dict) else v for k, v in state.items()
    }
    arrays = [
        *w.values(),
        *(a for slot in live.values() if isinstance(slot, dict) for a in slot.values()),
    ]
    for step in range(3):
        gradients = drawn(dtype, 100 + step, together)
        if left_out:
            gradients = {name: g for name, g in gradients.items() if name not in left_out}
        copies = {name: g.copy() for name, g in gradients.items()}
        expected, state = optimizer.update(expected, gradients, state, rate)
        update_in_place(optimizer, w, gradients, live, rate)
        for name, g in gradients.items():
            assert g.tobytes() == copies[name].tobytes()
    assert live["step"] == state["step"] == 3
    for name, array in expected.items():
        assert w[name].tobytes() == array.tobytes(), name
        assert w[name].dtype == dtype
    for slot in optimizer.slots:
        for name, array in state[slot].items():
            assert live[slot][name].tobytes() == array.tobytes(), (slot, name)
    # Where they lay before.
    now = [
        *w.values(),
        *(a for slot in live.values() if isinstance(slot, dict) for a in slot.values()),
    ]
    assert all(a is b for a, b in zip(arrays, now, strict=True))


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=repr)
@pytest.mark.parametrize("size", [BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK + 5])
def test_pieces_join_without_a_seam(optimizer: nn.Optimizer, size: int) -> None:
    shapes = {"a.weight": (size,), "b.weight": (7,), "b.bias": (size,)}
    w = drawn(np.float32, 1, True, shapes)
    expected, state = {name: array.copy() for name, array in w.items()}, optimizer.initialize(w)
    live = {k: packed(v, np.float32) if isinstance(v, dict) else v for k, v in state.items()}
    for step in range(2):
        gradients = drawn(np.float32, 100 + step, True, shapes)
        expected, state = optimizer.update(expected, gradients, state)
        update_in_place(optimizer, w, gradients, live, optimizer.learning_rate)
    for name, array in expected.items():
        assert w[name].tobytes() == array.tobytes(), name


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=repr)
def test_no_intermediate_array_of_the_parameters_size(optimizer: nn.Optimizer) -> None:
    size = 100 * BLOCK
    w = drawn(np.float64, 1, True, {"a.weight": (100, BLOCK), "a.bias": (3,)})
    gradients = drawn(np.float64, 2, True, {"a.weight": (100, BLOCK), "a.bias": (3,)})
    live = {
        k: packed(v, np.float64) if isinstance(v, dict) else v
        for k, v in optimizer.initialize(w).items()
    }
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        update_in_place(optimizer, w, gradients, live, 0.1)
        peak = tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()
    # One array of the parameters' size would take 100 blocks; an update writes fewer than 16
    # intermediate arrays, each of a block.
    assert peak < 16 * 8 * BLOCK < 8 * size


@pytest.mark.parametrize(
    "rule",
    [
        EqualAverage(), ExponentialMovingAverage(0.875),
        ExponentialMovingAverage(0.875, "initial"), ExponentialMovingAverage(0.875, "debiased"),
    ],
    ids=repr,
)  # fmt: skip
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_an_average_in_place_is_the_pure_one(rule: Any, dtype: type) -> None:
    shapes = {"a": (3, BLOCK), "b": (), "c": (0,)}
    w = drawn(dtype, 1, True, shapes)
    state, live = rule.initialize(w), rule.initialize(w)
    arrays = list(live["average"].values())
    for step in range(3):
        for name, array in drawn(dtype, 10 + step, True, shapes).items():
            w[name][...] = array
        state = rule.observe(state, w)
        tracemalloc.start()
        try:
            before = tracemalloc.get_traced_memory()[0]
            observe_in_place(rule, live, w)
            # Three intermediate arrays of a block at most, where one of the whole would be three.
            assert tracemalloc.get_traced_memory()[1] - before < 3 * BLOCK * 8 + 4096
        finally:
            tracemalloc.stop()
    assert live["step"] == state["step"] == 3
    assert all(a is b for a, b in zip(arrays, live["average"].values(), strict=True))
    for name, array in state["average"].items():
        assert live["average"][name].tobytes() == array.tobytes()


@pytest.mark.parametrize("together", [False, True])
def test_slots_that_a_state_lacks_are_made(together: bool) -> None:
    w, g = drawn(np.float64, 0, together), drawn(np.float64, 1, together)
    before, optimizer = {name: array.copy() for name, array in w.items()}, nn.RMSProp(0.1)
    expected, _ = optimizer.update(before, g, optimizer.initialize(before))
    state = nn.Adam(0.1).initialize(w)
    update_in_place(optimizer, w, g, state, 0.1)
    for name, array in expected.items():
        assert np.array_equal(w[name], array)
        assert state["accumulator"][name].shape == array.shape
