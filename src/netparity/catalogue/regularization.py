"""Penalties inside the loss."""

from __future__ import annotations

from netparity.catalogue.entry import Convention

REGULARIZATION: tuple[Convention, ...] = (
    Convention(
        id="l2-half-factor",
        stage="regularization",
        title="factor of the L2 penalty",
        statement=(
            "The same number λ names two penalties: λ·Σw², whose gradient is 2λw, and ½λ·Σw², "
            "whose gradient is λw. Keras's `L2(λ)` is the first; torch's `weight_decay=λ`, "
            "`tf.nn.l2_loss`, `optax.l2_loss` and most hand-written programs are the second. At "
            "equal λ one side shrinks its weights twice as hard."
        ),
        defaults={
            "torch": "weight_decay=λ adds λw to the gradient, as ½λΣw² would",
            "keras": "L2(λ) adds λΣw², gradient 2λw; λ=0.01 if not given",
            "tensorflow": "tf.nn.l2_loss(w) = ½Σw²",
            "jax": "optax.l2_loss is ½ of the square, element by element",
            "sklearn": "½·alpha·Σw², divided by the rows of the batch",
            "numpy": (
                "½·reg·Σw² (cs231n), or λ/(2n)·Σw² (Ng, Nielsen); older course code has reg·Σw²"
            ),
        },
        signature=(
            "gradient minus data gradient = c·w with c = 2λ on one side and λ on the other; the "
            "penalties have the ratio 2; nothing shows where w = 0"
        ),
        imitate="L2(coefficient=0.1, factor=1.0)",
        switches=("L2.factor",),
        fix={
            "torch": (
                "torch.optim.SGD(model.parameters(), lr=lr, weight_decay={value})  # 2λ imitates "
                "Keras's L2(λ)"
            ),
            "keras": "kernel_regularizer=keras.regularizers.L2({value})  # λ/2 gives ½λΣw²",
            "tensorflow": "loss += {value} * tf.nn.l2_loss(w)  # 2λ imitates Keras's L2(λ)",
            "jax": (
                "loss += {value} * sum(jnp.sum(optax.l2_loss(w)) for w in weights)  # 2λ imitates "
                "Keras"
            ),
            "sklearn": "MLPClassifier(alpha={value})  # λ times the rows of the batch gives ½λΣw²",
            "numpy": (
                "dw += {value} * w  # 2λ for λΣw², λ for ½λΣw²; the loss has half of it, times Σw²"
            ),
        },
        reference=(
            'Keras documentation, "Layer weight regularizers": '
            "https://keras.io/api/layers/regularizers/; PyTorch documentation, torch.optim.SGD"
        ),
    ),
    Convention(
        id="l1-form",
        stage="regularization",
        title="L1 penalty",
        statement=(
            "The L1 penalty is λ·Σ|w| with gradient λ·sign(w), and 0 at w = 0; there is no ½ in "
            "it. torch and optax have no L1 setting, so that it is written by hand there."
        ),
        defaults={
            "keras": "L1(λ) adds λΣ|w|",
        },
        signature="gradient minus data gradient = c·sign(w)",
        imitate="L1(coefficient=0.1)",
        switches=("L1.factor",),
        fix={
            "torch": "loss = loss + {value} * sum(w.abs().sum() for w in weights)",
            "keras": "kernel_regularizer=keras.regularizers.L1({value})",
            "jax": "loss = loss + {value} * sum(jnp.abs(w).sum() for w in weights)",
            "numpy": "dw += {value} * np.sign(w)",
        },
        reference=(
            'Keras documentation, "Layer weight regularizers"; Tibshirani, "Regression Shrinkage '
            'and Selection via the Lasso" (1996)'
        ),
    ),
    Convention(
        id="sklearn-alpha-scaling",
        stage="regularization",
        title="scikit-learn's alpha is divided by the batch",
        statement=(
            "MLPClassifier and MLPRegressor add alpha·w to the summed gradient and then divide by "
            "B, the rows of the minibatch, so that the effective λ is alpha/B and the decay of one "
            "epoch grows with the number of batches. `loss_` gains ½·alpha·Σw² times the number of "
            "batches over the number of rows."
        ),
        defaults={
            "sklearn": "gradient (Xᵀd + alpha·w)/B with B the minibatch, biases left out (1.9)",
        },
        signature=(
            "gradient minus data gradient = (alpha/B)·w, and the coefficient changes with the "
            "batch size"
        ),
        imitate='L2(coefficient=0.0001 / 200, factor=0.5, scope="weights")',
        switches=("L1.scale_with_batch", "L2.scale_with_batch", "ElasticNet.scale_with_batch"),
        fix={
            "sklearn": (
                "MLPClassifier(alpha={value}, batch_size=batch_size)  # λ times the batch size"
            ),
            "torch": (
                "torch.optim.SGD(groups, lr=lr, weight_decay={value})  # alpha / batch size, "
                "weights only"
            ),
            "keras": (
                "kernel_regularizer=keras.regularizers.L2({value})  # alpha / (2 · batch size)"
            ),
        },
        reference='scikit-learn user guide, "Neural network models (supervised)"',
    ),
    Convention(
        id="penalty-in-reported-loss",
        stage="regularization",
        title="penalty inside the loss that is shown",
        statement=(
            "Both sides may optimize the same penalized objective and still print other numbers: "
            "Keras's `loss` contains the penalty, a weight decay inside an optimizer never does. "
            "The printed values then differ by the penalty, though the training is the same."
        ),
        defaults={
            "torch": "weight_decay acts on gradients only and is never part of a loss value",
            "keras": "`loss` of fit and evaluate includes penalties; metrics do not",
            "sklearn": "loss_ includes the penalty",
            "numpy": "cs231n losses include ½·reg·Σw²",
        },
        signature=(
            "reported loss difference = penalty(w) at every step, while a metric of the same "
            "formula agrees"
        ),
        left_out="the Solver records both, with and without the penalty",
        fix={
            "torch": (
                "print(loss.item() + {value} * sum((w ** 2).sum().item() for w in weights))  # ½λ "
                "for weight_decay=λ"
            ),
            "keras": (
                'model.compile(loss="mse", metrics=["mse"])  # read the metric: it has no penalty'
            ),
            "sklearn": (
                "data_loss = mlp.loss_ - penalty  # or evaluate the data loss with sklearn.metrics"
            ),
            "numpy": "print(data_loss)  # apart from the penalty, on both sides",
        },
        reference=(
            'Keras documentation, "Layer weight regularizers"; Keras guide "Training & evaluation '
            'with the built-in methods"'
        ),
    ),
    Convention(
        id="activity-regularizer-batch-mean",
        not_injectable="it is not in the reference network",
        stage="regularization",
        title="activity regularizer is averaged over the batch",
        statement=(
            "Keras divides the activity penalty by the rows of the batch: λ·Σa²/N (L2) or λ·Σ|a|/N "
            "(L1). A hand-written penalty on activations that sums over the batch is N times "
            "larger."
        ),
        defaults={
            "keras": "Σ over the batch, divided by N",
        },
        signature="penalty ratio equals the batch size",
        left_out="penalties are on parameters only",
        fix={
            "keras": (
                "activity_regularizer=keras.regularizers.L2({value})  # times N for a sum over the "
                "batch"
            ),
            "torch": "loss = loss + {value} * (activation ** 2).sum() / len(activation)",
            "jax": "loss = loss + {value} * jnp.sum(activation ** 2) / len(activation)",
        },
        reference='Keras documentation, "Layer weight regularizers", activity_regularizer',
    ),
    Convention(
        id="penalty-absent",
        stage="regularization",
        title="penalty on one side only",
        statement=(
            "One side adds a penalty or a weight decay, the other adds none: the gradients differ "
            "by c·w (L2) or c·sign(w) (L1) and the penalized loss by the penalty itself."
        ),
        signature="gradient minus data gradient is c·w on one side and 0 on the other",
        imitate="L2(coefficient=0.1)",
        fix={
            "torch": "torch.optim.SGD(model.parameters(), lr=lr, weight_decay={value})",
            "keras": "kernel_regularizer=keras.regularizers.L2({value})",
            "tensorflow": "loss += {value} * tf.nn.l2_loss(w)",
            "jax": "optax.chain(optax.add_decayed_weights({value}), optax.sgd(lr))",
            "sklearn": (
                "MLPClassifier(alpha={value})  # its default is 1e-4: set 0.0 for no penalty"
            ),
            "numpy": "dw += {value} * w",
        },
        reference='Goodfellow, Bengio and Courville, "Deep Learning" (2016), chapter 7',
    ),
    Convention(
        id="penalty-value",
        stage="regularization",
        title="coefficient of the penalty",
        statement=(
            "Both sides have the same kind of penalty on the same parameters, with coefficients "
            "that no known convention turns into one another."
        ),
        signature="gradient minus data gradient = c·w on both sides, with another c",
        imitate="L2(coefficient=0.1)",
        switches=("L1.coefficient", "L2.coefficient", "ElasticNet.l1", "ElasticNet.l2"),
        fix={
            "torch": "torch.optim.SGD(model.parameters(), lr=lr, weight_decay={value})",
            "keras": "kernel_regularizer=keras.regularizers.L2({value})",
            "tensorflow": "loss += {value} * tf.nn.l2_loss(w)",
            "jax": "optax.add_decayed_weights({value})",
            "sklearn": "MLPClassifier(alpha={value})",
            "numpy": "reg = {value}",
        },
        reference='Goodfellow, Bengio and Courville, "Deep Learning" (2016), chapter 7',
    ),
    Convention(
        id="penalty-scope",
        stage="regularization",
        title="parameters that the penalty covers",
        statement=(
            "Both sides have the same penalty and coefficient, but it covers other parameters: one "
            "layer left out, the output layer included, normalization scales penalized. "
            "(`weight-decay-bias` where exactly the biases make the difference.)"
        ),
        signature=(
            "the fitted c of gradient minus data gradient = c·w is the penalty's on some "
            "parameters and 0 on others"
        ),
        imitate='L2(coefficient=0.1, scope=("dense1.weight",))',
        switches=("L1.scope", "L2.scope", "ElasticNet.scope"),
        fix={
            "torch": (
                "torch.optim.SGD([dict(params=[{value}], weight_decay=decay), dict(params=rest, "
                "weight_decay=0.0)], lr=lr)"
            ),
            "keras": (
                "layers.Dense(units, kernel_regularizer=keras.regularizers.L2(l2))  # on exactly "
                "these layers: {value}"
            ),
            "jax": "optax.add_decayed_weights(decay, mask={value})",
            "numpy": "penalized = [{value}]",
        },
        reference=(
            "PyTorch documentation, torch.optim (per-parameter options); optax documentation, "
            "add_decayed_weights"
        ),
    ),
)
