"""Every way of writing a description down, by name."""

from __future__ import annotations

import importlib
from typing import Any

from benchmarks.pairs.description import Description, Style, Unable

_MODULES = {
    "numpy": "numpy_program",
    "torch": "torch_program",
    "solver": "solver_program",
    "keras": "keras_program",
    "tensorflow": "tensorflow_program",
    "jax": "jax_program",
    "flax": "flax_program",
}
KINDS = tuple(_MODULES)


def build(kind: str, description: Description, style: Style) -> Any:
    """A program of one kind, as ``netparity.compare`` takes it.

    Raises:
        Unable: that kind cannot express the description.
    """
    module = importlib.import_module(f"benchmarks.pairs.{_MODULES[kind]}")
    more: dict[str, Any] = {}
    if description.feeding is not None:
        more["batches"] = description.feeding.batches()
    if description.preparing is not None:
        more["preprocess"] = description.preparing.function()
    return module.build(description, style, **more)


def can(kind: str, description: Description, style: Style) -> bool:
    """Whether a kind expresses a description: by building it."""
    try:
        build(kind, description, style)
    except Unable:
        return False
    return True


def canonical(kind: str, style: Style, values: list[Any]) -> list[Any]:
    """Parameters in the order of the description, weights as (inputs, outputs)."""
    turned = kind == "torch" or (kind == "numpy" and style.transposed)
    return [v.T if turned and v.ndim == 2 else v for v in values]
