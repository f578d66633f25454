"""Affine layers and normalizations that the shapes of a side's arrays allow."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np

from netparity.diagnosis.network.sketch import Arrays, Flow, Link, vectors
from netparity.layouts import Part, Place
from netparity.nn import Affine, BatchNorm, Embedding, GroupNorm, LayerNorm, RMSNorm

#: A bias is looked for among so many vectors of its size, the first defined.
BIASES = 3
#: Parts of the names under which shifts, means and variances are kept: they say which guess
#: comes first, and nothing more.
SHIFTS = ("beta", "shift", "bias", "offset")
MEANS, VARIANCES = ("mean", "mu"), ("var", "sigma")


def affine(
    flow: Flow, arrays: Arrays, unused: tuple[str, ...], turns: tuple[bool, ...], outputs: int
) -> Iterator[Link]:
    """Affine layers on rows, on each of several steps, or on what is laid out in one row."""
    for name in unused:
        array = np.asarray(arrays[name])
        if array.shape == (flow.width,) and outputs == 1:
            array = array.reshape(flow.width, 1)  # x @ w: one output, written as a vector
        if array.ndim != 2:
            continue
        for transposed in turns:
            inputs, width = array.shape[::-1] if transposed else array.shape
            after = _after(flow, inputs, width)
            if after is None:
                if inputs == flow.width * flow.length + 1 and flow.kind == "rows":
                    yield from _with_ones(name, transposed, inputs - 1, width)
                continue
            rest = tuple(n for n in unused if n != name)
            for bias in (*vectors(arrays, rest, width)[:BIASES], None):
                places = [("weight", Place(name, transposed))]
                if bias is not None:
                    places.append(("bias", Place(bias)))
                layer = Affine(inputs, width, bias=bias is not None)
                yield Link(layer, tuple(places), after)


def _with_ones(name: str, transposed: bool, inputs: int, width: int) -> Iterator[Link]:
    """An affine layer on inputs with a one before or behind them: one array holds the bias too."""
    axis = 1 if transposed else 0
    for weight, bias in (
        (Part(axis, 1, inputs + 1), Part(axis, 0, 1)),
        (Part(axis, 0, inputs), Part(axis, inputs, inputs + 1)),
    ):
        places = (
            ("weight", Place(name, transposed, part=weight)),
            ("bias", Place(name, transposed, part=bias)),
        )
        yield Link(Affine(inputs, width), places, Flow("rows", width))


def _after(flow: Flow, inputs: int, width: int) -> Flow | None:
    """What an affine layer with so many inputs makes of a flow, if it can take it."""
    if inputs == flow.width and flow.kind == "steps":
        return Flow("steps", width, flow.length)
    if flow.kind == "images":  # how many pixels are left is not known here
        return None if inputs % flow.width else Flow("rows", width)
    return Flow("rows", width) if inputs == flow.width * flow.length else None


def embedding(flow: Flow, arrays: Arrays, unused: tuple[str, ...]) -> Iterator[Link]:
    """A vector for each token."""
    for name in unused:
        shape = np.shape(arrays[name])
        if len(shape) == 2 and shape[0] >= flow.width:
            layer = Embedding(*shape)
            yield Link(layer, (("weight", Place(name)),), Flow("steps", shape[1], flow.length))


def normalization(
    flow: Flow,
    arrays: Arrays,
    unused: tuple[str, ...],
    buffers: Arrays,
    free: tuple[str, ...],
    *,
    scale_alone: bool,
    by_batch: bool,
    groups: int | None,
) -> Iterator[Link]:
    """Normalizations of a flow: by running statistics where there are some of its width.

    Args:
        flow: what is normalized.
        arrays: the side's parameters.
        unused: those that no layer has taken.
        buffers: the side's buffers.
        free: likewise.
        scale_alone: whether there are normalizations without a shift.
        by_batch: whether they go over the batch, not over a row or by running statistics.
        groups: into how many the channels of images fall that are normalized together.
    """
    width = flow.width
    found = vectors(arrays, unused, width)[: BIASES + 1]
    statistics = _statistics(vectors(buffers, free, width))
    for pair in itertools.combinations(found, 2):
        scale, shift = sorted(pair, key=lambda n: any(s in n.lower() for s in SHIFTS))
        for one, other in ((scale, shift), (shift, scale)):
            places = (("scale", Place(one)), ("shift", Place(other)))
            if statistics is not None:
                mean, variance = statistics
                kept = (("running_mean", Place(mean)), ("running_variance", Place(variance)))
                layer = BatchNorm(width, inference="batch" if by_batch else "running")
                yield Link(layer, (*places, *kept), flow)
            elif by_batch:
                yield Link(BatchNorm(width, inference="batch"), places, flow)
            elif flow.kind == "rows":
                yield Link(LayerNorm((width,)), places, flow)
            elif groups is not None and width % groups == 0:
                yield Link(GroupNorm(groups, width), places, flow)
    if scale_alone and statistics is None and flow.kind == "rows":
        for name in found:
            yield Link(RMSNorm((width,)), (("scale", Place(name)),), flow)


def _statistics(found: list[str]) -> tuple[str, str] | None:
    """A running mean and variance among vectors."""
    mean = next((n for n in found if any(s in n.lower() for s in MEANS)), None)
    variance = next((n for n in found if any(s in n.lower() for s in VARIANCES)), None)
    if mean is not None and variance is not None:
        return mean, variance
    return (found[0], found[1]) if len(found) > 1 else None
