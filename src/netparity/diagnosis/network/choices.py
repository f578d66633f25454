"""What a network may have otherwise: how its windows lie, its gates, its constants.

Whatever leaves the parameters where they are is tried: all layers of a kind alike, everything
with everything, what differs least first; then each switch of each layer by itself.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from netparity.conventions import changed
from netparity.diagnosis.network import images
from netparity.diagnosis.network.sketch import Layers, Places, Sketch, moved
from netparity.diagnosis.twin import Array
from netparity.layouts import Blocks, Flip
from netparity.nn import (
    GRU,
    LSTM,
    Affine,
    BatchNorm,
    Conv2D,
    Flatten,
    GlobalPool1D,
    GroupNorm,
    Layer,
    LayerNorm,
    LogSoftmax,
    Permute,
    ReLU,
    Reshape,
    RMSNorm,
    Sigmoid,
    SimpleRNN,
    Softmax,
    Tanh,
)

EPSILONS: Final = (1e-5, 1e-3, 1e-8, 1e-6, 1e-7, 1e-12, 1e-10, 1e-4, 0.0)
GATES: Final = ("sigmoid", "hard-sigmoid", "hard-sigmoid-keras2")
NORMS: Final = (BatchNorm, LayerNorm, GroupNorm, RMSNorm)
RECURRENT: Final = (SimpleRNN, LSTM, GRU)
#: Switches that all layers of a kind are given alike, with what they may be.
ALIKE: Final[Sequence[tuple[tuple[type, ...], str, tuple[Any, ...]]]] = (
    (RECURRENT, "gate_activation", GATES),
    (RECURRENT, "reset_after", (True, False)),
    (RECURRENT, "update_gate", ("keeps", "replaces")),
    (RECURRENT, "activation", ("tanh", "relu")),
    (RECURRENT, "forget_bias", (0.0, 1.0)),
    (NORMS, "epsilon", EPSILONS),
    (NORMS, "epsilon_placement", ("inside", "outside", "both")),
    ((GlobalPool1D,), "reduction", ("mean", "sum")),
    ((LayerNorm, GroupNorm), "normalize_with", ("biased", "unbiased")),
)
#: Switches of a single layer that a program may have set otherwise.
SINGLE: Final[Mapping[str, tuple[Any, ...]]] = {
    "epsilon": EPSILONS,
    "epsilon_placement": ("inside", "outside", "both"),
    "gate_activation": GATES,
    "reset_after": (True, False),
    "padding": ("valid", "same", 1),
    "stride": (1, 2),
    "count_include_pad": (True, False),
    "pad_value": ("-inf", "zero"),
    "grid": ("half-pixel", "align-corners", "asymmetric"),
    "approximate": (False, True),
    "slope": (0.01, 0.2, 0.3, 0.1),
}
#: What may follow on a last layer without a bias, behind a layer whose output cannot be set.
HEADS: Final = (Sigmoid(), Softmax(), Tanh(), ReLU(), LogSoftmax(), Softmax(axis=0))
#: Orders in which gates are written down most: those of the frameworks; the forget gate first.
KNOWN_ORDERS: Final[Mapping[type, tuple[tuple[int, ...], ...]]] = {
    LSTM: ((0, 1, 2, 3), (0, 2, 1, 3), (1, 0, 2, 3), (1, 0, 3, 2)),
    GRU: ((0, 1, 2), (1, 0, 2)),
}
MAXIMUM: Final = 1200

Change = Callable[[Layers, Places], tuple[Layers, Places]]


def otherwise(sketch: Sketch, x: Array) -> Iterator[Sketch]:
    """The sketch as it stands, then with other choices, the likeliest first.

    Args:
        sketch: a network without gaps.
        x: a batch.
    """
    image = _image(sketch.layers, x)
    laid = [sketch.layers] if image is None else [*images.geometries(sketch.layers, image)]
    fronts = list(dict.fromkeys((sketch.layers, *laid)))
    axes = [list(range(len(fronts))), *_axes(sketch.layers, sketch.places)]
    order = sorted(
        itertools.product(*(range(len(axis)) for axis in axes)), key=lambda each: sum(each)
    )
    for first, *rest in order[:MAXIMUM]:
        layers, places = fronts[first], sketch.places
        for index, axis in zip(rest, axes[1:], strict=True):
            layers, places = axis[index](layers, places)
        yield Sketch(layers, places, ())
    yield from _single(sketch)


def _image(layers: Layers, x: Array) -> tuple[int, int] | None:
    """Height and width of the images that a plain row of layers takes."""
    first = layers[0][1]
    shape = first.shape if isinstance(first, Reshape) else x.shape[1:]
    if len(shape) != 3 or not any(isinstance(k, Conv2D) for _, k in layers):
        return None
    turned = isinstance(first, Permute) or getattr(first, "layout", "NHWC") == "NCHW"
    return (shape[1], shape[2]) if turned else (shape[0], shape[1])


def _axes(layers: Layers, places: Places) -> list[list[Any]]:
    """For each choice its changes, no change first."""
    axes: list[list[Any]] = []
    kinds = [k for _, k in layers]
    if any(isinstance(k, Conv2D) for k in kinds):
        axes.append([_same, _alike((Conv2D,), "flip", True)])
        if any(isinstance(k, Flatten) for k in kinds) and not _single_pixel(kinds):
            axes.append([_same, _alike((Flatten,), "order", "CHW")])
    for group, switch, values in ALIKE:
        own = [getattr(k, switch) for k in kinds if isinstance(k, group) and hasattr(k, switch)]
        if own:
            others = [v for v in values if v != own[0]]
            axes.append([_same, *(_alike(group, switch, v) for v in others)])
    if kinds and isinstance(kinds[-1], Affine) and not kinds[-1].bias:
        axes.append([_same, *(_ended(head) for head in HEADS)])
    for kind, count in ((LSTM, 4), (GRU, 3)):
        if any(isinstance(k, kind) for k in kinds):
            axes.append([_blocks(kind, order) for order in _orders(kind, count)])
    return axes


def _single_pixel(kinds: Sequence[Layer]) -> bool:
    """Whether the affine layer after the convolutions has an input for each channel only."""
    channels = [k.outputs for k in kinds if isinstance(k, Conv2D)][-1]
    return next((k.inputs for k in kinds if isinstance(k, Affine)), channels) == channels


def _ended(head: Layer) -> Change:
    """One more layer at the end."""

    def change(layers: Layers, places: Places) -> tuple[Layers, Places]:
        return (*layers, (type(head).__name__.lower(), head)), places

    return change


def _same(layers: Layers, places: Places) -> tuple[Layers, Places]:
    return layers, places


def _alike(kinds: tuple[type, ...], switch: str, value: Any) -> Change:
    """Every layer of these kinds that has the switch, set to a value."""

    def change(layers: Layers, places: Places) -> tuple[Layers, Places]:
        return tuple((n, _set(k, kinds, switch, value)) for n, k in layers), places

    return change


def _set(layer: Layer, kinds: tuple[type, ...], switch: str, value: Any) -> Layer:
    if not isinstance(layer, kinds) or not hasattr(layer, switch):
        return layer
    try:
        other: Layer = changed(layer, **{switch: value})
    except Exception:
        return layer
    return other if other.shapes() == layer.shapes() else layer


def _orders(kind: type, count: int) -> list[tuple[int, ...]]:
    """Orders of gates, those of the frameworks first."""
    return list(dict.fromkeys((*KNOWN_ORDERS[kind], *itertools.permutations(range(count)))))


def _blocks(kind: type, order: tuple[int, ...]) -> Change:
    """The blocks of every such layer in another order; block k of the twin's was ``order[k]``."""

    def change(layers: Layers, places: Places) -> tuple[Layers, Places]:
        if order == tuple(range(len(order))):
            return layers, places
        result = dict(places)
        for name, layer in layers:
            if isinstance(layer, kind):
                for key in _gated(layer):
                    result[f"{name}.{key}"] = _ordered(result[f"{name}.{key}"], order)
        return layers, result

    return change


def _gated(layer: Any) -> list[str]:
    """The parameters that hold a block for each gate."""
    shapes = layer.shapes()
    return [key for key, shape in shapes.items() if shape[-1] == shapes["weight"][-1]]


def _ordered(place: Any, order: tuple[int, ...]) -> Any:
    """A place with its blocks in another order: those of one array, or the arrays."""
    if not place.joined:
        return moved(place, Blocks(order))
    names = [place.names[k] for k in order]
    return type(place)(names[0], place.transposed, place.moves, place.part, joined=tuple(names[1:]))


# ---- one switch of one layer --------------------------------------------------------------------
def _single(sketch: Sketch) -> Iterator[Sketch]:
    layers, places = sketch.layers, sketch.places
    for index, (name, layer) in enumerate(layers):
        for switch, values in SINGLE.items():
            for value in values:
                other = _set(layer, (type(layer),), switch, value)
                if other != layer:
                    yield Sketch((*layers[:index], (name, other), *layers[index + 1 :]), places, ())
        if isinstance(layer, Conv2D):
            weight = f"{name}.weight"
            yield Sketch(layers, {**places, weight: moved(places[weight], Flip((0, 1)))}, ())
