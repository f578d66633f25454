"""Elementary functions that NumPy lacks, stable over the whole range."""

from __future__ import annotations

import math

import numpy as np

from netparity.nn.arrays import Array

_erf_objects = np.frompyfunc(math.erf, 1, 1)


def erf(x: Array) -> Array:
    """The error function ``2/√π ∫₀ˣ exp(−t²) dt``, element by element.

    Args:
        x: any shape, float32 or float64.

    Returns:
        The values in the shape and dtype of ``x``, computed in float64 (NumPy has none of
        its own, so this is Python's: right to the last bits, about 0.1 µs an element).

    Example:
        >>> erf(np.array([0.0, 1.0])).round(6)
        array([0.      , 0.842701])

    Source: C99 ``erf``.
    """
    return np.asarray(_erf_objects(x), dtype=x.dtype)


def sigmoid(x: Array) -> Array:
    """The logistic function ``1/(1 + exp(−x))``, without overflow.

    Args:
        x: any shape, float32 or float64.

    Returns:
        The values in the shape and dtype of ``x``.

    Example:
        >>> sigmoid(np.array([-1000.0, 0.0]))
        array([0. , 0.5])

    Source: algebra: for negative ``x`` it is ``exp(x)/(1 + exp(x))``.
    """
    decay = np.exp(-np.abs(x))
    return np.asarray(np.where(x >= 0, 1.0, decay) / (1.0 + decay))


def log_softmax(x: Array, axis: int = -1) -> Array:
    """The logarithm of softmax, ``x − log Σ exp(x)``, without overflow.

    Args:
        x: any shape, float32 or float64.
        axis: the axis of the classes.

    Returns:
        The values in the shape and dtype of ``x``.

    Example:
        >>> log_softmax(np.array([1000.0, 1000.0])).round(6)
        array([-0.693147, -0.693147])

    Source: algebra: a constant added to all of ``x`` leaves it as it is.
    """
    shifted = x - x.max(axis=axis, keepdims=True)
    shifted -= np.log(np.exp(shifted).sum(axis=axis, keepdims=True))
    return np.asarray(shifted)


def softmax(x: Array, axis: int = -1) -> Array:
    """``exp(x)/Σ exp(x)``, without overflow.

    Args:
        x: any shape, float32 or float64.
        axis: the axis of the classes.

    Returns:
        The values in the shape and dtype of ``x``.

    Example:
        >>> softmax(np.array([1000.0, 1000.0]))
        array([0.5, 0.5])

    Source: algebra.
    """
    y = x - x.max(axis=axis, keepdims=True)
    np.exp(y, out=y)
    y /= y.sum(axis=axis, keepdims=True)
    return np.asarray(y)
