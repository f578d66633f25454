"""Chains of layers laid through the shapes of a side's arrays."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from netparity.diagnosis.network import dense, images, sequences
from netparity.diagnosis.network.sketch import GAP, Arrays, Flow, Layers, Link, Sketch
from netparity.diagnosis.twin import Array
from netparity.layouts import Place
from netparity.nn import (
    GRU,
    LSTM,
    Affine,
    BatchNorm,
    Conv2D,
    Embedding,
    Flatten,
    GroupNorm,
    Identity,
    Layer,
    LayerNorm,
    Permute,
    RMSNorm,
    SimpleRNN,
)

MAXIMUM_CHAINS: Final = 150
#: Layers tried before the search for chains ends: arrays of one size can be laid in endless ways.
MAXIMUM_TRIED: Final = 20_000
#: Chains of each kind in the order of definition that come before all others.
LIKELY: Final = 4
NORMS: Final = (BatchNorm, LayerNorm, GroupNorm, RMSNorm)
#: Into how many groups channels may fall.
GROUPS: Final = (1, 2, 4, 8, 16, 32)
#: What layers are called in a sketch.
CALLED: Final = (
    ((Affine,), "affine"),
    ((Conv2D,), "conv"),
    ((Embedding,), "embedding"),
    (NORMS, "norm"),
    ((SimpleRNN, LSTM, GRU), "recurrent"),
)


def sketches(arrays: Arrays, buffers: Arrays, x: Array, outputs: int) -> Iterator[Sketch]:
    """Networks that use all of a side's parameters, the likeliest first.

    Args:
        arrays: the side's parameters, in order of definition.
        buffers: its buffers.
        x: a batch.
        outputs: how many numbers it predicts for a row.
    """
    for front, flow in _starts(x):
        for chain in itertools.islice(chains(arrays, buffers, flow, outputs), MAXIMUM_CHAINS):
            found = _sketch(front, flow, chain, x)
            if found is not None:
                yield found


def _starts(x: Array) -> Iterator[tuple[Layers, Flow]]:
    """What a batch can be taken for."""
    if x.ndim == 3:
        yield (), Flow("steps", x.shape[2], x.shape[1])
    if x.ndim == 4:
        yield (), Flow("images", x.shape[3])
        yield (("channels_last", Permute((0, 2, 3, 1))),), Flow("images", x.shape[1])
    flat: Layers = (("flatten", Flatten()),) if x.ndim > 2 else ()
    yield flat, Flow("rows", int(np.prod(x.shape[1:])))
    if x.ndim == 2 and np.all((x >= 0) & (x == np.floor(x))):
        yield (), Flow("tokens", int(np.max(x)) + 1, x.shape[1])


@dataclass(frozen=True, slots=True)
class Rules:
    """What chains may be.

    Attributes:
        in_order: they take the arrays in the order of their definition.
        scale_alone: normalizations may have no shift.
        by_batch: normalizations go over the batch, in inference too.
        groups: into how many groups the channels of images fall that are normalized.
    """

    in_order: bool = False
    scale_alone: bool = False
    by_batch: bool = False
    groups: int | None = None


def chains(
    arrays: Arrays, buffers: Arrays, start: Flow, outputs: int
) -> Iterator[tuple[Link, ...]]:
    """Every chain from a flow to so many outputs that uses all the arrays.

    Those that take the arrays in the order of their definition come first; a program that
    stores all its weights one way round comes before one that mixes.
    """
    turns = ((False,), (True,), (False, True))
    spare = _has_spare_vectors(arrays)
    groups = GROUPS if spare and start.kind == "images" else ()
    ordered = (
        Rules(in_order=True),
        Rules(in_order=True, scale_alone=True),
        Rules(in_order=True, by_batch=True),
        *(Rules(in_order=True, groups=count) for count in groups),
    )
    # One way round and the other in turn: either may have many chains.
    ways = [
        itertools.chain.from_iterable(
            itertools.zip_longest(
                *(_chains(arrays, buffers, start, outputs, way, rules) for way in turns)
            )
        )
        for rules in (*ordered, Rules(), Rules(scale_alone=True))
    ]
    first = ways[: len(ordered)] if spare else ()
    likely = (chain for way in first for chain in itertools.islice(way, LIKELY))
    seen: set[tuple[Link, ...] | None] = {None}
    for chain in itertools.chain(likely, *ways):
        if chain is not None and chain not in seen:
            seen.add(chain)
            yield chain


def _has_spare_vectors(arrays: Arrays) -> bool:
    """Whether there are more vectors than layers that may have one as their bias."""
    ranks: list[int] = [sum(size != 1 for size in np.shape(a)) for a in arrays.values()]
    return sum(rank <= 1 for rank in ranks) > sum(rank > 1 for rank in ranks)


def _chains(
    arrays: Arrays,
    buffers: Arrays,
    start: Flow,
    outputs: int,
    turns: tuple[bool, ...],
    rules: Rules,
) -> Iterator[tuple[Link, ...]]:
    order = {name: index for index, name in enumerate(arrays)}
    tried = itertools.count()

    def links(
        flow: Flow, unused: tuple[str, ...], free: tuple[str, ...], normalized: bool
    ) -> list[Link]:
        found: list[Link] = []
        if flow.kind == "images":
            found += images.convolution(flow, arrays, unused)
        if flow.kind == "steps":
            found += sequences.recurrent(flow, arrays, unused, turns)
        if flow.kind == "tokens":
            found += dense.embedding(flow, arrays, unused)
        else:
            found += dense.affine(flow, arrays, unused, turns, outputs)
        if flow.kind in ("rows", "images") and not normalized:
            found += dense.normalization(
                flow, arrays, unused, buffers, free,
                scale_alone=rules.scale_alone, by_batch=rules.by_batch, groups=rules.groups,
            )  # fmt: skip
        if rules.in_order:
            taken = [{n for n in k.names if n in order} for k in found]
            found = [k for k, own in zip(found, taken, strict=True) if own == {*unused[: len(own)]}]
        return sorted(found, key=lambda k: min(order.get(n, len(order)) for n in k.names))

    def extend(
        flow: Flow, unused: tuple[str, ...], free: tuple[str, ...], normalized: bool
    ) -> Iterator[tuple[Link, ...]]:
        if not unused:
            if flow.kind in ("rows", "steps") and flow.width * flow.length == outputs:
                yield ()
            return
        if next(tried) > MAXIMUM_TRIED:
            return
        for link in links(flow, unused, free, normalized):
            rest = tuple(n for n in unused if n not in link.names)
            kept = tuple(n for n in free if n not in link.names)
            for tail in extend(link.after, rest, kept, isinstance(link.layer, NORMS)):
                yield (link, *tail)

    # Before the first layer there is nothing to normalize but the data.
    yield from extend(start, tuple(arrays), tuple(buffers), True)


def _sketch(front: Layers, start: Flow, chain: Sequence[Link], x: Array) -> Sketch | None:
    """A chain as a network, with an activation to be read after every layer but a recurrent one."""
    layers: list[tuple[str, Layer]] = list(front)
    places: dict[str, Place] = {}
    gaps: list[str] = []
    if start.kind == "rows" and getattr(chain[0].layer, "bias", False):
        # What stands before the first layer shows where everything behind it is known.
        gaps.append(f"{GAP}0")
        layers.append((gaps[0], Identity()))
    kinds = [start.kind, *(link.after.kind for link in chain)]
    for index, link in enumerate(chain, start=1):
        if isinstance(link.layer, Affine) and kinds[index] == "rows" != kinds[index - 1]:
            layers.append(("flatten", Flatten()))
        name = f"{_called(link.layer)}{index}"
        layers.append((name, link.layer))
        places |= {f"{name}.{key}": place for key, place in link.places}
        if not isinstance(link.layer, SimpleRNN | LSTM | GRU | Embedding):
            gaps.append(f"{GAP}{index}")
            layers.append((gaps[-1], Identity()))
    found = Sketch(tuple(layers), places, tuple(gaps))
    if not isinstance(chain[0].layer, Conv2D):
        return found
    size = x.shape[2:4] if front else x.shape[1:3]
    laid = next(images.geometries(found.layers, (size[0], size[1])), None)
    return None if laid is None else Sketch(laid, places, tuple(gaps))


def _called(layer: Layer) -> str:
    return next(word for kinds, word in CALLED if isinstance(layer, kinds))
