"""The layers of a Keras model: their names, and what they are given and give.

Keras numbers the layers of a whole process (``dense_7``); here they are numbered within
the model, so that building it twice gives the same names.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from netparity.errors import InputError

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True, slots=True)
class Call:
    """One call of one layer.

    Attributes:
        name: the layer's name within the model.
        layer: the Keras layer.
        given: its first argument.
        gave: its output.
        affine: the output before its own activation function, where it has one that counts.
    """

    name: str
    layer: Any
    given: Any
    gave: Any
    affine: Any | None


def layer_names(model: Any) -> dict[int, str]:
    """Names of all layers below ``model``, by ``id``, unique within the model.

    A name that Keras made up (the class in snake case, with a number of the process) is
    numbered anew, in order of definition; a name of the author's own is kept.
    """
    names: dict[int, str] = {}
    taken: set[str] = set()
    for layer in layers_of(model):
        own = str(layer.name)
        automatic = re.fullmatch(rf"({re.escape(_snake_case(type(layer).__name__))})(_\d+)?", own)
        stem = automatic[1] if automatic else own
        names[id(layer)] = unique(stem, taken)
    return names


def layers_of(model: Any) -> list[Any]:
    """All layers below ``model``, nested ones too, each once, in order of definition."""
    layers = model._flatten_layers(include_self=False, recursive=True)
    return list({id(layer): layer for layer in layers}.values())


def unique(stem: str, taken: set[str]) -> str:
    """``stem``, or ``stem_1``, ``stem_2``, … where it is taken; adds it to ``taken``."""
    name, number = stem, 0
    while name in taken:
        number += 1
        name = f"{stem}_{number}"
    taken.add(name)
    return name


def variable_names(model: Any) -> dict[str, Any]:
    """The trainable variables by name, ``<layer>/<variable>``, in order of definition."""
    owners: dict[int, str] = {}
    names = layer_names(model)
    for layer in layers_of(model):
        for variable in layer._trainable_variables:
            owners.setdefault(id(variable), names[id(layer)])
    taken: set[str] = set()
    named: dict[str, Any] = {}
    for variable in model.trainable_variables:
        owner = owners.get(id(variable), "")
        named[unique(f"{owner}/{variable.name}" if owner else variable.name, taken)] = variable
    return named


def kept_names(model: Any) -> dict[str, Any]:
    """The floating variables of layers that are not trained, ``<layer>/<variable>``."""
    names = layer_names(model)
    return {
        f"{names[id(layer)]}/{variable.name}": variable
        for layer in layers_of(model)
        for variable in layer._non_trainable_variables
        if "float" in str(variable.dtype)
    }


def dropouts(model: Any) -> list[Any]:
    """The dropout layers, whose draws can be fed, in order of definition."""
    import keras

    kinds = (keras.layers.Dropout, keras.layers.SpatialDropout2D)
    return [layer for layer in layers_of(model) if type(layer) in kinds]


def has_counted_activation(layer: Any) -> bool:
    """Whether a layer with weights applies an activation function that does something."""
    import keras

    activation = getattr(layer, "activation", None)
    return (
        bool(layer._trainable_variables or layer._non_trainable_variables)
        and callable(activation)
        and not isinstance(activation, keras.layers.Layer)
        and activation is not keras.activations.linear
    )


@contextmanager
def recorded(model: Any) -> Iterator[list[Call]]:
    """Records each call of each innermost layer, in order of execution."""
    import keras

    calls: list[Call] = []
    names = layer_names(model)
    cells = {id(layer.cell) for layer in layers_of(model) if isinstance(layer, keras.layers.RNN)}
    with _Patches() as patches:
        for layer in layers_of(model):
            if isinstance(layer, (keras.Model, keras.layers.InputLayer)):
                continue
            recurrent = isinstance(layer, keras.layers.RNN)
            if id(layer) in cells or (
                not recurrent and not layer._trainable_variables and layer._layers
            ):
                continue
            # The variables of a recurrent layer are its cell's, and named after it.
            name = names[id(layer.cell if recurrent else layer)]
            patches.set(layer, "call", _recording(layer, name, calls))
        yield calls


@contextmanager
def fed_dropout(layers: Sequence[Any], draws: Sequence[Array] | None) -> Iterator[None]:
    """Makes the dropout layers keep a unit where its draw is at least the rate.

    ``draws`` holds an array for each call, in order of execution; ``None`` leaves the
    layers to their own random numbers.
    """
    if draws is None:
        yield
        return
    remaining = list(draws)

    def feed(layer: Any) -> Callable[..., Any]:
        def call(inputs: Any, training: bool = False) -> Any:
            if not training:
                return inputs
            if not remaining:
                msg = f"dropout: expected {len(draws)} calls of dropout layers, received more"
                raise InputError(msg, hint="give one array of draws for each dropout")
            return _dropped(layer, inputs, remaining.pop(0))

        return call

    with _Patches() as patches:
        for layer in layers:
            patches.set(layer, "call", feed(layer))
        yield


@contextmanager
def measured_dropout(layers: Sequence[Any]) -> Iterator[list[tuple[int, ...]]]:
    """Collects the shape of the draws that each dropout takes, in order of execution."""
    shapes: list[tuple[int, ...]] = []

    def measure(layer: Any) -> Callable[..., Any]:
        def call(inputs: Any, training: bool = False) -> Any:
            if training:
                shapes.append(_draw_shape(layer, inputs))
            return inputs

        return call

    with _Patches() as patches:
        for layer in layers:
            patches.set(layer, "call", measure(layer))
        yield shapes


class _Patches:
    """Attributes of layer objects, set past Keras's tracking and taken back on exit."""

    def __init__(self) -> None:
        self._undo: list[tuple[Any, str, bool, Any]] = []

    def set(self, layer: Any, attribute: str, value: Any) -> None:
        held = attribute in layer.__dict__
        self._undo.append((layer, attribute, held, layer.__dict__.get(attribute)))
        layer.__dict__[attribute] = value

    def __enter__(self) -> _Patches:
        return self

    def __exit__(self, *_: object) -> None:
        for layer, attribute, held, value in reversed(self._undo):
            if held:
                layer.__dict__[attribute] = value
            else:
                del layer.__dict__[attribute]


