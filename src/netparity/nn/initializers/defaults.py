"""The laws by which each framework draws a whole network."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from netparity.errors import InputError
from netparity.nn.initializers.base import Law
from netparity.nn.initializers.distributions import Constant, Normal, TruncatedNormal, Uniform
from netparity.nn.initializers.matrices import Blocks, Orthogonal
from netparity.nn.initializers.named import NAMED
from netparity.nn.initializers.scaling import VarianceScaling
from netparity.nn.layers import (
    GRU,
    LSTM,
    Affine,
    ConvTranspose2D,
    DepthwiseConv2D,
    Embedding,
    Layer,
    MultiHeadAttention,
    Sigmoid,
    SimpleRNN,
)

if TYPE_CHECKING:
    from netparity.nn.network import Network

#: From a layer and its parameter's own name to the law.
_Rule = Callable[[Layer, str], Law]

_ZEROS: Final = Constant(0.0)
_ONES: Final = Constant(1.0)
#: What a recurrent layer's biases are called.
_BIASES: Final = ("bias", "recurrent_bias")


def default_laws(network: Network, framework: str) -> dict[str, Law]:
    """The laws by which a framework draws each parameter of a network unless told otherwise.

    Args:
        network: any.
        framework: ``"torch"``, ``"keras"``, ``"flax"``, ``"tf1"``, ``"sklearn"`` or
            ``"cs231n"``.

    Returns:
        The law of each parameter by full name, for ``Network.initialize``.

    Raises:
        InputError: there is no such framework, or it has no such layer.

    Example:
        >>> from netparity.nn import Affine, Network
        >>> default_laws(Network((("line", Affine(4, 3)),)), "torch")["line.bias"].describe(4, 3)
        'U(-0.5, 0.5)'

    Source: the frameworks' own code, in the versions that the tests run.

    **Parity** (`dense-init-default`, `dense-bias-init`, `conv-init-default`,
    `conv-transpose-init`, `depthwise-init`, `embedding-init`, `rnn-init-default`,
    `rnn-forget-bias`, `orthogonal-init`, `mha-param-layout`, `norm-layer-init`, `prelu-init`):
    this function is the table of them. scikit-learn's bound depends on the hidden activation,
    read off the layers before the last affine one. TF 1 is ``tf.get_variable`` and its
    recurrent cells. cs231n's exercises draw by a ``weight_scale``, here 0.001.
    """
    rules: dict[str, _Rule] = {
        "torch": _torch,
        "keras": _keras,
        "flax": _flax,
        "tf1": _tf1,
        "sklearn": _sklearn(network),
        "cs231n": _cs231n,
    }
    if framework not in rules:
        raise InputError(
            f"framework is not known. Expected one of {', '.join(rules)}. Received: {framework!r}"
        )
    laws: dict[str, Law] = {}
    for name, layer in network.layers:
        for key in layer.shapes():
            try:
                laws[f"{name}.{key}"] = rules[framework](layer, key)
            except InputError as error:
                raise InputError(
                    f"layer {name!r} ({type(layer).__name__}): {error.message}", hint=error.hint
                ) from error
    return laws


def _plain(key: str, weight: Law, slope: float) -> Law:
    """Scales 1, slopes as given, shifts and biases 0, the rest as given."""
    fixed = {"scale": _ONES, "slope": Constant(slope), "shift": _ZEROS, "bias": _ZEROS}
    return _ZEROS if key.endswith("_bias") else fixed.get(key, weight)


def _glorot(fan_in: int, fan_out: int) -> Law:
    """Glorot uniform for fans that are not the layer's."""
    bound = math.sqrt(6.0 / max(1, fan_in + fan_out))
    return Uniform(-bound, bound)


def _within(fan: int) -> Law:
    """Uniform by one over the root of a fan, as torch draws."""
    bound = 1.0 / math.sqrt(max(1, fan))
    return Uniform(-bound, bound)


