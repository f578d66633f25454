import json
import math
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.nn.measure import ulps
from tests.nn.optimizers_run import computed

from netparity.errors import InputError
from netparity.nn.schedules import (
    ConstantRate,
    CosineDecay,
    CosineRestarts,
    ExponentialDecay,
    InverseScaling,
    InverseTimeDecay,
    Join,
    PerEpoch,
    PiecewiseConstant,
    Plateau,
    PolynomialDecay,
    ReduceOnPlateau,
    Schedule,
    WarmUp,
    multi_step,
)

STEPS = 60
Found = Mapping[str, np.ndarray]


def rates(schedule: Schedule, steps: int = STEPS) -> np.ndarray:
    return np.array([schedule(t) for t in range(steps)])


# ---- by hand: numbers exact in binary, but for the cosine of a quarter ----------------------
@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        (ConstantRate(0.5), [0.5, 0.5]),
        (ExponentialDecay(1.0, 0.25, 2), [1.0, 0.5, 0.25, 0.125]),
        (ExponentialDecay(1.0, 0.25, 2, staircase=True), [1.0, 1.0, 0.25, 0.25, 0.0625]),
        (ExponentialDecay(1.0, 0.0), [1.0, 0.0, 0.0]),
        (PiecewiseConstant((1, 3), (4.0, 2.0, 1.0)), [4.0, 2.0, 2.0, 1.0, 1.0]),
        (PiecewiseConstant((1, 3), (4.0, 2.0, 1.0), "old"), [4.0, 4.0, 2.0, 2.0, 1.0]),
        (PiecewiseConstant((), (4.0,)), [4.0, 4.0]),
        (multi_step(1.0, (1, 3, 3), 0.5), [1.0, 0.5, 0.5, 0.125]),
        (PolynomialDecay(1.0, 4, 0.5), [1.0, 0.875, 0.75, 0.625, 0.5, 0.5]),
        (PolynomialDecay(1.0, 2, power=2.0), [1.0, 0.25, 0.0, 0.0]),
        # T is 2 up to t = 2, then 4 up to t = 4, then 6.
        (PolynomialDecay(1.0, 2, cycle=True), [1.0, 0.5, 0.0, 0.25, 0.0, 1 - 5 / 6, 0.0]),
        (InverseTimeDecay(1.0, 2, 2.0), [1.0, 0.5, 1 / 3, 0.25]),
        (InverseTimeDecay(1.0, 2, 1.0, staircase=True), [1.0, 1.0, 0.5, 0.5, 1 / 3]),
        (InverseScaling(1.0, 0.5, 3.0), [1.0, 0.5]),
        (InverseScaling(1.0, 2.0), [1.0, 0.25, 1 / 9]),
        (CosineDecay(1.0, 2, 0.5), [1.0, 0.75, 0.5, 0.5, 0.5]),
        (CosineDecay(1.0, 2, 0.5, after="periodic"), [1.0, 0.75, 0.5, 0.75, 1.0]),
        (CosineDecay(1.0, 2, power=2.0), [1.0, 0.25, 0.0]),
        (CosineRestarts(1.0, 2), [1.0, 0.5, 1.0, 0.5, 1.0]),
        # Waves of 2 and 4 steps, the second half as high above the end.
        (CosineRestarts(1.0, 2, 2.0, 0.5, 0.5), [1.0, 0.75, 0.75, None, 0.625, None, 0.625]),
        (CosineRestarts(1.0, 2, factor=0.5), [1.0, 0.5, 0.5, 0.25, 0.25]),
        (WarmUp(ConstantRate(1.0), 4), [0.0, 0.25, 0.5, 0.75, 1.0, 1.0]),
        (WarmUp(ConstantRate(1.0), 4, 0.5), [0.5, 0.625, 0.75, 0.875, 1.0, 1.0]),
        (WarmUp(ConstantRate(1.0), 4, first="up"), [0.25, 0.5, 0.75, 1.0, 1.0]),
        (WarmUp(ConstantRate(1.0), 0), [1.0, 1.0]),
        (WarmUp(ExponentialDecay(1.0, 0.5), 2), [0.0, 0.5, 1.0, 0.5]),
        (WarmUp(ExponentialDecay(1.0, 0.5), 2, form="times"), [0.0, 0.25, 0.25, 0.125]),
        (Join((ConstantRate(3.0), ExponentialDecay(1.0, 0.5)), (2,)), [3.0, 3.0, 1.0, 0.5]),
        (Join((ConstantRate(3.0),), ()), [3.0, 3.0]),
        (PerEpoch(ExponentialDecay(1.0, 0.5), 2), [1.0, 1.0, 0.5, 0.5, 0.25]),
        (
            PerEpoch(WarmUp(ExponentialDecay(1.0, 0.5), 1, 0.25), 2),
            [0.25, 0.25, 1.0, 1.0, 0.5],
        ),
    ],
    ids=repr,
)  # fmt: skip
def test_by_hand(schedule: Schedule, expected: list[float | None]) -> None:
    for step, rate in enumerate(expected):
        found = schedule(step)
        assert type(found) is float
        if rate is not None:
            # Three roundings of numbers up to 1; cos(π/2) is 6e-17 in place of 0.
            assert found == pytest.approx(rate, abs=4 * 2.0**-53), step


