"""Programs written from scratch, as functions and live arrays."""

from collections import deque

import numpy as np
import pytest

from netparity import randomness
from netparity.errors import CannotError, InputError
from netparity.implementations.base import ABILITIES
from netparity.implementations.scratch import Scratch
from netparity.implementations.scratch_model import ScratchModel

# The programs here draw from NumPy's global generator, as such programs do.
# ruff: noqa: NPY002

X = np.arange(6.0).reshape(3, 2)
Y = np.ones((3, 1))


def line(**options):
    w = np.array([[1.0], [2.0]])
    return w, Scratch(parameters={"w": w}, predict=lambda x: x @ w, **options)


def test_abilities_follow_from_what_is_given():
    assert line()[1].abilities == frozenset()
    both = {"gradients": lambda x, y: {}, "update": lambda g: None}
    assert line(**both)[1].abilities == {"gradients", "update", "step"}
    functions = {
        "loss": lambda x, y: 0, "step": lambda x, y: None, "activations": lambda x: {},
        "penalty": lambda: 0, "report": lambda x, y: {}, "result": dict,
        "validation": lambda x, y: (x, y), "batches": lambda x, y, epoch: [],
    }  # fmt: skip
    side = line(**functions)[1]
    assert side.abilities == set(functions)
    assert side.abilities <= ABILITIES
    bare = line()[1]
    for look in (bare.loss, bare.gradients, bare.step):
        with pytest.raises(CannotError):
            look(X, Y)


def test_parameters_are_read_afresh_and_written_in_place_or_rebound():
    frozen = np.ones(2)
    frozen.flags.writeable = False
    params = {"w": np.array([1.0, 2.0]), "c": 3.0, "frozen": frozen}
    side = Scratch(parameters=params, predict=lambda x: x)
    live = params["w"]
    side.set_parameters({"w": np.array([5.0, 6.0]), "c": np.array(4.0), "frozen": np.zeros(2)})
    assert params["w"] is live
    assert live.tolist() == [5.0, 6.0]
    assert params["c"] == 4.0
    assert params["frozen"].tolist() == [0.0, 0.0]
    params["w"] = np.array([7.0, 8.0])
    assert side.parameters()["w"].tolist() == [7.0, 8.0]
    side.parameters()["w"][:] = 0
    assert params["w"].tolist() == [7.0, 8.0]


def test_dtype_is_that_of_the_parameters():
    params = {"a": np.ones(2, np.float32), "n": np.ones(2, np.int64)}
    side = Scratch(parameters=params, predict=lambda x: x)
    assert side.dtype == np.float32
    side.set_parameters({"a": np.ones(2)})
    assert params["a"].dtype == np.float32


def test_functions_with_a_training_argument_are_told_the_mode():
    told = deque()  # no plain data, which would be put back after each look

    def predict(x, training):
        told.append(("predict", training))
        return x

    def loss(x, y, training=None):
        told.append(("loss", training))
        return 1.0

    def step(x, y, *, training=False):
        told.append(("step", training))

    side = Scratch(parameters={"w": np.ones(1)}, predict=predict, loss=loss, step=step)
    side.predict(X)
    side.predict(X, training=True)
    side.loss(X, Y)
    side.loss(X, Y, training=False)
    side.step(X, Y)
    assert list(told) == [
        ("predict", False), ("predict", True), ("loss", True), ("loss", False), ("step", True),
    ]  # fmt: skip


def test_without_the_argument_predict_means_inference_and_the_rest_training():
    _, side = line(
        activations=lambda x: {"dropped": x * (np.random.rand(*x.shape) < 0.5)},
        loss=lambda x, y: float(np.random.rand()),
    )
    with pytest.raises(CannotError):
        side.predict(X, training=True)
    assert side.activations(X, training=True)["dropped"].shape == X.shape
    with pytest.raises(CannotError):
        side.activations(X)
    with pytest.raises(CannotError):
        side.loss(X, Y, training=False)
    _, without_dropout = line(activations=lambda x: {"same": x}, loss=lambda x, y: x.sum())
    assert np.array_equal(without_dropout.activations(X)["same"], X)
    assert without_dropout.loss(X, Y, training=False).total == X.sum()


def test_looks_from_one_state_draw_the_same_masks():
    np.random.seed(0)
    seen = deque()  # no plain data, which would be put back after each look

    def gradients(x, y):
        seen.append(np.random.rand(3))
        return {"w": np.ones((2, 1))}

    _, side = line(gradients=gradients)
    before = randomness.fingerprint()
    side.gradients(X, Y)
    side.gradients(X, Y)
    assert np.array_equal(seen[0], seen[1])
    assert randomness.fingerprint() == before


def test_penalty_is_the_part_contained_in_the_loss():
    _, side = line(loss=lambda x, y: 5.0, penalty=lambda: np.array([2.0]))
    value = side.loss(X, Y)
    assert (value.total, value.data, value.penalty) == (5.0, 3.0, 2.0)
    _, side = line(loss=lambda x, y: 5.0)
    assert side.loss(X, Y).penalty is None