def _torch(layer: Layer, key: str) -> Law:
    """All uniform by the fan in or the units, biases too."""
    if isinstance(layer, SimpleRNN | LSTM | GRU):
        return _within(layer.units)
    if isinstance(layer, Embedding):
        return NAMED["standard_normal"]
    if isinstance(layer, DepthwiseConv2D):
        # Of the channels of one group, which is one.
        return _within(_window(layer))
    if isinstance(layer, MultiHeadAttention):
        # The three first weights are one, (3E, E).
        rows = layer.shapes()[key][0]
        law = _within(rows) if key == "output_weight" else _glorot(rows, 3 * rows)
        return _plain(key, law, slope=0.0)
    law = NAMED["torch_linear"]
    return law if key == "bias" else _plain(key, law, slope=0.25)


def _keras(layer: Layer, key: str) -> Law:
    """Glorot uniform, recurrent weights orthogonal, forget gates open."""
    if isinstance(layer, Embedding):
        return NAMED["keras_random_uniform"]
    if key == "recurrent_weight":
        return Orthogonal()
    if isinstance(layer, LSTM) and key == "bias":
        opened = (_ONES if gate == "f" else _ZEROS for gate in layer.gate_order)
        return Blocks(tuple(opened))
    return _plain(key, NAMED["glorot_uniform"], slope=0.0)


def _flax(layer: Layer, key: str) -> Law:
    """Lecun normal, recurrent weights orthogonal gate by gate."""
    if isinstance(layer, Embedding):
        return VarianceScaling(1.0, "fan_in", "normal")
    if isinstance(layer, SimpleRNN | LSTM | GRU) and key == "recurrent_weight":
        gates = layer.shapes()[key][-1] // layer.units
        return Blocks((Orthogonal(),) * gates)
    law: Law = NAMED["lecun_normal"]
    if isinstance(layer, DepthwiseConv2D):
        law = TruncatedNormal(1.0 / math.sqrt(_window(layer)), corrected=True)
    if isinstance(layer, ConvTranspose2D):
        law = VarianceScaling(1.0, "fan_out", "truncated-normal")
    if isinstance(layer, MultiHeadAttention):
        law = TruncatedNormal(1.0 / math.sqrt(layer.shapes()[key][0]), corrected=True)
    return _plain(key, law, slope=0.01)


def _tf1(layer: Layer, key: str) -> Law:
    """Glorot uniform; the cells' kernels stand over one another, a GRU's gates are open."""
    if not isinstance(layer, SimpleRNN | LSTM | GRU):
        return _plain(key, NAMED["glorot_uniform"], slope=0.0)

    def joint(gates: int) -> Law:
        return _glorot(layer.inputs + layer.units, gates * layer.units)

    if isinstance(layer, GRU):
        # Its gates have one kernel, its candidate another.
        of_weight, of_bias = ({"z": joint(2), "r": joint(2)}, {"z": _ONES, "r": _ONES})
        if key == "bias":
            return Blocks(tuple(of_bias.get(gate, _ZEROS) for gate in layer.gate_order))
        if key == "recurrent_bias":
            return _ZEROS
        return Blocks(tuple(of_weight.get(gate, joint(1)) for gate in layer.gate_order))
    return _ZEROS if key in _BIASES else joint(layer.shapes()[key][-1] // layer.units)


def _sklearn(network: Network) -> _Rule:
    """One uniform law for weights and biases, by the hidden activation."""
    affine = [place for place, (_, layer) in enumerate(network.layers) if type(layer) is Affine]
    hidden = network.layers[: affine[-1]] if affine else ()
    logistic = any(isinstance(layer, Sigmoid) for _, layer in hidden)
    law = NAMED["sklearn_logistic" if logistic else "glorot_uniform"]

    def rule(layer: Layer, key: str) -> Law:
        if not isinstance(layer, Affine):
            raise InputError(
                "scikit-learn has no such layer. Expected Affine and activations without "
                f"parameters. Received: {type(layer).__name__}"
            )
        return law

    return rule


def _cs231n(layer: Layer, key: str) -> Law:
    """Small normal weights; those of recurrent networks by their inputs."""
    if isinstance(layer, SimpleRNN | LSTM | GRU) and key in ("weight", "recurrent_weight"):
        return Normal(0.0, 1.0 / math.sqrt(layer.inputs if key == "weight" else layer.units))
    weight = Normal(0.0, 0.01 if isinstance(layer, Embedding) else 0.001)
    return _plain(key, weight, slope=0.25)


def _window(layer: DepthwiseConv2D) -> int:
    """Height times width of the kernel."""
    return math.prod(layer.shapes()["weight"][:2])
