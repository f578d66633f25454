"""The running statistics of a side that does not declare how it keeps them.

From chosen ones, and one pass in training, ``after = m · before + (1 − m) · statistic``: which
variance that is, and m, are read from the numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final, Literal

import numpy as np

from netparity.conventions import Conventions
from netparity.diagnosis.noise import reference
from netparity.diagnosis.probes import probe_buffers, probe_parameters, write
from netparity.diagnosis.snapping import snap
from netparity.diagnosis.twin import Array, Twin, Values
from netparity.implementations.base import Implementation
from netparity.nn import BatchNorm, Layer

Variance = Literal["biased", "unbiased"]
VARIANCES: Final[tuple[Variance, ...]] = ("biased", "unbiased")


def identify(
    live: Implementation, conventions: Conventions, x: Array, y: Array, rng: np.random.Generator
) -> Conventions:
    """The conventions with the running statistics as one training pass changes them.

    Args:
        live: the side; its state is left as it was.
        conventions: its network, in which they are not known.
        x: a batch.
        y: its targets.
        rng: for the values.

    Returns:
        The conventions as they were where nothing changes, or not in such a way.
    """
    twin = Twin(replace(conventions, loss=None))
    if not any(isinstance(k, BatchNorm) for _, k in conventions.layers or ()):
        return conventions
    values = probe_parameters(twin, rng) | probe_buffers(twin, rng)
    saved = live.state()
    try:
        after = _after(live, twin, values, x, y)
    finally:
        live.restore(saved)
    if after is None:
        return conventions
    guess = _fitted(conventions, values, after, x, live.dtype)
    known = reference(Twin(replace(guess, loss=None)), values, x, None, dtype=live.dtype, rng=rng)
    measures = [
        known.measure(f"buffers/{name}", known.values[f"buffers/{name}"], value)
        for name, value in after.items()
        if f"buffers/{name}" in known.values
    ]
    return conventions if not measures or any(m.different for m in measures) else guess


def _after(live: Implementation, twin: Twin, values: Values, x: Array, y: Array) -> Values | None:
    """The side's statistics after a training pass, or a step, that changes them."""
    kept = twin.network.initial_buffers()

    def statistics(native: Values) -> Values:
        found = twin.values(native)
        return {n: np.asarray(found[n], dtype=np.float64) for n in kept if n in found}

    write(live, twin, values)
    before = statistics(live.buffers())
    looks: list[Callable[[], Values]] = [lambda: live.moved_buffers(x)]
    if "step" in live.abilities:
        looks.append(lambda: _stepped(live, x, y))
    for look in looks:
        try:
            after = statistics(look())
        except Exception:  # this side does not show it so
            continue
        if any(not np.array_equal(after[n], before[n]) for n in before):
            return after
    return None


def _stepped(live: Implementation, x: Array, y: Array) -> Values:
    live.step(x, y)
    return live.buffers()


def _fitted(
    conventions: Conventions, values: Values, after: Values, x: Array, dtype: np.dtype[Any]
) -> Conventions:
    """Each norm with the variance, and the momentum, that come nearest to what it kept."""
    wide = {n: np.asarray(v, dtype=np.float64) for n, v in values.items()}
    fresh = {
        kind: Twin(_kept(conventions, dict.fromkeys(dict(conventions.layers or ()), (kind, 0.0))))
        .forward(wide, np.asarray(x, dtype=np.float64), training=True)
        .buffers
        for kind in VARIANCES
    }
    found: dict[str, tuple[Variance, float]] = {}
    for name, _ in conventions.layers or ():
        nearest = np.inf
        for kind, statistics in fresh.items():
            keys = [n for n in statistics if n.rpartition(".")[0] == name and n in after]
            if not keys:
                continue
            before, now, new = (
                np.concatenate([np.ravel(v[n]) for n in keys]) for v in (wide, statistics, after)
            )
            apart = before - now
            square = float(apart @ apart)
            momentum = snap(float((new - now) @ apart) / square, dtype) if square else 0.0
            off = float(np.max(np.abs(now + momentum * apart - new)))
            if off < nearest and 0 <= momentum <= 1:
                found[name], nearest = (kind, momentum), off
    return _kept(conventions, found)


def _kept(conventions: Conventions, kept: Mapping[str, tuple[Variance, float]]) -> Conventions:
    """The conventions with norms that keep that variance, with that momentum."""
    layers: list[tuple[str, Layer]] = []
    for name, layer in conventions.layers or ():
        if isinstance(layer, BatchNorm) and name in kept:
            kind, momentum = kept[name]
            layer = replace(layer, running_variance=kind, momentum=momentum)
        layers.append((name, layer))
    return replace(conventions, layers=tuple(layers))
