"""What the recurrent layers share.

Inside, time comes first: everything that belongs to a step is one contiguous block.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Literal, final

import numpy as np

from netparity.errors import InputError
from netparity.nn.arrays import Array, Memory

#: How many biases a recurrent layer keeps: one, one for the input and one for the state, or none.
Biases = Literal["one", "two", "none"]
#: The function of a gate: the sigmoid, or one made of straight pieces.
GateActivation = Literal["sigmoid", "hard-sigmoid", "hard-sigmoid-keras2"]

#: For each block of columns the block of the parameters that it comes from, and its sign.
Order = tuple[tuple[int, float], ...]

#: What does not depend on the gradient is computed for as many steps at a time as have about
#: this many elements in a block: few calls, and arrays that stay in the processor's cache.
_BLOCK = 16384

#: The slope of the middle piece.
_SLOPES = {"hard-sigmoid": 1.0 / 6.0, "hard-sigmoid-keras2": 0.2}


def recurrent_shapes(
    inputs: int, units: int, blocks: int, bias: Biases
) -> dict[str, tuple[int, ...]]:
    """The shapes of a recurrent layer's parameters.

    Args:
        inputs: number D of input features.
        units: number H of units.
        blocks: number k of blocks that stand side by side.
        bias: how many biases there are.
    """
    width = blocks * units
    shapes: dict[str, tuple[int, ...]] = {
        "weight": (inputs, width),
        "recurrent_weight": (units, width),
    }
    if bias != "none":
        shapes["bias"] = (width,)
    if bias == "two":
        shapes["recurrent_bias"] = (width,)
    return shapes


def total_bias(parameters: Mapping[str, Array], width: int, x: Array) -> Array:
    """The sum of the biases that are there, (kH,)."""
    none = np.zeros(width, x.dtype)
    return parameters.get("bias", none) + parameters.get("recurrent_bias", none)


def time_first(sequence: Array, time_major: bool) -> Array:
    """A view of (N, T, …), or of (T, N, …) if ``time_major``, as (T, N, …)."""
    return sequence if time_major else sequence.swapaxes(0, 1)


def staged(x: Array, inputs: int, time_major: bool, memory: Memory) -> Array:
    """The input with time first and a column of ones, (T, N, D + 1).

    The ones multiply a bias, and sum up its gradient, in the products that are there anyway.

    Args:
        x: (N, T, D), or (T, N, D) if ``time_major``.
        inputs: the number D that is expected.
        time_major: whether time is the first axis of ``x``.
        memory: where the result comes from.

    Raises:
        InputError: ``x`` has another shape.
    """
    if x.ndim != 3 or x.shape[2] != inputs:
        axes = "T, N" if time_major else "N, T"
        raise InputError(
            f"input of another shape. Expected ({axes}, {inputs}). Received: {x.shape}",
            hint="a recurrent layer takes a sequence of features for each sample",
        )
    steps = time_first(x, time_major)
    stage = memory.empty("staged", (*steps.shape[:2], inputs + 1), x.dtype)
    stage[:, :, :inputs] = steps
    stage[:, :, inputs] = 1.0
    return stage


def arrange(source: Array, order: Order, out: Array) -> Array:
    """Copies blocks of columns into another order, with signs.

    Args:
        source: blocks side by side on the last axis.
        order: for each block of the result the block it comes from, and its sign.
        out: the result.

    Returns:
        ``out``.
    """
    width = out.shape[-1] // len(order)
    for place, (block, sign) in enumerate(order):
        columns = source[..., block * width : (block + 1) * width]
        np.multiply(columns, sign, out=out[..., place * width : (place + 1) * width])
    return out


def projected(
    stage: Array, weight: Array, bias: Array, order: Order, units: int, key: str, memory: Memory
) -> Array:
    """``x W + b`` of all steps in one product, (T, N, kH), for k blocks.

    Args:
        stage: what ``staged`` gave.
        weight: blocks side by side.
        bias: likewise.
        order: the blocks to take, and their signs.
        units: number H of units, the width of a block.
        key: that of the result.
        memory: where the result comes from.
    """
    width = len(order) * units
    packed = memory.empty(f"{key}, packed", (len(weight) + 1, width), stage.dtype)
    arrange(weight, order, packed[:-1])
    arrange(bias, order, packed[-1])
    result = memory.empty(key, (*stage.shape[:2], width), stage.dtype)
    rows = stage.reshape(-1, stage.shape[2])
    np.matmul(rows, packed, out=result.reshape(len(rows), width))
    return result


def transposed(weight: Array, key: str, memory: Memory) -> Array:
    """A contiguous copy of a weight's transpose: products in a loop run faster with it."""
    copy = memory.empty(key, weight.shape[::-1], weight.dtype)
    copy[...] = weight.T
    return copy


def states_from_zero(stage: Array, units: int, key: str, memory: Memory) -> Array:
    """States (T + 1, N, H), the first of them zeros."""
    states = memory.empty(key, (len(stage) + 1, stage.shape[1], units), stage.dtype)
    states[0] = 0.0
    return states