def _recording(layer: Any, name: str, calls: list[Call]) -> Callable[..., Any]:
    original = layer.call
    counted = has_counted_activation(layer)

    def call(*args: Any, **kwargs: Any) -> Any:
        before: list[Any] = []
        with _Patches() as patches:
            if counted:
                activation = layer.activation

                def seen(value: Any) -> Any:
                    before.append(value)
                    return activation(value)

                patches.set(layer, "activation", seen)
            output = original(*args, **kwargs)
        given = args[0] if args else None
        affine = before[0] if len(before) == 1 else None
        calls.append(Call(name, layer, given, output, affine))
        return output

    return call


def _dropped(layer: Any, inputs: Any, draw: Array) -> Any:
    from keras import ops

    expected = _draw_shape(layer, inputs)
    if tuple(draw.shape) != expected:
        msg = f"{layer.name}: expected draws of shape {expected}, received {tuple(draw.shape)}"
        raise InputError(msg)
    kept = ops.convert_to_tensor(np.asarray(draw >= layer.rate))
    if layer.rate >= 1:
        return ops.zeros_like(inputs)
    return ops.where(kept, inputs, ops.zeros_like(inputs)) / (1 - layer.rate)


def _draw_shape(layer: Any, inputs: Any) -> tuple[int, ...]:
    shape = tuple(int(size) for size in inputs.shape)
    spatial = type(layer).__name__ == "SpatialDropout2D"
    noise = layer._get_noise_shape(inputs) if spatial else layer.noise_shape
    if noise is None:
        return shape
    return tuple(size if given is None else given for size, given in zip(shape, noise, strict=True))


def _snake_case(name: str) -> str:
    name = re.sub(r"\W+", "", name)
    name = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()
