"""What is known of the story cs231n-torch."""

from __future__ import annotations

from typing import Final

from netparity.cases.registry import Case, Expected, Programs, Suspect

_LEFT = "netparity.cases.cs231n_torch.left"
_RIGHT = "netparity.cases.cs231n_torch.right"

CASE: Final = Case(
    id="cs231n-torch",
    title="a homework network with an SVM loss and its Solver against PyTorch",
    summary=(
        "A student checked a modular network from scratch (affine and ReLU pairs, multiclass SVM "
        "loss, L2 regularization, plain SGD, a Solver that keeps the best parameters) against "
        "PyTorch, from the same initial arrays and with the same learning rate, batch size and "
        "reg. Every figure was different. The SVM loss also counts the margin of the true class, "
        "which adds exactly 1 and no gradient, and PyTorch's MultiMarginLoss divides by the "
        "number of classes; weight_decay decays biases too; the program's printed loss includes "
        "the penalty, PyTorch's does not; the Solver draws its rows with replacement, the other "
        "shuffles them. And the Solver makes its snapshot of the best parameters the live "
        "dictionary, so that the training goes on in it: what it hands over as the best is the "
        "last."
    ),
    left=f"{_LEFT}:build",
    right=f"{_RIGHT}:build",
    expected=(
        Expected("sampling-with-replacement", stage="data"),
        Expected("multiclass-hinge-margin", stage="loss"),
        Expected("weight-decay-bias", stage="regularization"),
        Expected("penalty-in-reported-loss"),
        Expected("best-parameters-aliased", stage="reporting"),
    ),
    suspects=(
        Suspect(
            "the true class's margin in the SVM loss",
            "it adds 1 to the loss of every row and nothing to the gradient: it changes what is "
            "printed, not what is learned.",
        ),
        Suspect(
            "a penalty in the gradient here, in the optimizer there",
            "½·reg·Σw² in the loss and weight_decay=reg are one penalty: both add reg·w to the "
            "gradient of each weight.",
        ),
    ),
    departures=(
        "It is 64-40-30-10 on the first 256 of the 8×8 digits (784 inputs on MNIST after --data "
        "mnist, 3,072 on CIFAR-10 after --data cifar10), of which both sides hold out the last "
        "64, for eight epochs of six batches, long enough that the best epoch is not the last. "
        "Biases start small and not at zero, so that what decays them shows from the first step. "
        "PyTorch computes in float64."
    ),
    data="netparity.cases.cs231n_torch.data:data",
    datasets=("digits", "mnist", "cifar10"),
    programs=(
        Programs("mnist", f"{_LEFT}:build_mnist", f"{_RIGHT}:build_mnist"),
        Programs("cifar10", f"{_LEFT}:build_cifar10", f"{_RIGHT}:build_cifar10"),
    ),
    steps=48,
)
