import numpy as np
import pytest

from netparity.nn import SGD, Adam, Optimizer

EVERY_OPTIMIZER: list[Optimizer] = [
    SGD(0.1),
    *(
        SGD(0.1, 0.9, form, nesterov, 0.25, 0.01, decay)
        for form in ("rate-outside", "rate-inside", "averaged")
        for nesterov in (False, True)
        for decay in ("coupled", "decoupled")
    ),
    *(
        Adam(0.1, epsilon_placement=placement, bias_correction=correct, amsgrad=amsgrad,
             weight_decay=0.01, decay="decoupled")
        for placement in ("outside", "hat", "inside")
        for correct in (True, False)
        for amsgrad in (False, True)
    ),
]  # fmt: skip


def run(optimizer: Optimizer, gradients: list[float], start: float = 1.0) -> list[float]:
    w = {"w": np.array([start])}
    state = optimizer.initialize(w)
    path = []
    for gradient in gradients:
        w, state = optimizer.update(w, {"w": np.array([gradient])}, state)
        path.append(float(w["w"][0]))
    return path


@pytest.mark.parametrize("optimizer", EVERY_OPTIMIZER, ids=repr)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_pure_and_of_one_dtype(optimizer: Optimizer, dtype: type) -> None:
    rng = np.random.default_rng(0)
    w = {"a.weight": rng.normal(size=(2, 3)).astype(dtype), "a.bias": np.ones(3, dtype)}
    g = {"a.weight": rng.normal(size=(2, 3)).astype(dtype)}
    state = optimizer.initialize(w)
    first, after = optimizer.update(w, g, state)
    kept = {name: array.copy() for name, array in first.items()}
    slots = {s: {n: a.copy() for n, a in after[s].items()} for s in optimizer.slots}
    second, _ = optimizer.update(first, g, after)
    assert state["step"] == 0
    assert after["step"] == 1
    assert all(not array.any() for slot in optimizer.slots for array in state[slot].values())
    for name in w:
        assert second[name].dtype == dtype
        np.testing.assert_array_equal(first[name], kept[name])
    for slot in optimizer.slots:
        for name, array in after[slot].items():
            assert array.dtype == dtype
            np.testing.assert_array_equal(array, slots[slot][name])
    assert first["a.bias"] is w["a.bias"]


def test_numpy_scalars_do_not_upcast() -> None:
    w = {"w": np.ones(2, np.float32)}
    for optimizer in (
        SGD(np.float64(0.1), np.float64(0.9), "averaged", True, np.float64(0.1), np.float64(0.1)),
        Adam(*map(np.float64, (0.1, 0.9, 0.99, 1e-8)), weight_decay=np.float64(0.1)),
        Adam(np.float64(0.1), epsilon_placement="hat"),
    ):
        updated, state = optimizer.update(w, w, optimizer.initialize(w))
        assert updated["w"].dtype == np.float32
        assert all(state[slot]["w"].dtype == np.float32 for slot in optimizer.slots)


# Rate ½, momentum ½, gradients 1, 1 from w = 1; every number is exact in binary.
@pytest.mark.parametrize(
    ("optimizer", "path"),
    [
        (SGD(0.5), [0.5, 0.0]),
        # b = 1, 1.5.
        (SGD(0.5, 0.5), [0.5, -0.25]),
        (SGD(0.5, 0.5, "rate-inside"), [0.5, -0.25]),
        # b = 0.5, 0.75.
        (SGD(0.5, 0.5, "averaged"), [0.75, 0.375]),
        # g + b/2 = 1.5, 1.75.
        (SGD(0.5, 0.5, nesterov=True), [0.25, -0.625]),
        (SGD(0.5, 0.5, "rate-inside", nesterov=True), [0.25, -0.625]),
        # b/2 + g/2 = 0.75, 0.875.
        (SGD(0.5, 0.5, "averaged", nesterov=True), [0.625, 0.1875]),
        # b = 1, undamped; then 0.5 + 0.75.
        (SGD(0.5, 0.5, dampening=0.25), [0.5, -0.125]),
        # g + w/4 = 1.25; then 1 + 0.375/4.
        (SGD(0.5, weight_decay=0.25), [0.375, 0.375 - 0.5 * 1.09375]),
        # w (1 − 1/8) − ½.
        (SGD(0.5, weight_decay=0.25, decay="decoupled"), [0.375, 0.375 * 0.875 - 0.5]),
    ],
    ids=repr,
)
def test_sgd_by_hand(optimizer: SGD, path: list[float]) -> None:
    assert run(optimizer, [1.0, 1.0]) == path


def test_the_momentum_forms_part_when_the_rate_changes() -> None:
    w = {"w": np.array([1.0])}
    g = {"w": np.array([1.0])}
    ends = {}
    for form in ("rate-outside", "rate-inside"):
        fast, slow = SGD(0.5, 0.5, form), SGD(0.25, 0.5, form)
        middle, state = fast.update(w, g, fast.initialize(w))
        ends[form] = float(slow.update(middle, g, state)[0]["w"][0])
    # Outside: 0.5 − 0.25·1.5. Inside: v = −0.25 − 0.25.
    assert ends == {"rate-outside": 0.125, "rate-inside": 0.0}


@pytest.mark.parametrize(
    ("placement", "denominator"),
    # g = 4, β₂ = ¾: v = 4, v̂ = 16, √(1 − β₂) = ½; ε = 1.
    [("outside", 4 + 1), ("hat", (2 + 1) / 0.5), ("inside", np.sqrt(17))],
)
def test_adam_epsilon_by_hand(placement: str, denominator: float) -> None:
    optimizer = Adam(0.5, beta1=0.5, beta2=0.75, epsilon=1.0, epsilon_placement=placement)
    # m̂ = 4 in the first step; a handful of roundings of numbers below 1.
    assert run(optimizer, [4.0])[0] == pytest.approx(1 - 0.5 * 4 / denominator, abs=4e-16)


def test_adam_without_bias_correction() -> None:
    # m = 2, v = 4: the step is ½·2/2.
    assert run(Adam(0.5, 0.5, 0.75, 0.0, bias_correction=False), [4.0]) == [0.5]


def test_amsgrad_keeps_the_largest() -> None:
    large_then_small = [8.0] + [0.5] * 5
    plain = run(Adam(0.125, 0.5, 0.5), large_then_small)
    kept = run(Adam(0.125, 0.5, 0.5, amsgrad=True), large_then_small)
    assert plain[:1] == kept[:1]
    assert abs(kept[-1] - kept[-2]) < abs(plain[-1] - plain[-2])


def test_decay_scope() -> None:
    w = {"a.weight": np.ones(1), "a.bias": np.ones(1)}
    g = {name: np.zeros(1) for name in w}
    for decay in ("coupled", "decoupled"):
        optimizer = SGD(0.5, weight_decay=0.5, decay=decay, decay_scope="weights")
        updated, _ = optimizer.update(w, g, optimizer.initialize(w))
        assert updated["a.weight"][0] == 0.75
        assert updated["a.bias"][0] == 1.0


def test_a_state_without_slots_counts_as_zeros() -> None:
    w, g = {"w": np.ones(2)}, {"w": np.ones(2)}
    for optimizer in (SGD(0.5, 0.5), Adam(0.5, amsgrad=True)):
        with_zeros = optimizer.update(w, g, optimizer.initialize(w))[0]
        without = optimizer.update(w, g, {"step": 0})[0]
        np.testing.assert_array_equal(with_zeros["w"], without["w"])