def output_of(states: Array, return_sequences: bool, time_major: bool, memory: Memory) -> Array:
    """The last state (N, H), or all after the first as (N, T, H) or (T, N, H)."""
    chosen = time_first(states[1:], time_major) if return_sequences else states[-1]
    y = memory.empty("y", chosen.shape, states.dtype)
    np.copyto(y, chosen)
    return y


def stretches(length: int, size: int) -> Iterator[tuple[int, int]]:
    """Stretches of steps from the last to the first, each as start and stop.

    Args:
        length: number T of steps.
        size: elements of a state, N·H.
    """
    several = steps_together(size)
    for stop in range(length, 0, -several):
        yield max(0, stop - several), stop


def steps_together(size: int) -> int:
    """How many steps a stretch has at the most, for states of so many elements."""
    return max(1, _BLOCK // max(1, size))


@final
class StateGradients:
    """The gradient at the state as a backward pass goes from the last step to the first.

    Args:
        dy: the gradient at the layer's output.
        return_sequences: whether the output has all steps.
        time_major: whether time is its first axis then.
        shape: that of a state, (N, H).
        memory: where the running gradient comes from.

    Attributes:
        dh: the running gradient (N, H), which the backward pass overwrites.
    """

    __slots__ = ("_steps", "dh")

    def __init__(
        self,
        dy: Array,
        return_sequences: bool,
        time_major: bool,
        shape: tuple[int, ...],
        memory: Memory,
    ) -> None:
        self.dh = memory.empty("dh", shape, dy.dtype)
        self._steps = time_first(dy, time_major) if return_sequences else None
        if self._steps is None:
            np.copyto(self.dh, dy)
        else:
            self.dh.fill(0.0)

    def arrive(self, step: int) -> None:
        """Adds what comes from the output of a step, where all of them are given out."""
        if self._steps is not None:
            self.dh += self._steps[step]


def input_gradient(dz: Array, weight: Array, x: Array, time_major: bool, memory: Memory) -> Array:
    """``dz Wᵀ`` of all steps in one product, in the axes of ``x``.

    Args:
        dz: the gradient at ``x W + b``, (T, N, kH).
        weight: (D, kH).
        x: the layer's input.
        time_major: whether time is its first axis.
        memory: where the result comes from.
    """
    steps = memory.empty("dx by time", (*dz.shape[:2], len(weight)), dz.dtype)
    rows = dz.reshape(-1, dz.shape[2])
    np.matmul(rows, weight.T, out=steps.reshape(len(rows), len(weight)))
    if time_major:
        return steps
    dx = memory.empty("dx", x.shape, x.dtype)
    dx[...] = steps.swapaxes(0, 1)
    return dx


def weight_gradients(stage: Array, dz: Array, memory: Memory) -> tuple[Array, Array]:
    """The gradients of ``W`` (D, kH) and ``b`` (kH,), summed over all steps in one product."""
    width, inputs = dz.shape[2], stage.shape[2] - 1
    packed = memory.empty("dpacked", (inputs + 1, width), dz.dtype)
    np.matmul(stage.reshape(-1, inputs + 1).T, dz.reshape(-1, width), out=packed)
    return packed[:-1], packed[-1]


def bias_gradients(bias: Biases, dbias: Array) -> dict[str, Array]:
    """The gradient of each bias, where all of them are added to the same."""
    gradients = {"bias": dbias} if bias != "none" else {}
    return {**gradients, "recurrent_bias": dbias.copy()} if bias == "two" else gradients


def gate_sign(activation: GateActivation) -> float:
    """The sign with which ``open_gates`` wants its argument."""
    return -1.0 if activation == "sigmoid" else 1.0


def open_gates(
    z: Array,
    activation: GateActivation,
    out: Array,
    disturb: Callable[[Array], None] | None = None,
) -> None:
    """Computes gates: ``1/(1 + exp(z))`` of the NEGATIVE argument, or straight pieces.

    Where ``exp`` overflows, the gate is 0, as it should be: the caller ignores the overflow.

    Args:
        z: the argument, times ``gate_sign``.
        activation: which gates.
        out: where they come.
        disturb: what is done to gates whose slope is taken from their value.
    """
    if activation == "sigmoid":
        np.exp(z, out=out)
        out += 1.0
        np.divide(1.0, out, out=out)
        if disturb is not None:
            disturb(out)
        return
    np.multiply(z, _SLOPES[activation], out=out)
    out += 0.5
    np.clip(out, 0.0, 1.0, out=out)


def gate_slopes(gates: Array, activation: GateActivation, out: Array) -> None:
    """The derivative of gates by their argument, from their values."""
    np.subtract(1.0, gates, out=out)
    out *= gates
    if activation != "sigmoid":
        # Positive on the middle piece and 0 on the others and at the corners.
        np.sign(out, out=out)
        out *= _SLOPES[activation]
