"""ReLU regression learns in Keras and hardly in PyTorch, with the same weights and Adam.

discuss.pytorch.org/t/160720, "400 % higher error with PyTorch compared with identical Keras model":
the targets are (N,), the predictions (N, 1); Keras lines them up, ``nn.MSELoss`` broadcasts.
Besides, Keras places Adam's ε otherwise.
"""

import keras
import numpy as np
import torch

import netparity

EXPECTED = {"label-shape-broadcast", "adam-epsilon-placement"}

rng = np.random.default_rng(0)
x = rng.normal(0, 1, (64, 10))
data = x, np.sin(x).sum(axis=1)
weights = [rng.normal(0, 0.3, (10, 12)), np.zeros(12), rng.normal(0, 0.3, (12, 1)), np.zeros(1)]


def left():
    model = keras.Sequential(
        [keras.Input((10,)), keras.layers.Dense(12, activation="relu"), keras.layers.Dense(1)]
    )
    model.set_weights(weights)
    model.compile(optimizer=keras.optimizers.Adam(0.001, epsilon=1e-8), loss="mse")
    return netparity.Keras(model)


def right():
    module = torch.nn.Sequential(
        torch.nn.Linear(10, 12), torch.nn.ReLU(), torch.nn.Linear(12, 1)
    ).double()
    with torch.no_grad():
        for parameter, value in zip(module.parameters(), weights, strict=True):
            parameter[:] = torch.tensor(value.T)
    optimizer = torch.optim.Adam(module.parameters(), lr=0.001)
    return netparity.Torch(module, loss=torch.nn.MSELoss(), optimizer=optimizer)
