"""Seeds, generators and streams."""

from __future__ import annotations

from netparity.catalogue.entry import Convention

RNG_SEEDS: tuple[Convention, ...] = (
    Convention(
        id="seed-scope",
        stage="rng",
        title="what a seed function seeds",
        statement=(
            "Each seed call reaches some generators only: `torch.manual_seed` torch's, "
            "`tf.random.set_seed` TensorFlow's, `np.random.seed` NumPy's legacy global one and no "
            "`default_rng`, `random.seed` Python's. A program that seeds one of them and draws "
            "from another is not seeded."
        ),
        defaults={
            "torch": "manual_seed: torch only, neither NumPy nor Python",
            "keras": "keras.utils.set_random_seed: Python's random, NumPy and the backend",
            "tensorflow": "tf.random.set_seed: TensorFlow only",
            "numpy": "np.random.seed: the legacy global generator only",
        },
        signature=(
            "built twice in fresh processes with the same seed call, the side draws different "
            "weights or masks"
        ),
        fix={
            "torch": "random.seed({value}); np.random.seed({value}); torch.manual_seed({value})",
            "keras": (
                "keras.utils.set_random_seed({value})  # seeds Python's random, NumPy and the "
                "backend"
            ),
            "tensorflow": "tf.keras.utils.set_random_seed({value})",
            "numpy": "rng = np.random.default_rng({value})  # and pass rng on",
        },
        reference=(
            'Keras documentation, "Python & NumPy utilities", set_random_seed; PyTorch notes, '
            '"Reproducibility"'
        ),
    ),
    Convention(
        id="keras-seed-source",
        stage="rng",
        title="Keras draws layer seeds from Python's random",
        statement=(
            "An unseeded Keras 3 initializer or dropout layer takes its seed from Python's "
            "`random` module when it is made. `random.seed` alone therefore fixes the initial "
            "weights, and `np.random.seed`, `tf.random.set_seed` or `torch.manual_seed` alone do "
            "not."
        ),
        defaults={
            "keras": "seeds of layers come from Python's random (3.15, all backends)",
        },
        signature=(
            "initial weights repeat across fresh processes with random.seed and do not with "
            "np.random.seed"
        ),
        fix={
            "keras": "keras.utils.set_random_seed({value})  # before the model is built",
            "tensorflow": "tf.keras.utils.set_random_seed({value})",
        },
        reference=(
            'Keras documentation, "Random operations", SeedGenerator; "Python & NumPy utilities", '
            "set_random_seed"
        ),
        not_injectable="a stream's detail: the draw shows as another value",
    ),
    Convention(
        id="keras-init-across-backends",
        not_injectable="it needs two Keras backends in one process",
        stage="rng",
        title="the same Keras seed on another backend",
        statement=(
            "A Keras seed leads to other numbers on TensorFlow, JAX and torch, because each "
            "backend uses its own generator. The laws are equal, the draws are not."
        ),
        defaults={
            "keras": "other draws per backend (3.15)",
        },
        signature="weights differ under equal seeds; their distributions agree",
        fix={
            "keras": (
                "model.set_weights(weights)  # saved once with get_weights() and loaded on both"
            ),
        },
        reference='Keras documentation, "Random operations"',
    ),
    Convention(
        id="rng-stream-position",
        stage="rng",
        title="position in the random stream",
        statement=(
            "Both models are built from one sequential stream, and the second starts where the "
            "first stopped, or an extra layer or bias in between shifts all later draws. Nothing "
            "differs in the models; rewinding the stream makes the weights equal."
        ),
        defaults={
            "torch": "one sequential global stream",
            "keras": "layer seeds drawn one after another from Python's random",
            "jax": (
                "Linen derives keys from the module path, so that other layers keep their draws; "
                "NNX counts"
            ),
        },
        signature=(
            "weights differ with equal laws; rebuilt from the same generator state they are equal "
            "bit by bit, and the order of building swaps them"
        ),
        fix={
            "torch": "torch.manual_seed({value})  # again, right before the second model is built",
            "keras": (
                "keras.utils.set_random_seed({value})  # again, right before the second model is "
                "built"
            ),
            "tensorflow": (
                "tf.keras.utils.set_random_seed({value})  # again, before the second model"
            ),
            "jax": "params = model.init(jax.random.key({value}), x)  # the same key for both",
            "numpy": "rng = np.random.default_rng({value})  # again, before the second build",
        },
        reference='PyTorch notes, "Reproducibility"; Flax documentation, "Randomness and PRNGs"',
    ),
    Convention(
        id="same-seed-different-stream",
        stage="rng",
        title="one seed, another generator",
        statement=(
            "Frameworks use different generators (Mersenne Twister, PCG64, Philox, Threefry), so "
            "that an equal seed gives unrelated numbers. The first N(0,1) number of seed 0 is "
            "1.541 in torch, 1.7641 in NumPy's RandomState, 0.1257 in `default_rng`, 1.6226 in JAX "
            "and 1.5111 in TensorFlow."
        ),
        defaults={
            "torch": "seed 0 begins with 1.541, -0.2934",
            "tensorflow": "seed 0 begins with 1.5111",
            "jax": "key 0 begins with 1.6226",
            "numpy": "seed 0 begins with 1.7641 (RandomState) or 0.1257 (default_rng)",
        },
        signature="equal laws, uncorrelated draws",
        fix={
            "torch": (
                "layer.weight.data = torch.from_numpy(weights.T.copy())  # drawn once in NumPy"
            ),
            "keras": "layer.set_weights([weights, biases])  # drawn once in NumPy for both sides",
            "tensorflow": "w = tf.Variable(weights)  # drawn once in NumPy for both sides",
            "jax": "params = jax.tree.map(jnp.asarray, weights)",
            "numpy": (
                "rng = np.random.default_rng({value})  # draw once, give the arrays to both sides"
            ),
        },
        reference=(
            'NumPy documentation, "Random Generator"; JAX documentation, "Pseudorandom numbers"'
        ),
        not_injectable="a stream's detail: the draw shows as another value",
    ),
    Convention(
        id="layout-transposes-init",
        stage="rng",
        title="drawing in another layout",
        statement=(
            "`randn(inputs, outputs)` and `randn(outputs, inputs).T` from the same generator hold "
            "the same numbers in other places. Equal seeds and laws still give other networks if "
            "one side stores the transpose."
        ),
        defaults={
            "numpy": "randn(in, out) is not randn(out, in).T",
        },
        signature=(
            "sorted values are equal, the arrays are not, not even transposed; reading one row by "
            "row in the other's shape makes them equal"
        ),
        fix={
            "numpy": (
                "weight = rng.standard_normal((inputs, outputs)).T  # draw in one layout, then "
                "transpose"
            ),
            "torch": "layer.weight.data = torch.from_numpy(draw.T.copy())",
        },
        reference="NumPy documentation, numpy.random.Generator.standard_normal",
        not_injectable="a stream's detail: the draw shows as another value",
    ),
    Convention(
        id="torch-randn-vectorised-16",
        not_injectable="a stream's detail: the draw shows as another value",
        stage="rng",
        title="torch.randn changes its stream at 16 elements",
        statement=(
            "On the CPU `torch.randn(n)` uses a vectorized path from 16 elements on, with other "
            "numbers than the scalar path below. The first entries of `randn(15)` and `randn(16)` "
            "differ under one seed; `torch.rand` has no such jump."
        ),
        defaults={
            "torch": "other streams for n < 16 and n ≥ 16 (2.13)",
        },
        signature="the first 15 values differ between the two lengths",
        fix={
            "torch": "weight = torch.randn(large)[:n]  # draw at one length, then cut",
        },
        reference='PyTorch documentation, torch.randn; PyTorch notes, "Reproducibility"',
    ),
    Convention(
        id="dataloader-consumes-rng",
        stage="rng",
        title="DataLoader draws from the global generator",
        statement=(
            "Each pass over a torch DataLoader draws a base seed from the default generator, even "
            "with `shuffle=False`. Dropout masks and later draws shift against a program that "
            "slices arrays itself."
        ),
        defaults={
            "torch": "consumes the default generator once per iterator",
        },
        signature="masks agree in a loop without DataLoader and differ with it",
        fix={
            "torch": (
                "DataLoader(dataset, batch_size=batch_size, "
                "generator=torch.Generator().manual_seed({value}))"
            ),
        },
        reference="PyTorch documentation, torch.utils.data",
        not_injectable="a stream's detail: the draw shows as another value",
    ),
    Convention(
        id="dropout-rng-use",
        stage="rng",
        title="what dropout draws",
        statement=(
            "A torch dropout layer in eval mode or with p = 0 draws nothing, so that switching "
            "modes shifts the stream; a Keras Dropout layer has a generator of its own that moves "
            "on at each training call."
        ),
        defaults={
            "torch": "no draw in eval mode or at p=0",
            "keras": "Dropout(seed) owns a stream, advanced at every call",
        },
        signature=(
            "masks differ after an evaluation in between, or after a layer's rate was set to 0"
        ),
        fix={
            "torch": "torch.manual_seed({value})  # before each step whose masks must repeat",
            "keras": "layers.Dropout(rate, seed={value})",
        },
        reference='PyTorch documentation, torch.nn.Dropout; Keras documentation, "Dropout layer"',
        not_injectable="a stream's detail: the draw shows as another value",
    ),
    Convention(
        id="tf-op-seed",
        stage="rng",
        title="TensorFlow combines a global and an operation seed",
        statement=(
            "In TensorFlow a random operation's stream depends on the global seed and on its own "
            "seed or on a counter of operations since the global seed was set. Adding an operation "
            "changes the draws of all that follow; setting the seed again restarts the counter."
        ),
        defaults={
            "tensorflow": "global seed with an operation counter",
        },
        signature="draws change when an unrelated random operation is inserted",
        fix={
            "tensorflow": "tf.random.stateless_normal(shape, seed=[{value}, 0])",
        },
        reference="TensorFlow documentation, tf.random.set_seed",
        not_injectable="a stream's detail: the draw shows as another value",
    ),
    Convention(
        id="sklearn-random-state",
        stage="rng",
        title="scikit-learn's stream",
        statement=(
            "The MLP estimators draw from `RandomState(random_state)`: for each layer W uniform, "
            "then b uniform, in order; shuffling goes on with the same generator."
        ),
        defaults={
            "sklearn": "RandomState(seed): uniform W1, b1, W2, b2, … (1.9)",
        },
        signature="np.random.RandomState(seed).uniform reproduces the first weight matrix",
        fix={
            "sklearn": "MLPClassifier(random_state={value})",
            "numpy": (
                "rng = np.random.RandomState({value}); w = rng.uniform(-bound, bound, (inputs, "
                "outputs))"
            ),
        },
        reference="scikit-learn glossary, random_state",
        not_injectable="a stream's detail: the draw shows as another value",
    ),
    Convention(
        id="torch-dtype-stream",
        not_injectable="a stream's detail: the draw shows as another value",
        stage="rng",
        title="float32 and float64 draws in torch",
        statement=(
            "With fewer than 16 elements `torch.randn` gives the same numbers, up to rounding, in "
            "float32 and float64; from 16 on the vectorized path need not. A run repeated in "
            "float64 may therefore start elsewhere."
        ),
        defaults={
            "torch": "the same stream for both widths below 16 elements (2.13)",
        },
        signature="initial values of the float64 run are no refinement of those of the float32 run",
        fix={
            "torch": "model = model.double()  # convert float32 weights rather than draw again",
        },
        reference="PyTorch documentation, torch.randn",
    ),
)
