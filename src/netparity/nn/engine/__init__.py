"""The fast path of training: the same results as the plain one, with less work.

``Plan`` lays out a step of training beforehand, with loops over elements compiled by numba
where it is installed; ``update_in_place`` makes an optimizer's update without new arrays.
The pure functions of ``netparity.nn`` are what they are tested against.
"""

from netparity.nn.engine.plan import Plan, compiled

__all__ = ["Plan", "compiled"]
