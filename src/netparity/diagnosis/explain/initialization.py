"""Laws and draws of the initial values, kind by kind of parameter."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from netparity.diagnosis import initial
from netparity.diagnosis.align import Pairing
from netparity.diagnosis.candidates import Both, Candidate, start_from_left
from netparity.diagnosis.explain.laws import said, written_law
from netparity.diagnosis.identify import Identified
from netparity.diagnosis.initial import KINDS, Group, Laws
from netparity.diagnosis.noise import Measure
from netparity.diagnosis.twin import Values
from netparity.errors import InputError
from netparity.nn import NAMED, Law
from netparity.nn import default_laws as laws_of_framework
from netparity.report.model import Evidence

#: The reference network's name for what each framework does.
FRAMEWORKS: Final = {
    "torch": "torch",
    "keras": "keras",
    "jax": "flax",
    "sklearn": "sklearn",
    "tensorflow": "tf1",
}


@dataclass(frozen=True, slots=True)
class _Kind:
    """One kind of parameter on both sides, and what its values say of the laws."""

    name: str
    left: Group
    right: Group
    laws: Laws
    own: tuple[bool, bool]
    apart: bool
    crossed: bool

    @property
    def id(self) -> str:
        """The cause: the frameworks' defaults, another law, or another draw of one law."""
        if _forgets(self.left) != _forgets(self.right):
            return "rnn-forget-bias"
        if self.crossed:
            return KINDS.get(self.name, "init-law")
        if self.laws.common:
            return "init-value"
        return KINDS.get(self.name, "init-law") if all(self.own) else "init-law"


def initial_values(
    both: Both,
    pairing: Pairing,
    different: Sequence[str],
    draws: tuple[Sequence[Values], Sequence[Values]] = ((), ()),
) -> Iterator[Candidate]:
    """Laws where they cannot be the same, else another draw of the same law.

    Args:
        both: the sides.
        pairing: which parameter is which.
        different: the parameters whose values differ.
        draws: further draws of each side, from other builds of it (by its own names).
    """
    kinds = list(_kinds(both, pairing, different, draws))
    for side, names in _reused(both, pairing):
        wrong = tuple(n for n in names if n in different)
        if wrong:
            different = [n for n in different if n not in wrong]
            yield _one_instance(both, side, wrong)
    found: dict[str, list[_Kind]] = {}
    for kind in kinds:
        if any(n in different for n, *_ in kind.left.arrays):
            found.setdefault(kind.id, []).append(kind)
    if "init-value" in found and "init-law" in found:
        found["init-law"] += found.pop("init-value")
    for id, group in found.items():
        yield _candidate(both, id, group, different, draws)


def _kinds(
    both: Both,
    pairing: Pairing,
    different: Sequence[str],
    draws: tuple[Sequence[Values], Sequence[Values]],
) -> Iterator[_Kind]:
    layers = dict(both.left.conventions.layers or ())
    rights = [pairing.to_left(v) for v in (both.right.parameters, *draws[1])]
    lefts = [{n: v[n] for n in rights[0] if n in v} for v in (both.left.parameters, *draws[0])]
    one, two = (_pooled([initial.groups(v, layers) for v in values]) for values in (lefts, rights))
    defaults = [_own_laws(both.left), pairing_of(_own_laws(both.right), pairing)]
    for name in one:
        if name not in two or not any(n in different for n, *_ in one[name].arrays):
            continue
        own = tuple(
            initial.probability(group[name], laws) > initial.REFUTED
            for group, laws in zip((one, two), defaults, strict=True)
        )
        apart = any(defaults[0].get(n) != defaults[1].get(n) for n, *_ in one[name].arrays)
        # Each side's own law, and not the other's.
        crossed = all(own) and not any(
            initial.probability(group[name], laws) > initial.REFUTED
            for group, laws in zip((one, two), reversed(defaults), strict=True)
        )
        preferred = [_named(laws, one[name]) for laws in defaults]
        laws = initial.laws(one[name], two[name], [p for p in preferred if p])
        yield _Kind(name, one[name], two[name], laws, (own[0], own[1]), apart, crossed)


def pairing_of(laws: Mapping[str, Law], pairing: Pairing) -> dict[str, Law]:
    """Right's laws under left's names."""
    back = {right: left for left, right in pairing.names.items()}
    return {back[n]: law for n, law in laws.items() if n in back}


def _own_laws(known: Identified) -> dict[str, Law]:
    """By which laws its framework draws where nothing is said, less what it says otherwise."""
    framework = FRAMEWORKS.get(known.live.framework)
    if framework is None or known.twin is None:
        return {}
    try:
        laws = laws_of_framework(known.twin.network, framework)
    except InputError:
        return {}
    places, stated = known.conventions.places, known.declared.laws
    return {
        n: law
        for n, law in laws.items()
        if n not in places or stated.get(places[n].name, law) == law
    }


def _named(laws: Mapping[str, Law], group: Group) -> str | None:
    """The name of a framework's own law, where all of a group have one."""
    own = {laws.get(n) for n, *_ in group.arrays}
    return next((n for n, law in NAMED.items() if own == {law}), None)


def _pooled(drawn: Sequence[Mapping[str, Group]]) -> dict[str, Group]:
    return {
        name: Group(name, tuple(a for groups in drawn for a in groups[name].arrays))
        for name in drawn[0]
    }


