"""A step of training laid out beforehand: loss and gradients into arrays that are there."""

from __future__ import annotations

import importlib.util
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any, Literal, final

import numpy as np

from netparity.errors import InputError
from netparity.nn.arrays import Array, Memory, flat
from netparity.nn.engine.plain import PlainKernels
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
from netparity.nn.losses import Loss, MeanSquaredError, SoftmaxCrossEntropy
from netparity.nn.losses.base import scale
from netparity.nn.network import Network

#: Below this many products in a step the calls themselves are what takes the time, and one
#: compiled call for the whole network is faster than BLAS.
SMALL = 20_000


#: The loops over elements: the compiled module ``kernels``, or the same in NumPy.
Kernels = ModuleType | PlainKernels
Engine = Literal["auto", "compiled", "plain"]


def kernels_of(engine: Engine) -> Kernels:
    """The loops over elements that an engine uses.

    Args:
        engine: ``"compiled"`` by numba, ``"plain"`` NumPy, or ``"auto"``: compiled where numba
            is installed.

    Raises:
        InputError: another name, or numba is asked for and not installed.

    Example:
        >>> type(kernels_of("plain")).__name__
        'PlainKernels'
    """
    if engine not in ("auto", "compiled", "plain"):
        raise InputError(
            f"engine {engine!r} is not known. Expected 'auto', 'compiled' or 'plain'. "
            f"Received: {engine!r}"
        )
    installed = importlib.util.find_spec("numba") is not None
    if engine == "compiled" and not installed:
        raise InputError(
            "engine 'compiled' needs numba, which is not installed",
            hint="install it with pip install 'netparity[fast]', or take engine='auto'",
        )
    if engine == "plain" or not installed:
        return PlainKernels()
    from netparity.nn.engine import kernels

    return kernels


class _Node(ABC):
    """One piece of the plan: a layer, or an affine layer with its activation."""

    @abstractmethod
    def forward(self, x: Array, rng: np.random.Generator) -> Array:
        """The output for an input."""

    @abstractmethod
    def backward(self, dy: Array) -> Array:
        """The gradient at the input; those of the parameters go to their places."""


@final
class _Dense(_Node):
    """An affine layer and, in the same pass, its activation."""

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
    ) -> None:
        self._weight, self._dweight = values["weight"], gradients["weight"]
        self._transposed = self._weight.T
        dtype, rows = self._weight.dtype, len(x)
        self._bias = values["bias"] if layer.bias else np.zeros(layer.outputs, dtype)
        self._dbias = gradients["bias"] if layer.bias else np.empty(layer.outputs, dtype)
        self._y = memory.empty("y", (rows, layer.outputs), dtype)
        self._x = self._y
        self._dz = memory.empty("dz", (rows, layer.outputs), dtype)
        # The gradient at the network's input is not wanted.
        self._dx = None if first else memory.empty("dx", (rows, layer.inputs), dtype)
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
        np.matmul(x, self._weight, out=self._y)
        self._finish(self._y, self._bias)
        return self._y

    def backward(self, dy: Array) -> Array:
        """Activation, bias, products."""
        dz = dy
        if self._back is None:
            self._sum_rows(dy, self._dbias)
        else:
            dz = self._dz
            self._back(dy, self._y, dz, self._dbias)
        np.matmul(self._x.T, dz, out=self._dweight)
        if self._dx is None:
            return dz
        return np.matmul(dz, self._transposed, out=self._dx)


@final
class _Drop(_Node):
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
class _Other(_Node):
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
        >>> from netparity.nn import NAMED
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
        self._nodes = _nodes(network, parameters, gradients, example, memory, kernels)
        self._small = _Small.of(network, loss, parameters, gradients, example.shape, kernels)

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
            if isinstance(node, _Other)
            for key, array in node.updates.items()
        }

    @property
    def draws(self) -> tuple[Array, ...]:
        """The draws of the last run, in order of execution."""
        kept = (node.draw for node in self._nodes if isinstance(node, _Drop | _Other))
        return tuple(draw for draw in kept if draw is not None)

    def _loss_of(self, prediction: Array, y: Array, weights: Array | None) -> tuple[float, Array]:
        """The loss and its gradient at the prediction."""
        if weights is None and _fits(self.loss, prediction.shape, prediction.dtype, y):
            constant = _constant(self.loss, prediction.shape)
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


