"""Layers and layouts changed on one side."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from benchmarks.pairs.change_init import drawn
from benchmarks.pairs.description import Change, Description
from benchmarks.pairs.making import Maker, choose, on_layers

from netparity import nn


def bias_absent(d: Description, rng: np.random.Generator) -> Change | None:
    """One weight layer, or all, without a bias."""
    dense = [n for n, layer in d.of_kind(nn.Affine) if layer.bias]
    if not dense:
        return None
    names = dense if rng.random() < 0.5 else [choose(rng, dense)]

    def apply(d: Description) -> Description:
        for name, layer in d.of_kind(nn.Affine):
            if name in names:
                d = d.with_layer(name, dataclasses.replace(layer, bias=False))
        kept = {f: v for f, v in d.initial.items() if f not in {f"{n}.bias" for n in names}}
        return dataclasses.replace(d, initial=kept)

    touches = tuple(f"layers.{n}" for n in names) + tuple(f"initial.{n}.bias" for n in names)
    return Change("bias-absent", "structure", f"{', '.join(names)} without bias", apply, touches)


def layer_missing(d: Description, rng: np.random.Generator) -> Change | None:
    """A hidden square weight layer and its activation left out."""
    names = [n for n, _ in d.layers]
    square = [n for n, k in d.of_kind(nn.Affine)[:-1] if k.inputs == k.outputs]
    if not square:
        return None
    name = choose(rng, square)
    gone = {name, names[names.index(name) + 1]}

    def apply(d: Description) -> Description:
        layers = tuple((n, layer) for n, layer in d.layers if n not in gone)
        initial = {f: v for f, v in d.initial.items() if f.rpartition(".")[0] not in gone}
        return dataclasses.replace(d, layers=layers, initial=initial)

    return Change("layer-missing", "structure", f"without {name}", apply, ("layers", "initial"))


def layer_width(d: Description, rng: np.random.Generator) -> Change | None:
    """A hidden layer of another width."""
    dense = d.of_kind(nn.Affine)
    between = d.of_kind(nn.BatchNorm, nn.LayerNorm, nn.RMSNorm)
    if len(dense) < 2 or between:
        return None
    index = int(rng.integers(len(dense) - 1))
    (first, one), (second, two) = dense[index], dense[index + 1]
    width = one.outputs + int(rng.integers(1, 4))
    seed = int(rng.integers(2**31))

    def apply(d: Description) -> Description:
        d = d.with_layer(first, dataclasses.replace(one, outputs=width))
        d = d.with_layer(second, dataclasses.replace(two, inputs=width))
        own = np.random.default_rng(seed)
        shapes = {
            f"{first}.weight": (one.inputs, width), f"{first}.bias": (width,),
            f"{second}.weight": (width, two.outputs),
        }  # fmt: skip
        initial = {f: drawn(shapes[f], own) if f in shapes else v for f, v in d.initial.items()}
        return dataclasses.replace(d, initial=initial)

    what = f"{first} of width {width}"
    return Change("layer-width", "structure", what, apply, ("layers", "initial"))


def dense_weight_layout(d: Description, rng: np.random.Generator) -> Change | None:
    """A square weight carried over without the transpose."""
    square = [n for n, k in d.of_kind(nn.Affine) if k.inputs == k.outputs]
    if not square:
        return None
    full = f"{choose(rng, square)}.weight"

    def apply(d: Description) -> Description:
        initial = {f: v.T.copy() if f == full else v for f, v in d.initial.items()}
        return dataclasses.replace(d, initial=initial)

    what = f"{full} transposed"
    return Change("dense-weight-layout", "structure", what, apply, ("initial", f"layers.{full}"))


def layer_order(d: Description, rng: np.random.Generator) -> Change | None:
    """A normalization or dropout on the other side of its activation."""
    names = [n for n, _ in d.layers]
    layers = dict(d.layers)
    bends = (nn.ReLU, nn.Tanh, nn.Sigmoid, nn.GELU, nn.ELU, nn.LeakyReLU)
    found = [
        i
        for i in range(len(names) - 1)
        if isinstance(layers[names[i]], nn.BatchNorm | nn.LayerNorm)
        and isinstance(layers[names[i + 1]], bends)
    ]
    if not found:
        return None
    i = choose(rng, found)

    def apply(d: Description) -> Description:
        order = list(d.layers)
        order[i], order[i + 1] = order[i + 1], order[i]
        return dataclasses.replace(d, layers=tuple(order))

    what = f"{names[i + 1]} before {names[i]}"
    return Change("layer-order", "structure", what, apply, ("layers",))


def flatten_order(d: Description, rng: np.random.Generator) -> Change | None:
    """Channels first in the row, the weight behind left as it is."""
    found = [n for n, layer in d.of_kind(nn.Flatten) if layer.order == "as-is"]
    if not found or d.of_kind(nn.Conv2D)[-1][1].outputs < 2:
        return None
    return on_layers(
        "flatten-order", d, found, lambda _: nn.Flatten("CHW", "NHWC"), stage="structure"
    )


def conv_correlation(d: Description, rng: np.random.Generator) -> Change | None:
    """The kernel turned by half a turn."""
    found = [n for n, layer in d.of_kind(nn.Conv2D) if not layer.flip]
    if not found:
        return None
    flip = lambda layer: dataclasses.replace(layer, flip=True)  # noqa: E731
    return on_layers("conv-correlation", d, found, flip, stage="structure", about=("flip",))


def conv_same_padding(d: Description, rng: np.random.Generator) -> Change | None:
    """(1, 1) for TensorFlow's rule, which differs with a stride on even sizes."""
    found = [n for n, layer in d.of_kind(nn.Conv2D) if layer.padding in ("same", 1)]
    found = [n for n in found if dict(d.layers)[n].stride == 2]  # type: ignore[attr-defined]
    if not found:
        return None

    def other_padding(layer: nn.Conv2D) -> nn.Conv2D:
        return dataclasses.replace(layer, padding=1 if layer.padding == "same" else "same")

    return on_layers(
        "conv-same-padding", d, found, other_padding, stage="structure", about=("padding",)
    )


