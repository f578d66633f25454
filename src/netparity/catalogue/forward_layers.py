"""Pooling, resizing, attention, dropout and recurrence in the forward pass."""

from __future__ import annotations

from netparity.catalogue.entry import Convention, sum_to

FORWARD_LAYERS: tuple[Convention, ...] = (
    Convention(
        id="avgpool-count-include-pad",
        stage="forward",
        title="divisor of average pooling at the border",
        statement=(
            "A window that reaches into the padding is divided by its full size in torch and Flax "
            "(padding counts) and by the real pixels in Keras on TensorFlow and JAX. For a 3x3 "
            "window border cells differ by 9/6 and 9/4. Keras on torch replicates the edge where "
            '"same" padding is asymmetric.'
        ),
        defaults={
            "torch": "count_include_pad=True",
            "keras": (
                "excludes padding on TensorFlow and JAX; on torch excludes it for symmetric "
                "padding and replicates the edge for asymmetric (3.15.1)"
            ),
            "jax": "Flax count_include_pad=True",
        },
        signature="only border cells differ, by ratios such as 9/6 and 9/4",
        imitate='AveragePool2D(3, 1, padding="same", count_include_pad=False)',
        switches=("AveragePool2D.count_include_pad",),
        fix={
            "torch": "nn.AvgPool2d(kernel_size, padding=padding, count_include_pad={value})",
            "jax": "nn.avg_pool(x, window_shape, padding=padding, count_include_pad={value})",
        },
        reference="PyTorch documentation, torch.nn.AvgPool2d",
    ),
    Convention(
        id="maxpool-padding",
        stage="forward",
        title="value that pads max pooling",
        statement=(
            "torch and Keras pad max pooling with -∞; padding with zeros by hand turns the border "
            "into max(0, ·) and cuts off negative values."
        ),
        defaults={
            "torch": "-∞",
            "keras": "-∞",
            "numpy": "np.pad fills with 0 unless told otherwise",
        },
        signature="zeros at the border where all inputs are negative",
        imitate='MaxPool2D(3, 1, padding=1, pad_value="zero")',
        switches=("MaxPool2D.pad_value", "MaxPool2D.padding"),
        fix={
            "torch": "F.max_pool2d(x, kernel_size, padding=padding)  # instead of F.pad before it",
            "numpy": "x = np.pad(x, widths, constant_values=-np.inf)",
        },
        reference="PyTorch documentation, torch.nn.MaxPool2d",
    ),
    Convention(
        id="upsample-default-mode",
        stage="forward",
        title="default interpolation of upsampling",
        statement=(
            "torch's Upsample and Keras's UpSampling2D repeat the nearest pixel unless told "
            "otherwise; a program that interpolates bilinearly differs everywhere but at the "
            "sample points."
        ),
        defaults={
            "torch": "nearest",
            "keras": "nearest",
        },
        signature="outputs are piecewise constant on one side",
        imitate='UpSample2D(2, mode="bilinear")',
        switches=("UpSample2D.mode",),
        fix={
            "torch": "nn.Upsample(scale_factor=scale, mode={value})",
            "torch:mode": "nn.Upsample(scale_factor=scale, mode={value})",
            "keras": "layers.UpSampling2D(size, interpolation={value})",
            "keras:mode": "layers.UpSampling2D(size, interpolation={value})",
        },
        reference="PyTorch documentation, torch.nn.Upsample",
    ),
    Convention(
        id="sequence-pooling",
        stage="forward",
        title="mean or sum over the steps of a sequence",
        statement=(
            "A bag of words is the mean of its words' vectors or their sum. The mean is the "
            "default of EmbeddingBag and what GlobalAveragePooling1D takes; the sum is as many "
            "times larger as there are steps, and so is the gradient at the vectors."
        ),
        defaults={
            "torch": "EmbeddingBag mode='mean'",
            "keras": "GlobalAveragePooling1D: mean",
            "tensorflow": "embedding_lookup_sparse combiner='mean'",
        },
        signature="the ratio of the outputs is the number of steps",
        imitate='GlobalPool1D("sum")',
        switches=("GlobalPool1D.reduction",),
        fix={
            "torch": "nn.EmbeddingBag(tokens, dimensions, mode={value})",
            "torch:reduction=mean": "x = x.mean(dim=1)",
            "torch:reduction=sum": "x = x.sum(dim=1)",
            "keras:reduction=mean": "layers.GlobalAveragePooling1D()",
            "keras:reduction=sum": "layers.Lambda(lambda x: keras.ops.sum(x, axis=1))",
            "tensorflow:reduction=mean": "x = tf.reduce_mean(x, axis=1)",
            "tensorflow:reduction=sum": "x = tf.reduce_sum(x, axis=1)",
            "jax:reduction=mean": "x = x.mean(axis=1)",
            "jax:reduction=sum": "x = x.sum(axis=1)",
            "numpy:reduction=mean": "x = x.mean(axis=1)",
            "numpy:reduction=sum": "x = x.sum(axis=1)",
        },
        reference="PyTorch documentation, torch.nn.EmbeddingBag",
    ),
    Convention(
        id="upsample-align-corners",
        stage="forward",
        title="sampling grid of bilinear resizing",
        statement=(
            "The grid can match half pixels (the default of torch, Keras, TF 2 and JAX), corners "
            "(`align_corners=True`: corner values stay exact), or the upper left of each pixel (TF "
            "1 resize_bilinear). Away from the border the outputs are close, at the border they "
            "are not."
        ),
        defaults={
            "torch": "half-pixel; align_corners=False",
            "keras": "half-pixel",
            "tensorflow": "tf.image.resize half-pixel; compat.v1 resize_bilinear asymmetric",
            "jax": "half-pixel",
        },
        signature="differences grow toward one border, or vanish at the corners",
        imitate='UpSample2D(2, mode="bilinear", grid="align-corners")',
        switches=("UpSample2D.grid",),
        fix={
            "torch": 'F.interpolate(x, scale_factor=scale, mode="bilinear", align_corners={value})',
            "torch:grid=align-corners": (
                'F.interpolate(x, scale_factor=scale, mode="bilinear", align_corners=True)'
            ),
            "torch:grid=half-pixel": (
                'F.interpolate(x, scale_factor=scale, mode="bilinear", align_corners=False)'
            ),
            "tensorflow": "tf.compat.v1.image.resize_bilinear(x, size, half_pixel_centers={value})",
        },
        reference=(
            "PyTorch documentation, torch.nn.functional.interpolate; TensorFlow documentation, "
            "tf.image.resize"
        ),
    ),
    Convention(
        id="resize-antialias",
        not_injectable="it is not in the reference network",
        stage="forward",
        title="smoothing when images shrink",
        statement=(
            "jax.image.resize smooths before it samples down, the others do not unless asked. A "
            "4x4 ramp shrunk to 2x2 begins with 2.5 without and 3.571 with smoothing."
        ),
        defaults={
            "torch": "antialias=False",
            "keras": "Resizing antialias=False",
            "tensorflow": "antialias=False",
            "jax": "antialias=True",
        },
        signature="outputs agree when enlarging and differ when shrinking",
        left_out="downsampling is not in the reference network",
        fix={
            "torch": 'F.interpolate(x, size=size, mode="bilinear", antialias={value})',
            "keras": "layers.Resizing(height, width, antialias={value})",
            "tensorflow": "tf.image.resize(x, size, antialias={value})",
            "jax": 'jax.image.resize(x, shape, method="bilinear", antialias={value})',
        },
        reference="JAX documentation, jax.image.resize",
    ),
    Convention(
        id="attention-scale",
        stage="forward",
        title="scale of attention scores",
        statement=(
            "Scaled dot-product attention divides the scores by √d. torch's "
            "scaled_dot_product_attention and Keras's MultiHeadAttention do; Keras's Attention "
            "layer does not scale by default."
        ),
        defaults={
            "torch": "1/√d",
            "keras": "Attention: none; MultiHeadAttention: 1/√d",
        },
        signature="scores before the softmax have the ratio √d",
        imitate="Attention(scale=1.0)",
        switches=("Attention.scale", "MultiHeadAttention.scale"),
        fix={
            "torch": "F.scaled_dot_product_attention(query, key, value, scale={value})",
            "keras": "outputs = layers.Attention()([query * {value}, values, key])",
        },
        reference='Vaswani et al., "Attention Is All You Need" (2017)',
    ),
    Convention(
        id="dropout-rate-vs-keep",
        stage="forward",
        title="argument of dropout: drop or keep",
        statement=(
            "The number given to a dropout layer is the probability p to drop a unit in torch, "
            "Keras, Flax and tf.nn.dropout, and the probability to keep one in "
            "`tf.compat.v1.nn.dropout` (keep_prob) and in cs231n since 2017. Copied unchanged it "
            "means 1 - p: 0.7 keeps 70 % on one side and drops 70 % on the other. Only 0.5 hides "
            "it."
        ),
        defaults={
            "torch": "probability to drop",
            "keras": "probability to drop",
            "tensorflow": (
                "tf.nn.dropout(rate): drop; tf.compat.v1.nn.dropout: the positional argument is "
                "keep_prob"
            ),
            "jax": "Flax Dropout(rate): drop",
            "numpy": "cs231n since 2017: p keeps; before: p drops",
        },
        signature=(
            "the share of zeros is p on one side and 1 - p on the other; survivors are scaled by "
            "1/(1 - p) and 1/p"
        ),
        imitate="Dropout(rate=1 - 0.7)",
        switches=("Dropout.rate",),
        when=sum_to("rate", 1.0),
        fix={
            "torch": "nn.Dropout(p={value})  # the probability to drop",
            "keras": "layers.Dropout({value})  # the probability to drop: 1 - keep_prob",
            "tensorflow": "tf.compat.v1.nn.dropout(x, rate={value})  # keep_prob is 1 - rate",
            "jax": "nn.Dropout(rate={value})",
            "numpy": (
                "mask = (rng.random(x.shape) >= {value}) / (1 - {value})  # {value}: the "
                "probability to drop"
            ),
        },
        reference=(
            'Srivastava et al., "Dropout: A Simple Way to Prevent Neural Networks from '
            'Overfitting" (JMLR 2014); TensorFlow documentation, tf.compat.v1.nn.dropout'
        ),
    ),
    Convention(
        id="dropout-inverted",
        stage="forward",
        title="when dropout scales",
        statement=(
            "Inverted dropout divides the surviving units by 1 - p in training and does nothing in "
            "inference; plain dropout, as in the paper, leaves training alone and multiplies by 1 "
            "- p in inference. Expectations agree, activations and gradients of a training step do "
            "not."
        ),
        defaults={
            "torch": "inverted",
            "keras": "inverted",
            "jax": "inverted",
            "numpy": "either: the plain form multiplies by the keep probability at test time",
        },
        signature=(
            "training activations have the ratio 1/(1 - p), or inference outputs the ratio 1 - p"
        ),
        imitate='Dropout(0.5, scaling="plain")',
        switches=("Dropout.scaling",),
        fix={
            "torch": (
                "y = nn.functional.dropout(x, p) * (1 - p)  # in training, to imitate the plain "
                "form"
            ),
            "keras": "x = layers.Dropout(rate)(x)  # inverted: change the other side",
            "numpy": "mask = (rng.random(x.shape) >= p) / (1 - p)  # and no scaling at test time",
        },
        reference=(
            'Srivastava et al., "Dropout: A Simple Way to Prevent Neural Networks from '
            'Overfitting" (JMLR 2014); Stanford CS231n notes, "Neural Networks Part 2"'
        ),
    ),
    Convention(
        id="dropout-training-flag",
        stage="forward",
        title="when dropout is active",
        statement=(
            "torch's `F.dropout` drops units even inside a module in eval mode, unless it is given "
            "`training=self.training`; tf.nn.dropout always drops; a fresh NNX module drops; a "
            "Keras layer called without a flag does not."
        ),
        defaults={
            "torch": "nn.Dropout follows the module's mode; F.dropout has training=True by default",
            "keras": "off unless training=True",
            "tensorflow": "tf.nn.dropout always on",
            "jax": "a fresh NNX Dropout is on",
        },
        signature="predictions vary from run to run in inference mode",
        imitate="Context(training=True)",
        fix={
            "torch": "x = F.dropout(x, p, training=self.training)",
            "keras": "y = model(x, training={value})",
            "tensorflow": (
                "tf.compat.v1.nn.dropout(x, rate=rate)  # with rate a placeholder fed 0 in "
                "inference"
            ),
            "jax": "model.eval()  # NNX; Linen: deterministic=True",
        },
        reference="PyTorch documentation, torch.nn.functional.dropout",
    ),
    Convention(
        id="spatial-dropout",
        stage="forward",
        title="units or whole channels",
        statement=(
            "Dropout2d in torch and SpatialDropout2D in Keras drop whole channels of a sample; the "
            "plain layers drop single elements."
        ),
        defaults={
            "torch": "nn.Dropout2d: whole channels",
            "keras": "SpatialDropout2D: whole channels",
        },
        signature="zeros come in complete channels on one side",
        imitate="Dropout(0.5, channel_axis=-1)",
        switches=("Dropout.channel_axis",),
        fix={
            "torch": "nn.Dropout2d(p=rate)",
            "torch:channel_axis=None": "nn.Dropout(p=rate)",
            "keras": "layers.SpatialDropout2D(rate)",
            "keras:channel_axis=None": "layers.Dropout(rate)",
        },
        reference=(
            'Tompson et al., "Efficient Object Localization Using Convolutional Networks" (2015)'
        ),
    ),
    Convention(
        id="dropout-rate-value",
        stage="forward",
        title="rate of dropout",
        statement=(
            "Both sides mean the probability to drop (or both to keep), but the numbers differ."
        ),
        signature="the shares of dropped units differ, and are not each other's complement",
        imitate="Dropout(rate=0.3)",
        switches=("Dropout.rate",),
        fix={
            "torch": "nn.Dropout(p={value})",
            "keras": "layers.Dropout({value})",
            "tensorflow": "tf.nn.dropout(x, rate={value})",
            "jax": "nn.Dropout(rate={value})",
            "numpy": "p = {value}",
        },
        reference=(
            'Srivastava et al., "Dropout: A Simple Way to Prevent Neural Networks from '
            'Overfitting" (JMLR 2014)'
        ),
    ),
    Convention(
        id="dropout-rate-ignored",
        not_injectable="it only raises",
        stage="forward",
        title="rate outside (0, 1)",
        statement=(
            'A rate of 0, 1 or beyond is an error on one side and quietly taken for "no dropout" '
            "on the other, so that a number meant in percent or as keep probability 1 switches "
            "dropout off."
        ),
        signature="one side draws no mask, the other drops all units or raises",
        left_out="a rate outside [0, 1] is refused",
        fix={
            "torch": "nn.Dropout(p={value})  # between 0 and 1",
            "keras": "layers.Dropout({value})",
            "numpy": "p = {value}  # and raise unless 0 <= p < 1",
        },
        reference='Keras documentation, "Dropout layer"',
    ),
    Convention(
        id="rnn-gate-activation",
        stage="forward",
        title="activation of a recurrent gate",
        statement=(
            "A gate uses another function than the sigmoid, such as the hard sigmoid, in its old "
            "form clip(0.2x + 0.5) (Keras 1 and 2's earlier LSTM) or its new form clip(x/6 + 0.5)."
        ),
        defaults={
            "torch": "sigmoid, fixed",
            "keras": 'recurrent_activation="sigmoid" (Keras 3)',
        },
        signature="gates saturate at exactly 0 and 1; outputs fit with the other function",
        imitate='LSTM(8, 16, gate_activation="hard-sigmoid")',
        switches=("LSTM.gate_activation", "GRU.gate_activation"),
        fix={
            "torch": "torch.nn.LSTM(inputs, hidden)  # always the sigmoid: change the other side",
            "keras": "layers.LSTM(units, recurrent_activation={value})",
            "keras:gate_activation=hard-sigmoid": (
                'layers.LSTM(units, recurrent_activation="hard_sigmoid")'
            ),
            "numpy": "gate = 1 / (1 + np.exp(-z))",
        },
        reference='Keras documentation, "LSTM layer"',
    ),
    Convention(
        id="forward-bug",
        stage="forward",
        title="layer that computes no known convention",
        statement=(
            "A layer's output is neither that of the other side nor that of any known variant, at "
            "equal parameters and input."
        ),
        signature="the layer's output differs above the floor and no candidate reaches it",
        left_out="any mistake whatever: there is no switch for it",
        fix={
            "torch": "print(layer(x))  # compare this layer alone, on the same input",
            "numpy": "print(forward_layer(x))  # compare this layer alone, on the same input",
        },
        reference='Goodfellow, Bengio and Courville, "Deep Learning" (2016), section 11.5',
        bug=True,
    ),
)
