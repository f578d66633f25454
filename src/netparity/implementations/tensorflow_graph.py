"""TensorFlow 1 graphs, driven through the author's own session.

Nothing is added to the graph: variables are written by feeding their initializers, the
optimizer is given gradients by feeding what its update ops read, and dropout is given draws
by feeding the random numbers it compares with the rate. So looking moves no seed of an op;
and as a look always feeds those numbers, no random op of a dropout runs but in a step.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np

from netparity.errors import CannotError, InputError
from netparity.implementations.author import Authored, Options, read_options, weighing
from netparity.implementations.base import Array, Loss, Values
from netparity.implementations.own_step import OwnStep
from netparity.implementations.tensorflow_rates import GraphRates
from netparity.implementations.tensorflow_session import LiveGraph

if TYPE_CHECKING:
    from netparity.conventions import Conventions


class TensorFlowGraph(Authored):
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
        weights: the placeholder of the weights of the rows, or ``None``; without it they are 1.
        penalty: the tensor of the penalty that ``loss`` contains; where it is not given it
            is read from the graph as the terms of the loss that no input leads to.
        name: what to call it in a report.
        **options: see ``Options``; a ``schedule`` is fed in place of the learning rate.

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
        weights: Any = None,
        penalty: Any = None,
        name: str | None = None,
        **options: Unpack[Options],
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
            weights=weights,
        )
        self.name = name or "TensorFlow graph"
        self.version = str(tf.__version__)
        self.author = read_options(self.name, options)
        self._rates = GraphRates(self.live, self.author)
        own = self.author.functions.get("train_step")
        self._own_step = None if own is None else OwnStep(own, self, f"{self.name}, train_step")

    # ---- read -------------------------------------------------------------------------
    @property
    def abilities(self) -> frozenset[str]:
        """What the tensors and functions given allow."""
        live = self.live
        given = {
            "loss": live.loss,
            "gradients": live.loss if live.gradient_tensors else None,
            "loss-of": live.chosen,
            "penalty": live.splits_loss or None,
            "step": live.train_op if self._own_step is None else self._own_step,
            "weights": live.weights,
            "update": live.applied or None,
            "activations": live.nodes or None,
            "draws": live.dropouts or None,
        }
        able = {ability for ability, thing in given.items() if thing is not None}
        return frozenset(able | {"adjust"} | self.author.abilities)

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

        return self._rates.applied_to(declared(self.live, x))

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

    def state(self) -> Any:
        """All variables: parameters, slots, powers of β, step counters."""
        return {
            "variables": self.live.read(self.live.variables),
            "rates": self._rates.state(),
            "own": None if self._own_step is None else self._own_step.state(),
        }

    def restore(self, state: Any) -> None:
        """Writes what ``state`` returned. The position of a random op cannot be set back."""
        self.live.write(state["variables"])
        self._rates.restore(state["rates"])
        if self._own_step is not None:
            self._own_step.restore(state["own"])

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
        self, x: Array, y: Array, *, training: bool = True, draws: Sequence[Array] | None = None,
        weights: Array | None = None,
    ) -> Loss:  # fmt: skip
        """The loss tensor, and the terms of it that inputs do not lead to."""
        live = self.live
        if live.loss is None:
            raise CannotError("loss")
        parts = {"total": live.loss, "data": live.data_terms, "penalty": live.penalty_terms}
        counted = self._counted(y, weights)
        found = live.look(parts, x, y, training=training, draws=draws, weights=counted)
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

    def gradients(
        self, x: Array, y: Array, *, draws: Sequence[Array] | None = None,
        weights: Array | None = None,
    ) -> Values:  # fmt: skip
        """What the update ops read as gradients; else ``tf.gradients`` of the loss."""
        live = self.live
        if not live.gradient_tensors or live.loss is None:
            raise CannotError("gradients")
        counted = self._counted(y, weights)
        found: Values = live.look(
            live.gradient_tensors, x, y, training=True, draws=draws, weights=counted
        )
        return found

    def _counted(self, y: Array, weights: Array | None) -> Array | None:
        counted = self.author.weights(y, weights)
        if counted is not None and self.live.weights is None and not np.all(counted == 1):
            raise InputError(
                f"{self.name}: expected the placeholder of the weights of the rows; received none",
                hint="netparity.TensorFlowGraph(…, weights=placeholder)",
            )
        return counted

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
        self._rates.before_step()
        live.run(live.train_op, feed)
        self._rates.after_step()
        live.write(kept)

    def step(
        self, x: Array, y: Array, *, draws: Sequence[Array] | None = None,
        weights: Array | None = None,
    ) -> None:  # fmt: skip
        """The author's own step; else the train op, with draws or its own random numbers."""
        live = self.live
        if "step" not in self.abilities:
            raise CannotError("step")
        self._rates.before_step()
        if self._own_step is not None:
            self._make_own_step(self._own_step, x, y, weights, draws)
        else:
            feed = live.base_feed(x, y, True, self._counted(y, weights))
            if draws is not None:
                feed, _ = live.fill(feed, draws)
            live.run(live.train_op, feed)
        self._rates.after_step()

    def _make_own_step(
        self, step: OwnStep, x: Array, y: Array, weights: Array | None,
        draws: Sequence[Array] | None,
    ) -> None:  # fmt: skip
        if draws is not None:
            raise CannotError("draws")
        counted = self.author.weights(y, weights)
        named = weighing(step.function, f"{self.name}, train_step", counted)
        step.call(lambda: ((x, y), named), lambda: ((x, y), named))

    def end_epoch(self) -> None:
        """A schedule that counts epochs moves on."""
        self._rates.end_epoch()

    # ---- adjust -----------------------------------------------------------------------
    def adjust(self, wanted: Conventions, x: Array) -> bool:
        """Dropout rates and constants of optimizer and penalties, by feeding their tensors."""
        from netparity.implementations.tensorflow_declared import adjust

        at_present = self._rates.at_present(wanted)
        if not self._rates.can_follow(wanted) or not adjust(self.live, at_present, x):
            return False
        self._rates.follow(wanted)
        return True
