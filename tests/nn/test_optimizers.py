import dataclasses
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from netparity.errors import InputError
from netparity.nn.optimizers import (
    SGD,
    Adadelta,
    AdaGrad,
    Adam,
    Adamax,
    AdamW,
    EqualAverage,
    ExponentialMovingAverage,
    Ftrl,
    Lion,
    Muon,
    NAdam,
    Optimizer,
    RAdam,
    RMSProp,
    default_optimizer,
)

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
    Adam(0.1, amsgrad=True, amsgrad_form="corrected", epsilon_placement="hat"),
    *(
        RMSProp(0.1, 0.9, momentum, 0.01, placement, centered, form, nesterov, 0.5, correct, 0.01)
        for momentum, form, nesterov in (
            (0.0, "rate-outside", False),
            (0.9, "rate-outside", True),
            (0.9, "rate-inside", False),
        )
        for placement in ("outside", "inside")
        for centered in (False, True)
        for correct in (False, True)
    ),
    *(
        kind
        for decay in ("coupled", "decoupled")
        for kind in (
            AdaGrad(0.1, rate_decay=0.5, weight_decay=0.01, decay=decay),
            AdaGrad(0.1, 0.0, "inside", 0.1, weight_decay=0.01, decay=decay),
            Adadelta(0.1, weight_decay=0.01, decay=decay),
            Adamax(0.1, weight_decay=0.01, decay=decay),
            Adamax(0.1, epsilon_placement="outside", weight_decay=0.01, decay=decay),
            NAdam(0.1, weight_decay=0.01, decay=decay),
            NAdam(0.1, momentum_decay=None, rounding="float32-product"),
            NAdam(0.1, momentum_decay=1.0, rounding="float32-base"),
            RAdam(0.1, threshold=4.0, beta2=0.7, weight_decay=0.01, decay=decay),
            RAdam(0.1, epsilon_placement="outside", threshold=4.0, beta2=0.7),
            Lion(0.1, weight_decay=0.01, decay=decay),
            Ftrl(0.1, l1=0.1, l2=0.2, l2_shrinkage=0.3, weight_decay=0.01, decay=decay),
            Muon(0.1, weight_decay=0.01, decay=decay),
            Muon(0.1, epsilon_placement="minimum", scale="rms", bias_correction=True),
            Muon(0.1, nesterov=False, scale="none", bias_correction=True, others=SGD(0.5, 0.9)),
        )
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
    for slot in optimizer.slots:
        for array in state[slot].values():
            assert np.all(array == np.array(optimizer.first_value(slot), dtype))
    for name in w:
        assert second[name].dtype == dtype
        np.testing.assert_array_equal(first[name], kept[name])
    for slot in optimizer.slots:
        for name, array in after[slot].items():
            assert array.dtype == dtype
            np.testing.assert_array_equal(array, slots[slot][name])
    assert first["a.bias"] is w["a.bias"]


@pytest.mark.parametrize("optimizer", EVERY_OPTIMIZER, ids=repr)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_rate_for_one_update(optimizer: Optimizer, dtype: type) -> None:
    rng = np.random.default_rng(1)
    w = {"w": rng.normal(size=(2, 3)).astype(dtype)}
    g = {"w": rng.normal(size=(2, 3)).astype(dtype)}
    changed: Any = optimizer
    changed = dataclasses.replace(changed, learning_rate=0.25)
    ours, state = optimizer.initialize(w), changed.initialize(w)
    given_it, expected = w, w
    for _ in range(3):
        given_it, ours = optimizer.update(given_it, g, ours, np.float64(0.25))
        expected, state = changed.update(expected, g, state)
    np.testing.assert_array_equal(given_it["w"], expected["w"])
    assert given_it["w"].dtype == dtype
    assert not np.array_equal(
        given_it["w"], optimizer.update(w, g, optimizer.initialize(w))[0]["w"]
    )


@pytest.mark.parametrize("optimizer", EVERY_OPTIMIZER, ids=repr)
def test_pieces_are_updated_as_the_whole(optimizer: Optimizer) -> None:
    rng = np.random.default_rng(2)
    whole = {"w": rng.normal(size=(4, 6))}
    pieces = {"a": whole["w"].reshape(-1)[:7], "b": whole["w"].reshape(-1)[7:]}
    state, states = optimizer.initialize(whole), optimizer.initialize(pieces)
    for _ in range(3):
        g = rng.normal(size=(4, 6))
        whole, state = optimizer.update(whole, {"w": g}, state)
        parts = {"a": g.reshape(-1)[:7], "b": g.reshape(-1)[7:]}
        pieces, states = optimizer.update(pieces, parts, states)
    together = np.concatenate([pieces["a"], pieces["b"]]).reshape(4, 6)
    assert np.array_equal(together, whole["w"]) == optimizer.elementwise


@given(st.lists(st.sampled_from([0, 1, 2, 5]), min_size=1, max_size=3), st.booleans())
def test_shapes(shape: list[int], single: bool) -> None:
    dtype = np.float32 if single else np.float64
    for optimizer in (
        SGD(0.1, 0.9), Adam(0.1), AdaGrad(0.1), RMSProp(0.1, centered=True, momentum=0.9),
        Adadelta(), Adamax(0.1), NAdam(0.1), RAdam(0.1), Lion(0.1), Ftrl(0.1), Muon(0.1),
    ):  # fmt: skip
        w = {"w": np.full(shape, 0.5, dtype)}
        state = optimizer.initialize(w)
        for gradient in (0.5, 0.0):
            w, state = optimizer.update(w, {"w": np.full(shape, gradient, dtype)}, state)
            assert w["w"].shape == tuple(shape)
            assert w["w"].dtype == dtype
            assert np.isfinite(w["w"]).all()
            assert all(np.isfinite(state[slot]["w"]).all() for slot in optimizer.slots)


@pytest.mark.parametrize("optimizer", EVERY_OPTIMIZER, ids=repr)
def test_numpy_scalars_do_not_upcast(optimizer: Optimizer) -> None:
    anything: Any = optimizer
    scalars = {
        field.name: np.float64(value)
        for field in dataclasses.fields(anything)
        if isinstance(value := getattr(anything, field.name), float)
    }
    anything = dataclasses.replace(anything, **scalars)
    w = {"w": np.ones((2, 2), np.float32), "b": np.ones(2, np.float32)}
    updated, state = anything.update(w, w, anything.initialize(w))
    for name in w:
        assert updated[name].dtype == np.float32
        assert all(state[slot][name].dtype == np.float32 for slot in anything.slots)


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


def test_amsgrad_by_hand() -> None:
    # β₂ = ½, gradients 4 and 0: v = 8, 4; v̂ = 16, 16/3. Raw: max v = 8, corrected to 32/3.
    # Corrected: max v̂ = 16. β₁ = 0: m = g = 4, then the step is 4/√(max) and 0.
    for form, largest in (("raw", [8.0, 8.0]), ("corrected", [16.0, 16.0])):
        optimizer = Adam(0.5, 0.0, 0.5, 0.0, amsgrad=True, amsgrad_form=form)
        w, state = {"w": np.ones(1)}, optimizer.initialize({"w": np.ones(1)})
        for gradient, expected in zip((4.0, 0.0), largest, strict=True):
            w, state = optimizer.update(w, {"w": np.array([gradient])}, state)
            assert state["second_moment_maximum"]["w"][0] == expected
        assert w["w"][0] == 0.5


def test_corrected_amsgrad_in_all_placements() -> None:
    # β₁ = 0, β₂ = ½, ε = 1: gradient 8, then 2. v = 32, 18; v̂ = 64, 24; the largest is 64.
    # Outside 2/(8 + 1); inside 2/√65; hat, with c = 1 − β₂² = ¾: √c · 2/(√(64 c) + 1).
    steps = {
        "outside": 2 / 9,
        "inside": 2 / np.sqrt(65),
        "hat": np.sqrt(0.75) * 2 / (np.sqrt(48) + 1),
    }
    for placement, step in steps.items():
        optimizer = Adam(0.5, 0.0, 0.5, 1.0, placement, amsgrad=True, amsgrad_form="corrected")
        first, second = run(optimizer, [8.0, 2.0])
        # A handful of roundings of numbers below 1.
        assert first - second == pytest.approx(0.5 * step, abs=1e-15)


# w = 1, η = ½, gradients 4 and 3 unless the comment says otherwise.
@pytest.mark.parametrize(
    ("optimizer", "path"),
    [
        # s = 16, 25.
        (AdaGrad(0.5, 0.0, initial_accumulator=2.0**-60), [0.5, 0.5 - 0.5 * 3 / 5]),
        # s = 9 + 16 = 25, 34; √25 + 3, √34 + 3.
        (AdaGrad(0.5, 3.0, "outside", 9.0), [1 - 0.25, 0.75 - 1.5 / (np.sqrt(34) + 3)]),
        # √(25 + 11), √(34 + 11).
        (AdaGrad(0.5, 11.0, "inside", 9.0), [1 - 2 / 6, 1 - 2 / 6 - 1.5 / np.sqrt(45)]),
        # The second rate is ½/(1 + ½).
        (AdaGrad(0.5, 0.0, "inside", 9.0, 0.5), [1 - 2 / 5, 0.6 - 1 / np.sqrt(34)]),
        # v = 4, 3 + 9/4 = 21/4.
        (RMSProp(0.5, 0.75, epsilon=0.0), [0.0, -1.5 / np.sqrt(5.25)]),
        (RMSProp(0.5, 0.75, 0.0, 2.0), [0.5, 0.5 - 1.5 / (np.sqrt(5.25) + 2)]),
        (RMSProp(0.5, 0.75, 0.0, 5.0, "inside"), [1 - 2 / 3, 1 / 3 - 1.5 / np.sqrt(10.25)]),
        # v = 16/4 + ¾·20 = 19; ¾·19 + 9/4 = 16.5.
        (
            RMSProp(0.5, 0.75, epsilon=0.0, initial_accumulator=20.0),
            [1 - 2 / np.sqrt(19), 1 - 2 / np.sqrt(19) - 1.5 / np.sqrt(16.5)],
        ),
        # a = 1, 3/2; v − a² = 3, 3.
        (
            RMSProp(0.5, 0.75, epsilon=0.0, centered=True),
            [1 - 2 / np.sqrt(3), 1 - 3.5 / np.sqrt(3)],
        ),
        # v̂ = 16, 21/4 / (7/16) = 12; u = 1, 3/√12.
        (
            RMSProp(0.5, 0.75, epsilon=0.0, bias_correction=True),
            [0.5, 0.5 - 1.5 / np.sqrt(12)],
        ),
        # v̂ = 16, 12; â = 4, (3/2)/(7/16) = 24/7; v̂ − â² = 0, 12/49.
        (
            RMSProp(0.5, 0.75, 0.0, 1.0, "inside", centered=True, bias_correction=True),
            [-1.0, -1 - 10.5 / np.sqrt(61)],
        ),
        # u = 2, 3/√5.25; b = u, b/2 + u.
        (
            RMSProp(0.5, 0.75, 0.5, 0.0),
            [0.0, -0.5 * (1 + 3 / np.sqrt(5.25))],
        ),
        # Nesterov: b/2 + u = 3; then (1 + u)/2 + u.
        (
            RMSProp(0.5, 0.75, 0.5, 0.0, nesterov=True),
            [-0.5, -0.5 - 0.5 * (0.5 + 1.5 * 3 / np.sqrt(5.25))],
        ),
        # v = 4, u = 4·√2/√6, d = u²/4 = 32/24.
        (
            Adadelta(0.5, 0.75, 2.0),
            [
                1 - 2 * np.sqrt(2 / 6),
                1 - 2 * np.sqrt(2 / 6) - 1.5 * np.sqrt((32 / 24 + 2) / (5.25 + 2)),
            ],
        ),
        # m = 2, 5/2; corrected 4, 10/3; u = 5, max(5/2, 4).
        (Adamax(0.5, 0.5, 0.5, 1.0), [1 - 2 / 5, 0.6 - 5 / 3 / 4]),
        # u = 4, max(2, 3); and 1 beside it.
        (Adamax(0.5, 0.5, 0.5, 1.0, "outside"), [1 - 2 / 5, 0.6 - 5 / 3 / 4]),
        (Adamax(0.5, 0.5, 0.9375, 1.0, "outside"), [1 - 2 / 5, 0.6 - 5 / 3 / 4.75]),
        # m = 2, 5/2, v̂ = 16, 12; ½ m/(1 − ½ᵗ⁺¹) + ½ g/(1 − ½ᵗ) = 4/3 + 4, then 10/7 + 2.
        (
            NAdam(0.5, 0.5, 0.75, 0.0, None),
            [1 - 2 / 3, 1 / 3 - 0.5 * (10 / 7 + 2) / np.sqrt(12)],
        ),
        # sign(½ m + ½ g) with m = 0, 1.
        (Lion(0.5, 0.5, 0.75), [0.5, 0.0]),
        # n = 25, 34; z = 4 − (5 − 3)·2 = 0, then 3 − (√34 − 5)·2·0.
        (Ftrl(0.5, initial_accumulator=9.0), [0.0, -3 / (2 * np.sqrt(34))]),
        # z = 4 + 2·¼ − 4 = ½, which λ₁ = 1 makes 0; then 3.5 − 1 over 2√34 + 2 + 2.
        (
            Ftrl(0.5, 0.5, 9.0, 1.0, 1.0, 0.25, 1.0),
            [0.0, -2.5 / (2 * np.sqrt(34) + 2 + 2)],
        ),
    ],
    ids=repr,
)
def test_the_others_by_hand(optimizer: Optimizer, path: list[float]) -> None:
    # Fewer than sixteen roundings of numbers below 4.
    assert run(optimizer, [4.0, 3.0]) == pytest.approx(path, abs=16 * 4 * 2.0**-53)


def test_a_variance_that_rounding_leaves_below_zero() -> None:
    # Of a constant gradient nothing is left but rounding: v − a² ends below 0 for some.
    gradients = np.random.default_rng(0).normal(size=1000)
    w, optimizer = {"w": np.zeros(1000)}, RMSProp(0.5, 0.5, epsilon=1.0, centered=True)
    state = optimizer.initialize(w)
    for _ in range(100):
        w, state = optimizer.update(w, {"w": gradients}, state)
    assert (state["accumulator"]["w"] - state["mean"]["w"] ** 2).min() < 0.0
    assert np.isfinite(w["w"]).all()


def test_nadam_by_hand() -> None:
    # ψ = 1: μ₁ = ½(1 − ½·0.96), μ₂ = ½(1 − ½·0.96²); m̂ of one step with g = 4, m = 2, √v̂ = 4.
    mu1, mu2 = 0.5 * (1 - 0.48), 0.5 * (1 - 0.5 * 0.96**2)
    step = (1 - mu1) / (1 - mu1) * 4 + mu2 / (1 - mu1 * mu2) * 2
    for rounding in ("exact", "float32-product", "float32-base"):
        optimizer = NAdam(0.5, 0.5, 0.75, 0.0, 1.0, rounding)
        # Roundings to float32, of numbers below 1, by half an ulp each; of float64 else.
        bound = 2.0**-52 * 8 if rounding == "exact" else 2.0**-24 * 8
        assert run(optimizer, [4.0])[0] == pytest.approx(1 - step / 8, abs=bound)


def test_nadam_far_into_a_run() -> None:
    w, g = {"w": np.ones(1)}, {"w": np.ones(1)}
    for momentum_decay in (0.004, None):
        for beta1 in (0.9, 0.0):
            optimizer = NAdam(0.5, beta1, momentum_decay=momentum_decay)
            state = {**optimizer.initialize(w), "step": 10**6}
            # The product is 0 to rounding: what is left is (1 − μ) g + μ m over √v.
            moved, _ = optimizer.update(w, g, state)
            mu = beta1
            step = ((1 - mu) + mu * (1 - beta1)) / (np.sqrt(0.001) + 1e-8)
            # 0.96 to the power of 4000 is 1e-71: μ is β₁. √v̂ has an error of two ulp from
            # 1 − 0.999 and the bias correction; ten more roundings.
            assert moved["w"][0] == pytest.approx(1 - 0.5 * step, rel=16 * 2.0**-52)


def test_radam_by_hand() -> None:
    # β₂ = ¾: ρ∞ = 7; ρ = 1 and 7 − 4·(9/16)/(7/16) = 13/7: two short steps, η m̂ = 2.
    assert run(RAdam(0.5, 0.5, 0.75, 0.0), [4.0, 4.0]) == [-1.0, -3.0]
    # β₂ = 7/8: ρ∞ = 15, and ρ passes 5 on the way. g = 4 throughout, so m̂ = √v̂ = 4.
    for placement in ("hat", "outside"):
        path = [1.0, *run(RAdam(0.5, 0.5, 0.875, 0.5, placement), [4.0] * 9)]
        lengths = []
        for step in range(1, 10):
            power = 0.875**step
            rho = 15 - 2 * step * power / (1 - power)
            expected = 0.5 * 4
            if rho > 5:
                r = np.sqrt((rho - 4) * (rho - 2) * 15 / (11 * 13 * rho))
                beside = 0.5 / np.sqrt(1 - power) if placement == "hat" else 0.5
                expected = 0.5 * r * 4 / (4 + beside)
            # ρ loses up to 15 ulp of 1 in the difference, in r a fraction of it, and the path
            # is below 16: 16·(15 + 8 others)·2⁻⁵³.
            moved = path[step - 1] - path[step]
            assert moved == pytest.approx(expected, abs=16 * 23 * 2.0**-53), (step, placement)
            lengths.append(rho)
        assert lengths[0] < 5 < lengths[-1]


def test_radam_by_its_threshold() -> None:
    # ρ∞ = 7 is never above 7: all steps are short.
    optimizer = RAdam(0.5, 0.5, 0.75, 0.0, threshold=7.0)
    assert run(optimizer, [4.0] * 12)[-1] == 1.0 - 12 * 2.0


def test_muon_brings_singular_values_near_one() -> None:
    rng = np.random.default_rng(3)
    for shape in ((4, 6), (6, 4)):
        w, g = {"w": np.zeros(shape)}, {"w": rng.normal(size=shape)}
        for scale, factor in (
            ("none", 1.0),
            ("width", max(1.0, shape[1] / shape[0]) ** 0.5),
            ("rms", 0.2 * 6**0.5),
        ):
            moved, _ = Muon(1.0, scale=scale).update(w, g, Muon(1.0).initialize(w))
            left, values, right = np.linalg.svd(moved["w"] / factor, full_matrices=False)
            # The polynomial ends between 0.68 and 1.13, by its author; directions are kept.
            assert values.min() > 0.6
            assert values.max() < 1.2
            u, _, v = np.linalg.svd(-g["w"], full_matrices=False)
            # The orthogonal factor of either, off by as much as the singular values are from 1.
            assert np.abs(left @ right - u @ v).max() < 0.5


def test_muon_leaves_the_rest_to_another() -> None:
    others = Adam(0.5, 0.8)
    optimizer = Muon(0.25, others=others)
    w, g = {"b": np.ones(3)}, {"b": np.array([1.0, -2.0, 0.5])}
    moved, state = optimizer.update(w, g, optimizer.initialize(w))
    expected, adam = others.update(w, g, others.initialize(w), 0.125)
    np.testing.assert_array_equal(moved["b"], expected["b"])
    for slot in others.slots:
        np.testing.assert_array_equal(state[slot]["b"], adam[slot]["b"])
    assert not state["momentum"]["b"].any()


def test_adamw() -> None:
    made = AdamW(0.1, beta1=0.5, weight_decay=0.25)
    assert made == Adam(0.1, 0.5, weight_decay=0.25, decay="decoupled")


# ---- averages of parameters -----------------------------------------------------------------
# w = 4, then 8; β = ½; begun with 16.
@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        (ExponentialMovingAverage(0.5), [4.0, 6.0]),
        (ExponentialMovingAverage(0.5, "initial"), [10.0, 9.0]),
        # 2/(1 − ½), (1 + 4)/(1 − ¼).
        (ExponentialMovingAverage(0.5, "debiased"), [4.0, 5 / 0.75]),
        (EqualAverage(), [4.0, 6.0]),
    ],
    ids=repr,
)
def test_averages_by_hand(
    rule: ExponentialMovingAverage | EqualAverage, expected: list[float]
) -> None:
    for dtype in (np.float32, np.float64):
        start = {"w": np.array([16.0], dtype)}
        state = rule.initialize(start)
        before = rule.average(state)["w"]
        assert before[0] == (0.0 if "debiased" in repr(rule) else 16.0)
        for value, average in zip((4.0, 8.0), expected, strict=True):
            kept = state["average"]["w"].copy()
            following = rule.observe(state, {"w": np.array([value], dtype)})
            np.testing.assert_array_equal(state["average"]["w"], kept)
            state = following
            found = rule.average(state)["w"]
            assert found.dtype == dtype
            # One rounding, of 5/0.75.
            assert found[0] == pytest.approx(average, rel=float(np.finfo(dtype).eps))
        assert start["w"][0] == 16.0


