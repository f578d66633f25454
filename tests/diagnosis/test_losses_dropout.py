"""The loss of a program whose dropout shows in its activations alone."""

from __future__ import annotations

from typing import Any

import numpy as np
from tests.diagnosis.test_losses_between import softmax

import netparity
from netparity import nn
from netparity.conventions import Conventions, Place
from netparity.diagnosis.loss_probes import SCALES, Look, far_off, general
from netparity.diagnosis.twin import Twin

Array = np.ndarray[Any, Any]


def program(clip: float) -> Any:
    """A classifier with dropout, the probabilities in its loss bounded."""

    def build() -> netparity.Scratch:
        start = np.random.default_rng(0)
        kept = {
            "W1": start.standard_normal((4, 9)), "b1": np.full(9, 0.1),
            "W2": 6 * start.standard_normal((9, 3)), "b2": np.zeros(3),
        }  # fmt: skip

        def forward(x: Array, training: bool) -> dict[str, Array]:
            hidden = np.tanh(x @ kept["W1"] + kept["b1"])
            mask = np.random.random_sample(hidden.shape) >= 0.25  # noqa: NPY002
            dropped = hidden * mask / 0.75 if training else hidden
            return {
                "hidden": hidden,
                "dropped": dropped,
                "out": softmax(dropped @ kept["W2"] + kept["b2"]),
            }

        def loss(x: Array, y: Array) -> float:
            p = np.clip(forward(x, True)["out"], clip, 1 - clip)
            return -float(np.mean(np.log(p[np.arange(len(p)), y])))

        def gradients(x: Array, y: Array) -> dict[str, Array]:
            seen = forward(x, True)
            slope = seen["out"].copy()
            slope[np.arange(len(slope)), y] -= 1
            slope /= len(slope)
            ratio = np.divide(seen["dropped"], seen["hidden"])
            back = slope @ kept["W2"].T * ratio * (1 - seen["hidden"] ** 2)
            return {
                "W1": x.T @ back, "b1": back.sum(0),
                "W2": seen["dropped"].T @ slope, "b2": slope.sum(0),
            }  # fmt: skip

        def update(gradients: dict[str, Array]) -> None:
            for name, gradient in gradients.items():
                kept[name] -= 0.1 * gradient

        return netparity.Scratch(
            parameters=kept, predict=lambda x: forward(x, False)["out"], loss=loss,
            gradients=gradients, update=update,
            activations=lambda x, training=False: forward(x, training),
        )  # fmt: skip

    return build


def test_a_bound_behind_dropout() -> None:
    rng = np.random.default_rng(1)
    data = rng.standard_normal((40, 4)), rng.integers(0, 3, 40)
    report = netparity.compare(program(1e-5), program(0.0), data=data, steps=4)
    assert [c.id for c in report.causes] == ["loss-epsilon-clipping"]
    assert report.unexplained == ()


def test_classes_that_are_as_good_as_excluded() -> None:
    scores, y = np.array([[0.0, 20.0], [1.0, 0.0]]), np.array([0, 0])
    assert far_off(scores, y)
    assert far_off(softmax(scores), y)
    assert far_off(scores, np.eye(2)[y])
    assert not far_off(scores, np.array([1, 0]))
    assert not far_off(scores[:, :1], y)
    assert not far_off(scores, np.array([[0.5, 2.0], [1.0, 3.0]]))


def test_a_loss_is_looked_at_only_where_its_masks_can_be_seen() -> None:
    layers = (
        ("dense1", nn.Affine(4, 9)), ("tanh", nn.Tanh()), ("drop", nn.Dropout(0.25)),
        ("dense2", nn.Affine(9, 3)), ("out", nn.Softmax()),
    )  # fmt: skip
    names = {"dense1.weight": "W1", "dense1.bias": "b1", "dense2.weight": "W2", "dense2.bias": "b2"}
    twin = Twin(Conventions(layers=layers, places={n: Place(p) for n, p in names.items()}))
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((6, 4)), rng.integers(0, 3, 6)
    seen = np.random.default_rng(1).random((6, 9))
    for draws, expected in ((None, 0), ([seen], len(SCALES))):
        look = Look.at_side(program(1e-7)(), twin, lambda *_, draws=draws: draws)
        assert len(general(look, [(x, y)], rng)) == expected
