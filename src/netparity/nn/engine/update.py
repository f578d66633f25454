"""An optimizer's update of parameters where they lie."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from netparity.nn.arrays import Array, flat
from netparity.nn.optimizers import (
    EqualAverage,
    ExponentialMovingAverage,
    Optimizer,
    State,
)
from netparity.nn.penalties import in_scope

#: Elements updated at a time: 64 KiB of float64. No intermediate array is larger, so that they
#: stay in the processor's cache.
BLOCK = 8192


def update_in_place(
    optimizer: Optimizer,
    parameters: Mapping[str, Array],
    gradients: Mapping[str, Array],
    state: State,
    learning_rate: float,
) -> None:
    """Makes one update, writing into the parameters and the state.

    Args:
        optimizer: the rule.
        parameters: C-contiguous arrays by name, float32 or float64; changed. A long run of
            them that lie one after the other in one buffer is updated as one array.
        gradients: arrays by name; a parameter that has none stays as it is.
        state: what ``optimizer.initialize`` gave for copies of the parameters; changed. Slots
            that it lacks are made.
        learning_rate: in place of the optimizer's own.

    The numbers are those of ``optimizer.update`` to the bit: it is what runs here, on pieces
    where it works element by element, else on each parameter.

    Example:
        >>> from netparity.nn import SGD
        >>> w, optimizer = {"w": np.array([1.0, 2.0])}, SGD(0.5)
        >>> state = optimizer.initialize(w)
        >>> update_in_place(optimizer, w, {"w": np.array([2.0, 2.0])}, state, 0.25)
        >>> w["w"], state["step"]
        (array([0.5, 1.5]), 1)
    """
    if not state.keys() >= set(optimizer.slots):
        state.update({**optimizer.initialize(parameters), **state})
    slots = {key: slot for key, slot in state.items() if isinstance(slot, Mapping)}
    following: State = {**state, "step": state["step"] + 1}
    for name, w, g, kept in _pieces(optimizer, parameters, gradients, slots):
        own = {key: {name: array} for key, array in kept.items()}
        before = {**state, **own}
        updated, after = optimizer.update({name: w}, {name: g}, before, learning_rate)
        np.copyto(w, updated[name])
        for key, array in kept.items():
            np.copyto(array, after[key][name])
        following.update({key: value for key, value in after.items() if key not in slots})
    state.update(following)


def observe_in_place(
    average: ExponentialMovingAverage | EqualAverage, state: State, parameters: Mapping[str, Array]
) -> None:
    """Takes the parameters after an update into an average of them, where it lies.

    Args:
        average: the rule.
        state: what ``average.initialize`` gave; changed.
        parameters: C-contiguous arrays by name.

    The numbers are those of ``average.observe`` to the bit, which is run on pieces.

    Example:
        >>> from netparity.nn.optimizers import EqualAverage
        >>> rule, w = EqualAverage(), {"w": np.array([4.0])}
        >>> state = rule.initialize(w)
        >>> observe_in_place(rule, state, w)
        >>> w["w"][0] = 2.0
        >>> observe_in_place(rule, state, w)
        >>> state["average"]["w"]
        array([3.])
    """
    step = state["step"]
    for name, kept in state["average"].items():
        whole, w = kept.reshape(-1), parameters[name].reshape(-1)
        for start in range(0, whole.size, BLOCK):
            part = slice(start, start + BLOCK)
            before = {"step": step, "average": {name: whole[part]}}
            whole[part] = average.observe(before, {name: w[part]})["average"][name]
    state["step"] = step + 1


def _pieces(
    optimizer: Optimizer,
    parameters: Mapping[str, Array],
    gradients: Mapping[str, Array],
    slots: Mapping[str, Mapping[str, Array]],
) -> Iterator[tuple[str, Array, Array, dict[str, Array]]]:
    """What is updated by one call: a name to do it under, parameter, gradient, slots."""
    if not optimizer.elementwise:
        for name, gradient in gradients.items():
            kept = {key: slot[name] for key, slot in slots.items() if name in slot}
            yield name, parameters[name], gradient, kept
        return
    for name, w, g, kept in _runs(optimizer, parameters, gradients, slots):
        for start in range(0, w.size, BLOCK):
            part = slice(start, start + BLOCK)
            yield name, w[part], g[part], {key: array[part] for key, array in kept.items()}


def _runs(
    optimizer: Optimizer,
    parameters: Mapping[str, Array],
    gradients: Mapping[str, Array],
    slots: Mapping[str, Mapping[str, Array]],
) -> Iterator[tuple[str, Array, Array, dict[str, Array]]]:
    """Arrays of one axis that are updated alike, each under the name of its first parameter."""
    held = (parameters, gradients, *slots.values())
    buffers = [flat(arrays) for arrays in held]
    together = all(list(arrays) == list(parameters) for arrays in held)
    if not together or any(buffer is None for buffer in buffers):
        for name, gradient in gradients.items():
            kept = {key: slot[name].reshape(-1) for key, slot in slots.items() if name in slot}
            yield name, parameters[name].reshape(-1), gradient.reshape(-1), kept
        return
    w, g, *rest = (buffer for buffer in buffers if buffer is not None)
    start, names = 0, list(parameters)
    while names:
        first = names[0]
        decays, stop = in_scope(optimizer.decay_scope, first), start
        while names and in_scope(optimizer.decay_scope, names[0]) == decays:
            stop += parameters[names.pop(0)].size
        part = slice(start, stop)
        kept = {key: buffer[part] for key, buffer in zip(slots, rest, strict=True)}
        yield first, w[part], g[part], kept
        start = stop
