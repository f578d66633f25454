"""The description as its author writes it in Keras, compiled or in a TensorFlow loop."""

from __future__ import annotations

from typing import Any

import numpy as np
from benchmarks.pairs.description import Description, Style, Unable, only, within
from benchmarks.pairs.rates import keras_schedule

import netparity
from netparity import nn

_DECAY = ("learning_rate", "weight_decay", "decay", "decay_scope")


def build(description: Description, style: Style, **more: Any) -> netparity.Keras:
    """The compiled model with its initial values."""
    made = model(description, penalized=True)
    loss: Any = description.loss
    weights = {} if loss.factor == 1.0 else {"loss_weights": loss.factor}
    made.compile(loss=_loss(loss, description), optimizer=optimizer(description), **weights)
    return netparity.Keras(made, **more)


def model(description: Description, *, penalized: bool) -> Any:
    """The model with its initial values; the width of floats is process-wide in Keras."""
    import keras

    if description.bugs or description.report:
        raise Unable(f"keras: {description.bugs}")
    keras.config.set_floatx(description.dtype)
    keras.config.set_dtype_policy(description.dtype)
    layers = [_layer(keras, n, layer, description, penalized) for n, layer in description.layers]
    made = keras.Sequential([keras.Input(description.shape), *layers])
    for (name, layer), own in zip(description.layers, made.layers, strict=True):
        values = _values(name, layer, description)
        if values:
            own.set_weights([*values, *own.get_weights()[len(values) :]])
    return made


def _values(name: str, layer: nn.Layer, description: Description) -> list[Any]:
    """The initial values of a layer, carried over into Keras's layouts."""
    values = [description.initial[f"{name}.{key}"] for key in layer.shapes()]
    if isinstance(layer, nn.GRU):
        if layer.gate_order == "rzn":
            parts = [np.split(v, 3, axis=-1) for v in values]
            values = [np.concatenate([z, r, n], axis=-1) for r, z, n in parts]
        if layer.bias == "two":
            values[2:] = [np.stack(values[2:])]
    if isinstance(layer, nn.LSTM) and layer.gate_order == "ijfo":
        blocks = [np.split(v, 4, axis=-1) for v in values]
        values = [np.concatenate([i, f, g, o], axis=-1) for i, g, f, o in blocks]
    return values


def _recurrent(keras: Any, layer: Any) -> Any:
    k = keras.layers
    gates = {"sigmoid": "sigmoid", "hard-sigmoid": "hard_sigmoid"}
    match layer:
        case nn.SimpleRNN(bias="one"):
            only(layer, "inputs", "units", "activation")
            return k.SimpleRNN(layer.units, activation=layer.activation)
        case nn.LSTM(bias="one"):
            only(layer, "inputs", "units", "gate_order", "gate_activation")
            if layer.gate_activation in gates:
                return k.LSTM(layer.units, recurrent_activation=gates[layer.gate_activation])
        case nn.GRU():
            only(layer, "inputs", "units", "bias", "reset_after", "gate_order", "gate_activation")
            fits = layer.bias == ("two" if layer.reset_after else "one")
            if fits and layer.gate_activation in gates:
                return k.GRU(
                    layer.units, reset_after=layer.reset_after,
                    recurrent_activation=gates[layer.gate_activation],
                )  # fmt: skip
    raise Unable(f"keras: {layer!r}")


