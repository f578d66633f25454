"""An implementation in another process answers as it does in this one."""

from __future__ import annotations

import dataclasses
import io
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pytest

from netparity import nn, randomness
from netparity.conventions import Conventions, Feeding, Place
from netparity.errors import CannotError, InputError, PairingError
from netparity.implementations import adapt
from netparity.implementations.base import Implementation, Loss, Reported
from netparity.implementations.process import Elsewhere, Process, RemoteSide, faults, wire
from netparity.implementations.process.programs import elsewhere
from netparity.implementations.process.worker import METHODS, Worker, described
from netparity.loading import load
from netparity.loading.programs import Surroundings

X = np.random.default_rng(1).standard_normal((7, 3))
Y = np.random.default_rng(2).standard_normal((7, 2))

PROGRAM = """
import os
import sys

import numpy as np
import netparity
from netparity.errors import CannotError, PairingError

print("loading")
os.write(1, b"from the depths\\n")
sys.stdout.write("and half a line")
data = lambda seed: ([[float(seed)]], [1])


class Net:
    def __init__(self, width=2):
        self.p = {"w": np.random.standard_normal((3, width)), "b": np.zeros(width)}
        self.v = {n: np.zeros_like(a) for n, a in self.p.items()}

    def predict(self, x):
        return x @ self.p["w"] + self.p["b"]

    def loss(self, x, y):
        return float(((self.predict(x) - y) ** 2).mean())

    def gradients(self, x, y):
        e = 2 * (self.predict(x) - y) / y.size
        return {"w": x.T @ e, "b": e.sum(0)}

    def update(self, g):
        for n, a in g.items():
            self.v[n] = 0.9 * self.v[n] + a
            self.p[n] -= 0.1 * self.v[n]

    def batches(self, x, y, epoch):
        print("feeding", epoch)
        while True:
            rows = np.random.permutation(len(x))[:4]
            yield x[rows], y[rows]


def build(seed=0):
    np.random.seed(seed)
    net = Net()
    return netparity.Scratch(
        parameters=net.p, state=net.v, predict=net.predict, loss=net.loss,
        gradients=net.gradients, update=net.update,
        activations=lambda x: {"first": net.predict(x)}, batches=net.batches,
        validation=lambda x, y: (x[:2], y[:2]), report=lambda x, y: {"loss": net.loss(x, y)},
    )


def unseeded():
    return netparity.Scratch(parameters=(net := Net()).p, predict=net.predict)


class Odd(Exception):
    pass


def explode(x):
    what = {"odd": Odd("so odd"), "key": KeyError("no such layer"), "value": ValueError("bad"),
            "pairing": PairingError("two ways", hint="name one"), "exit": SystemExit(4),
            "cannot": CannotError("step"), "many": UnicodeDecodeError("utf8", b"x", 0, 1, "no")}
    raise what[WHAT]  # here it breaks


def explosive():
    return netparity.Scratch(parameters={"w": np.ones(1)}, predict=explode)


def deadly():
    import signal
    return netparity.Scratch(
        parameters={"w": np.ones(1)}, predict=lambda x: os.kill(os.getpid(), signal.SIGKILL)
    )


def leaves():
    return netparity.Scratch(parameters={"w": np.ones(1)}, predict=lambda x: os._exit(5))


def busy():
    import time
    return netparity.Scratch(parameters={"w": np.ones(1)}, predict=lambda x: time.sleep(60))


def silent():
    return None


ready = build(3)
"""

SOLVER = """
from netparity import nn

def build(seed=0):
    layers = (("a", nn.Affine(3, 4)), ("r", nn.ReLU()), ("d", nn.Dropout(0.25)),
              ("b", nn.Affine(4, 2)))
    return nn.Solver(nn.Network(layers), nn.MeanSquaredError(), nn.Adam(0.125),
                     penalties=(nn.L2(0.01),))
"""


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("far") / "program.py"
    path.write_text(PROGRAM)
    (path.parent / "solver.py").write_text(SOLVER)
    for what in ("odd", "key", "value", "pairing", "exit", "cannot", "many"):
        (path.parent / f"{what}.py").write_text(f"WHAT = {what!r}\n{PROGRAM}")
    return path


@pytest.fixture(scope="module")
def process():
    process = Process(Surroundings.here(), "left (`program.py:build`)")
    yield process
    process.close()


