"""Probabilities of a (features, m) network do not add up to one for each row.

The exponentials are divided by their sum over the batch: axis 1 where columns are rows.
"""

import numpy as np
import torch

import netparity

EXPECTED = {"softmax-axis"}

rng = np.random.default_rng(0)
data = rng.normal(0, 1, (30, 6)), rng.integers(0, 4, 30)
weights = [rng.normal(0, 0.5, shape) for shape in ((7, 6), (7, 1), (4, 7), (4, 1))]


def left():
    W1, b1, W2, b2 = (w.copy() for w in weights)

    def forward(X):
        powers = np.exp(W2 @ np.tanh(W1 @ X + b1) + b2)
        return powers / powers.sum(axis=1, keepdims=True)

    return netparity.Scratch(
        parameters={"W1": W1, "b1": b1, "W2": W2, "b2": b2},
        predict=lambda x: forward(x.T).T,
        loss=lambda x, y: -np.mean(np.log(forward(x.T)[y, np.arange(len(y))])),
    )


def right():
    module = torch.nn.Sequential(
        torch.nn.Linear(6, 7), torch.nn.Tanh(), torch.nn.Linear(7, 4), torch.nn.Softmax(dim=1)
    ).double()
    with torch.no_grad():
        for parameter, value in zip(module.parameters(), weights, strict=True):
            parameter[:] = torch.tensor(value.reshape(parameter.shape))
    return netparity.Torch(module, loss=lambda p, y: torch.nn.functional.nll_loss(torch.log(p), y))
