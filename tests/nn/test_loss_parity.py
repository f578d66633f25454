"""The losses against torch, Keras on TensorFlow, TF 1, optax and scikit-learn."""

import importlib.util
import os
import subprocess
import sys
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.nn.measure import ulps

from netparity.nn import (
    BinaryFocal,
    BinaryHinge,
    CategoricalFocal,
    CosineDistance,
    GaussianNegativeLogLikelihood,
    Huber,
    KullbackLeibler,
    LogCosh,
    Loss,
    MeanAbsoluteError,
    MeanSquaredError,
    MulticlassHinge,
    PoissonNegativeLogLikelihood,
    SigmoidCrossEntropy,
    SoftmaxCrossEntropy,
)

CLIP = 2.0**-24


def _inputs() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(5, 4)) * 2
    # One row whose scores are all negative, where Keras's hinge is another.
    logits[2] = -np.abs(logits[2])
    probabilities = rng.dirichlet(np.ones(4), size=5)
    unnormalised = rng.uniform(0.05, 0.95, size=(5, 4))
    # Saturated on both sides, so that the clip acts.
    unnormalised[0] = [1.0, 0.0, 1e-9, 1e-3]
    tied = rng.integers(-1, 2, size=(5, 4)) * 0.75
    tied[0], tied[1] = 0.0, [-0.75, -0.75, -0.75, -1.5]
    classes = np.array([3, 0, 1, 1, 2])
    soft = rng.dirichlet(np.ones(4), size=5)
    log_probabilities = np.log(rng.dirichlet(np.ones(4), size=5))
    return {
        "logits": logits,
        "probabilities": probabilities,
        "log_probabilities": log_probabilities,
        "unnormalised": unnormalised,
        "tied": tied,
        "classes": classes,
        "ones": np.ones(5, int),
        "hot": np.eye(4)[classes],
        "signs": 2.0 * np.eye(4)[classes] - 1.0,
        "soft": soft,
        "log_soft": np.log(soft),
        "real": rng.normal(size=(5, 4)),
        "counts": rng.poisson(2.0, size=(5, 4)).astype(float),
        "sequence": rng.normal(size=(3, 5, 4)),
        "labels": rng.integers(0, 4, size=(3, 5)),
        "mask": np.array([[1.0] * 5, [1, 1, 1, 0, 0], [0.5, 1, 0, 0, 0]]),
        "weights": np.array([0.5, 2.0, 0.0, 1.25, 3.0]),
        "column": np.array([[0.5], [2.0], [0.0], [1.25], [3.0]]),
        "zeros": np.zeros(5),
        "class_weights": np.array([0.5, 2.0, 1.0, 1.25]),
    }


GIVEN = _inputs()
CLASS_WEIGHTS = tuple(GIVEN["class_weights"].tolist())


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, np.ndarray]:
    if any(importlib.util.find_spec(name) is None for name in ("keras", "tensorflow")):
        pytest.skip("needs keras and tensorflow")
    folder = tmp_path_factory.mktemp("losses")
    np.savez(folder / "inputs.npz", **GIVEN)
    script = Path(__file__).with_name("losses_run.py")
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


