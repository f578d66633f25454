"""Pairs the parameters and layers of the two sides by the order in which they run.

Names and shapes alone mislead (a square kernel hides a transpose, two equal layers hide a
swap); each side's network was found by what it computes, so its weight layers stand in
order of execution already.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from netparity.diagnosis.identify import Identified
from netparity.diagnosis.twin import Array, Twin, Values
from netparity.errors import PairingError
from netparity.nn import Affine


@dataclass(frozen=True, slots=True)
class Pairing:
    """Which parameter is which, by the names of the twins.

    Attributes:
        names: left twin parameter → right twin parameter.
        layers: left layer → right layer, for those with parameters.
        left_only: parameters without a partner; right_only: likewise.
    """

    names: Mapping[str, str]
    layers: Mapping[str, str]
    left_only: tuple[str, ...] = ()
    right_only: tuple[str, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether every parameter has its partner."""
        return not self.left_only and not self.right_only

    def to_right(self, values: Mapping[str, Array], right: Twin) -> Values:
        """Left's values under right's names; what right alone has is zero.

        Layers that are paired pass a parameter on even where ``right`` has it only since its
        conventions were changed.
        """
        shapes = right.network.parameter_shapes()
        result = {self.names[n]: v for n, v in values.items() if self.names.get(n) in shapes}
        for layer, other in self.layers.items():
            for kind in ("weight", "bias"):
                value = values.get(f"{layer}.{kind}")
                name = f"{other}.{kind}"
                if name not in result and value is not None and shapes.get(name) == value.shape:
                    result[name] = value
        for name, shape in shapes.items():
            if name not in result:
                result[name] = np.zeros(shape)
        return result

    def to_left(self, values: Mapping[str, Array]) -> Values:
        """Right's values under left's names; what left does not have is left out."""
        back = {right: left for left, right in self.names.items()}
        return {back[n]: v for n, v in values.items() if n in back}


def affines(twin: Twin) -> list[tuple[str, Affine]]:
    """The weight layers of a twin, in order of execution."""
    return [(n, a) for n, a in twin.conventions.layers or () if isinstance(a, Affine)]


def pair(left: Twin, right: Twin) -> Pairing:
    """Pairs two networks layer by layer; where their lengths differ, by the widths that fit."""
    a, b = affines(left), affines(right)
    if len(a) == len(b):
        matched = list(zip(a, b, strict=True))
    else:
        matcher = difflib.SequenceMatcher(
            a=[(w.inputs, w.outputs) for _, w in a],
            b=[(w.inputs, w.outputs) for _, w in b],
            autojunk=False,
        )
        matched = [
            (a[block.a + i], b[block.b + i])
            for block in matcher.get_matching_blocks()
            for i in range(block.size)
        ]
    shapes_left, shapes_right = left.network.parameter_shapes(), right.network.parameter_shapes()
    names: dict[str, str] = {}
    for (name, _), (other, _) in matched:
        for kind in ("weight", "bias"):
            one, two = f"{name}.{kind}", f"{other}.{kind}"
            if shapes_left.get(one) is not None and shapes_left.get(one) == shapes_right.get(two):
                names[one] = two
    return Pairing(
        names,
        {n: m for (n, _), (m, _) in matched},
        tuple(n for n in shapes_left if n not in names),
        tuple(n for n in shapes_right if n not in names.values()),
    )


def check_wanted(
    wanted: Mapping[str, str], left: Mapping[str, Array], right: Mapping[str, Array]
) -> None:
    """Raises where a pair the user wrote names no parameter."""
    for one, two in wanted.items():
        for name, known, which in ((one, left, "left"), (two, right, "right")):
            if name not in known:
                near = difflib.get_close_matches(name, list(known), n=1)
                raise PairingError(
                    f"--pair {one}={two}: {which} has no parameter {name!r}; "
                    f"it has {', '.join(known)}",
                    hint=f"did you mean {near[0]!r}?" if near else None,
                )


