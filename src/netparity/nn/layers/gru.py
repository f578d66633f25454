"""The gated recurrent unit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, final

import numpy as np

from netparity.nn.arrays import Array, Memory
from netparity.nn.layers.base import INFERENCE, Backward, Context, Layer
from netparity.nn.layers.recurrent import (
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
    transposed,
    weight_gradients,
)


@final
@dataclass(frozen=True, slots=True)
class GRU(Layer):
    """Gated recurrent unit.

    With ``(z, r, n)`` the three blocks of ``a = x_t W + b`` and of ``e = h_{t−1} U + c``:
    ``Z = σ(a_z + e_z)``, ``R = σ(a_r + e_r)``, ``n = tanh(a_n + R e_n)`` and
    ``h_t = Z h_{t−1} + (1 − Z) n`` from ``h_0 = 0``. With ``reset_after=False`` the reset gate
    acts before the product: ``n = tanh(a_n + (R h_{t−1}) U_n + c_n)``.

    Args:
        inputs: number D of input features.
        units: number H of units.
        reset_after: whether the reset gate acts after the product with the state.
        gate_order: how the blocks stand in the parameters: ``"zrh"`` (h is the candidate n) or
            ``"rzn"``.
        gate_activation: σ: ``"sigmoid"``, ``"hard-sigmoid"`` (clip(z/6 + ½)) or
            ``"hard-sigmoid-keras2"`` (clip(0.2 z + ½)).
        bias: ``"two"`` keeps b and c, ``"candidate"`` b and the candidate's part of c,
            ``"one"`` b, ``"none"`` neither.
        return_sequences: whether the output has all steps, or the last one only.
        time_major: whether time is the first axis of a sequence, before the batch.
        update_gate: what Z weighs: ``"keeps"`` the old state, as above, or ``"replaces"`` the
            candidate, ``h_t = (1 − Z) h_{t−1} + Z n``.

    Shapes: ``x`` (N, T, D), or (T, N, D) if ``time_major``; ``weight`` (D, 3H),
    ``recurrent_weight`` (H, 3H), ``bias`` and ``recurrent_bias`` (3H,), the latter (H,) for
    ``"candidate"``; ``y`` (N, H), or with all steps (N, T, H) or (T, N, H).

    Raises:
        InputError: ``x`` has another shape.

    Example:
        >>> layer = GRU(1, 1, gate_activation="hard-sigmoid", bias="none", return_sequences=True)
        >>> weight = np.array([[0.0, 0.0, 100.0]])
        >>> parameters = {"weight": weight, "recurrent_weight": 0 * weight}
        >>> layer.apply(parameters, np.ones((1, 2, 1)))[0]
        array([[[0.5 ],
                [0.75]]])

    Source: K. Cho et al., "Learning phrase representations using RNN encoder-decoder for
    statistical machine translation", EMNLP 2014, with the reset before the product; after it:
    J. Chung et al., "Empirical evaluation of gated recurrent neural networks on sequence
    modeling", arXiv:1412.3555.

    **Parity** (`gru-reset-after`, `gru-gate-order`, `gru-update-gate`, `rnn-weight-layout`,
    `rnn-gate-activation`, `rnn-batch-first`, `rnn-init-default`): torch has the order r, z, n, the
    reset after the product, two biases and the transposes of the weights. Keras has z, r, h and
    resets after the product unless ``reset_after=False``; with it, one array (2, 3H) holds both
    biases, without it there is one. Flax has one kernel for each gate, the reset after, and
    ``bias="candidate"``. Where c is added to the candidate after the product, its gradient differs
    from that of b. Chung et al. write 1 − Z for Z (``update_gate="replaces"``); the frameworks
    write it as here.
    """

    inputs: int
    units: int
    reset_after: bool = True
    gate_order: Literal["zrh", "rzn"] = "zrh"
    gate_activation: GateActivation = "sigmoid"
    bias: Literal["one", "two", "candidate", "none"] = "two"
    return_sequences: bool = False
    time_major: bool = False
    update_gate: Literal["keeps", "replaces"] = "keeps"

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """``weight``, ``recurrent_weight`` and the biases that are there."""
        if self.bias == "candidate":
            shapes = recurrent_shapes(self.inputs, self.units, 3, "one")
            return {**shapes, "recurrent_bias": (self.units,)}
        return recurrent_shapes(self.inputs, self.units, 3, self.bias)

    def apply(
        self, parameters: Mapping[str, Array], x: Array, context: Context = INFERENCE
    ) -> tuple[Array, Backward]:
        """Runs through the steps (see ``Layer.apply``)."""
        memory, units, after = context.memory, self.units, self.reset_after
        opening = self.gate_activation
        stage = staged(x, self.inputs, self.time_major, memory)
        length, rows = stage.shape[:2]
        weight, recurrent = parameters["weight"], parameters["recurrent_weight"]
        # Inside, the gates stand as z, r and the candidate by itself.
        update, reset = (0, 1) if self.gate_order == "zrh" else (1, 0)
        sign = gate_sign(opening)
        replaces = self.update_gate == "replaces"
        # 1 − σ(a) = σ(−a), of the straight pieces too.
        for_gates: Order = ((update, -sign if replaces else sign), (reset, sign))
        for_candidate: Order = ((2, 1.0),)
        outside, inside = self._biases(parameters, x)
        gate_sums = projected(stage, weight, outside, for_gates, units, "gate sums", memory)
        sums = projected(stage, weight, outside, for_candidate, units, "sums", memory)
        to_gates = memory.empty("to gates", (units, 2 * units), x.dtype)
        arrange(recurrent, for_gates, to_gates)
        to_candidate = memory.empty("to candidate", (units, units), x.dtype)
        arrange(recurrent, for_candidate, to_candidate)
        states = states_from_zero(stage, units, "states", memory)
        # What a step knows, in an order in which neighbours are worked on together:
        # 0 Z, 1 R, 2 h − n, 3 what R multiplies or, with the reset before, R h, 4 n.
        known = memory.empty("known", (length, 5, rows, units), x.dtype)
        z = memory.empty("z", (rows, 2 * units), x.dtype)
        blocks = z.reshape(rows, 2, units).swapaxes(0, 1)
        with np.errstate(over="ignore"):
            for step in range(length):
                now, h, new = known[step], states[step], states[step + 1]
                np.matmul(h, to_gates, out=z)
                np.add(z, gate_sums[step], out=z)
                open_gates(blocks, opening, now[:2], context.disturb)
                if after:
                    np.matmul(h, to_candidate, out=now[3])
                    np.add(now[3], inside, out=now[3])
                    np.multiply(now[1], now[3], out=now[4])
                else:
                    np.multiply(now[1], h, out=now[3])
                    np.matmul(now[3], to_candidate, out=now[4])
                np.add(now[4], sums[step], out=now[4])
                np.tanh(now[4], out=now[4])
                if context.disturb is not None:
                    context.disturb(now[4])
                np.subtract(h, now[4], out=now[2])
                np.multiply(now[0], now[2], out=new)
                np.add(new, now[4], out=new)

        def backward(dy: Array) -> tuple[Array, dict[str, Array]]:
            # The gradient at a, in the order of the parameters; with the reset after the
            # product, that at e_n stands before it, so that both that at a and that at e (as n
            # and the gates) are neighbouring columns.
            ahead = 1 if after else 0
            d = memory.empty("d", (length, rows, (3 + ahead) * units), x.dtype)
            dblocks = d.reshape(length, rows, 3 + ahead, units).swapaxes(1, 2)
            da, de = d[:, :, ahead * units :], d[:, :, : 3 * units]
            back = self._back(recurrent, memory)
            running = StateGradients(
                dy, self.return_sequences, self.time_major, (rows, units), memory
            )
            dh = running.dh
            dn = memory.empty("dn", (rows, units), x.dtype)
            further = memory.empty("further", (rows, units), x.dtype)
            several = steps_together(rows * units)
            gate_factors = memory.empty("gate factors", (several, 2, rows, units), x.dtype)
            tanh_factors = memory.empty("tanh factors", (several, rows, units), x.dtype)
            shares = memory.empty("shares", (several, rows, units), x.dtype)
            for start, stop in stretches(length, rows * units):
                now, count = known[start:stop], stop - start
                # σ'(z) (h − n), and σ'(r) times what R multiplies.
                by_gates = gate_factors[:count]
                gate_slopes(now[:, :2], opening, by_gates)
                by_gates[:, 0] *= now[:, 2]
                if replaces:
                    np.negative(by_gates[:, 0], out=by_gates[:, 0])
                by_gates[:, 1] *= now[:, 3] if after else states[start:stop]
                # (1 − Z) tanh'.
                by_tanh, share = tanh_factors[:count], shares[:count]
                np.multiply(now[:, 4], now[:, 4], out=by_tanh)
                np.subtract(1.0, by_tanh, out=by_tanh)
                by_tanh *= np.subtract(1.0, now[:, 0], out=share)
                for step in reversed(range(start, stop)):
                    running.arrive(step)
                    gate, factors, dblock = known[step], by_gates[step - start], dblocks[step]
                    np.multiply(by_tanh[step - start], dh, out=dn)
                    np.multiply(factors[0], dh, out=dblock[ahead + update])
                    np.copyto(dblock[ahead + 2], dn)
                    np.multiply(dh, gate[0], out=dh)
                    if after:
                        np.multiply(factors[1], dn, out=dblock[1 + reset])
                        np.multiply(dn, gate[1], out=dblock[0])
                        np.matmul(de[step], back, out=further)
                    else:
                        np.matmul(dn, back[2 * units :], out=further)
                        np.multiply(factors[1], further, out=dblock[reset])
                        np.multiply(further, gate[1], out=further)
                        np.add(dh, further, out=dh)
                        np.matmul(da[step, :, : 2 * units], back[: 2 * units], out=further)
                    np.add(dh, further, out=dh)
            dweight, dbias = weight_gradients(stage, da, memory)
            return input_gradient(da, weight, x, self.time_major, memory), {
                "weight": dweight,
                "recurrent_weight": self._recurrent_gradient(known, states, de, memory),
                **self._bias_gradients(dbias, stage, de),
            }

        return output_of(states, self.return_sequences, self.time_major, memory), backward

    def _biases(self, parameters: Mapping[str, Array], x: Array) -> tuple[Array, Array]:
        """The biases outside of what the reset gate multiplies (3H,), and inside (H,)."""
        width = 2 * self.units
        outside = np.zeros(width + self.units, x.dtype)
        if "bias" in parameters:
            outside += parameters["bias"]
        inside = np.zeros(self.units, x.dtype)
        if "recurrent_bias" in parameters:
            c = parameters["recurrent_bias"]
            candidate = c[-self.units :]
            if self.bias == "two":
                outside[:width] += c[:width]
            if self.reset_after:
                inside += candidate
            else:
                outside[width:] += candidate
        return outside, inside

    def _bias_gradients(self, dbias: Array, stage: Array, de: Array) -> dict[str, Array]:
        """The gradient of each bias."""
        if self.bias == "one" or self.bias == "none":
            return bias_gradients(self.bias, dbias)
        dcandidate = dbias[2 * self.units :].copy()
        if self.reset_after:
            rows = de.reshape(-1, 3 * self.units)[:, : self.units]
            ones = stage.reshape(-1, stage.shape[2])[:, -1]
            np.matmul(ones, rows, out=dcandidate)
        if self.bias == "candidate":
            return {"bias": dbias, "recurrent_bias": dcandidate}
        return {
            "bias": dbias,
            "recurrent_bias": np.concatenate((dbias[: 2 * self.units], dcandidate)),
        }

    def _back(self, recurrent: Array, memory: Memory) -> Array:
        """The transpose of U, its rows in the order of the columns of the gradient at e."""
        if self.reset_after:
            turned = memory.empty("turned", recurrent.shape, recurrent.dtype)
            recurrent = arrange(recurrent, ((2, 1.0), (0, 1.0), (1, 1.0)), turned)
        return transposed(recurrent, "back", memory)

    def _recurrent_gradient(self, known: Array, states: Array, de: Array, memory: Memory) -> Array:
        """The gradient of U (H, 3H)."""
        units = self.units
        shape = (units, 3 * units)
        result = memory.empty("drecurrent", shape, de.dtype)
        before, at = states[:-1].reshape(-1, units), de.reshape(-1, 3 * units)
        if self.reset_after:
            turned = np.matmul(before.T, at, out=memory.empty("dturned", shape, de.dtype))
            return arrange(turned, ((1, 1.0), (2, 1.0), (0, 1.0)), result)
        np.matmul(before.T, at[:, : 2 * units], out=result[:, : 2 * units])
        # R h of all steps, which do not lie in one block.
        kept = memory.empty("kept", (len(known), *known.shape[2:]), de.dtype)
        np.copyto(kept, known[:, 3])
        np.matmul(kept.reshape(-1, units).T, at[:, 2 * units :], out=result[:, 2 * units :])
        return result
