"""Scores of a convolution in four nested loops are close to PyTorch's, and not the same.

The images are flat rows, one channel has no axis in the kernels (filters, 3, 3), and the windows
of the pool are averaged on one side.
"""

import numpy as np
import torch

import netparity

EXPECTED = {"activation-kind"}

rng = np.random.default_rng(0)
data = rng.random((8, 36)), rng.integers(0, 4, 8)
filters, biases = rng.normal(0, 0.3, (3, 3, 3)), rng.normal(0, 0.1, 3)
weights, last = rng.normal(0, 0.2, (12, 4)), rng.normal(0, 0.1, 4)


def left():
    p = {"filters": filters.copy(), "fb": biases.copy(), "W": weights.copy(), "b": last.copy()}

    def scores(row):
        image, maps = row.reshape(6, 6), np.zeros((3, 4, 4))
        for f in range(3):
            for i in range(4):
                for j in range(4):
                    window = image[i : i + 3, j : j + 3]
                    maps[f, i, j] = max(0, np.sum(window * p["filters"][f]) + p["fb"][f])
        pooled = maps.reshape(3, 2, 2, 2, 2).mean(axis=(2, 4))
        return pooled.reshape(-1) @ p["W"] + p["b"]

    return netparity.Scratch(parameters=p, predict=lambda x: np.stack([scores(r) for r in x]))


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.pool = torch.nn.Conv2d(1, 3, 3), torch.nn.MaxPool2d(2)
        self.fc = torch.nn.Linear(12, 4)

    def forward(self, x):
        x = self.pool(torch.relu(self.conv(x.view(-1, 1, 6, 6))))
        return self.fc(torch.flatten(x, 1))


def right():
    module = Net().double()
    with torch.no_grad():
        module.conv.weight[:] = torch.tensor(filters[:, np.newaxis])
        module.conv.bias[:] = torch.tensor(biases)
        module.fc.weight[:], module.fc.bias[:] = torch.tensor(weights.T), torch.tensor(last)
    return netparity.Torch(module)