def test_numpy_numbers_make_plain_ones() -> None:
    for schedule in (
        ExponentialDecay(np.float64(0.5), np.float64(0.5)),
        CosineDecay(np.float32(0.5), np.int64(4), np.float64(0.1)),
        WarmUp(PolynomialDecay(np.float64(0.5), 3, np.float64(0.1)), 2, np.float64(0.5)),
        PiecewiseConstant((2,), (np.float64(1.0), np.float64(0.5))),
        InverseScaling(np.float64(1.0), np.float64(0.5)),
        InverseTimeDecay(np.float64(1.0), 3, np.float64(0.5)),
    ):
        assert type(schedule(np.int64(1))) is float


@given(st.integers(0, 200), st.integers(1, 50), st.floats(0.0, 1.0), st.integers(1, 3))
def test_bounds(step: int, steps: int, end: float, stretch: int) -> None:
    # Two roundings of numbers up to 1.
    slack = 2.0**-52
    for schedule in (
        CosineDecay(1.0, steps, end),
        CosineDecay(1.0, steps, end, after="periodic"),
        CosineRestarts(1.0, steps, float(stretch), 0.75, end),
        PolynomialDecay(1.0, steps, end),
        PolynomialDecay(1.0, steps, end, 3.0, cycle=True),
    ):
        assert end - slack <= schedule(step) <= 1.0 + slack
        assert schedule(0) == 1.0
    for after in (CosineDecay(1.0, steps, end), PolynomialDecay(1.0, steps, end)):
        assert after(steps) == after(steps + step) == end
    assert CosineRestarts(1.0, steps, float(stretch), end=end)(steps) == 1.0
    warm = WarmUp(ConstantRate(1.0), steps, end)
    assert end - slack <= warm(step) <= warm(step + 1) + slack <= 1.0 + 2 * slack


# ---- parity ---------------------------------------------------------------------------------
METRICS = [
    *(5.0, 4.0, 3.0, 3.0, 2.9999, 3.0, 3.5, 2.5, 2.5, 2.4999, 2.5, 2.5, 2.5, 2.5, 2.6, 2.5),
    *(2.0, 2.0, 2.0, 2.0, 2.0, 2.0, 1.99995, 1.9999, 1.9998, 2.0, 2.0, 1.0, 1.0, 1.0, 1.0, 1.0),
]
#: Name → our switches and, where they have them, the frameworks' words for them.
PLATEAUS: dict[str, dict[str, Any]] = {
    "patience_0": {"factor": 0.5, "patience": 0},
    "patience_1": {"factor": 0.5, "patience": 1},
    "patience_2": {"factor": 0.5, "patience": 2, "cooldown": 1},
    "cooldown_2": {"factor": 0.5, "patience": 1, "cooldown": 2},
    "cooldown_3": {"factor": 0.25, "patience": 2, "cooldown": 3},
}
#: Keras and optax cannot do without patience.
MINIMUM = 0.0625
KERAS_PLATEAUS = {
    name: {**constants, "min_lr": MINIMUM, "min_delta": 2.0**-12}
    for name, constants in PLATEAUS.items()
}
OPTAX_PLATEAUS = {
    name: {**constants, "min_scale": 2 * MINIMUM, "rtol": 2.0**-12}
    for name, constants in PLATEAUS.items()
    if constants["patience"] > 0
}


@pytest.fixture(scope="module")
def keras(tmp_path_factory: pytest.TempPathFactory) -> Found:
    inputs = {"steps": STEPS, "metrics": METRICS, "plateaus": json.dumps(KERAS_PLATEAUS)}
    return computed(tmp_path_factory.mktemp("keras"), "keras-schedules", inputs)


