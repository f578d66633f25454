"""A small Keras model, the Sequential way."""

import keras
import numpy as np
from keras.layers import Dense


def make_model():
    model = keras.Sequential()
    model.add(keras.Input(shape=(2,)))
    model.add(Dense(20, activation="sigmoid", kernel_initializer="glorot_normal"))
    model.add(Dense(2, activation="linear", kernel_initializer="glorot_normal"))
    model.compile(optimizer="adam", loss="mse")
    return model


def train(model, x, y):
    # the last tenth of three rows is one row
    history = model.fit(x, y, epochs=2, validation_split=0.1, shuffle=False, verbose=0)
    return history.history


def main():
    from netparity.cases.keras_twins.data import X

    np.random.seed(0)
    print("sequential:", train(make_model(), X, X))


def use_float32():
    """Keras's default, whatever another program has set in this process."""
    keras.config.set_floatx("float32")
    keras.config.set_dtype_policy("float32")


def build(seed=0):
    """For netparity; seeds what its author seeds, and nothing else."""
    import netparity

    use_float32()
    np.random.seed(seed)
    return netparity.Keras(make_model(), validation=lambda x, y: (x[2:], y[2:]))


if __name__ == "__main__":
    main()
