"""MLPRegressor and Keras with the same settings end with other errors.

stackoverflow.com/q/53633838 and q/68244742: scikit-learn trains on half the squared error, and
divides alpha by the rows of the batch.
"""

import keras
import numpy as np
from sklearn.neural_network import MLPRegressor

import netparity

EXPECTED = {"mse-reduction", "sklearn-alpha-scaling"}

rng = np.random.default_rng(0)
x = rng.normal(0, 1, (60, 6))
data = x, x @ rng.normal(0, 1, 6) + 0.1


def fitted():
    return MLPRegressor(
        hidden_layer_sizes=(10,), activation="logistic", solver="sgd", alpha=1.0, max_iter=1,
        learning_rate_init=0.01, batch_size=20, shuffle=False, random_state=0,
    ).fit(*data)  # fmt: skip


def left():
    return netparity.Sklearn(fitted())


def right():
    known = fitted()
    l2 = keras.regularizers.L2(1.0)
    model = keras.Sequential(
        [
            keras.Input((6,)),
            keras.layers.Dense(10, activation="sigmoid", kernel_regularizer=l2),
            keras.layers.Dense(1, kernel_regularizer=l2),
        ]
    )
    pairs = zip(known.coefs_, known.intercepts_, strict=True)
    model.set_weights([array for pair in pairs for array in pair])
    model.compile(keras.optimizers.SGD(0.01, momentum=0.9, nesterov=True), "mean_squared_error")

    def batches(x, y, epoch):
        for start in range(0, len(x), 20):
            yield x[start : start + 20], y[start : start + 20]

    return netparity.Keras(model, batches=batches)
