"""A port from Keras of ReLU6, mish and RMS normalization to PyTorch with ReLU is close, not equal.

PyTorch's RMSNorm takes the ε of its dtype where none is given.
"""

import keras
import numpy as np
import torch

import netparity

EXPECTED = {"activation-kind", "rmsnorm-epsilon"}

rng = np.random.default_rng(0)
data = rng.normal(0, 3, (40, 6)), rng.normal(0, 1, (40, 3))
weights = [
    rng.normal(0, 1, (6, 8)), np.zeros(8), rng.normal(0, 0.3, (8, 8)), np.zeros(8), np.ones(8),
    rng.normal(0, 0.3, (8, 3)), np.zeros(3),
]  # fmt: skip


def left():
    model = keras.Sequential(
        [
            keras.Input((6,)),
            keras.layers.Dense(8, activation="relu6"),
            keras.layers.Dense(8, activation="mish"),
            keras.layers.RMSNormalization(),
            keras.layers.Dense(3),
        ]
    )
    model.set_weights(weights)
    return netparity.Keras(model)


def right():
    module = torch.nn.Sequential(
        torch.nn.Linear(6, 8), torch.nn.ReLU(), torch.nn.Linear(8, 8), torch.nn.Mish(),
        torch.nn.RMSNorm(8), torch.nn.Linear(8, 3),
    ).double()  # fmt: skip
    with torch.no_grad():
        for parameter, value in zip(module.parameters(), weights, strict=True):
            parameter[:] = torch.tensor(value.T)
    return netparity.Torch(module)
