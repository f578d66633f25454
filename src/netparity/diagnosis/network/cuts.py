"""Values at which one activation of a network shows by itself.

With the weights of a layer at 0 what enters the activation behind it is the layer's bias,
whatever comes before. Behind it values are such that images of one colour stay of one colour,
however windows lie on them.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np

from netparity.diagnosis.network.look import Look, two_dimensional
from netparity.diagnosis.network.sketch import Layers, Sketch, images_end
from netparity.diagnosis.probes import probe_buffers, probe_parameters, write
from netparity.diagnosis.twin import Array, Twin, Values
from netparity.errors import InputError
from netparity.implementations.base import Implementation
from netparity.nn import Conv2D, Layer, Permute

#: What enters an activation: on all its pieces, on either side of its corners.
SETTINGS: Final = np.array([-4.5, 0.3, 2.7, -1.5, 7.5, -0.7, 1.7, -2.75, -0.2, 0.9, 4.2])
LOOKS: Final = 6


def looks_before(
    live: Implementation, sketch: Sketch, gap: str, x: Array, rng: np.random.Generator
) -> tuple[Sketch, list[Look]]:
    """Answers at chosen values before a gap, or at any where none can be chosen.

    What was chosen enters the part of the sketch behind it; that is returned too.
    """
    twin = Twin(sketch.conventions)
    looks = []
    drawn: Values = {}
    cut = False
    behind, start = sketch, cut_before(sketch.layers, gap)
    for index in range(LOOKS):
        if index % 2 == 0 or not cut:  # two of them differ in nothing but what enters the gap
            drawn = probe_parameters(twin, rng) | probe_buffers(twin, rng)
        values = {name: value.copy() for name, value in drawn.items()}
        cut = _cut(values, sketch.layers, gap, index)
        look = look_with(live, twin, values, x)
        if cut and start is not None:
            behind = sketch.behind(start)
            look = _entering(look, twin, behind)
        looks.append(look)
    return behind, looks


def takes(sketch: Sketch, x: Array, rng: np.random.Generator) -> bool:
    """Whether the layers of a sketch fit the rows and each other."""
    twin = Twin(sketch.conventions)
    try:
        with np.errstate(all="ignore"):
            twin.forward(probe_parameters(twin, rng) | probe_buffers(twin, rng), x)
    except InputError:
        return False
    return True


def _entering(look: Look, twin: Twin, behind: Sketch) -> Look:
    """The same answer to what enters the layers behind a cut."""
    first = behind.layers[0][0]
    with np.errstate(all="ignore"):
        entry = twin.forward(look.values, look.x).inputs[first]
    names = {name for name, _ in behind.layers}
    values = {n: v for n, v in look.values.items() if n.rpartition(".")[0] in names}
    return replace(look, values=values, x=np.array(entry))


def look_with(live: Implementation, twin: Twin, values: Values, x: Array) -> Look:
    """A side's answer at a twin's parameters and buffers."""
    write(live, twin, values)
    return Look(values, x, two_dimensional(live.predict(x)), native=False)


def _cut(values: Values, layers: Layers, gap: str, index: int) -> bool:
    """Sets what enters a gap, if it can, and lets through what leaves it."""
    cut = cut_before(layers, gap)
    if cut is None or (added := added_by(layers[cut][1])) is None:
        return False
    name, layer = layers[cut]
    for key, shape in layer.shapes().items():
        values[f"{name}.{key}"] = np.zeros(shape)
    size = values[f"{name}.{added}"].shape
    places = index + 3 * np.arange(int(np.prod(size)))
    values[f"{name}.{added}"] = SETTINGS[places % len(SETTINGS)].reshape(size)
    let_through(values, layers, cut + 1)
    return True


def let_through(values: Values, layers: Layers, start: int) -> None:
    """Sets what is behind some layer so that constant images stay constant, however windows lie."""
    end = images_end(layers)
    for position in range(start, len(layers)):
        name, layer = layers[position]
        if isinstance(layer, Conv2D):
            _only_middle(values[f"{name}.weight"])
        if position == end:
            weight = values[f"{name}.weight"]
            weight[:] = weight[:1] / np.float32(np.sqrt(len(weight)))


def of_one_colour(x: Array, layers: Layers) -> Array:
    """Images with the colour of their first pixel everywhere, where a network takes images."""
    if x.ndim != 4 or images_end(layers) is None:
        return x
    first = x[:, :, :1, :1] if isinstance(layers[0][1], Permute) else x[:, :1, :1]
    return np.array(np.broadcast_to(first, x.shape))


def _only_middle(kernel: Array) -> None:
    """A constant image stays one under a kernel of which the middle alone is not 0."""
    high, wide = ((size - 1) // 2 for size in kernel.shape[:2])
    middle = kernel[high, wide].copy()
    kernel[:] = 0.0
    kernel[high, wide] = middle


def cut_before(layers: Layers, gap: str) -> int | None:
    """The index of the last layer with parameters before a gap."""
    names = [name for name, _ in layers]
    return next((i for i in range(names.index(gap), -1, -1) if layers[i][1].shapes()), None)


def blind(looks: list[Look]) -> bool:
    """Whether the answers say nothing of what was set: none changed with it."""
    pairs = zip(looks[::2], looks[1::2], strict=True)
    return all(np.array_equal(one.answer, other.answer) for one, other in pairs)


def added_by(layer: Layer) -> str | None:
    """The parameter that a layer adds in the end."""
    return next((key for key in ("bias", "shift") if key in layer.shapes()), None)
