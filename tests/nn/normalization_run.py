"""What Keras and Flax compute in normalizations, for the tests beside this file.

Run in a process of its own, since float64 is a setting of the process in both:
``python normalization_run.py inputs.npz outputs.npz``. Constants are exact in binary, as these
frameworks round Python numbers to float32. What is not installed is left out.
"""

import importlib.util
import os
import sys

os.environ["KERAS_BACKEND"] = "tensorflow"

import numpy as np

EPSILON, MOMENTUM = 2.0**-6, 0.875


def keras_results(given: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    import keras
    import tensorflow as tf

    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")
    layers = keras.layers
    cases = {
        "batch": ("table", layers.BatchNormalization(epsilon=EPSILON, momentum=MOMENTUM)),
        "batch_last": ("last", layers.BatchNormalization(epsilon=EPSILON, momentum=MOMENTUM)),
        "batch_first": (
            "first", layers.BatchNormalization(axis=1, epsilon=EPSILON, momentum=MOMENTUM),
        ),
        "batch_frozen": (
            "table",
            layers.BatchNormalization(epsilon=EPSILON, momentum=MOMENTUM, trainable=False),
        ),
        "batch_of_one": ("row", layers.BatchNormalization(epsilon=EPSILON, momentum=MOMENTUM)),
        "layer": ("last", layers.LayerNormalization(epsilon=EPSILON)),
        "layer_axes": ("first", layers.LayerNormalization(axis=[1, 3], epsilon=EPSILON)),
        "group": ("last", layers.GroupNormalization(2, epsilon=EPSILON)),
        "rms": ("last", layers.RMSNormalization(epsilon=EPSILON)),
    }  # fmt: skip
    found = {}
    for name, (key, layer) in cases.items():
        x = tf.constant(given[key])
        layer.build(x.shape)
        names = {"scale": "scale"} if name == "rms" else {"scale": "gamma", "shift": "beta"}
        parameters = {ours: getattr(layer, theirs) for ours, theirs in names.items()}
        for ours, variable in parameters.items():
            variable.assign(given[f"{ours}/{'axes' if name == 'layer_axes' else '4'}"])
        if name.startswith("batch"):
            layer.moving_mean.assign(given["mean/4"])
            layer.moving_variance.assign(given["variance/4"])
        for mode in ("inference", "training"):
            arguments = {"training": mode == "training"} if name.startswith("batch") else {}
            wanted = [x, *(variable.value for variable in parameters.values())]
            with tf.GradientTape() as tape:
                tape.watch(wanted)
                y = layer(x, **arguments)
            gradients = tape.gradient(y, wanted, output_gradients=given[f"d{key}"])
            found[f"{name}/{mode}/y"] = y
            for label, gradient in zip(("x", *parameters), gradients, strict=True):
                found[f"{name}/{mode}/d{label}"] = gradient
        if name.startswith("batch"):
            found[f"{name}/running_mean"] = layer.moving_mean.numpy()
            found[f"{name}/running_variance"] = layer.moving_variance.numpy()
    return {f"keras/{name}": np.asarray(value) for name, value in found.items()}


def flax_results(given: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    import jax

    jax.config.update("jax_enable_x64", True)
    jax.config.update("jax_platforms", "cpu")
    import flax.linen as nn

    def batch(**switches):
        return nn.BatchNorm(
            use_running_average=False, epsilon=EPSILON, momentum=MOMENTUM, **switches
        )

    cases = {
        "batch": ("table", batch()),
        "batch_slow": ("table", batch(use_fast_variance=False)),
        "batch_last": ("last", batch()),
        "batch_first": ("first", batch(axis=1)),
        "layer": ("last", nn.LayerNorm(epsilon=EPSILON)),
        "layer_slow": ("last", nn.LayerNorm(epsilon=EPSILON, use_fast_variance=False)),
        "group": ("last", nn.GroupNorm(2, epsilon=EPSILON)),
        "rms": ("last", nn.RMSNorm(epsilon=EPSILON)),
    }
    found = {}
    for name, (key, module) in cases.items():
        x = given[key]
        variables = {"params": {"scale": given["scale/4"]}}
        if name != "rms":
            variables["params"]["bias"] = given["shift/4"]
        if name.startswith("batch"):
            variables["batch_stats"] = {"mean": given["mean/4"], "var": given["variance/4"]}

        def run(x, parameters, module=module, variables=variables):
            return module.apply({**variables, "params": parameters}, x, mutable=["batch_stats"])

        y, pull, updates = jax.vjp(run, x, variables["params"], has_aux=True)
        dx, gradients = pull(given[f"d{key}"])
        found[f"{name}/training/y"], found[f"{name}/training/dx"] = y, dx
        for ours, theirs in (("scale", "scale"), ("shift", "bias")):
            if theirs in gradients:
                found[f"{name}/training/d{ours}"] = gradients[theirs]
        if name.startswith("batch"):
            found[f"{name}/running_mean"] = updates["batch_stats"]["mean"]
            found[f"{name}/running_variance"] = updates["batch_stats"]["var"]
    return {f"flax/{name}": np.asarray(value) for name, value in found.items()}


def main(inputs: str, outputs: str) -> None:
    given = dict(np.load(inputs))
    found = {}
    if all(importlib.util.find_spec(name) for name in ("keras", "tensorflow")):
        found |= keras_results(given)
    if all(importlib.util.find_spec(name) for name in ("jax", "flax")):
        found |= flax_results(given)
    np.savez(outputs, **found)


if __name__ == "__main__":
    main(*sys.argv[1:])