@final
class _Small:
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
        self._constant = _constant(loss, self._shape)
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
    ) -> _Small | None:
        """The whole network as one call, or ``None`` where it is too large or of other layers."""
        if not isinstance(kernels, ModuleType):
            return None
        layers: list[tuple[Affine, Layer]] = []
        for _, layer in network.layers:
            if isinstance(layer, Affine):
                layers.append((layer, Identity()))
            elif layers and _fused(layer) and isinstance(layers[-1][1], Identity):
                layers[-1] = (layers[-1][0], layer)
            else:
                return None
        products = shape[0] * sum(layer.inputs * layer.outputs for layer, _ in layers)
        if not layers or products > SMALL or len(shape) != 2 or not _common(loss):
            return None
        buffers = flat(parameters), flat(gradients)
        if buffers[0] is None or buffers[1] is None:
            return None
        return cls(loss, layers, buffers[0], buffers[1], shape[0], kernels)

    def run(self, x: Array, y: Array) -> float | None:
        """The data loss, gradients filled; ``None`` where the targets are not the usual ones."""
        if not _fits(self._loss, self._shape, x.dtype, y):
            return None
        entropy = self._unused.ndim == 2
        target, labels = (self._unused, y) if entropy else (y, self._unused)
        total = self._step(
            x, target, labels, self._parameters, self._gradients, self._values, self._sizes,
            self._activations, self._biases, self._kind, self._rounded,
        )  # fmt: skip
        return None if total == -1.0 else total * self._constant


def _nodes(
    network: Network,
    parameters: Mapping[str, Array],
    gradients: Mapping[str, Array],
    example: Array,
    memory: Memory,
    kernels: Kernels,
) -> list[_Node]:
    """The layers as nodes, an affine layer together with the activation that follows it."""
    inputs = network.forward(
        parameters, example, training=True, rng=np.random.default_rng(0)
    ).inputs
    nodes: list[_Node] = []
    layers = list(network.layers)
    while layers:
        name, layer = layers.pop(0)
        place, x = memory.within(name), inputs[name]
        own = {key: parameters[f"{name}.{key}"] for key in (*layer.shapes(), *layer.buffers())}
        into = {key: gradients[f"{name}.{key}"] for key in layer.shapes()}
        if isinstance(layer, Affine) and x.ndim == 2:
            fused = layers.pop(0)[1] if layers and _fused(layers[0][1]) else Identity()
            nodes.append(_Dense(kernels, layer, fused, own, into, x, place, first=not nodes))
        elif isinstance(layer, Dropout) and layer == Dropout(layer.rate, layer.scaling):
            nodes.append(_Drop(kernels, layer, x, place))
        else:
            nodes.append(_Other(name, layer, own, into, place))
    return nodes


def _fused(layer: Layer) -> bool:
    """Whether an activation is computed together with the affine layer before it."""
    return layer in (Identity(), ReLU(), Sigmoid(), Tanh())


def _common(loss: Loss) -> bool:
    """Whether a loss is compiled: mean squared error, or cross-entropy of logits, plain."""
    return loss == SoftmaxCrossEntropy(batch=loss.batch, factor=loss.factor) or isinstance(
        loss, MeanSquaredError
    )


def _fits(loss: Loss, shape: tuple[int, ...], dtype: np.dtype[Any], y: Array) -> bool:
    """Whether a compiled loss takes these predictions and targets as they are."""
    if isinstance(loss, MeanSquaredError):
        return y.shape == shape and y.dtype == dtype and y.flags.c_contiguous
    return _common(loss) and len(shape) == 2 and y.shape == shape[:1] and y.dtype.kind in "iu"


def _constant(loss: Loss, shape: tuple[int, ...]) -> float:
    """What a compiled loss multiplies its sum by."""
    outputs = loss.outputs if isinstance(loss, MeanSquaredError) else "sum"
    return scale(loss.factor, loss.batch, shape[0], outputs, math.prod(shape[1:]))
