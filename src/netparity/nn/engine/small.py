"""A step of a small network in one compiled call."""

from __future__ import annotations

from collections.abc import Mapping
from types import ModuleType
from typing import final

import numpy as np

from netparity.nn.arrays import Array, flat
from netparity.nn.engine.choice import Kernels
from netparity.nn.engine.common_losses import constant_of, fits, is_common
from netparity.nn.engine.nodes import is_fused
from netparity.nn.layers import Affine, Identity, Layer, ReLU, Sigmoid
from netparity.nn.losses import Loss, SoftmaxCrossEntropy
from netparity.nn.network import Network

#: Below this many products in a step the calls themselves are what takes the time, and one
#: compiled call for the whole network is faster than BLAS.
SMALL = 20_000


@final
class Small:
    """A small row of affine layers with a common loss: one compiled call."""

    def __init__(
        self,
        loss: Loss,
        layers: list[tuple[Affine, Layer]],
        parameters: Array,
        gradients: Array,
        rows: int,
        kernels: ModuleType,
    ) -> None:
        self._loss = loss
        self._step = kernels.small_step
        self._parameters, self._gradients = parameters, gradients
        codes = {Identity: kernels.IDENTITY, ReLU: kernels.RELU, Sigmoid: kernels.SIGMOID}
        self._sizes = np.array([layers[0][0].inputs, *(k.outputs for k, _ in layers)])
        self._activations = np.array([codes.get(type(a), kernels.TANH) for _, a in layers])
        self._biases = np.array([k.bias for k, _ in layers])
        width = int(self._sizes[1:].sum())
        self._values = np.empty(2 * rows * width, parameters.dtype)
        self._shape = (rows, layers[-1][0].outputs)
        self._constant = constant_of(loss, self._shape)
        self._rounded = parameters.dtype.type(self._constant)
        entropy = isinstance(loss, SoftmaxCrossEntropy)
        self._kind = kernels.CROSS_ENTROPY if entropy else kernels.SQUARED_ERROR
        # What the kernel does not look at under this loss.
        self._unused = (
            np.empty(0, np.intp) if not entropy else np.empty(self._shape, parameters.dtype)
        )

    @classmethod
    def of(
        cls,
        network: Network,
        loss: Loss,
        parameters: Mapping[str, Array],
        gradients: Mapping[str, Array],
        shape: tuple[int, ...],
        kernels: Kernels,
    ) -> Small | None:
        """The whole network as one call, or ``None`` where it is too large or of other layers."""
        if not isinstance(kernels, ModuleType):
            return None
        layers: list[tuple[Affine, Layer]] = []
        for _, layer in network.layers:
            if isinstance(layer, Affine):
                layers.append((layer, Identity()))
            elif layers and is_fused(layer) and isinstance(layers[-1][1], Identity):
                layers[-1] = (layers[-1][0], layer)
            else:
                return None
        products = shape[0] * sum(layer.inputs * layer.outputs for layer, _ in layers)
        if not layers or products > SMALL or len(shape) != 2 or not is_common(loss):
            return None
        buffers = flat(parameters), flat(gradients)
        if buffers[0] is None or buffers[1] is None:
            return None
        return cls(loss, layers, buffers[0], buffers[1], shape[0], kernels)

    def run(self, x: Array, y: Array) -> float | None:
        """The data loss, gradients filled; ``None`` where the targets are not the usual ones."""
        if not fits(self._loss, self._shape, x.dtype, y):
            return None
        entropy = self._unused.ndim == 2
        target, labels = (self._unused, y) if entropy else (y, self._unused)
        total = self._step(
            x, target, labels, self._parameters, self._gradients, self._values, self._sizes,
            self._activations, self._biases, self._kind, self._rounded,
        )  # fmt: skip
        return None if total == -1.0 else total * self._constant