@pytest.fixture(scope="module")
def optax(tmp_path_factory: pytest.TempPathFactory) -> Found:
    inputs = {"steps": STEPS, "metrics": METRICS, "plateaus": json.dumps(OPTAX_PLATEAUS)}
    return computed(tmp_path_factory.mktemp("optax"), "optax-schedules", inputs)


#: A power or a cosine of a library (≤ 2 ulp on either side) of an argument with two roundings,
#: which a power of up to 60/8 and an angle of up to π magnify by less than 8; four more.
BOUND = 2 * (2 + 2 * 8 + 4)

KERAS: dict[str, Schedule] = {
    "exponential": ExponentialDecay(0.5, 0.75, 8),
    "staircase": ExponentialDecay(0.5, 0.75, 8, staircase=True),
    "piecewise": PiecewiseConstant((5, 12), (0.5, 0.25, 0.0625), "old"),
    "polynomial": PolynomialDecay(0.5, 16, 0.125, 2.0),
    "cycle": PolynomialDecay(0.5, 16, 0.125, 2.0, cycle=True),
    "inverse_time": InverseTimeDecay(0.5, 8, 0.75),
    "inverse_staircase": InverseTimeDecay(0.5, 8, 0.75, staircase=True),
    "cosine": CosineDecay(0.5, 16, 0.125),
    "cosine_warmup": WarmUp(CosineDecay(0.5, 16, 0.125), 6, 0.25),
    "restarts": CosineRestarts(0.5, 5, 2.0, 0.75, 0.125),
    "restarts_equal": CosineRestarts(0.5, 5, 1.0, 0.75, 0.125),
}


@pytest.mark.parametrize("name", KERAS)
def test_keras(keras: Found, name: str) -> None:
    assert ulps(rates(KERAS[name]), keras[f"{name}/float64"]) <= BOUND
    # A rate that is a plain number makes Keras compute in float32, whatever its float width.
    single = keras[f"{name}/float"]
    assert ulps(rates(KERAS[name]).astype(np.float32), single) <= BOUND + 1


OPTAX: dict[str, Schedule] = {
    "exponential": ExponentialDecay(0.5, 0.7, 8),
    "staircase": ExponentialDecay(0.5, 0.7, 8, staircase=True),
    "piecewise": PiecewiseConstant((5, 12), (0.5, 0.25, 0.0625)),
    "polynomial": PolynomialDecay(0.5, 16, 0.1, 2.0),
    "cosine": CosineDecay(0.5, 16, 0.1, 1.5),
    # optax's 22 steps include the 6 of the warm-up.
    "cosine_warmup": WarmUp(CosineDecay(0.5, 16, 0.1), 6, 0.2),
    "exponential_warmup": WarmUp(ExponentialDecay(0.5, 0.7, 8), 6, 0.2),
    "join": Join((ConstantRate(0.5), ExponentialDecay(0.25, 0.7, 8)), (9,)),
}


@pytest.mark.parametrize("name", OPTAX)
def test_optax(optax: Found, name: str) -> None:
    assert ulps(rates(OPTAX[name]), optax[name]) <= BOUND


TORCH: dict[str, tuple[Schedule, Any]] = {
    "ExponentialLR": (ExponentialDecay(0.5, 0.9), lambda s, o: s.ExponentialLR(o, 0.9)),
    "StepLR": (
        ExponentialDecay(0.5, 0.7, 7, staircase=True),
        lambda s, o: s.StepLR(o, 7, 0.7),
    ),
    "MultiStepLR": (
        multi_step(0.5, (5, 12, 12), 0.7),
        lambda s, o: s.MultiStepLR(o, [5, 12, 12], 0.7),
    ),
    "LambdaLR": (
        InverseScaling(0.5, 1.0),
        lambda s, o: s.LambdaLR(o, lambda epoch: 1 / (1 + epoch)),
    ),
    "ConstantLR": (
        PiecewiseConstant((5,), (0.5 / 3, 0.5)),
        lambda s, o: s.ConstantLR(o),
    ),
    "LinearLR": (WarmUp(ConstantRate(0.5), 5, 1 / 3), lambda s, o: s.LinearLR(o)),
    "LinearLR down": (
        PolynomialDecay(0.5, 20, 0.05),
        lambda s, o: s.LinearLR(o, 1.0, 0.1, 20),
    ),
    "PolynomialLR": (
        PolynomialDecay(0.5, 40, power=1.5),
        lambda s, o: s.PolynomialLR(o, 40, 1.5),
    ),
    "CosineAnnealingLR": (
        CosineDecay(0.5, 16, 0.1, after="periodic"),
        lambda s, o: s.CosineAnnealingLR(o, 16, 0.1),
    ),
    "CosineAnnealingWarmRestarts": (
        CosineRestarts(0.5, 5, 2, end=0.1),
        lambda s, o: s.CosineAnnealingWarmRestarts(o, 5, 2, 0.1),
    ),
    "CosineAnnealingWarmRestarts equal": (
        CosineRestarts(0.5, 5),
        lambda s, o: s.CosineAnnealingWarmRestarts(o, 5),
    ),
    "SequentialLR": (
        Join((WarmUp(ConstantRate(0.5), 5, 1 / 3), ExponentialDecay(0.5, 0.9)), (8,)),
        lambda s, o: s.SequentialLR(o, [s.LinearLR(o), s.ExponentialLR(o, 0.9)], [8]),
    ),
    "ChainedScheduler": (
        WarmUp(ExponentialDecay(0.5, 0.9), 5, 1 / 3, form="times"),
        lambda s, o: s.ChainedScheduler([s.LinearLR(o), s.ExponentialLR(o, 0.9)]),
    ),
}


