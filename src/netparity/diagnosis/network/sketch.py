"""What a guess at a network is made of, before its activations are known."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from netparity.conventions import Conventions
from netparity.diagnosis.twin import Array
from netparity.layouts import Move, Place
from netparity.nn import Affine, Conv2D, Dropout, Identity, Layer

Layers = tuple[tuple[str, Layer], ...]
Places = Mapping[str, Place]
Arrays = Mapping[str, Array]


@dataclass(frozen=True, slots=True)
class Flow:
    """What runs from one layer to the next, with the length of its last axis.

    ``rows`` are (N, width), ``steps`` (N, length, width), ``images`` (N, H, W, width);
    ``tokens`` are (N, length), numbers below ``width``.
    """

    kind: Literal["rows", "steps", "images", "tokens"]
    width: int
    length: int = 1


@dataclass(frozen=True, slots=True)
class Link:
    """A layer with parameters, each of which stands in a place of the side.

    Attributes:
        layer: the layer.
        places: parameter or buffer → place, as pairs.
        after: what comes out of it.
    """

    layer: Layer
    places: tuple[tuple[str, Place], ...]
    after: Flow

    @property
    def names(self) -> tuple[str, ...]:
        """The side's arrays that it takes."""
        return tuple(name for _, place in self.places for name in place.names)


@dataclass(frozen=True, slots=True)
class Sketch:
    """A network over a side's arrays in which some activations are still to be read.

    Attributes:
        layers: the network; the identity stands where nothing is known.
        places: parameter or buffer → where the side keeps it.
        gaps: the names of the layers to be read.
    """

    layers: Layers
    places: Places
    gaps: tuple[str, ...]

    @property
    def conventions(self) -> Conventions:
        """The network as it stands."""
        return Conventions(layers=self.layers, places=dict(self.places))

    def filled(self, gap: str, *filling: Layer) -> Sketch:
        """With a layer in a gap, or with several one after the other."""
        first, *more = filling
        layers: list[tuple[str, Layer]] = []
        for name, layer in self.layers:
            layers.append((name, first if name == gap else layer))
            if name == gap:
                layers += [(f"{type(k).__name__.lower()}_{gap}", k) for k in more]
        return replace(self, layers=tuple(layers))

    def behind(self, start: int) -> Sketch:
        """The layers from an index on."""
        layers = self.layers[start:]
        names = {name for name, _ in layers}
        places = {n: p for n, p in self.places.items() if n.rpartition(".")[0] in names}
        return Sketch(layers, places, tuple(gap for gap in self.gaps if gap in names))

    def without_scales(self) -> Sketch:
        """Without the dropouts read among images: a mean over padding scales a colour as well."""
        end = images_end(self.layers) or 0
        kept = tuple(
            each
            for index, each in enumerate(self.layers)
            if index >= end or not isinstance(each[1], Dropout)
        )
        return replace(self, layers=kept)

    def named(self) -> Sketch:
        """Without identities; what was read is named after its kind."""
        layers: list[tuple[str, Layer]] = []
        taken = {name for name, _ in self.layers}
        for name, layer in self.layers:
            if name in self.gaps:
                if isinstance(layer, Identity):
                    continue
                if name.startswith(GAP):
                    kind = type(layer).__name__.lower()
                    name = unlike(f"{kind}{name.removeprefix(GAP)}", taken)
            elif isinstance(layer, Dropout):
                name = unlike(name.replace(f"_{GAP}", ""), taken)
            layers.append((name, layer))
        return Sketch(tuple(layers), self.places, ())


#: What the layers are called that stand for an activation not known yet.
GAP = "gap"


def unlike(name: str, taken: Container[str]) -> str:
    """A name that no other layer has."""
    while name in taken:
        name += "_"
    return name


def moved(place: Place, *moves: Move) -> Place:
    """A place with further moves."""
    return replace(place, moves=(*place.moves, *moves))


def is_vector(array: Array, size: int) -> bool:
    """Whether an array holds one number for each of so many features."""
    shape = np.shape(array)
    return shape in {(size,), (1, size), (size, 1)} or (shape == () and size == 1)


def vectors(arrays: Arrays, unused: tuple[str, ...], size: int) -> list[str]:
    """The arrays among the unused that are vectors of a size."""
    return [name for name in unused if is_vector(arrays[name], size)]


def images_end(layers: Layers) -> int | None:
    """The index of the first affine layer after the last convolution; ``None`` without."""
    convolutions = [i for i, (_, k) in enumerate(layers) if isinstance(k, Conv2D)]
    if not convolutions:
        return None
    following: Iterator[int] = (
        i for i in range(convolutions[-1], len(layers)) if isinstance(layers[i][1], Affine)
    )
    return next(following, None)
