"""The reference network against torch, in float64 unless a test says otherwise."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from tests.nn.measure import ulps

from netparity.nn import (
    ELU,
    GELU,
    L2,
    NAMED,
    SGD,
    Adam,
    Affine,
    Context,
    Dropout,
    Layer,
    LeakyReLU,
    LogSoftmax,
    Loss,
    MeanAbsoluteError,
    MeanSquaredError,
    Mish,
    MulticlassHinge,
    Network,
    Optimizer,
    ReLU,
    Sigmoid,
    SigmoidCrossEntropy,
    SiLU,
    Softmax,
    SoftmaxCrossEntropy,
    Softplus,
    Softsign,
    Tanh,
)

torch = pytest.importorskip("torch")
F = torch.nn.functional


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("layer", "function"),
    [
        (ReLU(), F.relu),
        (LeakyReLU(0.25), lambda x: F.leaky_relu(x, 0.25)),
        (ELU(0.75), lambda x: F.elu(x, 0.75)),
        (GELU(), F.gelu),
        (GELU(approximate=True), lambda x: F.gelu(x, approximate="tanh")),
        (SiLU(), F.silu),
        (Mish(), F.mish),
        (Softsign(), F.softsign),
        (Softplus(20.0), F.softplus),
        (Sigmoid(), torch.sigmoid),
        (Tanh(), torch.tanh),
        (Softmax(), lambda x: F.softmax(x, -1)),
        (LogSoftmax(), lambda x: F.log_softmax(x, -1)),
    ],
)
def test_activations(layer: Layer, function: Callable[[Any], Any], dtype: type) -> None:
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.normal(size=(4, 6)), [[0.0, -0.0, 20.0, -20.0, 21.0, 80.0]]])
    x, dy = x.astype(dtype), rng.normal(size=x.shape).astype(dtype)
    y, backward = layer.apply({}, x)
    tensor = torch.tensor(x, requires_grad=True)
    output = function(tensor)
    output.backward(torch.tensor(dy))
    # Row by row, so that the large numbers of the last row hide nothing in the others. At most
    # eight roundings stand between x and y or dx, one of them in a library's exp or tanh
    # (≤ 1 ulp), each half an ulp of numbers no larger than twice the largest.
    for row in range(len(x)):
        assert ulps(y[row], output[row].detach().numpy()) <= 8
        assert ulps(backward(dy)[0][row], tensor.grad[row].numpy()) <= 8


def test_dropout_with_the_same_mask() -> None:
    rng = np.random.default_rng(0)
    x, dy = rng.normal(size=(8, 16)), rng.normal(size=(8, 16))
    torch.manual_seed(0)
    tensor = torch.tensor(x, requires_grad=True)
    output = F.dropout(tensor, 0.3)
    output.backward(torch.tensor(dy))
    draw = np.where(output.detach().numpy() == 0.0, 0.0, 0.5)
    assert 0.0 < (draw == 0.0).mean() < 0.6
    y, backward = Dropout(0.3).apply({}, x, Context(training=True, draw=draw))
    # One product on either side, its factor 1/(1 − 0.3) rounded once.
    assert ulps(y, output.detach().numpy()) <= 1
    assert ulps(backward(dy)[0], tensor.grad.numpy()) <= 1


LOGITS = np.random.default_rng(1).normal(size=(5, 4)) * 2
CLASSES = np.array([3, 0, 1, 1, 2])
SOFT = np.random.default_rng(2).dirichlet(np.ones(4), size=5)


@pytest.mark.parametrize(
    ("loss", "function", "target"),
    [
        (SoftmaxCrossEntropy(), F.cross_entropy, CLASSES),
        (SoftmaxCrossEntropy("sum"), lambda p, t: F.cross_entropy(p, t, reduction="sum"), CLASSES),
        (SoftmaxCrossEntropy(), F.cross_entropy, SOFT),
        (SigmoidCrossEntropy(), F.binary_cross_entropy_with_logits, SOFT),
        (
            SigmoidCrossEntropy("sum", "sum"),
            lambda p, t: F.binary_cross_entropy_with_logits(p, t, reduction="sum"),
            SOFT,
        ),
        (
            SigmoidCrossEntropy(outputs="sum"),
            lambda p, t: F.binary_cross_entropy_with_logits(p, t) * 4,
            SOFT,
        ),
        (MeanSquaredError(), F.mse_loss, SOFT),
        (
            MeanSquaredError("sum", "sum", 0.5),
            lambda p, t: 0.5 * F.mse_loss(p, t, reduction="sum"),
            SOFT,
        ),
        (MeanAbsoluteError(), F.l1_loss, SOFT),
        (MulticlassHinge(classes="mean"), F.multi_margin_loss, CLASSES),
        (
            MulticlassHinge(0.5, "sum", "mean"),
            lambda p, t: F.multi_margin_loss(p, t, margin=0.5, reduction="sum"),
            CLASSES,
        ),
    ],
)
def test_losses(loss: Loss, function: Callable[[Any, Any], Any], target: np.ndarray) -> None:
    tensor = torch.tensor(LOGITS, requires_grad=True)
    expected = function(tensor, torch.tensor(target))
    expected.backward()
    value, gradient = loss.value_and_gradient(LOGITS, target)
    # 20 terms of one sign are summed, each with fewer than 8 roundings; a sum of k terms adds
    # at most k − 1 more: below 16 ulp in all, as the terms share the sum between them.
    assert ulps(value, expected.item()) <= 16
    # A gradient is one difference of numbers below 1, from exp, a sum of 4 and a product.
    assert ulps(gradient, tensor.grad.numpy()) <= 8


@pytest.mark.parametrize(
    ("loss", "function", "target"),
    [
        (SigmoidCrossEntropy(input="probabilities"), F.binary_cross_entropy, SOFT[:, :3]),
        (
            SoftmaxCrossEntropy(input="probabilities"),
            lambda p, t: F.nll_loss(p.log(), t),
            np.array([2, 0, 1, 1, 2]),
        ),
    ],
)
def test_losses_of_probabilities(
    loss: Loss, function: Callable[[Any, Any], Any], target: np.ndarray
) -> None:
    p = np.random.default_rng(3).uniform(0.05, 0.95, size=(5, 3))
    tensor = torch.tensor(p, requires_grad=True)
    expected = function(tensor, torch.tensor(target))
    expected.backward()
    value, gradient = loss.value_and_gradient(p, target)
    # As above. torch divides (p − t) by p (1 − p), here t/p and (1 − t)/(1 − p) are
    # subtracted: each up to 1/0.05 of the largest gradient, which costs no more than 16 ulp.
    assert ulps(value, expected.item()) <= 16
    assert ulps(gradient, tensor.grad.numpy()) <= 16


OPTIMIZERS: list[tuple[Optimizer, Callable[[Any], Any]]] = [
    (SGD(0.1), lambda p: torch.optim.SGD(p, 0.1)),
    (SGD(0.1, weight_decay=0.3), lambda p: torch.optim.SGD(p, 0.1, weight_decay=0.3)),
    (SGD(0.1, 0.9), lambda p: torch.optim.SGD(p, 0.1, 0.9)),
    (SGD(0.1, 0.9, dampening=0.3), lambda p: torch.optim.SGD(p, 0.1, 0.9, dampening=0.3)),
    (SGD(0.1, 0.9, nesterov=True), lambda p: torch.optim.SGD(p, 0.1, 0.9, nesterov=True)),
    (
        SGD(0.1, 0.9, nesterov=True, weight_decay=0.3),
        lambda p: torch.optim.SGD(p, 0.1, 0.9, nesterov=True, weight_decay=0.3),
    ),
    (Adam(0.1), lambda p: torch.optim.Adam(p, 0.1)),
    (
        Adam(0.1, 0.3, 0.7, epsilon=0.01),
        lambda p: torch.optim.Adam(p, 0.1, (0.3, 0.7), eps=0.01),
    ),
    (Adam(0.1, weight_decay=0.3), lambda p: torch.optim.Adam(p, 0.1, weight_decay=0.3)),
    (Adam(0.1, amsgrad=True), lambda p: torch.optim.Adam(p, 0.1, amsgrad=True)),
    (
        Adam(0.1, weight_decay=0.3, decay="decoupled"),
        lambda p: torch.optim.AdamW(p, 0.1, weight_decay=0.3),
    ),
]


@pytest.mark.parametrize(("optimizer", "make"), OPTIMIZERS, ids=[repr(o) for o, _ in OPTIMIZERS])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_ten_steps_of_an_optimizer(
    optimizer: Optimizer, make: Callable[[Any], Any], dtype: type
) -> None:
    rng = np.random.default_rng(4)
    values = {"a.weight": rng.normal(size=(3, 4)).astype(dtype), "a.bias": np.ones(4, dtype)}
    tensors = {name: torch.nn.Parameter(torch.tensor(a)) for name, a in values.items()}
    theirs = make(list(tensors.values()))
    state = optimizer.initialize(values)
    for _ in range(10):
        gradients = {
            name: (rng.normal(size=a.shape) * 10.0 ** rng.uniform(-3, 1, a.shape)).astype(dtype)
            for name, a in values.items()
        }
        values, state = optimizer.update(values, gradients, state)
        for name, tensor in tensors.items():
            tensor.grad = torch.tensor(gradients[name])
        theirs.step()
    # Ten steps, each with half an ulp from every side for rounding the parameter, and about
    # eight roundings of a step no larger than the parameters' largest; velocities remember
    # those of earlier steps, at most 1/(1 − 0.9) times: 10·(1 + 8·½) = 50.
    for name, tensor in tensors.items():
        assert ulps(values[name], tensor.detach().numpy()) <= 50


def test_a_whole_network() -> None:
    network = Network(
        (
            ("first", Affine(6, 5)),
            ("relu", ReLU()),
            ("second", Affine(5, 4)),
            ("tanh", Tanh()),
            ("third", Affine(4, 3, bias=False)),
        )
    )
    rng = np.random.default_rng(5)
    parameters = network.initialize(NAMED["standard_normal"], rng)
    x, y = rng.normal(size=(7, 6)), rng.integers(0, 3, 7)
    module = torch.nn.Sequential(
        torch.nn.Linear(6, 5),
        torch.nn.ReLU(),
        torch.nn.Linear(5, 4),
        torch.nn.Tanh(),
        torch.nn.Linear(4, 3, bias=False),
    ).double()
    theirs = dict(zip(parameters, module.parameters(), strict=True))
    with torch.no_grad():
        for name, tensor in theirs.items():
            tensor.copy_(torch.tensor(parameters[name].T))
    tape = network.forward(parameters, x)
    value, slope = SoftmaxCrossEntropy().value_and_gradient(tape.prediction, y)
    penalty = L2(0.25, factor=1.0, scope="all")
    gradients = tape.backward(slope)
    input_tensor = torch.tensor(x, requires_grad=True)
    loss = F.cross_entropy(module(input_tensor), torch.tensor(y))
    (loss + 0.25 * sum((tensor**2).sum() for tensor in theirs.values())).backward()
    # Sums of up to 7 products over three layers, each rounding amplified by the weights of
    # the layers above (norms up to about 4): fewer than 100 ulp.
    assert ulps(value, loss.item()) <= 100
    assert ulps(gradients.input, input_tensor.grad.numpy()) <= 100
    for name, tensor in theirs.items():
        ours = gradients.parameters[name] + penalty.gradients(parameters)[name]
        assert ulps(ours, tensor.grad.numpy().T) <= 100
