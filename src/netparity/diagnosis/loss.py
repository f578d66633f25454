"""Identifies a side's loss and the penalty in it from its values.

The total is modelled as ``a · S / N^j + c · Σ_weights w² + b · Σ_biases w² + o``, where S is
the bare sum of a known loss over the batch; the smallest model that holds at every probe,
at several parameters and batch sizes, is taken, and counts only once its twin gives the
side's own values to the noise floor.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any, Final

import numpy as np

from netparity.conventions import Conventions, changed
from netparity.diagnosis.masks import fed
from netparity.diagnosis.noise import Measure, clear_rows, reference
from netparity.diagnosis.probes import probe_parameters
from netparity.diagnosis.twin import Array, Twin, Values
from netparity.errors import InputError
from netparity.implementations.base import Implementation
from netparity.implementations.base import Loss as LossValue
from netparity.nn import (
    L2,
    Loss,
    MeanAbsoluteError,
    MeanSquaredError,
    MulticlassHinge,
    Penalty,
    SigmoidCrossEntropy,
    SoftmaxCrossEntropy,
)

#: Each known loss as the bare sum over rows and outputs.
KINDS: Final[tuple[Loss, ...]] = (
    MeanSquaredError(batch="sum", outputs="sum"),
    SoftmaxCrossEntropy(batch="sum"),
    SoftmaxCrossEntropy(batch="sum", input="probabilities"),
    SigmoidCrossEntropy(batch="sum", outputs="sum"),
    SigmoidCrossEntropy(batch="sum", outputs="sum", input="probabilities"),
    MulticlassHinge(batch="sum", classes="sum"),
    MeanAbsoluteError(batch="sum", outputs="sum"),
)
#: Terms of the model beside ``a``, smallest sets first.
TERMS: Final = ((), ("o",), ("c",), ("c", "o"), ("c", "b"), ("c", "b", "o"))
SCALES: Final = (1.0, 2.0, 0.5, 3.0, 1.5)


@dataclass(frozen=True, slots=True)
class Probe:
    """One evaluation: twin parameters, the batch, dropout's draws, and what the side gave."""

    values: Values
    x: Array
    y: Array
    draws: tuple[Array, ...] | None
    loss: LossValue


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


def observe(
    live: Implementation,
    twin: Twin,
    batches: Sequence[tuple[Array, Array]],
    rng: np.random.Generator,
    draws_for: Any,
) -> list[Probe]:
    """The side's loss at parameters of our choosing, on rows clear of every kink."""
    native = live.parameters()
    saved = live.state()
    probes = []
    try:
        for scale, (x, y) in itertools.product(SCALES[:2], batches):
            values = probe_parameters(twin, rng, scale)
            live.set_parameters(twin.native(values, native))
            draws = draws_for(live, x)
            got = live.loss(x, y, training=True, draws=fed(live, twin, draws))
            probes.append(Probe(values, x, y, None if draws is None else tuple(draws), got))
            live.restore(saved)
    finally:
        live.restore(saved)
    return probes


def identify(
    live: Implementation,
    conventions: Conventions,
    probes: Sequence[Probe],
    rng: np.random.Generator,
    hints: Sequence[Loss] = (),
) -> FoundLoss | None:
    """The loss and penalty behind the observed values, or ``None``.

    Args:
        live: the side (for its dtype).
        conventions: its network, and what it declares of loss and penalties.
        probes: what ``observe`` gave.
        rng: for the noise measurement.
        hints: losses to try before the known kinds (the other side's).
    """
    if conventions.loss is not None:
        penalties = conventions.penalties or ()
        measured = confirm(live, conventions, conventions.loss, penalties, probes, rng)
        if measured is not None and not measured.different:
            return FoundLoss(conventions.loss, penalties, measured, declared=True)
    for loss, penalties in _fits(conventions, probes, live.dtype, hints):
        measured = confirm(live, conventions, loss, penalties, probes, rng)
        if measured is not None and not measured.different:
            return FoundLoss(loss, penalties, measured, declared=False)
    return None


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
    for probe in probes[:6]:
        try:
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
        except (InputError, ValueError):
            return None
        if "total" not in known.values:
            return None
        got = np.asarray(probe.loss.total)
        measured = known.measure("total", known.values["total"], got, "loss")
        if worst is None or measured.ratio > worst.ratio:
            worst = measured
    return worst


