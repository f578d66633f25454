"""Exercise 4 of Ng's machine learning course, all in one vector, against PyTorch's weight decay.

Each Theta has its biases as first column, which the exercise leaves out of the penalty; the
optimizer of PyTorch decays all it is given. The vector is handed over as views of it.
"""

import numpy as np
import torch

import netparity

EXPECTED = {"weight-decay-bias"}

rng = np.random.default_rng(0)
data = rng.normal(0, 1, (40, 6)), rng.integers(0, 3, 40)
start = rng.normal(0, 0.3, 53)
LAMBDA, RATE = 0.05, 0.3


def thetas(vector):
    return vector[:35].reshape(5, 7), vector[35:].reshape(3, 6)


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def left():
    nn_params = start.copy()

    def forward(X):
        Theta1, Theta2 = thetas(nn_params)
        a1 = np.hstack([np.ones((len(X), 1)), X])
        a2 = np.hstack([np.ones((len(X), 1)), sigmoid(a1 @ Theta1.T)])
        return a1, a2, sigmoid(a2 @ Theta2.T)

    def loss(X, y):
        Theta1, Theta2 = thetas(nn_params)
        Y, h = np.eye(3)[y], forward(X)[2]
        cost = -np.sum(Y * np.log(h) + (1 - Y) * np.log(1 - h)) / len(X)
        return cost + LAMBDA / 2 * (np.sum(Theta1[:, 1:] ** 2) + np.sum(Theta2[:, 1:] ** 2))

    def gradients(X, y):
        Theta1, Theta2 = thetas(nn_params)
        a1, a2, h = forward(X)
        d3 = h - np.eye(3)[y]
        d2 = (d3 @ Theta2[:, 1:]) * a2[:, 1:] * (1 - a2[:, 1:])
        grad1, grad2 = d2.T @ a1 / len(X), d3.T @ a2 / len(X)
        grad1[:, 1:] += LAMBDA * Theta1[:, 1:]
        grad2[:, 1:] += LAMBDA * Theta2[:, 1:]
        return {"Theta1": grad1, "Theta2": grad2}

    def update(gradients):
        flat = np.concatenate([gradients["Theta1"].ravel(), gradients["Theta2"].ravel()])
        nn_params[:] -= RATE * flat

    return netparity.Scratch(
        parameters=dict(zip(("Theta1", "Theta2"), thetas(nn_params), strict=True)),
        predict=lambda x: forward(x)[2],
        loss=loss,
        gradients=gradients,
        update=update,
    )


def right():
    module = torch.nn.Sequential(
        torch.nn.Linear(6, 5), torch.nn.Sigmoid(), torch.nn.Linear(5, 3), torch.nn.Sigmoid()
    ).double()
    with torch.no_grad():
        for layer, theta in zip((module[0], module[2]), thetas(start), strict=True):
            layer.weight[:], layer.bias[:] = torch.tensor(theta[:, 1:]), torch.tensor(theta[:, 0])

    def loss(prediction, y):
        targets = torch.nn.functional.one_hot(y, 3).to(prediction.dtype)
        return torch.nn.functional.binary_cross_entropy(prediction, targets, reduction="sum") / len(
            y
        )

    optimizer = torch.optim.SGD(module.parameters(), lr=RATE, weight_decay=LAMBDA)
    return netparity.Torch(module, loss=loss, optimizer=optimizer)
