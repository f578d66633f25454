"""A side's loss at parameters of our choosing, and parameters that give chosen predictions.

The last affine layer steers: with its weight at 0 its bias *is* the prediction (before a final
softmax or sigmoid), the same for every row; without a bias its weight is solved for one row.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from netparity.diagnosis.masks import fed
from netparity.diagnosis.probes import probe_parameters
from netparity.diagnosis.twin import Array, Twin, Values
from netparity.implementations.base import Implementation
from netparity.implementations.base import Loss as LossValue
from netparity.nn import Affine

SCALES: Final = (1.0, 2.0)
#: How far below the others the right answer's score lies: probabilities of 1e-6, 1e-11, 1e-26.
GAPS: Final = (14.0, 25.0, 60.0)
#: Below the first of these by a little: what is further apart may be bounded.
FAR: Final = 12.0
#: Errors on both sides of any bend; e³⁰ and e⁻⁶⁰ are still numbers in float32.
ERRORS: Final = (0.01, 0.3, 3.0, 10.0, 30.0)
#: A score that moves every margin, exact in binary.
NUDGE: Final = 1 / 32
ROWS: Final = 3


@dataclass(frozen=True, slots=True)
class Probe:
    """One evaluation: twin parameters, the batch, dropout's draws, and what the side gave.

    ``saturated``: a prediction at which the loss is cut off, where it is.
    """

    values: Values
    x: Array
    y: Array
    draws: tuple[Array, ...] | None
    loss: LossValue
    saturated: bool = False


@dataclass(frozen=True, slots=True)
class Look:
    """Looks at a side's loss; after each look the side is as it was."""

    live: Implementation
    twin: Twin
    native: Values
    saved: Any
    draws_for: Any

    @classmethod
    def at_side(cls, live: Implementation, twin: Twin, draws_for: Any) -> Look:
        """A look at a side as it is now."""
        return cls(live, twin, live.parameters(), live.state(), draws_for)

    def at(self, values: Values, x: Array, y: Array, *, saturated: bool = False) -> Probe:
        """The loss at these parameters."""
        try:
            self.live.set_parameters(self.twin.native(values, self.native))
            draws = self.draws_for(self.live, x)
            with np.errstate(all="ignore"):
                got = self.live.loss(x, y, training=True, draws=fed(self.live, self.twin, draws))
        finally:
            self.live.restore(self.saved)
        return Probe(values, x, y, None if draws is None else tuple(draws), got, saturated)

    def attempt(
        self, values: Values, x: Array, y: Array, *, saturated: bool = False
    ) -> Probe | None:
        """The same; ``None`` where the side refuses so odd a batch (one row, say).

        ``None`` also where its masks cannot be seen, behind units that are all 0.
        """
        with contextlib.suppress(Exception):
            probe = self.at(values, x, y, saturated=saturated)
            if probe.draws is not None or not self.twin.dropout_layers():
                return probe
        return None

    def prediction(self, probe: Probe) -> Array:
        """What the twin predicts there."""
        values = {k: np.asarray(v, dtype=np.float64) for k, v in probe.values.items()}
        x = np.asarray(probe.x, dtype=np.float64)
        return self.twin.forward(values, x, training=True, draws=probe.draws).prediction


def general(
    look: Look, batches: Sequence[tuple[Array, Array]], rng: np.random.Generator
) -> list[Probe]:
    """The loss at random parameters, on batches of several sizes, where masks can be seen."""
    probes = (
        look.at(probe_parameters(look.twin, rng, scale), x, y)
        for scale in SCALES
        for x, y in batches
    )
    drops = bool(look.twin.dropout_layers())
    return [probe for probe in probes if probe.draws is not None or not drops]


def cut_off(look: Look, x: Array, y: Array, rng: np.random.Generator) -> list[Probe]:
    """One row for each gap at which its right answer is hopeless."""
    probes = []
    for row in _rows(y, positive=True)[:1]:
        target = _target(y[row], look)
        if target is not None and _binary(target):
            for gap in GAPS:
                probe = _steer(look, x, y, row, np.where(target > 0.5, -gap, 0.0), rng, True)
                probes += [probe] if probe is not None else []
    return probes


def far_off(prediction: Array, y: Array) -> bool:
    """Whether a class that did occur is as good as excluded in some row, so that a bound may act.

    Args:
        prediction: (N, C), scores or probabilities.
        y: classes, or one-hot.
    """
    rows = np.arange(len(y))
    if prediction.ndim != 2 or prediction.shape[1] < 2:
        return False
    if y.shape == prediction.shape and _binary(y) and np.all(y.sum(axis=1) == 1):
        y = y.argmax(axis=1)
    inside = y.ndim == 1 and bool(np.all((y == np.floor(y)) & (y >= 0) & (y < prediction.shape[1])))
    if not inside:
        return False
    at = prediction[rows, y.astype(int)]
    if np.all(prediction >= 0) and np.allclose(prediction.sum(axis=1), 1.0):
        return bool(np.any(at < np.exp(-FAR)))
    return bool(np.any(prediction.max(axis=1) - at > FAR))


