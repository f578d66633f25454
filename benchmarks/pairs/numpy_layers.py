"""Layers written out by hand: each gives its output and a function back from its gradient.

None of this comes from ``netparity.nn``: an error there must not cancel here.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from benchmarks.pairs.description import Array, Unable, Values, only

from netparity import nn

Back = Callable[[Array], tuple[Array, Values]]
Product = Callable[[Array, Array], Array]
Run = tuple[Array, Back]


def plain(a: Array, b: Array) -> Array:
    """The product as NumPy takes it."""
    return np.asarray(a @ b)


def backwards(a: Array, b: Array) -> Array:
    """The same sums from the last term to the first."""
    return np.asarray(np.ascontiguousarray(a[:, ::-1]) @ np.ascontiguousarray(b[::-1]))


def chunks(a: Array, b: Array) -> Array:
    """The same sums, three terms at a time."""
    total = a[:, :3] @ b[:3]
    for start in range(3, a.shape[1], 3):
        total = total + a[:, start : start + 3] @ b[start : start + 3]
    return np.asarray(total)


PRODUCTS: dict[str, Product] = {"plain": plain, "backwards": backwards, "chunks": chunks}


def logistic(z: Array) -> Array:
    """1/(1 + e⁻ᶻ)."""
    with np.errstate(over="ignore"):
        return np.asarray(1 / (1 + np.exp(-z)))


def softmax(z: Array, axis: int) -> Array:
    """Exponentials, shifted by the largest, over their sum."""
    e = np.exp(z - z.max(axis=axis, keepdims=True))
    return np.asarray(e / e.sum(axis=axis, keepdims=True))


def _erf(z: Array) -> Array:
    return np.vectorize(math.erf, otypes=[float])(z).astype(z.dtype)


def activation(layer: nn.Layer, z: Array, bugs: tuple[str, ...]) -> Run:
    """The value of an activation, and its way back."""
    match layer:
        case nn.Identity():
            a, slope = z, np.ones_like(z)
        case nn.ReLU():
            only(layer, "gradient_at_zero")
            a = np.maximum(z, 0)
            slope = np.where(z > 0, 1.0, np.where(z == 0, layer.gradient_at_zero, 0.0))
            if "relu-slope-of-output-sign" in bugs:
                slope = (z > 0.1) * 1.0
        case nn.LeakyReLU():
            only(layer, "slope")
            a = np.where(z > 0, z, layer.slope * z)
            slope = np.where(z > 0, 1.0, layer.slope)
        case nn.ELU():
            only(layer, "alpha")
            bent = layer.alpha * np.expm1(np.minimum(z, 0))
            a = np.where(z > 0, z, bent)
            slope = np.where(z > 0, 1.0, bent + layer.alpha)
        case nn.GELU(approximate=True):
            c = math.sqrt(2 / math.pi)
            t = np.tanh(c * (z + 0.044715 * z**3))
            a = 0.5 * z * (1 + t)
            slope = 0.5 * (1 + t) + 0.5 * z * (1 - t * t) * c * (1 + 3 * 0.044715 * z * z)
        case nn.GELU():
            cdf = 0.5 * (1 + _erf(z / math.sqrt(2)))
            a = z * cdf
            slope = cdf + z * np.exp(-0.5 * z * z) / math.sqrt(2 * math.pi)
        case nn.SiLU():
            s = logistic(z)
            a, slope = z * s, s * (1 + z * (1 - s))
        case nn.Softplus(threshold=None):
            a = np.maximum(z, 0) + np.log1p(np.exp(-np.abs(z)))
            slope = logistic(z)
        case nn.Sigmoid():
            a = logistic(z)
            slope = a * (1 - a)
        case nn.Tanh():
            a = np.tanh(z)
            slope = 1 - (z * z if "tanh-slope-of-input" in bugs else a * a)
        case nn.HardSigmoid():
            a = np.clip(layer.slope * z + 0.5, 0, 1)
            slope = np.where((a > 0) & (a < 1), layer.slope, 0.0)
        case nn.LogSoftmax():
            return _log_softmax(z)
        case nn.Softmax():
            return _softmax_layer(layer, z, bugs)
        case _:
            raise Unable(f"NumPy: {layer!r}")
    slope = np.asarray(slope, dtype=z.dtype)
    return np.asarray(a, dtype=z.dtype), lambda g: (g * slope, {})


def _softmax_layer(layer: nn.Softmax, z: Array, bugs: tuple[str, ...]) -> Run:
    axis = -1 if layer.axis is None else layer.axis
    p = softmax(z, axis)

    def back(g: Array) -> tuple[Array, Values]:
        if "softmax-jacobian-diagonal" in bugs:
            return p * (1 - p) * g, {}
        return p * (g - (g * p).sum(axis=axis, keepdims=True)), {}

    return p, back


def _log_softmax(z: Array) -> Run:
    shifted = z - z.max(axis=-1, keepdims=True)
    logs = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))

    def back(g: Array) -> tuple[Array, Values]:
        return g - np.exp(logs) * g.sum(axis=-1, keepdims=True), {}

    return logs, back


def dense(layer: nn.Affine, p: Values, x: Array, product: Product) -> Run:
    """``x W + b``; W lies as (inputs, outputs)."""
    z = product(x, p["weight"])
    if layer.bias:
        z = z + p["bias"]

    def back(g: Array) -> tuple[Array, Values]:
        found = {"weight": product(np.ascontiguousarray(x.T), g)}
        if layer.bias:
            found["bias"] = g.sum(axis=0)
        return product(g, np.ascontiguousarray(p["weight"].T)), found

    return z, back


def mask(layer: nn.Dropout, shape: tuple[int, ...]) -> Array:
    """What is kept, drawn from the global stream; whole channels where the layer says so."""
    if layer.channel_axis is not None:
        shape = (shape[0], *(1,) * (len(shape) - 2), shape[-1])
    return np.asarray(np.random.random_sample(shape) >= layer.rate)  # noqa: NPY002


def dropout(layer: nn.Dropout, x: Array, mask: Array | None) -> Run:
    """Zeroes what the mask says; ``None`` in inference."""
    only(layer, "rate", "scaling", "mask_in_backward", "channel_axis")
    inverted = layer.scaling == "inverted"
    if mask is None:
        share = 1.0 if inverted else 1 - layer.rate
        return x * x.dtype.type(share), lambda g: (g * g.dtype.type(share), {})
    kept = mask.astype(x.dtype) / x.dtype.type(1 - layer.rate if inverted else 1)
    return x * kept, lambda g: (g * kept if layer.mask_in_backward else g, {})


def batch_norm(layer: nn.BatchNorm, p: Values, x: Array, buffers: Values, *, training: bool) -> Run:
    """Normalizes each feature over the batch, or by the running statistics."""
    only(
        layer, "features", "epsilon", "momentum", "running_variance", "normalize_with",
        "epsilon_placement", "update_statistics", "inference", "frozen",
    )  # fmt: skip
    n = len(x)
    updates = training and layer.update_statistics
    training = (training or layer.inference == "batch") and not layer.frozen
    if training:
        mean = x.mean(axis=0)
        spread = ((x - mean) ** 2).sum(axis=0)
        ddof = 1 if layer.normalize_with == "unbiased" else 0
        variance = spread / (n - ddof)
        if updates:
            kept = spread / (n - (1 if layer.running_variance == "unbiased" else 0))
            m = layer.momentum
            buffers["mean"][...] = m * buffers["mean"] + (1 - m) * mean
            buffers["variance"][...] = m * buffers["variance"] + (1 - m) * kept
    else:
        mean, variance, ddof = buffers["mean"].copy(), buffers["variance"].copy(), 0
    outside = layer.epsilon_placement == "outside"
    epsilon = x.dtype.type(layer.epsilon)
    root = np.sqrt(variance) + epsilon if outside else np.sqrt(variance + epsilon)
    hat = (x - mean) / root

    def back(g: Array) -> tuple[Array, Values]:
        found = {"scale": (g * hat).sum(axis=0), "shift": g.sum(axis=0)}
        g = g * p["scale"]
        if not training:
            return g / root, found
        # ∂root/∂x = (x − mean)/((n − ddof) · r), where r is √v outside, √(v + ε) inside.
        r = np.sqrt(variance) if outside else root
        centred = x - mean
        slope = (g * centred).sum(axis=0) / (root * root) / ((n - ddof) * r)
        return g / root - (g / root).mean(axis=0) - centred * slope, found

    return hat * p["scale"] + p["shift"], back


def layer_norm(layer: nn.LayerNorm, p: Values, x: Array) -> Run:
    """Normalizes each row over its features."""
    only(layer, "shape", "epsilon")
    mean = x.mean(axis=1, keepdims=True)
    centred = x - mean
    variance = (centred**2).mean(axis=1, keepdims=True)
    root = np.sqrt(variance + x.dtype.type(layer.epsilon))
    hat = centred / root

    def back(g: Array) -> tuple[Array, Values]:
        found = {"scale": (g * hat).sum(axis=0), "shift": g.sum(axis=0)}
        g = g * p["scale"]
        inner = (g * hat).mean(axis=1, keepdims=True)
        return (g - g.mean(axis=1, keepdims=True) - hat * inner) / root, found

    return hat * p["scale"] + p["shift"], back


def rms_norm(layer: nn.RMSNorm, p: Values, x: Array) -> Run:
    """Divides each row by the root of its mean square."""
    only(layer, "shape", "epsilon")
    root = np.sqrt((x * x).mean(axis=1, keepdims=True) + x.dtype.type(layer.epsilon))
    hat = x / root

    def back(g: Array) -> tuple[Array, Values]:
        found = {"scale": (g * hat).sum(axis=0)}
        g = g * p["scale"]
        return (g - hat * (g * hat).mean(axis=1, keepdims=True)) / root, found

    return hat * p["scale"], back


def buffers_of(layer: Any, dtype: Any) -> Values:
    """The running statistics of a batch norm before the first batch; nothing for the rest."""
    if not isinstance(layer, nn.BatchNorm):
        return {}
    shape = (layer.features,)
    return {"mean": np.zeros(shape, dtype), "variance": np.ones(shape, dtype)}
