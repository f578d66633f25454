"""Explains an observed difference by conventions on which the two sides differ.

One file a stage. Each reads the two sides' canonical conventions (measured, each shown to
reproduce its side) and proposes candidates; none is a cause before it is verified.
"""

from netparity.diagnosis.explain.data import data
from netparity.diagnosis.explain.forward import forward
from netparity.diagnosis.explain.gradient import gradient
from netparity.diagnosis.explain.initialization import initial_values, kept_values
from netparity.diagnosis.explain.loss import loss
from netparity.diagnosis.explain.regularization import regularization
from netparity.diagnosis.explain.step import step
from netparity.diagnosis.explain.structure import rearranged, structure
from netparity.diagnosis.explain.update import clipping, update

__all__ = [
    "clipping",
    "data",
    "forward",
    "gradient",
    "initial_values",
    "kept_values",
    "loss",
    "rearranged",
    "regularization",
    "step",
    "structure",
    "update",
]
