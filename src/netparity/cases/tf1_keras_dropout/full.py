"""The whole of tf1-keras-dropout: 30 epochs with three seeds, before and after the fix."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from netparity.cases.tf1_keras_dropout.data import everything
from netparity.report.model import Headline

if TYPE_CHECKING:
    from netparity.datasets import Dataset

EPOCHS = 30
SEEDS = (0, 1, 2)
#: Keras's rate that keeps what keep_prob = 0.7 keeps.
MENDED = 0.3


def run(
    dataset: Dataset,
    progress: Callable[[str, float], None],
    *,
    epochs: int = EPOCHS,
    seeds: Sequence[int] = SEEDS,
) -> tuple[Headline, ...]:
    """Trains left, right and the mended right, and compares their test accuracies.

    Args:
        dataset: digits or MNIST.
        progress: told what runs and which fraction of the whole is done.
        epochs: how long each training is.
        seeds: one training of each program a seed.

    Returns:
        The mean test accuracy with its lowest and highest over the seeds.
    """
    import keras

    left: Any = importlib.import_module("netparity.cases.tf1_keras_dropout.left")
    right: Any = importlib.import_module("netparity.cases.tf1_keras_dropout.right")
    right.use_float32()
    x, y, x_test, y_test = everything(dataset)
    features = x.shape[1]
    total = 3 * len(seeds) * epochs
    done = 0

    def tick(what: str) -> None:
        nonlocal done
        done += 1
        progress(what, done / total)

    def train_left(seed: int) -> float:
        net = left.Classifier(features, seed)
        with net.session:
            for _ in range(epochs):
                net.train_epoch(x, y)
                tick(f"TensorFlow 1, seed {seed}")
            return float(net.evaluate(x_test, y_test)[1])

    def train_right(seed: int, dropout: float) -> float:
        model = right.make_model(features, seed, dropout)
        say = keras.callbacks.LambdaCallback(
            on_epoch_end=lambda epoch, logs: tick(f"Keras with Dropout({dropout}), seed {seed}")
        )
        right.train(model, x, y, epochs, verbose=0, callbacks=[say])
        logs = model.evaluate(x_test, y_test, verbose=0, return_dict=True)
        return float(logs["accuracy"])

    return (
        Headline(
            label=f"test accuracy after {epochs} epochs, {len(seeds)} seeds",
            left=_spread([train_left(seed) for seed in seeds]),
            before=_spread([train_right(seed, right.DROPOUT) for seed in seeds]),
            after=_spread([train_right(seed, MENDED) for seed in seeds]),
        ),
    )


def _spread(accuracies: list[float]) -> str:
    """Mean, lowest and highest, in percent."""
    percent = 100 * np.asarray(accuracies)
    return f"{percent.mean():.1f} % ({percent.min():.1f} to {percent.max():.1f})"
