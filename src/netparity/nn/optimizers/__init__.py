"""Optimizers: pure functions from parameters, gradients and state to the next ones."""

from netparity.nn.optimizers.adam import Adam, AdamW
from netparity.nn.optimizers.base import Decay, Optimizer, State
from netparity.nn.optimizers.sgd import SGD

__all__ = ["SGD", "Adam", "AdamW", "Decay", "Optimizer", "State"]
