"""Walks a TensorFlow graph: what leads to what, and the chain of layers.

Nothing is run and nothing is added to the graph: only its structure is read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final, Literal

#: Ops that hand their first input on unchanged.
PASSING: Final = frozenset({"Identity", "StopGradient", "PreventGradient", "CheckNumerics"})
ADDING: Final = frozenset({"Add", "AddV2", "BiasAdd"})
VARIABLES: Final = frozenset({"VarHandleOp", "VariableV2", "Variable"})
ACTIVATIONS: Final = frozenset(
    {"Relu", "Elu", "LeakyRelu", "Sigmoid", "Tanh", "Softmax", "LogSoftmax", "Softplus"}
)

Kind = Literal["affine", "activation", "dropout", "flatten"]


@dataclass(frozen=True, slots=True)
class Node:
    """One layer found in a graph.

    Attributes:
        name: the name of the op that ends it (a dropout's scope).
        kind: what it is.
        output: its output tensor.
        given: its input tensor.
        op: the op that does the work (``MatMul`` of an affine layer).
        weight: the variable's op, of an affine layer.
        bias: the variable's op, where there is one.
        uniform: the random numbers that a dropout compares.
        rate: what it compares them with.
    """

    name: str
    kind: Kind
    output: Any
    given: Any
    op: Any
    weight: Any | None = None
    bias: Any | None = None
    uniform: Any | None = None
    rate: Any | None = None


def ancestors(targets: Iterable[Any], *, stop: Iterable[Any] = ()) -> dict[str, Any]:
    """All ops that lead to tensors or ops, those themselves too, by name.

    Args:
        targets: tensors or ops.
        stop: tensors that are not walked behind.
    """
    cut = {tensor.name for tensor in stop}
    pending = [target for target in targets if getattr(target, "name", None) not in cut]
    pending = [getattr(target, "op", target) for target in pending]
    found: dict[str, Any] = {}
    while pending:
        op = pending.pop()
        if op.name in found:
            continue
        found[op.name] = op
        pending += [tensor.op for tensor in op.inputs if tensor.name not in cut]
        pending += list(op.control_inputs)
    return found


def depends(tensor: Any, on: Iterable[Any]) -> bool:
    """Whether any of the tensors ``on`` leads to ``tensor``."""
    found = ancestors([tensor])
    return any(other.op.name in found for other in on)


def unwrapped(tensor: Any) -> Any:
    """The tensor before ops that hand it on unchanged."""
    while tensor.op.type in PASSING:
        tensor = tensor.op.inputs[0]
    return tensor


def variable_op(tensor: Any) -> Any | None:
    """The op of the variable that a tensor reads, if that is all it does."""
    op = tensor.op
    while op.type in PASSING or op.type == "ReadVariableOp":
        op = op.inputs[0].op
    return op if op.type in VARIABLES else None


def variable_below(tensor: Any) -> Any | None:
    """As ``variable_op``, also through a reshape (of a bias to a row)."""
    found = variable_op(tensor)
    if found is None and tensor.op.type in ("Reshape", "ExpandDims"):
        return variable_op(tensor.op.inputs[0])
    return found


def terms(tensor: Any) -> list[Any]:
    """The terms of a sum of scalars."""
    tensor = unwrapped(tensor)
    if tensor.op.type in ("Add", "AddV2", "AddN") and not tensor.shape.rank:
        return [term for given in tensor.op.inputs for term in terms(given)]
    return [tensor]


def chain(predictions: Any, inputs: Any) -> tuple[list[Node], bool]:
    """The layers from inputs to predictions, and whether they reach the inputs.

    Where an op is met that is no known layer, those above it are returned.
    """
    nodes: list[Node] = []
    tensor = predictions
    finders: tuple[Callable[[Any], Node | None], ...] = (_activation, _dropout, _affine, _flatten)
    while tensor.name != inputs.name:
        if tensor.op.type in PASSING:
            tensor = tensor.op.inputs[0]
            continue
        node = next((node for find in finders if (node := find(tensor)) is not None), None)
        if node is None:
            return nodes[::-1], False
        nodes.append(node)
        tensor = node.given
    return nodes[::-1], True


def dropouts(targets: Iterable[Any]) -> list[Node]:
    """The dropouts on the way to some tensors, in the order in which they can run."""
    found = ancestors(targets)
    nodes = [node for op in found.values() for out in op.outputs[:1] if (node := _dropout(out))]
    behind = {node.name: ancestors([node.output]) for node in nodes}
    return sorted(nodes, key=lambda n: sum(m.op.name in behind[n.name] for m in nodes))


def _activation(tensor: Any) -> Node | None:
    if tensor.op.type not in ACTIVATIONS:
        return None
    return Node(tensor.op.name, "activation", tensor, tensor.op.inputs[0], tensor.op)


def _affine(tensor: Any) -> Node | None:
    op = tensor.op
    product, bias = tensor, None
    if op.type in ADDING:
        for one, other in ((0, 1), (1, 0)):
            below = unwrapped(op.inputs[one])
            if below.op.type == "MatMul" and variable_below(op.inputs[other]) is not None:
                product, bias = below, variable_below(op.inputs[other])
                break
        else:
            return None
    if product.op.type != "MatMul" or product.op.get_attr("transpose_a"):
        return None
    weight = variable_op(product.op.inputs[1])
    if weight is None:
        return None
    return Node(op.name, "affine", tensor, product.op.inputs[0], product.op, weight, bias)


def _flatten(tensor: Any) -> Node | None:
    op = tensor.op
    if op.type != "Reshape" or tensor.shape.rank != 2:
        return None
    return Node(op.name, "flatten", tensor, op.inputs[0], op)


def _dropout(tensor: Any) -> Node | None:
    """``select(u >= rate, x / keep, 0)``, or ``x / keep * cast(u >= rate)``."""
    op = tensor.op
    if op.type in ("SelectV2", "Select"):
        compared, scaled = op.inputs[0], op.inputs[1]
    elif op.type == "Mul" and unwrapped(op.inputs[1]).op.type == "Cast":
        compared, scaled = unwrapped(op.inputs[1]).op.inputs[0], op.inputs[0]
    else:
        return None
    if compared.op.type != "GreaterEqual" or scaled.op.type not in ("RealDiv", "Mul"):
        return None
    uniform, rate = compared.op.inputs[0], compared.op.inputs[1]
    if not any(found.type == "RandomUniform" for found in ancestors([uniform]).values()):
        return None
    scope = op.name.rpartition("/")[0] or op.name
    return Node(scope, "dropout", tensor, scaled.op.inputs[0], op, uniform=uniform, rate=rate)
