"""Feeds the draws of ``nn.Dropout`` in a torch module."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch

from netparity.errors import InputError

Array = np.ndarray[Any, np.dtype[Any]]

_OTHER_KINDS = (
    torch.nn.Dropout1d, torch.nn.Dropout3d, torch.nn.AlphaDropout,
    torch.nn.FeatureAlphaDropout, torch.nn.RReLU,
)  # fmt: skip

_FED = (torch.nn.Dropout, torch.nn.Dropout2d)


def others(module: Any) -> bool:
    """Whether it holds layers that draw otherwise than one number for each element."""
    return any(isinstance(layer, _OTHER_KINDS) for layer in module.modules())


def has_modes(layer: Any) -> bool:
    """Whether a layer does something else in training than in inference."""
    normalizes = isinstance(layer, torch.nn.modules.batchnorm._NormBase)
    return isinstance(layer, (torch.nn.Dropout, *_OTHER_KINDS)) or (
        normalizes and layer.track_running_stats
    )


@contextlib.contextmanager
def patched(module: Any, draws: Sequence[Array] | None) -> Iterator[list[tuple[int, ...]]]:
    """Lets each ``nn.Dropout`` compute ``x · (draw ≥ p) / (1 − p)`` with a given draw.

    Args:
        module: the network; each forward pass of it takes the draws from the start.
        draws: one array for each dropout call, in order; ``None`` keeps every second unit.

    Yields:
        The shapes of the inputs of the dropout calls of the last pass, filled as it runs.

    Raises:
        InputError: other draws than the pass needs.
    """
    shapes: list[tuple[int, ...]] = []

    def restart(*_: Any) -> None:
        shapes.clear()

    def forward_of(layer: Any) -> Any:
        def forward(x: Any) -> Any:
            if not layer.training:
                return x
            whole = type(layer) is torch.nn.Dropout2d and x.ndim == 4
            shapes.append((*x.shape[:2], 1, 1) if whole else tuple(x.shape))
            draw = _draw(draws, shapes)
            kept = torch.from_numpy(np.array(draw >= layer.p)).to(x.device)
            # torch scales the mask, not the input: the same order rounds the same.
            mask = kept.to(x.dtype).div_(1 - layer.p) if layer.p < 1 else kept.to(x.dtype)
            return x * mask

        return forward

    layers = [layer for layer in module.modules() if type(layer) in _FED]
    own = [layer.__dict__.get("forward") for layer in layers]
    handle = module.register_forward_pre_hook(restart)
    for layer in layers:
        layer.forward = forward_of(layer)
    try:
        yield shapes
    finally:
        handle.remove()
        for layer, forward in zip(layers, own, strict=True):
            if forward is None:
                del layer.forward
            else:
                layer.forward = forward
    if draws is not None and module.training and len(draws) != len(shapes):
        raise InputError(
            f"draws for another number of dropouts: expected {len(shapes)}; received {len(draws)}"
        )


def _draw(draws: Sequence[Array] | None, shapes: list[tuple[int, ...]]) -> Array:
    shape, index = shapes[-1], len(shapes) - 1
    if draws is None:
        return np.asarray(np.arange(int(np.prod(shape))) % 2, dtype=float).reshape(shape)
    if index >= len(draws) or np.shape(draws[index]) != shape:
        received = np.shape(draws[index]) if index < len(draws) else f"{len(draws)} draws"
        raise InputError(f"draw {index + 1} of a dropout: expected shape {shape}; "
                         f"received {received}")  # fmt: skip
    return np.asarray(draws[index])
