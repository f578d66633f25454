"""What is known of the story keras-l2-deep."""

from __future__ import annotations

from typing import Final

from netparity.cases.registry import Case, Expected, Suspect, Variant

_LEFT = "netparity.cases.keras_l2_deep.left"
_RIGHT = "netparity.cases.keras_l2_deep.right"

CASE: Final = Case(
    id="keras-l2-deep",
    title="the same NumPy network with a third weight layer, against Keras",
    summary=(
        "The author of keras-l2 added a hidden layer, took all widths equal, drew weights and "
        "biases from N(0, 1), copied them to Keras and left the penalty out. Predictions and "
        "first cost agree, yet the training does not. The backward loop walks from the last "
        "hidden layer down but stores each gradient under its own counter, which counts up: "
        "dW[0] and dB[0] hold the gradients of layer 2, dW[1] and dB[1] those of layer 1. With "
        "two weight layers the loop runs once, and 0 is the right place; with equal widths the "
        "shapes fit, and nothing complains. The line to write is "
        "dW[n - 3 - layer] = dZ · activations[n - 3 - layer].T, and dB likewise."
    ),
    left=f"{_LEFT}:build",
    right=f"{_RIGHT}:build",
    expected=(Expected("layer-gradient-misplaced", stage="gradient"),),
    suspects=(
        Suspect(
            "the initial weights",
            "they are the same numbers, transposed: the predictions agree to rounding.",
        ),
        Suspect(
            "the L2 penalty",
            "λ is 0 here; what differs is not a multiple of the weights.",
        ),
    ),
    departures=(
        "It is 64-64-64-10 on the 8×8 digits, the first thousand training images being the full "
        "batch, and Keras computes in float64. The gradients lie in lists of arrays: NumPy 2 "
        "refuses to make one ragged array of them. The learning rate is one at which both "
        "programs stay stable."
    ),
    data="netparity.cases.keras_l2_deep.data:data",
    variants=(
        Variant(
            "two-layers",
            f"{_LEFT}:build_two_layers",
            f"{_RIGHT}:build_two_layers",
            "parity",
            "With two weight layers the loop stores its only gradient in the right place.",
        ),
        Variant(
            "unequal",
            f"{_LEFT}:build_unequal",
            f"{_RIGHT}:build_unequal",
            "divergent",
            "With unequal widths the gradient of one layer does not fit into the place of another, "
            "and the program raises: its own failure.",
        ),
    ),
)
