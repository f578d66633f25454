"""Input nobody can use: status 2, one clear error, and no traceback but the program's own."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.diagnosis.runs import Done, netparity

GOOD = """
import numpy as np
import netparity

data = (np.arange(12.0).reshape(6, 2) / 7, np.array([0, 1, 2, 0, 1, 2]))


class Net:
    def __init__(self):
        rng = np.random.default_rng(0)
        self.values = {"W": rng.standard_normal((2, 3)), "b": np.zeros(3)}

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
        for name, gradient in gradients.items():
            self.values[name] -= 0.5 * gradient


def build():
    net = Net()
    return netparity.Scratch(
        parameters=net.values, predict=net.predict, loss=lambda x, y: net.judge(x, y)[0],
        gradients=lambda x, y: net.judge(x, y)[1], update=net.update,
    )


def in_torch():
    import torch

    net = Net()
    module = torch.nn.Linear(2, 3, dtype=torch.float64)
    with torch.no_grad():
        module.weight.copy_(torch.from_numpy(net.values["W"].T))
        module.bias.zero_()
    sgd = torch.optim.SGD(module.parameters(), lr=0.5)
    return netparity.Torch(module, torch.nn.CrossEntropyLoss(), sgd)


def raises():
    return {}["no such layer"]


def nothing():
    build()


def wants(width):
    return build()


def not_a_number():
    side = build()
    return object()
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "good.py").write_text(GOOD)
    return tmp_path


def compare(folder: Path, left: str, right: str, *options: str) -> Done:
    return netparity("compare", left, right, "--format", "json", *options, folder=folder)


def check_refused(done: Done, *said: str, theirs: bool = False, hint: bool = True) -> None:
    """Status 2, nothing on stdout, ``error:`` and ``hint:``, and no traceback of netparity's."""
    lines = [line for line in done.err.splitlines() if not line.lstrip().startswith("netparity:")]
    assert done.status == 2, done.err
    assert done.out == ""
    assert any(line.startswith("error: ") for line in lines), done.err
    assert any(line.startswith("hint: ") for line in lines) or not hint, done.err
    for text in said:
        assert text in done.err, done.err
    assert ("Traceback (most recent call last)" in done.err) == theirs, done.err
    assert "src/netparity/" not in done.err
    assert "site-packages/netparity/" not in done.err
    assert "fault of netparity" not in done.err


def test_the_good_one_is_good(folder: Path) -> None:
    """Else everything below would be refused for another reason than its own."""
    done = compare(folder, "good.py:build", "good.py:in_torch")
    assert done.status == 0, done.err
    assert '"verdict": "parity"' in done.out


@pytest.mark.parametrize(
    ("left", "said"),
    [
        ("absent.py:build", "no such file: `absent.py`"),
        ("good.py:biuld", "did you mean `good.py:build`?"),
        ("good.py", "does not say what in it is meant"),
        ("no_such_module:build", "no module is called `no_such_module`"),
        ("good.py:nothing", "`good.py:nothing` returned None"),
        ("good.py:wants", "asks for `width`"),
        ("good.py:not_a_number", "object"),
    ],
)
@pytest.mark.parametrize("side", ["left", "right"])
def test_no_such_thing(folder: Path, left: str, said: str, side: str) -> None:
    if side == "right" and "absent" not in left and "nothing" not in left:
        pytest.skip("one side and two examples of the other say it")
    pair = (left, "good.py:build") if side == "left" else ("good.py:build", left)
    check_refused(compare(folder, *pair), said)


def test_a_module_that_raises_on_import(folder: Path) -> None:
    (folder / "broken.py").write_text("import good\nwidths = [64, 30]\nlast = widths[2]\n")
    done = compare(folder, "good.py:build", "broken.py:build")
    check_refused(done, "IndexError", "last = widths[2]", "theirs, not netparity's", theirs=True)


def test_a_builder_that_raises(folder: Path) -> None:
    done = compare(folder, "good.py:build", "good.py:raises")
    check_refused(done, "KeyError", 'return {}["no such layer"]', theirs=True)


@pytest.mark.parametrize(
    ("right", "label"),
    [
        ("good.py:in_torch", 3),
        ("good.py:in_torch", -1),
        pytest.param("good.py:build", 3),
        pytest.param("good.py:build", -1),
    ],
)
def test_labels_out_of_range(folder: Path, right: str, label: int) -> None:
    (folder / "labels.py").write_text(
        "import numpy as np\nfrom good import data\n"
        f"x, y = data\ny = y.copy()\ny[4] = {label}\nlabelled = (x, y)\n"
    )
    done = compare(folder, "good.py:build", right, "--data", "labels.py:labelled")
    check_refused(done, str(label), hint=False)


