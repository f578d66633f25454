"""The description as a Flax NNX model, with an optimizer of optax."""

from __future__ import annotations

from typing import Any

import numpy as np
from benchmarks.pairs.description import Description, Style, Unable, only
from benchmarks.pairs.jax_program import activation, loss_of, optimizer

import netparity
from netparity import nn


def build(description: Description, style: Style, **more: Any) -> netparity.Flax:
    """The model with its initial values, its loss and its optimizer."""
    import jax.numpy as jnp
    from flax import nnx

    if description.bugs or description.penalties or description.report:
        raise Unable("flax: bugs and penalties are left to the functions in JAX")
    if description.optimizer.weight_decay and description.optimizer.decay_scope != "all":
        raise Unable("flax: masks are left to the functions in JAX")
    rngs = nnx.Rngs(0)
    layers = []
    own = {"weight": "kernel", "bias": "bias", "scale": "scale", "shift": "bias"}
    for name, layer in description.layers:
        made = _layer(nnx, layer, rngs)
        for key in layer.shapes():
            value = description.initial[f"{name}.{key}"]
            getattr(made, own[key])[...] = jnp.asarray(value, dtype=np.float32)
        layers.append(made)
    rule = optimizer(description, None, None)
    lift = description.dtype == "float64"
    return netparity.Flax(
        nnx.Sequential(*layers), loss_of(description.loss), rule, lift=lift, **more
    )


def _layer(nnx: Any, layer: nn.Layer, rngs: Any) -> Any:
    match layer:
        case nn.Affine():
            return nnx.Linear(layer.inputs, layer.outputs, use_bias=layer.bias, rngs=rngs)
        case nn.BatchNorm():
            only(layer, "features", "epsilon", "momentum")
            return nnx.BatchNorm(
                layer.features, momentum=layer.momentum, epsilon=layer.epsilon, rngs=rngs
            )
        case nn.LayerNorm():
            only(layer, "shape", "epsilon")
            return nnx.LayerNorm(layer.shape[0], epsilon=layer.epsilon, rngs=rngs)
        case nn.Dropout():
            only(layer, "rate")
            return nnx.Dropout(layer.rate, rngs=rngs)
    return activation(layer)
