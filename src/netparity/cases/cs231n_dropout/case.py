"""What is known of the story cs231n-dropout."""

from __future__ import annotations

from typing import Final

from netparity.cases.registry import Case, Expected, Programs, Suspect, Variant

_LEFT = "netparity.cases.cs231n_dropout.left"
_RIGHT = "netparity.cases.cs231n_dropout.right"

CASE: Final = Case(
    id="cs231n-dropout",
    title="a homework network with dropout against PyTorch",
    summary=(
        "A student's fully-connected network with dropout trains differently from the same one in "
        "PyTorch, though scores and loss agree to the last digits for the same masks. The "
        "backward pass calls dropout_backward, puts what it returns into dout, and goes on with "
        "dhout, the gradient from before it: the mask is applied forward and never backward. So "
        "the gradients of all layers below a dropout are wrong, by the mask: dropped units get a "
        "gradient, and kept ones one that lacks the factor 1/p. The line to write is "
        "dout = relu_backward(dout, a)."
    ),
    left=f"{_LEFT}:build",
    right=f"{_RIGHT}:build",
    expected=(Expected("dropout-gradient-missing", stage="gradient"),),
    suspects=(
        Suspect(
            "p is the probability to keep on one side and to drop on the other",
            "the author knew: 0.75 are kept here, Dropout(0.25) drops the rest there, and the "
            "outputs of the layers agree.",
        ),
        Suspect(
            "the L2 penalty, or the softmax's gradient",
            "in the last layer, above all dropouts, the gradients agree to rounding.",
        ),
    ),
    departures=(
        "It is 64-50-40-10 on the first 256 of the 8×8 digits (784 inputs on MNIST after --data "
        "mnist, 3,072 on CIFAR-10 after --data cifar10), fed in order on both sides. The NumPy "
        "program seeds every mask anew, so that a batch has the same masks at every call; "
        "netparity reads them and feeds them to PyTorch's nn.Dropout. Biases start small and not "
        "at zero. PyTorch computes in float64."
    ),
    data="netparity.cases.cs231n_dropout.data:data",
    datasets=("digits", "mnist", "cifar10"),
    programs=(
        Programs("mnist", f"{_LEFT}:build_mnist", f"{_RIGHT}:build_mnist"),
        Programs("cifar10", f"{_LEFT}:build_cifar10", f"{_RIGHT}:build_cifar10"),
    ),
    variants=(
        Variant(
            "mended",
            f"{_LEFT}:build_mended",
            f"{_RIGHT}:build",
            "parity",
            "With the mask applied backward nothing differs.",
        ),
    ),
)
