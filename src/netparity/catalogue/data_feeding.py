"""Which rows are fed, in which portions and order."""

from __future__ import annotations

from netparity.catalogue.entry import Convention

DATA_FEEDING: tuple[Convention, ...] = (
    Convention(
        id="shuffle-default",
        stage="data",
        title="is data shuffled by default?",
        statement=(
            "Keras's fit and scikit-learn shuffle unless told otherwise; a torch DataLoader does "
            "not. The batches then hold other rows, although each epoch covers the same."
        ),
        defaults={
            "torch": "DataLoader shuffle=False",
            "keras": "fit shuffle=True",
            "sklearn": "shuffle=True",
            "numpy": "np.random.shuffle or permutation, where a program shuffles",
        },
        signature="batch losses differ; the losses per sample, sorted, agree",
        imitate='Batches(32, sampling="sequential")',
        fix={
            "torch": "DataLoader(dataset, batch_size=batch_size, shuffle={value})",
            "keras": "model.fit(x, y, shuffle={value})",
            "sklearn": "MLPClassifier(shuffle={value})",
            "numpy": "rows = np.arange(len(x))  # or one permutation, given to both sides",
        },
        reference=(
            'PyTorch documentation, torch.utils.data; Keras documentation, "Model training APIs", '
            "fit"
        ),
    ),
    Convention(
        id="keras-fit-shuffle-replay",
        not_injectable=(
            "it is a replay of Keras's own shuffle: two sides that shuffle are fed by themselves"
        ),
        stage="data",
        title="seeded Keras on TensorFlow repeats one permutation",
        statement=(
            "After `set_random_seed` or `tf.random.set_seed`, fit on the TensorFlow backend uses "
            "the same order in every epoch and every call; unseeded, and on the JAX and torch "
            "backends, each epoch has an order of its own."
        ),
        defaults={
            "keras": "TensorFlow backend with a global seed: one permutation for all epochs (3.15)",
        },
        signature="epochs e and e + 1 have the same order; batch losses look periodic",
        left_out="a replay of Keras's; rows can be fed in any order by hand",
        fix={
            "keras": (
                "model.fit(tf.data.Dataset.from_tensor_slices((x, "
                "y)).shuffle(len(x)).batch({value}))"
            ),
            "numpy": "order = first_permutation  # replayed in each epoch, to imitate it",
        },
        reference=(
            'Keras documentation, "Model training APIs", fit; TensorFlow documentation, '
            "tf.random.set_seed"
        ),
    ),
    Convention(
        id="shuffle-buffer",
        stage="data",
        title="tf.data shuffles within a buffer",
        statement=(
            "`Dataset.shuffle(buffer)` draws from a window of `buffer` elements: row k can come no "
            "earlier than place k - buffer + 1. With a buffer smaller than the data, sorted data "
            "stays nearly sorted."
        ),
        defaults={
            "tensorflow": "local shuffle",
        },
        signature="no row comes more than buffer - 1 places early",
        left_out="feeding by tf.data only; rows can be fed in any order by hand",
        fix={
            "tensorflow": "dataset = dataset.shuffle({value})  # at least the number of rows",
            "keras": "model.fit(dataset.shuffle({value}).batch(batch_size))  # at least all rows",
            "torch": "DataLoader(dataset, batch_size=batch_size, shuffle=True)  # no buffer",
            "numpy": "order = rng.permutation(len(x))  # instead of a buffer of a few rows",
        },
        reference="TensorFlow documentation, tf.data.Dataset.shuffle",
    ),
    Convention(
        id="shuffle-reshuffle",
        stage="data",
        title="new order in each epoch",
        statement=(
            "tf.data draws a new order for each iteration over the data set, even with a fixed "
            "seed, unless `reshuffle_each_iteration=False`."
        ),
        defaults={
            "tensorflow": "reshuffles each iteration",
        },
        signature="order differs from epoch to epoch on one side and repeats on the other",
        left_out="feeding by tf.data only; rows can be fed in any order by hand",
        fix={
            "tensorflow": "dataset.shuffle(len(x), seed=seed, reshuffle_each_iteration={value})",
            "torch": "DataLoader(dataset, shuffle=True, generator=generator)  # made once",
            "numpy": "order = rng.permutation(len(x))  # with rng made once, before all epochs",
        },
        reference="TensorFlow documentation, tf.data.Dataset.shuffle",
    ),
    Convention(
        id="validation-split-tail",
        stage="data",
        title="rows held out for validation",
        statement=(
            "Keras's `validation_split` takes the last rows, before any shuffling; scikit-learn's "
            "early stopping takes a random, stratified part. On data sorted by class the tail "
            "lacks classes, and the training rows are others."
        ),
        defaults={
            "keras": "the last fraction, before shuffling",
            "sklearn": "early_stopping uses a shuffled train_test_split, stratified for classes",
        },
        signature="the training rows of one side are x[:n(1-f)]",
        imitate='partial(split_rows, held_out="random")',
        fix={
            "keras": (
                "model.fit(x[train], y[train], validation_data=(x[validation], y[validation]))"
            ),
            "sklearn": "MLPClassifier(early_stopping=False)  # and hold the rows out by hand",
            "torch": (
                "train, validation = Subset(dataset, range(n)), Subset(dataset, range(n, "
                "len(dataset)))"
            ),
            "numpy": "x_train, x_validation = x[:n], x[n:]",
        },
        reference='Keras documentation, "Model training APIs", fit, validation_split',
    ),
    Convention(
        id="partial-batch-kept",
        stage="data",
        title="last, smaller batch",
        statement=(
            "If the batch does not divide the rows, frameworks keep the remainder as a smaller "
            "batch; a loop over `N // B` drops it. The epochs then differ in steps, and with them "
            "Adam's counter and schedules."
        ),
        defaults={
            "torch": "kept (drop_last=False)",
            "keras": "kept",
            "tensorflow": "kept (drop_remainder=False)",
            "sklearn": "kept",
            "numpy": "N // B iterations drop it (cs231n solver); range(0, N, B) keeps it",
        },
        signature="steps per epoch are the ceiling on one side and the floor on the other",
        imitate='Batches(32, partial="dropped")',
        fix={
            "torch": "DataLoader(dataset, batch_size=batch_size, drop_last={value})",
            "keras": "model.fit(dataset.batch(batch_size, drop_remainder={value}))",
            "tensorflow": "dataset.batch(batch_size, drop_remainder={value})",
            "numpy": "for start in range(0, len(x), batch_size): ...",
        },
        reference=(
            'PyTorch documentation, torch.utils.data; Keras documentation, "Model training APIs", '
            "fit"
        ),
    ),
    Convention(
        id="sampling-with-replacement",
        stage="data",
        title="batches drawn with replacement",
        statement=(
            "`np.random.choice(N, B)` draws rows with replacement: a batch can hold a row twice, "
            "and N/B such batches reach only about 63 % of the rows (1 - 1/e). Shuffled epochs "
            "reach each row exactly once."
        ),
        defaults={
            "torch": "RandomSampler draws without replacement",
            "keras": "fit permutes, without replacement",
            "numpy": "np.random.choice(N, B), as in the cs231n solver, replaces",
        },
        signature="a row stands twice in a batch; rows seen in an epoch are fewer than N",
        imitate='Batches(32, sampling="replacement")',
        fix={
            "torch": (
                "DataLoader(dataset, sampler=RandomSampler(dataset, replacement={value}), "
                "batch_size=batch_size)"
            ),
            "keras": (
                "model.train_on_batch(x[rows], y[rows])  # with rows drawn as on the other side"
            ),
            "numpy": (
                "rows = rng.permutation(len(x))[start:start + batch_size]  # each row once an epoch"
            ),
        },
        reference=(
            'NumPy documentation, numpy.random.Generator.choice; Bottou, "Curiously Fast '
            'Convergence of some Stochastic Gradient Descent Algorithms" (2009)'
        ),
    ),
    Convention(
        id="batch-size-default",
        stage="data",
        title="default batch size",
        statement=(
            "Left unset, the batch is 1 row in a torch DataLoader, 32 in Keras's fit and min(200, "
            "N) in scikit-learn."
        ),
        defaults={
            "torch": "1",
            "keras": "32",
            "sklearn": '"auto": min(200, N)',
        },
        signature="steps per epoch differ",
        imitate="Batches(1)",
        fix={
            "torch": "DataLoader(dataset, batch_size={value})",
            "keras": "model.fit(x, y, batch_size={value})",
            "sklearn": "MLPClassifier(batch_size={value})",
        },
        reference=(
            'PyTorch documentation, torch.utils.data; Keras documentation, "Model training APIs", '
            "fit"
        ),
        not_injectable="the value is what acts: it is changed as batch-size-value",
    ),
    Convention(
        id="batch-size-value",
        stage="data",
        title="number of rows per batch",
        statement=(
            "The sides feed batches of another size, so that the gradients average over other rows "
            "and an epoch has another number of updates."
        ),
        signature="rows per step and steps per epoch differ",
        imitate="Batches(64)",
        fix={
            "torch": "DataLoader(dataset, batch_size={value})",
            "keras": "model.fit(x, y, batch_size={value})",
            "tensorflow": "dataset.batch({value})",
            "sklearn": "MLPClassifier(batch_size={value})",
            "numpy": "batch_size = {value}",
        },
        reference='Goodfellow, Bengio and Courville, "Deep Learning" (2016), section 8.1.3',
    ),
    Convention(
        id="batch-order",
        stage="data",
        title="order in which rows are fed",
        statement=(
            "Both sides feed each row once an epoch in batches of the same size, in another order: "
            "unlike permutations, or shuffled against in order. (`shuffle-default` where each "
            "follows its framework.)"
        ),
        signature="the set of rows of an epoch is equal, the rows of the batches are not",
        left_out="the order of the rows handed over, not a switch",
        fix={
            "torch": (
                "DataLoader(dataset, batch_size=batch_size, sampler={value})  # one list of rows "
                "for both"
            ),
            "keras": "model.fit(x[order], y[order], shuffle=False)",
            "tensorflow": (
                "session.run(train_op, feed_dict=dict([(inputs, x[rows]), (targets, y[rows])]))"
            ),
            "sklearn": "mlp.partial_fit(x[rows], y[rows], classes=classes)",
            "numpy": "rows = order[start:start + batch_size]  # one order for both sides",
        },
        reference=(
            'Bottou, "Curiously Fast Convergence of some Stochastic Gradient Descent Algorithms" '
            "(2009)"
        ),
    ),
    Convention(
        id="epochs-value",
        not_injectable="how long a run lasts is set by the comparison",
        stage="data",
        title="duration of training",
        statement="One side trains for more epochs or steps than the other.",
        signature="the shorter run is a prefix of the longer",
        left_out="an argument of `fit`, not a switch",
        fix={
            "torch": "for epoch in range({value}): ...",
            "keras": "model.fit(x, y, epochs={value})",
            "sklearn": "MLPClassifier(max_iter={value})",
            "numpy": "epochs = {value}",
        },
        reference='Goodfellow, Bengio and Courville, "Deep Learning" (2016), section 7.8',
    ),
)
