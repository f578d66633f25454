"""What Keras on TensorFlow, TF 1 and optax compute as losses, for the tests beside this file.

Run in a process of its own, since float64 and ε are settings of the process:
``python losses_run.py inputs.npz outputs.npz``. Constants are exact in binary, because these
frameworks round them to float32. The losses of TF 1 are computed in float32 whatever they are
given, so they are given that.
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

K = keras.losses
V1 = tf.compat.v1.losses

# name: (prediction, target, weights, loss)
KERAS = {
    "sparse": ("logits", "classes", None, K.SparseCategoricalCrossentropy(from_logits=True)),
    "sparse_weighted": (
        "logits", "classes", "weights", K.SparseCategoricalCrossentropy(from_logits=True)
    ),
    "sparse_weighted_mean": (
        "logits", "classes", "weights",
        K.SparseCategoricalCrossentropy(from_logits=True, reduction="mean_with_sample_weight"),
    ),
    "sparse_weighted_sum": (
        "logits", "classes", "weights",
        K.SparseCategoricalCrossentropy(from_logits=True, reduction="sum"),
    ),
    "sparse_no_weight": (
        "logits", "classes", "zeros",
        K.SparseCategoricalCrossentropy(from_logits=True, reduction="mean_with_sample_weight"),
    ),
    "sparse_ignored": (
        "logits", "classes", None,
        K.SparseCategoricalCrossentropy(from_logits=True, ignore_class=1),
    ),
    "sparse_ignored_weighted": (
        "logits", "classes", "weights",
        K.SparseCategoricalCrossentropy(from_logits=True, ignore_class=1),
    ),
    "sparse_all_ignored": (
        "logits", "ones", None,
        K.SparseCategoricalCrossentropy(from_logits=True, ignore_class=1),
    ),
    "sparse_probabilities": ("unnormalised", "classes", None, K.SparseCategoricalCrossentropy()),
    "sequence": ("sequence", "labels", None, K.SparseCategoricalCrossentropy(from_logits=True)),
    "sequence_masked": (
        "sequence", "labels", "mask", K.SparseCategoricalCrossentropy(from_logits=True)
    ),
    "sequence_masked_mean": (
        "sequence", "labels", "mask",
        K.SparseCategoricalCrossentropy(from_logits=True, reduction="mean_with_sample_weight"),
    ),
    "smoothed": (
        "logits", "soft", None, K.CategoricalCrossentropy(from_logits=True, label_smoothing=0.25)
    ),
    "smoothed_probabilities": (
        "unnormalised", "soft", "weights", K.CategoricalCrossentropy(label_smoothing=0.25)
    ),
    "binary": ("logits", "soft", "weights", K.BinaryCrossentropy(from_logits=True)),
    "binary_smoothed": (
        "logits", "hot", None, K.BinaryCrossentropy(from_logits=True, label_smoothing=0.25)
    ),
    "binary_probabilities": (
        "unnormalised", "hot", "weights", K.BinaryCrossentropy(label_smoothing=0.25)
    ),
    "squared": ("logits", "real", "weights", K.MeanSquaredError()),
    "absolute": ("logits", "real", "weights", K.MeanAbsoluteError()),
    "huber": ("logits", "real", "weights", K.Huber(0.5)),
    "log_cosh": ("logits", "real", "weights", K.LogCosh()),
    "categorical_hinge": ("logits", "hot", "weights", K.CategoricalHinge()),
    "categorical_hinge_ties": ("tied", "hot", None, K.CategoricalHinge()),
    "hinge_bits": ("logits", "hot", "weights", K.Hinge()),
    "hinge_signs": ("logits", "signs", None, K.Hinge()),
    "squared_hinge": ("logits", "hot", None, K.SquaredHinge()),
    "divergence": ("unnormalised", "soft", "weights", K.KLDivergence()),
    "poisson": ("probabilities", "counts", "weights", K.Poisson()),
    "cosine": ("logits", "real", "weights", K.CosineSimilarity()),
    "binary_focal": ("logits", "hot", None, K.BinaryFocalCrossentropy(from_logits=True)),
    "binary_focal_balanced": (
        "probabilities", "hot", "weights",
        K.BinaryFocalCrossentropy(True, 0.25, 3.0, label_smoothing=0.25),
    ),
    "categorical_focal": (
        "logits", "hot", None, K.CategoricalFocalCrossentropy(from_logits=True)
    ),
    "categorical_focal_smoothed": (
        "unnormalised", "hot", "weights",
        K.CategoricalFocalCrossentropy(0.5, 3.0, label_smoothing=0.25),
    ),
}  # fmt: skip

MEAN, OVER_ALL = V1.Reduction.MEAN, V1.Reduction.SUM_OVER_BATCH_SIZE
TF1 = {
    "softmax": (
        "logits", "hot", "weights",
        lambda p, t, w: V1.softmax_cross_entropy(t, p, w, label_smoothing=0.25),
    ),
    "sparse": (
        "logits", "classes", "weights", lambda p, t, w: V1.sparse_softmax_cross_entropy(t, p, w)
    ),
    "sparse_mean": (
        "logits", "classes", "weights",
        lambda p, t, w: V1.sparse_softmax_cross_entropy(t, p, w, reduction=MEAN),
    ),
    "sparse_over_all": (
        "logits", "classes", "weights",
        lambda p, t, w: V1.sparse_softmax_cross_entropy(t, p, w, reduction=OVER_ALL),
    ),
    "sparse_no_weight": (
        "logits", "classes", "zeros", lambda p, t, w: V1.sparse_softmax_cross_entropy(t, p, w)
    ),
    "sigmoid": (
        "logits", "soft", "column",
        lambda p, t, w: V1.sigmoid_cross_entropy(t, p, w, label_smoothing=0.25),
    ),
    "log_loss": (
        "probabilities", "soft", "column",
        lambda p, t, w: V1.log_loss(t, p, w, epsilon=2.0**-10),
    ),
    "hinge": ("logits", "hot", "column", lambda p, t, w: V1.hinge_loss(t, p, w)),
    "huber": ("logits", "real", "column", lambda p, t, w: V1.huber_loss(t, p, w, 0.5)),
    "absolute": ("logits", "real", "column", lambda p, t, w: V1.absolute_difference(t, p, w)),
    "squared": ("logits", "real", "column", lambda p, t, w: V1.mean_squared_error(t, p, w)),
    "squared_mean": (
        "logits", "real", "column",
        lambda p, t, w: V1.mean_squared_error(t, p, w, reduction=MEAN),
    ),
    "poisson": (
        "logits", "counts", "column",
        lambda p, t, w: tf.reduce_mean(tf.nn.log_poisson_loss(t, p, compute_full_loss=True) * w),
    ),
    "positive_weight": (
        "logits", "soft", "column",
        lambda p, t, w: tf.reduce_mean(tf.nn.weighted_cross_entropy_with_logits(t, p, 3.0) * w),
    ),
}  # fmt: skip


def optax_losses():
    """Loss functions of prediction and target, the mean over all rows taken outside."""
    import optax

    o = optax.losses
    return {
        "integer": ("logits", "classes", o.softmax_cross_entropy_with_integer_labels),
        "smoothed": (
            "logits", "hot",
            lambda p, t: o.softmax_cross_entropy(p, o.smooth_labels(t, 0.25)),
        ),
        "sequence": ("sequence", "labels", o.softmax_cross_entropy_with_integer_labels),
        "sigmoid": ("logits", "soft", o.sigmoid_binary_cross_entropy),
        "half_squared": ("logits", "real", o.l2_loss),
        "huber": ("logits", "real", lambda p, t: o.huber_loss(p, t, delta=0.5)),
        "log_cosh": ("logits", "real", o.log_cosh),
        "hinge": ("logits", "signs", o.hinge_loss),
        "multiclass_hinge": ("logits", "classes", o.multiclass_hinge_loss),
        "divergence": ("log_probabilities", "soft", o.kl_divergence),
        "divergence_of_logarithms": (
            "log_probabilities", "log_soft", o.kl_divergence_with_log_targets
        ),
        "cosine": ("logits", "real", o.cosine_distance),
        "focal": ("logits", "soft", lambda p, t: o.sigmoid_focal_loss(p, t, gamma=2.0)),
        "focal_balanced": (
            "logits", "hot", lambda p, t: o.sigmoid_focal_loss(p, t, alpha=0.25, gamma=3.0)
        ),
    }  # fmt: skip


def keras_class_weights(given):
    """Loss and gradient at the logits of ``train_on_batch`` with class weights."""
    logits = given["logits"]
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(4, use_bias=False)])
    model.layers[0].set_weights([np.eye(4)])
    model.compile(keras.optimizers.SGD(1.0), K.CategoricalCrossentropy(True, 0.25))
    value = model.train_on_batch(
        logits, given["hot"], class_weight=dict(enumerate(given["class_weights"].tolist()))
    )
    # The step that was taken is logitsᵀ times the gradient.
    return value, np.eye(4) - model.layers[0].get_weights()[0]


def main(inputs: str, outputs: str) -> None:
    given, found = np.load(inputs), {}
    for name, (prediction, target, weights, loss) in KERAS.items():
        x = tf.constant(given[prediction])
        with tf.GradientTape() as tape:
            tape.watch(x)
            value = loss(given[target], x, None if weights is None else given[weights])
        found[f"keras/{name}/value"] = value
        found[f"keras/{name}/gradient"] = tape.gradient(value, x)
    value, step = keras_class_weights(given)
    found["keras/class_weights/value"], found["keras/class_weights/step"] = value, step
    for name, (prediction, target, weights, loss) in TF1.items():
        labels = given[target]
        labels = labels if labels.dtype.kind == "i" else labels.astype(np.float32)
        with tf.Graph().as_default():
            x = tf.constant(given[prediction].astype(np.float32))
            value = loss(x, tf.constant(labels), tf.constant(given[weights].astype(np.float32)))
            gradient = tf.gradients(value, x)[0]
            with tf.compat.v1.Session() as session:
                found[f"tf1/{name}/value"], found[f"tf1/{name}/gradient"] = session.run(
                    (value, gradient)
                )
    try:
        import jax
        import optax  # noqa: F401 (absent here means no optax results, and those tests skip)
    except ImportError:
        pass
    else:
        jax.config.update("jax_enable_x64", True)
        for name, (prediction, target, loss) in optax_losses().items():
            value, gradient = jax.value_and_grad(
                lambda x, loss=loss, target=target: loss(x, given[target]).mean()
            )(given[prediction])
            found[f"optax/{name}/value"], found[f"optax/{name}/gradient"] = value, gradient
    np.savez(outputs, **{name: np.asarray(value) for name, value in found.items()})


if __name__ == "__main__":
    main(*sys.argv[1:])
