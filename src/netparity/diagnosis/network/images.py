"""Convolutions that the shapes of a side's arrays allow, and how their windows may lie."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Final

import numpy as np

from netparity.diagnosis.network.sketch import (
    Arrays,
    Flow,
    Layers,
    Link,
    images_end,
    vectors,
)
from netparity.errors import InputError
from netparity.layouts import Axes, Move, Place
from netparity.nn import (
    Affine,
    AveragePool2D,
    Conv2D,
    Flatten,
    GlobalAveragePool2D,
    Layer,
    MaxPool2D,
)
from netparity.nn.layers.windows import Windows, slide

#: How kernels are kept, by the moves to (height, width, inputs, outputs): as they are, torch's,
#: outputs first and inputs last, inputs first, and inputs first with outputs last.
KERNELS: Final[tuple[tuple[Move, ...], ...]] = (
    (),
    (Axes((2, 3, 1, 0)),),
    (Axes((1, 2, 3, 0)),),
    (Axes((2, 3, 0, 1)),),
    (Axes((1, 2, 0, 3)),),
)
BIASES = 3
STRIDES: Final = (1, 2, 3)
POOLS: Final[tuple[Layer | None, ...]] = (
    None,
    MaxPool2D(2),
    AveragePool2D(2),
    MaxPool2D(3, 2),
    AveragePool2D(3, 2),
    MaxPool2D(3),
    AveragePool2D(3),
    MaxPool2D(2, 1),
    AveragePool2D(2, 1),
    MaxPool2D(2, padding="same"),
    AveragePool2D(2, padding="same"),
    AveragePool2D(2, padding="same", count_include_pad=False),
    MaxPool2D(3, 2, padding=1),
    AveragePool2D(3, 2, padding=1),
    AveragePool2D(3, 2, padding=1, count_include_pad=False),
    AveragePool2D(2, padding=1),
    AveragePool2D(2, padding=1, count_include_pad=False),
)
#: With more convolutions than this, or any number of pixels, all stages are laid alike.
FREE_CONVOLUTIONS = 2


def kernel_layouts(own: tuple[int, ...], shape: tuple[int, ...]) -> Iterator[tuple[Move, ...]]:
    """The moves that make an array of the one shape a kernel of the other."""
    for moves in KERNELS:
        turned = np.empty(own, dtype=bool)
        for move in moves:
            turned = move.apply(turned)
        if turned.shape == shape:
            yield moves


def convolution(flow: Flow, arrays: Arrays, unused: tuple[str, ...]) -> Iterator[Link]:
    """Convolutions of images with so many channels."""
    for name in unused:
        own = np.shape(arrays[name])
        if len(own) != 4:
            continue
        for moves in KERNELS:
            order = moves[0].order if moves and isinstance(moves[0], Axes) else (0, 1, 2, 3)
            high, wide, inputs, outputs = (own[axis] for axis in order)
            if inputs != flow.width:
                continue
            rest = tuple(n for n in unused if n != name)
            for bias in (*vectors(arrays, rest, outputs)[:BIASES], None):
                places = [("weight", Place(name, moves=moves))]
                if bias is not None:
                    places.append(("bias", Place(bias)))
                size = high if high == wide else (high, wide)
                layer = Conv2D(inputs, outputs, size, bias=bias is not None)
                yield Link(layer, tuple(places), Flow("images", outputs))


# ---- where windows lie --------------------------------------------------------------------------
def geometries(layers: Layers, image: tuple[int, int]) -> Iterator[Layers]:
    """The network with the paddings, strides and pools that lead to its affine layer's inputs.

    What stands in the layers comes first, then what differs least from it.

    Args:
        layers: a network in a row, with images in front.
        image: their height and width.
    """
    end = images_end(layers)
    if end is None:
        return
    affine, stages = layers[end][1], _stages(layers[:end])
    channels = [k.outputs for _, k in layers[:end] if isinstance(k, Conv2D)][-1]
    if not isinstance(affine, Affine) or affine.inputs % channels:
        return
    name, flat = _flattened(layers[:end])
    pixels = affine.inputs // channels
    found: list[tuple[int, Layers, Layer]]
    found = [(rank, laid, flat) for rank, laid in _laid_out(stages, image, pixels)]
    if pixels == 1:
        mean = GlobalAveragePool2D()
        found += [
            (rank + 1, laid, mean)
            for rank, laid in _laid_out(stages, image, None)
            if not isinstance(laid[-1][1], MaxPool2D | AveragePool2D)
        ]
    for _, laid, last in sorted(found, key=lambda each: each[0]):
        yield (*laid, (name, last), *layers[end:])


@dataclass(frozen=True, slots=True)
class Stage:
    """A convolution with what comes before it and after it, and the pool at the end."""

    layers: Layers
    pool: Layer | None

    @property
    def convolution(self) -> Conv2D:
        """The convolution."""
        (found,) = (k for _, k in self.layers if isinstance(k, Conv2D))
        return found


def _stages(layers: Layers) -> list[Stage]:
    stages: list[Stage] = []
    current: Layers = ()
    pool: Layer | None = None
    for name, layer in layers:
        if isinstance(layer, Conv2D) and any(isinstance(k, Conv2D) for _, k in current):
            stages.append(Stage(current, pool))
            current, pool = (), None
        if isinstance(layer, MaxPool2D | AveragePool2D):
            pool = layer
        elif not isinstance(layer, Flatten | GlobalAveragePool2D):
            current = (*current, (name, layer))
    return [*stages, Stage(current, pool)]


def _flattened(layers: Layers) -> tuple[str, Flatten]:
    """What lays images out in one row, under the name of what makes rows of them now."""
    kinds = Flatten | GlobalAveragePool2D
    name, layer = next(((n, k) for n, k in layers if isinstance(k, kinds)), ("flatten", Flatten()))
    return name, layer if isinstance(layer, Flatten) else Flatten()


def _laid_out(
    stages: Sequence[Stage], image: tuple[int, int], pixels: int | None
) -> Iterator[tuple[int, Layers]]:
    """Stages with windows so that so many pixels come out (``None``: any number)."""

    def extend(
        index: int, image: tuple[int, int], window: int | None, pool: Layer | None
    ) -> Iterator[tuple[int, Layers]]:
        if index == len(stages):
            if pixels is None or image[0] * image[1] == pixels:
                yield 0, ()
            return
        for option in _options(stages[index], index, image):
            alike = window in (None, option.window) and (
                pool is None or option.pool in (None, pool)
            )
            if alike:
                following = (None, None) if free else (option.window, pool or option.pool)
                for rank, tail in extend(index + 1, option.size, *following):
                    yield option.rank + rank, (*option.layers, *tail)

    free = len(stages) <= FREE_CONVOLUTIONS and pixels is not None
    yield from extend(0, image, None, None)


@dataclass(frozen=True, slots=True)
class Option:
    """A stage with its windows laid: which of the convolution's, the pool, and what comes out."""

    window: int
    pool: Layer | None
    rank: int
    layers: Layers
    size: tuple[int, int]


