"""The loss of a program whose dropout shows in its activations alone."""

from __future__ import annotations

from typing import Any

import numpy as np
from tests.diagnosis.test_losses_between import softmax

import netparity
from netparity import nn
from netparity.conventions import Conventions, Place
from netparity.diagnosis.loss_probes import SCALES, Look, far_off, general
from netparity.diagnosis.masks import as_draws, see_masks, with_dropout
from netparity.diagnosis.twin import Twin

Array = np.ndarray[Any, Any]


def program(clip: float, decay: float = 0.0) -> Any:
    """A classifier with dropout, the probabilities in its loss bounded; W1 may decay in it."""

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
            pull = 0.5 * decay * float(np.sum(kept["W1"] ** 2))
            return pull - float(np.mean(np.log(p[np.arange(len(p)), y])))

        def gradients(x: Array, y: Array) -> dict[str, Array]:
            seen = forward(x, True)
            slope = seen["out"].copy()
            slope[np.arange(len(slope)), y] -= 1
            slope /= len(slope)
            ratio = np.divide(seen["dropped"], seen["hidden"])
            back = slope @ kept["W2"].T * ratio * (1 - seen["hidden"] ** 2)
            return {
                "W1": x.T @ back + decay * kept["W1"], "b1": back.sum(0),
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


def test_a_penalty_on_one_layer_behind_dropout() -> None:
    rng = np.random.default_rng(1)
    data = rng.standard_normal((40, 4)), rng.integers(0, 3, 40)
    report = netparity.compare(program(0.0), program(0.0, decay=0.02), data=data, steps=4)
    assert [c.id for c in report.causes] == ["penalty-absent"]
    assert report.unexplained == ()


CHANNELS = (
    ("line", nn.Affine(2, 3)), ("relu", nn.ReLU()), ("flatten", nn.Flatten()),
    ("dense", nn.Affine(48, 2)),
)  # fmt: skip


def dropping(mask: Array) -> netparity.Scratch:
    """Values (N, 4, 4, 3) are dropped, then flattened channel by channel."""
    rng = np.random.default_rng(0)
    values = {
        "W1": rng.standard_normal((2, 3)), "b1": np.zeros(3),
        "W2": rng.standard_normal((48, 2)), "b2": np.zeros(2),
    }  # fmt: skip

    def activations(x: Array, training: bool = False) -> dict[str, Array]:
        hidden = np.maximum(x @ values["W1"] + values["b1"], 0)
        dropped = hidden * mask / 0.5 if training else hidden
        flat = dropped.transpose(0, 3, 1, 2).reshape(len(x), -1)
        own = values["W2"].reshape(4, 4, 3, 2).transpose(2, 0, 1, 3).reshape(48, 2)
        return {"hidden": hidden, "dropped": dropped, "flat": flat, "out": flat @ own}

    return netparity.Scratch(
        parameters=values, predict=lambda x: activations(x)["out"], activations=activations
    )


def test_the_masks_of_whole_channels_and_of_single_units() -> None:
    names = {"line.weight": "W1", "line.bias": "b1", "dense.weight": "W2", "dense.bias": "b2"}
    twin = Twin(Conventions(layers=CHANNELS, places={n: Place(p) for n, p in names.items()}))
    rng = np.random.default_rng(1)
    x = rng.standard_normal((8, 4, 4, 2))
    whole = np.broadcast_to(rng.random((8, 1, 1, 3)) >= 0.5, (8, 4, 4, 3))
    for mask, axis in ((whole, -1), (rng.random((8, 4, 4, 3)) >= 0.5, None)):
        seen = see_masks(dropping(mask), twin, x)
        assert seen is not None
        found = with_dropout(twin.conventions, seen)
        assert dict(found.layers or ())["dropout_relu"] == nn.Dropout(0.5, channel_axis=axis)
        drawn = as_draws(seen, found)
        assert drawn is not None
        (draw,) = drawn
        told = seen[0].alive if axis is None else np.ones_like(mask)
        np.testing.assert_array_equal((draw > 0.5)[told], mask[told])


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
