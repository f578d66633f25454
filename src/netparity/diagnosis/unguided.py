"""What can be watched of two sides behind which no network was found.

Their feeding is compared and explained as ever; their optimizers are given the same gradients;
and both are let go, with the noise measured on the left side itself: from starting values one
unit in the last place away, and with the rows of each batch in another order.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from netparity.conventions import Conventions
from netparity.diagnosis import explain, feeding
from netparity.diagnosis.candidates import Both, Candidate, Plan
from netparity.diagnosis.exchange import Exchange
from netparity.diagnosis.identify import Identified
from netparity.diagnosis.minimal import smallest
from netparity.diagnosis.native import NativePairing
from netparity.diagnosis.noise import FACTOR, ULPS, rms
from netparity.diagnosis.sides import Pair, Which
from netparity.diagnosis.structure import two_dimensional
from netparity.diagnosis.twin import Array, Values
from netparity.errors import InputError
from netparity.implementations.base import Implementation
from netparity.report.model import Cause, Gap

METRIC: Final = "largest difference of the predictions in inference mode, over left's rms"
#: Updates with gradients of our choosing.
UPDATES: Final = 4


#: Frameworks that pass constants of float64 runs through float32: a β₂ of 0.999 so rounded
#: changes 1 − β₂ᵗ, and with it an update, by half a unit of 1 over 0.001.
ROUNDING: Final = ("keras", "tensorflow")
ROUNDED: Final = float(np.finfo(np.float32).eps) / 2 / 1e-3


def rounds_constants(*sides: Identified) -> bool:
    """Whether a side's updates may carry constants rounded to float32 (`float32-constants`)."""
    return any(known.live.framework in ROUNDING for known in sides)


class SideError(Exception):
    """A side raised while it was watched."""


def fresh(pair: Pair) -> dict[Which, Implementation]:
    """Both sides as handed over: built anew, or reset where they were handed over ready-made."""
    for side in pair.sides():
        side.reset()
    left, right = pair.rebuild()
    return {"left": left, "right": right}


def watch_both(pair: Pair, batch_size: int, steps: int) -> Exchange:
    """What both sides feed, for two epochs or for as many as ``steps`` batches take.

    Raises:
        SideError: one of them raised.
    """
    epochs = feeding.EPOCHS
    while True:
        fed: dict[Which, feeding.Fed] = {}
        for which, live in fresh(pair).items():
            x, y = pair.data[which]
            if y is None:
                raise SideError("no targets were given")
            try:
                fed[which] = feeding.watch(live, x, y, batch_size, epochs=epochs)
            except InputError:
                raise
            except Exception as error:
                raise SideError(f"{which} raised {type(error).__name__}: {error}") from error
        wanted = feeding.epochs_for(steps, *fed.values())
        if epochs > feeding.EPOCHS or wanted <= epochs:
            return Exchange(fed["left"], fed["right"])
        epochs = wanted


# ---- data --------------------------------------------------------------------------------------
def data_causes(both: Both, exchange: Exchange) -> list[Cause]:
    """The smallest set of differences that turns right's feeding into left's."""
    proposed = list(explain.data(both, exchange))

    def rest(some: Sequence[Candidate]) -> bool:
        plan = Plan(Conventions())
        for candidate in some:
            plan = candidate.change(plan)
        together = exchange.put_together(plan.feeding)
        return not feeding.apart(exchange.left.batches, together).different

    if not proposed or not rest(proposed):
        return []
    return [
        Cause(
            id=c.id,
            stage=c.stage,
            where=c.where,
            left=c.left,
            right=c.right,
            statement=c.statement,
            evidence=c.evidence,
            fix=c.fix,
            verdict="root-cause" if rest([c]) else "contributes",
            verified_on="live",
            residual=0.0,
            noise_floor=0.0,
            also=c.also,
        )
        for c in smallest(proposed, rest)
    ]


# ---- update ------------------------------------------------------------------------------------
def given_gradients(values: Values, rng: np.random.Generator) -> list[Values]:
    """Gradients of several sizes for each of left's parameters."""
    sizes = (1.0, 1e-3, 10.0, 0.1)
    return [
        {n: size * rng.standard_normal(np.shape(v)) for n, v in values.items()}
        for size in sizes[:UPDATES]
    ]


def updated(live: Implementation, gradients: Sequence[Values]) -> Values:
    """The parameters after these updates."""
    for step in gradients:
        live.update(step)
    return live.parameters()


def in_right(gradients: Sequence[Values], pairing: NativePairing, like: Values) -> list[Values]:
    """Left's gradients in right's layout."""
    return [pairing.to_right(step, like) for step in gradients]


# ---- the free run ------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Gone:
    """Both sides let go."""

    gap: Gap
    parted: bool


def let_go(
    pair: Pair, left: Identified, right: Identified, exchange: Exchange, steps: int,
    rng: np.random.Generator,
) -> Gone | None:  # fmt: skip
    """The gap of the free runs; ``None`` where a side gives no steps.

    Raises:
        SideError: a side raised.
    """
    if not all("step" in k.live.abilities for k in (left, right)):
        return None
    rows, _ = pair.data["left"]
    batches = {"left": exchange.left.batches[:steps], "right": exchange.right.batches[:steps]}
    ends: dict[str, Array] = {}
    for which, live in fresh(pair).items():
        try:
            ends[which] = _driven(live, batches[which], rows)
        except InputError:
            raise
        except Exception as error:
            raise SideError(f"{which} raised {type(error).__name__}: {error}") from error
    a, b = ends["left"], ends["right"]
    noise = [_driven(live, fed, rows) for live, fed in _disturbed(pair, batches["left"], rng)]
    scale = rms(a) or 1.0
    ulp = float(np.finfo(left.live.dtype).eps)
    spread = max(float(np.max(np.abs(n - a), initial=0.0)) for n in noise)
    floor = FACTOR * max(spread / scale, ULPS * ulp)
    if a.shape != b.shape or not np.array_equal(np.isfinite(a), np.isfinite(b)):
        apart = float("inf")
    else:
        finite = np.isfinite(a)
        apart = float(np.max(np.abs(a[finite] - b[finite]), initial=0.0)) / scale
    taken = max(len(fed) for fed in batches.values())
    return Gone(Gap(METRIC, apart, None, floor, taken, None), not apart <= floor)


def _driven(live: Implementation, batches: Sequence[feeding.Batch], rows: Array) -> Array:
    for x, y, weights in batches:
        if weights is None:
            live.step(x, y)
        else:
            live.step(x, y, weights=weights)
    return two_dimensional(live.predict(rows))


def _disturbed(
    pair: Pair, batches: Sequence[feeding.Batch], rng: np.random.Generator
) -> Iterator[tuple[Implementation, list[feeding.Batch]]]:
    """Left again: twice from values one ulp away, twice with each batch's rows in another order."""
    for number in range(4):
        live = fresh(pair)["left"]
        fed = list(batches)
        if number < 2:
            values = live.parameters()
            live.set_parameters(
                {
                    n: np.nextafter(
                        v, np.where(rng.random(v.shape) < 0.5, -np.inf, np.inf).astype(v.dtype)
                    )
                    for n, v in values.items()
                }
            )
        else:
            orders = [rng.permutation(len(x)) for x, _, _ in fed]
            fed = [
                (x[o], y[o], None if w is None else w[o])
                for (x, y, w), o in zip(fed, orders, strict=True)
            ]
        yield live, fed
