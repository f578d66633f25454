import copy
import signal
import tracemalloc
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netparity.errors import InputError
from netparity.nn import (
    L2,
    NAMED,
    SGD,
    Adam,
    Add,
    Affine,
    BatchNorm,
    Callback,
    Dropout,
    EarlyStopping,
    Loss,
    MeanSquaredError,
    Network,
    PReLU,
    ReLU,
    Sigmoid,
    Softmax,
    SoftmaxCrossEntropy,
    Solver,
    Tanh,
    fully_connected_net,
)
from netparity.nn.arrays import flat
from netparity.nn.clipping import ClipByNorm, ClipByValue
from netparity.nn.constraints import MaxNorm
from netparity.nn.engine import Engine
from netparity.nn.optimizers import ExponentialMovingAverage
from netparity.nn.schedules import ReduceOnPlateau

NETWORK = Network((("a", Affine(2, 8)), ("tanh", Tanh()), ("b", Affine(8, 2))))
XOR = np.array([[0.0, 0], [0, 1], [1, 0], [1, 1]])
LABELS = np.array([0, 1, 1, 0])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_learns_xor(dtype: type) -> None:
    solver = Solver(NETWORK, SoftmaxCrossEntropy(), Adam(0.1), batch_size=3, dtype=dtype)
    solver.fit(XOR, LABELS, epochs=60)
    np.testing.assert_array_equal(solver.predict(XOR).argmax(axis=1), LABELS)
    assert len(solver.history["loss"]) == 120
    assert len(solver.history["epoch_loss"]) == 60
    assert solver.history["epoch_loss"][-1] < 0.1 * solver.history["epoch_loss"][0]
    assert {a.dtype for a in solver.parameters.values()} == {np.dtype(dtype)}
    assert solver.predict(XOR).dtype == dtype


def test_a_step_is_loss_plus_penalty_and_one_update() -> None:
    solver = Solver(
        NETWORK,
        SoftmaxCrossEntropy(),
        SGD(0.5),
        penalties=(L2(0.25), L2(0.5, scope="all")),
        engine="plain",  # whose sums are those of the pure functions
    )
    before = solver.snapshot()
    data_loss, penalty, gradients = solver.loss_and_gradients(XOR, LABELS)
    for name, array in solver.parameters.items():
        np.testing.assert_array_equal(array, before[name])
    tape = NETWORK.forward(before, XOR)
    value, slope = SoftmaxCrossEntropy().value_and_gradient(tape.prediction, LABELS)
    assert data_loss == value
    assert penalty == L2(0.25).value(before) + L2(0.5, scope="all").value(before)
    data = tape.backward(slope).parameters
    for name, gradient in gradients.items():
        added = 0.75 * before[name] if name.endswith("weight") else 0.5 * before[name]
        np.testing.assert_allclose(gradient, data[name] + added, rtol=0, atol=4e-16)
    assert solver.step(XOR, LABELS) == data_loss + penalty
    for name, array in solver.parameters.items():
        np.testing.assert_array_equal(array, before[name] - 0.5 * gradients[name])
    assert solver.state["step"] == 1


def test_an_update_leaves_snapshots_and_given_arrays_alone() -> None:
    given = NETWORK.initialize(NAMED["glorot_uniform"], np.random.default_rng(1))
    copies = {name: array.copy() for name, array in given.items()}
    solver = Solver(NETWORK, SoftmaxCrossEntropy(), SGD(0.5), parameters=given)
    snapshot = solver.snapshot()
    solver.fit(XOR, LABELS, epochs=3)
    for name in given:
        np.testing.assert_array_equal(given[name], copies[name])
        np.testing.assert_array_equal(snapshot[name], copies[name])


def test_same_seed_same_run_and_each_row_once_an_epoch() -> None:
    network = Network((*NETWORK.layers[:2], ("drop", Dropout(0.5)), *NETWORK.layers[2:]))
    runs = []
    for _ in range(2):
        solver = Solver(
            network, SoftmaxCrossEntropy(), SGD(0.1), rng=np.random.default_rng(4), batch_size=3
        )
        solver.fit(XOR, LABELS, epochs=4)
        runs.append(solver.history["loss"])
    assert runs[0] == runs[1]