@pytest.mark.parametrize("name", TORCH)
@pytest.mark.parametrize("per_epoch", [1, 3])
def test_torch(name: str, per_epoch: int) -> None:
    torch = pytest.importorskip("torch")
    schedule, make = TORCH[name]
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.5)
    scheduler = make(torch.optim.lr_scheduler, optimizer)
    theirs = []
    for step in range(STEPS):
        theirs.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        if (step + 1) % per_epoch == 0:
            scheduler.step()
    # torch goes from rate to rate: four roundings a step, of numbers up to the first rate. The
    # cosine is divided by the cosine before it, 1 + cos near 0, whose error the rate, as small
    # as that, makes up for, twice.
    bound = BOUND + 2 * 4 * STEPS
    assert ulps(rates(PerEpoch(schedule, per_epoch)), np.array(theirs)) <= bound


def test_sklearn_inverse_scaling() -> None:
    neural_network = pytest.importorskip("sklearn.neural_network")
    x = np.random.default_rng(0).normal(size=(12, 3))
    estimator = neural_network.MLPRegressor(
        hidden_layer_sizes=(2,), solver="sgd", learning_rate="invscaling",
        learning_rate_init=0.01, power_t=0.4, batch_size=4, max_iter=1, warm_start=True,
        random_state=0,
    )  # fmt: skip
    schedule = PerEpoch(InverseScaling(0.01, 0.4, unit=12), 3)
    with warnings.catch_warnings():
        # It says that one epoch is too few to converge.
        warnings.simplefilter("ignore")
        for epoch in range(1, 6):
            estimator.fit(x, x[:, 0])
            # A sum, a power by a library and a quotient on either side.
            assert ulps(schedule(3 * epoch), estimator._optimizer.learning_rate) <= 6


# ---- plateaus -------------------------------------------------------------------------------
def factors(rule: ReduceOnPlateau, metrics: list[float]) -> np.ndarray:
    plateau, found = rule.initialize(), []
    for metric in metrics:
        plateau = rule.observe(plateau, metric)
        found.append(plateau.factor)
    return np.array(found)


@pytest.mark.parametrize("name", PLATEAUS)
def test_plateaus_of_keras(keras: Found, name: str) -> None:
    rule = ReduceOnPlateau(
        **PLATEAUS[name],
        threshold=2.0**-12,
        threshold_kind="absolute",
        minimum=2 * MINIMUM,
        patience_counting="inclusive",
        cooldown_counting="inclusive",
    )
    np.testing.assert_array_equal(0.5 * factors(rule, METRICS), keras[f"plateau/{name}"])
    assert keras[f"plateau/{name}"][-1] < 0.5


@pytest.mark.parametrize("name", OPTAX_PLATEAUS)
def test_plateaus_of_optax(optax: Found, name: str) -> None:
    rule = ReduceOnPlateau(
        **PLATEAUS[name],
        threshold=2.0**-12,
        minimum=2 * MINIMUM,
        patience_counting="inclusive",
    )
    np.testing.assert_array_equal(0.5 * factors(rule, METRICS), optax[f"plateau/{name}"])
    assert optax[f"plateau/{name}"][-1] < 0.5


