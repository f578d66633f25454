"""Means and variances of channels, and what a normalization makes of them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, final

import numpy as np

from netparity.errors import InputError
from netparity.nn.arrays import Array, Memory

#: Where a normalization adds ε: ``√(σ² + ε)``, ``σ + ε`` or ``√(σ² + ε) + ε``.
EpsilonPlacement = Literal["inside", "outside", "both"]

#: A variance divides by n (biased) or by n − 1 (unbiased).
VarianceKind = Literal["biased", "unbiased"]

#: Elements in a row of an array whose channels come last. Operations on rows of a few channels
#: spend their time between the rows, so several are laid side by side.
_ROW = 2048


@final
@dataclass(frozen=True, slots=True)
class Channels:
    """An array (B, R, C, I) of which each of B·C channels has R·I values.

    Sums go over R and I. They are summed in two steps, which keeps their rounding small: over
    what lies apart first, then over what was laid side by side, or the other way round.

    Attributes:
        batch: B, examples with statistics of their own; 1 where they share them.
        rows: R, what lies before the axis of the channels.
        channels: C.
        inner: I, what lies after it.
    """

    batch: int
    rows: int
    channels: int
    inner: int

    @property
    def folded(self) -> int:
        """How many rows are laid side by side where channels come last."""
        widest = max(_ROW // max(self.channels, 1), 1)
        return math.gcd(self.rows, 1 << (widest.bit_length() - 1))

    @property
    def count(self) -> int:
        """Values in a channel."""
        return self.rows * self.inner

    def view(self, array: Array) -> Array:
        """The array in the shape the other methods take; a copy if it is not contiguous."""
        if self.inner != 1:
            return array.reshape(self.batch, self.rows, self.channels, self.inner)
        folded = self.folded
        return array.reshape(self.batch, self.rows // folded, folded * self.channels)

    def spread(self, vector: Array) -> Array:
        """One value for each channel, (C,) or (B, C), ready to broadcast with a view."""
        if self.inner != 1:
            return vector.reshape(-1, 1, self.channels, 1)
        return (
            vector.reshape(-1, 1, self.channels)
            .repeat(self.folded, axis=1)
            .reshape(-1, 1, self.folded * self.channels)
        )

    def sum(self, view: Array) -> Array:
        """The sum of each channel, (B, C)."""
        if self.inner != 1:
            return np.asarray(np.einsum("brci->bc", view))
        return self._unfold(view.sum(axis=1))

    def sum_products(self, view: Array, other: Array) -> Array:
        """The sum of products in each channel, (B, C)."""
        if self.inner != 1:
            return np.asarray(np.einsum("brci,brci->bc", view, other))
        return self._unfold(np.einsum("brk,brk->bk", view, other))

    def _unfold(self, sums: Array) -> Array:
        shape = (self.batch, self.folded, self.channels)
        return np.asarray(sums.reshape(shape).sum(axis=1))


def channel_axis(shape: tuple[int, ...], axis: int, features: int) -> int:
    """The axis of the channels, counted from the front, after a look at the shape.

    Args:
        shape: of the batch.
        axis: as given, perhaps from the end.
        features: how many channels there should be.

    Raises:
        InputError: there is no such axis, it is that of the batch, or of another length.
    """
    if not -len(shape) < axis < len(shape) or axis == 0 or shape[axis] != features:
        raise InputError(
            f"input of another shape. Expected {features} channels on axis {axis} of a batch. "
            f"Received: {shape}",
            hint="axis=-1 is right for (N, D) and (N, H, W, C), axis=1 for (N, C, H, W)",
        )
    return axis % len(shape)


def inverse_deviation(
    variance: Array, epsilon: float, placement: EpsilonPlacement, memory: Memory
) -> tuple[Array, Array]:
    """``1/σ`` with ε where it belongs, and what that does to the derivative.

    Args:
        variance: any shape.
        epsilon: ε.
        placement: where it is added.
        memory: where the two arrays come from.

    Returns:
        ``1/σ``, and the factor κ such that ``−κ x̂/2σ`` is the slope of ``x̂ = x/σ`` by the
        variance times σ²: 1 with ε inside; 0 where the variance is 0.
    """
    epsilon = float(epsilon)
    deviation = memory.empty("deviation", variance.shape, variance.dtype)
    np.add(variance, 0.0 if placement == "outside" else epsilon, out=deviation)
    np.sqrt(deviation, out=deviation)
    whole = memory.empty("inverse", variance.shape, variance.dtype)
    np.add(deviation, 0.0 if placement == "inside" else epsilon, out=whole)
    correction = memory.empty("correction", variance.shape, variance.dtype)
    correction.fill(0.0)
    np.divide(whole, deviation, out=correction, where=variance > 0)
    return np.divide(1.0, whole, out=whole), correction


def check_epsilon(name: str, epsilon: float) -> None:
    """Refuses an ε below 0.

    Args:
        name: the layer's class.
        epsilon: ε.

    Raises:
        InputError: ε is negative or not a number.
    """
    if not epsilon >= 0.0:
        raise InputError(
            f"{name} epsilon out of range. Expected a number from 0. Received: {epsilon}"
        )


def scale_and_shift(shape: tuple[int, ...], scale: bool, shift: bool) -> dict[str, tuple[int, ...]]:
    """The shapes of the parameters of a normalization."""
    names = (name for name, there in (("scale", scale), ("shift", shift)) if there)
    return dict.fromkeys(names, shape)


def degrees_of_freedom(count: int, kind: VarianceKind) -> int:
    """What a variance of so many values divides by: n, or n − 1 but at least 1."""
    return count if kind == "biased" else max(count - 1, 1)
