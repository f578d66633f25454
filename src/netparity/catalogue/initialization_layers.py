"""Default initial values of particular layers."""

from __future__ import annotations

from netparity.catalogue.entry import Convention

INITIALIZATION_LAYERS: tuple[Convention, ...] = (
    Convention(
        id="conv-init-default",
        stage="init",
        title="default law of convolution kernels",
        statement=(
            "As for dense layers, with fans that count the window: torch U(±1/√(in·kh·kw)) for "
            "weight and bias; Keras Glorot-uniform with fans k²·in and k²·out; Flax truncated "
            "LeCun-normal with fan k²·in."
        ),
        defaults={
            "torch": "U(±1/√(in·kh·kw)), weight and bias",
            "keras": "glorot_uniform with fans k²·in, k²·out; bias zeros",
            "jax": "Flax lecun_normal with fan k²·in; bias zeros",
        },
        signature="ratio of deviations",
        imitate='partial(default_laws, framework="flax")',
        fix={
            "torch": "nn.init.xavier_uniform_(conv.weight); nn.init.zeros_(conv.bias)",
            "keras": "layers.Conv2D(filters, kernel_size, kernel_initializer={value})",
            "jax": "nn.Conv(features, kernel_size, kernel_init={value})",
        },
        reference='PyTorch documentation, torch.nn.Conv2d; Keras documentation, "Conv2D layer"',
    ),
    Convention(
        id="conv-transpose-init",
        stage="init",
        title="fan of transposed convolutions",
        statement=(
            "torch takes the fan-in of a transposed convolution from axis 1 of its weight, which "
            "holds the output channels: the bound is 1/√(out·kh·kw). Glorot's law is symmetric in "
            "the fans and does not notice."
        ),
        defaults={
            "torch": "U(±1/√(out·kh·kw))",
            "keras": "glorot_uniform, symmetric",
        },
        signature="the bound of the uniform law follows the number of output channels",
        imitate='partial(default_laws, framework="torch")',
        fix={
            "torch": "nn.init.xavier_uniform_(conv.weight)",
            "keras": "layers.Conv2DTranspose(filters, kernel_size, kernel_initializer={value})",
        },
        reference="PyTorch documentation, torch.nn.ConvTranspose2d",
    ),
    Convention(
        id="depthwise-init",
        stage="init",
        title="fans of depthwise kernels",
        statement=(
            "torch counts one input channel per group and draws from U(±1/√(kh·kw)); Keras counts "
            "fans k²·in and k²·m, which gives far smaller weights."
        ),
        defaults={
            "torch": "U(±1/√(k·k))",
            "keras": "glorot_uniform with fans k²·in, k²·m",
        },
        signature="ratio of deviations grows with the number of channels",
        imitate='partial(default_laws, framework="torch")',
        fix={
            "torch": (
                "nn.init.uniform_(conv.weight, -bound, bound)  # bound = (6 / (k * k * (inputs + "
                "m))) ** 0.5"
            ),
            "keras": "layers.DepthwiseConv2D(kernel_size, depthwise_initializer={value})",
        },
        reference='Keras documentation, "DepthwiseConv2D layer"',
    ),
    Convention(
        id="rnn-init-default",
        stage="init",
        title="default law of recurrent layers",
        statement=(
            "torch draws all recurrent parameters, both biases included, from U(±1/√H) with H the "
            "hidden size. Keras uses Glorot-uniform with a fan-out of 4H for the kernel, "
            "orthogonal for the recurrent kernel and zeros for the bias, except the forget gate."
        ),
        defaults={
            "torch": "U(±1/√H) for all",
            "keras": "kernel glorot_uniform, recurrent orthogonal",
            "jax": "Flax lecun_normal and orthogonal",
        },
        signature="ratio of deviations per parameter",
        imitate='partial(default_laws, framework="torch")',
        fix={
            "torch": (
                "nn.init.xavier_uniform_(rnn.weight_ih_l0); nn.init.orthogonal_(rnn.weight_hh_l0)"
            ),
            "keras": (
                "layers.LSTM(units, kernel_initializer={value}, recurrent_initializer={value})"
            ),
        },
        reference='PyTorch documentation, torch.nn.LSTM; Keras documentation, "LSTM layer"',
    ),
    Convention(
        id="rnn-forget-bias",
        stage="init",
        title="bias of the forget gate",
        statement=(
            "Keras starts the forget gate's bias at 1 so that the cell remembers at first; torch "
            "draws it like the rest and Flax starts it at 0."
        ),
        defaults={
            "torch": "random, U(±1/√H)",
            "keras": "unit_forget_bias=True: 1",
            "jax": "Flax 0",
        },
        signature="the forget block of one side's bias is exactly 1",
        imitate="Blocks((Constant(0.0), Constant(1.0), Constant(0.0), Constant(0.0)))",
        fix={
            "torch": "rnn.bias_ih_l0.data[hidden:2 * hidden] = {value}",
            "keras": "layers.LSTM(units, unit_forget_bias={value})",
        },
        reference=(
            'Jozefowicz, Zaremba and Sutskever, "An Empirical Exploration of Recurrent Network '
            'Architectures" (2015)'
        ),
    ),
    Convention(
        id="embedding-init",
        stage="init",
        title="default law of embeddings",
        statement=(
            "torch draws embeddings from N(0, 1), Keras from U(±0.05) with deviation 0.029, Flax "
            "from a normal of deviation 1/√features."
        ),
        defaults={
            "torch": "N(0, 1)",
            "keras": "U(±0.05)",
            "jax": "Flax deviation 1/√features",
        },
        signature="deviations 1, 0.029 or 1/√d",
        imitate='partial(default_laws, framework="keras")',
        fix={
            "torch": "nn.init.uniform_(embedding.weight, -0.05, 0.05)",
            "keras": "layers.Embedding(tokens, features, embeddings_initializer={value})",
            "jax": "nn.Embed(tokens, features, embedding_init={value})",
        },
        reference=(
            'PyTorch documentation, torch.nn.Embedding; Keras documentation, "Embedding layer"'
        ),
    ),
    Convention(
        id="prelu-init",
        stage="init",
        title="start and sharing of PReLU's slope",
        statement=(
            "torch starts PReLU with one shared slope of 0.25, Keras with a slope of 0 for each "
            "element of the feature map, Flax with one slope of 0.01."
        ),
        defaults={
            "torch": "0.25, one scalar",
            "keras": "zeros, one per element (shared_axes=None)",
            "jax": "Flax 0.01, one scalar",
        },
        signature="slope parameters differ in value and shape",
        imitate="Constant(0.25)",
        fix={
            "torch": "nn.PReLU(num_parameters=count, init={value})",
            "keras": (
                "layers.PReLU(alpha_initializer=keras.initializers.Constant({value}), "
                "shared_axes=axes)"
            ),
            "jax": "nn.PReLU(negative_slope_init={value})",
        },
        reference='He et al., "Delving Deep into Rectifiers" (2015)',
    ),
    Convention(
        id="norm-layer-init",
        stage="init",
        title="start of normalization layers",
        statement=(
            "Scale 1 and offset 0 in all frameworks; another start is a choice of one program, "
            "such as a zero scale at the end of residual branches."
        ),
        defaults={
            "torch": "weight 1, bias 0",
            "keras": "gamma 1, beta 0",
            "jax": "Flax scale 1, bias 0",
        },
        signature="gamma 1 and beta 0 on one side only",
        imitate='NAMED["ones"]',
        fix={
            "torch": "nn.init.constant_(norm.weight, {value})",
            "keras": (
                "layers.BatchNormalization(gamma_initializer=keras.initializers.Constant({value}))"
            ),
        },
        reference='Ioffe and Szegedy, "Batch Normalization" (2015)',
    ),
)
