"""A network of two sigmoid layers learns in NumPy, but slower than in PyTorch.

The commonest mistake of all: the derivative σ(a)(1 − σ(a)) is taken at a layer's output, which has
gone through σ already.
"""

import numpy as np
import torch

import netparity

EXPECTED = {"gradient-wrong"}

rng = np.random.default_rng(0)
data = rng.random((30, 5)), rng.random((30, 2))
shapes = ((5, 6), (1, 6), (6, 2), (1, 2))
weights = [rng.normal(0, 0.7, shape) for shape in shapes]


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def slope(z):
    return sigmoid(z) * (1 - sigmoid(z))


def left():
    p = {n: w.copy() for n, w in zip(("W1", "b1", "W2", "b2"), weights, strict=True)}

    def forward(x):
        hidden = sigmoid(x @ p["W1"] + p["b1"])
        return hidden, sigmoid(hidden @ p["W2"] + p["b2"])

    def gradients(x, y):
        hidden, out = forward(x)
        last = 2 * (out - y) / y.size * slope(out)
        first = last @ p["W2"].T * slope(hidden)
        return {
            "W1": x.T @ first,
            "b1": first.sum(0, keepdims=True),
            "W2": hidden.T @ last,
            "b2": last.sum(0, keepdims=True),
        }

    def update(gradients):
        for name, gradient in gradients.items():
            p[name] -= 0.5 * gradient

    return netparity.Scratch(
        parameters=p,
        predict=lambda x: forward(x)[1],
        loss=lambda x, y: np.mean((forward(x)[1] - y) ** 2),
        gradients=gradients,
        update=update,
    )


def right():
    module = torch.nn.Sequential(
        torch.nn.Linear(5, 6), torch.nn.Sigmoid(), torch.nn.Linear(6, 2), torch.nn.Sigmoid()
    ).double()
    with torch.no_grad():
        for parameter, value in zip(module.parameters(), weights, strict=True):
            parameter[:] = torch.tensor(value.T.reshape(parameter.shape))
    optimizer = torch.optim.SGD(module.parameters(), lr=0.5)
    return netparity.Torch(module, loss=torch.nn.MSELoss(), optimizer=optimizer)
