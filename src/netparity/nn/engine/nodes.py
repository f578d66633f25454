"""The pieces of a plan: what one layer, or two together, do to arrays that are there."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, final

import numpy as np

from netparity.nn.arrays import Array, Memory
from netparity.nn.engine.choice import Kernels
from netparity.nn.layers import (
    Affine,
    Backward,
    Context,
    Dropout,
    Identity,
    Layer,
    ReLU,
    Sigmoid,
    Tanh,
)
from netparity.nn.network import Network


class Node(ABC):
    """One piece of the plan: a layer, or an affine layer with its activation."""

    @abstractmethod
    def forward(self, x: Array, rng: np.random.Generator) -> Array:
        """The output for an input."""

    @abstractmethod
    def backward(self, dy: Array) -> Array:
        """The gradient at the input; those of the parameters go to their places."""


#: Rows that a product of matrices is given at once by BLAS: a batch is padded to a multiple of
#: them, since the two halves that two threads take are slow where they end within four rows.
ROWS = 8


@final
class Dense(Node):
    """An affine layer and, in the same pass, its activation.

    Its arrays have rows of zeros at their end, up to a multiple of ``ROWS``, which products with
    the layers before and after it take along: they change no sum.
    """

    def __init__(
        self,
        kernels: Kernels,
        layer: Affine,
        activation: Layer,
        values: Mapping[str, Array],
        gradients: Mapping[str, Array],
        x: Array,
        memory: Memory,
        *,
        first: bool,
        before: Dense | None,
    ) -> None:
        self._weight, self._dweight = values["weight"], gradients["weight"]
        self._transposed = self._weight.T
        dtype, rows = self._weight.dtype, len(x)
        self._bias = values["bias"] if layer.bias else np.zeros(layer.outputs, dtype)
        self._dbias = gradients["bias"] if layer.bias else np.empty(layer.outputs, dtype)
        self._padded_y = _padded(memory, "y", rows, layer.outputs, dtype)
        self._y = self._padded_y[:rows]
        self._x = self._y
        self._before = before
        self._padded_dz = _padded(memory, "dz", rows, layer.outputs, dtype)
        self._dz = self._padded_dz[:rows]
        # The gradient at the network's input is not wanted.
        self._padded_dx = None if first else _padded(memory, "dx", rows, layer.inputs, dtype)
        self._finish: Callable[[Array, Array], object] = kernels.add_bias
        self._back: Callable[[Array, Array, Array, Array], object] | None = None
        self._sum_rows = kernels.sum_rows
        if isinstance(activation, ReLU):
            self._finish, self._back = kernels.add_bias_relu, kernels.relu_backward
        elif isinstance(activation, Sigmoid):
            decay = memory.empty("decay", (rows, layer.outputs), dtype)
            self._back = kernels.sigmoid_backward

            def sigmoid(y: Array, bias: Array) -> None:
                kernels.add_bias(y, bias)
                np.abs(y, out=decay)
                np.negative(decay, out=decay)
                np.exp(decay, out=decay)
                kernels.finish_sigmoid(y, decay)

            self._finish = sigmoid
        elif isinstance(activation, Tanh):
            self._back = kernels.tanh_backward

            def tanh(y: Array, bias: Array) -> None:
                kernels.add_bias(y, bias)
                np.tanh(y, out=y)

            self._finish = tanh

    def forward(self, x: Array, rng: np.random.Generator) -> Array:
        """Product, bias, activation."""
        self._x = x
        if self._before is None:
            np.matmul(x, self._weight, out=self._y)
        else:
            np.matmul(self._before._padded_y, self._weight, out=self._padded_y)
        self._finish(self._y, self._bias)
        return self._y

    def backward(self, dy: Array) -> Array:
        """Activation, bias, products."""
        if self._back is None:
            self._sum_rows(dy, self._dbias)
            np.copyto(self._dz, dy)
        else:
            self._back(dy, self._y, self._dz, self._dbias)
        if self._before is None:
            np.matmul(self._x.T, self._dz, out=self._dweight)
        else:
            np.matmul(self._before._padded_y.T, self._padded_dz, out=self._dweight)
        if self._padded_dx is None:
            return self._dz
        np.matmul(self._padded_dz, self._transposed, out=self._padded_dx)
        return self._padded_dx[: len(dy)]


def _padded(memory: Memory, key: str, rows: int, columns: int, dtype: np.dtype[Any]) -> Array:
    """An array with rows of zeros at its end, where a batch is long enough for them to pay."""
    whole = -(-rows // ROWS) * ROWS if rows >= 8 * ROWS else rows
    array = memory.empty(key, (whole, columns), dtype)
    array[rows:] = 0.0
    return array


@final
class Drop(Node):
    """Dropout whose mask is not kept but seen again in the draw."""

    def __init__(self, kernels: Kernels, layer: Dropout, x: Array, memory: Memory) -> None:
        shape, dtype = x.shape, x.dtype
        self._kernel = kernels.dropout
        self._rate = layer.rate
        self._factor = dtype.type(
            1.0 / (1.0 - layer.rate) if layer.scaling == "inverted" and layer.rate < 1.0 else 1.0
        )
        self.draw = memory.empty("draw", shape, np.float64)
        self._y = memory.empty("y", shape, dtype)
        self._dx = memory.empty("dx", shape, dtype)

    def forward(self, x: Array, rng: np.random.Generator) -> Array:
        """Draws and drops."""
        rng.random(out=self.draw)
        self._kernel(x, self.draw, self._rate, self._factor, self._y)
        return self._y

    def backward(self, dy: Array) -> Array:
        """Drops the same."""
        self._kernel(dy, self.draw, self._rate, self._factor, self._dx)
        return self._dx


@final
class Other(Node):
    """Any other layer, by its own forward and backward pass, with reused memory."""

    def __init__(
        self,
        name: str,
        layer: Layer,
        values: Mapping[str, Array],
        gradients: Mapping[str, Array],
        memory: Memory,
    ) -> None:
        self.name = name
        self._layer, self._values, self._gradients = layer, values, gradients
        self._memory = memory
        self._backward: Backward | None = None
        self.updates: dict[str, Array] = {}
        self.draw: Array | None = None

    def forward(self, x: Array, rng: np.random.Generator) -> Array:
        """The layer's own forward pass."""
        if self._layer.takes_draw:
            shape = self._layer.draw_shape(x.shape)
            self.draw = self._memory.empty("draw", shape, np.float64)
            rng.random(out=self.draw)
        self.updates = {}
        context = Context(True, self.draw, (), self._memory, self.updates)
        y, self._backward = self._layer.apply(self._values, x, context)
        return y

    def backward(self, dy: Array) -> Array:
        """The layer's own backward pass."""
        if self._backward is None:
            raise RuntimeError("a backward pass before a forward pass")
        dx, gradients = self._backward(dy)
        for key, gradient in gradients.items():
            np.copyto(self._gradients[key], gradient)
        return dx


