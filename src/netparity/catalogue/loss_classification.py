"""Classification losses."""

from __future__ import annotations

from netparity.catalogue.entry import Convention, one_is

LOSS_CLASSIFICATION: tuple[Convention, ...] = (
    Convention(
        id="ce-reduction",
        stage="loss",
        title="reduction of cross-entropy",
        statement=(
            "Cross-entropy -log p_y is averaged over the rows in torch, Keras and scikit-learn, "
            "left per row by tf.nn and optax, and summed in many hand-written programs: a factor "
            "of N in loss and gradients."
        ),
        defaults={
            "torch": "mean",
            "keras": "mean over the batch",
            "tensorflow": "tf.nn.*: one value per row",
            "jax": "optax: one value per row",
            "sklearn": "summed over classes, mean over rows",
            "numpy": "often a sum",
        },
        signature="loss and all gradients have the ratio N; it changes with the batch size",
        imitate='SoftmaxCrossEntropy(batch="sum")',
        switches=("SoftmaxCrossEntropy.batch", "SigmoidCrossEntropy.batch"),
        fix={
            "torch": "nn.CrossEntropyLoss(reduction={value})",
            "keras": "keras.losses.SparseCategoricalCrossentropy(reduction={value})",
            "tensorflow": "loss = tf.reduce_mean(losses)",
            "jax": "loss = losses.mean()",
            "numpy": "loss = -np.log(p[np.arange(n), y]).mean()  # and dscores /= n",
        },
        reference=(
            'PyTorch documentation, torch.nn.CrossEntropyLoss; Keras documentation, "Probabilistic '
            'losses"'
        ),
    ),
    Convention(
        id="from-logits-default",
        stage="loss",
        title="does the loss expect logits or probabilities?",
        statement=(
            "torch, tf.nn.*_with_logits and optax take logits; Keras's losses take probabilities "
            "unless `from_logits=True`. Softmax before a logits loss is applied twice and keeps "
            "the loss above log(1 + (C - 1)/e) (1.4612 for C = 10); logits fed to a probability "
            "loss are divided by their sum and clipped."
        ),
        defaults={
            "torch": "CrossEntropyLoss takes logits",
            "keras": "from_logits=False",
            "tensorflow": "*_with_logits takes logits",
            "jax": "optax takes logits",
        },
        signature="loss stays near log C on one side; gradients are shrunk",
        imitate='SoftmaxCrossEntropy(input="probabilities")',
        switches=(
            "SoftmaxCrossEntropy.input",
            "SigmoidCrossEntropy.input",
            "BinaryFocal.input",
            "CategoricalFocal.input",
        ),
        fix={
            "torch": "loss = nn.CrossEntropyLoss()(logits, y)  # no softmax before",
            "keras": "keras.losses.SparseCategoricalCrossentropy(from_logits={value})",
            "keras:input=logits": "keras.losses.SparseCategoricalCrossentropy(from_logits=True)",
            "keras:input=probabilities": (
                "keras.losses.SparseCategoricalCrossentropy(from_logits=False)"
            ),
            "tensorflow": "tf.nn.sparse_softmax_cross_entropy_with_logits(labels=y, logits=logits)",
            "jax": "optax.softmax_cross_entropy_with_integer_labels(logits, y)",
        },
        reference=(
            'PyTorch documentation, torch.nn.CrossEntropyLoss; Keras documentation, "Probabilistic '
            'losses"'
        ),
        not_injectable="the second softmax is what acts: it is changed as softmax-twice",
    ),
    Convention(
        id="nll-loss-input",
        stage="loss",
        title="input of nll_loss",
        statement=(
            "torch's nll_loss expects log-probabilities and returns -x_y. Given probabilities it "
            "returns the negative mean probability of the true class."
        ),
        defaults={
            "torch": "log-probabilities",
        },
        signature="loss is negative and equals -mean p_y",
        imitate='SoftmaxCrossEntropy(input="log-probabilities")',
        switches=("SoftmaxCrossEntropy.input",),
        when=one_is("input", "log-probabilities"),
        fix={
            "torch": "loss = F.nll_loss(F.log_softmax(logits, dim=1), y)",
        },
        reference="PyTorch documentation, torch.nn.NLLLoss",
    ),
    Convention(
        id="ce-renormalise",
        stage="loss",
        title="probabilities divided by their sum",
        statement=(
            "Keras's categorical cross-entropy divides each row of probabilities by its sum before "
            "the logarithm; a plain -Σ y log p does not. In the sparse loss the TensorFlow backend "
            "clips first and renormalizes after."
        ),
        defaults={
            "keras": "p/Σp, then clipped; sparse on TensorFlow clips, then renormalizes (3.15)",
        },
        signature="differences only for rows that do not sum to 1",
        imitate='SoftmaxCrossEntropy(input="probabilities", renormalise=True)',
        switches=(
            "SoftmaxCrossEntropy.renormalise",
            "SoftmaxCrossEntropy.renormalise_order",
            "CategoricalFocal.renormalise",
        ),
        fix={
            "keras": 'layers.Dense(classes, activation="softmax")  # rows that sum to 1',
            "torch": "loss = F.nll_loss(torch.log(p / p.sum(1, keepdim=True)), y)",
            "numpy": "p = p / p.sum(axis=1, keepdims=True)",
        },
        reference='Keras documentation, "Probabilistic losses"',
    ),
    Convention(
        id="loss-epsilon-clipping",
        stage="loss",
        title="clipping before the logarithm",
        statement=(
            "Probabilities are kept from 0 before the logarithm: Keras clips to [1e-7, 1 - 1e-7], "
            "torch's BCELoss limits the logarithm to -100, scikit-learn clips at the machine "
            "epsilon, programs add 1e-8 or nothing. The largest loss of a row is 16.118, 100, "
            "36.04 or infinite, and clipped rows give no gradient."
        ),
        defaults={
            "torch": "BCELoss: log at least -100",
            "keras": "p in [1e-7, 1 - 1e-7]",
            "sklearn": "eps = finfo(dtype).eps: at most 36.04 in float64",
            "numpy": "log(p + 1e-8), log(p + 1e-12) or log(p)",
        },
        signature=(
            "losses agree for moderate predictions and stop at another value for saturated ones"
        ),
        imitate='SoftmaxCrossEntropy(input="probabilities", clip=1e-7)',
        switches=(
            "SoftmaxCrossEntropy.clip",
            "SoftmaxCrossEntropy.log_epsilon",
            "SigmoidCrossEntropy.clip",
            "SigmoidCrossEntropy.log_floor",
            "SigmoidCrossEntropy.log_epsilon",
            "BinaryFocal.clip",
            "CategoricalFocal.clip",
            "KullbackLeibler.clip",
        ),
        fix={
            "torch": "loss = F.binary_cross_entropy(p.clamp({value}, 1 - {value}), y)",
            "keras": "keras.losses.CategoricalCrossentropy(from_logits=True)  # no clipping",
            "numpy": "loss = -np.log(np.clip(p, {value}, 1 - {value}))",
        },
        reference=(
            'PyTorch documentation, torch.nn.BCELoss; Keras documentation, "Probabilistic losses"'
        ),
    ),
    Convention(
        id="loss-keras-logits-cache",
        stage="loss",
        title="Keras remembers the logits behind probabilities",
        statement=(
            "On the TensorFlow backend the output of a softmax or sigmoid carries its logits, and "
            "a loss with from_logits=False is computed from them, exactly and unclipped. The JAX "
            "and torch backends clip: the same model saturates at 16.118 with gradient 0 where "
            "TensorFlow gives 40.69."
        ),
        defaults={
            "keras": "TensorFlow backend uses the cached logits; JAX and torch clip (3.15)",
        },
        signature="saturated rows have loss 40.69 against 16.118 for one model",
        left_out="Keras rewrites the graph: the loss of the logits imitates its effect",
        fix={
            "keras": (
                "keras.losses.SparseCategoricalCrossentropy(from_logits=True)  # and no softmax in "
                "the model"
            ),
            "torch": "loss = nn.CrossEntropyLoss()(logits, y)",
        },
        reference='Keras documentation, "Probabilistic losses"',
        not_injectable="it needs two Keras backends in one process",
    ),
    Convention(
        id="label-smoothing",
        stage="loss",
        title="label smoothing",
        statement=(
            "Smoothed targets are (1 - s)y + s/C in torch, Keras and optax, and (1 - s)y + s/2 for "
            "binary labels; some programs spread s over the C - 1 wrong classes only. With class "
            "weights torch divides by Σw_y."
        ),
        defaults={
            "torch": "y(1 - s) + s/C",
            "keras": "y(1 - s) + s/C; binary y(1 - s) + s/2",
            "jax": "optax.smooth_labels: y(1 - s) + s/C",
            "numpy": "variants with s/(C - 1)",
        },
        signature="gradient = p - ((1 - s)y + s/C)",
        imitate="SoftmaxCrossEntropy(label_smoothing=0.1)",
        switches=(
            "SoftmaxCrossEntropy.label_smoothing",
            "SoftmaxCrossEntropy.smoothing_over",
            "SigmoidCrossEntropy.label_smoothing",
            "BinaryFocal.label_smoothing",
            "CategoricalFocal.label_smoothing",
        ),
        fix={
            "torch": "nn.CrossEntropyLoss(label_smoothing={value})",
            "keras": "keras.losses.CategoricalCrossentropy(label_smoothing={value})",
            "jax": "targets = optax.smooth_labels(one_hot, {value})",
            "numpy": "targets = (1 - {value}) * one_hot + {value} / classes",
        },
        reference=(
            'Szegedy et al., "Rethinking the Inception Architecture for Computer Vision" (2016)'
        ),
    ),
    Convention(
        id="hinge-labels",
        stage="loss",
        title="labels of the binary hinge",
        statement=(
            "max(0, 1 - y·s) needs labels of -1 and 1. Keras's Hinge converts {0, 1} by itself; "
            "torch's HingeEmbeddingLoss is another loss altogether."
        ),
        defaults={
            "torch": "HingeEmbeddingLoss is no SVM hinge",
            "keras": "{0, 1} converted to {-1, 1}",
        },
        signature="rows of class 0 have a loss of exactly 1 and no gradient",
        imitate='BinaryHinge(labels="zero-one")',
        switches=("BinaryHinge.labels",),
        fix={
            "torch": "loss = torch.clamp(1 - (2 * y - 1) * scores, min=0).mean()",
            "numpy": "y = 2 * y - 1",
        },
        reference='Keras documentation, "Hinge losses for maximum-margin classification"',
    ),
    Convention(
        id="multiclass-hinge-margin",
        stage="loss",
        title="form of the multiclass hinge",
        statement=(
            "With margins mⱼ = max(0, sⱼ - s_y + 1), cs231n sums mⱼ over the wrong classes, "
            "torch's MultiMarginLoss divides that sum by C, Keras's CategoricalHinge and optax "
            "take the largest one only (in Keras the inner maximum includes a 0, wrong where all "
            "scores are negative). A program whose sum also runs over j = y adds exactly 1 to each "
            "row and leaves the gradient as it is, since the true class's own terms cancel."
        ),
        defaults={
            "torch": "MultiMarginLoss: Σ over wrong classes / (N·C)",
            "keras": "CategoricalHinge: max(0, 1 + max((1 - y)s) - s_y)",
            "jax": "optax.multiclass_hinge_loss: the largest wrong class",
            "numpy": "cs231n: Σ over wrong classes / N",
        },
        signature=(
            "loss and gradient have the ratio C; or losses differ by exactly the margin with equal "
            "gradients"
        ),
        imitate='MulticlassHinge(classes="sum", counts_true_class=True)',
        switches=(
            "MulticlassHinge.margin",
            "MulticlassHinge.classes",
            "MulticlassHinge.counts_true_class",
            "MulticlassHinge.over",
        ),
        fix={
            "torch": (
                "loss = {value} * nn.MultiMarginLoss()(scores, y)  # {value}: the number of "
                "classes for the sum"
            ),
            "keras": (
                "loss = keras.ops.sum(keras.ops.relu(scores - true_score + 1), axis=1) - 1  # sum "
                "over wrong classes"
            ),
            "jax": "margins = jnp.maximum(0, scores - true_scores + 1).at[rows, y].set(0)",
            "numpy": (
                "margins[np.arange(n), y] = 0  # before the sum; divide by the classes to match "
                "torch: {value}"
            ),
        },
        reference=(
            'Weston and Watkins, "Support Vector Machines for Multi-Class Pattern Recognition" '
            "(1999); PyTorch documentation, torch.nn.MultiMarginLoss; Stanford CS231n notes, "
            '"Linear classification"'
        ),
    ),
    Convention(
        id="bce-multidim-reduction",
        stage="loss",
        title="binary cross-entropy over several labels",
        statement=(
            "Over (N, L) labels torch, Keras and optax with .mean() average over all elements; "
            "scikit-learn sums over the labels and divides by N: a factor of L."
        ),
        defaults={
            "torch": "mean over all elements",
            "keras": "mean over all elements",
            "jax": ".mean() over all elements",
            "sklearn": "sum over labels, mean over rows",
        },
        signature="loss and gradients have the ratio L",
        imitate='SigmoidCrossEntropy(outputs="sum")',
        switches=("SigmoidCrossEntropy.outputs",),
        fix={
            "torch": (
                'loss = F.binary_cross_entropy_with_logits(z, y, reduction="none").sum(1).mean()'
            ),
            "keras": (
                "loss = {value} * keras.losses.binary_crossentropy(y, p)  # times the number of "
                "labels"
            ),
            "numpy": "loss = losses.sum(axis=1).mean()",
        },
        reference=(
            "scikit-learn documentation, MLPClassifier; PyTorch documentation, "
            "torch.nn.BCEWithLogitsLoss"
        ),
    ),
)
