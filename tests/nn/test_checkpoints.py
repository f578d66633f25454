"""Checkpoints: bits that come back, runs that are killed, files that are not what they seem."""

import errno
import json
import os
import pickle
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import save_file
from tests.nn import killed_run

from netparity import nn
from netparity.errors import InputError
from netparity.nn.checkpoints import decoded, encoded, read_checkpoint, write_checkpoint
from netparity.nn.optimizers import EqualAverage, ExponentialMovingAverage

PROGRAM = Path(killed_run.__file__)
#: Steps of a run of ``killed_run``: 16 rows by 4, and with 2 batches an update half of them.
STEPS = dict.fromkeys(killed_run.CASES, 12) | {"accumulated": 6}


def uninterrupted(case: str) -> dict[str, np.ndarray]:
    solver = killed_run.solver_of(case)
    killed_run.fit(solver, None, False, "")
    return killed_run.everything(solver)


def assert_same_bits(found: dict[str, np.ndarray], expected: dict[str, np.ndarray]) -> None:
    assert found.keys() == expected.keys()
    for name, array in expected.items():
        assert found[name].dtype == array.dtype, name
        assert found[name].tobytes() == array.tobytes(), name


def run(folder: Path, case: str, moment: str = "", checkpoint: str = "run") -> int:
    """Runs the program; returns its exit status."""
    command = [sys.executable, str(PROGRAM), str(folder / checkpoint), str(folder / "result.npz")]
    done = subprocess.run([*command, case, moment], capture_output=True, text=True)
    assert done.returncode in (0, -signal.SIGKILL), done.stderr
    return done.returncode


@pytest.mark.parametrize("case", killed_run.CASES)
def test_a_run_killed_at_any_step_ends_with_the_bits_of_one_that_was_not(
    case: str, tmp_path: Path
) -> None:
    expected = uninterrupted(case)
    # Within an epoch, at the start of one, and at the last step; a process a time.
    for step in (STEPS[case] // 6, STEPS[case] // 3 * 2 + 1, STEPS[case]):
        assert run(tmp_path, case, f"step:{step}") == -signal.SIGKILL
        if step > 1:
            assert (
                nn.Checkpoint(tmp_path / "run").latest().name == f"step-{step - 1:09}.safetensors"
            )
    assert run(tmp_path, case) == 0
    with np.load(tmp_path / "result.npz") as found:
        assert_same_bits(dict(found), expected)


# The third time that something is brought to the disk: file and folder of the first
# checkpoint come before it.
@pytest.mark.parametrize("moment", ["replace:2", "sync:3"])
@pytest.mark.parametrize("place", ["run.safetensors", "epochs"])
def test_killed_while_a_checkpoint_is_written(moment: str, place: str, tmp_path: Path) -> None:
    expected = uninterrupted("adam")
    assert run(tmp_path, "adam", moment, place) == -signal.SIGKILL
    # The first checkpoint is whole, and what was written of the second lies beside it.
    latest = nn.Checkpoint(tmp_path / place).latest()
    assert latest is not None
    assert read_checkpoint(latest)[1]["state"]["step"] == (1 if place == "run.safetensors" else 4)
    folder = tmp_path / place if place == "epochs" else tmp_path
    assert len([file for file in folder.iterdir() if file.name.startswith(".")]) == 1
    assert run(tmp_path, "adam", "", place) == 0
    assert not [file for file in folder.iterdir() if file.name.startswith(".")]
    with np.load(tmp_path / "result.npz") as found:
        assert_same_bits(dict(found), expected)


class Ended(Exception):
    """A run that ends as if it had been killed."""


class EndAt(nn.Callback):
    def __init__(self, step: int) -> None:
        self.step = step

    def on_step(self, solver: nn.Solver, step: int, loss: float) -> None:
        if step == self.step:
            raise Ended


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    sampling=st.sampled_from(["shuffled", "sequential", "replacement"]),
    partial=st.sampled_from(["kept", "dropped"]),
    accumulate=st.integers(1, 3),
    accumulation=st.sampled_from(["mean", "sum"]),
    optimizer=st.sampled_from(
        [nn.SGD(0.1), nn.SGD(0.1, 0.9, nesterov=True), nn.Adam(0.01, amsgrad=True)]
    ),
    averaging=st.sampled_from([None, EqualAverage(), ExponentialMovingAverage(0.75)]),
    generator=st.sampled_from(["PCG64", "MT19937", "Philox", "SFC64"]),
    batch_size=st.integers(1, 6),
    end=st.integers(1, 30),
    every=st.integers(1, 5),
)
def test_every_way_of_feeding_goes_on(
    sampling: str, partial: str, accumulate: int, accumulation: str, optimizer: nn.Optimizer,
    averaging: Any, generator: str, batch_size: int, end: int, every: int,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:  # fmt: skip
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(11, 3)), rng.integers(0, 3, 11)
    checkpoint = nn.Checkpoint(tmp_path_factory.mktemp("c") / "run.safetensors", every=every)

    def solver() -> nn.Solver:
        network = nn.fully_connected_net(3, (4,), 3, normalization="batch", dropout=0.25)
        bits = getattr(np.random, generator)(5)
        return nn.Solver(
            network, nn.SoftmaxCrossEntropy(), optimizer, rng=np.random.Generator(bits),
            batch_size=batch_size, sampling=sampling, partial=partial, accumulate=accumulate,
            accumulation=accumulation, averaging=averaging, engine="plain",
            plateau=nn.schedules.ReduceOnPlateau(0.5, patience=0), plateau_monitor="epoch_loss",
        )  # fmt: skip

    options = {"validation": 0.3, "held_out": "random", "metrics": ("accuracy",)}
    whole = solver()
    whole.fit(x, y, 3, **options)
    first = solver()
    with suppress(Ended):
        first.fit(x, y, 3, checkpoint=checkpoint, callbacks=(EndAt(end),), **options)
    second = solver()
    second.fit(x, y, 3, checkpoint=checkpoint, resume=True, **options)
    assert_same_bits(killed_run.everything(second), killed_run.everything(whole))


