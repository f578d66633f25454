"""The data loss of a TensorFlow graph as a loss of the reference network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from netparity.implementations.tensorflow_session import LiveGraph
from netparity.implementations.tensorflow_walk import unwrapped
from netparity.nn import (
    Loss,
    MeanAbsoluteError,
    MeanSquaredError,
    SigmoidCrossEntropy,
    SoftmaxCrossEntropy,
)

Reduction = Literal["mean", "sum"]


@dataclass(frozen=True, slots=True)
class _Reduced:
    """A scalar as ``factor`` times reductions of a tensor.

    ``batch`` and ``outputs`` are the reductions over rows and over what is in a row;
    ``outputs`` is ``None`` where the tensor has one value a row.
    """

    factor: float
    batch: Reduction
    outputs: Reduction | None
    tensor: Any


def data_loss(live: LiveGraph, texts: dict[str, str]) -> Loss | None:
    """The loss whose ops the graph has, or ``None``."""
    if live.loss is None or len(live.data_terms) != 1:
        return None
    reduced = _reductions(live, live.data_terms[0])
    if reduced is None:
        return None
    tensor = _unshaped(reduced.tensor)
    op = tensor.op
    if op.type in ("SoftmaxCrossEntropyWithLogits", "SparseSoftmaxCrossEntropyWithLogits"):
        texts["loss"] = "tf.nn.softmax_cross_entropy_with_logits"
        if op.type.startswith("Sparse"):
            texts["loss"] = "tf.nn.sparse_softmax_cross_entropy_with_logits"
        return _softmax(live, reduced, op.inputs[0])
    if op.type in ("SquaredDifference", "Square", "Pow", "Abs"):
        return _difference(live, reduced, op, texts)
    logits = _logistic_logits(op)
    if logits is not None:
        texts["loss"] = "tf.nn.sigmoid_cross_entropy_with_logits"
        source = _source(live, logits, "Sigmoid")
        if source is None or reduced.outputs is None:
            return None
        return SigmoidCrossEntropy(reduced.batch, reduced.outputs, reduced.factor, source)
    return _from_probabilities(live, reduced, op, texts)


def _reductions(live: LiveGraph, term: Any) -> _Reduced | None:
    """Takes factors and reductions off a scalar."""
    factor = 1.0
    tensor = unwrapped(term)
    kinds: list[tuple[Reduction, bool]] = []
    while True:
        tensor = unwrapped(tensor)
        op = tensor.op
        if op.type in ("Mul", "RealDiv"):
            constant = [live.is_constant(given) for given in op.inputs]
            if constant[1]:
                value = live.constant(op.inputs[1]) if not op.inputs[1].shape.rank else None
            elif constant[0] and op.type == "Mul" and not op.inputs[0].shape.rank:
                value = live.constant(op.inputs[0])
            else:
                break
            if value is None:
                return None
            factor *= 1 / value if op.type == "RealDiv" else value
            tensor = op.inputs[0] if constant[1] else op.inputs[1]
        elif op.type == "Neg":
            factor, tensor = -factor, op.inputs[0]
        elif op.type in ("Mean", "Sum"):
            given = op.inputs[0]
            rank = given.shape.rank
            if rank is None or op.get_attr("keep_dims"):
                return None
            kinds.append(("mean" if op.type == "Mean" else "sum", tensor.shape.rank == 0))
            if tensor.shape.rank not in (0, 1) or (tensor.shape.rank == 1 and rank != 2):
                return None
            if tensor.shape.rank == 1 and not _over_rows_values(live, op):
                return None
            tensor = given
        else:
            break
    if not kinds or not kinds[0][1]:
        return None
    rank = _unshaped(tensor).shape.rank
    if len(kinds) == 1:
        return _Reduced(factor, kinds[0][0], kinds[0][0] if rank != 1 else None, tensor)
    if len(kinds) == 2:
        return _Reduced(factor, kinds[0][0], kinds[1][0], tensor)
    return None


def _over_rows_values(live: LiveGraph, op: Any) -> bool:
    """Whether a reduction of a matrix is over its second axis."""
    if not live.is_constant(op.inputs[1]):
        return False
    axes = live.run(op.inputs[1], {})
    return [int(axis) for axis in axes.reshape(-1)] in ([1], [-1])


def _unshaped(tensor: Any) -> Any:
    """The tensor before reshapes that keep the number of values a row has."""
    tensor = unwrapped(tensor)
    while tensor.op.type in ("Reshape", "Squeeze", "ExpandDims"):
        tensor = unwrapped(tensor.op.inputs[0])
    return tensor


def _source(live: LiveGraph, logits: Any, kind: str) -> Any | None:
    """Whether the predictions are those logits, or what ``kind`` makes of them."""
    logits = _unshaped(logits)
    predictions = unwrapped(live.predictions)
    if logits.name == predictions.name:
        return "logits"
    made = predictions.op.type == kind
    if made and _unshaped(predictions.op.inputs[0]).name == logits.name:
        return "probabilities"
    return None


def _softmax(live: LiveGraph, reduced: _Reduced, logits: Any) -> Loss | None:
    source = _source(live, logits, "Softmax")
    if source is None or reduced.outputs is not None:
        return None
    renormalise = source == "probabilities"
    return SoftmaxCrossEntropy(reduced.batch, reduced.factor, source, None, renormalise)


def _difference(live: LiveGraph, reduced: _Reduced, op: Any, texts: dict[str, str]) -> Loss | None:
    inner = op if op.type == "SquaredDifference" else unwrapped(op.inputs[0]).op
    if op.type == "Pow" and not (
        live.is_constant(op.inputs[1]) and live.constant(op.inputs[1]) == 2
    ):
        return None
    if inner.type not in ("SquaredDifference", "Sub") or live.targets is None:
        return None
    ends = {unwrapped(given).name for given in inner.inputs}
    if ends != {unwrapped(live.predictions).name, unwrapped(live.targets).name}:
        return None
    batch, outputs = reduced.batch, reduced.outputs or "mean"
    if op.type == "Abs":
        texts["loss"] = "tf.abs"
        return MeanAbsoluteError(batch, outputs, reduced.factor)
    texts["loss"] = "tf.square"
    return MeanSquaredError(batch, outputs, reduced.factor)


def _logistic_logits(op: Any) -> Any | None:
    """The logits of ``sigmoid_cross_entropy_with_logits``, from the ops it is made of."""
    if op.type not in ("Add", "AddV2"):
        return None
    first, second = (unwrapped(given).op for given in op.inputs)
    if first.type != "Sub" or second.type != "Log1p":
        return None
    product = unwrapped(first.inputs[1]).op
    return product.inputs[0] if product.type == "Mul" else None


def _from_probabilities(
    live: LiveGraph, reduced: _Reduced, op: Any, texts: dict[str, str]
) -> Loss | None:
    """``-Σ y·log p`` written out, with or without ``clip_by_value``."""
    if op.type != "Mul" or reduced.factor >= 0 or reduced.outputs != "sum":
        return None
    if live.targets is None:
        return None
    for one, other in ((0, 1), (1, 0)):
        log, target = unwrapped(op.inputs[one]).op, unwrapped(op.inputs[other])
        if log.type != "Log" or target.name != unwrapped(live.targets).name:
            continue
        p, clip = unwrapped(log.inputs[0]), None
        if p.op.type == "Maximum" and unwrapped(p.op.inputs[0]).op.type == "Minimum":
            clip = live.constant(p.op.inputs[1])
            p = unwrapped(unwrapped(p.op.inputs[0]).op.inputs[0])
        if p.name != unwrapped(live.predictions).name:
            return None
        texts["loss"] = "-tf.reduce_sum(y * tf.log(p), axis=1)"
        return SoftmaxCrossEntropy(reduced.batch, -reduced.factor, "probabilities", clip)
    return None
