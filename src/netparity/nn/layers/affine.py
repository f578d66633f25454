"""The affine (fully connected, dense) layer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

import numpy as np

from netparity.errors import InputError
from netparity.nn.arrays import Array
from netparity.nn.layers.base import INFERENCE, Backward, Context, Layer


@final
@dataclass(frozen=True, slots=True)
class Affine(Layer):
    """An affine map of the last axis.

    ``y = x W + b``; backward ``dx = dy Wᵀ``, ``dW = xᵀ dy``, ``db = Σₙ dy``.

    Args:
        inputs: number D of input features.
        outputs: number M of output features.
        bias: whether ``b`` is there.

    Shapes: ``x`` (N, D) or (N, …, D); ``weight`` (D, M); ``bias`` (M,); ``y`` (N, …, M).

    Raises:
        InputError: the last axis of ``x`` is not D.

    Example:
        >>> import numpy as np
        >>> parameters = {"weight": np.array([[1.0], [2.0]]), "bias": np.array([0.5])}
        >>> y, backward = Affine(2, 1).apply(parameters, np.array([[3.0, 4.0]]))
        >>> y, backward(np.ones((1, 1)))[0]
        (array([[11.5]]), array([[1., 2.]]))

    Source: D. E. Rumelhart, G. E. Hinton, R. J. Williams, "Learning representations by
    back-propagating errors", Nature 323 (1986).

    **Parity** (`dense-weight-layout`): Keras, TensorFlow, Flax, scikit-learn and cs231n keep
    the weight as here, (D, M); torch keeps its transpose (M, D). Frameworks also differ in
    whether the bias is added before or after the products are summed: last bits only.
    """

    inputs: int
    outputs: int
    bias: bool = True

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """``weight`` (D, M) and, if there is one, ``bias`` (M,)."""
        weight = {"weight": (self.inputs, self.outputs)}
        return {**weight, "bias": (self.outputs,)} if self.bias else {**weight}

    def apply(
        self, parameters: Mapping[str, Array], x: Array, context: Context = INFERENCE
    ) -> tuple[Array, Backward]:
        """Computes ``x W + b`` (see ``Layer.apply``)."""
        if x.ndim < 2 or x.shape[-1] != self.inputs:
            raise InputError(
                f"input of another shape. Expected (N, {self.inputs}). Received: {x.shape}",
                hint="check the number of features, or put a Flatten before an affine layer",
            )
        weight, memory = parameters["weight"], context.memory
        y = np.matmul(x, weight, out=memory.empty("y", (*x.shape[:-1], self.outputs), x.dtype))
        if self.bias:
            y += parameters["bias"]

        def backward(dy: Array) -> tuple[Array, dict[str, Array]]:
            dy_rows = dy.reshape(-1, self.outputs)
            dweight = memory.empty("dweight", weight.shape, x.dtype)
            gradients = {"weight": np.matmul(x.reshape(-1, self.inputs).T, dy_rows, out=dweight)}
            if self.bias:
                gradients["bias"] = dy_rows.sum(axis=0)
            return np.matmul(dy, weight.T, out=memory.empty("dx", x.shape, x.dtype)), gradients

        return y, backward
