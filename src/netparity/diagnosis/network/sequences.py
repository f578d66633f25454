"""Recurrent layers that the shapes of a side's arrays allow."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np

from netparity.conventions import changed
from netparity.diagnosis.network.sketch import Arrays, Flow, Link
from netparity.layouts import Part, Place
from netparity.nn import GRU, LSTM, Layer, SimpleRNN

Pair = tuple[tuple[str, Place], ...]
#: Blocks side by side in the parameters, and the layer that has so many.
KINDS: dict[int, Any] = {1: SimpleRNN, 4: LSTM, 3: GRU}


def recurrent(
    flow: Flow, arrays: Arrays, unused: tuple[str, ...], turns: tuple[bool, ...]
) -> Iterator[Link]:
    """Recurrent layers on steps of so many features: the last state comes out, or all."""
    for blocks, units, places in _weights(flow.width, arrays, unused, turns):
        taken = {name for _, place in places for name in place.names}
        rest = tuple(n for n in unused if n not in taken)
        for bias, biases in _biases(blocks, units, arrays, rest, len(places[0][1].names)):
            last: Layer = KINDS[blocks](flow.width, units, bias=bias)
            yield Link(last, (*places, *biases), Flow("rows", units))
            every = changed(last, return_sequences=True)
            yield Link(every, (*places, *biases), Flow("steps", units, flow.length))


def split_weights(
    layer: Any, arrays: Arrays, unused: tuple[str, ...], transposed: bool
) -> Iterator[Pair]:
    """Where the weights of a recurrent layer stand that has an array for each gate."""
    shapes = {n: _shape(arrays[n], transposed) for n in unused if np.ndim(arrays[n]) == 2}
    blocks = layer.shapes()["weight"][1] // layer.units
    for _, units, places in _gates(blocks, layer.inputs, shapes, transposed):
        if units == layer.units:
            yield places


def split_bias(layer: Any, arrays: Arrays, unused: tuple[str, ...]) -> Place | None:
    """Where a bias of a recurrent layer stands that has an array for each gate."""
    blocks = layer.shapes()["weight"][1] // layer.units
    single = [n for n in unused if _holds(arrays[n], layer.units)]
    return _joined(single[:blocks]) if len(single) >= blocks > 1 else None


def _weights(
    inputs: int, arrays: Arrays, unused: tuple[str, ...], turns: tuple[bool, ...]
) -> Iterator[tuple[int, int, Pair]]:
    """Blocks, units, and where the weights of the input and of the state stand."""
    matrices = [n for n in unused if np.ndim(arrays[n]) == 2]
    for transposed in turns:
        shapes = {n: _shape(arrays[n], transposed) for n in matrices}
        for first, second in itertools.permutations(matrices, 2):
            (rows, width), (units, other) = shapes[first], shapes[second]
            if rows == inputs and width == other and width in {k * units for k in KINDS}:
                pair = _named(Place(first, transposed), Place(second, transposed))
                yield width // units, units, pair
        for name in matrices:
            rows, width = shapes[name]
            units = rows - inputs
            if units > 0 and width in {k * units for k in KINDS}:
                for places in _stacked((name,), inputs, units, transposed):
                    yield width // units, units, places
        for blocks in (4, 3):
            yield from _gates(blocks, inputs, shapes, transposed)


def _shape(array: Any, transposed: bool) -> tuple[int, int]:
    rows, columns = np.shape(array)[::-1] if transposed else np.shape(array)
    return rows, columns


def _named(weight: Place, recurrent: Place) -> Pair:
    return (("weight", weight), ("recurrent_weight", recurrent))


def _stacked(names: tuple[str, ...], inputs: int, units: int, transposed: bool) -> Iterator[Pair]:
    """Arrays that multiply the input and the state laid side by side, either first."""
    axis = 1 if transposed else 0
    for start, state in ((0, inputs), (units, 0)):
        yield _named(
            Place(names[0], transposed, part=Part(axis, start, start + inputs), joined=names[1:]),
            Place(names[0], transposed, part=Part(axis, state, state + units), joined=names[1:]),
        )


def _gates(
    blocks: int, inputs: int, shapes: dict[str, tuple[int, int]], transposed: bool
) -> Iterator[tuple[int, int, Pair]]:
    """An array for each gate, in the order of their definition."""
    for units in dict.fromkeys(width for _, width in shapes.values()):
        stacked = [n for n, shape in shapes.items() if shape == (inputs + units, units)]
        if len(stacked) >= blocks:
            for places in _stacked(tuple(stacked[:blocks]), inputs, units, transposed):
                yield blocks, units, places
        one = [n for n, shape in shapes.items() if shape == (inputs, units)]
        other = [n for n, shape in shapes.items() if shape == (units, units)]
        if inputs == units:
            one, other = one[0::2], one[1::2]
        if len(one) >= blocks and len(other) >= blocks:
            yield (
                blocks,
                units,
                _named(
                    Place(one[0], transposed, joined=tuple(one[1:blocks])),
                    Place(other[0], transposed, joined=tuple(other[1:blocks])),
                ),
            )


def _biases(
    blocks: int, units: int, arrays: Arrays, unused: tuple[str, ...], pieces: int
) -> Iterator[tuple[str, Pair]]:
    """The kinds of bias for which there are arrays, with their places."""
    width = blocks * units
    whole = [n for n in unused if _holds(arrays[n], width)]
    for one, other in itertools.combinations(whole, 2):
        yield "two", (("bias", Place(one)), ("recurrent_bias", Place(other)))
    for name in unused:
        if np.shape(arrays[name]) == (2, width):
            first, second = (Place(name, part=Part(0, k, k + 1)) for k in (0, 1))
            yield "two", (("bias", first), ("recurrent_bias", second))
    if pieces > 1:
        single = [n for n in unused if _holds(arrays[n], units)]
        if len(single) >= 2 * blocks:
            second = _joined(single[blocks : 2 * blocks])
            yield "two", (("bias", _joined(single[:blocks])), ("recurrent_bias", second))
        if len(single) >= blocks:
            yield "one", (("bias", _joined(single[:blocks])),)
    for name in whole:
        yield "one", (("bias", Place(name)),)
    yield "none", ()


def _joined(names: list[str]) -> Place:
    """Vectors side by side; as if transposed, so that columns lie down."""
    return Place(names[0], transposed=True, joined=tuple(names[1:]))


def _holds(array: Any, width: int) -> bool:
    return np.shape(array) in {(width,), (1, width), (width, 1)}
