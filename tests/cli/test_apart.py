"""Sides that cannot share a process run in processes of their own; those that can, share one."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.diagnosis.runs import Done, netparity

import netparity as package
from netparity.diagnosis import sides
from netparity.errors import InputError

#: A small network by hand, whose values come from a module that stands beside it.
TRAIN = """
import numpy as np

import model
import netparity

print("loading", model.NAME)
data = (np.arange(12.0).reshape(6, 2) / 7 - 0.8, np.array([0, 1, 2, 0, 1, 2]))


class Net:
    def __init__(self):
        self.values = {n: v.copy() for n, v in model.VALUES.items()}
        self.steps = 0

    def predict(self, x):
        return x @ self.values["W"] + self.values["b"]

    def judge(self, x, y):
        s = self.predict(x)
        e = np.exp(s - s.max(axis=1, keepdims=True))
        p = e / e.sum(axis=1, keepdims=True)
        rows = np.arange(len(x))
        loss = -np.log(p[rows, y]).mean()
        p[rows, y] -= 1
        return loss, {"W": x.T @ p / len(x), "b": p.mean(axis=0)}

    def update(self, gradients):
        self.steps += 1
        model.before(self)
        for name, gradient in gradients.items():
            self.values[name] -= model.RATE * gradient


def build():
    net = Net()
    return netparity.Scratch(
        parameters=net.values, predict=net.predict, loss=lambda x, y: net.judge(x, y)[0],
        gradients=lambda x, y: net.judge(x, y)[1], update=net.update,
    )
"""
MODEL = """
import os, signal
import numpy as np

NAME = {name!r}
RATE = {rate}
VALUES = {{"W": np.array([[0.5, -0.25, 1.0], [0.75, 0.5, -1.0]]), "b": np.zeros(3)}}


def before(net):
    {before}
"""


def folder(root: Path, name: str, *, rate: float = 0.5, before: str = "pass") -> str:
    """A program in a folder of its own, with a module `model` beside it."""
    (root / name).mkdir()
    (root / name / "model.py").write_text(MODEL.format(name=name, rate=rate, before=before))
    (root / name / "train.py").write_text(TRAIN)
    return f"{root / name / 'train.py'}:build"


def written(root: Path, name: str, text: str) -> str:
    (root / name).write_text(text)
    return f"{root / name}:build"


def report(*arguments: str, status: int = 0, **variables: str) -> dict[str, Any]:
    done = netparity("compare", *arguments, "--format", "json", **variables)
    assert done.status == status, done.err
    found: dict[str, Any] = json.loads(done.out)
    return found


def told(done: Done) -> str:
    return " ".join(done.err.split())


# ---- programs by hand ------------------------------------------------------------------------


def test_each_side_gets_its_own_module_of_one_name(tmp_path: Path) -> None:
    left, right = folder(tmp_path, "one"), folder(tmp_path, "two", rate=0.25)
    found = report(left, right, status=1)
    assert [c["id"] for c in found["causes"]] == ["learning-rate-value"]
    where = found["environment"]["processes"]
    assert not where["shared"]
    assert where["why"] == "each imports a module `model` of its own"
    assert where["left"]["libraries"]
    same = report(left, folder(tmp_path, "three"))
    assert (same["verdict"], same["explained"]) == ("parity", True)


def test_from_python_too_and_the_note_says_so(tmp_path: Path) -> None:
    left, right = folder(tmp_path, "one"), folder(tmp_path, "two")
    found = package.compare(left, right, steps=5)
    assert found.verdict == "parity"
    assert found.notes[0] == (
        "left and right ran in processes of their own: each imports a module `model` of its own"
    )
    assert found.left.name == left
    assert "model" not in sys.modules  # nothing of theirs came into this process
    assert str(tmp_path / "one") not in sys.path


DRAWS = """
import model, netparity, numpy as np
np.random.standard_normal(3)
def build(seed):
    w = np.random.standard_normal((2, 3))
    return netparity.Scratch(parameters={"w": w, "b": np.full(3, float(seed))},
                             predict=lambda x: x @ w)
