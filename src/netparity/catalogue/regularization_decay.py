"""Weight decay inside the optimizer."""

from __future__ import annotations

from netparity.catalogue.entry import Convention

REGULARIZATION_DECAY: tuple[Convention, ...] = (
    Convention(
        id="weight-decay-bias",
        stage="regularization",
        title="are biases decayed?",
        statement=(
            "An optimizer's weight decay reaches every parameter it was given, biases and "
            "normalization scales included; a kernel regularizer, scikit-learn's alpha and the "
            "usual hand-written penalty reach weight matrices only. The bias gradients then differ "
            "by λb."
        ),
        defaults={
            "torch": "weight_decay acts on all parameters of the group, biases too",
            "keras": (
                "an optimizer's weight_decay acts on all variables; kernel_regularizer on kernels "
                "only"
            ),
            "jax": "optax.adamw decays all leaves unless mask is given",
            "sklearn": "weights only",
            "numpy": "cs231n programs penalize weights only",
        },
        signature=(
            "bias gradient (or bias update) differs by λ·b, weights agree; invisible while all "
            "biases are 0"
        ),
        imitate='SGD(0.1, weight_decay=0.01, decay_scope="weights")',
        fix={
            "torch": (
                "torch.optim.SGD([dict(params=weights, weight_decay={value}), dict(params=biases, "
                "weight_decay=0.0)], lr=lr)"
            ),
            "keras": 'optimizer.exclude_from_weight_decay(var_names=["bias"])  # before build',
            "jax": (
                "optax.add_decayed_weights({value}, mask=lambda p: jax.tree.map(lambda a: a.ndim > "
                "1, p))"
            ),
            "numpy": "db += {value} * b  # if biases are to be decayed as well",
        },
        reference=(
            "PyTorch documentation, torch.optim (per-parameter options); optax documentation, adamw"
        ),
    ),
    Convention(
        id="keras-weight-decay-all-decoupled",
        stage="regularization",
        title="Keras decouples the weight decay of every optimizer",
        statement=(
            "In Keras 3 `weight_decay` of any optimizer multiplies the variable by (1 - η·λ) "
            "outside the gradient. In torch only AdamW and Muon do so; SGD, Adam, RMSprop, "
            "Adagrad, Adadelta, Adamax and NAdam add λw to the gradient, where momentum and "
            "adaptive scaling act on it."
        ),
        defaults={
            "torch": "coupled, except AdamW, Muon and decoupled_weight_decay=True (2.13)",
            "keras": (
                "decoupled in SGD, Adam, AdamW, RMSprop, Adagrad, Adadelta, Adamax, Nadam, Lion, "
                "Adafactor, Lamb, Muon (3.15)"
            ),
            "jax": "decoupled in optax.adamw; add_decayed_weights before the rule is coupled",
        },
        signature="with a zero gradient w becomes w·(1 - ηλ) under every Keras optimizer",
        imitate='Adam(0.001, weight_decay=0.01, decay="decoupled")',
        fix={
            "torch": "torch.optim.AdamW(model.parameters(), lr=lr, weight_decay={value})",
            "keras": (
                "kernel_regularizer=keras.regularizers.L2({value})  # half of torch's "
                "weight_decay: coupled"
            ),
            "jax": "optax.chain(optax.add_decayed_weights({value}), optax.adam(lr))  # coupled",
        },
        reference='Loshchilov and Hutter, "Decoupled Weight Decay Regularization" (ICLR 2019)',
        not_injectable="the coupling is what acts: it is changed as adam-weight-decay-coupling",
    ),
    Convention(
        id="sgd-weight-decay-coupling",
        stage="regularization",
        title="SGD weight decay and momentum",
        statement=(
            "Coupled decay puts λw into the gradient and so into the velocity: v = μv + g + λw. "
            "Decoupled decay shrinks the weight apart from it: w becomes w·(1 - ηλ) - ηv. Without "
            "momentum the two are one rule; with momentum the trajectories part from the second "
            "step."
        ),
        defaults={
            "torch": "coupled",
            "keras": "decoupled",
            "jax": "add_decayed_weights before sgd is coupled",
        },
        signature=(
            "equal for momentum 0; otherwise the second update under zero gradient differs by μηλw"
        ),
        imitate='SGD(0.1, momentum=0.9, weight_decay=0.01, decay="decoupled")',
        fix={
            "torch": (
                "with torch.no_grad(): [p.mul_(1 - lr * {value}) for p in model.parameters()]  # "
                "before step, weight_decay=0"
            ),
            "keras": (
                "kernel_regularizer=keras.regularizers.L2({value})  # λ/2, instead of weight_decay"
            ),
            "jax": "optax.chain(optax.add_decayed_weights({value}), optax.sgd(lr, momentum))",
        },
        reference='Loshchilov and Hutter, "Decoupled Weight Decay Regularization" (ICLR 2019)',
    ),
    Convention(
        id="adam-weight-decay-coupling",
        stage="regularization",
        title="Adam weight decay: coupled or decoupled",
        statement=(
            "torch's `Adam(weight_decay=λ)` adds λw to the gradient, so that it is divided by √v̂ "
            "like the rest; Keras's `Adam(weight_decay=λ)` shrinks w by ηλw beside the Adam step, "
            "which is AdamW."
        ),
        defaults={
            "torch": "coupled in Adam, decoupled in AdamW",
            "keras": "Adam(weight_decay=λ) computes the same as AdamW",
            "jax": "chain(add_decayed_weights(λ), adam) is coupled; adamw is decoupled",
        },
        signature="first step: coupled moves by η·sign(g + λw), decoupled by ηλw + η·sign(g)",
        imitate='Adam(0.001, weight_decay=0.01, decay="coupled")',
        fix={
            "torch": "torch.optim.AdamW(model.parameters(), lr=lr, weight_decay={value})",
            "keras": (
                "keras.optimizers.Adam(lr)  # with "
                "kernel_regularizer=keras.regularizers.L2({value}), λ/2, for torch's Adam"
            ),
            "jax": "optax.adamw(lr, weight_decay={value})",
        },
        reference='Loshchilov and Hutter, "Decoupled Weight Decay Regularization" (ICLR 2019)',
    ),
    Convention(
        id="adamw-lr-scaling",
        stage="regularization",
        title="AdamW: decay times learning rate, and its default",
        statement=(
            "All three compute w·(1 - η·λ), the decay scaled by the learning rate (the paper "
            "scales by the schedule multiplier only). The defaults of λ differ by two orders: "
            "torch 0.01, Keras 0.004, optax 1e-4."
        ),
        defaults={
            "torch": "weight_decay=0.01",
            "keras": "weight_decay=0.004",
            "jax": "optax.adamw weight_decay=1e-4 (optax.lion 1e-3)",
        },
        signature="under zero gradient w shrinks by the factor 1 - ηλ a step",
        imitate='Adam(0.001, weight_decay=0.01, decay="decoupled", decay_scope="all")',
        fix={
            "torch": "torch.optim.AdamW(model.parameters(), lr=lr, weight_decay={value})",
            "keras": "keras.optimizers.AdamW(lr, weight_decay={value})",
            "jax": "optax.adamw(lr, weight_decay={value})",
        },
        reference='Loshchilov and Hutter, "Decoupled Weight Decay Regularization" (ICLR 2019)',
        not_injectable="the value is what acts: it is changed as penalty-value",
    ),
)
