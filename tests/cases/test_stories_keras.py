"""What the four Keras stories claim of themselves, shown by running their programs alone."""

from __future__ import annotations

import importlib
import itertools
import random
import subprocess
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from netparity.cases import IDS, Case, find
from netparity.datasets import Dataset, load
from netparity.errors import InputError

keras = pytest.importorskip("keras")
pytest.importorskip("tensorflow")

STORIES = ("keras-l2", "keras-l2-deep", "tf1-keras-dropout", "keras-twins")
EPOCHS = 20
# Twenty updates of numbers below one; a sum over a thousand examples in another order differs
# by at most about ten units in the last place of its result.
ROUNDING = EPOCHS * 10 * np.finfo(np.float64).eps


@pytest.fixture(autouse=True)
def _precision() -> Iterator[None]:
    """The stories set Keras's precision for the whole process: put it back."""
    floatx, policy = keras.config.floatx(), keras.config.dtype_policy()
    yield
    keras.config.set_floatx(floatx)
    keras.config.set_dtype_policy(policy)


@pytest.fixture(scope="module")
def digits() -> Dataset:
    return load("digits")


def program(story: str, side: str) -> Any:
    return importlib.import_module(f"netparity.cases.{story.replace('-', '_')}.{side}")


def resolve(spec: str) -> Any:
    module, _, name = spec.partition(":")
    return getattr(importlib.import_module(module), name)


class TestRegistry:
    def test_unknown_id_names_the_nearest(self) -> None:
        with pytest.raises(InputError, match="keras_l2_depp") as caught:
            find("keras_l2_depp")
        assert "`keras-l2-deep`" in str(caught.value.hint)

    def test_ids_stand_in_the_order_they_are_told(self) -> None:
        assert IDS[:4] == STORIES

    @pytest.mark.parametrize("id", STORIES)
    def test_everything_named_is_there(self, id: str) -> None:
        case: Case = find(id)
        assert case.id == id
        assert case.title
        assert case.summary
        assert case.departures
        assert case.dataset in case.datasets
        specs = [case.left, case.right, case.data]
        specs += [spec for variant in case.variants for spec in (variant.left, variant.right)]
        specs += [spec for name in case.datasets for spec in case.sides(name)]
        specs += [case.full] if case.full else []
        for spec in specs:
            assert callable(resolve(spec)), spec

    def test_metadata_needs_no_framework(self) -> None:
        code = (
            "import sys; from netparity.cases import find; "
            f"[find(id) for id in {STORIES}]; "
            "sys.exit(bool({'keras', 'tensorflow', 'torch'} & set(sys.modules)))"
        )
        assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

    def test_sides_for_another_data_set(self) -> None:
        case = find("keras-l2")
        assert case.sides("digits") == (case.left, case.right)
        assert case.sides("mnist")[0].endswith(":build_mnist")
        with pytest.raises(InputError, match="runs on digits or mnist"):
            case.sides("cifar10")


def l2_differences(digits: Dataset, left_lambda: float, right_lambda: float) -> dict[str, Any]:
    """Both programs of keras-l2 for twenty epochs: their costs, and the weights' distance."""
    left, right = program("keras-l2", "left"), program("keras-l2", "right")
    x, y = resolve(find("keras-l2").data)(digits)
    net = left.Network([64, 30, 10], left_lambda)
    costs = []
    for _ in range(EPOCHS):
        net.update(x.T, y.T)
        costs.append(net.cost)
    right.use_float64()
    model = right.make_model(64, right_lambda)
    fitted = model.fit(x, y, epochs=EPOCHS, batch_size=len(x), shuffle=False, verbose=0)
    kernel_1, bias_1, kernel_2, bias_2 = model.get_weights()
    pairs = [
        (net.weights[0].T, kernel_1), (net.biases[0][:, 0], bias_1),
        (net.weights[1].T, kernel_2), (net.biases[1][:, 0], bias_2),
    ]  # fmt: skip
    return {
        "costs": np.abs(np.array(costs) - fitted.history["loss"]),
        "weights": max(float(np.abs(a - b).max()) for a, b in pairs),
        "moved": float(np.abs(net.weights[0]).max()),
    }


