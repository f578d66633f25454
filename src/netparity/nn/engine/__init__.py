"""The fast path of training: the same results as the plain functions, with less work.

``Plan`` lays out a step of training beforehand and ``FusedUpdate`` makes an optimizer's update
where the parameters lie, both with loops over elements that are compiled by numba where it is
installed, and in NumPy where it is not; ``update_in_place`` does so for any optimizer. The pure
functions of ``netparity.nn`` are what they are tested against.
"""

from netparity.nn.engine.choice import Engine, Kernels, kernels_of
from netparity.nn.engine.fused import FusedUpdate
from netparity.nn.engine.plan import Plan
from netparity.nn.engine.update import observe_in_place, update_in_place

__all__ = [
    "Engine",
    "FusedUpdate",
    "Kernels",
    "Plan",
    "kernels_of",
    "observe_in_place",
    "update_in_place",
]
