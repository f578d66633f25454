"""What Keras, TF 1 and Flax compute with images, for test_convolution and test_pooling.

Run in a process of its own, since Keras's float width and JAX's are settings of the process:
``python convolution_run.py inputs.npz outputs.npz``. Computes the cases whose inputs are there:
``<case>/x``, ``<case>/dy`` and, for layers with parameters, ``<case>/weight`` and
``<case>/bias``, in the framework's own layout.
"""

import os
import sys

os.environ["KERAS_BACKEND"] = "tensorflow"

import keras
import numpy as np
import tensorflow as tf

try:
    import flax.linen
    import jax
except ImportError:
    flax = jax = None

keras.config.set_floatx("float64")
keras.config.set_dtype_policy("float64")
layers = keras.layers

KERAS = {
    "keras/valid": lambda: layers.Conv2D(6, 3),
    "keras/same_even_size": lambda: layers.Conv2D(6, 3, strides=2, padding="same"),
    "keras/same_even_kernel": lambda: layers.Conv2D(6, (2, 4), padding="same"),
    "keras/depthwise": lambda: layers.DepthwiseConv2D(
        3, strides=2, padding="same", depth_multiplier=2
    ),
    "keras/transpose_valid": lambda: layers.Conv2DTranspose(6, 3, strides=2),
    "keras/transpose_same": lambda: layers.Conv2DTranspose(6, 3, strides=2, padding="same"),
    "keras/transpose_same_even_kernel": lambda: layers.Conv2DTranspose(6, 4, padding="same"),
    "keras/transpose_wide_stride": lambda: layers.Conv2DTranspose(6, 2, strides=3),
    "keras/transpose_same_wide_stride": lambda: layers.Conv2DTranspose(
        6, 2, strides=3, padding="same"
    ),
    "keras/max": lambda: layers.MaxPooling2D(2),
    "keras/max_same": lambda: layers.MaxPooling2D(3, 2, padding="same"),
    "keras/average": lambda: layers.AveragePooling2D(2),
    "keras/average_same": lambda: layers.AveragePooling2D(3, 2, padding="same"),
    "keras/average_global": lambda: layers.GlobalAveragePooling2D(),
    "keras/nearest": lambda: layers.UpSampling2D(2),
    "keras/bilinear": lambda: layers.UpSampling2D(2, interpolation="bilinear"),
    "keras/flatten": lambda: layers.Flatten(),
}
FUNCTIONS = {
    "tf1/bilinear": lambda x: tf.compat.v1.image.resize_bilinear(x, (12, 14)),
    "tf/max_same": lambda x: tf.nn.max_pool2d(x, 3, 2, "SAME"),
    "tf/average_same": lambda x: tf.nn.avg_pool2d(x, 3, 2, "SAME"),
    "tf/reduce_max": lambda x: tf.reduce_max(tf.reshape(x, (2, 3, 2, 3, 2, 4)), (2, 4)),
}


def flax_cases():
    linen, image = flax.linen, jax.image
    modules = {
        "flax/default": linen.Conv(6, (3, 3)),
        "flax/same_even_size": linen.Conv(6, (3, 3), strides=2),
        "flax/groups": linen.Conv(6, (3, 3), padding="VALID", feature_group_count=2),
        "flax/dilation": linen.Conv(6, (2, 3), padding=((1, 2), (0, 1)), kernel_dilation=2),
        "flax/depthwise": linen.Conv(8, (3, 3), feature_group_count=4),
        "flax/transpose": linen.ConvTranspose(6, (3, 3), strides=(2, 2)),
        "flax/transpose_kernel": linen.ConvTranspose(
            6, (3, 2), strides=(2, 2), padding="VALID", transpose_kernel=True
        ),
    }
    functions = {
        "flax/max": lambda x: linen.max_pool(x, (2, 2)),
        "flax/max_same": lambda x: linen.max_pool(x, (3, 3), (2, 2), "SAME"),
        "flax/average": lambda x: linen.avg_pool(x, (2, 2)),
        "flax/average_same": lambda x: linen.avg_pool(x, (3, 3), (2, 2), "SAME"),
        "flax/average_same_without_pad": lambda x: linen.avg_pool(
            x, (3, 3), (2, 2), "SAME", count_include_pad=False
        ),
        "jax/nearest": lambda x: image.resize(x, (2, 12, 14, 4), "nearest"),
        "jax/bilinear": lambda x: image.resize(x, (2, 12, 14, 4), "bilinear"),
    }
    return modules, functions


def main(inputs: str, outputs: str) -> None:
    given, found = dict(np.load(inputs)), {}
    for name, make in {**KERAS, **FUNCTIONS}.items():
        if f"{name}/x" not in given:
            continue
        layer = make() if name in KERAS else FUNCTIONS[name]
        x = tf.constant(given[f"{name}/x"])
        if name in KERAS:
            layer.build(x.shape)
        weights = list(getattr(layer, "weights", ()))
        keys = ["weight", "bias"][: len(weights)]
        for key, variable in zip(keys, weights, strict=True):
            variable.assign(given[f"{name}/{key}"])
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = layer(x)
        slopes = tape.gradient(
            y,
            [x, *(v.value for v in weights)],
            output_gradients=tf.cast(given[f"{name}/dy"], y.dtype),
        )
        found[f"{name}/y"] = y
        for key, slope in zip(["x", *keys], slopes, strict=True):
            found[f"{name}/d{key}"] = slope
    if flax is not None:
        jax.config.update("jax_enable_x64", True)
        modules, functions = flax_cases()
        for name in {**modules, **functions}:
            if f"{name}/x" not in given:
                continue
            x, dy = given[f"{name}/x"], given[f"{name}/dy"]
            if name in functions:
                y, back = jax.vjp(functions[name], x)
                (found[f"{name}/dx"],) = back(jax.numpy.asarray(dy))
            else:
                values = {"kernel": given[f"{name}/weight"], "bias": given[f"{name}/bias"]}
                y, back = jax.vjp(
                    lambda v, x, m=modules[name]: m.apply({"params": v}, x), values, x
                )
                slopes, found[f"{name}/dx"] = back(jax.numpy.asarray(dy))
                found[f"{name}/dweight"], found[f"{name}/dbias"] = slopes["kernel"], slopes["bias"]
            found[f"{name}/y"] = y
    np.savez(outputs, **{name: np.asarray(value) for name, value in found.items()})


if __name__ == "__main__":
    main(*sys.argv[1:])
