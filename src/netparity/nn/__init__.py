"""The reference network: plain NumPy, every convention a switch.

Layers, losses, penalties, optimizers and laws of initial values are small frozen
dataclasses; what frameworks disagree on is a field of them.

Example:
    >>> import numpy as np
    >>> from netparity.nn import Adam, Affine, Network, ReLU, Solver, SoftmaxCrossEntropy
    >>> network = Network((("first", Affine(2, 8)), ("relu", ReLU()), ("second", Affine(8, 2))))
    >>> x, y = np.array([[0.0, 0], [0, 1], [1, 0], [1, 1]]), np.array([0, 1, 1, 0])
    >>> solver = Solver(network, SoftmaxCrossEntropy(), Adam(0.1), batch_size=4)
    >>> history = solver.fit(x, y, epochs=100)
    >>> solver.predict(x).argmax(axis=1)
    array([0, 1, 1, 0])
"""

from netparity.nn.arrays import FRESH, Array, Memory
from netparity.nn.batches import Batches, split_rows
from netparity.nn.callbacks import Best, Callback, EarlyStopping
from netparity.nn.checkpoints import Checkpoint
from netparity.nn.gradient_check import Mismatch, check_gradients
from netparity.nn.initializers import (
    NAMED,
    Constant,
    Law,
    Normal,
    TruncatedNormal,
    Uniform,
    VarianceScaling,
)
from netparity.nn.layers import (
    CELU,
    ELU,
    GELU,
    INFERENCE,
    SELU,
    Add,
    Affine,
    Backward,
    BatchNorm,
    Concatenate,
    Context,
    Dropout,
    Flatten,
    GroupNorm,
    HardSigmoid,
    HardSwish,
    HardTanh,
    Identity,
    Layer,
    LayerNorm,
    LeakyReLU,
    LogSoftmax,
    PReLU,
    ReLU,
    RMSNorm,
    Sigmoid,
    SiLU,
    Softmax,
    Softplus,
    Take,
    Tanh,
)
from netparity.nn.losses import (
    BinaryFocal,
    BinaryHinge,
    CategoricalFocal,
    CosineDistance,
    GaussianNegativeLogLikelihood,
    Huber,
    KullbackLeibler,
    LogCosh,
    Loss,
    MeanAbsoluteError,
    MeanSquaredError,
    MulticlassHinge,
    PoissonNegativeLogLikelihood,
    SigmoidCrossEntropy,
    SoftmaxCrossEntropy,
)
from netparity.nn.metrics import (
    METRICS,
    Metric,
    accuracy,
    binary_accuracy,
    confusion_matrix,
    mean_absolute_error,
    mean_squared_error,
    top_k_accuracy,
)
from netparity.nn.network import Gradients, Network, Tape
from netparity.nn.optimizers import SGD, Adam, Optimizer, State
from netparity.nn.penalties import L1, L2, Penalty, Scope, in_scope
from netparity.nn.solver import Solver

__all__ = [
    "CELU",
    "ELU",
    "FRESH",
    "GELU",
    "INFERENCE",
    "L1",
    "L2",
    "METRICS",
    "NAMED",
    "SELU",
    "SGD",
    "Adam",
    "Add",
    "Affine",
    "Array",
    "Backward",
    "BatchNorm",
    "Batches",
    "Best",
    "BinaryFocal",
    "BinaryHinge",
    "Callback",
    "CategoricalFocal",
    "Checkpoint",
    "Concatenate",
    "Constant",
    "Context",
    "CosineDistance",
    "Dropout",
    "EarlyStopping",
    "Flatten",
    "GaussianNegativeLogLikelihood",
    "Gradients",
    "GroupNorm",
    "HardSigmoid",
    "HardSwish",
    "HardTanh",
    "Huber",
    "Identity",
    "KullbackLeibler",
    "Law",
    "Layer",
    "LayerNorm",
    "LeakyReLU",
    "LogCosh",
    "LogSoftmax",
    "Loss",
    "MeanAbsoluteError",
    "MeanSquaredError",
    "Memory",
    "Metric",
    "Mismatch",
    "MulticlassHinge",
    "Network",
    "Normal",
    "Optimizer",
    "PReLU",
    "Penalty",
    "PoissonNegativeLogLikelihood",
    "RMSNorm",
    "ReLU",
    "Scope",
    "SiLU",
    "Sigmoid",
    "SigmoidCrossEntropy",
    "Softmax",
    "SoftmaxCrossEntropy",
    "Softplus",
    "Solver",
    "State",
    "Take",
    "Tanh",
    "Tape",
    "TruncatedNormal",
    "Uniform",
    "VarianceScaling",
    "accuracy",
    "binary_accuracy",
    "check_gradients",
    "confusion_matrix",
    "in_scope",
    "mean_absolute_error",
    "mean_squared_error",
    "split_rows",
    "top_k_accuracy",
]
