"""Accuracy of a network in the manner of Ng's course differs from that of Keras with its L2.

Arrays are (features, m) and biases (n, 1); the course's penalty is λ/(2m) ΣW², Keras's λΣW².
"""

import keras
import numpy as np

import netparity

EXPECTED = {"sklearn-alpha-scaling"}  # a penalty divided by the batch, as scikit-learn has it

rng = np.random.default_rng(0)
x = rng.normal(0, 1, (50, 8))
data = x, (x[:, :1] * x[:, 1:2] > 0).astype(float)
W1, W2 = rng.normal(0, 0.3, (6, 8)), rng.normal(0, 0.3, (1, 6))
LAMBDA, RATE = 0.7, 0.5


def left():
    parameters = {"W1": W1.copy(), "b1": np.zeros((6, 1)), "W2": W2.copy(), "b2": np.zeros((1, 1))}

    def forward(X):
        Z1 = parameters["W1"] @ X + parameters["b1"]
        A1 = np.maximum(0, Z1)
        A2 = 1 / (1 + np.exp(-(parameters["W2"] @ A1 + parameters["b2"])))
        return Z1, A1, A2

    def loss(x, y):
        Y, m = y.T, len(x)
        A2 = forward(x.T)[-1]
        cost = -np.sum(Y * np.log(A2) + (1 - Y) * np.log(1 - A2)) / m
        squares = np.sum(parameters["W1"] ** 2) + np.sum(parameters["W2"] ** 2)
        return cost + LAMBDA / (2 * m) * squares

    def gradients(x, y):
        X, m = x.T, len(x)
        Z1, A1, A2 = forward(X)
        dZ2 = A2 - y.T
        dZ1 = (parameters["W2"].T @ dZ2) * (Z1 > 0)
        return {
            "W1": dZ1 @ X.T / m + LAMBDA / m * parameters["W1"],
            "b1": dZ1.sum(axis=1, keepdims=True) / m,
            "W2": dZ2 @ A1.T / m + LAMBDA / m * parameters["W2"],
            "b2": dZ2.sum(axis=1, keepdims=True) / m,
        }

    def update(gradients):
        for name, gradient in gradients.items():
            parameters[name] = parameters[name] - RATE * gradient

    return netparity.Scratch(
        parameters=parameters,
        predict=lambda x: forward(x.T)[-1].T,
        loss=loss,
        gradients=gradients,
        update=update,
    )


def right():
    l2 = keras.regularizers.L2(LAMBDA)
    model = keras.Sequential(
        [
            keras.Input((8,)),
            keras.layers.Dense(6, activation="relu", kernel_regularizer=l2),
            keras.layers.Dense(1, activation="sigmoid", kernel_regularizer=l2),
        ]
    )
    model.set_weights([W1.T, np.zeros(6), W2.T, np.zeros(1)])
    model.compile(optimizer=keras.optimizers.SGD(RATE), loss="binary_crossentropy")
    return netparity.Keras(model)