class TestKerasL2:
    def test_without_penalty_the_programs_agree(self, digits: Dataset) -> None:
        found = l2_differences(digits, 0.0, 0.0)
        assert found["moved"] > 1e-3
        assert found["weights"] < ROUNDING
        assert found["costs"].max() < ROUNDING

    def test_half_the_coefficient_on_the_right_makes_them_agree(self, digits: Dataset) -> None:
        found = l2_differences(digits, 0.125, 0.0625)
        assert found["weights"] < ROUNDING
        assert found["costs"].max() < ROUNDING

    def test_equal_coefficients_part_after_the_first_costs(self, digits: Dataset) -> None:
        found = l2_differences(digits, 0.125, 0.125)
        # All weights are zero before the first update: no penalty shows in the first cost.
        assert found["costs"][0] < ROUNDING
        assert found["costs"][-1] > 1e-3
        assert found["weights"] > 1e-3

    def test_a_tenth_leaves_the_rounding_of_the_constant(self, digits: Dataset) -> None:
        found = l2_differences(digits, 0.1, 0.05)
        # 0.05 is off by 1.5e-8 of itself in float32, which no float64 rounding reaches.
        assert 1e-12 < found["weights"] < 1e-8

    def test_join_shows_what_the_program_computes(self, digits: Dataset) -> None:
        x, y = resolve(find("keras-l2").data)(digits)
        left = program("keras-l2", "left")
        side = left.build()
        for _ in range(2):
            side.step(x, y)
        before, gradients = side.parameters(), side.gradients(x, y)
        weights = [before[name] for name in ("W1", "W2")]
        cost = side.loss(x, y).total
        data = float(np.sum((side.predict(x) - y) ** 2)) * 0.1 / len(x)
        penalty = 0.5 * left.LAMBDA * sum(float(np.sum(w**2)) for w in weights)
        assert abs(cost - data - penalty) < ROUNDING
        side.step(x, y)
        after = side.parameters()
        for name, value in before.items():
            # The decay is in his update alone, and spares the biases.
            decay = left.LAMBDA * value if name.startswith("W") else 0.0
            expected = value - left.ETA * (gradients[name] + decay)
            np.testing.assert_allclose(after[name], expected, rtol=0, atol=ROUNDING)


def deep_gradients(sizes: list[int], digits: Dataset) -> tuple[Any, Any]:
    """The author's gradients and TensorFlow's, by layer, in the author's layout."""
    import tensorflow as tf

    left, right = program("keras-l2-deep", "left"), program("keras-l2-deep", "right")
    x, y = resolve(find("keras-l2-deep").data)(digits)
    net = left.Network(*left.draw(sizes, 0))
    activations = net.feedforward(x.T)
    dW, dB = net.backprop(activations, y.T)
    right.use_float64()
    model = right.make_model(sizes, 0)
    with tf.GradientTape() as tape:
        prediction = model(x)
        loss = tf.reduce_mean(tf.square(prediction - y))
    # Sums of 64 terms of order one, and a sigmoid that does not enlarge them.
    np.testing.assert_allclose(prediction.numpy(), activations[-1].T, rtol=0, atol=ROUNDING)
    assert abs(float(loss) - net.total_cost(activations[-1], y.T)) < ROUNDING
    found = [g.numpy().T for g in tape.gradient(loss, model.trainable_variables)]
    right_ones = list(zip(found[0::2], found[1::2], strict=True))
    authors = [(w / len(x), b[:, 0] / len(x)) for w, b in zip(dW, dB, strict=True)]
    return authors, right_ones


def apart(one: tuple[Any, Any], other: tuple[Any, Any]) -> float:
    return max(float(np.abs(a - b).max()) for a, b in zip(one, other, strict=True))


