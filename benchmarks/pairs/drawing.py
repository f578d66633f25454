"""Draws pairs: a network, two programs, and the changes between them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from benchmarks.pairs import rates, renderers
from benchmarks.pairs.change_forward import BENDS
from benchmarks.pairs.change_init import drawn
from benchmarks.pairs.changes import MAKERS
from benchmarks.pairs.description import Change, Description, Pair, Style, Values
from benchmarks.pairs.feeding import Feeding
from benchmarks.pairs.making import choose, overlap
from benchmarks.pairs.preparing import Preparing

from netparity import nn

Family = Callable[[np.random.Generator], tuple[Description, str]]
ROWS = 42  # No multiple of the batch: the last one is partial.
BATCH = 12
STEPS = 12
#: Descriptions tried until one fits a wanted id and both kinds.
TRIES = 2000
NOTHING = 0.15
PREPARED = ("std-ddof", "pixel-scaling", "preprocessing")


def draw(
    seed: int,
    index: int,
    wanted: Sequence[str] = (),
    kinds: Sequence[str] = (),
    most: int = 5,
    families: Sequence[str] = (),
) -> Pair:
    """The pair of a seed and an index; always the same.

    Args:
        seed: of the whole draw.
        index: which pair of it.
        wanted: ids to draw the first change from; all by default.
        kinds: of programs to draw from; all by default.
        most: changes at most; 0 for pairs with nothing changed.
        families: of networks to draw from; all by default.
    """
    rng = np.random.default_rng([seed, index])
    ids = list(wanted) or list(MAKERS)
    kinds = list(kinds) or list(renderers.KINDS)
    count = 0 if rng.random() < NOTHING and not wanted else int(rng.integers(1, 6))
    if count and rng.random() < 0.5:
        count = 1
    count = min(count, most)
    first = choose(rng, ids)
    for attempt in range(TRIES):
        make = FAMILIES[choose(rng, list(families) or list(FAMILIES))]
        pair = _try(seed, index, rng, make, first if count else None, count, kinds)
        if pair is not None:
            return pair
        if attempt % 100 == 99:
            first = choose(rng, ids)
    raise RuntimeError(f"no pair for seed {seed}, index {index}, first {first}")


def _try(
    seed: int, index: int, rng: np.random.Generator, make: Family, first: str | None,
    count: int, kinds: Sequence[str],
) -> Pair | None:  # fmt: skip
    base, network = make(rng)
    scale = float(choose(rng, [0.01, 1.0, 1.0, 100.0]))
    if rng.random() < 0.3:
        orders: Any = choose(rng, ["sequential", "shuffled"])
        base = dataclasses.replace(base, feeding=Feeding(order=orders))
    if rng.random() < 0.1:
        base = dataclasses.replace(base, report="loss")
    if getattr(base.loss, "input", "logits") == "probabilities":
        scale = min(scale, 1.0)  # Saturated probabilities make the loss infinite, then NaN.
    base = _rate(base, scale)
    base = _extras(rng, base, first)
    changes: list[Change] = []
    if first is not None:
        change = MAKERS[first](base, rng)
        if change is None:
            return None
        changes.append(change)
    right_kind, left_kind = choose(rng, kinds), choose(rng, kinds)
    if {left_kind, right_kind} == {"solver"}:
        return None
    styles = [style(rng, base) for _ in range(2)]
    if not (renderers.can(left_kind, base, styles[0])):
        return None
    if not renderers.can(right_kind, base, styles[1]):
        return None
    current, stages = base, [base]
    if changes:
        current = changes[0].apply(base)
        stages.append(current)
        if not renderers.can(right_kind, current, styles[1]):
            return None
    for _ in range(20 * count):
        if len(changes) >= count:
            break
        change = MAKERS[choose(rng, list(MAKERS))](current, rng)
        if change is None or any(overlap(change, c) or change.id == c.id for c in changes):
            continue
        candidate = change.apply(current)
        if renderers.can(right_kind, candidate, styles[1]):
            changes.append(change)
            stages.append(candidate)
            current = candidate
    if type(current.optimizer) is not type(base.optimizer):
        stages[-1] = _rate(current, scale)
    x, y = data(rng, base, scale)
    return Pair(
        seed, index, left_kind, right_kind, styles[0], styles[1], tuple(stages),
        tuple(changes), x, y, network, scale, STEPS, BATCH,
    )  # fmt: skip


def _extras(rng: np.random.Generator, base: Description, first: str | None) -> Description:
    """Now and then a schedule, and something made of the raw rows; always where it is wanted."""
    if first in rates.MAKERS or rng.random() < 0.12:
        base = dataclasses.replace(base, schedule=rates.drawn(rng, base.optimizer.learning_rate))
    if first in PREPARED or rng.random() < 0.12:
        made = choose(rng, [Preparing(True, 0), Preparing(divisor=2.0), Preparing(True)])
        base = dataclasses.replace(base, preparing=made)
    return base


def _rate(d: Description, scale: float) -> Description:
    """A rate small enough for large inputs, where the update is proportional to them."""
    rule: Any = d.optimizer
    if scale <= 1 or not isinstance(rule, nn.SGD):
        return d
    rule = dataclasses.replace(rule, learning_rate=rule.learning_rate / scale**2)
    return dataclasses.replace(d, optimizer=rule)


def style(rng: np.random.Generator, base: Description) -> Style:
    """How a program is written."""
    exposure = choose(rng, ["functions", "functions", "gradients", "steps", "step"])
    if base.of_kind(nn.Dropout):
        exposure = "functions"
    return Style(
        exposure=exposure,
        product=choose(rng, ["plain", "backwards", "chunks"]),
        transposed=bool(rng.random() < 0.3),
        threads=int(choose(rng, [1, 2])),
    )


def mlp(rng: np.random.Generator) -> tuple[Description, str]:
    """A chain of dense layers with what stands between them, its loss and its rule."""
    depth = int(rng.integers(2, 5))
    hidden = int(rng.integers(4, 12))
    same = rng.random() < 0.5
    widths = [hidden if same else int(rng.integers(4, 12)) for _ in range(depth - 1)]
    loss, output, outputs = _loss(rng)
    sizes = [int(rng.integers(3, 9)), *widths, outputs]
    bend = choose(rng, [*BENDS, nn.ELU(0.5), nn.LeakyReLU(0.2), nn.HardSigmoid()])
    between = choose(rng, ["none", "none", "none", "batch", "layer", "dropout", "rms"])
    layers: list[tuple[str, nn.Layer]] = []
    for number in range(1, depth + 1):
        layers.append((f"dense{number}", nn.Affine(sizes[number - 1], sizes[number])))
        if number == depth:
            break
        if between == "batch":
            running: Any = choose(rng, ["biased", "unbiased"])
            layers.append((f"norm{number}", nn.BatchNorm(sizes[number], running_variance=running)))
        if between == "layer":
            layers.append((f"norm{number}", nn.LayerNorm((sizes[number],))))
        if between == "rms":
            layers.append((f"norm{number}", nn.RMSNorm((sizes[number],))))
        layers.append((f"bend{number}", bend))
        if between == "dropout":
            layers.append((f"drop{number}", nn.Dropout(choose(rng, [0.2, 0.3, 0.4]))))
    if output is not None:
        layers.append(("output", output))
    penalties, decay = _decays(rng)
    description = Description(
        layers=tuple(layers),
        loss=loss,
        optimizer=_rule(rng, decay),
        initial=initial(layers, rng),
        penalties=penalties,
        clipping=choose(rng, [None, None, None, nn.ClipByNorm(0.2)]),
        dtype=choose(rng, ["float64", "float64", "float32"]),
    )
    return description, f"mlp {sizes} {bend} {between}"


def cnn(rng: np.random.Generator) -> tuple[Description, str]:
    """One or two convolutions, pooling, and a dense head."""
    size, channels, filters = (int(rng.integers(*r)) for r in ((6, 9), (1, 4), (2, 5)))
    image = size
    bend = choose(rng, [nn.ReLU(), nn.Tanh(), nn.ELU()])
    loss, output, outputs = _loss(rng)
    grouped, dropped = rng.random() < 0.15, rng.random() < 0.15
    layers: list[tuple[str, nn.Layer]] = []
    inputs = channels
    for number in range(1, int(rng.integers(2, 4))):
        padding: Any = choose(rng, ["valid", "same", 1] if size > 4 else ["same", 1])
        stride = int(choose(rng, [1, 1, 2])) if number == 1 else 1
        layers.append(
            (f"conv{number}", nn.Conv2D(inputs, filters, 3, stride=stride, padding=padding))
        )
        if grouped:
            groups = 2 if filters % 2 == 0 else 1
            layers.append((f"norm{number}", nn.GroupNorm(groups, filters)))
        layers.append((f"bend{number}", bend))
        inputs = filters
        size = -(-size // stride) if padding != "valid" else (size - 3) // stride + 1
    if size >= 3 and rng.random() < 0.7:
        kind = choose(rng, [nn.MaxPool2D, nn.AveragePool2D])
        pads: Any = choose(rng, ["valid", "valid", 1, "same"])
        layers.append(("pool", kind(2, padding=pads)))
        size = {"valid": size // 2, 1: size // 2 + 1, "same": -(-size // 2)}[pads]
    if dropped:
        layers.append(("drop", nn.Dropout(0.3, channel_axis=choose(rng, [None, -1]))))
    layers += [("flatten", nn.Flatten()), ("dense1", nn.Affine(size * size * inputs, outputs))]
    return _completed(rng, layers, loss, output, (image, image, channels))


def rnn(rng: np.random.Generator) -> tuple[Description, str]:
    """One recurrent layer and a dense head."""
    length, features, units = (int(rng.integers(*r)) for r in ((3, 6), (2, 5), (3, 7)))
    loss, output, outputs = _loss(rng)
    bias: Any = choose(rng, ["one", "two"])
    layer: nn.Layer = choose(
        rng,
        [
            nn.SimpleRNN(features, units, bias=bias),
            nn.LSTM(features, units, bias=bias),
            nn.GRU(features, units, bias="two"),
            nn.GRU(features, units, bias="two", gate_order="rzn"),
            nn.GRU(features, units, bias="one", reset_after=False),
        ],
    )
    layers: list[tuple[str, nn.Layer]] = [
        ("recurrent", layer), ("dense1", nn.Affine(units, outputs)),
    ]  # fmt: skip
    return _completed(rng, layers, loss, output, (length, features))


def _completed(
    rng: np.random.Generator, layers: list[tuple[str, nn.Layer]], loss: nn.Loss,
    output: nn.Layer | None, row: tuple[int, ...],
) -> tuple[Description, str]:  # fmt: skip
    if output is not None:
        layers.append(("output", output))
    penalties, decay = _decays(rng)
    description = Description(
        layers=tuple(layers),
        loss=loss,
        optimizer=_rule(rng, decay),
        initial=initial(layers, rng),
        penalties=penalties,
        dtype=choose(rng, ["float64", "float64", "float32"]),
        row=row,
    )
    return description, " ".join(type(layer).__name__ for _, layer in layers)


FAMILIES: dict[str, Family] = {"mlp": mlp, "cnn": cnn, "rnn": rnn}


def initial(layers: Sequence[tuple[str, nn.Layer]], rng: np.random.Generator) -> Values:
    """Values for every parameter; scales near 1."""
    values: Values = {}
    for name, layer in layers:
        for key, shape in layer.shapes().items():
            value = drawn(shape, rng)
            values[f"{name}.{key}"] = 1 + value if key == "scale" else value
    return values


def _loss(rng: np.random.Generator) -> tuple[nn.Loss, nn.Layer | None, int]:
    """A loss, the layer it wants before it, and the number of outputs."""
    several = int(rng.integers(2, 6))
    ce = nn.SoftmaxCrossEntropy
    options: list[tuple[nn.Loss, nn.Layer | None, int]] = [
        (ce(), None, several),
        (ce(batch="sum"), None, several),
        (ce(input="probabilities"), nn.Softmax(), several),
        (ce(input="probabilities", clip=1e-7), nn.Softmax(), several),
        (nn.SigmoidCrossEntropy(), None, int(rng.integers(1, 4))),
        (nn.SigmoidCrossEntropy(input="probabilities"), nn.Sigmoid(), int(rng.integers(1, 4))),
        (nn.MeanSquaredError(), None, several),
        (nn.MeanSquaredError(), None, 1),
        (nn.MeanSquaredError(), nn.Softmax(), several),
        (nn.MeanAbsoluteError(), None, several),
        (nn.Huber(delta=choose(rng, [0.5, 1.0])), None, several),
        (nn.MulticlassHinge(classes=choose(rng, ["mean", "sum"])), None, several),
    ]
    if rng.random() < 0.25:
        weights = tuple(float(v) for v in rng.integers(1, 8, several))
        options = [
            (ce(input="log-probabilities"), nn.LogSoftmax(), several),
            (ce(input="probabilities"), nn.Sigmoid(), several),
            (ce(class_weights=weights), None, several),
            (ce(class_weights=weights, batch="weighted-mean"), None, several),
            (nn.LogCosh(), None, several),
            (nn.KullbackLeibler(), nn.LogSoftmax(), several),
            (nn.PoissonNegativeLogLikelihood(), nn.Softplus(), several),
            (nn.PoissonNegativeLogLikelihood(input="rate"), nn.Softplus(), several),
            (nn.BinaryHinge(), None, several),
            (nn.CosineDistance(form=choose(rng, ["one-minus", "minus"])), None, several),
            (nn.BinaryFocal(alpha=choose(rng, [None, 0.25])), None, several),
            (nn.CategoricalFocal(alpha=choose(rng, [1.0, 0.25])), None, several),
        ]
    found: tuple[nn.Loss, nn.Layer | None, int] = choose(rng, options)
    return found


def _decays(rng: np.random.Generator) -> tuple[tuple[nn.Penalty, ...], dict[str, Any]]:
    """Penalties inside the loss, and decay inside the optimizer; rarely both none."""
    kind = choose(rng, ["none", "none", "l2", "l1", "coupled", "decoupled"])
    if kind == "l2":
        factor: Any = choose(rng, [0.5, 1.0])
        return (nn.L2(choose(rng, [0.01, 0.05]), factor=factor),), {}
    if kind == "l1":
        return (nn.L1(0.02),), {}
    if kind == "none":
        return (), {}
    return (), {"weight_decay": 0.03, "decay": kind, "decay_scope": choose(rng, ["all", "weights"])}


def _rule(rng: np.random.Generator, decay: dict[str, Any]) -> nn.Optimizer:
    options: list[nn.Optimizer] = [
        nn.SGD(0.05, **decay),
        nn.SGD(0.05, momentum=0.9, **decay),
        nn.SGD(0.05, momentum=0.9, nesterov=True, **decay),
        nn.Adam(0.01, **decay),
        nn.Adam(0.01, epsilon=1e-7, **decay),
        nn.Adam(0.01, epsilon_placement="hat", **decay),
        nn.RMSProp(0.01, **decay),
        nn.RMSProp(0.01, rho=0.99, **decay),
        nn.RMSProp(0.01, momentum=0.9, **decay),
        nn.AdaGrad(0.05, **decay),
        nn.Adam(0.01, epsilon=1e-7, epsilon_placement="hat", **decay),
        nn.RMSProp(0.01, epsilon=1e-7, epsilon_placement="inside", **decay),
        nn.RMSProp(
            0.01,
            epsilon=1e-7,
            epsilon_placement="inside",
            form="rate-inside",
            momentum=0.9,
            **decay,
        ),
        nn.AdaGrad(
            0.05, epsilon=1e-7, epsilon_placement="inside", initial_accumulator=0.1, **decay
        ),
    ]
    if rng.random() < 0.2:
        options = [
            nn.Adadelta(1.0, **decay),
            nn.Adadelta(0.5, rho=0.95, epsilon=1e-7, **decay),
            nn.Adamax(0.01, **decay),
            nn.Adamax(0.01, epsilon=1e-7, epsilon_placement="outside", **decay),
            nn.NAdam(0.01, **decay),
            nn.NAdam(0.01, epsilon=1e-7, momentum_decay=1.0, **decay),
            nn.NAdam(0.01, momentum_decay=None, **decay),
            nn.Lion(0.01, **{"decay": "decoupled", **decay}),
        ]
    rule: nn.Optimizer = choose(rng, options)
    return rule


def data(rng: np.random.Generator, base: Description, scale: float) -> tuple[Any, Any]:
    """Rows, and targets that fit the loss; exact in float32."""
    dense = base.of_kind(nn.Affine)
    x = np.float32(scale * rng.standard_normal((ROWS, *base.shape))).astype(float)
    outputs = dense[-1][1].outputs
    if isinstance(base.loss, nn.SoftmaxCrossEntropy | nn.MulticlassHinge | nn.CategoricalFocal):
        return x, rng.integers(0, outputs, ROWS)
    if isinstance(base.loss, nn.SigmoidCrossEntropy | nn.BinaryHinge | nn.BinaryFocal):
        return x, rng.integers(0, 2, (ROWS, outputs)).astype(float)
    if isinstance(base.loss, nn.PoissonNegativeLogLikelihood):
        return x, rng.poisson(2.0, (ROWS, outputs)).astype(float)
    if isinstance(base.loss, nn.KullbackLeibler):
        return x, np.float32(rng.dirichlet(np.ones(outputs), ROWS)).astype(float)
    y = np.float32(rng.standard_normal((ROWS, outputs))).astype(float)
    return x, y
