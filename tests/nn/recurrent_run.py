"""What Keras, TensorFlow's own LSTM and Flax compute, for the tests beside this file.

Run in a process of its own, since float widths are settings of the process:
``python recurrent_run.py inputs.npz outputs.npz``. Works through the families, ``rnn/…``,
``embedding/…`` and ``attention/…``, that the inputs hold. Without Flax its part is left out.
"""

import importlib.util
import os
import sys
from collections.abc import Callable, Mapping
from typing import Any

os.environ["KERAS_BACKEND"] = "tensorflow"

import keras
import numpy as np
import tensorflow as tf

keras.config.set_floatx("float64")
keras.config.set_dtype_policy("float64")

Arrays = dict[str, Any]


def keras2_hard_sigmoid(x: Any) -> Any:
    """The hard sigmoid of Keras 2; a plain 0.2 would be rounded to float32."""
    return tf.clip_by_value(tf.constant(0.2, tf.float64) * x + 0.5, 0.0, 1.0)


KERAS: dict[str, tuple[str, Callable[..., Any], Arrays]] = {
    "rnn": ("rnn", keras.layers.SimpleRNN, {}),
    "rnn-relu": ("rnn", keras.layers.SimpleRNN, {"activation": "relu"}),
    "rnn-none": ("rnn", keras.layers.SimpleRNN, {"use_bias": False}),
    "lstm": ("lstm", keras.layers.LSTM, {}),
    "lstm-hard": ("lstm", keras.layers.LSTM, {"recurrent_activation": "hard_sigmoid"}),
    "lstm-hard-keras2": ("lstm", keras.layers.LSTM, {"recurrent_activation": keras2_hard_sigmoid}),
    "lstm-none": ("lstm", keras.layers.LSTM, {"use_bias": False}),
    "gru": ("gru", keras.layers.GRU, {}),
    "gru-hard": ("gru", keras.layers.GRU, {"recurrent_activation": "hard_sigmoid"}),
    "gru-none": ("gru", keras.layers.GRU, {"use_bias": False}),
    "gru-before": ("gru", keras.layers.GRU, {"reset_after": False}),
    "gru-before-hard": (
        "gru",
        keras.layers.GRU,
        {"reset_after": False, "recurrent_activation": keras2_hard_sigmoid},
    ),
}


def own(given: Mapping[str, np.ndarray], kind: str) -> Arrays:
    """The parameters of a kind by their own names."""
    prefix = f"{kind}/"
    return {name[len(prefix) :]: given[name] for name in given if name.startswith(prefix)}


def keras_layers(given: Mapping[str, np.ndarray], found: Arrays) -> None:
    """Every layer of the table, all steps given out or the last one only."""
    for name, (kind, make, settings) in KERAS.items():
        values, both = own(given, kind), make is keras.layers.GRU and "before" not in name
        weights = [values["weight"], values["recurrent_weight"]]
        if "none" not in name:
            bias = values["bias"]
            weights.append(np.stack([bias, values["recurrent_bias"]]) if both else bias)
        for sequences in (True, False):
            layer = make(
                values["recurrent_weight"].shape[0], return_sequences=sequences, **settings
            )
            layer.build(given["rnn/x"].shape)
            layer.set_weights(weights)
            x = tf.constant(given["rnn/x"])
            with tf.GradientTape() as tape:
                tape.watch(x)
                y = layer(x)
            dy = tf.constant(given["rnn/dy"] if sequences else given["rnn/dy"][:, 0])
            variables = [variable.value for variable in layer.trainable_variables]
            gradients = tape.gradient(y, [x, *variables], output_gradients=dy)
            key = f"keras/{name}/{'all' if sequences else 'last'}"
            results = dict(
                zip(("x", "weight", "recurrent_weight", "bias"), gradients, strict=False)
            )
            if both and "bias" in results:
                results["bias"], results["recurrent_bias"] = results["bias"]
            found.update({f"{key}/y": y, **{f"{key}/{k}": v for k, v in results.items()}})


