"""The rows of one run: some held out, all standardized, in the run's dtype."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, final

import numpy as np

from netparity.errors import InputError
from netparity.nn.arrays import Array
from netparity.training.configuration import Configuration
from netparity.training.data import Data, Rows

#: Rows that are worked on at a time, so that large data are not copied as a whole.
_BLOCK: Final = 1024
#: A deviation smaller than this share of the mean is rounding: the input never changes.
_CONSTANT: Final = 1e-9


@final
@dataclass(frozen=True, slots=True, eq=False)
class Split:
    """Rows prepared for one run.

    Attributes:
        training: the rows to train on.
        validation: the rows to choose by; ``None`` if none are held out.
        test: the rows to test on, in the end.
    """

    training: Rows
    validation: Rows | None
    test: Rows | None


def split(data: Data, configuration: Configuration) -> Split:
    """The rows for one run.

    The rows held out are drawn by the seed; means and deviations are those of the rows that
    are trained on, and an input that never changes is only shifted.

    Args:
        data: all rows.
        configuration: the run's.

    Raises:
        InputError: no row is left to train on.

    Example:
        >>> from netparity.training.data import load
        >>> configuration = Configuration(validation=0.25)
        >>> parts = split(load(configuration), configuration)
        >>> len(parts.training), len(parts.validation), abs(float(parts.training.x.mean())) < 1e-6
        (1078, 359, True)
    """
    rows = len(data.training)
    held_out = int(rows * configuration.validation)
    order = seeds(configuration)["split"].permutation(rows)
    # In their own order: which rows are trained on is drawn, not how they follow each other.
    kept, out = np.sort(order[held_out:]), np.sort(order[:held_out])
    if len(kept) == 0:
        raise InputError(f"no row is left to train on: {rows} rows, {held_out} of them held out")
    center, spread = _moments(data.training.x, kept, configuration.standardize)
    dtype = np.dtype(configuration.dtype)

    def prepared(of: Rows, chosen: Array) -> Rows:
        x = np.empty((len(chosen), of.x.shape[1]), dtype)
        for part, block in _blocks(of.x, chosen):
            np.copyto(x[part], (block - center) / spread, casting="same_kind")
        return Rows(x, of.y[chosen])

    return Split(
        prepared(data.training, kept),
        prepared(data.training, out) if held_out else None,
        None if data.test is None else prepared(data.test, np.arange(len(data.test))),
    )


def seeds(configuration: Configuration) -> dict[str, np.random.Generator]:
    """A generator for each purpose, both from the configuration's seed.

    Args:
        configuration: the run's.

    Returns:
        ``split``, and ``values``: for the initial ones, the rows' order, dropout, augmentation.
    """
    streams = np.random.SeedSequence(configuration.seed).spawn(2)
    names = ("split", "values")
    return {
        name: np.random.default_rng(stream) for name, stream in zip(names, streams, strict=True)
    }


def _blocks(x: Array, rows: Array) -> Iterator[tuple[slice, Array]]:
    """Some rows, block by block, with their place among these rows."""
    for start in range(0, len(rows), _BLOCK):
        part = slice(start, start + _BLOCK)
        yield part, x[rows[part]]


def _moments(x: Array, rows: Array, how: str) -> tuple[Array, Array]:
    """What is taken off the inputs, and what they are then divided by."""
    if how == "none":
        return np.zeros(1), np.ones(1)
    axis = 0 if how == "feature" else None
    count = len(rows) if how == "feature" else len(rows) * x.shape[1]

    def total(center: Array, power: int) -> Array:
        sums = [((block - center) ** power).sum(axis=axis) for _, block in _blocks(x, rows)]
        return np.atleast_1d(np.sum(sums, axis=0))

    center = total(np.zeros(1), 1) / count
    spread = np.sqrt(total(center, 2) / count)
    return center, np.where(spread <= _CONSTANT * np.abs(center), 1.0, spread)
