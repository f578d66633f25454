"""A side's answers at values of our choosing, and how far a guess is from them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from netparity.conventions import Conventions
from netparity.diagnosis.probes import probe_values
from netparity.diagnosis.twin import Array, Twin, Values
from netparity.implementations.base import Implementation

#: A guess off by more than this share of the prediction is dropped before its noise is measured.
SCREEN: Final = 1e-2
#: Roundings within which a guess is held against the noise at once, before others are tried.
NEAR: Final = 1e3
#: Rows that a guess is tried on.
ROWS: Final = 6
#: Running means and variances are drawn from here: a variance must be positive.
STATISTICS: Final = (0.5, 1.5)


def two_dimensional(array: Array) -> Array:
    """Predictions as ``(N, outputs)``, whatever shape the side gives."""
    array = np.asarray(array)
    return array.reshape(len(array), -1)


@dataclass(frozen=True, slots=True)
class Look:
    """Parameters and buffers written into a side, and what it then predicts.

    Attributes:
        values: in the side's own layout, or in the twin's (``native`` says which).
        x: the rows.
        answer: ``(N, outputs)``.
        native: whether the values are in the side's layout.
    """

    values: Values
    x: Array
    answer: Array
    native: bool = True

    def residual(self, conventions: Conventions) -> Array | None:
        """Guess − answer over the largest answer; ``None`` where a guess makes no sense."""
        twin = Twin(conventions)
        try:
            with np.errstate(all="ignore"):
                values = twin.values(self.values) if self.native else self.values
                guess = two_dimensional(twin.forward(values, self.x).prediction)
        except Exception:
            return None
        if guess.shape != self.answer.shape or not np.all(np.isfinite(guess)):
            return None
        scale = float(np.max(np.abs(self.answer), initial=0.0))
        return np.asarray((guess - self.answer) / max(scale, 1e-30))


def off(looks: list[Look], conventions: Conventions, bound: float = np.inf) -> float:
    """How far a guess is from the answers, at the worst; ``inf`` once beyond a bound."""
    far = 0.0
    for look in looks:
        residual = look.residual(conventions)
        if residual is None or not residual.size:
            return np.inf
        far = max(far, float(np.max(np.abs(residual))))
        if far > bound:
            return np.inf
    return far


def first_rows(live: Implementation, x: Array, count: int) -> Array:
    """The first rows of a batch, or all of them where the side takes no fewer."""
    try:
        live.predict(x[:count])
    except Exception:
        return x
    return x[:count]


def look_at(live: Implementation, x: Array, rng: np.random.Generator) -> list[Look]:
    """Looks at random values of every array; the side is left at the last of them."""
    native, buffers = live.parameters(), live.buffers()
    looks = []
    for scale in (1.0, 2.0):
        values = probe_values(native, rng, scale)
        kept = {n: _statistics(b, rng) for n, b in buffers.items() if b.dtype.kind == "f"}
        live.set_parameters(values)
        live.set_buffers(kept)
        looks.append(Look(values | kept, x, two_dimensional(live.predict(x))))
    return looks


def _statistics(buffer: Array, rng: np.random.Generator) -> Array:
    return np.asarray(rng.uniform(*STATISTICS, buffer.shape), dtype=np.float32).astype(buffer.dtype)


def near(dtype: np.dtype[Any]) -> float:
    """What rounding can make of a guess that is right, roughly: nothing is claimed by it."""
    return NEAR * float(np.finfo(dtype).eps)
