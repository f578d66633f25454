"""The losses that reproduce the totals of a side, with the constants a person may have written."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from netparity.conventions import changed, switches
from netparity.diagnosis.faulty_losses import MISTAKES
from netparity.diagnosis.loss_constants import LOOSE, bounded_forms, constants_of
from netparity.diagnosis.loss_kinds import GRID, KINDS, bare
from netparity.diagnosis.loss_models import Data, Mixture, labels_of, mixtures_of, solve
from netparity.diagnosis.snapping import snaps
from netparity.nn import (
    GaussianNegativeLogLikelihood,
    Huber,
    Loss,
    MulticlassHinge,
    SoftmaxCrossEntropy,
)

#: A fit is screened at so many roundoffs of each total; the confirmation measures its noise.
ROUNDOFFS: Final = 3e3
#: A factor is that of a mean over the outputs where it then takes so many characters less.
_SHORTER: Final = 4


@dataclass(frozen=True, slots=True)
class Fit:
    """A loss, and coefficients of the extra columns, that give the totals."""

    loss: Loss
    extra: dict[str, float]


def fits(data: Data, hints: Sequence[Loss]) -> Iterator[Fit]:
    """Losses that reproduce the totals, simplest first.

    Args:
        data: what was observed.
        hints: losses to try before all others (the other side's).
    """
    kinds = list(dict.fromkeys((*(bare(h) for h in hints), *KINDS, *MISTAKES)))
    finite = np.isfinite(data.totals)
    if not np.any(finite & data.moderate):
        return
    names = tuple(data.extra)
    terms = [(), *((n,) for n in names), *itertools.combinations(names, 2)]
    for extra in terms:
        for kind in kinds:
            yield from _of_kind(data, kind, extra)


def _of_kind(data: Data, kind: Loss, extra: tuple[str, ...]) -> Iterator[Fit]:
    plain = data.values(kind)
    if plain is None or not np.any(np.isfinite(plain)):
        return
    yield from _strictly(data, kind, extra)
    for settings in (*GRID.get(type(kind), ()), *constants_of(data, kind)):
        yield from _strictly(data, changed(kind, **settings), extra)
    mixtures = tuple(mixtures_of(data, kind))
    for mixture in mixtures:
        yield from _strictly(data, kind, extra, mixture)
    for mix in (None, *mixtures):
        for power in (1, 0):
            rough = solve(data, kind, extra, mix, power, data.moderate, LOOSE)
            if rough is None:
                continue
            for cut in bounded_forms(data, kind, mix, power, rough, extra):
                yield from _strictly(data, cut, extra, mix)
    if isinstance(kind, SoftmaxCrossEntropy):
        yield from _weighted_mean(data, kind)


def _strictly(
    data: Data, kind: Loss, extra: tuple[str, ...], mix: Mixture | None = None
) -> Iterator[Fit]:
    """The losses of a kind that give all totals, with the constants a person may have written."""
    tolerance = ROUNDOFFS * float(np.finfo(data.dtype).eps)
    for power in (1, 0):
        solution = solve(data, kind, extra, mix, power, data.moderate, tolerance)
        if solution is None:
            continue
        count = len(solution) - len(extra)
        rest = dict(zip(extra, (float(c) for c in solution[count:]), strict=True))
        if mix is None:
            factor, settings = float(solution[0]), dict[str, Any]()
        else:
            made = mix.settings(solution[:count])
            if made is None:
                continue
            factor, settings = made
        if factor == 0:
            continue
        for loss in _written(changed(kind, **_neat(settings, data.dtype)), power, factor, data):
            yield Fit(loss, rest)


def _neat(settings: dict[str, Any], dtype: np.dtype[Any]) -> dict[str, Any]:
    """Settings with the constants that a person may have written."""

    def neat(value: Any) -> Any:
        if isinstance(value, tuple):
            return tuple(neat(v) for v in value)
        return snaps(value, dtype)[0] if isinstance(value, float) else value

    return {name: neat(value) for name, value in settings.items()}


def _written(kind: Loss, power: int, factor: float, data: Data) -> Iterator[Loss]:
    """A bare loss with its reductions and factor as a person may have written them."""
    if isinstance(kind, Huber):
        kind, factor = _plainest(kind, factor, data)
    batch = "mean" if power else "sum"
    over = "classes" if isinstance(kind, MulticlassHinge) else "outputs"
    outputs = data.outputs // (2 if isinstance(kind, GaussianNegativeLogLikelihood) else 1)
    summed = not (isinstance(kind, MulticlassHinge) and kind.over != "sum")
    for near in snaps(factor, data.dtype):
        settings: dict[str, Any] = {"batch": batch, "factor": near}
        whole = snaps(near * outputs, data.dtype)[0]
        averaged = whole in (1.0, 0.5) or len(repr(whole)) + _SHORTER <= len(repr(near))
        if over in switches(kind) and summed and outputs > 1 and averaged:
            settings |= {over: "mean", "factor": whole}
        yield changed(kind, **settings)


def _plainest(kind: Huber, factor: float, data: Data) -> tuple[Loss, float]:
    """Huber's loss in the form in which it needs no factor, where it has one."""
    for form, own in (("huber", 1.0), ("smooth-l1", kind.delta)):
        needed = factor * own / (kind.delta if kind.form == "smooth-l1" else 1.0)
        if any(
            np.isclose(needed, plain, rtol=ROUNDOFFS * float(np.finfo(data.dtype).eps))
            for plain in (1.0, 1.0 / data.outputs)
        ):
            return changed(kind, form=form), needed
    return kind, factor


def _weighted_mean(data: Data, kind: Loss) -> Iterator[Fit]:
    """Class weights that the mean is divided by: a single row does not show them."""
    labels = labels_of(data)
    single = (data.sizes == 1) & data.moderate
    if len(labels) < 2 or single.sum() < 2 or not np.any(~single & data.moderate):
        return
    tolerance = ROUNDOFFS * float(np.finfo(data.dtype).eps)
    rough = solve(data, kind, (), None, 1, single, tolerance)
    if rough is None:
        return
    factor = snaps(float(rough[0]), data.dtype)[0]
    many = np.flatnonzero(~single & data.moderate & np.isfinite(data.totals))
    sums, counts = [], []
    for label in labels:
        column = data.values(kind, label)
        if column is None:
            return
        sums.append(column[many])
        counts.append([float(np.sum(data.targets[i] == label)) for i in many])
    totals = data.totals[many]
    matrix = (totals[:, None] * np.array(counts).T - factor * np.array(sums).T) / totals[:, None]
    _, singular, directions = np.linalg.svd(matrix, full_matrices=False)
    weights = directions[-1]
    if len(matrix) < len(labels) or np.any(weights * weights[0] <= 0):
        return
    if singular[-1] > tolerance * singular[0] * np.sqrt(len(matrix)):
        return
    by_label = dict(zip(labels, weights / weights[0], strict=True))
    neat = tuple(snaps(float(by_label.get(k, 1.0)), data.dtype)[0] for k in range(data.outputs))
    yield Fit(changed(kind, batch="weighted-mean", factor=factor, class_weights=neat), {})
