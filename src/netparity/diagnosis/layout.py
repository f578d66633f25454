"""Brings a network into one layout, in which equal functions look equal.

Images have their channels last, gates one order, kernels are not flipped, flattened images
count their pixels first. What a side does otherwise moves into the places of its parameters:
the function stays the same, and the values handed over are read as the function needs them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Final

import numpy as np

from netparity.conventions import Conventions, Place, changed
from netparity.diagnosis.twin import Array, Twin
from netparity.layouts import Axes, Blocks, Flip, Move, Shape
from netparity.nn import (
    CELU,
    ELU,
    GELU,
    GRU,
    LSTM,
    SELU,
    Add,
    Affine,
    BatchNorm,
    Concatenate,
    Dropout,
    Flatten,
    GlobalAveragePool2D,
    GroupNorm,
    HardSigmoid,
    HardSwish,
    HardTanh,
    Identity,
    Layer,
    LeakyReLU,
    Mish,
    Permute,
    ReLU,
    Reshape,
    Sigmoid,
    SiLU,
    Softplus,
    Softsign,
    Take,
    Tanh,
)

#: From channels first to channels last, and back.
LAST: Final = (0, 2, 3, 1)
FIRST: Final = (0, 3, 1, 2)
#: The order of gates that the other one is brought into: block k of it was ``order[k]``.
GATES: Final[Mapping[tuple[type[Layer], str], tuple[str, tuple[int, ...]]]] = {
    (GRU, "rzn"): ("zrh", (1, 0, 2)),
    (LSTM, "ijfo"): ("ifgo", (0, 2, 1, 3)),
}
#: Layers that treat every element alike.
ELEMENTWISE: Final = (
    CELU, ELU, GELU, SELU, Add, HardSigmoid, HardSwish, HardTanh, Identity, LeakyReLU, Mish, ReLU,
    Sigmoid, SiLU, Softplus, Softsign, Take, Tanh,
)  # fmt: skip


class _NotArrangedError(Exception):
    """A layer that cannot be brought into the other layout."""


def in_one_layout(conventions: Conventions, x: Array) -> Conventions:
    """The same function of the same arrays, in the one layout.

    Args:
        conventions: a network that reproduces its side.
        x: a small batch, for the shapes.

    A network with a layer that cannot be turned stays as it is.
    """
    conventions = _without_statistics(conventions)
    arranged = _Arranged(dict(conventions.places))
    tape = _shapes(conventions, x)
    try:
        for name, layer in conventions.layers or ():
            arranged.take(name, layer, tape[name])
        arranged.close()
    except _NotArrangedError:
        return conventions
    moves = tuple(arranged.draws) if any(arranged.draws) else ()
    layers = tuple(arranged.layers)
    return replace(conventions, layers=layers, places=arranged.places, draw_moves=moves)


def keeps_statistics(conventions: Conventions, name: str) -> bool:
    """Whether a side keeps the running statistics of a batch norm anywhere."""
    return f"{name}.running_variance" in conventions.places


def _without_statistics(conventions: Conventions) -> Conventions:
    """How running statistics would move means nothing where a side keeps none."""
    default = BatchNorm(1)
    layers = tuple(
        (name, changed(k, momentum=default.momentum, running_variance=default.running_variance))
        if isinstance(k, BatchNorm) and not keeps_statistics(conventions, name)
        else (name, k)
        for name, k in conventions.layers or ()
    )
    return replace(conventions, layers=layers)


def _shapes(conventions: Conventions, x: Array) -> dict[str, tuple[int, ...]]:
    """The shape of each layer's input for a batch."""
    twin = Twin(replace(conventions, loss=None))
    values = {n: np.ones(shape) for n, shape in twin.network.parameter_shapes().items()}
    with np.errstate(all="ignore"):
        tape = twin.forward(values, np.asarray(x[:2]))
    return {name: value.shape for name, value in tape.inputs.items()}


