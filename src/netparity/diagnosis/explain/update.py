"""The kind of optimizer and its constants."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from netparity.conventions import switches
from netparity.diagnosis.candidates import Both, Candidate, Plan, set_conventions, text, written
from netparity.nn import (
    SGD,
    Adam,
)
from netparity.report.model import Evidence

#: Optimizer field → the id of a difference in it.
FIELDS = {
    "learning_rate": "learning-rate-value",
    "momentum": "momentum-value",
    "dampening": "sgd-dampening-first-step",
    "form": "sgd-momentum-form",
    "nesterov": "optimizer-kind",
    "beta1": "beta-value",
    "beta2": "beta-value",
    "epsilon": "epsilon-value",
    "epsilon_placement": "adam-epsilon-placement",
    "bias_correction": "adam-bias-correction",
    "amsgrad": "optimizer-kind",
    "weight_decay": "penalty-value",
    "decay": "adam-weight-decay-coupling",
}


def update(both: Both) -> Iterator[Candidate]:
    """The kind of optimizer and its constants."""
    left, right = both.left.conventions.optimizer, both.right.conventions.optimizer
    if left is None or right is None:
        return
    residual = max(
        (m.difference for k in (both.left, both.right) for m in k.checks.get("update", ())),
        default=None,
    )
    if type(left) is not type(right):
        yield Candidate(
            "optimizer-kind",
            "update",
            ("optimizer",),
            repr(left),
            repr(right),
            f"Left updates by {type(left).__name__}, right by {type(right).__name__}.",
            (
                Evidence(
                    "rule that repeats the updates",
                    type(left).__name__,
                    type(right).__name__,
                    residual,
                ),
            ),
            both.fix("optimizer-kind", left=repr(right), right=repr(left)),
            set_conventions(optimizer=left),
        )
        return
    for name in switches(left):
        a, b = getattr(left, name), getattr(right, name)
        id = FIELDS.get(name)
        if id is None or a == b or _idle(name, left, right):
            continue
        if isinstance(a, float) and isinstance(b, float) and np.float32(a) == np.float32(b):
            if np.float32 in {both.left.live.dtype.type, both.right.live.dtype.type}:
                continue
            id = "float32-constants"
        if id == "adam-weight-decay-coupling" and isinstance(left, SGD):
            id = "sgd-weight-decay-coupling"
        if name == "weight_decay" and 0.0 in {a, b}:
            id = "penalty-absent"

        def change(plan: Plan, name: str = name, a: Any = a) -> Plan:
            optimizer: Any = plan.conventions.optimizer
            changed = replace(optimizer, **{name: a})
            return replace(plan, conventions=replace(plan.conventions, optimizer=changed))

        words = name.replace("_", " ")
        yield Candidate(
            id,
            "update",
            (f"optimizer.{name}",),
            written(both.left, f"optimizer.{name}", f"{words} {text(a)}"),
            written(both.right, f"optimizer.{name}", f"{words} {text(b)}"),
            f"The optimizer's {words} is {text(a)} on the left and {text(b)} on the right.",
            (Evidence(f"{words} that repeats the updates, left against right", a, b, residual),),
            both.fix(id, left=b, right=a),
            change,
            latent="below float32 noise but real in float64" if id == "float32-constants" else None,
        )


def _idle(name: str, left: Any, right: Any) -> bool:
    """Whether a field means nothing in these settings."""
    if isinstance(left, SGD) and name in {"form", "nesterov", "dampening"}:
        return bool(left.momentum == 0 and right.momentum == 0) or (
            name == "form" and "averaged" not in {left.form, right.form}
        )
    if name in {"decay", "decay_scope"} and isinstance(left, SGD | Adam):
        return bool(left.weight_decay == 0 and right.weight_decay == 0)
    return False
