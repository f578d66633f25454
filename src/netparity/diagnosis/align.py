"""Pairs the parameters and layers of the two sides by the order in which they run.

Names and shapes alone mislead (a square kernel hides a transpose, two equal layers hide a
swap); each side's network was found by what it computes, so its weight layers stand in
order of execution already.
"""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from netparity.diagnosis.twin import Array, Twin, Values
from netparity.errors import PairingError
from netparity.nn import GRU, Affine, Dropout, Identity, Layer


@dataclass(frozen=True, slots=True)
class Pairing:
    """Which parameter is which, by the names of the twins.

    Attributes:
        names: left twin parameter → right twin parameter.
        layers: left layer → right layer, for those with parameters.
        left_only: parameters without a partner; right_only: likewise.
        left_added: parameters that act only as added to another one (a second bias), where the
            other side has the sum; right_added: likewise.
    """

    names: Mapping[str, str]
    layers: Mapping[str, str]
    left_only: tuple[str, ...] = ()
    right_only: tuple[str, ...] = ()
    left_added: Mapping[str, str] = field(default_factory=dict)
    right_added: Mapping[str, str] = field(default_factory=dict)

    @property
    def complete(self) -> bool:
        """Whether every parameter has its partner."""
        return not self.left_only and not self.right_only

    def to_right(self, values: Mapping[str, Array], right: Twin) -> Values:
        """Left's values under right's names; what right alone has is neutral.

        Layers that are paired pass a parameter on even where ``right`` has it only since its
        conventions were changed.
        """
        shapes = right.shapes()
        values = self.summed(values)
        result = {self.names[n]: v for n, v in values.items() if self.names.get(n) in shapes}
        for name, value in values.items():
            layer, _, key = name.rpartition(".")
            other = f"{self.layers.get(layer, '')}.{key}"
            if other not in result and shapes.get(other) == value.shape:
                result[other] = value
        trained = right.network.parameter_shapes()
        for name, shape in trained.items():
            if name not in result:
                result[name] = np.full(shape, neutral(name))
        return result

    def to_left(self, values: Mapping[str, Array]) -> Values:
        """Right's values under left's names; what left does not have is left out."""
        back = {right: left for left, right in self.names.items()}
        values = added(values, self.right_added)
        return {back[n]: v for n, v in values.items() if n in back}

    def summed(self, values: Mapping[str, Array]) -> Values:
        """Left's values as right keeps them: what right has as one sum is one."""
        return added(values, self.left_added)


def added(values: Mapping[str, Array], which: Mapping[str, str]) -> Values:
    """Values with some of them added to others, and no longer by themselves."""
    result = {n: v for n, v in values.items() if n not in which}
    for name, to in which.items():
        if name in values and to in values:
            result[to] = values[to] + values[name]
    return result


def second_biases(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, str]:
    """The second biases of recurrent layers by those they add to, as one layer needs them.

    Args:
        one: the layer that may have two, by its name.
        other: its partner, likewise.
    """
    (name, layer), (_, partner) = *one.items(), *other.items()
    double = getattr(layer, "bias", None) == "two" and getattr(partner, "bias", None) == "one"
    acts = not (isinstance(layer, GRU) and layer.reset_after)
    return {f"{name}.recurrent_bias": f"{name}.bias"} if double and acts else {}


def neutral(name: str) -> float:
    """The value with which a parameter does nothing: 1 for a scale, 0 for the rest."""
    return 1.0 if name.endswith((".scale", ".running_variance")) else 0.0


def affines(twin: Twin) -> list[tuple[str, Affine]]:
    """The affine layers of a twin, in order of execution."""
    return [(n, a) for n, a in twin.conventions.layers or () if isinstance(a, Affine)]


def weighted(twin: Twin) -> list[tuple[str, Layer]]:
    """The layers of a twin that have parameters or buffers, in order of execution."""
    return [(n, k) for n, k in twin.conventions.layers or () if k.shapes() or k.buffers()]


