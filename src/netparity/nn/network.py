"""A network: layers in a row, their parameters, and the tape of a forward pass."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import final

import numpy as np
from numpy.typing import DTypeLike

from netparity.errors import InputError
from netparity.nn.arrays import Array, views
from netparity.nn.initializers import Law
from netparity.nn.layers.base import Backward, Layer

Disturb = Callable[[Array], Array]


@final
@dataclass(frozen=True, slots=True)
class Gradients:
    """What a backward pass gives.

    Attributes:
        parameters: gradient of each parameter by full name, in the network's order.
        deltas: gradient at each layer's OUTPUT by layer name, in the network's order.
        input: gradient at the network's input.
    """

    parameters: dict[str, Array]
    deltas: dict[str, Array]
    input: Array


@final
@dataclass(frozen=True, slots=True)
class Tape:
    """A forward pass, with all that the backward pass needs.

    Attributes:
        prediction: the output of the last layer (N, …).
        inputs: the input of each layer by name, in order.
        outputs: the output of each layer by name, in order.
        draws: the uniform numbers each dropout used, in order of execution.
    """

    prediction: Array
    inputs: dict[str, Array]
    outputs: dict[str, Array]
    draws: tuple[Array, ...]
    _backwards: tuple[tuple[str, Backward], ...] = field(repr=False)
    _disturb: Disturb | None = field(default=None, repr=False)

    def backward(self, dprediction: Array) -> Gradients:
        """Runs backward from the gradient at the prediction.

        Args:
            dprediction: gradient at the prediction, in its shape and dtype.

        Returns:
            The gradients at every layer's output, of every parameter, and at the input.

        Raises:
            InputError: ``dprediction`` has another shape than the prediction.
        """
        if dprediction.shape != self.prediction.shape:
            raise InputError(
                f"gradient at the prediction of another shape. "
                f"Expected {self.prediction.shape}. Received: {dprediction.shape}"
            )
        disturb = self._disturb
        dy = dprediction if disturb is None else disturb(dprediction)
        deltas: list[tuple[str, Array]] = []
        parameters: list[tuple[str, Array]] = []
        for name, backward in reversed(self._backwards):
            deltas.append((name, dy))
            dy, gradients = backward(dy)
            if disturb is not None:
                dy = disturb(dy)
                gradients = {key: disturb(value) for key, value in gradients.items()}
            parameters.extend((f"{name}.{key}", gradients[key]) for key in reversed(gradients))
        return Gradients(dict(reversed(parameters)), dict(reversed(deltas)), dy)


def _fans(shapes: Mapping[str, tuple[int, ...]]) -> tuple[int, int]:
    """Inputs and outputs of a layer, by its weight."""
    shape = shapes.get("weight", (1, 1))
    return (math.prod(shape[:-1]), shape[-1])


@final
@dataclass(frozen=True, slots=True)
class Network:
    """Layers in a row.

    Args:
        layers: ``(name, layer)`` in order of execution, names unique.

    Parameters are named ``"<layer>.<parameter>"`` and live outside, in a mapping.

    Raises:
        InputError: two layers have one name, or a name holds a dot.

    Example:
        >>> from netparity.nn import Affine, NAMED, Sigmoid
        >>> network = Network((("hidden", Affine(2, 3)), ("sigmoid", Sigmoid())))
        >>> network.parameter_shapes()
        {'hidden.weight': (2, 3), 'hidden.bias': (3,)}
        >>> parameters = network.initialize(NAMED["zeros"], np.random.default_rng(0))
        >>> tape = network.forward(parameters, np.ones((1, 2)))
        >>> tape.prediction
        array([[0.5, 0.5, 0.5]])
        >>> tape.backward(np.ones((1, 3))).parameters["hidden.bias"]
        array([0.25, 0.25, 0.25])

    Source: Rumelhart, Hinton, Williams, Nature 323 (1986).

    **Parity**: torch names parameters by attribute (``"0.weight"``), Keras by layer
    (``"dense/kernel"``), Flax by path; cs231n counts ``W1, b1``.
    """

    layers: tuple[tuple[str, Layer], ...]

    def __post_init__(self) -> None:
        """Checks the names."""
        names = [name for name, _ in self.layers]
        for name in names:
            if names.count(name) > 1 or "." in name or not name:
                raise InputError(
                    f"layer name {name!r} cannot be used. Expected names that are unique, not "
                    f"empty and without a dot. Received: {names}"
                )

    def parameter_shapes(self) -> dict[str, tuple[int, ...]]:
        """The shape of each parameter by full name, in order."""
        return {
            f"{name}.{key}": shape
            for name, layer in self.layers
            for key, shape in layer.shapes().items()
        }

    def initialize(
        self,
        laws: Mapping[str, Law] | Law,
        rng: np.random.Generator,
        dtype: DTypeLike = np.float64,
    ) -> dict[str, Array]:
        """Draws initial values.

        Args:
            laws: one law for all, or one for each by full name (``"dense1.weight"``) or,
                where that is not there, by the parameter's own (``"weight"``).
            rng: where the random numbers come from; drawn in the order of the parameters.
            dtype: float32 or float64.

        Returns:
            The parameters by full name, as views into one contiguous buffer.

        Raises:
            InputError: a parameter has no law.
        """
        parameters = views(self.parameter_shapes(), dtype)
        for name, layer in self.layers:
            shapes = layer.shapes()
            for key, shape in shapes.items():
                full = f"{name}.{key}"
                parameters[full][...] = _law(laws, full, key).sample(
                    shape, *_fans(shapes), rng, dtype
                )
        return parameters

    def forward(
        self,
        parameters: Mapping[str, Array],
        x: Array,
        *,
        training: bool = False,
        draws: Sequence[Array] | None = None,
        rng: np.random.Generator | None = None,
        disturb: Disturb | None = None,
    ) -> Tape:
        """Runs forward.

        Args:
            parameters: by full name, all of one dtype (float32 or float64).
            x: a batch (N, …); taken over into the dtype of the parameters.
            training: whether dropout drops.
            draws: one array of uniform numbers in [0, 1) for each dropout, in order of
                execution, in the shape of its input; used in training only.
            rng: where they come from if ``draws`` is not given.
            disturb: applied to the input, to every parameter and to every layer's output
                and, backward, to every gradient; for measuring noise.

        Returns:
            The tape, with the prediction and the backward pass.

        Raises:
            InputError: a parameter is missing or has another shape, the batch does not fit
                a layer, or dropout trains with neither ``draws`` nor ``rng``.
        """
        dtype = self._check(parameters, np.asarray(x))
        y = np.asarray(x).astype(dtype, copy=False)
        y = y if disturb is None else disturb(y)
        taken = [name for name, layer in self.layers if layer.takes_draw] if training else []
        if taken and draws is not None and len(draws) != len(taken):
            raise InputError(
                f"draws for another number of dropouts. Expected {len(taken)} ({taken}). "
                f"Received: {len(draws)}"
            )
        remaining = iter(draws or ())
        inputs: dict[str, Array] = {}
        outputs: dict[str, Array] = {}
        used: list[Array] = []
        backwards: list[tuple[str, Backward]] = []
        for name, layer in self.layers:
            own = {key: parameters[f"{name}.{key}"] for key in layer.shapes()}
            if disturb is not None:
                own = {key: disturb(value) for key, value in own.items()}
            draw = None
            if training and layer.takes_draw:
                draw = np.asarray(next(remaining)) if draws is not None else _drawn(name, y, rng)
                used.append(draw)
            inputs[name] = y
            try:
                y, backward = layer.apply(own, y, training=training, draw=draw)
            except InputError as error:
                raise InputError(
                    f"layer {name!r} ({type(layer).__name__}): {error.message}", hint=error.hint
                ) from error
            y = y if disturb is None else disturb(y)
            outputs[name] = y
            backwards.append((name, backward))
        return Tape(y, inputs, outputs, tuple(used), tuple(backwards), disturb)

    def _check(self, parameters: Mapping[str, Array], x: Array) -> np.dtype[np.generic]:
        """The dtype to compute in, after a look at the parameters."""
        if x.ndim < 1 or x.dtype.kind not in "fiub":
            raise InputError(
                f"input of another kind. Expected a batch (N, …) of numbers. "
                f"Received: shape {x.shape}, dtype {x.dtype}"
            )
        dtypes = set()
        for name, shape in self.parameter_shapes().items():
            if name not in parameters:
                raise InputError(
                    f"parameter {name!r} is missing. Expected shape {shape}. "
                    f"Received: {sorted(parameters)}"
                )
            if np.shape(parameters[name]) != shape:
                raise InputError(
                    f"parameter {name!r} of another shape. Expected {shape}. "
                    f"Received: {np.shape(parameters[name])}"
                )
            dtypes.add(parameters[name].dtype)
        if len(dtypes) > 1:
            raise InputError(
                f"parameters of several dtypes. Expected one of float32 and float64. "
                f"Received: {sorted(map(str, dtypes))}",
                hint="convert them all with .astype(np.float64), or to float32",
            )
        if dtypes:
            return dtypes.pop()
        return x.dtype if x.dtype.kind == "f" else np.dtype(np.float64)


def _law(laws: Mapping[str, Law] | Law, full: str, key: str) -> Law:
    """The law of a parameter, by its full name or by its own."""
    if isinstance(laws, Law):
        return laws
    law = laws.get(full, laws.get(key))
    if law is None:
        raise InputError(
            f"parameter {full!r} has no law of initial values. Expected one under {full!r} or "
            f"{key!r}. Received: {sorted(laws)}"
        )
    return law


def _drawn(name: str, x: Array, rng: np.random.Generator | None) -> Array:
    """Uniform numbers for a dropout."""
    if rng is None:
        raise InputError(
            f"layer {name!r}: dropout trains without random numbers. Expected draws or rng.",
            hint="pass rng=numpy.random.default_rng(seed), or draws",
        )
    return np.asarray(rng.random(x.shape))
