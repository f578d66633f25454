"""A network as a chain of layers, from the calls that were seen while it ran.

Where the input of one call is not the output of the one before, a functional activation or a
reshape is looked for between them, by its values.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import numpy as np

from netparity import nn
from netparity.conventions import Place
from netparity.errors import InputError
from netparity.implementations.values import same_bits

Array = np.ndarray[Any, np.dtype[Any]]
Layers = tuple[tuple[str, nn.Layer], ...]

FUNCTIONAL: Final[tuple[nn.Layer, ...]] = (
    nn.ReLU(), nn.Sigmoid(), nn.Tanh(), nn.Softmax(), nn.LogSoftmax(), nn.ELU(), nn.GELU(),
    nn.GELU(approximate=True), nn.SiLU(), nn.Softplus(threshold=20.0), nn.SELU(),
    nn.HardSigmoid(), nn.HardSwish(), nn.HardTanh(0.0, 6.0), nn.Mish(), nn.Softsign(),
)  # fmt: skip

_LAYOUTS: Final[tuple[Literal["NHWC", "NCHW"], ...]] = ("NCHW", "NHWC")


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


def spread(rows: Array) -> Array:
    """Rows of floats in both signs and three sizes, so that no activation looks like another.

    A rectifier is the identity of positive numbers, and GELU a rectifier of large ones.
    """
    size = float(np.sqrt(np.mean(np.square(rows)))) or 1.0
    near = rows / size
    return np.concatenate([rows, -rows, 8 * rows, -8 * rows, near, -near])


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
    """The layers without parameters that turn one value into the other, or ``None``.

    At most one activation function, somewhere on a way of pooling, turning and flattening
    from the one shape to the other.
    """
    if not before.size or len(before) != len(after):
        return [] if same_bits(before, after) else None
    for way in _ways(before.shape, after.shape):
        value = _through(way, before)
        if value is not None and (same_bits(value, after) or _averaged(way, value, after, before)):
            return list(way)
        for place in range(len(way) + 1):
            entering = _through(way[:place], before)
            if entering is None or entering.dtype.kind != "f":
                continue
            choices = [*FUNCTIONAL, *(_fitted(entering, after) if place == len(way) else ())]
            for layer in choices:
                value = _through((layer, *way[place:]), entering)
                if value is not None and close(value, after, before.reshape(len(before), -1)):
                    return [*way[:place], layer, *way[place:]]
    return None


def _averaged(way: Sequence[nn.Layer], value: Array, after: Array, before: Array) -> bool:
    means = (nn.AveragePool2D, nn.GlobalAveragePool2D, nn.GlobalPool1D)
    return any(isinstance(layer, means) for layer in way) and close(
        value, after, before.reshape(len(before), -1)
    )


def _through(way: Sequence[nn.Layer], value: Array) -> Array | None:
    for layer in way:
        try:
            value = layer.apply({}, value)[0]
        except InputError:
            return None
    return value


def _ways(before: tuple[int, ...], after: tuple[int, ...]) -> Iterator[tuple[nn.Layer, ...]]:
    """Layers that lead from one shape to the other: turned, pooled, flattened."""
    if before == after:
        yield ()
    flat = len(after) == 2 and len(before) > 2
    size = int(np.prod(after[1:]))
    if flat and size == int(np.prod(before[1:])):
        yield (nn.Flatten(),)
    if len(before) == 3 and after == (before[0], before[2]):
        yield (nn.GlobalPool1D(),)
        yield (nn.GlobalPool1D("sum"),)
    if len(before) == 4:
        yield from _image_ways(before, after)
    if before != after and len(after) > 2 and size == int(np.prod(before[1:])):
        yield from _reshaped(after)


def _image_ways(before: tuple[int, ...], after: tuple[int, ...]) -> Iterator[tuple[nn.Layer, ...]]:
    """The ways of images: turned, pooled, flattened."""
    flat = len(after) == 2
    size = int(np.prod(after[1:]))
    if len(after) == 4:
        for axes in ((0, 3, 1, 2), (0, 2, 3, 1)):
            if tuple(before[axis] for axis in axes) == after:
                yield (nn.Permute(axes),)
    elif flat and size == int(np.prod(before[1:])):
        for axes in ((0, 3, 1, 2), (0, 2, 3, 1)):
            yield nn.Permute(axes), nn.Flatten()
    for layout in _LAYOUTS:
        channels, height = (before[1], before[2]) if layout == "NCHW" else (before[3], before[1])
        if flat and after[1] == channels:
            yield (nn.GlobalAveragePool2D(layout),)
        for window in (2, 3, 4):
            if height < window:
                break
            for kind in (nn.MaxPool2D, nn.AveragePool2D):
                pool = kind(window, layout=layout)
                width = before[3] if layout == "NCHW" else before[2]
                rows, columns = height // window, width // window
                if len(after) == 4:
                    same = (before[0], channels, rows, columns)
                    shape = same if layout == "NCHW" else (before[0], rows, columns, channels)
                    if shape == after:
                        yield (pool,)
                elif flat and rows * columns * channels == size:
                    yield pool, nn.Flatten()


def _reshaped(after: tuple[int, ...]) -> Iterator[tuple[nn.Layer, ...]]:
    """To a shape at once, or for images first to that with the channels on the other side."""
    yield (nn.Reshape(after[1:]),)
    if len(after) == 4:
        yield nn.Reshape((*after[2:], after[1])), nn.Permute((0, 3, 1, 2))
        yield nn.Reshape((after[3], *after[1:3])), nn.Permute((0, 2, 3, 1))


def _fitted(before: Array, after: Array) -> list[nn.Layer]:
    """Rectifiers with the constant that the most negative value shows."""
    if before.shape != after.shape or before.min() >= 0 or before.dtype.kind != "f":
        return []
    lowest = np.unravel_index(int(before.argmin()), before.shape)
    at, to = float(before[lowest]), float(after[lowest])
    # Written in decimals, and shown to so many digits as the function has there.
    alpha = float(f"{to / np.expm1(at):.6g}")
    return [nn.LeakyReLU(to / at), *([nn.ELU(alpha)] if alpha > 0 else [])]


def close(got: Array, expected: Array, argument: Array) -> bool:
    """Equal but for the last bits.

    The libraries' elementary functions err by a few units in the last place of their result,
    or of their argument where it cancels (1 + erf, z − log Σ exp z): 16 covers both.
    """
    if got.shape != expected.shape or not np.isfinite(got).all():
        return False
    largest = np.max(np.abs(argument), axis=-1, keepdims=True, initial=1.0)
    largest = (
        largest.reshape(len(largest), *(1,) * (got.ndim - 1)) if argument.ndim == 2 else largest
    )
    return bool(np.all(np.abs(got - expected) <= 16 * np.finfo(expected.dtype).eps * largest))
