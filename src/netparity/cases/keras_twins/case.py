"""What is known of the story keras-twins."""

from __future__ import annotations

from typing import Final

from netparity.cases.registry import Case, Expected, Suspect, Variant

_LEFT = "netparity.cases.keras_twins.left"
_RIGHT = "netparity.cases.keras_twins.right"

CASE: Final = Case(
    id="keras-twins",
    title="a Keras Sequential model against its functional twin",
    summary=(
        "Someone new to Keras wrote one small model twice, as a Sequential and with the "
        "functional API, called np.random.seed first, and got two different losses in one "
        "script. The models do not differ. Keras draws the seed of each layer from Python's "
        "own random module, one stream for the whole process: the twin built second draws its "
        "initial weights from further on in it. Seeding NumPy does not touch that stream, so "
        "that another run of the script gives other losses again. keras.utils.set_random_seed "
        "before each build gives both the same weights, in every run."
    ),
    left=f"{_LEFT}:build",
    right=f"{_RIGHT}:build",
    expected=(
        Expected("rng-stream-position", stage="rng"),
        Expected("seed-scope", stage="rng"),
    ),
    suspects=(
        Suspect(
            "Sequential against the functional API",
            "with equal weights the two give equal predictions, gradients and updates; built in "
            "the other order they swap their losses.",
        ),
    ),
    departures=(
        "As the author seeded nothing that Keras draws from, the losses are others in every run "
        "of this story; what is found is not."
    ),
    data="netparity.cases.keras_twins.data:data",
    steps=2,
    variants=(
        Variant(
            "other-order",
            f"{_RIGHT}:build",
            f"{_LEFT}:build",
            "divergent",
            "Built in the other order the two swap their initial weights, and so their losses.",
        ),
    ),
)
