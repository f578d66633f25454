"""The layers of Flax, NNX's and Linen's, as layers of the reference network."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import flax.linen as linen
import numpy as np
from flax import nnx

from netparity import nn
from netparity.conventions import Place


@dataclass(frozen=True, slots=True)
class Found:
    """A layer of the reference network.

    Attributes:
        layer: the layer.
        places: its parameters and buffers → the names of Flax's variables.
        text: the arguments with which it is written.
    """

    layer: nn.Layer
    places: Mapping[str, str] = field(default_factory=dict)
    text: str = ""


def as_layer(layer: Any, shape: tuple[int, ...]) -> Found | None:
    """The layer that one of Flax's is, or ``None`` where none is known.

    Args:
        layer: a module of NNX or Linen without modules of its own.
        shape: of its input.
    """
    read = _READ.get(type(layer))
    return None if read is None or not shape else read(layer, shape)


def seen(
    layer: Any, shape: tuple[int, ...], path: tuple[str, ...], functions: str
) -> tuple[nn.Layer | None, Mapping[str, Place], str]:
    """The layer that was called at a path, where its values lie, and how it is written."""
    found = as_layer(layer, shape)
    written = f"{functions}.{type(layer).__name__}"
    if found is None:
        return None, {}, written
    places = {key: Place(".".join((*path, name))) for key, name in found.places.items()}
    return found.layer, places, f"{written}({found.text})"


# ---- dense, dropout, embedding ---------------------------------------------------------------
def _dense(layer: Any, shape: tuple[int, ...]) -> Found:
    outputs = layer.out_features if isinstance(layer, nnx.Linear) else layer.features
    inputs, bias = shape[-1], bool(layer.use_bias)
    text = f"{inputs}, {outputs}" if isinstance(layer, nnx.Linear) else f"{outputs}"
    return Found(nn.Affine(inputs, int(outputs), bias=bias), _kernel(bias=bias), text)


def _kernel(*, bias: bool) -> dict[str, str]:
    return {"weight": "kernel"} | ({"bias": "bias"} if bias else {})


def _dropout(layer: Any, _: tuple[int, ...]) -> Found | None:
    if layer.rate == 0:  # draws nothing
        return Found(nn.Identity(), {}, "0")
    return (
        None if layer.broadcast_dims else Found(nn.Dropout(float(layer.rate)), {}, f"{layer.rate}")
    )


def _embedding(layer: Any, _: tuple[int, ...]) -> Found:
    sizes = int(layer.num_embeddings), int(layer.features)
    return Found(nn.Embedding(*sizes), {"weight": "embedding"}, f"{sizes[0]}, {sizes[1]}")


# ---- images ------------------------------------------------------------------------------------
def _convolution(layer: Any, shape: tuple[int, ...]) -> Found | None:
    plain = layer.mask is None and _pair(layer.input_dilation) == (1, 1)
    padding = _padding(layer.padding)
    if (
        len(shape) != 4
        or len(np.atleast_1d(layer.kernel_size)) != 2
        or not plain
        or padding is None
    ):
        return None
    outputs = layer.out_features if isinstance(layer, nnx.Conv) else layer.features
    kernel, bias = _pair(layer.kernel_size), bool(layer.use_bias)
    found = nn.Conv2D(
        shape[-1],
        int(outputs),
        _short(kernel),
        stride=_short(layer.strides),
        padding=padding,
        bias=bias,
        dilation=_short(layer.kernel_dilation),
        groups=int(layer.feature_group_count),
    )
    return Found(found, _kernel(bias=bias), f"{outputs}, {kernel}, padding={layer.padding!r}")


def _pair(value: Any) -> tuple[int, int]:
    """A size of both axes as two; ``None`` is 1."""
    one, two = np.broadcast_to(1 if value is None else value, 2)
    return int(one), int(two)


def _short(value: Any) -> Any:
    one, two = _pair(value)
    return one if one == two else (one, two)


def _padding(value: Any) -> Any:
    """Flax's padding as the reference network writes it, ``None`` where that has no such one."""
    if isinstance(value, str):
        return {"SAME": "same", "VALID": "valid"}.get(value.upper())
    sides = np.asarray(value)
    if sides.ndim == 1 and len(sides) == 2:
        sides = np.stack([sides, sides], axis=1)
    return tuple((int(a), int(b)) for a, b in np.broadcast_to(sides, (2, 2)))


