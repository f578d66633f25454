"""Rows of layers that often come together, and the networks of the cs231n exercises."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Literal

from netparity.errors import InputError
from netparity.nn.initializers import NAMED, Law, Normal
from netparity.nn.layers import (
    Affine,
    BatchNorm,
    Dropout,
    Layer,
    LayerNorm,
    ReLU,
)
from netparity.nn.network import Network

#: Layers with their names, as ``Network`` takes them.
Layers = tuple[tuple[str, Layer], ...]
Normalization = Literal["batch", "layer"]


def affine_relu(name: str, inputs: int, outputs: int) -> Layers:
    """An affine layer and a ReLU.

    Args:
        name: of the affine layer; the ReLU is ``<name>_relu``.
        inputs: D.
        outputs: M.

    Returns:
        The layers, from (N, D) to (N, M).

    Example:
        >>> [name for name, layer in affine_relu("hidden", 4, 3)]
        ['hidden', 'hidden_relu']

    Source: Stanford cs231n, assignment 2.
    """
    return ((name, Affine(inputs, outputs)), (f"{name}_relu", ReLU()))


def affine_norm_relu_dropout(
    name: str,
    inputs: int,
    outputs: int,
    *,
    normalization: Normalization | None = "batch",
    dropout: float = 0.0,
) -> Layers:
    """An affine layer, a normalization, a ReLU and dropout.

    Args:
        name: of the affine layer; the others are ``<name>_norm``, ``_relu`` and ``_dropout``.
        inputs: D.
        outputs: M.
        normalization: over the ``"batch"``, over the units of each row (``"layer"``), or none.
        dropout: probability to DROP a unit; 0 leaves the layer out.

    Returns:
        The layers, from (N, D) to (N, M).

    Raises:
        InputError: there is no such normalization, or the probability is out of range.

    Example:
        >>> [name for name, _ in affine_norm_relu_dropout("hidden", 4, 3, dropout=0.5)]
        ['hidden', 'hidden_norm', 'hidden_relu', 'hidden_dropout']

    Source: Stanford cs231n, assignment 2.

    **Parity** (`bn-epsilon`, `bn-momentum`, `dropout-rate-vs-keep`): ε is 1e-5 and the old
    running value weighs 0.9, as in cs231n, which gives the probability to KEEP a unit.
    """
    if normalization not in ("batch", "layer", None):
        raise InputError(
            f"normalization: expected 'batch', 'layer' or None. Received: {normalization!r}"
        )
    affine, relu = affine_relu(name, inputs, outputs)
    layers: list[tuple[str, Layer]] = [affine]
    if normalization is not None:
        kind = BatchNorm(outputs) if normalization == "batch" else LayerNorm((outputs,))
        layers.append((f"{name}_norm", kind))
    layers.append(relu)
    if dropout != 0.0:
        layers.append((f"{name}_dropout", Dropout(dropout)))
    return tuple(layers)


def two_layer_net(inputs: int, hidden: int, classes: int) -> Network:
    """Affine, ReLU, affine: cs231n's ``TwoLayerNet``.

    Args:
        inputs: D.
        hidden: H.
        classes: C.

    Returns:
        The network, from (N, D) to logits (N, C).

    Example:
        >>> list(two_layer_net(4, 5, 3).parameter_shapes().values())
        [(4, 5), (5,), (5, 3), (3,)]

    Source: Stanford cs231n, assignment 1.
    """
    return fully_connected_net(inputs, (hidden,), classes)


def fully_connected_net(
    inputs: int,
    hidden: Sequence[int],
    classes: int,
    *,
    normalization: Normalization | None = None,
    dropout: float = 0.0,
) -> Network:
    """Hidden layers of affine, normalization, ReLU and dropout, and an affine one at the end.

    Args:
        inputs: D.
        hidden: the widths of the hidden layers, any number of them.
        classes: C.
        normalization: ``"batch"``, ``"layer"`` or none.
        dropout: probability to DROP a hidden unit.

    Returns:
        The network, from (N, D) to logits (N, C): ``affine1``, ``affine1_relu``, ``affine2``, …

    Raises:
        InputError: as ``affine_norm_relu_dropout``.

    Example:
        >>> network = fully_connected_net(4, (8, 8), 3, normalization="batch", dropout=0.25)
        >>> [name for name, _ in network.layers][4:]
        ['affine2', 'affine2_norm', 'affine2_relu', 'affine2_dropout', 'affine3']

    Source: Stanford cs231n, assignment 2, ``FullyConnectedNet``.

    **Parity** (`dropout-rate-vs-keep`): cs231n gives the probability to KEEP a unit, and calls
    the parameters ``W1, b1, gamma1, beta1, …``.
    """
    layers: list[tuple[str, Layer]] = []
    for place, (before, width) in enumerate(pairwise((inputs, *hidden)), start=1):
        layers += affine_norm_relu_dropout(
            f"affine{place}", before, width, normalization=normalization, dropout=dropout
        )
    last = (inputs, *hidden)[-1]
    return Network((*layers, (f"affine{len(hidden) + 1}", Affine(last, classes))))


def cs231n_laws(weight_scale: float = 1e-3) -> dict[str, Law]:
    """The laws by which the cs231n exercises draw initial values.

    Args:
        weight_scale: the standard deviation of the weights.

    Returns:
        Normal weights, zero biases and shifts, scales of one, by the parameters' own names.

    Example:
        >>> sorted(cs231n_laws(1e-2))
        ['bias', 'scale', 'shift', 'weight']

    Source: Stanford cs231n, assignments 1 and 2.

    **Parity** (`dense-init-default`, `dense-bias-init`, `norm-layer-init`): frameworks scale
    the weights by the number of inputs, and torch draws the biases, too.
    """
    return {
        "weight": Normal(0.0, weight_scale),
        "bias": NAMED["zeros"],
        "scale": NAMED["ones"],
        "shift": NAMED["zeros"],
    }
