"""A network written from scratch in NumPy, which declares nothing about itself."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from benchmarks.pairs import numpy_images as images
from benchmarks.pairs import numpy_layers as layers_
from benchmarks.pairs import numpy_recurrent as recurrent
from benchmarks.pairs.description import Array, Description, Style, Unable, Values, within
from benchmarks.pairs.numpy_losses import judge
from benchmarks.pairs.numpy_updates import clipped, first_state, update
from benchmarks.pairs.rates import by_hand

import netparity
from netparity import nn

_OWN_NAMES = {
    "weight": "W", "bias": "b", "scale": "gamma", "shift": "beta", "recurrent_weight": "U",
    "recurrent_bias": "c",
}  # fmt: skip
KNOWN_BUGS = frozenset(
    {
        "relu-slope-of-output-sign", "tanh-slope-of-input", "softmax-jacobian-diagonal",
        "loss-gradient-halved", "loss-gradient-divided-again", "softmax-twice",
        "targets-broadcast", "gradients-pile-up", "first-bias-frozen", "biases-crossed",
        "weights-crossed", "bias-added-twice", "activation-forgotten-on-first-row",
        "statistics-left-alone", "first-weight-gradient-doubled", "labels-unconverted",
    }
)  # fmt: skip


class Program:
    """Forward, backward and update by hand; ``parameters`` are its live arrays."""

    def __init__(self, description: Description, style: Style) -> None:
        unknown = set(description.bugs) - KNOWN_BUGS
        if unknown:
            raise Unable(f"NumPy: {unknown}")
        self.d, self.style = description, style
        self.dtype = np.dtype(description.dtype)
        self.bugs = description.bugs
        self.rate = None if description.schedule is None else by_hand(description.schedule)
        self.product = layers_.PRODUCTS[style.product]
        self.names: dict[str, str] = {}
        numbers: dict[str, int] = {}
        for full in description.initial:
            layer = full.rpartition(".")[0]
            numbers.setdefault(layer, len(numbers) + 1)
            self.names[full] = f"{_OWN_NAMES[full.rpartition('.')[2]]}{numbers[layer]}"
        self.parameters: Values = {}
        for full, value in description.initial.items():
            own = value.T if self._turned(full) else value
            self.parameters[self.names[full]] = np.array(own, dtype=self.dtype, order="C")
        self.buffers: Values = {}
        for name, layer in description.layers:
            for key, value in layers_.buffers_of(layer, self.dtype).items():
                self.buffers[f"{key} {name}"] = value
        self.kept = first_state(description.optimizer, self.parameters)
        if "gradients-pile-up" in self.bugs:
            self.kept |= {f"sum_{n}": np.zeros_like(v) for n, v in self.parameters.items()}

    def _turned(self, full: str) -> bool:
        return self.style.transposed and self.d.initial[full].ndim == 2

    def _value(self, full: str) -> Array:
        own = self.parameters[self.names[full]]
        return own.T if self._turned(full) else own

    def _own(self, name: str) -> Values:
        start = f"{name}."
        return {
            full[len(start) :]: self._value(full) for full in self.names if full.startswith(start)
        }

    # ---- forward and backward -------------------------------------------------------------
    def forward(self, x: Array, *, training: bool) -> list[tuple[str, Array, layers_.Back]]:
        """Every layer's name, output and way back, in order."""
        x = np.asarray(x, dtype=self.dtype)
        tape: list[tuple[str, Array, layers_.Back]] = []
        for name, layer in self.d.layers:
            match layer:
                case nn.Affine():
                    y, back = layers_.dense(layer, self._own(name), x, self.product)
                    if "bias-added-twice" in self.bugs and layer.bias and not tape:
                        y = y + self._own(name)["bias"]
                case nn.Dropout():
                    mask = None
                    if training:
                        mask = layers_.mask(layer, x.shape)
                    y, back = layers_.dropout(layer, x, mask)
                case nn.BatchNorm():
                    mine = {k: self.buffers[f"{k} {name}"] for k in ("mean", "variance")}
                    y, back = layers_.batch_norm(layer, self._own(name), x, mine, training=training)
                case nn.Conv2D():
                    y, back = images.convolution(layer, self._own(name), x)
                case nn.MaxPool2D() | nn.AveragePool2D():
                    y, back = images.pooling(layer, x)
                case nn.Flatten():
                    y, back = images.flatten(layer, x)
                case nn.SimpleRNN():
                    y, back = recurrent.simple(layer, self._own(name), x)
                case nn.LSTM():
                    y, back = recurrent.lstm(layer, self._own(name), x)
                case nn.GRU():
                    y, back = recurrent.gru(layer, self._own(name), x)
                case nn.GroupNorm():
                    y, back = images.group_norm(layer, self._own(name), x)
                case nn.RMSNorm():
                    y, back = layers_.rms_norm(layer, self._own(name), x)
                case nn.LayerNorm():
                    y, back = layers_.layer_norm(layer, self._own(name), x)
                case _:
                    y, back = layers_.activation(layer, x, self.bugs)
                    if "activation-forgotten-on-first-row" in self.bugs and len(tape) == 1:
                        y = np.array(y)
                        y[0] = x[0]
            tape.append((name, y, back))
            x = y
        return tape

    def predict(self, x: Array) -> Array:
        """The output in inference."""
        return self.forward(x, training=False)[-1][1]

    def activations(self, x: Array, training: bool = False) -> Values:
        """Every layer's output."""
        return {name: value for name, value, _ in self.forward(x, training=training)}

    def _penalty(self) -> tuple[float, Values]:
        total = 0.0
        slopes = {full: np.zeros_like(self._value(full)) for full in self.names}
        for penalty in self.d.penalties:
            if penalty.scale_with_batch or not isinstance(penalty, nn.L1 | nn.L2):
                raise Unable(f"NumPy: {penalty!r}")
            c = penalty.factor * penalty.coefficient
            for full in self.names:
                if not within(penalty.scope, full):
                    continue
                w = self._value(full)
                if isinstance(penalty, nn.L2):
                    total += c * float((w * w).sum())
                    slopes[full] = slopes[full] + 2 * c * w
                else:
                    total += c * float(np.abs(w).sum())
                    slopes[full] = slopes[full] + c * np.sign(w)
        return total, slopes

    def loss(self, x: Array, y: Array) -> float:
        """The whole loss."""
        scores = self.forward(x, training=True)[-1][1]
        return judge(self.d.loss, scores, y, self.bugs)[0] + self._penalty()[0]

    def report(self, x: Array, y: Array) -> dict[str, float]:
        """What is printed after an update."""
        value = self.loss(x, y)
        if self.d.report == "data loss":
            value -= self._penalty()[0]
        return {"loss": 10 * value if self.d.report == "tenfold" else value}

    def gradients(self, x: Array, y: Array) -> Values:
        """The gradients of it, by the program's own names."""
        tape = self.forward(x, training=True)
        _, g = judge(self.d.loss, tape[-1][1], y, self.bugs)
        found: Values = {}
        for name, _, back in reversed(tape):
            g, own = back(g)
            found |= {f"{name}.{key}": value for key, value in own.items()}
        _, slopes = self._penalty()
        found = {full: found[full] + slopes[full].astype(self.dtype) for full in self.names}
        self._misplace(found)
        result = {}
        for full, own_name in self.names.items():
            value = found[full]
            result[own_name] = np.array(value.T if self._turned(full) else value)
        if "gradients-pile-up" in self.bugs:
            for n in result:
                self.kept[f"sum_{n}"] += result[n]
                result[n] = self.kept[f"sum_{n}"].copy()
        return result

    def _misplace(self, found: Values) -> None:
        biases = [full for full in found if full.endswith(".bias")]
        weights = [full for full in found if full.endswith(".weight")]
        if "biases-crossed" in self.bugs:
            found[biases[0]], found[biases[1]] = found[biases[1]], found[biases[0]]
        if "weights-crossed" in self.bugs:
            found[weights[1]], found[weights[2]] = found[weights[2]], found[weights[1]]
        if "first-weight-gradient-doubled" in self.bugs:
            found[weights[0]] = 2 * found[weights[0]]

    # ---- update ---------------------------------------------------------------------------
    def update(self, gradients: Values) -> None:
        """One update in place."""
        rule: Any = self.d.optimizer
        if self.rate is not None:
            rule = dataclasses.replace(rule, learning_rate=self.rate(int(self.kept["t"])))
        self.kept["t"] += 1
        gradients = clipped(self.d.clipping, {n: np.asarray(g) for n, g in gradients.items()})
        for full, own_name in self.names.items():
            if "first-bias-frozen" in self.bugs and own_name == "b1":
                continue
            if own_name in gradients:
                update(
                    rule, self.parameters[own_name], gradients[own_name], self.kept, own_name,
                    decays=within(rule.decay_scope, full),
                )  # fmt: skip

    def step(self, x: Array, y: Array) -> None:
        """One whole step."""
        self.update(self.gradients(x, y))


