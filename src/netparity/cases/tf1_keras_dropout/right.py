"""The TensorFlow 1 classifier, ported to Keras."""

import keras
from keras.initializers import GlorotUniform, RandomNormal
from keras.layers import Dense, Dropout

DROPOUT = 0.7
BATCH_SIZE = 100
EPOCHS = 30


def dense(units, seed, activation=None):
    # a seeded initializer gives the same numbers at each use: every layer needs its own
    return Dense(
        units,
        activation=activation,
        kernel_initializer=GlorotUniform(seed=seed),
        bias_initializer=RandomNormal(mean=0.0, stddev=1.0, seed=seed + 1),
    )


def make_model(n_input, seed, dropout=DROPOUT):
    seed = 1000 * seed
    model = keras.Sequential()
    model.add(keras.Input(shape=(n_input,)))
    for i in range(1, 5):
        model.add(dense(256, seed + 2 * i, activation="relu"))
        model.add(Dropout(dropout, seed=seed + 100 + i))
    model.add(dense(10, seed + 50))
    model.compile(
        optimizer=keras.optimizers.Adam(0.001, epsilon=1e-8),  # the epsilon of TensorFlow
        loss=keras.losses.CategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    return model


def batches(x, y, epoch):
    """What the TensorFlow program is fed, in every epoch."""
    return [(x[i : i + BATCH_SIZE], y[i : i + BATCH_SIZE]) for i in range(0, len(x), BATCH_SIZE)]


def train(model, x, y, epochs, **options):
    # without shuffling fit feeds the very batches of the TensorFlow program
    return model.fit(x, y, batch_size=BATCH_SIZE, epochs=epochs, shuffle=False, **options)


def main():
    from netparity.cases.tf1_keras_dropout.data import everything
    from netparity.datasets import load

    x, y, x_test, y_test = everything(load("digits"))
    model = make_model(x.shape[1], seed=0)
    train(model, x, y, EPOCHS, verbose=2)
    print("test accuracy {:.4f}".format(model.evaluate(x_test, y_test, verbose=0)[1]))


def use_float32():
    """The precision of the graph, whatever another program has set in this process."""
    keras.config.set_floatx("float32")
    keras.config.set_dtype_policy("float32")


def build(seed=0, n_input=64, dropout=DROPOUT):
    """For netparity."""
    import netparity

    use_float32()
    return netparity.Keras(make_model(n_input, seed, dropout), batches=batches)


def build_mnist(seed=0):
    return build(seed, n_input=784)


def build_rate(seed=0):
    return build(seed, dropout=0.3)


if __name__ == "__main__":
    main()