def nodes_of(
    network: Network,
    parameters: Mapping[str, Array],
    gradients: Mapping[str, Array],
    example: Array,
    memory: Memory,
    kernels: Kernels,
) -> list[Node]:
    """The layers as nodes, an affine layer together with the activation that follows it."""
    inputs = network.forward(
        parameters, example, training=True, rng=np.random.default_rng(0)
    ).inputs
    nodes: list[Node] = []
    layers = list(network.layers)
    while layers:
        name, layer = layers.pop(0)
        place, x = memory.within(name), inputs[name]
        own = {key: parameters[f"{name}.{key}"] for key in (*layer.shapes(), *layer.buffers())}
        into = {key: gradients[f"{name}.{key}"] for key in layer.shapes()}
        if isinstance(layer, Affine) and x.ndim == 2:
            fused = layers.pop(0)[1] if layers and is_fused(layers[0][1]) else Identity()
            before = nodes[-1] if nodes and isinstance(nodes[-1], Dense) else None
            nodes.append(
                Dense(kernels, layer, fused, own, into, x, place, first=not nodes, before=before)
            )
        elif isinstance(layer, Dropout) and layer == Dropout(layer.rate, layer.scaling):
            nodes.append(Drop(kernels, layer, x, place))
        else:
            nodes.append(Other(name, layer, own, into, place))
    return nodes


def is_fused(layer: Layer) -> bool:
    """Whether an activation is computed together with the affine layer before it."""
    return layer in (Identity(), ReLU(), Sigmoid(), Tanh())
