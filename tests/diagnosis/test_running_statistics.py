"""How programs that say nothing keep the running statistics of their batch norms."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

import netparity
from netparity.conventions import Conventions
from netparity.diagnosis import running, structure
from netparity.diagnosis.twin import Array
from netparity.implementations import adapt
from netparity.nn import Affine, BatchNorm, MeanSquaredError, Network, Tanh

NORMS = (BatchNorm(5, momentum=0.99, running_variance="unbiased"), BatchNorm(4, momentum=0.8))
ALIKE = (BatchNorm(5), BatchNorm(4))


def program(*norms: BatchNorm) -> Callable[[], netparity.Scratch]:
    """A network whose statistics move with each pass in training."""
    network = Network(
        (
            ("dense1", Affine(3, 5)), ("norm1", norms[0]), ("bend1", Tanh()),
            ("dense2", Affine(5, 4)), ("norm2", norms[1]), ("bend2", Tanh()),
            ("dense3", Affine(4, 2)),
        )
    )  # fmt: skip

    def build() -> netparity.Scratch:
        rng = np.random.default_rng(4)
        values = {n: 0.5 * rng.standard_normal(s) for n, s in network.parameter_shapes().items()}
        kept = network.initial_buffers()

        def predict(x: Array, training: bool = False) -> Array:
            tape = network.forward({**values, **kept}, x, training=training)
            for name, value in tape.buffers.items():
                kept[name][...] = value
            return tape.prediction

        def loss(x: Array, y: Array) -> float:
            return MeanSquaredError().value(predict(x, training=True), y)

        return netparity.Scratch(parameters=values, buffers=kept, predict=predict, loss=loss)

    return build


def data() -> tuple[Array, Array]:
    rng = np.random.default_rng(1)
    return rng.standard_normal((24, 3)), rng.standard_normal((24, 2))


def causes(left: tuple[BatchNorm, ...], right: tuple[BatchNorm, ...]) -> list[str]:
    report = netparity.compare(program(*left), program(*right), data=data(), batch_size=8)
    assert report.unexplained == ()
    return [cause.id for cause in report.causes]


def test_each_norm_with_its_own() -> None:
    live = adapt(program(*NORMS)())
    x, y = data()
    found = structure.find(live, Conventions(), x, np.random.default_rng(0))
    assert found is not None
    known = running.identify(live, found.conventions, x, y, np.random.default_rng(0))
    assert tuple(k for _, k in known.layers or () if isinstance(k, BatchNorm)) == NORMS


@pytest.mark.parametrize(
    ("change", "id"),
    [
        ({"momentum": 0.95}, "bn-momentum"),
        ({"running_variance": "unbiased"}, "bn-running-var-bias"),
        ({"inference": "batch"}, "bn-train-eval"),
    ],
)
def test_what_they_keep_otherwise(change: dict[str, object], id: str) -> None:
    assert causes(ALIKE, tuple(replace(k, **change) for k in ALIKE)) == [id]  # type: ignore[arg-type]


def test_what_they_keep_alike() -> None:
    assert causes(NORMS, NORMS) == []
