"""A clip that a Keras optimizer or a chain of optax declares is read, and can be taken away."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import netparity
from netparity.nn import AdaGrad, ClipByNorm, ClipByValue, Ftrl

keras = pytest.importorskip("keras")
optax = pytest.importorskip("optax")
Array = np.ndarray[Any, Any]
DATA = np.random.default_rng(1)
X, Y = DATA.standard_normal((24, 4)), DATA.standard_normal((24, 2))


def in_keras(**clip: float) -> Any:
    def build() -> netparity.Keras:
        model = keras.Sequential([keras.layers.Input((4,)), keras.layers.Dense(2)])
        model.set_weights([np.full((4, 2), 0.5), np.zeros(2)])
        model.compile(keras.optimizers.Adagrad(0.05, **clip), "mse")
        return netparity.Keras(model)

    return build


def in_jax(*clip: Any) -> Any:
    def apply(params: dict[str, Array], x: Array) -> Array:
        return x @ params["w"] + params["b"]

    def build() -> netparity.Jax:
        params = {"w": np.full((4, 2), 0.5, np.float32), "b": np.zeros(2, np.float32)}
        rule = optax.chain(*clip, optax.adagrad(0.05))
        return netparity.Jax(apply, params, lambda p, y: ((p - y) ** 2).mean(), rule)

    return build


LIMIT = 0.125


@pytest.mark.parametrize(
    ("build", "clipping"),
    [
        (in_keras(clipnorm=LIMIT), ClipByNorm(LIMIT, "parameter")),
        (in_keras(global_clipnorm=LIMIT), ClipByNorm(LIMIT)),
        (in_keras(clipvalue=LIMIT), ClipByValue(LIMIT)),
        (in_jax(optax.clip_by_global_norm(LIMIT)), ClipByNorm(LIMIT)),
        (in_jax(optax.clip(LIMIT)), ClipByValue(LIMIT)),
        (in_jax(), None),
    ],
)
def test_the_rule_is_declared_with_its_clip(build: Any, clipping: Any) -> None:
    said = build().declared(X[:2].astype(np.float32))
    assert isinstance(said.optimizer, AdaGrad)
    assert said.clipping == clipping


@pytest.mark.parametrize(
    ("left", "right", "causes"),
    [
        (in_keras(), in_keras(global_clipnorm=LIMIT), ["clip-value"]),
        (in_keras(clipvalue=LIMIT), in_keras(global_clipnorm=LIMIT), ["grad-clip-value"]),
        (in_jax(), in_jax(optax.clip_by_global_norm(LIMIT)), ["clip-value"]),
    ],
)
def test_a_declared_clip_is_the_cause(left: Any, right: Any, causes: list[str]) -> None:
    report = netparity.compare(left, right, data=(X, Y), steps=4)
    assert [c.id for c in report.causes] == causes, report
    assert report.explained
    assert report.unexplained == ()


def test_a_rate_of_nought_is_no_error() -> None:
    w, g = {"w": np.ones(2)}, {"w": np.ones(2)}
    rule = Ftrl(0.5)
    with np.errstate(all="ignore"):
        moved, _ = rule.update(w, g, rule.initialize(w), 0.0)
    assert moved["w"].shape == (2,)
