"""What happens to gradients and weights around the update rule."""

from __future__ import annotations

from netparity.catalogue.entry import Convention

UPDATE_GRADIENTS: tuple[Convention, ...] = (
    Convention(
        id="grad-clip-norm-scope",
        stage="update",
        title="norm over one tensor or all",
        statement=(
            "torch's clip_grad_norm_ and optax clip by the norm of all gradients together; Keras's "
            "`clipnorm` clips each variable by its own norm, `global_clipnorm` all together."
        ),
        defaults={
            "torch": "clip_grad_norm_: global",
            "keras": "clipnorm: per variable; global_clipnorm: global",
            "jax": "optax.clip_by_global_norm: global",
        },
        signature=(
            "each tensor is scaled by its own factor on one side and by a common one on the other"
        ),
        imitate='ClipByNorm(1.0, scope="parameter")',
        switches=("ClipByNorm.scope",),
        fix={
            "torch": (
                "[torch.nn.utils.clip_grad_norm_([p], limit) for p in "
                "model.parameters()]  # per variable"
            ),
            "torch:scope=global": (
                "torch.nn.utils.clip_grad_norm_(model.parameters(), limit)  # all together"
            ),
            "keras": "keras.optimizers.SGD(lr, clipnorm=limit)  # per variable",
            "keras:scope=global": "keras.optimizers.SGD(lr, global_clipnorm=limit)",
            "jax": "optax.clip_by_global_norm(limit)",
        },
        reference=(
            'Pascanu, Mikolov and Bengio, "On the difficulty of training recurrent neural '
            'networks" (2013)'
        ),
    ),
    Convention(
        id="grad-clip-eps",
        stage="update",
        title="ε of the clip coefficient",
        statement=(
            "torch scales by max_norm/(norm + 1e-6), at most 1; Keras and optax by max_norm/norm. "
            "The difference is 1e-6/norm, and a gradient at the limit shrinks slightly."
        ),
        defaults={
            "torch": "max_norm/(norm + 1e-6), clamped to 1",
            "keras": "without ε",
            "jax": "without ε",
        },
        signature="relative difference 1e-6/norm in clipped steps",
        imitate="ClipByNorm(1.0, epsilon=1e-6)",
        switches=("ClipByNorm.epsilon",),
        fix={
            "torch": "scale = min(1.0, max_norm / float(norm))  # by hand, without ε",
            "numpy": "scale = min(1.0, max_norm / (norm + 1e-6))",
        },
        reference="PyTorch documentation, torch.nn.utils.clip_grad_norm_",
    ),
    Convention(
        id="grad-clip-value",
        stage="update",
        title="clipping element by element",
        statement=(
            "`clipvalue` limits each element to [-c, c] and so changes the direction of the "
            "gradient. In Keras it excludes clipnorm (ValueError)."
        ),
        defaults={
            "keras": "elementwise, alone",
        },
        signature="gradient elements stop at exactly ±c",
        imitate="ClipByValue(0.5)",
        fix={
            "torch": "torch.nn.utils.clip_grad_value_(model.parameters(), {value})",
            "keras": "keras.optimizers.SGD(lr, clipvalue={value})",
            "jax": "optax.clip({value})",
            "numpy": "g = np.clip(g, -{value}, {value})",
        },
        reference='Keras documentation, "Optimizers"',
    ),
    Convention(
        id="grad-accumulation-reduction",
        stage="update",
        title="sum or mean over accumulated steps",
        statement=(
            "Gradients accumulated over k batches are summed in torch's .grad and averaged by "
            "Keras's gradient_accumulation_steps and optax.MultiSteps."
        ),
        defaults={
            "torch": ".grad sums",
            "keras": "gradient_accumulation_steps: mean",
            "jax": "optax.MultiSteps: mean",
        },
        signature="gradient ratio k",
        imitate='partial(Solver, accumulate=4, accumulation="sum")',
        fix={
            "torch": "(loss / {value}).backward()  # divided by the number of accumulated batches",
            "keras": "keras.optimizers.SGD(lr, gradient_accumulation_steps={value})",
            "jax": "optax.MultiSteps(optimizer, every_k_schedule={value})",
        },
        reference='Keras documentation, "Optimizers"; optax documentation, MultiSteps',
    ),
    Convention(
        id="ema-default",
        stage="update",
        title="averages of the weights",
        statement=(
            "torch's AveragedModel takes the equal running mean unless given another rule; its EMA "
            "and Keras's `use_ema` (momentum 0.99) copy the weights in the first step; optax.ema "
            "corrects the bias of a start at zero."
        ),
        defaults={
            "torch": (
                "AveragedModel: equal average; get_ema_multi_avg_fn decay 0.999, first update "
                "copies"
            ),
            "keras": "ema_momentum=0.99, first step copies",
            "jax": "optax.ema debias=True",
        },
        signature="averages differ after the second step",
        imitate="ExponentialMovingAverage(momentum=0.99)",
        fix={
            "torch": "AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn({value}))",
            "keras": "keras.optimizers.SGD(lr, use_ema=True, ema_momentum={value})",
            "jax": "optax.ema({value}, debias=False)",
        },
        reference='PyTorch documentation, torch.optim.swa_utils; Keras documentation, "Optimizers"',
    ),
    Convention(
        id="embedding-duplicate-rows",
        stage="update",
        title="rows used several times in a batch",
        statement=(
            "A token that stands k times in a batch has the sum of k gradients. On TensorFlow, "
            "Keras's Adam, RMSprop, Adagrad and clipnorm square or clip the parts before they are "
            "added; the JAX and torch backends add first. SGD is not affected."
        ),
        defaults={
            "torch": "summed first",
            "keras": "TensorFlow backend: not summed first; JAX and torch backends: summed (3.15)",
        },
        signature="rows of repeated tokens differ, by a factor near √k and up to k",
        left_out="a row's gradients are always summed before the update",
        fix={
            "keras": (
                "x = layers.Dense(features, use_bias=False)(keras.ops.one_hot(tokens, {value}))  # "
                "a dense gradient"
            ),
            "torch": "nn.Embedding(tokens, features, sparse=False)",
        },
        reference="TensorFlow documentation, tf.IndexedSlices",
    ),
    Convention(
        id="clip-value",
        stage="update",
        title="limit of gradient clipping",
        statement="Gradients are clipped at another limit, or on one side only.",
        signature="steps agree for small gradients and differ above the smaller limit",
        imitate="ClipByNorm(0.5)",
        switches=("ClipByNorm.limit", "ClipByValue.limit"),
        fix={
            "torch": "torch.nn.utils.clip_grad_norm_(model.parameters(), {value})",
            "keras": "keras.optimizers.SGD(lr, global_clipnorm={value})",
            "jax": "optax.clip_by_global_norm({value})",
            "numpy": "g = g * min(1.0, {value} / norm)",
        },
        reference=(
            'Pascanu, Mikolov and Bengio, "On the difficulty of training recurrent neural '
            'networks" (2013)'
        ),
    ),
    Convention(
        id="optimizer-kind",
        stage="update",
        title="another update rule",
        statement="The sides use different optimizers, such as SGD against Adam.",
        signature="no constants of one rule reproduce the other's steps over a sweep of gradients",
        imitate="Adam(0.001)",
        switches=(
            "SGD.nesterov",
            "RMSProp.nesterov",
            "Adam.amsgrad",
            "RAdam.epsilon_placement",
            "RAdam.threshold",
            "AdaGrad.rate_decay",
        ),
        fix={
            "torch": "optimizer = {value}",
            "keras": "model.compile(optimizer={value})",
            "tensorflow": "train_op = {value}",
            "jax": "optimizer = {value}",
            "sklearn": "MLPClassifier(solver={value})",
            "numpy": "w -= {value}",
        },
        reference='Goodfellow, Bengio and Courville, "Deep Learning" (2016), chapter 8',
    ),
    Convention(
        id="gradients-not-zeroed",
        stage="update",
        title="gradients that nobody cleared",
        statement=(
            "The side adds each step's gradient to those of all steps before, because its own loop "
            "never clears them. (`grad-accumulate-default` where both sides follow their "
            "framework.)"
        ),
        defaults={
            "torch": "zero_grad() missing in the loop",
        },
        signature="step t moves by the sum of the gradients of steps 1…t",
        left_out="a bug of one side, not in the network",
        fix={
            "torch": "optimizer.zero_grad()  # before loss.backward()",
            "numpy": (
                "gradients = dict((name, np.zeros_like(w)) for name, w in params.items())  # in "
                "each step"
            ),
        },
        reference='PyTorch tutorial, "Zeroing out gradients in PyTorch"',
        bug=True,
    ),
    Convention(
        id="parameter-frozen",
        stage="update",
        title="parameter that never moves",
        statement=(
            "A parameter gets a gradient and is not updated: it was not given to the optimizer, is "
            "not trainable, or the update works on a copy."
        ),
        signature="Δw = 0 at a gradient that is not 0, while the other side's moves",
        left_out="set by the diagnosis on its twin: a parameter without a gradient stays as it is",
        fix={
            "torch": "optimizer.add_param_group(dict(params=[{value}]))",
            "keras": "layer.trainable = True  # then compile again",
            "jax": "optimizer = optax.sgd(lr)  # without a mask or set_to_zero on this leaf",
            "numpy": "w -= learning_rate * dw  # in place; w = w - … rebinds a local name",
        },
        reference="PyTorch documentation, torch.optim.Optimizer.add_param_group",
        bug=True,
    ),
)
