"""Update rules written out by hand, on dictionaries of live arrays."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from benchmarks.pairs.description import Array, Unable, Values, only

from netparity import nn

SLOTS = {nn.SGD: ("v",), nn.Adam: ("m", "v", "top"), nn.RMSProp: ("v", "m", "mean"),
         nn.AdaGrad: ("v",), nn.Adadelta: ("v", "m"), nn.Adamax: ("m", "v"),
         nn.NAdam: ("m", "v"), nn.Lion: ("m",)}  # fmt: skip
_DECAY = ("learning_rate", "weight_decay", "decay", "decay_scope")


def first_state(rule: nn.Optimizer, parameters: Values) -> dict[str, Any]:
    """Counter and slots before the first update."""
    if type(rule) not in SLOTS:
        raise Unable(f"NumPy: {rule!r}")
    kept: dict[str, Any] = {"t": 0}
    for slot in SLOTS[type(rule)]:
        value = getattr(rule, "initial_accumulator", 0.0) if slot == "v" else 0.0
        kept |= {f"{slot}_{n}": np.full_like(w, value) for n, w in parameters.items()}
    return kept


def clipped(bound: nn.Clipping | None, gradients: Values) -> Values:
    """Gradients within a bound."""
    match bound:
        case None:
            return gradients
        case nn.ClipByValue():
            return {n: np.clip(g, -bound.limit, bound.limit) for n, g in gradients.items()}
        case nn.ClipByNorm():
            norms = {n: math.sqrt(float((g * g).sum())) for n, g in gradients.items()}
            if bound.scope == "global":
                norms = dict.fromkeys(norms, math.sqrt(sum(v * v for v in norms.values())))
            return {
                n: g * min(1.0, bound.limit / (norms[n] + bound.epsilon)) if norms[n] > 0 else g
                for n, g in gradients.items()
            }
    raise Unable(f"NumPy: {bound!r}")


def update(rule: Any, w: Array, g: Array, kept: dict[str, Any], name: str, *, decays: bool) -> None:
    """One update of one parameter in place; ``kept["t"]`` counts from 1."""
    eta = float(rule.learning_rate)
    if decays and rule.weight_decay:
        if rule.decay == "coupled":
            g = g + rule.weight_decay * w
        else:
            w -= eta * rule.weight_decay * w
    t = int(kept["t"])
    match rule:
        case nn.SGD():
            _sgd(rule, w, g, kept[f"v_{name}"], t)
        case nn.Adam():
            _adam(rule, w, g, kept, name, t)
        case nn.RMSProp():
            _rmsprop(rule, w, g, kept, name)
        case nn.AdaGrad():
            only(rule, *_DECAY, "epsilon", "epsilon_placement", "initial_accumulator")
            v = kept[f"v_{name}"]
            v += g * g
            w -= eta * g / _root(v, rule.epsilon, rule.epsilon_placement)
        case nn.Adadelta():
            v, steps = kept[f"v_{name}"], kept[f"m_{name}"]
            v[...] = rule.rho * v + (1 - rule.rho) * g * g
            scaled = np.sqrt(steps + rule.epsilon) / np.sqrt(v + rule.epsilon) * g
            steps[...] = rule.rho * steps + (1 - rule.rho) * scaled * scaled
            w -= eta * scaled
        case nn.Adamax():
            _adamax(rule, w, g, kept[f"m_{name}"], kept[f"v_{name}"], t)
        case nn.NAdam():
            only(rule, *_DECAY, "beta1", "beta2", "epsilon", "momentum_decay")
            _nadam(rule, w, g, kept[f"m_{name}"], kept[f"v_{name}"], t)
        case nn.Lion():
            m = kept[f"m_{name}"]
            w -= eta * np.sign(rule.beta1 * m + (1 - rule.beta1) * g)
            m[...] = rule.beta2 * m + (1 - rule.beta2) * g
        case _:
            raise Unable(f"NumPy: {rule!r}")


def _root(v: Array, epsilon: float, placement: str) -> Array:
    return np.asarray(np.sqrt(v + epsilon) if placement == "inside" else np.sqrt(v) + epsilon)


def _sgd(rule: nn.SGD, w: Array, g: Array, v: Array, t: int) -> None:
    eta, mu = rule.learning_rate, rule.momentum
    if mu == 0:
        w -= eta * g
        return
    damped = g if t == 1 else (1 - rule.dampening) * g
    if rule.form == "rate-inside":
        v[...] = mu * v - eta * damped
        w += mu * v - eta * g if rule.nesterov else v
        return
    weight = 1 - mu if rule.form == "averaged" else 1.0
    v[...] = mu * v + weight * damped
    w -= eta * (weight * g + mu * v if rule.nesterov else v)


def _adam(rule: nn.Adam, w: Array, g: Array, kept: dict[str, Any], name: str, t: int) -> None:
    only(
        rule, *_DECAY, "beta1", "beta2", "epsilon", "epsilon_placement", "bias_correction",
        "amsgrad",
    )  # fmt: skip
    m, v, top = (kept[f"{slot}_{name}"] for slot in ("m", "v", "top"))
    b1, b2 = rule.beta1, rule.beta2
    m[...] = b1 * m + (1 - b1) * g
    v[...] = b2 * v + (1 - b2) * g * g
    c1, c2 = (1 - b1**t, 1 - b2**t) if rule.bias_correction else (1.0, 1.0)
    second = v
    if rule.amsgrad:
        top[...] = np.maximum(top, v)
        second = top
    eta = rule.learning_rate
    if rule.epsilon_placement == "hat":
        w -= eta * math.sqrt(c2) / c1 * m / (np.sqrt(second) + rule.epsilon)
    elif rule.epsilon_placement == "inside":
        w -= eta * (m / c1) / np.sqrt(second / c2 + rule.epsilon)
    else:
        w -= eta * (m / c1) / (np.sqrt(second / c2) + rule.epsilon)


def _adamax(rule: nn.Adamax, w: Array, g: Array, m: Array, u: Array, t: int) -> None:
    m[...] = rule.beta1 * m + (1 - rule.beta1) * g
    inside = rule.epsilon_placement == "inside"
    size = np.abs(g) + rule.epsilon if inside else np.abs(g)
    u[...] = np.maximum(rule.beta2 * u, size)
    divisor = u if inside else u + rule.epsilon
    w -= rule.learning_rate / (1 - rule.beta1**t) * m / divisor


def _nadam(rule: nn.NAdam, w: Array, g: Array, m: Array, v: Array, t: int) -> None:
    def momentum(k: int) -> float:
        decay = rule.momentum_decay
        return rule.beta1 * (1.0 if decay is None else 1 - 0.5 * 0.96 ** (k * decay))

    m[...] = rule.beta1 * m + (1 - rule.beta1) * g
    v[...] = rule.beta2 * v + (1 - rule.beta2) * g * g
    product = math.prod(momentum(k) for k in range(1, t + 1))
    ahead = (1 - momentum(t)) / (1 - product) * g
    ahead = ahead + momentum(t + 1) / (1 - product * momentum(t + 1)) * m
    w -= rule.learning_rate * ahead / (np.sqrt(v / (1 - rule.beta2**t)) + rule.epsilon)


def _rmsprop(rule: nn.RMSProp, w: Array, g: Array, kept: dict[str, Any], name: str) -> None:
    only(
        rule, *_DECAY, "rho", "momentum", "epsilon", "epsilon_placement", "centered", "form",
        "initial_accumulator",
    )  # fmt: skip
    v, b, mean = (kept[f"{slot}_{name}"] for slot in ("v", "m", "mean"))
    v[...] = rule.rho * v + (1 - rule.rho) * g * g
    spread = v
    if rule.centered:
        mean[...] = rule.rho * mean + (1 - rule.rho) * g
        spread = np.maximum(v - mean**2, 0)
    u = g / _root(spread, rule.epsilon, rule.epsilon_placement)
    eta = rule.learning_rate
    if rule.momentum == 0:
        w -= eta * u
    elif rule.form == "rate-inside":
        b[...] = rule.momentum * b + eta * u
        w -= b
    else:
        b[...] = rule.momentum * b + u
        w -= eta * b