def tf1_lstm(given: Mapping[str, np.ndarray], found: Arrays) -> None:
    """The kernel below TF 1's fused LSTM cells, which has float32 only."""
    values = {name: tf.constant(v, tf.float32) for name, v in own(given, "lstm").items()}
    x = tf.constant(given["rnn/x"].swapaxes(0, 1), tf.float32)
    zeros = tf.zeros((x.shape[1], values["recurrent_weight"].shape[0]))
    peephole = tf.zeros(zeros.shape[1])
    with tf.GradientTape() as tape:
        watched = [x, values["weight"], values["recurrent_weight"], values["bias"]]
        tape.watch(watched)
        y = tf.raw_ops.BlockLSTM(
            seq_len_max=x.shape[0], x=x, cs_prev=zeros, h_prev=zeros,
            w=tf.concat(watched[1:3], 0), wci=peephole, wcf=peephole, wco=peephole,
            b=values["bias"], forget_bias=1.0, cell_clip=-1.0,
        ).h  # fmt: skip
    dy = tf.constant(given["rnn/dy"].swapaxes(0, 1), tf.float32)
    found["tf1/lstm/y"] = tf.transpose(y, (1, 0, 2))
    gradients = tape.gradient(y, watched, output_gradients=dy)
    names = ("x", "weight", "recurrent_weight", "bias")
    for name, gradient in zip(names, gradients, strict=True):
        found[f"tf1/lstm/{name}"] = gradient
    found["tf1/lstm/x"] = tf.transpose(gradients[0], (1, 0, 2))


def flax_cells(given: Mapping[str, np.ndarray], found: Arrays) -> None:
    """Flax's cells, their kernels cut from the blocks and their gradients put together again."""
    import flax.linen as nn
    import jax
    import jax.numpy as jnp

    def halves(values: Arrays, gates: str, biased: str) -> Arrays:
        """One kernel for each gate and side; ``biased`` names the side with the bias."""
        made: Arrays = {}
        for k, gate in enumerate(gates):
            columns = slice(k * units, (k + 1) * units)
            made[f"i{gate}"] = {"kernel": values["weight"][:, columns]}
            made[f"h{gate}"] = {"kernel": values["recurrent_weight"][:, columns]}
            made[f"{biased}{gate}"]["bias"] = values["bias"][columns]
        return made

    def joined(tree: Arrays, gates: str, biased: str) -> Arrays:
        """The inverse."""
        return {
            "weight": jnp.concatenate([tree[f"i{gate}"]["kernel"] for gate in gates], 1),
            "recurrent_weight": jnp.concatenate([tree[f"h{gate}"]["kernel"] for gate in gates], 1),
            "bias": jnp.concatenate([tree[f"{biased}{gate}"]["bias"] for gate in gates]),
        }

    x, dy = jnp.array(given["rnn/x"]), jnp.array(given["rnn/dy"])
    units = dy.shape[2]
    rnn, lstm, gru = (own(given, kind) for kind in ("rnn", "lstm", "gru"))
    # The reset gate's blocks come first here, as in Flax's own listing.
    gru_tree = halves(gru, "rzn", "i")
    gru_tree["hn"]["bias"] = gru["recurrent_bias"][2 * units :]
    simple = {
        "i": {"kernel": rnn["weight"], "bias": rnn["bias"]},
        "h": {"kernel": rnn["recurrent_weight"]},
    }
    for name, cell, tree in (
        ("rnn", nn.SimpleCell, simple),
        ("lstm", nn.LSTMCell, halves(lstm, "ifgo", "h")),
        ("gru", nn.GRUCell, gru_tree),
    ):
        module = nn.RNN(cell(units, param_dtype=jnp.float64))

        def run(tree: Arrays, x: Any, module: Any = module) -> Any:
            return module.apply({"params": {"cell": tree}}, x)

        y, back = jax.vjp(run, tree, x)
        dtree, dx = back(dy)
        if name == "rnn":
            gradients = {
                "weight": dtree["i"]["kernel"],
                "recurrent_weight": dtree["h"]["kernel"],
                "bias": dtree["i"]["bias"],
            }
        else:
            gates, biased = ("ifgo", "h") if name == "lstm" else ("rzn", "i")
            gradients = joined(dtree, gates, biased)
        if name == "gru":
            gradients["recurrent_bias"] = dtree["hn"]["bias"]
        found.update({f"flax/{name}/y": y, f"flax/{name}/x": dx})
        found.update({f"flax/{name}/{key}": value for key, value in gradients.items()})


