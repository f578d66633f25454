"""The layers of torch as layers of the reference network, and where their values lie."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import torch

from netparity import nn
from netparity.layouts import Axes, Place, Shape

#: Kernels: torch has (out, in, height, width), the reference network (height, width, in, out).
_KERNEL: Final = (Axes((2, 3, 1, 0)),)


@dataclass(frozen=True, slots=True)
class Found:
    """A layer of the reference network and, by its own names, where the module keeps them."""

    layer: nn.Layer
    places: Mapping[str, Place] = field(default_factory=dict)


def as_layers(module: Any, axes: int) -> tuple[Found, ...]:
    """The layers that a torch module without submodules is, in order; none where not known.

    Args:
        module: the module.
        axes: how many axes its input has.
    """
    kind = type(module)
    if kind in _RECURRENT:
        return _recurrent(module)
    if kind is torch.nn.EmbeddingBag:
        return _embedding_bag(module, axes)
    if kind in _WITH_PARAMETERS:
        found = _WITH_PARAMETERS[kind](module, axes)
    else:
        layer = as_layer(module, axes)
        found = None if layer is None else Found(layer)
    return () if found is None else (found,)


def as_layer(module: Any, axes: int) -> nn.Layer | None:
    """The layer without parameters that a torch module is, or ``None``.

    Args:
        module: the module.
        axes: how many axes its input has.
    """
    kind = type(module)
    if kind is torch.nn.Linear:
        return nn.Affine(module.in_features, module.out_features, bias=module.bias is not None)
    if kind is torch.nn.Dropout:
        return nn.Dropout(float(module.p))
    if kind is torch.nn.Dropout2d and axes == 4:
        return nn.Dropout(float(module.p), channel_axis=1)
    if kind is torch.nn.Flatten:
        whole = module.start_dim == 1 and module.end_dim in (-1, axes - 1)
        return nn.Flatten() if whole else None
    if kind is torch.nn.Unflatten and axes == 2 and module.dim in (1, -1):
        return nn.Reshape(tuple(int(size) for size in module.unflattened_size))
    if kind is torch.nn.LeakyReLU:
        return nn.LeakyReLU(float(module.negative_slope))
    if kind is torch.nn.ELU:
        return nn.ELU(float(module.alpha))
    if kind is torch.nn.CELU:
        return nn.CELU(float(module.alpha))
    if kind is torch.nn.Hardtanh:
        return nn.HardTanh(float(module.min_val), float(module.max_val))
    if kind is torch.nn.GELU:
        return nn.GELU(approximate=module.approximate == "tanh")
    if kind is torch.nn.Softplus:
        return nn.Softplus(threshold=float(module.threshold)) if module.beta == 1 else None
    if kind in (torch.nn.Softmax, torch.nn.LogSoftmax):
        last = module.dim in (-1, axes - 1) or (module.dim is None and axes == 2)
        layer = nn.Softmax() if kind is torch.nn.Softmax else nn.LogSoftmax()
        return layer if last else None
    if axes == 4 and kind in (torch.nn.MaxPool2d, torch.nn.AvgPool2d):
        return _pool(module)
    if kind is torch.nn.AdaptiveAvgPool2d and axes == 4 and module.output_size in (1, (1, 1)):
        return nn.GlobalAveragePool2D(layout="NCHW")
    if kind in (torch.nn.Upsample, torch.nn.UpsamplingNearest2d) and axes == 4:
        return _upsample(module)
    return _PLAIN.get(kind)


#: Torch's derivative has 1/6 as float32 has it.
HARD_SIGMOID: Final = nn.HardSigmoid(derivative="float32")

_PLAIN: Final[Mapping[Any, nn.Layer]] = {
    torch.nn.ReLU: nn.ReLU(),
    torch.nn.SELU: nn.SELU(),
    torch.nn.SiLU: nn.SiLU(),
    torch.nn.Mish: nn.Mish(),
    torch.nn.Softsign: nn.Softsign(),
    torch.nn.ReLU6: nn.HardTanh(0.0, 6.0),
    torch.nn.Sigmoid: nn.Sigmoid(),
    torch.nn.Tanh: nn.Tanh(),
    torch.nn.Hardsigmoid: HARD_SIGMOID,
    torch.nn.Hardswish: nn.HardSwish(),
    torch.nn.Identity: nn.Identity(),
}


# ---- images ----------------------------------------------------------------------------------
def _pair(value: Any) -> tuple[int, int]:
    return (int(value), int(value)) if isinstance(value, int) else (int(value[0]), int(value[1]))


def _short(value: Any) -> Any:
    one, two = _pair(value)
    return one if one == two else (one, two)


def _padding(value: Any) -> Any:
    """Torch's padding, a number for each axis, as the reference network writes it."""
    if isinstance(value, str):
        return value
    height, width = _pair(value)
    if height == width:
        return height or "valid"
    return ((height, height), (width, width))


