"""Layers of images written out by hand, on (N, H, W, C)."""

from __future__ import annotations

from typing import Any

import numpy as np
from benchmarks.pairs.description import Array, Unable, Values, only
from benchmarks.pairs.numpy_layers import Run

from netparity import nn


def _pads(size: int, kernel: int, stride: int, padding: Any) -> tuple[int, int]:
    if padding == "valid":
        return 0, 0
    if padding == "same":
        out = -(-size // stride)
        total = max((out - 1) * stride + kernel - size, 0)
        return total // 2, total - total // 2
    return int(padding), int(padding)


def convolution(layer: nn.Conv2D, p: Values, x: Array) -> Run:
    """The sum over the kernel's places of a product each."""
    only(layer, "inputs", "outputs", "kernel_size", "stride", "padding", "bias", "flip")
    k, s = layer.kernel_size, layer.stride
    if not (isinstance(k, int) and isinstance(s, int)):
        raise Unable(f"NumPy: {layer!r}")
    rows, columns = (_pads(size, k, s, layer.padding) for size in x.shape[1:3])
    padded = np.pad(x, ((0, 0), rows, columns, (0, 0)))
    high = (padded.shape[1] - k) // s + 1
    wide = (padded.shape[2] - k) // s + 1
    kernel = p["weight"][::-1, ::-1] if layer.flip else p["weight"]
    places = [(i, j) for i in range(k) for j in range(k)]

    def window(a: Array, i: int, j: int) -> Array:
        return a[:, i : i + s * high : s, j : j + s * wide : s]

    y = np.zeros((len(x), high, wide, layer.outputs), x.dtype)
    for i, j in places:
        y += window(padded, i, j) @ kernel[i, j]
    if layer.bias:
        y += p["bias"]

    def back(g: Array) -> tuple[Array, Values]:
        gradient = np.zeros_like(kernel)
        below = np.zeros_like(padded)
        for i, j in places:
            gradient[i, j] = np.tensordot(window(padded, i, j), g, axes=((0, 1, 2), (0, 1, 2)))
            window(below, i, j)[...] += g @ kernel[i, j].T
        found = {"weight": gradient[::-1, ::-1] if layer.flip else gradient}
        if layer.bias:
            found["bias"] = g.sum(axis=(0, 1, 2))
        h, w = x.shape[1:3]
        return below[:, rows[0] : rows[0] + h, columns[0] : columns[0] + w], found

    return y, back


def pooling(layer: Any, x: Array) -> Run:
    """The largest or the mean of each window; the first of equals takes the gradient."""
    only(layer, "pool_size", "stride", "padding", "pad_value", "count_include_pad")
    k = layer.pool_size
    s = k if layer.stride is None else layer.stride
    largest = isinstance(layer, nn.MaxPool2D)
    around = ((0, 0), *(_pads(size, k, s, layer.padding) for size in x.shape[1:3]), (0, 0))
    fill = -np.inf if largest and layer.pad_value == "-inf" else 0.0
    padded = np.pad(x, around, constant_values=fill)
    real = np.pad(np.ones_like(x), around)
    high, wide = ((size - k) // s + 1 for size in padded.shape[1:3])

    def window(a: Array, place: int) -> Array:
        i, j = divmod(place, k)
        return a[:, i : i + s * high : s, j : j + s * wide : s]

    stack = np.stack([window(padded, place) for place in range(k * k)])
    first = stack.argmax(axis=0)
    counts: Any = k * k
    if not largest and not layer.count_include_pad:
        counts = sum(window(real, place) for place in range(k * k))

    def back(g: Array) -> tuple[Array, Values]:
        below = np.zeros_like(padded)
        for place in range(k * k):
            share = (first == place) if largest else 1 / counts
            window(below, place)[...] += (g * share).astype(x.dtype)
        (top, _), (left, _) = around[1:3]
        return below[:, top : top + x.shape[1], left : left + x.shape[2]], {}

    value = stack.max(axis=0) if largest else stack.sum(axis=0) / counts
    return np.asarray(value, dtype=x.dtype), back


def group_norm(layer: nn.GroupNorm, p: Values, x: Array) -> Run:
    """Normalizes each row's groups of channels over the image."""
    only(layer, "groups", "features", "epsilon")
    grouped = x.reshape(len(x), -1, layer.groups, layer.features // layer.groups)
    centred = grouped - grouped.mean(axis=(1, 3), keepdims=True)
    variance = (centred**2).mean(axis=(1, 3), keepdims=True)
    root = np.sqrt(variance + x.dtype.type(layer.epsilon))
    hat = (centred / root).reshape(x.shape)
    whole = tuple(range(x.ndim - 1))

    def back(g: Array) -> tuple[Array, Values]:
        found = {"scale": (g * hat).sum(axis=whole), "shift": g.sum(axis=whole)}
        g = (g * p["scale"]).reshape(grouped.shape)
        h = hat.reshape(grouped.shape)
        inner = (g * h).mean(axis=(1, 3), keepdims=True)
        below = (g - g.mean(axis=(1, 3), keepdims=True) - h * inner) / root
        return below.reshape(x.shape), found

    return hat * p["scale"] + p["shift"], back


def flatten(layer: nn.Flatten, x: Array) -> Run:
    """(H, W, C) in a row, or (C, H, W)."""
    if layer.layout != "NHWC":
        raise Unable(f"NumPy: {layer!r}")
    turned = layer.order == "CHW"
    a = x.transpose(0, 3, 1, 2) if turned else x

    def back(g: Array) -> tuple[Array, Values]:
        g = g.reshape(a.shape)
        return (g.transpose(0, 2, 3, 1) if turned else g), {}

    return a.reshape(len(x), -1), back
