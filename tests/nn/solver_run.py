"""What Keras's ``fit``, metrics and early stopping give, for ``test_solver_parity.py``.

Run in a process of its own: ``python solver_run.py inputs.npz outputs.npz``. Constants are
exact in binary, since Keras on TensorFlow rounds them to float32.
"""

import os
import sys

os.environ["KERAS_BACKEND"] = "tensorflow"

import keras
import numpy as np

keras.config.set_floatx("float64")
keras.config.set_dtype_policy("float64")


def model_of(given: dict[str, np.ndarray], optimizer: keras.optimizers.Optimizer) -> keras.Model:
    model = keras.Sequential(
        [
            keras.layers.Input((3,)),
            keras.layers.Dense(6, activation="tanh"),
            keras.layers.Dense(4),
        ]
    )
    model.set_weights([given[name] for name in ("w1", "b1", "w2", "b2")])
    model.compile(
        optimizer,
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
        jit_compile=False,
    )
    return model


def trained(given: dict[str, np.ndarray], found: dict[str, np.ndarray]) -> None:
    for name, options in {
        "plain": {},
        "split": {"validation_split": 0.25},
        "weighted": {"sample_weight": given["weights"]},
    }.items():
        model = model_of(given, keras.optimizers.SGD(0.125, momentum=0.875))
        history = model.fit(
            given["x"], given["y"], batch_size=5, epochs=3, shuffle=False, verbose=0, **options
        ).history
        for key, values in history.items():
            found[f"{name}/{key}"] = np.array(values, np.float64)
        for key, value in zip(("w1", "b1", "w2", "b2"), model.get_weights(), strict=True):
            found[f"{name}/{key}"] = value
    # 22 rows by 4 are 6 batches, so that no group is left over at an epoch's end.
    model = model_of(given, keras.optimizers.SGD(0.125, gradient_accumulation_steps=3))
    model.fit(given["x"], given["y"], batch_size=4, epochs=3, shuffle=False, verbose=0)
    for key, value in zip(("w1", "b1", "w2", "b2"), model.get_weights(), strict=True):
        found[f"accumulated/{key}"] = value


def stopped(given: dict[str, np.ndarray], found: dict[str, np.ndarray]) -> None:
    """After which epoch training stops, and which was the best, for sequences of values."""
    rows = []
    for mode in ("min", "max"):
        for patience in (1, 2, 3):
            for delta in (0.0, 0.25):
                for sequence in given["sequences"]:
                    rule = keras.callbacks.EarlyStopping(
                        "v", min_delta=delta, patience=patience, mode=mode,
                        restore_best_weights=True,
                    )  # fmt: skip
                    model = keras.Sequential([keras.layers.Input((1,)), keras.layers.Dense(1)])
                    rule.set_model(model)
                    model.stop_training = False
                    rule.on_train_begin()
                    epoch = -1
                    for epoch, value in enumerate(sequence):
                        rule.on_epoch_end(epoch, {"v": value})
                        if model.stop_training:
                            break
                    rows.append((epoch + 1, rule.best_epoch + 1, model.stop_training))
    found["stopped"] = np.array(rows)


def measured(given: dict[str, np.ndarray], found: dict[str, np.ndarray]) -> None:
    rows = []
    for scores, labels in zip(given["scores"], given["labels"], strict=True):
        row = []
        for k in (1, 2, 3):
            metric = keras.metrics.SparseTopKCategoricalAccuracy(k, dtype="float32")
            # TensorFlow's kernel takes float32 only; these scores are the same in it.
            metric.update_state(labels, keras.ops.cast(scores, "float32"))
            row.append(float(metric.result()))
        metric = keras.metrics.SparseCategoricalAccuracy()
        metric.update_state(labels, scores)
        row.append(float(metric.result()))
        for threshold in (0.5, 0.0):
            metric = keras.metrics.BinaryAccuracy(threshold=threshold)
            metric.update_state(labels[:, None] > 1, scores[:, :1])
            row.append(float(metric.result()))
        rows.append(row)
    found["metrics"] = np.array(rows)


def main() -> None:
    given = dict(np.load(sys.argv[1]))
    found: dict[str, np.ndarray] = {}
    trained(given, found)
    stopped(given, found)
    measured(given, found)
    np.savez(sys.argv[2], **found)


if __name__ == "__main__":
    main()
