"""A step of training laid out beforehand: loss and gradients into arrays that are there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import final

import numpy as np

from netparity.nn.arrays import Array, Memory
from netparity.nn.engine.choice import Kernels
from netparity.nn.engine.common_losses import constant_of, fits
from netparity.nn.engine.nodes import Drop, Other, nodes_of
from netparity.nn.engine.small import Small
from netparity.nn.losses import Loss, SoftmaxCrossEntropy
from netparity.nn.network import Network


@final
class Plan:
    """Loss and gradients of a network, for one shape of batch, in training mode.

    Args:
        network: without joins.
        loss: the data loss.
        parameters: parameters and buffers by full name, float32 or float64; read at each run.
        gradients: where the gradients go, by parameter name.
        example: a batch (N, …) like those to come, in the parameters' dtype.
        memory: one that reuses.
        kernels: what ``kernels_of`` returned.

    Raises:
        InputError: the batch does not fit a layer.

    Example:
        >>> from netparity.nn import NAMED, Affine, MeanSquaredError
        >>> from netparity.nn.engine import kernels_of
        >>> network = Network((("dense", Affine(2, 1)),))
        >>> parameters = network.initialize(NAMED["ones"], np.random.default_rng(0))
        >>> gradients = {name: np.empty_like(value) for name, value in parameters.items()}
        >>> x, y = np.array([[1.0, 2.0]]), np.array([[3.0]])
        >>> plan = Plan(
        ...     network,
        ...     MeanSquaredError(),
        ...     parameters,
        ...     gradients,
        ...     x,
        ...     memory=Memory(reuse=True),
        ...     kernels=kernels_of("plain"),
        ... )
        >>> plan.run(x, y, None, np.random.default_rng(0)), gradients["dense.weight"].T
        (1.0, array([[2., 4.]]))

    Source: none; it is the chain rule with its arrays laid out.

    **Parity**: the same numbers as ``Network.forward`` and ``Tape.backward``, but for the
    rounding of sums.
    """

    def __init__(
        self,
        network: Network,
        loss: Loss,
        parameters: Mapping[str, Array],
        gradients: Mapping[str, Array],
        example: Array,
        *,
        memory: Memory,
        kernels: Kernels,
    ) -> None:
        self.network, self.loss = network, loss
        self._kernels = kernels
        self._memory = memory.within("loss")
        self._nodes = nodes_of(network, parameters, gradients, example, memory, kernels)
        self._small = Small.of(network, loss, parameters, gradients, example.shape, kernels)

    @staticmethod
    def covers(network: Network) -> bool:
        """Whether a network can be planned: it has parameters and no joins.

        Args:
            network: any.
        """
        return bool(network.parameter_shapes()) and not any(k.sources for _, k in network.layers)

    def run(self, x: Array, y: Array, weights: Array | None, rng: np.random.Generator) -> float:
        """Computes the loss and fills the gradients.

        Args:
            x: a batch of the plan's shape, in the parameters' dtype, C-contiguous.
            y: its targets.
            weights: sample weights (N,), or ``None``.
            rng: where dropout draws from.

        Returns:
            The data loss.

        Raises:
            InputError: the batch or its targets do not fit.
        """
        if self._small is not None and weights is None:
            small = self._small.run(x, y)
            if small is not None:
                return small
        value = x
        for node in self._nodes:
            value = node.forward(value, rng)
        result, delta = self._loss_of(value, y, weights)
        for node in reversed(self._nodes):
            delta = node.backward(delta)
        return result

    @property
    def buffers(self) -> dict[str, Array]:
        """The new values of the buffers by full name, after a run."""
        return {
            f"{node.name}.{key}": array
            for node in self._nodes
            if isinstance(node, Other)
            for key, array in node.updates.items()
        }

    @property
    def draws(self) -> tuple[Array, ...]:
        """The draws of the last run, in order of execution."""
        kept = (node.draw for node in self._nodes if isinstance(node, Drop | Other))
        return tuple(draw for draw in kept if draw is not None)

    def _loss_of(self, prediction: Array, y: Array, weights: Array | None) -> tuple[float, Array]:
        """The loss and its gradient at the prediction."""
        if weights is None and fits(self.loss, prediction.shape, prediction.dtype, y):
            constant = constant_of(self.loss, prediction.shape)
            function = (
                self._kernels.cross_entropy
                if isinstance(self.loss, SoftmaxCrossEntropy)
                else self._kernels.squared_error
            )
            gradient = self._memory.empty("gradient", prediction.shape, prediction.dtype)
            total = function(prediction, y, prediction.dtype.type(constant), gradient)
            if total != -1.0:
                return total * constant, gradient
        return self.loss.value_and_gradient(prediction, y, weights=weights, memory=self._memory)
