"""The description as a Keras model in a TensorFlow loop of its author's own."""

from __future__ import annotations

from typing import Any

from benchmarks.pairs.description import Description, Style, Unable, only, within
from benchmarks.pairs.keras_program import model, optimizer

import netparity
from netparity import nn


def build(description: Description, style: Style, **more: Any) -> netparity.TensorFlow:
    """The model, the loss on its predictions, and the optimizer."""
    made = model(description, penalized=False)
    if description.penalties and description.of_kind(nn.GRU):
        raise Unable("tensorflow: both biases of a GRU are one variable")
    if description.penalties:
        more["penalty"] = _penalty(description)
    return netparity.TensorFlow(made, _loss(description.loss), optimizer(description), **more)


def _loss(loss: Any) -> Any:
    import tensorflow as tf

    def reduced(each: Any, outputs: str | None = None) -> Any:
        """Rows and outputs as the loss says."""
        if outputs is not None:
            each = tf.reduce_mean(each, 1) if outputs == "mean" else tf.reduce_sum(each, 1)
        total = tf.reduce_mean(each) if loss.batch == "mean" else tf.reduce_sum(each)
        return total if loss.factor == 1.0 else loss.factor * total

    match loss:
        case nn.SoftmaxCrossEntropy():
            only(loss, "batch", "factor")

            def entropy(p: Any, y: Any) -> Any:
                y = tf.cast(y, tf.int64)
                return reduced(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=y, logits=p))

            return entropy
        case nn.SigmoidCrossEntropy():
            only(loss, "batch", "outputs", "factor")

            def binary(p: Any, y: Any) -> Any:
                y = tf.cast(y, p.dtype)
                each = tf.nn.sigmoid_cross_entropy_with_logits(labels=y, logits=p)
                return reduced(each, loss.outputs)

            return binary
        case nn.MeanSquaredError():
            return lambda p, y: reduced(tf.square(p - tf.cast(y, p.dtype)), loss.outputs)
        case nn.MeanAbsoluteError():
            return lambda p, y: reduced(tf.abs(p - tf.cast(y, p.dtype)), loss.outputs)
    raise Unable(f"tensorflow: {loss!r}")


def _penalty(description: Description) -> Any:
    import tensorflow as tf

    if any(t.scale_with_batch or not isinstance(t, nn.L1 | nn.L2) for t in description.penalties):
        raise Unable(f"tensorflow: {description.penalties!r}")

    def penalty(made: Any) -> Any:
        total = 0.0
        for term in description.penalties:
            c = term.factor * term.coefficient
            for full, w in zip(description.initial, made.trainable_variables, strict=True):
                if within(term.scope, full):
                    w = tf.convert_to_tensor(w)
                    values = tf.square(w) if isinstance(term, nn.L2) else tf.abs(w)
                    total = total + c * tf.reduce_sum(values)
        return total

    return penalty