@pytest.mark.parametrize("sampling", ["shuffled", "sequential"])
def test_each_row_once_an_epoch(sampling: str) -> None:
    seen: list[np.ndarray] = []

    def look(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        seen.append(x.copy())
        return x

    solver = Solver(NETWORK, SoftmaxCrossEntropy(), SGD(0.1), batch_size=3, sampling=sampling)
    solver.fit(XOR, LABELS, epochs=1, augment=look)
    assert [len(x) for x in seen] == [3, 1]
    assert sorted(map(tuple, np.concatenate(seen))) == sorted(map(tuple, XOR))
    if sampling == "sequential":
        np.testing.assert_array_equal(np.concatenate(seen), XOR)


def test_given_draws_make_the_loss_repeatable() -> None:
    network = Network((*NETWORK.layers[:2], ("drop", Dropout(0.5)), *NETWORK.layers[2:]))
    solver = Solver(network, SoftmaxCrossEntropy(), SGD(0.1))
    draws = [np.random.default_rng(0).random((4, 8))]
    first = solver.loss_and_gradients(XOR, LABELS, draws=draws)[0]
    assert solver.loss_and_gradients(XOR, LABELS, draws=draws)[0] == first
    assert solver.loss_and_gradients(XOR, LABELS)[0] != first
    inference = solver.loss_and_gradients(XOR, LABELS, training=False)[0]
    assert inference == SoftmaxCrossEntropy().value(solver.predict(XOR), LABELS)


def test_a_loss_that_is_not_finite_names_step_and_layer() -> None:
    network = Network((("a", Affine(1, 1)), ("sigmoid", Sigmoid()), ("b", Affine(1, 1))))
    solver = Solver(network, MeanSquaredError(), SGD(0.1), laws=NAMED["ones"])
    solver.step(np.ones((1, 1)), np.ones(1))
    with pytest.raises(InputError, match="step 2.*'a'"):
        solver.step(np.full((1, 1), np.nan), np.ones(1))
    assert solver.state["step"] == 1
    solver.parameters["b.bias"][...] = np.inf
    with pytest.raises(InputError, match="'b.bias' is not finite before the step.*is 'b'"):
        solver.step(np.ones((1, 1)), np.ones(1))
    impossible = Solver(
        Network((("softmax", Softmax()),)), SoftmaxCrossEntropy(input="probabilities"), SGD(0.1)
    )
    with pytest.raises(InputError, match="the loss itself"):
        impossible.step(np.array([[1e4, 0.0]]), np.array([1]))


def test_refuses_unusable_data() -> None:
    solver = Solver(NETWORK, SoftmaxCrossEntropy(), SGD(0.1))
    with pytest.raises(InputError, match=r"validation rows.*\(N, 2\).*\(4, 1\)"):
        solver.fit(XOR, LABELS, 1, validation=(XOR[:, :1], LABELS))
    with pytest.raises(InputError, match="4 rows, 3 targets"):
        solver.fit(XOR, LABELS, 1, validation=(XOR, LABELS[:3]))
    with pytest.raises(InputError, match="validation: fraction.*1.5"):
        solver.fit(XOR, LABELS, 1, validation=1.5)
    with pytest.raises(InputError, match="epochs.*at least 0.*-1"):
        solver.fit(XOR, LABELS, -1)
    with pytest.raises(InputError, match="'accurate' is not known"):
        solver.fit(XOR, LABELS, 1, metrics=("accurate",))
    assert solver.fit(XOR, LABELS, 0) == {"loss": [], "epoch_loss": []}
    for x, y in ((XOR, LABELS[:3]), (XOR[:0], LABELS[:0])):
        with pytest.raises(InputError, match="cannot be trained on"):
            solver.fit(x, y, epochs=1)
    with pytest.raises(InputError, match="batch size"):
        Solver(NETWORK, SoftmaxCrossEntropy(), SGD(0.1), batch_size=0)


def test_progress_is_told_to_whoever_asks_and_never_on_stdout(
    capsys: pytest.CaptureFixture[str],
) -> None:
    told: list[tuple[str, float]] = []

    class Asking:
        def stage(self, text: str, fraction: float) -> None:
            told.append((text, fraction))

    solver = Solver(NETWORK, SoftmaxCrossEntropy(), SGD(0.1))
    solver.fit(XOR, LABELS, epochs=2, progress=Asking())
    assert told[0][0].startswith("epoch 1 of 2, loss 0.")
    # Where stderr is no terminal, a run of less than five seconds stays quiet.
    solver.fit(XOR, LABELS, epochs=2, progress=True)
    assert capsys.readouterr() == ("", "")


# ---- values ------------------------------------------------------------------------------
NORMALIZED = fully_connected_net(2, (8,), 2, normalization="batch", dropout=0.25)


def copies(solver: Solver) -> dict[str, np.ndarray]:
    return {name: array.copy() for name, array in solver.values.items()}


def assert_equal(found: Mapping[str, np.ndarray], expected: Mapping[str, np.ndarray]) -> None:
    assert found.keys() == expected.keys()
    for name, array in expected.items():
        np.testing.assert_array_equal(found[name], array, err_msg=name)


def test_parameters_are_live_and_lie_in_one_buffer() -> None:
    solver = Solver(NORMALIZED, SoftmaxCrossEntropy(), Adam(0.1))
    live, buffers, state = solver.parameters, solver.buffers, solver.state
    arrays = list(solver.values.values())
    before, snapshot = copies(solver), solver.snapshot()
    solver.fit(XOR, LABELS, epochs=2)
    assert solver.parameters is live
    assert solver.buffers is buffers
    assert solver.state is state
    assert all(a is b for a, b in zip(arrays, solver.values.values(), strict=True))
    for group in (live, buffers, state["first_moment"], state["second_moment"]):
        assert len({id(array.base) for array in group.values()}) == 1
    assert_equal(snapshot, before)
    for name, array in snapshot.items():
        assert not np.array_equal(solver.values[name], array), name
    solver.load(snapshot)
    assert_equal(solver.values, before)
    with pytest.raises(AttributeError):
        solver.parameters = snapshot  # type: ignore[misc]


def test_values_may_be_given_with_or_without_buffers() -> None:
    trained = Solver(NORMALIZED, SoftmaxCrossEntropy(), Adam(0.1))
    trained.fit(XOR, LABELS, epochs=2)
    taken = Solver(NORMALIZED, SoftmaxCrossEntropy(), SGD(0.1), parameters=trained.snapshot())
    assert_equal(taken.values, trained.values)
    first = Solver(NORMALIZED, SoftmaxCrossEntropy(), SGD(0.1), parameters=trained.parameters)
    assert_equal(first.parameters, trained.parameters)
    assert_equal(first.buffers, NORMALIZED.initial_buffers())
    second = Solver(NORMALIZED, SoftmaxCrossEntropy(), SGD(0.1), buffers=trained.buffers)
    assert_equal(second.buffers, trained.buffers)


def test_values_that_do_not_fit_are_refused_and_none_is_written() -> None:
    solver = Solver(NORMALIZED, SoftmaxCrossEntropy(), SGD(0.1))
    before = copies(solver)
    fitting = {"affine1.bias": np.ones(8)}
    with pytest.raises(InputError, match=r"'affine2.weight'.*Expected \(8, 2\).*\(2, 8\)"):
        solver.load({**fitting, "affine2.weight": np.zeros((2, 8))})
    with pytest.raises(InputError, match="'affine9.bias'.*Expected affine1.weight, "):
        solver.load({**fitting, "affine9.bias": np.zeros(8)})
    assert_equal(solver.values, before)
    with pytest.raises(InputError, match=r"'affine1.weight' is missing. Expected shape \(2, 8\)"):
        Solver(NORMALIZED, SoftmaxCrossEntropy(), SGD(0.1), parameters=fitting)
    with pytest.raises(InputError, match="float32 or float64.*float16"):
        Solver(NORMALIZED, SoftmaxCrossEntropy(), SGD(0.1), dtype=np.float16)


def test_default_laws_by_the_parameters_own_names() -> None:
    network = Network((("a", Affine(2, 3)), ("norm", BatchNorm(3)), ("prelu", PReLU())))
    values = Solver(network, MeanSquaredError(), SGD(0.1)).parameters
    np.testing.assert_array_equal(values["norm.scale"], np.ones(3))
    np.testing.assert_array_equal(values["norm.shift"], np.zeros(3))
    np.testing.assert_array_equal(values["a.bias"], np.zeros(3))
    np.testing.assert_array_equal(values["prelu.slope"], 0.25)
    assert 0 < np.abs(values["a.weight"]).max() <= np.sqrt(6 / 5)


def test_running_statistics_move_in_training_only() -> None:
    solver = Solver(NORMALIZED, SoftmaxCrossEntropy(), SGD(0.1), batch_size=4)
    before = copies(solver)
    solver.loss_and_gradients(XOR, LABELS)
    solver.predict(XOR)
    solver.evaluate(XOR, LABELS, ("accuracy",))
    assert_equal(solver.values, before)
    z = XOR @ before["affine1.weight"]
    solver.step(XOR, LABELS)
    np.testing.assert_allclose(
        solver.buffers["affine1_norm.running_mean"], 0.1 * z.mean(0),
        # Sums of four terms, a product: a few roundings of terms up to the largest.
        rtol=0, atol=8 * np.finfo(float).eps * np.abs(z).max(),
    )  # fmt: skip


@pytest.mark.parametrize("engine", ["plain", "compiled"])
def test_a_failed_step_changes_nothing_but_the_generator(engine: Any) -> None:
    if engine == "compiled":
        pytest.importorskip("numba")
    solver = Solver(NORMALIZED, SoftmaxCrossEntropy(), Adam(0.1), engine=engine)
    solver.step(XOR, LABELS)
    before, state, history = copies(solver), solver.state["step"], list(solver.history["loss"])
    moments = {name: array.copy() for name, array in solver.state["first_moment"].items()}
    with pytest.raises(InputError, match="step 2.*input itself is not finite.*'affine1'"):
        solver.step(np.full((4, 2), np.nan), LABELS)
    with pytest.raises(InputError, match="label is not a class"):
        solver.step(XOR, LABELS + 5)
    assert_equal(solver.values, before)
    assert_equal(solver.state["first_moment"], moments)
    assert (solver.state["step"], solver.history["loss"]) == (state, history)


# ---- accumulation ------------------------------------------------------------------------
@settings(max_examples=30, deadline=None, derandomize=True)
@given(
    rows=st.integers(1, 13), size=st.integers(1, 4), pieces=st.integers(2, 4),
    accumulation=st.sampled_from(["mean", "sum"]), dtype=st.sampled_from([np.float32, np.float64]),
)  # fmt: skip
def test_accumulated_gradients_are_the_mean_or_sum_of_the_batches(
    rows: int, size: int, pieces: int, accumulation: str, dtype: type
) -> None:
    rng = np.random.default_rng(rows)
    x, y = rng.normal(size=(rows, 2)), rng.integers(0, 2, rows)
    options: dict[str, Any] = {"penalties": (L2(0.5),), "dtype": dtype, "engine": "plain"}
    solver = Solver(
        NETWORK, SoftmaxCrossEntropy(), SGD(0.5), batch_size=size, sampling="sequential",
        accumulate=pieces, accumulation=accumulation, **options,
    )  # fmt: skip
    reference = Solver(NETWORK, SoftmaxCrossEntropy(), SGD(0.5), **options)
    for start in range(0, rows, size * pieces):
        batches = [slice(i, i + size) for i in range(start, min(start + size * pieces, rows), size)]
        parts = [reference.loss_and_gradients(x[batch], y[batch]) for batch in batches]
        total = {name: sum(part[2][name] for part in parts) for name in reference.parameters}
        share = 1.0 / len(parts) if accumulation == "mean" and len(parts) > 1 else 1.0
        reference.update({name: gradient * share for name, gradient in total.items()})
        reference.history["loss"].append(sum(a + b for a, b, _ in parts) / len(parts))
    solver.fit(x, y, epochs=1)
    assert_equal(solver.parameters, reference.parameters)
    assert solver.history["loss"] == reference.history["loss"]
    assert solver.state["step"] == -(-rows // (size * pieces))
    with pytest.raises(InputError, match="draws cannot be given"):
        solver.step(x, y, draws=[])


def test_one_step_of_many_rows_is_worked_off_in_pieces() -> None:
    one = Solver(NETWORK, SoftmaxCrossEntropy(), SGD(0.5), batch_size=2, accumulate=2)
    whole = Solver(NETWORK, SoftmaxCrossEntropy(), SGD(0.5))
    assert one.step(XOR, LABELS) == pytest.approx(whole.step(XOR, LABELS), rel=1e-15)
    for name, array in one.parameters.items():
        # The mean of two halves is that of the whole, but for the order of four terms.
        np.testing.assert_allclose(array, whole.parameters[name], rtol=0, atol=1e-15)
    for options in ({"accumulate": 0}, {"accumulation": "median"}):
        with pytest.raises(InputError, match="accumulation: expected at least 1"):
            Solver(NETWORK, SoftmaxCrossEntropy(), SGD(0.5), **options)  # type: ignore[arg-type]


def test_a_partial_batch_weighs_its_rows_only() -> None:
    solver = Solver(NETWORK, SoftmaxCrossEntropy(), SGD(0.1), batch_size=3, sampling="sequential")
    solver.fit(XOR, LABELS, epochs=1)
    three, one = solver.history["loss"]
    assert solver.history["epoch_loss"] == [(three * 3 + one) / 4]


def test_sample_weights_go_with_their_rows() -> None:
    weights = np.array([0.0, 1.0, 2.0, 0.5])
    solver = Solver(NETWORK, SoftmaxCrossEntropy(), SGD(0.5), batch_size=3)
    reference = Solver(NETWORK, SoftmaxCrossEntropy(), SGD(0.5))
    solver.fit(XOR, LABELS, epochs=2, sample_weights=weights)
    rng = np.random.default_rng(0)
    NETWORK.initialize(NAMED["glorot_uniform"], rng)
    reference.load(Solver(NETWORK, SoftmaxCrossEntropy(), SGD(0.5)).parameters)
    drawn = np.random.default_rng(0)
    for name, shape in NETWORK.parameter_shapes().items():
        if name.endswith("weight"):
            NAMED["glorot_uniform"].sample(shape, *shape, drawn, float)
    for _ in range(2):
        order = drawn.permutation(4)
        for rows in (order[:3], order[3:]):
            reference.step(XOR[rows], LABELS[rows], weights[rows])
    assert_equal(solver.parameters, reference.parameters)
    with pytest.raises(InputError, match=r"sample weights.*\(4,\).*\(3,\)"):
        solver.fit(XOR, LABELS, epochs=1, sample_weights=weights[:3])


# ---- rates and constraints ---------------------------------------------------------------
def test_a_schedule_gives_each_update_its_rate() -> None:
    rates = [0.5, 0.25, 0.125, 1.0]
    solver = Solver(
        NETWORK, SoftmaxCrossEntropy(), SGD(9.0), schedule=rates.__getitem__, engine="plain"
    )
    for rate in rates[:3]:
        assert solver.learning_rate == rate
        before, gradients = copies(solver), solver.loss_and_gradients(XOR, LABELS)[2]
        solver.step(XOR, LABELS)
        for name, array in solver.parameters.items():
            np.testing.assert_array_equal(array, before[name] - gradients[name] * rate)
    fitted = Solver(NETWORK, SoftmaxCrossEntropy(), SGD(9.0), batch_size=2,
                    schedule=rates.__getitem__)  # fmt: skip
    assert fitted.fit(XOR, LABELS, epochs=2)["learning_rate"] == [0.25, 1.0]


def test_a_plateau_reduces_the_rates_of_a_schedule() -> None:
    values = [1.0, 1.0, 0.5, 0.75, 0.75, 0.25]
    wanted = iter(values)
    rule = ReduceOnPlateau(0.5, patience=0)
    solver = Solver(
        NETWORK, SoftmaxCrossEntropy(), SGD(9.0), batch_size=2, plateau=rule,
        plateau_monitor="mine", schedule=lambda step: 1.0 / (1 + step),
    )  # fmt: skip
    factors, plateau = [], rule.initialize()
    for value in values:
        factors.append(plateau.factor)
        plateau = rule.observe(plateau, value)
    assert factors == [1.0, 1.0, 0.5, 0.5, 0.25, 0.125]
    history = solver.fit(XOR, LABELS, 6, metrics={"mine": lambda prediction, target: next(wanted)})
    # Two steps an epoch; the rate told is that of the second.
    assert history["learning_rate"] == [f / (2 + 2 * i) for i, f in enumerate(factors)]
    assert solver.plateau_state == plateau
    assert solver.learning_rate == plateau.factor / 13
    with pytest.raises(InputError, match="plateau: 'mine' is not recorded.*epoch_loss"):
        solver.fit(XOR, LABELS, 1)


@pytest.mark.parametrize("weights", [None, np.array([0.5, 2.0, 0.0, 1.0])])
def test_a_penalty_may_be_divided_by_the_rows_of_each_batch(weights: Any) -> None:
    term = L2(0.5, scale_with_batch=True)
    solver = Solver(NETWORK, SoftmaxCrossEntropy(), SGD(0.5), penalties=(term,), engine="plain")
    rows = 4 if weights is None else 3.5
    _, penalty, gradients = solver.loss_and_gradients(XOR, LABELS, weights=weights)
    assert penalty == L2(0.5).value(solver.parameters) / rows
    plain = Solver(NETWORK, SoftmaxCrossEntropy(), SGD(0.5), engine="plain")
    before = plain.loss_and_gradients(XOR, LABELS, weights=weights)[2]
    added = term.gradients(solver.parameters, rows=rows)
    for name, gradient in gradients.items():
        np.testing.assert_array_equal(gradient, before[name] + added.get(name, 0.0))
    values = copies(solver)
    solver.step(XOR, LABELS, weights)
    for name, gradient in gradients.items():
        np.testing.assert_array_equal(solver.parameters[name], values[name] - gradient * 0.5)


def test_constraints_hold_after_each_update() -> None:
    solver = Solver(
        NETWORK, SoftmaxCrossEntropy(), SGD(5.0), constraints=(MaxNorm(0.5, epsilon=0.0),)
    )
    for _ in range(3):
        solver.step(XOR, LABELS)
        for name, array in solver.parameters.items():
            if name.endswith("weight"):
                # The norm of a rescaled column: a quotient, a product and the sum of squares.
                assert np.linalg.norm(array, axis=0).max() <= 0.5 * (1 + 8 * np.finfo(float).eps)


@pytest.mark.parametrize(
    "clipping", [ClipByValue(0.01), ClipByNorm(0.1), ClipByNorm(0.01, "parameter")]
)
def test_gradients_are_clipped_after_accumulation_and_before_the_update(clipping: Any) -> None:
    options: dict[str, Any] = {"penalties": (L2(0.5),), "engine": "plain"}
    clipped = Solver(
        NETWORK, SoftmaxCrossEntropy(), SGD(0.5), clipping=clipping, accumulate=2, batch_size=2,
        **options,
    )  # fmt: skip
    plain = Solver(NETWORK, SoftmaxCrossEntropy(), SGD(0.5), **options)
    for _ in range(2):
        halves = [plain.loss_and_gradients(XOR[i : i + 2], LABELS[i : i + 2])[2] for i in (0, 2)]
        mean = {name: (halves[0][name] + halves[1][name]) * 0.5 for name in halves[0]}
        plain.update(clipping.clip(mean))
        clipped.step(XOR, LABELS)
    for name, array in clipped.parameters.items():
        # The norm over one buffer or over several arrays: a sum in another order, 35 terms.
        np.testing.assert_allclose(array, plain.parameters[name], rtol=70 * 2.0**-52, atol=0)
    unclipped = Solver(NETWORK, SoftmaxCrossEntropy(), SGD(0.5), **options)
    unclipped.step(XOR, LABELS)
    assert not np.allclose(unclipped.parameters["b.weight"], clipped.parameters["b.weight"])


def test_an_average_goes_along() -> None:
    rule = ExponentialMovingAverage(0.75)
    solver = Solver(NETWORK, SoftmaxCrossEntropy(), Adam(0.1), averaging=rule)
    plain = Solver(NETWORK, SoftmaxCrossEntropy(), Adam(0.1))
    assert plain.averaged_parameters is None
    state = rule.initialize(plain.parameters)
    for _ in range(4):
        solver.step(XOR, LABELS)
        plain.step(XOR, LABELS)
        state = rule.observe(state, plain.parameters)
    assert_equal(solver.parameters, plain.parameters)
    found = solver.averaged_parameters
    assert found is not None
    assert_equal(found, rule.average(state))
    found["a.weight"][...] = 0.0
    assert np.abs(solver.average_state["average"]["a.weight"]).max() > 0


# ---- epochs ------------------------------------------------------------------------------
DATA = np.random.default_rng(7)
X, Y = DATA.normal(size=(40, 2)), DATA.integers(0, 2, 40)


def test_metrics_of_each_epoch_are_those_after_it() -> None:
    seen: list[dict[str, float]] = []

    class Look(Callback):
        def on_epoch(self, solver: Solver, epoch: int, values: Mapping[str, float]) -> None:
            assert epoch == len(seen) + 1
            now = solver.predict(X[:30]).argmax(1) == Y[:30]
            held = solver.evaluate(X[30:], Y[30:], ("accuracy",))
            seen.append(
                {
                    "epoch_loss": solver.history["epoch_loss"][-1],
                    "accuracy": float(now.mean()),
                    "validation_loss": SoftmaxCrossEntropy().value(solver.predict(X[30:]), Y[30:]),
                    "validation_accuracy": held["accuracy"],
                }
            )
            assert values == seen[-1]

    solver = Solver(NORMALIZED, SoftmaxCrossEntropy(), Adam(0.05), penalties=(L2(0.5),))
    history = solver.fit(X, Y, 3, validation=0.25, metrics=("accuracy",), callbacks=(Look(),))
    assert history is solver.history
    for name in seen[0]:
        assert history[name] == [values[name] for values in seen]
    assert solver.stopped is None


@pytest.mark.parametrize("held_out", ["tail", "random"])
def test_rows_held_out_are_not_trained_on(held_out: Any) -> None:
    fed: list[np.ndarray] = []

    def look(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        fed.append(x.copy())
        return x

    solver = Solver(NETWORK, SoftmaxCrossEntropy(), SGD(0.1))
    solver.fit(X, Y, 1, validation=0.25, held_out=held_out, augment=look)
    rows = {tuple(row) for row in np.concatenate(fed)}
    assert len(rows) == 30
    assert (rows == {tuple(row) for row in X[:30]}) == (held_out == "tail")
    given = Solver(NETWORK, SoftmaxCrossEntropy(), SGD(0.1))
    given.fit(X[:30], Y[:30], 1, validation=(X[30:], Y[30:]))
    if held_out == "tail":
        assert given.history == solver.history
        assert_equal(given.parameters, solver.parameters)


def test_the_best_and_the_last_parameters_are_two() -> None:
    after: list[dict[str, np.ndarray]] = []

    class Keep(Callback):
        def on_epoch(self, solver: Solver, epoch: int, values: Mapping[str, float]) -> None:
            after.append(copies(solver))

    solver = Solver(NORMALIZED, SoftmaxCrossEntropy(), Adam(0.3))
    history = solver.fit(X, Y, 12, validation=0.25, callbacks=(Keep(),))
    best = solver.best
    assert best is not None
    assert best.epoch == 1 + int(np.argmin(history["validation_loss"]))
    assert best.epoch < 12
    assert best.value == min(history["validation_loss"])
    assert_equal({**best.parameters, **best.buffers}, after[best.epoch - 1])
    assert_equal(solver.values, after[-1])
    assert solver.best_parameters is best.parameters
    # Neither moves with the other.
    solver.step(X, Y)
    assert_equal({**best.parameters, **best.buffers}, after[best.epoch - 1])
    best.parameters["affine1.weight"][...] = 9.0
    assert np.abs(solver.parameters["affine1.weight"]).max() < 9.0


def test_early_stopping_stops_and_restores() -> None:
    class Given(Callback):
        """Nothing; the metric below is what is steered by."""

    wanted = iter([0.5, 0.75, 0.75, 0.625, 0.25, 1.0])
    metrics = {"mine": lambda prediction, target: next(wanted)}
    for restore in (False, True):
        wanted = iter([9, 0.5, 9, 0.75, 9, 0.75, 9, 0.625, 9, 0.25, 9, 1.0])
        rule = EarlyStopping(2, "validation_mine", "max", restore_best=restore)
        solver = Solver(NETWORK, SoftmaxCrossEntropy(), SGD(0.5))
        history = solver.fit(
            X, Y, 6, validation=0.5, metrics=metrics, early_stopping=rule, callbacks=(Given(),)
        )
        assert history["validation_mine"] == [0.5, 0.75, 0.75, 0.625]
        assert solver.stopped == "validation_mine is no better than 2 epochs ago"
        assert solver.best is not None
        assert (solver.best.epoch, solver.best.value) == (2, 0.75)
        same = all(
            np.array_equal(array, solver.best.parameters[name])
            for name, array in solver.parameters.items()
        )
        assert same == restore
    assert solver.fit(X, Y, 1)["epoch_loss"][4:] != []
    assert solver.stopped is None
    assert solver.best is None


def test_nan_is_never_the_best() -> None:
    rule = EarlyStopping(3, "v")
    assert not rule.better(np.nan, None)
    assert not rule.better(np.nan, 1.0)
    assert rule.better(1e300, None)
    with pytest.raises(InputError, match="patience.*at least 1.*0"):
        EarlyStopping(0)
    with pytest.raises(InputError, match="minimum delta.*-1"):
        EarlyStopping(1, minimum_delta=-1.0)
    with pytest.raises(InputError, match="mode.*'least'"):
        EarlyStopping(1, mode="least")  # type: ignore[arg-type]
    solver = Solver(NETWORK, SoftmaxCrossEntropy(), SGD(0.5))
    with pytest.raises(InputError, match="'validation_loss' is not recorded.*epoch_loss"):
        solver.fit(X, Y, 1, early_stopping=EarlyStopping(1))
    assert solver.state["step"] == 0
    # Without validation rows another quantity can be watched.
    solver.fit(X, Y, 2, early_stopping=EarlyStopping(1, "epoch_loss"))
    assert solver.best is not None


def test_a_callback_stops_by_saying_why() -> None:
    class Enough(Callback):
        def on_step(self, solver: Solver, step: int, loss: float) -> str | None:
            assert step == solver.state["step"]
            assert loss == solver.history["loss"][-1]
            return "three steps are enough" if step == 3 else None

    solver = Solver(NETWORK, SoftmaxCrossEntropy(), SGD(0.1), batch_size=10)
    history = solver.fit(X, Y, 5, callbacks=(Enough(), Callback()))
    assert (len(history["loss"]), solver.stopped) == (3, "three steps are enough")
    assert history["epoch_loss"] == []


@pytest.mark.parametrize("moment", [1, 4, 6])
def test_an_interrupt_comes_after_the_step_and_the_run_can_go_on(moment: int) -> None:
    def solver() -> Solver:
        return Solver(
            NORMALIZED,
            SoftmaxCrossEntropy(),
            Adam(0.1),
            batch_size=10,
            rng=np.random.default_rng(2),
        )

    def interrupt(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        if cut.state["step"] == moment - 1:
            signal.raise_signal(signal.SIGINT)
        return x

    whole, cut = solver(), solver()
    whole.fit(X, Y, 2, validation=0.25)
    with pytest.raises(KeyboardInterrupt):
        cut.fit(X, Y, 2, validation=0.25, augment=interrupt)
    assert cut.state["step"] == moment
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    cut.predict(X)
    cut.fit(X, Y, 2, validation=0.25, resume=True)
    assert cut.history == whole.history
    assert_equal(cut.values, whole.values)


def test_a_second_interrupt_ends_at_once() -> None:
    def interrupt(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        raise AssertionError("not reached")

    solver = Solver(NETWORK, SoftmaxCrossEntropy(), SGD(0.1))
    with pytest.raises(KeyboardInterrupt):
        solver.fit(X, Y, 1, augment=interrupt)
    assert solver.state["step"] == 0


def test_a_handler_of_the_programs_own_is_left_alone() -> None:
    calls: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, frame: calls.append(number))
    try:
        solver = Solver(NETWORK, SoftmaxCrossEntropy(), SGD(0.1), batch_size=40)

        def interrupt(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
            signal.raise_signal(signal.SIGINT)
            return x

        solver.fit(X, Y, 2, augment=interrupt)
    finally:
        signal.signal(signal.SIGINT, before)
    assert calls == [signal.SIGINT] * 2


def test_predictions_in_pieces_are_those_of_the_pieces() -> None:
    solver = Solver(NORMALIZED, SoftmaxCrossEntropy(), SGD(0.1))
    solver.fit(X, Y, 1)
    pieces = [
        solver.network.forward(solver.values, X[i : i + 7]).prediction for i in range(0, 40, 7)
    ]
    np.testing.assert_array_equal(solver.predict(X, rows=7), np.concatenate(pieces))
    np.testing.assert_array_equal(
        solver.predict(X), solver.network.forward(solver.values, X).prediction
    )
    assert solver.predict(np.tile(X, (9, 1))).shape == (360, 2)


def test_data_of_other_dtypes_train_as_their_values_do() -> None:
    pixels = DATA.integers(0, 3, (12, 2)).astype(np.uint8)
    labels = DATA.integers(0, 2, 12)
    runs = []
    for x, y in ((pixels, labels), (pixels.astype(np.float64), labels.astype(np.int8))):
        solver = Solver(NETWORK, SoftmaxCrossEntropy(), SGD(0.1), batch_size=5, dtype=np.float32)
        solver.fit(np.asfortranarray(x), y, 2, validation=0.25, metrics=("accuracy",))
        assert {array.dtype for array in solver.values.values()} == {np.dtype(np.float32)}
        runs.append(solver)
    assert runs[0].history == runs[1].history
    assert_equal(runs[0].parameters, runs[1].parameters)


@pytest.mark.parametrize("fraction", [0.25, np.float32(0.25), np.float64(0.25)])
def test_a_fraction_of_any_number_type(fraction: Any) -> None:
    solver = Solver(NETWORK, SoftmaxCrossEntropy(), SGD(0.1))
    solver.fit(X, Y, 1, validation=fraction)
    assert solver.position.rows == 30


class Peaks(Callback):
    """The most memory held within each step beyond what was held before it."""

    def __init__(self) -> None:
        self.found: list[int] = []
        self.before = 0

    def on_step(self, solver: Solver, step: int, loss: float) -> None:
        now, peak = tracemalloc.get_traced_memory()
        # The first epoch has a batch of each size that there is.
        if solver.position.epoch > 0:
            self.found.append(peak - self.before)
        self.before = now
        tracemalloc.reset_peak()


@pytest.mark.parametrize("engine", ["plain", "compiled"])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"accumulate": 2},
        {"constraints": (MaxNorm(1.0),)},
        {"dtype": np.float64},
        {"averaging": ExponentialMovingAverage()},
        {"clipping": ClipByNorm(0.1)},
        {"clipping": ClipByValue(0.1)},
    ],
    ids=str,
)
@pytest.mark.parametrize("loss", [SoftmaxCrossEntropy(), MeanSquaredError()], ids=repr)
def test_a_step_allocates_nothing_large(loss: Loss, options: dict[str, Any], engine: Any) -> None:
    if engine == "compiled":
        pytest.importorskip("numba")
    rng = np.random.default_rng(0)
    # Every array of a batch or of parameters is of at least 128 KiB: 256 × 128 float32.
    x, y = rng.normal(size=(640, 256)), rng.integers(0, 128, 640)
    solver = Solver(
        fully_connected_net(256, (256, 128), 128, normalization="batch", dropout=0.25),
        loss, Adam(1e-3), batch_size=256, engine=engine, **{"dtype": np.float32, **options},
    )  # fmt: skip
    peaks = Peaks()
    tracemalloc.start()
    try:
        solver.fit(x, y, 4, callbacks=(peaks,), sample_weights=np.ones(640))
    finally:
        tracemalloc.stop()
    assert len(peaks.found) == (6 if "accumulate" in options else 9)
    # Less than one array of 128 KiB: what is allocated within a step are blocks of an update
    # of at most 64 KiB, two at a time, and small objects.
    assert max(peaks.found) < 2 * 65536 + 8192, peaks.found


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_neither_does_one_of_a_network_with_joins(dtype: Any) -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(640, 256)), rng.integers(0, 128, 640)
    network = Network(
        (
            ("a", Affine(256, 256)), ("tanh", Tanh()), ("b", Affine(256, 256)),
            ("norm", BatchNorm(256)), ("sum", Add(("tanh",))), ("drop", Dropout(0.25)),
            ("c", Affine(256, 128)),
        )
    )  # fmt: skip
    solver = Solver(network, SoftmaxCrossEntropy(), Adam(1e-3), batch_size=256, dtype=dtype)
    peaks = Peaks()
    tracemalloc.start()
    try:
        solver.fit(x, y, 3, callbacks=(peaks,))
    finally:
        tracemalloc.stop()
    assert len(peaks.found) == 6
    # As above.
    assert max(peaks.found) < 2 * 65536 + 8192, peaks.found


@pytest.mark.parametrize("engine", ["plain", "auto"])
def test_a_deep_copy_goes_on_by_itself_to_the_same_bits(engine: Engine) -> None:
    rng = np.random.default_rng(4)
    x, y = rng.standard_normal((24, 5)), rng.integers(0, 3, 24)
    network = Network(
        (("one", Affine(5, 6)), ("relu", ReLU()), ("drop", Dropout(0.5)), ("two", Affine(6, 3)))
    )
    solver = Solver(network, SoftmaxCrossEntropy(), Adam(1e-2), batch_size=8, engine=engine)
    solver.fit(x, y, epochs=2)
    other = copy.deepcopy(solver)
    kept = {name: array.copy() for name, array in solver.values.items()}
    other.fit(x, y, epochs=2)
    for name, array in solver.values.items():
        np.testing.assert_array_equal(array, kept[name])
    solver.fit(x, y, epochs=2)
    for name, array in solver.values.items():
        np.testing.assert_array_equal(array, other.values[name])
    assert flat(other.parameters) is not None
