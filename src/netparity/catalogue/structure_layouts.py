"""Layouts: the same numbers under other axes and orders."""

from __future__ import annotations

from netparity.catalogue.entry import Convention

STRUCTURE_LAYOUTS: tuple[Convention, ...] = (
    Convention(
        id="dense-weight-layout",
        stage="structure",
        title="orientation of dense weights",
        statement=(
            "A dense layer is y = xW + b with W of shape (in, out) in Keras, Flax, scikit-learn "
            "and most NumPy programs, and y = xWᵀ + b with W of shape (out, in) in torch. For a "
            "square layer a missing transpose raises nothing and computes another function."
        ),
        defaults={
            "torch": "(out, in)",
            "keras": "kernel (in, out)",
            "jax": "Flax kernel (in, out)",
            "sklearn": "coefs_ (in, out)",
            "numpy": "mostly (in, out); column-vector texts use (out, in) with W·x + b",
        },
        signature=(
            "shapes are transposed; for square layers the outputs differ while one side's array "
            "equals the other's transpose"
        ),
        left_out="one layout, (D, M), is kept; the adapters transpose",
        fix={
            "torch": "layer.weight.data = torch.from_numpy(kernel.T.copy())",
            "keras": "layer.set_weights([weight.T, bias])",
            "jax": "kernel = jnp.asarray(weight.T)",
            "sklearn": "mlp.coefs_[layer] = weight.T",
            "numpy": "w = weight.T.copy()",
        },
        reference='PyTorch documentation, torch.nn.Linear; Keras documentation, "Dense layer"',
    ),
    Convention(
        id="conv-kernel-layout",
        stage="structure",
        title="axes of convolution kernels",
        statement=(
            "torch stores a 2-D kernel as (out, in/groups, height, width), Keras and Flax as "
            "(height, width, in, out). Copying needs the permutation (2, 3, 1, 0) from torch and "
            "(3, 2, 0, 1) to torch."
        ),
        defaults={
            "torch": "(out, in/groups, kh, kw)",
            "keras": "(kh, kw, in, out)",
            "jax": "Flax (kh, kw, in, out)",
            "numpy": "cs231n (F, C, HH, WW) on NCHW",
        },
        signature="the same set of kernel values under permuted axes",
        left_out="one layout, (kh, kw, in, out), is kept; the adapters permute",
        fix={
            "torch": "conv.weight.data = torch.from_numpy(kernel.transpose(3, 2, 0, 1).copy())",
            "keras": "conv.set_weights([weight.transpose(2, 3, 1, 0), bias])",
            "jax": "kernel = jnp.transpose(weight, (2, 3, 1, 0))",
            "numpy": "w = kernel.transpose(3, 2, 0, 1).copy()",
        },
        reference='PyTorch documentation, torch.nn.Conv2d; Keras documentation, "Conv2D layer"',
    ),
    Convention(
        id="depthwise-kernel-layout",
        stage="structure",
        title="axes of depthwise kernels",
        statement=(
            "A depthwise kernel with multiplier m is (in·m, 1, kh, kw) in torch, (kh, kw, in, m) "
            "in Keras and (kh, kw, 1, in·m) in Flax. Output channel c·m + j belongs to input "
            "channel c in each."
        ),
        defaults={
            "torch": "groups=in, weight (in·m, 1, kh, kw)",
            "keras": "(kh, kw, in, m)",
            "jax": "feature_group_count=in, kernel (kh, kw, 1, in·m)",
        },
        signature="the same set of kernel values under permuted axes",
        left_out="one layout is kept; the adapters permute",
        fix={
            "torch": (
                "conv.weight.data = torch.from_numpy(kernel.transpose(2, 3, 0, 1).reshape(-1, 1, "
                "kh, kw))"
            ),
            "keras": (
                "layer.set_weights([weight.reshape(inputs, m, kh, kw).transpose(2, 3, 0, 1), bias])"
            ),
        },
        reference=(
            'Keras documentation, "DepthwiseConv2D layer"; PyTorch documentation, torch.nn.Conv2d'
        ),
    ),
    Convention(
        id="conv-transpose-kernel-layout",
        stage="structure",
        title="axes and flip of transposed convolutions",
        statement=(
            "A transposed convolution's kernel is (in, out, kh, kw) in torch, (kh, kw, out, in) in "
            "Keras and (kh, kw, in, out) in Flax. With `transpose_kernel=False`, its default, "
            "Flax's kernel is moreover flipped in space against the other two."
        ),
        defaults={
            "torch": "(in, out, kh, kw)",
            "keras": "(kh, kw, out, in)",
            "jax": "Flax (kh, kw, in, out), flipped unless transpose_kernel=True",
        },
        signature="the kernel is flipped in space or has in and out exchanged",
        imitate="ConvTranspose2D(8, 3, 3, flip=True)",
        switches=("ConvTranspose2D.flip",),
        fix={
            "torch": "conv.weight.data = torch.from_numpy(kernel.transpose(3, 2, 0, 1).copy())",
            "keras": "layer.set_weights([weight.transpose(2, 3, 1, 0), bias])",
            "jax": "nn.ConvTranspose(features, kernel_size, transpose_kernel=True)",
        },
        reference=(
            'Dumoulin and Visin, "A guide to convolution arithmetic for deep learning" (2016); '
            "Flax documentation, ConvTranspose"
        ),
    ),
    Convention(
        id="flatten-order",
        stage="structure",
        title="order of flattening feature maps",
        statement=(
            "Flattening NCHW puts pixel (c, h, w) at c·H·W + h·W + w, flattening NHWC at h·W·C + "
            "w·C + c. The dense layer after it needs its rows permuted."
        ),
        defaults={
            "torch": "channel first: c·H·W + h·W + w",
            "keras": "channel last: h·W·C + w·C + c",
            "jax": "reshape of NHWC, as Keras",
        },
        signature=(
            "feature maps agree after a transpose, the next dense layer's output does not, until "
            "its rows are permuted"
        ),
        imitate='Flatten(order="CHW", layout="NHWC")',
        switches=("Flatten.order", "Flatten.layout"),
        fix={
            "torch": "x = x.permute(0, 2, 3, 1).flatten(1)  # flatten in NHWC order",
            "keras": "x = layers.Flatten()(layers.Permute((3, 1, 2))(x))  # flatten in NCHW order",
            "numpy": (
                "w = w.reshape(h, width, c, -1).transpose(2, 0, 1, 3).reshape(h * width * c, -1)"
            ),
        },
        reference='PyTorch documentation, torch.nn.Flatten; Keras documentation, "Flatten layer"',
    ),
    Convention(
        id="rnn-weight-layout",
        stage="structure",
        title="parameters of recurrent layers",
        statement=(
            "torch has W_ih (4H, I), W_hh (4H, H) and two biases; Keras a kernel (I, 4H), a "
            "recurrent kernel (H, 4H) and one bias (two rows in a GRU with reset_after); Flax one "
            "kernel per gate with the bias on one side. Two biases act as their sum, but both "
            "receive its gradient, so that under SGD their sum moves twice as fast as one bias."
        ),
        defaults={
            "torch": "W_ih, W_hh, b_ih, b_hh",
            "keras": "kernel, recurrent_kernel, one bias (GRU with reset_after: shape (2, 3H))",
            "jax": (
                "Flax: one kernel per gate, LSTM bias on the hidden side, GRU bias on ir, iz, in "
                "and hn"
            ),
        },
        signature=(
            "bias counts differ: b_keras = b_ih + b_hh; after a step of SGD Δ(b_ih + b_hh) = "
            "2Δb_keras for LSTM and simple RNN"
        ),
        imitate='LSTM(8, 16, bias="two")',
        switches=("LSTM.bias", "GRU.bias", "SimpleRNN.bias"),
        fix={
            "torch": (
                "rnn.bias_hh_l0.requires_grad_(False).zero_()  # b_ih then acts as the only bias; "
                "LSTM and RNN"
            ),
            "keras": "layer.set_weights([w_ih.T, w_hh.T, b_ih + b_hh])",
        },
        reference='PyTorch documentation, torch.nn.LSTM; Keras documentation, "LSTM layer"',
    ),
    Convention(
        id="lstm-gate-order",
        stage="structure",
        title="order of LSTM gate blocks",
        statement=(
            "The four blocks of an LSTM's kernels stand in the order input, forget, cell, output "
            "in torch and Keras; the cells of TF 1 have input, cell, forget, output and add a "
            "forget bias of 1 when they run. Flax names its gates."
        ),
        defaults={
            "torch": "i, f, g, o",
            "keras": "i, f, c, o, the same order",
            "tensorflow": "TF 1 BasicLSTMCell: i, j, f, o, with forget_bias=1 added at run time",
            "jax": "Flax: named gates",
        },
        signature="a permutation of the four blocks makes the outputs equal",
        imitate='LSTM(8, 16, gate_order="ijfo")',
        switches=("LSTM.gate_order",),
        fix={
            "torch": "weight = weight.reshape(4, hidden, -1)[[0, 2, 1, 3]].reshape(4 * hidden, -1)",
            "keras": (
                "kernel = np.concatenate([np.split(kernel, 4, axis=1)[i] for i in (0, 2, 1, 3)], "
                "axis=1)"
            ),
        },
        reference=(
            'Hochreiter and Schmidhuber, "Long Short-Term Memory" (1997); Keras documentation, '
            '"LSTM layer"'
        ),
    ),
    Convention(
        id="gru-gate-order",
        stage="structure",
        title="order of GRU gate blocks",
        statement=(
            "A GRU's kernels and biases hold their blocks in the order reset, update, new in torch "
            "and update, reset, candidate in Keras. Copied as they are, the two gates change "
            "places."
        ),
        defaults={
            "torch": "r, z, n",
            "keras": "z, r, h",
            "jax": "Flax: named gates r, z, n",
        },
        signature="exchanging the first two blocks makes the outputs equal",
        imitate='GRU(8, 16, gate_order="rzn")',
        switches=("GRU.gate_order",),
        fix={
            "torch": "weight = weight.reshape(3, hidden, -1)[[1, 0, 2]].reshape(3 * hidden, -1)",
            "keras": (
                "kernel = np.concatenate([np.split(kernel, 3, axis=1)[i] for i in (1, 0, 2)], "
                "axis=1)"
            ),
        },
        reference='PyTorch documentation, torch.nn.GRU; Keras documentation, "GRU layer"',
    ),
    Convention(
        id="rnn-batch-first",
        stage="structure",
        title="axis of time",
        statement=(
            "Recurrent layers of torch read (time, batch, features) unless `batch_first=True`; "
            "Keras and Flax read (batch, time, features). Fed with the other order they run, and "
            "treat the batch as time."
        ),
        defaults={
            "torch": "(T, N, F)",
            "keras": "(N, T, F)",
            "jax": "Flax nn.RNN (N, T, F), time_major=False",
        },
        signature="outputs agree after the first two axes are exchanged",
        imitate="LSTM(8, 16, time_major=True)",
        switches=("LSTM.time_major", "GRU.time_major", "SimpleRNN.time_major"),
        fix={
            "torch": "torch.nn.LSTM(inputs, hidden, batch_first=True)",
            "keras": "x = keras.ops.swapaxes(x, 0, 1)  # keep (N, T, F)",
            "jax": "nn.RNN(cell, time_major={value})",
        },
        reference="PyTorch documentation, torch.nn.LSTM",
        not_injectable="it only raises, unless there are as many rows as steps",
    ),
    Convention(
        id="mha-param-layout",
        stage="structure",
        title="parameters of attention",
        statement=(
            "torch stacks the query, key and value projections into one (3E, E) matrix with a "
            "stacked bias; Keras and Flax keep three kernels (E, heads, depth) and an output "
            "kernel (heads, depth, E)."
        ),
        defaults={
            "torch": "in_proj_weight (3E, E), rows q, k, v; biases 0",
            "keras": "three kernels (E, h, d), output (h, d, E)",
            "jax": "Flax query, key, value (E, h, d), out (h, d, E)",
        },
        signature="equal after a reshape and a transpose",
        left_out="one layout is kept; the adapters permute",
        fix={
            "torch": (
                "attention.in_proj_weight.data = torch.cat([k.reshape(e, -1).T for k in (query, "
                "key, value)])"
            ),
            "keras": "query = in_proj[:e].T.reshape(e, heads, e // heads)",
        },
        reference=(
            "PyTorch documentation, torch.nn.MultiheadAttention; Keras documentation, "
            '"MultiHeadAttention layer"'
        ),
    ),
    Convention(
        id="layer-order",
        stage="structure",
        title="layers in another order",
        statement=(
            "Both sides have the same layers in another order, such as normalization before or "
            "after the activation, or dropout before or after pooling."
        ),
        signature="the outputs of a side are reproduced once two layers are exchanged",
        left_out="another network, not a switch: put the layers in the other order",
        fix={
            "torch": "nn.Sequential({value})",
            "keras": "keras.Sequential([{value}])",
            "numpy": "{value}  # in this order in the forward pass, backwards in the other",
        },
        reference='He et al., "Identity Mappings in Deep Residual Networks" (2016)',
    ),
)
