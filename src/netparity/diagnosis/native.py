"""Pairs parameters by the sides' own names, where no network was found behind one of them.

Arrays of one shape (transposed or not) are counterparts in the order of their definition. Where
one side has more of them, the numbers judge which are meant: equal values, then equal names, then
neighbours that are counterparts. What is still open is left without a partner, and said.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from netparity.diagnosis.align import check_wanted
from netparity.diagnosis.identify import Identified
from netparity.diagnosis.twin import Array, Values
from netparity.errors import PairingError

#: More ways than these to choose among arrays of one shape are not tried.
MAXIMUM_WAYS: Final = 500

_Pairs = dict[str, str]


@dataclass(frozen=True, slots=True)
class NativePairing:
    """Which parameter is which, by the sides' own names.

    Attributes:
        names: left parameter → right parameter, and whether it is transposed.
        left_only: parameters without a partner; right_only: likewise.
        open: left parameters that could be several of right's, with those.
    """

    names: Mapping[str, tuple[str, bool]]
    left_only: tuple[str, ...] = ()
    right_only: tuple[str, ...] = ()
    open: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def complete(self) -> bool:
        """Whether every parameter has its partner."""
        return not self.left_only and not self.right_only

    @property
    def notes(self) -> list[str]:
        """What is still open, and how to say it."""
        return [
            f"left's {one} may be right's {' or '.join(two)}: say --pair {one}={two[0]}"
            for one, two in self.open.items()
        ]

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
    """Pairs by shape, order and values, after the pairs the user wrote.

    Returns:
        The pairing, or ``None`` where no parameter finds a partner.

    Raises:
        PairingError: several pairings fit equally well, and nothing that all of them share.
    """
    a, b = left.live.parameters(), right.live.parameters()
    check_wanted(wanted, a, b)
    names: _Pairs = dict(wanted)
    groups = [
        ([n for n in a if n not in wanted and _shape(a[n]) == shape],
         [n for n in b if n not in wanted.values() and _shape(b[n]) == shape])
        for shape in dict.fromkeys(_shape(array) for array in a.values())
    ]  # fmt: skip
    open_: dict[str, tuple[str, ...]] = {}
    # First where there is nothing to choose: that tells neighbours.
    for ones, twos in sorted(groups, key=lambda group: len(group[0]) != len(group[1])):
        best = _best(ones, twos, a, b, names)
        shared = {pair for pair in best[0] if all(pair in way for way in best)} if best else set()
        names |= dict(shared)
        for one, two in sorted({pair for way in best for pair in way} - shared):
            open_[one] = (*open_.get(one, ()), two)
    if not names and open_:
        one = next(iter(open_))
        raise PairingError(
            _ambiguity(a, b, one, open_[one]),
            hint=" or ".join(f"--pair {one}={two}" for two in open_[one]),
        )
    if not names:
        return None
    return NativePairing(
        {n: (m, _squeezed(a[n]) != _squeezed(b[m])) for n, m in names.items()},
        tuple(n for n in a if n not in names),
        tuple(n for n in b if n not in names.values()),
        open_,
    )


def _best(
    ones: Sequence[str],
    twos: Sequence[str],
    a: Mapping[str, Array],
    b: Mapping[str, Array],
    names: Mapping[str, str],
) -> list[list[tuple[str, str]]]:
    """The ways to pair arrays of one shape for which most speaks; empty where there are none."""
    ways = list(_ways(ones, twos))
    scores = [_score(way, a, b, names) for way in ways]
    return [way for way, score in zip(ways, scores, strict=True) if score == max(scores)]


def _ways(ones: Sequence[str], twos: Sequence[str]) -> Iterator[list[tuple[str, str]]]:
    """Every choice of as many as can be paired, in order."""
    count = min(len(ones), len(twos))
    if not count or math.comb(max(len(ones), len(twos)), count) > MAXIMUM_WAYS:
        return
    for some in itertools.combinations(ones, count):
        for others in itertools.combinations(twos, count):
            yield list(zip(some, others, strict=True))


def _score(
    way: Sequence[tuple[str, str]],
    a: Mapping[str, Array],
    b: Mapping[str, Array],
    names: Mapping[str, str],
) -> tuple[int, int, int, int]:
    """What speaks for a way: equal shapes, equal values, equal names, paired neighbours."""
    known = {**names, **dict(way)}
    return (
        sum(a[one].shape in (b[two].shape, b[two].shape[::-1]) for one, two in way),
        sum(_equal(a[one], b[two]) for one, two in way),
        sum(one == two for one, two in way),
        sum(
            known.get(near, "") == other
            for one, two in way
            for near, other in zip(_beside(one, a), _beside(two, b), strict=True)
        ),
    )


def _beside(name: str, arrays: Mapping[str, Array]) -> tuple[str, str]:
    """The names of the arrays before and after one; empty at the ends, which pair with the ends."""
    order = ["", *arrays, ""]
    index = order.index(name, 1)
    return order[index - 1], order[index + 1]


def _equal(a: Array, b: Array) -> bool:
    """Whether two arrays hold the same values, transposed or not, as float32 has them."""
    one, two = (np.squeeze(np.asarray(array, dtype=np.float32)) for array in (a, b))
    return np.array_equal(one, two) or np.array_equal(one, two.T)


def _squeezed(array: Array) -> tuple[int, ...]:
    return tuple(d for d in np.asarray(array).shape if d != 1)


def _shape(array: Array) -> tuple[int, ...]:
    """A shape without axes of one, that of an array and of its transpose alike."""
    return min(_squeezed(array), _squeezed(array)[::-1])


def _ambiguity(
    a: Mapping[str, Array], b: Mapping[str, Array], name: str, fitting: Sequence[str]
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
