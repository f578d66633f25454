"""What is known of the story tf1-keras-dropout."""

from __future__ import annotations

from typing import Final

from netparity.cases.registry import Case, Expected, Programs, Suspect, Variant

_LEFT = "netparity.cases.tf1_keras_dropout.left"
_RIGHT = "netparity.cases.tf1_keras_dropout.right"

CASE: Final = Case(
    id="tf1-keras-dropout",
    title="a TensorFlow 1 graph with dropout against its port to Keras",
    summary=(
        "An engineer ported a digit classifier from a TensorFlow 1 graph to Keras, layer by "
        "layer and constant by constant, fed it the same batches, and lost several percent of "
        "test accuracy; the training figures of Keras looked far worse still. The 0.7 is to "
        "blame: to the graph it is the probability to keep a unit, to Keras's Dropout the rate "
        "at which units are dropped, so that Keras kept 30 % where TensorFlow kept 70 %. The "
        "training figures differ for two more reasons, which change nothing in the training: "
        "Keras logs loss and accuracy with dropout on, and averages them from before each "
        "update, while the TensorFlow program looks after each update with dropout off."
    ),
    left=f"{_LEFT}:build",
    right=f"{_RIGHT}:build",
    expected=(
        Expected("same-seed-different-stream", alternatives=("init-value",)),
        Expected("dropout-rate-vs-keep", stage="forward"),
        Expected("train-metrics-dropout-on", stage="reporting"),
        Expected("train-loss-running-average", stage="reporting"),
    ),
    suspects=(
        Suspect(
            "the link to the learning phase",
            "dropout is on while fit trains and off in evaluate and predict, as it should be: "
            "in inference mode, with equal parameters, the two give equal logits.",
        ),
        Suspect(
            "the sample weights",
            "none are given, so every row weighs one; loss and gradients agree once parameters, "
            "batch and masks are equal.",
        ),
        Suspect(
            "the metrics feed the optimizer",
            "metrics are only computed: the gradients are those of the loss alone, and the "
            "update is the same with and without them.",
        ),
    ),
    departures=(
        "It runs on the 8×8 digits with 64 inputs (on MNIST with 784 after --data mnist), and "
        "the diagnosis on the first thousand training images: ten batches, two epochs. The graph "
        "runs through tf.compat.v1 of TensorFlow 2. Every op and layer has a seed, so that a "
        "re-run tells the same story, and the batches come in the order of the data set. On so few "
        "images the lapse costs more than on MNIST: with Dropout(0.7) the port learns next to "
        "nothing in 30 epochs."
    ),
    data="netparity.cases.tf1_keras_dropout.data:data",
    datasets=("digits", "mnist"),
    programs=(Programs("mnist", f"{_LEFT}:build_mnist", f"{_RIGHT}:build_mnist"),),
    batch_size=100,
    variants=(
        Variant(
            "rate",
            f"{_LEFT}:build",
            f"{_RIGHT}:build_rate",
            "divergent",
            "With Dropout(0.3) the training agrees; the initial draws and the reports still "
            "differ.",
        ),
    ),
    full="netparity.cases.tf1_keras_dropout.full:run",
)