# ---- bad input ------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: SGD(0.1, form="inside"), ["form", "'rate-inside'", "'inside'"]),
        (lambda: SGD(0.1, decay="l2"), ["decay", "'coupled'", "'l2'"]),
        (lambda: Adam(0.1, epsilon_placement="under"), ["epsilon_placement", "'hat'", "'under'"]),
        (lambda: Adam(0.1, beta_power="x"), ["beta_power", "'exact'", "'x'"]),
        (lambda: Adam(0.1, amsgrad_form="x"), ["amsgrad_form", "'raw'", "'x'"]),
        (lambda: AdaGrad(0.1, epsilon=0.0), ["initial_accumulator", "above 0", "both 0"]),
        (lambda: AdaGrad(0.1, epsilon=-1.0), ["epsilon", "at least 0", "-1.0"]),
        (lambda: AdaGrad(0.1, weight_decay=-1.0), ["weight_decay", "at least 0", "-1.0"]),
        (lambda: RMSProp(0.1, rho=1.0), ["rho", "from 0 to below 1", "1.0"]),
        (lambda: RMSProp(0.1, rho=float("nan")), ["rho", "from 0 to below 1", "nan"]),
        (lambda: RMSProp(0.1, form="averaged"), ["form", "'rate-outside'", "'averaged'"]),
        (lambda: RMSProp(0.1, epsilon_placement="hat"), ["epsilon_placement", "'hat'"]),
        (lambda: Adadelta(rho=-0.1), ["rho", "from 0", "-0.1"]),
        (lambda: Adamax(0.1, beta1=1.5), ["beta1", "below 1", "1.5"]),
        (lambda: Adamax(0.1, epsilon_placement="hat"), ["epsilon_placement", "'hat'"]),
        (lambda: NAdam(0.1, momentum_decay=-1.0), ["momentum_decay", "at least 0", "-1.0"]),
        (lambda: NAdam(0.1, rounding="x"), ["rounding", "'float32-base'", "'x'"]),
        (lambda: RAdam(0.1, beta2=0.6), ["beta2", "0.6", "below 1"]),
        (lambda: RAdam(0.1, threshold=3.0), ["threshold", "at least 4", "3.0"]),
        (lambda: Lion(0.1, beta2=1.0), ["beta2", "below 1", "1.0"]),
        (lambda: Ftrl(0.1, initial_accumulator=0.0), ["initial_accumulator", "all 0"]),
        (lambda: Ftrl(0.1, l1=-1.0), ["l1", "at least 0", "-1.0"]),
        (lambda: Muon(0.1, scale="wide"), ["scale", "'width'", "'wide'"]),
        (lambda: Muon(0.1, epsilon_placement="x"), ["epsilon_placement", "'minimum'", "'x'"]),
        (lambda: ExponentialMovingAverage(1.0), ["momentum", "below 1", "1.0"]),
        (lambda: ExponentialMovingAverage(0.5, "zero"), ["start", "'copy'", "'zero'"]),
        (lambda: default_optimizer("theano", "sgd"), ["torch", "keras", "'theano'"]),
        (lambda: default_optimizer("sklearn", "lion"), ["sklearn", "sgd, adam", "'lion'"]),
        (lambda: default_optimizer("optax", "adam"), ["optax", "learning rate", "None"]),
        (
            lambda: SGD(0.1).update({"w": np.ones(2)}, {"w": np.ones(3)}, {"step": 0}),
            ["'w'", "(2,)", "(3,)"],
        ),
        (
            lambda: SGD(0.1).update({"w": np.ones(2)}, {"v": np.ones(2)}, {"step": 0}),
            ["'v'", "['w']", "(2,)"],
        ),
    ],
)  # fmt: skip
def test_bad_input(make: Any, words: list[str]) -> None:
    with pytest.raises(InputError) as error:
        make()
    for word in words:
        assert word in error.value.message


def test_default_optimizers() -> None:
    assert default_optimizer("keras", "adam") == Adam(
        0.001, epsilon=1e-7, epsilon_placement="hat", decay="decoupled"
    )
    assert default_optimizer("optax", "sgd", 0.5) == SGD(0.5)
    assert default_optimizer("cs231n", "momentum").learning_rate == 0.01
