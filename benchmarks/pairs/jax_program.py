"""The description as functions in JAX, with an optimizer of optax."""

from __future__ import annotations

from typing import Any

import numpy as np
from benchmarks.pairs.description import Description, Style, Unable, only, within
from benchmarks.pairs.rates import optax_schedule

import netparity
from netparity import nn

_DECAY = ("learning_rate", "weight_decay", "decay", "decay_scope")


def build(description: Description, style: Style, **more: Any) -> netparity.Jax:
    """``apply(params, x)``, the loss of its predictions, and the optimizer."""
    import jax.numpy as jnp

    if description.bugs or description.report:
        raise Unable(f"jax: {description.bugs}")
    names = list(dict.fromkeys(full.rpartition(".")[0] for full in description.initial))
    numbered = {name: f"layer{number}" for number, name in enumerate(names, 1)}
    params: dict[str, Any] = {}
    for full, value in description.initial.items():
        name, _, key = full.rpartition(".")
        params.setdefault(numbered[name], {})[key] = jnp.asarray(value, dtype=np.float32)
    steps = [_layer(layer, numbered.get(name)) for name, layer in description.layers]

    def apply(params: Any, x: Any) -> Any:
        for step in steps:
            x = step(params, x)
        return x

    if description.penalties:
        more["penalty"] = _penalty(description, numbered)
    rule = optimizer(description, lambda full: numbered[full.rpartition(".")[0]], params)
    # Arrays are float32 unless one asks for more; netparity works in float64 where it may.
    lift = description.dtype == "float64"
    return netparity.Jax(apply, params, loss_of(description.loss), rule, lift=lift, **more)


def _layer(layer: nn.Layer, name: str | None) -> Any:
    import jax.numpy as jnp

    match layer:
        case nn.Affine():
            if layer.bias:
                return lambda p, x: x @ p[name]["weight"] + p[name]["bias"]
            return lambda p, x: x @ p[name]["weight"]
        case nn.LayerNorm():
            only(layer, "shape", "epsilon")

            def norm(p: Any, x: Any) -> Any:
                mean = x.mean(axis=-1, keepdims=True)
                variance = ((x - mean) ** 2).mean(axis=-1, keepdims=True)
                hat = (x - mean) / jnp.sqrt(variance + layer.epsilon)
                return hat * p[name]["scale"] + p[name]["shift"]

            return norm
    bend = activation(layer)
    return lambda p, x: bend(x)


def activation(layer: nn.Layer) -> Any:
    """A function of ``jax.nn``."""
    import jax

    match layer:
        case nn.Identity():
            return lambda x: x
        case nn.ReLU(gradient_at_zero=0.0):
            return jax.nn.relu
        case nn.LeakyReLU(gradient_at_zero=None):
            return lambda x: jax.nn.leaky_relu(x, layer.slope)
        case nn.ELU():
            return lambda x: jax.nn.elu(x, layer.alpha)
        case nn.GELU():
            return lambda x: jax.nn.gelu(x, approximate=layer.approximate)
        case nn.SiLU():
            return jax.nn.silu
        case nn.Sigmoid():
            return jax.nn.sigmoid
        case nn.Tanh():
            return jax.numpy.tanh
        case nn.HardSigmoid():
            if layer.slope != 1 / 6:
                raise Unable("jax: hard_sigmoid has the slope 1/6")
            return jax.nn.hard_sigmoid
        case nn.Softmax():
            axis = -1 if layer.axis is None else layer.axis
            return lambda x: jax.nn.softmax(x, axis=axis)
    raise Unable(f"jax: {layer!r}")


def loss_of(loss: Any) -> Any:
    """A loss of optax, reduced."""
    import jax.numpy as jnp
    import optax

    def reduced(each: Any, outputs: str | None = None) -> Any:
        if outputs is not None:
            each = each.mean(axis=1) if outputs == "mean" else each.sum(axis=1)
        total = each.mean() if loss.batch == "mean" else each.sum()
        return total if loss.factor == 1.0 else loss.factor * total

    match loss:
        case nn.SoftmaxCrossEntropy():
            only(loss, "batch", "factor", "label_smoothing")
            if loss.label_smoothing:

                def smooth(p: Any, y: Any) -> Any:
                    labels = jnp.eye(p.shape[-1])[y.astype(int)]
                    labels = optax.smooth_labels(labels, loss.label_smoothing)
                    return reduced(optax.softmax_cross_entropy(p, labels))

                return smooth
            return lambda p, y: reduced(
                optax.softmax_cross_entropy_with_integer_labels(p, y.astype(int))
            )
        case nn.SigmoidCrossEntropy():
            only(loss, "batch", "outputs", "factor")
            return lambda p, y: reduced(optax.sigmoid_binary_cross_entropy(p, y), loss.outputs)
        case nn.MeanSquaredError():
            return lambda p, y: reduced(optax.squared_error(p, y), loss.outputs)
        case nn.MeanAbsoluteError():
            return lambda p, y: reduced(jnp.abs(p - y), loss.outputs)
        case nn.Huber(form="huber"):
            return lambda p, y: reduced(optax.huber_loss(p, y, delta=loss.delta), loss.outputs)
    raise Unable(f"jax: {loss!r}")