SOFTMAX = SoftmaxCrossEntropy
SIGMOID = SigmoidCrossEntropy
KERAS: dict[str, tuple[Loss, str, str, str | None]] = {
    "sparse": (SOFTMAX(), "logits", "classes", None),
    "sparse_weighted": (SOFTMAX(), "logits", "classes", "weights"),
    "sparse_weighted_mean": (SOFTMAX("weighted-mean"), "logits", "classes", "weights"),
    "sparse_weighted_sum": (SOFTMAX("sum"), "logits", "classes", "weights"),
    "sparse_no_weight": (SOFTMAX("weighted-mean"), "logits", "classes", "zeros"),
    "sparse_ignored": (SOFTMAX(ignore_index=1), "logits", "classes", None),
    "sparse_ignored_weighted": (SOFTMAX(ignore_index=1), "logits", "classes", "weights"),
    "sparse_all_ignored": (SOFTMAX(ignore_index=1), "logits", "ones", None),
    "sparse_probabilities": (
        SOFTMAX(
            input="probabilities", clip=CLIP, renormalise=True, renormalise_order="after-clip"
        ),
        "unnormalised", "classes", None,
    ),
    "sequence": (SOFTMAX(), "sequence", "labels", None),
    "sequence_masked": (SOFTMAX(), "sequence", "labels", "mask"),
    "sequence_masked_mean": (SOFTMAX("weighted-mean"), "sequence", "labels", "mask"),
    "smoothed": (SOFTMAX(label_smoothing=0.25), "logits", "soft", None),
    "smoothed_probabilities": (
        SOFTMAX(input="probabilities", clip=CLIP, renormalise=True, label_smoothing=0.25),
        "unnormalised", "soft", "weights",
    ),
    "binary": (SIGMOID(), "logits", "soft", "weights"),
    "binary_smoothed": (SIGMOID(label_smoothing=0.25), "logits", "hot", None),
    "binary_probabilities": (
        SIGMOID(input="probabilities", clip=CLIP, label_smoothing=0.25),
        "unnormalised", "hot", "weights",
    ),
    "squared": (MeanSquaredError(), "logits", "real", "weights"),
    "absolute": (MeanAbsoluteError(), "logits", "real", "weights"),
    "huber": (Huber(0.5), "logits", "real", "weights"),
    "log_cosh": (LogCosh(), "logits", "real", "weights"),
    "categorical_hinge": (
        MulticlassHinge(over="largest-or-zero"), "logits", "hot", "weights"
    ),
    "categorical_hinge_ties": (MulticlassHinge(over="largest-or-zero"), "tied", "hot", None),
    "hinge_bits": (BinaryHinge(), "logits", "hot", "weights"),
    "hinge_signs": (BinaryHinge(), "logits", "signs", None),
    "squared_hinge": (BinaryHinge(power=2), "logits", "hot", None),
    "divergence": (
        KullbackLeibler(input="probabilities", clip=CLIP), "unnormalised", "soft", "weights"
    ),
    "poisson": (
        PoissonNegativeLogLikelihood("rate", CLIP), "probabilities", "counts", "weights"
    ),
    "cosine": (CosineDistance("minus", epsilon=CLIP), "logits", "real", "weights"),
    "binary_focal": (BinaryFocal(clip=CLIP), "logits", "hot", None),
    "binary_focal_balanced": (
        BinaryFocal(3.0, 0.25, input="probabilities", clip=CLIP, label_smoothing=0.25),
        "probabilities", "hot", "weights",
    ),
    "categorical_focal": (CategoricalFocal(clip=CLIP), "logits", "hot", None),
    "categorical_focal_smoothed": (
        CategoricalFocal(
            3.0, 0.5, input="probabilities", clip=CLIP, renormalise=True, label_smoothing=0.25
        ),
        "unnormalised", "hot", "weights",
    ),
}  # fmt: skip
TF1: dict[str, tuple[Loss, str, str, str | None]] = {
    "softmax": (SOFTMAX("nonzero-mean", label_smoothing=0.25), "logits", "hot", "weights"),
    "sparse": (SOFTMAX("nonzero-mean"), "logits", "classes", "weights"),
    "sparse_mean": (SOFTMAX("weighted-mean"), "logits", "classes", "weights"),
    "sparse_over_all": (SOFTMAX(), "logits", "classes", "weights"),
    "sparse_no_weight": (SOFTMAX("nonzero-mean"), "logits", "classes", "zeros"),
    "sigmoid": (SIGMOID("nonzero-mean", label_smoothing=0.25), "logits", "soft", "column"),
    "log_loss": (
        SIGMOID("nonzero-mean", input="probabilities", log_epsilon=2.0**-10),
        "probabilities", "soft", "column",
    ),
    "hinge": (
        BinaryHinge(labels="zero-one", batch="nonzero-mean"), "logits", "hot", "column"
    ),
    "huber": (Huber(0.5, batch="nonzero-mean"), "logits", "real", "column"),
    "absolute": (MeanAbsoluteError("nonzero-mean"), "logits", "real", "column"),
    "squared": (MeanSquaredError("nonzero-mean"), "logits", "real", "column"),
    "squared_mean": (MeanSquaredError("weighted-mean"), "logits", "real", "column"),
    "poisson": (
        PoissonNegativeLogLikelihood(constant="stirling"), "logits", "counts", "column"
    ),
    "positive_weight": (SIGMOID(class_weights=(1.0, 3.0)), "logits", "soft", "column"),
}  # fmt: skip
OPTAX: dict[str, tuple[Loss, str, str, str | None]] = {
    "integer": (SOFTMAX(), "logits", "classes", None),
    "smoothed": (SOFTMAX(label_smoothing=0.25), "logits", "classes", None),
    "sequence": (SOFTMAX(), "sequence", "labels", None),
    "sigmoid": (SIGMOID(), "logits", "soft", None),
    "half_squared": (MeanSquaredError(factor=0.5), "logits", "real", None),
    "huber": (Huber(0.5), "logits", "real", None),
    "log_cosh": (LogCosh(), "logits", "real", None),
    "hinge": (BinaryHinge(labels="signs"), "logits", "signs", None),
    "multiclass_hinge": (MulticlassHinge(over="largest"), "logits", "classes", None),
    "divergence": (KullbackLeibler(), "log_probabilities", "soft", None),
    "divergence_of_logarithms": (
        KullbackLeibler(target="log-probabilities"), "log_probabilities", "log_soft", None
    ),
    "cosine": (CosineDistance(), "logits", "real", None),
    "focal": (BinaryFocal(), "logits", "soft", None),
    "focal_balanced": (BinaryFocal(3.0, 0.25), "logits", "hot", None),
}  # fmt: skip