def _layer(
    keras: Any, name: str, layer: nn.Layer, description: Description, penalized: bool
) -> Any:
    k = keras.layers

    def terms(**arguments: str) -> dict[str, Any]:
        """The regularizers of a layer: argument → the parameter that it is on."""
        if not penalized:
            return {}
        found = {a: _regularizer(keras, description, f"{name}.{p}") for a, p in arguments.items()}
        return {a: term for a, term in found.items() if term is not None}

    if isinstance(layer, nn.Affine):
        wanted = {"kernel_regularizer": "weight", "bias_regularizer": "bias"}
        return k.Dense(layer.outputs, use_bias=layer.bias, **terms(**wanted))
    if isinstance(layer, nn.Conv2D):
        only(layer, "inputs", "outputs", "kernel_size", "stride", "padding", "bias")
        if not isinstance(layer.padding, str):
            raise Unable(f"keras: {layer!r}")
        wanted = {"kernel_regularizer": "weight", "bias_regularizer": "bias"}
        return k.Conv2D(
            layer.outputs, layer.kernel_size, strides=layer.stride, padding=layer.padding,
            use_bias=layer.bias, **terms(**wanted),
        )  # fmt: skip
    if isinstance(layer, nn.SimpleRNN | nn.LSTM | nn.GRU):
        if description.penalties and penalized:
            raise Unable("keras: penalties on recurrent layers")
        return _recurrent(keras, layer)
    if isinstance(layer, nn.MaxPool2D | nn.AveragePool2D):
        only(layer, "pool_size", "stride", "padding", "count_include_pad")
        average = isinstance(layer, nn.AveragePool2D)
        counts = average and layer.padding != "valid" and layer.count_include_pad
        if not isinstance(layer.padding, str) or counts:
            raise Unable(f"keras: {layer!r}")
        kind = k.AveragePooling2D if average else k.MaxPooling2D
        return kind(layer.pool_size, strides=layer.stride, padding=layer.padding)
    if isinstance(layer, nn.Flatten):
        only(layer)
        return k.Flatten()
    norm = terms(gamma_regularizer="scale", beta_regularizer="shift")
    match layer:
        case nn.BatchNorm():
            only(layer, "features", "epsilon", "momentum")
            return k.BatchNormalization(epsilon=layer.epsilon, momentum=layer.momentum, **norm)
        case nn.GroupNorm():
            only(layer, "groups", "features", "epsilon")
            return k.GroupNormalization(layer.groups, epsilon=layer.epsilon, **norm)
        case nn.RMSNorm() if not norm:
            only(layer, "shape", "epsilon")
            return k.RMSNormalization(epsilon=layer.epsilon)
        case nn.LayerNorm():
            only(layer, "shape", "epsilon")
            return k.LayerNormalization(epsilon=layer.epsilon, **norm)
        case nn.Dropout():
            only(layer, "rate", "channel_axis")
            kind = k.Dropout if layer.channel_axis is None else k.SpatialDropout2D
            return kind(layer.rate)
    return _activation(keras, layer)


def _activation(keras: Any, layer: nn.Layer) -> Any:
    k = keras.layers
    match layer:
        case nn.Identity():
            return k.Activation("linear")
        case nn.ReLU(gradient_at_zero=0.0):
            return k.Activation("relu")
        case nn.LeakyReLU(gradient_at_zero=None):
            return k.LeakyReLU(negative_slope=layer.slope)
        case nn.ELU():
            return k.ELU(alpha=layer.alpha)
        case nn.GELU(approximate=False):
            return k.Activation("gelu")
        case nn.SiLU():
            return k.Activation("silu")
        case nn.Sigmoid():
            return k.Activation("sigmoid")
        case nn.Tanh():
            return k.Activation("tanh")
        case nn.HardSigmoid():
            if layer.slope != 1 / 6:
                raise Unable("keras: hard_sigmoid has the slope 1/6")
            return k.Activation("hard_sigmoid")
        case nn.Softmax(axis=-1):
            return k.Activation("softmax")
    raise Unable(f"keras: {layer!r}")


def _regularizer(keras: Any, description: Description, full: str) -> Any:
    terms = [t for t in description.penalties if within(t.scope, full)]
    if not terms:
        return None
    if len(terms) > 1 or terms[0].scale_with_batch:
        raise Unable(f"keras: {terms!r}")
    match terms[0]:
        case nn.L2(coefficient=c, factor=f):
            return keras.regularizers.L2(c * f)
        case nn.L1(coefficient=c, factor=f):
            return keras.regularizers.L1(c * f)
    raise Unable(f"keras: {terms[0]!r}")


