"""The description as a solver of ``netparity.nn``."""

from __future__ import annotations

from typing import Any

from benchmarks.pairs.description import Description, Style, Unable

from netparity import nn
from netparity.implementations.solver import SolverSide


def build(description: Description, style: Style, **more: Any) -> Any:
    """The solver with its initial values."""
    if description.bugs or description.report:
        raise Unable(f"solver: {description.bugs}")
    solver = nn.Solver(
        nn.Network(description.layers),
        description.loss,
        description.optimizer,
        parameters={n: v.astype(description.dtype) for n, v in description.initial.items()},
        penalties=description.penalties,
        clipping=description.clipping,
        dtype=description.dtype,
        schedule=description.schedule,
    )
    return SolverSide(solver, **more) if more else solver