#: Losses whose terms have both signs.
SIGNED = (
    KullbackLeibler,
    PoissonNegativeLogLikelihood,
    CosineDistance,
    LogCosh,
    GaussianNegativeLogLikelihood,
)


def _size_of_terms(
    loss: Loss, prediction: np.ndarray, target: np.ndarray, weights: np.ndarray | None
) -> float:
    """A bound on the mean (or sum) of the sizes of the terms of such a loss."""
    largest = 1.0
    if isinstance(loss, KullbackLeibler | PoissonNegativeLogLikelihood):
        # |t x|, exp x, and t log t and log t!, which are below t² + 1.
        t = max(1.0, float(np.abs(target).max()))
        largest = float(np.abs(prediction).max()) * t + float(np.exp(prediction.max())) + t * t + 1
    columns = 1 if getattr(loss, "outputs", "mean") == "mean" else prediction.shape[-1]
    rows = len(prediction) if loss.batch == "sum" else 1
    return largest * columns * rows * (1.0 if weights is None else float(weights.max()))


def _agree(
    loss: Loss,
    prediction: np.ndarray,
    target: np.ndarray,
    weights: np.ndarray | None,
    value: Any,
    gradient: np.ndarray,
) -> None:
    """Value and gradient are those of the other side, up to roundings."""
    ours, our_gradient = loss.value_and_gradient(prediction, target, weights=weights)
    dtype = prediction.dtype
    eps = float(np.finfo(dtype).eps)
    # At most 20 terms, summed one after the other at worst: 19 roundings of half an ulp of the
    # sum; and in each term at most 13, counting 2 for a library's exp, log or power: 16 ulp a
    # side, of the sum where the terms have one sign, else of the sum of their largest sizes.
    size = abs(float(value))
    if isinstance(loss, SIGNED):
        size += _size_of_terms(loss, prediction, target, weights)
    assert abs(ours - float(value)) <= 32 * eps * size
    # Row by row, so that 1/p of a saturated row hides nothing in the others. At most eight
    # roundings a side, of half an ulp each, of numbers that before the last subtraction (p − t)
    # are at most eight times the largest gradient of the row: see the test of the inputs.
    assert our_gradient.dtype == gradient.dtype
    for row, other in zip(our_gradient, gradient, strict=True):
        assert ulps(row, other) <= 2 * 8 * 0.5 * 8


def test_no_row_of_the_inputs_is_nearly_right() -> None:
    p = np.exp(GIVEN["logits"])
    p /= p.sum(axis=1, keepdims=True)
    s = 1.0 / (1.0 + np.exp(-GIVEN["logits"]))
    for target in ("hot", "soft"):
        assert np.abs(p - GIVEN[target]).max(axis=1).min() >= 1 / 8
        assert np.abs(s - GIVEN[target]).max(axis=1).min() >= 1 / 8
    q = np.exp(GIVEN["sequence"])
    q /= q.sum(axis=2, keepdims=True)
    assert np.abs(q - np.eye(4)[GIVEN["labels"]]).max(axis=(1, 2)).min() >= 1 / 8