def gates(id: str, kind: type[nn.Layer], orders: tuple[str, str]) -> Maker:
    """Blocks of gates carried over in another order."""

    def make(d: Description, rng: np.random.Generator) -> Change | None:
        found = [n for n, _ in d.of_kind(kind)]
        if not found:
            return None

        def turned(layer: Any) -> nn.Layer:
            new = orders[1] if layer.gate_order == orders[0] else orders[0]
            changed: nn.Layer = dataclasses.replace(layer, gate_order=new)
            return changed

        return on_layers(id, d, found, turned, stage="structure", about=("gate_order",))

    return make


def gru_reset_after(d: Description, rng: np.random.Generator) -> Change | None:
    """The reset gate before the product."""
    found = [n for n, layer in d.of_kind(nn.GRU) if layer.reset_after]
    if not found:
        return None
    before = lambda layer: dataclasses.replace(layer, reset_after=False)  # noqa: E731
    return on_layers("gru-reset-after", d, found, before, stage="structure", about=("reset_after",))


def conv_kernel_layout(d: Description, rng: np.random.Generator) -> Change | None:
    """A kernel with as many inputs as outputs, carried over with the two in each other's place."""
    square = [n for n, k in d.of_kind(nn.Conv2D) if k.inputs == k.outputs > 1]
    if not square:
        return None
    full = f"{choose(rng, square)}.weight"
    return _carried_over("conv-kernel-layout", full, (0, 1, 3, 2))


def rnn_weight_layout(d: Description, rng: np.random.Generator) -> Change | None:
    """A square recurrent weight carried over without the transpose."""
    found = [n for n, _ in d.of_kind(nn.SimpleRNN)]
    if not found:
        return None
    return _carried_over("rnn-weight-layout", f"{found[0]}.recurrent_weight", (1, 0))


def _carried_over(id: str, full: str, axes: tuple[int, ...]) -> Change:
    def apply(d: Description) -> Description:
        initial = {f: v.transpose(axes).copy() if f == full else v for f, v in d.initial.items()}
        return dataclasses.replace(d, initial=initial)

    return Change(id, "structure", f"{full} transposed", apply, (f"initial.{full}",))


MAKERS: dict[str, Maker] = {
    "conv-kernel-layout": conv_kernel_layout,
    "rnn-weight-layout": rnn_weight_layout,
    "flatten-order": flatten_order,
    "conv-correlation": conv_correlation,
    "conv-same-padding": conv_same_padding,
    "lstm-gate-order": gates("lstm-gate-order", nn.LSTM, ("ifgo", "ijfo")),
    "gru-gate-order": gates("gru-gate-order", nn.GRU, ("zrh", "rzn")),
    "gru-reset-after": gru_reset_after,
    "bias-absent": bias_absent,
    "layer-missing": layer_missing,
    "layer-width": layer_width,
    "layer-order": layer_order,
    "dense-weight-layout": dense_weight_layout,
}
