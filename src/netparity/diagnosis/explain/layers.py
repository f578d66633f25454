"""How layers without parameters are said, and written in each framework."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, Final

from netparity.diagnosis.candidates import text
from netparity.nn import (
    AveragePool2D,
    HardTanh,
    Identity,
    Layer,
    LogSoftmax,
    MaxPool2D,
    Mish,
    ReLU,
    Sigmoid,
    SiLU,
    Softmax,
    Softplus,
    Softsign,
    Tanh,
)

#: What an activation is called: the torch module, the word of Keras, the function of JAX, the
#: word of scikit-learn, and NumPy's line.
_WRITTEN: Final[Mapping[Layer, tuple[str, str, str, str | None, str]]] = {
    Identity(): ("nn.Identity()", "linear", "identity", "identity", "z"),
    ReLU(): ("nn.ReLU()", "relu", "relu", "relu", "np.maximum(z, 0)"),
    HardTanh(0.0, 6.0): ("nn.ReLU6()", "relu6", "relu6", None, "np.clip(z, 0, 6)"),
    Sigmoid(): ("nn.Sigmoid()", "sigmoid", "sigmoid", "logistic", "1 / (1 + np.exp(-z))"),
    Tanh(): ("nn.Tanh()", "tanh", "tanh", "tanh", "np.tanh(z)"),
    SiLU(): ("nn.SiLU()", "silu", "silu", None, "z / (1 + np.exp(-z))"),
    Mish(): ("nn.Mish()", "mish", "mish", None, "z * np.tanh(np.log1p(np.exp(z)))"),
    Softsign(): ("nn.Softsign()", "softsign", "soft_sign", None, "z / (1 + np.abs(z))"),
    Softplus(): ("nn.Softplus()", "softplus", "softplus", None, "np.log1p(np.exp(z))"),
    Softmax(): ("nn.Softmax(dim=-1)", "softmax", "softmax", None, "softmax(z)"),
    LogSoftmax(): (
        "nn.LogSoftmax(dim=-1)", "log_softmax", "log_softmax", None, "np.log(softmax(z))",
    ),
}  # fmt: skip

#: Those that are not in ``tf.nn`` under Keras's word.
_IN_TENSORFLOW: Final[Mapping[Layer, str]] = {
    Identity(): "tf.identity(z)",
    Mish(): "tf.keras.activations.mish(z)",
}


def said(layer: Layer) -> str:
    """A layer in words: its name, and what is set otherwise than it is by default."""
    if layer == HardTanh(0.0, 6.0):
        return "ReLU6"
    anything: Any = layer
    own = [
        f"{f.name}={text(getattr(layer, f.name))}"
        for f in fields(anything)
        if getattr(layer, f.name) != f.default
    ]
    return f"{type(layer).__name__}({', '.join(own)})" if own else type(layer).__name__


def pool_as_written(layer: MaxPool2D | AveragePool2D, framework: str) -> str:
    """A pool as one writes it in a framework."""
    size, stride = layer.pool_size, layer.stride or layer.pool_size
    mean = isinstance(layer, AveragePool2D)
    if framework == "torch":
        return f"x = nn.{'Avg' if mean else 'Max'}Pool2d({size}, stride={stride})(x)"
    if framework in ("keras", "tensorflow"):
        kind = "Average" if mean else "Max"
        return f"x = keras.layers.{kind}Pooling2D({size}, strides={stride})(x)"
    return f"y = window.{'mean' if mean else 'max'}()  # over each window of {size}, step {stride}"


def as_written(layer: Layer, framework: str) -> str:
    """An activation as one writes it in a framework; in words where that is not known."""
    known = _WRITTEN.get(layer)
    if known is None:
        return said(layer)
    module, word, function, name, line = known
    if framework == "torch":
        return module
    if framework in ("keras", "sklearn"):
        chosen = word if framework == "keras" else name
        return f'"{chosen}"' if chosen else said(layer)
    if framework == "tensorflow":
        return _IN_TENSORFLOW.get(layer, f"tf.nn.{word}(z)")
    if framework == "jax":
        return f"jax.nn.{function}(z)"
    return line