@dataclass(slots=True)
class _Arranged:
    """The layers taken so far; ``first``: whether the side has its channels first here."""

    places: dict[str, Place]
    layers: list[tuple[str, Layer]] = field(default_factory=list)
    first: bool = False
    draws: list[tuple[Move, ...]] = field(default_factory=list)
    #: How the rows of the next affine layer are to be taken: its shape before, (C, H, W).
    rows: tuple[int, int, int] | None = None

    def take(self, name: str, layer: Layer, shape: tuple[int, ...]) -> None:
        """Takes one more layer, of which the side's own input has a shape."""
        if isinstance(layer, Permute) and self._turns(layer):
            return
        if layer.takes_draw:
            self.draws.append(self._draw_moves(len(shape)))
        if "layout" in {f.name for f in fields(layer)} and not isinstance(layer, Flatten):  # type: ignore[arg-type]
            self._image(name, layer)
        elif isinstance(layer, Flatten):
            self._flatten(name, layer, shape)
        elif self.first and len(shape) == 4:
            self.layers.append((name, _turned(layer)))
        elif self.rows is not None:
            self._after_flatten(name, layer)
        else:
            self.layers.append((name, layer))
        self._gates(name)
        self._flipped(name)

    def close(self) -> None:
        """The end of the network: what is predicted lies as the side's own."""
        if self.first:
            self.layers.append(("channels_first", Permute(FIRST)))

    def _turns(self, layer: Permute) -> bool:
        if layer.axes == FIRST and not self.first:
            self.first = True
            return True
        if layer.axes == LAST and self.first:
            self.first = False
            return True
        return False

    def _draw_moves(self, axes: int) -> tuple[Move, ...]:
        """What makes the draws of a dropout here those of the one layout."""
        if self.first and axes == 4:
            return (Axes(LAST),)
        if self.rows is None:
            return ()
        channels, height, width = self.rows
        features = channels * height * width
        return (
            Shape((-1, features), (-1, channels, height, width)),
            Axes(LAST),
            Shape((-1, height, width, channels), (-1, features)),
        )

    def _image(self, name: str, layer: Any) -> None:
        channels_first = layer.layout == "NCHW"
        if channels_first and not self.first:
            self._images_last()
            self.first = True
        if self.first and not channels_first:
            raise _NotArrangedError
        layer = changed(layer, layout="NHWC")
        if getattr(layer, "stride", 1) is None:  # a pool's own size
            layer = changed(layer, stride=layer.pool_size)
        self.layers.append((name, layer))
        if isinstance(layer, GlobalAveragePool2D):
            self.first = False

    def _images_last(self) -> None:
        """Turns the images that enter, which may have been flat."""
        front = self.layers[-1][1] if self.layers else None
        if isinstance(front, Reshape) and len(self.layers) == 1 and len(front.shape) == 3:
            channels, height, width = front.shape
            if channels == 1:
                self.layers = [(self.layers[0][0], Reshape((height, width, 1)))]
                return
        elif self.layers:
            raise _NotArrangedError
        self.layers.append(("channels_last", Permute(LAST)))

    def _flatten(self, name: str, layer: Flatten, shape: tuple[int, ...]) -> None:
        if len(shape) != 4:
            self.layers.append((name, layer))
            return
        order = layer.order if layer.order != "as-is" else ("CHW" if self.first else "HWC")
        if layer.order != "as-is" and (layer.layout == "NCHW") != self.first:
            raise _NotArrangedError
        if order == "CHW":
            channels, height, width = shape[1:] if self.first else (shape[3], *shape[1:3])
            self.rows = (channels, height, width)
        self.first = False
        self.layers.append((name, Flatten()))

    def _after_flatten(self, name: str, layer: Layer) -> None:
        if isinstance(layer, Affine) and self.rows is not None:
            channels, height, width = self.rows
            if channels > 1 and height * width > 1:
                self._move(
                    f"{name}.weight",
                    Shape((layer.inputs, layer.outputs), (channels, height, width, layer.outputs)),
                    Axes((1, 2, 0, 3)),
                    Shape((height, width, channels, layer.outputs), (layer.inputs, layer.outputs)),
                )
            self.rows = None
        elif not isinstance(layer, (*ELEMENTWISE, Dropout)):
            raise _NotArrangedError
        self.layers.append((name, layer))

    def _gates(self, name: str) -> None:
        layer: Any = self.layers[-1][1] if self.layers else None
        known = GATES.get((type(layer), getattr(layer, "gate_order", "")))
        if known is None:
            return
        order, blocks = known
        self.layers[-1] = (name, changed(layer, gate_order=order))
        for key, shape in layer.shapes().items():
            if shape[-1] % len(blocks) == 0 and not (
                key == "recurrent_bias" and layer.bias == "candidate"
            ):
                self._move(f"{name}.{key}", Blocks(blocks))

    def _flipped(self, name: str) -> None:
        layer: Any = self.layers[-1][1] if self.layers else None
        if getattr(layer, "flip", False):
            self.layers[-1] = (name, changed(layer, flip=False))
            self._move(f"{name}.weight", Flip((0, 1)))

    def _move(self, name: str, *moves: Move) -> None:
        place = self.places.get(name)
        if place is None or place.joined:
            raise _NotArrangedError
        self.places[name] = replace(place, moves=(*place.moves, *moves))


def _turned(layer: Layer) -> Layer:
    """A layer of images with the channels first, as one with the channels last."""
    if isinstance(layer, BatchNorm | GroupNorm) and layer.axis in (1, -3):
        return changed(layer, axis=-1)
    if isinstance(layer, Dropout):
        return changed(layer, channel_axis=None if layer.channel_axis is None else -1)
    if isinstance(layer, Concatenate) and layer.axis in (1, -3):
        return changed(layer, axis=-1)
    if isinstance(layer, ELEMENTWISE):
        return layer
    raise _NotArrangedError
