"""netparity finds where two implementations of one neural network part, and proves why.

``compare(left, right)`` runs the diagnosis; ``Scratch``, ``Torch``, ``Keras``, ``Jax``,
``Flax``, ``Sklearn``, ``TensorFlow`` and ``TensorFlowGraph`` say what a side is made of.
Importing netparity imports no framework: each name is loaded when it is first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from netparity.diagnosis import compare
    from netparity.errors import InputError
    from netparity.implementations import adapt
    from netparity.implementations.flax import Flax
    from netparity.implementations.jax import Jax
    from netparity.implementations.keras import Keras
    from netparity.implementations.scratch import Scratch
    from netparity.implementations.sklearn import Sklearn
    from netparity.implementations.tensorflow import TensorFlow
    from netparity.implementations.tensorflow_graph import TensorFlowGraph
    from netparity.implementations.torch import Torch
    from netparity.report.model import Report

__version__ = "0.1.0"

__all__ = [
    "Flax",
    "InputError",
    "Jax",
    "Keras",
    "Report",
    "Scratch",
    "Sklearn",
    "TensorFlow",
    "TensorFlowGraph",
    "Torch",
    "__version__",
    "adapt",
    "compare",
]

_HOMES: Final = {
    "Flax": "netparity.implementations.flax",
    "InputError": "netparity.errors",
    "Jax": "netparity.implementations.jax",
    "Keras": "netparity.implementations.keras",
    "Report": "netparity.report.model",
    "Scratch": "netparity.implementations.scratch",
    "Sklearn": "netparity.implementations.sklearn",
    "TensorFlow": "netparity.implementations.tensorflow",
    "TensorFlowGraph": "netparity.implementations.tensorflow_graph",
    "Torch": "netparity.implementations.torch",
    "adapt": "netparity.implementations",
    "compare": "netparity.diagnosis",
}


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        msg = f"module 'netparity' has no attribute {name!r}"
        raise AttributeError(msg)
    value = getattr(importlib.import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
