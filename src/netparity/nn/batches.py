"""Which rows are fed when: the order of an epoch, its batches, and what is held out."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, final

import numpy as np

from netparity.errors import InputError
from netparity.nn.arrays import Array, Memory

Sampling = Literal["shuffled", "sequential", "replacement"]
Partial = Literal["kept", "dropped"]
HeldOut = Literal["tail", "random"]


@final
@dataclass(frozen=True, slots=True)
class Batches:
    """How the rows of a data set are fed.

    Args:
        batch_size: B, rows a batch, at least 1.
        sampling: ``"shuffled"``: each row once an epoch, in another order each time;
            ``"sequential"``: in the order they have; ``"replacement"``: each place in a batch
            is drawn from all rows anew.
        partial: whether a last batch of fewer than B rows is ``"kept"`` or ``"dropped"``.

    Raises:
        InputError: a value is out of range.

    Example:
        >>> batches = Batches(2, "sequential")
        >>> [rows.tolist() for rows in batches.cut(batches.order(5, np.random.default_rng(0)))]
        [[0, 1], [2, 3], [4]]

    Source: R. Johnson, T. Zhang, "Accelerating stochastic gradient descent using predictive
    variance reduction", NIPS 2013, calls them passes; the frameworks call them epochs.

    **Parity** (`shuffle-default`, `batch-size-default`, `partial-batch-kept`,
    `sampling-with-replacement`): Keras and scikit-learn shuffle by default, a torch loader does
    not; all keep the last partial batch. cs231n's solver is ``"replacement"`` with
    ``"dropped"``: N // B batches, at least one, each drawn from all rows.
    """

    batch_size: int = 32
    sampling: Sampling = "shuffled"
    partial: Partial = "kept"

    def __post_init__(self) -> None:
        """Checks the values."""
        if self.batch_size < 1:
            raise InputError(
                f"batch size out of range. Expected at least 1. Received: {self.batch_size}"
            )
        for name, value, known in (
            ("sampling", self.sampling, ("shuffled", "sequential", "replacement")),
            ("partial", self.partial, ("kept", "dropped")),
        ):
            if value not in known:
                raise InputError(f"{name}: expected one of {known}. Received: {value!r}")

    def order(self, rows: int, rng: np.random.Generator) -> Array:
        """The rows of one epoch, in the order in which they are fed.

        Args:
            rows: N, how many there are.
            rng: what they are drawn by, once for the whole epoch.

        Returns:
            Indices of rows (M,), where M is N or, without the partial batch, less.

        Raises:
            InputError: no batch is left.
        """
        fed = rows
        if self.partial == "dropped":
            fed = rows // self.batch_size * self.batch_size
            if self.sampling == "replacement" and rows > 0:
                fed = max(fed, self.batch_size)
        if fed == 0:
            raise InputError(
                f"no batch to train on. Expected at least {self.batch_size} rows, as the partial "
                f"batch is dropped. Received: {rows}"
                if rows
                else "no row to train on"
            )
        if self.sampling == "replacement":
            return rng.integers(0, rows, fed)
        order = rng.permutation(rows) if self.sampling == "shuffled" else np.arange(rows)
        return order[:fed]

    def cut(self, order: Array) -> list[Array]:
        """An order cut into batches.

        Args:
            order: what ``order`` returned (M,).

        Returns:
            The rows of each batch.
        """
        return [
            order[start : start + self.batch_size]
            for start in range(0, len(order), self.batch_size)
        ]


def split_rows(
    rows: int, fraction: float, held_out: HeldOut, rng: np.random.Generator
) -> tuple[Array, Array]:
    """Parts the rows into those trained on and those held out for validation.

    Args:
        rows: N, how many there are.
        fraction: which part is held out, more than 0 and less than 1. The rows trained on are
            ⌊N (1 − fraction)⌋.
        held_out: ``"tail"``: the last rows; ``"random"``: rows drawn by ``rng``.
        rng: drawn from for ``"random"`` only.

    Returns:
        The indices of the rows trained on and of those held out, each in rising order.

    Raises:
        InputError: the fraction is out of range, or leaves one of the two without a row.

    Example:
        >>> split_rows(5, 0.25, "tail", np.random.default_rng(0))
        (array([0, 1, 2]), array([3, 4]))

    Source: M. Stone, "Cross-validatory choice and assessment of statistical predictions", 1974.

    **Parity** (`validation-split-tail`): Keras's ``validation_split`` holds out the tail before
    it shuffles, so that data sorted by class lose whole classes; scikit-learn's
    ``early_stopping`` draws rows, by class where it classifies.
    """
    if not 0.0 < fraction < 1.0:
        raise InputError(
            f"validation: fraction out of range. Expected more than 0 and less than 1. "
            f"Received: {fraction}"
        )
    if held_out not in ("tail", "random"):
        raise InputError(f"held_out: expected 'tail' or 'random'. Received: {held_out!r}")
    trained = math.floor(rows * (1.0 - fraction))
    if not 0 < trained < rows:
        raise InputError(
            f"validation: {fraction} of {rows} rows leaves {trained} to train on and "
            f"{rows - trained} to validate on. Expected at least one of each."
        )
    order = np.arange(rows) if held_out == "tail" else rng.permutation(rows)
    return np.sort(order[:trained]), np.sort(order[trained:])


def gathered(
    array: Array, rows: Array, memory: Memory, dtype: np.dtype[np.generic] | None = None
) -> Array:
    """Rows of an array, in reused memory.

    Args:
        array: (N, …).
        rows: indices (B,), each within the array.
        memory: where the result lies.
        dtype: the result's; that of the array without.

    Returns:
        (B, …), valid until the next call with this memory.

    Example:
        >>> gathered(np.array([[1.0], [2.0], [3.0]]), np.array([2, 0]), Memory(reuse=True))
        array([[3.],
               [1.]])
    """
    shape = (len(rows), *array.shape[1:])
    # Any mode but this default one writes to where it should without a copy in between.
    taken = np.take(array, rows, axis=0, out=memory.empty("rows", shape, array.dtype), mode="clip")
    if dtype is None or dtype == array.dtype:
        return taken
    converted = memory.empty("converted", shape, dtype)
    np.copyto(converted, taken, casting="unsafe")
    return converted
