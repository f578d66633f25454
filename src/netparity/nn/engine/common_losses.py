"""The losses that the kernels compute themselves."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from netparity.nn.arrays import Array
from netparity.nn.losses import Loss, MeanSquaredError, SoftmaxCrossEntropy
from netparity.nn.losses.base import scale


def is_common(loss: Loss) -> bool:
    """Whether a loss is compiled: mean squared error, or cross-entropy of logits, plain."""
    return loss == SoftmaxCrossEntropy(batch=loss.batch, factor=loss.factor) or isinstance(
        loss, MeanSquaredError
    )


def fits(loss: Loss, shape: tuple[int, ...], dtype: np.dtype[Any], y: Array) -> bool:
    """Whether a compiled loss takes these predictions and targets as they are."""
    if isinstance(loss, MeanSquaredError):
        return y.shape == shape and y.dtype == dtype and y.flags.c_contiguous
    return is_common(loss) and len(shape) == 2 and y.shape == shape[:1] and y.dtype.kind in "iu"


def constant_of(loss: Loss, shape: tuple[int, ...]) -> float:
    """What a compiled loss multiplies its sum by."""
    outputs = loss.outputs if isinstance(loss, MeanSquaredError) else "sum"
    return scale(loss.factor, loss.batch, shape[0], outputs, math.prod(shape[1:]))