@pytest.mark.parametrize("name", [name for name in KERAS if name != "log_cosh"])
def test_keras(found: Mapping[str, np.ndarray], name: str) -> None:
    loss, prediction, target, weights = KERAS[name]
    _agree(
        loss, GIVEN[prediction], GIVEN[target], None if weights is None else GIVEN[weights],
        found[f"keras/{name}/value"], found[f"keras/{name}/gradient"],
    )  # fmt: skip


def test_log_cosh_of_keras_has_a_constant_in_float32(found: Mapping[str, np.ndarray]) -> None:
    loss, prediction, target, _ = KERAS["log_cosh"]
    off = np.log(2.0) - float(np.float32(np.log(2.0)))
    _agree(
        loss, GIVEN[prediction], GIVEN[target], GIVEN["weights"],
        found["keras/log_cosh/value"] - off * GIVEN["weights"].mean(),
        found["keras/log_cosh/gradient"],
    )  # fmt: skip
    assert abs(loss.value(GIVEN["logits"], GIVEN["real"], weights=GIVEN["weights"])
               - found["keras/log_cosh/value"]) > 1e-9  # fmt: skip


def test_class_weights_of_keras_count_rows(found: Mapping[str, np.ndarray]) -> None:
    loss = SoftmaxCrossEntropy(
        label_smoothing=0.25, class_weights=CLASS_WEIGHTS, class_weights_on="rows"
    )
    value, gradient = loss.value_and_gradient(GIVEN["logits"], GIVEN["hot"])
    # As for the other losses; the step is a sum of five products of such gradients, and what
    # SGD takes off the identity is rounded once more, with numbers around 1.
    assert ulps(value, found["keras/class_weights/value"]) <= 32
    assert ulps(GIVEN["logits"].T @ gradient, found["keras/class_weights/step"]) <= 64
    on_terms = SoftmaxCrossEntropy(label_smoothing=0.25, class_weights=CLASS_WEIGHTS)
    assert abs(on_terms.value(GIVEN["logits"], GIVEN["hot"]) - value) > 1e-3


@pytest.mark.parametrize("name", TF1)
def test_tf1(found: Mapping[str, np.ndarray], name: str) -> None:
    loss, prediction, target, weights = TF1[name]
    labels = GIVEN[target]
    _agree(
        loss, GIVEN[prediction].astype(np.float32),
        labels if labels.dtype.kind == "i" else labels.astype(np.float32),
        None if weights is None else GIVEN[weights].reshape(-1),
        found[f"tf1/{name}/value"], found[f"tf1/{name}/gradient"],
    )  # fmt: skip


@pytest.mark.parametrize("name", OPTAX)
def test_optax(found: Mapping[str, np.ndarray], name: str) -> None:
    if f"optax/{name}/value" not in found:
        pytest.skip("needs jax and optax")
    loss, prediction, target, weights = OPTAX[name]
    _agree(
        loss, GIVEN[prediction], GIVEN[target], weights,
        found[f"optax/{name}/value"], found[f"optax/{name}/gradient"],
    )  # fmt: skip


