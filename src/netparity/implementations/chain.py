"""A network as a chain of layers, from the calls that were seen while it ran.

Where the input of one call is not the output of the one before, a functional activation or a
reshape is looked for between them, by its values.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from netparity import nn
from netparity.conventions import Place
from netparity.implementations.values import same_bits

Array = np.ndarray[Any, np.dtype[Any]]
Layers = tuple[tuple[str, nn.Layer], ...]

FUNCTIONAL: Final[tuple[nn.Layer, ...]] = (
    nn.ReLU(), nn.Sigmoid(), nn.Tanh(), nn.Softmax(), nn.LogSoftmax(), nn.ELU(), nn.GELU(),
    nn.GELU(approximate=True), nn.SiLU(), nn.Softplus(threshold=20.0),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Seen:
    """One call of a framework's layer: what went in, what came out, and what it is.

    Attributes:
        name: the layer's own name.
        input: what it was given.
        output: what it gave.
        layer: the layer of the reference network that it is, or ``None``.
        places: the twin's name of each parameter (``weight``) → where the side keeps it.
        text: how it is written.
        owner: which layer was called; one with parameters may be called once.
    """

    name: str
    input: Array
    output: Array
    layer: nn.Layer | None
    places: Mapping[str, Place] = field(default_factory=dict)
    text: str = ""
    owner: int = 0


@dataclass(frozen=True, slots=True)
class Read:
    """A network as read: its layers, where its parameters live, and how it is written."""

    layers: Layers
    places: Mapping[str, Place] = field(default_factory=dict)
    linear: tuple[str, ...] = ()
    texts: Mapping[str, str] = field(default_factory=dict)


def chain(inputs: Array, calls: Sequence[Seen], prediction: Array, functions: str) -> Read | None:
    """The chain of layers behind the calls, or ``None`` where they are no such chain.

    Args:
        inputs: the batch that the network was run on.
        calls: the calls in order.
        prediction: what the network gave.
        functions: the module of the framework's activation functions, for the texts.

    Example:
        >>> x = np.array([[-1.0, 2.0]])
        >>> [name for name, _ in chain(x, [], np.maximum(x, 0), "F").layers]
        ['input_relu']
    """
    layers: dict[str, nn.Layer] = {}
    places: dict[str, Place] = {}
    texts: dict[str, str] = {}
    linear: list[str] = []
    called: set[int] = set()
    last, current = "input", inputs

    def unique(name: str) -> str:
        name, count = name.replace(".", "_"), 1
        candidate = name
        while candidate in layers:
            count += 1
            candidate = f"{name}_{count}"
        return candidate

    for call in (*calls, None):
        between = bridge(current, prediction if call is None else call.input)
        if between is None:
            return None
        for layer in between:
            name = unique(f"{last}_{type(layer).__name__.lower()}")
            layers[name] = layer
            texts[f"layers.{name}"] = f"{functions}.{type(layer).__name__.lower()}"
        if call is None:
            break
        if call.layer is None or (call.places and call.owner in called):
            return None
        called.add(call.owner)
        last = name = unique(call.name)
        layers[name] = call.layer
        texts[f"layers.{name}"] = call.text
        if isinstance(call.layer, nn.Dropout):
            texts[f"layers.{name}.rate"] = call.text
        for key, place in call.places.items():
            places[f"{name}.{key}"] = place
            linear.append(f"{name}.{key}")
        current = call.output
    return Read(tuple(layers.items()), places, tuple(linear), texts)


def bridge(before: Array, after: Array) -> list[nn.Layer] | None:
    """The layers without parameters that turn one value into the other, or ``None``."""
    prefix: list[nn.Layer] = []
    if before.shape != after.shape:
        if not before.size or after.shape != (len(before), before.size // len(before)):
            return None
        before = before.reshape(after.shape)
        prefix = [nn.Flatten()]
    if same_bits(before, after):
        return prefix
    for layer in (*FUNCTIONAL, *_leaky(before, after)):
        if close(layer.apply({}, before)[0], after, before):
            return [*prefix, layer]
    return None


def _leaky(before: Array, after: Array) -> list[nn.Layer]:
    """A leaky rectifier with the slope that the most negative value shows."""
    if before.size == 0 or before.min() >= 0 or before.dtype.kind != "f":
        return []
    lowest = np.unravel_index(int(before.argmin()), before.shape)
    return [nn.LeakyReLU(float(after[lowest]) / float(before[lowest]))]


def close(got: Array, expected: Array, argument: Array) -> bool:
    """Equal but for the last bits.

    The libraries' elementary functions err by a few units in the last place of their result,
    or of their argument where it cancels (1 + erf, z − log Σ exp z): 16 covers both.
    """
    if got.shape != expected.shape or not np.isfinite(got).all():
        return False
    largest = np.max(np.abs(argument), axis=-1, keepdims=True, initial=1.0)
    return bool(np.all(np.abs(got - expected) <= 16 * np.finfo(expected.dtype).eps * largest))
