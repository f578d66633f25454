"""The reference network against Keras on TensorFlow and TF 1 graphs, in float64."""

import importlib.util
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from tests.nn.laws import follows
from tests.nn.measure import ulps

from netparity.nn import (
    ELU,
    GELU,
    NAMED,
    SGD,
    Adam,
    Layer,
    LeakyReLU,
    LogSoftmax,
    Loss,
    MeanAbsoluteError,
    MeanSquaredError,
    Optimizer,
    ReLU,
    Sigmoid,
    SigmoidCrossEntropy,
    SiLU,
    Softmax,
    SoftmaxCrossEntropy,
    Softplus,
    Tanh,
)

pytestmark = pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in ("keras", "tensorflow")),
    reason="needs keras and tensorflow",
)

CLIP = 2.0**-24


def _inputs() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    probabilities = rng.uniform(0.05, 0.95, size=(5, 4))
    # Saturated on both sides, so that the clip acts.
    probabilities[0] = [1.0, 0.0, 1e-9, 1e-3]
    gradients = rng.normal(size=(10, 3, 4)) * 10.0 ** rng.uniform(-3, 1, (10, 3, 4))
    return {
        "x": np.concatenate([rng.normal(size=(4, 6)), [[0.0, -0.0, 20.0, -20.0, 21.0, 80.0]]]),
        "dy": rng.normal(size=(5, 6)),
        "logits": rng.normal(size=(5, 4)) * 2,
        "probabilities": probabilities,
        "classes": np.array([3, 0, 1, 1, 2]),
        "soft": rng.dirichlet(np.ones(4), size=5),
        "start": rng.normal(size=(3, 4)),
        "gradients": gradients,
    }


