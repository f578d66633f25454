"""Weights, masks and sums of losses."""

from __future__ import annotations

from netparity.catalogue.entry import Convention

LOSS_WEIGHTING: tuple[Convention, ...] = (
    Convention(
        id="class-weight-normalisation",
        stage="loss",
        title="denominator of class weights",
        statement=(
            "torch's cross-entropy with class indices divides the weighted sum by Σw_y, Keras's "
            "class_weight divides it by N, TF 1 losses by the rows of nonzero weight. The ratio "
            "N/Σw changes from batch to batch."
        ),
        defaults={
            "torch": (
                "class indices: Σw·l/Σw; probability targets: /N; BCE weights: /number of elements"
            ),
            "keras": "class_weight: Σw·l/N",
            "tensorflow": "v1 losses: /number of nonzero weights",
        },
        signature="loss ratio N/Σw, another in each batch",
        imitate='SoftmaxCrossEntropy(batch="weighted-mean", class_weights=(1.0, 2.0))',
        switches=(
            "SoftmaxCrossEntropy.class_weights",
            "SoftmaxCrossEntropy.class_weights_on",
            "SigmoidCrossEntropy.class_weights",
        ),
        fix={
            "torch": 'loss = (weight[y] * F.cross_entropy(logits, y, reduction="none")).mean()',
            "keras": "model.fit(x, y, sample_weight=w[y] * len(y) / w[y].sum())",
        },
        reference="PyTorch documentation, torch.nn.CrossEntropyLoss",
    ),
    Convention(
        id="sample-weight-normalisation",
        stage="loss",
        title="denominator of sample weights",
        statement=(
            'Keras divides the weighted sum by N; `reduction="mean_with_sample_weight"` by Σw; TF '
            "1's SUM_BY_NONZERO_WEIGHTS by the rows of nonzero weight."
        ),
        defaults={
            "keras": "Σw·l/N (sum_over_batch_size)",
            "tensorflow": "v1: SUM_BY_NONZERO_WEIGHTS",
        },
        signature="loss ratio N/Σw",
        imitate='MeanSquaredError(batch="weighted-mean")',
        fix={
            "keras": (
                'keras.losses.MeanSquaredError(reduction={value})  # "mean_with_sample_weight" '
                "divides by the sum of weights"
            ),
            "torch": "loss = (w * losses).sum() / w.sum()",
            "numpy": "loss = np.sum(w * losses) / np.sum(w)",
        },
        reference='Keras documentation, "Losses"',
    ),
    Convention(
        id="focal-default-alpha",
        stage="loss",
        title="class balancing of the focal loss",
        statement=(
            "Keras's focal losses have γ = 2 and no class balancing unless "
            "`apply_class_balancing=True` or a categorical alpha is used; the paper's loss "
            "multiplies by α = 0.25."
        ),
        defaults={
            "keras": "gamma=2, apply_class_balancing=False",
        },
        signature="loss has the ratio α or 1 - α per class",
        imitate="BinaryFocal(gamma=2.0, alpha=0.25)",
        switches=(
            "BinaryFocal.gamma",
            "BinaryFocal.alpha",
            "CategoricalFocal.gamma",
            "CategoricalFocal.alpha",
        ),
        fix={
            "keras": "keras.losses.BinaryFocalCrossentropy(apply_class_balancing={value})",
            "keras:alpha": (
                "keras.losses.BinaryFocalCrossentropy(apply_class_balancing=True, alpha={value})"
            ),
            "keras:alpha=None": "keras.losses.BinaryFocalCrossentropy(apply_class_balancing=False)",
            "keras:gamma": "keras.losses.BinaryFocalCrossentropy(gamma={value})",
            "numpy": "loss = alpha * (1 - p) ** gamma * -np.log(p)",
        },
        reference='Lin et al., "Focal Loss for Dense Object Detection" (2017)',
    ),
    Convention(
        id="sequence-ce-reduction",
        stage="loss",
        title="cross-entropy of sequences",
        statement=(
            "torch expects logits (N, C, T) with classes on axis 1, Keras (N, T, C); both divide "
            "by N·T. A sum over time or a mean per sequence differs by T."
        ),
        defaults={
            "torch": "(N, C, T), mean over N·T",
            "keras": "class axis -1, mean over N·T",
        },
        signature="loss ratio T, or garbage where axes are exchanged at C = T",
        imitate='SoftmaxCrossEntropy(batch="mean")',
        fix={
            "torch": "loss = F.cross_entropy(logits.transpose(1, 2), y)",
            "keras": "keras.losses.SparseCategoricalCrossentropy(axis=-1, from_logits=True)",
        },
        reference="PyTorch documentation, torch.nn.CrossEntropyLoss",
    ),
    Convention(
        id="ignore-index",
        stage="loss",
        title="labels left out of the loss",
        statement=(
            "torch leaves out rows with label -100 and divides by the valid ones; Keras does so "
            "for `ignore_class`. A label of -1 raises in Keras and TensorFlow on the CPU and "
            "silently means the last class in optax."
        ),
        defaults={
            "torch": "ignore_index=-100; divides by the valid rows",
            "keras": "ignore_class=None; divides by the valid rows; -1 raises on the CPU",
            "tensorflow": "-1 raises on the CPU",
            "jax": "optax: -1 wraps to the last class",
        },
        signature="loss ratio N/valid",
        imitate="SoftmaxCrossEntropy(ignore_index=-100)",
        switches=("SoftmaxCrossEntropy.ignore_index",),
        fix={
            "torch": "nn.CrossEntropyLoss(ignore_index={value})",
            "keras": "keras.losses.SparseCategoricalCrossentropy(ignore_class={value})",
            "jax": "loss = jnp.where(y >= 0, losses, 0).sum() / (y >= 0).sum()",
        },
        reference="PyTorch documentation, torch.nn.CrossEntropyLoss",
    ),
    Convention(
        id="masked-loss-normalisation",
        not_injectable="it is not in the reference network",
        stage="loss",
        title="denominator of masked losses",
        statement=(
            "Under a mask Keras 3 divides by the valid steps, Keras up to 2 by all steps; other "
            "frameworks leave it to the program."
        ),
        defaults={
            "torch": "by hand",
            "keras": "valid steps since Keras 3; all steps before",
            "jax": "by hand, or a where argument",
        },
        signature="loss ratio valid/all",
        left_out="masks are not in the reference network; `ignore_index` and sample weights are",
        fix={
            "torch": "loss = (losses * mask).sum() / mask.sum()",
            "numpy": "loss = (losses * mask).sum() / mask.sum()",
        },
        reference='Keras guide, "Understanding masking & padding"',
    ),
    Convention(
        id="ctc-reduction",
        not_injectable="it is not in the reference network",
        stage="loss",
        title="reduction of the CTC loss",
        statement=(
            "torch's \"mean\" divides each sequence's loss by its target length before averaging; "
            "Keras averages over the batch only."
        ),
        defaults={
            "torch": "mean divides by target lengths",
            "keras": "mean over the batch",
        },
        signature="per-row ratio equals the target length",
        left_out="the CTC loss is not in the reference network",
        fix={
            "torch": (
                'loss = F.ctc_loss(log_probs, y, lengths, target_lengths, reduction="sum") / len(y)'
            ),
            "keras": "loss = keras.losses.CTC(reduction={value})",
        },
        reference="PyTorch documentation, torch.nn.CTCLoss",
    ),
    Convention(
        id="multi-output-loss-sum",
        not_injectable="it is not in the reference network",
        stage="loss",
        title="losses of several heads",
        statement=(
            "Keras adds the losses of all heads, each with weight 1 unless `loss_weights` is "
            "given; a program that averages over heads has a fraction of it."
        ),
        defaults={
            "keras": "sum of head losses",
        },
        signature="total / mean of heads = number of heads",
        left_out="networks have one output",
        fix={
            "keras": "model.compile(loss=losses, loss_weights={value})",
            "torch": "loss = sum(losses)",
        },
        reference='Keras documentation, "Model training APIs", compile',
    ),
)
