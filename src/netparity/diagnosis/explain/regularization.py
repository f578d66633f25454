"""Penalties and weight decay: their form, factor, coefficient, scope, coupling, absence."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from netparity.conventions import changed
from netparity.diagnosis.align import Pairing
from netparity.diagnosis.candidates import BELOW_FLOAT32, Both, Candidate, Change, Plan, text
from netparity.diagnosis.canonical import penalties_of
from netparity.diagnosis.identify import Identified
from netparity.diagnosis.twin import (
    Twin,
    decay_coefficients,
    decay_of_rule,
    sign_coefficients,
)
from netparity.nn import SGD, Scope, in_scope
from netparity.nn.optimizers import Decay
from netparity.report.model import Evidence, Fix

#: What a pull goes with: the parameter (L2, weight decay) or its sign (L1).
Shape = Literal["w", "sign(w)"]


@dataclass(frozen=True, slots=True)
class _Decay:
    """How a parameter is pulled to zero: by a penalty, and by the rule in either way."""

    penalty: float = 0.0
    decoupled: float = 0.0
    by_batch: float = 0.0
    coupled: float = 0.0

    @property
    def through(self) -> float:
        """What goes through the gradient, from every row alike."""
        return self.penalty + self.coupled

    @property
    def total(self) -> float:
        return self.through + self.decoupled + self.by_batch

    def differs(self, other: _Decay) -> bool:
        """Whether another pulls otherwise, be it by a penalty or by the rule."""
        return (self.through, self.decoupled, self.by_batch) != (
            other.through,
            other.decoupled,
            other.by_batch,
        )


Decays = dict[str, _Decay]


def _decays(twin: Twin, shape: Shape) -> Decays:
    names = list(twin.network.parameter_shapes())
    penalties = twin.conventions.penalties or ()
    if shape == "sign(w)":
        coupled = sign_coefficients(penalties, names)
        scaled = sign_coefficients(penalties, names, by_batch=True)
        return {n: _Decay(coupled[n], 0.0, scaled[n]) for n in names}
    coupled = decay_coefficients(penalties, names)
    scaled = decay_coefficients(penalties, names, by_batch=True)
    optimizer = twin.conventions.optimizer
    beside = decay_of_rule(optimizer, names, "decoupled")
    inside = decay_of_rule(optimizer, names, "coupled")
    return {n: _Decay(coupled[n], beside[n], scaled[n], inside[n]) for n in names}


def regularization(both: Both, pairing: Pairing) -> Iterator[Candidate]:
    """Penalties and weight decay: form, factor, coefficient, scope, coupling, absence."""
    left, right = both.left.twin, both.right.twin
    if left is None or right is None:
        return
    back = {r: n for n, r in pairing.names.items()}
    shapes: tuple[Shape, ...] = ("w", "sign(w)")
    one = {s: _decays(left, s) for s in shapes}
    two = {s: {back[n]: d for n, d in _decays(right, s).items() if n in back} for s in shapes}
    none = _Decay()
    other_form = [
        n
        for n in two["w"]
        if all(bool(one[s].get(n, none).total) != bool(two[s][n].total) for s in shapes)
        and bool(one["w"].get(n, none).total) != bool(one["sign(w)"].get(n, none).total)
    ]
    if other_form:
        yield _other_form(both, pairing, other_form, one, two)
    for shape in shapes:
        groups: dict[str, list[str]] = {}
        for name, b in two[shape].items():
            a = one[shape].get(name, none)
            if a.differs(b) and name not in other_form:
                id = _penalty_id(both, name, a, b, one[shape], two[shape])
                id = "l1-form" if shape == "sign(w)" and id == "l2-half-factor" else id
                groups.setdefault(id, []).append(name)
        for id, names in groups.items():
            yield _penalty_candidate(both, pairing, id, names, one[shape], two[shape], shape)


def _other_form(
    both: Both,
    pairing: Pairing,
    names: Sequence[str],
    one: Mapping[Shape, Decays],
    two: Mapping[Shape, Decays],
) -> Candidate:
    """L1 on one side, L2 on the other, on the same parameters."""
    name = names[0]

    def pull(decays: Mapping[Shape, Decays]) -> tuple[float, Shape]:
        shape: Shape = "w" if decays["w"].get(name, _Decay()).total else "sign(w)"
        return decays[shape][name].total, shape

    (a, of_left), (b, of_right) = pull(one), pull(two)
    changes = [
        _follow_left(both, pairing, names, one[shape], shape) for shape in (of_left, of_right)
    ]
    return Candidate(
        "l1-form",
        "regularization",
        tuple(names),
        f"gradient {a:g}·{of_left}",
        f"gradient {b:g}·{of_right}",
        f"The penalty's gradient is {a:g}·{of_left} on the left and {b:g}·{of_right} on the right: "
        "one side's penalty is of absolute values, the other's of squares.",
        (
            Evidence("g = g_data + c·w + d·sign(w): left's coefficient", a, a, _residual(both)),
            Evidence("g = g_data + c·w + d·sign(w): right's coefficient", b, b, _residual(both)),
        ),
        both.fix("l1-form", left=text(b), right=text(a)),
        lambda plan: changes[1](changes[0](plan)),
    )


def _residual(both: Both) -> float | None:
    return max(
        (m.difference for k in (both.left, both.right) for m in k.checks.get("gradient", ())),
        default=None,
    )


def _penalty_id(both: Both, name: str, a: _Decay, b: _Decay, one: Decays, two: Decays) -> str:
    if bool(a.by_batch) != bool(b.by_batch) and a.total and b.total:
        return "sklearn-alpha-scaling"
    if (bool(a.through), bool(b.through)) in {(True, False), (False, True)} and (
        a.total and b.total
    ):
        optimizers = (both.left.conventions.optimizer, both.right.conventions.optimizer)
        sgd = all(isinstance(o, SGD) for o in optimizers)
        return "sgd-weight-decay-coupling" if sgd else "adam-weight-decay-coupling"
    if np.float32(a.total) == np.float32(b.total):
        return "float32-constants"
    weight = in_scope("weights", name)
    if a.total == 0 or b.total == 0:
        others = [
            n for n in two if in_scope("weights", n) and one.get(n, _Decay()).total and two[n].total
        ]
        if weight:
            return "penalty-scope" if others else "penalty-absent"
        return "weight-decay-bias" if others else "penalty-absent"
    ratio = b.total / a.total
    if any(abs(ratio - r) <= 1e-6 * r for r in (2.0, 0.5)):
        return "l2-half-factor"
    return "penalty-value"


def _follow_left(
    both: Both, pairing: Pairing, names: Sequence[str], one: Decays, shape: Shape
) -> Change:
    """Gives right's parameters left's pull, through the gradient and beside it."""
    wanted = {pairing.names[n]: one.get(n, _Decay()) for n in names}

    def change(plan: Plan) -> Plan:
        conventions = plan.conventions
        parameters = list(Twin(conventions).network.parameter_shapes())
        present = conventions.penalties or ()
        pulls = {
            ("w", False): decay_coefficients(present, parameters),
            ("sign(w)", False): sign_coefficients(present, parameters),
            ("w", True): decay_coefficients(present, parameters, by_batch=True),
            ("sign(w)", True): sign_coefficients(present, parameters, by_batch=True),
        }
        pulls[shape, False] |= {n: d.penalty for n, d in wanted.items()}
        pulls[shape, True] |= {n: d.by_batch for n, d in wanted.items()}
        penalties = penalties_of(*pulls.values())
        optimizer = conventions.optimizer
        if optimizer is not None and shape == "w":
            coupled = any(d.coupled for d in wanted.values())
            decoupled = any(d.decoupled for d in wanted.values())
            own = optimizer.decay
            kind: Decay = "coupled" if coupled else "decoupled" if decoupled else own
            by_rule = decay_of_rule(optimizer, parameters, kind)
            by_rule |= {
                n: d.coupled if kind == "coupled" else d.decoupled for n, d in wanted.items()
            }
            values = {c for c in by_rule.values() if c}
            scope: Scope = tuple(n for n in parameters if by_rule[n])
            optimizer = changed(
                optimizer,
                weight_decay=max(values, default=0.0),
                decay=kind if values else "coupled",
                decay_scope="all" if len(scope) in {0, len(parameters)} else scope,
            )
        return replace(
            plan, conventions=replace(conventions, penalties=penalties, optimizer=optimizer)
        )

    return change


def _penalty_candidate(
    both: Both,
    pairing: Pairing,
    id: str,
    names: Sequence[str],
    one: Decays,
    two: Decays,
    shape: Shape,
) -> Candidate:
    first, second = one.get(names[0], _Decay()), two[names[0]]
    a, b = first.total, second.total
    coupling = {True: "added to the gradient", False: "taken off beside the gradient step"}
    statements = {
        "l2-half-factor": (
            f"The penalty's gradient is {a:g}·w on the left and {b:g}·w on the right, a factor of "
            f"{b / a if a else 0:g}: one side means ½λΣw², the other λΣw²."
        ),
        "l1-form": (
            f"The penalty's gradient is {a:g}·{shape} on the left and {b:g}·{shape} on the right, "
            f"a factor of {b / a if a else 0:g}: no ½ stands in λΣ|w|."
        ),
        "weight-decay-bias": (
            f"The biases are decayed by {a:g}·b on the left and {b:g}·b on the right; the "
            "weights are decayed on both sides."
        ),
        "penalty-absent": (
            f"The penalty's gradient is {a:g}·{shape} on the left and {b:g}·{shape} on the right: "
            "one side has none."
        ),
        "float32-constants": (
            f"The coefficient is {a:.17g} on the left and {b:.17g} on the right: one side's "
            "framework rounds its constants to float32."
        ),
    }
    for coupled in ("sgd-weight-decay-coupling", "adam-weight-decay-coupling"):
        statements[coupled] = (
            f"Left decays by {a:g}·w, {coupling[bool(first.through)]}; right by {b:g}·w, "
            f"{coupling[bool(second.through)]}."
        )
    per = ["/B" if d.by_batch else "" for d in (first, second)]
    statements["sklearn-alpha-scaling"] = (
        f"The penalty's gradient is {a:g}·{shape}{per[0]} on the left and {b:g}·{shape}{per[1]} "
        "on the right, for a batch of B rows."
    )
    residual = _residual(both)
    latent = BELOW_FLOAT32 if id == "float32-constants" else None
    return Candidate(
        id,
        "regularization",
        tuple(names),
        _penalty_text(both.left, first, shape),
        _penalty_text(both.right, second, shape),
        statements.get(
            id, f"The penalty's gradient is {a:g}·{shape} on the left, {b:g}·{shape} on the right."
        ),
        (Evidence(f"g = g_data + c·{shape}: c left against c right", a, b, residual),),
        _penalty_fix(both, id, a, b, shape, left_by_batch=bool(first.by_batch)),
        _follow_left(both, pairing, names, one, shape),
        also=("penalty-value",) if id == "l2-half-factor" else (),
        latent=latent,
    )


def _penalty_text(known: Identified, decay: _Decay, shape: Shape) -> str:
    said = known.declared.texts.get("penalties") or known.declared.texts.get(
        "optimizer.weight_decay"
    )
    measured = "none"
    if decay.total:
        measured = (
            f"gradient {decay.through or decay.by_batch:g}·{shape}{'/B' if decay.by_batch else ''}"
            if decay.through or decay.by_batch
            else (f"w − η·{decay.decoupled:g}·w beside the step")
        )
    return f"{said}: {measured}" if said else measured


def _penalty_fix(
    both: Both, id: str, a: float, b: float, shape: Shape, *, left_by_batch: bool
) -> Fix:
    def value(known: Identified, coefficient: float) -> str:
        if known.live.framework == "keras" and shape == "w":
            return text(coefficient / 2)
        return text(coefficient)

    if id == "sklearn-alpha-scaling":
        to, back = ("*", "/") if left_by_batch else ("/", "*")
        return both.fix(
            id,
            left=f"{value(both.left, b)} {to} batch_size",
            right=f"{value(both.right, a)} {back} batch_size",
        )
    if id == "weight-decay-bias":
        decay = max(a, b)
        fix = both.fix(id, left=text(decay), right=text(decay))
        line = f"bias_regularizer=keras.regularizers.L2({decay / 2:g})"
        keras = [k.live.framework == "keras" for k in (both.left, both.right)]
        return Fix(
            line if keras[0] and not a else fix.left, line if keras[1] and not b else fix.right
        )
    return both.fix(id, left=value(both.left, b), right=value(both.right, a))
