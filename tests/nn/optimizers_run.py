"""What frameworks' optimizers, clipping, schedules and laws do, for the tests beside this.

Run in a process of its own, since Keras's float width and JAX's are settings of the process:
``python optimizers_run.py WHAT inputs.npz outputs.npz`` with one of ``SECTIONS`` below; the
tests go through ``computed``.
Constants are exact in binary wherever Keras and TF 1 round them to float32.
"""

import importlib.util
import inspect
import json
import os
import subprocess
import sys

import numpy as np
import pytest

NAMES = ("a.weight", "a.bias", "b.weight")


def computed(folder, what, given):
    """What a section yields, by a process of its own; skips where a framework is missing."""
    packages = ("jax", "flax", "optax") if what.startswith("optax") else ("keras", "tensorflow")
    missing = [name for name in packages if importlib.util.find_spec(name) is None]
    if missing:
        pytest.skip(f"needs {' and '.join(missing)}")
    np.savez(folder / "inputs.npz", **given)
    run = subprocess.run(
        [sys.executable, __file__, what, folder / "inputs.npz", folder / "outputs.npz"],
        env={
            **os.environ,
            "KERAS_BACKEND": "tensorflow",
            "TF_CPP_MIN_LOG_LEVEL": "3",
            "CUDA_VISIBLE_DEVICES": "",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    if run.returncode:
        pytest.fail(run.stderr)
    return dict(np.load(folder / "outputs.npz"))


def keras_optimizers(given):
    import keras
    import tensorflow as tf

    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")
    o = keras.optimizers
    makers = {
        "sgd": lambda r: o.SGD(r),
        "sgd_decay": lambda r: o.SGD(r, weight_decay=0.25),
        "momentum": lambda r: o.SGD(r, momentum=0.875),
        "nesterov": lambda r: o.SGD(r, momentum=0.875, nesterov=True),
        "adam": lambda r: o.Adam(r, 0.875, 0.984375, epsilon=2.0**-20),
        "amsgrad": lambda r: o.Adam(r, 0.875, 0.984375, epsilon=2.0**-20, amsgrad=True),
        "adamw": lambda r: o.AdamW(r, 0.25, 0.875, 0.984375, epsilon=2.0**-20),
        "adagrad": lambda r: o.Adagrad(r, 0.125, epsilon=2.0**-20),
        "adagrad_decay": lambda r: o.Adagrad(r, 0.125, epsilon=2.0**-20, weight_decay=0.25),
        "rmsprop": lambda r: o.RMSprop(r, 0.875, epsilon=2.0**-20),
        "rmsprop_momentum": lambda r: o.RMSprop(r, 0.875, 0.5, 2.0**-20),
        "rmsprop_centered": lambda r: o.RMSprop(r, 0.875, 0.5, 2.0**-20, centered=True),
        "rmsprop_decay": lambda r: o.RMSprop(r, 0.875, epsilon=2.0**-20, weight_decay=0.25),
        "adadelta": lambda r: o.Adadelta(r, 0.875, 2.0**-20),
        "adadelta_decay": lambda r: o.Adadelta(r, 0.875, 2.0**-20, weight_decay=0.25),
        "adamax": lambda r: o.Adamax(r, 0.875, 0.984375, 2.0**-20),
        "adamax_decay": lambda r: o.Adamax(r, 0.875, 0.984375, 2.0**-20, weight_decay=0.25),
        "nadam": lambda r: o.Nadam(r, 0.875, 0.984375, 2.0**-20),
        "nadam_decay": lambda r: o.Nadam(r, 0.875, 0.984375, 2.0**-20, weight_decay=0.25),
        "lion": lambda r: o.Lion(r, 0.875, 0.984375),
        "lion_decay": lambda r: o.Lion(r, 0.875, 0.984375, weight_decay=0.25),
        "ftrl": lambda r: o.Ftrl(r, initial_accumulator_value=0.125),
        "ftrl_switches": lambda r: o.Ftrl(
            r, -0.5, 0.125, 0.25, 0.5, l2_shrinkage_regularization_strength=0.25, beta=0.5
        ),
        "muon": lambda r: o.Muon(
            r, adam_beta_1=0.875, adam_beta_2=0.984375, epsilon=2.0**-20, momentum=0.9375,
            weight_decay=0.25, adam_weight_decay=0.25, muon_a=3.5, muon_b=-4.75, muon_c=2.0,
            adam_lr_ratio=0.5,
        ),
    }  # fmt: skip
    for name, make in makers.items():
        variables = [keras.Variable(given[key]) for key in NAMES]
        optimizer = make(float(given["rates"][0]))
        for step, rate in enumerate(given["rates"]):
            optimizer.learning_rate = float(rate)
            gradients = [tf.constant(given[f"{key}/gradients"][step]) for key in NAMES]
            optimizer.apply(gradients, variables)
        for key, variable in zip(NAMES, variables, strict=True):
            yield f"{name}/{key}", variable.numpy()
    yield from keras_averages(keras, tf, given)
    told = {
        kind: getattr(o, kind)().get_config()
        for kind in (
            "SGD", "Adagrad", "RMSprop", "Adadelta", "Adam", "AdamW", "Adamax", "Nadam", "Lion",
            "Ftrl", "Muon",
        )
    }  # fmt: skip
    yield "defaults", json.dumps(told, default=str)


def keras_averages(keras, tf, given):
    variable = keras.Variable(given["a.weight"])
    optimizer = keras.optimizers.SGD(0.125, use_ema=True, ema_momentum=0.75)
    for gradient in given["a.weight/gradients"]:
        optimizer.apply([tf.constant(gradient)], [variable])
    yield "ema", optimizer._model_variables_moving_average[0].numpy()


def tf1_optimizers(given):
    import tensorflow as tf

    train = tf.compat.v1.train
    makers = {
        "sgd": lambda r: train.GradientDescentOptimizer(r),
        "momentum": lambda r: train.MomentumOptimizer(r, 0.875),
        "nesterov": lambda r: train.MomentumOptimizer(r, 0.875, use_nesterov=True),
        # Its powers of β are float32 products, exact for ½ and ¾ up to t = 15.
        "adam": lambda r: train.AdamOptimizer(r, 0.5, 0.75, 2.0**-20),
        "adagrad": lambda r: train.AdagradOptimizer(r, 0.125),
        "rmsprop": lambda r: train.RMSPropOptimizer(r, 0.875, 0.0, 2.0**-20),
        "rmsprop_momentum": lambda r: train.RMSPropOptimizer(r, 0.875, 0.5, 2.0**-20),
        "rmsprop_centered": lambda r: train.RMSPropOptimizer(
            r, 0.875, 0.5, 2.0**-20, centered=True
        ),
        "adadelta": lambda r: train.AdadeltaOptimizer(r, 0.875, 2.0**-20),
        "ftrl": lambda r: train.FtrlOptimizer(r, initial_accumulator_value=0.125),
        "ftrl_switches": lambda r: train.FtrlOptimizer(
            r, -0.5, 0.125, 0.25, 0.5, l2_shrinkage_regularization_strength=0.25
        ),
    }
    for name, make in makers.items():
        with tf.Graph().as_default():
            rate = tf.compat.v1.placeholder(tf.float32, ())
            variables = [tf.compat.v1.Variable(given[key], use_resource=True) for key in NAMES]
            fed = [tf.compat.v1.placeholder(tf.float64, v.shape) for v in variables]
            update = make(rate).apply_gradients(list(zip(fed, variables, strict=True)))
            with tf.compat.v1.Session() as session:
                session.run(tf.compat.v1.global_variables_initializer())
                for step, value in enumerate(given["rates"]):
                    gradients = {
                        f: given[f"{key}/gradients"][step]
                        for f, key in zip(fed, NAMES, strict=True)
                    }
                    session.run(update, {rate: value, **gradients})
                for key, value in zip(NAMES, session.run(variables), strict=True):
                    yield f"{name}/{key}", value
    told = {
        kind: {
            key: parameter.default
            for key, parameter in inspect.signature(getattr(train, kind)).parameters.items()
            if isinstance(parameter.default, float)
        }
        for kind in (
            "AdagradOptimizer", "RMSPropOptimizer", "AdadeltaOptimizer", "AdamOptimizer",
            "FtrlOptimizer",
        )
    }  # fmt: skip
    yield "defaults", json.dumps(told)


def optax_optimizers(given):
    import jax

    jax.config.update("jax_enable_x64", True)
    import jax.numpy as jnp
    import optax
    import optax.contrib

    rates = jnp.asarray(given["rates"])

    def rate(count):
        return rates[count]

    def coupled(optimizer):
        return optax.chain(optax.add_decayed_weights(0.3), optimizer)

    def decoupled(scaling):
        return optax.chain(
            scaling, optax.add_decayed_weights(0.3), optax.scale_by_learning_rate(rate)
        )

    makers = {
        "sgd": optax.sgd(rate),
        "sgd_coupled": coupled(optax.sgd(rate, 0.9)),
        "momentum": optax.sgd(rate, 0.9),
        "nesterov": optax.sgd(rate, 0.9, nesterov=True),
        "adam": optax.adam(rate, 0.9, 0.99, 1e-3),
        "adam_inside": optax.adam(rate, 0.9, 0.99, 0.0, eps_root=1e-3),
        "adamw": optax.adamw(rate, 0.9, 0.99, 1e-3, weight_decay=0.3),
        "amsgrad": optax.amsgrad(rate, 0.9, 0.9, 1e-3),
        "amsgrad_inside": optax.amsgrad(rate, 0.9, 0.9, 0.0, 1e-3),
        "adagrad": optax.adagrad(rate, 0.1, 1e-3),
        "rmsprop": optax.rmsprop(rate, 0.9, 1e-3),
        "rmsprop_outside": optax.rmsprop(rate, 0.9, 1e-3, 1.0, eps_in_sqrt=False),
        "rmsprop_momentum": optax.rmsprop(rate, 0.9, 1e-3, momentum=0.7),
        "rmsprop_nesterov": optax.rmsprop(rate, 0.9, 1e-3, momentum=0.7, nesterov=True),
        "rmsprop_centered": optax.rmsprop(rate, 0.9, 1e-3, centered=True),
        "rmsprop_corrected": optax.rmsprop(rate, 0.9, 1e-3, centered=True, bias_correction=True),
        "rmsprop_coupled": coupled(optax.rmsprop(rate, 0.9, 1e-3)),
        "rmsprop_decoupled": decoupled(optax.scale_by_rms(0.9, 1e-3)),
        "adadelta": optax.adadelta(rate, 0.9, 1e-3),
        "adamax": optax.adamax(rate, 0.9, 0.99, 1e-3),
        "adamaxw": optax.adamaxw(rate, 0.9, 0.99, 1e-3, weight_decay=0.3),
        "nadam": optax.nadam(rate, 0.9, 0.99, 1e-3),
        "nadamw": optax.nadamw(rate, 0.9, 0.99, 1e-3, weight_decay=0.3),
        "radam": optax.radam(rate, 0.9, 0.9, 1e-3),
        "lion": optax.lion(rate, 0.9, 0.99, weight_decay=0.3),
        "muon": optax.contrib.muon(rate, eps=1e-3, adam_b1=0.8, adam_b2=0.9, weight_decay=0.3,
                                   adam_weight_decay=0.3),
        "muon_rms": optax.contrib.muon(rate, nesterov=False, consistent_rms=0.2),
    }  # fmt: skip
    start = {key: jnp.asarray(given[key]) for key in NAMES}
    for name, optimizer in makers.items():
        parameters, state = start, optimizer.init(start)
        for step in range(len(given["rates"])):
            gradients = {key: jnp.asarray(given[f"{key}/gradients"][step]) for key in NAMES}
            updates, state = optimizer.update(gradients, state, parameters)
            parameters = optax.apply_updates(parameters, updates)
        for key in NAMES:
            yield f"{name}/{key}", parameters[key]
    average = optax.ema(0.75)
    state = average.init(start["a.weight"])
    for gradient in given["a.weight/gradients"]:
        seen, state = average.update(jnp.asarray(gradient), state)
    yield "ema", seen
    told = {
        kind: {
            key: parameter.default
            for key, parameter in inspect.signature(function).parameters.items()
            if isinstance(parameter.default, float | bool | tuple)
        }
        for kind, function in {
            **{
                kind: getattr(optax, kind)
                for kind in (
                    "sgd", "adagrad", "rmsprop", "adadelta", "adam", "adamw", "amsgrad", "adamax",
                    "nadam", "radam", "lion",
                )
            },
            "muon": optax.contrib.muon,
        }.items()
    }  # fmt: skip
    # A partial of adam says nothing of its other arguments.
    yield "defaults", json.dumps(told)


def keras_clipping(given):
    import keras
    import tensorflow as tf

    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")
    gradients = [tf.constant(given[name]) for name in NAMES]
    for limit in given["limits"]:
        for kind in ("clipvalue", "clipnorm", "global_clipnorm"):
            # What a rate of 1 takes off zeros is the gradient itself.
            variables = [keras.Variable(np.zeros(given[name].shape)) for name in NAMES]
            optimizer = keras.optimizers.SGD(1.0, **{kind: float(limit)})
            optimizer.apply(gradients, variables)
            for name, variable in zip(NAMES, variables, strict=True):
                yield f"{kind}/{limit}/{name}", -variable.numpy()
        for name, gradient in zip(NAMES, gradients, strict=True):
            yield f"tf_norm/{limit}/{name}", tf.clip_by_norm(gradient, limit)
        clipped, _ = tf.clip_by_global_norm(gradients, limit)
        for name, gradient in zip(NAMES, clipped, strict=True):
            yield f"tf_global/{limit}/{name}", gradient


def optax_clipping(given):
    import jax

    jax.config.update("jax_enable_x64", True)
    import jax.numpy as jnp
    import optax

    gradients = {name: jnp.asarray(given[name]) for name in NAMES}
    for limit in given["limits"]:
        for kind in ("clip", "clip_by_global_norm"):
            clipping = getattr(optax, kind)(float(limit))
            clipped, _ = clipping.update(gradients, clipping.init(gradients))
            for name in NAMES:
                yield f"{kind}/{limit}/{name}", clipped[name]


def keras_schedules(given):
    import keras
    import tensorflow as tf

    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")
    s = keras.optimizers.schedules
    # Constants exact in binary. The dtype is that of the rate; of a plain number, float32.
    for rate in (0.5, np.float64(0.5)):
        schedules = {
            "exponential": s.ExponentialDecay(rate, 8, 0.75),
            "staircase": s.ExponentialDecay(rate, 8, 0.75, staircase=True),
            "piecewise": s.PiecewiseConstantDecay([5, 12], [rate, rate / 2, rate / 8]),
            "polynomial": s.PolynomialDecay(rate, 16, 0.125, 2.0),
            "cycle": s.PolynomialDecay(rate, 16, 0.125, 2.0, cycle=True),
            "inverse_time": s.InverseTimeDecay(rate, 8, 0.75),
            "inverse_staircase": s.InverseTimeDecay(rate, 8, 0.75, staircase=True),
            "cosine": s.CosineDecay(rate, 16, 0.25),
            "cosine_warmup": s.CosineDecay(rate / 4, 16, 0.25, warmup_target=0.5, warmup_steps=6),
            "restarts": s.CosineDecayRestarts(rate, 5, 2.0, 0.75, 0.25),
            "restarts_equal": s.CosineDecayRestarts(rate, 5, 1.0, 0.75, 0.25),
        }
        for name, schedule in schedules.items():
            rates = [schedule(tf.constant(t, tf.int64)) for t in range(int(given["steps"]))]
            yield f"{name}/{type(rate).__name__}", np.array(rates)
    for name, constants in json.loads(str(given["plateaus"])).items():
        callback = keras.callbacks.ReduceLROnPlateau(monitor="loss", **constants)
        model = keras.Sequential([keras.layers.Dense(1)])
        model.compile(optimizer=keras.optimizers.SGD(0.5), loss="mse")
        callback.set_model(model)
        callback.on_train_begin()
        rates = []
        for epoch, metric in enumerate(given["metrics"]):
            callback.on_epoch_end(epoch, {"loss": float(metric)})
            rates.append(float(model.optimizer.learning_rate))
        yield f"plateau/{name}", np.array(rates)


def optax_schedules(given):
    import jax

    jax.config.update("jax_enable_x64", True)
    import jax.numpy as jnp
    import optax
    import optax.contrib

    schedules = {
        "exponential": optax.exponential_decay(0.5, 8, 0.7),
        "staircase": optax.exponential_decay(0.5, 8, 0.7, staircase=True),
        "piecewise": optax.piecewise_constant_schedule(0.5, {5: 0.5, 12: 0.25}),
        "polynomial": optax.polynomial_schedule(0.5, 0.1, 2.0, 16),
        "cosine": optax.cosine_decay_schedule(0.5, 16, 0.2, 1.5),
        "cosine_warmup": optax.warmup_cosine_decay_schedule(0.1, 0.5, 6, 22, 0.1),
        "exponential_warmup": optax.warmup_exponential_decay_schedule(0.1, 0.5, 6, 8, 0.7),
        "join": optax.join_schedules(
            [optax.constant_schedule(0.5), optax.exponential_decay(0.25, 8, 0.7)], [9]
        ),
    }
    for name, schedule in schedules.items():
        yield name, jax.vmap(schedule)(jnp.arange(int(given["steps"])))
    parameters = {"w": jnp.zeros(1, jnp.float64)}
    for name, constants in json.loads(str(given["plateaus"])).items():
        rule = optax.contrib.reduce_on_plateau(**constants)
        state, rates, update = rule.init(parameters), [], jax.jit(rule.update)
        for metric in given["metrics"]:
            _, state = update(parameters, state, value=float(metric))
            rates.append(0.5 * float(state.scale))
        yield f"plateau/{name}", np.array(rates)


#: Layers of ``test_default_laws.NETWORK``, under its names and in its layouts.
def keras_laws(given):
    import keras

    keras.utils.set_random_seed(0)
    k = keras.layers
    layers = {
        "affine": (k.Dense(200), (1, 100)),
        "convolution": (k.Conv2D(80, 3), (1, 8, 8, 30)),
        "grouped": (k.Conv2D(80, 3, groups=4), (1, 8, 8, 40)),
        "depthwise": (k.DepthwiseConv2D(3, depth_multiplier=8), (1, 8, 8, 300)),
        "transposed": (k.Conv2DTranspose(40, 3), (1, 8, 8, 60)),
        "embedding": (k.Embedding(500, 40), (1, 3)),
        "simple": (k.SimpleRNN(200), (1, 2, 100)),
        "lstm": (k.LSTM(100), (1, 2, 50)),
        "gru": (k.GRU(100), (1, 2, 70)),
        "attention": (k.MultiHeadAttention(8, 20), ((1, 2, 160), (1, 2, 160))),
        "batch_norm": (k.BatchNormalization(), (1, 40)),
        "layer_norm": (k.LayerNormalization(), (1, 40)),
        "group_norm": (k.GroupNormalization(4), (1, 8, 8, 40)),
        "rms_norm": (k.RMSNormalization(), (1, 40)),
        "prelu": (k.PReLU(shared_axes=(1, 2)), (1, 8, 8, 40)),
    }
    words = {
        "kernel": "weight", "depthwise_kernel": "weight", "embeddings": "weight",
        "recurrent_kernel": "recurrent_weight", "gamma": "scale", "beta": "shift",
        "alpha": "slope",
    }  # fmt: skip
    for name, (layer, shape) in layers.items():
        layer.build(*shape) if name == "attention" else layer.build(shape)
        for variable in layer.trainable_variables:
            value, key = variable.numpy(), words.get(variable.name, variable.name)
            if name == "gru" and key == "bias":
                yield f"{name}.recurrent_bias", value[1]
                value = value[0]
            if name == "attention":
                own, part = variable.path.split("/")[-2:]
                own = {"attention_output": "output"}.get(own, own)
                shape = (160,) if part == "bias" else (160, 160)
                yield f"{name}.{own}_{words.get(part, part)}", value.reshape(shape)
                continue
            # Axes that share a slope are left in it.
            yield f"{name}.{key}", value.reshape(40) if name == "prelu" else value


def tf1_laws(given):
    import tensorflow as tf
    from tensorflow.python.keras.layers.legacy_rnn import rnn_cell_impl

    v1 = tf.compat.v1
    cells = {
        "simple": (rnn_cell_impl.BasicRNNCell(200), 100),
        "lstm": (rnn_cell_impl.BasicLSTMCell(100), 50),
        "gru": (rnn_cell_impl.GRUCell(100), 70),
    }
    with tf.Graph().as_default():
        v1.set_random_seed(0)
        v1.get_variable("affine.weight", (100, 200))
        v1.get_variable("convolution.weight", (3, 3, 30, 80))
        v1.get_variable("embedding.weight", (500, 40))
        for name, (cell, inputs) in cells.items():
            with v1.variable_scope(name):
                cell.build(tf.TensorShape((None, inputs)))
        with v1.Session() as session:
            session.run(v1.global_variables_initializer())
            found = {v.name.split(":")[0]: session.run(v) for v in v1.trainable_variables()}
    for name, value in found.items():
        layer, _, rest = name.partition("/")
        if layer not in cells:
            yield name, value
            continue
        inputs, part = cells[layer][1], "/".join(rest.split("/")[1:])
        if not part.endswith("kernel"):
            yield f"{layer}.{part}", value
            continue
        yield f"{layer}.{part.replace('kernel', 'weight')}", value[:inputs]
        yield f"{layer}.{part.replace('kernel', 'recurrent_weight')}", value[inputs:]


def optax_laws(given):
    import flax.linen as nn
    import jax
    import jax.numpy as jnp

    image = (1, 8, 8)
    modules = {
        "affine": (nn.Dense(200), (1, 100)),
        "convolution": (nn.Conv(80, (3, 3)), (*image, 30)),
        "grouped": (nn.Conv(80, (3, 3), feature_group_count=4), (*image, 40)),
        "depthwise": (nn.Conv(2400, (3, 3), feature_group_count=300), (*image, 300)),
        "transposed": (nn.ConvTranspose(40, (3, 3)), (*image, 60)),
        "batch_norm": (nn.BatchNorm(use_running_average=True), (1, 40)),
        "layer_norm": (nn.LayerNorm(), (1, 40)),
        "group_norm": (nn.GroupNorm(4), (*image, 40)),
        "rms_norm": (nn.RMSNorm(), (1, 40)),
        "prelu": (nn.PReLU(), (1, 40)),
    }
    key = jax.random.key(0)
    for name, (module, shape) in modules.items():
        found = module.init(key, jnp.zeros(shape))["params"]
        norm = "norm" in name
        for word, value in found.items():
            value, ours = np.asarray(value), {"kernel": "weight"}.get(word, word)
            if name == "depthwise" and ours == "weight":
                value = value.reshape(3, 3, 300, 8)
            if name == "transposed" and ours == "weight":
                value = value.swapaxes(2, 3)
            ours = {"negative_slope": "slope"}.get(
                ours, "shift" if norm and ours == "bias" else ours
            )
            yield f"{name}.{ours}", value.reshape(1) if value.ndim == 0 else value
    attention = nn.MultiHeadDotProductAttention(8).init(key, jnp.zeros((1, 2, 160)))["params"]
    for own in ("query", "key", "value", "out"):
        ours = {"out": "output"}.get(own, own)
        yield f"attention.{ours}_weight", attention[own]["kernel"].reshape(160, 160)
        yield f"attention.{ours}_bias", attention[own]["bias"].reshape(160)
    embedded = nn.Embed(500, 40).init(key, jnp.zeros((1, 3), jnp.int32))["params"]
    yield "embedding.weight", embedded["embedding"]
    cells = {
        "simple": (nn.SimpleCell(200), 100, ["i"], ["h"], ["i"]),
        "lstm": (
            nn.LSTMCell(100), 50, ["ii", "if", "ig", "io"], ["hi", "hf", "hg", "ho"],
            ["hi", "hf", "hg", "ho"],
        ),
        "gru": (nn.GRUCell(100), 70, ["iz", "ir", "in"], ["hz", "hr", "hn"], ["iz", "ir", "in"]),
    }  # fmt: skip
    for name, (cell, inputs, of_input, of_state, of_bias) in cells.items():
        carry = cell.initialize_carry(key, (1, inputs))
        found = cell.init(key, carry, jnp.zeros((1, inputs)))["params"]
        for ours, word, parts in (
            ("weight", "kernel", of_input),
            ("recurrent_weight", "kernel", of_state),
            ("bias", "bias", of_bias),
        ):
            yield f"{name}.{ours}", np.concatenate([found[part][word] for part in parts], -1)


SECTIONS = {
    "keras-optimizers": keras_optimizers,
    "tf1-optimizers": tf1_optimizers,
    "optax-optimizers": optax_optimizers,
    "keras-clipping": keras_clipping,
    "optax-clipping": optax_clipping,
    "keras-schedules": keras_schedules,
    "optax-schedules": optax_schedules,
    "keras-laws": keras_laws,
    "tf1-laws": tf1_laws,
    "optax-laws": optax_laws,
}


def main(what, inputs, outputs):
    found = dict(SECTIONS[what](np.load(inputs)))
    np.savez(outputs, **{name: np.asarray(value) for name, value in found.items()})


if __name__ == "__main__":
    main(*sys.argv[1:])
