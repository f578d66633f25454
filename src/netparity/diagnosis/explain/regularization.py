"""L2 penalties: factor, coefficient, scope, absence."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from netparity.conventions import changed
from netparity.diagnosis.align import Pairing
from netparity.diagnosis.candidates import Both, Candidate, Change, Plan, text
from netparity.diagnosis.canonical import l2_penalties
from netparity.diagnosis.identify import Identified
from netparity.diagnosis.twin import Twin, decay_coefficients, decoupled_decay
from netparity.nn import L2, SGD, Scope
from netparity.report.model import Evidence, Fix


@dataclass(frozen=True, slots=True)
class _Decay:
    """How a parameter is pulled to zero: through the gradient, and beside it."""

    coupled: float = 0.0
    decoupled: float = 0.0
    by_batch: float = 0.0

    @property
    def total(self) -> float:
        return self.coupled + self.decoupled + self.by_batch


Decays = dict[str, _Decay]


def _decays(twin: Twin) -> Decays:
    names = list(twin.network.parameter_shapes())
    coupled = decay_coefficients(twin.conventions.penalties or (), names)
    beside = decoupled_decay(twin.conventions.optimizer, names)
    scaled = decay_coefficients(twin.conventions.penalties or (), names, by_batch=True)
    return {n: _Decay(coupled[n], beside[n], scaled[n]) for n in names}


def regularization(both: Both, pairing: Pairing) -> Iterator[Candidate]:
    """L2 penalties and weight decay: factor, coefficient, scope, coupling, absence."""
    left, right = both.left.twin, both.right.twin
    if left is None or right is None:
        return
    one = _decays(left)
    back = {r: n for n, r in pairing.names.items()}
    two = {back[n]: d for n, d in _decays(right).items() if n in back}
    groups: dict[str, list[str]] = {}
    for name, b in two.items():
        a = one.get(name, _Decay())
        if a != b:
            groups.setdefault(_penalty_id(both, name, a, b, one, two), []).append(name)
    for id, names in groups.items():
        yield _penalty_candidate(both, pairing, id, names, one, two)


def _penalty_id(both: Both, name: str, a: _Decay, b: _Decay, one: Decays, two: Decays) -> str:
    if bool(a.by_batch) != bool(b.by_batch) and a.total and b.total:
        return "sklearn-alpha-scaling"
    if (bool(a.coupled), bool(b.coupled)) in {(True, False), (False, True)} and (
        a.total and b.total
    ):
        optimizers = (both.left.conventions.optimizer, both.right.conventions.optimizer)
        sgd = all(isinstance(o, SGD) for o in optimizers)
        return "sgd-weight-decay-coupling" if sgd else "adam-weight-decay-coupling"
    if np.float32(a.total) == np.float32(b.total):
        return "float32-constants"
    weight = name.endswith(".weight")
    if a.total == 0 or b.total == 0:
        others = [
            n for n in two if n.endswith(".weight") and one.get(n, _Decay()).total and two[n].total
        ]
        if weight:
            return "penalty-scope" if others else "penalty-absent"
        return "weight-decay-bias" if others else "penalty-absent"
    ratio = b.total / a.total
    if any(abs(ratio - r) <= 1e-6 * r for r in (2.0, 0.5)):
        return "l2-half-factor"
    return "penalty-value"


def _follow_left(both: Both, pairing: Pairing, names: Sequence[str], one: Decays) -> Change:
    """Gives right's parameters left's decay, through the gradient and beside it."""
    wanted = {pairing.names[n]: one.get(n, _Decay()) for n in names}

    def change(plan: Plan) -> Plan:
        twin = Twin(plan.conventions)
        shapes = list(twin.network.parameter_shapes())
        conventions = plan.conventions
        decay = decay_coefficients(conventions.penalties or (), shapes)
        beside = decoupled_decay(conventions.optimizer, shapes)
        decay |= {n: d.coupled for n, d in wanted.items()}
        beside |= {n: d.decoupled for n, d in wanted.items()}
        scaled = decay_coefficients(conventions.penalties or (), shapes, by_batch=True)
        scaled |= {n: d.by_batch for n, d in wanted.items()}
        others = tuple(p for p in conventions.penalties or () if not isinstance(p, L2))
        others = (*others, *l2_penalties(scaled, by_batch=True))
        optimizer = conventions.optimizer
        if optimizer is not None:
            values = {c for c in beside.values() if c}
            scope: Scope = tuple(n for n in shapes if beside[n])
            optimizer = changed(
                optimizer,
                weight_decay=max(values, default=0.0),
                decay="decoupled" if values else "coupled",
                decay_scope="all" if len(scope) in {0, len(shapes)} else scope,
            )
        return replace(
            plan,
            conventions=replace(
                conventions, penalties=(*others, *l2_penalties(decay)), optimizer=optimizer
            ),
        )

    return change


def _penalty_candidate(
    both: Both, pairing: Pairing, id: str, names: Sequence[str], one: Decays, two: Decays
) -> Candidate:
    first, second = one.get(names[0], _Decay()), two[names[0]]
    a, b = first.total, second.total
    coupling = {True: "added to the gradient", False: "taken off beside the gradient step"}
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
    for coupled in ("sgd-weight-decay-coupling", "adam-weight-decay-coupling"):
        statements[coupled] = (
            f"Left decays by {a:g}·w, {coupling[bool(first.coupled)]}; right by {b:g}·w, "
            f"{coupling[bool(second.coupled)]}."
        )
    per = ["/B" if d.by_batch else "" for d in (first, second)]
    statements["sklearn-alpha-scaling"] = (
        f"The penalty's gradient is {a:g}·w{per[0]} on the left and {b:g}·w{per[1]} on the right, "
        "for a batch of B rows."
    )
    residual = max(
        (m.difference for k in (both.left, both.right) for m in k.checks.get("gradient", ())),
        default=None,
    )
    latent = "below float32 noise but real in float64" if id == "float32-constants" else None
    return Candidate(
        id,
        "regularization",
        tuple(names),
        _penalty_text(both.left, first),
        _penalty_text(both.right, second),
        statements.get(id, f"The penalty's gradient is {a:g}·w on the left, {b:g}·w on the right."),
        (Evidence("g = g_data + c·w: c left against c right", a, b, residual),),
        _penalty_fix(both, id, a, b, left_by_batch=bool(first.by_batch)),
        _follow_left(both, pairing, names, one),
        also=("penalty-value",) if id == "l2-half-factor" else (),
        latent=latent,
    )


def _penalty_text(known: Identified, decay: _Decay) -> str:
    said = known.declared.texts.get("penalties") or known.declared.texts.get(
        "optimizer.weight_decay"
    )
    measured = "none"
    if decay.total:
        measured = (
            f"gradient {decay.coupled or decay.by_batch:g}·w{'/B' if decay.by_batch else ''}"
            if decay.coupled or decay.by_batch
            else (f"w − η·{decay.decoupled:g}·w beside the step")
        )
    return f"{said}: {measured}" if said else measured


def _penalty_fix(both: Both, id: str, a: float, b: float, *, left_by_batch: bool) -> Fix:
    def value(known: Identified, coefficient: float) -> str:
        if known.live.framework == "keras":
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
