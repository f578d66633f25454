"""Activation functions."""

from __future__ import annotations

from netparity.catalogue.entry import Convention

FORWARD_ACTIVATIONS: tuple[Convention, ...] = (
    Convention(
        id="gelu-variant",
        stage="forward",
        title="GELU: exact or tanh",
        statement=(
            "GELU is x·Φ(x) with the normal distribution function, ½x(1 + erf(x/√2)), or its "
            "approximation ½x(1 + tanh(√(2/π)(x + 0.044715x³))). torch, keras.activations.gelu and "
            "TensorFlow are exact; jax.nn.gelu, Flax and keras.ops.gelu use tanh."
        ),
        defaults={
            "torch": 'erf; approximate="none"',
            "keras": "activations.gelu erf; keras.ops.gelu tanh (3.15)",
            "tensorflow": "erf",
            "jax": "tanh; approximate=True",
        },
        signature="relative difference up to 8e-5 around |x| of 2 to 3",
        imitate="GELU(approximate=True)",
        switches=("GELU.approximate",),
        fix={
            "torch": "nn.GELU(approximate={value})",
            "keras": "keras.activations.gelu(x, approximate={value})",
            "tensorflow": "tf.nn.gelu(x, approximate={value})",
            "jax": "jax.nn.gelu(x, approximate={value})",
        },
        reference='Hendrycks and Gimpel, "Gaussian Error Linear Units (GELUs)" (2016)',
    ),
    Convention(
        id="leaky-relu-slope",
        stage="forward",
        title="slope of LeakyReLU",
        statement=(
            "y = x for x > 0 and s·x below, with s = 0.01 in torch and JAX, 0.3 in Keras's "
            'LeakyReLU layer, and 0.2 in Keras\'s "leaky_relu" string and in TensorFlow.'
        ),
        defaults={
            "torch": "negative_slope=0.01",
            "keras": "layers.LeakyReLU negative_slope=0.3; activations.leaky_relu 0.2",
            "tensorflow": "tf.nn.leaky_relu alpha=0.2",
            "jax": "negative_slope=0.01",
        },
        signature="outputs for negative inputs have a constant ratio",
        imitate="LeakyReLU(slope=0.3)",
        switches=("LeakyReLU.slope",),
        fix={
            "torch": "nn.LeakyReLU(negative_slope={value})",
            "keras": "layers.LeakyReLU(negative_slope={value})",
            "tensorflow": "tf.nn.leaky_relu(x, alpha={value})",
            "jax": "jax.nn.leaky_relu(x, negative_slope={value})",
            "numpy": "y = np.where(x > 0, x, {value} * x)",
        },
        reference=(
            'Maas, Hannun and Ng, "Rectifier Nonlinearities Improve Neural Network Acoustic '
            'Models" (2013)'
        ),
    ),
    Convention(
        id="hard-sigmoid-formula",
        stage="forward",
        title="formula of the hard sigmoid",
        statement=(
            "clip(x/6 + ½, 0, 1) in torch, JAX and Keras 3, but clip(0.2x + ½, 0, 1) in Keras up "
            "to 2. The largest difference is 0.083."
        ),
        defaults={
            "torch": "clip(x/6 + 0.5)",
            "keras": "clip(x/6 + 0.5) since Keras 3; clip(0.2x + 0.5) before",
            "jax": "clip(x/6 + 0.5)",
        },
        signature="slopes at 0 are 1/6 and 1/5",
        imitate="HardSigmoid(slope=0.2)",
        switches=("HardSigmoid.slope", "HardSwish.slope"),
        fix={
            "torch": "y = torch.clamp({value} * x + 0.5, 0, 1)",
            "keras": "y = keras.ops.clip({value} * x + 0.5, 0, 1)",
            "numpy": "y = np.clip({value} * x + 0.5, 0, 1)",
        },
        reference='Keras documentation, "Layer activation functions"',
    ),
    Convention(
        id="softplus-threshold",
        stage="forward",
        title="softplus above a threshold",
        statement=(
            "log(1 + eˣ), but torch returns x itself above 20, where the two differ by less than "
            "2.1e-9."
        ),
        defaults={
            "torch": "linear above threshold=20",
            "keras": "exact",
            "jax": "exact",
        },
        signature="differences below 2.1e-9 for x > 20, visible in float64 only",
        imitate="Softplus()",
        switches=("Softplus.threshold",),
        fix={
            "torch": "nn.Softplus(threshold={value})",
            "torch:threshold=None": "y = torch.logaddexp(x, torch.zeros_like(x))",
            "numpy": "y = np.logaddexp(0, x)",
        },
        reference="PyTorch documentation, torch.nn.Softplus",
    ),
    Convention(
        id="softmax-axis",
        stage="forward",
        title="axis of softmax",
        statement=(
            "Softmax must sum to 1 over the classes. torch without `dim` takes axis 0 for 3-D and "
            "1 for 2-D input; a hand-written `exp(z)/exp(z).sum()` sums over the whole batch and "
            "is wrong by a factor near the batch size."
        ),
        defaults={
            "torch": "dim=None (deprecated): 0 for 3-D, 1 for 2-D",
            "keras": "axis=-1",
            "jax": "axis=-1",
            "numpy": "np.exp(z) / np.exp(z).sum() runs over all elements",
        },
        signature="sums over the class axis are not 1",
        imitate="Softmax(axis=0)",
        switches=("Softmax.axis", "LogSoftmax.axis"),
        fix={
            "torch": "torch.softmax(x, dim={value})",
            "keras": "layers.Softmax(axis={value})",
            "jax": "jax.nn.softmax(x, axis={value})",
            "numpy": "p = np.exp(z - z.max(-1, keepdims=True)); p /= p.sum(-1, keepdims=True)",
        },
        reference="PyTorch documentation, torch.nn.functional.softmax",
    ),
    Convention(
        id="elu-alpha",
        stage="forward",
        title="ELU and its kin",
        statement=(
            "ELU with α = 1, SELU, SiLU, ReLU6, CELU, the shrink functions and hard swish agree in "
            "all frameworks. A difference comes from an α set otherwise."
        ),
        defaults={
            "torch": "alpha=1.0",
            "keras": "alpha=1.0",
            "jax": "alpha=1.0",
        },
        signature="outputs for negative inputs have a constant ratio",
        imitate="ELU(alpha=0.5)",
        switches=("ELU.alpha", "CELU.alpha"),
        fix={
            "torch": "nn.ELU(alpha={value})",
            "keras": "layers.ELU(alpha={value})",
            "jax": "jax.nn.elu(x, alpha={value})",
            "numpy": "y = np.where(x > 0, x, {value} * np.expm1(x))",
        },
        reference=(
            'Clevert, Unterthiner and Hochreiter, "Fast and Accurate Deep Network Learning by '
            'Exponential Linear Units" (2015)'
        ),
    ),
    Convention(
        id="activation-kind",
        stage="forward",
        title="another activation function",
        statement=(
            "A layer uses another function on the two sides: sigmoid for tanh, ReLU for linear, or "
            "none at all."
        ),
        signature="at equal input the layer's output is reproduced by another activation",
        imitate="Tanh()",
        switches=("SimpleRNN.activation",),
        fix={
            "torch": "nn.Sequential(nn.Linear(inputs, outputs), {value})",
            "keras": "layers.Dense(units, activation={value})",
            "tensorflow": "y = {value}",
            "jax": "y = {value}",
            "sklearn": "MLPClassifier(activation={value})",
            "numpy": "a = {value}",
        },
        reference='Goodfellow, Bengio and Courville, "Deep Learning" (2016), section 6.3',
    ),
    Convention(
        id="softmax-twice",
        stage="forward",
        title="softmax of probabilities",
        statement=(
            "The network ends in a softmax and softmax is applied once more, in the loss "
            "(`from-logits-default`) or in the model. For C classes the largest probability is "
            "then e/(e + C - 1), 0.23 for C = 10, and the loss cannot fall below log(1 + (C - "
            "1)/e)."
        ),
        signature=(
            "outputs equal softmax(p) of the other side's probabilities p; the loss stays near log "
            "C"
        ),
        imitate="Softmax(axis=-1)",
        fix={
            "torch": "nn.Sequential(*layers)  # without nn.Softmax before CrossEntropyLoss",
            "keras": "layers.Dense(classes)  # no softmax, with from_logits=True",
            "numpy": "probabilities = scores  # where the scores are probabilities already",
        },
        reference="PyTorch documentation, torch.nn.CrossEntropyLoss",
        bug=True,
    ),
)
