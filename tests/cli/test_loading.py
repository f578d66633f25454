from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from netparity.errors import InputError, MissingDependencyError
from netparity.loading import Loaded, load, load_data


@pytest.fixture
def write(tmp_path: Path):
    def write(text: str, name: str = "program.py") -> str:
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return str(path)

    return write


def failure(spec: str) -> InputError:
    with pytest.raises(InputError) as caught:
        load(spec).build(0)
    return caught.value


# ---- programs


def test_a_name_in_a_file_is_loaded_and_built_with_seed_where_it_takes_one(write) -> None:
    file = write(
        "def plain():\n    return ['plain']\n"
        "def seeded(width=3, seed=None):\n    return [width, seed]\n"
        "class Net:\n    params = {}\n    def loss(self, x): return x\n    class Inner: pass\n"
        "ready = Net()\n"
    )
    assert load(f"{file}:plain").build(7) == ["plain"]
    assert load(f"{file}:seeded").build(7) == [3, 7]
    assert type(load(f"{file}:Net").build(7)).__name__ == "Net"
    assert type(load(f"{file}:Net.Inner").build(7)).__name__ == "Inner"
    ready = load(f"{file}:ready")
    assert not ready.builds
    assert ready.build(7) is ready.build(8) is ready.target
    assert (ready.name, ready.file) == ("ready", Path(file).resolve())


def test_a_file_is_run_once_and_again_when_it_changed(write) -> None:
    file = write("items = []\nother = items\n")
    first = load(f"{file}:items").target
    assert load(f"{file}:other").target is first
    write("items = [1, 2, 3]\n")
    assert load(f"{file}:items").target == [1, 2, 3]


def test_a_file_finds_its_neighbours_and_its_own_dataclasses(write) -> None:
    write("VALUE = 4\n", "a_neighbour_of_the_program.py")
    file = write(
        "from __future__ import annotations\n"
        "from dataclasses import dataclass\n"
        "from a_neighbour_of_the_program import VALUE\n"
        "@dataclass\nclass Net:\n    width: int = VALUE\n"
    )
    assert load(f"{file}:Net").build(0).width == 4


def test_a_callable_object_of_a_framework_is_no_builder() -> None:
    torch = pytest.importorskip("torch")
    module = torch.nn.Linear(2, 1)
    assert load(module).build(0) is module


def test_a_module_is_looked_for_in_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "module_in_the_working_directory.py").write_text("thing = [1]\n")
    monkeypatch.chdir(tmp_path)
    loaded = load("module_in_the_working_directory:thing")
    assert loaded.target == [1]
    assert loaded.module == "module_in_the_working_directory"
    error = failure("module_in_the_working_directry:thing")
    assert "did you mean `module_in_the_working_directory`?" in (error.hint or "")


def test_missing_file_names_the_nearest(write, tmp_path: Path) -> None:
    write("")
    error = failure(f"{tmp_path}/progam.py:build")
    assert "no such file" in error.message
    assert f"did you mean `{tmp_path}/program.py`?" == error.hint
    assert "there is no folder" in (failure(f"{tmp_path}/absent/a.py:b").hint or "")


def test_missing_name_names_the_nearest_or_all(write) -> None:
    file = write("def build_model(): ...\nwidth = 3\n")
    assert failure(f"{file}:build_modle").hint == f"did you mean `{file}:build_model`?"
    assert failure(f"{file}:zzz").hint == "it defines `build_model`, `width`"


def test_a_spec_without_a_name_is_told_the_names_without_running_the_file(write) -> None:
    file = write("raise SystemError('it ran')\ndef build(): ...\nleft = 1\n")
    assert failure(file).hint == f"it defines `{file}:build`, `{file}:left`"
    assert failure("thing").hint == "write `thing:NAME`"


def test_a_missing_module_is_told_from_one_that_imports_a_missing_one(write) -> None:
    assert "no module is called `netparity_absent`" in failure("netparity_absent:x").message
    assert "no `netparity.absent`" in failure("netparity.absent.deep:x").message
    error = failure(f"{write('import a_module_nobody_has')}:x")
    assert "ModuleNotFoundError" in error.message
    assert "install `a_module_nobody_has`" in (error.hint or "")


