"""What makes one row of all the steps of a sequence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, final

import numpy as np

from netparity.errors import InputError
from netparity.nn.arrays import Array
from netparity.nn.layers.base import INFERENCE, Backward, Context, Layer
from netparity.nn.layers.windows import check_choice


@final
@dataclass(frozen=True, slots=True)
class GlobalPool1D(Layer):
    """The mean or the sum over all steps: a bag of words, behind an embedding.

    Args:
        reduction: ``"mean"`` or ``"sum"``.

    Shapes: ``x`` (N, T, C); ``y`` (N, C).

    Raises:
        InputError: the reduction has no meaning, or ``x`` has another number of axes.

    Example:
        >>> GlobalPool1D().apply({}, np.array([[[1.0, 2.0], [3.0, 6.0]]]))[0]
        array([[2., 4.]])

    Source: A. Joulin et al., "Bag of tricks for efficient text classification", EACL 2017.

    **Parity** (`sequence-pooling`): the mean in Keras's ``GlobalAveragePooling1D`` and in
    ``nn.EmbeddingBag`` unless told otherwise; ``"sum"`` is its ``mode="sum"``.
    """

    reduction: Literal["mean", "sum"] = "mean"

    def __post_init__(self) -> None:
        """Checks the reduction."""
        check_choice("reduction", self.reduction, ("mean", "sum"))

    def apply(
        self, parameters: Mapping[str, Array], x: Array, context: Context = INFERENCE
    ) -> tuple[Array, Backward]:
        """Adds the steps up (see ``Layer.apply``)."""
        if x.ndim != 3:
            raise InputError(f"input of another shape. Expected (N, T, C). Received: {x.shape}")
        memory = context.memory
        count = float(x.shape[1]) if self.reduction == "mean" else 1.0
        y = np.sum(x, axis=1, out=memory.empty("y", (len(x), x.shape[2]), x.dtype))
        y /= count

        def backward(dy: Array) -> tuple[Array, dict[str, Array]]:
            dx = memory.empty("dx", x.shape, x.dtype)
            np.divide(dy[:, np.newaxis], count, out=dx)
            return dx, {}

        return y, backward
