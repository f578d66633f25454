"""Two live sides held against each other where neither is understood."""

from __future__ import annotations

from collections import deque
from typing import Any

import numpy as np
import pytest
from tests.diagnosis.test_losses import program

import netparity
from netparity.diagnosis import align, observe_live
from netparity.diagnosis.bench import Bench, stage_of
from netparity.diagnosis.identify import Identified
from netparity.diagnosis.sides import Side
from netparity.diagnosis.twin import Twin
from netparity.implementations import adapt


def side(which: Any, *, momentum: float, shown: bool) -> Identified:
    """A network whose velocities are part of what it hands over, or are not."""
    _, conventions = program(lambda p, y: 0.0)
    drawn = np.random.default_rng(0)
    names = {place.name: shape for place, shape in zip(
        conventions.places.values(), Twin(conventions).shapes().values(), strict=True
    )}  # fmt: skip
    values = {name: drawn.standard_normal(shape) for name, shape in names.items()}
    kept = {name: np.zeros(shape) for name, shape in names.items()}
    hidden = deque([kept])  # where nobody looks for plain data

    def update(gradients: Any) -> None:
        for name, gradient in gradients.items():
            velocity = hidden[0][name]
            velocity[...] = momentum * velocity + gradient
            values[name] -= 0.1 * velocity

    live = adapt(
        netparity.Scratch(
            parameters=values, predict=lambda x: x, update=update, state=kept if shown else None
        )
    )
    loaded: Any = None
    return Identified(Side(which, loaded, None, live, live.state()), conventions, Twin(conventions))


@pytest.mark.parametrize(("shown", "status"), [(True, "different"), (False, "not-checked")])
def test_a_state_that_is_not_handed_over_says_nothing(shown: bool, status: str) -> None:
    left = side("left", momentum=0.9, shown=shown)
    right = side("right", momentum=0.5, shown=shown)
    assert left.twin is not None
    assert right.twin is not None
    x = np.zeros((4, 4))
    pairing = align.pair(left.twin, right.twin)
    bench = Bench(left, right, pairing, x, np.zeros((4, 3)), 4, np.random.default_rng(1))
    assert stage_of("update", observe_live.update_rule(bench)).status == status