def _penalty(description: Description, numbered: dict[str, str]) -> Any:
    import jax.numpy as jnp

    if any(t.scale_with_batch or not isinstance(t, nn.L1 | nn.L2) for t in description.penalties):
        raise Unable(f"jax: {description.penalties!r}")

    def penalty(params: Any) -> Any:
        total = 0.0
        for term in description.penalties:
            c = term.factor * term.coefficient
            for full in description.initial:
                if within(term.scope, full):
                    name, _, key = full.rpartition(".")
                    w = params[numbered[name]][key]
                    total = total + c * (
                        jnp.sum(w**2) if isinstance(term, nn.L2) else jnp.sum(jnp.abs(w))
                    )
        return total

    return penalty


def optimizer(description: Description, group: Any, params: Any) -> Any:
    """An optimizer of optax, with what is chained before it."""
    import optax

    rule: Any = description.optimizer
    chained: list[Any] = []
    match description.clipping:
        case None:
            pass
        case nn.ClipByNorm(scope="global", epsilon=0.0):
            chained.append(optax.clip_by_global_norm(description.clipping.limit))
        case nn.ClipByValue():
            chained.append(optax.clip(description.clipping.limit))
        case _:
            raise Unable(f"jax: {description.clipping!r}")
    mask: dict[str, Any] = {}
    if rule.decay_scope != "all":
        for full in description.initial:
            key = full.rpartition(".")[2]
            mask.setdefault(group(full), {})[key] = within(rule.decay_scope, full)
    decay = rule.weight_decay
    if decay and rule.decay == "coupled":
        chained.append(optax.add_decayed_weights(decay, mask=mask or None))
    decoupled = bool(decay) and rule.decay == "decoupled"
    if decoupled and not isinstance(rule, nn.Adam):
        raise Unable(f"jax: {rule!r}")
    eta: Any = rule.learning_rate
    if description.schedule is not None:
        eta = optax_schedule(description.schedule)
    match rule:
        case nn.SGD():
            only(rule, *_DECAY, "momentum", "nesterov")
            made = optax.sgd(eta, momentum=rule.momentum or None, nesterov=rule.nesterov)
        case nn.Adam():
            only(rule, *_DECAY, "beta1", "beta2", "epsilon")
            constants = {"b1": rule.beta1, "b2": rule.beta2, "eps": rule.epsilon}
            if decoupled:
                made = optax.adamw(eta, weight_decay=decay, mask=mask or None, **constants)
            else:
                made = optax.adam(eta, **constants)
        case nn.RMSProp():
            only(rule, *_DECAY, "rho", "momentum", "epsilon", "epsilon_placement", "centered",
                 "form", "initial_accumulator")  # fmt: skip
            if rule.momentum and rule.form != "rate-inside":
                raise Unable(f"jax: {rule!r}")
            made = optax.rmsprop(
                eta, decay=rule.rho, eps=rule.epsilon, centered=rule.centered,
                initial_scale=rule.initial_accumulator, momentum=rule.momentum or None,
                eps_in_sqrt=rule.epsilon_placement == "inside",
            )  # fmt: skip
        case nn.AdaGrad(epsilon_placement="inside"):
            only(rule, *_DECAY, "epsilon", "epsilon_placement", "initial_accumulator")
            made = optax.adagrad(eta, rule.initial_accumulator, eps=rule.epsilon)
        case nn.Adamax(epsilon_placement="inside"):
            made = optax.adamax(eta, b1=rule.beta1, b2=rule.beta2, eps=rule.epsilon)
        case nn.NAdam(momentum_decay=None):
            made = optax.nadam(eta, b1=rule.beta1, b2=rule.beta2, eps=rule.epsilon)
        case nn.Lion(weight_decay=0.0):
            made = optax.lion(eta, b1=rule.beta1, b2=rule.beta2, weight_decay=0.0)
        case _:
            raise Unable(f"jax: {rule!r}")
    return optax.chain(*chained, made) if chained else made
