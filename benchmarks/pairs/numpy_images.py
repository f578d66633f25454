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
    only(layer, "pool_size", "stride")
    k = layer.pool_size
    s = k if layer.stride is None else layer.stride
    high, wide = ((size - k) // s + 1 for size in x.shape[1:3])

    def window(a: Array, place: int) -> Array:
        i, j = divmod(place, k)
        return a[:, i : i + s * high : s, j : j + s * wide : s]

    stack = np.stack([window(x, place) for place in range(k * k)])
    largest = isinstance(layer, nn.MaxPool2D)
    first = stack.argmax(axis=0)

    def back(g: Array) -> tuple[Array, Values]:
        below = np.zeros_like(x)
        for place in range(k * k):
            share = (first == place) if largest else 1 / (k * k)
            window(below, place)[...] += (g * share).astype(x.dtype)
        return below, {}

    return np.asarray(stack.max(axis=0) if largest else stack.mean(axis=0)), back


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
