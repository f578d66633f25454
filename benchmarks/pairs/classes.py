"""Which ids no number can tell apart, under what the sides of a pair show.

From the table of what a black box's updates can and cannot tell: a constant on the loss, on
the gradient and the learning rate are one where only steps are seen.
"""

from __future__ import annotations

from typing import Any

from benchmarks.pairs.description import Change, Pair

from netparity import nn

_SCALES = frozenset(
    {
        "learning-rate-value", "loss-factor", "ce-reduction", "mse-reduction",
        "bce-multidim-reduction", "gradient-factor", "softmax-grad-extra-batch",
        "multiclass-hinge-margin", "huber-scaling",
    }
)  # fmt: skip

#: What such frameworks do of themselves: constants kept in float32, a default width.
_OF_FRAMEWORKS = frozenset({"float32-constants", "float32-compute", "dtype-default"})
_ROUNDING = frozenset({"keras", "tensorflow", "jax", "flax"})


def incidental(pair: Pair) -> set[str]:
    """Ids that a pair may have without any change made: neither hits nor false."""
    rounds = {pair.left_kind, pair.right_kind} & _ROUNDING
    return set(_OF_FRAMEWORKS) if rounds else set()


def of(change: Change, pair: Pair) -> set[str]:
    """The ids that count as the change's own."""
    ids = {change.id, *change.same}
    if change.id == "softmax-axis" and any(c.id == "softmax-twice" for c in pair.changes):
        ids.add("softmax-twice")  # The axis is that of the layer which the other side has not.
    shown = [
        style.exposure
        for kind, style in (
            (pair.left_kind, pair.left_style), (pair.right_kind, pair.right_style)
        )
        if kind == "numpy"
    ]  # fmt: skip
    rule: Any = pair.base.optimizer
    if "step" in shown and change.id in _SCALES and isinstance(rule, nn.SGD):
        ids |= _SCALES
    if "gradients" in shown and change.id in _SCALES - {"learning-rate-value"}:
        ids |= _SCALES - {"learning-rate-value"}
    return ids
