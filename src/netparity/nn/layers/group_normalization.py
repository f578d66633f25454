"""Group normalization, with instance normalization as its limit."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

import numpy as np

from netparity.errors import InputError
from netparity.nn.arrays import Array
from netparity.nn.layers.base import INFERENCE, Backward, Context, Layer
from netparity.nn.layers.moments import (
    Channels,
    EpsilonPlacement,
    VarianceKind,
    channel_axis,
    check_epsilon,
    degrees_of_freedom,
    inverse_deviation,
    scale_and_shift,
)


@final
@dataclass(frozen=True, slots=True)
class GroupNorm(Layer):
    """Normalizes groups of channels of each example by their mean and variance.

    ``y = scale · (x − μ)/√(σ² + ε) + shift`` with μ and σ² over C/G neighbouring channels and
    all places. With as many groups as channels it is instance normalization; with one group it
    is layer normalization over all axes, but with one scale for each channel.

    Args:
        groups: number G of groups.
        features: number C of channels, a multiple of G.
        axis: the axis of the channels: −1 for (N, H, W, C), 1 for (N, C, H, W).
        epsilon: ε.
        epsilon_placement: as for ``LayerNorm``.
        normalize_with: as for ``LayerNorm``.
        fast_variance: as for ``LayerNorm``.
        scale: whether there is a ``scale`` (γ).
        shift: whether there is a ``shift`` (β).

    Shapes: ``x`` and ``y`` (N, …) with C on ``axis``; ``scale`` and ``shift`` (C,).

    Raises:
        InputError: ``x`` has other channels; they do not fall into G groups; ε < 0.

    Example:
        >>> layer = GroupNorm(2, 4, epsilon=0.0, scale=False, shift=False)
        >>> layer.apply({}, np.array([[1.0, 5.0, 20.0, 10.0]]))[0]
        array([[-1.,  1.,  1., -1.]])

    Source: Y. Wu, K. He, "Group normalization", ECCV 2018.

    **Parity** (`groupnorm-epsilon`, `norm-fast-variance`, `norm-layer-init`): ε is 1e-5 in
    torch, 1e-3 in Keras, 1e-6 in Flax, which has ``fast_variance``; channels are on axis 1 in
    torch and last in Keras and Flax. The scale, ``weight`` in torch and ``gamma`` in Keras, is
    no weight by its name here.
    """

    groups: int
    features: int
    axis: int = -1
    epsilon: float = 1e-5
    epsilon_placement: EpsilonPlacement = "inside"
    normalize_with: VarianceKind = "biased"
    fast_variance: bool = False
    scale: bool = True
    shift: bool = True

    def __post_init__(self) -> None:
        """Checks the groups and ε."""
        check_epsilon("GroupNorm", self.epsilon)
        if self.groups < 1 or self.features % self.groups:
            raise InputError(
                f"channels that do not fall into groups. Expected a multiple of the {self.groups} "
                f"groups. Received: {self.features} channels"
            )

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """``scale`` and ``shift`` (C,), where they are there."""
        return scale_and_shift((self.features,), self.scale, self.shift)

    def apply(
        self, parameters: Mapping[str, Array], x: Array, context: Context = INFERENCE
    ) -> tuple[Array, Backward]:
        """Normalizes each group (see ``Layer.apply``)."""
        memory = context.memory
        axis = channel_axis(x.shape, self.axis, self.features)
        examples, size = len(x), self.features // self.groups
        before, after = math.prod(x.shape[1:axis]), math.prod(x.shape[axis + 1 :])
        cut = Channels(examples, before, self.features, after)
        n = cut.count * size
        if n == 0:
            raise InputError(
                f"nothing to take a mean of. Expected a value in each group. Received: {x.shape}"
            )

        def grouped(sums: Array) -> Array:
            """The sum over each group's channels, for each of them, (N, C)."""
            total = sums.reshape(examples, self.groups, size).sum(axis=2)
            return np.repeat(total, size, axis=1)

        view = cut.view(x)
        mean = grouped(cut.sum(view)) / n
        centred = memory.empty("centred", view.shape, x.dtype)
        np.subtract(view, cut.spread(mean), out=centred)
        if self.fast_variance:
            squares = grouped(cut.sum_products(view, view)) - n * (mean * mean)
            np.maximum(squares, 0.0, out=squares)
        else:
            squares = grouped(cut.sum_products(centred, centred))
        divisor = degrees_of_freedom(n, self.normalize_with)
        inverse, correction = inverse_deviation(
            squares / divisor, self.epsilon, self.epsilon_placement, memory
        )
        scale = parameters["scale"] if self.scale else np.ones(1, x.dtype)
        slope = inverse * scale
        y = memory.empty("y", x.shape, x.dtype)
        y_view = cut.view(y)
        np.multiply(centred, cut.spread(slope), out=y_view)
        if self.shift:
            y_view += cut.spread(parameters["shift"])

        def backward(dy: Array) -> tuple[Array, dict[str, Array]]:
            dy_view = cut.view(dy)
            total = cut.sum(dy_view)
            products = cut.sum_products(dy_view, centred) * inverse
            # dx = scale dy/σ − (mean(scale dy) + x̂ κ Σ scale dy x̂/n)/σ, the sums over groups.
            bend = inverse * inverse * correction * grouped(products * scale) / divisor
            dx = memory.empty("dx", x.shape, x.dtype)
            dx_view, part = cut.view(dx), memory.empty("part", view.shape, x.dtype)
            np.multiply(dy_view, cut.spread(slope), out=dx_view)
            dx_view -= np.multiply(centred, cut.spread(bend), out=part)
            dx_view -= cut.spread(inverse * grouped(total * scale) / n)
            gradients = {"scale": products, "shift": total}
            return dx, {name: gradients[name].sum(axis=0) for name in self.shapes()}

        return y, backward
