"""Nielsen's network.py (lists of weights and biases, one row after the other) learns faster than
Keras with loss="mse" at the same rate.

Its cost is ½ Σ over the outputs, Keras's the mean over them: the steps are 3/2 as large for three
outputs, which steps alone show as another rate.
"""

import keras
import numpy as np

import netparity

EXPECTED = {"learning-rate-value"}

rng = np.random.default_rng(0)
data = rng.random((40, 9)), np.eye(3)[rng.integers(0, 3, 40)]
biases = [rng.normal(0, 1, (8, 1)), rng.normal(0, 1, (3, 1))]
weights = [rng.normal(0, 1, (8, 9)), rng.normal(0, 1, (3, 8))]
RATE = 3.0


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


class Network:
    def __init__(self):
        self.biases = [b.copy() for b in biases]
        self.weights = [w.copy() for w in weights]

    def feedforward(self, a):
        for b, w in zip(self.biases, self.weights, strict=True):
            a = sigmoid(w @ a + b)
        return a

    def backprop(self, x, y):
        hidden = sigmoid(self.weights[0] @ x + self.biases[0])
        out = sigmoid(self.weights[1] @ hidden + self.biases[1])
        last = (out - y) * out * (1 - out)
        first = (self.weights[1].T @ last) * hidden * (1 - hidden)
        return [first, last], [first @ x.T, last @ hidden.T]

    def update_mini_batch(self, rows, targets):
        sums = [np.zeros_like(a) for a in (*self.biases, *self.weights)]
        for x, y in zip(rows, targets, strict=True):
            db, dw = self.backprop(x.reshape(-1, 1), y.reshape(-1, 1))
            sums = [total + d for total, d in zip(sums, (*db, *dw), strict=True)]
        for array, total in zip((*self.biases, *self.weights), sums, strict=True):
            array -= RATE / len(rows) * total


def left():
    network = Network()
    return netparity.Scratch(
        parameters={
            f"{kind}{i}": array
            for i in range(2)
            for kind, array in (("w", network.weights[i]), ("b", network.biases[i]))
        },
        predict=lambda x: np.stack([network.feedforward(r.reshape(-1, 1))[:, 0] for r in x]),
        step=network.update_mini_batch,
    )


def right():
    model = keras.Sequential(
        [
            keras.Input((9,)),
            keras.layers.Dense(8, activation="sigmoid"),
            keras.layers.Dense(3, activation="sigmoid"),
        ]
    )
    model.set_weights([weights[0].T, biases[0][:, 0], weights[1].T, biases[1][:, 0]])
    model.compile(optimizer=keras.optimizers.SGD(RATE), loss="mse")
    return netparity.Keras(model)
