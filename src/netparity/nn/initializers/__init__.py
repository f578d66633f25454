"""Laws of initial values."""

from netparity.nn.initializers.base import Law
from netparity.nn.initializers.defaults import default_laws
from netparity.nn.initializers.distributions import Constant, Normal, TruncatedNormal, Uniform
from netparity.nn.initializers.matrices import Blocks, Eye, Orthogonal
from netparity.nn.initializers.named import NAMED, STRUCTURED
from netparity.nn.initializers.scaling import VarianceScaling, gain

__all__ = [
    "NAMED",
    "STRUCTURED",
    "Blocks",
    "Constant",
    "Eye",
    "Law",
    "Normal",
    "Orthogonal",
    "TruncatedNormal",
    "Uniform",
    "VarianceScaling",
    "default_laws",
    "gain",
]
