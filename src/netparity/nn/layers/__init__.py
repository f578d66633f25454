"""The layers of the reference network."""

from netparity.nn.layers.activations import GELU, Identity, Sigmoid, SiLU, Softplus, Tanh
from netparity.nn.layers.affine import Affine
from netparity.nn.layers.base import INFERENCE, Backward, Context, Layer
from netparity.nn.layers.dropout import Dropout
from netparity.nn.layers.hard_activations import HardSigmoid, HardSwish, HardTanh
from netparity.nn.layers.joins import Add, Concatenate, Take
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
    "Concatenate",
    "Context",
    "Dropout",
    "Flatten",
    "HardSigmoid",
    "HardSwish",
    "HardTanh",
    "Identity",
    "Layer",
    "LeakyReLU",
    "LogSoftmax",
    "PReLU",
    "ReLU",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "Softplus",
    "Take",
    "Tanh",
]
