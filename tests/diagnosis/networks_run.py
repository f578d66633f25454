"""Compares Keras (TensorFlow, float64) with torch; prints what was found as JSON.

Run as a process of its own: ``python -m tests.diagnosis.networks_run``.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from typing import Any

os.environ["KERAS_BACKEND"] = "tensorflow"

import keras
import numpy as np
from keras import layers
from tests.diagnosis.networks import (
    RATE,
    drawn,
    images,
    in_torch,
    recurrent_in_torch,
    recurrent_values,
    tokens,
)

import netparity

keras.config.set_floatx("float64")


def compiled(*stack: Any) -> Any:
    model = keras.Sequential(stack)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(RATE), loss)
    return model


def convolutional() -> Any:
    model = compiled(
        keras.Input((8, 8, 2)),
        layers.Conv2D(4, 3, padding="same"),
        layers.BatchNormalization(),
        layers.ReLU(),
        layers.MaxPooling2D(2),
        layers.Flatten(),
        layers.Dropout(0.25),
        layers.Dense(3),
    )
    values = drawn((3, 3, 2, 4), (4,), (64, 3), (3,))
    model.layers[0].set_weights(values[:2])
    model.layers[-1].set_weights(values[2:])
    return model


def recurrent(kind: str) -> Callable[[], Any]:
    def build() -> Any:
        cell = layers.LSTM(4) if kind == "LSTM" else layers.GRU(4)
        model = compiled(
            keras.Input((6,), dtype="int32"), layers.Embedding(12, 5), cell, layers.Dense(3)
        )
        table, weight, state, one, two, fc, last = recurrent_values(kind)
        model.layers[0].set_weights([table])
        bias = one + two if kind == "LSTM" else np.stack([one, two])
        model.layers[1].set_weights([weight, state, bias])
        model.layers[2].set_weights([fc, last])
        return model

    return build


def told(report: Any) -> dict[str, Any]:
    found = report.to_dict()
    return {
        "verdict": found["verdict"],
        "causes": sorted(cause["id"] for cause in found["causes"]),
        "unexplained": found["unexplained"],
        "after": found["gap"]["after"],
        "floor": found["gap"]["noise_floor"],
    }


def main() -> None:
    """Every comparison, by name."""
    pairs = {
        "images, torch's defaults": (convolutional, in_torch(eps=1e-5, momentum=0.1), images(16)),
        "images, kernel as it stands": (convolutional, in_torch(kernel=(3, 2, 1, 0)), images(16)),
        "gru": (recurrent("GRU"), recurrent_in_torch("GRU", (1, 0, 2)), tokens(16)),
        "gru, copied": (recurrent("GRU"), recurrent_in_torch("GRU", (0, 1, 2)), tokens(16)),
        "lstm": (recurrent("LSTM"), recurrent_in_torch("LSTM", (0, 1, 2, 3)), tokens(16)),
    }
    found = {
        name: told(netparity.compare(left, right, data=data, steps=2, batch_size=8))
        for name, (left, right, data) in pairs.items()
    }
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