def pair(left: Twin, right: Twin) -> Pairing:
    """Pairs two networks layer by layer; where they do not match in a row, by what fits."""
    a, b = weighted(left), weighted(right)
    if [type(k) for _, k in a] == [type(k) for _, k in b]:
        matched = list(zip(a, b, strict=True))
    else:
        matched = _matched(a, b, _kind)
    shapes_left, shapes_right = left.shapes(), right.shapes()
    names: dict[str, str] = {}
    left_added: dict[str, str] = {}
    right_added: dict[str, str] = {}
    for (name, layer), (other, theirs) in matched:
        left_added |= second_biases({name: layer}, {other: theirs})
        right_added |= second_biases({other: theirs}, {name: layer})
        for key in (*layer.shapes(), *layer.buffers()):
            one, two = f"{name}.{key}", f"{other}.{key}"
            if shapes_left[one] == shapes_right.get(two):
                names[one] = two
    return Pairing(
        names,
        {n: m for (n, _), (m, _) in matched},
        tuple(n for n in shapes_left if n not in names),
        tuple(n for n in shapes_right if n not in names.values()),
        left_added,
        right_added,
    )


_Named = tuple[str, Layer]


def _kind(layer: Layer) -> object:
    """What two layers with parameters have in common where one is the other's counterpart."""
    return type(layer), next(iter(layer.shapes().values()), ())


def _matched(
    left: Sequence[_Named], right: Sequence[_Named], key: Callable[[Layer], object]
) -> list[tuple[_Named, _Named]]:
    """The longest runs of layers that are alike, in order."""
    ones, twos = [key(k) for _, k in left], [key(k) for _, k in right]
    numbers = {kind: i for i, kind in enumerate(dict.fromkeys([*ones, *twos]))}
    matcher = difflib.SequenceMatcher(
        a=[numbers[k] for k in ones], b=[numbers[k] for k in twos], autojunk=False
    )
    return [
        (left[block.a + i], right[block.b + i])
        for block in matcher.get_matching_blocks()
        for i in range(block.size)
    ]


def pair_layers(left: Twin, right: Twin, pairing: Pairing) -> dict[str, tuple[str, Layer]]:
    """Left layer → right layer: those with parameters as paired, the rest in order between.

    What has no counterpart there may have one before or after the next layer with parameters.
    """
    result: dict[str, tuple[str, Layer]] = {}
    a, b = _segments(left), _segments(right)
    for one, group in a.items():
        other = pairing.layers.get(one, "") if one else ""
        if other not in b or bool(one) != bool(other):
            continue
        if one:
            result[one] = (other, dict(right.conventions.layers or ())[other])
        for kind in (True, False):
            mine = [(n, k) for n, k in group if isinstance(k, Dropout) is kind]
            yours = [(n, k) for n, k in b[other] if isinstance(k, Dropout) is kind]
            result |= {n: theirs for (n, _), theirs in _between(mine, yours)}
    if len(a) == len(b):
        result |= _moved([*a.values()], [*b.values()], result)
    return result


def _between(mine: Sequence[_Named], yours: Sequence[_Named]) -> list[tuple[_Named, _Named]]:
    """Pairs the layers of two stretches without parameters: by kind, else by place."""
    ones, twos = Counter(type(k) for _, k in mine), Counter(type(k) for _, k in yours)
    if ones == twos:
        rest = list(yours)
        found = []
        for name, layer in mine:
            other = next(two for two in rest if type(two[1]) is type(layer))
            rest.remove(other)
            found.append(((name, layer), other))
        return found
    if len(mine) == len(yours):
        return list(zip(mine, yours, strict=True))
    return _matched(mine, yours, type)


def _moved(
    left: Sequence[Sequence[_Named]],
    right: Sequence[Sequence[_Named]],
    paired: Mapping[str, tuple[str, Layer]],
) -> dict[str, tuple[str, Layer]]:
    """Layers that stand one stretch earlier or later on the other side, where none is paired."""
    taken = {name for name, _ in paired.values()}
    moved: dict[str, tuple[str, Layer]] = {}
    for index, group in enumerate(left):
        near = [two for i in (index - 1, index + 1) if 0 <= i < len(right) for two in right[i]]
        for name, layer in group:
            if name in paired:
                continue
            other = next((t for t in near if type(t[1]) is type(layer) and t[0] not in taken), None)
            if other is not None:
                moved[name] = other
                taken.add(other[0])
    return moved


def _segments(twin: Twin) -> dict[str, list[_Named]]:
    """The layers between those with parameters, keyed by the one before them."""
    segments: dict[str, list[_Named]] = {"": []}
    current = ""
    for name, layer in twin.conventions.layers or ():
        if layer.shapes() or layer.buffers():
            current = name
            segments[current] = []
        elif not isinstance(layer, Identity):
            segments[current].append((name, layer))
    return segments


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
