"""Backward passes as they are written by mistake: rules by which a layer passes gradients back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from netparity.conventions import (
    GradientFault,
    OverClasses,
    Piled,
    Slope,
    StepFault,
    Unbounded,
    changed,
    switches,
)
from netparity.nn import Layer, Loss, Tanh
from netparity.nn.layers.base import INFERENCE, Backward, Context

Array = np.ndarray[Any, np.dtype[Any]]


#: What a bound on a logarithm is when it is none.
NO_BOUNDS: Final[dict[str, Any]] = {"clip": None, "log_epsilon": 0.0, "log_floor": None}


def unbounded(loss: Loss) -> Loss:
    """A loss without what keeps its logarithm finite."""
    return changed(loss, **{n: v for n, v in NO_BOUNDS.items() if n in switches(loss)})


@dataclass(frozen=True, slots=True)
class Passing(Layer):
    """A layer without parameters that is right forward and wrong backward."""

    inner: Layer
    rule: str

    def apply(
        self, parameters: Mapping[str, Array], x: Array, context: Context = INFERENCE
    ) -> tuple[Array, Backward]:
        """Forward as the layer, backward by the rule."""
        y, _ = self.inner.apply(parameters, x, context)

        def backward(dy: Array) -> tuple[Array, dict[str, Array]]:
            if self.rule == "left out":
                return dy, {}
            if self.rule == "diagonal":
                return dy * y * (1 - y), {}
            if self.rule == "over the classes":
                return y * (dy - np.sum(dy * y, axis=-1, keepdims=True)), {}
            if self.rule == "of the output":
                dx, _ = self.inner.apply(parameters, y, context)[1](dy)
                return dx, {}
            return dy * (1 - x * x if isinstance(self.inner, Tanh) else x * (1 - x)), {}

        return y, backward


def layers_of(
    layers: Sequence[tuple[str, Layer]], faults: Sequence[GradientFault]
) -> tuple[tuple[str, Layer], ...]:
    """The layers, those that pass gradients back wrongly among them."""
    rules: dict[str, str] = {
        f.layer: f.rule for f in faults if isinstance(f, Slope) and f.head is None
    }
    rules |= {f.layer: "over the classes" for f in faults if isinstance(f, OverClasses)}
    return tuple((n, Passing(k, rules[n]) if n in rules else k) for n, k in layers)


def upstream_of(
    loss: Loss, faults: Sequence[GradientFault], prediction: Array, y: Array
) -> tuple[float, Array]:
    """The loss, and the gradient at the prediction from which a side starts its backward pass."""
    value, gradient = loss.value_and_gradient(prediction, y)
    for fault in faults:
        if isinstance(fault, Unbounded):
            _, gradient = unbounded(loss).value_and_gradient(prediction, y)
        if isinstance(fault, Slope) and fault.head is not None and fault.loss is not None:
            p, backward = Passing(fault.head, fault.rule).apply({}, prediction)
            gradient, _ = backward(fault.loss.value_and_gradient(p, y)[1])
    return value, gradient


def received(
    gradients: Mapping[str, Array],
    faults: Iterable[StepFault],
    rows: int,
    before: Mapping[str, Array],
) -> dict[str, Array]:
    """The gradients as the update rule gets them.

    Args:
        gradients: as the backward pass gives them.
        faults: what happens to them on the way.
        rows: of the batch.
        before: what the rule got in the step before; empty in the first.
    """
    given = dict(gradients)
    for fault in faults:
        if isinstance(fault, Piled):
            given = {n: g + before[n] if n in before else g for n, g in given.items()}
        else:
            factor = fault.factor * float(rows) ** fault.rows_power
            given = {n: (g * factor).astype(g.dtype) for n, g in given.items()}
    return given