"""


def test_each_process_builds_again_from_its_own_first_random_states(tmp_path: Path) -> None:
    specs = []
    for name in ("one", "two"):
        folder(tmp_path, name)
        specs.append(written(tmp_path / name, "train.py", DRAWS))
    pair = sides.open_pair(*specs, 7)
    try:
        assert not pair.shared
        first = [side.live.parameters() for side in pair.sides()]
        assert not np.array_equal(first[0]["w"], first[1]["w"])  # two streams, nobody seeds them
        assert [p["b"][0] for p in first] == [7.0, 7.0]
        for _ in range(2):
            for live, values in zip(pair.rebuild(), first, strict=True):
                np.testing.assert_array_equal(live.parameters()["w"], values["w"])
        assert not np.array_equal(pair.construct(pair.left).parameters()["w"], first[0]["w"])
        np.testing.assert_array_equal(pair.rebuild_only("right").parameters()["w"], first[1]["w"])
        sides.reseed(pair.left, "numpy", 3)
        drawn = pair.construct(pair.left).parameters()["w"]
        pair.origin.restore()
        sides.disturb(pair.right, 3)  # in right's process alone
        np.testing.assert_array_equal(pair.construct(pair.left).parameters()["w"], first[0]["w"])
        sides.reseed(pair.left, "numpy", 3)
        np.testing.assert_array_equal(pair.construct(pair.left).parameters()["w"], drawn)
        assert "numpy" in sides.generators(pair.left)
    finally:
        pair.close()
    with pytest.raises(InputError, match="the process of left"):
        pair.left.live.parameters()


def test_sides_that_can_share_a_process_do_and_their_stream_shows(tmp_path: Path) -> None:
    program = """
        import numpy as np, netparity
        data = (np.arange(8.0).reshape(4, 2) / 5, None)
        def build():
            w = np.random.standard_normal((2, 3))
            return netparity.Scratch(parameters={"w": w}, predict=lambda x: x @ w)
    """.replace("\n        ", "\n")
    left, right = (written(tmp_path, f"{name}.py", program) for name in ("a", "b"))
    found = report(left, right, status=1)
    assert found["environment"]["processes"] == {"shared": True}
    assert [c["id"] for c in found["causes"]] == ["rng-stream-position"]


def test_a_side_that_dies_in_the_middle_is_named(tmp_path: Path) -> None:
    left = folder(tmp_path, "one")
    dies = "if net.steps > 3: os.kill(os.getpid(), signal.SIGKILL)"
    right = folder(tmp_path, "two", before=dies)
    done = netparity("compare", left, right)
    assert (done.status, done.out) == (2, "")
    assert f"error: the process of right (`{right}`) was ended by signal SIGKILL" in told(done)
    assert "while it did `update`" in told(done)
    assert "Traceback" not in done.err


def test_an_error_while_loading_or_building_shows_their_line(tmp_path: Path) -> None:
    left = folder(tmp_path, "one")
    folder(tmp_path, "two")
    broken = tmp_path / "two" / "train.py"
    right = f"{broken}:build"
    built = TRAIN.replace("net = Net()", "net = {}['absent']  # their line")
    for text, both, doing in (
        (TRAIN + "\n{}['absent']  # their line\n", (left, right), "could not be loaded"),
        (built, (right, left), "could not be built"),
    ):
        broken.write_text(text)
        done = netparity("compare", *both)
        assert (done.status, done.out) == (2, "")
        assert f"{doing}: KeyError: 'absent'" in told(done)
        assert "# their line" in done.err
        assert "The traceback of that program" in done.err


def test_an_error_in_a_stage_leaves_the_others(tmp_path: Path) -> None:
    left = folder(tmp_path, "one")
    right = folder(tmp_path, "two", before="raise RuntimeError('no update today')")
    found = report(left, right, status=1)
    stages = {s["stage"]: s for s in found["stages"]}
    assert stages["update"]["status"] == "not-checked"
    assert "right raised RuntimeError: no update today" in stages["update"]["reason"]
    assert stages["gradient"]["status"] == "equal"


def test_what_only_shows_when_it_is_built_moves_both_sides(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    program = """
import numpy as np, torch, netparity
data = (np.arange(8.0).reshape(4, 2) / 5, np.arange(4.0)[:, None] / 4)
def build():
    {extra}
    module = torch.nn.Linear(2, 1)
    with torch.no_grad():
        module.weight.fill_(0.5)
        module.bias.zero_()
    sgd = torch.optim.SGD(module.parameters(), lr=0.125)
    return netparity.Torch(module, torch.nn.MSELoss(), sgd)
"""
    left = written(tmp_path, "a.py", program.format(extra="pass"))
    hidden = "getattr(torch, 'set_default_' + 'dtype')(torch.float64)"
    right = written(tmp_path, "b.py", program.format(extra=hidden))
    where = report(left, right)["environment"]["processes"]
    why = "torch.default_dtype is torch.float32 on the left and torch.float64 on the right"
    assert (where["shared"], where["why"]) == (False, why)
    assert where["left"]["settings"]["torch.default_dtype"] == "torch.float32"
    assert where["right"]["settings"]["torch.default_dtype"] == "torch.float64"


def test_an_object_stays_and_the_program_moves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch = pytest.importorskip("torch")
    program = """
import torch, netparity
torch.set_default_dtype(torch.float64)
def build():
    module = torch.nn.Linear(2, 1)
    with torch.no_grad():
        module.weight.fill_(0.5)
        module.bias.zero_()
    return netparity.Torch(module)