def there(process: Process, spec: str) -> Elsewhere:
    return elsewhere(spec, process, "", Surroundings.here())


def alike(a, b) -> None:
    """Equal in every bit, and of the same types all the way down."""
    if isinstance(a, np.ndarray):
        assert (a.dtype, a.shape) == (b.dtype, b.shape)
        np.testing.assert_array_equal(a, b)
    elif isinstance(a, dict):
        assert list(a) == list(b)
        for name in a:
            alike(a[name], b[name])
    elif isinstance(a, list | tuple):
        assert type(a) is type(b)
        assert len(a) == len(b)
        for one, other in zip(a, b, strict=True):
            alike(one, other)
    elif dataclasses.is_dataclass(a):
        assert type(a) is type(b)
        for field in dataclasses.fields(a):
            alike(getattr(a, field.name), getattr(b, field.name))
    else:
        assert type(a) is type(b)
        assert a == b or (a != a and b != b)


# ---- an implementation -----------------------------------------------------------------------


def test_every_read_and_drive_is_what_it_is_here(process: Process, file: Path) -> None:
    near = adapt(load(f"{file}:build").build(5))
    far = there(process, f"{file}:build").build(5)
    assert isinstance(far, RemoteSide)
    assert adapt(far) is far
    assert far.name == f"{file}:build"
    alike(far.abilities, near.abilities)
    assert far.dtype == near.dtype == np.float64
    assert far.trains == near.trains
    assert (far.framework, far.version, far.needs_data) == (
        near.framework, near.version, near.needs_data,
    )  # fmt: skip
    for look in (
        lambda side: side.parameters(),
        lambda side: side.predict(X),
        lambda side: side.activations(X, training=True),
        lambda side: side.loss(X, Y),
        lambda side: side.gradients(X, Y),
        lambda side: side.update(side.gradients(X, Y)),
        lambda side: side.step(X, Y),
        lambda side: side.parameters(),
        lambda side: side.set_parameters({"b": np.ones(2)}),
        lambda side: side.end_epoch(),
        lambda side: side.dropouts(X),
        lambda side: side.preprocess(X, None),
        lambda side: side.validation(X, Y),
        lambda side: side.declared(X),
        lambda side: side.adjust(Conventions(), X),
        lambda side: side.predict(X),
    ):
        alike(look(far), look(near))


def test_all_of_the_protocol_is_there() -> None:
    asked = {name for name in vars(Implementation) if not name.startswith("_")}
    about = set(described(adapt(nn.Solver(nn.Network(()), nn.MeanSquaredError(), nn.SGD(0.1)))))
    assert asked - METHODS - about == {"batches", "weighted_batches"}
    assert asked <= set(vars(RemoteSide)) | {"name", "framework", "version", "needs_data"}


def test_states_stay_there_and_can_be_put_back(process: Process, file: Path) -> None:
    far = there(process, f"{file}:build").build(0)
    before, parameters = far.state(), far.parameters()
    far.step(X, Y)
    after = far.parameters()
    assert not np.array_equal(after["w"], parameters["w"])
    far.restore(before)
    alike(far.parameters(), parameters)
    far.step(X, Y)
    alike(far.parameters(), after)
    far.step(X, Y)
    far.restore(before)
    far.step(X, Y)
    alike(far.parameters(), after)  # the velocities went back too


def test_what_is_fed_is_drawn_when_it_is_asked_for(process: Process, file: Path) -> None:
    near, far = load(f"{file}:build").build(5), there(process, f"{file}:build").build(5)
    randomness.seed("numpy", 11)
    process.ask("reseed", "numpy", 11)
    feeds = [side.batches(X, Y, 0) for side in (near, far)]
    for _ in range(3):
        alike(*(next(iter(feed)) for feed in feeds))
        load(f"{file}:unseeded").build()  # draws from the same stream
        there(process, f"{file}:unseeded").build()


def test_a_watched_run_is_the_same_and_its_states_can_be_restored(
    process: Process, file: Path
) -> None:
    near, far = load(f"{file}:build").build(5), there(process, f"{file}:build").build(5)
    runs = [side.watch(X, Y, epochs=2, batch_size=4, limit=3) for side in (near, far)]
    alike(runs[1].fed, runs[0].fed)
    alike(runs[1].reported, runs[0].reported)
    assert isinstance(runs[1].reported[0], Reported)
    assert len(runs[1].states) == len(runs[0].states) == 4
    for one, other in zip(runs[0].states, runs[1].states, strict=True):
        near.restore(one)
        far.restore(other)
        alike(far.parameters(), near.parameters())


