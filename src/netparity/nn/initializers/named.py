"""Laws by name."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from netparity.nn.initializers.base import Law
from netparity.nn.initializers.distributions import Constant, Normal, TruncatedNormal, Uniform
from netparity.nn.initializers.matrices import Blocks, Eye, Orthogonal
from netparity.nn.initializers.scaling import VarianceScaling

#: Laws of single values by the names that frameworks give them: what the initial values of a
#: network are compared with to find the law they were drawn by.
NAMED: Final[Mapping[str, Law]] = MappingProxyType(
    {
        "zeros": Constant(0.0),
        "ones": Constant(1.0),
        "unit_uniform": Uniform(0.0, 1.0),
        "standard_normal": Normal(0.0, 1.0),
        "glorot_uniform": VarianceScaling(1.0, "fan_avg", "uniform"),
        "glorot_normal": VarianceScaling(1.0, "fan_avg", "truncated-normal"),
        "he_uniform": VarianceScaling(2.0, "fan_in", "uniform"),
        "he_normal": VarianceScaling(2.0, "fan_in", "truncated-normal"),
        "lecun_uniform": VarianceScaling(1.0, "fan_in", "uniform"),
        "lecun_normal": VarianceScaling(1.0, "fan_in", "truncated-normal"),
        "torch_linear": VarianceScaling(1.0 / 3.0, "fan_in", "uniform"),
        "torch_xavier_normal": VarianceScaling(1.0, "fan_avg", "normal"),
        "torch_kaiming_normal": VarianceScaling(2.0, "fan_in", "normal"),
        "keras_random_uniform": Uniform(-0.05, 0.05),
        "keras_random_normal": Normal(0.0, 0.05),
        "keras_truncated_normal": TruncatedNormal(0.05),
        "tf1_random_normal": Normal(0.0, 1.0),
        "tf1_truncated_normal": TruncatedNormal(1.0),
        "sklearn_logistic": VarianceScaling(1.0 / 3.0, "fan_avg", "uniform"),
    }
)

#: Laws of whole arrays by name. Gates are four blocks of columns in the order i, f, g, o.
STRUCTURED: Final[Mapping[str, Law]] = MappingProxyType(
    {
        "orthogonal": Orthogonal(),
        "orthogonal_gates": Blocks((Orthogonal(),) * 4),
        "identity": Eye(),
        "lstm_forget_bias": Blocks((Constant(0.0), Constant(1.0), Constant(0.0), Constant(0.0))),
    }
)
