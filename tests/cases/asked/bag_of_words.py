"""A bag of words in NumPy does not give the scores of the same in PyTorch.

The one adds the words' vectors up, the other takes their mean.
"""

import numpy as np
import torch

import netparity

EXPECTED = {"sequence-pooling"}

rng = np.random.default_rng(0)
data = rng.integers(0, 12, (24, 6)), rng.integers(0, 2, (24, 1)).astype(float)
vectors, weights = rng.normal(0, 0.3, (12, 5)), rng.normal(0, 0.3, (5, 1))


def left():
    p = {"vectors": vectors.copy(), "weights": weights.copy(), "bias": np.zeros(1)}

    def predict(x):
        return 1 / (1 + np.exp(-(p["vectors"][x].sum(axis=1) @ p["weights"] + p["bias"])))

    def loss(x, y):
        a = predict(x)
        return -np.mean(y * np.log(a) + (1 - y) * np.log(1 - a))

    return netparity.Scratch(parameters=p, predict=predict, loss=loss)


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.vectors = torch.nn.Embedding(12, 5)
        self.fc = torch.nn.Linear(5, 1)

    def forward(self, x):
        return torch.sigmoid(self.fc(self.vectors(x).mean(dim=1)))


def right():
    module = Net().double()
    with torch.no_grad():
        module.vectors.weight[:] = torch.tensor(vectors)
        module.fc.weight[:], module.fc.bias[:] = torch.tensor(weights.T), 0
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
    return netparity.Torch(module, loss=torch.nn.BCELoss(), optimizer=optimizer)
