"""The layers of the reference network."""

from netparity.nn.layers.activations import (
    ELU,
    GELU,
    Identity,
    LeakyReLU,
    ReLU,
    Sigmoid,
    SiLU,
    Softplus,
    Tanh,
)
from netparity.nn.layers.affine import Affine
from netparity.nn.layers.base import INFERENCE, Backward, Context, Layer
from netparity.nn.layers.dropout import Dropout
from netparity.nn.layers.joins import Add, Concatenate, Take
from netparity.nn.layers.shape import Flatten
from netparity.nn.layers.softmax import LogSoftmax, Softmax

__all__ = [
    "ELU",
    "GELU",
    "INFERENCE",
    "Add",
    "Affine",
    "Backward",
    "Concatenate",
    "Context",
    "Dropout",
    "Flatten",
    "Identity",
    "Layer",
    "LeakyReLU",
    "LogSoftmax",
    "ReLU",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "Softplus",
    "Take",
    "Tanh",
]
