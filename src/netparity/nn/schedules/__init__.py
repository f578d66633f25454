"""Schedules: the learning rate of each step, and its reduction on a plateau."""

from netparity.nn.schedules.base import Schedule
from netparity.nn.schedules.composition import Join, PerEpoch, WarmUp
from netparity.nn.schedules.cosine import CosineDecay, CosineRestarts
from netparity.nn.schedules.decays import (
    ConstantRate,
    ExponentialDecay,
    InverseScaling,
    InverseTimeDecay,
    PiecewiseConstant,
    PolynomialDecay,
    multi_step,
)
from netparity.nn.schedules.plateau import Plateau, ReduceOnPlateau

__all__ = [
    "ConstantRate",
    "CosineDecay",
    "CosineRestarts",
    "ExponentialDecay",
    "InverseScaling",
    "InverseTimeDecay",
    "Join",
    "PerEpoch",
    "PiecewiseConstant",
    "Plateau",
    "PolynomialDecay",
    "ReduceOnPlateau",
    "Schedule",
    "WarmUp",
    "multi_step",
]