def test_a_missing_framework_gets_the_line_that_installs_it(
    write, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write("import torch\nbuild = torch.nn.Linear\n")

    class Absent:
        def find_spec(self, name: str, *_: object) -> None:
            if name.partition(".")[0] == "torch":
                raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    for name in [name for name in sys.modules if name.partition(".")[0] == "torch"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "meta_path", [Absent(), *sys.meta_path])
    with pytest.raises(MissingDependencyError) as caught:
        load(f"{file}:build")
    assert caught.value.hint == 'pip install "netparity[torch]"'


def test_what_raises_while_loaded_shows_their_traceback_and_no_frame_of_ours(write) -> None:
    file = write("def helper():\n    return 1 / 0\n\nvalue = helper()\n")
    error = failure(f"{file}:value")
    assert "`program.py` could not be loaded: ZeroDivisionError" in error.message
    trace = error.foreign_traceback or ""
    assert "return 1 / 0" in trace
    assert "value = helper()" in trace
    assert "netparity/loading" not in trace
    assert "importlib" not in trace


def test_what_raises_while_built_shows_their_traceback_with_its_chain(write) -> None:
    file = write(
        "def build():\n    try:\n        {}['key']\n"
        "    except KeyError as error:\n        raise RuntimeError('no weights') from error\n"
    )
    error = failure(f"{file}:build")
    assert "could not be built: RuntimeError: no weights" in error.message
    trace = error.foreign_traceback or ""
    assert "KeyError" in trace
    assert "direct cause" in trace
    assert "loading" not in trace


def test_syntax_errors_and_exits_are_theirs(write) -> None:
    error = failure(f"{write('def build(:')}:build")
    assert "SyntaxError" in error.message
    assert "def build(:" in (error.foreign_traceback or "")
    error = failure(f"{write('import sys; sys.exit(3)', 'other.py')}:build")
    assert "sys.exit(3)" in error.message
    assert "__main__" in (error.hint or "")


def test_an_input_error_of_ours_keeps_its_hint(write) -> None:
    file = write(
        "from netparity.errors import InputError\n"
        "def build():\n    raise InputError('a wrong shape', hint='turn it')\n"
    )
    error = failure(f"{file}:build")
    assert error.message.endswith("could not be built: a wrong shape")
    assert error.hint == "turn it"


def test_a_builder_with_other_arguments_or_without_a_return_is_refused(write) -> None:
    file = write("def build(width, seed): ...\ndef forgets(): [1]\n")
    assert "asks for `width`" in failure(f"{file}:build").message
    assert "returned None" in failure(f"{file}:forgets").message


def test_the_stories_count_as_theirs() -> None:
    from netparity import cases
    from netparity.loading.foreign import _is_ours

    folder = Path(cases.__file__).parent
    assert not _is_ours(str(folder / "xor_torch" / "left.py"))
    assert _is_ours(str(folder.parent / "cli.py"))


# ---- data


def refused(data: object, **keywords: object) -> InputError:
    with pytest.raises(InputError) as caught:
        load_data(data, **keywords)
    return caught.value


def test_a_data_set_by_name() -> None:
    x, y = load_data("xor")
    assert x.tolist() == [[0, 0], [0, 1], [1, 0], [1, 1]]
    assert y is not None
    assert y.ravel().tolist() == [0, 1, 1, 0]


def test_an_archive(tmp_path: Path) -> None:
    file = tmp_path / "a.npz"
    np.savez(file, x=np.ones((3, 2)), y=np.zeros(3))
    x, y = load_data(str(file))
    assert (x.shape, y.shape) == ((3, 2), (3,))
    np.savez(file, X=np.ones((3, 2)), y=np.zeros(3))
    assert "has no `x`; it holds `X`, `y`" in refused(str(file)).message
    np.savez(file, x=np.array([{}], dtype=object), y=np.zeros(1))
    assert "pickles" in (refused(str(file)).hint or "")
    file.write_bytes(b"no archive")
    assert "cannot be read" in refused(str(file)).message
    assert "no such file" in refused(str(tmp_path / "b.npz")).message


@pytest.mark.parametrize(
    "text",
    [
        "data = ([[1., 2.]], [0])",
        "def data():\n    return [[1., 2.]], [0]",
        "data = {'x': [[1., 2.]], 'y': [0]}",
        "class data:\n    x = [[1., 2.]]\n    y = [0]",
    ],
)
def test_a_file_that_defines_data_is_asked(write, text: str) -> None:
    file = write(f"{text}\nside = [1]\n")
    silent = write("side = [1]\n", "silent.py")
    for left, right in ((file, silent), (silent, file)):
        x, y = load_data(None, load(f"{left}:side"), load(f"{right}:side"))
        assert (x.tolist(), y.tolist()) == ([[1.0, 2.0]], [0])
    x, _ = load_data(f"{file}:data")
    assert x.shape == (1, 2)
    assert "neither side's file defines `data`" in (
        refused(None, left=load(f"{silent}:side"), right=Loaded("object", [])).message
    )


def test_non_finite_values_are_refused_with_their_place() -> None:
    x = np.ones((3, 2))
    x[1, 1] = np.nan
    error = refused((x, np.zeros(3)))
    assert "x[1, 1] is nan" in error.message
    x[2, 0] = np.inf
    assert "2 of 6 values are not finite" in refused((x, np.zeros(3))).message
    assert "y[2] is -inf" in refused((np.ones((3, 1)), np.array([0, 1, -np.inf]))).message


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ((np.ones((3, 2)), np.ones(2)), "x has 3 rows and y has shape (2,)"),
        ((np.ones((0, 2)), np.ones(0)), "x has shape (0, 2)"),
        ((np.ones((2, 0)), np.ones(2)), "x has shape (2, 0)"),
        (np.ones((3, 2)), "received an array of shape (3, 2)"),
        (([["a"], ["b"]], [0, 1]), "x has dtype <U1"),
        (([[1.0], [1.0, 2.0]], [0, 1]), "x cannot be read as an array"),
        ((np.ones((2, 1)), None, None), "received 3 things"),
        ("minst", "no data are called `minst`"),
    ],
)
def test_unusable_data_are_refused(data: object, said: str) -> None:
    assert said in refused(data).message


def test_a_misspelt_data_set_names_the_nearest() -> None:
    assert refused("minst").hint == "did you mean `mnist`?"


def test_targets_may_be_none_and_tensors_are_read() -> None:
    torch = pytest.importorskip("torch")
    x, y = load_data((torch.ones(3, 2, requires_grad=True), None))
    assert x.shape == (3, 2)
    assert y is None
