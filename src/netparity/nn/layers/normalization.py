"""Layer and root-mean-square normalization: statistics of each example's features."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

import numpy as np

from netparity.errors import InputError
from netparity.nn.arrays import Array, Memory
from netparity.nn.layers.base import INFERENCE, Backward, Context, Layer
from netparity.nn.layers.moments import (
    Channels,
    EpsilonPlacement,
    VarianceKind,
    check_epsilon,
    degrees_of_freedom,
    inverse_deviation,
    scale_and_shift,
)


@final
@dataclass(frozen=True, slots=True)
class LayerNorm(Layer):
    """Normalizes each example by the mean and variance of its own features.

    ``y = scale · (x − μ)/√(σ² + ε) + shift`` with μ and σ² over ``axes``.

    Args:
        shape: lengths of the axes normalized over, ``(D,)`` for one.
        axes: which axes of the batch they are, rising; ``None``: the last ones.
        epsilon: ε.
        epsilon_placement: ``"inside"`` the root, ``"outside"`` (σ + ε), or ``"both"``
            (√(σ² + ε) + ε).
        normalize_with: whether σ² divides by the number of features (``"biased"``) or by one
            less.
        fast_variance: computes σ² as E[x²] − E[x]², at least 0, which loses digits where the
            mean is large.
        scale: whether there is a ``scale`` (γ).
        shift: whether there is a ``shift`` (β).

    Shapes: ``x`` and ``y`` (N, …); ``scale`` and ``shift`` ``shape``.

    Raises:
        InputError: ``x`` has not those axes; ε < 0.

    Example:
        >>> parameters = {"scale": np.array([1.0, 10.0]), "shift": np.zeros(2)}
        >>> LayerNorm((2,), epsilon=0.0).apply(parameters, np.array([[1.0, 5.0]]))[0]
        array([[-1., 10.]])

    Source: J. L. Ba, J. R. Kiros, G. E. Hinton, "Layer normalization", arXiv:1607.06450.

    **Parity** (`ln-epsilon`, `ln-axis`, `norm-fast-variance`, `norm-epsilon-placement`,
    `norm-layer-init`): ε is 1e-5 in torch, 1e-3 in Keras, 1e-6 in Flax. torch takes all axes of
    ``normalized_shape``, Keras and Flax the last. Flax has ``fast_variance``. Programs written
    after a well-known annotated transformer have ``(x − μ)/(σ + ε)`` with the unbiased σ. The
    scale, ``weight`` in torch and ``gamma`` in Keras, is no weight by its name here.
    """

    shape: tuple[int, ...]
    axes: tuple[int, ...] | None = None
    epsilon: float = 1e-5
    epsilon_placement: EpsilonPlacement = "inside"
    normalize_with: VarianceKind = "biased"
    fast_variance: bool = False
    scale: bool = True
    shift: bool = True

    def __post_init__(self) -> None:
        """Checks ε."""
        check_epsilon("LayerNorm", self.epsilon)

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """``scale`` and ``shift`` in the shape of the features, where they are there."""
        return scale_and_shift(self.shape, self.scale, self.shift)

    def apply(
        self, parameters: Mapping[str, Array], x: Array, context: Context = INFERENCE
    ) -> tuple[Array, Backward]:
        """Normalizes each example (see ``Layer.apply``)."""
        return _by_rows(self, parameters, x, context.memory)


@final
@dataclass(frozen=True, slots=True)
class RMSNorm(Layer):
    """Divides each example by the root of the mean square of its features.

    ``y = scale · x/√(mean(x²) + ε)``.

    Args:
        shape: lengths of the axes normalized over, ``(D,)`` for one.
        axes: which axes of the batch they are, rising; ``None``: the last ones.
        epsilon: ε; ``None``: the machine epsilon of the dtype.
        epsilon_placement: ``"inside"`` the root, ``"outside"``, or ``"both"``.
        scale: whether there is a ``scale`` (γ).

    Shapes: ``x`` and ``y`` (N, …); ``scale`` ``shape``.

    Raises:
        InputError: ``x`` has not those axes; ε < 0.

    Example:
        >>> RMSNorm((2,), scale=False, epsilon=0.0).apply({}, np.array([[1.0, 7.0]]))[0]
        array([[0.2, 1.4]])

    Source: B. Zhang, R. Sennrich, "Root mean square layer normalization", NeurIPS 2019.

    **Parity** (`rmsnorm-epsilon`, `norm-epsilon-placement`): ε is 1e-6 in Keras and Flax; in
    torch it is the machine epsilon of the dtype (``None`` here) unless given.
    """

    shape: tuple[int, ...]
    axes: tuple[int, ...] | None = None
    epsilon: float | None = 1e-6
    epsilon_placement: EpsilonPlacement = "inside"
    scale: bool = True

    def __post_init__(self) -> None:
        """Checks ε."""
        if self.epsilon is not None:
            check_epsilon("RMSNorm", self.epsilon)

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """``scale`` in the shape of the features, if it is there."""
        return scale_and_shift(self.shape, self.scale, False)

    def apply(
        self, parameters: Mapping[str, Array], x: Array, context: Context = INFERENCE
    ) -> tuple[Array, Backward]:
        """Normalizes each example (see ``Layer.apply``)."""
        return _by_rows(self, parameters, x, context.memory)


def _by_rows(
    layer: LayerNorm | RMSNorm, parameters: Mapping[str, Array], x: Array, memory: Memory
) -> tuple[Array, Backward]:
    """Normalizes over the layer's axes: rows of a matrix, once these are last."""
    axes = _axes(layer, x)
    size = math.prod(layer.shape)
    last = tuple(range(x.ndim - len(axes), x.ndim))
    moved = np.moveaxis(x, axes, last)
    rows = _contiguous(moved, memory, "x").reshape(-1, size)
    normalized, inverse, correction = _normalized(layer, rows, memory)
    cut = Channels(1, len(rows), size, 1)
    scale = parameters["scale"].reshape(-1) if layer.scale else None
    y_rows = memory.empty("y", rows.shape, x.dtype)
    y_view = cut.view(y_rows)
    if scale is None:
        np.copyto(y_view, cut.view(normalized))
    else:
        np.multiply(cut.view(normalized), cut.spread(scale), out=y_view)
    if "shift" in layer.shapes():
        y_view += cut.spread(parameters["shift"].reshape(-1))
    divisor = size if isinstance(layer, RMSNorm) else degrees_of_freedom(size, layer.normalize_with)

    def backward(dy: Array) -> tuple[Array, dict[str, Array]]:
        dy_rows = _contiguous(np.moveaxis(dy, axes, last), memory, "dy").reshape(-1, size)
        dx = memory.empty("dx", rows.shape, x.dtype)
        inner = dy_rows
        if scale is not None:
            np.multiply(cut.view(dy_rows), cut.spread(scale), out=cut.view(dx))
            inner = dx
        # dx = (d − mean(d) − x̂ κ Σ d x̂/n)/σ with d = scale dy; RMSNorm subtracts no mean.
        bend = _row_sums(memory, "bend", inner, normalized)
        bend *= correction
        bend /= divisor
        part = memory.empty("part", rows.shape, x.dtype)
        np.multiply(normalized, bend[:, None], out=part)
        if isinstance(layer, LayerNorm):
            part += (_row_sums(memory, "mean of d", inner) / size)[:, None]
        np.subtract(inner, part, out=dx)
        dx *= inverse[:, None]
        gradients: dict[str, Array] = {}
        for name, shape in layer.shapes().items():
            view = cut.view(dy_rows)
            sums = (
                cut.sum(view) if name == "shift" else cut.sum_products(view, cut.view(normalized))
            )
            gradients[name] = sums.reshape(shape)
        return _back(dx, moved.shape, axes, last, memory, "dx"), gradients

    return _back(y_rows, moved.shape, axes, last, memory, "y"), backward


