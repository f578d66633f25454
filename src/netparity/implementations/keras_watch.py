"""Runs a Keras model as its author does, and records it.

Without functions of the author's own that is ``fit``, unshuffled, watched by a callback
that copies the state before each batch and keeps what ``fit`` logs.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np

from netparity.errors import CannotError
from netparity.implementations.base import Reported, Watched
from netparity.implementations.values import as_arrays
from netparity.implementations.watching import weighted_in_order

if TYPE_CHECKING:
    from netparity.implementations.keras import Keras

Array = np.ndarray[Any, np.dtype[Any]]
Fed = tuple[Array, Array, Array | None]


def watch(side: Keras, x: Array, y: Array, *, epochs: int, batch_size: int, limit: int) -> Watched:
    """At most ``limit`` updates of ``fit``, or of the author's own loop where there is one."""
    functions = side.author.functions
    given = ("report", "train_step")
    if any(key in functions for key in given) or side.live.penalty is not None:
        return side.loop(x, y, epochs=epochs, batch_size=batch_size, limit=limit)
    x, prepared = side.preprocess(x, y)
    y = y if prepared is None else prepared
    live = side.live
    if not live.has_loss or side.model.steps_per_execution != 1:
        raise CannotError("report")
    held: tuple[Array, Array] | None = None
    if "validation" in functions:
        held = side.validation(x, y)
        x, y = remaining(x, y, held)
        held = (live.cast(held[0]), live.cast(held[1]))
    x, y = live.cast(x), live.cast(y)
    record = _Record(side)
    if "batches" in functions:
        _fit_batches(record, x, y, held, epochs=epochs, limit=limit)
        return record.watched()
    kept, rows, targets = shortened(x, y, epochs=epochs, batch_size=batch_size, limit=limit)
    if kept < epochs or len(rows) < len(x):
        record.notes.append(f"run on the first {len(rows)} rows for {kept} epochs")
    weights = side.author.sample_weight
    batches = weighted_in_order(x, y, weights, batch_size, side.name)
    record.expected = batches[: -(-len(rows) // batch_size)]
    counted = None if weights is None else weights[: len(rows)]
    with _without_retracing_advice():
        side.model.fit(
            rows,
            targets,
            batch_size=batch_size,
            epochs=kept,
            shuffle=False,
            verbose=0,
            validation_data=held,
            sample_weight=side.author.weights(targets, counted),
            callbacks=[record.callback()],
        )
    return record.watched()


@contextlib.contextmanager
def _without_retracing_advice() -> Iterator[None]:
    """Keeps TensorFlow from advising against the retracing that building again brings."""
    logger = logging.getLogger("tensorflow")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


def remaining(x: Array, y: Array, held: tuple[Array, Array]) -> tuple[Array, Array]:
    """The rows that are not held out: those before the tail, or all but the equal ones.

    Example:
        >>> x = np.array([[1], [2], [2]])
        >>> remaining(x, x, (x[2:], x[2:]))[0].tolist()
        [[1], [2]]
    """
    rows = len(held[0])
    if not rows:
        return x, y
    if np.array_equal(x[-rows:], held[0]) and np.array_equal(y[-rows:], held[1]):
        return x[:-rows], y[:-rows]
    out: set[int] = set()
    for row, target in zip(*held, strict=True):
        for index in reversed(range(len(x))):
            equal = np.array_equal(x[index], row) and np.array_equal(y[index], target)
            if equal and index not in out:
                out.add(index)
                break
    keep = [index for index in range(len(x)) if index not in out]
    return x[keep], y[keep]


def shortened(
    x: Array, y: Array, *, epochs: int, batch_size: int, limit: int
) -> tuple[int, Array, Array]:
    """As many epochs as fit, on the first rows that keep all of it within ``limit`` updates.

    Example:
        >>> x = np.arange(100)
        >>> epochs, rows, _ = shortened(x, x, epochs=2, batch_size=10, limit=8)
        >>> epochs, len(rows)
        (2, 40)
    """
    epochs = max(1, min(epochs, limit))
    rows = max(1, limit // epochs) * batch_size
    return epochs, x[:rows], y[:rows]


def _fit_batches(
    record: _Record,
    x: Array,
    y: Array,
    held: tuple[Array, Array] | None,
    *,
    epochs: int,
    limit: int,
) -> None:
    """``fit`` on the author's batches, an epoch at a time so that each may have its own count."""
    side, left = record.side, limit
    for epoch in range(epochs):
        feeding = side.weighted_batches(x, y, epoch)
        fed = list(islice(feeding, left + 1))
        if len(fed) > left:
            record.notes.append(f"epoch {epoch + 1} stopped after update {limit}")
        fed, more = fed[:left], len(fed) <= left
        left -= len(fed)
        if not fed:
            return
        record.expected = fed
        weighs = side.author.class_weight is not None or any(w is not None for *_, w in fed)
        with _without_retracing_advice():
            side.model.fit(
                (_cast(side, batch, weighs) for batch in fed),
                steps_per_epoch=len(fed),
                initial_epoch=epoch,
                epochs=epoch + 1,
                shuffle=False,
                verbose=0,
                validation_data=held,
                callbacks=[record.callback()],
            )
        if not more or not left:
            return


def _cast(side: Keras, batch: Fed, weighs: bool) -> tuple[Array, ...]:
    """A batch as ``fit`` takes it, with weights where any batch has them: then all must."""
    x, y, given = batch
    if weighs and given is None:
        given = np.ones(len(x))
    counted = side.author.weights(y, given)
    parts = (x, y) if counted is None else (x, y, counted)
    return tuple(side.live.cast(part) for part in parts)


class _Record:
    """What a callback of ``fit`` sees; ``expected`` holds the batches of the epoch to come."""

    def __init__(self, side: Keras) -> None:
        self.side = side
        self.expected: list[Fed] = []
        self.notes: list[str] = []
        self._states: list[Any] = []
        self._fed: list[tuple[Array, Array]] = []
        self._weights: list[Array | None] = []
        self._epochs: list[int] = []
        self._reported: list[Reported] = []
        self._results: list[tuple[int, Mapping[str, Array]]] = []
        self._epoch = 0

    def callback(self) -> Any:
        """A callback of Keras that records into this."""
        from keras.callbacks import LambdaCallback

        return LambdaCallback(
            on_epoch_begin=self._begin_epoch,
            on_train_batch_begin=self._begin_batch,
            on_train_batch_end=self._end_batch,
            on_epoch_end=self._end_epoch,
        )

    def watched(self) -> Watched:
        """All that was recorded, with the state the run ended in."""
        return Watched(
            states=(*self._states, self.side.state()),
            fed=tuple(self._fed),
            weights=tuple(self._weights),
            epochs=tuple(self._epochs),
            reported=tuple(self._reported),
            report_every="epoch",
            results=tuple(self._results),
            notes=tuple(self.notes),
        )

    def _settle(self) -> None:
        """Has the model hold its values: on JAX, ``fit`` keeps them elsewhere meanwhile."""
        if self.side.live.backend == "jax":
            self.side.model.jax_state_sync()

    def _begin_epoch(self, epoch: int, logs: Any) -> None:
        self._epoch = epoch

    def _begin_batch(self, batch: int, logs: Any) -> None:
        x, y, weights = self.expected[batch]
        self._settle()
        self._states.append(self.side.state())
        self._weights.append(weights)
        self.side.rates.before_step()
        self._fed.append((np.array(x), np.array(y)))
        self._epochs.append(self._epoch)

    def _end_batch(self, batch: int, logs: Any) -> None:
        self._settle()
        self.side.rates.after_step()

    def _end_epoch(self, epoch: int, logs: Mapping[str, float] | None) -> None:
        self._settle()
        self.side.end_epoch()
        for name, value in (logs or {}).items():
            self._reported.append(Reported(len(self._fed), epoch, name, float(value)))
        result = self.side.author.functions.get("result")
        if result is not None:
            values = as_arrays(result(), f"{self.side.name}, result")
            self._results.append((len(self._fed), values))