SATURATED = np.array([[0.0, 1.0, 0.25, 1e-30], [1.0, 0.0, 0.75, 0.5]])
SATURATED_TARGET = np.array([[1.0, 1.0, 0.5, 1.0], [0.0, 0.0, 1.0, 0.0]])
TORCH: dict[str, tuple[Loss, str, str, Callable[..., Any]]] = {
    "class_weights": (
        SOFTMAX("weighted-mean", class_weights=CLASS_WEIGHTS), "logits", "classes",
        lambda F, p, t, w, c: F.cross_entropy(p, t, c),
    ),
    "class_weights_sum": (
        SOFTMAX("sum", class_weights=CLASS_WEIGHTS), "logits", "classes",
        lambda F, p, t, w, c: F.cross_entropy(p, t, c, reduction="sum"),
    ),
    "class_weights_smoothed": (
        SOFTMAX("weighted-mean", class_weights=CLASS_WEIGHTS, label_smoothing=0.25),
        "logits", "classes",
        lambda F, p, t, w, c: F.cross_entropy(p, t, c, label_smoothing=0.25),
    ),
    "class_weights_soft": (
        SOFTMAX(class_weights=CLASS_WEIGHTS), "logits", "soft",
        lambda F, p, t, w, c: F.cross_entropy(p, t, c),
    ),
    "class_weights_soft_smoothed": (
        SOFTMAX(class_weights=CLASS_WEIGHTS, label_smoothing=0.25), "logits", "soft",
        lambda F, p, t, w, c: F.cross_entropy(p, t, c, label_smoothing=0.25),
    ),
    "ignored": (
        SOFTMAX(ignore_index=1), "logits", "classes",
        lambda F, p, t, w, c: F.cross_entropy(p, t, ignore_index=1),
    ),
    "ignored_weighted_smoothed": (
        SOFTMAX(
            "weighted-mean", ignore_index=1, class_weights=CLASS_WEIGHTS, label_smoothing=0.25
        ),
        "logits", "classes",
        lambda F, p, t, w, c: F.cross_entropy(p, t, c, ignore_index=1, label_smoothing=0.25),
    ),
    "sequence": (
        SOFTMAX("weighted-mean", class_weights=CLASS_WEIGHTS), "sequence", "labels",
        lambda F, p, t, w, c: F.cross_entropy(p.transpose(1, 2), t, c),
    ),
    "row_weights": (
        SOFTMAX("sum"), "logits", "classes",
        lambda F, p, t, w, c: (w * F.cross_entropy(p, t, reduction="none")).sum(),
    ),
    "nll": (
        SOFTMAX("weighted-mean", input="log-probabilities", class_weights=CLASS_WEIGHTS),
        "log_probabilities", "classes",
        lambda F, p, t, w, c: F.nll_loss(p, t, c),
    ),
    "nll_ignored": (
        SOFTMAX(input="log-probabilities", ignore_index=1), "log_probabilities", "classes",
        lambda F, p, t, w, c: F.nll_loss(p, t, ignore_index=1),
    ),
    "positive_weight": (
        SIGMOID(class_weights=(1.0, 3.0)), "logits", "soft",
        lambda F, p, t, w, c: F.binary_cross_entropy_with_logits(p, t, pos_weight=w.new_tensor(3)),
    ),
    "binary_weighted": (
        SIGMOID(), "logits", "soft",
        lambda F, p, t, w, c: F.binary_cross_entropy_with_logits(p, t, w[:, None]),
    ),
    "binary_probabilities": (
        SIGMOID(input="probabilities", log_floor=-100.0), "probabilities", "soft",
        lambda F, p, t, w, c: F.binary_cross_entropy(p, t, w[:, None]),
    ),
    "hinge_squared": (
        MulticlassHinge(0.5, classes="mean", power=2), "logits", "classes",
        lambda F, p, t, w, c: F.multi_margin_loss(p, t, p=2, margin=0.5),
    ),
    "huber": (
        Huber(0.5), "logits", "real", lambda F, p, t, w, c: F.huber_loss(p, t, delta=0.5)
    ),
    "smooth_l1": (
        Huber(0.75, "smooth-l1"), "logits", "real",
        lambda F, p, t, w, c: F.smooth_l1_loss(p, t, beta=0.75),
    ),
    "divergence": (
        KullbackLeibler(outputs="mean"), "log_probabilities", "soft",
        lambda F, p, t, w, c: F.kl_div(p, t, reduction="mean"),
    ),
    "divergence_batch": (
        KullbackLeibler(), "log_probabilities", "soft",
        lambda F, p, t, w, c: F.kl_div(p, t, reduction="batchmean"),
    ),
    "divergence_sum": (
        KullbackLeibler(batch="sum", target="log-probabilities"), "log_probabilities", "log_soft",
        lambda F, p, t, w, c: F.kl_div(p, t, reduction="sum", log_target=True),
    ),
    "divergence_exchanged": (
        KullbackLeibler(over="prediction"), "log_probabilities", "soft",
        lambda F, p, t, w, c: F.kl_div(t.log(), p, reduction="batchmean", log_target=True),
    ),
    "divergence_exchanged_probabilities": (
        KullbackLeibler(input="probabilities", over="prediction"), "probabilities", "soft",
        lambda F, p, t, w, c: F.kl_div(t.log(), p, reduction="batchmean"),
    ),
    "poisson": (
        PoissonNegativeLogLikelihood(), "logits", "counts",
        lambda F, p, t, w, c: F.poisson_nll_loss(p, t),
    ),
    "poisson_full": (
        PoissonNegativeLogLikelihood("rate", 1e-8, "stirling"), "probabilities", "counts",
        lambda F, p, t, w, c: F.poisson_nll_loss(p, t, log_input=False, full=True),
    ),
    "cosine": (
        CosineDistance("minus"), "logits", "real",
        lambda F, p, t, w, c: -F.cosine_similarity(p, t).mean(),
    ),
}  # fmt: skip


