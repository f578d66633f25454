"""What a prediction is judged by, beside the loss."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Final, Literal

import numpy as np

from netparity.errors import InputError
from netparity.nn.arrays import FRESH, Array
from netparity.nn.losses.targets import aligned, class_indices

#: From predictions and targets to a number.
Metric = Callable[[Array, Array], float]


def accuracy(prediction: Array, target: Array, *, ignored: int | None = None) -> float:
    """The share of rows whose greatest score is that of their class.

    Args:
        prediction: scores (N, …, C), C of at least 2: logits or probabilities.
        target: classes (N, …) or (N, …, 1), or one-hot (N, …, C).
        ignored: a label whose rows do not count.

    Returns:
        From 0 to 1, or NaN where no row counts. Of several greatest scores the first one
        counts; a row with NaN is wrong.

    Raises:
        InputError: the shapes do not fit, a label is no class, or there is no row.

    Example:
        >>> accuracy(np.array([[0.1, 0.9], [0.5, 0.5]]), np.array([1, 1]))
        0.5

    Source: scikit-learn, ``sklearn.metrics.accuracy_score``.

    **Parity** (`argmax-ties`, `accuracy-argmax`): torch, TensorFlow, JAX and NumPy take the
    first of equal scores. Keras's ``"accuracy"`` means something else by the shapes: one output
    is compared with 0.5. All take a NaN for the greatest score.
    """
    scores, labels = _scores(prediction, target, name="accuracy", ignored=ignored)
    right = (scores.argmax(axis=1) == labels) & ~np.isnan(scores).any(axis=1)
    return _share(right)


def top_k_accuracy(
    prediction: Array,
    target: Array,
    k: int = 5,
    *,
    ties: Literal["first", "all"] = "first",
    ignored: int | None = None,
) -> float:
    """The share of rows whose class is among their k greatest scores.

    Args:
        prediction: scores (N, …, C).
        target: classes, as for ``accuracy``.
        k: from 1 to C.
        ties: of equal scores at the border, whether the first ones count or all.
        ignored: a label whose rows do not count.

    Returns:
        From 0 to 1, or NaN where no row counts. A row with NaN is wrong.

    Raises:
        InputError: as ``accuracy``, or k is out of range.

    Example:
        >>> top_k_accuracy(np.array([[0.1, 0.2, 0.7], [0.1, 0.2, 0.7]]), np.array([1, 0]), k=2)
        0.5

    Source: O. Russakovsky et al., "ImageNet large scale visual recognition challenge", 2015.

    **Parity** (`argmax-ties`): Keras and ``tf.math.in_top_k``, which takes float32 only, count
    all that equal the k-th score; scikit-learn the last ones; ``torch.topk`` promises no order.
    """
    scores, labels = _scores(prediction, target, name="top-k accuracy", ignored=ignored)
    if not 1 <= k <= scores.shape[1]:
        raise InputError(
            f"top-k accuracy: k out of range. Expected from 1 to the {scores.shape[1]} classes. "
            f"Received: {k}"
        )
    own = np.take_along_axis(scores, labels[:, np.newaxis], axis=1)
    ahead = scores > own
    if ties == "first":
        ahead |= (scores == own) & (np.arange(scores.shape[1]) < labels[:, np.newaxis])
    right = (ahead.sum(axis=1) < k) & ~np.isnan(scores).any(axis=1)
    return _share(right)


def binary_accuracy(
    prediction: Array, target: Array, threshold: float = 0.5, *, inclusive: bool = False
) -> float:
    """The share of outputs that lie on their target's side of a threshold.

    Args:
        prediction: probabilities (N, …), or logits with a threshold of 0.
        target: 0 or 1, (N, …).
        threshold: where 1 begins.
        inclusive: whether a prediction equal to the threshold is a 1.

    Returns:
        From 0 to 1.

    Raises:
        InputError: the shapes do not fit, or a target is neither 0 nor 1.

    Example:
        >>> binary_accuracy(np.array([[0.5], [0.75]]), np.array([0, 1]))
        1.0

    Source: Keras, ``keras.metrics.BinaryAccuracy``.

    **Parity** (`accuracy-threshold`, `accuracy-on-logits`): Keras and scikit-learn have
    ``> 0.5``, and ``torch.round(0.5)`` is 0, too; ``p >= 0.5`` is common in NumPy programs.
    Keras compares logits with 0.5 as well unless given ``threshold=0``.
    """
    prediction = _some(prediction, name="binary accuracy")
    truth = aligned(prediction, target, FRESH, name="binary accuracy")
    if not ((truth == 0.0) | (truth == 1.0)).all():
        raise InputError("binary accuracy: expected targets of 0 and 1; received others")
    positive = prediction >= threshold if inclusive else prediction > threshold
    right = (positive == (truth == 1.0)) & ~np.isnan(prediction)
    return _share(right)


def mean_squared_error(prediction: Array, target: Array) -> float:
    """The mean of ``(prediction − target)²`` over all outputs of all rows.

    Args:
        prediction: (N, …).
        target: as ``MeanSquaredError`` takes it.

    Raises:
        InputError: the shapes do not fit, or there is no row.

    Example:
        >>> mean_squared_error(np.array([[1.0], [3.0]]), np.array([0.0, 3.0]))
        0.5
    """
    prediction = _some(prediction, name="mean squared error")
    difference = prediction - aligned(prediction, target, FRESH, name="mean squared error")
    return float(np.mean(np.square(difference)))


def mean_absolute_error(prediction: Array, target: Array) -> float:
    """The mean of ``|prediction − target|`` over all outputs of all rows.

    Args:
        prediction: (N, …).
        target: as ``MeanAbsoluteError`` takes it.

    Raises:
        InputError: the shapes do not fit, or there is no row.

    Example:
        >>> mean_absolute_error(np.array([[1.0], [3.0]]), np.array([0.0, 3.0]))
        0.5
    """
    prediction = _some(prediction, name="mean absolute error")
    difference = prediction - aligned(prediction, target, FRESH, name="mean absolute error")
    return float(np.mean(np.abs(difference)))


def confusion_matrix(prediction: Array, target: Array, *, ignored: int | None = None) -> Array:
    """How often rows of each class are taken for each class.

    Args:
        prediction: scores (N, …, C).
        target: classes, as for ``accuracy``.
        ignored: a label whose rows do not count.

    Returns:
        Counts (C, C): rows are the true classes, columns the predicted ones.

    Raises:
        InputError: as ``accuracy``.

    Example:
        >>> confusion_matrix(np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]]), np.array([0, 1, 1]))
        array([[1, 0],
               [1, 1]])

    Source: scikit-learn, ``sklearn.metrics.confusion_matrix``.

    **Parity**: the same axes in scikit-learn and TensorFlow; some texts have them the other way
    round.
    """
    scores, labels = _scores(prediction, target, name="confusion matrix", ignored=ignored)
    classes = scores.shape[1]
    pairs = labels * classes + scores.argmax(axis=1)
    return np.bincount(pairs, minlength=classes * classes).reshape(classes, classes)


#: Metrics by the names that ``Solver.fit`` takes.
METRICS: Final[Mapping[str, Metric]] = {
    "accuracy": accuracy,
    "top_5_accuracy": top_k_accuracy,
    "binary_accuracy": binary_accuracy,
    "mean_squared_error": mean_squared_error,
    "mean_absolute_error": mean_absolute_error,
}


def named_metrics(metrics: Sequence[str] | Mapping[str, Metric]) -> dict[str, Metric]:
    """Metrics by name.

    Args:
        metrics: names of ``METRICS``, or functions by names of your own.

    Raises:
        InputError: there is no such metric.

    Example:
        >>> list(named_metrics(("accuracy",)))
        ['accuracy']
    """
    if isinstance(metrics, Mapping):
        return dict(metrics)
    if isinstance(metrics, str):
        metrics = (metrics,)
    for name in metrics:
        if name not in METRICS:
            raise InputError(
                f"metric {name!r} is not known. Expected {', '.join(METRICS)}",
                hint="a metric of your own goes in as {name: function(prediction, target)}",
            )
    return {name: METRICS[name] for name in metrics}


def _share(right: Array) -> float:
    """The share of what is right, NaN of nothing."""
    return float(np.mean(right)) if right.size else math.nan


def _some(prediction: Array, *, name: str) -> Array:
    """The prediction, which must hold something."""
    prediction = np.asarray(prediction)
    if prediction.ndim < 1 or prediction.size == 0:
        raise InputError(
            f"{name}: nothing to judge. Expected predictions (N, …) with N of at least 1. "
            f"Received: shape {prediction.shape}"
        )
    return prediction


def _scores(
    prediction: Array, target: Array, *, name: str, ignored: int | None
) -> tuple[Array, Array]:
    """Scores (M, C) and classes (M,), all leading axes being one."""
    prediction, target = _some(prediction, name=name), np.asarray(target)
    classes = prediction.shape[-1]
    if prediction.ndim < 2 or classes < 2:
        raise InputError(
            f"{name}: prediction of another shape. Expected scores (N, …, C) of at least two "
            f"classes. Received: {prediction.shape}",
            hint="for one output a row, take binary_accuracy",
        )
    labels, kept = class_indices(
        target, prediction.shape[:-1], classes, FRESH, name=name, ignored=ignored
    )
    scores = prediction.reshape(-1, classes)
    return (scores, labels) if kept is None else (scores[kept], labels[kept])