def test_declared_conventions_draws_and_adjustments_cross(process: Process, file: Path) -> None:
    spec = f"{file.parent}/solver.py:build"
    near, far = adapt(load(spec).build(5)), there(process, spec).build(5)
    alike(far.declared(X), near.declared(X))
    assert far.declared(X).optimizer == nn.Adam(0.125)
    draws = [np.random.default_rng(0).random(shape) for shape in far.dropouts(X)]
    alike(far.predict(X, training=True, draws=draws), near.predict(X, training=True, draws=draws))
    assert not np.array_equal(far.predict(X, training=True, draws=draws), far.predict(X))
    wanted = dataclasses.replace(near.declared(X), optimizer=nn.SGD(0.5))
    assert far.adjust(wanted, X)
    assert far.declared(X).optimizer == nn.SGD(0.5)


def test_programs_rebuild_from_the_same_streams(process: Process, file: Path) -> None:
    program = there(process, f"{file}:unseeded")
    origin = process.ask("capture")
    first, second = program.build(), program.build()
    assert not np.array_equal(first.parameters()["w"], second.parameters()["w"])
    process.ask("rewind", origin)
    alike(program.build().parameters(), first.parameters())
    process.ask("disturb", 3)
    assert not np.array_equal(program.build().parameters()["w"], first.parameters()["w"])
    assert {"python", "numpy"} <= set(process.ask("generators"))


def test_a_program_says_whether_it_builds_and_what_data_it_has(
    process: Process, file: Path
) -> None:
    assert there(process, f"{file}:build").builds
    ready = there(process, f"{file}:ready")
    assert not ready.builds
    assert ready.file == file.resolve()
    assert ready.defines("data")
    assert not ready.defines("datum")
    x, y = ready.own("data", 7)
    alike((x, y), (np.array([[7.0]]), np.array([1])))


# ---- what goes wrong -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("what", "kind", "text"),
    [
        ("value", ValueError, "bad"),
        ("key", KeyError, "'no such layer'"),
        ("pairing", PairingError, "two ways"),
        ("cannot", CannotError, "step"),
        ("odd", RuntimeError, "so odd"),
        ("many", RuntimeError, "'utf8' codec"),
        ("exit", InputError, "`sys.exit(4)`"),
    ],
)
def test_an_exception_is_of_the_same_kind_and_shows_their_line(
    process: Process, file: Path, what: str, kind: type[Exception], text: str
) -> None:
    far = there(process, f"{file.parent}/{what}.py:explosive").build()
    with pytest.raises(kind) as caught:
        far.predict(X)
    assert text in str(caught.value)
    names = {"odd": "Odd", "many": "UnicodeDecodeError"}
    assert type(caught.value).__name__ == names.get(what, kind.__name__)
    if what == "pairing":
        assert caught.value.hint == "name one"
    elif what == "exit":
        assert "here it breaks" in caught.value.foreign_traceback
    elif what != "cannot":
        (note,) = caught.value.__notes__
        assert "left (`program.py:build`)" in note
        assert "# here it breaks" in note
        assert "netparity/implementations" not in note
    assert far.parameters()["w"].tolist() == [1.0]  # it lives on


def test_what_fails_while_loaded_or_built_is_the_users(process: Process, file: Path) -> None:
    with pytest.raises(InputError, match="has no `biuld`") as caught:
        there(process, f"{file}:biuld")
    assert f"did you mean `{file}:build`?" == caught.value.hint
    with pytest.raises(InputError, match="returned None"):
        there(process, f"{file}:silent").build()
    broken = file.parent / "broken.py"
    broken.write_text("def f():\n    return {}['x']  # the line\n\nbuild = f()\n")
    with pytest.raises(InputError, match="could not be loaded: KeyError") as caught:
        there(process, f"{broken}:build")
    assert "# the line" in caught.value.foreign_traceback
    assert "worker" not in caught.value.foreign_traceback


