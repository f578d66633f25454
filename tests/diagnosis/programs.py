"""One small network written twice, in NumPy and in PyTorch, with nothing that sets them apart.

What a test wants to set apart it asks for: other orders of summation, float widths, scales.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

import netparity

Array = np.ndarray[Any, np.dtype[Any]]
Values = dict[str, Array]
Product = Callable[[Array, Array], Array]
Activation = Literal["relu", "sigmoid", "tanh"]
LossName = Literal["mse", "cross-entropy", "binary-cross-entropy"]
Rule = Literal["sgd", "momentum", "adam"]


def plain(a: Array, b: Array) -> Array:
    """The product as NumPy takes it."""
    return a @ b


def backwards(a: Array, b: Array) -> Array:
    """The same sums from the last term to the first."""
    return np.ascontiguousarray(a[:, ::-1]) @ np.ascontiguousarray(b[::-1])


def in_chunks(a: Array, b: Array) -> Array:
    """The same sums, three terms at a time."""
    return sum((a[:, s : s + 3] @ b[s : s + 3] for s in range(3, a.shape[1], 3)), a[:, :3] @ b[:3])


def logistic(z: Array) -> Array:
    """1/(1 + e⁻ᶻ); where e⁻ᶻ overflows it is 0, as it should be."""
    with np.errstate(over="ignore"):
        return np.asarray(1 / (1 + np.exp(-z)))


@dataclass(frozen=True)
class Program:
    """What both programs compute."""

    activation: Activation = "relu"
    loss: LossName = "cross-entropy"
    rule: Rule = "sgd"
    sizes: tuple[int, ...] = (6, 12, 7, 4)
    scale: float = 1.0
    learning_rate: float = 0.05
    seed: int = 0

    def data(self) -> tuple[Array, Array]:
        """Forty rows, and targets that fit the loss."""
        rng = np.random.default_rng(self.seed + 1)
        x = np.float32(self.scale * rng.standard_normal((40, self.sizes[0]))).astype(float)
        if self.loss == "cross-entropy":
            return x, rng.integers(0, self.sizes[-1], 40)
        if self.loss == "mse":
            return x, rng.standard_normal((40, self.sizes[-1]))
        return x, rng.integers(0, 2, (40, self.sizes[-1])).astype(float)

    def initial(self) -> Values:
        """Weights N(0, 1/inputs) and biases N(0, 0.1²), exact in float32."""
        rng = np.random.default_rng(self.seed + 2)
        values: Values = {}
        for number, (inputs, outputs) in enumerate(itertools.pairwise(self.sizes), 1):
            weight = rng.standard_normal((inputs, outputs)) / np.sqrt(inputs)
            values[f"W{number}"] = np.float32(weight).astype(float)
            values[f"b{number}"] = np.float32(0.1 * rng.standard_normal(outputs)).astype(float)
        return values


@dataclass
class Net:
    """The program in NumPy, forward and backward by hand."""

    program: Program
    dtype: type[np.floating[Any]] = np.float64
    product: Product = plain
    values: Values = field(default_factory=dict)
    kept: dict[str, Any] = field(default_factory=dict)
    complements: tuple[float, float] = (1 - 0.9, 1 - 0.999)

    def __post_init__(self) -> None:
        self.values = {n: v.astype(self.dtype) for n, v in self.program.initial().items()}
        self.kept = {"t": 0}
        for slot in ("m", "v"):
            self.kept |= {f"{slot}_{n}": np.zeros_like(v) for n, v in self.values.items()}
        self.depth = len(self.program.sizes) - 1

    def bend(self, z: Array) -> Array:
        """The activation."""
        if self.program.activation == "relu":
            return np.maximum(z, 0)
        return np.tanh(z) if self.program.activation == "tanh" else logistic(z)

    def slope(self, z: Array, a: Array) -> Array:
        """Its derivative."""
        if self.program.activation == "relu":
            return (z > 0).astype(z.dtype)
        return 1 - a * a if self.program.activation == "tanh" else a * (1 - a)

    def forward(self, x: Array) -> tuple[list[Array], list[Array]]:
        """Inputs of every layer, and what comes out of every product."""
        inputs, sums = [np.asarray(x, dtype=self.dtype)], []
        for number in range(1, self.depth + 1):
            z = self.product(inputs[-1], self.values[f"W{number}"]) + self.values[f"b{number}"]
            sums.append(z)
            inputs.append(self.bend(z))
        return inputs, sums

    def predict(self, x: Array) -> Array:
        """Scores: the last layer has no activation."""
        return self.forward(x)[1][-1]

    def judge(self, scores: Array, y: Array) -> tuple[float, Array]:
        """The mean loss and its gradient at the scores."""
        n = len(scores)
        if self.program.loss == "mse":
            apart = scores - np.asarray(y, dtype=self.dtype)
            return float(np.mean(apart**2)), (2 * apart / apart.size).astype(self.dtype)
        if self.program.loss == "cross-entropy":
            shifted = scores - scores.max(axis=1, keepdims=True)
            e = np.exp(shifted)
            p = e / e.sum(axis=1, keepdims=True)
            rows = np.arange(n)
            loss = float(np.mean(np.log(e.sum(axis=1)) - shifted[rows, y]))
            p[rows, y] -= 1
            return loss, p / n
        target = np.asarray(y, dtype=self.dtype)
        loss = np.mean(np.maximum(scores, 0) - scores * target + np.log1p(np.exp(-np.abs(scores))))
        return float(loss), ((logistic(scores) - target) / scores.size).astype(self.dtype)

    def loss(self, x: Array, y: Array) -> float:
        """The loss alone."""
        return self.judge(self.predict(x), y)[0]

    def gradients(self, x: Array, y: Array) -> Values:
        """The gradients by hand."""
        inputs, sums = self.forward(x)
        _, delta = self.judge(sums[-1], y)
        found: Values = {}
        for number in range(self.depth, 0, -1):
            found[f"W{number}"] = self.product(inputs[number - 1].T, delta)
            found[f"b{number}"] = delta.sum(axis=0)
            if number > 1:
                back = self.product(delta, self.values[f"W{number}"].T)
                delta = back * self.slope(sums[number - 2], inputs[number - 1])
        return found

    def update(self, gradients: Values) -> None:
        """One update, in place."""
        rate = self.program.learning_rate
        self.kept["t"] += 1
        t = int(self.kept["t"])
        for name, g in gradients.items():
            w, m, v = self.values[name], self.kept[f"m_{name}"], self.kept[f"v_{name}"]
            if self.program.rule == "sgd":
                w -= rate * g
            elif self.program.rule == "momentum":
                m[...] = 0.9 * m + g
                w -= rate * m
            else:
                m[...] = 0.9 * m + self.complements[0] * g
                v[...] = 0.999 * v + self.complements[1] * g * g
                w -= rate * (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)


def in_numpy(
    program: Program,
    dtype: type[np.floating[Any]] = np.float64,
    product: Product = plain,
    change: Callable[[Net], None] | None = None,
    **others: Any,
) -> Callable[[], netparity.Scratch]:
    """A builder of the NumPy side; ``change`` sets something about it apart."""

    def build() -> netparity.Scratch:
        net = Net(program, dtype, product)
        if change is not None:
            change(net)
        return netparity.Scratch(
            parameters=net.values, state=net.kept, predict=net.predict, loss=net.loss,
            gradients=net.gradients, update=net.update, **others,
        )  # fmt: skip

    return build


def in_torch(
    program: Program,
    dtype: type[np.floating[Any]] = np.float64,
    change: Callable[[Any], None] | None = None,
    **others: Any,
) -> Callable[[], netparity.Torch]:
    """A builder of the PyTorch side."""

    def build() -> netparity.Torch:
        import torch
        from torch import nn

        width = torch.float64 if dtype is np.float64 else torch.float32
        bends = {"relu": nn.ReLU, "sigmoid": nn.Sigmoid, "tanh": nn.Tanh}
        layers: list[Any] = []
        for inputs, outputs in itertools.pairwise(program.sizes):
            layers += [nn.Linear(inputs, outputs, dtype=width), bends[program.activation]()]
        module = nn.Sequential(*layers[:-1])
        initial = program.initial()
        with torch.no_grad():
            for number, layer in enumerate(module[::2], 1):
                layer.weight.copy_(torch.from_numpy(initial[f"W{number}"].T))
                layer.bias.copy_(torch.from_numpy(initial[f"b{number}"]))
        if change is not None:
            change(module)
        losses = {
            "mse": nn.MSELoss,
            "cross-entropy": nn.CrossEntropyLoss,
            "binary-cross-entropy": nn.BCEWithLogitsLoss,
        }
        rate = program.learning_rate
        optimizer: Any
        if program.rule == "adam":
            optimizer = torch.optim.Adam(module.parameters(), lr=rate)
        else:
            momentum = 0.9 if program.rule == "momentum" else 0.0
            optimizer = torch.optim.SGD(module.parameters(), lr=rate, momentum=momentum)
        return netparity.Torch(module, losses[program.loss](), optimizer, **others)

    return build
