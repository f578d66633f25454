"""Learning-rate schedules: what is counted, and from where."""

from __future__ import annotations

from netparity.catalogue.entry import Convention

UPDATE_SCHEDULES: tuple[Convention, ...] = (
    Convention(
        id="lr-exponential-decay",
        stage="update",
        title="unit of exponential decay",
        statement=(
            "torch multiplies by γ at each call of scheduler.step(), usually once an epoch; Keras "
            "and optax have η·rate^(t/steps) with t the number of updates, continuous unless "
            "staircase is set; cs231n multiplies after the last iteration of an epoch."
        ),
        defaults={
            "torch": "γ^k, k calls of scheduler.step()",
            "keras": "rate^(t/decay_steps), per update",
            "jax": "as Keras",
            "numpy": "cs231n: lr *= lr_decay after each epoch",
        },
        signature=(
            "the rate is constant within epochs on one side and falls at each step on the other"
        ),
        switches=("ExponentialDecay.factor", "ExponentialDecay.steps"),
        imitate="ExponentialDecay(0.1, 0.9, steps=100)",
        fix={
            "torch": (
                "ExponentialLR(optimizer, gamma={value})  # rate ** (1 / steps), stepped after "
                "each update"
            ),
            "keras": (
                "keras.optimizers.schedules.ExponentialDecay(lr, steps_per_epoch, {value}, "
                "staircase=True)"
            ),
            "jax": "optax.exponential_decay(lr, steps_per_epoch, {value}, staircase=True)",
            "numpy": "rate = lr * {value} ** (t / decay_steps)",
        },
        reference='Keras documentation, "ExponentialDecay"; PyTorch documentation, ExponentialLR',
    ),
    Convention(
        id="lr-step-decay",
        stage="update",
        title="decay in steps",
        statement=(
            "torch's StepLR multiplies by γ once every s calls: η·γ^⌊k/s⌋ with k the calls of "
            "scheduler.step(). Keras has it as ExponentialDecay with staircase, counted in updates."
        ),
        defaults={
            "torch": "γ^⌊k/s⌋",
        },
        signature="the rate drops at other steps",
        imitate="ExponentialDecay(0.1, 0.5, steps=30, staircase=True)",
        switches=("ExponentialDecay.staircase",),
        fix={
            "torch": "StepLR(optimizer, step_size={value}, gamma=gamma)",
            "keras": (
                "keras.optimizers.schedules.ExponentialDecay(lr, {value}, gamma, staircase=True)"
            ),
        },
        reference="PyTorch documentation, StepLR",
    ),
    Convention(
        id="lr-piecewise-boundary",
        stage="update",
        title="which step gets the new rate",
        statement=(
            "At t equal to the boundary, torch's MultiStepLR and optax use the new rate; Keras and "
            "TensorFlow still the old one."
        ),
        defaults={
            "torch": "MultiStepLR: new at t = b",
            "keras": "PiecewiseConstantDecay: old at t = b",
            "tensorflow": "old at t = b",
            "jax": "optax: new at t = b, join_schedules too",
        },
        signature="one step is made at the old rate",
        imitate='PiecewiseConstant((100,), (0.1, 0.01), at_boundary="old")',
        switches=("PiecewiseConstant.at_boundary",),
        fix={
            "torch": "MultiStepLR(optimizer, milestones=[{value}])",
            "keras": (
                "keras.optimizers.schedules.PiecewiseConstantDecay([{value}], rates)  # torch's "
                "boundary minus 1"
            ),
            "jax": "optax.piecewise_constant_schedule(lr, dict([({value}, scale)]))",
        },
        reference=(
            'Keras documentation, "PiecewiseConstantDecay"; PyTorch documentation, MultiStepLR'
        ),
    ),
    Convention(
        id="lr-cosine",
        stage="update",
        title="after the end of a cosine",
        statement=(
            "torch's CosineAnnealingLR is periodic and rises again after T_max; Keras and optax "
            "stay at the final value."
        ),
        defaults={
            "torch": "periodic",
            "keras": "clamped",
            "jax": "clamped",
        },
        signature="the rate rises after T_max on one side",
        imitate='CosineDecay(0.1, 100, after="periodic")',
        switches=("CosineDecay.after",),
        fix={
            "torch": (
                "CosineAnnealingLR(optimizer, T_max={value})  # and no scheduler.step() beyond it"
            ),
            "keras": "keras.optimizers.schedules.CosineDecay(lr, {value})",
            "jax": "optax.cosine_decay_schedule(lr, {value})",
        },
        reference=(
            'Loshchilov and Hutter, "SGDR: Stochastic Gradient Descent with Warm Restarts" (2017)'
        ),
    ),
    Convention(
        id="lr-cosine-decay-steps",
        stage="update",
        title="does decay_steps include the warm-up?",
        statement=(
            "Keras's CosineDecay counts decay_steps after the warm-up; optax's "
            "warmup_cosine_decay_schedule counts from the start, warm-up included."
        ),
        defaults={
            "keras": "excludes the warm-up",
            "jax": "includes the warm-up",
        },
        signature="the cosine ends warmup steps apart",
        imitate="WarmUp(CosineDecay(0.1, 90), 10)",
        switches=("CosineDecay.steps",),
        fix={
            "keras": (
                "keras.optimizers.schedules.CosineDecay(start, decay_steps={value}, "
                "warmup_target=lr, warmup_steps=warmup)"
            ),
            "jax": "optax.warmup_cosine_decay_schedule(start, lr, warmup, decay_steps={value})",
        },
        reference=(
            'Keras documentation, "CosineDecay"; optax documentation, warmup_cosine_decay_schedule'
        ),
    ),
    Convention(
        id="lr-warmup-first-step",
        stage="update",
        title="rate of the first warm-up step",
        statement=(
            "A warm-up of t/w in Keras and optax makes the first update with rate 0; torch's "
            "LinearLR starts at one third of the rate."
        ),
        defaults={
            "torch": "LinearLR start_factor=1/3",
            "keras": "first update at rate 0",
            "jax": "first update at rate 0",
        },
        signature="first step is 0",
        imitate='WarmUp(ConstantRate(0.1), 10, first="up")',
        switches=("WarmUp.start", "WarmUp.first"),
        fix={
            "torch": (
                "LinearLR(optimizer, start_factor={value}, total_iters=warmup)  # must be above 0"
            ),
            "keras": (
                "keras.optimizers.schedules.CosineDecay({value}, decay_steps, warmup_target=lr, "
                "warmup_steps=warmup)"
            ),
            "jax": "optax.linear_schedule({value}, lr, warmup)",
        },
        reference='PyTorch documentation, LinearLR; Keras documentation, "CosineDecay"',
    ),
    Convention(
        id="lr-schedule-first-step",
        stage="update",
        title="index of the first update",
        statement=(
            "Keras and optax evaluate schedule(0) for the first update; torch's LambdaLR applies "
            "lambda(0) when it is made. A program that raises its counter before it looks up the "
            "rate is one step ahead."
        ),
        defaults={
            "torch": "LambdaLR applies lambda(0) at construction",
            "keras": "schedule(0) for the first update",
            "jax": "schedule(0) for the first update",
        },
        signature="rates are equal after a shift by one step",
        left_out="the first update is at step 0 in every schedule",
        fix={
            "torch": "LambdaLR(optimizer, lambda t: schedule(t + {value}))",
            "numpy": "rate = schedule(t); t += 1  # look up, then count",
        },
        reference="PyTorch documentation, LambdaLR",
    ),
    Convention(
        id="lr-inverse-time",
        stage="update",
        title="1/t decay",
        statement=(
            "Keras's InverseTimeDecay is η/(1 + rate·t/steps); in torch it is written as a "
            "LambdaLR."
        ),
        defaults={
            "torch": "by LambdaLR",
            "keras": "η/(1 + rate·t/steps)",
        },
        signature="1/rate grows linearly in t",
        switches=("InverseTimeDecay.decay", "InverseTimeDecay.steps", "InverseTimeDecay.staircase"),
        imitate="InverseTimeDecay(0.1, 100, 0.5)",
        fix={
            "torch": "LambdaLR(optimizer, lambda t: 1 / (1 + {value} * t))",
            "keras": "keras.optimizers.schedules.InverseTimeDecay(lr, 1, {value})",
            "numpy": "rate = lr / (1 + {value} * t)",
        },
        reference='Keras documentation, "InverseTimeDecay"',
    ),
    Convention(
        id="lr-polynomial",
        stage="update",
        title="end of polynomial decay",
        statement=(
            "Keras's PolynomialDecay ends at 1e-4, not at 0, with power 1; torch's PolynomialLR "
            "ends at 0."
        ),
        defaults={
            "keras": "end_learning_rate=1e-4, power=1.0",
        },
        signature="the final rate is 1e-4 on one side",
        switches=(
            "PolynomialDecay.steps",
            "PolynomialDecay.end",
            "PolynomialDecay.power",
            "PolynomialDecay.cycle",
        ),
        imitate="PolynomialDecay(0.1, 100, end=1e-4)",
        fix={
            "torch": "PolynomialLR(optimizer, total_iters=steps, power={value})",
            "keras": (
                "keras.optimizers.schedules.PolynomialDecay(lr, steps, end_learning_rate={value})"
            ),
            "jax": "optax.polynomial_schedule(lr, {value}, power, steps)",
        },
        reference='Keras documentation, "PolynomialDecay"',
    ),
    Convention(
        id="lr-legacy-decay-arg",
        not_injectable="it only raises, or is ignored on both sides",
        stage="update",
        title="decay= is ignored",
        statement=(
            "Keras up to 2 computed η/(1 + decay·t); Keras 3 accepts `decay=` with a warning and "
            "ignores it, so that the rate stays constant."
        ),
        defaults={
            "keras": "ignored with a warning since Keras 3",
        },
        signature="the rate is constant where the other side's falls",
        left_out="an argument that Keras ignores",
        fix={
            "keras": "keras.optimizers.schedules.InverseTimeDecay(lr, 1, {value})",
            "torch": "LambdaLR(optimizer, lambda t: 1 / (1 + {value} * t))",
        },
        reference='Keras documentation, "Optimizers"; "InverseTimeDecay"',
    ),
    Convention(
        id="sklearn-invscaling",
        stage="update",
        title="scikit-learn's invscaling",
        statement=(
            'learning_rate="invscaling" gives η₀/(t + 1)^power_t with t the number of samples seen '
            "so far, updated once an epoch; power_t is 0.5."
        ),
        defaults={
            "sklearn": "η₀/(t + 1)^0.5 with t in samples, per epoch",
        },
        signature="the rate falls by √n after the first epoch of n rows",
        switches=("InverseScaling.power", "InverseScaling.unit"),
        imitate="InverseScaling(0.1)",
        fix={
            "sklearn": 'MLPClassifier(solver="sgd", learning_rate="constant")',
            "numpy": "rate = lr / (samples_seen + 1) ** {value}",
        },
        reference="scikit-learn documentation, MLPClassifier",
    ),
    Convention(
        id="reduce-lr-on-plateau",
        stage="update",
        title="what counts as a plateau",
        statement=(
            "Both wait 10 epochs and multiply by 0.1, but torch counts an improvement relative to "
            "the best (threshold 1e-4, rel) and Keras absolutely (min_delta 1e-4)."
        ),
        defaults={
            "torch": 'patience=10, factor=0.1, threshold=1e-4, threshold_mode="rel"',
            "keras": "patience=10, factor=0.1, min_delta=1e-4, absolute",
        },
        signature="the rate drops at other epochs",
        imitate='ReduceOnPlateau(threshold_kind="absolute")',
        fix={
            "torch": 'ReduceLROnPlateau(optimizer, threshold={value}, threshold_mode="abs")',
            "keras": "keras.callbacks.ReduceLROnPlateau(min_delta={value})",
        },
        reference=(
            'PyTorch documentation, ReduceLROnPlateau; Keras documentation, "ReduceLROnPlateau"'
        ),
    ),
    Convention(
        id="schedule-kind",
        stage="update",
        title="another schedule",
        statement=(
            "The learning rate follows another function of the step, or changes on one side only."
        ),
        signature="the ratio of steps at equal gradients changes with t",
        imitate="CosineDecay(0.1, 100)",
        fix={
            "torch": "scheduler = {value}",
            "keras": "optimizer = keras.optimizers.SGD(learning_rate={value})",
            "jax": "optimizer = optax.sgd(learning_rate={value})",
            "sklearn": 'MLPClassifier(solver="sgd", learning_rate={value})',
            "numpy": "learning_rate = {value}",
        },
        reference='Goodfellow, Bengio and Courville, "Deep Learning" (2016), section 8.5',
    ),
)
