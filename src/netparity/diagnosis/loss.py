"""Identifies a side's loss and the penalty in it from its values.

Declared or not, a loss counts only once its twin gives the side's own values to the noise
floor: at random parameters on batches of several sizes, and at predictions of our choosing.
Penalties are read first, where the prediction stands still (``penalty``); then the data loss
is the smallest known model of what is left (``loss_kinds``).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from netparity.conventions import Conventions, changed, switches
from netparity.diagnosis import penalty as penalties_
from netparity.diagnosis.loss_fits import fits
from netparity.diagnosis.loss_models import Data
from netparity.diagnosis.loss_probes import Look, Probe, chosen, cut_off, far_off, general
from netparity.diagnosis.noise import Measure, reference
from netparity.diagnosis.penalty import Pull, Pulls
from netparity.diagnosis.snapping import snap
from netparity.diagnosis.twin import Array, Twin
from netparity.errors import InputError
from netparity.implementations.base import Implementation
from netparity.nn import Loss, Penalty

Batches = Sequence[tuple[Array, Array]]


@dataclass(frozen=True, slots=True)
class FoundLoss:
    """The loss of a side and the penalty its loss value contains."""

    loss: Loss
    penalties: tuple[Penalty, ...]
    measure: Measure
    declared: bool


def probe_batches(x: Array, y: Array, batch_size: int) -> list[tuple[Array, Array]]:
    """Batches of at least two sizes, whatever the data: all, part of it, and seven rows."""
    rows = min(len(x), batch_size)
    sizes = [rows, max(1, rows // 2), min(7, rows), rows, max(1, rows // 2)]
    starts = [0, rows // 2, 0, max(0, min(len(x) - rows, rows)), 0]
    return [(x[s : s + n], y[s : s + n]) for s, n in zip(starts, sizes, strict=True)]


def identify(
    live: Implementation,
    conventions: Conventions,
    batches: Batches,
    rng: np.random.Generator,
    draws_for: Any,
    hints: Sequence[Loss] = (),
) -> FoundLoss | None:
    """The loss and penalty behind a side's values, or ``None``.

    Args:
        live: the side; it is left as it was.
        conventions: its network, and what it declares of loss and penalties.
        batches: of several sizes.
        rng: for the probes and their noise.
        draws_for: gives the dropout draws that match the side's masks.
        hints: losses to try before the known kinds (the other side's).
    """
    look = Look.at_side(live, Twin(replace(conventions, loss=None)), draws_for)
    x, y = batches[0]
    random = general(look, batches, rng)
    if not random:
        return None
    hopeless = cut_off(look, x, y, rng)
    every = [*random[:6], *hopeless]
    if conventions.loss is not None:
        penalties = conventions.penalties or ()
        measured = confirm(live, conventions, conventions.loss, penalties, every, rng)
        if measured is not None and not measured.different:
            return FoundLoss(conventions.loss, penalties, measured, declared=True)
    pulls = penalties_.see(look, batches)
    probes = [*random, *chosen(look, x, y, rng), *hopeless]
    for loss, penalties in _models(look, probes, pulls, hints):
        measured = confirm(live, conventions, loss, penalties, every, rng)
        if measured is None or measured.different:
            continue
        measured = confirm(live, conventions, loss, penalties, probes[len(random) :], rng)
        if measured is None or measured.different:
            continue
        found = FoundLoss(loss, penalties, measured, declared=False)
        return _like(
            found,
            hints,
            lambda other, p=penalties: _holds(look, conventions, other, p, probes, rng),
        )
    return None


def _holds(
    look: Look,
    conventions: Conventions,
    loss: Loss,
    penalties: tuple[Penalty, ...],
    probes: Sequence[Probe],
    rng: np.random.Generator,
) -> bool:
    measured = confirm(look.live, conventions, loss, penalties, probes, rng)
    return measured is not None and not measured.different


def _like(found: FoundLoss, hints: Sequence[Loss], holds: Any) -> FoundLoss:
    """The loss with the other side's value in every switch that makes no difference here."""
    loss = found.loss
    for hint in hints:
        if type(hint) is not type(loss):
            continue
        for switch in switches(hint):
            value = getattr(hint, switch)
            if getattr(loss, switch) == value:
                continue
            try:
                other = changed(loss, **{switch: value})
            except InputError:
                continue
            if holds(other):
                loss = other
    return replace(found, loss=loss)


def confirm(
    live: Implementation,
    conventions: Conventions,
    loss: Loss,
    penalties: Sequence[Penalty],
    probes: Sequence[Probe],
    rng: np.random.Generator,
) -> Measure | None:
    """The worst difference between the twin's loss and the side's over the probes."""
    twin = Twin(replace(conventions, loss=loss, penalties=tuple(penalties), faults=()))
    worst: Measure | None = None
    for probe in probes:
        try:
            with np.errstate(all="ignore"):
                known = reference(
                    twin,
                    probe.values,
                    probe.x,
                    probe.y,
                    dtype=live.dtype,
                    rng=rng,
                    draws=probe.draws,
                    backward=False,
                )
        except (InputError, ValueError, IndexError):
            return None
        got = np.asarray(probe.loss.total)
        if "total" not in known.values:
            if np.isfinite(got):
                return None
            continue
        measured = known.measure("total", known.values["total"], got, "loss")
        if worst is None or measured.ratio > worst.ratio:
            worst = measured
        if measured.different:
            break
    return worst


def _models(
    look: Look, probes: Sequence[Probe], pulls: Pulls, hints: Sequence[Loss]
) -> Iterator[tuple[Loss, tuple[Penalty, ...]]]:
    """Losses with penalties that may be behind the values."""
    names = tuple(look.twin.network.parameter_shapes())
    totals = [p.loss.total - penalties_.value(pulls, p.values, len(p.x)) for p in probes]
    extra: dict[str, Array] = {}
    groups = {
        kind: [n for n in pulls.open if n.endswith(".bias") == (kind == "bias")]
        for kind in ("bias", "weight")
    }
    for kind, members in groups.items():
        if members:
            squares, absolutes = penalties_.columns(members, probes)
            extra |= {f"{kind} square": squares, f"{kind} absolute": absolutes}
    predictions = tuple(np.asarray(look.prediction(p), dtype=np.float64) for p in probes)
    data = Data(
        predictions,
        tuple(np.asarray(p.y) for p in probes),
        np.array(totals),
        np.array([float(len(p.x)) for p in probes]),
        np.array(
            [
                not p.saturated and not far_off(prediction, np.asarray(p.y))
                for p, prediction in zip(probes, predictions, strict=True)
            ]
        ),
        extra,
        look.live.dtype,
    )
    for fit in fits(data, hints):
        open_: dict[str, Pull] = {}
        for kind, members in groups.items():
            square = fit.extra.get(f"{kind} square", 0.0)
            absolute = fit.extra.get(f"{kind} absolute", 0.0)
            if square or absolute:
                pull = Pull(_nice(absolute, data.dtype), _nice(2 * square, data.dtype) / 2)
                open_ |= dict.fromkeys(members, pull)
        together = {**pulls.of, **open_}
        yield fit.loss, penalties_.as_penalties(together, names, by_batch=pulls.by_batch)


def _nice(value: float, dtype: np.dtype[Any]) -> float:
    return snap(value, dtype) if value else 0.0


__all__ = ["FoundLoss", "Probe", "confirm", "identify", "probe_batches", "snap"]