def _loss(loss: Any, description: Description) -> Any:
    import keras

    k = keras.losses
    reduction = "sum" if loss.batch == "sum" else "sum_over_batch_size"
    if getattr(loss, "outputs", "mean") != "mean":
        raise Unable(f"keras: {loss!r}")
    last = description.layers[-1][1]
    if getattr(loss, "input", "") == "logits" and isinstance(last, nn.Softmax | nn.Sigmoid):
        raise Unable("keras: finds the logits behind the last layer, whatever the loss is told")
    match loss:
        case nn.SoftmaxCrossEntropy():
            # Behind a softmax layer Keras finds the logits and does not clip.
            only(loss, "batch", "factor", "input")
            if loss.input != "logits" and not isinstance(last, nn.Softmax):
                raise Unable(f"keras: {loss!r}")
            return k.SparseCategoricalCrossentropy(
                from_logits=loss.input == "logits", reduction=reduction
            )
        case nn.SigmoidCrossEntropy():
            only(loss, "batch", "outputs", "factor", "input", "label_smoothing")
            if loss.input != "logits" and not isinstance(last, nn.Sigmoid):
                raise Unable(f"keras: {loss!r}")
            return k.BinaryCrossentropy(
                from_logits=loss.input == "logits", label_smoothing=loss.label_smoothing,
                reduction=reduction,
            )  # fmt: skip
        case nn.MeanSquaredError():
            return k.MeanSquaredError(reduction=reduction)
        case nn.MeanAbsoluteError():
            return k.MeanAbsoluteError(reduction=reduction)
        case nn.Huber(form="huber"):
            return k.Huber(delta=loss.delta, reduction=reduction)
        case nn.LogCosh():
            return k.LogCosh(reduction=reduction)
        case nn.BinaryHinge():
            kind = k.Hinge if loss.power == 1 else k.SquaredHinge
            return kind(reduction=reduction)
    raise Unable(f"keras: {loss!r}")


def optimizer(description: Description) -> Any:
    """The optimizer with its clipping; decay is decoupled, on everything."""
    import keras

    o = keras.optimizers
    rule: Any = description.optimizer
    rate = rule.learning_rate
    if description.schedule is not None:
        rate = keras_schedule(description.schedule)
    form = getattr(rule, "form", "rate-inside") if getattr(rule, "momentum", 0.0) else "rate-inside"
    if description.schedule is not None and form != "rate-inside":
        # At a constant rate alone it is the same where the rate stands.
        raise Unable(f"keras: {rule!r} with a schedule")
    shared: dict[str, Any] = {"learning_rate": rate}
    if rule.weight_decay:
        if rule.decay != "decoupled" or rule.decay_scope != "all":
            raise Unable(f"keras: {rule!r}")
        shared["weight_decay"] = rule.weight_decay
    shared |= _clipping(description.clipping)
    match rule:
        case nn.SGD():
            only(rule, *_DECAY, "momentum", "form", "nesterov")
            if rule.form == "averaged" or (rule.nesterov and not rule.momentum):
                raise Unable(f"keras: {rule!r}")
            return o.SGD(momentum=rule.momentum, nesterov=rule.nesterov, **shared)
        case nn.Adam(epsilon_placement="hat"):
            only(rule, *_DECAY, "beta1", "beta2", "epsilon", "epsilon_placement", "amsgrad")
            return o.Adam(
                beta_1=rule.beta1, beta_2=rule.beta2, epsilon=rule.epsilon, amsgrad=rule.amsgrad,
                **shared,
            )  # fmt: skip
        case nn.RMSProp(epsilon_placement="inside"):
            only(rule, *_DECAY, "rho", "momentum", "epsilon", "epsilon_placement", "centered",
                 "form")  # fmt: skip
            return o.RMSprop(
                rho=rule.rho, momentum=rule.momentum, epsilon=rule.epsilon, centered=rule.centered,
                **shared,
            )  # fmt: skip
        case nn.AdaGrad(epsilon_placement="inside"):
            only(rule, *_DECAY, "epsilon", "epsilon_placement", "initial_accumulator")
            return o.Adagrad(
                initial_accumulator_value=rule.initial_accumulator, epsilon=rule.epsilon, **shared
            )
        case nn.Adadelta():
            return o.Adadelta(rho=rule.rho, epsilon=rule.epsilon, **shared)
        case nn.Adamax(epsilon_placement="outside"):
            return o.Adamax(beta_1=rule.beta1, beta_2=rule.beta2, epsilon=rule.epsilon, **shared)
        case nn.NAdam(momentum_decay=1.0):
            return o.Nadam(beta_1=rule.beta1, beta_2=rule.beta2, epsilon=rule.epsilon, **shared)
        case nn.Lion():
            return o.Lion(beta_1=rule.beta1, beta_2=rule.beta2, **shared)
    raise Unable(f"keras: {rule!r}")


def _clipping(bound: nn.Clipping | None) -> dict[str, float]:
    match bound:
        case None:
            return {}
        case nn.ClipByValue():
            return {"clipvalue": bound.limit}
        case nn.ClipByNorm(epsilon=0.0):
            return {"clipnorm" if bound.scope == "parameter" else "global_clipnorm": bound.limit}
    raise Unable(f"keras: {bound!r}")
