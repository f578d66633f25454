import json
import subprocess
import sys
from importlib import metadata

import numpy as np
from threadpoolctl import threadpool_limits

from netparity import environment


def test_versions_are_those_installed():
    described = environment.describe()
    assert described["packages"]["numpy"] == np.__version__
    assert described["frameworks"]["torch"] == metadata.version("torch")
    assert described["cpus"] >= 1
    json.dumps(described)


def test_what_is_not_installed_is_none(monkeypatch):
    monkeypatch.setattr(environment, "FRAMEWORKS", {"nothing": ("no-such-package",)})
    assert environment.describe()["frameworks"] == {"nothing": None}


def test_variables_are_those_in_force(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    variables = environment.describe()["variables"]
    assert variables["OMP_NUM_THREADS"] == "1"
    assert "KERAS_BACKEND" not in variables


def test_libraries_say_the_threads_in_force_and_no_path():
    with threadpool_limits(1):
        libraries = environment.describe()["libraries"]
    assert libraries
    assert all(library.endswith(", 1 thread") for library in libraries)
    assert not any("/" in library for library in libraries)


def test_no_framework_is_imported():
    program = (
        "import sys; from netparity import environment; environment.describe(); "
        "print([name for name in environment.FRAMEWORKS if name in sys.modules])"
    )
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert run.stdout.strip() == "[]"
