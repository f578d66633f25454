"""From predictions to probabilities and back: softmax, division by the sum, clips, logarithms."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np

from netparity.nn.arrays import Array, Memory
from netparity.nn.functions import softmax

ClassInput = Literal["logits", "probabilities"]
RenormaliseOrder = Literal["before-clip", "after-clip"]


def clipped(p: Array, clip: float | None, memory: Memory) -> tuple[Array, Array | None]:
    """Probabilities cut to [clip, 1 − clip], and which of them lay inside.

    Args:
        p: probabilities, any shape.
        clip: where to cut; ``None``: nowhere.
        memory: where arrays come from.

    Returns:
        The clipped probabilities, and where clipping has derivative 1 (``None``: everywhere).
    """
    if clip is None:
        return p, None
    low, high = float(clip), 1.0 - float(clip)
    inside = np.greater_equal(p, low, out=memory.empty("inside", p.shape, bool))
    inside &= np.less_equal(p, high, out=memory.empty("below", p.shape, bool))
    return np.clip(p, low, high, out=memory.empty("clipped", p.shape, p.dtype)), inside


def negative_log(
    p: Array, weight: Array, epsilon: float, memory: Memory, key: str = ""
) -> tuple[Array, Array]:
    """``−weight · log(p + ε)`` and its derivative with respect to ``p``.

    Where ``weight`` is 0 both are 0, also at ``p = 0``.

    Args:
        p: probabilities, any shape.
        weight: what each counts, in the same shape.
        epsilon: added to the probabilities.
        memory: where arrays come from.
        key: tells calls within one loss apart.
    """
    used = np.not_equal(weight, 0, out=memory.empty(f"{key}used", p.shape, bool))
    if epsilon:
        p = np.add(p, float(epsilon), out=memory.empty(f"{key}raised", p.shape, p.dtype))
    losses = memory.empty(f"{key}losses", p.shape, p.dtype)
    slope = memory.empty(f"{key}slope", p.shape, p.dtype)
    losses.fill(0.0)
    slope.fill(0.0)
    # A class of probability 0 that did occur costs infinity: a value, not a mistake of ours.
    with np.errstate(divide="ignore", over="ignore"):
        np.log(p, where=used, out=losses)
        losses *= weight
        np.divide(weight, p, where=used, out=slope)
    return np.negative(losses, out=losses), np.negative(slope, out=slope)


def class_probabilities(
    prediction: Array,
    given: ClassInput,
    clip: float | None,
    renormalise: RenormaliseOrder | None,
    memory: Memory,
) -> tuple[Array, Callable[[Array], Array]]:
    """The probabilities that go into the logarithm, and the way back.

    Args:
        prediction: (N, C) logits or probabilities.
        given: which of them.
        clip: probabilities are cut to [clip, 1 − clip]; ``None``: not.
        renormalise: when given probabilities are divided by their sum; ``None``: never.
        memory: where arrays come from.

    Returns:
        Probabilities (N, C), and a function from the gradient at these, which it overwrites,
        to that at the prediction.
    """

    def row_sums(x: Array, key: str) -> Array:
        return np.sum(
            x, axis=1, keepdims=True, out=memory.empty(key, (len(x), 1), prediction.dtype)
        )

    def divided(x: Array, key: str) -> tuple[Array, Array]:
        total = row_sums(x, f"{key} total")
        return np.divide(x, total, out=memory.empty(key, x.shape, x.dtype)), total

    first, first_total = prediction, None
    if given == "logits":
        first = softmax(prediction, memory=memory)
    elif renormalise == "before-clip":
        first, first_total = divided(prediction, "first")
    cut, inside = clipped(first, clip, memory)
    last, last_total = cut, None
    if given == "probabilities" and renormalise == "after-clip":
        last, last_total = divided(cut, "last")

    def centred(gradient: Array, p: Array) -> Array:
        """What a shift of all classes together does not change is taken out."""
        products = np.multiply(gradient, p, out=memory.empty("products", p.shape, p.dtype))
        gradient -= row_sums(products, "centre")
        return gradient

    def backward(gradient: Array) -> Array:
        if last_total is not None:
            gradient = centred(gradient, last)
            gradient /= last_total
        if inside is not None:
            gradient *= inside
        if given == "logits":
            gradient = centred(gradient, first)
            gradient *= first
        elif first_total is not None:
            gradient = centred(gradient, first)
            gradient /= first_total
        return gradient

    return last, backward
