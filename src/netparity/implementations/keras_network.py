"""The network of a Keras model: its layers in the order in which they run, and its places."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from netparity import nn
from netparity.implementations.keras_layers import Call, kept_names
from netparity.implementations.keras_model import LiveModel
from netparity.layouts import Part, Place
from netparity.nn import Layer

Named = tuple[str, Layer]
Places = Mapping[str, Place]

#: What the reference network calls the variables of a layer.
OWN_NAMES: Final[Mapping[str, str]] = {
    "kernel": "weight",
    "recurrent_kernel": "recurrent_weight",
    "embeddings": "weight",
    "gamma": "scale",
    "beta": "shift",
    "alpha": "slope",
    "moving_mean": "running_mean",
    "moving_variance": "running_variance",
}


@dataclass(slots=True)
class _Reading:
    """The layers read so far.

    ``values`` are the names of the layers that gave the tensors seen (by identity), ``pad``
    zeros that wait for the layer after them.
    """

    live: LiveModel
    texts: dict[str, str]
    layers: list[Named] = field(default_factory=list)
    places: dict[str, Place] = field(default_factory=dict)
    values: dict[int, str] = field(default_factory=dict)
    pad: Any = None


def effective(live: LiveModel, constant: float) -> float:
    """A Python constant after ``keras.ops.cast`` to the working dtype."""
    rounds = live.dtype == np.float64 and live.backend in ("tensorflow", "jax")
    exact = isinstance(constant, np.generic)
    return float(np.float32(constant)) if rounds and not exact else float(constant)


def read_network(
    live: LiveModel, calls: list[Call], prediction: Any, texts: dict[str, str]
) -> tuple[tuple[Named, ...], Places] | None:
    """The network, with its branches joined, or ``None`` where it cannot be read.

    Args:
        live: the model.
        calls: the calls of its layers in order.
        prediction: what it gave.
        texts: how settings are written, added to.
    """
    reading = _Reading(live, texts)
    current = None
    for index, call in enumerate(calls):
        given = call.given
        if isinstance(given, list | tuple):
            found = _joined(reading, call, current)
        else:
            if index == 0:
                reading.values[id(given)] = "input"
            elif given is not current:
                source = reading.values.get(id(given))
                if source is None:
                    return None
                reading.layers.append((f"{call.name}_input", nn.Take(source)))
            found = _layers(reading, call)
        if found is None or (reading.pad is not None and not _pads(call.layer)):
            return None
        reading.layers += found
        current = call.gave
        reading.values[id(current)] = reading.layers[-1][0] if reading.layers else "input"
    names = [name for name, _ in reading.layers]
    if not calls or current is not prediction or len(set(names)) < len(names):
        return None
    _set_places(reading)
    return tuple(reading.layers), reading.places


def _set_places(reading: _Reading) -> None:
    """Where the parameters and running statistics of the layers live."""
    shapes = {
        f"{name}.{key}": shape
        for name, layer in reading.layers
        for key, shape in (
            *layer.shapes().items(),
            *((key, shape) for key, (shape, _) in layer.buffers().items()),
        )
    }
    for name in (*reading.live.variables, *kept_names(reading.live.model)):
        layer, _, variable = name.rpartition("/")
        own = f"{layer}.{OWN_NAMES.get(variable, variable)}"
        second = f"{layer}.recurrent_bias"
        if variable == "bias" and second in shapes:
            # One array with a row for the input and a row for the state.
            reading.places[own] = Place(name, part=Part(0, 0, 1))
            reading.places[second] = Place(name, part=Part(0, 1, 2))
        elif own in shapes:
            reading.places[own] = Place(name)


def _joined(reading: _Reading, call: Call, current: Any) -> list[Named] | None:
    """Branches added, or laid side by side."""
    from keras import layers as keras_layers

    sources = [reading.values.get(id(tensor)) for tensor in call.given]
    if None in sources or len(set(sources)) < len(sources):
        return None
    names = [name for name in sources if name is not None]
    kind = type(call.layer)
    found: list[Named] = []
    if kind is keras_layers.Add:
        own = reading.values.get(id(current))
        if own not in names:
            own = names[0]
            found.append((f"{call.name}_input", nn.Take(own)))
        found.append((call.name, nn.Add(tuple(n for n in names if n != own))))
        return found
    if kind is keras_layers.Concatenate and isinstance(call.layer.axis, int):
        if call.given[0] is not current:
            found.append((f"{call.name}_input", nn.Take(names[0])))
        found.append((call.name, nn.Concatenate(tuple(names[1:]), call.layer.axis)))
        return found
    return None


# ---- one layer ---------------------------------------------------------------------------------
def _layers(reading: _Reading, call: Call) -> list[Named] | None:
    """A Keras layer as one layer of the reference network, or two with its activation."""
    from keras import layers as keras_layers

    layer, kind = call.layer, type(call.layer)
    plain = f"layers.{call.name}"
    if kind is keras_layers.ZeroPadding2D and reading.pad is None:
        reading.pad = tuple(tuple(int(n) for n in side) for side in layer.padding)
        return []
    reader = _readers().get(kind)
    found = None if reader is None else reader(reading, layer, call)
    if found is None:
        return None
    named = [(call.name, found)]
    if kind in (keras_layers.Activation,) or not _activates(layer):
        return named
    activation = _activation(reading.live, layer.activation)
    if activation is None:
        return None
    if not isinstance(activation, nn.Identity):
        reading.texts[f"{plain}/activation"] = f"activation={layer.activation.__name__!r}"
        named.append((f"{call.name}/activation", activation))
    return named


def _activates(layer: Any) -> bool:
    from keras import layers as keras_layers

    recurrent = (keras_layers.LSTM, keras_layers.GRU, keras_layers.SimpleRNN)
    return hasattr(layer, "activation") and not isinstance(layer, recurrent)


def _pads(layer: Any) -> bool:
    from keras import layers as keras_layers

    return isinstance(layer, keras_layers.ZeroPadding2D)


def _readers() -> Mapping[Any, Callable[[_Reading, Any, Call], Layer | None]]:
    from keras import layers as keras_layers

    return {
        keras_layers.Dense: _dense,
        keras_layers.Dropout: _dropout,
        keras_layers.SpatialDropout2D: _spatial_dropout,
        keras_layers.Activation: lambda r, layer, _: _activation(r.live, layer.activation),
        keras_layers.Flatten: lambda _, layer, __: nn.Flatten(),
        keras_layers.Identity: lambda _, layer, __: nn.Identity(),
        keras_layers.ReLU: _relu,
        keras_layers.LeakyReLU: _leaky_relu,
        keras_layers.ELU: _elu,
        keras_layers.PReLU: _prelu,
        keras_layers.Softmax: _softmax,
        keras_layers.Reshape: lambda _, __, call: nn.Reshape(_row(call.gave)),
        keras_layers.Permute: lambda _, layer, __: nn.Permute((0, *layer.dims)),
        keras_layers.Conv2D: _convolution,
        keras_layers.DepthwiseConv2D: _depthwise,
        keras_layers.Conv2DTranspose: _transposed_convolution,
        keras_layers.MaxPooling2D: _pool,
        keras_layers.AveragePooling2D: _pool,
        keras_layers.GlobalAveragePooling2D: _global_pool,
        keras_layers.GlobalAveragePooling1D: _global_pool_steps,
        keras_layers.UpSampling2D: _upsample,
        keras_layers.BatchNormalization: _batch_norm,
        keras_layers.LayerNormalization: _layer_norm,
        keras_layers.GroupNormalization: _group_norm,
        keras_layers.RMSNormalization: _rms_norm,
        keras_layers.Embedding: _embedding,
        keras_layers.LSTM: _lstm,
        keras_layers.GRU: _gru,
        keras_layers.SimpleRNN: _simple_rnn,
    }


def _dense(reading: _Reading, layer: Any, call: Call) -> Layer | None:
    if layer.lora_rank or layer.quantization_mode:
        return None
    plain = f"layers.{call.name}"
    reading.texts[plain] = f"Dense({layer.units})"
    reading.texts[f"{plain}.bias"] = f"use_bias={layer.use_bias}"
    return nn.Affine(int(call.given.shape[-1]), int(layer.units), bool(layer.use_bias))


def _dropout(reading: _Reading, layer: Any, call: Call) -> Layer | None:
    if layer.noise_shape is not None:
        return None
    reading.texts[f"layers.{call.name}.rate"] = f"Dropout({layer.rate!r})"
    return nn.Dropout(float(layer.rate))


def _spatial_dropout(reading: _Reading, layer: Any, call: Call) -> Layer:
    reading.texts[f"layers.{call.name}.rate"] = f"SpatialDropout2D({layer.rate!r})"
    return nn.Dropout(
        float(layer.rate), channel_axis=1 if layer.data_format == "channels_first" else -1
    )


def _relu(reading: _Reading, layer: Any, call: Call) -> Layer | None:
    if layer.max_value is not None or layer.threshold:
        return None
    slope = effective(reading.live, float(layer.negative_slope))
    written = f"ReLU(negative_slope={float(layer.negative_slope)!r})"
    reading.texts[f"layers.{call.name}.slope"] = written
    return nn.LeakyReLU(slope) if slope else nn.ReLU()


def _leaky_relu(reading: _Reading, layer: Any, call: Call) -> Layer:
    written = f"LeakyReLU(negative_slope={layer.negative_slope!r})"
    reading.texts[f"layers.{call.name}.slope"] = written
    return nn.LeakyReLU(effective(reading.live, float(layer.negative_slope)))


def _elu(reading: _Reading, layer: Any, call: Call) -> Layer:
    reading.texts[f"layers.{call.name}.alpha"] = f"ELU(alpha={layer.alpha!r})"
    return nn.ELU(float(layer.alpha))


def _prelu(_: _Reading, layer: Any, call: Call) -> Layer:
    return nn.PReLU(tuple(int(size) for size in layer.alpha.shape))


def _softmax(_: _Reading, layer: Any, call: Call) -> Layer | None:
    return nn.Softmax(layer.axis) if isinstance(layer.axis, int) else None


def _activation(live: LiveModel, function: Any) -> Layer | None:
    """An activation function of ``keras.activations`` with its default constants."""
    from keras import activations

    known: dict[Any, Layer] = {
        None: nn.Identity(),
        activations.linear: nn.Identity(),
        activations.relu: nn.ReLU(),
        activations.leaky_relu: nn.LeakyReLU(effective(live, 0.2)),
        activations.elu: nn.ELU(),
        activations.selu: nn.SELU(),
        activations.gelu: _gelu(live),
        activations.silu: nn.SiLU(),
        activations.softplus: nn.Softplus(),
        activations.sigmoid: nn.Sigmoid(),
        activations.hard_sigmoid: nn.HardSigmoid(
            derivative="float32" if live.backend == "torch" else "exact"
        ),
        activations.hard_swish: nn.HardSwish(),
        activations.relu6: nn.HardTanh(0.0, 6.0),
        activations.mish: nn.Mish(),
        activations.softsign: nn.Softsign(),
        activations.tanh: nn.Tanh(),
        activations.softmax: nn.Softmax(),
        activations.log_softmax: nn.LogSoftmax(),
    }
    try:
        return known.get(function)
    except TypeError:
        return None


def _gelu(live: LiveModel) -> Layer:
    """TensorFlow rounds the constants."""
    rounds = live.backend == "tensorflow" and live.dtype == np.float64
    return nn.GELU(constants="float32" if rounds else "exact")


# ---- images ------------------------------------------------------------------------------------
def _short(value: Any) -> Any:
    one, two = (int(value), int(value)) if isinstance(value, int) else map(int, value)
    return one if one == two else (one, two)


def _layout(layer: Any) -> Any:
    return "NCHW" if layer.data_format == "channels_first" else "NHWC"


def _padding(reading: _Reading, layer: Any) -> Any:
    """The padding of a layer, and of zeros laid around its input before."""
    if reading.pad is None or layer.padding != "valid":
        return layer.padding
    pad, reading.pad = reading.pad, None
    return pad


def _common(reading: _Reading, layer: Any) -> dict[str, Any]:
    return {
        "kernel_size": _short(layer.kernel_size),
        "stride": _short(layer.strides),
        "padding": _padding(reading, layer),
        "bias": bool(layer.use_bias),
        "dilation": _short(layer.dilation_rate),
        "layout": _layout(layer),
    }


def _channels(layer: Any, call: Call) -> int:
    return int(call.given.shape[1 if layer.data_format == "channels_first" else -1])


def _convolution(reading: _Reading, layer: Any, call: Call) -> Layer:
    written = f"Conv2D({layer.filters}, {_short(layer.kernel_size)}, padding={layer.padding!r})"
    reading.texts[f"layers.{call.name}"] = written
    return nn.Conv2D(
        _channels(layer, call),
        int(layer.filters),
        groups=int(layer.groups),
        **_common(reading, layer),
    )


def _depthwise(reading: _Reading, layer: Any, call: Call) -> Layer:
    return nn.DepthwiseConv2D(
        _channels(layer, call),
        multiplier=int(layer.depth_multiplier),
        **_common(reading, layer),
    )


def _transposed_convolution(reading: _Reading, layer: Any, call: Call) -> Layer | None:
    if layer.output_padding is not None or reading.pad is not None:
        return None
    return nn.ConvTranspose2D(_channels(layer, call), int(layer.filters), **_common(reading, layer))


def _pool(reading: _Reading, layer: Any, call: Call) -> Layer | None:
    from keras import layers as keras_layers

    size, stride = _short(layer.pool_size), _short(layer.strides)
    if isinstance(layer, keras_layers.MaxPooling2D):
        zeros: Any = "zero" if reading.pad is not None and layer.padding == "valid" else "-inf"
        padding = _padding(reading, layer)
        return nn.MaxPool2D(size, stride, padding, layout=_layout(layer), pad_value=zeros)
    around = reading.pad is not None
    padding = _padding(reading, layer)
    # Keras leaves its own padding out of the mean; zeros laid around before count.
    include = around or padding == "valid"
    return nn.AveragePool2D(size, stride, padding, layout=_layout(layer), count_include_pad=include)


def _global_pool(_: _Reading, layer: Any, call: Call) -> Layer | None:
    return None if layer.keepdims else nn.GlobalAveragePool2D(layout=_layout(layer))


def _global_pool_steps(_: _Reading, layer: Any, call: Call) -> Layer | None:
    plain = not layer.keepdims and layer.data_format != "channels_first"
    return nn.GlobalPool1D() if plain else None


def _row(value: Any) -> tuple[int, ...]:
    """The shape of one row of a batch."""
    return tuple(int(size) for size in value.shape[1:])


def _upsample(_: _Reading, layer: Any, call: Call) -> Layer | None:
    if layer.interpolation not in ("nearest", "bilinear"):
        return None
    return nn.UpSample2D(_short(layer.size), layer.interpolation, layout=_layout(layer))


# ---- normalization -----------------------------------------------------------------------------
def _axis(axis: Any, axes: int) -> int:
    """The axis, −1 where it is the last."""
    number = int(axis if isinstance(axis, int) else axis[0])
    return -1 if number in (-1, axes - 1) else number


def _batch_norm(reading: _Reading, layer: Any, call: Call) -> Layer | None:
    axis = _axis(layer.axis, len(call.given.shape))
    if getattr(layer, "renorm", False):
        return None
    reading.texts[f"layers.{call.name}.epsilon"] = f"epsilon={layer.epsilon!r}"
    reading.texts[f"layers.{call.name}.momentum"] = f"momentum={layer.momentum!r}"
    return nn.BatchNorm(
        int(call.given.shape[axis]),
        axis=axis,
        epsilon=float(layer.epsilon),
        momentum=float(layer.momentum),
        frozen=not layer.trainable,
        scale=bool(layer.scale),
        shift=bool(layer.center),
    )


def _layer_norm(reading: _Reading, layer: Any, call: Call) -> Layer | None:
    axes = layer.axis if isinstance(layer.axis, list | tuple) else [layer.axis]
    count = len(call.given.shape)
    normalized = sorted(int(axis) % count for axis in axes)
    if normalized != list(range(count - len(normalized), count)):
        return None
    if getattr(layer, "rms_scaling", False):
        return None
    reading.texts[f"layers.{call.name}.epsilon"] = f"epsilon={layer.epsilon!r}"
    return nn.LayerNorm(
        tuple(int(call.given.shape[axis]) for axis in normalized),
        epsilon=float(layer.epsilon),
        scale=bool(layer.scale),
        shift=bool(layer.center),
    )


def _rms_norm(reading: _Reading, layer: Any, call: Call) -> Layer | None:
    axes = layer.axis if isinstance(layer.axis, list | tuple) else [layer.axis]
    count = len(call.given.shape)
    if [int(axis) % count for axis in axes] != [count - 1]:
        return None
    reading.texts[f"layers.{call.name}.epsilon"] = f"epsilon={layer.epsilon!r}"
    return nn.RMSNorm((int(call.given.shape[-1]),), epsilon=float(layer.epsilon))


def _group_norm(_: _Reading, layer: Any, call: Call) -> Layer | None:
    axis = _axis(layer.axis, len(call.given.shape))
    if layer.groups == -1:
        return None
    return nn.GroupNorm(
        int(layer.groups),
        int(call.given.shape[axis]),
        axis=axis,
        epsilon=float(layer.epsilon),
        scale=bool(layer.scale),
        shift=bool(layer.center),
    )


# ---- sequences ---------------------------------------------------------------------------------
def _embedding(_: _Reading, layer: Any, call: Call) -> Layer | None:
    if layer.mask_zero:
        return None
    return nn.Embedding(int(layer.input_dim), int(layer.output_dim))


def _gate(layer: Any) -> Any:
    from keras import activations

    known = {activations.sigmoid: "sigmoid", activations.hard_sigmoid: "hard-sigmoid"}
    return known.get(layer.recurrent_activation)


def _plain(layer: Any) -> bool:
    """Whether a recurrent layer runs forward from zeros, drops nothing and returns its output."""
    odd = (layer.go_backwards, layer.stateful, layer.return_state, layer.unroll and layer.dropout)
    return not any(odd) and not layer.dropout and not layer.recurrent_dropout


def _sizes(layer: Any, call: Call) -> dict[str, Any]:
    return {
        "inputs": int(call.given.shape[-1]),
        "units": int(layer.units),
        "return_sequences": bool(layer.return_sequences),
    }


def _lstm(_: _Reading, layer: Any, call: Call) -> Layer | None:
    from keras import activations

    gate = _gate(layer)
    if gate is None or layer.activation is not activations.tanh or not _plain(layer):
        return None
    bias: Any = "one" if layer.use_bias else "none"
    return nn.LSTM(gate_activation=gate, bias=bias, **_sizes(layer, call))


def _gru(_: _Reading, layer: Any, call: Call) -> Layer | None:
    from keras import activations

    gate = _gate(layer)
    if gate is None or layer.activation is not activations.tanh or not _plain(layer):
        return None
    after = bool(layer.reset_after)
    bias: Any = ("two" if after else "one") if layer.use_bias else "none"
    return nn.GRU(gate_activation=gate, reset_after=after, bias=bias, **_sizes(layer, call))


def _simple_rnn(_: _Reading, layer: Any, call: Call) -> Layer | None:
    from keras import activations

    known: dict[Any, Any] = {activations.tanh: "tanh", activations.relu: "relu"}
    activation = known.get(layer.activation)
    if activation is None or not _plain(layer):
        return None
    bias: Any = "one" if layer.use_bias else "none"
    return nn.SimpleRNN(activation=activation, bias=bias, **_sizes(layer, call))
