"""The description as a solver of ``netparity.nn``."""

from __future__ import annotations

from benchmarks.pairs.description import Description, Style, Unable

from netparity import nn


def build(description: Description, style: Style) -> nn.Solver:
    """The solver with its initial values."""
    if description.bugs:
        raise Unable(f"solver: {description.bugs}")
    return nn.Solver(
        nn.Network(description.layers),
        description.loss,
        description.optimizer,
        parameters={n: v.astype(description.dtype) for n, v in description.initial.items()},
        penalties=description.penalties,
        clipping=description.clipping,
        dtype=description.dtype,
    )