@lru_cache(maxsize=256)
def _options(stage: Stage, index: int, image: tuple[int, int]) -> list[Option]:
    """Each way to lay a stage's windows on an image."""
    pools = list(enumerate(dict.fromkeys((stage.pool, *POOLS))))
    options = []
    seen = set()
    for window, (rank, convolution) in enumerate(_windows(stage.convolution)):
        laid = _laid(convolution, image)
        if laid is None or (laid.output, laid.padding, convolution.stride) in seen:
            continue
        seen.add((laid.output, laid.padding, convolution.stride))
        layers = tuple((n, convolution if isinstance(k, Conv2D) else k) for n, k in stage.layers)
        known = set()
        for away, pool in pools:
            pooled = laid if pool is None else _laid(pool, laid.output)
            if pooled is not None and _as_pooled(pool, pooled) not in known:
                known.add(_as_pooled(pool, pooled))
                end = () if pool is None else ((f"pool{index + 1}", pool),)
                options.append(Option(window, pool, rank + away, (*layers, *end), pooled.output))
    return options


def _as_pooled(pool: Layer | None, windows: Windows) -> Any:
    """A pool without the settings that make no difference where nothing is padded."""
    around = np.any(np.asarray(windows.padding))
    padded = pool if around else (getattr(pool, "pool_size", None), getattr(pool, "stride", None))
    return type(pool), padded, windows.output, windows.padding


def _windows(layer: Conv2D) -> list[tuple[int, Conv2D]]:
    """A convolution with other paddings and strides, by rank: its own come first."""
    size = layer.kernel_size if isinstance(layer.kernel_size, int) else max(layer.kernel_size)
    around = [*range(size // 2, 0, -1), *range(size // 2 + 1, size)]
    paddings = enumerate(dict.fromkeys((layer.padding, "valid", "same", *around)))
    strides = list(enumerate(dict.fromkeys((layer.stride, *STRIDES))))
    return [
        (a + b, replace(layer, padding=padding, stride=stride))
        for a, padding in paddings
        for b, stride in strides
    ]


def _laid(layer: Any, image: tuple[int, int]) -> Windows | None:
    """How a convolution's or a pool's windows lie on an image, if one fits."""
    kernel = layer.kernel_size if isinstance(layer, Conv2D) else layer.pool_size
    stride = kernel if layer.stride is None else layer.stride
    try:
        return slide(kernel, stride, getattr(layer, "dilation", 1), layer.padding, image)
    except InputError:
        return None
