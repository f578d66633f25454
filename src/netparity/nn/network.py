"""A network: layers in a row, their parameters, and the tape of a forward pass."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import final

import numpy as np
from numpy.typing import DTypeLike

from netparity.errors import InputError
from netparity.nn.arrays import FRESH, Array, Memory, views
from netparity.nn.initializers import Law
from netparity.nn.layers.base import Backward, Context, Layer

Disturb = Callable[[Array], Array]

#: The network's input, as a source of a layer.
INPUT = "input"


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
        buffers: new values of the buffers by full name, in training mode; else none.
    """

    prediction: Array
    inputs: dict[str, Array]
    outputs: dict[str, Array]
    draws: tuple[Array, ...]
    buffers: dict[str, Array]
    _backwards: tuple[tuple[str, tuple[str, ...], Backward], ...] = field(repr=False)
    _disturb: Disturb | None = field(default=None, repr=False)
    _memory: Memory = field(default=FRESH, repr=False)

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
        # What later layers with sources sent back to an earlier output.
        sent: dict[str, Array] = {}

        def summed(key: str, one: Array, other: Array) -> Array:
            return np.add(one, other, out=self._memory.empty(key, one.shape, one.dtype))

        for name, sources, backward in reversed(self._backwards):
            if name in sent:
                dy = summed(f"delta/{name}", dy, sent.pop(name))
            deltas.append((name, dy))
            dy, gradients = backward(dy)
            if disturb is not None:
                dy = disturb(dy)
                gradients = {key: disturb(value) for key, value in gradients.items()}
            for source in sources:
                gradient = gradients.pop(source)
                sent[source] = (
                    summed(f"sent/{source}", sent[source], gradient) if source in sent else gradient
                )
            parameters.extend((f"{name}.{key}", gradients[key]) for key in reversed(gradients))
        if INPUT in sent:
            dy = summed(f"delta/{INPUT}", dy, sent.pop(INPUT))
        return Gradients(dict(reversed(parameters)), dict(reversed(deltas)), dy)


@final
@dataclass(frozen=True, slots=True)
class Network:
    """Layers in order of execution, each fed by the one before it.

    A layer with ``sources`` (``Add``, ``Concatenate``, ``Take``) also takes the outputs of
    earlier layers, so that residual connections and branches can be written.

    Args:
        layers: ``(name, layer)`` in order of execution, names unique. ``"input"`` names the
            network's input as a source.

    Parameters are named ``"<layer>.<parameter>"`` and live outside, in a mapping; so do the
    buffers (running statistics), named likewise.

    Raises:
        InputError: two layers have one name, a name holds a dot, or a source is no earlier
            layer.

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
            if names.count(name) > 1 or "." in name or name in ("", INPUT):
                raise InputError(
                    f"layer name {name!r} cannot be used. Expected names that are unique, not "
                    f"empty, not {INPUT!r} and without a dot. Received: {names}"
                )
        for place, (name, layer) in enumerate(self.layers):
            for source in layer.sources:
                if source not in (INPUT, *names[:place]) or layer.sources.count(source) > 1:
                    raise InputError(
                        f"layer {name!r}: source {source!r} cannot be used. Expected earlier "
                        f"layers, each once, of {[INPUT, *names[:place]]}. "
                        f"Received: {layer.sources}"
                    )

    def parameter_shapes(self) -> dict[str, tuple[int, ...]]:
        """The shape of each parameter by full name, in order."""
        return {
            f"{name}.{key}": shape
            for name, layer in self.layers
            for key, shape in layer.shapes().items()
        }

    def initial_buffers(self, dtype: DTypeLike = np.float64) -> dict[str, Array]:
        """The first values of all buffers by full name, in order.

        Args:
            dtype: float32 or float64.
        """
        return {
            f"{name}.{key}": np.full(shape, value, dtype)
            for name, layer in self.layers
            for key, (shape, value) in layer.buffers().items()
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
            for key, shape in layer.shapes().items():
                full, fans = f"{name}.{key}", layer.fans(key)
                parameters[full][...] = _law(laws, full, key).sample(shape, *fans, rng, dtype)
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
        memory: Memory = FRESH,
    ) -> Tape:
        """Runs forward.

        Args:
            parameters: parameters and buffers by full name, all of one dtype (float32 or
                float64).
            x: a batch (N, …); taken over into the dtype of the parameters.
            training: whether dropout drops and batch norm uses the batch's statistics.
            draws: one array of uniform numbers in [0, 1) for each dropout, in order of
                execution, in the shape of its input; used in training only.
            rng: where they come from if ``draws`` is not given.
            disturb: applied to the input, to every parameter and to every layer's output
                and, backward, to every gradient; for measuring noise. Tokens are left as they
                are: the input of a network with a layer that takes some, and what comes
                before such a layer.
            memory: where the layers' arrays come from. From one that reuses, the tape is
                valid until the next pass with it.

        Returns:
            The tape, with the prediction and the backward pass.

        Raises:
            InputError: a parameter is missing or has another shape, the batch does not fit
                a layer, or dropout trains with neither ``draws`` nor ``rng``.
        """
        dtype = self._check(parameters, np.asarray(x))
        y = np.asarray(x).astype(dtype, copy=False)
        tokens = [layer.takes_tokens for _, layer in self.layers]
        if disturb is not None and not any(tokens):
            y = disturb(y)
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
        backwards: list[tuple[str, tuple[str, ...], Backward]] = []
        buffers: dict[str, Array] = {}
        first = y
        for (name, layer), before_tokens in zip(self.layers, [*tokens, False][1:], strict=True):
            own = {key: parameters[f"{name}.{key}"] for key in (*layer.shapes(), *layer.buffers())}
            if disturb is not None:
                own = {key: disturb(value) for key, value in own.items()}
            place, draw = memory.within(name), None
            if training and layer.takes_draw:
                draw = (
                    _drawn(name, layer.draw_shape(y.shape), rng, place)
                    if draws is None
                    else np.asarray(next(remaining))
                )
                used.append(draw)
            inputs[name] = y
            others = tuple(first if key == INPUT else outputs[key] for key in layer.sources)
            updates: dict[str, Array] = {}
            try:
                y, backward = layer.apply(own, y, Context(training, draw, others, place, updates))
            except InputError as error:
                raise InputError(
                    f"layer {name!r} ({type(layer).__name__}): {error.message}", hint=error.hint
                ) from error
            y = y if disturb is None or before_tokens else disturb(y)
            outputs[name] = y
            buffers.update({f"{name}.{key}": value for key, value in updates.items()})
            backwards.append((name, layer.sources, backward))
        return Tape(y, inputs, outputs, tuple(used), buffers, tuple(backwards), disturb, memory)

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
        for name, layer in self.layers:
            for key in layer.buffers():
                if f"{name}.{key}" not in parameters:
                    raise InputError(
                        f"buffer '{name}.{key}' is missing. Expected it among the parameters.",
                        hint="`network.initial_buffers(dtype)` gives the first values",
                    )
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


def _drawn(
    name: str, shape: tuple[int, ...], rng: np.random.Generator | None, memory: Memory
) -> Array:
    """Uniform numbers for a dropout."""
    if rng is None:
        raise InputError(
            f"layer {name!r}: dropout trains without random numbers. Expected draws or rng.",
            hint="pass rng=numpy.random.default_rng(seed), or draws",
        )
    draw = memory.empty("draw", shape, np.float64)
    rng.random(out=draw)
    return draw
