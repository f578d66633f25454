"""Momentum by hand, with epochs in an order of one's own, is far slower than PyTorch's.

Ng's course keeps v = 0.9 v + 0.1 g, PyTorch v = 0.9 v + g: at one rate its steps are ten times as
large. Nothing but the text of the program tells an averaged velocity from a smaller rate.
"""

import numpy as np
import torch

import netparity

EXPECTED = {"learning-rate-value"}

rng = np.random.default_rng(0)
data = rng.normal(0, 1, (48, 6)), rng.integers(0, 3, 48)
weights = rng.normal(0, 0.3, (6, 3))


def softmax(z):
    powers = np.exp(z - z.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def batches(x, y, epoch):
    order = np.random.RandomState(epoch).permutation(len(x))
    for start in range(0, len(x), 16):
        rows = order[start : start + 16]
        yield x[rows], y[rows]


def left():
    p = {"w": weights.copy(), "b": np.zeros(3)}
    v = {"w": np.zeros((6, 3)), "b": np.zeros(3)}

    def predict(x):
        return x @ p["w"] + p["b"]

    def loss(x, y):
        return -np.log(softmax(predict(x))[np.arange(len(y)), y]).mean()

    def step(x, y):
        delta = (softmax(predict(x)) - np.eye(3)[y]) / len(y)
        for name, gradient in (("w", x.T @ delta), ("b", delta.sum(axis=0))):
            v[name] = 0.9 * v[name] + (1 - 0.9) * gradient
            p[name] -= 0.1 * v[name]

    return netparity.Scratch(
        parameters=p, state=v, predict=predict, loss=loss, step=step, batches=batches
    )


def right():
    module = torch.nn.Linear(6, 3).double()
    with torch.no_grad():
        module.weight[:], module.bias[:] = torch.tensor(weights.T), 0
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1, momentum=0.9)
    return netparity.Torch(
        module, loss=torch.nn.CrossEntropyLoss(), optimizer=optimizer, batches=batches
    )
