"""What the parts of a network are: layers, sizes, biases, padding."""

from __future__ import annotations

from netparity.catalogue.entry import Convention, among

STRUCTURE: tuple[Convention, ...] = (
    Convention(
        id="conv-correlation",
        stage="structure",
        title="convolution or cross-correlation",
        statement=(
            "Convolution layers of all frameworks compute cross-correlation, y[i] = Σₖ x[i + "
            "k]·w[k]. `np.convolve` and `scipy.signal.convolve` flip the kernel: y[i] = Σₖ x[i - "
            "k]·w[k]."
        ),
        defaults={
            "torch": "cross-correlation",
            "keras": "cross-correlation",
            "jax": "cross-correlation",
            "numpy": "np.convolve flips the kernel, np.correlate does not",
        },
        signature="equal after the kernel is turned by 180 degrees",
        imitate="Conv2D(3, 8, 3, flip=True)",
        switches=("Conv2D.flip", "DepthwiseConv2D.flip"),
        fix={
            "torch": "conv.weight.data = conv.weight.data.flip(-1, -2)",
            "numpy": 'y = np.correlate(x, w, mode="valid")',
        },
        reference='Goodfellow, Bengio and Courville, "Deep Learning" (2016), section 9.1',
    ),
    Convention(
        id="conv-default-padding",
        stage="structure",
        title="default padding of convolutions",
        statement=(
            'Left unset, the padding is none in torch and Keras and "SAME" in Flax, so that the '
            "outputs have other sizes."
        ),
        defaults={
            "torch": "padding=0",
            "keras": 'padding="valid"',
            "jax": 'Flax padding="SAME"',
        },
        signature="output shapes differ by k - 1",
        imitate='Conv2D(3, 8, 3, padding="same")',
        switches=("Conv2D.padding", "ConvTranspose2D.padding", "DepthwiseConv2D.padding"),
        when=among("padding", "same", "valid", 0),
        fix={
            "torch": "nn.Conv2d(inputs, outputs, kernel_size, padding={value})",
            "torch:padding": "nn.Conv2d(inputs, outputs, kernel_size, padding={value})",
            "keras": "layers.Conv2D(filters, kernel_size, padding={value})",
            "keras:padding": "layers.Conv2D(filters, kernel_size, padding={value})",
            "jax": "nn.Conv(features, kernel_size, padding={value})",
            "jax:padding=same": 'nn.Conv(features, kernel_size, padding="SAME")',
            "jax:padding=valid": 'nn.Conv(features, kernel_size, padding="VALID")',
        },
        reference='Keras documentation, "Conv2D layer"; Flax documentation, Conv',
        not_injectable="the layers behind it would no longer fit",
    ),
    Convention(
        id="conv-same-padding",
        stage="structure",
        title='where "same" pads with stride 2',
        statement=(
            "With stride 2 or an even kernel the total padding is odd. Keras, TensorFlow and JAX "
            "put the extra pixel at the end, (0, 1) for size 6, kernel 3, stride 2, whereas a "
            "hand-set `padding=1` in torch pads (1, 1): the grid is shifted by one pixel. torch's "
            '`padding="same"` refuses strides.'
        ),
        defaults={
            "torch": (
                'padding=1 is (1, 1); "same" raises for stride > 1; even kernels at stride 1 pad '
                "more at the end"
            ),
            "keras": "(0, 1) for n=6, k=3, s=2 on all backends",
            "tensorflow": "as Keras",
            "jax": '"SAME" pads (0, 1)',
            "numpy": "cs231n pads both sides alike",
        },
        signature="the interior of the output is shifted by one pixel; equal after padding (0, 1)",
        imitate="Conv2D(3, 8, 3, stride=2, padding=1)",
        switches=(
            "Conv2D.padding",
            "ConvTranspose2D.padding",
            "DepthwiseConv2D.padding",
            "AveragePool2D.padding",
        ),
        fix={
            "torch": "x = F.pad(x, (0, 1, 0, 1))  # before a convolution with padding=0",
            "keras": (
                'x = layers.ZeroPadding2D({value})(x)  # before a convolution with padding="valid"'
            ),
            "keras:padding=same": (
                'layers.Conv2D(filters, kernel_size, strides=strides, padding="same")'
            ),
            "jax": "nn.Conv(features, (3, 3), strides=2, padding={value})  # explicit pairs",
            "jax:padding=same": 'nn.Conv(features, (3, 3), strides=2, padding="SAME")',
        },
        reference='TensorFlow documentation, tf.nn, "Notes on padding"',
    ),
    Convention(
        id="pool-default-stride",
        stage="structure",
        title="default stride of pooling",
        statement=(
            "Left unset, the stride of pooling is the window in torch and Keras and 1 in Flax."
        ),
        defaults={
            "torch": "stride=kernel_size",
            "keras": "strides=pool_size",
            "jax": "Flax max_pool and avg_pool have stride 1",
        },
        signature="output shapes differ",
        imitate="MaxPool2D(2, stride=1)",
        switches=("MaxPool2D.stride", "AveragePool2D.stride"),
        fix={
            "torch": "nn.MaxPool2d(kernel_size, stride={value})",
            "keras": "layers.MaxPooling2D(pool_size, strides={value})",
            "jax": "nn.max_pool(x, window_shape, strides={value})",
        },
        reference="PyTorch documentation, torch.nn.MaxPool2d; Flax documentation, Pooling",
        not_injectable="the layers behind it would no longer fit",
    ),
    Convention(
        id="gru-reset-after",
        stage="structure",
        title="where a GRU's reset gate acts",
        statement=(
            "The candidate state is tanh(Wx + b + r·(Uh + c)), the reset after the product, in "
            "torch, Flax and Keras's default, and tanh(Wx + U(r·h) + b), the reset before it, with "
            "`reset_after=False` and in the original paper. The new state is z·h + (1 - z)·n in "
            "all."
        ),
        defaults={
            "torch": "after; gate order r, z, n",
            "keras": "reset_after=True; gate order z, r, h",
            "jax": "Flax GRUCell: after; r, z, n",
        },
        signature=(
            "outputs differ by about 0.1 after four steps; exact once the blocks and reset_after "
            "agree"
        ),
        imitate="GRU(8, 16, reset_after=False)",
        switches=("GRU.reset_after",),
        fix={
            "keras": "layers.GRU(units, reset_after={value})",
            "torch": (
                "torch.nn.GRU(inputs, hidden)  # always resets after the product: change the other "
                "side"
            ),
        },
        reference=(
            'Cho et al., "Learning Phrase Representations using RNN Encoder-Decoder" (2014); Keras '
            'documentation, "GRU layer"'
        ),
    ),
    Convention(
        id="gru-update-gate",
        stage="structure",
        title="what a GRU's update gate weighs",
        statement=(
            "The new state is z·h + (1 - z)·n in torch, Keras and Flax: the update gate keeps the "
            "old state. Chung et al., and programs written after them, have (1 - z)·h + z·n: it "
            "lets the candidate in."
        ),
        defaults={
            "torch": "z·h + (1 - z)·n",
            "keras": "z·h + (1 - z)·n",
            "jax": "Flax GRUCell: z·h + (1 - z)·n",
        },
        signature=(
            "outputs are equal once the update gate's block has the other sign in the kernels and "
            "biases"
        ),
        imitate='GRU(8, 16, update_gate="replaces")',
        switches=("GRU.update_gate",),
        fix={
            "numpy:update_gate=keeps": "h = z * h + (1 - z) * n",
            "numpy:update_gate=replaces": "h = (1 - z) * h + z * n",
            "numpy": "h = z * h + (1 - z) * n  # or the other way round, as the other side has it",
            "torch": "kernel[hidden:2 * hidden] *= -1  # the update gate's block, biases too",
            "keras": "kernel[:, :units] *= -1  # the update gate's block, biases too",
        },
        reference=(
            'Chung et al., "Empirical Evaluation of Gated Recurrent Neural Networks on Sequence '
            'Modeling" (2014); PyTorch documentation, torch.nn.GRU; Keras documentation, "GRU '
            'layer"'
        ),
    ),
    Convention(
        id="binary-output-units",
        stage="structure",
        title="one or two outputs for two classes",
        statement=(
            "A sigmoid on one logit z and a softmax on two logits are the same model where z = z₁ "
            "- z₀, but their parameters, initial values and gradients are not the same: each of "
            "the two logits moves by half."
        ),
        defaults={
            "sklearn": "one logistic unit",
        },
        signature="output widths 1 and 2; the difference of the two logits equals the one",
        left_out="two last layers, not a switch: of one and of two outputs",
        fix={
            "torch": "nn.Linear(inputs, {value})",
            "keras": "layers.Dense({value})",
        },
        reference='Bishop, "Pattern Recognition and Machine Learning" (2006), section 4.3',
    ),
    Convention(
        id="sklearn-mlpregressor-positional",
        not_injectable="it only raises",
        stage="structure",
        title="first argument of MLPRegressor",
        statement=(
            "In scikit-learn 1.9 the first positional parameter of MLPRegressor is `loss`, so that "
            "`MLPRegressor((100,))` raises; in MLPClassifier it is still `hidden_layer_sizes`."
        ),
        defaults={
            "sklearn": "MLPRegressor(loss=…) first since loss was added (1.9)",
        },
        signature="InvalidParameterError when the estimator is fitted",
        left_out="concerns a call in scikit-learn only",
        fix={
            "sklearn": "MLPRegressor(hidden_layer_sizes={value})",
        },
        reference="scikit-learn documentation, MLPRegressor",
    ),
    Convention(
        id="layer-missing",
        stage="structure",
        title="layer on one side only",
        statement=(
            "One side has a layer that the other lacks, so that the functions differ whatever the "
            "parameters are."
        ),
        signature=(
            "the chains of parameter shapes and layer outputs align only when one layer is left out"
        ),
        left_out="another network, not a switch: leave the layer out",
        fix={
            "torch": "model = nn.Sequential(*layers, {value})",
            "keras": "model.add({value})",
            "numpy": (
                "x = {value}  # the missing operation in the forward pass, its derivative in the "
                "backward pass"
            ),
        },
        reference='Goodfellow, Bengio and Courville, "Deep Learning" (2016), chapter 6',
    ),
    Convention(
        id="layer-width",
        stage="structure",
        title="layers of another size",
        statement=(
            "A layer has another number of units, channels or another kernel size on the two sides."
        ),
        signature="paired parameters have other shapes",
        imitate="Affine(inputs=2, outputs=5)",
        switches=(
            "Affine.inputs",
            "Affine.outputs",
            "Conv2D.inputs",
            "Conv2D.outputs",
            "ConvTranspose2D.outputs",
            "LSTM.units",
            "GRU.units",
            "SimpleRNN.units",
            "Embedding.dimensions",
        ),
        fix={
            "torch": "nn.Linear(inputs, {value})",
            "keras": "layers.Dense({value})",
            "sklearn": "MLPClassifier(hidden_layer_sizes={value})",
            "numpy": "w = np.zeros((inputs, {value}))",
        },
        reference='Goodfellow, Bengio and Courville, "Deep Learning" (2016), section 6.4',
    ),
    Convention(
        id="bias-absent",
        stage="structure",
        title="bias on one side only",
        statement=(
            "One side computes y = xW and the other y = xW + b. torch's Linear and Keras's Dense "
            "have a bias unless told otherwise. Even a bias that starts at 0 is trained, and lets "
            "a unit shift its threshold."
        ),
        defaults={
            "torch": "nn.Linear(…, bias=True)",
            "keras": "Dense(use_bias=True)",
            "jax": "Flax use_bias=True",
            "sklearn": "always a bias",
            "numpy": "small from-scratch programs often have none",
        },
        signature="a bias stands unpaired; with it set to 0 and held there the functions are equal",
        imitate="Affine(inputs=2, outputs=5, bias=False)",
        switches=(
            "Affine.bias",
            "Conv2D.bias",
            "ConvTranspose2D.bias",
            "DepthwiseConv2D.bias",
            "MultiHeadAttention.bias",
        ),
        fix={
            "torch": "nn.Linear(inputs, outputs, bias={value})",
            "keras": "layers.Dense(units, use_bias={value})",
            "tensorflow": "y = tf.matmul(x, w) + b  # or without b",
            "jax": "nn.Dense(features, use_bias={value})",
            "numpy": "z = x @ w + b  # with db = dz.sum(axis=0), or without both",
        },
        reference='PyTorch documentation, torch.nn.Linear; Keras documentation, "Dense layer"',
    ),
    Convention(
        id="parameter-unpaired",
        not_injectable="it is what stays where no pairing is found, not a change",
        stage="structure",
        title="parameter without a counterpart",
        statement=(
            "A parameter of one side has no counterpart of a fitting shape and role on the other, "
            "and it is no bias and no whole layer."
        ),
        signature="a parameter remains after the pairing",
        left_out="another network, not a switch",
        fix={
            "torch": (
                "print(dict(model.named_parameters()).keys())  # then compare with pairs left=right"
            ),
            "keras": "print([v.path for v in model.trainable_variables])",
            "numpy": "print({value})",
        },
        reference="PyTorch documentation, torch.nn.Module.named_parameters",
    ),
)
