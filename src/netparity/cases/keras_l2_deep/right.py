"""The deeper network in Keras, started from the very weights of left.py."""

import keras
from keras.layers import Dense

from netparity.cases.keras_l2_deep.left import ETA, SIZES, draw


def use_float64():
    """Double precision, as NumPy has it."""
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")


use_float64()


def make_model(sizes, seed):
    model = keras.Sequential([keras.Input(shape=(sizes[0],))])
    for units in sizes[1:]:
        model.add(Dense(units, activation="sigmoid"))
    model.compile(optimizer=keras.optimizers.SGD(learning_rate=ETA), loss="mse")
    for layer, w, b in zip(model.layers, *draw(sizes, seed)):
        layer.set_weights([w.T, b[:, 0]])
    return model


def main():
    from netparity.cases.keras_l2_deep.data import data
    from netparity.datasets import load

    x, y = data(load("digits"))
    model = make_model(SIZES, seed=0)
    history = model.fit(x, y, epochs=20, batch_size=len(x), shuffle=False, verbose=0)
    for epoch, loss in enumerate(history.history["loss"]):
        print(f"epoch {epoch + 1}: loss {loss:.10f}")


def build(seed=0, sizes=SIZES):
    """For netparity: fed all rows at once, as main does."""
    import netparity

    use_float64()  # another program in this process may have set it back
    return netparity.Keras(make_model(sizes, seed), batches=lambda x, y, epoch: [(x, y)])


def build_two_layers(seed=0):
    return build(seed, [64, 64, 10])


def build_unequal(seed=0):
    return build(seed, [64, 48, 32, 10])


if __name__ == "__main__":
    main()