GIVEN = _inputs()


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, np.ndarray]:
    folder = tmp_path_factory.mktemp("frameworks")
    np.savez(folder / "inputs.npz", **GIVEN)
    script = Path(__file__).with_name("frameworks_run.py")
    run = subprocess.run(
        [sys.executable, script, folder / "inputs.npz", folder / "outputs.npz"],
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    if run.returncode:
        pytest.fail(run.stderr)
    return dict(np.load(folder / "outputs.npz"))


@pytest.mark.parametrize(
    ("layer", "name"),
    [
        (ReLU(), "relu"),
        (LeakyReLU(0.25), "leaky_relu"),
        (ELU(), "elu"),
        (GELU(constants="float32"), "gelu"),
        (GELU(approximate=True, constants="float32"), "gelu_tanh"),
        (SiLU(), "silu"),
        (Softplus(), "softplus"),
        (Sigmoid(), "sigmoid"),
        (Tanh(), "tanh"),
        (Softmax(), "softmax"),
        (LogSoftmax(), "log_softmax"),
    ],
)
def test_activations(found: Mapping[str, np.ndarray], layer: Layer, name: str) -> None:
    y, backward = layer.apply({}, GIVEN["x"])
    dx = backward(GIVEN["dy"])[0]
    # Eight roundings, one of them in a library's exp or tanh, as for torch.
    bound = 8
    for row in range(len(y)):
        assert ulps(y[row], found[f"activation/{name}/y"][row]) <= bound
        assert ulps(dx[row], found[f"activation/{name}/dx"][row]) <= bound


@pytest.mark.parametrize(
    ("loss", "name", "target"),
    [
        (SoftmaxCrossEntropy(), "sparse_logits", "classes"),
        (SoftmaxCrossEntropy(), "categorical_logits", "soft"),
        (SigmoidCrossEntropy(), "binary_logits", "soft"),
        (
            SoftmaxCrossEntropy(input="probabilities", clip=CLIP, renormalise=True),
            "categorical",
            "soft",
        ),
        (SigmoidCrossEntropy(input="probabilities", clip=CLIP), "binary", "soft"),
        (MeanSquaredError(), "squared", "soft"),
        (MeanSquaredError(batch="sum"), "squared_sum", "soft"),
        (MeanAbsoluteError(), "absolute", "soft"),
    ],
)
def test_losses(found: Mapping[str, np.ndarray], loss: Loss, name: str, target: str) -> None:
    prediction = GIVEN["logits" if "logits" in name else "probabilities"]
    value, gradient = loss.value_and_gradient(prediction, GIVEN[target])
    # Sums of 20 terms of one sign, as for torch.
    assert ulps(value, found[f"loss/{name}/value"]) <= 16
    # Row by row, since 1/p of a saturated row exceeds all the others.
    for row in range(len(gradient)):
        assert ulps(gradient[row], found[f"loss/{name}/gradient"][row]) <= 16


KERAS_ADAM = (0.1, 0.875, 0.984375, 2.0**-20, "hat")


@pytest.mark.parametrize(
    ("optimizer", "name"),
    [
        (SGD(0.1, form="rate-inside"), "keras/sgd"),
        (SGD(0.1, 0.875, "rate-inside"), "keras/momentum"),
        (SGD(0.1, 0.875, "rate-inside", nesterov=True), "keras/nesterov"),
        (
            SGD(0.1, 0.875, "rate-inside", weight_decay=0.25, decay="decoupled"),
            "keras/momentum_decay",
        ),
        (Adam(*KERAS_ADAM), "keras/adam"),
        (Adam(*KERAS_ADAM, amsgrad=True), "keras/adam_amsgrad"),
        (Adam(*KERAS_ADAM, weight_decay=0.25, decay="decoupled"), "keras/adam_decay"),
        (SGD(0.125), "tf1/sgd"),
        (SGD(0.125, 0.875), "tf1/momentum"),
        (SGD(0.125, 0.875, nesterov=True), "tf1/nesterov"),
        # TF 1 keeps βᵗ in float32, in which the powers of ½ and ¾ are exact up to t = 15.
        (Adam(0.125, 0.5, 0.75, 2.0**-20, "hat"), "tf1/adam"),
    ],
)
def test_ten_steps_of_an_optimizer(
    found: Mapping[str, np.ndarray], optimizer: Optimizer, name: str
) -> None:
    # Ten steps of ½ ulp a side for the parameter and eight roundings of a step, as for torch.
    assert ulps(_ten_steps(optimizer), found[name]) <= 50


def test_default_constants_of_adam_are_rounded_as_the_framework_rounds_them(
    found: Mapping[str, np.ndarray],
) -> None:
    keras = Adam(0.001, epsilon=1e-7, epsilon_placement="hat", beta_power="float32-beta")
    rate, beta1, beta2, epsilon = (float(np.float32(c)) for c in (0.001, 0.9, 0.999, 1e-8))
    tf1 = Adam(rate, beta1, beta2, epsilon, "hat", beta_power="float32-product")
    for optimizer, name in ((keras, "keras/adam_default"), (tf1, "tf1/adam_default")):
        # As above: the steps, and with them their roundings, are smaller than there.
        assert ulps(_ten_steps(optimizer), found[name]) <= 50
        exact = Adam(0.001, epsilon=optimizer.epsilon, epsilon_placement="hat")
        assert ulps(_ten_steps(exact), found[name]) > 1e5


def _ten_steps(optimizer: Optimizer) -> np.ndarray:
    values = {"w": GIVEN["start"]}
    state = optimizer.initialize(values)
    for gradient in GIVEN["gradients"]:
        values, state = optimizer.update(values, {"w": gradient}, state)
    return values["w"]


@pytest.mark.parametrize(
    "name",
    [
        "glorot_uniform", "glorot_normal", "he_uniform", "he_normal", "lecun_uniform",
        "lecun_normal", "keras_random_normal", "keras_random_uniform", "keras_truncated_normal",
        "tf1_truncated_normal", "tf1_random_normal",
    ],
)  # fmt: skip
def test_laws(found: Mapping[str, np.ndarray], name: str) -> None:
    values = found[f"law/{name}"]
    matching = {
        other for other, law in NAMED.items() if follows(values, law, fan_in=100, fan_out=200)
    }
    same = {"tf1_random_normal": {"standard_normal", "tf1_random_normal"}}
    assert matching == same.get(name, {name})


@pytest.mark.parametrize("name", ["zeros", "ones"])
def test_constant_laws(found: Mapping[str, np.ndarray], name: str) -> None:
    drawn = NAMED[name].sample((100, 200), 100, 200, np.random.default_rng(0), np.float64)
    np.testing.assert_array_equal(found[f"law/{name}"], drawn)
