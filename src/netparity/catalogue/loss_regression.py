"""Regression and distribution losses, and what any loss can differ in."""

from __future__ import annotations

from netparity.catalogue.entry import Convention

LOSS_REGRESSION: tuple[Convention, ...] = (
    Convention(
        id="mse-reduction",
        stage="loss",
        title="reduction and ½ of the squared error",
        statement=(
            "Squared errors are averaged over all N·M elements in torch, Keras and optax; "
            "scikit-learn has ½ of that mean; `tf.nn.l2_loss`, `optax.l2_loss` and textbooks have "
            "½ of the square; programs sum over outputs, over the batch, or both. Loss and "
            "gradients differ by M, N, 2 or a product, which for plain SGD is another learning "
            "rate: the gradient of ½Σ(ŷ - y)² is N·M/2 times that of the mean."
        ),
        defaults={
            "torch": "mean over all elements",
            "keras": 'mean over all elements; reduction="sum" sums the rows\' means over outputs',
            "tensorflow": "tf.nn.l2_loss is ½Σ; v1 losses average",
            "jax": "optax.squared_error(…).mean() as torch; optax.l2_loss has ½",
            "sklearn": "½ of the mean over all elements",
            "numpy": "½Σ, Σ/N, Σ/(2N), mean",
        },
        signature=(
            "loss and all gradients have a constant ratio out of N, M, 2 and their products; N and "
            "2 are told apart by a second batch size"
        ),
        imitate='MeanSquaredError(batch="sum", outputs="sum", factor=0.5)',
        switches=(
            "MeanSquaredError.batch",
            "MeanSquaredError.outputs",
            "MeanAbsoluteError.batch",
            "MeanAbsoluteError.outputs",
            "Huber.batch",
            "Huber.outputs",
        ),
        fix={
            "torch": (
                'loss = {value} * nn.MSELoss(reduction="sum")(prediction, y)  # 0.5 for ½Σ(ŷ - y)²'
            ),
            "keras": (
                "model.compile(loss=lambda y, p: {value} * keras.ops.sum(keras.ops.square(p - y), "
                "axis=-1))  # then the mean over rows"
            ),
            "tensorflow": "loss = {value} * tf.reduce_sum(tf.square(prediction - y))",
            "jax": "loss = {value} * jnp.sum((prediction - y) ** 2)",
            "sklearn": (
                "MLPRegressor(learning_rate_init={value})  # sgd: the ½ and the mean are fixed, "
                "scale the rate"
            ),
            "numpy": (
                "gradient = {value} * (prediction - y)  # 2 / y.size for torch's mean; 1 for ½Σ"
            ),
        },
        reference=(
            'PyTorch documentation, torch.nn.MSELoss; Keras documentation, "Regression losses"'
        ),
    ),
    Convention(
        id="huber-scaling",
        stage="loss",
        title="Huber and smooth L1",
        statement=(
            "Huber's loss is ½e² inside δ and δ(|e| - ½δ) outside, with slope δ. torch's smooth_l1 "
            "is that divided by β, with slope 1 outside."
        ),
        defaults={
            "torch": "huber_loss: slope delta; smooth_l1_loss = huber/beta",
            "keras": "Huber: slope delta",
            "jax": "optax.huber_loss: slope delta",
        },
        signature="loss ratio equals β",
        imitate='Huber(delta=0.5, form="smooth-l1")',
        switches=("Huber.form", "Huber.delta"),
        fix={
            "torch": (
                "loss = {value} * F.smooth_l1_loss(prediction, y, beta={value})  # "
                "equals Huber with δ = {value}"
            ),
            "torch:form=huber": "loss = F.huber_loss(prediction, y, delta=delta)",
            "torch:form=smooth-l1": "loss = F.smooth_l1_loss(prediction, y, beta=delta)",
            "torch:delta": (
                "loss = F.huber_loss(prediction, y, delta={value})  # or beta={value} "
                "of smooth_l1_loss"
            ),
            "keras": "keras.losses.Huber(delta={value})",
            "keras:form=smooth-l1": "loss = keras.losses.huber(y, prediction, delta) / delta",
            "keras:form=huber": "loss = keras.losses.huber(y, prediction, delta)",
            "jax": "optax.huber_loss(prediction, y, delta={value})",
            "jax:form=smooth-l1": "loss = optax.huber_loss(prediction, y, delta) / delta",
            "jax:form=huber": "loss = optax.huber_loss(prediction, y, delta)",
        },
        reference=(
            'Huber, "Robust Estimation of a Location Parameter" (1964); PyTorch documentation, '
            "torch.nn.SmoothL1Loss"
        ),
    ),
    Convention(
        id="kldiv-argument-order",
        stage="loss",
        title="arguments of the KL divergence",
        statement=(
            "torch and optax take (log q, p) and return Σp(log p - log q) = KL(p‖q); Keras takes "
            '(p, q). torch\'s "mean" divides by N·C and not by N.'
        ),
        defaults={
            "torch": 'kl_div(log q, p); "mean" divides by all elements',
            "keras": "KLDivergence()(p, q): sum over classes, mean over rows",
            "jax": "optax (log q, p), one value per row",
        },
        signature="ratio C, or another value where p and q or logarithms are exchanged",
        imitate='KullbackLeibler(over="prediction")',
        switches=("KullbackLeibler.over", "KullbackLeibler.input", "KullbackLeibler.target"),
        fix={
            "torch": 'F.kl_div(q.log(), p, reduction="batchmean")',
            "keras": "keras.losses.KLDivergence()(p, q)",
            "jax": "optax.kl_divergence(jnp.log(q), p).mean()",
        },
        reference="PyTorch documentation, torch.nn.KLDivLoss",
    ),
    Convention(
        id="cosine-loss-sign",
        stage="loss",
        title="sign and offset of the cosine loss",
        statement=(
            "torch and optax give 1 - cos, Keras gives -cos. The gradients agree, the values "
            "differ by 1."
        ),
        defaults={
            "torch": "CosineEmbeddingLoss: 1 - cos",
            "keras": "CosineSimilarity: -cos",
            "jax": "optax.cosine_distance: 1 - cos",
        },
        signature="losses differ by exactly 1",
        imitate='CosineDistance(form="minus")',
        switches=("CosineDistance.form",),
        fix={
            "keras": "loss = 1 + keras.losses.CosineSimilarity()(y, prediction)",
            "torch": "loss = -F.cosine_similarity(prediction, y).mean()",
        },
        reference='Keras documentation, "Regression losses", CosineSimilarity',
    ),
    Convention(
        id="poisson-form",
        stage="loss",
        title="rate or its logarithm in the Poisson loss",
        statement=(
            "torch's PoissonNLLLoss reads the logarithm of the rate: eˣ - y·x. Keras reads the "
            "rate: x - y·log x."
        ),
        defaults={
            "torch": "log_input=True: exp(x) - y·x",
            "keras": "x - y·log x",
        },
        signature="loss agrees after x is replaced by log x",
        imitate='PoissonNegativeLogLikelihood(input="rate")',
        switches=(
            "PoissonNegativeLogLikelihood.input",
            "PoissonNegativeLogLikelihood.epsilon",
            "PoissonNegativeLogLikelihood.constant",
        ),
        fix={
            "torch": "nn.PoissonNLLLoss(log_input={value})",
            "torch:input=log-rate": "nn.PoissonNLLLoss(log_input=True)",
            "torch:input=rate": "nn.PoissonNLLLoss(log_input=False)",
            "keras": "loss = keras.losses.Poisson()(y, keras.ops.exp(x))",
        },
        reference="PyTorch documentation, torch.nn.PoissonNLLLoss",
    ),
    Convention(
        id="gaussian-nll-constant",
        stage="loss",
        title="constant of the Gaussian likelihood",
        statement=(
            "½(log v + (ŷ - y)²/v), with or without the constant ½·log 2π = 0.9189; torch omits it "
            "and keeps v at least at 1e-6."
        ),
        defaults={
            "torch": "full=False: without the constant; eps=1e-6",
        },
        signature="losses differ by 0.9189, gradients agree",
        imitate="GaussianNegativeLogLikelihood(constant=True)",
        switches=(
            "GaussianNegativeLogLikelihood.constant",
            "GaussianNegativeLogLikelihood.floor",
            "GaussianNegativeLogLikelihood.variance",
        ),
        fix={
            "torch": "nn.GaussianNLLLoss(full={value})",
            "numpy": "loss = 0.5 * (np.log(v) + (prediction - y) ** 2 / v).mean()",
        },
        reference="PyTorch documentation, torch.nn.GaussianNLLLoss",
    ),
    Convention(
        id="logcosh",
        stage="loss",
        title="log-cosh loss",
        statement=(
            "The mean of log cosh(ŷ - y), computed stably as e + softplus(-2e) - log 2; the naive "
            "form overflows near |e| = 710 in float64 and 89 in float32."
        ),
        defaults={
            "keras": "mean of log cosh",
        },
        signature="infinite on one side for large errors",
        imitate="LogCosh()",
        fix={
            "torch": "loss = (e + F.softplus(-2 * e) - math.log(2)).mean()",
            "keras": "keras.losses.LogCosh()",
            "numpy": "loss = np.mean(np.logaddexp(e, -e) - np.log(2))",
        },
        reference='Keras documentation, "Regression losses"',
        not_injectable="its two forms agree wherever neither overflows",
    ),
    Convention(
        id="loss-kind",
        stage="loss",
        title="another loss",
        statement=(
            "The two sides minimize other functions, such as squared error against cross-entropy."
        ),
        signature="no factor or offset relates the two losses",
        imitate="SoftmaxCrossEntropy()",
        switches=("BinaryHinge.power", "MulticlassHinge.power"),
        fix={
            "torch": "loss = {value}",
            "keras": "model.compile(loss={value})",
            "tensorflow": "loss = {value}",
            "jax": "loss = {value}",
            "sklearn": "MLPRegressor(loss={value})",
            "numpy": "loss = {value}",
        },
        reference='Goodfellow, Bengio and Courville, "Deep Learning" (2016), section 6.2',
    ),
    Convention(
        id="loss-factor",
        stage="loss",
        title="constant factor of the loss",
        statement=(
            "The same loss times a constant that no reduction explains. Gradients scale with it: "
            "plain SGD takes it as a learning rate, Adam hardly notices, and a penalty weighs less "
            "against it."
        ),
        signature="loss and all gradients have one constant ratio at every batch size",
        imitate='MeanSquaredError(batch="mean", outputs="sum", factor=0.1)',
        switches=(
            "MeanSquaredError.factor",
            "MeanAbsoluteError.factor",
            "SoftmaxCrossEntropy.factor",
            "SigmoidCrossEntropy.factor",
            "Huber.factor",
            "BinaryHinge.factor",
            "MulticlassHinge.factor",
            "KullbackLeibler.factor",
            "LogCosh.factor",
            "CosineDistance.factor",
            "PoissonNegativeLogLikelihood.factor",
            "GaussianNegativeLogLikelihood.factor",
            "BinaryFocal.factor",
            "CategoricalFocal.factor",
        ),
        fix={
            "torch": "loss = {value} * loss",
            "keras": "model.compile(loss=loss, loss_weights=[{value}])",
            "tensorflow": "loss = {value} * loss",
            "jax": "loss = {value} * loss",
            "numpy": "loss, gradient = {value} * loss, {value} * gradient",
        },
        reference='Goodfellow, Bengio and Courville, "Deep Learning" (2016), section 8.1',
    ),
)
