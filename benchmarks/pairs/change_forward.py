"""Conventions of the forward pass changed on one side."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from benchmarks.pairs.description import Change, Description
from benchmarks.pairs.making import Maker, bug, choose, on_layers, other

from netparity import nn

BENDS: tuple[nn.Layer, ...] = (
    nn.ReLU(), nn.Tanh(), nn.Sigmoid(), nn.LeakyReLU(0.01), nn.ELU(), nn.GELU(), nn.SiLU(),
)  # fmt: skip


def hidden_bends(d: Description) -> list[str]:
    """The activations between weight layers."""
    kinds = tuple(type(bend) for bend in BENDS)
    last = d.of_kind(nn.Affine)[-1][0]
    names = [n for n, _ in d.layers]
    return [n for n, _ in d.of_kind(*kinds) if names.index(n) < names.index(last)]


def activation_kind(d: Description, rng: np.random.Generator) -> Change | None:
    """Another activation in one place, or in all."""
    names = hidden_bends(d)
    if not names:
        return None
    if rng.random() < 0.5:
        names = [choose(rng, names)]
    present = {type(dict(d.layers)[n]) for n in names}
    new = choose(rng, [b for b in BENDS if type(b) not in present])
    return on_layers("activation-kind", d, names, lambda _: new)


def _value(
    id: str, kind: type[nn.Layer], field: str, values: tuple[Any, ...], **more: Any
) -> Maker:
    def make(d: Description, rng: np.random.Generator) -> Change | None:
        found = d.of_kind(kind)
        if not found:
            return None
        now = getattr(found[0][1], field)
        if now not in values:
            return None
        new = other(rng, values, now)
        names = [n for n, layer in found if getattr(layer, field) == now]
        return on_layers(
            id, d, names, lambda layer: dataclasses.replace(layer, **{field: new}),
            about=(field,), **more,
        )  # fmt: skip

    return make


def dropout_rate_value(d: Description, rng: np.random.Generator) -> Change | None:
    """Another rate, which is not the complement."""
    found = d.of_kind(nn.Dropout)
    if not found:
        return None
    now = found[0][1].rate
    new = choose(rng, [r for r in (0.2, 0.3, 0.4, 0.6) if r != now and abs(r + now - 1) > 0.01])
    return on_layers(
        "dropout-rate-value", d, [n for n, _ in found],
        lambda layer: dataclasses.replace(layer, rate=new), about=("rate",),
    )  # fmt: skip


def dropout_rate_vs_keep(d: Description, rng: np.random.Generator) -> Change | None:
    """The rate taken for the probability to keep."""
    found = d.of_kind(nn.Dropout)
    if not found or found[0][1].rate == 0.5:
        return None
    return on_layers(
        "dropout-rate-vs-keep", d, [n for n, _ in found],
        lambda layer: dataclasses.replace(layer, rate=round(1 - layer.rate, 6)), about=("rate",),
    )  # fmt: skip


def spatial_dropout(d: Description, rng: np.random.Generator) -> Change | None:
    """Whole channels dropped for single pixels, or the other way about."""
    found = [n for n, _ in d.of_kind(nn.Dropout)]
    if not found or not d.of_kind(nn.Conv2D):
        return None

    def turned(layer: Any) -> nn.Layer:
        changed: nn.Layer = dataclasses.replace(
            layer, channel_axis=-1 if layer.channel_axis is None else None
        )
        return changed

    return on_layers("spatial-dropout", d, found, turned, about=("channel_axis",))


def padded(kind: type[nn.Layer], id: str, field: str, values: tuple[Any, ...]) -> Maker:
    """What stands in the padding of a pool that reaches beyond the border."""
    make = _value(id, kind, field, values)

    def where_it_pads(d: Description, rng: np.random.Generator) -> Change | None:
        pads = [k for _, k in d.of_kind(kind) if k.padding != "valid"]
        return make(d, rng) if pads else None

    return where_it_pads


def softmax_twice(d: Description, rng: np.random.Generator) -> Change | None:
    """Softmax inside a loss that takes its own, or in the model before it."""
    if not isinstance(d.loss, nn.SoftmaxCrossEntropy) or d.loss.input != "logits":
        return None
    same = ("from-logits-default",)
    if isinstance(d.layers[-1][1], nn.Softmax):
        return None
    if rng.random() < 0.5:
        return bug("softmax-twice", "loss", "softmax-twice", ("loss",), same)

    def apply(d: Description) -> Description:
        return dataclasses.replace(d, layers=(*d.layers, ("softmax", nn.Softmax())))

    return Change("softmax-twice", "forward", "softmax before the loss", apply, ("loss",), same)


def forward_bug(d: Description, rng: np.random.Generator) -> Change | None:
    """A wrong layer that is no known variant."""
    dense = d.of_kind(nn.Affine)
    if len(dense) < 2 or not dense[0][1].bias:
        return None
    name = choose(rng, ["bias-added-twice", "activation-forgotten-on-first-row"])
    return bug("forward-bug", "forward", name, ("layers",))


def rnn_gate_activation(d: Description, rng: np.random.Generator) -> Change | None:
    """The hard sigmoid for the sigmoid in the gates."""
    found = d.of_kind(nn.LSTM, nn.GRU)
    if not found or found[0][1].gate_activation != "sigmoid":
        return None
    new = choose(rng, ["hard-sigmoid", "hard-sigmoid-keras2"])
    return on_layers(
        "rnn-gate-activation", d, [n for n, _ in found],
        lambda layer: dataclasses.replace(layer, gate_activation=new), about=("gate_activation",),
    )  # fmt: skip


MAKERS: dict[str, Maker] = {
    "rnn-gate-activation": rnn_gate_activation,
    "activation-kind": activation_kind,
    "leaky-relu-slope": _value("leaky-relu-slope", nn.LeakyReLU, "slope", (0.01, 0.2, 0.3)),
    "elu-alpha": _value("elu-alpha", nn.ELU, "alpha", (1.0, 0.5)),
    "gelu-variant": _value("gelu-variant", nn.GELU, "approximate", (False, True)),
    "hard-sigmoid-formula": _value("hard-sigmoid-formula", nn.HardSigmoid, "slope", (1 / 6, 0.2)),
    "bn-epsilon": _value("bn-epsilon", nn.BatchNorm, "epsilon", (1e-5, 1e-3)),
    "bn-momentum": _value("bn-momentum", nn.BatchNorm, "momentum", (0.9, 0.99)),
    "bn-running-var-bias": _value(
        "bn-running-var-bias", nn.BatchNorm, "running_variance", ("biased", "unbiased")
    ),
    "bn-batch-variance-ddof": _value(
        "bn-batch-variance-ddof", nn.BatchNorm, "normalize_with", ("biased", "unbiased")
    ),
    "norm-epsilon-placement": _value(
        "norm-epsilon-placement", nn.BatchNorm, "epsilon_placement", ("inside", "outside")
    ),
    "bn-statistics-not-updated": _value(
        "bn-statistics-not-updated", nn.BatchNorm, "update_statistics", (True, False)
    ),
    "ln-epsilon": _value("ln-epsilon", nn.LayerNorm, "epsilon", (1e-5, 1e-3, 1e-6)),
    "bn-train-eval": _value("bn-train-eval", nn.BatchNorm, "inference", ("running", "batch")),
    "bn-frozen": _value("bn-frozen", nn.BatchNorm, "frozen", (False, True)),
    "groupnorm-epsilon": _value("groupnorm-epsilon", nn.GroupNorm, "epsilon", (1e-5, 1e-3, 1e-6)),
    "rmsnorm-epsilon": _value("rmsnorm-epsilon", nn.RMSNorm, "epsilon", (1e-6, 1e-3, 1.2e-7)),
    "avgpool-count-include-pad": padded(
        nn.AveragePool2D, "avgpool-count-include-pad", "count_include_pad", (True, False)
    ),
    "maxpool-padding": padded(nn.MaxPool2D, "maxpool-padding", "pad_value", ("-inf", "zero")),
    "spatial-dropout": spatial_dropout,
    "dropout-rate-value": dropout_rate_value,
    "dropout-rate-vs-keep": dropout_rate_vs_keep,
    "dropout-inverted": _value("dropout-inverted", nn.Dropout, "scaling", ("inverted", "plain")),
    "softmax-axis": _value("softmax-axis", nn.Softmax, "axis", (-1, 0)),
    "softmax-twice": softmax_twice,
    "forward-bug": forward_bug,
}
