"""A convolution with SciPy, image by image, does not give PyTorch's output with its kernels.

scipy.signal.convolve2d turns the kernel by 180°, as mathematics has it; frameworks correlate.
"""

import numpy as np
import torch
from scipy.signal import convolve2d

import netparity

EXPECTED = {"conv-correlation"}

rng = np.random.default_rng(0)
data = rng.random((12, 1, 6, 6)), rng.integers(0, 4, 12)
filters, biases = rng.normal(0, 0.3, (3, 1, 3, 3)), rng.normal(0, 0.1, (3, 1))
weights, last = rng.normal(0, 0.2, (4, 48)), rng.normal(0, 0.1, (4, 1))


def left():
    p = {"filters": filters.copy(), "fb": biases.copy(), "W": weights.copy(), "b": last.copy()}

    def scores(image):
        maps = [
            convolve2d(image[0], kernel[0], mode="valid") + bias
            for kernel, bias in zip(p["filters"], p["fb"], strict=True)
        ]
        column = np.maximum(0, np.stack(maps)).reshape(-1, 1)
        return (p["W"] @ column + p["b"])[:, 0]

    return netparity.Scratch(parameters=p, predict=lambda x: np.stack([scores(i) for i in x]))


def right():
    module = torch.nn.Sequential(
        torch.nn.Conv2d(1, 3, 3), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(48, 4)
    ).double()
    with torch.no_grad():
        module[0].weight[:] = torch.tensor(filters)
        module[0].bias[:] = torch.tensor(biases[:, 0])
        module[3].weight[:], module[3].bias[:] = torch.tensor(weights), torch.tensor(last[:, 0])
    return netparity.Torch(module)
