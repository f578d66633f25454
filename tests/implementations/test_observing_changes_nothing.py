"""Training is bit-equal with and without netparity looking on."""

# The programs here draw from NumPy's global generator, as such programs do.
# ruff: noqa: NPY002

import numpy as np
import pytest
import torch

from netparity import nn, randomness
from netparity.implementations.scratch import Scratch
from netparity.implementations.scratch_model import ScratchModel
from netparity.implementations.solver import SolverSide
from netparity.implementations.torch import Torch

RNG = np.random.default_rng(5)
X = RNG.standard_normal((10, 4))
Y = RNG.integers(0, 3, 10)


def softmax_gradient(scores, y):
    p = np.exp(scores - scores.max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)
    loss = -np.mean(np.log(p[np.arange(len(y)), y]))
    p[np.arange(len(y)), y] -= 1
    return loss, p / len(y)


def scratch():
    """Dropout from the global generator, momentum kept in a dictionary that starts empty."""
    rng = np.random.default_rng(0)
    params = {"W1": rng.standard_normal((4, 6)), "W2": rng.standard_normal((6, 3))}
    velocity = {}

    def forward(x, training=False):
        hidden = np.maximum(x @ params["W1"], 0)
        mask = (np.random.rand(*hidden.shape) < 0.7) / 0.7 if training else 1.0
        return hidden * mask, (hidden > 0) * mask, hidden * mask @ params["W2"]

    def gradients(x, y):
        hidden, slope, scores = forward(x, training=True)
        d = softmax_gradient(scores, y)[1]
        return {"W1": x.T @ (d @ params["W2"].T * slope), "W2": hidden.T @ d}

    def update(grads):
        for name, g in grads.items():
            velocity[name] = 0.5 * velocity.get(name, 0.0) + g
            params[name] = params[name] - 0.1 * velocity[name]

    return Scratch(
        parameters=params,
        state=velocity,
        predict=lambda x, training=False: forward(x, training)[2],
        loss=lambda x, y: softmax_gradient(forward(x, True)[2], y)[0],
        gradients=gradients,
        update=update,
        activations=lambda x, training=False: {"hidden": forward(x, training)[0]},
    )


class CourseNet:
    def __init__(self):
        rng = np.random.default_rng(1)
        self.params = {"W": rng.standard_normal((4, 3)), "b": np.zeros(3)}
        self.rng = np.random.default_rng(2)
        self.calls = 0

    def loss(self, X, y=None):
        if y is None:
            return X @ self.params["W"] + self.params["b"]
        self.calls += 1
        X = X * (self.rng.random(X.shape) < 0.8)
        loss, d = softmax_gradient(X @ self.params["W"] + self.params["b"], y)
        return loss, {"W": X.T @ d, "b": d.sum(0)}


def course_model():
    model = CourseNet()

    def update(grads):
        for name, g in grads.items():
            model.params[name] -= 0.1 * g

    return ScratchModel(model, update=update)


def torch_side():
    torch.manual_seed(3)
    module = torch.nn.Sequential(
        torch.nn.Linear(4, 6), torch.nn.BatchNorm1d(6), torch.nn.ReLU(), torch.nn.Dropout(0.4),
        torch.nn.Linear(6, 3),
    )  # fmt: skip
    optimizer = torch.optim.AdamW(module.parameters(), lr=0.01)
    return Torch(module, torch.nn.CrossEntropyLoss(), optimizer)


def solver():
    network = nn.Network(
        (("a", nn.Affine(4, 6)), ("r", nn.ReLU()), ("d", nn.Dropout(0.5)), ("b", nn.Affine(6, 3)))
    )
    return SolverSide(nn.Solver(network, nn.SoftmaxCrossEntropy(), nn.Adam(0.01)))


def look(side):
    """Everything netparity does with a side between two steps."""
    before = side.state()
    side.predict(X)
    if side.framework != "numpy" or side.name == "scratch":
        side.predict(X, training=True)
    if "activations" in side.abilities:
        side.activations(X)
        side.activations(X, training=True)
    side.loss(X, Y)
    side.gradients(X, Y)
    side.declared(X[:3])
    side.dropouts(X)
    side.update({name: np.ones_like(v) for name, v in side.parameters().items()})
    side.step(X[:3], Y[:3])
    side.restore(before)


def look_without_restoring(side):
    """What only reads has to leave no mark of its own accord."""
    side.predict(X)
    if "activations" in side.abilities:
        side.activations(X, training=True)
    side.loss(X, Y)
    side.gradients(X, Y)
    side.declared(X[:3])
    side.dropouts(X)


def train(build, looking):
    np.random.seed(7)
    torch.manual_seed(7)
    side = build()
    for start in (0, 5, 0, 5, 2):
        if looking:
            looking(side)
        side.step(X[start : start + 5], Y[start : start + 5])
    return side.parameters(), randomness.fingerprint()


@pytest.mark.parametrize("build", [scratch, course_model, torch_side, solver])
@pytest.mark.parametrize("looking", [look, look_without_restoring])
def test_probing_leaves_training_bit_equal(build, looking):
    plain, streams = train(build, None)
    probed, streams_probed = train(build, looking)
    for name, value in plain.items():
        assert np.array_equal(value, probed[name]), name
    assert streams == streams_probed


@pytest.mark.parametrize("build", [scratch, course_model, torch_side, solver])
def test_watching_leaves_training_bit_equal(build):
    def run(watched):
        np.random.seed(7)
        torch.manual_seed(7)
        side = build()
        if watched:
            side.watch(X, Y, epochs=2, batch_size=4, limit=100)
        else:
            for _ in range(2):
                for start in (0, 4, 8):
                    side.step(X[start : start + 4], Y[start : start + 4])
        return side.parameters()

    plain, watched = run(False), run(True)
    for name, value in plain.items():
        assert np.array_equal(value, watched[name]), name


@pytest.mark.parametrize("build", [scratch, course_model, torch_side, solver])
def test_restore_repeats_the_run(build):
    np.random.seed(7)
    torch.manual_seed(7)
    side = build()
    side.step(X[:5], Y[:5])
    saved = side.state()
    side.step(X, Y)
    side.step(X[3:], Y[3:])
    first = side.parameters()
    side.restore(saved)
    side.step(X, Y)
    side.step(X[3:], Y[3:])
    again = side.parameters()
    for name, value in first.items():
        assert np.array_equal(value, again[name]), name


def test_hooks_leave_the_authors_gradients_alone():
    side = torch_side()
    for p in side.module.parameters():
        p.grad = torch.full_like(p, 2.0)
    side.gradients(X, Y)
    side.update({"0.bias": np.ones(6)})
    assert all(bool((p.grad == 2).all()) for p in side.module.parameters())


def test_modes_are_left_as_handed_over():
    side = torch_side()
    side.module[3].eval()
    side.predict(X, training=True)
    side.gradients(X, Y)
    side.declared(X[:3])
    assert [m.training for m in side.module] == [True, True, True, False, True]
    assert "forward" not in vars(side.module[3])
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in side.module.modules())
