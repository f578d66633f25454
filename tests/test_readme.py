"""The programs in the README run as they stand there."""

import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

README = Path(__file__).resolve().parents[1] / "README.md"
BLOCKS = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
FILES = {
    block.split("\n", 1)[0].removeprefix("# "): block for block in BLOCKS if block.startswith("# ")
}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    for name, block in FILES.items():
        (tmp_path / name).write_text(block, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    for name in FILES:
        sys.modules.pop(Path(name).stem, None)


def test_there_are_programs_for_each_way_to_join():
    names = ("keras", "tensorflow", "graph", "sklearn", "jax", "flax")
    joined = {f"{name}_side.py" for name in names}
    assert set(FILES) == {"left.py", "right.py", *joined}


@pytest.mark.parametrize("name", FILES)
def test_a_side_predicts(folder, name):
    from netparity import adapt
    from netparity.datasets import load

    digits = load("digits")
    side = adapt(importlib.import_module(Path(name).stem).side)
    side.prepare(digits.x_train, digits.y_train)
    assert side.predict(digits.x_test[:3]).shape == (3, 10)


def test_the_first_comparison_from_python(folder):
    (block,) = (block for block in BLOCKS if "netparity.compare(" in block)
    run = subprocess.run(
        [sys.executable, "-c", block], cwd=folder, capture_output=True, text=True, check=True
    )
    assert run.stdout.startswith("divergent ")
    assert "l2-half-factor" in run.stdout
    assert "weight-decay-bias" in run.stdout


def test_the_reference_network_learns_as_it_stands_there(capsys):
    (block,) = (block for block in BLOCKS if "nn.Solver(" in block)
    exec(compile(block, "README.md", "exec"), {})
    # The digits' test images: chance is 10 %, nearest centroid about 90 %.
    accuracy = float(re.search(r"'accuracy': ([0-9.]+)", capsys.readouterr().out)[1])
    assert accuracy > 0.9
