"""The simple recurrent layer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, final

import numpy as np

from netparity.nn.arrays import Array
from netparity.nn.functions import rectify
from netparity.nn.layers.base import INFERENCE, Backward, Context, Layer
from netparity.nn.layers.recurrent import (
    Biases,
    StateGradients,
    bias_gradients,
    input_gradient,
    output_of,
    projected,
    recurrent_shapes,
    staged,
    states_from_zero,
    total_bias,
    transposed,
    weight_gradients,
)


@final
@dataclass(frozen=True, slots=True)
class SimpleRNN(Layer):
    """The simple (Elman) recurrent layer.

    ``h_t = φ(x_t W + b + h_{t−1} U + c)`` from ``h_0 = 0``; backward through time
    ``dz_t = dh_t φ'``, ``dh_{t−1} = dz_t Uᵀ``, ``dW = Σ x_tᵀ dz_t``, ``dU = Σ h_{t−1}ᵀ dz_t``.

    Args:
        inputs: number D of input features.
        units: number H of units.
        activation: φ, ``"tanh"`` or ``"relu"``.
        bias: ``"one"`` keeps b, ``"two"`` b and c, ``"none"`` neither.
        return_sequences: whether the output has all steps, or the last one only.
        time_major: whether time is the first axis of a sequence, before the batch.

    Shapes: ``x`` (N, T, D), or (T, N, D) if ``time_major``; ``weight`` (D, H),
    ``recurrent_weight`` (H, H), ``bias`` and ``recurrent_bias`` (H,); ``y`` (N, H), or with all
    steps (N, T, H) or (T, N, H).

    Raises:
        InputError: ``x`` has another shape.

    Example:
        >>> one = np.ones((1, 1))
        >>> parameters = {"weight": one, "recurrent_weight": one, "bias": np.zeros(1)}
        >>> layer = SimpleRNN(1, 1, "relu", return_sequences=True)
        >>> layer.apply(parameters, np.array([[[1.0], [2.0]]]))[0]
        array([[[1.],
                [3.]]])

    Source: J. L. Elman, "Finding structure in time", Cognitive Science 14 (1990).

    **Parity** (`rnn-weight-layout`, `rnn-batch-first`, `rnn-init-default`): Keras keeps one bias
    and its weights as here. torch keeps two, the gradients of which are equal, so that under SGD
    their sum moves twice as fast as one bias; its weights are the transposes, and it reads
    (T, N, D) unless ``batch_first``. Flax's cell has the one bias at the input. torch gives all
    steps and the last state, Keras the last step unless ``return_sequences``.
    """

    inputs: int
    units: int
    activation: Literal["tanh", "relu"] = "tanh"
    bias: Biases = "one"
    return_sequences: bool = False
    time_major: bool = False

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """``weight``, ``recurrent_weight`` and the biases that are there."""
        return recurrent_shapes(self.inputs, self.units, 1, self.bias)

    def apply(
        self, parameters: Mapping[str, Array], x: Array, context: Context = INFERENCE
    ) -> tuple[Array, Backward]:
        """Runs through the steps (see ``Layer.apply``)."""
        memory, rectified = context.memory, self.activation == "relu"
        stage = staged(x, self.inputs, self.time_major, memory)
        weight, recurrent = parameters["weight"], parameters["recurrent_weight"]
        bias = total_bias(parameters, self.units, x)
        sums = projected(stage, weight, bias, ((0, 1.0),), self.units, "sums", memory)
        states = states_from_zero(stage, self.units, "states", memory)
        for step, h in enumerate(states[:-1]):
            new = states[step + 1]
            np.matmul(h, recurrent, out=new)
            new += sums[step]
            if rectified:
                rectify(new, new)
            else:
                np.tanh(new, out=new)
            if context.disturb is not None:
                context.disturb(new)

        def backward(dy: Array) -> tuple[Array, dict[str, Array]]:
            # What was summed is not needed any more: its memory takes the gradient at it.
            dz = sums
            back = transposed(recurrent, "back", memory)
            running = StateGradients(
                dy, self.return_sequences, self.time_major, states.shape[1:], memory
            )
            dh = running.dh
            for step in reversed(range(len(dz))):
                running.arrive(step)
                new, slope = states[step + 1], dz[step]
                if rectified:
                    np.sign(new, out=slope)
                else:
                    np.multiply(new, new, out=slope)
                    np.subtract(1.0, slope, out=slope)
                slope *= dh
                np.matmul(slope, back, out=dh)
            dweight, dbias = weight_gradients(stage, dz, memory)
            drecurrent = memory.empty("drecurrent", recurrent.shape, x.dtype)
            rows = states[:-1].reshape(-1, self.units)
            np.matmul(rows.T, dz.reshape(-1, self.units), out=drecurrent)
            return input_gradient(dz, weight, x, self.time_major, memory), {
                "weight": dweight,
                "recurrent_weight": drecurrent,
                **bias_gradients(self.bias, dbias),
            }

        return output_of(states, self.return_sequences, self.time_major, memory), backward
