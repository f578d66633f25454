"""Finds the network behind a side that declares none, from its numbers.

A chain of affine layers is laid through the shapes of the parameters; every activation that
fits the predictions, at parameters of our choosing, is tried. A guess counts only once the
twin built from it reproduces the side to the noise floor.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from netparity.conventions import Conventions, Place
from netparity.diagnosis import template
from netparity.diagnosis.noise import Measure, reference
from netparity.diagnosis.probes import (
    probe_buffers,
    probe_parameters,
    probe_values,
    write,
)
from netparity.diagnosis.twin import Array, Twin, Values
from netparity.implementations.base import Implementation
from netparity.nn import (
    ELU,
    GELU,
    Affine,
    Dropout,
    Flatten,
    Identity,
    Layer,
    LeakyReLU,
    LogSoftmax,
    ReLU,
    Sigmoid,
    SiLU,
    Softmax,
    Softplus,
    Tanh,
)

HIDDEN: Final[tuple[Layer, ...]] = (
    ReLU(),
    Sigmoid(),
    Tanh(),
    Identity(),
    LeakyReLU(0.01),
    LeakyReLU(0.2),
    LeakyReLU(0.3),
    LeakyReLU(0.1),
    ELU(),
    GELU(),
    GELU(approximate=True),
    SiLU(),
    Softplus(),
    Softmax(),
)
OUTPUT: Final[tuple[Layer, ...]] = (
    Identity(),
    Sigmoid(),
    Softmax(),
    Tanh(),
    ReLU(),
    LogSoftmax(),
    Softplus(),
    Softmax(axis=0),
    Softmax(axis=None),
)
#: Networks up to this many weight layers also get every mixture of hidden activations.
MIXED_LAYERS = 3
MAXIMUM_CHAINS = 150
#: A guess off by more than this share of the prediction is dropped before its noise is measured.
SCREEN = 1e-2


@dataclass(frozen=True, slots=True)
class Link:
    """One affine layer of a chain: which arrays it takes and how they lie."""

    weight: str
    transposed: bool
    inputs: int
    outputs: int
    bias: str | None


@dataclass(frozen=True, slots=True)
class Structure:
    """The network of a side, and how well its twin reproduces it."""

    conventions: Conventions
    measure: Measure
    declared: bool


def two_dimensional(array: Array) -> Array:
    """Predictions as ``(N, outputs)``, whatever shape the side gives."""
    array = np.asarray(array)
    return array.reshape(len(array), -1)


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
    native = live.parameters()
    try:
        if declared.layers is not None:
            found = confirm(live, declared, x, rng)
            if found is not None:
                return Structure(declared, found, declared=True)
        for guess in _like(templates, native | live.buffers(), x):
            if not _resembles(live, guess, x, rng):
                continue
            found = confirm(live, guess, x, rng)
            if found is not None:
                return Structure(
                    replace(declared, layers=guess.layers, places=guess.places),
                    found,
                    declared=False,
                )
        live.restore(saved)
        probes = [probe_values(native, rng, scale) for scale in (1.0, 2.0)]
        answers = []
        for values in probes:
            live.set_parameters(values)
            answers.append(two_dimensional(live.predict(x)))
        for guess in _guesses(native, x, answers[0].shape[1], templates):
            twin = Twin(guess)
            if not all(
                _screens(twin, values, x, answer)
                for values, answer in zip(probes, answers, strict=True)
            ):
                continue
            found = confirm(live, guess, x, rng)
            if found is not None:
                return Structure(
                    replace(declared, layers=guess.layers, places=guess.places),
                    found,
                    declared=False,
                )
        return None
    finally:
        live.restore(saved)


def _like(
    templates: Sequence[Conventions], arrays: Mapping[str, Array], x: Array
) -> Iterator[Conventions]:
    """Networks like the other side's, where that is more than affine layers in a row."""
    chain = (Affine, Flatten, Dropout, Identity)
    for given in templates:
        kinds = [k for _, k in given.layers or () if k.shapes() or k.buffers()]
        if any(not isinstance(k, chain) for k in kinds):
            yield from template.guesses(given, arrays, x)


def _resembles(
    live: Implementation, conventions: Conventions, x: Array, rng: np.random.Generator
) -> bool:
    """Whether a guess comes near the side's predictions at values of our choosing."""
    twin = Twin(conventions)
    values = probe_parameters(twin, rng) | probe_buffers(twin, rng)
    try:
        with np.errstate(all="ignore"):
            guess = two_dimensional(twin.forward(values, x).prediction)
        write(live, twin, values)
        answer = two_dimensional(live.predict(x))
    except Exception:
        return False
    if guess.shape != answer.shape:
        return False
    scale = float(np.max(np.abs(answer), initial=0.0))
    return bool(np.max(np.abs(guess - answer), initial=0.0) <= SCREEN * max(scale, 1e-30))


