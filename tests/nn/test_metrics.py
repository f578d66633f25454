import numpy as np
import pytest
import sklearn.metrics
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from netparity.errors import InputError
from netparity.nn import (
    METRICS,
    MeanAbsoluteError,
    MeanSquaredError,
    accuracy,
    binary_accuracy,
    confusion_matrix,
    mean_absolute_error,
    mean_squared_error,
    top_k_accuracy,
)
from netparity.nn.metrics import named_metrics

SCORES = np.array([[0.1, 0.7, 0.2], [0.4, 0.4, 0.2], [0.2, 0.3, 0.5], [0.0, 0.0, 0.0]])


def test_by_hand() -> None:
    # Greatest scores at 1, 0 (the first of two), 2, 0.
    labels = np.array([1, 1, 2, 0])
    assert accuracy(SCORES, labels) == 0.75
    assert confusion_matrix(SCORES, labels).tolist() == [[1, 0, 0], [1, 1, 0], [0, 0, 1]]
    # In order of scores: 1 2 0; 0 1 2; 2 1 0; 0 1 2.
    assert top_k_accuracy(SCORES, np.array([2, 2, 0, 1]), k=2) == 0.5
    assert top_k_accuracy(SCORES, np.array([2, 2, 0, 2]), k=2, ties="all") == 0.5
    assert top_k_accuracy(SCORES, np.array([2, 2, 0, 2]), k=2, ties="first") == 0.25
    assert binary_accuracy(np.array([0.25, 0.5, 0.75]), np.array([0, 1, 1])) == 2 / 3
    assert binary_accuracy(np.array([0.25, 0.5, 0.75]), np.array([0, 1, 1]), inclusive=True) == 1
    # A logit of 0.25 is a probability of more than a half.
    assert binary_accuracy(np.array([[0.25]]), np.array([1])) == 0
    assert binary_accuracy(np.array([[0.25]]), np.array([1]), threshold=0.0) == 1
    assert mean_squared_error(np.array([[1.0, 2.0]]), np.array([[0.0, 4.0]])) == 2.5
    assert mean_absolute_error(np.array([[1.0, 2.0]]), np.array([[0.0, 4.0]])) == 1.5


# Few different values, so that ties are frequent.
SHAPES = st.tuples(st.integers(1, 8), st.integers(2, 5), st.integers(0, 99), st.integers(1, 4))


def drawn(case: tuple[int, int, int, int]) -> tuple[np.ndarray, np.ndarray]:
    rows, classes, seed, values = case
    rng = np.random.default_rng(seed)
    scores = rng.integers(0, values, (rows, classes)) / 4.0
    return scores, rng.integers(0, classes, rows)


@settings(max_examples=80, deadline=None, derandomize=True)
@given(case=SHAPES, dtype=st.sampled_from([np.float32, np.float64]))
def test_the_same_as_scikit_learn(case: tuple[int, int, int, int], dtype: type) -> None:
    scores, labels = drawn(case)
    classes = scores.shape[1]
    picked = scores.argmax(axis=1)
    # Counts divided by N: one division, the same in both.
    assert accuracy(scores.astype(dtype), labels) == sklearn.metrics.accuracy_score(labels, picked)
    np.testing.assert_array_equal(
        confusion_matrix(scores, labels),
        sklearn.metrics.confusion_matrix(labels, picked, labels=range(classes)),
    )
    different = scores + np.arange(classes) / 64.0
    for k in range(1, classes):
        expected = (
            sklearn.metrics.top_k_accuracy_score(labels, different, k=k, labels=range(classes))
            if classes > 2
            else accuracy(different, labels)
        )
        assert top_k_accuracy(different, labels, k=k) == expected


@settings(max_examples=60, deadline=None, derandomize=True)
@given(case=SHAPES)
def test_ties_as_argmax_and_topk_break_them(case: tuple[int, int, int, int]) -> None:
    scores, labels = drawn(case)
    assert top_k_accuracy(scores, labels, k=1) == accuracy(scores, labels)
    torch_picked = torch.from_numpy(scores).argmax(dim=1).numpy()
    assert accuracy(scores, labels) == float(np.mean(torch_picked == labels))
    assert top_k_accuracy(scores, labels, k=scores.shape[1]) == 1.0
    for k in range(1, scores.shape[1] + 1):
        first = np.argsort(-scores, axis=1, kind="stable")[:, :k]
        assert top_k_accuracy(scores, labels, k=k) == np.mean((first == labels[:, None]).any(1))
        at_most = np.sort(scores, axis=1)[:, ::-1][:, k - 1]
        own = scores[np.arange(len(labels)), labels]
        assert top_k_accuracy(scores, labels, k=k, ties="all") == np.mean(own >= at_most)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(case=SHAPES, steps=st.integers(1, 3))
