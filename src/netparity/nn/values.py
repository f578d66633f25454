"""A solver's arrays: their first values, and what is written into them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from netparity.errors import InputError
from netparity.nn.arrays import Array, packed, views
from netparity.nn.initializers import NAMED, Constant, Law
from netparity.nn.network import Network
from netparity.nn.optimizers import State


def default_law(name: str) -> Law:
    """The law of a parameter that has been given none, by its own name.

    Args:
        name: the parameter's full name.

    Example:
        >>> default_law("norm.scale")
        Constant(value=1.0)
    """
    if name.endswith("weight"):
        return NAMED["glorot_uniform"]
    if name.endswith("scale"):
        return NAMED["ones"]
    return Constant(0.25) if name.endswith("slope") else NAMED["zeros"]


def first_values(
    network: Network,
    parameters: Mapping[str, Array] | None,
    buffers: Mapping[str, Array] | None,
    laws: Mapping[str, Law] | Law | None,
    rng: np.random.Generator,
    dtype: np.dtype[np.generic],
) -> tuple[dict[str, Array], dict[str, Array]]:
    """The parameters and the buffers of a network, each in one buffer.

    Args:
        network: the network.
        parameters: given by full name, buffers among them if wanted; else they are drawn.
        buffers: given likewise; the layers' own without.
        laws: laws to draw by; ``default_law`` without.
        rng: what is drawn by.
        dtype: float32 or float64.

    Raises:
        InputError: a value is missing, or does not fit.

    Example:
        >>> from netparity.nn import Affine
        >>> network, rng = Network((("line", Affine(1, 1)),)), np.random.default_rng(0)
        >>> first_values(network, None, None, NAMED["ones"], rng, np.dtype(float))[0]
        {'line.weight': array([[1.]]), 'line.bias': array([1.])}
    """
    kept = packed(network.initial_buffers(dtype), dtype)
    shapes = network.parameter_shapes()
    if parameters is None:
        drawn = {name: default_law(name) for name in shapes} if laws is None else laws
        made = network.initialize(drawn, rng, dtype)
    else:
        made = views(shapes, dtype)
        for name, shape in shapes.items():
            if name not in parameters:
                raise InputError(
                    f"parameter {name!r} is missing. Expected shape {shape}. "
                    f"Received: {sorted(parameters)}"
                )
    write_values({**made, **kept}, {**(parameters or {}), **(buffers or {})})
    return made, kept


def write_values(live: Mapping[str, Array], values: Mapping[str, Array]) -> None:
    """Writes values into arrays.

    Args:
        live: the arrays by name; changed.
        values: some or all of them by name.

    Raises:
        InputError: a name or shape is not among them; nothing is written then.

    Example:
        >>> live = {"w": np.zeros(2)}
        >>> write_values(live, {"w": np.ones(2)})
        >>> live["w"]
        array([1., 1.])
    """
    for name, value in values.items():
        if name not in live or live[name].shape != np.shape(value):
            expected = live[name].shape if name in live else ", ".join(live)
            raise InputError(
                f"value {name!r} does not fit the network. Expected {expected}. "
                f"Received: shape {np.shape(value)}"
            )
    for name, value in values.items():
        live[name][...] = value


def write_state(live: State, state: State, dtype: np.dtype[np.generic]) -> None:
    """Writes the state of an optimizer or of an average.

    Args:
        live: the state; changed. Slots that it has stay where they are, others are made, the
            arrays of each in one buffer.
        state: in the form that ``initialize`` gives it; copied.
        dtype: of the arrays.

    Example:
        >>> live = {}
        >>> write_state(live, {"step": 1, "velocity": {"w": np.ones(2)}}, np.dtype(float))
        >>> live["step"], live["velocity"]["w"]
        (1, array([1., 1.]))
    """
    made = {
        key: packed(value, dtype) if isinstance(value, Mapping) else value
        for key, value in state.items()
    }
    for key, slot in live.items():
        new = made.get(key)
        if isinstance(slot, Mapping) and isinstance(new, Mapping) and _alike(slot, new):
            for name, array in slot.items():
                array[...] = new[name]
            made[key] = slot
    live.clear()
    live.update(made)


def _alike(one: Mapping[str, Array], other: Mapping[str, Array]) -> bool:
    """Whether arrays have the same names and shapes, in the same order."""
    return [(k, a.shape) for k, a in one.items()] == [(k, a.shape) for k, a in other.items()]
