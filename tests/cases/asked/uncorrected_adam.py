"""Adam by hand does not follow PyTorch's, though every gradient agrees.

The moments are not corrected for their start at zero. The network is an object that keeps its
arrays in lists.
"""

import numpy as np
import torch

import netparity

EXPECTED = {"adam-bias-correction"}

rng = np.random.default_rng(0)
data = rng.normal(0, 1, (48, 6)), rng.integers(0, 3, 48)
weights = [rng.normal(0, 0.3, (6, 5)), np.zeros(5), rng.normal(0, 0.3, (5, 3)), np.zeros(3)]
NAMES = ("W1", "b1", "W2", "b2")


def softmax(z):
    powers = np.exp(z - z.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


class Perceptron:
    def __init__(self):
        self.params = [w.copy() for w in weights]
        self.m = [np.zeros_like(w) for w in weights]
        self.v = [np.zeros_like(w) for w in weights]

    def forward(self, x):
        W1, b1, W2, b2 = self.params
        self.hidden = np.maximum(0, x @ W1 + b1)
        return self.hidden @ W2 + b2

    def loss(self, x, y):
        return -np.mean(np.log(softmax(self.forward(x))[np.arange(len(y)), y]))

    def backward(self, x, y):
        delta = (softmax(self.forward(x)) - np.eye(3)[y]) / len(y)
        dhidden = delta @ self.params[2].T
        dhidden[self.hidden <= 0] = 0
        return [x.T @ dhidden, dhidden.sum(0), self.hidden.T @ delta, delta.sum(0)]

    def adam(self, gradients):
        for i, g in enumerate(gradients):
            self.m[i] = 0.9 * self.m[i] + 0.1 * g
            self.v[i] = 0.999 * self.v[i] + 0.001 * g * g
            self.params[i] -= 0.001 * self.m[i] / (np.sqrt(self.v[i]) + 1e-8)


def left():
    net = Perceptron()
    return netparity.Scratch(
        parameters=dict(zip(NAMES, net.params, strict=True)),
        state={"m": net.m, "v": net.v},
        predict=net.forward,
        loss=net.loss,
        gradients=lambda x, y: dict(zip(NAMES, net.backward(x, y), strict=True)),
        update=lambda gradients: net.adam([gradients[name] for name in NAMES]),
    )


def right():
    module = torch.nn.Sequential(
        torch.nn.Linear(6, 5), torch.nn.ReLU(), torch.nn.Linear(5, 3)
    ).double()
    with torch.no_grad():
        for parameter, value in zip(module.parameters(), weights, strict=True):
            parameter[:] = torch.tensor(value.T)
    optimizer = torch.optim.Adam(module.parameters(), lr=0.001)
    return netparity.Torch(module, loss=torch.nn.CrossEntropyLoss(), optimizer=optimizer)
