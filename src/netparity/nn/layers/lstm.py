"""The long short-term memory layer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, final

import numpy as np

from netparity.nn.arrays import Array
from netparity.nn.layers.base import INFERENCE, Backward, Context, Layer
from netparity.nn.layers.recurrent import (
    Biases,
    GateActivation,
    Order,
    StateGradients,
    arrange,
    bias_gradients,
    gate_sign,
    gate_slopes,
    input_gradient,
    open_gates,
    output_of,
    projected,
    recurrent_shapes,
    staged,
    states_from_zero,
    steps_together,
    stretches,
    total_bias,
    transposed,
    weight_gradients,
)


@final
@dataclass(frozen=True, slots=True)
class LSTM(Layer):
    """Long short-term memory.

    With ``(i, f, g, o)`` the four blocks of ``x_t W + b + h_{t−1} U + c``, from ``h_0 = s_0 = 0``:
    ``s_t = σ(f + forget_bias) s_{t−1} + σ(i) tanh(g)``, ``h_t = σ(o) tanh(s_t)``.

    Args:
        inputs: number D of input features.
        units: number H of units.
        gate_order: how the blocks stand in the parameters: ``"ifgo"``, or ``"ijfo"``, in which
            the candidate g is called j.
        gate_activation: σ: ``"sigmoid"``, ``"hard-sigmoid"`` (clip(z/6 + ½)) or
            ``"hard-sigmoid-keras2"`` (clip(0.2 z + ½)).
        bias: ``"one"`` keeps b, ``"two"`` b and c, ``"none"`` neither.
        forget_bias: added to the forget gate's argument when the layer runs.
        return_sequences: whether the output has all steps, or the last one only.
        time_major: whether time is the first axis of a sequence, before the batch.

    Shapes: ``x`` (N, T, D), or (T, N, D) if ``time_major``; ``weight`` (D, 4H),
    ``recurrent_weight`` (H, 4H), ``bias`` and ``recurrent_bias`` (4H,); ``y`` (N, H), or with
    all steps (N, T, H) or (T, N, H).

    Raises:
        InputError: ``x`` has another shape.

    Example:
        >>> layer = LSTM(1, 1, gate_activation="hard-sigmoid", return_sequences=True)
        >>> weight = np.array([[0.0, 0.0, 100.0, 0.0]])
        >>> parameters = {"weight": weight, "recurrent_weight": 0 * weight, "bias": np.zeros(4)}
        >>> layer.apply(parameters, np.ones((1, 2, 1)))[0].round(6)
        array([[[0.231059],
                [0.317574]]])

    Source: S. Hochreiter, J. Schmidhuber, "Long short-term memory", Neural Computation 9 (1997);
    the forget gate: F. A. Gers, J. Schmidhuber, F. Cummins, "Learning to forget", Neural
    Computation 12 (2000).

    **Parity** (`lstm-gate-order`, `rnn-weight-layout`, `rnn-gate-activation`, `rnn-batch-first`,
    `rnn-forget-bias`, `rnn-init-default`): the order is i, f, g, o in torch and Keras and
    i, j, f, o in TF 1's cells, which keep one kernel (D + H, 4H) and add ``forget_bias=1.0`` at
    run time; Keras's ``unit_forget_bias`` is an initial value instead. Keras keeps one bias and
    its weights as here; torch keeps two, the gradients of which are equal, and the transposes
    of the weights; Flax one kernel for each gate, with the bias at the state. The gate is the
    sigmoid in all of them but Keras 1 and early Keras 2 (``"hard-sigmoid-keras2"``). torch reads
    (T, N, D) unless ``batch_first``; it gives all steps and the last state, Keras the last step
    unless ``return_sequences``.
    """

    inputs: int
    units: int
    gate_order: Literal["ifgo", "ijfo"] = "ifgo"
    gate_activation: GateActivation = "sigmoid"
    bias: Biases = "one"
    forget_bias: float = 0.0
    return_sequences: bool = False
    time_major: bool = False

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """``weight``, ``recurrent_weight`` and the biases that are there."""
        return recurrent_shapes(self.inputs, self.units, 4, self.bias)

    def apply(
        self, parameters: Mapping[str, Array], x: Array, context: Context = INFERENCE
    ) -> tuple[Array, Backward]:
        """Runs through the steps (see ``Layer.apply``)."""
        memory, units, opening = context.memory, self.units, self.gate_activation
        stage = staged(x, self.inputs, self.time_major, memory)
        length, rows = stage.shape[:2]
        weight, recurrent = parameters["weight"], parameters["recurrent_weight"]
        bias = total_bias(parameters, 4 * units, x)
        forget, candidate = (1, 2) if self.gate_order == "ifgo" else (2, 1)
        bias[forget * units : (forget + 1) * units] += self.forget_bias
        # Inside, the blocks stand as f, i, o, g.
        sign = gate_sign(opening)
        order: Order = ((forget, sign), (0, sign), (3, sign), (candidate, 1.0))
        sums = projected(stage, weight, bias, order, units, "sums", memory)
        arranged = arrange(recurrent, order, memory.empty("arranged", recurrent.shape, x.dtype))
        states = states_from_zero(stage, units, "states", memory)
        # What a step knows, in an order in which neighbours are worked on together:
        # 0 f, 1 i, 2 o, 3 the cell before, 4 tanh(g), 5 tanh of the cell after.
        known = memory.empty("known", (length + 1, 6, rows, units), x.dtype)
        known[0, 3] = 0.0
        z = memory.empty("z", (rows, 4 * units), x.dtype)
        blocks = z.reshape(rows, 4, units).swapaxes(0, 1)
        shares = memory.empty("shares", (2, rows, units), x.dtype)
        with np.errstate(over="ignore"):
            for step in range(length):
                now, cell = known[step], known[step + 1, 3]
                np.matmul(states[step], arranged, out=z)
                np.add(z, sums[step], out=z)
                open_gates(blocks[:3], opening, now[:3], context.disturb)
                np.tanh(blocks[3], out=now[4])
                np.multiply(now[:2], now[3:5], out=shares)
                np.add(shares[0], shares[1], out=cell)
                np.tanh(cell, out=now[5])
                if context.disturb is not None:
                    context.disturb(now[4:])
                np.multiply(now[2], now[5], out=states[step + 1])

        def backward(dy: Array) -> tuple[Array, dict[str, Array]]:
            # The sums are not needed any more: their memory takes the gradient at them, in the
            # order of the parameters.
            dz = sums
            dblocks = dz.reshape(length, rows, 4, units).swapaxes(1, 2)
            back = transposed(recurrent, "back", memory)
            running = StateGradients(
                dy, self.return_sequences, self.time_major, (rows, units), memory
            )
            dh = running.dh
            dcell = memory.empty("dcell", (rows, units), x.dtype)
            dcell.fill(0.0)
            several = steps_together(rows * units)
            gate_factors = memory.empty("gate factors", (several, 3, rows, units), x.dtype)
            tanh_factors = memory.empty("tanh factors", (several, 2, rows, units), x.dtype)
            for start, stop in stretches(length, rows * units):
                now = known[start:stop]
                # σ'(f) times the cell before, σ'(i) tanh(g), σ'(o) tanh(cell).
                by_gates = gate_factors[: stop - start]
                gate_slopes(now[:, :3], opening, by_gates)
                by_gates *= now[:, 3:]
                # i tanh'(g), o tanh'(cell).
                by_tanh = tanh_factors[: stop - start]
                np.multiply(now[:, 4:], now[:, 4:], out=by_tanh)
                np.subtract(1.0, by_tanh, out=by_tanh)
                by_tanh *= now[:, 1:3]
                for step in reversed(range(start, stop)):
                    running.arrive(step)
                    factors, slopes = by_gates[step - start], by_tanh[step - start]
                    dblock = dblocks[step]
                    np.multiply(factors[2], dh, out=dblock[3])
                    np.multiply(slopes[1], dh, out=dh)
                    np.add(dcell, dh, out=dcell)
                    # The blocks f and i, in this order.
                    np.multiply(factors[:2], dcell, out=dblock[forget::-forget])
                    np.multiply(slopes[0], dcell, out=dblock[candidate])
                    np.multiply(dcell, known[step, 0], out=dcell)
                    np.matmul(dz[step], back, out=dh)
            dweight, dbias = weight_gradients(stage, dz, memory)
            drecurrent = memory.empty("drecurrent", recurrent.shape, x.dtype)
            np.matmul(states[:-1].reshape(-1, units).T, dz.reshape(-1, 4 * units), out=drecurrent)
            return input_gradient(dz, weight, x, self.time_major, memory), {
                "weight": dweight,
                "recurrent_weight": drecurrent,
                **bias_gradients(self.bias, dbias),
            }

        return output_of(states, self.return_sequences, self.time_major, memory), backward
