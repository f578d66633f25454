"""Scale, type and shape of what is fed."""

from __future__ import annotations

from netparity.catalogue.entry import Convention

DATA_VALUES: tuple[Convention, ...] = (
    Convention(
        id="pixel-scaling",
        stage="data",
        title="scale of pixels",
        statement=(
            "torchvision's ToTensor divides bytes by 255 and moves channels first; Keras casts "
            "bytes to floats from 0 to 255. The first layer's gradient is then 255 times larger on "
            "one side."
        ),
        defaults={
            "torch": "ToTensor: divided by 255, CHW",
            "keras": "no scaling",
            "sklearn": "no scaling",
        },
        signature="x_right = 255·x_left, up to centring; first-layer gradients have the ratio 255",
        left_out="a matter of the data handed over",
        fix={
            "torch": "x = x.float() / {value}",
            "keras": "x = layers.Rescaling(1 / {value})(x)",
            "numpy": "x = x.astype(np.float32) / {value}",
        },
        reference='torchvision documentation, ToTensor; Keras documentation, "Rescaling layer"',
    ),
    Convention(
        id="std-ddof",
        stage="data",
        title="deviation with n or n - 1",
        statement=(
            "torch's std and var divide by n - 1, NumPy, TensorFlow, JAX, Keras's Normalization "
            "and scikit-learn's StandardScaler by n. Standardized data differ by √(n/(n-1))."
        ),
        defaults={
            "torch": "correction=1",
            "keras": "Normalization: divides by n",
            "tensorflow": "divides by n",
            "jax": "divides by n",
            "sklearn": "StandardScaler: divides by n",
            "numpy": "ddof=0",
        },
        signature="ratio √(n/(n-1)) in all columns",
        left_out="a matter of the data handed over",
        fix={
            "torch": "x.std(dim=0, correction={value})",
            "numpy": "x.std(axis=0, ddof={value})",
            "jax": "jnp.std(x, axis=0, ddof={value})",
        },
        reference="PyTorch documentation, torch.std; NumPy documentation, numpy.std",
    ),
    Convention(
        id="dtype-default",
        stage="data",
        title="width of floats",
        statement=(
            "NumPy computes in float64 and the frameworks in float32 unless told otherwise: Keras "
            "casts its inputs, JAX silently truncates, torch's Linear refuses float64 inputs, "
            "scikit-learn follows its input. Rounding is 1e-7 instead of 1e-16."
        ),
        defaults={
            "torch": "float32; float64 input to a float32 Linear raises",
            "keras": "casts input to float32",
            "tensorflow": "constants from Python numbers float32, from NumPy arrays float64",
            "jax": "float32 unless jax_enable_x64",
            "sklearn": "float32 if X is float32, else float64",
            "numpy": "float64",
        },
        signature=(
            "noise near 1e-7 on one side and 1e-16 on the other; gone when both run in float64"
        ),
        left_out="an argument of the Solver, `dtype`",
        fix={
            "torch": "model = model.double()",
            "keras": (
                'keras.config.set_floatx("float64"); keras.config.set_dtype_policy("float64")  # '
                "before any layer"
            ),
            "tensorflow": "x = tf.constant(x, dtype=tf.float64)",
            "jax": 'jax.config.update("jax_enable_x64", True)',
            "sklearn": "x = x.astype(np.float64)",
            "numpy": "x = x.astype(np.float32)",
        },
        reference=(
            'PyTorch documentation, torch.set_default_dtype; JAX documentation, "Common gotchas", '
            "double precision"
        ),
    ),
    Convention(
        id="label-encoding",
        stage="data",
        title="integer or one-hot labels",
        statement=(
            "torch's cross-entropy takes int64 classes or float probabilities and refuses int32; "
            "Keras's CategoricalCrossentropy takes one-hot rows and its Sparse kin integers. A "
            "wrong encoding raises, or is broadcast into another loss."
        ),
        defaults={
            "torch": "int64 classes or float probabilities",
            "keras": "Categorical for one-hot, Sparse for integers",
        },
        signature="targets of shape (N,) against (N, C)",
        left_out="both are read: whole numbers and one-hot rows",
        fix={
            "torch": "y = y.long()",
            "keras": "y = keras.utils.to_categorical(y, {value})",
            "numpy": "y = np.eye(classes)[labels]",
        },
        reference=(
            'PyTorch documentation, torch.nn.CrossEntropyLoss; Keras documentation, "Probabilistic '
            'losses"'
        ),
        not_injectable="it only raises, or is another loss",
    ),
    Convention(
        id="label-shape-broadcast",
        stage="data",
        title="targets (N,) against predictions (N, 1)",
        statement=(
            "ŷ - y with shapes (N, 1) and (N,) broadcasts to (N, N), and the loss becomes the mean "
            "of (ŷᵢ - yⱼ)² over all pairs: every prediction is pulled to the mean target. torch's "
            "mse_loss warns, NumPy and raw JAX are silent, Keras aligns the shapes."
        ),
        defaults={
            "torch": "mse_loss broadcasts with a warning; binary cross-entropy raises",
            "keras": "aligns (N,) with (N, 1); (N, 1) against (N, 3) still broadcasts",
            "jax": "optax.l2_loss raises; sigmoid_binary_cross_entropy and jnp broadcast",
            "numpy": "broadcasts",
        },
        signature="loss = var(ŷ) + var(y) + (mean ŷ - mean y)²; predictions collapse to the mean",
        left_out="refused or aligned, never broadcast",
        fix={
            "torch": "y = y.reshape(prediction.shape)",
            "jax": "y = y.reshape(prediction.shape)",
            "numpy": "y = y.reshape(-1, 1)",
        },
        reference='NumPy documentation, "Broadcasting"',
    ),
    Convention(
        id="preprocessing",
        stage="data",
        title="inputs or targets prepared differently",
        statement=(
            "Inputs or targets reach the network scaled, centred, clipped, reordered or encoded in "
            "another way. (`pixel-scaling`, `std-ddof` or `label-encoding` where they fit.)"
        ),
        signature="rows fed at the same step are an affine or another function of each other",
        left_out="a matter of the data handed over",
        fix={
            "torch": "x = transform(x)  # {value}",
            "keras": "x = preprocess(x)  # {value}",
            "numpy": "x = (x - mean) / deviation  # {value}",
        },
        reference='Goodfellow, Bengio and Courville, "Deep Learning" (2016), section 12.2.1',
    ),
)
