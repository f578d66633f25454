"""TensorFlow 1 graphs, driven through the author's own session.

Nothing is added to the graph: variables are written by feeding their initializers, the
optimizer is given gradients by feeding what its update ops read, and dropout is given draws
by feeding the random numbers it compares with the rate. So looking moves no seed of an op;
and as a look always feeds those numbers, no random op of a dropout runs but in a step.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from netparity.errors import CannotError, InputError
from netparity.implementations.base import Array, Implementation, Loss, Values, Watched
from netparity.implementations.tensorflow_session import LiveGraph
from netparity.implementations.watching import watch_loop

if TYPE_CHECKING:
    from netparity.conventions import Conventions


class TensorFlowGraph(Implementation):
    """A network built as a TensorFlow 1 graph (``tf.compat.v1``), with its session.

    Args:
        session: the session, its variables initialized.
        inputs: the placeholder of the inputs, ``(N, …)``.
        targets: the placeholder of the targets, or ``None``.
        predictions: the output tensor, logits or probabilities.
        loss: the scalar trained on, or ``None``.
        train_op: the op that makes one update, or ``None``.
        feeds: further values fed while training (``{keep_prob: 0.7}``).
        inference_feeds: the same while predicting; by default ``feeds``.
        batches: ``(x, y, epoch)`` → the ``(x, y)`` it is fed in that epoch.
        report: ``(x, y)`` → ``{name: value}``, what its author prints.
        report_every: ``"step"`` or ``"epoch"``.
        result: ``() → {name: array}``, the parameters it hands over in the end.
        validation: ``(x, y)`` → the rows it holds out.
        penalty: the tensor of the penalty that ``loss`` contains; where it is not given it
            is read from the graph as the terms of the loss that no input leads to.
        name: what to call it in a report.

    Raises:
        InputError: a tensor that is not of the session's graph, or no trainable variable.

    Parity: ``tf.nn.l2_loss`` is ½Σw²; ``nn.dropout(x, keep_prob)`` takes the probability to
    keep; ``AdamOptimizer`` puts ε beside √v before bias correction, ε = 1e-8
    (https://www.tensorflow.org/api_docs/python/tf/compat/v1/train/AdamOptimizer).
    """

    framework = "tensorflow"

    def __init__(
        self,
        session: Any,
        inputs: Any,
        targets: Any = None,
        predictions: Any = None,
        loss: Any = None,
        train_op: Any = None,
        feeds: Mapping[Any, Any] | None = None,
        inference_feeds: Mapping[Any, Any] | None = None,
        *,
        batches: Callable[[Array, Array, int], Iterable[Any]] | None = None,
        report: Callable[[Array, Array], Mapping[str, Any]] | None = None,
        report_every: Literal["step", "epoch"] = "step",
        result: Callable[[], Mapping[str, Any]] | None = None,
        validation: Callable[[Array, Array], tuple[Array, Array]] | None = None,
        penalty: Any = None,
        name: str | None = None,
    ) -> None:
        import tensorflow as tf

        self.live = LiveGraph(
            session=session,
            inputs=inputs,
            targets=targets,
            predictions=predictions,
            loss=loss,
            train_op=train_op,
            feeds=feeds,
            inference_feeds=inference_feeds,
            penalty=penalty,
        )
        self.name = name or "TensorFlow graph"
        self.version = str(tf.__version__)
        self._batches = batches
        self._report = report
        self._report_every = report_every
        self._result = result
        self._validation = validation

    # ---- read -------------------------------------------------------------------------
    @property
    def abilities(self) -> frozenset[str]:
        """What the tensors and functions given allow."""
        live = self.live
        given = {
            "report": self._report,
            "result": self._result,
            "validation": self._validation,
            "batches": self._batches,
            "loss": live.loss,
            "gradients": live.loss if live.gradient_tensors else None,
            "loss-of": live.chosen,
            "penalty": live.splits_loss or None,
            "step": live.train_op,
            "update": live.applied or None,
            "activations": live.nodes or None,
            "draws": live.dropouts or None,
        }
        able = {ability for ability, thing in given.items() if thing is not None}
        return frozenset(able | {"adjust"})

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of the predictions."""
        found: np.dtype[Any] = np.dtype(self.live.predictions.dtype.base_dtype.as_numpy_dtype)
        return found

    def parameters(self) -> Values:
        """Copies of the trainable variables, by name (without ``:0``)."""
        return self.live.read(self.live.trainable)

    def declared(self, x: Array) -> Conventions:
        """What the ops of the graph and their constants say."""
        from netparity.implementations.tensorflow_declared import declared

        return declared(self.live, x)

    # ---- drive ------------------------------------------------------------------------
    def set_parameters(self, values: Mapping[str, Array]) -> None:
        """Writes variables through their initializers."""
        for name, value in values.items():
            if name not in self.live.trainable:
                known = ", ".join(self.live.trainable)
                raise InputError(f"{self.name}: no parameter {name!r}; expected one of {known}")
            expected = tuple(self.live.trainable[name].shape)
            if np.shape(value) != expected:
                raise InputError(f"{name}: expected shape {expected}, received {np.shape(value)}")
        self.live.write(values)

    def state(self) -> Values:
        """All variables: parameters, slots, powers of β, step counters."""
        return self.live.read(self.live.variables)

    def restore(self, state: Mapping[str, Array]) -> None:
        """Writes what ``state`` returned. The position of a random op cannot be set back."""
        self.live.write(state)

    def predict(
        self, x: Array, *, training: bool = False, draws: Sequence[Array] | None = None
    ) -> Array:
        """The predictions, with the feeds of that mode."""
        live = self.live
        found: Array = live.look(live.predictions, x, None, training=training, draws=draws)
        return found

    def activations(
        self, x: Array, *, training: bool = False, draws: Sequence[Array] | None = None
    ) -> Values:
        """The outputs of the layers found walking back from the predictions, by op name."""
        live = self.live
        if not live.nodes:
            raise CannotError("activations")
        tensors = {node.name: node.output for node in live.nodes}
        found: Values = live.look(tensors, x, None, training=training, draws=draws)
        return found

    def dropouts(self, x: Array) -> list[tuple[int, ...]]:
        """The shapes of the random numbers that dropouts compare."""
        return [draw.shape for draw in self.live.fill(self.live.base_feed(x, None, True))[1]]

    def loss(
        self, x: Array, y: Array, *, training: bool = True, draws: Sequence[Array] | None = None
    ) -> Loss:
        """The loss tensor, and the terms of it that inputs do not lead to."""
        live = self.live
        if live.loss is None:
            raise CannotError("loss")
        parts = {"total": live.loss, "data": live.data_terms, "penalty": live.penalty_terms}
        found = live.look(parts, x, y, training=training, draws=draws)
        total = float(found["total"])
        if not live.splits_loss:
            return Loss(total)
        penalty = float(sum(float(term) for term in found["penalty"]))
        if live.given_penalty:
            return Loss(total, total - penalty, penalty)
        return Loss(total, float(sum(float(term) for term in found["data"])), penalty)

    def loss_of(self, prediction: Array, y: Array) -> float:
        """The data loss with the predictions fed."""
        live = self.live
        if live.chosen is None:
            raise CannotError("loss-of")
        tensor, transform = live.chosen
        feed = live.base_feed(None, y, True)
        feed[tensor] = live.cast(transform(np.asarray(prediction)), tensor)
        return float(sum(float(term) for term in live.run(live.data_terms, feed)))

    def gradients(self, x: Array, y: Array, *, draws: Sequence[Array] | None = None) -> Values:
        """What the update ops read as gradients; else ``tf.gradients`` of the loss."""
        live = self.live
        if not live.gradient_tensors or live.loss is None:
            raise CannotError("gradients")
        found: Values = live.look(live.gradient_tensors, x, y, training=True, draws=draws)
        return found

    def update(self, gradients: Mapping[str, Array]) -> None:
        """Runs the train op with gradients fed; parameters without one stay."""
        live = self.live
        if not live.applied:
            raise CannotError("update")
        feed = live.base_feed(None, None, True)
        for name, applied in live.applied.items():
            shape = tuple(live.trainable[name].shape)
            feed[applied.gradient] = live.cast(
                gradients.get(name, np.zeros(shape)), applied.gradient
            )
        still = [
            variable
            for name, applied in live.applied.items()
            if name not in gradients
            for variable in applied.variables
        ]
        kept = live.read({v: live.variables[v] for v in still if v in live.variables})
        live.run(live.train_op, feed)
        live.write(kept)

    def step(self, x: Array, y: Array, *, draws: Sequence[Array] | None = None) -> None:
        """Runs the train op; without draws, with the graph's own random numbers."""
        live = self.live
        if live.train_op is None:
            raise CannotError("step")
        feed = live.base_feed(x, y, True)
        if draws is not None:
            feed, _ = live.fill(feed, draws)
        live.run(live.train_op, feed)

    def batches(self, x: Array, y: Array, epoch: int) -> Iterator[tuple[Array, Array]]:
        """The author's own batches."""
        if self._batches is None:
            raise CannotError("batches")
        for batch in self._batches(x, y, epoch):
            yield np.asarray(batch[0]), np.asarray(batch[1])

    def validation(self, x: Array, y: Array) -> tuple[Array, Array]:
        """The rows the author holds out."""
        if self._validation is None:
            raise CannotError("validation")
        return self._validation(x, y)

    def watch(self, x: Array, y: Array, *, epochs: int, batch_size: int, limit: int) -> Watched:
        """The author's loop: batches, train op, report."""
        if self._report is None and self._result is None:
            raise CannotError("report")
        return watch_loop(
            self,
            x,
            y,
            batches=self._batches,
            report=self._report,
            report_every=self._report_every,
            result=self._result,
            epochs=epochs,
            batch_size=batch_size,
            limit=limit,
        )

    # ---- adjust -----------------------------------------------------------------------
    def adjust(self, wanted: Conventions, x: Array) -> bool:
        """Dropout rates and constants of optimizer and penalties, by feeding their tensors."""
        from netparity.implementations.tensorflow_declared import adjust

        return adjust(self.live, wanted, x)
