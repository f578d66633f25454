"""What Keras, JAX and Flax compute in activations, for the tests beside this file.

Run in a process of its own, since float64 is a setting of the process in both:
``python activations_run.py inputs.npz outputs.npz``. What is not installed is left out.
"""

import importlib.util
import os
import sys

os.environ["KERAS_BACKEND"] = "tensorflow"

import numpy as np


def keras_results(given: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    import keras
    import tensorflow as tf

    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")
    activations = keras.activations
    functions = {
        "leaky_relu": lambda x: activations.leaky_relu(x, negative_slope=0.25),
        "selu": activations.selu,
        "celu": lambda x: activations.celu(x, alpha=0.5),
        "hard_sigmoid": activations.hard_sigmoid,
        "hard_swish": activations.hard_silu,
        "hard_tanh": activations.hard_tanh,
        "relu6": activations.relu6,
        "softmax_axis": lambda x: activations.softmax(x, axis=0),
    }
    found = {}
    for name, function in functions.items():
        x = tf.constant(given["x"])
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = function(x)
        found[f"{name}/y"] = y
        found[f"{name}/dx"] = tape.gradient(y, x, output_gradients=given["dy"])
    for name, shared in (("prelu", None), ("prelu_shared", [1, 2])):
        layer, x = keras.layers.PReLU(shared_axes=shared), tf.constant(given["images"])
        layer.build(x.shape)
        found[f"{name}/start"] = layer.alpha.numpy()
        layer.alpha.assign(given[f"slope/{name}"])
        with tf.GradientTape() as tape:
            tape.watch([x, layer.alpha.value])
            y = layer(x)
        dx, dslope = tape.gradient(y, [x, layer.alpha.value], output_gradients=given["dimages"])
        found |= {f"{name}/y": y, f"{name}/dx": dx, f"{name}/dslope": dslope}
    dropout = keras.layers.SpatialDropout2D(0.25, seed=0)
    found["spatial/y"] = dropout(tf.constant(given["images"]), training=True)
    return {f"keras/{name}": np.asarray(value) for name, value in found.items()}


def jax_results(given: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    import jax

    jax.config.update("jax_enable_x64", True)
    jax.config.update("jax_platforms", "cpu")
    functions = {
        "leaky_relu": lambda x: jax.nn.leaky_relu(x, 0.25),
        "elu": lambda x: jax.nn.elu(x, 0.75),
        "selu": jax.nn.selu,
        "celu": lambda x: jax.nn.celu(x, 0.5),
        "hard_sigmoid": jax.nn.hard_sigmoid,
        "hard_swish": jax.nn.hard_swish,
        "hard_tanh": jax.nn.hard_tanh,
        "relu6": jax.nn.relu6,
        "gelu": lambda x: jax.nn.gelu(x, approximate=False),
        "gelu_tanh": jax.nn.gelu,
        "silu": jax.nn.silu,
        "softplus": jax.nn.softplus,
        "softmax_axis": lambda x: jax.nn.softmax(x, axis=0),
        "log_softmax": jax.nn.log_softmax,
    }
    found = {}
    for name, function in functions.items():
        y, pull = jax.vjp(function, given["x"])
        found |= {f"{name}/y": y, f"{name}/dx": pull(given["dy"])[0]}
    if importlib.util.find_spec("flax"):
        import flax.linen as nn

        module = nn.PReLU(param_dtype=np.float64)
        start = module.init(jax.random.PRNGKey(0), given["images"])
        found["prelu/start"] = start["params"]["negative_slope"]

        def run(x, slope):
            return module.apply({"params": {"negative_slope": slope}}, x)

        y, pull = jax.vjp(run, given["images"], given["slope/one"].reshape(()))
        dx, dslope = pull(given["dimages"])
        found |= {"prelu/y": y, "prelu/dx": dx, "prelu/dslope": dslope}
    return {f"jax/{name}": np.asarray(value) for name, value in found.items()}


def main(inputs: str, outputs: str) -> None:
    given = dict(np.load(inputs))
    found = {}
    if all(importlib.util.find_spec(name) for name in ("keras", "tensorflow")):
        found |= keras_results(given)
    if importlib.util.find_spec("jax"):
        found |= jax_results(given)
    np.savez(outputs, **found)


if __name__ == "__main__":
    main(*sys.argv[1:])