def _screens(twin: Twin, native: Values, x: Array, answer: Array) -> bool:
    with np.errstate(all="ignore"):
        guess = two_dimensional(twin.forward(twin.values(native), x).prediction)
    if guess.shape != answer.shape:
        return False
    scale = float(np.max(np.abs(answer))) if answer.size else 0.0
    return bool(np.max(np.abs(guess - answer), initial=0.0) <= SCREEN * max(scale, 1e-30))


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


def _guesses(
    native: Mapping[str, Array], x: Array, outputs: int, templates: Sequence[Conventions]
) -> Iterator[Conventions]:
    prefix: tuple[tuple[str, Layer], ...] = (("flatten", Flatten()),) if x.ndim > 2 else ()
    width = int(np.prod(x.shape[1:]))
    chains = list(itertools.islice(chains_through(native, width, outputs), MAXIMUM_CHAINS))
    for activations_of in (_template_activations(templates), _all_activations):
        for chain in chains:
            for activations in activations_of(len(chain)):
                yield _conventions(chain, activations, prefix, native)


def chains_through(
    native: Mapping[str, Array], width: int, outputs: int
) -> Iterator[tuple[Link, ...]]:
    """Every chain of affine layers from ``width`` to ``outputs`` that uses all the arrays.

    Arrays in the order of their definition come first; a program that stores all its weights
    one way round comes before one that mixes.
    """
    seen: set[tuple[Link, ...]] = set()
    for turns in ((False,), (True,), (False, True)):
        for chain in _chains(native, width, outputs, turns):
            if chain not in seen:
                seen.add(chain)
                yield chain


def _chains(
    native: Mapping[str, Array], width: int, outputs: int, turns: tuple[bool, ...]
) -> Iterator[tuple[Link, ...]]:
    def extend(width: int, unused: tuple[str, ...]) -> Iterator[tuple[Link, ...]]:
        if not unused:
            if width == outputs:
                yield ()
            return
        for name in unused:
            array = np.asarray(native[name])
            if array.ndim == 1 and array.shape == (width,) and outputs == 1:
                array = array.reshape(width, 1)  # x @ w: one output, written as a vector
            if array.ndim != 2:
                continue
            for transposed in turns:
                shape = array.shape[::-1] if transposed else array.shape
                if shape[0] != width:
                    continue
                rest = tuple(n for n in unused if n != name)
                vectors = [n for n in rest if _is_vector(native[n], shape[1])]
                for bias in (*vectors[:3], None):
                    link = Link(name, transposed, shape[0], shape[1], bias)
                    remaining = tuple(n for n in rest if n != bias)
                    for tail in extend(shape[1], remaining):
                        yield (link, *tail)

    return extend(width, tuple(native))


def _is_vector(array: Array, size: int) -> bool:
    shape = np.asarray(array).shape
    return shape in {(size,), (1, size), (size, 1)} or (shape == () and size == 1)


Activations = tuple[tuple[Layer, ...], ...]


def _all_activations(length: int) -> Iterator[Activations]:
    for output in OUTPUT:
        for hidden in HIDDEN:
            yield (*(((hidden,),) * (length - 1)), (output,))
            if length == 1:
                break
    if 2 <= length - 1 <= MIXED_LAYERS - 1:
        for mixture in itertools.product(HIDDEN[:5], repeat=length - 1):
            if len(set(mixture)) > 1:
                for output in OUTPUT:
                    yield (*((h,) for h in mixture), (output,))


def _template_activations(templates: Sequence[Conventions]) -> Any:
    def of(length: int) -> Iterable[Activations]:
        for given in templates:
            groups: list[tuple[Layer, ...]] = []
            for _, layer in given.layers or ():
                if isinstance(layer, Affine):
                    groups.append(())
                elif groups and not isinstance(layer, Dropout | Flatten):
                    groups[-1] = (*groups[-1], layer)
            if len(groups) == length:
                yield tuple(groups)

    return of


def _conventions(
    chain: Sequence[Link],
    activations: Activations,
    prefix: tuple[tuple[str, Layer], ...],
    native: Mapping[str, Array],
) -> Conventions:
    layers: list[tuple[str, Layer]] = list(prefix)
    places: dict[str, Place] = {}
    for index, (link, group) in enumerate(zip(chain, activations, strict=True), start=1):
        name = f"affine{index}"
        layers.append((name, Affine(link.inputs, link.outputs, bias=link.bias is not None)))
        places[f"{name}.weight"] = Place(link.weight, link.transposed)
        if link.bias is not None:
            places[f"{name}.bias"] = Place(link.bias)
        for layer in group:
            if not isinstance(layer, Identity):
                kind = type(layer).__name__.lower()
                layers.append((f"{kind}{index}", layer))
    return Conventions(layers=tuple(layers), places=places)
