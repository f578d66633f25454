"""Why initial values differ although nothing else does: seeds and positions of random streams."""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np

from netparity.diagnosis import fresh, sides
from netparity.diagnosis.align import Pairing
from netparity.diagnosis.candidates import Both, Candidate, start_from_left
from netparity.diagnosis.identify import Identified
from netparity.diagnosis.sides import Pair, Side, construct
from netparity.diagnosis.twin import Values
from netparity.report.model import Evidence

GENERATORS = ("python", "numpy", "torch", "tensorflow")
#: Any seed would do.
SEED = 1234
#: Other builds of a side, beside the one at hand, and the time they may take.
BUILDS, SECONDS = 19, 1.0


def _values(known: Identified, parameters: Values) -> Values:
    return known.twin.values(parameters) if known.twin is not None else parameters


def _trained(known: Identified) -> Values:
    """The values handed over, without running statistics, which nobody draws."""
    return known.twin.parameters(known.parameters) if known.twin is not None else known.parameters


def _largest(a: Values, b: Values) -> float:
    if set(a) != set(b):
        return float("inf")
    return max(
        (float(np.max(np.abs(np.asarray(a[n], dtype=np.float64) - b[n]), initial=0.0)) for n in a),
        default=0.0,
    )


def position(both: Both, pair: Pair, pairing: Pairing) -> Iterator[Candidate]:
    """Whether right takes its values from a later position of the stream left began.

    Rewinding the global generators and building right alone must give left's values, and
    building in the other order must swap them.
    """
    left, right = both.left, both.right
    if not pair.shared or not (pair.left.rebuilds and pair.right.rebuilds and pairing.complete):
        return
    here = _trained(left)
    rewound = pair.rebuild_only("right")
    alone = pairing.to_left(_values(right, rewound.parameters()))
    rewound_difference = _largest(here, alone)
    if rewound_difference != 0.0:
        return
    pair.origin.restore()
    pair.construct(pair.right)
    second = pair.construct(pair.left)
    handed = pairing.to_left(_trained(right))
    swapped = _largest(handed, _values(left, second.parameters()))
    apart = _largest(here, handed)
    used = ", ".join(depends_on(pair, pair.right)) or "a global generator"
    yield Candidate(
        "rng-stream-position",
        "rng",
        tuple(here),
        "built first, from the start of the stream",
        "built second, from where left had brought the stream",
        f"Nothing differs in the two models. Right is built after left and draws its initial "
        f"values from a later position of the same stream ({used}): rewound to where left "
        "began, it gets left's values, and built in the other order the two swap theirs.",
        (
            Evidence(
                "right built alone from the rewound stream − left: largest difference",
                rewound_difference,
                0.0,
                rewound_difference,
            ),
            Evidence(
                "left built second − right as it was: largest difference", swapped, 0.0, swapped
            ),
            Evidence("right − left as built: largest difference", apart, None, None),
        ),
        both.fix("rng-stream-position", left="SEED", right="SEED"),
        start_from_left(here),
        verified="live",
        residual=rewound_difference,
        floor=0.0,
    )


def drawn_again(both: Both, pair: Pair) -> tuple[list[Values], list[Values]]:
    """Further initial values of each side, from other builds; none where it repeats itself."""
    found = []
    for known, side in ((both.left, pair.left), (both.right, pair.right)):
        values: list[Values] = []
        seen = {fresh.digest(known.live.parameters())}
        started = time.monotonic()
        pair.origin.restore()
        sides.disturb(side, SEED)
        for number in range(BUILDS if side.rebuilds else 0):
            live = pair.shown(side, construct(side.loaded, pair.seed + 1 + number))
            parameters = live.parameters()
            if fresh.digest(parameters) in seen or time.monotonic() - started > SECONDS:
                break
            seen.add(fresh.digest(parameters))
            values.append(_values(known, parameters))
        found.append(values)
    pair.origin.restore()
    return found[0], found[1]


def depends_on(pair: Pair, side: Side) -> list[str]:
    """Which global generators a side's initial values are drawn from."""
    before = fresh.digest(pair.rebuild_only(side.which).parameters())
    pair.origin.restore()
    sides.disturb(side, SEED)
    if fresh.digest(pair.construct(side).parameters()) == before:
        pair.origin.restore()
        return []
    found = []
    known = set(sides.generators(side))
    for name in GENERATORS:
        if name not in known:
            continue
        pair.origin.restore()
        sides.reseed(side, name, SEED)
        other = pair.construct(side)
        if fresh.digest(other.parameters()) != before:
            found.append(name)
    pair.origin.restore()
    return found


def seeds(both: Both, pair: Pair) -> Iterator[Candidate]:
    """Whether a program seeds one generator while its values are drawn from another."""
    for known, side in ((both.left, pair.left), (both.right, pair.right)):
        if not side.rebuilds or side.spec is None:
            continue
        sources = depends_on(pair, side)
        if not sources:
            continue
        seeding = dict.fromkeys(sources, SEED)
        plain, one, two = fresh.build_many(
            side.spec, pair.seed, ({}, seeding, seeding), side.loaded.began
        )
        here = fresh.digest(known.live.parameters())
        if plain is None or one is None or two is None:
            continue
        seeded = [
            g
            for g in ("python", "numpy")
            if g not in sources and one.generators.get(g) == two.generators.get(g) is not None
        ]
        if plain.values in {here, one.values} or one.values != two.values or not seeded:
            continue
        names = {
            "python": "Python's random",
            "numpy": "NumPy",
            "torch": "torch",
            "tensorflow": "TensorFlow",
        }
        seeds_it = " and ".join(names[g] for g in seeded)
        draws = " and ".join(names[g] for g in sources)
        texts = f"seeds {seeds_it}; draws from {draws}"
        other_framework = known.live.framework == both.right.live.framework
        yield Candidate(
            "seed-scope",
            "rng",
            (side.which,),
            texts if side.which == "left" or other_framework else "not looked at",
            texts if side.which == "right" or other_framework else "not looked at",
            f"The program seeds {seeds_it}, but its initial values are drawn from {draws}: two "
            f"fresh processes give different values, and the same ones once {draws} is seeded.",
            (
                Evidence("initial values of two fresh processes are equal", "no", "yes", None),
                Evidence(f"the same with {draws} seeded", "yes", "yes", 0.0),
            ),
            both.fix("seed-scope", left="SEED", right="SEED"),
            verified="live",
            residual=0.0,
            floor=0.0,
            also=("keras-seed-source",) if known.live.framework == "keras" else (),
        )
        return
