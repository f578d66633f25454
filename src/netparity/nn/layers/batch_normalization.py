"""Batch normalization."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, final

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
class BatchNorm(Layer):
    """Normalizes each channel by its mean and variance over the batch.

    ``y = scale · (x − μ)/√(σ² + ε) + shift``. In training μ and σ² are those of the batch (over
    all axes but the channels'), and the gradient runs through them; in inference they are the
    running ones, ``running ← momentum · running + (1 − momentum) · batch``.

    Args:
        features: number C of channels.
        axis: the axis of the channels: −1 for (N, D) and (N, H, W, C), 1 for (N, C, H, W).
        epsilon: ε.
        momentum: the weight of the OLD running value; that of the batch is 1 − momentum.
        running_variance: whether the variance kept divides by n (``"biased"``) or by n − 1.
        normalize_with: the same for the variance that normalizes in training.
        epsilon_placement: ``"inside"`` the root, ``"outside"`` (σ + ε), or ``"both"``
            (√(σ² + ε) + ε).
        fast_variance: computes σ² as E[x²] − E[x]², at least 0, which loses digits where the
            mean is large.
        update_statistics: ``False`` never moves the running statistics.
        frozen: ``True`` takes the running statistics in training, too, and keeps them.
        inference: ``"batch"`` takes the batch's statistics in inference, too.
        batch_of_one: what comes of statistics of one value for each channel, the variance of
            which is 0: ``"shift"`` gives the shift, ``"refuse"`` raises.
        scale: whether there is a ``scale`` (γ).
        shift: whether there is a ``shift`` (β).

    Shapes: ``x`` and ``y`` (N, …) with C on ``axis``; ``scale`` (γ), ``shift`` (β) and the
    buffers ``running_mean`` (from 0) and ``running_variance`` (from 1) (C,).

    Raises:
        InputError: ``x`` has other channels; there is no value to take a mean of, or one only
            and ``batch_of_one`` refuses; ε < 0.

    Example:
        >>> parameters = {"scale": np.ones(1), "shift": np.zeros(1)}
        >>> buffers = {"running_mean": np.zeros(1), "running_variance": np.ones(1)}
        >>> updates, layer = {}, BatchNorm(1, epsilon=0.0, momentum=0.75)
        >>> context = Context(training=True, updates=updates)
        >>> layer.apply({**parameters, **buffers}, np.array([[1.0], [5.0]]), context)[0]
        array([[-1.],
               [ 1.]])
        >>> updates["running_mean"], updates["running_variance"]
        (array([0.75]), array([1.75]))

    Source: S. Ioffe, C. Szegedy, "Batch normalization", ICML 2015.

    **Parity** (`bn-epsilon`, `bn-momentum`, `bn-running-var-bias`, `bn-batch-of-one`,
    `bn-frozen`, `bn-train-eval`, `bn-statistics-not-updated`, `bn-batch-variance-ddof`,
    `norm-epsilon-placement`, `norm-fast-variance`, `norm-layer-init`): torch has ε = 1e-5, keeps
    the unbiased variance, gives momentum as the weight of the NEW value (its 0.1 is 0.9 here)
    and refuses a batch of one; ``track_running_stats=False`` is ``inference="batch"``. Keras:
    ε = 1e-3, momentum 0.99 as here, biased; ``trainable=False`` is ``frozen``. Flax: ε = 1e-5,
    momentum 0.99 as here, biased, ``fast_variance``. The scale starts at 1 and the shift at 0
    in all of them. They are named ``weight`` and ``bias`` in torch, whose ``weight_decay``
    covers them, ``gamma`` and ``beta`` in Keras, ``scale`` and ``bias`` in Flax; by its name
    here the scale is no weight, as for Keras's ``kernel_regularizer``.
    """

    features: int
    axis: int = -1
    epsilon: float = 1e-5
    momentum: float = 0.9
    running_variance: VarianceKind = "biased"
    normalize_with: VarianceKind = "biased"
    epsilon_placement: EpsilonPlacement = "inside"
    fast_variance: bool = False
    update_statistics: bool = True
    frozen: bool = False
    inference: Literal["running", "batch"] = "running"
    batch_of_one: Literal["shift", "refuse"] = "shift"
    scale: bool = True
    shift: bool = True

    def __post_init__(self) -> None:
        """Checks ε."""
        check_epsilon("BatchNorm", self.epsilon)

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """``scale`` and ``shift`` (C,), where they are there."""
        return scale_and_shift((self.features,), self.scale, self.shift)

    def buffers(self) -> dict[str, tuple[tuple[int, ...], float]]:
        """``running_mean`` (C,) from 0 and ``running_variance`` (C,) from 1."""
        shape = (self.features,)
        return {"running_mean": (shape, 0.0), "running_variance": (shape, 1.0)}

    def apply(
        self, parameters: Mapping[str, Array], x: Array, context: Context = INFERENCE
    ) -> tuple[Array, Backward]:
        """Normalizes each channel (see ``Layer.apply``)."""
        memory = context.memory
        axis = channel_axis(x.shape, self.axis, self.features)
        before, after = math.prod(x.shape[:axis]), math.prod(x.shape[axis + 1 :])
        cut = Channels(1, before, self.features, after)
        view = cut.view(x)
        by_batch = not self.frozen and (context.training or self.inference == "batch")
        centred = memory.empty("centred", view.shape, x.dtype)
        if by_batch:
            self._check_count(cut.count)
            mean = cut.sum(view) / cut.count
            np.subtract(view, cut.spread(mean), out=centred)
            if self.fast_variance:
                squares = cut.sum_products(view, view) - cut.count * (mean * mean)
                np.maximum(squares, 0.0, out=squares)
            else:
                squares = cut.sum_products(centred, centred)
            variance = squares / degrees_of_freedom(cut.count, self.normalize_with)
            if context.training and self.update_statistics and context.updates is not None:
                kept = squares / degrees_of_freedom(cut.count, self.running_variance)
                context.updates["running_mean"] = self._moved(parameters["running_mean"], mean)
                context.updates["running_variance"] = self._moved(
                    parameters["running_variance"], kept
                )
        else:
            np.subtract(view, cut.spread(parameters["running_mean"]), out=centred)
            variance = parameters["running_variance"]
        inverse, correction = inverse_deviation(
            variance, self.epsilon, self.epsilon_placement, memory
        )
        slope = inverse * parameters["scale"] if self.scale else inverse
        y = memory.empty("y", x.shape, x.dtype)
        y_view = cut.view(y)
        np.multiply(centred, cut.spread(slope), out=y_view)
        if self.shift:
            y_view += cut.spread(parameters["shift"])

        def backward(dy: Array) -> tuple[Array, dict[str, Array]]:
            dy_view = cut.view(dy)
            dx = memory.empty("dx", x.shape, x.dtype)
            dx_view = cut.view(dx)
            total = cut.sum(dy_view)
            products = cut.sum_products(dy_view, centred) * inverse
            if by_batch:
                # dx = slope (dy − mean(dy) − x̂ κ Σ dy x̂/n), with n − 1 where σ² has it.
                n = degrees_of_freedom(cut.count, self.normalize_with)
                np.multiply(centred, cut.spread(inverse * correction * products / -n), out=dx_view)
                dx_view += dy_view
                dx_view -= cut.spread(total / cut.count)
                dx_view *= cut.spread(slope)
            else:
                np.multiply(dy_view, cut.spread(slope), out=dx_view)
            gradients = {"scale": products[0], "shift": total[0]}
            return dx, {name: gradients[name] for name in self.shapes()}

        return y, backward

    def _check_count(self, count: int) -> None:
        """Whether there are enough values for statistics."""
        if count == 0 or (count == 1 and self.batch_of_one == "refuse"):
            raise InputError(
                f"too few values for statistics. Expected more than "
                f"{0 if self.batch_of_one == 'shift' else 1} for each channel. Received: {count}",
                hint='drop the last, smaller batch, or use batch_of_one="shift"',
            )

    def _moved(self, running: Array, batch: Array) -> Array:
        """The running value after a batch."""
        momentum = float(self.momentum)
        return momentum * running + (1.0 - momentum) * batch.reshape(running.shape)
