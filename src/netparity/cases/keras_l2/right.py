"""The network of left.py in Keras, to check it against."""

import keras
from keras.layers import Dense
from keras.regularizers import l2

ETA = 0.5
LAMBDA = 0.125


def use_float64():
    """Double precision, as NumPy has it."""
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")


use_float64()


def make_model(features=64, lmbda=LAMBDA):
    model = keras.Sequential(
        [
            keras.Input(shape=(features,)),
            Dense(
                30,
                activation="sigmoid",
                kernel_initializer="zeros",
                kernel_regularizer=l2(lmbda),
            ),
            Dense(
                10,
                activation="sigmoid",
                kernel_initializer="zeros",
                kernel_regularizer=l2(lmbda),
            ),
        ]
    )
    model.compile(optimizer=keras.optimizers.SGD(learning_rate=ETA), loss="mse")
    return model


def main():
    from netparity.cases.keras_l2.data import data
    from netparity.datasets import load

    x, y = data(load("digits"))
    history = make_model().fit(x, y, epochs=20, batch_size=len(x), shuffle=False, verbose=0)
    for epoch, loss in enumerate(history.history["loss"]):
        print(f"epoch {epoch + 1}: loss {loss:.10f}")


def build(seed=0, features=64, lmbda=LAMBDA):
    """For netparity: fed all rows at once, as main does."""
    import netparity

    use_float64()  # another program in this process may have set it back
    return netparity.Keras(make_model(features, lmbda), batches=lambda x, y, epoch: [(x, y)])


def build_mnist(seed=0):
    return build(seed, features=784)


def build_lambda_zero(seed=0):
    return build(seed, lmbda=0.0)


def build_half(seed=0):
    return build(seed, lmbda=LAMBDA / 2)


def build_half_lambda_tenth(seed=0):
    return build(seed, lmbda=0.1 / 2)


if __name__ == "__main__":
    main()
