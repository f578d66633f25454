"""The losses a side may have, as bare sums, and the constants in them read from its values.

A total is ``a · S / N^j`` with S the bare sum of a known loss over rows and outputs, or a sum of
two such parts where a switch mixes them (smoothing, class weights, balancing). Constants that
enter otherwise are read first: a clip from a hopeless prediction, the end of a parabola from
two large errors, a margin from two scores beside it.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from netparity.conventions import changed, switches
from netparity.diagnosis.faulty_losses import MISTAKES
from netparity.diagnosis.loss_probes import NUDGE
from netparity.diagnosis.snapping import rounded, snaps
from netparity.diagnosis.twin import Array
from netparity.errors import InputError
from netparity.nn import (
    BinaryFocal,
    BinaryHinge,
    CategoricalFocal,
    CosineDistance,
    GaussianNegativeLogLikelihood,
    Huber,
    KullbackLeibler,
    LogCosh,
    Loss,
    MeanAbsoluteError,
    MeanSquaredError,
    MulticlassHinge,
    PoissonNegativeLogLikelihood,
    SigmoidCrossEntropy,
    SoftmaxCrossEntropy,
)

_BARE: Final[dict[str, Any]] = {"batch": "sum", "outputs": "sum"}

#: Each known loss as the bare sum over rows and outputs, the commonest first.
KINDS: Final[tuple[Loss, ...]] = (
    MeanSquaredError(**_BARE),
    SoftmaxCrossEntropy(batch="sum"),
    SoftmaxCrossEntropy(batch="sum", input="probabilities"),
    SigmoidCrossEntropy(**_BARE),
    SigmoidCrossEntropy(**_BARE, input="probabilities"),
    MulticlassHinge(batch="sum"),
    MulticlassHinge(batch="sum", counts_true_class=True),
    MeanAbsoluteError(**_BARE),
    SoftmaxCrossEntropy(batch="sum", input="log-probabilities"),
    SoftmaxCrossEntropy(batch="sum", input="probabilities", renormalise=True),
    BinaryHinge(**_BARE),
    BinaryHinge(**_BARE, power=2),
    MulticlassHinge(batch="sum", power=2),
    MulticlassHinge(batch="sum", power=2, counts_true_class=True),
    MulticlassHinge(batch="sum", over="largest"),
    MulticlassHinge(batch="sum", over="largest-or-zero"),
    MulticlassHinge(batch="sum", over="largest", power=2),
    Huber(**_BARE),
    LogCosh(**_BARE),
    KullbackLeibler(batch="sum"),
    KullbackLeibler(batch="sum", input="probabilities"),
    KullbackLeibler(batch="sum", input="probabilities", over="prediction"),
    KullbackLeibler(batch="sum", target="log-probabilities"),
    CosineDistance(batch="sum"),
    CosineDistance(batch="sum", form="minus"),
    PoissonNegativeLogLikelihood(**_BARE),
    PoissonNegativeLogLikelihood(**_BARE, input="rate"),
    GaussianNegativeLogLikelihood(**_BARE),
    GaussianNegativeLogLikelihood(**_BARE, variance="log-variance"),
    BinaryFocal(**_BARE),
    BinaryFocal(**_BARE, input="probabilities"),
    CategoricalFocal(batch="sum", alpha=1.0),
    CategoricalFocal(batch="sum", alpha=1.0, input="probabilities"),
)
#: Settings of a loss in which everything else may differ, that people and frameworks use.
GRID: Final[dict[type[Loss], tuple[dict[str, Any], ...]]] = {
    CosineDistance: tuple({"epsilon": e} for e in (1e-7, 1e-12)),
    PoissonNegativeLogLikelihood: (
        *({"epsilon": e} for e in (1e-8, 1e-7, 1e-12)),
        *(
            {"epsilon": e, "constant": c}
            for e in (0.0, 1e-8, 1e-7)
            for c in ("stirling", "deviance")
        ),
    ),
    GaussianNegativeLogLikelihood: ({"constant": True},),
    BinaryFocal: tuple({"gamma": g} for g in (1.0, 0.5, 1.5, 3.0, 4.0, 5.0)),
    CategoricalFocal: tuple({"gamma": g} for g in (1.0, 0.5, 1.5, 3.0, 4.0, 5.0)),
}
#: Switches that bound a logarithm; the value is tried in the middle of the range it is sought in.
CUTS: Final = ("clip", "log_epsilon", "log_floor")
#: A fit this close over moderate predictions is worth reading the bound of a logarithm from.
LOOSE: Final = 0.1
#: What is cut off by less than this is not worth reading.
SHORT: Final = 1e-3
#: The bound and the factors are read in turns: each makes the other right to a digit or two more.
TURNS: Final = 3
#: A smoothing below this is the rounding of a fit.
SLIGHT: Final = 1e-6
#: A fit is screened at so many roundoffs of each total; the confirmation measures its noise.
ROUNDOFFS: Final = 3e3


@dataclass(frozen=True, slots=True)
class Data:
    """What is to be explained: one entry a probe.

    Attributes:
        predictions: of the twin; targets: of the data.
        totals: the side's loss less the penalties that are known.
        sizes: rows of the batch.
        moderate: where no logarithm is cut off.
        extra: columns of penalties that are not known, by a name each.
        dtype: in which the side computes.
        known: values that were asked for before.
    """

    predictions: tuple[Array, ...]
    targets: tuple[Array, ...]
    totals: Array
    sizes: Array
    moderate: Array
    extra: dict[str, Array]
    dtype: np.dtype[Any]
    known: dict[tuple[Loss, int | None], Array | None] = field(default_factory=dict)

    @property
    def outputs(self) -> int:
        """How many numbers a prediction has in a row."""
        return int(self.predictions[0][0].size)

    def values(self, loss: Loss, label: int | None = None) -> Array | None:
        """A loss at every probe (of the rows with one label alone); ``None`` where it cannot be."""
        if (loss, label) not in self.known:
            self.known[loss, label] = self._values(loss, label)
        return self.known[loss, label]

    def _values(self, loss: Loss, label: int | None) -> Array | None:
        found = []
        try:
            with np.errstate(all="ignore"):
                for prediction, target in zip(self.predictions, self.targets, strict=True):
                    weights = None if label is None else (target == label).astype(np.float64)
                    found.append(loss.value(prediction, target, weights=weights))
        except (InputError, ValueError, IndexError):
            return None
        return np.array(found, dtype=np.float64)


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


def bare(loss: Loss) -> Loss:
    """A loss as the bare sum over rows and outputs."""
    wanted: dict[str, Any] = {"batch": "sum", "factor": 1.0, "outputs": "sum", "classes": "sum"}
    return changed(loss, **{n: v for n, v in wanted.items() if n in switches(loss)})


# ---- one kind ----------------------------------------------------------------------------------
def _of_kind(data: Data, kind: Loss, extra: tuple[str, ...]) -> Iterator[Fit]:
    plain = data.values(kind)
    if plain is None or not np.any(np.isfinite(plain)):
        return
    yield from _strictly(data, kind, extra)
    for settings in (*GRID.get(type(kind), ()), *_read(data, kind)):
        yield from _strictly(data, changed(kind, **settings), extra)
    mixtures = tuple(_mixtures(data, kind))
    for mixture in mixtures:
        yield from _strictly(data, kind, extra, mixture)
    for mix in (None, *mixtures):
        for power in (1, 0):
            rough = _solve(data, kind, extra, mix, power, data.moderate, LOOSE)
            if rough is None:
                continue
            for cut in _cut(data, kind, mix, power, rough, extra):
                yield from _strictly(data, cut, extra, mix)
    if isinstance(kind, SoftmaxCrossEntropy):
        yield from _weighted_mean(data, kind)


@dataclass(frozen=True, slots=True)
class Mixture:
    """A loss as a sum of parts with coefficients of their own.

    ``parts`` are its values at settings of its switches, or of rows with one label;
    ``settings`` gives the factor and the switches that belong to a set of coefficients.
    """

    parts: tuple[tuple[dict[str, Any], int | None], ...]
    settings: Callable[[Array], tuple[float, dict[str, Any]] | None]


def _mixtures(data: Data, kind: Loss) -> Iterator[Mixture]:
    """The mixtures that a switch of this kind makes."""
    names = switches(kind)
    if "label_smoothing" in names and not isinstance(kind, BinaryFocal | CategoricalFocal):
        yield Mixture((({}, None), ({"label_smoothing": 1.0}, None)), _smoothing)
    if isinstance(kind, SigmoidCrossEntropy):
        yield Mixture(
            (
                ({"class_weights": (1.0, 0.0)}, None),
                ({"class_weights": (0.0, 1.0)}, None),
            ),
            lambda c: None if c[0] <= 0 else (c[0], {"class_weights": (1.0, c[1] / c[0])}),
        )
    if isinstance(kind, BinaryFocal):
        yield Mixture((({"alpha": 0.0}, None), ({"alpha": 1.0}, None)), _balance)
    labels = _labels(data)
    if isinstance(kind, SoftmaxCrossEntropy) and labels:
        classes = data.outputs

        def weighted(c: Array) -> tuple[float, dict[str, Any]] | None:
            by_label = dict(zip(labels, c, strict=True))
            weights = tuple(float(by_label.get(k, 1.0)) for k in range(classes))
            return (1.0, {"class_weights": weights}) if min(weights) >= 0 else None

        yield Mixture(tuple(({}, k) for k in labels), weighted)


def _smoothing(c: Array) -> tuple[float, dict[str, Any]] | None:
    total = float(c[0] + c[1])
    if total == 0 or not SLIGHT < c[1] / total <= 1:
        return None
    return total, {"label_smoothing": float(c[1] / total)}


def _balance(c: Array) -> tuple[float, dict[str, Any]] | None:
    total = float(c[0] + c[1])
    return (total, {"alpha": float(c[1] / total)}) if total else None


def _labels(data: Data) -> tuple[int, ...]:
    """The labels of the data, where its targets are classes."""
    if any(t.ndim != 1 or np.any(t != np.floor(t)) for t in data.targets):
        return ()
    labels = tuple(int(k) for k in np.unique(np.concatenate(data.targets)))
    inside = all(0 <= k < data.outputs for k in labels)
    return labels if inside and len(labels) > 1 and data.outputs > 1 else ()


def _strictly(
    data: Data, kind: Loss, extra: tuple[str, ...], mix: Mixture | None = None
) -> Iterator[Fit]:
    """The losses of a kind that give all totals, with the constants a person may have written."""
    tolerance = ROUNDOFFS * float(np.finfo(data.dtype).eps)
    for power in (1, 0):
        solution = _solve(data, kind, extra, mix, power, data.moderate, tolerance)
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


def _solve(
    data: Data,
    kind: Loss,
    extra: tuple[str, ...],
    mix: Mixture | None,
    power: int,
    where: Array,
    tolerance: float,
) -> Array | None:
    """Least-squares coefficients of a model, if it gives the totals there to the tolerance."""
    parts = mix.parts if mix is not None else (({}, None),)
    columns = []
    for settings, label in parts:
        column = data.values(changed(kind, **settings), label)
        if column is None:
            return None
        columns.append(column / data.sizes**power)
    columns += [data.extra[name] for name in extra]
    matrix = np.stack(columns, axis=1)
    here = where & np.isfinite(data.totals)
    if np.any(np.isfinite(matrix).all(axis=1) != np.isfinite(data.totals), where=where):
        return None
    matrix, totals = matrix[here], data.totals[here]
    scale = np.max(np.abs(matrix), axis=0)
    if np.any(scale == 0) or len(totals) <= matrix.shape[1] or not np.any(totals):
        return None
    weight = 1.0 / np.maximum(np.abs(totals), float(np.max(np.abs(totals))) * 1e-6)
    solution, *_ = np.linalg.lstsq(matrix / scale * weight[:, None], totals * weight, rcond=None)
    solution = solution / scale
    apart = np.abs(matrix @ solution - totals) * weight
    return solution if float(np.max(apart)) <= tolerance else None


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
        for whole in (1.0, 0.5):
            if (
                over in switches(kind)
                and summed
                and outputs > 1
                and np.isclose(near * outputs, whole, rtol=1e-12)
            ):
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


# ---- constants that do not enter as factors ------------------------------------------------------
def _cut(
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
                again = _solve(data, near, extra, mix, power, data.moderate, LOOSE)
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


def _read(data: Data, kind: Loss) -> Iterator[dict[str, Any]]:
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


# ---- class weights in the divisor ----------------------------------------------------------------
def _weighted_mean(data: Data, kind: Loss) -> Iterator[Fit]:
    """Class weights that the mean is divided by: a single row does not show them."""
    labels = _labels(data)
    single = (data.sizes == 1) & data.moderate
    if len(labels) < 2 or single.sum() < 2 or not np.any(~single & data.moderate):
        return
    tolerance = ROUNDOFFS * float(np.finfo(data.dtype).eps)
    rough = _solve(data, kind, (), None, 1, single, tolerance)
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