# The default reduction of kl_div warns that it is not the mathematical mean.
@pytest.mark.filterwarnings("ignore:reduction. 'mean' divides:UserWarning")
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", TORCH)
def test_torch(name: str, dtype: type) -> None:
    torch = pytest.importorskip("torch")
    loss, prediction, target, function = TORCH[name]
    x, t = GIVEN[prediction].astype(dtype), GIVEN[target]
    t = t if t.dtype.kind == "i" else t.astype(dtype)
    tensor = torch.tensor(x, requires_grad=True)
    weights, classes = (torch.tensor(GIVEN[n].astype(dtype)) for n in ("weights", "class_weights"))
    value = function(torch.nn.functional, tensor, torch.tensor(t), weights, classes)
    value.backward()
    weighted = name in ("row_weights", "binary_weighted", "binary_probabilities")
    _agree(
        loss, x, t, GIVEN["weights"] if weighted else None, value.item(), tensor.grad.numpy()
    )  # fmt: skip


def test_torch_cuts_logarithms() -> None:
    torch = pytest.importorskip("torch")
    loss = SigmoidCrossEntropy("sum", "sum", input="probabilities", log_floor=-100.0)
    for dtype in (np.float32, np.float64):
        x, t = SATURATED.astype(dtype), SATURATED_TARGET.astype(dtype)
        tensor = torch.tensor(x, requires_grad=True)
        value = torch.nn.functional.binary_cross_entropy(tensor, torch.tensor(t), reduction="sum")
        value.backward()
        ours, gradient = loss.value_and_gradient(x, t)
        # Eight terms, at most three roundings in each.
        assert abs(ours - value.item()) <= (8 + 3) * np.finfo(dtype).eps * ours
        # (p − t)/max(p (1 − p), 1e-12), 1e-12 in float32: four roundings a side, one by one.
        for one, other in zip(gradient.flat, tensor.grad.numpy().flat, strict=True):
            assert ulps(one, other) <= 4
    assert np.abs(gradient).max() == 1.0 / np.float64(np.float32(1e-12))


def test_torch_gaussian() -> None:
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(1)
    mean, variance, y = (
        rng.normal(size=(5, 3)),
        rng.uniform(0.5, 2, (5, 3)),
        rng.normal(size=(5, 3)),
    )
    variance[0, 0] = 1e-9
    for dtype, full in ((np.float32, False), (np.float64, True)):
        tensors = [torch.tensor(a.astype(dtype), requires_grad=True) for a in (mean, variance)]
        value = torch.nn.functional.gaussian_nll_loss(
            tensors[0], torch.tensor(y.astype(dtype)), tensors[1], full=full
        )
        value.backward()
        expected = np.concatenate([tensor.grad.numpy() for tensor in tensors], axis=1)
        loss = GaussianNegativeLogLikelihood(constant=full)
        joined = np.concatenate([mean, variance], axis=1).astype(dtype)
        _agree(loss, joined, y.astype(dtype), None, value.item(), expected)


def test_torch_where_nothing_counts() -> None:
    torch = pytest.importorskip("torch")
    value = torch.nn.functional.cross_entropy(
        torch.tensor(GIVEN["logits"]), torch.tensor(GIVEN["ones"]), ignore_index=1
    )
    assert np.isnan(value.item())
    ours, gradient = SoftmaxCrossEntropy(ignore_index=1).value_and_gradient(
        GIVEN["logits"], GIVEN["ones"]
    )
    assert ours == 0.0
    assert not gradient.any()


