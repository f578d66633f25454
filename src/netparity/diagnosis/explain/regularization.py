"""L2 penalties: factor, coefficient, scope, absence."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from netparity.diagnosis.align import Pairing
from netparity.diagnosis.candidates import Both, Candidate, Plan, text
from netparity.diagnosis.identify import Identified, l2_penalties
from netparity.diagnosis.twin import decay_coefficients
from netparity.report.model import Evidence, Fix


def regularization(both: Both, pairing: Pairing) -> Iterator[Candidate]:
    """L2 penalties: factor, coefficient, scope, absent."""
    left, right = both.left.twin, both.right.twin
    if left is None or right is None:
        return
    one = decay_coefficients(left.conventions.penalties or (), left.network.parameter_shapes())
    raw = decay_coefficients(right.conventions.penalties or (), right.network.parameter_shapes())
    back = {r: n for n, r in pairing.names.items()}
    two = {back[n]: c for n, c in raw.items() if n in back}
    groups: dict[str, list[str]] = {}
    for name in two:
        a, b = one.get(name, 0.0), two[name]
        if a == b:
            continue
        groups.setdefault(_penalty_id(name, a, b, one, two), []).append(name)
    for id, names in groups.items():
        yield _penalty_candidate(both, pairing, id, names, one, two)


def _penalty_id(name: str, a: float, b: float, one: dict[str, float], two: dict[str, float]) -> str:
    if np.float32(a) == np.float32(b):
        return "float32-constants"
    weight = name.endswith(".weight")
    if a == 0 or b == 0:
        others = [n for n in two if n.endswith(".weight") and one.get(n) and two.get(n)]
        if weight:
            return "penalty-scope" if others else "penalty-absent"
        return "weight-decay-bias" if others else "penalty-absent"
    ratio = b / a
    if any(abs(ratio - r) <= 1e-6 * r for r in (2.0, 0.5)):
        return "l2-half-factor"
    return "penalty-value"


def _penalty_candidate(
    both: Both,
    pairing: Pairing,
    id: str,
    names: Sequence[str],
    one: dict[str, float],
    two: dict[str, float],
) -> Candidate:
    first = names[0]
    a, b = one.get(first, 0.0), two[first]
    texts = {
        "left": _penalty_text(both.left, a),
        "right": _penalty_text(both.right, b),
    }
    wanted = {pairing.names[n]: one.get(n, 0.0) for n in names}

    def change(plan: Plan) -> Plan:
        shapes = (
            [n for n, _ in both.right.twin.network.parameter_shapes().items()]
            if both.right.twin
            else []
        )
        decay = decay_coefficients(plan.conventions.penalties or (), shapes) | wanted
        from netparity.nn import L2

        others = tuple(p for p in plan.conventions.penalties or () if not isinstance(p, L2))
        penalties = (*others, *l2_penalties(decay))
        return replace(plan, conventions=replace(plan.conventions, penalties=penalties))

    statements = {
        "l2-half-factor": (
            f"The penalty's gradient is {a:g}·w on the left and {b:g}·w on the right, a factor of "
            f"{b / a if a else 0:g}: one side means ½λΣw², the other λΣw²."
        ),
        "weight-decay-bias": (
            f"The biases are decayed by {a:g}·b on the left and {b:g}·b on the right; the "
            "weights are decayed on both sides."
        ),
        "penalty-absent": (
            f"The penalty's gradient is {a:g}·w on the left and {b:g}·w on the right: one side "
            "has none."
        ),
        "float32-constants": (
            f"The coefficient is {a:.17g} on the left and {b:.17g} on the right: one side's "
            "framework rounds its constants to float32."
        ),
    }
    relation = "g = g_data + c·w: c left against c right"
    residual = max(
        (m.difference for k in (both.left, both.right) for m in k.checks.get("gradient", ())),
        default=None,
    )
    fixes = _penalty_fix(both, id, a, b, names)
    latent = None
    if id == "float32-constants":
        latent = "below float32 noise but real in float64"
    return Candidate(
        id,
        "regularization",
        tuple(names),
        texts["left"],
        texts["right"],
        statements.get(id, f"The penalty's gradient is {a:g}·w on the left, {b:g}·w on the right."),
        (Evidence(relation, a, b, residual),),
        fixes,
        change,
        also=("penalty-value",) if id == "l2-half-factor" else (),
        latent=latent,
    )


def _penalty_text(known: Identified, coefficient: float) -> str:
    said = known.declared.texts.get("penalties") or known.declared.texts.get(
        "optimizer.weight_decay"
    )
    measured = f"gradient {coefficient:g}·w" if coefficient else "none"
    return f"{said}: {measured}" if said else measured


def _penalty_fix(both: Both, id: str, a: float, b: float, names: Sequence[str]) -> Fix:
    def value(known: Identified, coefficient: float) -> str:
        if known.live.framework == "keras":
            return text(coefficient / 2)
        return text(coefficient)

    if id == "weight-decay-bias":
        decay = max(a, b)
        return both.fix(id, left=text(decay), right=text(decay))
    return both.fix(id, left=value(both.left, b), right=value(both.right, a))
