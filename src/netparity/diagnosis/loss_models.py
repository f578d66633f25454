"""What a loss was seen to be, and the coefficients of a model of it.

A total is ``a · S / N^j`` with S the bare sum of a known loss over rows and outputs, or a sum of
two such parts where a switch mixes them (smoothing, class weights, balancing).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from netparity.conventions import changed, switches
from netparity.diagnosis.twin import Array
from netparity.errors import InputError
from netparity.nn import (
    BinaryFocal,
    CategoricalFocal,
    Loss,
    SigmoidCrossEntropy,
    SoftmaxCrossEntropy,
)

#: A smoothing below this is the rounding of a fit.
SLIGHT: Final = 1e-6


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

    def sizes_of_totals(self, here: Array) -> Array:
        """How large the totals there are, for how well a model must give them."""
        sizes = np.abs(self.totals[here])
        return np.asarray(np.maximum(sizes, float(np.max(sizes)) * 1e-6))

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
class Mixture:
    """A loss as a sum of parts with coefficients of their own.

    ``parts`` are its values at settings of its switches, or of rows with one label;
    ``settings`` gives the factor and the switches that belong to a set of coefficients.
    """

    parts: tuple[tuple[dict[str, Any], int | None], ...]
    settings: Callable[[Array], tuple[float, dict[str, Any]] | None]


def mixtures_of(data: Data, kind: Loss) -> Iterator[Mixture]:
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
    labels = labels_of(data)
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


def labels_of(data: Data) -> tuple[int, ...]:
    """The labels of the data, where its targets are classes."""
    if any(t.ndim != 1 or np.any(t != np.floor(t)) for t in data.targets):
        return ()
    labels = tuple(int(k) for k in np.unique(np.concatenate(data.targets)))
    inside = all(0 <= k < data.outputs for k in labels)
    return labels if inside and len(labels) > 1 and data.outputs > 1 else ()


def solve(
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
    weight = 1.0 / data.sizes_of_totals(here)
    solution, *_ = np.linalg.lstsq(matrix / scale * weight[:, None], totals * weight, rcond=None)
    solution = solution / scale
    apart = np.abs(matrix @ solution - totals) * weight
    return solution if float(np.max(apart)) <= tolerance else None