def embeddings(given: Mapping[str, np.ndarray], found: Arrays) -> None:
    """Rows and summed gradients, and what becomes of numbers that are no tokens."""
    weight, x, dy = (given[f"embedding/{name}"] for name in ("weight", "x", "dy"))
    layer = keras.layers.Embedding(*weight.shape)
    layer.build(x.shape)
    layer.set_weights([weight])
    with tf.GradientTape() as tape:
        y = layer(x)
    gradient = tape.gradient(y, layer.trainable_variables[0].value, output_gradients=dy)
    found["keras/embedding/pieces"] = isinstance(gradient, tf.IndexedSlices)
    found["keras/embedding/y"] = y
    found["keras/embedding/weight"] = tf.convert_to_tensor(gradient)
    found["keras/embedding/fraction"] = layer(np.array([1.75]))
    found["keras/embedding/negative"] = layer(np.array([-1]))
    if importlib.util.find_spec("flax") is None:
        return
    import flax.linen as nn
    import jax
    import jax.numpy as jnp

    module = nn.Embed(*weight.shape, param_dtype=jnp.float64)

    def run(weight: Any, x: Any) -> Any:
        return module.apply({"params": {"embedding": weight}}, x)

    tokens = jnp.array(x.astype(int))
    y, back = jax.vjp(lambda weight: run(weight, tokens), jnp.array(weight))
    found["flax/embedding/y"] = y
    (found["flax/embedding/weight"],) = back(jnp.array(dy))
    found["flax/embedding/strange"] = run(jnp.array(weight), jnp.array([len(weight), -1]))


def attentions(given: Mapping[str, np.ndarray], found: Arrays) -> None:
    """Dot-product attention, and that in several heads."""
    queries, keys, values, dy = (tf.constant(given[f"attention/{k}"]) for k in ("q", "k", "v", "d"))
    for name, scaled in (("plain", False), ("scaled", True)):
        # The learned scale starts at 1; only then is there one.
        layer = keras.layers.Attention(use_scale=scaled)
        with tf.GradientTape() as tape:
            tape.watch([queries, keys, values])
            y = layer([queries, values, keys], use_causal_mask=scaled)
        gradients = tape.gradient(y, [queries, keys, values], output_gradients=dy)
        for key, value in zip(("y", "x", "keys", "values"), (y, *gradients), strict=True):
            found[f"keras/attention/{name}/{key}"] = value
    weights, x, dx = own(given, "heads"), given["attention/x"], given["attention/dx"]
    features, heads = x.shape[2], int(given["attention/heads"])
    depth = features // heads
    order = [f"{name}_{what}" for name in ("query", "key", "value") for what in ("weight", "bias")]
    shapes = {"weight": (features, heads, depth), "bias": (heads, depth)}
    stacked = [weights[name].reshape(shapes[name.split("_")[1]]) for name in order]
    stacked += [weights["output_weight"].reshape(heads, depth, features), weights["output_bias"]]
    layer = keras.layers.MultiHeadAttention(heads, depth)
    layer.build(x.shape, x.shape)
    layer.set_weights(stacked)
    tensor = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(tensor)
        y = layer(tensor, tensor, use_causal_mask=True)
    variables = [variable.value for variable in layer.trainable_variables]
    gradients = tape.gradient(y, [tensor, *variables], output_gradients=tf.constant(dx))
    names = ("x", *order, "output_weight", "output_bias")
    for name, gradient in zip(names, gradients, strict=True):
        size = weights[name].shape if name in weights else x.shape
        found[f"keras/heads/{name}"] = np.reshape(gradient, size)
    found["keras/heads/y"] = y
    if importlib.util.find_spec("flax") is None:
        return
    import flax.linen as nn
    import jax
    import jax.numpy as jnp

    module = nn.MultiHeadDotProductAttention(heads, param_dtype=jnp.float64)
    tree = {
        name: {"kernel": jnp.array(stacked[2 * k]), "bias": jnp.array(stacked[2 * k + 1])}
        for k, name in enumerate(("query", "key", "value", "out"))
    }

    def run(tree: Arrays, x: Any) -> Any:
        return module.apply({"params": tree}, x, mask=nn.make_causal_mask(x[:, :, 0]))

    y, back = jax.vjp(run, tree, jnp.array(x))
    dtree, found["flax/heads/x"] = back(jnp.array(dx))
    found["flax/heads/y"] = y
    for name in weights:
        layer_name, what = name.split("_")
        leaf = dtree[layer_name.replace("output", "out")][what.replace("weight", "kernel")]
        found[f"flax/heads/{name}"] = np.reshape(leaf, weights[name].shape)


def main(inputs: str, outputs: str) -> None:
    given = dict(np.load(inputs))
    found: Arrays = {}
    flax = importlib.util.find_spec("flax") is not None
    if flax:
        import jax

        jax.config.update("jax_enable_x64", True)
    if "rnn/x" in given:
        keras_layers(given, found)
        tf1_lstm(given, found)
        if flax:
            flax_cells(given, found)
    if "embedding/x" in given:
        embeddings(given, found)
    if "attention/x" in given:
        attentions(given, found)
    np.savez(outputs, **{name: np.asarray(value) for name, value in found.items()})


if __name__ == "__main__":
    main(*sys.argv[1:])
