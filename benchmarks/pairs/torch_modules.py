"""Modules that an author writes around torch's own."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from benchmarks.pairs.description import Array, Description, Unable, only

from netparity import nn


class ChannelsFirst(torch.nn.Module):
    """(N, H, W, C) as torch wants it."""

    def forward(self, x: Any) -> Any:
        """(N, C, H, W)."""
        return x.permute(0, 3, 1, 2)


class Last(torch.nn.Module):
    """The last output of a recurrent layer."""

    def __init__(self, layer: Any) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Any) -> Any:
        """(N, H)."""
        return self.layer(x)[0][:, -1]


def recurrent(layer: Any, dtype: Any) -> Any:
    """Torch's recurrent layer, reading (N, T, D)."""
    if layer.bias != "two":
        raise Unable(f"torch: {layer!r}")
    shared = {"batch_first": True, "dtype": dtype}
    match layer:
        case nn.SimpleRNN():
            only(layer, "inputs", "units", "bias", "activation")
            made = torch.nn.RNN(layer.inputs, layer.units, nonlinearity=layer.activation, **shared)
        case nn.LSTM():
            only(layer, "inputs", "units", "bias", "gate_order")
            made = torch.nn.LSTM(layer.inputs, layer.units, **shared)
        case _:
            only(layer, "inputs", "units", "bias", "gate_order")
            made = torch.nn.GRU(layer.inputs, layer.units, **shared)
    return Last(made)


def convolution(layer: nn.Conv2D, dtype: Any) -> Any:
    """Torch's convolution."""
    only(layer, "inputs", "outputs", "kernel_size", "stride", "padding", "bias")
    padding = 0 if layer.padding == "valid" else layer.padding
    if padding == "same" and layer.stride != 1:
        raise Unable("torch: no padding 'same' with a stride")
    return torch.nn.Conv2d(
        layer.inputs, layer.outputs, layer.kernel_size, stride=layer.stride, padding=padding,
        bias=layer.bias, dtype=dtype,
    )  # fmt: skip


def pooling(layer: Any) -> Any:
    """Torch's pooling, which pads the largest with -∞."""
    if isinstance(layer, nn.MaxPool2D):
        only(layer, "pool_size", "stride", "padding")
    else:
        only(layer, "pool_size", "stride", "padding", "count_include_pad")
    padding = 0 if layer.padding == "valid" else layer.padding
    if padding == "same":
        raise Unable(f"torch: {layer!r}")
    shared = {"stride": layer.stride, "padding": padding}
    if isinstance(layer, nn.MaxPool2D):
        return torch.nn.MaxPool2d(layer.pool_size, **shared)
    return torch.nn.AvgPool2d(layer.pool_size, count_include_pad=layer.count_include_pad, **shared)


def fill(made: Any, name: str, layer: nn.Layer, description: Description) -> None:
    """Carries initial values over into torch's layouts."""
    if isinstance(made, Last):
        own = {"weight": "weight_ih_l0", "recurrent_weight": "weight_hh_l0", "bias": "bias_ih_l0",
               "recurrent_bias": "bias_hh_l0"}  # fmt: skip
        made = made.layer
    else:
        own = {"weight": "weight", "bias": "bias", "scale": "weight", "shift": "bias"}
    with torch.no_grad():
        for key in layer.shapes():
            value = _turned(description.initial[f"{name}.{key}"], name, key, layer, description)
            getattr(made, own[key]).copy_(torch.from_numpy(np.ascontiguousarray(value)))


def _turned(value: Array, name: str, key: str, layer: Any, description: Description) -> Array:
    if isinstance(layer, nn.GRU) and layer.gate_order == "zrh":
        z, r, n = np.split(value, 3, axis=-1)
        value = np.concatenate([r, z, n], axis=-1)
    if isinstance(layer, nn.LSTM) and layer.gate_order == "ijfo":
        i, g, f, o = np.split(value, 4, axis=-1)
        value = np.concatenate([i, f, g, o], axis=-1)
    if value.ndim == 4:
        return value.transpose(3, 2, 0, 1)
    if key == "weight" and isinstance(layer, nn.Affine):
        value = _rows_in_torch_order(value, name, description)
    return value.T if value.ndim == 2 else value


def _rows_in_torch_order(value: Array, name: str, description: Description) -> Array:
    """Torch flattens (C, H, W): the rows of the weight behind are carried over in that order."""
    names = [n for n, _ in description.layers]
    at = names.index(name)
    before = description.layers[at - 1][1] if at else None
    if not isinstance(before, nn.Flatten) or before.order == "CHW":
        return value
    channels = description.of_kind(nn.Conv2D)[-1][1].outputs
    pixels = len(value) // channels
    return value.reshape(pixels, channels, -1).transpose(1, 0, 2).reshape(value.shape)
