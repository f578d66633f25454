"""The other side's network as first guess of one that says nothing of itself.

Each parameter of the other side's layers is looked for among the arrays of this one, in the
order of their definition and in every layout in which programs keep it. Where the guess does
not fit the predictions, each switch of its layers is tried by itself.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

import numpy as np

from netparity.conventions import Conventions, changed
from netparity.diagnosis.twin import Array
from netparity.layouts import Axes, Blocks, Flip, Move, Part, Place, Shape
from netparity.nn import (
    GRU,
    LSTM,
    Affine,
    Conv2D,
    Flatten,
    Layer,
    Permute,
    Sigmoid,
    SimpleRNN,
    Softmax,
)

Layers = tuple[tuple[str, Layer], ...]
Places = dict[str, Place]

MAXIMUM_ASSIGNMENTS: Final = 16
EPSILONS: Final = (1e-5, 1e-3, 1e-8, 1e-6, 1e-7, 0.0)
#: Switches of a layer that a program may have set otherwise, and to what.
VALUES: Final[Mapping[str, tuple[Any, ...]]] = {
    "epsilon": EPSILONS,
    "padding": ("valid", "same", 1),
    "stride": (1, 2),
    "gate_activation": ("sigmoid", "hard-sigmoid", "hard-sigmoid-keras2"),
    "reset_after": (True, False),
    "epsilon_placement": ("inside", "outside"),
    "count_include_pad": (True, False),
    "pad_value": ("-inf", "zero"),
    "normalize_with": ("biased", "unbiased"),
    "forget_bias": (0.0, 1.0),
    "grid": ("half-pixel", "align-corners", "asymmetric"),
    "approximate": (False, True),
    "slope": (0.01, 0.2, 0.3, 0.1),
}


def guesses(template: Conventions, arrays: Mapping[str, Array], x: Array) -> Iterator[Conventions]:
    """Networks like the template over these arrays, the likeliest first.

    Args:
        template: the other side's conventions, in the one layout.
        arrays: the parameters and buffers of this side, in order of definition.
        x: a batch.
    """
    plain = _plain(template.layers or ())
    starts = (plain, _turned(plain, x))
    for layers in dict.fromkeys(ended for start in starts for ended in _ended(start)):
        for assigned in itertools.islice(_assignments(layers, arrays), MAXIMUM_ASSIGNMENTS):
            for places in (assigned, *_flattened(layers, assigned)):
                yield Conventions(layers=layers, places=places)
                for other, moved in _variants(layers, places):
                    yield Conventions(layers=other, places=moved)


def _plain(layers: Layers) -> Layers:
    """Without dropout, which is looked for in training."""
    return tuple((n, k) for n, k in layers if not k.takes_draw)


def _ended(layers: Layers) -> Iterator[Layers]:
    """With the last activation, and with those that a loss takes apart again."""
    yield layers
    heads = (Softmax(), Sigmoid())
    if layers and layers[-1][1] in heads:
        yield layers[:-1]
    elif layers:
        name = "head" if "head" not in dict(layers) else "head_of_the_loss"
        yield from ((*layers, (name, head)) for head in heads)


def _turned(layers: Layers, x: Array) -> Layers:
    """For images with the channels first: turned before the first layer, or not any more."""
    if x.ndim != 4:
        return layers
    first = layers[0][1] if layers else None
    if isinstance(first, Permute):
        return layers[1:]
    return (("channels_last", Permute((0, 2, 3, 1))), *layers)


# ---- which array is which -----------------------------------------------------------------------
def _assignments(layers: Layers, arrays: Mapping[str, Array]) -> Iterator[Places]:
    """Ways to find every parameter and buffer among the arrays, all of which are used."""
    wanted = [
        (f"{name}.{key}", layer, shape)
        for name, layer in layers
        for key, shape in (
            *layer.shapes().items(),
            *((key, shape) for key, (shape, _) in layer.buffers().items()),
        )
    ]

    def extend(index: int, places: Places, used: frozenset[str]) -> Iterator[Places]:
        if index == len(wanted):
            if used == frozenset(arrays):
                yield places
            return
        name, layer, shape = wanted[index]
        for found in _homes(name, layer, shape, arrays, places, used):
            taken = used | {place.name for place in found.values()}
            yield from extend(index + 1, places | found, taken)

    return extend(0, {}, frozenset())


def _homes(
    name: str,
    layer: Layer,
    shape: tuple[int, ...],
    arrays: Mapping[str, Array],
    places: Places,
    used: frozenset[str],
) -> Iterator[Places]:
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
        elif name.endswith(".weight") and isinstance(layer, LSTM | GRU | SimpleRNN):
            yield from _stacked(name, layer, np.shape(array), other)


def _layouts(
    layer: Layer, own: tuple[int, ...], shape: tuple[int, ...]
) -> Iterator[tuple[bool, tuple[Move, ...]]]:
    squeezed = tuple(n for n in own if n != 1)
    if own == shape or squeezed == tuple(n for n in shape if n != 1):
        yield False, ()
    if len(shape) == 2 and own == shape[::-1]:
        yield True, ()
    if isinstance(layer, Conv2D) and len(own) == 4:
        for order in ((2, 3, 1, 0), (1, 2, 3, 0), (2, 3, 0, 1)):
            if tuple(own[axis] for axis in order) == shape:
                yield False, (Axes(order),)


def _stacked(
    name: str, layer: LSTM | GRU | SimpleRNN, own: tuple[int, ...], other: str
) -> Iterator[Places]:
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


# ---- one switch set otherwise -------------------------------------------------------------------
def _variants(layers: Layers, places: Places) -> Iterator[tuple[Layers, Places]]:
    for index, (name, layer) in enumerate(layers):
        for other in _others(layer):
            yield (*layers[:index], (name, other), *layers[index + 1 :]), places
        yield from ((layers, moved) for moved in _moved(layers, index, places))


def _others(layer: Any) -> Iterator[Layer]:
    for switch, values in VALUES.items():
        if not hasattr(layer, switch):
            continue
        for value in values:
            if value != getattr(layer, switch):
                try:
                    other: Layer = changed(layer, **{switch: value})
                except Exception:
                    continue
                if other.shapes() == layer.shapes():
                    yield other


def _moved(layers: Layers, index: int, places: Places) -> Iterator[Places]:
    """Gate orders and flipped kernels: the same layer, other places."""
    name, layer = layers[index]
    weight = f"{name}.weight"
    if isinstance(layer, LSTM | GRU):
        count = 4 if isinstance(layer, LSTM) else 3
        for order in itertools.permutations(range(count)):
            if order != tuple(range(count)):
                names = [f"{name}.{key}" for key in layer.shapes()]
                yield places | {n: _with(places[n], Blocks(order)) for n in names}
    if isinstance(layer, Conv2D):
        yield places | {weight: _with(places[weight], Flip((0, 1)))}


def _flattened(layers: Layers, places: Places) -> Iterator[Places]:
    """The rows of the first affine layer after a flattened image, channels first."""
    for index, (name, layer) in enumerate(layers):
        if not isinstance(layer, Affine) or not any(
            isinstance(k, Flatten) for _, k in layers[:index]
        ):
            continue
        weight = f"{name}.weight"
        for channels in _channels(layers[:index]):
            pixels, rest = divmod(layer.inputs, channels)
            side = round(pixels**0.5)
            if rest or side * side != pixels or side == 1 or channels == 1:
                continue
            shape = (layer.inputs, layer.outputs)
            split = (channels, side, side, layer.outputs)
            last = (side, side, channels, layer.outputs)
            move = (Shape(shape, split), Axes((1, 2, 0, 3)), Shape(last, shape))
            yield places | {weight: _with(places[weight], *move)}


def _channels(layers: Layers) -> Iterator[int]:
    found = [k.outputs for _, k in layers if isinstance(k, Conv2D)]
    if found and not any(isinstance(k, Affine) for _, k in layers):
        yield found[-1]


def _with(place: Place, *moves: Move) -> Place:
    return replace(place, moves=(*place.moves, *moves))
