"""Reads the activations of a network one by one, from the last to the first.

With the weights of a layer at 0 what enters the activation behind it is the layer's bias,
whatever comes before: so each is read as a function of values of our choosing, while the
layers behind it are known already. Constants (a slope, an α) are solved for.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any, Final

import numpy as np

from netparity.conventions import Conventions
from netparity.diagnosis.network.constants import solved
from netparity.diagnosis.network.cuts import (
    LOOKS,
    added_by,
    blind,
    cut_before,
    let_through,
    look_with,
    looks_before,
    of_one_colour,
    takes,
)
from netparity.diagnosis.network.look import SCREEN, Look, first_rows, near, off
from netparity.diagnosis.network.sketch import Sketch
from netparity.diagnosis.probes import probe_buffers, probe_parameters
from netparity.diagnosis.snapping import snap
from netparity.diagnosis.twin import Array, Twin
from netparity.implementations.base import Implementation
from netparity.nn import (
    CELU,
    ELU,
    GELU,
    SELU,
    Affine,
    AveragePool2D,
    BatchNorm,
    Conv2D,
    Dropout,
    Flatten,
    GlobalAveragePool2D,
    GlobalPool1D,
    GroupNorm,
    HardSigmoid,
    HardSwish,
    HardTanh,
    Identity,
    Layer,
    LayerNorm,
    LeakyReLU,
    LogSoftmax,
    MaxPool2D,
    Mish,
    Permute,
    ReLU,
    Reshape,
    RMSNorm,
    Sigmoid,
    SiLU,
    Softmax,
    Softplus,
    Softsign,
    Tanh,
)

KNOWN: Final[tuple[Layer, ...]] = (
    Identity(),
    ReLU(),
    Sigmoid(),
    Tanh(),
    Softmax(),
    LeakyReLU(0.01),
    LeakyReLU(0.2),
    LeakyReLU(0.3),
    LeakyReLU(0.1),
    ELU(),
    GELU(),
    GELU(approximate=True),
    SiLU(),
    Softplus(),
    LogSoftmax(),
    HardSigmoid(),
    HardSigmoid(0.2),
    SELU(),
    HardTanh(),
    HardTanh(0.0, 6.0),
    HardSwish(),
    Mish(),
    Softsign(),
    Softmax(axis=0),
    Softmax(axis=None),
)
ACTIVATIONS: Final[tuple[type[Layer], ...]] = (CELU, *dict.fromkeys(type(k) for k in KNOWN))
#: Constants that are solved for where no known value fits.
FREE: Final[tuple[tuple[Callable[[float], Layer], float], ...]] = (
    (LeakyReLU, 0.05),
    (ELU, 1.0),
    (HardSigmoid, 0.2),
    (CELU, 1.0),
)
#: A filling so many times nearer is another function, and not the same one rounded otherwise.
MUCH: Final = 10
#: So many candidates, the likeliest, may end a stretch of activations that are read together.
ENDS: Final = 6
#: So many, the likeliest, are also tried in front of a dropout that scales in inference.
COMMON: Final = 15
#: Of the looks, so many are enough to solve for a constant.
SOLVED: Final = 2
#: Layers through which what leaves an activation can be followed.
NORMS: Final[tuple[type[Layer], ...]] = (BatchNorm, LayerNorm, GroupNorm, RMSNorm)
PASSED: Final[tuple[type[Layer], ...]] = (
    Affine, Conv2D, MaxPool2D, AveragePool2D, GlobalAveragePool2D, GlobalPool1D, Flatten, Permute,
    Reshape, Dropout, *NORMS, *ACTIVATIONS,
)  # fmt: skip


#: The layers, one after the other, that stand in a gap.
Filling = tuple[Layer, ...]
#: What was found in gaps, by everything that their answers depend on; ``None``: nothing fits.
Memory = dict[Any, tuple[Filling, ...] | None]


def read(
    live: Implementation,
    sketch: Sketch,
    x: Array,
    rng: np.random.Generator,
    hints: Sequence[Layer],
    memory: Memory,
) -> Sketch | None:
    """The sketch with its gaps filled; ``None`` where nothing known fits one.

    Args:
        live: the side; its parameters are left changed.
        sketch: where every layer's arrays stand.
        x: a batch.
        rng: for the values.
        hints: activations tried before the known ones.
        memory: of other sketches of the same side.
    """
    candidates = tuple(dict.fromkeys((*hints, *KNOWN)))
    two = first_rows(live, x, 2)  # equal rows, the mean of which is exact
    if not takes(sketch, two, rng):
        return None
    for gaps in _groups(sketch):
        key = _behind(sketch, gaps[0])
        if key not in memory:
            behind, looks = looks_before(live, sketch, gaps[0], two, rng)
            if gaps[-1] != sketch.gaps[-1] and blind(looks):
                return _read_together(live, sketch, gaps[-1], x, rng, candidates)
            memory[key] = _fitting(behind, gaps, looks, candidates, live.dtype)
        found = memory[key]
        if found is None:
            return None
        sketch = _filled(sketch, gaps, found)
    return sketch


def _behind(sketch: Sketch, gap: str) -> Any:
    """The layers from the one before a gap on, and where their arrays stand."""
    start = cut_before(sketch.layers, gap) or 0
    return tuple(
        (
            layer,
            tuple(sketch.places.get(f"{name}.{k}") for k in (*layer.shapes(), *layer.buffers())),
        )
        for name, layer in sketch.layers[start:]
    )


def _read_together(
    live: Implementation,
    sketch: Sketch,
    last: str,
    x: Array,
    rng: np.random.Generator,
    candidates: Sequence[Layer],
) -> Sketch | None:
    """All gaps up to one filled alike, by rows that differ: where one row says nothing.

    Images are of one colour each, so that it does not matter how windows lie on them.
    """
    names = [n for n, _ in sketch.layers]
    first = next(i for i, (_, k) in enumerate(sketch.layers) if k.shapes())
    gaps = tuple(g for g in sketch.gaps if first < names.index(g) <= names.index(last))
    twin = Twin(sketch.conventions)
    looks = []
    for _ in range(LOOKS):
        values = probe_parameters(twin, rng) | probe_buffers(twin, rng)
        let_through(values, sketch.layers, 0)
        looks.append(look_with(live, twin, values, of_one_colour(x, sketch.layers)))
    own = tuple((k,) for n, k in sketch.layers if n in gaps)
    fillings = [own, *(filling for k in candidates for filling in _alike(sketch, gaps, k))]
    found, _ = _nearest(sketch, gaps, looks, fillings, SCREEN)
    return None if found is None else _filled(sketch, gaps, found)


def _alike(sketch: Sketch, gaps: tuple[str, ...], layer: Layer) -> Iterator[tuple[Filling, ...]]:
    """One layer in all gaps, or only in those behind normalizations, or before them."""
    yield ((layer,),) * len(gaps)
    names = [name for name, _ in sketch.layers]
    for side in (1, -1):
        beside = [
            isinstance(sketch.layers[(names.index(g) + side) % len(names)][1], NORMS) for g in gaps
        ]
        if any(beside):
            yield tuple((Identity() if norm else layer,) for norm in beside)


def _groups(sketch: Sketch) -> Iterator[tuple[str, ...]]:
    """The gaps from the last to the first, those together that cannot be told apart.

    Between two activations nothing can be set where the layer there has no bias.
    """
    group: list[str] = []
    for index in reversed(range(len(sketch.layers))):
        name, layer = sketch.layers[index]
        if not isinstance(layer, PASSED):
            break
        if name in sketch.gaps:
            group.insert(0, name)
        if group and added_by(layer) is not None:
            yield tuple(group)
            group = []
    else:
        if group:
            yield tuple(group)


# ---- what fits it -------------------------------------------------------------------------------
def _fitting(
    sketch: Sketch,
    gaps: tuple[str, ...],
    looks: list[Look],
    candidates: Sequence[Layer],
    dtype: np.dtype[Any],
) -> tuple[Filling, ...] | None:
    """What stands in gaps: known activations, or one with a constant of its own.

    It must be as near as rounding, but before a normalization, the ε of which is not known yet.
    """
    found, far = _nearest(sketch, gaps, looks, _fillings(len(gaps), candidates), SCREEN)
    if found is not None and _normalized(sketch, gaps[0]):
        return found
    free = [_free(gaps)]
    if len(gaps) == 1 and gaps[0] != sketch.gaps[-1]:
        free.append((partial(_scaled, layer), 0.5) for layer in candidates[:COMMON])
    for made in free:
        if far <= near(dtype):
            break
        bound = min(SCREEN, far / MUCH)
        solved_ = _solved(sketch, gaps, looks, made, dtype)
        nearer, distance = _nearest(sketch, gaps, looks, solved_, bound)
        if nearer is not None:
            found, far = nearer, distance
    return found if far <= near(dtype) or _normalized(sketch, gaps[0]) else None


#: Makes fillings of a constant, and the value to begin with.
Made = tuple[Callable[[float], tuple[Filling, ...]], float]


def _free(gaps: tuple[str, ...]) -> Iterator[Made]:
    """Fillings with a constant to be solved for.

    Where there are more gaps, it is in all but the last, or in the last alone.
    """
    ends = KNOWN[:ENDS] if len(gaps) > 1 else (None,)
    for make, start in FREE:
        for end in ends:
            yield partial(_with_constant, make, len(gaps), end), start
        if len(gaps) > 1:
            yield partial(_with_constant_last, make, len(gaps)), start


def _with_constant(
    make: Callable[[float], Layer], length: int, end: Layer | None, value: float
) -> tuple[Filling, ...]:
    hidden = (make(value),)
    return (hidden,) if end is None else (*(hidden,) * (length - 1), (end,))


def _with_constant_last(
    make: Callable[[float], Layer], length: int, value: float
) -> tuple[Filling, ...]:
    return (*((Identity(),),) * (length - 1), (make(value),))


def _scaled(layer: Layer, rate: float) -> tuple[Filling, ...]:
    """An activation, and a dropout that scales in inference."""
    return ((layer, Dropout(rate, "plain")),)


def _normalized(sketch: Sketch, gap: str) -> bool:
    """Whether a normalization follows a gap: its ε, not known yet, makes what fits a little off."""
    names = [name for name, _ in sketch.layers]
    return any(isinstance(k, NORMS) for _, k in sketch.layers[names.index(gap) :])


def _nearest(
    sketch: Sketch,
    gaps: tuple[str, ...],
    looks: list[Look],
    choices: Iterable[tuple[Filling, ...]],
    bound: float,
) -> tuple[tuple[Filling, ...] | None, float]:
    """The fillings nearest to the answers, the earlier of two as good as equal; how far away."""
    best, distance = None, np.inf
    for fillings in choices:
        far = off(looks, _filled(sketch, gaps, fillings).conventions, bound)
        if far < bound:
            best, distance, bound = fillings, far, far / MUCH
    return best, distance


def _fillings(length: int, candidates: Sequence[Layer]) -> Iterable[tuple[Filling, ...]]:
    """What can stand in gaps read together: of several, all alike but the last."""
    single = [(layer,) for layer in candidates]
    if length == 1:
        return [(filling,) for filling in single]
    alike = [(filling,) * length for filling in single]
    ended = itertools.product(single, single[:ENDS])
    return [*alike, *((*(hidden,) * (length - 1), last) for hidden, last in ended)]


def _filled(sketch: Sketch, gaps: tuple[str, ...], fillings: tuple[Filling, ...]) -> Sketch:
    for gap, filling in zip(gaps, fillings, strict=True):
        sketch = sketch.filled(gap, *filling)
    return sketch


def _solved(
    sketch: Sketch,
    gaps: tuple[str, ...],
    looks: list[Look],
    free: Iterable[Made],
    dtype: np.dtype[Any],
) -> Iterator[tuple[Filling, ...]]:
    """Fillings with the constant that comes nearest, as a person would write it."""
    for make, start in free:

        def guess(value: float, make: Callable[[float], tuple[Filling, ...]] = make) -> Conventions:
            return _filled(sketch, gaps, make(value)).conventions

        found = solved(looks[:SOLVED], guess, start)
        if found is not None:
            yield make(snap(found, dtype))
