"""What a fix line calls an activation is there in the framework that it is written for."""

from __future__ import annotations

from functools import reduce
from typing import Any

import pytest

from netparity.diagnosis.explain.layers import _WRITTEN, as_written
from netparity.nn import Layer

LAYERS = pytest.mark.parametrize("layer", _WRITTEN, ids=str)


def named(text: str, **modules: Any) -> Any:
    """The function or class that a line of code calls, looked up in installed modules."""
    module, *names = text.split("(")[0].split(".")
    return reduce(getattr, names, modules[module])


@LAYERS
def test_torch(layer: Layer) -> None:
    torch = pytest.importorskip("torch")
    assert callable(named(as_written(layer, "torch"), nn=torch.nn))


@LAYERS
def test_keras(layer: Layer) -> None:
    keras = pytest.importorskip("keras")
    assert callable(keras.activations.get(as_written(layer, "keras").strip('"')))


@LAYERS
def test_tensorflow(layer: Layer) -> None:
    tf = pytest.importorskip("tensorflow")
    assert callable(named(as_written(layer, "tensorflow"), tf=tf))


@LAYERS
def test_jax(layer: Layer) -> None:
    jax = pytest.importorskip("jax")
    assert callable(named(as_written(layer, "jax"), jax=jax))
