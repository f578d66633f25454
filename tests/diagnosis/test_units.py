"""The parts of the diagnosis by themselves: noise, loss, gradient, update, and so on."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from tests.diagnosis.programs import Program, in_numpy

import netparity
from netparity.conventions import Conventions, Place, Quantity
from netparity.diagnosis import (
    feeding,
    freerun,
    gradient,
    initial,
    loss,
    noise,
    reported,
    reporting,
)
from netparity.diagnosis.gradient_probes import Probe
from netparity.diagnosis.misplaced import find_misplaced
from netparity.diagnosis.probes import probe_parameters
from netparity.diagnosis.twin import Array, Twin, Values
from netparity.implementations import adapt
from netparity.nn import (
    Affine,
    Loss,
    MeanSquaredError,
    MulticlassHinge,
    Network,
    ReLU,
    Sigmoid,
    SoftmaxCrossEntropy,
    Tanh,
)

F64, F32 = np.dtype(np.float64), np.dtype(np.float32)
ONES = np.ones((2, 3))


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def network(*sizes: int, hidden: Any = ReLU, output: Any = None, bias: bool = True) -> Any:
    layers: list[tuple[str, Any]] = []
    for number, (inputs, outputs) in enumerate(itertools.pairwise(sizes), 1):
        layers += [
            (f"affine{number}", Affine(inputs, outputs, bias=bias)),
            (f"h{number}", hidden()),
        ]
    layers.pop()
    return tuple(layers) + ((("out", output()),) if output else ())


def itself(layers: Any) -> dict[str, Place]:
    return {name: Place(name) for name in Network(layers).parameter_shapes()}


# ---- noise -----------------------------------------------------------------------------------
class TestMeasure:
    floor = np.full((2, 3), 1e-12)

    def test_equal_and_below_the_floor(self) -> None:
        assert not noise.measure(ONES, ONES, self.floor, ONES, "w").different
        got = noise.measure(ONES, ONES + 9e-13, self.floor, ONES, "w")
        assert not got.different
        assert got.difference == pytest.approx(9e-13, rel=1e-3)

    def test_one_element_above_its_own_floor(self) -> None:
        floor = self.floor.copy()
        floor[1, 2] = 1e-15
        right = ONES.copy()
        right[1, 2] += 1e-13
        got = noise.measure(ONES, right, floor, ONES, "w")
        assert got.different
        assert (got.difference, got.floor) == (pytest.approx(1e-13, rel=1e-2), 1e-15)

    @pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
    @pytest.mark.parametrize("side", [0, 1])
    def test_a_value_that_is_no_number_on_one_side_only(self, value: float, side: int) -> None:
        sides = [ONES.copy(), ONES.copy()]
        sides[side][0, 1] = value
        got = noise.measure(*sides, self.floor, ONES, "w")
        assert got.different
        assert got.difference == np.inf
        assert noise.worst([got, noise.Measure("b", 0.0, 1.0)]) == got

    def test_nan_against_infinity_and_opposite_infinities(self) -> None:
        for one, two in ((np.nan, np.inf), (np.inf, -np.inf)):
            left, right = ONES.copy(), ONES.copy()
            left[0, 0], right[0, 0] = one, two
            assert noise.measure(left, right, self.floor, ONES, "w").different

    def test_equally_not_finite_on_both_sides(self) -> None:
        both = ONES.copy()
        both[0, 0], both[1, 1] = np.nan, np.inf
        assert not noise.measure(both, both.copy(), self.floor, ONES, "w").different
        apart = both.copy()
        apart[0, 2] += 1e-9
        assert noise.measure(both, apart, self.floor, ONES, "w").different

    def test_a_floor_that_is_no_number_hides_nothing(self) -> None:
        floor = np.full((2, 3), np.nan)
        assert noise.measure(ONES, ONES + 1, floor, ONES, "w").different

    @pytest.mark.parametrize("shape", [(3, 2), (6,), (2, 3, 1), (1, 3), (0, 3)])
    def test_other_shapes_differ_even_where_they_would_broadcast(self, shape: Any) -> None:
        got = noise.measure(ONES, np.ones(shape), self.floor, ONES, "w")
        assert got.different
        assert got.difference == np.inf

    def test_nothing_compared_is_not_equal(self) -> None:
        empty = np.zeros((0, 3))
        got = noise.measure(empty, empty, empty, empty, "w")
        assert not got.conditioned
        assert noise.worst([got]) is None

    def test_a_transposed_or_permuted_tensor_with_equal_statistics(self) -> None:
        weight = rng().standard_normal((3, 3))
        floor = np.full((3, 3), 1e-12)
        for other in (weight.T, weight[::-1], weight[:, [1, 0, 2]]):
            assert noise.measure(weight, other, floor, weight, "w").different

    def test_plus_and_minus_the_same_cancel_in_no_mean(self) -> None:
        right = ONES.copy()
        right[0, 0] += 1
        right[1, 1] -= 1
        assert noise.measure(ONES, right, self.floor, ONES, "w").different


def test_reference_floors_hold_real_rounding_and_no_more() -> None:
    layers = network(20, 15, 4, hidden=Tanh)
    twin = Twin(Conventions(layers=layers, places=itself(layers), loss=MeanSquaredError()))
    values = probe_parameters(twin, rng())
    for scale, dtype in itertools.product((0.01, 1.0, 100.0), (F64, F32)):
        x = np.float32(scale * rng(1).standard_normal((16, 20))).astype(float)
        y = rng(2).standard_normal((16, 4))
        known = noise.reference(twin, values, x, y, dtype=dtype, rng=rng(3))
        narrow = {n: v.astype(dtype) for n, v in values.items()}
        got = noise.reordered(twin, rng(4)).evaluate(narrow, x.astype(dtype), y)
        for place, value in noise.quantities(got).items():
            assert not known.measure(place, known.values[place], value).different, (place, scale)
        # A share of 1e-3 of one gradient is no rounding, in float32 neither.
        for name, value in got.gradients.items():
            wrong = np.array(value, dtype=np.float64)
            wrong.flat[int(np.argmax(np.abs(wrong)))] *= 1.001
            place = f"gradients/{name}"
            assert known.measure(place, known.values[place], wrong).different, (place, scale)


# ---- loss ------------------------------------------------------------------------------------
def scratch_loss(
    judge: Any, outputs: int = 3, dtype: Any = np.float64, decay: tuple[float, float] = (0.0, 0.0)
) -> tuple[Any, Conventions]:
    """A linear side whose loss is ``judge(scores, y)`` plus c·Σw² and b·Σb²."""
    w, b = np.zeros((4, outputs), dtype), np.zeros(outputs, dtype)

    def value(x: Array, y: Array) -> float:
        scores = x.astype(dtype) @ w + b
        return float(judge(scores, y) + decay[0] * np.sum(w * w) + decay[1] * np.sum(b * b))

    live = adapt(
        netparity.Scratch(
            parameters={"w": w, "b": b}, predict=lambda x: x.astype(dtype) @ w + b, loss=value
        )
    )
    layers = network(4, outputs)
    places = {"affine1.weight": Place("w"), "affine1.bias": Place("b")}
    return live, Conventions(layers=layers, places=places)


def identified(live: Any, conventions: Conventions, y: Array, hints: Any = ()) -> Any:
    x = np.float32(rng(7).standard_normal((len(y), 4))).astype(float)
    batches = loss.probe_batches(x, y, 16)
    return loss.identify(live, conventions, batches, rng(9), lambda *_: None, hints)


def log_softmax(s: Array) -> Array:
    s = s - s.max(axis=1, keepdims=True)
    return s - np.log(np.exp(s).sum(axis=1, keepdims=True))


def hinge(s: Array, y: Array, *, counts_own: bool) -> Any:
    rows = np.arange(len(s))
    margins = np.maximum(0, s - s[rows, y][:, None] + 1)
    if not counts_own:
        margins[rows, y] = 0
    return margins.sum() / len(s)


LABELS = rng(10).integers(0, 3, 40)
REALS = np.float32(rng(11).standard_normal((40, 3))).astype(float)
LOSSES: dict[str, tuple[Any, Array, Loss]] = {
    "half the sum of squares": (
        lambda s, y: 0.5 * np.sum((s - y) ** 2), REALS,
        MeanSquaredError(batch="sum", outputs="sum", factor=0.5),
    ),
    "mean of squares": (
        lambda s, y: np.mean((s - y) ** 2), REALS, MeanSquaredError(),
    ),
    "half the mean over rows": (
        lambda s, y: 0.5 * np.sum((s - y) ** 2) / len(s), REALS,
        MeanSquaredError(batch="mean", outputs="sum", factor=0.5),
    ),
    "a tenth of the sum": (
        lambda s, y: 0.1 * np.sum((s - y) ** 2) / len(s), REALS,
        MeanSquaredError(batch="mean", outputs="sum", factor=0.1),
    ),
    "cross-entropy": (
        lambda s, y: -np.mean(log_softmax(s)[np.arange(len(s)), y]), LABELS,
        SoftmaxCrossEntropy(),
    ),
    "cross-entropy summed": (
        lambda s, y: -np.sum(log_softmax(s)[np.arange(len(s)), y]), LABELS,
        SoftmaxCrossEntropy(batch="sum"),
    ),
    "hinge": (
        lambda s, y: hinge(s, y, counts_own=False), LABELS, MulticlassHinge(),
    ),
    "hinge over the classes": (
        lambda s, y: hinge(s, y, counts_own=False) / 3, LABELS, MulticlassHinge(classes="mean"),
    ),
    "hinge that counts the true class": (
        lambda s, y: hinge(s, y, counts_own=True), LABELS,
        MulticlassHinge(counts_true_class=True),
    ),
}  # fmt: skip


@pytest.mark.parametrize("decay", [0.0, 0.0625])
@pytest.mark.parametrize("name", LOSSES)
def test_the_loss_behind_the_numbers(name: str, decay: float) -> None:
    judge, y, expected = LOSSES[name]
    live, conventions = scratch_loss(judge, decay=(decay, 0.0))
    found = identified(live, conventions, y)
    assert found is not None
    assert found.loss == expected
    assert not found.measure.different
    coefficients = [(p.coefficient, p.factor, p.scope) for p in found.penalties]
    assert coefficients == ([(0.125, 0.5, "weights")] if decay else [])


def test_a_penalty_on_all_parameters() -> None:
    judge, y, expected = LOSSES["half the sum of squares"]
    live, conventions = scratch_loss(judge, decay=(0.25, 0.25))
    found = identified(live, conventions, y)
    assert found.loss == expected
    assert [(p.coefficient, p.scope) for p in found.penalties] == [(0.5, "all")]


def test_a_penalty_of_its_own_on_the_biases() -> None:
    judge, y, _ = LOSSES["half the sum of squares"]
    live, conventions = scratch_loss(judge, decay=(0.25, 0.0625))
    found = identified(live, conventions, y)
    assert found is not None
    assert [(p.coefficient, p.scope) for p in found.penalties] == [
        (0.5, "weights"), (0.125, ("affine1.bias",)),
    ]  # fmt: skip


def test_a_loss_that_is_none_of_these_is_not_named() -> None:
    live, conventions = scratch_loss(lambda s, y: np.mean(np.abs(s - y) ** 1.5))
    assert identified(live, conventions, REALS) is None


@pytest.mark.parametrize("outputs", [2, 4, 5, 10])
def test_the_mean_over_outputs_in_float32(outputs: int) -> None:
    y = np.float32(rng(12).standard_normal((40, outputs))).astype(float)
    live, conventions = scratch_loss(
        lambda s, y: np.mean((s - y.astype(np.float32)) ** 2), outputs, np.float32
    )
    found = identified(live, conventions, y)
    assert found is not None
    assert found.loss == MeanSquaredError()


@pytest.mark.parametrize("outputs", [3, 6, 7, 9, 12])
def test_the_mean_over_outputs_in_float32_where_it_is_no_short_decimal(outputs: int) -> None:
    test_the_mean_over_outputs_in_float32(outputs)


@pytest.mark.parametrize("value", [1 / 3, 1 / 6, 1 / 7, 2 / 3, 0.1, 0.125, 0.5, 1.0, 1 / 64, 0.05])
def test_snap_in_float64(value: float) -> None:
    assert loss.snap(value * (1 + 1e-14), F64) == value


# ---- gradient --------------------------------------------------------------------------------
def probe_of(conventions: Conventions, swap: Any) -> list[Probe]:
    twin = Twin(conventions)
    probes = []
    for seed in range(2):
        values = probe_parameters(twin, rng(seed))
        x, y = rng(seed + 20).standard_normal((8, 5)), rng(seed + 30).integers(0, 5, 8)
        found = twin.evaluate(values, x, y)
        probes.append(Probe(values, x, y, None, swap(found)))
    return probes


class TestMisplaced:
    layers = network(5, 5, 5, 5, hidden=Sigmoid)
    conventions = Conventions(layers=layers, places=itself(layers), loss=SoftmaxCrossEntropy())

    def test_gradients_in_their_places(self) -> None:
        found, relations = find_misplaced(
            self.conventions, probe_of(self.conventions, lambda e: e.gradients)
        )
        assert found is None
        assert relations == ()

    def test_two_layers_exchanged(self) -> None:
        def swap(e: Any) -> Values:
            moved = dict(e.gradients)
            for kind in ("weight", "bias"):
                one, two = f"affine1.{kind}", f"affine2.{kind}"
                moved[one], moved[two] = moved[two], moved[one]
            return moved

        found, relations = find_misplaced(self.conventions, probe_of(self.conventions, swap))
        assert found is not None
        assert dict(found.weights) == {
            "affine1.weight": ("affine2", "affine2"),
            "affine2.weight": ("affine1", "affine1"),
        }
        assert dict(found.biases) == {"affine1.bias": "affine2", "affine2.bias": "affine1"}
        assert len(relations) == 4

    def test_the_right_delta_with_the_wrong_input(self) -> None:
        def swap(e: Any) -> Values:
            wrong = e.tape.inputs["affine1"].T @ e.deltas["affine3"]
            return dict(e.gradients) | {"affine3.weight": wrong}

        found, _ = find_misplaced(self.conventions, probe_of(self.conventions, swap))
        assert found is not None
        assert dict(found.weights) == {"affine3.weight": ("affine3", "affine1")}
        assert dict(found.biases) == {}

    def test_noise_is_not_taken_for_a_misplaced_gradient(self) -> None:
        # The nearest product is not the right one either: what is found must be measured.
        live = adapt(in_numpy(Program(sizes=(5, 5, 5, 5)))())
        probes = probe_of(
            self.conventions,
            lambda e: {n: rng(1).standard_normal(g.shape) for n, g in e.gradients.items()},
        )
        found = gradient.identify(live, self.conventions, probes, rng())
        assert not found.understood
        assert found.conventions.faults == ()


# ---- feeding ---------------------------------------------------------------------------------
def described(epoch: list[list[int]], rows: int, natural: list[int] | None = None) -> Any:
    fed = [np.array(batch) for batch in epoch]
    own = np.arange(rows) if natural is None else np.array(natural)
    return feeding.describe(fed, [0] * len(fed), own)


class TestFeeding:
    def test_in_order(self) -> None:
        found = described([[0, 1, 2], [3, 4, 5]], 6)
        assert (found.batch_size, found.order, found.partial) == (3, "sequential", "none")

    def test_the_partial_batch(self) -> None:
        assert described([[0, 1, 2], [3, 4, 5], [6]], 7).partial == "kept"
        found = described([[0, 1, 2], [3, 4, 5]], 7)
        assert (found.partial, found.order) == ("dropped", "sequential")

    def test_shuffled_and_with_replacement(self) -> None:
        assert described([[5, 1, 0], [3, 4, 2]], 6).order == "shuffled"
        assert described([[5, 1, 0], [3, 5, 2]], 6).order == "replacement"

    def test_equal_rows_of_the_data_are_no_replacement(self) -> None:
        assert described([[0, 1], [1]], 3, [0, 1, 1]).order == "sequential"
        assert described([[1, 0], [1]], 3, [0, 1, 1]).order == "shuffled"
        assert described([[1, 1], [1]], 3, [0, 1, 1]).order == "replacement"

    def test_all_rows_at_once(self) -> None:
        found = described([[0, 1, 2]], 3)
        assert (found.batch_size, found.order, found.partial) == (3, "sequential", "none")

    def test_what_is_fed_is_watched_and_compared(self) -> None:
        x, y = np.arange(20.0).reshape(10, 2), np.arange(10)

        def shuffled(x: Array, y: Array, epoch: int) -> Any:
            order = rng(epoch).permutation(len(x))
            return [(x[order[s : s + 4]], y[order[s : s + 4]]) for s in (0, 4, 8)]

        plain = feeding.watch(adapt(in_numpy(Program())()), x, y, 4)
        other = feeding.watch(adapt(in_numpy(Program(), batches=shuffled)()), x, y, 4)
        assert (plain.feeding.order, plain.feeding.partial) == ("sequential", "kept")
        assert (other.feeding.order, other.feeding.partial) == ("shuffled", "kept")
        assert not feeding.compare(plain, plain).different
        assert feeding.compare(plain, other).different

    def test_equal_inputs_with_other_targets_are_another_feeding(self) -> None:
        x, y = np.arange(20.0).reshape(10, 2), np.arange(10)
        plain = feeding.watch(adapt(in_numpy(Program())()), x, y, 4)
        moved = feeding.watch(
            adapt(in_numpy(Program(), batches=lambda x, y, _: feeding.in_order(x, y[::-1], 4))()),
            x, y, 4,
        )  # fmt: skip
        assert feeding.compare(plain, moved).different


# ---- initial values --------------------------------------------------------------------------
class TestInitial:
    def test_kolmogorov_smirnov(self) -> None:
        values = rng().random(5000)
        assert initial.kolmogorov_smirnov(values) > 0.01
        assert initial.kolmogorov_smirnov(values**1.2) < 1e-6
        # D = 0.25 of four evenly spaced values at the left ends: far from unlikely.
        assert initial.kolmogorov_smirnov(np.array([0.0, 0.25, 0.5, 0.75])) > 0.5
        # Of a hundred draws a deviation D = 0.2 has p = 4e-4 (tables of Kolmogorov's law).
        shifted = np.clip(np.arange(100) / 100 + 0.2, 0, 1)
        assert 1e-5 < initial.kolmogorov_smirnov(shifted) < 2e-3

    def test_true_draws_are_seldom_refuted(self) -> None:
        ps = [initial.kolmogorov_smirnov(rng(seed).random(50)) for seed in range(300)]
        # p below 0.1 in a tenth of 300 draws: 30 ± 5·5.2.
        assert 4 <= sum(p < 0.1 for p in ps) <= 56
        assert min(ps) > initial.REFUTED / 10

    def laws(self, left: Array, right: Array) -> initial.Laws:
        one, two = ({"affine1.weight": values} for values in (left, right))
        return initial.laws(initial.groups(one)["weights"], initial.groups(two)["weights"])

    def test_two_draws_of_one_law(self) -> None:
        bound = np.sqrt(6 / 80)
        left, right = (rng(seed).uniform(-bound, bound, (50, 30)) for seed in (1, 2))
        assert "glorot_uniform" in self.laws(left, right).common

    def test_two_laws_of_equal_spread(self) -> None:
        bound = np.sqrt(6 / 80)
        left = rng(1).uniform(-bound, bound, (50, 30))
        right = np.sqrt(2 / 80) * rng(2).standard_normal((50, 30))
        found = self.laws(left, right)
        assert found.common == ()
        assert "glorot_uniform" in found.left
        assert "glorot_uniform" not in found.right

    def test_few_values_refute_by_their_support(self) -> None:
        left = np.array([[0.1, 0.9, 0.95], [0.4, 0.7, 0.8]])
        right = np.array([[0.5, -0.6, 0.1], [-0.3, 0.2, 0.05]])
        assert self.laws(left, right).common == () or "U(0, 1)" not in self.laws(left, right).common

    def test_a_constant_is_its_own_law(self) -> None:
        found = self.laws(np.zeros((4, 3)), rng().standard_normal((4, 3)))
        assert found.common == ()
        assert "zeros" in found.left

    def test_copies_and_others(self) -> None:
        value = rng().standard_normal((6, 5))
        for other, different in (
            (value.copy(), False),
            (value.T.copy().T, False),
            (value * (1 + 1e-9), True),
            (rng(1).standard_normal((6, 5)), True),
        ):
            (measured,) = initial.compare({"w": value}, {"w": other}, F64)
            assert measured.different == different
        (measured,) = initial.compare({"w": value}, {"w": value.astype(np.float32)}, F32)
        assert not measured.different


# ---- reporting -------------------------------------------------------------------------------
def series(*fits: Quantity, name: str = "loss") -> reporting.Series:
    return reporting.Series(name, np.ones(3), tuple((q, 0.0) for q in fits), None)


class TestReporting:
    before = Quantity("loss", moment="before", dropout="off", average="batch")

    def test_equal_where_any_two_descriptions_agree(self) -> None:
        both = replace(self.before, dropout="on")
        best = reporting.closest(series(self.before), series(both, self.before))
        assert best is not None
        assert best[2] == ()

    @pytest.mark.parametrize(
        ("field", "value"),
        [("penalty", True), ("moment", "after"), ("dropout", "on"), ("average", "running"),
         ("kind", "accuracy"), ("factor", 0.5)],
    )  # fmt: skip
    def test_the_field_that_differs(self, field: str, value: Any) -> None:
        other = replace(self.before, **{field: value})
        best = reporting.closest(series(self.before), series(other))
        assert best is not None
        assert best[2] == (field,)

    def test_the_fewest_fields_are_taken(self) -> None:
        far = replace(self.before, moment="after", dropout="on")
        near = replace(self.before, penalty=True)
        best = reporting.closest(series(self.before), series(far, near))
        assert best is not None
        assert best[1] == near

    def test_no_dropout_is_neither_on_nor_off(self) -> None:
        none = replace(self.before, dropout="none")
        for dropout in ("on", "off"):
            best = reporting.closest(series(none), series(replace(self.before, dropout=dropout)))
            assert best is not None
            assert best[2] == ()

    @pytest.mark.parametrize(("dtype", "different"), [(F32, False), (F64, True)])
    def test_printed_values_are_held_against_the_rounding_of_their_width(
        self, dtype: np.dtype[Any], different: bool
    ) -> None:
        rounding = reporting.rounding_of(dtype)
        one, two = (
            reporting.Series("other", values, (), None, rounding)
            for values in (np.ones(3), np.ones(3) * (1 + 1e-6))
        )
        measured, _ = reported._series(None, "other", one, two, alike=True)  # type: ignore[arg-type]
        assert measured is not None
        assert measured.different == different

    def test_what_fits_nothing_is_not_described(self) -> None:
        assert reporting.closest(series(), series(self.before)) is None
        assert reporting.closest(series(self.before), series()) is None


# ---- free run --------------------------------------------------------------------------------
def horizon_of(rate: float, steps: int, dtype: Any, scale: float = 1.0) -> Any:
    program = Program("tanh", "cross-entropy", "sgd", learning_rate=rate, scale=scale)
    build = in_numpy(program, dtype)
    report = netparity.compare(build, build, data=program.data(), steps=steps)
    assert report.verdict == "parity"
    return report.gap


class TestHorizon:
    def test_calm_training_reaches_none(self) -> None:
        gap = horizon_of(0.05, 15, np.float64)
        assert gap.horizon is None
        assert gap.steps == 15

    def test_wild_training_in_float32_has_one_and_is_compared_before_it(self) -> None:
        gap = horizon_of(30.0, 60, np.float32, scale=3.0)
        assert gap.horizon is not None
        assert 0 < gap.horizon < 60
        assert gap.steps == gap.horizon
        assert gap.before == 0.0

    def test_the_gap_says_how_far_apart_and_never_hides_what_is_no_number(self) -> None:
        a = rng().standard_normal((5, 2))
        assert freerun.gap(a, a.copy()) == 0
        assert freerun.gap(a, a[:4]) == np.inf
        b = a.copy()
        b[3, 1] += 1
        assert freerun.gap(a, b) == pytest.approx(1 / np.sqrt(np.mean(a * a)))
        b[3, 1] = np.nan
        assert freerun.gap(a, b) == np.inf
        assert freerun.gap(b, b.copy()) == 0