def build(description: Description, style: Style, **more: Any) -> netparity.Scratch:
    """The program as its author hands it over: what it shows depends on the style."""
    _try_out(Program(description, style))
    program = Program(description, style)
    shown: dict[str, Any] = {
        "functions": {
            "loss": program.loss, "gradients": program.gradients, "update": program.update,
        },
        "gradients": {"gradients": program.gradients, "update": program.update},
        "steps": {"loss": program.loss, "step": program.step},
        "step": {"step": program.step},
    }[style.exposure]  # fmt: skip
    if description.of_kind(nn.Dropout):
        shown["activations"] = program.activations
    if description.report is not None:
        shown["report"] = program.report
    return netparity.Scratch(
        parameters=program.parameters,
        buffers=program.buffers,
        state=program.kept,
        predict=program.predict,
        **shown,
        **more,
    )


def _try_out(program: Program) -> None:
    """One step on two rows of zeros, so that what cannot be written down is refused at once."""
    classes = isinstance(
        program.d.loss, nn.SoftmaxCrossEntropy | nn.MulticlassHinge | nn.CategoricalFocal
    )
    before = np.random.get_state()  # noqa: NPY002
    with np.errstate(all="ignore"):
        x = np.zeros((3, *program.d.shape))
        y = np.zeros(3, int) if classes else np.ones(program.predict(x).shape)
        program.loss(x, y)
        program.step(x, y)
    np.random.set_state(before)  # noqa: NPY002
