"""Laws and draws of initial values."""

from __future__ import annotations

from netparity.catalogue.entry import Convention

INITIALIZATION: tuple[Convention, ...] = (
    Convention(
        id="dense-init-default",
        stage="init",
        title="default law of dense weights",
        statement=(
            "Unless told otherwise torch draws weights from U(±1/√fan_in), whose deviation is "
            "1/√(3·fan_in); Keras, TF 1 and scikit-learn from Glorot's U(±√(6/(fan_in + "
            "fan_out))); Flax from a normal of deviation 1/√fan_in cut at two (uncorrected) "
            "deviations; programs of the cs231n kind from N(0, scale²)."
        ),
        defaults={
            "torch": "U(±1/√fan_in)",
            "keras": "glorot_uniform: U(±√(6/(fan_in + fan_out)))",
            "tensorflow": "compat.v1.get_variable: glorot_uniform",
            "jax": "Flax lecun_normal: truncated, deviation 1/√fan_in, |w| at most 2.27 deviations",
            "sklearn": 'U(±√(6/(in + out))); √(2/(in + out)) for activation="logistic" (1.9)',
            "numpy": "0.01·randn, √(2/in)·randn, or weight_scale·randn",
        },
        signature=(
            "ratio of deviations; kurtosis 1.8 for uniform, about 2.1 truncated, 3 for normal"
        ),
        imitate='NAMED["glorot_uniform"]',
        fix={
            "torch": (
                "nn.init.xavier_uniform_(layer.weight)  # Keras's default; the law wanted: {value}"
            ),
            "keras": (
                'layers.Dense(units, kernel_initializer={value})  # VarianceScaling(1/3, "fan_in", '
                '"uniform") is torch\'s'
            ),
            "tensorflow": "w = tf.compat.v1.get_variable(name, shape, initializer={value})",
            "jax": "nn.Dense(features, kernel_init={value})",
            "numpy": "w = rng.uniform(-bound, bound, (inputs, outputs))  # {value}",
        },
        reference=(
            'Glorot and Bengio, "Understanding the difficulty of training deep feedforward neural '
            'networks" (2010); PyTorch documentation, torch.nn.Linear'
        ),
    ),
    Convention(
        id="dense-bias-init",
        stage="init",
        title="default law of biases",
        statement=(
            "Keras, Flax and most programs start biases at 0; torch draws them from U(±1/√fan_in) "
            "with the fan-in of their weight, and scikit-learn from the uniform law of its weights."
        ),
        defaults={
            "torch": "U(±1/√fan_in), for Linear and Conv",
            "keras": "zeros",
            "jax": "Flax zeros",
            "sklearn": "uniform within the bound of the weights",
            "numpy": "zeros",
        },
        signature="one side's biases are exactly 0, the other's lie within ±1/√fan_in",
        imitate='NAMED["zeros"]',
        fix={
            "torch": "nn.init.zeros_(layer.bias)  # the law wanted: {value}",
            "keras": "layers.Dense(units, bias_initializer={value})",
            "jax": "nn.Dense(features, bias_init={value})",
            "sklearn": "mlp.intercepts_[layer][:] = {value}  # after partial_fit has made them",
            "numpy": "b = np.zeros(outputs)  # the law wanted: {value}",
        },
        reference='PyTorch documentation, torch.nn.Linear; Keras documentation, "Dense layer"',
    ),
    Convention(
        id="trunc-normal-correction",
        stage="init",
        title="deviation of truncated normals",
        statement=(
            "A normal cut at two deviations keeps only 0.8796 of its deviation. Keras and JAX "
            "correct for it in he_normal, lecun_normal and glorot_normal, and not in "
            "TruncatedNormal or truncated_normal. torch's kaiming_normal_ and xavier_normal_ are "
            "not cut, and its trunc_normal_ cuts at the absolute values ±2."
        ),
        defaults={
            "torch": (
                "kaiming_normal_, xavier_normal_ not truncated; trunc_normal_(std) cuts at ±2 "
                "absolute"
            ),
            "keras": (
                "named *_normal laws truncated and corrected; TruncatedNormal(stddev) uncorrected"
            ),
            "tensorflow": "tf.random.truncated_normal uncorrected",
            "jax": "he_normal, lecun_normal corrected; truncated_normal uncorrected",
        },
        signature=(
            "deviations have the ratio 0.8796; largest value 2.27 deviations against 4 and more"
        ),
        imitate="TruncatedNormal(std=0.05, corrected=False)",
        fix={
            "torch": (
                "nn.init.trunc_normal_(layer.weight, std={value}, a=-2 * {value}, b=2 * {value})"
            ),
            "keras": "keras.initializers.TruncatedNormal(stddev={value})",
            "jax": "nn.initializers.truncated_normal(stddev={value})",
            "numpy": "w = scipy.stats.truncnorm.rvs(-2, 2, scale={value}, size=shape)",
        },
        reference=(
            'Keras documentation, "Layer weight initializers"; PyTorch documentation, torch.nn.init'
        ),
        not_injectable="one draw does not tell it from init-law",
    ),
    Convention(
        id="init-formulas",
        stage="init",
        title="formulas behind named initializers",
        statement=(
            "he_uniform is U(±√(6/fan_in)) and Glorot's U(±√(6/(fan_in + fan_out))) everywhere, "
            "but unnamed laws have their own scales: Keras's RandomNormal has deviation 0.05 and "
            "RandomUniform ±0.05, JAX's normal() 0.01. torch reads fans from (out, in)."
        ),
        defaults={
            "torch": (
                "kaiming_uniform_ with a=0: √(6/fan_in); xavier_uniform_: √(6/(fan_in + fan_out))"
            ),
            "keras": "he_uniform √(6/fan_in); RandomNormal stddev=0.05; RandomUniform ±0.05",
            "jax": "initializers.normal() stddev=0.01",
        },
        signature="ratio of deviations",
        imitate='NAMED["he_uniform"]',
        fix={
            "torch": "nn.init.normal_(layer.weight, std={value})",
            "keras": "keras.initializers.RandomNormal(stddev={value})",
            "jax": "jax.nn.initializers.normal(stddev={value})",
        },
        reference=(
            'He et al., "Delving Deep into Rectifiers" (2015); PyTorch documentation, torch.nn.init'
        ),
        not_injectable="one draw does not tell it from init-law",
    ),
    Convention(
        id="orthogonal-init",
        stage="init",
        title="orthogonal initial values",
        statement=(
            "All draw a normal matrix and take its QR factor, with orthonormal rows (or columns). "
            "Layout decides which axis is orthonormal, Keras's LSTM draws one matrix over all four "
            "gates (H, 4H), Flax one (H, H) per gate."
        ),
        defaults={
            "torch": "orthogonal_ on (out, in): orthonormal rows",
            "keras": "orthogonal; LSTM recurrent kernel over the full (H, 4H)",
            "jax": "Flax LSTM: orthogonal per gate",
        },
        signature="W·Wᵀ = I as a whole or per block",
        imitate="Orthogonal(gain=2.0)",
        fix={
            "torch": (
                "[nn.init.orthogonal_(block) for block in rnn.weight_hh_l0.data.chunk(4)]  # per "
                "gate"
            ),
            "keras": "layers.LSTM(units, recurrent_initializer={value})",
        },
        reference=(
            'Saxe, McClelland and Ganguli, "Exact solutions to the nonlinear dynamics of learning '
            'in deep linear neural networks" (2014)'
        ),
        not_injectable="one draw does not tell it from init-law",
    ),
    Convention(
        id="initializer-instance-reuse",
        not_injectable="the layers of one draw have other sizes, or the draws are equal by chance",
        stage="init",
        title="one initializer object for several layers",
        statement=(
            "A Keras 3 initializer instance keeps its seed and returns the same values at every "
            "call, seeded or not. Layers of one shape that share an instance start identical; the "
            "string name makes a new instance for each layer."
        ),
        defaults={
            "keras": "an instance repeats its values (3.15, all backends)",
        },
        signature="two layers of equal shape have identical initial weights",
        left_out="laws are pure and the generator is explicit: drawing twice gives other values",
        fix={
            "keras": (
                "layers.Dense(units, kernel_initializer={value})  # a new instance, or its name, "
                "for each layer"
            ),
        },
        reference='Keras documentation, "Layer weight initializers"',
    ),
    Convention(
        id="init-law",
        stage="init",
        title="law of initial values",
        statement=(
            "The initial values of a parameter follow different laws on the two sides: another "
            "family (uniform, normal, truncated, constant) or another scale, such as U(0, 1) "
            "against U(±1/√fan_in). (`dense-init-default` and its kin where both are framework "
            "defaults.)"
        ),
        signature=(
            "the values lie outside the other law's support, or their distribution rejects it "
            "(Kolmogorov-Smirnov)"
        ),
        imitate="Uniform(low=0.0, high=1.0)",
        fix={
            "torch": (
                "with torch.no_grad(): layer.weight.copy_({value})  # for example "
                "nn.init.uniform_(weight, 0, 1)"
            ),
            "keras": "layers.Dense(units, kernel_initializer={value})",
            "tensorflow": "w = tf.Variable({value})",
            "jax": "nn.Dense(features, kernel_init={value})",
            "numpy": "w = {value}",
        },
        reference='Goodfellow, Bengio and Courville, "Deep Learning" (2016), section 8.4',
    ),
    Convention(
        id="init-value",
        stage="init",
        title="same law, another draw",
        statement=(
            "The initial values follow one law on both sides and are different draws of it, which "
            "no position in a shared stream explains. The two runs are as far apart as two seeds "
            "of one program."
        ),
        signature=(
            "values differ, distributions agree; loading one side's values into the other closes "
            "the difference"
        ),
        left_out="a draw, not a switch: parameters can be handed over",
        fix={
            "torch": (
                "model.load_state_dict(state)  # from the other side's arrays, weights transposed"
            ),
            "keras": "model.set_weights(arrays)",
            "tensorflow": (
                "[variable.load(array, session) for variable, array in zip(variables, arrays)]"
            ),
            "jax": "params = jax.tree.map(jnp.asarray, arrays)",
            "sklearn": "mlp.coefs_, mlp.intercepts_ = weights, biases",
            "numpy": "params.update((name, array.copy()) for name, array in arrays.items())",
        },
        reference=(
            'Picard, "torch.manual_seed(3407) is all you need: On the influence of random seeds in '
            'deep learning architectures for computer vision" (2021)'
        ),
    ),
)
