"""What is known of the story xor-torch."""

from __future__ import annotations

from typing import Final

from netparity.cases.registry import Case, Expected, Suspect, Variant

_LEFT = "netparity.cases.xor_torch.left"
_RIGHT = "netparity.cases.xor_torch.right"

CASE: Final = Case(
    id="xor-torch",
    title="exclusive or in NumPy against PyTorch",
    summary=(
        "Someone wrote a 2-5-1 sigmoid network for exclusive or in NumPy, then the same in "
        "PyTorch with the same learning rate, and asked why PyTorch learns so slowly: after "
        "5,000 epochs the one logs 3e-6, the other 1e-2. Most of that is the log: what the NumPy "
        "program prints as its loss is the mean of (ŷ−y) times the mean cost, a third power of "
        "the error, and not the ½Σ(ŷ−y)² whose gradient it follows. The rest is in the training. "
        "PyTorch's MSELoss is the mean over the four rows, so that its gradient is half of the "
        "NumPy one and so is the effective learning rate; its layers have biases, which the NumPy "
        "ones have not; and its weights start in U(±1/√inputs), not in U(0, 1). With all four "
        "removed the two curves coincide for 5,000 epochs."
    ),
    left=f"{_LEFT}:build",
    right=f"{_RIGHT}:build",
    expected=(
        Expected("bias-absent", stage="structure"),
        Expected("init-law", stage="init"),
        Expected("mse-reduction", stage="loss"),
        Expected("reported-quantity", stage="reporting"),
    ),
    suspects=(
        Suspect(
            "the backward pass written by hand",
            "it gives the gradient of ½Σ(ŷ−y)², to rounding.",
        ),
        Suspect(
            "the learning rate",
            "both take 0.3; what it multiplies differs by the loss's reduction.",
        ),
        Suspect(
            "the biases, as what makes PyTorch slow",
            "they speed it up: alone, they save about a fifth of the epochs.",
        ),
    ),
    departures=(
        "Both programs are seeded, and PyTorch computes in float64 as NumPy does. Twenty epochs "
        "are diagnosed; --full runs the author's 5,000."
    ),
    data="netparity.cases.xor_torch.data:data",
    dataset="xor",
    datasets=("xor",),
    variants=(
        Variant(
            "removed",
            f"{_LEFT}:build",
            f"{_RIGHT}:build_removed",
            "parity",
            "With all four causes removed on the right nothing differs.",
        ),
    ),
    full="netparity.cases.xor_torch.full:full",
)
