import numpy as np
import pytest

from netparity.errors import InputError
from netparity.nn import (
    L2,
    NAMED,
    SGD,
    Adam,
    Affine,
    Dropout,
    MeanSquaredError,
    Network,
    Sigmoid,
    Softmax,
    SoftmaxCrossEntropy,
    Solver,
    Tanh,
)

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
    with pytest.raises(InputError, match="first layer whose output is not finite is 'b'"):
        solver.step(np.ones((1, 1)), np.ones(1))
    impossible = Solver(
        Network((("softmax", Softmax()),)), SoftmaxCrossEntropy(input="probabilities"), SGD(0.1)
    )
    with pytest.raises(InputError, match="the loss itself"):
        impossible.step(np.array([[1e4, 0.0]]), np.array([1]))


def test_refuses_unusable_data() -> None:
    solver = Solver(NETWORK, SoftmaxCrossEntropy(), SGD(0.1))
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
