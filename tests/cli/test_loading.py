from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from netparity.errors import InputError, MissingDependencyError
from netparity.loading import Loaded, load, load_data, reading, settings


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


# ---- which programs can share a process


TORCH = "import torch\n"
KERAS = "import keras\n"


def why(write, left: str, right: str) -> str | None:
    return settings.contradiction(
        settings.read(f"{write(left, 'left.py')}:build"),
        settings.read(f"{write(right, 'right.py')}:build"),
    )


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No framework in this process, and nothing said of one."""
    monkeypatch.setattr(settings, "present", dict)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "absent"))
    for name in reading.VARIABLES:
        monkeypatch.delenv(name, raising=False)


@pytest.mark.usefixtures("bare")
@pytest.mark.parametrize(
    ("left", "right", "setting"),
    [
        ("import os\nos.environ['KERAS_BACKEND'] = 'jax'\n" + KERAS, KERAS, "keras.backend"),
        ("import os as o\nB = 'torch'\no.environ['KERAS_BACKEND'] = B\n" + KERAS, KERAS,
         "keras.backend"),
        ("from os import environ\nenviron.setdefault('KERAS_BACKEND', 'jax')\n" + KERAS, KERAS,
         "keras.backend"),
        ("import os\nos.environ.update(KERAS_BACKEND='jax')\n" + KERAS, KERAS, "keras.backend"),
        ("import os\nos.environ.update({'KERAS_BACKEND': 'jax'})\n" + KERAS, KERAS,
         "keras.backend"),
        (KERAS + "keras.config.set_backend('torch')\n", KERAS, "keras.backend"),
        (KERAS + "keras.config.set_floatx('float64')\n", KERAS, "keras.floatx"),
        ("from keras import config as c\nc.set_floatx('float64')\n", KERAS, "keras.floatx"),
        ("from keras.config import set_floatx\nset_floatx('float64')\n", KERAS, "keras.floatx"),
        ("import tensorflow as tf\ntf.keras.backend.set_floatx('float64')\n", KERAS,
         "keras.floatx"),
        ("from tensorflow.keras import backend as K\nK.set_floatx('float64')\n", KERAS,
         "keras.floatx"),
        (KERAS + "if True:\n    keras.backend.set_floatx('float64')\n", KERAS, "keras.floatx"),
        (KERAS + "def setup():\n    keras.config.set_floatx('float64')\n"
         "def build():\n    setup()\n", KERAS, "keras.floatx"),
        ("import neighbour\n", KERAS, "keras.floatx"),
        (KERAS + "keras.config.set_epsilon(1e-5)\n", KERAS, "keras.epsilon"),
        (KERAS + "keras.mixed_precision.set_global_policy('mixed_float16')\n", KERAS,
         "keras.dtype_policy"),
        ("import tensorflow as tf\ntf.compat.v1.disable_eager_execution()\n",
         "import tensorflow as tf\n", "tensorflow.execution"),
        ("import tensorflow.compat.v1 as tf\ntf.disable_v2_behavior()\n",
         "import os\nos.environ['KERAS_BACKEND'] = 'tensorflow'\n" + KERAS,
         "tensorflow.execution"),
        ("import jax\njax.config.update('jax_enable_x64', True)\n", "import optax\n",
         "jax.jax_enable_x64"),
        ("from jax import config\nconfig.update('jax_enable_x64', True)\n", "from flax import nnx",
         "jax.jax_enable_x64"),
        ("import os, jax\nos.environ['JAX_ENABLE_X64'] = '1'\n", "import jax",
         "jax.jax_enable_x64"),
        (TORCH + "torch.set_default_dtype(torch.float64)\n", TORCH, "torch.default_dtype"),
    ],
)  # fmt: skip
def test_what_two_programs_cannot_share_is_read_without_running_them(
    write, left: str, right: str, setting: str
) -> None:
    write("import keras\nkeras.config.set_floatx('float64')\n", "neighbour.py")
    stop = "\nraise SystemError('it ran')\n"
    found = why(write, left + stop, right + stop)
    assert found is not None
    assert found.startswith(f"{setting} is ")
    found = why(write, right + stop, left + stop)
    assert found is not None
    assert found.startswith(f"{setting} is ")
    assert why(write, left, left) is None  # nor the other way: equal programs share


@pytest.mark.usefixtures("bare")
@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("", ""),
        (KERAS + "keras.config.set_floatx('float64')\n", "import numpy"),
        (KERAS + "keras.config.set_floatx('float64')\n", TORCH),
        (KERAS + "keras.config.set_floatx('float32')\n", KERAS),
        (KERAS + "keras.config.set_floatx('float64')\n",
         KERAS + "keras.config.set_floatx('float64')\nkeras.config.set_dtype_policy('float64')"),
        (KERAS + "keras.config.set_epsilon(1e-7)\n", KERAS),
        (KERAS + "if __name__ == '__main__':\n    keras.config.set_floatx('float64')\n", KERAS),
        (KERAS + "def other():\n    keras.config.set_floatx('float64')\n"
         "def build():\n    pass\n", KERAS),
        (KERAS + "# keras.config.set_floatx('float64')\n'keras.config.set_floatx(\"float64\")'",
         KERAS),
        ("import os\nos.environ['TF_CPP_MIN_LOG_LEVEL'] = '3'\n" + KERAS, KERAS),
        ("import os\nos.environ['KERAS_BACKEND'] = 'tensorflow'\n" + KERAS, KERAS),
        ("import tensorflow as tf\ntf.compat.v1.disable_eager_execution()\n",
         "import os\nos.environ['KERAS_BACKEND'] = 'jax'\n" + KERAS),
        ("import tensorflow as tf\ng = tf.Graph()\n", "import tensorflow as tf"),
        ("import jax\njax.config.update('jax_enable_x64', False)\n", "import jax"),
        (KERAS + "keras.config.set_floatx(chosen())\n", KERAS),
        ("def build(:", KERAS),
    ],
)  # fmt: skip
def test_programs_that_can_share_a_process_do(write, left: str, right: str) -> None:
    assert why(write, left, right) is None
    assert why(write, right, left) is None


@pytest.mark.usefixtures("bare")
def test_what_the_surroundings_say_is_the_default(
    write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_jax = "import os\nos.environ['KERAS_BACKEND'] = 'jax'\n" + KERAS
    assert "jax on the left and tensorflow on the right" in (why(write, on_jax, KERAS) or "")
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    assert why(write, on_jax, KERAS) is None
    monkeypatch.delenv("KERAS_BACKEND")
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    (tmp_path / "keras.json").write_text('{"backend": "jax", "floatx": "float64"}')
    assert why(write, on_jax, KERAS) is None
    assert why(write, KERAS + "keras.config.set_floatx('float64')", KERAS) is None
    monkeypatch.setattr(settings, "present", lambda: {"keras.backend": "torch"})
    assert "jax on the left and torch on the right" in (why(write, on_jax, KERAS) or "")
    needs = settings.read(f"{write(on_jax)}:build")
    assert settings.unfit(needs) == "keras.backend is torch in this process already"
    assert settings.unfit(settings.Needs()) is None


@pytest.mark.usefixtures("bare")
def test_modules_of_one_name_in_two_folders_cannot_share_a_process(
    write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs = []
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        write("", f"{folder}/model.py")
        programs.append(settings.read(write("import model\n", f"{folder}/train.py") + ":build"))
    found = settings.contradiction(*programs)
    assert found == "each imports a module `model` of its own"
    other = settings.read(write("from model import x\n", "one/again.py") + ":build")
    assert other.modules == programs[0].modules
    assert settings.contradiction(programs[0], other) is None


def test_a_module_is_read_with_its_packages(
    write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for folder in ("a_package", "a_package/deep"):
        (tmp_path / folder).mkdir()
        write("", f"{folder}/__init__.py")
    write("import keras\nkeras.config.set_floatx('float64')\n", "a_package/__init__.py")
    write("from ..beside import x\nfrom . import near\n", "a_package/deep/model.py")
    write("import keras\nkeras.config.set_epsilon(0.5)\n", "a_package/beside.py")
    write("import torch\ntorch.set_default_dtype(torch.float64)\n", "a_package/deep/near.py")
    assert settings.read("a_package.deep.model:build").settings == {
        "keras.floatx": "float64",
        "keras.epsilon": "0.5",
        "torch.default_dtype": "torch.float64",
    }
    assert "a_package" not in sys.modules
    assert settings.read("no.such.module:build") == settings.Needs()


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
