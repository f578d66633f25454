"""Batch, layer, group and root-mean-square normalization."""

from __future__ import annotations

from netparity.catalogue.entry import Convention

FORWARD_NORMALIZATION: tuple[Convention, ...] = (
    Convention(
        id="bn-epsilon",
        stage="forward",
        title="ε of batch normalization",
        statement=(
            "y = γ(x - μ)/√(σ² + ε) + β with ε = 1e-5 in torch and Flax and 1e-3 in Keras. "
            "Channels of small variance are shrunk more by the larger ε."
        ),
        defaults={
            "torch": "eps=1e-5",
            "keras": "epsilon=1e-3",
            "jax": "Flax epsilon=1e-5",
        },
        signature="per channel the ratio √((v + ε₁)/(v + ε₂)) in training mode",
        imitate="BatchNorm(8, epsilon=1e-3)",
        switches=("BatchNorm.epsilon",),
        fix={
            "torch": "nn.BatchNorm2d(channels, eps={value})",
            "keras": "layers.BatchNormalization(epsilon={value})",
            "jax": "nn.BatchNorm(epsilon={value})",
            "numpy": "y = (x - mean) / np.sqrt(variance + {value})",
        },
        reference='Ioffe and Szegedy, "Batch Normalization" (2015)',
    ),
    Convention(
        id="bn-momentum",
        stage="forward",
        title="meaning of batch norm's momentum",
        statement=(
            "torch: running = (1 - m)·running + m·batch, with m = 0.1 the weight of the new value. "
            "Keras and Flax: running = m·running + (1 - m)·batch, with m = 0.99 the weight of the "
            "old. torch's 0.1 is Keras's 0.9, so that the defaults differ tenfold in speed."
        ),
        defaults={
            "torch": "momentum=0.1, weight of the new batch",
            "keras": "momentum=0.99, weight of the old value",
            "jax": "Flax momentum=0.99, weight of the old value",
        },
        signature="after k steps running statistics hold 1 - (1 - m)ᵏ of the batch statistics",
        imitate="BatchNorm(8, momentum=0.99)",
        switches=("BatchNorm.momentum",),
        fix={
            "torch": (
                "nn.BatchNorm2d(channels, momentum=1 - {value})  # torch weighs the "
                "new value, Keras the old"
            ),
            "keras": "layers.BatchNormalization(momentum={value})  # 1 - the momentum of torch",
            "jax": "nn.BatchNorm(momentum={value})",
            "numpy": "running = {value} * running + (1 - {value}) * batch",
        },
        reference=(
            'PyTorch documentation, torch.nn.BatchNorm2d; Keras documentation, "BatchNormalization '
            'layer"'
        ),
    ),
    Convention(
        id="bn-running-var-bias",
        stage="forward",
        title="variance kept by batch norm",
        statement=(
            "torch normalizes with the biased batch variance (divided by n) but keeps the unbiased "
            "one (n - 1) in its running statistics; Keras and Flax keep the biased."
        ),
        defaults={
            "torch": "unbiased running variance",
            "keras": "biased (3.15; on the CPU also for images)",
            "jax": "biased",
        },
        signature="the running variance alone has the ratio n/(n - 1); training outputs agree",
        imitate='BatchNorm(8, running_variance="unbiased")',
        switches=("BatchNorm.running_variance",),
        fix={
            "torch": "bn.running_var.mul_((n - 1) / n)  # before it is compared or handed over",
            "keras": "moving_variance.assign(moving_variance * n / (n - 1))",
            "numpy": "running_var = (1 - m) * running_var + m * x.var(axis=0, ddof={value})",
            "numpy:running_variance=unbiased": (
                "running_var = (1 - m) * running_var + m * x.var(axis=0, ddof=1)"
            ),
            "numpy:running_variance=biased": (
                "running_var = (1 - m) * running_var + m * x.var(axis=0, ddof=0)"
            ),
        },
        reference="PyTorch documentation, torch.nn.BatchNorm2d",
    ),
    Convention(
        id="bn-train-eval",
        stage="forward",
        title="mode of a bare call",
        statement=(
            "A fresh torch module is in training mode and a bare call uses batch statistics; a "
            "Keras layer called without `training` is in inference mode and uses running ones; a "
            "fresh NNX module trains, Linen wants to be told."
        ),
        defaults={
            "torch": "training mode until eval()",
            "keras": "inference unless training=True",
            "jax": "NNX: training mode; Linen: use_running_average must be given",
        },
        signature="one output is normalized by the batch, the other by stored statistics",
        imitate='BatchNorm(8, inference="batch")',
        switches=("BatchNorm.inference",),
        fix={
            "torch": "model.eval()  # or model.train(): {value}",
            "keras": "y = model(x, training={value})",
            "jax": "y = norm(x, use_running_average={value})",
        },
        reference=(
            'PyTorch documentation, torch.nn.Module.eval; Keras documentation, "BatchNormalization '
            'layer"'
        ),
    ),
    Convention(
        id="bn-frozen",
        stage="forward",
        title="frozen batch norm",
        statement=(
            "`trainable=False` makes a Keras layer use its running statistics even with "
            "`training=True`; in torch `requires_grad_(False)` stops the learning of γ and β only, "
            "and batch statistics go on being used and stored."
        ),
        defaults={
            "torch": "requires_grad=False keeps batch statistics",
            "keras": "trainable=False forces inference mode",
        },
        signature="one side's output follows the batch though both are frozen",
        imitate="BatchNorm(8, frozen=True)",
        switches=("BatchNorm.frozen",),
        fix={
            "torch": "bn.eval()  # besides requires_grad_(False)",
            "keras": "bn.trainable = {value}",
        },
        reference='Keras documentation, "BatchNormalization layer", on trainable=False',
    ),
    Convention(
        id="bn-batch-of-one",
        not_injectable="it only raises, or gives what the other side gives",
        stage="forward",
        title="batch norm on one row",
        statement=(
            "With one value per channel in training mode the variance is 0: torch raises, Keras "
            "silently returns β."
        ),
        defaults={
            "torch": "raises",
            "keras": "returns beta",
        },
        signature="an exception on one side, constant outputs on the other",
        imitate='BatchNorm(8, batch_of_one="refuse")',
        switches=("BatchNorm.batch_of_one",),
        fix={
            "torch": "DataLoader(dataset, batch_size=batch_size, drop_last=True)",
            "keras": "dataset.batch(batch_size, drop_remainder=True)",
        },
        reference="PyTorch documentation, torch.nn.BatchNorm1d",
    ),
    Convention(
        id="bn-batch-variance-ddof",
        stage="forward",
        title="batch variance with n - 1",
        statement=(
            "Normalizes with the unbiased variance Σ(x - μ)²/(n - 1), where the frameworks divide "
            "by n. Small batches show it: the factor is √((n - 1)/n)."
        ),
        defaults={
            "torch": "normalizes with the biased variance",
            "keras": "normalizes with the biased variance",
        },
        signature="training outputs have the ratio √((n - 1)/n), which changes with the batch size",
        imitate='BatchNorm(8, normalize_with="unbiased")',
        switches=(
            "BatchNorm.normalize_with",
            "LayerNorm.normalize_with",
            "GroupNorm.normalize_with",
        ),
        fix={
            "torch": "variance = x.var(dim=0, correction=0)",
            "numpy": "variance = x.var(axis=0)  # ddof=0",
        },
        reference='Ioffe and Szegedy, "Batch Normalization" (2015)',
        bug=True,
    ),
    Convention(
        id="norm-epsilon-placement",
        stage="forward",
        title="place of ε in a normalization",
        statement=(
            "The frameworks compute (x - μ)/√(σ² + ε). A program may add ε to the deviation, (x - "
            "μ)/(σ + ε), or use it in both places."
        ),
        defaults={
            "torch": "inside the root",
            "keras": "inside the root",
            "jax": "inside the root",
        },
        signature="per channel the ratio √(v + ε)/(√v + ε), strongest at small variance",
        imitate='BatchNorm(8, epsilon_placement="outside")',
        switches=(
            "BatchNorm.epsilon_placement",
            "LayerNorm.epsilon_placement",
            "GroupNorm.epsilon_placement",
            "RMSNorm.epsilon_placement",
        ),
        fix={
            "torch": "y = (x - mean) / torch.sqrt(variance + epsilon)",
            "torch:epsilon_placement=outside": "y = (x - mean) / (torch.sqrt(variance) + epsilon)",
            "numpy": "y = (x - mean) / np.sqrt(variance + epsilon)",
            "numpy:epsilon_placement=outside": "y = (x - mean) / (np.sqrt(variance) + epsilon)",
        },
        reference='Ioffe and Szegedy, "Batch Normalization" (2015)',
    ),
    Convention(
        id="bn-statistics-not-updated",
        stage="forward",
        title="running statistics that never move",
        statement=(
            "The running mean and variance stay at their start (0 and 1), because the update is "
            "missing, is not run (update operations of TF 1), works on a copy, or the mutable "
            "collection is thrown away (Linen). Training agrees, inference does not."
        ),
        signature="running statistics equal 0 and 1 after training steps",
        imitate="BatchNorm(8, update_statistics=False)",
        switches=("BatchNorm.update_statistics",),
        fix={
            "tensorflow": (
                'with tf.control_dependencies(tf.compat.v1.get_collection("update_ops")): train_op '
                "= optimizer.minimize(loss)"
            ),
            "torch": "nn.BatchNorm2d(channels, track_running_stats=True)",
            "jax": 'y, updates = model.apply(variables, x, train=True, mutable=["batch_stats"])',
            "numpy": "running_mean[:] = (1 - m) * running_mean + m * mean  # in place",
        },
        reference=(
            'Flax documentation, "Batch normalization"; TensorFlow documentation, '
            "tf.compat.v1.layers.batch_normalization"
        ),
        bug=True,
    ),
    Convention(
        id="ln-epsilon",
        stage="forward",
        title="ε of layer normalization",
        statement=(
            "y = γ(x - μ)/√(σ² + ε) + β over the features, with ε = 1e-5 in torch, 1e-3 in Keras "
            "and 1e-6 in Flax."
        ),
        defaults={
            "torch": "eps=1e-5",
            "keras": "epsilon=1e-3",
            "jax": "Flax epsilon=1e-6",
        },
        signature="per row the ratio √((v + ε₁)/(v + ε₂))",
        imitate="LayerNorm(8, epsilon=1e-3)",
        switches=("LayerNorm.epsilon",),
        fix={
            "torch": "nn.LayerNorm(shape, eps={value})",
            "keras": "layers.LayerNormalization(epsilon={value})",
            "jax": "nn.LayerNorm(epsilon={value})",
        },
        reference='Ba, Kiros and Hinton, "Layer Normalization" (2016)',
    ),
    Convention(
        id="ln-axis",
        stage="forward",
        title="axes of layer normalization",
        statement=(
            "torch normalizes over all dimensions of `normalized_shape`, Keras and Flax over the "
            "last axis. On images these are other statistics and other parameter shapes."
        ),
        defaults={
            "torch": "all dimensions of normalized_shape",
            "keras": "the last axis",
            "jax": "the last axis",
        },
        signature="parameters have other shapes; means vanish over other axes",
        imitate="LayerNorm((4, 4, 8))",
        switches=(
            "LayerNorm.axes",
            "LayerNorm.shape",
            "RMSNorm.axes",
            "RMSNorm.shape",
            "BatchNorm.axis",
        ),
        fix={
            "torch": "nn.LayerNorm(x.shape[-1])",
            "keras": "layers.LayerNormalization(axis={value})",
            "jax": "nn.LayerNorm(reduction_axes={value})",
        },
        reference="PyTorch documentation, torch.nn.LayerNorm",
    ),
    Convention(
        id="groupnorm-epsilon",
        stage="forward",
        title="ε of group normalization",
        statement="ε is 1e-5 in torch, 1e-3 in Keras and 1e-6 in Flax.",
        defaults={
            "torch": "eps=1e-5",
            "keras": "epsilon=1e-3",
            "jax": "Flax epsilon=1e-6",
        },
        signature="per group the ratio √((v + ε₁)/(v + ε₂))",
        imitate="GroupNorm(2, 8, epsilon=1e-3)",
        switches=("GroupNorm.epsilon",),
        fix={
            "torch": "nn.GroupNorm(groups, channels, eps={value})",
            "keras": "layers.GroupNormalization(groups, epsilon={value})",
            "jax": "nn.GroupNorm(groups, epsilon={value})",
        },
        reference='Wu and He, "Group Normalization" (2018)',
    ),
    Convention(
        id="rmsnorm-epsilon",
        stage="forward",
        title="ε of RMS normalization",
        statement=(
            "y = γx/√(mean x² + ε) with ε = 1e-6 in Keras and Flax, and in torch the machine "
            "epsilon of the type, 1.19e-7 for float32, unless it is given."
        ),
        defaults={
            "torch": "eps=None: finfo(dtype).eps, 1.19e-7 in float32",
            "keras": "epsilon=1e-6",
            "jax": "Flax epsilon=1e-6",
        },
        signature="per row the ratio √((m + ε₁)/(m + ε₂)) with m the mean square",
        imitate="RMSNorm(8, epsilon=1.19e-7)",
        switches=("RMSNorm.epsilon",),
        fix={
            "torch": "nn.RMSNorm(shape, eps={value})",
            "keras": "layers.RMSNormalization(epsilon={value})",
            "jax": "nn.RMSNorm(epsilon={value})",
        },
        reference='Zhang and Sennrich, "Root Mean Square Layer Normalization" (2019)',
    ),
    Convention(
        id="norm-fast-variance",
        stage="forward",
        title="algorithm of the variance",
        statement=(
            "Flax computes the variance as E[x²] - E[x]², which cancels for a large mean: an error "
            "of 8.6 % for mean 1000 and deviation 2 in float32, against 2e-5 in torch and 5e-5 in "
            "Keras with the two-pass formula."
        ),
        defaults={
            "torch": "two passes, relative error 2e-5 on that example",
            "keras": "relative error 5e-5 on that example",
            "jax": "Flax use_fast_variance=True, relative error 8.6e-2",
        },
        signature="errors grow with (mean/deviation)² and vanish in float64",
        imitate="LayerNorm(8, fast_variance=True)",
        switches=("BatchNorm.fast_variance", "LayerNorm.fast_variance", "GroupNorm.fast_variance"),
        fix={
            "jax": "nn.LayerNorm(use_fast_variance={value})",
            "numpy": "variance = np.mean((x - x.mean(axis=-1, keepdims=True)) ** 2, axis=-1)",
        },
        reference=(
            'Chan, Golub and LeVeque, "Algorithms for Computing the Sample Variance" (1983); Flax '
            "documentation, LayerNorm"
        ),
    ),
)
