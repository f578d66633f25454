"""The other side's network as first guess of one that says nothing of itself.

Each parameter of the other side's layers is looked for among the arrays of this one, in the
order of their definition and in every layout in which programs keep it.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np

from netparity.conventions import Conventions, changed
from netparity.diagnosis.network.activations import ACTIVATIONS
from netparity.diagnosis.network.images import kernel_layouts
from netparity.diagnosis.network.sequences import split_bias, split_weights
from netparity.diagnosis.network.sketch import GAP, Arrays, Layers, Places, Sketch, unlike
from netparity.diagnosis.twin import Array
from netparity.layouts import Axes, Move, Part, Place, Shape
from netparity.nn import (
    GRU,
    LSTM,
    Affine,
    BatchNorm,
    Conv2D,
    Dropout,
    Flatten,
    GroupNorm,
    Identity,
    Layer,
    LayerNorm,
    Permute,
    RMSNorm,
    SimpleRNN,
)

MAXIMUM_ASSIGNMENTS: Final = 16
RECURRENT: Final = (LSTM, GRU, SimpleRNN)
#: Layers after which an activation may stand that the other side does not have.
OPEN: Final = (Affine, Conv2D, BatchNorm, LayerNorm, GroupNorm, RMSNorm)


def sketches(templates: Sequence[Conventions], arrays: Arrays, x: Array) -> Iterator[Sketch]:
    """Networks like the other side's, where that is more than affine layers in a row.

    Args:
        templates: conventions of the other side, in the one layout.
        arrays: the parameters and buffers of this side, in order of definition.
        x: a batch.
    """
    chain = (Affine, Flatten, Dropout, Identity)
    for given in templates:
        kinds = [k for _, k in given.layers or () if k.shapes() or k.buffers()]
        if all(isinstance(k, chain) for k in kinds):
            continue
        plain = tuple((n, k) for n, k in given.layers or () if not k.takes_draw)
        fronts = (plain, _turned(plain, x))
        for layers in dict.fromkeys(k for front in fronts for k in _biased(front)):
            open_, gaps = _opened(layers)
            for places in itertools.islice(_assignments(layers, arrays), MAXIMUM_ASSIGNMENTS):
                yield Sketch(open_, places, gaps)


def _biased(layers: Layers) -> Iterator[Layers]:
    """As they are, and with one bias or none in every recurrent layer."""
    yield layers
    for bias in ("one", "none"):
        yield tuple(
            (n, changed(k, bias=bias)) if isinstance(k, RECURRENT) else (n, k) for n, k in layers
        )


def activations_of(templates: Sequence[Conventions]) -> tuple[Layer, ...]:
    """The activations of the other side's network."""
    layers = (k for given in templates for _, k in given.layers or ())
    return tuple(dict.fromkeys(k for k in layers if isinstance(k, ACTIVATIONS)))


def _turned(layers: Layers, x: Array) -> Layers:
    """For images with the channels first: turned before the first layer, or not any more."""
    if x.ndim != 4:
        return layers
    first = layers[0][1] if layers else None
    if isinstance(first, Permute):
        return layers[1:]
    return (("channels_last", Permute((0, 2, 3, 1))), *layers)


def _opened(layers: Layers) -> tuple[Layers, tuple[str, ...]]:
    """With a gap for each activation, and for one after each layer that has none."""
    opened: list[tuple[str, Layer]] = []
    gaps: list[str] = []
    for index, (name, layer) in enumerate(layers):
        opened.append((name, layer))
        following = itertools.takewhile(lambda each: not each[1].shapes(), layers[index + 1 :])
        if isinstance(layer, ACTIVATIONS):
            gaps.append(name)
        elif isinstance(layer, OPEN) and not any(isinstance(k, ACTIVATIONS) for _, k in following):
            gaps.append(unlike(f"{GAP}{index + 1}", dict(layers)))
            opened.append((gaps[-1], Identity()))
    if layers and not isinstance(layers[-1][1], (*OPEN, *ACTIVATIONS)):
        gaps.append(unlike(f"{GAP}{len(layers) + 1}", dict(layers)))
        opened.append((gaps[-1], Identity()))
    return tuple(opened), tuple(gaps)


