"""What Keras and TF 1 compute, for the tests beside this file.

Run in a process of its own, since Keras's float width and ε are settings of the process:
``python frameworks_run.py inputs.npz outputs.npz``. Constants are exact in binary wherever
these frameworks round them to float32.
"""

import os
import sys

os.environ["KERAS_BACKEND"] = "tensorflow"

import keras
import numpy as np
import tensorflow as tf

keras.config.set_floatx("float64")
keras.config.set_dtype_policy("float64")
keras.config.set_epsilon(2.0**-24)

ACTIVATIONS = {
    "relu": keras.activations.relu,
    "leaky_relu": lambda x: keras.activations.leaky_relu(x, negative_slope=0.25),
    "elu": keras.activations.elu,
    "gelu": lambda x: keras.activations.gelu(x, approximate=False),
    "gelu_tanh": lambda x: keras.activations.gelu(x, approximate=True),
    "silu": keras.activations.silu,
    "softplus": keras.activations.softplus,
    "sigmoid": keras.activations.sigmoid,
    "tanh": keras.activations.tanh,
    "softmax": keras.activations.softmax,
    "log_softmax": keras.activations.log_softmax,
}
LOSSES = {
    "sparse_logits": ("classes", keras.losses.SparseCategoricalCrossentropy(from_logits=True)),
    "categorical_logits": ("soft", keras.losses.CategoricalCrossentropy(from_logits=True)),
    "binary_logits": ("soft", keras.losses.BinaryCrossentropy(from_logits=True)),
    "categorical": ("soft", keras.losses.CategoricalCrossentropy()),
    "binary": ("soft", keras.losses.BinaryCrossentropy()),
    "squared": ("soft", keras.losses.MeanSquaredError()),
    "squared_sum": ("soft", keras.losses.MeanSquaredError(reduction="sum")),
    "absolute": ("soft", keras.losses.MeanAbsoluteError()),
}
OPTIMIZERS = {
    "sgd": lambda: keras.optimizers.SGD(0.1),
    "momentum": lambda: keras.optimizers.SGD(0.1, momentum=0.875),
    "nesterov": lambda: keras.optimizers.SGD(0.1, momentum=0.875, nesterov=True),
    "momentum_decay": lambda: keras.optimizers.SGD(0.1, momentum=0.875, weight_decay=0.25),
    "adam": lambda: keras.optimizers.Adam(0.1, 0.875, 0.984375, epsilon=2.0**-20),
    "adam_amsgrad": lambda: keras.optimizers.Adam(
        0.1, 0.875, 0.984375, epsilon=2.0**-20, amsgrad=True
    ),
    "adam_decay": lambda: keras.optimizers.Adam(
        0.1, 0.875, 0.984375, epsilon=2.0**-20, weight_decay=0.25
    ),
    "adam_default": lambda: keras.optimizers.Adam(),
}
TF1_OPTIMIZERS = {
    "sgd": lambda: tf.compat.v1.train.GradientDescentOptimizer(0.125),
    "momentum": lambda: tf.compat.v1.train.MomentumOptimizer(0.125, 0.875),
    "nesterov": lambda: tf.compat.v1.train.MomentumOptimizer(0.125, 0.875, use_nesterov=True),
    "adam": lambda: tf.compat.v1.train.AdamOptimizer(0.125, 0.5, 0.75, 2.0**-20),
    "adam_default": lambda: tf.compat.v1.train.AdamOptimizer(),
}
INITIALIZERS = {
    "glorot_uniform": keras.initializers.GlorotUniform(0),
    "glorot_normal": keras.initializers.GlorotNormal(1),
    "he_uniform": keras.initializers.HeUniform(2),
    "he_normal": keras.initializers.HeNormal(3),
    "lecun_uniform": keras.initializers.LecunUniform(4),
    "lecun_normal": keras.initializers.LecunNormal(5),
    "keras_random_normal": keras.initializers.RandomNormal(seed=6),
    "keras_random_uniform": keras.initializers.RandomUniform(seed=7),
    "keras_truncated_normal": keras.initializers.TruncatedNormal(seed=8),
    "zeros": keras.initializers.Zeros(),
    "ones": keras.initializers.Ones(),
}


def main(inputs: str, outputs: str) -> None:
    given, found = np.load(inputs), {}
    for name, function in ACTIVATIONS.items():
        x = tf.constant(given["x"])
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = function(x)
        found[f"activation/{name}/y"] = y
        found[f"activation/{name}/dx"] = tape.gradient(y, x, output_gradients=given["dy"])
    for name, (target, loss) in LOSSES.items():
        x = tf.constant(given["logits" if "logits" in name else "probabilities"])
        with tf.GradientTape() as tape:
            tape.watch(x)
            value = loss(given[target], x)
        found[f"loss/{name}/value"] = value
        found[f"loss/{name}/gradient"] = tape.gradient(value, x)
    for name, make in OPTIMIZERS.items():
        variable, optimizer = keras.Variable(given["start"]), make()
        for gradient in given["gradients"]:
            optimizer.apply([tf.constant(gradient)], [variable])
        found[f"keras/{name}"] = variable.numpy()
    for name, make in TF1_OPTIMIZERS.items():
        with tf.Graph().as_default():
            placeholder = tf.compat.v1.placeholder(tf.float64)
            variable = tf.compat.v1.Variable(given["start"], use_resource=True)
            placeholder.set_shape(variable.shape)
            update = make().apply_gradients([(placeholder, variable)])
            with tf.compat.v1.Session() as session:
                session.run(tf.compat.v1.global_variables_initializer())
                for gradient in given["gradients"]:
                    session.run(update, {placeholder: gradient})
                found[f"tf1/{name}"] = session.run(variable)
    for name, initializer in INITIALIZERS.items():
        found[f"law/{name}"] = initializer((100, 200))
    tf.random.set_seed(9)
    found["law/tf1_truncated_normal"] = tf.random.truncated_normal((100, 200), dtype="float64")
    found["law/tf1_random_normal"] = tf.random.normal((100, 200), dtype="float64")
    np.savez(outputs, **{name: np.asarray(value) for name, value in found.items()})


if __name__ == "__main__":
    main(*sys.argv[1:])
