"""Optimizers: pure functions from parameters, gradients and state to the next ones."""

from netparity.nn.optimizers.adam import Adam, AdamW
from netparity.nn.optimizers.adam_variants import Adamax, NAdam, RAdam
from netparity.nn.optimizers.adaptive import Adadelta, AdaGrad, RMSProp
from netparity.nn.optimizers.averaging import EqualAverage, ExponentialMovingAverage
from netparity.nn.optimizers.base import Decay, Optimizer, State
from netparity.nn.optimizers.defaults import default_optimizer
from netparity.nn.optimizers.ftrl import Ftrl
from netparity.nn.optimizers.lion import Lion
from netparity.nn.optimizers.muon import Muon
from netparity.nn.optimizers.sgd import SGD

__all__ = [
    "SGD",
    "AdaGrad",
    "Adadelta",
    "Adam",
    "AdamW",
    "Adamax",
    "Decay",
    "EqualAverage",
    "ExponentialMovingAverage",
    "Ftrl",
    "Lion",
    "Muon",
    "NAdam",
    "Optimizer",
    "RAdam",
    "RMSProp",
    "State",
    "default_optimizer",
]