# ---- which array is which -----------------------------------------------------------------------
def _assignments(layers: Layers, arrays: Arrays) -> Iterator[Places]:
    """Ways to find every parameter and buffer among the arrays, all of which are used."""
    wanted = [
        (f"{name}.{key}", layer, shape)
        for name, layer in layers
        for key, shape in (
            *layer.shapes().items(),
            *((key, shape) for key, (shape, _) in layer.buffers().items()),
        )
    ]

    def extend(
        index: int, places: dict[str, Place], used: frozenset[str]
    ) -> Iterator[dict[str, Place]]:
        if index == len(wanted):
            if used == frozenset(arrays):
                yield places
            return
        name, layer, shape = wanted[index]
        for found in _homes(name, layer, shape, arrays, places, used):
            taken = used | {n for place in found.values() for n in place.names}
            yield from extend(index + 1, places | found, taken)

    return extend(0, {}, frozenset())


def _homes(
    name: str,
    layer: Layer,
    shape: tuple[int, ...],
    arrays: Arrays,
    places: Places,
    used: frozenset[str],
) -> Iterator[dict[str, Place]]:
    """The arrays that can be a parameter, each with the layouts that fit."""
    if name in places:  # a piece of an array that was taken whole
        yield {}
        return
    size = int(np.prod(shape))
    free = [n for n in arrays if n not in used]
    stem = name.rpartition(".")[2].rpartition("_")[2][:3]
    if name.endswith(("running_mean", "running_variance")):
        free = [n for n in free if stem in n.lower()] or free
    for other in free:
        array = arrays[other]
        if array.size == size:
            for transposed, moves in _layouts(layer, np.shape(array), shape):
                yield {name: Place(other, transposed, moves)}
        elif name.endswith(".weight") and isinstance(layer, RECURRENT):
            yield from _stacked(name, layer, np.shape(array), other)
    if isinstance(layer, RECURRENT):
        yield from _split(name, layer, arrays, tuple(free))


def _split(
    name: str, layer: LSTM | GRU | SimpleRNN, arrays: Arrays, free: tuple[str, ...]
) -> Iterator[dict[str, Place]]:
    """An array for each gate."""
    owner, _, key = name.rpartition(".")
    if key == "weight":
        for transposed in (False, True):
            for places in split_weights(layer, arrays, free, transposed):
                yield {f"{owner}.{own}": place for own, place in places}
    elif key.endswith("bias"):
        place = split_bias(layer, arrays, free)
        if place is not None:
            yield {name: place}


def _layouts(
    layer: Layer, own: tuple[int, ...], shape: tuple[int, ...]
) -> Iterator[tuple[bool, tuple[Move, ...]]]:
    if len(shape) == 4 and isinstance(layer, Conv2D):
        yield from ((False, moves) for moves in _kernels(own, shape))
        return
    squeezed = tuple(n for n in own if n != 1)
    if own == shape or squeezed == tuple(n for n in shape if n != 1):
        yield False, ()
    if len(shape) == 2 and own == shape[::-1]:
        yield True, ()


def _kernels(own: tuple[int, ...], shape: tuple[int, ...]) -> Iterator[tuple[Move, ...]]:
    """The moves that make an array a kernel: of four axes, of three, or a matrix.

    One channel, or one filter, may have no axis. A matrix multiplies the columns of im2col, each
    a window with the channels first or last.
    """
    if len(own) == 4:
        yield from kernel_layouts(own, shape)
    if len(own) == 3:
        for axis in (1, 2, 0, 3):
            whole = (*own[:axis], 1, *own[axis:])
            for moves in kernel_layouts(whole, shape):
                yield Shape(own, whole), *moves
    high, wide, inputs, outputs = shape
    for rows, window, axes in (
        (outputs, (outputs, inputs, high, wide), (2, 3, 1, 0)),
        (outputs, (outputs, high, wide, inputs), (1, 2, 3, 0)),
        (inputs * high * wide, (inputs, high, wide, outputs), (1, 2, 0, 3)),
        (inputs * high * wide, (high, wide, inputs, outputs), (0, 1, 2, 3)),
    ):
        if len(own) == 2 and own[0] == rows:
            yield Shape(own, window), Axes(axes)


def _stacked(
    name: str, layer: LSTM | GRU | SimpleRNN, own: tuple[int, ...], other: str
) -> Iterator[dict[str, Place]]:
    """One array that multiplies the input and the state laid side by side."""
    inputs, units = layer.inputs, layer.units
    second = name.replace(".weight", ".recurrent_weight")
    width = layer.shapes()["weight"][1]
    for axis, transposed in ((0, False), (1, True)):
        if own == ((inputs + units, width) if axis == 0 else (width, inputs + units)):
            for first in (True, False):
                start = 0 if first else units
                state = inputs if first else 0
                yield {
                    name: Place(other, transposed, part=Part(axis, start, start + inputs)),
                    second: Place(other, transposed, part=Part(axis, state, state + units)),
                }