def check_wanted_pairs(
    wanted: Mapping[str, str], pairing: Pairing, left: Twin, right: Twin
) -> None:
    """Raises where the user wrote a pair that the order of execution contradicts."""
    own = {place.name: name for name, place in left.conventions.places.items()}
    for one, two in wanted.items():
        partner = pairing.names.get(own.get(one, ""), "")
        found = right.conventions.places[partner].name if partner else None
        if found != two:
            raise PairingError(
                f"--pair {one}={two}: by what the two sides compute, left's {one} is used where "
                f"right uses {found or 'nothing'}",
                hint=f"leave it out, or write --pair {one}={found}" if found else "leave it out",
            )


@dataclass(frozen=True, slots=True)
class NativePairing:
    """Pairs by the sides' own names, where no network could be found behind one of them."""

    names: Mapping[str, tuple[str, bool]]  # left → (right, transposed)
    left_only: tuple[str, ...] = ()
    right_only: tuple[str, ...] = ()

    def to_right(self, values: Mapping[str, Array], like: Mapping[str, Array]) -> Values:
        """Left's own arrays in right's layout."""
        result = {}
        for name, (other, transposed) in self.names.items():
            array = np.asarray(values[name])
            array = array.T if transposed else array
            pattern = like[other]
            result[other] = np.ascontiguousarray(array.reshape(pattern.shape), dtype=pattern.dtype)
        return result


def pair_natively(
    left: Identified, right: Identified, wanted: Mapping[str, str]
) -> NativePairing | None:
    """Pairs by order and shape (transposed or not), after the pairs the user wrote.

    Returns:
        The pairing, or ``None`` where no parameter finds a partner.

    Raises:
        PairingError: several pairings fit equally well.
    """
    a, b = left.live.parameters(), right.live.parameters()
    check_wanted(wanted, a, b)
    names: dict[str, tuple[str, bool]] = {}
    for one, two in wanted.items():
        names[one] = (two, _squeezed(a[one]) != _squeezed(b[two]))
    rest_a = [n for n in a if n not in names]
    taken = {two for two, _ in names.values()}
    rest_b = [n for n in b if n not in taken]
    in_order = len(rest_a) == len(rest_b) and all(
        _fits(a[one], b[two]) for one, two in zip(rest_a, rest_b, strict=True)
    )
    if in_order:
        choices = {one: [two] for one, two in zip(rest_a, rest_b, strict=True)}
    else:
        choices = {one: [two for two in rest_b if _fits(a[one], b[two])] for one in rest_a}
    for one in rest_a:
        fitting = choices[one]
        same = [two for two in fitting if two == one]
        if same:
            fitting = same
        if len(fitting) > 1:
            raise PairingError(
                _ambiguity(a, b, one, fitting),
                hint=" or ".join(f"--pair {one}={two}" for two in fitting),
            )
        if fitting:
            shape_a, shape_b = _squeezed(a[one]), _squeezed(b[fitting[0]])
            names[one] = (fitting[0], shape_a != shape_b)
    used = {two for two, _ in names.values()}
    if not names:
        return None
    return NativePairing(
        names, tuple(n for n in a if n not in names), tuple(n for n in b if n not in used)
    )


def _squeezed(array: Array) -> tuple[int, ...]:
    return tuple(d for d in np.asarray(array).shape if d != 1)


def _fits(a: Array, b: Array) -> bool:
    one, two = _squeezed(a), _squeezed(b)
    return one in {two, two[::-1]}


def _ambiguity(
    a: Mapping[str, Array], b: Mapping[str, Array], name: str, fitting: list[str]
) -> str:
    lines = [f"left's {name} {a[name].shape} can be paired with several of right's parameters:"]
    width = max(len(n) for n in (*a, "left"))
    rows = [f"  {'left':<{width}}  shape            right"]
    ordered = list(b)
    for index in range(max(len(a), len(b))):
        one = list(a)[index] if index < len(a) else ""
        two = ordered[index] if index < len(b) else ""
        shape = str(a[one].shape) if one else ""
        other = f"{two} {b[two].shape}" if two else ""
        rows.append(f"  {one:<{width}}  {shape:<15}  {other}")
    return "\n".join([*lines, *rows, f"fitting: {', '.join(fitting)}"])