def test_every_form_of_target_and_every_leading_axis(
    case: tuple[int, int, int, int], steps: int
) -> None:
    scores, labels = drawn(case)
    rows, classes = scores.shape
    expected = accuracy(scores, labels)
    hot = np.eye(classes)[labels]
    for target in (labels, labels[:, None], labels.astype(np.float32), hot, hot.astype(bool)):
        assert accuracy(scores, target) == expected
    sequences = np.repeat(scores[:, None], steps, axis=1)
    assert accuracy(sequences, np.repeat(labels[:, None], steps, axis=1)) == expected
    assert accuracy(sequences, np.repeat(hot[:, None], steps, axis=1)) == expected
    assert confusion_matrix(sequences, np.repeat(labels[:, None], steps, 1)).sum() == rows * steps


def test_rows_with_an_ignored_label_do_not_count() -> None:
    labels = np.array([1, -100, 0, -100])
    assert accuracy(SCORES, labels, ignored=-100) == 0.5
    assert top_k_accuracy(SCORES, labels, k=3, ignored=-100) == 1.0
    assert confusion_matrix(SCORES, labels, ignored=-100).sum() == 2
    assert np.isnan(accuracy(SCORES, np.full(4, -100), ignored=-100))


def test_a_nan_is_never_right() -> None:
    scores = np.array([[np.nan, 0.5], [0.1, 0.9]])
    assert accuracy(scores, np.array([0, 1])) == 0.5
    assert accuracy(scores, np.array([1, 1])) == 0.5
    assert top_k_accuracy(scores, np.array([0, 1]), k=2) == 0.5
    assert binary_accuracy(np.array([np.nan, 0.9]), np.array([0, 1])) == 0.5


def test_errors_are_the_losses_without_gradient() -> None:
    rng = np.random.default_rng(0)
    for prediction, target in (
        (rng.normal(size=(4, 3)), rng.normal(size=(4, 3))),
        (rng.normal(size=(4, 1)), rng.normal(size=4)),
        (rng.normal(size=(4, 3)), np.array([0, 2, 1, 1])),
    ):
        # Both sum the same 12 terms at most, in an order of their own: 2 · 12 roundings.
        for metric, loss in (
            (mean_squared_error, MeanSquaredError()), (mean_absolute_error, MeanAbsoluteError()),
        ):  # fmt: skip
            assert metric(prediction, target) == pytest.approx(
                loss.value(prediction, target), rel=24 * np.finfo(np.float64).eps, abs=0
            )


def test_names() -> None:
    assert named_metrics("accuracy") == {"accuracy": accuracy}
    own = {"mine": lambda prediction, target: 1.0}
    assert named_metrics(own) == own
    assert set(named_metrics(tuple(METRICS))) == set(METRICS)
    with pytest.raises(InputError, match="'accurracy' is not known.*accuracy") as caught:
        named_metrics(("accurracy",))
    assert "function(prediction, target)" in str(caught.value.hint)


def test_refuses_what_cannot_be_judged() -> None:
    with pytest.raises(InputError, match=r"scores \(N, …, C\).*\(4, 1\)") as caught:
        accuracy(np.zeros((4, 1)), np.zeros(4))
    assert "binary_accuracy" in str(caught.value.hint)
    with pytest.raises(InputError, match=r"accuracy: target.*\(4,\).*\(3,\)"):
        accuracy(SCORES, np.zeros(3))
    with pytest.raises(InputError, match="from 0 to 2.*3 in row 0"):
        confusion_matrix(SCORES, np.array([3, 0, 0, 0]))
    with pytest.raises(InputError, match=r"nothing to judge.*\(0, 3\)"):
        accuracy(np.zeros((0, 3)), np.zeros(0))
    for k in (0, 4):
        with pytest.raises(InputError, match=f"k out of range.*3 classes.*{k}"):
            top_k_accuracy(SCORES, np.zeros(4), k=k)
    with pytest.raises(InputError, match="targets of 0 and 1"):
        binary_accuracy(np.array([0.5]), np.array([2]))
    for metric in (mean_squared_error, mean_absolute_error, binary_accuracy):
        with pytest.raises(InputError, match=r"target.*\(2, 3\).*\(2, 2\)"):
            metric(np.zeros((2, 3)), np.zeros((2, 2)))
