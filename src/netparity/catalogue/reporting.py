"""What is printed, logged and handed over, apart from what is trained on."""

from __future__ import annotations

from netparity.catalogue.entry import Convention

REPORTING: tuple[Convention, ...] = (
    Convention(
        id="train-loss-running-average",
        stage="reporting",
        title="training loss is a running mean over the epoch",
        statement=(
            "What Keras prints as an epoch's training loss is the mean over its batches of "
            "L_t(w_t), each evaluated before its own update, while the weights move. It is not the "
            "loss of the final weights, L(w_end), which an evaluation after the epoch (or after "
            "each update) gives, and in early epochs it is far larger."
        ),
        defaults={
            "torch": "the user's own loop; mostly a running mean too",
            "keras": "mean of the batch losses before each update, weighted by rows",
            "sklearn": "loss_ is such a mean",
            "numpy": "often the loss after the epoch, or of the last batch alone",
        },
        signature=(
            "reported value = (1/T)·Σ_t L_t(w_t) on one side and a later evaluation on the other; "
            "the weights agree"
        ),
        fix={
            "keras": (
                "loss = model.evaluate(x, y)  # after the epoch, in a callback, instead of the fit "
                "log"
            ),
            "torch": (
                "loss = evaluate(model.eval(), x, y)  # after the epoch, with the final weights"
            ),
            "tensorflow": (
                "session.run(loss, feeds)  # before the update and averaged over the epoch, to log "
                "as Keras does"
            ),
            "numpy": (
                "epoch_loss = np.mean(batch_losses)  # each before its update, to log as Keras does"
            ),
        },
        reference=(
            'Keras FAQ, "Why is my training loss much higher than my testing loss?": '
            "https://keras.io/getting_started/faq/"
        ),
    ),
    Convention(
        id="train-metrics-dropout-on",
        stage="reporting",
        title="training metrics are measured with dropout on",
        statement=(
            "Keras computes `loss` and metrics of fit from the training forward pass: dropout is "
            "active and batch norm uses batch statistics. An evaluation in inference mode of the "
            "very same weights gives a lower loss and a higher accuracy."
        ),
        defaults={
            "keras": "fit logs come from the training pass, dropout on",
            "tensorflow": "whatever is fed: keep_prob=1 in the logging run means dropout off",
            "sklearn": "no dropout",
        },
        signature=(
            "reported training loss differs from the inference loss at the same weights, by an "
            "amount that is 0 at rate 0"
        ),
        fix={
            "keras": "model.evaluate(x_train, y_train)  # dropout off, instead of the fit log",
            "torch": "model.eval()  # before measuring the training loss; model.train() afterwards",
            "tensorflow": (
                "session.run(accuracy, feed_dict=dict([(x, data), (y, labels), (keep_prob, "
                "{value})]))"
            ),
            "numpy": 'scores = forward(x, mode="test")',
        },
        reference=(
            'Keras FAQ, "Why is my training loss much higher than my testing loss?": '
            "https://keras.io/getting_started/faq/"
        ),
    ),
    Convention(
        id="last-batch-weighting",
        stage="reporting",
        title="mean of batch means, or mean of samples",
        statement=(
            "If the last batch is smaller, the mean of the batch means weights its rows more than "
            "the mean over all rows. Keras and scikit-learn weight by the rows of each batch; "
            "`sum(losses)/len(loader)` does not."
        ),
        defaults={
            "torch": "the idiom sum(loss.item())/len(loader) is unweighted",
            "keras": "weighted by rows",
            "sklearn": "weighted by rows",
        },
        signature=(
            "reports agree when the batch size divides the rows and differ by the last batch's "
            "share otherwise"
        ),
        fix={
            "torch": "total += loss.item() * len(x); mean = total / len(dataset)",
            "numpy": "mean = np.average(batch_losses, weights=batch_rows)",
        },
        reference='Keras documentation, "Base Metric class", Mean',
    ),
    Convention(
        id="batch-log-running-mean",
        stage="reporting",
        title="batch logs of Keras are running means",
        statement=(
            '`logs["loss"]` in `on_train_batch_end` is the mean over the epoch\'s batches so far, '
            "not the loss of this batch, and it starts again with each epoch."
        ),
        defaults={
            "keras": "running mean since the epoch began",
        },
        signature=(
            "k times the k-th log minus (k-1) times the one before is the other side's batch loss"
        ),
        fix={
            "keras": "loss = model.train_on_batch(x, y)  # the loss of this batch alone",
            "torch": "running = total_loss / batches_seen  # to log as Keras does",
        },
        reference='Keras guide, "Writing your own callbacks"',
    ),
    Convention(
        id="train-on-batch-running-mean",
        stage="reporting",
        title="train_on_batch returns this batch only",
        statement=(
            "In Keras 3 `train_on_batch` resets its metrics and returns the loss of this batch "
            "before the update; a loop that expects a running mean over the epoch, as in the log "
            "of fit, must average by itself."
        ),
        defaults={
            "keras": "the value of this batch (3.15)",
        },
        signature="values follow single batches and do not smooth out",
        fix={
            "keras": "losses.append(model.train_on_batch(x, y)); running = np.mean(losses)",
        },
        reference='Keras documentation, "Model training APIs", train_on_batch',
    ),
    Convention(
        id="accuracy-threshold",
        stage="reporting",
        title="binary accuracy at exactly one half",
        statement=(
            "A probability of exactly 0.5 is class 0 under `p > 0.5` and under rounding to even, "
            "and class 1 under `p >= 0.5`. It matters for untrained symmetric networks only."
        ),
        defaults={
            "torch": "round(0.5) = 0",
            "keras": "strict, p > 0.5",
            "sklearn": "p > 0.5",
        },
        signature="accuracies differ by the share of exact ties",
        fix={
            "torch": "prediction = (probability > 0.5)",
            "keras": "keras.metrics.BinaryAccuracy(threshold={value})",
            "numpy": "prediction = probability > 0.5",
        },
        reference='Keras documentation, "Accuracy metrics"',
    ),
    Convention(
        id="accuracy-on-logits",
        stage="reporting",
        title="accuracy threshold applied to logits",
        statement=(
            'With `metrics=["accuracy"]` and a loss with `from_logits=True`, Keras compares the '
            "logits themselves with 0.5. The decision boundary of a logit is 0, so that rows with "
            "0 < z < 0.5 are counted as the wrong class."
        ),
        defaults={
            "keras": "threshold 0.5 whatever the output is",
        },
        signature=(
            "accuracies differ by the share of rows with a logit between 0 and 0.5; losses agree"
        ),
        fix={
            "keras": "metrics=[keras.metrics.BinaryAccuracy(threshold=0.0)]",
            "torch": "prediction = logits > 0",
        },
        reference='Keras documentation, "Accuracy metrics", BinaryAccuracy',
    ),
    Convention(
        id="accuracy-argmax",
        stage="reporting",
        title='what the string "accuracy" means',
        statement=(
            'Keras resolves "accuracy" by shapes: one output means a threshold at 0.5 (even in a '
            "regression), one-hot targets mean argmax against argmax, integer targets argmax "
            "against label. The number may therefore be another metric than the other side's."
        ),
        defaults={
            "keras": "resolved from output and target shapes",
        },
        signature="reported accuracy is reproduced by another metric of the same predictions",
        fix={
            "keras": "metrics=[{value}]  # in full, such as keras.metrics.BinaryAccuracy()",
        },
        reference='Keras documentation, "Accuracy metrics"',
    ),
    Convention(
        id="argmax-ties",
        not_injectable="scores of random networks do not tie",
        stage="reporting",
        title="argmax at a tie",
        statement=(
            "All frameworks return the first of equal maxima; a hand-written loop with `>=` "
            "returns the last. It matters for saturated or untrained outputs."
        ),
        defaults={
            "torch": "first",
            "tensorflow": "first",
            "jax": "first",
            "numpy": "first",
        },
        signature="predictions differ only in rows with exactly equal maxima",
        fix={
            "numpy": "label = np.argmax(scores, axis=-1)  # the first of equal maxima",
        },
        reference="NumPy documentation, numpy.argmax",
    ),
    Convention(
        id="early-stopping-restore",
        stage="reporting",
        title="which weights early stopping leaves",
        statement=(
            "Keras's EarlyStopping has patience 0 and leaves the last weights unless "
            "`restore_best_weights=True`; scikit-learn with `early_stopping` keeps the best, and "
            "without it may stop when the loss improves by less than 1e-4 over 10 epochs; the "
            "cs231n solver swaps in the parameters of its best validation accuracy at the end."
        ),
        defaults={
            "keras": "restore_best_weights=False, patience=0",
            "sklearn": (
                "early_stopping keeps the best; otherwise tol=1e-4 over n_iter_no_change=10 epochs"
            ),
            "numpy": "the cs231n solver hands over its best parameters",
        },
        signature="trajectories agree, the parameters handed over belong to another epoch",
        fix={
            "keras": "keras.callbacks.EarlyStopping(patience={value}, restore_best_weights=True)",
            "sklearn": "MLPClassifier(early_stopping=False, tol=0.0, n_iter_no_change={value})",
            "torch": (
                "best = copy.deepcopy(model.state_dict())  # at the best epoch; load it at the end"
            ),
        },
        reference='Keras documentation, "EarlyStopping"',
    ),
    Convention(
        id="reported-quantity",
        stage="reporting",
        title="what is printed is another quantity",
        statement=(
            "The value printed as loss or metric is not the one trained on, or not the one the "
            "other side prints: another factor or reduction, an intermediate term, another moment "
            "(before or after the update), another set of rows. Curves then differ while the "
            "parameters agree, or agree while they differ."
        ),
        signature=(
            "reported value / own training loss is a constant, an offset or another function of "
            "the same predictions; parameters are not concerned"
        ),
        fix={
            "torch": "print(loss.item())  # the value that backward() starts from",
            "keras": (
                "model.compile(loss=loss, metrics=[{value}])  # log the same quantity on both sides"
            ),
            "numpy": (
                "print(0.5 * np.sum((prediction - target) ** 2))  # the loss whose gradient is "
                "used: {value}"
            ),
        },
        reference='Goodfellow, Bengio and Courville, "Deep Learning" (2016), section 8.1',
    ),
    Convention(
        id="best-parameters-aliased",
        stage="reporting",
        title="the snapshot of the best is the live parameters",
        statement=(
            "`best = params` (or a shallow copy whose arrays are updated in place) keeps a "
            "reference, not a snapshot: later updates change it too, and what is handed over as "
            "the best is the last. A live dictionary that is replaced by the best one in the end "
            "has the same effect in reverse."
        ),
        defaults={
            "torch": "state_dict() returns references to the live tensors",
            "numpy": "dict(params) or params.copy() shares the arrays",
        },
        signature=(
            "parameters handed over equal the last step's, though the best validation came "
            "earlier; np.shares_memory(best, live)"
        ),
        fix={
            "torch": "best = copy.deepcopy(model.state_dict())",
            "numpy": "best = dict((name, value.copy()) for name, value in params.items())",
            "jax": "best = params  # JAX arrays are immutable: a reference is a snapshot",
        },
        reference='PyTorch tutorial, "Saving and Loading Models"; Python documentation, copy',
        bug=True,
    ),
)