"""
    module = torch.nn.Linear(2, 1)
    with torch.no_grad():
        module.weight.fill_(0.5)
        module.bias.zero_()
    data = ([[0.5, 0.25], [1.0, -1.0], [0.0, 2.0]], None)
    found = package.compare(module, written(tmp_path, "a.py", program), data=data)
    assert found.verdict == "parity"
    assert found.notes[0].startswith("right ran in a process of its own: torch.default_dtype is")
    assert torch.get_default_dtype() == torch.float32


def test_a_program_that_is_not_there_is_said_before_anything_starts(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        package.compare(folder(tmp_path, "one"), str(tmp_path / "absent.py:build"))


# ---- frameworks ------------------------------------------------------------------------------

COMMON = """
import numpy as np
rng = np.random.default_rng(3)
X = rng.standard_normal((40, 5)).astype("float32")
Y = rng.integers(0, 3, 40)
W = [rng.standard_normal(s).astype("float32") * 0.4 for s in ((5, 8), (8,), (8, 3), (3,))]
"""
KERAS = """
import os
os.environ["KERAS_BACKEND"] = "{backend}"
import keras
from common import W, X, Y

{extra}
print("hello from", keras.backend.backend())
data = (X, Y)


def build():
    model = keras.Sequential(
        [
            keras.Input((5,)),
            keras.layers.Dense(8, "{activation}", kernel_regularizer=keras.regularizers.L2(0.125)),
            keras.layers.Dropout(0.25),
            keras.layers.Dense(3),
        ]
    )
    model.compile(
        optimizer=keras.optimizers.SGD(0.125, momentum=0.875),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    model.set_weights(W)
    return model
"""
GRAPH = """
import tensorflow.compat.v1 as tf
tf.disable_eager_execution()
import netparity
from common import W, X, Y

data = (X, Y)


def build():
    tf.reset_default_graph()
    x = tf.placeholder(tf.float32, [None, 5])
    y = tf.placeholder(tf.int64, [None])
    w1, b1, w2, b2 = (tf.Variable(v, name=f"v{i}") for i, v in enumerate(W))
    out = tf.matmul(tf.nn.relu(tf.matmul(x, w1) + b1), w2) + b2
    loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=y, logits=out))
    train = tf.train.GradientDescentOptimizer(0.125).minimize(loss)
    session = tf.Session()
    session.run(tf.global_variables_initializer())
    return netparity.TensorFlowGraph(session, x, y, out, loss, train)
"""
EAGER = """
import tensorflow as tf
import netparity
from common import W


class Net(tf.Module):
    def __init__(self):
        self.w1, self.b1, self.w2, self.b2 = [tf.Variable(v) for v in W]

    def __call__(self, x):
        return tf.nn.relu(x @ self.w1 + self.b1) @ self.w2 + self.b2


def loss(p, y):
    return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=y, logits=p))


def build():
    return netparity.TensorFlow(Net(), loss, tf.keras.optimizers.SGD(0.25))
"""


@pytest.fixture
def common(tmp_path: Path) -> Path:
    (tmp_path / "common.py").write_text(COMMON)
    return tmp_path


def keras_program(
    root: Path, name: str, backend: str, extra: str = "", activation: str = "relu"
) -> str:
    pytest.importorskip("keras")
    pytest.importorskip(backend)
    return written(root, name, KERAS.format(backend=backend, extra=extra, activation=activation))


@pytest.mark.slow
def test_one_keras_model_on_two_backends_is_parity(common: Path) -> None:
    specs = [keras_program(common, f"on_{name}.py", name) for name in ("tensorflow", "jax")]
    found = report(*specs)
    assert (found["verdict"], found["explained"]) == ("parity", True)
    assert found["left"]["version"].endswith("(tensorflow)")
    assert found["right"]["version"].endswith("(jax)")
    where = found["environment"]["processes"]
    assert where["why"] == "keras.backend is tensorflow on the left and jax on the right"
    assert {s["status"] for s in found["stages"]} == {"equal"}
    assert found["gap"]["after"] is not None


@pytest.mark.heavy
def test_what_really_differs_between_two_backends_is_found(common: Path) -> None:
    left = keras_program(common, "a.py", "jax")
    right = keras_program(common, "b.py", "torch", activation="elu")
    found = report(left, right, status=1)
    assert not found["environment"]["processes"]["shared"]
    assert [c["stage"] for c in found["causes"]] == ["forward"]
    assert not found["unexplained"]


@pytest.mark.heavy
def test_float64_keras_beside_float32_keras(common: Path) -> None:
    wide = "keras.config.set_floatx('float64')"
    left = keras_program(common, "a.py", "tensorflow", wide)
    right = keras_program(common, "b.py", "tensorflow")
    found = report(left, right)
    assert found["verdict"] == "parity"
    settings = [found["environment"]["processes"][s]["settings"] for s in ("left", "right")]
    assert [s["keras.floatx"] for s in settings] == ["float64", "float32"]


@pytest.mark.slow
def test_a_graph_of_tf_1_beside_eager_tf_2(common: Path) -> None:
    pytest.importorskip("tensorflow")
    left = written(common, "graph.py", GRAPH)
    right = written(common, "eager.py", EAGER)
    found = report(left, right, status=1)
    assert [c["id"] for c in found["causes"]] == ["learning-rate-value"]
    assert found["explained"]
    where = found["environment"]["processes"]
    assert where["why"] == "tensorflow.execution is graph on the left and eager on the right"