def _forgets(group: Group) -> bool:
    """Whether one block of four of every recurrent bias is one, and the rest zero."""
    if not group.name.startswith("recurrent biases"):
        return False
    for _, array, _, _ in group.arrays:
        values = np.asarray(array).ravel()
        if len(values) % 4 or sorted(b.mean() for b in np.split(values, 4)) != [0, 0, 0, 1]:
            return False
    return True


def _reused(both: Both, pairing: Pairing) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Layers of one side alone whose weights of equal shape hold the same random numbers."""
    found = []
    for values in (both.left.parameters, pairing.to_left(both.right.parameters)):
        equal: dict[bytes, list[str]] = {}
        for name, value in values.items():
            if np.size(value) > 1 and np.ptp(value) > 0:
                key = repr(np.shape(value)).encode() + np.ascontiguousarray(value).tobytes()
                equal.setdefault(key, []).append(name)
        found.append({tuple(names) for names in equal.values() if len(names) > 1})
    for index, side in enumerate(("left", "right")):
        for names in sorted(found[index] - found[1 - index]):
            yield side, names


def _one_instance(both: Both, side: str, names: tuple[str, ...]) -> Candidate:
    texts = {side: "the same numbers", "right" if side == "left" else "left": "draws of their own"}
    return Candidate(
        "initializer-instance-reuse",
        "init",
        names,
        texts["left"],
        texts["right"],
        f"On the {side} {', '.join(names)} start from the same random numbers, to the last bit; "
        "on the other side each has a draw of its own.",
        (Evidence(f"{names[0]} − {names[-1]} on the {side}, largest difference", 0.0, 0.0, 0.0),),
        both.fix("initializer-instance-reuse", left=None, right=None),
        start_from_left(names),
    )


def _candidate(
    both: Both,
    id: str,
    kinds: Sequence[_Kind],
    different: Sequence[str],
    draws: tuple[Sequence[Values], Sequence[Values]],
) -> Candidate:
    names = dict.fromkeys(n for k in kinds for n, *_ in k.left.arrays)
    where = tuple(n for n in names if n in different)
    lefts = "; ".join(f"{k.name} {said(k.laws.left_text)}" for k in kinds)
    rights = "; ".join(f"{k.name} {said(k.laws.right_text)}" for k in kinds)
    if id == "init-value":
        statement = f"The initial values are other draws, of laws that can be the same ({lefts})."
        lefts = "; ".join(f"{k.name}: one draw" for k in kinds)
        rights = "; ".join(f"{k.name}: another draw" for k in kinds)
    else:
        statement = f"The initial values follow different laws: left {lefts}; right {rights}."
    builds = [1 + len(d) for d in draws]
    counted = f" (of {builds[0]} and {builds[1]} builds)" if max(builds) > 1 else ""
    evidence: list[Evidence] = []
    for k in kinds:
        evidence += [
            Evidence(
                f"laws that the {k.name} leave open{counted} (support; Kolmogorov-Smirnov "
                "p > 0.001): left against right",
                ", ".join(said(n) for n in k.laws.left[:2]) or "none known",
                ", ".join(said(n) for n in k.laws.right[:2]) or "none known",
                None,
            ),
            Evidence(
                f"deviation of the {k.name}{counted}, ± 2 standard errors: left against right",
                _deviation(k.left),
                _deviation(k.right),
                None,
            ),
        ]
    first = kinds[0].laws
    also: tuple[str, ...] = ()
    if id == "init-value":
        open_ = [KINDS.get(k.name, "init-law") for k in kinds if all(k.own) and k.apart]
        other = both.left.live.framework != both.right.live.framework
        also = (*dict.fromkeys(open_), *(("same-seed-different-stream",) if other else ()))
    return Candidate(
        id,
        "init",
        where,
        lefts,
        rights,
        statement,
        tuple(evidence),
        both.fix(
            id,
            left=written_law(first.right_text, both.left.live.framework),
            right=written_law(first.left_text, both.right.live.framework),
        ),
        start_from_left(where),
        also=also,
    )


def _deviation(group: Group) -> str:
    values = np.concatenate([np.ravel(a) for _, a, _, _ in group.arrays]).astype(np.float64)
    deviation, n = float(values.std()), len(values)
    if deviation == 0 or n < 2:
        return "0"
    kurtosis = float(np.mean((values - values.mean()) ** 4)) / deviation**4
    error = deviation * np.sqrt(max(kurtosis - 1, 0.0) / (4 * n))
    return f"{deviation:.3g} ± {2 * error:.1g}"


def kept_values(both: Both, different: Sequence[Measure]) -> Candidate:
    """Running statistics that were handed over with other values."""
    names = tuple(m.where for m in different)
    apart = max(m.difference for m in different)
    return Candidate(
        "init-value",
        "init",
        names,
        "running statistics as handed over",
        "other running statistics",
        f"The running statistics handed over differ ({', '.join(names)}); in inference mode the "
        "network computes with them.",
        (Evidence("right − left as handed over: largest difference", apart, 0.0, apart),),
        both.fix("init-value", left="the right's", right="the left's"),
        start_from_left(names),
        verified="live",
        residual=0.0,
        floor=max(m.floor for m in different),
    )
