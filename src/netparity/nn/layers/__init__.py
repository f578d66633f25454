"""The layers of the reference network."""

from netparity.nn.layers.activations import (
    GELU,
    Identity,
    Mish,
    Sigmoid,
    SiLU,
    Softplus,
    Softsign,
    Tanh,
)
from netparity.nn.layers.affine import Affine
from netparity.nn.layers.attention import Attention, MultiHeadAttention
from netparity.nn.layers.base import INFERENCE, Backward, Context, Layer
from netparity.nn.layers.batch_normalization import BatchNorm
from netparity.nn.layers.convolution import Conv2D, DepthwiseConv2D
from netparity.nn.layers.dropout import Dropout
from netparity.nn.layers.embedding import Embedding
from netparity.nn.layers.group_normalization import GroupNorm
from netparity.nn.layers.gru import GRU
from netparity.nn.layers.hard_activations import HardSigmoid, HardSwish, HardTanh
from netparity.nn.layers.joins import Add, Concatenate, Take
from netparity.nn.layers.lstm import LSTM
from netparity.nn.layers.normalization import LayerNorm, RMSNorm
from netparity.nn.layers.pooling import AveragePool2D, GlobalAveragePool2D, MaxPool2D
from netparity.nn.layers.rectifiers import CELU, ELU, SELU, LeakyReLU, PReLU, ReLU
from netparity.nn.layers.resize import UpSample2D
from netparity.nn.layers.shape import Flatten, Permute, Reshape
from netparity.nn.layers.simple_rnn import SimpleRNN
from netparity.nn.layers.softmax import LogSoftmax, Softmax
from netparity.nn.layers.steps import GlobalPool1D
from netparity.nn.layers.transposed_convolution import ConvTranspose2D

__all__ = [
    "CELU",
    "ELU",
    "GELU",
    "GRU",
    "INFERENCE",
    "LSTM",
    "SELU",
    "Add",
    "Affine",
    "Attention",
    "AveragePool2D",
    "Backward",
    "BatchNorm",
    "Concatenate",
    "Context",
    "Conv2D",
    "ConvTranspose2D",
    "DepthwiseConv2D",
    "Dropout",
    "Embedding",
    "Flatten",
    "GlobalAveragePool2D",
    "GlobalPool1D",
    "GroupNorm",
    "HardSigmoid",
    "HardSwish",
    "HardTanh",
    "Identity",
    "Layer",
    "LayerNorm",
    "LeakyReLU",
    "LogSoftmax",
    "MaxPool2D",
    "Mish",
    "MultiHeadAttention",
    "PReLU",
    "Permute",
    "RMSNorm",
    "ReLU",
    "Reshape",
    "SiLU",
    "Sigmoid",
    "SimpleRNN",
    "Softmax",
    "Softplus",
    "Softsign",
    "Take",
    "Tanh",
    "UpSample2D",
]
