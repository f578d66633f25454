"""What can be given to ``adapt``, and what importing netparity brings in."""

import re
import subprocess
import sys

import numpy as np
import pytest
import torch

import netparity
from netparity import nn
from netparity.errors import InputError
from netparity.implementations import adapt
from netparity.implementations.scratch import Scratch
from netparity.implementations.scratch_model import ScratchModel
from netparity.implementations.solver import SolverSide
from netparity.implementations.torch import Torch


class Model:
    def __init__(self):
        self.params = {"W": np.eye(2)}

    def loss(self, X, y=None):
        return X if y is None else (0.0, {})


def run(program):
    return subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    ).stdout.strip()


def test_each_kind_finds_its_adapter():
    side = Scratch(parameters={"w": np.ones(1)}, predict=lambda x: x)
    assert adapt(side) is side
    assert isinstance(adapt(Model()), ScratchModel)
    assert isinstance(adapt(torch.nn.Linear(2, 1)), Torch)
    network = nn.Network((("a", nn.Affine(2, 1)),))
    solver = nn.Solver(network, nn.MeanSquaredError(), nn.SGD(0.1))
    assert isinstance(adapt(solver), SolverSide)


@pytest.mark.parametrize(
    ("thing", "message", "hint"),
    [
        (3, "received an object of int", r"netparity\.Scratch"),
        (None, "received an object of NoneType", r"netparity\.Torch"),
        (Model, "received the class", "not the class"),
        (lambda: 3, "function", "has to return an implementation"),
        (torch.optim.SGD([torch.zeros(1)], lr=0.1), "SGD", "together with its module"),
    ],
)
def test_anything_else_is_refused_with_what_can_be_given(thing, message, hint):
    with pytest.raises(InputError, match=message) as caught:
        adapt(thing)
    assert caught.value.hint is not None
    assert re.search(hint, caught.value.hint)
    assert "netparity.Keras" in caught.value.hint


def test_importing_netparity_imports_no_framework():
    modules = run("import sys, netparity; print(' '.join(sys.modules))").split()
    heavy = {"torch", "tensorflow", "keras", "jax", "sklearn", "matplotlib", "numpy"}
    assert heavy.isdisjoint(modules)


def test_adapting_imports_no_framework():
    program = (
        "import sys, netparity\n"
        "try: netparity.adapt(3)\n"
        "except netparity.InputError: pass\n"
        "print(' '.join(sys.modules))"
    )
    assert {"torch", "tensorflow", "keras", "jax", "sklearn"}.isdisjoint(run(program).split())


def test_public_names_are_listed_and_found():
    for name in set(netparity.__all__) - {"TensorFlowGraph", "compare"}:
        assert getattr(netparity, name) is not None
        assert name in dir(netparity)
    with pytest.raises(AttributeError, match="no attribute 'Tensorflow'"):
        _ = netparity.Tensorflow


def test_a_framework_that_is_not_installed_is_named_with_its_line():
    program = (
        "import sys; sys.modules['torch'] = None\n"
        "import netparity\n"
        "try: netparity.Torch\n"
        "except netparity.InputError as error: print(error, '|', error.hint)"
    )
    assert run(program) == (
        "netparity.Torch: PyTorch is not installed | pip install 'netparity[torch]'"
    )