@pytest.mark.parametrize(
    ("name", "how"), [("deadly", "was ended by signal SIGKILL"), ("leaves", "ended with status 5")]
)
def test_a_process_that_dies_is_named_with_what_it_did(file: Path, name: str, how: str) -> None:
    process = Process(Surroundings.here(), f"right (`{file}:{name}`)")
    far = there(process, f"{file}:{name}").build()
    for again in (lambda: far.predict(X), lambda: far.parameters()):
        with pytest.raises(InputError) as caught:
            again()
        assert (
            str(caught.value)
            == f"the process of right (`{file}:{name}`) {how} while it did `predict`"
        )
    process.close()


def test_a_process_killed_from_outside_and_one_that_left_a_child_behind(file: Path) -> None:
    # The child holds the line open, so its end alone does not tell.
    child = file.parent / "child.py"
    child.write_text(
        "import os, time, numpy as np, netparity\n"
        "def predict(x):\n"
        "    if os.fork() == 0:\n        time.sleep(8); os._exit(0)\n"
        "    os._exit(3)\n"
        "def build():\n"
        "    return netparity.Scratch(parameters={'w': np.ones(1)}, predict=predict)\n"
    )
    process = Process(Surroundings.here(), "right")
    far = there(process, f"{child}:build").build()
    started = time.monotonic()
    with pytest.raises(InputError, match="the process of right ended with status 3"):
        far.predict(X)
    assert time.monotonic() - started < 7
    process.close()
    process = Process(Surroundings.here(), "left")
    far = there(process, f"{file}:build").build()
    os.kill(process.pid, signal.SIGTERM)
    with pytest.raises(InputError, match="signal SIGTERM while it did `step`"):
        far.step(X, Y)


#: Killed while the other process computes and reads no line.
BUSY = "threading.Thread(target=far.predict, args=(0,)).start(); time.sleep(1); os.kill(here, 9)"


def gone(pid: int, seconds: float) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        state = Path(f"/proc/{pid}/stat")
        if not state.exists() or state.read_text().rpartition(")")[2].split()[0] == "Z":
            return True
        time.sleep(0.05)
    return False


@pytest.mark.skipif(not Path("/proc").exists(), reason="looks processes up in /proc")
@pytest.mark.parametrize("end", [BUSY, "del far, process", "process.close()", "os._exit(0)",
                                 "os.kill(here, 9)", "sys.exit()"])  # fmt: skip
def test_a_process_ends_with_the_one_that_started_it(file: Path, end: str) -> None:
    name = "busy" if end == BUSY else "build"
    program = f"""
        import os, sys, threading, time
        here = os.getpid()
        from netparity.implementations.process import Process
        from netparity.implementations.process.programs import elsewhere
        from netparity.loading.programs import Surroundings
        process = Process(Surroundings.here(), "left")
        far = elsewhere({f"{file}:{name}"!r}, process, "", Surroundings.here()).build()
        print(process.pid, flush=True)
        {end}
        if {end.startswith(("del", "process"))}:
            sys.stdin.read()
    """
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(program)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
    ) as parent:  # fmt: skip
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert gone(pid, 10)