class TestKerasL2Deep:
    def test_the_first_two_layers_hold_each_others_gradients(self, digits: Dataset) -> None:
        authors, right_ones = deep_gradients([64, 64, 64, 10], digits)
        assert apart(authors[0], right_ones[1]) < ROUNDING
        assert apart(authors[1], right_ones[0]) < ROUNDING
        assert apart(authors[2], right_ones[2]) < ROUNDING
        assert apart(authors[0], right_ones[0]) > 1e-3
        assert apart(authors[1], right_ones[1]) > 1e-3

    def test_two_layers_are_right(self, digits: Dataset) -> None:
        authors, right_ones = deep_gradients([64, 64, 10], digits)
        assert all(apart(a, b) < ROUNDING for a, b in zip(authors, right_ones, strict=True))

    def test_unequal_widths_raise(self, digits: Dataset) -> None:
        left = program("keras-l2-deep", "left")
        x, y = resolve(find("keras-l2-deep").data)(digits)
        net = left.Network(*left.draw([64, 48, 32, 10], 0))
        with pytest.raises(ValueError, match="broadcast"):
            net.update(x.T, y.T)

    def test_training_is_stable_and_wrong(self, digits: Dataset) -> None:
        left, right = program("keras-l2-deep", "left"), program("keras-l2-deep", "right")
        x, y = resolve(find("keras-l2-deep").data)(digits)
        net = left.Network(*left.draw(left.SIZES, 0))
        costs = []
        for _ in range(EPOCHS):
            net.update(x.T, y.T)
            costs.append(net.cost)
        right.use_float64()
        model = right.make_model(left.SIZES, 0)
        fitted = model.fit(x, y, epochs=EPOCHS, batch_size=len(x), shuffle=False, verbose=0)
        losses = fitted.history["loss"]
        assert abs(costs[0] - losses[0]) < ROUNDING
        assert abs(costs[-1] - losses[-1]) > 1e-4
        assert all(after < before for before, after in itertools.pairwise(costs))
        assert all(after < before for before, after in itertools.pairwise(losses))


@pytest.fixture
def graph() -> Iterator[Any]:
    net = program("tf1-keras-dropout", "left").Classifier(64, seed=0)
    yield net
    net.session.close()


def graph_values(net: Any) -> list[Any]:
    return net.session.run(net.graph.get_collection("trainable_variables"))


class TestTf1KerasDropout:
    @pytest.fixture
    def right(self) -> ModuleType:
        module: ModuleType = program("tf1-keras-dropout", "right")
        module.use_float32()
        return module

    def test_same_laws_other_draws(self, graph: Any, right: Any) -> None:
        lefts, rights = graph_values(graph), right.make_model(64, 0).get_weights()
        assert [v.shape for v in lefts] == [v.shape for v in rights]
        for ours, theirs in zip(lefts, rights, strict=True):
            assert not np.array_equal(ours, theirs)
            for values in (ours, theirs):
                if values.ndim == 2:
                    limit = np.sqrt(6 / sum(values.shape))
                    assert 0.9 * limit < np.abs(values).max() <= limit * (1 + 1e-6)
        for values in (lefts, rights):
            biases = np.concatenate([v for v in values if v.ndim == 1])
            # 1,034 draws: the deviation is known to 1/sqrt(2n) = 0.022, five of which are 0.11.
            assert biases.std() == pytest.approx(1.0, abs=0.11)

    def test_every_build_draws_the_same(self, graph: Any, right: Any) -> None:
        again = program("tf1-keras-dropout", "left").Classifier(64, seed=0)
        with again.session:
            pairs = zip(graph_values(graph), graph_values(again), strict=True)
            assert all(np.array_equal(a, b) for a, b in pairs)
        first, second = (right.make_model(64, 0).get_weights() for _ in range(2))
        assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))

    def test_equal_weights_give_equal_logits_with_dropout_off(
        self, graph: Any, right: Any, digits: Dataset
    ) -> None:
        x, _ = resolve(find("tf1-keras-dropout").data)(digits)
        model = right.make_model(64, 0)
        model.set_weights(graph_values(graph))
        logits = graph.session.run(graph.logits, {graph.x: x, graph.keep_prob: 1.0})
        # float32 sums of 256 terms through five layers: up to 256 roundings of the largest.
        atol = 256 * np.finfo(np.float32).eps * np.abs(logits).max()
        np.testing.assert_allclose(model.predict(x, verbose=0), logits, rtol=0, atol=atol)

    def test_one_keeps_what_the_other_drops(self, graph: Any, right: Any) -> None:
        masked = [op for op in graph.graph.get_operations() if op.type == "GreaterEqual"]
        units = np.ones((200, 64), np.float32)
        kept = graph.session.run(masked[0].outputs[0], {graph.x: units, graph.keep_prob: 0.7})
        dropout = next(n for n in right.make_model(64, 0).layers if "dropout" in n.name)
        theirs = np.asarray(dropout(np.ones((200, 256), np.float32), training=True)) > 0
        # 51,200 draws: five deviations of the rate are 0.010.
        assert np.mean(kept) == pytest.approx(0.7, abs=0.010)
        assert np.mean(theirs) == pytest.approx(0.3, abs=0.010)

    def test_left_reports_after_each_update_with_dropout_off(
        self, graph: Any, digits: Dataset
    ) -> None:
        x, y = resolve(find("tf1-keras-dropout").data)(digits)
        befores, afters = [], []
        for batch in graph.batches(x, y):
            befores.append(graph.evaluate(*batch))
            feed = {graph.x: batch[0], graph.y: batch[1], graph.keep_prob: 0.7}
            graph.session.run(graph.train_op, feed)
            afters.append(graph.evaluate(*batch))
        assert len(afters) == 10
        logged = [graph.logs["loss"], graph.logs["accuracy"]]
        # The mean of ten float32 numbers, taken once in float32: at most ten roundings of 6e-8.
        np.testing.assert_allclose(logged, np.mean(afters, axis=0, dtype=np.float64), rtol=6e-7)
        # An update lowers the loss of its own batch: what was before it is another number.
        assert logged[0] < np.mean(befores, axis=0)[0] * 0.99

    def test_both_are_fed_alike(self, graph: Any, right: Any, digits: Dataset) -> None:
        x, y = resolve(find("tf1-keras-dropout").data)(digits)
        theirs = right.batches(x, y, 0)
        for ours, other in zip(graph.batches(x, y), theirs, strict=True):
            assert all(np.array_equal(a, b) for a, b in zip(ours, other, strict=True))

    def test_full_run_tells_three_accuracies(self, digits: Dataset) -> None:
        small = Dataset("digits", "", digits.x_train[:200], digits.y_train[:200],
                        digits.x_test[:50], digits.y_test[:50])  # fmt: skip
        told: list[tuple[str, float]] = []
        run = resolve(str(find("tf1-keras-dropout").full))
        (headline,) = run(small, lambda what, done: told.append((what, done)), epochs=2, seeds=(0,))
        assert all("%" in text for text in (headline.left, headline.before, headline.after))
        assert [done for _, done in told] == pytest.approx([i / 6 for i in range(1, 7)])


