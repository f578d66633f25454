"""The unit of a side's gradients, which its steps leave open where nothing shows its loss.

Many a rule makes the same steps of gradients that are all c times as large, once its ε is too:
what is found is one of many descriptions of the same steps. Of these the one is told that has
the most in common with the other side.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from netparity.conventions import changed, switches
from netparity.diagnosis.snapping import snap
from netparity.nn import L1, L2, AdaGrad, Adam, Adamax, Loss, NAdam, Optimizer, Penalty, RMSProp

#: Rules that make the same steps of larger gradients, once these constants are larger too.
_SAME_STEPS: Final = (AdaGrad, Adam, Adamax, NAdam, RMSProp)


@dataclass(frozen=True, slots=True)
class Made:
    """What whole steps are made of."""

    loss: Loss
    penalties: tuple[Penalty, ...]
    optimizer: Optimizer


def in_common(found: Made, other: Made, dtype: np.dtype[Any]) -> Iterator[Made]:
    """Descriptions that have more in common with the other side's than the one found.

    Args:
        found: with which the steps are repeated.
        other: what the other side's are made of.
        dtype: the width of the side.
    """
    rule, theirs = found.optimizer, other.optimizer
    if not isinstance(rule, _SAME_STEPS) or type(rule) is not type(theirs):
        return
    if not all(isinstance(p, L1 | L2) for p in found.penalties):
        return
    options = [found]
    for unit in sorted({snap(u, dtype) for u in _units(rule, theirs)}):
        penalties = tuple(
            changed(p, coefficient=snap(p.coefficient * unit, dtype))  # type: ignore[attr-defined]
            for p in found.penalties
        )
        scaled = _with_unit(rule, unit, dtype)
        options += [Made(loss, penalties, scaled) for loss in _times(found.loss, unit)]
    ranked = sorted(options, key=lambda option: _apart(option, other))
    yield from ranked[: ranked.index(found)]


def _units(rule: Any, theirs: Any) -> Iterator[float]:
    """How many times as large the gradients are whose rule has a constant of the other's."""
    for name, power in _powers(rule):
        own, wanted = getattr(rule, name), getattr(theirs, name)
        if own > 0 and wanted > 0 and own != wanted:
            yield float((wanted / own) ** (1.0 / power))


def _powers(rule: Any) -> Iterator[tuple[str, int]]:
    """Constants that grow with the gradients, or with their squares."""
    squared = getattr(rule, "epsilon_placement", None) == "inside" and not isinstance(rule, Adamax)
    yield "epsilon", 2 if squared else 1
    if hasattr(rule, "initial_accumulator"):
        yield "initial_accumulator", 2
    if rule.decay == "coupled":
        yield "weight_decay", 1


def _with_unit(rule: Any, unit: float, dtype: np.dtype[Any]) -> Optimizer:
    found: Optimizer = changed(
        rule, **{n: snap(getattr(rule, n) * unit**power, dtype) for n, power in _powers(rule)}
    )
    return found


def _times(loss: Any, unit: float) -> list[Loss]:
    """A loss times a factor, which may be how many outputs are summed up."""
    found = [changed(loss, factor=loss.factor * unit)]
    for name in ("outputs", "classes"):
        if name in switches(loss):
            turned = "sum" if getattr(loss, name) == "mean" else "mean"
            count = 1.0 / unit if turned == "mean" else unit
            if count == round(count) and count > 1:
                found.append(changed(loss, **{name: turned}))
    return found


def _apart(one: Made, other: Made) -> int:
    """How many settings differ."""
    return (
        _differing([one.optimizer], [other.optimizer])
        + _differing([one.loss], [other.loss])
        + _differing(one.penalties, other.penalties)
    )


def _differing(left: Sequence[Any], right: Sequence[Any]) -> int:
    if [type(a) for a in left] != [type(b) for b in right]:
        return 1 + sum(1 for a in left if getattr(a, "factor", 1.0) != 1.0)
    apart = 0
    for a, b in zip(left, right, strict=True):
        apart += sum(bool(getattr(a, n) != getattr(b, n)) for n in switches(a) if n != "scope")
    return apart
