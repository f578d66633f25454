"""A TensorFlow 1 graph as netparity drives it: what to feed and what to run.

Everything is done with the tensors the graph has; no op is added (but where a graph has a
loss and no train op: then ``tf.gradients`` adds its ops, none of them random).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from netparity.errors import InputError
from netparity.implementations.tensorflow_walk import (
    Node,
    ancestors,
    chain,
    depends,
    dropouts,
    terms,
    variable_op,
)

Array = np.ndarray[Any, np.dtype[Any]]
Feed = dict[Any, Any]


@dataclass(frozen=True, slots=True)
class Applied:
    """One update op.

    Attributes:
        op: the op.
        gradient: the tensor it reads as gradient.
        arguments: all its input tensors, by the name the op gives them.
        variables: names of the variables it changes (the parameter and its slots).
    """

    op: Any
    gradient: Any
    arguments: Mapping[str, Any]
    variables: tuple[str, ...]


class LiveGraph:
    """Session, tensors and variables.

    Args: see ``TensorFlowGraph``.
    """

    def __init__(
        self,
        *,
        session: Any,
        inputs: Any,
        targets: Any,
        predictions: Any,
        loss: Any,
        train_op: Any,
        feeds: Mapping[Any, Any] | None,
        inference_feeds: Mapping[Any, Any] | None,
        penalty: Any,
        weights: Any = None,
    ) -> None:
        self.session = session
        self.graph = session.graph
        self.inputs = self._element(inputs, "inputs")
        self.predictions = self._element(predictions, "predictions")
        self.targets = None if targets is None else self._element(targets, "targets")
        self.loss = None if loss is None else self._element(loss, "loss")
        self.train_op = train_op
        if train_op is not None:
            several = isinstance(train_op, (list, tuple))
            ops = [self._element(op, "train_op") for op in (train_op if several else [train_op])]
            self.train_op = [getattr(op, "op", op) for op in ops]
        self.feeds = self._feeds(feeds or {}, "feeds")
        given = feeds if inference_feeds is None else inference_feeds
        self.inference_feeds = self._feeds(given or {}, "inference_feeds")
        #: constants of the graph that ``adjust`` feeds another value for
        self.overrides: Feed = {}
        self.weights = None if weights is None else self._element(weights, "weights")
        self._penalty = None if penalty is None else self._element(penalty, "penalty")
        roots = [self.predictions] + ([] if self.loss is None else [self.loss])
        trained = roots + list(self.train_op or [])
        self.variables = self._known(ancestors(trained), trainable=False)
        self.trainable = self._known(ancestors(roots), trainable=True)
        if not self.trainable:
            msg = "TensorFlowGraph: no trainable variable leads to the predictions or the loss"
            raise InputError(msg)
        self.nodes, self.whole = chain(self.predictions, self.inputs)
        self.dropouts: list[Node] = dropouts(roots)
        self.applied = self._applied()
        self._split()
        self.gradient_tensors = self._gradient_tensors()

    # ---- what is run --------------------------------------------------------------------
    def run(self, fetches: Any, feed: Feed) -> Any:
        """Runs tensors or ops of the graph."""
        return self.session.run(fetches, feed_dict={**feed, **self.overrides})

    def look(
        self,
        fetches: Any,
        x: Array | None,
        y: Array | None,
        *,
        training: bool,
        draws: Sequence[Array] | None,
        weights: Array | None = None,
    ) -> Any:
        """Runs tensors without running any dropout's random op."""
        feed, _ = self.fill(self.base_feed(x, y, training, weights), draws if training else None)
        return self.run(fetches, feed)

    def base_feed(
        self, x: Array | None, y: Array | None, training: bool, weights: Array | None = None
    ) -> Feed:
        """Inputs, targets, the weights of the rows and the feeds of a mode."""
        feed: Feed = dict(self.feeds if training else self.inference_feeds)
        if x is not None:
            feed[self.inputs] = self.cast(np.asarray(x), self.inputs)
        if y is not None and self.targets is not None:
            feed[self.targets] = self.cast(np.asarray(y), self.targets)
            if self.weights is not None:
                counted = np.ones(len(y)) if weights is None else weights
                feed[self.weights] = self.cast(counted, self.weights)
        return feed

    def fill(self, feed: Feed, draws: Sequence[Array] | None = None) -> tuple[Feed, list[Array]]:
        """A feed with draws for every dropout; without draws given, numbers of our own.

        Raises:
            InputError: another number of draws than of dropouts, or another shape.
        """
        if draws is not None and len(draws) != len(self.dropouts):
            msg = f"dropout: expected draws for {len(self.dropouts)}, received {len(draws)}"
            raise InputError(msg, hint="give one array of draws for each dropout")
        feed = dict(feed)
        used: list[Array] = []
        # Looking has numbers of its own, the same each time, so that no op's seed moves.
        rng = np.random.default_rng(0)
        for index, node in enumerate(self.dropouts):
            shape = self._shape(node, feed)
            draw = rng.random(shape) if draws is None else np.asarray(draws[index])
            if draw.shape != shape:
                msg = f"{node.name}: expected draws of shape {shape}, received {draw.shape}"
                raise InputError(msg)
            used.append(self.cast(draw, node.uniform))
            feed[node.uniform] = used[-1]
        return feed, used

    def cast(self, values: Array, tensor: Any) -> Array:
        """An array in a tensor's dtype."""
        found: Array = np.asarray(values).astype(tensor.dtype.base_dtype.as_numpy_dtype)
        return found

    def constant(self, tensor: Any) -> float:
        """The value of a scalar, as its author wrote it where it is kept in float32."""
        value = np.asarray(self.run(tensor, self.base_feed(None, None, True)))
        return float(str(value)) if value.dtype == np.float32 else float(value)

    def is_constant(self, tensor: Any) -> bool:
        """Whether a tensor depends on nothing that training changes or data feeds."""
        if tensor.shape.rank is None or not tensor.shape.is_fully_defined():
            return False
        found = ancestors([tensor])
        fed = {str(key.op.name) for key in self.feeds}
        return all(
            op.type not in ("VarHandleOp", "VariableV2", "Variable")
            and (op.type not in ("Placeholder", "PlaceholderV2") or op.name in fed)
            for op in found.values()
        )

    def is_inside(self, tensor: Any) -> bool:
        """Whether a scalar depends on variables and constants alone, or is fed another value."""
        if tensor in self.overrides:
            return True
        return tensor.shape.rank == 0 and not any(
            op.type in ("Placeholder", "PlaceholderV2") for op in ancestors([tensor]).values()
        )

    # ---- variables ----------------------------------------------------------------------
    def read(self, variables: Mapping[str, Any]) -> dict[str, Array]:
        """Copies of variables' values.

        Raises:
            InputError: they were not initialized.
        """
        from tensorflow.errors import FailedPreconditionError

        try:
            values = self.session.run(dict(variables)) if variables else {}
        except FailedPreconditionError as error:
            msg = f"TensorFlowGraph: the session's variables are not initialized ({error.message})"
            hint = "run tf.compat.v1.global_variables_initializer() in the session first"
            raise InputError(msg, hint=hint) from None
        return {name: np.array(value) for name, value in values.items()}

    def write(self, values: Mapping[str, Array]) -> None:
        """Assigns variables by feeding the tensors that their initializers assign."""
        runs: list[tuple[list[Any], Feed]] = []
        for name, value in values.items():
            initializer = self.variables[name].initializer
            initial = initializer.inputs[1]
            # Variables that begin with one tensor's value cannot be written in one run.
            free = [run for run in runs if initial not in run[1]]
            if not free:
                runs.append(([], {}))
            ops, feed = (free or runs[-1:])[0]
            ops.append(initializer)
            feed[initial] = self.cast(value, initial)
        for ops, feed in runs:
            self.session.run(ops, feed)

    # ---- what there is ------------------------------------------------------------------
    def _element(self, thing: Any, what: str) -> Any:
        try:
            return self.graph.as_graph_element(thing)
        except (ValueError, TypeError, KeyError) as error:
            msg = f"TensorFlowGraph: {what} is not of the session's graph: {error}"
            hint = "build the tensors and the session in one tf.Graph"
            raise InputError(msg, hint=hint) from None

    def _feeds(self, feeds: Mapping[Any, Any], what: str) -> Feed:
        # By name too: ``as_graph_element`` takes what ``feed_dict`` does.
        return {self._element(key, what): value for key, value in feeds.items()}

    def _known(self, found: Mapping[str, Any], *, trainable: bool) -> dict[str, Any]:
        import tensorflow as tf

        keys = tf.compat.v1.GraphKeys
        kinds = [keys.TRAINABLE_VARIABLES]
        if not trainable:
            kinds = [keys.GLOBAL_VARIABLES, keys.LOCAL_VARIABLES, keys.TRAINABLE_VARIABLES]
        named: dict[str, Any] = {}
        for variable in (v for kind in kinds for v in self.graph.get_collection(kind)):
            if variable.op.name in found or variable.name.partition(":")[0] in found:
                named.setdefault(variable.name.partition(":")[0], variable)
        return named

    def _applied(self) -> dict[str, Applied]:
        """The update op of each parameter, behind the train op."""
        found: dict[str, Applied] = {}
        by_op = {
            getattr(v.handle, "op", v.op).name if hasattr(v, "handle") else v.op.name: n
            for n, v in self.variables.items()
        }
        for op in ancestors(self.train_op or []).values():
            if "Apply" not in op.type or "Sparse" in op.type:
                continue
            names = [argument.name for argument in op.op_def.input_arg]
            arguments = dict(zip(names, op.inputs, strict=True))
            gradient = next((arguments[n] for n in ("grad", "delta") if n in arguments), None)
            changed = [by_op.get(t.op.name) for t in op.inputs if variable_op(t) is not None]
            own = changed[0] if changed else None
            if gradient is not None and own in self.trainable and own is not None:
                slots = tuple(n for n in changed if n is not None)
                found[own] = Applied(op, gradient, arguments, slots)
        return {name: found[name] for name in self.trainable if name in found}

    def _split(self) -> None:
        """Tells the data loss and the penalty apart, and how to choose a prediction."""
        self.given_penalty = self._penalty is not None
        self.data_terms: list[Any] = []
        self.penalty_terms: list[Any] = []
        self.splits_loss = False
        self.chosen: tuple[Any, Callable[[Array], Array]] | None = None
        if self.loss is None:
            return
        roots = [self.inputs] + ([] if self.targets is None else [self.targets])
        for term in terms(self.loss):
            (self.data_terms if depends(term, roots) else self.penalty_terms).append(term)
        self.splits_loss = bool(self.data_terms)
        if self._penalty is not None:
            self.penalty_terms = [self._penalty]
        behind = ancestors(self.data_terms)
        if self.predictions.op.name in behind:
            self.chosen = (self.predictions, lambda p: p)
        elif self.predictions.op.type in ("Softmax", "Sigmoid"):
            logits = self.predictions.op.inputs[0]
            inverse = _softmax_logits if self.predictions.op.type == "Softmax" else _logit
            if logits.op.name in behind:
                self.chosen = (logits, inverse)

    def _gradient_tensors(self) -> dict[str, Any]:
        if self.applied:
            return {name: applied.gradient for name, applied in self.applied.items()}
        if self.loss is None:
            return {}
        import tensorflow as tf

        variables = list(self.trainable.values())
        with self.graph.as_default():
            found = tf.gradients(self.loss, variables)
        return {n: g for n, g in zip(self.trainable, found, strict=True) if g is not None}

    def _shape(self, node: Node, feed: Feed) -> tuple[int, ...]:
        """The shape of a dropout's draws for what is fed (earlier dropouts' draws too)."""
        uniform: Any = node.uniform
        known = uniform.shape.as_list() if uniform.shape.rank is not None else [None, None]
        if None in known[1:] or self.inputs not in feed:
            op = next(o for o in ancestors([uniform]).values() if o.type == "RandomUniform")
            return tuple(int(size) for size in self.run(op.inputs[0], feed))
        return (len(feed[self.inputs]) if known[0] is None else known[0], *known[1:])


def _softmax_logits(p: Array) -> Array:
    logits: Array = np.log(np.clip(p, np.finfo(p.dtype).tiny, None))
    return logits


def _logit(p: Array) -> Array:
    info = np.finfo(p.dtype)
    p = np.clip(p, info.tiny, 1 - info.epsneg)
    logits: Array = np.log(p) - np.log1p(-p)
    return logits