class TestKerasTwins:
    @pytest.fixture
    def sides(self) -> tuple[Any, Any]:
        left, right = program("keras-twins", "left"), program("keras-twins", "right")
        left.use_float32()
        return left, right

    def test_rewound_stream_gives_equal_weights_and_losses(self, sides: tuple[Any, Any]) -> None:
        left, right = sides
        x, y = resolve(find("keras-twins").data)(None)
        start = random.getstate()
        sequential, functional = left.make_model(), right.make_model()
        random.setstate(start)
        functional_first, sequential_second = right.make_model(), left.make_model()

        def same(one: Any, other: Any) -> bool:
            pairs = zip(one.get_weights(), other.get_weights(), strict=True)
            return all(np.array_equal(a, b) for a, b in pairs)

        assert not same(sequential, functional)
        assert same(sequential, functional_first)
        assert same(functional, sequential_second)
        losses = {
            model: left.train(model, x, y)
            for model in (sequential, functional, functional_first, sequential_second)
        }
        assert losses[sequential]["loss"] != losses[functional]["loss"]
        # The same numbers in the same order of the same operations: equal to the last bit.
        assert losses[sequential] == losses[functional_first]
        assert losses[functional] == losses[sequential_second]

    def test_seeding_numpy_fixes_nothing(self, sides: tuple[Any, Any]) -> None:
        left, _ = sides
        weights = []
        for _ in range(2):
            np.random.seed(0)  # noqa: NPY002
            weights.append(left.make_model().get_weights()[0])
        assert not np.array_equal(*weights)

    def test_the_last_row_is_held_out(self, sides: tuple[Any, Any]) -> None:
        left, _ = sides
        x, y = resolve(find("keras-twins").data)(None)
        model = left.make_model()
        start = float(np.mean((model.predict(x[2:], verbose=0) - y[2:]) ** 2))
        before = float(np.mean((model.predict(x[:2], verbose=0) - y[:2]) ** 2))
        history = left.train(model, x, y)
        # The first epoch's loss is that of the first two rows before the update, in float32.
        assert history["loss"][0] == pytest.approx(before, rel=1e-5)
        assert history["val_loss"][0] == pytest.approx(start, rel=0.1)
        assert history["val_loss"][0] != pytest.approx(before, rel=0.1)
