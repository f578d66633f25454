"""What floating point alone does."""

from __future__ import annotations

from netparity.catalogue.entry import Convention

RNG_NUMERICS: tuple[Convention, ...] = (
    Convention(
        id="sum-order-threads",
        not_injectable="it is what the pairs with nothing changed are made of",
        stage="rng",
        title="order of summation",
        statement=(
            "Floating-point addition is not associative: pairwise, blocked and sequential sums of "
            "the same numbers differ in the last bits, and with them results at other thread "
            "counts or batch shapes. For a million N(0,1) numbers in float32 the absolute error is "
            "5e-5 to 3e-4, and 3e-2 for a naive sequential sum."
        ),
        defaults={
            "torch": (
                "1 and 2 threads agreed bit by bit on the CPU tested; other batch shapes do not "
                "(2.13)"
            ),
            "tensorflow": "about 3e-4 on that sum (2.21)",
            "numpy": "pairwise",
        },
        signature="differences at the roundoff of the width, gone down nine orders in float64",
        fix={
            "torch": "torch.set_num_threads(1); torch.use_deterministic_algorithms(True)",
            "tensorflow": "tf.config.experimental.enable_op_determinism()",
            "numpy": "np.sum(x, dtype=np.float64)",
        },
        reference='Higham, "The accuracy of floating point summation" (1993)',
    ),
    Convention(
        id="matmul-precision",
        not_injectable="it needs a GPU",
        stage="rng",
        title="reduced precision of matrix products on GPUs",
        statement=(
            "On recent GPUs float32 products may run in TF32, with 10 bits of mantissa. TensorFlow "
            "allows it by default; torch allows it in cuDNN convolutions and not in matrix "
            "products; JAX follows the backend's default (bfloat16 passes on TPUs)."
        ),
        defaults={
            "torch": 'matmul precision "highest", cudnn.allow_tf32=True (2.13)',
            "tensorflow": "TF32 enabled on GPU (2.21)",
            "jax": "jax_default_matmul_precision=None, the backend's default (0.10)",
        },
        signature="relative errors near 1e-3 on a GPU that vanish on the CPU",
        fix={
            "torch": (
                "torch.backends.cudnn.allow_tf32 = False; "
                'torch.set_float32_matmul_precision("highest")'
            ),
            "tensorflow": "tf.config.experimental.enable_tensor_float_32_execution(False)",
            "jax": 'jax.config.update("jax_default_matmul_precision", "highest")',
        },
        reference=(
            'PyTorch notes, "CUDA semantics", TensorFloat-32; TensorFlow documentation, '
            "enable_tensor_float_32_execution"
        ),
    ),
    Convention(
        id="predict-vs-call-bitwise",
        not_injectable="rounding of one framework against itself",
        stage="rng",
        title="batch composition changes the last bits",
        statement=(
            "A row's output can differ in the last bits between a batch of one and a larger batch, "
            "because matrix kernels block by shape: 4e-8 to 9e-8 on probabilities in float32. It "
            "is rounding, not a difference of the models."
        ),
        defaults={
            "torch": "a one-row product is not bit-equal to the row of a batched product",
            "keras": (
                "model(x) equals predict(x, batch_size=len(x)); one row against a batch differs by "
                "4e-8 to 7e-8"
            ),
        },
        signature="differences of about 1e-7 that depend on the batch size",
        fix={
            "keras": "model.predict(x, batch_size=len(x))",
            "torch": "y = model(x)  # with the same rows in each batch on both sides",
        },
        reference='Higham, "Accuracy and Stability of Numerical Algorithms" (2002), chapter 4',
    ),
    Convention(
        id="python-hash-seed",
        not_injectable="it acts between two processes, and a pair lives in one",
        stage="rng",
        title="iteration order of sets",
        statement=(
            "Python randomizes string hashes in each process: iterating over a set of parameter "
            "names gives another order in each run, so that draws and updates are assigned to "
            "other parameters. Dictionaries keep their insertion order."
        ),
        defaults={
            "numpy": "set order depends on PYTHONHASHSEED",
        },
        signature=(
            "two runs of one program differ, with initial values swapped between parameters of "
            "equal shape"
        ),
        fix={
            "numpy": "for name in sorted(names): ...",
        },
        reference='Python documentation, "Command line and environment", PYTHONHASHSEED',
    ),
    Convention(
        id="float32-noise",
        not_injectable="rounding itself: it is what the pairs with nothing changed are made of",
        stage="rng",
        title="float32 rounding noise",
        statement=(
            "In float32, a network of five dense layers agrees with its float64 twin to 6e-7 in "
            "the logits and 4e-7 in the gradients after one step. SGD keeps that for some tens of "
            "steps; Adam turns it into 1e-5 to 2e-4 of the parameters at once, because it divides "
            "by gradients of that size."
        ),
        defaults={
            "torch": "float32 by default",
            "keras": "float32 by default",
            "tensorflow": "float32 by default",
            "jax": "float32 by default",
            "numpy": "float64 by default",
        },
        signature="differences collapse to 1e-13 or less when both sides run in float64",
        fix={
            "torch": "torch.set_default_dtype(torch.float64)",
            "keras": (
                'keras.config.set_floatx("float64"); keras.config.set_dtype_policy("float64")  # '
                "before any layer is made"
            ),
            "jax": 'jax.config.update("jax_enable_x64", True)',
            "numpy": "x = x.astype(np.float64)",
        },
        reference=(
            'Goldberg, "What every computer scientist should know about floating-point arithmetic" '
            "(1991)"
        ),
    ),
    Convention(
        id="float32-constants",
        stage="rng",
        title="constants rounded to float32 in a float64 run",
        statement=(
            "With floatx float64 on TensorFlow and JAX, Keras passes Python constants (momentum, "
            "β, L2 coefficients, leaky slopes) through float32: 0.9 becomes 0.8999999761581421, "
            "and an L2 of 0.1 acts as 0.10000000149. Constants that are exact in binary (0.875, "
            "0.125) are not affected. Optimizers of TF 1 do the same to constants and learning "
            "rate."
        ),
        defaults={
            "torch": "the derivative of hardsigmoid has 1/6 rounded (2.13)",
            "keras": "constants through float32 on TensorFlow and JAX, learning rate exact (3.15)",
            "tensorflow": (
                "TF 1 optimizers round constants and rate; tf.nn.leaky_relu its slope, tf.nn.gelu "
                "its constants (2.21)"
            ),
        },
        signature=(
            "the fitted constant equals float32(constant) to the last bit; relative size up to "
            "6e-8, in Adam's first update 6.7e-6"
        ),
        imitate="L2(coefficient=float(np.float32(0.1)), factor=1.0)",
        switches=("Adam.beta_power", "GELU.constants", "HardSigmoid.derivative", "NAdam.rounding"),
        fix={
            "keras": (
                "kernel_regularizer=keras.regularizers.L2({value})  # a value exact in binary "
                "shows no rounding"
            ),
            "tensorflow": "learning_rate = tf.constant({value}, tf.float64)",
            "torch": (
                "float(np.float32({value}))  # to give the other side the same rounded constant"
            ),
            "numpy": "reg = float(np.float32({value}))  # to use the same rounded constant",
        },
        reference='IEEE 754-2019; Keras documentation, "Backend utilities", floatx',
        not_injectable="Keras and TensorFlow do it of themselves: their pairs have it unasked",
    ),
    Convention(
        id="float32-compute",
        stage="rng",
        title="float32 arithmetic behind a float64 label",
        statement=(
            "A run labelled float64 does part of its arithmetic in float32: Keras on torch "
            "computes matrix products and means so, and Keras on JAX rounds the loss it returns. "
            "Results carry 2e-7 of noise where 1e-16 is expected."
        ),
        defaults={
            "keras": (
                "on torch products and means (2e-7), on JAX the returned loss (6e-8), in float64 "
                "mode (3.15)"
            ),
        },
        signature=(
            "outputs labelled float64 differ from the float64 twin by about 1e-7 and agree with a "
            "float32 run"
        ),
        fix={
            "keras": 'os.environ["KERAS_BACKEND"] = "tensorflow"  # before keras is imported',
        },
        reference='Keras documentation, "Mixed precision policy API"',
        not_injectable="Keras and TensorFlow do it of themselves: their pairs have it unasked",
    ),
    Convention(
        id="nondeterministic",
        stage="rng",
        title="the side differs from itself",
        statement=(
            "Run twice from the same parameters, state and random state, the side gives two "
            "results: it draws from an unseeded generator, uses nondeterministic kernels, depends "
            "on thread timing or keeps hidden state."
        ),
        signature="run-to-run difference above the rounding floor",
        fix={
            "torch": "torch.manual_seed({value}); torch.use_deterministic_algorithms(True)",
            "keras": "keras.utils.set_random_seed({value})",
            "tensorflow": "tf.config.experimental.enable_op_determinism()",
            "numpy": "rng = np.random.default_rng({value})",
        },
        reference=(
            'PyTorch notes, "Reproducibility"; TensorFlow documentation, enable_op_determinism'
        ),
    ),
)
