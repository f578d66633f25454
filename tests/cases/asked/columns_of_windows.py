"""A convolution by im2col on flat images needs another learning rate than the same in PyTorch.

The kernel is a matrix, one row for each filter; both programs reshape flat rows to images. The
NumPy loss is a sum over the batch, PyTorch's a mean.
"""

import numpy as np
import torch

import netparity

EXPECTED = {"ce-reduction"}

rng = np.random.default_rng(0)
data = rng.random((16, 36)), rng.integers(0, 3, 16)
kernel, biases = rng.normal(0, 0.3, (2, 9)), rng.normal(0, 0.1, 2)
weights, last = rng.normal(0, 0.2, (32, 3)), rng.normal(0, 0.1, 3)
RATE = 0.01


def im2col(images):
    windows = [images[:, i : i + 4, j : j + 4] for i in range(3) for j in range(3)]
    return np.stack(windows, axis=1).reshape(len(images), 9, 16)


def softmax(z):
    powers = np.exp(z - z.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def left():
    names = ("W1", "b1", "W2", "b2")
    p = {n: a.copy() for n, a in zip(names, (kernel, biases, weights, last), strict=True)}

    def forward(x):
        columns = im2col(x.reshape(-1, 6, 6))
        z = p["W1"] @ columns + p["b1"][:, np.newaxis]
        hidden = np.maximum(z, 0).reshape(len(x), -1)
        return columns, z, hidden, hidden @ p["W2"] + p["b2"]

    def loss(x, y):
        return -np.log(softmax(forward(x)[3])[np.arange(len(y)), y]).sum()

    def gradients(x, y):
        columns, z, hidden, scores = forward(x)
        delta = softmax(scores) - np.eye(3)[y]
        dz = (delta @ p["W2"].T).reshape(z.shape) * (z > 0)
        return {
            "W1": np.einsum("nfp,nkp->fk", dz, columns),
            "b1": dz.sum(axis=(0, 2)),
            "W2": hidden.T @ delta,
            "b2": delta.sum(axis=0),
        }

    def update(gradients):
        for name, gradient in gradients.items():
            p[name] -= RATE * gradient

    return netparity.Scratch(
        parameters=p,
        predict=lambda x: forward(x)[3],
        loss=loss,
        gradients=gradients,
        update=update,
    )


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = torch.nn.Conv2d(1, 2, 3)
        self.fc = torch.nn.Linear(32, 3)

    def forward(self, x):
        x = torch.relu(self.conv(x.view(-1, 1, 6, 6)))
        return self.fc(torch.flatten(x, 1))


def right():
    module = Net().double()
    with torch.no_grad():
        module.conv.weight[:] = torch.tensor(kernel.reshape(2, 1, 3, 3))
        module.conv.bias[:] = torch.tensor(biases)
        module.fc.weight[:], module.fc.bias[:] = torch.tensor(weights.T), torch.tensor(last)
    optimizer = torch.optim.SGD(module.parameters(), lr=RATE)
    return netparity.Torch(module, loss=torch.nn.CrossEntropyLoss(), optimizer=optimizer)
