"""A GRU from Wikipedia's formulas does not give PyTorch's output with its weights.

stackoverflow.com/q/64031287: Wikipedia's update gate lets the new value through, that of PyTorch
and Keras the old one. Its author has the forward pass alone.
"""

import numpy as np
import torch

import netparity

EXPECTED = {"gru-update-gate"}

rng = np.random.default_rng(0)
data = rng.normal(0, 1, (12, 5, 3)), rng.normal(0, 1, (12, 2))
kernel, recurrent = rng.normal(0, 0.5, (3, 12)), rng.normal(0, 0.5, (4, 12))
biases, last = rng.normal(0, 0.2, 12), rng.normal(0, 0.5, (4, 2))


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def left():
    p = {"V": last.copy(), "c": np.zeros(2)}
    for index, gate in enumerate("rzn"):
        part = slice(4 * index, 4 * index + 4)
        p |= {f"W{gate}": kernel[:, part].copy(), f"U{gate}": recurrent[:, part].copy()}
        p[f"b{gate}"] = biases[part].copy()

    def predict(x):
        h = np.zeros((len(x), 4))
        for t in range(x.shape[1]):
            r = sigmoid(x[:, t] @ p["Wr"] + h @ p["Ur"] + p["br"])
            z = sigmoid(x[:, t] @ p["Wz"] + h @ p["Uz"] + p["bz"])
            n = np.tanh(x[:, t] @ p["Wn"] + r * (h @ p["Un"]) + p["bn"])
            h = (1 - z) * h + z * n
        return h @ p["V"] + p["c"]

    return netparity.Scratch(parameters=p, predict=predict)


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.gru = torch.nn.GRU(3, 4, batch_first=True)
        self.fc = torch.nn.Linear(4, 2)

    def forward(self, x):
        return self.fc(self.gru(x)[0][:, -1])


def right():
    module = Net().double()
    with torch.no_grad():
        module.gru.weight_ih_l0[:] = torch.tensor(kernel.T)
        module.gru.weight_hh_l0[:] = torch.tensor(recurrent.T)
        module.gru.bias_ih_l0[:], module.gru.bias_hh_l0[:] = torch.tensor(biases), 0
        module.fc.weight[:], module.fc.bias[:] = torch.tensor(last.T), 0
    return netparity.Torch(module)
