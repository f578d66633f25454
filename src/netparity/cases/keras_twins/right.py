"""The same small Keras model with the functional API."""

import keras
import numpy as np
from keras.layers import Dense

from netparity.cases.keras_twins.left import train, use_float32


def make_model():
    inputs = keras.Input(shape=(2,))
    hidden = Dense(20, activation="sigmoid", kernel_initializer="glorot_normal")(inputs)
    outputs = Dense(2, activation="linear", kernel_initializer="glorot_normal")(hidden)
    model = keras.Model(inputs, outputs)
    model.compile(optimizer="adam", loss="mse")
    return model


def main():
    from netparity.cases.keras_twins.data import X

    np.random.seed(0)
    print("functional:", train(make_model(), X, X))


def build(seed=0):
    """For netparity; seeds what its author seeds, and nothing else."""
    import netparity

    use_float32()
    np.random.seed(seed)
    return netparity.Keras(make_model(), validation=lambda x, y: (x[2:], y[2:]))


if __name__ == "__main__":
    main()
