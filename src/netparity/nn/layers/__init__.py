"""The layers of the reference network."""

from netparity.nn.layers.activations import GELU, Identity, Sigmoid, SiLU, Softplus, Tanh
from netparity.nn.layers.affine import Affine
from netparity.nn.layers.base import INFERENCE, Backward, Context, Layer
from netparity.nn.layers.batch_normalization import BatchNorm
from netparity.nn.layers.dropout import Dropout
from netparity.nn.layers.group_normalization import GroupNorm
from netparity.nn.layers.hard_activations import HardSigmoid, HardSwish, HardTanh
from netparity.nn.layers.joins import Add, Concatenate, Take
from netparity.nn.layers.normalization import LayerNorm, RMSNorm
from netparity.nn.layers.rectifiers import CELU, ELU, SELU, LeakyReLU, PReLU, ReLU
from netparity.nn.layers.shape import Flatten
from netparity.nn.layers.softmax import LogSoftmax, Softmax

__all__ = [
    "CELU",
    "ELU",
    "GELU",
    "INFERENCE",
    "SELU",
    "Add",
    "Affine",
    "Backward",
    "BatchNorm",
    "Concatenate",
    "Context",
    "Dropout",
    "Flatten",
    "GroupNorm",
    "HardSigmoid",
    "HardSwish",
    "HardTanh",
    "Identity",
    "Layer",
    "LayerNorm",
    "LeakyReLU",
    "LogSoftmax",
    "PReLU",
    "RMSNorm",
    "ReLU",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "Softplus",
    "Take",
    "Tanh",
]
