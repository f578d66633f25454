"""What is known of the story keras-l2."""

from __future__ import annotations

from typing import Final

from netparity.cases.registry import Case, Expected, Programs, Suspect, Variant

_LEFT = "netparity.cases.keras_l2.left"
_RIGHT = "netparity.cases.keras_l2.right"

CASE: Final = Case(
    id="keras-l2",
    title="NumPy from scratch against Keras, with L2 regularization",
    summary=(
        "Someone learning back-propagation wrote a sigmoid network with L2 regularization in "
        "NumPy and checked it against Keras with the same λ. Without regularization the two "
        "agreed to the last digits; with it the costs parted after the first epoch. Both are "
        "right: the program's penalty is ½λΣw², whose gradient is λw, and Keras's l2(λ) is "
        "λΣw², whose gradient is 2λw. As all weights start at zero, the first cost is equal, "
        "and the first update too."
    ),
    left=f"{_LEFT}:build",
    right=f"{_RIGHT}:build",
    expected=(Expected("l2-half-factor", stage="regularization"),),
    suspects=(
        Suspect(
            "the factor 0.1 in the cost",
            "it stands for 1/10: Keras's mse is the mean over the ten outputs.",
        ),
        Suspect(
            "the cost is taken before the update",
            "so is Keras's: with one batch an epoch, fit logs the loss before that update.",
        ),
        Suspect(
            "the backward pass",
            "with λ = 0 the two programs agree to rounding in every weight after 20 epochs.",
        ),
    ),
    departures=(
        "It runs on the 8×8 digits with 64 inputs (on MNIST with 784 after --data mnist), the "
        "first thousand training images being the full batch. Keras computes in float64, so that "
        "rounding hides nothing. λ is 0.125, which float32 holds exactly; the variant "
        "lambda-tenth shows what Keras's rounding of 0.1 leaves."
    ),
    data="netparity.cases.keras_l2.data:data",
    datasets=("digits", "mnist"),
    programs=(Programs("mnist", f"{_LEFT}:build_mnist", f"{_RIGHT}:build_mnist"),),
    variants=(
        Variant(
            "lambda-zero",
            f"{_LEFT}:build_lambda_zero",
            f"{_RIGHT}:build_lambda_zero",
            "parity",
            "Without the penalty nothing differs.",
        ),
        Variant(
            "lambda-half",
            f"{_LEFT}:build",
            f"{_RIGHT}:build_half",
            "parity",
            "With l2(λ/2) Keras computes the program's penalty.",
        ),
        Variant(
            "lambda-tenth",
            f"{_LEFT}:build_lambda_tenth",
            f"{_RIGHT}:build_half_lambda_tenth",
            "parity",
            "λ = 0.1 against l2(0.05): Keras rounds the constant to float32, which is named and "
            "is no divergence.",
        ),
    ),
)
