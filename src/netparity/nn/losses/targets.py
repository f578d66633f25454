"""How the targets of a loss are read."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np

from netparity.errors import InputError
from netparity.nn.arrays import Array, Memory


def check_finite(target: Array, *, name: str) -> None:
    """Raises unless all targets are finite numbers.

    Args:
        target: any shape.
        name: of the loss, for the message.

    Raises:
        InputError: one is NaN or infinite, or they are no numbers.
    """
    if target.dtype.kind not in "fiub":
        raise InputError(f"{name}: targets that are no numbers. Received: dtype {target.dtype}")
    if target.dtype.kind != "f" or target.size == 0:
        return
    low, high = target.min(), target.max()
    if not (low > -np.inf and high < np.inf):
        place = tuple(int(i) for i in np.argwhere(~np.isfinite(target))[0])
        raise InputError(
            f"{name}: target is not finite. Expected finite numbers. "
            f"Received: {target[place]} at {place}",
            hint="check the data for missing values",
        )


def class_indices(
    target: Array,
    shape: tuple[int, ...],
    classes: int,
    memory: Memory,
    *,
    name: str,
    ignored: int | None = None,
) -> tuple[Array, Array | None]:
    """Labels as integers.

    Args:
        target: whole numbers of any dtype in ``shape``, or in ``shape`` and one axis of length
            1, or one-hot in ``shape`` and one axis of length C.
        shape: the axes of the prediction before that of the classes.
        classes: C.
        memory: where arrays come from.
        name: of the loss, for the message.
        ignored: a label that marks what is left out.

    Returns:
        Integers in [0, C) for all positions, in one axis; and which are not left out, ``None``
        where all are there. What is left out has label 0.

    Raises:
        InputError: the shape does not fit, or a label is not a class.

    Example:
        >>> from netparity.nn import FRESH
        >>> class_indices(np.array([2.0, 1.0]), (2,), 3, FRESH, name="example")
        (array([2, 1]), None)
    """
    check_kind = target.dtype.kind in "fiub"
    if check_kind and target.shape == (*shape, classes) and classes > 1:
        return _hot(target.reshape(-1, classes), memory, name=name), None
    if not check_kind or target.shape not in (shape, (*shape, 1)):
        raise InputError(
            f"{name}: target of another shape. Expected {shape} integer classes or "
            f"{(*shape, classes)} one-hot. Received: {target.shape}, dtype {target.dtype}"
        )
    labels = target.reshape(-1)
    kept = None
    if ignored is not None:
        kept = np.not_equal(labels, ignored, out=memory.empty("kept", labels.shape, bool))
        if kept.all():
            kept = None
        else:
            chosen = memory.empty("kept labels", labels.shape, labels.dtype)
            labels = np.multiply(labels, kept, out=chosen)
    # A NaN fails this test too: it is not within any range.
    valid = labels.min() >= 0 and labels.max() < classes
    if valid and labels.dtype.kind == "f":
        floor = np.floor(labels, out=memory.empty("floor", labels.shape, labels.dtype))
        valid = bool(np.equal(labels, floor, out=memory.empty("whole", labels.shape, bool)).all())
    if not valid:
        wrong = ~((labels >= 0) & (labels < classes) & (labels == np.floor(labels)))
        row = int(np.flatnonzero(wrong)[0])
        raise InputError(
            f"{name}: label is not a class. Expected whole numbers from 0 to {classes - 1}. "
            f"Received: {labels[row]} in row {row}",
            hint="classes are counted from 0; check the labels and the number of outputs",
        )
    if labels.dtype != np.intp:
        integers = memory.empty("labels", labels.shape, np.intp)
        np.copyto(integers, labels, casting="unsafe")
        labels = integers
    return labels, kept


def _hot(target: Array, memory: Memory, *, name: str) -> Array:
    """The labels of one-hot rows."""
    rows = target.shape[0]
    zero = np.equal(target, 0, out=memory.empty("zero", target.shape, bool))
    one = np.equal(target, 1, out=memory.empty("one", target.shape, bool))
    zero |= one
    ones = np.sum(one, axis=1, out=memory.empty("ones", (rows,), np.intp))
    if not (zero.all() and ones.min() == ones.max() == 1):
        raise InputError(
            f"{name}: target is not one-hot. Expected one 1 and otherwise 0 in each row "
            f"of {target.shape}, or ({rows},) integer classes."
        )
    return np.argmax(target, axis=1, out=memory.empty("labels", (rows,), np.intp))


@lru_cache(maxsize=4)
def _starts(rows: int, classes: int) -> Array:
    """Where each row starts in a C-contiguous (N, C) array."""
    starts = np.arange(0, rows * classes, classes)
    starts.setflags(write=False)
    return starts


def places(labels: Array, classes: int, memory: Memory) -> Array:
    """Where the labels' entries lie in a C-contiguous (N, C) array of one axis.

    Args:
        labels: (N,) integers in [0, C).
        classes: C.
        memory: where the result comes from.

    Example:
        >>> from netparity.nn import FRESH
        >>> places(np.array([1, 0]), 3, FRESH)
        array([1, 3])
    """
    index = memory.empty("places", labels.shape, np.intp)
    return np.add(labels, _starts(len(labels), classes), out=index)


def one_hot(labels: Array, classes: int, dtype: np.dtype[np.floating], memory: Memory) -> Array:
    """One-hot rows.

    Args:
        labels: (N,) integers in [0, C).
        classes: C.
        dtype: of the result.
        memory: where it comes from.

    Returns:
        (N, C) with a 1 at each label.

    Example:
        >>> from netparity.nn import FRESH
        >>> one_hot(np.array([1]), 2, np.dtype(np.float32), FRESH)
        array([[0., 1.]], dtype=float32)
    """
    rows = memory.empty("one-hot", (len(labels), classes), dtype)
    rows.fill(0.0)
    rows.reshape(-1)[places(labels, classes, memory)] = 1.0
    return rows


def converted(target: Array, dtype: np.dtype[np.floating], memory: Memory) -> Array:
    """A target in another dtype; itself where it has that dtype.

    Args:
        target: any shape.
        dtype: of the result.
        memory: where it comes from.
    """
    if target.dtype == dtype:
        return target
    copy = memory.empty("converted", target.shape, dtype)
    np.copyto(copy, target, casting="unsafe")
    return copy


def aligned(prediction: Array, target: Array, memory: Memory, *, name: str) -> Array:
    """A target in the shape and dtype of the prediction.

    Args:
        prediction: (N, …).
        target: the same shape; or (N,) against (N, 1) and the other way round; or (N,) whole
            numbers against (N, C), which are classes and become one-hot.
        memory: where arrays come from.
        name: of the loss, for the message.

    Returns:
        The target in the prediction's shape and dtype.

    Raises:
        InputError: the shapes do not fit, a label is out of range, or a number not finite.

    Example:
        >>> from netparity.nn import FRESH
        >>> aligned(np.zeros((2, 1)), np.array([3, 4]), FRESH, name="example")
        array([[3.],
               [4.]])
    """
    target = np.asarray(target)
    shape = prediction.shape
    if target.shape == shape:
        check_finite(target, name=name)
        return converted(target, prediction.dtype, memory)
    if target.shape in (shape[:1], (*shape[:1], 1)):
        if math.prod(shape[1:]) == 1:
            check_finite(target, name=name)
            return converted(target.reshape(shape), prediction.dtype, memory)
        if len(shape) == 2:
            labels, _ = class_indices(target, shape[:1], shape[1], memory, name=name)
            return one_hot(labels, shape[1], prediction.dtype, memory)
    raise InputError(
        f"{name}: target of another shape. Expected {shape}. Received: {target.shape}",
        hint="give one target for each prediction; nothing is broadcast here",
    )