def trained(**options: object) -> nn.Solver:
    network = nn.fully_connected_net(3, (4,), 3, normalization="batch", dropout=0.25)
    given = {"optimizer": nn.Adam(0.01), "batch_size": 4, **options}
    solver = nn.Solver(network, nn.SoftmaxCrossEntropy(), **given)
    rng = np.random.default_rng(0)
    solver.fit(rng.normal(size=(8, 3)), rng.integers(0, 3, 8), 2, validation=0.5)
    return solver


def test_what_is_written_is_bit_for_bit_what_was_there(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    arrays = {
        "transposed": rng.normal(size=(3, 4)).T,
        "slice": rng.normal(size=(5, 6))[::2, 1::2],
        "fortran": np.asfortranarray(rng.normal(size=(3, 2)).astype(np.float32)),
        "backwards": np.arange(4.0)[::-1],
        "broadcast": np.broadcast_to(np.array(0.5), (2, 3)),
        "number": np.array(2.5),
        "empty": np.zeros((0, 3)),
        "special": np.array([np.nan, np.inf, -0.0, 5e-324]),
    }
    file = tmp_path / "a.safetensors"
    write_checkpoint(file, arrays, {"a": [1, "zwei"], "large": 2**127 + 1})
    found, facts = read_checkpoint(file)
    assert facts == {"a": [1, "zwei"], "large": 2**127 + 1}
    assert found.keys() == arrays.keys()
    for name, array in arrays.items():
        assert (found[name].shape, found[name].dtype) == (array.shape, array.dtype), name
        assert found[name].tobytes() == array.tobytes(), name
    # The same content is the same file.
    write_checkpoint(tmp_path / "b.safetensors", arrays, {"a": [1, "zwei"], "large": 2**127 + 1})
    assert (tmp_path / "b.safetensors").read_bytes() == file.read_bytes()


@pytest.mark.parametrize("kind", ["PCG64", "PCG64DXSM", "MT19937", "Philox", "SFC64"])
def test_the_generator_goes_on_where_it_was(kind: str) -> None:
    generator = np.random.Generator(getattr(np.random, kind)(3))
    generator.integers(0, 10, 7, dtype=np.int32)
    state = json.loads(json.dumps(encoded(generator.bit_generator.state)))
    expected = [generator.random(5).tolist(), generator.integers(0, 9, 5, np.int32).tolist()]
    other = np.random.Generator(getattr(np.random, kind)(4))
    other.bit_generator.state = decoded(state)
    assert [other.random(5).tolist(), other.integers(0, 9, 5, np.int32).tolist()] == expected


def test_a_solver_saved_and_restored_is_the_same(tmp_path: Path) -> None:
    solver, other = trained(), trained(rng=np.random.default_rng(9))
    solver.save(tmp_path / "a.safetensors")
    views, state = other.parameters, other.state
    other.history["of another run"] = [1.0]
    other.restore(tmp_path / "a.safetensors")
    assert_same_bits(killed_run.everything(other), killed_run.everything(solver))
    # Restoring writes into the arrays that are there.
    assert other.parameters is views
    assert other.state is state
    best = other.best_parameters
    assert best is not None
    for name, array in other.parameters.items():
        assert not np.shares_memory(array, best[name])


def test_a_truncated_file_is_refused_at_every_length(tmp_path: Path) -> None:
    solver = trained()
    file = tmp_path / "a.safetensors"
    solver.save(file)
    whole, before = file.read_bytes(), solver.snapshot()
    for length in [0, 1, 7, 8, 9, 100, len(whole) // 2, len(whole) - 1]:
        file.write_bytes(whole[:length])
        with pytest.raises(InputError, match="truncated.*") as caught:
            solver.restore(file)
        assert str(file) in str(caught.value)
    for name, array in solver.snapshot().items():
        np.testing.assert_array_equal(array, before[name])


def test_a_foreign_file_is_refused(tmp_path: Path) -> None:
    solver = trained()
    file = tmp_path / "a.safetensors"
    for content in (
        b"hello, this is text",
        pickle.dumps({"a": 1}),
        b"\x93NUMPY\x01\x00" + b"0" * 90,
    ):
        file.write_bytes(content)
        with pytest.raises(InputError, match="of another kind"):
            solver.restore(file)
    for metadata in (None, {"format": "pt"}, {"netparity": "{"}, {"netparity": "[]"}):
        save_file({"w": np.ones(2)}, file, metadata=metadata)
        with pytest.raises(InputError, match="no checkpoint of netparity.nn") as caught:
            solver.restore(file)
        assert "solver.load" in str(caught.value.hint)
    header = {"format": "netparity.nn checkpoint", "version": 99, "facts": {}}
    save_file({"w": np.ones(2)}, file, metadata={"netparity": json.dumps(header)})
    with pytest.raises(InputError, match="another version. Expected 1. Received: 99"):
        solver.restore(file)
    write_checkpoint(file, {"w": np.ones(2)}, {})
    with pytest.raises(InputError, match="damaged"):
        solver.restore(file)
    with pytest.raises(InputError, match="No such file"):
        solver.restore(tmp_path / "absent.safetensors")
    with pytest.raises(InputError, match="cannot be read"):
        solver.restore(tmp_path)


def test_a_checkpoint_of_another_solver_is_refused_and_nothing_written(tmp_path: Path) -> None:
    file = tmp_path / "a.safetensors"
    trained().save(file)
    other = nn.fully_connected_net(3, (5,), 3, normalization="batch", dropout=0.25)
    loss, adam = nn.SoftmaxCrossEntropy(), nn.Adam(0.01)
    fresh = nn.Solver(other, loss, adam, batch_size=4)
    before = fresh.snapshot()
    with pytest.raises(InputError, match="another network. Expected .*outputs=5"):
        fresh.restore(file)
    with pytest.raises(InputError, match=r"parameters, 'affine1.weight'.*\(3, 5\).*\(3, 4\)"):
        fresh.restore(file, strict=False)
    plain = nn.Solver(nn.fully_connected_net(3, (4,), 3), loss, adam, batch_size=4)
    with pytest.raises(InputError, match="parameters. Expected .*affine1_norm"):
        plain.restore(file, strict=False)
    for options, message in (
        ({"optimizer": nn.SGD(0.01)}, r"another optimizer. Expected SGD.*Received: Adam"),
        ({"dtype": np.float32}, "float32.*float64"),
        ({"rng": np.random.Generator(np.random.Philox(0))}, "generator. Expected Philox.*PCG64"),
    ):
        with pytest.raises(InputError, match=message):
            trained(**options).restore(file, strict=False)
    for options, message in (
        ({"optimizer": nn.Adam(0.02)}, r"optimizer. Expected Adam\(learning_rate=0.02"),
        ({"batch_size": 2}, r"batches. Expected Batches\(batch_size=2"),
        ({"schedule": killed_run.halved}, "schedule. Expected .*halved.*Received: None"),
        ({"penalties": (nn.L2(0.5),)}, "penalties"),
        ({"accumulate": 2}, "accumulation. Expected mean of 2"),
    ):
        solver = trained(**options)
        with pytest.raises(InputError, match=message) as caught:
            solver.restore(file)
        assert "strict=False" in str(caught.value.hint)
        solver.restore(file, strict=False)
        assert_same_bits(solver.snapshot(), trained().snapshot())
    for name, array in fresh.snapshot().items():
        np.testing.assert_array_equal(array, before[name])


def test_settings_are_told_alike_in_every_process(tmp_path: Path) -> None:
    trained(schedule=lambda step: 0.1).save(tmp_path / "a.safetensors")
    settings = read_checkpoint(tmp_path / "a.safetensors")[1]["settings"]
    assert " at 0x" not in json.dumps(settings)


def test_values_that_are_not_finite_are_not_written(tmp_path: Path) -> None:
    solver, file = trained(), tmp_path / "a.safetensors"
    solver.save(file)
    before = file.read_bytes()
    solver.parameters["affine2.bias"][0] = np.nan
    with pytest.raises(InputError, match=r"step 2: 'affine2.bias' is not finite"):
        solver.save(file)
    assert file.read_bytes() == before


FULL = """
import resource, sys
import numpy as np
from netparity import nn
from netparity.errors import InputError
solver = nn.Solver(nn.two_layer_net(64, 64, 4), nn.SoftmaxCrossEntropy(), nn.Adam(0.01))
rng = np.random.default_rng(0)
x, y = rng.normal(size=(64, 64)), rng.integers(0, 4, 64)
checkpoint = nn.Checkpoint(sys.argv[1], every=1, keep=2)
solver.fit(x, y, 1, checkpoint=checkpoint)
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
try:
    solver.fit(x, y, 1, checkpoint=checkpoint)
except InputError as error:
    print(error)
    print(solver.step(x, y) > 0)
"""


@pytest.mark.parametrize("place", ["run.safetensors", "run"])
def test_a_full_disk_leaves_the_last_checkpoint(place: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(tmp_path / place)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "cannot be written" in done.stdout
    assert "File too large" in done.stdout
    assert done.stdout.endswith("True\n")
    latest = nn.Checkpoint(tmp_path / place).latest()
    assert latest is not None
    assert read_checkpoint(latest)[1]["state"]["step"] == 2
    assert not [file for file in latest.parent.iterdir() if file.name.startswith(".")]


def test_a_system_that_refuses_leaves_the_last_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    solver, file = trained(), tmp_path / "a.safetensors"
    solver.save(file)
    before = file.read_bytes()
    solver.step(np.ones((4, 3)), np.zeros(4, int))

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    for name in ("fsync", "replace"):
        with monkeypatch.context() as patch:
            patch.setattr(os, name, full)
            with pytest.raises(InputError, match="a.safetensors.*No space left on device"):
                solver.save(file)
        assert file.read_bytes() == before
        assert [path.name for path in tmp_path.iterdir()] == ["a.safetensors"]
    with pytest.raises(InputError, match="cannot be written: No such file"):
        solver.save(tmp_path / "absent" / "a.safetensors")


def test_a_folder_keeps_the_newest(tmp_path: Path) -> None:
    network = nn.Network((("line", nn.Affine(2, 2)),))
    for keep, expected in ((1, [12]), (3, [10, 11, 12]), (None, list(range(1, 13)))):
        folder = tmp_path / f"keep-{keep}"
        solver = nn.Solver(network, nn.SoftmaxCrossEntropy(), nn.SGD(0.1), batch_size=1)
        checkpoint = nn.Checkpoint(folder, every=1, keep=keep)
        solver.fit(np.ones((4, 2)), np.zeros(4), 3, checkpoint=checkpoint)
        names = sorted(file.name for file in folder.iterdir())
        assert names == [f"step-{step:09}.safetensors" for step in expected]
        assert checkpoint.latest() == folder / "step-000000012.safetensors"
    (folder / "step-000000099.safetensors.txt").touch()
    (folder / "notes").touch()
    assert checkpoint.latest() == folder / "step-000000012.safetensors"


@pytest.mark.parametrize("every", ["epoch", 3])
@pytest.mark.parametrize("end", [None, 2])
def test_the_end_is_written_in_any_case(every: Any, end: int | None, tmp_path: Path) -> None:
    class Enough(nn.Callback):
        def on_step(self, solver: nn.Solver, step: int, loss: float) -> str | None:
            return "enough" if step == end else None

    solver = nn.Solver(
        nn.two_layer_net(2, 3, 2), nn.SoftmaxCrossEntropy(), nn.SGD(0.1), batch_size=1
    )
    checkpoint = nn.Checkpoint(tmp_path / "run.safetensors", every=every)
    solver.fit(np.ones((4, 2)), np.zeros(4), 1, checkpoint=checkpoint, callbacks=(Enough(),))
    other = nn.Solver(
        nn.two_layer_net(2, 3, 2), nn.SoftmaxCrossEntropy(), nn.SGD(0.1), batch_size=1
    )
    other.restore(tmp_path / "run.safetensors")
    assert other.state["step"] == (end or 4)
    assert other.stopped == ("enough" if end else None)
    assert other.position == solver.position


def test_a_run_before_is_not_written_over_by_mistake(tmp_path: Path) -> None:
    network, x, y = nn.Network((("line", nn.Affine(2, 2)),)), np.ones((4, 2)), np.zeros(4)
    checkpoint = nn.Checkpoint(tmp_path / "run")
    solver = nn.Solver(network, nn.SoftmaxCrossEntropy(), nn.SGD(0.1))
    solver.fit(x, y, 1, checkpoint=checkpoint)
    solver.fit(x, y, 1, checkpoint=checkpoint)
    fresh = nn.Solver(network, nn.SoftmaxCrossEntropy(), nn.SGD(0.1))
    with pytest.raises(InputError, match="step-000000002.*there already") as caught:
        fresh.fit(x, y, 1, checkpoint=checkpoint)
    assert "resume=True" in str(caught.value.hint)
    assert fresh.state["step"] == 0
    with pytest.raises(InputError, match="other data. Expected 4 rows.*Received: 3"):
        fresh.fit(x[:3], y[:3], 2, checkpoint=checkpoint, resume=True)


def test_refuses_what_cannot_be_a_place(tmp_path: Path) -> None:
    for options, message in (
        ({"every": 0}, "every: expected 'epoch' or at least 1. Received: 0"),
        ({"every": "step"}, "every.*'step'"),
        ({"keep": 0}, "keep: expected None or at least 1. Received: 0"),
    ):
        with pytest.raises(InputError, match=message):
            nn.Checkpoint(tmp_path, **options)
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot be made"):
        nn.Checkpoint(tmp_path / "file" / "run").prepare()
    with pytest.raises(InputError, match="no folder"):
        nn.Checkpoint(tmp_path / "absent" / "run.safetensors").prepare()