def _fits(
    conventions: Conventions, probes: Sequence[Probe], dtype: np.dtype[Any], hints: Sequence[Loss]
) -> Iterator[tuple[Loss, tuple[Penalty, ...]]]:
    twin = Twin(replace(conventions, loss=None))
    predictions = [
        twin.forward(
            {k: np.asarray(v, dtype=np.float64) for k, v in p.values.items()},
            np.asarray(p.x, dtype=np.float64),
            training=True,
            draws=p.draws,
        ).prediction
        for p in probes
    ]
    totals = np.array([p.loss.total for p in probes])
    if not np.all(np.isfinite(totals)):
        return
    sizes = np.array([len(p.x) for p in probes], dtype=np.float64)
    weights = np.array([_squares(p.values, ".weight") for p in probes])
    biases = np.array([_squares(p.values, ".bias") for p in probes])
    kinds = (*(_bare(h) for h in hints), *KINDS)
    # A fit is screened at a thousand roundoffs of the totals; the confirmation measures its noise.
    screen = 1e3 * float(np.finfo(dtype).eps) * float(np.max(np.abs(totals)))
    found = []
    for kind in kinds:
        sums = _sums(kind, predictions, probes)
        if sums is None:
            continue
        for terms, power in itertools.product(TERMS, (1, 0)):
            columns = [sums / sizes**power]
            columns += [{"c": weights, "b": biases, "o": np.ones_like(sums)}[t] for t in terms]
            matrix = np.stack(columns, axis=1)
            scale = np.max(np.abs(matrix), axis=0)
            if np.any(scale == 0):
                continue
            solution, *_ = np.linalg.lstsq(matrix / scale, totals, rcond=None)
            residual = float(np.max(np.abs(matrix / scale @ solution - totals)))
            if residual <= screen:
                constants = dict(zip(("a", *terms), solution / scale, strict=True))
                found.append((len(terms), kind, power, constants))
    found.sort(key=lambda item: item[0])
    outputs = predictions[0].shape[-1]
    names = [n for n in probes[0].values if n.endswith(".bias")]
    for _, kind, power, constants in found:
        snapped = {name: snap(value, dtype) for name, value in constants.items()}
        for factor in snaps(constants["a"], dtype):
            yield _build(kind, power, snapped | {"a": factor}, outputs, names)


def _bare(loss: Loss) -> Loss:
    """A loss as the bare sum over rows and outputs."""
    changes: dict[str, Any] = {"batch": "sum", "factor": 1.0}
    for over in ("outputs", "classes"):
        if hasattr(loss, over):
            changes[over] = "sum"
    if isinstance(loss, MulticlassHinge):
        changes["counts_true_class"] = False
    return changed(loss, **changes)


def _sums(kind: Loss, predictions: Sequence[Array], probes: Sequence[Probe]) -> Array | None:
    try:
        with np.errstate(all="ignore"):
            sums = [kind.value(p, probe.y) for p, probe in zip(predictions, probes, strict=True)]
    except (InputError, ValueError, IndexError):
        return None
    result = np.array(sums, dtype=np.float64)
    return result if np.all(np.isfinite(result)) and np.any(result != 0) else None


def snap(value: float, dtype: np.dtype[Any]) -> float:
    """The simplest fraction or short decimal within the precision of a fit, else the value."""
    return snaps(value, dtype)[0]


def snaps(value: float, dtype: np.dtype[Any]) -> list[float]:
    """The constants a person may have written for a fitted value, simplest first.

    A least-squares constant carries the noise of its data (some thousand roundoffs); the
    constant a person wrote is a simple fraction or has a few digits. Whether a snapped one is
    right is measured afterwards like any other.
    """
    precision = 4e3 * float(np.finfo(dtype).eps)
    options = [float(Fraction(value).limit_denominator(10))]
    options += [float(f"{value:.{digits}g}") for digits in (2, 3)]
    options += [float(Fraction(value).limit_denominator(n)) for n in (100, 10_000)]
    options += [float(f"{value:.{digits}g}") for digits in (4, 6)]
    near = [o for o in options if abs(o - value) <= precision * abs(value)]
    return list(dict.fromkeys([*near, value]))


def _build(
    kind: Loss, power: int, constants: Mapping[str, float], outputs: int, biases: Sequence[str]
) -> tuple[Loss, tuple[Penalty, ...]]:
    factor = constants["a"]
    changes: dict[str, Any] = {"batch": "mean" if power else "sum", "factor": factor}
    over = "classes" if isinstance(kind, MulticlassHinge) else "outputs"
    for whole in (1.0, 0.5):
        if hasattr(kind, over) and outputs > 1 and np.isclose(factor * outputs, whole, rtol=1e-12):
            changes |= {over: "mean", "factor": whole}
    if isinstance(kind, MulticlassHinge) and "o" in constants:
        changes["counts_true_class"] = True
    penalties: list[Penalty] = []
    if constants.get("c"):
        same = constants.get("b", 0.0) == constants["c"]
        scope: Any = "all" if same else "weights"
        penalties.append(L2(coefficient=2 * constants["c"], factor=0.5, scope=scope))
        if constants.get("b") and not same:
            penalties.append(L2(2 * constants["b"], 0.5, scope=tuple(biases)))
    return changed(kind, **changes), tuple(penalties)


def _squares(values: Mapping[str, Array], suffix: str) -> float:
    return float(sum(np.sum(np.square(v)) for name, v in values.items() if name.endswith(suffix)))


__all__ = ["FoundLoss", "Probe", "clear_rows", "confirm", "identify", "observe", "probe_batches"]