@pytest.mark.parametrize("name", PLATEAUS)
@pytest.mark.parametrize("mode", ["min", "max"])
@pytest.mark.parametrize("kind", ["relative", "absolute"])
def test_plateaus_of_torch(name: str, mode: Any, kind: Any) -> None:
    torch = pytest.importorskip("torch")
    metrics = METRICS if mode == "min" else [10.0 - metric for metric in METRICS]
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.5)
    scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(
        optimizer, mode, **PLATEAUS[name], threshold=2.0**-12, threshold_mode=kind[:3],
        min_lr=MINIMUM,
    )  # fmt: skip
    theirs = []
    for metric in metrics:
        scheduler.step(metric)
        theirs.append(optimizer.param_groups[0]["lr"])
    rule = ReduceOnPlateau(
        **PLATEAUS[name], threshold=2.0**-12, threshold_kind=kind, mode=mode, minimum=2 * MINIMUM
    )
    np.testing.assert_array_equal(0.5 * factors(rule, metrics), theirs)
    assert theirs[-1] < 0.5


def test_plateaus_of_sklearn(monkeypatch: pytest.MonkeyPatch) -> None:
    neural_network = pytest.importorskip("sklearn.neural_network")
    module = pytest.importorskip("sklearn.neural_network._stochastic_optimizers")
    theirs = []

    # Called at the end of each epoch, before the rate is reduced.
    def note(optimizer: Any, rows: int) -> None:
        theirs.append(optimizer.learning_rate)

    monkeypatch.setattr(module.SGDOptimizer, "iteration_ends", note)
    rng = np.random.default_rng(1)
    estimator = neural_network.MLPRegressor(
        hidden_layer_sizes=(4,), solver="sgd", learning_rate="adaptive", learning_rate_init=0.5,
        batch_size=8, n_iter_no_change=2, tol=1e-3, max_iter=100, random_state=0,
    )  # fmt: skip
    estimator.fit(rng.normal(size=(40, 3)), rng.normal(size=40))
    rule = ReduceOnPlateau(0.2, 2, 1e-3, "absolute", best="least")
    found = factors(rule, estimator.loss_curve_)
    # Five reductions at least, and then the end.
    assert len(set(theirs)) > 5
    # Quotients by 5 against products by 0.2, each rounded, one for each reduction.
    np.testing.assert_allclose(0.5 * found[:-1], theirs[1:], rtol=4 * len(set(theirs)) * 2.0**-53)


def test_plateau_by_hand() -> None:
    rule = ReduceOnPlateau(0.5, 1, 0.5, "absolute", cooldown=1, minimum=0.2)
    plateau = rule.initialize()
    assert plateau == Plateau(1.0, None, 0, 0)
    for metric, expected in (
        (4.0, Plateau(1.0, 4.0, 0, 0)),
        # Better, but by no more than the threshold.
        (3.5, Plateau(1.0, 4.0, 1, 0)),
        (3.6, Plateau(0.5, 4.0, 0, 1)),
        # At rest.
        (3.6, Plateau(0.5, 4.0, 0, 0)),
        (math.nan, Plateau(0.5, 4.0, 1, 0)),
        (3.0, Plateau(0.5, 3.0, 0, 0)),
        (3.0, Plateau(0.5, 3.0, 1, 0)),
        (3.0, Plateau(0.25, 3.0, 0, 1)),
        (3.0, Plateau(0.25, 3.0, 0, 0)),
        (3.0, Plateau(0.25, 3.0, 1, 0)),
        (3.0, Plateau(0.2, 3.0, 0, 1)),
    ):
        before = plateau
        plateau = rule.observe(plateau, metric)
        assert plateau == expected
        assert before is not plateau


def test_counting_by_hand() -> None:
    # The first of these values is the best; then each is as bad.
    for patience, cooldown, counting, expected in (
        (1, 1, ("exclusive", "exclusive"), [4, 4, 2, 2, 2, 1, 1, 1]),
        (1, 1, ("inclusive", "exclusive"), [4, 2, 2, 1, 1, 0.5, 0.5, 0.25]),
        (1, 1, ("exclusive", "inclusive"), [4, 4, 2, 2, 1, 1, 0.5, 0.5]),
        (1, 2, ("inclusive", "inclusive"), [4, 2, 2, 1, 1, 0.5, 0.5, 0.25]),
        (0, 0, ("inclusive", "inclusive"), [4, 2, 1, 0.5, 0.25]),
        (0, 0, ("exclusive", "exclusive"), [4, 2, 1, 0.5, 0.25]),
    ):
        rule = ReduceOnPlateau(
            0.5, patience, cooldown=cooldown,
            patience_counting=counting[0], cooldown_counting=counting[1],
        )  # fmt: skip
        found = 4 * factors(rule, [1.0] * len(expected))
        np.testing.assert_array_equal(found, expected, str(rule))


