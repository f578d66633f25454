"""Values at which networks are probed, written into a side and read back from it.

Weights are N(0, 1)/√fan_in with biases that are not zero; scales and running variances are
positive; everything is exact in float32, so that both widths start from the same numbers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np

from netparity.diagnosis.twin import Array, Twin, Values
from netparity.implementations.base import Implementation
from netparity.nn import Layer

#: Parameters that multiply a value of order one, drawn around 1 and clear of 0.
SCALES: Final = ("scale", "running_variance")
#: Half the width of what those are drawn from.
SPREAD: Final = 0.5


def probe_values(
    native: Mapping[str, Array], rng: np.random.Generator, scale: float = 1.0
) -> Values:
    """Values for a side's own arrays: N(0, 1)/√fan, biases included, exact in float32."""
    values: Values = {}
    for name, array in native.items():
        squeezed = np.squeeze(array)
        fan = max(squeezed.shape) if squeezed.ndim > 1 else 4.0
        drawn = (scale * rng.standard_normal(array.shape) / np.sqrt(fan)).astype(np.float32)
        values[name] = drawn.astype(array.dtype)
    return values


def probe_parameters(twin: Twin, rng: np.random.Generator, scale: float = 1.0) -> Values:
    """Twin parameters for a probe: N(0, 1)/√fan_in with non-zero biases, exact in float32."""
    return {
        f"{name}.{key}": _drawn(layer, key, shape, rng, scale)
        for name, layer in twin.conventions.layers or ()
        for key, shape in layer.shapes().items()
    }


def probe_buffers(twin: Twin, rng: np.random.Generator) -> Values:
    """Twin buffers for a probe: means of either sign, variances around 1."""
    return {
        f"{name}.{key}": _drawn(layer, key, shape, rng, 1.0)
        for name, layer in twin.conventions.layers or ()
        for key, (shape, _) in layer.buffers().items()
    }


def _drawn(
    layer: Layer, key: str, shape: tuple[int, ...], rng: np.random.Generator, scale: float
) -> Array:
    if key in SCALES:
        drawn = rng.uniform(1 - SPREAD, 1 + SPREAD, shape)
    else:
        # One token's vector is one input of what follows, whatever the number of tokens.
        matrix = key.endswith("weight") and not layer.takes_tokens
        fan = layer.fans(key)[0] if matrix else 4.0
        drawn = scale * rng.standard_normal(shape) / np.sqrt(fan)
    return np.asarray(drawn.astype(np.float32).astype(np.float64))


def takes_tokens(twin: Twin) -> bool:
    """Whether the network's input is whole numbers, which cannot be scaled."""
    return any(layer.takes_tokens for _, layer in twin.conventions.layers or ())


def probe_inputs(twin: Twin, x: Array, scale: float = 1.0) -> Array:
    """A batch for a probe: scaled and exact in float32; tokens stay as they are."""
    if takes_tokens(twin):
        return np.asarray(x)
    return np.asarray(np.asarray(scale * x, dtype=np.float32).astype(np.float64))


def write(live: Implementation, twin: Twin, values: Mapping[str, Array]) -> None:
    """Writes twin parameters and buffers into a side."""
    live.set_parameters(twin.native(values, live.parameters()))
    if any(name not in twin.network.parameter_shapes() for name in values):
        live.set_buffers(twin.native(values, live.buffers()))


def read(live: Implementation, twin: Twin) -> Values:
    """A side's parameters and buffers in the twin's layout, in float64."""
    native = {**live.parameters(), **live.buffers()}
    return {n: np.array(v, dtype=np.float64) for n, v in twin.values(native).items()}
