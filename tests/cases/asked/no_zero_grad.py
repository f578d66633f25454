"""A loop in PyTorch that never clears its gradients diverges where the same in NumPy learns."""

import numpy as np
import torch

import netparity

EXPECTED = {"gradients-not-zeroed"}

rng = np.random.default_rng(0)
data = rng.normal(0, 1, (40, 12)), rng.integers(0, 4, 40)
weights = rng.normal(0, 0.3, (12, 4))


def softmax(z):
    powers = np.exp(z - z.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def left():
    w, b = weights.copy(), np.zeros(4)

    def predict(x):
        return x @ w + b

    def step(x, y):
        delta = (softmax(predict(x)) - np.eye(4)[y]) / len(y)
        w[:] -= 0.05 * x.T @ delta
        b[:] -= 0.05 * delta.sum(axis=0)

    return netparity.Scratch(
        parameters={"w": w, "b": b},
        predict=predict,
        loss=lambda x, y: -np.log(softmax(predict(x))[np.arange(len(y)), y]).mean(),
        step=step,
    )


def right():
    module = torch.nn.Linear(12, 4).double()
    with torch.no_grad():
        module.weight[:], module.bias[:] = torch.tensor(weights.T), 0
    criterion, optimizer = (
        torch.nn.CrossEntropyLoss(),
        torch.optim.SGD(module.parameters(), lr=0.05),
    )

    def train_step(x, y):
        criterion(module(x), y).backward()
        optimizer.step()

    return netparity.Torch(module, loss=criterion, optimizer=optimizer, train_step=train_step)
