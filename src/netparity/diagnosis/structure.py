"""Finds the network behind a side that declares none, from its numbers.

Layers are laid through the shapes of its arrays, or the other side's network is; what stands
between them is read at parameters of our choosing, and how their windows lie, their gates and
constants are tried. A guess counts only once the twin built from it reproduces the side to
the noise floor.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from netparity.conventions import Conventions
from netparity.diagnosis.network import activations, chains, choices, hints
from netparity.diagnosis.network.constants import refined
from netparity.diagnosis.network.look import (
    ROWS,
    SCREEN,
    Look,
    first_rows,
    look_at,
    near,
    off,
    two_dimensional,
)
from netparity.diagnosis.network.sketch import Sketch
from netparity.diagnosis.noise import Measure, reference
from netparity.diagnosis.probes import probe_buffers, probe_parameters, write
from netparity.diagnosis.twin import Array, Twin
from netparity.implementations.base import Implementation
from netparity.nn import Layer

#: Networks tried at the most, beginning with the likeliest.
MAXIMUM_SKETCHES: Final = 40
#: Places at which nothing known fits, after which no further network is tried.
MAXIMUM_UNREAD: Final = 20
MAXIMUM_GUESSES: Final = 2500
#: Guesses of one network whose constants are solved for where none is near enough.
REFINED: Final = 6
#: Guesses held against the noise although they are not as near as rounding would leave them.
MAXIMUM_DOUBTFUL: Final = 12


@dataclass(frozen=True, slots=True)
class Structure:
    """The network of a side, and how well its twin reproduces it."""

    conventions: Conventions
    measure: Measure
    declared: bool


def find(
    live: Implementation,
    declared: Conventions,
    x: Array,
    rng: np.random.Generator,
    templates: Sequence[Conventions] = (),
) -> Structure | None:
    """The network of ``live``, shown to reproduce its predictions, or ``None``.

    Args:
        live: the side; its state is left as it was.
        declared: what it says of itself.
        x: a batch of inputs.
        rng: for the probes.
        templates: conventions of the other side, the first guess for one that says nothing.
    """
    saved = live.state()
    try:
        if declared.layers is not None:
            found = confirm(live, declared, x, rng)
            if found is not None:
                return Structure(declared, found, declared=True)
            live.restore(saved)
        few = first_rows(live, x, ROWS)
        looks = look_at(live, few, rng)
        for guess in _guesses(live, looks, few, rng, templates):
            found = confirm(live, guess, x, rng)
            if found is not None:
                named = replace(declared, layers=guess.layers, places=guess.places)
                return Structure(named, found, declared=False)
        return None
    finally:
        live.restore(saved)


def _guesses(
    live: Implementation,
    looks: list[Look],
    x: Array,
    rng: np.random.Generator,
    templates: Sequence[Conventions],
) -> Iterator[Conventions]:
    """Guesses worth holding against the noise: first those that are as near as rounding."""
    arrays, buffers = live.parameters(), live.buffers()
    known = hints.activations_of(templates)
    doubtful: list[tuple[float, Sketch]] = []
    for origin in (
        hints.sketches(templates, arrays | buffers, x),
        chains.sketches(arrays, buffers, x, looks[0].answer.shape[1]),
    ):
        memory: activations.Memory = {}
        left = MAXIMUM_GUESSES
        for sketch in itertools.islice(origin, MAXIMUM_SKETCHES):
            about: list[tuple[float, Sketch]] = []
            for guess in itertools.islice(_completed(live, sketch, x, rng, known, memory), left):
                left -= 1
                far = off(looks, guess.conventions, SCREEN)
                if far <= near(live.dtype):
                    yield guess.conventions
                elif far <= SCREEN:
                    about.append((far, guess))
            about.sort(key=lambda each: each[0])
            for _, guess in about[:REFINED]:
                for found in refined(guess, looks, live.dtype):
                    if off(looks, found.conventions, SCREEN) <= near(live.dtype):
                        yield found.conventions
            doubtful += about[:REFINED]
            if list(memory.values()).count(None) > MAXIMUM_UNREAD:
                break
    doubtful.sort(key=lambda each: each[0])
    yield from (sketch.conventions for _, sketch in doubtful[:MAXIMUM_DOUBTFUL])


def _completed(
    live: Implementation,
    sketch: Sketch,
    x: Array,
    rng: np.random.Generator,
    known: Sequence[Layer],
    memory: activations.Memory,
) -> Iterator[Sketch]:
    """A network without gaps: as it was handed over, then as read, with all its choices."""
    yield sketch.named()
    read = activations.read(live, sketch, x, rng, known, memory)
    if read is not None:
        yield from choices.otherwise(read.named(), x)
        unscaled = read.without_scales()
        if unscaled != read:
            yield from choices.otherwise(unscaled.named(), x)


def confirm(
    live: Implementation,
    conventions: Conventions,
    x: Array,
    rng: np.random.Generator,
    *,
    training: bool = False,
) -> Measure | None:
    """The worst measure over probes, or ``None`` where the twin does not reproduce the side."""
    twin = Twin(replace(conventions, loss=None))
    worst: Measure | None = None
    for scale in (1.0, 3.0):
        values = probe_parameters(twin, rng, scale) | probe_buffers(twin, rng)
        write(live, twin, values)
        try:
            known = reference(twin, values, x, None, dtype=live.dtype, rng=rng, training=training)
        except Exception:
            return None
        shape = known.values["prediction"].shape
        got = np.asarray(live.predict(x, training=training))
        if got.size != int(np.prod(shape)):
            return None
        measured = known.measure("prediction", known.values["prediction"], got.reshape(shape))
        if measured.different:
            return None
        if worst is None or measured.ratio > worst.ratio:
            worst = measured
    return worst


__all__ = ["Structure", "confirm", "find", "two_dimensional"]
