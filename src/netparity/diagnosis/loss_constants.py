"""Constants of a loss that do not enter as factors, read from its values.

A clip from a hopeless prediction, the end of a parabola from two large errors, a margin from two
scores beside it.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import numpy as np

from netparity.conventions import changed, switches
from netparity.diagnosis.loss_models import Data, Mixture, solve
from netparity.diagnosis.loss_probes import NUDGE
from netparity.diagnosis.snapping import rounded, snaps
from netparity.diagnosis.twin import Array
from netparity.errors import InputError
from netparity.nn import BinaryHinge, Huber, Loss, MulticlassHinge

#: Switches that bound a logarithm; the value is tried in the middle of the range it is sought in.
CUTS: Final = ("clip", "log_epsilon", "log_floor")
#: A fit this close over moderate predictions is worth reading the bound of a logarithm from.
LOOSE: Final = 0.1
#: What is cut off by less than this is not worth reading.
SHORT: Final = 1e-3
#: The bound and the factors are read in turns: each makes the other right to a digit or two more.
TURNS: Final = 3


def bounded_forms(
    data: Data,
    kind: Loss,
    mix: Mixture | None,
    power: int,
    rough: Array,
    extra: tuple[str, ...],
) -> Iterator[Loss]:
    """The kind with its logarithms bounded, so that the most hopeless prediction comes right."""
    hopeless = np.flatnonzero(~data.moderate & np.isfinite(data.totals))
    if not len(hopeless):
        return
    last = int(hopeless[-1])
    parts = mix.parts if mix is not None else (({}, None),)

    def beyond(loss: Loss, fitted: Array) -> float:
        """How much more than the side's the loss of that prediction is."""
        value = 0.0
        for (settings, label), c in zip(parts, fitted[: len(parts)], strict=True):
            target = data.targets[last]
            weights = None if label is None else (target == label).astype(np.float64)
            part = changed(loss, **settings)
            with np.errstate(all="ignore"):
                value += float(c) * part.value(data.predictions[last], target, weights=weights)
        value /= float(data.sizes[last]) ** power
        value += sum(
            float(c * data.extra[n][last]) for n, c in zip(extra, fitted[len(parts) :], strict=True)
        )
        return value - float(data.totals[last])

    if not beyond(kind, rough) > SHORT * abs(float(data.totals[last])):
        return  # nothing is cut off
    for switch in CUTS:
        if switch not in switches(kind):
            continue
        fitted, logarithm = rough, None
        try:
            for _ in range(TURNS):
                logarithm = _where_it_holds(kind, switch, fitted, beyond)
                if logarithm is None or switch != "log_epsilon":
                    break  # of these alone moderate predictions know nothing
                near = _bounded(kind, switch, logarithm)
                again = solve(data, near, extra, mix, power, data.moderate, LOOSE)
                if again is None:
                    break
                fitted = again
            if logarithm is None:
                if switch == "log_floor" and data.dtype == np.float64:
                    yield _bounded(kind, switch, -100.0)
                continue
            exact = float(np.exp(logarithm))
            values = [round(logarithm)] if switch == "log_floor" else rounded(exact)
            for value in values:
                yield changed(kind, **{switch: float(value)})
        except (InputError, ValueError):
            continue


def _where_it_holds(
    kind: Loss, switch: str, fitted: Array, beyond: Callable[[Loss, Array], float]
) -> float | None:
    """The logarithm of the bound at which nothing is beyond, within what is worth seeking."""
    low, high = -80.0, -1.0
    for _ in range(60):
        middle = (low + high) / 2
        if beyond(_bounded(kind, switch, middle), fitted) > 0:
            low = middle
        else:
            high = middle
    return middle if -79.0 < middle < -1.5 else None


def _bounded(kind: Loss, switch: str, logarithm: float) -> Loss:
    return changed(
        kind, **{switch: logarithm if switch == "log_floor" else float(np.exp(logarithm))}
    )


def constants_of(data: Data, kind: Loss) -> Iterator[dict[str, Any]]:
    """Constants of a kind read from single rows."""
    ones = [int(i) for i in np.flatnonzero(data.sizes == 1) if data.moderate[i]]
    if isinstance(kind, Huber):
        yield from ({"delta": d} for d in _ends(data, ones))
    if isinstance(kind, MulticlassHinge | BinaryHinge):
        yield from ({"margin": m} for m in _margins(data, kind, ones))


def _ends(data: Data, ones: Sequence[int]) -> list[float]:
    """Where Huber's parabola ends, from two errors on its straight part: ``s·(|e| − ½δ)``."""
    errors, values = [], []
    for i in ones:
        apart = np.abs(data.predictions[i].ravel() - data.targets[i].ravel())
        if apart.size and np.ptp(apart) <= 1e-3 * apart.max():
            errors.append(float(apart.mean()))
            values.append(float(data.totals[i]))
    found = []
    order = np.argsort(errors)
    for one, two in itertools.pairwise(order):
        if errors[two] > 2 * errors[one] > 0:
            slope = (values[two] - values[one]) / (errors[two] - errors[one])
            if slope > 0:
                end = 2 * (errors[one] - values[one] / slope)
                found += [d for d in snaps(end, data.dtype)[:1] if 0 < d < errors[two]]
                found += [float(f"{end:.2g}")] if 0 < end < errors[two] else []
    return list(dict.fromkeys(found))


def _margins(data: Data, kind: Loss, ones: Sequence[int]) -> list[float]:
    """The margin, from a row of equal scores and one nudged toward its target."""
    flat, nudged = [], []
    for i in ones:
        scores = data.predictions[i].ravel()
        if not np.any(scores):
            flat.append(float(data.totals[i]))
        elif np.max(np.abs(scores)) == NUDGE:
            nudged.append(float(data.totals[i]))
    if not flat or not nudged:
        return []
    power = getattr(kind, "power", 1)
    one, two = (max(v, 0.0) ** (1 / power) for v in (flat[0], nudged[0]))
    if one <= two:
        return []
    found = []
    for width in (1.0, 2.0):  # the true class goes up while the others go down, or stay
        margin = width * NUDGE * one / (one - two)
        for share in (1.0, (data.outputs - 1) / data.outputs):
            found += [m for m in snaps(margin * share, data.dtype)[:1] if m > 0]
    return list(dict.fromkeys(found))
