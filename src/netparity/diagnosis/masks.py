"""Dropout masks: read from a side's activations, and turned into draws that feed the other side."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from netparity.conventions import Conventions
from netparity.diagnosis.structure import two_dimensional
from netparity.diagnosis.twin import Array, Twin, Values
from netparity.implementations.base import Implementation
from netparity.layouts import Move
from netparity.nn import (
    Dropout,
    Layer,
)


# ---- dropout of a side that declares none ------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Masked:
    """A dropout seen in a side's activations: after which layer, its mask, and its scale."""

    after: str
    mask: Array
    scale: float


def see_masks(live: Implementation, twin: Twin, x: Array) -> tuple[Masked, ...] | None:
    """Dropout masks read from a side's activations in training mode.

    Walks the twin's layers (without dropouts) along the side's activations. The side's state
    (its generators included) is left as it was. ``None`` where the activations do not follow
    the twin.
    """
    if "activations" not in live.abilities:
        return None
    saved = live.state()
    try:
        seen = [two_dimensional(a) for a in live.activations(x, training=True).values()]
    except Exception:
        live.restore(saved)
        return None  # the side shows nothing between its layers
    native = live.parameters()
    live.restore(saved)
    values = {k: np.asarray(v, dtype=np.float64) for k, v in twin.values(native).items()}
    tolerance = 1e4 * float(np.finfo(live.dtype).eps)  # only tells layers apart, claims nothing
    current = np.asarray(x, dtype=np.float64)
    found: list[Masked] = []
    index = 0
    layers = [(n, k) for n, k in twin.conventions.layers or () if not isinstance(k, Dropout)]
    for position, (name, layer) in enumerate(layers):
        current = _apply(layer, name, values, current)
        flat = two_dimensional(current)
        if index < len(seen) and _close(seen[index], flat, tolerance):
            current, index = seen[index].reshape(current.shape), index + 1
            flat = two_dimensional(current)
        if index < len(seen) and seen[index].shape == flat.shape:
            if position + 1 < len(layers):
                following = _apply(
                    layers[position + 1][1], layers[position + 1][0], values, current
                )
                if _close(seen[index], two_dimensional(following), tolerance):
                    continue
            masked = _masked(seen[index], flat, tolerance)
            if masked is not None:
                found.append(Masked(name, masked[0].reshape(current.shape), masked[1]))
                current, index = seen[index].reshape(current.shape), index + 1
    return tuple(found) if index == len(seen) else None


def _apply(layer: Layer, name: str, values: Values, x: Array) -> Array:
    own = {k.rsplit(".", 1)[1]: v for k, v in values.items() if k.rsplit(".", 1)[0] == name}
    return layer.apply(own, x)[0]


def _close(a: Array, b: Array, tolerance: float) -> bool:
    scale = max(float(np.max(np.abs(b), initial=0.0)), 1e-30)
    return a.shape == b.shape and bool(np.max(np.abs(a - b), initial=0.0) <= tolerance * scale)


def _masked(after: Array, before: Array, tolerance: float) -> tuple[Array, float] | None:
    alive = before != 0
    kept = alive & (after != 0)
    if not kept.any() or np.any(after[~alive] != 0):
        return None
    ratio = after[kept] / before[kept]
    scale = float(np.median(ratio))
    if np.max(np.abs(ratio - scale)) > tolerance * abs(scale):
        return None
    if scale == 1.0 and np.all(kept == alive):
        return None
    return np.where(alive, kept, True), scale


def fed(live: Implementation, twin: Twin, draws: Sequence[Array] | None) -> Sequence[Array] | None:
    """The draws in the side's layout, where it takes them; one with masks of its own gets none."""
    if draws is None or "draws" not in live.abilities:
        return None
    moves = twin.conventions.draw_moves or ((),) * len(draws)
    fitted = twin.fitted(draws)
    return [_undone(draw, steps) for draw, steps in zip(fitted, moves, strict=True)]


def taken(twin: Twin, draws: Sequence[Array]) -> list[Array]:
    """Draws in a side's layout as its twin takes them."""
    moves = twin.conventions.draw_moves or ((),) * len(draws)
    result = []
    for draw, steps in zip(draws, moves, strict=True):
        for move in steps:
            draw = move.apply(draw)
        result.append(np.ascontiguousarray(draw))
    return result


def _undone(draw: Array, moves: Sequence[Move]) -> Array:
    for move in reversed(moves):
        draw = move.undo(draw)
    return np.ascontiguousarray(draw)


def as_draws(masks: Sequence[Masked]) -> list[Array]:
    """Uniform draws that any rate strictly between 0 and 1 turns into these masks."""
    return [np.where(m.mask, np.nextafter(1.0, 0.0), 0.0) for m in masks]


def with_dropout(conventions: Conventions, masks: Sequence[Masked]) -> Conventions:
    """The conventions with the dropouts that were seen, and no others.

    Their rates are those that scale them in inference, else from scale or share of zeros.
    """
    known = conventions.layers or ()
    scaled = {
        before: layer
        for (before, _), (_, layer) in itertools.pairwise(known)
        if isinstance(layer, Dropout) and layer.scaling == "plain"
    }
    layers: list[tuple[str, Layer]] = []
    for name, layer in known:
        if isinstance(layer, Dropout):
            continue
        layers.append((name, layer))
        for masked in masks:
            if masked.after == name:
                layers.append((f"dropout_{name}", scaled.get(name) or dropout_of(masked)))
    return replace(conventions, layers=tuple(layers))


def dropout_of(masked: Masked) -> Dropout:
    """The dropout layer a mask and its scale belong to."""
    if abs(masked.scale - 1.0) > 1e-6:
        rate = 1.0 - 1.0 / masked.scale
        nearest = round(rate, 6)
        rate = nearest if abs(nearest - rate) < 1e-7 else rate
        return Dropout(rate)
    return Dropout(float(1.0 - masked.mask.mean()), scaling="plain")