# ---- normalization -----------------------------------------------------------------------------
def _scaled(layer: Any) -> dict[str, str]:
    places = {"scale": "scale"} if layer.use_scale else {}
    return places | ({"shift": "bias"} if getattr(layer, "use_bias", False) else {})


def _last(axes: Any, shape: tuple[int, ...]) -> bool:
    """Whether axes are the last one alone."""
    return [int(a) % len(shape) for a in np.atleast_1d(axes)] == [len(shape) - 1]


def _layer_norm(layer: Any, shape: tuple[int, ...]) -> Found | None:
    if not _last(layer.reduction_axes, shape) or not _last(layer.feature_axes, shape):
        return None
    found = nn.LayerNorm(
        (shape[-1],),
        epsilon=float(layer.epsilon),
        fast_variance=bool(layer.use_fast_variance),
        scale=bool(layer.use_scale),
        shift=bool(layer.use_bias),
    )
    return Found(found, _scaled(layer), f"epsilon={layer.epsilon:g}")


def _rms_norm(layer: Any, shape: tuple[int, ...]) -> Found | None:
    if not _last(layer.reduction_axes, shape) or not _last(layer.feature_axes, shape):
        return None
    found = nn.RMSNorm((shape[-1],), epsilon=float(layer.epsilon), scale=bool(layer.use_scale))
    return Found(found, _scaled(layer), f"epsilon={layer.epsilon:g}")


def _group_norm(layer: Any, shape: tuple[int, ...]) -> Found | None:
    if layer.reduction_axes is not None or getattr(layer, "feature_axis", -1) != -1:
        return None
    groups = layer.num_groups
    if groups is None:
        groups = shape[-1] // layer.group_size
    found = nn.GroupNorm(
        int(groups),
        shape[-1],
        axis=-1,
        epsilon=float(layer.epsilon),
        fast_variance=bool(layer.use_fast_variance),
        scale=bool(layer.use_scale),
        shift=bool(layer.use_bias),
    )
    return Found(found, _scaled(layer), f"num_groups={groups}, epsilon={layer.epsilon:g}")


def _batch_norm(layer: Any, shape: tuple[int, ...]) -> Found | None:
    if not _last(layer.axis, shape):
        return None
    found = nn.BatchNorm(
        shape[-1],
        axis=-1,
        epsilon=float(layer.epsilon),
        momentum=float(layer.momentum),
        fast_variance=bool(layer.use_fast_variance),
        scale=bool(layer.use_scale),
        shift=bool(layer.use_bias),
    )
    places = {**_scaled(layer), "running_mean": "mean", "running_variance": "var"}
    return Found(found, places, f"momentum={layer.momentum:g}, epsilon={layer.epsilon:g}")


_READ: Final[Mapping[Any, Callable[[Any, tuple[int, ...]], Found | None]]] = {
    nnx.Linear: _dense,
    linen.Dense: _dense,
    nnx.Dropout: _dropout,
    linen.Dropout: _dropout,
    nnx.Embed: _embedding,
    linen.Embed: _embedding,
    nnx.Conv: _convolution,
    linen.Conv: _convolution,
    nnx.LayerNorm: _layer_norm,
    linen.LayerNorm: _layer_norm,
    nnx.RMSNorm: _rms_norm,
    linen.RMSNorm: _rms_norm,
    nnx.GroupNorm: _group_norm,
    linen.GroupNorm: _group_norm,
    nnx.BatchNorm: _batch_norm,
    linen.BatchNorm: _batch_norm,
}