def chosen(look: Look, x: Array, y: Array, rng: np.random.Generator) -> list[Probe]:
    """Single rows with predictions of our choosing, and batches of positive predictions."""
    probes = []
    for row in _rows(y):
        target = _target(y[row], look)
        if target is None:
            continue
        for z in _scores(target):
            probe = _steer(look, x, y, row, z, rng, False)
            probes += [probe] if probe is not None else []
    name = last_affine(look.twin)
    shapes = look.twin.network.parameter_shapes()
    if name is not None and f"{name}.bias" in shapes:
        for rows in dict.fromkeys((min(7, len(x)), len(x))):
            values = probe_parameters(look.twin, rng)
            values[f"{name}.weight"] = values[f"{name}.weight"] / 16
            count = shapes[f"{name}.bias"][0]
            values[f"{name}.bias"] = (4.0 + np.arange(count) % 5) / 16
            probe = look.attempt(values, x[:rows], y[:rows])
            probes += [probe] if probe is not None else []
    return probes


def last_affine(twin: Twin) -> str | None:
    """The name of the affine layer after which nothing has parameters."""
    for name, layer in reversed(twin.conventions.layers or ()):
        if isinstance(layer, Affine):
            return name
        if layer.shapes():
            return None
    return None


def still(twin: Twin) -> Values:
    """All parameters 0, the last bias apart: the same moderate prediction for every input."""
    values: Values = {n: np.zeros(s) for n, s in twin.network.parameter_shapes().items()}
    name = last_affine(twin)
    if name is not None and f"{name}.bias" in values:
        count = values[f"{name}.bias"].size
        values[f"{name}.bias"] = (2.0 + np.arange(count) % 5) / 8
    return values


def excluded(twin: Twin, y: Array) -> Values:
    """Last parameters at which the first row's class is as good as excluded, whatever the input.

    Args:
        twin: the network.
        y: targets, of which the first is a class, or one-hot.

    Returns:
        The last affine layer's weight, 0, and its bias; nothing where that cannot be.
    """
    name = last_affine(twin)
    shapes = twin.network.parameter_shapes()
    if name is None or f"{name}.bias" not in shapes:
        return {}
    first, count = np.asarray(y[0], dtype=np.float64).ravel(), shapes[f"{name}.bias"][0]
    if first.size == 1 and count > 1 and first[0] == int(first[0]) and 0 <= first[0] < count:
        first = np.asarray(np.arange(count) == first[0], dtype=np.float64)
    if first.size != count or not _binary(first):
        return {}
    signs = 2 * first - 1 if count == 1 else first
    return {
        f"{name}.weight": np.zeros(shapes[f"{name}.weight"]),
        f"{name}.bias": -GAPS[1] * signs,
    }


def _scores(target: Array) -> Iterator[Array]:
    """Predictions for one row: positive, all negative, on either side of a margin, apart."""
    steps = np.arange(len(target), dtype=np.float64)
    signs = 2 * target - 1 if _binary(target) else np.sign(target)
    yield (1.0 + steps) / 4
    yield -3.0 - steps / 4
    yield np.zeros(len(target))
    yield NUDGE * signs
    if _binary(target):
        # Not far on the right side: log p keeps few digits of a p next to 1.
        yield np.where(target > 0.5, 2.0, steps / 4)
        return
    for error in ERRORS:
        yield target + error * (-1.0) ** steps


def _steer(
    look: Look, x: Array, y: Array, row: int, z: Array, rng: np.random.Generator, saturated: bool
) -> Probe | None:
    """The loss of one row at which the last affine layer gives ``z``."""
    name = last_affine(look.twin)
    if name is None:
        return None
    one, target = x[row : row + 1], y[row : row + 1]
    values = still(look.twin)
    if look.twin.dropout_layers() and f"{name}.bias" in values:
        # Behind units that are all 0 no mask is seen; a last weight of 0 does as well.
        values = probe_parameters(look.twin, rng) | {f"{name}.weight": values[f"{name}.weight"]}
    if f"{name}.bias" in values:
        values[f"{name}.bias"] = np.asarray(z, dtype=np.float32).astype(np.float64)
    else:
        values = probe_parameters(look.twin, rng)
        tape = look.twin.forward(values, np.asarray(one, dtype=np.float64), training=False)
        hidden = np.asarray(tape.inputs[name][0], dtype=np.float64)
        square = float(hidden @ hidden)
        if square == 0 or look.twin.dropout_layers():
            return None
        weight = np.outer(hidden, z) / square
        values[f"{name}.weight"] = weight.astype(np.float32).astype(np.float64)
    return look.attempt(values, one, target, saturated=saturated)


def _target(y: Array, look: Look) -> Array | None:
    """A row's target as one number for each output; ``None`` where it does not fit."""
    name = last_affine(look.twin)
    layers = dict(look.twin.conventions.layers or ())
    layer = layers.get(name or "")
    if not isinstance(layer, Affine):
        return None
    row = np.asarray(y, dtype=np.float64).ravel()
    if row.size == layer.outputs:
        return row
    if row.size == 1 and 0 <= row[0] < layer.outputs and row[0] == int(row[0]):
        return np.asarray(np.arange(layer.outputs) == row[0], dtype=np.float64)
    return None


def _binary(target: Array) -> bool:
    return bool(np.all((target == 0) | (target == 1)))


def _rows(y: Array, *, positive: bool = False) -> list[int]:
    """Some rows with different targets (with a positive one first, where wanted)."""
    flat = np.asarray(y, dtype=np.float64).reshape(len(y), -1)
    _, first = np.unique(flat, axis=0, return_index=True)
    rows = sorted(int(r) for r in first)
    if positive:
        rows.sort(key=lambda r: -float(flat[r].max()))
    return rows[:ROWS]


__all__ = ["Look", "Probe", "chosen", "cut_off", "general", "last_affine", "still"]