@pytest.mark.parametrize("value", ["np.nan", "np.inf"])
@pytest.mark.parametrize("array", ["x", "y"])
def test_no_number_in_the_data(folder: Path, array: str, value: str) -> None:
    (folder / "holes.py").write_text(
        "import numpy as np\n"
        "x, y = np.ones((6, 2)), np.ones((6, 3))\n"
        f"{array}[3, 1] = {value}\nholes = (x, y)\n"
    )
    done = compare(folder, "good.py:build", "good.py:build", "--data", "holes.py:holes")
    check_refused(done, f"{array}[3, 1] is {value.removeprefix('np.')}")


def test_rows_that_do_not_fit_and_no_rows(folder: Path) -> None:
    (folder / "rows.py").write_text(
        "import numpy as np\nodd = (np.ones((6, 2)), np.zeros(5, int))\n"
        "none = (np.ones((0, 2)), np.zeros(0, int))\n"
    )
    done = compare(folder, "good.py:build", "good.py:build", "--data", "rows.py:odd")
    check_refused(done, "6 rows", "5", hint=False)
    done = compare(folder, "good.py:build", "good.py:build", "--data", "rows.py:none")
    check_refused(done, "at least one row", hint=False)


@pytest.mark.parametrize(
    ("framework", "extra"),
    [("torch", "torch"), ("tensorflow", "tensorflow"), ("keras", "keras"), ("jax", "jax")],
)
def test_a_framework_that_is_not_installed(folder: Path, framework: str, extra: str) -> None:
    # As on a machine without it: the import system finds no such package.
    (folder / "bare.py").write_text(
        f"import sys\nsys.modules[{framework!r}] = None\nimport {framework}\n"
        "from good import build\n"
    )
    done = compare(folder, "bare.py:build", "good.py:build")
    check_refused(done, framework, "pip install", f"netparity[{extra}]")


AMBIGUOUS = """
import numpy as np
import netparity

data = (np.arange(8.0).reshape(4, 2) / 5, np.arange(4.0))


def side(*names, seed=0):
    rng = np.random.default_rng(seed)
    values = {name: rng.standard_normal((2, 2)) for name in names}

    def predict(x):
        total = x
        for value in values.values():
            total = np.sin(total @ value) ** 3 * np.cos(total)
        return total

    return netparity.Scratch(parameters=values, predict=predict)


def two():
    return side("first", "second")


def three():
    return side("alpha", "beta", "gamma", seed=SEED)
"""


def test_parameters_that_pair_in_several_ways(folder: Path) -> None:
    (folder / "squares.py").write_text(AMBIGUOUS.replace("SEED", "1"))
    done = compare(folder, "squares.py:two", "squares.py:three")
    check_refused(done, "first", "alpha", "beta", "gamma", "--pair first=alpha")
    # Side by side: a row names a parameter of each side.
    assert any("first" in line and "alpha" in line and "(2, 2)" in line
               for line in done.err.splitlines())  # fmt: skip
    pairs = ("--pair", "first=alpha", "--pair", "second=beta")
    done = compare(folder, "squares.py:two", "squares.py:three", *pairs)
    assert done.status != 2, done.err
    assert '"verdict": "divergent"' in done.out
    # Equal values tell what shapes do not.
    (folder / "alike.py").write_text(AMBIGUOUS.replace("SEED", "0"))
    done = compare(folder, "alike.py:two", "alike.py:three")
    assert done.status == 1, done.err
    assert '"right: gamma"' in done.out
    assert '"left: ' not in done.out


def test_a_pair_that_names_no_parameter(folder: Path) -> None:
    done = compare(folder, "good.py:build", "good.py:in_torch", "--pair", "W=wieght")
    check_refused(done, "--pair W=wieght", "right has no parameter 'wieght'", "'weight'?")


def test_parameters_that_pair_in_no_way(folder: Path) -> None:
    (folder / "apart.py").write_text(
        AMBIGUOUS.replace("SEED", "1").replace('def two():\n    return side("first", "second")',
                          "def two():\n    w = np.ones((2, 5))\n"
                          "    return netparity.Scratch(parameters={'w': w},"
                          " predict=lambda x: np.sin(x @ w @ w.T) ** 3)")
    )  # fmt: skip
    done = compare(folder, "apart.py:two", "apart.py:three")
    # The contract's word for no pairing at all: nothing could be compared, and the JSON says so,
    # or the pairing is asked for.
    assert done.status == 2, done.err
    assert "Traceback" not in done.err
    assert '"verdict": "incomparable"' in done.out or "--pair" in done.err