def test_what_the_program_prints_goes_to_stderr(
    file: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    process = Process(Surroundings.here(), "left")
    far = there(process, f"{file}:build").build()
    next(iter(far.batches(X, Y, 4)))
    process.close()
    captured = capfd.readouterr()
    assert captured.out == ""
    for said in ("loading", "from the depths", "and half a line", "feeding 4"):
        assert said in captured.err


# ---- the border ------------------------------------------------------------------------------


def crossed(value):
    stream = io.BytesIO()
    wire.send(stream, value)
    stream.seek(0)
    return wire.receive(stream, lambda number: ("kept", number))


@pytest.mark.parametrize(
    "value",
    [
        None, True, 3, -(2**70), 2**64, 1.5, float("inf"), float("nan"), -0.0, "text", "",
        [1, (2, [3])], (), {"a": (1,), 2: {"b": None}}, frozenset({"x"}),
        np.arange(6.0).reshape(2, 3), np.arange(6).reshape(2, 3).T, np.zeros((0, 3)),
        np.array(2.5), np.float32(0.1), np.int64(7), np.bool_(True), np.array([True, False]),
        np.array([1 + 2j]), np.array(["a", "bc"]), np.arange(3, dtype=">f4"),
        np.array([np.nan, np.inf], dtype=np.float16), np.dtype("float32"),
        nn.Conv2D(2, 3, (3, 3)), nn.LSTM(2, 3), nn.Adam(0.1), nn.SoftmaxCrossEntropy(),
        nn.WarmUp(nn.CosineDecay(0.1, 20), 5), nn.Orthogonal(), Place("w", True, (2, 3)),
        Loss(1.0, None, 2.0), Feeding(32, "shuffled"),
        Conventions((("a", nn.Affine(2, 3)),), penalties=(nn.L2(0.5),), laws={"w": nn.Eye()}),
    ],
    ids=repr,
)  # fmt: skip
def test_a_value_crosses_bit_for_bit(value) -> None:
    alike(crossed(value), value)


def test_arrays_cross_as_their_bytes() -> None:
    stream = io.BytesIO()
    wire.send(stream, np.zeros(100_000, dtype=np.float32))
    assert len(stream.getvalue()) < 400_000 + 100


@pytest.mark.parametrize(
    "value",
    [object(), lambda: 3, np.array([{}], dtype=object), Surroundings.here, [Path("x")],
     Surroundings({}, ())],
    ids=["object", "function", "array of objects", "method", "path", "dataclass elsewhere"],
)  # fmt: skip
def test_nothing_else_crosses(value) -> None:
    stream = io.BytesIO()
    with pytest.raises(TypeError, match="does not cross"):
        wire.send(stream, {"in": [value]})
    assert stream.getvalue() == b""


@pytest.mark.parametrize(
    "node",
    [
        ["o", "os:system", []],
        ["o", "subprocess:Popen", [["args", "true"]]],
        ["o", "netparity.loading.programs:Loaded", [["spec", "a"], ["target", 1]]],
        ["o", "netparity.nn:Any", []],
        ["o", "netparity.nn.solver:Solver", []],
        ["o", "netparity.nn.layers.base:os.system", []],
        ["z", 1],
    ],
    ids=str,
)
def test_no_other_class_comes_into_being(node) -> None:
    import msgspec

    header = msgspec.msgpack.encode([node, []])
    stream = io.BytesIO(len(header).to_bytes(8, "little") + header)
    with pytest.raises(ValueError, match="no dataclass of netparity|holds a node"):
        wire.receive(stream, lambda number: number)


def test_an_array_of_objects_is_not_read_and_a_cut_line_is_told() -> None:
    import msgspec

    header = msgspec.msgpack.encode([["a", 0], [["|O", [1]]]])
    with pytest.raises(ValueError, match="does not cross"):
        wire.receive(io.BytesIO(len(header).to_bytes(8, "little") + header + bytes(8)), int)
    stream = io.BytesIO()
    wire.send(stream, np.zeros(9))
    whole = stream.getvalue()
    for length in (0, 3, 20, len(whole) - 1):
        with pytest.raises(wire.Ended):
            wire.receive(io.BytesIO(whole[:length]), int)


def test_what_is_no_longer_held_here_is_let_go_there(process: Process, file: Path) -> None:
    far = there(process, f"{file}:build").build()
    state = far.state()
    number = state.number
    assert number not in process.released
    del state
    assert number in process.released
    far.parameters()
    assert number not in process.released
    worker = Worker()
    kept = worker.keep([1])
    assert worker._kept == {kept.number: [1]}
    worker.answer(("capture", (), {}, (kept.number,)))
    assert kept.number not in worker._kept


def test_an_implementation_is_asked_for_its_protocol_alone(process: Process, file: Path) -> None:
    far = there(process, f"{file}:build").build()
    for method in ("__class__", "_functions", "watch.__globals__", "name"):
        assert method not in METHODS
        with pytest.raises(ValueError, match="has no method"):
            process.ask("drive", far._kept, method)
    for doing in ("_news", "serve.__init__", "__init__", "exec"):
        with pytest.raises(ValueError, match="cannot"):
            process.ask(doing)


def test_the_notes_of_an_exception_hold_no_frame_of_ours() -> None:
    try:
        raise ValueError("bad")
    except ValueError as error:
        fault = faults.written(error)
    assert fault["kind"] == "ValueError"
    assert isinstance(faults.read(fault, "left"), ValueError)