def test_step_is_update_of_gradients_where_there_is_none():
    w, side = line(gradients=lambda x, y: {"w": x.T @ (x @ w - y)}, update=None)
    assert "step" not in side.abilities
    w, side = line(
        gradients=lambda x, y: {"w": np.full(2, 3.0)}, update=lambda g: np.subtract(w, g["w"], w)
    )
    assert side.gradients(X, Y)["w"].shape == (2, 1)
    side.step(X, Y)
    assert w.ravel().tolist() == [-2.0, -1.0]


def test_what_a_program_writes_into_its_inputs_does_not_leak():
    def predict(x):
        x -= x.mean()
        return x

    side = Scratch(parameters={"w": np.ones(1)}, predict=predict)
    before = X.copy()
    side.predict(X)
    assert np.array_equal(X, before)


def test_state_holds_nested_state_buffers_and_generators():
    w = np.ones(2)
    rng = np.random.default_rng(0)
    config = {"w": {"t": 0}, "history": [1], "rng": rng}
    running = {"mean": np.zeros(2)}
    side = Scratch(parameters={"w": w}, predict=lambda x: x, state=config, buffers=running)
    inner, mean = config["w"], running["mean"]
    saved = side.state()
    config["w"]["t"] = 3
    config["w"]["v"] = np.ones(2)
    config["history"].append(2)
    mean += 1
    w += 1
    first = rng.random()
    np.random.rand()
    side.restore(saved)
    assert config["w"] is inner
    assert inner == {"t": 0}
    assert config["history"] == [1]
    assert running["mean"] is mean
    assert not mean.any()
    assert w.tolist() == [1.0, 1.0]
    assert rng.random() == first


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"parameters": {}}, "at least one entry"),
        ({"parameters": [np.ones(2)]}, "expected a mapping"),
        ({"parameters": {"w": [[1.0]]}}, "'w': expected an array of numbers; received list"),
        ({"parameters": {"w": np.array(["a"])}}, "'w': expected an array of numbers"),
        ({"predict": 3}, "predict: expected a function; received int"),
        ({"report_every": "batch"}, "expected 'step' or 'epoch'; received 'batch'"),
    ],
)
def test_what_cannot_be_used_is_said(options, message):
    with pytest.raises(InputError, match=message):
        Scratch(**{"parameters": {"w": np.ones(1)}, "predict": lambda x: x, **options})


def test_wrong_names_and_shapes_are_said():
    _, side = line(gradients=lambda x, y: {"v": x}, loss=lambda x, y: x)
    with pytest.raises(InputError, match=r"'w': expected shape \(2, 1\); received \(1, 2\)"):
        side.set_parameters({"w": np.ones((1, 2))})
    with pytest.raises(InputError, match="expected one of w; received 'v'"):
        side.set_parameters({"v": np.ones(1)})
    with pytest.raises(InputError, match="expected names among w; received 'v'"):
        side.gradients(X, Y)
    with pytest.raises(InputError, match=r"loss: expected one number; received float64"):
        side.loss(X, Y)


class CourseNet:
    """The cs231n convention, with batch statistics and a seeded dropout."""

    def __init__(self):
        self.params = {"W": np.eye(2), "b": np.zeros(2)}
        self.bn_params = [{"mode": "train", "running_mean": np.zeros(2)}]
        self.dropout_param = {"mode": "train", "seed": 3}

    def loss(self, X, y=None):
        self.dropout_param["mode"] = "test" if y is None else "train"
        scores = X @ self.params["W"] + self.params["b"]
        if y is None:
            return scores - self.bn_params[0]["running_mean"]
        self.bn_params[0]["running_mean"] += X.mean(0)
        np.random.seed(self.dropout_param["seed"])
        return float(scores.sum()), {"W": X.T @ np.ones_like(scores), "b": np.ones(2)}


def test_an_object_in_the_course_convention():
    model = CourseNet()
    side = ScratchModel(model)
    assert side.abilities == {"loss", "gradients"}
    streams = randomness.fingerprint()
    assert side.loss(X, Y).total == X.sum()
    assert side.gradients(X, Y)["b"].tolist() == [1.0, 1.0]
    assert side.predict(X).tolist() == X.tolist(), "a look left its mark in running statistics"
    assert randomness.fingerprint() == streams
    saved = side.state()
    model.loss(X, Y)
    model.cache = np.ones(3)
    side.restore(saved)
    assert not model.bn_params[0]["running_mean"].any()
    assert not hasattr(model, "cache")
    model.params = {"W": np.zeros((2, 2)), "b": np.ones(2)}
    assert side.predict(X).tolist() == np.ones((3, 2)).tolist()
    with pytest.raises(InputError, match=r"expected an object with a mapping \.params"):
        ScratchModel(object())