def _axes(layer: LayerNorm | RMSNorm, x: Array) -> tuple[int, ...]:
    """The axes normalized over, counted from the front, after a look at the shape."""
    count = len(layer.shape)
    axes = tuple(range(-count, 0)) if layer.axes is None else layer.axes
    places = tuple(axis % x.ndim for axis in axes if -x.ndim < axis < x.ndim)
    if (
        len(places) != count
        or not count
        or 0 in places
        or list(places) != sorted(set(places))
        or 0 in layer.shape
        or tuple(x.shape[place] for place in places) != layer.shape
    ):
        raise InputError(
            f"input of another shape. Expected {layer.shape} on axes {axes} of a batch (N, …). "
            f"Received: {x.shape}",
            hint="the axes rise and do not hold that of the batch",
        )
    return places


def _normalized(
    layer: LayerNorm | RMSNorm, rows: Array, memory: Memory
) -> tuple[Array, Array, Array]:
    """``x̂``, ``1/σ`` and κ of each row."""
    size = rows.shape[1]
    centred = rows
    normalized = memory.empty("normalized", rows.shape, rows.dtype)
    epsilon = float(np.finfo(rows.dtype).eps) if layer.epsilon is None else layer.epsilon
    if isinstance(layer, RMSNorm):
        variance = _row_sums(memory, "variance", rows, rows)
        variance /= size
    else:
        mean = _row_sums(memory, "mean", rows)
        mean /= size
        centred = np.subtract(rows, mean[:, None], out=normalized)
        if layer.fast_variance:
            variance = _row_sums(memory, "variance", rows, rows)
            variance -= size * (mean * mean)
            np.maximum(variance, 0.0, out=variance)
        else:
            variance = _row_sums(memory, "variance", centred, centred)
        variance /= degrees_of_freedom(size, layer.normalize_with)
    inverse, correction = inverse_deviation(variance, epsilon, layer.epsilon_placement, memory)
    np.multiply(centred, inverse[:, None], out=normalized)
    return normalized, inverse, correction


def _row_sums(memory: Memory, key: str, rows: Array, other: Array | None = None) -> Array:
    """The sum of each row, or that of its products with another's."""
    sums = memory.empty(key, (len(rows),), rows.dtype)
    if other is None:
        return np.asarray(np.einsum("rd->r", rows, out=sums))
    return np.asarray(np.einsum("rd,rd->r", rows, other, out=sums))


def _contiguous(array: Array, memory: Memory, key: str) -> Array:
    """The array, or a copy in C order if it has another."""
    if array.flags.c_contiguous:
        return array
    copy = memory.empty(f"{key} in rows", array.shape, array.dtype)
    np.copyto(copy, array)
    return copy


def _back(
    rows: Array,
    moved: tuple[int, ...],
    axes: tuple[int, ...],
    last: tuple[int, ...],
    memory: Memory,
    key: str,
) -> Array:
    """Rows in the shape of the batch, its axes where they were."""
    array = np.moveaxis(rows.reshape(moved), last, axes)
    return _contiguous(array, memory, f"{key} back")
