"""Gradient descent and momentum."""

from __future__ import annotations

from netparity.catalogue.entry import Convention

UPDATE_SGD: tuple[Convention, ...] = (
    Convention(
        id="sgd-momentum-form",
        stage="update",
        title="is the learning rate inside the velocity?",
        statement=(
            "torch, TF 1 and optax keep v = μv + g and move by -ηv; Keras, cs231n and scikit-learn "
            "keep v = μv - ηg and move by v. At a constant rate the steps are equal; when η "
            "changes, the second form carries old steps on at the old rate. The averaged form v = "
            "μv + (1 - μ)g is the first with η(1 - μ)."
        ),
        defaults={
            "torch": "v = μv + g; w -= ηv",
            "keras": "v = μv - ηg; w += v",
            "tensorflow": "TF 1 MomentumOptimizer: v = μv + g; w -= ηv",
            "jax": "optax.trace: v = μv + g",
            "sklearn": "v = μv - ηg",
            "numpy": "cs231n: v = μv - ηg; Ng's course: v = μv + (1 - μ)g",
        },
        signature=(
            "steps agree until η changes, then differ by the old velocity times the ratio of rates"
        ),
        imitate='SGD(0.1, momentum=0.9, form="rate-inside")',
        switches=("SGD.form", "RMSProp.form"),
        fix={
            "torch": (
                '[state["momentum_buffer"].mul_(lr_old / lr_new) for state in '
                "optimizer.state.values()]  # at a change of rate"
            ),
            "keras": (
                "[m.assign(m * lr_new / lr_old) for m in optimizer.momentums]  # at a change of "
                "rate"
            ),
            "numpy": "v = momentum * v + g; w -= learning_rate * v  # torch's form",
        },
        reference=(
            'Sutskever et al., "On the importance of initialization and momentum in deep learning" '
            "(2013); PyTorch documentation, torch.optim.SGD"
        ),
    ),
    Convention(
        id="sgd-nesterov-form",
        stage="update",
        title="form of Nesterov momentum",
        statement=(
            "With v updated first, torch moves by -η(g + μv) and Keras by μv - ηg in its own "
            "velocity: the same step at a constant rate. scikit-learn has Nesterov momentum on by "
            "default, with μ = 0.9."
        ),
        defaults={
            "torch": "g + μ·buf; nesterov=False",
            "keras": "μv - ηg; nesterov=False",
            "tensorflow": "TF 1: torch's form",
            "jax": "optax: torch's form",
            "sklearn": "nesterovs_momentum=True, momentum=0.9",
        },
        signature="the first step is (1 + μ)ηg",
        imitate="SGD(0.1, momentum=0.9, nesterov=True)",
        fix={
            "torch": "torch.optim.SGD(parameters, lr=lr, momentum=momentum, nesterov={value})",
            "keras": "keras.optimizers.SGD(lr, momentum=momentum, nesterov={value})",
            "jax": "optax.sgd(lr, momentum=momentum, nesterov={value})",
            "sklearn": 'MLPClassifier(solver="sgd", nesterovs_momentum={value})',
        },
        reference=(
            'Sutskever et al., "On the importance of initialization and momentum in deep learning" '
            "(2013)"
        ),
    ),
    Convention(
        id="sgd-dampening-first-step",
        stage="update",
        title="dampening skips the first step",
        statement=(
            "torch's dampening d makes v = μv + (1 - d)g, except in the first step, where v = g."
        ),
        defaults={
            "torch": "first buffer = g, undamped",
        },
        signature="the first step is ηg and not (1 - d)ηg",
        imitate="SGD(0.1, momentum=0.9, dampening=0.5)",
        switches=("SGD.dampening",),
        fix={
            "torch": "torch.optim.SGD(parameters, lr=lr, momentum=momentum, dampening={value})",
            "numpy": "v = g if step == 0 else momentum * v + (1 - {value}) * g",
        },
        reference="PyTorch documentation, torch.optim.SGD",
    ),
    Convention(
        id="sgd-defaults",
        stage="update",
        title="default rate of SGD",
        statement=(
            "Left unset, the learning rate of SGD is 1e-3 in torch and 1e-2 in Keras; optax wants "
            "it given; scikit-learn's MLP starts at 1e-3, with Adam as its default solver."
        ),
        defaults={
            "torch": "lr=1e-3",
            "keras": "learning_rate=0.01",
            "jax": "required",
            "sklearn": 'learning_rate_init=1e-3; solver="adam"',
        },
        signature="steps have the ratio 10",
        imitate="SGD(0.01)",
        fix={
            "torch": "torch.optim.SGD(parameters, lr={value})",
            "keras": "keras.optimizers.SGD(learning_rate={value})",
            "sklearn": 'MLPClassifier(solver="sgd", learning_rate_init={value})',
        },
        reference='PyTorch documentation, torch.optim.SGD; Keras documentation, "SGD"',
        not_injectable="the value is what acts: it is changed as learning-rate-value",
    ),
    Convention(
        id="learning-rate-value",
        stage="update",
        title="learning rate",
        statement=(
            "Both sides use the same rule with another learning rate. For plain SGD only the "
            "product of rate and loss factor can be seen from steps: name the loss factor or "
            "reduction where the gradients differ too."
        ),
        signature="steps have one constant ratio at equal gradients",
        imitate="SGD(0.3)",
        switches=(
            "SGD.learning_rate",
            "AdaGrad.learning_rate",
            "Adadelta.learning_rate",
            "Adam.learning_rate",
            "Adamax.learning_rate",
            "Ftrl.learning_rate",
            "Lion.learning_rate",
            "Muon.learning_rate",
            "NAdam.learning_rate",
            "RAdam.learning_rate",
            "RMSProp.learning_rate",
        ),
        fix={
            "torch": "optimizer.param_groups[0].update(lr={value})  # or where it is made",
            "keras": "optimizer.learning_rate = {value}",
            "tensorflow": "learning_rate = {value}  # of the same optimizer",
            "jax": "optax.sgd({value})",
            "sklearn": "MLPClassifier(learning_rate_init={value})",
            "numpy": "learning_rate = {value}",
        },
        reference='Goodfellow, Bengio and Courville, "Deep Learning" (2016), section 8.3',
    ),
    Convention(
        id="momentum-value",
        stage="update",
        title="momentum",
        statement="Both sides use momentum of the same form with another coefficient μ.",
        signature="under zero gradient steps shrink by another factor",
        imitate="SGD(0.1, momentum=0.9)",
        switches=("SGD.momentum", "RMSProp.momentum"),
        fix={
            "torch": "optimizer.param_groups[0].update(momentum={value})  # or where it is made",
            "keras": "optimizer.momentum = {value}  # or where it is made",
            "tensorflow": "tf.compat.v1.train.MomentumOptimizer(lr, {value})",
            "jax": "optax.sgd(lr, momentum={value})",
            "sklearn": 'MLPClassifier(solver="sgd", momentum={value})',
            "numpy": "momentum = {value}",
        },
        reference=(
            'Polyak, "Some methods of speeding up the convergence of iteration methods" (1964)'
        ),
    ),
)
