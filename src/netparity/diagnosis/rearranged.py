"""Finds values that were handed over in another layout than the function needs.

Both networks stand in one layout. Where right's values of a parameter are not left's, but
would be after their axes, blocks or halves are put into another order, they were copied as
they stood on the other side, and not as this one reads them.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from netparity.diagnosis import initial
from netparity.diagnosis.bench import Bench, Stage
from netparity.diagnosis.noise import Measure
from netparity.diagnosis.twin import Array, Twin
from netparity.nn import (
    GRU,
    LSTM,
    Affine,
    Conv2D,
    ConvTranspose2D,
    DepthwiseConv2D,
    Embedding,
    Flatten,
    Layer,
    MultiHeadAttention,
    SimpleRNN,
)

Turn = Callable[[Array], Array]

#: What the catalogue calls another order of a kernel's axes, by the kind of layer.
KERNELS: Final[tuple[tuple[type[Layer], str], ...]] = (
    (Conv2D, "conv-kernel-layout"),
    (DepthwiseConv2D, "depthwise-kernel-layout"),
    (ConvTranspose2D, "conv-transpose-kernel-layout"),
)
#: Blocks of the gates, and what the catalogue calls another order of them.
GATES: Final[tuple[tuple[type[Layer], int, str], ...]] = (
    (LSTM, 4, "lstm-gate-order"),
    (GRU, 3, "gru-gate-order"),
)


@dataclass(frozen=True, slots=True)
class Rearranged:
    """A parameter whose values are left's in another layout.

    Attributes:
        id: what the catalogue calls it.
        name: the parameter, as on the left.
        words: how right's values would have to be rearranged.
        measure: left's values against right's after that; before: as handed over.
    """

    id: str
    name: str
    words: str
    measure: Measure
    before: Measure


def find(bench: Bench, stage: Stage) -> list[Rearranged]:
    """The parameters of the initial stage whose difference is one of layout."""
    left = bench.left.twin
    if left is None:
        return []
    mine = bench.pairing.summed(bench.left.parameters)
    theirs = bench.pairing.to_left(bench.right.parameters)
    images = _flattened(left, bench.x)
    layers = dict(left.conventions.layers or ())
    found = []
    for measured in stage.measures:
        name = measured.where
        layer, _, key = name.rpartition(".")
        if not measured.different or layer not in layers:
            continue
        a, b = mine[name], np.asarray(theirs[name])
        for id, words, turn in _turns(layers[layer], key, a.shape, images.get(layer)):
            turned = turn(b)
            if turned.shape != a.shape or np.array_equal(turned, b):
                continue
            after = initial.compare({name: a}, {name: turned}, bench.dtype)[0]
            if not after.different:
                found.append(Rearranged(id, name, words, after, measured))
                break
    return found


def _flattened(twin: Twin, x: Array) -> Mapping[str, tuple[int, int, int]]:
    """For each affine layer that takes a flattened image: its height, width and channels."""
    values = {n: np.ones(shape) for n, shape in twin.network.parameter_shapes().items()}
    with np.errstate(all="ignore"):
        inputs = twin.forward(values, np.asarray(x[:2])).inputs
    images: dict[str, tuple[int, int, int]] = {}
    last: tuple[int, ...] | None = None
    for name, layer in twin.conventions.layers or ():
        if isinstance(layer, Flatten) and inputs[name].ndim == 4:
            last = inputs[name].shape[1:]
        elif isinstance(layer, Affine):
            if last is not None:
                images[name] = (last[0], last[1], last[2])
            last = None
    return images


def _turns(
    layer: Layer, key: str, shape: tuple[int, ...], image: tuple[int, int, int] | None
) -> Iterator[tuple[str, str, Turn]]:
    """The rearrangements to be tried of a parameter, the plainest first."""
    if isinstance(layer, Affine) and key == "weight":
        yield from _affine(shape, image)
    if isinstance(layer, Embedding):
        yield "dense-weight-layout", "transposed", np.transpose
    for kind, id in KERNELS:
        if isinstance(layer, kind) and key == "weight":
            yield from _kernel(id, shape)
    for kind, count, id in GATES:
        if isinstance(layer, kind) and shape[-1] % count == 0:
            yield from _blocks(id, count)
    if isinstance(layer, LSTM | GRU | SimpleRNN):
        yield from _recurrent(layer, key)
    if isinstance(layer, MultiHeadAttention) and key.endswith("weight"):
        yield "mha-param-layout", "transposed", np.transpose
        yield from _heads(layer, shape)


def _affine(
    shape: tuple[int, ...], image: tuple[int, int, int] | None
) -> Iterator[tuple[str, str, Turn]]:
    yield "dense-weight-layout", "transposed", np.transpose
    yield (
        "dense-weight-layout",
        "read in the other order of its axes",
        lambda b: b.T.reshape(shape),
    )
    if image is not None:
        height, width, channels = image
        outputs = shape[1]
        yield (
            "flatten-order",
            f"rows of (channels {channels}, height {height}, width {width}) taken as (height, "
            "width, channels)",
            lambda b: (
                b.reshape(channels, height, width, outputs).transpose(1, 2, 0, 3).reshape(shape)
            ),
        )
        yield (
            "flatten-order",
            f"rows of (height {height}, width {width}, channels {channels}) taken as (channels, "
            "height, width)",
            lambda b: (
                b.reshape(height, width, channels, outputs).transpose(2, 0, 1, 3).reshape(shape)
            ),
        )


def _kernel(id: str, shape: tuple[int, ...]) -> Iterator[tuple[str, str, Turn]]:
    flips = ("conv-correlation", "conv-correlation") if id == "conv-kernel-layout" else (id, id)
    for axes, words in (((0, 1), "turned by 180°"), ((0,), "upside down"), ((1,), "left to right")):
        yield flips[0], words, lambda b, axes=axes: np.flip(b, axes)  # type: ignore[misc]
    for order in itertools.permutations(range(4)):
        if order != (0, 1, 2, 3) and tuple(shape[axis] for axis in order) == shape:
            yield id, f"axes in the order {order}", _axes(order)
    # Channels first, taken for channels last without moving an axis, and the other way round.
    first = (shape[3], shape[2], shape[0], shape[1])
    yield id, "reshaped, not permuted", lambda b: b.transpose(3, 2, 0, 1).reshape(shape)
    yield id, "reshaped, not permuted", lambda b: b.reshape(first).transpose(2, 3, 1, 0)


def _axes(order: tuple[int, ...]) -> Turn:
    return lambda b: b.transpose(order)


def _blocks(id: str, count: int) -> Iterator[tuple[str, str, Turn]]:
    for order in itertools.permutations(range(count)):
        if order != tuple(range(count)):
            yield id, f"gate blocks in the order {order}", _reordered(order)


def _reordered(order: tuple[int, ...]) -> Turn:
    def turn(b: Array) -> Array:
        parts = np.split(b, len(order), axis=-1)
        return np.concatenate([parts[i] for i in order], axis=-1)

    return turn


def _recurrent(layer: Any, key: str) -> Iterator[tuple[str, str, Turn]]:
    if key in ("bias", "recurrent_bias"):
        yield "rnn-weight-layout", "halved: one bias was written into both", lambda b: b / 2
        yield "rnn-weight-layout", "doubled: half of it is missing", lambda b: 2 * b
    if key == "recurrent_weight":
        units = layer.units

        def each(b: Array) -> Array:
            blocks = b.reshape(units, -1, units)
            return np.ascontiguousarray(blocks.transpose(2, 1, 0)).reshape(b.shape)

        yield "rnn-weight-layout", "the block of each gate transposed", each
    if key.endswith("weight"):
        yield (
            "rnn-weight-layout",
            "read in the other order of its axes",
            lambda b: b.T.reshape(b.shape),
        )


def _heads(layer: MultiHeadAttention, shape: tuple[int, ...]) -> Iterator[tuple[str, str, Turn]]:
    depth = shape[1] // layer.heads
    if depth * layer.heads == shape[1]:
        yield (
            "mha-param-layout",
            "heads and depth exchanged",
            lambda b: b.reshape(shape[0], depth, layer.heads).transpose(0, 2, 1).reshape(shape),
        )
