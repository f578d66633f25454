"""A side's gradients against central differences of its own live loss."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from netparity.diagnosis.gradient import FoundGradient
from netparity.diagnosis.gradient_probes import Probe
from netparity.diagnosis.identify import Identified
from netparity.diagnosis.twin import Twin

#: Central differences in float64 at a relative step of 1e-5 are right to about its square, and
#: lose half the digits of the loss: six digits are left.
DIFFERENCE_FLOOR: Final = 1e-5
STEP: Final = 1e-5


def check_live(
    known: Identified, found: FoundGradient, names: Sequence[str]
) -> tuple[list[tuple[str, float, float, float]], float] | None:
    """Checks wrong gradients against central differences of the side's own live loss.

    Returns:
        For each parameter that they refute: its name, the directional derivative the side
        gives, the numeric one, and how far the reference network's is from the numeric one,
        relative; then the largest of those. ``None`` where the live loss does not bear the
        reference network out, or refutes nothing: an error too small for them stays unexplained.
    """
    live, twin = known.live, Twin(found.conventions)
    probe: Probe = known.gradient_probes[0]
    if live.dtype != np.float64 or "loss" not in live.abilities or probe.draws is not None:
        return None
    native, saved = live.parameters(), live.state()
    penalties = Twin(replace(found.conventions, penalties=known.loss_penalties))
    true = penalties.evaluate(probe.values, probe.x, probe.y).gradients
    rng = np.random.default_rng(0)
    rows, worst = [], 0.0
    try:
        for name in names:
            direction = rng.standard_normal(probe.values[name].shape)
            ends = []
            for sign in (1.0, -1.0):
                moved = probe.values | {name: probe.values[name] + sign * STEP * direction}
                live.set_parameters(twin.native(moved, native))
                ends.append(live.loss(probe.x, probe.y).total)
                live.restore(saved)
            numeric = (ends[0] - ends[1]) / (2 * STEP)
            given = float(np.sum(probe.gradients[name] * direction))
            expected = float(np.sum(true[name] * direction))
            scale = abs(numeric) or 1.0
            off = abs(expected - numeric) / scale
            worst = max(worst, off)
            if abs(given - numeric) / scale > DIFFERENCE_FLOOR:
                rows.append((name, given, numeric, off))
    finally:
        live.restore(saved)
    return (rows, worst) if rows and worst <= DIFFERENCE_FLOOR else None
