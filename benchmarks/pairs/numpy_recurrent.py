"""Recurrent layers written out by hand, on (N, T, D), giving the last state."""

from __future__ import annotations

from typing import Any

import numpy as np
from benchmarks.pairs.description import Array, Unable, Values, only
from benchmarks.pairs.numpy_layers import Run, logistic

from netparity import nn

_COMMON = ("inputs", "units", "bias")


def _gate(kind: str, z: Array) -> tuple[Array, Array]:
    """A gate and its slope."""
    if kind == "sigmoid":
        a = logistic(z)
        return a, a * (1 - a)
    slope = 1 / 6 if kind == "hard-sigmoid" else 0.2
    a = np.clip(slope * z + 0.5, 0, 1)
    return a, np.where((a > 0) & (a < 1), slope, 0.0)


class _Sums:
    """The gradients of the parameters, added up over the steps."""

    def __init__(self, p: Values) -> None:
        self.p = p
        self.found = {name: np.zeros_like(value) for name, value in p.items()}

    def input(self, x: Array, da: Array) -> Array:
        """Of x W + b, from its gradient; gives that of x."""
        self.found["weight"] += x.T @ da
        if "bias" in self.p:
            self.found["bias"] += da.sum(axis=0)
        return da @ self.p["weight"].T

    def state(self, h: Array, de: Array) -> Array:
        """Of h U + c, from its gradient; gives that of h."""
        self.found["recurrent_weight"] += h.T @ de
        if "recurrent_bias" in self.p:
            self.found["recurrent_bias"] += de.sum(axis=0)
        return de @ self.p["recurrent_weight"].T


def _affine(p: Values, x: Array, weight: str, bias: str) -> Array:
    y = x @ p[weight]
    return y + p[bias] if bias in p else y


def simple(layer: nn.SimpleRNN, p: Values, x: Array) -> Run:
    """H ← φ(x W + b + h U + c)."""
    only(layer, *_COMMON, "activation")
    states = [np.zeros((len(x), layer.units), x.dtype)]
    for t in range(x.shape[1]):
        z = _affine(p, x[:, t], "weight", "bias")
        z = z + _affine(p, states[-1], "recurrent_weight", "recurrent_bias")
        states.append(np.tanh(z) if layer.activation == "tanh" else np.maximum(z, 0))

    def back(g: Array) -> tuple[Array, Values]:
        sums, below = _Sums(p), np.zeros_like(x)
        for t in reversed(range(x.shape[1])):
            h = states[t + 1]
            dz = g * (1 - h * h if layer.activation == "tanh" else h > 0)
            below[:, t] = sums.input(x[:, t], dz)
            g = sums.state(states[t], dz)
        return below, sums.found

    return states[-1], back


def lstm(layer: nn.LSTM, p: Values, x: Array) -> Run:
    """Long short-term memory."""
    only(layer, *_COMMON, "gate_order", "gate_activation")
    units = layer.units
    order = "ifgo" if layer.gate_order == "ifgo" else "igfo"
    block = {name: slice(n * units, (n + 1) * units) for n, name in enumerate(order)}
    h = s = np.zeros((len(x), units), x.dtype)
    tape: list[Any] = []
    for t in range(x.shape[1]):
        z = _affine(p, x[:, t], "weight", "bias")
        z = z + _affine(p, h, "recurrent_weight", "recurrent_bias")
        (i, di), (f, df), (o, do) = (_gate(layer.gate_activation, z[:, block[b]]) for b in "ifo")
        g = np.tanh(z[:, block["g"]])
        new = f * s + i * g
        tape.append((h, s, i, di, f, df, o, do, g, np.tanh(new)))
        s = new
        h = o * np.tanh(s)

    def back(dh: Array) -> tuple[Array, Values]:
        sums, below, ds = _Sums(p), np.zeros_like(x), np.zeros_like(dh)
        for t in reversed(range(x.shape[1])):
            before, old, i, di, f, df, o, do, g, bent = tape[t]
            ds = ds + dh * o * (1 - bent * bent)
            dz = np.zeros((len(x), 4 * units), x.dtype)
            dz[:, block["i"]] = ds * g * di
            dz[:, block["f"]] = ds * old * df
            dz[:, block["g"]] = ds * i * (1 - g * g)
            dz[:, block["o"]] = dh * bent * do
            below[:, t] = sums.input(x[:, t], dz)
            dh, ds = sums.state(before, dz), ds * f
        return below, sums.found

    return h, back


def gru(layer: nn.GRU, p: Values, x: Array) -> Run:
    """Gated recurrent unit, with the reset after the product or before it."""
    only(layer, *_COMMON, "reset_after", "gate_order", "gate_activation")
    if layer.bias == "candidate":
        raise Unable(f"NumPy: {layer!r}")
    units, order = layer.units, "zrn" if layer.gate_order == "zrh" else "rzn"
    z_, r_, n_ = (slice(order.index(b) * units, (order.index(b) + 1) * units) for b in "zrn")
    u = p["recurrent_weight"]
    c = p.get("recurrent_bias", np.zeros(3 * units, x.dtype))
    h = np.zeros((len(x), units), x.dtype)
    tape: list[Any] = []
    for t in range(x.shape[1]):
        a, e = _affine(p, x[:, t], "weight", "bias"), h @ u + c
        z, dz = _gate(layer.gate_activation, a[:, z_] + e[:, z_])
        r, dr = _gate(layer.gate_activation, a[:, r_] + e[:, r_])
        inner = r * e[:, n_] if layer.reset_after else (r * h) @ u[:, n_] + c[n_]
        n = np.tanh(a[:, n_] + inner)
        tape.append((h, z, dz, r, dr, n, e[:, n_]))
        h = z * h + (1 - z) * n

    def back(dh: Array) -> tuple[Array, Values]:
        found, below = {k: np.zeros_like(v) for k, v in p.items()}, np.zeros_like(x)
        for t in reversed(range(x.shape[1])):
            before, z, dz, r, dr, n, en = tape[t]
            dn = dh * (1 - z) * (1 - n * n)
            da = np.zeros((len(x), 3 * units), x.dtype)
            da[:, n_] = dn
            da[:, z_] = dh * (before - n) * dz
            following = dh * z
            if layer.reset_after:
                da[:, r_] = dn * en * dr
                de = da.copy()
                de[:, n_] = dn * r
                found["recurrent_weight"] += before.T @ de
                following = following + de @ u.T
            else:
                through = dn @ u[:, n_].T
                da[:, r_] = through * before * dr
                de = da
                gates = da.copy()
                gates[:, n_] = 0
                found["recurrent_weight"] += before.T @ gates
                found["recurrent_weight"][:, n_] += (r * before).T @ dn
                following = following + gates @ u.T + through * r
            if "recurrent_bias" in p:
                found["recurrent_bias"] += de.sum(axis=0)
            found["weight"] += x[:, t].T @ da
            if "bias" in p:
                found["bias"] += da.sum(axis=0)
            below[:, t] = da @ p["weight"].T
            dh = following
        return below, found

    return h, back
