"""Dropout masks: read from a side's activations, and turned into draws that feed the other side."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
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

_BY_CHANCE = 1e-9  # a coincidence this rare is none


# ---- dropout of a side that declares none ------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Masked:
    """A dropout seen in a side's activations.

    Attributes:
        after: the layer it stands behind.
        mask: which units are kept; true where that does not show.
        alive: where it shows, because the unit is not zero before.
        scale: by which those kept are multiplied.
    """

    after: str
    mask: Array
    alive: Array
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
        elif index < len(seen) and _close(
            np.sort(seen[index], axis=1), np.sort(flat, axis=1), tolerance
        ):
            index += 1  # the same numbers, in the side's own order
        if index < len(seen) and seen[index].shape == flat.shape:
            if position + 1 < len(layers):
                following = _apply(
                    layers[position + 1][1], layers[position + 1][0], values, current
                )
                if _close(seen[index], two_dimensional(following), tolerance):
                    continue
            masked = _masked(seen[index], flat, tolerance)
            if masked is not None:
                mask, alive = (part.reshape(current.shape) for part in masked[:2])
                found.append(Masked(name, mask, alive, masked[2]))
                current, index = seen[index].reshape(current.shape), index + 1
    return tuple(found) if index == len(seen) else None


def _apply(layer: Layer, name: str, values: Values, x: Array) -> Array:
    own = {k.rsplit(".", 1)[1]: v for k, v in values.items() if k.rsplit(".", 1)[0] == name}
    return layer.apply(own, x)[0]


def _close(a: Array, b: Array, tolerance: float) -> bool:
    scale = max(float(np.max(np.abs(b), initial=0.0)), 1e-30)
    return a.shape == b.shape and bool(np.max(np.abs(a - b), initial=0.0) <= tolerance * scale)


def _masked(after: Array, before: Array, tolerance: float) -> tuple[Array, Array, float] | None:
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
    return np.where(alive, kept, True), alive, scale


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


def as_draws(masks: Sequence[Masked], conventions: Conventions) -> list[Array] | None:
    """Uniform draws, one of every element, that any rate between 0 and 1 turns into these masks.

    Where whole channels are dropped, a unit that does not show goes with its channel. ``None``
    where the masks are not those of the network's dropouts.
    """
    layers = [layer for _, layer in conventions.layers or () if isinstance(layer, Dropout)]
    if len(masks) != len(layers):
        return None
    draws = []
    for masked, layer in zip(masks, layers, strict=True):
        mask = masked.mask
        if layer.channel_axis is not None:
            mask = np.broadcast_to(_by_channel(mask, layer.channel_axis, np.min), mask.shape)
        draws.append(np.where(mask, np.nextafter(1.0, 0.0), 0.0))
    return draws


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
                layer = dropout_of(masked)
                if name in scaled:
                    layer = replace(scaled[name], channel_axis=layer.channel_axis)
                layers.append((f"dropout_{name}", layer))
    return replace(conventions, layers=tuple(layers))


def dropout_of(masked: Masked) -> Dropout:
    """The dropout layer a mask and its scale belong to."""
    axis = _channel_axis(masked)
    if abs(masked.scale - 1.0) > 1e-6:
        rate = 1.0 - 1.0 / masked.scale
        nearest = round(rate, 6)
        rate = nearest if abs(nearest - rate) < 1e-7 else rate
        return Dropout(rate, channel_axis=axis)
    return Dropout(float(1.0 - masked.mask.mean()), scaling="plain", channel_axis=axis)


def _channel_axis(masked: Masked) -> int | None:
    """The axis whose channels are kept or dropped whole; ``None`` where single units are.

    Single units that agree by chance throughout every channel are no channels: a channel with
    n units that show agrees with probability ``p**n + (1 - p)**n``.
    """
    if masked.mask.ndim < 3:
        return None
    dropped = float(np.mean(~masked.mask[masked.alive]))
    for axis in (-1, 1):
        kept = _by_channel(masked.mask & masked.alive, axis, np.sum)
        shown = _by_channel(masked.alive, axis, np.sum)
        if np.any((kept != 0) & (kept != shown)):
            continue
        chance = np.log(dropped**shown + (1.0 - dropped) ** shown).sum()
        if chance < np.log(_BY_CHANCE):
            return axis
    return None


def _by_channel(values: Array, axis: int, together: Callable[..., Array]) -> Array:
    """What stands in each sample's channels taken together: 1 long on the axes of pixels."""
    pixels = tuple(k for k in range(1, values.ndim) if k != axis % values.ndim)
    return together(values, axis=pixels, keepdims=True)
