"""Layers that only change the shape."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

from netparity.nn.arrays import Array
from netparity.nn.layers.base import INFERENCE, Backward, Context, Layer


@final
@dataclass(frozen=True, slots=True)
class Flatten(Layer):
    """All axes but the first laid out in one row, in C order.

    Shapes: ``x`` (N, …); ``y`` (N, D) with D the product of the other axes (1 where there
    are none).

    Example:
        >>> import numpy as np
        >>> Flatten().apply({}, np.zeros((2, 3, 4)))[0].shape
        (2, 12)

    Source: algebra.

    **Parity** (`flatten-order`): torch flattens (C, H, W), Keras and Flax (H, W, C): the same
    image gives another order of features, so the rows of the next affine layer's weight are
    permuted. Here the order is that of the array handed in.
    """

    def apply(
        self, parameters: Mapping[str, Array], x: Array, context: Context = INFERENCE
    ) -> tuple[Array, Backward]:
        """Reshapes to two axes (see ``Layer.apply``)."""

        def backward(dy: Array) -> tuple[Array, dict[str, Array]]:
            return dy.reshape(x.shape), {}

        return x.reshape(x.shape[0], math.prod(x.shape[1:])), backward