EPS = float(np.finfo(np.float64).eps)
SKLEARN: dict[str, tuple[Loss, str, str]] = {
    "squared_error": (MeanSquaredError("weighted-mean", factor=0.5), "logits", "real"),
    "poisson": (
        PoissonNegativeLogLikelihood(
            "rate", constant="deviance", batch="weighted-mean", outputs="sum"
        ),
        "probabilities", "counts",
    ),
    "log_loss": (
        SOFTMAX("weighted-mean", input="probabilities", clip=EPS), "unnormalised", "soft"
    ),
    "binary_log_loss": (
        SIGMOID("weighted-mean", "sum", input="probabilities", clip=EPS), "unnormalised", "hot"
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", SKLEARN)
def test_values_of_scikit_learn(name: str) -> None:
    base = pytest.importorskip("sklearn.neural_network._base")
    loss, prediction, target = SKLEARN[name]
    value = base.LOSS_FUNCTIONS[name](GIVEN[target], GIVEN[prediction], GIVEN["weights"])
    ours = loss.value(GIVEN[prediction], GIVEN[target], weights=GIVEN["weights"])
    # As in _agree; the Poisson deviance has terms of both signs, none above 8 log 8 and 8.
    size = abs(value) + (16.0 if name == "poisson" else 0.0)
    assert abs(ours - value) <= 32 * EPS * size


def test_metrics_of_scikit_learn() -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    classes, weights, p = GIVEN["classes"], GIVEN["weights"], GIVEN["probabilities"]
    # Five terms of one sign, with a handful of roundings in each: 16 ulp in all.
    assert (
        ulps(
            SOFTMAX("weighted-mean", input="probabilities").value(p, classes, weights=weights),
            metrics.log_loss(classes, p, sample_weight=weights),
        )
        <= 16
    )
    assert (
        ulps(
            MulticlassHinge(over="largest", batch="weighted-mean").value(
                GIVEN["logits"], classes, weights=weights
            ),
            metrics.hinge_loss(classes, GIVEN["logits"], sample_weight=weights),
        )
        <= 16
    )
    assert (
        ulps(
            BinaryHinge(batch="weighted-mean").value(
                GIVEN["logits"][:, 0], GIVEN["signs"][:, 0], weights=weights
            ),
            metrics.hinge_loss(GIVEN["signs"][:, 0], GIVEN["logits"][:, 0], sample_weight=weights),
        )
        <= 16
    )


@pytest.mark.parametrize(
    ("kind", "loss", "target"),
    [
        ("squared_error", MeanSquaredError(outputs="mean", factor=2.0), "real"),
        ("poisson", PoissonNegativeLogLikelihood(outputs="sum"), "counts"),
        ("softmax", SOFTMAX(), "classes"),
        ("logistic", SIGMOID(outputs="sum"), "hot"),
    ],
)
def test_gradients_of_scikit_learn(kind: str, loss: Loss, target: str) -> None:
    pytest.importorskip("sklearn")
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.neural_network import MLPClassifier, MLPRegressor

    # One affine layer on five rows of the identity: the gradient of the weight is the
    # gradient at the prediction.
    x, rows = GIVEN["logits"], len(GIVEN["logits"])
    options = {"hidden_layer_sizes": (), "alpha": 0.0, "solver": "sgd", "max_iter": 1,
               "batch_size": rows, "shuffle": False, "learning_rate_init": 1e-9,
               "random_state": 0}  # fmt: skip
    classifies = kind in ("softmax", "logistic")
    model = MLPClassifier(**options) if classifies else MLPRegressor(kind, **options)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(np.eye(rows), GIVEN[target])
    model.coefs_, model.intercepts_ = [x.copy()], [np.zeros(4)]
    y = GIVEN["hot"] if kind == "softmax" else GIVEN[target]
    coefficients, intercepts = [np.empty_like(x)], [np.empty(4)]
    activations, deltas = [np.eye(rows), np.empty_like(x)], [np.empty_like(x)]
    model._backprop(np.eye(rows), y, None, activations, deltas, coefficients, intercepts)
    _, gradient = loss.value_and_gradient(x, GIVEN[target])
    for row, other in zip(gradient, coefficients[0], strict=True):
        # As in _agree.
        assert ulps(row, other) <= 64
