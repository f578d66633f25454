"""Exclusive or with a 2-5-1 sigmoid network, nothing but NumPy. Run me: ``python left.py``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import netparity

Array = np.ndarray[Any, np.dtype[Any]]

X = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], dtype=float)
Y = np.array([[0], [1], [1], [0]], dtype=float)


def sigmoid(z: Array) -> Array:
    """The logistic function."""
    return 1 / (1 + np.exp(-z))


def sigmoid_slope(activation: Array) -> Array:
    """Its derivative, from its value."""
    return activation * (1 - activation)


class NeuralNetwork:
    """Two layers of sigmoid units."""

    def __init__(self, inputs: int = 2, hidden: int = 5, outputs: int = 1, seed: int = 0) -> None:
        rng = np.random.default_rng(seed)
        self.weights1 = rng.uniform(0, 1, (inputs, hidden))
        self.weights2 = rng.uniform(0, 1, (hidden, outputs))
        self.eta = 0.3
        self.cost = 0.0

    def feedforward(self, x: Array) -> Array:
        """The network's answers for the rows of ``x``."""
        self.layer1 = sigmoid(np.dot(x, self.weights1))
        self.output = sigmoid(np.dot(self.layer1, self.weights2))
        return self.output

    def backprop(self, x: Array, y: Array) -> tuple[Array, Array]:
        """The weight gradients of half the squared errors, summed over the rows."""
        self.feedforward(x)
        cost_error = 0.5 * np.mean((self.output - y) ** 2)
        cost_delta = self.output - y
        self.cost = float(np.mean(cost_delta * cost_error))

        delta2 = cost_delta * sigmoid_slope(self.output)
        delta1 = np.dot(delta2, self.weights2.T) * sigmoid_slope(self.layer1)
        return np.dot(x.T, delta1), np.dot(self.layer1.T, delta2)

    def descend(self, slope1: Array, slope2: Array) -> None:
        """One step downhill."""
        self.weights1 -= self.eta * slope1
        self.weights2 -= self.eta * slope2

    def train(self, x: Array, y: Array, epochs: int = 5000) -> list[float]:
        """Trains on all rows at once and returns the cost of every epoch."""
        costs = []
        for _ in range(epochs):
            self.descend(*self.backprop(x, y))
            costs.append(self.cost)
        return costs


def build(seed: int = 0) -> netparity.Scratch:
    """The network, for netparity."""
    import netparity

    net = NeuralNetwork(seed=seed)
    names = ("weights1", "weights2")

    def layers(x: Array) -> dict[str, Array]:
        output = net.feedforward(x)
        return {"layer1": net.layer1, "output": output}

    return netparity.Scratch(
        parameters=dict(zip(names, (net.weights1, net.weights2), strict=True)),
        predict=net.feedforward,
        loss=lambda x, y: 0.5 * float(np.sum((net.feedforward(x) - y) ** 2)),
        gradients=lambda x, y: dict(zip(names, net.backprop(x, y), strict=True)),
        update=lambda slopes: net.descend(*(slopes[name] for name in names)),
        step=lambda x, y: net.descend(*net.backprop(x, y)),
        activations=layers,
        report=lambda x, y: {"loss": net.cost},
    )


if __name__ == "__main__":
    network = NeuralNetwork()
    history = network.train(X, Y)
    for epoch in (*range(0, 5000, 500), 4999):
        print(f"epoch {epoch + 1:5d}  loss {history[epoch]:.3e}")
    print(network.feedforward(X).round(3))