def _bias(module: Any) -> dict[str, Place]:
    return {"bias": Place("bias")} if module.bias is not None else {}


def _linear(module: Any, _: int) -> Found:
    layer = nn.Affine(module.in_features, module.out_features, bias=module.bias is not None)
    return Found(layer, {"weight": Place("weight", transposed=True), **_bias(module)})


def _convolution(module: Any, axes: int) -> Found | None:
    if axes != 4 or module.padding_mode != "zeros":
        return None
    common: dict[str, Any] = {
        "kernel_size": _short(module.kernel_size),
        "stride": _short(module.stride),
        "padding": _padding(module.padding),
        "bias": module.bias is not None,
        "dilation": _short(module.dilation),
        "layout": "NCHW",
    }
    inputs, outputs = int(module.in_channels), int(module.out_channels)
    if module.groups == inputs > 1:
        shape = tuple(int(size) for size in module.weight.shape)
        moves = (Shape(shape, (inputs, outputs // inputs, *shape[2:])), Axes((2, 3, 0, 1)))
        depthwise = nn.DepthwiseConv2D(inputs, multiplier=outputs // inputs, **common)
        return Found(depthwise, {"weight": Place("weight", moves=moves), **_bias(module)})
    layer = nn.Conv2D(inputs, outputs, groups=int(module.groups), **common)
    return Found(layer, {"weight": Place("weight", moves=_KERNEL), **_bias(module)})


def _transposed_convolution(module: Any, axes: int) -> Found | None:
    additions = set(_pair(module.output_padding))
    if axes != 4 or module.padding_mode != "zeros" or len(additions) > 1:
        return None
    layer = nn.ConvTranspose2D(
        int(module.in_channels),
        int(module.out_channels),
        _short(module.kernel_size),
        stride=_short(module.stride),
        padding=_padding(module.padding) if _pair(module.padding) != (0, 0) else 0,
        output_padding=additions.pop(),
        bias=module.bias is not None,
        dilation=_short(module.dilation),
        groups=int(module.groups),
        layout="NCHW",
    )
    # (in, out, height, width) to (height, width, out, in): the same order of axes.
    return Found(layer, {"weight": Place("weight", moves=_KERNEL), **_bias(module)})


def _pool(module: Any) -> nn.Layer | None:
    if module.ceil_mode:
        return None
    size, stride = _short(module.kernel_size), _short(module.stride)
    padding = _padding(module.padding)
    if type(module) is torch.nn.MaxPool2d:
        if _pair(module.dilation) != (1, 1) or module.return_indices:
            return None
        return nn.MaxPool2D(size, stride=stride, padding=padding, layout="NCHW")
    if module.divisor_override is not None:
        return None
    include = bool(module.count_include_pad) or padding == "valid"
    return nn.AveragePool2D(size, stride, padding, layout="NCHW", count_include_pad=include)


def _upsample(module: Any) -> nn.Layer | None:
    scale = module.scale_factor
    factors = [] if scale is None else list(scale) if isinstance(scale, tuple) else [scale]
    if not factors or any(f != int(f) for f in factors):
        return None
    factor: Any = int(factors[0]) if len(set(factors)) == 1 else tuple(int(f) for f in factors)
    if module.mode == "nearest":
        return nn.UpSample2D(factor, layout="NCHW")
    if module.mode == "bilinear":
        grid: Any = "align-corners" if module.align_corners else "half-pixel"
        return nn.UpSample2D(factor, "bilinear", grid, layout="NCHW")
    return None


# ---- normalization ---------------------------------------------------------------------------
def _scale_and_shift(module: Any) -> dict[str, Place]:
    places = {"scale": Place("weight")} if module.weight is not None else {}
    return places | ({"shift": Place("bias")} if getattr(module, "bias", None) is not None else {})


def _batch_norm(module: Any, axes: int) -> Found | None:
    tracked = bool(module.track_running_stats)
    if module.momentum is None or (axes == 3 and tracked is None):
        return None
    layer = nn.BatchNorm(
        int(module.num_features),
        axis=-1 if axes == 2 else 1,
        epsilon=float(module.eps),
        momentum=1.0 - float(module.momentum),
        running_variance="unbiased",
        inference="running" if tracked else "batch",
        batch_of_one="refuse",
        scale=module.weight is not None,
        shift=module.bias is not None,
    )
    places = _scale_and_shift(module)
    if tracked:
        places["running_mean"] = Place("running_mean")
        places["running_variance"] = Place("running_var")
    return Found(layer, places)


def _layer_norm(module: Any, _: int) -> Found:
    layer = nn.LayerNorm(
        tuple(int(size) for size in module.normalized_shape),
        epsilon=float(module.eps),
        scale=module.weight is not None,
        shift=getattr(module, "bias", None) is not None,
    )
    return Found(layer, _scale_and_shift(module))


def _rms_norm(module: Any, _: int) -> Found | None:
    epsilon = None if module.eps is None else float(module.eps)
    shape = tuple(int(size) for size in module.normalized_shape)
    layer = nn.RMSNorm(shape, epsilon=epsilon, scale=module.weight is not None)
    return Found(layer, _scale_and_shift(module))


def _group_norm(module: Any, axes: int) -> Found:
    layer = nn.GroupNorm(
        int(module.num_groups),
        int(module.num_channels),
        axis=-1 if axes == 2 else 1,
        epsilon=float(module.eps),
        scale=module.weight is not None,
        shift=module.bias is not None,
    )
    return Found(layer, _scale_and_shift(module))


# ---- the rest --------------------------------------------------------------------------------
def _embedding(module: Any, _: int) -> Found | None:
    if module.max_norm is not None or module.scale_grad_by_freq or module.padding_idx is not None:
        return None
    layer = nn.Embedding(int(module.num_embeddings), int(module.embedding_dim))
    return Found(layer, {"weight": Place("weight")})


def _embedding_bag(module: Any, axes: int) -> tuple[Found, ...]:
    """An embedding, and what makes one vector of those of a row."""
    found = _embedding(module, axes)
    if found is None or axes != 2 or module.mode not in ("mean", "sum"):
        return ()
    return found, Found(nn.GlobalPool1D(module.mode))


def _prelu(module: Any, axes: int) -> Found:
    slopes = int(module.num_parameters)
    shape = (slopes,) if slopes == 1 or axes == 2 else (slopes, *(1,) * (axes - 2))
    return Found(nn.PReLU(shape), {"slope": Place("weight")})


_RECURRENT: Final = (torch.nn.RNN, torch.nn.LSTM, torch.nn.GRU)


def _recurrent(module: Any) -> tuple[Found, ...]:
    """One layer for each of ``num_layers``, all steps returned."""
    if module.bidirectional or module.proj_size or (module.dropout and module.num_layers > 1):
        return ()
    units = int(module.hidden_size)
    common: dict[str, Any] = {
        "bias": "two" if module.bias else "none",
        "return_sequences": True,
        "time_major": not module.batch_first,
    }
    found = []
    for index in range(module.num_layers):
        inputs = int(module.input_size) if index == 0 else units
        layer: nn.Layer
        if type(module) is torch.nn.LSTM:
            layer = nn.LSTM(inputs, units, **common)
        elif type(module) is torch.nn.GRU:
            layer = nn.GRU(inputs, units, gate_order="rzn", **common)
        else:
            activation: Any = module.nonlinearity
            layer = nn.SimpleRNN(inputs, units, activation=activation, **common)
        places = {
            "weight": Place(f"weight_ih_l{index}", transposed=True),
            "recurrent_weight": Place(f"weight_hh_l{index}", transposed=True),
        }
        if module.bias:
            places["bias"] = Place(f"bias_ih_l{index}")
            places["recurrent_bias"] = Place(f"bias_hh_l{index}")
        found.append(Found(layer, places))
    return tuple(found)


_WITH_PARAMETERS: Final[Mapping[Any, Any]] = {
    torch.nn.Linear: _linear,
    torch.nn.Conv2d: _convolution,
    torch.nn.ConvTranspose2d: _transposed_convolution,
    torch.nn.BatchNorm1d: _batch_norm,
    torch.nn.BatchNorm2d: _batch_norm,
    torch.nn.LayerNorm: _layer_norm,
    torch.nn.RMSNorm: _rms_norm,
    torch.nn.GroupNorm: _group_norm,
    torch.nn.Embedding: _embedding,
    torch.nn.PReLU: _prelu,
}