def test_small_changes_are_left_out() -> None:
    rule = ReduceOnPlateau(0.5, 0, least_change=0.125)
    # 1 → ½ → ¼, and the change by ⅛ is none more.
    np.testing.assert_array_equal(factors(rule, [1.0] * 6), [1.0, 0.5, 0.25, 0.25, 0.25, 0.25])


def test_the_least_value_is_kept() -> None:
    metrics = [1.0, 0.9, 0.8, 0.7, 0.6]
    # Each is better than the last by 0.1 only: better than the first by ¼ at 0.7.
    better, least = (
        factors(ReduceOnPlateau(0.5, 1, 0.25, "absolute", best=best), metrics)
        for best in ("better", "least")
    )
    np.testing.assert_array_equal(better, [1.0, 1.0, 0.5, 0.5, 0.5])
    np.testing.assert_array_equal(least, [1.0, 1.0, 0.5, 0.5, 0.25])
    up = [-m for m in metrics]
    rule = ReduceOnPlateau(0.5, 1, 0.25, "absolute", "max", best="least")
    np.testing.assert_array_equal(factors(rule, up), least)


# ---- bad input ------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: ExponentialDecay(0.1, 0.5, 0), ["ExponentialDecay", "steps", "above 0", "0"]),
        (lambda: ExponentialDecay(0.1, -0.5), ["factor", "at least 0", "-0.5"]),
        (lambda: PiecewiseConstant((1,), (0.1,)), ["PiecewiseConstant", "2", "1"]),
        (lambda: PiecewiseConstant((2, 1), (0.3, 0.2, 0.1)), ["ascending", "(2, 1)"]),
        (lambda: PiecewiseConstant((1,), (0.2, 0.1), "mid"), ["at_boundary", "'new'", "'mid'"]),
        (lambda: CosineDecay(0.1, -3), ["steps", "above 0", "-3"]),
        (lambda: CosineDecay(0.1, 3, after="up"), ["after", "'periodic'", "'up'"]),
        (lambda: CosineRestarts(0.1, 3, 0.5), ["stretch", "at least 1", "0.5"]),
        (lambda: CosineRestarts(0.1, 3, 1.0, -1.0), ["factor", "at least 0", "-1.0"]),
        (lambda: PolynomialDecay(0.1, math.nan), ["steps", "above 0", "nan"]),
        (lambda: InverseTimeDecay(0.1, 1, -1.0), ["decay", "at least 0", "-1.0"]),
        (lambda: InverseScaling(0.1, -1.0), ["power", "at least 0", "-1.0"]),
        (lambda: WarmUp(ConstantRate(0.1), -1), ["WarmUp", "steps", "at least 0", "-1"]),
        (lambda: WarmUp(ConstantRate(0.1), 1, first="1"), ["first", "'up'", "'1'"]),
        (lambda: WarmUp(ConstantRate(0.1), 1, form="over"), ["form", "'times'", "'over'"]),
        (lambda: Join((ConstantRate(0.1),), (1,)), ["Join", "2", "1"]),
        (lambda: PerEpoch(ConstantRate(0.1), 0), ["steps_per_epoch", "at least 1", "0"]),
        (lambda: ReduceOnPlateau(1.0), ["factor", "below 1", "1.0"]),
        (lambda: ReduceOnPlateau(patience=-1), ["patience", "at least 0", "-1"]),
        (lambda: ReduceOnPlateau(mode="least"), ["mode", "'max'", "'least'"]),
        (lambda: ReduceOnPlateau(threshold_kind="abs"), ["threshold_kind", "'absolute'", "'abs'"]),
        (lambda: ReduceOnPlateau(patience_counting="x"), ["patience_counting", "'x'"]),
        (lambda: ReduceOnPlateau(cooldown_counting="x"), ["cooldown_counting", "'x'"]),
        (lambda: ReduceOnPlateau(best="x"), ["best", "'least'", "'x'"]),
    ],
)
def test_bad_input(make: Any, words: list[str]) -> None:
    with pytest.raises(InputError) as error:
        make()
    for word in words:
        assert word in error.value.message
